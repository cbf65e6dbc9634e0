//! Messages made of parts: the GenAI conventions (`{"type": "tool_call", …}`),
//! Gemini (`{"functionCall": …}`) and Vercel (`{"type": "tool-call", …}`).

use serde_json::{Map, Value, json};

use super::span::parsed;

/// A tool call in the common shape; arguments become JSON text.
pub(super) fn call(id: Option<&Value>, name: Option<&Value>, arguments: Option<&Value>) -> Value {
    let arguments = match arguments {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let mut call = json!({ "type": "function", "function": { "name": name, "arguments": arguments } });
    if let Some(id) = call_id(id) {
        call["id"] = id;
    }
    call
}

/// The message that answers a call.
pub(super) fn answer(id: Option<&Value>, result: Option<&Value>) -> Value {
    let content = match result {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let mut message = json!({ "role": "tool", "content": content });
    if let Some(id) = call_id(id) {
        message["tool_call_id"] = id;
    }
    message
}

/// Some frameworks write a pair of run id and call id: the last one is the call's.
pub(super) fn call_id(id: Option<&Value>) -> Option<Value> {
    let id = match id? {
        Value::Array(list) => list.last()?,
        id => id,
    };
    id.as_str().filter(|id| !id.is_empty()).map(|id| json!(id))
}

/// A message of parts: the message itself, and one tool message for each answer in it.
pub(super) fn messages(role: &str, list: &[Value], outer: &Map<String, Value>) -> Vec<Value> {
    let (mut content, mut calls, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for part in list {
        match read(part) {
            Piece::Content(piece) => content.push(piece),
            Piece::Call(call) => calls.push(call),
            Piece::Answer(answer) => answers.push(answer),
        }
    }
    let mut out = Vec::new();
    if !content.is_empty() || !calls.is_empty() || answers.is_empty() {
        let role = if role == "model" { "assistant" } else { role };
        let mut message = json!({ "role": role, "content": joined(content) });
        if !calls.is_empty() {
            message["tool_calls"] = Value::Array(calls);
        }
        for key in ["name", "finish_reason"] {
            if let Some(value) = outer.get(key) {
                message[key] = value.clone();
            }
        }
        out.push(message);
    }
    out.extend(answers);
    out
}

/// Text alone is plain text; anything else stays a list.
fn joined(content: Vec<Value>) -> Value {
    match content.as_slice() {
        [] => json!(""),
        [piece] if piece.get("type") == Some(&json!("text")) => piece["text"].clone(),
        _ => Value::Array(content),
    }
}

enum Piece {
    Content(Value),
    Call(Value),
    Answer(Value),
}

fn read(part: &Value) -> Piece {
    let Some(map) = part.as_object() else {
        let text = part.as_str().map_or_else(|| part.to_string(), str::to_owned);
        return Piece::Content(json!({ "type": "text", "text": text }));
    };
    let get = |keys: &[&str]| keys.iter().find_map(|key| map.get(*key).filter(|value| !value.is_null()));
    match map.get("type").and_then(Value::as_str).unwrap_or_default() {
        "tool_call" | "server_tool_call" => {
            return Piece::Call(call(map.get("id"), map.get("name"), get(&["arguments", "args"])));
        }
        "tool_call_response" | "server_tool_call_response" => {
            return Piece::Answer(answer(map.get("id"), get(&["response", "result", "content"])));
        }
        "reasoning" | "thinking" => {
            let text = get(&["content", "thinking", "text"]);
            return Piece::Content(json!({ "type": "thinking", "thinking": text }));
        }
        "blob" | "uri" | "file" | "image-url" | "audio-url" | "video-url" | "document-url" | "binary" => {
            return Piece::Content(media(map));
        }
        _ => {}
    }
    if let Some(Value::Object(inner)) = get(&["function_call", "functionCall"]) {
        return Piece::Call(call(inner.get("id"), inner.get("name"), inner.get("args")));
    }
    if let Some(Value::Object(inner)) = get(&["function_response", "functionResponse"]) {
        let mut answer = answer(inner.get("id"), inner.get("response"));
        answer["name"] = inner.get("name").cloned().unwrap_or_default();
        return Piece::Answer(answer);
    }
    if let Some(text) = get(&["text"]).or_else(|| get(&["content"]).filter(|text| text.is_string())) {
        let is_thought = map.get("thought") == Some(&Value::Bool(true));
        return Piece::Content(match is_thought {
            true => json!({ "type": "thinking", "thinking": text }),
            false => json!({ "type": "text", "text": text }),
        });
    }
    if get(&["inline_data", "inlineData", "file_data", "fileData"]).is_some() {
        return Piece::Content(media(map));
    }
    Piece::Content(part.clone())
}

/// An image, sound or file in the common shape.
fn media(map: &Map<String, Value>) -> Value {
    let inner = ["inline_data", "inlineData", "file_data", "fileData"]
        .into_iter()
        .find_map(|key| map.get(key)?.as_object())
        .unwrap_or(map);
    let text = |keys: &[&str]| keys.iter().find_map(|key| inner.get(*key)?.as_str()).unwrap_or_default();
    let mime = text(&["mime_type", "mimeType", "media_type"]);
    let url = match text(&["uri", "url", "file_uri", "fileUri", "file_id"]) {
        "" => format!("data:{mime};base64,{}", text(&["content", "data"])),
        url => url.to_owned(),
    };
    let kind = [text(&["modality"]), mime, text(&["type"])].join(" ");
    if kind.contains("image") {
        json!({ "type": "image_url", "image_url": { "url": url } })
    } else {
        json!({ "type": "file", "file": { "url": url, "mime_type": mime } })
    }
}

/// One piece of OpenInference's `contents.{n}.message_content.…`.
pub(super) fn of_flat(map: Map<String, Value>) -> Option<Value> {
    let get = |key: &str| map.get(&format!("message_content.{key}")).or_else(|| map.get(key));
    if let Some(url) = get("image.image.url").or_else(|| get("image.url")) {
        return Some(json!({ "type": "image_url", "image_url": { "url": url } }));
    }
    if let Some(url) = get("audio.audio.url").or_else(|| get("audio.url")) {
        return Some(json!({ "type": "file", "file": { "url": url } }));
    }
    let text = get("text")?;
    match get("type").and_then(Value::as_str) {
        Some("reasoning" | "thinking") => Some(json!({ "type": "thinking", "thinking": text })),
        _ => Some(json!({ "type": "text", "text": text })),
    }
}

// ------------------------------------------------------------------ Vercel

pub(super) fn is_vercel(part: &Value) -> bool {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    ["tool-call", "tool-result"].contains(&kind)
        || (kind == "reasoning" && part.get("text").is_some())
        || (["image", "file"].contains(&kind) && part.get("source").is_none() && part.get("file").is_none())
}

pub(super) fn vercel_call(map: &Map<String, Value>) -> Option<Value> {
    let arguments = map.get("args").or_else(|| map.get("input"));
    map.get("toolName").map(|name| call(map.get("toolCallId"), Some(name), arguments))
}

pub(super) fn vercel_messages(role: &str, list: &[Value]) -> Vec<Value> {
    let (mut content, mut calls, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for part in list {
        let Some(map) = part.as_object() else { continue };
        match map.get("type").and_then(Value::as_str) {
            Some("tool-call") => calls.extend(vercel_call(map)),
            Some("tool-result") => {
                let result = map.get("output").or_else(|| map.get("result"));
                // Since version 5 the output says what it is: {"type": "json", "value": …}.
                let result = result.and_then(|result| result.get("value").or(Some(result)));
                let mut answer = answer(map.get("toolCallId"), result);
                answer["name"] = map.get("toolName").cloned().unwrap_or_default();
                answers.push(answer);
            }
            Some("reasoning") => content.push(json!({ "type": "thinking", "thinking": map.get("text") })),
            Some("image" | "file") => content.push(vercel_media(map)),
            _ => content.push(part.clone()),
        }
    }
    let mut out = Vec::new();
    if !content.is_empty() || !calls.is_empty() {
        let mut message = json!({ "role": role, "content": joined(content) });
        if !calls.is_empty() {
            message["tool_calls"] = Value::Array(calls);
        }
        out.push(message);
    }
    out.extend(answers);
    out
}

fn vercel_media(map: &Map<String, Value>) -> Value {
    let mime =
        ["mediaType", "mimeType"].into_iter().find_map(|key| map.get(key)?.as_str()).unwrap_or_default();
    let data =
        ["image", "data", "url"].into_iter().find_map(|key| map.get(key)?.as_str()).unwrap_or_default();
    let is_image = map.contains_key("image") || mime.starts_with("image/");
    let is_address = data.contains("://") || data.starts_with("data:");
    let url = if is_address { data.to_owned() } else { format!("data:{mime};base64,{data}") };
    match is_image {
        true => json!({ "type": "image_url", "image_url": { "url": url } }),
        false => json!({ "type": "file", "file": { "url": url, "mime_type": mime } }),
    }
}

// ------------------------------------------------------------------ Gemini

/// `{"contents": text or [{"role", "parts"}], "config"?: {"system_instruction"}}`
pub(super) fn of_gemini_request(map: &Map<String, Value>) -> Option<Vec<Value>> {
    let contents = map.get("contents")?;
    let config = map.get("config").and_then(Value::as_object).unwrap_or(map);
    let instructions = config.get("system_instruction").or_else(|| config.get("systemInstruction"));
    let mut list: Vec<Value> = instructions.cloned().and_then(super::messages::system).into_iter().collect();
    match contents {
        Value::String(text) => list.push(json!({ "role": "user", "content": text })),
        Value::Array(items) => {
            for item in items {
                list.extend(of_content(item)?);
            }
        }
        item => list.extend(of_content(item)?),
    }
    (!list.is_empty()).then_some(list)
}

/// `{"candidates": [{"content": {"role", "parts"}}]}`
pub(super) fn of_gemini_response(map: &Map<String, Value>) -> Option<Vec<Value>> {
    let candidates = map.get("candidates")?.as_array()?;
    let mut list = Vec::new();
    for candidate in candidates {
        list.extend(of_content(candidate.get("content")?)?);
    }
    (!list.is_empty()).then_some(list)
}

/// Google's agent kit records `{"new_message": content, …}` and `{"content": content, …}`.
pub(super) fn of_adk(map: &Map<String, Value>) -> Option<Vec<Value>> {
    let content = map.get("new_message").or_else(|| map.get("content"))?;
    content.is_object().then(|| of_content(content)).flatten()
}

fn of_content(value: &Value) -> Option<Vec<Value>> {
    if let Some(text) = value.as_str() {
        return Some(vec![json!({ "role": "user", "content": text })]);
    }
    let map = value.as_object()?;
    let list = map.get("parts").map(parsed)?;
    let role = map.get("role").and_then(Value::as_str).unwrap_or("user");
    Some(messages(role, list.as_array()?, map))
}
