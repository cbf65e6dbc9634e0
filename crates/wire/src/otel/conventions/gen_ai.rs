//! The OpenTelemetry conventions for generative AI (`gen_ai.*`), in the three
//! forms they have had: numbered prompts and completions, span events, and
//! lists of messages made of parts.

use assay_domain::RunKind;
use serde_json::{Map, Value, json};

use super::{Fields, Payload, kind_of};
use crate::otel::messages;
use crate::otel::parts::call_id;
use crate::otel::span::{Event, Reader, Span, parsed};
use crate::otel::usage::Counts;

pub(super) fn read(span: &Span, reader: &Reader) -> Fields {
    let operation = reader.text("gen_ai.operation.name");
    let tool = reader.text("gen_ai.tool.name").or_else(|| reader.text("mcp.tool.name"));
    let is_tool = match operation {
        Some(operation) => operation == "execute_tool",
        None => tool.is_some(),
    };
    let (inputs, outputs) = payloads(span, reader, is_tool);
    let mut fields = Fields {
        name: tool.filter(|_| is_tool).map(str::to_owned),
        kind: operation.and_then(kind_of),
        likely_kind: likely_kind(reader, is_tool),
        inputs,
        outputs,
        system: reader.parsed("gen_ai.system_instructions").and_then(messages::system).into_iter().collect(),
        // The LangSmith client says `langchain` where it knows no provider.
        provider: reader
            .first_text(&["gen_ai.provider.name", "gen_ai.system"])
            .filter(|&provider| provider != "langchain")
            .map(str::to_owned),
        model: ["gen_ai.request.model", "gen_ai.response.model"]
            .into_iter()
            .filter_map(|key| reader.text(key))
            .find(|&model| model != "unknown")
            .map(str::to_owned),
        thread: reader
            .first_text(&["gen_ai.conversation.id", "session.id", "gcp.vertex.agent.session_id"])
            .map(str::to_owned),
        usage: counts(reader).finish(),
        ..Fields::default()
    };
    invocation(reader, &mut fields);
    fields.note(reader, "gen_ai.response.model", "response_model");
    fields.note(reader, "gen_ai.response.id", "response_id");
    fields.note(reader, "gen_ai.agent.name", "agent_name");
    fields.note(reader, "gen_ai.agent.id", "agent_id");
    if let Some(id) = call_id(reader.get("gen_ai.tool.call.id")) {
        fields.metadata.insert("tool_call_id".into(), id);
    }
    fields.note(reader, "user.id", "user_id");
    fields.note(reader, "enduser.id", "user_id");
    if let Some(value) = reader.parsed("gen_ai.response.finish_reasons") {
        fields.metadata.insert("finish_reasons".into(), value);
    }
    fields
}

fn likely_kind(reader: &Reader, is_tool: bool) -> Option<RunKind> {
    let asks_model = reader.text("gen_ai.request.model").is_some();
    match is_tool {
        true => Some(RunKind::Tool),
        false => asks_model.then_some(RunKind::Llm),
    }
}

/// Inputs and outputs: events, then numbered messages, then lists, then whole values.
fn payloads(span: &Span, reader: &Reader, is_tool: bool) -> (Option<Payload>, Option<Payload>) {
    if is_tool {
        let arguments = reader.parsed("gen_ai.tool.call.arguments").and_then(Payload::arguments);
        let result = reader.parsed("gen_ai.tool.call.result").and_then(Payload::result);
        if arguments.is_some() || result.is_some() {
            return (arguments, result);
        }
    }
    let (event_inputs, event_outputs) = from_events(&span.events);
    let list = |keys: &[&str], key: &str| {
        keys.iter()
            .find_map(|name| Payload::whole(reader.parsed(name)?, key))
            .filter(|found| found.is_structured)
    };
    let inputs = event_inputs
        .or_else(|| Payload::messages(numbered(reader, "gen_ai.prompt")))
        .or_else(|| list(&["gen_ai.input.messages", "gen_ai.input_messages"], "input"))
        .or_else(|| Payload::whole(reader.parsed("gen_ai.prompt")?, "input"));
    let outputs = event_outputs
        .or_else(|| Payload::messages(numbered(reader, "gen_ai.completion")))
        .or_else(|| list(&["gen_ai.output.messages", "gen_ai.output_messages"], "output"))
        .or_else(|| Payload::whole(reader.parsed("gen_ai.completion")?, "text"));
    (inputs, outputs)
}

