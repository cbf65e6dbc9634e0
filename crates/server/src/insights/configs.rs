//! Saved configs: what to ask of a job, under a name, with or without a schedule.
//!
//! Two are prebuilt: everybody has them and nobody changes them. When a job of
//! a saved config without top categories succeeds, those it discovered are
//! written into the config, so that later reports can be compared.

use assay_domain::report::{CategoryKind, Focus, Report};
use assay_domain::{Job, ProjectId, ReportId, Time};
use assay_store::{Change, Error, Record, RecordQuery, Records};
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::alerts::{self, Alert};
use super::schedule::Schedule;
use super::{jobs, request};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, stated};

pub(super) const KIND: &str = "insights_config";
/// What has to be there, even as null, in the `config` that clients read.
const REQUIRED: [&str; 8] =
    ["name", "hierarchy", "partitions", "sample", "summary_prompt", "filter", "attribute_schemas", "model"];
const MAX_NAME: usize = 255;
const MAX_PARTITIONS: usize = 10;

/// A saved config.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedConfig {
    pub id: Uuid,
    pub project: ProjectId,
    pub created_at: Time,
    pub name: String,
    pub body: ConfigBody,
}

/// What is kept of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigBody {
    pub name: String,
    pub description: Option<String>,
    /// Entries of a request for a job.
    pub config: Map<String, Value>,
    pub schedule: Option<Schedule>,
    pub alert: Option<Alert>,
    /// The report whose categories are the partitions; absent where they were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub learned_from: Option<ReportId>,
}

/// The configs everybody has: slug, focus, description.
const PREBUILT: [(&str, Focus, &str); 2] = [
    ("usage-patterns", Focus::Usage, "What people ask the agent for, in their own words."),
    ("error-analysis", Focus::Errors, "How the agent fails, and by what cause."),
];

/// Under this namespace the prebuilt configs have their ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6173_7361_792e_4000_8000_7072_6562_6c74);

impl SavedConfig {
    pub(super) fn focus(&self) -> Option<Focus> {
        PREBUILT.iter().find(|(slug, ..)| prebuilt_id(slug) == self.id).map(|(_, focus, _)| *focus)
    }

    /// What it says of a job, without a name for it: every job has its own.
    pub(super) fn entries(&self) -> Map<String, Value> {
        let mut entries = self.body.config.clone();
        for key in ["name", "config_id"] {
            entries.remove(key);
        }
        entries
    }

    /// Whether everybody has it and nobody changes it.
    #[must_use]
    pub fn is_prebuilt(&self) -> bool {
        self.focus().is_some()
    }

    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn of(record: Record) -> Result<Self, Error> {
        let Record { id, parent, created_at, body, .. } = record;
        let body: ConfigBody = serde_json::from_value(body).map_err(|error| Error::Corrupt {
            what: format!("insights config {id}"),
            why: error.to_string(),
        })?;
        let project = ProjectId(parent.unwrap_or_default());
        Ok(Self { id, project, created_at, name: body.name.clone(), body })
    }

    pub(super) fn record(&self, now: Time) -> Record {
        Record {
            kind: KIND.to_owned(),
            id: self.id,
            parent: Some(self.project.0),
            created_at: self.created_at,
            modified_at: now,
            body: json!(self.body),
            ..Record::default()
        }
    }

    /// As clients read it.
    #[must_use]
    pub fn shown(&self, now: Time) -> Value {
        let mut config = self.body.config.clone();
        for key in REQUIRED {
            config.entry(key).or_insert(Value::Null);
        }
        if config.get("model").is_none_or(Value::is_null) {
            config.insert("model".to_owned(), json!("openai"));
        }
        let schedule = self.body.schedule.as_ref();
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.body.description,
            "config": config,
            "prebuilt": self.is_prebuilt(),
            "schedule_cron": schedule.map(|schedule| &schedule.cron),
            "schedule_timezone": schedule.map(|schedule| &schedule.zone),
            "schedule_refused": schedule.and_then(|schedule| schedule.refused.as_ref()),
            "alert": self.body.alert,
            "next_runs": schedule.map(|schedule| schedule.next_runs(now, 3)),
        })
    }
}

fn prebuilt_id(slug: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, slug.as_bytes())
}

