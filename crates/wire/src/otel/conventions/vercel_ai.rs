//! Vercel's AI SDK: `ai.*` attributes.
//!
//! A call makes two spans: `ai.generateText` around all steps (a chain here, so
//! that its tokens are not counted twice) and `ai.generateText.doGenerate` for
//! each request to the model.

use assay_domain::RunKind;
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::{Fields, Payload};
use crate::otel::messages;
use crate::otel::span::{Reader, Span, parsed};
use crate::otel::usage::Counts;

pub(super) fn read(span: &Span, reader: &Reader) -> Fields {
    let operation = reader
        .first_text(&["ai.operationId", "operation.name"])
        // Followed by the user's name for the function, after a space.
        .and_then(|operation| operation.split_whitespace().next())
        .filter(|operation| operation.starts_with("ai."));
    let Some(operation) = operation else { return Fields::default() };
    let kind = kind(operation);
    let mut fields = Fields {
        name: reader.text("ai.toolCall.name").map(str::to_owned),
        kind: Some(kind),
        // `openai.responses`: the provider, then which of its interfaces.
        provider: reader
            .text("ai.model.provider")
            .and_then(|provider| provider.split('.').next())
            .map(str::to_owned),
        model: reader.first_text(&["ai.model.id", "ai.response.model"]).map(str::to_owned),
        usage: counts(reader).finish(),
        first_token: first_token(span, reader),
        ..Fields::default()
    };
    if kind == RunKind::Tool {
        fields.inputs =
            reader.first(&["ai.toolCall.args", "ai.toolCall.input"]).map(parsed).and_then(Payload::arguments);
        fields.outputs =
            reader.first(&["ai.toolCall.result", "ai.toolCall.output"]).map(parsed).and_then(Payload::result);
        fields.note(reader, "ai.toolCall.id", "tool_call_id");
    } else {
        fields.inputs = inputs(reader);
        fields.outputs = outputs(reader);
    }
    for (key, value) in reader.below("ai.telemetry.metadata.") {
        fields.metadata.insert(key.to_owned(), value.clone());
    }
    for key in
        ["sessionId", "session_id", "threadId", "thread_id", "conversationId", "conversation_id", "chatId"]
    {
        if fields.thread.is_none() {
            fields.thread = fields.metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        }
    }
    fields.note(reader, "ai.telemetry.functionId", "function_id");
    fields.note(reader, "ai.response.finishReason", "finish_reason");
    fields.note(reader, "ai.response.id", "response_id");
    fields.note(reader, "ai.response.model", "response_model");
    invocation(reader, &mut fields);
    fields
}

fn kind(operation: &str) -> RunKind {
    match operation {
        "ai.toolCall" => RunKind::Tool,
        _ if operation.ends_with(".doEmbed") => RunKind::Embedding,
        _ if operation.ends_with(".doGenerate") || operation.ends_with(".doStream") => RunKind::Llm,
        _ => RunKind::Chain,
    }
}

/// The request's messages, or what the user passed as `prompt`, `system` and `messages`.
fn inputs(reader: &Reader) -> Option<Payload> {
    let prompt = reader.parsed("ai.prompt");
    let embedded = reader.first(&["ai.value", "ai.values"]);
    reader
        .parsed("ai.prompt.messages")
        .and_then(|value| Payload::whole(value, "input"))
        .or_else(|| Payload::whole(prompt?, "input"))
        .or_else(|| Payload::arguments(json!({ "input": embedded?.clone() })))
}

/// One assistant message from the text, the reasoning and the tool calls; else the object.
fn outputs(reader: &Reader) -> Option<Payload> {
    let text = reader.first_text(&["ai.response.text", "ai.result.text"]);
    let reasoning = reader.text("ai.response.reasoning");
    let calls = reader.first(&["ai.response.toolCalls", "ai.result.toolCalls"]).map(parsed);
    let calls = calls.map(|calls| messages::vercel_calls(&calls)).unwrap_or_default();
    // Vectors are dropped.
    reader.first(&["ai.embedding", "ai.embeddings"]);
    if text.is_some() || !calls.is_empty() {
        let content = match reasoning {
            Some(reasoning) => json!([
                { "type": "thinking", "thinking": reasoning },
                { "type": "text", "text": text.unwrap_or_default() },
            ]),
            None => json!(text.unwrap_or_default()),
        };
        let mut message = json!({ "role": "assistant", "content": content });
        if !calls.is_empty() {
            message["tool_calls"] = Value::Array(calls);
        }
        return Payload::messages(vec![message]);
    }
    let object = reader.first(&["ai.response.object", "ai.result.object"])?;
    let text = object.as_str().map_or_else(|| object.to_string(), str::to_owned);
    Payload::messages(vec![json!({ "role": "assistant", "content": text })])
}

fn first_token(span: &Span, reader: &Reader) -> Option<assay_domain::Time> {
    let event = span.events.iter().find(|event| event.name == "ai.stream.firstChunk");
    let waited = reader.get("ai.response.msToFirstChunk").and_then(Value::as_f64);
    event.and_then(|event| event.time).or_else(|| {
        let micros = (waited? * 1000.0).clamp(0.0, 1e15) as i64;
        span.start?.checked_add_signed(TimeDelta::microseconds(micros))
    })
}

fn counts(reader: &Reader) -> Counts {
    let usage = |names: [&str; 2]| {
        reader.count(&[&format!("ai.usage.{}", names[0]), &format!("ai.usage.{}", names[1])])
    };
    let mut counts = Counts {
        input: usage(["inputTokens", "promptTokens"]).or_else(|| reader.count(&["ai.usage.tokens"])),
        output: usage(["outputTokens", "completionTokens"]),
        total: reader.count(&["ai.usage.totalTokens"]),
        ..Counts::default()
    };
    counts.input_detail("cache_read", usage(["cachedInputTokens", "inputTokenDetails.cacheReadTokens"]));
    counts.input_detail("cache_creation", reader.count(&["ai.usage.inputTokenDetails.cacheWriteTokens"]));
    counts.output_detail("reasoning", usage(["reasoningTokens", "outputTokenDetails.reasoningTokens"]));
    counts
}

fn invocation(reader: &Reader, fields: &mut Fields) {
    let mut params = Map::new();
    for (key, value) in reader.below("ai.settings.") {
        params.insert(key.to_owned(), value.clone());
    }
    if let Some(model) = &fields.model {
        params.insert("model".into(), json!(model));
    }
    if let Some(tools) = reader.parsed("ai.prompt.tools") {
        // Each tool is JSON text of its own.
        let tools = match tools {
            Value::Array(list) => list.iter().map(parsed).collect(),
            other => other,
        };
        params.insert("tools".into(), tools);
    }
    if let Some(choice) = reader.parsed("ai.prompt.toolChoice") {
        params.insert("tool_choice".into(), choice);
    }
    fields.invocation = params;
}
