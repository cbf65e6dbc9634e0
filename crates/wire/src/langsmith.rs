//! LangSmith runs and feedback: records as the API returns them, and the
//! batches that clients send.
//!
//! `dotted_order` is trusted over the separate id fields, explicit nulls are
//! absent, and nested `child_runs` become runs of their own. Merging the pieces
//! of a run is the domain's business ([`assay_domain::Run::apply`]).
//!
//! [`runs`] and [`feedback`] read files, leniently; [`body`] reads what clients
//! send to a server, which can answer and so refuses what it cannot understand.

pub mod body;
mod multipart;

mod feedback;

use assay_domain::run::Attachment;
use assay_domain::{RunId, RunKind, RunPatch, ThreadId, Time, TraceId, Usage};
use serde_json::{Map, Value};

use crate::{Decoded, Names, time, usage};
pub use feedback::feedback;
pub(crate) use feedback::score;

/// Decodes a run, a list of runs, or a batch of them.
#[must_use]
pub fn runs(record: Value, names: Names<'_>) -> Decoded {
    let mut decoded = Decoded::default();
    match record {
        Value::Array(list) => list.into_iter().for_each(|run| one(run, None, names, &mut decoded)),
        Value::Object(mut object) if crate::detect::is_batch(&object) && !object.contains_key("run_type") => {
            for (key, is_creation) in [("post", Some(true)), ("patch", Some(false)), ("runs", None)] {
                if let Some(Value::Array(list)) = object.remove(key) {
                    list.into_iter().for_each(|run| one(run, is_creation, names, &mut decoded));
                }
            }
        }
        other => one(other, None, names, &mut decoded),
    }
    decoded
}

/// A run and its nested children, without recursion.
fn one(record: Value, is_creation: Option<bool>, names: Names<'_>, decoded: &mut Decoded) {
    let mut open = vec![(record, None::<(RunId, Option<TraceId>)>)];
    while let Some((record, above)) = open.pop() {
        let Value::Object(mut fields) = record else {
            decoded.reject("", "a run must be an object");
            continue;
        };
        let children = fields.remove("child_runs");
        match run(fields, is_creation, names, above) {
            Ok(patch) => {
                let place = Some((patch.id, patch.trace));
                decoded.patches.push(patch);
                if let Some(Value::Array(children)) = children {
                    open.extend(children.into_iter().rev().map(|child| (child, place)));
                }
            }
            Err(reason) => decoded.reject("", reason),
        }
    }
}

/// Takes a field; null is absent.
fn take(fields: &mut Map<String, Value>, key: &str) -> Option<Value> {
    fields.remove(key).filter(|value| !value.is_null())
}

