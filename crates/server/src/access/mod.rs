//! Who asks, and whether they may.
//!
//! [`guard`] stands before every handler. `need` says what a route asks for,
//! `permission` which role has it, `keys` whose key it is, `origin` keeps
//! foreign web pages away where no key is asked for, `session` is a key in a
//! browser, `audit` writes down what
//! was done. [`Caller`] is in the extensions of every request that got through.
//!
//! Keys are asked for as soon as there is one, and on every address that
//! others can reach; without any, on loopback, whoever asks is the owner.

mod api;
pub mod audit;
pub mod keys;
mod need;
mod origin;
pub(crate) mod permission;
pub(crate) mod session;

use std::net::SocketAddr;

use axum::RequestPartsExt as _;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use api::routes;
pub use permission::Role;

use crate::app::{App, Config, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::observe::RequestId;
use audit::{Actor, Audit, Entry};
use keys::{Checked, Keys};
use need::Need;
use permission::Permission;

/// What access needs to remember.
#[derive(Default)]
pub(crate) struct Access {
    pub(crate) keys: Keys,
    pub(crate) audit: Audit,
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Caller {
    pub(crate) role: Role,
    /// The key; none where none is asked for.
    pub(crate) key: Option<Uuid>,
    pub(crate) name: Option<String>,
    /// Whether the key came out of a browser's session.
    pub(crate) is_session: bool,
}

/// Whether requests need a key now.
pub(crate) async fn asks_for_keys(app: &App) -> ApiResult<bool> {
    app.access.keys.load(&app.store).await?;
    Ok(asks_with(app))
}

/// The same, as far as keys are known.
pub(crate) fn asks_with(app: &App) -> bool {
    !(app.config.allow_anonymous || app.access.keys.is_empty() && is_private(&app.config))
}

/// Whether only programs of this machine reach the server.
pub(crate) fn is_private(config: &Config) -> bool {
    let is_loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    is_loopback(config.listen) && config.grpc.is_none_or(is_loopback)
}

/// Finds out who sends these headers. 401 where that takes a key that is not there or not good.
pub(crate) async fn caller(app: &App, headers: &HeaderMap) -> ApiResult<Caller> {
    let asks = asks_for_keys(app).await?;
    let in_session = if asks && key_in(headers).is_none() { session::key(app, headers).await } else { None };
    let is_session = in_session.is_some();
    let checked = match key_in(headers).or(in_session.as_deref()) {
        Some(text) => app.access.keys.find(&app.store, text, app.now()).await?,
        None if !asks => Checked::Unknown,
        None => {
            return Err(unauthorized("a key is needed: send it as x-api-key, or as Authorization: Bearer"));
        }
    };
    match checked {
        Checked::Good { id, role, name } => {
            if asks {
                check_workspace(headers)?;
            }
            Ok(Caller { role, key: Some(id), name: Some(name), is_session })
        }
        // Clients without a key send any text.
        _ if !asks => Ok(Caller { role: Role::Admin, key: None, name: None, is_session }),
        Checked::Unknown => Err(unauthorized("this key is not known here")),
        Checked::Expired => Err(unauthorized("this key has expired")),
        Checked::Revoked => Err(unauthorized("this key was revoked")),
    }
}

/// For doors beside HTTP: whether a caller with these headers may send runs.
pub(crate) async fn check_sender(app: &App, headers: &HeaderMap) -> ApiResult<Caller> {
    let caller = caller(app, headers).await?;
    check(&caller, Permission(permission::Area::Runs, permission::Action::Create))?;
    Ok(caller)
}

fn check(caller: &Caller, permission: Permission) -> ApiResult<()> {
    if caller.role.may(permission) {
        return Ok(());
    }
    Err(forbidden(&format!("this key's role, {}, does not include {permission}", caller.role)))
}

fn forbidden(text: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, text)
}

fn unauthorized(text: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, text)
}

