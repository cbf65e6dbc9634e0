//! What the tests share: a store, a way to the stand-in, one report.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use assay_domain::price::Price;
use assay_domain::report::{AttributeKind, AttributeSchema, Models, Tier};
use assay_domain::{PriceTable, Report, ReportConfig, RunEstimate};
use assay_insights::context::Silent;
use assay_insights::{Analyst, Context, Effort, Error};
use assay_llm::{
    Asker, Budget, Endpoint, InMemory, Job, Limits, Memory, MiniLm, Provider, Retry, Secret, Settings,
};
use assay_standin::{Behavior, Config, Standin};
use assay_store::{Catalog as _, EmbeddedStore, Project};
use rust_decimal::Decimal;

use crate::corpus::{self, Corpus};

static EMBEDDER: LazyLock<MiniLm> = LazyLock::new(|| MiniLm::bundled().expect("the bundled model"));

/// A store with conversations.
pub(crate) struct Place {
    pub(crate) store: EmbeddedStore,
    pub(crate) project: Project,
}

impl Place {
    pub(crate) async fn with(corpus: Corpus) -> Self {
        Self::of(corpus::store(corpus).await).await
    }

    pub(crate) async fn of(store: EmbeddedStore) -> Self {
        let project = store.project("shop").await.expect("a store").expect("a project");
        Self { store, project }
    }
}

/// What is done to a text before it leaves.
type Redact = Box<dyn Fn(&str) -> String + Sync + Send>;

/// How models are asked.
pub(crate) struct Desk {
    pub(crate) asker: Asker,
    pub(crate) budget: Arc<Budget>,
    prices: Arc<PriceTable>,
    pub(crate) concurrency: usize,
    pub(crate) redact: Option<Redact>,
}

/// What may be set of a desk.
pub(crate) struct Terms {
    pub(crate) cap: Option<Decimal>,
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) concurrency: usize,
    pub(crate) patience: Duration,
    /// For one question, with all its tries.
    pub(crate) deadline: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            cap: None,
            memory: Arc::new(InMemory::default()),
            concurrency: 20,
            patience: Duration::from_secs(20),
            deadline: Duration::from_secs(30),
        }
    }
}

impl Desk {
    pub(crate) fn at(standin: &Standin, terms: Terms) -> Self {
        let settings = Settings { base_url: standin.base_url(), ..Settings::openai(Secret::new("sk-test")) };
        let limits = Limits { concurrency: terms.concurrency, patience: terms.patience, ..Limits::default() };
        let provider = Provider::new(settings).expect("sound settings");
        let prices = prices();
        let budget = Arc::new(Budget::new(terms.cap, prices.clone()));
        let retry = Retry {
            deadline: terms.deadline,
            first: Duration::from_millis(2),
            slowest: Duration::from_millis(20),
            ..Retry::default()
        };
        let job = Job { weight: 1, budget: budget.clone(), memory: terms.memory, retry };
        let asker = Asker::new(Arc::new(Endpoint::new(Arc::new(provider), limits)), job);
        Self { asker, budget, prices, concurrency: terms.concurrency, redact: None }
    }

    pub(crate) async fn report(&self, place: &Place, config: &ReportConfig) -> Result<Report, Error> {
        let (cancel, analyst) = (AtomicBool::new(false), self.analyst());
        assay_insights::run(&context(place, &analyst, &cancel), &place.project, config).await
    }

    pub(crate) async fn estimate(&self, place: &Place, config: &ReportConfig) -> Result<RunEstimate, Error> {
        self.estimate_with(place, config, Effort::THOROUGH).await
    }

    pub(crate) async fn estimate_with(
        &self,
        place: &Place,
        config: &ReportConfig,
        effort: Effort,
    ) -> Result<RunEstimate, Error> {
        let (cancel, analyst) = (AtomicBool::new(false), self.analyst());
        assay_insights::estimate(&context(place, &analyst, &cancel), &place.project, config, effort).await
    }

    /// As with models that no price table knows.
    pub(crate) fn forget_prices(&mut self) {
        self.prices = Arc::new(PriceTable::default());
    }

