//! Projects, called sessions in paths: where runs are collected.
//!
//! `json` says how one is shown, `list` which are listed in what order,
//! `stats` what their runs add up to, `metadata` what stands in the metadata
//! of their runs, `address` which one a named agent writes to. A project
//! called `default` is always there: clients ask for any project to learn
//! the id of the workspace.

mod address;
pub(crate) mod json;
mod list;
mod metadata;
pub(crate) mod stats;
#[cfg(test)]
mod tests;

use assay_domain::{ProjectId, TraceId};
use assay_store::{
    Catalog as _, Change, Error as StoreError, NewProject, Project, ProjectChange, RecordQuery, Records,
};
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
use crate::fields::Moment;

/// Where runs go that name no project.
pub(crate) const DEFAULT: &str = "default";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list::list, create, delete_many))
        .routes(routes!(address::resolve))
        .routes(routes!(read, update, delete))
        .routes(routes!(metadata::metadata))
}

/// Sees to it that there is a project `default`.
pub(crate) async fn ensure_default(app: &App) -> Result<(), StoreError> {
    if app.store.project(DEFAULT).await?.is_some() {
        return Ok(());
    }
    let project =
        NewProject { name: DEFAULT.to_owned(), created_at: Some(app.now()), ..NewProject::default() };
    match app.store.create_project(project).await {
        // Somebody sent a run meanwhile.
        Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The project of this id; 404 where there is none.
pub(crate) async fn of(app: &App, id: Uuid) -> ApiResult<Project> {
    let found = app.store.project_by_id(ProjectId(id)).await?;
    found.ok_or_else(|| ApiError::not_found(format!("project {id}")))
}

/// A project to be made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct CreateProject {
    /// Invented where absent.
    name: Option<String>,
    id: Option<Uuid>,
    description: Option<String>,
    /// `{"metadata": {...}, "tags": [...]}`
    extra: Option<Value>,
    start_time: Option<Moment>,
    end_time: Option<Moment>,
    default_dataset_id: Option<Uuid>,
    /// Makes it an experiment over this dataset.
    reference_dataset_id: Option<Uuid>,
    trace_tier: Option<String>,
    num_examples: Option<u64>,
    num_repetitions: Option<u64>,
    evaluator_keys: Option<Value>,
    kicked_off_by: Option<String>,
    tag_value_ids: Option<Value>,
}

/// What to change; null and absent leave things as they are.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct UpdateProject {
    name: Option<String>,
    description: Option<String>,
    extra: Option<Value>,
    end_time: Option<Moment>,
    default_dataset_id: Option<Uuid>,
    trace_tier: Option<String>,
}

impl CreateProject {
    fn details(&self) -> Map<String, Value> {
        let end_time = self.end_time.map(|moment| moment.0);
        let fields = [
            ("description", json!(self.description)),
            ("extra", json!(self.extra)),
            ("end_time", json!(end_time)),
            ("default_dataset_id", json!(self.default_dataset_id)),
            ("trace_tier", json!(self.trace_tier)),
            ("num_examples", json!(self.num_examples)),
            ("num_repetitions", json!(self.num_repetitions)),
            ("evaluator_keys", json!(self.evaluator_keys)),
            ("kicked_off_by", json!(self.kicked_off_by)),
            ("tag_value_ids", json!(self.tag_value_ids)),
        ];
        given(fields)
    }
}

/// Entries that say something. The JavaScript SDK sends `{}` for what it was not given.
fn given<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null() && value.as_object().is_none_or(|map| !map.is_empty()))
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// Makes a project. With `upsert=true` a name that is taken means: update
/// that one; otherwise it is a conflict.
#[utoipa::path(post, path = "/sessions", tag = "projects", request_body = CreateProject,
    params(("upsert" = Option<bool>, Query, description = "update the project of this name if there is one")),
    responses((status = 200, description = "the project"), (status = 409, description = "the name or the id is taken")))]
async fn create(
    State(app): State<App>,
    params: Params,
    Body(body): Body<CreateProject>,
) -> ApiResult<Json<Value>> {
    let name = match &body.name {
        Some(name) if name.trim().is_empty() => {
            return Err(ApiError::invalid(&["body", "name"], "a project needs a name"));
        }
        Some(name) => name.clone(),
        None => Uuid::new_v4().simple().to_string(),
    };
    let details = body.details();
    let new = NewProject {
        id: body.id.map(ProjectId),
        name: name.clone(),
        created_at: Some(body.start_time.map_or_else(|| app.now(), |moment| moment.0)),
        reference_dataset: body.reference_dataset_id,
        details: details.clone(),
    };
    let created = match app.store.create_project(new).await {
        Err(StoreError::Conflict(_)) if params.flag("upsert")? == Some(true) => {
            let existing = match app.store.project(&name).await? {
                Some(project) => project,
                None => of(&app, body.id.unwrap_or_default()).await?,
            };
            // Of another name only where the id was what clashed.
            let name = (existing.name != name).then_some(name);
            app.store.change_project(existing.id, ProjectChange { name, details }).await?
        }
        created => created?,
    };
    Ok(Json(json::of(&created, None)))
}

