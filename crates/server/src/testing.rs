//! The whole server in process, without sockets: for tests of handlers.
//!
//! A request made here passes everything that a real one passes (prefixes,
//! access, limits), over a store that goes away with the [`Server`].

use std::convert::Infallible;
use std::sync::Mutex;

use assay_domain::PriceTable;
use assay_store::EmbeddedStore;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;
use tower::util::BoxCloneService;

use crate::app::{App, Config};
use crate::router;

pub(crate) struct Server {
    pub(crate) app: App,
    /// Made once: that takes longer than most requests.
    service: Mutex<BoxCloneService<Request, Response, Infallible>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Server {
    /// With the default configuration: on loopback, without keys.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::over(EmbeddedStore::open_temporary(PriceTable::default()).expect("a store"), config)
    }

    /// Over a store of one's own, which stays.
    pub(crate) fn over(store: EmbeddedStore, config: Config) -> Self {
        let app = App::new(store, config);
        let service = Mutex::new(BoxCloneService::new(router::service(app.clone())));
        Self { app, service }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(request(Method::DELETE, path, Body::empty())).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(json_request(Method::POST, path, &body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(json_request(Method::PUT, path, &body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(json_request(Method::PATCH, path, &body)).await
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        let service = self.service.lock().expect("nobody fails while holding it").clone();
        let answered = service.oneshot(request).await;
        let response = answered.unwrap_or_else(|never| match never {});
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole answer").to_bytes();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }
}

pub(crate) fn request(method: Method, path: &str, body: Body) -> Request {
    Request::builder().method(method).uri(path).body(body).expect("a request")
}

pub(crate) fn json_request(method: Method, path: &str, body: &Value) -> Request {
    let mut request = request(method, path, Body::from(body.to_string()));
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

impl Answer {
    /// The body; fails the test where it is no JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body of a success; fails the test with what the server said otherwise.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// Fails the test where the status is another; hands back the text of the refusal.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self.text()
    }
}
