//! A language model reads threads: summary, attributes and what shows them.
//!
//! One structured call per thread. Threads whose words are the same but for
//! numbers and ids are read once. Quotes that are not in the thread are dropped
//! and counted; a thread the model cannot read keeps its local summary and is
//! listed. Threads for which a `filter_by` attribute is not true leave the report.
//! Where failures are what the report is about, it also says what went wrong
//! though nothing broke, with words that show it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;

use assay_domain::report::{AttributeKind, AttributeSchema, AttributeValue, Evidence, Focus, Skipped};
use assay_domain::{ProjectId, ReportConfig, Thread, ThreadId};
use assay_llm::Schema;
use assay_store::Runs;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Asked, Question, Role, Work, lot, object, render, string, template, tidy};
use crate::Error;
use crate::aggregate::shows_failure;
use crate::context::{Context, Stage};
use crate::grouping::ReadThread;
use crate::summary::{Failure, FailureKind, Summary, Topic};

pub(crate) const STAGE: &str = "summarize";
const SYSTEM: &str = include_str!("prompts/summarize.txt");

/// Threads opened at once.
const CHUNK: usize = 128;
const SUMMARY: usize = 600;
const REQUEST: usize = 160;
const PROBLEM: usize = 120;
const QUOTES: usize = 3;
/// Characters of a quote: shorter ones show nothing, longer ones are not quotes.
const QUOTE: std::ops::RangeInclusive<usize> = 4..=400;
const ANSWER_TOKENS: u32 = 600;
const ATTRIBUTE_TOKENS: u32 = 60;
/// How much of the vector the request makes, where attributes have a say too.
const REQUEST_WEIGHT: f32 = 0.8;

/// A thread, ready to be shown to a model.
struct Opened {
    index: usize,
    prompt: String,
    /// Every message as it can be quoted: as the model may see it.
    lines: Vec<String>,
}

/// Lets the model read the drawn threads, as far as the config wants it.
///
/// # Errors
/// Where the store fails, the model fails for good, or somebody asked to stop.
pub(crate) async fn each<S: Runs>(
    work: &Work<'_>,
    ctx: &Context<'_, S>,
    project: ProjectId,
    mut threads: Vec<ReadThread>,
) -> Result<Vec<ReadThread>, Error> {
    if !work.reads() || threads.is_empty() {
        return Ok(threads);
    }
    let chosen = choose(&threads, work.config());
    ctx.progress.begin(Stage::Summarize, chosen.len());
    let schema = schema(work.config());
    let mut alike = Alike::default();
    let (mut found, chosen) = sketched(work, &threads, chosen, &schema);
    let mut waiting: VecDeque<Opened> = VecDeque::new();
    let mut chunks = chosen.chunks(CHUNK);
    let mut calls: FuturesUnordered<Call<'_>> = FuturesUnordered::new();
    loop {
        while calls.len() < work.concurrency() && !work.is_over() {
            if waiting.is_empty() {
                let Some(chunk) = chunks.next() else { break };
                ctx.check()?;
                waiting.extend(open(work, ctx, project, &threads, chunk).await?);
                waiting.retain(|opened| alike.is_first(opened));
                continue;
            }
            let Some(opened) = waiting.pop_front() else { break };
            calls.push(Box::pin(read(work, opened, schema.clone())));
        }
        let Some(answered) = calls.next().await else { break };
        let (index, told) = answered?;
        ctx.progress.advance(1 + alike.followers_of(index).len());
        if let Some(told) = told {
            found.insert(index, told);
        }
    }
    let mut unread = Vec::new();
    for (index, told) in found {
        let followers = alike.followers_of(index).to_vec();
        match told {
            Ok(told) => {
                work.note(|books| {
                    books.threads_read += 1 + followers.len();
                    books.threads_alike += followers.len();
                    books.evidence_dropped += told.dropped;
                });
                for follower in followers {
                    // Its own words differ in numbers: the quotes are not its own.
                    told.apply(&mut threads[follower].summary, false);
                }
                told.apply(&mut threads[index].summary, true);
            }
            Err(reason) => {
                let skip = |index: usize| Skipped {
                    thread: threads[index].summary.thread.clone(),
                    reason: reason.clone(),
                };
                unread.push(skip(index));
                unread.extend(followers.into_iter().map(skip));
            }
        }
    }
    work.unread(unread);
    Ok(filtered(work, threads))
}

