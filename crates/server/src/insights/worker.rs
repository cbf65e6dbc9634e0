//! Works on queued jobs: claims one, keeps its lease alive while it computes,
//! writes down how far it is, and ends it.
//!
//! If the process dies the lease runs out (on the same machine the death is
//! noticed sooner) and the next worker begins again from the threads that were
//! drawn, which gives the same report. If the server is told to stop, the job
//! goes back to the queue.

use std::sync::Arc;
use std::time::Duration;

use assay_domain::Report;
use assay_domain::job::{JobStatus, Outline, Spend};
use assay_insights::Error as AnalysisError;
use assay_store::{Catalog as _, Error as StoreError};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::analyst::Watch;
use super::queue::{self, Entry};
use super::{alerts, configs, schedule, shape};
use crate::app::App;

/// How often somebody looks for work that others queued.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is asked whether a job is to be cancelled.
const TICK: Duration = Duration::from_millis(200);
/// How often progress is written and the lease renewed.
const BEAT: Duration = Duration::from_secs(1);

/// The running workers.
pub(crate) struct Workers(Vec<JoinHandle<()>>);

impl Workers {
    /// As many as the configuration says, and those that look at schedules and alerts; none where it says none.
    pub(crate) fn start(app: &App) -> Self {
        let mut tasks: Vec<_> =
            (0..app.config.insights_jobs).map(|_| tokio::spawn(work(app.clone()))).collect();
        if !tasks.is_empty() {
            tasks.push(tokio::spawn(schedule::keep(app.clone())));
            tasks.push(tokio::spawn(alerts::deliver(app.clone())));
        }
        Self(tasks)
    }

    /// Waits until all have given back what they were at. `App::insights.stop` tells them to.
    pub(crate) async fn end(self) {
        for task in self.0 {
            if task.await.is_err() {
                tracing::error!("a worker for insights had failed");
            }
        }
    }
}

