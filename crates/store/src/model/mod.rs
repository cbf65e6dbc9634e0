//! What goes into a store and comes out of it, besides the domain's own types.

mod activity;
mod feedback;
mod records;
mod stats;
mod threads;
mod timeline;

use std::time::Duration;

use assay_domain::{
    Feedback, ProjectId, ReportId, Run, RunId, RunKind, RunPatch, RunStatus, ThreadId, Time, TraceId,
};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Filter;
pub use activity::Activity;
pub use feedback::FeedbackQuery;
pub use records::{Change, Record, RecordQuery};
pub use stats::{FeedbackStats, Grouping, RunStats, StatsQuery};
pub use threads::{ThreadPage, ThreadRow};
pub use timeline::{
    FeedbackInterval, FeedbackTimeline, FeedbackTimelineQuery, Interval, Timeline, TimelineQuery,
};

/// Under this key in `extra`, a run whose stored payload is damaged says what is wrong with it.
pub const CORRUPT_KEY: &str = "assay.corrupt";

/// What is appended together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Name of the project for patches that name none; `default` where empty.
    pub project: String,
    /// In order of arrival.
    pub patches: Vec<RunPatch>,
    pub feedback: Vec<Feedback>,
    /// Contents of the attachments that the patches refer to by [`blob_reference`], by [`blob_key`].
    pub blobs: Vec<(Key, Vec<u8>)>,
    /// Of which import of a file it is a part. Two whole records of one id that differ are
    /// conflicting in one file, in whichever batches they come, and a correction in another.
    pub import: Option<Uuid>,
}

/// What a batch did. Every distinct run of the batch is either new, changed or unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    pub new_runs: usize,
    pub changed_runs: usize,
    pub unchanged_runs: usize,
    /// Runs created a second time with a different body (also counted above).
    pub conflicting_runs: usize,
    /// Runs that stayed in the project they were first seen in, although the
    /// batch names another one (also counted above).
    pub runs_of_other_projects: usize,
    pub new_feedback: usize,
    pub changed_feedback: usize,
    pub unchanged_feedback: usize,
}

impl std::ops::AddAssign for Appended {
    fn add_assign(&mut self, other: Self) {
        self.new_runs += other.new_runs;
        self.changed_runs += other.changed_runs;
        self.unchanged_runs += other.unchanged_runs;
        self.conflicting_runs += other.conflicting_runs;
        self.runs_of_other_projects += other.runs_of_other_projects;
        self.new_feedback += other.new_feedback;
        self.changed_feedback += other.changed_feedback;
        self.unchanged_feedback += other.unchanged_feedback;
    }
}

/// Which runs to list. Conditions that are absent or empty let everything through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunQuery {
    /// Runs of these projects; of all projects where empty.
    pub projects: Vec<ProjectId>,
    /// Only these runs.
    pub ids: Vec<RunId>,
    pub trace: Option<TraceId>,
    /// Direct children of this run.
    pub parent: Option<RunId>,
    pub kind: Option<RunKind>,
    pub reference_examples: Vec<String>,
    pub has_error: Option<bool>,
    /// `Some(true)`: runs without a parent; `Some(false)`: runs with one.
    pub is_root: Option<bool>,
    pub filter: Option<Filter>,
    /// Holds for the root of the run's trace.
    pub trace_filter: Option<Filter>,
    /// Holds for any run of the run's trace.
    pub tree_filter: Option<Filter>,
    /// Runs that started at or after this moment.
    pub start: Option<Time>,
    /// Runs that started before this moment.
    pub end: Option<Time>,
    pub order: Order,
    /// At most this many runs on a page; a hundred where 0.
    pub limit: usize,
    /// Goes on where the page with this [`Page::next`] ended.
    pub cursor: Option<String>,
    /// About how long a page or a tally may take; as long as it takes where `None`.
    pub patience: Option<Duration>,
}

impl RunQuery {
    /// The newest hundred runs of a project.
    #[must_use]
    pub fn new(project: ProjectId) -> Self {
        Self { projects: vec![project], limit: 100, ..Self::default() }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    NewestFirst,
    OldestFirst,
}

impl Order {
    /// The same list from its other end.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::NewestFirst => Self::OldestFirst,
            Self::OldestFirst => Self::NewestFirst,
        }
    }
}

/// How many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u64,
    /// Otherwise there may be more: not all of them were looked at.
    pub is_exact: bool,
}

