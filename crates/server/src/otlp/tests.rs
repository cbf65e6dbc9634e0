use std::io::Write as _;

use assay_domain::{Run, RunId};
use assay_store::{Catalog as _, RunQuery, Runs as _};
use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::router;
use crate::testing::{Answer, Server, request};

const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const ROOT: &str = "eee19b7ec3c1b174";
const CHILD: &str = "eee19b7ec3c1b173";

fn span(id: &str, parent: &str, attributes: Value) -> Value {
    let attributes: Vec<Value> = attributes
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| json!({ "key": key, "value": { "stringValue": value.as_str() } }))
        .collect();
    json!({ "traceId": TRACE, "spanId": id, "parentSpanId": parent, "name": "step",
        "startTimeUnixNano": "1748736000123456789", "endTimeUnixNano": "1748736001000000000", "attributes": attributes })
}

fn export_of(spans: &[Value]) -> Value {
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] })
}

async fn send(server: &Server, headers: &[(&'static str, &str)], body: Vec<u8>) -> Answer {
    let mut request = request(Method::POST, "/api/v1/otel/v1/traces", Body::from(body));
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a value");
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    server.send(request).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

async fn runs(server: &Server, project: &str) -> Vec<Run> {
    let Some(project) = server.app.store.project(project).await.expect("an answer") else {
        return Vec::new();
    };
    let page = server.app.store.runs(&RunQuery::new(project.id)).await.expect("a page");
    let mut runs = Vec::new();
    for row in page.items {
        runs.push(server.app.store.run(row.id).await.expect("an answer").expect("a run"));
    }
    runs
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).expect("packed");
    gzip.finish().expect("packed")
}

/// A request of one span as protobuf, written by hand.
fn protobuf(span_id: &[u8]) -> Vec<u8> {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }
    let trace: Vec<u8> = (0..16).map(|n| n * 7 + 1).collect();
    let span = [field(1, &trace), field(2, span_id), field(5, b"step")].concat();
    field(1, &field(2, &field(2, &span)))
}

#[tokio::test]
async fn spans_become_runs_of_one_trace_whatever_request_they_came_in() {
    let server = Server::new();
    let body = export_of(&[span(CHILD, ROOT, json!({"langsmith.span.kind": "llm"}))]).to_string();
    let answer = send(&server, &[JSON, ("langsmith-project", "mine")], body.into_bytes()).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "{}"));
    assert_eq!(answer.headers["content-type"], "application/json");
    let packed = gzip(export_of(&[span(ROOT, "", json!({}))]).to_string().as_bytes());
    send(&server, &[JSON, ("langsmith-project", "mine"), ("content-encoding", "gzip")], packed).await.ok();

    let runs = runs(&server, "mine").await;
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run.trace == runs[0].trace));
    let root = runs.iter().find(|run| run.parent.is_none()).expect("a root");
    let child = runs.iter().find(|run| run.parent.is_some()).expect("a child");
    assert_eq!(child.parent, Some(root.id));
    assert_eq!(server.app.ingest.counters.of(Door::OtlpHttp), [2, 2, 0, 0]);
}

#[tokio::test]
async fn protobuf_is_answered_in_protobuf() {
    let server = Server::new();
    for kind in [None, Some(("content-type", "application/x-protobuf"))] {
        let headers: Vec<_> = kind.into_iter().collect();
        let answer = send(&server, &headers, protobuf(&[1, 2, 3, 4, 5, 6, 7, 8])).await;
        assert_eq!((answer.status.as_u16(), answer.bytes.len()), (200, 0));
        assert_eq!(answer.headers["content-type"], "application/x-protobuf");
    }
    assert_eq!(runs(&server, "default").await.len(), 1, "the same span again is the same run");
    let answer = send(&server, &[], protobuf(&[1, 2, 3])).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.bytes[..2], [8, 3], "a status with the code for a bad argument");
    assert!(answer.text().contains("span id of 3 bytes"), "{}", answer.text());
    assert_eq!(send(&server, &[], Vec::new()).await.status, 200, "no spans are no mistake");
}

#[tokio::test]
async fn what_is_wrong_with_single_spans_is_said_and_the_rest_kept() {
    let server = Server::new();
    let body = export_of(&[span("", "", json!({})), span(ROOT, "", json!({}))]).to_string();
    let answer = send(&server, &[JSON], body.into_bytes()).await;
    assert_eq!(answer.status, 200);
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedSpans"], "1");
    assert_eq!(partial["errorMessage"], "resourceSpans[0].scopeSpans[0].spans[0]: span without a span id");
    assert_eq!(runs(&server, "default").await.len(), 1);

    for (body, reason) in [
        ("{", "not JSON"),
        ("{}", "no OpenTelemetry spans"),
        ("[]", "expected a JSON object that holds spans"),
        (&export_of(&[span("", "", json!({}))]).to_string(), "span without a span id"),
    ] {
        let said = send(&server, &[JSON], body.as_bytes().to_vec()).await.refused(400);
        assert!(said.contains(reason), "{said}");
    }
    send(&server, &[("content-type", "text/html")], b"x".to_vec()).await.refused(415);
    send(&server, &[JSON, ("content-encoding", "gzip")], b"x".to_vec()).await.refused(400);
}

