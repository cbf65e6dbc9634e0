//! Datasets as files: CSV, JSON lines, and what OpenAI's tools read.
//!
//! Answers are made piece by piece while they are sent: a dataset of any size
//! takes no more memory than a few hundred of its examples.

use std::collections::{BTreeSet, VecDeque};

use assay_domain::{Message, Role};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};

use super::dataset;
use super::ledger::{Content, Example, Head};
use super::snapshot::{self, Order, Selection};
use super::versions;
use crate::app::App;
use crate::error::ApiResult;
use crate::extract::{Params, uuid};
use crate::fields::v1_time;
use crate::insights::cases;

/// So many examples make a piece.
const AT_ONCE: usize = 200;

/// The examples as a table: `id`, then columns `inputs.*`, `outputs.*` and `metadata.*`.
#[utoipa::path(get, path = "/datasets/{dataset_id}/csv", tag = "datasets",
    params(("dataset_id" = Uuid, Path), ("as_of" = Option<String>, Query)),
    responses((status = 200, description = "the table", content_type = "text/csv"), (status = 404, description = "no such dataset")))]
pub(super) async fn csv(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let heads = heads(&app, &id, &params).await?;
    let columns = columns(&app, &heads).await?;
    let first = row(std::iter::once("id".to_owned()).chain(columns.iter().map(Column::name)));
    let line = move |example: Example| {
        let id = example.id.to_string();
        row(std::iter::once(id).chain(columns.iter().map(|column| column.text(&example.content))))
    };
    Ok(stream(app, heads, "text/csv; charset=utf-8", Some(first), line))
}

/// The examples, one JSON object per line.
#[utoipa::path(get, path = "/datasets/{dataset_id}/jsonl", tag = "datasets",
    params(("dataset_id" = Uuid, Path), ("as_of" = Option<String>, Query)),
    responses((status = 200, description = "JSON lines", content_type = "application/x-ndjson"), (status = 404, description = "no such dataset")))]
pub(super) async fn jsonl(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let heads = heads(&app, &id, &params).await?;
    let line = |example: Example| {
        let Example { id, created_at, content, .. } = example;
        json_line(&json!({
            "id": id, "inputs": content.inputs, "outputs": content.outputs, "metadata": content.metadata,
            "created_at": v1_time(created_at), "source_run_id": content.source_run,
        }))
    };
    Ok(stream(app, heads, JSON_LINES, None, line))
}

/// The examples for OpenAI's evaluations: `{"input": messages, "ideal": text}` per line.
#[utoipa::path(get, path = "/datasets/{dataset_id}/openai", tag = "datasets",
    params(("dataset_id" = Uuid, Path), ("as_of" = Option<String>, Query)),
    responses((status = 200, description = "JSON lines", content_type = "application/x-ndjson"), (status = 404, description = "no such dataset")))]
pub(super) async fn openai(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let heads = heads(&app, &id, &params).await?;
    let line = |example: Example| {
        let (said, answered) = conversation(example.content);
        let ideal: Vec<String> = answered.iter().map(Message::text).collect();
        json_line(&json!({
            "input": said.iter().map(cases::openai_message).collect::<Vec<_>>(),
            "ideal": ideal.join("\n"),
        }))
    };
    Ok(stream(app, heads, JSON_LINES, None, line))
}

/// The examples for OpenAI's fine-tuning: `{"messages": [...]}` per line.
#[utoipa::path(get, path = "/datasets/{dataset_id}/openai_ft", tag = "datasets",
    params(("dataset_id" = Uuid, Path), ("as_of" = Option<String>, Query)),
    responses((status = 200, description = "JSON lines", content_type = "application/x-ndjson"), (status = 404, description = "no such dataset")))]
pub(super) async fn openai_ft(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let heads = heads(&app, &id, &params).await?;
    let line = |example: Example| {
        let (said, answered) = conversation(example.content);
        json_line(
            &json!({ "messages": said.iter().chain(&answered).map(cases::openai_message).collect::<Vec<_>>() }),
        )
    };
    Ok(stream(app, heads, JSON_LINES, None, line))
}

/// The examples as tests for pytest: a file in which what calls the agent is to be filled in.
#[utoipa::path(get, path = "/datasets/{dataset_id}/pytest", tag = "datasets",
    params(("dataset_id" = Uuid, Path), ("as_of" = Option<String>, Query)),
    responses((status = 200, description = "Python", content_type = "text/x-python"), (status = 404, description = "no such dataset")))]
