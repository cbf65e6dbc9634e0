//! Addresses under which somebody without a key may give feedback on one run:
//! for thumbs in a web page.
//!
//! The id of a token is all the right there is, so it is random, ends with its
//! time, and says nothing of the run.

use assay_domain::Time;
use assay_store::{Change, Record, RecordQuery, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use axum::routing::options;
use chrono::TimeDelta;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::cors::{Any, CorsLayer};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::configs::FeedbackConfig;
use super::{Fields, configs, decode, keep, prepare};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{self, Body, Params};
use crate::fields::{Moment, v1_time};

const KIND: &str = "feedback-token";
/// Of a token whose maker names no end.
const LIFETIME: TimeDelta = TimeDelta::hours(3);
/// In one request.
const MAX_TOKENS: usize = 1000;

pub(super) fn routes() -> OpenApiRouter<App> {
    // The page with the thumbs is somewhere else; the token is all the right there is.
    let anywhere = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    let giving = OpenApiRouter::new()
        .routes(routes!(give, give_by_link))
        // The layer answers; the router only has to let the question pass.
        .route("/feedback/tokens/{token}", options(async || StatusCode::NO_CONTENT))
        .layer(anywhere);
    OpenApiRouter::new().routes(routes!(create, list)).merge(giving)
}

/// What is asked for. An `id` of the client's is not used: it might be known to others.
#[derive(Deserialize, ToSchema)]
struct NewToken {
    run_id: Uuid,
    feedback_key: String,
    feedback_config: Option<Value>,
    expires_in: Option<Lifetime>,
    expires_at: Option<Moment>,
}

#[derive(Deserialize, ToSchema)]
struct Lifetime {
    #[serde(default)]
    days: i64,
    #[serde(default)]
    hours: i64,
    #[serde(default)]
    minutes: i64,
}

impl NewToken {
    fn end(&self, now: Time) -> ApiResult<Time> {
        if let Some(Moment(end)) = self.expires_at {
            return Ok(end);
        }
        let Some(Lifetime { days, hours, minutes }) = self.expires_in else { return Ok(now + LIFETIME) };
        let span = (|| {
            let days = TimeDelta::try_days(days)?;
            let hours = TimeDelta::try_hours(hours)?;
            days.checked_add(&hours)?.checked_add(&TimeDelta::try_minutes(minutes)?)
        })();
        let end = span.and_then(|span| now.checked_add_signed(span));
        end.ok_or_else(|| ApiError::invalid(&["body", "expires_in"], "too long"))
    }

    fn record(self, now: Time) -> ApiResult<Record> {
        let end = self.end(now)?;
        if self.feedback_key.is_empty() || self.feedback_key.chars().count() > 180 {
            return Err(ApiError::invalid(&["body", "feedback_key"], "a key has 1 to 180 characters"));
        }
        Ok(Record {
            kind: KIND.to_owned(),
            id: Uuid::new_v4(),
            parent: Some(self.run_id),
            name: None,
            created_at: now,
            modified_at: now,
            body: json!({ "feedback_key": self.feedback_key, "expires_at": end }),
            ..Record::default()
        })
    }
}

/// Makes tokens for giving feedback on a run; of a list as many as it asks for.
#[utoipa::path(post, path = "/feedback/tokens", tag = "feedback", request_body = NewToken,
    responses((status = 200, description = "`{id, url, expires_at, feedback_key}`, or a list of them")))]
async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> ApiResult<Json<Value>> {
    let is_list = body.is_array();
    let asked = match body {
        Value::Array(list) if list.len() > MAX_TOKENS => {
            return Err(ApiError::invalid(&["body"], format!("at most {MAX_TOKENS} tokens at once")));
        }
        Value::Array(list) => list,
        one => vec![one],
    };
    let now = app.now();
    let mut records = Vec::with_capacity(asked.len());
    for one in asked {
        let token =
            NewToken::deserialize(one).map_err(|error| ApiError::invalid(&["body"], error.to_string()))?;
        if let Some(config) = token.feedback_config.as_ref().filter(|config| !config.is_null()) {
            FeedbackConfig::read(config)?;
            configs::learn(&app, &token.feedback_key, config).await?;
        }
        records.push(token.record(now)?);
    }
    let base = app.base_url(&headers);
    let answers: Vec<Value> = records.iter().map(|record| shape(record, &base)).collect();
    app.store.change(records.into_iter().map(Change::Insert).collect()).await?;
    if is_list {
        return Ok(Json(Value::Array(answers)));
    }
    Ok(Json(answers.into_iter().next().unwrap_or_default()))
}

/// Lists the tokens of a run that are still good.
#[utoipa::path(get, path = "/feedback/tokens", tag = "feedback",
    params(("run_id" = Uuid, Query), ("offset" = Option<usize>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, description = "a list of `{id, url, expires_at, feedback_key}`")))]
