//! Chat histories: one conversation per record becomes one trace with one run.
//!
//! Only documented keys are read. Others, such as gold labels kept beside the
//! messages, are ignored and never reach the store. The shapes of the messages
//! themselves are the `transcript` crate's business.

use assay_domain::{
    ENDED, Feedback, FeedbackId, Message, Role, RunId, RunKind, RunPatch, ThreadId, Time, TraceId,
};
use serde_json::{Map, Value, json};

use crate::detect::{HISTORIES, PAIRS};
use crate::{Decoded, Names, langsmith, time, usage};

/// Decodes a history: an object with its messages, or the bare list of them.
#[must_use]
pub fn decode(record: Value, names: Names<'_>) -> Decoded {
    let mut decoded = Decoded::default();
    let result = match record {
        Value::Array(messages) => history(Map::new(), Value::Array(messages), names, &mut decoded),
        Value::Object(mut fields) => match messages(&mut fields) {
            Some(messages) => history(fields, messages, names, &mut decoded),
            None => Err(
                "no messages: expected `messages`, `conversations` or a pair such as `prompt` and `completion`",
            ),
        },
        _ => Err("a history must be an object or a list of messages"),
    };
    if let Err(reason) = result {
        decoded.reject("", reason);
    }
    decoded
}

/// Whether the record names itself, so that no id has to be made for it.
#[must_use]
pub fn has_id(record: &Value) -> bool {
    record.get("id").and_then(text).is_some()
}

/// Takes the messages out of a record, as a list.
fn messages(fields: &mut Map<String, Value>) -> Option<Value> {
    for key in HISTORIES {
        match fields.get(key) {
            Some(Value::Array(_)) => return fields.remove(key),
            Some(Value::String(encoded)) => {
                if let Ok(list @ Value::Array(_)) = serde_json::from_str(encoded) {
                    return Some(list);
                }
            }
            _ => {}
        }
    }
    let (asked, answered) = PAIRS
        .into_iter()
        .find(|(asked, answered)| fields.contains_key(*asked) && fields.contains_key(*answered))?;
    let said = |value: Value, role: &str| match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list,
        Value::Object(mut object) => match object.remove("messages") {
            Some(Value::Array(list)) => list,
            _ if object.contains_key("role") => vec![Value::Object(object)],
            _ => vec![json!({ "role": role, "content": Value::Object(object).to_string() })],
        },
        other => vec![json!({ "role": role, "content": other })],
    };
    let mut list = said(fields.remove(asked)?, "user");
    list.extend(said(fields.remove(answered)?, "assistant"));
    Some(Value::Array(list))
}

