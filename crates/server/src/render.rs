//! Large answers, made where they hold up nobody.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::error::{ApiError, ApiResult};

/// The JSON of what `make` returns, made on a thread for long work: pages
/// with payloads may be many megabytes.
pub(crate) async fn json<T: Serialize>(make: impl FnOnce() -> T + Send + 'static) -> ApiResult<Response> {
    let bytes = tokio::task::spawn_blocking(move || serde_json::to_vec(&make())).await;
    let failed = || ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be written");
    let bytes = bytes.map_err(|error| {
        tracing::error!(%error, "an answer could not be made");
        failed()
    })?;
    let bytes = bytes.map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        failed()
    })?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
