use assay_domain::{ProjectId, Run, RunKind};
use serde_json::json;

use super::*;

const RUN: &str = "33c08c32-435c-4788-b973-b5bee4a31f87";
const OTHER: &str = "44c08c32-435c-4788-b973-b5bee4a31f87";
const PROJECT: &str = "55c08c32-435c-4788-b973-b5bee4a31f87";

fn form(parts: &[(&str, &str, &str)]) -> Decoded {
    let mut body = String::new();
    for (name, kind, content) in parts {
        body += &format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n{content}\r\n"
        );
    }
    body += "--b--\r\n";
    multipart(body.as_bytes(), "b").expect("a form")
}

fn form_of_json(parts: &[(String, Value)]) -> Decoded {
    let texts: Vec<_> = parts.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
    form(&texts.iter().map(|(name, text)| (*name, "application/json", text.as_str())).collect::<Vec<_>>())
}

fn folded(decoded: &Decoded) -> Run {
    let mut run = Run::unknown(decoded.patches[0].id, ProjectId::default());
    decoded.patches.iter().for_each(|patch| run.apply(patch.clone()));
    run
}

fn refusals(decoded: &Decoded) -> Vec<String> {
    decoded.rejected.iter().map(|one| format!("{} | {}", one.location, one.reason)).collect()
}

#[test]
fn creation_and_update_of_a_run_in_one_form_are_put_together_whatever_their_order() {
    let order = format!("20261013T070535809001Z{RUN}");
    let decoded = form_of_json(&[
        (format!("patch.{RUN}.outputs"), json!({"o": "hi"})),
        (format!("patch.{RUN}.events"), json!([])),
        (
            format!("post.{RUN}.extra"),
            json!({"metadata": {"thread_id": "t1", "session_id": null}, "runtime": {"sdk": "x"}}),
        ),
        (
            format!("patch.{RUN}"),
            json!({"id": RUN, "name": "m", "run_type": "llm", "trace_id": RUN, "parent_run_id": null,
            "dotted_order": order, "tags": [], "session_id": null, "session_name": "p", "error": null,
            "start_time": "2026-10-13T07:05:34Z", "end_time": 1791875136663_i64}),
        ),
        (
            format!("post.{RUN}"),
            json!({"id": RUN, "start_time": "2026-10-13T07:05:34Z", "tags": ["a"], "dotted_order": order,
            "trace_id": RUN, "session_name": "p", "name": "m", "run_type": "llm"}),
        ),
        (format!("post.{RUN}.inputs"), json!({"x": "hi"})),
        (format!("post.{RUN}.outputs"), json!({})),
    ]);
    assert_eq!(decoded.rejected, []);
    assert_eq!(decoded.patches.iter().map(|patch| patch.is_creation).collect::<Vec<_>>(), [true, false]);
    let run = folded(&decoded);
    assert_eq!((run.inputs, run.outputs), (json!({"x": "hi"}), json!({"o": "hi"})));
    assert_eq!((run.tags, run.kind), (vec!["a".to_owned()], RunKind::Llm));
    assert_eq!(run.thread.map(|thread| thread.0).as_deref(), Some("t1"));
    assert_eq!(run.start_time, time::parse("2026-10-13T07:05:34Z"), "not the time of the dotted order");
    assert_eq!(run.extra["runtime"]["sdk"], "x");
}

#[test]
fn an_error_is_text_with_or_without_its_quotes() {
    for (given, expected) in
        [("\"boom\"", "boom"), ("boom \"x\"", "boom \"x\""), ("\"a\\ud800b\"", "a\u{fffd}b")]
    {
        let decoded = form(&[
            (&format!("post.{RUN}"), "application/json", "{}"),
            (&format!("post.{RUN}.error"), "application/json", given),
        ]);
        assert_eq!(decoded.patches[0].error.as_deref(), Some(expected));
    }
}

