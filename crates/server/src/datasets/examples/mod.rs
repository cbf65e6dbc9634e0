//! Examples over HTTP: as JSON one by one or in bulk, as multipart with files.
//!
//! `draft` turns what a client says into the content of an example, `read`
//! lists, `write` changes and deletes, `multipart` does so with files, `shape`
//! makes the JSON of an answer.

mod draft;
mod multipart;
mod read;
pub(super) mod shape;
mod write;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use self::draft::{NewExample, check_dataset, settle};
pub(super) use self::read::{count_for, page_for};
use crate::app::App;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read::list, write::create, write::delete_several))
        .routes(routes!(read::count))
        .routes(routes!(write::create_several, write::change_several))
        .routes(routes!(write::validate))
        .routes(routes!(read::one, write::change, write::delete))
        .routes(routes!(multipart::create, multipart::change))
        .routes(routes!(write::delete_or_erase))
}
