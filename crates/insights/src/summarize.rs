//! The local analyst: reads one thread without a language model.
//!
//! [`thread`] turns a thread and its transcript into a [`Summary`]: what was
//! asked, what the agent did, how it ended, attributes from structure and what
//! went wrong. [`Corpus`] is what it must know of the other threads: the words
//! they all share. Failures come from [`crate::failures`].

mod attributes;
pub mod corpus;
mod courtesy;
mod digest;
pub mod language;
mod sentence;
#[cfg(test)]
pub(crate) mod test_data;
#[cfg(test)]
mod tests;

use assay_domain::{Role, RunId, Thread, Transcript};

use crate::failures::Reading;
use crate::summary::{Failure, Summary};
pub use corpus::Corpus;

/// Longest request for display, in characters.
const REQUEST: usize = 240;

/// Reads one thread. Linear in its size.
///
/// # Errors
///
/// Why the thread was skipped, for the report: `no messages`.
pub fn thread(thread: &Thread, transcript: &Transcript, context: &Corpus) -> Result<Summary, String> {
    let says_something = transcript.messages.iter().any(|message| !message.is_empty());
    let ran_something = thread.runs().any(|run| run.error.is_some() || !run.inputs.is_null());
    if !says_something && !ran_something {
        return Err("no messages".into());
    }
    let reading = Reading::of(thread, transcript, context.expectation());
    let opening = digest::opening(thread, transcript, context);
    let request = cut(&opening.request, REQUEST);
    Ok(Summary {
        thread: thread.id.clone(),
        text: sentence::write(thread, transcript, &reading, &opening),
        topics: digest::topics(&opening, transcript),
        own_words: None,
        request,
        attributes: attributes::of(thread, transcript, &reading),
        evidence: Vec::new(),
        run: run_to_open(thread, transcript, &reading.failures),
        failures: reading.failures,
    })
}

/// The run that shows the worst failure, else the last root.
fn run_to_open(thread: &Thread, transcript: &Transcript, failures: &[Failure]) -> Option<RunId> {
    let shows = failures.iter().filter(|failure| !failure.recovered).find_map(|failure| failure.run);
    let root = || thread.traces.last()?.root().map(|run| run.id);
    let said = || transcript.messages.iter().rfind(|message| message.role != Role::System)?.run;
    shows.or_else(root).or_else(said)
}

/// Cuts a text at a word, with an ellipsis where something was left out.
fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let head: String = text.chars().take(characters.saturating_sub(1)).collect();
    let end = head.rfind(char::is_whitespace).filter(|&end| end * 3 > head.len() * 2).unwrap_or(head.len());
    format!("{}…", head[..end].trim_end_matches(|c: char| c.is_whitespace() || ",.;:-–(…".contains(c)))
}
