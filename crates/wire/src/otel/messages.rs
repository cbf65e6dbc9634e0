//! Puts messages, as telemetry writes them, into the common chat shape:
//! `{"role", "content", "tool_calls": [{"id", "type", "function": {"name",
//! "arguments"}}], "tool_call_id"}`.
//!
//! Known here are the shapes that only telemetry or a framework's recorder
//! produces: numbered attributes, span events, lists of parts, Vercel's content
//! parts, recorded requests to Gemini. Messages in a vendor's own shape pass
//! through untouched, for the `transcript` crate.

use serde_json::{Map, Value, json};

use super::parts;
use super::span::{parsed, sub_numbered};

/// What a whole value turned out to be.
pub(super) enum Found {
    /// A list of messages, or a single one.
    List(Vec<Value>),
    /// An object that holds messages or choices among other things.
    Inside(Value),
    /// Something else, unchanged.
    None(Value),
}

/// Looks for messages in a value.
pub(super) fn of_value(value: Value) -> Found {
    match value {
        Value::Array(list) => match of_list(&list) {
            Some(messages) => Found::List(messages),
            None => Found::None(Value::Array(list)),
        },
        Value::Object(map) => of_object(map),
        value => Found::None(value),
    }
}

/// The messages of a list in which every item is one; none if any is not.
pub(super) fn of_list(list: &[Value]) -> Option<Vec<Value>> {
    // LangChain records batches: a list of lists, with one conversation in it.
    if let [Value::Array(inner)] = list {
        return if inner.iter().any(Value::is_array) { None } else { of_list(inner) };
    }
    if list.is_empty() || !list.iter().all(is_message) {
        return None;
    }
    let mut out = Vec::with_capacity(list.len());
    let mut calls = Vec::new();
    for item in list {
        let Some(map) = item.as_object() else { continue };
        // Vercel's answers are a bare list of calls: they are one message.
        if is_vercel_call(map) {
            calls.extend(parts::vercel_call(map));
            continue;
        }
        flush(&mut calls, &mut out);
        out.extend(one(map));
    }
    flush(&mut calls, &mut out);
    Some(out)
}

fn flush(calls: &mut Vec<Value>, out: &mut Vec<Value>) {
    if !calls.is_empty() {
        out.push(json!({ "role": "assistant", "content": "", "tool_calls": std::mem::take(calls) }));
    }
}

fn is_vercel_call(map: &Map<String, Value>) -> bool {
    map.contains_key("toolCallId") && map.contains_key("toolName") && !map.contains_key("role")
}

fn is_message(value: &Value) -> bool {
    let Some(map) = value.as_object() else { return false };
    let has = |key: &str| map.contains_key(key);
    let word = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let has_body =
        ["content", "parts", "text", "tool_calls", "function_call", "contents"].into_iter().any(has);
    (map.get("role").is_some_and(Value::is_string) && has_body)
        || ["system", "developer", "user", "assistant", "tool", "model"].contains(&word("role"))
        || (["human", "ai", "system", "tool", "AIMessageChunk"].contains(&word("type")) && has("content"))
        || (["function_call", "function_call_output", "reasoning"].contains(&word("type")))
        || (word("type") == "constructor" && has("kwargs"))
        || word("event.name").starts_with("gen_ai.")
        || is_vercel_call(map)
}

/// One message of any shape; several where a message of parts answers several calls.
fn one(map: &Map<String, Value>) -> Vec<Value> {
    let word = |key: &str| map.get(key).and_then(Value::as_str);
    if let Some(name) = word("event.name").filter(|name| name.starts_with("gen_ai.")) {
        return match name {
            "gen_ai.choice" => choice(map).and_then(|choice| choice.get("message").cloned()),
            name => of_event(name, map),
        }
        .into_iter()
        .collect();
    }
    if let (Some(role), Some(list)) = (word("role"), map.get("parts").and_then(Value::as_array)) {
        return parts::messages(role, list, map);
    }
    match word("type") {
        Some("function_call") => {
            let call = parts::call(map.get("call_id"), map.get("name"), map.get("arguments"));
            return vec![json!({ "role": "assistant", "content": "", "tool_calls": [call] })];
        }
        Some("function_call_output") => {
            return vec![parts::answer(map.get("call_id"), map.get("output"))];
        }
        _ => {}
    }
    if let (Some(role), Some(list)) = (word("role"), map.get("content").and_then(Value::as_array))
        && list.iter().any(parts::is_vercel)
    {
        return parts::vercel_messages(role, list);
    }
    let mut message = map.clone();
    if !message.contains_key("content")
        && let Some(text) = message.get("text").filter(|text| text.is_string()).cloned()
    {
        message.insert("content".into(), text);
        message.remove("text");
    }
    vec![with_calls_from_text(message)]
}

