//! Payloads: whatever a client stored as the inputs or outputs of a run.
//!
//! Finds the list of messages in them, or the text that stands for one. The
//! shape of a single message is [`crate::message`]'s business.

use std::collections::{HashMap, HashSet};

use assay_domain::{Message, Role};
use serde_json::{Map, Value};

use crate::message::{self, is_item, is_message};
use crate::part::{self, is_piece};

/// How deep containers may hold containers before their JSON is taken as text.
const MAX_DEPTH: usize = 8;
/// JSON of unknown shape is shown up to this many bytes: it is a hint, not the payload.
const MAX_UNKNOWN: usize = 20_000;

/// What was found in a payload.
#[derive(Default)]
pub(crate) struct Payload {
    pub(crate) messages: Vec<Message>,
    /// Whether the shape is one we know; otherwise the messages are its JSON as text.
    pub(crate) is_known: bool,
}

impl Payload {
    fn known(messages: Vec<Message>) -> Self {
        Self { messages, is_known: true }
    }
}

/// Reads a payload; bare text is said by `speaker`.
pub(crate) fn read(value: &Value, speaker: Role) -> Payload {
    let mut payload = container(value, speaker, 0).unwrap_or_else(|| unknown(value, speaker));
    // A tool that answers nothing has still answered.
    payload.messages.retain(|message| !message.is_empty() || message.role == Role::Tool);
    name_tools(&mut payload.messages);
    payload
}

fn unknown(value: &Value, speaker: Role) -> Payload {
    let is_empty = match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(Value::is_null),
        Value::Array(list) => list.iter().all(|item| item.is_null() || item == &Value::Object(Map::new())),
        _ => false,
    };
    if is_empty {
        return Payload::default();
    }
    let mut text = value.to_string();
    if text.len() > MAX_UNKNOWN {
        let end = (0..=MAX_UNKNOWN).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
    }
    Payload { messages: vec![Message::text_of(speaker, text)], is_known: false }
}

/// The messages of a value of known shape, else `None`.
fn container(value: &Value, speaker: Role, depth: usize) -> Option<Payload> {
    if depth > MAX_DEPTH {
        return None;
    }
    match value {
        Value::Null => Some(Payload::default()),
        Value::Bool(_) | Value::Number(_) => Some(plain(&value.to_string(), speaker)),
        Value::String(text) => Some(of_text(text, speaker, depth)),
        Value::Array(list) => of_list(list, value, speaker, depth),
        Value::Object(_) if is_message(value) => Some(Payload::known(message::read(value, speaker))),
        Value::Object(object) => of_object(object, value, speaker, depth),
    }
}

fn plain(text: &str, speaker: Role) -> Payload {
    Payload::known(vec![Message::text_of(speaker, text)])
}

/// Text is itself, unless it is JSON that holds messages beyond doubt.
fn of_text(text: &str, speaker: Role, depth: usize) -> Payload {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Payload::default();
    }
    let looks_like_json = trimmed.starts_with(['{', '[']) && trimmed.contains("\"role\"")
        || trimmed.starts_with("{\"messages\"")
        || trimmed.starts_with('"') && trimmed.ends_with('"') && trimmed.len() > 1;
    if looks_like_json && let Ok(parsed) = serde_json::from_str::<Value>(trimmed) {
        let holds_messages = match &parsed {
            Value::String(_) => true,
            Value::Array(list) => !list.is_empty() && list.iter().all(is_message),
            Value::Object(object) => is_message(&parsed) || object.contains_key("messages"),
            _ => false,
        };
        if holds_messages && let Some(payload) = container(&parsed, speaker, depth + 1) {
            return payload;
        }
    }
    plain(text, speaker)
}

fn of_list(list: &[Value], whole: &Value, speaker: Role, depth: usize) -> Option<Payload> {
    if list.is_empty() {
        return Some(Payload::default());
    }
    if list.iter().all(|item| pair(item).is_some()) {
        let pairs = list.iter().filter_map(pair);
        return Some(Payload::known(pairs.map(|(role, text)| Message::text_of(role, text)).collect()));
    }
    if list.iter().all(|item| is_message(item) || item.get("message").is_some_and(is_message)) {
        return Some(Payload::known(of_messages(list, speaker)));
    }
    if list.iter().all(is_piece) {
        let wrapped = serde_json::json!({ "content": whole });
        return Some(Payload::known(message::read(&wrapped, speaker)));
    }
    let is_nested = list.iter().all(|item| item.is_array());
    let is_mixed = list.iter().all(|item| item.is_string() || is_message(item));
    if is_nested || is_mixed {
        let mut all = Vec::new();
        for item in list {
            all.extend(container(item, speaker, depth + 1)?.messages);
        }
        return Some(Payload::known(all));
    }
    // Records that each hold a message, such as the updates of a stream of steps.
    if let [only] = list {
        return container(only, speaker, depth + 1);
    }
    // A list in which most items are messages is a list of messages with strangers in it.
    let count = list.iter().filter(|item| is_message(item)).count();
    (count * 2 > list.len()).then(|| {
        let some: Vec<Value> = list.iter().filter(|item| is_message(item)).cloned().collect();
        Payload::known(of_messages(&some, speaker))
    })
}

