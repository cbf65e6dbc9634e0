use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::runs::tests::{id, run};
use crate::testing::{Server, json_request};

const SINCE: &str = "2026-03-01T00:00:00Z";

/// A trace with a model call, and another one; both of one thread.
async fn two_turns() -> (Server, String) {
    let server = Server::new();
    let usage = json!({
        "input_tokens": 10, "output_tokens": 20, "total_tokens": 30, "total_cost": 3e-6,
        "input_token_details": { "cache_read": 4 },
    });
    let thread = json!({ "extra": { "metadata": { "thread_id": "t" } } });
    server.keep(json!([
        run(1, None, 1, thread.clone()),
        run(2, Some(1), 2, json!({ "run_type": "llm", "outputs": { "usage_metadata": usage } })),
        run(21, None, 7, thread),
    ]));
    let project = server.project_id("p").await;
    (server, project)
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_str()).collect()
}

#[tokio::test]
async fn only_selected_fields_are_answered_and_only_the_id_by_default() {
    let (server, project) = two_turns().await;
    let body = json!({ "project_ids": [project], "min_start_time": SINCE, "run_type": "LLM" });
    assert_eq!(server.post("/api/v2/runs/query", body.clone()).await.ok()["items"], json!([{ "id": id(2) }]));
    let selects = [
        "RUN_TYPE",
        "STATUS",
        "TOTAL_COST",
        "PROMPT_TOKEN_DETAILS",
        "IS_ROOT",
        "END_TIME",
        "LATENCY_SECONDS",
    ];
    let mut body = body;
    body["selects"] = json!(selects);
    let found = server.post("/v2/runs/query", body).await.ok();
    assert_eq!(
        found["items"][0],
        json!({
            "run_type": "LLM",
            "status": "SUCCESS",
            "total_cost": 3e-6,
            "prompt_token_details": { "raw": { "cache_read": 4 } },
            "is_root": false,
            "end_time": "2026-03-01T10:01:02.500000Z",
            "latency_seconds": 60.0,
        })
    );
    assert!(found.get("next_cursor").is_none(), "{found}");
}

#[tokio::test]
async fn queries_go_back_a_day_unless_they_say_otherwise_or_name_something() {
    let (server, project) = two_turns().await;
    let query = async |more: Value| {
        let mut body = json!({ "project_ids": [project] });
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        server.post("/v2/runs/query", body).await.ok()
    };
    assert_eq!(ids(&query(json!({})).await), Vec::<&str>::new());
    assert_eq!(ids(&query(json!({ "trace_id": id(1) })).await).len(), 2);
    assert_eq!(ids(&query(json!({ "ids": [id(21)] })).await), [id(21)]);
    let first = query(json!({ "min_start_time": SINCE, "page_size": 2, "sort_order": "ASC" })).await;
    assert_eq!((ids(&first), &first["has_more"]), (vec![id(1).as_str(), id(2).as_str()], &json!(true)));
    let rest = json!({ "min_start_time": SINCE, "sort_order": "ASC", "cursor": first["next_cursor"] });
    assert_eq!(ids(&query(rest).await), [id(21)]);
}

#[tokio::test]
async fn refusals_are_problem_objects() {
    let (server, project) = two_turns().await;
    let bad = json!({ "project_ids": [project], "filter": "eq(" });
    let answer = server.post("/v2/runs/query", bad).await;
    answer.refused(400);
    let problem = answer.json();
    assert_eq!((&problem["status"], &problem["title"]), (&json!(400), &json!("Bad Request")));
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.starts_with("filter: column")),
        "{problem}"
    );
    server.post("/v2/runs/query", json!({})).await.refused(422);
    server.post("/v2/runs/query", json!({ "project_ids": 5 })).await.refused(422);
    server
        .post("/v2/runs/query", json!({ "project_ids": [project], "ai_search": "angry" }))
        .await
        .refused(422);
    let mut stream = json_request(Method::POST, "/v2/runs/query", &json!({ "project_ids": [project] }));
    stream.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().expect("a value"));
    server.send(stream).await.refused(406);
}

