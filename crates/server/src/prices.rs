//! The price map: what a token of a model costs, as its users say.
//!
//! Entries are records; together they lie above the prices that ship with
//! Assay. A change holds for runs that arrive after it: costs of runs that are
//! there do not change.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_domain::price::Price;
use assay_domain::{PriceTable, Time};
use assay_store::{Change, Error as StoreError, Record, RecordQuery, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use parking_lot::Mutex;
use regex::{Regex, RegexBuilder};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, uuid};
use crate::fields::{Moment, decimal, v1_time};

const KIND: &str = "price";
/// More entries than any price list has; every run is matched against them.
const MAX_ENTRIES: usize = 2000;
/// Of a pattern, in characters, and of what is made of it, in bytes.
const MAX_PATTERN: usize = 1000;
const MAX_COMPILED: usize = 1 << 20;
/// Where the name of a model is looked for. Entries may name these and no others.
const MATCH_PATH: [&str; 5] = ["model", "model_name", "model_id", "model_path", "endpoint_name"];

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(change, delete))
}

/// What was last put in force: entries, and when each was changed.
pub(crate) type Loaded = Mutex<Option<Vec<(Uuid, Time)>>>;

/// Puts the prices of the store in force, if they are not: other servers of the store change them, too.
pub(crate) async fn load(app: &App) -> Result<(), StoreError> {
    let query = RecordQuery { kind: KIND.to_owned(), is_newest_first: true, ..RecordQuery::default() };
    let records = app.store.records(&query).await?;
    let now: Vec<_> = records.iter().map(|record| (record.id, record.modified_at)).collect();
    if app.prices_in_force.lock().as_ref() == Some(&now) {
        return Ok(());
    }
    let mut prices = Vec::new();
    for record in records {
        match entry(&record).and_then(|entry| entry.price()) {
            Ok(price) => prices.push(price),
            Err(error) => {
                tracing::error!(price = %record.id, detail = %error.detail, "an entry of the price map is left out")
            }
        }
    }
    let beneath = Some(Arc::clone(&app.base_prices));
    app.store.set_prices(PriceTable { prices, beneath })?;
    *app.prices_in_force.lock() = Some(now);
    Ok(())
}

/// What to ask the store for the entries, newest first.
pub(crate) fn query() -> RecordQuery {
    RecordQuery { kind: KIND.to_owned(), is_newest_first: true, ..RecordQuery::default() }
}

/// Those of some records that are entries.
pub(crate) fn readable(records: &[Record]) -> Vec<(Uuid, Entry)> {
    records.iter().filter_map(|record| Some((record.id, entry(record).ok()?))).collect()
}

/// One entry. Prices are US dollars per token, as exact decimals.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) start_time: Option<Time>,
    match_path: Vec<String>,
    pub(crate) match_pattern: String,
    pub(crate) prompt_cost: Decimal,
    pub(crate) completion_cost: Decimal,
    prompt_cost_details: BTreeMap<String, Decimal>,
    completion_cost_details: BTreeMap<String, Decimal>,
    pub(crate) provider: Option<String>,
}

fn entry(record: &Record) -> ApiResult<Entry> {
    Entry::deserialize(&record.body).map_err(|error| ApiError::bad_request(error.to_string()))
}

impl Entry {
    fn pattern(&self) -> ApiResult<Regex> {
        let refuse = |why: String| ApiError::invalid(&["body", "match_pattern"], why);
        if self.match_pattern.chars().count() > MAX_PATTERN {
            return Err(refuse(format!("a pattern has at most {MAX_PATTERN} characters")));
        }
        let pattern = RegexBuilder::new(&self.match_pattern)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build();
        pattern.map_err(|error| refuse(error.to_string()))
    }

    fn price(self) -> ApiResult<Price> {
        let pattern = self.pattern()?;
        Ok(Price {
            name: self.name,
            provider: self.provider,
            valid_from: self.start_time,
            matches: Arc::new(move |model| pattern.is_match(model)),
            input: self.prompt_cost,
            output: self.completion_cost,
            input_details: self.prompt_cost_details,
            output_details: self.completion_cost_details,
        })
    }
}

