//! Records nobody should send: each ends well, and the good ones beside it arrive.

use serde_json::{Value, json};

use crate::support::{Place, histories, said, shuffled, threads, trace};

/// What happened to a bad record.
struct Seen {
    report: Value,
    /// Everything but the report.
    notes: String,
    place: Place,
}

/// Puts bad bytes between four good histories and reports on them.
#[track_caller]
fn report(bad: impl AsRef<[u8]>, code: i32) -> Seen {
    let place = Place::new();
    let good: Vec<String> =
        (1..=4).map(|n| said(&format!("good-{n}"), &format!("where is my parcel number {n}?"))).collect();
    let mut bytes = format!("{}\n{}\n", good[0], good[1]).into_bytes();
    bytes.extend_from_slice(bad.as_ref());
    bytes.extend_from_slice(format!("\n{}\n{}\n", good[2], good[3]).as_bytes());
    place.write("in.jsonl", bytes);
    let ended = place.assay("report in.jsonl --project p --data store --out out").code(code);
    let report: Value = serde_json::from_slice(&place.read("out/report.json")).expect("report.json");
    for n in 1..=4 {
        let id = format!("good-{n}");
        assert!(threads(&report).contains(&id), "{id} is missing\n{}", ended.describe());
    }
    place.assay("insights verify out/report.json").ok();
    place.assay("doctor").ok();
    Seen { report, notes: ended.err(), place }
}

impl Seen {
    /// Every thread that is not one of the four good ones is accounted for: analysed, or skipped with a reason.
    fn others(&self) -> Vec<String> {
        let mut ids = threads(&self.report);
        let skipped = self.report["made"]["skipped"].as_array().expect("skipped");
        ids.extend(skipped.iter().filter_map(|one| Some(one["thread"].as_str()?.to_owned())));
        ids.retain(|id| !id.starts_with("good-"));
        ids
    }

    fn assignment(&self, thread: &str) -> &Value {
        let found =
            self.report["assignments"].as_array().into_iter().flatten().find(|one| one["thread"] == thread);
        found.unwrap_or_else(|| panic!("{thread} is not assigned: {:?}", threads(&self.report)))
    }
}

/// Every bad record is refused, with these words beside its place.
#[track_caller]
fn are_skipped(bad: &[(String, &str)]) {
    let records: Vec<&str> = bad.iter().map(|(record, _)| record.as_str()).collect();
    let seen = report(records.join("\n"), 3);
    for (index, (_, words)) in bad.iter().enumerate() {
        let place = format!("in.jsonl:{}: ", index + 3);
        let named = seen.notes.lines().find(|line| line.contains(&place));
        let named = named.unwrap_or_else(|| panic!("nobody names {place}: {}", seen.notes));
        assert!(named.contains(words), "no {words:?} in {named}");
        assert!(named.len() < 300, "a reason, not the record: {named}");
    }
    assert_eq!(seen.others(), Vec::<String>::new());
}

/// The bad record is read as the thread `bad`.
#[track_caller]
fn is_read(bad: impl AsRef<[u8]>) -> Seen {
    let seen = report(bad, 0);
    assert_eq!(seen.others(), ["bad"], "{}", seen.notes);
    seen
}

/// Every bad record is read: the first as the thread `bad-00`, and so on.
#[track_caller]
fn are_read(bad: &[impl AsRef<str>]) -> Seen {
    let (mut records, mut expected) = (Vec::new(), Vec::new());
    for (index, record) in bad.iter().enumerate() {
        expected.push(format!("bad-{index:02}"));
        records.push(record.as_ref().replace("\"bad\"", &format!("\"bad-{index:02}\"")));
    }
    let seen = report(records.join("\n"), 0);
    assert_eq!(seen.others(), expected, "{}", seen.notes);
    seen
}

#[test]
fn an_empty_file_is_an_error_that_says_so() {
    let place = Place::new();
    for (name, content) in [("empty.jsonl", ""), ("blank.jsonl", "\n\n  \n"), ("bom.jsonl", "\u{feff}")] {
        place.write(name, content);
        place.assay(&format!("report {name} --no-files")).fails_with(&[name, "empty"]);
        place.assay(&format!("import {name} --project p")).fails_with(&[name, "empty"]);
    }
    place.write("none.json", "[]");
    place.assay("report none.json --no-files").fails_with(&["none.json"]);
}

