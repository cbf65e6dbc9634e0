//! Anthropic's messages API.
//!
//! Pure functions, as in `openai`. A form is asked for as the one tool the model
//! has to call: the tool's input is the answer.

use serde_json::{Value, json};

use super::compatible::{Quirks, instructed};
use super::openai::role;
use super::{Raw, number, usage};
use crate::chat::{Finish, Request};

/// The version of the API this module speaks.
pub(super) const VERSION: &str = "2023-06-01";

pub(super) fn encode(request: &Request, quirks: Quirks) -> Value {
    let messages: Vec<Value> = request
        .messages
        .iter()
        .map(|message| json!({"role": role(message.speaker), "content": message.text}))
        .collect();
    let mut body = json!({
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": messages,
    });
    let system = if quirks.prompt_for_form { instructed(request) } else { request.system.clone() };
    if !system.is_empty() {
        body["system"] = json!(system);
    }
    if let Some(temperature) = request.temperature.filter(|_| !quirks.no_temperature) {
        body["temperature"] = json!(temperature);
    }
    if let Some(schema) = request.schema.as_ref().filter(|_| !quirks.prompt_for_form) {
        body["tools"] = json!([{
            "name": schema.name,
            "description": schema.description,
            "input_schema": schema.schema,
        }]);
        body["tool_choice"] = json!({"type": "tool", "name": schema.name, "disable_parallel_tool_use": true});
    }
    body
}

pub(super) fn decode(body: &Value) -> Option<Raw> {
    let blocks = body.get("content")?.as_array()?;
    let called = blocks.iter().find_map(|block| block.get("input").filter(|input| input.is_object()));
    let said = || blocks.iter().filter_map(|block| block.get("text").and_then(Value::as_str)).collect();
    let finish = match body.get("stop_reason").and_then(Value::as_str) {
        Some("max_tokens" | "model_context_window_exceeded") => Finish::Length,
        Some("refusal") => Finish::Refusal,
        _ => Finish::Stop,
    };
    let text = called.map_or_else(said, Value::to_string);
    let counted = body.get("usage").and_then(|counts| {
        // The cache is counted beside the input here, not as a part of it.
        let fresh = number(counts, "/input_tokens")?;
        let read = number(counts, "/cache_read_input_tokens");
        let created = number(counts, "/cache_creation_input_tokens");
        let input = fresh.saturating_add(read.unwrap_or(0)).saturating_add(created.unwrap_or(0));
        let output = number(counts, "/output_tokens").unwrap_or(0);
        Some(usage((input, &[("cache_read", read), ("cache_creation", created)]), (output, &[])))
    });
    let model = body.get("model").and_then(Value::as_str).map(str::to_owned);
    Some(Raw { text, finish, model, usage: counted })
}
