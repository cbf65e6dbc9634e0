//! A copy of a data directory, made while it is in use, and back.
//!
//! A backup is a directory that has what a data directory has: the store
//! (runs, attachments, feedback, reports, keys, settings) and the key of
//! secrets. It appears under its name only once it is whole and on disk.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use assay_store::{EmbeddedStore, Error, block_on};

use crate::workspace::KEY_FILE;

/// The store in a backup: the name it has in a data directory.
const STORE: &str = "assay.db";

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0:?} exists already; backups replace nothing, choose another name")]
    Exists(PathBuf),
    #[error("{0:?} is no backup: it has no {STORE}; name a directory that `assay backup` made")]
    NoBackup(PathBuf),
    #[error("there is {0:?} already, and it is not replaced; restore into a directory without a store")]
    Taken(PathBuf),
    #[error(transparent)]
    Store(#[from] Error),
    #[error("cannot {action} {path:?}: {source}")]
    File { action: &'static str, path: PathBuf, source: io::Error },
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { action, path, source }
}

/// Copies the store, as it is at one moment of this call, into the new
/// directory `to`; the size of all in bytes. Others may write meanwhile.
pub fn backup(store: &EmbeddedStore, to: &Path) -> Result<u64, BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let parent = parent_of(to);
    // Only its owner may read it: it has the key of secrets.
    let part = private_folder().prefix(".assay-backup-").tempdir_in(parent);
    let part = part.map_err(failed("write into", parent))?;
    let mut size = block_on(store.backup(&part.path().join(STORE)))?;
    // After the store: whatever is sealed in the copy was sealed with a key that is there by now.
    let key = store.dir().join(KEY_FILE);
    match std::fs::read(&key) {
        Ok(bytes) => {
            size += bytes.len() as u64;
            put_key(part.path(), &bytes)?;
        }
        // No secret was ever kept.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", &key)(error)),
    }
    sync(part.path())?;
    if to.exists() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    std::fs::rename(part.path(), to).map_err(failed("make", to))?;
    // It has another name now, and stays.
    let _ = part.keep();
    sync(parent)?;
    Ok(size)
}

/// Makes folders that nobody else may look into.
fn private_folder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder
}

/// Makes a data directory out of a backup; the size of its store in bytes.
/// Replaces neither a store nor a key that is there.
pub fn restore(from: &Path, dir: &Path) -> Result<u64, BackupError> {
    let store = from.join(STORE);
    if !store.is_file() {
        return Err(BackupError::NoBackup(from.to_owned()));
    }
    for taken in [STORE, KEY_FILE].map(|name| dir.join(name)) {
        if taken.exists() {
            return Err(BackupError::Taken(taken));
        }
    }
    assay_store::make_private(dir)?;
    let key = from.join(KEY_FILE);
    let has_key = key.exists();
    if has_key {
        put_key(dir, &std::fs::read(&key).map_err(failed("read", &key))?)?;
    }
    let restored = EmbeddedStore::restore(&store, dir);
    if restored.is_err() && has_key {
        // Otherwise the next attempt would take the directory for somebody's.
        let _ = std::fs::remove_file(dir.join(KEY_FILE));
    }
    sync(dir)?;
    Ok(restored?)
}

/// Writes the key for its owner alone.
fn put_key(dir: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let to = dir.join(KEY_FILE);
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed("write into", dir))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed("write", &to))?;
    file.persist_noclobber(&to).map(|_| ()).map_err(|error| failed("write", &to)(error.error))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes names in a directory survive a crash, where that is how it is done.
fn sync(dir: &Path) -> Result<(), BackupError> {
    let synced = std::fs::File::open(dir).and_then(|dir| dir.sync_all());
    if cfg!(unix) { synced.map_err(failed("write", dir)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::Config;
    use crate::testing::Server;

    #[tokio::test]
    async fn a_restored_directory_has_runs_attachments_keys_and_secrets() {
        let server = Server::new();
        let id = "7b1f0000-0000-4000-8000-000000000001";
        let run = json!({ "id": id, "name": "agent", "run_type": "chain", "inputs": { "q": "parcel" } });
        server.post("/runs", run).await.ok();
        let secrets = json!([{ "key": "OPENAI_API_KEY", "value": "s3cret" }]);
        server.post("/workspaces/current/secrets", secrets).await.ok();
        let place = tempfile::tempdir().expect("a directory");
        let (to, dir) = (place.path().join("copy"), place.path().join("again"));
        let (store, target) = (server.app.store.clone(), to.clone());
        let copied = tokio::task::spawn_blocking(move || backup(&store, &target)).await.expect("no panic");
        assert!(copied.expect("copied") > 1000);
        assert!(matches!(backup(&server.app.store, &to), Err(BackupError::Exists(_))));
        restore(&to, &dir).expect("restored");
        let key = |dir: &Path| std::fs::read(dir.join(KEY_FILE)).expect("a key");
        assert_eq!(key(server.app.store.dir()), key(&dir));
        assert!(matches!(restore(&to, &dir), Err(BackupError::Taken(_))));
        let store = EmbeddedStore::open(&dir, assay_domain::PriceTable::default()).expect("a store");
        let again = Server::over(store, Config::default());
        assert_eq!(again.get(&format!("/runs/{id}")).await.ok()["inputs"], json!({ "q": "parcel" }));
        let listed = again.get("/workspaces/current/secrets").await.ok();
        assert_eq!(listed[0]["key"], "OPENAI_API_KEY");
        assert_eq!(again.app.secret("OPENAI_API_KEY").await.expect("opened"), Some("s3cret".into()));
    }

    #[test]
    fn what_is_no_backup_is_refused_and_leaves_nothing() {
        let place = tempfile::tempdir().expect("a directory");
        let (from, dir) = (place.path().join("from"), place.path().join("dir"));
        assert!(matches!(restore(&from, &dir), Err(BackupError::NoBackup(_))));
        std::fs::create_dir(&from).expect("made");
        std::fs::write(from.join(STORE), "not a database").expect("written");
        std::fs::write(from.join(KEY_FILE), [7; 32]).expect("written");
        assert!(restore(&from, &dir).is_err());
        assert!(!dir.join(KEY_FILE).exists() && !dir.join(STORE).exists());
    }
}
