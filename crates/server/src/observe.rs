//! Around every request: an id, one line in the log, counters, and a net that
//! turns a bug into a 500 instead of a broken connection.
//!
//! The log has method, route, status, duration, sizes and who asked; never
//! content, keys or query strings.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use uuid::Uuid;

use crate::access::Caller;
use crate::app::App;
use crate::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in answers and logs.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// See the module. Takes the id a proxy gave, where it is a plain word.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("none", MatchedPath::as_str);
    let received = length(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    app.metrics.arrived();
    let mut open = Open { app: &app, method: &method, path, began, is_answered: false };
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let mut response = answered.unwrap_or_else(|_| {
        app.metrics.panicked();
        failed(&id)
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let took = open.answered(response.status());
    log(&method, path, &response, took, received, &id);
    response
}

/// A request whose client hangs up is never answered; it still ends.
struct Open<'a> {
    app: &'a App,
    method: &'a Method,
    path: &'a str,
    began: Instant,
    is_answered: bool,
}

impl Open<'_> {
    fn answered(&mut self, status: StatusCode) -> Duration {
        self.is_answered = true;
        let took = self.began.elapsed();
        self.app.metrics.answered(self.method.as_str(), self.path, status, took);
        took
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            // What nginx says of clients that did not wait.
            let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
            self.answered(status);
        }
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    given.filter(is_plain).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn failed(id: &str) -> Response {
    let text = format!("a bug of the server; its log says more under {id}");
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

fn log(method: &Method, path: &str, response: &Response, took: Duration, received: Option<u64>, id: &str) {
    let status = response.status().as_u16();
    let duration_ms = took.as_micros() as f64 / 1e3;
    let sent = response.body().size_hint().exact();
    let key = response.extensions().get::<Caller>().and_then(|caller| caller.key);
    let key = key.map(tracing::field::display);
    if response.status().is_server_error() && response.status() != StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(%method, path, status, duration_ms, received, sent, key, request.id = id, "answered");
    } else {
        tracing::info!(%method, path, status, duration_ms, received, sent, key, request.id = id, "answered");
    }
}

/// Makes panics say where they happened, and what only if that text is part of
/// the program: others may quote what a request contained.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(text withheld)");
        tracing::error!(place, text, "a bug of the server");
    }));
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;
    use crate::testing::{Server, request};

    #[tokio::test]
    async fn every_answer_carries_an_id() {
        let server = Server::new();
        let answer = server.get("/info").await;
        assert_eq!(answer.headers[REQUEST_ID].len(), 36);
        let mut given = request(Method::GET, "/info", Body::empty());
        given.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("from-the-proxy.1"));
        assert_eq!(server.send(given).await.headers[REQUEST_ID], "from-the-proxy.1");
        let mut strange = request(Method::GET, "/info", Body::empty());
        strange.headers_mut().insert(REQUEST_ID, HeaderValue::from_static("x\" forged=1"));
        assert_eq!(server.send(strange).await.headers[REQUEST_ID].len(), 36);
    }

    #[tokio::test]
    async fn a_bug_is_a_500_with_an_id() {
        async fn buggy() -> &'static str {
            panic!("a bug")
        }
        let app = Server::new().app;
        let router: Router =
            Router::new().route("/buggy", get(buggy)).layer(from_fn_with_state(app, observe));
        let response =
            router.oneshot(request(Method::GET, "/buggy", Body::empty())).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let id = response.headers()[REQUEST_ID].to_str().expect("text").to_owned();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
        assert!(String::from_utf8_lossy(&body).contains(&id));
    }
}