fn take_text(fields: &mut Map<String, Value>, key: &str) -> Option<String> {
    match take(fields, key)? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn take_map(fields: &mut Map<String, Value>, key: &str) -> Option<Map<String, Value>> {
    match take(fields, key)? {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

fn run(
    mut fields: Map<String, Value>,
    is_creation: Option<bool>,
    names: Names<'_>,
    above: Option<(RunId, Option<TraceId>)>,
) -> Result<RunPatch, String> {
    let order = take_text(&mut fields, "dotted_order");
    let place = order.as_deref().and_then(Place::parse);
    let stated = take_text(&mut fields, "id").map(|id| names.run(&id));
    let id = place.as_ref().map(|place| place.id).or(stated).unwrap_or(names.unnamed);
    let kind = match take_text(&mut fields, "run_type") {
        Some(word) => Some(kind(&word, id)?),
        None => None,
    };
    let parent = parent(&mut fields, place.as_ref(), names, above);
    let is_creation = is_creation
        .unwrap_or_else(|| ["name", "start_time", "inputs"].iter().any(|key| fields.contains_key(*key)));
    let trace = place
        .as_ref()
        .map(|place| place.trace)
        .or_else(|| take_text(&mut fields, "trace_id").map(|id| names.run(&id).into()))
        .or_else(|| above.and_then(|(_, trace)| trace))
        // A lone update does not know whether it is a root.
        .or_else(|| (parent.is_none() && is_creation).then(|| TraceId::from(id)));
    let mut extra = take_map(&mut fields, "extra").unwrap_or_default();
    let mut metadata = take_map(&mut extra, "metadata").unwrap_or_default();
    for (key, value) in take_map(&mut fields, "metadata").into_iter().flatten() {
        metadata.entry(key).or_insert(value);
    }
    let thread = thread(&metadata).or_else(|| take_text(&mut fields, "thread_id").map(ThreadId));
    let events = match take(&mut fields, "events") {
        Some(Value::Array(events)) => Some(events),
        _ => None,
    };
    let error = error(&mut fields);
    let attachments = attachments(&mut fields);
    let inputs = take(&mut fields, "inputs");
    let outputs = take(&mut fields, "outputs");
    let start_time = take(&mut fields, "start_time").as_ref().and_then(time::of);
    Ok(RunPatch {
        is_whole: false,
        id,
        is_creation,
        project_name: take_text(&mut fields, "session_name")
            .or_else(|| take_text(&mut fields, "project_name"))
            .or_else(|| take_text(&mut fields, "address").map(|address| project_of_address(&address))),
        trace,
        parent,
        thread,
        name: take_text(&mut fields, "name"),
        kind,
        // The place is no news of an update: the creation may know better.
        start_time: start_time.or(place.filter(|_| is_creation).and_then(|place| place.time)),
        end_time: take(&mut fields, "end_time").as_ref().and_then(time::of),
        first_token_time: take(&mut fields, "first_token_time")
            .as_ref()
            .and_then(time::of)
            .or_else(|| first_token(events.as_deref().unwrap_or_default())),
        usage: run_usage(&fields, kind, outputs.as_ref(), &metadata),
        inputs,
        outputs,
        error,
        events,
        tags: tags(&mut fields),
        serialized: take(&mut fields, "serialized").or_else(|| take(&mut fields, "manifest")),
        reference_example: take_text(&mut fields, "reference_example_id"),
        attachments,
        dotted_order: order,
        metadata: Some(metadata).filter(|map| !map.is_empty()),
        extra: Some(extra).filter(|map| !map.is_empty()),
    })
}

/// Where a run stands, as its dotted order says.
struct Place {
    id: RunId,
    trace: TraceId,
    parent: Option<RunId>,
    time: Option<Time>,
}

impl Place {
    fn parse(order: &str) -> Option<Self> {
        let id_of =
            |segment: &str| -> Option<RunId> { segment.get(segment.len().checked_sub(36)?..)?.parse().ok() };
        let mut segments = order.rsplit('.');
        let last = segments.next()?;
        let parent = segments.next().and_then(id_of);
        let first = order.split('.').next()?;
        Some(Self { id: id_of(last)?, trace: id_of(first)?.into(), parent, time: time::of_segment(last) })
    }
}

fn kind(word: &str, id: RunId) -> Result<RunKind, String> {
    RunKind::parse(word).ok_or_else(|| {
        let known: Vec<_> = RunKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let shown: String = word.chars().take(80).collect();
        format!("run {id}: unknown run_type {shown:?}, expected one of {}", known.join(", "))
    })
}

fn parent(
    fields: &mut Map<String, Value>,
    place: Option<&Place>,
    names: Names<'_>,
    above: Option<(RunId, Option<TraceId>)>,
) -> Option<RunId> {
    let stated = take_text(fields, "parent_run_id").map(|id| names.run(&id));
    let listed = take(fields, "parent_run_ids");
    if let Some(place) = place {
        return place.parent;
    }
    let last = listed.as_ref().and_then(Value::as_array).and_then(|ids| ids.last()?.as_str());
    stated.or_else(|| last.map(|id| names.run(id))).or_else(|| above.map(|(id, _)| id))
}

/// The project that stands for an agent's address, `lrn:agents/{id}/environments/{name}`.
#[must_use]
pub fn project_of_address(address: &str) -> String {
    let path = address.strip_prefix("lrn:").unwrap_or(address);
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["agents", agent, "environments", environment] => project_of_agent(agent, Some(environment)),
        ["agents", agent] => project_of_agent(agent, None),
        _ => address.to_owned(),
    }
}

/// The project that stands for an agent in one of its environments.
#[must_use]
pub fn project_of_agent(agent: &str, environment: Option<&str>) -> String {
    match environment.filter(|environment| !environment.is_empty()) {
        Some(environment) => format!("{agent}/{environment}"),
        None => agent.to_owned(),
    }
}

/// The thread key: the first of `session_id`, `conversation_id`, `thread_id` that is there.
pub(crate) fn thread(metadata: &Map<String, Value>) -> Option<ThreadId> {
    ["session_id", "conversation_id", "thread_id"].into_iter().find_map(|key| match metadata.get(key)? {
        Value::String(text) if !text.is_empty() => Some(ThreadId(text.clone())),
        Value::Number(number) => Some(ThreadId(number.to_string())),
        _ => None,
    })
}

fn error(fields: &mut Map<String, Value>) -> Option<String> {
    let status = take_text(fields, "status");
    match take(fields, "error") {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        Some(Value::Bool(false)) => None,
        Some(Value::String(_)) | None => {
            let failed = matches!(status.as_deref(), Some("error" | "interrupted" | "ERROR"));
            failed.then(|| "failed without a message".to_owned())
        }
        Some(other) => Some(other.to_string()),
    }
}

fn tags(fields: &mut Map<String, Value>) -> Option<Vec<String>> {
    let Value::Array(tags) = take(fields, "tags")? else { return None };
    Some(tags.into_iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
}

/// When a streaming model said its first word.
fn first_token(events: &[Value]) -> Option<Time> {
    let first = events.iter().find(|event| event.get("name").and_then(Value::as_str) == Some("new_token"))?;
    time::of(first.get("time")?)
}

/// Files by reference: `s3_urls` as the API returns them, `attachments` as exports write them.
fn attachments(fields: &mut Map<String, Value>) -> Vec<Attachment> {
    let mut all = Vec::new();
    let has_inputs = fields.get("inputs").is_some_and(|inputs| !inputs.is_null());
    let has_outputs = fields.get("outputs").is_some_and(|outputs| !outputs.is_null());
    for (name, value) in take_map(fields, "s3_urls").into_iter().flatten() {
        if let Some(name) = name.strip_prefix("attachment.") {
            all.extend(attachment(name, &value));
        }
    }
    for key in ["attachments", "input_attachments", "output_attachments"] {
        for (name, value) in take_map(fields, key).into_iter().flatten() {
            all.extend(attachment(name.strip_prefix("attachment.").unwrap_or(&name), &value));
        }
    }
    // A payload that was moved out of the record is at least known by its address.
    for (key, name, is_here) in
        [("inputs_s3_urls", "inputs", has_inputs), ("outputs_s3_urls", "outputs", has_outputs)]
    {
        let root = take_map(fields, key).and_then(|mut urls| take(&mut urls, "ROOT"));
        if !is_here {
            all.extend(root.and_then(|root| attachment(name, &root)));
        }
    }
    all
}

fn attachment(name: &str, value: &Value) -> Option<Attachment> {
    let reference = ["presigned_url", "url", "s3_url", "reference"]
        .into_iter()
        .find_map(|key| value.get(key)?.as_str())
        .or_else(|| value.as_str())?;
    let attachment = Attachment {
        name: name.to_owned(),
        mime_type: value.get("mime_type").and_then(Value::as_str).map(str::to_owned),
        reference: reference.to_owned(),
        size: value.get("size").and_then(Value::as_u64),
    };
    // Nobody gets at what is in the store by naming its key.
    Some(attachment).filter(|attachment| attachment.key().is_none())
}

/// Usage of this very run. Only model and embedding runs have tokens of their
/// own: what the API shows on others is the sum of their children. A cost
/// that any run states itself is kept, but for chains that hand on the message
/// of a model with its usage: the SDKs copy that into their metadata.
fn run_usage(
    fields: &Map<String, Value>,
    kind: Option<RunKind>,
    outputs: Option<&Value>,
    metadata: &Map<String, Value>,
) -> Option<Usage> {
    if !matches!(kind, None | Some(RunKind::Llm | RunKind::Embedding)) {
        let hands_on = outputs.is_some_and(|outputs| usage::find(outputs, &Map::new()).is_some());
        if kind == Some(RunKind::Chain) && hands_on {
            return None;
        }
        let stated_cost = metadata.get("usage_metadata").and_then(usage::parse)?.stated_cost?;
        return Some(Usage { stated_cost: Some(stated_cost), ..Usage::default() });
    }
    let own = outputs
        .and_then(|outputs| usage::find(outputs, metadata))
        .or_else(|| usage::find(&Value::Null, metadata));
    let on_top =
        || usage::parse(&Value::Object(top_level(fields))).filter(|usage| *usage != Usage::default());
    match own {
        Some(mut own) => {
            if own.stated_cost.is_none() && kind.is_some() {
                own.stated_cost = on_top().and_then(|usage| usage.stated_cost);
            }
            Some(own)
        }
        None => kind.and_then(|_| on_top()),
    }
}

/// The token and cost columns of a run as the API returns it.
fn top_level(fields: &Map<String, Value>) -> Map<String, Value> {
    const COLUMNS: [(&str, &str); 10] = [
        ("prompt_tokens", "input_tokens"),
        ("completion_tokens", "output_tokens"),
        ("total_tokens", "total_tokens"),
        ("prompt_token_details", "input_token_details"),
        ("completion_token_details", "output_token_details"),
        ("prompt_cost", "input_cost"),
        ("completion_cost", "output_cost"),
        ("total_cost", "total_cost"),
        ("prompt_cost_details", "input_cost_details"),
        ("completion_cost_details", "output_cost_details"),
    ];
    let given =
        COLUMNS.into_iter().filter_map(|(column, name)| Some((name.to_owned(), fields.get(column)?.clone())));
    given.filter(|(_, value)| !value.is_null()).collect()
}

#[cfg(test)]
mod tests;
