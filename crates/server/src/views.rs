//! Views: filters of a project's runs or threads, saved under a name.
//!
//! A view is a record of kind [`KIND`] that belongs to its project. Its
//! filters are parsed when it is saved, so that a saved view always works.

use assay_store::{Change, Record, RecordQuery, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::fields::{Moment, v1_time};
use crate::{filters, projects};

pub(crate) const KIND: &str = "view";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, update, delete))
        .routes(routes!(rename))
}

/// What a view says. In a change, null and absent leave things as they are.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct View {
    display_name: Option<String>,
    description: Option<String>,
    /// `runs` (where absent), `threads` or `single_run`
    #[serde(rename = "type")]
    kind: Option<String>,
    filter_string: Option<String>,
    trace_filter_string: Option<String>,
    tree_filter_string: Option<String>,
    start_time: Option<Moment>,
    end_time: Option<Moment>,
    duration: Option<String>,
    /// All that was chosen for a list of our own pages, as the query of its address.
    list_state: Option<String>,
}

impl View {
    /// The entries that say something, once they are known to make sense.
    fn entries(self) -> ApiResult<Map<String, Value>> {
        if self.display_name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(ApiError::invalid(&["body", "display_name"], "a view needs a name"));
        }
        if self.kind.as_ref().is_some_and(|kind| !["runs", "threads", "single_run"].contains(&kind.as_str()))
        {
            return Err(ApiError::invalid(&["body", "type"], "expected runs, threads or single_run"));
        }
        for (field, text) in [
            ("filter_string", &self.filter_string),
            ("trace_filter_string", &self.trace_filter_string),
            ("tree_filter_string", &self.tree_filter_string),
        ] {
            filters::parse(field, text.as_deref())?;
        }
        let entries = [
            ("display_name", json!(self.display_name)),
            ("description", json!(self.description)),
            ("type", json!(self.kind)),
            ("filter_string", json!(self.filter_string)),
            ("trace_filter_string", json!(self.trace_filter_string)),
            ("tree_filter_string", json!(self.tree_filter_string)),
            ("start_time", json!(self.start_time.map(|moment| v1_time(moment.0)))),
            ("end_time", json!(self.end_time.map(|moment| v1_time(moment.0)))),
            ("duration", json!(self.duration)),
            ("list_state", json!(self.list_state)),
        ];
        let said = entries.into_iter().filter(|(_, value)| !value.is_null());
        Ok(said.map(|(key, value)| (key.to_owned(), value)).collect())
    }
}

/// A view as clients read it.
fn shown(record: &Record) -> Value {
    let mut out = json!({
        "id": record.id,
        "session_id": record.parent,
        "display_name": "",
        "description": null,
        "type": "runs",
        "filter_string": null,
        "trace_filter_string": null,
        "tree_filter_string": null,
        "start_time": null,
        "end_time": null,
        "duration": null,
        "created_at": v1_time(record.created_at),
        "updated_at": v1_time(record.modified_at),
    });
    if let (Some(out), Some(said)) = (out.as_object_mut(), record.body.as_object()) {
        out.extend(said.clone());
    }
    out
}

async fn find(app: &App, project: &str, view: &str) -> ApiResult<Record> {
    let project = uuid("session_id", project)?;
    let id = uuid("view_id", view)?;
    let found = app.store.record(KIND, id).await?.filter(|record| record.parent == Some(project));
    found.ok_or_else(|| ApiError::not_found(format!("view {id} of project {project}")))
}

/// The views of a project.
#[utoipa::path(get, path = "/sessions/{session_id}/views", tag = "views",
    params(("session_id" = Uuid, Path), ("type" = Option<String>, Query, description = "only views of this type")),
    responses((status = 200, description = "the views, oldest first")))]
async fn list(
    State(app): State<App>,
    Path(project): Path<String>,
    params: Params,
) -> ApiResult<Json<Vec<Value>>> {
    let project = projects::of(&app, uuid("session_id", &project)?).await?;
    let query = RecordQuery { kind: KIND.to_owned(), parent: Some(project.id.0), ..RecordQuery::default() };
    let views: Vec<Value> = app.store.records(&query).await?.iter().map(shown).collect();
    let wanted = params.get("type");
    let passes = |view: &Value| wanted.is_none_or(|wanted| view["type"] == wanted);
    Ok(Json(views.into_iter().filter(passes).collect()))
}

/// Saves a view.
#[utoipa::path(post, path = "/sessions/{session_id}/views", tag = "views", request_body = View,
    params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "the view"), (status = 400, description = "a filter cannot be understood")))]
async fn create(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(view): Body<View>,
) -> ApiResult<Json<Value>> {
    let project = projects::of(&app, uuid("session_id", &project)?).await?;
    if view.display_name.is_none() {
        return Err(ApiError::invalid(&["body", "display_name"], "a view needs a name"));
    }
    let now = app.now();
    let record = Record {
        kind: KIND.to_owned(),
        id: Uuid::now_v7(),
        parent: Some(project.id.0),
        created_at: now,
        modified_at: now,
        body: Value::Object(view.entries()?),
        ..Record::default()
    };
    app.store.change(vec![Change::Insert(record.clone())]).await?;
    Ok(Json(shown(&record)))
}

/// One view.
#[utoipa::path(get, path = "/sessions/{session_id}/views/{view_id}", tag = "views",
    params(("session_id" = Uuid, Path), ("view_id" = Uuid, Path)),
    responses((status = 200, description = "the view"), (status = 404, description = "there is none")))]
async fn read(
    State(app): State<App>,
    Path((project, view)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    Ok(Json(shown(&find(&app, &project, &view).await?)))
}

/// Changes a view.
#[utoipa::path(patch, path = "/sessions/{session_id}/views/{view_id}", tag = "views", request_body = View,
    params(("session_id" = Uuid, Path), ("view_id" = Uuid, Path)),
    responses((status = 200, description = "the view as it is now"), (status = 404, description = "there is none")))]
async fn update(
    State(app): State<App>,
    Path((project, view)): Path<(String, String)>,
    Body(change): Body<View>,
) -> ApiResult<Json<Value>> {
    let mut record = find(&app, &project, &view).await?;
    let entries = change.entries()?;
    if let Some(body) = record.body.as_object_mut() {
        body.extend(entries);
    }
    record.modified_at = app.now();
    app.store.change(vec![Change::Replace(record.clone())]).await?;
    Ok(Json(shown(&record)))
}

/// Changes the name and the description of a view.
#[utoipa::path(patch, path = "/sessions/{session_id}/views/{view_id}/rename", tag = "views", request_body = View,
    params(("session_id" = Uuid, Path), ("view_id" = Uuid, Path)),
    responses((status = 200, description = "the view as it is now"), (status = 404, description = "there is none")))]
async fn rename(
    app: State<App>,
    path: Path<(String, String)>,
    Body(change): Body<View>,
) -> ApiResult<Json<Value>> {
    let View { display_name, description, .. } = change;
    update(app, path, Body(View { display_name, description, ..View::default() })).await
}

/// Deletes a view.
#[utoipa::path(delete, path = "/sessions/{session_id}/views/{view_id}", tag = "views",
    params(("session_id" = Uuid, Path), ("view_id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
async fn delete(
    State(app): State<App>,
    Path((project, view)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let record = find(&app, &project, &view).await?;
    app.store.change(vec![Change::Delete { kind: KIND.to_owned(), id: record.id }]).await?;
    Ok(Json(json!({ "message": format!("view {} deleted", record.id) })))
}
