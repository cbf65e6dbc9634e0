//! Writing examples as JSON: one by one, in bulk, and deleting them.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::dataset::{self, Dataset};
use super::super::ledger::{self, Edit, Example};
use super::super::schema::Schemas;
use super::draft::{ExampleChange, NewExample, check_dataset, settle};
use super::shape::{self, Select};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};

/// Adds an example to a dataset.
#[utoipa::path(post, path = "/examples", tag = "examples", request_body = NewExample,
    responses((status = 200, description = "the example"), (status = 404, description = "no such dataset"),
        (status = 409, description = "its id is taken"), (status = 422, description = "it does not fit the schemas")))]
pub(in crate::datasets) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    Body(new): Body<NewExample>,
) -> ApiResult<Json<Value>> {
    let made = add(&app, vec![new]).await?;
    let shown = shape::all(&app, made, &Select::with_files(), &app.base_url(&headers)).await?;
    Ok(Json(shown.into_iter().next().map_or(Value::Null, Value::Object)))
}

/// Adds several examples, each dataset's in one version.
#[utoipa::path(post, path = "/examples/bulk", tag = "examples", request_body = Vec<NewExample>,
    responses((status = 200, description = "a list of examples"), (status = 404, description = "no such dataset"),
        (status = 409, description = "an id is taken"), (status = 422, description = "one does not fit the schemas")))]
pub(in crate::datasets) async fn create_several(
    State(app): State<App>,
    headers: HeaderMap,
    Body(new): Body<Vec<NewExample>>,
) -> ApiResult<Json<Value>> {
    let made = add(&app, new).await?;
    let shown = shape::all(&app, made, &Select::usual(), &app.base_url(&headers)).await?;
    Ok(Json(shown.into_iter().map(Value::Object).collect()))
}

/// Nothing is written before all of them were checked.
async fn add(app: &App, new: Vec<NewExample>) -> ApiResult<Vec<Example>> {
    let mut by_dataset: BTreeMap<Uuid, Vec<(usize, NewExample)>> = BTreeMap::new();
    let mut known: BTreeMap<String, Uuid> = BTreeMap::new();
    for (place, one) in new.into_iter().enumerate() {
        let dataset = dataset_of(app, &one, &mut known).await?;
        by_dataset.entry(dataset).or_default().push((place, one));
    }
    let mut ready = Vec::new();
    for (dataset, new) in by_dataset {
        let schemas = Schemas::of(&dataset::find(app, dataset).await?)?;
        let mut places = Vec::with_capacity(new.len());
        let mut edits = Vec::with_capacity(new.len());
        for (place, one) in new {
            places.push(place);
            edits.push(settle(app, &schemas, one).await?);
        }
        ready.push((dataset, places, edits));
    }
    let _alone = app.changing.lock().await;
    let mut made = BTreeMap::new();
    for (dataset, places, edits) in ready {
        let dataset = dataset::find(app, dataset).await?;
        made.extend(places.into_iter().zip(ledger::commit(app, dataset, edits).await?));
    }
    Ok(made.into_values().collect())
}

async fn dataset_of(app: &App, new: &NewExample, known: &mut BTreeMap<String, Uuid>) -> ApiResult<Uuid> {
    match (new.dataset_id, &new.dataset_name) {
        (Some(id), _) => Ok(id),
        (None, Some(name)) => {
            if let Some(id) = known.get(name) {
                return Ok(*id);
            }
            let found = dataset::find_by_name(app, name).await?;
            let shown: String = name.chars().take(80).collect();
            let id = found.ok_or_else(|| ApiError::not_found(format!("dataset {shown:?}")))?.id;
            known.insert(name.clone(), id);
            Ok(id)
        }
        (None, None) => Err(ApiError::invalid(&["body", "dataset_id"], "field required")),
    }
}

/// Says whether an example would be taken, without keeping it.
#[utoipa::path(post, path = "/examples/validate", tag = "examples", request_body = NewExample,
    responses((status = 200, description = "the example as it would be kept"), (status = 422, description = "what is wrong with it")))]
