//! What the tests share: a stand-in, a way to it, questions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assay_domain::PriceTable;
use assay_domain::price::Price;
use assay_llm::{
    Answer, Asker, Budget, Chat as _, EmbedderTerms, Endpoint, Error, InMemory, Job, Limits, Message,
    Provider, Request, Retry, Schema, Secret, Settings,
};
use assay_standin::{Behavior, Config, Standin};
use futures_util::StreamExt as _;
use rust_decimal::Decimal;
use serde_json::json;

pub(crate) async fn standin(config: impl Into<Config>) -> Standin {
    Standin::start(config.into()).await.expect("a port")
}

pub(crate) fn behavior() -> Behavior {
    Behavior::default()
}

/// The stand-in as a provider of the given kind.
pub(crate) fn at(standin: &Standin, settings: Settings) -> Settings {
    Settings { base_url: standin.base_url(), ..settings }
}

pub(crate) fn openai(standin: &Standin) -> Settings {
    at(standin, Settings::openai(Secret::new("sk-test")))
}

/// Quick where users are patient.
pub(crate) fn quick() -> Retry {
    Retry {
        deadline: Duration::from_secs(20),
        first: Duration::from_millis(2),
        slowest: Duration::from_millis(20),
        ..Retry::default()
    }
}

/// The same for vectors.
pub(crate) fn patient() -> EmbedderTerms {
    EmbedderTerms { retry: quick(), ..EmbedderTerms::default() }
}

pub(crate) fn endpoint(settings: Settings, limits: Limits) -> Arc<Endpoint> {
    Arc::new(Endpoint::new(Arc::new(Provider::new(settings).expect("sound settings")), limits))
}

pub(crate) fn job() -> Job {
    Job {
        weight: 1,
        budget: Arc::new(Budget::new(None, prices())),
        memory: Arc::new(InMemory::default()),
        retry: quick(),
    }
}

pub(crate) fn asker(settings: Settings) -> Asker {
    Asker::new(endpoint(settings, Limits::default()), job())
}

/// A millionth of a dollar per token in, four per token out, for every model.
pub(crate) fn prices() -> Arc<PriceTable> {
    let price = Price {
        name: "any".into(),
        provider: None,
        valid_from: None,
        matches: Arc::new(|_| true),
        input: Decimal::new(1, 6),
        output: Decimal::new(4, 6),
        input_details: BTreeMap::new(),
        output_details: BTreeMap::new(),
    };
    Arc::new(PriceTable { prices: vec![price], beneath: None })
}

pub(crate) fn schema() -> Schema {
    let schema = json!({
        "type": "object",
        "properties": {
            "summary": {"type": "string"},
            "kind": {"type": "string", "enum": ["refund", "delivery", "other"]},
            "quotes": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
        },
        "required": ["summary", "kind", "quotes"],
        "additionalProperties": false,
    });
    Schema { name: "thread".into(), description: "what happened in the thread".into(), schema }
}

/// Question number `n`: all differ.
pub(crate) fn question(n: usize) -> Request {
    Request {
        system: "You read support threads.".into(),
        messages: vec![Message::user(format!(
            "user: Where is my refund for order {n}? I was promised a refund.\nassistant: The refund is on its way."
        ))],
        schema: Some(schema()),
        max_tokens: 300,
        ..Request::new("summarize", "standin-1", "")
    }
}

/// Asks so many questions, some at once; the results in order.
pub(crate) async fn ask_all(
    asker: &Asker,
    questions: &[Request],
    at_once: usize,
) -> Vec<Result<Answer, Error>> {
    let calls = questions.iter().map(|question| asker.answer(question));
    futures_util::stream::iter(calls).buffered(at_once).collect().await
}

pub(crate) fn questions(count: usize) -> Vec<Request> {
    (0..count).map(question).collect()
}
