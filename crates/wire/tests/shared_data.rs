//! Real public data, decoded and read as conversations, against the threads it
//! was made from. Skipped with a note where the data is not at hand.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;

use assay_domain::{Message, ProjectId, Role, Run, RunId, Thread, ThreadId, Trace, TraceId, Transcript};
use assay_wire::reader::Limit;
use assay_wire::{Decoded, Import, Reader};
use serde_json::{Value, json};

/// A file of the shared data, or `None` with a note.
fn data(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if !path.exists() {
        println!("skipped: {name} is not at hand");
        return None;
    }
    Some(path)
}

fn decode(path: &PathBuf) -> Decoded {
    let mut import = Import::of("p");
    let mut reader =
        Reader::new(File::open(path).expect("the file opens"), "data", None).expect("it can be read");
    let mut all = Decoded::default();
    while let Some(chunk) = reader.next_chunk(&mut import, Limit::default()).expect("it can be read") {
        all.append(chunk);
    }
    all
}

/// Threads of folded runs, by thread id.
fn threads(decoded: Decoded) -> BTreeMap<ThreadId, Thread> {
    let project = ProjectId::from_name("test");
    let mut runs: HashMap<RunId, Run> = HashMap::new();
    for patch in decoded.patches {
        runs.entry(patch.id).or_insert_with(|| Run::unknown(patch.id, project)).apply(patch);
    }
    let mut by_trace: BTreeMap<TraceId, Vec<Run>> = BTreeMap::new();
    for run in runs.into_values() {
        by_trace.entry(run.trace).or_default().push(run);
    }
    let mut threads: BTreeMap<ThreadId, Thread> = BTreeMap::new();
    for (id, runs) in by_trace {
        let key = runs.iter().find_map(|run| run.thread.clone()).unwrap_or_else(|| ThreadId(id.to_string()));
        let trace = Trace::new(id, runs);
        threads
            .entry(key.clone())
            .or_insert_with(|| Thread { id: key, traces: Vec::new(), feedback: Vec::new() })
            .traces
            .push(trace);
    }
    for thread in threads.values_mut() {
        thread.traces.sort_by_key(|trace| (trace.root().and_then(|root| root.start_time), trace.id));
    }
    threads
}

/// What must be equal: who, in which name, says and calls what.
fn essence(message: &Message, with_agents: bool) -> String {
    let calls: Vec<Value> = message
        .tool_calls
        .iter()
        .map(|call| json!({ "name": call.name, "arguments": call.arguments }))
        .collect();
    let name = message.name.clone().filter(|_| with_agents || message.role == Role::Tool);
    json!([message.role.as_str(), name, message.text().trim(), calls]).to_string()
}

/// Compares transcripts from runs with those of the threads file; returns how many are equal.
fn compare(runs: &str, gold: &str, with_agents: bool, with_system: bool) -> Option<(usize, usize)> {
    let built = threads(decode(&data(runs)?));
    let gold = threads(decode(&data(gold)?));
    let mut equal = 0;
    let mut shown = 0;
    for (id, thread) in &gold {
        let texts = |transcript: Transcript| -> Vec<String> {
            let messages =
                transcript.messages.iter().filter(|message| with_system || message.role != Role::System);
            messages.map(|message| essence(message, with_agents)).collect()
        };
        let expected = texts(assay_transcript::of_thread(thread));
        // What the user said after the agent's last word is in no run.
        let heard =
            expected.iter().rposition(|message| !message.starts_with("[\"user\"")).map_or(0, |last| last + 1);
        let expected = &expected[..heard];
        let found =
            built.get(id).map(|thread| texts(assay_transcript::of_thread(thread))).unwrap_or_default();
        if found == expected[..] {
            equal += 1;
        } else if shown < 4 {
            shown += 1;
            let at = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
            let cut = |list: &[String]| list.get(at).map(|text| text.chars().take(300).collect::<String>());
            println!(
                "{runs} {id}: {} of {} messages, first difference at {at}:\n  {:?}\n  {:?}",
                found.len(),
                expected.len(),
                cut(&found),
                cut(expected)
            );
        }
    }
    println!("{runs}: {equal} of {} threads equal", gold.len());
    Some((equal, gold.len()))
}

#[track_caller]
fn check(score: Option<(usize, usize)>, share: f64) {
    if let Some((equal, all)) = score {
        assert!(all > 0 && equal as f64 >= share * all as f64, "{equal} of {all} equal");
    }
}

#[test]
fn airline_runs_tell_the_threads() {
    check(compare("tau_bench_airline/runs.jsonl.gz", "tau_bench_airline/threads.jsonl", true, true), 0.98);
}

#[test]
fn airline_turns_tell_the_threads() {
    check(
        compare("tau_bench_airline/runs_by_turn.jsonl.gz", "tau_bench_airline/threads.jsonl", true, true),
        0.98,
    );
}