pub(in crate::datasets) async fn validate(
    State(app): State<App>,
    Body(new): Body<NewExample>,
) -> ApiResult<Json<Value>> {
    let id = dataset_of(&app, &new, &mut BTreeMap::new()).await?;
    let dataset = dataset::find(&app, id).await?;
    match settle(&app, &Schemas::of(&dataset)?, new).await? {
        Edit::Create { id, content, .. } => Ok(Json(json!({
            "id": id, "dataset_id": dataset.id, "inputs": content.inputs, "outputs": content.outputs,
            "metadata": content.metadata, "source_run_id": content.source_run,
        }))),
        Edit::Replace { .. } | Edit::Delete(_) => Err(ApiError::bad_request("no new example")),
    }
}

/// Changes an example.
#[utoipa::path(patch, path = "/examples/{example_id}", tag = "examples", params(("example_id" = Uuid, Path)),
    request_body = ExampleChange,
    responses((status = 200, description = "done"), (status = 404, description = "there is none"),
        (status = 409, description = "it is in another dataset"), (status = 422, description = "it does not fit the schemas")))]
pub(in crate::datasets) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(change): Body<ExampleChange>,
) -> ApiResult<Json<Value>> {
    let id = uuid("example_id", &id)?;
    apply(&app, None, vec![(id, change)]).await?;
    Ok(Json(json!({ "message": "1 examples updated", "count": 1, "example_ids": [id] })))
}

/// Changes several examples of one dataset, as one version.
#[utoipa::path(patch, path = "/examples/bulk", tag = "examples", request_body = Vec<ExampleChange>,
    responses((status = 200, description = "done"), (status = 404, description = "there is no such example"),
        (status = 409, description = "they are not all in one dataset"), (status = 422, description = "one does not fit the schemas")))]
pub(in crate::datasets) async fn change_several(
    State(app): State<App>,
    Body(changes): Body<Vec<ExampleChange>>,
) -> ApiResult<Json<Value>> {
    let mut wanted = Vec::with_capacity(changes.len());
    for change in changes {
        let id = change.id.ok_or_else(|| ApiError::invalid(&["body", "id"], "field required"))?;
        wanted.push((id, change));
    }
    let written = apply(&app, None, wanted).await?;
    let ids: Vec<Uuid> = written.iter().map(|example| example.id).collect();
    Ok(Json(
        json!({ "message": format!("{} examples updated", ids.len()), "count": ids.len(), "example_ids": ids }),
    ))
}

/// Applies changes to examples of one dataset: `of`, or that of the first.
///
/// 404 for an unknown example, 409 for one of another dataset; then nothing is changed.
pub(super) async fn apply(
    app: &App,
    of: Option<Dataset>,
    changes: Vec<(Uuid, ExampleChange)>,
) -> ApiResult<Vec<Example>> {
    let _alone = app.changing.lock().await;
    let mut dataset = of;
    // What the caller read before the lock may be old.
    if let Some(known) = &dataset {
        dataset = Some(dataset::find(app, known.id).await?);
    }
    let mut edits = Vec::with_capacity(changes.len());
    let mut schemas = None;
    for (id, change) in changes {
        let old =
            ledger::current(app, id).await?.ok_or_else(|| ApiError::not_found(format!("example {id}")))?;
        let dataset = match &dataset {
            Some(dataset) => dataset,
            None => dataset.insert(dataset::find(app, old.dataset).await?),
        };
        check_dataset(&old, dataset)?;
        if change.dataset_id.is_some_and(|named| named != dataset.id) {
            return Err(ApiError::conflict(format!("example {id} belongs to dataset {}", dataset.id)));
        }
        let schemas = match &schemas {
            Some(schemas) => schemas,
            None => schemas.insert(Schemas::of(dataset)?),
        };
        edits.push(change.edit(schemas, old)?);
    }
    match dataset {
        Some(dataset) => ledger::commit(app, dataset, edits).await,
        None => Ok(Vec::new()),
    }
}

