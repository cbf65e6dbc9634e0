//! The runs a job analysed, one per thread, page by page (contract 6.6).
//!
//! Some clients go by `offset`, which is null at the end; others stop at the
//! first page that is not full. So every page but the last is exactly as long
//! as asked for, also where a run is gone meanwhile.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use assay_domain::report::{Assignment, AttributeValue, Report};
use assay_domain::{RunId, TraceId};
use assay_store::{RunQuery, Runs as _};
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{jobs, shape};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, uuid};
use crate::render;
use crate::runs::shown::{self, Needs};
use crate::runs::v1::{self, Select};

/// The runs a job analysed, with what it found out about them.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/{job_id}/runs", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path),
        ("cluster_id" = Option<Uuid>, Query, description = "of this cluster and those below it"),
        ("limit" = Option<usize>, Query, description = "1 to 100"), ("offset" = Option<usize>, Query),
        ("attribute_sort_key" = Option<String>, Query), ("attribute_sort_order" = Option<String>, Query)),
    responses((status = 200, description = "`{runs, offset}`, the offset of the next page or null"),
        (status = 404, description = "there is no such job or cluster")))]
pub(super) async fn list(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let entry = jobs::find(&app, &project, &job).await?;
    let (offset, limit) = jobs::page(&params)?;
    let order = Sorting::of(&params)?;
    let cluster = match params.get("cluster_id") {
        Some(id) => Some(uuid("cluster_id", id)?),
        None => None,
    };
    let report = jobs::report_of(&app, &entry).await?;
    let job = entry.job.id;
    let Some(report) = report else {
        return match cluster {
            Some(id) => Err(ApiError::not_found(format!("cluster {id}"))),
            None => render::json(|| json!({ "runs": [], "offset": null })).await,
        };
    };
    let mut members = members(job, &report, cluster)?;
    order.sort(&mut members);
    let next = offset.saturating_add(limit);
    let next = (next < members.len()).then_some(next);
    let page: Vec<&Assignment> = members.into_iter().skip(offset).take(limit).collect();
    let found = runs_of(&app, &page, &app.base_url(&headers)).await?;
    let told: Vec<(Value, Told)> = tell(job, &report, &page);
    render::json(move || {
        let mut found = found;
        let runs: Vec<Value> = told
            .into_iter()
            .map(|(more, Told { run, trace })| {
                let shown = found.remove(&trace).map(|shown| v1::json(shown, &Select::Everything));
                with(shown.unwrap_or_else(|| gone(run, trace)), more)
            })
            .collect();
        json!({ "runs": runs, "offset": next })
    })
    .await
}

/// Which run stands for the thread.
struct Told {
    run: RunId,
    trace: TraceId,
}

/// By which attribute, if any; else as the report has them.
struct Sorting {
    key: Option<String>,
    is_descending: bool,
}

impl Sorting {
    fn of(params: &Params) -> ApiResult<Self> {
        let is_descending = match params.get("attribute_sort_order") {
            None | Some("asc") => false,
            Some("desc") => true,
            Some(_) => {
                return Err(ApiError::invalid(&["query", "attribute_sort_order"], "expected asc or desc"));
            }
        };
        Ok(Self { key: params.get("attribute_sort_key").map(str::to_owned), is_descending })
    }

