//! Which runs clients ask for, and pages of them.

use std::time::Duration;

use assay_domain::{ProjectId, RunId, RunKind, TraceId};
use assay_store::{Filter, Order, Page, RunQuery, Runs as _, StoredRun};
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::shown::{self, Needs};
use super::v1::{self, Select};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::fields::{self, Moment};
use crate::{filters, render};

/// Pages are never longer.
const MAX_PAGE: usize = 100;

/// Conditions on runs; those that are null or absent let everything through.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct RunsBody {
    /// Only these runs, and then no other condition counts.
    #[serde(deserialize_with = "fields::list")]
    pub(crate) id: Vec<Uuid>,
    /// Runs of these projects.
    #[serde(deserialize_with = "fields::list")]
    pub(crate) session: Vec<Uuid>,
    /// One more project; some clients send it beside `trace`.
    pub(crate) session_id: Option<Uuid>,
    pub(crate) trace: Option<Uuid>,
    /// Direct children of this run.
    pub(crate) parent_run: Option<Uuid>,
    /// `tool`, `chain`, `llm`, `retriever`, `embedding`, `prompt` or `parser`
    pub(crate) run_type: Option<String>,
    /// Runs over these dataset examples.
    #[serde(deserialize_with = "fields::list")]
    pub(crate) reference_example: Vec<Uuid>,
    /// 1 is another way to ask for roots.
    pub(crate) execution_order: Option<i64>,
    /// True: runs without a parent; false: runs with one.
    pub(crate) is_root: Option<bool>,
    /// Runs that started at or after this moment.
    pub(crate) start_time: Option<Moment>,
    /// Runs that started at or before this moment.
    pub(crate) end_time: Option<Moment>,
    /// Whether runs have an error.
    pub(crate) error: Option<bool>,
    /// Holds for the run.
    pub(crate) filter: Option<String>,
    /// Holds for the root of its trace.
    pub(crate) trace_filter: Option<String>,
    /// Holds for any run of its trace.
    pub(crate) tree_filter: Option<String>,
    /// One more expression like `filter`.
    pub(crate) search_filter: Option<String>,
    /// Words that all occur in the run.
    pub(crate) query: Option<String>,
    /// Fields to answer; nearly all where absent.
    pub(crate) select: Option<Vec<String>>,
    /// By start time: `desc` (where absent) or `asc`.
    pub(crate) order: Option<String>,
    /// 1 to 100, and 100 where absent; larger ones are cut.
    pub(crate) limit: Option<i64>,
    /// Where the page before ended.
    pub(crate) cursor: Option<String>,
    pub(crate) skip_pagination: Option<bool>,
}

impl RunsBody {
    /// What to ask of the store.
    pub(crate) fn query(&self) -> ApiResult<RunQuery> {
        let page = RunQuery {
            order: self.order()?,
            limit: self.limit(),
            cursor: self.cursor.clone().filter(|cursor| !cursor.is_empty()),
            ..RunQuery::default()
        };
        if !self.id.is_empty() {
            return Ok(RunQuery { ids: self.id.iter().copied().map(RunId).collect(), ..page });
        }
        let projects = if self.session.is_empty() { self.session_id.as_slice() } else { &self.session };
        Ok(RunQuery {
            projects: projects.iter().copied().map(ProjectId).collect(),
            trace: self.trace.map(TraceId),
            parent: self.parent_run.map(RunId),
            kind: self.run_type.as_deref().map(kind).transpose()?,
            reference_examples: self.reference_example.iter().map(Uuid::to_string).collect(),
            has_error: self.error,
            is_root: self.is_root.or((self.execution_order == Some(1)).then_some(true)),
            filter: self.own_filter()?,
            trace_filter: filters::parse("trace_filter", self.trace_filter.as_deref())?,
            tree_filter: filters::parse("tree_filter", self.tree_filter.as_deref())?,
            start: self.start_time.map(|moment| moment.0),
            // The store's window is open at its end.
            end: self.end_time.map(|moment| moment.0 + Duration::from_micros(1)),
            ..page
        })
    }

    fn own_filter(&self) -> ApiResult<Option<Filter>> {
        let given = [
            filters::parse("filter", self.filter.as_deref())?,
            filters::parse("search_filter", self.search_filter.as_deref())?,
            filters::search(self.query.as_deref().unwrap_or_default())?,
        ];
        filters::all(given.into_iter().flatten().collect())
    }

