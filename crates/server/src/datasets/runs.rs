//! Experiments side by side: examples with the runs that went through them.
//!
//! Examples come in the order in which the experiments first took them, and
//! only those that some run went through; one that was deleted since is shown
//! as it was last.

use std::collections::{BTreeMap, HashMap};

use assay_domain::{ProjectId, RunId};
use assay_store::{FeedbackStats, Order, RunQuery, RunRow, Runs as _};
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::dataset;
use super::examples::shape::{self, Select};
use super::ledger::{self, Example, Head};
use super::snapshot::{Selection, load};
use crate::app::App;
use crate::error::ApiResult;
use crate::extract::{Body, uuid};
use crate::runs::shown::{self, Needs, Shown};
use crate::runs::v1;
use crate::{filters, render};

/// What a preview has besides what every run has.
const PREVIEW: [&str; 15] = [
    "end_time",
    "error",
    "tags",
    "inputs_preview",
    "outputs_preview",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
    "total_cost",
    "prompt_cost",
    "completion_cost",
    "first_token_time",
    "feedback_stats",
    "reference_example_id",
    "parent_run_ids",
];

/// Which runs of which experiments.
#[derive(Deserialize, ToSchema)]
pub(super) struct ExamplesWithRuns {
    session_ids: Vec<Uuid>,
    #[serde(default)]
    offset: usize,
    /// 1 to 100, and 10 where absent.
    limit: Option<usize>,
    /// One line of inputs and outputs in the place of all of them.
    #[serde(default)]
    preview: bool,
    /// Filter expressions by experiment: an example needs a run there for which all of them hold.
    #[schema(value_type = Option<Object>)]
    filters: Option<HashMap<Uuid, Vec<String>>>,
    sort_params: Option<SortParams>,
    example_ids: Option<Vec<Uuid>>,
}

#[derive(Deserialize, ToSchema)]
struct SortParams {
    /// `start_time`, `latency`, `total_tokens`, `total_cost`, or `feedback.KEY`
    sort_by: String,
    /// `ASC` or `DESC` (where absent)
    #[serde(default)]
    sort_order: Option<String>,
}

/// Examples of a dataset with their runs in some experiments.
#[utoipa::path(post, path = "/datasets/{dataset_id}/runs", tag = "datasets", params(("dataset_id" = Uuid, Path)),
    request_body = ExamplesWithRuns,
    responses((status = 200, description = "a list of examples, each with `runs`"),
        (status = 404, description = "no such dataset")))]
pub(super) async fn query(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(wanted): Body<ExamplesWithRuns>,
) -> ApiResult<Response> {
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let limit = wanted.limit.unwrap_or(10).clamp(1, 100);
    let taken =
        taken(&app, &wanted.session_ids, wanted.filters.as_ref(), wanted.example_ids.as_deref()).await?;
    let taken = match &wanted.sort_params {
        Some(SortParams { sort_by, sort_order }) => {
            let is_ascending = sort_order.as_deref().is_some_and(|order| order.eq_ignore_ascii_case("asc"));
            sorted(&app, taken, sort_by, is_ascending).await?
        }
        None => taken,
    };
    let page: Vec<Taken> = taken.into_iter().skip(wanted.offset).take(limit).collect();
    let base_url = app.base_url(&headers);
    let found = together(&app, dataset.id, page, &base_url).await?;
    let select = if wanted.preview {
        v1::Select::Only(PREVIEW.into_iter().map(str::to_owned).collect())
    } else {
        v1::Select::Everything
    };
    render::json(move || {
        let join = |(mut example, runs): (Map<String, Value>, Vec<Shown>)| {
            let runs: Vec<Value> = runs.into_iter().map(|run| v1::json(run, &select)).collect();
            example.insert("runs".to_owned(), Value::Array(runs));
            Value::Object(example)
        };
        found.into_iter().map(join).collect::<Vec<_>>()
    })
    .await
}

/// An example and the runs that went through it.
pub(crate) struct Taken {
    example: Uuid,
    runs: Vec<RunRow>,
}

