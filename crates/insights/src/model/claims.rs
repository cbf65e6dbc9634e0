//! The executive summary by a model that may not write a number.
//!
//! It is shown facts with labels and writes sentences with those labels. The
//! labels become slots with the queries behind them, so every number in the
//! text is ours and is verified like those of the local writer. A sentence with
//! a number of its own, an unknown label or none at all is dropped and counted.
//! Quotes in the reasons of highlights must stand in the thread.

#[cfg(test)]
mod forged;

use assay_domain::Report;
use assay_domain::report::{
    Assignment, AttributeFilter, Category, CategoryKind, Claim, ClaimValue, Highlight, Measure, Query,
};
use assay_llm::Schema;
use serde_json::{Value, json};

use super::{Asked, Question, Role, Work, object, string, tidy};
use crate::context::Stage;
use crate::verify::wording::invented_quote;
use crate::{Error, verify};

pub(crate) const STAGE: &str = "summary";
const SYSTEM: &str = include_str!("prompts/claims.txt");

const CATEGORIES: usize = 24;
const ASSOCIATIONS: usize = 16;
const CANDIDATES: usize = 24;
const HIGHLIGHTS: usize = 10;
const POINTS: usize = 10;
const LONGEST_POINT: usize = 400;
const LONGEST_REASON: usize = 240;

/// Words that state a number.
const QUANTITIES: &[&str] = &[
    "zero",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
    "hundred",
    "hundreds",
    "thousand",
    "thousands",
    "million",
    "millions",
    "billion",
    "dozen",
    "dozens",
    "half",
    "halves",
    "halved",
    "third",
    "thirds",
    "quarter",
    "quarters",
    "fourth",
    "fifth",
    "fifths",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "tenths",
    "twice",
    "thrice",
    "double",
    "doubled",
    "doubles",
    "triple",
    "tripled",
    "triples",
    "quadruple",
    "percent",
    "percentage",
    "permille",
];

/// Phrases that do.
const QUANTIFYING: &[&str] =
    &["per cent", "every second", "every other", "one in ", "one out of ", "one of every"];

/// Replaces the local executive summary by the model's, as far as it checks.
///
/// # Errors
/// Where the model fails for good or somebody asked to stop.
pub(crate) async fn write(work: &Work<'_>, report: &mut Report) -> Result<(), Error> {
    if !work.names() || report.assignments.is_empty() {
        return Ok(());
    }
    work.progress.begin(Stage::Conclude, 0);
    let facts = facts(report);
    let threads = candidates(report);
    let answer = match work.ask(question(work, report, &facts, &threads)).await? {
        Asked::Answer(value) => value,
        Asked::Skipped(reason) => {
            work.note(|books| {
                books.partial.get_or_insert_with(|| format!("the executive summary is local: {reason}"));
            });
            return Ok(());
        }
        Asked::Over => return Ok(()),
    };
    let local = std::mem::take(&mut report.executive_summary);
    let (highlights, mut dropped) = highlights(report, &answer, &threads);
    // Sentences cite highlights by rank: whose sentences are kept, theirs are the highlights.
    report.executive_summary.highlights = highlights;
    let title = tidy(answer["title"].as_str().unwrap_or_default(), 90);
    report.executive_summary.title =
        if title.is_empty() || has_number(&title, report) { local.title } else { title };
    let mut points = Vec::new();
    for point in answer["key_points"].as_array().into_iter().flatten().take(POINTS) {
        let drafted = draft(report, point["text"].as_str().unwrap_or_default(), &facts, &threads);
        match drafted.filter(|claim| verify::claim(report, claim).is_ok()) {
            Some(claim) => points.push(claim),
            None => dropped += 1,
        }
    }
    if points.is_empty() {
        points = local.key_points;
        report.executive_summary.highlights = local.highlights;
    } else if report.executive_summary.highlights.is_empty() {
        report.executive_summary.highlights = local.highlights;
    }
    report.made.claims_dropped += dropped;
    report.executive_summary.key_points = points;
    Ok(())
}

/// A number the model may cite.
struct Fact {
    query: Query,
    value: f64,
    text: String,
}

