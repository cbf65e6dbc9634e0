//! Feedback as stored, version 1.

use std::borrow::Cow;

use assay_domain::{Feedback, FeedbackId, ProjectId, RunId, TraceId};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{pack, unpack};

#[derive(Serialize, Deserialize)]
struct FeedbackV1<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<Uuid>,
    key: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correction: Option<Cow<'a, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Cow<'a, Value>>,
}

/// Packs feedback; its id is kept beside.
pub(crate) fn encode_feedback(feedback: &Feedback) -> Vec<u8> {
    let details = (!feedback.details.is_empty())
        .then(|| Cow::Owned(super::part::bounded(&Value::Object(feedback.details.clone())).into_owned()));
    let stored = FeedbackV1 {
        run: feedback.run.map(|run| run.0),
        trace: feedback.trace.map(|trace| trace.0),
        key: Cow::from(&feedback.key),
        score: feedback.score.filter(|score| score.is_finite()),
        value: feedback.value.as_ref().map(super::part::bounded),
        comment: feedback.comment.as_deref().map(Cow::from),
        correction: feedback.correction.as_ref().map(super::part::bounded),
        source: feedback.source.as_deref().map(Cow::from),
        created_at: feedback.created_at.map(|time| time.timestamp_micros()),
        modified_at: feedback.modified_at.map(|time| time.timestamp_micros()),
        project: feedback.project.map(|project| project.0),
        details,
    };
    pack(&serde_json::to_vec(&stored).expect("plain data, and maps have string keys"))
}

pub(crate) fn decode_feedback(id: FeedbackId, bytes: &[u8]) -> Result<Feedback, String> {
    let json = unpack(bytes)?;
    let stored: FeedbackV1<'_> =
        serde_json::from_slice(&json).map_err(|error| format!("stored feedback: {error}"))?;
    Ok(Feedback {
        id,
        run: stored.run.map(RunId),
        trace: stored.trace.map(TraceId),
        key: stored.key.into_owned(),
        score: stored.score,
        value: stored.value.map(Cow::into_owned),
        comment: stored.comment.map(Cow::into_owned),
        correction: stored.correction.map(Cow::into_owned),
        source: stored.source.map(Cow::into_owned),
        created_at: stored.created_at.and_then(DateTime::from_timestamp_micros),
        modified_at: stored.modified_at.and_then(DateTime::from_timestamp_micros),
        project: stored.project.map(ProjectId),
        details: match stored.details.map(Cow::into_owned) {
            Some(Value::Object(details)) => details,
            _ => Map::new(),
        },
    })
}
