//! Runs on their way in: the four write endpoints of LangSmith's clients.
//!
//! Each handler reads a bounded body ([`crate::body`]), has `wire` decode it
//! and hands the outcome to [`accept`], the one way into the store, which OTLP
//! and imports take too. Everything is acknowledged with 202 once it is
//! durable. What is wrong with single runs is said in the answer; only where
//! nothing at all could be taken it is a refusal. These paths never answer
//! 404: clients would stop sending (contract 0.6).

mod accept;
pub(crate) mod attachments;
mod counters;
mod derive;
mod import;
mod schema;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

use assay_domain::RunId;
use assay_wire::{Decoded, langsmith, multipart};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::{body, extract};
pub(crate) use accept::{Accepted, Arrival, accept};
pub(crate) use counters::{Counters, Door};

/// Bodies larger than this are decoded on a thread for such work.
const AT_ONCE: usize = 16 << 10;
/// Refusals that an answer lists; the others are counted.
const LISTED: usize = 100;

/// What the doors share.
#[derive(Default)]
pub(crate) struct Doors {
    pub(crate) counters: Counters,
    pub(crate) linking: attachments::Linking,
    pub(crate) room: import::Room,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(post_run))
        .routes(routes!(patch_run))
        .routes(routes!(post_batch))
        .routes(routes!(post_multipart))
        .merge(attachments::routes())
        .merge(import::routes())
}

/// Creates one run.
#[utoipa::path(post, path = "/runs", tag = "ingest", request_body = schema::Run,
    responses((status = 202, description = "durable"), (status = 422, description = "the run has a wrong field")))]
async fn post_run(State(app): State<App>, request: Request) -> ApiResult<Response> {
    take(&app, Door::Runs, request, langsmith::body::post).await.map_err(ApiError::for_ingest)
}

/// Updates one run, which may also come before its creation. Null never erases.
#[utoipa::path(patch, path = "/runs/{run_id}", tag = "ingest", params(("run_id" = uuid::Uuid, Path)),
    request_body(content = schema::Run, description = "the fields of a run that are news; the path has its id"),
    responses((status = 202, description = "durable"), (status = 422, description = "the run has a wrong field")))]
async fn patch_run(State(app): State<App>, Path(id): Path<String>, request: Request) -> ApiResult<Response> {
    let id = extract::uuid("run_id", &id).map(RunId).map_err(ApiError::for_ingest)?;
    take(&app, Door::Runs, request, move |body| langsmith::body::patch(id, body))
        .await
        .map_err(ApiError::for_ingest)
}

/// Creates and updates runs: `{"post": [run...], "patch": [run...]}`.
#[utoipa::path(post, path = "/runs/batch", tag = "ingest", request_body = schema::Batch,
    responses((status = 202, description = "durable; `rejected` lists what was not taken"), (status = 422, description = "nothing could be taken")))]
async fn post_batch(State(app): State<App>, request: Request) -> ApiResult<Response> {
    take(&app, Door::Batch, request, langsmith::body::batch).await.map_err(ApiError::for_ingest)
}

/// Creates and updates runs, with attachments and feedback.
///
/// Parts are named `post.{run}`, `patch.{run}`, either with `.inputs`,
/// `.outputs`, `.events`, `.extra`, `.error` or `.serialized`,
/// `attachment.{run}.{name}` and `feedback.{id}`.
#[utoipa::path(post, path = "/runs/multipart", tag = "ingest", request_body(content = Object, content_type = "multipart/form-data", description = "parts by name"),
    responses((status = 202, description = "durable; `rejected` lists what was not taken"), (status = 422, description = "nothing could be taken")))]
async fn post_multipart(State(app): State<App>, request: Request) -> ApiResult<Response> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multipart::boundary(given).map_err(|reason| ApiError::bad_request(reason).for_ingest())?;
    let decode = move |body: &[u8]| langsmith::body::multipart(body, &boundary);
    take(&app, Door::Multipart, request, decode).await.map_err(ApiError::for_ingest)
}

async fn take(
    app: &App,
    door: Door,
    request: Request,
    decode: impl FnOnce(&[u8]) -> Result<Decoded, String> + Send + 'static,
) -> ApiResult<Response> {
    let body = body::read(request, app).await?;
    let bytes = body.len();
    let decoded = decode_apart(body, decode).await?.map_err(ApiError::bad_request)?;
    let accepted = accept(app, Arrival { door, project: "", bytes, import: None }, decoded).await?;
    answer(&accepted)
}

/// Decodes where it does not hold up other requests.
///
/// A body that makes a decoder fail in a way it should not is a bad body all the same.
pub(crate) async fn decode_apart<T: Send + 'static>(
    body: Bytes,
    decode: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> ApiResult<T> {
    let is_small = body.len() <= AT_ONCE;
    let work = move || catch_unwind(AssertUnwindSafe(|| decode(&body)));
    let decoded = match is_small {
        true => work(),
        false => tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Box::new(error))),
    };
    decoded.map_err(|_| {
        tracing::error!("a decoder panicked");
        ApiError::bad_request("the body cannot be decoded")
    })
}

/// 202 with what was done, or 422 where nothing could be.
fn answer(accepted: &Accepted) -> ApiResult<Response> {
    let Accepted { runs, feedback, dropped, rejected, .. } = accepted;
    if *runs == 0 && *feedback == 0 && *dropped == 0 && !rejected.is_empty() {
        let reasons: Vec<String> = rejected.iter().take(10).map(in_words).collect();
        let more = match rejected.len().saturating_sub(reasons.len()) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, reasons.join("; ") + &more));
    }
    let listed: Vec<Value> = rejected
        .iter()
        .take(LISTED)
        .map(|one| json!({ "location": one.location, "reason": one.reason }))
        .collect();
    let message = match rejected.len() {
        0 => "accepted".to_owned(),
        count => format!("accepted, except for {count} that could not be read"),
    };
    let body = json!({
        "message": message, "runs": runs, "feedback": feedback, "dropped": dropped, "rejected_count": rejected.len(), "rejected": listed,
    });
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

fn in_words(rejected: &assay_wire::Rejected) -> String {
    match rejected.location.as_str() {
        "" => rejected.reason.clone(),
        location => format!("{location}: {}", rejected.reason),
    }
}