/// Some of many.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// Fewer than asked for, or none, though there is a next page, where a
    /// query had no more patience: what was found up to where it ended.
    pub items: Vec<T>,
    /// The place of the first item: the query in the other order goes back from here.
    pub first: Option<String>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// A run without its payloads.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    pub id: RunId,
    pub project: ProjectId,
    pub trace: TraceId,
    pub parent: Option<RunId>,
    /// The thread of its trace.
    pub thread: ThreadId,
    pub name: String,
    pub kind: RunKind,
    pub status: RunStatus,
    pub start_time: Option<Time>,
    pub end_time: Option<Time>,
    pub first_token_time: Option<Time>,
    /// Seconds; see [`assay_domain::Run::latency`].
    pub latency: Option<f64>,
    pub model: Option<String>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    /// US dollars; `None` when unknown.
    pub total_cost: Option<Decimal>,
    /// The first 8,192 bytes.
    pub error: Option<String>,
    pub tags: Vec<String>,
    pub metadata: Map<String, Value>,
    /// The dataset example it went through.
    pub reference_example: Option<String>,
}

/// A run with its payloads, and what the store knows beside them.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    pub run: Run,
    /// The thread of its trace.
    pub thread: ThreadId,
    /// What its whole trace amounts to.
    pub trace: TraceTotals,
}

/// A run for a list: without its payloads where these are large.
#[derive(Clone, Debug, PartialEq)]
pub struct LightRun {
    pub id: RunId,
    /// What its whole trace amounts to.
    pub trace: TraceTotals,
    /// `None` where it is too large.
    pub run: Option<Run>,
}

/// What the runs of a trace add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceTotals {
    /// The run that stands for the trace.
    pub root: RunId,
    pub runs: u64,
    pub start_time: Option<Time>,
    pub end_time: Option<Time>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub total_tokens: u64,
    /// `None` where no run has a known cost.
    pub input_cost: Option<Decimal>,
    pub output_cost: Option<Decimal>,
    pub total_cost: Option<Decimal>,
}

/// What a deletion took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub traces: u64,
    pub runs: u64,
    pub feedback: u64,
}

impl std::ops::AddAssign for Deleted {
    fn add_assign(&mut self, other: Self) {
        self.traces += other.traces;
        self.runs += other.runs;
        self.feedback += other.feedback;
    }
}

/// Which threads to look over.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadQuery {
    pub project: ProjectId,
    pub filter: Option<Filter>,
    /// Threads that were active at or after this moment.
    pub start_time: Option<Time>,
    /// Threads that were active before this moment.
    pub end_time: Option<Time>,
}

impl ThreadQuery {
    /// All threads of a project.
    #[must_use]
    pub fn new(project: ProjectId) -> Self {
        Self { project, filter: None, start_time: None, end_time: None }
    }
}

/// A project and what it holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Project {
    pub id: ProjectId,
    pub name: String,
    /// When it was made.
    pub created_at: Option<Time>,
    /// The dataset whose examples its runs went through; set for experiments.
    pub reference_dataset: Option<Uuid>,
    /// Everything else that was said of it: description, extra, end time, retention, ...
    pub details: Map<String, Value>,
    pub runs: u64,
    pub traces: u64,
    pub threads: u64,
    pub reports: u64,
    /// Start of the earliest and end of the latest trace.
    pub first_activity: Option<Time>,
    pub last_activity: Option<Time>,
}

/// A project to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewProject {
    /// Derived from the name where absent.
    pub id: Option<ProjectId>,
    pub name: String,
    pub created_at: Option<Time>,
    pub reference_dataset: Option<Uuid>,
    pub details: Map<String, Value>,
}

/// What to change of a project. Absent means unchanged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectChange {
    pub name: Option<String>,
    /// Replaces the entries it names; `null` removes one.
    pub details: Map<String, Value>,
}

/// A report as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    pub id: ReportId,
    pub project: String,
    /// Name of its config.
    pub name: String,
    /// Title of its executive summary.
    pub title: String,
    /// Analysed threads.
    pub threads: u64,
    /// Nodes of its taxonomy.
    pub categories: u64,
    pub stored_at: Option<Time>,
}

/// Digest of a question, such as a SHA-256 of model and text.
pub type Key = [u8; 32];

/// The key under which content is kept: its SHA-256.
#[must_use]
pub fn blob_key(content: &[u8]) -> Key {
    use sha2::Digest as _;
    sha2::Sha256::digest(content).into()
}

/// How an attachment refers to content of our own: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn blob_reference(key: &Key) -> String {
    let digits: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// The content an attachment refers to, if it is our own.
#[must_use]
pub fn blob_of(reference: &str) -> Option<Key> {
    let digits = reference.strip_prefix("sha256:")?.as_bytes();
    let mut key = Key::default();
    if digits.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(key)
}
