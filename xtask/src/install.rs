//! What suites need and is not in the repository: packages, installed once.
//!
//! What is installed is keyed by a hash of the lists it was installed from, and
//! finished by a marker, so that an interrupted installation is made again.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

/// `HOME/KIND-HASH`, installed if it is not there whole. What other lists had installed goes.
pub(crate) fn installed(
    home: &Path,
    kind: &str,
    lists: &[&[u8]],
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    for list in lists {
        hash.update(list.len().to_le_bytes());
        hash.update(list);
    }
    let hash: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let folder = home.join(format!("{kind}-{hash}"));
    if folder.join("complete").exists() {
        return Ok(folder);
    }
    for entry in fs_err::read_dir(home)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&format!("{kind}-")) {
            fs_err::remove_dir_all(path)?;
        }
    }
    eprintln!("installing {kind} packages …");
    install(&folder)?;
    fs_err::write(folder.join("complete"), "")?;
    Ok(folder)
}

/// Runs a command to its end; what it complained of is in the error.
pub(crate) fn finish(mut command: Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {told}");
    Ok(())
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs_err::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(unix)]
pub(crate) fn link(target: &Path, name: &Path) -> Result<()> {
    Ok(fs_err::os::unix::fs::symlink(target, name)?)
}

#[cfg(not(unix))]
pub(crate) fn link(_: &Path, _: &Path) -> Result<()> {
    anyhow::bail!("the suites run on Unix")
}
