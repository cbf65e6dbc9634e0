//! What the stand-in remembers: counts, requests, who came how often.
//!
//! One struct under one lock, held for moments. The number of requests kept is
//! bounded; counts are not affected by that.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::behavior::Config;
use crate::kept::Answers;
use crate::limits::{Bucket, Told};

const KEPT: usize = 20_000;

/// One request and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    pub path: String,
    pub model: String,
    pub outcome: &'static str,
    /// Its `Idempotency-Key`.
    pub key: Option<String>,
    pub body: Value,
}

/// Tokens of a model that a provider would bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Bill {
    pub input: u64,
    pub output: u64,
}

#[derive(Debug)]
pub(crate) struct State {
    inner: Mutex<Inner>,
    pub(crate) answers: Answers,
}

#[derive(Debug, Default)]
struct Inner {
    config: Config,
    attempts: HashMap<[u8; 32], u32>,
    outcomes: BTreeMap<&'static str, u64>,
    by_model: BTreeMap<String, u64>,
    bills: BTreeMap<String, Bill>,
    requests: VecDeque<Recorded>,
    /// Down until then: one model, or all under the empty name.
    down: BTreeMap<String, Instant>,
    buckets: BTreeMap<(String, &'static str), Bucket>,
    in_flight: usize,
    most_at_once: usize,
    replayed: u64,
}

/// Counts a request as being answered for as long as it lives.
pub(crate) struct Inside<'a>(&'a State);

/// Whether a request is let in, and what headers tell.
pub(crate) struct Door {
    pub(crate) wait: Option<Duration>,
    pub(crate) requests: Option<Told>,
    pub(crate) tokens: Option<Told>,
}

impl State {
    pub(crate) fn new(config: Config) -> Self {
        Self { inner: Mutex::new(Inner { config, ..Inner::default() }), answers: Answers::default() }
    }

    pub(crate) fn config(&self) -> Config {
        self.lock().config.clone()
    }

    pub(crate) fn configure(&self, config: Config) {
        let mut inner = self.lock();
        inner.config = config;
        inner.buckets.clear();
    }

    pub(crate) fn outage(&self, model: Option<&str>, span: Duration) {
        self.lock().down.insert(model.unwrap_or_default().to_owned(), Instant::now() + span);
    }

    pub(crate) fn is_down(&self, model: &str) -> bool {
        let inner = self.lock();
        ["", model].iter().any(|name| inner.down.get(*name).is_some_and(|until| *until > Instant::now()))
    }

    /// How often this very body came before.
    pub(crate) fn attempt(&self, path: &str, body: &[u8]) -> u32 {
        let key = Sha256::new().chain_update(path).chain_update([0]).chain_update(body).finalize().into();
        let mut inner = self.lock();
        let count = inner.attempts.entry(key).or_insert(0);
        *count += 1;
        *count - 1
    }

    pub(crate) fn enter(&self) -> Inside<'_> {
        let mut inner = self.lock();
        inner.in_flight += 1;
        inner.most_at_once = inner.most_at_once.max(inner.in_flight);
        Inside(self)
    }

    /// Takes from the model's limits, or says how long to stay away.
    pub(crate) fn door(&self, model: &str, requests: Option<u64>, tokens: Option<u64>, amount: u64) -> Door {
        let mut inner = self.lock();
        let mut wait = Duration::ZERO;
        let wanted = [("requests", requests, 1), ("tokens", tokens, amount)];
        for (what, limit, amount) in wanted {
            let Some(limit) = limit else { continue };
            let bucket = inner.buckets.entry((model.to_owned(), what)).or_insert_with(|| Bucket::new(limit));
            wait = wait.max(bucket.wait_for(amount));
        }
        for (what, _, amount) in wanted.iter().filter(|_| wait.is_zero()) {
            if let Some(bucket) = inner.buckets.get_mut(&(model.to_owned(), *what)) {
                bucket.take(*amount);
            }
        }
        let told = |what| inner.buckets.get(&(model.to_owned(), what)).map(Bucket::told);
        Door { wait: (!wait.is_zero()).then_some(wait), requests: told("requests"), tokens: told("tokens") }
    }

    pub(crate) fn record(&self, request: Recorded) {
        let mut inner = self.lock();
        *inner.outcomes.entry(request.outcome).or_default() += 1;
        *inner.by_model.entry(request.model.clone()).or_default() += 1;
        if inner.requests.len() == KEPT {
            inner.requests.pop_front();
        }
        inner.requests.push_back(request);
    }

    pub(crate) fn charge(&self, model: &str, input: u64, output: u64) {
        let mut inner = self.lock();
        let bill = inner.bills.entry(model.to_owned()).or_default();
        bill.input += input;
        bill.output += output;
    }

    pub(crate) fn replay(&self) {
        self.lock().replayed += 1;
    }

    pub(crate) fn replayed(&self) -> u64 {
        self.lock().replayed
    }

    pub(crate) fn calls(&self) -> u64 {
        self.lock().outcomes.values().sum()
    }

    pub(crate) fn calls_that(&self, outcome: &str) -> u64 {
        self.lock().outcomes.get(outcome).copied().unwrap_or(0)
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.lock().requests.iter().cloned().collect()
    }

    pub(crate) fn bill(&self, model: &str) -> Bill {
        self.lock().bills.get(model).copied().unwrap_or_default()
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.lock().most_at_once
    }

    /// Everything counted, as `GET /_calls` tells it.
    pub(crate) fn told(&self) -> Value {
        let inner = self.lock();
        json!({
            "calls": inner.outcomes.values().sum::<u64>(),
            "outcomes": inner.outcomes,
            "models": inner.by_model,
            "billed": inner.bills,
            "replayed": inner.replayed,
            "most_at_once": inner.most_at_once,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}
