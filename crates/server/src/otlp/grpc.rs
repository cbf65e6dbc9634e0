//! OTLP over gRPC: unary calls of the three export services.
//!
//! A unary call is one message behind a five byte head, and an answer whose
//! status comes in trailers; HTTP/2 is the server's anyway. So bodies go the
//! same bounded way as all others, which the usual libraries do not offer: they
//! unpack without a limit, and decode a request as a whole, so that one damaged
//! span would take all others with it.

use assay_wire::otel::export::{Encoding, Signal};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full};

use super::{project, store, words};
use crate::access;
use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::ingest::Door;

/// A flag (is it packed) and the length of the message.
const HEAD: usize = 5;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(traces))
        .route("/opentelemetry.proto.collector.logs.v1.LogsService/Export", post(logs))
        .route("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", post(metrics))
}

async fn traces(State(app): State<App>, request: Request) -> Response {
    call(&app, Signal::Traces, request).await
}

async fn logs(State(app): State<App>, request: Request) -> Response {
    call(&app, Signal::Logs, request).await
}

async fn metrics(State(app): State<App>, request: Request) -> Response {
    call(&app, Signal::Metrics, request).await
}

/// What a path that is no call is answered.
pub(crate) async fn unknown(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    refuse(UNIMPLEMENTED, &format!("no method {path}"))
}

async fn call(app: &App, signal: Signal, request: Request) -> Response {
    let taken = async {
        access::check_sender(app, request.headers()).await?;
        let project = project(request.headers());
        let message = message(app, request).await?;
        store(app, Door::OtlpGrpc, signal, Encoding::Protobuf, project, message).await
    };
    match taken.await {
        Ok(answer) => succeed(&answer),
        Err(error) => refuse(code(error.status), &words(&error)),
    }
}

/// Reads the one message of a unary call.
async fn message(app: &App, request: Request) -> ApiResult<Bytes> {
    let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    if !request.headers().get(header::CONTENT_TYPE).is_some_and(is_grpc) {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this is a gRPC method: send application/grpc",
        ));
    }
    let encoding =
        request.headers().get("grpc-encoding").map(|value| value.to_str().unwrap_or("?").to_owned());
    let mut body = body::collect(request, app).await?;
    let head = body.get(..HEAD).ok_or_else(|| ApiError::bad_request("the call holds no message"))?;
    let is_packed = match head[0] {
        0 => false,
        1 => true,
        _ => return Err(ApiError::bad_request("the head of the message is damaged")),
    };
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let message = body.split_off(HEAD);
    if message.len() != length {
        return Err(ApiError::bad_request(format!(
            "a message of {length} bytes was announced and {} came",
            message.len()
        )));
    }
    body::unpacked(message, encoding.as_deref().filter(|_| is_packed), app).await
}

fn succeed(answer: &[u8]) -> Response {
    let mut framed = BytesMut::with_capacity(HEAD + answer.len());
    framed.put_u8(0);
    framed.put_u32(answer.len() as u32);
    framed.put_slice(answer);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(framed.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Body::new(body).into_response();
    label(&mut response);
    response
}

/// A refusal is a head alone; HTTP itself went well.
fn refuse(code: i32, message: &str) -> Response {
    let mut response = ().into_response();
    label(&mut response);
    response.headers_mut().insert("grpc-status", HeaderValue::from(code));
    if let Ok(message) = HeaderValue::try_from(escaped(message)) {
        response.headers_mut().insert("grpc-message", message);
    }
    response
}

fn label(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,deflate,zstd"));
}

/// Percent-encoded, as messages in headers are.
fn escaped(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes().take(4096) {
        match byte {
            b'%' | 0..=31 | 127.. => out.push_str(&format!("%{byte:02X}")),
            plain => out.push(char::from(plain)),
        }
    }
    out
}

const UNIMPLEMENTED: i32 = 12;

/// The gRPC code for a status. Exporters repeat 14 (unavailable), and 8
/// (exhausted) only if told when.
pub(super) fn code(status: StatusCode) -> i32 {
    match status.as_u16() {
        400 | 413 | 415 | 422 => 3,
        401 => 16,
        403 => 7,
        404 => 5,
        408 => 4,
        409 => 6,
        429 | 503 => 14,
        500 => 13,
        _ => 2,
    }
}
