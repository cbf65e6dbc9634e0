//! Annotation queues: runs that wait for people to judge them.
//!
//! A queue is a record of kind [`KIND`]; what waits in it is an [`item`], a
//! record of its own under the queue, in the order of its time. `items`
//! handles what is in a queue, `status` what reviewers did with it, `export`
//! what they are done with.

mod export;
mod item;
mod items;
mod status;

use std::collections::BTreeMap;

use assay_domain::Time;
use assay_store::{Change, Record, RecordQuery, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::{App, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::extract::{self, Body, Params, stated};
use crate::fields::{Moment, v1_time};

const KIND: &str = "queue";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create, delete_several))
        .routes(routes!(read, change, delete))
        .routes(routes!(export::export))
        .merge(items::routes())
        .merge(status::routes())
}

/// A queue, without what is in it.
#[derive(Clone, Debug)]
struct Queue {
    id: Uuid,
    created_at: Time,
    updated_at: Time,
    details: Details,
}

/// The body of its record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
struct Details {
    name: String,
    description: Option<String>,
    /// An item is done once so many reviewed it.
    num_reviewers_per_item: u32,
    enable_reservations: bool,
    /// So long is an item kept for the one who reserved it.
    reservation_minutes: u32,
    default_dataset: Option<Uuid>,
    rubric_items: Option<Vec<RubricItem>>,
    rubric_instructions: Option<String>,
    metadata: Option<Map<String, Value>>,
}

impl Default for Details {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: None,
            num_reviewers_per_item: 1,
            enable_reservations: true,
            reservation_minutes: 1,
            default_dataset: None,
            rubric_items: None,
            rubric_instructions: None,
            metadata: None,
        }
    }
}

/// One thing reviewers are to judge.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct RubricItem {
    feedback_key: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    value_descriptions: Option<BTreeMap<String, String>>,
    #[serde(default)]
    score_descriptions: Option<BTreeMap<String, String>>,
    #[serde(default)]
    is_required: Option<bool>,
    #[serde(default)]
    is_assertion: Option<bool>,
}

impl Queue {
    fn of(record: Record) -> ApiResult<Self> {
        let Record { id, created_at, modified_at, body, .. } = record;
        let details = Details::deserialize(&body).map_err(|error| {
            tracing::error!(queue = %id, %error, "an annotation queue cannot be read");
            let text = format!("annotation queue {id} cannot be read; the server's log says why");
            ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, text)
        })?;
        Ok(Self { id, created_at, updated_at: modified_at, details })
    }

    fn record(&self) -> Record {
        Record {
            kind: KIND.to_owned(),
            id: self.id,
            created_at: self.created_at,
            modified_at: self.updated_at,
            body: json!(self.details),
            ..Record::default()
        }
    }

    fn shape(&self) -> Value {
        let Self { id, created_at, updated_at, details } = self;
        json!({
            "id": id,
            "tenant_id": WORKSPACE,
            "name": details.name,
            "description": details.description,
            "created_at": v1_time(*created_at),
            "updated_at": v1_time(*updated_at),
            "queue_type": "single",
            "num_reviewers_per_item": details.num_reviewers_per_item,
            "enable_reservations": details.enable_reservations,
            "reservation_minutes": details.reservation_minutes,
            "reviewer_access_mode": "any",
            "assigned_reviewers": [],
            "default_dataset": details.default_dataset,
            "rubric_items": details.rubric_items,
            "rubric_instructions": details.rubric_instructions,
            "metadata": details.metadata,
            "source_rule_id": null,
            "run_rule_id": null,
        })
    }
}

/// The queue with this id; 404 where there is none.
async fn find(app: &App, id: Uuid) -> ApiResult<Queue> {
    let record = app.store.record(KIND, id).await?;
    record.map(Queue::of).transpose()?.ok_or_else(|| ApiError::not_found(format!("annotation queue {id}")))
}

