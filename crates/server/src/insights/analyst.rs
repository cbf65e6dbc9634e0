//! Who does the computing: a pool of threads of its own, and the embedder.
//!
//! Analyses are long and want every core; answering requests must not wait for
//! them. The pool leaves one core free and, where the system allows, runs at a
//! lower priority than everything else in the process.

use std::sync::atomic::{AtomicBool, Ordering};

use assay_domain::Report;
use assay_domain::job::{Job, Progress as JobProgress, Scope};
use assay_insights::context::{Progress, Stage};
use assay_insights::{Context, Error};
use assay_llm::MiniLm;
use assay_store::{Catalog as _, Project, block_on};
use parking_lot::Mutex;

use super::queue;
use super::request::MAX_SAMPLE;
use crate::app::App;

/// Threads are that much nicer than others (0 to 19).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

pub(crate) struct Analyst {
    pool: rayon::ThreadPool,
    embedder: MiniLm,
}

/// How many threads an analysis computes with.
pub(crate) fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.saturating_sub(1).max(1)
}

impl Analyst {
    pub(super) fn new() -> Result<Self, String> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads())
            .thread_name(|index| format!("insights-{index}"))
            .start_handler(|_| be_nice())
            .build()
            .map_err(|error| error.to_string())?;
        let embedder = MiniLm::bundled().map_err(|error| error.to_string())?;
        Ok(Self { pool, embedder })
    }

    /// Makes the report of a job; draws its threads first where nobody has. Blocks.
    pub(super) fn analyse(&self, app: &App, job: &Job, watch: &Watch) -> Result<Report, Error> {
        let store = &app.store;
        let ctx = Context {
            store,
            embedder: &self.embedder,
            analyst: None,
            remember: true,
            progress: watch,
            cancel: &watch.stop,
        };
        self.pool.install(|| {
            block_on(async {
                let project = store.project_by_id(job.project).await?;
                let project = project.ok_or_else(|| Error::Invalid("its project was deleted".to_owned()))?;
                let scope = match queue::scope(store, job.id).await? {
                    Some(scope) => scope,
                    None => draw(app, &ctx, &project, job).await?,
                };
                if scope.threads.is_empty() {
                    let text = "no traces matched: widen the time range or the filter";
                    return Err(Error::Invalid(text.to_owned()));
                }
                let mut config = job.config.clone();
                if job.sampling_rate.is_some() {
                    config.sample.size = Some(scope.threads.len());
                }
                assay_insights::run_over(&ctx, &project, &config, &scope).await
            })
        })
    }
}

async fn draw(
    app: &App,
    ctx: &Context<'_, crate::app::Store>,
    project: &Project,
    job: &Job,
) -> Result<Scope, Error> {
    let mut config = job.config.clone();
    if let Some(rate) = job.sampling_rate {
        config.sample.size = None;
        let all = assay_insights::scope(ctx, project, &config).await?;
        // At most as many as there are, so the product fits.
        let wanted = (all.population as f64 * rate).ceil() as usize;
        config.sample.size = Some(wanted.clamp(1, MAX_SAMPLE));
    }
    let scope = assay_insights::scope(ctx, project, &config).await?;
    queue::keep_scope(&app.store, job, &scope, app.now()).await?;
    Ok(scope)
}

#[cfg(target_os = "linux")]
fn be_nice() {
    // On Linux this is about the calling thread. Where it is refused, things are slower, not wrong.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the threads of the analysis could not be given a lower priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn be_nice() {}

/// Between who computes and who tells of it.
#[derive(Default)]
pub(super) struct Watch {
    pub(super) stop: AtomicBool,
    at: Mutex<JobProgress>,
}

impl Watch {
    pub(super) fn progress(&self) -> JobProgress {
        self.at.lock().clone()
    }

    pub(super) fn is_asked(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Progress for Watch {
    fn begin(&self, stage: Stage, total: usize) {
        *self.at.lock() = JobProgress { stage: stage.label().to_owned(), done: 0, total: total as u64 };
    }

    fn advance(&self, done: usize) {
        self.at.lock().done += done as u64;
    }
}
