//! From what a client asks for to a job: defaults, checks, and what of it this
//! server cannot do (which it says, instead of forgetting it).
//!
//! Windows become absolute here. A wrong value is 422, a wish that makes no
//! sense 400; nothing is checked later than this.

use std::collections::BTreeMap;

use assay_domain::job::Job;
use assay_domain::report::{
    Focus, Models, PredefinedCategory, ReportConfig, Sample, SampleStrategy, Shape, Tier,
};
use assay_domain::{ProjectId, Time};
use assay_store::Project;
use chrono::TimeDelta;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::models::{Choice, Offer, Words};
use super::schemas;
use super::tier::{self, Decision};
use crate::error::{ApiError, ApiResult};
use crate::fields::Moment;
use crate::filters;

/// Most categories that a level can be asked to have.
const MAX_CATEGORIES: usize = 100_000;
const MAX_PARTITIONS: usize = 10;
const MAX_LEVELS: usize = 4;
/// Ten years.
const MAX_HOURS: i64 = 87_600;
const MAX_NAME: usize = 255;

/// What may be asked of a job, and what a saved config holds.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct JobRequest {
    /// Invented where absent or empty.
    name: Option<String>,
    /// Of a saved config, whose entries count where this request has none.
    config_id: Option<String>,
    start_time: Option<Moment>,
    /// Only with `start_time`.
    end_time: Option<Moment>,
    /// Not with `start_time` and `end_time`.
    last_n_hours: Option<i64>,
    /// Holds for a root run of every thread that is read.
    filter: Option<String>,
    /// 1 and above: at most so many threads. Below 1: that share of them. All of them where absent
    sample: Option<f64>,
    /// How they are drawn: `uniform`, `errors` or `low-feedback:KEY` (toward those), or in strata by
    /// `status`, `latency`, `day`, `feedback:KEY` or `metadata:KEY`
    sample_by: Option<String>,
    /// Target numbers of categories per level, in any order.
    hierarchy: Option<Vec<u32>>,
    /// Top categories: descriptions by name, at most 10.
    partitions: Option<Map<String, Value>>,
    /// Mustache template; names at least one of `run.inputs`, `run.outputs`, `run.error`,
    /// `run.feedback`, `all_thread_messages`
    pub(super) summary_prompt: Option<String>,
    /// By name: `{type, description, enum, filter_by}`
    pub(super) attribute_schemas: Option<Map<String, Value>>,
    /// Answers by question.
    pub(super) user_context: Option<Map<String, Value>>,
    /// `openai`, `anthropic`, or a model's name
    pub(super) model: Option<String>,
    /// Names and concludes: `openai`, `anthropic`, or a model's name
    pub(super) cluster_model: Option<String>,
    /// Reads threads: `openai`, `anthropic`, or a model's name
    pub(super) summary_model: Option<String>,
    is_scheduled: Option<bool>,
    /// Whether a missing key is refused at once (where absent) or found out when the job begins
    pub(super) validate_model_secrets: Option<bool>,
    /// `local`, `names` or `deep`; where absent, `deep` if there is a key for the models and `local` if not
    pub(super) tier: Option<String>,
    /// `usage` or `errors`; what the instructions ask for where absent
    focus: Option<String>,
    /// US dollars that models may cost at most
    pub(super) budget: Option<f64>,
    /// So many threads a model reads in tier `deep`; the others are placed by their vectors
    pub(super) read: Option<usize>,
    seed: Option<u64>,
}

impl JobRequest {
    /// What it says of models.
    pub(super) fn words(&self) -> Words<'_> {
        Words {
            model: self.model.as_deref(),
            thinking: self.cluster_model.as_deref(),
            summary: self.summary_model.as_deref(),
        }
    }

    pub(super) fn says_model(&self) -> bool {
        self.model.as_ref().is_some_and(|word| !word.is_empty())
    }
}

/// What a job is made from, besides the request.
pub(crate) struct Occasion<'a> {
    pub(crate) project: &'a Project,
    pub(crate) now: Time,
    /// Name and focus of the saved config, where there is one.
    pub(crate) saved: Option<(Uuid, String, Option<Focus>)>,
    pub(crate) due: Option<Time>,
    /// Which models could be asked.
    pub(crate) offer: &'a Offer,
}

