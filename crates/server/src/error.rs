//! What a client is told when something is wrong.
//!
//! The status says what the client may do about it, the text names the thing.
//! Areas of the API differ in the shape of the body (contract 0.5): `detail`
//! for resources, `error` for ingest, problem objects for v2.

use assay_store::Error as StoreError;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::pages::Refusal;

/// Shape of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Shape {
    #[default]
    Detail,
    Error,
    Problem,
}

/// A refusal.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) detail: Value,
    shape: Shape,
    retry_after: Option<u32>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: Value::String(detail.into()), shape: Shape::Detail, retry_after: None }
    }

    /// 400: the request cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404: `what` is not here.
    pub(crate) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }

    /// 409: it exists already.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 422: a field has a wrong value. `place` is where: `["body", "run_type"]`.
    pub(crate) fn invalid(place: &[&str], message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "");
        error.detail = json!([{ "loc": place, "msg": message.into(), "type": "value_error" }]);
        error
    }

    /// 503: the same request will succeed later.
    pub(crate) fn overloaded(detail: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        error.retry_after = Some(1);
        error
    }

    /// In the shape of the ingest endpoints: `{"error", "details"}`.
    #[must_use]
    pub(crate) fn for_ingest(mut self) -> Self {
        self.shape = Shape::Error;
        self
    }

    /// In the shape of v2: a problem object (RFC 9457).
    #[must_use]
    pub(crate) fn for_v2(mut self) -> Self {
        self.shape = Shape::Problem;
        self
    }

    /// What is wrong, in words alone.
    pub(crate) fn words(&self) -> String {
        let one = |problem: &Value| problem["msg"].as_str().unwrap_or_default().to_owned();
        match &self.detail {
            Value::String(text) => text.clone(),
            Value::Array(all) => all.iter().map(one).collect::<Vec<_>>().join("; "),
            other => other.to_string(),
        }
    }

    fn body(&self) -> Value {
        let title = self.status.canonical_reason().unwrap_or("Error");
        match self.shape {
            Shape::Detail => json!({ "detail": self.detail }),
            Shape::Error => json!({ "error": title, "details": self.detail }),
            Shape::Problem => json!({
                "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail,
            }),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Filter(_) | StoreError::Invalid(_) => Self::bad_request(text),
            StoreError::NotFound(_) => Self::new(StatusCode::NOT_FOUND, text),
            StoreError::Conflict(_) => Self::conflict(text),
            // What ends by itself, or when somebody frees space: the client keeps its data and repeats.
            StoreError::Busy { .. } | StoreError::Full { .. } | StoreError::Closed => {
                tracing::warn!(error = %text, "the store cannot answer now");
                Self::overloaded("the store cannot answer now; repeat the request")
            }
            _ => {
                tracing::error!(error = %text, "the store failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the store failed; the server's log says why")
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        response.extensions_mut().insert(Refusal(self.words()));
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