/// `["human", "hi"]`
fn pair(item: &Value) -> Option<(Role, &str)> {
    match item.as_array()?.as_slice() {
        [Value::String(role), Value::String(text)] => Some((message::role_of(role)?, text)),
        _ => None,
    }
}

fn of_messages(list: &[Value], speaker: Role) -> Vec<Message> {
    let mut all: Vec<Message> = Vec::with_capacity(list.len());
    let mut called: HashSet<String> = HashSet::new();
    let mut previous_was_item = false;
    for value in list {
        let value = if is_message(value) { value } else { value.get("message").unwrap_or(value) };
        // The Responses API lists thoughts, calls and text of one answer side by side.
        let is_part_of_answer = value.as_object().is_some_and(|object| {
            is_item(object)
                || (object.get("type").and_then(Value::as_str) == Some("message")
                    && object.contains_key("role"))
        });
        for mut message in message::read(value, speaker) {
            called.extend(message.tool_calls.iter().map(|call| call.name.clone()));
            // Some frameworks write the tool's name as the role.
            let word = value.get("role").and_then(Value::as_str).unwrap_or_default();
            if message::role_of(word).is_none() && called.contains(word) {
                message.role = Role::Tool;
            }
            match all.last_mut() {
                Some(last)
                    if is_part_of_answer
                        && previous_was_item
                        && last.role == Role::Assistant
                        && message.role == Role::Assistant
                        && (last.text().is_empty() || message.text().is_empty()) =>
                {
                    last.parts.extend(message.parts);
                    last.tool_calls.extend(message.tool_calls);
                    last.error = last.error.take().or(message.error);
                }
                _ => all.push(message),
            }
        }
        previous_was_item = is_part_of_answer;
    }
    all
}

/// Keys under which a whole conversation or a single message may lie, in order of preference.
const CONVERSATIONS: [&str; 10] = [
    "messages",
    "input_messages",
    "conversations",
    "conversation",
    "all_messages",
    "contents",
    "new_message",
    "output_messages",
    "chat_messages",
    "dialogue",
];
/// Keys whose text is the user's.
const ASKED: [&str; 14] = [
    "input",
    "inputs",
    "question",
    "query",
    "prompt",
    "prompts",
    "user_input",
    "human_input",
    "user_message",
    "task",
    "user_query",
    "request",
    "instruction",
    "message",
];
/// Keys whose text is the assistant's.
const ANSWERED: [&str; 17] = [
    "output",
    "outputs",
    "answer",
    "completion",
    "response",
    "final_output",
    "final_answer",
    "output_text",
    "generated_text",
    "generation",
    "result",
    "return_value",
    "text",
    "content",
    "reply",
    "assistant",
    "message",
];

fn of_object(object: &Map<String, Value>, whole: &Value, speaker: Role, depth: usize) -> Option<Payload> {
    if is_piece(whole) {
        return of_list(std::slice::from_ref(whole), &Value::Array(vec![whole.clone()]), speaker, depth + 1);
    }
    if let Some(reply) = object.get("resume").filter(|_| object.contains_key("goto")) {
        return of_command(object, reply, depth);
    }
    if let Some(payload) = of_answer(object, depth) {
        return Some(payload);
    }
    let mut all = system(object);
    for key in CONVERSATIONS {
        let Some(value) = object.get(key).filter(|value| !value.is_null()) else { continue };
        let given = container(value, speaker, depth + 1)?;
        all.extend(given.messages);
        // `{"messages": […], "output": …}` of a finished step: the answer follows.
        return Some(Payload::known(all));
    }
    for key in ["chat_history", "history"] {
        if let Some(history) = object.get(key).filter(|history| history.is_array()) {
            all.extend(
                container(history, speaker, depth + 1).map(|history| history.messages).unwrap_or_default(),
            );
        }
    }
    let found_history = !all.is_empty();
    let asked = first(object, &ASKED, Role::User, speaker, depth);
    let answered = first(object, &ANSWERED, Role::Assistant, speaker, depth);
    let is_known = asked.is_some() || answered.is_some() || found_history;
    match (asked, answered) {
        // An output that names its question: the question is not said again.
        (Some(_), Some(answered)) if speaker == Role::Assistant && !object.contains_key("input") => {
            all.extend(answered);
        }
        (asked, answered) => {
            all.extend(asked.into_iter().flatten());
            all.extend(answered.into_iter().flatten());
        }
    }
    if is_known {
        return Some(Payload::known(all));
    }
    of_call(object, speaker, depth)
}

