//! What can be written on the command line.

mod models;
mod operate;

use std::path::PathBuf;

use assay_domain::report::{Focus, PredefinedCategory, ReportConfig, Sample, SampleStrategy, Shape};
use assay_domain::{ReportId, Time};
use chrono::{NaiveDate, NaiveTime};
use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use models::ModelFlags;
pub(crate) use operate::{Audit, Backup, Key, Redact, Restore, Serve};

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

/// What to analyse and how.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Analysis")]
pub(crate) struct Analysis {
    /// Group by what people ask for, or by how the agent fails
    #[arg(long, value_enum, default_value = "usage")]
    pub(crate) focus: Lens,
    /// Only threads with a run that matches, such as 'eq(status, "error")'
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) filter: Option<String>,
    /// Only threads active at or after this moment (2026-11-01 or 2026-11-01T12:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) since: Option<Time>,
    /// Only threads active before this moment
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) until: Option<Time>,
    /// Read only this many threads [default: all]
    #[arg(long, value_name = "THREADS")]
    pub(crate) sample: Option<usize>,
    /// How the sample is drawn: uniform, errors, low-feedback:KEY, or strata by status, latency,
    /// day, feedback:KEY or metadata:KEY
    #[arg(long, value_name = "STRATEGY", default_value = "uniform")]
    pub(crate) sample_by: SampleStrategy,
    /// How many categories, from the finest level up, such as 40,8 [default: as many as there are]
    #[arg(long, value_name = "COUNTS", value_delimiter = ',')]
    pub(crate) hierarchy: Vec<usize>,
    /// File with the top categories, of requests or of failures: JSON {"name": "description", …} or lines `name: description`
    #[arg(long, value_name = "FILE")]
    pub(crate) categories: Option<PathBuf>,
    /// Name of the report
    #[arg(long)]
    pub(crate) name: Option<String>,
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Threads of the processor to use [default: all]. The result does not depend on it
    #[arg(long, value_name = "COUNT")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) model: ModelFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lens {
    Usage,
    Errors,
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

