//! The same report in a server's page: its views are in the page, threads and
//! conversations are asked for when they are looked at.

use std::io;

use assay_domain::report::Report;
use assay_domain::transcript::Transcript;

pub(crate) use super::page::Body;
use super::selection::Selection;
use super::{HtmlOptions, conversation, payload};
use crate::inert_json;

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

/// Every thread of the report, as JSON; whether their conversations can be asked for is said of each.
pub(crate) fn threads(report: &Report, has_conversations: bool) -> io::Result<Vec<u8>> {
    let selection = all(report);
    let mut out = Vec::new();
    payload::threads(report, &selection, &vec![has_conversations; selection.threads.len()], &mut out)?;
    Ok(out)
}

/// One conversation, as JSON.
pub(crate) fn transcript(transcript: &Transcript) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    inert_json::write_embedded(&conversation::embed(transcript, &EVERYTHING), &mut out)?;
    Ok(out)
}
