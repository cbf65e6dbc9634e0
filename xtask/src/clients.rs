//! `cargo xtask clients [SUITE…] [--assay FILE]`: real clients against the real server.
//!
//! For each suite of `tests/clients/` it starts `assay serve` over an empty
//! store, runs the suite against it, stops the server, and prints one table.
//! `--assay` takes a binary that is built already. What the suites need is
//! kept under `target/clients/` and made again only when their lists change.
//!
//! The verdict rests on the tests that passed by name, not on the exit status
//! of a test runner: a test that did not run has not passed. Start with [`run`].

mod environment;
mod models;
mod outcome;
pub(crate) mod server;
mod suite;

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::process;
use environment::Environment;
use models::Models;
use server::Server;
use suite::SUITES;

/// Fetches what the suites need, where it is not there yet.
pub(crate) fn install() -> Result<()> {
    Environment::prepare().map(drop)
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
    let (wanted, binary) = process::suites(args, &names)?;
    let begun = Instant::now();
    let binary = match binary {
        Some(binary) => binary,
        None => process::build_assay()?,
    };
    eprintln!("the server is built after {:.0} s", begun.elapsed().as_secs_f64());
    let environment = Environment::prepare()?;
    eprintln!("the clients are installed after {:.0} s", begun.elapsed().as_secs_f64());
    let mut verdicts = Vec::new();
    for suite in SUITES.iter().filter(|suite| wanted.is_empty() || wanted.contains(&suite.name)) {
        eprintln!("{} …", suite.name);
        let start = Instant::now();
        let models = suite.asks_models.then(Models::start).transpose()?;
        let flags = models.as_ref().map(Models::flags).unwrap_or_default();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let log = environment.log(&format!("{}.server", suite.name));
        let server = Server::start_with(&binary, &log, &flags)?;
        let result = suite.run(&environment, &server, models.as_ref());
        let faults = server.faults();
        let ended = server.stop();
        let mut verdict = result.with_context(|| format!("suite {}", suite.name))?;
        verdict.seconds = start.elapsed().as_secs_f64();
        for error in faults.as_ref().err().into_iter().chain(ended.as_ref().err()) {
            verdict.failed.push(("the server".into(), format!("{error:#}")));
        }
        for fault in faults.into_iter().flatten() {
            verdict.failed.push(("the server counts no fault of its own".into(), fault));
        }
        eprint!("{}", verdict.failures());
        verdicts.push(verdict);
    }
    print!("{}", outcome::table(&verdicts));
    let failed: usize = verdicts.iter().map(|verdict| verdict.failed.len()).sum();
    ensure!(failed == 0, "{failed} failed; logs are in {}", environment.logs().display());
    Ok(())
}