/// System prompts that stand beside the messages.
fn system(object: &Map<String, Value>) -> Vec<Message> {
    let config = object.get("config").and_then(Value::as_object);
    ["system", "system_instruction", "systemInstruction", "system_prompt", "instructions"]
        .into_iter()
        .find_map(|key| object.get(key).or_else(|| config?.get(key)).filter(|value| !value.is_null()))
        .filter(|_| !object.contains_key("output"))
        .map(|value| {
            let parts = part::Body::of(value.get("parts").unwrap_or(value)).parts;
            Message { parts, ..Message::new(Role::System) }
        })
        .into_iter()
        .collect()
}

/// The first of these keys that holds something readable.
fn first(
    object: &Map<String, Value>,
    keys: &[&str],
    role: Role,
    speaker: Role,
    depth: usize,
) -> Option<Vec<Message>> {
    for key in keys {
        let Some(value) = object.get(*key) else { continue };
        // `message` is whoever's turn it is.
        let role = match *key {
            "message" if speaker != role => continue,
            "text" | "content" | "message" => speaker,
            _ => role,
        };
        if let Some(payload) =
            container(value, role, depth + 1).filter(|payload| !payload.messages.is_empty())
        {
            return Some(payload.messages);
        }
    }
    None
}

/// What model APIs answer with: choices, candidates, generations, updates of a graph.
fn of_answer(object: &Map<String, Value>, depth: usize) -> Option<Payload> {
    let list = |key: &str| object.get(key).and_then(Value::as_array).filter(|list| !list.is_empty());
    if let Some(choice) = list("choices").and_then(|choices| choices.first()) {
        let said = choice.get("message").or(choice.get("delta")).or(choice.get("text"))?;
        return container(said, Role::Assistant, depth + 1)
            .or_else(|| Some(Payload::known(message::read(said, Role::Assistant))));
    }
    if let Some(candidate) = list("candidates").and_then(|candidates| candidates.first()) {
        let said = candidate.get("content").unwrap_or(candidate);
        return Some(Payload::known(message::read(said, Role::Assistant)));
    }
    if let Some(generations) = list("generations") {
        let firsts =
            generations.iter().filter_map(|item| item.as_array().map_or(Some(item), |inner| inner.first()));
        let mut all = Vec::new();
        for generation in firsts {
            let said = generation.get("message").or(generation.get("text"))?;
            all.extend(container(said, Role::Assistant, depth + 1)?.messages);
        }
        return Some(Payload::known(all));
    }
    let update = object.get("update").or_else(|| object.get("output")?.get("update"))?;
    container(update.get("messages")?, Role::Assistant, depth + 1)
}

/// A command that lets an interrupted LangGraph graph go on: what a person replied, or new messages.
fn of_command(object: &Map<String, Value>, reply: &Value, depth: usize) -> Option<Payload> {
    if reply.is_null() {
        return container(object.get("update")?, Role::User, depth + 1);
    }
    let said = container(reply, Role::User, depth + 1).filter(|payload| !payload.messages.is_empty());
    Some(said.unwrap_or_else(|| Payload::known(unknown(reply, Role::User).messages)))
}

/// The arguments of a traced function: `{"args": […], "kwargs": {…}}`.
fn of_call(object: &Map<String, Value>, speaker: Role, depth: usize) -> Option<Payload> {
    if let Some(inner) = object.get("kwargs").filter(|inner| inner.is_object())
        && let Some(payload) = container(inner, speaker, depth + 1)
        && !payload.messages.is_empty()
    {
        return Some(payload);
    }
    if let Some([only]) = object.get("args").and_then(Value::as_array).map(Vec::as_slice) {
        return container(only, speaker, depth + 1);
    }
    // A dictionary with a single text says that text.
    let mut given = object.values().filter(|value| !value.is_null());
    match (given.next(), given.next()) {
        (Some(only @ (Value::String(_) | Value::Array(_))), None) => container(only, speaker, depth + 1),
        _ => None,
    }
}

/// Gives tool messages the name of the call they answer.
pub(crate) fn name_tools(messages: &mut [Message]) {
    let mut names: HashMap<String, String> = HashMap::new();
    for message in messages {
        for call in &message.tool_calls {
            if let Some(id) = &call.id {
                names.insert(id.clone(), call.name.clone());
            }
        }
        if message.role == Role::Tool && message.name.is_none() {
            message.name = message.tool_call_id.as_ref().and_then(|id| names.get(id)).cloned();
        }
    }
}