#[test]
fn one_thread_is_a_report() {
    let place = Place::new();
    place.write("one.jsonl", said("only", "hello"));
    for focus in ["usage", "errors"] {
        place.assay(&format!("report one.jsonl --out out --focus {focus}")).ok();
        let report: Value = serde_json::from_slice(&place.read("out/report.json")).expect("report.json");
        assert_eq!(threads(&report), ["only"]);
        assert_eq!(report["statistics"]["share"]["value"], 1.0);
        place.assay("insights verify out/report.json").ok();
    }
    for flags in
        ["--hierarchy 40,8", "--sample 1", "--sample 1 --sample-by errors", "--sample-by day --sample 10"]
    {
        let report = place.assay(&format!("report one.jsonl --no-files --json {flags}")).ok().json();
        assert_eq!(threads(&report), ["only"], "{flags}");
    }
}

#[test]
fn two_identical_threads_are_two_in_one_category() {
    let place = Place::new();
    let nameless =
        r#"{"messages":[{"role":"user","content":"hello there"},{"role":"assistant","content":"hello"}]}"#;
    place.write("two.jsonl", format!("{nameless}\n{nameless}\n"));
    let report = place.assay("report two.jsonl --no-files --json").ok().json();
    assert_eq!(threads(&report).len(), 2);
    assert_eq!(report["assignments"][0]["category"], report["assignments"][1]["category"]);
    place.write("same.jsonl", format!("{0}\n{0}\n", said("same", "hello")));
    let report = place.assay("report same.jsonl --no-files --json").ok().json();
    assert_eq!(threads(&report), ["same"], "one id is one thread");
}

#[test]
fn ten_thousand_identical_threads_are_one_category() {
    let place = Place::new();
    let nameless =
        r#"{"messages":[{"role":"user","content":"hello there"},{"role":"assistant","content":"hello"}]}"#;
    place.write("many.jsonl", format!("{nameless}\n").repeat(10_000));
    let report = place.assay("report many.jsonl --no-files --json").ok().json();
    let assignments = report["assignments"].as_array().expect("assignments");
    assert_eq!(assignments.len(), 10_000);
    assert!(assignments.iter().all(|one| one["category"] == assignments[0]["category"]));
    let texts = report["made"]["distinct_texts"].as_u64().expect("a count");
    assert!(texts <= 5, "{texts} different texts");
}

#[test]
fn a_thread_of_two_megabytes_is_read() {
    let long = "please refund the order that arrived broken ".repeat(50_000);
    let seen = is_read(said("bad", &long));
    assert!(seen.assignment("bad")["request"].as_str().is_some_and(|request| request.len() < 10_000));
    let turns: Vec<Value> = (0..20_000)
        .map(|n| json!({"role": if n % 2 == 0 { "user" } else { "assistant" }, "content": format!("turn {n}, again about the refund of my order, which is far too late, and so on")}))
        .collect();
    let record = json!({"id": "bad", "messages": turns}).to_string();
    assert!(record.len() > 2_000_000);
    is_read(record);
}

