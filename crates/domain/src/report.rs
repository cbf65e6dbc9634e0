//! A report: what was analysed and how, and everything that was found.
//!
//! [`Report`] is also our published file format, `report.json`: its JSON
//! Schema is generated from these types, so they are the one place where the
//! format is defined. Maps are ordered, lists are in a defined order, and
//! nothing depends on clocks or threads, so equal reports are equal bytes.

mod made;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use made::{HandEdit, Merged, MergedPart, Merging, ModelWork, Provenance, Quality, Skipped, StageWork};

use crate::{ReportId, RunId, ThreadId, Time, TraceId};

/// Version of the `report.json` format. Older versions stay readable.
pub const FORMAT_VERSION: u32 = 1;

// ---------------------------------------------------------------- asking

/// What to analyse and how. A finished report carries the one it was made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReportConfig {
    /// "Usage Patterns", "Error Analysis", or a name of the user's.
    pub name: String,
    pub focus: Focus,
    /// Expression in the filter language; selects threads with at least one matching run.
    pub filter: Option<String>,
    /// Threads that were active at or after this moment.
    pub start_time: Option<Time>,
    /// Threads that were active before this moment.
    pub end_time: Option<Time>,
    pub sample: Sample,
    pub shape: Shape,
    /// Top categories given by the user. Subcategories are discovered inside.
    pub categories: Vec<PredefinedCategory>,
    pub seed: u64,
    /// How much of the work a language model does.
    #[serde(skip_serializing_if = "Tier::is_local")]
    pub tier: Tier,
    /// Which models; required for every tier but `local`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Models>,
    /// What the reader wants to know, in plain words: question to answer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub instructions: BTreeMap<String, String>,
    /// Mustache template of the prompt that summarizes a thread; see `assay_insights::model::template`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary_prompt: Option<String>,
    /// Questions the model answers about every thread it reads, by attribute name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, AttributeSchema>,
    /// Tier `deep`: how many threads the model reads; every one where absent.
    /// The others are assigned to categories by their vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_by_model: Option<usize>,
    /// US dollars that the report may cost at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<f64>,
}

impl Default for ReportConfig {
    fn default() -> Self {
        Self::usage_patterns()
    }
}

impl ReportConfig {
    /// The prebuilt config that asks what people do with the agent.
    #[must_use]
    pub fn usage_patterns() -> Self {
        Self {
            name: "Usage Patterns".into(),
            focus: Focus::Usage,
            filter: None,
            start_time: None,
            end_time: None,
            sample: Sample::default(),
            shape: Shape::Automatic,
            categories: Vec::new(),
            seed: 0,
            tier: Tier::Local,
            models: None,
            instructions: BTreeMap::new(),
            summary_prompt: None,
            attributes: BTreeMap::new(),
            read_by_model: None,
            budget: None,
        }
    }

    /// The prebuilt config that asks how the agent fails.
    #[must_use]
    pub fn error_analysis() -> Self {
        Self { name: "Error Analysis".into(), focus: Focus::Errors, ..Self::usage_patterns() }
    }
}

/// The lens: what threads are grouped by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Focus {
    /// What people ask for.
    #[default]
    Usage,
    /// How the agent fails: error signatures, failing tools, loops, refusals, bad endings.
    Errors,
}

/// How much of the work a language model does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// None at all: no key, no network, no money.
    #[default]
    Local,
    /// It names and describes the categories and writes the executive summary.
    Names,
    /// It also reads threads: summaries, attributes, and where a thread belongs when that is unclear.
    Deep,
}

impl Tier {
    #[must_use]
    pub fn is_local(&self) -> bool {
        *self == Self::Local
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Names => "names",
            Self::Deep => "deep",
        }
    }
}

/// The models a report is made with, as their provider calls them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// Names and arranges categories, writes the executive summary.
    pub thinking: String,
    /// Reads threads, places unclear ones.
    pub summary: String,
}

/// A typed question about a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributeSchema {
    #[serde(rename = "type")]
    pub kind: AttributeKind,
    #[serde(default)]
    pub description: String,
    /// The only answers there are; text attributes only.
    #[serde(default, rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Boolean attributes only: threads for which it is not true are left out of the report.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filter_by: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AttributeKind {
    String,
    Number,
    Integer,
    Boolean,
}

