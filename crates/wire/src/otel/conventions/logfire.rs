//! Logfire and Pydantic AI: `events`, `all_messages_events`,
//! `pydantic_ai.all_messages`, `prompt`, `tool_arguments`, `tool_response`.

use assay_domain::RunKind;
use serde_json::Value;

use super::{Fields, Payload, tags};
use crate::otel::messages;
use crate::otel::span::{Reader, Span};

pub(super) fn read(_: &Span, reader: &Reader) -> Fields {
    let (events_in, events_out) = events(reader);
    let arguments = reader.parsed("tool_arguments").and_then(Payload::arguments);
    let has_arguments = arguments.is_some();
    let response = reader.parsed("tool_response").and_then(Payload::result);
    let all = ["pydantic_ai.all_messages", "all_messages", "all_messages_events"]
        .into_iter()
        .find_map(|key| Payload::whole(reader.parsed(key)?, "output"));
    let mut fields = Fields {
        likely_kind: has_arguments.then_some(RunKind::Tool),
        inputs: events_in.or(arguments).or_else(|| Payload::whole(reader.parsed("prompt")?, "input")),
        outputs: events_out
            .or(response)
            .or(all)
            .or_else(|| Payload::whole(reader.parsed("final_result")?, "output")),
        model: reader.first_text(&["model_name", "model"]).map(str::to_owned),
        tags: reader.get("logfire.tags").map(tags).unwrap_or_default(),
        ..Fields::default()
    };
    fields.note(reader, "agent_name", "agent_name");
    if let Some(value) = reader.parsed("tools") {
        fields.invocation.insert("tools".into(), value);
    }
    if let Some(value) = reader.parsed("model_request_parameters") {
        fields.invocation.insert("model_request_parameters".into(), value);
    }
    // How Logfire shows the span: says nothing about the run.
    for key in ["logfire.json_schema", "logfire.msg", "logfire.msg_template"] {
        reader.get(key);
    }
    fields
}

/// `events`: choices came out, everything else went in.
fn events(reader: &Reader) -> (Option<Payload>, Option<Payload>) {
    let Some(Value::Array(events)) = reader.parsed("events") else { return (None, None) };
    let (mut inputs, mut choices) = (Vec::new(), Vec::new());
    for event in &events {
        let Some(map) = event.as_object() else { continue };
        match map.get("event.name").and_then(Value::as_str) {
            Some("gen_ai.choice") => choices.extend(messages::choice(map)),
            Some(name) => inputs.extend(messages::of_event(name, map)),
            None => {}
        }
    }
    (Payload::messages(inputs), Payload::structured("choices", choices))
}
