//! How the stand-in behaves, and the dice that decide it.
//!
//! Rates are shares between 0 and 1. What happens to a request follows from the
//! seed, its body and how often that very body came before.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How one model behaves.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behavior {
    pub latency_ms: u64,
    /// Answers that are not of the form asked for.
    pub malformed: f64,
    pub refusal: f64,
    /// Answers that are cut off in the middle.
    pub truncation: f64,
    /// Connections that break before the answer is there.
    pub disconnect: f64,
    /// Requests sent away with status 429, and for how long.
    pub rate_limited: f64,
    pub retry_after_ms: u64,
    /// Requests that fail with status 500.
    pub server_error: f64,
    /// Choices that are wrong on purpose.
    pub wrong: f64,
    /// Choices that are none of the options.
    pub outside: f64,
    /// True limits, told in headers and held.
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
    /// Knows no `response_format`, as older servers.
    pub no_schema: bool,
    /// Takes no temperature, as models that reason.
    pub no_temperature: bool,
    /// Says nothing of usage.
    pub no_usage: bool,
    /// Knows `Idempotency-Key`, as Stripe does: requests of one key are one call.
    pub idempotent: bool,
    /// The only key that is let in.
    pub key: Option<String>,
    pub seed: u64,
}

/// How all models behave, and those that differ.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub all: Behavior,
    pub models: BTreeMap<String, Behavior>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answer,
    Malform,
    Refuse,
    Truncate,
    Disconnect,
    SendAway,
    Fail,
}

impl From<Behavior> for Config {
    fn from(all: Behavior) -> Self {
        Self { all, models: BTreeMap::new() }
    }
}

impl Config {
    pub(crate) fn of(&self, model: &str) -> &Behavior {
        self.models.get(model).unwrap_or(&self.all)
    }
}

impl Behavior {
    pub(crate) fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    pub(crate) fn fate(&self, body: &[u8], attempt: u32) -> Fate {
        let mut left = self.dice("fate", body, attempt);
        let fates = [
            (self.disconnect, Fate::Disconnect),
            (self.rate_limited, Fate::SendAway),
            (self.server_error, Fate::Fail),
            (self.malformed, Fate::Malform),
            (self.refusal, Fate::Refuse),
            (self.truncation, Fate::Truncate),
        ];
        for (rate, fate) in fates {
            if left < rate {
                return fate;
            }
            left -= rate;
        }
        Fate::Answer
    }

    /// Whether the choice at a place of the answer is wrong on purpose.
    pub(crate) fn is_wrong(&self, prompt: &str, place: &str) -> bool {
        self.dice(place, prompt.as_bytes(), 0) < self.wrong
    }

    /// Whether the choice at a place of the answer is none of the options.
    pub(crate) fn is_outside(&self, prompt: &str, place: &str) -> bool {
        self.dice("outside", format!("{place} {prompt}").as_bytes(), 0) < self.outside
    }

    /// Between 0 and 1.
    pub(crate) fn dice(&self, what: &str, content: &[u8], attempt: u32) -> f64 {
        roll(&[what.as_bytes(), &self.seed.to_le_bytes(), &attempt.to_le_bytes(), content])
    }
}

/// A number between 0 and 1 that follows from the parts.
pub(crate) fn roll(parts: &[&[u8]]) -> f64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let bytes: [u8; 4] = digest.first_chunk().copied().unwrap_or_default();
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_come_at_their_rates_and_follow_from_body_and_attempt() {
        let behavior = Behavior { malformed: 0.05, refusal: 0.05, rate_limited: 0.1, ..Behavior::default() };
        let mut answered = 0;
        for n in 0..4000_u32 {
            let body = n.to_string();
            let fate = behavior.fate(body.as_bytes(), 0);
            assert_eq!(fate, behavior.fate(body.as_bytes(), 0));
            answered += u32::from(fate == Fate::Answer);
        }
        assert!((3120..3280).contains(&answered), "{answered} of 4000, 3200 expected");
        let sent_away = (0..1000_u32).find(|n| behavior.fate(&n.to_le_bytes(), 0) == Fate::SendAway);
        let body = sent_away.expect("one in ten").to_le_bytes();
        assert!((1..50).any(|attempt| behavior.fate(&body, attempt) == Fate::Answer), "retries can succeed");
    }
}
