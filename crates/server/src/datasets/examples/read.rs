//! Reading examples.

use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde_json::Value;
use uuid::Uuid;

use super::super::ledger;
use super::super::snapshot::{At, Order, Selection};
use super::super::{conditions, dataset, versions};
use super::shape::{self, Select};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, uuid};

/// Lists examples, newest first unless asked otherwise.
#[utoipa::path(get, path = "/examples", tag = "examples",
    params(
        ("dataset" = Option<Uuid>, Query),
        ("id" = Option<Vec<Uuid>>, Query),
        ("as_of" = Option<String>, Query, description = "as they were at a moment, or in the version with this tag"),
        ("splits" = Option<Vec<String>>, Query),
        ("metadata" = Option<String>, Query, description = "JSON that is contained in the metadata"),
        ("filter" = Option<String>, Query, description = "an expression such as `exists(metadata, \"k\")`"),
        ("full_text_contains" = Option<Vec<String>>, Query),
        ("select" = Option<Vec<String>>, Query, description = "fields to answer besides the usual ones"),
        ("exclude_default_fields" = Option<bool>, Query, description = "nothing but the selected fields and the id"),
        ("order" = Option<String>, Query, description = "`recent`, `recently_created`, `id` or `random`"),
        ("descending" = Option<bool>, Query),
        ("random_seed" = Option<f64>, Query),
        ("offset" = Option<usize>, Query),
        ("limit" = Option<usize>, Query, description = "1 to 100"),
    ),
    responses((status = 200, description = "a list of examples"), (status = 404, description = "no such dataset or tag")))]
pub(in crate::datasets) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    params: Params,
) -> ApiResult<Json<Value>> {
    let dataset = params.parse("dataset")?;
    let page = page_for(&app, dataset, &params, &app.base_url(&headers)).await?;
    Ok(Json(page))
}

/// The page of a dataset's (or all) examples that the parameters ask for.
pub(in crate::datasets) async fn page_for(
    app: &App,
    dataset: Option<Uuid>,
    params: &Params,
    base_url: &str,
) -> ApiResult<Value> {
    let selection = selection(app, dataset, params).await?;
    let (offset, limit) = params.page()?;
    let names = params.all("select").map(str::to_owned).collect();
    let select = Select::of(names, params.flag("exclude_default_fields")?.unwrap_or(false));
    let examples = selection.page(app, offset, limit).await?;
    let shown = shape::all(app, examples, &select, base_url).await?;
    Ok(shown.into_iter().map(Value::Object).collect())
}

async fn selection(app: &App, dataset: Option<Uuid>, params: &Params) -> ApiResult<Selection> {
    let found = match dataset {
        Some(id) => Some(dataset::find(app, id).await?),
        None => None,
    };
    Ok(Selection {
        dataset,
        at: versions::moment(found.as_ref(), params.get("as_of"))?,
        ids: params.parse_all("id")?.into_iter().collect(),
        splits: params.all("splits").map(str::to_owned).collect(),
        conditions: conditions::of(params)?,
        order: order(params)?,
    })
}

fn order(params: &Params) -> ApiResult<Order> {
    let is_ascending = params.flag("descending")? == Some(false);
    match params.get("order").unwrap_or("recent") {
        "recent" | "recently_created" if is_ascending => Ok(Order::OldestFirst),
        "recent" | "recently_created" => Ok(Order::NewestFirst),
        "id" => Ok(Order::ById),
        "random" => {
            let seed: Option<f64> = params.parse("random_seed")?;
            Ok(Order::Shuffled(seed.unwrap_or(0.0).to_bits()))
        }
        other => {
            let shown: String = other.chars().take(40).collect();
            let why = format!("{shown:?} is none of recent, recently_created, id and random");
            Err(ApiError::invalid(&["query", "order"], why))
        }
    }
}

/// How many examples there are.
#[utoipa::path(get, path = "/examples/count", tag = "examples",
    params(
        ("dataset" = Option<Uuid>, Query), ("id" = Option<Vec<Uuid>>, Query), ("as_of" = Option<String>, Query),
        ("splits" = Option<Vec<String>>, Query), ("metadata" = Option<String>, Query),
        ("filter" = Option<String>, Query), ("full_text_contains" = Option<Vec<String>>, Query),
    ),
    responses((status = 200, description = "a number"), (status = 404, description = "no such dataset or tag")))]
pub(in crate::datasets) async fn count(State(app): State<App>, params: Params) -> ApiResult<Json<usize>> {
    let dataset = params.parse("dataset")?;
    Ok(Json(count_for(&app, dataset, &params).await?))
}

pub(in crate::datasets) async fn count_for(
    app: &App,
    dataset: Option<Uuid>,
    params: &Params,
) -> ApiResult<usize> {
    selection(app, dataset, params).await?.count(app).await
}

/// One example, with its files.
#[utoipa::path(get, path = "/examples/{example_id}", tag = "examples",
    params(("example_id" = Uuid, Path), ("as_of" = Option<String>, Query), ("dataset" = Option<Uuid>, Query)),
    responses((status = 200, description = "the example"), (status = 404, description = "there is none at that time")))]
pub(in crate::datasets) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> ApiResult<Json<Value>> {
    let id = uuid("example_id", &id)?;
    let dataset: Option<Uuid> = params.parse("dataset")?;
    let current = ledger::current(&app, id).await?;
    let dataset = match dataset.or(current.as_ref().map(|example| example.dataset)) {
        Some(dataset) => Some(dataset::find(&app, dataset).await?),
        None => None,
    };
    let found = match versions::moment(dataset.as_ref(), params.get("as_of"))? {
        At::Now => current,
        At::Moment(moment) => ledger::at(&app, id, moment).await?,
    };
    let found = found.filter(|example| dataset.as_ref().is_none_or(|dataset| dataset.id == example.dataset));
    let found = found.ok_or_else(|| ApiError::not_found(format!("example {id}")))?;
    let shown = shape::all(&app, vec![found], &Select::with_files(), &app.base_url(&headers)).await?;
    Ok(Json(shown.into_iter().next().map_or(Value::Null, Value::Object)))
}
