//! What people do with a report: they rename, merge and hide its categories,
//! share it, and make datasets of what it found.

use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::{finished, project_with, stop};
use super::worker::Workers;
use crate::testing::Server;

/// A server with a finished local report over so many threads, and the path of its job.
async fn with_report(threads: usize) -> (Server, Uuid, Value, String) {
    let server = Server::new();
    let project = project_with(&server, threads).await;
    let workers = Workers::start(&server.app);
    let done = finished(&server, project, json!({"name": "Weekly"})).await;
    assert_eq!(done["status"], "success", "{done}");
    stop(&server, workers).await;
    let path = format!("/sessions/{project}/insights/{}", done["id"].as_str().expect("an id"));
    (server, project, done, path)
}

/// Leaves that hold threads of a kind, largest first.
fn leaves(job: &Value) -> Vec<&Value> {
    let clusters = job["clusters"].as_array().expect("clusters").iter();
    clusters.filter(|one| one["level"] == 0 && one["stats"]["kind"] == "discovered").collect()
}

fn count(job: &Value) -> u64 {
    let leaves = job["clusters"].as_array().expect("clusters").iter().filter(|one| one["level"] == 0);
    leaves.filter_map(|one| one["num_runs"].as_u64()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn edited_categories_are_shown_everywhere_and_can_be_taken_back() {
    let (server, _, made, path) = with_report(80).await;
    let leaves = leaves(&made);
    let id = |index: usize| leaves[index]["id"].as_str().expect("an id").to_owned();
    let cluster = |index: usize| format!("{path}/clusters/{}", id(index));
    let new = json!({"name": "Money back", "description": "People want refunds."});
    let edits = server.patch(&cluster(0), new).await.ok();
    assert_eq!(edits["edits"][0]["made_name"], leaves[0]["name"], "{edits}");
    let shown = server.get(&path).await.ok();
    let renamed =
        shown["clusters"].as_array().expect("clusters").iter().find(|one| one["id"] == id(0).as_str());
    assert_eq!(renamed.expect("it is there")["name"], "Money back");
    for file in ["report.json", "report.md", "report.html", "assignments.csv"] {
        let text = server.get(&format!("{path}/files/{file}")).await.text();
        assert!(text.contains("Money back"), "{file}");
    }
    let members = server.get(&format!("{path}/runs?cluster_id={}", id(0))).await.ok();
    assert_eq!(members["runs"][0]["cluster_name"], "Money back");

    server.patch(&cluster(1), json!({"merge_into": id(0)})).await.ok();
    server.patch(&cluster(2), json!({"hidden": true})).await.ok();
    let shown = server.get(&path).await.ok();
    assert_eq!(count(&shown), 80, "no thread is lost: {shown}");
    let clusters = shown["clusters"].as_array().expect("clusters");
    assert!(clusters.iter().all(|one| one["id"] != id(1).as_str() && one["id"] != id(2).as_str()), "{shown}");
    let shape = shown["shape"].as_object().expect("a shape");
    assert_eq!(shape.values().filter_map(Value::as_u64).sum::<u64>(), 80, "lists agree: {shape:?}");
    server.get(&cluster(1)).await.refused(404);

    server.patch(&cluster(0), json!({"merge_into": id(0)})).await.refused(400);
    server.patch(&cluster(0), json!({"merge_into": Uuid::now_v7()})).await.refused(404);
    server.patch(&cluster(0), json!({"name": " "})).await.refused(422);
    server.patch(&format!("{path}/clusters/{}", Uuid::now_v7()), json!({"name": "x"})).await.refused(404);
    let listed = server.get(&format!("{path}/edits")).await.ok();
    assert_eq!(listed["edits"].as_array().map(Vec::len), Some(3), "{listed}");
    let log = server.get("/audit-logs").await.text();
    assert!(log.contains("/clusters/{cluster_id}"), "{log}");

    server.delete(&format!("{path}/edits")).await.ok();
    let back = server.get(&path).await.ok();
    assert_eq!(
        (&back["clusters"], &back["report"], &back["shape"]),
        (&made["clusters"], &made["report"], &made["shape"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_link_reads_a_shared_report_until_it_is_taken_back() {
    let (server, project, _, path) = with_report(40).await;
    assert!(server.get(&format!("{path}/share")).await.ok().is_null());
    let shared = server.put(&format!("{path}/share"), json!({})).await.ok();
    let again = server.put(&format!("{path}/share"), json!({})).await.ok();
    assert_eq!(shared["share_token"], again["share_token"]);
    let token = shared["share_token"].as_str().expect("a token");
    let report = server.get(&format!("/public/{token}/insights")).await.ok();
    assert!(report["clusters"].as_array().is_some_and(|all| !all.is_empty()), "{report}");
    assert!(report["report"]["title"].is_string());
    assert!(
        report.get("metadata").is_none() && !report.to_string().contains(&project.to_string()),
        "{report}"
    );
    let page = server.get(&format!("/public/{token}/insights/files/report.html")).await.text();
    assert!(page.starts_with("<!doctype html>"), "{page}");
    server.get(&format!("/public/{token}/insights/files/assignments.csv")).await.refused(404);
    server.get(&format!("/public/{}/insights", Uuid::now_v7())).await.refused(404);
    server.delete(&format!("{path}/share")).await.ok();
    server.get(&format!("/public/{token}/insights")).await.refused(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_threads_of_a_category_become_a_dataset_and_come_into_it_once() {
    let (server, _, made, path) = with_report(40).await;
    let leaf = leaves(&made)[0];
    let to = format!("{path}/clusters/{}/dataset", leaf["id"].as_str().expect("an id"));
    let first = server.post(&to, json!({"name": "Refund cases"})).await.ok();
    assert_eq!((&first["added"], &first["known"], &first["gone"]), (&leaf["num_runs"], &json!(0), &json!(0)));
    server.post(&to, json!({"name": "Refund cases"})).await.refused(409);
    let again = server.post(&to, json!({"dataset_id": first["dataset_id"]})).await.ok();
    assert_eq!((&again["added"], &again["known"]), (&json!(0), &leaf["num_runs"]));
    let id = first["dataset_id"].as_str().expect("an id");
    let examples = server.get(&format!("/examples?dataset={id}&limit=100")).await.ok();
    assert_eq!(examples.as_array().map(Vec::len).map(|count| json!(count)), Some(leaf["num_runs"].clone()));
    assert_eq!(examples[0]["metadata"]["category"], leaf["name"], "{examples}");
    assert!(examples[0]["inputs"]["messages"].is_array() && examples[0]["source_run_id"].is_string());
    server.post(&to, json!({"dataset_id": Uuid::now_v7()})).await.refused(404);
}
