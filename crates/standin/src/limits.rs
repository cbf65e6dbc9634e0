//! True rate limits: buckets that refill evenly, and the headers that tell.
//!
//! A bucket holds a minute's worth. Requests beyond are sent away with the time
//! after which they would be let in.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Bucket {
    limit: f64,
    level: f64,
    at: Instant,
}

/// What headers tell of a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// Until it is full.
    pub(crate) reset: Duration,
}

impl Bucket {
    pub(crate) fn new(per_minute: u64) -> Self {
        let limit = per_minute.max(1) as f64;
        Self { limit, level: limit, at: Instant::now() }
    }

    /// How long until so much can be taken; nothing is taken.
    pub(crate) fn wait_for(&mut self, amount: u64) -> Duration {
        let now = Instant::now();
        self.level =
            (self.level + now.duration_since(self.at).as_secs_f64() * self.limit / 60.0).min(self.limit);
        self.at = now;
        let missing = (amount as f64).min(self.limit) - self.level;
        Duration::from_secs_f64((missing * 60.0 / self.limit).max(0.0))
    }

    pub(crate) fn take(&mut self, amount: u64) {
        self.level -= amount as f64;
    }

    pub(crate) fn told(&self) -> Told {
        Told {
            limit: self.limit as u64,
            remaining: self.level.max(0.0) as u64,
            reset: Duration::from_secs_f64((self.limit - self.level).max(0.0) * 60.0 / self.limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_sends_away_and_says_for_how_long() {
        let mut bucket = Bucket::new(60);
        assert_eq!(bucket.wait_for(60), Duration::ZERO);
        bucket.take(60);
        let wait = bucket.wait_for(2).as_secs_f64();
        assert!((1.5..=2.0).contains(&wait), "{wait}");
        assert_eq!(bucket.told().remaining, 0);
    }
}
