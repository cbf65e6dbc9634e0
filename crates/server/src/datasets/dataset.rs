//! The datasets themselves: making, listing, changing, deleting, copying.

use std::collections::{BTreeMap, HashMap};

use assay_domain::Time;
use assay_store::{Catalog as _, Change, Record, RecordQuery, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::conditions::contains;
use super::ledger::{self, EXAMPLE, Edit, PAST, VERSION};
use super::schema::Schema;
use super::snapshot::{Order, Selection};
use super::{comparative, share, versions};
use crate::app::{App, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, stated, uuid};
use crate::fields::{Moment, v1_time};

pub(super) const KIND: &str = "dataset";

/// A dataset, without its examples.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    pub(crate) id: Uuid,
    pub(super) name: String,
    pub(super) created_at: Time,
    /// Of itself or of one of its examples.
    pub(super) modified_at: Time,
    pub(super) details: Details,
}

/// The body of its record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Details {
    pub(super) description: Option<String>,
    pub(super) data_type: DataType,
    pub(super) inputs_schema_definition: Option<Value>,
    pub(super) outputs_schema_definition: Option<Value>,
    pub(super) metadata: Option<Map<String, Value>>,
    pub(super) externally_managed: bool,
    pub(super) baseline_experiment_id: Option<Uuid>,
    /// How many there are now.
    pub(super) examples: u64,
    /// The last one.
    pub(super) version: Option<Time>,
    /// Names of versions.
    pub(super) tags: BTreeMap<String, Time>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum DataType {
    #[default]
    Kv,
    Llm,
    Chat,
}

impl Dataset {
    pub(super) fn of(record: Record) -> ApiResult<Self> {
        let Record { id, name, created_at, modified_at, body, .. } = record;
        let details = Details::deserialize(&body).map_err(|error| {
            tracing::error!(dataset = %id, %error, "a dataset cannot be read");
            let text = format!("dataset {id} cannot be read; the server's log says why");
            ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, text)
        })?;
        Ok(Self { id, name: name.unwrap_or_default(), created_at, modified_at, details })
    }

    pub(super) fn record(&self) -> Record {
        Record {
            kind: KIND.to_owned(),
            id: self.id,
            name: Some(self.name.clone()),
            created_at: self.created_at,
            modified_at: self.modified_at,
            body: json!(self.details),
            ..Record::default()
        }
    }

    /// A moment for a new version: now, but later than all versions before.
    pub(super) fn next_version(&self, now: Time) -> Time {
        // Moments are kept, and compared by clients, in whole microseconds.
        let now = Time::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        let after = self.details.version.map(|version| version + TimeDelta::microseconds(1));
        after.map_or(now, |after| after.max(now))
    }
}

/// The dataset with this id; 404 where there is none.
pub(crate) async fn find(app: &App, id: Uuid) -> ApiResult<Dataset> {
    let record = app.store.record(KIND, id).await?;
    record.map(Dataset::of).transpose()?.ok_or_else(|| ApiError::not_found(format!("dataset {id}")))
}

/// The dataset with this name.
pub(super) async fn find_by_name(app: &App, name: &str) -> ApiResult<Option<Dataset>> {
    let query = RecordQuery { kind: KIND.to_owned(), name: Some(name.to_owned()), ..RecordQuery::default() };
    app.store.records(&query).await?.pop().map(Dataset::of).transpose()
}

/// What a new dataset is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct NewDataset {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) id: Option<Uuid>,
    pub(super) created_at: Option<Moment>,
    pub(super) data_type: Option<DataType>,
    #[schema(value_type = Option<Object>)]
    pub(super) inputs_schema_definition: Option<Value>,
    #[schema(value_type = Option<Object>)]
    pub(super) outputs_schema_definition: Option<Value>,
    #[schema(value_type = Option<Vec<Object>>)]
    pub(super) transformations: Option<Vec<Value>>,
    pub(super) externally_managed: Option<bool>,
    /// Its `metadata` is that of the dataset.
    #[schema(value_type = Option<Object>)]
    pub(super) extra: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    pub(super) metadata: Option<Map<String, Value>>,
}