fn key_in(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let bearer = || {
        let (scheme, key) = text(header::AUTHORIZATION.as_str())?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    };
    text("x-api-key").filter(|key| !key.is_empty()).or_else(bearer).filter(|key| !key.is_empty())
}

/// A key is good for its workspace alone.
fn check_workspace(headers: &HeaderMap) -> ApiResult<()> {
    let Some(asked) = headers.get("x-tenant-id").and_then(|value| value.to_str().ok()) else { return Ok(()) };
    let asked = asked.trim();
    if asked.is_empty() || Uuid::parse_str(asked).is_ok_and(|id| id == WORKSPACE) {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, format!("this key belongs to the workspace {WORKSPACE} alone")))
}

/// Lets a request pass to its handler, or refuses it; writes down what is audited.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let Some(path) = request.extensions().get::<MatchedPath>().cloned() else {
        // Nothing is there, for anybody.
        return next.run(request).await;
    };
    let path = path.as_str();
    let need = need::of(&method, path);
    let Need::Permission(permission) = need else { return next.run(request).await };
    let (mut parts, body) = request.into_parts();
    let caller = match admit(&app, &parts, permission).await {
        Ok(caller) => caller,
        Err(error) => {
            app.metrics.refused(error.status);
            return shaped(error, &method, path).into_response();
        }
    };
    let is_audited = need::is_audited(&method, need);
    let object = if is_audited { object(parts.extract::<RawPathParams>().await.ok()) } else { Map::new() };
    let id = parts.extensions.get::<RequestId>().cloned();
    parts.extensions.insert(caller.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if is_audited && response.status().is_success() {
        let action = format!("{method} {path}");
        let made = response.extensions().get::<audit::Object>().cloned();
        write(&app, &caller, action, permission, with(object, made), id).await;
    }
    response.extensions_mut().insert(caller);
    response
}

async fn admit(app: &App, request: &Parts, permission: Permission) -> ApiResult<Caller> {
    let caller = caller(app, &request.headers).await?;
    if caller.key.is_none() {
        origin::check(&request.headers, &request.uri, &app.config)?;
    } else if caller.is_session {
        session::check(&request.headers, &request.method, &request.uri, &app.config)?;
    }
    check(&caller, permission)?;
    Ok(caller)
}

/// In the words of the area of the API.
fn shaped(error: ApiError, method: &Method, path: &str) -> ApiError {
    let is_ingest = (*method == Method::POST && matches!(path, "/runs" | "/runs/batch" | "/runs/multipart"))
        || (*method == Method::PATCH && path == "/runs/{run_id}")
        || path.starts_with("/platform/")
        || path.starts_with("/otel/");
    if path.starts_with("/v2/") {
        error.for_v2()
    } else if is_ingest {
        error.for_ingest()
    } else {
        error
    }
}

fn object(params: Option<RawPathParams>) -> Map<String, Value> {
    let params = params.as_ref().map(IntoIterator::into_iter).into_iter().flatten();
    params.map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

fn with(mut object: Map<String, Value>, made: Option<audit::Object>) -> Map<String, Value> {
    object.extend(made.into_iter().flat_map(|made| made.0));
    object
}

async fn write(
    app: &App,
    caller: &Caller,
    action: String,
    permission: Permission,
    object: Map<String, Value>,
    id: Option<RequestId>,
) {
    let kind = if caller.key.is_some() { "key" } else { "anonymous" };
    let entry = Entry {
        at: app.now(),
        actor: Actor { kind: kind.into(), id: caller.key, name: caller.name.clone() },
        action,
        permission: Some(permission.to_string()),
        object,
        request_id: id.map(|id| id.0),
    };
    if let Err(error) = app.access.audit.write(&app.store, app.config.audit_entries, &entry).await {
        // It has happened already; all that can be done is to say so elsewhere.
        tracing::error!(%error, action = entry.action, "an audit entry could not be written");
    }
}

#[cfg(test)]
mod tests;
