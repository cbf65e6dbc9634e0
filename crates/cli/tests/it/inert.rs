//! Payloads in every text field of a trace: no page runs them, no terminal obeys them.

use serde_json::{Value, json};

use crate::support::{Ended, Place, histories};

/// Colours, a window title, a C1 sequence, a script, an image, a way out of attributes, and text that turns around.
const PAYLOAD: &str = "\u{1b}[31mred\u{1b}[0m\u{1b}]0;owned\u{7}\u{9b}32m\u{8}</script><script>owned=1</script>\"'><img src=x onerror=owned=1><!--\u{202e}desrever\u{2066}\u{200b}\u{2028}`|[x](javascript:owned=1)\r\n=cmd()";

/// A word and the payload, so that fields can be told apart.
fn hostile(field: &str) -> String {
    format!("{field} {PAYLOAD} {field}")
}

/// A history whose every text is hostile.
fn history(number: usize) -> Value {
    let evil = |field: &str| hostile(&format!("{field}{}", number % 3));
    json!({
        "id": format!("{number} {}", hostile("id")),
        "name": evil("name"),
        "model": evil("model"),
        "start_time": "2026-09-01T10:00:00Z",
        "end_time": "2026-09-01T10:00:09Z",
        "system": evil("system"),
        "error": evil("error"),
        "tags": [evil("tag")],
        "metadata": {evil("key"): evil("value"), "channel": evil("channel"), "prompt_commit": evil("commit"), "agent_name": evil("agent")},
        "feedback": [{"key": evil("feedback"), "score": 1, "comment": evil("comment"), "value": evil("label"), "source": evil("source")}],
        "messages": [
            {"role": "system", "content": evil("prompt")},
            {"role": "user", "name": evil("user"), "content": evil(["please refund my order", "where is my parcel", "reset the password"][number % 3])},
            {"role": "assistant", "name": evil("assistant"), "content": [{"type": "text", "text": evil("part")}, {"type": "thinking", "thinking": evil("thought")}, {"type": "image_url", "image_url": {"url": evil("javascript:url")}}, {evil("shape"): evil("other")}],
             "refusal": evil("refusal"),
             "tool_calls": [{"id": evil("call"), "type": "function", "function": {"name": evil("tool"), "arguments": json!({evil("argument"): evil("given")}).to_string()}}]},
            {"role": "tool", "name": evil("tool"), "tool_call_id": evil("call"), "content": evil("result"), "error": evil("failure"), "status": evil("status")},
            {"role": evil("role"), "content": evil("unknown role")},
            {"role": "assistant", "content": evil("answer")},
        ],
    })
}

fn run(number: usize) -> Value {
    let evil = |field: &str| hostile(field);
    json!({
        "id": format!("run {number} {}", evil("run")), "name": evil("run name"), "run_type": "llm", "error": evil("run error"),
        "start_time": "2026-09-02T10:00:00Z", "end_time": "2026-09-02T10:00:01Z",
        "inputs": {evil("input"): evil("asked"), "messages": [{"role": "user", "content": evil("question")}]},
        "outputs": {evil("output"): evil("answered")},
        "tags": [evil("run tag")],
        "extra": {evil("extra"): evil("more"), "metadata": {"thread_id": format!("thread {number} {}", evil("thread")), "ls_model_name": evil("run model"), "ls_provider": evil("provider")}},
        "serialized": {"name": evil("serialized")},
    })
}

/// The project of the hostile records, hostile itself where the command line allows.
fn place() -> Place {
    let place = Place::new();
    let mut lines: Vec<String> = (0..12).map(|number| history(number).to_string()).collect();
    lines.extend((0..4).map(|number| run(number).to_string()));
    lines.extend(histories(18));
    place.write("in.jsonl", lines.join("\n"));
    place.assay("import in.jsonl --project p").ok();
    place
}

/// Characters that a terminal obeys or that mislead a reader.
fn acts(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{2028}' | '\u{2029}')
}

#[track_caller]
fn is_inert(what: &str, text: &str) {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| acts(*c)) {
        let before: Vec<char> = text[..at].chars().rev().take(120).collect();
        panic!("{what} prints {c:?} after {:?}", before.into_iter().rev().collect::<String>());
    }
}

#[track_caller]
fn prints_nothing_that_acts(ended: Ended) -> Ended {
    is_inert(
        &format!("standard output of {}", ended.describe().lines().next().unwrap_or_default()),
        &ended.out(),
    );
    is_inert("standard error", &ended.err());
    ended
}

#[test]
fn terminals_obey_nothing_that_a_trace_says() {
    let place = place();
    for line in [
        "insights run --project p",
        "insights run --project p --focus errors",
        "insights show",
        "insights list",
        "runs list --project p",
        "project list",
        "report in.jsonl --project p --out out",
        "report in.jsonl --project p --no-files --focus errors",
        "doctor",
    ] {
        let ended = prints_nothing_that_acts(place.assay(line).ok());
        assert!(!ended.stdout.is_empty(), "{line}");
    }
    let id = format!("0 {}", hostile("id"));
    let mut command = place.command("thread show");
    command.arg(&id);
    let shown = prints_nothing_that_acts(
        crate::support::wait(command.spawn().expect("the binary"), "thread show").ok(),
    );
    for field in ["refund", "thought", "result", "failure", "tool", "given", "answer"] {
        assert!(shown.out().contains(field), "{field} is not shown:\n{}", shown.out());
    }
}

