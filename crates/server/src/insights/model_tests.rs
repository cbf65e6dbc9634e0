//! Jobs that ask models, over real HTTP: the stand-in answers from the request
//! alone, and is slow, down, limited or picky about keys on demand.

use std::time::{Duration, Instant};

use assay_llm::{Api, Limits, Secret};
use assay_standin::{Behavior, Standin};
use serde_json::{Value, json};
use uuid::Uuid;

use super::tests::{ended, finished, project_of_different, stop};
use super::worker::Workers;
use crate::app::Config;
use crate::config::ModelSettings;
use crate::testing::Server;

pub(super) const MODEL: &str = "standin-1";

pub(super) async fn standin(behavior: Behavior) -> Standin {
    Standin::start(behavior.into()).await.expect("a port")
}

/// A server whose models are those of a stand-in, without any key.
pub(super) fn server(standin: &Standin, change: impl FnOnce(&mut ModelSettings)) -> Server {
    let mut models = ModelSettings {
        provider: Some(Api::Compatible),
        base_url: Some(standin.base_url()),
        thinking: Some(MODEL.to_owned()),
        ..ModelSettings::default()
    };
    change(&mut models);
    Server::with(Config { models, ..Config::default() })
}

/// The same with OpenAI, which wants a key, at the stand-in's address.
fn with_key(standin: &Standin) -> Server {
    server(standin, |models| models.provider = Some(Api::OpenAi))
}

pub(super) async fn set_price(server: &Server) {
    let price = json!({"name": MODEL, "match_pattern": MODEL, "prompt_cost": "0.000002", "completion_cost": "0.000008"});
    server.post("/model-price-map", price).await.ok();
}

async fn set_secret(server: &Server, name: &str, value: &str) {
    server.post("/workspaces/current/secrets", json!([{ "key": name, "value": value }])).await.ok();
}

fn path_of(project: Uuid, job: &Value) -> String {
    format!("/sessions/{project}/insights/{}", job["id"].as_str().expect("an id"))
}

