//! Two jobs side by side.

use std::sync::Arc;

use assay_domain::Report;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::json;

use super::jobs;
use super::queue::Entry;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;
use crate::render;

/// What changed from one job's report to another's: shares, new, gone, split and merged categories.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/compare", tag = "insights",
    params(("session_id" = Uuid, Path), ("before" = Uuid, Query, description = "id of a job"),
        ("after" = Uuid, Query, description = "id of another")),
    responses((status = 200, description = "the comparison"),
        (status = 400, description = "one of them has no report, or they are of different focus"), (status = 404, description = "there is no such job")))]
pub(super) async fn compare(
    State(app): State<App>,
    Path(project): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let (before, old) = side(&app, &project, &params, "before").await?;
    let (after, new) = side(&app, &project, &params, "after").await?;
    let comparison = super::compared(&app, before.job.project, old, new).await.map_err(failed)?;
    let (before, after) = (before.job.id, after.job.id);
    render::json(move || json!({ "before_job": before, "after_job": after, "comparison": comparison })).await
}

/// The reports are there and sound: what went wrong is ours, but for two that ask different questions.
pub(crate) fn failed(error: assay_insights::Error) -> ApiError {
    if let assay_insights::Error::Incomparable(text) = error {
        return ApiError::bad_request(text);
    }
    tracing::error!(%error, "two reports could not be compared");
    ApiError::new(
        http::StatusCode::INTERNAL_SERVER_ERROR,
        "the reports could not be compared; the server's log says why",
    )
}

async fn side(app: &App, project: &str, params: &Params, name: &str) -> ApiResult<(Entry, Arc<Report>)> {
    let id = params.get(name).ok_or_else(|| ApiError::invalid(&["query", name], "field required"))?;
    let entry = jobs::find(app, project, id).await?;
    let report = jobs::report_of(app, &entry).await?;
    let report = report.ok_or_else(|| {
        ApiError::bad_request(format!(
            "insights job {id} has no report: its status is {}",
            entry.state.status.as_str()
        ))
    })?;
    Ok((entry, report))
}
