//! What the page's modules read: categories and threads as compact JSON.
//!
//! A file has all of it. A server sends of each thread what lists are filtered and ordered by and
//! the map is drawn of; words come with the threads that are looked at, and are searched there.
//!
//! Names are short because there may be ten thousand rows; `data.js` is where
//! they are spelled out. All text has passed [`text::visible`].

use std::collections::BTreeMap;
use std::io;

use assay_domain::report::{Assignment, AttributeValue, Category, CategoryKind, Report, Status};
use serde::Serialize;

use super::page::{Colors, Index};
use super::selection::Selection;
use crate::{inert_json, text};

#[derive(Serialize)]
pub(super) struct Head {
    project: String,
    /// How to see a whole thread: append its id.
    command: String,
    analysed: usize,
    listed: usize,
    categories: Vec<CategoryHead>,
    /// Rank and row of the highlights.
    highlights: Vec<(usize, Option<usize>)>,
}

#[derive(Serialize)]
struct CategoryHead {
    id: String,
    name: String,
    parent: Option<usize>,
    color: &'static str,
    kind: CategoryKind,
    threads: usize,
    share: f64,
    failures: f64,
    errors: f64,
    p50: Option<f64>,
    p99: Option<f64>,
    cost: Option<f64>,
    feedback: Option<f64>,
    words: String,
}

pub(super) fn head(report: &Report, selection: &Selection) -> Head {
    let index = Index::new(report);
    let colors = Colors::new(report, &index);
    let key = super::numbers::main_feedback(report);
    let rows: BTreeMap<_, _> = selection
        .threads
        .iter()
        .enumerate()
        .map(|(row, &position)| (&report.assignments[position].thread, row))
        .collect();
    Head {
        project: text::line(&report.project),
        command: super::thread_command(report),
        analysed: report.assignments.len(),
        listed: selection.threads.len(),
        categories: report
            .taxonomy
            .nodes
            .iter()
            .enumerate()
            .map(|(position, category)| CategoryHead::new(category, colors.of(position), &index, key))
            .collect(),
        highlights: report
            .executive_summary
            .highlights
            .iter()
            .map(|highlight| (highlight.rank, rows.get(&highlight.thread).copied()))
            .collect(),
    }
}

impl CategoryHead {
    fn new(category: &Category, color: &'static str, index: &Index, key: Option<&str>) -> Self {
        let statistics = &category.statistics;
        Self {
            id: text::line(&category.id),
            name: text::name(&category.name),
            parent: category.parent.as_deref().and_then(|id| index.get(id)),
            color,
            kind: category.kind,
            threads: statistics.threads,
            share: statistics.share.value,
            failures: statistics.failure_rate.value,
            errors: statistics.error_rate.value,
            p50: statistics.latency.map(|latency| latency.p50),
            p99: statistics.latency.map(|latency| latency.p99),
            cost: statistics.cost.map(|cost| cost.total),
            feedback: key.and_then(|key| statistics.feedback.get(key)?.mean),
            words: text::line(&format!("{} {}", category.description, category.keywords.join(" "))),
        }
    }
}

/// One thread. Absent values are left out; on a server its words are asked for when it is looked at.
#[derive(Serialize)]
struct Row<'a> {
    /// Thread id.
    i: String,
    /// Position of the leaf category.
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<usize>,
    /// Confidence.
    f: f64,
    /// Why it is in "Other".
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(flatten)]
    words: Option<Words>,
    /// Whether a failure shows, where no words say which.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    e: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    a: BTreeMap<String, Shown<'a>>,
    /// Status: 0 success, 1 error, 2 pending.
    u: u8,
    /// Start, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<i64>,
    /// Latency in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    l: Option<f64>,
    /// Tokens.
    t: u64,
    /// Cost in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    m: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    b: BTreeMap<String, f64>,
    /// Weight, where it is not 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    w: Option<f64>,
    /// Position on the map.
    p: [f64; 2],
    /// Whether the conversation is in the page.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    k: bool,
}

/// What is only read where a thread is looked at.
#[derive(Serialize)]
struct Words {
    /// Summary.
    s: String,
    /// Request.
    r: String,
    /// Failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    /// Traces, at most eight.
    g: Vec<String>,
    /// The run to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Boolean(bool),
    Number(f64),
    Text(std::borrow::Cow<'a, str>),
    Labels(Vec<String>),
}

/// The rows as a JSON array, written one by one; the first `with_words` of them with their words.
pub(super) fn threads(
    report: &Report,
    selection: &Selection,
    embedded: &[bool],
    with_words: usize,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let index = Index::new(report);
    out.write_all(b"[")?;
    for (row, (&position, &embedded)) in selection.threads.iter().zip(embedded).enumerate() {
        if row > 0 {
            out.write_all(b",\n")?;
        }
        let assignment = &report.assignments[position];
        let words = (row < with_words).then(|| Words::new(assignment));
        let row = Row { words, k: embedded, ..Row::new(assignment, index.get(&assignment.category)) };
        inert_json::write_embedded(&row, out)?;
    }
    out.write_all(b"]")
}

/// The words of some of the report's threads by their places, as a JSON object; places that do not exist are left out.
pub(super) fn words(report: &Report, rows: &[usize], out: &mut dyn io::Write) -> io::Result<()> {
    let words = |row: &usize| Some((row.to_string(), Words::new(report.assignments.get(*row)?)));
    inert_json::write_embedded(&rows.iter().filter_map(words).collect::<BTreeMap<_, _>>(), out)
}

/// What a search looks through, thread by thread, kept for the next one.
pub struct Searchable(Vec<String>);

impl Searchable {
    /// Takes about as much memory as the words of the report's threads.
    pub fn new(report: &Report) -> Self {
        Self(lines(report).collect())
    }