async fn list(State(app): State<App>, headers: HeaderMap, params: Params) -> ApiResult<Json<Value>> {
    let run: Option<Uuid> = params.parse("run_id")?;
    let run = run.ok_or_else(|| ApiError::invalid(&["query", "run_id"], "field required"))?;
    let (offset, limit) = params.page()?;
    let query = RecordQuery { kind: KIND.to_owned(), parent: Some(run), ..RecordQuery::default() };
    let now = app.now();
    let base = app.base_url(&headers);
    let good =
        app.store.records(&query).await?.into_iter().filter(|token| end(token).is_some_and(|end| end > now));
    Ok(Json(good.skip(offset).take(limit).map(|token| shape(&token, &base)).collect()))
}

/// What the bearer of a token says.
#[derive(Deserialize, ToSchema)]
struct Said {
    score: Option<Value>,
    value: Option<Value>,
    comment: Option<String>,
    correction: Option<Value>,
    metadata: Option<Value>,
}

/// Gives feedback with a token. Needs no key.
#[utoipa::path(post, path = "/feedback/tokens/{token}", tag = "feedback", params(("token" = Uuid, Path)),
    request_body = Said,
    responses((status = 200, description = "thanks"), (status = 404, description = "no such token"),
        (status = 410, description = "the token has expired")))]
async fn give(
    State(app): State<App>,
    Path(token): Path<String>,
    Body(said): Body<Said>,
) -> ApiResult<Json<Value>> {
    let token = redeem(&app, &token).await?;
    say(&app, &token, said).await
}

/// Gives feedback with a token by following a link. Needs no key.
#[utoipa::path(get, path = "/feedback/tokens/{token}", tag = "feedback",
    params(
        ("token" = Uuid, Path),
        ("score" = Option<f64>, Query, description = "a number, `true` or `false`"),
        ("value" = Option<String>, Query),
        ("comment" = Option<String>, Query),
        ("correction" = Option<String>, Query),
    ),
    responses((status = 200, description = "thanks"), (status = 404, description = "no such token"),
        (status = 410, description = "the token has expired")))]
async fn give_by_link(
    method: Method,
    State(app): State<App>,
    Path(token): Path<String>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let token = redeem(&app, &token).await?;
    if method == Method::HEAD {
        // Whoever only looks where a link leads has no opinion.
        return Ok(Json(Value::Null));
    }
    let text = |name: &str| params.get(name).map(|text| Value::String(text.to_owned()));
    let said = Said {
        score: params.get("score").map(score),
        value: text("value"),
        comment: params.get("comment").map(str::to_owned),
        correction: text("correction"),
        metadata: None,
    };
    say(&app, &token, said).await
}

/// A score out of a link: a number, a boolean, else the text, which then is the value.
fn score(text: &str) -> Value {
    match serde_json::from_str(&text.to_ascii_lowercase()) {
        Ok(score @ (Value::Number(_) | Value::Bool(_))) => score,
        _ => Value::String(text.to_owned()),
    }
}

async fn redeem(app: &App, token: &str) -> ApiResult<Record> {
    let id = extract::uuid("token", token)?;
    let record = app.store.record(KIND, id).await?;
    let record = record.ok_or_else(|| ApiError::not_found("this feedback token"))?;
    if end(&record).is_none_or(|end| end <= app.now()) {
        return Err(ApiError::new(StatusCode::GONE, "this feedback token has expired"));
    }
    Ok(record)
}

async fn say(app: &App, token: &Record, said: Said) -> ApiResult<Json<Value>> {
    let Said { score, value, comment, correction, metadata } = said;
    let mut fields = Fields::new();
    for (name, value) in [
        ("run_id", json!(token.parent)),
        ("key", token.body["feedback_key"].clone()),
        ("score", json!(score)),
        ("value", json!(value)),
        ("comment", json!(comment)),
        ("correction", json!(correction)),
        ("feedback_source", json!({ "type": "api", "metadata": metadata.unwrap_or_else(|| json!({})) })),
    ] {
        fields.insert(name.to_owned(), value);
    }
    let mut given = [decode(Value::Object(fields))?];
    prepare(app, &mut given).await?;
    let [feedback] = given;
    keep(app, feedback).await.map(drop)?;
    // Not the feedback itself: who has a token may write, not read.
    Ok(Json(json!({ "message": "feedback received" })))
}

fn end(token: &Record) -> Option<Time> {
    assay_wire::time::of(&token.body["expires_at"])
}

fn shape(token: &Record, base: &str) -> Value {
    json!({
        "id": token.id,
        "url": format!("{base}/api/v1/feedback/tokens/{}", token.id),
        "expires_at": end(token).map(v1_time),
        "feedback_key": token.body["feedback_key"],
    })
}
