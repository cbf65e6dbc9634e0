//! Handlers of jobs: made, listed, read, renamed, cancelled, deleted.

use std::sync::Arc;

use assay_domain::{Report, ReportId};
use assay_store::{Catalog as _, Project};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::models::Offer;
use super::queue::{self, Entry};
use super::request::{self, Occasion};
use super::{configs, edits, shape};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::{projects, render};

/// The project of a path.
pub(super) async fn project_of(app: &App, id: &str) -> ApiResult<Project> {
    projects::of(app, uuid("session_id", id)?).await
}

/// The job of a path; 404 where the project has none of this id.
pub(super) async fn find(app: &App, project: &str, job: &str) -> ApiResult<Entry> {
    let project = project_of(app, project).await?;
    let id = uuid("job_id", job)?;
    let found = queue::find(&app.store, id).await?.filter(|entry| entry.job.project == project.id);
    found.ok_or_else(|| ApiError::not_found(format!("insights job {id}")))
}

/// The report of a job, edited as somebody wants it; `None` until it is done.
pub(crate) async fn report_of(app: &App, entry: &Entry) -> ApiResult<Option<Arc<Report>>> {
    edits::applied(app, entry).await
}

/// What a request asks for, over the saved config it names.
pub(super) async fn asked(
    app: &App,
    project: &Project,
    body: Map<String, Value>,
) -> ApiResult<assay_domain::Job> {
    let saved = match request::config_id(&body)? {
        Some(id) => Some(configs::find(app, project.id, &id).await?),
        None => None,
    };
    let (entries, saved) = match saved {
        Some(saved) => {
            let known = (saved.id, saved.name.clone(), saved.focus());
            (request::merge(saved.entries(), body), Some(known))
        }
        None => (body, None),
    };
    let offer = Offer::of(app).await?;
    request::job(entries, &Occasion { project, now: app.now(), saved, due: None, offer: &offer })
}

/// Makes a job. What was acknowledged before is in its scope.
#[utoipa::path(post, path = "/sessions/{session_id}/insights", tag = "insights", params(("session_id" = Uuid, Path)),
    request_body = request::JobRequest,
    responses((status = 200, description = "`{id, name, status, error}`"),
        (status = 400, description = "a filter, prompt or tier that cannot be met"),
        (status = 404, description = "there is no such project or config")))]
pub(super) async fn create(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(body): Body<Map<String, Value>>,
) -> ApiResult<Json<Value>> {
    let project = project_of(&app, &project).await?;
    let job = asked(&app, &project, body).await?;
    queue::add(&app.store, &job).await?;
    app.insights.wake.notify_one();
    Ok(Json(shape::brief(&Entry { job, state: Default::default() })))
}

/// The jobs of a project, newest first.
#[utoipa::path(get, path = "/sessions/{session_id}/insights", tag = "insights",
    params(("session_id" = Uuid, Path), ("limit" = Option<usize>, Query, description = "1 to 100"),
        ("offset" = Option<usize>, Query), ("config_id" = Option<String>, Query), ("legacy" = Option<bool>, Query)),
    responses((status = 200, description = "`{clustering_jobs}`")))]
pub(super) async fn list(
    State(app): State<App>,
    Path(project): Path<String>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let project = project_of(&app, &project).await?;
    let (offset, limit) = page(&params)?;
    let config = match params.get("config_id") {
        Some(id) => Some(configs::id_of(id)?),
        None => None,
    };
    let all = queue::list(&app.store, Some(project.id)).await?;
    let wanted = all.iter().filter(|entry| config.is_none() || entry.job.saved_config == config);
    let shown: Vec<_> = wanted.skip(offset).take(limit).map(shape::job).collect();
    Ok(Json(json!({ "clustering_jobs": shown })))
}

/// `offset` and `limit`; 422 for a limit that is not from 1 to 100.
pub(super) fn page(params: &Params) -> ApiResult<(usize, usize)> {
    let offset = params.parse("offset")?.unwrap_or(0_usize);
    let limit = params.parse("limit")?.unwrap_or(100_usize);
    if !(1..=100).contains(&limit) {
        return Err(ApiError::invalid(&["query", "limit"], "a number from 1 to 100 is needed"));
    }
    Ok((offset, limit))
}

