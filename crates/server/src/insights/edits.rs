//! Categories as people want them: renamed, described, merged, hidden.
//!
//! Edits are kept beside the report of a job, by category as it was made, and
//! whatever shows the report shows it edited. Taking them back shows it as it
//! was made.

use std::sync::Arc;

use assay_domain::report::Category;
use assay_domain::{CategoryEdit, Edits, Report};
use assay_insights::Error as EditError;
use assay_store::{Change, Error, Record, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::queue::{self, Entry};
use super::shelf::{self, Key};
use super::{jobs, shape, worker};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, stated, uuid};

pub(super) const KIND: &str = "insights_edits";
const MAX_NAME: usize = 255;
const MAX_DESCRIPTION: usize = 4000;

/// What to change of a category. What is absent stays; null is as it was made.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct CategoryChange {
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// Its threads count as "Other".
    hidden: Option<bool>,
    /// Another cluster of the same level, which gets its threads
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<Uuid>)]
    merge_into: Option<Option<Uuid>>,
}

/// Renames, describes, hides a cluster or merges it into another.
#[utoipa::path(patch, path = "/sessions/{session_id}/insights/{job_id}/clusters/{cluster_id}", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path), ("cluster_id" = Uuid, Path)),
    request_body = CategoryChange,
    responses((status = 200, description = "`{job_id, edits}`: all edits of the report"),
        (status = 400, description = "a merge that cannot be"), (status = 404, description = "there is no such cluster")))]
pub(super) async fn change(
    State(app): State<App>,
    Path((project, job, cluster)): Path<(String, String, String)>,
    Body(change): Body<CategoryChange>,
) -> ApiResult<Json<Value>> {
    let entry = jobs::find(&app, &project, &job).await?;
    let id = uuid("cluster_id", &cluster)?;
    let _alone = app.changing.lock().await;
    let (key, made) = made(&app, &entry).await?;
    let node = shape::find_cluster(entry.job.id, &made, id);
    let node = node.ok_or_else(|| ApiError::not_found(format!("cluster {id}")))?;
    let mut edits = of(&app, entry.job.id).await?;
    let edit = edits.0.entry(node.id.clone()).or_default();
    change.apply(edit, entry.job.id, &made, node)?;
    edits.0.retain(|_, edit| !edit.is_empty());
    keep(&app, entry, key, made, edits).await
}

impl CategoryChange {
    fn apply(self, edit: &mut CategoryEdit, job: Uuid, made: &Report, node: &Category) -> ApiResult<()> {
        let Self { name, description, hidden, merge_into } = self;
        if let Some(name) = name {
            // What it was called anyway is no edit.
            let name = name.map(|name| text("name", &name, 1, MAX_NAME)).transpose()?;
            edit.name = name.filter(|name| *name != node.name);
        }
        if let Some(description) = description {
            let told = description.map(|told| text("description", &told, 0, MAX_DESCRIPTION)).transpose()?;
            edit.description = told.filter(|told| *told != node.description);
        }
        if let Some(hidden) = hidden {
            edit.is_hidden = hidden;
        }
        if let Some(target) = merge_into {
            let found = |id: Uuid| {
                let node = shape::find_cluster(job, made, id).map(|node| node.id.clone());
                node.ok_or_else(|| ApiError::not_found(format!("cluster {id}")))
            };
            edit.merged_into = target.map(found).transpose()?;
        }
        Ok(())
    }
}

fn text(field: &str, given: &str, least: usize, most: usize) -> ApiResult<String> {
    let given = given.trim();
    let has_control = given.chars().any(|c| c.is_control() && c != '\n');
    if !(least..=most).contains(&given.chars().count()) || has_control {
        let wanted = format!("{least} to {most} characters, none of them control characters, are needed");
        return Err(ApiError::invalid(&["body", field], wanted));
    }
    Ok(given.to_owned())
}

/// What was changed of a report's categories.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/{job_id}/edits", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "`{job_id, edits}`"), (status = 404, description = "there is no report")))]
pub(super) async fn list(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let entry = jobs::find(&app, &project, &job).await?;
    let edits = of(&app, entry.job.id).await?;
    let (_, made) = made(&app, &entry).await?;
    Ok(Json(shown(entry.job.id, &made, &edits)))
}

/// Takes all edits back: the report is shown as it was made.
#[utoipa::path(delete, path = "/sessions/{session_id}/insights/{job_id}/edits", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "`{job_id, edits}`, now empty"), (status = 404, description = "there is no report")))]
pub(super) async fn restore(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let entry = jobs::find(&app, &project, &job).await?;
    let _alone = app.changing.lock().await;
    let (key, made) = made(&app, &entry).await?;
    keep(&app, entry, key, made, Edits::default()).await
}

/// The report of a job as it was made.
async fn made(app: &App, entry: &Entry) -> ApiResult<(Option<Key>, Arc<Report>)> {
    let found = match entry.state.report {
        Some(id) => shelf::made(app, entry.job.project, id).await?,
        None => None,
    };
    found.ok_or_else(|| ApiError::not_found(format!("report of insights job {}", entry.job.id)))
}

