//! Which threads have a run that matches a filter.
//!
//! Two ways. [`Seeker`] asks one thread after another, as a page walks through
//! them: it looks at the segments their runs lie in, and at nothing else, so
//! a filter that many threads match is answered by a few segments. Where few
//! do, [`of`] finds all of them at once out of all digests.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::digest::{self, threads, walk};
use super::patience::Deadline;
use super::reader::Problem;
use super::select::{self, KEYS, Scope};
use super::thread_page::{Found, has_threaded};
use crate::{RunQuery, ThreadPage};

/// So many runs are looked at, thread by thread, before all digests are read instead.
const RUNS: usize = if cfg!(test) { 6 } else { 20_000 };
/// So many segments.
const SEGMENTS: usize = if cfg!(test) { 3 } else { 32 };
/// So many runs of which digests do not tell enough.
const DOUBTS: usize = if cfg!(test) { 2 } else { 1_000 };

/// What a query asks of runs; `None` where it has no filter, or names a
/// thread, whose few traces are asked as they come.
pub(super) fn asked(query: &ThreadPage) -> Option<RunQuery> {
    let filter = query.filter.as_ref().filter(|_| query.thread.is_none())?;
    Some(RunQuery { filter: Some(filter.clone()), ..RunQuery::new(query.project) })
}

/// The threads that match.
pub(super) struct Matched {
    found: threads::Found,
    /// Whether there was time to find all.
    pub(super) is_whole: bool,
}

/// The threads with a run that matches.
pub(super) fn of(connection: &Connection, runs: &RunQuery, deadline: Deadline) -> Result<Matched, Problem> {
    select::check(runs)?;
    let mut found = threads::Found::new();
    let mut is_whole = true;
    for scope in select::scopes(connection, runs)? {
        match scope {
            Scope::Project(project) => {
                is_whole &= threads::matching(connection, runs, project, deadline, &mut found)?;
            }
            scope => threads::matching_in(connection, runs, &scope, &mut found)?,
        }
    }
    Ok(Matched { found, is_whole })
}

impl Matched {
    /// Whether walking through threads soon meets some of these.
    pub(super) fn are_many(&self, connection: &Connection, project: i64) -> rusqlite::Result<bool> {
        let mut statement = connection.prepare_cached("SELECT threads FROM projects WHERE key = ?")?;
        let all: i64 = statement.query_row([project], |row| row.get(0))?;
        let (count, all) = (self.found.len() as u64, u64::try_from(all).unwrap_or(0));
        // About where a hundred threads are met as soon as all of these are looked up.
        Ok(count.saturating_mul(count) > all.saturating_mul(40))
    }

    pub(super) fn has(&self, thread: &str) -> bool {
        self.found.contains_key(&digest::thread_digest(thread))
    }

    pub(super) fn digests(&self) -> impl Iterator<Item = u64> + '_ {
        self.found.keys().copied()
    }

    /// Each by its latest trace, in no order.
    pub(super) fn threads(
        &self,
        connection: &Connection,
        project: i64,
        with_single_traces: bool,
    ) -> rusqlite::Result<Vec<Found>> {
        let mut traces = connection.prepare_cached(
            "SELECT thread, is_threaded, activity FROM traces WHERE key = ? AND project = ?",
        )?;
        let mut latest = connection.prepare_cached(
            "SELECT activity, key FROM traces WHERE project = ? AND thread = ? AND +is_threaded = 1 \
             ORDER BY activity DESC, key DESC LIMIT 1",
        )?;
        let mut found = Vec::new();
        for &key in self.found.values() {
            let mut rows = traces.query([key, project])?;
            let Some(row) = rows.next()? else { continue };
            let (thread, is_threaded): (String, bool) = (row.get(0)?, row.get(1)?);
            if is_threaded || has_threaded(connection, project, &thread)? {
                let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                if let Some((activity, key)) = latest.query_row(params![project, thread], place).optional()? {
                    found.push(Found { activity, key, thread });
                }
            } else if with_single_traces {
                found.push(Found { activity: row.get(2)?, key, thread });
            }
        }
        Ok(found)
    }
}

