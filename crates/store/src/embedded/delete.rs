//! Deleting runs with all that hangs on them.
//!
//! What is deleted is overwritten on disk, and so are the answers remembered
//! about texts of the project: their keys do not tell which text they are
//! about, and they can be had again. Searches stop finding deleted runs at
//! once; single words of them, without their order, stay in the pages of the
//! full-text index until SQLite merges its segments.

use std::collections::BTreeSet;

use assay_domain::{ProjectId, Time, TraceId};
use rusqlite::{Row, params};

use super::blobs;
use super::digest;
use super::projects;
use super::reader::Problem;
use super::schema::set_setting;
use super::traces::Traces;
use super::writer::Writer;
use crate::{Deleted, Error, Key};

/// So many traces go in one transaction, so that appends need not wait long.
pub(super) const PORTION: usize = 200;

/// Does deleting work, in a transaction of its own, so that nothing of it stays readable in the file.
pub(super) fn overwriting<T>(
    writer: &mut Writer,
    work: impl FnOnce(&mut Writer) -> Result<T, Problem>,
) -> Result<T, Error> {
    let dir = writer.dir.clone();
    let failed = |source| Error::of_database(&dir, source);
    writer.connection.pragma_update(None, "secure_delete", true).map_err(failed)?;
    let done = writer.transact(work);
    writer.connection.pragma_update(None, "secure_delete", false).map_err(failed)?;
    done
}

/// Empties the log, which still holds what was deleted, as far as no reader is in the way.
pub(super) fn scrub(writer: &mut Writer) -> Result<(), Error> {
    let checkpoint = |_: &Row<'_>| Ok(());
    let done = writer.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], checkpoint);
    done.map_err(|source| Error::of_database(&writer.dir, source))
}

/// Deletes those of the named traces that the project has.
pub(super) fn named(writer: &mut Writer, project: ProjectId, ids: &[TraceId]) -> Result<Deleted, Error> {
    overwriting(writer, |writer| {
        let Some(project) = projects::key_of(&writer.connection, project)? else {
            return Ok(Deleted::default());
        };
        let mut keys = BTreeSet::new();
        for id in ids {
            let mut statement =
                writer.connection.prepare_cached("SELECT key FROM traces WHERE id = ? AND project = ?")?;
            for key in statement.query_map(params![id.0.as_bytes(), project], |row| row.get(0))? {
                keys.insert(key?);
            }
        }
        Ok(traces(writer, project, &Vec::from_iter(keys))?)
    })
}

/// Deletes a portion of the traces that were last active before a moment; none is left once it deletes none.
pub(super) fn before(writer: &mut Writer, project: ProjectId, moment: Time) -> Result<Deleted, Error> {
    overwriting(writer, |writer| {
        let Some(project) = projects::key_of(&writer.connection, project)? else {
            return Ok(Deleted::default());
        };
        // The least integer stands for traces without any time: they are never old.
        let mut statement = writer.connection.prepare_cached(
            "SELECT key FROM traces WHERE project = ? AND is_threaded IN (0, 1) AND activity > ? \
             AND activity < ? LIMIT ?",
        )?;
        let old = params![project, i64::MIN, moment.timestamp_micros(), PORTION as i64];
        let keys: Vec<i64> = statement.query_map(old, |row| row.get(0))?.collect::<Result<_, _>>()?;
        drop(statement);
        Ok(traces(writer, project, &keys)?)
    })
}

/// Deletes a project and everything in it, inside a transaction.
pub(super) fn project(writer: &mut Writer, project: i64) -> rusqlite::Result<()> {
    let connection = &writer.connection;
    let mut statement = connection.prepare(
        "SELECT DISTINCT hash FROM attachments WHERE run IN (SELECT key FROM runs WHERE project = ?)",
    )?;
    let files: BTreeSet<Key> = statement.query_map([project], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for sql in [
        // Other projects in the same segments are digested anew.
        "INSERT OR IGNORE INTO undigested SELECT segment FROM zones WHERE project = ?",
        "DELETE FROM search WHERE rowid IN (SELECT key FROM runs WHERE project = ?)",
        "DELETE FROM stale WHERE run IN (SELECT key FROM runs WHERE project = ?)",
        "DELETE FROM loose WHERE run IN (SELECT key FROM runs WHERE project = ?)",
        "DELETE FROM feedback WHERE project = ?",
        "DELETE FROM attachments WHERE run IN (SELECT key FROM runs WHERE project = ?)",
        "DELETE FROM payloads WHERE run IN (SELECT key FROM runs WHERE project = ?)",
        "DELETE FROM runs WHERE project = ?",
        "DELETE FROM traces WHERE project = ?",
        "DELETE FROM reports WHERE project = ?",
        "DELETE FROM projects WHERE key = ?",
    ] {
        connection.execute(sql, [project])?;
    }
    digest::outdate(connection, &digest::undigested(connection)?)?;
    blobs::sweep(connection, &files)?;
    forget(writer, project)
}

/// Deletes whole traces of one project by key, inside a transaction.
fn traces(writer: &mut Writer, project: i64, keys: &[i64]) -> rusqlite::Result<Deleted> {
    let mut deleted = Deleted::default();
    if keys.is_empty() {
        return Ok(deleted);
    }
    let mut files: BTreeSet<Key> = BTreeSet::new();
    let mut changed = Traces::default();
    for &trace in keys {
        let connection = &writer.connection;
        let mut statement = connection.prepare_cached("SELECT key, id FROM runs WHERE trace = ?")?;
        let runs: Vec<(i64, [u8; 16])> =
            statement.query_map([trace], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        for (run, id) in &runs {
            let mut statement = connection.prepare_cached("SELECT hash FROM attachments WHERE run = ?")?;
            for hash in statement.query_map([run], |row| row.get(0))? {
                files.insert(hash?);
            }
            for sql in [
                "DELETE FROM search WHERE rowid = ?",
                "DELETE FROM stale WHERE run = ?",
                "DELETE FROM loose WHERE run = ?",
                "DELETE FROM attachments WHERE run = ?",
                "DELETE FROM payloads WHERE run = ?",
                "DELETE FROM runs WHERE key = ?",
            ] {
                connection.prepare_cached(sql)?.execute([run])?;
            }
            deleted.feedback += execute(writer, "DELETE FROM feedback WHERE target = ?", params![id])?;
            writer.keys.outdate(*run);
        }
        // Of the trace as a whole, whose root may never have come.
        deleted.feedback += execute(
            writer,
            "DELETE FROM feedback WHERE project = ? AND target = (SELECT id FROM traces WHERE key = ?)",
            params![project, trace],
        )?;
        deleted.runs += runs.len() as u64;
        deleted.traces += 1;
        changed.change(connection, trace)?;
    }
    writer.settle(changed)?;
    blobs::sweep(&writer.connection, &files)?;
    forget(writer, project)?;
    Ok(deleted)
}

fn execute(writer: &Writer, sql: &str, of: impl rusqlite::Params) -> rusqlite::Result<u64> {
    writer.connection.prepare_cached(sql)?.execute(of).map(|count| count as u64)
}

/// What is left to do after runs were deleted.
fn forget(writer: &Writer, project: i64) -> rusqlite::Result<()> {
    let connection = &writer.connection;
    connection.execute("DELETE FROM memo WHERE project = ?", [project])?;
    // Keys above may be given again only if the index has not passed them.
    let is_empty: bool =
        connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM runs)", [], |row| row.get(0))?;
    if is_empty {
        connection.execute("INSERT INTO search (search) VALUES ('delete-all')", [])?;
    }
    set_setting(connection, "indexed_up_to", writer.keys.indexed_up_to)
}