    /// The places of the threads in which each of the words of `query` occurs.
    pub(super) fn find(&self, query: &str) -> Vec<usize> {
        found(self.0.iter().map(String::as_str), query)
    }
}

/// The same of a report that is searched once: a thread at a time.
pub(super) fn find_once(report: &Report, query: &str) -> Vec<usize> {
    found(lines(report), query)
}

fn found(lines: impl Iterator<Item = impl AsRef<str>>, query: &str) -> Vec<usize> {
    let query = query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let is_found = |line: &str| words.iter().all(|word| line.contains(word));
    lines.enumerate().filter(|(_, line)| is_found(line.as_ref())).map(|(row, _)| row).collect()
}

/// Everything that a search may find of each thread: what `searchText` of `data.js` has.
fn lines(report: &Report) -> impl Iterator<Item = String> + '_ {
    let index = Index::new(report);
    let nodes = &report.taxonomy.nodes;
    let path = |position: usize| {
        let mut at = Some(position);
        let names = std::iter::from_fn(|| {
            let node = &nodes[at?];
            at = node.parent.as_deref().and_then(|id| index.get(id));
            Some(text::name(&node.name))
        });
        // No tree is deeper; a circle would be.
        names.take(16).collect::<Vec<_>>().join("\n").to_lowercase()
    };
    let paths: Vec<String> = (0..nodes.len()).map(path).collect();
    report.assignments.iter().map(move |assignment| {
        let mut line = searched(assignment);
        if let Some(position) = index.get(&assignment.category) {
            // Words that are searched have no space in them: none begins here and ends there.
            line.push('\n');
            line.push_str(&paths[position]);
        }
        line
    })
}

/// Everything of a thread that a search may find, in lower case.
fn searched(assignment: &Assignment) -> String {
    let row = Row::new(assignment, None);
    let Words { s, r, x, g, .. } = Words::new(assignment);
    let mut all = vec![r, s, row.i, x.unwrap_or_default(), row.y.unwrap_or_default()];
    for (name, value) in row.a {
        all.push(name);
        match value {
            Shown::Boolean(value) => all.push(value.to_string()),
            Shown::Number(value) => all.push(value.to_string()),
            Shown::Text(text) => all.push(text.into_owned()),
            Shown::Labels(labels) => all.extend(labels),
        }
    }
    all.extend(g);
    all.join("\n").to_lowercase()
}

/// Rounded to so many digits after the point: more of them are noise that takes room.
fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}

impl<'a> Row<'a> {
    /// Without its words.
    fn new(assignment: &'a Assignment, category: Option<usize>) -> Self {
        Self {
            i: text::line(&assignment.thread.0),
            c: category,
            f: rounded(assignment.confidence, 4),
            y: assignment.reason.as_deref().map(text::line),
            words: None,
            e: assignment.failure.is_some(),
            a: assignment.attributes.iter().map(|(name, value)| (text::line(name), shown(value))).collect(),
            u: match assignment.status {
                Status::Success => 0,
                Status::Error => 1,
                Status::Pending => 2,
            },
            d: assignment.start_time.map(|time| time.timestamp()),
            l: assignment.latency.map(|seconds| rounded(seconds, 4)),
            t: assignment.total_tokens,
            m: assignment.cost,
            b: assignment.feedback.iter().map(|(key, score)| (text::line(key), *score)).collect(),
            w: ((assignment.weight - 1.0).abs() > 1e-9).then_some(assignment.weight),
            p: assignment.position.map(|side| rounded(f64::from(side), 5)),
            k: false,
        }
    }
}

impl Words {
    fn new(assignment: &Assignment) -> Self {
        Self {
            s: clip(&assignment.summary, 1_200),
            r: clip(&assignment.request, 600),
            x: assignment.failure.as_deref().map(|failure| clip(failure, 600)),
            g: assignment.traces.iter().take(8).map(ToString::to_string).collect(),
            n: assignment.run.map(|run| run.to_string()),
        }
    }
}

fn clip(value: &str, limit: usize) -> String {
    text::cut(&text::visible(value), limit).into_owned()
}

fn shown(value: &AttributeValue) -> Shown<'_> {
    match value {
        AttributeValue::Boolean(value) => Shown::Boolean(*value),
        AttributeValue::Number(value) => Shown::Number(*value),
        AttributeValue::Text(value) => Shown::Text(text::line(value).into()),
        AttributeValue::Labels(labels) => {
            Shown::Labels(labels.iter().map(|label| text::line(label)).collect())
        }
    }
}
