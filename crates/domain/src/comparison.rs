//! Two reports side by side: which categories are the same, and what changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ReportId;
use crate::report::Estimate;

/// What changed from one report to a later one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    pub before: Compared,
    pub after: Compared,
    /// Threads that both reports analysed.
    pub shared_threads: usize,
    pub matched_by: MatchedBy,
    /// Top categories first, then leaves below them; in each the clearest changes first.
    pub changes: Vec<CategoryChange>,
    /// How many changes of share were tested together.
    pub tests: usize,
}

/// One of the two reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    pub report: ReportId,
    pub project: String,
    pub title: String,
    /// Analysed threads.
    pub threads: usize,
    pub population: usize,
    /// Categories without subcategories. Where one report has twice as many as the other, it cuts finer.
    pub categories: usize,
    pub failure_rate: Estimate,
}

/// How it was found out which categories are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MatchedBy {
    /// By the threads that both reports hold.
    Threads,
    /// By threads that were placed in the other report's categories, each among those most alike:
    /// the reports share too few threads, or one cuts much finer. Shares are those of the same
    /// category on both sides.
    Likeness,
    /// By names, keywords and examples: the reports share too few threads, and those have no words.
    Words,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CategoryChange {
    pub kind: ChangeKind,
    /// Whether these are categories at the top, or leaves below.
    pub is_top: bool,
    /// None where new, several where merged.
    pub before: Vec<CategoryReference>,
    /// None where gone, several where split.
    pub after: Vec<CategoryReference>,
    /// 0 to 1: how sure it is that they belong together; 1 where nothing is matched.
    pub similarity: f64,
    pub share_before: Estimate,
    pub share_after: Estimate,
    /// After minus before.
    pub difference: Estimate,
    pub p_value: f64,
    /// After Benjamini-Hochberg over all tests of the comparison.
    pub q_value: f64,
    /// Whether the share changed: `q_value` is at most 0.05.
    pub is_significant: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    New,
    Gone,
    Split,
    Merged,
    /// There before and after.
    Kept,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CategoryReference {
    pub id: String,
    pub name: String,
    pub threads: usize,
    pub share: Estimate,
    pub failure_rate: Estimate,
}
