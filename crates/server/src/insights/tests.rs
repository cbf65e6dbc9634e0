use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::queue;
use super::worker::Workers;
use crate::testing::Server;

const PATIENCE: Duration = Duration::from_secs(120);

/// What people ask a made-up agent for.
const TOPICS: [(&str, [&str; 4]); 4] = [
    (
        "refund",
        [
            "I want my money back for order",
            "Please refund order",
            "How do I return order",
            "Refund me for order",
        ],
    ),
    (
        "password",
        [
            "I forgot my password for account",
            "Reset the password of account",
            "My login fails for account",
            "Cannot sign in to account",
        ],
    ),
    (
        "hotel",
        [
            "Book a hotel room in Berlin for night",
            "Find me a cheap hotel for night",
            "Reserve two hotel rooms for night",
            "Is there a hotel with a pool for night",
        ],
    ),
    (
        "weather",
        [
            "What is the weather forecast for day",
            "Will it rain on day",
            "How warm does it get on day",
            "Is it sunny on day",
        ],
    ),
];

/// A project and so many runs in it, as the SDK uploads chat histories.
pub(crate) async fn project_with(server: &Server, count: usize) -> Uuid {
    project_saying(server, (0..count).map(|number| question(number, &number.to_string()))).await
}

/// The same, in which no two threads say the same but for a number.
pub(super) async fn project_of_different(server: &Server, count: usize) -> Uuid {
    let letter = |digit: usize| char::from(b'a' + u8::try_from(digit % 26).unwrap_or(0));
    let word = |number: usize| String::from_iter([letter(number / 26), letter(number), 'x']);
    project_saying(server, (0..count).map(|number| question(number, &word(number)))).await
}

fn question(number: usize, end: &str) -> String {
    let (_, phrases) = TOPICS[number % TOPICS.len()];
    format!("{} {end}", phrases[number / TOPICS.len() % phrases.len()])
}

pub(super) async fn project_saying(server: &Server, texts: impl Iterator<Item = String>) -> Uuid {
    let id = Uuid::now_v7();
    server.post("/sessions", json!({"id": id, "name": format!("p {id}")})).await.ok();
    let runs: Vec<Value> = texts
        .map(|text| {
            let run = Uuid::now_v7();
            let now = server.app.now();
            json!({
                "id": run, "trace_id": run, "dotted_order": format!("20260101T000000000000Z{run}"),
                "name": "trace", "run_type": "chain", "session_id": id,
                "start_time": now - chrono::TimeDelta::seconds(1), "end_time": now,
                "inputs": {"messages": [{"role": "user", "content": text}]},
                "outputs": {"messages": [{"role": "user", "content": text},
                    {"role": "assistant", "content": "Done. Anything else?"}]},
            })
        })
        .collect();
    server.post("/runs/batch", json!({ "post": runs })).await.ok();
    id
}

