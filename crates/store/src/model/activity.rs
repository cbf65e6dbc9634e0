//! What a store is doing.

use std::time::Duration;

/// What a store has done since this process opened it, and what it holds on
/// disk. Other processes count for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Batches that are not answered yet.
    pub waiting_batches: u64,
    /// Their size in memory, about.
    pub waiting_bytes: u64,
    /// Batches that were acknowledged.
    pub batches: u64,
    /// Batches that were answered by an error.
    pub failed_batches: u64,
    /// Batches that found no room and were sent away.
    pub refused_batches: u64,
    /// Transactions that appended; each acknowledges one or more batches.
    pub commits: u64,
    /// Time spent in them, altogether.
    pub commit_time: Duration,
    pub new_runs: u64,
    pub changed_runs: u64,
    pub unchanged_runs: u64,
    /// New and changed feedback.
    pub feedback: u64,
    /// Packed size of what was appended.
    pub bytes: u64,
    /// Size of the store's file.
    pub file_bytes: u64,
    /// Size of its write-ahead log.
    pub log_bytes: u64,
}
