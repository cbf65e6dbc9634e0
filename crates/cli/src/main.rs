//! The binary: parse, call, print.
//!
//! One enum of commands ([`args`]), one match here, one file per command in
//! [`command`]. Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but some
//! input was skipped.

mod analyst;
mod args;
mod cancel;
mod command;
mod data;
mod demo;
mod ingest;
mod output;
mod progress;
mod stdin;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Some input was skipped; what and why went to standard error.
    DoneWithSkips,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !matches!(args.command, Command::Serve(_)) {
        // A server has its own way to stop.
        cancel::install();
    }
    let result = match args.command {
        Command::Demo(args) => command::demo::run(args),
        Command::Report(args) => command::report::run(*args),
        Command::Import(args) => command::import::run(args),
        Command::Insights(args) => command::insights::run(args),
        Command::Config(args) => command::config::run(args),
        Command::Schedule(args) => command::schedule::run(args),
        Command::Dataset(args) => command::dataset::run(args),
        Command::Project(args) => command::project::run(args),
        Command::Runs(args) => command::runs::run(args),
        Command::Thread(args) => command::thread::run(args),
        Command::Serve(args) => command::serve::run(args),
        Command::Key(args) => command::key::run(args),
        Command::Audit(args) => command::audit::run(&args),
        Command::Redact(args) => command::redact::run(args),
        Command::Backup(args) => command::backup::backup(&args),
        Command::Restore(args) => command::backup::restore(&args),
        Command::Doctor(args) => command::doctor::run(args),
        Command::Completions(args) => command::completions::run(&args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::DoneWithSkips) => ExitCode::from(3),
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {}", output::causes(&error)));
            ExitCode::FAILURE
        }
    }
}
