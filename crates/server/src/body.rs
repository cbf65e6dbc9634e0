//! Request bodies: read whole, unpacked, never larger than allowed.

use std::io::Read;

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use http_body_util::BodyExt;

use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// Reads a body and undoes its `Content-Encoding` (none, gzip, deflate, zstd).
///
/// 413 if it is too large before or after unpacking, 408 if the client pauses
/// too long, 415 for another encoding, 400 if it is cut short or damaged.
pub(crate) async fn read(request: Request, app: &App) -> ApiResult<Bytes> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    let encoding = encoding.map(|value| value.to_str().unwrap_or("?").to_owned());
    let packed = collect(request, app).await?;
    unpacked(packed, encoding.as_deref(), app).await
}

/// Undoes an encoding. Fails as [`read`] does.
pub(crate) async fn unpacked(packed: Bytes, encoding: Option<&str>, app: &App) -> ApiResult<Bytes> {
    let limit = app.config.max_unpacked;
    match encoding.map(str::trim) {
        None | Some("" | "identity") => Ok(packed),
        Some(encoding @ ("gzip" | "x-gzip" | "deflate" | "zstd")) => {
            let encoding = encoding.to_owned();
            // Unpacking megabytes must not hold up other requests.
            let unpacked = tokio::task::spawn_blocking(move || unpack(&encoding, &packed, limit)).await;
            unpacked.map_err(|_| ApiError::bad_request("the body could not be unpacked"))?
        }
        Some(other) => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content encoding {other:?} is not known; send gzip, zstd, deflate or none"),
        )),
    }
}

/// Reads a body as it comes. Fails as [`read`] does.
pub(crate) async fn collect(request: Request, app: &App) -> ApiResult<Bytes> {
    let (limit, pause) = (app.config.max_body, app.config.body_timeout);
    let mut body = request.into_body();
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(pause, body.frame())
            .await
            .map_err(|_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body stopped arriving"))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| ApiError::bad_request(format!("the body ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + first.as_ref().map_or(0, Bytes::len) + data.len() > limit {
            return Err(too_large(limit));
        }
        // Small bodies come in one piece and are not copied.
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(start) => {
                all.extend_from_slice(&start);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

fn too_large(limit: usize) -> ApiError {
    let megabytes = limit >> 20;
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body is larger than {megabytes} MB; send it in several requests"),
    )
}

fn unpack(encoding: &str, packed: &[u8], limit: usize) -> ApiResult<Bytes> {
    let damaged =
        |error: std::io::Error| ApiError::bad_request(format!("the {encoding} body is damaged: {error}"));
    let mut unpacked = Vec::with_capacity((packed.len() * 4).min(limit));
    let bounded = limit as u64 + 1;
    match encoding {
        "zstd" => zstd::stream::read::Decoder::with_buffer(packed)
            .and_then(|mut decoder| {
                // A window beyond this is no client's.
                decoder.window_log_max(27)?;
                decoder.take(bounded).read_to_end(&mut unpacked)
            })
            .map_err(damaged)?,
        "deflate" => flate2::read::ZlibDecoder::new(packed)
            .take(bounded)
            .read_to_end(&mut unpacked)
            .map_err(damaged)?,
        _ => flate2::read::MultiGzDecoder::new(packed)
            .take(bounded)
            .read_to_end(&mut unpacked)
            .map_err(damaged)?,
    };
    if unpacked.len() > limit {
        return Err(too_large(limit));
    }
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        let zstd = zstd::encode_all(&b"hello"[..], 1).expect("packed");
        assert_eq!(unpack("zstd", &zstd, 5).expect("unpacked"), "hello");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"hello").expect("packed");
        assert_eq!(unpack("gzip", &gzip.finish().expect("packed"), 5).expect("unpacked"), "hello");
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let bomb = zstd::encode_all(&vec![0; 1 << 20][..], 1).expect("packed");
        let error = unpack("zstd", &bomb, 1000).expect_err("too large");
        assert_eq!(error.status, StatusCode::PAYLOAD_TOO_LARGE);
        let error = unpack("gzip", b"no gzip", 1000).expect_err("damaged");
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
        let error = unpack("zstd", &bomb[..bomb.len() - 3], 2 << 20).expect_err("cut short");
        assert_eq!(error.status, StatusCode::BAD_REQUEST);
    }
}
