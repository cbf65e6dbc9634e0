//! From flags and environment to models that can be asked.
//!
//! Keys come from the environment only: a flag would show in the list of
//! processes and in the shell's history. Nothing is opened before the first
//! question, and nothing at all without a tier that needs a model.

use std::sync::Arc;

use anyhow::Context as _;
use assay_domain::report::{AttributeSchema, Models, Tier};
use assay_domain::{PriceTable, ProjectId, ReportConfig};
use assay_insights::Analyst;
use assay_llm::chat::Answering;
use assay_llm::{Api, Asker, Budget, Endpoint, Job, Limits, Memory, Provider, Retry, Secret, Settings};
use assay_redact::{Redactor, Rules, Seen};
use assay_store::{EmbeddedStore, Memo};
use rust_decimal::Decimal;

use crate::args::{ModelFlags, ProviderKind};

/// Everything an [`Analyst`] borrows.
pub(crate) struct Desk {
    asker: Asker,
    prices: Arc<PriceTable>,
    redactor: Option<Redactor>,
    concurrency: usize,
    thread_tokens: usize,
}

impl Desk {
    /// The models that the flags name; `None` for the local tier.
    ///
    /// # Errors
    /// Where the key is not in the environment or the provider cannot be used.
    pub(crate) fn open(
        flags: &ModelFlags,
        store: &EmbeddedStore,
        project: ProjectId,
        prices: PriceTable,
    ) -> anyhow::Result<Option<Self>> {
        if flags.tier == Tier::Local {
            let for_models = [
                ("--instructions", flags.instructions.is_some()),
                ("--summary-prompt", flags.summary_prompt.is_some()),
                ("--attributes", flags.attributes.is_some()),
                ("--read", flags.read.is_some()),
            ];
            if let Some((flag, _)) = for_models.iter().find(|(_, is_given)| *is_given) {
                anyhow::bail!("{flag} is for language models: it needs --tier names or --tier deep");
            }
            return Ok(None);
        }
        let provider = Provider::new(settings(flags)?)?;
        let limits = Limits { concurrency: flags.concurrency.max(1), ..Limits::default() };
        let cap =
            flags.budget.map(Decimal::try_from).transpose().context("--budget is no amount of money")?;
        let prices = Arc::new(prices);
        let job = Job {
            weight: 1,
            budget: Arc::new(Budget::new(cap, Arc::clone(&prices))),
            memory: Arc::new(Remembered { store: store.clone(), project }),
            retry: Retry::default(),
        };
        let rules = Rules { detectors: vec!["all".into()], ..Rules::default() };
        let redactor = (!flags.no_redaction).then(|| Redactor::new(&rules, b"")).transpose()?;
        Ok(Some(Self {
            asker: Asker::new(Arc::new(Endpoint::new(Arc::new(provider), limits)), job),
            prices,
            redactor,
            concurrency: flags.concurrency.max(1),
            thread_tokens: flags.thread_tokens,
        }))
    }

    /// Runs `work` with an analyst at this desk.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Analyst<'_>) -> T) -> T {
        let redact = |text: &str| match &self.redactor {
            Some(redactor) => redactor.text(text, &mut Seen::default()).unwrap_or_else(|| text.to_owned()),
            None => text.to_owned(),
        };
        work(&Analyst {
            thinking: &self.asker,
            summary: &self.asker,
            concurrency: self.concurrency,
            thread_tokens: self.thread_tokens,
            prices: &self.prices,
            redact: self.redactor.is_some().then_some(&redact),
        })
    }

    /// What this very run cost, remembered answers not counted.
    pub(crate) fn spent(&self) -> Decimal {
        self.asker.budget().spent()
    }
}

