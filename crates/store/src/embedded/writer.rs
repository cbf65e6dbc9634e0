//! The one thread that writes.
//!
//! Batches that wait together are committed together (group commit): one
//! fsync acknowledges all of them. If a group fails, its batches are tried
//! again one by one, so that one bad batch does not take others with it.
//! Nothing is acknowledged before its commit.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use assay_domain::TraceId;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::{mpsc, oneshot};

use super::Prices;
use super::append;
use super::digest;
use super::feedback;
use super::gate::Room;
use super::loose::{self, Loose};
use super::meter::Meter;
use super::prepare::Prepared;
use super::projects;
use super::reader::Problem;
use super::repeated::Repeated;
use super::root;
use super::schema::{self, Access};
use super::traces::Traces;
use super::turn::Turnstile;
use crate::{Appended, Error, NewProject};

/// A group takes no further batches from here on: readers should not wait long to see it.
const GROUP_BYTES: usize = 32 << 20;
const GROUP_BATCHES: usize = 64;

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

pub(crate) enum Command {
    Append(Prepared, Reply<Appended>, Room),
    /// Anything else; it sees to its own transaction and its own reply.
    Job(Box<dyn FnOnce(&mut Writer) + Send>),
}

/// A batch that waits for its commit.
struct Waiting {
    prepared: Prepared,
    reply: Reply<Appended>,
    /// What it takes of the memory that batches may take.
    room: Room,
}

/// What the writing thread owns.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) dir: PathBuf,
    pub(crate) prices: Arc<Prices>,
    meter: Arc<Meter>,
    pub(crate) keys: Keys,
    pub(crate) repeated: Repeated,
    /// After a failure `keys` may speak of what was taken back.
    is_unsure: bool,
    /// What SQLite says as long as no other connection has written.
    data_version: i64,
    /// `None` where no other process can be.
    turnstile: Option<Turnstile>,
}

/// What is known of the tables without asking them.
pub(crate) struct Keys {
    pub(crate) projects: HashMap<String, i64>,
    pub(crate) next_run: i64,
    pub(crate) next_trace: i64,
    /// Runs up to this key are in the full-text index.
    pub(crate) indexed_up_to: i64,
    /// Whether feedback may be waiting for its run.
    pub(crate) early_feedback: bool,
    pub(crate) loose: Loose,
    /// Traces whose feedback, or whose root, is among what the transaction at hand brings.
    pub(crate) rootless: Vec<TraceId>,
    /// So many segments of runs have been digested.
    pub(crate) digested_up_to: i64,
    /// Segments whose digest the transaction at hand makes untrue.
    outdated: BTreeSet<i64>,
}

impl Keys {
    fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let last = |sql| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let indexed_up_to = schema::setting(connection, "indexed_up_to")?;
        let last_run = last("SELECT max(key) FROM runs")?.unwrap_or(0);
        let digested_up_to = digest::up_to(connection)?;
        Ok(Self {
            projects: HashMap::new(),
            // Keys that the index or a digest has passed are not given again.
            next_run: last_run.max(indexed_up_to).max(digested_up_to * digest::SIZE - 1) + 1,
            next_trace: last("SELECT max(key) FROM traces")?.unwrap_or(0) + 1,
            indexed_up_to,
            early_feedback: feedback::has_early(connection)?,
            loose: Loose::load(connection)?,
            rootless: Vec::new(),
            digested_up_to,
            outdated: BTreeSet::new(),
        })
    }

    /// Takes note that a run, or what its trace amounts to, is not as it was.
    pub(crate) fn outdate(&mut self, run: i64) {
        let segment = digest::segment_of(run);
        if segment < self.digested_up_to {
            self.outdated.insert(segment);
        }
    }
}

impl Writer {
    pub(crate) fn open(
        dir: &Path,
        access: Access,
        prices: Arc<Prices>,
        meter: Arc<Meter>,
    ) -> Result<Self, Error> {
        let turnstile = match access {
            Access::Durable => Some(Turnstile::open(dir)?),
            _ => None,
        };
        let connection = {
            // Making and moving tables is writing too.
            let _turn = turnstile.as_ref().map(|turnstile| turnstile.enter(dir)).transpose()?;
            schema::connect(dir, access)?
        };
        let failed = |source| Error::of_database(dir, source);
        let keys = Keys::load(&connection).map_err(failed)?;
        // The first transaction looks at what others wrote meanwhile.
        Ok(Self {
            connection,
            dir: dir.to_owned(),
            prices,
            meter,
            keys,
            repeated: Repeated::default(),
            is_unsure: true,
            data_version: 0,
            turnstile,
        })
    }

