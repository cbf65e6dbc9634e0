//! `cargo xtask test`: everything the README promises to hold.
//!
//! First the tests of the workspace, then real clients against the real
//! server; the second half needs Python, Node and their package registries.

use std::process::Command;

use anyhow::{Result, ensure};

pub(crate) fn run(args: &[String]) -> Result<()> {
    ensure!(
        args.is_empty(),
        "`cargo xtask test` takes no arguments; see `cargo xtask clients` for one suite"
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).args(["test", "--workspace", "--locked"]).current_dir(crate::root()).status()?;
    ensure!(status.success(), "the tests of the workspace failed");
    crate::clients::run(&[])
}
