//! The pieces of a message: text, thoughts, media, tool calls and tool results,
//! in the shapes of OpenAI, Anthropic, Gemini, Bedrock, LangChain, the GenAI
//! semantic conventions and the Vercel AI SDK.
//!
//! Containers of messages are [`crate::payload`]'s business.

use assay_domain::transcript::MediaKind;
use assay_domain::{Message, Part, Role, ToolCall};
use serde_json::{Map, Value};

use crate::media;

/// How deep pieces may hold pieces (a tool result holds text and images).
const MAX_DEPTH: usize = 6;

/// What the pieces of one message amount to.
#[derive(Default)]
pub(crate) struct Body {
    pub(crate) parts: Vec<Part>,
    pub(crate) calls: Vec<ToolCall>,
    /// Tool messages of their own: some vendors put results into a user's message.
    pub(crate) results: Vec<Message>,
}

impl Body {
    /// Reads a `content`: text, one piece or a list of pieces.
    pub(crate) fn of(content: &Value) -> Self {
        let mut body = Self::default();
        body.add(content, 0);
        body
    }

    fn add(&mut self, content: &Value, depth: usize) {
        match content {
            Value::Null => {}
            Value::String(text) => self.text(text),
            Value::Array(_) | Value::Object(_) if depth > MAX_DEPTH => {
                self.parts.push(Part::Other(content.clone()));
            }
            Value::Array(pieces) => pieces.iter().for_each(|piece| self.add(piece, depth + 1)),
            Value::Object(piece) => self.piece(piece, content, depth),
            Value::Bool(_) | Value::Number(_) => self.parts.push(Part::Text(content.to_string())),
        }
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.parts.push(Part::Text(text.to_owned()));
        }
    }

    fn thinking(&mut self, text: &str) {
        if !text.is_empty() {
            self.parts.push(Part::Thinking(text.to_owned()));
        }
    }

    fn piece(&mut self, piece: &Map<String, Value>, whole: &Value, depth: usize) {
        match piece.get("type").and_then(Value::as_str) {
            Some(kind) => self.typed(kind, piece, whole, depth),
            None => self.untyped(piece, whole, depth),
        }
    }

    fn typed(&mut self, kind: &str, piece: &Map<String, Value>, whole: &Value, depth: usize) {
        match kind {
            "text" | "input_text" | "output_text" | "plain_text" | "summary_text" => {
                self.text(&words(piece, &["text", "content", "value"]));
            }
            "refusal" => self.parts.push(Part::Refusal(words(piece, &["refusal", "text", "content"]))),
            "thinking" | "reasoning" | "reasoning_text" | "thought" => self.thinking(&thought(piece)),
            "redacted_thinking" => self.thinking("[redacted]"),
            "image" | "image_url" | "input_image" | "output_image" => self.medium(MediaKind::Image, whole),
            "audio" | "input_audio" | "output_audio" | "audio_url" => {
                self.medium(MediaKind::Audio, whole);
                self.text(&words(piece, &["transcript"]));
            }
            "video" | "video_url" | "input_video" => self.medium(MediaKind::Video, whole),
            "file" | "input_file" | "document" | "container_upload" | "blob" | "uri" | "media" => {
                self.medium(MediaKind::File, whole);
            }
            "tool_use" | "server_tool_use" | "mcp_tool_use" | "tool_call" | "tool-call"
            | "server_tool_call" | "function_call" | "function" | "dynamic-tool" => self.call(piece),
            "tool_result"
            | "tool-result"
            | "tool_call_response"
            | "server_tool_result"
            | "mcp_tool_result"
            | "tool_result_error"
            | "tool-error"
            | "function_call_output" => {
                self.results.push(result(piece, None));
            }
            // Marks of the AI SDK that carry nothing a reader sees.
            "step-start" | "finish-step" | "step_start" => {}
            _ if kind.ends_with("_tool_result") => self.results.push(result(piece, None)),
            // The AI SDK's UI messages name the tool in the type: `tool-getWeather`.
            _ if kind.starts_with("tool-") && piece.contains_key("toolCallId") => {
                self.ui_tool(&kind["tool-".len()..], piece);
            }
            _ => self.untyped(piece, whole, depth),
        }
    }

    fn untyped(&mut self, piece: &Map<String, Value>, whole: &Value, depth: usize) {
        let get = |names: [&str; 2]| names.into_iter().find_map(|name| piece.get(name));
        if let Some(call) = get(["functionCall", "function_call"]).or(piece.get("toolUse")) {
            self.calls.extend(tool_call(call));
        } else if let Some(answer) =
            get(["functionResponse", "function_response"]).or(piece.get("toolResult"))
        {
            self.results.extend(answer.as_object().map(|answer| result(answer, None)));
        } else if let Some(data) = get(["inlineData", "inline_data"]).or(get(["fileData", "file_data"])) {
            self.medium(MediaKind::File, data);
        } else if let Some(thoughts) = piece.get("reasoningContent") {
            let text = thoughts.get("reasoningText").unwrap_or(thoughts);
            self.thinking(text.as_object().map(thought).unwrap_or_default().as_str());
        } else if let Some(text) = piece.get("text").and_then(Value::as_str) {
            if piece.get("thought") == Some(&Value::Bool(true)) {
                self.thinking(text);
            } else {
                self.text(text);
            }
        } else if let Some(parts @ Value::Array(_)) = piece.get("parts") {
            self.add(parts, depth + 1);
        } else if piece.contains_key("toolCallId") && piece.contains_key("toolName") {
            self.call(piece);
        } else if let Some(image) = piece.get("image") {
            self.medium(MediaKind::Image, image);
        } else if let Some(code) = get(["executableCode", "executable_code"]) {
            self.text(code.get("code").and_then(Value::as_str).unwrap_or_default());
        } else if let Some(output) = get(["codeExecutionResult", "code_execution_result"]) {
            self.text(output.get("output").and_then(Value::as_str).unwrap_or_default());
        } else if !piece.is_empty() && !is_opaque(piece) {
            self.parts.push(Part::Other(whole.clone()));
        }
    }

    fn medium(&mut self, kind: MediaKind, value: &Value) {
        self.parts
            .push(media::of(kind, value).unwrap_or_else(|| Part::Other(Value::from(format!("{kind:?}")))));
    }

    fn call(&mut self, piece: &Map<String, Value>) {
        let has = |keys: &[&str]| keys.iter().any(|key| piece.contains_key(*key));
        let is_result_only = has(&["result", "output"]) && !has(&["args", "input", "arguments", "function"]);
        if !is_result_only {
            self.calls.extend(tool_call(&Value::Object(piece.clone())));
        }
        // Some histories of the AI SDK keep the answer inside the call.
        let is_answered = piece.contains_key("toolCallId")
            && (piece.contains_key("result") || piece.contains_key("output"));
        if is_answered {
            self.results.push(result(piece, None));
        }
    }

    fn ui_tool(&mut self, name: &str, piece: &Map<String, Value>) {
        let arguments = piece.get("input").map_or(Value::Null, arguments);
        let id = piece.get("toolCallId").and_then(Value::as_str).map(str::to_owned);
        self.calls.push(ToolCall { id, name: name.to_owned(), arguments });
        if piece.contains_key("output") || piece.contains_key("errorText") {
            self.results.push(result(piece, Some(name)));
        }
    }
}

