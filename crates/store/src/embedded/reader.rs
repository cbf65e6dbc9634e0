//! The threads that read, each with a connection of its own.
//!
//! Every job sees one snapshot of the store, with everything that was
//! acknowledged before it began. A question whose asker has gone is broken off.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::schema::{self, Access};
use crate::Error;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// So many reads wait before callers have to.
const QUEUE: usize = 256;
/// After so many steps of the database's machine it is looked whether the caller still waits.
const STEPS: i32 = 20_000;

/// A failure inside a job, before it is known which store it happened to.
#[derive(Debug)]
pub(crate) enum Problem {
    Sql(rusqlite::Error),
    Other(Error),
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Problem {
    pub(crate) fn at(self, dir: &Path) -> Error {
        match self {
            Self::Sql(error) => Error::of_database(dir, error),
            Self::Other(error) => error,
        }
    }
}

/// Whoever waits for an answer. Says so when they do not any more: the request was cancelled.
#[derive(Default)]
struct Asker {
    has_gone: Arc<AtomicBool>,
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.has_gone.store(true, Ordering::Relaxed);
    }
}

/// The way to the reading threads. They end when all of these are gone.
pub(crate) struct Readers {
    jobs: mpsc::Sender<Job>,
    dir: PathBuf,
}

impl Readers {
    /// Opens connections and starts their threads.
    pub(crate) fn start(dir: &Path) -> Result<(Self, Vec<JoinHandle<()>>), Error> {
        let (jobs, queue) = mpsc::channel::<Job>(QUEUE);
        // Held while waiting for the next job, never while doing one.
        let queue = Arc::new(Mutex::new(queue));
        let count = thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
        let mut threads = Vec::new();
        for number in 0..count {
            let mut connection = schema::connect(dir, Access::Read)?;
            let queue = Arc::clone(&queue);
            let work = move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                    let Some(job) = job else { break };
                    job(&mut connection);
                }
            };
            threads.push(super::spawn(dir, &format!("assay-read-{number}"), work)?);
        }
        Ok((Self { jobs, dir: dir.to_owned() }, threads))
    }

    /// Does the work on one of the threads, inside one read transaction.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let asker = Asker::default();
        let has_gone = Arc::clone(&asker.has_gone);
        let job = Box::new(move |connection: &mut Connection| {
            if has_gone.load(Ordering::Relaxed) {
                return;
            }
            let watch = move || has_gone.load(Ordering::Relaxed);
            let watched = connection.progress_handler(STEPS, Some(watch)).map_err(Problem::from);
            let result = watched
                .and_then(|()| Ok(connection.transaction()?))
                .and_then(|transaction| work(&transaction));
            let _ = reply.send(result);
        });
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?.map_err(|problem| problem.at(&self.dir))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::block_on;

    /// Counts to a number that takes weeks.
    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1e15) SELECT max(i) FROM n";

    #[test]
    fn a_question_whose_asker_has_gone_is_broken_off() {
        let store =
            crate::EmbeddedStore::open_temporary(assay_domain::PriceTable::default()).expect("a store");
        let (readers, threads) = Readers::start(store.dir()).expect("readers");
        let readers = Arc::new(readers);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        for _ in 0..threads.len() {
            let endless =
                readers.read(|connection| Ok(connection.query_row(ENDLESS, [], |row| row.get::<_, f64>(0))?));
            let waited =
                runtime.block_on(async { tokio::time::timeout(Duration::from_millis(20), endless).await });
            assert!(waited.is_err(), "it has no end");
        }
        // All threads would be busy with what nobody waits for.
        let one =
            readers.read(|connection| Ok(connection.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))?));
        assert_eq!(block_on(one).expect("an answer"), 1);
        drop(readers);
        threads.into_iter().for_each(|thread| thread.join().expect("an end"));
    }
}
