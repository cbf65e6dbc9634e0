//! The newer shapes of runs, traces and threads (contract 4.8).
//!
//! Answers hold the fields that were selected and nothing else, lists are
//! `{"items", "next_cursor"}`, refusals are problem objects. The queries are
//! those of v1: only the words differ.

mod experiments;
mod page;
mod problem;
mod public;
pub(crate) mod run;
mod runs;
mod share;
#[cfg(test)]
mod tests;
mod threads;
mod threads_stats;
mod traces;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(runs::query))
        .routes(routes!(runs::retrieve))
        .routes(routes!(runs::url))
        .routes(routes!(share::create, share::delete))
        .routes(routes!(traces::query))
        .routes(routes!(traces::runs))
        .routes(routes!(threads::query))
        .routes(routes!(threads::traces))
        .routes(routes!(threads_stats::of_thread))
        .routes(routes!(threads_stats::of_project))
        .routes(routes!(share::create_thread, share::read_thread, share::delete_thread))
        .routes(routes!(public::query))
        .routes(routes!(public::retrieve))
        .routes(routes!(experiments::query))
}