/// A piece that only carries a provider's sealed state, such as an encrypted thought.
fn is_opaque(piece: &Map<String, Value>) -> bool {
    let content = piece.get("content").and_then(Value::as_object).unwrap_or(piece);
    content.contains_key("protectedData") || content.contains_key("encrypted_content")
}

fn thought(piece: &Map<String, Value>) -> String {
    let text = words(piece, &["thinking", "text", "content", "reasoning"]);
    if !text.is_empty() {
        return text;
    }
    let summary = piece.get("summary").and_then(Value::as_array).into_iter().flatten();
    summary.filter_map(|part| part.get("text")?.as_str()).collect::<Vec<_>>().join("\n")
}

/// The first of these keys that holds text; nested text values are looked into once.
fn words(piece: &Map<String, Value>, keys: &[&str]) -> String {
    for key in keys {
        match piece.get(*key) {
            Some(Value::String(text)) => return text.clone(),
            Some(Value::Object(inner)) => {
                if let Some(text) = ["value", "text"].into_iter().find_map(|key| inner.get(key)?.as_str()) {
                    return text.to_owned();
                }
            }
            Some(Value::Array(parts)) => {
                let texts = parts.iter().filter_map(|part| part.as_str().or(part.get("text")?.as_str()));
                return texts.collect::<Vec<_>>().join("\n");
            }
            _ => {}
        }
    }
    String::new()
}

/// A tool call in any vendor's shape; `None` where it has no name.
pub(crate) fn tool_call(value: &Value) -> Option<ToolCall> {
    let call = value.as_object()?;
    let function = call.get("function").and_then(Value::as_object).or_else(|| {
        call.get("functionCall")
            .or(call.get("function_call"))
            .or(call.get("custom"))
            .and_then(Value::as_object)
    });
    let inner = function.unwrap_or(call);
    let name = ["name", "toolName", "tool_name"].into_iter().find_map(|key| inner.get(key)?.as_str())?;
    let id = ["tool_call_id", "call_id", "toolCallId", "toolUseId", "id"]
        .into_iter()
        .find_map(|key| call.get(key)?.as_str())
        .filter(|id| !id.is_empty());
    let given = ["arguments", "args", "input", "parameters"].into_iter().find_map(|key| inner.get(key));
    Some(ToolCall {
        id: id.map(str::to_owned),
        name: name.to_owned(),
        arguments: given.map_or_else(|| Value::Object(Map::new()), arguments),
    })
}

