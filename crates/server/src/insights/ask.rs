//! A job's way to its models: keys taken out of where they are kept, providers
//! that all jobs share, a budget and a memory of its own.
//!
//! [`Endpoints`] belong to the server, so that jobs share rate limits fairly
//! and an outage is noticed once. [`Line`] belongs to one job. Calls run on the
//! server's runtime, so that an analysis that computes holds none of them up.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_domain::job::{Job, Providers, Spend};
use assay_domain::report::Tier;
use assay_domain::{PriceTable, ProjectId};
use assay_insights::model::memory::Remembered;
use assay_insights::{Analyst, Error};
use assay_llm::chat::Answering;
use assay_llm::{
    Answer, Api, Asker, Budget, Chat, Endpoint, Error as ModelError, Provider, Request, Retry, Secret,
    Settings,
};
use assay_redact::{Redactor, Rules, Seen};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::ledger::{self, Ledger};
use super::models::{Choice, Offer, WHERE_SECRETS_ARE_SET};
use super::request;
use crate::app::App;

/// Providers as all jobs share them, by kind; made anew when the key changes.
#[derive(Default)]
pub(crate) struct Endpoints(Mutex<BTreeMap<&'static str, Shared>>);

struct Shared {
    /// Of the key: two keys have limits of their own.
    print: [u8; 32],
    endpoint: Arc<Endpoint>,
}

impl Endpoints {
    fn of(&self, app: &App, api: Api, key: Option<Secret>) -> Result<Arc<Endpoint>, ModelError> {
        let print: [u8; 32] = Sha256::digest(key.as_ref().map_or("", Secret::expose)).into();
        let mut known = self.0.lock();
        if let Some(shared) = known.get(api.as_str()).filter(|shared| shared.print == print) {
            return Ok(shared.endpoint.clone());
        }
        let models = &app.config.models;
        let base_url = models.base_url.as_deref().filter(|_| models.provider == Some(api));
        let mut settings = Settings::of(api, base_url, key)?;
        settings.timeout = models.timeout;
        settings.ca_file.clone_from(&models.ca_file);
        settings.proxy.clone_from(&models.proxy);
        let provider = Provider::new(settings)?;
        let endpoint = Arc::new(Endpoint::new(Arc::new(provider), models.limits.clone()));
        known.insert(api.as_str(), Shared { print, endpoint: endpoint.clone() });
        Ok(endpoint)
    }
}

/// Everything an [`Analyst`] borrows, for one job.
pub(super) struct Line {
    thinking: Apart,
    summary: Apart,
    budget: Arc<Budget>,
    prices: Arc<PriceTable>,
    redactor: Option<Redactor>,
    concurrency: usize,
    thread_tokens: usize,
    /// Where the keys come from, for who has to change them.
    sources: Vec<String>,
}

/// What a line is opened for.
pub(super) struct Purpose<'a> {
    pub(super) project: ProjectId,
    pub(super) providers: &'a Providers,
    pub(super) budget: Option<Decimal>,
    /// What earlier attempts have spent of the budget.
    pub(super) spent: Decimal,
    /// The job that is paid for, where it may be begun again.
    pub(super) job: Option<Uuid>,
}

impl Line {
    /// Opens the way. Nothing is asked yet.
    ///
    /// # Errors
    /// Names the key that is missing, or says why a provider cannot be used.
    pub(super) async fn open(app: &App, purpose: Purpose<'_>) -> Result<Self, Error> {
        let prices = app.store.prices();
        let mut budget = Budget::new(purpose.budget, prices.clone()).with_spent(purpose.spent);
        if let Some(id) = purpose.job.filter(|_| purpose.budget.is_some()) {
            budget = budget.with_journal(Arc::new(Ledger::new(app, id, purpose.project, purpose.spent)));
        }
        let budget = Arc::new(budget);
        let job = assay_llm::Job {
            weight: 1,
            budget: budget.clone(),
            memory: Arc::new(Remembered { store: app.store.clone(), project: purpose.project }),
            retry: Retry::default(),
        };
        let (thinking, source) = apart(app, &purpose.providers.thinking, &job).await?;
        let mut sources = vec![source];
        let summary = if purpose.providers.summary == purpose.providers.thinking {
            thinking.clone()
        } else {
            let (summary, source) = apart(app, &purpose.providers.summary, &job).await?;
            sources.push(source);
            summary
        };
        let models = &app.config.models;
        let rules = Rules { detectors: vec!["all".into()], ..Rules::default() };
        let redactor = models.redact.then(|| Redactor::new(&rules, b"")).transpose();
        Ok(Self {
            thinking,
            summary,
            budget,
            prices,
            redactor: redactor.map_err(|error| Error::Invalid(error.to_string()))?,
            concurrency: models.limits.concurrency,
            thread_tokens: models.thread_tokens,
            sources,
        })
    }

