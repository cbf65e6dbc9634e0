//! Jobs as records: added, claimed, carried on, ended, deleted.
//!
//! What was asked ([`Job`]), how far it is ([`JobState`]), what it is about
//! ([`Scope`]) and the wish to cancel it are records of their own, so that
//! who asks and who works never overwrite each other, in one process or in
//! several over one store. Nothing here analyses, nothing knows HTTP.

use std::time::Duration;

use assay_domain::job::{Job, JobState, JobStatus, Lease, Scope};
use assay_domain::{ProjectId, Time};
use assay_store::{Change, Error, Record, RecordQuery, Records};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use uuid::Uuid;

use super::{edits, holder, ledger, share};

const JOB: &str = "insights_job";
const STATE: &str = "insights_state";
const SCOPE: &str = "insights_scope";
/// There while nobody has ended the job.
const OPEN: &str = "insights_open";
/// There once somebody asked to cancel it.
const CANCEL: &str = "insights_cancel";
/// One for each time somebody began to work on a job: two cannot claim it at once.
const CLAIM: &str = "insights_claim";

/// So long is a job left to a worker that is not heard of, unless its process is known to be gone.
pub const LEASE: Duration = Duration::from_secs(5);
/// A job that ended no sooner than this, with its process, is not begun again.
const MAX_ATTEMPTS: u32 = 100;

/// A job and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub job: Job,
    pub state: JobState,
}

/// Adds a job to the end of the queue.
///
/// # Errors
/// [`Error::Conflict`] where one of its id exists.
pub async fn add(store: &impl Records, job: &Job) -> Result<(), Error> {
    let state = JobState::default();
    store
        .change(vec![
            Change::Insert(record(JOB, job, job, job.created_at)),
            Change::Insert(record(STATE, job, &state, job.created_at)),
            Change::Insert(record(OPEN, job, &json!(null), job.created_at)),
        ])
        .await
}

/// The job of this id.
///
/// # Errors
/// What the store says.
pub async fn find(store: &impl Records, id: Uuid) -> Result<Option<Entry>, Error> {
    let Some(job) = read::<Job>(store, JOB, id).await? else { return Ok(None) };
    let state = read(store, STATE, id).await?.unwrap_or_default();
    Ok(Some(Entry { job, state }))
}

/// The jobs of a project, or of all, newest first.
///
/// # Errors
/// What the store says.
pub async fn list(store: &impl Records, project: Option<ProjectId>) -> Result<Vec<Entry>, Error> {
    let query = |kind: &str| RecordQuery {
        kind: kind.to_owned(),
        parent: project.map(|project| project.0),
        is_newest_first: true,
        ..RecordQuery::default()
    };
    let states = store.records(&query(STATE)).await?;
    let mut states: std::collections::HashMap<Uuid, Record> =
        states.into_iter().map(|record| (record.id, record)).collect();
    let jobs = store.records(&query(JOB)).await?.into_iter();
    jobs.map(|record| {
        let state = states.remove(&record.id).map(parse).transpose()?.unwrap_or_default();
        Ok(Entry { job: parse(record)?, state })
    })
    .collect()
}

/// Gives a job another name. `None` where there is none.
///
/// # Errors
/// What the store says.
pub async fn rename(store: &impl Records, id: Uuid, name: String, now: Time) -> Result<Option<Entry>, Error> {
    let Some(mut entry) = find(store, id).await? else { return Ok(None) };
    entry.job.name = name;
    store.change(vec![Change::Replace(record(JOB, &entry.job, &entry.job, now))]).await?;
    Ok(Some(entry))
}

/// Asks whoever works on the job to stop; ends it at once where nobody does.
/// One that has ended stays as it is. `None` where there is none.
///
/// # Errors
/// What the store says.
pub async fn cancel(store: &impl Records, id: Uuid, now: Time) -> Result<Option<Entry>, Error> {
    let Some(mut entry) = find(store, id).await? else { return Ok(None) };
    match entry.state.status {
        JobStatus::Queued => end_cancelled(store, &mut entry, now).await?,
        JobStatus::Running => {
            store.change(vec![Change::Put(record(CANCEL, &entry.job, &json!(null), now))]).await?;
        }
        JobStatus::Succeeded | JobStatus::Failed | JobStatus::Cancelled => {}
    }
    Ok(Some(entry))
}