/// Arguments as a value: JSON inside a string is parsed, other text stays text.
pub(crate) fn arguments(given: &Value) -> Value {
    match given {
        Value::String(text) if text.trim().is_empty() => Value::Object(Map::new()),
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(parsed @ (Value::Object(_) | Value::Array(_))) => parsed,
            _ => given.clone(),
        },
        Value::Null => Value::Object(Map::new()),
        other => other.clone(),
    }
}

/// The tool message for a result piece. `name` where the piece itself does not name its tool.
fn result(piece: &Map<String, Value>, name: Option<&str>) -> Message {
    let mut message = Message::new(Role::Tool);
    let text = |keys: &[&str]| keys.iter().find_map(|key| piece.get(*key)?.as_str()).map(str::to_owned);
    message.name = text(&["toolName", "tool_name", "name"]).or_else(|| name.map(str::to_owned));
    message.tool_call_id = text(&["tool_call_id", "tool_use_id", "toolCallId", "toolUseId", "call_id", "id"]);
    let output = ["content", "output", "result", "response", "errorText", "error"]
        .into_iter()
        .find_map(|key| piece.get(key).filter(|value| !value.is_null()));
    message.parts = output.map(result_parts).unwrap_or_default();
    let kind = output.and_then(|output| output.get("type")?.as_str()).unwrap_or_default();
    let flag = |key: &str| piece.get(key) == Some(&Value::Bool(true));
    let failed = flag("is_error")
        || flag("isError")
        || matches!(piece.get("status").and_then(Value::as_str), Some("error" | "failed"))
        || piece.get("state").and_then(Value::as_str) == Some("output-error")
        || piece.get("type").and_then(Value::as_str) == Some("tool-error")
        || kind.contains("error");
    if failed {
        message.error = Some(error_text(&message));
    }
    message
}

/// What a failed tool answered, or that it failed when it said nothing.
pub(crate) fn error_text(message: &Message) -> String {
    let text = message.text();
    if text.is_empty() { "tool failed".to_owned() } else { text }
}

/// The pieces of a tool's answer: text stays text, lists of pieces are read, all else is JSON text.
pub(crate) fn result_parts(output: &Value) -> Vec<Part> {
    match output {
        Value::Null => Vec::new(),
        Value::Object(object) if object.is_empty() => Vec::new(),
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => vec![Part::Text(text.clone())],
        Value::Array(pieces) if !pieces.is_empty() && pieces.iter().all(is_piece) => Body::of(output).parts,
        Value::Object(object) => {
            // `{"type": "text", "value": …}` of the AI SDK, `{"output": …}` of Gemini, `{"content": …}`.
            let is_wrapper = object.contains_key("type") && object.contains_key("value");
            let inner = if is_wrapper {
                object.get("value")
            } else if object.len() == 1 {
                ["output", "result", "content", "text"].into_iter().find_map(|key| object.get(key))
            } else {
                None
            };
            match inner {
                Some(Value::String(text)) => vec![Part::Text(text.clone())],
                Some(inner @ Value::Array(pieces)) if !pieces.is_empty() && pieces.iter().all(is_piece) => {
                    Body::of(inner).parts
                }
                Some(inner) if is_wrapper => vec![Part::Text(inner.to_string())],
                _ if is_piece(output) => Body::of(output).parts,
                _ => vec![Part::Text(output.to_string())],
            }
        }
        other => vec![Part::Text(other.to_string())],
    }
}

/// Whether a value is a content piece and not just any object.
pub(crate) fn is_piece(value: &Value) -> bool {
    const KINDS: [&str; 26] = [
        "text",
        "input_text",
        "output_text",
        "image",
        "image_url",
        "input_image",
        "audio",
        "input_audio",
        "file",
        "input_file",
        "document",
        "video",
        "thinking",
        "redacted_thinking",
        "reasoning",
        "refusal",
        "tool_use",
        "tool_result",
        "tool_call",
        "tool_call_response",
        "tool-call",
        "tool-result",
        "server_tool_use",
        "server_tool_call",
        "server_tool_result",
        "blob",
    ];
    let Some(piece) = value.as_object() else { return false };
    match piece.get("type").and_then(Value::as_str) {
        Some(kind) => KINDS.contains(&kind) && !piece.contains_key("role"),
        None => {
            let is_vercel_call = piece.contains_key("toolCallId") && piece.contains_key("toolName");
            let lone_text = piece.len() <= 2 && piece.get("text").is_some_and(Value::is_string);
            let keys = [
                "functionCall",
                "function_call",
                "functionResponse",
                "function_response",
                "inlineData",
                "inline_data",
                "fileData",
                "toolUse",
                "toolResult",
                "reasoningContent",
            ];
            !piece.contains_key("role")
                && (lone_text || is_vercel_call || keys.iter().any(|key| piece.contains_key(*key)))
        }
    }
}
