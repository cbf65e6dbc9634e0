//! The cap holds against what the provider bills, not against what we believe.

use std::sync::Arc;

use assay_llm::{
    Asker, Budget, Chat as _, Embed as _, EmbedderTerms, Error, InMemory, Job, Limits, ProviderEmbedder,
    Request,
};
use assay_standin::{Behavior, Standin};
use futures_util::StreamExt as _;
use rust_decimal::Decimal;

use crate::support::{
    ask_all, behavior, endpoint, job, openai, patient, prices, question, questions, quick, standin,
};

/// What the provider bills for a model, at the prices of these tests.
fn billed(standin: &Standin, model: &str) -> Decimal {
    let bill = standin.bill(model);
    Decimal::from(bill.input) * Decimal::new(1, 6) + Decimal::from(bill.output) * Decimal::new(4, 6)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_runs_among_faults_never_exceed_their_caps() {
    let faults = Behavior {
        malformed: 0.1,
        refusal: 0.05,
        truncation: 0.05,
        rate_limited: 0.1,
        retry_after_ms: 1,
        disconnect: 0.1,
        server_error: 0.05,
        ..behavior()
    };
    let standin = standin(faults).await;
    let endpoint = endpoint(openai(&standin), Limits { concurrency: 40, ..Limits::default() });
    let run = async |n: u32| {
        // From a cap that allows no call at all to one that is never reached.
        let cap = Decimal::new(i64::from(n) * 150, 6);
        let model = format!("model-{n}");
        let budget = Arc::new(Budget::new(Some(cap), prices()));
        let asker = Asker::new(endpoint.clone(), Job { budget: budget.clone(), ..job() });
        let questions: Vec<Request> =
            (0..12).map(|i| Request { model: model.clone(), ..question(i) }).collect();
        let results = ask_all(&asker, &questions, 6).await;
        let stopped = results.iter().any(|result| matches!(result, Err(Error::OverBudget { .. })));
        let (booked, billed) = (budget.spent(), billed(&standin, &model));
        assert!(booked <= cap, "run {n}: booked {booked} of {cap}");
        assert!(billed <= booked, "run {n}: billed {billed}, booked {booked}");
        stopped
    };
    let stopped: Vec<bool> = futures_util::stream::iter(0..200).map(run).buffered(8).collect().await;
    let count = stopped.iter().filter(|stopped| **stopped).count();
    assert!((20..180).contains(&count), "{count} of 200 runs met their cap");
}

#[tokio::test]
async fn without_faults_the_books_say_what_the_provider_bills() {
    let standin = standin(behavior()).await;
    let budget = Arc::new(Budget::new(None, prices()));
    let asker =
        Asker::new(endpoint(openai(&standin), Limits::default()), Job { budget: budget.clone(), ..job() });
    ask_all(&asker, &questions(20), 5).await;
    let naming = Request { stage: "name".into(), ..question(100) };
    asker.answer(&naming).await.expect("an answer");
    assert_eq!(budget.spent(), billed(&standin, "standin-1"));
    let stages = budget.by_stage();
    assert_eq!((stages["summarize"].calls, stages["name"].calls), (20, 1));
    assert_eq!(stages.values().map(|stage| stage.cost).sum::<Decimal>(), budget.spent());
}

#[tokio::test]
async fn what_is_remembered_costs_nothing_and_is_not_asked() {
    let standin = standin(behavior()).await;
    let memory = Arc::new(InMemory::default());
    let endpoint = endpoint(openai(&standin), Limits::default());
    let first = Asker::new(endpoint.clone(), Job { memory: memory.clone(), ..job() });
    let before = ask_all(&first, &questions(30), 10).await;
    let budget = Arc::new(Budget::new(Some(Decimal::ZERO), prices()));
    let again = Asker::new(endpoint, Job { memory, budget: budget.clone(), ..job() });
    let after = ask_all(&again, &questions(30), 10).await;
    for (before, after) in before.iter().zip(&after) {
        let (before, after) = (before.as_ref().expect("asked"), after.as_ref().expect("remembered"));
        assert_eq!((&before.value, &before.usage), (&after.value, &after.usage));
        assert!(!before.remembered && after.remembered);
    }
    assert_eq!(standin.calls(), 30);
    assert_eq!(budget.by_stage()["summarize"].remembered, 30);
    assert!(matches!(again.answer(&question(99)).await, Err(Error::OverBudget { .. })));
}

#[tokio::test]
async fn an_estimate_comes_close_once_the_provider_was_asked_a_little() {
    let standin = standin(behavior()).await;
    let endpoint = endpoint(openai(&standin), Limits::default());
    let asker = Asker::new(endpoint.clone(), Job { retry: quick(), ..job() });
    ask_all(&asker, &questions(40), 10).await;
    let before = standin.bill("standin-1").input;
    let next: Vec<Request> = (500..540).map(question).collect();
    let estimate: u64 = next.iter().map(|request| endpoint.prompt_tokens(request)).sum();
    ask_all(&asker, &next, 10).await;
    let billed = standin.bill("standin-1").input - before;
    let error = (estimate as f64 / billed as f64 - 1.0).abs();
    assert!(error < 0.15, "estimated {estimate}, billed {billed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_paid_from_the_budget_and_never_beyond_it() {
    let standin =
        standin(Behavior { disconnect: 0.1, rate_limited: 0.1, retry_after_ms: 1, ..behavior() }).await;
    let texts: Vec<String> =
        (0..640).map(|n| format!("parcel number {n} is late and nobody knows why")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut stopped = 0;
    for n in 0..20 {
        let (cap, model) = (Decimal::new(4_000 + n * 2_500, 6), format!("embed-{n}"));
        let budget = Arc::new(Budget::new(Some(cap), prices()));
        let terms = EmbedderTerms { budget: Some(budget.clone()), ..patient() };
        let embedder = ProviderEmbedder::connect(openai(&standin), &model, terms).expect("room for one");
        match embedder.embed(&texts) {
            Ok(vectors) => assert_eq!(vectors.len(), 640),
            Err(error) => {
                assert!(matches!(error, Error::OverBudget { .. }), "{error}");
                stopped += 1;
            }
        }
        let (booked, billed) = (budget.spent(), billed(&standin, &model));
        assert!(billed <= booked && booked <= cap, "{n}: billed {billed}, booked {booked} of {cap}");
        assert!(budget.by_stage()["embed"].calls > 0);
    }
    assert!((2..19).contains(&stopped), "{stopped} of 20 met their cap");
    let nobody_knows = Arc::new(Budget::new(Some(Decimal::ONE), Arc::default()));
    let terms = EmbedderTerms { budget: Some(nobody_knows), ..patient() };
    let refused = ProviderEmbedder::connect(openai(&standin), "embed-x", terms).err();
    assert!(matches!(refused, Some(Error::Unpriced { .. })), "a cap needs a price");
}
