//! The threads that read, each with a connection of its own.
//!
//! Every job sees one snapshot of the store, with everything that was
//! acknowledged before it began.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::schema::{self, Access};
use crate::Error;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// So many reads wait before callers have to.
const QUEUE: usize = 256;

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
        let job = Box::new(move |connection: &mut Connection| {
            // Nobody waits any more: the caller was cancelled.
            if reply.is_closed() {
                return;
            }
            let result =
                connection.transaction().map_err(Problem::from).and_then(|transaction| work(&transaction));
            let _ = reply.send(result);
        });
        self.jobs.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?.map_err(|problem| problem.at(&self.dir))
    }
}
