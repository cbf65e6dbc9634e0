use serde_json::{Value, json};

use crate::testing::Server;

#[tokio::test]
async fn there_is_one_workspace_and_its_settings_agree() {
    let server = Server::new();
    let listed = server.get("/api/v1/workspaces").await.ok();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    for key in ["id", "created_at", "display_name", "is_personal", "is_deleted", "read_only"] {
        assert!(!listed[0][key].is_null(), "{key}");
    }
    let settings = server.get("/settings").await.ok();
    for key in ["id", "display_name", "created_at"] {
        assert_eq!(settings[key], listed[0][key], "{key}");
    }
    assert_eq!(settings.get("tenant_handle"), Some(&Value::Null));
    server.post("/workspaces", json!({"display_name": "another"})).await.refused(409);
}

#[tokio::test]
async fn the_workspace_has_the_name_and_handle_it_was_given() {
    let server = Server::new();
    let before = server.get("/settings").await.ok();
    let path = format!("/workspaces/{}", before["id"].as_str().expect("an id"));
    server.patch(&path, json!({"display_name": "Shop"})).await.ok();
    server.post("/settings/handle", json!({"tenant_handle": "shop-1"})).await.ok();
    let after = server.get("/settings").await.ok();
    assert_eq!((&after["display_name"], &after["tenant_handle"]), (&json!("Shop"), &json!("shop-1")));
    assert_eq!(after["created_at"], before["created_at"]);
    server.post("/settings/handle", json!({"tenant_handle": "A b"})).await.refused(422);
    server
        .patch("/workspaces/33c08c32-435c-4788-b973-b5bee4a31f87", json!({"display_name": "x"}))
        .await
        .refused(404);
}

#[tokio::test]
async fn secrets_go_in_and_only_names_come_out() {
    let server = Server::new();
    let path = "/workspaces/current/secrets";
    let body =
        json!([{"key": "OPENAI_API_KEY", "value": "sk-hidden"}, {"key": "ANTHROPIC_API_KEY", "value": "x"}]);
    let answer = server.post(path, body).await;
    answer.ok();
    assert!(!answer.text().contains("sk-hidden"));
    assert_eq!(server.get(path).await.ok(), json!([{"key": "ANTHROPIC_API_KEY"}, {"key": "OPENAI_API_KEY"}]));
    assert_eq!(server.app.secret("OPENAI_API_KEY").await.expect("a vault"), Some("sk-hidden".to_owned()));
    assert_eq!(server.app.secret("ELSE").await.expect("a vault"), None);

    server
        .post(
            path,
            json!([{"key": "OPENAI_API_KEY", "value": "new"}, {"key": "ANTHROPIC_API_KEY", "value": null}]),
        )
        .await
        .ok();
    assert_eq!(server.get(path).await.ok(), json!([{"key": "OPENAI_API_KEY"}]));
    assert_eq!(server.app.secret("OPENAI_API_KEY").await.expect("a vault"), Some("new".to_owned()));
}

#[tokio::test]
async fn no_file_of_the_store_holds_a_secret_in_the_clear() {
    let server = Server::new();
    server
        .post("/workspaces/current/secrets", json!([{"key": "K", "value": "sk-very-hidden-value"}]))
        .await
        .ok();
    let files = std::fs::read_dir(server.app.store.dir())
        .expect("a directory")
        .map(|file| file.expect("a file").path());
    let mut looked_at = 0;
    for file in files.filter(|file| file.is_file()) {
        let bytes = std::fs::read(&file).expect("readable");
        assert!(!bytes.windows(14).any(|window| window == b"sk-very-hidden"), "{}", file.display());
        looked_at += 1;
    }
    assert!(looked_at > 1);
}

#[tokio::test]
async fn a_refusal_does_not_repeat_the_secret() {
    let server = Server::new();
    let path = "/workspaces/current/secrets";
    for body in [
        json!([{"key": "K", "value": {"sk-hidden": 1}}]),
        json!({"key": "K", "value": "sk-hidden"}),
        json!(["sk-hidden"]),
        json!([{"key": "no spaces", "value": "sk-hidden"}]),
        json!([{"key": "", "value": "sk-hidden"}]),
        json!([{"key": "K", "value": "sk-hidden".repeat(10_000)}]),
    ] {
        let text = server.post(path, body).await.refused(422);
        assert!(!text.contains("sk-hidden"), "{text}");
    }
    // The one that is always told of.
    assert_eq!(server.get(path).await.ok(), json!([{"key": "OPENAI_API_KEY"}]));
    assert_eq!(server.app.secret("OPENAI_API_KEY").await.expect("a vault"), None);
}
