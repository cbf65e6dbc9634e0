//! What a thread, or the threads of a project, add up to.

use assay_domain::{Cost, ProjectId, ThreadId, Time, Usage};
use assay_store::{
    FeedbackStats, RunQuery, RunStats, Runs as _, StatsQuery, StoredRun, ThreadPage, ThreadRow,
};
use axum::Json;
use axum::extract::{Path, State};
use serde_json::Value;
use serde_json::json;

use super::problem::V2Result;
use super::run::{Fields, Select, raw_amounts, raw_counts};
use super::runs::required;
use super::threads::{ThreadsBody, roots};
use super::traces::all;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params};
use crate::fields::{feedback_stats, number, v2_time};
use crate::{filters, threads};

const DETAILS: [&str; 4] =
    ["PROMPT_TOKEN_DETAILS", "COMPLETION_TOKEN_DETAILS", "PROMPT_COST_DETAILS", "COMPLETION_COST_DETAILS"];

/// What a thread adds up to.
#[utoipa::path(get, path = "/v2/threads/{thread_id}/stats", tag = "v2",
    params(("thread_id" = String, Path), ("session_id" = Uuid, Query, description = "the project"),
        ("selects" = Vec<String>, Query, description = "TURNS, FIRST_START_TIME, LATENCY_P50, TOTAL_TOKENS, ...; repeated"),
        ("filter" = Option<String>, Query, description = "only of traces whose root passes")),
    responses((status = 200, description = "the selected fields"), (status = 404, description = "there is no such thread")))]
pub(super) async fn of_thread(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> V2Result<Json<Value>> {
    let id = ThreadId(id);
    let project = match params.get("session_id") {
        Some(_) => required(&params, "session_id")?,
        None => required(&params, "project_id")?,
    };
    let project = ProjectId(project);
    let select = Select::of(params.all("selects"));
    let row = match params.get("filter") {
        None => whole(&app, project, &id).await?,
        Some(_) => add_up(all(&app, roots(project, &id, &params)?).await?),
    };
    let mut fields = Fields::new(&select);
    put_row(&row, &mut fields);
    let mut out = fields.out;
    for name in ["latency_p50", "latency_p99"] {
        if let Some(value) = out.shift_remove(name) {
            out.insert(format!("{name}_seconds"), value);
        }
    }
    if select.any(&DETAILS) {
        let (usage, cost) = details(&app, project, &id).await?;
        let mut fields = Fields::new(&select);
        put_details(&usage, &cost, &mut fields);
        out.extend(fields.out);
    }
    Ok(Json(Value::Object(out)))
}

pub(super) async fn whole(app: &App, project: ProjectId, id: &ThreadId) -> ApiResult<ThreadRow> {
    let query = ThreadPage {
        project,
        thread: Some(id.clone()),
        with_single_traces: true,
        limit: 1,
        ..ThreadPage::default()
    };
    let found = app.store.thread_page(&query).await?.items.pop();
    found
        .ok_or_else(|| ApiError::not_found(format!("thread {:?}", id.0.chars().take(80).collect::<String>())))
}

fn put_row(row: &ThreadRow, fields: &mut Fields<'_>) {
    fields.put("TURNS", || json!(row.traces));
    fields.put("FIRST_START_TIME", || json!(row.first_start.map(v2_time)));
    fields.put("LAST_START_TIME", || json!(row.last_start.map(v2_time)));
    fields.put("LAST_END_TIME", || json!(row.last_end.map(v2_time)));
    fields.put("LATENCY_P50", || json!(row.latency_p50));
    fields.put("LATENCY_P99", || json!(row.latency_p99));
    fields.put("PROMPT_TOKENS", || json!(row.input_tokens));
    fields.put("COMPLETION_TOKENS", || json!(row.output_tokens));
    fields.put("TOTAL_TOKENS", || json!(row.total_tokens));
    fields.put("PROMPT_COST", || json!(row.input_cost.map(number)));
    fields.put("COMPLETION_COST", || json!(row.output_cost.map(number)));
    fields.put("TOTAL_COST", || json!(row.total_cost.map(number)));
    fields.put("FEEDBACK_STATS", || feedback_stats(&row.feedback));
}

/// What some of the traces of a thread add up to, from their roots.
fn add_up(roots: Vec<StoredRun>) -> ThreadRow {
    let mut row = ThreadRow { traces: roots.len() as u64, ..ThreadRow::default() };
    let mut latencies: Vec<f64> = roots.iter().filter_map(|root| root.run.latency()).collect();
    latencies.sort_by(f64::total_cmp);
    row.latency_p50 = percentile(&latencies, 0.5);
    row.latency_p99 = percentile(&latencies, 0.99);
    let starts = || roots.iter().filter_map(|root| root.run.start_time);
    let ends = roots.iter().filter_map(|root| root.run.end_time);
    row.first_start = starts().min();
    row.last_start = starts().max();
    row.last_end = ends.max().filter(|_: &Time| true);
    for StoredRun { trace, .. } in &roots {
        row.input_tokens = row.input_tokens.saturating_add(trace.input_tokens);
        row.output_tokens = row.output_tokens.saturating_add(trace.output_tokens);
        row.total_tokens = row.total_tokens.saturating_add(trace.total_tokens);
        for (sum, cost) in [
            (&mut row.input_cost, trace.input_cost),
            (&mut row.output_cost, trace.output_cost),
            (&mut row.total_cost, trace.total_cost),
        ] {
            *sum = match (*sum, cost) {
                (Some(sum), Some(cost)) => Some(sum.saturating_add(cost)),
                (sum, cost) => sum.or(cost),
            };
        }
    }
    row
}

/// Between the two nearest of these sorted values.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

/// Tokens and money of all runs of a thread by class.
async fn details(app: &App, project: ProjectId, id: &ThreadId) -> ApiResult<(Usage, Cost)> {
    let thread = threads::read(app, project, id).await?;
    let (mut usage, mut cost) = (Usage::default(), Cost::default());
    for run in thread.runs() {
        run.usage.iter().for_each(|own| usage += own);
        run.cost.iter().for_each(|own| cost += own);
    }
    Ok((usage, cost))
}

fn put_details(usage: &Usage, cost: &Cost, fields: &mut Fields<'_>) {
    fields.put("PROMPT_TOKEN_DETAILS", || raw_counts(Some(&usage.input_details)));
    fields.put("COMPLETION_TOKEN_DETAILS", || raw_counts(Some(&usage.output_details)));
    fields.put("PROMPT_COST_DETAILS", || raw_amounts(Some(&cost.input_details)));
    fields.put("COMPLETION_COST_DETAILS", || raw_amounts(Some(&cost.output_details)));
}

/// What the threads of a project add up to.
#[utoipa::path(post, path = "/v2/threads/stats", tag = "v2", request_body = ThreadsBody,
    responses((status = 200, description = "the selected fields")))]
