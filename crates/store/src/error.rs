//! What can go wrong, by what the caller can do about it.

use std::path::{Path, PathBuf};

use crate::FilterError;

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("filter: {0}")]
    Filter(#[from] FilterError),
    #[error("{0}")]
    Invalid(String),
    #[error("no {0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    #[error(
        "cannot open store at {dir:?}: created by a newer version (store format {found}, this version \
         reads up to {known}); update assay or choose another directory"
    )]
    Newer { dir: PathBuf, found: u32, known: u32 },
    #[error(
        "cannot write to store at {dir:?}: the disk is full; nothing of this write was kept, free some space and repeat it"
    )]
    Full { dir: PathBuf },
    #[error("cannot {action} store at {dir:?}: {source}")]
    Io { action: &'static str, dir: PathBuf, source: std::io::Error },
    #[error("store at {dir:?} was opened for reading only")]
    ReadOnly { dir: PathBuf },
    #[error("{what} is damaged: {why}")]
    Corrupt { what: String, why: String },
    /// For a short while only: repeat the call.
    #[error("store at {dir:?} is busy: others are writing to it; try again")]
    Busy { dir: PathBuf },
    /// The store's threads have ended.
    #[error("the store is closed")]
    Closed,
    #[error("store at {dir:?}: {source}")]
    Database { dir: PathBuf, source: rusqlite::Error },
}

impl Error {
    /// Whether the same call may succeed later, without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// What a failure of the database means to the caller.
    pub(crate) fn of_database(dir: &Path, source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let dir = dir.to_owned();
        // What writing beyond a quota or a limit of the process comes to.
        let beyond = [rusqlite::ffi::SQLITE_IOERR_WRITE, rusqlite::ffi::SQLITE_IOERR_SHMSIZE];
        if source.sqlite_error().is_some_and(|error| beyond.contains(&error.extended_code)) {
            return Self::Full { dir };
        }
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { dir },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { dir },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { dir },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt {
                what: format!("store at {dir:?}"),
                why: format!("{source}; `assay doctor` says more"),
            },
            _ => Self::Database { dir, source },
        }
    }
}