/// Puts a job that failed or was cancelled back into the queue: the same threads, and what models
/// answered is remembered. One that is open or has its report stays as it is; `None` where there is none.
///
/// Not beside [`note_spend`].
///
/// # Errors
/// What the store says.
pub async fn resume(store: &impl Records, id: Uuid, now: Time) -> Result<Option<Entry>, Error> {
    let Some(mut entry) = find(store, id).await? else { return Ok(None) };
    if !matches!(entry.state.status, JobStatus::Failed | JobStatus::Cancelled) {
        return Ok(Some(entry));
    }
    let Entry { job, state } = &mut entry;
    *state = JobState { attempt: 0, spend: state.spend.clone(), ..JobState::default() };
    let open = record(OPEN, job, &json!(null), now);
    store.change(vec![Change::Insert(open), Change::Replace(record(STATE, job, &*state, now))]).await?;
    Ok(Some(entry))
}

/// Whether somebody asked to cancel it.
pub(super) async fn is_cancelled(store: &impl Records, id: Uuid) -> Result<bool, Error> {
    Ok(store.record(CANCEL, id).await?.is_some())
}

pub(super) async fn end_cancelled(store: &impl Records, entry: &mut Entry, now: Time) -> Result<(), Error> {
    entry.state.status = JobStatus::Cancelled;
    entry.state.error = Some("cancelled".to_owned());
    end(store, entry, now, Vec::new()).await
}

/// The same while its last calls are still to be booked: until [`note_spend`] the ledger says what
/// they cost at most.
pub(super) async fn end_while_at_it(store: &impl Records, entry: &mut Entry, now: Time) -> Result<(), Error> {
    let Entry { job, state } = entry;
    state.status = JobStatus::Cancelled;
    state.error = Some("cancelled".to_owned());
    state.finished_at = Some(now);
    state.lease = None;
    let mut changes = vec![Change::Replace(record(STATE, job, &*state, now))];
    changes.extend(closed(job.id));
    store.change(changes).await
}

/// Writes what a cancelled job has spent once its last calls have ended. Not beside [`resume`].
pub(super) async fn note_spend(store: &impl Records, entry: &Entry, now: Time) -> Result<(), Error> {
    let Some(Entry { job, mut state }) = find(store, entry.job.id).await? else { return Ok(()) };
    if state.status != JobStatus::Cancelled {
        return Ok(());
    }
    state.spend = entry.state.spend.clone();
    let ledger = Change::Delete { kind: ledger::KIND.to_owned(), id: job.id };
    store.change(vec![state_change(&job, &state, now), ledger]).await
}

/// Writes the final state, together with other changes.
pub(super) async fn end(
    store: &impl Records,
    entry: &mut Entry,
    now: Time,
    others: Vec<Change>,
) -> Result<(), Error> {
    let Entry { job, state } = entry;
    state.finished_at = Some(now);
    state.lease = None;
    let mut changes = others;
    changes.push(Change::Replace(record(STATE, job, &*state, now)));
    changes.extend(settled(job.id));
    store.change(changes).await
}

/// Of a job that has ended, nothing more is to be done or to be counted.
fn settled(id: Uuid) -> Vec<Change> {
    let mut changes = vec![Change::Delete { kind: ledger::KIND.to_owned(), id }];
    changes.extend(closed(id));
    changes
}

/// Nobody is to work on it any more.
fn closed(id: Uuid) -> [Change; 3] {
    [
        Change::Delete { kind: OPEN.to_owned(), id },
        Change::Delete { kind: CANCEL.to_owned(), id },
        Change::DeleteChildren { kind: CLAIM.to_owned(), parent: id },
    ]
}

/// Deletes a job with all that is known of it, but not its report. Whoever
/// works on it finds out.
///
/// # Errors
/// What the store says.
pub async fn delete(store: &impl Records, id: Uuid) -> Result<(), Error> {
    store.change(deletion(id)).await
}

fn deletion(id: Uuid) -> Vec<Change> {
    let mut changes: Vec<Change> = [JOB, STATE, SCOPE, edits::KIND, share::KIND]
        .map(|kind| Change::Delete { kind: kind.to_owned(), id })
        .into();
    changes.extend(settled(id));
    changes
}

/// Deletes all jobs of a project.
pub(super) async fn forget(store: &impl Records, project: ProjectId) -> Result<(), Error> {
    let query = RecordQuery {
        kind: JOB.to_owned(),
        parent: Some(project.0),
        without_bodies: true,
        ..RecordQuery::default()
    };
    let jobs = store.records(&query).await?;
    store.change(jobs.into_iter().flat_map(|job| deletion(job.id)).collect()).await
}

