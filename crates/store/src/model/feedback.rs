//! Which feedback to list.

use assay_domain::{ProjectId, RunId, Time};

/// Conditions that are absent or empty let everything through. Newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedbackQuery {
    /// About one of these runs (or about the trace with that root).
    pub runs: Vec<RunId>,
    pub keys: Vec<String>,
    /// About runs of these projects, or about the projects themselves.
    pub projects: Vec<ProjectId>,
    /// Types of source: `api`, `app`, `model`, `auto_eval`, ...
    pub sources: Vec<String>,
    pub has_comment: Option<bool>,
    pub has_score: Option<bool>,
    /// `Some(true)`: about runs; `Some(false)`: about whole projects.
    pub is_about_runs: Option<bool>,
    /// Created at or after this moment.
    pub start: Option<Time>,
    /// Created before this moment.
    pub end: Option<Time>,
    pub offset: usize,
    /// At most this many; a hundred where 0.
    pub limit: usize,
}
