//! `Idempotency-Key`: what broke off or was under way is made again under its
//! old name, and a provider that knows names answers it for nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use assay_llm::{Asker, Chat as _, Embed as _, Error, Limits, ProviderEmbedder, Settings};
use assay_standin::{Behavior, Standin};

use crate::support::{
    ask_all, asker, at, behavior, endpoint, job, openai, patient, question, questions, standin,
};

fn idempotent() -> Behavior {
    Behavior { idempotent: true, ..behavior() }
}

async fn until(standin: &Standin, what: &str, mut holds: impl FnMut(&Standin) -> bool) {
    let start = tokio::time::Instant::now();
    while !holds(standin) {
        assert!(start.elapsed() < Duration::from_secs(20), "still waiting until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_connection_that_broke_is_paid_once_and_what_was_sent_away_is_tried_again() {
    let faults = Behavior { disconnect: 0.2, rate_limited: 0.1, retry_after_ms: 5, seed: 5, ..idempotent() };
    let standin = standin(faults).await;
    let results = ask_all(&asker(openai(&standin)), &questions(80), 10).await;
    assert!(results.iter().all(Result::is_ok));
    let broken = standin.calls_that("disconnected");
    assert!(broken > 5 && standin.calls_that("rate_limited") > 3);
    assert_eq!(standin.calls_that("answered") + broken, 80, "each question was worked on once");
    assert_eq!(standin.replayed(), broken);
}

#[tokio::test]
async fn whoever_begins_again_without_memory_pays_nothing_for_what_was_made_or_is_being_made() {
    let standin = standin(Behavior { latency_ms: 300, malformed: 0.2, ..idempotent() }).await;
    let questions = questions(30);
    {
        let first = asker(openai(&standin));
        // Killed while as many are under way as may be.
        tokio::select! {
            _ = ask_all(&first, &questions, 30) => panic!("nothing is answered so soon"),
            () = until(&standin, "they are under way", |standin| standin.most_at_once() == 20) => {}
        }
    }
    let results = ask_all(&asker(openai(&standin)), &questions, 30).await;
    let (answered, calls) = (results.iter().filter(|result| result.is_ok()).count(), standin.calls());
    assert!(
        answered > 20 && standin.replayed() >= 20,
        "{answered} answers, {} given again",
        standin.replayed()
    );
    let again = ask_all(&asker(openai(&standin)), &questions, 30).await;
    assert_eq!(standin.calls(), calls, "repairs have names of their own, which are repeated too");
    assert_eq!(again.iter().filter(|result| result.is_ok()).count(), answered);
}

#[tokio::test]
async fn what_was_answered_in_vain_is_a_new_question_when_it_is_asked_again() {
    let standin = standin(Behavior { refusal: 1.0, ..idempotent() }).await;
    let shared = endpoint(openai(&standin), Limits::default());
    for calls in 1..=3 {
        let asker = Asker::new(Arc::clone(&shared), job());
        let error = asker.answer(&question(1)).await.expect_err("a refusal");
        assert!(matches!(error, Error::Refused { .. }));
        assert_eq!((standin.calls(), standin.replayed()), (calls, 0));
    }
}

#[tokio::test]
async fn every_api_sends_a_key_of_its_own_for_each_question() {
    let mut keys = BTreeSet::new();
    for kind in [Settings::openai, Settings::responses, Settings::anthropic] {
        let standin = standin(idempotent()).await;
        let settings = at(&standin, kind(assay_llm::Secret::new("k")));
        for n in 0..2 {
            asker(settings.clone()).answer(&question(n)).await.expect("an answer");
            asker(settings.clone()).answer(&question(n)).await.expect("the same answer");
        }
        assert_eq!((standin.calls(), standin.replayed()), (2, 2), "{:?}", settings.api);
        keys.extend(standin.requests().into_iter().filter_map(|request| request.key));
    }
    assert_eq!(keys.len(), 6, "{keys:?}");
    assert!(keys.iter().all(|key| key.starts_with('"') && key.ends_with('"')), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_paid_once_as_well() {
    let standin = standin(Behavior { disconnect: 0.4, seed: 2, ..idempotent() }).await;
    let settings = at(&standin, Settings::compatible("local", "http://replaced", None));
    let embedder = ProviderEmbedder::connect(settings, "embed-1", patient()).expect("a provider");
    let texts: Vec<String> = (0..400).map(|n| format!("parcel number {n} is late")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    embedder.embed(&texts).expect("vectors");
    assert_eq!(standin.calls(), 1 + 400_u64.div_ceil(64), "one for each batch, broken or not");
    assert!(standin.calls_that("disconnected") > 0);
}