fn history(
    mut fields: Map<String, Value>,
    messages: Value,
    names: Names<'_>,
    decoded: &mut Decoded,
) -> Result<(), &'static str> {
    let read = assay_transcript::messages(&messages);
    let Value::Array(mut list) = messages else { return Err("messages must be a list") };
    // Some clients wrap the list of messages into a batch of one.
    if let [Value::Array(_)] = list.as_slice()
        && let Some(Value::Array(only)) = list.pop()
    {
        list = only;
    }
    if read.is_empty() {
        return Err("history without messages");
    }
    let id = fields.get("id").and_then(text).map_or(names.unnamed, |id| names.run(&id));
    // The answer is what the agent said last; everything before it was given.
    let is_answered = read.last().is_some_and(|last| last.role == Role::Assistant);
    let outputs = is_answered.then(|| list.pop()).flatten().map(|answer| json!({ "messages": [answer] }));
    let mut inputs = Map::new();
    if let Some(system) = ["system", "system_prompt"].iter().find_map(|key| fields.remove(*key)) {
        inputs.insert("system".to_owned(), system);
    }
    inputs.insert("messages".to_owned(), Value::Array(list));

    let metadata = metadata(&mut fields);
    let (start_time, end_time) = times(&fields, &read);
    decoded.feedback.extend(feedback(fields.remove("feedback"), id));
    decoded.patches.push(RunPatch {
        id,
        is_creation: true,
        is_whole: true,
        trace: Some(TraceId::from(id)),
        thread: thread(&fields, &metadata),
        project_name: fields.get("project").or(fields.get("session_name")).and_then(text),
        name: Some(name(&fields, &metadata)),
        kind: Some(RunKind::Chain),
        start_time,
        end_time,
        inputs: Some(Value::Object(inputs)),
        outputs,
        error: error(&fields),
        tags: tags(&fields),
        usage: fields.get("usage").or(fields.get("usage_metadata")).and_then(usage::parse),
        metadata: Some(metadata).filter(|map| !map.is_empty()),
        // What was written down is over, whether or not anybody noted when.
        extra: end_time.is_none().then(|| Map::from_iter([(ENDED.to_owned(), Value::Bool(true))])),
        ..RunPatch::default()
    });
    Ok(())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn metadata(fields: &mut Map<String, Value>) -> Map<String, Value> {
    let mut metadata = match fields.remove("metadata") {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let model = fields.get("model").or(metadata.get("model")).and_then(text);
    if let Some(model) = model.filter(|_| !metadata.contains_key("ls_model_name")) {
        metadata.insert("ls_model_name".to_owned(), Value::String(model));
    }
    metadata
}

/// The thread a history belongs to: the key it states, else its own id.
fn thread(fields: &Map<String, Value>, metadata: &Map<String, Value>) -> Option<ThreadId> {
    ["thread_id", "session_id", "conversation_id"]
        .into_iter()
        .find_map(|key| fields.get(key).and_then(text))
        .map(ThreadId)
        .or_else(|| langsmith::thread(metadata))
        .or_else(|| fields.get("id").and_then(text).map(ThreadId))
}

fn name(fields: &Map<String, Value>, metadata: &Map<String, Value>) -> String {
    let stated =
        fields.get("name").or(fields.get("agent")).or(metadata.get("agent")).or(metadata.get("agent_name"));
    stated.and_then(text).unwrap_or_else(|| "chat".to_owned())
}

fn error(fields: &Map<String, Value>) -> Option<String> {
    match fields.get("error")? {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Bool(true) => Some("failed without a message".to_owned()),
        other => Some(other.to_string()),
    }
}

fn tags(fields: &Map<String, Value>) -> Option<Vec<String>> {
    let tags = fields.get("tags")?.as_array()?;
    Some(tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect())
}

/// Start and end as stated, else as the first and last message say.
fn times(fields: &Map<String, Value>, read: &[Message]) -> (Option<Time>, Option<Time>) {
    let stated = |keys: &[&str]| keys.iter().find_map(|key| time::of(fields.get(*key)?));
    let start = stated(&["start_time", "started_at", "created_at", "timestamp"]);
    let end = stated(&["end_time", "ended_at", "updated_at"]);
    let mut said = read.iter().filter_map(|message| message.time);
    let first = said.next();
    let last = said.next_back().or(first);
    (start.or(first), end.or(last))
}

/// `{"key": score}`, `{"key": {"score": …, "comment": …}}` or a list of records.
fn feedback(given: Option<Value>, run: RunId) -> Vec<Feedback> {
    let items: Vec<(String, Value)> = match given {
        Some(Value::Object(map)) => map.into_iter().collect(),
        Some(Value::Array(list)) => list
            .into_iter()
            .filter_map(|item| Some((item.get("key").or(item.get("name"))?.as_str()?.to_owned(), item)))
            .collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::with_capacity(items.len());
    for (index, (key, given)) in items.into_iter().enumerate() {
        let mut record = match given {
            Value::Null => continue,
            Value::Object(map) => map,
            other => Map::from_iter([("score".to_owned(), other)]),
        };
        let mut take = |key: &str| record.remove(key).filter(|value| !value.is_null());
        let (score, label) = langsmith::score(take("score"));
        all.push(Feedback {
            id: FeedbackId::from_name(&format!("{run}/{key}/{index}")),
            run: Some(run),
            trace: Some(TraceId::from(run)),
            score,
            value: take("value").or_else(|| take("label")).or(label),
            comment: take("comment").as_ref().and_then(text),
            correction: take("correction"),
            source: take("source").as_ref().and_then(text),
            created_at: take("created_at").as_ref().and_then(time::of),
            key,
            ..Feedback::default()
        });
    }
    all
}

#[cfg(test)]
mod tests;