/// The configs that come with every project.
#[must_use]
pub fn prebuilt(project: ProjectId) -> Vec<SavedConfig> {
    let saved = |(slug, focus, description): &(&str, Focus, &str)| {
        let (name, focus) = match focus {
            Focus::Usage => ("Usage Patterns", "usage"),
            Focus::Errors => ("Error Analysis", "errors"),
        };
        let mut config = Map::new();
        config.insert("name".to_owned(), json!(name));
        config.insert("focus".to_owned(), json!(focus));
        let body = ConfigBody {
            name: name.to_owned(),
            description: Some((*description).to_owned()),
            config,
            schedule: None,
            alert: None,
            learned_from: None,
        };
        SavedConfig {
            id: prebuilt_id(slug),
            project,
            created_at: Time::default(),
            name: name.to_owned(),
            body,
        }
    };
    PREBUILT.iter().map(saved).collect()
}

/// An id as clients write it: a UUID, or the slug of a prebuilt config.
pub(super) fn id_of(text: &str) -> ApiResult<Uuid> {
    if PREBUILT.iter().any(|(slug, ..)| *slug == text) {
        return Ok(prebuilt_id(text));
    }
    let shown: String = text.chars().take(80).collect();
    Uuid::parse_str(text).map_err(|_| ApiError::invalid(&["config_id"], format!("{shown:?} is not a UUID")))
}

/// The config of this id, saved or prebuilt; 404 where there is none.
pub(crate) async fn find(app: &App, project: ProjectId, id: &str) -> ApiResult<SavedConfig> {
    let id = id_of(id)?;
    if let Some(found) = prebuilt(project).into_iter().find(|config| config.id == id) {
        return Ok(found);
    }
    let found = app.store.record(KIND, id).await?.map(SavedConfig::of).transpose()?;
    let found = found.filter(|config| config.project == project);
    found.ok_or_else(|| ApiError::not_found(format!("insights config {id}")))
}

/// What to ask the store for the saved configs of a project, or of all.
pub(crate) fn query(project: Option<ProjectId>) -> RecordQuery {
    let parent = project.map(|project| project.0);
    RecordQuery { kind: KIND.to_owned(), parent, ..RecordQuery::default() }
}

/// The saved configs of a project, or of all, oldest first.
///
/// # Errors
/// What the store says.
pub async fn saved(store: &impl Records, project: Option<ProjectId>) -> Result<Vec<SavedConfig>, Error> {
    store.records(&query(project)).await?.into_iter().map(SavedConfig::of).collect()
}

/// The saved config of this id.
pub(super) async fn by_id(store: &impl Records, id: Uuid) -> Result<Option<SavedConfig>, Error> {
    store.record(KIND, id).await?.map(SavedConfig::of).transpose()
}

/// Writes the categories a job discovered into its config, where that has none.
pub(super) async fn learn(
    store: &impl Records,
    job: &Job,
    report: &Report,
    now: Time,
) -> Result<Vec<Change>, Error> {
    let Some(id) = job.saved_config else { return Ok(Vec::new()) };
    let Some(mut config) = by_id(store, id).await? else { return Ok(Vec::new()) };
    let known = config.body.config.get("partitions").and_then(Value::as_object);
    // Failures are grouped by cause, which has no description to be found by.
    if known.is_some_and(|known| !known.is_empty()) || report.config.focus != Focus::Usage {
        return Ok(Vec::new());
    }
    let discovered = report.taxonomy.children(None).filter(|node| node.kind == CategoryKind::Discovered);
    let partitions: Map<String, Value> =
        discovered.take(MAX_PARTITIONS).map(|node| (node.name.clone(), json!(node.description))).collect();
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    config.body.config.insert("partitions".to_owned(), Value::Object(partitions));
    config.body.learned_from = Some(report.id);
    Ok(vec![Change::Replace(config.record(now))])
}

/// A config to be saved, or what to change of one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct ConfigRequest {
    name: Option<String>,
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    #[schema(value_type = Option<request::JobRequest>)]
    config: Option<Map<String, Value>>,
    /// Five fields; null ends the schedule.
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>)]
    schedule_cron: Option<Option<String>>,
    /// Name of a time zone; UTC where absent
    schedule_timezone: Option<String>,
    /// Whom to tell of new and growing categories; null ends it
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<Alert>)]
    alert: Option<Option<Alert>>,
}

impl ConfigRequest {
    async fn apply(self, app: &App, saved: &mut SavedConfig) -> ApiResult<()> {
        let now = app.now();
        let body = &mut saved.body;
        if let Some(name) = self.name {
            body.name = name.trim().to_owned();
        }
        if body.name.is_empty() || body.name.chars().count() > MAX_NAME {
            return Err(ApiError::invalid(&["body", "name"], "a name of 1 to 255 characters is needed"));
        }
        saved.name.clone_from(&body.name);
        if let Some(description) = self.description {
            body.description = description;
        }
        if let Some(config) = self.config {
            request::check(&config, saved.project, now)?;
            if config.get("partitions") != body.config.get("partitions") {
                body.learned_from = None;
            }
            body.config = config;
        }
        if let Some(alert) = self.alert {
            if let Some(alert) = &alert {
                alerts::check(app, alert).await?;
            }
            body.alert = alert;
        }
        if let Some(cron) = self.schedule_cron {
            body.schedule = schedule(cron, self.schedule_timezone, now)?;
        } else if let (Some(zone), Some(known)) = (self.schedule_timezone, body.schedule.take()) {
            body.schedule = schedule(Some(known.cron), Some(zone), now)?;
        }
        Ok(())
    }
}

