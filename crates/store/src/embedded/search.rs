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
const PORTION: usize = 500;
/// So much text of inputs, and of outputs, is indexed.
pub(crate) const MAX_TEXT: usize = 16 << 10;

/// Runs up to this key are in the index.
pub(crate) const INDEXED: &str = "indexed_up_to";

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

/// What the index lacks at one moment. More may arrive while it is indexed:
/// a search waits for what was there before it, not for that.
pub(crate) struct Missing {
    /// Runs in it that have changed since.
    changed: Vec<i64>,
    /// The last run that is not in it.
    last: i64,
}

/// `None` if the index lacks nothing.
pub(crate) fn missing(connection: &Connection) -> rusqlite::Result<Option<Missing>> {
    if !is_behind(connection)? {
        return Ok(None);
    }
    let changed = changed(connection, "SELECT run FROM stale")?;
    let last = connection.query_row("SELECT coalesce(max(key), 0) FROM runs", [], |row| row.get(0))?;
    Ok(Some(Missing { changed, last }))
}

fn changed(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<i64>> {
    connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
}

impl Missing {
    pub(crate) fn last(&self) -> i64 {
        self.last
    }

    /// Takes out the next portion; `None` when all are out.
    pub(crate) fn portion(&mut self) -> Option<Vec<i64>> {
        let rest = self.changed.len().saturating_sub(PORTION);
        (!self.changed.is_empty()).then(|| self.changed.split_off(rest))
    }
}

/// Indexes a portion, whatever is missing now. Whether more is left to do.
pub(crate) fn catch_up(writer: &mut Writer) -> Result<bool, Error> {
    let sql = format!("SELECT run FROM stale LIMIT {PORTION}");
    let changed =
        changed(&writer.connection, &sql).map_err(|source| Error::of_database(&writer.dir, source))?;
    let is_full = changed.len() == PORTION;
    index_changed(writer, &changed)?;
    Ok(index_new(writer, i64::MAX)? || is_full)
}

/// Indexes runs that have changed again, unless somebody has done so meanwhile.
pub(crate) fn index_changed(writer: &mut Writer, keys: &[i64]) -> Result<(), Error> {
    if keys.is_empty() {
        return Ok(());
    }
    writer.transact(|writer| {
        let connection = &writer.connection;
        for key in keys {
            let run =
                unindexed(connection, "runs.key = ?1 AND ?1 IN (SELECT run FROM stale) LIMIT ?2", *key)?;
            connection.prepare_cached("DELETE FROM stale WHERE run = ?")?.execute([key])?;
            for run in &run {
                connection.prepare_cached("DELETE FROM search WHERE rowid = ?")?.execute([key])?;
                index(connection, run)?;
            }
        }
        Ok(())
    })
}

/// Indexes a portion of the runs that are not in it. Whether more are left up to the last one asked for.
pub(crate) fn index_new(writer: &mut Writer, last: i64) -> Result<bool, Error> {
    writer.transact(|writer| {
        let connection = &writer.connection;
        let new =
            unindexed(connection, "runs.key > ?1 ORDER BY runs.key LIMIT ?2", writer.keys.indexed_up_to)?;
        for run in &new {
            index(connection, run)?;
        }
        if let Some(last) = new.last() {
            set_setting(connection, INDEXED, last.key)?;
            writer.keys.indexed_up_to = last.key;
        }
        Ok(new.len() == PORTION && writer.keys.indexed_up_to < last)
    })
}

fn unindexed(connection: &Connection, which: &'static str, key: i64) -> rusqlite::Result<Vec<Unindexed>> {
    let sql = format!(
        "SELECT runs.key, runs.name, runs.error, payloads.body FROM runs \
         LEFT JOIN payloads ON payloads.run = runs.key WHERE {which}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![key, PORTION as i64], |row| {
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
