//! Shared datasets: with a token, anybody may read one and its experiments.
//!
//! A share is a record of kind [`KIND`] with the id of the dataset and the
//! token as its name. What a token opens is always what there is now.

use assay_store::{Change, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::dataset::{self, Dataset};
use super::examples;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::runs::share;

pub(crate) const KIND: &str = "dataset-share";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read, share_dataset, unshare))
        .routes(routes!(shared_dataset))
        .routes(routes!(shared_examples))
        .routes(routes!(shared_count))
}

/// How to share a dataset.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct ShareBody {
    /// A token of the client's choice, hard to guess; invented where absent.
    share_token: Option<Uuid>,
}

/// Under which token a dataset is shared; null if it is not.
#[utoipa::path(get, path = "/datasets/{dataset_id}/share", tag = "sharing", params(("dataset_id" = Uuid, Path)),
    responses((status = 200, description = "`{dataset_id, share_token}`, or null")))]
async fn read(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id = uuid("dataset_id", &id)?;
    let share = app.store.record(KIND, id).await?;
    let token = share.as_ref().and_then(share::token);
    Ok(Json(token.map_or(Value::Null, |token| json!({ "dataset_id": id, "share_token": token }))))
}

/// Shares a dataset, or says under which token it is shared already.
#[utoipa::path(put, path = "/datasets/{dataset_id}/share", tag = "sharing", request_body = ShareBody,
    params(("dataset_id" = Uuid, Path)),
    responses((status = 200, description = "`{dataset_id, share_token}`"), (status = 404, description = "no such dataset")))]
async fn share_dataset(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(body): Body<ShareBody>,
) -> ApiResult<Json<Value>> {
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let token = share::put(&app, KIND, dataset.id, None, json!({}), body.share_token).await?;
    Ok(Json(json!({ "dataset_id": dataset.id, "share_token": token })))
}

/// Ends the sharing of a dataset, at once.
#[utoipa::path(delete, path = "/datasets/{dataset_id}/share", tag = "sharing", params(("dataset_id" = Uuid, Path)),
    responses((status = 200, description = "it is not shared any more")))]
async fn unshare(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id = uuid("dataset_id", &id)?;
    app.store.change(vec![Change::Delete { kind: KIND.to_owned(), id }]).await?;
    Ok(Json(json!({ "message": format!("dataset {id} is not shared any more") })))
}

/// The dataset that a token opens; 404 where it opens none (any more).
async fn open(app: &App, token: &str) -> ApiResult<Dataset> {
    let nothing = || ApiError::not_found("a shared dataset with this token");
    // Whether it is no token at all is nobody's business.
    let token = Uuid::parse_str(token).map_err(|_| nothing())?;
    let share = share::find(app, KIND, token).await?.ok_or_else(nothing)?;
    dataset::find(app, share.id).await
}

/// A shared dataset. Needs no key.
#[utoipa::path(get, path = "/public/{share_token}/datasets", tag = "public", params(("share_token" = Uuid, Path)),
    responses((status = 200, description = "the dataset"), (status = 404, description = "the token opens nothing")))]
async fn shared_dataset(State(app): State<App>, Path(token): Path<String>) -> ApiResult<Json<Value>> {
    Ok(Json(dataset::public_shape(&open(&app, &token).await?)))
}

/// The examples of a shared dataset. Needs no key.
#[utoipa::path(get, path = "/public/{share_token}/examples", tag = "public",
    params(
        ("share_token" = Uuid, Path), ("id" = Option<Vec<Uuid>>, Query), ("as_of" = Option<String>, Query),
        ("splits" = Option<Vec<String>>, Query), ("metadata" = Option<String>, Query), ("filter" = Option<String>, Query),
        ("select" = Option<Vec<String>>, Query), ("offset" = Option<usize>, Query), ("limit" = Option<usize>, Query),
    ),
    responses((status = 200, description = "a list of examples"), (status = 404, description = "the token opens nothing")))]
async fn shared_examples(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    params: Params,
) -> ApiResult<Json<Value>> {
    let dataset = open(&app, &token).await?;
    let page = examples::page_for(&app, Some(dataset.id), &params, &app.base_url(&headers)).await?;
    Ok(Json(page))
}

/// How many examples a shared dataset has. Needs no key.
#[utoipa::path(get, path = "/public/{share_token}/examples/count", tag = "public",
    params(("share_token" = Uuid, Path), ("as_of" = Option<String>, Query)),
    responses((status = 200, description = "a number"), (status = 404, description = "the token opens nothing")))]
async fn shared_count(
    State(app): State<App>,
    Path(token): Path<String>,
    params: Params,
) -> ApiResult<Json<usize>> {
    let dataset = open(&app, &token).await?;
    Ok(Json(examples::count_for(&app, Some(dataset.id), &params).await?))
}