    /// Threads without an answer come last either way.
    fn sort(&self, members: &mut [&Assignment]) {
        let Some(key) = &self.key else { return };
        members.sort_by(|a, b| match (a.attributes.get(key), b.attributes.get(key)) {
            (Some(a), Some(b)) if self.is_descending => compare(b, a),
            (Some(a), Some(b)) => compare(a, b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
    }
}

fn compare(a: &AttributeValue, b: &AttributeValue) -> Ordering {
    use AttributeValue::{Boolean, Labels, Number, Text};
    let rank = |value: &AttributeValue| match value {
        Boolean(_) => 0,
        Number(_) => 1,
        Text(_) => 2,
        Labels(_) => 3,
    };
    match (a, b) {
        (Boolean(a), Boolean(b)) => a.cmp(b),
        (Number(a), Number(b)) => a.total_cmp(b),
        (Text(a), Text(b)) => a.cmp(b),
        (Labels(a), Labels(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// The analysed threads of a cluster and those below it, or all.
fn members(job: Uuid, report: &Report, cluster: Option<Uuid>) -> ApiResult<Vec<&Assignment>> {
    let Some(cluster) = cluster else { return Ok(report.assignments.iter().collect()) };
    let node = shape::find_cluster(job, report, cluster);
    let node = node.ok_or_else(|| ApiError::not_found(format!("cluster {cluster}")))?;
    let mut inside: HashSet<&str> = HashSet::from([node.id.as_str()]);
    // Parents come before their children.
    for other in &report.taxonomy.nodes {
        if other.parent.as_deref().is_some_and(|parent| inside.contains(parent)) {
            inside.insert(&other.id);
        }
    }
    Ok(report.assignments.iter().filter(|one| inside.contains(one.category.as_str())).collect())
}

fn representative(assignment: &Assignment) -> Told {
    let trace = assignment.traces.last().copied();
    let trace = trace.unwrap_or_else(|| TraceId(assignment.run.unwrap_or_default().0));
    Told { run: RunId::from(trace), trace }
}

/// The roots of the latest traces, with everything that answers show of runs, by trace.
async fn runs_of(
    app: &App,
    page: &[&Assignment],
    base_url: &str,
) -> ApiResult<HashMap<TraceId, shown::Shown>> {
    let ids: Vec<RunId> = page.iter().map(|assignment| representative(assignment).run).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = RunQuery { limit: ids.len(), ids, ..RunQuery::default() };
    let mut stored = app.store.stored_runs(&query).await?.items;
    // The root of a trace usually has its id; where it does not, it is looked for.
    let found: HashSet<TraceId> = stored.iter().map(|stored| stored.run.trace).collect();
    for assignment in page {
        let Told { trace, .. } = representative(assignment);
        if !found.contains(&trace) {
            let query = RunQuery { trace: Some(trace), is_root: Some(true), limit: 1, ..RunQuery::default() };
            stored.extend(app.store.stored_runs(&query).await?.items);
        }
    }
    let shown = shown::gather(app, stored, Needs { feedback: true, share: false }, base_url).await?;
    Ok(shown.into_iter().map(|shown| (shown.stored.run.trace, shown)).collect())
}

/// What the job found out about each thread of a page.
fn tell(job: Uuid, report: &Report, page: &[&Assignment]) -> Vec<(Value, Told)> {
    let names = shape::names(report);
    let parents: HashMap<&str, Option<&str>> =
        report.taxonomy.nodes.iter().map(|node| (node.id.as_str(), node.parent.as_deref())).collect();
    page.iter()
        .map(|assignment| {
            let category = assignment.category.as_str();
            let parent = parents.get(category).copied().flatten();
            let attributes: serde_json::Map<String, Value> = assignment
                .attributes
                .iter()
                .map(|(name, value)| (name.clone(), shape::attribute_value(value)))
                .collect();
            let more = json!({
                "summary": assignment.summary,
                "attributes": attributes,
                "cluster_id": shape::cluster_id(job, category),
                "cluster_name": names.get(category),
                "parent_cluster_id": parent.map(|parent| shape::cluster_id(job, parent)),
                "confidence": assignment.confidence,
                "failure": assignment.failure,
                "insights_thread_id": assignment.thread,
            });
            (more, representative(assignment))
        })
        .collect()
}

/// A run that was deleted since.
fn gone(run: RunId, trace: TraceId) -> Value {
    json!({ "id": run, "trace_id": trace, "is_deleted": true })
}

fn with(mut run: Value, more: Value) -> Value {
    if let (Some(run), Value::Object(more)) = (run.as_object_mut(), more) {
        run.extend(more);
    }
    run
}
