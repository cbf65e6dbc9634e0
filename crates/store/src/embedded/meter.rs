//! What the store has done since it was opened, counted as it happens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Activity, Appended};

/// Counters that the writing thread moves and anybody reads.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    waiting: AtomicU64,
    batches: AtomicU64,
    commits: AtomicU64,
    failures: AtomicU64,
    commit_micros: AtomicU64,
    new_runs: AtomicU64,
    changed_runs: AtomicU64,
    unchanged_runs: AtomicU64,
    feedback: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
}

impl Meter {
    pub(crate) fn arrived(&self) {
        add(&self.waiting, 1);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused, 1);
    }

    pub(crate) fn answered(&self, appended: Option<Appended>) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let Some(appended) = appended else { return add(&self.failures, 1) };
        add(&self.batches, 1);
        add(&self.new_runs, appended.new_runs as u64);
        add(&self.changed_runs, appended.changed_runs as u64);
        add(&self.unchanged_runs, appended.unchanged_runs as u64);
        add(&self.feedback, (appended.new_feedback + appended.changed_feedback) as u64);
    }

    pub(crate) fn committed(&self, bytes: usize, time: Duration) {
        add(&self.commits, 1);
        add(&self.bytes, bytes as u64);
        add(&self.commit_micros, u64::try_from(time.as_micros()).unwrap_or(0));
    }

    pub(crate) fn read(&self) -> Activity {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Activity {
            waiting_batches: get(&self.waiting),
            batches: get(&self.batches),
            commits: get(&self.commits),
            failed_batches: get(&self.failures),
            refused_batches: get(&self.refused),
            commit_time: Duration::from_micros(get(&self.commit_micros)),
            new_runs: get(&self.new_runs),
            changed_runs: get(&self.changed_runs),
            unchanged_runs: get(&self.unchanged_runs),
            feedback: get(&self.feedback),
            bytes: get(&self.bytes),
            ..Activity::default()
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
