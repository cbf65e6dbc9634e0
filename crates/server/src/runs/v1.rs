//! The JSON of a run in v1 (contract 4.1).
//!
//! Identity and the maps of details are in every answer, whatever was
//! selected: clients fail without them. Never `attachments` and never
//! `child_runs`: clients fail with them.

use std::collections::{BTreeMap, HashSet};

use assay_domain::Role;
use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::shown::{Shown, object};
use crate::fields::{decimal, feedback_stats, v1_time};
use crate::threads::messages;

/// So many characters of a payload tell what it is about.
pub(crate) const PREVIEW: usize = 250;

/// Only for those who ask for them by name.
const ON_REQUEST: [&str; 3] = ["inputs_preview", "outputs_preview", "messages"];

/// Which fields to answer.
#[derive(Clone, Debug)]
pub(crate) enum Select {
    /// Everything there is but the messages, which say nothing new.
    Everything,
    EverythingAndMessages,
    /// Everything but previews and messages, which take time to make.
    Usual,
    Only(HashSet<String>),
}

impl Select {
    pub(crate) fn of(names: Option<Vec<String>>) -> Self {
        match names {
            Some(names) if !names.is_empty() => Self::Only(names.into_iter().collect()),
            _ => Self::Usual,
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Everything => name != "messages",
            Self::EverythingAndMessages => true,
            Self::Usual => !ON_REQUEST.contains(&name),
            Self::Only(names) => names.contains(name),
        }
    }
}

/// What an answer shows of a run.
pub(crate) fn json(mut shown: Shown, select: &Select) -> Value {
    let mut out = identity(&shown);
    amounts(&shown, select, &mut out);
    relations(&shown, select, &mut out);
    derived(&shown, select, &mut out);
    payloads(&mut shown, select, &mut out);
    Value::Object(out)
}

/// What every answer has.
fn identity(shown: &Shown) -> Map<String, Value> {
    let run = &shown.stored.run;
    let status = if shown.is_interrupted() { "interrupted" } else { run.status().as_str() };
    // Clients cannot read a run without a start.
    let start =
        run.start_time.or(run.end_time).or(shown.stored.trace.start_time).unwrap_or(DateTime::UNIX_EPOCH);
    let fields = json!({
        "id": run.id,
        "name": run.name,
        "run_type": run.kind.as_str(),
        "status": status,
        "start_time": v1_time(start),
        "trace_id": run.trace,
        "dotted_order": shown.place.dotted_order,
        "parent_run_id": run.parent,
        "session_id": run.project,
        "app_path": shown.app_path(),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Adds a field if it is selected.
fn put(out: &mut Map<String, Value>, select: &Select, name: &str, value: impl FnOnce() -> Value) {
    if select.has(name) {
        out.insert(name.to_owned(), value());
    }
}

fn amounts(shown: &Shown, select: &Select, out: &mut Map<String, Value>) {
    let run = &shown.stored.run;
    let (tokens, cost) = (shown.usage(), shown.cost());
    put(out, select, "prompt_tokens", || json!(tokens.input));
    put(out, select, "completion_tokens", || json!(tokens.output));
    put(out, select, "total_tokens", || json!(tokens.total));
    put(out, select, "prompt_cost", || json!(cost.input.map(decimal)));
    put(out, select, "completion_cost", || json!(cost.output.map(decimal)));
    put(out, select, "total_cost", || json!(cost.total.map(decimal)));
    // Clients read these although they do not ask for them.
    let usage = run.usage.as_ref();
    let classes = |details: Option<&BTreeMap<String, u64>>| json!(details);
    out.insert("prompt_token_details".into(), classes(usage.map(|usage| &usage.input_details)));
    out.insert("completion_token_details".into(), classes(usage.map(|usage| &usage.output_details)));
    let amounts = |details: Option<&BTreeMap<String, rust_decimal::Decimal>>| {
        json!(details.map(|details| {
            details.iter().map(|(class, cost)| (class.clone(), decimal(*cost))).collect::<Map<_, _>>()
        }))
    };
    let own = run.cost.as_ref();
    out.insert("prompt_cost_details".into(), amounts(own.map(|cost| &cost.input_details)));
    out.insert("completion_cost_details".into(), amounts(own.map(|cost| &cost.output_details)));
    put(out, select, "price_model_id", || Value::Null);
}

fn relations(shown: &Shown, select: &Select, out: &mut Map<String, Value>) {
    let run = &shown.stored.run;
    put(out, select, "parent_run_ids", || json!(shown.place.parents));
    put(out, select, "reference_example_id", || json!(run.reference_example));
    put(out, select, "reference_dataset_id", || json!(shown.reference_dataset));
    put(out, select, "thread_id", || json!(shown.thread()));
    put(out, select, "share_token", || json!(shown.share_token));
    put(out, select, "feedback_stats", || feedback_stats(&shown.feedback));
    put(out, select, "s3_urls", || s3_urls(shown));
    if select.has("trace_min_max_start_time") {
        out.insert("trace_min_start_time".into(), json!(shown.stored.trace.start_time.map(v1_time)));
    }
}

/// Attachments as clients fetch them; null where there are none.
fn s3_urls(shown: &Shown) -> Value {
    let all = shown.attachments();
    if all.is_empty() {
        return Value::Null;
    }
    let entry = |(name, url, mime_type): (&str, String, Option<&str>)| {
        (format!("attachment.{name}"), json!({ "presigned_url": url, "mime_type": mime_type }))
    };
    Value::Object(all.into_iter().map(entry).collect())
}

fn derived(shown: &Shown, select: &Select, out: &mut Map<String, Value>) {
    let run = &shown.stored.run;
    put(out, select, "end_time", || json!(run.end_time.map(v1_time)));
    put(out, select, "first_token_time", || json!(run.first_token_time.map(v1_time)));
    put(out, select, "error", || json!(run.error));
    put(out, select, "tags", || json!(run.tags));
    put(out, select, "execution_order", || json!(1));
    put(out, select, "inputs_preview", || preview(&run.inputs));
    put(out, select, "outputs_preview", || preview(&run.outputs));
    put(out, select, "messages", || {
        let said = assay_transcript::messages(&run.inputs);
        let answered = assay_transcript::messages_by(&run.outputs, Role::Assistant);
        said.iter().chain(&answered).map(messages::json).collect()
    });
}

/// One line of a payload; null where it says nothing.
pub(crate) fn preview(payload: &Value) -> Value {
    let line = assay_transcript::preview(payload, PREVIEW);
    if line.is_empty() { Value::Null } else { Value::String(line) }
}

/// Payloads move into the answer: they may be large.
fn payloads(shown: &mut Shown, select: &Select, out: &mut Map<String, Value>) {
    put(out, select, "extra", || Value::Object(shown.extra()));
    let run = &mut shown.stored.run;
    let inputs = std::mem::take(&mut run.inputs);
    let outputs = std::mem::take(&mut run.outputs);
    let serialized = std::mem::take(&mut run.serialized);
    let events = std::mem::take(&mut run.events);
    put(out, select, "inputs", || match object(inputs, "input") {
        Value::Null => json!({}),
        inputs => inputs,
    });
    put(out, select, "outputs", || object(outputs, "output"));
    put(out, select, "serialized", || object(serialized, "value"));
    put(out, select, "events", || events.into_iter().map(|event| object(event, "value")).collect());
}