#[test]
fn files_join_the_latest_piece_of_their_run_or_stand_for_themselves() {
    let decoded = form(&[
        (&format!("attachment.{RUN}.a.b.png"), "image/png; length=3", "\u{1}\u{2}\r\n--bx"),
        (&format!("post.{RUN}"), "application/json", "{\"name\": \"x\"}"),
        (&format!("patch.{RUN}"), "application/json", "{}"),
        (&format!("attachment.{OTHER}.f"), "text/plain; charset=utf-8", "f"),
        (&format!("attachment.{OTHER}.g"), "text/plain", "g"),
    ]);
    assert_eq!(decoded.rejected, []);
    assert_eq!(decoded.patches.len(), 3);
    let files: Vec<_> = decoded.patches.iter().map(|patch| patch.attachments.len()).collect();
    assert_eq!(files, [0, 1, 2]);
    let file = &decoded.patches[1].attachments[0];
    assert_eq!(
        (file.name.as_str(), file.mime_type.as_deref(), file.size),
        ("a.b.png", Some("image/png"), Some(8))
    );
    let blob = decoded.blobs.iter().find(|(key, _)| Some(*key) == file.key()).expect("its content");
    assert_eq!(blob.1, b"\x01\x02\r\n--bx");
    assert_eq!(decoded.patches[2].attachments[0].mime_type.as_deref(), Some("text/plain; charset=utf-8"));
}

#[test]
fn files_inside_json_are_kept_and_other_bookkeeping_of_them_is_not() {
    let attachments = json!({
        "a": ["text/plain", "aGk="], "b": {"mime_type": "image/png", "data": "AAAA"},
        "c": ["text/plain", {"0": 7}], "d": ["text/plain"], "e": 7,
    });
    let body = json!({"id": RUN, "name": "x", "attachments": attachments}).to_string();
    let decoded = post(body.as_bytes()).expect("a run");
    assert_eq!(decoded.rejected, []);
    let files: Vec<_> = decoded.patches[0]
        .attachments
        .iter()
        .map(|file| (file.name.as_str(), file.mime_type.as_deref(), file.size))
        .collect();
    assert_eq!(files, [("a", Some("text/plain"), Some(2)), ("b", Some("image/png"), Some(3))]);
    let contents: Vec<&[u8]> = decoded.blobs.iter().map(|(_, content)| content.as_slice()).collect();
    assert_eq!(contents, [b"hi".as_slice(), b"\0\0\0"]);
}

#[test]
fn a_bad_run_takes_its_files_with_it_and_nothing_else() {
    let decoded = form(&[
        (&format!("post.{RUN}"), "application/json", "{\"run_type\": \"agent\"}"),
        (&format!("attachment.{RUN}.f"), "text/plain", "f"),
        (&format!("post.{OTHER}"), "application/json", "{\"run_type\": \"llm\"}"),
        (&format!("patch.{OTHER}"), "application/json", "[]"),
        ("post.nonsense", "application/json", "{}"),
        (&format!("post.{PROJECT}.colors"), "application/json", "{}"),
        ("color", "text/plain", "red"),
        ("attachment.x", "text/plain", "red"),
        ("feedback.x", "application/json", "{"),
    ]);
    assert_eq!(decoded.patches.len(), 1);
    assert_eq!(decoded.blobs, []);
    let said = refusals(&decoded);
    for (found, expected) in said.iter().zip([
        &format!("post.{RUN} | run {RUN}: unknown run_type \"agent\""),
        "post.nonsense | \"nonsense\" is no run id: not a UUID",
        &format!("post.{PROJECT} | part \"post.{PROJECT}.colors\": no field \"colors\""),
        &format!("patch.{OTHER} | part \"patch.{OTHER}\" must be a JSON object"),
        &format!("attachment.{RUN}.f | run {RUN} was not accepted"),
        "color | the names of parts begin with",
        "attachment.x | an attachment part is named",
        "feedback.x | not JSON",
    ]) {
        assert!(found.starts_with(expected), "{found:?} should begin with {expected:?}");
    }
    assert_eq!(said.len(), 8, "{said:?}");
}

#[test]
fn feedback_takes_its_id_from_the_record_else_from_its_part_unless_that_is_the_run() {
    let record = |id: Value| json!({"id": id, "run_id": RUN, "trace_id": RUN, "key": "k", "score": 0.5});
    let decoded = form_of_json(&[
        (format!("feedback.{OTHER}"), record(json!(PROJECT))),
        (format!("feedback.{OTHER}"), record(json!(null))),
        (format!("feedback.{RUN}"), record(json!(null))),
    ]);
    let ids: Vec<String> = decoded.feedback.iter().map(|feedback| feedback.id.to_string()).collect();
    assert_eq!(ids[..2], [PROJECT.to_owned(), OTHER.to_owned()]);
    assert!(ids[2] != RUN && ids[2] != OTHER);
    let again = form_of_json(&[(format!("feedback.{RUN}"), record(json!(null)))]);
    assert_eq!(again.feedback[0].id.to_string(), ids[2], "sending it again is the same feedback");
}

