//! Small documents by kind, changed several at once or not at all.

use assay_domain::Time;
use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use uuid::Uuid;

use super::blobs;
use super::columns;
use super::delete;
use super::reader::Problem;
use super::writer::Writer;
use crate::filter::sql::Sql;
use crate::{Change, Error, Record, RecordQuery, format};

const COLUMNS: &str = "SELECT kind, id, parent, name, created, modified, body, key FROM records WHERE ";
/// The same without what takes time to read.
const HEADS: &str = "SELECT kind, id, parent, name, created, modified, NULL, key FROM records WHERE ";

pub(crate) fn record(connection: &Connection, kind: &str, id: Uuid) -> Result<Option<Record>, Problem> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} kind = ? AND id = ?"))?;
    let found = statement.query_row(params![kind, id.as_bytes()], raw).optional()?;
    found.map(|raw| raw.read(connection)).transpose()
}

pub(crate) fn records(connection: &Connection, query: &RecordQuery) -> Result<Vec<Record>, Problem> {
    let columns = if query.without_bodies { HEADS } else { COLUMNS };
    let mut sql = Sql { text: columns.to_owned(), ..Sql::default() };
    sql.push("kind = ").bind(query.kind.clone());
    if !query.ids.is_empty() {
        sql.push(" AND id IN (").list(query.ids.iter().map(|id| id.as_bytes().to_vec())).push(")");
    }
    if let Some(parent) = query.parent {
        sql.push(" AND parent = ").bind(parent.as_bytes().to_vec());
    }
    if let Some(name) = &query.name {
        sql.push(" AND name = ").bind(name.clone());
    }
    if let Some(part) = &query.name_contains {
        sql.push(" AND holds_text(name, ").bind(part.to_lowercase()).push(")");
    }
    let order = if query.is_newest_first {
        " ORDER BY created DESC, id DESC LIMIT "
    } else {
        " ORDER BY created, id LIMIT "
    };
    let limit = if query.limit == 0 { -1 } else { bounded(query.limit) };
    sql.push(order).bind(limit).push(" OFFSET ").bind(bounded(query.offset));
    let mut statement = connection.prepare_cached(&sql.text)?;
    let found: Vec<Raw> =
        statement.query_map(params_from_iter(sql.parameters), raw)?.collect::<Result<_, _>>()?;
    found.into_iter().map(|raw| raw.read(connection)).collect()
}

fn bounded(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A record whose body is still packed.
struct Raw {
    record: Record,
    key: i64,
    body: Option<Vec<u8>>,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let record = Record {
        kind: row.get(0)?,
        id: columns::uuid(row, 1)?,
        parent: row.get::<_, Option<[u8; 16]>>(2)?.map(Uuid::from_bytes),
        name: row.get(3)?,
        created_at: moment(row.get(4)?),
        modified_at: moment(row.get(5)?),
        ..Record::default()
    };
    Ok(Raw { record, body: row.get(6)?, key: row.get(7)? })
}

impl Raw {
    fn read(self, connection: &Connection) -> Result<Record, Problem> {
        let Self { mut record, key, body } = self;
        let Some(body) = body else { return Ok(record) };
        let damaged = |why| Error::Corrupt { what: format!("{} {}", record.kind, record.id), why };
        let json = format::unpack(&body).map_err(damaged)?;
        record.body = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
        record.blobs = blobs::of_record(connection, key)?;
        Ok(record)
    }
}

fn moment(micros: i64) -> Time {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// Makes the changes in order, or none of them.
pub(crate) fn change(writer: &mut Writer, changes: &[Change]) -> Result<(), Error> {
    // What is replaced or deleted may hold words that somebody wants gone.
    delete::overwriting(writer, |writer| {
        let connection = &writer.connection;
        for change in changes {
            match change {
                Change::Insert(record) => {
                    if key_of(connection, &record.kind, record.id)?.is_some() {
                        let text = format!("{} {} exists already", record.kind, record.id);
                        return Err(Error::Conflict(text).into());
                    }
                    write(connection, None, record)?;
                }
                Change::Replace(record) => {
                    let known = key_of(connection, &record.kind, record.id)?;
                    let missing = || Error::NotFound(format!("{} {}", record.kind, record.id));
                    write(connection, Some(known.ok_or_else(missing)?), record)?;
                }
                Change::Put(record) => {
                    write(connection, key_of(connection, &record.kind, record.id)?, record)?;
                }
                Change::Delete { kind, id } => {
                    let key = key_of(connection, kind, *id)?;
                    delete(connection, key.as_slice())?;
                }
                Change::DeleteChildren { kind, parent } => {
                    let mut statement =
                        connection.prepare_cached("SELECT key FROM records WHERE parent = ? AND kind = ?")?;
                    let keys = statement.query_map(params![parent.as_bytes(), kind], |row| row.get(0))?;
                    delete(connection, &keys.collect::<Result<Vec<_>, _>>()?)?;
                }
            }
        }
        Ok(())
    })
}

fn key_of(connection: &Connection, kind: &str, id: Uuid) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT key FROM records WHERE kind = ? AND id = ?")?;
    statement.query_row(params![kind, id.as_bytes()], |row| row.get(0)).optional()
}

/// Writes a record in the place of the one with this key, or a new one.
fn write(connection: &Connection, key: Option<i64>, record: &Record) -> Result<(), Problem> {
    let parent = record.parent.as_ref().map(Uuid::as_bytes);
    if let Some(name) = &record.name {
        let mut statement = connection.prepare_cached(
            "SELECT key FROM records WHERE kind = ? AND ifnull(parent, x'') = ifnull(?, x'') AND name = ?",
        )?;
        let holder: Option<i64> =
            statement.query_row(params![record.kind, parent, name], |row| row.get(0)).optional()?;
        if holder.is_some_and(|holder| Some(holder) != key) {
            return Err(Error::Conflict(format!("{} {name:?} exists already", record.kind)).into());
        }
    }
    let body = format::pack(format::bounded_json(&record.body).as_bytes());
    connection
        .prepare_cached(
            "INSERT INTO records (key, kind, id, parent, name, created, modified, body) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET parent = excluded.parent, \
             name = excluded.name, created = excluded.created, modified = excluded.modified, body = excluded.body",
        )?
        .execute(params![
            key,
            record.kind,
            record.id.as_bytes(),
            parent,
            record.name,
            record.created_at.timestamp_micros(),
            record.modified_at.timestamp_micros(),
            body,
        ])?;
    let key = key.unwrap_or_else(|| connection.last_insert_rowid());
    Ok(blobs::set_of_record(connection, key, &record.blobs)?)
}

fn delete(connection: &Connection, keys: &[i64]) -> rusqlite::Result<()> {
    for key in keys {
        blobs::set_of_record(connection, *key, &[])?;
        connection.prepare_cached("DELETE FROM records WHERE key = ?")?.execute([key])?;
    }
    Ok(())
}
