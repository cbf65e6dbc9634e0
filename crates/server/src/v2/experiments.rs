//! Experiments side by side, in the newer shape of runs.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::{self, envelope};
use super::problem::{V2Result, refuse_streams};
use super::run::{self, Select};
use crate::app::App;
use crate::datasets::dataset;
use crate::datasets::runs::{sorted, taken, together};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, uuid};
use crate::render;
use crate::runs::shown::Shown;

/// Which runs of which experiments.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct ExperimentRunsBody {
    experiment_ids: Vec<Uuid>,
    /// Only these examples.
    example_ids: Option<Vec<Uuid>>,
    /// Filter expressions by experiment: an example needs a run there for which all of them hold.
    #[schema(value_type = Option<Object>)]
    filters: Option<HashMap<Uuid, Vec<String>>>,
    sort: Option<Sort>,
    /// Only `ID` where empty.
    selects: Vec<String>,
    /// 1 to 100; twenty where absent.
    page_size: Option<i64>,
    cursor: Option<String>,
}

#[derive(serde::Serialize, Deserialize, ToSchema)]
struct Sort {
    /// A feedback key, with or without `feedback.` before it.
    by: String,
    /// `ASC` or `DESC` (where absent)
    order: Option<String>,
}

/// Examples of a dataset with their runs in some experiments.
#[utoipa::path(post, path = "/v2/datasets/{dataset_id}/experiment-runs", tag = "v2", params(("dataset_id" = Uuid, Path)),
    request_body = ExperimentRunsBody,
    responses((status = 200, description = "`items`: examples, each with `runs`; and `next_cursor` unless this is the last page"),
        (status = 404, description = "no such dataset")))]
pub(super) async fn query(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: ApiResult<Body<ExperimentRunsBody>>,
) -> V2Result<Response> {
    let Body(body) = body?;
    refuse_streams(&headers)?;
    if body.experiment_ids.is_empty() {
        return Err(ApiError::invalid(&["body", "experiment_ids"], "name at least one experiment").into());
    }
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let mut all =
        taken(&app, &body.experiment_ids, body.filters.as_ref(), body.example_ids.as_deref()).await?;
    if let Some(Sort { by, order }) = &body.sort {
        let is_ascending = order.as_deref().is_some_and(|order| order.eq_ignore_ascii_case("asc"));
        all = sorted(&app, all, by, is_ascending).await?;
    }
    let offset = offset(body.cursor.as_deref())?;
    let end = offset.saturating_add(page::size(body.page_size, 20, 100));
    let next = (end < all.len()).then(|| format!("o{end}"));
    let page = all.into_iter().take(end).skip(offset).collect();
    let found = together(&app, dataset.id, page, &app.base_url(&headers)).await?;
    let select = Select::of(&body.selects);
    Ok(render::json(move || {
        let join = |(mut example, runs): (Map<String, Value>, Vec<Shown>)| {
            let runs = runs.into_iter().map(|shown| run::json(shown, &select)).collect();
            example.insert("runs".to_owned(), Value::Array(runs));
            Value::Object(example)
        };
        envelope(found.into_iter().map(join).collect(), next)
    })
    .await?)
}

/// Where the page of a cursor begins.
fn offset(cursor: Option<&str>) -> ApiResult<usize> {
    let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return Ok(0) };
    let offset = cursor.strip_prefix('o').and_then(|digits| digits.parse().ok());
    offset.ok_or_else(|| ApiError::invalid(&["body", "cursor"], "this is no cursor of such a list"))
}
