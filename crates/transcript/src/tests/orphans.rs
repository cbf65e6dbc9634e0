//! Traces of which the root, or something in between, never arrived.

use super::*;

/// A trace whose runs hang on a parent that is not there, each with what hangs on it.
fn orphaned(trees: Vec<Vec<Run>>) -> Trace {
    let id = RunId::from_name("never arrived");
    let mut runs = Vec::new();
    for mut tree in trees {
        let top = tree[0].id;
        for run in &mut tree {
            run.trace = id.into();
            run.parent = Some(if run.id == top { id } else { top });
        }
        runs.extend(tree);
    }
    Trace::new(id.into(), runs)
}

#[track_caller]
fn check_trees(trees: Vec<Vec<Run>>, expected: &[&str]) {
    let transcript = of_trace(&orphaned(trees));
    assert_eq!(lines(&transcript.messages), expected);
    assert!(transcript.messages.iter().all(|message| message.run.is_some() && message.trace.is_some()));
}

/// Takes three seconds.
fn chain(second: u32, question: &str, answer: &str) -> Run {
    let (asked, answered) = (list(&[say("user", question)]), list(&[say("assistant", answer)]));
    let mut chain = run("chain", RunKind::Chain, second, asked, answered);
    chain.end_time = chain.start_time.map(|start| start + std::time::Duration::from_secs(3));
    chain
}

fn model(second: u32, prompt: &str, answer: &str) -> Run {
    run("model", RunKind::Llm, second, list(&[say("user", prompt)]), list(&[say("assistant", answer)]))
}

#[test]
fn every_orphan_chain_tells_its_messages_in_order() {
    check_trees(
        vec![vec![chain(20, "c", "ok")], vec![chain(0, "a", "ok")], vec![chain(10, "b", "ok")]],
        &["user: a", "assistant: ok", "user: b", "assistant: ok", "user: c", "assistant: ok"],
    );
}

#[test]
fn orphan_chains_that_pass_a_state_on_repeat_nothing() {
    let [a, b, c] = [say("user", "a"), say("assistant", "A"), say("assistant", "B")];
    let first = run("plan", RunKind::Chain, 0, list(std::slice::from_ref(&a)), list(&[a.clone(), b.clone()]));
    let second = run("act", RunKind::Chain, 5, list(&[a.clone(), b.clone()]), list(&[a, b, c]));
    check_trees(
        vec![vec![first.clone()], vec![second.clone()]],
        &["user: a", "assistant: A", "assistant: B"],
    );
    // What wrapped both says the same once more.
    let whole = chain(0, "a", "B");
    check_trees(vec![vec![first], vec![second], vec![whole]], &["user: a", "assistant: A", "assistant: B"]);
}

#[test]
fn an_orphan_chain_around_a_model_adds_only_what_the_model_did_not_see() {
    check_trees(
        vec![
            vec![
                chain(0, "Why is the sky blue?", "Scattering."),
                model(1, "Q: Why is the sky blue?", "Scattering."),
            ],
            vec![
                chain(10, "And the sea?", "It mirrors."),
                model(11, "Context … Q: And the sea?", "It mirrors."),
            ],
            vec![chain(20, "Thanks", "[sent]"), model(21, "be polite", "You are welcome")],
        ],
        &[
            "user: Why is the sky blue?",
            "assistant: Scattering.",
            "user: And the sea?",
            "assistant: It mirrors.",
            "user: Thanks",
            "user: be polite",
            "assistant: You are welcome",
            "assistant: [sent]",
        ],
    );
}

#[test]
fn orphan_models_chains_and_tools_stand_in_order_of_time() {
    let mut search = run("search", RunKind::Tool, 4, json!({"q": "x"}), json!({"output": "found"}));
    search.end_time = search.start_time;
    check_trees(
        vec![
            vec![chain(1, "look it up", "looking")],
            vec![model(0, "hi", "hello")],
            vec![search],
            vec![model(6, "sum it up", "found x")],
        ],
        &[
            "user: hi",
            "assistant: hello",
            "user: look it up",
            "assistant: looking",
            "assistant:  search({\"q\":\"x\"})",
            "tool(search): found",
            "user: sum it up",
            "assistant: found x",
        ],
    );
}

#[test]
fn a_silent_orphan_lets_its_steps_speak_and_errors_are_told_once() {
    let silent = |second| run("graph", RunKind::Chain, second, Value::Null, Value::Null);
    let mut failed = silent(20);
    failed.error = Some("out of memory".into());
    let mut failed_again = chain(30, "c", "C");
    failed_again.error = Some("out of memory".into());
    check_trees(
        vec![
            vec![chain(0, "a", "A")],
            vec![silent(10), chain(11, "b", "B")],
            vec![failed],
            vec![failed_again],
        ],
        &[
            "user: a",
            "assistant: A",
            "user: b",
            "assistant: B",
            "assistant:  !out of memory",
            "user: c",
            "assistant: C",
        ],
    );
}

#[test]
fn an_orphan_beside_a_root_that_answers_last_stands_before_its_answer() {
    let mut root = chain(0, "a", "[done]");
    root.end_time = "2026-01-01T00:00:50Z".parse().ok();
    let id = root.id;
    let mut orphan = chain(20, "b", "B");
    orphan.parent = Some(RunId::from_name("missing"));
    let calls = [model(10, "a", "A"), model(12, "more", "C")].map(|call| Run { parent: Some(id), ..call });
    let found = of_trace(&Trace::new(id.into(), [root, orphan].into_iter().chain(calls).collect()));
    assert_eq!(
        lines(&found.messages),
        [
            "user: a",
            "assistant: A",
            "user: more",
            "assistant: C",
            "user: b",
            "assistant: B",
            "assistant: [done]"
        ]
    );
}

#[test]
fn later_traces_know_what_orphans_said() {
    let first = orphaned(vec![vec![chain(0, "a", "A")], vec![chain(10, "b", "B")]]);
    let history =
        [say("user", "a"), say("assistant", "A"), say("user", "b"), say("assistant", "B"), say("user", "c")];
    let found = of_thread(&thread(vec![first, turn(20, &history, "C")]));
    let expected = ["user: a", "assistant: A", "user: b", "assistant: B", "user: c", "assistant: C"];
    assert_eq!(lines(&found.messages), expected);
}

#[test]
fn ten_thousand_orphans_are_read_in_linear_time() {
    let started = std::time::Instant::now();
    let mut trees = Vec::new();
    for number in 0..10_000_u32 {
        let mut top = chain(number / 10, &format!("question {number}"), &format!("answer {number}"));
        top.id = RunId::from_name(&format!("top {number}"));
        let mut tree = vec![top];
        if number % 2 == 0 {
            let mut inner =
                model(number / 10, &format!("prompt: question {number}"), &format!("answer {number}"));
            inner.id = RunId::from_name(&format!("inner {number}"));
            tree.push(inner);
        }
        trees.push(tree);
    }
    let found = of_trace(&orphaned(trees));
    assert_eq!(found.messages.len(), 20_000);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
