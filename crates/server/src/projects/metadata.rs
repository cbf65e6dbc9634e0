//! What stands in the metadata of a project's runs: the most frequent values by key.

use std::collections::BTreeMap;

use assay_store::{Grouping, RunQuery, Runs as _, StatsQuery};
use axum::Json;
use axum::extract::{Path, State};
use futures_util::future::try_join_all;

use crate::app::App;
use crate::error::ApiResult;
use crate::extract::{Params, uuid};

/// Where no keys are asked for, those of so many of the newest runs are taken.
const LOOKED_AT: usize = 1000;
/// So many keys at most are answered.
const MAX_KEYS: usize = 50;

/// The most frequent values of metadata keys in the runs of a project.
#[utoipa::path(get, path = "/sessions/{session_id}/metadata", tag = "projects",
    params(("session_id" = uuid::Uuid, Path),
        ("metadata_keys" = Option<Vec<String>>, Query, description = "repeated; those of recent runs where absent"),
        ("start_time" = Option<crate::fields::Moment>, Query, description = "only of runs since then"),
        ("k" = Option<usize>, Query, description = "so many values by key, ten where absent"),
        ("root_runs_only" = Option<bool>, Query)),
    responses((status = 200, description = "values by key, the most frequent first", body = BTreeMap<String, Vec<String>>)))]
pub(super) async fn metadata(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<BTreeMap<String, Vec<String>>>> {
    let project = super::of(&app, uuid("session_id", &id)?).await?;
    let is_root = params.flag("root_runs_only")?.filter(|only| *only);
    let runs = RunQuery { start: params.time("start_time")?, is_root, ..RunQuery::new(project.id) };
    let wanted: Vec<String> = params.all("metadata_keys").map(str::to_owned).take(MAX_KEYS).collect();
    let keys = if wanted.is_empty() { recent_keys(&app, &runs).await? } else { wanted };
    let max_groups = params.parse("k")?.unwrap_or(10_usize).clamp(1, 100);
    let by_key = keys.into_iter().map(|key| values(&app, &runs, key, max_groups));
    Ok(Json(try_join_all(by_key).await?.into_iter().collect()))
}

async fn recent_keys(app: &App, runs: &RunQuery) -> ApiResult<Vec<String>> {
    let page = app.store.runs(&RunQuery { limit: LOOKED_AT, ..runs.clone() }).await?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for key in page.items.iter().flat_map(|row| row.metadata.keys()) {
        *counts.entry(key.clone()).or_default() += 1;
    }
    let mut keys: Vec<(String, usize)> = counts.into_iter().collect();
    keys.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(keys.into_iter().take(MAX_KEYS).map(|(key, _)| key).collect())
}

async fn values(
    app: &App,
    runs: &RunQuery,
    key: String,
    max_groups: usize,
) -> ApiResult<(String, Vec<String>)> {
    let grouping = Some(Grouping::Metadata(key.clone()));
    let groups = app.store.stats(&StatsQuery { runs: runs.clone(), grouping, max_groups }).await?;
    let values = groups.into_iter().map(|(value, _)| value).filter(|value| !value.is_empty()).collect();
    Ok((key, values))
}