/// Takes the oldest job that nobody works on, for as long as a [`LEASE`] holds.
///
/// # Errors
/// What the store says.
pub(super) async fn claim(store: &impl Records, worker: Uuid, now: Time) -> Result<Option<Entry>, Error> {
    let query = RecordQuery { kind: OPEN.to_owned(), without_bodies: true, ..RecordQuery::default() };
    for open in store.records(&query).await? {
        let Some(mut entry) = find(store, open.id).await? else { continue };
        let is_gone = |lease: &Lease| lease.holder.is_some_and(|holder| holder::is_gone(&holder));
        let is_held = entry.state.lease.is_some_and(|lease| lease.until > now && !is_gone(&lease));
        if is_held || entry.state.status.is_final() {
            continue;
        }
        if is_cancelled(store, open.id).await? {
            end_cancelled(store, &mut entry, now).await?;
            continue;
        }
        if entry.state.attempt >= MAX_ATTEMPTS {
            entry.state.status = JobStatus::Failed;
            entry.state.error = Some(format!("given up: the server ended {MAX_ATTEMPTS} times while at it"));
            end(store, &mut entry, now, Vec::new()).await?;
            continue;
        }
        match begin(store, &mut entry, worker, now).await {
            Ok(()) => return Ok(Some(entry)),
            // Somebody else was quicker, or it was deleted meanwhile.
            Err(Error::Conflict(_) | Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

async fn begin(store: &impl Records, entry: &mut Entry, worker: Uuid, now: Time) -> Result<(), Error> {
    let Entry { job, state } = entry;
    state.attempt += 1;
    state.status = JobStatus::Running;
    state.lease = Some(Lease { worker, until: now + LEASE, holder: holder::this_process() });
    state.started_at = state.started_at.or(Some(now));
    let claim = Record {
        kind: CLAIM.to_owned(),
        id: Uuid::new_v5(&job.id, &state.attempt.to_be_bytes()),
        parent: Some(job.id),
        created_at: now,
        modified_at: now,
        ..Record::default()
    };
    store.change(vec![Change::Insert(claim), Change::Replace(record(STATE, job, &*state, now))]).await
}

/// Writes how far the work is and renews the lease. `false` where the job is
/// another's by now, or gone: then it is to be left alone.
pub(super) async fn carry_on(store: &impl Records, entry: &mut Entry, now: Time) -> Result<bool, Error> {
    let Entry { job, state } = entry;
    let found: Option<JobState> = read(store, STATE, job.id).await?;
    let is_ours = |found: &JobState| found.attempt == state.attempt && found.status == JobStatus::Running;
    if !found.as_ref().is_some_and(is_ours) {
        return Ok(false);
    }
    if let Some(lease) = &mut state.lease {
        lease.until = now + LEASE;
    }
    match store.change(vec![Change::Replace(record(STATE, job, &*state, now))]).await {
        Ok(()) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives a job back, for the next who asks.
pub(super) async fn release(store: &impl Records, entry: &mut Entry, now: Time) -> Result<(), Error> {
    entry.state.status = JobStatus::Queued;
    entry.state.lease = None;
    // What it spent is in its state by now.
    let ledger = Change::Delete { kind: ledger::KIND.to_owned(), id: entry.job.id };
    store.change(vec![Change::Replace(record(STATE, &entry.job, &entry.state, now)), ledger]).await
}

/// The threads of a job, once they are drawn.
///
/// # Errors
/// What the store says.
pub async fn scope(store: &impl Records, id: Uuid) -> Result<Option<Scope>, Error> {
    read(store, SCOPE, id).await
}

/// Keeps the threads of a job: from here on, what arrives cannot change its report.
pub(super) async fn keep_scope(
    store: &impl Records,
    job: &Job,
    scope: &Scope,
    now: Time,
) -> Result<(), Error> {
    store.change(vec![Change::Put(record(SCOPE, job, scope, now))]).await
}

/// Writes a job as it is, with how far it is.
pub(super) async fn put(store: &impl Records, job: &Job, state: &JobState, now: Time) -> Result<(), Error> {
    store
        .change(vec![Change::Put(record(JOB, job, job, now)), Change::Put(record(STATE, job, state, now))])
        .await
}

/// The change that writes how far a job is, for those who write something else with it.
pub(super) fn state_change(job: &Job, state: &JobState, now: Time) -> Change {
    Change::Replace(record(STATE, job, state, now))
}

/// The change that writes what was asked.
pub(super) fn job_change(job: &Job, now: Time) -> Change {
    Change::Replace(record(JOB, job, job, now))
}

fn record(kind: &str, job: &Job, body: &impl Serialize, now: Time) -> Record {
    Record {
        kind: kind.to_owned(),
        id: job.id,
        parent: Some(job.project.0),
        created_at: job.created_at,
        modified_at: now,
        body: json!(body),
        ..Record::default()
    }
}

async fn read<T: DeserializeOwned>(store: &impl Records, kind: &str, id: Uuid) -> Result<Option<T>, Error> {
    store.record(kind, id).await?.map(parse).transpose()
}

fn parse<T: DeserializeOwned>(record: Record) -> Result<T, Error> {
    let Record { kind, id, body, .. } = record;
    serde_json::from_value(body)
        .map_err(|error| Error::Corrupt { what: format!("{kind} {id}"), why: error.to_string() })
}
