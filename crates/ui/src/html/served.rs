//! The same report in a server's page: its views are in the page, threads and
//! conversations are asked for when they are looked at.

use std::io;

use assay_domain::report::Report;

pub(crate) use super::page::Body;
pub use super::payload::Searchable;
use super::selection::Selection;
use super::{HtmlOptions, conversation, payload};
use crate::{Spoken, inert_json};

/// Nothing is left out: what does not fit a page is a request away.
const EVERYTHING: HtmlOptions = HtmlOptions {
    name: String::new(),
    threads: usize::MAX,
    conversations_per_category: usize::MAX,
    conversation_bytes: usize::MAX,
    messages: 2_000,
    message_chars: 100_000,
};

fn all(report: &Report) -> Selection {
    let rows = || (0..report.assignments.len()).collect();
    Selection { threads: rows(), conversations: rows() }
}

/// The views of the report, under this name unless it is empty.
pub(crate) fn body(report: &Report, name: &str) -> Body {
    Body::new(report, &EVERYTHING, &all(report)).called(name)
}

/// What the modules read first: categories and highlights, as inert JSON.
pub(crate) fn head(report: &Report) -> io::Result<String> {
    let mut out = Vec::new();
    inert_json::write_embedded(&payload::head(report, &all(report)), &mut out)?;
    String::from_utf8(out).map_err(io::Error::other)
}

/// Threads whose words come without being asked for: somewhat more than a list shows first.
const FIRST: usize = 60;

/// Every thread of the report, as JSON; whether their conversations can be asked for is said of each.
pub(crate) fn threads(report: &Report, has_conversations: bool) -> io::Result<Vec<u8>> {
    let selection = all(report);
    let embedded = vec![has_conversations; selection.threads.len()];
    let mut out = Vec::new();
    payload::threads(report, &selection, &embedded, FIRST, &mut out)?;
    Ok(out)
}

/// The words of the threads in these places, as JSON.
pub(crate) fn words(report: &Report, rows: &[usize]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    payload::words(report, rows, &mut out)?;
    Ok(out)
}

/// The places of the threads in which each of the words occurs, as JSON.
pub(crate) fn found(searchable: &Searchable, query: &str) -> io::Result<Vec<u8>> {
    serde_json::to_vec(&searchable.find(query)).map_err(io::Error::other)
}

/// The same of a report of which nothing is kept.
pub(crate) fn found_once(report: &Report, query: &str) -> io::Result<Vec<u8>> {
    serde_json::to_vec(&payload::find_once(report, query)).map_err(io::Error::other)
}

/// One conversation, as JSON.
pub(crate) fn conversation(spoken: &Spoken) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    inert_json::write_embedded(&conversation::embed(spoken, &EVERYTHING), &mut out)?;
    Ok(out)
}