    /// The way of a job whose earlier attempts cost `spent`; `None` where it asks no model.
    ///
    /// # Errors
    /// As [`Line::open`].
    pub(super) async fn of_job(app: &App, job: &Job, spent: Decimal) -> Result<Option<Self>, Error> {
        let Some(providers) = job.providers.as_ref().filter(|_| !job.tier.is_local()) else {
            return Ok(None);
        };
        let spent = match job.budget {
            Some(_) => spent.max(ledger::spent(app, job.id).await?),
            None => spent,
        };
        let id = Some(job.id);
        let purpose = Purpose { project: job.project, providers, budget: job.budget, spent, job: id };
        Self::open(app, purpose).await.map(Some)
    }

    /// The same for a question beside the jobs: nobody begins it again.
    ///
    /// # Errors
    /// As [`Line::open`].
    pub(super) async fn once(app: &App, job: &Job) -> Result<Option<Self>, Error> {
        let Some(providers) = job.providers.as_ref().filter(|_| !job.tier.is_local()) else {
            return Ok(None);
        };
        let spent = Decimal::ZERO;
        let purpose = Purpose { project: job.project, providers, budget: job.budget, spent, job: None };
        Self::open(app, purpose).await.map(Some)
    }

    /// Runs `work` with an analyst on this line.
    pub(super) fn with<T>(&self, work: impl FnOnce(&Analyst<'_>) -> T) -> T {
        let redact = |text: &str| self.redacted(text);
        work(&Analyst {
            thinking: &self.thinking,
            summary: &self.summary,
            concurrency: self.concurrency,
            thread_tokens: self.thread_tokens,
            prices: &self.prices,
            redact: self.redactor.is_some().then_some(&redact),
        })
    }

    /// The model that names and concludes.
    pub(super) fn thinking(&self) -> &dyn Chat {
        &self.thinking
    }

    /// A text as a model may see it.
    pub(super) fn redacted(&self, text: &str) -> String {
        match &self.redactor {
            Some(redactor) => redactor.text(text, &mut Seen::default()).unwrap_or_else(|| text.to_owned()),
            None => text.to_owned(),
        }
    }

    /// The same for a text that may have been cut somewhere; to be cut further only afterwards.
    pub(super) fn shown(&self, text: &str) -> String {
        match &self.redactor {
            Some(_) => assay_insights::model::shown(&|text| self.redacted(text), text),
            None => text.to_owned(),
        }
    }

    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// An error of a model, with what its reader can do about it here.
    pub(super) fn explain(&self, error: Error) -> Error {
        match error {
            Error::Model(error @ ModelError::Unauthorized { .. }) => Error::Invalid(format!(
                "cannot ask the model: {error}; the key is {}: set a valid one and resume the job",
                self.sources.join(" and ")
            )),
            Error::Model(error @ (ModelError::Outage { .. } | ModelError::Unreachable { .. })) => {
                Error::Invalid(format!(
                    "cannot ask the model: {error} (POST …/resume goes on with it; what was answered is kept)"
                ))
            }
            other => other,
        }
    }
}

/// The way to one provider, and where its key comes from.
pub(super) async fn apart(app: &App, word: &str, job: &assay_llm::Job) -> Result<(Apart, String), Error> {
    let api =
        Api::named(word).ok_or_else(|| Error::Invalid(format!("there is no provider {word:?} any more")))?;
    let (key, source) = key_of(app, api).await?;
    let endpoint = app.insights.endpoints.of(app, api, key).map_err(Error::Model)?;
    let asker = Arc::new(Asker::new(endpoint, job.clone()));
    Ok((Apart { asker, runtime: Handle::current() }, source))
}

/// What clients call their key for OpenAI.
const OPENAI: &str = "OPENAI_API_KEY";

/// The key of a provider and where it is kept: a secret of the workspace before a variable.
async fn key_of(app: &App, api: Api) -> Result<(Option<Secret>, String), Error> {
    for name in api.key_names() {
        // A client that asks for a report leaves its key for OpenAI in the workspace, for no other host.
        let is_meant = api != Api::Compatible || *name != OPENAI;
        let secret = match is_meant {
            true => app.secret(name).await.map_err(|error| Error::Invalid(error.to_string()))?,
            false => None,
        };
        if let Some(value) = secret.filter(|value| !value.trim().is_empty()) {
            return Ok((Some(Secret::new(value.trim())), format!("the workspace secret {name}")));
        }
        if let Some(key) = app.config.models.keys.get(*name) {
            return Ok((Some(key.clone()), format!("the environment variable {name} of the server")));
        }
    }
    let name = api.key_names().first().copied().unwrap_or_default();
    if api.needs_key() {
        return Err(Error::Invalid(format!(
            "there is no key for {}: set the workspace secret {name} ({WHERE_SECRETS_ARE_SET}), \
             or the environment variable {name} of the server",
            api.as_str()
        )));
    }
    Ok((None, format!("missing; it would be the workspace secret {name}")))
}

/// The job with its models settled: one that was queued beside the server names
/// them only in words.
pub(super) async fn settled(app: &App, job: &Job) -> Result<Job, Error> {
    let mut job = job.clone();
    if job.tier.is_local() || job.providers.is_some() {
        return Ok(job);
    }
    let offer = Offer::of(app).await?;
    let asked = request::read(&job.request).map_err(|error| Error::Invalid(error.detail.to_string()))?;
    let Choice { models, providers, .. } = offer.choose(asked.words()).map_err(Error::Invalid)?;
    job.config.models = Some(models);
    job.providers = Some(providers);
    let is_bounded = job.config.sample.size.is_some() || job.sampling_rate.is_some() || job.budget.is_some();
    if job.config.tier == Tier::Deep && !is_bounded {
        job.config.read_by_model = job.config.read_by_model.or(offer.read);
    }
    Ok(job)
}

/// Calls run by themselves on the runtime, and end when nobody waits for them.
#[derive(Clone)]
pub(super) struct Apart {
    asker: Arc<Asker>,
    runtime: Handle,
}

impl Chat for Apart {
    fn name(&self) -> &str {
        self.asker.name()
    }