/// The entries of a saved config with those of a request over them. A window
/// in the request replaces the saved one as a whole.
pub(crate) fn merge(mut saved: Map<String, Value>, request: Map<String, Value>) -> Map<String, Value> {
    const WINDOW: [&str; 3] = ["start_time", "end_time", "last_n_hours"];
    let said: Map<String, Value> = request.into_iter().filter(|(_, value)| !value.is_null()).collect();
    if WINDOW.iter().any(|field| said.contains_key(*field)) {
        WINDOW.iter().for_each(|field| drop(saved.remove(*field)));
    }
    saved.retain(|_, value| !value.is_null());
    saved.extend(said);
    saved
}

/// Reads the entries; 422 names what cannot be read.
pub(crate) fn read(entries: &Map<String, Value>) -> ApiResult<JobRequest> {
    JobRequest::deserialize(entries).map_err(|error| ApiError::invalid(&["body"], error.to_string()))
}

/// The saved config that a request names.
pub(crate) fn config_id(entries: &Map<String, Value>) -> ApiResult<Option<String>> {
    Ok(read(entries)?.config_id.filter(|id| !id.is_empty()))
}

/// The job that is asked for.
pub(crate) fn job(entries: Map<String, Value>, occasion: &Occasion<'_>) -> ApiResult<Job> {
    let request = read(&entries)?;
    let budget = budget(request.budget)?;
    let (mut config, sampling_rate) = plan(&request, occasion)?;
    let Decision { tier, choice, unmet } = tier::decide(&request, occasion.offer, occasion.now)?;
    ask(&mut config, tier, choice.as_ref(), &request, occasion.offer)?;
    let saved_name = occasion.saved.as_ref().map(|(_, name, _)| name.clone());
    let name = match request.name.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) => checked_name(name)?,
        None => {
            let what = saved_name.unwrap_or_else(|| config.name.clone());
            format!("{what} {}", occasion.now.format("%Y-%m-%d %H:%M"))
        }
    };
    Ok(Job {
        id: Uuid::now_v7(),
        project: occasion.project.id,
        name,
        created_at: occasion.now,
        saved_config: occasion.saved.as_ref().map(|(id, ..)| *id),
        due: occasion.due,
        tier,
        models: config.models.iter().flat_map(names).collect(),
        providers: choice.map(|choice| choice.providers),
        budget: budget.filter(|_| !tier.is_local()),
        config,
        sampling_rate,
        request: entries,
        unmet,
    })
}

pub(crate) fn checked_name(name: &str) -> ApiResult<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Err(ApiError::invalid(&["body", "name"], "a name has 1 to 255 characters"));
    }
    Ok(name.to_owned())
}

/// Checks everything a config can say, as if a job were made from it now.
pub(crate) fn check(entries: &Map<String, Value>, project: ProjectId, now: Time) -> ApiResult<()> {
    let project = Project { id: project, ..Project::default() };
    // Which keys there are when it is used nobody knows.
    let occasion = Occasion { project: &project, now, saved: None, due: None, offer: &Offer::default() };
    job(entries.clone(), &occasion).map(|_| ())
}

/// Puts what models are to do into the config, where any are asked.
fn ask(
    config: &mut ReportConfig,
    tier: Tier,
    choice: Option<&Choice>,
    request: &JobRequest,
    offer: &Offer,
) -> ApiResult<()> {
    let attributes = schemas::read(request.attribute_schemas.as_ref())?;
    let prompt = request.summary_prompt.as_ref().filter(|prompt| !prompt.trim().is_empty());
    let asked = ReportConfig { summary_prompt: prompt.cloned(), ..ReportConfig::default() };
    assay_insights::model::template::check(&asked)
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    let instructions = instructions(request.user_context.as_ref())?;
    if request.read == Some(0) {
        return Err(ApiError::invalid(&["body", "read"], "a number of threads from 1 is needed"));
    }
    if tier.is_local() {
        return Ok(());
    }
    config.tier = tier;
    config.models = choice.map(|choice| choice.models.clone());
    config.instructions = instructions;
    config.budget = request.budget;
    if tier == Tier::Deep {
        config.summary_prompt = asked.summary_prompt;
        config.attributes = attributes;
        // Nobody is to pay for a million threads without having said so.
        let is_bounded = request.sample.is_some() || request.budget.is_some();
        config.read_by_model = request.read.or(offer.read.filter(|_| !is_bounded));
    }
    Ok(())
}

