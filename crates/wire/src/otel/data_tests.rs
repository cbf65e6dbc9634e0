//! Tests on real exports, where the data folder lies beside the repository.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::PathBuf;

use assay_domain::{Message, RunKind};
use serde_json::Value;

use super::tests::{protobuf, trees};
use super::{decode_json, decode_protobuf, looks_like};

/// A file of the data folder; none, with a note, where the folder is absent.
fn open(name: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = root.join(name);
    if !path.exists() {
        eprintln!("skipped: no {name} in ../shared/data");
        return None;
    }
    Some(path)
}

fn lines(name: &str) -> Option<Vec<Value>> {
    let bytes = std::fs::read(open(name)?).expect("a readable file");
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip of text");
    Some(text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect())
}

/// The spans of a request, by span id.
fn raw_spans(request: &Value) -> Vec<&Value> {
    let groups = request["resourceSpans"].as_array().into_iter().flatten();
    let scopes = groups.flat_map(|group| group["scopeSpans"].as_array().into_iter().flatten());
    scopes.flat_map(|scope| scope["spans"].as_array().into_iter().flatten()).collect()
}

fn raw_attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let entry = span["attributes"].as_array()?.iter().find(|entry| entry["key"] == key)?;
    entry["value"].as_object()?.values().next()?.as_str()
}

const REQUESTS: &str = "langfuse_frameworks/raw/otlp_json.jsonl.gz";
const NESTED: &str = "trail_swe/raw/traces_openinference.jsonl.gz";

#[test]
fn every_framework_is_read_in_the_shape_of_its_tree_in_one_request_or_in_many() {
    let Some(requests) = lines(REQUESTS) else { return };
    for request in &requests {
        assert!(looks_like(request));
        let decoded = decode_json(request, "");
        assert_eq!(decoded.rejected, []);
        assert_eq!(decode_protobuf(&protobuf(request), ""), decoded);
        let spans = raw_spans(request);
        assert_eq!(decoded.patches.len(), spans.len());
        let ids: HashMap<&str, _> = spans
            .iter()
            .zip(&decoded.patches)
            .map(|(span, run)| (span["spanId"].as_str().expect("id"), run.id))
            .collect();
        for (span, run) in spans.iter().zip(&decoded.patches) {
            let parent = span["parentSpanId"].as_str().filter(|parent| !parent.is_empty());
            match parent.map(|parent| ids.get(parent)) {
                Some(Some(parent)) => assert_eq!(run.parent, Some(*parent)),
                Some(None) => assert!(run.parent.is_some()),
                None => assert_eq!(run.parent, None),
            }
        }
        let one_by_one: Vec<_> = spans.iter().rev().map(|span| decode_json(span, "")).collect();
        assert_eq!(trees(&one_by_one), trees([&decoded]));
    }
    assert_eq!(requests.len(), 22);
}

#[test]
fn tokens_of_model_calls_equal_those_recorded() {
    let Some(requests) = lines(REQUESTS) else { return };
    let number = |span: &Value, keys: &[&str]| {
        keys.iter()
            .find_map(|key| raw_attribute(span, key))
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let (mut recorded, mut decoded) = ([0, 0], [0, 0]);
    for request in &requests {
        let runs = decode_json(request, "").patches;
        for (span, run) in raw_spans(request).into_iter().zip(runs) {
            if run.kind != Some(RunKind::Llm) {
                assert_eq!(run.usage, None);
                continue;
            }
            let input = number(
                span,
                &["gen_ai.usage.input_tokens", "llm.token_count.prompt", "ai.usage.promptTokens"],
            );
            let output = number(
                span,
                &["gen_ai.usage.output_tokens", "llm.token_count.completion", "ai.usage.completionTokens"],
            );
            if input + output == 0 {
                continue;
            }
            let usage = run.usage.expect("usage");
            recorded = [recorded[0] + input, recorded[1] + output];
            decoded = [decoded[0] + usage.input_tokens, decoded[1] + usage.output_tokens];
        }
    }
    println!("tokens in and out: recorded {recorded:?}, decoded {decoded:?}");
    assert_eq!(recorded, decoded);
}

#[test]
fn nested_openinference_traces_are_read_whole() {
    let Some(traces) = lines(NESTED) else { return };
    let (mut total, mut errors, mut tokens, mut recorded_tokens) = (0, 0, 0, 0);
    for trace in &traces {
        assert!(looks_like(trace));
        let decoded = decode_json(trace, "");
        assert_eq!(decoded.rejected, []);
        let mut expected: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut stack: Vec<&Value> = trace["spans"].as_array().expect("spans").iter().collect();
        while let Some(span) = stack.pop() {
            let id = span["span_id"].as_str().expect("id").to_owned();
            let tokens = span["span_attributes"]["llm.token_count.total"].as_str();
            if expected.insert(id, span["parent_span_id"].as_str().map(str::to_owned)).is_none()
                && span["span_attributes"]["openinference.span.kind"] == "LLM"
            {
                recorded_tokens += tokens.map_or(0, |text| text.parse::<u64>().expect("a number"));
            }
            errors += usize::from(span["status_code"] == "Error");
            stack.extend(span["child_spans"].as_array().into_iter().flatten());
        }
        let mut found = BTreeMap::new();
        for run in &decoded.patches {
            let short = |id: assay_domain::RunId| id.0.simple().to_string()[16..].to_owned();
            if found.insert(short(run.id), run.parent.map(short)).is_none() {
                tokens += run.usage.as_ref().map_or(0, |usage| usage.total_tokens);
            }
            errors -= usize::from(run.error.is_some());
        }
        assert_eq!(found, expected);
        total += found.len();
    }
    println!("{} traces, {total} runs, {tokens} tokens", traces.len());
    assert_eq!((traces.len(), total, errors, tokens), (26, 848, 0, recorded_tokens));
}

/// What a message says, without regard to spacing and to how arguments are spelled.
fn essence(message: &Message) -> Vec<String> {
    let mut out = Vec::new();
    let text = message.text();
    if !text.trim().is_empty() {
        out.push(format!("{}: {}", message.role.as_str(), text.trim()));
    }
    for call in &message.tool_calls {
        out.push(format!("call {}({})", call.name, canonical(&call.arguments)));
    }
    out
}

fn canonical(value: &Value) -> String {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => canonical(&value),
            _ => text.clone(),
        },
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().map(|(key, value)| (key, canonical(value))).collect();
            format!("{sorted:?}")
        }
        Value::Array(list) => format!("{:?}", list.iter().map(canonical).collect::<Vec<_>>()),
        value => value.to_string(),
    }
}