/// An entry as clients say it.
#[derive(Deserialize, ToSchema)]
struct PriceBody {
    name: String,
    /// Holds for runs that start at or after this moment; always where absent.
    start_time: Option<Moment>,
    match_path: Option<Vec<String>>,
    /// A regular expression for the name of the model.
    match_pattern: String,
    /// US dollars per token: a number or, exactly, text.
    #[schema(value_type = String)]
    prompt_cost: Value,
    #[schema(value_type = String)]
    completion_cost: Value,
    /// Prices of single classes of tokens, such as `cache_read`.
    #[schema(value_type = Option<Object>)]
    prompt_cost_details: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    completion_cost_details: Option<Map<String, Value>>,
    /// Only for this provider (`ls_provider` of the run), if set.
    provider: Option<String>,
}

impl PriceBody {
    fn entry(self) -> ApiResult<Entry> {
        if self.name.trim().is_empty() || self.name.chars().count() > 255 {
            return Err(ApiError::invalid(&["body", "name"], "a name of 1 to 255 characters is needed"));
        }
        let match_path = self.match_path.unwrap_or_else(|| MATCH_PATH.map(str::to_owned).to_vec());
        if match_path.iter().any(|key| !MATCH_PATH.contains(&key.as_str())) {
            let why = format!("the name of a model is looked for under {} only", MATCH_PATH.join(", "));
            return Err(ApiError::invalid(&["body", "match_path"], why));
        }
        let entry = Entry {
            name: self.name,
            start_time: self.start_time.map(|Moment(time)| time),
            match_path,
            match_pattern: self.match_pattern,
            prompt_cost: amount("prompt_cost", &self.prompt_cost)?,
            completion_cost: amount("completion_cost", &self.completion_cost)?,
            prompt_cost_details: amounts("prompt_cost_details", self.prompt_cost_details)?,
            completion_cost_details: amounts("completion_cost_details", self.completion_cost_details)?,
            provider: self.provider.filter(|provider| !provider.is_empty()),
        };
        entry.pattern()?;
        Ok(entry)
    }
}

fn amount(field: &str, value: &Value) -> ApiResult<Decimal> {
    let amount =
        assay_wire::usage::decimal(value).filter(|amount| !amount.is_sign_negative() || amount.is_zero());
    amount.ok_or_else(|| {
        ApiError::invalid(&["body", field], "a price of 0 or more, as a number or as text, is needed")
    })
}

fn amounts(field: &str, given: Option<Map<String, Value>>) -> ApiResult<BTreeMap<String, Decimal>> {
    let given = given.unwrap_or_default();
    if given.len() > 100 {
        return Err(ApiError::invalid(&["body", field], "at most 100 classes of tokens"));
    }
    given.into_iter().map(|(class, value)| Ok((class, amount(field, &value)?))).collect()
}

/// Lists the entries, newest first. The prices that ship with Assay lie beneath them.
#[utoipa::path(get, path = "/model-price-map", tag = "prices", responses((status = 200, description = "a list of entries")))]
async fn list(State(app): State<App>) -> ApiResult<Json<Value>> {
    let records = app.store.records(&query()).await?;
    Ok(Json(records.iter().map(shape).collect::<ApiResult<Vec<_>>>()?.into()))
}

/// Adds an entry, for runs that arrive from now on.
#[utoipa::path(post, path = "/model-price-map", tag = "prices", request_body = PriceBody,
    responses((status = 200, description = "the entry"), (status = 422, description = "a price or the pattern makes no sense")))]
async fn create(State(app): State<App>, Body(body): Body<PriceBody>) -> ApiResult<Json<Value>> {
    let entry = body.entry()?;
    let _alone = app.changing.lock().await;
    let query = RecordQuery { kind: KIND.to_owned(), without_bodies: true, ..RecordQuery::default() };
    if app.store.records(&query).await?.len() >= MAX_ENTRIES {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            format!("the price map has {MAX_ENTRIES} entries; delete some"),
        ));
    }
    let now = app.now();
    let record = Record {
        kind: KIND.to_owned(),
        id: Uuid::now_v7(),
        created_at: now,
        modified_at: now,
        body: json!(entry),
        ..Record::default()
    };
    app.store.change(vec![Change::Insert(record.clone())]).await?;
    load(&app).await?;
    Ok(Json(shape(&record)?))
}

