//! How a report was made: engine, selection, what models took, what was changed by hand since.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ThreadId, Time};

/// How the report was made: enough to make it again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// Version of Assay.
    pub engine: String,
    /// `local`: no language model was asked.
    pub tier: String,
    /// Which embedder made the vectors, with its version.
    pub embedder: String,
    /// Threads that the selection matched.
    pub population: usize,
    /// Threads that were drawn.
    pub sampled: usize,
    /// Distinct texts among them that were embedded.
    pub distinct_texts: usize,
    /// How many of the vectors came from the fitted student instead of the embedder.
    pub student_texts: usize,
    /// First and last activity of the analysed threads.
    pub first_activity: Option<Time>,
    pub last_activity: Option<Time>,
    pub skipped: Vec<Skipped>,
    /// Claims that did not verify and were left out.
    pub claims_dropped: usize,
    /// What people changed of the categories since then, in the order of the categories as they were
    /// made; absent where nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<HandEdit>,
    /// What the language model did and took; absent where none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelWork>,
    /// Quality of the taxonomy as measured on this data.
    pub quality: Quality,
}

/// What somebody changed of a category by hand, after the report was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandEdit {
    /// What the category was called when the report was made.
    pub category: String,
    /// What it is called since it was renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_to: Option<String>,
    /// Whether its description is another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_described: bool,
    /// Whether it is hidden: its threads count as "Other".
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_hidden: bool,
    /// The category, by the name it has now, to which its threads belong since it was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_into: Option<String>,
}

/// What language models did for a report. All of it follows from the answers,
/// not from when or how often they were asked: answers that were remembered
/// count like fresh ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelWork {
    /// Who answered: provider and model names as they called themselves, sorted.
    pub models: Vec<String>,
    /// By stage, in the order of the pipeline.
    pub stages: Vec<StageWork>,
    /// Threads whose summary is a model's.
    pub threads_read: usize,
    /// Threads that stand for others with the same words: read once, counted each.
    pub threads_alike: usize,
    /// Threads placed by likeness to those a model read, which alone made the categories. Intervals
    /// of shares say what reading all of them would have given, in the same categories.
    #[serde(default)]
    pub threads_inferred: usize,
    /// Threads the model could not read, and why; their summaries are local.
    pub unread: Vec<Skipped>,
    /// Threads left out because a `filter_by` attribute is not true of them.
    pub filtered_out: usize,
    /// Quotes of the model that are not in the thread.
    pub evidence_dropped: usize,
    /// Neighbouring categories that it was asked to merge; absent where it was asked about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merging: Option<Merging>,
    /// Why the work was stopped early; the rest was done without a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
}

/// Neighbouring categories about which the model was asked whether they are one kind of request or two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Merging {
    /// Pairs it was asked about: the nearest of those that are each other's nearest neighbour.
    pub asked: usize,
    /// Pairs among them that stayed two because it gave no usable answer.
    pub unanswered: usize,
    /// The categories it made of several, by name.
    pub merged: Vec<Merged>,
}

/// A category that a model made of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Merged {
    /// What the category is called, but for what was edited by hand since.
    pub category: String,
    pub of: Vec<MergedPart>,
}

/// A category that is a part of another since a model merged them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MergedPart {
    /// What it would have been called without a model.
    pub name: String,
    /// Threads it held then.
    pub threads: usize,
}

/// The answers used for one stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageWork {
    pub stage: String,
    pub calls: usize,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// US dollars by the price table; absent where a model's price is not known.
    pub cost: Option<f64>,
}

/// A thread that could not be analysed, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    pub thread: ThreadId,
    pub reason: String,
}

/// Label-free measures of the taxonomy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quality {
    /// Share of threads that are not in "Other".
    pub coverage: f64,
    /// Mean confidence of assigned threads.
    pub confidence: f64,
    /// Mean adjusted Rand index between the leaf categories and those of
    /// resampled data; `None` where too little data to resample.
    pub stability: Option<f64>,
}
