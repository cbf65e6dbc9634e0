//! Estimates of jobs over the API, held against what the jobs then take.

use assay_standin::Behavior;
use serde_json::{Value, json};
use uuid::Uuid;

use super::model_tests::{MODEL, server, set_price, standin};
use super::tests::{finished, project_of_different, stop};
use super::worker::Workers;
use crate::testing::Server;

async fn estimated(server: &Server, project: Uuid, body: Value) -> Value {
    server.post(&format!("/sessions/{project}/insights/estimate"), body).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimate_tells_the_money_of_a_job_asks_nobody_and_knows_what_is_remembered() {
    let standin = standin(Behavior::default()).await;
    let server = server(&standin, |_| {});
    set_price(&server).await;
    let project = project_of_different(&server, 60).await;
    let told = estimated(&server, project, json!({})).await;
    assert_eq!(standin.calls(), 0, "nobody is asked");
    assert_eq!((&told["tier"], &told["models"]), (&json!("deep"), &json!([MODEL])), "{told}");
    assert_eq!(
        (&told["threads"], &told["looked_at"], &told["read_by_model"]),
        (&json!(60), &json!(60), &json!(60))
    );
    assert_eq!((&told["remembered"], &told["unpriced"]), (&json!(0), &json!([])), "{told}");
    assert!(told["expected_seconds"].as_f64() > Some(1.0), "{told}");
    let of_stages: u64 =
        told["stages"].as_array().expect("stages").iter().filter_map(|stage| stage["calls"].as_u64()).sum();
    assert_eq!(told["model_calls"], of_stages, "{told}");

    let workers = Workers::start(&server.app);
    let done = finished(&server, project, json!({})).await;
    let spend = &done["metadata"]["spend"];
    for (estimated, took) in
        [("cost_usd", "cost"), ("model_calls", "calls"), ("input_tokens", "input_tokens")]
    {
        let (estimate, actual) =
            (told[estimated].as_f64().expect("a number"), spend[took].as_f64().expect("a number"));
        assert!((estimate / actual - 1.0).abs() < 0.25, "{estimated}: {estimate} estimated, {actual} taken");
    }
    let again = estimated(&server, project, json!({})).await;
    assert_eq!((&again["model_calls"], &again["cost_usd"]), (&json!(0), &json!(0.0)), "{again}");
    assert_eq!(again["remembered"], spend["calls"], "{again}");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_threads_some_are_looked_at_and_the_rest_is_taken_to_be_like_them() {
    let standin = standin(Behavior::default()).await;
    let server = server(&standin, |_| {});
    set_price(&server).await;
    let project = project_of_different(&server, 950).await;
    let all = estimated(&server, project, json!({})).await;
    assert_eq!((&all["threads"], &all["looked_at"]), (&json!(950), &json!(900)), "{all}");
    assert_eq!(all["read_by_model"], 950, "{all}");
    let half = estimated(&server, project, json!({"sample": 0.5})).await;
    assert_eq!((&half["threads"], &half["looked_at"]), (&json!(475), &json!(475)), "{half}");
    let some = estimated(&server, project, json!({"read": 100})).await;
    assert_eq!((&some["threads"], &some["read_by_model"]), (&json!(950), &json!(100)), "{some}");
    let names = estimated(&server, project, json!({"tier": "names"})).await;
    assert_eq!((&names["read_by_model"], &names["looked_at"]), (&json!(0), &json!(900)), "{names}");
    let cost = |told: &Value| told["cost_usd"].as_f64().expect("money");
    assert!(cost(&names) < cost(&some) && cost(&some) < cost(&half) && cost(&half) < cost(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_known_of_money_is_said_and_a_budget_that_will_not_last_too() {
    let standin = standin(Behavior::default()).await;
    let server = server(&standin, |_| {});
    let project = project_of_different(&server, 30).await;
    let unpriced = estimated(&server, project, json!({})).await;
    assert_eq!(
        (&unpriced["cost_usd"], &unpriced["unpriced"]),
        (&Value::Null, &json!([format!("compatible/{MODEL}")]))
    );
    assert!(unpriced["model_calls"].as_u64() > Some(30), "{unpriced}");
    let workers = Workers::start(&server.app);
    let done = finished(&server, project, json!({"tier": "names"})).await;
    let spend = &done["metadata"]["spend"];
    assert_eq!(
        (&spend["cost"], &spend["unpriced"]),
        (&Value::Null, &spend["calls"]),
        "never shown as nothing"
    );
    stop(&server, workers).await;
    set_price(&server).await;
    let tight = estimated(&server, project, json!({"budget": 0.001})).await;
    assert_eq!((&tight["budget"], &tight["exceeds_budget"]), (&json!(0.001), &json!(true)), "{tight}");
    let ample = estimated(&server, project, json!({"budget": 5})).await;
    assert_eq!(ample["exceeds_budget"], false, "{ample}");
    let local = estimated(&server, project, json!({"tier": "local"})).await;
    assert_eq!((&local["model_calls"], &local["cost_usd"]), (&json!(0), &json!(0.0)), "{local}");
    let path = format!("/sessions/{project}/insights/estimate");
    server.post(&path, json!({"summary_prompt": "no variable"})).await.refused(400);
    let bare = Server::new();
    let path = format!("/sessions/{}/insights/estimate", project_of_different(&bare, 8).await);
    let refused = bare.post(&path, json!({"tier": "deep"})).await.refused(400);
    assert!(refused.contains("OPENAI_API_KEY"), "{refused}");
}
