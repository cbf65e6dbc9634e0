//! Tokens used and money spent by a run.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use rust_decimal::Decimal;

/// Token counts of one model call, or of a subtree when added up.
///
/// Details (`cache_read`, `cache_creation`, `reasoning`, `audio`, ...) are
/// parts of the totals, need not add up to them, and keep unknown classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    pub input_details: BTreeMap<String, u64>,
    pub output_details: BTreeMap<String, u64>,
    /// Costs the client stated itself; they win over the price table.
    pub stated_cost: Option<Cost>,
}

/// Money in US dollars, exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub input: Decimal,
    pub output: Decimal,
    pub total: Decimal,
    pub input_details: BTreeMap<String, Decimal>,
    pub output_details: BTreeMap<String, Decimal>,
}

impl AddAssign<&Usage> for Usage {
    /// Adds counts, saturating. Stated costs are not added: see [`Cost`].
    fn add_assign(&mut self, other: &Usage) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.total_tokens = self.total_tokens.saturating_add(other.total_tokens);
        for (class, count) in &other.input_details {
            let sum = self.input_details.entry(class.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        for (class, count) in &other.output_details {
            let sum = self.output_details.entry(class.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
}

impl AddAssign<&Cost> for Cost {
    fn add_assign(&mut self, other: &Cost) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.total = self.total.saturating_add(other.total);
        for (class, cost) in &other.input_details {
            let sum = self.input_details.entry(class.clone()).or_default();
            *sum = sum.saturating_add(*cost);
        }
        for (class, cost) in &other.output_details {
            let sum = self.output_details.entry(class.clone()).or_default();
            *sum = sum.saturating_add(*cost);
        }
    }
}
