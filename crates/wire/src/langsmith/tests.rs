use serde_json::json;

use super::*;

const ROOT: &str = "33c08c32-435c-4788-b973-b5bee4a31f87";
const CHILD: &str = "44c08c32-435c-4788-b973-b5bee4a31f87";

fn one(record: Value) -> RunPatch {
    let decoded = runs(record, Names::everywhere(RunId::from_name("unnamed")));
    assert_eq!(decoded.rejected, []);
    decoded.patches.into_iter().next().expect("a run")
}

#[test]
fn the_dotted_order_says_where_a_run_stands() {
    let order = format!("20241013T070535809001Z{ROOT}.20241013T070536000000Z{CHILD}");
    let patch =
        one(json!({"id": CHILD, "dotted_order": order, "trace_id": null, "run_type": "LLM", "name": "m"}));
    assert_eq!(patch.id.to_string(), CHILD);
    assert_eq!(patch.parent.map(|id| id.to_string()).as_deref(), Some(ROOT));
    assert_eq!(patch.trace.map(|id| id.to_string()).as_deref(), Some(ROOT));
    assert_eq!(patch.start_time, time::parse("2024-10-13T07:05:36Z"));
    assert_eq!(patch.kind, Some(RunKind::Llm));
}

#[test]
fn a_run_without_parent_is_the_root_of_its_trace() {
    let patch = one(json!({"id": "not-a-uuid", "name": "x", "run_type": "chain", "inputs": {}}));
    assert_eq!(patch.id, RunId::from_name("not-a-uuid"));
    assert_eq!(patch.trace, Some(TraceId::from(patch.id)));
    assert!(patch.is_creation);
}

#[test]
fn explicit_nulls_are_absent_thread_keys() {
    let thread = |metadata: Value| {
        one(json!({"id": ROOT, "run_type": "chain", "extra": {"metadata": metadata}})).thread.map(|id| id.0)
    };
    assert_eq!(
        thread(json!({"thread_id": "t", "session_id": "s", "conversation_id": "c"})).as_deref(),
        Some("s")
    );
    assert_eq!(
        thread(json!({"thread_id": "t", "session_id": null, "conversation_id": ""})).as_deref(),
        Some("t")
    );
    assert_eq!(thread(json!({"thread_id": 7})).as_deref(), Some("7"));
    assert_eq!(thread(json!({})), None);
}

#[test]
fn an_unknown_run_type_is_rejected_by_name() {
    let decoded = runs(json!({"id": ROOT, "run_type": "agent"}), Names::everywhere(RunId::default()));
    assert_eq!(decoded.patches, []);
    assert!(
        decoded.rejected[0].reason.contains("unknown run_type \"agent\", expected one of llm,"),
        "{decoded:?}"
    );
}

#[test]
fn only_model_runs_have_tokens_of_their_own() {
    let record = |kind: &str| json!({"id": ROOT, "run_type": kind, "total_tokens": 9, "prompt_tokens": 5, "completion_tokens": 4, "total_cost": "0.5"});
    let usage = one(record("llm")).usage.expect("usage");
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (5, 4, 9));
    assert_eq!(usage.stated_cost.expect("a cost").total.to_string(), "0.5");
    assert_eq!(one(record("chain")).usage, None);
    let tool = one(
        json!({"id": ROOT, "run_type": "tool", "extra": {"metadata": {"usage_metadata": {"total_cost": 0.25}}}}),
    );
    assert_eq!(tool.usage.and_then(|usage| usage.stated_cost).expect("a cost").total.to_string(), "0.25");
}

#[test]
fn a_chain_that_hands_on_the_answer_of_a_model_costs_nothing_itself() {
    let usage = json!({"input_tokens": 1, "output_tokens": 2, "total_cost": 0.25});
    let patch =
        one(json!({"id": ROOT, "run_type": "chain", "extra": {"metadata": {"usage_metadata": usage}},
        "outputs": {"role": "assistant", "content": "hi", "usage_metadata": usage}}));
    assert_eq!(patch.usage, None);
}

#[test]
fn the_first_new_token_gives_the_time_to_it() {
    let patch = one(json!({"id": ROOT, "run_type": "llm", "events": [
        {"name": "start", "time": "2026-01-01T00:00:00Z"}, {"name": "new_token", "time": "2026-01-01T00:00:01Z"},
        {"name": "new_token", "time": "2026-01-01T00:00:02Z"}]}));
    assert_eq!(patch.first_token_time, time::parse("2026-01-01T00:00:01Z"));
}