/// The different names of the two models.
fn names(models: &Models) -> Vec<String> {
    let mut names = vec![models.thinking.clone(), models.summary.clone()];
    names.dedup();
    names
}

fn budget(given: Option<f64>) -> ApiResult<Option<Decimal>> {
    let invalid = |text| ApiError::invalid(&["body", "budget"], text);
    let Some(given) = given else { return Ok(None) };
    if !given.is_finite() || given < 0.0 {
        return Err(invalid("money to spend is not negative"));
    }
    Decimal::try_from(given).map(Some).map_err(|_| invalid("this is no amount of money"))
}

fn instructions(given: Option<&Map<String, Value>>) -> ApiResult<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (question, answer) in given.into_iter().flatten() {
        let Some(answer) = answer.as_str() else {
            let text = format!("the answer to {question:?} is not a text");
            return Err(ApiError::invalid(&["body", "user_context"], text));
        };
        found.insert(question.clone(), answer.to_owned());
    }
    Ok(found)
}

/// The config as far as no model is needed for it, and the sampling rate.
fn plan(request: &JobRequest, occasion: &Occasion<'_>) -> ApiResult<(ReportConfig, Option<f64>)> {
    let (start_time, end_time) = window(request, occasion)?;
    let (size, rate) = sample(request.sample)?;
    let saved = occasion.saved.as_ref();
    let focus = match request.focus.as_deref() {
        Some("usage") => Focus::Usage,
        Some("errors") => Focus::Errors,
        Some(_) => return Err(ApiError::invalid(&["body", "focus"], "expected usage or errors")),
        None => saved.and_then(|(_, _, focus)| *focus).unwrap_or_else(|| focus_of(request)),
    };
    let prebuilt = match focus {
        Focus::Usage => ReportConfig::usage_patterns(),
        Focus::Errors => ReportConfig::error_analysis(),
    };
    let config = ReportConfig {
        name: saved.map_or_else(|| prebuilt.name.clone(), |(_, name, _)| name.clone()),
        focus,
        filter: of_roots(request.filter.as_deref())?,
        start_time,
        end_time,
        sample: Sample { size, strategy: strategy(request.sample_by.as_deref())? },
        shape: shape(request.hierarchy.as_deref())?,
        categories: partitions(request.partitions.as_ref())?,
        seed: request.seed.unwrap_or(0),
        ..prebuilt
    };
    Ok((config, rate))
}

/// The window, absolute. Whatever was acknowledged before the job was made is
/// in a window that ends now, although clocks of clients may be ahead.
fn window(request: &JobRequest, occasion: &Occasion<'_>) -> ApiResult<(Option<Time>, Option<Time>)> {
    let invalid = |field, text: &str| Err(ApiError::invalid(&["body", field], text));
    let start = request.start_time.map(|moment| moment.0);
    let end = request.end_time.map(|moment| moment.0);
    if end.is_some() && start.is_none() {
        return invalid("end_time", "end_time needs a start_time");
    }
    if let (Some(start), Some(end)) = (start, end)
        && start >= end
    {
        return invalid("end_time", "the time range is empty: it ends before it starts");
    }
    let latest = occasion.project.last_activity.map_or(occasion.now, |latest| {
        occasion.now.max(latest.checked_add_signed(TimeDelta::microseconds(1)).unwrap_or(latest))
    });
    match request.last_n_hours {
        Some(_) if start.is_some() => {
            invalid("last_n_hours", "say last_n_hours or start_time and end_time, not both")
        }
        Some(hours) if !(1..=MAX_HOURS).contains(&hours) => {
            invalid("last_n_hours", "a number of hours from 1 to 87600 is needed")
        }
        Some(hours) => Ok((Some(occasion.now - TimeDelta::hours(hours)), Some(latest))),
        // Without any bound, threads without times are read, too; what arrives later is kept out
        // by drawing the threads once.
        None => Ok((start, end.or(start.and(Some(latest))))),
    }
}

