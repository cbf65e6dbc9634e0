//! Refusals of v2: the same errors, as problem objects.

use assay_store::Error as StoreError;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use crate::error::ApiError;

pub(crate) struct Problem(ApiError);

pub(crate) type V2Result<T> = Result<T, Problem>;

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        Self(error.for_v2())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// 422: this needs something the server does not have. No fault of the server: repeating it is of no use.
pub(crate) fn missing(what: &str) -> Problem {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, what).into()
}

/// 406 where an answer is wanted as a stream of events.
pub(crate) fn refuse_streams(headers: &HeaderMap) -> V2Result<()> {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or("*/*");
    if accepts.contains("text/event-stream") && !accepts.contains("json") && !accepts.contains("*/*") {
        return Err(
            ApiError::new(StatusCode::NOT_ACCEPTABLE, "this is answered as application/json only").into()
        );
    }
    Ok(())
}
