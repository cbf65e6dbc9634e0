//! Examples out of tables: CSV files whose columns become inputs, outputs and metadata.

use std::collections::HashMap;

use assay_wire::multipart;
use axum::Json;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::dataset::{self, NewDataset};
use super::examples::shape::{self, Select};
use super::examples::{NewExample, settle};
use super::ledger;
use super::schema::Schemas;
use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::extract::uuid;

/// A CSV file and what its columns are, for the OpenAPI document.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "read by the derive of its schema only")]
struct UploadedTable {
    #[schema(value_type = String, format = Binary)]
    file: (),
    /// Columns that are inputs.
    input_keys: Vec<String>,
    output_keys: Option<Vec<String>>,
    metadata_keys: Option<Vec<String>>,
    /// Of a new dataset, as are the rest.
    name: Option<String>,
    description: Option<String>,
    data_type: Option<String>,
}

/// Makes a dataset of a CSV file. Values stay texts.
#[utoipa::path(post, path = "/datasets/upload", tag = "datasets",
    request_body(content_type = "multipart/form-data", content = UploadedTable),
    responses((status = 200, description = "the dataset"), (status = 409, description = "its name is taken"),
        (status = 422, description = "the table cannot be read or lacks a column")))]
pub(super) async fn upload_dataset(State(app): State<App>, request: Request) -> ApiResult<Json<Value>> {
    let mut form = Form::read(&app, request).await?;
    let name = form.text("name").or_else(|| form.filename.clone());
    let name = name.unwrap_or_else(|| format!("dataset of {}", app.now().format("%Y-%m-%d %H:%M:%S%.6f")));
    let new = NewDataset {
        id: form.json("id", true)?,
        name,
        description: form.text("description"),
        data_type: form.json("data_type", true)?,
        inputs_schema_definition: form.json("inputs_schema_definition", false)?,
        outputs_schema_definition: form.json("outputs_schema_definition", false)?,
        ..NewDataset::default()
    };
    let dataset = new.dataset(app.now())?;
    let schemas = Schemas::of(&dataset)?;
    let mut edits = Vec::new();
    for row in form.rows()? {
        edits.push(settle(&app, &schemas, row).await?);
    }
    let dataset = ledger::found(&app, dataset, edits).await?;
    Ok(Json(dataset::shape(&dataset, None)))
}

/// Adds the rows of a CSV file to a dataset.
#[utoipa::path(post, path = "/examples/upload/{dataset_id}", tag = "examples", params(("dataset_id" = Uuid, Path)),
    request_body(content_type = "multipart/form-data", content = UploadedTable),
    responses((status = 200, description = "a list of examples"), (status = 404, description = "no such dataset"),
        (status = 422, description = "the table cannot be read or lacks a column")))]
pub(super) async fn upload_examples(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> ApiResult<Json<Value>> {
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let mut form = Form::read(&app, request).await?;
    let schemas = Schemas::of(&dataset)?;
    let mut edits = Vec::new();
    for row in form.rows()? {
        edits.push(settle(&app, &schemas, row).await?);
    }
    let _alone = app.changing.lock().await;
    let dataset = dataset::find(&app, dataset.id).await?;
    let made = ledger::commit(&app, dataset, edits).await?;
    let shown = shape::all(&app, made, &Select::usual(), &app.base_url(&headers)).await?;
    Ok(Json(shown.into_iter().map(Value::Object).collect()))
}

/// The fields of a form, and its file.
#[derive(Default)]
struct Form {
    fields: HashMap<String, Vec<String>>,
    filename: Option<String>,
    file: Option<Vec<u8>>,
}

impl Form {
    async fn read(app: &App, request: Request) -> ApiResult<Self> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary = multipart::boundary(content_type.unwrap_or_default());
        let boundary = boundary.map_err(|why| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why))?;
        let bytes = body::read(request, app).await?;
        let mut form = Self::default();
        for part in multipart::parts(&bytes, &boundary).map_err(ApiError::bad_request)? {
            if part.name == "file" {
                form.filename = part.filename.filter(|name| !name.is_empty());
                form.file = Some(part.content.to_vec());
            } else {
                let text = String::from_utf8_lossy(part.content).into_owned();
                form.fields.entry(part.name).or_default().push(text);
            }
        }
        Ok(form)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.fields.get(name)?.first().filter(|text| !text.is_empty()).cloned()
    }

    /// A field that is JSON, or a bare word where words are allowed.
    fn json<T: DeserializeOwned>(&self, name: &str, is_word: bool) -> ApiResult<Option<T>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let value = if is_word { Ok(json!(text)) } else { serde_json::from_str(&text) };
        let read = value.and_then(serde_json::from_value);
        read.map(Some).map_err(|error| ApiError::invalid(&["body", name], error.to_string()))
    }

    /// The names under a field: repeated, or as one JSON list.
    fn names(&self, field: &str) -> Vec<String> {
        let given = self.fields.get(field).map(Vec::as_slice).unwrap_or_default();
        match given {
            [one] if one.starts_with('[') => serde_json::from_str(one).unwrap_or_else(|_| vec![one.clone()]),
            all => all.to_vec(),
        }
    }

    /// The rows of the file as new examples.
    fn rows(&mut self) -> ApiResult<Vec<NewExample>> {
        let file = self.file.take().ok_or_else(|| ApiError::invalid(&["body", "file"], "field required"))?;
        let text = std::str::from_utf8(&file).map_err(|error| {
            ApiError::invalid(&["body", "file"], format!("the table is not UTF-8: {error}"))
        })?;
        let mut table = csv::ReaderBuilder::new().from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let broken = |error: csv::Error| {
            ApiError::invalid(&["body", "file"], format!("the table cannot be read: {error}"))
        };
        let header = table.headers().map_err(broken)?.clone();
        let columns = |field: &str| -> ApiResult<Vec<(String, usize)>> {
            let place = |name: String| {
                let found = header.iter().position(|column| column == name);
                let shown: String = name.chars().take(80).collect();
                let missing =
                    || ApiError::invalid(&["body", field], format!("the table has no column {shown:?}"));
                found.map(|place| (name, place)).ok_or_else(missing)
            };
            self.names(field).into_iter().map(place).collect()
        };
        let inputs = columns("input_keys")?;
        if inputs.is_empty() {
            return Err(ApiError::invalid(&["body", "input_keys"], "name at least one column"));
        }
        let (outputs, metadata) = (columns("output_keys")?, columns("metadata_keys")?);
        let mut rows = Vec::new();
        for row in table.records() {
            let row = row.map_err(broken)?;
            let take = |columns: &[(String, usize)]| -> Map<String, Value> {
                let entry = |(name, place): &(String, usize)| Some((name.clone(), json!(row.get(*place)?)));
                columns.iter().filter_map(entry).collect()
            };
            rows.push(NewExample {
                inputs: Some(take(&inputs)),
                outputs: (!outputs.is_empty()).then(|| take(&outputs)),
                metadata: Some(take(&metadata)),
                ..NewExample::default()
            });
        }
        Ok(rows)
    }
}
