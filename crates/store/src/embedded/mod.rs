//! The embedded store: SQLite in one directory, inside this process.
//!
//! Batches go to a thread that prepares them (`prepare`), then to the one that
//! writes (`writer`, `append`); reads go to a few threads with a connection
//! each (`reader`, `query`, `threads`). `fold` says what patches make of a
//! run, `traces` what runs make of a trace, `search` keeps the full-text
//! index. Several processes may share a store: `turn` says who writes.
//!
//! Start with [`EmbeddedStore::open`], then `append`.

mod append;
mod backup;
mod blobs;
mod catalog;
mod columns;
mod delete;
mod digest;
mod doctor;
mod feedback;
mod fold;
mod functions;
mod gate;
mod loose;
mod meter;
mod patience;
mod prepare;
mod projects;
mod query;
mod reader;
mod records;
mod repeated;
mod root;
mod schema;
mod search;
mod select;
mod sketch;
mod stats;
#[cfg(test)]
mod tests;
mod thread_match;
mod thread_page;
mod threads;
mod timeline;
mod traces;
mod turn;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use assay_domain::{
    Feedback, FeedbackId, PriceTable, ProjectId, Report, ReportId, Run, RunId, Thread, ThreadId,
    ThreadOverview, Time, Trace, TraceId,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

pub use doctor::{Finding, Level, doctor};
use gate::{Alarm, Gate, Limits, Room};
use meter::Meter;
use reader::Readers;
use schema::Access;
pub(crate) use search::text as searchable;
use writer::{Command, Reply, Writer};

use crate::filter::sql::searches;
use crate::{
    Activity, Appended, Batch, Catalog, Change, Deleted, Error, FeedbackQuery, FeedbackStats,
    FeedbackTimeline, FeedbackTimelineQuery, Filter, Key, LightRun, Memo, NewProject, Page, Project,
    ProjectChange, Record, RecordQuery, Records, ReportRow, RunQuery, RunRow, RunStats, Runs, StatsQuery,
    StoredRun, Tally, ThreadPage, ThreadQuery, ThreadRow, Timeline, TimelineQuery,
};

/// So many batches, and so many other jobs, wait at each station before callers have to.
/// What batches take in memory is bounded by `gate`.
const QUEUE: usize = 256;

/// A store in a directory. Copies share it; it closes with the last of them.
#[derive(Clone)]
pub struct EmbeddedStore {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    /// `None` once closing, so that the threads end.
    readers: Option<Readers>,
    writing: Option<Writing>,
    /// Only touched when closing.
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Removed after the threads have ended.
    temporary: Option<TempDir>,
}

struct Writing {
    appends: mpsc::Sender<Arrival>,
    commands: mpsc::Sender<Command>,
    gate: Gate,
    alarm: Arc<Alarm>,
    meter: Arc<Meter>,
    prices: Arc<Prices>,
}

/// A batch before the first station.
struct Arrival {
    batch: Batch,
    reply: Reply<Appended>,
    room: Room,
}

/// What tokens cost at present.
pub(crate) struct Prices(RwLock<Arc<PriceTable>>);

impl Prices {
    pub(crate) fn now(&self) -> Arc<PriceTable> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes a directory, if it is not there, that nobody else may look into: traces hold what people said.
pub fn make_private(dir: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| io("create", dir, source))
}

impl EmbeddedStore {
    /// Opens the store in a directory, creating both if need be, for reading
    /// and writing. Other processes may do so at the same time: their
    /// transactions take turns.
    ///
    /// [`Error::Newer`] if a newer version has made it.
    pub fn open(dir: impl AsRef<Path>, prices: PriceTable) -> Result<Self, Error> {
        let dir = dir.as_ref();
        make_private(dir)?;
        Self::start(dir, Access::Durable, prices, None, Limits::default())
    }

    /// Opens a store that exists, for reading alone; other processes may be
    /// writing to it.
    pub fn open_read_only(dir: impl AsRef<Path>) -> Result<Self, Error> {
        let dir = dir.as_ref();
        if !dir.join(schema::FILE).is_file() {
            return Err(Error::NotFound(format!("store at {dir:?}")));
        }
        schema::upgrade(dir)?;
        Self::start(dir, Access::Read, PriceTable::default(), None, Limits::default())
    }

