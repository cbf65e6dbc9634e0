//! `[models]`: which language models jobs may ask, where, and how fast.
//!
//! Keys of providers are no settings, so that nothing shows them: they come
//! from the workspace's secrets or from the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use assay_llm::{Api, Limits, Secret};

/// Variables of the environment in which a provider's key may be.
pub const KEY_VARIABLES: [&str; 3] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ASSAY_MODEL_KEY"];

/// How models are asked.
#[derive(Clone, Debug)]
pub struct ModelSettings {
    /// Whom to ask where a job does not say; by which key is there where absent.
    pub provider: Option<Api>,
    /// Address of that provider, where it is not the usual one.
    pub base_url: Option<String>,
    /// Models of that provider where a job names none.
    pub thinking: Option<String>,
    pub summary: Option<String>,
    /// Certificates (PEM) to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// For all calls; the usual variables of the environment count without it.
    pub proxy: Option<Secret>,
    /// Of every model, for all jobs together.
    pub limits: Limits,
    /// For one exchange.
    pub timeout: Duration,
    /// Tokens of a thread that a model is shown at most.
    pub thread_tokens: usize,
    /// So many threads a model reads for a job that names neither a number nor a budget.
    pub read: usize,
    /// Whether personal data and secrets are taken out of what models are shown.
    pub redact: bool,
    /// Keys from the environment, by variable. Those among the workspace's secrets go before.
    pub keys: BTreeMap<String, Secret>,
}

impl ModelSettings {
    /// Whether somebody has said which models are to be asked.
    #[must_use]
    pub fn names_models(&self) -> bool {
        self.provider.is_some()
            || self.base_url.is_some()
            || self.thinking.is_some()
            || self.summary.is_some()
    }
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            provider: None,
            base_url: None,
            thinking: None,
            summary: None,
            ca_file: None,
            proxy: None,
            limits: Limits::default(),
            timeout: Duration::from_secs(120),
            thread_tokens: 3000,
            read: 1000,
            redact: true,
            keys: BTreeMap::new(),
        }
    }
}
