//! One message of any vendor: who speaks, what they say, which tools they call.
//!
//! A single foreign message can be several of ours: a user's message that holds
//! tool results becomes one tool message per result.

use assay_domain::{Message, Part, Role, Time, ToolCall};
use serde_json::{Map, Value};

use crate::part::{self, Body};

/// Whether an object is a message (and not a container of messages).
pub(crate) fn is_message(value: &Value) -> bool {
    let Some(object) = value.as_object() else { return false };
    let has = |keys: &[&str]| keys.iter().any(|key| object.contains_key(*key));
    let is_text = |key: &str| object.get(key).is_some_and(Value::is_string);
    let says_something = has(&[
        "content",
        "parts",
        "tool_calls",
        "text",
        "function_call",
        "refusal",
        "audio",
        "toolCalls",
        "kwargs",
    ]);
    if is_text("role") && says_something {
        return true;
    }
    if (is_text("from") && is_text("value")) || constructed(object).is_some() || is_item(object) {
        return true;
    }
    let kind = object.get("type").and_then(Value::as_str);
    kind.and_then(role_of).is_some() && kind != Some("function") && has(&["content", "data"])
}

/// Items of OpenAI's Responses API that are not messages but stand beside them.
pub(crate) fn is_item(object: &Map<String, Value>) -> bool {
    let Some(kind) = object.get("type").and_then(Value::as_str) else { return false };
    match kind {
        "function_call" | "custom_tool_call" | "mcp_call" => object.contains_key("name"),
        "function_call_output" | "custom_tool_call_output" | "computer_call_output" => {
            object.contains_key("call_id")
        }
        "reasoning" => object.contains_key("summary") || object.contains_key("encrypted_content"),
        _ => kind.ends_with("_call") && object.contains_key("status"),
    }
}

/// The role a vendor's word stands for.
pub(crate) fn role_of(word: &str) -> Option<Role> {
    Some(match word.to_ascii_lowercase().as_str() {
        "system" | "developer" | "systemmessage" | "systemmessagechunk" => Role::System,
        "user" | "human" | "humanmessage" | "humanmessagechunk" | "customer" | "prompter" => Role::User,
        "assistant" | "ai" | "model" | "bot" | "gpt" | "chatbot" | "aimessage" | "aimessagechunk"
        | "agent" => Role::Assistant,
        "tool" | "function" | "toolmessage" | "toolmessagechunk" | "functionmessage" | "ipython"
        | "observation" | "tool_result" | "tool-response" | "tool-call" => Role::Tool,
        _ => return None,
    })
}

/// The fields of a LangChain message saved by its constructor, with the name of its class.
fn constructed(object: &Map<String, Value>) -> Option<(&Map<String, Value>, &str)> {
    let fields = object.get("kwargs")?.as_object()?;
    let class = object.get("id")?.as_array()?.last()?.as_str()?;
    class.contains("Message").then_some((fields, class))
}

/// Reads one message; `speaker` speaks where nobody is named.
pub(crate) fn read(value: &Value, speaker: Role) -> Vec<Message> {
    let Some(object) = value.as_object() else { return Vec::new() };
    if let Some((fields, class)) = constructed(object) {
        return of_fields(fields, Some(class), speaker);
    }
    if let (Some(kind), Some(data)) =
        (object.get("type").and_then(Value::as_str), object.get("data").and_then(Value::as_object))
        && role_of(kind).is_some()
    {
        return of_fields(data, Some(kind), speaker);
    }
    if is_item(object) {
        return of_item(object);
    }
    of_fields(object, None, speaker)
}

