//! Deleting traces.

use assay_domain::{ProjectId, TraceId};
use assay_store::{Deleted, Filter, RunQuery, Runs as _};
use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::audit;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::{derived, fields, filters, projects};

/// So many runs are looked at, and so many traces deleted, at once.
const PORTION: usize = 1000;
/// So many of the traces that were asked for are named in the audit log.
const NAMED: usize = 20;

/// Which traces to delete: by id, or all in which a run carries this metadata.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct DeleteBody {
    session_id: Option<Uuid>,
    #[serde(deserialize_with = "fields::list")]
    trace_ids: Vec<Uuid>,
    /// Entries that a run of the trace carries, all of them.
    metadata: Option<Map<String, Value>>,
}

impl DeleteBody {
    /// For the audit log: what was asked for, without values of metadata.
    fn shown(&self) -> Map<String, Value> {
        let ids: Vec<String> = self.trace_ids.iter().take(NAMED).map(Uuid::to_string).collect();
        let keys: Vec<&String> = self.metadata.iter().flat_map(Map::keys).take(NAMED).collect();
        let mut shown = Map::new();
        shown.extend(self.session_id.map(|id| ("session_id".to_owned(), id.to_string().into())));
        for (name, what) in [("trace_ids", json!(ids)), ("metadata_keys", json!(keys))] {
            if what != json!([]) {
                shown.insert(name.to_owned(), what);
            }
        }
        shown
    }
}

/// Deletes traces with everything that hangs on them.
#[utoipa::path(post, path = "/runs/delete", tag = "runs", request_body = DeleteBody,
    responses((status = 200, description = "how much is gone"), (status = 404, description = "there is no such project")))]
pub(super) async fn delete(
    State(app): State<App>,
    Body(body): Body<DeleteBody>,
) -> ApiResult<(Extension<audit::Object>, Json<Value>)> {
    let mut audited = body.shown();
    let metadata = body.metadata.filter(|metadata| !metadata.is_empty());
    if body.trace_ids.is_empty() && metadata.is_none() {
        return Err(ApiError::invalid(&["body"], "say which traces: trace_ids or metadata"));
    }
    let projects = match body.session_id {
        Some(id) => vec![projects::of(&app, id).await?.id],
        None => Vec::new(),
    };
    let traces: Vec<TraceId> = body.trace_ids.into_iter().map(TraceId).collect();
    let mut gone = delete_known(&app, &projects, &traces).await?;
    if let Some(metadata) = metadata {
        add(&mut gone, delete_matching(&app, projects, &filter(&metadata)?).await?);
    }
    audited.extend([("traces".to_owned(), gone.traces.into()), ("runs".to_owned(), gone.runs.into())]);
    Ok((Extension(audit::Object(audited)), Json(answer(gone))))
}

/// Deletes traces of one project by id.
#[utoipa::path(post, path = "/runs/delete/traces", tag = "runs", request_body = DeleteBody,
    responses((status = 200, description = "how much is gone"), (status = 404, description = "there is no such project")))]
pub(super) async fn delete_traces(
    app: State<App>,
    Body(body): Body<DeleteBody>,
) -> ApiResult<(Extension<audit::Object>, Json<Value>)> {
    if body.session_id.is_none() {
        return Err(ApiError::invalid(&["body", "session_id"], "which project?"));
    }
    delete(app, Body(DeleteBody { metadata: None, ..body })).await
}

fn answer(gone: Deleted) -> Value {
    let Deleted { traces, runs, feedback } = gone;
    json!({ "message": format!("{traces} traces deleted"), "traces": traces, "runs": runs, "feedback": feedback })
}

fn add(sum: &mut Deleted, more: Deleted) {
    sum.traces += more.traces;
    sum.runs += more.runs;
    sum.feedback += more.feedback;
}

/// Deletes traces by id, in whatever project they are where none is named.
async fn delete_known(app: &App, projects: &[ProjectId], traces: &[TraceId]) -> ApiResult<Deleted> {
    let mut gone = Deleted::default();
    for traces in traces.chunks(PORTION) {
        let mut homes: BTreeSet<ProjectId> = projects.iter().copied().collect();
        if homes.is_empty() {
            for trace in traces {
                let of_trace = RunQuery { trace: Some(*trace), limit: 1, ..RunQuery::default() };
                homes.extend(app.store.runs(&of_trace).await?.items.iter().map(|row| row.project));
            }
        }
        for home in homes {
            let deleted = app.store.delete_traces(home, traces).await?;
            if deleted != Deleted::default() {
                derived::forget(app, home).await?;
            }
            add(&mut gone, deleted);
        }
        projects::forget_traces(app, traces).await?;
    }
    Ok(gone)
}

/// Deletes the traces of matching runs, until there are none.
async fn delete_matching(app: &App, projects: Vec<ProjectId>, filter: &Filter) -> ApiResult<Deleted> {
    let mut gone = Deleted::default();
    let mut touched = BTreeSet::new();
    loop {
        let query = RunQuery {
            projects: projects.clone(),
            filter: Some(filter.clone()),
            limit: PORTION,
            ..RunQuery::default()
        };
        let rows = app.store.runs(&query).await?.items;
        let mut by_project: Vec<(ProjectId, TraceId)> =
            rows.iter().map(|row| (row.project, row.trace)).collect();
        by_project.sort();
        by_project.dedup();
        let mut portion = Deleted::default();
        for same in by_project.chunk_by(|a, b| a.0 == b.0) {
            let traces: Vec<TraceId> = same.iter().map(|(_, trace)| *trace).collect();
            let Some((project, _)) = same.first() else { continue };
            touched.insert(*project);
            add(&mut portion, app.store.delete_traces(*project, &traces).await?);
            projects::forget_traces(app, &traces).await?;
        }
        // Nothing left, or nothing that can be deleted.
        if portion.runs == 0 {
            break;
        }
        add(&mut gone, portion);
    }
    for project in touched {
        derived::forget(app, project).await?;
    }
    Ok(gone)
}

/// A condition that a run carries all of these entries.
fn filter(metadata: &Map<String, Value>) -> ApiResult<Filter> {
    let entry = |(key, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!(
            "and(eq(metadata_key, {}), eq(metadata_value, {}))",
            filters::quoted(key),
            filters::quoted(&value)
        )
    };
    let entries: Vec<String> = metadata.iter().map(entry).collect();
    let parsed = filters::parse("metadata", Some(&format!("and({})", entries.join(", "))))?;
    parsed.ok_or_else(|| ApiError::invalid(&["body", "metadata"], "this must not be empty"))
}
