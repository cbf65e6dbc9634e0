//! Which traces have a run that matches a filter, and whose threads they are.
//!
//! Digests tell the traces of a project quickly; they are kept as one bit for
//! each. From there a page either walks threads in their order and asks for
//! each whether one of its traces is among them, or, where these are few,
//! looks up their threads.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::reader::Problem;
use super::select;
use super::thread_page::{Found, has_threaded};
use crate::{RunQuery, ThreadPage};

/// Of a project with so many times more traces, looking up those that match is quicker than going through all.
const FEW: u64 = 8;

/// The traces that match, by their keys.
pub(super) struct Matched {
    words: Vec<u64>,
    count: u64,
}

/// The traces that match the filter of a query; `None` where it has none, or
/// names a thread, whose few traces are asked as they come.
pub(super) fn of(connection: &Connection, query: &ThreadPage) -> Result<Option<Matched>, Problem> {
    let Some(filter) = query.filter.as_ref().filter(|_| query.thread.is_none()) else { return Ok(None) };
    let runs = RunQuery { filter: Some(filter.clone()), ..RunQuery::new(query.project) };
    let mut matched = Matched { words: Vec::new(), count: 0 };
    select::each_trace(connection, &runs, &mut |key| matched.add(key))?;
    Ok(Some(matched))
}

impl Matched {
    fn add(&mut self, key: i64) {
        let Ok(key) = usize::try_from(key) else { return };
        if key / 64 >= self.words.len() {
            self.words.resize(key / 64 + 1, 0);
        }
        let (word, bit) = (&mut self.words[key / 64], 1 << (key % 64));
        self.count += u64::from(*word & bit == 0);
        *word |= bit;
    }

    fn has(&self, key: i64) -> bool {
        let Ok(key) = usize::try_from(key) else { return false };
        self.words.get(key / 64).is_some_and(|word| word >> (key % 64) & 1 == 1)
    }

    fn keys(&self) -> impl Iterator<Item = i64> + '_ {
        let ones = |(at, &word): (usize, &u64)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| (at * 64 + bit) as i64)
        };
        self.words.iter().enumerate().filter(|(_, word)| **word != 0).flat_map(ones)
    }

    /// Whether walking through threads soon meets some of these.
    pub(super) fn are_many(&self, connection: &Connection, project: i64) -> rusqlite::Result<bool> {
        // About where a hundred threads are met as soon as all of these are looked up.
        Ok(self.count.saturating_mul(self.count) > traces(connection, project)?.saturating_mul(40))
    }

    /// Whether one of the traces of a thread is among these; `key` is its latest.
    pub(super) fn has_some(
        &self,
        connection: &Connection,
        project: i64,
        key: i64,
        thread: &str,
    ) -> rusqlite::Result<bool> {
        if self.has(key) {
            return Ok(true);
        }
        let mut statement =
            connection.prepare_cached("SELECT key FROM traces WHERE project = ? AND thread = ?")?;
        let mut rows = statement.query(params![project, thread])?;
        while let Some(row) = rows.next()? {
            if self.has(row.get(0)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Their threads, each by its latest trace, in no order.
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
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for key in self.keys() {
            let mut rows = traces.query([key, project])?;
            let Some(row) = rows.next()? else { continue };
            let thread = row.get_ref(0)?.as_str().unwrap_or_default();
            if seen.contains(thread) {
                continue;
            }
            let (thread, is_threaded): (String, bool) = (thread.to_owned(), row.get(1)?);
            if is_threaded || has_threaded(connection, project, &thread)? {
                let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                if let Some((activity, key)) = latest.query_row(params![project, thread], place).optional()? {
                    found.push(Found { activity, key, thread: thread.clone() });
                }
                seen.insert(thread);
            } else if with_single_traces {
                found.push(Found { activity: row.get(2)?, key, thread });
            }
        }
        Ok(found)
    }

    /// How many threads they belong to, traces without a key among them.
    pub(super) fn count_threads(&self, connection: &Connection, project: i64) -> Result<u64, Problem> {
        if self.count.saturating_mul(FEW) < traces(connection, project)? {
            let mut statement =
                connection.prepare_cached("SELECT thread FROM traces WHERE key = ? AND project = ?")?;
            let mut threads: HashSet<String> = HashSet::new();
            for key in self.keys() {
                let thread = statement.query_row([key, project], |row| row.get::<_, String>(0));
                threads.extend(thread.optional()?);
            }
            return Ok(threads.len() as u64);
        }
        // An index has all traces thread by thread.
        let mut statement =
            connection.prepare_cached("SELECT thread, key FROM traces WHERE project = ? ORDER BY thread")?;
        let mut rows = statement.query([project])?;
        let (mut count, mut last) = (0, None::<Vec<u8>>);
        while let Some(row) = rows.next()? {
            if !self.has(row.get(1)?) {
                continue;
            }
            let thread = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
            if last.as_deref() != Some(thread) {
                count += 1;
                last.get_or_insert_default().clear();
                last.get_or_insert_default().extend_from_slice(thread);
            }
        }
        Ok(count)
    }
}

fn traces(connection: &Connection, project: i64) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("SELECT traces FROM projects WHERE key = ?")?;
    Ok(u64::try_from(statement.query_row([project], |row| row.get::<_, i64>(0))?).unwrap_or(0))
}
