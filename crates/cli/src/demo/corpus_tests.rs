//! The promises of the corpus: the same bytes again, the rates, the shape of
//! runs, and that what is planted can be seen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use super::*;
use crate::demo::failures::{NEW_PROMPT, OLD_PROMPT};
use crate::demo::intents::INTENTS;
use crate::demo::language::Language;

fn text<'a>(run: &'a Value, field: &str) -> &'a str {
    run[field].as_str().unwrap_or_else(|| panic!("{field} is not text in {run}"))
}

fn thread_of(run: &Value) -> &str {
    text(&run["extra"]["metadata"], "thread_id")
}

/// The default corpus, which most tests look at.
static THREADS: LazyLock<Vec<GeneratedThread>> = LazyLock::new(|| threads(&Options::default()).collect());
static CORPUS: LazyLock<Corpus> = LazyLock::new(|| generate(&Options::default()));

/// The runs of the threads in which this failure was planted.
fn failing(failure: Failure) -> Vec<Vec<Value>> {
    let name = failure.planted().name;
    let failing: Vec<Vec<Value>> = THREADS
        .iter()
        .filter(|thread| thread.planted.failures.contains(&name))
        .map(|thread| thread.runs.clone())
        .collect();
    assert!(failing.len() >= 8, "{name}: {}", failing.len());
    failing
}

fn tool_runs<'a>(runs: &'a [Value], tool: &str) -> Vec<&'a Value> {
    runs.iter().filter(|run| run["name"] == tool).collect()
}

fn error(run: &Value) -> &str {
    run["error"].as_str().unwrap_or("")
}

#[test]
fn the_same_options_give_the_same_bytes() {
    let bytes = |seed| {
        let corpus = generate(&Options { seed, threads: 210, ..Options::default() });
        let planted = corpus.planted.to_json();
        (serde_json::to_vec(&corpus.runs), serde_json::to_vec(&corpus.feedback), serde_json::to_vec(&planted))
    };
    let (runs, feedback, planted) = bytes(1);
    let (same_runs, same_feedback, same_planted) = bytes(1);
    let (other_runs, ..) = bytes(2);
    assert_eq!(runs.expect("is JSON"), same_runs.expect("is JSON"));
    assert_eq!(feedback.expect("is JSON"), same_feedback.expect("is JSON"));
    assert_eq!(planted.expect("is JSON"), same_planted.expect("is JSON"));
    assert_ne!(bytes(1).0.expect("is JSON"), other_runs.expect("is JSON"));
}

#[test]
fn whatever_the_number_of_threads_there_are_that_many() {
    for count in [0, 1, 7, 199, 200, 201] {
        let corpus = generate(&Options { threads: count, ..Options::default() });
        assert_eq!(corpus.planted.threads.len(), count);
    }
}

#[test]
fn intents_have_their_rates() {
    let planted = &CORPUS.planted;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for thread in planted.threads.values() {
        *counts.entry(thread.topic.as_ref().map_or("", |topic| topic.intent.as_str())).or_default() += 1;
    }
    assert_eq!(counts[""], 18);
    for intent in INTENTS.iter() {
        assert_eq!(counts[intent.name], intent.percent * 6, "{}", intent.name);
    }
}

#[test]
fn every_failure_is_planted_at_least_eight_times_whatever_the_seed() {
    for seed in 0..20 {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let calendar = Calendar::until(Options::default().end);
        for block in 0..3 {
            for plan in schedule::plan(&calendar, BLOCK, &mut Random::of(&[seed, 0, block])) {
                for failure in plan.failures {
                    *counts.entry(failure.planted().name).or_default() += 1;
                }
            }
        }
        for failure in Failure::ALL {
            let name = failure.planted().name;
            assert!(
                counts.get(&name).is_some_and(|&count| count >= 8),
                "{name} with seed {seed}: {counts:?}"
            );
        }
    }
}

#[test]
fn most_threads_go_well() {
    let planted = &CORPUS.planted;
    let failed = planted.threads.values().filter(|thread| !thread.failures.is_empty()).count();
    assert!((100..160).contains(&failed), "{failed}");
}

