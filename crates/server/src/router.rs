//! Every path of the server, in one list.
//!
//! Each resource brings its own routes (and their part of the OpenAPI
//! document); this module puts them together, and around them what holds for
//! every request. Paths here are canonical: see `path` for the prefixes.

use axum::Json;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tower::Layer as _;
use tower::util::MapRequestLayer;
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::access;
use crate::admission;
use crate::app::App;
use crate::bootstrap;
use crate::datasets;
use crate::error::ApiError;
use crate::feedback;
use crate::ingest;
use crate::insights;
use crate::metrics;
use crate::observe;
use crate::otlp;
use crate::pages;
use crate::path;
use crate::prices;
use crate::projects;
use crate::queues;
use crate::retention;
use crate::runs;
use crate::threads;
use crate::v2;
use crate::views;
use crate::workspace;

/// All resources.
fn resources() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(document()) //
        .merge(bootstrap::routes())
        .merge(feedback::routes())
        .merge(workspace::routes())
        .merge(datasets::routes())
        .merge(queues::routes())
        .merge(prices::routes())
        .merge(ingest::routes())
        .merge(insights::routes())
        .merge(projects::routes())
        .merge(runs::routes())
        .merge(threads::routes())
        .merge(v2::routes())
        .merge(views::routes())
        .merge(access::routes())
        .merge(admission::routes())
        .merge(retention::routes())
        .merge(metrics::routes())
        .merge(otlp::routes())
        .merge(pages::routes())
}

fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Assay")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Traces in, reports out. Every path also answers under /api, /api/v1 and /v1."))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// The OpenAPI document of the whole surface.
#[must_use]
pub fn openapi() -> OpenApi {
    resources().split_for_parts().1
}

/// The service that answers requests.
pub fn service(
    app: App,
) -> impl tower::Service<Request, Response = Response, Error = std::convert::Infallible, Future: Send> + Clone + Send
{
    let (router, openapi) = resources().split_for_parts();
    let document = Json(serde_json::to_value(&openapi).unwrap_or_default());
    let router = router
        .route("/openapi.json", axum::routing::get(move || async move { document }))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        // The last is the outermost.
        .layer(from_fn_with_state(app.clone(), access::guard))
        .layer(from_fn_with_state(app.clone(), pages::dress))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .with_state(app);
    // Around the router, not inside: it must see the canonical path.
    MapRequestLayer::new(path::canonical).layer(router)
}

/// The service of the port for OTLP over gRPC.
pub fn grpc(
    app: App,
) -> impl tower::Service<Request, Response = Response, Error = std::convert::Infallible, Future: Send> + Clone + Send
{
    let observe = from_fn_with_state(app.clone(), observe::observe);
    otlp::grpc::routes().fallback(otlp::grpc::unknown).layer(observe).with_state(app)
}

async fn unknown(request: Request) -> Response {
    let path = request.uri().path().chars().take(200).collect::<String>();
    ApiError::not_found(format!("{} {path}", request.method())).into_response()
}

async fn wrong_method(request: Request) -> Response {
    let text = format!("{} is not what {} answers to", request.method(), request.uri().path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    #[tokio::test]
    async fn the_document_in_docs_is_the_one_that_is_served() {
        let served = Server::new().get("/openapi.json").await.ok();
        let text = serde_json::to_string_pretty(&served).expect("JSON") + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        if std::env::var_os("ASSAY_UPDATE").is_some() {
            std::fs::write(path, &text).expect("written");
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        let line = kept.lines().zip(text.lines()).position(|(old, new)| old != new);
        assert!(
            kept == text,
            "docs/openapi.json is out of date (first at line {:?}): look at what changed for clients, then \
             run `ASSAY_UPDATE=1 cargo test -p assay-server --lib the_document_in_docs`",
            line.map(|line| line + 1)
        );
    }

    #[test]
    fn every_operation_that_takes_a_body_says_what_it_looks_like() {
        let document = serde_json::to_value(openapi()).expect("JSON");
        let mut silent = Vec::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let Some(content) = operation["requestBody"]["content"].as_object() else { continue };
                if content
                    .values()
                    .any(|kind| kind["schema"].as_object().is_none_or(serde_json::Map::is_empty))
                {
                    silent.push(format!("{method} {path}"));
                }
            }
        }
        assert!(silent.is_empty(), "give these a schema: {silent:#?}");
    }
}