#[derive(Debug, Subcommand)]
pub(crate) enum Insights {
    /// Make a report over a project
    Run {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
        #[command(flatten)]
        analysis: Box<Analysis>,
        /// Leave the work to the server of this store, and print the id of the job
        #[arg(long, conflicts_with_all = ["sample_by", "threads", "json", "depth"])]
        queue: bool,
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        alert: AlertFlags,
        #[command(flatten)]
        show: Printing,
    },
    /// Say what a report would take of language models: calls, tokens, time, money. Asks nobody
    Estimate {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
        #[command(flatten)]
        analysis: Box<Analysis>,
        /// Only threads active in the last hours
        #[arg(long, value_name = "HOURS", conflicts_with_all = ["since", "until"])]
        last_hours: Option<u32>,
        /// Print the estimate as JSON
        #[arg(long)]
        json: bool,
    },
    /// List jobs, newest first
    Jobs {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Follow a job to its end; fails if it does
    Watch {
        job: uuid::Uuid,
        #[command(flatten)]
        data: Data,
        /// Print the job as it ended, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Stop a job
    Cancel {
        job: uuid::Uuid,
        #[command(flatten)]
        data: Data,
        /// Print the job as JSON
        #[arg(long)]
        json: bool,
    },
    /// The same as `assay config`
    #[command(subcommand)]
    Config(Config),
    /// The same as `assay schedule`
    #[command(subcommand)]
    Schedule(Schedule),
    /// The same as `assay dataset`
    #[command(subcommand)]
    Dataset(Dataset),
    /// Say what changed from one report to another: shares, new, gone, split and merged categories
    Compare {
        before: ReportId,
        after: ReportId,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        json: bool,
    },
    /// List reports, newest first
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// Print a report
    Show {
        /// Id of the report [default: the newest of the project]
        report: Option<ReportId>,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: Option<String>,
        #[command(flatten)]
        show: Printing,
    },
    /// Write a report to files
    Export {
        /// Id of the report [default: the newest of the project]
        report: Option<ReportId>,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: Option<String>,
        #[arg(long, value_name = "DIR", default_value = "assay-report")]
        out: PathBuf,
    },
    /// Delete a report
    Delete {
        report: ReportId,
        #[command(flatten)]
        data: Data,
    },
    /// Recompute every number of a report.json and check every reference
    Verify {
        /// A report.json, or `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// What only a job of the server can be asked.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Jobs of the server")]
pub(crate) struct Asked {
    /// Begin with what this config says (name or id)
    #[arg(long, value_name = "CONFIG", requires = "queue")]
    pub(crate) config: Option<String>,
    /// Only threads active in the last hours
    #[arg(long, value_name = "HOURS", conflicts_with_all = ["since", "until"])]
    pub(crate) last_hours: Option<u32>,
}

/// Whom to tell when categories change.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Alerts")]
pub(crate) struct AlertFlags {
    /// Address to tell when a category is new or grows beyond chance, compared with the report of
    /// this name before; signed with ASSAY_WEBHOOK_SECRET from the environment
    #[arg(long, value_name = "URL", conflicts_with = "queue")]
    pub(crate) webhook: Option<String>,
    /// By how much a share must grow to be told (0.05: five points)
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, requires = "webhook")]
    pub(crate) alert_growth: f64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// List the configs of a project, the prebuilt ones too
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
        #[arg(long)]
        json: bool,
    },
    /// Print a config as JSON
    Show {
        /// Name or id
        config: String,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
    },
    /// Save a config; one of the same name is replaced
    Save {
        /// What it is to be called
        config: String,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
        #[command(flatten)]
        analysis: Box<Analysis>,
        #[command(flatten)]
        asked: SavedAsked,
    },
    /// Delete a config and its schedule
    Delete {
        /// Name or id
        config: String,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
    },
}

/// What a config may say besides the analysis.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SavedAsked {
    /// Only threads active in the last hours before a job is made
    #[arg(long, value_name = "HOURS", conflicts_with_all = ["since", "until"])]
    pub(crate) last_hours: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Make a job from a config at certain times
    Add {
        /// Name or id of the config
        config: String,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
        /// `daily` (08:00), `weekly` (Monday 08:00), or five fields: minute, hour, day, month, weekday
        #[arg(long, value_name = "CRON")]
        at: String,
        /// Time zone in which the times are meant
        #[arg(long, value_name = "NAME", default_value = "UTC")]
        zone: String,
    },
    /// List schedules and their next runs
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: Option<String>,
        #[arg(long)]
        json: bool,
    },
    /// End a schedule; the config stays
    Remove {
        /// Name or id of the config
        config: String,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Dataset {
    /// Write the threads of a category as test cases
    Export {
        /// Id of the report
        report: ReportId,
        /// Name or id of the category; `Parent > Child` where a name is not enough
        category: String,
        #[command(flatten)]
        data: Data,
        #[arg(long, value_enum, default_value = "jsonl")]
        format: DatasetFormat,
        /// File to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DatasetFormat {
    /// One example per line: inputs, outputs, metadata
    Jsonl,
    /// OpenAI evals: `input` messages and the `ideal` answer
    Openai,
    /// A Python file with one test per thread, to be filled in
    Pytest,
    /// The body that LangSmith's dataset upload and Assay's `/examples/bulk` take
    Langsmith,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Project {
    /// List projects with what they hold
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        json: bool,
    },
    /// Say how long a project keeps traces; without a time, show it
    Retention {
        name: String,
        /// Such as 30d; off keeps them for good, default is what the server is set to
        #[arg(value_name = "TIME")]
        keep: Option<String>,
        #[command(flatten)]
        data: Data,
    },
    /// Delete a project with its runs, feedback and reports
    Delete {
        name: String,
        #[command(flatten)]
        data: Data,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List runs, newest first
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
        /// Expression in the filter language, such as 'and(eq(run_type, "tool"), neq(error, null))'
        #[arg(long, value_name = "EXPRESSION")]
        filter: Option<String>,
        #[arg(long, value_parser = parse_time, value_name = "TIME")]
        since: Option<Time>,
        #[arg(long, value_parser = parse_time, value_name = "TIME")]
        until: Option<Time>,
        /// Only root runs
        #[arg(long)]
        roots: bool,
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Thread {
    /// Print the conversation of a thread
    Show {
        id: String,
        #[command(flatten)]
        data: Data,
        /// Project of the thread [default: the only one that has it]
        #[arg(long)]
        project: Option<String>,
        #[arg(long)]
        json: bool,
    },
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

impl Analysis {
    /// What the flags mean.
    ///
    /// # Errors
    /// Where the file of categories cannot be read or makes no sense.
    pub(crate) fn config(&self) -> anyhow::Result<ReportConfig> {
        let prebuilt = match self.focus {
            Lens::Usage => ReportConfig::usage_patterns(),
            Lens::Errors => ReportConfig::error_analysis(),
        };
        let categories = match &self.categories {
            Some(file) => crate::data::categories(file)?,
            None => Vec::new(),
        };
        let mut config = ReportConfig {
            name: self.name.clone().unwrap_or_else(|| prebuilt.name.clone()),
            focus: match self.focus {
                Lens::Usage => Focus::Usage,
                Lens::Errors => Focus::Errors,
            },
            filter: self.filter.clone(),
            start_time: self.since,
            end_time: self.until,
            sample: Sample { size: self.sample, strategy: self.sample_by.clone() },
            shape: shape(&self.hierarchy)?,
            categories,
            seed: self.seed,
            ..prebuilt
        };
        crate::analyst::configure(&self.model, &mut config)?;
        Ok(config)
    }
}

fn shape(counts: &[usize]) -> anyhow::Result<Shape> {
    if counts.is_empty() {
        return Ok(Shape::Automatic);
    }
    if counts.contains(&0) || !counts.is_sorted_by(|finer, coarser| finer > coarser) {
        anyhow::bail!(
            "--hierarchy takes counts from the finest level up, each smaller than the one before, such as 40,8"
        );
    }
    Ok(Shape::Levels(counts.to_vec()))
}

pub(crate) fn parse_time(text: &str) -> Result<Time, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    text.parse().map_err(|_| "write a day (2026-11-01) or a moment (2026-11-01T12:00:00Z)".to_owned())
}

/// Categories as JSON object, JSON list of objects, or lines `name: description`.
pub(crate) fn parse_categories(text: &str) -> anyhow::Result<Vec<PredefinedCategory>> {
    let text = text.trim();
    let categories: Vec<PredefinedCategory> = if text.starts_with('[') {
        serde_json::from_str(text)?
    } else if text.starts_with('{') {
        let named: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
        named
            .into_iter()
            .map(|(name, value)| PredefinedCategory {
                name,
                description: value.as_str().unwrap_or_default().to_owned(),
            })
            .collect()
    } else {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| {
                let (name, description) = line.split_once(':').unwrap_or((line, ""));
                PredefinedCategory {
                    name: name.trim().to_owned(),
                    description: description.trim().to_owned(),
                }
            })
            .collect()
    };
    anyhow::ensure!(!categories.is_empty(), "it names no category");
    for (index, category) in categories.iter().enumerate() {
        anyhow::ensure!(!category.name.is_empty(), "category {} has no name", index + 1);
        let repeats = categories[..index].iter().any(|other| other.name.eq_ignore_ascii_case(&category.name));
        anyhow::ensure!(!repeats, "category {:?} is named twice", category.name);
    }
    Ok(categories)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn categories_can_be_written_in_three_ways() {
        for text in [
            r#"{"Billing": "money", "Other things": ""}"#,
            r#"[{"name": "Billing", "description": "money"}, {"name": "Other things"}]"#,
            "# mine\nBilling: money\n\nOther things\n",
        ] {
            let found = parse_categories(text).expect(text);
            assert_eq!(found.len(), 2, "{text}");
            assert_eq!((found[0].name.as_str(), found[0].description.as_str()), ("Billing", "money"));
        }
        assert!(parse_categories("a: x\nA: y").is_err());
        assert!(parse_categories("").is_err());
    }

    #[test]
    fn levels_must_shrink() {
        assert!(shape(&[40, 8]).is_ok());
        assert!(shape(&[8, 40]).is_err());
        assert!(shape(&[0]).is_err());
    }
}
