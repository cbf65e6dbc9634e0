//! Traces: their roots with what the whole amounts to, and the runs of one.

use assay_domain::{ProjectId, TraceId};
use assay_store::{Order, RunQuery, Runs as _, StoredRun};
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::page::{self, closed, envelope};
use super::problem::{V2Result, missing, refuse_streams};
use super::run::{self, Select};
use super::runs::{items, required};
use crate::app::App;
use crate::error::ApiResult;
use crate::extract::{Body, Params, uuid};
use crate::fields::{self, Moment, number, v2_time};
use crate::runs::shown::{self, Shown};
use crate::{filters, render};

/// So many runs are fetched at once where all of a trace are wanted.
const PORTION: usize = 1000;

/// Conditions on traces; those that are null or absent let everything through.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct TracesBody {
    project_id: Option<Uuid>,
    #[serde(deserialize_with = "fields::list")]
    trace_ids: Vec<Uuid>,
    /// Holds for the root.
    filter: Option<String>,
    /// Holds for the root, too.
    trace_filter: Option<String>,
    /// Holds for any run of the trace.
    tree_filter: Option<String>,
    /// A day ago where absent, unless traces are named.
    min_start_time: Option<Moment>,
    max_start_time: Option<Moment>,
    ai_search: Option<String>,
    /// 1 to 1000; twenty where absent.
    page_size: Option<i64>,
    cursor: Option<String>,
    /// Fields of the root; `ID` and `TRACE_ID` come always.
    #[serde(deserialize_with = "fields::list")]
    selects: Vec<String>,
    sort_order: Option<String>,
}

impl TracesBody {
    fn query(&self, app: &App, project: Uuid) -> ApiResult<RunQuery> {
        let (start, end) = if self.trace_ids.is_empty() {
            page::window(app, self.min_start_time, self.max_start_time)
        } else {
            (self.min_start_time.map(|moment| moment.0), closed(self.max_start_time))
        };
        let named = (!self.trace_ids.is_empty()).then(|| {
            let ids: Vec<String> = self.trace_ids.iter().map(|id| format!("\"{id}\"")).collect();
            format!("in(trace_id, [{}])", ids.join(", "))
        });
        let of_root = [
            filters::parse("trace_ids", named.as_deref())?,
            filters::parse("filter", self.filter.as_deref())?,
            filters::parse("trace_filter", self.trace_filter.as_deref())?,
        ];
        let is_ascending = self.sort_order.as_deref().is_some_and(|order| order.eq_ignore_ascii_case("ASC"));
        Ok(RunQuery {
            is_root: Some(true),
            filter: filters::all(of_root.into_iter().flatten().collect())?,
            tree_filter: filters::parse("tree_filter", self.tree_filter.as_deref())?,
            start,
            end,
            order: if is_ascending { Order::OldestFirst } else { Order::NewestFirst },
            limit: page::size(self.page_size, 20, 1000),
            cursor: self.cursor.clone().filter(|cursor| !cursor.is_empty()),
            ..RunQuery::new(ProjectId(project))
        })
    }
}

/// One page of traces.
#[utoipa::path(post, path = "/v2/traces/query", tag = "v2", request_body = TracesBody,
    responses((status = 200, description = "`items` of root_run and trace_aggregates, and `next_cursor` unless this is the last page")))]
pub(super) async fn query(
    State(app): State<App>,
    headers: HeaderMap,
    body: ApiResult<Body<TracesBody>>,
) -> V2Result<Response> {
    let Body(body) = body?;
    refuse_streams(&headers)?;
    if body.ai_search.is_some() {
        return Err(missing(
            "this server has no language model to search with: use filter, with search(\"words\")",
        ));
    }
    let project = body
        .project_id
        .ok_or_else(|| crate::error::ApiError::invalid(&["body", "project_id"], "this field is missing"))?;
    let page = app.store.stored_runs(&body.query(&app, project)?).await?;
    let select = Select::of(&body.selects).and("ID").and("TRACE_ID");
    let shown = shown::gather(&app, page.items, select.needs(), &app.base_url(&headers)).await?;
    let answer = render::json(move || {
        let traces = shown.into_iter().map(|shown| {
            let aggregates = aggregates(&shown);
            json!({ "root_run": run::json(shown, &select), "trace_aggregates": aggregates })
        });
        envelope(traces.collect(), page.next)
    });
    Ok(answer.await?)
}

fn aggregates(root: &Shown) -> Value {
    json!({
        "total_tokens": root.usage().total,
        "total_cost": root.cost().total.map(number),
        "first_token_time": root.stored.run.first_token_time.map(v2_time),
    })
}

/// The runs of a trace, oldest first.
#[utoipa::path(get, path = "/v2/traces/{trace_id}/runs", tag = "v2",
    params(("trace_id" = Uuid, Path), ("project_id" = Uuid, Query), ("filter" = Option<String>, Query),
        ("min_start_time" = Option<crate::fields::Moment>, Query), ("max_start_time" = Option<crate::fields::Moment>, Query),
        ("selects" = Option<Vec<String>>, Query, description = "repeated; only ID where absent")),
    responses((status = 200, description = "`items`, all of them")))]
pub(super) async fn runs(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> V2Result<Response> {
    let query = RunQuery {
        trace: Some(TraceId(uuid("trace_id", &id)?)),
        filter: filters::parse("filter", params.get("filter"))?,
        start: params.time("min_start_time")?,
        end: closed(params.time("max_start_time")?.map(Moment)),
        order: Order::OldestFirst,
        ..RunQuery::new(ProjectId(required(&params, "project_id")?))
    };
    let select = Select::of(params.all("selects"));
    let runs = all(&app, query).await?;
    Ok(items(&app, runs, None, select, &headers).await?)
}

/// All runs of a query that names a trace or a thread.
pub(super) async fn all(app: &App, mut query: RunQuery) -> ApiResult<Vec<StoredRun>> {
    query.limit = PORTION;
    let mut runs = Vec::new();
    loop {
        let page = app.store.stored_runs(&query).await?;
        runs.extend(page.items);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(runs),
        }
    }
}
