//! What feedback looks like on its way in, for the OpenAPI document alone: the
//! decoder in `wire` takes every client's variants.

#![expect(dead_code, reason = "read by the derive of their schemas only")]

use chrono::{DateTime, Utc};
use utoipa::ToSchema;
use uuid::Uuid;

/// A score, label or comment on a run, a trace or a project.
#[derive(ToSchema)]
pub(super) struct NewFeedback {
    /// Invented where absent; sending it twice changes nothing.
    id: Option<Uuid>,
    /// What is judged, such as `correctness`.
    #[schema(example = "correctness")]
    key: String,
    run_id: Option<Uuid>,
    trace_id: Option<Uuid>,
    /// The project it is about, or the one the run is in.
    session_id: Option<Uuid>,
    #[schema(example = 1.0)]
    score: Option<f64>,
    #[schema(value_type = Option<String>)]
    value: Option<()>,
    comment: Option<String>,
    #[schema(value_type = Option<Object>)]
    correction: Option<()>,
    /// `{"type": "api" | "app" | "model", "metadata": {...}}`
    #[schema(value_type = Option<Object>)]
    feedback_source: Option<()>,
    created_at: Option<DateTime<Utc>>,
    modified_at: Option<DateTime<Utc>>,
}
