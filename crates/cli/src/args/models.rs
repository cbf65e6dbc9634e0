//! Flags of the language models that may take part in an analysis.
//!
//! What they mean is in [`crate::analyst`]. Keys are no flags: they would show
//! in the list of processes.

use std::path::PathBuf;

use assay_domain::report::Tier;
use assay_llm::Api;
use clap::ValueEnum;

/// Whether and how language models take part.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Language models")]
pub(crate) struct ModelFlags {
    /// local: none; names: one names categories and writes the summary; deep: one also reads threads
    #[arg(long, value_parser = parse_tier, default_value = "local")]
    pub(crate) tier: Tier,
    /// Model that names and concludes, such as gpt-5-mini, claude-sonnet-4-5 or llama3.3
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Model that reads threads [default: the same]
    #[arg(long, value_name = "MODEL")]
    pub(crate) summary_model: Option<String>,
    /// Who runs the model [default: by the model's name; compatible with --base-url]. Keys are
    /// read from OPENAI_API_KEY, ANTHROPIC_API_KEY or, for compatible, ASSAY_MODEL_KEY
    #[arg(long, value_enum)]
    pub(crate) provider: Option<ProviderKind>,
    /// Address of the provider, such as http://localhost:11434/v1
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Certificates (PEM) to trust beside the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Proxy for all calls to the provider, such as http://proxy:3128 [default: HTTPS_PROXY and its like]
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// US dollars that the report may cost at most; what is made by then is kept and marked
    #[arg(long, value_name = "DOLLARS")]
    pub(crate) budget: Option<f64>,
    /// Tier deep: how many threads the model reads [default: all]
    #[arg(long, value_name = "THREADS")]
    pub(crate) read: Option<usize>,
    /// What you want to learn about your agent, in plain words
    #[arg(long, value_name = "TEXT")]
    pub(crate) instructions: Option<String>,
    /// File with the prompt for reading a thread; {{run.inputs}}, {{all_thread_messages}}, ...
    #[arg(long, value_name = "FILE")]
    pub(crate) summary_prompt: Option<PathBuf>,
    /// JSON file with questions to answer about every thread: {"NAME": {"type": "boolean", "description": "..."}}
    #[arg(long, value_name = "FILE")]
    pub(crate) attributes: Option<PathBuf>,
    /// Calls in flight at once
    #[arg(long, value_name = "CALLS", default_value_t = 20)]
    pub(crate) concurrency: usize,
    /// Tokens of a thread that a model is shown at most
    #[arg(long, value_name = "TOKENS", default_value_t = 3000)]
    pub(crate) thread_tokens: usize,
    /// Embedding model of the same provider to group by, instead of the one inside Assay; it sees
    /// the first words of every thread, and counts against --budget (not in estimates)
    #[arg(long, value_name = "MODEL")]
    pub(crate) embedding_model: Option<String>,
    /// Show models personal data and secrets as they stand in the traces
    #[arg(long)]
    pub(crate) no_redaction: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProviderKind {
    /// OpenAI, chat completions
    Openai,
    /// OpenAI, responses
    Responses,
    Anthropic,
    /// Whatever speaks like OpenAI: Ollama, vLLM, LiteLLM, ...
    Compatible,
}

impl ProviderKind {
    pub(crate) fn api(self) -> Api {
        match self {
            Self::Openai => Api::OpenAi,
            Self::Responses => Api::Responses,
            Self::Anthropic => Api::Anthropic,
            Self::Compatible => Api::Compatible,
        }
    }
}

fn parse_tier(text: &str) -> Result<Tier, String> {
    match text {
        "local" => Ok(Tier::Local),
        "names" => Ok(Tier::Names),
        "deep" => Ok(Tier::Deep),
        other => Err(format!("{other:?} is none of local, names, deep")),
    }
}
