//! Turns the payloads of runs, in every client's shape, into one kind of
//! conversation.
//!
//! Vendors' message shapes stop here: everything downstream sees only
//! [`Message`]s. Pure functions over values; nothing here reads files, and
//! which run is which is the decoders' business.
//!
//! Start with [`messages`], which reads one payload (`payload`: containers,
//! `message`: one message, `part`: its pieces), then [`of_trace`], which
//! picks what a person would call the conversation (`assemble`).

mod assemble;
mod media;
mod message;
mod part;
mod payload;
mod picture;
mod preview;
mod section;
mod tool_runs;

use assay_domain::{Message, Role, Thread, Trace, Transcript};
use serde_json::Value;

pub use picture::{find as picture, is_picture};

/// The messages of any payload: a list of messages, an object that holds one,
/// a single message, or plain text.
///
/// Empty for null and for empty containers. Bare text is the user's unless its
/// key says otherwise (`output`, `answer`, `completion`, ...). An object of
/// unknown shape becomes one message with its JSON as text.
#[must_use]
pub fn messages(value: &Value) -> Vec<Message> {
    messages_by(value, Role::User)
}

/// Like [`messages`], but bare text is said by `speaker`: pass
/// [`Role::Assistant`] for the outputs of a run.
#[must_use]
pub fn messages_by(value: &Value, speaker: Role) -> Vec<Message> {
    payload::read(value, speaker).messages
}

/// What was said and done in one trace.
///
/// The messages of the root where they are the richest account; otherwise the
/// histories and answers of the model calls, each message once, with the tool
/// runs that no history mentions. Linear in the size of the payloads.
#[must_use]
pub fn of_trace(trace: &Trace) -> Transcript {
    assemble::of_traces(std::slice::from_ref(trace))
}

/// What was said and done in a thread: its traces one after the other, without
/// the history that later traces repeat.
#[must_use]
pub fn of_thread(thread: &Thread) -> Transcript {
    assemble::of_traces(&thread.traces)
}

/// A short text of a payload, on one line: what the user said last, else the
/// last text there is, cut to at most `max_chars` characters.
#[must_use]
pub fn preview(value: &Value, max_chars: usize) -> String {
    preview::of(value, max_chars)
}

/// As [`preview`], of what the user said first: what a thread began with.
#[must_use]
pub fn opening(value: &Value, max_chars: usize) -> String {
    preview::opening(value, max_chars)
}

#[cfg(test)]
mod tests;
