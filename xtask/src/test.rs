//! `cargo xtask test`: everything the README promises to hold.
//!
//! First the tests of the workspace, then real clients against the real
//! server, then the pages in a real browser; what follows the first part needs
//! Python, Node, Chromium and the package registries.

use std::process::Command;

use anyhow::{Result, anyhow, ensure};

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(
        args.is_empty(),
        "`cargo xtask test` takes no arguments; see `cargo xtask clients` and `cargo xtask browser` for one suite"
    );
    // Waiting for registries costs the build nothing.
    let fetched = std::thread::spawn(|| crate::clients::install().and_then(|()| crate::browser::install()));
    let status = Command::new(crate::process::cargo())
        .args(["test", "--workspace", "--locked"])
        .current_dir(crate::root())
        .status()?;
    ensure!(status.success(), "the tests of the workspace failed");
    fetched.join().map_err(|_| anyhow!("fetching the packages of clients and browser panicked"))??;
    // The tests have just built it; asking for it alone would build it with other features.
    let binary = crate::process::target().join("debug/assay");
    let built = ["--assay".to_owned(), binary.display().to_string()];
    crate::clients::run(&built)?;
    crate::browser::run(&built)
}