async fn work(app: App) {
    let worker = Uuid::now_v7();
    let stop = app.insights.stop.clone();
    while !stop.is_cancelled() {
        match queue::claim(&app.store, worker, app.now()).await {
            Ok(Some(entry)) => {
                execute(&app, entry).await;
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "jobs could not be looked for"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = app.insights.wake.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// What became of an attempt while it was computing.
#[derive(PartialEq, Eq)]
enum Fate {
    Going,
    /// It is written down as cancelled.
    Cancelled,
    /// Somebody else has it, or it was deleted.
    Lost,
}

async fn execute(app: &App, mut entry: Entry) {
    let watch = Arc::new(Watch::default());
    let mut books = Books { before: entry.state.spend.clone(), counted: Spend::default() };
    let mut computing = compute(app, &entry, &watch);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beaten = Instant::now();
    let mut fate = Fate::Going;
    let outcome = loop {
        tokio::select! {
            outcome = &mut computing => break outcome,
            () = app.insights.stop.cancelled(), if !watch.is_asked() => watch.ask_to_stop(),
            _ = ticks.tick(), if fate == Fate::Going => {
                let has_paid = books.keep(app, &mut entry, &watch);
                // What counts against a cap is to be known after a crash, too.
                let is_due = beaten.elapsed() >= BEAT || has_paid && entry.job.budget.is_some();
                if is_due {
                    beaten = Instant::now();
                }
                fate = look(app, &mut entry, &watch, is_due).await;
                if fate != Fate::Going {
                    watch.ask_to_stop();
                }
            }
        }
    };
    // Calls that were dropped are booked by themselves, a moment later.
    watch.settled().await;
    books.keep(app, &mut entry, &watch);
    if fate == Fate::Cancelled {
        let _alone = app.changing.lock().await;
        if let Err(error) = queue::note_spend(&app.store, &entry, app.now()).await {
            tracing::warn!(job.id = %entry.job.id, %error, "what a cancelled job spent could not be written");
        }
    }
    if fate == Fate::Going
        && let Err(error) = settle(app, &mut entry, &watch, outcome).await
    {
        // The lease runs out, and somebody begins again.
        tracing::warn!(job.id = %entry.job.id, %error, "what became of a job could not be written down");
    }
}

/// What models cost: in earlier attempts, and of this one what was counted already.
struct Books {
    before: Spend,
    counted: Spend,
}

impl Books {
    /// Writes what was spent into the state and the counters; whether anything was since last time.
    fn keep(&mut self, app: &App, entry: &mut Entry, watch: &Watch) -> bool {
        let now = watch.spend();
        if now == self.counted {
            return false;
        }
        for (stage, spent) in &now.stages {
            let known = self.counted.stages.get(stage).cloned().unwrap_or_default();
            app.metrics.asked(stage, spent, &known);
        }
        entry.state.spend = self.before.clone();
        entry.state.spend.add(&now);
        self.counted = now;
        true
    }
}

fn compute(app: &App, entry: &Entry, watch: &Arc<Watch>) -> JoinHandle<Result<Report, AnalysisError>> {
    let (app, job, watch) = (app.clone(), entry.job.clone(), watch.clone());
    let spent = entry.state.spend.cost;
    tokio::task::spawn_blocking(move || {
        let analyst = app.insights.analyst().map_err(AnalysisError::Invalid)?;
        analyst.analyse(&app, &job, spent, &watch)
    })
}

async fn look(app: &App, entry: &mut Entry, watch: &Watch, is_due: bool) -> Fate {
    let looked = async {
        if queue::is_cancelled(&app.store, entry.job.id).await? {
            queue::end_while_at_it(&app.store, entry, app.now()).await?;
            return Ok(Fate::Cancelled);
        }
        let progress = watch.progress();
        // A new stage and what is waited for are told at once, the rest at every beat.
        if is_due || progress.words() != entry.state.progress.words() {
            entry.state.progress = progress;
            if !queue::carry_on(&app.store, entry, app.now()).await? {
                return Ok(Fate::Lost);
            }
        }
        Ok::<_, StoreError>(Fate::Going)
    };
    match looked.await {
        Ok(fate) => fate,
        Err(StoreError::NotFound(_)) => Fate::Lost,
        Err(error) => {
            tracing::warn!(job.id = %entry.job.id, %error, "the progress of a job could not be written");
            Fate::Going
        }
    }
}

async fn settle(
    app: &App,
    entry: &mut Entry,
    watch: &Watch,
    outcome: Result<Result<Report, AnalysisError>, JoinError>,
) -> Result<(), StoreError> {
    entry.state.progress = watch.progress();
    let error = match outcome {
        Ok(Ok(report)) => return succeed(app, entry, &report).await,
        Ok(Err(AnalysisError::Cancelled)) => return queue::release(&app.store, entry, app.now()).await,
        Ok(Err(AnalysisError::Store(error))) if error.is_retryable() => {
            return queue::release(&app.store, entry, app.now()).await;
        }
        Ok(Err(error)) => error.to_string(),
        Err(error) => {
            tracing::error!(job.id = %entry.job.id, %error, "an analysis failed by a defect");
            "the analysis failed by a defect of the server; its log says more".to_owned()
        }
    };
    tracing::warn!(job.id = %entry.job.id, error, "a job failed");
    entry.state.status = JobStatus::Failed;
    entry.state.error = Some(error);
    queue::end(&app.store, entry, app.now(), Vec::new()).await
}

async fn succeed(app: &App, entry: &mut Entry, report: &Report) -> Result<(), StoreError> {
    // Of a job that was deleted meanwhile nothing is kept.
    if !queue::carry_on(&app.store, entry, app.now()).await? {
        return Ok(());
    }
    app.store.put_report(report).await?;
    let state = &mut entry.state;
    state.status = JobStatus::Succeeded;
    state.report = Some(report.id);
    state.outline = Some(outline(report));
    let _alone = app.changing.lock().await;
    let mut others = configs::learn(&app.store, &entry.job, report, app.now()).await?;
    others.extend(alerts::due(app, entry, report).await?);
    queue::end(&app.store, entry, app.now(), others).await?;
    tracing::info!(job.id = %entry.job.id, threads = report.assignments.len(), "a job succeeded");
    Ok(())
}

/// What lists show of a report.
pub(super) fn outline(report: &Report) -> Outline {
    let top = report.taxonomy.children(None);
    let mut summary = shape::summary_of(report);
    // What is quoted of a thread stays in the report, which loses it with the thread.
    summary.highlights.iter_mut().for_each(|highlight| highlight.summary.clear());
    Outline {
        population: report.made.population as u64,
        threads: report.assignments.len() as u64,
        partial: report.made.model.as_ref().and_then(|work| work.partial.clone()),
        top: top.map(|node| (node.name.clone(), node.statistics.threads as u64)).collect(),
        summary,
    }
}
