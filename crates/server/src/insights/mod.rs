//! Insights: jobs that make reports, the configs they are made from, and what
//! clients read of them (contract 6).
//!
//! Handlers put jobs into the [`queue`] and read from it; a [`worker`] takes
//! them out and runs the analysis, which knows nothing of either. Start with
//! `request` (what may be asked), then `worker`.

mod adopt;
pub mod alerts;
mod analyst;
mod ask;
pub mod beside;
pub mod cases;
pub(crate) mod compare;
pub mod configs;
mod dataset;
mod draft;
pub(crate) mod edits;
mod estimate;
mod events;
pub(crate) mod files;
mod generate;
mod holder;
mod jobs;
mod ledger;
mod members;
mod models;
mod preview;
pub mod queue;
mod renew;
mod request;
pub mod schedule;
mod schemas;
mod shape;
mod share;
mod shelf;
mod tier;
pub(crate) mod trial;
mod worker;

use std::sync::{Arc, OnceLock};

use assay_domain::comparison::Comparison;
use assay_domain::{ProjectId, Report};
use assay_store::{Change, Error, Records};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use adopt::adopt;
pub(crate) use adopt::spend as spend_of;
use analyst::Analyst;
use ask::Endpoints;
pub(crate) use jobs::report_of;
pub(crate) use renew::renew;
pub(crate) use shape::cluster_id;
pub(crate) use share::KIND as SHARE_KIND;
pub(crate) use share::open as shared;
pub(crate) use worker::Workers;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(jobs::list, jobs::create))
        .routes(routes!(estimate::estimate))
        .routes(routes!(compare::compare))
        .routes(routes!(configs::list, configs::create))
        .routes(routes!(generate::generate))
        .routes(routes!(preview::preview))
        .routes(routes!(configs::update, configs::delete))
        .routes(routes!(jobs::read, jobs::update, jobs::delete))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::resume))
        .routes(routes!(jobs::cluster, edits::change))
        .routes(routes!(edits::list, edits::restore))
        .routes(routes!(dataset::create))
        .routes(routes!(share::share, share::read, share::unshare))
        .routes(routes!(share::shared))
        .routes(routes!(share::shared_file))
        .routes(routes!(members::list))
        .routes(routes!(trial::ask))
        .routes(routes!(events::stream))
        .routes(routes!(files::download))
}

/// What handlers and workers share.
#[derive(Default)]
pub(crate) struct Desk {
    /// There is a new job.
    pub(crate) wake: Notify,
    /// The server stops: jobs go back to the queue, streams end.
    pub(crate) stop: CancellationToken,
    /// The reports looked at last.
    pub(crate) shelf: shelf::Shelf,
    endpoints: Endpoints,
    analyst: OnceLock<Result<Analyst, String>>,
}

impl Desk {
    /// Made when it is needed first: that takes a moment and some memory.
    fn analyst(&self) -> Result<&Analyst, String> {
        self.analyst.get_or_init(Analyst::new).as_ref().map_err(Clone::clone)
    }
}

/// Two reports side by side: threads of the one may have to be placed in the other's categories.
///
/// # Errors
/// Why they could not be compared.
pub(crate) async fn compared(
    app: &App,
    project: ProjectId,
    before: Arc<Report>,
    after: Arc<Report>,
) -> Result<Comparison, assay_insights::Error> {
    let app = app.clone();
    let work = move || {
        let analyst = app.insights.analyst().map_err(assay_insights::Error::Invalid)?;
        analyst.compare(&app.store, project, &before, &after)
    };
    let compared = tokio::task::spawn_blocking(work).await;
    compared.unwrap_or_else(|error| Err(assay_insights::Error::Invalid(error.to_string())))
}

/// Deletes jobs, configs and schedules of a project that is gone.
///
/// # Errors
/// What the store says.
pub async fn forget(store: &impl Records, project: ProjectId) -> Result<(), Error> {
    queue::forget(store, project).await?;
    store
        .change(vec![
            Change::DeleteChildren { kind: configs::KIND.to_owned(), parent: project.0 },
            Change::DeleteChildren { kind: alerts::KIND.to_owned(), parent: project.0 },
        ])
        .await
}

#[cfg(test)]
mod edit_tests;
#[cfg(test)]
mod estimate_tests;
#[cfg(test)]
mod forget_tests;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
pub(crate) mod tests;