/// Replaces an entry, for runs that arrive from now on.
#[utoipa::path(put, path = "/model-price-map/{id}", tag = "prices", params(("id" = Uuid, Path)), request_body = PriceBody,
    responses((status = 200, description = "the entry"), (status = 404, description = "there is none"),
        (status = 422, description = "a price or the pattern makes no sense")))]
async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(body): Body<PriceBody>,
) -> ApiResult<Json<Value>> {
    let entry = body.entry()?;
    let _alone = app.changing.lock().await;
    let mut record = find(&app, &id).await?;
    record.body = json!(entry);
    record.modified_at = app.now();
    app.store.change(vec![Change::Replace(record.clone())]).await?;
    load(&app).await?;
    Ok(Json(shape(&record)?))
}

/// Deletes an entry, for runs that arrive from now on.
#[utoipa::path(delete, path = "/model-price-map/{id}", tag = "prices", params(("id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
async fn delete(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let _alone = app.changing.lock().await;
    let record = find(&app, &id).await?;
    app.store.change(vec![Change::Delete { kind: KIND.to_owned(), id: record.id }]).await?;
    load(&app).await?;
    Ok(Json(json!({ "message": format!("entry {} of the price map deleted", record.id) })))
}

async fn find(app: &App, id: &str) -> ApiResult<Record> {
    let id = uuid("id", id)?;
    let record = app.store.record(KIND, id).await?;
    record.ok_or_else(|| ApiError::not_found(format!("entry {id} of the price map")))
}

