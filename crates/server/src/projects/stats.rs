//! What the runs of a project add up to.
//!
//! Clients mean traces where they say runs of a project: the count, latency
//! and errors are those of root runs, tokens and money those of their traces.

use std::collections::BTreeMap;

use assay_domain::{Feedback, ProjectId, Time};
use assay_store::{FeedbackQuery, FeedbackStats, Filter, RunQuery, RunStats, Runs as _, StatsQuery};

use crate::app::App;
use crate::error::ApiResult;

/// Feedback about a project as a whole beyond this does not count.
const MAX_SUMMARY_FEEDBACK: usize = 10_000;

pub(crate) struct ProjectStats {
    /// Of its root runs.
    pub(crate) traces: RunStats,
    /// What was said of the project itself.
    pub(crate) about_project: BTreeMap<String, FeedbackStats>,
}

/// Counts traces since `start` whose root passes the filter.
pub(crate) async fn of(
    app: &App,
    project: ProjectId,
    start: Option<Time>,
    filter: Option<Filter>,
) -> ApiResult<ProjectStats> {
    let runs = RunQuery { start, filter, is_root: Some(true), ..RunQuery::new(project) };
    let found = app.store.stats(&StatsQuery { runs, ..StatsQuery::default() }).await?;
    let traces = found.into_iter().next().map(|(_, stats)| stats).unwrap_or_default();
    let summaries = FeedbackQuery {
        projects: vec![project],
        is_about_runs: Some(false),
        limit: MAX_SUMMARY_FEEDBACK,
        ..FeedbackQuery::default()
    };
    let about_project = add_up(&app.store.feedbacks(&summaries).await?);
    Ok(ProjectStats { traces, about_project })
}

/// Feedback by key.
fn add_up(feedback: &[Feedback]) -> BTreeMap<String, FeedbackStats> {
    let mut by_key: BTreeMap<String, (FeedbackStats, Vec<f64>)> = BTreeMap::new();
    for given in feedback {
        let (stats, scores) = by_key.entry(given.key.clone()).or_default();
        stats.count += 1;
        scores.extend(given.score);
        if let Some(label) = given.value.as_ref().and_then(|value| value.as_str()) {
            *stats.labels.entry(label.to_owned()).or_default() += 1;
        }
        stats.comments.extend(given.comment.clone().filter(|_| stats.comments.len() < 10));
        stats.sources.extend(given.source.clone().filter(|source| !stats.sources.contains(source)));
    }
    let summarized = by_key.into_iter().map(|(key, (mut stats, scores))| {
        stats.min = scores.iter().copied().reduce(f64::min);
        stats.max = scores.iter().copied().reduce(f64::max);
        if !scores.is_empty() {
            let count = scores.len() as f64;
            let mean = scores.iter().sum::<f64>() / count;
            let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / count;
            stats.mean = Some(mean);
            stats.deviation = Some(variance.sqrt());
        }
        (key, stats)
    });
    summarized.collect()
}
