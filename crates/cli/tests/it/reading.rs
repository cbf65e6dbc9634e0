//! Where input may come from: files, folders, patterns, standard input, packed or not.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::{Place, histories, said, threads, trace};

const REPORT: &str = "--project p --json --no-files";

/// Asserts that the command reads the same 24 histories as any other way does.
#[track_caller]
fn check(place: &Place, files: &str, input: &[u8]) {
    let expected: Vec<String> = (0..24).map(|index| format!("thread-{index:05}")).collect();
    let ended = place.assay_with(&format!("report {files} {REPORT}"), input).ok();
    assert_eq!(threads(&ended.json()), expected, "{files}");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(text.as_bytes()).expect("packing");
    out.finish().expect("packing")
}

#[test]
fn a_file_a_pipe_and_packed_files_read_alike() {
    let place = Place::new();
    let text = histories(24).join("\n");
    place.write("plain.jsonl", &text);
    place.write("packed.jsonl.gz", gzip(&text));
    place.write("packed.jsonl.zst", zstd::encode_all(text.as_bytes(), 3).expect("packing"));
    check(&place, "plain.jsonl", b"");
    check(&place, "packed.jsonl.gz", b"");
    check(&place, "packed.jsonl.zst", b"");
    check(&place, "-", text.as_bytes());
    check(&place, "-", &gzip(&text));
}

#[test]
fn the_name_of_a_file_does_not_decide_what_it_is() {
    let place = Place::new();
    let text = histories(24).join("\n");
    place.write("packed-but-named-plain.jsonl", gzip(&text));
    check(&place, "packed-but-named-plain.jsonl", b"");
}

#[test]
fn an_array_a_wrapper_and_pretty_printed_json_read_alike() {
    let place = Place::new();
    let lines = histories(24);
    let array = format!("[{}]", lines.join(","));
    let pretty = serde_json::from_str::<serde_json::Value>(&array).expect("JSON");
    place.write("array.json", &array);
    place.write("pretty.json", serde_json::to_string_pretty(&pretty).expect("JSON"));
    place.write("wrapped.json", format!("{{\"threads\": {array}}}"));
    place.write("crlf.jsonl", lines.join("\r\n\r\n"));
    for file in ["array.json", "pretty.json", "wrapped.json", "crlf.jsonl"] {
        check(&place, file, b"");
    }
}

#[test]
fn folders_patterns_and_several_files_are_read_together() {
    let place = Place::new();
    let lines = histories(24);
    place.write("in/a.jsonl", lines[..8].join("\n"));
    place.write("in/b.jsonl.gz", gzip(&lines[8..16].join("\n")));
    place.write("in/deeper/c.json", lines[16..].join("\n"));
    check(&place, "in", b"");
    check(&place, "in/*.jsonl in/*.gz in/deeper", b"");
    check(&place, "in/**/*.json*", b"");
    check(&place, "in/deeper/c.json in/b.jsonl.gz in/a.jsonl", b"");
    check(&place, "in/deeper/c.json in/b.jsonl.gz -", lines[..8].join("\n").as_bytes());
}

#[test]
fn runs_and_histories_may_share_a_file() {
    let place = Place::new();
    let mut lines = vec![said("a-chat", "hello")];
    lines.extend(trace(1));
    place.write("mixed.jsonl", lines.join("\n"));
    let report = place.assay(&format!("report mixed.jsonl {REPORT}")).ok().json();
    assert_eq!(threads(&report), ["a-chat", "run-thread-1"]);
}

#[test]
fn spans_are_read_from_json() {
    let place = Place::new();
    let span = |id: &str, parent: &str, name: &str, attributes: &str| {
        format!(
            r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"{id}","parentSpanId":"{parent}","name":"{name}","kind":1,"startTimeUnixNano":"1790000000000000000","endTimeUnixNano":"1790000001000000000","attributes":[{attributes}]}}"#
        )
    };
    let text = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    let model = [
        text("gen_ai.operation.name", "chat"),
        text("gen_ai.prompt.0.role", "user"),
        text("gen_ai.prompt.0.content", "book a table for two"),
        text("gen_ai.completion.0.role", "assistant"),
        text("gen_ai.completion.0.content", "booked"),
    ]
    .join(",");
    place.write(
        "spans.json",
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[]}},"scopeSpans":[{{"spans":[{},{}]}}]}}]}}"#,
            span("0000000000000001", "", "agent", ""),
            span("0000000000000002", "0000000000000001", "chat", &model),
        ),
    );
    let report = place.assay(&format!("report spans.json {REPORT}")).ok().json();
    assert_eq!(report["assignments"][0]["request"], "book a table for two");
    let counts = place.assay("import spans.json --project spans --json").ok().json();
    assert_eq!(counts["new_runs"], 2);
}

#[test]
fn a_format_that_is_given_overrules_what_the_record_looks_like() {
    let place = Place::new();
    place.write("runs.jsonl", trace(1).join("\n"));
    place.assay("import runs.jsonl --project p --format langsmith").ok();
    place
        .assay("import runs.jsonl --project q --format langsmith-feedback")
        .fails_with(&["runs.jsonl", "feedback"]);
}

#[test]
fn names_that_lead_nowhere_are_errors_that_name_them() {
    let place = Place::new();
    std::fs::create_dir(place.path("hollow")).expect("a folder");
    place.write("broken.jsonl.gz", &gzip(&histories(24).join("\n"))[..200]);
    for (file, words) in [
        ("nowhere.jsonl", ["nowhere.jsonl", ""]),
        ("*.nothing", ["*.nothing", "no file"]),
        ("hollow", ["hollow", "no files"]),
        ("broken.jsonl.gz", ["broken.jsonl.gz", ""]),
    ] {
        place.assay(&format!("report {file} {REPORT}")).fails_with(&words);
    }
}
