//! Runs as clients read them.
//!
//! `query` turns what clients ask for into a query of the store, `shown`
//! fetches what an answer needs besides the runs themselves (in one call per
//! page, not per run), `v1` makes the JSON of a run. `v2` of the crate makes
//! the newer shape from the same [`shown::Shown`].

mod delete;
mod generate;
pub(crate) mod group;
mod place;
pub(crate) mod public;
pub(crate) mod query;
mod read;
pub(crate) mod share;
pub(crate) mod shown;
pub(crate) mod stats;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod v1;
mod validate;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(query::query))
        .routes(routes!(query::count))
        .routes(routes!(validate::validate))
        .routes(routes!(stats::stats))
        .routes(routes!(group::group))
        .routes(routes!(group::group_stats))
        .routes(routes!(delete::delete))
        .routes(routes!(delete::delete_traces))
        .routes(routes!(generate::generate_query))
        .routes(routes!(read::read))
        .routes(routes!(share::read, share::share, share::unshare))
        .merge(public::routes())
}
