//! Runs by query and by id.

use assay_domain::{ProjectId, RunId, TraceId};
use assay_store::{Catalog as _, Order, RunQuery, Runs as _, StoredRun};
use axum::Json;
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
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::fields::{self, Moment};
use crate::runs::query::kind;
use crate::runs::shown;
use crate::{filters, render};

/// Conditions on runs; those that are null or absent let everything through.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct RunsBody {
    /// Runs of these projects; either this or `reference_dataset_id`.
    #[serde(deserialize_with = "fields::list")]
    project_ids: Vec<Uuid>,
    /// Runs of the experiments over this dataset.
    reference_dataset_id: Option<Uuid>,
    #[serde(deserialize_with = "fields::list")]
    ids: Vec<Uuid>,
    trace_id: Option<Uuid>,
    /// `LLM`, `CHAIN`, `TOOL`, `RETRIEVER`, `EMBEDDING`, `PROMPT` or `PARSER`
    run_type: Option<String>,
    is_root: Option<bool>,
    has_error: Option<bool>,
    /// Holds for the run.
    filter: Option<String>,
    /// Holds for the root of its trace.
    trace_filter: Option<String>,
    /// Holds for any run of its trace.
    tree_filter: Option<String>,
    /// A day ago where absent, unless ids or a trace are named.
    min_start_time: Option<Moment>,
    max_start_time: Option<Moment>,
    #[serde(deserialize_with = "fields::list")]
    reference_examples: Vec<Uuid>,
    min_feedback_modified_at: Option<Moment>,
    max_feedback_modified_at: Option<Moment>,
    include_subtree_usage: Option<bool>,
    ai_search: Option<String>,
    ai_query: Option<String>,
    /// 1 to 1000; a hundred where absent.
    page_size: Option<i64>,
    cursor: Option<String>,
    /// Only `ID` where empty.
    #[serde(deserialize_with = "fields::list")]
    selects: Vec<String>,
    /// By start time: `DESC` (where absent) or `ASC`.
    sort_order: Option<String>,
}

impl RunsBody {
    /// Refuses what is not there, rather than answering something else.
    fn refuse_missing(&self) -> V2Result<()> {
        if self.ai_search.is_some() || self.ai_query.is_some() {
            return Err(missing(
                "this server has no language model to search with: use filter, with search(\"words\")",
            ));
        }
        if self.min_feedback_modified_at.is_some() || self.max_feedback_modified_at.is_some() {
            return Err(missing(
                "runs cannot be selected by the time of their feedback; list the feedback instead",
            ));
        }
        if self.include_subtree_usage == Some(true) && self.is_root != Some(true) {
            let advice = "only root runs carry the totals of what lies below them: ask for is_root, or add up the runs of the trace";
            return Err(missing(advice));
        }
        Ok(())
    }

    /// What to ask of the store; `None` where nothing can match.
    async fn query(&self, app: &App) -> ApiResult<Option<RunQuery>> {
        let projects = self.projects(app).await?;
        if projects.is_empty() {
            return Ok(None);
        }
        let (start, end) = if self.ids.is_empty() && self.trace_id.is_none() {
            page::window(app, self.min_start_time, self.max_start_time)
        } else {
            (self.min_start_time.map(|moment| moment.0), closed(self.max_start_time))
        };
        Ok(Some(RunQuery {
            projects,
            ids: self.ids.iter().copied().map(RunId).collect(),
            trace: self.trace_id.map(TraceId),
            parent: None,
            kind: self.run_type.as_deref().map(kind).transpose()?,
            reference_examples: self.reference_examples.iter().map(Uuid::to_string).collect(),
            has_error: self.has_error,
            is_root: self.is_root,
            filter: filters::parse("filter", self.filter.as_deref())?,
            trace_filter: filters::parse("trace_filter", self.trace_filter.as_deref())?,
            tree_filter: filters::parse("tree_filter", self.tree_filter.as_deref())?,
            start,
            end,
            order: order(self.sort_order.as_deref())?,
            limit: page::size(self.page_size, 100, 1000),
            cursor: self.cursor.clone().filter(|cursor| !cursor.is_empty()),
            patience: None,
        }))
    }