#[test]
fn a_batch_is_creations_then_updates_and_names_what_it_refuses() {
    let body = json!({"patch": [{"id": RUN, "end_time": "2026-10-13T07:05:34Z"}], "post": [
        {"id": RUN, "name": "x", "run_type": "chain", "session_id": PROJECT, "child_runs": [{"id": 7}], "attachments": {"a": "https://x"}},
        {"name": "no id"}, 7, {"id": OTHER, "run_type": "agent"}]});
    let decoded = batch(body.to_string().as_bytes()).expect("a batch");
    assert_eq!(decoded.patches.iter().map(|patch| patch.is_creation).collect::<Vec<_>>(), [true, false]);
    assert_eq!(decoded.patches[0].attachments, []);
    let run: RunId = RUN.parse().expect("an id");
    assert_eq!(decoded.projects.get(&run).map(ToString::to_string).as_deref(), Some(PROJECT));
    let said = refusals(&decoded);
    assert_eq!(said[..2], ["post[1] | a run without an id", "post[2] | a run must be an object"]);
    assert!(said[2].starts_with("post[3] | run 44c08c32"), "{said:?}");
    assert_eq!(batch(b"{\"post\": null}").expect("an empty batch"), Decoded::default());
}

#[test]
fn lone_surrogates_are_mended() {
    let body = format!("{{\"id\": \"{RUN}\", \"inputs\": {{\"x\": \"\\ud83d\"}}}}");
    let decoded = post(body.as_bytes()).expect("a run");
    assert_eq!((decoded.patches[0].inputs.clone(), decoded.repaired), (Some(json!({"x": "\u{fffd}"})), 1));
}

#[track_caller]
fn refused(mut fields: Value, reason: &str) {
    if fields.get("id").is_none() {
        fields["id"] = json!(RUN);
    }
    let decoded = post(fields.to_string().as_bytes()).expect("an object");
    assert_eq!(decoded.patches, []);
    assert!(decoded.rejected[0].reason.contains(reason), "{:?}", decoded.rejected);
}

#[test]
fn what_cannot_be_understood_is_refused_by_name() {
    refused(json!({"id": "x"}), "id \"x\" is not a UUID");
    refused(json!({"id": 7}), "id must be a UUID");
    refused(json!({"id": null}), "a run without an id");
    refused(json!({"start_time": "soon"}), "start_time \"soon\" is no date-time");
    refused(json!({"end_time": {}}), "end_time {} is no date-time");
    refused(json!({"extra": []}), "extra must be an object");
    refused(json!({"tags": "a"}), "tags must be a list");
    refused(json!({"dotted_order": "x"}), "does not consist of times and ids");
    refused(json!({"trace_id": "x"}), "trace_id \"x\" is not a UUID");
    refused(json!({"session_id": "x"}), "session_id \"x\" is not a UUID");
    refused(json!({"run_type": "agent"}), "unknown run_type \"agent\"");
    assert!(post(b"[]").expect_err("no object").contains("must be a JSON object"));
    assert!(post(b"{").expect_err("no JSON").starts_with("not JSON"));
    assert!(batch(b"{\"post\": {}}").expect_err("no list").contains("post must be a list"));
}

#[test]
fn a_patch_belongs_to_the_run_of_its_address() {
    let id: RunId = RUN.parse().expect("an id");
    let decoded = patch(id, br#"{"id": "other", "end_time": 1728803136663}"#).expect("a patch");
    assert_eq!(decoded.patches[0].id, id);
    let body = json!({"dotted_order": format!("20241013T070535809001Z{OTHER}")}).to_string();
    let decoded = patch(id, body.as_bytes()).expect("a patch");
    assert!(
        decoded.patches.is_empty() && decoded.rejected[0].reason.contains("its dotted_order is that of run")
    );
}

#[test]
fn an_address_stands_for_a_project() {
    for (address, project) in [
        ("lrn:agents/helper/environments/production", "helper/production"),
        ("lrn:agents/helper", "helper"),
        ("elsewhere", "elsewhere"),
    ] {
        let body = json!({"id": RUN, "address": address}).to_string();
        let decoded = post(body.as_bytes()).expect("a run");
        assert_eq!(decoded.patches[0].project_name.as_deref(), Some(project));
    }
}
