//! A key in a browser: pasted once, then carried by a cookie.
//!
//! The cookie holds the key, sealed by the workspace's vault, and until when it
//! is good; nothing is remembered here, so sessions outlive restarts and end
//! when the key does. Pages of other sites never get it sent along
//! (`SameSite=Strict`), and whatever a session changes also takes a token that
//! only our own pages know.

use std::time::Duration;

use http::{HeaderMap, Method, Uri, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::keys::Checked;
use super::{forbidden, origin};
use crate::app::{App, Config};
use crate::error::ApiResult;
use crate::workspace::Sealed;

const COOKIE: &str = "assay_session";
/// The name under which keys are sealed.
const SEALED_AS: &str = "session of a browser";
/// The header in which our pages show the token.
const TOKEN: &str = "x-assay-token";
/// Then the key is to be pasted again.
const LASTS: Duration = Duration::from_secs(30 * 24 * 3600);

/// The cookie of a new session, as `Set-Cookie` takes it; or why the key opens nothing.
pub(crate) async fn begin(app: &App, key: &str) -> ApiResult<Result<String, &'static str>> {
    app.access.keys.load(&app.store).await?;
    let problem = match app.access.keys.find(&app.store, key, app.now()).await? {
        Checked::Good { .. } => None,
        Checked::Unknown => Some("This key is not known here."),
        Checked::Expired => Some("This key has expired."),
        Checked::Revoked => Some("This key was revoked."),
    };
    if let Some(problem) = problem {
        return Ok(Err(problem));
    }
    let ends = app.now().timestamp().saturating_add(i64::try_from(LASTS.as_secs()).unwrap_or(0));
    let sealed = app.vault.seal(SEALED_AS, format!("{ends} {key}")).await?;
    Ok(Ok(set(&app.config, &sealed.to_text(), LASTS.as_secs())))
}

/// What makes a browser forget its session.
pub(crate) fn end(app: &App) -> String {
    set(&app.config, "", 0)
}

fn set(config: &Config, value: &str, seconds: u64) -> String {
    let is_https = config.public_url.as_deref().is_some_and(|url| url.starts_with("https:"));
    let secure = if is_https { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value)
}

/// The key of the session in these headers, if there is one that still holds.
pub(super) async fn key(app: &App, headers: &HeaderMap) -> Option<String> {
    let sealed = Sealed::of_text(cookie(headers)?)?;
    // Whatever cannot be opened is no session: made up, of another store, or of an older key file.
    let text = app.vault.open(SEALED_AS, sealed).await.ok()?;
    let (ends, key) = text.split_once(' ')?;
    let is_good = ends.parse::<i64>().is_ok_and(|ends| app.now().timestamp() < ends);
    is_good.then(|| key.to_owned())
}

/// What our pages show with whatever they change. Empty without a session.
pub(crate) fn token(headers: &HeaderMap) -> String {
    let Some(cookie) = cookie(headers) else { return String::new() };
    let digest = Sha256::new().chain_update(b"assay token of ").chain_update(cookie).finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// 403 where what is asked with a session was not asked by one of our own pages.
pub(super) fn check(headers: &HeaderMap, method: &Method, uri: &Uri, config: &Config) -> ApiResult<()> {
    origin::check_sender(headers, uri, config)?;
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let shown = headers.get(TOKEN).and_then(|value| value.to_str().ok()).unwrap_or_default();
    check_token(headers, shown)
}

/// 403 where the token is not that of the session in the headers.
pub(crate) fn check_token(headers: &HeaderMap, shown: &str) -> ApiResult<()> {
    if bool::from(token(headers).as_bytes().ct_eq(shown.as_bytes())) {
        return Ok(());
    }
    Err(forbidden("the page is older than this login; load it again"))
}

/// 403 where a form was sent by a page that is not ours.
pub(crate) fn check_own_form(app: &App, headers: &HeaderMap) -> ApiResult<()> {
    let is_foreign = headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    if is_foreign {
        return Err(forbidden("this form was sent by a page of another site"));
    }
    origin::check_sender(headers, &Uri::from_static("/login"), &app.config)
}
