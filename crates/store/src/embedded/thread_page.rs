//! Pages of threads, by when they were active last.
//!
//! A thread stands in the order of its latest trace: walking traces back in
//! time, the first of a thread is its latest, so only as many are looked at as
//! a page needs. Then the traces of these few threads are added up. What a
//! filter matches is known beforehand (`thread_match`); where that is little,
//! it is the other way round: the threads of these traces are put in order.

use std::collections::HashSet;
use std::time::Duration;

use assay_domain::{RunId, RunStatus, ThreadId};
use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params, params_from_iter};

use super::columns;
use super::digest::threads;
use super::feedback::{SUMMED, sums};
use super::patience::Deadline;
use super::projects;
use super::reader::Problem;
use super::sketch::Sketch;
use super::thread_match::{self, Matched, Seeker};
use crate::filter::sql::Sql;
use crate::{Error, Order, Page, RunQuery, Tally, ThreadPage, ThreadRow};

const DEFAULT_PAGE: usize = 20;
const MAX_PAGE: usize = 1_000;
/// So many threads are looked at for a page before it is tried the other way round.
const PATIENCE: usize = if cfg!(test) { 2 } else { 20_000 };

/// A thread, by its latest trace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) activity: i64,
    pub(super) key: i64,
    pub(super) thread: String,
}

pub(crate) fn page(connection: &Connection, query: &ThreadPage) -> Result<Page<ThreadRow>, Problem> {
    let Some(project) = projects::key_of(connection, query.project)? else {
        return Ok(Page { items: Vec::new(), first: None, next: None });
    };
    let limit = if query.limit == 0 { DEFAULT_PAGE } else { query.limit.min(MAX_PAGE) };
    let cursor = query.cursor.as_deref().map(read_cursor).transpose()?;
    let Part { mut found, cut } = match thread_match::asked(query) {
        Some(runs) => filtered(connection, project, query, &runs, cursor, limit + 1)?,
        None => Part { found: walk_all(connection, project, query, cursor, limit + 1)?, cut: None },
    };
    put_in_order(&mut found, query.order);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let place = |found: &Found| format!("{}.{}", found.activity, found.key);
    let first = found.first().map(place);
    let next = found.last().filter(|_| has_more).map(place);
    let next = next.or(cut.map(|(activity, key)| format!("{activity}.{key}")));
    let has_feedback =
        connection.prepare_cached("SELECT 1 FROM feedback WHERE project = ? LIMIT 1")?.exists([project])?;
    let items = found
        .into_iter()
        .map(|found| row(connection, project, found.thread, has_feedback))
        .collect::<Result<_, _>>()?;
    Ok(Page { items, first, next })
}

fn put_in_order(found: &mut [Found], order: Order) {
    found.sort_unstable();
    if order == Order::NewestFirst {
        found.reverse();
    }
}

/// The first threads with a run that matches: asked one by one while that is
/// quick, else out of all that match.
fn filtered(
    connection: &Connection,
    project: i64,
    query: &ThreadPage,
    runs: &RunQuery,
    cursor: Option<(i64, i64)>,
    limit: usize,
) -> Result<Part, Problem> {
    // What is left to ask of a thread.
    let query = ThreadPage { filter: None, ..query.clone() };
    let deadline = Deadline::after(query.patience);
    // A filter that many threads match is answered at once; for any other, to find all that match
    // mostly is sooner. Where payloads have to be read, neither is, and it goes on as it began.
    let soon = Deadline::after(query.patience.map(|patience| patience / 10));
    let later = Deadline::after(query.patience.map(|patience| patience / 2));
    let mut first = None;
    if let Some(mut seeker) = Seeker::new(connection, project, runs, [soon, later])? {
        let mut passes = |thread: &str, is_first: bool| seeker.asks(thread, is_first);
        let part = walk(connection, project, &query, cursor, limit, usize::MAX, &mut passes)?;
        if part.cut.is_none() {
            return Ok(part);
        }
        first = Some(part);
    }
    let matched = thread_match::of(connection, runs, deadline)?;
    match first {
        // What was found one by one is right as far as it goes.
        Some(part) if !matched.is_whole => return Ok(part),
        _ => {}
    }
    if matched.are_many(connection, project)? {
        let mut passes = |thread: &str, _: bool| Ok(Some(matched.has(thread)));
        let part = walk(connection, project, &query, cursor, limit, PATIENCE, &mut passes)?;
        if part.cut.is_none() {
            return Ok(part);
        }
    }
    let mut all = matched.threads(connection, project, query.with_single_traces)?;
    all.retain(|found| is_after(found, cursor, query.order));
    put_in_order(&mut all, query.order);
    let mut asked = Asked::new(connection, project, &query)?;
    let mut found = Vec::new();
    for one in all {
        if found.len() == limit {
            break;
        }
        if asked.holds(&one.thread)? {
            found.push(one);
        }
    }
    Ok(Part { found, cut: None })
}

