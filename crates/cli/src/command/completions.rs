//! `assay completions`: a completion script for a shell.

use clap::CommandFactory;

use crate::args::{Args, Completions};
use crate::{Outcome, output};

pub(crate) fn run(args: &Completions) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "assay", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
