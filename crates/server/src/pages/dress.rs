//! Around every request: security headers for pages, and refusals as pages for
//! browsers.

use assay_ui::text;
use assay_ui::web::{MessagePage, Shell};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use url::form_urlencoded::byte_serialize;

use crate::access::session;
use crate::app::App;

/// What a refusal says, for whoever shows it in another shape than its body.
#[derive(Clone)]
pub(crate) struct Refusal(pub(crate) String);

/// Nothing but our own files, nothing inline, nowhere framed; scripts cannot turn text into markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// Beginnings of the paths of pages. Below them API clients have no business.
const PAGES: &[&str] = &["p", "o", "r", "s", "login", "logout", "workspace"];

/// See the module.
pub(crate) async fn dress(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let place = request.uri().path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let is_navigation = wants_page(request.headers());
    let token = session::token(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    let is_refusal = is_error(status) && !is_html(&response);
    if is_navigation && is_refusal && (is_page(&path) || status == StatusCode::NOT_FOUND) {
        response = if status == StatusCode::UNAUTHORIZED && method == Method::GET {
            let next: String = byte_serialize(place.as_bytes()).collect();
            Redirect::to(&format!("/login?next={next}")).into_response()
        } else {
            refused(&response, token)
        };
    }
    if is_html(&response) && !response.headers().contains_key(header::CONTENT_DISPOSITION) {
        protect(response.headers_mut(), &app);
    }
    response
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| kind.starts_with(b"text/html"))
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn is_page(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    path == "/" || PAGES.contains(&first)
}

/// The page of a refusal, with its status.
fn refused(response: &Response, token: String) -> Response {
    let status = response.status();
    let said = response.extensions().get::<Refusal>().map(|refusal| refusal.0.as_str()).unwrap_or_default();
    let heading = match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "Not with this key",
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => "This address cannot be understood",
        StatusCode::SERVICE_UNAVAILABLE => "Not right now",
        _ => "This did not work",
    };
    let mut shell = Shell::new(heading);
    shell.token = token;
    let page = MessagePage {
        shell,
        status: status.as_str().to_owned(),
        heading: heading.to_owned(),
        text: text::cut(&text::line(said), 600).into_owned(),
    };
    let mut shown = super::page(&page);
    *shown.status_mut() = status;
    shown
}

fn protect(headers: &mut HeaderMap, app: &App) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        // Not less: forms of pages without a referrer have no origin either.
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
        ("cache-control", "private, no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if app.config.public_url.as_deref().is_some_and(|url| url.starts_with("https:")) {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
}
