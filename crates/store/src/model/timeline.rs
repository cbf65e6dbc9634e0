//! What runs add up to, interval by interval.

use std::time::Duration;

use assay_domain::{ProjectId, Time};

use super::{Grouping, RunQuery};

/// Over which runs to count, in which intervals, and by what to split them.
///
/// The intervals lie side by side from `start` on; the window of `runs` can
/// leave out some of the first and of the last. Limit, order and cursor do not
/// matter. A run belongs to the interval in which it began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimelineQuery {
    pub runs: RunQuery,
    pub start: Time,
    /// Length of an interval; at least a microsecond.
    pub step: Duration,
    /// So many, at most a thousand.
    pub intervals: usize,
    pub grouping: Option<Grouping>,
    /// So many groups, those with the most runs; five where 0.
    pub max_groups: usize,
    /// Leaves tokens and costs out: of roots that is quicker.
    pub without_usage: bool,
}

/// One group over time; its name is empty where nothing is grouped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    pub name: String,
    pub intervals: Vec<Interval>,
    /// All intervals together.
    pub whole: Interval,
}

/// Runs that began in an interval. Latencies in seconds, costs in US dollars.
///
/// Tokens and costs are those of the runs themselves, also of roots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    pub runs: u64,
    pub ended: u64,
    /// Runs with an error.
    pub failed: u64,
    pub latency_p50: Option<f64>,
    pub latency_p99: Option<f64>,
    /// From start to first token.
    pub first_token_p50: Option<f64>,
    pub first_token_p99: Option<f64>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    /// `None` where no run has a known cost.
    pub total_cost: Option<f64>,
}

/// Feedback of a project over time, by when it was given; where nobody said, by when its run began.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedbackTimelineQuery {
    pub project: ProjectId,
    pub start: Time,
    pub step: Duration,
    pub intervals: usize,
}

/// The feedback of one key over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedbackTimeline {
    pub key: String,
    pub intervals: Vec<FeedbackInterval>,
}

/// What was said under a key in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FeedbackInterval {
    pub count: u64,
    /// Of the numeric scores.
    pub mean: Option<f64>,
}
