//! Policies as clients meet them: through the write endpoints.

use assay_domain::{Run, RunId};
use assay_store::{Catalog as _, Runs as _};
use serde_json::{Value, json};

use super::*;
use crate::app::{App, Config};
use crate::testing::Server;

fn id(name: &str) -> RunId {
    RunId::from_name(name)
}

/// A creation: `name` is also what its id is made of.
fn new(name: &str, project: &str, parent: Option<&str>) -> Value {
    let root = parent.unwrap_or(name);
    let mut order = format!("20261121T100000000000Z{}", id(root));
    if parent.is_some() {
        order += &format!(".20261121T100001000000Z{}", id(name));
    }
    json!({
        "id": id(name).to_string(), "name": name, "run_type": "chain", "session_name": project,
        "trace_id": id(root).to_string(), "parent_run_id": parent.map(|parent| id(parent).to_string()),
        "dotted_order": order, "start_time": "2026-11-21T10:00:00Z",
        "inputs": { "text": format!("I am {name}@example.com") },
    })
}

fn end(name: &str, root: &str, outputs: Value) -> Value {
    json!({ "id": id(name).to_string(), "trace_id": id(root).to_string(), "end_time": "2026-11-21T10:00:09Z", "outputs": outputs })
}

async fn send(server: &Server, post: Vec<Value>, patch: Vec<Value>) -> Value {
    server.post("/runs/batch", json!({ "post": post, "patch": patch })).await.ok()
}

async fn run(server: &Server, name: &str) -> Option<Run> {
    server.app.store.run(id(name)).await.expect("an answer")
}

async fn policy(server: &Server, project: &str, policy: Value) {
    server.put(&format!("/api/v1/ingest-policies/{project}"), policy).await.ok();
}

async fn metric(server: &Server, line: &str) -> bool {
    server.get("/metrics").await.text().contains(line)
}

