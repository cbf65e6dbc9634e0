//! OpenAI's responses API.
//!
//! Pure functions, as in `openai`: another way to write the same question and
//! to read the same answer. Nothing is kept at the provider (`store: false`).

use serde_json::{Value, json};

use super::compatible::{Quirks, instructed};
use super::openai::role;
use super::{Raw, number, usage};
use crate::chat::{Finish, Request};
use crate::structured::is_strict;

pub(super) fn encode(request: &Request, quirks: Quirks) -> Value {
    let input: Vec<Value> = request
        .messages
        .iter()
        .map(|message| json!({"role": role(message.speaker), "content": message.text}))
        .collect();
    let mut body = json!({
        "model": request.model,
        "input": input,
        "max_output_tokens": request.max_tokens,
        "store": false,
    });
    let system = if quirks.prompt_for_form { instructed(request) } else { request.system.clone() };
    if !system.is_empty() {
        body["instructions"] = json!(system);
    }
    if let Some(temperature) = request.temperature.filter(|_| !quirks.no_temperature) {
        body["temperature"] = json!(temperature);
    }
    if let Some(schema) = request.schema.as_ref().filter(|_| !quirks.prompt_for_form) {
        body["text"] = json!({"format": {
            "type": "json_schema",
            "name": schema.name,
            "description": schema.description,
            "strict": is_strict(&schema.schema),
            "schema": schema.schema,
        }});
    }
    body
}

pub(super) fn decode(body: &Value) -> Option<Raw> {
    let mut text = String::new();
    let mut refusal = None;
    let items = body.get("output")?.as_array()?;
    let messages = items.iter().filter(|item| item.get("type").and_then(Value::as_str) == Some("message"));
    for part in messages.filter_map(|message| message.get("content")?.as_array()).flatten() {
        if let Some(refused) = part.get("refusal").and_then(Value::as_str) {
            refusal = Some(refused.to_owned());
        } else if let Some(said) = part.get("text").and_then(Value::as_str) {
            text.push_str(said);
        }
    }
    let cut = body.pointer("/incomplete_details/reason").and_then(Value::as_str);
    let finish = match cut {
        Some("content_filter") => Finish::Refusal,
        Some(_) => Finish::Length,
        None if refusal.is_some() => Finish::Refusal,
        None => Finish::Stop,
    };
    let counted = body.get("usage").and_then(|counts| {
        Some(usage(
            (
                number(counts, "/input_tokens")?,
                &[("cache_read", number(counts, "/input_tokens_details/cached_tokens"))],
            ),
            (
                number(counts, "/output_tokens").unwrap_or(0),
                &[("reasoning", number(counts, "/output_tokens_details/reasoning_tokens"))],
            ),
        ))
    });
    let model = body.get("model").and_then(Value::as_str).map(str::to_owned);
    Some(Raw { text: refusal.unwrap_or(text), finish, model, usage: counted })
}
