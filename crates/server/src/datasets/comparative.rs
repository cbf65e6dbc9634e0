//! Comparative experiments: two or more experiments over one dataset, judged
//! against each other. Their feedback names them.

use assay_domain::ProjectId;
use assay_store::{Catalog as _, Change, Record, RecordQuery, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::dataset;
use crate::app::{App, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::fields::{Moment, v1_time};

pub(crate) const KIND: &str = "comparative-experiment";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create)).routes(routes!(list)).routes(routes!(delete))
}

#[derive(Deserialize, ToSchema)]
struct NewComparison {
    id: Option<Uuid>,
    experiment_ids: Vec<Uuid>,
    name: Option<String>,
    description: Option<String>,
    /// That of the experiments where absent.
    reference_dataset_id: Option<Uuid>,
    #[schema(value_type = Option<Object>)]
    extra: Option<Map<String, Value>>,
    created_at: Option<Moment>,
    modified_at: Option<Moment>,
}

/// Makes a comparative experiment.
#[utoipa::path(post, path = "/datasets/comparative", tag = "datasets", request_body = NewComparison,
    responses((status = 200, description = "the comparative experiment"),
        (status = 404, description = "an experiment or the dataset is unknown"), (status = 409, description = "its id is taken")))]
async fn create(State(app): State<App>, Body(new): Body<NewComparison>) -> ApiResult<Json<Value>> {
    if new.experiment_ids.is_empty() || new.experiment_ids.len() > 100 {
        return Err(ApiError::invalid(&["body", "experiment_ids"], "1 to 100 experiments are needed"));
    }
    let mut dataset = new.reference_dataset_id;
    for id in &new.experiment_ids {
        let project = app.store.project_by_id(ProjectId(*id)).await?;
        let project = project.ok_or_else(|| ApiError::not_found(format!("experiment {id}")))?;
        dataset = dataset.or(project.reference_dataset);
    }
    let needed =
        || ApiError::invalid(&["body", "reference_dataset_id"], "the experiments belong to no dataset");
    let dataset = dataset::find(&app, dataset.ok_or_else(needed)?).await?;
    let now = app.now();
    let moment = |given: Option<Moment>| given.map_or(now, |Moment(time)| time);
    let record = Record {
        kind: KIND.to_owned(),
        id: new.id.unwrap_or_else(Uuid::now_v7),
        parent: Some(dataset.id),
        created_at: moment(new.created_at),
        modified_at: moment(new.modified_at),
        body: json!({
            "name": new.name, "description": new.description, "extra": new.extra, "experiment_ids": new.experiment_ids,
        }),
        ..Record::default()
    };
    app.store.change(vec![Change::Insert(record.clone())]).await?;
    Ok(Json(shape(&app, &record).await?))
}

/// Lists the comparative experiments over a dataset.
#[utoipa::path(get, path = "/datasets/{dataset_id}/comparative", tag = "datasets",
    params(
        ("dataset_id" = Uuid, Path), ("id" = Option<Vec<Uuid>>, Query), ("name" = Option<String>, Query),
        ("name_contains" = Option<String>, Query), ("sort_by" = Option<String>, Query, description = "`name` or `created_at`"),
        ("sort_by_desc" = Option<bool>, Query), ("offset" = Option<usize>, Query), ("limit" = Option<usize>, Query),
    ),
    responses((status = 200, description = "a list of comparative experiments"), (status = 404, description = "no such dataset")))]
async fn list(State(app): State<App>, Path(id): Path<String>, params: Params) -> ApiResult<Json<Value>> {
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let query = RecordQuery {
        kind: KIND.to_owned(),
        parent: Some(dataset.id),
        ids: params.parse_all("id")?,
        ..RecordQuery::default()
    };
    let mut found = app.store.records(&query).await?;
    let name = |record: &Record| record.body["name"].as_str().unwrap_or_default().to_owned();
    let part = params.get("name_contains").map(str::to_lowercase);
    found.retain(|record| {
        let is_named = params.get("name").is_none_or(|wanted| name(record) == wanted);
        is_named && part.as_ref().is_none_or(|part| name(record).to_lowercase().contains(part))
    });
    if params.get("sort_by") == Some("name") {
        found.sort_by_key(name);
    }
    if params.flag("sort_by_desc")?.unwrap_or(true) {
        found.reverse();
    }
    let (offset, limit) = params.page()?;
    let mut page = Vec::new();
    for record in found.iter().skip(offset).take(limit) {
        page.push(shape(&app, record).await?);
    }
    Ok(Json(Value::Array(page)))
}

/// Deletes a comparative experiment; its experiments stay.
#[utoipa::path(delete, path = "/datasets/comparative/{comparative_experiment_id}", tag = "datasets",
    params(("comparative_experiment_id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
async fn delete(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id = uuid("comparative_experiment_id", &id)?;
    if app.store.record(KIND, id).await?.is_none() {
        return Err(ApiError::not_found(format!("comparative experiment {id}")));
    }
    app.store.change(vec![Change::Delete { kind: KIND.to_owned(), id }]).await?;
    Ok(Json(json!({ "message": format!("comparative experiment {id} deleted") })))
}

async fn shape(app: &App, record: &Record) -> ApiResult<Value> {
    let ids = record.body["experiment_ids"].as_array().into_iter().flatten();
    let mut experiments = Vec::new();
    for id in ids.filter_map(|id| id.as_str()?.parse().ok()) {
        // One that was deleted since has no name any more.
        let project = app.store.project_by_id(id).await?;
        experiments.extend(project.map(|project| json!({ "id": project.id, "name": project.name })));
    }
    Ok(json!({
        "id": record.id,
        "tenant_id": WORKSPACE,
        "name": record.body["name"],
        "description": record.body["description"],
        "reference_dataset_id": record.parent,
        "created_at": v1_time(record.created_at),
        "modified_at": v1_time(record.modified_at),
        "extra": record.body["extra"],
        "experiments_info": experiments,
        "feedback_stats": null,
    }))
}
