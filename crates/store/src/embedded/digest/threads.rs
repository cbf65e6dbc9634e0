//! Threads out of digests: whose runs match, and what their traces say.
//!
//! A digest names the thread of every run that stands for a trace, so the
//! threads of a million runs are found without looking at one of them. Of
//! runs below, the root is mostly in the same segment; the others are asked.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::bits::{Bits, Known};
use super::segment::{IS_THREADED, NOTHING, Segment, Threads};
use super::{Part, SIZE, keys_of, thread_digest, walk};
use crate::RunQuery;
use crate::embedded::patience::Deadline;
use crate::embedded::reader::Problem;
use crate::embedded::select::{self, Scope};

/// Threads, each with the key of one of its traces.
pub(crate) type Found = HashMap<u64, i64>;

/// Adds the threads of all runs of a project that match. Whether there was time for all.
pub(crate) fn matching(
    connection: &Connection,
    query: &RunQuery,
    project: i64,
    deadline: Deadline,
    found: &mut Found,
) -> Result<bool, Problem> {
    if !walk::is_large(connection, project)? {
        matching_in(connection, query, &Scope::Project(project), found)?;
        return Ok(true);
    }
    // Traces whose thread no digest named.
    let mut elsewhere = HashSet::new();
    let window = walk::window(query);
    let mut is_whole = true;
    for scope in walk::undigested(connection, project)? {
        is_whole &= ask_in_pieces(connection, query, &scope, deadline, &mut elsewhere)?;
    }
    for zone in walk::zones(connection, project, window)? {
        if !is_whole || deadline.is_over() {
            is_whole = false;
            break;
        }
        let mut segment = Segment::new(connection, zone.segment);
        let known = walk::known(&mut segment, query, project, &zone, window)?;
        if !known.may.is_empty() {
            let elsewhere = &mut elsewhere;
            let mut part = Matching { segment, query, project, deadline, found, elsewhere };
            is_whole = part.add(&known)?;
        }
    }
    look_up(connection, elsewhere, found)?;
    Ok(is_whole)
}

/// Runs asked between two looks at the clock, where payloads may have to be read.
const PIECE: i64 = if cfg!(test) { 3 } else { 256 };

/// Adds the traces of a range of runs that match. Whether there was time for all.
fn ask_in_pieces(
    connection: &Connection,
    query: &RunQuery,
    scope: &Scope,
    deadline: Deadline,
    elsewhere: &mut HashSet<i64>,
) -> Result<bool, Problem> {
    let mut add = |trace| {
        elsewhere.insert(trace);
    };
    let range = match *scope {
        Scope::Range { project, first, last } if deadline.is_set() => Some((project, first, last)),
        _ => None,
    };
    let Some((project, first, last)) = range else {
        select::traces_in(connection, query, scope, &mut add)?;
        return Ok(true);
    };
    let newest: Option<i64> =
        connection.prepare_cached("SELECT max(key) FROM runs")?.query_row([], |row| row.get(0))?;
    let last = last.min(newest.unwrap_or(i64::MIN));
    let mut at = first;
    while at <= last {
        if deadline.is_over() {
            return Ok(false);
        }
        let end = at.saturating_add(PIECE - 1).min(last);
        select::traces_in(connection, query, &Scope::Range { project, first: at, last: end }, &mut add)?;
        at = end.saturating_add(1);
    }
    Ok(true)
}

/// One segment with runs that match.
struct Matching<'a, 'c> {
    segment: Segment<'c>,
    query: &'a RunQuery,
    project: i64,
    deadline: Deadline,
    found: &'a mut Found,
    elsewhere: &'a mut HashSet<i64>,
}

impl Matching<'_, '_> {
    /// Whether there was time for all.
    fn add(&mut self, known: &Known) -> Result<bool, Problem> {
        let (traces, threads) = (self.segment.numbers(Part::Trace)?, self.segment.threads()?);
        let (Some(traces), Some(threads)) = (traces, threads) else { return self.ask(&known.may) };
        // Of runs below a root in this segment, the thread by the trace; made when somebody asks.
        let mut by_trace: Option<HashMap<i64, u64>> = None;
        let mut thread_of = |at: usize| {
            threads.at(at).or_else(|| {
                let by_trace = by_trace.get_or_insert_with(|| roots(&traces, &threads));
                by_trace.get(&traces[at]).copied()
            })
        };
        for at in known.must.places() {
            match thread_of(at) {
                Some(thread) => {
                    self.found.entry(thread).or_insert(traces[at]);
                }
                None => {
                    self.elsewhere.insert(traces[at]);
                }
            }
        }
        let mut doubtful = Bits::NONE;
        for at in known.may.without(&known.must).places() {
            // One run is enough for a thread.
            if !thread_of(at).is_some_and(|thread| self.found.contains_key(&thread)) {
                doubtful.add(at);
            }
        }
        self.ask(&doubtful)
    }