impl NewDataset {
    pub(super) fn dataset(self, now: Time) -> ApiResult<Dataset> {
        let Self {
            name, description, id, created_at, data_type, transformations, externally_managed, ..
        } = self;
        check_name(&name)?;
        check_transformations(transformations.as_deref())?;
        for (field, schema) in [
            ("inputs_schema_definition", &self.inputs_schema_definition),
            ("outputs_schema_definition", &self.outputs_schema_definition),
        ] {
            Schema::of(field, schema.as_ref())?;
        }
        let in_extra = self.extra.and_then(|mut extra| extra.remove("metadata"));
        let in_extra = in_extra.and_then(|metadata| Map::deserialize(metadata).ok());
        let created_at = created_at.map_or(now, |Moment(created)| created);
        Ok(Dataset {
            id: id.unwrap_or_else(Uuid::now_v7),
            name,
            created_at,
            modified_at: created_at,
            details: Details {
                description,
                data_type: data_type.unwrap_or_default(),
                inputs_schema_definition: self.inputs_schema_definition,
                outputs_schema_definition: self.outputs_schema_definition,
                metadata: self.metadata.or(in_extra),
                externally_managed: externally_managed.unwrap_or(false),
                ..Details::default()
            },
        })
    }
}

fn check_name(name: &str) -> ApiResult<()> {
    if name.trim().is_empty() || name.chars().count() > 1000 {
        return Err(ApiError::invalid(&["body", "name"], "a name of 1 to 1000 characters is needed"));
    }
    Ok(())
}

/// What would change examples on their way in is refused, not ignored.
fn check_transformations(given: Option<&[Value]>) -> ApiResult<()> {
    if given.is_some_and(|list| !list.is_empty()) {
        let text = "transformations are not supported; transform examples before sending them";
        return Err(ApiError::invalid(&["body", "transformations"], text));
    }
    Ok(())
}

/// Makes an empty dataset.
#[utoipa::path(post, path = "/datasets", tag = "datasets", request_body = NewDataset,
    responses((status = 200, description = "the dataset"), (status = 409, description = "its name or id is taken")))]
pub(super) async fn create(State(app): State<App>, Body(new): Body<NewDataset>) -> ApiResult<Json<Value>> {
    let dataset = new.dataset(app.now())?;
    app.store.change(vec![Change::Insert(dataset.record())]).await?;
    Ok(Json(shape(&dataset, None)))
}

/// Lists datasets.
#[utoipa::path(get, path = "/datasets", tag = "datasets",
    params(
        ("id" = Option<Vec<Uuid>>, Query),
        ("name" = Option<String>, Query, description = "exactly this name"),
        ("name_contains" = Option<String>, Query),
        ("data_type" = Option<Vec<String>>, Query),
        ("metadata" = Option<String>, Query, description = "JSON that is contained in the metadata"),
        ("sort_by" = Option<String>, Query,
            description = "`name`, `created_at`, `modified_at`, `last_session_start_time`, `example_count`, `session_count`"),
        ("sort_by_desc" = Option<bool>, Query),
        ("offset" = Option<usize>, Query),
        ("limit" = Option<usize>, Query, description = "1 to 100"),
    ),
    responses((status = 200, description = "a list of datasets")))]
pub(super) async fn list(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    let query = RecordQuery {
        kind: KIND.to_owned(),
        ids: params.parse_all("id")?,
        name: params.get("name").map(str::to_owned),
        name_contains: params.get("name_contains").map(str::to_owned),
        ..RecordQuery::default()
    };
    let types: Vec<&str> = params.all("data_type").collect();
    let metadata = json_object(&params, "metadata")?;
    let records = app.store.records(&query).await?;
    let mut found: Vec<Dataset> = records.into_iter().map(Dataset::of).collect::<ApiResult<_>>()?;
    found.retain(|dataset| {
        let data_type = json!(dataset.details.data_type);
        let is_of_type = types.is_empty() || types.iter().any(|wanted| data_type == *wanted);
        let has = |wanted: &Value| contains(&json!(dataset.details.metadata), wanted);
        is_of_type && metadata.as_ref().is_none_or(has)
    });
    let experiments = experiments(&app).await?;
    sort(&mut found, &params, &experiments)?;
    let (offset, limit) = params.page()?;
    let page = found.iter().skip(offset).take(limit);
    Ok(Json(page.map(|dataset| shape(dataset, experiments.get(&dataset.id))).collect()))
}

/// A parameter that is a JSON object.
pub(super) fn json_object(params: &Params, name: &str) -> ApiResult<Option<Value>> {
    let Some(text) = params.get(name) else { return Ok(None) };
    match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => Ok(Some(object)),
        _ => Err(ApiError::invalid(&["query", name], "a JSON object is needed")),
    }
}