/// Koog writes the calls of a message as JSON text into its content, and gives
/// the message the role `tool` when it comes back as history.
fn with_calls_from_text(mut message: Map<String, Value>) -> Value {
    let is_speaker =
        ["assistant", "tool"].contains(&message.get("role").and_then(Value::as_str).unwrap_or_default());
    let text = message.get("content").and_then(Value::as_str).unwrap_or_default();
    if is_speaker
        && text.starts_with("[{")
        && let Ok(Value::Array(calls)) = serde_json::from_str::<Value>(text)
        && calls.iter().all(|call| call.pointer("/function/name").is_some_and(Value::is_string))
    {
        message.insert("role".into(), json!("assistant"));
        message.insert("content".into(), json!(""));
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    Value::Object(message)
}

fn of_object(mut map: Map<String, Value>) -> Found {
    let value = Value::Object(std::mem::take(&mut map));
    if is_message(&value) {
        return match of_list(std::slice::from_ref(&value)) {
            Some(list) => Found::List(list),
            None => Found::None(value),
        };
    }
    let Value::Object(mut map) = value else { return Found::None(value) };
    if let Some(list) = prompt(&map).or_else(|| parts::of_adk(&map)) {
        return Found::List(list);
    }
    if let Some(list) = parts::of_gemini_request(&map) {
        map.remove("contents");
        map.insert("messages".into(), Value::Array(list));
        return Found::Inside(Value::Object(map));
    }
    if let Some(list) = parts::of_gemini_response(&map) {
        map.remove("candidates");
        map.insert("messages".into(), Value::Array(list));
        return Found::Inside(Value::Object(map));
    }
    if let Some(list) = map.get("messages").and_then(Value::as_array).and_then(|list| of_list(list)) {
        map.insert("messages".into(), Value::Array(list));
        return Found::Inside(Value::Object(map));
    }
    let has_list = |key: &str| map.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let is_response = map.get("object").and_then(Value::as_str) == Some("response") && has_list("output");
    if (has_list("choices") && map["choices"][0].is_object()) || is_response {
        return Found::Inside(Value::Object(map));
    }
    Found::None(Value::Object(map))
}

/// `{"system"?, "prompt"?, "messages"?}` and nothing else: what a user hands to an SDK.
fn prompt(map: &Map<String, Value>) -> Option<Vec<Value>> {
    if map.keys().any(|key| !["system", "prompt", "messages"].contains(&key.as_str())) {
        return None;
    }
    let mut list: Vec<Value> = map.get("system").cloned().and_then(system).into_iter().collect();
    match (map.get("messages"), map.get("prompt")) {
        (Some(Value::Array(messages)), _) | (None, Some(Value::Array(messages))) => {
            list.extend(of_list(messages)?)
        }
        (None, Some(Value::String(text))) => list.push(json!({ "role": "user", "content": text })),
        _ => return None,
    }
    Some(list)
}

/// A system message from instructions: text, or a list of parts.
pub(super) fn system(instructions: Value) -> Option<Value> {
    let content = match instructions {
        Value::String(text) if text.is_empty() => return None,
        Value::String(text) => Value::String(text),
        Value::Array(list) if list.is_empty() => return None,
        Value::Array(list) => return parts::messages("system", &list, &Map::new()).into_iter().next(),
        Value::Object(map) => {
            let list = map.get("parts")?.as_array()?;
            return parts::messages("system", list, &Map::new()).into_iter().next();
        }
        _ => return None,
    };
    Some(json!({ "role": "system", "content": content }))
}

/// A message recorded as an event: `gen_ai.user.message` with `content`, or
/// with the whole message as JSON in `gen_ai.event.content`.
pub(super) fn of_event(name: &str, attributes: &Map<String, Value>) -> Option<Value> {
    let body = match attributes.get("gen_ai.event.content").map(parsed) {
        Some(Value::Object(body)) => body,
        Some(Value::String(text)) => Map::from_iter([("content".to_owned(), Value::String(text))]),
        _ => attributes.clone(),
    };
    let from_name = name.strip_prefix("gen_ai.")?.strip_suffix(".message")?;
    let role = body.get("role").and_then(Value::as_str).unwrap_or(from_name);
    let mut message = Map::new();
    message.insert("role".into(), json!(role));
    let content = body.get("content").or_else(|| body.get("gen_ai.prompt")).cloned().unwrap_or(json!(""));
    message.insert("content".into(), content);
    if let Some(Value::Array(calls)) = body.get("tool_calls").map(parsed) {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    if role == "tool"
        && let Some(id) = body.get("tool_call_id").or_else(|| body.get("id"))
    {
        message.insert("tool_call_id".into(), id.clone());
    }
    if let Some(name) = body.get("name") {
        message.insert("name".into(), name.clone());
    }
    Some(Value::Object(message))
}

/// `gen_ai.choice`: `{"index", "finish_reason", "message": {…}}`.
pub(super) fn choice(attributes: &Map<String, Value>) -> Option<Value> {
    let body = match attributes.get("gen_ai.event.content").map(parsed) {
        Some(Value::Object(body)) => body,
        _ => attributes.clone(),
    };
    let inner = body.get("message").map(parsed);
    let mut message = match inner {
        Some(Value::Object(message)) => message,
        Some(Value::String(text)) => Map::from_iter([("content".to_owned(), Value::String(text))]),
        _ => Map::new(),
    };
    for key in ["role", "content", "tool_calls"] {
        if let Some(value) = body.get(key).filter(|_| !message.contains_key(key)) {
            message.insert(key.into(), parsed_calls(key, value));
        }
    }
    message.entry("role").or_insert_with(|| json!("assistant"));
    let mut choice = Map::new();
    for key in ["index", "finish_reason"] {
        if let Some(value) = body.get(key) {
            choice.insert(key.into(), value.clone());
        }
    }
    choice.insert("message".into(), Value::Object(message));
    Some(Value::Object(choice))
}

fn parsed_calls(key: &str, value: &Value) -> Value {
    if key == "tool_calls" { parsed(value) } else { value.clone() }
}

/// A message spread over attributes: `role`, `content`, `contents.{n}.…`,
/// `tool_calls.{n}.…`, each perhaps below `message.`.
pub(super) fn of_flat(map: &Map<String, Value>) -> Vec<Value> {
    let get = |key: &str| map.get(key).or_else(|| map.get(&format!("message.{key}")));
    let role = get("role").and_then(Value::as_str);
    let pieces: Vec<Value> = sub_numbered(map, "contents").into_values().filter_map(parts::of_flat).collect();
    let calls: Vec<Value> =
        sub_numbered(map, "tool_calls").into_values().filter_map(|call| flat_call(&call)).collect();
    let single = flat_function_call(map);
    // `contents` are the content in pieces; some clients send both.
    let content = match (get("content"), pieces.as_slice()) {
        (Some(content), _) if content.as_str() != Some("") => content.clone(),
        (_, []) => json!(""),
        (_, [piece]) if piece.get("type") == Some(&json!("text")) => piece["text"].clone(),
        _ => Value::Array(pieces),
    };
    let calls: Vec<Value> = calls.into_iter().chain(single).collect();
    if role.is_none() && calls.is_empty() && content == json!("") {
        return Vec::new();
    }
    let mut message = Map::new();
    message.insert("role".into(), json!(role.unwrap_or("assistant")));
    message.insert("content".into(), content);
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    for key in ["tool_call_id", "name", "finish_reason"] {
        if let Some(value) = get(key) {
            message.insert(key.into(), value.clone());
        }
    }
    of_list(&[Value::Object(message)]).unwrap_or_default()
}

/// `id`, `name`, `arguments`, plain, below `function.`, or below `tool_call.` as in OpenInference.
fn flat_call(map: &Map<String, Value>) -> Option<Value> {
    let get = |keys: [&str; 4]| keys.into_iter().find_map(|key| map.get(key));
    let id = get(["id", "tool_call.id", "call_id", "tool_call_id"]);
    let name = get(["name", "function.name", "tool_call.function.name", "function_name"]);
    let arguments =
        get(["arguments", "function.arguments", "tool_call.function.arguments", "function_arguments"]);
    (id.is_some() || name.is_some() || arguments.is_some()).then(|| parts::call(id, name, arguments))
}

/// The single call that OpenAI's first function calling had.
fn flat_function_call(map: &Map<String, Value>) -> Option<Value> {
    let name = map.get("function_call_name").or_else(|| map.get("function_call.name"))?;
    let arguments = map.get("function_call_arguments_json").or_else(|| map.get("function_call.arguments"));
    Some(parts::call(None, Some(name), arguments))
}

/// `[{"toolCallId", "toolName", "args" or "input"}]` as calls.
pub(super) fn vercel_calls(value: &Value) -> Vec<Value> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .filter_map(parts::vercel_call)
        .collect()
}
