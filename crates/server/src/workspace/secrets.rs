//! Secrets of the workspace, such as keys of model providers: anybody with
//! access may set them and see their names, nobody gets a value back.

use assay_store::{Change, Record, RecordQuery, Records as _};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::vault::{Sealed, VaultError};
use crate::app::{App, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

const KIND: &str = "secret";
/// In one request.
const MAX_CHANGES: usize = 1000;
/// Keys of which clients want to see one.
const PROVIDERS: [&str; 2] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"];
/// In bytes; keys of services and service accounts are shorter.
const MAX_VALUE: usize = 64 << 10;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, change))
}

/// One secret to be set; null deletes it. Without `Debug`: a value must not reach a log.
#[derive(Deserialize, ToSchema)]
struct SecretChange {
    key: String,
    value: Option<String>,
}

/// The names of the secrets that are set.
pub(super) async fn names(app: &App) -> ApiResult<Vec<String>> {
    let query = RecordQuery { kind: KIND.to_owned(), without_bodies: true, ..RecordQuery::default() };
    let mut names: Vec<_> =
        app.store.records(&query).await?.into_iter().filter_map(|record| record.name).collect();
    names.sort();
    Ok(names)
}

/// The names of the secrets.
#[utoipa::path(get, path = "/workspaces/current/secrets", tag = "workspace",
    responses((status = 200, description = "a list of `{key}`")))]
async fn list(State(app): State<App>) -> ApiResult<Json<Value>> {
    let mut names = names(&app).await?;
    // Clients made for a hosted server refuse to ask for insights where no provider's key is set,
    // and ask for models of the family whose key is. Here a report needs none, and a key may come
    // from the server's environment: so they are told of one, which has no value here. Told of one
    // they do not hand over their own: a server that is set up for models waits for that instead.
    let models = &app.config.models;
    let from_environment = PROVIDERS.into_iter().find(|key| models.keys.contains_key(*key));
    let is_told = from_environment.is_some() || !models.names_models();
    if is_told && !PROVIDERS.iter().any(|key| names.iter().any(|name| name == key)) {
        names.push(from_environment.unwrap_or(PROVIDERS[0]).to_owned());
    }
    names.sort();
    Ok(Json(names.into_iter().map(|name| json!({ "key": name })).collect()))
}

/// Sets and deletes secrets, all or none of them.
#[utoipa::path(post, path = "/workspaces/current/secrets", tag = "workspace", request_body = Vec<SecretChange>,
    responses((status = 200, description = "done"), (status = 422, description = "a name or value that cannot be")))]
async fn change(State(app): State<App>, Body(wanted): Body<Value>) -> ApiResult<Json<Value>> {
    // What serde says of a wrong value may quote it; only the place is told.
    let wanted: Vec<SecretChange> = serde_json::from_value(wanted).map_err(|_| {
        ApiError::invalid(&["body"], "send a list of {\"key\": text, \"value\": text or null}")
    })?;
    if wanted.len() > MAX_CHANGES {
        return Err(ApiError::invalid(&["body"], format!("at most {MAX_CHANGES} secrets at once")));
    }
    let mut changes = Vec::with_capacity(wanted.len());
    for SecretChange { key, value } in wanted {
        check(&key, value.as_deref())?;
        changes.push(match value {
            None => Change::Delete { kind: KIND.to_owned(), id: id_of(&key) },
            Some(value) => Change::Put(seal(&app, key, value).await?),
        });
    }
    app.store.change(changes).await?;
    Ok(Json(json!({ "message": "secrets updated" })))
}

fn check(key: &str, value: Option<&str>) -> ApiResult<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if key.is_empty() || key.len() > 255 || !key.chars().all(is_plain) {
        return Err(ApiError::invalid(&["body", "key"], "a name has 1 to 255 letters, digits, _, - and ."));
    }
    if value.is_some_and(|value| value.len() > MAX_VALUE) {
        return Err(ApiError::invalid(&["body", "value"], format!("a value has at most {MAX_VALUE} bytes")));
    }
    Ok(())
}

async fn seal(app: &App, key: String, value: String) -> ApiResult<Record> {
    let sealed = app.vault.seal(&key, value).await?;
    let now = app.now();
    Ok(Record {
        kind: KIND.to_owned(),
        id: id_of(&key),
        name: Some(key),
        created_at: now,
        modified_at: now,
        body: json!(sealed),
        ..Record::default()
    })
}

fn id_of(key: &str) -> Uuid {
    Uuid::new_v5(&WORKSPACE, format!("{KIND}:{key}").as_bytes())
}

/// The value of a secret, for the server's own calls.
///
/// # Errors
/// Names what is missing, without a word of the secret itself.
pub(super) async fn value(app: &App, key: &str) -> Result<Option<String>, VaultError> {
    let record =
        app.store.record(KIND, id_of(key)).await.map_err(|error| VaultError::Store(error.to_string()))?;
    let Some(record) = record else { return Ok(None) };
    let sealed = Sealed::deserialize(&record.body).map_err(|_| VaultError::Damaged(key.to_owned()))?;
    app.vault.open(key, sealed).await.map(Some)
}

/// Whether there is a secret of this name. Its value stays sealed.
pub(crate) async fn has(app: &App, key: &str) -> Result<bool, assay_store::Error> {
    Ok(app.store.record(KIND, id_of(key)).await?.is_some())
}

impl App {
    /// The value of a secret of the workspace, such as `OPENAI_API_KEY`.
    ///
    /// # Errors
    /// The key of the vault is missing or another, or the store cannot answer.
    pub async fn secret(&self, key: &str) -> Result<Option<String>, VaultError> {
        value(self, key).await
    }
}
