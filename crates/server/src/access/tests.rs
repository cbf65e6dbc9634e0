//! Access as a client sees it.

use axum::body::Body;
use chrono::{TimeDelta, Utc};
use http::HeaderValue;
use serde_json::{Value, json};

use super::keys::{NewKey, create};
use super::*;
use crate::testing::{Answer, Server, request};

/// A server and the text of a key per role.
async fn with_keys() -> (Server, [String; 3]) {
    let server = Server::new();
    let mut texts = Vec::new();
    for role in Role::ALL {
        let new = NewKey { description: role.to_string(), role, expires_at: None };
        texts.push(create(&server.app.store, new, Utc::now()).await.expect("made").1);
    }
    (server, texts.try_into().expect("three"))
}

async fn send(server: &Server, method: Method, path: &str, header: (&'static str, &str)) -> Answer {
    let mut request = request(method, path, Body::from("{}"));
    request.headers_mut().insert(header.0, HeaderValue::from_str(header.1).expect("a header"));
    server.send(request).await
}

#[tokio::test]
async fn without_any_key_the_owner_of_the_machine_needs_none() {
    let server = Server::new();
    assert_eq!(server.get("/api-keys").await.ok(), json!([]));
    // Clients send some text because they insist on having one.
    send(&server, Method::GET, "/api-keys", ("x-api-key", "any")).await.ok();
    send(&server, Method::GET, "/api-keys", ("host", "evil.example")).await.refused(403);
    send(&server, Method::GET, "/info", ("host", "evil.example")).await.ok();
}

#[tokio::test]
async fn with_a_key_everybody_needs_one() {
    let (server, [viewer, editor, admin]) = with_keys().await;
    let text = server.get("/api-keys").await.refused(401);
    assert!(text.contains("x-api-key"), "{text}");
    send(&server, Method::GET, "/api-keys", ("x-api-key", "any")).await.refused(401);
    send(&server, Method::GET, "/api-keys", ("authorization", "Basic abc")).await.refused(401);
    let bearer = format!("Bearer {viewer}");
    send(&server, Method::GET, "/metrics", ("authorization", &bearer)).await;
    for (key, expected) in [(&viewer, 403), (&editor, 403), (&admin, 200)] {
        let answer = send(&server, Method::GET, "/api-keys", ("x-api-key", key)).await;
        assert_eq!(answer.status.as_u16(), expected, "{}", answer.text());
    }
    // No key, or a wrong one, keeps nobody from asking what this is.
    server.get("/info").await.ok();
    send(&server, Method::GET, "/info", ("x-api-key", "nonsense")).await.ok();
}

#[tokio::test]
async fn who_has_a_key_may_come_from_anywhere() {
    let (server, [viewer, ..]) = with_keys().await;
    let mut request = request(Method::GET, "/metrics", Body::empty());
    for (name, value) in
        [("x-api-key", viewer.as_str()), ("host", "evil.example"), ("origin", "https://evil.example")]
    {
        request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header"));
    }
    server.send(request).await;
}

#[tokio::test]
async fn a_key_is_shown_once_and_ends_when_revoked() {
    let server = Server::new();
    let made = server.post("/api/v1/api-keys", json!({ "description": "ci", "role": "admin" })).await.ok();
    let key = made["key"].as_str().expect("the key");
    let listed = send(&server, Method::GET, "/api-keys", ("x-api-key", key)).await.ok();
    assert_eq!(listed[0]["short_key"], made["short_key"]);
    assert!(listed[0].get("key").is_none() && !listed.to_string().contains(key));
    assert!(listed[0]["last_used_at"].is_string(), "{listed}");
    let path = format!("/api-keys/{}", made["id"].as_str().expect("an id"));
    send(&server, Method::DELETE, &path, ("x-api-key", key)).await.ok();
    let text = send(&server, Method::GET, "/api-keys", ("x-api-key", key)).await.refused(401);
    assert!(text.contains("revoked"), "{text}");
    server.get("/api-keys").await.refused(401);
}

#[tokio::test]
async fn keys_that_make_no_sense_are_refused() {
    let server = Server::new();
    server.post("/api-keys", json!({ "role": "owner" })).await.refused(422);
    server.post("/api-keys", json!({ "expires_at": Utc::now() - TimeDelta::days(1) })).await.refused(422);
    server.delete("/api-keys/not-an-id").await.refused(422);
    server.delete("/api-keys/6d6f6e6f-6e6f-4000-8000-6e6f6e6f6e6f").await.refused(404);
}

#[tokio::test]
async fn keys_open_their_own_workspace() {
    let (server, [viewer, ..]) = with_keys().await;
    for (workspace, expected) in
        [(WORKSPACE.to_string(), 200), (Uuid::nil().to_string(), 403), ("x".to_owned(), 403)]
    {
        let mut request = request(Method::GET, "/metrics", Body::empty());
        request.headers_mut().insert("x-api-key", HeaderValue::from_str(&viewer).expect("a header"));
        request.headers_mut().insert("x-tenant-id", HeaderValue::from_str(&workspace).expect("a header"));
        assert_eq!(server.send(request).await.status.as_u16(), expected, "{workspace}");
    }
}

#[tokio::test]
async fn what_was_done_is_written_down_without_content() {
    let server = Server::new();
    let made =
        server.post("/api-keys", json!({ "description": "a secret plan", "role": "admin" })).await.ok();
    let key = made["key"].as_str().expect("the key");
    send(
        &server,
        Method::DELETE,
        &format!("/api-keys/{}", made["id"].as_str().expect("id")),
        ("x-api-key", key),
    )
    .await
    .ok();
    server.get("/audit-logs").await.refused(401);
    let entries = audit::list(&server.app.store, 0, 10).await.expect("listed");
    let [(_, revoked), (_, created)] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((created.action.as_str(), created.actor.kind.as_str()), ("POST /api-keys", "anonymous"));
    assert_eq!(created.object["id"], made["id"]);
    assert!(!serde_json::to_string(created).expect("JSON").contains("secret plan"));
    assert_eq!((revoked.action.as_str(), revoked.actor.kind.as_str()), ("DELETE /api-keys/{key_id}", "key"));
    assert_eq!(revoked.object["key_id"], made["id"]);
    assert_eq!(revoked.actor.id.map(|id| Value::from(id.to_string())), Some(made["id"].clone()));
    assert_eq!(revoked.permission.as_deref(), Some("workspaces:manage"));
}

#[tokio::test]
async fn refusals_speak_the_language_of_their_area() {
    let detail = |method, path| shaped(unauthorized("no"), &method, path).into_response();
    for (method, path, field) in [
        (Method::GET, "/sessions", "detail"),
        (Method::POST, "/runs/multipart", "error"),
        (Method::PATCH, "/runs/{run_id}", "error"),
        (Method::POST, "/v2/runs/query", "title"),
    ] {
        let response = detail(method, path);
        let body = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert!(body.get(field).is_some(), "{path}: {body}");
    }
}

#[tokio::test]
async fn addresses_that_others_reach_need_keys() {
    let bind = async |listen: &str, allow_anonymous| {
        let config =
            Config { listen: listen.parse().expect("an address"), allow_anonymous, ..Config::default() };
        crate::bind(Server::with(config).app).await.map(|_| ())
    };
    bind("127.0.0.1:0", false).await.expect("loopback");
    let error = bind("0.0.0.0:0", false).await.expect_err("refused").to_string();
    assert!(error.contains("assay key create") && error.contains("--allow-anonymous"), "{error}");
    bind("0.0.0.0:0", true).await.expect("asked for");
    let config = Config { listen: "0.0.0.0:0".parse().expect("an address"), ..Config::default() };
    let server = Server::with(config);
    let new = NewKey { description: String::new(), role: Role::Admin, expires_at: None };
    create(&server.app.store, new, Utc::now()).await.expect("made");
    crate::bind(server.app).await.map(|_| ()).expect("there is a key");
}
