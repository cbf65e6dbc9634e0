//! Limits, broken connections, outages: what helps is done, and no more.

use std::time::{Duration, Instant};

use assay_llm::{Asker, Chat as _, Error, Limits, Request, Retry, Secret, Settings};
use assay_standin::{Behavior, Config};

use crate::support::{ask_all, asker, behavior, endpoint, job, openai, question, questions, quick, standin};

#[tokio::test]
async fn who_is_sent_away_comes_back_when_told_to() {
    let standin = standin(Behavior { rate_limited: 0.5, retry_after_ms: 30, ..behavior() }).await;
    let asker = asker(openai(&standin));
    let results = ask_all(&asker, &questions(60), 10).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(standin.calls_that("answered"), 60);
    assert!(standin.calls_that("rate_limited") > 30);
    let waited = Instant::now();
    let mut last = None;
    for n in 1000..1100 {
        let before = standin.calls();
        asker.answer(&question(n)).await.expect("an answer");
        if standin.calls() > before + 1 {
            last = Some(standin.calls() - before - 1);
            break;
        }
    }
    let times = last.expect("half of them are sent away");
    assert!(waited.elapsed() >= Duration::from_millis(30 * times), "not before the time told");
}

#[tokio::test]
async fn true_limits_are_kept_by_what_headers_tell() {
    let standin = standin(Behavior { requests_per_minute: Some(300), ..behavior() }).await;
    let asker = asker(openai(&standin));
    let start = Instant::now();
    let results = ask_all(&asker, &questions(308), 20).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(start.elapsed() >= Duration::from_millis(1_000), "300 at once, then 5 a second");
    let sent_away = standin.calls_that("rate_limited");
    assert!(sent_away <= 20, "{sent_away} of 308 were sent away");
}

#[tokio::test]
async fn broken_connections_and_faults_of_the_server_are_retried() {
    let standin = standin(Behavior { disconnect: 0.15, server_error: 0.15, seed: 5, ..behavior() }).await;
    let results = ask_all(&asker(openai(&standin)), &questions(80), 10).await;
    assert!(results.iter().all(Result::is_ok));
    assert!(standin.calls_that("disconnected") > 5 && standin.calls_that("failed") > 5);
}

#[tokio::test]
async fn all_faults_of_the_world_together_lose_only_what_cannot_be_had() {
    let faults = Behavior {
        malformed: 0.05,
        refusal: 0.05,
        rate_limited: 0.1,
        retry_after_ms: 20,
        disconnect: 0.02,
        latency_ms: 2,
        ..behavior()
    };
    let standin = standin(faults).await;
    let results = ask_all(&asker(openai(&standin)), &questions(300), 20).await;
    for result in &results {
        let expected = matches!(result, Ok(_) | Err(Error::Refused { .. } | Error::Malformed { .. }));
        assert!(expected, "{result:?}");
    }
    let lost = results.iter().filter(|result| result.is_err()).count();
    assert!((5..40).contains(&lost), "{lost} of 300: about one in twenty refuses");
}

#[tokio::test]
async fn one_model_that_is_down_for_a_while_is_waited_for_and_the_other_is_not_held_up() {
    let standin = standin(behavior()).await;
    let asker = asker(openai(&standin));
    let other: Vec<Request> = (0..20).map(|n| Request { model: "standin-2".into(), ..question(n) }).collect();
    asker.answer(&other[0]).await.expect("a warm connection");
    let start = Instant::now();
    standin.outage(Some("standin-1"), Duration::from_millis(1_500));
    let (down, up) =
        tokio::join!(async { (ask_all(&asker, &questions(40), 10).await, start.elapsed()) }, async {
            (ask_all(&asker, &other, 10).await, start.elapsed())
        },);
    assert!(down.0.iter().chain(&up.0).all(Result::is_ok));
    assert!(down.1 >= Duration::from_millis(1_400) && down.1 < Duration::from_secs(8), "{:?}", down.1);
    assert!(up.1 < Duration::from_millis(1_400), "{:?}", up.1);
    assert!(standin.calls_that("down") < 40, "an outage is probed, not stormed");
}