/// Deletes an example; versions before this one keep it.
#[utoipa::path(delete, path = "/examples/{example_id}", tag = "examples", params(("example_id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
pub(in crate::datasets) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    let id = uuid("example_id", &id)?;
    match delete_all(&app, &[id]).await?.as_slice() {
        [] => Err(ApiError::not_found(format!("example {id}"))),
        _ => Ok(Json(json!({ "message": format!("example {id} deleted") }))),
    }
}

/// Deletes several examples; versions before this one keep them. Unknown ones are no error.
#[utoipa::path(delete, path = "/examples", tag = "examples", params(("example_ids" = Vec<Uuid>, Query)),
    responses((status = 200, description = "they are gone")))]
pub(in crate::datasets) async fn delete_several(
    State(app): State<App>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let ids: Vec<Uuid> = params.parse_all("example_ids")?;
    if ids.is_empty() {
        return Err(ApiError::invalid(&["query", "example_ids"], "field required"));
    }
    let deleted = delete_all(&app, &ids).await?;
    Ok(Json(json!({ "message": format!("{} examples deleted", deleted.len()), "example_ids": deleted })))
}

#[derive(Deserialize, ToSchema)]
pub(in crate::datasets) struct Deletion {
    example_ids: Vec<Uuid>,
    /// From all versions, not only from now on.
    #[serde(default)]
    hard_delete: bool,
}

/// Deletes examples from now on, or from all versions.
#[utoipa::path(post, path = "/platform/datasets/examples/delete", tag = "examples", request_body = Deletion,
    responses((status = 200, description = "`{count, example_ids}` of those there were")))]
pub(in crate::datasets) async fn delete_or_erase(
    State(app): State<App>,
    Body(wanted): Body<Deletion>,
) -> ApiResult<Json<Value>> {
    let Deletion { example_ids, hard_delete } = wanted;
    let gone = if hard_delete {
        erase_all(&app, &example_ids).await.map_err(ApiError::for_ingest)?
    } else {
        delete_all(&app, &example_ids).await.map_err(ApiError::for_ingest)?
    };
    Ok(Json(json!({ "count": gone.len(), "example_ids": gone })))
}

/// Deletes those there are, each dataset's in one version.
async fn delete_all(app: &App, ids: &[Uuid]) -> ApiResult<Vec<Uuid>> {
    let _alone = app.changing.lock().await;
    let mut by_dataset: BTreeMap<Uuid, Vec<Example>> = BTreeMap::new();
    let mut deleted = Vec::new();
    for id in ids.iter().collect::<BTreeSet<_>>() {
        if let Some(example) = ledger::current(app, *id).await? {
            deleted.push(*id);
            by_dataset.entry(example.dataset).or_default().push(example);
        }
    }
    for (dataset, examples) in by_dataset {
        let dataset = dataset::find(app, dataset).await?;
        ledger::commit(app, dataset, examples.into_iter().map(Edit::Delete).collect()).await?;
    }
    Ok(deleted)
}

async fn erase_all(app: &App, ids: &[Uuid]) -> ApiResult<Vec<Uuid>> {
    let _alone = app.changing.lock().await;
    let mut by_dataset: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for id in ids.iter().collect::<BTreeSet<_>>() {
        let dataset = match ledger::current(app, *id).await? {
            Some(example) => Some(example.dataset),
            None => ledger::past_of(app, None, *id).await?.first().and_then(|past| past.parent),
        };
        if let Some(dataset) = dataset {
            by_dataset.entry(dataset).or_default().push(*id);
        }
    }
    let mut erased = Vec::new();
    for (dataset, ids) in by_dataset {
        let dataset = dataset::find(app, dataset).await?;
        erased.extend(ledger::erase(app, dataset, &ids).await?);
    }
    Ok(erased)
}
