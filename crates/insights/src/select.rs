//! Selects the threads a report is about: project, time window, filter.

use std::collections::HashMap;

use assay_domain::report::Skipped;
use assay_domain::{ReportConfig, ThreadId, ThreadOverview};
use assay_store::{Filter, Project, Runs, ThreadQuery};

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
    if let (Some(start), Some(end)) = (config.start_time, config.end_time)
        && start >= end
    {
        return Err(Error::Invalid(format!(
            "the time range is empty: it starts at {start} and ends at {end}"
        )));
    }
    let filter = match &config.filter {
        Some(text) => Some(Filter::parse(text).map_err(|error| Error::Invalid(format!("filter: {error}")))?),
        None => None,
    };
    let query =
        ThreadQuery { project: project.id, filter, start_time: config.start_time, end_time: config.end_time };
    Ok(ctx.store.threads(&query).await?)
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
