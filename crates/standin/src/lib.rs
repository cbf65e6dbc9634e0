//! A stand-in for model providers, for tests and benchmarks over real HTTP.
//!
//! It speaks OpenAI's chat completions, responses and embeddings and Anthropic's
//! messages. It is honest: an answer follows from the request alone (`answer`),
//! never from labels; it can be wrong on purpose, slow, limited, malformed,
//! refusing, cut off, disconnected or down ([`Behavior`]). Whatever it does
//! follows from a seed, the body and how often that body came, so a retry can
//! succeed and a test can be repeated.
//!
//! In a test: [`Standin::start`]. As a process: `cargo run -p assay-standin -- --help`.
//! Tokens are counted by a stated rule: [`tokens`].

mod answer;
mod apis;
mod behavior;
mod embed;
mod kept;
mod limits;
mod prompt;
mod serve;
mod state;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

pub use behavior::{Behavior, Config};
pub use state::{Bill, Recorded};
pub use words::tokens;

use state::State;

/// A running stand-in on a port of its own; stopped when dropped.
#[derive(Debug)]
pub struct Standin {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
}

impl Standin {
    /// Starts on a free port of the loopback interface.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(config: Config) -> std::io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), config).await
    }

    /// Starts at a given address.
    ///
    /// # Errors
    /// Where the address cannot be had.
    pub async fn start_at(address: SocketAddr, config: Config) -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(config));
        let (stop, stopped) = oneshot::channel();
        let app = serve::router(state.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = std::future::IntoFuture::into_future(axum::serve(listener, app)) => {}
                _ = stopped => {}
            }
        });
        Ok(Self { address, state, stop: Some(stop) })
    }

    /// Where it is: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL for clients of any of its APIs.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Behaves differently from now on.
    pub fn configure(&self, config: Config) {
        self.state.configure(config);
    }

    /// Is down for a while: for one model, or for all.
    pub fn outage(&self, model: Option<&str>, span: Duration) {
        self.state.outage(model, span);
    }

    /// How many requests came, whatever became of them.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state.calls()
    }

    /// How many of them ended so: `answered`, `malformed`, `refused`,
    /// `truncated`, `rate_limited`, `disconnected`, `failed`, `down`, `rejected`.
    #[must_use]
    pub fn calls_that(&self, outcome: &str) -> u64 {
        self.state.calls_that(outcome)
    }

    /// How many requests were answered from what is kept under their `Idempotency-Key`; they are
    /// no calls.
    #[must_use]
    pub fn replayed(&self) -> u64 {
        self.state.replayed()
    }

    /// The latest requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.requests()
    }

    /// The tokens a provider would bill, by model: those of lost answers too.
    #[must_use]
    pub fn bill(&self, model: &str) -> Bill {
        self.state.bill(model)
    }

    /// The most requests that were being answered at the same time.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.state.most_at_once()
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}
