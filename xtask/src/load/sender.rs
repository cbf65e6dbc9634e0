//! Sending, waiting, counting.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

use super::body::{Bodies, Kind, Sent};

/// What to send where, for how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) url: String,
    pub(crate) kind: Kind,
    pub(crate) time: Duration,
    pub(crate) connections: usize,
    pub(crate) per_request: usize,
    pub(crate) project: String,
    pub(crate) key: String,
    /// Runs a second over all connections; as many as go through if absent.
    pub(crate) rate: Option<f64>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            url: String::new(),
            kind: Kind::Pairs,
            time: Duration::from_secs(30),
            connections: 4,
            per_request: 100,
            project: "load".into(),
            key: "any".into(),
            rate: None,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) seconds: f64,
    /// Runs whose last part was acknowledged.
    pub(crate) runs: u64,
    pub(crate) requests: u64,
    /// Requests that were refused for the moment and repeated.
    pub(crate) repeated: u64,
    pub(crate) bytes: u64,
    /// Milliseconds until the acknowledgement, sorted.
    pub(crate) latencies: Vec<f64>,
}

impl Figures {
    pub(crate) fn rate(&self) -> f64 {
        self.runs as f64 / self.seconds
    }

    /// Milliseconds; 0 without requests.
    pub(crate) fn latency(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * share).round() as usize).copied().unwrap_or(0.0)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs in {:.1} s: {:.0} runs/s, {:.1} MB/s sent; {} requests, {} repeated; acknowledged in ms: \
             p50 {:.1}, p99 {:.1}, max {:.1}",
            self.runs,
            self.seconds,
            self.rate(),
            self.bytes as f64 / 1e6 / self.seconds,
            self.requests,
            self.repeated,
            self.latency(0.5),
            self.latency(0.99),
            self.latency(1.0),
        )
    }
}

/// Carries the plan out. The first answer that is neither 2xx nor "try again" fails it.
pub(crate) fn send(plan: &Plan) -> Result<Figures> {
    let start = Instant::now();
    let sent = AtomicU64::new(0);
    let parts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.connections)
            .map(|number| {
                let sent = &sent;
                scope.spawn(move || Connection::open(plan, number)?.work(start, sent))
            })
            .collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, Result<Figures>>| {
            worker.join().map_err(|_| anyhow::anyhow!("a connection's thread panicked"))?
        };
        workers.into_iter().map(join).collect::<Result<Vec<Figures>>>()
    })?;
    let mut all = Figures { seconds: start.elapsed().as_secs_f64(), ..Figures::default() };
    for part in parts {
        all.runs += part.runs;
        all.requests += part.requests;
        all.repeated += part.repeated;
        all.bytes += part.bytes;
        all.latencies.extend(part.latencies);
    }
    all.latencies.sort_by(f64::total_cmp);
    Ok(all)
}

struct Connection<'a> {
    plan: &'a Plan,
    agent: ureq::Agent,
    bodies: Bodies,
    figures: Figures,
}

impl<'a> Connection<'a> {
    fn open(plan: &'a Plan, number: usize) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
        let seed = now.as_nanos() as u64 ^ (number as u64) << 56;
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_idle_connections(1);
        let agent = config.timeout_global(Some(Duration::from_secs(60))).build().new_agent();
        let bodies = Bodies::new(seed, &plan.project, now.as_micros() as u64);
        Ok(Self { plan, agent, bodies, figures: Figures::default() })
    }

    fn work(mut self, start: Instant, sent: &AtomicU64) -> Result<Figures> {
        // Of pairs, the ends follow one request after the creations.
        let mut open: Vec<Sent> = Vec::new();
        while start.elapsed() < self.plan.time {
            if let Some(rate) = self.plan.rate {
                let due = sent.load(Ordering::Relaxed) as f64 / rate;
                let ahead = due - start.elapsed().as_secs_f64();
                if ahead > 0.0 {
                    std::thread::sleep(Duration::from_secs_f64(ahead.min(0.5)));
                    continue;
                }
            }
            let runs = self.bodies.runs(self.plan.per_request);
            sent.fetch_add(runs.len() as u64, Ordering::Relaxed);
            let (body, done) = match self.plan.kind {
                Kind::Pairs => {
                    let body = self.bodies.multipart(&runs, &open, false);
                    let done = open.len();
                    open = runs;
                    (body, done)
                }
                Kind::Multipart => (self.bodies.multipart(&runs, &[], true), runs.len()),
                Kind::Batch => (self.bodies.batch(&runs), runs.len()),
                Kind::Otlp => (self.bodies.otlp(&runs), runs.len()),
            };
            self.request(&body)?;
            self.figures.runs += done as u64;
        }
        Ok(self.figures)
    }

    fn request(&mut self, body: &[u8]) -> Result<()> {
        let url = format!("{}{}", self.plan.url, self.plan.kind.path());
        loop {
            let start = Instant::now();
            let mut request = self.agent.post(&url).header("x-api-key", &self.plan.key);
            if self.plan.kind == Kind::Otlp {
                request = request.header("Langsmith-Project", &self.plan.project);
            }
            for (name, value) in self.plan.kind.headers() {
                request = request.header(*name, *value);
            }
            let mut answer = request.send(body).with_context(|| url.clone())?;
            let text = answer.body_mut().read_to_string().unwrap_or_default();
            let status = answer.status().as_u16();
            if matches!(status, 429 | 503) {
                self.figures.repeated += 1;
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            ensure!((200..300).contains(&status), "{url} answered {status}: {text}");
            self.figures.requests += 1;
            self.figures.bytes += body.len() as u64;
            self.figures.latencies.push(start.elapsed().as_secs_f64() * 1e3);
            return Ok(());
        }
    }
}
