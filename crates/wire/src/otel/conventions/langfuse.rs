//! `langfuse.observation.*` and `langfuse.trace.*`, as Langfuse's clients and
//! its re-exports write them, and the metadata its LangChain callback puts on
//! spans without a prefix.

use assay_domain::{RunKind, Time};
use serde_json::Value;

use super::{Fields, Payload, kind_of, tags};
use crate::otel::span::{Reader, Span, count, parsed};
use crate::otel::usage::Counts;

pub(super) fn read(_: &Span, reader: &Reader) -> Fields {
    let kind =
        reader.text("langfuse.observation.type").and_then(|word| match word.to_ascii_lowercase().as_str() {
            // The default: says nothing.
            "span" | "event" => None,
            word => kind_of(word),
        });
    let is_tool = kind == Some(RunKind::Tool);
    let input = reader.parsed("langfuse.observation.input").or_else(|| reader.parsed("langfuse.trace.input"));
    let output =
        reader.parsed("langfuse.observation.output").or_else(|| reader.parsed("langfuse.trace.output"));
    let mut fields = Fields {
        likely_kind: kind,
        inputs: input.and_then(|value| {
            if is_tool { Payload::arguments(value) } else { Payload::whole(value, "input") }
        }),
        outputs: output
            .and_then(|value| if is_tool { Payload::result(value) } else { Payload::whole(value, "output") }),
        error: error(reader),
        first_token: reader
            .text("langfuse.observation.completion_start_time")
            .and_then(|text| text.trim_matches('"').parse::<Time>().ok()),
        model: reader.first_text(&["langfuse.observation.model.name", "ls_model_name"]).map(str::to_owned),
        provider: reader.text("ls_provider").map(str::to_owned),
        thread: reader
            .first_text(&["langfuse.session.id", "session.id", "session_id", "conversation_id", "thread_id"])
            .map(str::to_owned),
        tags: reader.first(&["langfuse.trace.tags", "tags"]).map(tags).unwrap_or_default(),
        usage: counts(reader).finish(),
        ..Fields::default()
    };
    for prefix in ["langfuse.observation.metadata.", "langfuse.trace.metadata."] {
        for (key, value) in reader.below(prefix) {
            fields.metadata.entry(key).or_insert_with(|| parsed(value));
        }
    }
    for (attribute, key) in [
        ("langfuse.user.id", "user_id"),
        ("user.id", "user_id"),
        ("langfuse.trace.name", "trace_name"),
        ("langfuse.environment", "environment"),
        ("langfuse.release", "release"),
        ("langfuse.version", "version"),
        ("langfuse.observation.prompt.name", "prompt_name"),
        ("langfuse.observation.prompt.version", "prompt_version"),
    ] {
        fields.note(reader, attribute, key);
    }
    if let Some(Value::Object(params)) = reader.parsed("langfuse.observation.model.parameters") {
        fields.invocation = params;
    }
    fields
}

fn error(reader: &Reader) -> Option<String> {
    let message = reader.text("langfuse.observation.status_message");
    let level = reader.text("langfuse.observation.level")?;
    level.eq_ignore_ascii_case("error").then(|| message.unwrap_or("error").to_owned())
}

/// `usage_details` and `cost_details`: JSON objects of classes, `input` and `output` among them.
fn counts(reader: &Reader) -> Counts {
    let mut counts = Counts::default();
    if let Some(Value::Object(details)) = reader.parsed("langfuse.observation.usage_details") {
        for (name, value) in &details {
            match name.as_str() {
                "input" | "prompt_tokens" | "input_tokens" => counts.input = count(value),
                "output" | "completion_tokens" | "output_tokens" => counts.output = count(value),
                "total" | "total_tokens" => counts.total = count(value),
                name => counts.detail(name, count(value)),
            }
        }
    }
    if let Some(Value::Object(costs)) = reader.parsed("langfuse.observation.cost_details") {
        counts.cost(costs.get("input"), costs.get("output"), costs.get("total"));
    }
    counts
}