    fn answer<'a>(&'a self, request: &'a Request) -> Answering<'a, Result<Answer, ModelError>> {
        let (asker, request) = (self.asker.clone(), request.clone());
        let call = AbortOnDropHandle::new(self.runtime.spawn(async move { asker.answer(&request).await }));
        Box::pin(async move { call.await.unwrap_or(Err(ModelError::Cancelled)) })
    }

    fn recall<'a>(&'a self, request: &'a Request) -> Answering<'a, Result<Option<Answer>, ModelError>> {
        self.asker.recall(request)
    }

    fn prompt_tokens(&self, request: &Request) -> u64 {
        self.asker.prompt_tokens(request)
    }

    fn waits_for(&self) -> Option<String> {
        self.asker.waits_for()
    }
}

/// What a budget has booked since it was made.
pub(super) fn spend(budget: &Budget) -> Spend {
    let mut all = Spend::default();
    for (stage, spent) in budget.by_stage() {
        let one = Spend {
            calls: spent.calls,
            remembered: spent.remembered,
            lost: spent.lost,
            input_tokens: spent.usage.input_tokens,
            output_tokens: spent.usage.output_tokens,
            cost: spent.cost,
            unpriced: spent.unpriced,
            stages: BTreeMap::new(),
        };
        all.add(&one);
        all.stages.insert(stage, one);
    }
    all
}