#[tokio::test]
async fn a_total_outage_is_a_clear_error_for_all_within_patience() {
    let closed = standin(behavior()).await;
    let settings = openai(&closed);
    let (url, calls) = (closed.base_url(), closed.calls());
    drop(closed);
    let limits = Limits { patience: Duration::from_secs(1), ..Limits::default() };
    let asker = Asker::new(endpoint(settings, limits), job());
    // The port closes a moment after its server is dropped.
    let start = Instant::now();
    while tokio::net::TcpStream::connect(url.trim_start_matches("http://").trim_end_matches("/v1"))
        .await
        .is_ok()
    {
        assert!(start.elapsed() < Duration::from_secs(5), "the stand-in does not stop");
    }
    let start = Instant::now();
    let results = ask_all(&asker, &questions(200), 20).await;
    // The first twenty wait; those after them find the outage known.
    for result in &results {
        let error = result.as_ref().expect_err("nobody is there");
        let text = error.to_string();
        assert!(matches!(error, Error::Unreachable { .. }) && error.is_final(), "{text}");
        assert!(text.contains("openai at") && text.contains(&url) && !text.contains("sk-"), "{text}");
        assert!(text.to_lowercase().contains("refused"), "{text}");
        if start.elapsed() > Duration::from_secs(40) {
            panic!("too slow");
        }
    }
    assert_eq!(calls, 0);
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_told_within_seconds_and_said_meanwhile() {
    // A port that was just free: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let settings =
        Settings { base_url: format!("http://{address}/v1"), ..Settings::openai(Secret::new("sk-test")) };
    let limits = Limits { unheard: Duration::from_millis(800), ..Limits::default() };
    let asker = Asker::new(endpoint(settings, limits), job());
    let start = Instant::now();
    let (error, said) =
        tokio::join!(async { asker.answer(&question(1)).await.expect_err("nobody") }, async {
            while asker.waits_for().is_none() && start.elapsed() < Duration::from_secs(5) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            asker.waits_for().unwrap_or_default()
        });
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("check the address"), "{text}");
    assert!(said.contains(&address.to_string()) && said.to_lowercase().contains("refused"), "{said}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_outage_in_the_first_seconds_of_a_job_is_waited_out_where_somebody_accepts_the_call() {
    let standin = standin(behavior()).await;
    standin.outage(None, Duration::from_millis(1_500));
    let limits = Limits { unheard: Duration::from_millis(200), ..Limits::default() };
    let asker = Asker::new(endpoint(openai(&standin), limits), job());
    let results = ask_all(&asker, &questions(20), 10).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert!(standin.calls_that("down") > 0);
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up_at_its_deadline() {
    let standin = standin(Behavior { latency_ms: 5_000, ..behavior() }).await;
    let mut job = job();
    job.retry = Retry { deadline: Duration::from_millis(300), ..quick() };
    let asker = Asker::new(endpoint(openai(&standin), Limits::default()), job);
    let start = Instant::now();
    let error = asker.answer(&question(1)).await.expect_err("too slow");
    assert!(matches!(error, Error::GaveUp { .. }) && !error.is_final(), "{error}");
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn an_exchange_that_times_out_is_retried_a_few_times_only() {
    let standin = standin(Behavior { latency_ms: 2_000, ..behavior() }).await;
    let mut settings = openai(&standin);
    settings.timeout = Duration::from_millis(60);
    let mut job = job();
    job.retry.broken = 2;
    let asker = Asker::new(endpoint(settings, Limits::default()), job);
    let error = asker.answer(&question(1)).await.expect_err("each exchange times out");
    assert!(error.to_string().contains("broke 3 times"), "{error}");
}

#[tokio::test]
async fn models_that_differ_behave_differently() {
    let mut config = Config::from(behavior());
    config.models.insert("standin-2".into(), Behavior { refusal: 1.0, ..behavior() });
    let standin = standin(config).await;
    let asker = asker(openai(&standin));
    assert!(asker.answer(&question(1)).await.is_ok());
    let other = Request { model: "standin-2".into(), ..question(1) };
    assert!(matches!(asker.answer(&other).await, Err(Error::Refused { .. })));
}
