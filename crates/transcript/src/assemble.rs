//! From traces to one conversation.
//!
//! Model calls carry the whole history again and again; here every message
//! appears once. Messages are compared by a hash of what they say, and each
//! history is laid along what is already known, so that the cost is linear in
//! the size of the payloads and a message that really was said twice stays twice.
//!
//! [`Known`] is the memory of a thread; [`crate::section`] works one trace out.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use assay_domain::{Message, Part, Role, RunKind, Trace, Transcript};

use crate::payload;
use crate::section::Section;

/// The conversation of these traces, in their order. Of traces that began at the same moment the
/// one that remembers less comes first.
pub(crate) fn of_traces(traces: &[Trace]) -> Transcript {
    let mut known = Known::default();
    for trace in in_order(traces) {
        let entries = Section::new(&known).of_trace(trace);
        entries.into_iter().for_each(|entry| known.push(entry));
    }
    let mut messages: Vec<Message> = known.entries.into_iter().map(|entry| entry.message).collect();
    payload::name_tools(&mut messages);
    Transcript { messages }
}

/// Clients whose clocks tick in milliseconds begin several traces at once. Nothing else in them says
/// which was first, but a chat that goes on repeats what was said before.
fn in_order(traces: &[Trace]) -> Vec<&Trace> {
    let start = |trace: &Trace| trace.root().and_then(|root| root.start_time);
    let mut ordered: Vec<&Trace> = traces.iter().collect();
    for together in ordered.chunk_by_mut(|a, b| start(a).is_some() && start(a) == start(b)) {
        if together.len() > 1 {
            together.sort_by_cached_key(|trace| remembered(trace));
        }
    }
    ordered
}

/// How many messages a trace begins with: those its root was given, or its first model call.
fn remembered(trace: &Trace) -> usize {
    let first_call = trace.runs.iter().find(|run| run.kind == RunKind::Llm);
    let given = trace.root().into_iter().chain(first_call);
    given.map(|run| payload::read(&run.inputs, Role::User).messages.len()).max().unwrap_or(0)
}

/// A message with the hashes by which histories that repeat it are recognized.
/// They are of the message as the history has it, even where a better text was
/// found for it since.
pub(crate) struct Entry {
    /// Who says what, whatever its ids.
    pub(crate) key: u64,
    /// The call it answers, or the first call it makes.
    call: Option<u64>,
    pub(crate) message: Message,
}

impl Entry {
    pub(crate) fn new(message: Message) -> Self {
        Self { key: key(&message), call: call(&message), message }
    }
}

/// Messages in order, to be found by what they say.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) entries: Vec<Entry>,
    by_key: HashMap<u64, Vec<usize>>,
    /// Only messages without a call: two results of different calls are two messages, whatever they say.
    callless: HashMap<u64, Vec<usize>>,
    by_key_and_call: HashMap<(u64, u64), Vec<usize>>,
    /// Histories may shorten the text of a message, but not its call.
    by_call: HashMap<u64, Vec<usize>>,
}

impl Known {
    pub(crate) fn push(&mut self, entry: Entry) {
        let position = self.entries.len();
        self.by_key.entry(entry.key).or_default().push(position);
        match entry.call {
            Some(call) => {
                self.by_key_and_call.entry((entry.key, call)).or_default().push(position);
                self.by_call.entry(call).or_default().push(position);
            }
            None => self.callless.entry(entry.key).or_default().push(position),
        }
        self.entries.push(entry);
    }

    /// The first message at or after `from` that is the same.
    pub(crate) fn find(&self, entry: &Entry, from: usize) -> Option<usize> {
        self.look_up(entry, |positions| {
            positions.get(positions.partition_point(|&position| position < from)).copied()
        })
    }

    /// The last message that is the same.
    pub(crate) fn find_last(&self, entry: &Entry) -> Option<usize> {
        self.look_up(entry, |positions| positions.last().copied())
    }

    fn look_up(&self, entry: &Entry, pick: impl Fn(&Vec<usize>) -> Option<usize>) -> Option<usize> {
        match entry.call {
            None => self.by_key.get(&entry.key).and_then(pick),
            Some(call) => self
                .by_key_and_call
                .get(&(entry.key, call))
                .and_then(&pick)
                .or_else(|| self.by_call.get(&call).and_then(&pick))
                .or_else(|| self.callless.get(&entry.key).and_then(&pick)),
        }
    }
}

fn call(message: &Message) -> Option<u64> {
    match message.role {
        Role::Tool => message.tool_call_id.as_ref().map(|id| hash_of(&("answer", id))),
        _ => message.tool_calls.iter().find_map(|call| call.id.as_ref()).map(|id| hash_of(&("call", id))),
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A hash of who says what: role, words, media and tool calls. Names, ids,
/// thoughts and outer white space differ between records of the same message.
pub(crate) fn key(message: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    message.role.hash(&mut hasher);
    message.text().trim().hash(&mut hasher);
    for call in &message.tool_calls {
        call.name.hash(&mut hasher);
        call.arguments.to_string().hash(&mut hasher);
    }
    for part in &message.parts {
        match part {
            Part::Media { reference, picture, .. } => (reference, picture).hash(&mut hasher),
            Part::Other(value) => value.to_string().hash(&mut hasher),
            Part::Text(_) | Part::Refusal(_) | Part::Thinking(_) => {}
        }
    }
    hasher.finish()
}