    /// Opens an empty store that vanishes with its last copy.
    pub fn open_temporary(prices: PriceTable) -> Result<Self, Error> {
        let temporary = tempfile::Builder::new()
            .prefix("assay-")
            .tempdir()
            .map_err(|source| io("create", &std::env::temp_dir(), source))?;
        let dir = temporary.path().to_owned();
        Self::start(&dir, Access::Temporary, prices, Some(temporary), Limits::default())
    }

    fn start(
        dir: &Path,
        access: Access,
        prices: PriceTable,
        temporary: Option<TempDir>,
        limits: Limits,
    ) -> Result<Self, Error> {
        let mut threads = Vec::new();
        let mut writing = None;
        if access != Access::Read {
            let prices = Arc::new(Prices(RwLock::new(Arc::new(prices))));
            let meter = Arc::new(Meter::default());
            let writer = Writer::open(dir, access, Arc::clone(&prices), Arc::clone(&meter))?;
            let (appends, batches) = mpsc::channel(QUEUE);
            let (commands, queue) = mpsc::channel(QUEUE);
            let alarm = Arc::new(Alarm::default());
            let gate = Gate::new(Arc::clone(&alarm), limits);
            let to_writer = commands.clone();
            let present = Arc::clone(&prices);
            threads.push(spawn(dir, "assay-prepare", move || prepare_all(batches, &to_writer, &present))?);
            threads.push(spawn(dir, "assay-write", move || writer.work(queue))?);
            let ringing = Arc::clone(&alarm);
            threads.push(spawn(dir, "assay-alarm", move || ringing.work())?);
            writing = Some(Writing { appends, commands, gate, alarm, meter, prices });
        }
        let (readers, reading) = Readers::start(dir)?;
        threads.extend(reading);
        Ok(Self {
            inner: Arc::new(Inner {
                dir: dir.to_owned(),
                readers: Some(readers),
                writing,
                threads: Mutex::new(threads),
                temporary,
            }),
        })
    }

    /// Where the store is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Whether this copy only reads.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.writing.is_none()
    }

