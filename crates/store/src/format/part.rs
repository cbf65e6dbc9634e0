//! One piece of a run as JSON, version 1.
//!
//! The domain's types are not serializable on purpose: this is where the
//! stored shape is decided, and the only place that may change with it.
//! Times are microseconds since 1970, absent fields are left out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use assay_domain::run::Attachment;
use assay_domain::{Cost, RunId, RunKind, RunPatch, ThreadId, Time, TraceId, Usage};
use chrono::DateTime;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

/// JSON readers stop at 128 levels; a part and what surrounds it need a few of them.
const MAX_DEPTH: usize = 100;
/// Text of what lies deeper is kept as a string, unless printing it were unsafe too.
const MAX_PRINTED_DEPTH: usize = 200;

#[derive(Serialize, Deserialize)]
struct PartV1<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dotted_order: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_token: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    inputs: Option<Cow<'a, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    outputs: Option<Cow<'a, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    events: Option<Vec<Cow<'a, Value>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<Cow<'a, [String]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Cow<'a, Map<String, Value>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extra: Option<Cow<'a, Map<String, Value>>>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    serialized: Option<Cow<'a, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference_example: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<AttachmentV1<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<UsageV1>,
}

#[derive(Serialize, Deserialize)]
struct AttachmentV1<'a> {
    name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mime_type: Option<Cow<'a, str>>,
    reference: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct UsageV1 {
    input: u64,
    output: u64,
    total: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    input_details: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    output_details: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stated_cost: Option<CostV1>,
}

/// Money as decimal strings.
#[derive(Serialize, Deserialize)]
pub(crate) struct CostV1 {
    input: Decimal,
    output: Decimal,
    total: Decimal,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    input_details: BTreeMap<String, Decimal>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    output_details: BTreeMap<String, Decimal>,
}

/// A field that is there with the value null is not the same as an absent one.
fn present<'de, D>(deserializer: D) -> Result<Option<Cow<'static, Value>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Value::deserialize(deserializer).map(|value| Some(Cow::Owned(value)))
}

/// The JSON of a piece, without its id, project and whether it is a creation.
///
/// The piece must be [bounded](bound).
pub(crate) fn part_json(patch: &RunPatch) -> String {
    // Spelled out in full: a new field must not be forgotten here.
    let RunPatch {
        id: _,
        is_creation: _,
        is_whole: _,
        project_name: _,
        trace,
        parent,
        thread,
        dotted_order,
        name,
        kind,
        start_time,
        end_time,
        first_token_time,
        inputs,
        outputs,
        error,
        events,
        tags,
        metadata,
        extra,
        serialized,
        reference_example,
        attachments,
        usage,
    } = patch;
    let part = PartV1 {
        trace: trace.map(|trace| trace.0),
        parent: parent.map(|parent| parent.0),
        thread: thread.as_ref().map(|thread| Cow::from(&thread.0)),
        dotted_order: text(dotted_order),
        name: text(name),
        kind: kind.map(|kind| Cow::from(kind.as_str())),
        start: start_time.as_ref().map(Time::timestamp_micros),
        end: end_time.as_ref().map(Time::timestamp_micros),
        first_token: first_token_time.as_ref().map(Time::timestamp_micros),
        inputs: inputs.as_ref().map(Cow::Borrowed),
        outputs: outputs.as_ref().map(Cow::Borrowed),
        error: text(error),
        events: events.as_ref().map(|events| events.iter().map(Cow::Borrowed).collect()),
        tags: tags.as_deref().map(Cow::from),
        metadata: metadata.as_ref().map(Cow::Borrowed),
        extra: extra.as_ref().map(Cow::Borrowed),
        serialized: serialized.as_ref().map(Cow::Borrowed),
        reference_example: text(reference_example),
        attachments: attachments.iter().map(AttachmentV1::of).collect(),
        usage: usage.as_ref().map(UsageV1::of),
    };
    serde_json::to_string(&part).expect("plain data, and maps have string keys")
}

