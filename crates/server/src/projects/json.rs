//! A project as clients read it (contract 3.1).

use assay_store::Project;
use serde_json::{Value, json};

use super::stats::ProjectStats;
use crate::app::WORKSPACE;
use crate::fields::{decimal, feedback_stats, v1_time};

/// With `tenant_id` and `reference_dataset_id` always: clients fail without these keys.
pub(crate) fn of(project: &Project, stats: Option<&ProjectStats>) -> Value {
    let detail = |key: &str| project.details.get(key).cloned().unwrap_or(Value::Null);
    let mut out = json!({
        "id": project.id,
        "tenant_id": WORKSPACE,
        "name": project.name,
        "start_time": project.created_at.or(project.first_activity).map(v1_time),
        "end_time": time_of(&detail("end_time")),
        "description": detail("description"),
        "extra": detail("extra"),
        "default_dataset_id": detail("default_dataset_id"),
        "reference_dataset_id": project.reference_dataset,
        "trace_tier": detail("trace_tier"),
    });
    if let (Some(stats), Some(fields)) = (stats, out.as_object_mut())
        && let Value::Object(stats) = of_stats(stats)
    {
        fields.extend(stats);
    }
    out
}

fn time_of(value: &Value) -> Option<Value> {
    assay_wire::time::of(value).map(v1_time)
}

fn of_stats(stats: &ProjectStats) -> Value {
    let ProjectStats { traces, about_project } = stats;
    json!({
        "run_count": traces.runs,
        "latency_p50": traces.latency_p50,
        "latency_p99": traces.latency_p99,
        "first_token_p50": traces.first_token_p50,
        "first_token_p99": traces.first_token_p99,
        "total_tokens": traces.total_tokens,
        "prompt_tokens": traces.input_tokens,
        "completion_tokens": traces.output_tokens,
        "total_cost": traces.total_cost.map(decimal),
        "prompt_cost": traces.input_cost.map(decimal),
        "completion_cost": traces.output_cost.map(decimal),
        "last_run_start_time": traces.last_start_time.map(v1_time),
        "last_run_start_time_live": traces.last_start_time.map(v1_time),
        "feedback_stats": feedback_stats(&traces.feedback),
        "session_feedback_stats": feedback_stats(about_project),
        "error_rate": traces.error_rate,
        "streaming_rate": traces.streaming_rate,
    })
}
