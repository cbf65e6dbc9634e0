//! Examples with files: multipart bodies, whose parts are named
//! `{example}`, `{example}.inputs`, `{example}.outputs`,
//! `{example}.attachment.{name}` and `{example}.attachments_operations`.

use std::collections::HashMap;

use assay_domain::run::Attachment;
use assay_store::{Batch, Key, Runs as _, blob_key, blob_reference};
use assay_wire::multipart::{self, Part};
use axum::Json;
use axum::extract::{Path, Request, State};
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::super::dataset::{self, Dataset};
use super::super::ledger::{self, Example, File};
use super::super::schema::Schemas;
use super::draft::{ExampleChange, FileChange, NewExample, settle};
use super::write::apply;
use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::extract::uuid;
use crate::fields::v1_time;

type Answer = ApiResult<(StatusCode, Json<Value>)>;

/// Adds examples, with files, as one version.
#[utoipa::path(post, path = "/platform/datasets/{dataset_id}/examples", tag = "examples",
    params(("dataset_id" = Uuid, Path)),
    request_body(content_type = "multipart/form-data", content = Object),
    responses((status = 201, description = "`{count, example_ids, as_of}`"), (status = 404, description = "no such dataset"),
        (status = 409, description = "an id is taken"), (status = 422, description = "one does not fit the schemas")))]
pub(in crate::datasets) async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    create_from(&app, &id, request).await.map_err(ApiError::for_ingest)
}

async fn create_from(app: &App, id: &str, request: Request) -> Answer {
    let dataset = dataset::find(app, uuid("dataset_id", id)?).await?;
    let Parts { examples, blobs, .. } = parts(app, request).await?;
    let schemas = Schemas::of(&dataset)?;
    let mut edits = Vec::with_capacity(examples.len());
    for given in examples {
        let mut new: NewExample = given.read()?;
        new.id = Some(given.id);
        new.inputs = given.inputs.or(new.inputs);
        new.outputs = given.outputs.or(new.outputs);
        new.files = given.files;
        edits.push(settle(app, &schemas, new).await?);
    }
    keep(app, blobs).await?;
    let _alone = app.changing.lock().await;
    let dataset = dataset::find(app, dataset.id).await?;
    let written = ledger::commit(app, dataset, edits).await?;
    Ok((StatusCode::CREATED, Json(answer(&written))))
}

/// Changes examples of one dataset, with files, as one version.
#[utoipa::path(patch, path = "/platform/datasets/{dataset_id}/examples", tag = "examples",
    params(("dataset_id" = Uuid, Path)),
    request_body(content_type = "multipart/form-data", content = Object),
    responses((status = 201, description = "`{count, example_ids, as_of}`"),
        (status = 404, description = "no such dataset or example"),
        (status = 409, description = "an example is in another dataset"),
        (status = 422, description = "one does not fit the schemas")))]
pub(in crate::datasets) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    change_from(&app, &id, request).await.map_err(ApiError::for_ingest)
}

async fn change_from(app: &App, id: &str, request: Request) -> Answer {
    let dataset: Dataset = dataset::find(app, uuid("dataset_id", id)?).await?;
    let Parts { examples, blobs, .. } = parts(app, request).await?;
    let mut changes = Vec::with_capacity(examples.len());
    for given in examples {
        let mut change: ExampleChange = given.read()?;
        change.inputs = given.inputs.or(change.inputs);
        change.outputs = given.outputs.or(change.outputs);
        change.attachments_operations = given.operations.or(change.attachments_operations);
        change.files = given.files;
        changes.push((given.id, change));
    }
    keep(app, blobs).await?;
    let written = apply(app, Some(dataset), changes).await?;
    Ok((StatusCode::CREATED, Json(answer(&written))))
}

fn answer(written: &[Example]) -> Value {
    let ids: Vec<Uuid> = written.iter().map(|example| example.id).collect();
    json!({
        "count": ids.len(),
        "example_ids": ids,
        "as_of": written.first().map(|example| v1_time(example.version)),
    })
}

