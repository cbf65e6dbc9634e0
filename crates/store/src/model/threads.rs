//! Threads as lists show them.

use std::collections::BTreeMap;
use std::time::Duration;

use assay_domain::{ProjectId, RunId, ThreadId, Time};
use rust_decimal::Decimal;

use super::{FeedbackStats, Order};
use crate::Filter;

/// Which threads to list, by when they were active last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreadPage {
    pub project: ProjectId,
    /// Only this one.
    pub thread: Option<ThreadId>,
    /// Holds for at least one run of the thread.
    pub filter: Option<Filter>,
    /// Holds for the root of one of its traces.
    pub trace_filter: Option<Filter>,
    /// Active at or after this moment.
    pub start: Option<Time>,
    /// Active before this moment.
    pub end: Option<Time>,
    /// Whether traces without a thread key count as threads of their own.
    pub with_single_traces: bool,
    pub order: Order,
    /// At most this many; twenty where 0.
    pub limit: usize,
    pub cursor: Option<String>,
    /// About how long a page or a tally may take; as long as it takes where `None`.
    pub patience: Option<Duration>,
}

/// A thread without its payloads. Latencies in seconds, of the roots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThreadRow {
    pub id: ThreadId,
    pub traces: u64,
    pub runs: u64,
    /// Traces whose root failed.
    pub errors: u64,
    /// Whether the latest trace has not ended.
    pub is_pending: bool,
    /// Roots of the earliest and of the latest trace.
    pub first_root: RunId,
    pub last_root: RunId,
    /// Start of the earliest and of the latest trace, and end of the latest.
    pub first_start: Option<Time>,
    pub last_start: Option<Time>,
    pub last_end: Option<Time>,
    pub latency_p50: Option<f64>,
    pub latency_p99: Option<f64>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    pub input_cost: Option<Decimal>,
    pub output_cost: Option<Decimal>,
    pub total_cost: Option<Decimal>,
    /// About any of its runs.
    pub feedback: BTreeMap<String, FeedbackStats>,
}
