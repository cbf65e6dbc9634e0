//! What many runs add up to.

use std::collections::BTreeMap;

use assay_domain::Time;
use rust_decimal::Decimal;

use super::RunQuery;

/// Over which runs to count, and by what to split them.
///
/// Of roots alone (`is_root`), tokens and costs are those of their traces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatsQuery {
    /// Limit, order and cursor do not matter.
    pub runs: RunQuery,
    pub grouping: Option<Grouping>,
    /// So many groups, those with the most runs; five where 0.
    pub max_groups: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    Name,
    Kind,
    Tag,
    /// By the value under this key.
    Metadata(String),
    /// By thread of the trace.
    Thread,
}

/// Counts, sums and percentiles. Latencies in seconds, costs in US dollars.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunStats {
    pub runs: u64,
    pub latency_p50: Option<f64>,
    pub latency_p99: Option<f64>,
    /// From start to first token.
    pub first_token_p50: Option<f64>,
    pub first_token_p99: Option<f64>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    pub input_tokens_p50: Option<f64>,
    pub input_tokens_p99: Option<f64>,
    pub output_tokens_p50: Option<f64>,
    pub output_tokens_p99: Option<f64>,
    pub total_tokens_p50: Option<f64>,
    pub total_tokens_p99: Option<f64>,
    pub input_cost: Option<Decimal>,
    pub output_cost: Option<Decimal>,
    pub total_cost: Option<Decimal>,
    pub cost_p50: Option<f64>,
    pub cost_p99: Option<f64>,
    /// Share of runs with an error, of those that ended.
    pub error_rate: Option<f64>,
    /// Share of runs that streamed: that have a first token time.
    pub streaming_rate: Option<f64>,
    pub last_start_time: Option<Time>,
    pub feedback: BTreeMap<String, FeedbackStats>,
}

/// The feedback of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedbackStats {
    pub count: u64,
    /// Of the numeric scores.
    pub mean: Option<f64>,
    /// Of the population.
    pub deviation: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// How often each label was given.
    pub labels: BTreeMap<String, u64>,
    /// The first few.
    pub comments: Vec<String>,
    /// Types of source, each once.
    pub sources: Vec<String>,
    /// Evaluators that failed.
    pub errors: u64,
}