#[tokio::test]
async fn values_never_reach_the_store() {
    let server = Server::new();
    policy(&server, "*", json!({ "redact": { "detectors": ["email"] } })).await;
    send(&server, vec![new("ada", "p", None)], vec![end("ada", "ada", json!({ "to": "bob@example.com" }))])
        .await;
    let run = run(&server, "ada").await.expect("stored");
    assert_eq!(run.inputs, json!({ "text": "I am [EMAIL]" }));
    assert_eq!(run.outputs, json!({ "to": "[EMAIL]" }));
    let files = std::fs::read_dir(server.app.store.dir()).expect("a directory").flatten();
    for file in files.filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).expect("a file");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("@example.com"), "{:?} has what was to be left out", file.path());
    }
    assert!(metric(&server, r#"assay_redactions_total{rule="email"} 2"#).await);
}

#[tokio::test]
async fn feedback_is_redacted_whatever_way_it_comes() {
    let server = Server::new();
    policy(&server, "p", json!({ "redact": { "detectors": ["email"] } })).await;
    send(&server, vec![new("ada", "p", None)], vec![]).await;
    let body = json!({ "run_id": id("ada").to_string(), "key": "note", "comment": "ask bob@example.com" });
    server.post("/feedback", body).await.ok();
    let listed = server.get(&format!("/feedback?run={}", id("ada"))).await.ok();
    assert_eq!(listed[0]["comment"], "ask [EMAIL]", "{listed}");
}

#[tokio::test]
async fn a_project_has_its_own_policy_besides_that_of_all() {
    let server = Server::new();
    policy(&server, "*", json!({ "redact": { "detectors": ["email"] } })).await;
    policy(&server, "secret", json!({ "redact": { "hide_inputs": true, "hide_outputs": true } })).await;
    send(&server, vec![new("a", "secret", None), new("b", "open", None)], vec![]).await;
    // Updates that name no project: one whose run is known, one whose run nobody knows.
    let said = json!({ "said": "x" });
    send(
        &server,
        vec![],
        vec![end("a", "a", said.clone()), end("b", "b", said.clone()), end("c", "c", said.clone())],
    )
    .await;
    let (a, b, c) = (run(&server, "a").await, run(&server, "b").await, run(&server, "c").await);
    let (a, b, c) = (a.expect("a"), b.expect("b"), c.expect("c"));
    assert_eq!((a.inputs, a.outputs), (json!({}), json!({})));
    assert_eq!((b.inputs, b.outputs), (json!({ "text": "I am [EMAIL]" }), said));
    assert_eq!(c.outputs, json!({}), "what may belong to any project is treated as the strictest asks");
}

#[tokio::test]
async fn sampling_keeps_whole_traces() {
    let server = Server::new();
    policy(&server, "p", json!({ "sample_rate": 0.5 })).await;
    let roots: Vec<String> = (0..40).map(|number| format!("root {number}")).collect();
    let children: Vec<String> = (0..40).map(|number| format!("child {number}")).collect();
    let posts = roots.iter().map(|root| new(root, "p", None)).collect();
    let answer = send(&server, posts, vec![]).await;
    // Children and ends come later, without the name of the project.
    let mut posts = Vec::new();
    for (root, child) in roots.iter().zip(&children) {
        posts.push(new(child, "p", Some(root)));
    }
    send(&server, posts, roots.iter().map(|root| end(root, root, json!({ "y": 1 }))).collect()).await;
    let mut kept = 0;
    for (root, child) in roots.iter().zip(&children) {
        let (root, child) = (run(&server, root).await, run(&server, child).await);
        assert_eq!(root.is_some(), child.is_some(), "a trace is kept whole or not at all");
        if let Some(root) = root {
            kept += 1;
            assert!(root.end_time.is_some());
        }
    }
    assert!((8..=32).contains(&kept), "{kept} of 40");
    assert_eq!(answer["dropped"], 40 - kept);
    assert!(metric(&server, r#"assay_runs_dropped_total{rule="sampling"}"#).await);
}

#[tokio::test]
async fn a_root_decides_for_its_trace() {
    let server = Server::new();
    let rules = json!([
        { "name": "keep vips", "filter": "has(tags, \"vip\")", "action": "keep" },
        { "name": "pings", "filter": "eq(name, \"ping\")", "action": "drop" },
    ]);
    policy(&server, "p", json!({ "rules": rules })).await;
    send(&server, vec![new("ping", "p", None), new("chat", "p", None)], vec![]).await;
    send(
        &server,
        vec![new("tool of ping", "p", Some("ping")), new("tool of chat", "p", Some("chat"))],
        vec![],
    )
    .await;
    send(&server, vec![], vec![end("ping", "ping", json!({})), end("chat", "chat", json!({}))]).await;
    assert!(run(&server, "ping").await.is_none() && run(&server, "tool of ping").await.is_none());
    assert!(run(&server, "chat").await.is_some() && run(&server, "tool of chat").await.is_some());
    assert!(
        metric(&server, r#"assay_runs_dropped_total{rule="pings"} 3"#).await,
        "two runs, one of them twice"
    );
    policy(&server, "q", json!({ "rules": rules })).await;
    let mut vip = new("ping", "q", None);
    vip["id"] = id("vip").to_string().into();
    vip["trace_id"] = vip["id"].clone();
    vip["dotted_order"] = Value::Null;
    vip["tags"] = json!(["vip"]);
    send(&server, vec![vip], vec![]).await;
    assert!(run(&server, "vip").await.is_some(), "the first rule that holds decides");
}

#[tokio::test]
async fn a_root_that_comes_last_takes_its_children_away() {
    let server = Server::new();
    let rules = json!([{ "name": "pings", "filter": "eq(name, \"ping\")", "action": "drop" }]);
    policy(&server, "p", json!({ "rules": rules })).await;
    send(&server, vec![new("child", "p", Some("ping"))], vec![]).await;
    assert!(run(&server, "child").await.is_some(), "nobody knows the root yet");
    send(&server, vec![new("ping", "p", None)], vec![]).await;
    assert!(run(&server, "child").await.is_none() && run(&server, "ping").await.is_none());
}

#[tokio::test]
async fn rules_can_be_for_single_runs() {
    let server = Server::new();
    let rules = json!([{ "name": "parsers", "filter": "like(name, \"parser%\")", "action": "drop", "applies_to": "run" }]);
    policy(&server, "*", json!({ "rules": rules })).await;
    send(&server, vec![new("chat", "p", None), new("parser 1", "p", Some("chat"))], vec![]).await;
    send(&server, vec![], vec![end("parser 1", "chat", json!({}))]).await;
    assert!(run(&server, "chat").await.is_some());
    assert!(run(&server, "parser 1").await.is_none(), "neither creation nor update");
}

#[tokio::test]
async fn policies_of_the_file_cannot_be_changed_from_outside() {
    let general = Policy { sample_rate: Some(0.0), ..Policy::default() };
    let server = Server::with(Config { ingest: general, ..Config::default() });
    server.put("/ingest-policies/*", json!({})).await.refused(409);
    server.delete("/ingest-policies/*").await.refused(409);
    let listed = server.get("/ingest-policies").await.ok();
    assert_eq!((&listed[0]["project"], &listed[0]["source"]), (&json!("*"), &json!("file")));
    send(&server, vec![new("a", "p", None)], vec![]).await;
    assert!(run(&server, "a").await.is_none());
    policy(&server, "p", json!({ "sample_rate": 1.0 })).await;
    send(&server, vec![new("a", "p", None), new("b", "p", None)], vec![]).await;
    assert!(run(&server, "b").await.is_some(), "its own rate counts");
    assert!(run(&server, "a").await.is_none(), "what was decided of a trace holds");
}

#[tokio::test]
async fn policies_can_be_read_changed_and_removed() {
    let server = Server::new();
    server.get("/ingest-policies/p").await.refused(404);
    policy(&server, "p", json!({ "sample_rate": 0.25 })).await;
    assert_eq!(server.get("/ingest-policies/p").await.ok()["policy"]["sample_rate"], 0.25);
    for (wrong, why) in [
        (json!({ "sample_rate": 2 }), "from 0 to 1"),
        (json!({ "sample": 1 }), "unknown field"),
        (json!({ "redact": { "detectors": ["x"] } }), "no detector"),
        (json!({ "redact": { "patterns": [{ "name": "x", "regex": "(" }] } }), "unclosed"),
        (json!({ "redact": { "paths": [{ "path": "input" }] } }), "begin with"),
        (json!({ "rules": [{ "name": "x", "filter": "eq(", "action": "drop" }] }), "column"),
    ] {
        let text = server.put("/ingest-policies/p", wrong).await.refused(422);
        assert!(text.contains(why), "{text}");
    }
    assert_eq!(server.delete("/ingest-policies/p").await.status, 204);
    server.delete("/ingest-policies/p").await.refused(404);
    send(&server, vec![new("a", "p", None)], vec![]).await;
    assert!(run(&server, "a").await.is_some());
    assert!(server.app.store.project("p").await.expect("an answer").is_some());
}

#[tokio::test]
async fn what_was_dropped_stays_out_after_a_restart() {
    let server = Server::new();
    let rule = json!({ "name": "pings", "filter": "eq(name, \"ping\")", "action": "drop" });
    policy(&server, "*", json!({ "rules": [rule] })).await;
    send(&server, vec![new("ping", "p", None)], vec![]).await;
    let again = Server::over(server.app.store.clone(), Config::default());
    let answer =
        send(&again, vec![new("child", "p", Some("ping"))], vec![end("ping", "ping", json!({}))]).await;
    assert!(run(&again, "ping").await.is_none() && run(&again, "child").await.is_none(), "{answer}");
}

#[tokio::test]
async fn a_policy_that_another_server_of_the_store_was_given_holds_within_a_second() {
    let server = Server::new();
    let other = App::new(server.app.store.clone(), Config::default());
    let asked = Batch { patches: Vec::new(), ..Batch::default() };
    other.admission.admit(asked, other.now()).await.expect("open");
    policy(&server, "*", json!({ "redact": { "detectors": ["email"] } })).await;
    let begun = std::time::Instant::now();
    loop {
        let policies = other.admission.policies().await.expect("policies");
        if !policies.is_open() {
            return;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "the policy was never heard of");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
