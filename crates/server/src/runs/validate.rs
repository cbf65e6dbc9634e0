//! Whether a query makes sense, without running it.

use assay_store::{Filter, FilterError};
use axum::Json;
use serde_json::{Value, json};

use super::query::{self, RunsBody};
use crate::extract::Body;

/// Checks the filters of a query; each error says where.
#[utoipa::path(post, path = "/runs/query/validate", tag = "runs", request_body = RunsBody,
    responses((status = 200, description = "`valid`, and `errors` with field, message, column (from 1) and the text around it")))]
pub(super) async fn validate(Body(body): Body<RunsBody>) -> Json<Value> {
    let mut errors = Vec::new();
    for (field, text) in [
        ("filter", &body.filter),
        ("trace_filter", &body.trace_filter),
        ("tree_filter", &body.tree_filter),
        ("search_filter", &body.search_filter),
    ] {
        let text = text.as_deref().filter(|text| !text.trim().is_empty());
        errors.extend(text.and_then(|text| Filter::parse(text).err()).map(|error| of_filter(field, &error)));
    }
    if let Some(Err(error)) = body.run_type.as_deref().map(query::kind) {
        errors.push(json!({ "field": "run_type", "message": error.detail[0]["msg"] }));
    }
    if !matches!(body.order.as_deref(), None | Some("asc" | "desc" | "ASC" | "DESC")) {
        errors.push(json!({ "field": "order", "message": "expected asc or desc" }));
    }
    Json(json!({ "valid": errors.is_empty(), "errors": errors }))
}

fn of_filter(field: &str, error: &FilterError) -> Value {
    let FilterError { message, column, snippet, caret } = error;
    json!({
        "field": field,
        "message": format!("column {column}: {message}"),
        "column": column,
        "snippet": snippet,
        "caret": caret,
    })
}
