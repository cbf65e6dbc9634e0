//! OpenTelemetry's protocol: spans over HTTP (here) and gRPC ([`grpc`]).
//!
//! Spans go the way of all runs, through [`crate::ingest::accept`]. The answer
//! mirrors the encoding of the request and says how many spans were refused
//! and why. Logs and metrics are not kept; exporters that send them anyway are
//! told so, in a way that keeps them from repeating it.

pub(crate) mod grpc;
mod hybrid;
mod schema;
#[cfg(test)]
mod tests;

use assay_wire::langsmith::project_of_agent;
use assay_wire::otel::export::{self, Encoding, Signal};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::ingest::{Arrival, Door, accept, decode_apart};

/// Why logs and metrics are refused.
const TRACES_ONLY: &str = "assay keeps traces only: this was dropped; send it elsewhere";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(traces)).routes(routes!(logs)).routes(routes!(metrics))
}

/// Takes spans: an `ExportTraceServiceRequest` as protobuf or JSON.
#[utoipa::path(post, path = "/otel/v1/traces", tag = "ingest",
    request_body(content = schema::ExportTraces, description = "`ExportTraceServiceRequest`; also `application/x-protobuf`"),
    params(("Langsmith-Project" = Option<String>, Header, description = "project of spans that name none")),
    responses((status = 200, description = "durable; `partialSuccess` says what was not taken"), (status = 400, description = "nothing could be taken")))]
async fn traces(State(app): State<App>, request: Request) -> Response {
    take(&app, Signal::Traces, request).await
}

/// Drops log records, and says so.
#[utoipa::path(post, path = "/otel/v1/logs", tag = "ingest", request_body(content = Object, description = "`ExportLogsServiceRequest`"),
    responses((status = 200, description = "`partialSuccess` says that all were dropped")))]
async fn logs(State(app): State<App>, request: Request) -> Response {
    take(&app, Signal::Logs, request).await
}

/// Drops metrics, and says so.
#[utoipa::path(post, path = "/otel/v1/metrics", tag = "ingest", request_body(content = Object, description = "`ExportMetricsServiceRequest`"),
    responses((status = 200, description = "`partialSuccess` says that all were dropped")))]
async fn metrics(State(app): State<App>, request: Request) -> Response {
    take(&app, Signal::Metrics, request).await
}

async fn take(app: &App, signal: Signal, request: Request) -> Response {
    let encoding = match encoding(request.headers()) {
        Ok(encoding) => encoding,
        Err(error) => return refuse(error, Encoding::Json),
    };
    let project = project(request.headers());
    let taken = async {
        let body = body::read(request, app).await?;
        store(app, Door::OtlpHttp, signal, encoding, project, body).await
    };
    match taken.await {
        Ok(answer) => (StatusCode::OK, [(header::CONTENT_TYPE, name(encoding))], answer).into_response(),
        Err(error) => refuse(error, encoding),
    }
}

/// Stores a request of whatever door; yields the body of the answer.
async fn store(
    app: &App,
    door: Door,
    signal: Signal,
    encoding: Encoding,
    project: String,
    body: Bytes,
) -> ApiResult<Vec<u8>> {
    let bytes = body.len();
    if signal != Signal::Traces {
        let counted = decode_apart(body, move |body| export::count(body, signal, encoding)).await?;
        let dropped = counted.map_err(ApiError::bad_request)?;
        return Ok(export::response(signal, dropped, TRACES_ONLY, encoding));
    }
    let mut decoded = decode_apart(body, move |body| export::traces(body, encoding)).await?;
    let was_empty = decoded.is_empty();
    hybrid::drop_echoes(app, &mut decoded, &project).await?;
    let accepted = accept(app, Arrival { door, project: &project, bytes, import: None }, decoded).await?;
    let reasons: Vec<String> =
        accepted.rejected.iter().take(10).map(|one| format!("{}: {}", one.location, one.reason)).collect();
    let message = reasons.join("; ").trim_start_matches(": ").to_owned();
    if was_empty && bytes > 0 && encoding == Encoding::Protobuf {
        return Err(ApiError::bad_request("the body holds no spans"));
    }
    if accepted.runs == 0 && !accepted.rejected.is_empty() {
        return Err(ApiError::bad_request(message));
    }
    Ok(export::response(signal, accepted.rejected.len() as u64, &message, encoding))
}

/// What the content type says; without one, protobuf: that is what exporters send.
fn encoding(headers: &HeaderMap) -> ApiResult<Encoding> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Encoding::Protobuf) };
    let text = value.to_str().unwrap_or("?");
    match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" | "application/protobuf" | "application/octet-stream" | "" => {
            Ok(Encoding::Protobuf)
        }
        "application/json" | "text/json" => Ok(Encoding::Json),
        _ => Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content type {text:?} is not known; send application/x-protobuf or application/json"),
        )),
    }
}

fn name(encoding: Encoding) -> HeaderValue {
    HeaderValue::from_static(match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    })
}

/// The project of spans that name none: an agent's address counts more than a name.
fn project(headers: &HeaderMap) -> String {
    let text = |name: &str| {
        let value = headers.get(name)?;
        let text = String::from_utf8_lossy(value.as_bytes()).trim().to_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    match text("langsmith-agent-id") {
        Some(agent) => project_of_agent(&agent, text("langsmith-agent-environment").as_deref()),
        None => text("langsmith-project").unwrap_or_default(),
    }
}

/// A refusal in the exporter's encoding, with the headers of ours.
fn refuse(error: ApiError, encoding: Encoding) -> Response {
    let body = export::refusal(grpc::code(error.status), &words(&error), encoding);
    let mut response = error.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, name(encoding));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    response
}

/// What is wrong, as plain text.
fn words(error: &ApiError) -> String {
    error.detail.as_str().map_or_else(|| error.detail.to_string(), str::to_owned)
}
