use assay_domain::RunId;
use assay_store::{Batch, Runs as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::testing::{Answer, Server};

impl Server {
    /// Keeps these runs, as if a client had sent them.
    #[track_caller]
    pub(crate) fn keep(&self, runs: Value) {
        let decoded =
            assay_wire::langsmith::runs(runs, assay_wire::Names::everywhere(RunId::from_name("unnamed")));
        assert!(decoded.rejected.is_empty(), "{:?}", decoded.rejected);
        let batch = Batch { patches: decoded.patches, ..Batch::default() };
        assay_store::block_on(self.app.store.append(batch)).expect("kept");
    }

    pub(crate) async fn project_id(&self, name: &str) -> String {
        let found = self.get(&format!("/sessions?name={name}")).await.ok();
        found[0]["id"].as_str().unwrap_or_else(|| panic!("no project {name}")).to_owned()
    }
}

/// The same id for the same number.
pub(crate) fn id(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

/// A finished run that began in this second of some minute.
pub(crate) fn run(number: u128, parent: Option<u128>, second: u32, more: Value) -> Value {
    let mut run = json!({
        "id": id(number),
        "trace_id": id(parent.map_or(number, |_| 1)),
        "parent_run_id": parent.map(id),
        "name": format!("run {number}"),
        "run_type": "chain",
        "session_name": "p",
        "start_time": format!("2026-03-01T10:00:{second:02}.5Z"),
        "end_time": format!("2026-03-01T10:01:{second:02}.5Z"),
        "inputs": { "question": format!("q{number}") },
        "outputs": { "answer": format!("a{number}") },
    });
    if let (Some(run), Value::Object(more)) = (run.as_object_mut(), more) {
        run.extend(more);
    }
    run
}

/// A root, a child and a grandchild that called a model.
fn trace() -> Value {
    let usage = json!({
        "input_tokens": 10, "output_tokens": 20, "total_tokens": 30,
        "input_token_details": { "audio": 1, "foo": 2 }, "output_token_details": { "reasoning": 3 },
        "input_cost": 1e-6, "output_cost": 2e-6, "total_cost": 3e-6,
        "input_cost_details": { "audio": 1e-7 }, "output_cost_details": {},
    });
    json!([
        run(1, None, 1, json!({ "extra": { "metadata": { "thread_id": "t" }, "runtime": { "sdk": "x" } } })),
        run(2, Some(1), 2, json!({ "tags": ["a", "b"], "error": "boom" })),
        run(
            3,
            Some(2),
            3,
            json!({ "run_type": "llm", "outputs": { "text": "hi", "usage_metadata": usage } })
        ),
    ])
}

fn ids(answer: &Answer) -> Vec<String> {
    let runs = answer.ok()["runs"].as_array().expect("runs").clone();
    runs.iter().map(|run| run["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_run_is_read_with_every_key_that_clients_need() {
    let server = Server::new();
    server.keep(trace());
    let run = server.get(&format!("/runs/{}", id(3))).await.ok();
    let project = server.project_id("p").await;
    for (key, expected) in [
        ("id", json!(id(3))),
        ("name", json!("run 3")),
        ("run_type", json!("llm")),
        ("status", json!("success")),
        ("start_time", json!("2026-03-01T10:00:03.500000+00:00")),
        ("end_time", json!("2026-03-01T10:01:03.500000+00:00")),
        ("trace_id", json!(id(1))),
        ("parent_run_id", json!(id(2))),
        ("parent_run_ids", json!([id(1), id(2)])),
        ("session_id", json!(project)),
        ("thread_id", json!("t")),
        ("prompt_tokens", json!(10)),
        ("completion_tokens", json!(20)),
        ("total_tokens", json!(30)),
        ("prompt_cost", json!("0.000001")),
        ("total_cost", json!("0.000003")),
        ("prompt_token_details", json!({ "audio": 1, "foo": 2 })),
        ("completion_token_details", json!({ "reasoning": 3 })),
        ("prompt_cost_details", json!({ "audio": "0.0000001" })),
        ("completion_cost_details", json!({})),
        ("feedback_stats", json!({})),
        ("s3_urls", Value::Null),
        ("share_token", Value::Null),
        ("inputs_preview", json!("q3")),
    ] {
        assert_eq!(run[key], expected, "{key} of {run:#}");
    }
    assert_eq!(run["app_path"], format!("/o/{}/projects/p/{project}/r/{}", crate::app::WORKSPACE, id(3)));
    for forbidden in ["attachments", "child_runs", "messages"] {
        assert!(run.get(forbidden).is_none(), "{forbidden}");
    }
}

#[tokio::test]
async fn a_root_shows_what_its_trace_adds_up_to() {
    let server = Server::new();
    server.keep(trace());
    let root = server.get(&format!("/runs/{}", id(1))).await.ok();
    assert_eq!((&root["total_tokens"], &root["prompt_tokens"]), (&json!(30), &json!(10)));
    assert_eq!(root["total_cost"], "0.000003");
    assert_eq!(root["extra"], json!({ "runtime": { "sdk": "x" }, "metadata": { "thread_id": "t" } }));
    let child = server.get(&format!("/runs/{}", id(2))).await.ok();
    assert_eq!((&child["total_tokens"], &child["total_cost"]), (&json!(0), &Value::Null));
    assert_eq!((&child["status"], &child["error"]), (&json!("error"), &json!("boom")));
}

#[tokio::test]
async fn the_dotted_order_follows_from_the_ancestors_where_nobody_sent_one() {
    let server = Server::new();
    server.keep(trace());
    let order = |numbers: &[u128]| {
        let segment = |n: &u128| format!("20260301T1000{n:02}500000Z{}", id(*n));
        numbers.iter().map(segment).collect::<Vec<_>>().join(".")
    };
    let run = server.get(&format!("/runs/{}", id(3))).await.ok();
    assert_eq!(run["dotted_order"], order(&[1, 2, 3]));
    let body = json!({ "trace": id(1), "order": "asc", "select": ["dotted_order"] });
    let runs = server.post("/runs/query", body).await.ok();
    let orders: Vec<&Value> =
        runs["runs"].as_array().expect("runs").iter().map(|run| &run["dotted_order"]).collect();
    assert_eq!(orders, [&json!(order(&[1])), &json!(order(&[1, 2])), &json!(order(&[1, 2, 3]))]);
}

#[tokio::test]
async fn an_unknown_run_is_not_found_and_no_id_is_invalid() {
    let server = Server::new();
    server.get(&format!("/runs/{}", id(9))).await.refused(404);
    server.get("/runs/nonsense").await.refused(422);
}

#[tokio::test]
async fn a_trace_id_stands_for_its_root_whatever_the_id_of_that() {
    let server = Server::new();
    server.keep(json!([
        run(5, None, 1, json!({ "trace_id": id(77) })),
        run(6, Some(5), 2, json!({ "trace_id": id(77) })),
    ]));
    let root = server.get(&format!("/runs/{}", id(77))).await.ok();
    assert_eq!((&root["id"], &root["trace_id"]), (&json!(id(5)), &json!(id(77))));
}

#[tokio::test]
async fn only_selected_fields_are_answered_besides_identity_and_details() {
    let server = Server::new();
    server.keep(trace());
    let body = json!({ "id": [id(3)], "select": ["outputs", "inputs_preview", "whatever"] });
    let found = server.post("/runs/query", body).await.ok();
    let mut keys: Vec<&str> =
        found["runs"][0].as_object().expect("a run").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "app_path",
            "completion_cost_details",
            "completion_token_details",
            "dotted_order",
            "id",
            "inputs_preview",
            "name",
            "outputs",
            "parent_run_id",
            "prompt_cost_details",
            "prompt_token_details",
            "run_type",
            "session_id",
            "start_time",
            "status",
            "trace_id",
        ]
    );
    assert_eq!(found["cursors"], json!({ "next": null, "prev": null }));
}

#[tokio::test]
async fn ids_leave_every_other_condition_aside() {
    let server = Server::new();
    server.keep(trace());
    let body = json!({ "id": [id(1), id(3), id(9)], "session": [id(8)], "is_root": true, "filter": "eq(name, \"x\")" });
    let mut found = ids(&server.post("/runs/query", body).await);
    found.sort();
    assert_eq!(found, [id(1), id(3)]);
}

#[tokio::test]
async fn a_trace_alone_selects_and_roots_are_strictly_told_apart() {
    let server = Server::new();
    server.keep(trace());
    let project = server.project_id("p").await;
    let query = |body: Value| server.post("/runs/query", body);
    assert_eq!(ids(&query(json!({ "trace": id(1) })).await).len(), 3);
    let below = query(json!({ "trace": id(1), "is_root": false, "session_id": project })).await;
    assert_eq!(ids(&below), [id(3), id(2)]);
    assert!(below.ok()["runs"].as_array().expect("runs").iter().all(|run| !run["parent_run_id"].is_null()));
    assert_eq!(ids(&query(json!({ "session": [project], "is_root": true })).await), [id(1)]);
    assert_eq!(ids(&query(json!({ "session": project, "execution_order": 1 })).await), [id(1)]);
    assert_eq!(ids(&query(json!({ "parent_run": id(1) })).await), [id(2)]);
    assert_eq!(ids(&query(json!({ "session": [project], "error": true })).await), [id(2)]);
    assert_eq!(
        ids(&query(json!({ "session": [project], "error": false, "run_type": "llm" })).await),
        [id(3)]
    );
    assert_eq!(ids(&query(json!({ "session": [project], "query": "boom" })).await), [id(2)]);
}

#[tokio::test]
async fn filters_of_run_root_and_tree_are_all_heard() {
    let server = Server::new();
    server.keep(trace());
    server.keep(json!([run(21, None, 5, json!({}))]));
    let query = |body: Value| server.post("/runs/query", body);
    let tagged = r#"has(tags, "a")"#;
    assert_eq!(ids(&query(json!({ "filter": tagged })).await), [id(2)]);
    assert_eq!(ids(&query(json!({ "is_root": true, "tree_filter": tagged })).await), [id(1)]);
    assert_eq!(ids(&query(json!({ "trace_filter": tagged })).await), Vec::<String>::new());
    let of_root = r#"and(eq(metadata_key, "thread_id"), eq(metadata_value, "t"))"#;
    assert_eq!(ids(&query(json!({ "trace_filter": of_root, "run_type": "llm" })).await), [id(3)]);
    let both = json!({ "filter": tagged, "search_filter": r#"eq(name, "run 2")"# });
    assert_eq!(ids(&query(both).await), [id(2)]);
}

#[tokio::test]
async fn times_bound_the_start_of_runs_on_both_sides() {
    let server = Server::new();
    server.keep(trace());
    let window = |from: &str, to: &str| json!({ "start_time": from, "end_time": to, "order": "asc" });
    let found = server.post("/runs/query", window("2026-03-01T10:00:01.5", "2026-03-01T10:00:02.500Z")).await;
    assert_eq!(ids(&found), [id(1), id(2)]);
    server.post("/runs/query", window("yesterday", "today")).await.refused(422);
}

#[tokio::test]
async fn pages_hold_every_run_once_and_are_never_longer_than_a_hundred() {
    let server = Server::new();
    let runs: Vec<Value> = (100..250).map(|n| run(n, None, (n % 60) as u32, json!({}))).collect();
    server.keep(json!(runs));
    let first = server.post("/runs/query", json!({ "limit": 5000 })).await;
    assert_eq!(ids(&first).len(), 100);
    let mut seen = Vec::new();
    let mut body = json!({ "limit": 40, "select": ["id"] });
    loop {
        let page = server.post("/runs/query", body.clone()).await;
        seen.extend(ids(&page));
        match page.ok()["cursors"]["next"].clone() {
            Value::Null => break,
            next => body["cursor"] = next,
        }
    }
    assert_eq!(seen.len(), 150);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 150);
    server.post("/runs/query", json!({ "cursor": "nonsense" })).await.refused(400);
}

#[tokio::test]
async fn pages_are_walked_back_as_they_were_walked_forth() {
    let server = Server::new();
    let runs: Vec<Value> = (100..125).map(|n| run(n, None, (n % 7) as u32, json!({}))).collect();
    server.keep(json!(runs));
    for order in ["asc", "desc"] {
        let ask = async |cursor: &Value| {
            let body = json!({ "limit": 10, "select": ["id"], "order": order, "cursor": cursor });
            server.post("/runs/query", body).await
        };
        let mut forth = vec![ask(&Value::Null).await];
        while let cursor @ Value::String(_) = forth[forth.len() - 1].ok()["cursors"]["next"].clone() {
            forth.push(ask(&cursor).await);
        }
        assert_eq!(forth.len(), 3);
        assert_eq!(forth[0].ok()["cursors"]["prev"], Value::Null);
        let mut back = vec![forth.pop().expect("the last page")];
        while let cursor @ Value::String(_) = back[0].ok()["cursors"]["prev"].clone() {
            back.insert(0, ask(&cursor).await);
        }
        let pages: Vec<_> = back.iter().map(ids).collect();
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
        assert_eq!(pages[..2], forth.iter().map(ids).collect::<Vec<_>>());
        // From there the way leads forth again.
        assert_eq!(ids(&ask(&back[0].ok()["cursors"]["next"]).await), pages[1]);
    }
}

#[tokio::test]
async fn a_bad_filter_is_refused_with_the_place_of_the_mistake() {
    let server = Server::new();
    let answer = server.post("/runs/query", json!({ "trace_filter": "eq(status, )" })).await;
    answer.refused(400);
    let detail = answer.json()["detail"].as_str().expect("text").to_owned();
    assert!(detail.starts_with("trace_filter: column 12: "), "{detail}");
    assert!(detail.contains("near `eq(status, )`"), "{detail}");
    server.post("/runs/query", json!({ "run_type": "agent" })).await.refused(422);
    server.post("/runs/query", json!({ "order": "sideways" })).await.refused(422);
}

#[tokio::test]
async fn validation_finds_all_mistakes_without_running_the_query() {
    let server = Server::new();
    let fine = json!({ "filter": "eq(name, \"x\")", "tree_filter": null });
    assert_eq!(server.post("/runs/query/validate", fine).await.ok(), json!({ "valid": true, "errors": [] }));
    let wrong =
        json!({ "filter": "eq(nme, \"x\")", "tree_filter": "and(", "run_type": "agent", "order": "up" });
    let answer = server.post("/runs/query/validate", wrong).await.ok();
    assert_eq!(answer["valid"], false);
    let errors = answer["errors"].as_array().expect("errors");
    let fields: Vec<&Value> = errors.iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["filter", "tree_filter", "run_type", "order"]);
    assert_eq!(errors[0]["column"], 4);
    assert!(errors.iter().all(|error| error["message"].is_string()), "{answer}");
}

#[tokio::test]
async fn the_live_count_counts_what_the_query_would_list() {
    let server = Server::new();
    server.keep(trace());
    assert_eq!(
        server.post("/runs/count", json!({ "is_root": false, "limit": 1 })).await.ok(),
        json!({ "count": 2 })
    );
    assert_eq!(server.post("/runs/count", json!({ "id": [id(1)] })).await.ok(), json!({ "count": 1 }));
    server.post("/runs/count", json!({ "filter": "x" })).await.refused(400);
}

#[tokio::test]
async fn generating_a_query_says_what_is_missing() {
    let text = Server::new().post("/runs/generate-query", json!({ "query": "slow ones" })).await.refused(422);
    assert!(text.contains("no language model"), "{text}");
}

#[tokio::test]
async fn an_interrupted_run_is_no_failed_one() {
    let server = Server::new();
    let asked =
        json!({ "error": "GraphInterrupt()", "extra": { "metadata": { "ls_is_error_interrupt": true } } });
    server.keep(json!([run(1, None, 1, asked)]));
    assert_eq!(server.get(&format!("/runs/{}", id(1))).await.ok()["status"], "interrupted");
}

#[tokio::test]
async fn payloads_are_objects_and_messages_are_made_on_request() {
    let server = Server::new();
    let payloads = json!({
        "inputs": { "messages": [{ "role": "user", "content": "hello" }] },
        "outputs": [1, 2],
        "events": [{ "name": "new_token" }],
    });
    server.keep(json!([
        run(1, None, 1, payloads),
        run(2, None, 2, json!({ "inputs": null, "outputs": null }))
    ]));
    let run = server.get(&format!("/runs/{}?include_messages=True", id(1))).await.ok();
    assert_eq!(run["outputs"], json!({ "output": [1, 2] }));
    assert_eq!(run["events"], json!([{ "name": "new_token" }]));
    assert_eq!(run["messages"][0], json!({ "role": "user", "content": "hello" }));
    let empty = server.get(&format!("/runs/{}", id(2))).await.ok();
    assert_eq!((&empty["inputs"], &empty["outputs"]), (&json!({}), &Value::Null));
}

#[tokio::test]
async fn a_trace_without_a_thread_key_has_no_thread() {
    let server = Server::new();
    let own = json!({ "extra": { "metadata": { "thread_id": id(3), "session_id": null } } });
    server.keep(json!([run(2, None, 1, json!({})), run(3, None, 1, own)]));
    assert_eq!(server.get(&format!("/runs/{}", id(2))).await.ok()["thread_id"], Value::Null);
    assert_eq!(server.get(&format!("/runs/{}", id(3))).await.ok()["thread_id"], id(3));
}

#[tokio::test]
async fn a_share_opens_a_run_and_what_lies_below_it_until_it_ends() {
    let server = Server::new();
    server.keep(trace());
    let (token, child) = (id(4242), id(2));
    server.put(&format!("/runs/{}/share", id(9)), json!({})).await.refused(404);
    assert_eq!(server.get(&format!("/runs/{child}/share")).await.ok(), Value::Null);
    let asked = json!({ "run_id": child, "share_token": token });
    assert_eq!(server.put(&format!("/runs/{child}/share"), asked.clone()).await.ok(), asked);
    // Who shares again gets the same.
    assert_eq!(server.put(&format!("/runs/{child}/share"), json!({})).await.ok(), asked);
    assert_eq!(server.get(&format!("/runs/{child}/share")).await.ok(), asked);
    assert_eq!(server.get(&format!("/runs/{child}")).await.ok()["share_token"], token);
    server.put(&format!("/runs/{}/share", id(1)), json!({ "share_token": token })).await.refused(409);

    let shared = server.get(&format!("/public/{token}/run")).await.ok();
    assert_eq!((&shared["id"], &shared["outputs"]), (&json!(child), &json!({ "answer": "a2" })));
    for private in ["session_id", "app_path", "share_token"] {
        assert!(shared.get(private).is_none(), "{private}");
    }
    assert_eq!(ids(&server.post(&format!("/public/{token}/runs/query"), json!({})).await), [id(2), id(3)]);
    let named = json!({ "id": [id(1), id(3)] });
    assert_eq!(ids(&server.post(&format!("/public/{token}/runs/query"), named).await), [id(3)]);
    assert_eq!(server.get(&format!("/public/{token}/run/{}", id(3))).await.ok()["id"], id(3));
    server.get(&format!("/public/{token}/run/{}", id(1))).await.refused(404);
    server.get(&format!("/public/{}/run", id(1))).await.refused(404);
    server.get("/public/nonsense/run").await.refused(404);

    server.delete(&format!("/runs/{child}/share")).await.ok();
    server.get(&format!("/public/{token}/run")).await.refused(404);
    assert_eq!(server.get(&format!("/runs/{child}/share")).await.ok(), Value::Null);
    server.delete(&format!("/runs/{child}/share")).await.ok();
}

#[tokio::test]
async fn deleting_traces_takes_their_shares_with_them() {
    let server = Server::new();
    server.keep(trace());
    server.keep(json!([run(31, None, 1, json!({ "extra": { "metadata": { "user": "u 1", "n": 5 } } }))]));
    let token = server.put(&format!("/runs/{}/share", id(2)), json!({})).await.ok()["share_token"].clone();
    server.post("/runs/delete", json!({})).await.refused(422);
    server.post("/runs/delete", json!({ "session_id": id(9), "trace_ids": [id(1)] })).await.refused(404);
    let gone = server.post("/runs/delete", json!({ "trace_ids": [id(1), id(9)] })).await.ok();
    assert_eq!((&gone["traces"], &gone["runs"]), (&json!(1), &json!(3)));
    server.get(&format!("/runs/{}", id(2))).await.refused(404);
    // The same run again is not shared again.
    server.keep(trace());
    server.get(&format!("/public/{}/run", token.as_str().expect("a token"))).await.refused(404);

    let project = server.project_id("p").await;
    let by_metadata = |value: &str| json!({ "session_id": project, "metadata": { "user": value, "n": "5" } });
    assert_eq!(server.post("/runs/delete", by_metadata("u 2")).await.ok()["runs"], 0);
    assert_eq!(server.post("/runs/delete", by_metadata("u 1")).await.ok()["runs"], 1);
    assert_eq!(server.post("/runs/count", json!({})).await.ok()["count"], 3);
}

#[tokio::test]
async fn statistics_count_and_sum_as_a_whole_and_by_group() {
    let server = Server::new();
    server.keep(trace());
    let all = server.post("/runs/stats", json!({})).await.ok();
    assert_eq!((&all["run_count"], &all["total_tokens"]), (&json!(3), &json!(30)));
    assert_eq!(all["total_cost"], json!(3e-6));
    assert_eq!(all["latency_p50"], json!(60.0));
    let roots = server.post("/runs/stats", json!({ "is_root": true })).await.ok();
    assert_eq!((&roots["run_count"], &roots["total_tokens"]), (&json!(1), &json!(30)));
    let by_kind = json!({ "group_by": { "attribute": "run_type" }, "select": ["run_count"] });
    let by_kind = server.post("/runs/stats", by_kind).await.ok();
    assert_eq!(by_kind, json!({ "chain": { "run_count": 2 }, "llm": { "run_count": 1 } }));
    let by_tag = json!({ "group_by": { "attribute": "tag" }, "groups": ["a"], "select": ["run_count"] });
    assert_eq!(server.post("/runs/stats", by_tag).await.ok(), json!({ "a": { "run_count": 1 } }));
    server.post("/runs/stats", json!({ "group_by": { "attribute": "mood" } })).await.refused(422);
    server.post("/runs/stats", json!({ "group_by": { "attribute": "metadata" } })).await.refused(422);
}

#[tokio::test]
async fn conversations_are_groups_of_runs() {
    let server = Server::new();
    server.keep(trace());
    let again = json!({ "extra": { "metadata": { "conversation_id": "t" } } });
    server.keep(json!([run(41, None, 9, again), run(42, None, 10, json!({}))]));
    let project = server.project_id("p").await;
    let body = json!({ "session_id": project, "group_by": "conversation" });
    let found = server.post("/runs/group", body.clone()).await.ok();
    assert_eq!((&found["total"], found["groups"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    let group = &found["groups"][0];
    assert_eq!((&group["group_key"], &group["count"]), (&json!("t"), &json!(2)));
    assert_eq!((&group["first_inputs"], &group["last_outputs"]), (&json!("q1"), &json!("a41")));
    assert_eq!(group["total_tokens"], 30);
    let stats = server.post("/runs/group/stats", body).await.ok();
    assert_eq!(stats["group_count"], 1);
    server.post("/runs/group", json!({ "session_id": project, "group_by": "mood" })).await.refused(422);
}
