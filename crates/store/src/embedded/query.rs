//! Reading runs: one, a trace of them, a page of them, whole threads.

use assay_domain::{Feedback, FeedbackId, ProjectId, Run, RunId, Thread, ThreadId, Trace, TraceId};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::columns::{self, ROW, ROW_TABLES};
use super::fold;
use super::reader::Problem;
use crate::filter::sql::Sql;
use crate::format::{self, Record};
use crate::{Error, Order, Page, RunQuery, RunRow};

/// Longer pages are cut to this.
const MAX_PAGE: usize = 100_000;

pub(crate) fn run(connection: &Connection, id: RunId) -> Result<Option<Run>, Problem> {
    let sql = format!(
        "SELECT {ROW}, payloads.body, runs.thread FROM {ROW_TABLES} \
         LEFT JOIN payloads ON payloads.run = runs.key WHERE runs.id = ?"
    );
    Ok(connection.prepare_cached(&sql)?.query_row([id.0.as_bytes()], whole_run).optional()?)
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
    let limit = query.limit.clamp(1, MAX_PAGE);
    let mut sql = Sql { text: format!("SELECT {ROW} FROM {ROW_TABLES}"), ..Sql::default() };
    conditions(&mut sql, query);
    if let Some(cursor) = &query.cursor {
        let (moment, key) = read_cursor(cursor)?;
        sql.push(match query.order {
            Order::NewestFirst => " AND (runs.moment, runs.key) < (",
            Order::OldestFirst => " AND (runs.moment, runs.key) > (",
        });
        sql.bind(moment).push(", ").bind(key).push(")");
    }
    sql.push(match query.order {
        Order::NewestFirst => " ORDER BY runs.moment DESC, runs.key DESC LIMIT ",
        Order::OldestFirst => " ORDER BY runs.moment, runs.key LIMIT ",
    });
    // One more than asked for tells whether there is a next page.
    sql.bind(i64::try_from(limit + 1).unwrap_or(i64::MAX));

    let mut statement = connection.prepare_cached(&sql.text)?;
    let rows = statement.query_map(params_from_iter(sql.parameters), |row| {
        Ok((columns::read_row(row)?, row.get::<_, i64>(21)?, row.get::<_, i64>(20)?))
    })?;
    let mut rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|(_, moment, key)| format!("{moment}.{key}"));
    Ok(Page { items: rows.into_iter().map(|(row, ..)| row).collect(), next })
}

pub(crate) fn count(connection: &Connection, query: &RunQuery) -> Result<u64, Problem> {
    let mut sql = Sql::default();
    sql.push("SELECT count(*) FROM runs");
    conditions(&mut sql, query);
    let mut statement = connection.prepare_cached(&sql.text)?;
    let count: i64 = statement.query_row(params_from_iter(sql.parameters), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn conditions(sql: &mut Sql, query: &RunQuery) {
    sql.push(" WHERE runs.project IN (SELECT key FROM projects WHERE id IN (NULL");
    for project in &query.projects {
        sql.push(", ").bind(project.0.as_bytes().to_vec());
    }
    sql.push("))");
    if let Some(start) = query.start {
        sql.push(" AND runs.moment >= ").bind(start.timestamp_micros());
    }
    if let Some(end) = query.end {
        // The least integer stands for runs without any time.
        sql.push(" AND runs.moment < ")
            .bind(end.timestamp_micros())
            .push(" AND runs.moment > ")
            .bind(i64::MIN);
    }
    if query.is_root == Some(true) {
        sql.push(" AND runs.parent IS NULL");
    }
    if let Some(filter) = &query.filter {
        sql.push(" AND ").condition(&filter.expression);
    }
}

fn read_cursor(cursor: &str) -> Result<(i64, i64), Error> {
    let parts =
        cursor.split_once('.').and_then(|(moment, key)| Some((moment.parse().ok()?, key.parse().ok()?)));
    parts.ok_or_else(|| Error::Invalid(format!("{cursor:?} is not a cursor of an earlier page")))
}

/// Whole threads, in the order asked for.
pub(crate) fn read_threads(
    connection: &Connection,
    project: ProjectId,
    threads: &[ThreadId],
) -> Result<Vec<Thread>, Problem> {
    let Some(project) = project_key(connection, project)? else { return Ok(Vec::new()) };
    let mut found = Vec::with_capacity(threads.len());
    for thread in threads {
        if let Some(thread) = read_thread(connection, project, thread)? {
            found.push(thread);
        }
    }
    Ok(found)
}

fn read_thread(connection: &Connection, project: i64, id: &ThreadId) -> Result<Option<Thread>, Problem> {
    // In order of time, as overviews have it.
    let mut statement = connection.prepare_cached(
        "SELECT key, id FROM traces WHERE project = ? AND thread = ? ORDER BY start IS NULL, start, id",
    )?;
    let keys: Vec<(i64, TraceId)> = statement
        .query_map(params![project, id.0], |row| Ok((row.get(0)?, TraceId(columns::uuid(row, 1)?))))?
        .collect::<Result<_, _>>()?;
    let mut thread = Thread { id: id.clone(), traces: Vec::with_capacity(keys.len()), feedback: Vec::new() };
    for (key, trace) in keys {
        thread.traces.push(Trace::new(trace, runs_of_trace(connection, key)?));
        feedback_of_trace(connection, key, trace, &mut thread.feedback)?;
    }
    // Not by arrival: the same data reads the same, in whatever order it came.
    thread.feedback.sort_by_key(|feedback| (feedback.created_at, feedback.id));
    Ok((!thread.traces.is_empty()).then_some(thread))
}

fn feedback_of_trace(
    connection: &Connection,
    key: i64,
    trace: TraceId,
    found: &mut Vec<Feedback>,
) -> Result<(), Problem> {
    let mut statement = connection.prepare_cached(
        "SELECT id, body FROM feedback WHERE target IN (SELECT id FROM runs WHERE trace = ? UNION SELECT ?)",
    )?;
    let rows = statement.query_map(params![key, trace.0.as_bytes()], |row| {
        let id = FeedbackId(columns::uuid(row, 0)?);
        Ok(format::decode_feedback(id, row.get_ref(1)?.as_blob()?))
    })?;
    for feedback in rows {
        // Damaged feedback is left out; `doctor` finds it.
        found.extend(feedback?.ok());
    }
    Ok(())
}

pub(crate) fn project_key(connection: &Connection, id: ProjectId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT key FROM projects WHERE id = ?")?
        .query_row([id.0.as_bytes()], |row| row.get(0))
        .optional()
}
