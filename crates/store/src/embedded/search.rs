//! The full-text index, brought up to date in quiet moments and when somebody searches.
//!
//! Appending leaves it alone: runs with a key above `indexed_up_to`, and those
//! listed in `stale`, are read, taken apart and indexed in portions, each in
//! a transaction of its own, until a search sees all that was acknowledged
//! before it began.

use rusqlite::{Connection, params};
use serde_json::Value;

use super::fold;
use super::schema::set_setting;
use super::writer::Writer;
use crate::{Error, format};

/// So many runs at a time, so that appends need not wait long.
const PORTION: i64 = 500;
/// So much text of inputs, and of outputs, is indexed.
const MAX_TEXT: usize = 16 << 10;

struct Unindexed {
    key: i64,
    name: String,
    error: String,
    body: Vec<u8>,
}

/// Whether the index lacks anything.
pub(crate) fn is_behind(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM stale) OR \
         coalesce((SELECT max(key) FROM runs), 0) > (SELECT value FROM settings WHERE name = 'indexed_up_to')",
        [],
        |row| row.get(0),
    )
}

/// Indexes a portion. Whether more is left to do.
pub(crate) fn catch_up(writer: &mut Writer) -> Result<bool, Error> {
    writer.transact(|writer| {
        let connection = &writer.connection;
        let changed =
            unindexed(connection, "runs.key IN (SELECT run FROM stale LIMIT ?2) AND runs.key > ?1", -1)?;
        for run in &changed {
            connection.prepare_cached("DELETE FROM search WHERE rowid = ?")?.execute([run.key])?;
            index(connection, run)?;
            connection.prepare_cached("DELETE FROM stale WHERE run = ?")?.execute([run.key])?;
        }
        let new =
            unindexed(connection, "runs.key > ?1 ORDER BY runs.key LIMIT ?2", writer.keys.indexed_up_to)?;
        for run in &new {
            index(connection, run)?;
        }
        if let Some(last) = new.last() {
            set_setting(connection, "indexed_up_to", last.key)?;
            writer.keys.indexed_up_to = last.key;
        }
        Ok(changed.len() as i64 == PORTION || new.len() as i64 == PORTION)
    })
}

fn unindexed(connection: &Connection, which: &'static str, after: i64) -> rusqlite::Result<Vec<Unindexed>> {
    let sql = format!(
        "SELECT runs.key, runs.name, runs.error, payloads.body FROM runs \
         LEFT JOIN payloads ON payloads.run = runs.key WHERE {which}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, PORTION], |row| {
        Ok(Unindexed {
            key: row.get(0)?,
            name: row.get(1)?,
            error: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
            body: row.get::<_, Option<Vec<u8>>>(3)?.unwrap_or_default(),
        })
    })?;
    rows.collect()
}

fn index(connection: &Connection, run: &Unindexed) -> rusqlite::Result<()> {
    let nowhere = assay_domain::ProjectId(uuid::Uuid::nil());
    let whole = format::decode(&run.body).and_then(|record| fold::fold(record, Default::default(), nowhere));
    // What cannot be read cannot be found; name and error still can.
    let (inputs, outputs) =
        whole.map_or((String::new(), String::new()), |whole| (text(&whole.inputs), text(&whole.outputs)));
    connection
        .prepare_cached("INSERT INTO search (rowid, name, error, inputs, outputs) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![run.key, run.name, run.error, inputs, outputs])?;
    Ok(())
}

/// The beginning of all words in a value, in order.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    collect(value, &mut out);
    out
}

/// Recursion is bounded by the depth in which values are stored.
fn collect(value: &Value, out: &mut String) {
    if out.len() >= MAX_TEXT {
        return;
    }
    match value {
        Value::String(text) => {
            out.push_str(super::columns::cut(text, MAX_TEXT - out.len()));
            out.push(' ');
        }
        Value::Number(number) => {
            out.push_str(&number.to_string());
            out.push(' ');
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Object(map) => map.values().for_each(|item| collect(item, out)),
        Value::Null | Value::Bool(_) => {}
    }
}
