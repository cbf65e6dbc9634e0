//! What reviewers do with items: reserve them, finish them, put them back.

use assay_store::{Change, Records as _};
use axum::extract::{Path, State};
use axum::{Extension, Json};
use chrono::TimeDelta;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::item::{self, Item, Reservation};
use super::{Queue, find};
use crate::access::Caller;
use crate::app::{App, WORKSPACE};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, uuid};
use crate::fields::Moment;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(set)).routes(routes!(resolve))
}

/// Who reviews: each key is somebody of its own, and without keys there is one.
pub(super) fn reviewer(caller: &Caller) -> Uuid {
    caller.key.unwrap_or(WORKSPACE)
}

#[derive(Deserialize, ToSchema)]
struct NewStatus {
    /// `reserved`, `completed`, or null for neither.
    status: Option<String>,
    /// Moves it to another place in the queue.
    override_added_at: Option<Moment>,
}

/// Says what the caller does with an item of a queue.
#[utoipa::path(post, path = "/annotation-queues/status/{item_id}", tag = "queues", params(("item_id" = Uuid, Path)),
    request_body = NewStatus,
    responses((status = 200, description = "the item"), (status = 404, description = "there is none"),
        (status = 409, description = "others have reserved it")))]
async fn set(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<NewStatus>,
) -> ApiResult<Json<Value>> {
    let id = uuid("item_id", &id)?;
    let reviewer = reviewer(&caller);
    let _alone = app.changing.lock().await;
    let mut item = item::find(&app, id).await?;
    let queue = find(&app, item.queue).await?;
    let now = app.now();
    match wanted.status.as_deref() {
        Some("completed") => {
            release(&mut item, reviewer);
            item.details.completed_by.push(reviewer);
            item.details.last_reviewed_at = Some(now);
        }
        Some("reserved") => reserve(&app, &queue, &mut item, reviewer)?,
        None => release(&mut item, reviewer),
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            let why = format!("{shown:?} is none of reserved, completed and null");
            return Err(ApiError::invalid(&["body", "status"], why));
        }
    }
    if let Some(Moment(place)) = wanted.override_added_at {
        item.place = place;
    }
    item.details.reservations.retain(|reservation| reservation.until > now);
    item.modified_at = now;
    app.store.change(vec![Change::Replace(item.record())]).await?;
    Ok(Json(item.join(item.shape(), now)))
}

fn release(item: &mut Item, reviewer: Uuid) {
    item.details.reservations.retain(|reservation| reservation.by != reviewer);
    item.details.completed_by.retain(|by| *by != reviewer);
}

fn reserve(app: &App, queue: &Queue, item: &mut Item, reviewer: Uuid) -> ApiResult<()> {
    let now = app.now();
    if !queue.details.enable_reservations {
        return Err(ApiError::new(StatusCode::CONFLICT, "this annotation queue has no reservations"));
    }
    if item.is_taken(queue, reviewer, now) {
        return Err(ApiError::conflict("others have reserved this run; take another one"));
    }
    item.details.reservations.retain(|reservation| reservation.by != reviewer);
    let until = now + TimeDelta::minutes(i64::from(queue.details.reservation_minutes));
    item.details.reservations.push(Reservation { by: reviewer, until });
    Ok(())
}

/// Where an item is: in which section of its queue, at which place, from 0.
#[utoipa::path(get, path = "/annotation-queues/{queue_id}/runs/resolve/{item_id}", tag = "queues",
    params(("queue_id" = Uuid, Path), ("item_id" = Uuid, Path)),
    responses((status = 200, description = "`{section, position}`"), (status = 404, description = "no such queue or item")))]
async fn resolve(
    State(app): State<App>,
    Path((queue, id)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<Json<Value>> {
    let (queue, id) = (find(&app, uuid("queue_id", &queue)?).await?, uuid("item_id", &id)?);
    let reviewer = reviewer(&caller);
    let items = item::all(&app, queue.id).await?;
    let wanted = items.iter().find(|item| item.id == id);
    let missing = || ApiError::not_found(format!("item {id} in annotation queue {}", queue.id));
    let section = wanted.ok_or_else(missing)?.progress(&queue, reviewer);
    let mut alike = items.iter().filter(|item| item.progress(&queue, reviewer) == section);
    Ok(Json(json!({ "section": section.as_str(), "position": alike.position(|item| item.id == id) })))
}
