//! What can be written on the command line: the commands, and what several share.

mod analysis;
mod insights;
mod models;
mod operate;
mod stored;

use std::path::PathBuf;

use assay_domain::Time;
use chrono::{NaiveDate, NaiveTime};
use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use analysis::{Analysis, Lens, parse_categories};
pub(crate) use insights::{AlertFlags, Asked, Config, Dataset, DatasetFormat, Insights, Schedule};
pub(crate) use models::ModelFlags;
pub(crate) use operate::{Audit, Backup, Key, Redact, Restore, Serve};
pub(crate) use stored::{Project, Runs, Thread};

/// Reads the traces of LLM agents and tells what people do with them and where they fail.
#[derive(Debug, Parser)]
#[command(name = "assay", version, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a small corpus, analyse it, print the report and write it to a folder
    Demo(Demo),
    /// Analyse files of traces: the main job in one command
    Report(Box<Report>),
    /// Read files of traces into a project of a durable store
    Import(Import),
    /// Make, list, show, export and delete reports over a store
    #[command(subcommand)]
    Insights(Insights),
    /// Save what to analyse and how under a name
    #[command(subcommand)]
    Config(Config),
    /// Make reports at certain times
    #[command(subcommand)]
    Schedule(Schedule),
    /// Turn what was found into test cases
    #[command(subcommand)]
    Dataset(Dataset),
    /// List and delete projects, say how long they keep traces
    #[command(subcommand)]
    Project(Project),
    /// List runs
    #[command(subcommand)]
    Runs(Runs),
    /// Read threads
    #[command(subcommand)]
    Thread(Thread),
    /// Serve the store to LangSmith SDKs and OpenTelemetry exporters
    Serve(Serve),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(Key),
    /// Show who changed, shared or deleted what
    Audit(Audit),
    /// Show what rules of redaction would take out of a text
    Redact(Redact),
    /// Copy a store, also while it is served
    Backup(Backup),
    /// Make a store out of a backup
    Restore(Restore),
    /// Check a store
    Doctor(Doctor),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// Where the durable store is.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Data {
    /// Directory of the store
    #[arg(long, env = "ASSAY_DATA", default_value = "./assay-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// Which files, and how to read them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Input {
    /// Files, folders or patterns; `-` is standard input. JSON, JSONL, OTLP, plain, .gz or .zst
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Read every record in this format instead of detecting it
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Price table that is asked before the built-in one (TOML, as `docs/prices.md` says)
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Settings in a file (TOML), as of `serve`: what it says of sampling, rules and redaction holds
    /// here too, besides what was set in the store
    #[arg(long, env = "ASSAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Chat histories: messages with metadata and feedback
    Chat,
    /// LangSmith runs as its API returns them
    Langsmith,
    /// LangSmith feedback records
    LangsmithFeedback,
    /// OpenTelemetry export requests as JSON
    OtlpJson,
    /// OpenTelemetry export requests as protobuf
    OtlpProtobuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// How many threads to make
    #[arg(long, default_value_t = 600)]
    pub(crate) size: usize,
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// Where to write the corpus and the report
    #[arg(long, default_value = "demo", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Compare what was planted with what was found; fails where too little was
    #[arg(long)]
    pub(crate) check: bool,
    /// Print report.json instead of the report
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    #[command(flatten)]
    pub(crate) input: Input,
    /// Keep runs and report in this store [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Project to read into [default: named after the first file]
    #[arg(long)]
    pub(crate) project: Option<String>,
    #[command(flatten)]
    pub(crate) analysis: Analysis,
    #[command(flatten)]
    pub(crate) show: Printing,
    /// Folder for report.html, report.md, report.json and the assignments
    #[arg(long, value_name = "DIR", default_value = "assay-report")]
    pub(crate) out: PathBuf,
    /// Write no files
    #[arg(long)]
    pub(crate) no_files: bool,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Printing {
    /// Print report.json
    #[arg(long)]
    pub(crate) json: bool,
    /// Levels of the category tree to print [default: all]
    #[arg(long, value_name = "LEVELS")]
    pub(crate) depth: Option<usize>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) data: Data,
    #[arg(long)]
    pub(crate) project: String,
    /// Print the counts as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) data: Data,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    pub(crate) shell: clap_complete::Shell,
}

pub(crate) fn parse_time(text: &str) -> Result<Time, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse().map_err(|_| "write a day (2026-11-01) or a moment (2026-11-01T12:00:00Z)".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
