//! What a stage may reach besides its arguments.

use std::sync::atomic::{AtomicBool, Ordering};

use assay_llm::Embed;

use crate::{Analyst, Error};

/// The steps of an analysis that take time, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Unit: threads.
    Read,
    /// Unit: threads. A model reads them.
    Summarize,
    /// Unit: distinct texts.
    Embed,
    /// No unit: one long step.
    Cluster,
    /// Unit: pairs of categories. A model says which are one.
    Merge,
    /// Unit: categories that a model names; none where they are named locally.
    Name,
    /// Unit: threads. A model places those that lie between categories; not begun where none do.
    Assign,
    /// Unit: categories above others that a model names; none while it still says what belongs under which.
    Arrange,
    /// No unit.
    Count,
    /// No unit. A model writes the executive summary.
    Conclude,
}

impl Stage {
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Read => "reading threads",
            Self::Summarize => "summarizing",
            Self::Embed => "embedding",
            Self::Cluster => "grouping",
            Self::Merge => "merging",
            Self::Name => "naming",
            Self::Assign => "placing",
            Self::Arrange => "arranging",
            Self::Count => "counting",
            Self::Conclude => "concluding",
        }
    }
}

/// Told how far the analysis is. Called from the thread that runs it.
pub trait Progress: Sync {
    /// A stage begins; `total` is 0 where its size is not known.
    fn begin(&self, stage: Stage, total: usize);
    /// So many units of the current stage are done.
    fn advance(&self, done: usize);
    /// Models are asked in vain and waited for: who, where and why; `None` once they answer again.
    fn waiting(&self, _for: Option<&str>) {}
}

/// Progress that nobody looks at.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: Stage, _: usize) {}
    fn advance(&self, _: usize) {}
}

/// What a stage may reach.
pub struct Context<'a, S> {
    pub store: &'a S,
    pub embedder: &'a dyn Embed,
    /// Language models; without them only tier `local` can be made. Where there are
    /// some, the analysis must run on a tokio runtime with time and, for models
    /// behind HTTP, I/O.
    pub analyst: Option<&'a Analyst<'a>>,
    /// Whether vectors are looked up in and added to the store's memory.
    pub remember: bool,
    pub progress: &'a dyn Progress,
    /// Set by somebody else to stop the analysis at the next step.
    pub cancel: &'a AtomicBool,
}

impl<S> Context<'_, S> {
    /// # Errors
    /// [`Error::Cancelled`] once somebody asked to stop.
    pub fn check(&self) -> Result<(), Error> {
        if self.cancel.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}