/// The edits of a job's report.
async fn of(app: &App, job: Uuid) -> Result<Edits, Error> {
    let Some(record) = app.store.record(KIND, job).await? else { return Ok(Edits::default()) };
    serde_json::from_value(record.body)
        .map_err(|error| Error::Corrupt { what: format!("{KIND} {job}"), why: error.to_string() })
}

/// Writes the edits and what lists show of the report, together.
async fn keep(
    app: &App,
    entry: Entry,
    key: Option<Key>,
    made: Arc<Report>,
    edits: Edits,
) -> ApiResult<Json<Value>> {
    let edited = apply(made.clone(), &edits).await.map_err(|error| match error {
        EditError::Invalid(text) => ApiError::bad_request(text),
        other => broken(&other),
    })?;
    let now = app.now();
    let Entry { job, mut state } = entry;
    state.outline = Some(worker::outline(&edited));
    let kept = if edits.0.is_empty() {
        Change::Delete { kind: KIND.to_owned(), id: job.id }
    } else {
        Change::Put(Record {
            kind: KIND.to_owned(),
            id: job.id,
            parent: Some(job.project.0),
            created_at: now,
            modified_at: now,
            body: json!(edits),
            ..Record::default()
        })
    };
    app.store.change(vec![kept, queue::state_change(&job, &state, now)]).await?;
    shelf::keep(app, key, &edits, &edited);
    Ok(Json(shown(job.id, &made, &edits)))
}

/// The report of a job as it is to be shown; `None` until it is done.
pub(super) async fn applied(app: &App, entry: &Entry) -> ApiResult<Option<Arc<Report>>> {
    let Some(id) = entry.state.report else { return Ok(None) };
    let Some((key, made)) = shelf::made(app, entry.job.project, id).await? else { return Ok(None) };
    let edits = of(app, entry.job.id).await?;
    if edits.0.is_empty() {
        return Ok(Some(made));
    }
    if let Some(edited) = shelf::edited(app, key.as_ref(), &edits) {
        return Ok(Some(edited));
    }
    let edited = apply(made, &edits).await.map_err(|error| broken(&error))?;
    shelf::keep(app, key, &edits, &edited);
    Ok(Some(edited))
}

async fn apply(report: Arc<Report>, edits: &Edits) -> Result<Arc<Report>, EditError> {
    let edits = edits.clone();
    if edits.0.is_empty() {
        return Ok(report);
    }
    let applied =
        tokio::task::spawn_blocking(move || assay_insights::edit::apply(&report, &edits).map(Arc::new));
    applied.await.unwrap_or_else(|error| Err(EditError::Invalid(error.to_string())))
}

fn broken(error: &EditError) -> ApiError {
    tracing::error!(%error, "the edits of a report cannot be applied");
    let text = "the edits of this report cannot be applied: DELETE …/edits shows it as it was made; the log says more";
    ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// One edit beside what it changes.
pub(crate) struct Edited {
    pub(crate) cluster: Uuid,
    pub(crate) made_name: Option<String>,
    pub(crate) made_description: Option<String>,
    pub(crate) edit: CategoryEdit,
    /// The category that it was merged into, as that was made.
    pub(crate) target: Option<(Uuid, Option<String>)>,
}

/// All edits of a job's report; reads the report only where there are any.
pub(crate) async fn told(app: &App, entry: &Entry) -> ApiResult<Vec<Edited>> {
    let edits = of(app, entry.job.id).await?;
    if edits.0.is_empty() {
        return Ok(Vec::new());
    }
    let (_, made) = made(app, entry).await?;
    Ok(beside(entry.job.id, &made, &edits))
}

fn beside(job: Uuid, made: &Report, edits: &Edits) -> Vec<Edited> {
    let named = |id: &str| made.category(id).map(|node| node.name.clone());
    let all = edits.0.iter().map(|(id, edit)| Edited {
        cluster: shape::cluster_id(job, id),
        made_name: named(id),
        made_description: made.category(id).map(|node| node.description.clone()),
        edit: edit.clone(),
        target: edit.merged_into.as_deref().map(|target| (shape::cluster_id(job, target), named(target))),
    });
    all.collect()
}

fn shown(job: Uuid, made: &Report, edits: &Edits) -> Value {
    let all: Vec<Value> = beside(job, made, edits)
        .into_iter()
        .map(|Edited { cluster, made_name, made_description, edit, target }| {
            let (merged_into, merged_into_name) = target.unzip();
            json!({
                "cluster_id": cluster,
                "made_name": made_name,
                "made_description": made_description,
                "name": edit.name,
                "description": edit.description,
                "hidden": edit.is_hidden,
                "merged_into": merged_into,
                "merged_into_name": merged_into_name.flatten(),
            })
        })
        .collect();
    json!({ "job_id": job, "edits": all })
}