/// Threads in no order, and where the next page begins if these are not all that belong on this one.
struct Part {
    found: Vec<Found>,
    cut: Option<(i64, i64)>,
}

fn is_after(found: &Found, cursor: Option<(i64, i64)>, order: Order) -> bool {
    cursor.is_none_or(|cursor| match order {
        Order::NewestFirst => (found.activity, found.key) < cursor,
        Order::OldestFirst => (found.activity, found.key) > cursor,
    })
}

/// How many threads there are on all pages.
pub(crate) fn count(connection: &Connection, query: &ThreadPage) -> Result<u64, Problem> {
    Ok(tally(connection, query, None)?.count)
}

/// How many threads there are on all pages, as far as that is known in time.
pub(crate) fn tally(
    connection: &Connection,
    query: &ThreadPage,
    patience: Option<Duration>,
) -> Result<Tally, Problem> {
    let exactly = |count| Ok(Tally { count, is_exact: true });
    let Some(project) = projects::key_of(connection, query.project)? else { return exactly(0) };
    if query.thread.is_some() {
        return exactly(u64::from(!walk_all(connection, project, query, None, 1)?.is_empty()));
    }
    let deadline = Deadline::after(patience);
    let matched = match thread_match::asked(query) {
        Some(runs) => Some(thread_match::of(connection, &runs, deadline)?),
        None => None,
    };
    if query.trace_filter.is_some() {
        let count = count_by_roots(connection, project, query, matched.as_ref())?;
        return Ok(Tally { count, is_exact: matched.is_none_or(|matched| matched.is_whole) });
    }
    let is_windowed = !covers_everything(connection, project, query)?;
    if !is_windowed && query.with_single_traces {
        return match matched {
            Some(matched) => {
                Ok(Tally { count: matched.digests().count() as u64, is_exact: matched.is_whole })
            }
            None => {
                let known: i64 = connection
                    .prepare_cached("SELECT threads FROM projects WHERE key = ?")?
                    .query_row([project], |row| row.get(0))?;
                exactly(u64::try_from(known).unwrap_or(0))
            }
        };
    }
    let known = Listed::read(connection, project, query, deadline)?;
    let is_exact = known.is_whole && matched.as_ref().is_none_or(|matched| matched.is_whole);
    let count = match matched {
        Some(matched) => matched.digests().filter(|thread| known.has(thread)).count(),
        None => known.active.iter().filter(|thread| known.has(thread)).count(),
    };
    Ok(Tally { count: count as u64, is_exact })
}

/// Threads that a list shows, whatever their runs are.
struct Listed {
    /// Those of which some trace lies in the window.
    active: HashSet<u64>,
    /// Those that have a key, where others are not meant.
    threaded: Option<HashSet<u64>>,
    is_whole: bool,
}

impl Listed {
    fn read(
        connection: &Connection,
        project: i64,
        query: &ThreadPage,
        deadline: Deadline,
    ) -> rusqlite::Result<Self> {
        let (mut active, mut threaded) = (HashSet::new(), HashSet::new());
        let start = query.start.map(|start| start.timestamp_micros());
        let end = query.end.map(|end| end.timestamp_micros());
        let is_whole = threads::each_trace(connection, project, deadline, &mut |trace| {
            // Without any time, nothing is known to be active.
            if start.is_none_or(|start| trace.activity >= start)
                && end.is_none_or(|end| trace.began.is_some_and(|began| began < end))
            {
                active.insert(trace.thread);
            }
            if trace.is_threaded && !query.with_single_traces {
                threaded.insert(trace.thread);
            }
        })?;
        Ok(Self { active, threaded: (!query.with_single_traces).then_some(threaded), is_whole })
    }

    fn has(&self, thread: &u64) -> bool {
        self.active.contains(thread)
            && self.threaded.as_ref().is_none_or(|threaded| threaded.contains(thread))
    }
}

