//! What can be written after the commands that serve a store and look after it.

use std::path::PathBuf;

use clap::Subcommand;
use uuid::Uuid;

use super::Data;

/// Where to listen, and for whom. What is not said here may stand in the
/// environment or in a file: `docs/configuration.md`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Serve {
    /// Settings in a file (TOML)
    #[arg(long, env = "ASSAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Show all settings, where each comes from and what is wrong with them; start nothing
    #[arg(long)]
    pub(crate) check_config: bool,
    /// Directory of the store [default: ./assay-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Address and port; port 0 takes any free one [default: 127.0.0.1:1984]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<String>,
    /// Where to take OTLP over gRPC, such as 127.0.0.1:4317; nowhere if absent
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) grpc: Option<String>,
    /// How clients reach the server, for links; the host they ask for where absent
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// Serve everybody who reaches the address, without keys
    #[arg(long)]
    pub(crate) allow_anonymous: bool,
    /// Prices of models that go before the built-in ones (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<String>,
    /// text or json, one line per request, on standard error
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Whom jobs ask: openai, responses, anthropic or compatible; by the key that is there if absent.
    /// Keys are workspace secrets, or in OPENAI_API_KEY, ANTHROPIC_API_KEY, ASSAY_MODEL_KEY
    #[arg(long, value_name = "KIND", help_heading = "Language models")]
    pub(crate) models_provider: Option<String>,
    /// Address of the provider, such as http://localhost:11434/v1
    #[arg(long, value_name = "URL", help_heading = "Language models")]
    pub(crate) models_base_url: Option<String>,
    /// Model that names and concludes where a job names none
    #[arg(long, value_name = "MODEL", help_heading = "Language models")]
    pub(crate) models_thinking: Option<String>,
    /// Model that reads threads where a job names none
    #[arg(long, value_name = "MODEL", help_heading = "Language models")]
    pub(crate) models_summary: Option<String>,
    /// Certificates (PEM) to trust beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Language models")]
    pub(crate) models_ca_file: Option<String>,
    /// Proxy for all calls to models, such as http://proxy:3128 [default: HTTPS_PROXY and its like]
    #[arg(long, value_name = "URL", help_heading = "Language models")]
    pub(crate) models_proxy: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key; it is shown once, and a running server takes it within a second
    Create {
        #[command(flatten)]
        data: Data,
        /// admin, editor or viewer
        #[arg(long, default_value = "editor")]
        role: assay_server::access::Role,
        /// What it is for
        #[arg(long, default_value = "", value_name = "TEXT")]
        description: String,
        /// When it ends: after a time (30d, 12h) or at a moment (2026-11-01) [default: never]
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// The workspace it is good for [default: the only one of the store]
        #[arg(long, value_name = "ID")]
        workspace: Option<Uuid>,
        #[arg(long)]
        json: bool,
    },
    /// List keys, the newest first
    List {
        #[command(flatten)]
        data: Data,
        #[arg(long)]
        json: bool,
    },
    /// End a key for good
    Revoke {
        /// Id of the key, as `assay key list` shows it
        id: Uuid,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) data: Data,
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Redact {
    /// Text, JSON or JSONL to try the rules on; `-` is standard input. Nothing is stored
    #[arg(long, value_name = "FILE")]
    pub(crate) test: PathBuf,
    /// Take the rules from this file of settings [default: all detectors]
    #[arg(long, env = "ASSAY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The rules of this project, beside those of all
    #[arg(long, value_name = "NAME", requires = "config")]
    pub(crate) project: Option<String>,
    /// Detectors by name, or all, personal, secrets
    #[arg(long, value_delimiter = ',', value_name = "NAMES", conflicts_with = "config")]
    pub(crate) detectors: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// Directory to make; it must not exist
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// Directory that `assay backup` made
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) data: Data,
}