#[test]
fn ids_are_unique() {
    let corpus = &*CORPUS;
    let mut ids = HashSet::new();
    for record in corpus.runs.iter().chain(&corpus.feedback) {
        assert!(ids.insert(text(record, "id").to_owned()), "{record}");
    }
}

#[test]
fn runs_hang_together() {
    let options = Options::default();
    let corpus = &*CORPUS;
    let mut known: HashMap<&str, &Value> = HashMap::new();
    let (first, last) = (options.end - chrono::Duration::days(schedule::DAYS), options.end);
    for run in &corpus.runs {
        let (id, dotted_order) = (text(run, "id"), text(run, "dotted_order"));
        assert!(dotted_order.ends_with(id));
        let begun: DateTime<Utc> = text(run, "start_time").parse().expect("a time");
        assert!(begun >= first && begun < last, "{run}");
        if let Some(end) = run["end_time"].as_str() {
            assert!(end.parse::<DateTime<Utc>>().expect("a time") >= begun && end < "2026-11-01", "{run}");
        }
        let moment = dotted_order.rsplit('.').next().expect("a part");
        assert_eq!(moment, format!("{}{id}", begun.format("%Y%m%dT%H%M%S%6fZ")));
        if let Some(parent) = run["parent_run_id"].as_str() {
            // Parents come first, so a child finds its parent among the known.
            let parent = known[parent];
            assert_eq!(dotted_order, format!("{}.{moment}", text(parent, "dotted_order")));
            assert_eq!(run["trace_id"], parent["trace_id"]);
            assert_eq!(thread_of(run), thread_of(parent));
            assert!(run["end_time"].as_str() <= parent["end_time"].as_str(), "{run}");
        } else {
            assert_eq!(run["trace_id"], run["id"]);
            assert_eq!(dotted_order, moment);
            assert_eq!(run["name"], "support_agent");
        }
        known.insert(id, run);
    }
    for feedback in &corpus.feedback {
        let run = known[text(feedback, "run_id")];
        assert_eq!(text(feedback, "thread_id"), thread_of(run));
        assert!(run["parent_run_id"].is_null());
    }
    let roots = corpus.runs.iter().filter(|run| run["parent_run_id"].is_null()).count();
    assert!(roots > corpus.planted.threads.len(), "some threads have several traces");
}

#[test]
fn customers_hardly_repeat_each_other() {
    let mut openings = HashSet::new();
    let mut repeated = 0;
    for thread in THREADS.iter() {
        let said = text(&thread.runs[0]["inputs"]["messages"][0], "content").to_lowercase();
        repeated += usize::from(!openings.insert(said));
    }
    assert!(repeated <= 24, "{repeated} of 600");
}

#[test]
fn some_customers_write_other_languages() {
    let corpus = &*CORPUS;
    let mut threads: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for run in corpus.runs.iter().filter(|run| run["parent_run_id"].is_null()) {
        threads.entry(text(&run["extra"]["metadata"], "language")).or_default().insert(thread_of(run));
    }
    let counts: Vec<(&str, usize)> =
        threads.into_iter().map(|(code, threads)| (code, threads.len())).collect();
    assert_eq!(counts, [("de", 18), ("en", 552), ("es", 21), ("fr", 9)]);
    assert_eq!(Language::of_code("en"), Some(Language::English));
}

#[test]
fn feedback_follows_the_outcome() {
    let options = Options { threads: 1_000, ..Options::default() };
    let mut scores = [Vec::new(), Vec::new()];
    for thread in threads(&options) {
        let failed = usize::from(!thread.planted.failures.is_empty());
        let votes = thread.feedback.iter().filter(|feedback| feedback["key"] == "user_score");
        scores[failed].extend(votes.filter_map(|feedback| feedback["score"].as_f64()));
    }
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    assert!(mean(&scores[0]) > 0.85 && mean(&scores[1]) < 0.4);
    assert!((300..400).contains(&(scores[0].len() + scores[1].len())));
}

