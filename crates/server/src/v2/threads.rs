//! Threads by query, and the traces of one.

use std::collections::HashMap;

use assay_domain::{ProjectId, RunId, RunKind, ThreadId};
use assay_store::{Order, RunQuery, Runs as _, StoredRun, ThreadPage, ThreadRow};
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::{self, envelope};
use super::problem::{V2Result, missing, refuse_streams};
use super::run::{Fields, Select, error_preview, raw_amounts, raw_counts};
use super::runs::required;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params};
use crate::fields::{Moment, feedback_stats, number, v2_time};
use crate::runs::shown::{self, Needs, Shown, object};
use crate::runs::{group, v1};
use crate::{filters, render};

/// Conditions on threads; those that are null or absent let everything through.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct ThreadsBody {
    pub(super) project_id: Option<Uuid>,
    /// Holds for the root of one of its traces.
    pub(super) filter: Option<String>,
    /// Holds for the root of one of its traces.
    pub(super) trace_filter: Option<String>,
    /// Holds for one of its runs.
    pub(super) tree_filter: Option<String>,
    pub(super) thread_filter: Option<String>,
    /// A day ago where absent.
    pub(super) min_start_time: Option<Moment>,
    pub(super) max_start_time: Option<Moment>,
    ai_search: Option<String>,
    /// 1 to 100; twenty where absent.
    page_size: Option<i64>,
    cursor: Option<String>,
    /// Only for statistics: which to answer.
    #[serde(deserialize_with = "crate::fields::list")]
    pub(super) select: Vec<String>,
}

impl ThreadsBody {
    pub(super) fn project(&self) -> ApiResult<ProjectId> {
        let missing = || ApiError::invalid(&["body", "project_id"], "this field is missing");
        self.project_id.map(ProjectId).ok_or_else(missing)
    }

    pub(super) fn refuse_missing(&self) -> V2Result<()> {
        if self.ai_search.is_some() {
            return Err(missing(
                "this server has no language model to search with: use filter, with search(\"words\")",
            ));
        }
        if self.thread_filter.as_ref().is_some_and(|text| !text.trim().is_empty()) {
            return Err(missing("threads cannot be filtered by their sums: use trace_filter or tree_filter"));
        }
        Ok(())
    }

    pub(super) fn query(&self, app: &App) -> ApiResult<ThreadPage> {
        let of_root = [
            filters::parse("filter", self.filter.as_deref())?,
            filters::parse("trace_filter", self.trace_filter.as_deref())?,
        ];
        let (start, end) = page::window(app, self.min_start_time, self.max_start_time);
        Ok(ThreadPage {
            project: self.project()?,
            thread: None,
            filter: filters::parse("tree_filter", self.tree_filter.as_deref())?,
            trace_filter: filters::all(of_root.into_iter().flatten().collect())?,
            start,
            end,
            with_single_traces: false,
            limit: page::size(self.page_size, 20, 100),
            cursor: self.cursor.clone().filter(|cursor| !cursor.is_empty()),
            ..ThreadPage::default()
        })
    }
}

/// One page of threads, those active last first.
#[utoipa::path(post, path = "/v2/threads/query", tag = "v2", request_body = ThreadsBody,
    responses((status = 200, description = "`items`, and `next_cursor` unless this is the last page")))]
pub(super) async fn query(
    State(app): State<App>,
    headers: HeaderMap,
    body: ApiResult<Body<ThreadsBody>>,
) -> V2Result<Response> {
    let Body(body) = body?;
    refuse_streams(&headers)?;
    body.refuse_missing()?;
    let page = app.store.thread_page(&body.query(&app)?).await?;
    let ends = group::ends(&app, &page.items).await?;
    let answer = render::json(move || {
        let threads = page.items.iter().map(|row| thread(row, &ends));
        envelope(threads.collect(), page.next)
    });
    Ok(answer.await?)
}

fn thread(row: &ThreadRow, ends: &HashMap<RunId, StoredRun>) -> Value {
    let first = ends.get(&row.first_root).map(|stored| &stored.run);
    let last = ends.get(&row.last_root).map(|stored| &stored.run);
    json!({
        "thread_id": row.id,
        "trace_id": last.map(|run| run.trace),
        "count": row.traces,
        "start_time": row.first_start.map(v2_time),
        "min_start_time": row.first_start.map(v2_time),
        "max_start_time": row.last_start.map(v2_time),
        "first_trace_id": first.map(|run| run.trace),
        "last_trace_id": last.map(|run| run.trace),
        "first_inputs": first.map(|run| v1::preview(&run.inputs)),
        "last_outputs": last.map(|run| v1::preview(&run.outputs)),
        "last_error": error_preview(last.and_then(|run| run.error.as_deref())),
        "num_errored_turns": row.errors,
        "latency_p50": row.latency_p50,
        "latency_p99": row.latency_p99,
        "total_tokens": row.total_tokens,
        "total_cost": row.total_cost.map(number),
        "feedback_stats": feedback_stats(&row.feedback),
    })
}

