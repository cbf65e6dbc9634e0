//! OpenAI's chat completions, and those who speak like it.
//!
//! Pure functions: [`encode`] makes the body of a request, [`decode`] reads the
//! body of an answer. Where servers differ, [`Quirks`] say how.

use serde_json::{Value, json};

use super::compatible::{Quirks, instructed};
use super::{Raw, number, usage};
use crate::chat::{Finish, Request, Speaker};
use crate::structured::is_strict;

pub(super) fn encode(request: &Request, quirks: Quirks) -> Value {
    let mut messages = Vec::with_capacity(request.messages.len() + 1);
    let system = if quirks.prompt_for_form { instructed(request) } else { request.system.clone() };
    if !system.is_empty() {
        messages.push(json!({"role": "system", "content": system}));
    }
    for message in &request.messages {
        messages.push(json!({"role": role(message.speaker), "content": message.text}));
    }
    let mut body = json!({"model": request.model, "messages": messages});
    let limit = if quirks.old_limit { "max_tokens" } else { "max_completion_tokens" };
    body[limit] = json!(request.max_tokens);
    if let Some(temperature) = request.temperature.filter(|_| !quirks.no_temperature) {
        body["temperature"] = json!(temperature);
    }
    if let Some(seed) = request.seed.filter(|_| !quirks.no_seed) {
        // Some servers read 32 bits with a sign.
        body["seed"] = json!(seed & 0x7fff_ffff);
    }
    if let Some(schema) = request.schema.as_ref().filter(|_| !quirks.prompt_for_form) {
        body["response_format"] = json!({"type": "json_schema", "json_schema": {
            "name": schema.name,
            "description": schema.description,
            "strict": is_strict(&schema.schema),
            "schema": schema.schema,
        }});
    }
    body
}

pub(super) fn role(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::User => "user",
        Speaker::Model => "assistant",
    }
}

pub(super) fn decode(body: &Value) -> Option<Raw> {
    let choice = body.pointer("/choices/0")?;
    let message = choice.get("message")?;
    let refusal = message.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty());
    let finish = match choice.get("finish_reason").and_then(Value::as_str) {
        Some("length") => Finish::Length,
        Some("content_filter") => Finish::Refusal,
        _ if refusal.is_some() => Finish::Refusal,
        _ => Finish::Stop,
    };
    let text = match refusal {
        Some(refusal) => refusal.to_owned(),
        None => content(message.get("content").unwrap_or(&Value::Null))?,
    };
    let counted = body.get("usage").and_then(|counts| {
        Some(usage(
            (
                number(counts, "/prompt_tokens")?,
                &[
                    ("cache_read", number(counts, "/prompt_tokens_details/cached_tokens")),
                    ("audio", number(counts, "/prompt_tokens_details/audio_tokens")),
                ],
            ),
            (
                number(counts, "/completion_tokens").unwrap_or(0),
                &[
                    ("reasoning", number(counts, "/completion_tokens_details/reasoning_tokens")),
                    ("audio", number(counts, "/completion_tokens_details/audio_tokens")),
                ],
            ),
        ))
    });
    let model = body.get("model").and_then(Value::as_str).map(str::to_owned);
    Some(Raw { text, finish, model, usage: counted })
}

/// A text, a list of text parts, or nothing at all where the model only thought.
fn content(content: &Value) -> Option<String> {
    match content {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            Some(parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect())
        }
        _ => None,
    }
}
