//! Durable storage: runs, threads, feedback, reports and remembered answers.
//!
//! The traits say what any backend promises; [`EmbeddedStore`] (one directory,
//! no server) is the one that exists. [`suite`] holds the tests each backend
//! must pass. [`Filter`] is the language in which runs are selected.
//!
//! Only this crate knows SQL. It does not know foreign formats, models or
//! HTTP. Work happens on the store's own threads; its futures need no
//! particular runtime, and [`block_on`] serves callers that have none.
//!
//! Start with [`Runs`], then `embedded/mod.rs`.

pub mod embedded;
pub mod error;
pub mod filter;
mod format;
mod model;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod wait;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;

use assay_domain::{
    Feedback, FeedbackId, ProjectId, Report, ReportId, Run, RunId, Thread, ThreadId, ThreadOverview, Time,
    Trace, TraceId,
};
use uuid::Uuid;

pub use embedded::{EmbeddedStore, Finding, Level, doctor, make_private};
pub use error::Error;
pub use filter::{Condition, Filter, FilterError, Plain};
pub use model::{
    Activity, Appended, Batch, CORRUPT_KEY, Change, Deleted, FeedbackInterval, FeedbackQuery, FeedbackStats,
    FeedbackTimeline, FeedbackTimelineQuery, Grouping, Interval, Key, LightRun, NewProject, Order, Page,
    Project, ProjectChange, Record, RecordQuery, ReportRow, RunQuery, RunRow, RunStats, StatsQuery,
    StoredRun, Tally, ThreadPage, ThreadQuery, ThreadRow, Timeline, TimelineQuery, TraceTotals, blob_key,
    blob_of, blob_reference,
};
pub use wait::block_on;

/// Runs with their traces, threads and feedback.
///
/// Ids are idempotency keys: saying the same thing twice changes nothing.
/// Whatever an `append` acknowledged is seen by every read that begins after
/// the acknowledgement.
pub trait Runs: Send + Sync {
    /// Folds a batch into what is known and returns once it is durable: after
    /// a crash of process or machine all of it is there, or, if this call has
    /// not returned, all or none of it.
    ///
    /// A creation counts before all updates, whenever it arrives. Two
    /// different creations of one run are a conflict, decided by content and
    /// not by arrival: the one that ends later wins, else the longer, else
    /// the one with the greater hash. A run stays in the project it was first
    /// seen in. Feedback may arrive before its run.
    fn append(&self, batch: Batch) -> impl Future<Output = Result<Appended, Error>> + Send;

    /// The run with this id, in whatever project; else the root of the trace with this id.
    fn run(&self, id: RunId) -> impl Future<Output = Result<Option<Run>, Error>> + Send;

    /// All runs of a trace, in display order.
    fn trace(&self, id: TraceId) -> impl Future<Output = Result<Option<Trace>, Error>> + Send;

    /// One page of runs without payloads, by start time, then by order of
    /// arrival. Runs without any time come first in ascending order.
    fn runs(&self, query: &RunQuery) -> impl Future<Output = Result<Page<RunRow>, Error>> + Send;

    /// The same page with payloads.
    fn stored_runs(&self, query: &RunQuery) -> impl Future<Output = Result<Page<StoredRun>, Error>> + Send;

    /// One run with its payload and what its trace amounts to; found like [`run`](Self::run).
    fn stored_run(&self, id: RunId) -> impl Future<Output = Result<Option<StoredRun>, Error>> + Send;

    /// What the selected runs add up to, under an empty name; with a
    /// grouping one entry per group, the largest first.
    fn stats(
        &self,
        query: &StatsQuery,
    ) -> impl Future<Output = Result<Vec<(String, RunStats)>, Error>> + Send;

    /// What the selected runs add up to, interval by interval; with a
    /// grouping one entry per group, the largest first.
    fn timeline(&self, query: &TimelineQuery) -> impl Future<Output = Result<Vec<Timeline>, Error>> + Send;

    /// The feedback of a project over time, keys with the most of it first.
    fn feedback_timeline(
        &self,
        query: &FeedbackTimelineQuery,
    ) -> impl Future<Output = Result<Vec<FeedbackTimeline>, Error>> + Send;

    /// These runs with what their traces amount to; with payloads where these
    /// take no more than so many bytes as they are stored. Unknown ones are left out.
    fn light_runs(
        &self,
        runs: &[RunId],
        max_bytes: u64,
    ) -> impl Future<Output = Result<Vec<LightRun>, Error>> + Send;

    /// How many runs the query selects; limit, cursor and patience do not matter.
    fn count(&self, query: &RunQuery) -> impl Future<Output = Result<u64, Error>> + Send;

    /// The same as far as it is known when the patience of the query ends.
    fn tally(&self, query: &RunQuery) -> impl Future<Output = Result<Tally, Error>> + Send;

    /// Threads that were active in the window and have at least one run
    /// (at any time) that matches the filter, ordered by id. Payloads stay closed.
    fn threads(&self, query: &ThreadQuery)
    -> impl Future<Output = Result<Vec<ThreadOverview>, Error>> + Send;

    /// One page of threads without payloads, by when they were active last.
    fn thread_page(&self, query: &ThreadPage) -> impl Future<Output = Result<Page<ThreadRow>, Error>> + Send;

    /// How many threads the query selects; limit, cursor and patience do not matter.
    fn thread_count(&self, query: &ThreadPage) -> impl Future<Output = Result<u64, Error>> + Send;

