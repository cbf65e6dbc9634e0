//! Threads: the traces of one conversation, listed, previewed and read as
//! what was said.
//!
//! [`messages`] writes a conversation as JSON. The v2 shapes of threads are
//! in `v2::threads`.

pub(crate) mod messages;
mod preview;
#[cfg(test)]
mod tests;

use assay_domain::{ProjectId, Thread, ThreadId};
use assay_store::{Catalog as _, Project, Runs as _, ThreadPage};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;
use crate::fields::{decimal, feedback_stats, v1_time};
use crate::{filters, render};

/// Records of this kind say which threads are shared under which token.
pub(crate) const SHARE_KIND: &str = "thread_share";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(conversation)).routes(routes!(preview::preview))
}

/// The threads of a project, those active last first.
#[utoipa::path(get, path = "/threads", tag = "threads",
    params(("project" = Option<String>, Query, description = "the project by name"),
        ("project_id" = Option<Uuid>, Query, description = "the project by id"),
        ("filter" = Option<String>, Query, description = "holds for at least one run of the thread"),
        ("start_time" = Option<crate::fields::Moment>, Query, description = "active at or after this moment"),
        ("end_time" = Option<crate::fields::Moment>, Query, description = "active before this moment"),
        ("with_single_traces" = Option<bool>, Query, description = "whether traces without a thread key count as threads"),
        ("limit" = Option<usize>, Query, description = "1 to 100"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "`threads`, how many there are as `total`, and `next_cursor` unless this is the last page")))]
async fn list(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    let project = project(&app, &params).await?;
    let (_, limit) = params.page()?;
    let query = ThreadPage {
        project: project.id,
        filter: filters::parse("filter", params.get("filter"))?,
        start: params.time("start_time")?,
        end: params.time("end_time")?,
        with_single_traces: params.flag("with_single_traces")? == Some(true),
        limit,
        cursor: params.get("cursor").map(str::to_owned),
        ..ThreadPage::default()
    };
    let total = app.store.thread_count(&query).await?;
    let page = app.store.thread_page(&query).await?;
    let threads = page.items.iter().map(|row| {
        json!({
            "thread_id": row.id,
            "traces": row.traces,
            "runs": row.runs,
            "errors": row.errors,
            "first_trace_root": row.first_root,
            "last_trace_root": row.last_root,
            "first_start_time": row.first_start.map(v1_time),
            "last_start_time": row.last_start.map(v1_time),
            "last_end_time": row.last_end.map(v1_time),
            "latency_p50": row.latency_p50,
            "latency_p99": row.latency_p99,
            "prompt_tokens": row.input_tokens,
            "completion_tokens": row.output_tokens,
            "total_tokens": row.total_tokens,
            "prompt_cost": row.input_cost.map(decimal),
            "completion_cost": row.output_cost.map(decimal),
            "total_cost": row.total_cost.map(decimal),
            "feedback_stats": feedback_stats(&row.feedback),
        })
    });
    let threads: Vec<Value> = threads.collect();
    Ok(Json(json!({ "threads": threads, "total": total, "next_cursor": page.next })))
}

/// What was said and done in a thread, in one form whatever client recorded it.
#[utoipa::path(get, path = "/threads/{thread_id}/messages", tag = "threads",
    params(("thread_id" = String, Path, description = "the thread key, or the id of a trace without one"),
        ("project" = Option<String>, Query, description = "the project by name"),
        ("project_id" = Option<Uuid>, Query, description = "the project by id")),
    responses((status = 200, description = "`messages` in order: role, content (text, or parts where there is more than text), \
        tool_calls with parsed arguments, tool_call_id, name, error, and the run each comes from"),
        (status = 404, description = "there is no such thread")))]
async fn conversation(State(app): State<App>, Path(id): Path<String>, params: Params) -> ApiResult<Response> {
    let project = project(&app, &params).await?;
    let thread = read(&app, project.id, &ThreadId(id)).await?;
    render::json(move || {
        let messages = messages::of(&assay_transcript::of_thread(&thread));
        let traces: Vec<_> = thread.traces.iter().map(|trace| trace.id).collect();
        json!({ "thread_id": thread.id, "project_id": project.id, "trace_ids": traces, "messages": messages })
    })
    .await
}

/// A whole thread; 404 where there is none.
pub(crate) async fn read(app: &App, project: ProjectId, id: &ThreadId) -> ApiResult<Thread> {
    let found = app.store.read_threads(project, std::slice::from_ref(id)).await?.pop();
    found.ok_or_else(|| {
        let shown: String = id.0.chars().take(80).collect();
        ApiError::not_found(format!("thread {shown:?} of project {project}"))
    })
}

/// The project that a request names, by id or by name.
async fn project(app: &App, params: &Params) -> ApiResult<Project> {
    let by_id: Option<Uuid> = match params.parse("project_id")? {
        Some(id) => Some(id),
        None => params.parse("session_id")?,
    };
    if let Some(id) = by_id {
        return crate::projects::of(app, id).await;
    }
    let name = params.get("project").or_else(|| params.get("project_name"));
    let name = name
        .ok_or_else(|| ApiError::invalid(&["query", "project"], "name the project: project or project_id"))?;
    let found = app.store.project(name).await?;
    found.ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        ApiError::not_found(format!("project {shown:?}"))
    })
}
