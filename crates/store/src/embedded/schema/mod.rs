//! How a connection to the database is opened.
//!
//! The tables are in `tables`, the way to them from older formats in
//! `migrate`. Whoever opens a store brings it to the present format.

mod migrate;
mod tables;

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::Error;

/// Version of the tables, kept in the file's `user_version`.
pub(crate) const FORMAT: u32 = 5;
/// "assy": marks the file as ours.
const APPLICATION: i32 = 0x6173_7379;
pub(crate) const FILE: &str = "assay.db";
/// So long a connection waits for another one to finish writing.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let mut connection = Connection::open_with_flags(dir.join(FILE), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    let found = check_version(dir, &connection)?;
    if access == Access::Read && found < FORMAT {
        return Err(Error::Invalid(format!(
            "store at {dir:?} has format {found}, this version reads {FORMAT}: whatever opens it for writing \
             brings it forward"
        )));
    }
    prepare(&connection, access).map_err(failed)?;
    if access != Access::Read {
        migrate::migrate(dir, &mut connection)?;
    }
    Ok(connection)
}

/// Brings a store that exists to the present format.
pub(crate) fn upgrade(dir: &Path) -> Result<(), Error> {
    let failed = |source| Error::of_database(dir, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(dir.join(FILE), flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    if check_version(dir, &connection)? < FORMAT {
        connect(dir, Access::Durable)?;
    }
    Ok(())
}

pub(crate) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Refuses files of newer versions and of other programs, without touching them.
pub(crate) fn check_version(dir: &Path, connection: &Connection) -> Result<u32, Error> {
    let failed = |source| Error::of_database(dir, source);
    let found = version(connection).map_err(failed)?;
    if found > FORMAT {
        return Err(Error::Newer { dir: dir.to_owned(), found, known: FORMAT });
    }
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if found > 0 && application != APPLICATION {
        return Err(Error::Invalid(format!("{:?} is not a store of assay", dir.join(FILE))));
    }
    Ok(found)
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
    // Ids come in no order: of a few million runs, the pages of their indexes should stay at hand.
    connection.pragma_update(None, "cache_size", -163_840)?;
    connection.pragma_update(None, "wal_autocheckpoint", 8_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)
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