#[test]
fn machine_readable_output_is_escaped_and_keeps_every_character() {
    let place = place();
    for line in [
        "runs list --project p --json",
        "insights run --project p --json",
        "insights list --json",
        "project list --json",
    ] {
        let ended = place.assay(line).ok();
        ended.json();
        assert!(!ended.stdout.contains(&0x1b) && !ended.stdout.contains(&7), "{line}");
    }
    let runs = place.assay("runs list --project p --json").ok().json();
    let names: Vec<&str> =
        runs.as_array().into_iter().flatten().filter_map(|run| run["name"].as_str()).collect();
    assert!(names.contains(&hostile("run name").as_str()), "{names:?}");
}

#[test]
fn error_messages_and_notes_obey_nothing_either() {
    let place = place();
    let record = json!({hostile("key"): 1}).to_string();
    let name = "evil \u{1b}[31m\u{202e}name.jsonl";
    place.write(
        name,
        format!(
            "{record}\n{}\n{}",
            json!({"id": "x", "run_type": hostile("kind"), "inputs": {}}),
            histories(1)[0]
        ),
    );
    place.write("refused.jsonl", &record);
    for arguments in [
        vec!["import", name, "--project", "p"],
        vec!["report", name, "--no-files"],
        vec!["import", "refused.jsonl", "--project", "p"],
        vec!["import", "in.jsonl", "--project", PAYLOAD],
        vec!["project", "list"],
        vec!["runs", "list", "--project", &hostile("nobody")],
        vec!["runs", "list", "--project", "p", "--filter", PAYLOAD],
        vec![
            "runs",
            "list",
            "--project",
            "p",
            "--filter",
            &format!("eq(name, \"{}\")", PAYLOAD.replace('"', "\\\"")),
        ],
        vec!["thread", "show", PAYLOAD],
        vec!["insights", "run", "--project", "p", "--name", PAYLOAD],
        vec!["insights", "list"],
        vec!["insights", "show"],
        vec!["import", &hostile("nowhere"), "--project", "p"],
        vec!["doctor", "--data", &hostile("nowhere")],
        vec!["project", "delete", PAYLOAD],
        vec!["project", "delete", PAYLOAD, "--yes"],
    ] {
        let mut command = place.command("");
        command.args(&arguments);
        let ended = crate::support::wait(
            command.spawn().expect("the binary"),
            &arguments.join(" ").escape_debug().to_string(),
        );
        prints_nothing_that_acts(ended);
    }
}

#[test]
fn pages_run_nothing_that_a_trace_says() {
    let place = place();
    let harmless = Place::new();
    harmless.write("in.jsonl", histories(34).join("\n"));
    for focus in ["usage", "errors"] {
        place.assay(&format!("report in.jsonl --project p --out out --focus {focus}")).ok();
        harmless.assay(&format!("report in.jsonl --project p --out out --focus {focus}")).ok();
        let page = String::from_utf8(place.read("out/report.html")).expect("UTF-8");
        is_inert("report.html", &page);
        let lower = page.to_lowercase();
        for live in ["<script>owned", "<img src=x", "<!--\u{202e}", "href=\"javascript", "src=\"javascript"] {
            assert!(!lower.contains(live), "{live} in the page");
        }
        let expected = String::from_utf8(harmless.read("out/report.html")).expect("UTF-8").to_lowercase();
        for tag in ["<script", "</script", "<iframe", "<object"] {
            assert_eq!(lower.matches(tag).count(), expected.matches(tag).count(), "{tag}");
        }
        for file in ["report.md", "assignments.csv"] {
            let text = String::from_utf8(place.read(&format!("out/{file}"))).expect("UTF-8");
            is_inert(file, &text.replace("\r\n", "\n"));
            if file == "report.md" {
                // Every second piece is a code span, where nothing is markup.
                let outside: String = text.replace("\\`", "").split('`').step_by(2).collect();
                assert!(!outside.contains("<script") && !outside.contains("<img"), "{outside}");
            }
        }
        assert!(!place.read("out/report.json").contains(&0x1b));
        assert!(!place.read("out/assignments.jsonl").contains(&0x1b));
    }
}

#[test]
fn spreadsheets_compute_nothing_that_a_trace_says() {
    let place = Place::new();
    let lines: Vec<String> = ["=1+1", "+1", "-1", "@sum(A1)", "\t=1", "=HYPERLINK(\"http://x\")"]
        .iter()
        .enumerate()
        .map(|(n, text)| json!({"id": format!("{text}{n}"), "messages": [{"role": "user", "content": text}], "metadata": {"=key": text}}).to_string())
        .collect();
    place.write("in.jsonl", lines.join("\n"));
    place.assay("report in.jsonl --project p --out out").ok();
    let table = String::from_utf8(place.read("out/assignments.csv")).expect("UTF-8");
    for row in table.lines() {
        for cell in row.split(',') {
            let text = cell.trim_start_matches('"');
            let is_number = text.trim_end_matches('"').parse::<f64>().is_ok();
            assert!(is_number || !text.starts_with(['=', '+', '-', '@', '\t']), "a formula: {row}");
        }
    }
}

#[test]
fn verifying_a_hostile_report_prints_nothing_that_acts() {
    let place = place();
    place.assay("report in.jsonl --project p --out out").ok();
    let mut report: Value = serde_json::from_slice(&place.read("out/report.json")).expect("report.json");
    report["statistics"]["threads"] = json!(1);
    for one in report["assignments"].as_array_mut().into_iter().flatten() {
        one["category"] = json!(PAYLOAD);
    }
    place.write("changed.json", report.to_string());
    let ended = place.assay("insights verify changed.json");
    assert_eq!(ended.code, Some(1), "{}", ended.describe());
    prints_nothing_that_acts(ended);
}