/// Which of the selected threads are read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sample {
    /// How many threads; all of them where absent.
    pub size: Option<usize>,
    pub strategy: SampleStrategy,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SampleStrategy {
    /// Every thread has the same chance.
    #[default]
    Uniform,
    /// The sample is shared among strata in proportion to their size, at least one each.
    Stratified { by: Stratum },
    /// Failed threads are `weight` times as likely.
    TowardErrors { weight: f64 },
    /// Threads whose mean score for this key is in the lower half are `weight` times as likely.
    TowardLowFeedback { key: String, weight: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stratum {
    Status,
    /// Quartiles of latency.
    Latency,
    Feedback {
        key: String,
    },
    Metadata {
        key: String,
    },
    /// Day of the thread's start, UTC.
    Day,
}

/// How many categories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// As many as the data holds.
    #[default]
    Automatic,
    /// Target counts from the finest level up, such as `[40, 8]`.
    Levels(Vec<usize>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredefinedCategory {
    pub name: String,
    #[serde(default)]
    pub description: String,
}

// --------------------------------------------------------------- finding

/// Everything one analysis found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Format version: see [`FORMAT_VERSION`].
    pub version: u32,
    /// Follows from the data and the config: the same input gives the same id.
    pub id: ReportId,
    pub project: String,
    pub config: ReportConfig,
    pub executive_summary: ExecutiveSummary,
    pub taxonomy: Taxonomy,
    /// One per analysed thread, ordered by category path, then confidence
    /// (highest first), then thread id.
    pub assignments: Vec<Assignment>,
    /// Statistics over all analysed threads.
    pub statistics: Statistics,
    pub made: Provenance,
}

impl Report {
    #[must_use]
    pub fn category(&self, id: &str) -> Option<&Category> {
        self.taxonomy.nodes.iter().find(|node| node.id == id)
    }
}

/// All categories, as a tree written in depth-first order: parents before
/// children, siblings by estimated share (largest first), "Other" last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Taxonomy {
    pub nodes: Vec<Category>,
    /// Other granularities of the same tree, for the dial: leaf counts that `--hierarchy` can ask for.
    pub granularities: Vec<usize>,
}

impl Taxonomy {
    pub fn children<'a>(&'a self, parent: Option<&'a str>) -> impl Iterator<Item = &'a Category> {
        self.nodes.iter().filter(move |node| node.parent.as_deref() == parent)
    }

    pub fn is_leaf(&self, id: &str) -> bool {
        self.children(Some(id)).next().is_none()
    }
}

/// A named, described node of the taxonomy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Category {
    /// Stable within the report; derived from the members.
    pub id: String,
    pub parent: Option<String>,
    /// Height above the leaves: 0 for categories that hold threads directly.
    pub level: usize,
    pub name: String,
    pub description: String,
    pub kind: CategoryKind,
    /// Typical requests (or failures) in the users' own words, most typical first.
    pub examples: Vec<Example>,
    /// Words that set it apart from its siblings, most telling first.
    pub keywords: Vec<String>,
    pub statistics: Statistics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CategoryKind {
    /// Found in the data.
    Discovered,
    /// Given by the user.
    Predefined,
    /// For threads that fit nowhere.
    Other,
    /// Error lens only: threads in which no failure shows.
    Healthy,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    pub thread: ThreadId,
    pub text: String,
}

/// Which category a thread belongs to, and what the analysis knows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assignment {
    pub thread: ThreadId,
    /// Id of the leaf category.
    pub category: String,
    /// Names of the categories from the top down to the leaf.
    pub path: Vec<String>,
    /// 0 to 1: how clearly this category and no other.
    pub confidence: f64,
    /// Why it is in "Other", where it is.
    pub reason: Option<String>,
    /// What was asked, what the agent did, how it ended.
    pub summary: String,
    /// The user's first request, cut for display.
    pub request: String,
    pub attributes: BTreeMap<String, AttributeValue>,
    pub status: Status,
    /// The failure this thread shows, as a normalized template, if any.
    pub failure: Option<String>,
    pub start_time: Option<Time>,
    /// Seconds.
    pub latency: Option<f64>,
    pub total_tokens: u64,
    /// US dollars.
    pub cost: Option<f64>,
    /// Mean score by feedback key.
    pub feedback: BTreeMap<String, f64>,
    /// How many threads of the population this one stands for (1 / inclusion probability).
    pub weight: f64,
    /// What the model's summary rests on; every quote is in the thread, word for word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Where likeness alone puts it; only where a model read some of the threads and not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likeness: Option<Likeness>,
    /// Position on the map, both in 0 to 1.
    pub position: [f32; 2],
    pub traces: Vec<TraceId>,
    /// The run that shows the failure or, without one, the last root run.
    pub run: Option<RunId>,
}

/// What a thread says by its own words alone, where a model read only some threads. Of those it read
/// it shows how often likeness is right, which is what the intervals of shares rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Likeness {
    /// Whether a model read it. If not, likeness placed it.
    pub read: bool,
    /// Id of the leaf category of the read threads that are most like it, itself left out; absent
    /// where it is unlike all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

/// Words of a thread that show what is said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Index of the message in the thread's conversation, from 0.
    pub message: usize,
    pub quote: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Success,
    Error,
    Pending,
}

/// The answer to a typed question about a thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AttributeValue {
    Boolean(bool),
    Number(f64),
    Text(String),
    /// Several labels, such as the tools used; sorted.
    Labels(Vec<String>),
}

