//! What a report would take, said before it is made.
//!
//! Plain figures for forms, terminals and the API; `assay_insights::estimate`
//! finds them out. Nothing here is a promise: the promise is the budget.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::Tier;

/// What a run of a config would take of language models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunEstimate {
    pub tier: Tier,
    /// Threads that the selection matches.
    pub population: usize,
    /// Threads that would be drawn.
    pub threads: usize,
    /// Threads that a model would read; those with the same words take one call.
    pub read_by_model: usize,
    /// Threads whose prompts were written to find this out.
    pub looked_at: usize,
    /// By stage, in the order of the pipeline; none in tier `local`.
    pub stages: Vec<StageEstimate>,
    /// Calls that would be asked and paid.
    pub calls: usize,
    /// Answers that are remembered and cost nothing.
    pub remembered: usize,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// US dollars by the price table; absent where a model has no known price.
    pub cost: Option<f64>,
    /// Between these it nearly always lies: how many categories there will be and how long the
    /// model's answers are is not known before.
    pub cost_low: Option<f64>,
    pub cost_high: Option<f64>,
    /// Seconds spent waiting for models.
    pub seconds: f64,
    /// Models without a known price, sorted.
    pub unpriced: Vec<String>,
    /// What the config allows to be spent, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
    /// Whether the budget is likely to end before the work does.
    pub exceeds_budget: bool,
}

/// What one stage would take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageEstimate {
    pub stage: String,
    /// As the config calls it.
    pub model: String,
    pub calls: usize,
    pub remembered: usize,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// US dollars; absent where the model has no known price.
    pub cost: Option<f64>,
    pub cost_low: Option<f64>,
    pub cost_high: Option<f64>,
    pub seconds: f64,
}
