//! Selects the threads a report is about: project, time window, filter.

use assay_domain::{ReportConfig, ThreadOverview};
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
