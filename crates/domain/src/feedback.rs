//! Judgements of runs: by users, evaluators or annotators.

use serde_json::{Map, Value};

use crate::{FeedbackId, ProjectId, RunId, Time, TraceId};

/// One score, label or comment on a run, or on a whole project (an experiment's summary).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feedback {
    pub id: FeedbackId,
    pub run: Option<RunId>,
    pub trace: Option<TraceId>,
    /// The project it names. With neither run nor trace, it is about the project itself.
    pub project: Option<ProjectId>,
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
    pub modified_at: Option<Time>,
    /// What the client said that no analysis asks for, word by word as it came:
    /// the whole `feedback_source`, a `score` that was no float, group ids, ...
    pub details: Map<String, Value>,
}
