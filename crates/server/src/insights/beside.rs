//! For commands beside the server, over the same records: what a client may
//! ask over HTTP, without it. Refusals come as the text a client would read.

use assay_domain::report::Tier;
use assay_domain::{Job, ReportConfig, Time};
use assay_insights::Analyst;
use assay_store::{Change, Project, Records};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::configs::{self, ConfigBody, SavedConfig};
use super::draft::Drafter;
use super::models::Offer;
use super::request::{self, Occasion};
use super::schedule::Schedule;
use super::{generate, queue};
use crate::error::ApiError;

/// Queues a job for whichever server works on the store.
///
/// # Errors
/// Says what of it cannot be.
pub async fn enqueue(
    store: &impl Records,
    project: &Project,
    entries: Map<String, Value>,
    saved: Option<&SavedConfig>,
    now: Time,
) -> Result<Job, String> {
    let known = saved.map(|saved| (saved.id, saved.name.clone(), saved.focus()));
    let entries = match saved {
        Some(saved) => request::merge(saved.entries(), entries),
        None => entries,
    };
    // Which keys there are only the server knows: it settles the models when it begins.
    let occasion = Occasion { project, now, saved: known, due: None, offer: &Offer::default() };
    let job = request::job(entries, &occasion).map_err(text)?;
    queue::add(store, &job).await.map_err(|error| error.to_string())?;
    Ok(job)
}

/// The config of this name or id, saved or prebuilt.
///
/// # Errors
/// Names those there are.
pub async fn config(store: &impl Records, project: &Project, wanted: &str) -> Result<SavedConfig, String> {
    let mut all = configs::saved(store, Some(project.id)).await.map_err(|error| error.to_string())?;
    all.extend(configs::prebuilt(project.id));
    let id = configs::id_of(wanted).ok();
    let is_wanted = |config: &&SavedConfig| config.name == wanted || Some(config.id) == id;
    if let Some(found) = all.iter().find(is_wanted) {
        return Ok(found.clone());
    }
    let names: Vec<&str> = all.iter().map(|config| config.name.as_str()).collect();
    Err(format!("there is no config {wanted:?}; there are: {}", names.join(", ")))
}

/// Saves a config under a name; one of the same name is replaced and keeps its schedule.
///
/// # Errors
/// Says what of it cannot be.
pub async fn save_config(
    store: &impl Records,
    project: &Project,
    name: &str,
    entries: Map<String, Value>,
    now: Time,
) -> Result<SavedConfig, String> {
    let name = request::checked_name(name).map_err(text)?;
    request::check(&entries, project.id, now).map_err(text)?;
    let all = configs::saved(store, Some(project.id)).await.map_err(|error| error.to_string())?;
    let known = all.into_iter().find(|config| config.name == name);
    let mut config = known.unwrap_or_else(|| SavedConfig {
        id: Uuid::now_v7(),
        project: project.id,
        created_at: now,
        name: name.clone(),
        body: ConfigBody { name, ..ConfigBody::default() },
    });
    config.body.config = entries;
    put(store, &config, now).await?;
    Ok(config)
}

/// What a job of a config would analyse now, in this tier. Whoever asks models says which: `models`
/// and `budget` are absent.
///
/// # Errors
/// Says what of it cannot be.
pub fn planned(
    project: &Project,
    saved: &SavedConfig,
    tier: Tier,
    now: Time,
) -> Result<ReportConfig, String> {
    let known = Some((saved.id, saved.name.clone(), saved.focus()));
    let occasion = Occasion { project, now, saved: known, due: None, offer: &Offer::default() };
    let mut entries = saved.entries();
    for field in ["model", "cluster_model", "summary_model", "budget", "read"] {
        entries.remove(field);
    }
    entries.insert("tier".to_owned(), json!(tier));
    entries.insert("validate_model_secrets".to_owned(), json!(false));
    let job = request::job(entries, &occasion).map_err(text)?;
    Ok(ReportConfig { models: None, ..job.config })
}

/// Drafts a config from what somebody wants to learn, as `POST …/configs/generate` does:
/// `{summary_prompt, name, attribute_schemas, focus, generated_by, note}`. By the thinking model of
/// `analyst` where one is given, else by rule. `examples` are requests and summaries of some threads.
///
/// # Errors
/// Says that there are no words.
pub async fn generate(
    words: &Map<String, Value>,
    project: &Project,
    asked: Option<(&Analyst<'_>, &str)>,
    examples: &[(String, String)],
) -> Result<Value, String> {
    let redact = asked.and_then(|(analyst, _)| analyst.redact);
    let redacted = |text: &str| redact.map_or_else(|| text.to_owned(), |redact| redact(text));
    let shown = |text: &str| match redact {
        Some(redact) => assay_insights::model::shown(&|text| redact(text), text),
        None => text.to_owned(),
    };
    let drafter = asked.map(|(analyst, model)| Drafter {
        chat: analyst.thinking,
        model,
        redacted: &redacted,
        shown: &shown,
    });
    generate::beside(words, project, drafter.as_ref(), examples).await.map_err(text)
}

/// # Errors
/// Says that a prebuilt one stays, or what the store says.
pub async fn delete_config(store: &impl Records, config: &SavedConfig) -> Result<(), String> {
    own(config)?;
    let change = Change::Delete { kind: configs::KIND.to_owned(), id: config.id };
    store.change(vec![change]).await.map_err(|error| error.to_string())
}

/// Sets or ends the schedule of a config.
///
/// # Errors
/// Says that a prebuilt one has none, or what the store says.
pub async fn set_schedule(
    store: &impl Records,
    mut config: SavedConfig,
    schedule: Option<Schedule>,
    now: Time,
) -> Result<(), String> {
    own(&config)?;
    config.body.schedule = schedule;
    put(store, &config, now).await
}

async fn put(store: &impl Records, config: &SavedConfig, now: Time) -> Result<(), String> {
    store.change(vec![Change::Put(config.record(now))]).await.map_err(|error| error.to_string())
}

fn own(config: &SavedConfig) -> Result<(), String> {
    if config.is_prebuilt() {
        return Err(format!("{:?} is prebuilt; `assay config save` makes one of your own", config.name));
    }
    Ok(())
}

/// What a client would read.
fn text(error: ApiError) -> String {
    let detail = error.detail;
    let told = |one: &Value| {
        let place = one["loc"].as_array()?.iter().filter_map(Value::as_str).next_back()?;
        Some(format!("{place}: {}", one["msg"].as_str()?))
    };
    match &detail {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(told).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}
