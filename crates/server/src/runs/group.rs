//! Runs grouped by conversation: threads, as the older web pages ask for them.

use assay_domain::{ProjectId, RunId};
use assay_store::{Filter, RunQuery, RunStats, Runs as _, StatsQuery, StoredRun, ThreadPage, ThreadRow};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{stats, v1};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::fields::{Moment, feedback_stats, number, v1_time};
use crate::filters;

/// Pages are never longer.
const MAX_PAGE: usize = 100;
/// Threads beyond this many are reached by narrower conditions.
const MAX_OFFSET: usize = 10_000;
/// So many threads are skipped at once.
const PORTION: usize = 500;

#[derive(Deserialize, ToSchema)]
pub(crate) struct GroupBody {
    session_id: Uuid,
    /// `conversation`
    group_by: String,
    /// Holds for at least one run of the conversation.
    filter: Option<String>,
    start_time: Option<Moment>,
    end_time: Option<Moment>,
    #[serde(default)]
    offset: Option<usize>,
    /// 1 to 100; ten where absent.
    #[serde(default)]
    limit: Option<usize>,
}

impl GroupBody {
    fn threads(&self) -> ApiResult<ThreadPage> {
        if self.group_by != "conversation" {
            return Err(ApiError::invalid(&["body", "group_by"], "expected conversation"));
        }
        Ok(ThreadPage {
            project: ProjectId(self.session_id),
            filter: self.filter()?,
            start: self.start_time.map(|moment| moment.0),
            end: self.end_time.map(|moment| moment.0),
            ..ThreadPage::default()
        })
    }

    fn filter(&self) -> ApiResult<Option<Filter>> {
        filters::parse("filter", self.filter.as_deref())
    }
}

/// Conversations, those active last first.
#[utoipa::path(post, path = "/runs/group", tag = "threads", request_body = GroupBody,
    responses((status = 200, description = "`groups`, and how many there are on all pages as `total`")))]
pub(super) async fn group(State(app): State<App>, Body(body): Body<GroupBody>) -> ApiResult<Json<Value>> {
    let threads = body.threads()?;
    let offset = body.offset.unwrap_or(0).min(MAX_OFFSET);
    let limit = body.limit.unwrap_or(10).clamp(1, MAX_PAGE);
    let total = app.store.thread_count(&threads).await?;
    let rows = rows(&app, threads, offset, limit).await?;
    let ends = ends(&app, &rows).await?;
    let groups: Vec<Value> = rows.iter().map(|row| json(row, &ends)).collect();
    Ok(Json(json!({ "groups": groups, "total": total })))
}

/// Threads from an offset on: the store knows only how to go on from a thread.
async fn rows(app: &App, mut query: ThreadPage, offset: usize, limit: usize) -> ApiResult<Vec<ThreadRow>> {
    let mut left = offset;
    while left > 0 {
        query.limit = left.min(PORTION);
        let page = app.store.thread_page(&query).await?;
        left -= page.items.len().min(left);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(Vec::new()),
        }
    }
    query.limit = limit;
    Ok(app.store.thread_page(&query).await?.items)
}

/// The first and the last root of each thread, with payloads, in one call.
pub(crate) async fn ends(app: &App, rows: &[ThreadRow]) -> ApiResult<HashMap<RunId, StoredRun>> {
    let mut ids: Vec<RunId> = rows.iter().flat_map(|row| [row.first_root, row.last_root]).collect();
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = RunQuery { limit: ids.len(), ids, ..RunQuery::default() };
    let page = app.store.stored_runs(&query).await?;
    Ok(page.items.into_iter().map(|stored| (stored.run.id, stored)).collect())
}

fn json(row: &ThreadRow, ends: &HashMap<RunId, StoredRun>) -> Value {
    let first = ends.get(&row.first_root).map(|stored| &stored.run);
    let last = ends.get(&row.last_root).map(|stored| &stored.run);
    json!({
        "group_key": row.id,
        "filter": format!("eq(thread_id, {})", filters::quoted(&row.id.0)),
        "count": row.traces,
        "total_tokens": row.total_tokens,
        "total_cost": row.total_cost.map(number),
        "min_start_time": row.first_start.map(v1_time),
        "max_start_time": row.last_start.map(v1_time),
        "latency_p50": row.latency_p50,
        "latency_p99": row.latency_p99,
        "feedback_stats": feedback_stats(&row.feedback),
        "first_inputs": first.map(|run| v1::preview(&run.inputs)),
        "last_outputs": last.map(|run| v1::preview(&run.outputs)),
        "last_error": last.and_then(|run| run.error.as_deref()),
    })
}

/// What the root runs of conversations add up to.
#[utoipa::path(post, path = "/runs/group/stats", tag = "threads", request_body = GroupBody,
    responses((status = 200, description = "statistics, with the number of conversations as `group_count`")))]
pub(super) async fn group_stats(
    State(app): State<App>,
    Body(body): Body<GroupBody>,
) -> ApiResult<Json<Value>> {
    let threads = body.threads()?;
    let count = app.store.thread_count(&threads).await?;
    let runs = RunQuery {
        is_root: Some(true),
        filter: threads.filter.clone(),
        start: threads.start,
        end: threads.end,
        ..RunQuery::new(threads.project)
    };
    let found = app.store.stats(&StatsQuery { runs, ..StatsQuery::default() }).await?;
    let total = found.into_iter().next().map_or_else(RunStats::default, |(_, stats)| stats);
    let mut out = stats::json(&total);
    out.insert("group_count".into(), json!(count));
    Ok(Json(Value::Object(out)))
}
