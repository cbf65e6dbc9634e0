//! Every vendor's shape as a small payload written by hand, and histories that
//! repeat, shorten and reorder what was said.

use assay_domain::transcript::MediaKind;
use assay_domain::{Part, ProjectId, Run, RunId, RunKind, ThreadId};
use serde_json::json;

use super::*;

mod orphans;

/// A message as one line: role, name, words, calls, answered call, error.
fn line(message: &Message) -> String {
    let mut line = message.role.as_str().to_owned();
    if let Some(name) = &message.name {
        line += &format!("({name})");
    }
    if let Some(id) = &message.tool_call_id {
        line += &format!("<{id}>");
    }
    line += &format!(": {}", message.text());
    for call in &message.tool_calls {
        line += &format!(" {}({})", call.name, call.arguments);
    }
    if let Some(error) = &message.error {
        line += &format!(" !{error}");
    }
    line
}

fn lines(messages: &[Message]) -> Vec<String> {
    messages.iter().map(line).collect()
}

#[track_caller]
fn check(payload: Value, expected: &[&str]) {
    assert_eq!(lines(&messages(&payload)), expected, "{payload}");
}

#[track_caller]
fn check_answer(payload: Value, expected: &[&str]) {
    assert_eq!(lines(&messages_by(&payload, Role::Assistant)), expected, "{payload}");
}

/// The same conversation in every vendor's words.
const WEATHER: [&str; 4] = [
    "user: Weather in Rome?",
    "assistant: Let me look. weather({\"city\":\"Rome\"})",
    "tool(weather)<c1>: sunny",
    "assistant: It is sunny.",
];

