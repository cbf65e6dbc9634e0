//! Pages of threads, by when they were active last.
//!
//! A thread stands in the order of its latest trace: walking traces back in
//! time and keeping those after which their thread has none yields threads in
//! order, and only as many as a page needs. Then the traces of these few
//! threads are added up. Where few runs match a filter (`select` knows soon),
//! it is the other way round: their threads are put in order.

use std::collections::BTreeSet;

use assay_domain::{RunId, RunStatus, ThreadId};
use rusqlite::{Connection, params, params_from_iter};

use super::columns;
use super::feedback::{SUMMED, sums};
use super::projects;
use super::reader::Problem;
use super::select;
use super::sketch::Sketch;
use crate::filter::sql::Sql;
use crate::{Error, Order, Page, RunQuery, ThreadPage, ThreadRow};

const DEFAULT_PAGE: usize = 20;
const MAX_PAGE: usize = 1_000;
/// Of so many matching runs, the threads are looked up one by one.
const FEW: u64 = 10_000;
/// The same for counting, where the alternative is to look at every trace.
const MANY: u64 = 200_000;

/// A thread, by its latest trace.
struct Found {
    activity: i64,
    key: i64,
    thread: String,
}

pub(crate) fn page(connection: &Connection, query: &ThreadPage) -> Result<Page<ThreadRow>, Problem> {
    let Some(project) = projects::key_of(connection, query.project)? else {
        return Ok(Page { items: Vec::new(), first: None, next: None });
    };
    let limit = if query.limit == 0 { DEFAULT_PAGE } else { query.limit.min(MAX_PAGE) };
    let cursor = query.cursor.as_deref().map(read_cursor).transpose()?;
    let mut found = match matching(connection, query, FEW)? {
        Some(threads) => {
            let mut found = Vec::new();
            for thread in threads {
                let one = ThreadPage { thread: Some(ThreadId(thread)), filter: None, ..query.clone() };
                found.extend(walk_all(connection, project, &one, cursor, 1)?);
            }
            found
        }
        None => walk_all(connection, project, query, cursor, limit + 1)?,
    };
    found.sort_by_key(|found| (found.activity, found.key));
    if query.order == Order::NewestFirst {
        found.reverse();
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let place = |found: &Found| format!("{}.{}", found.activity, found.key);
    let first = found.first().map(place);
    let next = found.last().filter(|_| has_more).map(place);
    let has_feedback =
        connection.prepare_cached("SELECT 1 FROM feedback WHERE project = ? LIMIT 1")?.exists([project])?;
    let items = found
        .into_iter()
        .map(|found| row(connection, project, found.thread, has_feedback))
        .collect::<Result<_, _>>()?;
    Ok(Page { items, first, next })
}

/// The threads of the runs that match the filter, if these are not more than so many.
fn matching(
    connection: &Connection,
    query: &ThreadPage,
    most: u64,
) -> Result<Option<BTreeSet<String>>, Problem> {
    let Some(filter) = query.filter.as_ref().filter(|_| query.thread.is_none()) else { return Ok(None) };
    let runs = RunQuery { filter: Some(filter.clone()), ..RunQuery::new(query.project) };
    let count = select::count(connection, &runs)?;
    if count > most {
        return Ok(None);
    }
    let keys = select::page(connection, &RunQuery { limit: MANY as usize, ..runs })?.keys;
    let mut statement = connection.prepare_cached(
        "SELECT traces.thread FROM runs CROSS JOIN traces ON traces.key = runs.trace WHERE runs.key = ?",
    )?;
    let mut threads = BTreeSet::new();
    for key in keys {
        threads.insert(statement.query_row([key], |row| row.get(0))?);
    }
    Ok(Some(threads))
}

/// How many threads there are on all pages.
pub(crate) fn count(connection: &Connection, query: &ThreadPage) -> Result<u64, Problem> {
    let Some(project) = projects::key_of(connection, query.project)? else { return Ok(0) };
    if let Some(threads) = matching(connection, query, MANY)? {
        let is_open = query.start.is_none() && query.end.is_none() && query.trace_filter.is_none();
        if is_open && query.with_single_traces {
            return Ok(threads.len() as u64);
        }
        let mut count = 0;
        for thread in threads {
            let one = ThreadPage { thread: Some(ThreadId(thread)), filter: None, ..query.clone() };
            count += u64::from(!walk_all(connection, project, &one, None, 1)?.is_empty());
        }
        return Ok(count);
    }
    let is_open = query.filter.is_none() && query.trace_filter.is_none() && query.thread.is_none();
    if is_open && query.with_single_traces && covers_everything(connection, project, query)? {
        let known: i64 = connection
            .prepare_cached("SELECT threads FROM projects WHERE key = ?")?
            .query_row([project], |row| row.get(0))?;
        return Ok(u64::try_from(known).unwrap_or(0));
    }
    if is_open {
        return count_by_time(connection, project, query);
    }
    let mut sql = Sql::default();
    sql.push("SELECT count(DISTINCT traces.thread) FROM traces WHERE traces.project = ").bind(project);
    sql.push(if query.with_single_traces { "" } else { " AND traces.is_threaded = 1" });
    if let Some(thread) = &query.thread {
        sql.push(" AND traces.thread = ").bind(thread.0.clone());
    }
    conditions(&mut sql, query);
    let mut statement = connection.prepare_cached(&sql.text)?;
    let count: i64 = statement.query_row(params_from_iter(sql.parameters), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn read_cursor(cursor: &str) -> Result<(i64, i64), Error> {
    let parts = cursor.split_once('.');
    let parts = parts.and_then(|(activity, key)| Some((activity.parse().ok()?, key.parse().ok()?)));
    parts.ok_or_else(|| Error::Invalid(format!("{cursor:?} is not a cursor of an earlier page")))
}

/// Whether no trace of the project lies outside the window.
fn covers_everything(connection: &Connection, project: i64, query: &ThreadPage) -> rusqlite::Result<bool> {
    let (first, last): (Option<i64>, Option<i64>) = connection
        .prepare_cached("SELECT first_activity, last_activity FROM projects WHERE key = ?")?
        .query_row([project], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(query.start.is_none() && query.end.is_none());
    };
    if query.start.is_none() && query.end.is_none() {
        return Ok(true);
    }
    // Traces without any time are outside of every window.
    let mut timeless = connection.prepare_cached(
        "SELECT 1 FROM traces WHERE project = ?1 AND is_threaded IN (0, 1) AND activity = ?2 LIMIT 1",
    )?;
    Ok(query.start.is_none_or(|start| start.timestamp_micros() <= first)
        && query.end.is_none_or(|end| end.timestamp_micros() > last)
        && !timeless.exists(params![project, i64::MIN])?)
}

/// Threads of which some trace lies in the window: each trace is looked at once.
fn count_by_time(connection: &Connection, project: i64, query: &ThreadPage) -> Result<u64, Problem> {
    let mut sql = Sql::default();
    sql.push("SELECT count(DISTINCT traces.thread) FROM traces WHERE traces.project = ").bind(project);
    sql.push(if query.with_single_traces {
        " AND traces.is_threaded IN (0, 1)"
    } else {
        " AND traces.is_threaded = 1"
    });
    if let Some(start) = query.start {
        sql.push(" AND traces.activity >= ").bind(start.timestamp_micros());
    }
    if let Some(end) = query.end {
        sql.push(" AND coalesce(traces.start, traces.end) < ").bind(end.timestamp_micros());
    }
    let mut statement = connection.prepare_cached(&sql.text)?;
    let count: i64 = statement.query_row(params_from_iter(sql.parameters), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Threads that have a key, then, if asked for, traces that have none.
fn walk_all(
    connection: &Connection,
    project: i64,
    query: &ThreadPage,
    cursor: Option<(i64, i64)>,
    limit: usize,
) -> rusqlite::Result<Vec<Found>> {
    let mut found = walk(connection, project, query, true, cursor, limit)?;
    if query.with_single_traces {
        found.extend(walk(connection, project, query, false, cursor, limit)?);
    }
    Ok(found)
}

/// Threads that have a key, or traces that have none, from the cursor on.
fn walk(
    connection: &Connection,
    project: i64,
    query: &ThreadPage,
    is_threaded: bool,
    cursor: Option<(i64, i64)>,
    limit: usize,
) -> rusqlite::Result<Vec<Found>> {
    let mut sql = Sql::default();
    sql.push("SELECT traces.activity, traces.key, traces.thread FROM traces WHERE traces.project = ");
    sql.bind(project);
    match &query.thread {
        // The thread says which traces; the order of time would mean looking at all of them.
        Some(thread) => {
            sql.push(" AND traces.thread = ").bind(thread.0.clone()).push(" AND +traces.is_threaded = ")
        }
        None => sql.push(" AND traces.is_threaded = "),
    };
    sql.bind(i64::from(is_threaded));
    sql.push(
        " AND NOT EXISTS (SELECT 1 FROM traces AS later WHERE later.project = traces.project \
         AND later.thread = traces.thread AND later.activity >= traces.activity AND ",
    );
    // A trace without a key whose id is the key of a thread belongs to that thread.
    sql.push(if is_threaded {
        "later.is_threaded = 1 AND (later.activity, later.key) > (traces.activity, traces.key))"
    } else {
        "0) AND NOT EXISTS (SELECT 1 FROM traces AS namesake WHERE namesake.project = traces.project \
         AND namesake.thread = traces.thread AND namesake.is_threaded = 1)"
    });
    if let Some((activity, key)) = cursor {
        sql.push(match query.order {
            Order::NewestFirst => " AND (traces.activity, traces.key) < (",
            Order::OldestFirst => " AND (traces.activity, traces.key) > (",
        });
        sql.bind(activity).push(", ").bind(key).push(")");
    }
    if let Some(start) = query.start {
        // Of the latest trace of a thread this says the same as below, and an index answers it.
        sql.push(" AND traces.activity >= ").bind(start.timestamp_micros());
    }
    conditions(&mut sql, query);
    sql.push(match query.order {
        Order::NewestFirst => " ORDER BY traces.activity DESC, traces.key DESC LIMIT ",
        Order::OldestFirst => " ORDER BY traces.activity, traces.key LIMIT ",
    });
    sql.bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let mut statement = connection.prepare_cached(&sql.text)?;
    let rows = statement.query_map(params_from_iter(sql.parameters), |row| {
        Ok(Found { activity: row.get(0)?, key: row.get(1)?, thread: row.get(2)? })
    })?;
    rows.collect()
}

/// What must hold of some trace of the thread, and of some run of it.
fn conditions(sql: &mut Sql, query: &ThreadPage) {
    const SAME: &str = "one.project = traces.project AND one.thread = traces.thread";
    if query.start.is_some() || query.end.is_some() {
        sql.push(" AND EXISTS (SELECT 1 FROM traces AS one WHERE ").push(SAME);
        if let Some(start) = query.start {
            sql.push(" AND one.activity >= ").bind(start.timestamp_micros());
        }
        if let Some(end) = query.end {
            // Without any time, nothing is known to be active.
            sql.push(" AND coalesce(one.start, one.end) < ").bind(end.timestamp_micros());
        }
        sql.push(")");
    }
    if let Some(filter) = &query.filter {
        sql.push(" AND EXISTS (SELECT 1 FROM traces AS one CROSS JOIN runs AS member ON member.trace = one.key WHERE ");
        sql.push(SAME).push(" AND ").condition_on("member", &filter.expression).push(")");
    }
    if let Some(filter) = &query.trace_filter {
        sql.push(
            " AND EXISTS (SELECT 1 FROM traces AS one CROSS JOIN runs AS root ON root.key = one.root WHERE ",
        );
        sql.push(SAME).push(" AND ").condition_on("root", &filter.expression).push(")");
    }
}

/// Adds up the traces of a thread.
fn row(
    connection: &Connection,
    project: i64,
    thread: String,
    has_feedback: bool,
) -> Result<ThreadRow, Problem> {
    // In order of time, as overviews have it.
    let mut statement = connection.prepare_cached(
        "SELECT runs.id, traces.runs, traces.start, traces.end, traces.latency, traces.status, \
         traces.input_tokens, traces.output_tokens, traces.total_tokens, traces.input_cost, \
         traces.output_cost, traces.total_cost FROM traces JOIN runs ON runs.key = traces.root \
         WHERE traces.project = ? AND traces.thread = ? ORDER BY traces.start IS NULL, traces.start, traces.id",
    )?;
    let mut rows = statement.query(params![project, thread])?;
    let mut sum = ThreadRow::default();
    let mut latencies = Sketch::default();
    while let Some(row) = rows.next()? {
        let root = RunId(columns::uuid(row, 0)?);
        let (start, end) = (columns::time(row, 2)?, columns::time(row, 3)?);
        if sum.traces == 0 {
            (sum.first_root, sum.first_start) = (root, start);
        }
        sum.last_root = root;
        sum.last_start = sum.last_start.max(start);
        sum.last_end = sum.last_end.max(end);
        sum.traces += 1;
        sum.runs += columns::tokens(row, 1)?;
        if let Some(micros) = row.get::<_, Option<i64>>(4)? {
            latencies.add(micros as f64 / 1e6);
        }
        let status = columns::status(row.get_ref(5)?.as_str().unwrap_or_default());
        sum.errors += u64::from(status == RunStatus::Error);
        sum.input_tokens = sum.input_tokens.saturating_add(columns::tokens(row, 6)?);
        sum.output_tokens = sum.output_tokens.saturating_add(columns::tokens(row, 7)?);
        sum.total_tokens = sum.total_tokens.saturating_add(columns::tokens(row, 8)?);
        let costs = [&mut sum.input_cost, &mut sum.output_cost, &mut sum.total_cost];
        for (place, total) in costs.into_iter().enumerate() {
            if let Some(cost) = columns::decimal(row, 9 + place)? {
                *total = Some(total.unwrap_or_default().saturating_add(cost));
            }
        }
    }
    sum.latency_p50 = latencies.percentile(0.5);
    sum.latency_p99 = latencies.percentile(0.99);
    if has_feedback {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {SUMMED} FROM feedback WHERE target IN (SELECT runs.id FROM traces CROSS JOIN runs \
             ON runs.trace = traces.key WHERE traces.project = ?1 AND traces.thread = ?2 \
             UNION SELECT id FROM traces WHERE project = ?1 AND thread = ?2)"
        ))?;
        sum.feedback = sums(&mut statement, &[&project, &thread])?.finish();
    }
    sum.id = ThreadId(thread);
    Ok(sum)
}