fn facts(report: &Report) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |query: Query, text: String| {
        if let Some(value) = verify::evaluate(report, &query) {
            let text = format!("{text}: {}", verify::show(&query.measure, value));
            facts.push(Fact { query, value, text });
        }
    };
    let all = |measure| Query { measure, category: None, attribute: None };
    for (measure, text) in [
        (Measure::Threads, "conversations analysed"),
        (Measure::TopCategories, "top categories"),
        (Measure::Categories, "categories"),
        (Measure::FailureRate, "share of all conversations that show a failure"),
        (Measure::ErrorRate, "share of all conversations that ended in an error"),
        (Measure::LatencyP50, "median duration of all conversations"),
        (Measure::LatencyP99, "duration that nearly all conversations stay below"),
        (Measure::TotalCost, "cost of all conversations"),
    ] {
        add(all(measure), text.to_owned());
    }
    for key in report.statistics.feedback.keys().take(4) {
        add(all(Measure::FeedbackMean { key: key.clone() }), format!("mean feedback {key:?} of all"));
    }
    let telling = telling(report);
    for node in telling.iter().take(CATEGORIES) {
        let of = |measure| Query { measure, category: Some(node.id.clone()), attribute: None };
        let name = &node.name;
        add(of(Measure::Share), format!("share of all conversations in “{name}”"));
        if node.statistics.failures > 0 {
            let standing = standing(node.statistics.failures_stand_out);
            add(of(Measure::FailureRate), format!("failure rate within “{name}”{standing}"));
        }
        if node.statistics.errors > 0 {
            let standing = standing(node.statistics.errors_stand_out);
            add(of(Measure::ErrorRate), format!("error rate within “{name}”{standing}"));
        }
        if node.statistics.latency.is_some() {
            add(of(Measure::LatencyP50), format!("median duration within “{name}”"));
        }
        if node.statistics.cost.is_some() {
            add(of(Measure::TotalCost), format!("cost of “{name}”"));
        }
        for key in node.statistics.feedback.keys().take(2) {
            add(
                of(Measure::FeedbackMean { key: key.clone() }),
                format!("mean feedback {key:?} within “{name}”"),
            );
        }
    }
    for (node, link) in associations(report, &telling) {
        let attribute = Some(AttributeFilter { name: link.attribute.clone(), value: link.value.clone() });
        let query =
            |measure| Query { measure, category: Some(node.id.clone()), attribute: attribute.clone() };
        let what = format!("{} = {}", link.attribute, link.value);
        add(query(Measure::AttributeShare), format!("share with {what} within “{}”", node.name));
        add(query(Measure::AttributeShareOutside), format!("share with {what} outside of “{}”", node.name));
    }
    facts
}

/// What the model is told of a rate that is higher than chance explains.
fn standing(stands_out: bool) -> &'static str {
    if stands_out { ", clearly above the rest" } else { "" }
}

/// Categories that mean something, largest first.
fn telling(report: &Report) -> Vec<&Category> {
    let mut nodes: Vec<&Category> = (report.taxonomy.nodes.iter())
        .filter(|node| matches!(node.kind, CategoryKind::Discovered | CategoryKind::Predefined))
        .filter(|node| node.statistics.threads > 0)
        .collect();
    nodes.sort_by(|a, b| {
        b.statistics.estimated_threads.total_cmp(&a.statistics.estimated_threads).then(a.id.cmp(&b.id))
    });
    nodes
}

fn associations<'r>(
    report: &Report,
    nodes: &[&'r Category],
) -> Vec<(&'r Category, &'r assay_domain::report::Association)> {
    let mut links: Vec<_> = nodes
        .iter()
        .filter(|node| report.taxonomy.is_leaf(&node.id))
        .flat_map(|node| node.statistics.associations.iter().take(3).map(move |link| (*node, link)))
        .filter(|(_, link)| link.odds_ratio > 1.0)
        .collect();
    links.sort_by(|(a, x), (b, y)| {
        (y.inside - y.outside)
            .total_cmp(&(x.inside - x.outside))
            .then(a.id.cmp(&b.id))
            .then(x.value.cmp(&y.value))
    });
    links.truncate(ASSOCIATIONS);
    links
}

/// Threads the model may point at: the local choice, then failing and typical ones.
fn candidates(report: &Report) -> Vec<Assignment> {
    let mut chosen: Vec<&Assignment> = Vec::new();
    let local = report.executive_summary.highlights.iter().map(|highlight| &highlight.thread);
    let find = |id| report.assignments.iter().find(|one| &one.thread == id);
    chosen.extend(local.filter_map(find));
    for node in telling(report) {
        let of = |failing: bool| {
            report
                .assignments
                .iter()
                .find(move |one| one.category == node.id && one.failure.is_some() == failing)
        };
        for one in [of(true), of(false)].into_iter().flatten() {
            if chosen.len() < CANDIDATES && chosen.iter().all(|known| known.thread != one.thread) {
                chosen.push(one);
            }
        }
    }
    chosen.into_iter().cloned().collect()
}

fn question(work: &Work<'_>, report: &Report, facts: &[Fact], threads: &[Assignment]) -> Question {
    let mut text = work.instructions();
    text.push_str("Categories:\n");
    for node in telling(report).iter().take(CATEGORIES) {
        text.push_str(&format!("- {}: {}\n", node.name, tidy(&work.shown(&node.description), 200)));
    }
    text.push_str("Facts:\n");
    for (index, fact) in facts.iter().enumerate() {
        text.push_str(&format!("[F{}] {}\n", index + 1, tidy(&work.shown(&fact.text), 300)));
    }
    text.push_str("Conversations:\n");
    for (index, thread) in threads.iter().enumerate() {
        let place = thread.path.last().map_or("", String::as_str);
        let failure = thread.failure.as_deref().map(|failure| work.shown(failure));
        let failure = failure.map(|failure| format!(" [failure: {failure}]")).unwrap_or_default();
        let said = tidy(&work.shown(&thread.summary), 300);
        text.push_str(&format!("[T{}] ({place}) {said}{failure}\n", index + 1));
    }
    let point = object(vec![(
        "text",
        string("One sentence with labels such as [F1] and [T1] for every number and conversation."),
    )]);
    let highlight = object(vec![
        ("thread", string("The label without brackets, such as T1.")),
        ("reason", string("One sentence: why to read this one. No numbers.")),
    ]);
    Question {
        stage: STAGE,
        role: Role::Thinking,
        system: SYSTEM.to_owned(),
        text,
        schema: Schema {
            name: "executive_summary".into(),
            description: "The executive summary.".into(),
            schema: object(vec![
                ("title", string("A headline of at most twelve words, without numbers.")),
                (
                    "key_points",
                    json!({"type": "array", "items": point, "description": "Four to eight sentences, most important first."}),
                ),
                (
                    "highlights",
                    json!({"type": "array", "items": highlight, "description": "Up to ten conversations worth reading, most telling first."}),
                ),
            ]),
        },
        max_tokens: 2_000,
    }
}