/// What somebody tells in place of the model, and the threads that the model is to read.
fn sketched(
    work: &Work<'_>,
    threads: &[ReadThread],
    mut chosen: Vec<usize>,
    schema: &Schema,
) -> (BTreeMap<usize, Result<Told, String>>, Vec<usize>) {
    let mut found = BTreeMap::new();
    if let Some(sketch) = work.sketch {
        chosen.retain(|&index| match sketch(&threads[index], schema) {
            Some(value) => found.insert(index, Ok(Told::of(&value, &[], work.config()))).is_some(),
            None => true,
        });
    }
    (found, chosen)
}

type Call<'a> =
    Pin<Box<dyn Future<Output = Result<(usize, Option<Result<Told, String>>), Error>> + Send + 'a>>;

async fn read(
    work: &Work<'_>,
    opened: Opened,
    schema: Schema,
) -> Result<(usize, Option<Result<Told, String>>), Error> {
    let attributes = u32::try_from(work.config().attributes.len()).unwrap_or(u32::MAX);
    let question = Question {
        stage: STAGE,
        role: Role::Summary,
        system: SYSTEM.to_owned(),
        text: opened.prompt,
        schema,
        max_tokens: ANSWER_TOKENS.saturating_add(ATTRIBUTE_TOKENS.saturating_mul(attributes)),
    };
    let told = match work.ask(question).await? {
        Asked::Answer(value) => {
            let lines: Vec<String> = opened.lines.iter().map(|line| spaced(line)).collect();
            Some(Ok(Told::of(&value, &lines, work.config())))
        }
        Asked::Skipped(reason) => Some(Err(reason)),
        Asked::Over => None,
    };
    Ok((opened.index, told))
}

/// Reads a few threads again and writes their prompts.
async fn open<S: Runs>(
    work: &Work<'_>,
    ctx: &Context<'_, S>,
    project: ProjectId,
    threads: &[ReadThread],
    chunk: &[usize],
) -> Result<Vec<Opened>, Error> {
    let ids: Vec<ThreadId> = chunk.iter().map(|&index| threads[index].overview.id.clone()).collect();
    let index_of: HashMap<&ThreadId, usize> = ids.iter().zip(chunk.iter().copied()).collect();
    let read = ctx.store.read_threads(project, &ids).await?;
    let opened = read.par_iter().filter_map(|thread| {
        let index = *index_of.get(&thread.id)?;
        Some(prepared(work, index, thread, &threads[index]))
    });
    Ok(opened.collect())
}

fn prepared(work: &Work<'_>, index: usize, thread: &Thread, read: &ReadThread) -> Opened {
    let transcript = assay_transcript::of_thread(thread);
    let clean = |text: &str| work.redacted(text);
    let lines = render::lines(&transcript, &clean);
    let messages = render::thread(&transcript, &lines, work.thread_tokens());
    let config = work.config();
    let shown = match &config.summary_prompt {
        None => format!("<conversation>\n{messages}\n</conversation>"),
        Some(prompt) => {
            let scores = read.overview.feedback.iter().map(|(key, score)| (key.clone(), json!(score.mean)));
            template::fill(prompt, thread, &messages, &Value::Object(scores.collect()), &clean)
        }
    };
    Opened { index, prompt: format!("{}{shown}", work.instructions()), lines }
}

