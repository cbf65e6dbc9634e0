//! Every API answers, in form, and says what it took.

use assay_llm::{
    Api, Asker, Chat as _, Embed as _, Error, Limits, Provider, ProviderEmbedder, Request, Secret, Settings,
};
use assay_standin::Behavior;

use crate::support::{
    ask_all, asker, at, behavior, endpoint, job, openai, patient, question, questions, standin,
};

#[tokio::test]
async fn every_api_answers_in_form_and_bills_what_it_says() {
    let kinds = [
        Settings::openai(Secret::new("k")),
        Settings::responses(Secret::new("k")),
        Settings::anthropic(Secret::new("k")),
        Settings::compatible("local", "http://replaced", None),
    ];
    for kind in kinds {
        let standin =
            standin(Behavior { key: kind.key.as_ref().map(|key| key.expose().to_owned()), ..behavior() })
                .await;
        let asker = asker(at(&standin, kind.clone()));
        let answer =
            asker.answer(&question(1)).await.unwrap_or_else(|error| panic!("{:?}: {error}", kind.api));
        let value = answer.value.expect("a value");
        assert_eq!(value["kind"], "refund", "{:?}", kind.api);
        let bill = standin.bill("standin-1");
        assert_eq!((answer.usage.input_tokens, answer.usage.output_tokens), (bill.input, bill.output));
        assert!(!answer.usage_is_estimated && !answer.remembered);
        let prose = Request { schema: None, ..question(2) };
        let answer = asker.answer(&prose).await.expect("an answer");
        assert!(answer.value.is_none() && answer.text.contains("refund for order 2"), "{}", answer.text);
    }
}

#[tokio::test]
async fn azure_by_its_address_alone_gets_its_version_and_its_own_header() {
    let standin = standin(Behavior { key: Some("azure-key".into()), ..behavior() }).await;
    let url = format!("{}/openai/deployments/gpt?api-version=2024-10-21", standin.url());
    let settings = Settings::of(Api::Compatible, Some(&url), Some(Secret::new("azure-key")));
    asker(settings.expect("settings")).answer(&question(1)).await.expect("an answer");
    assert_eq!(standin.calls(), 1);
}

#[tokio::test]
async fn azure_gets_its_version_and_its_own_header() {
    let standin = standin(Behavior { key: Some("azure-key".into()), ..behavior() }).await;
    let mut settings = Settings::azure("http://replaced", "2024-10-21", Secret::new("azure-key"));
    settings.base_url = format!("{}/openai/deployments/mini", standin.url());
    asker(settings).answer(&question(1)).await.expect("an answer");
    assert_eq!(standin.requests()[0].path, "/openai/deployments/mini/chat/completions");
}

#[tokio::test]
async fn a_server_that_knows_no_forms_and_no_temperature_is_found_out_once() {
    let standin =
        standin(Behavior { no_schema: true, no_temperature: true, no_usage: true, ..behavior() }).await;
    let asker = asker(at(&standin, Settings::compatible("old", "http://replaced", None)));
    for n in 0..3 {
        let request = Request { temperature: Some(0.0), ..question(n) };
        let answer = asker.answer(&request).await.expect("an answer");
        assert!(answer.value.is_some() && answer.usage_is_estimated && answer.usage.input_tokens > 0);
    }
    assert_eq!(standin.calls_that("rejected"), 2, "each complaint once, then it is known");
    assert_eq!(standin.calls_that("answered"), 3);
}

#[tokio::test]
async fn what_will_never_work_is_asked_once_and_told_without_the_key() {
    let standin = standin(Behavior { key: Some("right".into()), ..behavior() }).await;
    let wrong_key = asker(at(&standin, Settings::openai(Secret::new("sk-wrong-key"))));
    let error = wrong_key.answer(&question(1)).await.expect_err("a wrong key");
    assert!(matches!(error, Error::Unauthorized { status: 401, .. }) && error.is_final());
    assert!(!format!("{error} {error:?}").contains("sk-wrong"), "{error}");
    assert!(error.to_string().contains(&standin.base_url()), "{error}");
    assert_eq!(standin.calls(), 1);
    let elsewhere =
        Settings { base_url: format!("{}/v1/files?key=sk-query", standin.url()), ..openai(&standin) };
    let error = asker(elsewhere).answer(&question(1)).await.expect_err("a wrong key there too");
    assert!(!error.is_retryable() && !error.to_string().contains("sk-"), "{error}");
}