/// The conversations the model wants read, and how many of its reasons did not check.
fn highlights(report: &Report, answer: &Value, threads: &[Assignment]) -> (Vec<Highlight>, usize) {
    let mut highlights: Vec<Highlight> = Vec::new();
    let mut dropped = 0;
    for one in answer["highlights"].as_array().into_iter().flatten() {
        let label = one["thread"].as_str().unwrap_or_default().trim_matches(['[', ']', ' ']);
        let Some(thread) = label.strip_prefix('T').and_then(|number| labelled(number, threads)) else {
            dropped += 1;
            continue;
        };
        if highlights.len() == HIGHLIGHTS || highlights.iter().any(|known| known.thread == thread.thread) {
            continue;
        }
        let reason = tidy(one["reason"].as_str().unwrap_or_default(), LONGEST_REASON);
        let is_true = !reason.is_empty()
            && !has_number(&reason, report)
            && invented_quote(report, &reason, &[thread]).is_none();
        dropped += usize::from(!is_true);
        let category_name = thread.path.last().cloned().unwrap_or_default();
        highlights.push(Highlight {
            rank: highlights.len() + 1,
            thread: thread.thread.clone(),
            run: thread.run,
            category: thread.category.clone(),
            category_name,
            reason: if is_true { reason } else { "was chosen by the model as worth reading".to_owned() },
            summary: thread.summary.clone(),
        });
    }
    (highlights, dropped)
}

fn labelled<'t, T>(number: &str, list: &'t [T]) -> Option<&'t T> {
    list.get(number.parse::<usize>().ok()?.checked_sub(1)?)
}

/// The model's sentence as a claim; `None` where it does not hold to the rules.
fn draft(report: &Report, text: &str, facts: &[Fact], threads: &[Assignment]) -> Option<Claim> {
    let text = tidy(text, LONGEST_POINT);
    let mut template = String::new();
    let mut plain = String::new();
    let mut values = Vec::new();
    let mut references = Vec::new();
    let mut rest = text.as_str();
    while let Some(open) = rest.find('[') {
        let close = rest[open..].find(']')? + open;
        let before = escape(&rest[..open]);
        plain.push_str(&before);
        template.push_str(&before);
        let label = rest[open + 1..close].trim();
        if let Some(number) = label.strip_prefix('F') {
            let fact = labelled(number, facts)?;
            template.push_str(&format!("{{{}}}", values.len()));
            let shown = verify::show(&fact.query.measure, fact.value);
            values.push(ClaimValue { query: fact.query.clone(), value: fact.value, shown });
        } else {
            let thread = labelled(label.strip_prefix('T')?, threads)?;
            let listed =
                report.executive_summary.highlights.iter().find(|one| one.thread == thread.thread)?;
            template.push_str(&format!("#{}", listed.rank));
            references.push(listed.rank);
        }
        rest = &rest[close + 1..];
    }
    let end = escape(rest);
    plain.push_str(&end);
    template.push_str(&end);
    if (values.is_empty() && references.is_empty()) || has_number(&plain, report) {
        return None;
    }
    references.sort_unstable();
    references.dedup();
    let shown: Vec<&str> = values.iter().map(|value| value.shown.as_str()).collect();
    let text = verify::fill(&template, &shown);
    Some(Claim { template, values, references, text })
}

/// A brace or hash of the model's must not read as a slot or reference.
fn escape(text: &str) -> String {
    text.replace(['{', '}', '#'], " ")
}

/// Whether a text states a number of its own. What stands in the names of categories is a name.
fn has_number(text: &str, report: &Report) -> bool {
    let mut rest = text.to_lowercase();
    for node in report.taxonomy.nodes.iter().filter(|node| !node.name.is_empty()) {
        rest = rest.replace(&node.name.to_lowercase(), " ");
    }
    let rest = rest.replace("third-party", " ").replace("third party", " ");
    let is_quantity = |word: &str| {
        QUANTITIES.contains(&word) || word.strip_suffix("fold").is_some_and(|word| QUANTITIES.contains(&word))
    };
    rest.contains(|c: char| c.is_numeric() || c == '%')
        || QUANTIFYING.iter().any(|phrase| rest.contains(phrase))
        || rest.split(|c: char| !c.is_alphabetic()).any(is_quantity)
}