#[tokio::test]
async fn the_project_is_the_spans_own_before_the_headers() {
    let server = Server::new();
    let own = span(ROOT, "", json!({"langsmith.trace.session_name": "own"}));
    let body = export_of(&[own, span(CHILD, ROOT, json!({}))]).to_string().into_bytes();
    send(&server, &[JSON, ("langsmith-project", "header")], body.clone()).await.ok();
    assert_eq!((runs(&server, "own").await.len(), runs(&server, "header").await.len()), (1, 1));
    let other = Server::new();
    let agent = [JSON, ("langsmith-agent-id", "helper"), ("langsmith-agent-environment", "prod")];
    send(&other, &agent, body).await.ok();
    assert_eq!(runs(&other, "helper/prod").await.len(), 1);
}

#[tokio::test]
async fn a_run_the_sdk_sent_natively_too_is_kept_once() {
    let server = Server::new();
    let native = json!({"id": "33c08c32-435c-4788-b973-b5bee4a31f87", "name": "step", "run_type": "chain",
        "start_time": "2025-06-01T00:00:00.123457Z", "session_name": "p"});
    server.post("/runs", native).await.ok();
    let mut body = export_of(&[span(ROOT, "", json!({}))]);
    body["resourceSpans"][0]["resource"] =
        json!({"attributes": [{"key": "langsmith.internal_provider", "value": {"boolValue": true}}]});
    let headers = [JSON, ("langsmith-project", "p")];
    assert_eq!(send(&server, &headers, body.to_string().into_bytes()).await.text(), "{}");
    assert_eq!(runs(&server, "p").await.len(), 1);
    // Another name, or a span that is not the SDK's own, is no echo.
    body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] = json!("other");
    send(&server, &headers, body.to_string().into_bytes()).await.ok();
    assert_eq!(runs(&server, "p").await.len(), 2);
    send(&server, &headers, export_of(&[span(CHILD, "", json!({}))]).to_string().into_bytes()).await.ok();
    assert_eq!(runs(&server, "p").await.len(), 3);
}

#[tokio::test]
async fn logs_and_metrics_are_dropped_and_said_to_be() {
    let server = Server::new();
    let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}]}]}]});
    let said = server.post("/otel/v1/logs", logs).await.ok();
    assert_eq!(said["partialSuccess"]["rejectedLogRecords"], "2");
    assert_eq!(said["partialSuccess"]["errorMessage"], TRACES_ONLY);
    assert_eq!(server.post("/v1/metrics", json!({})).await.ok()["partialSuccess"]["rejectedDataPoints"], "0");
}

