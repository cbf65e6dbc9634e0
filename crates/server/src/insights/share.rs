//! A link with which anybody may read a report, until it is taken back.
//!
//! What is behind it is the report as it is shown here, without conversations:
//! those are shared one by one.

use std::io;

use assay_domain::ThreadId;
use assay_store::{Change, Records as _};
use assay_ui::{Conversations, Spoken};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::queue::{self, Entry};
use super::{files, jobs, shape};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::render;
use crate::runs::share;

pub(crate) const KIND: &str = "insights_share";
/// What of a job anybody may know.
const PUBLIC: [&str; 9] =
    ["id", "name", "status", "start_time", "end_time", "created_at", "shape", "clusters", "report"];

/// How to share a report.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct ShareBody {
    /// A token of the client's choice, hard to guess; invented where absent.
    share_token: Option<Uuid>,
}

/// Shares the report of a job, or says under which token it is shared already.
#[utoipa::path(put, path = "/sessions/{session_id}/insights/{job_id}/share", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)), request_body = ShareBody,
    responses((status = 200, description = "`{job_id, share_token, url}`"), (status = 404, description = "there is no report"),
        (status = 409, description = "the token is taken")))]
pub(super) async fn share(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body<ShareBody>,
) -> ApiResult<Json<Value>> {
    let entry = jobs::find(&app, &project, &job).await?;
    if entry.state.report.is_none() {
        return Err(ApiError::not_found(format!("report of insights job {job}")));
    }
    let (id, project) = (entry.job.id, entry.job.project.0);
    let told = json!({ "job": id });
    let token = share::put(&app, KIND, id, Some(project), told, body.share_token).await?;
    Ok(Json(shown(id, token, &app.base_url(&headers))))
}

/// Under which token a report is shared; null if it is not.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/{job_id}/share", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "`{job_id, share_token, url}`, or null")))]
pub(super) async fn read(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Json<Value>> {
    let entry = jobs::find(&app, &project, &job).await?;
    let known = app.store.record(KIND, entry.job.id).await?;
    let token = known.as_ref().and_then(share::token);
    let base_url = app.base_url(&headers);
    Ok(Json(token.map_or(Value::Null, |token| shown(entry.job.id, token, &base_url))))
}

/// Ends the sharing of a report, at once.
#[utoipa::path(delete, path = "/sessions/{session_id}/insights/{job_id}/share", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "it is not shared any more")))]
pub(super) async fn unshare(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let entry = jobs::find(&app, &project, &job).await?;
    let id = entry.job.id;
    app.store.change(vec![Change::Delete { kind: KIND.to_owned(), id }]).await?;
    Ok(Json(json!({ "message": format!("insights job {id} is not shared any more") })))
}

fn shown(job: Uuid, token: Uuid, base_url: &str) -> Value {
    let url = format!("{base_url}/s/{token}");
    json!({ "job_id": job, "share_token": token, "url": url })
}

/// The job behind a token; 404 where there is none (any more).
pub(crate) async fn open(app: &App, token: &str) -> ApiResult<Entry> {
    let nothing = || ApiError::not_found("a share with this token");
    let token = Uuid::parse_str(token).map_err(|_| nothing())?;
    let shared = share::find(app, KIND, token).await?.ok_or_else(nothing)?;
    queue::find(&app.store, shared.id).await?.ok_or_else(nothing)
}

/// A shared report: the job with its clusters and its summary.
#[utoipa::path(get, path = "/public/{share_token}/insights", tag = "public", params(("share_token" = Uuid, Path)),
    responses((status = 200, description = "the job, its `clusters` and its `report`"),
        (status = 404, description = "nothing is shared under this token")))]
pub(super) async fn shared(State(app): State<App>, Path(token): Path<String>) -> ApiResult<Response> {
    let entry = open(&app, &token).await?;
    let report = jobs::report_of(&app, &entry).await?;
    render::json(move || {
        let mut told = shape::detail(&entry, report.as_deref());
        if let Some(fields) = told.as_object_mut() {
            fields.retain(|name, _| PUBLIC.contains(&name.as_str()));
        }
        told
    })
    .await
}

/// A shared report as `report.html`, `report.md` or `report.json`; without conversations.
#[utoipa::path(get, path = "/public/{share_token}/insights/files/{file}", tag = "public",
    params(("share_token" = Uuid, Path), ("file" = String, Path)),
    responses((status = 200, description = "the file"), (status = 404, description = "nothing is shared under this token")))]
pub(super) async fn shared_file(
    State(app): State<App>,
    Path((token, file)): Path<(String, String)>,
) -> ApiResult<Response> {
    let entry = open(&app, &token).await?;
    if !["report.html", "report.md", "report.json"].contains(&file.as_str()) {
        return Err(ApiError::not_found(format!("file {file:?}")));
    }
    let report = jobs::report_of(&app, &entry).await?;
    let report = report.ok_or_else(|| ApiError::not_found("a share with this token"))?;
    files::answered(report, entry.job.name.clone(), &file, Silent).await
}

/// Shows no conversation.
struct Silent;

impl Conversations for Silent {
    fn spoken(&self, _: &ThreadId) -> io::Result<Option<Spoken>> {
        Ok(None)
    }
}