    /// Works until all senders are gone.
    pub(crate) fn work(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            let mut group = Vec::new();
            let mut bytes = 0;
            let mut next = Some(command);
            loop {
                match next.take() {
                    Some(Command::Append(prepared, reply, room)) => {
                        bytes += prepared.bytes;
                        group.push(Waiting { prepared, reply, room });
                        if bytes >= GROUP_BYTES || group.len() >= GROUP_BATCHES {
                            break;
                        }
                        next = commands.try_recv().ok();
                    }
                    Some(Command::Job(job)) => {
                        self.commit(std::mem::take(&mut group));
                        job(&mut self);
                        break;
                    }
                    None => break,
                }
            }
            self.commit(group);
        }
    }

    fn commit(&mut self, mut group: Vec<Waiting>) {
        if group.is_empty() {
            return;
        }
        match self.append_all(&group) {
            Ok(appended) => {
                for (waiting, appended) in group.into_iter().zip(appended) {
                    self.answer(waiting, Ok(appended));
                }
            }
            Err(error) if group.len() == 1 => {
                if let Some(waiting) = group.pop() {
                    self.answer(waiting, Err(error));
                }
            }
            Err(_) => {
                for waiting in group {
                    let alone = self.append_all(std::slice::from_ref(&waiting));
                    self.answer(waiting, alone.map(|appended| appended.into_iter().sum_up()));
                }
            }
        }
    }

    fn answer(&self, waiting: Waiting, appended: Result<Appended, Error>) {
        let Waiting { prepared, reply, room } = waiting;
        self.meter.answered(appended.as_ref().ok().copied());
        // Whoever has an answer takes no room any more.
        drop((prepared, room));
        // Who no longer waits does not need the answer.
        let _ = reply.send(appended);
    }

    fn append_all(&mut self, group: &[Waiting]) -> Result<Vec<Appended>, Error> {
        let start = Instant::now();
        let appended = self.transact(|writer| {
            let mut traces = Traces::default();
            let batches = group.iter().map(|waiting| append::apply(writer, &mut traces, &waiting.prepared));
            let appended = batches.collect::<Result<_, _>>()?;
            writer.settle(traces)?;
            loose::place(writer)?;
            root::bring_feedback(writer)?;
            digest::keep_up(writer)?;
            Ok(appended)
        })?;
        self.meter.committed(group.iter().map(|waiting| waiting.prepared.bytes).sum(), start.elapsed());
        Ok(appended)
    }

    /// All of the work, durably, or none of it.
    pub(crate) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Error> {
        // Taken out, so that the turn does not hold on to the rest.
        let turnstile = self.turnstile.take();
        let turn = turnstile.as_ref().map(|turnstile| turnstile.enter(&self.dir)).transpose();
        let result = turn.and_then(|_turn| {
            self.attempt(work).map_err(|problem| {
                if !self.connection.is_autocommit() {
                    // A failed rollback leaves the transaction open; then the next BEGIN says so.
                    let _ = self.connection.execute_batch("ROLLBACK");
                }
                self.is_unsure = true;
                // What was taken back comes again, and is no repetition.
                self.repeated = Repeated::default();
                problem.at(&self.dir)
            })
        });
        self.turnstile = turnstile;
        result
    }

    fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.look_around()?;
        let value = work(self)?;
        let outdated = std::mem::take(&mut self.keys.outdated);
        digest::outdate(&self.connection, &outdated)?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(value)
    }

    /// Learns what other connections have written since the last transaction.
    fn look_around(&mut self) -> Result<(), Problem> {
        let data_version: i64 =
            self.connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if data_version == self.data_version && !self.is_unsure {
            return Ok(());
        }
        // Another process may even have moved the tables.
        schema::check_version(&self.dir, &self.connection)?;
        self.keys = Keys::load(&self.connection)?;
        self.data_version = data_version;
        self.is_unsure = false;
        Ok(())
    }

    /// Writes what changed of traces.
    pub(crate) fn settle(&mut self, traces: Traces) -> rusqlite::Result<()> {
        for root in traces.settle(&self.connection)? {
            self.keys.outdate(root);
        }
        Ok(())
    }

    /// The key of a project by name; creates it if need be.
    pub(crate) fn project(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(&key) = self.keys.projects.get(name) {
            return Ok(key);
        }
        let known = self
            .connection
            .prepare_cached("SELECT key FROM projects WHERE name = ?")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let key = match known {
            Some(key) => key,
            None => {
                let new = NewProject { name: name.to_owned(), ..NewProject::default() };
                projects::insert(&self.connection, &new)?
            }
        };
        self.keys.projects.insert(name.to_owned(), key);
        Ok(key)
    }
}

/// The sum of what several batches did.
trait SumUp {
    fn sum_up(self) -> Appended;
}

impl<I: Iterator<Item = Appended>> SumUp for I {
    fn sum_up(self) -> Appended {
        self.fold(Appended::default(), |mut sum, appended| {
            sum += appended;
            sum
        })
    }
}
