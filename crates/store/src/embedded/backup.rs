//! Copies of a store, made while it is in use, and back.
//!
//! A copy is one file: the state at one moment, whatever is written meanwhile
//! and by whom. It appears under its name only once it is whole, checked and
//! on disk.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::schema::{self, Access};
use crate::Error;

/// Copies the store in `dir` to the file `to`; its size in bytes.
pub(crate) fn backup(dir: &Path, to: &Path) -> Result<u64, Error> {
    if to.exists() {
        return Err(Error::Conflict(format!("{to:?} exists already; backups replace nothing")));
    }
    let part = beside(to);
    let copied = copy(dir, &part).and_then(|()| keep(&part, to));
    if copied.is_err() {
        // What is left is no backup; that it could not be removed changes nothing.
        let _ = fs_err::remove_file(&part);
    }
    copied
}

/// Makes a store in `dir`, which has none, out of a backup.
pub(crate) fn restore(from: &Path, dir: &Path) -> Result<u64, Error> {
    let to = dir.join(schema::FILE);
    if to.exists() {
        return Err(Error::Conflict(format!(
            "there is a store at {dir:?} already; choose another directory"
        )));
    }
    if !from.is_file() {
        return Err(Error::NotFound(format!("backup {from:?}")));
    }
    super::make_private(dir)?;
    let part = beside(&to);
    let restored = fs_err::copy(from, &part)
        .map_err(|source| super::io("write", dir, source))
        .and_then(|_| check(&part))
        .and_then(|()| keep(&part, &to));
    if restored.is_err() {
        let _ = fs_err::remove_file(&part);
    }
    restored
}

/// The name of a file while it is not whole.
fn beside(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn copy(dir: &Path, part: &Path) -> Result<(), Error> {
    let failed = |source| Error::of_database(dir, source);
    let here = |source| Error::of_database(part, source);
    // What an earlier attempt left behind is no backup.
    if part.exists() {
        fs_err::remove_file(part).map_err(|source| super::io("remove", part, source))?;
    }
    let source = schema::connect(dir, Access::Read)?;
    let mut target = Connection::open(part).map_err(here)?;
    // The file counts once it is whole: until then nothing of it needs to survive.
    target.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(())).map_err(here)?;
    target.pragma_update(None, "synchronous", "off").map_err(here)?;
    let backup = Backup::new(&source, &mut target).map_err(failed)?;
    // In one step, which is one look at the source: in several, every write by others would start it anew.
    match backup.step(-1).map_err(here)? {
        StepResult::Done => {}
        _ => return Err(Error::Busy { dir: dir.to_owned() }),
    }
    drop(backup);
    drop(target);
    check(part)
}

/// Whether a file is a store of ours, and sound.
fn check(part: &Path) -> Result<(), Error> {
    let failed = |source| Error::of_database(part, source);
    let connection = Connection::open(part).map_err(failed)?;
    schema::check_version(part, &connection)?;
    // No log beside the file, so that the file is all there is.
    connection.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(())).map_err(failed)?;
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if verdict == "ok" && schema::version(&connection).map_err(failed)? > 0 {
        return Ok(());
    }
    Err(Error::Corrupt { what: format!("the copy {part:?}"), why: verdict })
}

/// Puts a checked file in its place, durably.
fn keep(part: &Path, to: &Path) -> Result<u64, Error> {
    let failed = |source| super::io("write", to, source);
    let file = fs_err::File::open(part).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    // A link, unlike a rename, replaces nothing that appeared meanwhile.
    match fs_err::hard_link(part, to) {
        Ok(()) => fs_err::remove_file(part).map_err(failed)?,
        Err(_) if to.exists() => {
            return Err(Error::Conflict(format!("{to:?} appeared meanwhile; backups replace nothing")));
        }
        Err(_) => fs_err::rename(part, to).map_err(failed)?,
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Where folders cannot be opened, nothing needs to be done.
    if let Ok(folder) = fs_err::File::open(folder) {
        folder.sync_all().map_err(failed)?;
    }
    Ok(size)
}