fn schedule(cron: Option<String>, zone: Option<String>, now: Time) -> ApiResult<Option<Schedule>> {
    let Some(cron) = cron.filter(|cron| !cron.trim().is_empty()) else { return Ok(None) };
    let made = Schedule::new(&cron, zone.as_deref(), now);
    made.map(Some).map_err(|text| ApiError::invalid(&["body", "schedule_cron"], text))
}

/// The configs of a project.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/configs", tag = "insights",
    params(("session_id" = Uuid, Path), ("include_prebuilts" = Option<bool>, Query)),
    responses((status = 200, description = "`{configs}`")))]
pub(super) async fn list(
    State(app): State<App>,
    Path(project): Path<String>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let project = jobs::project_of(&app, &project).await?;
    let mut all = Vec::new();
    if params.flag("include_prebuilts")? == Some(true) {
        all.extend(prebuilt(project.id));
    }
    all.extend(saved(&app.store, Some(project.id)).await?);
    Ok(Json(json!({ "configs": all.iter().map(|config| config.shown(app.now())).collect::<Vec<_>>() })))
}

/// Saves a config.
#[utoipa::path(post, path = "/sessions/{session_id}/insights/configs", tag = "insights",
    params(("session_id" = Uuid, Path)), request_body = ConfigRequest,
    responses((status = 200, description = "the config"), (status = 422, description = "a value that cannot be")))]
pub(super) async fn create(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(body): Body<ConfigRequest>,
) -> ApiResult<Json<Value>> {
    let project = jobs::project_of(&app, &project).await?;
    if body.config.is_none() {
        return Err(ApiError::invalid(&["body", "config"], "field required"));
    }
    let now = app.now();
    let mut config = SavedConfig {
        id: Uuid::now_v7(),
        project: project.id,
        created_at: now,
        name: String::new(),
        body: ConfigBody::default(),
    };
    body.apply(&app, &mut config).await?;
    app.store.change(vec![Change::Insert(config.record(now))]).await?;
    Ok(Json(config.shown(app.now())))
}

/// Changes a config. What is absent stays.
#[utoipa::path(patch, path = "/sessions/{session_id}/insights/configs/{config_id}", tag = "insights",
    params(("session_id" = Uuid, Path), ("config_id" = String, Path)), request_body = ConfigRequest,
    responses((status = 200, description = "the config as it is now"), (status = 400, description = "it is prebuilt"),
        (status = 404, description = "there is none")))]
pub(super) async fn update(
    State(app): State<App>,
    Path((project, config)): Path<(String, String)>,
    Body(body): Body<ConfigRequest>,
) -> ApiResult<Json<Value>> {
    let project = jobs::project_of(&app, &project).await?;
    let _alone = app.changing.lock().await;
    let mut config = changeable(&app, project.id, &config).await?;
    body.apply(&app, &mut config).await?;
    app.store.change(vec![Change::Replace(config.record(app.now()))]).await?;
    Ok(Json(config.shown(app.now())))
}

/// Deletes a config and its schedule. Its jobs stay.
#[utoipa::path(delete, path = "/sessions/{session_id}/insights/configs/{config_id}", tag = "insights",
    params(("session_id" = Uuid, Path), ("config_id" = String, Path)),
    responses((status = 200, description = "it is gone"), (status = 400, description = "it is prebuilt"),
        (status = 404, description = "there is none")))]
pub(super) async fn delete(
    State(app): State<App>,
    Path((project, config)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let project = jobs::project_of(&app, &project).await?;
    let config = changeable(&app, project.id, &config).await?;
    app.store.change(vec![Change::Delete { kind: KIND.to_owned(), id: config.id }]).await?;
    Ok(Json(json!({ "id": config.id, "message": format!("insights config {} deleted", config.id) })))
}

async fn changeable(app: &App, project: ProjectId, id: &str) -> ApiResult<SavedConfig> {
    let config = find(app, project, id).await?;
    if config.is_prebuilt() {
        let text = format!("{:?} is prebuilt and cannot be changed; save a config of your own", config.name);
        return Err(ApiError::bad_request(text));
    }
    Ok(config)
}
