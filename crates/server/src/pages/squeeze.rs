//! Long answers are packed for browsers that unpack them: pages of reports,
//! their threads, styles and modules.

use std::io::{self, Write as _};

use axum::body::Body;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::error::{ApiError, ApiResult};

/// Packs an answer where who asked says that it can be unpacked.
pub(super) async fn squeeze(response: &mut Response, asked: &HeaderMap) -> ApiResult<()> {
    if !unpacks(asked) {
        return Ok(());
    }
    let body = std::mem::take(response.body_mut());
    let whole =
        axum::body::to_bytes(body, usize::MAX).await.map_err(|error| failed(&io::Error::other(error)))?;
    let packed = tokio::task::spawn_blocking(move || pack(&whole));
    let packed = packed.await.map_err(io::Error::other).and_then(|packed| packed);
    *response.body_mut() = Body::from(packed.map_err(|error| failed(&error))?);
    say_packed(response);
    Ok(())
}

/// Whether who asks says that a packed answer can be unpacked.
pub(super) fn unpacks(asked: &HeaderMap) -> bool {
    let accepts = asked.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("gzip"))
}

/// As [`squeeze`] packs it.
pub(super) fn pack(whole: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(whole)?;
    encoder.finish()
}

/// Says of an answer that it is packed.
pub(super) fn say_packed(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
}

fn failed(error: &io::Error) -> ApiError {
    tracing::error!(%error, "an answer could not be packed");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the answer could not be packed; the server's log says why",
    )
}
