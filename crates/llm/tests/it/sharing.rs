//! Several callers, one provider: asked once, served fairly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_llm::{Asker, Chat as _, InMemory, Job, Limits};
use assay_standin::Behavior;
use futures_util::future::join_all;

use crate::support::{ask_all, asker, behavior, endpoint, job, openai, question, questions, standin};

#[tokio::test]
async fn the_same_question_at_the_same_time_is_asked_once() {
    let standin = standin(Behavior { latency_ms: 50, ..behavior() }).await;
    let asker = asker(openai(&standin));
    let one = question(1);
    let answers = join_all((0..20).map(|_| asker.answer(&one))).await;
    assert_eq!(standin.calls(), 1);
    let texts: Vec<&str> =
        answers.iter().map(|answer| answer.as_ref().expect("an answer").text.as_str()).collect();
    assert!(texts.iter().all(|text| *text == texts[0]));
}

#[tokio::test]
async fn the_same_question_of_two_jobs_is_asked_once_too() {
    let standin = standin(Behavior { latency_ms: 50, ..behavior() }).await;
    let endpoint = endpoint(openai(&standin), Limits::default());
    let memory = Arc::new(InMemory::default());
    let jobs: Vec<Asker> =
        (0..2).map(|_| Asker::new(endpoint.clone(), Job { memory: memory.clone(), ..job() })).collect();
    let all = questions(10);
    let (a, b) = tokio::join!(ask_all(&jobs[0], &all, 10), ask_all(&jobs[1], &all, 10));
    assert!(a.iter().chain(&b).all(Result::is_ok));
    assert_eq!(standin.calls(), 10);
}

#[tokio::test]
async fn a_cancelled_call_leaves_its_place_to_others() {
    let standin = standin(Behavior { latency_ms: 300, ..behavior() }).await;
    let limits = Limits { concurrency: 1, ..Limits::default() };
    let asker = Asker::new(endpoint(openai(&standin), limits), job());
    let cancelled = tokio::time::timeout(Duration::from_millis(50), asker.answer(&question(1))).await;
    assert!(cancelled.is_err());
    asker.answer(&question(2)).await.expect("an answer");
}

#[tokio::test]
async fn a_small_job_is_not_held_up_by_a_large_one() {
    let standin = standin(Behavior { latency_ms: 20, ..behavior() }).await;
    let limits = Limits { concurrency: 4, ..Limits::default() };
    let endpoint = endpoint(openai(&standin), limits);
    let (large, small) = (Asker::new(endpoint.clone(), job()), Asker::new(endpoint, job()));
    let start = Instant::now();
    let many = questions(200);
    let few: Vec<_> = (1000..1010).map(question).collect();
    let (all, small_done) = tokio::join!(
        async {
            ask_all(&large, &many, 40).await;
            start.elapsed()
        },
        async {
            ask_all(&small, &few, 10).await;
            start.elapsed()
        },
    );
    // Alone it would take 3 rounds, in turn with the other about 5, behind it over 50.
    assert!(small_done < all / 3, "the small job took {small_done:?} of {all:?}");
    assert!(standin.most_at_once() <= 4, "{} at once", standin.most_at_once());
}