/// What a new queue is, and what to change of one that exists: absent means
/// unchanged, null the usual.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct QueueBody {
    id: Option<Uuid>,
    name: Option<String>,
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    created_at: Option<Moment>,
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<u32>)]
    num_reviewers_per_item: Option<Option<u32>>,
    enable_reservations: Option<bool>,
    reservation_minutes: Option<u32>,
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<Uuid>)]
    default_dataset: Option<Option<Uuid>>,
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<Vec<RubricItem>>)]
    rubric_items: Option<Option<Vec<RubricItem>>>,
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>)]
    rubric_instructions: Option<Option<String>>,
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Option<Map<String, Value>>>,
    queue_type: Option<String>,
    reviewer_access_mode: Option<String>,
    /// Of a new queue: the roots of these projects wait in it from the beginning.
    session_ids: Option<Vec<Uuid>>,
}

impl QueueBody {
    fn apply(self, details: &mut Details) -> ApiResult<()> {
        let only = |field: &str, given: Option<String>, possible: &str| match given {
            Some(given) if given != possible => {
                Err(ApiError::invalid(&["body", field], format!("only {possible:?} is supported")))
            }
            _ => Ok(()),
        };
        only("queue_type", self.queue_type, "single")?;
        only("reviewer_access_mode", self.reviewer_access_mode, "any")?;
        replace(&mut details.name, self.name);
        replace(&mut details.description, self.description);
        replace(
            &mut details.num_reviewers_per_item,
            self.num_reviewers_per_item.map(|given| given.unwrap_or(1)),
        );
        replace(&mut details.enable_reservations, self.enable_reservations);
        replace(&mut details.reservation_minutes, self.reservation_minutes);
        replace(&mut details.default_dataset, self.default_dataset);
        replace(&mut details.rubric_items, self.rubric_items);
        replace(&mut details.rubric_instructions, self.rubric_instructions);
        replace(&mut details.metadata, self.metadata);
        if details.name.trim().is_empty() || details.name.chars().count() > 1000 {
            return Err(ApiError::invalid(&["body", "name"], "a name of 1 to 1000 characters is needed"));
        }
        if details.num_reviewers_per_item == 0 {
            return Err(ApiError::invalid(
                &["body", "num_reviewers_per_item"],
                "at least one reviewer is needed",
            ));
        }
        Ok(())
    }
}

fn replace<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

/// Makes a queue.
#[utoipa::path(post, path = "/annotation-queues", tag = "queues", request_body = QueueBody,
    responses((status = 200, description = "the queue"), (status = 409, description = "its id is taken")))]
async fn create(State(app): State<App>, Body(mut body): Body<QueueBody>) -> ApiResult<Json<Value>> {
    let now = app.now();
    let created_at = body.created_at.map_or(now, |Moment(time)| time);
    let sessions = body.session_ids.take().unwrap_or_default();
    let id = body.id.unwrap_or_else(Uuid::now_v7);
    let mut details = Details::default();
    body.apply(&mut details)?;
    let queue = Queue { id, created_at, updated_at: created_at, details };
    app.store.change(vec![Change::Insert(queue.record())]).await?;
    items::populate_from(&app, &queue, &sessions).await?;
    Ok(Json(queue.shape()))
}

/// Lists queues, newest first.
#[utoipa::path(get, path = "/annotation-queues", tag = "queues",
    params(
        ("ids" = Option<Vec<Uuid>>, Query), ("name" = Option<String>, Query), ("name_contains" = Option<String>, Query),
        ("dataset_id" = Option<Uuid>, Query, description = "whose default dataset is this one"),
        ("sort_by" = Option<String>, Query, description = "`created_at`, `updated_at` or `name`"),
        ("sort_by_desc" = Option<bool>, Query), ("offset" = Option<usize>, Query), ("limit" = Option<usize>, Query),
    ),
    responses((status = 200, description = "a list of queues, each with `total_runs`")))]