#[tokio::test]
async fn one_run_is_read_in_its_project_only() {
    let (server, project) = two_turns().await;
    let path =
        format!("/v2/runs/{}?project_id={project}&selects=ID&selects=TRACE_ID&selects=START_TIME", id(2));
    let found = server.get(&path).await.ok();
    let expected = json!({ "id": id(2), "trace_id": id(1), "start_time": "2026-03-01T10:00:02.500000Z" });
    assert_eq!(found, expected);
    server.get(&format!("/v2/runs/{}?project_id={}", id(2), id(9))).await.refused(404);
    server.get(&format!("/v2/runs/{}", id(2))).await.refused(422);
    let url =
        server.get(&format!("/v2/runs/{}/url?project_id={project}&trace_id={}", id(2), id(1))).await.ok();
    assert!(url["url"].as_str().is_some_and(|url| url.ends_with(&format!("/r/{}", id(2)))), "{url}");
}

#[tokio::test]
async fn traces_are_their_roots_with_what_the_whole_amounts_to() {
    let (server, project) = two_turns().await;
    let body = json!({ "project_id": project, "min_start_time": SINCE, "selects": ["NAME"] });
    let found = server.post("/v2/traces/query", body).await.ok();
    let items = found["items"].as_array().expect("items");
    assert_eq!(items[1]["root_run"], json!({ "id": id(1), "trace_id": id(1), "name": "run 1" }));
    let aggregates = json!({ "total_tokens": 30, "total_cost": 3e-6, "first_token_time": null });
    assert_eq!(items[1]["trace_aggregates"], aggregates);
    let named = json!({ "project_id": project, "trace_ids": [id(21)] });
    let found = server.post("/v2/traces/query", named).await.ok();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    let runs = server.get(&format!("/v2/traces/{}/runs?project_id={project}", id(1))).await.ok();
    assert_eq!(ids(&runs), [id(1), id(2)]);
    let filter = "filter=eq(run_type,%22llm%22)";
    let some = server.get(&format!("/v2/traces/{}/runs?project_id={project}&{filter}", id(1))).await.ok();
    assert_eq!(ids(&some), [id(2)]);
}

#[tokio::test]
async fn threads_are_listed_with_their_traces_and_sums() {
    let (server, project) = two_turns().await;
    let body = json!({ "project_id": project, "min_start_time": SINCE });
    let found = server.post("/v2/threads/query", body).await.ok();
    let thread = &found["items"][0];
    for (key, expected) in [
        ("thread_id", json!("t")),
        ("count", json!(2)),
        ("first_trace_id", json!(id(1))),
        ("last_trace_id", json!(id(21))),
        ("first_inputs", json!("q1")),
        ("last_outputs", json!("a21")),
        ("num_errored_turns", json!(0)),
        ("total_tokens", json!(30)),
        ("total_cost", json!(3e-6)),
        ("min_start_time", json!("2026-03-01T10:00:01.500000Z")),
    ] {
        assert_eq!(thread[key], expected, "{key}");
    }
    let path = format!(
        "/v2/threads/t/traces?project_id={project}&selects=TURN_NUMBER&selects=TOTAL_TOKENS&page_size=1"
    );
    let first = server.get(&path).await.ok();
    assert_eq!(first["items"], json!([{ "turn_number": 1, "total_tokens": 30, "trace_id": id(1) }]));
    let cursor = first["next_cursor"].as_str().expect("another page");
    let second = server.get(&format!("{path}&cursor={cursor}")).await.ok();
    assert_eq!(second["items"], json!([{ "turn_number": 2, "total_tokens": 0, "trace_id": id(21) }]));
    assert!(second.get("next_cursor").is_none());
}

