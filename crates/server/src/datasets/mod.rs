//! Datasets: examples with their whole history, against which runs are judged.
//!
//! `ledger` is the heart: it says what an example is, how a write makes one new
//! version, and how an example looked at a moment. `snapshot` lists the
//! examples of a moment. Everything else translates requests: `dataset` the
//! datasets themselves, `examples` their examples, `versions` their history; `shown` is what pages read.

pub(crate) mod collect;
mod comparative;
mod conditions;
pub(crate) mod dataset;
mod examples;
mod export;
mod ledger;
pub(crate) mod runs;
mod schema;
mod share;
pub(crate) mod shown;
mod snapshot;
mod splits;
mod table;
mod upload;
mod versions;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(dataset::list, dataset::create, dataset::delete_several))
        .routes(routes!(dataset::read, dataset::change, dataset::delete))
        .routes(routes!(dataset::copy))
        .routes(routes!(table::upload_dataset))
        .routes(routes!(table::upload_examples))
        .routes(routes!(upload::upload_experiment))
        .routes(routes!(versions::list))
        .routes(routes!(versions::read))
        .routes(routes!(versions::tag))
        .routes(routes!(versions::diff))
        .routes(routes!(splits::list, splits::change))
        .routes(routes!(export::csv))
        .routes(routes!(export::jsonl))
        .routes(routes!(export::openai))
        .routes(routes!(export::openai_ft))
        .routes(routes!(export::pytest))
        .routes(routes!(runs::query))
        .merge(comparative::routes())
        .merge(share::routes())
        .merge(examples::routes())
}

#[cfg(test)]
mod tests;