/// Reads what [`part_json`] wrote. The id is left nil.
pub(crate) fn read_part(json: &str) -> Result<RunPatch, String> {
    let part: PartV1<'_> = serde_json::from_str(json).map_err(|error| format!("stored piece: {error}"))?;
    Ok(RunPatch {
        id: RunId::default(),
        is_creation: false,
        is_whole: false,
        project_name: None,
        trace: part.trace.map(TraceId),
        parent: part.parent.map(RunId),
        thread: part.thread.map(|thread| ThreadId(thread.into_owned())),
        dotted_order: part.dotted_order.map(Cow::into_owned),
        name: part.name.map(Cow::into_owned),
        kind: part.kind.as_deref().and_then(RunKind::parse),
        start_time: part.start.and_then(DateTime::from_timestamp_micros),
        end_time: part.end.and_then(DateTime::from_timestamp_micros),
        first_token_time: part.first_token.and_then(DateTime::from_timestamp_micros),
        inputs: part.inputs.map(Cow::into_owned),
        outputs: part.outputs.map(Cow::into_owned),
        error: part.error.map(Cow::into_owned),
        events: part.events.map(|events| events.into_iter().map(Cow::into_owned).collect()),
        tags: part.tags.map(Cow::into_owned),
        metadata: part.metadata.map(Cow::into_owned),
        extra: part.extra.map(Cow::into_owned),
        serialized: part.serialized.map(Cow::into_owned),
        reference_example: part.reference_example.map(Cow::into_owned),
        attachments: part.attachments.into_iter().map(AttachmentV1::into_attachment).collect(),
        usage: part.usage.map(UsageV1::into_usage),
    })
}

impl<'a> AttachmentV1<'a> {
    fn of(attachment: &'a Attachment) -> Self {
        Self {
            name: Cow::from(&attachment.name),
            mime_type: text(&attachment.mime_type),
            reference: Cow::from(&attachment.reference),
            size: attachment.size,
        }
    }

    fn into_attachment(self) -> Attachment {
        Attachment {
            name: self.name.into_owned(),
            mime_type: self.mime_type.map(Cow::into_owned),
            reference: self.reference.into_owned(),
            size: self.size,
        }
    }
}

impl UsageV1 {
    fn of(usage: &Usage) -> Self {
        Self {
            input: usage.input_tokens,
            output: usage.output_tokens,
            total: usage.total_tokens,
            input_details: usage.input_details.clone(),
            output_details: usage.output_details.clone(),
            stated_cost: usage.stated_cost.as_ref().map(CostV1::of),
        }
    }

    fn into_usage(self) -> Usage {
        Usage {
            input_tokens: self.input,
            output_tokens: self.output,
            total_tokens: self.total,
            input_details: self.input_details,
            output_details: self.output_details,
            stated_cost: self.stated_cost.map(CostV1::into_cost),
        }
    }
}

impl CostV1 {
    pub(crate) fn of(cost: &Cost) -> Self {
        Self {
            input: cost.input,
            output: cost.output,
            total: cost.total,
            input_details: cost.input_details.clone(),
            output_details: cost.output_details.clone(),
        }
    }

    pub(crate) fn into_cost(self) -> Cost {
        Cost {
            input: self.input,
            output: self.output,
            total: self.total,
            input_details: self.input_details,
            output_details: self.output_details,
        }
    }
}

fn text(text: &Option<String>) -> Option<Cow<'_, str>> {
    text.as_deref().map(Cow::from)
}

/// Turns everything in a patch that nests too deep to be read back into text.
pub(crate) fn bound(patch: &mut RunPatch) {
    let values = [&mut patch.inputs, &mut patch.outputs, &mut patch.serialized].into_iter().flatten();
    let events = patch.events.iter_mut().flatten();
    let maps = [&mut patch.metadata, &mut patch.extra].into_iter().flatten().flat_map(Map::values_mut);
    for value in values.chain(events).chain(maps) {
        if is_deeper(value, MAX_DEPTH) {
            *value = flattened(value, MAX_DEPTH);
        }
    }
}

/// The value, or a copy in which everything too deep to be read back is text.
pub(super) fn bounded(value: &Value) -> Cow<'_, Value> {
    if is_deeper(value, MAX_DEPTH) { Cow::Owned(flattened(value, MAX_DEPTH)) } else { Cow::Borrowed(value) }
}

/// Whether a value nests more than `levels` levels. Recursion is bounded by them.
fn is_deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| is_deeper(item, levels - 1)),
        Value::Object(map) => levels == 0 || map.values().any(|item| is_deeper(item, levels - 1)),
        _ => false,
    }
}

fn flattened(value: &Value, levels: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if levels == 0 => {
            if is_deeper(value, MAX_PRINTED_DEPTH) {
                Value::String("[nested too deep]".into())
            } else {
                Value::String(value.to_string())
            }
        }
        Value::Array(items) => items.iter().map(|item| flattened(item, levels - 1)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, item)| (key.clone(), flattened(item, levels - 1)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}
