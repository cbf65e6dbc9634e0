//! When a failed call is made again.
//!
//! Only what may pass by itself is tried again: limits, outages of the
//! provider, broken connections. How long to wait follows from the seed, so
//! that a test of it always waits the same.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// How patient one call is.
#[derive(Clone, Debug)]
pub struct Retry {
    /// For the whole call: waiting, all attempts, the repair round.
    pub deadline: Duration,
    /// How often a call may break after it was sent: each time may be billed.
    pub broken: u32,
    /// The first wait where the provider names none; it doubles, up to `slowest`.
    pub first: Duration,
    pub slowest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(600),
            broken: 4,
            first: Duration::from_millis(500),
            slowest: Duration::from_secs(20),
        }
    }
}

impl Retry {
    /// The wait before attempt number `attempt` (the first retry is 1).
    ///
    /// What the provider asked for, a little spread, so that those who were
    /// sent away together do not come back together; else between half and
    /// all of a doubling wait.
    #[must_use]
    pub fn wait(&self, attempt: u32, asked_for: Option<Duration>, seed: &[u8; 32]) -> Duration {
        let share = jitter(attempt, seed);
        match asked_for {
            Some(wait) => wait + wait.mul_f64(0.1 * share),
            None => {
                let doubled =
                    self.first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1).min(16)));
                doubled.min(self.slowest).mul_f64(0.5 + 0.5 * share)
            }
        }
    }
}

/// Between 0 and 1, the same for the same seed and attempt.
fn jitter(attempt: u32, seed: &[u8; 32]) -> f64 {
    let digest = Sha256::new().chain_update(seed).chain_update(attempt.to_le_bytes()).finalize();
    let bytes: [u8; 4] = digest.first_chunk().copied().unwrap_or_default();
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_follow_from_the_seed() {
        let retry = Retry::default();
        for attempt in 1..12 {
            let full = Duration::from_millis(500 << (attempt - 1)).min(retry.slowest);
            let wait = retry.wait(attempt, None, &[7; 32]);
            assert!(wait >= full / 2 && wait <= full, "{attempt}: {wait:?}");
            assert_eq!(wait, retry.wait(attempt, None, &[7; 32]));
        }
        assert_ne!(retry.wait(1, None, &[1; 32]), retry.wait(1, None, &[2; 32]));
    }

    #[test]
    fn no_call_comes_back_before_it_was_asked_to() {
        let asked = Duration::from_secs(3);
        let wait = Retry::default().wait(1, Some(asked), &[3; 32]);
        assert!(wait >= asked && wait <= asked.mul_f64(1.1));
    }
}
