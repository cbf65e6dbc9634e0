//! Pieces of a payload, asked for one by one: what is below a place of it, or
//! the next part of a long text. So a payload of megabytes costs a page little.

use assay_domain::Run;
use assay_store::{CORRUPT_KEY, StoredRun};
use assay_ui::web::json::{self, Address, Raw, Tree};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};

use super::super::page;
use super::super::state::State;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// What is below a place of a payload, or the next piece of its text.
pub(super) async fn piece(
    part: String,
    stored: StoredRun,
    params: &Params,
    state: State,
) -> ApiResult<Response> {
    let at = params.get("at").unwrap_or_default().to_owned();
    let offset: usize = params.parse("offset")?.unwrap_or(0);
    let made = tokio::task::spawn_blocking(move || {
        let whole = payload(stored.run);
        let value =
            json::find(&whole, &at).ok_or_else(|| ApiError::not_found("this place of the payload"))?;
        let href = |part: &str, at: &str, offset: usize| place(&state, part, at, offset);
        Ok(match (part.as_str(), value) {
            ("json", Value::Array(_) | Value::Object(_)) => page(&Tree::new(
                value,
                &at,
                offset,
                &Address { href: &|at, offset| href("json", at, offset) },
            )),
            (_, Value::String(words)) => page(&Raw::piece(words, offset, |next| href("raw", &at, next))),
            (_, value) => page(&Raw::piece(&json::pretty(value), offset, |next| href("raw", &at, next))),
        })
    });
    made.await.map_err(|error| {
        tracing::error!(%error, "a piece could not be made");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the piece could not be made")
    })?
}

/// Where a piece is asked for.
pub(super) fn place(state: &State, part: &str, at: &str, offset: usize) -> String {
    let offset = if offset == 0 { String::new() } else { offset.to_string() };
    state.with(&[("q", ""), ("in", ""), ("view", ""), ("part", part), ("at", at), ("offset", &offset)]).href()
}

/// Everything of a run that is shown as JSON, by the name of its part.
pub(super) fn payload(run: Run) -> Value {
    let mut extra = run.extra;
    extra.shift_remove(CORRUPT_KEY);
    let mut out = Map::new();
    out.insert("inputs".to_owned(), run.inputs);
    out.insert("outputs".to_owned(), run.outputs);
    for (name, value) in [
        ("events", Value::Array(run.events)),
        ("extra", Value::Object(extra)),
        ("serialized", run.serialized),
    ] {
        let is_empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !is_empty {
            out.insert(name.to_owned(), value);
        }
    }
    Value::Object(out)
}

/// About how much text there is in a value; counting ends beyond `enough`.
pub(super) fn weight(value: &Value, enough: usize) -> usize {
    weighed(value, enough, str::len)
}

/// The same where pictures are shown from where they lie, and not laid out.
pub(super) fn weight_to_read(value: &Value, enough: usize) -> usize {
    weighed(value, enough, |words| if assay_transcript::is_picture(words) { 64 } else { words.len() })
}

fn weighed(value: &Value, enough: usize, of_text: impl Fn(&str) -> usize) -> usize {
    let (mut total, mut stack) = (0, vec![value]);
    while let Some(value) = stack.pop() {
        total += match value {
            Value::String(words) => of_text(words),
            Value::Array(items) => {
                stack.extend(items);
                4
            }
            Value::Object(fields) => {
                stack.extend(fields.values());
                16 * fields.len()
            }
            _ => 8,
        };
        if total > enough {
            break;
        }
    }
    total
}

/// A tree of one part; what is neither list nor object is its only entry.
pub(super) fn wrapped(value: &Value, name: &str, address: &Address<'_>) -> Tree {
    if value.is_array() || value.is_object() {
        return Tree::new(value, &format!("/{name}"), 0, address);
    }
    let mut only = Map::new();
    only.insert(name.to_owned(), value.clone());
    Tree::new(&Value::Object(only), "", 0, address)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn weighing_stops_once_it_is_enough() {
        let value = json!([["x".repeat(100)], "y".repeat(100)]);
        assert!(weight(&value, 1_000) > 200);
        assert!(weight(&value, 10) < 200);
    }
}