pub(super) async fn pytest(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let heads = heads(&app, &id, &params).await?;
    let line = |example: Example| {
        let Example { id, content, .. } = example;
        let case = json!({ "id": id, "inputs": content.inputs, "outputs": content.outputs });
        format!("CASES.append({})\n", cases::python(&case, 0))
    };
    Ok(stream(app, heads, "text/x-python; charset=utf-8", Some(PYTEST.to_owned()), line))
}

const PYTEST: &str = r#""""Examples of a dataset, exported by Assay: one test each.

Fill in `answer`: it takes what the agent is given and returns what it says.
"""

import pytest

CASES = []


def answer(inputs):
    pytest.skip("call your agent here")


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=[case["id"] for case in CASES])


def test_answer(case):
    said = answer(case["inputs"])
    assert said, f"nothing was said; an answer to aim at: {case['outputs']}"


"#;

const JSON_LINES: &str = "application/x-ndjson";

async fn heads(app: &App, id: &str, params: &Params) -> ApiResult<Vec<Head>> {
    let dataset = dataset::find(app, uuid("dataset_id", id)?).await?;
    let at = versions::moment(Some(&dataset), params.get("as_of"))?;
    let selection =
        Selection { dataset: Some(dataset.id), at, order: Order::OldestFirst, ..Selection::default() };
    selection.heads(app).await
}

/// Sends a line per example; a failure on the way breaks the answer off, so
/// that nobody takes half a dataset for a whole one.
fn stream(
    app: App,
    heads: Vec<Head>,
    content_type: &'static str,
    first: Option<String>,
    line: impl Fn(Example) -> String + Send + 'static,
) -> Response {
    let first = first.map(|line| Ok::<_, std::io::Error>(Bytes::from(line)));
    let state = (app, VecDeque::from(heads), line);
    let pieces = futures_util::stream::unfold(state, |(app, mut heads, line)| async move {
        if heads.is_empty() {
            return None;
        }
        let chunk: Vec<Head> = heads.drain(..heads.len().min(AT_ONCE)).collect();
        let piece = match snapshot::load(&app, &chunk).await {
            Ok(examples) => Ok(Bytes::from(examples.into_iter().map(&line).collect::<String>())),
            Err(_) => {
                heads.clear();
                Err(std::io::Error::other("the store could not be read"))
            }
        };
        Some((piece, (app, heads, line)))
    });
    let all = futures_util::StreamExt::chain(futures_util::stream::iter(first), pieces);
    let mut response = Response::new(Body::from_stream(all));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json_line(value: &Value) -> String {
    format!("{value}\n")
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Input(String),
    Output(String),
    Metadata(String),
}

async fn columns(app: &App, heads: &[Head]) -> ApiResult<Vec<Column>> {
    let mut columns = BTreeSet::new();
    for chunk in heads.chunks(AT_ONCE) {
        for example in snapshot::load(app, chunk).await? {
            let Content { inputs, outputs, metadata, .. } = example.content;
            columns.extend(inputs.into_iter().map(|(key, _)| Column::Input(key)));
            columns.extend(outputs.into_iter().flatten().map(|(key, _)| Column::Output(key)));
            columns.extend(metadata.into_iter().map(|(key, _)| Column::Metadata(key)));
        }
    }
    Ok(columns.into_iter().collect())
}

impl Column {
    fn name(&self) -> String {
        match self {
            Self::Input(key) => format!("inputs.{key}"),
            Self::Output(key) => format!("outputs.{key}"),
            Self::Metadata(key) => format!("metadata.{key}"),
        }
    }

    /// Texts as they are, everything else as JSON; empty where there is nothing.
    fn text(&self, content: &Content) -> String {
        let find = |map: &Map<String, Value>, key: &str| map.get(key).cloned();
        let value = match self {
            Self::Input(key) => find(&content.inputs, key),
            Self::Output(key) => content.outputs.as_ref().and_then(|outputs| find(outputs, key)),
            Self::Metadata(key) => find(&content.metadata, key),
        };
        match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        }
    }
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let quote = |cell: String| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    };
    let cells: Vec<String> = cells.map(quote).collect();
    format!("{}\r\n", cells.join(","))
}

/// What was said and what was answered.
pub(super) fn conversation(content: Content) -> (Vec<Message>, Vec<Message>) {
    let outputs = content.outputs.map_or(Value::Null, Value::Object);
    let said = assay_transcript::messages(&Value::Object(content.inputs));
    (said, assay_transcript::messages_by(&outputs, Role::Assistant))
}
