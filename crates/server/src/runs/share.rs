//! Sharing: a token with which anybody may read a run and what lies below it.
//!
//! A share is a record of kind [`KIND`] with the id of the run; its name is
//! the token, its parent the trace, so that it goes away with either. It is
//! looked up with each public request: once it is gone, so is the access.

use assay_domain::{ProjectId, RunId, TraceId};
use assay_store::{
    Change, Error as StoreError, Record, RecordQuery, Records as _, RunQuery, RunRow, Runs as _,
};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, uuid};

pub(crate) const KIND: &str = "share";

/// How to share a run.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct ShareBody {
    /// A token of the client's choice, hard to guess; invented where absent.
    share_token: Option<Uuid>,
}

/// The token of a share.
pub(crate) fn token(share: &Record) -> Option<Uuid> {
    share.name.as_deref().and_then(|name| Uuid::parse_str(name).ok())
}

/// Shares a run, or says under which token it is shared already.
#[utoipa::path(put, path = "/runs/{run_id}/share", tag = "sharing", request_body = ShareBody,
    params(("run_id" = Uuid, Path)),
    responses((status = 200, description = "run_id and share_token"), (status = 404, description = "there is no such run")))]
pub(super) async fn share(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(body): Body<ShareBody>,
) -> ApiResult<Json<Value>> {
    let run = row(&app, RunId(uuid("run_id", &id)?)).await?;
    let token = share_run(&app, run.id, run.trace, run.project, body.share_token).await?;
    Ok(Json(json!({ "run_id": run.id, "share_token": token })))
}

/// Under which token a run is shared; null if it is not.
#[utoipa::path(get, path = "/runs/{run_id}/share", tag = "sharing", params(("run_id" = Uuid, Path)),
    responses((status = 200, description = "run_id and share_token, or null")))]
pub(super) async fn read(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id = of_run(&app, uuid("run_id", &id)?).await?;
    let share = app.store.record(KIND, id).await?;
    let token = share.as_ref().and_then(token);
    Ok(Json(token.map_or(Value::Null, |token| json!({ "run_id": id, "share_token": token }))))
}

/// Ends the sharing of a run, at once.
#[utoipa::path(delete, path = "/runs/{run_id}/share", tag = "sharing", params(("run_id" = Uuid, Path)),
    responses((status = 200, description = "it is not shared any more")))]
pub(super) async fn unshare(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id = of_run(&app, uuid("run_id", &id)?).await?;
    app.store.change(vec![Change::Delete { kind: KIND.to_owned(), id }]).await?;
    Ok(Json(json!({ "message": format!("run {id} is not shared any more") })))
}

/// Under which id a run is shared that may be named by the id of its trace.
async fn of_run(app: &App, id: Uuid) -> ApiResult<Uuid> {
    let query = RunQuery { ids: vec![RunId(id)], limit: 1, ..RunQuery::default() };
    Ok(app.store.runs(&query).await?.items.pop().map_or(id, |run| run.id.0))
}

/// A run without its payload; 404 where there is none.
pub(crate) async fn row(app: &App, id: RunId) -> ApiResult<RunRow> {
    let query = RunQuery { ids: vec![id], limit: 1, ..RunQuery::default() };
    let found = app.store.runs(&query).await?.items.pop();
    found.ok_or_else(|| ApiError::not_found(format!("run {id}")))
}

/// The token of a run: the one it has, else the one proposed, else a new one.
pub(crate) async fn share_run(
    app: &App,
    run: RunId,
    trace: TraceId,
    project: ProjectId,
    proposed: Option<Uuid>,
) -> ApiResult<Uuid> {
    let body = json!({ "run": run, "trace": trace, "project": project });
    put(app, KIND, run.0, Some(trace.0), body, proposed).await
}

/// Keeps a share unless there is one; returns the token in force.
///
/// 409 where the proposed token is that of another share.
pub(crate) async fn put(
    app: &App,
    kind: &str,
    id: Uuid,
    parent: Option<Uuid>,
    body: Value,
    proposed: Option<Uuid>,
) -> ApiResult<Uuid> {
    if let Some(known) = app.store.record(kind, id).await?.as_ref().and_then(token) {
        return Ok(known);
    }
    let wanted = proposed.unwrap_or_else(Uuid::new_v4);
    for kind in [KIND, crate::threads::SHARE_KIND, crate::insights::SHARE_KIND] {
        if find(app, kind, wanted).await?.is_some() {
            return Err(ApiError::conflict("this share token is taken; choose another, or none"));
        }
    }
    let now = app.now();
    let name = Some(wanted.to_string());
    let (created_at, modified_at) = (now, now);
    let record = Record {
        kind: kind.to_owned(),
        id,
        parent,
        name,
        created_at,
        modified_at,
        body,
        ..Record::default()
    };
    match app.store.change(vec![Change::Insert(record)]).await {
        Ok(()) => Ok(wanted),
        // Shared by somebody else at the same moment.
        Err(StoreError::Conflict(why)) => {
            let known = app.store.record(kind, id).await?.as_ref().and_then(token);
            known.ok_or_else(|| ApiError::conflict(why))
        }
        Err(error) => Err(error.into()),
    }
}

/// The share of this token.
pub(crate) async fn find(app: &App, kind: &str, token: Uuid) -> ApiResult<Option<Record>> {
    let query = RecordQuery {
        kind: kind.to_owned(),
        name: Some(token.to_string()),
        limit: 1,
        ..RecordQuery::default()
    };
    Ok(app.store.records(&query).await?.pop())
}