/// What an expected message says, in the same words; empty where it is no message.
fn expected_essence(message: &Value) -> Vec<String> {
    let Some(role) = message["role"].as_str() else { return Vec::new() };
    let role = match role {
        "model" => "assistant",
        "system" | "user" | "assistant" | "tool" => role,
        "developer" => "system",
        // A tool's name in place of the role.
        _ => "tool",
    };
    let text = match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => message["json"]["text"].as_str().unwrap_or_default().to_owned(),
    };
    let mut out = Vec::new();
    let calls_in_text =
        serde_json::from_str::<Value>(&text).ok().filter(|calls| calls[0]["function"]["name"].is_string());
    match &calls_in_text {
        Some(calls) => {
            for call in calls.as_array().into_iter().flatten() {
                let function = &call["function"];
                out.push(format!(
                    "call {}({})",
                    function["name"].as_str().unwrap_or_default(),
                    canonical(&function["arguments"])
                ));
            }
        }
        None if text.trim().is_empty() => {}
        None => out.push(format!("{role}: {}", text.trim())),
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        out.push(format!(
            "call {}({})",
            call["name"].as_str().unwrap_or_default(),
            canonical(&call["arguments"])
        ));
    }
    for part in message["content"].as_array().into_iter().flatten().filter(|part| part["type"] == "tool_use")
    {
        out.push(format!(
            "call {}({})",
            part["name"].as_str().unwrap_or_default(),
            canonical(&part["input"])
        ));
    }
    out
}

#[test]
fn the_messages_of_every_framework_are_found() {
    let (Some(requests), Some(folder)) = (lines(REQUESTS), open("langfuse_frameworks/raw/expected_chatml"))
    else {
        return;
    };
    let mut runs = HashMap::new();
    for request in &requests {
        let decoded = decode_json(request, "");
        for (span, run) in raw_spans(request).into_iter().zip(decoded.patches) {
            runs.insert(span["spanId"].as_str().expect("id").to_owned(), run);
        }
    }
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let (mut all_found, mut all_wanted) = (0, 0);
    for file in files {
        let expected: Value = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
        let (mut found, mut wanted) = (0, 0);
        let mut missing = Vec::new();
        for (id, sides) in expected.as_object().expect("spans by id") {
            let Some(run) = runs.get(id) else { continue };
            for (side, payload) in [("input", &run.inputs), ("output", &run.outputs)] {
                let messages = assay_transcript::messages(payload.as_ref().unwrap_or(&Value::Null));
                let said: Vec<String> = messages.iter().flat_map(essence).collect();
                for want in sides[side]["data"].as_array().into_iter().flatten().flat_map(expected_essence) {
                    wanted += 1;
                    if said.contains(&want) {
                        found += 1;
                    } else {
                        let short: String = want.chars().take(90).collect();
                        missing.push(format!("  {id} {side} wants {short:?}"));
                    }
                }
            }
        }
        println!("{found:>4}/{wanted:<4} {}", file.file_name().expect("a name").to_string_lossy());
        for line in missing.iter().take(6) {
            println!("{line}");
        }
        all_found += found;
        all_wanted += wanted;
    }
    println!("{all_found}/{all_wanted} in all");
    // The one that is not: a tool's answer that the expectation gives to the user.
    assert!(all_found + 1 >= all_wanted, "{all_found} of {all_wanted} expected messages found");
    assert_eq!(all_wanted, 164);
}
