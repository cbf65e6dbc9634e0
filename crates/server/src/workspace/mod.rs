//! The workspace: a data directory is exactly one, with a name and secrets.
//!
//! Clients ask for it to learn the id that their links carry (contract 1.2).

mod secrets;
mod vault;

use assay_store::{Change, Error as StoreError, Record, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::secrets::has as has_secret;
pub use self::vault::VaultError;
pub(crate) use self::vault::{FILE as KEY_FILE, Sealed, Vault};
use crate::app::{App, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::extract::{self, Body};
use crate::fields::v1_time;

const KIND: &str = "workspace";

/// The names of the secrets that are set.
pub(crate) async fn secret_names(app: &App) -> ApiResult<Vec<String>> {
    secrets::names(app).await
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(rename))
        .routes(routes!(settings))
        .routes(routes!(set_handle))
        .merge(secrets::routes())
}

/// The workspaces of this server: one.
#[utoipa::path(get, path = "/workspaces", tag = "workspace", responses((status = 200, description = "a list of one workspace")))]
async fn list(State(app): State<App>) -> ApiResult<Json<Value>> {
    Ok(Json(json!([shape(&workspace(&app).await?)])))
}

/// Refused: a second workspace is a second data directory.
#[utoipa::path(post, path = "/workspaces", tag = "workspace", responses((status = 409, description = "there is one already")))]
async fn create() -> ApiError {
    ApiError::conflict("this server has one workspace; run another with its own data directory")
}

#[derive(Deserialize, ToSchema)]
struct WorkspaceChange {
    display_name: String,
}

/// Renames the workspace.
#[utoipa::path(patch, path = "/workspaces/{workspace_id}", tag = "workspace", params(("workspace_id" = Uuid, Path)),
    request_body = WorkspaceChange,
    responses((status = 200, description = "the workspace as it is now"), (status = 404, description = "another workspace")))]
async fn rename(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(change): Body<WorkspaceChange>,
) -> ApiResult<Json<Value>> {
    let id = extract::uuid("workspace_id", &id)?;
    if id != WORKSPACE {
        return Err(ApiError::not_found(format!("workspace {id}")));
    }
    let name = short_text("display_name", change.display_name)?;
    Ok(Json(shape(&set(&app, "display_name", name).await?)))
}

/// Name and handle of the workspace.
#[utoipa::path(get, path = "/settings", tag = "workspace",
    responses((status = 200, description = "`{id, display_name, created_at, tenant_handle}`")))]
async fn settings(State(app): State<App>) -> ApiResult<Json<Value>> {
    Ok(Json(settings_shape(&workspace(&app).await?)))
}

#[derive(Deserialize, ToSchema)]
struct NewHandle {
    tenant_handle: String,
}

/// Sets the handle under which prompts of the workspace are addressed.
#[utoipa::path(post, path = "/settings/handle", tag = "workspace", request_body = NewHandle,
    responses((status = 200, description = "`{id, display_name, created_at, tenant_handle}`")))]
async fn set_handle(State(app): State<App>, Body(new): Body<NewHandle>) -> ApiResult<Json<Value>> {
    let handle = short_text("tenant_handle", new.tenant_handle)?;
    if !handle.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_')) {
        return Err(ApiError::invalid(&["body", "tenant_handle"], "use a-z, 0-9, - and _ only"));
    }
    Ok(Json(settings_shape(&set(&app, "tenant_handle", handle).await?)))
}

fn short_text(field: &str, text: String) -> ApiResult<String> {
    if text.trim().is_empty() || text.chars().count() > 255 {
        return Err(ApiError::invalid(&["body", field], "1 to 255 characters are needed"));
    }
    Ok(text)
}

/// The record of the workspace, made when it is asked for the first time.
async fn workspace(app: &App) -> ApiResult<Record> {
    if let Some(known) = app.store.record(KIND, WORKSPACE).await? {
        return Ok(known);
    }
    let now = app.now();
    let record = Record {
        kind: KIND.to_owned(),
        id: WORKSPACE,
        created_at: now,
        modified_at: now,
        body: json!({ "display_name": "Default", "tenant_handle": null }),
        ..Record::default()
    };
    match app.store.change(vec![Change::Insert(record.clone())]).await {
        Ok(()) => Ok(record),
        Err(StoreError::Conflict(_)) => Ok(app.store.record(KIND, WORKSPACE).await?.unwrap_or(record)),
        Err(error) => Err(error.into()),
    }
}

async fn set(app: &App, field: &str, value: String) -> ApiResult<Record> {
    let _alone = app.changing.lock().await;
    let mut record = workspace(app).await?;
    record.body[field] = Value::String(value);
    record.modified_at = app.now();
    app.store.change(vec![Change::Replace(record.clone())]).await?;
    Ok(record)
}

fn shape(record: &Record) -> Value {
    json!({
        "id": record.id,
        "organization_id": record.id,
        "created_at": v1_time(record.created_at),
        "display_name": record.body["display_name"],
        "tenant_handle": record.body["tenant_handle"],
        "data_plane_url": null,
        "is_personal": false,
        "is_deleted": false,
        "read_only": false,
        "role_id": null,
        "role_name": null,
        "permissions": null,
    })
}

fn settings_shape(record: &Record) -> Value {
    json!({
        "id": record.id,
        "display_name": record.body["display_name"],
        "created_at": v1_time(record.created_at),
        "tenant_handle": record.body["tenant_handle"],
    })
}

#[cfg(test)]
mod tests;