#[test]
fn openai_chat_messages_are_read() {
    check(
        json!({"messages": [
            {"role": "user", "content": [{"type": "text", "text": "Weather in Rome?"}]},
            {"role": "assistant", "content": "Let me look.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Rome\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
            {"role": "assistant", "content": "It is sunny."}]}),
        &WEATHER,
    );
}

#[test]
fn openai_responses_items_are_read() {
    check(
        json!({"input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Weather in Rome?"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me look."}]},
            {"type": "function_call", "call_id": "c1", "id": "fc", "name": "weather", "arguments": "{\"city\": \"Rome\"}"},
            {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is sunny."}]}]}),
        &WEATHER,
    );
}

#[test]
fn anthropic_blocks_are_read() {
    check(
        json!({"system": "Be brief.", "messages": [
            {"role": "user", "content": "Weather in Rome?"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "Let me look."}, {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Rome"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "sunny"}]}]},
            {"role": "assistant", "content": [{"type": "text", "text": "It is sunny."}]}]}),
        &[&["system: Be brief."], &WEATHER[..]].concat(),
    );
}

#[test]
fn a_failed_anthropic_tool_result_is_an_error_before_the_users_words() {
    check(
        json!([{"role": "user", "content": [
            {"type": "text", "text": "And now?"},
            {"type": "tool_result", "tool_use_id": "c1", "is_error": true, "content": "no such city"}]}]),
        &["tool<c1>: no such city !no such city", "user: And now?"],
    );
}

#[test]
fn langchain_messages_are_read_in_all_their_forms() {
    let constructed = |class: &str, kwargs: Value| json!({"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", class], "kwargs": kwargs});
    check(
        json!({"messages": [[
            constructed("HumanMessage", json!({"content": "Weather in Rome?"})),
            constructed("AIMessage", json!({"content": "Let me look.", "tool_calls": [{"name": "weather", "args": {"city": "Rome"}, "id": "c1"}]})),
            constructed("ToolMessage", json!({"content": "sunny", "tool_call_id": "c1"})),
            constructed("AIMessageChunk", json!({"content": [{"type": "text", "text": "It is sunny."}]}))]]}),
        &WEATHER,
    );
    check(
        json!({"messages": [
            {"type": "human", "content": "Weather in Rome?"},
            {"type": "ai", "content": "Let me look.", "additional_kwargs": {"tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Rome\"}"}}]}},
            {"type": "tool", "content": "sunny", "tool_call_id": "c1", "name": "weather"},
            {"type": "ai", "data": {"content": "It is sunny."}}]}),
        &WEATHER,
    );
    check(
        json!([["system", "s"], ["human", "hi"], ["ai", "ho"]]),
        &["system: s", "user: hi", "assistant: ho"],
    );
    check(
        json!({"generations": [[{"text": "hi", "message": constructed("AIMessage", json!({"content": "hi"}))}]]}),
        &["assistant: hi"],
    );
    check(json!({"generations": [[{"text": "only text"}]]}), &["assistant: only text"]);
    check_answer(
        json!({"output": {"update": {"messages": [{"type": "tool", "content": "done", "status": "error"}]}}}),
        &["tool: done !done"],
    );
}

#[test]
fn gemini_contents_are_read() {
    check(
        json!({"contents": [
            {"role": "user", "parts": [{"text": "Weather in Rome?"}]},
            {"role": "model", "parts": [{"text": "Let me look."}, {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Rome"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": "weather", "response": {"result": "sunny"}}}]},
            {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "It is sunny."}]}]}),
        &WEATHER,
    );
    check(
        json!({"candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}}]}),
        &["assistant: hi"],
    );
}

#[test]
fn genai_convention_parts_are_read() {
    check(
        json!([
            {"role": "user", "parts": [{"type": "text", "content": "Weather in Rome?"}]},
            {"role": "assistant", "parts": [{"type": "text", "content": "Let me look."},
                {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Rome"}}], "finish_reason": "tool_call"},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]},
            {"role": "assistant", "parts": [{"type": "text", "content": "It is sunny."}]}]),
        &WEATHER,
    );
}

#[test]
fn ai_sdk_parts_are_read() {
    check(
        json!({"messages": [
            {"role": "user", "content": [{"type": "text", "text": "Weather in Rome?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Let me look."},
                {"type": "tool-call", "toolCallId": "c1", "toolName": "weather", "input": {"city": "Rome"}}]},
            {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "weather", "output": {"type": "text", "value": "sunny"}}]},
            {"role": "assistant", "content": "It is sunny."}]}),
        &WEATHER,
    );
    check_answer(
        json!([{"toolCallId": "c1", "toolName": "weather", "input": "{\"city\":\"Rome\"}"}]),
        &["assistant:  weather({\"city\":\"Rome\"})"],
    );
    check(
        json!([{"role": "assistant", "parts": [{"type": "step-start"},
            {"type": "tool-weather", "toolCallId": "c1", "state": "output-error", "input": {"city": "Rome"}, "errorText": "down"}]}]),
        &["assistant:  weather({\"city\":\"Rome\"})", "tool(weather)<c1>: down !down"],
    );
}

#[test]
fn bedrock_and_sharegpt_are_read() {
    check(
        json!([{"role": "assistant", "content": [{"text": "Let me look."}, {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "down"}], "status": "error"}}]}]),
        &["assistant: Let me look. weather({})", "tool(weather)<c1>: down !down"],
    );
    check(
        json!({"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]}),
        &["user: hi", "assistant: ho"],
    );
}

#[test]
fn refusals_thoughts_and_legacy_calls_are_kept() {
    check(json!([{"role": "assistant", "content": null, "refusal": "I cannot."}]), &["assistant: I cannot."]);
    check(
        json!([{"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "not json"}},
            {"role": "function", "name": "f", "content": "1"}]),
        &["assistant:  f(\"not json\")", "tool(f): 1"],
    );
    let thought = messages(&json!([{"role": "assistant", "content": "x", "reasoning_content": "hm"}]));
    assert_eq!(thought[0].parts, [Part::Thinking("hm".into()), Part::Text("x".into())]);
}

#[test]
fn tool_messages_say_what_failed() {
    check(json!([{"role": "tool", "content": "x", "error": "boom"}]), &["tool: x !boom"]);
    check(json!([{"role": "tool", "content": "x", "returncode": 2}]), &["tool: x !exit code 2"]);
    check(json!([{"role": "tool", "content": "x", "returncode": 0, "error": null}]), &["tool: x"]);
    check(json!([{"role": "tool", "content": "x", "is_error": true}]), &["tool: x !x"]);
}

#[test]
fn media_are_kept_by_reference_and_never_inline() {
    let data = format!("data:image/png;base64,{}", "A".repeat(4000));
    let read = messages(&json!([{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": data}},
        {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "B".repeat(4000), "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "C".repeat(4000)}},
        {"inlineData": {"mimeType": "image/webp", "data": "D".repeat(4000)}}]}]));
    let media: Vec<_> = read[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Media { kind, mime_type, reference, picture: None } => {
                (*kind, mime_type.as_deref(), reference.as_str())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        media,
        [
            (MediaKind::Image, Some("image/png"), "inline image/png, about 3000 bytes"),
            (MediaKind::Image, None, "https://x.org/a.png"),
            (MediaKind::Audio, Some("wav"), "inline wav, about 3000 bytes"),
            (MediaKind::File, None, "file-1"),
            (MediaKind::Image, Some("image/jpeg"), "inline image/jpeg, about 3000 bytes"),
            (MediaKind::Image, Some("image/webp"), "inline image/webp, about 3000 bytes"),
        ]
    );
}

#[test]
fn plain_text_and_dictionaries_are_read() {
    check(json!("hi"), &["user: hi"]);
    check_answer(json!("hi"), &["assistant: hi"]);
    check(json!({"question": "why?"}), &["user: why?"]);
    check(json!({"input": "a", "output": "b"}), &["user: a", "assistant: b"]);
    check(
        json!({"chat_history": [["human", "a"], ["ai", "b"]], "input": "c"}),
        &["user: a", "assistant: b", "user: c"],
    );
    check(json!({"answer": "because"}), &["assistant: because"]);
    check(json!({"args": ["Why?"], "kwargs": {}}), &["user: Why?"]);
    check(json!("role='user' content='hi'"), &["user: role='user' content='hi'"]);
    check(json!({"a": 1, "b": [2]}), &["user: {\"a\":1,\"b\":[2]}"]);
    check(json!("[{\"role\": \"assistant\", \"content\": \"hi\"}]"), &["assistant: hi"]);
    for empty in
        [json!(null), json!([]), json!({}), json!(""), json!({"messages": []}), json!({"input": null})]
    {
        check(empty, &[]);
    }
}

#[test]
fn any_value_is_read_without_panic() {
    let mut deep = json!("x");
    for level in 0..100 {
        deep = match level % 4 {
            0 => json!({ "content": deep }),
            1 => json!([deep]),
            2 => json!({ "messages": deep }),
            _ => json!({"role": "user", "content": [deep]}),
        };
        let _ = (messages(&deep), preview(&deep, 10));
    }
    for odd in [
        json!({"role": 3, "content": {}}),
        json!([null, 1, "x"]),
        json!({"choices": [null]}),
        json!({"generations": [[]]}),
        json!({"tool_calls": "x", "role": "assistant", "content": ""}),
    ] {
        let _ = messages(&odd);
    }
}

#[test]
fn a_preview_is_one_short_line() {
    let payload = json!({"messages": [{"role": "user", "content": "Hello\n  big\tworld"}, {"role": "assistant", "content": "ho"}]});
    assert_eq!(preview(&payload, 100), "Hello big world");
    assert_eq!(preview(&payload, 7), "Hello …");
    assert_eq!(preview(&json!(null), 7), "");
    let talk = json!({"messages": [
        {"role": "system", "content": "be kind"}, {"role": "user", "content": "a ticket to Rome"},
        {"role": "assistant", "content": "here"}, {"role": "user", "content": "thanks"},
    ]});
    assert_eq!((preview(&talk, 100).as_str(), opening(&talk, 100).as_str()), ("thanks", "a ticket to Rome"));
    assert_eq!(opening(&json!({"output": "alone"}), 100), "alone");
    assert_eq!(preview(&json!({"output": "déjà vu"}), 100), "déjà vu");
}

// Traces and threads.

fn run(name: &str, kind: RunKind, second: u32, inputs: Value, outputs: Value) -> Run {
    let mut run = Run::unknown(RunId::from_name(&format!("{name}{second}")), ProjectId::from_name("p"));
    run.name = name.to_owned();
    run.kind = kind;
    run.start_time = format!("2026-01-01T00:{:02}:{:02}Z", second / 60, second % 60).parse().ok();
    run.end_time = format!("2026-01-01T00:{:02}:{:02}.5Z", second / 60, second % 60).parse().ok();
    run.inputs = inputs;
    run.outputs = outputs;
    run
}

/// A trace whose first run is the root of all others.
fn trace(mut runs: Vec<Run>) -> Trace {
    let root = runs[0].id;
    for run in &mut runs {
        run.trace = root.into();
        run.parent = Some(root).filter(|root| *root != run.id);
    }
    Trace::new(root.into(), runs)
}

fn thread(traces: Vec<Trace>) -> Thread {
    Thread { id: ThreadId::from("t"), traces, feedback: Vec::new() }
}

fn say(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

fn list(messages: &[Value]) -> Value {
    json!({ "messages": messages })
}

#[test]
fn turns_that_began_at_the_same_moment_are_told_in_the_order_of_their_histories() {
    let chat = [
        say("user", "1"),
        say("assistant", "one"),
        say("user", "2"),
        say("assistant", "two"),
        say("user", "3"),
    ];
    let turn = |name: &str, asked: usize, answer: &str| {
        trace(vec![run(name, RunKind::Llm, 5, list(&chat[..asked]), say("assistant", answer))])
    };
    let (first, second, third) = (turn("c", 1, "one"), turn("a", 3, "two"), turn("b", 5, "three"));
    let expected = ["user: 1", "assistant: one", "user: 2", "assistant: two", "user: 3", "assistant: three"];
    for traces in [[&first, &second, &third], [&third, &second, &first], [&second, &third, &first]] {
        let thread = thread(traces.into_iter().cloned().collect());
        assert_eq!(lines(&of_thread(&thread).messages), expected);
    }
}

#[test]
fn cumulative_histories_do_not_repeat() {
    let (system, first, call) = (
        say("system", "s"),
        say("user", "hi"),
        json!({"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]}),
    );
    let answer = json!({"role": "tool", "tool_call_id": "c1", "content": "42"});
    let trace = trace(vec![
        run(
            "agent",
            RunKind::Chain,
            0,
            list(std::slice::from_ref(&first)),
            list(&[say("assistant", "It is 42.")]),
        ),
        run(
            "model",
            RunKind::Llm,
            1,
            list(&[system.clone(), first.clone()]),
            list(std::slice::from_ref(&call)),
        ),
        run("f", RunKind::Tool, 2, json!({}), json!({"output": "42"})),
        run(
            "model",
            RunKind::Llm,
            3,
            list(&[system, first, call, answer]),
            list(&[say("assistant", "It is 42.")]),
        ),
    ]);
    let transcript = of_trace(&trace);
    assert_eq!(
        lines(&transcript.messages),
        ["system: s", "user: hi", "assistant:  f({})", "tool(f)<c1>: 42", "assistant: It is 42."]
    );
    assert_eq!(transcript.messages[3].run, Some(RunId::from_name("f2")));
    assert!(
        transcript.messages.iter().all(|message| message.trace == Some(trace.id) && message.time.is_some())
    );
}

#[test]
fn a_loop_in_a_shortened_history_is_kept() {
    let again = || json!({"role": "assistant", "content": "try again"});
    let failed = || json!({"role": "tool", "content": "failed"});
    let task = || say("user", "do it");
    let mut runs = vec![run("agent", RunKind::Chain, 0, list(&[task()]), Value::Null)];
    for second in 1..=4 {
        let history = if second == 1 { list(&[task()]) } else { list(&[task(), again(), failed()]) };
        runs.push(run("model", RunKind::Llm, second, history, list(&[again()])));
    }
    let found = lines(&of_trace(&trace(runs)).messages);
    assert_eq!(found.iter().filter(|line| *line == "assistant: try again").count(), 4, "{found:?}");
    assert_eq!(found.iter().filter(|line| *line == "tool: failed").count(), 3, "{found:?}");
}

#[test]
fn tool_runs_no_history_mentions_are_added_in_time() {
    let mut failed = run("search", RunKind::Tool, 2, json!({"q": "x"}), Value::Null);
    failed.error = Some("timeout".into());
    let found = of_trace(&trace(vec![
        run("agent", RunKind::Chain, 0, json!({"input": "find x"}), json!({"output": "sorry"})),
        run("model", RunKind::Llm, 1, json!({"input": "find x"}), json!("thinking about it")),
        failed,
        run("model", RunKind::Llm, 3, json!({"input": "find x"}), json!("sorry")),
    ]));
    assert_eq!(
        lines(&found.messages),
        [
            "user: find x",
            "assistant: thinking about it",
            "assistant:  search({\"q\":\"x\"})",
            "tool(search):  !timeout",
            "assistant: sorry"
        ]
    );
}

#[test]
fn errors_of_models_and_roots_are_told_once() {
    let mut root = run("agent", RunKind::Chain, 0, json!({"input": "hi"}), Value::Null);
    root.error = Some("rate limit".into());
    let mut model = run("model", RunKind::Llm, 1, json!({"input": "hi"}), Value::Null);
    model.error = Some("rate limit".into());
    assert_eq!(
        lines(&of_trace(&trace(vec![root.clone(), model])).messages),
        ["user: hi", "assistant:  !rate limit"]
    );
    assert_eq!(lines(&of_trace(&trace(vec![root])).messages), ["user: hi", "assistant:  !rate limit"]);
}

#[test]
fn a_root_with_the_whole_state_tells_the_trace() {
    let state = [
        say("user", "hi"),
        json!({"role": "assistant", "content": "", "tool_calls": [{"name": "f", "args": {}, "id": "c"}]}),
        json!({"role": "tool", "content": "1", "tool_call_id": "c"}),
        say("assistant", "one"),
    ];
    let root = run("graph", RunKind::Chain, 0, list(&state[..1]), list(&state));
    let expected = ["user: hi", "assistant:  f({})", "tool(f)<c>: 1", "assistant: one"];
    assert_eq!(lines(&of_trace(&trace(vec![root.clone()])).messages), expected);
    // A model that is shown one long prompt knows less than the root.
    let model = run("model", RunKind::Llm, 1, json!("Context: … Question: hi"), json!("one"));
    assert_eq!(lines(&of_trace(&trace(vec![root, model])).messages), expected);
}

#[test]
fn a_prompt_built_around_the_question_is_replaced_by_it() {
    let found = of_trace(&trace(vec![
        run(
            "rag",
            RunKind::Chain,
            0,
            json!({"question": "Why is the sky blue?"}),
            json!({"answer": "Scattering."}),
        ),
        run(
            "model",
            RunKind::Llm,
            1,
            json!("Use the context.\nQuestion: Why is the sky blue?"),
            json!("Scattering."),
        ),
    ]));
    assert_eq!(lines(&found.messages), ["user: Why is the sky blue?", "assistant: Scattering."]);
}

#[test]
fn sub_agents_have_their_names() {
    let mut model =
        run("ChatModel", RunKind::Llm, 1, list(&[say("user", "hi")]), list(&[say("assistant", "ho")]));
    model.metadata.insert("agent_name".into(), json!("planner"));
    let found = of_trace(&trace(vec![run("team", RunKind::Chain, 0, Value::Null, Value::Null), model]));
    assert_eq!(lines(&found.messages), ["user: hi", "assistant(planner): ho"]);
}

#[test]
fn wrapped_model_calls_speak_once() {
    let root = run("generateText", RunKind::Llm, 0, json!({"prompt": "hi"}), json!("ho"));
    let inner = run("doGenerate", RunKind::Llm, 1, json!({"prompt": "hi"}), json!("ho"));
    assert_eq!(lines(&of_trace(&trace(vec![root, inner])).messages), ["user: hi", "assistant: ho"]);
}

fn turn(second: u32, history: &[Value], answer: &str) -> Trace {
    let asked = history.last().cloned().into_iter().collect::<Vec<_>>();
    trace(vec![
        run("agent", RunKind::Chain, second, list(&asked), list(&[say("assistant", answer)])),
        run("model", RunKind::Llm, second + 1, list(history), list(&[say("assistant", answer)])),
    ])
}

#[test]
fn later_traces_do_not_repeat_the_history() {
    let history = [say("system", "s"), say("user", "a"), say("assistant", "A"), say("user", "b")];
    let found = of_thread(&thread(vec![turn(0, &history[..2], "A"), turn(10, &history, "B")]));
    assert_eq!(lines(&found.messages), ["system: s", "user: a", "assistant: A", "user: b", "assistant: B"]);
    assert_ne!(found.messages[1].trace, found.messages[3].trace);
}

/// A trace of a graph with a memory: it is given the question and answers with the whole conversation.
fn remembering(second: u32, before: &[Value], question: &str, answer: &str) -> Trace {
    let asked = say("user", question);
    let answered = say("assistant", answer);
    let shown: Vec<Value> = before.iter().cloned().chain([asked.clone()]).collect();
    let state: Vec<Value> = shown.iter().cloned().chain([answered.clone()]).collect();
    trace(vec![
        run("graph", RunKind::Chain, second, list(&[asked]), list(&state)),
        run("model", RunKind::Llm, second + 1, list(&shown), list(&[answered])),
    ])
}

#[test]
fn the_memory_of_a_graph_is_not_said_again() {
    let mut before = Vec::new();
    let mut traces = Vec::new();
    for (turn, (question, answer)) in [("Hi", "Hello"), ("Hi", "Hello"), ("Bye", "Hello")].iter().enumerate()
    {
        traces.push(remembering(turn as u32 * 10, &before, question, answer));
        before.extend([say("user", question), say("assistant", answer)]);
    }
    assert_eq!(
        lines(&of_thread(&thread(traces)).messages),
        ["user: Hi", "assistant: Hello", "user: Hi", "assistant: Hello", "user: Bye", "assistant: Hello"]
    );
}

#[test]
fn what_a_person_replies_to_an_interrupted_graph_is_said() {
    let asked = say("user", "Delete everything");
    let done = say("assistant", "Deleted.");
    let command = json!({"input": {"graph": null, "update": null, "resume": "yes", "goto": []}});
    let first = trace(vec![run("graph", RunKind::Chain, 0, list(std::slice::from_ref(&asked)), json!({}))]);
    let second = trace(vec![run("graph", RunKind::Chain, 10, command, list(&[asked, done]))]);
    assert_eq!(
        lines(&of_thread(&thread(vec![first, second])).messages),
        ["user: Delete everything", "user: yes", "assistant: Deleted."]
    );
    check(json!({"resume": {"approved": true}, "goto": []}), &["user: {\"approved\":true}"]);
}

#[test]
fn the_same_question_asked_again_is_asked_twice() {
    let turns = (0..5).map(|number| turn(number * 10, &[say("user", "again?")], "yes")).collect();
    let found = lines(&of_thread(&thread(turns)).messages);
    assert_eq!(found, ["user: again?", "assistant: yes"].repeat(5));
}

#[test]
fn single_run_traces_of_a_thread_are_told_one_after_the_other() {
    let single = |second, history: &[Value]| {
        trace(vec![run("chat", RunKind::Chain, second, list(history), list(&[say("assistant", "ok")]))])
    };
    let turns = vec![
        single(0, &[say("user", "a")]),
        single(1, &[say("user", "a"), say("assistant", "ok"), say("user", "b")]),
        single(2, &[say("user", "b")]),
    ];
    let found = lines(&of_thread(&thread(turns)).messages);
    assert_eq!(found, ["user: a", "assistant: ok", "user: b", "assistant: ok", "user: b", "assistant: ok"]);
}

#[test]
fn twenty_thousand_runs_and_two_megabytes_are_read_in_linear_time() {
    let started = std::time::Instant::now();
    let mut runs = vec![run("agent", RunKind::Chain, 0, json!({"input": "go"}), json!({"output": "done"}))];
    for number in 0..20_000_u32 {
        let text = format!("step {number} {}", "x".repeat(100));
        let mut step = run(
            if number % 2 == 0 { "model" } else { "tool" },
            RunKind::Llm,
            1 + number / 10,
            json!({"input": "go"}),
            json!(text),
        );
        step.id = RunId::from_name(&number.to_string());
        if number % 2 == 1 {
            step.kind = RunKind::Tool;
        }
        runs.push(step);
    }
    let found = of_trace(&trace(runs));
    assert_eq!(found.messages.len(), 1 + 10_000 + 20_000 + 1);
    // Quadratic work would take minutes, not seconds, even on a busy machine.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
