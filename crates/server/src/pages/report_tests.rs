//! Pages of reports and datasets: what is there, what is not, and for whom.

use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::open;
use crate::insights::Workers;
use crate::testing::Server;

const DATASETS: &str = "/o/61737361-792e-4000-8000-776f726b7370/datasets";

async fn dataset(server: &Server, name: &str) -> String {
    let made = server.post("/datasets", json!({ "name": name })).await.ok();
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_dataset_shows_its_examples_by_split_and_as_they_were() {
    let server = Server::new();
    let id = dataset(&server, "Refunds").await;
    let example = |question: &str, split: &str| json!({ "dataset_id": id, "inputs": { "question": question }, "outputs": { "answer": "yes" }, "split": split });
    let first = [example("May I <b>return</b> it?", "test"), example("And this?", "train")];
    server.post("/examples/bulk", json!(first)).await.ok();
    let version = server.get(&format!("/datasets/{id}/version?as_of=latest")).await.ok();
    server.post("/examples", example("A later one?", "train")).await.ok();
    let page = open(&server, &format!("{DATASETS}/{id}"), &[]).await.text();
    assert!(page.contains("3 examples") && page.contains("A later one?"), "{page}");
    assert!(page.contains("May I &#60;b&#62;return") && !page.contains("<b>return"), "{page}");
    let split = open(&server, &format!("{DATASETS}/{id}?split=test"), &[]).await.text();
    assert!(split.contains("1 example<") && !split.contains("And this?"), "{split}");
    let as_of = version["as_of"].as_str().expect("a moment").replace('+', "%2B");
    let past = open(&server, &format!("{DATASETS}/{id}?as_of={as_of}"), &[]).await.text();
    assert!(past.contains("2 examples") && past.contains("an earlier version"), "{past}");
    assert!(!past.contains("Take out"), "the past is not changed");
    let found = open(&server, &format!("{DATASETS}/{id}?q=return"), &[]).await.text();
    assert!(found.contains("1 example<"), "{found}");
    let list = open(&server, DATASETS, &[]).await.text();
    assert!(list.contains("Refunds") && list.contains("1 dataset<"), "{list}");
    assert_eq!(open(&server, &format!("{DATASETS}/{}", Uuid::now_v7()), &[]).await.status, 404);
    assert_eq!(open(&server, &format!("{DATASETS}/{id}?as_of=never"), &[]).await.status, 404);
    // What SDKs print of an experiment leads to its dataset.
    let compare = open(&server, &format!("/o/any/datasets/{id}/compare?selectedSessions=x"), &[]).await;
    assert_eq!(compare.headers["location"].to_str().ok(), Some(format!("{DATASETS}/{id}").as_str()));
}

/// A finished report over forty threads: its project, and its job in the API.
async fn report(server: &Server) -> (Value, String) {
    let project = crate::insights::tests::project_with(server, 40).await;
    let workers = Workers::start(&server.app);
    let done = crate::insights::tests::finished(server, project, json!({ "name": "Weekly" })).await;
    crate::insights::tests::stop(server, workers).await;
    assert_eq!(done["status"], "success", "{done}");
    let path = format!("/sessions/{project}/insights/{}", done["id"].as_str().expect("an id"));
    (done, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_report_is_a_page_that_leads_nowhere_else() {
    let server = Server::new();
    let (_, path) = report(&server).await;
    let shared = server.put(&format!("{path}/share"), json!({})).await.ok();
    let url = shared["url"].as_str().expect("an address");
    let place = &url[url.find("/s/").expect("its page")..];
    let page = open(&server, place, &[]).await;
    assert_eq!(page.status, 200);
    assert!(page.headers["content-security-policy"].to_str().is_ok_and(|policy| !policy.contains("unsafe")));
    let text = page.text();
    assert!(text.contains("id=\"overview\"") && text.contains("noindex"), "{text}");
    for inside in ["href=\"/p/", "href=\"/workspace", "href=\"/o/", "/api/v1/", "id=\"share-open\""] {
        assert!(!text.contains(inside), "{inside}");
    }
    let threads = server.get(&format!("{place}/threads.json")).await.ok();
    let has_conversation = |row: &Value| row.get("k").is_some();
    assert!(threads.as_array().is_some_and(|all| all.len() == 40 && !all.iter().any(has_conversation)));
    let words = server.get(&format!("{place}/words.json?rows=0.39")).await.ok();
    assert!(words["39"]["r"].is_string() && words.as_object().is_some_and(|all| all.len() == 2), "{words}");
    server.get(&format!("{place}/words.json?rows=one")).await.refused(422);
    let matches = server.get(&format!("{place}/matches.json?q=")).await.ok();
    assert_eq!(matches.as_array().map(Vec::len), Some(40));
    server.delete(&format!("{path}/share")).await.ok();
    assert_eq!(open(&server, place, &[]).await.status, 404);
    for gone in ["threads.json", "words.json?rows=0", "matches.json?q=a"] {
        server.get(&format!("{place}/{gone}")).await.refused(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_are_listed_on_the_report_with_what_takes_them_back() {
    let server = Server::new();
    let (done, path) = report(&server).await;
    let clusters = done["clusters"].as_array().expect("clusters");
    let one = clusters.iter().find(|one| one["stats"]["kind"] == "discovered").expect("a category");
    let cluster = format!("{path}/clusters/{}", one["id"].as_str().expect("an id"));
    server.patch(&cluster, json!({ "name": "Money back", "description": "Said by hand." })).await.ok();
    let page = path.replace("/sessions/", "/p/");
    let text = open(&server, &page, &[]).await.text();
    assert!(text.contains("is called “Money back”") && text.contains("has another description"), "{text}");
    assert!(text.contains("2 changes") && text.contains("{&#34;name&#34;:null}"), "{text}");
    // What it was called anyway is no edit.
    let back = json!({ "name": one["name"], "description": one["description"] });
    let left = server.patch(&cluster, back).await.ok();
    assert_eq!(left["edits"], json!([]), "{left}");
    assert!(!open(&server, &page, &[]).await.text().contains("Edited by hand"));
}