fn shape(record: &Record) -> ApiResult<Value> {
    let entry = entry(record)?;
    let by_class = |amounts: &BTreeMap<String, Decimal>| {
        let all = amounts.iter().map(|(class, amount)| (class.clone(), decimal(*amount)));
        if amounts.is_empty() { Value::Null } else { Value::Object(all.collect()) }
    };
    Ok(json!({
        "id": record.id,
        "tenant_id": crate::app::WORKSPACE,
        "name": entry.name,
        "start_time": entry.start_time.map(v1_time),
        "match_path": entry.match_path,
        "match_pattern": entry.match_pattern,
        "prompt_cost": decimal(entry.prompt_cost),
        "completion_cost": decimal(entry.completion_cost),
        "prompt_cost_details": by_class(&entry.prompt_cost_details),
        "completion_cost_details": by_class(&entry.completion_cost_details),
        "provider": entry.provider,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Config;
    use crate::testing::Server;

    const PATH: &str = "/model-price-map";

    /// Sends a model call of 10 and 20 tokens, 5 of them from the cache; what it costs.
    async fn cost(server: &Server, id: u128, metadata: Value) -> Value {
        let id = Uuid::from_u128(id);
        let usage = json!({"input_tokens": 20, "output_tokens": 10, "total_tokens": 30, "input_token_details": {"cache_read": 5}});
        server
            .post(
                "/runs",
                json!({
                    "id": id, "name": "m", "run_type": "llm", "session_name": "p", "outputs": {"usage_metadata": usage},
                    "extra": {"metadata": metadata}, "start_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:01Z",
                }),
            )
            .await
            .ok();
        server.get(&format!("/runs/{id}")).await.ok()["total_cost"].clone()
    }

    fn price(pattern: &str, prompt: Value) -> Value {
        json!({"name": "mine", "match_pattern": pattern, "prompt_cost": prompt, "completion_cost": "0"})
    }

    #[tokio::test]
    async fn an_entry_is_made_read_replaced_and_deleted() {
        let server = Server::new();
        let body = json!({"name": "mine", "match_pattern": "^my-", "prompt_cost": 2e-6, "completion_cost": "0.0000100",
            "prompt_cost_details": {"cache_read": 1e-7}, "provider": "me", "start_time": "2026-01-01T00:00:00Z"});
        let made = server.post(PATH, body).await.ok();
        assert_eq!((&made["prompt_cost"], &made["completion_cost"]), (&json!("0.000002"), &json!("0.00001")));
        assert_eq!(
            (&made["prompt_cost_details"], &made["completion_cost_details"]),
            (&json!({"cache_read": "0.0000001"}), &Value::Null)
        );
        assert_eq!(made["match_path"], json!(MATCH_PATH));
        assert_eq!(server.get(PATH).await.ok(), json!([made]));
        let path = format!("{PATH}/{}", made["id"].as_str().expect("an id"));
        let changed = server.put(&path, price("^other$", json!("1"))).await.ok();
        assert_eq!((&changed["id"], &changed["match_pattern"]), (&made["id"], &json!("^other$")));
        server.delete(&path).await.ok();
        server.delete(&path).await.refused(404);
        server.put(&path, price("x", json!(1))).await.refused(404);
        assert_eq!(server.get(PATH).await.ok(), json!([]));
    }

    #[tokio::test]
    async fn a_change_of_prices_holds_for_what_arrives_after_it() {
        let server = Server::new();
        let mine = json!({"ls_model_name": "my-model", "ls_provider": "me"});
        assert_eq!(cost(&server, 1, mine.clone()).await, Value::Null);
        let mut body = price("^my-", json!("0.000002"));
        body["prompt_cost_details"] = json!({"cache_read": "0.000001"});
        let made = server.post(PATH, body).await.ok();
        // 5 tokens at the price of the cache, 15 at the usual one.
        assert_eq!(cost(&server, 2, mine.clone()).await, json!("0.000035"));
        let path = format!("{PATH}/{}", made["id"].as_str().expect("an id"));
        server.put(&path, price("^my-", json!("1"))).await.ok();
        assert_eq!(cost(&server, 3, mine.clone()).await, json!("20"));
        assert_eq!(
            server.get(&format!("/runs/{}", Uuid::from_u128(2))).await.ok()["total_cost"],
            json!("0.000035")
        );
        server.delete(&path).await.ok();
        assert_eq!(cost(&server, 4, mine).await, Value::Null);
    }

    #[tokio::test]
    async fn an_entry_is_for_its_provider_and_time_alone() {
        let server = Server::new();
        let mut of_provider = price("^m$", json!("1"));
        of_provider["provider"] = json!("me");
        server.post(PATH, of_provider).await.ok();
        assert_eq!(cost(&server, 1, json!({"ls_model_name": "m"})).await, Value::Null);
        assert_eq!(cost(&server, 2, json!({"ls_model_name": "m", "ls_provider": "me"})).await, json!("20"));
        let mut later = price("^n$", json!("1"));
        later["start_time"] = json!("2027-01-01T00:00:00Z");
        server.post(PATH, later).await.ok();
        assert_eq!(cost(&server, 3, json!({"ls_model_name": "n"})).await, Value::Null);
    }

    #[tokio::test]
    async fn prices_outlive_the_server() {
        let server = Server::new();
        server.post(PATH, price("^m$", json!("1"))).await.ok();
        server.app.store.set_prices(PriceTable::default()).expect("set");
        let again = Server::over(server.app.store.clone(), Config::default());
        load(&again.app).await.expect("loaded");
        assert_eq!(cost(&again, 1, json!({"ls_model_name": "m"})).await, json!("20"));
    }

    #[tokio::test]
    async fn senseless_entries_are_refused() {
        let server = Server::new();
        let mut elsewhere = price("m", json!(1));
        elsewhere["match_path"] = json!(["kwargs"]);
        for body in [
            price("(", json!(1)),
            price(&"a".repeat(1001), json!(1)),
            price("(a{1000}){1000}", json!(1)),
            price("m", json!(-1)),
            price("m", json!("free")),
            json!({"name": "m"}),
            elsewhere,
        ] {
            server.post(PATH, body).await.refused(422);
        }
        assert_eq!(server.get(PATH).await.ok(), json!([]));
    }
}
