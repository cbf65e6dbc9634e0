//! Runs that came before their parents, and how they find their traces.
//!
//! A run with a dotted order knows its place. One that names nothing but its
//! parent stands where that stands. As long as the parent is not there, or
//! does not know its own place, the run is loose: it has a row in the table
//! `loose`, and leads a trace of its own or shares one with what is known of
//! its ancestors. News of a parent makes the rows of its children due; due
//! runs are placed in the same transaction, a large number of them in
//! portions. While no run is loose, none of this costs anything.
//!
//! Start with [`note`], then [`place`].

use assay_domain::{RunId, RunPatch, Time, TraceId, order};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value};

use super::columns::{self, Columns, UPDATE_RUN};
use super::fold;
use super::prepare::{Assembled, assemble};
use super::traces::Traces;
use super::writer::Writer;
use crate::Error;
use crate::format::{self, Record};

/// So many runs are placed in one transaction, and so many bytes of payloads
/// read for that, so that others need not wait long.
const AT_ONCE: usize = 2_000;
const BYTES: usize = 16 << 20;
/// So far up a parent that is loose itself is followed, in search of a circle.
const MAX_CLIMB: usize = 200;

/// What is known of the table without asking it.
#[derive(Clone, Copy)]
pub(crate) struct Loose {
    any: bool,
    due: bool,
}

impl Loose {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let exists = |sql| connection.query_row(sql, [], |row| row.get(0));
        Ok(Self {
            any: exists("SELECT EXISTS (SELECT 1 FROM loose)")?,
            due: exists("SELECT EXISTS (SELECT 1 FROM loose WHERE is_due = 1)")?,
        })
    }
}

/// Takes note of a run that is new, or of whose place there is news.
pub(crate) fn note(
    writer: &mut Writer,
    key: i64,
    columns: &Columns,
    is_created: bool,
) -> rusqlite::Result<()> {
    let (connection, loose) = (&writer.connection, &mut writer.keys.loose);
    // An update that came first says nothing about the parent.
    let is_root = is_created && columns.parent.is_none_or(|parent| parent == columns.id);
    if !columns.has_order && !is_root {
        let parent = columns.parent.as_ref().map(|parent| parent.0.as_bytes());
        connection
            .prepare_cached(
                "INSERT INTO loose (run, parent, is_due) VALUES (?, ?, 1) \
                 ON CONFLICT (run) DO UPDATE SET parent = excluded.parent, is_due = 1",
            )?
            .execute(params![key, parent])?;
        *loose = Loose { any: true, due: true };
    } else if loose.any {
        release(connection, key)?;
    }
    if loose.any {
        loose.due |= call(connection, columns.id)?;
    }
    Ok(())
}

/// Places runs that are due, inside a transaction, and settles their traces. Whether there were any.
pub(crate) fn place(writer: &mut Writer) -> rusqlite::Result<bool> {
    if !writer.keys.loose.due {
        return Ok(false);
    }
    let mut work = Work { traces: Traces::default(), bytes: 0, last: None };
    for _ in 0..AT_ONCE {
        let next: Option<i64> = writer
            .connection
            .prepare_cached("SELECT run FROM loose WHERE is_due = 1 ORDER BY run LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let Some(run) = next else {
            writer.keys.loose = Loose::load(&writer.connection)?;
            break;
        };
        place_one(writer, &mut work, run)?;
        if work.bytes > BYTES {
            break;
        }
    }
    writer.settle(work.traces)?;
    Ok(true)
}

/// Places a portion of what one transaction did not get done with. Whether there was any.
pub(crate) fn tidy(writer: &mut Writer) -> Result<bool, Error> {
    if !writer.keys.loose.due {
        return Ok(false);
    }
    writer.transact(|writer| Ok(place(writer)?))
}