/// Files are durable before the examples that have them.
async fn keep(app: &App, blobs: Vec<(Key, Vec<u8>)>) -> ApiResult<()> {
    if !blobs.is_empty() {
        app.store.append(Batch { blobs, ..Batch::default() }).await?;
    }
    Ok(())
}

/// What the parts of a body say.
#[derive(Default)]
struct Parts {
    /// In the order in which they are first named.
    examples: Vec<Given>,
    places: HashMap<Uuid, usize>,
    blobs: Vec<(Key, Vec<u8>)>,
}

/// What is said of one example.
#[derive(Default)]
struct Given {
    id: Uuid,
    fields: Value,
    inputs: Option<Map<String, Value>>,
    outputs: Option<Map<String, Value>>,
    operations: Option<FileChange>,
    files: Vec<File>,
}

impl Given {
    fn read<T: DeserializeOwned>(&self) -> ApiResult<T> {
        let fields = if self.fields.is_null() { json!({}) } else { self.fields.clone() };
        let place = self.id.to_string();
        T::deserialize(fields).map_err(|error| ApiError::invalid(&["body", &place], error.to_string()))
    }
}

async fn parts(app: &App, request: Request) -> ApiResult<Parts> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = multipart::boundary(content_type.unwrap_or_default());
    let boundary = boundary.map_err(|why| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))?;
    let bytes = body::read(request, app).await?;
    // Cutting, hashing and parsing megabytes must not hold up other requests.
    let read = tokio::task::spawn_blocking(move || {
        let mut parts = Parts::default();
        for part in multipart::parts(&bytes, &boundary).map_err(ApiError::bad_request)? {
            parts.take(&part)?;
        }
        Ok(parts)
    });
    read.await.unwrap_or_else(|_| Err(ApiError::bad_request("the body could not be read")))
}

impl Parts {
    fn take(&mut self, part: &Part<'_>) -> ApiResult<()> {
        let (id, what) = part.name.split_once('.').unwrap_or((&part.name, ""));
        let shown: String = part.name.chars().take(80).collect();
        let id = Uuid::parse_str(id);
        let id =
            id.map_err(|_| ApiError::invalid(&["body", &shown], "a part is named by the id of its example"))?;
        let index = *self.places.entry(id).or_insert_with(|| {
            self.examples.push(Given { id, ..Given::default() });
            self.examples.len() - 1
        });
        let Some(given) = self.examples.get_mut(index) else { return Ok(()) };
        match what {
            "" => given.fields = json(part, &shown)?,
            "inputs" => given.inputs = json(part, &shown)?,
            "outputs" => given.outputs = json(part, &shown)?,
            "attachments_operations" => given.operations = json(part, &shown)?,
            other => {
                let name = other.strip_prefix("attachment.").filter(|name| !name.is_empty());
                let why = "known are inputs, outputs, attachment.NAME and attachments_operations";
                let name = name.ok_or_else(|| ApiError::invalid(&["body", &shown], why))?;
                let key = blob_key(part.content);
                let attachment = Attachment {
                    name: name.to_owned(),
                    mime_type: part.mime_type(),
                    reference: blob_reference(&key),
                    size: u64::try_from(part.content.len()).ok(),
                };
                given.files.retain(|file| file.name != attachment.name);
                given.files.push(File::from(attachment));
                self.blobs.push((key, part.content.to_vec()));
            }
        }
        Ok(())
    }
}

fn json<T: DeserializeOwned>(part: &Part<'_>, shown: &str) -> ApiResult<T> {
    let parsed = assay_wire::json::parse(part.content);
    let value = parsed.map_err(|why| ApiError::invalid(&["body", shown], why))?.value;
    T::deserialize(value).map_err(|error| ApiError::invalid(&["body", shown], error.to_string()))
}