pub(super) async fn of_project(
    State(app): State<App>,
    body: ApiResult<Body<ThreadsBody>>,
) -> V2Result<Json<Value>> {
    let Body(body) = body?;
    body.refuse_missing()?;
    if body.select.is_empty() {
        return Err(ApiError::invalid(&["body", "select"], "select at least one statistic").into());
    }
    let select = Select::of(&body.select);
    let threads = body.query(&app)?;
    let mut fields = Fields::new(&select);
    if select.has("THREAD_COUNT") {
        let count = app.store.thread_count(&threads).await?;
        fields.put("THREAD_COUNT", || json!(count));
    }
    let stats = of_roots(&app, &body, &threads).await?;
    put_stats(&stats, &mut fields);
    let mut out = fields.out;
    for name in ["latency_p50", "latency_p99", "first_token_p50", "first_token_p99"] {
        if let Some(value) = out.shift_remove(name) {
            out.insert(format!("{name}_seconds"), value);
        }
    }
    Ok(Json(Value::Object(out)))
}

/// Over the roots of traces that belong to a thread.
async fn of_roots(app: &App, body: &ThreadsBody, threads: &ThreadPage) -> ApiResult<RunStats> {
    let has_thread = r#"in(metadata_key, ["session_id", "conversation_id", "thread_id"])"#;
    let conditions = [
        filters::parse("filter", Some(has_thread))?,
        filters::parse("filter", body.filter.as_deref())?,
        filters::parse("trace_filter", body.trace_filter.as_deref())?,
    ];
    let runs = RunQuery {
        is_root: Some(true),
        filter: filters::all(conditions.into_iter().flatten().collect())?,
        tree_filter: threads.filter.clone(),
        start: threads.start,
        end: threads.end,
        ..RunQuery::new(threads.project)
    };
    let found = app.store.stats(&StatsQuery { runs, ..StatsQuery::default() }).await?;
    Ok(found.into_iter().next().map(|(_, stats)| stats).unwrap_or_default())
}

fn put_stats(stats: &RunStats, fields: &mut Fields<'_>) {
    let feedback: &std::collections::BTreeMap<String, FeedbackStats> = &stats.feedback;
    fields.put("TRACE_COUNT", || json!(stats.runs));
    fields.put("LATENCY_P50", || json!(stats.latency_p50));
    fields.put("LATENCY_P99", || json!(stats.latency_p99));
    fields.put("FIRST_TOKEN_P50", || json!(stats.first_token_p50));
    fields.put("FIRST_TOKEN_P99", || json!(stats.first_token_p99));
    fields.put("TOTAL_TOKENS", || json!(stats.total_tokens));
    fields.put("PROMPT_TOKENS", || json!(stats.input_tokens));
    fields.put("COMPLETION_TOKENS", || json!(stats.output_tokens));
    fields.put("MEDIAN_TOKENS", || json!(stats.total_tokens_p50.map(|tokens| tokens.round() as u64)));
    fields.put("TOTAL_COST", || json!(stats.total_cost.map(number)));
    fields.put("PROMPT_COST", || json!(stats.input_cost.map(number)));
    fields.put("COMPLETION_COST", || json!(stats.output_cost.map(number)));
    fields.put("ERROR_RATE", || json!(stats.error_rate));
    fields.put("STREAMING_RATE", || json!(stats.streaming_rate));
    fields.put("THREAD_FEEDBACK_STATS", || feedback_stats(feedback));
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_lie_between_the_nearest_values() {
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(percentile(&[2.0], 0.99), Some(2.0));
        assert_eq!(percentile(&[1.0, 2.0, 4.0], 0.5), Some(2.0));
        assert_eq!(percentile(&[1.0, 2.0], 0.5), Some(1.5));
    }
}
