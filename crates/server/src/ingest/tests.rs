use std::io::Write as _;

use assay_domain::{Run, RunId, RunStatus, TraceId};
use assay_store::{Catalog as _, Runs as _};
use axum::body::Body;
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Answer, Server, request};

const RUN: &str = "33c08c32-435c-4788-b973-b5bee4a31f87";
const CHILD: &str = "44c08c32-435c-4788-b973-b5bee4a31f87";

fn id(text: &str) -> RunId {
    text.parse().expect("an id")
}

async fn run(server: &Server, text: &str) -> Run {
    server.app.store.run(id(text)).await.expect("an answer").unwrap_or_else(|| panic!("run {text}"))
}

async fn form(server: &Server, encoding: Option<&'static str>, parts: &[(String, String)]) -> Answer {
    let mut body = String::new();
    for (name, content) in parts {
        body += &format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: application/json\r\n\r\n{content}\r\n"
        );
    }
    body += "--b--\r\n";
    let body = match encoding {
        Some("zstd") => zstd::encode_all(body.as_bytes(), 1).expect("packed"),
        Some(_) => {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(body.as_bytes()).expect("packed");
            gzip.finish().expect("packed")
        }
        None => body.into_bytes(),
    };
    let mut request = request(Method::POST, "/runs/multipart", Body::from(body));
    let kind = HeaderValue::from_static("multipart/form-data; boundary=b");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Some(encoding) = encoding {
        request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    server.send(request).await
}

#[tokio::test]
async fn a_run_posted_and_patched_alone_is_whole_when_acknowledged() {
    let server = Server::new();
    let body = json!({"id": RUN, "name": "agent", "run_type": "chain", "start_time": "2026-10-13T07:05:34Z", "inputs": {"x": 1},
        "extra": {"metadata": {"a": 1, "thread_id": "t"}}, "session_name": "mine", "child_runs": [], "tags": ["t"]});
    assert_eq!(server.post("/api/v1/runs", body).await.status, 202);
    let body = json!({"end_time": 1791875136663_i64, "outputs": {"y": 2}, "inputs": null, "error": null, "tags": [],
        "session_name": "other", "extra": {"metadata": {"b": 2, "a": null}}});
    assert_eq!(server.patch(&format!("/runs/{RUN}"), body).await.status, 202);

    let run = run(&server, RUN).await;
    assert_eq!((run.name.as_str(), run.status()), ("agent", RunStatus::Success));
    assert_eq!((run.inputs, run.outputs, run.tags), (json!({"x": 1}), json!({"y": 2}), vec!["t".to_owned()]));
    assert_eq!(Value::Object(run.metadata), json!({"a": 1, "b": 2, "thread_id": "t", "ls_run_depth": 0}));
    assert_eq!(run.trace, TraceId::from(id(RUN)));
    assert_eq!(run.dotted_order, Some(format!("20261013T070534000000Z{RUN}")));
    let project = server.app.store.project("mine").await.expect("an answer").expect("the project");
    assert_eq!(run.project, project.id, "an update does not move a run");
}

#[tokio::test]
async fn a_child_that_names_only_its_parent_joins_its_trace() {
    let server = Server::new();
    let root = json!({"id": RUN, "name": "a", "run_type": "chain", "start_time": "2026-10-13T07:05:34Z"});
    server.post("/runs", root).await.ok();
    let child = json!({"id": CHILD, "name": "b", "run_type": "tool", "parent_run_id": RUN, "start_time": "2026-10-13T07:05:35Z"});
    server.post("/runs", child).await.ok();
    let child = run(&server, CHILD).await;
    assert_eq!(child.trace, TraceId::from(id(RUN)));
    assert_eq!(
        child.dotted_order,
        Some(format!("20261013T070534000000Z{RUN}.20261013T070535000000Z{CHILD}"))
    );
}

