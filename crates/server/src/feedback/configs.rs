//! What the scores of a key mean: a range, categories, or free text.

use assay_store::{Change, Error as StoreError, Record, RecordQuery, Records as _};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::{App, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params};
use crate::fields::v1_time;

const KIND: &str = "feedback-config";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list, change, delete))
}

/// How a score is to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FeedbackConfig {
    #[serde(rename = "type")]
    kind: ScoreKind,
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default)]
    categories: Option<Vec<ScoreCategory>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ScoreKind {
    Continuous,
    Categorical,
    Freeform,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
struct ScoreCategory {
    value: f64,
    #[serde(default)]
    label: Option<String>,
}

impl FeedbackConfig {
    pub(super) fn read(value: &Value) -> ApiResult<Self> {
        let config = Self::deserialize(value);
        let config: Self =
            config.map_err(|error| ApiError::invalid(&["body", "feedback_config"], error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> ApiResult<()> {
        let refuse = |why: &str| Err(ApiError::invalid(&["body", "feedback_config"], why));
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            return refuse("min is greater than max");
        }
        if self.kind == ScoreKind::Categorical && self.categories.as_ref().is_none_or(Vec::is_empty) {
            return refuse("a categorical key needs categories");
        }
        Ok(())
    }
}

#[derive(Deserialize, ToSchema)]
struct NewConfig {
    feedback_key: String,
    feedback_config: FeedbackConfig,
    #[serde(default)]
    is_lower_score_better: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
struct ConfigChange {
    feedback_key: String,
    feedback_config: Option<FeedbackConfig>,
    is_lower_score_better: Option<bool>,
}

/// Remembers what came with feedback, unless the key has a config already.
pub(super) async fn learn(app: &App, key: &str, config: &Value) -> ApiResult<()> {
    // Part of a larger body: what makes no sense here does not spoil the feedback.
    let Ok(config) = FeedbackConfig::read(config) else { return Ok(()) };
    if app.store.record(KIND, id_of(key)).await?.is_some() {
        return Ok(());
    }
    match app.store.change(vec![Change::Insert(record(app, key, &config, false))]).await {
        Ok(()) | Err(StoreError::Conflict(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Says how the scores of a key are to be read. Saying the same again changes nothing.
#[utoipa::path(post, path = "/feedback-configs", tag = "feedback", request_body = NewConfig,
    responses((status = 200, description = "the config"), (status = 409, description = "the key has another one")))]
async fn create(State(app): State<App>, Body(new): Body<NewConfig>) -> ApiResult<Json<Value>> {
    new.feedback_config.check()?;
    check_key(&new.feedback_key)?;
    let is_lower_better = new.is_lower_score_better.unwrap_or(false);
    let wanted = record(&app, &new.feedback_key, &new.feedback_config, is_lower_better);
    match app.store.change(vec![Change::Insert(wanted.clone())]).await {
        Ok(()) => Ok(Json(shape(&wanted))),
        Err(StoreError::Conflict(_)) => {
            let known = find(&app, &new.feedback_key).await?;
            if FeedbackConfig::read(&known.body["feedback_config"])? == new.feedback_config {
                return Ok(Json(shape(&known)));
            }
            let text =
                format!("feedback key {:?} has another config; change it with PATCH", new.feedback_key);
            Err(ApiError::conflict(text))
        }
        Err(error) => Err(error.into()),
    }
}

/// Lists configs by key.
#[utoipa::path(get, path = "/feedback-configs", tag = "feedback",
    params(
        ("key" = Option<Vec<String>>, Query),
        ("name_contains" = Option<String>, Query),
        ("sort_by_desc" = Option<bool>, Query),
        ("offset" = Option<usize>, Query),
        ("limit" = Option<usize>, Query, description = "1 to 100"),
    ),
    responses((status = 200, description = "a list of configs")))]
async fn list(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    let keys: Vec<&str> = params.all("key").collect();
    let name_contains = params.get("name_contains").map(str::to_owned);
    let query = RecordQuery { kind: KIND.to_owned(), name_contains, ..RecordQuery::default() };
    let mut found = app.store.records(&query).await?;
    found.retain(|record| keys.is_empty() || record.name.as_deref().is_some_and(|name| keys.contains(&name)));
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if params.flag("sort_by_desc")?.unwrap_or(false) {
        found.reverse();
    }
    let (offset, limit) = params.page()?;
    Ok(Json(found.iter().skip(offset).take(limit).map(shape).collect()))
}

/// Changes the config of a key.
#[utoipa::path(patch, path = "/feedback-configs", tag = "feedback", request_body = ConfigChange,
    responses((status = 200, description = "the config as it is now"), (status = 404, description = "the key has none")))]
async fn change(State(app): State<App>, Body(change): Body<ConfigChange>) -> ApiResult<Json<Value>> {
    let _alone = app.changing.lock().await;
    let mut record = find(&app, &change.feedback_key).await?;
    if let Some(config) = change.feedback_config {
        config.check()?;
        record.body["feedback_config"] = json!(config);
    }
    if let Some(is_lower_better) = change.is_lower_score_better {
        record.body["is_lower_score_better"] = json!(is_lower_better);
    }
    record.modified_at = app.now();
    app.store.change(vec![Change::Replace(record.clone())]).await?;
    Ok(Json(shape(&record)))
}

/// Forgets the config of a key. Feedback stays.
#[utoipa::path(delete, path = "/feedback-configs", tag = "feedback", params(("feedback_key" = String, Query)),
    responses((status = 204, description = "it is gone"), (status = 404, description = "the key has none")))]
async fn delete(State(app): State<App>, params: Params) -> ApiResult<StatusCode> {
    let key = params.get("feedback_key");
    let key = key.ok_or_else(|| ApiError::invalid(&["query", "feedback_key"], "field required"))?;
    let record = find(&app, key).await?;
    app.store.change(vec![Change::Delete { kind: KIND.to_owned(), id: record.id }]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check_key(key: &str) -> ApiResult<()> {
    if key.is_empty() || key.chars().count() > 180 {
        return Err(ApiError::invalid(&["body", "feedback_key"], "a key has 1 to 180 characters"));
    }
    Ok(())
}

fn id_of(key: &str) -> Uuid {
    Uuid::new_v5(&WORKSPACE, format!("{KIND}:{key}").as_bytes())
}

fn record(app: &App, key: &str, config: &FeedbackConfig, is_lower_better: bool) -> Record {
    let now = app.now();
    Record {
        kind: KIND.to_owned(),
        id: id_of(key),
        name: Some(key.to_owned()),
        created_at: now,
        modified_at: now,
        body: json!({ "feedback_config": config, "is_lower_score_better": is_lower_better }),
        ..Record::default()
    }
}

async fn find(app: &App, key: &str) -> ApiResult<Record> {
    let shown: String = key.chars().take(180).collect();
    let record = app.store.record(KIND, id_of(key)).await?;
    record.ok_or_else(|| ApiError::not_found(format!("config of feedback key {shown:?}")))
}

fn shape(record: &Record) -> Value {
    json!({
        "feedback_key": record.name,
        "feedback_config": record.body["feedback_config"],
        "is_lower_score_better": record.body["is_lower_score_better"],
        "tenant_id": WORKSPACE,
        "modified_at": v1_time(record.modified_at),
    })
}
