//! Who does the computing: a pool of threads of its own, and the embedder.
//!
//! Analyses are long and want every core; answering requests must not wait for
//! them. The pool leaves one core free and, where the system allows, runs at a
//! lower priority than everything else in the process. An analysis holds the
//! pool while it computes, not while it waits for models: jobs take turns.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use assay_domain::comparison::Comparison;
use assay_domain::job::{Job, Progress as JobProgress, Scope, Spend};
use assay_domain::{ProjectId, Report, RunEstimate};
use assay_insights::context::{Progress, Stage};
use assay_insights::embed::Remembering;
use assay_insights::preview::Preview;
use assay_insights::{Context, Effort, Error};
use assay_llm::{Budget, MiniLm};
use assay_store::{Catalog as _, Project, block_on};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use tokio::runtime::Handle;

use super::ask::{self, Line};
use super::queue;
use crate::app::{App, Store};

/// Threads are that much nicer than others (0 to 19).
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Aborted calls are gone after so long, or their worst cases stay in the ledger.
const SETTLING: Duration = Duration::from_secs(5);

pub(crate) struct Analyst {
    pool: rayon::ThreadPool,
    /// For what somebody waits for: it does not stand behind the jobs.
    counter: rayon::ThreadPool,
    embedder: MiniLm,
}

/// How many threads an analysis computes with.
pub(crate) fn threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.saturating_sub(1).max(1)
}

impl Analyst {
    pub(super) fn new() -> Result<Self, String> {
        let embedder = MiniLm::bundled().map_err(|error| error.to_string())?;
        Ok(Self { pool: pool("insights")?, counter: pool("insights-page")?, embedder })
    }

    /// Two reports of a project side by side. Blocks.
    pub(super) fn compare(
        &self,
        store: &Store,
        project: ProjectId,
        before: &Report,
        after: &Report,
    ) -> Result<Comparison, Error> {
        // Requests are embedded once, and not at each look.
        let embedder = Remembering { embedder: &self.embedder, store, project: Some(project) };
        self.counter.install(|| assay_insights::compare::reports(before, after, &embedder))
    }

    /// Makes the report of a job; draws its threads first where nobody has. `spent` is what
    /// earlier attempts cost. Blocks: for threads of the runtime on which that is allowed.
    pub(super) fn analyse(
        &self,
        app: &App,
        job: &Job,
        spent: Decimal,
        watch: &Watch,
    ) -> Result<Report, Error> {
        let runtime = Handle::current();
        let (job, line) = runtime.block_on(async {
            let job = ask::settled(app, job).await?;
            let line = Line::of_job(app, &job, spent).await?;
            Ok::<_, Error>((job, line))
        })?;
        let Some(line) = line else { return self.run(app, &job, watch, None) };
        let _ = watch.budget.set(line.budget().clone());
        line.with(|analyst| self.run(app, &job, watch, Some(analyst))).map_err(|error| line.explain(error))
    }

    fn run(
        &self,
        app: &App,
        job: &Job,
        watch: &Watch,
        analyst: Option<&assay_insights::Analyst<'_>>,
    ) -> Result<Report, Error> {
        let store = &app.store;
        let ctx = self.context(store, watch, analyst);
        in_turns(&self.pool, async {
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
    }

    /// What a job's config gives on the threads its sample draws. Blocks.
    pub(super) fn preview(&self, app: &App, project: &Project, job: &Job) -> Result<(Preview, Spend), Error> {
        let watch = Watch::default();
        let line = Handle::current().block_on(Line::once(app, job))?;
        let look = |analyst: Option<&assay_insights::Analyst<'_>>| {
            let ctx = self.context(&app.store, &watch, analyst);
            in_turns(&self.counter, assay_insights::preview(&ctx, project, &job.config))
        };
        let Some(line) = line else { return Ok((look(None)?, Spend::default())) };
        let seen = line.with(|analyst| look(Some(analyst))).map_err(|error| line.explain(error))?;
        Ok((seen, ask::spend(line.budget())))
    }

    /// What models would take for a job, asking nobody. Blocks.
    pub(super) fn estimate(
        &self,
        app: &App,
        project: &Project,
        job: &Job,
        watch: &Watch,
    ) -> Result<RunEstimate, Error> {
        let line = Handle::current().block_on(Line::once(app, job))?;
        let Some(line) = line else { return Ok(RunEstimate { cost: Some(0.0), ..RunEstimate::default() }) };
        line.with(|analyst| {
            let ctx = self.context(&app.store, watch, Some(analyst));
            in_turns(&self.counter, assay_insights::estimate(&ctx, project, &job.config, Effort::QUICK))
        })
    }

    fn context<'a>(
        &'a self,
        store: &'a Store,
        watch: &'a Watch,
        analyst: Option<&'a assay_insights::Analyst<'a>>,
    ) -> Context<'a, Store> {
        Context {
            store,
            embedder: &self.embedder,
            analyst,
            remember: true,
            progress: watch,
            cancel: &watch.stop,
        }
    }
}

/// Threads for computing, nicer than all others.
fn pool(name: &'static str) -> Result<rayon::ThreadPool, String> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads())
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(|_| be_nice())
        .build()
        .map_err(|error| error.to_string())
}

/// Runs work to its end, on the pool whenever it can go on. Blocks.
fn in_turns<T: Send>(pool: &rayon::ThreadPool, work: impl Future<Output = T> + Send) -> T {
    let mut work = Box::pin(work);
    let runtime = Handle::current();
    block_on(std::future::poll_fn(|context| {
        let waker = context.waker().clone();
        turn(pool, &runtime, work.as_mut(), &waker)
    }))
}

fn turn<T: Send>(
    pool: &rayon::ThreadPool,
    runtime: &Handle,
    work: Pin<&mut (impl Future<Output = T> + Send)>,
    waker: &std::task::Waker,
) -> Poll<T> {
    pool.install(|| {
        // Time-outs and models need the runtime, wherever they are waited for.
        let _inside = runtime.enter();
        work.poll(&mut std::task::Context::from_waker(waker))
    })
}

async fn draw(app: &App, ctx: &Context<'_, Store>, project: &Project, job: &Job) -> Result<Scope, Error> {
    let mut config = job.config.clone();
    if let Some(rate) = job.sampling_rate {
        config.sample.size = None;
        let all = assay_insights::scope(ctx, project, &config).await?;
        // At most as many as there are, so the product fits.
        let wanted = (all.population as f64 * rate).ceil() as usize;
        config.sample.size = Some(wanted.max(1));
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
    budget: OnceLock<Arc<Budget>>,
}

impl Watch {
    pub(super) fn progress(&self) -> JobProgress {
        self.at.lock().clone()
    }

    /// What this attempt has spent on models.
    pub(super) fn spend(&self) -> Spend {
        self.budget.get().map(|budget| ask::spend(budget)).unwrap_or_default()
    }

    /// Waits until calls that nobody waits for any more are booked; they end soon, since they are aborted.
    pub(super) async fn settled(&self) {
        let Some(budget) = self.budget.get() else { return };
        if tokio::time::timeout(SETTLING, budget.quiet()).await.is_err() {
            tracing::warn!("calls to models are under way that nobody waits for");
        }
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
        let mut at = self.at.lock();
        *at = JobProgress { stage: stage.label().to_owned(), total: total as u64, ..JobProgress::default() };
    }

    fn advance(&self, done: usize) {
        self.at.lock().done += done as u64;
    }

    fn waiting(&self, provider: Option<&str>) {
        self.at.lock().waiting = provider.map(str::to_owned);
    }
}
