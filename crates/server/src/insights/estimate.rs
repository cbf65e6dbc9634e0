//! What a job would read, take and cost. Nothing is made.
//!
//! The local share is the pace of earlier jobs. What models would take is found
//! out by rehearsing the analysis over some of the threads with models that are
//! asked nothing: seldom more than a second or two, since somebody waits.

use std::sync::Arc;

use assay_domain::job::JobStatus;
use assay_domain::{Job, RunEstimate};
use assay_insights::Error;
use assay_store::{Project, Runs as _, ThreadPage};
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value, json};

use super::analyst::{self, Watch};
use super::queue::{self, Entry};
use super::{jobs, request};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::filters;

/// Seconds per thread where nothing was measured yet, on one core of an ordinary machine.
const USUAL_PACE: f64 = 0.02;

/// What a job would read and take. Nothing is made, no model is asked.
#[utoipa::path(post, path = "/sessions/{session_id}/insights/estimate", tag = "insights",
    params(("session_id" = Uuid, Path)), request_body = request::JobRequest,
    responses((status = 200, description = "threads, seconds, calls, tokens, US dollars"),
        (status = 400, description = "a filter, prompt or tier that cannot be met"),
        (status = 404, description = "there is no such project or config")))]
pub(super) async fn estimate(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(body): Body<Map<String, Value>>,
) -> ApiResult<Json<Value>> {
    let project = jobs::project_of(&app, &project).await?;
    let job = jobs::asked(&app, &project, body).await?;
    let (population, threads) = counts(&app, &project, &job).await?;
    let told = match job.tier.is_local() {
        true => RunEstimate {
            cost: Some(0.0),
            cost_low: Some(0.0),
            cost_high: Some(0.0),
            ..RunEstimate::default()
        },
        false => rehearsed(&app, &project, &job, threads).await?,
    };
    let (per_thread, basis) = pace(&app, &project).await?;
    let config = &job.config;
    Ok(Json(json!({
        "population": population,
        "threads": threads,
        "tier": job.tier,
        "models": job.models,
        "expected_seconds": (1.0 + per_thread * threads as f64 + told.seconds).round(),
        "basis": basis,
        "processor_threads": analyst::threads(),
        "looked_at": told.looked_at,
        "read_by_model": told.read_by_model,
        "model_calls": told.calls,
        "remembered": told.remembered,
        "input_tokens": told.input_tokens,
        "output_tokens": told.output_tokens,
        "cost_usd": told.cost,
        "cost_low_usd": told.cost_low,
        "cost_high_usd": told.cost_high,
        "unpriced": told.unpriced,
        "budget": config.budget,
        "exceeds_budget": told.exceeds_budget,
        "stages": told.stages,
        "start_time": config.start_time,
        "end_time": config.end_time,
        "not_applied": job.unmet,
    })))
}

/// Threads that match, and those that would be drawn.
async fn counts(app: &App, project: &Project, job: &Job) -> ApiResult<(usize, usize)> {
    let config = &job.config;
    let page = ThreadPage {
        project: project.id,
        filter: filters::parse("filter", config.filter.as_deref())?,
        start: config.start_time,
        end: config.end_time,
        with_single_traces: true,
        ..ThreadPage::default()
    };
    let population = usize::try_from(app.store.thread_count(&page).await?).unwrap_or(usize::MAX);
    let threads = match job.sampling_rate {
        Some(rate) => ((population as f64 * rate).ceil() as usize).max(1).min(population),
        None => config.sample.size.unwrap_or(population).min(population),
    };
    Ok((population, threads))
}

/// Stops a rehearsal that nobody waits for any more.
struct Waiting(Arc<Watch>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.ask_to_stop();
    }
}

/// What models would be asked for so many threads.
async fn rehearsed(app: &App, project: &Project, job: &Job, threads: usize) -> ApiResult<RunEstimate> {
    let waiting = Waiting(Arc::default());
    let (of_app, project, mut job, watch) = (app.clone(), project.clone(), job.clone(), waiting.0.clone());
    if job.sampling_rate.is_some() {
        job.config.sample.size = Some(threads);
    }
    let told = tokio::task::spawn_blocking(move || {
        let analyst = of_app.insights.analyst().map_err(Error::Invalid)?;
        analyst.estimate(&of_app, &project, &job, &watch)
    });
    let told = told.await.unwrap_or_else(|error| Err(Error::Invalid(error.to_string())));
    told.map_err(|error| match error {
        Error::Store(error) => error.into(),
        other => ApiError::bad_request(other.to_string()),
    })
}

/// Seconds per thread, and how that is known: the slowest of the last jobs without a model that
/// succeeded here.
async fn pace(app: &App, project: &Project) -> ApiResult<(f64, &'static str)> {
    let jobs = queue::list(&app.store, Some(project.id)).await?;
    let is_done = |entry: &&Entry| entry.state.status == JobStatus::Succeeded && entry.job.tier.is_local();
    let paces = jobs.iter().filter(is_done).take(5).filter_map(|Entry { state, .. }| {
        let seconds = (state.finished_at? - state.started_at?).as_seconds_f64();
        let threads = state.outline.as_ref()?.threads;
        (threads > 0).then(|| seconds / threads as f64)
    });
    Ok(paces
        .reduce(f64::max)
        .map_or((USUAL_PACE, "a usual machine"), |pace| (pace, "earlier jobs of this project")))
}
