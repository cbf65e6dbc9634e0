//! The tables, and how a connection to them is opened.
//!
//! Narrow columns are for selecting, sorting and counting; `payloads` holds
//! the truth about a run (see `format`) and everything narrow can be made
//! from it again. Times are microseconds since 1970. Keys of runs grow and
//! are never given twice, so that `indexed_up_to` can say which runs the
//! full-text index has seen; `stale` holds those that changed since.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::Error;

/// Version of the tables, kept in the file's `user_version`.
pub(crate) const FORMAT: u32 = 2;
/// "assy": marks the file as ours.
const APPLICATION: i32 = 0x6173_7379;
pub(crate) const FILE: &str = "assay.db";

const TABLES: &str = "
CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO settings VALUES ('indexed_up_to', 0);

CREATE TABLE projects (key INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE);

CREATE TABLE traces (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    project INTEGER NOT NULL,
    thread TEXT NOT NULL,
    root INTEGER NOT NULL,           -- key of the run that stands for the trace
    runs INTEGER NOT NULL,
    start INTEGER,
    end INTEGER,
    latency INTEGER,                 -- of the root, microseconds
    status TEXT NOT NULL,            -- of the root
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    cost TEXT                        -- exact decimal; NULL where no run has a known cost
);
CREATE UNIQUE INDEX traces_by_id ON traces (id, project);
CREATE INDEX traces_by_thread ON traces (project, thread);

CREATE TABLE runs (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    project INTEGER NOT NULL,
    trace INTEGER NOT NULL,          -- key of the trace
    parent BLOB,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    moment INTEGER NOT NULL,         -- start, else end, else the least integer: orders pages
    start INTEGER,
    end INTEGER,
    first_token INTEGER,
    latency INTEGER,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    total_tokens INTEGER NOT NULL,
    input_cost REAL,
    output_cost REAL,
    total_cost REAL,
    cost TEXT,                       -- the total as exact decimal
    name TEXT NOT NULL,
    model TEXT,
    thread TEXT,                     -- the key this very run carries
    reference_example TEXT,
    tags TEXT,                       -- JSON list; NULL where empty
    error TEXT,                      -- the beginning
    metadata TEXT,                   -- JSON object; NULL where empty
    seen BLOB NOT NULL               -- marks of the patches that were folded
);
CREATE UNIQUE INDEX runs_by_id ON runs (id);
CREATE INDEX runs_by_trace ON runs (trace);
CREATE INDEX runs_by_moment ON runs (project, moment, key);

CREATE TABLE payloads (run INTEGER PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE feedback (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    project INTEGER NOT NULL,        -- where it arrived
    target BLOB,                     -- run it is about; for a trace, its root
    name TEXT NOT NULL,
    score REAL,
    label TEXT,
    source TEXT,
    comment TEXT,
    body BLOB NOT NULL               -- all of it
);
CREATE INDEX feedback_by_target ON feedback (target);
CREATE INDEX feedback_by_project ON feedback (project);

CREATE TABLE reports (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    project INTEGER NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    threads INTEGER NOT NULL,
    categories INTEGER NOT NULL,
    stored_at INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX reports_by_project ON reports (project);

-- What was derived from texts: deleted with the project they came from.
CREATE TABLE memo (key BLOB NOT NULL, value BLOB NOT NULL, project INTEGER NOT NULL);
CREATE UNIQUE INDEX memo_by_key ON memo (key);
CREATE INDEX memo_by_project ON memo (project);

CREATE VIRTUAL TABLE search USING fts5 (
    name, error, inputs, outputs, content = '', contentless_delete = 1, tokenize = 'unicode61'
);
CREATE TABLE stale (run INTEGER PRIMARY KEY);
";

/// What turns each version into the next, the first one first.
const MIGRATIONS: [&str; FORMAT as usize - 1] = [
    // Nobody knew whose texts the remembered answers were about; they are found anew.
    "PRAGMA secure_delete = ON;
     DROP TABLE memo;
     PRAGMA secure_delete = OFF;
     CREATE TABLE memo (key BLOB NOT NULL, value BLOB NOT NULL, project INTEGER NOT NULL);
     CREATE UNIQUE INDEX memo_by_key ON memo (key);
     CREATE INDEX memo_by_project ON memo (project);",
];

/// How a connection is going to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// By the one writer, over data that outlives the process.
    Durable,
    /// By the one writer, over data that nobody needs after a crash.
    Temporary,
    Read,
}

/// Opens the database in a directory, creating its tables when writing.
pub(crate) fn connect(dir: &Path, access: Access) -> Result<Connection, Error> {
    let flags = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_WRITE,
        _ => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let failed = |source| Error::of_database(dir, source);
    let connection = Connection::open_with_flags(dir.join(FILE), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(failed)?;
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    check_version(dir, &connection)?;
    prepare(&connection, access).map_err(failed)?;
    Ok(connection)
}

/// Refuses files of newer versions and of other programs, without touching them.
fn check_version(dir: &Path, connection: &Connection) -> Result<(), Error> {
    let failed = |source| Error::of_database(dir, source);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if found > FORMAT {
        return Err(Error::Newer { dir: dir.to_owned(), found, known: FORMAT });
    }
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if found > 0 && application != APPLICATION {
        return Err(Error::Invalid(format!("{:?} is not a store of assay", dir.join(FILE))));
    }
    Ok(())
}

fn prepare(connection: &Connection, access: Access) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    // Otherwise SQLite compiles a statement anew whenever a parameter changes, hoping for a better plan.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    super::functions::register(connection)?;
    if access == Access::Read {
        connection.pragma_update(None, "query_only", true)?;
        return connection.pragma_update(None, "cache_size", -16_384);
    }
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    let synchronous = if access == Access::Temporary { "off" } else { "full" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "cache_size", -49_152)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; \
             PRAGMA user_version = {FORMAT}; COMMIT;"
        ))?;
        return Ok(());
    }
    for (migration, version) in MIGRATIONS.iter().zip(1..).skip(version as usize - 1) {
        let next: u32 = version + 1;
        connection
            .execute_batch(&format!("BEGIN IMMEDIATE; {migration} PRAGMA user_version = {next}; COMMIT;"))?;
    }
    Ok(())
}

/// A number kept in the store itself.
pub(crate) fn setting(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM settings WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

pub(crate) fn set_setting(connection: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO settings VALUES (?, ?)")?
        .execute(params![name, value])
        .map(|_| ())
}