#[test]
fn tracking_timeouts_are_errors_of_the_tool_and_long() {
    for runs in failing(Failure::TrackingTimeout) {
        let calls = tool_runs(&runs, "track_shipment");
        assert!(!calls.is_empty());
        assert!(calls.iter().all(|call| error(call).contains("timed out after 30 s, request id req_")));
    }
}

#[test]
fn malformed_refunds_begin_with_the_new_prompt() {
    for runs in failing(Failure::MalformedRefund) {
        assert!(runs.iter().all(|run| run["extra"]["metadata"]["prompt_commit"] == NEW_PROMPT));
        let calls = tool_runs(&runs, "issue_refund");
        assert!(calls.iter().any(|call| text(&call["inputs"], "amount").ends_with(" EUR")));
        assert!(calls.iter().all(|call| error(call).contains("validation error for IssueRefund")));
    }
    let corpus = &*CORPUS;
    for commit in [OLD_PROMPT, NEW_PROMPT] {
        let fine =
            |run: &&Value| run["extra"]["metadata"]["prompt_commit"] == commit && run["error"].is_null();
        let refunds = corpus.runs.iter().filter(|run| run["name"] == "issue_refund").filter(fine).count();
        assert!(refunds >= 8, "refunds also work with {commit}: {refunds}");
    }
}

#[test]
fn search_loops_repeat_one_call() {
    for runs in failing(Failure::SearchLoop) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for call in tool_runs(&runs, "search_products") {
            *counts.entry(call["inputs"].to_string()).or_default() += 1;
        }
        assert!(counts.values().any(|count| (6..=12).contains(count)), "{counts:?}");
    }
}

#[test]
fn rate_limits_are_retried_until_they_end() {
    for runs in failing(Failure::RateLimited) {
        let calls = tool_runs(&runs, "lookup_order");
        assert!(calls.iter().filter(|call| error(call).contains("429")).count() >= 4);
        assert!(calls.last().is_some_and(|call| call["error"].is_null()));
    }
}

#[test]
fn unanswered_customers_hear_nothing() {
    for runs in failing(Failure::Unanswered) {
        let root = runs.iter().rfind(|run| run["parent_run_id"].is_null()).expect("a root");
        assert!(root["outputs"]["messages"].as_array().is_none_or(Vec::is_empty));
        assert!(root["error"].is_null());
    }
}

#[test]
fn exceeded_contexts_are_errors_of_the_model_and_the_trace() {
    for runs in failing(Failure::ContextTooLong) {
        let failed: Vec<&Value> =
            runs.iter().filter(|run| error(run).contains("context_length_exceeded")).collect();
        assert!(failed.iter().any(|run| run["run_type"] == "llm"));
        assert!(failed.iter().any(|run| run["parent_run_id"].is_null() && run["status"] == "error"));
    }
}

#[test]
fn sub_agents_alternate() {
    for runs in failing(Failure::PingPong) {
        let chains =
            |agent| runs.iter().filter(|run| run["name"] == agent && run["run_type"] == "chain").count();
        assert!(chains("orders_agent") >= 3 && chains("billing_agent") >= 3);
        let names = runs.iter().filter(|run| run["run_type"] == "llm");
        assert!(names.filter(|run| run["outputs"]["messages"][0]["name"] == "billing_agent").count() >= 3);
    }
}

#[test]
fn nothing_fails_where_nothing_was_planted() {
    for thread in THREADS.iter().filter(|thread| thread.planted.failures.is_empty()) {
        for run in &thread.runs {
            assert_eq!(run["status"], "success", "{run}");
            let answered = run["run_type"] != "llm"
                || !run["outputs"]["messages"][0]["content"].is_null()
                || run["outputs"]["messages"][0]["tool_calls"].is_array();
            assert!(answered, "{run}");
        }
    }
}

#[test]
fn the_answer_key_names_every_thread_and_failure() {
    let key = CORPUS.planted.to_json();
    assert_eq!(key["threads"].as_object().map(|threads| threads.len()), Some(CORPUS.planted.threads.len()));
    assert_eq!(key["failures"].as_array().map(Vec::len), Some(CORPUS.planted.failures.len()));
}