#[test]
fn no_messages_are_skipped_where_nothing_else_is_there() {
    are_skipped(&[
        (r#"{"id":"bad","messages":[]}"#.to_owned(), "history without messages"),
        ("{}".to_owned(), "an empty object"),
        ("null".to_owned(), "null"),
        (r#"{"id":"bad"}"#.to_owned(), "an object with id"),
    ]);
}

#[test]
fn a_run_without_messages_is_accounted_for() {
    let run = r#"{"id":"00000000-0000-4000-8000-000000000001","name":"quiet","run_type":"chain","start_time":"2026-09-01T00:00:00Z","inputs":{},"outputs":null,"extra":{"metadata":{"thread_id":"bad"}}}"#;
    let seen = report(run, 0);
    assert_eq!(seen.others(), ["bad"], "analysed, or skipped with a reason");
}

#[test]
fn only_tool_messages_or_only_a_system_prompt_are_read() {
    are_read(&[
        r#"{"id":"bad","messages":[{"role":"tool","name":"search","content":"42 hits","tool_call_id":"c"},{"role":"tool","name":"search","content":"none"}]}"#,
        r#"{"id":"bad","messages":[{"role":"system","content":"be nice"}]}"#,
        r#"{"id":"bad","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"search","arguments":"{not json"}}]}]}"#,
        r#"{"id":"bad","messages":[{"role":"user","content":""},{"role":"assistant","content":"   "}]}"#,
        r#"{"id":"bad","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#,
    ]);
    // Nothing but such threads.
    let place = Place::new();
    place.write(
        "tools.jsonl",
        r#"{"id":"t","messages":[{"role":"tool","name":"search","content":"42 hits"}]}"#,
    );
    let report = place.assay("report tools.jsonl --no-files --json").ok().json();
    assert_eq!(threads(&report), ["t"]);
}

#[test]
fn odd_shapes_of_messages_are_read_or_skipped_but_never_fatal() {
    let shapes = [
        "[null]",
        "[1, 2]",
        "[\"hi\"]",
        "[[]]",
        "[{}]",
        "[{\"role\":null}]",
        "{\"0\": \"a\"}",
        "\"[]\"",
        "7",
        "[{\"role\":\"user\",\"content\":{\"deep\":[1,{\"x\":null}]}}]",
        "[{\"role\":{\"a\":1},\"content\":3.5}]",
        "[{\"role\":\"user\",\"content\":[[[\"a\"]],null,{\"type\":7}]}]",
        "[{\"tool_calls\":\"x\"}]",
        "[{\"tool_calls\":[null,{\"function\":3}]}]",
    ];
    let place = Place::new();
    let mut lines: Vec<String> =
        shapes.iter().map(|shape| format!("{{\"id\":\"bad\",\"messages\":{shape}}}")).collect();
    lines.push(said("good", "hello"));
    place.write("in.jsonl", lines.join("\n"));
    let ended = place.assay("report in.jsonl --no-files --json").code(3);
    assert!(threads(&ended.json()).contains(&"good".to_owned()), "{}", ended.describe());
}

#[test]
fn invalid_utf8_is_mended_and_counted() {
    let mut record = br#"{"id":"bad","messages":[{"role":"user","content":"caf"#.to_vec();
    record.extend_from_slice(&[0xe9, b' ', 0xff, 0xc3, 0x28]);
    record.extend_from_slice(br#" please"}]}"#);
    let seen = is_read(record);
    assert!(seen.notes.contains("1 records had damaged text"), "{}", seen.notes);
    let shown = seen.place.assay("thread show bad --project p").ok().out();
    assert!(shown.contains("caf\u{fffd} \u{fffd}") && shown.contains("please"), "{shown}");
}

#[test]
fn lone_surrogates_are_mended() {
    let seen = is_read(
        r#"{"id":"bad","messages":[{"role":"user","content":"broken \ud83d emoji, \udc00 and whole \ud83d\ude00"}]}"#,
    );
    assert!(seen.notes.contains("damaged text"), "{}", seen.notes);
    let shown = seen.place.assay("thread show bad").ok().out();
    assert!(shown.contains("broken \u{fffd} emoji, \u{fffd} and whole \u{1f600}"), "{shown}");
}

#[test]
fn nul_bytes_are_harmless_wherever_they_are() {
    let seen = is_read(
        "{\"id\":\"bad\",\"messages\":[{\"role\":\"user\",\"content\":\"raw \0 and escaped \\u0000 NUL\"}],\"metadata\":{\"k\\u0000ey\":\"v\\u0000\"}}",
    );
    let shown = seen.place.assay("thread show bad").ok().out();
    assert!(!shown.contains('\0') && shown.contains("raw"), "{shown}");
    is_read(format!("\0\0\n{}\n\0", said("bad", "between NULs")));
    let seen = report(r#"{"id":"b\u0000d","messages":[{"role":"user","content":"hi"}]}"#, 0);
    assert_eq!(seen.others().len(), 1, "a NUL in an id");
}

#[test]
fn nesting_ten_thousand_deep_is_skipped() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    let in_metadata = format!(
        r#"{{"id":"bad","messages":[{{"role":"user","content":"x"}}],"metadata":{}}}"#,
        deep("{\"a\":", "}")
    );
    are_skipped(&[
        (format!(r#"{{"id":"bad","messages":{}}}"#, deep("[", "]")), "nested deeper than"),
        (in_metadata, "nested deeper than"),
        (deep("[", "]"), "nested deeper than"),
    ]);
    // An unclosed one swallows what follows at most; it must not take the stack.
    let place = Place::new();
    place.write("open.json", "[".repeat(200_000));
    place.assay("report open.json --no-files").code(1);
    // Inside a string that is parsed a second time.
    let arguments = json!(deep("[", "]"));
    is_read(format!(
        r#"{{"id":"bad","messages":[{{"role":"assistant","content":null,"tool_calls":[{{"id":"c","function":{{"name":"f","arguments":{arguments}}}}}]}}]}}"#
    ));
}

#[test]
fn nested_child_runs_within_the_limit_are_read() {
    let mut run = json!({"name": "leaf", "run_type": "tool", "id": "leaf"});
    for level in 0..50 {
        run = json!({"name": format!("step {level}"), "run_type": "chain", "id": format!("step-{level}"), "child_runs": [run]});
    }
    run["inputs"] = json!({"messages": [{"role": "user", "content": "dig deeper"}]});
    run["extra"] = json!({"metadata": {"thread_id": "bad"}});
    let seen = is_read(run.to_string());
    let runs = seen.place.assay("runs list --project p --limit 1000 --json").ok().json();
    assert_eq!(runs.as_array().map(Vec::len), Some(4 + 51));
}

#[test]
fn numbers_beyond_a_double_do_not_stop_anything() {
    let numbers = [
        "1e999",
        "-1e999",
        "123456789012345678901234567890123456789012345678901234567890",
        "1e-999",
        "-0.0",
        "NaN",
        "-Infinity",
    ];
    let records = numbers.map(|number| {
        format!(
            r#"{{"id":"bad","messages":[{{"role":"user","content":"count to the end"}}],"metadata":{{"n":{number}}},"feedback":{{"score":{number}}},"usage":{{"input_tokens":{number},"output_tokens":3}}}}"#
        )
    });
    let seen = are_read(&records);
    let text = seen.report.to_string();
    assert!(!text.contains("NaN") && !text.contains(":inf") && !text.contains("Infinity"), "{text}");
    for file in ["report.html", "report.md", "assignments.csv"] {
        let text = String::from_utf8(seen.place.read(&format!("out/{file}"))).expect("UTF-8");
        assert!(!text.contains("NaN %") && !text.contains("inf %") && !text.contains("$NaN"), "{file}");
    }
}

#[test]
fn costs_and_tokens_beyond_reason_do_not_overflow() {
    let run = |id: &str| {
        format!(
            r#"{{"id":"{id}","name":"m","run_type":"llm","inputs":{{"messages":[{{"role":"user","content":"hi"}}]}},"prompt_tokens":18446744073709551615,"completion_tokens":18446744073709551615,"total_tokens":18446744073709551615,"total_cost":"79228162514264337593543950335","extra":{{"metadata":{{"thread_id":"bad"}}}}}}"#
        )
    };
    is_read(format!("{}\n{}", run("a"), run("b")));
}

#[test]
fn negative_latency_is_unknown_latency() {
    let seen = is_read(
        r#"{"id":"bad","messages":[{"role":"user","content":"hi"}],"start_time":"2026-09-02T00:00:00Z","end_time":"2026-09-01T00:00:00Z"}"#,
    );
    assert!(seen.assignment("bad")["latency"].is_null(), "{}", seen.assignment("bad"));
    assert!(seen.report["statistics"]["latency"].is_null());
}

#[test]
fn missing_and_senseless_times_are_unknown() {
    let record =
        |times: &&str| format!(r#"{{"id":"bad","messages":[{{"role":"user","content":"hi"}}],{times}}}"#);
    let unknown = [
        r#""start_time":null"#,
        r#""start_time":"","end_time":"tomorrow""#,
        r#""start_time":{"at":1}"#,
        r#""start_time":-1e300,"end_time":1e300"#,
        r#""start_time":"0000-00-00T00:00:00Z""#,
    ];
    let extreme = [
        r#""start_time":"9999-12-31T23:59:59Z","end_time":"9999-12-31T23:59:59Z""#,
        r#""start_time":"0001-01-01T00:00:00Z","end_time":"9999-12-31T23:59:59Z""#,
    ];
    let records: Vec<String> = unknown.iter().chain(&extreme).map(record).collect();
    let seen = are_read(&records);
    for index in 0..unknown.len() {
        let assigned = seen.assignment(&format!("bad-{index:02}"));
        assert!(assigned["latency"].is_null(), "{assigned}");
    }
    seen.place.assay("insights show --json").ok();
    seen.place.assay("runs list --project p").ok();
}

#[test]
fn two_bodies_under_one_id_give_the_same_result_in_any_order() {
    let mut lines = histories(20);
    let conflict = |n: usize| trace(3)[0].replace("article 3", &format!("article {n}"));
    lines.extend([conflict(1), conflict(2), conflict(3)]);
    let place = Place::new();
    place.write("one.jsonl", lines.join("\n"));
    place.write("two.jsonl", lines.iter().rev().cloned().collect::<Vec<_>>().join("\n"));
    place.write("three.jsonl", shuffled(&lines).join("\n"));
    let one = place.assay("report one.jsonl --project p --json --no-files").ok();
    assert!(one.err().contains("given twice with different content"), "{}", one.describe());
    assert_eq!(threads(&one.json()).len(), 21);
    for other in ["two", "three"] {
        let other = place.assay(&format!("report {other}.jsonl --project p --json --no-files")).ok();
        assert!(one.stdout == other.stdout, "the order of two bodies decides:\n{}", other.describe());
    }
    // In batches of their own, and more than once.
    place.write("a.jsonl", conflict(1));
    place.write("b.jsonl", conflict(2));
    for (store, order) in [("ab", ["a", "b", "a"]), ("ba", ["b", "a", "b"])] {
        for file in order {
            place.assay(&format!("import {file}.jsonl --project p --data {store}")).ok();
        }
    }
    let shown =
        |store: &str| place.assay(&format!("thread show run-thread-3 --data {store} --json")).ok().stdout;
    assert_eq!(shown("ab"), shown("ba"));
}

#[test]
fn of_two_histories_under_one_id_in_a_file_the_later_counts() {
    let bodies = [said("twice", "where is my parcel?"), said("twice", "I want to cancel my contract")];
    let place = Place::new();
    for (file, first, last, says) in [("one", 0, 1, "cancel my contract"), ("two", 1, 0, "my parcel")] {
        let mut lines = histories(20);
        lines.insert(7, bodies[first].clone());
        lines.push(bodies[last].clone());
        place.write(&format!("{file}.jsonl"), lines.join("\n"));
        let told = place.assay(&format!("import {file}.jsonl --project p --data {file}")).ok();
        assert!(told.out().contains("given twice with different content"), "{}", told.describe());
        let shown = place.assay(&format!("thread show twice --project p --data {file}")).ok().out();
        assert!(shown.contains(says), "{file}: {shown}");
    }
}

#[test]
fn two_histories_under_one_id_are_told_of_however_far_apart_they_stand_in_a_file() {
    let place = Place::new();
    // Further apart than what is read and stored at once.
    let mut lines = vec![said("twice", "where is my parcel?")];
    lines.extend(histories(4_500));
    lines.push(said("twice", "I want to cancel my contract"));
    place.write("far.jsonl", lines.join("\n"));
    for time in ["first", "again"] {
        let told = place.assay("import far.jsonl --project p --json").ok().json();
        assert_eq!(told["conflicting_runs"], 1, "{time}: {told}");
    }
    let shown = place.assay("thread show twice --project p").ok().out();
    assert!(shown.contains("cancel my contract"), "{shown}");
    // A corrected file is no defect.
    place.write("corrected.jsonl", said("twice", "I want to change my contract"));
    let told = place.assay("import corrected.jsonl --project p --json").ok().json();
    assert_eq!((&told["conflicting_runs"], &told["changed_runs"]), (&json!(0), &json!(1)), "{told}");
}

#[test]
fn parents_in_a_circle_and_orphans_are_read() {
    let run = |id: &str, parent: &str, order: &str| {
        format!(
            r#"{{"id":"{id}","trace_id":"t","parent_run_id":"{parent}","name":"{id}","run_type":"llm","start_time":"2026-09-01T00:00:0{order}Z","inputs":{{"messages":[{{"role":"user","content":"{id} in a circle"}}]}},"extra":{{"metadata":{{"thread_id":"bad"}}}}}}"#
        )
    };
    let circle = [run("a", "b", "1"), run("b", "c", "2"), run("c", "a", "3")].join("\n");
    let seen = is_read(circle);
    let runs = seen.place.assay("runs list --project p --limit 100 --json").ok().json();
    assert_eq!(runs.as_array().map(Vec::len), Some(4 + 3), "no run is lost: {runs}");
    is_read(run("self", "self", "1"));
    let orphans = is_read([run("o1", "missing", "1"), run("o2", "missing too", "2")].join("\n"));
    let shown = orphans.place.assay("thread show bad --project p").ok().out();
    assert!(shown.contains("o1 in a circle") && shown.contains("o2 in a circle"), "{shown}");
}

#[test]
fn a_child_that_comes_before_its_parent_or_without_it_is_the_same_run() {
    let mut lines = trace(5);
    lines.reverse();
    let seen = report(lines.join("\n"), 0);
    assert_eq!(seen.others(), ["run-thread-5"]);
    let reversed = seen.place.assay("thread show run-thread-5 --json").ok().stdout;
    let seen = report(trace(5).join("\n"), 0);
    assert_eq!(seen.place.assay("thread show run-thread-5 --json").ok().stdout, reversed);
}

#[test]
fn dotted_orders_that_contradict_or_make_no_sense_are_read() {
    let orders = [
        "",
        "x",
        ".",
        "20260901T000000000000Z",
        "20260901T000000000000Znot-an-id.20269999T000000000000Zb",
        "é.é",
    ];
    let records: Vec<String> = orders
        .iter()
        .enumerate()
        .map(|(index, order)| {
            json!({
                "id": format!("run {index}"), "name": "r", "run_type": "chain", "dotted_order": order,
                "inputs": {"messages": [{"role": "user", "content": "hi"}]}, "extra": {"metadata": {"thread_id": "bad"}},
            })
            .to_string()
        })
        .collect();
    are_read(&records);
    are_skipped(&[(r#"{"id":"x","name":"r","run_type":"agent","inputs":{}}"#.to_owned(), "run_type")]);
}

#[test]
fn a_record_that_is_cut_off_costs_only_itself() {
    are_skipped(&[(r#"{"id":"bad","messages":[{"role":"user","content":"hel"#.to_owned(), "ends too early")]);
    let place = Place::new();
    let whole = histories(3).join("\n");
    place.write("cut.jsonl", &whole[..whole.len() - 40]);
    let ended = place.assay("report cut.jsonl --json --no-files").code(3);
    assert_eq!(threads(&ended.json()).len(), 2);
    assert!(ended.err().contains("cut.jsonl:3"), "{}", ended.describe());
}

#[test]
fn very_many_tags_keys_and_categories_of_values_are_read() {
    let metadata: serde_json::Map<String, Value> =
        (0..5_000).map(|n| (format!("key {n}"), json!(n))).collect();
    let tags: Vec<String> = (0..5_000).map(|n| format!("tag {n}")).collect();
    let feedback: serde_json::Map<String, Value> =
        (0..500).map(|n| (format!("feedback {n}"), json!(n))).collect();
    is_read(json!({"id": "bad", "messages": [{"role": "user", "content": "hi"}], "metadata": metadata, "tags": tags, "feedback": feedback}).to_string());
    let long = "k".repeat(100_000);
    is_read(json!({"id": "bad", "messages": [{"role": "user", "content": "hi", "name": long}], "metadata": {long.as_str(): long}, "tags": [long]}).to_string());
}