/// Where something is asked of roots too: thread by thread.
fn count_by_roots(
    connection: &Connection,
    project: i64,
    query: &ThreadPage,
    matched: Option<&Matched>,
) -> Result<u64, Problem> {
    if let Some(matched) = matched {
        let query = ThreadPage { filter: None, ..query.clone() };
        let mut asked = Asked::new(connection, project, &query)?;
        let mut count = 0;
        for found in matched.threads(connection, project, query.with_single_traces)? {
            count += u64::from(asked.holds(&found.thread)?);
        }
        return Ok(count);
    }
    let mut sql = Sql::default();
    sql.push("SELECT count(DISTINCT traces.thread) FROM traces WHERE traces.project = ").bind(project);
    sql.push(if query.with_single_traces { "" } else { " AND traces.is_threaded = 1" });
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

/// All threads, in no order.
fn walk_all(
    connection: &Connection,
    project: i64,
    query: &ThreadPage,
    cursor: Option<(i64, i64)>,
    limit: usize,
) -> Result<Vec<Found>, Problem> {
    Ok(walk(connection, project, query, cursor, limit, usize::MAX, &mut |_, _| Ok(Some(true)))?.found)
}

/// Threads that have a key, then, if asked for, traces that have none.
fn walk(
    connection: &Connection,
    project: i64,
    query: &ThreadPage,
    cursor: Option<(i64, i64)>,
    limit: usize,
    patience: usize,
    passes: &mut Passes<'_>,
) -> Result<Part, Problem> {
    let (mut found, mut cut) = (Vec::new(), None::<Found>);
    for is_threaded in [true, false] {
        if is_threaded || query.with_single_traces {
            let mut walk = Walk { connection, project, query, is_threaded, cursor, passes };
            let end = walk.go(limit, patience, &mut found)?;
            let is_sooner = |one: &Found| match (&cut, query.order) {
                (None, _) => true,
                (Some(cut), Order::NewestFirst) => one > cut,
                (Some(cut), Order::OldestFirst) => one < cut,
            };
            cut = end.filter(is_sooner).or(cut);
        }
    }
    let Some(cut) = cut else { return Ok(Part { found, cut: None }) };
    found.retain(|one| match query.order {
        Order::NewestFirst => *one > cut,
        Order::OldestFirst => *one < cut,
    });
    // So that the next page begins with it.
    let place = match query.order {
        Order::NewestFirst => (cut.activity, cut.key.saturating_add(1)),
        Order::OldestFirst => (cut.activity, cut.key.saturating_sub(1)),
    };
    Ok(Part { found, cut: Some(place) })
}

/// What is asked of a thread beside the query; `None` where that takes too long, which it must not of
/// the first one, or a page that ended there would begin there again.
type Passes<'p> = dyn FnMut(&str, bool) -> Result<Option<bool>, Problem> + 'p;

/// A way through the traces of a project in order of their activity.
struct Walk<'a, 'c, 'p> {
    connection: &'c Connection,
    project: i64,
    query: &'a ThreadPage,
    /// Threads that have a key, or traces that have none.
    is_threaded: bool,
    cursor: Option<(i64, i64)>,
    passes: &'a mut Passes<'p>,
}

impl Walk<'_, '_, '_> {
    /// Adds so many threads, unless it takes more looks at threads than one has
    /// patience for. Then, the thread that would have been next.
    fn go(
        &mut self,
        limit: usize,
        patience: usize,
        found: &mut Vec<Found>,
    ) -> Result<Option<Found>, Problem> {
        let Sql { text, parameters, .. } = self.sql();
        let mut statement = self.connection.prepare_cached(&text)?;
        let mut asked = Asked::new(self.connection, self.project, self.query)?;
        let mut rows = statement.query(params_from_iter(parameters))?;
        let (mut seen, mut added, mut looks) = (HashSet::new(), 0, 0);
        while added < limit
            && let Some(row) = rows.next()?
        {
            let thread = row.get_ref(2)?.as_str().unwrap_or_default();
            if seen.contains(thread) {
                continue;
            }
            let one = Found { activity: row.get(0)?, key: row.get(1)?, thread: thread.to_owned() };
            if !self.is_latest(&one)? {
                // Forwards in time, the latest is still to come.
                if self.query.order == Order::NewestFirst {
                    seen.insert(one.thread);
                }
                continue;
            }
            looks += 1;
            if looks > patience {
                return Ok(Some(one));
            }
            if self.is_threaded {
                seen.insert(one.thread.clone());
            }
            // What costs least is asked first.
            if !asked.holds(&one.thread)? {
                continue;
            }
            match (self.passes)(&one.thread, looks == 1)? {
                Some(true) => {
                    found.push(one);
                    added += 1;
                }
                Some(false) => {}
                None => return Ok(Some(one)),
            }
        }
        Ok(None)
    }

    fn sql(&self) -> Sql {
        let mut sql = Sql::default();
        sql.push("SELECT traces.activity, traces.key, traces.thread FROM traces WHERE traces.project = ");
        sql.bind(self.project);
        match &self.query.thread {
            // The thread says which traces; the order of time would mean looking at all of them.
            Some(thread) => {
                sql.push(" AND traces.thread = ").bind(thread.0.clone()).push(" AND +traces.is_threaded = ")
            }
            None => sql.push(" AND traces.is_threaded = "),
        };
        sql.bind(i64::from(self.is_threaded));
        if let Some((activity, key)) = self.cursor {
            sql.push(match self.query.order {
                Order::NewestFirst => " AND (traces.activity, traces.key) < (",
                Order::OldestFirst => " AND (traces.activity, traces.key) > (",
            });
            sql.bind(activity).push(", ").bind(key).push(")");
        }
        if let Some(start) = self.query.start {
            // Of the latest trace of a thread this says the same as the window, and an index answers it.
            sql.push(" AND traces.activity >= ").bind(start.timestamp_micros());
        }
        sql.push(match self.query.order {
            Order::NewestFirst => " ORDER BY traces.activity DESC, traces.key DESC",
            Order::OldestFirst => " ORDER BY traces.activity, traces.key",
        });
        sql
    }

    /// Whether a trace is the latest of its thread; of a trace without a key,
    /// whether it is alone: one whose id is the key of a thread belongs to that.
    fn is_latest(&self, one: &Found) -> rusqlite::Result<bool> {
        if !self.is_threaded {
            return Ok(!has_threaded(self.connection, self.project, &one.thread)?);
        }
        // Back in time from the end, the first one seen is the latest.
        if self.query.order == Order::NewestFirst && self.cursor.is_none() {
            return Ok(true);
        }
        let mut later = self.connection.prepare_cached(
            "SELECT 1 FROM traces WHERE project = ?1 AND thread = ?2 AND activity >= ?3 AND +is_threaded = 1 \
             AND (activity, key) > (?3, ?4) LIMIT 1",
        )?;
        Ok(!later.exists(params![self.project, one.thread, one.activity, one.key])?)
    }
}