fn sort(found: &mut [Dataset], params: &Params, experiments: &HashMap<Uuid, Experiments>) -> ApiResult<()> {
    let last_start = |dataset: &Dataset| experiments.get(&dataset.id).and_then(|of_it| of_it.last_start);
    let count = |dataset: &Dataset| experiments.get(&dataset.id).map_or(0, |of_it| of_it.count);
    match params.get("sort_by").unwrap_or("created_at") {
        "name" => found.sort_by(|a, b| a.name.cmp(&b.name)),
        "created_at" => found.sort_by_key(|dataset| (dataset.created_at, dataset.id)),
        "modified_at" => found.sort_by_key(|dataset| dataset.modified_at),
        "example_count" => found.sort_by_key(|dataset| dataset.details.examples),
        "session_count" => found.sort_by_key(count),
        "last_session_start_time" => found.sort_by_key(|dataset| (last_start(dataset), dataset.created_at)),
        other => {
            let shown: String = other.chars().take(40).collect();
            return Err(ApiError::invalid(
                &["query", "sort_by"],
                format!("datasets cannot be sorted by {shown:?}"),
            ));
        }
    }
    if params.flag("sort_by_desc")?.unwrap_or(true) {
        found.reverse();
    }
    Ok(())
}

/// One dataset.
#[utoipa::path(get, path = "/datasets/{dataset_id}", tag = "datasets", params(("dataset_id" = Uuid, Path)),
    responses((status = 200, description = "the dataset"), (status = 404, description = "there is none")))]
pub(super) async fn read(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let dataset = find(&app, uuid("dataset_id", &id)?).await?;
    let experiments = experiments(&app).await?;
    Ok(Json(shape(&dataset, experiments.get(&dataset.id))))
}

/// What to change; absent means unchanged, null takes back.
#[derive(Deserialize, ToSchema)]
pub(super) struct DatasetChange {
    name: Option<String>,
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<Object>)]
    inputs_schema_definition: Option<Option<Value>>,
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<Object>)]
    outputs_schema_definition: Option<Option<Value>>,
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Option<Map<String, Value>>>,
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<Uuid>)]
    baseline_experiment_id: Option<Option<Uuid>>,
    #[schema(value_type = Option<Vec<Object>>)]
    transformations: Option<Vec<Value>>,
    #[schema(value_type = Option<Object>)]
    patch_examples: Option<Map<String, Value>>,
}

/// Changes a dataset. Schemas hold for what is written from now on.
#[utoipa::path(patch, path = "/datasets/{dataset_id}", tag = "datasets", params(("dataset_id" = Uuid, Path)),
    request_body = DatasetChange,
    responses((status = 200, description = "the dataset as it is now"), (status = 404, description = "there is none"),
        (status = 409, description = "the name is taken")))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(change): Body<DatasetChange>,
) -> ApiResult<Json<Value>> {
    check_transformations(change.transformations.as_deref())?;
    if change.patch_examples.is_some_and(|examples| !examples.is_empty()) {
        let text = "examples are not changed with their dataset; use PATCH /examples/bulk";
        return Err(ApiError::invalid(&["body", "patch_examples"], text));
    }
    let id = uuid("dataset_id", &id)?;
    let _alone = app.changing.lock().await;
    let mut dataset = find(&app, id).await?;
    let details = &mut dataset.details;
    if let Some(name) = change.name {
        check_name(&name)?;
        dataset.name = name;
    }
    if let Some(schema) = change.inputs_schema_definition {
        Schema::of("inputs_schema_definition", schema.as_ref())?;
        details.inputs_schema_definition = schema;
    }
    if let Some(schema) = change.outputs_schema_definition {
        Schema::of("outputs_schema_definition", schema.as_ref())?;
        details.outputs_schema_definition = schema;
    }
    replace(&mut details.description, change.description);
    replace(&mut details.metadata, change.metadata);
    replace(&mut details.baseline_experiment_id, change.baseline_experiment_id);
    dataset.modified_at = app.now();
    app.store.change(vec![Change::Replace(dataset.record())]).await?;
    let experiments = experiments(&app).await?;
    Ok(Json(shape(&dataset, experiments.get(&dataset.id))))
}

fn replace<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

/// Deletes a dataset with its examples and their history. Its experiments stay as projects.
#[utoipa::path(delete, path = "/datasets/{dataset_id}", tag = "datasets", params(("dataset_id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
pub(super) async fn delete(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id = uuid("dataset_id", &id)?;
    let _alone = app.changing.lock().await;
    find(&app, id).await?;
    app.store.change(deletion(id)).await?;
    Ok(Json(json!({ "message": format!("dataset {id} deleted") })))
}