/// `gen_ai.prompt.{n}.role`, `.content`, `.tool_calls.{m}.name`, …
fn numbered(reader: &Reader, prefix: &str) -> Vec<Value> {
    reader.numbered(prefix).into_values().flat_map(|map| messages::of_flat(&map)).collect()
}

/// The messages that were recorded as events.
///
/// With a `gen_ai.choice` among them every other message is history, that is,
/// input; without one, what follows the first assistant message is the answer.
fn from_events(events: &[Event]) -> (Option<Payload>, Option<Payload>) {
    let (mut inputs, mut outputs, mut choices) = (Vec::new(), Vec::new(), Vec::new());
    let has_choice = events.iter().any(|event| event.name == "gen_ai.choice");
    let (mut prompt, mut completion) = (None, None);
    for event in events {
        match event.name.as_str() {
            "gen_ai.content.prompt" => prompt = event.attributes.get("gen_ai.prompt").map(parsed),
            "gen_ai.content.completion" => completion = event.attributes.get("gen_ai.completion").map(parsed),
            "gen_ai.system.message" | "gen_ai.user.message" => {
                inputs.extend(messages::of_event(&event.name, &event.attributes))
            }
            "gen_ai.assistant.message" | "gen_ai.tool.message" => {
                let list = if has_choice { &mut inputs } else { &mut outputs };
                list.extend(messages::of_event(&event.name, &event.attributes));
            }
            "gen_ai.choice" => choices.extend(messages::choice(&event.attributes)),
            // One event with everything, as the newest conventions have it.
            "gen_ai.client.inference.operation.details" => {
                prompt = event.attributes.get("gen_ai.input.messages").map(parsed);
                completion = event.attributes.get("gen_ai.output.messages").map(parsed);
            }
            _ => {}
        }
    }
    let inputs = Payload::messages(inputs).or_else(|| Payload::whole(prompt?, "input"));
    let outputs = Payload::structured("choices", choices)
        .or_else(|| Payload::messages(outputs))
        .or_else(|| Payload::whole(completion?, "text"));
    (inputs, outputs)
}

fn counts(reader: &Reader) -> Counts {
    let usage = |names: [&str; 2]| {
        reader.count(&names.map(|name| format!("gen_ai.usage.{name}")).each_ref().map(String::as_str))
    };
    let mut counts = Counts {
        input: usage(["input_tokens", "prompt_tokens"]),
        output: usage(["output_tokens", "completion_tokens"]),
        total: usage(["total_tokens", "tokens"]),
        ..Counts::default()
    };
    for (name, value) in reader.below("gen_ai.usage.details.") {
        counts.detail(name, crate::otel::span::count(value));
    }
    counts.input_detail("cache_read", usage(["cache_read.input_tokens", "cache_read_input_tokens"]));
    counts.input_detail(
        "cache_creation",
        usage(["cache_creation.input_tokens", "cache_creation_input_tokens"]),
    );
    counts.output_detail("reasoning", usage(["reasoning.output_tokens", "reasoning_tokens"]));
    for (key, is_output) in [("input_token_details", false), ("output_token_details", true)] {
        if let Some(value) = reader.get(&format!("gen_ai.usage.{key}")) {
            counts.details(is_output, &tolerant_map(value));
        }
    }
    let cost = |name: &str| reader.get(name);
    counts.cost(
        cost("gen_ai.usage.input_cost"),
        cost("gen_ai.usage.output_cost"),
        reader.first(&["gen_ai.usage.cost", "gen_ai.usage.total_cost", "operation.cost"]),
    );
    counts
}

/// A map of numbers that may have been written by Python's `str(dict)`.
fn tolerant_map(value: &Value) -> Value {
    match parsed(value) {
        Value::String(text) => serde_json::from_str(&text.replace('\'', "\"")).unwrap_or(Value::Null),
        value => value,
    }
}

fn invocation(reader: &Reader, fields: &mut Fields) {
    let mut params = Map::new();
    for (key, value) in reader.below("gen_ai.request.") {
        let name = match key {
            "stop_sequences" => "stop",
            key => key,
        };
        params.insert(name.to_owned(), value.clone());
    }
    if let Some(model) = &fields.model {
        params.insert("model".into(), json!(model));
    }
    if let Some(tools) = reader.parsed("gen_ai.tool.definitions") {
        params.insert("tools".into(), tools);
    }
    if let Some(name) = reader.get("gen_ai.tool.name") {
        params.insert("tool_name".into(), name.clone());
    }
    fields.invocation = params;
}
