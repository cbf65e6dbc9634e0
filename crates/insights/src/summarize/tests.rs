use assay_domain::RunKind;
use assay_domain::report::AttributeValue;
use serde_json::{Value, json};

use super::test_data::{Sample, bare_thread, run, thread_of, threads, transcript, with_runs};
use super::*;
use crate::summary::FailureKind;

fn summary(messages: &Value) -> Summary {
    thread(&bare_thread("t"), &transcript(messages), &Corpus::default()).expect("the thread can be read")
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn agent(text: &str) -> Value {
    json!({"role": "assistant", "content": text})
}

// ------------------------------------------------------------------ words

#[test]
fn a_summary_says_what_was_asked_done_and_how_it_ended() {
    let messages = json!([
        user("Please refund order 12, it arrived broken."),
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "lookup_order", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "{\"order\": 12}"},
        {"role": "assistant", "tool_calls": [{"id": "2", "function": {"name": "issue_refund", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "2", "content": "Error: amount is not a valid number"},
        agent("I could not refund it."),
    ]);
    let summary = summary(&messages);
    assert_eq!(
        summary.text,
        "Asked “Please refund order 12, it arrived broken.”. The agent called lookup_order and issue_refund, \
         which failed. Not recovered: issue_refund – amount is not a valid number."
    );
    assert_eq!(summary.request, "Please refund order 12, it arrived broken.");
}

#[test]
fn a_thread_without_a_word_is_skipped_with_a_reason() {
    let empty = thread(&bare_thread("t"), &Transcript::default(), &Corpus::default());
    assert_eq!(empty, Err("no messages".to_owned()));
}

#[test]
fn only_tool_messages_and_only_errors_are_read_all_the_same() {
    let only_tools = summary(&json!([{"role": "tool", "name": "search", "content": "12 results"}]));
    assert_eq!(only_tools.topics[0].text, "12 results");
    let mut root = run("t", "agent", RunKind::Chain, None);
    root.error = Some("boom".into());
    let crashed = thread(&thread_of(vec![root]), &Transcript::default(), &Corpus::default())
        .expect("an error says something");
    assert_eq!(crashed.failures[0].kind, FailureKind::RunError);
    assert!(crashed.run.is_some());
}

#[test]
fn the_digest_is_the_first_request_and_the_second_at_half_weight() {
    let summary = summary(&json!([
        user("Hi there"),
        agent("Hello!"),
        user("I want to **book** a flight"),
        agent("Sure.")
    ]));
    let topics: Vec<(&str, f32)> =
        summary.topics.iter().map(|topic| (topic.text.as_str(), topic.weight)).collect();
    assert_eq!(topics, [("Hi there", 2.0 / 3.0), ("I want to book a flight", 1.0 / 3.0)]);
}

#[test]
fn what_tools_gave_back_in_the_users_name_is_no_request() {
    let summary = summary(&json!([
        user("Fix it"),
        agent("Let me see."),
        user("Observation: Execution logs: 3"),
        agent("Done.")
    ]));
    // The agent's first answer stands in for the second request there is not.
    let topics: Vec<&str> = summary.topics.iter().map(|topic| topic.text.as_str()).collect();
    assert_eq!(topics, ["Fix it", "Let me see."]);
    assert_eq!(summary.attributes["turns"], AttributeValue::Number(1.0));
}

#[test]
fn digests_are_cut_and_cleaned() {
    let long = summary(&json!([user(&"word ".repeat(500))]));
    assert_eq!(long.topics[0].text.split(' ').count(), 48);
    assert!(long.request.chars().count() <= 240);
    for (text, expected) in [
        ("# Fix this\n\n```rust\nfn main() {}\n```\n- soon", "Fix this (code) soon"),
        ("see https://www.example.com/a/b?c=d now", "see example.com now"),
        ("a [link](https://x.y/z) here", "a link here"),
        ("<p>Where is &nbsp; it?</p>", "Where is it?"),
        ("\u{1b}[31mred\u{1b}[0m alert", "red alert"),
        (
            "check {\"id\": 3, \"items\": [1, 2, 3], \"name\": \"a long name of a thing\"} please",
            "check (data) please",
        ),
        (
            "{\"id\": 3, \"name\": \"a long name of a thing that is here\"}",
            "{\"id\": 3, \"name\": \"a long name of a thing that is here\"}",
        ),
        ("=== --- ===\nx y z", "x y z"),
    ] {
        assert_eq!(digest::cleaned(text), expected, "of {text:?}");
    }
}

#[test]
fn a_preamble_that_all_requests_share_is_left_out() {
    let request = |n: usize| {
        format!("You are given a task. Answer it well.\n\nTask:\nfind item number {n} in the list")
    };
    let mut corpus = Corpus::default();
    for n in 0..40 {
        corpus.observe(&transcript(&json!([user(&request(n))])));
    }
    let summary = thread(&bare_thread("t"), &transcript(&json!([user(&request(3))])), &corpus).expect("read");
    assert_eq!(summary.topics[0].text, "find item number 3 in the list");
}

#[test]
fn what_all_identical_requests_say_is_kept() {
    let same = transcript(&json!([user("Where is my order?"), agent("Here.")]));
    let mut corpus = Corpus::default();
    (0..100).for_each(|_| corpus.observe(&same));
    let summary = thread(&bare_thread("t"), &same, &corpus).expect("read");
    assert_eq!(summary.topics[0].text, "Where is my order?");
}

#[test]
fn a_corpus_does_not_depend_on_order_or_parts() {
    let all: Vec<Transcript> =
        (0..30).map(|n| transcript(&json!([user(&format!("Task: do thing {n}"))]))).collect();
    let (mut one, mut left, mut right) = (Corpus::default(), Corpus::default(), Corpus::default());
    all.iter().for_each(|transcript| one.observe(transcript));
    all.iter().rev().take(10).for_each(|transcript| left.observe(transcript));
    all.iter().take(20).for_each(|transcript| right.observe(transcript));
    left.merge(right);
    let reads =
        |corpus: &Corpus| all.iter().map(|t| thread(&bare_thread("t"), t, corpus)).collect::<Vec<_>>();
    assert_eq!(reads(&one), reads(&left));
}

// ------------------------------------------------------------- attributes

#[test]
fn structure_answers_questions() {
    let messages = json!([
        user("I would like to know where my order is, can you find it for me?"),
        {"role": "assistant", "name": "Desk", "tool_calls": [{"function": {"name": "search", "arguments": "{\"q\": 1}"}}]},
        {"role": "tool", "content": "Error: down"},
        {"role": "assistant", "name": "Desk", "tool_calls": [{"function": {"name": "search", "arguments": "{\"q\": 1}"}}]},
        {"role": "tool", "content": "found"},
        {"role": "assistant", "name": "Clerk", "content": "It is here, and it will be with you soon. Is there more?"},
    ]);
    let attributes = summary(&messages).attributes;
    let number = |name: &str| attributes.get(name).cloned();
    for (name, expected) in [
        ("turns", 1.0),
        ("model_calls", 3.0),
        ("tool_calls", 2.0),
        ("tool_errors", 1.0),
        ("repeated_calls", 2.0),
        ("retries", 1.0),
        ("hand_offs", 1.0),
        ("errors_recovered", 1.0),
    ] {
        assert_eq!(number(name), Some(AttributeValue::Number(expected)), "{name}");
    }
    assert_eq!(attributes["tools"], AttributeValue::Labels(vec!["search".into()]));
    assert_eq!(attributes["failed_tools"], AttributeValue::Labels(vec!["search".into()]));
    assert_eq!(attributes["agents"], AttributeValue::Labels(vec!["Clerk".into(), "Desk".into()]));
    assert_eq!(attributes["language"], AttributeValue::Text("en".into()));
    assert_eq!(attributes["loop"], AttributeValue::Boolean(false));
    assert_eq!(attributes["answered_in_other_language"], AttributeValue::Boolean(false));
    assert!(!attributes.contains_key("last_tool_before_error"), "it was recovered");
}

#[test]
fn metadata_joins_without_ids_and_environment() {
    let mut root = run("t", "agent", RunKind::Chain, None);
    root.tags = vec!["prod".into()];
    let metadata = json!({
        "channel": "web", "beta": true, "score": 3, "prompt_commit": "a1b2c3d4",
        "thread_id": "x", "customer_id": "c", "userId": "u", "ls_model_name": "gpt", "LANGSMITH_PROJECT": "p",
        "sdk_version": "1", "note": "a\nb", "created_at": "2026", "list": [1], "nothing": null,
        "build": "4f0bc408318a503fad940c185dbfc15e",
    });
    root.metadata = metadata.as_object().cloned().unwrap_or_default();
    let found =
        thread(&thread_of(vec![root]), &transcript(&json!([user("hi"), agent("hello")])), &Corpus::default());
    let attributes = found.expect("read").attributes;
    let metadata: Vec<&str> = attributes.keys().filter_map(|name| name.strip_prefix("metadata.")).collect();
    assert_eq!(metadata, ["beta", "channel", "score"]);
    assert_eq!(attributes["prompt_version"], AttributeValue::Text("a1b2c3d4".into()));
    assert_eq!(attributes["models"], AttributeValue::Labels(vec!["gpt".into()]));
    assert_eq!(attributes["tags"], AttributeValue::Labels(vec!["prod".into()]));
}

#[test]
fn the_run_that_shows_the_failure_is_opened_first() {
    let mut tool = run("t", "tool", RunKind::Tool, Some("agent"));
    tool.error = Some("boom".into());
    let id = tool.id;
    let failing = thread_of(vec![run("t", "agent", RunKind::Chain, None), tool]);
    let words = transcript(&json!([user("hi"), agent("hello")]));
    let read = |thread_: &Thread| thread(thread_, &words, &Corpus::default()).expect("read").run;
    assert_eq!(read(&failing), Some(id));
    let fine = thread_of(vec![run("t", "agent", RunKind::Chain, None)]);
    assert_eq!(read(&fine), Some(fine.traces[0].runs[0].id));
}

// ------------------------------------------------------------ real threads

const ALL: usize = usize::MAX;

fn read_all(samples: &[Sample]) -> Vec<Summary> {
    let mut corpus = Corpus::default();
    samples.iter().take(500).for_each(|sample| corpus.observe(&sample.transcript));
    let read =
        |sample: &Sample| thread(&sample.thread, &sample.transcript, &corpus).expect("every thread is read");
    samples.iter().map(read).collect()
}

/// Share of threads that show this failure unrecovered.
fn rate(summaries: &[Summary], kind: FailureKind) -> f64 {
    let shows = |summary: &&Summary| {
        summary.failures.iter().any(|failure| failure.kind == kind && !failure.recovered)
    };
    let rate = summaries.iter().filter(shows).count() as f64 / summaries.len() as f64;
    println!("{kind:?} in {:.2} % of {} threads", rate * 100.0, summaries.len());
    rate
}

#[test]
fn every_multi_agent_thread_is_read_and_failing_steps_have_an_agent() {
    let Some(samples) = threads("who_and_when", ALL) else { return };
    let summaries = read_all(&samples);
    let (mut with_failure, mut right, mut among) = (0, 0, 0);
    for (sample, summary) in samples.iter().zip(&summaries) {
        let prints_failure =
            sample.transcript.by(Role::Tool).any(|message| message.text().contains("(execution failed)"));
        let tools = || summary.failures.iter().filter(|failure| failure.kind == FailureKind::ToolError);
        assert!(!prints_failure || tools().next().is_some(), "{}: a failed step is lost", summary.thread);
        assert!(tools().all(|failure| failure.tool.is_some() && failure.agent.is_some()));
        let Some(worst) = summary.failures.first() else { continue };
        let gold = sample.labels["mistake_agent"].as_str();
        with_failure += 1;
        right += usize::from(worst.agent.as_deref() == gold);
        among += usize::from(summary.failures.iter().any(|failure| failure.agent.as_deref() == gold));
    }
    println!(
        "{with_failure} of {} threads show a failure; its agent is the one to blame in {right}, among all failing agents in {among}",
        samples.len()
    );
    assert!(right * 3 >= with_failure, "the agent of the worst failure is rarely the right one");
}

#[test]
fn every_coding_thread_is_read_and_failing_steps_are_named() {
    let Some(samples) = threads("trail_swe", ALL).and_then(|samples| with_runs("trail_swe", samples)) else {
        return;
    };
    let summaries = read_all(&samples);
    for (sample, summary) in samples.iter().zip(&summaries) {
        let root_failed = sample.thread.traces[0].runs[0].error.is_some();
        let any_failed = sample.thread.runs().any(|run| run.error.is_some());
        assert!(!any_failed || !summary.failures.is_empty(), "{}: an error is lost", summary.thread);
        if root_failed {
            assert!(!summary.failures[0].recovered, "{}: a failed root was not recovered", summary.thread);
        }
        assert!(
            summary.failures.iter().all(|failure| failure.tool.is_some() || failure.agent.is_some()),
            "{:?}",
            summary.failures
        );
    }
}

#[test]
fn detectors_of_words_stay_silent_on_healthy_conversations() {
    for (set, refusals, unanswered) in
        [("tau_bench_airline", 0.03, 0.04), ("bfcl_2024_08", 0.005, 0.005), ("sgd", 0.002, 0.002)]
    {
        let Some(samples) = threads(set, 4_000) else { continue };
        let summaries = read_all(&samples);
        println!("{set}:");
        assert!(rate(&summaries, FailureKind::Refusal) <= refusals);
        assert!(rate(&summaries, FailureKind::Unanswered) <= unanswered);
        assert!(rate(&summaries, FailureKind::WrongLanguage) <= 0.005);
        assert!(rate(&summaries, FailureKind::Loop) <= 0.02);
        assert!(rate(&summaries, FailureKind::HandOff) <= 0.0);
    }
}
