//! What can go wrong when asking a model, sorted by what the caller can do.
//!
//! Errors can be cloned: two callers that asked the same at the same time share
//! one answer, or one failure. No message ever holds a key.

use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;

/// A failure to load a model or to get an answer from it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the model could not be read.
    #[error("cannot read the embedding model")]
    Unreadable(#[source] Arc<std::io::Error>),

    /// The files are whole, but not of a kind this crate can run; the message
    /// says which property is in the way.
    #[error("this embedding model cannot be used: {0}")]
    Unsupported(String),

    /// The bytes are not what their format promises.
    #[error("the embedding model is damaged: {0}")]
    Corrupt(String),

    /// The caller's progress hook asked to stop.
    #[error("embedding was cancelled")]
    Cancelled,

    /// What was set up for a provider cannot work; says what to change.
    #[error("cannot use this model provider: {0}")]
    Configuration(String),

    /// The key is missing, wrong or not allowed to do this.
    #[error("{place} does not accept the key (status {status}): {message}")]
    Unauthorized { place: String, status: u16, message: String },

    /// The provider will never accept this request, however often it is sent.
    #[error("{place} rejects the request (status {status}): {message}")]
    Rejected {
        place: String,
        status: u16,
        message: String,
        /// The parameter at fault, where the provider named one.
        parameter: Option<String>,
    },

    /// Too many requests or tokens for now.
    #[error("{place} asks to slow down: {message}")]
    RateLimited { place: String, message: String, retry_after: Option<Duration> },

    /// The provider could not be reached, broke off, or failed by itself.
    #[error("{place} is not available: {cause}")]
    Unavailable {
        place: String,
        cause: String,
        /// The request may have reached the model, and may be billed.
        maybe_billed: bool,
        /// Somebody was there: a connection was made, whatever became of it.
        connected: bool,
    },

    /// This one call took too long, while the provider answers others.
    #[error("gave up on one call to {place} after {} s: {cause}", seconds.round())]
    GaveUp { place: String, seconds: f64, cause: String },

    /// The provider has been down for longer than we wait. What was
    /// remembered stays, so asking again later goes on from there.
    #[error("{place} has been down for {} s: {cause}; run the job again when it answers", seconds.round())]
    Outage { place: String, seconds: f64, cause: String },

    /// No connection was ever made, and nobody was there whenever we tried: the address is
    /// wrong, or the provider does not run.
    #[error(
        "{place} cannot be reached: {cause} (tried for {} s); check the address and that the provider runs, then run the job again",
        seconds.round()
    )]
    Unreachable { place: String, seconds: f64, cause: String },

    /// The model will not answer this question.
    #[error("the model {model} refuses to answer: {reason}")]
    Refused { model: String, reason: String },

    /// The answer was longer than the request allows, or the prompt than the model reads.
    #[error(
        "the answer of the model {model} is cut off after {max_tokens} tokens; allow more, or ask for less"
    )]
    Truncated { model: String, max_tokens: u32 },

    /// The answer has not the form that was asked for, not even after the
    /// model was shown its mistake.
    #[error("the answer of the model {model} is not of the form asked for: {reason}")]
    Malformed { model: String, reason: String },

    /// The next call could cost more than is left.
    #[error(
        "the budget of {} does not allow another call: {} are spent, the call may cost {}",
        dollars(cap),
        dollars(spent),
        dollars(needed)
    )]
    OverBudget { cap: Decimal, spent: Decimal, needed: Decimal },

    /// There is a budget, but nobody knows what this model costs.
    #[error("no price is known for the model {model}: add it to the price table, or set no budget")]
    Unpriced { model: String },

    /// The memory of answers failed; nothing was asked.
    #[error("cannot look up remembered answers")]
    Memory(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

/// An amount as people read it: what is beyond its last digit decides nothing.
fn dollars(amount: &Decimal) -> String {
    f64::try_from(*amount).map_or_else(|_| format!("${amount}"), assay_domain::format::money)
}

impl Error {
    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::RateLimited { .. } | Error::Unavailable { .. })
    }

    /// Whether any other question would fail the same way: then a job stops
    /// with this error, instead of skipping one thread after the other.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Error::Refused { .. }
            | Error::Truncated { .. }
            | Error::Malformed { .. }
            | Error::GaveUp { .. } => false,
            // Too long a prompt is one thread's trouble; an unknown model everybody's.
            Error::Rejected { status, .. } => matches!(status, 404 | 405 | 429),
            _ => true,
        }
    }

    pub(crate) fn unsupported(reason: impl Into<String>) -> Self {
        Error::Unsupported(reason.into())
    }

    pub(crate) fn corrupt(reason: impl Into<String>) -> Self {
        Error::Corrupt(reason.into())
    }
}

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        Error::Unreadable(Arc::new(source))
    }
}
