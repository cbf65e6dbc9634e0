//! What is counted, and `/metrics`, where Prometheus reads it.
//!
//! Labels are routes, methods, statuses and outcomes: a bounded set, none of
//! it content. What changes by itself (size, memory) is read when asked for.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use assay_domain::Time;
use assay_domain::job::Spend;
use assay_redact::Counts;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use rust_decimal::prelude::ToPrimitive as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admission::Admitted;
use crate::app::App;
use crate::error::{ApiError, ApiResult};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(scrape))
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    path: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rule {
    rule: String,
}

/// A stage of an analysis, and what became of its questions or which way its tokens went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Question {
    stage: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tokens {
    stage: String,
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStage {
    stage: String,
}

type Seconds = Gauge<f64, AtomicU64>;
type Money = Counter<f64, AtomicU64>;

/// The counters of a server.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    latencies: Family<Route, Histogram, fn() -> Histogram>,
    open: Gauge,
    refusals: Family<Reason, Counter>,
    panics: Counter,
    dropped: Family<Rule, Counter>,
    redactions: Family<Rule, Counter>,
    expired: Counter,
    model_calls: Family<Question, Counter>,
    model_tokens: Family<Tokens, Counter>,
    model_cost: Family<OfStage, Money>,
    waiting: Gauge,
    last_commit: Seconds,
    size: Gauge,
    memory: Gauge,
}

fn latency() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Metrics {
    /// `others` registers what is counted elsewhere.
    pub(crate) fn new(others: impl FnOnce(&mut Registry)) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("assay"),
            requests: Family::default(),
            latencies: Family::new_with_constructor(latency),
            open: Gauge::default(),
            refusals: Family::default(),
            panics: Counter::default(),
            dropped: Family::default(),
            redactions: Family::default(),
            expired: Counter::default(),
            model_calls: Family::default(),
            model_tokens: Family::default(),
            model_cost: Family::default(),
            waiting: Gauge::default(),
            last_commit: Gauge::default(),
            size: Gauge::default(),
            memory: Gauge::default(),
        };
        metrics.register();
        others(&mut metrics.registry);
        metrics
    }

    fn register(&mut self) {
        let all = &mut self.registry;
        all.register("requests", "Requests by route and status", self.requests.clone());
        let help = "Time until the head of the answer";
        all.register_with_unit("request_duration", help, Unit::Seconds, self.latencies.clone());
        all.register("requests_open", "Requests that are being answered", self.open.clone());
        all.register("requests_refused", "Requests without the right key, by status", self.refusals.clone());
        all.register("panics", "Requests that ended in a bug of the server", self.panics.clone());
        let help = "Runs that sampling or a rule kept out, once per request that brought news of them";
        all.register("runs_dropped", help, self.dropped.clone());
        all.register(
            "redactions",
            "Values that were taken out before storing, by rule",
            self.redactions.clone(),
        );
        all.register("traces_expired", "Traces that were deleted because of their age", self.expired.clone());
        let help = "Questions to language models: answered, remembered, or lost after they were sent";
        all.register("model_calls", help, self.model_calls.clone());
        all.register("model_tokens", "Tokens of answered questions", self.model_tokens.clone());
        all.register("model_cost_dollars", "What language models cost", self.model_cost.clone());
        all.register("appends_waiting", "Batches that wait for the store", self.waiting.clone());
        let help = "When the store last acknowledged a batch, in seconds of the epoch";
        all.register("last_commit_timestamp_seconds", help, self.last_commit.clone());
        all.register_with_unit("store_size", "Files of the store", Unit::Bytes, self.size.clone());
        let help = "Memory of the process that is in use";
        all.register_with_unit("resident_memory", help, Unit::Bytes, self.memory.clone());
    }

    /// A request came in; it is open until [`Metrics::answered`].
    pub(crate) fn arrived(&self) {
        self.open.inc();
    }

    pub(crate) fn answered(&self, method: &str, path: &str, status: StatusCode, took: Duration) {
        self.open.dec();
        let (method, path) = (method.to_owned(), path.to_owned());
        self.latencies
            .get_or_create(&Route { method: method.clone(), path: path.clone() })
            .observe(took.as_secs_f64());
        self.requests.get_or_create(&Request { method, path, status: status.as_u16() }).inc();
    }

    pub(crate) fn refused(&self, status: StatusCode) {
        self.refusals.get_or_create(&Reason { status: status.as_u16() }).inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    /// Policies were applied to a batch.
    pub(crate) fn admitted(&self, admitted: &Admitted) {
        for (rule, runs) in &admitted.dropped {
            self.dropped.get_or_create(&Rule { rule: rule.to_string() }).inc_by(*runs as u64);
        }
        self.redacted(&admitted.redacted);
    }

    /// Values were taken out of runs or feedback.
    pub(crate) fn redacted(&self, counts: &Counts) {
        for (rule, values) in &counts.0 {
            self.redactions.get_or_create(&Rule { rule: rule.clone() }).inc_by(*values);
        }
    }

    /// Traces were deleted because of their age.
    pub(crate) fn expired(&self, traces: u64) {
        self.expired.inc_by(traces);
    }

    /// A stage asked models: what it spent by now, and what of it was told before.
    pub(crate) fn asked(&self, stage: &str, now: &Spend, before: &Spend) {
        let call = |outcome, now: u64, before: u64| {
            let question = Question { stage: stage.to_owned(), outcome };
            self.model_calls.get_or_create(&question).inc_by(now.saturating_sub(before));
        };
        call("answered", now.calls, before.calls);
        call("remembered", now.remembered, before.remembered);
        call("lost", now.lost, before.lost);
        let tokens = |direction, now: u64, before: u64| {
            let tokens = Tokens { stage: stage.to_owned(), direction };
            self.model_tokens.get_or_create(&tokens).inc_by(now.saturating_sub(before));
        };
        tokens("input", now.input_tokens, before.input_tokens);
        tokens("output", now.output_tokens, before.output_tokens);
        let cost = now.cost.saturating_sub(before.cost).to_f64().unwrap_or_default().max(0.0);
        self.model_cost.get_or_create(&OfStage { stage: stage.to_owned() }).inc_by(cost);
    }

    /// A batch goes to the store; it waits until the answer is dropped.
    pub(crate) fn appending(&self) -> Waiting<'_> {
        self.waiting.inc();
        Waiting(&self.waiting)
    }

    /// The store acknowledged a batch.
    pub(crate) fn committed(&self, now: Time) {
        self.last_commit.set(now.timestamp_millis() as f64 / 1e3);
    }

    /// All of it, as Prometheus reads it.
    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A batch that waits for the store.
