//! Selects the threads a report is about: project, time window, filter.
//!
//! [`threads`] is what a run is made from. [`count`] and [`latest`] say how many
//! there are and give some of them without looking at all, for estimates.

use std::collections::{BTreeSet, HashMap};

use assay_domain::report::Skipped;
use assay_domain::trace::FeedbackScore;
use assay_domain::{ReportConfig, RunStatus, ThreadId, ThreadOverview, TraceId};
use assay_store::{FeedbackStats, Filter, Project, Runs, ThreadPage, ThreadQuery, ThreadRow};

use crate::Error;
use crate::context::Context;

/// The threads in scope, ordered by id.
///
/// # Errors
/// [`Error::Invalid`] for a filter that does not parse or an empty window,
/// otherwise what the store says.
pub async fn threads<S: Runs>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
) -> Result<Vec<ThreadOverview>, Error> {
    let filter = filter(config)?;
    let query =
        ThreadQuery { project: project.id, filter, start_time: config.start_time, end_time: config.end_time };
    Ok(ctx.store.threads(&query).await?)
}

/// The filter of a config, whose window is checked as well.
fn filter(config: &ReportConfig) -> Result<Option<Filter>, Error> {
    if let (Some(start), Some(end)) = (config.start_time, config.end_time)
        && start >= end
    {
        return Err(Error::Invalid(format!(
            "the time range is empty: it starts at {start} and ends at {end}"
        )));
    }
    let Some(text) = &config.filter else { return Ok(None) };
    Filter::parse(text).map(Some).map_err(|error| Error::Invalid(format!("filter: {error}")))
}

fn page(project: &Project, config: &ReportConfig, limit: usize) -> Result<ThreadPage, Error> {
    Ok(ThreadPage {
        project: project.id,
        filter: filter(config)?,
        start: config.start_time,
        end: config.end_time,
        with_single_traces: true,
        limit,
        ..ThreadPage::default()
    })
}

/// How many threads are in scope.
///
/// # Errors
/// As [`threads`].
pub async fn count<S: Runs>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
) -> Result<usize, Error> {
    let count = ctx.store.thread_count(&page(project, config, 1)?).await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The threads in scope that were active last, ordered by id; a thousand at most. Their metadata
/// and tags are not looked up.
///
/// # Errors
/// As [`threads`].
pub async fn latest<S: Runs>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
    most: usize,
) -> Result<Vec<ThreadOverview>, Error> {
    let found = ctx.store.thread_page(&page(project, config, most.max(1))?).await?;
    let mut threads: Vec<ThreadOverview> =
        found.items.into_iter().map(|row| overview(project, row)).collect();
    threads.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(threads)
}

fn overview(project: &Project, row: ThreadRow) -> ThreadOverview {
    let mut traces = [row.first_root, row.last_root].map(TraceId::from).to_vec();
    traces.dedup();
    let score = |stats: FeedbackStats| FeedbackScore {
        count: usize::try_from(stats.count).unwrap_or(usize::MAX),
        mean: stats.mean,
        labels: stats.labels.into_iter().map(|(label, times)| (label, times as usize)).collect(),
    };
    ThreadOverview {
        id: row.id,
        project: project.id,
        traces,
        runs: usize::try_from(row.runs).unwrap_or(usize::MAX),
        start_time: row.first_start,
        end_time: row.last_end,
        latency: row.latency_p50,
        status: if row.errors > 0 { RunStatus::Error } else { RunStatus::Success },
        total_tokens: row.total_tokens,
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        total_cost: row.total_cost,
        feedback: row.feedback.into_iter().map(|(key, stats)| (key, score(stats))).collect(),
        metadata: serde_json::Map::new(),
        tags: BTreeSet::new(),
    }
}

/// Threads that were drawn before, as they are now, with their weights, and those that are gone.
///
/// The filter is not asked again: a thread that matched when it was drawn stays in scope.
///
/// # Errors
/// What the store says.
pub async fn listed<S: Runs>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
    drawn: &[(ThreadId, f64)],
) -> Result<(Vec<ThreadOverview>, Vec<f64>, Vec<Skipped>), Error> {
    // Activity only ever grows, so the window still holds every one of them.
    let query = ThreadQuery {
        project: project.id,
        filter: None,
        start_time: config.start_time,
        end_time: config.end_time,
    };
    let all = ctx.store.threads(&query).await?;
    let mut found: HashMap<ThreadId, ThreadOverview> =
        all.into_iter().map(|thread| (thread.id.clone(), thread)).collect();
    let (mut threads, mut weights, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for (id, weight) in drawn {
        match found.remove(id) {
            Some(thread) => {
                threads.push(thread);
                weights.push(*weight);
            }
            None => {
                gone.push(Skipped { thread: id.clone(), reason: "no longer in the store".to_owned() });
            }
        }
    }
    Ok((threads, weights, gone))
}