/// What goes on in one transaction.
struct Work {
    traces: Traces,
    /// Of payloads that were read.
    bytes: usize,
    /// Key and order of the parent that was read last: siblings come one after another.
    last: Option<(i64, Option<String>)>,
}

/// A run whose place is sought.
struct Below {
    key: i64,
    id: RunId,
    parent: Option<RunId>,
    project: i64,
    /// Key of its trace.
    trace: i64,
}

/// Its parent.
struct Above {
    id: RunId,
    parent: Option<RunId>,
    trace: TraceId,
    is_loose: bool,
    /// `None` where it is loose.
    order: Option<String>,
}

fn place_one(writer: &mut Writer, work: &mut Work, key: i64) -> rusqlite::Result<()> {
    let Some(below) = below(&writer.connection, key)? else {
        return release(&writer.connection, key);
    };
    let parent = below.parent.filter(|parent| *parent != below.id);
    let above = parent.map(|parent| above(&writer.connection, work, parent)).transpose()?.flatten();
    let Some(above) = above else { return wait(&writer.connection, key) };
    let trace = work.traces.id(&writer.connection, below.trace)?;
    let to = if joins(&writer.connection, &below, trace, &above)? { above.trace } else { trace };
    if to == trace && above.order.is_none() {
        return finish(writer, &below, above.is_loose, !above.is_loose);
    }
    let body: Option<Vec<u8>> = writer
        .connection
        .prepare_cached("SELECT body FROM payloads WHERE run = ?")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    work.bytes += body.as_ref().map_or(0, Vec::len);
    // What is damaged stays as it is.
    let Some(Ok(record)) = body.as_deref().map(format::decode) else {
        return release(&writer.connection, key);
    };
    let own = Own::of(&record);
    if own.order.is_some() {
        return finish(writer, &below, false, true);
    }
    let order =
        above.order.as_ref().zip(own.start).and_then(|(above, start)| order::below(above, start, below.id));
    let stays_loose = above.is_loose;
    if to != trace || order.is_some() {
        write(writer, work, &below, record, to, order)?;
    }
    finish(writer, &below, stays_loose, true)
}

/// Whether a run goes where its parent is.
///
/// A parent that is loose itself may stand in a trace of its own only for the
/// time being: whoever says to be in another one stays there until it is known.
fn joins(connection: &Connection, below: &Below, trace: TraceId, above: &Above) -> rusqlite::Result<bool> {
    if above.trace == trace || !above.is_loose {
        return Ok(true);
    }
    if above.trace == TraceId::from(above.id) && trace != TraceId::from(below.id) {
        return Ok(false);
    }
    // Where parents run in a circle, everybody stays.
    let mut next = above.parent;
    for _ in 0..MAX_CLIMB {
        let Some(id) = next else { return Ok(true) };
        if id == below.id {
            return Ok(false);
        }
        let parent = connection
            .prepare_cached("SELECT parent FROM runs WHERE id = ?")?
            .query_row([id.0.as_bytes()], |row| columns::parent(row, 0))
            .optional()?;
        next = parent.flatten();
    }
    Ok(false)
}

fn below(connection: &Connection, key: i64) -> rusqlite::Result<Option<Below>> {
    connection
        .prepare_cached("SELECT id, parent, project, trace FROM runs WHERE key = ?")?
        .query_row([key], |row| {
            Ok(Below {
                key,
                id: RunId(columns::uuid(row, 0)?),
                parent: columns::parent(row, 1)?,
                project: row.get(2)?,
                trace: row.get(3)?,
            })
        })
        .optional()
}

