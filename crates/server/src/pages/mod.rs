//! What a browser sees: pages, written on the server, over the same functions
//! that answer the API.
//!
//! A handler reads through the store's traits, fills the page's struct in
//! `assay_ui::web` and hands it to [`page`]. Nothing is changed here except
//! who is logged in: the pages' scripts change things over the API, as any
//! client does. [`dress`] stands around every request: it puts the security
//! headers on pages and turns refusals into pages for who asked for one.

mod assets;
mod conditions;
mod dashboard;
mod datasets;
mod dress;
mod insights;
mod listing;
mod login;
mod picture;
mod places;
mod portion;
mod projects;
mod settings;
mod squeeze;
mod state;
mod thread;
mod threads;
mod trace;
mod traces;
mod visit;

use assay_ui::web::Page;
use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderValue, header};
use utoipa_axum::router::OpenApiRouter;

pub(crate) use dress::{Refusal, dress};
pub(crate) use visit::Visit;

use crate::app::App;
use crate::error::ApiResult;
use crate::extract::uuid;

/// Not in the OpenAPI document: no client is to rely on pages.
pub(crate) fn routes() -> OpenApiRouter<App> {
    let router = Router::new()
        .route("/", get(projects::show))
        .route("/assets/{version}/{*name}", get(assets::serve))
        .route("/login", get(login::show).post(login::enter))
        .route("/logout", post(login::leave))
        .route("/p/{project}", get(first_tab))
        .route("/o/{tenant}", get(places::workspace))
        .route("/o/{tenant}/projects", get(places::workspace))
        .route("/o/{tenant}/projects/p/{project}", get(places::project))
        .route("/o/{tenant}/projects/p/{project}/r/{run}", get(places::run_of_project))
        .route("/r/{run}", get(places::run))
        .route("/r/{run}/picture/{number}", get(picture::show))
        .merge(datasets::routes())
        .merge(insights::routes())
        .merge(settings::routes())
        .route("/p/{project}/traces", get(traces::show))
        .route("/p/{project}/traces/part", get(traces::part))
        .route("/p/{project}/traces/rows", get(traces::more))
        .route("/p/{project}/traces/count", get(traces::count))
        .route("/p/{project}/traces/news", get(traces::news))
        .route("/p/{project}/traces/{trace}", get(trace::show))
        .route("/p/{project}/threads", get(threads::show))
        // A thread may be called anything, so what belongs to the list is elsewhere.
        .route("/p/{project}/threads-list/part", get(threads::part))
        .route("/p/{project}/threads-list/rows", get(threads::more))
        .route("/p/{project}/threads-list/count", get(threads::count))
        .route("/p/{project}/threads-list/news", get(threads::news))
        .route("/p/{project}/threads-list/conditions", get(threads::conditions))
        .route("/p/{project}/threads/{thread}", get(thread::show))
        .route("/p/{project}/dashboard", get(dashboard::show))
        .route("/p/{project}/dashboard/charts", get(dashboard::charts))
        .route("/public/{token}/r", get(trace::shared));
    OpenApiRouter::from(router)
}

/// A page as an answer.
pub(crate) fn page(page: &impl Page) -> Response {
    let mut response = page.html().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// How alarming a share of failures is: `bad`, `warn` or nothing.
pub(crate) fn rate_class(rate: Option<f64>) -> &'static str {
    match rate {
        Some(rate) if rate >= 0.25 => "bad",
        Some(rate) if rate >= 0.1 => "warn",
        _ => "",
    }
}

async fn first_tab(Path(project): Path<String>) -> ApiResult<Redirect> {
    Ok(Redirect::to(&format!("/p/{}/insights", uuid("project", &project)?)))
}

#[cfg(test)]
mod list_tests;
#[cfg(test)]
mod report_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trace_tests;
