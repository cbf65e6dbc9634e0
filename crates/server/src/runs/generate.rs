//! Filters from natural language: needs a language model, which the server does not have.

use http::StatusCode;

use crate::error::ApiError;

/// Would write a filter from a sentence. Says what is missing, and what works instead.
#[utoipa::path(post, path = "/runs/generate-query", tag = "runs",
    responses((status = 422, description = "this server has no language model")))]
pub(super) async fn generate_query() -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "filters cannot be written from sentences: this server has no language model; \
         send words to look for as `query` to /runs/query, or write a `filter`",
    )
}