/// Puts what the flags say of models into a config.
///
/// # Errors
/// Where a file cannot be read, or a tier with models names none.
pub(crate) fn configure(flags: &ModelFlags, config: &mut ReportConfig) -> anyhow::Result<()> {
    config.tier = flags.tier;
    if flags.tier == Tier::Local {
        anyhow::ensure!(
            flags.model.is_none() && flags.budget.is_none(),
            "--model and --budget need --tier names or --tier deep: the local tier asks no model"
        );
        return Ok(());
    }
    let Some(thinking) = flags.model.clone() else {
        anyhow::bail!(
            "--tier {} needs --model, such as gpt-5-mini or claude-sonnet-4-5",
            flags.tier.as_str()
        );
    };
    let summary = flags.summary_model.clone().unwrap_or_else(|| thinking.clone());
    config.models = Some(Models { thinking, summary });
    config.budget = flags.budget;
    config.read_by_model = flags.read;
    if let Some(text) = &flags.instructions {
        config.instructions.insert("What would you like to learn about your agent?".into(), text.clone());
    }
    if let Some(file) = &flags.summary_prompt {
        config.summary_prompt = Some(fs_err::read_to_string(file)?);
    }
    if let Some(file) = &flags.attributes {
        let text = fs_err::read_to_string(file)?;
        let found: std::collections::BTreeMap<String, AttributeSchema> = serde_json::from_str(&text)
            .with_context(|| {
                format!("cannot read attributes from {file:?}; expected {{\"name\": {{\"type\": \"boolean\", \"description\": \"…\"}}}}")
            })?;
        config.attributes = found;
    }
    Ok(())
}

fn settings(flags: &ModelFlags) -> anyhow::Result<Settings> {
    let model = flags.model.as_deref().unwrap_or_default();
    let kind = flags.provider.unwrap_or(match (&flags.base_url, model.starts_with("claude")) {
        (Some(_), _) => ProviderKind::Compatible,
        (None, true) => ProviderKind::Anthropic,
        (None, false) => ProviderKind::Openai,
    });
    let mut settings = match kind {
        ProviderKind::Openai => Settings::openai(key("OPENAI_API_KEY")?),
        ProviderKind::Responses => Settings::responses(key("OPENAI_API_KEY")?),
        ProviderKind::Anthropic => Settings::anthropic(key("ANTHROPIC_API_KEY")?),
        ProviderKind::Compatible => {
            let Some(url) = &flags.base_url else {
                anyhow::bail!("--provider compatible needs --base-url, such as http://localhost:11434/v1");
            };
            Settings::compatible(
                "compatible",
                url,
                key("ASSAY_MODEL_KEY").or_else(|_| key("OPENAI_API_KEY")).ok(),
            )
        }
    };
    if let (Some(url), true) = (&flags.base_url, settings.api != Api::Compatible) {
        settings.base_url.clone_from(url);
    }
    settings.ca_file.clone_from(&flags.ca_file);
    Ok(settings)
}

fn key(variable: &str) -> anyhow::Result<Secret> {
    match std::env::var(variable) {
        Ok(value) if !value.trim().is_empty() => Ok(Secret::new(value.trim())),
        _ => anyhow::bail!("{variable} is not set: put the provider's key there, or use --tier local"),
    }
}

/// Answers are remembered in the store, with the project they are about.
struct Remembered {
    store: EmbeddedStore,
    project: ProjectId,
}

type Failure = Arc<dyn std::error::Error + Send + Sync>;

impl Memory for Remembered {
    fn recall<'a>(&'a self, key: &'a [u8; 32]) -> Answering<'a, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            let found = self.store.recall(&[*key]).await.map_err(|error| Arc::new(error) as Failure)?;
            Ok(found.into_iter().next().flatten())
        })
    }

    fn remember<'a>(&'a self, key: &'a [u8; 32], answer: Vec<u8>) -> Answering<'a, Result<(), Failure>> {
        Box::pin(async move {
            let kept = self.store.remember(self.project, vec![(*key, answer)]).await;
            kept.map_err(|error| Arc::new(error) as Failure)
        })
    }
}
