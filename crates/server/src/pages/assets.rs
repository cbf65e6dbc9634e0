//! Styles and modules of the pages.

use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};

use super::squeeze::squeeze;
use crate::error::{ApiError, ApiResult};

/// Whatever has this version never changes.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A page of another version of the server asks: it gets what there is, and does not keep it.
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");

pub(super) async fn serve(
    Path((version, name)): Path<(String, String)>,
    asked: HeaderMap,
) -> ApiResult<Response> {
    let asset = assay_ui::web::asset(&name).ok_or_else(|| ApiError::not_found("asset"))?;
    let mut response = Response::new(Body::from(asset.bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, if version == asset.version { FOR_GOOD } else { NOT_KEPT });
    squeeze(&mut response, &asked).await?;
    Ok(response)
}