    /// The same as far as it is known when the patience of the query ends.
    fn thread_tally(&self, query: &ThreadPage) -> impl Future<Output = Result<Tally, Error>> + Send;

    /// Whole threads with payloads and feedback, in the order asked for;
    /// unknown ones are left out. Callers ask for a few hundred at a time.
    ///
    /// A run whose payload is damaged comes with what the narrow columns
    /// know, and says so under [`CORRUPT_KEY`] in its `extra`.
    fn read_threads(
        &self,
        project: ProjectId,
        threads: &[ThreadId],
    ) -> impl Future<Output = Result<Vec<Thread>, Error>> + Send;

    /// Some traces of a thread, in order of time, with payloads and feedback: so
    /// many from a place on. `None` where there is no such thread; of a place
    /// beyond its end, a thread without traces.
    fn thread_window(
        &self,
        project: ProjectId,
        thread: &ThreadId,
        offset: usize,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Thread>, Error>> + Send;

    /// Deletes traces of a project with all that hangs on them: runs,
    /// payloads, attachments nobody else has, feedback, index, answers
    /// remembered about their texts. Unknown ones are no error.
    fn delete_traces(
        &self,
        project: ProjectId,
        traces: &[TraceId],
    ) -> impl Future<Output = Result<Deleted, Error>> + Send;

    /// Deletes, in portions, the traces of a project whose last activity lies before a moment.
    fn delete_before(
        &self,
        project: ProjectId,
        moment: Time,
    ) -> impl Future<Output = Result<Deleted, Error>> + Send;

    /// Content that came with some batch.
    fn blob(&self, key: Key) -> impl Future<Output = Result<Option<Vec<u8>>, Error>> + Send;

    fn feedback(&self, id: FeedbackId) -> impl Future<Output = Result<Option<Feedback>, Error>> + Send;

    fn feedbacks(&self, query: &FeedbackQuery) -> impl Future<Output = Result<Vec<Feedback>, Error>> + Send;

    /// Feedback about these very runs (and, for roots, about their traces),
    /// added up by run and key.
    fn feedback_stats(
        &self,
        runs: &[RunId],
    ) -> impl Future<Output = Result<HashMap<RunId, BTreeMap<String, FeedbackStats>>, Error>> + Send;

    /// Whether there was any to delete.
    fn delete_feedback(&self, id: FeedbackId) -> impl Future<Output = Result<bool, Error>> + Send;
}

/// Projects and the reports made over them.
pub trait Catalog: Send + Sync {
    /// All projects with what they hold, ordered by name.
    fn projects(&self) -> impl Future<Output = Result<Vec<Project>, Error>> + Send;

    fn project(&self, name: &str) -> impl Future<Output = Result<Option<Project>, Error>> + Send;

    /// Creates an empty project. Appending does so by itself. A name or an id
    /// that is taken is [`Error::Conflict`].
    fn create_project(&self, project: NewProject) -> impl Future<Output = Result<Project, Error>> + Send;

    fn project_by_id(&self, id: ProjectId) -> impl Future<Output = Result<Option<Project>, Error>> + Send;

    /// [`Error::NotFound`] where there is none, [`Error::Conflict`] where the new name is taken.
    fn change_project(
        &self,
        id: ProjectId,
        change: ProjectChange,
    ) -> impl Future<Output = Result<Project, Error>> + Send;

    /// Deletes a project with its runs, payloads, feedback and reports and
    /// with everything that was remembered about its texts, and says what it held. [`Error::NotFound`] where there is none.
    fn delete_project(&self, name: &str) -> impl Future<Output = Result<Project, Error>> + Send;

    /// Keeps a report under its id, replacing an older one of the same id.
    /// Its project is created if need be.
    fn put_report(&self, report: &Report) -> impl Future<Output = Result<(), Error>> + Send;

    /// The reports of a project, or of all projects, newest first.
    fn reports(
        &self,
        project: Option<ProjectId>,
    ) -> impl Future<Output = Result<Vec<ReportRow>, Error>> + Send;

    fn report(&self, id: ReportId) -> impl Future<Output = Result<Option<Report>, Error>> + Send;

    /// Whether there was one to delete.
    fn delete_report(&self, id: ReportId) -> impl Future<Output = Result<bool, Error>> + Send;
}

/// Small documents by kind: see [`Record`].
pub trait Records: Send + Sync {
    fn record(&self, kind: &str, id: Uuid) -> impl Future<Output = Result<Option<Record>, Error>> + Send;

    fn records(&self, query: &RecordQuery) -> impl Future<Output = Result<Vec<Record>, Error>> + Send;

    /// All of the changes, in order and durably, or none.
    fn change(&self, changes: Vec<Change>) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Answers by content: whoever asked once need not ask (or pay) again.
///
/// An answer tells of the text it is about, so it belongs to the project the
/// text came from and is deleted with it. Other projects that hold the same
/// text are answered too, as long as it is there.
pub trait Memo: Send + Sync {
    /// One answer per key, in order; `None` where nothing is remembered.
    fn recall(&self, keys: &[Key]) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, Error>> + Send;

    /// Remembers durably what was derived from texts of a project. The later
    /// of two answers to one key stays; it belongs to the project that asked
    /// first. Of a project that is not there (any more) nothing is remembered.
    fn remember(
        &self,
        project: ProjectId,
        answers: Vec<(Key, Vec<u8>)>,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}
