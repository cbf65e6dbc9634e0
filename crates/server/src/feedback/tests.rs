use assay_store::{Catalog as _, NewProject};
use serde_json::{Value, json};

use crate::testing::Server;

const RUN: &str = "018f2d4e-5b6c-7d8e-9fa0-b1c2d3e4f506";
const ID: &str = "33c08c32-435c-4788-b973-b5bee4a31f87";
const PROJECT: &str = "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9fa0b1c2";

async fn keys(server: &Server, query: &str) -> Vec<String> {
    let listed = server.get(&format!("/feedback?{query}")).await.ok();
    let text = |one: &Value| one["key"].as_str().unwrap_or_default().to_owned();
    let mut keys: Vec<_> = listed.as_array().expect("a list").iter().map(text).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn feedback_may_come_before_its_run_and_an_id_is_said_once() {
    let server = Server::new();
    for score in [json!(1), json!(true)] {
        let body = json!({"id": ID, "run_id": RUN, "trace_id": RUN, "key": "helpful", "score": score, "comment": "yes"});
        let given = server.post("/feedback", body).await.ok();
        assert_eq!(given["score"], score);
    }
    let listed = server.get(&format!("/api/v1/feedback?run={RUN}")).await.ok();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let one = server.get(&format!("/feedback/{ID}")).await.ok();
    assert_eq!(one, listed[0]);
    assert_eq!(one["score"], json!(true));
    assert_eq!(one["is_root"], json!(true));
    assert_eq!(one["feedback_source"]["type"], "api");
    assert!(one["created_at"].is_string() && one["modified_at"].is_string());
}

#[tokio::test]
async fn the_keys_clients_insist_on_are_there_even_when_null() {
    let server = Server::new();
    let given =
        server.post("/feedback", json!({"session_id": PROJECT, "run_id": null, "key": "summary"})).await.ok();
    for key in ["run_id", "trace_id", "score", "value", "comment", "correction"] {
        assert_eq!(given.get(key), Some(&Value::Null), "{key}");
    }
    assert_eq!(given["session_id"], PROJECT);
}

#[tokio::test]
async fn a_change_replaces_what_it_names_and_null_takes_back() {
    let server = Server::new();
    let body = json!({"id": ID, "run_id": RUN, "key": "k", "score": 1, "comment": "fine", "extra": {"a": 1}});
    let before = server.post("/feedback", body).await.ok();
    let path = format!("/feedback/{ID}");
    let after =
        server.patch(&path, json!({"score": 0.5, "comment": null, "correction": {"b": 2}})).await.ok();
    assert_eq!(after, server.get(&path).await.ok());
    assert_eq!((&after["score"], &after["comment"]), (&json!(0.5), &Value::Null));
    assert_eq!((&after["correction"], &after["extra"]), (&json!({"b": 2}), &json!({"a": 1})));
    assert_eq!(after["created_at"], before["created_at"]);
    assert!(after["modified_at"].as_str() > before["modified_at"].as_str());
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let server = Server::new();
    server.post("/feedback", json!({"id": ID, "run_id": RUN, "key": "k"})).await.ok();
    let path = format!("/feedback/{ID}");
    server.delete(&path).await.ok();
    server.get(&path).await.refused(404);
    server.patch(&path, json!({"score": 1})).await.refused(404);
    server.delete(&path).await.refused(404);
    server.get("/feedback/no-id").await.refused(422);
}

#[tokio::test]
async fn lists_can_be_narrowed() {
    let server = Server::new();
    let project =
        NewProject { id: PROJECT.parse().ok(), name: "experiment".to_owned(), ..NewProject::default() };
    server.app.store.create_project(project).await.expect("a project");
    for (key, more) in [
        ("a", json!({"run_id": RUN, "score": 1, "created_at": "2026-01-01T00:00:00Z"})),
        (
            "b",
            json!({"run_id": RUN, "comment": "x", "created_at": "2026-01-02T00:00:00Z",
            "feedback_source": {"type": "model", "user_id": ID}}),
        ),
        ("c", json!({"session_id": PROJECT, "score": 0, "created_at": "2026-01-03T00:00:00Z"})),
        (
            "d",
            json!({"run_id": ID, "comparative_experiment_id": PROJECT, "created_at": "2026-01-04T00:00:00Z"}),
        ),
    ] {
        let mut body = more;
        body["key"] = json!(key);
        server.post("/feedback", body).await.ok();
    }
    for (query, expected) in [
        ("", vec!["a", "b", "c", "d"]),
        (&format!("run={RUN}"), vec!["a", "b"]),
        (&format!("run={RUN}&run={ID}&key=b&key=d"), vec!["b", "d"]),
        (&format!("session={PROJECT}"), vec!["c"]),
        ("source=model&source=app", vec!["b"]),
        ("has_score=True", vec!["a", "c"]),
        ("has_score=false&has_comment=false", vec!["d"]),
        ("level=session", vec!["c"]),
        ("level=run&has_comment=true", vec!["b"]),
        (&format!("user={ID}"), vec!["b"]),
        (&format!("comparative_experiment_id={PROJECT}"), vec!["d"]),
        ("min_created_at=2026-01-02T00:00:00Z&max_created_at=2026-01-03T00:00:00Z", vec!["b", "c"]),
        ("limit=2&offset=1", vec!["b", "c"]),
        (&format!("user={ID}&offset=1"), vec![]),
    ] {
        assert_eq!(keys(&server, query).await, expected, "{query}");
    }
    server.get("/feedback?run=x").await.refused(422);
    server.get("/feedback?level=all").await.refused(422);
}

#[tokio::test]
async fn senseless_feedback_is_refused_with_the_reason() {
    let server = Server::new();
    for (body, why) in [
        (json!({"run_id": RUN}), "without a key"),
        (json!({"key": "k"}), "about nothing"),
        (json!({"key": "k", "run_id": RUN, "value": [1]}), "a list is no value"),
        (json!([]), "must be an object"),
        (json!({"key": "k", "run_id": RUN, "feedback_config": {"type": "odd"}}), "odd"),
    ] {
        let text = server.post("/feedback", body.clone()).await.refused(422);
        assert!(text.contains(why), "{body}: {text}");
    }
}

#[tokio::test]
async fn a_token_lets_somebody_without_a_key_speak() {
    let server = Server::new();
    let body = json!({"run_id": RUN, "feedback_key": "thumb", "expires_in": {"minutes": 5}});
    let token = server.post("/feedback/tokens", body.clone()).await.ok();
    let id = token["id"].as_str().expect("an id");
    let url = token["url"].as_str().expect("an address");
    assert!(url.ends_with(&format!("/feedback/tokens/{id}")), "{url}");
    assert_eq!(token["feedback_key"], "thumb");
    let several = server.post("/feedback/tokens", json!([body, body])).await.ok();
    assert_eq!(several.as_array().map(Vec::len), Some(2));
    let listed = server.get(&format!("/feedback/tokens?run_id={RUN}")).await.ok();
    assert_eq!(listed.as_array().map(Vec::len), Some(3));

    let said = json!({"score": 0.8, "comment": "good", "metadata": {"page": 3}});
    server.post(&format!("/feedback/tokens/{id}"), said).await.ok();
    server.get(&format!("/feedback/tokens/{id}?score=1&value=up&comment=%2B1")).await.ok();
    let listed = server.get(&format!("/feedback?run={RUN}")).await.ok();
    let said: Vec<_> = listed.as_array().expect("a list").iter().map(|one| one["score"].clone()).collect();
    assert_eq!(said, [json!(1), json!(0.8)]);
    assert_eq!((&listed[0]["value"], &listed[0]["comment"]), (&json!("up"), &json!("+1")));
    assert_eq!(listed[1]["feedback_source"]["metadata"], json!({"page": 3}));
}

#[tokio::test]
async fn a_page_elsewhere_may_give_feedback_with_a_token() {
    let server = Server::new();
    let body = json!({"run_id": RUN, "feedback_key": "thumb"});
    let token = server.post("/feedback/tokens", body).await.ok();
    let path = format!("/feedback/tokens/{}", token["id"].as_str().expect("an id"));
    let asked = |method: &str, body: &str| {
        http::Request::builder()
            .method(method)
            .uri(&path)
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type")
            .header("content-type", "application/json")
            .body(body.to_owned().into())
            .expect("a request")
    };
    for (method, body) in [("OPTIONS", ""), ("POST", r#"{"score": 1}"#)] {
        let answer = server.send(asked(method, body)).await;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*", "{method}");
    }
    let elsewhere = server.get(&format!("/feedback?run={RUN}")).await;
    assert!(!elsewhere.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn an_expired_or_unknown_token_is_worth_nothing() {
    let server = Server::new();
    let body = json!({"run_id": RUN, "feedback_key": "k", "expires_at": "2020-01-01T00:00:00Z"});
    let token = server.post("/feedback/tokens", body).await.ok();
    let path = format!("/feedback/tokens/{}", token["id"].as_str().expect("an id"));
    server.post(&path, json!({"score": 1})).await.refused(410);
    server.get(&path).await.refused(410);
    server.get(&format!("/feedback/tokens/{ID}?score=1")).await.refused(404);
    assert_eq!(server.get(&format!("/feedback/tokens?run_id={RUN}")).await.ok(), json!([]));
    assert_eq!(keys(&server, "").await, [""; 0]);
    let far = json!({"run_id": RUN, "feedback_key": "k", "expires_in": {"days": i64::MAX}});
    server.post("/feedback/tokens", far).await.refused(422);
}

#[tokio::test]
async fn looking_where_a_link_leads_is_no_opinion() {
    let server = Server::new();
    let token = server.post("/feedback/tokens", json!({"run_id": RUN, "feedback_key": "k"})).await.ok();
    let path = format!("/feedback/tokens/{}?score=1", token["id"].as_str().expect("an id"));
    let request = crate::testing::request(http::Method::HEAD, &path, axum::body::Body::empty());
    assert!(server.send(request).await.status.is_success());
    assert_eq!(keys(&server, "").await, [""; 0]);
}

#[tokio::test]
async fn a_config_said_twice_is_one_and_another_is_a_conflict() {
    let server = Server::new();
    let config = json!({"type": "continuous", "min": 0, "max": 1.0});
    let body = json!({"feedback_key": "k", "feedback_config": config, "is_lower_score_better": false});
    let made = server.post("/feedback-configs", body.clone()).await.ok();
    assert!(made["tenant_id"].is_string() && made["modified_at"].is_string());
    let changed = server
        .patch("/feedback-configs", json!({"feedback_key": "k", "is_lower_score_better": true}))
        .await
        .ok();
    assert_eq!(changed["is_lower_score_better"], json!(true));
    assert_eq!(server.post("/feedback-configs", body).await.ok(), changed);
    let other = json!({"feedback_key": "k", "feedback_config": {"type": "freeform"}});
    server.post("/feedback-configs", other).await.refused(409);
    let nonsense =
        json!({"feedback_key": "k", "feedback_config": {"type": "continuous", "min": 2, "max": 1}});
    server.post("/feedback-configs", nonsense).await.refused(422);

    assert_eq!(server.delete("/feedback-configs?feedback_key=k").await.status, 204);
    server.delete("/feedback-configs?feedback_key=k").await.refused(404);
    assert_eq!(server.get("/feedback-configs?key=k").await.ok(), json!([]));
}

#[tokio::test]
async fn a_key_learns_its_config_from_the_first_feedback_that_brings_one() {
    let server = Server::new();
    let categories = json!([{"value": 1.0, "label": "good"}, {"value": 0.0, "label": null}]);
    for kind in ["categorical", "freeform"] {
        let config = json!({"type": kind, "categories": categories});
        server.post("/feedback", json!({"run_id": RUN, "key": "mood", "feedback_config": config})).await.ok();
    }
    let listed = server.get("/feedback-configs?name_contains=moo").await.ok();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["feedback_config"]["type"], "categorical");
    assert_eq!(listed[0]["feedback_config"]["categories"], categories);
}