#[test]
fn files_are_kept_by_reference() {
    let patch = one(json!({"id": ROOT, "run_type": "chain", "inputs": null,
        "s3_urls": {"attachment.a.png": {"presigned_url": "https://x/a", "mime_type": "image/png"}, "ROOT": {"presigned_url": "y"}},
        "inputs_s3_urls": {"ROOT": {"presigned_url": "https://x/in"}}}));
    let names: Vec<_> =
        patch.attachments.iter().map(|file| (file.name.as_str(), file.reference.as_str())).collect();
    assert_eq!(names, [("a.png", "https://x/a"), ("inputs", "https://x/in")]);
}

#[test]
fn a_status_of_error_without_a_message_is_still_an_error() {
    assert_eq!(
        one(json!({"id": ROOT, "status": "error"})).error.as_deref(),
        Some("failed without a message")
    );
    assert_eq!(one(json!({"id": ROOT, "status": "success", "error": null})).error, None);
}

#[test]
fn nested_children_become_runs_of_the_same_trace() {
    let decoded = runs(
        json!({"id": "a", "name": "a", "run_type": "chain", "child_runs": [
            {"id": "b", "name": "b", "run_type": "chain", "child_runs": [{"id": "c", "name": "c", "run_type": "llm"}]},
            {"id": "d", "name": "d", "run_type": "tool"}]}),
        Names::everywhere(RunId::default()),
    );
    let names: Vec<_> = decoded.patches.iter().filter_map(|patch| patch.name.as_deref()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    assert!(decoded.patches.iter().all(|patch| patch.trace == Some(RunId::from_name("a").into())));
    assert_eq!(decoded.patches[2].parent, Some(RunId::from_name("b")));
}

#[test]
fn batches_hold_creations_and_updates() {
    let decoded = runs(
        json!({"post": [{"id": ROOT, "name": "x", "run_type": "llm", "start_time": 1728803135809_i64, "session_name": "p"}],
            "patch": [{"id": ROOT, "end_time": 1728803136663_i64, "outputs": {"usage_metadata": {"input_tokens": 1, "output_tokens": 2}}}]}),
        Names::everywhere(RunId::default()),
    );
    assert_eq!(decoded.patches.iter().map(|patch| patch.is_creation).collect::<Vec<_>>(), [true, false]);
    assert_eq!(decoded.patches[0].project_name.as_deref(), Some("p"));
    assert_eq!(decoded.patches[1].trace, None);
    assert_eq!(decoded.patches[1].usage.as_ref().map(|usage| usage.total_tokens), Some(3));
}

#[test]
fn feedback_keeps_scores_labels_and_comments() {
    let decoded = feedback(
        json!([{"id": CHILD, "run_id": ROOT, "key": "good", "score": true, "comment": "yes", "feedback_source": {"type": "app"}},
            {"run_id": ROOT, "key": "kind", "score": "rude", "created_at": "2026-01-01"},
            {"key": "lost", "score": 1}, {"score": 1}, 7]),
        Names::everywhere(RunId::from_name("unnamed")),
    );
    let found: Vec<_> =
        decoded.feedback.iter().map(|one| (one.key.as_str(), one.score, one.value.clone())).collect();
    assert_eq!(found, [("good", Some(1.0), None), ("kind", None, Some(json!("rude")))]);
    assert_eq!(decoded.feedback[0].id.to_string(), CHILD);
    assert_eq!(decoded.feedback[0].source.as_deref(), Some("app"));
    assert_eq!(decoded.rejected.len(), 3);
}

#[test]
fn odd_records_never_panic() {
    for odd in [
        json!(null),
        json!(3),
        json!([[]]),
        json!({"post": [1]}),
        json!({"id": {}, "extra": [], "events": {}, "tags": "x"}),
        json!({"id": ROOT, "dotted_order": "éééééééééééééééééééééééééééééééééééé"}),
        json!({"id": ROOT, "dotted_order": "."}),
    ] {
        let _ = runs(odd.clone(), Names::everywhere(RunId::default()));
        let _ = feedback(odd, Names::everywhere(RunId::default()));
    }
}
