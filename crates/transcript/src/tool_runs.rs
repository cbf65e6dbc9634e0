//! Tool and retriever runs: linked to the messages that tell of them, added
//! where no message does.

use std::collections::{HashMap, HashSet, VecDeque};

use assay_domain::{Message, Role, Run, RunKind, Time, ToolCall, Trace};
use serde_json::Value;

use crate::assemble::Entry;
use crate::part;

/// Links the tool runs of a trace to its messages and adds those that are missing.
pub(crate) fn add(entries: &mut Vec<Entry>, trace: &Trace) {
    let runs: Vec<&Run> = tool_runs(trace);
    if runs.is_empty() {
        return;
    }
    let missing = link(entries, &runs);
    if !missing.is_empty() {
        insert(entries, missing);
    }
}

/// Outermost tool runs in order of time: a tool that wraps itself speaks once.
fn tool_runs(trace: &Trace) -> Vec<&Run> {
    let by_id: HashMap<_, _> = trace.runs.iter().map(|run| (run.id, run)).collect();
    let is_tool = |run: &Run| matches!(run.kind, RunKind::Tool | RunKind::Retriever);
    let is_wrapped = |run: &Run| {
        let parent = run.parent.and_then(|parent| by_id.get(&parent));
        parent.is_some_and(|parent| is_tool(parent) && parent.id != run.id)
    };
    let mut runs: Vec<&Run> = trace.runs.iter().filter(|run| is_tool(run) && !is_wrapped(run)).collect();
    runs.sort_by_key(|run| run.start_time);
    runs
}

/// Tool messages by id, text and tool, each handed out once and in order.
#[derive(Default)]
struct Shelf {
    by_id: HashMap<String, VecDeque<usize>>,
    by_text: HashMap<String, VecDeque<usize>>,
    by_name: HashMap<String, VecDeque<usize>>,
    taken: HashSet<usize>,
}

impl Shelf {
    fn of(entries: &[Entry]) -> Self {
        let mut shelf = Self::default();
        let mut names: HashMap<&str, &str> = HashMap::new();
        for (position, entry) in entries.iter().enumerate() {
            let message = &entry.message;
            for call in &message.tool_calls {
                if let Some(id) = &call.id {
                    names.insert(id, &call.name);
                }
            }
            if message.role != Role::Tool {
                continue;
            }
            if let Some(id) = &message.tool_call_id {
                shelf.by_id.entry(id.clone()).or_default().push_back(position);
            }
            let name = message
                .name
                .as_deref()
                .or_else(|| message.tool_call_id.as_deref().and_then(|id| names.get(id).copied()));
            if let Some(name) = name {
                shelf.by_name.entry(name.to_owned()).or_default().push_back(position);
            }
            shelf.by_text.entry(message.text().trim().to_owned()).or_default().push_back(position);
        }
        shelf
    }

    fn take(&mut self, id: Option<&str>, text: &str) -> Option<usize> {
        let places = [id.and_then(|id| self.by_id.get_mut(id)), self.by_text.get_mut(text)];
        places.into_iter().flatten().find_map(|queue| next(queue, &mut self.taken))
    }

    fn take_by_name(&mut self, name: &str) -> Option<usize> {
        next(self.by_name.get_mut(name)?, &mut self.taken)
    }
}

/// The first message of a queue that no run has claimed.
fn next(queue: &mut VecDeque<usize>, taken: &mut HashSet<usize>) -> Option<usize> {
    while let Some(position) = queue.pop_front() {
        if taken.insert(position) {
            return Some(position);
        }
    }
    None
}

/// A tool run no message tells of: where it belongs and what it says.
struct Missing {
    place: Place,
    messages: Vec<Message>,
}

enum Place {
    /// After the message with the call, and the answers that follow it.
    After(usize),
    /// Before the first message that is later.
    At(Option<Time>),
}

/// Gives messages the runs they come from; returns what has no message yet.
fn link(entries: &mut [Entry], runs: &[&Run]) -> Vec<Missing> {
    let mut shelf = Shelf::of(entries);
    let mut unanswered = unanswered(entries);
    let mut strangers = Vec::new();
    for run in runs {
        let answer = answer(run);
        match shelf.take(answer.tool_call_id.as_deref(), answer.text().trim()) {
            Some(position) => claim(&mut entries[position].message, run, answer),
            None => strangers.push((run, answer)),
        }
    }
    // Only now by name alone, so that nobody takes a message whose text is another's.
    let mut missing = Vec::new();
    for (run, answer) in strangers {
        if let Some((position, id)) = unanswered.get_mut(tool_name(run)).and_then(VecDeque::pop_front) {
            let answer = Message { tool_call_id: answer.tool_call_id.clone().or(id), ..answer };
            missing.push(Missing { place: Place::After(position), messages: vec![answer] });
        } else if let Some(position) = shelf.take_by_name(tool_name(run)) {
            claim(&mut entries[position].message, run, answer);
        } else {
            // Without arguments there is no call to show, only what came of it.
            let messages = call_of(run).into_iter().chain([answer]).collect();
            missing.push(Missing { place: Place::At(run.start_time), messages });
        }
    }
    missing
}

/// Lets a message know the run it comes from.
fn claim(message: &mut Message, run: &Run, answer: Message) {
    message.run = Some(run.id);
    message.time = run.end_time.or(message.time);
    message.name = message.name.take().or(answer.name);
    message.error = message.error.take().or(answer.error);
}

