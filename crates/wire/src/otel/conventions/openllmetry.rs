//! OpenLLMetry (Traceloop): `traceloop.*` and the `llm.request.type` of its
//! older instrumentations. Its messages are GenAI's numbered ones.

use assay_domain::RunKind;
use serde_json::Value;

use super::{Fields, Payload, kind_of};
use crate::otel::span::{Reader, Span};
use crate::otel::usage::Counts;

pub(super) fn read(span: &Span, reader: &Reader) -> Fields {
    let mut fields = Fields {
        name: reader.text("traceloop.entity.name").map(str::to_owned),
        kind: kind(reader),
        usage: counts(reader).finish(),
        first_token: span
            .events
            .iter()
            .find(|event| event.name == "llm.content.completion.chunk")
            .and_then(|event| event.time),
        ..Fields::default()
    };
    let is_tool = fields.kind == Some(RunKind::Tool);
    fields.inputs = reader.parsed("traceloop.entity.input").and_then(|value| match unwrap(value, "inputs") {
        value if is_tool => Payload::arguments(value),
        value => Payload::whole(value, "input"),
    });
    fields.outputs = reader
        .parsed("traceloop.entity.output")
        .and_then(|value| Payload::whole(unwrap(value, "outputs"), "output"));
    for (key, value) in reader.below("traceloop.association.properties.") {
        fields.metadata.insert(key.to_owned(), value.clone());
    }
    let thread_keys = ["session_id", "conversation_id", "thread_id", "chat_id"];
    fields.thread = thread_keys.into_iter().find_map(|key| {
        let key = fields.metadata.get(key)?;
        key.as_str().map(str::to_owned).or_else(|| key.as_i64().map(|number| number.to_string()))
    });
    fields.note(reader, "traceloop.workflow.name", "workflow_name");
    fields.note(reader, "traceloop.prompt.key", "prompt_name");
    fields.note(reader, "traceloop.prompt.version", "prompt_version");
    fields.note(reader, "traceloop.prompt.version_hash", "prompt_commit");
    fields
}

fn kind(reader: &Reader) -> Option<RunKind> {
    if let Some(word) = reader.text("traceloop.span.kind") {
        return kind_of(word);
    }
    let request = reader.first_text(&["llm.request.type", "traceloop.llm.request.type"])?;
    Some(if request.eq_ignore_ascii_case("embedding") { RunKind::Embedding } else { RunKind::Llm })
}

/// LangChain's callback writes `{"inputs": {…}, "tags": […], "metadata": …}`; its own wrapper goes.
fn unwrap(value: Value, key: &str) -> Value {
    match value {
        Value::Object(mut map)
            if map.contains_key(key) && (map.contains_key("kwargs") || map.contains_key("tags")) =>
        {
            map.remove(key).unwrap_or_default()
        }
        value => value,
    }
}

fn counts(reader: &Reader) -> Counts {
    Counts {
        input: reader.count(&["llm.usage.prompt_tokens"]),
        output: reader.count(&["llm.usage.completion_tokens"]),
        total: reader.count(&["llm.usage.total_tokens"]),
        ..Counts::default()
    }
}
