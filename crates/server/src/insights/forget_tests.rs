use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::{finished, project_saying, stop};
use super::worker::Workers;
use crate::testing::Server;

const FILES: [&str; 5] = ["report.json", "report.html", "report.md", "assignments.csv", "assignments.jsonl"];

/// Everything that is shown of the jobs and configs of a project.
async fn shown(server: &Server, project: Uuid, jobs: &[&Value]) -> Vec<(String, String)> {
    let base = format!("/sessions/{project}/insights");
    let mut paths = vec![base.clone(), format!("{base}/configs")];
    for job in jobs {
        let job = format!("{base}/{}", job["id"].as_str().expect("an id"));
        paths.extend(FILES.iter().map(|file| format!("{job}/files/{file}")));
        paths.push(format!("{job}/runs"));
        paths.push(job);
    }
    let mut all = Vec::new();
    for path in paths {
        let answer = server.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        all.push((path, answer.text().to_lowercase()));
    }
    all
}

async fn traces_that_say(server: &Server, project: Uuid, word: &str) -> Vec<Value> {
    let filter = format!("search({word:?})");
    let mut traces = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let asked =
            json!({"session": [project], "filter": filter, "limit": 100, "cursor": cursor, "select": ["id"]});
        let page = server.post("/runs/query", asked).await.ok();
        traces.extend(page["runs"].as_array().expect("runs").iter().map(|run| run["id"].clone()));
        cursor = page["cursors"]["next"].clone();
        if cursor.is_null() {
            return traces;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_made_of_deleted_threads_says_what_they_said() {
    let server = Server::new();
    let with_names = (0..30).map(|number| format!("Where is the parcel of Zebulon Quixote number {number}"));
    let others = (0..60).map(|number| match number % 2 {
        0 => format!("Reset the password of account {number}"),
        _ => format!("Book a hotel room in Berlin for night {number}"),
    });
    let project = project_saying(&server, with_names.chain(others)).await;
    let configs = format!("/sessions/{project}/insights/configs");
    let config = server.post(&configs, json!({"name": "Mine", "config": {}})).await.ok();
    let workers = Workers::start(&server.app);
    let first = finished(&server, project, json!({"config_id": config["id"]})).await;
    // The second is given what the first one learned.
    let second = finished(&server, project, json!({"config_id": config["id"]})).await;
    stop(&server, workers).await;
    assert_eq!((&first["status"], &second["status"]), (&json!("success"), &json!("success")));
    let before = shown(&server, project, &[&first, &second]).await;
    let saying = before.iter().filter(|(_, text)| text.contains("zebulon")).count();
    assert!(saying > FILES.len(), "the test tests nothing: {before:?}");

    let traces = traces_that_say(&server, project, "Zebulon").await;
    assert_eq!(traces.len(), 30);
    server.post("/runs/delete", json!({ "trace_ids": traces })).await.ok();
    for (path, text) in shown(&server, project, &[&first, &second]).await {
        for word in ["zebulon", "quixote"] {
            assert!(!text.contains(word), "{path} says {word}: {text}");
        }
        if path.ends_with("report.json") {
            assert!(text.contains("password") && text.contains("berlin"), "{path}: {text}");
        }
    }
    for row in assay_store::Catalog::reports(&server.app.store, None).await.expect("a list") {
        let report = assay_store::Catalog::report(&server.app.store, row.id).await.expect("readable");
        let checked = assay_insights::verify::report(&report.expect("there"));
        assert!(checked.is_ok(), "{checked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_config_learned_from_a_report_that_is_gone_goes_with_the_threads() {
    let server = Server::new();
    let texts = (0..40).map(|number| format!("Where is the parcel of Zebulon Quixote number {number}"));
    let others = (0..40).map(|number| format!("Reset the password of account {number}"));
    let project = project_saying(&server, texts.chain(others)).await;
    let configs = format!("/sessions/{project}/insights/configs");
    let config = server.post(&configs, json!({"name": "Mine", "config": {}})).await.ok();
    let workers = Workers::start(&server.app);
    let job = finished(&server, project, json!({"config_id": config["id"]})).await;
    stop(&server, workers).await;
    let job = format!("/sessions/{project}/insights/{}", job["id"].as_str().expect("an id"));
    server.delete(&job).await.ok();
    let learned = server.get(&configs).await.text();
    assert!(learned.contains("Zebulon"), "the test tests nothing: {learned}");
    let traces = traces_that_say(&server, project, "Zebulon").await;
    server.post("/runs/delete", json!({ "trace_ids": traces })).await.ok();
    let learned = server.get(&configs).await.text();
    assert!(!learned.contains("Zebulon"), "{learned}");
}
