//! One run by its id.

use assay_domain::RunId;
use assay_store::{Runs as _, StoredRun};
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use uuid::Uuid;

use super::shown::{self, Needs};
use super::v1::{self, Select};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, uuid};
use crate::render;

/// One run.
#[utoipa::path(get, path = "/runs/{run_id}", tag = "runs",
    params(("run_id" = Uuid, Path, description = "of a run, or of a trace, which stands for its root"),
        ("exclude_serialized" = Option<bool>, Query),
        ("include_messages" = Option<bool>, Query, description = "its payloads as one conversation, under `messages`")),
    responses((status = 200, description = "the run"), (status = 404, description = "there is none")))]
pub(super) async fn read(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let stored = find(&app, uuid("run_id", &id)?).await?;
    let leave_out_serialized = params.flag("exclude_serialized")? == Some(true);
    let select = match params.flag("include_messages")? {
        Some(true) => Select::EverythingAndMessages,
        _ => Select::Everything,
    };
    let mut shown = shown::gather(&app, vec![stored], Needs::of(&select), &app.base_url(&headers)).await?;
    let shown = shown.pop().ok_or_else(|| ApiError::not_found(format!("run {id}")))?;
    render::json(move || {
        let mut run = v1::json(shown, &select);
        if let Some(fields) = run.as_object_mut().filter(|_| leave_out_serialized) {
            fields.remove("serialized");
        }
        run
    })
    .await
}

/// The run of this id, or the root of the trace of this id; 404 where neither is there.
///
/// In traces of OpenTelemetry the root has an id of its own, while people
/// know the id of the trace.
pub(crate) async fn find(app: &App, id: Uuid) -> ApiResult<StoredRun> {
    let stored = app.store.stored_run(RunId(id)).await?;
    stored.ok_or_else(|| ApiError::not_found(format!("run {id}")))
}
