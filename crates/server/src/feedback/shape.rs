//! Feedback as answers show it.

use assay_domain::Feedback;
use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::Fields;
use crate::fields::v1_time;

/// The body of an answer (`FeedbackSchema`). Clients fail without the keys
/// `run_id` and `trace_id`, and on lists as values (contract 12).
pub(crate) fn json(feedback: &Feedback) -> Value {
    let mut fields = record(feedback);
    fields.remove("feedback_config");
    if let Some(list @ Value::Array(_)) = &feedback.value {
        fields.insert("value".to_owned(), Value::String(list.to_string()));
    }
    let is_root = feedback.run.is_some_and(|run| feedback.trace == Some(run.into()));
    fields.insert("is_root".to_owned(), json!(is_root));
    Value::Object(fields)
}

/// The same as a body to be decoded again: nothing is lost or added.
pub(super) fn record(feedback: &Feedback) -> Fields {
    // Spelled out in full: a new field must not be forgotten here.
    let Feedback {
        id,
        run,
        trace,
        project,
        key,
        score,
        value,
        comment,
        correction,
        source,
        created_at,
        modified_at,
        details,
    } = feedback;
    // Feedback out of a file may have no time at all; clients insist on one.
    let created = created_at.or(*modified_at).unwrap_or(DateTime::UNIX_EPOCH);
    let detail = |key: &str| details.get(key).cloned().unwrap_or(Value::Null);
    let mut fields = Map::new();
    for (key, value) in [
        ("id", json!(id)),
        ("key", json!(key)),
        ("run_id", json!(run)),
        ("trace_id", json!(trace)),
        ("session_id", json!(project)),
        ("score", details.get("score").cloned().unwrap_or_else(|| json!(score))),
        ("value", json!(value)),
        ("comment", json!(comment)),
        ("correction", json!(correction)),
        ("created_at", v1_time(created)),
        ("modified_at", v1_time(modified_at.unwrap_or(created))),
        ("feedback_source", source_object(source.as_deref(), details.get("feedback_source"))),
        ("feedback_group_id", detail("feedback_group_id")),
        ("comparative_experiment_id", detail("comparative_experiment_id")),
        ("feedback_thread_id", detail("feedback_thread_id")),
        ("start_time", detail("start_time")),
        ("extra", detail("extra")),
        ("error", detail("error")),
    ] {
        fields.insert(key.to_owned(), value);
    }
    for (key, value) in details {
        fields.entry(key.clone()).or_insert_with(|| value.clone());
    }
    fields
}

fn source_object(kind: Option<&str>, given: Option<&Value>) -> Value {
    match given {
        Some(Value::Object(source)) => {
            let mut source = source.clone();
            source.entry("type").or_insert_with(|| json!(kind.unwrap_or("api")));
            Value::Object(source)
        }
        _ => json!({ "type": kind.unwrap_or("api"), "metadata": {} }),
    }
}