#[tokio::test]
async fn a_child_that_comes_before_its_parent_joins_its_trace() {
    let server = Server::new();
    let child = json!({"id": CHILD, "name": "b", "run_type": "tool", "parent_run_id": RUN, "start_time": "2026-10-13T07:05:35Z"});
    server.post("/runs", child).await.ok();
    let root = json!({"id": RUN, "name": "a", "run_type": "chain", "start_time": "2026-10-13T07:05:34Z",
        "extra": {"metadata": {"thread_id": "t"}}});
    server.post("/runs", root).await.ok();
    let child = run(&server, CHILD).await;
    assert_eq!(child.trace, TraceId::from(id(RUN)));
    assert_eq!(
        child.dotted_order,
        Some(format!("20261013T070534000000Z{RUN}.20261013T070535000000Z{CHILD}"))
    );
    assert_eq!(child.metadata["ls_run_depth"], 1);
    let found = server.post("/runs/query", json!({"trace": RUN, "select": ["id"]})).await.ok();
    assert_eq!(found["runs"].as_array().map(Vec::len), Some(2), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_family_that_comes_all_at_once_is_one_trace() {
    let server = Server::new();
    for _ in 0..10 {
        let root = uuid::Uuid::now_v7();
        let runs = (0..6).map(|number| {
            let id = if number == 0 { root } else { uuid::Uuid::now_v7() };
            let parent = (number > 0).then_some(root);
            json!({"id": id, "name": "n", "run_type": "chain", "parent_run_id": parent})
        });
        let sent = futures_util::future::join_all(runs.rev().map(|run| server.post("/runs", run))).await;
        sent.iter().for_each(|answer| drop(answer.ok()));
        let found = server.post("/runs/query", json!({"trace": root, "select": ["id"]})).await.ok();
        assert_eq!(found["runs"].as_array().map(Vec::len), Some(6), "{found}");
    }
}

#[tokio::test]
async fn a_patch_may_come_before_its_post() {
    let server = Server::new();
    let patch = json!({"patch": [{"id": RUN, "name": "late", "run_type": "llm", "outputs": {"y": 2}, "end_time": "2026-10-13T07:05:36Z"}]});
    server.post("/runs/batch", patch).await.ok();
    assert_eq!(run(&server, RUN).await.name, "late");
    let post = json!({"post": [{"id": RUN, "name": "early", "run_type": "llm", "outputs": {}, "inputs": {"x": 1}, "start_time": "2026-10-13T07:05:34Z"}]});
    server.post("/runs/batch", post).await.ok();
    let run = run(&server, RUN).await;
    assert_eq!((run.name.as_str(), run.inputs, run.outputs), ("late", json!({"x": 1}), json!({"y": 2})));
}

#[tokio::test]
async fn forms_are_read_in_every_packing() {
    for encoding in [None, Some("zstd"), Some("gzip")] {
        let server = Server::new();
        let parts = [
            (format!("patch.{RUN}"), json!({"id": RUN, "end_time": "2026-10-13T07:05:36Z"}).to_string()),
            (format!("patch.{RUN}.outputs"), json!({"y": 2}).to_string()),
            (
                format!("post.{RUN}"),
                json!({"id": RUN, "name": "m", "run_type": "llm", "start_time": "2026-10-13T07:05:34Z"})
                    .to_string(),
            ),
            (format!("post.{RUN}.outputs"), "{}".to_owned()),
            (
                format!("feedback.{CHILD}"),
                json!({"id": CHILD, "run_id": RUN, "key": "k", "score": 1}).to_string(),
            ),
        ];
        let answer = form(&server, encoding, &parts).await;
        assert_eq!(answer.status, 202, "{encoding:?}: {}", answer.text());
        assert_eq!(answer.json()["runs"], 1);
        let run = run(&server, RUN).await;
        assert_eq!((run.outputs.clone(), run.status()), (json!({"y": 2}), RunStatus::Success));
        assert_eq!(server.app.ingest.counters.of(Door::Multipart), [1, 1, 1, 0]);
    }
}

#[tokio::test]
async fn one_bad_run_does_not_poison_a_batch_and_is_reported() {
    let server = Server::new();
    let body = json!({"post": [{"id": RUN, "name": "good", "run_type": "llm"}, {"id": CHILD, "name": "bad", "run_type": "agent"}]});
    let answer = server.post("/runs/batch", body).await;
    assert_eq!(answer.status, 202);
    let said = answer.json();
    assert_eq!((&said["runs"], &said["rejected_count"]), (&json!(1), &json!(1)));
    assert_eq!(said["rejected"][0]["location"], "post[1]");
    assert!(
        said["rejected"][0]["reason"]
            .as_str()
            .is_some_and(|text| text.contains("unknown run_type \"agent\""))
    );
    assert_eq!(server.app.ingest.counters.of(Door::Batch), [1, 1, 0, 1]);
}

#[tokio::test]
async fn a_body_of_nothing_but_bad_runs_is_refused() {
    let server = Server::new();
    let bad = json!({"id": RUN, "name": "bad", "run_type": "agent"});
    let said = server.post("/runs", bad.clone()).await.refused(422);
    assert!(said.contains("unknown run_type") && said.contains("\"error\""), "{said}");
    server.post("/runs/batch", json!({"post": [bad]})).await.refused(422);
    form(&server, Some("zstd"), &[(format!("post.{RUN}"), bad.to_string())]).await.refused(422);
    server.patch(&format!("/runs/{RUN}"), json!({"run_type": "agent"})).await.refused(422);
    server.patch("/runs/nonsense", json!({})).await.refused(422);
    assert!(server.app.store.run(id(RUN)).await.expect("an answer").is_none());
}

#[tokio::test]
async fn empty_bodies_of_batches_are_nothing_to_do() {
    let server = Server::new();
    for body in [json!({}), json!({"post": null, "patch": []})] {
        assert_eq!(server.post("/runs/batch", body).await.ok()["runs"], 0);
    }
    form(&server, None, &[]).await.ok();
    server.post("/runs", json!([])).await.refused(400);
}

#[tokio::test]
async fn a_run_sent_twice_is_one_run() {
    let server = Server::new();
    let body = json!({"post": [{"id": RUN, "name": "x", "run_type": "llm", "trace_id": RUN,
        "dotted_order": format!("20261013T070534000000Z{RUN}"), "inputs": {"x": 1}}]});
    server.post("/runs/batch", body.clone()).await.ok();
    let before = run(&server, RUN).await;
    server.post("/runs/batch", body).await.ok();
    assert_eq!(run(&server, RUN).await, before);
    assert_eq!(before.start_time, assay_wire::time::parse("2026-10-13T07:05:34Z"), "out of the dotted order");
}

#[tokio::test]
async fn what_cannot_be_unpacked_or_taken_apart_is_a_bad_request() {
    let server = Server::new();
    let send = async |kind: &'static str, encoding: Option<&'static str>, body: &'static [u8]| {
        let mut request = request(Method::POST, "/runs/multipart", Body::from(body));
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(encoding) = encoding {
            request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        server.send(request).await
    };
    for (kind, encoding, body, reason) in [
        ("application/json", None, &b"{}"[..], "is not multipart/form-data"),
        ("multipart/form-data", None, b"x", "names no boundary"),
        ("multipart/form-data; boundary=b", None, b"x", "does not hold its boundary"),
        ("multipart/form-data; boundary=b", Some("zstd"), b"x", "damaged"),
        ("multipart/form-data; boundary=b", Some("gzip"), b"x", "damaged"),
    ] {
        let said = send(kind, encoding, body).await.refused(400);
        assert!(said.contains(reason), "{said}");
    }
    send("multipart/form-data; boundary=b", Some("br"), b"x").await.refused(415);
}

#[tokio::test]
async fn an_attachment_is_read_back_without_a_key_through_the_address_on_its_run() {
    let server = Server::new();
    let parts = [
        (format!("post.{RUN}"), json!({"id": RUN, "name": "m", "run_type": "llm"}).to_string()),
        (format!("attachment.{RUN}.a.txt"), "hello".to_owned()),
        (format!("attachment.{CHILD}.b"), "first".to_owned()),
    ];
    form(&server, Some("zstd"), &parts).await.ok();
    // The run of the second comes later, with another file and with a newer one of the same name.
    let parts = [
        (format!("post.{CHILD}"), json!({"id": CHILD, "name": "n", "run_type": "llm"}).to_string()),
        (format!("attachment.{CHILD}.c"), "other".to_owned()),
    ];
    form(&server, None, &parts).await.ok();
    let read = async |run: &str, name: &str| {
        let urls = server.get(&format!("/runs/{run}")).await.ok()["s3_urls"].clone();
        let file = &urls[format!("attachment.{name}")];
        assert_eq!(file["mime_type"], "application/json");
        let url = file["presigned_url"].as_str().expect("an address");
        let answer = server.get(url.strip_prefix("http://127.0.0.1:1984").expect("our own address")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.headers["content-type"].as_bytes()),
            (200, &b"application/json"[..])
        );
        answer.text()
    };
    assert_eq!(read(RUN, "a.txt").await, "hello");
    assert_eq!(read(CHILD, "b").await, "first");
    assert_eq!(read(CHILD, "c").await, "other");
    assert!(server.get(&format!("/runs/{RUN}")).await.ok().get("attachments").is_none());
}

#[tokio::test]
async fn a_project_may_be_named_by_its_id_but_must_exist() {
    let server = Server::new();
    let project = server.post("/sessions", json!({"name": "mine"})).await.ok()["id"].clone();
    let body = json!({"post": [
        {"id": RUN, "name": "x", "run_type": "llm", "session_id": project, "session_name": "other"},
        {"id": CHILD, "name": "x", "run_type": "llm", "session_id": CHILD}]});
    let said = server.post("/runs/batch", body).await.ok();
    assert_eq!(run(&server, RUN).await.project.to_string(), project.as_str().expect("an id"));
    assert_eq!(said["rejected_count"], 1);
    let reason = said["rejected"][0]["reason"].as_str().expect("a reason");
    assert_eq!(reason, format!("run {CHILD}: no project has the id {CHILD}; create it with POST /sessions"));
    let body = json!({"id": CHILD, "name": "x", "run_type": "llm", "session_id": CHILD});
    server.post("/runs", body).await.refused(422);
}