/// Which threads the model reads, in thread order: one of each wording first, half of
/// them threads that failed where there are so many.
fn choose(threads: &[ReadThread], config: &ReportConfig) -> Vec<usize> {
    let size = config.read_by_model.unwrap_or(threads.len()).min(threads.len());
    if size == threads.len() {
        return (0..threads.len()).collect();
    }
    let mut said: BTreeSet<String> = BTreeSet::new();
    let mut order: Vec<usize> = (0..threads.len()).collect();
    let seed = config.seed.to_string();
    order.sort_by_cached_key(|&index| lot(&[&seed, &threads[index].summary.thread.0]));
    let mut ranked: Vec<(bool, usize)> = order
        .into_iter()
        .map(|index| (!said.insert(pattern(&threads[index].summary.request)), index))
        .collect();
    // Stable: by lot among equals.
    ranked.sort_by_key(|(is_repeated, _)| *is_repeated);
    let fails = |index: usize| shows_failure(&threads[index]);
    let failing = ranked.iter().map(|&(_, index)| index).filter(|&index| fails(index)).take(size / 2);
    let mut chosen: BTreeSet<usize> = failing.collect();
    for &(_, index) in &ranked {
        if chosen.len() == size {
            break;
        }
        chosen.insert(index);
    }
    chosen.into_iter().collect()
}

