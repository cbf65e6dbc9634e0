//! A report, in the frame of a server's pages.
//!
//! Its views are those of the file that can be exported; what changes a report
//! or asks for more is beside them, in `assets/web/report.js`. A shared report
//! is the same page without the workspace around it and without anything that
//! changes or opens more ([`Shell::is_public`]).

use std::io;

use askama::Template;
use assay_domain::report::{CategoryKind, Report};
use serde::Serialize;

use super::Shell;
use super::parts::{Moment, Pager};
use crate::html::served;
pub use crate::html::served::Searchable;
use crate::{Spoken, inert_json};

#[derive(Template)]
#[template(path = "web/report.html")]
pub struct ReportPage {
    shell: Shell,
    frame: ReportFrame,
    body: served::Body,
    /// Inert JSON: no `<` is in it.
    head: String,
    clusters: String,
}

/// What the server knows of a report beside the report.
#[derive(Default)]
pub struct ReportFrame {
    pub shell: Shell,
    /// What the report is called here; its config's name where empty.
    pub name: String,
    /// Where the page itself is, without a slash at the end.
    pub place: String,
    /// Where its project's pages are; empty where it is shared with anybody.
    pub project_place: String,
    /// The job in the API; empty for a report that no job made.
    pub api: String,
    /// Where the project's reports are, and the form for a new one filled in as this one was.
    pub list: String,
    pub again: String,
    pub made: Moment,
    /// Why models did less than was asked; empty where they did all.
    pub partial: Partial,
    /// What models were paid for it, in words; empty where none was asked.
    pub paid: String,
    /// The report as files: name, address.
    pub files: Vec<(&'static str, String)>,
    /// Other reports of the project: name, address of the comparison.
    pub others: Vec<(String, String)>,
    /// Some of the changes by hand.
    pub edits: Vec<EditRow>,
    pub edits_total: usize,
    pub edits_pager: Pager,
    /// Whether the address says which of them are listed.
    pub is_in_edits: bool,
    /// By position in the taxonomy: the cluster of the API.
    pub cluster_ids: Vec<String>,
    pub may_change: bool,
    pub may_share: bool,
    pub may_make_datasets: bool,
}

/// What a report lacks of what was asked of models.
#[derive(Clone, Debug, Default)]
pub struct Partial {
    /// Empty where nothing lacks.
    pub reason: String,
    /// What became of the rest, as a sentence.
    pub read: String,
}

/// A change of a category by hand, and how it is taken back.
pub struct EditRow {
    pub words: String,
    /// The cluster below the job in the API.
    pub cluster: String,
    /// What is sent to take it back: JSON.
    pub undo: &'static str,
    pub verb: &'static str,
}

/// What editing needs to know of a category.
#[derive(Serialize)]
struct Cluster<'a> {
    id: &'a str,
    level: usize,
    /// Whether others can be merged into it, and it can be hidden.
    is_open: bool,
}

impl ReportPage {
    /// # Errors
    /// When the data cannot be written as JSON.
    pub fn new(report: &Report, mut frame: ReportFrame) -> io::Result<Self> {
        let (body, head) = (served::body(report, &frame.name).paid(&frame.paid), served::head(report)?);
        let clusters = clusters(report, &frame.cluster_ids)?;
        Ok(Self { shell: std::mem::take(&mut frame.shell), frame, body, head, clusters })
    }
}

fn clusters(report: &Report, ids: &[String]) -> io::Result<String> {
    let nodes = report.taxonomy.nodes.iter().zip(ids);
    let all: Vec<Cluster<'_>> = nodes
        .map(|(node, id)| Cluster {
            id,
            level: node.level,
            is_open: matches!(node.kind, CategoryKind::Discovered | CategoryKind::Predefined),
        })
        .collect();
    let mut out = Vec::new();
    inert_json::write_embedded(&all, &mut out)?;
    String::from_utf8(out).map_err(io::Error::other)
}

/// Every thread of the report as the page's modules read it, without most of their words: JSON.
///
/// # Errors
/// When it cannot be written.
pub fn threads(report: &Report, has_conversations: bool) -> io::Result<Vec<u8>> {
    served::threads(report, has_conversations)
}

/// Requests, summaries, failures and traces of the threads in these places of the report: a JSON
/// object by place. Places that do not exist are left out.
///
/// # Errors
/// When it cannot be written.
pub fn words(report: &Report, rows: &[usize]) -> io::Result<Vec<u8>> {
    served::words(report, rows)
}

/// The places of the threads in which each of the words of `query` occurs, in lower case: a JSON list.
///
/// # Errors
/// When it cannot be written.
pub fn found(searchable: &Searchable, query: &str) -> io::Result<Vec<u8>> {
    served::found(searchable, query)
}

/// The same of a report of which nothing is kept: slower, in the memory of one thread.
///
/// # Errors
/// When it cannot be written.
pub fn found_once(report: &Report, query: &str) -> io::Result<Vec<u8>> {
    served::found_once(report, query)
}

/// A conversation as the page's modules read it: JSON.
///
/// # Errors
/// When it cannot be written.
pub fn conversation(spoken: &Spoken) -> io::Result<Vec<u8>> {
    served::conversation(spoken)
}

/// What is shown of a job that has no report.
#[derive(Template)]
#[template(path = "web/unfinished.html")]
pub struct UnfinishedPage {
    pub shell: Shell,
    pub name: String,
    pub heading: String,
    pub text: String,
    /// What it did until then: name, value.
    pub facts: Vec<(&'static str, String)>,
    /// The job in the API.
    pub api: String,
    pub list: String,
    /// The form for a new report, filled in as this one was.
    pub again: String,
    /// What the button says that lets it go on or try again; empty where neither helps.
    pub resume: &'static str,
    /// Whether models have answered something that need not be asked again.
    pub keeps_answers: bool,
    pub may_change: bool,
}