    /// Whether the store vanishes with its last copy.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.inner.temporary.is_some()
    }

    /// Brings the full-text index up to what is stored now, however much
    /// arrives meanwhile. Searches do so themselves; calling this in quiet
    /// moments makes them quick.
    pub async fn catch_up(&self) -> Result<(), Error> {
        let Some(mut missing) = self.readers()?.read(|connection| Ok(search::missing(connection)?)).await?
        else {
            return Ok(());
        };
        while let Some(keys) = missing.portion() {
            self.write(move |writer| search::index_changed(writer, &keys)).await?;
        }
        let last = missing.last();
        while self.write(move |writer| search::index_new(writer, last)).await? {}
        Ok(())
    }

    /// Does a portion of what can wait: the rest of a large number of runs
    /// whose parent came late, digests of runs that changed, then the full-text index. Whether there was any; for
    /// quiet moments.
    pub async fn tidy(&self) -> Result<bool, Error> {
        if self.write(loose::tidy).await? || self.write(digest::tidy).await? {
            return Ok(true);
        }
        let is_behind = self.readers()?.read(|connection| Ok(search::is_behind(connection)?)).await?;
        Ok(is_behind && self.write(search::catch_up).await?)
    }

    /// What tokens cost. Of a store for reading: nothing is known.
    #[must_use]
    pub fn prices(&self) -> Arc<PriceTable> {
        self.writing().map_or_else(|_| Arc::default(), |writing| writing.prices.now())
    }

    /// Replaces what tokens cost, for runs that arrive from now on; what
    /// others cost is not computed again.
    pub fn set_prices(&self, prices: PriceTable) -> Result<(), Error> {
        *self.writing()?.prices.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(prices);
        Ok(())
    }

    /// Copies the store into one file, as it is at one moment of this call,
    /// while it is being used; how large the file is. It is checked and on
    /// disk when this returns.
    ///
    /// [`Error::Conflict`] where there is such a file already.
    pub async fn backup(&self, to: &Path) -> Result<u64, Error> {
        let (dir, to) = (self.inner.dir.clone(), to.to_owned());
        let (reply, answer) = oneshot::channel();
        // On a thread of its own, so that nobody waits for it; it ends with the copy.
        spawn(&self.inner.dir, "assay-backup", move || {
            let _ = reply.send(backup::backup(&dir, &to));
        })?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// Makes a store out of a backup, in a directory that has none.
    pub fn restore(backup: &Path, dir: &Path) -> Result<u64, Error> {
        backup::restore(backup, dir)
    }

    /// What the store has done since it was opened, and how large it is. Cheap to ask.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let size = |name: &str| fs_err::metadata(self.inner.dir.join(name)).map_or(0, |file| file.len());
        let writing = self.inner.writing.as_ref();
        Activity {
            waiting_bytes: writing.map_or(0, |writing| writing.gate.taken() as u64),
            file_bytes: size(schema::FILE),
            log_bytes: size(&format!("{}-wal", schema::FILE)),
            ..writing.map(|writing| writing.meter.read()).unwrap_or_default()
        }
    }

    fn readers(&self) -> Result<&Readers, Error> {
        self.inner.readers.as_ref().ok_or(Error::Closed)
    }

    fn writing(&self) -> Result<&Writing, Error> {
        self.inner.writing.as_ref().ok_or_else(|| Error::ReadOnly { dir: self.inner.dir.clone() })
    }

    /// Does something on the writing thread.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job = Command::Job(Box::new(move |writer| {
            // Who no longer waits does not need the answer.
            let _ = reply.send(work(writer));
        }));
        self.writing()?.commands.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn ready_for(&self, query: &RunQuery) -> Result<(), Error> {
        let RunQuery { filter, trace_filter, tree_filter, .. } = query;
        self.ready_to_search(&[filter.as_ref(), trace_filter.as_ref(), tree_filter.as_ref()]).await
    }

    /// Sees to it that filters that search find everything acknowledged so far.
    async fn ready_to_search(&self, filters: &[Option<&Filter>]) -> Result<(), Error> {
        if !filters.iter().flatten().any(|filter| searches(&filter.expression)) {
            return Ok(());
        }
        if self.is_read_only() {
            if !self.readers()?.read(|connection| Ok(search::is_behind(connection)?)).await? {
                return Ok(());
            }
            // The index follows from the runs: bringing it up to date changes nothing that was said.
            return Self::open(&self.inner.dir, PriceTable::default())?.catch_up().await;
        }
        self.catch_up().await
    }
}

/// Starts a thread of the store.
fn spawn(dir: &Path, name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    thread::Builder::new()
        .name(name.into())
        .spawn(work)
        .map_err(|source| io("start a thread for", dir, source))
}