async fn list(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    let query =
        RecordQuery { kind: KIND.to_owned(), ids: params.parse_all("ids")?, ..RecordQuery::default() };
    let records = app.store.records(&query).await?;
    let mut found: Vec<Queue> = records.into_iter().map(Queue::of).collect::<ApiResult<_>>()?;
    let part = params.get("name_contains").map(str::to_lowercase);
    let dataset: Option<Uuid> = params.parse("dataset_id")?;
    found.retain(|Queue { details, .. }| {
        params.get("name").is_none_or(|name| details.name == name)
            && part.as_ref().is_none_or(|part| details.name.to_lowercase().contains(part))
            && dataset.is_none_or(|dataset| details.default_dataset == Some(dataset))
            && params.get("queue_type").is_none_or(|wanted| wanted == "single")
    });
    match params.get("sort_by") {
        Some("name") => found.sort_by(|a, b| a.details.name.cmp(&b.details.name)),
        Some("updated_at") => found.sort_by_key(|queue| queue.updated_at),
        _ => {}
    }
    if params.flag("sort_by_desc")?.unwrap_or(true) {
        found.reverse();
    }
    let (offset, limit) = params.page()?;
    let mut page = Vec::new();
    for queue in found.iter().skip(offset).take(limit) {
        let mut shape = queue.shape();
        shape["total_runs"] = json!(item::count(&app, queue.id).await?);
        page.push(shape);
    }
    Ok(Json(Value::Array(page)))
}

/// One queue, with its rubric.
#[utoipa::path(get, path = "/annotation-queues/{queue_id}", tag = "queues", params(("queue_id" = Uuid, Path)),
    responses((status = 200, description = "the queue"), (status = 404, description = "there is none")))]
async fn read(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    Ok(Json(find(&app, extract::uuid("queue_id", &id)?).await?.shape()))
}

/// Changes a queue.
#[utoipa::path(patch, path = "/annotation-queues/{queue_id}", tag = "queues", params(("queue_id" = Uuid, Path)),
    request_body = QueueBody,
    responses((status = 200, description = "the queue as it is now"), (status = 404, description = "there is none")))]
async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(body): Body<QueueBody>,
) -> ApiResult<Json<Value>> {
    let id = extract::uuid("queue_id", &id)?;
    let _alone = app.changing.lock().await;
    let mut queue = find(&app, id).await?;
    body.apply(&mut queue.details)?;
    queue.updated_at = app.now();
    app.store.change(vec![Change::Replace(queue.record())]).await?;
    Ok(Json(queue.shape()))
}

/// Deletes a queue. The runs themselves stay.
#[utoipa::path(delete, path = "/annotation-queues/{queue_id}", tag = "queues", params(("queue_id" = Uuid, Path)),
    responses((status = 200, description = "it is gone"), (status = 404, description = "there is none")))]
async fn delete(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let queue = find(&app, extract::uuid("queue_id", &id)?).await?;
    app.store.change(deletion(queue.id).into()).await?;
    Ok(Json(json!({ "message": format!("annotation queue {} deleted", queue.id) })))
}

/// Deletes several queues, all or none; unknown ones are no error.
#[utoipa::path(delete, path = "/annotation-queues", tag = "queues", params(("queue_ids" = Vec<Uuid>, Query)),
    responses((status = 200, description = "they are gone")))]
async fn delete_several(State(app): State<App>, params: Params) -> ApiResult<Json<Value>> {
    let ids: Vec<Uuid> = params.parse_all("queue_ids")?;
    if ids.is_empty() {
        return Err(ApiError::invalid(&["query", "queue_ids"], "field required"));
    }
    app.store.change(ids.into_iter().flat_map(deletion).collect()).await?;
    Ok(Json(json!({ "message": "annotation queues deleted" })))
}

fn deletion(id: Uuid) -> [Change; 2] {
    [
        Change::DeleteChildren { kind: item::KIND.to_owned(), parent: id },
        Change::Delete { kind: KIND.to_owned(), id },
    ]
}

#[cfg(test)]
mod tests;
