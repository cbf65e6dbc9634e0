//! Reading runs: one, a trace of them, a page of them, whole threads.

use assay_domain::{Feedback, ProjectId, Run, RunId, Thread, ThreadId, Trace, TraceId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{self, ROW, ROW_TABLES};
use super::feedback;
use super::fold;
use super::projects;
use super::reader::Problem;
use super::root;
use super::select::{self, Keys};
use crate::format::{self, Record};
use crate::{LightRun, Page, RunQuery, RunRow, StoredRun, TraceTotals};

pub(crate) fn run(connection: &Connection, id: RunId) -> Result<Option<Run>, Problem> {
    let sql = format!(
        "SELECT {ROW}, payloads.body, runs.thread FROM {ROW_TABLES} \
         LEFT JOIN payloads ON payloads.run = runs.key WHERE runs.id = ?"
    );
    let id = root::resolve(connection, id)?;
    Ok(connection.prepare_cached(&sql)?.query_row([id.0.as_bytes()], whole_run).optional()?)
}

/// Runs in the order asked for, without payloads that are larger than so many bytes.
pub(crate) fn light_runs(
    connection: &Connection,
    ids: &[RunId],
    max_bytes: u64,
) -> Result<Vec<LightRun>, Problem> {
    let sql = format!(
        "SELECT {ROW}, {STORED}, length(payloads.body) <= ? FROM {ROW_TABLES} \
         JOIN payloads ON payloads.run = runs.key WHERE runs.id = ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
    let mut found = Vec::with_capacity(ids.len());
    for &id in ids {
        let read = |row: &Row<'_>| {
            let run = if row.get(35)? { Some(whole_run(row)?) } else { None };
            Ok(LightRun { id, trace: totals(row, RunId(columns::uuid(row, 2)?))?, run })
        };
        found.extend(statement.query_row(params![max_bytes, id.0.as_bytes()], read).optional()?);
    }
    Ok(found)
}

/// A record of what the columns know of a run whose payload is damaged.
pub(crate) fn salvaged(connection: &Connection, id: RunId) -> rusqlite::Result<Record> {
    let sql = format!("SELECT {ROW}, runs.thread FROM {ROW_TABLES} WHERE runs.id = ?");
    let run = connection.prepare_cached(&sql)?.query_row([id.0.as_bytes()], |row| {
        Ok(columns::salvage(columns::read_row(row)?, row.get(22)?, "stored record was damaged"))
    });
    Ok(run.optional()?.map(columns::as_record).unwrap_or_default())
}

pub(crate) fn trace(connection: &Connection, id: TraceId) -> Result<Option<Trace>, Problem> {
    let mut keys = connection.prepare_cached("SELECT key FROM traces WHERE id = ? ORDER BY key")?;
    let keys: Vec<i64> = keys.query_map([id.0.as_bytes()], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut runs = Vec::new();
    for key in keys {
        runs.extend(runs_of_trace(connection, key)?);
    }
    Ok((!runs.is_empty()).then(|| Trace::new(id, runs)))
}

fn runs_of_trace(connection: &Connection, key: i64) -> Result<Vec<Run>, Problem> {
    let sql = format!(
        "SELECT {ROW}, payloads.body, runs.thread FROM {ROW_TABLES} \
         LEFT JOIN payloads ON payloads.run = runs.key WHERE runs.trace = ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let runs = statement.query_map([key], whole_run)?.collect::<Result<_, _>>()?;
    Ok(runs)
}

/// A run with its payload; without, where that cannot be read.
fn whole_run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let id = RunId(columns::uuid(row, 0)?);
    let project = ProjectId(columns::uuid(row, 1)?);
    let body = row.get_ref(22)?.as_blob_or_null()?;
    let run = body
        .ok_or_else(|| "stored record is missing".to_owned())
        .and_then(format::decode)
        .and_then(|record| fold::fold(record, id, project));
    match run {
        Ok(run) => Ok(run),
        Err(why) => Ok(columns::salvage(columns::read_row(row)?, row.get(23)?, &why)),
    }
}

pub(crate) fn runs(connection: &Connection, query: &RunQuery) -> Result<Page<RunRow>, Problem> {
    let Keys { keys, first, next } = select::page(connection, query)?;
    let mut statement =
        connection.prepare_cached(&format!("SELECT {ROW} FROM {ROW_TABLES} WHERE runs.key = ?"))?;
    let mut items = Vec::with_capacity(keys.len());
    for key in keys {
        items.push(statement.query_row([key], columns::read_row)?);
    }
    Ok(Page { items, first, next })
}

const STORED: &str = "payloads.body, runs.thread, traces.thread, traces.runs, traces.start, traces.end, \
     traces.input_tokens, traces.output_tokens, traces.total_tokens, traces.input_cost, traces.output_cost, \
     traces.total_cost, (SELECT root.id FROM runs AS root WHERE root.key = traces.root)";

pub(crate) fn stored_runs(connection: &Connection, query: &RunQuery) -> Result<Page<StoredRun>, Problem> {
    let Keys { keys, first, next } = select::page(connection, query)?;
    let sql = format!(
        "SELECT {ROW}, {STORED} FROM {ROW_TABLES} LEFT JOIN payloads ON payloads.run = runs.key \
         WHERE runs.key = ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut items = Vec::with_capacity(keys.len());
    for key in keys {
        items.push(statement.query_row([key], read_stored)?);
    }
    Ok(Page { items, first, next })
}

pub(crate) fn stored_run(connection: &Connection, id: RunId) -> Result<Option<StoredRun>, Problem> {
    let sql = format!(
        "SELECT {ROW}, {STORED} FROM {ROW_TABLES} LEFT JOIN payloads ON payloads.run = runs.key \
         WHERE runs.id = ?"
    );
    let id = root::resolve(connection, id)?;
    Ok(connection.prepare_cached(&sql)?.query_row([id.0.as_bytes()], read_stored).optional()?)
}

fn read_stored(row: &Row<'_>) -> rusqlite::Result<StoredRun> {
    let run = whole_run(row)?;
    let trace = totals(row, run.trace.into())?;
    Ok(StoredRun { run, thread: ThreadId(row.get(24)?), trace })
}

/// Every trace has a root; were it gone, `fallback` would be it.
fn totals(row: &Row<'_>, fallback: RunId) -> rusqlite::Result<TraceTotals> {
    Ok(TraceTotals {
        root: columns::parent(row, 34)?.unwrap_or(fallback),
        runs: columns::tokens(row, 25)?,
        start_time: columns::time(row, 26)?,
        end_time: columns::time(row, 27)?,
        input_tokens: columns::tokens(row, 28)?,
        output_tokens: columns::tokens(row, 29)?,
        total_tokens: columns::tokens(row, 30)?,
        input_cost: columns::decimal(row, 31)?,
        output_cost: columns::decimal(row, 32)?,
        total_cost: columns::decimal(row, 33)?,
    })
}

/// Whole threads, in the order asked for.
pub(crate) fn read_threads(
    connection: &Connection,
    project: ProjectId,
    threads: &[ThreadId],
) -> Result<Vec<Thread>, Problem> {
    let Some(project) = projects::key_of(connection, project)? else { return Ok(Vec::new()) };
    let mut found = Vec::with_capacity(threads.len());
    for thread in threads {
        let thread = read_thread(connection, project, thread, 0, None)?;
        found.extend(Some(thread).filter(|thread| !thread.traces.is_empty()));
    }
    Ok(found)
}

/// Some traces of a thread.
pub(crate) fn thread_window(
    connection: &Connection,
    project: ProjectId,
    id: &ThreadId,
    offset: usize,
    limit: usize,
) -> Result<Option<Thread>, Problem> {
    let Some(project) = projects::key_of(connection, project)? else { return Ok(None) };
    let is_there = connection
        .prepare_cached("SELECT 1 FROM traces WHERE project = ? AND thread = ? LIMIT 1")?
        .exists(params![project, id.0])?;
    if !is_there {
        return Ok(None);
    }
    read_thread(connection, project, id, offset, Some(limit)).map(Some)
}

fn read_thread(
    connection: &Connection,
    project: i64,
    id: &ThreadId,
    offset: usize,
    limit: Option<usize>,
) -> Result<Thread, Problem> {
    // In order of time, as overviews have it; a negative limit is none.
    let mut statement = connection.prepare_cached(
        "SELECT key, id FROM traces WHERE project = ? AND thread = ? \
         ORDER BY start IS NULL, start, id LIMIT ? OFFSET ?",
    )?;
    let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let keys: Vec<(i64, TraceId)> = statement
        .query_map(params![project, id.0, limit, offset], |row| {
            Ok((row.get(0)?, TraceId(columns::uuid(row, 1)?)))
        })?
        .collect::<Result<_, _>>()?;
    let mut thread = Thread { id: id.clone(), traces: Vec::with_capacity(keys.len()), feedback: Vec::new() };
    for (key, trace) in keys {
        thread.traces.push(Trace::new(trace, runs_of_trace(connection, key)?));
        feedback_of_trace(connection, key, trace, &mut thread.feedback)?;
    }
    // Not by arrival: the same data reads the same, in whatever order it came.
    thread.feedback.sort_by_key(|feedback| (feedback.created_at, feedback.id));
    Ok(thread)
}

fn feedback_of_trace(
    connection: &Connection,
    key: i64,
    trace: TraceId,
    found: &mut Vec<Feedback>,
) -> Result<(), Problem> {
    let mut statement = connection.prepare_cached(
        "SELECT id, body, target FROM feedback \
         WHERE target IN (SELECT id FROM runs WHERE trace = ? UNION SELECT ?)",
    )?;
    let rows = statement.query_map(params![key, trace.0.as_bytes()], feedback::decoded)?;
    for feedback in rows {
        // Damaged feedback is left out; `doctor` finds it.
        found.extend(feedback?.ok());
    }
    Ok(())
}
