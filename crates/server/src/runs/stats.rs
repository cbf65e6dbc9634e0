//! What many runs add up to, as a whole or by group.

use assay_store::{Grouping, RunStats, Runs as _, StatsQuery};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::query::RunsBody;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::fields::{feedback_stats, number, v1_time};

/// Conditions on runs, and how to split them.
#[derive(Default, Deserialize, ToSchema)]
pub(crate) struct StatsBody {
    #[serde(flatten)]
    runs: RunsBody,
    group_by: Option<GroupBy>,
    /// Only these groups.
    groups: Option<Vec<Option<String>>>,
}

#[derive(Deserialize, ToSchema)]
struct GroupBy {
    /// `name`, `run_type`, `tag` or `metadata`
    attribute: String,
    /// The key, for metadata.
    path: Option<String>,
    /// Those with the most runs; five where absent.
    max_groups: Option<usize>,
}

impl GroupBy {
    fn grouping(&self) -> ApiResult<Grouping> {
        match (self.attribute.as_str(), &self.path) {
            ("name", _) => Ok(Grouping::Name),
            ("run_type", _) => Ok(Grouping::Kind),
            ("tag", _) => Ok(Grouping::Tag),
            ("metadata", Some(path)) => Ok(Grouping::Metadata(path.clone())),
            ("metadata", None) => {
                Err(ApiError::invalid(&["body", "group_by", "path"], "which metadata key?"))
            }
            _ => {
                let place = ["body", "group_by", "attribute"];
                Err(ApiError::invalid(&place, "expected name, run_type, tag or metadata"))
            }
        }
    }
}

/// What runs add up to; with `group_by`, by the name of each group.
#[utoipa::path(post, path = "/runs/stats", tag = "runs", request_body = StatsBody,
    responses((status = 200, description = "counts, sums and percentiles; durations in seconds, costs in US dollars"),
        (status = 400, description = "a filter cannot be understood; `detail` says where")))]
pub(super) async fn stats(State(app): State<App>, Body(body): Body<StatsBody>) -> ApiResult<Json<Value>> {
    let select = Selected(body.runs.select.clone());
    let runs = body.runs.query()?;
    let Some(group_by) = &body.group_by else {
        let found = app.store.stats(&StatsQuery { runs, ..StatsQuery::default() }).await?;
        let stats = found.into_iter().next().map(|(_, stats)| stats).unwrap_or_default();
        return Ok(Json(Value::Object(select.of(json(&stats)))));
    };
    let wanted = body.groups.as_ref().map(|groups| groups.iter().flatten().collect::<Vec<_>>());
    // Groups asked for by name may be small ones.
    let max_groups = if wanted.is_some() { 1000 } else { group_by.max_groups.unwrap_or(5).clamp(1, 1000) };
    let query = StatsQuery { runs, grouping: Some(group_by.grouping()?), max_groups };
    let found = app.store.stats(&query).await?;
    let is_wanted = |name: &String| wanted.as_ref().is_none_or(|wanted| wanted.contains(&name));
    let groups = found.into_iter().filter(|(name, _)| is_wanted(name));
    Ok(Json(Value::Object(
        groups.map(|(name, stats)| (name, Value::Object(select.of(json(&stats))))).collect(),
    )))
}

/// The statistics asked for; all where nothing is.
struct Selected(Option<Vec<String>>);

impl Selected {
    fn of(&self, mut stats: Map<String, Value>) -> Map<String, Value> {
        let names = match &self.0 {
            Some(names) if !names.is_empty() && !names.iter().any(|name| name.starts_with("all_")) => names,
            _ => return stats,
        };
        stats.retain(|key, _| names.iter().any(|name| name == key));
        stats
    }
}

/// Statistics as v1 answers them: numbers, also for money.
pub(crate) fn json(stats: &RunStats) -> Map<String, Value> {
    let count = |tokens: Option<f64>| tokens.map(|tokens| tokens.round() as u64);
    let fields = json!({
        "run_count": stats.runs,
        "latency_p50": stats.latency_p50,
        "latency_p99": stats.latency_p99,
        "first_token_p50": stats.first_token_p50,
        "first_token_p99": stats.first_token_p99,
        "total_tokens": stats.total_tokens,
        "prompt_tokens": stats.input_tokens,
        "completion_tokens": stats.output_tokens,
        "median_tokens": count(stats.total_tokens_p50),
        "completion_tokens_p50": count(stats.output_tokens_p50),
        "prompt_tokens_p50": count(stats.input_tokens_p50),
        "tokens_p99": count(stats.total_tokens_p99),
        "completion_tokens_p99": count(stats.output_tokens_p99),
        "prompt_tokens_p99": count(stats.input_tokens_p99),
        "last_run_start_time": stats.last_start_time.map(v1_time),
        "feedback_stats": feedback_stats(&stats.feedback),
        "error_rate": stats.error_rate,
        "streaming_rate": stats.streaming_rate,
        "total_cost": stats.total_cost.map(number),
        "prompt_cost": stats.input_cost.map(number),
        "completion_cost": stats.output_cost.map(number),
        "cost_p50": stats.cost_p50,
        "cost_p99": stats.cost_p99,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