#[tokio::test]
async fn a_wrong_form_is_shown_to_the_model_once() {
    let standin = standin(Behavior { malformed: 0.4, seed: 3, ..behavior() }).await;
    let asker = asker(openai(&standin));
    let results = ask_all(&asker, &questions(60), 10).await;
    let malformed = results.iter().filter(|result| matches!(result, Err(Error::Malformed { .. }))).count();
    let answered = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(answered + malformed, 60);
    assert!(answered > 40, "{answered}: most are repaired");
    let repairs: Vec<_> = standin
        .requests()
        .into_iter()
        .filter(|request| request.body["messages"].as_array().is_some_and(|all| all.len() == 4))
        .collect();
    assert_eq!(standin.calls() as usize, 60 + repairs.len(), "one repair each, no more");
    assert_eq!(standin.calls_that("malformed") as usize, repairs.len() + malformed);
    let shown = repairs[0].body["messages"][3]["content"].as_str().expect("a text");
    assert!(shown.starts_with("This answer cannot be used: "), "{shown}");
}

#[tokio::test]
async fn refusals_and_cut_answers_are_told_apart_and_never_remembered() {
    let refusing = standin(Behavior { refusal: 1.0, ..behavior() }).await;
    let cutting = standin(Behavior { truncation: 1.0, ..behavior() }).await;
    for settings in [
        Settings::openai(Secret::new("k")),
        Settings::responses(Secret::new("k")),
        Settings::anthropic(Secret::new("k")),
    ] {
        let before = (refusing.calls(), cutting.calls());
        let refused = asker(at(&refusing, settings.clone()));
        let cut = asker(at(&cutting, settings));
        for _ in 0..2 {
            let error = refused.answer(&question(1)).await.expect_err("a refusal");
            assert!(matches!(error, Error::Refused { .. }) && !error.is_final(), "{error}");
            let error = cut.answer(&question(1)).await.expect_err("a cut answer");
            assert!(
                matches!(error, Error::Truncated { max_tokens: 300, .. }) && !error.is_final(),
                "{error}"
            );
        }
        assert_eq!(
            (refusing.calls() - before.0, cutting.calls() - before.1),
            (2, 2),
            "asked again, not repaired"
        );
    }
}

#[tokio::test]
async fn an_answer_longer_than_allowed_is_cut_and_said_to_be() {
    let standin = standin(behavior()).await;
    let request = Request { max_tokens: 5, ..question(1) };
    let error = asker(openai(&standin)).answer(&request).await.expect_err("too long");
    assert!(matches!(error, Error::Truncated { max_tokens: 5, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_embeds_in_order_and_through_faults() {
    let standin = standin(Behavior { rate_limited: 0.3, disconnect: 0.2, ..behavior() }).await;
    let settings = at(&standin, Settings::compatible("local", "http://replaced", None));
    let embedder = ProviderEmbedder::connect(settings, "embed-1", patient()).expect("a provider");
    assert_eq!((embedder.dimensions(), embedder.name()), (64, "local/embed-1/64"));
    let texts: Vec<String> =
        (0..300).map(|n| format!("parcel number {} is late", char::from(b'a' + (n % 26) as u8))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).chain([""]).collect();
    let vectors = embedder.embed(&texts).expect("vectors");
    assert_eq!(vectors.len(), 301);
    assert_eq!(vectors[0], embedder.embed(&[texts[0]]).expect("a vector")[0]);
    assert!(vectors.iter().all(|vector| (vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4));
}

#[tokio::test]
async fn nothing_is_connected_before_somebody_asks() {
    let standin = standin(behavior()).await;
    let asker = Asker::new(endpoint(openai(&standin), Limits::default()), job());
    assert_eq!(asker.name(), "openai");
    assert_eq!(standin.calls(), 0);
}

#[tokio::test]
async fn a_proxy_carries_what_no_address_would_reach() {
    // A server that gets a whole address takes its path: as a proxy the stand-in answers for all hosts.
    let standin = standin(behavior()).await;
    let mut settings = Settings::compatible("far", "http://models.invalid/v1", None);
    settings.proxy = Some(Secret::new(standin.url()));
    asker(settings).answer(&question(1)).await.expect("an answer through the proxy");
    assert_eq!(standin.calls_that("answered"), 1);
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let base = || Settings::compatible("local", "http://localhost:1/v1", None);
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("ca.pem");
    std::fs::write(&empty, "no certificate").expect("a file");
    let wrong = [
        Settings { ca_file: Some(folder.path().join("missing.pem")), ..base() },
        Settings { ca_file: Some(empty), ..base() },
        Settings { proxy: Some(Secret::new("not a proxy")), ..base() },
        Settings { proxy: Some(Secret::new("proxy:3128")), ..base() },
        Settings { proxy: Some(Secret::new("socks5://proxy:1080")), ..base() },
        Settings { base_url: "localhost:11434".into(), ..base() },
        Settings { key: Some(Secret::new("two\nlines")), ..base() },
        Settings { headers: vec![("a b".into(), Secret::new("x"))], ..base() },
    ];
    for settings in wrong {
        let shown = format!("{settings:?}");
        let error = Provider::new(settings).expect_err(&shown);
        assert!(matches!(error, Error::Configuration(_)), "{shown}: {error}");
        assert!(!error.to_string().contains("lines"), "{error}");
    }
}