/// The traces of a thread, oldest first.
#[utoipa::path(get, path = "/v2/threads/{thread_id}/traces", tag = "v2",
    params(("thread_id" = String, Path), ("project_id" = Uuid, Query), ("filter" = Option<String>, Query),
        ("trace_filter" = Option<String>, Query), ("tree_filter" = Option<String>, Query),
        ("page_size" = Option<i64>, Query, description = "1 to 100; twenty where absent"), ("cursor" = Option<String>, Query),
        ("selects" = Option<Vec<String>>, Query, description = "repeated; TRACE_ID comes always")),
    responses((status = 200, description = "`items`, and `next_cursor` unless this is the last page")))]
pub(super) async fn traces(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> V2Result<Response> {
    let id = ThreadId(id);
    let mut query = roots(ProjectId(required(&params, "project_id")?), &id, &params)?;
    let is_whole = params.get("filter").is_none()
        && params.get("trace_filter").is_none()
        && params.get("tree_filter").is_none();
    let (before, cursor) = read_cursor(params.get("cursor"))?;
    query.cursor = cursor;
    query.limit = page::size(params.parse("page_size")?, 20, 100);
    let page = app.store.stored_runs(&query).await?;
    let next = page.next.map(|next| format!("{}:{next}", before + page.items.len()));
    let select = Select::of(params.all("selects")).and("TRACE_ID");
    let shown = shown::gather(&app, page.items, Needs::default(), &app.base_url(&headers)).await?;
    let answer = render::json(move || {
        let turns = shown.into_iter().enumerate();
        // Of some of the traces nobody knows which turn they are.
        let turn = |index: usize| is_whole.then_some(before + index + 1);
        envelope(turns.map(|(index, shown)| trace(shown, &id, turn(index), &select)).collect(), next)
    });
    Ok(answer.await?)
}

/// The roots of a thread's traces that pass the filters of a request, oldest first.
pub(super) fn roots(project: ProjectId, id: &ThreadId, params: &Params) -> ApiResult<RunQuery> {
    let of_thread = format!("eq(thread_id, {})", filters::quoted(&id.0));
    let of_root = [
        filters::parse("thread_id", Some(&of_thread))?,
        filters::parse("filter", params.get("filter"))?,
        filters::parse("trace_filter", params.get("trace_filter"))?,
    ];
    Ok(RunQuery {
        is_root: Some(true),
        filter: filters::all(of_root.into_iter().flatten().collect())?,
        tree_filter: filters::parse("tree_filter", params.get("tree_filter"))?,
        order: Order::OldestFirst,
        ..RunQuery::new(project)
    })
}

/// How many turns came before, and where the store goes on.
fn read_cursor(cursor: Option<&str>) -> ApiResult<(usize, Option<String>)> {
    let Some(cursor) = cursor else { return Ok((0, None)) };
    let parts =
        cursor.split_once(':').and_then(|(before, rest)| Some((before.parse().ok()?, Some(rest.to_owned()))));
    parts.ok_or_else(|| ApiError::bad_request("this is not a cursor of an earlier page"))
}

fn trace(mut root: Shown, thread: &ThreadId, turn: Option<usize>, select: &Select) -> Value {
    let mut fields = Fields::new(select);
    fields.put("THREAD_ID", || json!(thread));
    fields.put("TURN_NUMBER", || json!(turn));
    let (tokens, cost) = (root.usage(), root.cost());
    fields.put("PROMPT_TOKENS", || json!(tokens.input));
    fields.put("COMPLETION_TOKENS", || json!(tokens.output));
    fields.put("TOTAL_TOKENS", || json!(tokens.total));
    fields.put("PROMPT_COST", || json!(cost.input.map(number)));
    fields.put("COMPLETION_COST", || json!(cost.output.map(number)));
    fields.put("TOTAL_COST", || json!(cost.total.map(number)));
    let run = &mut root.stored.run;
    fields.put("TRACE_ID", || json!(run.trace));
    fields.put("NAME", || json!(run.name));
    fields.put("OP", || json!(RunKind::ALL.iter().position(|kind| *kind == run.kind)));
    fields.put("START_TIME", || json!(run.start_time.map(v2_time)));
    fields.put("END_TIME", || json!(run.end_time.map(v2_time)));
    fields.put("LATENCY", || json!(run.latency()));
    fields.put("FIRST_TOKEN_TIME", || json!(run.first_token_time.map(v2_time)));
    fields.put("ERROR", || json!(run.error));
    fields.put("ERROR_PREVIEW", || json!(error_preview(run.error.as_deref())));
    fields.put("INPUTS_PREVIEW", || v1::preview(&run.inputs));
    fields.put("OUTPUTS_PREVIEW", || v1::preview(&run.outputs));
    let (usage, own) = (run.usage.as_ref(), run.cost.as_ref());
    fields.put("PROMPT_TOKEN_DETAILS", || raw_counts(usage.map(|usage| &usage.input_details)));
    fields.put("COMPLETION_TOKEN_DETAILS", || raw_counts(usage.map(|usage| &usage.output_details)));
    fields.put("PROMPT_COST_DETAILS", || raw_amounts(own.map(|cost| &cost.input_details)));
    fields.put("COMPLETION_COST_DETAILS", || raw_amounts(own.map(|cost| &cost.output_details)));
    fields.put("INPUTS", || object(std::mem::take(&mut run.inputs), "input"));
    fields.put("OUTPUTS", || object(std::mem::take(&mut run.outputs), "output"));
    Value::Object(fields.out)
}
