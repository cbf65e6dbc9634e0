use http::HeaderValue;
use serde_json::{Value, json};

use crate::app::Config;
use crate::testing::{Answer, Server, json_request, request};

const QUEUE: &str = "018f2d4e-5b6c-7d8e-9fa0-000000000009";

fn id(n: u128) -> String {
    uuid::Uuid::from_u128(n).to_string()
}

async fn runs(server: &Server, count: u128) {
    for n in 1..=count {
        server.post("/runs", json!({
            "id": id(n), "name": format!("run {n}"), "run_type": "llm", "session_name": "p", "inputs": {"n": n.to_string()},
            "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:01Z",
        })).await.ok();
    }
}

/// A queue with so many runs in it.
async fn queue(server: &Server, count: u128, more: Value) -> String {
    runs(server, count).await;
    let mut body = json!({"name": "q", "id": QUEUE});
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    server.post("/annotation-queues", body).await.ok();
    let all: Vec<String> = (1..=count).map(id).collect();
    let path = format!("/annotation-queues/{QUEUE}");
    server.post(&format!("{path}/runs"), json!(all)).await.ok();
    path
}

fn names(listed: &Value) -> Vec<&str> {
    let all = listed.as_array().expect("a list").iter();
    all.map(|one| one["name"].as_str().expect("a name")).collect()
}

/// A server that asks nobody for a key, and a key that somebody has all the same.
async fn with_key() -> (Server, String) {
    let server = Server::with(Config { allow_anonymous: true, ..Config::default() });
    let key = server.post("/api-keys", json!({"role": "editor"})).await.ok()["key"].clone();
    (server, key.as_str().expect("a key").to_owned())
}

/// A request of somebody with this key.
async fn as_other(server: &Server, key: &str, path: &str, body: Option<Value>) -> Answer {
    let mut request = match body {
        Some(body) => json_request(http::Method::POST, path, &body),
        None => request(http::Method::GET, path, axum::body::Body::empty()),
    };
    request.headers_mut().insert("x-api-key", HeaderValue::from_str(key).expect("a header"));
    server.send(request).await
}

#[tokio::test]
async fn a_queue_is_made_read_changed_listed_and_deleted() {
    let server = Server::new();
    let rubric = json!([{"feedback_key": "good", "description": "is it", "is_required": true}]);
    let body = json!({"name": "q", "id": QUEUE, "description": "d", "rubric_items": rubric, "rubric_instructions": "be fair"});
    let made = server.post("/annotation-queues", body.clone()).await.ok();
    assert!(made["tenant_id"].is_string());
    assert_eq!((&made["num_reviewers_per_item"], &made["queue_type"]), (&json!(1), &json!("single")));
    server.post("/annotation-queues", body).await.refused(409);
    let path = format!("/annotation-queues/{QUEUE}");
    let read = server.get(&path).await.ok();
    assert_eq!(read["rubric_instructions"], "be fair");
    assert_eq!(read["rubric_items"][0]["feedback_key"], "good");

    server.patch(&path, json!({"name": "r", "rubric_instructions": "be kind"})).await.ok();
    let read = server.get(&path).await.ok();
    assert_eq!(
        (&read["name"], &read["rubric_instructions"], &read["description"]),
        (&json!("r"), &json!("be kind"), &json!("d"))
    );
    server.post("/annotation-queues", json!({"name": "another"})).await.ok();
    for (query, expected) in [
        (format!("ids={QUEUE}"), vec!["r"]),
        ("name=another".to_owned(), vec!["another"]),
        ("name_contains=R".to_owned(), vec!["another", "r"]),
        ("limit=1&offset=1".to_owned(), vec!["r"]),
    ] {
        let listed = server.get(&format!("/annotation-queues?{query}")).await.ok();
        assert_eq!(names(&listed), expected, "{query}");
    }
    server.delete(&path).await.ok();
    server.get(&path).await.refused(404);
    assert_eq!(server.get(&format!("/annotation-queues?ids={QUEUE}")).await.ok(), json!([]));
    for bad in [
        json!({"name": ""}),
        json!({"name": "x", "queue_type": "pairwise"}),
        json!({"name": "x", "num_reviewers_per_item": 0}),
    ] {
        server.post("/annotation-queues", bad).await.refused(422);
    }
}