async fn begun(server: &Server, project: Uuid, body: Value) -> Value {
    server.post(&format!("/sessions/{project}/insights"), body).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_a_tier_is_deep_where_a_model_can_be_asked_and_says_what_it_took() {
    let standin = standin(Behavior::default()).await;
    let server = server(&standin, |_| {});
    let project = project_of_different(&server, 24).await;
    let workers = Workers::start(&server.app);
    let asked = json!({"model": "openai", "user_context": {"What would you like to learn?": "how people use it"},
        "attribute_schemas": {"solved": {"type": "boolean", "description": "Whether it was solved."}}});
    let done = finished(&server, project, asked.clone()).await;
    assert_eq!(done["status"], "success", "{done}");
    let told = &done["metadata"];
    assert_eq!((&told["tier"], &told["models"]), (&json!("deep"), &json!([MODEL])), "{told}");
    assert_eq!(told["not_applied"], json!([]), "{told}");
    assert_eq!(told["spend"]["calls"], standin.calls_that("answered"), "{told}");
    assert_eq!(told["spend"]["stages"]["summarize"]["calls"], 24, "{told}");
    assert!(told["spend"]["input_tokens"].as_u64() > Some(1000), "{told}");
    let report = server.get(&format!("{}/files/report.json", path_of(project, &done))).await.ok();
    assert_eq!(report["made"]["model"]["threads_read"], 24);
    assert!(report["config"]["attributes"]["solved"].is_object());
    let metrics = server.get("/metrics").await.text();
    let line = r#"assay_model_calls_total{stage="summarize",outcome="answered"} 24"#;
    assert!(metrics.contains(line), "{metrics}");

    let calls = standin.calls();
    let again = finished(&server, project, asked).await;
    assert_eq!(again["metadata"]["spend"]["calls"], 0, "{again}");
    assert!(again["metadata"]["spend"]["remembered"].as_u64() >= Some(24));
    assert_eq!(standin.calls(), calls, "what was answered once is not asked again");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tier_names_reads_no_thread_by_model_and_says_what_it_leaves_undone() {
    let standin = standin(Behavior::default()).await;
    let server = server(&standin, |_| {});
    let project = project_of_different(&server, 40).await;
    let workers = Workers::start(&server.app);
    let body = json!({"tier": "names", "summary_prompt": "Sum up {{run.inputs}}"});
    let done = finished(&server, project, body).await;
    assert_eq!((&done["status"], &done["metadata"]["tier"]), (&json!("success"), &json!("names")), "{done}");
    assert!(done["metadata"]["spend"]["stages"]["summarize"].is_null(), "{done}");
    assert!(done["metadata"]["spend"]["calls"].as_u64() > Some(0));
    assert_eq!(done["metadata"]["not_applied"][0]["field"], "summary_prompt");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_a_named_tier_is_refused_by_the_name_of_the_secret_and_none_gives_a_local_report() {
    let server = Server::new();
    let project = project_of_different(&server, 12).await;
    let path = format!("/sessions/{project}/insights");
    let refused = server.post(&path, json!({"tier": "deep"})).await.refused(400);
    assert!(refused.contains("OPENAI_API_KEY"), "{refused}");
    let refused = server.post(&path, json!({"tier": "names", "model": "anthropic"})).await.refused(400);
    assert!(refused.contains("ANTHROPIC_API_KEY"), "{refused}");
    server.post(&path, json!({"tier": "deeper"})).await.refused(422);
    let workers = Workers::start(&server.app);
    let unchecked = json!({"tier": "deep", "validate_model_secrets": false});
    let failed = finished(&server, project, unchecked).await;
    assert!(failed["error"].as_str().is_some_and(|text| text.contains("OPENAI_API_KEY")), "{failed}");
    let local = finished(&server, project, json!({"model": "openai"})).await;
    assert_eq!((&local["status"], &local["metadata"]["tier"]), (&json!("success"), &json!("local")));
    let unmet = &local["metadata"]["not_applied"][0];
    assert_eq!(unmet["field"], "model");
    assert!(unmet["reason"].as_str().is_some_and(|text| text.contains("OPENAI_API_KEY")), "{unmet}");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_ends_the_job_by_the_name_of_its_secret_and_the_right_one_resumes_it() {
    let standin = standin(Behavior { key: Some("sk-right".into()), ..Behavior::default() }).await;
    let server = with_key(&standin);
    let project = project_of_different(&server, 12).await;
    set_secret(&server, "OPENAI_API_KEY", "sk-wrong-1").await;
    let workers = Workers::start(&server.app);
    let failed = finished(&server, project, json!({})).await;
    let error = failed["error"].as_str().expect("an error");
    assert!(error.contains("workspace secret OPENAI_API_KEY") && error.contains("401"), "{error}");
    assert!(!failed.to_string().contains("sk-wrong"), "{failed}");
    set_secret(&server, "OPENAI_API_KEY", "sk-right").await;
    server.post(&format!("{}/resume", path_of(project, &failed)), json!({})).await.ok();
    let done = ended(&server, project, &failed).await;
    assert_eq!(done["status"], "success", "{done}");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_from_the_environment_serves_where_no_secret_is_set() {
    let standin = standin(Behavior { key: Some("sk-env".into()), ..Behavior::default() }).await;
    let server = server(&standin, |models| {
        models.provider = Some(Api::Anthropic);
        models.keys.insert("ANTHROPIC_API_KEY".to_owned(), Secret::new("sk-env"));
    });
    let secrets = server.get("/workspaces/current/secrets").await.ok();
    assert_eq!(
        secrets,
        json!([{"key": "ANTHROPIC_API_KEY"}]),
        "clients ask for the family whose key is there"
    );
    let project = project_of_different(&server, 8).await;
    let workers = Workers::start(&server.app);
    let done = finished(&server, project, json!({"model": "anthropic"})).await;
    assert_eq!((&done["status"], &done["metadata"]["tier"]), (&json!("success"), &json!("deep")), "{done}");
    assert!(standin.requests().iter().all(|request| request.path == "/v1/messages"));
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_a_job_within_a_second_while_calls_are_in_flight() {
    let standin = standin(Behavior { latency_ms: 60_000, ..Behavior::default() }).await;
    let server = server(&standin, |models| models.limits.concurrency = 4);
    let project = project_of_different(&server, 30).await;
    set_price(&server).await;
    let workers = Workers::start(&server.app);
    let job = begun(&server, project, json!({"budget": 50})).await;
    let path = path_of(project, &job);
    let waiting = Instant::now();
    while standin.most_at_once() < 4 {
        assert!(waiting.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = Instant::now();
    server.post(&format!("{path}/cancel"), json!({})).await.ok();
    let done = ended(&server, project, &job).await;
    assert_eq!(done["error"], "cancelled");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    // What was under way may be billed: it is booked at its worst, a moment later.
    let waiting = Instant::now();
    loop {
        let spend = server.get(&path).await.ok()["metadata"]["spend"].clone();
        if spend["lost"] == 4 {
            assert!(spend["cost"].as_f64() > Some(0.0), "{spend}");
            break;
        }
        assert!(waiting.elapsed() < Duration::from_secs(20), "{spend}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The worker is free, too.
    let local = finished(&server, project, json!({"tier": "local"})).await;
    assert_eq!(local["status"], "success", "{local}");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_ends_in_an_error_that_says_how_to_go_on_and_resuming_pays_only_for_what_is_new() {
    let standin = standin(Behavior { latency_ms: 20, ..Behavior::default() }).await;
    let server = server(&standin, |models| {
        models.limits = Limits { patience: Duration::from_millis(500), concurrency: 4, ..Limits::default() };
    });
    let project = project_of_different(&server, 40).await;
    let workers = Workers::start(&server.app);
    let job = begun(&server, project, json!({})).await;
    let waiting = Instant::now();
    while standin.calls_that("answered") < 10 {
        assert!(waiting.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    standin.outage(None, Duration::from_secs(600));
    let failed = ended(&server, project, &job).await;
    let error = failed["error"].as_str().expect("an error");
    assert!(error.contains("has been down") && error.contains("resume"), "{error}");
    let answered = standin.calls_that("answered");
    standin.outage(None, Duration::ZERO);
    // An outage is taken for known for a second; whoever is quicker is told so again.
    let begun = Instant::now();
    let done = loop {
        server.post(&format!("{}/resume", path_of(project, &job)), json!({})).await.ok();
        let done = ended(&server, project, &job).await;
        if done["status"] == "success" || begun.elapsed() > Duration::from_secs(20) {
            break done;
        }
    };
    assert_eq!(done["status"], "success", "{done}");
    assert!(done["metadata"]["spend"]["remembered"].as_u64() >= Some(10), "{done}");
    let spend = &done["metadata"]["spend"];
    assert_eq!(spend["calls"], standin.calls_that("answered"), "both attempts are in the books: {spend}");
    assert!(standin.calls_that("answered") > answered);
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_kept_and_the_report_says_that_it_is_partial() {
    let standin = standin(Behavior::default()).await;
    let server = server(&standin, |models| models.limits.concurrency = 2);
    let project = project_of_different(&server, 40).await;
    let path = format!("/sessions/{project}/insights");
    let refused = server.post(&path, json!({"budget": 1.0})).await.refused(400);
    assert!(refused.contains("price"), "{refused}");
    server.post(&path, json!({"budget": -1})).await.refused(422);
    set_price(&server).await;
    let workers = Workers::start(&server.app);
    let done = finished(&server, project, json!({"budget": 0.05})).await;
    assert_eq!(done["status"], "success", "{done}");
    let told = &done["metadata"];
    let cost = told["spend"]["cost"].as_f64().expect("money");
    assert!(cost > 0.0 && cost <= 0.05, "{told}");
    assert!(told["partial"].as_str().is_some_and(|text| text.contains("budget")), "{told}");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_job_is_not_held_up_by_a_large_one_at_the_same_model() {
    let standin = standin(Behavior { latency_ms: 40, ..Behavior::default() }).await;
    let server = server(&standin, |models| models.limits.concurrency = 4);
    let (large, small) = (project_of_different(&server, 120).await, project_of_different(&server, 8).await);
    let workers = Workers::start(&server.app);
    let first = begun(&server, large, json!({})).await;
    let waiting = Instant::now();
    while standin.calls_that("answered") < 4 {
        assert!(waiting.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let done = finished(&server, small, json!({})).await;
    assert_eq!(done["status"], "success", "{done}");
    let other = server.get(&path_of(large, &first)).await.ok();
    assert_eq!(other["status"], "running", "the large job is still at it");
    assert!(standin.most_at_once() <= 4, "both together keep the limit");
    assert_eq!(ended(&server, large, &first).await["status"], "success");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_is_drafted_by_a_model_and_tried_on_five_threads() {
    let standin = standin(Behavior::default()).await;
    let server = server(&standin, |_| {});
    let project = project_of_different(&server, 20).await;
    let path = format!("/sessions/{project}/insights/configs");
    let words = json!({"user_context": {"What would you like to learn?": "Where do users get frustrated?"}});
    let draft = server.post(&format!("{path}/generate"), words).await.ok();
    assert_eq!(draft["generated_by"], format!("compatible/{MODEL}"), "{draft}");
    assert!(draft["summary_prompt"].as_str().is_some_and(|text| text.contains("{{")), "{draft}");
    assert!(draft["attribute_schemas"].is_object() && draft["name"].is_string());
    let config = json!({"summary_prompt": "What happened? {{run.inputs}} {{run.outputs}}",
        "attribute_schemas": {"solved": {"type": "boolean", "description": "d", "filter_by": true}}});
    let seen = server.post(&format!("{path}/preview"), config.clone()).await.ok();
    assert_eq!((&seen["tier"], &seen["population"]), (&json!("deep"), &json!(20)), "{seen}");
    let threads = seen["threads"].as_array().expect("threads");
    assert_eq!(threads.len(), 5, "{seen}");
    for thread in threads {
        assert!(thread["summary"].as_str().is_some_and(|text| !text.is_empty()), "{thread}");
        let is_solved = thread["attributes"]["solved"] == true;
        assert_eq!(thread["included"], is_solved, "{thread}");
    }
    assert_eq!(seen["spend"]["calls"], 5, "{seen}");
    let calls = standin.calls();
    server.post(&format!("{path}/preview"), config).await.ok();
    assert_eq!(standin.calls(), calls, "a second look costs nothing");
    server.post(&format!("{path}/preview"), json!({"threads": 0})).await.refused(422);
    server.post(&format!("{path}/preview"), json!({"summary_prompt": "no variable"})).await.refused(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_models_and_whom_they_are_asked_of_can_be_said() {
    let standin = standin(Behavior { key: Some("k".into()), ..Behavior::default() }).await;
    let server = with_key(&standin);
    set_secret(&server, "OPENAI_API_KEY", "k").await;
    let project = project_of_different(&server, 10).await;
    let path = format!("/sessions/{project}/insights");
    let id = Uuid::now_v7();
    let refused = server.post(&path, json!({"tier": "deep", "cluster_model": id})).await.refused(400);
    assert!(refused.contains("model configuration"), "{refused}");
    let workers = Workers::start(&server.app);
    let body = json!({"cluster_model": "thinker", "summary_model": "reader", "read": 4});
    let done = finished(&server, project, body).await;
    assert_eq!(done["metadata"]["models"], json!(["thinker", "reader"]), "{done}");
    assert_eq!(done["metadata"]["spend"]["stages"]["summarize"]["calls"], 4);
    let models: std::collections::BTreeSet<String> =
        standin.requests().into_iter().map(|request| request.model).collect();
    assert_eq!(models.into_iter().collect::<Vec<_>>(), ["reader", "thinker"]);
    stop(&server, workers).await;
}
