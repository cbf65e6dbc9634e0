//! Files by content: kept once, however many runs and records have them.
//!
//! A file stays until the last run or record that had it is gone. One that
//! nobody ever had stays too: its run may be on the way.

use std::collections::BTreeSet;

use assay_domain::run::Attachment;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Key, blob_of};

pub(crate) fn blob(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = connection.prepare_cached("SELECT body FROM blobs WHERE hash = ?")?;
    statement.query_row([key.as_slice()], |row| row.get(0)).optional()
}

pub(crate) fn put(connection: &Connection, blobs: &[(Key, Vec<u8>)]) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("INSERT INTO blobs (hash, body) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING")?;
    for (key, body) in blobs {
        statement.execute(params![key.as_slice(), body])?;
    }
    Ok(())
}

/// Takes down which files a run has; those it had before and nobody has now go.
pub(crate) fn set_of_run(
    connection: &Connection,
    run: i64,
    is_new: bool,
    attachments: &[Attachment],
) -> rusqlite::Result<()> {
    let mut before = BTreeSet::new();
    if !is_new {
        let mut statement = connection.prepare_cached("SELECT hash FROM attachments WHERE run = ?")?;
        before = statement.query_map([run], |row| row.get(0))?.collect::<Result<_, _>>()?;
        connection.prepare_cached("DELETE FROM attachments WHERE run = ?")?.execute([run])?;
    }
    for attachment in attachments {
        let Some(hash) = blob_of(&attachment.reference) else { continue };
        connection
            .prepare_cached("INSERT OR REPLACE INTO attachments (run, name, hash) VALUES (?, ?, ?)")?
            .execute(params![run, attachment.name, hash.as_slice()])?;
    }
    sweep(connection, &before)
}

pub(crate) fn of_record(connection: &Connection, record: i64) -> rusqlite::Result<Vec<Key>> {
    let mut statement =
        connection.prepare_cached("SELECT hash FROM record_blobs WHERE record = ? ORDER BY hash")?;
    let hashes = statement.query_map([record], |row| row.get(0))?;
    hashes.collect()
}

pub(crate) fn set_of_record(connection: &Connection, record: i64, blobs: &[Key]) -> rusqlite::Result<()> {
    let before: BTreeSet<Key> = of_record(connection, record)?.into_iter().collect();
    let after: BTreeSet<Key> = blobs.iter().copied().collect();
    if before == after {
        return Ok(());
    }
    connection.prepare_cached("DELETE FROM record_blobs WHERE record = ?")?.execute([record])?;
    let mut statement = connection.prepare_cached("INSERT INTO record_blobs (record, hash) VALUES (?, ?)")?;
    for hash in &after {
        statement.execute(params![record, hash.as_slice()])?;
    }
    sweep(connection, &before)
}

/// Deletes those of the files that nobody has any more.
pub(crate) fn sweep(connection: &Connection, hashes: &BTreeSet<Key>) -> rusqlite::Result<()> {
    if hashes.is_empty() {
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "DELETE FROM blobs WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM attachments WHERE hash = ?1) \
         AND NOT EXISTS (SELECT 1 FROM record_blobs WHERE hash = ?1)",
    )?;
    for hash in hashes {
        statement.execute([hash.as_slice()])?;
    }
    Ok(())
}
