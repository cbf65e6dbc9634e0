//! Judgements of runs and of whole projects: giving, reading, correcting them.
//!
//! What a body of feedback means is `wire`'s business and the same for a part
//! of a multipart body; [`prepare`] completes feedback however it came. An id
//! is an idempotency key: sending it again replaces what it said.

mod configs;
mod list;
mod schema;
pub(crate) mod shape;
mod tokens;

use assay_domain::{Feedback, FeedbackId, RunId};
use assay_store::{Batch, Runs as _};
use assay_wire::Names;
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::configs::FeedbackConfig;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{self, Body, stated};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list::list))
        .routes(routes!(create_eagerly))
        .routes(routes!(read, change, delete))
        .merge(tokens::routes())
        .merge(configs::routes())
}

/// Completes feedback before it is appended: what was not said of its time and
/// source is filled in, and a key that brings a config for the first time gets it.
pub(crate) async fn prepare(app: &App, all: &mut [Feedback]) -> ApiResult<()> {
    let now = app.now();
    for feedback in all {
        let created = *feedback.created_at.get_or_insert(now);
        feedback.modified_at.get_or_insert(created);
        feedback.source.get_or_insert_with(|| "api".to_owned());
        if let Some(config) = feedback.details.remove("feedback_config") {
            configs::learn(app, &feedback.key, &config).await?;
        }
    }
    Ok(())
}

/// Gives feedback on a run, a trace or a project; for a known id it replaces what was said.
/// The run need not have arrived yet.
#[utoipa::path(post, path = "/feedback", tag = "feedback", request_body = schema::NewFeedback,
    responses((status = 200, description = "the feedback as kept"), (status = 422, description = "what is wrong with it")))]
async fn create(State(app): State<App>, Body(record): Body<Value>) -> ApiResult<Json<Value>> {
    let mut given = [decode(record)?];
    prepare(&app, &mut given).await?;
    let [feedback] = given;
    keep(&app, feedback).await
}

/// The same as `POST /feedback`, which waits until it is kept, too.
#[utoipa::path(post, path = "/feedback/eager", tag = "feedback", request_body = schema::NewFeedback,
    responses((status = 200, description = "the feedback as kept")))]
async fn create_eagerly(app: State<App>, body: Body<Value>) -> ApiResult<Json<Value>> {
    create(app, body).await
}

/// One feedback.
#[utoipa::path(get, path = "/feedback/{feedback_id}", tag = "feedback", params(("feedback_id" = Uuid, Path)),
    responses((status = 200, description = "the feedback"), (status = 404, description = "there is none")))]
async fn read(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    Ok(Json(shape::json(&find(&app, &id).await?)))
}

/// What to change; absent means unchanged, null means taken back.
#[derive(Deserialize, ToSchema)]
pub(crate) struct FeedbackChange {
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<Object>)]
    score: Option<Value>,
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<Object>)]
    value: Option<Value>,
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<String>)]
    comment: Option<Value>,
    #[serde(default, deserialize_with = "stated")]
    #[schema(value_type = Option<Object>)]
    correction: Option<Value>,
    feedback_config: Option<Value>,
}

/// Corrects feedback.
#[utoipa::path(patch, path = "/feedback/{feedback_id}", tag = "feedback", params(("feedback_id" = Uuid, Path)),
    request_body = FeedbackChange,
    responses((status = 200, description = "the feedback as it is now"), (status = 404, description = "there is none")))]
async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(change): Body<FeedbackChange>,
) -> ApiResult<Json<Value>> {
    let _alone = app.changing.lock().await;
    let mut feedback = find(&app, &id).await?;
    let FeedbackChange { score, value, comment, correction, feedback_config } = change;
    if let Some(config) = feedback_config.filter(|config| !config.is_null()) {
        configs::learn(&app, &feedback.key, &config).await?;
    }
    // Through the decoder once more: what holds for new feedback holds for this.
    let mut record = shape::record(&feedback);
    for (name, value) in
        [("score", score), ("value", value), ("comment", comment), ("correction", correction)]
    {
        record.extend(value.map(|value| (name.to_owned(), value)));
    }
    record.insert("modified_at".to_owned(), json!(app.now()));
    feedback = decode(Value::Object(record))?;
    keep(&app, feedback).await
}

/// Takes feedback back.
#[utoipa::path(delete, path = "/feedback/{feedback_id}", tag = "feedback", params(("feedback_id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
async fn delete(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id = FeedbackId(extract::uuid("feedback_id", &id)?);
    if !app.store.delete_feedback(id).await? {
        return Err(ApiError::not_found(format!("feedback {id}")));
    }
    Ok(Json(json!({ "message": "feedback deleted" })))
}

async fn find(app: &App, id: &str) -> ApiResult<Feedback> {
    let id = FeedbackId(extract::uuid("feedback_id", id)?);
    app.store.feedback(id).await?.ok_or_else(|| ApiError::not_found(format!("feedback {id}")))
}

fn decode(record: Value) -> ApiResult<Feedback> {
    if !record.is_object() {
        return Err(ApiError::invalid(&["body"], "feedback must be an object"));
    }
    if record.get("value").is_some_and(Value::is_array) {
        return Err(ApiError::invalid(&["body", "value"], "a list is no value; send an object or text"));
    }
    let config = record.get("feedback_config").filter(|config| !config.is_null());
    config.map(FeedbackConfig::read).transpose()?;
    let decoded = assay_wire::langsmith::feedback(record, Names::everywhere(RunId(Uuid::now_v7())));
    let refusal = decoded.rejected.into_iter().next().map(|rejected| rejected.reason);
    let nothing = || refusal.unwrap_or_else(|| "no feedback in it".to_owned());
    decoded.feedback.into_iter().next().ok_or_else(|| ApiError::invalid(&["body"], nothing()))
}

async fn keep(app: &App, mut feedback: Feedback) -> ApiResult<Json<Value>> {
    app.metrics.redacted(&app.admission.redact_feedback(&mut feedback).await?);
    let answer = shape::json(&feedback);
    app.store.append(Batch { feedback: vec![feedback], ..Batch::default() }).await?;
    Ok(Json(answer))
}

/// An object of JSON, which these handlers build by hand.
type Fields = Map<String, Value>;

#[cfg(test)]
mod tests;
