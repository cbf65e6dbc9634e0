//! How many per minute: a bucket that refills evenly.
//!
//! A limit from the settings holds ten seconds' worth, so that neither a burst at
//! the start nor the seconds after an idle minute run into a provider's own
//! counting. One that the provider tells holds what it says remains. A call
//! larger than the bucket goes when the bucket is full and leaves it in debt.

use std::time::Duration;

use tokio::time::Instant;

use crate::chat::Allowance;

const SECONDS_HELD: f64 = 10.0;

#[derive(Debug)]
pub(super) struct Bucket {
    /// Per minute; unlimited if absent.
    limit: Option<f64>,
    /// What the settings allow: providers' words never widen it.
    configured: Option<f64>,
    level: f64,
    /// Taken by calls that are not back yet.
    out: f64,
    filled_at: Instant,
}

impl Bucket {
    pub(super) fn new(configured: Option<u64>, now: Instant) -> Self {
        let configured = configured.map(|limit| limit.max(1) as f64);
        let mut bucket = Self { limit: configured, configured, level: 0.0, out: 0.0, filled_at: now };
        bucket.level = bucket.size();
        bucket
    }

    fn size(&self) -> f64 {
        let held = if self.configured.is_some() { SECONDS_HELD / 60.0 } else { 1.0 };
        self.limit.map_or(0.0, |limit| (limit * held).max(1.0))
    }

    fn refill(&mut self, now: Instant) {
        if let Some(limit) = self.limit {
            let seconds = now.saturating_duration_since(self.filled_at).as_secs_f64();
            self.level = (self.level + seconds * limit / 60.0).min(self.size());
        }
        self.filled_at = now;
    }

    /// When so much may be taken; `None` is now.
    pub(super) fn ready_at(&mut self, amount: u64, now: Instant) -> Option<Instant> {
        self.refill(now);
        let limit = self.limit?;
        let missing = (amount as f64).min(self.size()) - self.level;
        if missing <= 1e-9 {
            return None;
        }
        Some(now + Duration::from_secs_f64(missing * 60.0 / limit) + Duration::from_millis(1))
    }

    pub(super) fn take(&mut self, amount: u64) {
        self.out += amount as f64;
        if self.limit.is_some() {
            self.level -= amount as f64;
        }
    }

    /// A call is back: puts back what was taken too much, or takes what was
    /// taken too little.
    pub(super) fn correct(&mut self, taken: u64, used: u64) {
        self.out = (self.out - taken as f64).max(0.0);
        if self.limit.is_some() {
            self.level = (self.level + taken as f64 - used as f64).min(self.size());
        }
    }

    /// Adapts to what the provider said: its limit if it is the smaller one,
    /// and what remains, less the calls it may not have counted yet.
    pub(super) fn hear(&mut self, said: &Allowance, now: Instant) {
        self.refill(now);
        if let Some(limit) = said.limit.filter(|limit| *limit > 0) {
            let limit = limit as f64;
            let was_unlimited = self.limit.is_none();
            self.limit = Some(self.configured.map_or(limit, |own| own.min(limit)));
            self.level = if was_unlimited { self.size() } else { self.level.min(self.size()) };
        }
        if let (Some(_), Some(remaining)) = (self.limit, said.remaining) {
            let left = remaining as f64 - self.out;
            self.level = if self.configured.is_some() { self.level.min(left) } else { left };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_limit_over_a_minute_and_no_burst_of_it() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Some(60), start);
        let mut given = 0;
        for tenth in 0..600 {
            let now = start + Duration::from_millis(100 * tenth);
            while bucket.ready_at(1, now).is_none() {
                bucket.take(1);
                given += 1;
            }
            assert!(tenth > 0 || given == 10, "{given} at once");
        }
        assert!((68..=70).contains(&given), "{given} in a minute");
    }

    #[test]
    fn the_smaller_of_both_limits_counts() {
        let now = Instant::now();
        let said = |limit, remaining| Allowance { limit: Some(limit), remaining, reset: None };
        let mut bucket = Bucket::new(Some(60), now);
        bucket.hear(&said(6000, None), now);
        assert_eq!(bucket.limit, Some(60.0));
        bucket.hear(&said(30, Some(0)), now);
        assert_eq!(bucket.limit, Some(30.0));
        let wait = bucket.ready_at(1, now).expect("a wait").saturating_duration_since(now);
        assert!((wait.as_secs_f64() - 2.0).abs() < 0.01, "{wait:?}");
        let mut unlimited = Bucket::new(None, now);
        assert!(unlimited.ready_at(1_000_000, now).is_none());
        unlimited.hear(&said(60, Some(3)), now);
        assert!(unlimited.ready_at(3, now).is_none() && unlimited.ready_at(4, now).is_some());
    }

    #[test]
    fn a_call_larger_than_the_bucket_is_made_all_the_same() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Some(600), now);
        assert!(bucket.ready_at(5_000, now).is_none());
        bucket.take(5_000);
        let wait = bucket.ready_at(100, now).expect("a debt").saturating_duration_since(now);
        assert!(wait > Duration::from_secs(490), "{wait:?}");
    }
}
