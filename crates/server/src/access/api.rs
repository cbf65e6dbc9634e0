//! `/api-keys` and `/audit-logs`.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::audit::{self, Entry, Object};
use super::keys::{self, ApiKey, NewKey};
use super::permission::Role;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke)).routes(routes!(log))
}

/// A key, without what opens anything.
#[derive(Serialize, ToSchema)]
struct Shown {
    id: Uuid,
    description: String,
    /// `admin`, `editor` or `viewer`.
    #[schema(value_type = String)]
    role: Role,
    /// Enough of it to tell it from others.
    short_key: String,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
    /// The key itself: only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Deserialize, ToSchema)]
struct Create {
    /// What it is for.
    #[serde(default)]
    description: String,
    /// `admin`, `editor` (where absent) or `viewer`.
    role: Option<String>,
    /// Works before this moment; for good where absent.
    expires_at: Option<DateTime<Utc>>,
}

/// All keys, working or not, the newest first.
#[utoipa::path(get, path = "/api-keys", tag = "access", responses((status = 200, body = Vec<Shown>)))]
async fn list(State(app): State<App>) -> ApiResult<Json<Vec<Shown>>> {
    let keys = keys::list(&app.store).await?;
    Ok(Json(keys.into_iter().map(|key| shown(&app, key)).collect()))
}

/// Makes a key. The answer is the only place where it can be read.
#[utoipa::path(
    post, path = "/api-keys", tag = "access", request_body = Create,
    responses((status = 200, body = Shown), (status = 422, description = "unknown role, or an expiry in the past"))
)]
async fn create(State(app): State<App>, Body(wanted): Body<Create>) -> ApiResult<Response> {
    let role = match &wanted.role {
        Some(role) => role.parse().map_err(|error: String| ApiError::invalid(&["body", "role"], error))?,
        None => Role::Editor,
    };
    let now = app.now();
    if wanted.expires_at.is_some_and(|end| end <= now) {
        return Err(ApiError::invalid(&["body", "expires_at"], "this moment has passed"));
    }
    let new = NewKey { description: wanted.description, role, expires_at: wanted.expires_at };
    let (key, text) = app.access.keys.create(&app.store, new, now).await?;
    let made = Object::made(key.id);
    let mut response = Json(Shown { key: Some(text), ..shown(&app, key) }).into_response();
    response.extensions_mut().insert(made);
    Ok(response)
}

/// Ends a key at once. It stays on the list.
#[utoipa::path(
    delete, path = "/api-keys/{key_id}", tag = "access", params(("key_id" = Uuid, Path)),
    responses((status = 200, body = Shown), (status = 404, description = "no such key"))
)]
async fn revoke(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Shown>> {
    let id = uuid("key_id", &id)?;
    let key = app.access.keys.revoke(&app.store, id, app.now()).await?;
    Ok(Json(shown(&app, key)))
}

fn shown(app: &App, key: ApiKey) -> Shown {
    Shown {
        id: key.id,
        created_at: key.created_at,
        // What is in memory is newer than what was written down.
        last_used_at: app.access.keys.last_used(key.id).or(key.details.last_used_at),
        description: key.details.description,
        role: key.details.role,
        short_key: key.details.short,
        expires_at: key.details.expires_at,
        revoked_at: key.details.revoked_at,
        key: None,
    }
}

#[derive(Serialize)]
struct Logged {
    id: Uuid,
    #[serde(flatten)]
    entry: Entry,
}

/// Who did what to which object, the newest first.
#[utoipa::path(
    get, path = "/audit-logs", tag = "access",
    params(("offset" = Option<u64>, Query), ("limit" = Option<u64>, Query, description = "1 to 100")),
    responses((status = 200, description = "entries: at, actor, action, permission, object, request_id"))
)]
async fn log(State(app): State<App>, params: Params) -> ApiResult<Json<Vec<Logged>>> {
    let (offset, limit) = params.page()?;
    let entries = audit::list(&app.store, offset, limit).await?;
    Ok(Json(entries.into_iter().map(|(id, entry)| Logged { id, entry }).collect()))
}
