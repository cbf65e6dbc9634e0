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
use assay_insights::model::memory::Remembered;
use assay_llm::{
    Api, Asker, Budget, Embed, EmbedderTerms, Endpoint, Job, Limits, Provider, ProviderEmbedder, Retry,
    Secret, Settings,
};
use assay_redact::{Redactor, Rules, Seen};
use assay_store::EmbeddedStore;
use rust_decimal::Decimal;

use crate::args::ModelFlags;

/// Everything an [`Analyst`] borrows.
pub(crate) struct Desk {
    asker: Asker,
    prices: Arc<PriceTable>,
    redactor: Option<Arc<Redactor>>,
    embedder: Option<Box<dyn Embed>>,
    concurrency: usize,
    thread_tokens: usize,
}

/// What the desk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Run,
    /// Nobody is asked, so no key is needed.
    Estimate,
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
        purpose: Purpose,
    ) -> anyhow::Result<Option<Self>> {
        if flags.tier == Tier::Local {
            let for_models = [
                ("--instructions", flags.instructions.is_some()),
                ("--summary-prompt", flags.summary_prompt.is_some()),
                ("--attributes", flags.attributes.is_some()),
                ("--read", flags.read.is_some()),
                ("--embedding-model", flags.embedding_model.is_some()),
            ];
            if let Some((flag, _)) = for_models.iter().find(|(_, is_given)| *is_given) {
                anyhow::bail!("{flag} is for language models: it needs --tier names or --tier deep");
            }
            return Ok(None);
        }
        let settings = settings(flags, purpose)?;
        let provider = Provider::new(settings.clone())?;
        let limits = Limits { concurrency: flags.concurrency.max(1), ..Limits::default() };
        let cap =
            flags.budget.map(Decimal::try_from).transpose().context("--budget is no amount of money")?;
        let prices = Arc::new(prices);
        let budget = Arc::new(Budget::new(cap, Arc::clone(&prices)));
        let job = Job {
            weight: 1,
            budget: budget.clone(),
            memory: Arc::new(Remembered { store: store.clone(), project }),
            retry: Retry::default(),
        };
        let rules = Rules { detectors: vec!["all".into()], ..Rules::default() };
        let redactor = (!flags.no_redaction).then(|| Redactor::new(&rules, b"")).transpose()?.map(Arc::new);
        // An estimate asks nobody, so it groups by the embedder inside.
        let embedding = flags.embedding_model.as_ref().filter(|_| purpose == Purpose::Run);
        let terms = EmbedderTerms { budget: Some(budget), ..EmbedderTerms::default() };
        let embedder =
            embedding.map(|model| embedder(settings, model, terms, redactor.clone())).transpose()?;
        Ok(Some(Self {
            asker: Asker::new(Arc::new(Endpoint::new(Arc::new(provider), limits)), job),
            prices,
            redactor,
            embedder,
            concurrency: flags.concurrency.max(1),
            thread_tokens: flags.thread_tokens,
        }))
    }

    /// Runs `work` with an analyst at this desk.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Analyst<'_>) -> T) -> T {
        let redact = |text: &str| match &self.redactor {
            Some(redactor) => redacted(redactor, text),
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

    /// The provider's embedding model, where one is to be used.
    pub(crate) fn embedder(&self) -> Option<&dyn Embed> {
        self.embedder.as_deref()
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

fn redacted(redactor: &Redactor, text: &str) -> String {
    redactor.text(text, &mut Seen::default()).unwrap_or_else(|| text.to_owned())
}

fn embedder(
    settings: Settings,
    model: &str,
    terms: EmbedderTerms,
    redactor: Option<Arc<Redactor>>,
) -> anyhow::Result<Box<dyn Embed>> {
    anyhow::ensure!(
        settings.api != Api::Anthropic,
        "Anthropic has no embedding models: leave --embedding-model out, or use another provider"
    );
    let inner = ProviderEmbedder::connect(settings, model, terms)?;
    Ok(match redactor {
        Some(redactor) => {
            let name = format!("{}/redacted", inner.name());
            Box::new(Redacting { inner, redactor, name })
        }
        None => Box::new(inner),
    })
}

/// An embedder elsewhere that sees no personal data and no secrets.
struct Redacting {
    inner: ProviderEmbedder,
    redactor: Arc<Redactor>,
    name: String,
}

impl Embed for Redacting {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, assay_llm::Error> {
        let shown: Vec<String> = texts.iter().map(|text| redacted(&self.redactor, text)).collect();
        self.inner.embed(&shown.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn settings(flags: &ModelFlags, purpose: Purpose) -> anyhow::Result<Settings> {
    let model = flags.model.as_deref().unwrap_or_default();
    let api = match (flags.provider, &flags.base_url) {
        (Some(kind), _) => kind.api(),
        (None, Some(_)) => Api::Compatible,
        (None, None) if Api::is_anthropic(model) => Api::Anthropic,
        (None, None) => Api::OpenAi,
    };
    anyhow::ensure!(
        api != Api::Compatible || flags.base_url.is_some(),
        "--provider compatible needs --base-url, such as http://localhost:11434/v1"
    );
    let mut key = api.key_names().iter().find_map(|name| key(name));
    if key.is_none() && purpose == Purpose::Estimate {
        key = Some(Secret::new("not-asked"));
    }
    if key.is_none() && api.needs_key() {
        let name = api.key_names().first().copied().unwrap_or_default();
        anyhow::bail!("{name} is not set: put the provider's key there, or use --tier local");
    }
    let mut settings = Settings::of(api, flags.base_url.as_deref(), key)?;
    settings.ca_file.clone_from(&flags.ca_file);
    settings.proxy = flags.proxy.as_deref().map(Secret::new);
    Ok(settings)
}

fn key(variable: &str) -> Option<Secret> {
    let value = std::env::var(variable).ok()?;
    Some(value.trim()).filter(|value| !value.is_empty()).map(Secret::new)
}
