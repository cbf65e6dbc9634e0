//! Experiments that ran elsewhere, sent whole: examples, what was answered, and scores.
//!
//! One request becomes what a client of an experiment would have sent piece by
//! piece: a dataset with its examples, a project over it, a run and feedback for
//! each row. Runs and feedback take the way of all others, through `wire` and
//! [`ingest::accept`].

use std::collections::BTreeMap;

use assay_domain::{ProjectId, RunId};
use assay_store::{Catalog as _, NewProject, Project, Records as _};
use assay_wire::{Names, langsmith};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::dataset::{self, Dataset, NewDataset};
use super::examples::{NewExample, check_dataset, settle};
use super::ledger::{self, Edit};
use super::schema::Schemas;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::fields::Moment;
use crate::ingest::{Arrival, Door, accept};
use crate::{feedback, projects};

/// In one request.
const MAX_ROWS: usize = 10_000;

type Fields = Map<String, Value>;

/// An experiment and its results.
#[derive(Deserialize, ToSchema)]
pub(super) struct ExperimentUpload {
    experiment_name: String,
    experiment_description: Option<String>,
    experiment_start_time: Moment,
    experiment_end_time: Moment,
    #[schema(value_type = Option<Object>)]
    experiment_metadata: Option<Fields>,
    /// The dataset by id or by name; made where there is none.
    dataset_id: Option<Uuid>,
    dataset_name: Option<String>,
    dataset_description: Option<String>,
    /// Feedback about the experiment as a whole.
    #[schema(value_type = Option<Vec<Object>>)]
    summary_experiment_scores: Option<Vec<Fields>>,
    results: Vec<ExperimentRow>,
}

/// What became of one example.
#[derive(Deserialize, ToSchema)]
struct ExperimentRow {
    /// The example. Where absent, rows of equal inputs and expected outputs are one example.
    row_id: Option<Uuid>,
    #[schema(value_type = Object)]
    inputs: Fields,
    #[schema(value_type = Option<Object>)]
    expected_outputs: Option<Fields>,
    #[schema(value_type = Option<Object>)]
    actual_outputs: Option<Fields>,
    #[schema(value_type = Option<Vec<Object>>)]
    evaluation_scores: Option<Vec<Fields>>,
    start_time: Moment,
    end_time: Moment,
    run_name: Option<String>,
    error: Option<String>,
    #[schema(value_type = Option<Object>)]
    run_metadata: Option<Fields>,
}

/// Takes an experiment that has been run already.
#[utoipa::path(post, path = "/datasets/upload-experiment", tag = "datasets", request_body = ExperimentUpload,
    responses((status = 200, description = "`{dataset, experiment}`"), (status = 404, description = "no dataset has the id, and no name is given"),
        (status = 409, description = "the experiment's name is taken, or an example belongs to another dataset"),
        (status = 422, description = "an example does not fit the schemas, or a score cannot be read")))]
pub(super) async fn upload_experiment(
    State(app): State<App>,
    Body(mut given): Body<ExperimentUpload>,
) -> ApiResult<Json<Value>> {
    if given.results.len() > MAX_ROWS {
        return Err(ApiError::invalid(&["body", "results"], format!("at most {MAX_ROWS} rows at once")));
    }
    if app.store.project(&given.experiment_name).await?.is_some() {
        let shown: String = given.experiment_name.chars().take(80).collect();
        return Err(ApiError::conflict(format!(
            "there is a project {shown:?}; name the experiment otherwise"
        )));
    }
    // Read before anything is written: a score that is none refuses the whole.
    let experiment = ProjectId(Uuid::now_v7());
    let scored: Vec<(RunId, Vec<Fields>)> = given
        .results
        .iter_mut()
        .map(|row| (RunId(Uuid::now_v7()), row.evaluation_scores.take().unwrap_or_default()))
        .collect();
    let mut said = Vec::new();
    for (run, scores) in &scored {
        let about = json!({ "run_id": run, "trace_id": run, "session_id": experiment });
        said.extend(scores.iter().map(|score| about_of(score, &about)));
    }
    let about = json!({ "session_id": experiment });
    said.extend(
        given.summary_experiment_scores.take().into_iter().flatten().map(|score| about_of(&score, &about)),
    );
    let mut said = langsmith::feedback(Value::Array(said), Names::everywhere(RunId(experiment.0)));
    if let Some(wrong) = said.rejected.first() {
        return Err(ApiError::invalid(&["body", "results", "evaluation_scores"], wrong.reason.clone()));
    }

    let (dataset, examples) = keep_examples(&app, &given).await?;
    let project = found(&app, &given, experiment, dataset.id).await?;
    let runs: Vec<Value> = given
        .results
        .into_iter()
        .zip(examples)
        .zip(&scored)
        .map(|((row, example), (run, _))| run_of(row, example, *run, experiment))
        .collect();
    let body = json!({ "post": runs }).to_string();
    let mut decoded = langsmith::body::batch(body.as_bytes()).map_err(ApiError::bad_request)?;
    feedback::prepare(&app, &mut said.feedback).await?;
    decoded.append(said);
    accept(&app, Arrival { door: Door::Batch, project: "", bytes: body.len(), import: None }, decoded)
        .await?;
    let dataset = dataset::shape(&dataset, None);
    Ok(Json(json!({ "dataset": dataset, "experiment": projects::json::of(&project, None) })))
}