/// One project, with what its runs add up to unless `include_stats=false`.
#[utoipa::path(get, path = "/sessions/{session_id}", tag = "projects",
    params(("session_id" = Uuid, Path), ("include_stats" = Option<bool>, Query),
        ("stats_start_time" = Option<Moment>, Query, description = "count only runs since then")),
    responses((status = 200, description = "the project"), (status = 404, description = "there is none")))]
async fn read(State(app): State<App>, Path(id): Path<String>, params: Params) -> ApiResult<Json<Value>> {
    let project = of(&app, uuid("session_id", &id)?).await?;
    let stats = match params.flag("include_stats")? {
        Some(false) => None,
        _ => Some(stats::of(&app, project.id, params.time("stats_start_time")?, None).await?),
    };
    Ok(Json(json::of(&project, stats.as_ref())))
}

/// Changes a project.
#[utoipa::path(patch, path = "/sessions/{session_id}", tag = "projects", request_body = UpdateProject,
    params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "the project as it is now"), (status = 409, description = "the name is taken")))]
async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(body): Body<UpdateProject>,
) -> ApiResult<Json<Value>> {
    let project = of(&app, uuid("session_id", &id)?).await?;
    if body.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(ApiError::invalid(&["body", "name"], "a project needs a name"));
    }
    let details = given([
        ("description", json!(body.description)),
        ("extra", json!(body.extra)),
        ("end_time", json!(body.end_time.map(|moment| moment.0))),
        ("default_dataset_id", json!(body.default_dataset_id)),
        ("trace_tier", json!(body.trace_tier)),
    ]);
    let name = body.name.filter(|name| *name != project.name);
    let changed = app.store.change_project(project.id, ProjectChange { name, details }).await?;
    Ok(Json(json::of(&changed, None)))
}

/// Deletes a project with everything in it.
#[utoipa::path(delete, path = "/sessions/{session_id}", tag = "projects", params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
async fn delete(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let project = of(&app, uuid("session_id", &id)?).await?;
    remove(&app, &project).await?;
    Ok(Json(json!({ "message": format!("project {} deleted", project.id) })))
}

/// Deletes several projects; 404 if one of them is not there, and then deletes none.
#[utoipa::path(delete, path = "/sessions", tag = "projects",
    params(("session_ids" = Vec<Uuid>, Query, description = "repeated")),
    responses((status = 200, description = "they are gone"), (status = 404, description = "one of them is not there")))]
async fn delete_many(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    let ids: Vec<Uuid> = params.parse_all("session_ids")?;
    if ids.is_empty() {
        return Err(ApiError::invalid(&["query", "session_ids"], "name at least one project"));
    }
    let mut projects = Vec::with_capacity(ids.len());
    for id in ids {
        projects.push(of(&app, id).await?);
    }
    for project in &projects {
        remove(&app, project).await?;
    }
    Ok(Json(json!({ "message": format!("{} projects deleted", projects.len()) })))
}

async fn remove(app: &App, project: &Project) -> ApiResult<()> {
    match app.store.delete_project(&project.name).await {
        // Gone already is gone.
        Ok(_) | Err(StoreError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    forget(&app.store, project.id).await?;
    Ok(ensure_default(app).await?)
}

/// Deletes the documents that speak of a project that is gone: its jobs, configs, views and shares.
///
/// # Errors
/// What the store says.
pub async fn forget(store: &impl Records, project: ProjectId) -> Result<(), StoreError> {
    crate::insights::forget(store, project).await?;
    let mut changes = vec![Change::DeleteChildren { kind: crate::views::KIND.to_owned(), parent: project.0 }];
    for kind in [crate::runs::share::KIND, crate::threads::SHARE_KIND] {
        let all = store.records(&RecordQuery { kind: kind.to_owned(), ..RecordQuery::default() }).await?;
        let id = json!(project);
        let of_project = all.into_iter().filter(|record| record.body.get("project") == Some(&id));
        changes.extend(of_project.map(|record| Change::Delete { kind: kind.to_owned(), id: record.id }));
    }
    store.change(changes).await
}

/// Deletes the shares of traces that are gone.
pub(crate) async fn forget_traces(app: &App, traces: &[TraceId]) -> ApiResult<()> {
    let share = |trace: &TraceId| Change::DeleteChildren {
        kind: crate::runs::share::KIND.to_owned(),
        parent: trace.0,
    };
    let changes: Vec<Change> = traces.iter().map(share).collect();
    if changes.is_empty() { Ok(()) } else { Ok(app.store.change(changes).await?) }
}