/// Every example that the experiments took, in the order in which they first did.
pub(crate) async fn taken(
    app: &App,
    experiments: &[Uuid],
    filters: Option<&HashMap<Uuid, Vec<String>>>,
    examples: Option<&[Uuid]>,
) -> ApiResult<Vec<Taken>> {
    let mut by_example: BTreeMap<Uuid, Vec<RunRow>> = BTreeMap::new();
    let mut needed = Vec::new();
    for experiment in experiments {
        let expressions =
            filters.and_then(|filters| filters.get(experiment)).map(Vec::as_slice).unwrap_or_default();
        let parsed = expressions.iter().map(|text| filters::parse("filters", Some(text)));
        let parsed: Vec<_> = parsed.collect::<ApiResult<Vec<_>>>()?.into_iter().flatten().collect();
        if !parsed.is_empty() {
            needed.push(ProjectId(*experiment));
        }
        let mut query = RunQuery {
            is_root: Some(true),
            filter: filters::all(parsed)?,
            order: Order::OldestFirst,
            limit: 1000,
            reference_examples: examples.unwrap_or_default().iter().map(Uuid::to_string).collect(),
            ..RunQuery::new(ProjectId(*experiment))
        };
        loop {
            let page = app.store.runs(&query).await?;
            for row in page.items {
                let example = row.reference_example.as_deref().and_then(|id| Uuid::parse_str(id).ok());
                if let Some(example) = example {
                    by_example.entry(example).or_default().push(row);
                }
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
    }
    let has_all =
        |runs: &[RunRow]| needed.iter().all(|project| runs.iter().any(|row| row.project == *project));
    let mut taken: Vec<Taken> = by_example
        .into_iter()
        .filter(|(_, runs)| has_all(runs))
        .map(|(example, runs)| Taken { example, runs })
        .collect();
    taken.sort_by_key(|taken| taken.runs.iter().map(|row| row.start_time).min());
    Ok(taken)
}

/// In the order of an amount that the runs of each example have on average.
pub(crate) async fn sorted(
    app: &App,
    taken: Vec<Taken>,
    by: &str,
    is_ascending: bool,
) -> ApiResult<Vec<Taken>> {
    let amounts = amounts(app, &taken, by).await?;
    let mean = |taken: &Taken| {
        let known: Vec<f64> = taken.runs.iter().filter_map(|row| amounts.get(&row.id).copied()).collect();
        if known.is_empty() { f64::NEG_INFINITY } else { known.iter().sum::<f64>() / known.len() as f64 }
    };
    let mut keyed: Vec<(f64, Taken)> = taken.into_iter().map(|taken| (mean(&taken), taken)).collect();
    keyed.sort_by(|(a, _), (b, _)| if is_ascending { a.total_cmp(b) } else { b.total_cmp(a) });
    Ok(keyed.into_iter().map(|(_, taken)| taken).collect())
}

/// What each run has of the amount with this name; nothing where that is not known.
async fn amounts(app: &App, taken: &[Taken], by: &str) -> ApiResult<HashMap<RunId, f64>> {
    let rows = || taken.iter().flat_map(|taken| &taken.runs);
    let of =
        |amount: fn(&RunRow) -> Option<f64>| rows().filter_map(|row| Some((row.id, amount(row)?))).collect();
    match by {
        "start_time" => Ok(of(|row| row.start_time.map(|time| time.timestamp_micros() as f64))),
        "latency" => Ok(of(|row| row.latency)),
        "total_tokens" => Ok(of(|row| Some(row.total_tokens as f64))),
        "total_cost" => Ok(of(|row| row.total_cost.and_then(|cost| cost.to_string().parse().ok()))),
        key => {
            let key = key.strip_prefix("feedback.").unwrap_or(key);
            let ids: Vec<RunId> = rows().map(|row| row.id).collect();
            let mut scores = HashMap::new();
            for chunk in ids.chunks(1000) {
                let stats = app.store.feedback_stats(chunk).await?;
                let score =
                    |(id, keys): (RunId, BTreeMap<String, FeedbackStats>)| Some((id, keys.get(key)?.mean?));
                scores.extend(stats.into_iter().filter_map(score));
            }
            Ok(scores)
        }
    }
}

/// What answers show of these examples and their runs.
pub(crate) async fn together(
    app: &App,
    dataset: Uuid,
    page: Vec<Taken>,
    base_url: &str,
) -> ApiResult<Vec<(Map<String, Value>, Vec<Shown>)>> {
    let ids: Vec<Uuid> = page.iter().map(|taken| taken.example).collect();
    let examples = last_states(app, dataset, &ids).await?;
    let shown = shape::all(app, examples, &Select::with_files(), base_url).await?;
    let mut examples: HashMap<String, Map<String, Value>> = shown
        .into_iter()
        .map(|example| (example.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(), example))
        .collect();
    let runs: Vec<RunId> = page.iter().flat_map(|taken| taken.runs.iter().map(|row| row.id)).collect();
    let mut shown: HashMap<RunId, Shown> = HashMap::new();
    for chunk in runs.chunks(100) {
        let query = RunQuery { ids: chunk.to_vec(), limit: chunk.len(), ..RunQuery::default() };
        let stored = app.store.stored_runs(&query).await?.items;
        let needs = Needs { feedback: true, share: false };
        let gathered = shown::gather(app, stored, needs, base_url).await?;
        shown.extend(gathered.into_iter().map(|run| (run.id(), run)));
    }
    let mut found = Vec::with_capacity(page.len());
    for Taken { example, runs } in page {
        let unknown =
            || Map::from_iter([("id".to_owned(), json!(example)), ("dataset_id".to_owned(), json!(dataset))]);
        let fields = examples.remove(&example.to_string()).unwrap_or_else(unknown);
        found.push((fields, runs.iter().filter_map(|row| shown.remove(&row.id)).collect()));
    }
    Ok(found)
}

/// Examples as they are, or as they were when they were deleted.
async fn last_states(app: &App, dataset: Uuid, ids: &[Uuid]) -> ApiResult<Vec<Example>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let selection =
        Selection { dataset: Some(dataset), ids: ids.iter().copied().collect(), ..Selection::default() };
    let mut states = selection.page(app, 0, ids.len()).await?;
    for id in ids {
        if !states.iter().any(|example| example.id == *id) {
            let past = ledger::past_of(app, Some(dataset), *id).await?;
            let last = past.iter().filter_map(Head::of).max_by_key(|head| head.until);
            states.extend(load(app, last.as_slice()).await?);
        }
    }
    Ok(states)
}