/// The same for texts that differ only in numbers, ids and blanks.
fn pattern(text: &str) -> String {
    let word = |word: &str| match word.contains(|c: char| c.is_ascii_digit()) {
        true => "0".to_owned(),
        false => word.to_lowercase(),
    };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// Which threads say the same as one that is read.
#[derive(Default)]
struct Alike {
    first: HashMap<[u8; 32], usize>,
    followers: BTreeMap<usize, Vec<usize>>,
}

impl Alike {
    fn is_first(&mut self, opened: &Opened) -> bool {
        let key: [u8; 32] = Sha256::digest(pattern(&opened.prompt)).into();
        let first = *self.first.entry(key).or_insert(opened.index);
        if first != opened.index {
            self.followers.entry(first).or_default().push(opened.index);
        }
        first == opened.index
    }

    fn followers_of(&self, index: usize) -> &[usize] {
        self.followers.get(&index).map_or(&[], Vec::as_slice)
    }
}

/// What the model told about a thread, checked.
#[derive(Debug)]
struct Told {
    summary: String,
    request: String,
    attributes: BTreeMap<String, AttributeValue>,
    evidence: Vec<Evidence>,
    /// What went wrong, and words that show it.
    problem: Option<(String, Evidence)>,
    dropped: usize,
}

impl Told {
    fn of(value: &Value, lines: &[String], config: &ReportConfig) -> Self {
        let text = |name: &str, most: usize| tidy(value[name].as_str().unwrap_or_default(), most);
        let quoted = value["evidence"].as_array().map_or(&[][..], Vec::as_slice);
        let evidence: Vec<Evidence> =
            quoted.iter().take(QUOTES).filter_map(|one| checked(one, lines)).collect();
        let said = text("problem", PROBLEM);
        let shown = checked(&json!({ "quote": value["problem_quote"] }), lines);
        let problem = (!said.is_empty()).then_some(said).zip(shown);
        // Said, but not shown.
        let unfounded = usize::from(value["problem"].is_string() && problem.is_none());
        let attributes = config.attributes.iter().filter_map(|(name, schema)| {
            Some((name.clone(), attribute(&value["attributes"][name.as_str()], schema)?))
        });
        Self {
            summary: text("summary", SUMMARY),
            request: text("request", REQUEST),
            attributes: attributes.collect(),
            dropped: quoted.len().min(QUOTES) - evidence.len() + unfounded,
            evidence,
            problem,
        }
    }

    fn apply(&self, summary: &mut Summary, is_own: bool) {
        if !self.summary.is_empty() {
            summary.text.clone_from(&self.summary);
        }
        if is_own {
            summary.evidence.clone_from(&self.evidence);
        }
        summary.attributes.extend(self.attributes.clone());
        self.blame(summary);
        if self.request.is_empty() {
            return;
        }
        let facts: Vec<String> =
            self.attributes.iter().filter_map(|(name, value)| spoken(name, value)).collect();
        let weight = if facts.is_empty() { 1.0 } else { REQUEST_WEIGHT };
        let topics = vec![Topic { text: self.request.clone(), weight }];
        summary.own_words = Some(std::mem::replace(&mut summary.topics, topics));
        if !facts.is_empty() {
            summary.topics.push(Topic { text: facts.join("; "), weight: 1.0 - REQUEST_WEIGHT });
        }
    }
}

impl Told {
    /// Adds what went wrong where structure shows nothing.
    fn blame(&self, summary: &mut Summary) {
        let is_broken = summary.failures.iter().any(|failure| !failure.recovered);
        let Some((cause, shown)) = self.problem.as_ref().filter(|_| !is_broken) else { return };
        let found = Failure {
            kind: FailureKind::Found,
            signature: cause.clone(),
            tool: None,
            agent: None,
            evidence: shown.quote.clone(),
            count: 1,
            recovered: false,
            run: summary.run,
        };
        // The worst comes first, and this one was not got over.
        summary.failures.insert(0, found);
    }
}

/// An attribute as words, where it has any.
fn spoken(name: &str, value: &AttributeValue) -> Option<String> {
    match value {
        AttributeValue::Text(text) => Some(format!("{}: {text}", name.replace('_', " "))),
        AttributeValue::Boolean(true) => Some(name.replace('_', " ")),
        _ => None,
    }
}

fn attribute(value: &Value, schema: &AttributeSchema) -> Option<AttributeValue> {
    match schema.kind {
        AttributeKind::Boolean => value.as_bool().map(AttributeValue::Boolean),
        AttributeKind::Number | AttributeKind::Integer => {
            value.as_f64().filter(|number| number.is_finite()).map(AttributeValue::Number)
        }
        AttributeKind::String => {
            let text = tidy(value.as_str()?, 120);
            let is_option = schema.options.is_empty() || schema.options.contains(&text);
            (is_option && !text.is_empty()).then_some(AttributeValue::Text(text))
        }
    }
}

/// The quote, if the thread holds it; in whichever message it is.
fn checked(one: &Value, lines: &[String]) -> Option<Evidence> {
    let quote = spaced(one["quote"].as_str()?);
    if !QUOTE.contains(&quote.chars().count()) {
        return None;
    }
    let named = one["message"].as_u64().and_then(|index| usize::try_from(index).ok());
    let holds = |index: &usize| lines.get(*index).is_some_and(|line| line.contains(&quote));
    let message = named.filter(holds).or_else(|| (0..lines.len()).find(holds))?;
    Some(Evidence { message, quote })
}

/// With single blanks: models do not copy line breaks.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn schema(config: &ReportConfig) -> Schema {
    let attributes = config.attributes.iter().map(|(name, schema)| {
        let kind = match schema.kind {
            AttributeKind::String => "string",
            AttributeKind::Number => "number",
            AttributeKind::Integer => "integer",
            AttributeKind::Boolean => "boolean",
        };
        let mut property = json!({"type": [kind, "null"], "description": schema.description});
        if schema.kind == AttributeKind::String && !schema.options.is_empty() {
            let options = schema.options.iter().map(|option| json!(option)).chain([Value::Null]);
            property["enum"] = options.collect();
        }
        (name.as_str(), property)
    });
    let evidence = object(vec![
        ("message", json!({"type": "integer", "description": "The number in brackets before the message."})),
        ("quote", string("A few words of that message, letter by letter.")),
    ]);
    let mut properties = vec![
        (
            "request",
            string(
                "What the person wants, as a short phrase beginning with a verb, without names and numbers.",
            ),
        ),
        (
            "summary",
            string(
                "One to three sentences: what was asked, what the agent did, how it ended and what went wrong.",
            ),
        ),
        (
            "evidence",
            json!({"type": "array", "items": evidence, "description": "One to three quotes that show it."}),
        ),
        ("attributes", object(attributes.collect())),
    ];
    if config.focus == Focus::Errors {
        properties.extend(problem());
    }
    Schema {
        name: "thread".into(),
        description: "What happened in the conversation.".into(),
        schema: object(properties),
    }
}