fn of_fields(fields: &Map<String, Value>, class: Option<&str>, speaker: Role) -> Vec<Message> {
    let text = |keys: &[&str]| {
        keys.iter().find_map(|key| fields.get(*key)?.as_str()).filter(|text| !text.is_empty())
    };
    let word = class.or(text(&["role", "from"])).or(text(&["type"]));
    // A role nobody knows is the name of a participant.
    let role = word.map_or(speaker, |word| role_of(word).unwrap_or(Role::Assistant));
    let stranger =
        word.filter(|word| role_of(word).is_none() && class.is_none() && fields.contains_key("role"));

    let content = ["content", "parts", "text", "value"]
        .into_iter()
        .find_map(|key| fields.get(key).filter(|value| !is_hollow(value)));
    let mut body = match (role, content) {
        (Role::Tool, Some(content)) if !has_results(content) => {
            Body { parts: part::result_parts(content), ..Body::default() }
        }
        (_, Some(content)) => Body::of(content),
        (_, None) => Body::default(),
    };
    let mut message = Message::new(role);
    message.name = text(&["name", "toolName", "tool_name", "agent_name"]).or(stranger).map(str::to_owned);
    message.tool_call_id = text(&["tool_call_id", "call_id", "toolCallId", "tool_use_id"]).map(str::to_owned);
    message.time = time(fields);
    message.parts = thoughts(fields);
    message.parts.append(&mut body.parts);
    extras(fields, &mut message.parts);
    message.tool_calls = calls(fields, body.calls);
    message.error = error(fields, &message);
    ordered(message, body.results)
}

/// A message and the tool messages found inside it. Whoever answers a model
/// gives the results first; a model calls first and gets results afterwards.
fn ordered(message: Message, results: Vec<Message>) -> Vec<Message> {
    let mut all = Vec::with_capacity(results.len() + 1);
    if message.role == Role::Assistant || results.is_empty() {
        if !message.is_empty() || results.is_empty() {
            all.push(message);
        }
        all.extend(results);
    } else {
        let (error, time) = (message.error.clone(), message.time);
        for mut result in results {
            result.error = result.error.or_else(|| error.clone().filter(|_| message.role == Role::Tool));
            result.time = time;
            all.push(result);
        }
        if message.role != Role::Tool && !message.is_empty() {
            all.push(message);
        }
    }
    all
}