#[tokio::test]
async fn runs_wait_in_the_order_in_which_they_came() {
    let server = Server::new();
    let path = queue(&server, 3, json!({})).await;
    let listed = server.get(&format!("{path}/runs")).await.ok();
    assert_eq!(names(&listed), ["run 1", "run 2", "run 3"]);
    for key in ["queue_run_id", "added_at"] {
        assert!(listed[0][key].is_string(), "{key}");
    }
    assert_eq!(listed[0]["inputs"], json!({"n": "1"}));
    assert_eq!(names(&server.get(&format!("{path}/runs?limit=1&offset=1")).await.ok()), ["run 2"]);
    let second = server.get(&format!("{path}/run/1")).await.ok();
    assert_eq!(second["id"], json!(id(2)));
    server.get(&format!("{path}/run/3")).await.refused(404);
    server.get(&format!("{path}/run/x")).await.refused(422);

    // What is in it already is not in it twice, whoever adds it.
    let again = json!([{"run_id": id(2), "session_id": id(7), "start_time": "2026-01-01T00:00:00Z"}]);
    let items = server.post(&format!("{path}/runs/by-key"), again).await.ok();
    assert_eq!(items[0]["id"], second["queue_run_id"]);
    assert_eq!(server.get(&format!("{path}/total_size")).await.ok(), json!({"size": 3}));
    assert_eq!(server.get("/annotation-queues").await.ok()[0]["total_runs"], json!(3));
    let queues = server.get(&format!("/annotation-queues/{}/queues", id(2))).await.ok();
    assert_eq!(names(&queues), ["q"]);
    server.post(&format!("{path}/runs"), json!([id(99)])).await.refused(404);
    server.post(&format!("{path}/runs"), json!(["x"])).await.refused(422);
}

#[tokio::test]
async fn runs_leave_by_their_own_id_or_that_of_their_item() {
    let server = Server::new();
    let path = queue(&server, 4, json!({})).await;
    server.delete(&format!("{path}/runs/{}", id(3))).await.ok();
    server.get(&format!("{path}/run/3")).await.refused(404);
    let item = server.get(&format!("{path}/run/0")).await.ok()["queue_run_id"].clone();
    server.delete(&format!("{path}/runs/{}", item.as_str().expect("an id"))).await.ok();
    assert_eq!(names(&server.get(&format!("{path}/runs")).await.ok()), ["run 2", "run 4"]);
    server.delete(&format!("{path}/runs/{}", id(3))).await.refused(404);
    server
        .post(&format!("{path}/runs/delete"), json!({"delete_all": true, "exclude_run_ids": [id(4)]}))
        .await
        .ok();
    assert_eq!(names(&server.get(&format!("{path}/runs")).await.ok()), ["run 4"]);
    server.post(&format!("{path}/runs/delete"), json!({"run_ids": [id(4)]})).await.ok();
    assert_eq!(server.get(&format!("{path}/runs")).await.ok(), json!([]));
}

#[tokio::test]
async fn what_is_reviewed_often_enough_is_done() {
    let (server, key) = with_key().await;
    let path = queue(&server, 2, json!({"num_reviewers_per_item": 2})).await;
    let first = server.get(&format!("{path}/run/0")).await.ok();
    let item = first["queue_run_id"].as_str().expect("an id");
    let status = format!("/annotation-queues/status/{item}");
    server.post(&status, json!({"status": "completed"})).await.ok();
    assert_eq!(server.get(&format!("{path}/run/0")).await.ok()["id"], json!(id(2)));
    let size = |status: &'static str| {
        let path = format!("{path}/size?status={status}");
        let server = &server;
        async move { server.get(&path).await.ok()["size"].clone() }
    };
    assert_eq!(
        (size("needs_my_review").await, size("needs_others_review").await, size("completed").await),
        (json!(1), json!(1), json!(0))
    );
    // The other reviewer still has both to do.
    assert_eq!(as_other(&server, &key, &format!("{path}/run/0"), None).await.ok()["id"], json!(id(1)));
    as_other(&server, &key, &status, Some(json!({"status": "completed"}))).await.ok();
    assert_eq!(server.get(&format!("{path}/total_archived")).await.ok(), json!({"size": 1}));
    assert_eq!(server.get(&format!("{path}/size")).await.ok(), json!({"size": 1}));
    let done = server.get(&format!("{path}/runs?archived=true")).await.ok();
    assert_eq!(names(&done), ["run 1"]);
    assert_eq!(done[0]["completed_by"].as_array().map(Vec::len), Some(2));
    assert!(done[0]["last_reviewed_time"].is_string());
    let place = server.get(&format!("{path}/runs/resolve/{item}")).await.ok();
    assert_eq!(place, json!({"section": "completed", "position": 0}));
    // Put back, it waits again.
    server.post(&status, json!({"status": null})).await.ok();
    assert_eq!(server.get(&format!("{path}/run/0")).await.ok()["id"], json!(id(1)));
    server.post(&status, json!({"status": "odd"})).await.refused(422);
}

