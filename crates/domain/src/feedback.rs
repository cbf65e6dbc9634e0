//! Judgements of runs: by users, evaluators or annotators.

use serde_json::Value;

use crate::{FeedbackId, RunId, Time, TraceId};

/// One score, label or comment on a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Feedback {
    pub id: FeedbackId,
    pub run: Option<RunId>,
    pub trace: Option<TraceId>,
    pub key: String,
    /// Booleans count as 1 and 0.
    pub score: Option<f64>,
    /// A categorical label, or any other value given beside the score.
    pub value: Option<Value>,
    pub comment: Option<String>,
    pub correction: Option<Value>,
    /// Who says so: `api`, `app`, `evaluator`, `model`, ...
    pub source: Option<String>,
    pub created_at: Option<Time>,
}
