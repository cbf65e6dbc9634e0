use serde_json::json;

use super::*;

fn one(record: Value) -> (RunPatch, Vec<Feedback>) {
    let decoded = decode(record, Names::everywhere(RunId::from_name("unnamed")));
    assert_eq!(decoded.rejected, []);
    (decoded.patches.into_iter().next().expect("a run"), decoded.feedback)
}

#[test]
fn a_history_becomes_one_root_run() {
    let (patch, _) = one(json!({
        "id": "t-1", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}],
        "metadata": {"channel": "web"}, "tags": ["a", 1], "model": "gpt-4o", "error": "cut off",
        "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:01:00Z"}));
    assert_eq!(patch.id, RunId::from_name("t-1"));
    assert_eq!(patch.trace, Some(patch.id.into()));
    assert_eq!(patch.thread, Some(ThreadId::from("t-1")));
    assert!(patch.is_creation);
    assert_eq!(patch.inputs, Some(json!({"messages": [{"role": "user", "content": "hi"}]})));
    assert_eq!(patch.outputs, Some(json!({"messages": [{"role": "assistant", "content": "ho"}]})));
    assert_eq!(
        Value::Object(patch.metadata.expect("metadata")),
        json!({"channel": "web", "ls_model_name": "gpt-4o"})
    );
    assert_eq!(patch.tags.as_deref(), Some(&["a".to_owned()][..]));
    assert_eq!(patch.error.as_deref(), Some("cut off"));
    assert_eq!(patch.end_time, time::parse("2026-01-01T00:01:00Z"));
}

#[test]
fn a_chat_that_was_written_down_is_not_running() {
    for times in [json!({}), json!({"created_at": "2026-01-01T00:00:00Z"})] {
        for last in ["user", "assistant"] {
            let mut record = json!({"id": "t-1", "messages": [{"role": last, "content": "hi"}]});
            record.as_object_mut().expect("an object").extend(times.as_object().expect("an object").clone());
            let (patch, _) = one(record);
            assert_eq!(
                (patch.end_time, patch.extra),
                (None, Some(Map::from_iter([(ENDED.into(), true.into())])))
            );
        }
    }
    let (patch, _) =
        one(json!({"messages": [{"role": "user", "content": "hi"}], "end_time": "2026-01-01T00:01:00Z"}));
    assert_eq!(patch.extra, None);
}

#[test]
fn gold_labels_and_unknown_keys_are_not_ingested() {
    let (patch, feedback) = one(
        json!({"id": "x", "messages": [{"role": "user", "content": "hi"}], "labels": {"l1": "secret"}, "success": "secret"}),
    );
    assert!(!format!("{patch:?}{feedback:?}").contains("secret"));
}

#[test]
fn a_stated_thread_wins_over_the_id() {
    let thread = |record: Value| one(record).0.thread.map(|id| id.0);
    let messages = json!([{"role": "user", "content": "hi"}]);
    assert_eq!(thread(json!({"id": "a", "thread_id": "t", "messages": messages})).as_deref(), Some("t"));
    assert_eq!(thread(json!({"id": 7, "messages": messages})).as_deref(), Some("7"));
    assert_eq!(thread(json!({"metadata": {"session_id": "s"}, "messages": messages})).as_deref(), Some("s"));
    assert_eq!(thread(messages), None);
}

#[test]
fn pairs_and_other_names_for_messages_are_read() {
    for record in [
        json!({"prompt": "hi", "completion": "ho"}),
        json!({"input": "hi", "output": "ho"}),
        json!({"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]}),
        json!({"messages": "[{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": \"ho\"}]"}),
        json!([[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]]),
    ] {
        let (patch, _) = one(record.clone());
        let said = |value: Option<Value>| value.map(|value| assay_transcript::messages(&value)[0].text());
        assert_eq!(
            (said(patch.inputs).as_deref(), said(patch.outputs).as_deref()),
            (Some("hi"), Some("ho")),
            "{record}"
        );
    }
}

#[test]
fn feedback_is_an_object_or_a_list() {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let (_, feedback) = one(
        json!({"messages": messages, "feedback": {"good": true, "stars": {"score": 4, "comment": "ok"}, "kind": "rude", "none": null}}),
    );
    let found: Vec<_> = feedback.iter().map(|one| (one.key.as_str(), one.score, one.value.clone())).collect();
    assert_eq!(
        found,
        [("good", Some(1.0), None), ("stars", Some(4.0), None), ("kind", None, Some(json!("rude")))]
    );
    let (_, feedback) = one(
        json!({"messages": messages, "feedback": [{"key": "good", "score": 0.5}, {"key": "good", "label": "x"}, 3]}),
    );
    assert_eq!(feedback.len(), 2);
    assert_ne!(feedback[0].id, feedback[1].id);
}

#[test]
fn tool_errors_and_message_times_are_kept() {
    let (patch, _) = one(json!([
        {"role": "user", "content": "hi", "timestamp": "2026-01-01T00:00:00Z"},
        {"role": "tool", "content": "x", "returncode": 1, "timestamp": "2026-01-01T00:00:09Z"}]));
    assert_eq!(patch.outputs, None);
    assert_eq!(
        (patch.start_time, patch.end_time),
        (time::parse("2026-01-01"), time::parse("2026-01-01T00:00:09Z"))
    );
    let read = assay_transcript::messages(&patch.inputs.expect("inputs"));
    assert_eq!(read[1].error.as_deref(), Some("exit code 1"));
}

#[test]
fn histories_without_messages_are_rejected() {
    for record in [
        json!({"id": "x", "messages": []}),
        json!([]),
        json!({"id": "x"}),
        json!("hi"),
        json!({"messages": [{}]}),
    ] {
        let decoded = decode(record.clone(), Names::everywhere(RunId::default()));
        assert_eq!((decoded.patches.len(), decoded.rejected.len()), (0, 1), "{record}");
    }
}