pub(crate) struct Waiting<'a>(&'a Gauge);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counters for Prometheus, in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", tag = "server", responses((status = 200, content_type = "application/openmetrics-text")))]
async fn scrape(State(app): State<App>) -> ApiResult<Response> {
    let dir = assay_store::EmbeddedStore::dir(&app.store).to_owned();
    let measured = tokio::task::spawn_blocking(move || (size_of(&dir), resident())).await;
    if let Ok((size, memory)) = measured {
        app.metrics.size.set(i64::try_from(size).unwrap_or(i64::MAX));
        app.metrics.memory.set(i64::try_from(memory.unwrap_or(0)).unwrap_or(i64::MAX));
    }
    let text = app.metrics.text();
    let text =
        text.map_err(|_| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the counters cannot be written"))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Bytes of the files in a directory; the store has no folders in folders.
fn size_of(dir: &std::path::Path) -> u64 {
    let size = |entry: std::fs::DirEntry| {
        entry.metadata().map_or(0, |file| if file.is_file() { file.len() } else { 0 })
    };
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(size).sum()
}

/// Bytes of memory in use, where the system says so.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use crate::testing::Server;

    #[tokio::test]
    async fn requests_are_counted_by_route() {
        let server = Server::new();
        server.get("/api/v1/info").await.ok();
        server.get("/nowhere/at/all").await.refused(404);
        let answer = server.get("/metrics").await;
        let text = answer.text();
        for line in [
            r#"assay_requests_total{method="GET",path="/info",status="200"} 1"#,
            r#"assay_requests_total{method="GET",path="none",status="404"} 1"#,
            r#"assay_request_duration_seconds_count{method="GET",path="/info"} 1"#,
            "assay_requests_open 1",
            "assay_appends_waiting 0",
            "# EOF",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
            line.and_then(|line| line.split(' ').nth(1)?.parse::<u64>().ok())
                .unwrap_or_else(|| panic!("{name}"))
        };
        assert!(value("assay_store_size_bytes") > 1000);
        if cfg!(target_os = "linux") {
            assert!(value("assay_resident_memory_bytes") > 1_000_000);
        }
    }
}