/// A job with its clusters and its report.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/{job_id}", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "the job, its `clusters` and its `report`"),
        (status = 404, description = "there is none")))]
pub(super) async fn read(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
) -> ApiResult<Response> {
    let entry = find(&app, &project, &job).await?;
    let report = report_of(&app, &entry).await?;
    render::json(move || shape::detail(&entry, report.as_deref())).await
}

/// Gives a job another name.
#[utoipa::path(patch, path = "/sessions/{session_id}/insights/{job_id}", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "`{name, status}`"), (status = 404, description = "there is none")))]
pub(super) async fn update(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
    Body(body): Body<Map<String, Value>>,
) -> ApiResult<Json<Value>> {
    let entry = find(&app, &project, &job).await?;
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return Err(ApiError::invalid(&["body", "name"], "field required"));
    };
    let renamed = queue::rename(&app.store, entry.job.id, request::checked_name(name)?, app.now()).await?;
    let entry = renamed.ok_or_else(|| ApiError::not_found(format!("insights job {job}")))?;
    Ok(Json(shape::brief(&entry)))
}

/// Stops a job that has not ended. Within a second it has.
#[utoipa::path(post, path = "/sessions/{session_id}/insights/{job_id}/cancel", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "`{id, name, status, error}`"), (status = 404, description = "there is none")))]
pub(super) async fn cancel(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let entry = find(&app, &project, &job).await?;
    let entry = queue::cancel(&app.store, entry.job.id, app.now()).await?;
    let entry = entry.ok_or_else(|| ApiError::not_found(format!("insights job {job}")))?;
    Ok(Json(shape::brief(&entry)))
}

/// Begins a job again that failed or was cancelled. It reads the same threads, and what models
/// answered is not asked again.
#[utoipa::path(post, path = "/sessions/{session_id}/insights/{job_id}/resume", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "`{id, name, status, error}`"), (status = 404, description = "there is none"),
        (status = 409, description = "somebody else resumed it at the same moment")))]
pub(super) async fn resume(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let entry = find(&app, &project, &job).await?;
    let entry = {
        // What a cancelled job spent may be written at this very moment.
        let _alone = app.changing.lock().await;
        queue::resume(&app.store, entry.job.id, app.now()).await?
    };
    let entry = entry.ok_or_else(|| ApiError::not_found(format!("insights job {job}")))?;
    app.insights.wake.notify_one();
    Ok(Json(shape::brief(&entry)))
}

/// Deletes a job and its report; stops it first where it has not ended.
#[utoipa::path(delete, path = "/sessions/{session_id}/insights/{job_id}", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
pub(super) async fn delete(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let entry = find(&app, &project, &job).await?;
    queue::delete(&app.store, entry.job.id).await?;
    if let Some(report) = entry.state.report
        && !is_another_jobs(&app, &entry, report).await?
    {
        app.store.delete_report(report).await?;
    }
    app.insights.shelf.clear();
    let text = format!("insights job {} deleted", entry.job.id);
    Ok(Json(json!({ "id": entry.job.id, "message": text })))
}

/// Equal jobs over equal threads have made the same report.
async fn is_another_jobs(app: &App, deleted: &Entry, report: ReportId) -> ApiResult<bool> {
    let all = queue::list(&app.store, Some(deleted.job.project)).await?;
    Ok(all.iter().any(|entry| entry.job.id != deleted.job.id && entry.state.report == Some(report)))
}

/// One cluster of a job.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/{job_id}/clusters/{cluster_id}", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path), ("cluster_id" = Uuid, Path)),
    responses((status = 200, description = "the cluster without its numbers"), (status = 404, description = "there is none")))]
pub(super) async fn cluster(
    State(app): State<App>,
    Path((project, job, cluster)): Path<(String, String, String)>,
) -> ApiResult<Json<Value>> {
    let entry = find(&app, &project, &job).await?;
    let id = uuid("cluster_id", &cluster)?;
    let report = report_of(&app, &entry).await?;
    let found = report.and_then(|report| shape::cluster(entry.job.id, &report, id));
    found.map(Json).ok_or_else(|| ApiError::not_found(format!("cluster {id}")))
}