#[test]
fn medical_runs_tell_the_threads() {
    check(compare("medagentbench/runs.jsonl.gz", "medagentbench/threads.jsonl.gz", true, false), 0.98);
}

#[test]
fn multi_agent_runs_keep_the_names_of_agents() {
    check(compare("who_and_when/runs.jsonl.gz", "who_and_when/threads.jsonl", true, true), 0.98);
}

#[test]
fn coding_agent_runs_tell_the_threads() {
    check(compare("mini_swe_agent/runs.jsonl.gz", "mini_swe_agent/threads.jsonl.gz", true, true), 0.9);
}

/// Text and tool calls of an expected message, in whatever shape the golden file has them.
fn golden(message: &Value) -> (String, Vec<(String, Value)>) {
    let mut texts = Vec::new();
    let mut calls = Vec::new();
    let parsed = |arguments: &Value| match arguments.as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| arguments.clone()),
        None => arguments.clone(),
    };
    match message.get("content") {
        Some(Value::String(text)) => texts.push(text.clone()),
        Some(Value::Array(parts)) => {
            for part in parts {
                if let Some(text) = part.get("text").and_then(Value::as_str) {
                    texts.push(text.to_owned());
                }
                if part["type"] == "tool_use" {
                    calls.push((part["name"].as_str().unwrap_or_default().to_owned(), part["input"].clone()));
                }
            }
        }
        _ => {}
    }
    for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        calls.push((call["name"].as_str().unwrap_or_default().to_owned(), parsed(&call["arguments"])));
    }
    (texts.join("\n"), calls)
}

/// How many of the messages that the golden file has are found, in order of role, words and calls.
fn found_messages(payload: &Value, side: Role, expected: &Value) -> (usize, usize) {
    let payload = match payload {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| payload.clone()),
        other => other.clone(),
    };
    let found = assay_transcript::messages_by(&payload, side);
    let (mut hits, mut all) = (0, 0);
    for message in expected.as_array().into_iter().flatten() {
        let (text, calls) = golden(message);
        if text.trim().is_empty() && calls.is_empty() {
            continue;
        }
        all += 1;
        let role = match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => Some(Role::System),
            Some("user") => Some(Role::User),
            Some("assistant" | "model") => Some(Role::Assistant),
            Some(_) => Some(Role::Tool),
            None => None,
        };
        let is_found = found.iter().any(|found| {
            let same_calls = calls.iter().all(|(name, arguments)| {
                found.tool_calls.iter().any(|call| call.name == *name && call.arguments == *arguments)
            });
            role.is_none_or(|role| role == found.role)
                && same_calls
                && found.text().trim().contains(text.trim())
        });
        hits += usize::from(is_found);
        if !is_found {
            let shown: String = format!("{message}").chars().take(300).collect();
            println!(
                "    not found: {shown}\n    in {}",
                payload.to_string().chars().take(400).collect::<String>()
            );
        }
    }
    (hits, all)
}

/// One golden file differs on purpose: it gives a function's response to the user.
#[test]
fn payloads_of_frameworks_normalize_as_the_golden_files_say() {
    let Some(folder) = data("langfuse_frameworks/raw/expected_chatml") else { return };
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let (mut whole, mut frameworks) = (0, 0);
    for file in files {
        let name =
            file.file_name().and_then(|name| name.to_str()).unwrap_or_default().replace(".chatml.json", "");
        let expected: Value = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
        let raw = data(&format!("langfuse_frameworks/raw/langfuse_export/{name}.trace.json"))
            .expect("its raw file");
        let raw: Value = serde_json::from_slice(&std::fs::read(raw).expect("a file")).expect("JSON");
        let (mut hits, mut all) = (0, 0);
        for observation in raw["observations"].as_array().into_iter().flatten() {
            let expected = &expected[observation["id"].as_str().unwrap_or_default()];
            for (side, speaker) in [("input", Role::User), ("output", Role::Assistant)] {
                let (found, wanted) = found_messages(&observation[side], speaker, &expected[side]["data"]);
                hits += found;
                all += wanted;
            }
        }
        println!("{name}: {hits} of {all}");
        frameworks += 1;
        whole += usize::from(hits == all);
    }
    assert!(frameworks >= 19 && whole >= 18, "{whole} of {frameworks} frameworks whole");
}