fn is_hollow(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Whether a tool message's content is a list of results with ids of their own.
fn has_results(content: &Value) -> bool {
    let is_result = |piece: &Value| {
        let kind = piece.get("type").and_then(Value::as_str).unwrap_or_default();
        matches!(
            kind,
            "tool_result" | "tool-result" | "tool_call_response" | "server_tool_result" | "tool-error"
        ) || ["functionResponse", "function_response", "toolResult"]
            .iter()
            .any(|key| piece.get(*key).is_some())
    };
    match content {
        Value::Array(pieces) => pieces.iter().any(is_result),
        other => is_result(other),
    }
}

/// Thoughts that stand beside the content.
fn thoughts(fields: &Map<String, Value>) -> Vec<Part> {
    let more = fields.get("additional_kwargs").and_then(Value::as_object);
    ["reasoning_content", "reasoning", "thinking"]
        .into_iter()
        .find_map(|key| fields.get(key).or_else(|| more?.get(key))?.as_str())
        .filter(|text| !text.is_empty())
        .map(|text| vec![Part::Thinking(text.to_owned())])
        .unwrap_or_default()
}

/// Refusals and spoken answers that stand beside the content.
fn extras(fields: &Map<String, Value>, parts: &mut Vec<Part>) {
    let more = fields.get("additional_kwargs").and_then(Value::as_object);
    let refusal = fields.get("refusal").or_else(|| more?.get("refusal")).and_then(Value::as_str);
    if let Some(refusal) = refusal.filter(|text| !text.is_empty()) {
        parts.push(Part::Refusal(refusal.to_owned()));
    }
    if let Some(audio) = fields.get("audio").or_else(|| more?.get("audio")).filter(|audio| audio.is_object())
    {
        parts.extend(crate::media::of(assay_domain::transcript::MediaKind::Audio, audio));
        if let Some(transcript) = audio.get("transcript").and_then(Value::as_str) {
            parts.push(Part::Text(transcript.to_owned()));
        }
    }
}

/// Tool calls beside the content, and those found inside it, each once.
fn calls(fields: &Map<String, Value>, inside: Vec<ToolCall>) -> Vec<ToolCall> {
    let more = fields.get("additional_kwargs").and_then(Value::as_object);
    let list = |fields: &Map<String, Value>| -> Vec<ToolCall> {
        let given = fields.get("tool_calls").or(fields.get("toolCalls")).and_then(Value::as_array);
        given.into_iter().flatten().filter_map(part::tool_call).collect()
    };
    let mut calls = list(fields);
    if calls.is_empty() {
        calls = inside;
    } else {
        let is_new = |call: &ToolCall, known: &[ToolCall]| {
            !known.iter().any(|known| {
                if call.id.is_some() {
                    known.id == call.id
                } else {
                    known.name == call.name && known.arguments == call.arguments
                }
            })
        };
        for call in inside {
            if is_new(&call, &calls) {
                calls.push(call);
            }
        }
    }
    if calls.is_empty() {
        calls = more.map(list).unwrap_or_default();
    }
    if calls.is_empty() {
        let legacy = fields.get("function_call").or_else(|| more?.get("function_call"));
        calls.extend(legacy.and_then(part::tool_call));
    }
    let broken = fields.get("invalid_tool_calls").and_then(Value::as_array).into_iter().flatten();
    calls.extend(broken.filter_map(part::tool_call));
    calls
}

/// What went wrong, where the message itself says so: `error`, `returncode`, `is_error`, `status`.
fn error(fields: &Map<String, Value>, message: &Message) -> Option<String> {
    match fields.get("error") {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(Value::Bool(true)) => return Some(part::error_text(message)),
        Some(Value::String(text)) if text.is_empty() => {}
        Some(Value::String(text)) => return Some(text.clone()),
        Some(other) => {
            let text = other.get("message").and_then(Value::as_str);
            return Some(text.map_or_else(|| other.to_string(), str::to_owned));
        }
    }
    let code = ["returncode", "return_code", "exit_code", "exitcode"]
        .into_iter()
        .find_map(|key| fields.get(key)?.as_i64());
    if let Some(code) = code.filter(|code| *code != 0) {
        return Some(format!("exit code {code}"));
    }
    let flagged = ["is_error", "isError"].into_iter().any(|key| fields.get(key) == Some(&Value::Bool(true)));
    let failed = message.role == Role::Tool && fields.get("status").and_then(Value::as_str) == Some("error");
    (flagged || failed).then(|| part::error_text(message))
}

fn time(fields: &Map<String, Value>) -> Option<Time> {
    ["timestamp", "created_at", "createdAt", "time"]
        .into_iter()
        .find_map(|key| fields.get(key)?.as_str()?.parse().ok())
}

/// An item of the Responses API as a message.
fn of_item(item: &Map<String, Value>) -> Vec<Message> {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind.ends_with("_output") {
        let mut message = Message::new(Role::Tool);
        message.tool_call_id = item.get("call_id").and_then(Value::as_str).map(str::to_owned);
        message.parts = item.get("output").map(part::result_parts).unwrap_or_default();
        message.error = error(item, &message);
        return vec![message];
    }
    let mut message = Message::new(Role::Assistant);
    if kind == "reasoning" {
        message.parts = Body::of(&Value::Object(item.clone())).parts;
        return vec![message];
    }
    let whole = Value::Object(item.clone());
    message.tool_calls.extend(part::tool_call(&whole).or_else(|| built_in_call(kind, item)));
    message.error = error(item, &message);
    let mut all = vec![message];
    // Calls that the provider runs itself carry their result.
    if let Some(output) = item.get("output").filter(|output| !output.is_null()) {
        let mut answer = Message::new(Role::Tool);
        answer.tool_call_id = all[0].tool_calls.first().and_then(|call| call.id.clone());
        answer.parts = part::result_parts(output);
        all.push(answer);
    }
    all
}

fn built_in_call(kind: &str, item: &Map<String, Value>) -> Option<ToolCall> {
    let given = ["action", "queries", "code"].into_iter().find_map(|key| item.get(key));
    Some(ToolCall {
        id: item.get("id").and_then(Value::as_str).map(str::to_owned),
        name: kind.strip_suffix("_call")?.to_owned(),
        arguments: given.cloned().unwrap_or_else(|| Value::Object(Map::new())),
    })
}