/// Polls the job until it has ended.
pub(super) async fn ended(server: &Server, project: Uuid, job: &Value) -> Value {
    let path = format!("/sessions/{project}/insights/{}", job["id"].as_str().expect("an id"));
    let begun = Instant::now();
    loop {
        let read = server.get(&path).await.ok();
        if read["status"] == "success" || read["status"] == "error" {
            return read;
        }
        assert!(read["clusters"].as_array().is_some_and(Vec::is_empty), "{read}");
        assert!(read["report"].is_null() && read["error"].is_null(), "{read}");
        assert!(begun.elapsed() < PATIENCE, "{read}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn finished(server: &Server, project: Uuid, body: Value) -> Value {
    let job = server.post(&format!("/sessions/{project}/insights"), body).await.ok();
    ended(server, project, &job).await
}

/// Stops the workers; their jobs go back to the queue.
pub(crate) async fn stop(server: &Server, workers: Workers) {
    server.app.insights.stop.cancel();
    workers.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_from_queued_to_a_report_that_clients_can_read() {
    let server = Server::new();
    let project = project_with(&server, 60).await;
    let path = format!("/sessions/{project}/insights");
    let asked = json!({"name": null, "last_n_hours": 1, "model": "openai", "unknown": 1,
        "user_context": {"What would you like to learn?": "how people use it"}});
    let job = server.post(&path, asked).await.ok();
    assert_eq!(job["status"], "queued");
    assert!(job["name"].as_str().is_some_and(|name| name.starts_with("Usage Patterns ")), "{job}");
    for forbidden in ["project_id", "tenant_id", "host_url"] {
        assert!(job.get(forbidden).is_none());
    }
    let workers = Workers::start(&server.app);
    let done = ended(&server, project, &job).await;
    assert_eq!((&done["status"], &done["error"]), (&json!("success"), &Value::Null), "{done}");
    for forbidden in ["project_id", "tenant_id", "host_url", "runs"] {
        assert!(done.get(forbidden).is_none());
    }
    let clusters = done["clusters"].as_array().expect("clusters");
    let mut names: Vec<&str> = clusters.iter().map(|one| one["name"].as_str().expect("a name")).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), clusters.len(), "names are unique");
    for cluster in clusters {
        assert!(
            cluster["level"].is_u64() && cluster["num_runs"].is_u64() && cluster["description"].is_string()
        );
        assert_eq!(cluster["num_runs"], cluster["stats"]["run_count"]);
        let children = clusters.iter().filter(|child| child["parent_id"] == cluster["id"]);
        let inside: u64 = children.filter_map(|child| child["num_runs"].as_u64()).sum();
        assert!(cluster["level"] == 0 && inside == 0 || json!(inside) == cluster["num_runs"]);
        let one = format!(
            "{path}/{}/clusters/{}",
            done["id"].as_str().expect("an id"),
            cluster["id"].as_str().expect("an id")
        );
        assert_eq!(server.get(&one).await.ok()["name"], cluster["name"]);
    }
    let shape = done["shape"].as_object().expect("a shape");
    assert_eq!(shape.values().filter_map(Value::as_u64).sum::<u64>(), 60);
    for name in shape.keys() {
        assert!(
            clusters.iter().any(|one| one["name"] == name.as_str() && one["parent_id"].is_null()),
            "{name}"
        );
    }
    assert!(done["report"]["title"].is_string() && done["report"]["key_points"][0].is_string());
    for highlight in done["report"]["highlighted_traces"].as_array().expect("highlights") {
        assert!(highlight["run_id"].is_string() && highlight["rank"].is_u64());
    }
    assert_eq!(done["metadata"]["report"], done["report"]);
    let unmet: Vec<&str> = done["metadata"]["not_applied"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["field"].as_str())
        .collect();
    assert_eq!(unmet, ["model", "user_context"]);
    let listed = server.get(&path).await.ok();
    assert_eq!(listed["clustering_jobs"][0]["shape"], done["shape"]);
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn member_runs_come_in_full_pages_with_what_was_found_out() {
    let server = Server::new();
    let project = project_with(&server, 25).await;
    let workers = Workers::start(&server.app);
    let done = finished(&server, project, json!({})).await;
    let path = format!("/sessions/{project}/insights/{}/runs", done["id"].as_str().expect("an id"));
    let mut seen = Vec::new();
    let mut offset = json!(0);
    while !offset.is_null() {
        let page = server.get(&format!("{path}?limit=10&offset={offset}")).await.ok();
        let runs = page["runs"].as_array().expect("runs").clone();
        assert!(runs.len() == 10 || page["offset"].is_null());
        seen.extend(runs);
        offset = page["offset"].clone();
    }
    assert_eq!(seen.len(), 25);
    for run in &seen {
        assert!(
            run["summary"].is_string() && run["attributes"].is_object() && run["inputs"].is_object(),
            "{run}"
        );
        assert!(run["cluster_id"].is_string() && run["cluster_name"].is_string());
    }
    for cluster in done["clusters"].as_array().expect("clusters") {
        let inside =
            server.get(&format!("{path}?cluster_id={}", cluster["id"].as_str().expect("an id"))).await.ok();
        assert_eq!(json!(inside["runs"].as_array().expect("runs").len()), cluster["num_runs"]);
    }
    let sorted = server.get(&format!("{path}?attribute_sort_key=turns&attribute_sort_order=desc")).await.ok();
    assert_eq!(sorted["runs"].as_array().map(Vec::len), Some(25));
    server.get(&format!("{path}?limit=101")).await.refused(422);
    server.get(&format!("{path}?limit=0")).await.refused(422);
    server.get(&format!("{path}?attribute_sort_order=up")).await.refused(422);
    server.get(&format!("{path}?cluster_id={}", Uuid::now_v7())).await.refused(404);

    let job = format!("/sessions/{project}/insights/{}", done["id"].as_str().expect("an id"));
    for file in ["report.json", "report.html", "report.md", "assignments.csv", "assignments.jsonl"] {
        assert!(server.get(&format!("{job}/files/{file}")).await.bytes.len() > 200, "{file}");
    }
    server.get(&format!("{job}/files/else")).await.refused(404);
    let events = server.get(&format!("{job}/events")).await.text();
    assert!(events.starts_with("event: done\ndata: {"), "{events}");
    server.delete(&job).await.ok();
    server.get(&job).await.refused(404);
    assert_eq!(
        server.get(&format!("/sessions/{project}/insights")).await.ok(),
        json!({"clustering_jobs": []})
    );
    stop(&server, workers).await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_when_it_is_asked_for() {
    let server = Server::new();
    let project = project_with(&server, 1).await;
    let path = format!("/sessions/{project}/insights");
    let partitions: serde_json::Map<String, Value> = (0..11).map(|n| (format!("c{n}"), json!("x"))).collect();
    for (body, status) in [
        (json!({"end_time": "2026-01-01T00:00:00Z"}), 422),
        (json!({"start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-01T00:00:00Z"}), 422),
        (json!({"start_time": "2026-01-02T00:00:00Z", "last_n_hours": 3}), 422),
        (json!({"last_n_hours": 0}), 422),
        (json!({"sample": 0}), 422),
        (json!({"sample": "many"}), 422),
        (json!({"hierarchy": [0]}), 422),
        (json!({"partitions": partitions}), 422),
        (json!({"partitions": {"a": "x", "A": "y"}}), 422),
        (json!({"filter": "eq(a"}), 400),
        (json!({"summary_prompt": "no variable"}), 400),
        (json!({"attribute_schemas": {"a": 1}}), 422),
        (json!({"tier": "deep"}), 400),
        (json!({"tier": "names"}), 400),
        (json!({"tier": "else"}), 422),
        (json!({"budget": -1}), 422),
        (json!({"config_id": Uuid::now_v7()}), 404),
        (json!({"config_id": "x"}), 422),
        (json!([1]), 422),
    ] {
        server.post(&path, body).await.refused(status);
    }
    let refused = server.post(&path, json!({"tier": "deep"})).await.text();
    assert!(refused.contains("OPENAI_API_KEY") && refused.contains("local"), "{refused}");
    server.post(&format!("/sessions/{}/insights", Uuid::now_v7()), json!({})).await.refused(404);
    server.get(&format!("{path}/{}", Uuid::now_v7())).await.refused(404);
    server.get(&format!("{path}/x")).await.refused(422);
    assert_eq!(server.get(&path).await.ok(), json!({"clustering_jobs": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_over_nothing_ends_with_an_error_that_says_so() {
    let server = Server::new();
    let project = project_with(&server, 3).await;
    let workers = Workers::start(&server.app);
    let done = finished(&server, project, json!({"filter": "eq(name, \"nobody\")"})).await;
    assert_eq!(done["status"], "error");
    assert!(done["error"].as_str().is_some_and(|text| text.contains("no traces matched")), "{done}");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_ends_and_one_that_ended_stays_as_it_is() {
    let server = Server::new();
    let project = project_with(&server, 40).await;
    let path = format!("/sessions/{project}/insights");
    let waiting = server.post(&path, json!({})).await.ok();
    let id = waiting["id"].as_str().expect("an id").to_owned();
    let cancelled = server.post(&format!("{path}/{id}/cancel"), json!({})).await.ok();
    assert_eq!((&cancelled["status"], &cancelled["error"]), (&json!("error"), &json!("cancelled")));
    let workers = Workers::start(&server.app);
    let running = server.post(&path, json!({})).await.ok();
    let running_path = format!("{path}/{}", running["id"].as_str().expect("an id"));
    while server.get(&running_path).await.ok()["status"] == "queued" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.post(&format!("{running_path}/cancel"), json!({})).await.ok();
    let asked = Instant::now();
    let done = ended(&server, project, &running).await;
    // It may have been done before anybody looked.
    assert!(done["status"] == "success" || done["error"] == "cancelled", "{done}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let again = server.post(&format!("{path}/{id}/cancel"), json!({})).await.ok();
    assert_eq!(again["error"], "cancelled");
    stop(&server, workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_after_the_threads_were_drawn_changes_nothing() {
    let server = Server::new();
    let project = project_with(&server, 30).await;
    let path = format!("/sessions/{project}/insights");
    let body = json!({"sample": 0.5, "seed": 3});
    let (one, other) = (server.post(&path, body.clone()).await.ok(), server.post(&path, body).await.ok());
    let entry = super::queue::find(&server.app.store, id(&one)).await.expect("a store").expect("a job");
    // A server that dies after it has drawn the threads.
    super::queue::keep_scope(&server.app.store, &entry.job, &drawn(&server, &entry).await, server.app.now())
        .await
        .expect("kept");
    let workers = Workers::start(&server.app);
    let first = ended(&server, project, &one).await;
    assert_eq!(first["metadata"]["threads"], 15);
    assert_eq!(ended(&server, project, &other).await["metadata"]["threads"], 15);
    stop(&server, workers).await;
}

fn id(job: &Value) -> Uuid {
    job["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

/// Half of the threads, as an attempt that died has drawn them.
async fn drawn(server: &Server, entry: &super::queue::Entry) -> assay_domain::job::Scope {
    use assay_store::{Runs as _, ThreadQuery};
    let all = server.app.store.threads(&ThreadQuery::new(entry.job.project)).await.expect("threads");
    let threads = all.iter().take(15).map(|thread| (thread.id.clone(), 2.0)).collect();
    assay_domain::job::Scope { population: all.len(), threads }
}

#[tokio::test]
async fn a_job_is_claimed_once_and_again_when_its_lease_has_run_out() {
    let server = Server::new();
    let project = project_with(&server, 1).await;
    let job = server.post(&format!("/sessions/{project}/insights"), json!({})).await.ok();
    let store = &server.app.store;
    let now = server.app.now();
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    let mut held = super::queue::claim(store, one, now).await.expect("a store").expect("a job");
    assert_eq!(held.job.id, id(&job));
    assert!(super::queue::claim(store, other, now).await.expect("a store").is_none());
    assert!(super::queue::carry_on(store, &mut held, now).await.expect("a store"));
    let later = now + super::queue::LEASE + Duration::from_secs(1);
    let taken = super::queue::claim(store, other, later).await.expect("a store").expect("the job again");
    assert_eq!((taken.job.id, taken.state.attempt), (held.job.id, 2));
    assert!(!super::queue::carry_on(store, &mut held, later).await.expect("a store"), "it is another's now");
}

#[tokio::test(flavor = "multi_thread")]
async fn configs_are_kept_and_learn_the_categories_that_were_found() {
    let server = Server::new();
    let project = project_with(&server, 60).await;
    let path = format!("/sessions/{project}/insights/configs");
    assert_eq!(server.get(&path).await.ok(), json!({"configs": []}));
    let prebuilt = server.get(&format!("{path}?include_prebuilts=true")).await.ok();
    let names: Vec<&str> = prebuilt["configs"]
        .as_array()
        .expect("configs")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["Usage Patterns", "Error Analysis"]);
    let first = prebuilt["configs"][0]["id"].as_str().expect("an id").to_owned();
    server.patch(&format!("{path}/{first}"), json!({"name": "x"})).await.refused(400);
    server.delete(&format!("{path}/usage-patterns")).await.refused(400);

    server.post(&path, json!({"name": "n"})).await.refused(422);
    server.post(&path, json!({"name": "n".repeat(256), "config": {}})).await.refused(422);
    server.post(&path, json!({"name": "n", "config": {"sample": -1}})).await.refused(422);
    server.post(&path, json!({"name": "n", "config": {}, "schedule_cron": "whenever"})).await.refused(422);
    let body = json!({"name": "Mine", "description": "d", "config": {"sample": 50, "name": "ignored"},
        "schedule_cron": "0 8 * * 1", "schedule_timezone": "Europe/Berlin"});
    let saved = server.post(&path, body).await.ok();
    for key in [
        "name",
        "hierarchy",
        "partitions",
        "sample",
        "summary_prompt",
        "filter",
        "attribute_schemas",
        "model",
    ] {
        assert!(saved["config"].get(key).is_some(), "{key}");
    }
    assert_eq!((&saved["prebuilt"], &saved["schedule_cron"]), (&json!(false), &json!("0 8 * * 1")));
    assert_eq!(saved["next_runs"].as_array().map(Vec::len), Some(3));
    let one = format!("{path}/{}", saved["id"].as_str().expect("an id"));
    let changed = server.patch(&one, json!({"description": null, "schedule_cron": null})).await.ok();
    assert!(changed["description"].is_null() && changed["schedule_cron"].is_null());

    let workers = Workers::start(&server.app);
    let done = finished(&server, project, json!({"config_id": saved["id"], "sample": 40})).await;
    assert_eq!(done["status"], "success", "{done}");
    assert_eq!((&done["config_id"], &done["metadata"]["threads"]), (&saved["id"], &json!(40)));
    assert!(done["name"].as_str().is_some_and(|name| name.starts_with("Mine ")), "{done}");
    let learned = server.get(&path).await.ok()["configs"][0]["config"]["partitions"].clone();
    assert!(learned.as_object().is_some_and(|names| !names.is_empty()), "{learned}");
    let errors = finished(&server, project, json!({"config_id": "error-analysis"})).await;
    assert_eq!(errors["metadata"]["focus"], "errors", "{errors}");
    stop(&server, workers).await;

    server.delete(&one).await.ok();
    server.delete(&one).await.refused(404);
    let words = json!({"user_context": {"What would you like to learn?": "Where do users get frustrated?"}});
    let generated = server.post(&format!("{path}/generate"), words).await.ok();
    assert!(generated["summary_prompt"].as_str().is_some_and(|text| text.contains("{{run.inputs}}")));
    assert!(generated["attribute_schemas"]["user_satisfied"].is_object(), "{generated}");
    server.post(&format!("{path}/generate"), json!({"user_context": {}})).await.refused(422);
    let estimate =
        server.post(&format!("/sessions/{project}/insights/estimate"), json!({"sample": 20})).await.ok();
    assert_eq!(
        (&estimate["threads"], &estimate["population"], &estimate["cost_usd"]),
        (&json!(20), &json!(60), &json!(0.0))
    );
    server.delete(&format!("/sessions/{project}")).await.ok();
    assert!(super::queue::list(&server.app.store, None).await.expect("a store").is_empty());
}

mod schedules {
    use chrono::TimeDelta;

    use super::super::schedule::Schedule;
    use super::*;

    fn time(text: &str) -> assay_domain::Time {
        text.parse().expect("a moment")
    }

    #[test]
    fn a_zone_keeps_its_hour_when_clocks_change() {
        let schedule =
            Schedule::new("daily", Some("Europe/Berlin"), time("2026-03-27T12:00:00Z")).expect("one");
        let runs = schedule.next_runs(time("2026-03-27T12:00:00Z"), 3);
        let expected = ["2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z", "2026-03-30T06:00:00Z"].map(time);
        assert_eq!(runs, expected);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let now = time("2026-01-01T00:00:00Z");
        for (cron, zone) in [
            ("* * * *", "UTC"),
            ("0 0 0 1 1 *", "UTC"),
            ("61 * * * *", "UTC"),
            ("daily", "Mars"),
            ("0 0 31 2 *", "UTC"),
        ] {
            assert!(Schedule::new(cron, Some(zone), now).is_err(), "{cron} {zone}");
        }
        assert_eq!(
            Schedule::new("weekly", None, now).expect("one").next(now),
            Ok(time("2026-01-05T08:00:00Z"))
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_missed_moments_the_latest_makes_one_job_and_the_next_is_refused_while_it_is_open() {
        let server = Server::new();
        let project = project_with(&server, 2).await;
        let path = format!("/sessions/{project}/insights/configs");
        let saved = server
            .post(&path, json!({"name": "hourly", "config": {}, "schedule_cron": "0 * * * *"}))
            .await
            .ok();
        let mut config =
            super::super::configs::by_id(&server.app.store, id(&saved)).await.expect("a store").expect("it");
        let schedule = config.body.schedule.as_mut().expect("a schedule");
        schedule.after = server.app.now() - TimeDelta::hours(5);
        let now = server.app.now();
        for _ in 0..2 {
            super::super::schedule::look(&server.app, config.clone(), now).await.expect("made");
        }
        let jobs = super::super::queue::list(&server.app.store, None).await.expect("a store");
        assert_eq!(jobs.len(), 1, "one job, made once");
        assert!(jobs[0].job.due.is_some_and(|due| now - due < TimeDelta::hours(1)));
        super::super::schedule::look(&server.app, config, now + TimeDelta::hours(1)).await.expect("refused");
        let shown = server.get(&path).await.ok();
        assert!(shown["configs"][0]["schedule_refused"]["reason"].is_string(), "{shown}");
        assert_eq!(super::super::queue::list(&server.app.store, None).await.expect("a store").len(), 1);
    }
}

mod alerts {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes messages on the loopback and keeps them; refuses the first.
    async fn receiver(kept: Arc<Mutex<Vec<(String, String)>>>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let take = move |headers: http::HeaderMap, body: String| {
            let signature = headers["x-assay-signature"].to_str().expect("text").to_owned();
            let mut kept = kept.lock().expect("no panic");
            kept.push((signature, body));
            let status = if kept.len() == 1 { 503 } else { 200 };
            std::future::ready(http::StatusCode::from_u16(status).expect("a status"))
        };
        let router = axum::Router::new().route("/hook", axum::routing::post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/hook")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_new_category_is_told_once_it_is_taken_and_comparisons_name_it() {
        let server = Server::new();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let webhook = receiver(kept.clone()).await;
        let project = project_with(&server, 40).await;
        let path = format!("/sessions/{project}/insights");
        let body = json!({"name": "watched", "config": {"partitions": {"Money": "refund my order"}},
            "alert": {"webhook": webhook, "growth": 0.02}});
        let refused = server.post(&format!("{path}/configs"), body.clone()).await.refused(400);
        assert!(refused.contains("ASSAY_WEBHOOK_SECRET"), "{refused}");
        let secret = json!([{"key": "ASSAY_WEBHOOK_SECRET", "value": "s"}]);
        server.post("/workspaces/current/secrets", secret).await.ok();
        let saved = server.post(&format!("{path}/configs"), body).await.ok();
        let workers = Workers::start(&server.app);
        let first = finished(&server, project, json!({"config_id": saved["id"]})).await;
        let changed = json!({"config": {"partitions": {"Trips and rooms": "book a hotel room"}}});
        let config = format!("{path}/configs/{}", saved["id"].as_str().expect("an id"));
        server.patch(&config, changed).await.ok();
        let second = finished(&server, project, json!({"config_id": saved["id"]})).await;
        assert_eq!((&first["status"], &second["status"]), (&json!("success"), &json!("success")));
        let compared = server
            .get(&format!(
                "{path}/compare?before={}&after={}",
                first["id"].as_str().expect("an id"),
                second["id"].as_str().expect("an id")
            ))
            .await
            .ok();
        assert_eq!(compared["comparison"]["shared_threads"], 40);
        server
            .get(&format!("{path}/compare?before={}", first["id"].as_str().expect("an id")))
            .await
            .refused(422);

        let begun = Instant::now();
        while kept.lock().expect("no panic").is_empty() {
            assert!(begun.elapsed() < PATIENCE, "nothing was told: {compared}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (signature, body) = kept.lock().expect("no panic")[0].clone();
        assert!(signature.starts_with("t=") && signature.contains(",v1="), "{signature}");
        let told: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((&told["job_id"], &told["compared_with_job_id"]), (&second["id"], &first["id"]));
        assert!(told["changes"].as_array().is_some_and(|changes| !changes.is_empty()));
        let failures = finished(&server, project, json!({"focus": "errors"})).await;
        let (before, after) = (first["id"].as_str().expect("an id"), failures["id"].as_str().expect("an id"));
        let refused = server.get(&format!("{path}/compare?before={before}&after={after}")).await.refused(400);
        assert!(refused.contains("same focus"), "{refused}");
        stop(&server, workers).await;
    }
}

/// A job as if its report were made, without making one.
pub(crate) async fn as_if_made(server: &Server, project: Uuid, body: Value) -> Uuid {
    let asked = server.post(&format!("/sessions/{project}/insights"), body).await.ok();
    let id: Uuid = serde_json::from_value(asked["id"].clone()).expect("an id");
    let store = &server.app.store;
    let queue::Entry { job, mut state } = queue::find(store, id).await.expect("asked").expect("there");
    state.status = assay_domain::JobStatus::Succeeded;
    state.report = Some(assay_domain::ReportId(id));
    queue::put(store, &job, &state, server.app.now()).await.expect("written");
    id
}
