//! From a span and its place to a run.
//!
//! A finished span is a whole run, so its patch is a creation. What no dialect
//! understood is kept: attributes of the user's own making (plain names with
//! short values) as metadata, so that they can be filtered by, everything else
//! under `extra.attributes`.

use assay_domain::{RunKind, RunPatch, ThreadId, Usage};
use serde_json::{Map, Value, json};

use super::conventions::{self, Fields, Payload};
use super::ids::Place;
use super::span::{Event, Reader, Span, Status, hex};
use crate::{Decoded, usage};

/// Longer values are no attribute to filter by.
const MAX_METADATA_CHARS: usize = 200;

/// Events that are read by a dialect, or as the error.
const READ_EVENTS: [&str; 10] = [
    "exception",
    "gen_ai.content.prompt",
    "gen_ai.content.completion",
    "gen_ai.system.message",
    "gen_ai.user.message",
    "gen_ai.assistant.message",
    "gen_ai.tool.message",
    "gen_ai.choice",
    "gen_ai.client.inference.operation.details",
    "llm.content.completion.chunk",
];

/// Adds the run that a span is.
pub(super) fn add(span: Span, place: Place, decoded: &mut Decoded) {
    let reader = Reader::new(&span.attributes);
    let mut fields = conventions::read(&span, &reader);
    let kind = fields.kind.or(fields.likely_kind).unwrap_or(RunKind::Chain);
    let error = error(&span, fields.error.take());
    let outputs = fields.outputs.take().map(|payload| payload.value);
    let (usage, of_subtree) = own_usage(kind, &mut fields, outputs.as_ref());
    let metadata = metadata(&span, &mut fields, &reader);
    let extra = extra(&span, &mut fields, &reader, of_subtree);
    let inputs = inputs(fields.inputs.take(), fields.system);
    decoded.projects.extend(fields.project_id.map(|project| (place.id, project)));
    decoded.blobs.append(&mut fields.blobs);
    decoded.patches.push(RunPatch {
        is_whole: false,
        id: place.id,
        is_creation: true,
        project_name: fields.project,
        trace: Some(place.trace),
        parent: place.parent,
        thread: fields.thread.map(ThreadId),
        dotted_order: place.dotted_order,
        name: Some(fields.name.unwrap_or(span.name)),
        kind: Some(kind),
        start_time: span.start,
        end_time: span.end,
        first_token_time: fields.first_token,
        inputs,
        outputs,
        error,
        events: Some(span.events.iter().filter(|event| !is_read(event)).map(event).collect()),
        tags: Some(fields.tags),
        metadata: Some(metadata),
        extra: Some(extra),
        serialized: None,
        reference_example: fields.reference_example,
        attachments: fields.attachments,
        usage,
    });
}

fn is_read(event: &Event) -> bool {
    READ_EVENTS.contains(&event.name.as_str())
}

fn event(event: &Event) -> Value {
    json!({
        "name": event.name,
        "time": event.time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)),
        "kwargs": event.attributes,
    })
}

/// The instructions stand first, unless the inputs begin with some already.
fn inputs(payload: Option<Payload>, system: Vec<Value>) -> Option<Value> {
    let Some(Payload { mut value, .. }) = payload else {
        return Payload::messages(system).map(|payload| payload.value);
    };
    if let Some(list) = value.get_mut("messages").and_then(Value::as_array_mut) {
        let role = list.first().and_then(|first| first.get("role")).and_then(Value::as_str);
        if !matches!(role, Some("system" | "developer")) {
            list.splice(0..0, system);
        }
    }
    Some(value)
}

/// The last exception, unless the span says that it went well in the end; else
/// the status; else what a dialect calls an error.
fn error(span: &Span, stated: Option<String>) -> Option<String> {
    let exception = span.events.iter().rev().find(|event| event.name == "exception");
    let exception = exception.filter(|_| span.status != Status::Ok);
    if let Some(event) = exception {
        let text = |key: &str| event.attributes.get(key).and_then(Value::as_str).unwrap_or_default();
        let message = match text("exception.message") {
            "" => text("exception.type"),
            message => message,
        };
        return Some(match (message, text("exception.stacktrace")) {
            ("", "") => "error".to_owned(),
            (message, "") => message.to_owned(),
            (message, trace) => format!("{message}\n\nStacktrace:\n{trace}"),
        });
    }
    if span.status == Status::Error {
        let message = span.status_message.trim();
        return Some(match (message.is_empty(), stated) {
            (false, _) => span.status_message.clone(),
            (true, stated) => stated.unwrap_or_else(|| "error".to_owned()),
        });
    }
    stated
}

