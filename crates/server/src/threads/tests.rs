use serde_json::{Value, json};

use crate::runs::tests::{id, run};
use crate::testing::Server;

/// A thread of two turns, and a trace of its own.
fn conversation() -> Server {
    let turn = |question: &str, history: Value, answer: &str| {
        let mut messages = history.as_array().cloned().unwrap_or_default();
        messages.push(json!({ "role": "user", "content": question }));
        json!({
            "extra": { "metadata": { "thread_id": "t/1 ü", "session_id": null } },
            "inputs": { "messages": messages },
            "outputs": { "messages": [{ "role": "assistant", "content": answer }] },
        })
    };
    let history = json!([{ "role": "user", "content": "one?" }, { "role": "assistant", "content": "1" }]);
    let server = Server::new();
    server.keep(json!([
        run(1, None, 1, turn("one?", Value::Null, "1")),
        run(2, None, 2, turn("two?", history, "2")),
        run(3, None, 3, json!({})),
    ]));
    server
}

const THREAD: &str = "t%2F1%20%C3%BC";

#[tokio::test]
async fn a_conversation_is_read_without_what_turns_repeat() {
    let server = conversation();
    let found = server.get(&format!("/api/v1/threads/{THREAD}/messages?project=p")).await.ok();
    assert_eq!(found["thread_id"], "t/1 ü");
    let said: Vec<(&str, &str)> = found["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .filter_map(|message| Some((message["role"].as_str()?, message["content"].as_str()?)))
        .collect();
    assert_eq!(said, [("user", "one?"), ("assistant", "1"), ("user", "two?"), ("assistant", "2")]);
    assert_eq!(found["trace_ids"], json!([id(1), id(2)]));
    let project = server.project_id("p").await;
    let by_id = server.get(&format!("/threads/{THREAD}/messages?project_id={project}")).await.ok();
    assert_eq!(by_id, found);
}

#[tokio::test]
async fn a_trace_of_its_own_is_read_by_its_id() {
    let server = conversation();
    let found = server.get(&format!("/threads/{}/messages?project=p", id(3))).await.ok();
    assert_eq!(found["messages"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let server = conversation();
    let text = server.get("/threads/x/messages?project=p").await.refused(404);
    assert!(text.contains(r#"thread \"x\""#), "{text}");
    server.get(&format!("/threads/{THREAD}/messages?project=q")).await.refused(404);
    server.get(&format!("/threads/{THREAD}/messages")).await.refused(422);
}

#[tokio::test]
async fn a_thread_is_previewed_in_the_forms_asked_for() {
    let server = conversation();
    let project = server.project_id("p").await;
    let path = format!("/runs/threads/{THREAD}?session_id={project}");
    let one = server.get(&format!("{path}&select=first_human_last_ai")).await.ok();
    assert_eq!(one["previews"], json!({ "first_human_last_ai": "human: one?\n\nai: 2" }));
    assert_eq!(server.get(&path).await.ok()["previews"].as_object().map(serde_json::Map::len), Some(3));
    server.get(&format!("{path}&select=haiku")).await.refused(422);
}

#[tokio::test]
async fn threads_are_listed_with_what_they_add_up_to() {
    let server = conversation();
    let found = server.get("/threads?project=p").await.ok();
    assert_eq!((&found["total"], &found["next_cursor"]), (&json!(1), &Value::Null));
    let thread = &found["threads"][0];
    assert_eq!(
        (&thread["thread_id"], &thread["traces"], &thread["errors"]),
        (&json!("t/1 ü"), &json!(2), &json!(0))
    );
    assert_eq!(thread["first_start_time"], "2026-03-01T10:00:01.500000+00:00");
    let all = server.get("/threads?project=p&with_single_traces=true&limit=1").await.ok();
    assert_eq!((&all["total"], all["threads"].as_array().map(Vec::len)), (&json!(2), Some(1)));
    let next = all["next_cursor"].as_str().expect("another page");
    let rest = server.get(&format!("/threads?project=p&with_single_traces=true&cursor={next}")).await.ok();
    assert_eq!(rest["threads"].as_array().map(Vec::len), Some(1));
}
