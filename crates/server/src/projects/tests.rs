use serde_json::{Value, json};

use crate::runs::tests::{id, run};
use crate::testing::{Answer, Server};

fn names(answer: &Answer) -> Vec<String> {
    let all = answer.ok();
    let all = all.as_array().expect("a list");
    all.iter().map(|project| project["name"].as_str().expect("a name").to_owned()).collect()
}

/// Three projects; `b` is an experiment.
async fn three() -> Server {
    let server = Server::new();
    for (number, name, dataset, metadata) in [
        (1, "a one", Value::Null, json!({ "env": "dev", "deep": { "x": 1, "y": 2 } })),
        (2, "b", json!(id(70)), json!({ "env": "prod", "dataset_version": "v1" })),
        (3, "C one", Value::Null, Value::Null),
    ] {
        let body = json!({
            "id": id(number),
            "name": name,
            "reference_dataset_id": dataset,
            "start_time": format!("2026-01-0{number}T00:00:00Z"),
            "extra": { "metadata": metadata },
        });
        server.post("/sessions", body).await.ok();
    }
    server
}

#[tokio::test]
async fn a_project_keeps_the_id_that_its_client_chose() {
    let server = Server::new();
    let body = json!({ "name": "insights", "id": id(5), "extra": null, "description": null });
    let made = server.post("/sessions", body).await.ok();
    assert_eq!((&made["id"], &made["name"]), (&json!(id(5)), &json!("insights")));
    assert_eq!(made["tenant_id"], json!(crate::app::WORKSPACE));
    assert_eq!(made.get("reference_dataset_id"), Some(&Value::Null));
    let read = server.get(&format!("/sessions/{}?include_stats=False&limit=1", id(5))).await.ok();
    assert_eq!((&read["name"], read.get("run_count")), (&json!("insights"), None));
    server.get(&format!("/sessions/{}", id(6))).await.refused(404);
    server.get("/sessions/nonsense").await.refused(422);
    server.post("/sessions", json!({ "name": " " })).await.refused(422);
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict_unless_the_client_means_to_update() {
    let server = Server::new();
    let first = server.post("/sessions", json!({ "name": "p", "description": "one" })).await.ok();
    server.post("/sessions", json!({ "name": "p" })).await.refused(409);
    let clash = json!({ "name": "q", "id": first["id"] });
    server.post("/sessions", clash).await.refused(409);
    let body = json!({ "name": "p", "id": id(8), "extra": { "metadata": { "k": 1 } } });
    let updated = server.post("/sessions?upsert=True", body).await.ok();
    assert_eq!((&updated["id"], &updated["description"]), (&first["id"], &json!("one")));
    assert_eq!(updated["extra"]["metadata"]["k"], 1);
    let again = server.post("/sessions?upsert=true", json!({ "name": "p", "extra": {} })).await.ok();
    assert_eq!(again["extra"]["metadata"]["k"], 1);
}

#[tokio::test]
async fn null_in_a_change_leaves_things_as_they_are() {
    let server = three().await;
    let path = format!("/sessions/{}", id(1));
    let change =
        json!({ "name": null, "description": "d", "end_time": "2026-01-05T00:00:00", "extra": null });
    let changed = server.patch(&path, change).await.ok();
    assert_eq!((&changed["name"], &changed["description"]), (&json!("a one"), &json!("d")));
    assert_eq!(changed["end_time"], "2026-01-05T00:00:00.000000+00:00");
    assert_eq!(changed["extra"]["metadata"]["env"], "dev");
    assert_eq!(server.patch(&path, json!({ "name": "a two" })).await.ok()["name"], "a two");
    assert_eq!(names(&server.get("/sessions?name=a%20two").await), ["a two"]);
    server.patch(&path, json!({ "name": "b" })).await.refused(409);
    server.patch(&format!("/sessions/{}", id(9)), json!({})).await.refused(404);
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let server = three().await;
    let list = async |query: &str| names(&server.get(&format!("/sessions{query}")).await);
    assert_eq!(list("").await, ["C one", "b", "a one"]);
    assert_eq!(list("?sort_by=name&sort_by_desc=false").await, ["C one", "a one", "b"]);
    assert_eq!(list("?name=b").await, ["b"]);
    assert_eq!(list("?name=unknown").await, Vec::<String>::new());
    assert_eq!(list("?name_contains=ONE").await, ["C one", "a one"]);
    assert_eq!(list(&format!("?id={}&id={}&id={}", id(1), id(2), id(1))).await, ["b", "a one"]);
    assert_eq!(list(&format!("?reference_dataset={}", id(70))).await, ["b"]);
    assert_eq!(list("?reference_free=true").await, ["C one", "a one"]);
    assert_eq!(list("?dataset_version=v1").await, ["b"]);
    assert_eq!(list("?metadata=%7B%22deep%22:%7B%22x%22:1%7D%7D").await, ["a one"]);
    let page = server.get("/sessions?offset=1&limit=1").await;
    assert_eq!(page.headers["x-pagination-total"], "3");
    assert_eq!(names(&page), ["b"]);
    server.get("/sessions?metadata=1").await.refused(422);
    server.get("/sessions?sort_by=mood").await.refused(422);
    server.get("/sessions?limit=many").await.refused(422);
}

#[tokio::test]
async fn there_is_always_a_default_project() {
    let server = Server::new();
    super::ensure_default(&server.app).await.expect("made");
    super::ensure_default(&server.app).await.expect("there already");
    let found = server.get("/sessions?limit=1").await;
    assert_eq!(names(&found), ["default"]);
    let id = found.ok()[0]["id"].as_str().expect("an id").to_owned();
    server.delete(&format!("/sessions/{id}")).await.ok();
    assert_eq!(names(&server.get("/sessions?limit=1").await), ["default"]);
}

#[tokio::test]
async fn deleting_projects_takes_everything_in_them() {
    let server = three().await;
    server.keep(json!([run(1, None, 1, json!({ "session_name": "b" }))]));
    let token = server.put(&format!("/runs/{}/share", id(1)), json!({})).await.ok()["share_token"].clone();
    let view = json!({ "display_name": "errors", "filter_string": "neq(error, null)" });
    server.post(&format!("/sessions/{}/views", id(2)), view).await.ok();
    server.delete(&format!("/sessions?session_ids={}&session_ids={}", id(2), id(9))).await.refused(404);
    server.get(&format!("/runs/{}", id(1))).await.ok();
    server.delete(&format!("/sessions?session_ids={}&session_ids={}", id(2), id(3))).await.ok();
    assert_eq!(names(&server.get("/sessions?sort_by=name").await), ["default", "a one"]);
    server.get(&format!("/runs/{}", id(1))).await.refused(404);
    server.get(&format!("/public/{}/run", token.as_str().expect("a token"))).await.refused(404);
    server.post("/sessions", json!({ "name": "b", "id": id(2) })).await.ok();
    assert_eq!(server.get(&format!("/sessions/{}/views", id(2))).await.ok(), json!([]));
    server.delete(&format!("/sessions/{}", id(9))).await.refused(404);
    server.delete("/sessions").await.refused(422);
}

#[tokio::test]
async fn statistics_count_traces_and_add_up_all_runs() {
    let server = Server::new();
    let usage = json!({ "usage_metadata": { "input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "total_cost": 0.5 } });
    server.keep(json!([
        run(1, None, 1, json!({ "error": "boom" })),
        run(2, Some(1), 2, json!({ "run_type": "llm", "outputs": usage })),
        run(21, None, 7, json!({})),
    ]));
    let project = server.project_id("p").await;
    let stats = server.get(&format!("/sessions/{project}")).await.ok();
    assert_eq!((&stats["run_count"], &stats["total_tokens"]), (&json!(2), &json!(3)));
    assert_eq!((&stats["error_rate"], &stats["total_cost"]), (&json!(0.5), &json!("0.5")));
    assert_eq!(stats["last_run_start_time"], "2026-03-01T10:00:07.500000+00:00");
    assert_eq!(stats["latency_p50"], json!(60.0));
    let later = server.get(&format!("/sessions/{project}?stats_start_time=2026-03-01T10:00:05Z")).await.ok();
    assert_eq!((&later["run_count"], &later["total_tokens"]), (&json!(1), &json!(0)));
    let listed = server.get("/sessions?include_stats=true&sort_by=error_rate&name=p").await.ok();
    assert_eq!(listed[0]["run_count"], 2);
}

#[tokio::test]
async fn metadata_values_come_with_the_most_frequent_first() {
    let server = Server::new();
    let with = |env: &str, user: i64| json!({ "extra": { "metadata": { "env": env, "user": user } } });
    server.keep(json!([
        run(1, None, 1, with("prod", 1)),
        run(2, Some(1), 2, with("dev", 1)),
        run(3, Some(1), 3, with("dev", 1)),
    ]));
    let project = server.project_id("p").await;
    let ask = async |query: &str| server.get(&format!("/sessions/{project}/metadata{query}")).await.ok();
    assert_eq!(ask("").await, json!({ "env": ["dev", "prod"], "user": ["1"] }));
    assert_eq!(ask("?metadata_keys=env&k=1").await, json!({ "env": ["dev"] }));
    assert_eq!(ask("?metadata_keys=env&root_runs_only=true").await, json!({ "env": ["prod"] }));
    assert_eq!(ask("?metadata_keys=unknown").await, json!({ "unknown": [] }));
}

#[tokio::test]
async fn an_address_leads_to_its_project() {
    let server = three().await;
    server.post("/sessions", json!({ "name": "support/production", "id": id(50) })).await.ok();
    let resolve = async |query: &str| server.get(&format!("/sessions/resolutions?{query}")).await;
    let found = resolve("kind=AGENT&id=support&environment=PRODUCTION").await.ok();
    assert_eq!(found, json!({ "session_id": id(50) }));
    resolve("kind=AGENT&id=support&environment=STAGING").await.refused(404);
    assert_eq!(resolve(&format!("kind=experiment&id={}", id(2))).await.ok()["session_id"], id(2));
    resolve(&format!("kind=EXPERIMENT&id={}", id(1))).await.refused(404);
    resolve("kind=EVALUATOR").await.refused(404);
    resolve("kind=PLANET").await.refused(422);
    resolve("kind=AGENT&id=support").await.refused(422);
}

#[tokio::test]
async fn views_are_saved_changed_and_checked() {
    let server = three().await;
    let views = format!("/sessions/{}/views", id(1));
    let view = json!({ "display_name": "slow", "filter_string": "gt(latency, \"5s\")" });
    let made = server.post(&views, view).await.ok();
    assert_eq!((&made["session_id"], &made["type"]), (&json!(id(1)), &json!("runs")));
    let path = format!("{views}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(server.get(&path).await.ok(), made);
    let renamed = server.patch(&format!("{path}/rename"), json!({ "display_name": "very slow" })).await.ok();
    assert_eq!(
        (&renamed["display_name"], &renamed["filter_string"]),
        (&json!("very slow"), &made["filter_string"])
    );
    let text = server.patch(&path, json!({ "tree_filter_string": "eq(" })).await.refused(400);
    assert!(text.contains("tree_filter_string: column"), "{text}");
    assert_eq!(server.get(&format!("{views}?type=threads")).await.ok(), json!([]));
    assert_eq!(server.get(&views).await.ok().as_array().map(Vec::len), Some(1));
    let elsewhere = format!("/sessions/{}/views/{}", id(3), made["id"].as_str().expect("an id"));
    server.get(&elsewhere).await.refused(404);
    server.delete(&path).await.ok();
    server.delete(&path).await.refused(404);
    server.post(&views, json!({ "filter_string": "eq(name, \"x\")" })).await.refused(422);
}