/// A score with what it is about, whatever it says of that itself.
fn about_of(score: &Fields, about: &Value) -> Value {
    let mut score = score.clone();
    score.extend(about.as_object().cloned().unwrap_or_default());
    Value::Object(score)
}

/// The dataset, with an example for each row; the example of each row in order.
async fn keep_examples(app: &App, given: &ExperimentUpload) -> ApiResult<(Dataset, Vec<Uuid>)> {
    let _alone = app.changing.lock().await;
    let known = match (given.dataset_id, &given.dataset_name) {
        (Some(id), None) => Some(dataset::find(app, id).await?),
        (Some(id), Some(_)) => app.store.record(dataset::KIND, id).await?.map(Dataset::of).transpose()?,
        (None, Some(name)) => dataset::find_by_name(app, name).await?,
        (None, None) => {
            return Err(ApiError::invalid(&["body", "dataset_name"], "name the dataset, by name or by id"));
        }
    };
    let is_new = known.is_none();
    let dataset = match known {
        Some(dataset) => dataset,
        None => NewDataset {
            id: given.dataset_id,
            name: given.dataset_name.clone().unwrap_or_default(),
            description: given.dataset_description.clone(),
            ..NewDataset::default()
        }
        .dataset(app.now())?,
    };
    let schemas = Schemas::of(&dataset)?;
    let mut examples = Vec::with_capacity(given.results.len());
    let mut edits: BTreeMap<Uuid, (usize, Edit)> = BTreeMap::new();
    for (place, row) in given.results.iter().enumerate() {
        let id = row.row_id.unwrap_or_else(|| example_of(dataset.id, row));
        examples.push(id);
        if edits.contains_key(&id) {
            continue;
        }
        if let Some(example) = ledger::current(app, id).await? {
            check_dataset(&example, &dataset)?;
            continue;
        }
        let new = NewExample {
            id: Some(id),
            inputs: Some(row.inputs.clone()),
            outputs: row.expected_outputs.clone(),
            ..NewExample::default()
        };
        edits.insert(id, (place, settle(app, &schemas, new).await?));
    }
    let mut edits: Vec<(usize, Edit)> = edits.into_values().collect();
    edits.sort_by_key(|(place, _)| *place);
    let edits: Vec<Edit> = edits.into_iter().map(|(_, edit)| edit).collect();
    let id = dataset.id;
    if is_new {
        ledger::found(app, dataset, edits).await?;
    } else {
        ledger::commit(app, dataset, edits).await?;
    }
    Ok((dataset::find(app, id).await?, examples))
}

/// The example that rows of these inputs and expected outputs are, in a dataset.
fn example_of(dataset: Uuid, row: &ExperimentRow) -> Uuid {
    let ExperimentRow { inputs, expected_outputs, .. } = row;
    RunId::from_name(&json!(["example", dataset, inputs, expected_outputs]).to_string()).0
}

async fn found(app: &App, given: &ExperimentUpload, id: ProjectId, dataset: Uuid) -> ApiResult<Project> {
    let mut details = Fields::new();
    details.insert("end_time".to_owned(), json!(given.experiment_end_time.0));
    if let Some(description) = &given.experiment_description {
        details.insert("description".to_owned(), json!(description));
    }
    if let Some(metadata) = &given.experiment_metadata {
        details.insert("extra".to_owned(), json!({ "metadata": metadata }));
    }
    let new = NewProject {
        id: Some(id),
        name: given.experiment_name.clone(),
        created_at: Some(given.experiment_start_time.0),
        reference_dataset: Some(dataset),
        details,
    };
    Ok(app.store.create_project(new).await?)
}

/// A row as the run that a client would have sent.
fn run_of(row: ExperimentRow, example: Uuid, run: RunId, experiment: ProjectId) -> Value {
    let ExperimentRow { inputs, actual_outputs, start_time, end_time, run_name, error, run_metadata, .. } =
        row;
    json!({
        "id": run, "trace_id": run, "session_id": experiment, "run_type": "chain",
        "name": run_name.unwrap_or_else(|| "experiment".to_owned()),
        "inputs": inputs, "outputs": actual_outputs, "error": error,
        "start_time": start_time.0, "end_time": end_time.0,
        "extra": { "metadata": run_metadata }, "reference_example_id": example,
    })
}