/// What the error lens wants to know besides.
fn problem() -> [(&'static str, Value); 2] {
    let optional = |description: &str| json!({"type": ["string", "null"], "description": description});
    [
        (
            "problem",
            optional(
                "What the agent did wrong and why, as a short phrase without names and numbers, such as \
                 \"search returned results of another city\"; null where nothing went wrong.",
            ),
        ),
        (
            "problem_quote",
            optional(
                "A few words of the conversation that show it, letter by letter; null where nothing went wrong.",
            ),
        ),
    ]
}

/// Without the threads for which a `filter_by` attribute is not true.
fn filtered(work: &Work<'_>, mut threads: Vec<ReadThread>) -> Vec<ReadThread> {
    let wanted: Vec<&String> = (work.config().attributes.iter())
        .filter(|(_, schema)| schema.filter_by && schema.kind == AttributeKind::Boolean)
        .map(|(name, _)| name)
        .collect();
    let before = threads.len();
    threads.retain(|thread| {
        let is_true =
            |name: &&String| thread.summary.attributes.get(*name) == Some(&AttributeValue::Boolean(true));
        wanted.iter().all(is_true)
    });
    let left_out = before - threads.len();
    work.note(|books| books.filtered_out = left_out);
    threads
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: usize = 160;
    const ALL: usize = 200;

    /// Four of five ask for the same with another number, everybody else for something of their own.
    fn threads() -> Vec<ReadThread> {
        let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
        let request = |number: usize| match number < COMMON {
            true => format!("where is parcel {number}"),
            false => format!("tell me about {}{}", letter(number), letter(number / 26)),
        };
        (0..ALL).map(|number| ReadThread::asking(&format!("thread {number:03}"), &request(number))).collect()
    }

    /// The same, and every tenth fails.
    fn failing() -> Vec<ReadThread> {
        let mut threads = threads();
        for thread in threads.iter_mut().step_by(10) {
            thread.summary.failures.push(Failure {
                kind: FailureKind::ToolError,
                signature: "no answer".into(),
                tool: None,
                agent: None,
                evidence: "no answer".into(),
                count: 1,
                recovered: false,
                run: None,
            });
        }
        threads
    }

    fn chosen(threads: &[ReadThread], size: usize, seed: u64) -> Vec<usize> {
        choose(threads, &ReportConfig { read_by_model: Some(size), seed, ..ReportConfig::usage_patterns() })
    }

    fn wordings(threads: &[ReadThread], chosen: &[usize]) -> usize {
        chosen.iter().map(|&index| pattern(&threads[index].summary.request)).collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn a_sample_for_the_model_has_the_size_asked_for_and_follows_from_the_seed() {
        let threads = failing();
        for size in [1, 7, 20, 100, ALL - 1, ALL, ALL + 1] {
            let sample = chosen(&threads, size, 1);
            assert_eq!(sample.len(), size.min(ALL));
            assert!(sample.is_sorted_by(|a, b| a < b), "each once, in thread order: {sample:?}");
            assert_eq!(sample, chosen(&threads, size, 1));
        }
        assert_ne!(chosen(&threads, 20, 1), chosen(&threads, 20, 2));
        let everybody = ReportConfig { read_by_model: None, ..ReportConfig::usage_patterns() };
        assert_eq!(choose(&threads, &everybody), (0..ALL).collect::<Vec<_>>());
    }

    #[test]
    fn a_sample_for_the_model_is_spread_over_what_is_asked_for() {
        let threads = threads();
        let first: Vec<usize> = (0..20).collect();
        assert_eq!(wordings(&threads, &first), 1);
        for seed in 0..5 {
            assert_eq!(wordings(&threads, &chosen(&threads, 20, seed)), 20, "nobody twice");
            // All there is, before anybody is read twice.
            assert_eq!(wordings(&threads, &chosen(&threads, 60, seed)), ALL - COMMON + 1);
        }
    }

    #[test]
    fn half_of_a_sample_for_the_model_failed_where_so_many_did() {
        let threads = failing();
        for seed in 0..5 {
            let sample = chosen(&threads, 20, seed);
            let fails = sample.iter().filter(|&&index| shows_failure(&threads[index])).count();
            assert!((10..20).contains(&fails), "{fails} of 20");
            // Four of those that failed ask for something of their own, and ten are not chosen for failing.
            assert!(wordings(&threads, &sample) >= 14);
        }
    }
}