/// The first station: everything that needs no database.
fn prepare_all(mut batches: mpsc::Receiver<Arrival>, writer: &mpsc::Sender<Command>, prices: &Prices) {
    while let Some(Arrival { batch, reply, room }) = batches.blocking_recv() {
        let command = Command::Append(prepare::prepare(batch, &prices.now()), reply, room);
        if writer.blocking_send(command).is_err() {
            break;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.readers = None;
        if let Some(writing) = self.writing.take() {
            writing.alarm.close();
        }
        let threads = std::mem::take(self.threads.get_mut().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // One that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn io(action: &'static str, dir: &Path, source: std::io::Error) -> Error {
    Error::Io { action, dir: dir.to_owned(), source }
}

impl Runs for EmbeddedStore {
    async fn append(&self, batch: Batch) -> Result<Appended, Error> {
        let writing = self.writing()?;
        let bytes = gate::weight(&batch);
        let Some((room, place)) = writing.gate.enter(bytes, writing.appends.reserve()).await else {
            writing.meter.refused();
            return Err(Error::Busy { dir: self.inner.dir.clone() });
        };
        let (reply, answer) = oneshot::channel();
        let place = place.map_err(|_| Error::Closed)?;
        writing.meter.arrived();
        place.send(Arrival { batch, reply, room });
        answer.await.map_err(|_| Error::Closed)?
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, Error> {
        self.readers()?.read(move |connection| query::run(connection, id)).await
    }

    async fn trace(&self, id: TraceId) -> Result<Option<Trace>, Error> {
        self.readers()?.read(move |connection| query::trace(connection, id)).await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Page<RunRow>, Error> {
        self.ready_for(query).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| query::runs(connection, &query)).await
    }

    async fn stored_runs(&self, query: &RunQuery) -> Result<Page<StoredRun>, Error> {
        self.ready_for(query).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| query::stored_runs(connection, &query)).await
    }

    async fn stored_run(&self, id: RunId) -> Result<Option<StoredRun>, Error> {
        self.readers()?.read(move |connection| query::stored_run(connection, id)).await
    }

    async fn stats(&self, query: &StatsQuery) -> Result<Vec<(String, RunStats)>, Error> {
        self.ready_for(&query.runs).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| stats::stats(connection, &query)).await
    }

    async fn timeline(&self, query: &TimelineQuery) -> Result<Vec<Timeline>, Error> {
        self.ready_for(&query.runs).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| timeline::timeline(connection, &query)).await
    }

    async fn feedback_timeline(&self, query: &FeedbackTimelineQuery) -> Result<Vec<FeedbackTimeline>, Error> {
        let query = query.clone();
        self.readers()?.read(move |connection| timeline::feedback(connection, &query)).await
    }

    async fn light_runs(&self, runs: &[RunId], max_bytes: u64) -> Result<Vec<LightRun>, Error> {
        let runs = runs.to_vec();
        self.readers()?.read(move |connection| query::light_runs(connection, &runs, max_bytes)).await
    }

    async fn thread_page(&self, query: &ThreadPage) -> Result<Page<ThreadRow>, Error> {
        self.ready_to_search(&[query.filter.as_ref(), query.trace_filter.as_ref()]).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| thread_page::page(connection, &query)).await
    }

    async fn thread_count(&self, query: &ThreadPage) -> Result<u64, Error> {
        self.ready_to_search(&[query.filter.as_ref(), query.trace_filter.as_ref()]).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| thread_page::count(connection, &query)).await
    }

    async fn thread_tally(&self, query: &ThreadPage) -> Result<Tally, Error> {
        self.ready_to_search(&[query.filter.as_ref(), query.trace_filter.as_ref()]).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| thread_page::tally(connection, &query, query.patience)).await
    }

    async fn delete_traces(&self, project: ProjectId, traces: &[TraceId]) -> Result<Deleted, Error> {
        let mut deleted = Deleted::default();
        for portion in traces.chunks(delete::PORTION) {
            let portion = portion.to_vec();
            deleted += self.write(move |writer| delete::named(writer, project, &portion)).await?;
        }
        self.write(delete::scrub).await?;
        Ok(deleted)
    }

    async fn delete_before(&self, project: ProjectId, moment: Time) -> Result<Deleted, Error> {
        let mut deleted = Deleted::default();
        loop {
            let portion = self.write(move |writer| delete::before(writer, project, moment)).await?;
            if portion == Deleted::default() {
                break;
            }
            deleted += portion;
        }
        if deleted.traces > 0 {
            self.write(delete::scrub).await?;
        }
        Ok(deleted)
    }

    async fn blob(&self, key: Key) -> Result<Option<Vec<u8>>, Error> {
        self.readers()?.read(move |connection| Ok(blobs::blob(connection, &key)?)).await
    }

    async fn feedback(&self, id: FeedbackId) -> Result<Option<Feedback>, Error> {
        self.readers()?.read(move |connection| feedback::feedback(connection, id)).await
    }

    async fn feedbacks(&self, query: &FeedbackQuery) -> Result<Vec<Feedback>, Error> {
        let query = query.clone();
        self.readers()?.read(move |connection| feedback::feedbacks(connection, &query)).await
    }

    async fn feedback_stats(
        &self,
        runs: &[RunId],
    ) -> Result<HashMap<RunId, BTreeMap<String, FeedbackStats>>, Error> {
        let runs = runs.to_vec();
        self.readers()?.read(move |connection| feedback::stats(connection, &runs)).await
    }

    async fn delete_feedback(&self, id: FeedbackId) -> Result<bool, Error> {
        self.write(move |writer| feedback::delete(writer, id)).await
    }

    async fn count(&self, query: &RunQuery) -> Result<u64, Error> {
        self.ready_for(query).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| select::count(connection, &query)).await
    }

    async fn tally(&self, query: &RunQuery) -> Result<Tally, Error> {
        self.ready_for(query).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| select::tally(connection, &query, query.patience)).await
    }

    async fn threads(&self, query: &ThreadQuery) -> Result<Vec<ThreadOverview>, Error> {
        self.ready_to_search(&[query.filter.as_ref()]).await?;
        let query = query.clone();
        self.readers()?.read(move |connection| threads::threads(connection, &query)).await
    }

    async fn read_threads(&self, project: ProjectId, threads: &[ThreadId]) -> Result<Vec<Thread>, Error> {
        let threads = threads.to_vec();
        self.readers()?.read(move |connection| query::read_threads(connection, project, &threads)).await
    }

    async fn thread_window(
        &self,
        project: ProjectId,
        thread: &ThreadId,
        offset: usize,
        limit: usize,
    ) -> Result<Option<Thread>, Error> {
        let thread = thread.clone();
        let read = move |connection: &_| query::thread_window(connection, project, &thread, offset, limit);
        self.readers()?.read(read).await
    }
}