/// A unary call; yields status and message of gRPC, and the framed answer.
async fn call(
    server: &Server,
    path: &str,
    encoding: Option<&str>,
    framed: Vec<u8>,
) -> (i32, String, Vec<u8>) {
    let mut request = request(Method::POST, path, Body::from(framed));
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
    headers.insert("langsmith-project", HeaderValue::from_static("grpc"));
    if let Some(encoding) = encoding {
        headers.insert("grpc-encoding", HeaderValue::from_str(encoding).expect("a value"));
    }
    let answered = router::grpc(server.app.clone()).oneshot(request).await;
    let response = answered.unwrap_or_else(|never| match never {});
    assert_eq!(response.status(), 200);
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.expect("a whole answer");
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let text = |name: &str| {
        let value = parts.headers.get(name).or(trailers.get(name));
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    (text("grpc-status").parse().expect("a code"), text("grpc-message"), collected.to_bytes().to_vec())
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

#[tokio::test]
async fn grpc_takes_spans_plain_and_packed() {
    let server = Server::new();
    let body = |n: u8| protobuf(&[n, 2, 3, 4, 5, 6, 7, 8]);
    for (encoding, frame) in [
        (None, framed(0, &body(1))),
        (Some("gzip"), framed(1, &gzip(&body(2)))),
        (Some("zstd"), framed(1, &zstd::encode_all(body(3).as_slice(), 1).expect("packed"))),
        (Some("gzip"), framed(0, &body(4))),
    ] {
        let (code, message, answer) = call(&server, EXPORT, encoding, frame).await;
        assert_eq!((code, message.as_str(), answer), (0, "", vec![0, 0, 0, 0, 0]), "{encoding:?}");
    }
    assert_eq!(runs(&server, "grpc").await.len(), 4);
    let logs = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    let (code, _, answer) = call(&server, logs, None, framed(0, b"")).await;
    assert_eq!(code, 0);
    assert!(String::from_utf8_lossy(&answer).contains(TRACES_ONLY));
}

#[tokio::test]
async fn bad_calls_are_told_by_code() {
    let server = Server::new();
    for (path, encoding, frame, code, reason) in [
        (EXPORT, None, vec![], 3, "holds no message"),
        (EXPORT, None, framed(7, b"x"), 3, "is damaged"),
        (EXPORT, None, framed(0, b"x")[..5].to_vec(), 3, "1 bytes was announced and 0 came"),
        (EXPORT, Some("gzip"), framed(1, b"x"), 3, "gzip body is damaged"),
        (EXPORT, Some("snappy"), framed(1, b"x"), 3, "is not known"),
        (EXPORT, None, framed(0, &protobuf(b"xyz")), 3, "span id of 3 bytes"),
        ("/other.Service/Call", None, framed(0, b""), 12, "no method /other.Service/Call"),
    ] {
        let (found, message, _) = call(&server, path, encoding, frame).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn the_trace_id_finds_the_root() {
    let server = Server::new();
    send(&server, &[JSON], export_of(&[span(ROOT, "", json!({}))]).to_string().into_bytes()).await.ok();
    let trace: RunId = TRACE.parse().expect("a trace id");
    let trace = server.app.store.trace(trace.into()).await.expect("an answer").expect("the trace");
    assert_eq!(trace.runs.len(), 1);
}

#[tokio::test]
async fn the_id_of_the_trace_names_the_root_wherever_a_run_is_asked_for() {
    let server = Server::new();
    let feedback = |key: &str| json!({"run_id": TRACE, "key": key, "score": 1.0});
    server.post("/feedback", feedback("early")).await.ok();
    for spans in [[span(CHILD, ROOT, json!({}))], [span(ROOT, "", json!({}))]] {
        send(&server, &[JSON], export_of(&spans).to_string().into_bytes()).await.ok();
    }
    server.post("/feedback", feedback("late")).await.ok();
    let token = server.post("/feedback/tokens", json!({"run_id": TRACE, "feedback_key": "token"})).await.ok();
    let url = token["url"].as_str().expect("an address").trim_start_matches("http://127.0.0.1:1984");
    server.get(&format!("{url}?score=1")).await.ok();

    let root = server.get(&format!("/runs/{TRACE}")).await.ok();
    let id = root["id"].as_str().expect("an id").to_owned();
    assert_eq!(id.replace('-', ""), format!("{}{ROOT}", "0".repeat(16)));
    for key in ["early", "late", "token"] {
        assert_eq!(root["feedback_stats"][key]["n"], 1, "{key}: {root}");
    }
    let found = server.post("/runs/query", json!({"id": [TRACE]})).await.ok();
    assert_eq!(found["runs"][0]["id"], json!(id));
    let listed = server.get(&format!("/feedback?run={TRACE}")).await.ok();
    assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");

    let project = root["session_id"].as_str().expect("a project");
    let path = format!("/api/v2/runs/{TRACE}/url?project_id={project}");
    assert!(server.get(&path).await.ok()["url"].is_string());
    let shared = server.put(&format!("/runs/{TRACE}/share"), json!({})).await.ok();
    assert_eq!(server.get(&format!("/runs/{TRACE}/share")).await.ok()["share_token"], shared["share_token"]);
    server.delete(&format!("/runs/{TRACE}/share")).await.ok();
    assert_eq!(server.get(&format!("/runs/{id}/share")).await.ok(), Value::Null);

    server.patch(&format!("/runs/{TRACE}"), json!({"outputs": {"answer": 42}, "trace_id": TRACE})).await.ok();
    let roots = server.post("/runs/query", json!({"trace": TRACE, "is_root": true})).await.ok();
    assert_eq!(roots["runs"].as_array().map(Vec::len), Some(1), "{roots}");
    assert_eq!(
        (&roots["runs"][0]["outputs"]["answer"], &roots["runs"][0]["name"]),
        (&json!(42), &json!("step"))
    );
}

#[tokio::test]
async fn a_span_without_its_parent_joins_the_trace_that_the_parent_names() {
    let server = Server::new();
    let elsewhere = "11111111-2222-4333-8444-555555555555";
    let child = export_of(&[span(CHILD, ROOT, json!({}))]);
    let parent = export_of(&[span(ROOT, "", json!({"langsmith.trace.id": elsewhere}))]);
    for body in [child, parent] {
        send(&server, &[JSON], body.to_string().into_bytes()).await.ok();
    }
    let all = runs(&server, "default").await;
    assert_eq!(all.len(), 2);
    for run in all {
        assert_eq!(run.trace.to_string(), elsewhere);
        assert!(run.dotted_order.is_some(), "{run:?}");
    }
}
