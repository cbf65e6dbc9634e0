//! Request bodies: read whole, unpacked, never larger than allowed.
//!
//! All bodies together are bounded, too: their bytes count against a budget
//! until whoever decodes them lets them go.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::{StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// Reads a body and undoes its `Content-Encoding` (none, gzip, deflate, zstd).
///
/// 413 if it is too large before or after unpacking, 408 if the client pauses
/// too long or sends too slowly, 415 for another encoding, 400 if it is cut
/// short or damaged, 503 while other bodies take all the memory there is for them.
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
            let place = app.bodies.place();
            let unpacked =
                tokio::task::spawn_blocking(move || unpack(&encoding, &packed, limit, place)).await;
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
    let began = Instant::now();
    let mut body = request.into_body();
    let mut place = app.bodies.place();
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    loop {
        // Who sends a byte now and then may not hold a place for hours.
        let received = all.len() + first.as_ref().map_or(0, Bytes::len);
        let at_least = Duration::from_secs(received as u64 / SLOWEST);
        let left = (2 * pause + at_least).saturating_sub(began.elapsed());
        let frame = tokio::time::timeout(pause.min(left), body.frame())
            .await
            .map_err(|_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body stopped arriving"))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| ApiError::bad_request(format!("the body ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if received + data.len() > limit {
            return Err(too_large(limit));
        }
        place.grow(data.len())?;
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
    Ok(place.keep(first.unwrap_or_else(|| all.freeze())))
}

fn too_large(limit: usize) -> ApiError {
    let megabytes = limit >> 20;
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body is larger than {megabytes} MB; send it in several requests"),
    )
}

fn unpack(encoding: &str, packed: &[u8], limit: usize, mut place: Place) -> ApiResult<Bytes> {
    let damaged =
        |error: std::io::Error| ApiError::bad_request(format!("the {encoding} body is damaged: {error}"));
    let mut reader: Box<dyn Read + '_> = match encoding {
        "zstd" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(damaged)?;
            // A window beyond this is no client's.
            decoder.window_log_max(27).map_err(damaged)?;
            Box::new(decoder)
        }
        "deflate" => Box::new(flate2::read::ZlibDecoder::new(packed)),
        _ => Box::new(flate2::read::MultiGzDecoder::new(packed)),
    };
    let mut unpacked = Vec::with_capacity((packed.len() * 4).min(limit));
    loop {
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut unpacked).map_err(damaged)?;
        if read == 0 {
            break;
        }
        if unpacked.len() > limit {
            return Err(too_large(limit));
        }
        place.grow(read)?;
    }
    Ok(place.keep(unpacked.into()))
}

/// Bodies are unpacked in pieces of this size, each within what memory there is.
const PIECE: usize = 1 << 20;
/// Bytes a second that a client has to manage on the whole, after some time.
const SLOWEST: u64 = 16 << 10;

// --------------------------------------------------------------------- memory

/// What all bodies together may take in memory, before and after unpacking.
#[derive(Clone)]
pub(crate) struct Bodies(Arc<Semaphore>);

/// Room is counted in these.
const UNIT: usize = 1 << 10;

impl Bodies {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// A place that takes nothing yet.
    fn place(&self) -> Place {
        Place { bodies: self.clone(), taken: None, bytes: 0 }
    }
}

/// The room of one body; given back when this, or the body it was kept with, goes.
struct Place {
    bodies: Bodies,
    taken: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Place {
    /// 503 where there is no more room: those who hold it are answered soon.
    fn grow(&mut self, bytes: usize) -> ApiResult<()> {
        let units = (self.bytes + bytes).div_ceil(UNIT) - self.bytes.div_ceil(UNIT);
        self.bytes += bytes;
        let taken = u32::try_from(units)
            .ok()
            .and_then(|units| Arc::clone(&self.bodies.0).try_acquire_many_owned(units).ok())
            .ok_or_else(|| ApiError::overloaded("too much is being sent at once; repeat the request"))?;
        match &mut self.taken {
            Some(all) => all.merge(taken),
            None => self.taken = Some(taken),
        }
        Ok(())
    }

    /// Ties the room to the body.
    fn keep(self, body: Bytes) -> Bytes {
        match self.taken {
            Some(taken) => Bytes::from_owner(Kept { body, _taken: taken }),
            None => body,
        }
    }
}

struct Kept {
    body: Bytes,
    _taken: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn unpack(encoding: &str, packed: &[u8], limit: usize) -> ApiResult<Bytes> {
        super::unpack(encoding, packed, limit, Bodies::new(16 << 20).place())
    }

    #[test]
    fn bodies_share_a_budget_and_give_back_what_they_took() {
        let bodies = Bodies::new(10 * UNIT);
        let mut first = bodies.place();
        first.grow(100).expect("room");
        first.grow(6 * UNIT).expect("room");
        let mut second = bodies.place();
        second.grow(3 * UNIT).expect("room");
        let refused = second.grow(UNIT).expect_err("no room");
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        let body = first.keep(Bytes::from_static(b"kept"));
        let part = body.slice(1..2);
        drop((body, second));
        assert_eq!(bodies.0.available_permits(), 3, "a part of the body is still held");
        drop(part);
        assert_eq!(bodies.0.available_permits(), 10);
    }

    #[tokio::test]
    async fn bodies_beyond_the_budget_are_asked_to_come_again() {
        use axum::body::Body;
        let config = crate::app::Config { bodies_in_memory: 64 << 10, ..Default::default() };
        let server = crate::testing::Server::with(config);
        let large = format!("{{\"pad\": \"{}\"}}", "x".repeat(80 << 10));
        let request = crate::testing::request(http::Method::POST, "/runs/batch", Body::from(large));
        let answer = server.send(request).await;
        answer.refused(503);
        assert!(answer.headers.contains_key(header::RETRY_AFTER));
        server.post("/runs/batch", serde_json::json!({ "post": [] })).await.ok();
    }

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