    async fn projects(&self, app: &App) -> ApiResult<Vec<ProjectId>> {
        match (self.project_ids.is_empty(), self.reference_dataset_id) {
            (false, None) => Ok(self.project_ids.iter().copied().map(ProjectId).collect()),
            (true, Some(dataset)) => {
                let all = app.store.projects().await?.into_iter();
                Ok(all
                    .filter(|project| project.reference_dataset == Some(dataset))
                    .map(|project| project.id)
                    .collect())
            }
            _ => Err(ApiError::invalid(
                &["body", "project_ids"],
                "set either project_ids or reference_dataset_id",
            )),
        }
    }
}

fn order(given: Option<&str>) -> ApiResult<Order> {
    match given.map(str::to_ascii_uppercase).as_deref() {
        None | Some("DESC") => Ok(Order::NewestFirst),
        Some("ASC") => Ok(Order::OldestFirst),
        Some(_) => Err(ApiError::invalid(&["body", "sort_order"], "expected ASC or DESC")),
    }
}

/// One page of runs.
#[utoipa::path(post, path = "/v2/runs/query", tag = "v2", request_body = RunsBody,
    responses((status = 200, description = "`items`, and `next_cursor` unless this is the last page"),
        (status = 400, description = "a filter cannot be understood")))]
pub(super) async fn query(
    State(app): State<App>,
    headers: HeaderMap,
    body: ApiResult<Body<RunsBody>>,
) -> V2Result<Response> {
    let Body(body) = body?;
    refuse_streams(&headers)?;
    body.refuse_missing()?;
    let select = Select::of(&body.selects);
    let Some(query) = body.query(&app).await? else {
        return Ok(render::json(|| envelope(Vec::new(), None)).await?);
    };
    let page = app.store.stored_runs(&query).await?;
    Ok(items(&app, page.items, page.next, select, &headers).await?)
}

/// A page of runs as an answer.
pub(super) async fn items(
    app: &App,
    runs: Vec<StoredRun>,
    next: Option<String>,
    select: Select,
    headers: &HeaderMap,
) -> ApiResult<Response> {
    let shown = shown::gather(app, runs, select.needs(), &app.base_url(headers)).await?;
    render::json(move || envelope(shown.into_iter().map(|shown| run::json(shown, &select)).collect(), next))
        .await
}

/// One run of a project.
#[utoipa::path(get, path = "/v2/runs/{run_id}", tag = "v2",
    params(("run_id" = Uuid, Path), ("project_id" = Uuid, Query),
        ("selects" = Option<Vec<String>>, Query, description = "repeated; only ID where absent")),
    responses((status = 200, description = "the selected fields"), (status = 404, description = "it is not there")))]
pub(super) async fn retrieve(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> V2Result<Response> {
    let stored = find(&app, &id, required(&params, "project_id")?).await?;
    let select = Select::of(params.all("selects"));
    let mut shown = shown::gather(&app, vec![stored], select.needs(), &app.base_url(&headers)).await?;
    let shown = shown.pop().ok_or_else(|| ApiError::not_found(format!("run {id}")))?;
    Ok(render::json(move || run::json(shown, &select)).await?)
}

/// Where a page shows a run.
#[utoipa::path(get, path = "/v2/runs/{run_id}/url", tag = "v2",
    params(("run_id" = Uuid, Path), ("project_id" = Uuid, Query), ("trace_id" = Option<Uuid>, Query)),
    responses((status = 200, description = "its `url`"), (status = 404, description = "it is not there")))]
pub(super) async fn url(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> V2Result<Json<Value>> {
    let stored = find(&app, &id, required(&params, "project_id")?).await?;
    let base_url = app.base_url(&headers);
    let shown = shown::gather(&app, vec![stored], shown::Needs::default(), &base_url).await?.pop();
    let path = shown.ok_or_else(|| ApiError::not_found(format!("run {id}")))?.app_path();
    Ok(Json(json!({ "url": format!("{base_url}{path}") })))
}

/// The run of this id, if it is in the project.
async fn find(app: &App, id: &str, project: Uuid) -> ApiResult<StoredRun> {
    let id = RunId(uuid("run_id", id)?);
    let found = app.store.stored_run(id).await?.filter(|stored| stored.run.project.0 == project);
    found.ok_or_else(|| ApiError::not_found(format!("run {id} of project {project}")))
}

/// A parameter that must be there and be an id.
pub(super) fn required(params: &Params, name: &str) -> ApiResult<Uuid> {
    params.parse(name)?.ok_or_else(|| ApiError::invalid(&["query", name], "this parameter is missing"))
}