#[tokio::test]
async fn a_thread_adds_up_as_a_whole_and_in_part() {
    let (server, project) = two_turns().await;
    let selects = "selects=TURNS&selects=TOTAL_TOKENS&selects=LATENCY_P50&selects=PROMPT_TOKEN_DETAILS";
    let path = format!("/v2/threads/t/stats?session_id={project}&{selects}");
    let expected = json!({
        "turns": 2, "total_tokens": 30, "latency_p50_seconds": 60.0,
        "prompt_token_details": { "raw": { "cache_read": 4 } },
    });
    assert_eq!(server.get(&path).await.ok(), expected);
    let part = server.get(&format!("{path}&filter=eq(id,%22{}%22)", id(21))).await.ok();
    assert_eq!((&part["turns"], &part["total_tokens"]), (&json!(1), &json!(0)));
    server.get(&format!("/v2/threads/x/stats?session_id={project}&{selects}")).await.refused(404);

    let select = json!(["THREAD_COUNT", "TRACE_COUNT", "TOTAL_TOKENS", "ERROR_RATE"]);
    let body = json!({ "project_id": project, "min_start_time": SINCE, "select": select });
    let all = server.post("/v2/threads/stats", body).await.ok();
    assert_eq!(all, json!({ "thread_count": 1, "trace_count": 2, "total_tokens": 30, "error_rate": 0.0 }));
    server.post("/v2/threads/stats", json!({ "project_id": project })).await.refused(422);
}

#[tokio::test]
async fn a_shared_trace_is_public_until_it_is_not() {
    let (server, project) = two_turns().await;
    let body = json!({ "session_id": project, "trace_id": id(1) });
    let made = server.post(&format!("/v2/runs/{}/share", id(2)), body.clone()).await.ok();
    let token = made["share_token"].as_str().expect("a token").to_owned();
    let again = server.post(&format!("/v2/runs/{}/share", id(1)), body).await.ok();
    assert_eq!(again["share_token"], token);
    let wrong = json!({ "session_id": project, "trace_id": id(21) });
    server.post(&format!("/v2/runs/{}/share", id(1)), wrong).await.refused(404);

    let selects = json!({ "selects": ["ID", "APP_PATH"] });
    let shared = server.post(&format!("/v2/public/{token}/runs/query"), selects).await.ok();
    assert_eq!(shared["items"], json!([{ "id": id(1) }, { "id": id(2) }]));
    let one = server.get(&format!("/v2/public/{token}/run/{}?selects=NAME&start_time=x", id(2))).await.ok();
    assert_eq!(one, json!({ "name": "run 2" }));
    server.get(&format!("/v2/public/{token}/run/{}?selects=NAME", id(21))).await.refused(404);
    let url = server.get(&format!("/v2/runs/{}?project_id={project}&selects=SHARE_URL", id(1))).await.ok();
    assert!(
        url["share_url"].as_str().is_some_and(|url| url.ends_with(&format!("/public/{token}/r"))),
        "{url}"
    );

    for _ in 0..2 {
        let body = json!({ "session_id": project });
        let gone =
            server.send(json_request(Method::DELETE, &format!("/v2/runs/{}/share", id(1)), &body)).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
    }
    server.post(&format!("/v2/public/{token}/runs/query"), json!({})).await.refused(404);
}

#[tokio::test]
async fn a_shared_thread_is_public_until_it_is_not() {
    let (server, project) = two_turns().await;
    let path = "/v2/threads/t/share";
    let read = format!("{path}?project_id={project}");
    assert_eq!(server.get(&read).await.ok(), json!({}));
    let made = server.post(path, json!({ "project_id": project })).await.ok();
    assert_eq!(server.get(&read).await.ok(), made);
    let token = made["share_token"].as_str().expect("a token").to_owned();
    let shared = server.post(&format!("/v2/public/{token}/runs/query"), json!({})).await.ok();
    assert_eq!(ids(&shared), [id(1), id(2), id(21)]);
    let said = server.get(&format!("/public/{token}/messages")).await.ok();
    assert_eq!(said[0]["content"], "q1");
    server.post("/v2/threads/x/share", json!({ "project_id": project })).await.refused(404);
    assert_eq!(server.delete(&read).await.status, StatusCode::NO_CONTENT);
    server.get(&format!("/public/{token}/messages")).await.refused(404);
}