    fn order(&self) -> ApiResult<Order> {
        match self.order.as_deref() {
            None | Some("desc" | "DESC") => Ok(Order::NewestFirst),
            Some("asc" | "ASC") => Ok(Order::OldestFirst),
            Some(_) => Err(ApiError::invalid(&["body", "order"], "expected asc or desc")),
        }
    }

    fn limit(&self) -> usize {
        let wanted = self.limit.unwrap_or(MAX_PAGE as i64);
        usize::try_from(wanted).unwrap_or(0).clamp(1, MAX_PAGE)
    }
}

/// The kind of run of this name.
pub(crate) fn kind(name: &str) -> ApiResult<RunKind> {
    RunKind::parse(name).ok_or_else(|| {
        let known: Vec<&str> = RunKind::ALL.iter().map(|kind| kind.as_str()).collect();
        ApiError::invalid(&["body", "run_type"], format!("expected one of {}", known.join(", ")))
    })
}

/// One page of runs.
#[utoipa::path(post, path = "/runs/query", tag = "runs", request_body = RunsBody,
    responses((status = 200, description = "`runs`, and as `cursors` the pages beside this one"),
        (status = 400, description = "a filter cannot be understood; `detail` says where")))]
pub(super) async fn query(
    State(app): State<App>,
    headers: HeaderMap,
    Body(body): Body<RunsBody>,
) -> ApiResult<Response> {
    let (query, cursor) = (body.query()?, Cursor::read(body.cursor.as_deref()));
    let select = Select::of(body.select);
    let page = app.store.stored_runs(&cursor.aim(query)).await?;
    let (items, cursors) = cursor.turn(page);
    let shown = shown::gather(&app, items, Needs::of(&select), &app.base_url(&headers)).await?;
    render::json(move || {
        let runs: Vec<Value> = shown.into_iter().map(|run| v1::json(run, &select)).collect();
        let cursors = if body.skip_pagination == Some(true) { Cursors::default() } else { cursors };
        json!({ "runs": runs, "cursors": cursors, "search_cursors": null, "parsed_query": null })
    })
    .await
}

/// Where a page lies: at the beginning, after a place, or before one.
enum Cursor<'a> {
    Start,
    After,
    Before(&'a str),
}

/// Begins the cursor of a page before a place.
const BACK: char = '<';

/// The pages beside a page.
#[derive(Default, Serialize)]
struct Cursors {
    next: Option<String>,
    prev: Option<String>,
}

impl<'a> Cursor<'a> {
    fn read(given: Option<&'a str>) -> Self {
        match given {
            None | Some("") => Self::Start,
            Some(place) => place.strip_prefix(BACK).map_or(Self::After, Self::Before),
        }
    }

    /// The query for the page here. What lies before a place is read backwards from it.
    fn aim(&self, query: RunQuery) -> RunQuery {
        let Self::Before(place) = self else { return query };
        let order = match query.order {
            Order::NewestFirst => Order::OldestFirst,
            Order::OldestFirst => Order::NewestFirst,
        };
        RunQuery { order, cursor: Some((*place).to_owned()), ..query }
    }

    /// The runs of the page in the order asked for, and the pages beside it.
    fn turn(&self, page: Page<StoredRun>) -> (Vec<StoredRun>, Cursors) {
        let Page { mut items, first, next } = page;
        let back = |place: String| format!("{BACK}{place}");
        match self {
            Self::Start => (items, Cursors { next, prev: None }),
            Self::After => (items, Cursors { next, prev: first.map(back) }),
            Self::Before(_) => {
                items.reverse();
                (items, Cursors { next: first, prev: next.map(back) })
            }
        }
    }
}

/// How many runs pass, at this moment.
#[utoipa::path(post, path = "/runs/count", tag = "runs", request_body = RunsBody,
    responses((status = 200, description = "their number as `count`; paging does not matter"),
        (status = 400, description = "a filter cannot be understood; `detail` says where")))]
pub(super) async fn count(State(app): State<App>, Body(body): Body<RunsBody>) -> ApiResult<Json<Value>> {
    let query = RunQuery { cursor: None, ..body.query()? };
    Ok(Json(json!({ "count": app.store.count(&query).await? })))
}
