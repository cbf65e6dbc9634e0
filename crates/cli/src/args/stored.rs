//! What can be written after `project`, `runs` and `thread`: what a store holds.

use assay_domain::Time;
use clap::Subcommand;

use super::{Data, parse_time};

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