/// `None` where it is not there.
fn above(connection: &Connection, work: &mut Work, id: RunId) -> rusqlite::Result<Option<Above>> {
    type Row = (i64, Option<RunId>, i64, bool);
    let known: Option<Row> = connection
        .prepare_cached(
            "SELECT key, parent, trace, EXISTS (SELECT 1 FROM loose WHERE run = runs.key) FROM runs WHERE id = ?",
        )?
        .query_row([id.0.as_bytes()], |row| {
            Ok((row.get(0)?, columns::parent(row, 1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((key, parent, trace, is_loose)) = known else { return Ok(None) };
    let trace = work.traces.id(connection, trace)?;
    let order = if is_loose { None } else { order_of(connection, work, key)? };
    Ok(Some(Above { id, parent, trace, is_loose, order }))
}

/// The order of a run that is not loose: it will not change in this transaction.
fn order_of(connection: &Connection, work: &mut Work, key: i64) -> rusqlite::Result<Option<String>> {
    if let Some((last, order)) = &work.last
        && *last == key
    {
        return Ok(order.clone());
    }
    let body: Option<Vec<u8>> = connection
        .prepare_cached("SELECT body FROM payloads WHERE run = ?")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    work.bytes += body.as_ref().map_or(0, Vec::len);
    let record = body.and_then(|body| format::decode(&body).ok());
    let order = record.and_then(|record| Own::of(&record).order);
    work.last = Some((key, order.clone()));
    Ok(order)
}

/// What the pieces of a run say about its place.
struct Own {
    order: Option<String>,
    start: Option<Time>,
}

impl Own {
    fn of(record: &Record) -> Self {
        let creation = record.creation.as_deref().and_then(|json| format::read_part(json).ok());
        let pieces = [record.updates.as_ref(), creation.as_ref()];
        let said = || pieces.into_iter().flatten();
        Self {
            order: said().find_map(|piece| piece.dotted_order.clone()),
            start: said().find_map(|piece| piece.start_time),
        }
    }
}

/// Writes the place of a run as if an update had said it.
fn write(
    writer: &mut Writer,
    work: &mut Work,
    below: &Below,
    mut record: Record,
    trace: TraceId,
    order: Option<String>,
) -> rusqlite::Result<()> {
    let depth = order.as_deref().map(order::depth);
    let metadata = depth.map(|depth| Map::from_iter([("ls_run_depth".to_owned(), Value::from(depth))]));
    let place = RunPatch { trace: Some(trace), dotted_order: order, metadata, ..RunPatch::default() };
    fold::amend(&mut record, place);
    let Ok(Assembled { columns, body, .. }) = assemble(record, below.id, None) else { return Ok(()) };
    let connection = &writer.connection;
    work.traces.change(connection, below.trace)?;
    let to = work.traces.key(connection, below.project, columns.trace, &mut writer.keys.next_trace)?;
    work.traces.change(connection, to)?;
    let seen: Vec<u8> = connection
        .prepare_cached("SELECT seen FROM runs WHERE key = ?")?
        .query_row([below.key], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(UPDATE_RUN)?;
    columns.write(&mut statement, below.key, below.project, to, &seen)?;
    drop(statement);
    connection
        .prepare_cached("UPDATE payloads SET body = ?2 WHERE run = ?1")?
        .execute(params![below.key, body])?;
    writer.keys.outdate(below.key);
    Ok(())
}

/// A run was looked at. Its children are due where that was news.
fn finish(writer: &mut Writer, below: &Below, stays_loose: bool, is_news: bool) -> rusqlite::Result<()> {
    let connection = &writer.connection;
    if stays_loose {
        wait(connection, below.key)?;
    } else {
        release(connection, below.key)?;
    }
    if is_news {
        call(connection, below.id)?;
    }
    Ok(())
}

/// Makes the loose children of a run due. Whether there are any.
fn call(connection: &Connection, parent: RunId) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("UPDATE loose SET is_due = 1 WHERE parent = ?")?;
    Ok(statement.execute([parent.0.as_bytes()])? > 0)
}

fn wait(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("UPDATE loose SET is_due = 0 WHERE run = ?")?.execute([run]).map(drop)
}

fn release(connection: &Connection, run: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM loose WHERE run = ?")?.execute([run]).map(drop)
}

#[cfg(test)]
mod tests;
