use assay_domain::RunKind;
use serde_json::{Value, json};

use super::*;
use crate::summarize::corpus::Expectation;
use crate::summarize::test_data::{bare_thread, run, thread_of, transcript};

/// Failures as `kind tool signature`, with `(recovered)` and the count where it is not 1.
fn shown(failures: &[Failure]) -> Vec<String> {
    failures
        .iter()
        .map(|failure| {
            let tool = failure.tool.as_deref().unwrap_or("-");
            let count = if failure.count == 1 { String::new() } else { format!(" x{}", failure.count) };
            let recovered = if failure.recovered { " (recovered)" } else { "" };
            format!("{:?} {tool} {}{count}{recovered}", failure.kind, failure.signature)
        })
        .collect()
}

#[track_caller]
fn check(messages: Value, expected: &[&str]) {
    let (thread, transcript) = (bare_thread("t"), transcript(&messages));
    assert_eq!(shown(&detect(&thread, &transcript)), expected);
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn agent(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

fn call(tool: &str, arguments: Value) -> Value {
    json!({"role": "assistant", "tool_calls": [{"function": {"name": tool, "arguments": arguments.to_string()}}]})
}

fn result(text: &str) -> Value {
    json!({"role": "tool", "content": text})
}

/// The same call `times` times, each with this result.
fn calls(times: usize, tool: &str, text: &str) -> Vec<Value> {
    (0..times).flat_map(|_| [call(tool, json!({"q": "shoes"})), result(text)]).collect()
}

fn joined(parts: impl IntoIterator<Item = Vec<Value>>) -> Value {
    Value::Array(parts.into_iter().flatten().collect())
}

#[test]
fn a_thread_that_ends_with_a_tool_did_not_fail_whatever_others_end_with() {
    let messages =
        json!([user("let me speak to a person"), call("transfer_to_human", json!({})), result("done")]);
    let (thread, transcript) = (bare_thread("t"), transcript(&messages));
    let usual = Expectation { answers: true, ..Expectation::default() };
    assert!(Reading::of(&thread, &transcript, usual).failures.is_empty());
}

// ---------------------------------------------------------------- tools

#[test]
fn a_failing_tool_is_named_with_its_template() {
    check(
        json!([
            user("refund my order"),
            call("issue_refund", json!({"amount": "ten"})),
            result("Error: amount 'ten' is not a valid number"),
            agent("I could not do it."),
        ]),
        &["ToolError issue_refund amount <value> is not a valid number"],
    );
}

#[test]
fn a_tool_that_succeeds_later_was_recovered() {
    check(
        json!([
            user("refund my order"),
            call("issue_refund", json!({"amount": "ten"})),
            result("{\"error\": \"not a number\"}"),
            call("issue_refund", json!({"amount": 10})),
            result("{\"ok\": true}"),
            agent("Done."),
        ]),
        &["ToolError issue_refund not a number (recovered)"],
    );
}

#[test]
fn another_tool_that_succeeds_recovers_nothing() {
    check(
        json!([
            user("refund my order"),
            call("issue_refund", json!({})),
            result("Error: no"),
            call("lookup", json!({})),
            result("{\"ok\": true}"),
            agent("It did not work."),
        ]),
        &["ToolError issue_refund no"],
    );
}

#[test]
fn results_belong_to_calls_by_id_even_out_of_order() {
    check(
        json!([
            user("compare"),
            {"role": "assistant", "tool_calls": [
                {"id": "1", "function": {"name": "a", "arguments": "{}"}},
                {"id": "2", "function": {"name": "b", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "2", "content": "Error: b is down"},
            {"role": "tool", "tool_call_id": "1", "content": "fine"},
            agent("Half of it worked."),
        ]),
        &["ToolError b b is down"],
    );
}

#[test]
fn code_that_fails_is_blamed_on_the_agent_that_wrote_it() {
    let messages = json!([
        user("plot it"),
        {"role": "assistant", "name": "Planner", "content": "We should plot."},
        {"role": "assistant", "name": "Coder", "content": "```python\nplot(x)\n```"},
        {"role": "tool", "name": "terminal", "content": "exitcode: 1 (execution failed)\nCode output: Traceback (most recent call last):\n  File \"a.py\", line 3\nNameError: name 'x' is not defined"},
    ]);
    let failures = detect(&bare_thread("t"), &transcript(&messages));
    assert_eq!(shown(&failures), ["ToolError terminal NameError: name <value> is not defined"]);
    assert_eq!(failures[0].agent.as_deref(), Some("Coder"));
    assert_eq!(failures[0].evidence, "NameError: name 'x' is not defined");
}

// ----------------------------------------------------- loops and retries

#[test]
fn the_same_call_again_and_again_is_a_loop() {
    let messages =
        joined([vec![user("find shoes")], calls(4, "search_products", "[]"), vec![agent("Nothing there.")]]);
    check(messages, &["Loop search_products called again and again with the same arguments x4"]);
}

#[test]
fn polling_that_sees_news_and_a_second_look_are_no_loops() {
    let polling =
        ["queued", "running", "half", "done"].iter().flat_map(|status| calls(1, "status", status)).collect();
    check(joined([vec![user("build it")], polling, vec![agent("Built.")]]), &[]);
    check(joined([vec![user("find shoes")], calls(2, "search", "[]"), vec![agent("None.")]]), &[]);
}

#[test]
fn a_test_run_again_after_other_work_is_no_loop() {
    let work = |n: usize| {
        (0..8)
            .flat_map(move |i| [call("edit", json!({"line": n * 10 + i})), result("ok")])
            .collect::<Vec<_>>()
    };
    let messages = joined([
        vec![user("fix it")],
        calls(1, "test", "1 passed, 1 to go"),
        work(1),
        calls(1, "test", "1 passed, 1 to go"),
        work(2),
        calls(1, "test", "1 passed, 1 to go"),
        vec![agent("Fixed.")],
    ]);
    check(messages, &[]);
}

#[test]
fn the_same_words_again_and_again_are_a_loop() {
    let again = "I am looking into this for you, please wait a moment.";
    let turns = (0..3).flat_map(|_| [user("and now"), agent(again)]).collect();
    check(joined([turns]), &["Loop - the same answer again and again x3"]);
    check(json!([user("a"), agent("Done."), user("b"), agent("Done."), user("c"), agent("Done.")]), &[]);
}

#[test]
fn calling_again_unchanged_after_errors_is_a_retry_storm() {
    let messages =
        joined([vec![user("ship it")], calls(3, "carrier", "Error: timed out"), vec![agent("Sorry.")]]);
    check(
        messages,
        &[
            "ToolError carrier timed out x3",
            "Loop carrier called again and again with the same arguments x3",
            "Retry carrier called again unchanged after it had failed x2",
        ],
    );
    // Trying once more is sensible.
    let once = joined([
        vec![user("ship it")],
        calls(1, "carrier", "Error: busy"),
        calls(1, "carrier", "ok"),
        vec![agent("Shipped.")],
    ]);
    check(once, &["ToolError carrier busy (recovered)"]);
}

// -------------------------------------------------------------- hand-offs

#[test]
fn agents_that_hand_work_back_and_forth_are_stuck() {
    let to = |target: &str| [call(&format!("transfer_to_{target}"), json!({})), result("ok")];
    let turns = (0..3).flat_map(|_| to("billing").into_iter().chain(to("support"))).collect();
    check(
        joined([vec![user("help")], turns, vec![agent("One moment.")]]),
        &["HandOff - work handed back and forth between billing and support x6"],
    );
}

#[test]
fn a_hand_off_and_one_back_are_fine_and_so_are_people() {
    let to = |target: &str| [call(&format!("transfer_to_{target}"), json!({})), result("ok")];
    let there_and_back = to("billing").into_iter().chain(to("support")).collect();
    check(joined([vec![user("help")], there_and_back, vec![agent("All settled.")]]), &[]);
    let people = (0..2).flat_map(|_| to("human_agents")).collect();
    check(joined([vec![user("help")], people, vec![agent("Somebody will call.")]]), &[]);
}

// ---------------------------------------------------------------- answers

#[test]
fn declining_to_help_is_a_refusal_in_several_languages() {
    for refusal in [
        "I'm sorry, but I can't help with that request.",
        "I’m sorry, I can’t assist with this.",
        "I cannot provide medical advice.",
        "As an AI language model, I cannot do so.",
        "I must decline.",
        "Lo siento, no puedo ayudarte con eso.",
        "Leider kann ich Ihnen dabei nicht helfen.",
        "Je suis désolé, mais je ne peux pas vous aider avec cela.",
    ] {
        check(json!([user("do it"), agent(refusal)]), &["Refusal - the agent declined to help"]);
    }
    let said = json!([user("do it"), {"role": "assistant", "refusal": "No."}]);
    check(said, &["Refusal - the agent declined to help"]);
}

#[test]
fn not_finding_something_and_keeping_to_rules_are_no_refusals() {
    for fine in [
        "I can't find your order.",
        "I'm sorry, I cannot access that page right now, but here is what I know.",
        "I'm unable to change a basic economy ticket, but I can cancel it.",
        "I can help with that. What city are you in?",
        "Unfortunately your ticket cannot be refunded.",
        "I can't wait to help you with this!",
        "You can't help with that from the app; call us.",
    ] {
        check(json!([user("do it"), agent(fine)]), &[]);
    }
    // The user says it, not the agent.
    check(json!([user("I can't help with that, can you?"), agent("Of course.")]), &[]);
}

#[test]
fn a_request_at_the_end_is_unanswered() {
    let expected = &["Unanswered - the user's last message has no answer"];
    check(json!([user("hi"), agent("Hello!"), user("Where is my order?")]), expected);
    check(json!([user("hi"), agent("Shall I?"), user("Yes, please go ahead. Thank you!")]), expected);
    check(json!([user("hi"), agent("")]), &["Unanswered - the last answer is empty"]);
}

#[test]
fn thanks_goodbyes_and_calls_at_the_end_are_fine() {
    for closing in [
        "Thank you so much for your help!",
        "Great, thanks. That's all I needed.",
        "No, that's all for now. Bye!",
        "Got it, that makes sense. Thanks! If I need anything else, I'll reach out.",
        "Perfecto, muchas gracias.",
        "ok",
    ] {
        check(json!([user("hi"), agent("Done."), user(closing)]), &[]);
    }
    check(json!([user("book it"), call("book", json!({}))]), &[]);
    check(json!([user("book it"), call("book", json!({})), result("booked")]), &[]);
}

#[test]
fn a_lone_question_is_unanswered_only_where_questions_are_answered() {
    let (thread, transcript) = (bare_thread("t"), transcript(&json!([user("what is the time")])));
    let answering = Expectation { answers: true, ..Expectation::default() };
    assert!(Reading::of(&thread, &transcript, Expectation::default()).failures.is_empty());
    assert_eq!(Reading::of(&thread, &transcript, answering).failures[0].kind, FailureKind::Unanswered);
}

#[test]
fn an_answer_in_another_language_is_noticed() {
    let asked = "Hola, necesito cambiar la dirección de mi pedido, ¿me puede ayudar con eso?";
    let english = "Of course, I can help you with that. What is the number of your order, please?";
    check(json!([user(asked), agent(english)]), &["WrongLanguage - asked in es, answered in en"]);
    check(
        json!([
            user(asked),
            agent("Claro, ¿cuál es el número de su pedido? Con eso puedo cambiar la dirección.")
        ]),
        &[],
    );
    let wish =
        "Can you please translate this into Spanish for me: where is my order and when will it be here?";
    check(json!([user(wish), agent("¿Dónde está mi pedido y cuándo va a estar aquí para mí?")]), &[]);
}

#[test]
fn an_error_object_as_last_answer_is_a_failure_the_agent_reports() {
    check(
        json!([user("x"), agent("{\"error\": \"no route to 10.0.0.1\"}")]),
        &["RunError - no route to <address>"],
    );
    check(json!([user("x"), agent("{\"error\": null, \"answer\": 42}")]), &[]);
}

// ------------------------------------------------------------------- runs

fn failing(mut run: assay_domain::Run, error: &str) -> assay_domain::Run {
    run.error = Some(error.to_owned());
    run.outputs = Value::Null;
    run
}

#[track_caller]
fn check_runs(runs: Vec<assay_domain::Run>, expected: &[&str]) {
    let thread = thread_of(runs);
    let transcript = transcript(&json!([user("go"), agent("Done.")]));
    assert_eq!(shown(&detect(&thread, &transcript)), expected);
}

#[test]
fn an_error_that_travels_upwards_is_reported_once_at_its_origin() {
    check_runs(
        vec![
            failing(
                run("t", "agent", RunKind::Chain, None),
                "ToolException('carrier API timed out after 30 s')",
            ),
            failing(run("t", "tools", RunKind::Chain, Some("agent")), "carrier API timed out after 30 s"),
            failing(run("t", "carrier", RunKind::Tool, Some("tools")), "carrier API timed out after 30 s"),
        ],
        &["ToolError carrier carrier API timed out after <num> s"],
    );
}

#[test]
fn the_error_of_a_client_with_its_traceback_is_told_by_the_last_line() {
    let error = "ValueError('no order 3')Traceback (most recent call last):\n\n  File \"a.py\", line 3, in f\n    g()\n\nValueError: no order 3";
    check_runs(
        vec![
            run("t", "agent", RunKind::Chain, None),
            failing(run("t", "find", RunKind::Tool, Some("agent")), error),
        ],
        &["ToolError find ValueError: no order <num>"],
    );
}

#[test]
fn a_root_that_fails_for_its_own_reason_is_reported_as_well() {
    check_runs(
        vec![
            failing(run("t", "agent", RunKind::Chain, None), "KeyError: 'plan'"),
            failing(run("t", "search", RunKind::Tool, Some("agent")), "index is offline"),
            run("t", "model", RunKind::Llm, Some("agent")),
        ],
        &["RunError - KeyError: <value>", "ToolError search index is offline"],
    );
}

#[test]
fn model_errors_have_a_class_and_a_provider() {
    let mut model = failing(
        run("t", "model", RunKind::Llm, Some("agent")),
        "Error code: 429 - Rate limit reached for org-x12",
    );
    model.metadata.insert("ls_provider".into(), "openai".into());
    let expected =
        &["ModelError openai rate limit: Error code: 429 - Rate limit reached for <id> (recovered)"];
    check_runs(
        vec![run("t", "agent", RunKind::Chain, None), model, run("t", "again", RunKind::Llm, Some("agent"))],
        expected,
    );
}

#[test]
fn the_step_limit_is_no_crash() {
    check_runs(
        vec![failing(
            run("t", "agent", RunKind::Chain, None),
            "GraphRecursionError('Recursion limit of 25 reached without hitting a stop condition.')",
        )],
        &[
            "LimitReached - GraphRecursionError: Recursion limit of <num> reached without hitting a stop condition",
        ],
    );
    check(
        json!([user("x"), agent("Agent stopped due to max iterations.")]),
        &["LimitReached - Agent stopped due to max iterations"],
    );
}

#[test]
fn the_same_tool_failure_in_transcript_and_runs_counts_once() {
    let thread = thread_of(vec![
        run("t", "agent", RunKind::Chain, None),
        failing(run("t", "carrier", RunKind::Tool, Some("agent")), "Error: busy, ticket 99"),
    ]);
    let transcript = transcript(&json!([
        user("go"),
        call("carrier", json!({})),
        result("Error: busy, ticket 98"),
        agent("Later.")
    ]));
    assert_eq!(shown(&detect(&thread, &transcript)), ["ToolError carrier busy, ticket <num>"]);
}

#[test]
fn agents_inside_agents_are_read_from_the_runs() {
    let mut runs = vec![
        run("t", "agent", RunKind::Chain, None),
        run("t", "ResearchAgent.run", RunKind::Chain, Some("agent")),
    ];
    for number in 0..3 {
        let mut search =
            failing(run("t", &format!("s{number}"), RunKind::Tool, Some("ResearchAgent.run")), "no index");
        search.name = "search".into();
        search.inputs = json!({"q": number});
        runs.push(search);
    }
    let failures = detect(&thread_of(runs), &transcript(&json!([user("go"), agent("Done.")])));
    assert_eq!(shown(&failures), ["ToolError search no index x3"]);
    assert_eq!(failures[0].agent.as_deref(), Some("ResearchAgent"));
}

#[test]
fn large_threads_take_linear_time() {
    let mut runs = vec![failing(run("t", "agent", RunKind::Chain, None), "boom")];
    for number in 0..20_000 {
        let name = format!("step{number}");
        let parent = if number % 100 == 0 { "agent".to_owned() } else { format!("step{}", number - 1) };
        runs.push(failing(run("t", &name, RunKind::Chain, Some(&parent)), "boom"));
    }
    let long = "word ".repeat(400_000);
    let transcript =
        transcript(&json!([user(&long), agent(&long), call("t", json!({"x": long})), result(&long)]));
    let thread = thread_of(runs);
    assert_eq!(shown(&detect(&thread, &transcript)), ["RunError - boom x200"]);
}

#[test]
fn a_run_left_open_long_before_the_data_ends_was_left_alone() {
    let mut root = run("trace", "agent", RunKind::Chain, None);
    root.start_time = "2026-01-01T00:00:00Z".parse().ok();
    root.end_time = None;
    let thread = thread_of(vec![root]);
    let transcript = transcript(&json!([
        {"role": "user", "content": "Where is my order?"},
        {"role": "assistant", "content": "Which one?"},
        {"role": "user", "content": "Could you please check the last one?"},
    ]));
    let kinds = |last: &str| -> Vec<FailureKind> {
        let expected = Expectation { last_activity: last.parse().ok(), ..Expectation::default() };
        Reading::of(&thread, &transcript, expected).failures.iter().map(|failure| failure.kind).collect()
    };
    assert_eq!(kinds("2026-01-02T00:00:00Z"), [FailureKind::Unanswered]);
    assert_eq!(kinds("2026-01-01T00:10:00Z"), []);
}