/// Deletes several datasets, all or none; unknown ones are no error.
#[utoipa::path(delete, path = "/datasets", tag = "datasets", params(("dataset_ids" = Vec<Uuid>, Query)),
    responses((status = 200, description = "they are gone")))]
pub(super) async fn delete_several(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    let ids: Vec<Uuid> = params.parse_all("dataset_ids")?;
    if ids.is_empty() {
        return Err(ApiError::invalid(&["query", "dataset_ids"], "field required"));
    }
    let _alone = app.changing.lock().await;
    app.store.change(ids.iter().flat_map(|id| deletion(*id)).collect()).await?;
    Ok(Json(json!({ "message": "datasets deleted" })))
}

fn deletion(id: Uuid) -> Vec<Change> {
    let children = [EXAMPLE, PAST, VERSION, comparative::KIND];
    let children = children.map(|kind| Change::DeleteChildren { kind: kind.to_owned(), parent: id });
    let own = [KIND, share::KIND].map(|kind| Change::Delete { kind: kind.to_owned(), id });
    children.into_iter().chain(own).collect()
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Copying {
    source_dataset_id: Uuid,
    target_dataset_id: Uuid,
    /// A moment or the tag of a version.
    as_of: Option<String>,
    #[serde(default)]
    examples: Vec<Uuid>,
    #[serde(default, deserialize_with = "crate::fields::list")]
    split: Vec<String>,
}

/// Copies examples of one dataset into another, with new ids.
#[utoipa::path(post, path = "/datasets/clone", tag = "datasets", request_body = Copying,
    responses((status = 200, description = "a list of `{id}` of the copies"), (status = 404, description = "no such dataset")))]
pub(super) async fn copy(State(app): State<App>, Body(wanted): Body<Copying>) -> ApiResult<Json<Value>> {
    let _alone = app.changing.lock().await;
    let source = find(&app, wanted.source_dataset_id).await?;
    let target = find(&app, wanted.target_dataset_id).await?;
    let at = versions::moment(Some(&source), wanted.as_of.as_deref())?;
    let (ids, splits) = (wanted.examples.into_iter().collect(), wanted.split);
    let selection = Selection {
        dataset: Some(source.id),
        at,
        ids,
        splits,
        order: Order::OldestFirst,
        ..Selection::default()
    };
    let examples = selection.page(&app, 0, usize::MAX).await?;
    let create = |content| Edit::Create { id: Uuid::now_v7(), created_at: None, content };
    let edits = examples.into_iter().map(|example| create(example.content)).collect();
    let made = ledger::commit(&app, target, edits).await?;
    Ok(Json(made.iter().map(|example| json!({ "id": example.id })).collect()))
}

/// The experiments over a dataset.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Experiments {
    count: u64,
    last_start: Option<Time>,
}

/// The experiments over each dataset.
async fn experiments(app: &App) -> ApiResult<HashMap<Uuid, Experiments>> {
    let mut by_dataset: HashMap<Uuid, Experiments> = HashMap::new();
    for project in app.store.projects().await? {
        let Some(dataset) = project.reference_dataset else { continue };
        let of_it = by_dataset.entry(dataset).or_default();
        of_it.count += 1;
        of_it.last_start = of_it.last_start.max(project.created_at);
    }
    Ok(by_dataset)
}

pub(super) fn shape(dataset: &Dataset, experiments: Option<&Experiments>) -> Value {
    let Dataset { id, name, created_at, modified_at, details } = dataset;
    let experiments = experiments.copied().unwrap_or_default();
    json!({
        "id": id,
        "name": name,
        "description": details.description,
        "data_type": details.data_type,
        "created_at": v1_time(*created_at),
        "modified_at": v1_time(*modified_at),
        "tenant_id": WORKSPACE,
        "inputs_schema_definition": details.inputs_schema_definition,
        "outputs_schema_definition": details.outputs_schema_definition,
        "transformations": null,
        "metadata": details.metadata,
        "externally_managed": details.externally_managed,
        "baseline_experiment_id": details.baseline_experiment_id,
        "example_count": details.examples,
        "session_count": experiments.count,
        "last_session_start_time": experiments.last_start.map(v1_time),
    })
}

/// What anybody with the share token may see of a dataset.
pub(super) fn public_shape(dataset: &Dataset) -> Value {
    let mut shape = shape(dataset, None);
    if let Some(fields) = shape.as_object_mut() {
        for inner in
            ["tenant_id", "session_count", "last_session_start_time", "baseline_experiment_id", "metadata"]
        {
            fields.shift_remove(inner);
        }
    }
    shape
}
