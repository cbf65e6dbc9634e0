//! What clients ask before anything else: is somebody there, and what can it do.

use std::time::Duration;

use assay_store::Catalog as _;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::projects;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(info))
        .routes(routes!(ok))
        .routes(routes!(health))
        .routes(routes!(info_health))
}

/// The version whose behaviour we match; clients decide by it what to send (contract 1.1).
const SPEAKS: &str = "0.18.15";

/// So long may the store take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// What this server can do. Needs no key.
#[utoipa::path(get, path = "/info", tag = "server", responses((status = 200, description = "version, flags, limits of batches")))]
async fn info(State(app): State<App>) -> Json<Value> {
    Json(json!({
        "version": SPEAKS,
        "assay_version": env!("CARGO_PKG_VERSION"),
        "license_expiration_time": null,
        "batch_ingest_config": {
            "use_multipart_endpoint": true,
            "size_limit": 100,
            "size_limit_bytes": app.config.max_body.min(20 << 20),
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
        },
        "instance_flags": {
            "zstd_compression_enabled": true,
            "gzip_body_enabled": true,
            "dataset_examples_multipart_enabled": true,
            "examples_multipart_enabled": true,
            "ch_query_enabled": true,
            "sdb_query_enabled": false,
        },
    }))
}

/// Whether the server is up.
#[utoipa::path(get, path = "/ok", tag = "server", responses((status = 200, description = "it is")))]
async fn ok() -> Json<Value> {
    Json(json!({ "ok": true }))
}

/// Whether the server is up and can read its store.
#[utoipa::path(get, path = "/health", tag = "server",
    responses((status = 200, description = "it can"), (status = 503, description = "the store does not answer")))]
async fn health(State(app): State<App>) -> ApiResult<Json<Value>> {
    let asked = tokio::time::timeout(PATIENCE, app.store.project(projects::DEFAULT)).await;
    match asked {
        Ok(Ok(_)) => Ok(Json(json!({ "ok": true }))),
        _ => Err(ApiError::overloaded("the store does not answer")),
    }
}

/// Whether the server is up.
#[utoipa::path(get, path = "/info/health", tag = "server", responses((status = 200, description = "it is")))]
async fn info_health() -> Json<Value> {
    Json(json!({ "ok": true }))
}
