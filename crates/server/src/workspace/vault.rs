//! Encryption of what must not lie readable in the store.
//!
//! XChaCha20-Poly1305 with a random nonce per value; the name of a value is
//! authenticated with it, so that nobody can swap two of them. The key is a
//! file of its own beside the store, readable by its owner alone, made when the
//! first value is sealed. Whoever has a copy of the store without it has nothing.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Generate as _, Key, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// The file of the key, in the data directory.
pub(crate) const FILE: &str = "secrets.key";
const KEY_BYTES: usize = 32;

/// A value as it is stored, in base64.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sealed {
    nonce: String,
    sealed: String,
}

impl Sealed {
    /// On one line, of characters that a cookie may hold.
    pub(crate) fn to_text(&self) -> String {
        format!("{}.{}", self.nonce, self.sealed)
    }

    /// What [`Sealed::to_text`] wrote.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let (nonce, sealed) = text.split_once('.')?;
        Some(Self { nonce: nonce.to_owned(), sealed: sealed.to_owned() })
    }
}

/// Why a value cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("cannot {action} the key file {file:?}: {source}")]
    File { action: &'static str, file: PathBuf, source: io::Error },
    #[error("the key file {0:?} is damaged: it does not hold a key; restore it from a backup")]
    Key(PathBuf),
    #[error(
        "secret {0:?} cannot be decrypted: the key file is another one or the entry is damaged; set it again"
    )]
    Damaged(String),
    #[error("{0}")]
    Store(String),
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        tracing::error!(%error, "the vault of secrets failed");
        Self::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "secrets cannot be kept; the server's log says why",
        )
    }
}

/// Seals and opens values.
#[derive(Clone)]
pub(crate) struct Vault(Arc<Inner>);

struct Inner {
    file: PathBuf,
    cipher: OnceLock<XChaCha20Poly1305>,
}

impl Vault {
    /// The vault of a data directory. Touches nothing yet.
    pub(crate) fn new(directory: &Path) -> Self {
        Self(Arc::new(Inner { file: directory.join(FILE), cipher: OnceLock::new() }))
    }

    /// Encrypts a value under its name; makes the key if there is none.
    pub(crate) async fn seal(&self, name: &str, value: String) -> Result<Sealed, VaultError> {
        let (vault, name) = (self.clone(), name.to_owned());
        off_thread(move || vault.seal_now(&name, &value)).await
    }

    /// Decrypts what was sealed under this name.
    pub(crate) async fn open(&self, name: &str, sealed: Sealed) -> Result<String, VaultError> {
        let (vault, name) = (self.clone(), name.to_owned());
        off_thread(move || vault.open_now(&name, &sealed)).await
    }

    fn seal_now(&self, name: &str, value: &str) -> Result<Sealed, VaultError> {
        let cipher = self.cipher_or_new()?;
        let nonce = XNonce::generate();
        let payload = Payload { msg: value.as_bytes(), aad: name.as_bytes() };
        let sealed = cipher.encrypt(&nonce, payload).map_err(|_| VaultError::Damaged(name.to_owned()))?;
        Ok(Sealed { nonce: STANDARD.encode(nonce), sealed: STANDARD.encode(sealed) })
    }

    fn open_now(&self, name: &str, sealed: &Sealed) -> Result<String, VaultError> {
        let damaged = || VaultError::Damaged(name.to_owned());
        let nonce = STANDARD.decode(&sealed.nonce).ok().and_then(|bytes| <[u8; 24]>::try_from(bytes).ok());
        let nonce = XNonce::from(nonce.ok_or_else(damaged)?);
        let bytes = STANDARD.decode(&sealed.sealed).map_err(|_| damaged())?;
        let payload = Payload { msg: &bytes, aad: name.as_bytes() };
        let value = self.cipher()?.decrypt(&nonce, payload).map_err(|_| damaged())?;
        String::from_utf8(value).map_err(|_| damaged())
    }

    fn cipher_or_new(&self) -> Result<&XChaCha20Poly1305, VaultError> {
        match self.cipher() {
            Err(VaultError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make_key(&self.0.file)?;
                self.cipher()
            }
            found => found,
        }
    }

    fn cipher(&self) -> Result<&XChaCha20Poly1305, VaultError> {
        if let Some(cipher) = self.0.cipher.get() {
            return Ok(cipher);
        }
        let file = &self.0.file;
        let bytes = std::fs::read(file).map_err(|source| VaultError::File {
            action: "read",
            file: file.clone(),
            source,
        })?;
        let key = <[u8; KEY_BYTES]>::try_from(bytes).map_err(|_| VaultError::Key(file.clone()))?;
        Ok(self.0.cipher.get_or_init(|| XChaCha20Poly1305::new(&key.into())))
    }
}

/// Makes the file of the key, whole or not at all; one that is there stays.
fn make_key(file: &Path) -> Result<(), VaultError> {
    let failed = |action| move |source| VaultError::File { action, file: file.to_owned(), source };
    let directory = file.parent().unwrap_or(Path::new("."));
    // Temporary files are created for their owner alone.
    let mut temporary = tempfile::NamedTempFile::new_in(directory).map_err(failed("create"))?;
    let key = Key::<XChaCha20Poly1305>::generate();
    temporary.write_all(&key).map_err(failed("write"))?;
    temporary.as_file().sync_all().map_err(failed("write"))?;
    match temporary.persist_noclobber(file) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(failed("create")(error.error)),
    }
    // So that the name survives a crash, too: what was sealed must stay readable.
    let synced = std::fs::File::open(directory).and_then(|directory| directory.sync_all());
    if cfg!(unix) { synced.map_err(failed("write")) } else { Ok(()) }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(VaultError::Store("the server is stopping".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_under_its_name_alone_and_again_after_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let sealed = Vault::new(directory.path()).seal_now("A", "s3cret").expect("sealed");
        assert!(!sealed.sealed.contains("s3cret"));
        let later = Vault::new(directory.path());
        assert_eq!(later.open_now("A", &sealed).expect("opened"), "s3cret");
        assert!(matches!(later.open_now("B", &sealed), Err(VaultError::Damaged(name)) if name == "B"));
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let directory = tempfile::tempdir().expect("a directory");
        let vault = Vault::new(directory.path());
        let one = vault.seal_now("A", "x").expect("sealed");
        let other = vault.seal_now("A", "x").expect("sealed");
        assert!(one.nonce != other.nonce && one.sealed != other.sealed);
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        Vault::new(directory.path()).seal_now("A", "x").expect("sealed");
        let mode = std::fs::metadata(directory.path().join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_or_missing_key_is_named_and_never_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let sealed = Vault::new(directory.path()).seal_now("A", "x").expect("sealed");
        let file = directory.path().join(FILE);
        std::fs::write(&file, b"short").expect("written");
        assert!(
            matches!(Vault::new(directory.path()).seal_now("A", "x"), Err(VaultError::Key(named)) if named == file)
        );
        std::fs::remove_file(&file).expect("removed");
        assert!(matches!(Vault::new(directory.path()).open_now("A", &sealed), Err(VaultError::File { .. })));
        assert!(!file.exists());
    }
}