    fn analyst(&self) -> Analyst<'_> {
        Analyst {
            thinking: &self.asker,
            summary: &self.asker,
            concurrency: self.concurrency,
            thread_tokens: 3_000,
            prices: &self.prices,
            redact: self.redact.as_deref().map(|redact| redact as &(dyn Fn(&str) -> String + Sync)),
        }
    }
}

fn context<'a>(
    place: &'a Place,
    analyst: &'a Analyst<'a>,
    cancel: &'a AtomicBool,
) -> Context<'a, EmbeddedStore> {
    Context {
        store: &place.store,
        embedder: &*EMBEDDER,
        analyst: Some(analyst),
        remember: true,
        progress: &Silent,
        cancel,
    }
}

pub(crate) async fn standin(config: impl Into<Config>) -> Standin {
    Standin::start(config.into()).await.expect("a port")
}

pub(crate) fn behavior() -> Behavior {
    Behavior::default()
}

/// Models called `big…` cost ten times as much as the others; answers four times as much as prompts.
pub(crate) fn prices() -> Arc<PriceTable> {
    let price = |name: &'static str, is_big: bool, input: i64| Price {
        name: name.into(),
        provider: None,
        valid_from: None,
        matches: Arc::new(move |model: &str| model.starts_with("big") == is_big),
        input: Decimal::new(input, 7),
        output: Decimal::new(4 * input, 7),
        input_details: BTreeMap::new(),
        output_details: BTreeMap::new(),
    };
    Arc::new(PriceTable { prices: vec![price("big", true, 20), price("small", false, 2)], beneath: None })
}

/// Tier deep with a yes-or-no question and one with options.
pub(crate) fn deep() -> ReportConfig {
    ReportConfig {
        tier: Tier::Deep,
        models: Some(Models { thinking: "big-1".into(), summary: "small-1".into() }),
        attributes: attributes(2),
        ..ReportConfig::usage_patterns()
    }
}

pub(crate) fn names() -> ReportConfig {
    ReportConfig { tier: Tier::Names, attributes: BTreeMap::new(), ..deep() }
}

/// So many questions about every thread.
pub(crate) fn attributes(count: usize) -> BTreeMap<String, AttributeSchema> {
    let all = [
        ("urgent", AttributeKind::Boolean, "Is the person in a hurry?", &[][..]),
        ("mood", AttributeKind::String, "How the person feels", &["calm", "angry", "sad"][..]),
        ("product", AttributeKind::String, "Which product it is about, in a few words", &[][..]),
        ("messages_needed", AttributeKind::Integer, "How many messages it took", &[][..]),
        ("solved", AttributeKind::Boolean, "Was the problem solved in the end?", &[][..]),
    ];
    all.into_iter()
        .take(count)
        .map(|(name, kind, description, options)| {
            let options = options.iter().map(|option| (*option).to_owned()).collect();
            let schema = AttributeSchema { kind, description: description.into(), options, filter_by: false };
            (name.to_owned(), schema)
        })
        .collect()
}

/// What the provider bills, at the prices of these tests.
pub(crate) fn billed(standin: &Standin, config: &ReportConfig) -> Decimal {
    let models = config.models.as_ref().expect("models");
    let mut names = vec![models.thinking.as_str(), models.summary.as_str()];
    names.dedup();
    let of = |name: &&str| {
        let bill = standin.bill(name);
        let input = Decimal::new(if name.starts_with("big") { 20 } else { 2 }, 7);
        Decimal::from(bill.input) * input + Decimal::from(bill.output) * input * Decimal::from(4)
    };
    names.iter().map(of).sum()
}

pub(crate) fn embedder() -> &'static MiniLm {
    &EMBEDDER
}

/// A report that no model is asked for.
pub(crate) async fn local(place: &Place, config: &ReportConfig) -> Report {
    let cancel = AtomicBool::new(false);
    let ctx = Context {
        store: &place.store,
        embedder: &*EMBEDDER,
        analyst: None,
        remember: true,
        progress: &Silent,
        cancel: &cancel,
    };
    assay_insights::run(&ctx, &place.project, config).await.expect("a report")
}

/// A report as bytes.
pub(crate) fn bytes(report: &Report) -> String {
    serde_json::to_string(report).expect("a report is JSON")
}