#[test]
fn every_trace_of_the_frameworks_becomes_a_conversation() {
    let Some(path) = data("langfuse_frameworks/runs.jsonl.gz") else { return };
    let decoded = decode(&path);
    assert_eq!((decoded.patches.len(), decoded.rejected.len()), (145, 0));
    let threads = threads(decoded);
    assert_eq!(threads.len(), 22);
    for (id, thread) in &threads {
        let transcript = assay_transcript::of_thread(thread);
        let roles: Vec<_> = transcript.messages.iter().map(|message| message.role.as_str()).collect();
        println!("{id} {:?} {roles:?}", thread.traces[0].runs[0].tags);
        let acts = |message: &Message| !message.text().is_empty() || !message.tool_calls.is_empty();
        assert!(transcript.by(Role::Assistant).any(acts), "{id}: nobody answers");
    }
}

#[test]
fn every_coding_trace_of_spans_is_readable() {
    let Some(path) = data("trail_swe/runs.jsonl.gz") else { return };
    let decoded = decode(&path);
    assert_eq!(decoded.rejected, []);
    let threads = threads(decoded);
    assert_eq!(threads.len(), 26);
    for (id, thread) in &threads {
        let transcript = assay_transcript::of_thread(thread);
        assert!(transcript.by(Role::User).any(|message| message.text().contains("issue")), "{id}: no task");
        assert!(
            transcript.by(Role::Assistant).any(|message| !message.text().is_empty()),
            "{id}: nobody answers"
        );
    }
}

#[test]
fn payloads_the_clients_record_have_messages_and_usage() {
    let Some(folder) = data("langsmith_sdk_fixtures/raw") else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".json") || !name.contains("wrap_openai") {
            continue;
        }
        let decoded = decode(&entry.path());
        assert_eq!(decoded.rejected, [], "{name}");
        for thread in threads(decoded).values() {
            count += 1;
            let transcript = assay_transcript::of_thread(thread);
            let run = &thread.traces[0].runs[0];
            assert!(transcript.by(Role::User).count() > 0, "{name}: {transcript:?}");
            assert!(
                transcript.by(Role::Assistant).any(|message| !message.text().is_empty()),
                "{name}: {transcript:?}"
            );
            let is_told = !name.contains("no usage") && !name.contains("no_usage");
            assert_eq!(run.usage.as_ref().is_some_and(|usage| usage.total_tokens > 0), is_told, "{name}");
        }
    }
    assert!(count >= 8, "{count} files");
}

/// The response bodies of a recorded session: double-quoted or single-quoted YAML scalars after `string:`.
fn bodies(yaml: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut rest = yaml;
    while let Some((_, after)) = rest.split_once("\n      string: ") {
        rest = after;
        let Some(quote) = after.chars().next().filter(|char| matches!(char, '"' | '\'')) else { continue };
        let mut text = String::new();
        let mut chars = after[1..].chars().peekable();
        while let Some(char) = chars.next() {
            match char {
                '\'' if quote == '\'' && chars.peek() == Some(&'\'') => text.extend(chars.next()),
                _ if char == quote => break,
                '\\' if quote == '"' => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('\n') => while chars.next_if(|char| *char == ' ').is_some() {},
                    Some('x') => {
                        let code: String = chars.by_ref().take(2).collect();
                        text.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                    }
                    Some('u') => {
                        let code: String = chars.by_ref().take(4).collect();
                        text.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                    }
                    Some(other) => text.push(other),
                    None => {}
                },
                '\n' => {
                    // Folded: one line end is a blank, more are one less.
                    let mut ends = 0;
                    while let Some(blank) = chars.next_if(|char| matches!(char, ' ' | '\n')) {
                        ends += usize::from(blank == '\n');
                    }
                    text.push_str(&if ends == 0 { " ".to_owned() } else { "\n".repeat(ends) });
                }
                other => text.push(other),
            }
        }
        all.push(text);
    }
    all
}

#[test]
fn recorded_responses_of_providers_have_messages_and_usage() {
    let Some(folder) = data("langsmith_sdk_fixtures/raw") else { return };
    let (mut read, mut skipped) = (0, 0);
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".yaml") {
            continue;
        }
        for body in bodies(&std::fs::read_to_string(entry.path()).expect("text")) {
            let answers = ["choices", "candidates", "content", "output", "completion"];
            let Ok(value) = serde_json::from_str::<Value>(&body) else {
                skipped += 1;
                continue;
            };
            if !answers.iter().any(|key| value.get(*key).is_some()) {
                skipped += 1;
                continue;
            }
            read += 1;
            let messages = assay_transcript::messages_by(&value, Role::Assistant);
            let speaks = messages.iter().any(|message| {
                message.role == Role::Assistant
                    && !(message.text().is_empty() && message.tool_calls.is_empty())
            });
            assert!(speaks, "{name}: {body}");
            assert!(
                assay_wire::usage::find(&value, &serde_json::Map::new()).is_some()
                    || value.get("completion").is_some(),
                "{name}: {body}"
            );
        }
    }
    println!("{read} responses read, {skipped} bodies are streams or something else");
    assert!(read >= 30, "{read}");
}