#[tokio::test]
async fn what_somebody_has_reserved_is_not_offered_to_others() {
    let (server, key) = with_key().await;
    let path = queue(&server, 2, json!({"reservation_minutes": 10})).await;
    let item = server.get(&format!("{path}/run/0")).await.ok()["queue_run_id"].clone();
    let status = format!("/annotation-queues/status/{}", item.as_str().expect("an id"));
    let reserved = server.post(&status, json!({"status": "reserved"})).await.ok();
    assert_eq!(reserved["reserved_by"].as_array().map(Vec::len), Some(1));
    assert_eq!(server.get(&format!("{path}/run/0")).await.ok()["id"], json!(id(1)));
    assert_eq!(as_other(&server, &key, &format!("{path}/run/0"), None).await.ok()["id"], json!(id(2)));
    as_other(&server, &key, &status, Some(json!({"status": "reserved"}))).await.refused(409);
    server.post(&status, json!({"status": null})).await.ok();
    as_other(&server, &key, &status, Some(json!({"status": "reserved"}))).await.ok();

    server.patch(&path, json!({"reservation_minutes": 0})).await.ok();
    as_other(&server, &key, &status, Some(json!({"status": "reserved"}))).await.ok();
    // A reservation of no length has ended.
    assert_eq!(server.get(&format!("{path}/run/0")).await.ok()["id"], json!(id(1)));
}

#[tokio::test]
async fn an_item_can_go_to_the_end_of_its_queue() {
    let server = Server::new();
    let path = queue(&server, 2, json!({})).await;
    let later = json!({"added_at": "2099-01-01T00:00:00Z", "last_reviewed_time": "2026-02-01T00:00:00Z"});
    server.patch(&format!("{path}/runs/{}", id(1)), later).await.ok();
    let listed = server.get(&format!("{path}/runs")).await.ok();
    assert_eq!(names(&listed), ["run 2", "run 1"]);
    assert!(listed[1]["effective_added_at"].as_str() > listed[1]["added_at"].as_str());
}

#[tokio::test]
async fn a_queue_is_filled_from_projects() {
    let server = Server::new();
    runs(&server, 2).await;
    server.post("/runs", json!({"id": id(8), "name": "child", "run_type": "tool", "session_name": "p", "parent_run_id": id(1),
        "trace_id": id(1), "start_time": "2026-01-01T00:00:00Z"})).await.ok();
    let project = server.get("/sessions?name=p").await.ok()[0]["id"].clone();
    server.post("/annotation-queues", json!({"name": "q", "id": QUEUE, "session_ids": [project]})).await.ok();
    let path = format!("/annotation-queues/{QUEUE}");
    assert_eq!(server.get(&format!("{path}/size")).await.ok(), json!({"size": 2}));
    server
        .post("/annotation-queues/populate", json!({"queue_id": QUEUE, "session_ids": [project]}))
        .await
        .ok();
    assert_eq!(server.get(&format!("{path}/size")).await.ok(), json!({"size": 2}));
}

#[tokio::test]
async fn a_deleted_run_leaves_its_queues() {
    let server = Server::new();
    let path = queue(&server, 2, json!({})).await;
    server.delete("/sessions/none").await.refused(422);
    let project = server.get("/sessions?name=p").await.ok()[0]["id"].clone();
    runs(&server, 2).await;
    server.delete(&format!("/sessions/{}", project.as_str().expect("an id"))).await.ok();
    for size in ["size", "total_size"] {
        assert_eq!(server.get(&format!("{path}/{size}")).await.ok(), json!({"size": 0}));
    }
    assert_eq!(server.get(&format!("{path}/runs")).await.ok(), json!([]));
    assert_eq!(server.get(&format!("{path}/total_size")).await.ok(), json!({"size": 0}));
}

#[tokio::test]
async fn what_is_done_is_exported_in_one_list() {
    let server = Server::new();
    let path = queue(&server, 45, json!({})).await;
    let path_of_export = format!("{path}/export");
    let export = |body: Value| server.post(&path_of_export, body);
    assert_eq!(export(json!({})).await.ok(), json!([]));
    let all = server.get(&format!("{path}/runs?limit=100")).await.ok();
    for item in all.as_array().expect("a list").iter().take(43) {
        let status = format!("/annotation-queues/status/{}", item["queue_run_id"].as_str().expect("an id"));
        server.post(&status, json!({"status": "completed"})).await.ok();
    }
    let done = export(json!({})).await.ok();
    let expected: Vec<&str> = names(&all).into_iter().take(43).collect();
    assert_eq!(names(&done), expected);
    assert_eq!((done[0].get("completed_by"), done[0]["inputs"]["n"].as_str()), (None, Some("1")));
    let told = export(json!({"include_annotator_detail": true})).await.ok();
    assert_eq!(told[0]["completed_by"].as_array().map(Vec::len), Some(1));
    assert_eq!(export(json!({"start_time": "2100-01-01T00:00:00Z"})).await.ok(), json!([]));
    assert_eq!(names(&export(json!({"end_time": "2100-01-01T00:00:00Z"})).await.ok()).len(), 43);
    server.post(&format!("/annotation-queues/{}/export", id(7)), json!({})).await.refused(404);
}
