//! What anybody may read who has a share token: no key is asked for here.

use assay_domain::RunId;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::page::envelope;
use super::problem::V2Result;
use super::run::{self, Select};
use crate::app::App;
use crate::error::ApiResult;
use crate::extract::{Body, Params, uuid};
use crate::fields;
use crate::render;
use crate::runs::public;

/// What says something of the workspace behind.
const PRIVATE: [&str; 4] = ["APP_PATH", "SHARE_URL", "REFERENCE_EXAMPLE_ID", "LS_USER_ID"];

/// A trace is never larger than this many runs as far as anybody promises.
const MAX_RUNS: usize = 25_000;

#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct PublicBody {
    /// Only `ID` where empty.
    #[serde(deserialize_with = "fields::list")]
    selects: Vec<String>,
}

/// All that is shared, oldest first.
#[utoipa::path(post, path = "/v2/public/{share_token}/runs/query", tag = "v2", request_body = PublicBody,
    params(("share_token" = Uuid, Path)),
    responses((status = 200, description = "`items`"), (status = 404, description = "nothing is shared under this token")))]
pub(super) async fn query(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: ApiResult<Body<PublicBody>>,
) -> V2Result<Response> {
    let Body(body) = body?;
    let shared = public::open(&app, &token).await?;
    let select = Select::of(&body.selects).without(&PRIVATE);
    let base_url = app.base_url(&headers);
    let mut items: Vec<Value> = Vec::new();
    let mut cursor = None;
    loop {
        let page = shared.runs(&app, Vec::new(), cursor, &base_url).await?;
        items.extend(page.items.into_iter().map(|shown| run::json(shown, &select)));
        cursor = page.next;
        if cursor.is_none() || items.len() >= MAX_RUNS {
            break;
        }
    }
    Ok(render::json(move || envelope(items, None)).await?)
}

/// One of the shared runs.
#[utoipa::path(get, path = "/v2/public/{share_token}/run/{run_id}", tag = "v2",
    params(("share_token" = Uuid, Path), ("run_id" = Uuid, Path),
        ("selects" = Option<Vec<String>>, Query, description = "repeated; only ID where absent")),
    responses((status = 200, description = "the selected fields"), (status = 404, description = "it is not shared under this token")))]
pub(super) async fn retrieve(
    State(app): State<App>,
    Path((token, id)): Path<(String, String)>,
    params: Params,
    headers: HeaderMap,
) -> V2Result<Response> {
    let shared = public::open(&app, &token).await?;
    let shown = shared.run(&app, RunId(uuid("run_id", &id)?), &app.base_url(&headers)).await?;
    let select = Select::of(params.all("selects")).without(&PRIVATE);
    Ok(render::json(move || run::json(shown, &select)).await?)
}
