//! The report as one page that needs nothing else: it opens from a file,
//! offline, and asks nobody for anything.
//!
//! Structure comes from the templates in `templates/` (escaped by askama);
//! what can be long (threads, conversations) is embedded as JSON and drawn by
//! the modules in `assets/` when it is looked at. A content security policy
//! with the hashes of our own script and style forbids everything else, so
//! trace text stays inert even if an escape were forgotten.

mod assets;
mod conversation;
mod days;
mod method;
mod numbers;
mod page;
mod payload;
mod selection;
pub(crate) mod served;

use std::io::{self, Write};

use askama::Template;
use assay_domain::{Report, ThreadId, Transcript};

use crate::{Spoken, inert_json, text};

/// Where conversations come from. Asked for one thread at a time.
pub trait Conversations {
    /// The conversation, or `None` where it is no longer (or was never) kept.
    ///
    /// # Errors
    /// When the source cannot be read; the page is then not finished.
    fn spoken(&self, thread: &ThreadId) -> io::Result<Option<Spoken>>;
}

impl<F: Fn(&ThreadId) -> io::Result<Option<Transcript>>> Conversations for F {
    fn spoken(&self, thread: &ThreadId) -> io::Result<Option<Spoken>> {
        Ok(self(thread)?.map(Spoken::from))
    }
}

/// How much goes into the page. What is left out is said in the page.
#[derive(Clone, Debug)]
pub struct HtmlOptions {
    /// What the report is called where it is kept; its config's name where this is empty.
    pub name: String,
    /// Threads listed, shared fairly among the categories.
    pub threads: usize,
    /// Conversations per leaf category, failing and typical ones in turn. Highlights and examples come on top.
    pub conversations_per_category: usize,
    /// Bytes for all conversations together.
    pub conversation_bytes: usize,
    /// Messages per conversation: the first and the last are kept.
    pub messages: usize,
    /// Characters per message part, tool arguments and tool results.
    pub message_chars: usize,
}

impl Default for HtmlOptions {
    fn default() -> Self {
        Self {
            name: String::new(),
            threads: 10_000,
            conversations_per_category: 50,
            conversation_bytes: 32 << 20,
            messages: 200,
            message_chars: 8_000,
        }
    }
}

/// Writes the report as one self-contained page, with the default [`HtmlOptions`].
///
/// # Errors
/// When `out` cannot be written or `conversations` cannot be read.
pub fn html(report: &Report, conversations: &dyn Conversations, out: &mut dyn io::Write) -> io::Result<()> {
    html_with(report, conversations, &HtmlOptions::default(), out)
}

/// [`html`] with options.
///
/// # Errors
/// As [`html`].
pub fn html_with(
    report: &Report,
    conversations: &dyn Conversations,
    options: &HtmlOptions,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    let selection = selection::select(report, options);
    let page = page::Page::new(report, options, &selection);
    page.write_into(&mut out)?;
    let mut left = options.conversation_bytes;
    let mut embedded = vec![false; selection.threads.len()];
    for &row in &selection.conversations {
        let assignment = &report.assignments[selection.threads[row]];
        let Some(spoken) = conversations.spoken(&assignment.thread)? else { continue };
        let mut bytes = Vec::new();
        inert_json::write_embedded(&conversation::embed(&spoken, options), &mut bytes)?;
        if bytes.len() > left {
            continue;
        }
        left -= bytes.len();
        embedded[row] = true;
        data_script(&mut out, &format!("conversation-{row}"), |out| out.write_all(&bytes))?;
    }
    data_script(&mut out, "data", |out| inert_json::write_embedded(&payload::head(report, &selection), out))?;
    data_script(&mut out, "thread-data", |out| {
        payload::threads(report, &selection, &embedded, usize::MAX, out)
    })?;
    out.flush()
}

pub(crate) use numbers::{encode, main_feedback};

/// What shows a whole thread, wherever the project is stored, when its id is appended.
fn thread_command(report: &Report) -> String {
    format!("assay thread show --project '{}'", text::line(&report.project).replace('\'', "'\\''"))
}

/// A block of JSON that the page's modules read; no browser runs it.
fn data_script(
    out: &mut dyn io::Write,
    id: &str,
    body: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    write!(out, "<script type=\"application/json\" id=\"{id}\">")?;
    body(out)?;
    out.write_all(b"</script>\n")
}