/// An estimated share or rate with its 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// Numbers about a set of threads. Shares and rates are estimates for the
/// whole population: threads count by their weight.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Statistics {
    /// Analysed threads.
    pub threads: usize,
    /// Threads in the population they stand for.
    pub estimated_threads: f64,
    /// Of all threads of the report's population.
    pub share: Estimate,
    /// Analysed threads that failed (a root run ended in an error).
    pub errors: usize,
    pub error_rate: Estimate,
    /// Threads in which some failure shows, handled or not: errors inside, loops, refusals, bad endings.
    pub failures: usize,
    pub failure_rate: Estimate,
    /// Of a category: whether its threads end in errors more often than all others by more than
    /// chance explains, among as many categories (Fisher's exact test, Benjamini & Hochberg at 5 %).
    #[serde(default)]
    pub errors_stand_out: bool,
    /// The same for failures.
    #[serde(default)]
    pub failures_stand_out: bool,
    /// Seconds; over threads with a known latency.
    pub latency: Option<Percentiles>,
    pub total_tokens: u64,
    /// US dollars; over threads with a known cost.
    pub cost: Option<CostStatistics>,
    pub feedback: BTreeMap<String, FeedbackStatistics>,
    /// By attribute name.
    pub attributes: BTreeMap<String, AttributeStatistics>,
    /// What is more or less common here than in the rest; strongest first.
    pub associations: Vec<Association>,
    /// Threads per day (UTC) by start, days in order, without gaps inside.
    pub per_day: Vec<DayCount>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostStatistics {
    /// Of the analysed threads, not scaled up.
    pub total: f64,
    pub p50: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FeedbackStatistics {
    /// Threads that have it.
    pub threads: usize,
    /// Weighted mean of the threads' mean scores; `None` for labels.
    pub mean: Option<f64>,
    /// How many threads carry each label.
    pub labels: BTreeMap<String, usize>,
}

/// How an attribute is distributed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum AttributeStatistics {
    /// How many analysed threads are true, of those that have an answer.
    Boolean {
        threads: usize,
        yes: usize,
    },
    Number {
        threads: usize,
        mean: f64,
        p50: f64,
        p99: f64,
        max: f64,
    },
    /// How many analysed threads carry each label, most common first; a thread may carry several.
    Labels {
        threads: usize,
        counts: Vec<LabelCount>,
        /** Labels not listed. */
        others: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabelCount {
    pub label: String,
    pub threads: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DayCount {
    /// `YYYY-MM-DD`
    pub day: String,
    pub threads: usize,
    pub failures: usize,
}

/// An attribute value that is over- or under-represented here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Association {
    pub attribute: String,
    pub value: String,
    /// Share of the threads here with this value.
    pub inside: f64,
    /// Share among the siblings' threads (the rest of the report).
    pub outside: f64,
    /// Odds ratio with Haldane-Anscombe correction.
    pub odds_ratio: f64,
    /// After Benjamini-Hochberg over all tests of the report.
    pub q_value: f64,
}

// ------------------------------------------------------ executive summary

/// What a busy reader needs to know. Every number in it can be recomputed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExecutiveSummary {
    pub title: String,
    pub key_points: Vec<Claim>,
    /// At most ten threads worth reading.
    pub highlights: Vec<Highlight>,
}

/// One statement: text with slots, and where each slot's value comes from.
///
/// `{0}`, `{1}`, ... stand for `values`; `#1`, `#2`, ... for highlights, by rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    pub template: String,
    pub values: Vec<ClaimValue>,
    /// Ranks of the highlights it refers to.
    pub references: Vec<usize>,
    /// The template with the values filled in: what is shown.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimValue {
    pub query: Query,
    pub value: f64,
    /// As it stands in the text: `12.5 %`, `4.2 s`, `$0.031`.
    pub shown: String,
}

/// How to obtain a number from the report's assignments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Query {
    pub measure: Measure,
    /// Within this category and its descendants; everywhere where absent.
    pub category: Option<String>,
    /// Only threads with this attribute value (labels: that contain it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<AttributeFilter>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttributeFilter {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Analysed threads.
    Threads,
    /// Weighted share of the population.
    Share,
    /// Share of the threads in `category` that match `attribute`, by weight.
    AttributeShare,
    /// The same outside of `category`.
    AttributeShareOutside,
    Categories,
    TopCategories,
    ErrorRate,
    FailureRate,
    LatencyP50,
    LatencyP99,
    TotalCost,
    CostP50,
    TotalTokens,
    FeedbackMean {
        key: String,
    },
}

/// A thread worth reading, with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Highlight {
    /// From 1: `#1` in the text.
    pub rank: usize,
    pub thread: ThreadId,
    pub run: Option<RunId>,
    pub category: String,
    pub category_name: String,
    pub reason: String,
    pub summary: String,
}
