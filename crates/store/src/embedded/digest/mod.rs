//! Digests: the narrow columns of many runs in a row, packed by column.
//!
//! Runs are dealt with in segments of [`SIZE`] keys. Of a segment that is full
//! and has been quiet, the columns that filters ask for are kept once more,
//! packed one by one, with the sums of each project in it. So a question
//! about a million runs reads a few hundred short blobs. A digest is derived
//! from its runs and never wrong: whoever changes a run of it takes it away in
//! the same transaction ([`outdate`]), and questions then look at the runs
//! themselves until it is made again.
//!
//! Start with [`keep_up`], then `walk`, which answers questions.

mod bits;
mod build;
mod entries;
mod evaluate;
pub(super) mod lines;
mod pack;
mod segment;
#[cfg(test)]
mod tests;
pub(super) mod threads;
pub(super) mod totals;
pub(super) mod walk;

use std::collections::BTreeSet;

pub(super) use bits::Known;
pub(super) use segment::thread_digest;

use rusqlite::{Connection, OptionalExtension as _};

use super::schema::{self, set_setting};
use super::writer::Writer;
use crate::{Error, RunQuery};

/// So many keys make a segment. Tests have small ones, so that few runs already fill some.
pub(crate) const SIZE: i64 = if cfg!(test) { 4 } else { 4_096 };
/// A segment is digested once so many keys beyond it were given: runs change while they are young.
const QUIET: i64 = if cfg!(test) { 0 } else { 1_024 };
/// Projects with fewer runs are looked through as they are.
const WORTHWHILE: i64 = if cfg!(test) { 0 } else { 20_000 };

/// So many segments are digested in one transaction, so that others need not wait long.
const AT_ONCE: usize = 8;

/// So many segments below have been digested once.
const SETTING: &str = "digested_up_to";
/// So many segments below have been looked through for parts that older programs did not make.
const WHOLE: &str = "digested_whole_up_to";
/// So many at once.
const LOOKED_THROUGH: i64 = 256;

/// What a digest has of its runs; each is kept as a blob of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Project,
    /// Whether a run has a parent, a start, an error.
    Flags,
    Moment,
    End,
    FirstToken,
    Latency,
    InputTokens,
    OutputTokens,
    TotalTokens,
    /// As the bits of a float; there is no finer question.
    TotalCost,
    Status,
    Kind,
    Name,
    Model,
    Tags,
    Metadata,
    /// Keys of traces. Digests that older programs made have none.
    Trace,
    /// Of roots, by the traces they stand for: the thread, by a digest of its name. Older programs made
    /// none of these three, and do not say in the flags which texts are long.
    Thread,
    /// When the trace was active last, as its row has it.
    Activity,
    /// When the trace began, else ended.
    Began,
}

impl Part {
    /// Never changes its meaning: it is part of a key on disk.
    fn number(self) -> i64 {
        self as i64
    }
}

/// Keys of blobs of one segment lie between these.
const PARTS: i64 = 32;

fn place(segment: i64, part: Part) -> i64 {
    segment * PARTS + part.number()
}

/// The segment of a run.
pub(crate) fn segment_of(key: i64) -> i64 {
    key.div_euclid(SIZE)
}

/// The place of a run in its segment.
pub(super) fn at(key: i64) -> usize {
    usize::try_from(key.rem_euclid(SIZE)).unwrap_or_default()
}

/// What the digest of a segment knows of a query, whatever the project and the time.
pub(super) fn known(connection: &Connection, segment: i64, query: &RunQuery) -> rusqlite::Result<Known> {
    evaluate::query(&mut segment::Segment::new(connection, segment), query)
}

/// The first and the last key of a segment.
fn keys_of(segment: i64) -> (i64, i64) {
    (segment * SIZE, (segment + 1) * SIZE - 1)
}

/// How many segments have been digested.
pub(crate) fn up_to(connection: &Connection) -> rusqlite::Result<i64> {
    schema::setting(connection, SETTING)
}

/// Segments that were digested once and have to be again.
pub(crate) fn undigested(connection: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
    let mut statement = connection.prepare_cached("SELECT segment FROM undigested")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Takes away what no longer is true. Part of the transaction that changed the runs.
pub(crate) fn outdate(connection: &Connection, segments: &BTreeSet<i64>) -> rusqlite::Result<()> {
    for &segment in segments {
        remove(connection, segment)?;
        connection.prepare_cached("INSERT OR IGNORE INTO undigested VALUES (?)")?.execute([segment])?;
    }
    Ok(())
}

fn remove(connection: &Connection, segment: i64) -> rusqlite::Result<()> {
    let (first, last) = (segment * PARTS, segment * PARTS + PARTS - 1);
    connection.prepare_cached("DELETE FROM digests WHERE key BETWEEN ? AND ?")?.execute([first, last])?;
    connection.prepare_cached("DELETE FROM zones WHERE segment = ?")?.execute([segment])?;
    Ok(())
}

/// Digests segments that are full, and with each one that was outdated; a
/// transaction that adds runs does so. Whether there was any.
pub(crate) fn keep_up(writer: &mut Writer) -> rusqlite::Result<bool> {
    for done in 0..AT_ONCE {
        let next = writer.keys.digested_up_to;
        if writer.keys.next_run < (next + 1) * SIZE + QUIET {
            return Ok(done > 0);
        }
        build::build(&writer.connection, next)?;
        set_setting(&writer.connection, SETTING, next + 1)?;
        if schema::setting(&writer.connection, WHOLE)? == next {
            set_setting(&writer.connection, WHOLE, next + 1)?;
        }
        writer.keys.digested_up_to = next + 1;
        renew(&writer.connection)?;
    }
    Ok(true)
}

/// Digests one segment more, or again. Whether there was one to digest.
pub(crate) fn tidy(writer: &mut Writer) -> Result<bool, Error> {
    let next = writer.keys.digested_up_to;
    let is_due = writer.keys.next_run >= (next + 1) * SIZE + QUIET;
    let is_whole = schema::setting(&writer.connection, WHOLE).is_ok_and(|whole| whole >= next);
    if !is_due && is_whole && undigested(&writer.connection).is_ok_and(|segments| segments.is_empty()) {
        return Ok(false);
    }
    writer.transact(|writer| {
        Ok(keep_up(writer)? || renew(&writer.connection)? || complete(&writer.connection)?)
    })
}

/// Digests a segment anew whose digest an older program made. Inside a transaction. Whether there are any to look at.
fn complete(connection: &Connection) -> rusqlite::Result<bool> {
    let (from, up_to) = (schema::setting(connection, WHOLE)?, up_to(connection)?);
    let until = up_to.min(from + LOOKED_THROUGH);
    let mut made = connection.prepare_cached("SELECT 1 FROM digests WHERE key = ?")?;
    let mut next = from;
    while next < until {
        next += 1;
        if !made.exists([place(next - 1, Part::Began)])? {
            build::build(connection, next - 1)?;
            connection.prepare_cached("DELETE FROM undigested WHERE segment = ?")?.execute([next - 1])?;
            break;
        }
    }
    set_setting(connection, WHOLE, next)?;
    Ok(from < up_to)
}

/// Digests one segment again that was outdated. Inside a transaction. Whether there was one.
pub(crate) fn renew(connection: &Connection) -> rusqlite::Result<bool> {
    let outdated: Option<i64> = connection
        .prepare_cached("SELECT segment FROM undigested ORDER BY segment LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(segment) = outdated else { return Ok(false) };
    build::build(connection, segment)?;
    connection.prepare_cached("DELETE FROM undigested WHERE segment = ?")?.execute([segment])?;
    Ok(true)
}