    /// Asks the runs themselves. Whether there was time for all.
    fn ask(&mut self, places: &Bits) -> Result<bool, Problem> {
        let (connection, number) = (self.segment.connection(), self.segment.number);
        if places.count() * 4 > SIZE.unsigned_abs() {
            let (first, last) = keys_of(number);
            let scope = Scope::Range { project: self.project, first, last };
            return ask_in_pieces(connection, self.query, &scope, self.deadline, self.elsewhere);
        }
        for scope in walk::keyed(places, self.project, number) {
            if self.deadline.is_over() {
                return Ok(false);
            }
            let mut found = |trace| {
                self.elsewhere.insert(trace);
            };
            select::traces_in(connection, self.query, &scope, &mut found)?;
        }
        Ok(true)
    }
}

fn roots(traces: &[i64], threads: &Threads) -> HashMap<i64, u64> {
    let root = |(at, &trace): (usize, &i64)| Some((trace, threads.at(at)?));
    traces.iter().enumerate().filter_map(root).collect()
}

/// Adds the threads of the runs of one scope that match.
pub(crate) fn matching_in(
    connection: &Connection,
    query: &RunQuery,
    scope: &Scope,
    found: &mut Found,
) -> Result<(), Problem> {
    let mut traces = HashSet::new();
    select::traces_in(connection, query, scope, &mut |trace| {
        traces.insert(trace);
    })?;
    Ok(look_up(connection, traces, found)?)
}

fn look_up(connection: &Connection, traces: HashSet<i64>, found: &mut Found) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached("SELECT thread FROM traces WHERE key = ?")?;
    for trace in traces {
        let thread =
            statement.query_row([trace], |row| Ok(thread_digest(row.get_ref(0)?.as_str()?))).optional()?;
        if let Some(thread) = thread {
            found.entry(thread).or_insert(trace);
        }
    }
    Ok(())
}

/// What is known of one trace.
pub(crate) struct TraceFacts {
    pub(crate) thread: u64,
    /// Whether some run of it carries the key of a thread.
    pub(crate) is_threaded: bool,
    /// As its row has it: the least integer without any time.
    pub(crate) activity: i64,
    /// When it began, else ended.
    pub(crate) began: Option<i64>,
}

/// Hands over all traces of a project. Whether there was time for all.
pub(crate) fn each_trace(
    connection: &Connection,
    project: i64,
    deadline: Deadline,
    found: &mut impl FnMut(TraceFacts),
) -> rusqlite::Result<bool> {
    if !walk::is_large(connection, project)? {
        each_row(connection, &Scope::Project(project), found)?;
        return Ok(true);
    }
    for scope in walk::undigested(connection, project)? {
        each_row(connection, &scope, found)?;
    }
    for zone in walk::zones(connection, project, (i64::MIN, i64::MAX))? {
        if deadline.is_over() {
            return Ok(false);
        }
        let mut segment = Segment::new(connection, zone.segment);
        let of_project = segment.of_project(project)?;
        let columns = (
            segment.threads()?,
            segment.numbers(Part::Flags)?,
            segment.numbers(Part::Activity)?,
            segment.numbers(Part::Began)?,
        );
        let (Some(of_project), (Some(threads), Some(flags), Some(activity), Some(began))) =
            (of_project, columns)
        else {
            let (first, last) = keys_of(zone.segment);
            each_row(connection, &Scope::Range { project, first, last }, found)?;
            continue;
        };
        for at in 0..SIZE as usize {
            if let Some(thread) = threads.at(at).filter(|_| of_project.has(at)) {
                found(TraceFacts {
                    thread,
                    is_threaded: flags[at] & IS_THREADED != 0,
                    activity: activity[at],
                    began: Some(began[at]).filter(|&began| began != NOTHING),
                });
            }
        }
    }
    Ok(true)
}

/// The same from the rows themselves: of a project, or of roots that arrived together.
fn each_row(
    connection: &Connection,
    scope: &Scope,
    found: &mut impl FnMut(TraceFacts),
) -> rusqlite::Result<()> {
    let of_range = "SELECT traces.thread, traces.is_threaded, traces.activity, \
         coalesce(traces.start, traces.end) FROM runs CROSS JOIN traces ON traces.key = runs.trace \
         AND traces.root = runs.key WHERE runs.key BETWEEN ?2 AND ?3 AND traces.project = ?1";
    let of_project = "SELECT thread, is_threaded, activity, coalesce(start, end) FROM traces \
         WHERE project = ?1 AND ?2 < ?3";
    let (sql, project, first, last) = match *scope {
        Scope::Range { project, first, last } => (of_range, project, first, last),
        Scope::Project(project) => (of_project, project, 0, 1),
        _ => return Ok(()),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![project, first, last])?;
    while let Some(row) = rows.next()? {
        found(TraceFacts {
            thread: thread_digest(row.get_ref(0)?.as_str()?),
            is_threaded: row.get(1)?,
            activity: row.get(2)?,
            began: row.get(3)?,
        });
    }
    Ok(())
}