/// Number of threads, or the share of them; neither for all.
fn sample(given: Option<f64>) -> ApiResult<(Option<usize>, Option<f64>)> {
    let Some(given) = given else { return Ok((None, None)) };
    if !given.is_finite() || given <= 0.0 {
        return Err(ApiError::invalid(
            &["body", "sample"],
            "a number of threads, or a share between 0 and 1, is needed",
        ));
    }
    Ok(if given < 1.0 { (None, Some(given)) } else { (Some(given as usize), None) })
}

fn strategy(given: Option<&str>) -> ApiResult<SampleStrategy> {
    let Some(words) = given.filter(|words| !words.is_empty()) else { return Ok(SampleStrategy::default()) };
    let known = words.parse();
    known.map_err(|known: String| ApiError::invalid(&["body", "sample_by"], format!("expected {known}")))
}

/// The filter language selects threads by any run of theirs; this API by their roots.
fn of_roots(text: Option<&str>) -> ApiResult<Option<String>> {
    Ok(filters::of_roots(filters::parse("filter", text)?)?.map(|filter| filter.to_string()))
}

/// Levels from the finest up, whatever their order in the request.
fn shape(counts: Option<&[u32]>) -> ApiResult<Shape> {
    let mut counts: Vec<usize> = counts
        .unwrap_or_default()
        .iter()
        .map(|&count| usize::try_from(count).unwrap_or(usize::MAX))
        .collect();
    if counts.contains(&0) || counts.len() > MAX_LEVELS || counts.iter().any(|&count| count > MAX_CATEGORIES)
    {
        let text =
            format!("at most {MAX_LEVELS} numbers of categories from 1 to {MAX_CATEGORIES} are needed");
        return Err(ApiError::invalid(&["body", "hierarchy"], text));
    }
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts.dedup();
    Ok(if counts.is_empty() { Shape::Automatic } else { Shape::Levels(counts) })
}

fn partitions(given: Option<&Map<String, Value>>) -> ApiResult<Vec<PredefinedCategory>> {
    let invalid = |text: String| Err(ApiError::invalid(&["body", "partitions"], text));
    let given: Vec<_> = given.into_iter().flatten().collect();
    if given.len() > MAX_PARTITIONS {
        return invalid(format!("at most {MAX_PARTITIONS} top categories can be given"));
    }
    let mut categories: Vec<PredefinedCategory> = Vec::with_capacity(given.len());
    for (name, description) in given {
        let description = match description {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            _ => return invalid(format!("the description of {name:?} is not a text")),
        };
        let name = name.trim().to_owned();
        let repeats = categories.iter().any(|other| other.name.to_lowercase() == name.to_lowercase());
        if name.is_empty() || repeats {
            return invalid(format!("{name:?} is empty or given twice"));
        }
        categories.push(PredefinedCategory { name, description });
    }
    Ok(categories)
}

/// What the instructions ask for: failures where they speak of nothing else.
pub(crate) fn focus_of_words<'a>(texts: impl Iterator<Item = &'a str>) -> Focus {
    const FAILURES: [&str; 12] = [
        "fail", "error", "wrong", "broke", "bug", "crash", "mistake", "struggl", "frustrat", "problem",
        "issue", "go bad",
    ];
    const USAGE: [&str; 10] =
        ["use ", "using", "usage", "ask", "topic", "intent", "want", "request", "about what", "people do"];
    let text = texts.collect::<Vec<_>>().join(" ").to_lowercase();
    let speaks_of = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if speaks_of(&FAILURES) && !speaks_of(&USAGE) { Focus::Errors } else { Focus::Usage }
}

fn focus_of(request: &JobRequest) -> Focus {
    let answers = request.user_context.iter().flatten();
    // How the traces are built says nothing about what somebody wants to know.
    let asked = answers.filter(|(question, _)| !question.to_lowercase().contains("structured"));
    focus_of_words(asked.filter_map(|(_, answer)| answer.as_str()))
}