/// Whether a thread of this name has traces that carry its key.
pub(super) fn has_threaded(connection: &Connection, project: i64, thread: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM traces WHERE project = ? AND thread = ? AND +is_threaded = 1 LIMIT 1")?
        .exists(params![project, thread])
}

/// What a query asks of a thread beside its place.
struct Asked<'c> {
    /// `None` where nothing is asked.
    statement: Option<(CachedStatement<'c>, Vec<Value>)>,
}

impl<'c> Asked<'c> {
    fn new(connection: &'c Connection, project: i64, query: &ThreadPage) -> rusqlite::Result<Self> {
        let mut own = Sql::default();
        conditions(&mut own, query);
        if own.text.is_empty() {
            return Ok(Self { statement: None });
        }
        let mut sql = Sql::default();
        sql.push("SELECT 1 FROM (SELECT ").bind(project).push(" AS project, ").bind(String::new());
        sql.push(" AS thread) AS traces WHERE 1");
        sql.text.push_str(&own.text);
        sql.parameters.extend(own.parameters);
        Ok(Self { statement: Some((connection.prepare_cached(&sql.text)?, sql.parameters)) })
    }

    fn holds(&mut self, thread: &str) -> rusqlite::Result<bool> {
        let Some((statement, parameters)) = &mut self.statement else { return Ok(true) };
        parameters[1] = Value::Text(thread.to_owned());
        statement.exists(params_from_iter(parameters.iter()))
    }
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

fn id_of(connection: &Connection, run: i64) -> rusqlite::Result<RunId> {
    let mut statement = connection.prepare_cached("SELECT id FROM runs WHERE key = ?")?;
    let id = statement.query_row([run], |row| columns::uuid(row, 0)).optional()?;
    Ok(id.map(RunId).unwrap_or_default())
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
        "SELECT traces.root, traces.runs, traces.start, traces.end, traces.latency, traces.status, \
         traces.input_tokens, traces.output_tokens, traces.total_tokens, traces.input_cost, \
         traces.output_cost, traces.total_cost FROM traces \
         WHERE traces.project = ? AND traces.thread = ? ORDER BY traces.start IS NULL, traces.start, traces.id",
    )?;
    let mut rows = statement.query(params![project, thread])?;
    let mut sum = ThreadRow::default();
    let mut latencies = Sketch::default();
    let (mut first_root, mut last_root) = (0, 0);
    while let Some(row) = rows.next()? {
        last_root = row.get(0)?;
        let (start, end) = (columns::time(row, 2)?, columns::time(row, 3)?);
        if sum.traces == 0 {
            (first_root, sum.first_start) = (last_root, start);
        }
        sum.last_start = sum.last_start.max(start);
        sum.last_end = sum.last_end.max(end);
        sum.traces += 1;
        sum.runs += columns::tokens(row, 1)?;
        if let Some(micros) = row.get::<_, Option<i64>>(4)? {
            latencies.add(micros as f64 / 1e6);
        }
        let status = columns::status(row.get_ref(5)?.as_str().unwrap_or_default());
        sum.errors += u64::from(status == RunStatus::Error);
        sum.is_pending = status == RunStatus::Pending;
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
    sum.first_root = id_of(connection, first_root)?;
    sum.last_root = id_of(connection, last_root)?;
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