/// Asks threads one by one whether some run of theirs matches.
pub(super) struct Seeker<'c> {
    connection: &'c Connection,
    project: i64,
    runs: RunQuery,
    segments: HashMap<i64, digest::Known>,
    undigested: BTreeSet<i64>,
    up_to: i64,
    runs_left: usize,
    doubts_left: usize,
    /// Where digests tell all, and where runs themselves have to be asked.
    deadlines: [Deadline; 2],
}

impl<'c> Seeker<'c> {
    /// `None` where the filter names what an index finds at once, or there is too little to walk through.
    pub(super) fn new(
        connection: &'c Connection,
        project: i64,
        runs: &RunQuery,
        deadlines: [Deadline; 2],
    ) -> Result<Option<Self>, Problem> {
        select::check(runs)?;
        let is_open = matches!(select::scopes(connection, runs)?.as_slice(), [Scope::Project(_)]);
        if !is_open || !walk::is_large(connection, project)? {
            return Ok(None);
        }
        Ok(Some(Self {
            connection,
            project,
            runs: runs.clone(),
            segments: HashMap::new(),
            undigested: digest::undigested(connection)?,
            up_to: digest::up_to(connection)?,
            runs_left: RUNS,
            doubts_left: DOUBTS,
            deadlines,
        }))
    }

    /// `None` where that takes longer than it may; the first one is asked in any case.
    pub(super) fn asks(&mut self, thread: &str, is_first: bool) -> Result<Option<bool>, Problem> {
        let connection = self.connection;
        let mut statement = connection.prepare_cached(
            "SELECT runs.key FROM traces CROSS JOIN runs ON runs.trace = traces.key \
             WHERE traces.project = ? AND traces.thread = ? ORDER BY traces.activity DESC",
        )?;
        let mut rows = statement.query(params![self.project, thread])?;
        let mut doubtful = Vec::new();
        while let Some(row) = rows.next()? {
            if !is_first && self.is_tired() {
                return Ok(None);
            }
            let key: i64 = row.get(0)?;
            self.runs_left = self.runs_left.saturating_sub(1);
            let known = self.known(digest::segment_of(key))?;
            let at = digest::at(key);
            if known.must.has(at) {
                return Ok(Some(true));
            }
            if known.may.has(at) {
                doubtful.push(key);
            }
            if doubtful.len() == KEYS && self.some_match(&mut doubtful)? {
                return Ok(Some(true));
            }
        }
        self.some_match(&mut doubtful).map(Some)
    }

    fn is_tired(&self) -> bool {
        self.runs_left == 0
            || self.doubts_left == 0
            || self.segments.len() >= SEGMENTS
            || self.deadlines[usize::from(self.doubts_left < DOUBTS)].is_over()
    }

    /// What is known of the runs of a segment, whatever their project: these are of threads of ours.
    fn known(&mut self, number: i64) -> rusqlite::Result<&digest::Known> {
        if !self.segments.contains_key(&number) {
            let has_digest = number < self.up_to && !self.undigested.contains(&number);
            let known = match has_digest {
                true => digest::known(self.connection, number, &self.runs)?,
                false => digest::Known::open(),
            };
            self.segments.insert(number, known);
        }
        Ok(&self.segments[&number])
    }

    fn some_match(&mut self, doubtful: &mut Vec<i64>) -> Result<bool, Problem> {
        if doubtful.is_empty() {
            return Ok(false);
        }
        self.doubts_left = self.doubts_left.saturating_sub(doubtful.len());
        let scope = Scope::Keys { project: self.project, keys: std::mem::take(doubtful) };
        Ok(!select::page_in(self.connection, &self.runs, &scope, None, 1)?.is_empty())
    }
}
