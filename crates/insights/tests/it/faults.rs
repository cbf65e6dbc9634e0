//! Whatever goes wrong on the way: a report, or a clear error and nothing lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_domain::ReportConfig;
use assay_domain::report::{Assignment, CategoryKind};
use assay_insights::{Error, verify};
use assay_llm::InMemory;
use assay_standin::{Behavior, Config, Standin};
use serde_json::json;

use crate::corpus::Corpus;
use crate::support::{Desk, Place, Terms, behavior, bytes, deep, standin};

/// What is promised to be survived.
fn faults() -> Behavior {
    Behavior {
        malformed: 0.05,
        refusal: 0.05,
        rate_limited: 0.1,
        retry_after_ms: 10,
        disconnect: 0.02,
        latency_ms: 2,
        ..behavior()
    }
}

/// So long one model is down: `ASSAY_DOWN_SECONDS`, or half a second.
fn down() -> Duration {
    match std::env::var("ASSAY_DOWN_SECONDS") {
        Ok(seconds) => Duration::from_secs(seconds.parse().expect("ASSAY_DOWN_SECONDS: whole seconds")),
        Err(_) => Duration::from_millis(500),
    }
}

fn of(threads: usize) -> Corpus {
    Corpus { threads, ..Corpus::default() }
}

/// Waits until so many calls came.
async fn until(standin: &Standin, calls: u64) {
    let start = Instant::now();
    while standin.calls() < calls {
        assert!(start.elapsed() < Duration::from_secs(60), "only {} calls came", standin.calls());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_all_faults_together_the_report_arrives_and_lists_what_was_skipped() {
    let place = Place::with(of(200)).await;
    let standin = standin(faults()).await;
    let (down, usual) = (down(), Terms::default());
    let terms = Terms { patience: usual.patience + down, deadline: usual.deadline + down, ..usual };
    let desk = Desk::at(&standin, terms);
    let config = deep();
    let start = Instant::now();
    // The model that reads.
    let (made, ()) = tokio::join!(desk.report(&place, &config), async {
        until(&standin, 60).await;
        standin.outage(Some("small-1"), down);
    });
    let report = made.expect("a report");
    verify::report(&report).expect("it checks");
    let work = report.made.model.as_ref().expect("books");
    assert!(standin.calls_that("down") > 0, "the model was away");
    assert!(start.elapsed() >= down, "what it was to read was waited for: {:?}", start.elapsed());
    assert!(work.partial.is_none(), "{:?}", work.partial);
    assert_eq!(work.threads_read + work.unread.len(), 200);
    assert!((3..30).contains(&work.unread.len()), "{} were skipped, 5 % refuse", work.unread.len());
    for skipped in &work.unread {
        assert!(report.assignments.iter().any(|one| one.thread == skipped.thread), "still in the report");
        assert!(skipped.reason.contains("refus") || skipped.reason.contains("form"), "{}", skipped.reason);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_total_outage_running_again_goes_on_and_pays_nothing_twice() {
    let place = Place::with(of(120)).await;
    let config = ReportConfig { attributes: std::collections::BTreeMap::new(), ..deep() };
    let slow = Behavior { latency_ms: 5, ..behavior() };
    let whole = standin(slow.clone()).await;
    let unbroken = Desk::at(&whole, Terms::default()).report(&place, &config).await.expect("a report");

    let broken = standin(slow).await;
    let memory = Arc::new(InMemory::default());
    let terms = || Terms { memory: memory.clone(), patience: Duration::from_millis(300), ..Terms::default() };
    let desk = Desk::at(&broken, terms());
    let start = Instant::now();
    let (made, ()) = tokio::join!(desk.report(&place, &config), async {
        until(&broken, 50).await;
        broken.outage(None, Duration::from_secs(3600));
    });
    let error = made.expect_err("nobody answers");
    assert!(matches!(error, Error::Model(_)), "{error}");
    let told = error.to_string();
    assert!(told.contains("openai at") && told.contains(&broken.base_url()), "{told}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let paid = broken.calls_that("answered");
    assert!((20..whole.calls_that("answered")).contains(&paid), "{paid} were answered before the outage");

    broken.outage(None, Duration::ZERO);
    let resumed = Desk::at(&broken, terms()).report(&place, &config).await.expect("a report");
    assert_eq!(bytes(&resumed), bytes(&unbroken), "as if nothing had happened");
    assert_eq!(broken.calls_that("answered"), whole.calls_that("answered"), "nothing was paid twice");
}

/// Questions of one form: how often each was put, by its first words to the model.
fn asked_by_form(standin: &Standin, form: &str) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for request in standin.requests() {
        if request.body.pointer("/response_format/json_schema/name") == Some(&json!(form)) {
            *asked.entry(request.body["messages"][1]["content"].to_string()).or_default() += 1;
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_outside_the_options_are_asked_again_then_go_to_other_and_never_to_the_first() {
    let place = Place::with(of(150)).await;
    let config = ReportConfig { attributes: BTreeMap::new(), ..deep() };
    for outside in [1.0, 0.5] {
        let standin = standin(Behavior { outside, ..behavior() }).await;
        let report = Desk::at(&standin, Terms::default()).report(&place, &config).await.expect("a report");
        let asked = asked_by_form(&standin, "choice");
        let twice = asked.values().filter(|times| **times == 2).count();
        assert!(asked.len() >= 5, "only {} threads lay between categories", asked.len());
        let undecided = |one: &&Assignment| {
            one.reason.as_deref().is_some_and(|reason| reason.contains("gave no usable answer"))
        };
        let in_other = report.assignments.iter().filter(undecided);
        let others: Vec<&CategoryKind> = in_other
            .map(|one| {
                &report.taxonomy.nodes.iter().find(|node| node.id == one.category).expect("a node").kind
            })
            .collect();
        assert!(others.iter().all(|kind| **kind == CategoryKind::Other));
        if outside == 1.0 {
            assert_eq!((twice, others.len()), (asked.len(), asked.len()), "asked again, then Other");
        } else {
            assert!(
                twice > 0 && others.len() < twice,
                "{} of {twice} asked again are in Other",
                others.len()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_usable_answer_on_merging_it_is_asked_again_and_two_categories_stay_two() {
    let place = Place::with(Corpus { topics: 8, ..of(150) }).await;
    let config = ReportConfig { attributes: BTreeMap::new(), ..deep() };
    let usual = standin(behavior()).await;
    let report = Desk::at(&usual, Terms::default()).report(&place, &config).await.expect("a report");
    let told = report.made.model.expect("books").merging.expect("it was asked");
    assert!(told.asked > 0 && told.unanswered == 0, "{told:?}");
    assert_eq!(asked_by_form(&usual, "merging").into_values().sum::<usize>(), told.asked);

    let outside = standin(Behavior { outside: 1.0, ..behavior() }).await;
    let report = Desk::at(&outside, Terms::default()).report(&place, &config).await.expect("a report");
    let told = report.made.model.expect("books").merging.expect("it was asked");
    assert!(told.merged.is_empty() && told.unanswered == told.asked, "{told:?}");
    let asked = asked_by_form(&outside, "merging");
    assert_eq!(asked.len(), told.asked);
    assert!(asked.values().all(|times| *times == 2), "asked again: {asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_report_comes_from_one_call_at_a_time_and_from_twenty() {
    let place = Place::with(of(120)).await;
    for behavior in [behavior(), Behavior { wrong: 0.1, ..faults() }] {
        let mut made = Vec::new();
        for concurrency in [1, 20] {
            let standin = standin(Config::from(Behavior { latency_ms: 0, ..behavior.clone() })).await;
            let memory = Arc::new(InMemory::default());
            let terms = || Terms { memory: memory.clone(), concurrency, ..Terms::default() };
            let report = Desk::at(&standin, terms()).report(&place, &deep()).await.expect("a report");
            made.push(bytes(&report));
            // What failed is asked again, what was answered is not.
            let before = standin.calls_that("answered");
            let again = Desk::at(&standin, terms()).report(&place, &deep()).await.expect("a report");
            if behavior.refusal == 0.0 {
                assert_eq!(standin.calls_that("answered"), before, "everything was remembered");
                assert_eq!(bytes(&again), made[0]);
            }
        }
        assert_eq!(made[0], made[1]);
    }
}