impl Catalog for EmbeddedStore {
    async fn projects(&self) -> Result<Vec<Project>, Error> {
        self.readers()?.read(projects::projects).await
    }

    async fn project(&self, name: &str) -> Result<Option<Project>, Error> {
        let name = name.to_owned();
        self.readers()?.read(move |connection| Ok(projects::project(connection, &name)?)).await
    }

    async fn create_project(&self, project: NewProject) -> Result<Project, Error> {
        self.write(move |writer| projects::create(writer, &project)).await
    }

    async fn project_by_id(&self, id: ProjectId) -> Result<Option<Project>, Error> {
        self.readers()?.read(move |connection| Ok(projects::by_id(connection, id)?)).await
    }

    async fn change_project(&self, id: ProjectId, change: ProjectChange) -> Result<Project, Error> {
        self.write(move |writer| projects::change(writer, id, &change)).await
    }

    async fn delete_project(&self, name: &str) -> Result<Project, Error> {
        let name = name.to_owned();
        self.write(move |writer| projects::delete(writer, &name)).await
    }

    async fn put_report(&self, report: &Report) -> Result<(), Error> {
        let report = report.clone();
        self.write(move |writer| catalog::put_report(writer, &report)).await
    }

    async fn reports(&self, project: Option<ProjectId>) -> Result<Vec<ReportRow>, Error> {
        self.readers()?.read(move |connection| catalog::reports(connection, project)).await
    }

    async fn report(&self, id: ReportId) -> Result<Option<Report>, Error> {
        self.readers()?.read(move |connection| catalog::report(connection, id)).await
    }

    async fn delete_report(&self, id: ReportId) -> Result<bool, Error> {
        self.write(move |writer| catalog::delete_report(writer, id)).await
    }
}

impl Records for EmbeddedStore {
    async fn record(&self, kind: &str, id: Uuid) -> Result<Option<Record>, Error> {
        let kind = kind.to_owned();
        self.readers()?.read(move |connection| records::record(connection, &kind, id)).await
    }

    async fn records(&self, query: &RecordQuery) -> Result<Vec<Record>, Error> {
        let query = query.clone();
        self.readers()?.read(move |connection| records::records(connection, &query)).await
    }

    async fn change(&self, changes: Vec<Change>) -> Result<(), Error> {
        self.write(move |writer| records::change(writer, &changes)).await
    }
}

impl Memo for EmbeddedStore {
    async fn recall(&self, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let keys = keys.to_vec();
        self.readers()?.read(move |connection| catalog::recall(connection, &keys)).await
    }

    async fn remember(&self, project: ProjectId, answers: Vec<(Key, Vec<u8>)>) -> Result<(), Error> {
        self.write(move |writer| catalog::remember(writer, project, &answers)).await
    }
}