/// Calls without an answer, by tool: where they are and their id. Models do use
/// an id twice, so an answer closes only calls that stand before it.
fn unanswered(entries: &[Entry]) -> HashMap<String, VecDeque<(usize, Option<String>)>> {
    let mut calls: Vec<Option<(usize, &ToolCall)>> = Vec::new();
    let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_name: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (position, entry) in entries.iter().enumerate() {
        let message = &entry.message;
        for call in &message.tool_calls {
            match &call.id {
                Some(id) => by_id.entry(id).or_default().push(calls.len()),
                None => by_name.entry(&call.name).or_default().push_back(calls.len()),
            }
            calls.push(Some((position, call)));
        }
        if message.role == Role::Tool {
            let answered = message.tool_call_id.as_deref().and_then(|id| by_id.get_mut(id)?.pop());
            let answered = answered.or_else(|| by_name.get_mut(message.name.as_deref()?)?.pop_front());
            if let Some(answered) = answered {
                calls[answered] = None;
            }
        }
    }
    let mut open: HashMap<String, VecDeque<(usize, Option<String>)>> = HashMap::new();
    for (position, call) in calls.into_iter().flatten() {
        open.entry(call.name.clone()).or_default().push_back((position, call.id.clone()));
    }
    open
}

fn call_id(run: &Run) -> Option<String> {
    let inside = run.outputs.get("output").unwrap_or(&run.outputs);
    let places =
        [run.outputs.get("tool_call_id"), inside.get("tool_call_id"), run.metadata.get("tool_call_id")];
    places.into_iter().flatten().find_map(Value::as_str).map(str::to_owned)
}

/// The tool's name; the GenAI conventions put a verb before it.
fn tool_name(run: &Run) -> &str {
    run.name.strip_prefix("execute_tool ").unwrap_or(&run.name)
}

fn answer(run: &Run) -> Message {
    let mut message = Message::new(Role::Tool);
    message.name = Some(tool_name(run).to_owned());
    message.tool_call_id = call_id(run);
    // A LangChain tool's output is a whole tool message; its content is what it said.
    let output = run.outputs.get("output").unwrap_or(&run.outputs);
    let said = output.get("kwargs").unwrap_or(output);
    let content = said.get("content").filter(|_| said.get("tool_call_id").is_some()).unwrap_or(&run.outputs);
    message.parts = part::result_parts(content);
    message.error = run.error.clone();
    message.run = Some(run.id);
    message.time = run.end_time.or(run.start_time);
    message
}

fn call_of(run: &Run) -> Option<Message> {
    let is_hollow = match &run.inputs {
        Value::Object(map) => map.values().all(Value::is_null),
        other => other.is_null(),
    };
    if is_hollow && call_id(run).is_none() {
        return None;
    }
    let mut message = Message::new(Role::Assistant);
    let given = run.inputs.get("input").filter(|_| run.inputs.as_object().is_some_and(|map| map.len() == 1));
    message.tool_calls.push(ToolCall {
        id: call_id(run),
        name: tool_name(run).to_owned(),
        arguments: part::arguments(given.unwrap_or(&run.inputs)),
    });
    message.run = Some(run.id);
    message.time = run.start_time;
    Some(message)
}

/// Puts the missing messages in their places.
fn insert(entries: &mut Vec<Entry>, missing: Vec<Missing>) {
    let latest = latest(entries);
    let mut placed = Vec::new();
    for Missing { place, messages } in missing {
        let position = match place {
            Place::After(call) => {
                let answers = entries[call + 1..].iter().take_while(|entry| entry.message.role == Role::Tool);
                call + 1 + answers.count()
            }
            Place::At(time) => place_in(&latest, time),
        };
        placed.extend(messages.into_iter().map(|message| (position, Entry::new(message))));
    }
    weave(entries, placed);
}

/// Puts messages where their times say.
pub(crate) fn insert_by_time(entries: &mut Vec<Entry>, mut late: Vec<Entry>) {
    let latest = latest(entries);
    late.sort_by_key(|entry| (entry.message.time.is_none(), entry.message.time));
    let placed = late.into_iter().map(|entry| (place_in(&latest, entry.message.time), entry)).collect();
    weave(entries, placed);
}

/// The latest time so far: rising, so that a moment's place is found by bisection.
fn latest(entries: &[Entry]) -> Vec<Option<Time>> {
    let mut latest: Vec<Option<Time>> = Vec::with_capacity(entries.len());
    for entry in entries {
        latest.push(entry.message.time.max(latest.last().copied().flatten()));
    }
    latest
}

/// Before the first message that is later; at the end for what has no time.
fn place_in(latest: &[Option<Time>], time: Option<Time>) -> usize {
    if time.is_none() { latest.len() } else { latest.partition_point(|known| *known <= time) }
}

/// Inserts each message before the one at its position, in one pass.
fn weave(entries: &mut Vec<Entry>, placed: Vec<(usize, Entry)>) {
    let mut at: Vec<Vec<Entry>> = Vec::new();
    at.resize_with(entries.len() + 1, Vec::new);
    for (position, entry) in placed {
        at[position].push(entry);
    }
    let mut at = at.into_iter();
    let mut all: Vec<Entry> = at.next().unwrap_or_default();
    for (entry, after) in std::mem::take(entries).into_iter().zip(at) {
        all.push(entry);
        all.extend(after);
    }
    *entries = all;
}
