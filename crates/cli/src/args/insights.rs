//! What can be written after `insights`, `config`, `schedule` and `dataset`:
//! reports, the jobs that make them, and what is made of them.

use std::path::PathBuf;

use assay_domain::ReportId;
use clap::builder::RangedU64ValueParser;
use clap::{Subcommand, ValueEnum};

use super::{Analysis, Data, ModelFlags, Printing};

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
    /// Begin again a job that failed or was cancelled: the same threads, and answers of models that were paid are kept
    Resume {
        job: uuid::Uuid,
        #[command(flatten)]
        data: Data,
        /// Print the job as JSON
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
        #[arg(value_parser = report_id)]
        before: ReportId,
        #[arg(value_parser = report_id)]
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
        #[arg(value_parser = report_id)]
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
        #[arg(value_parser = report_id)]
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
        #[arg(value_parser = report_id)]
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
    /// Draft a config from plain words: a prompt, attributes, a name. By a model where one is named, else by rule
    Generate {
        /// What you want to learn about your agent
        words: String,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
        /// Save the draft under this name
        #[arg(long, value_name = "NAME")]
        save: Option<String>,
        #[command(flatten)]
        model: Box<ModelFlags>,
        /// Print the draft as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a config gives on a few threads, before a model reads all of them
    Preview {
        /// Name or id
        config: String,
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        project: String,
        /// So many threads, 20 at most
        #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = RangedU64ValueParser::<usize>::new().range(1..=20))]
        threads: usize,
        #[command(flatten)]
        model: Box<ModelFlags>,
        /// Print the threads as JSON
        #[arg(long)]
        json: bool,
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
        #[arg(value_parser = report_id)]
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

/// The id of a report, or what is wrong with it and where ids are found.
fn report_id(text: &str) -> Result<ReportId, String> {
    text.parse().map_err(|_| format!("{text:?} is no id of a report; `assay insights list` shows them"))
}
