//! Sharing traces and threads.

use assay_domain::{ProjectId, RunId, ThreadId, TraceId};
use assay_store::{Change, RecordQuery, Records as _, RunQuery, Runs as _};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::problem::V2Result;
use super::runs::required;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::runs::share;
use crate::threads;

/// Which trace of which project.
#[derive(Deserialize, ToSchema)]
pub(super) struct ShareBody {
    session_id: Uuid,
    #[serde(default)]
    trace_id: Option<Uuid>,
}

/// Shares the trace of a run, or says under which token it is shared already.
#[utoipa::path(post, path = "/v2/runs/{run_id}/share", tag = "v2", request_body = ShareBody,
    params(("run_id" = Uuid, Path)),
    responses((status = 200, description = "the `share_token`"), (status = 404, description = "there is no such run")))]
pub(super) async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    body: ApiResult<Body<ShareBody>>,
) -> V2Result<Json<Value>> {
    let Body(body) = body?;
    let id = RunId(uuid("run_id", &id)?);
    let row = share::row(&app, id).await?;
    let is_there = row.project.0 == body.session_id && body.trace_id.is_none_or(|trace| row.trace.0 == trace);
    if !is_there {
        return Err(ApiError::not_found(format!("run {id} in this project and trace")).into());
    }
    let root = root(&app, row.project, row.trace).await?.unwrap_or(id);
    let token = share::share_run(&app, root, row.trace, row.project, None).await?;
    Ok(Json(json!({ "share_token": token })))
}

/// The run that stands for a trace.
async fn root(app: &App, project: ProjectId, trace: TraceId) -> ApiResult<Option<RunId>> {
    let query = RunQuery { trace: Some(trace), is_root: Some(true), limit: 1, ..RunQuery::new(project) };
    Ok(app.store.runs(&query).await?.items.first().map(|row| row.id))
}

/// Ends the sharing of a trace, at once. Nothing happens where it is not shared.
#[utoipa::path(delete, path = "/v2/runs/{run_id}/share", tag = "v2", request_body = ShareBody,
    params(("run_id" = Uuid, Path, description = "the id of the trace")),
    responses((status = 204, description = "it is not shared any more")))]
pub(super) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    body: ApiResult<Body<ShareBody>>,
) -> V2Result<StatusCode> {
    let Body(body) = body?;
    let trace = uuid("run_id", &id)?;
    let query = RecordQuery { kind: share::KIND.to_owned(), parent: Some(trace), ..RecordQuery::default() };
    let shares = app.store.records(&query).await?;
    let project = json!(body.session_id);
    let of_project = shares.into_iter().filter(|share| share.body.get("project") == Some(&project));
    let changes: Vec<Change> =
        of_project.map(|share| Change::Delete { kind: share::KIND.to_owned(), id: share.id }).collect();
    if !changes.is_empty() {
        app.store.change(changes).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Which project a thread is in.
#[derive(Deserialize, ToSchema)]
pub(super) struct ThreadShareBody {
    project_id: Uuid,
}

/// Shares a thread, or says under which token it is shared already.
#[utoipa::path(post, path = "/v2/threads/{thread_id}/share", tag = "v2", request_body = ThreadShareBody,
    params(("thread_id" = String, Path)),
    responses((status = 200, description = "the `share_token`"), (status = 404, description = "there is no such thread")))]
pub(super) async fn create_thread(
    State(app): State<App>,
    Path(id): Path<String>,
    body: ApiResult<Body<ThreadShareBody>>,
) -> V2Result<Json<Value>> {
    let Body(body) = body?;
    let (project, id) = (ProjectId(body.project_id), ThreadId(id));
    super::threads_stats::whole(&app, project, &id).await?;
    let record = json!({ "thread": id, "project": project });
    let token =
        share::put(&app, threads::SHARE_KIND, record_id(project, &id), Some(project.0), record, None).await?;
    Ok(Json(json!({ "share_token": token })))
}

/// Under which token a thread is shared, if it is.
#[utoipa::path(get, path = "/v2/threads/{thread_id}/share", tag = "v2",
    params(("thread_id" = String, Path), ("project_id" = Uuid, Query)),
    responses((status = 200, description = "the `share_token`, or nothing")))]
pub(super) async fn read_thread(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> V2Result<Json<Value>> {
    let project = ProjectId(required(&params, "project_id")?);
    let share = app.store.record(threads::SHARE_KIND, record_id(project, &ThreadId(id))).await?;
    let token = share.as_ref().and_then(share::token);
    Ok(Json(token.map_or_else(|| json!({}), |token| json!({ "share_token": token }))))
}

/// Ends the sharing of a thread, at once. Nothing happens where it is not shared.
#[utoipa::path(delete, path = "/v2/threads/{thread_id}/share", tag = "v2",
    params(("thread_id" = String, Path), ("project_id" = Uuid, Query)),
    responses((status = 204, description = "it is not shared any more")))]
pub(super) async fn delete_thread(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> V2Result<StatusCode> {
    let project = ProjectId(required(&params, "project_id")?);
    let id = record_id(project, &ThreadId(id));
    app.store.change(vec![Change::Delete { kind: threads::SHARE_KIND.to_owned(), id }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Threads have no id but their key, which is unique within a project only.
fn record_id(project: ProjectId, thread: &ThreadId) -> Uuid {
    Uuid::new_v5(&project.0, thread.0.as_bytes())
}
