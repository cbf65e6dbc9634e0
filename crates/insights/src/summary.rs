//! What the analysis knows of one thread once it has read it.
//!
//! The transcript itself is dropped after this: for 100,000 threads only
//! these few hundred bytes each stay in memory.

use std::collections::BTreeMap;

use assay_domain::report::{AttributeValue, Evidence};
use assay_domain::{RunId, ThreadId};

/// A thread, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub thread: ThreadId,
    /// What was asked, what the agent did, how it ended: one to three sentences.
    pub text: String,
    /// The user's first request, cut for display.
    pub request: String,
    /// What the usage lens compares: texts with weights that add up to 1, most important first.
    /// Where no user speaks, the first words of anybody else; empty where nobody says a word.
    pub topics: Vec<Topic>,
    /// The thread's own topics, where a model that read it put its words in their place.
    pub own_words: Option<Vec<Topic>>,
    pub attributes: BTreeMap<String, AttributeValue>,
    /// Quotes that show what the text says; only where a model wrote it.
    pub evidence: Vec<Evidence>,
    /// Everything that went wrong, worst first.
    pub failures: Vec<Failure>,
    /// The run to open first: the one that shows the worst failure, else the last root.
    pub run: Option<RunId>,
}

impl Summary {
    /// The topics without what attributes add to them.
    pub(crate) fn asked(&self) -> &[Topic] {
        match (&self.own_words, self.topics.as_slice()) {
            // Where a model read it, the request comes first and attributes follow.
            (Some(_), [request, ..]) => std::slice::from_ref(request),
            (_, topics) => topics,
        }
    }
}

/// A text that stands for a part of what a thread is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    pub text: String,
    pub weight: f32,
}

/// One thing that went wrong in a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub kind: FailureKind,
    /// The same for all failures of one cause: the normalized error template,
    /// without ids, numbers, paths and quoted values.
    pub signature: String,
    /// The tool that failed or was repeated, or the model provider, where there is one.
    pub tool: Option<String>,
    /// The agent in whose hands it happened, where agents have names.
    pub agent: Option<String>,
    /// The words that show it, verbatim from the trace, cut for display.
    pub evidence: String,
    /// How many times in this thread.
    pub count: usize,
    /// Whether the agent got over it: the same step succeeded later and no root failed.
    pub recovered: bool,
    pub run: Option<RunId>,
}

/// Kinds of failure that structure shows without a language model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// A root run or chain ended in an error that no run inside it explains.
    RunError,
    /// A model call failed: context length, rate limit, provider outage, malformed answer.
    ModelError,
    /// A tool call failed.
    ToolError,
    /// The same call with the same arguments over and over.
    Loop,
    /// The same call again after errors.
    Retry,
    /// The agent declined.
    Refusal,
    /// The last word is the user's, or an empty answer.
    Unanswered,
    /// Agents handed the work back and forth.
    HandOff,
    /// The agent answered in another language than it was asked in.
    WrongLanguage,
    /// The step limit or time limit ended the thread.
    LimitReached,
    /// A model that read the thread says what went wrong; structure shows nothing.
    Found,
}
