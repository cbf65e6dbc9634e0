//! Models that are asked nothing: what is remembered they hand out, the rest is played.
//!
//! A [`Rehearsal`] stands before a real [`Chat`] and keeps a [`Ledger`] of what
//! every stage would have asked. The same question twice is one call, as it
//! would be in the run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use assay_domain::Usage;
use assay_llm::chat::Answering;
use assay_llm::{Answer, Chat, Error, Request, memo, tokens};

use super::lengths::{Pair, Seen};
use super::play;
use crate::model::STAGES;

/// Tokens that must be known of a model or stage before they count as much as the rule.
const PRIOR: f64 = 2_000.0;

/// Tokens of answers that were seen before the length of the others is taken to be known.
const ENOUGH: f64 = 200.0;

/// What was asked so far, by stage and model.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    asked: BTreeSet<memo::Key>,
    stages: BTreeMap<(String, String), Tally>,
    /// By provider and model: tokens of prompts as we count them and as the provider did.
    prompts: BTreeMap<(String, String), (f64, f64)>,
    /// Models of which earlier reports tell.
    known: BTreeSet<(String, String)>,
    /// By stage and model: tokens of answers as they are played and as they were.
    answers: BTreeMap<(String, String), (f64, f64)>,
}

/// What one stage asks of one model.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) provider: String,
    pub(super) calls: usize,
    pub(super) remembered: usize,
    /// Tokens of the prompts and the played answers of `calls`.
    pub(super) input: u64,
    pub(super) output: u64,
    /// What the remembered ones teach.
    pub(super) input_ratio: f64,
    pub(super) output_ratio: f64,
    /// Whether they taught enough.
    pub(super) is_known: bool,
}

/// What one rehearsal tells, in the order of the pipeline: stage, model, what it takes.
pub(super) type Stages = Vec<(&'static str, String, Tally)>;

impl Ledger {
    /// What was noted.
    pub(super) fn by_stage(&self) -> Stages {
        let books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for stage in STAGES {
            for ((_, model), tally) in books.stages.iter().filter(|((of, _), _)| of == stage) {
                let mut tally = tally.clone();
                tally.input_ratio = ratio(books.prompts.get(&(tally.provider.clone(), model.clone())));
                let answers = books.answers.get(&(stage.to_owned(), model.clone()));
                tally.output_ratio = ratio(answers);
                tally.is_known = answers.is_some_and(|(played, _)| *played >= ENOUGH);
                found.push((stage, model.clone(), tally));
            }
        }
        found
    }

    /// Begins with what is known of a model; the same twice counts once.
    pub(super) fn begin(&self, provider: &str, model: &str, seen: &Seen) {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = |(ours, theirs): Pair| (ours as f64, theirs as f64);
        let whose = (provider.to_owned(), model.to_owned());
        if seen.prompts.0 > 0 {
            books.known.insert(whose.clone());
        }
        books.prompts.insert(whose, pair(seen.prompts));
        for (stage, answers) in &seen.answers {
            books.answers.insert((stage.clone(), model.to_owned()), pair(*answers));
        }
    }

    /// Whether what was seen of a model corrects our count of its prompts.
    fn knows(&self, provider: &str, model: &str) -> bool {
        let books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        books.known.contains(&(provider.to_owned(), model.to_owned()))
    }

    fn note(&self, provider: &str, request: &Request, note: impl FnOnce(&mut Tally)) {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (request.stage.to_string(), request.model.clone());
        let tally = books.stages.entry(key).or_default();
        provider.clone_into(&mut tally.provider);
        note(tally);
    }

    /// Whether nobody asked this before.
    fn is_new(&self, provider: &str, request: &Request) -> bool {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        books.asked.insert(memo::key(provider, request))
    }

    fn learn(&self, provider: &str, request: &Request, prompt: Pair, answer: Pair) {
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let model = request.model.clone();
        add(books.prompts.entry((provider.to_owned(), model.clone())).or_default(), prompt);
        add(books.answers.entry((request.stage.to_string(), model)).or_default(), answer);
    }
}

fn add(sum: &mut (f64, f64), (ours, theirs): (u64, u64)) {
    sum.0 += ours as f64;
    sum.1 += theirs as f64;
}

fn ratio(seen: Option<&(f64, f64)>) -> f64 {
    let (ours, theirs) = seen.copied().unwrap_or_default();
    ((theirs + PRIOR) / (ours + PRIOR)).clamp(0.25, 4.0)
}

/// Stands before a model.
pub(super) struct Rehearsal<'a> {
    chat: &'a dyn Chat,
    ledger: &'a Ledger,
    /// Attributes that decide which threads stay.
    filters: &'a [String],
    /// Which of the ways to answer.
    take: u64,
}

impl<'a> Rehearsal<'a> {
    pub(super) fn of(chat: &'a dyn Chat, ledger: &'a Ledger, filters: &'a [String], take: u64) -> Self {
        Self { chat, ledger, filters, take }
    }

    async fn rehearse(&self, request: &Request) -> Result<Answer, Error> {
        let provider = self.chat.name();
        // What the process saw of the model would correct it a second time.
        let input = match self.ledger.knows(provider, &request.model) {
            true => tokens::of_prompt(request),
            false => self.chat.prompt_tokens(request),
        };
        let (value, output) = play::answer(request, self.filters, self.take);
        let is_new = self.ledger.is_new(provider, request);
        if let Some(answer) = self.chat.recall(request).await? {
            let usage = &answer.usage;
            // Repaired and estimated answers say nothing of one prompt.
            if is_new && !answer.usage_is_estimated && usage.input_tokens < input.saturating_mul(2) {
                self.ledger.learn(
                    provider,
                    request,
                    (input, usage.input_tokens),
                    (output, usage.output_tokens),
                );
            }
            self.ledger.note(provider, request, |tally| tally.remembered += 1);
            return Ok(answer);
        }
        self.ledger.note(provider, request, |tally| {
            if is_new {
                tally.calls += 1;
                tally.input += input;
                tally.output += output;
            } else {
                tally.remembered += 1;
            }
        });
        let usage = Usage {
            input_tokens: input,
            output_tokens: output,
            total_tokens: input + output,
            ..Usage::default()
        };
        let answer = Answer::of_text(&request.model, "", usage);
        Ok(Answer { value: Some(value), usage_is_estimated: true, ..answer })
    }
}

impl Chat for Rehearsal<'_> {
    fn name(&self) -> &str {
        self.chat.name()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Answering<'a, Result<Answer, Error>> {
        Box::pin(self.rehearse(request))
    }
}