/// Only calls of models have tokens of their own. Agents repeat those of their
/// calls: these are kept aside, lest they be counted twice.
fn own_usage(kind: RunKind, fields: &mut Fields, outputs: Option<&Value>) -> (Option<Usage>, Option<Value>) {
    let usage = fields.usage.take();
    match kind {
        RunKind::Llm | RunKind::Embedding => {
            let in_payload = || usage::find(outputs.unwrap_or(&Value::Null), &fields.metadata);
            (usage.or_else(in_payload), None)
        }
        _ => {
            let subtree = usage.map(|usage| {
                json!({
                    "input_tokens": usage.input_tokens,
                    "output_tokens": usage.output_tokens,
                    "total_tokens": usage.total_tokens,
                })
            });
            (None, subtree)
        }
    }
}

/// What dialects said first, then the user's own attributes, then the resource.
fn metadata(span: &Span, fields: &mut Fields, reader: &Reader) -> Map<String, Value> {
    let mut metadata = std::mem::take(&mut fields.metadata);
    metadata.insert("OTEL_TRACE_ID".into(), json!(hex(&span.trace_id)));
    metadata.insert("OTEL_SPAN_ID".into(), json!(hex(&span.span_id)));
    let mut note = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            metadata.entry(key).or_insert_with(|| json!(value));
        }
    };
    note("ls_provider", &fields.provider);
    note("ls_model_name", &fields.model);
    for (key, value) in reader.unread() {
        if is_users_own(key, value) {
            metadata.entry(key).or_insert_with(|| value.clone());
        }
    }
    let has_thread = ["session_id", "conversation_id", "thread_id"]
        .into_iter()
        .any(|key| metadata.get(key).is_some_and(|value| !value.is_null()));
    if let Some(thread) = fields.thread.as_ref().filter(|_| !has_thread) {
        metadata.insert("thread_id".into(), json!(thread));
    }
    for (key, value) in &span.source.resource {
        metadata.entry(key.as_str()).or_insert_with(|| value.clone());
    }
    metadata
}

/// Names with a dot belong to some convention; ours to filter by are the others.
fn is_users_own(key: &str, value: &Value) -> bool {
    let is_short = match value {
        Value::String(text) => text.chars().take(MAX_METADATA_CHARS + 1).count() <= MAX_METADATA_CHARS,
        Value::Bool(_) | Value::Number(_) => true,
        _ => false,
    };
    is_short && !key.contains('.')
}

fn extra(span: &Span, fields: &mut Fields, reader: &Reader, of_subtree: Option<Value>) -> Map<String, Value> {
    let mut extra = std::mem::take(&mut fields.extra);
    if !fields.invocation.is_empty() {
        extra.insert("invocation_params".into(), Value::Object(std::mem::take(&mut fields.invocation)));
    }
    if let Some(usage) = of_subtree {
        extra.insert("subtree_usage".into(), usage);
    }
    let unread: Map<String, Value> = reader
        .unread()
        .filter(|(key, value)| !is_users_own(key, value))
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect();
    if !unread.is_empty() {
        extra.insert("attributes".into(), Value::Object(unread));
    }
    let mut origin = Map::new();
    if !span.source.scope.is_empty() {
        origin.insert("scope".into(), json!(span.source.scope));
    }
    if !span.source.scope_version.is_empty() {
        origin.insert("scope_version".into(), json!(span.source.scope_version));
    }
    if let Some(kind) = span.kind {
        origin.insert("kind".into(), json!(kind));
    }
    if !span.links.is_empty() {
        origin.insert("links".into(), json!(span.links));
    }
    if !origin.is_empty() {
        extra.insert("otel".into(), Value::Object(origin));
    }
    extra
}
