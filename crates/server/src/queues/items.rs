//! What is in a queue: adding, listing, counting, removing.

use std::collections::{HashMap, HashSet};

use assay_domain::{ProjectId, RunId, Time};
use assay_store::{Change, Order, RecordQuery, Records as _, RunQuery, Runs as _};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use chrono::TimeDelta;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::item::{self, Item, Progress};
use super::status::reviewer;
use super::{Queue, find};
use crate::access::Caller;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::fields::Moment;
use crate::render;
use crate::runs;
use crate::runs::shown::{self, Needs, Shown};
use crate::runs::v1::{self, Select};

/// In one request.
const MAX_RUNS: usize = 10_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(add_by_key))
        .routes(routes!(at_index))
        .routes(routes!(change, delete))
        .routes(routes!(delete_several))
        .routes(routes!(size))
        .routes(routes!(total_size))
        .routes(routes!(total_archived))
        .routes(routes!(queues_of))
        .routes(routes!(populate))
}

/// A run to be added: its id, or an object with it.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "neither the id of a run nor an object with run_id")]
enum NewItem {
    Id(Uuid),
    Object { run_id: Uuid, source_proposed_example_id: Option<Uuid> },
}

/// Puts runs into a queue; those that are in it already stay where they are.
#[utoipa::path(post, path = "/annotation-queues/{queue_id}/runs", tag = "queues", params(("queue_id" = Uuid, Path)),
    request_body = Vec<NewItem>,
    responses((status = 200, description = "a list of items"), (status = 404, description = "no such queue or run")))]
async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(new): Body<Vec<NewItem>>,
) -> ApiResult<Json<Value>> {
    let queue = find(&app, uuid("queue_id", &id)?).await?;
    let wanted = new.into_iter().map(|new| match new {
        NewItem::Id(run) => (RunId(run), None),
        NewItem::Object { run_id, source_proposed_example_id } => (RunId(run_id), source_proposed_example_id),
    });
    let items = put(&app, &queue, wanted.collect()).await?;
    Ok(Json(items.iter().map(Item::shape).collect()))
}

/// The same, by all that clients know of the runs.
#[utoipa::path(post, path = "/annotation-queues/{queue_id}/runs/by-key", tag = "queues", params(("queue_id" = Uuid, Path)),
    request_body = Vec<NewItem>,
    responses((status = 200, description = "a list of items"), (status = 404, description = "no such queue or run")))]
async fn add_by_key(app: State<App>, id: Path<String>, new: Body<Vec<NewItem>>) -> ApiResult<Json<Value>> {
    add(app, id, new).await
}

async fn put(app: &App, queue: &Queue, mut wanted: Vec<(RunId, Option<Uuid>)>) -> ApiResult<Vec<Item>> {
    if wanted.len() > MAX_RUNS {
        return Err(ApiError::invalid(&["body"], format!("at most {MAX_RUNS} runs at once")));
    }
    let known = known(app, wanted.iter().map(|(run, _)| *run)).await?;
    for (run, _) in wanted.iter_mut().filter(|(run, _)| !known.contains(run)) {
        // The id of a trace means its root.
        *run = runs::share::row(app, *run).await?.id;
    }
    let _alone = app.changing.lock().await;
    let mut present: HashMap<RunId, Item> =
        item::all(app, queue.id).await?.into_iter().map(|item| (item.run, item)).collect();
    let now = app.now();
    let mut items = Vec::with_capacity(wanted.len());
    let mut changes = Vec::new();
    for (index, (run, example)) in wanted.into_iter().enumerate() {
        if let Some(item) = present.get(&run) {
            items.push(item.clone());
            continue;
        }
        // What comes together waits in its order.
        let later = TimeDelta::microseconds(i64::try_from(index).unwrap_or(0));
        let mut item = Item::new(queue.id, run, now + later);
        item.details.source_proposed_example = example;
        changes.push(Change::Insert(item.record()));
        present.insert(run, item.clone());
        items.push(item);
    }
    app.store.change(changes).await?;
    Ok(items)
}

/// Those of the runs that there are.
pub(super) async fn known(app: &App, runs: impl Iterator<Item = RunId>) -> ApiResult<HashSet<RunId>> {
    let runs: Vec<RunId> = runs.collect();
    let mut known = HashSet::new();
    for chunk in runs.chunks(500) {
        let query = RunQuery { ids: chunk.to_vec(), limit: chunk.len(), ..RunQuery::default() };
        known.extend(app.store.runs(&query).await?.items.into_iter().map(|row| row.id));
    }
    Ok(known)
}

/// Runs that wait in a queue, in order.
#[utoipa::path(get, path = "/annotation-queues/{queue_id}/runs", tag = "queues",
    params(
        ("queue_id" = Uuid, Path), ("archived" = Option<bool>, Query, description = "only those that are done, or not done"),
        ("status" = Option<String>, Query, description = "`needs_my_review`, `needs_others_review` or `completed`"),
        ("offset" = Option<usize>, Query), ("limit" = Option<usize>, Query),
    ),
    responses((status = 200, description = "a list of runs, each with what the queue knows of it"),
        (status = 404, description = "no such queue")))]
async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    params: Params,
) -> ApiResult<Response> {
    let queue = find(&app, uuid("queue_id", &id)?).await?;
    let (offset, limit) = params.page()?;
    let archived = params.flag("archived")?;
    let status = params.get("status").map(Progress::parse).transpose()?;
    let reviewer = reviewer(&caller);
    let is_wanted = |item: &Item| {
        archived.is_none_or(|archived| item.is_completed(&queue) == archived)
            && status.is_none_or(|status| item.progress(&queue, reviewer) == status)
    };
    let page = page(&app, &queue, is_wanted, offset, limit, &app.base_url(&headers)).await?;
    respond(page, app.now()).await
}

/// The run at a place among those that wait for the caller, from 0.
#[utoipa::path(get, path = "/annotation-queues/{queue_id}/run/{index}", tag = "queues",
    params(("queue_id" = Uuid, Path), ("index" = usize, Path)),
    responses((status = 200, description = "the run with what the queue knows of it"),
        (status = 404, description = "no such queue, or beyond its end")))]
async fn at_index(
    State(app): State<App>,
    Path((id, index)): Path<(String, String)>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> ApiResult<Json<Value>> {
    let queue = find(&app, uuid("queue_id", &id)?).await?;
    let place: usize =
        index.parse().map_err(|_| ApiError::invalid(&["path", "index"], "a whole number is needed"))?;
    let (now, reviewer) = (app.now(), reviewer(&caller));
    let waits = |item: &Item| {
        item.progress(&queue, reviewer) == Progress::Mine && !item.is_taken(&queue, reviewer, now)
    };
    let page = page(&app, &queue, waits, place, 1, &app.base_url(&headers)).await?;
    let beyond = || ApiError::not_found(format!("a run at place {place} of annotation queue {}", queue.id));
    let (item, run) = page.into_iter().next().ok_or_else(beyond)?;
    Ok(Json(item.join(v1::json(run, &Select::Everything), now)))
}

async fn respond(page: Vec<(Item, Shown)>, now: Time) -> ApiResult<Response> {
    render::json(move || {
        let join = |(item, run): (Item, Shown)| item.join(v1::json(run, &Select::Everything), now);
        page.into_iter().map(join).collect::<Vec<_>>()
    })
    .await
}

/// Items with their runs. An item whose run was deleted leaves the queue.
async fn page(
    app: &App,
    queue: &Queue,
    is_wanted: impl Fn(&Item) -> bool,
    offset: usize,
    limit: usize,
    base_url: &str,
) -> ApiResult<Vec<(Item, Shown)>> {
    loop {
        let items = item::all(app, queue.id).await?.into_iter().filter(&is_wanted);
        let (found, gone) = with_runs(app, items.skip(offset).take(limit).collect(), base_url).await?;
        if gone.is_empty() {
            return Ok(found);
        }
        let leave = |item: Item| Change::Delete { kind: item::KIND.to_owned(), id: item.id };
        app.store.change(gone.into_iter().map(leave).collect()).await?;
    }
}

/// The items with their runs, in order; and those whose runs were deleted.
pub(super) async fn with_runs(
    app: &App,
    items: Vec<Item>,
    base_url: &str,
) -> ApiResult<(Vec<(Item, Shown)>, Vec<Item>)> {
    let ids: Vec<RunId> = items.iter().map(|item| item.run).collect();
    if ids.is_empty() {
        return Ok(Default::default());
    }
    let query = RunQuery { limit: ids.len(), ids, ..RunQuery::default() };
    let stored = app.store.stored_runs(&query).await?.items;
    let needs = Needs { feedback: true, share: false };
    let shown = shown::gather(app, stored, needs, base_url).await?;
    let mut shown: HashMap<RunId, Shown> = shown.into_iter().map(|run| (run.id(), run)).collect();
    let (mut found, mut gone) = (Vec::new(), Vec::new());
    for item in items {
        match shown.remove(&item.run) {
            Some(run) => found.push((item, run)),
            None => gone.push(item),
        }
    }
    Ok((found, gone))
}

#[derive(Deserialize, ToSchema)]
struct ItemChange {
    last_reviewed_time: Option<Moment>,
    /// Moves it to another place in the queue.
    added_at: Option<Moment>,
}

/// Changes what the queue knows of a run.
#[utoipa::path(patch, path = "/annotation-queues/{queue_id}/runs/{run_id}", tag = "queues",
    params(("queue_id" = Uuid, Path), ("run_id" = Uuid, Path, description = "of the run or of the item")),
    request_body = ItemChange,
    responses((status = 200, description = "the item"), (status = 404, description = "no such queue or item")))]
async fn change(
    State(app): State<App>,
    Path((queue, id)): Path<(String, String)>,
    Body(change): Body<ItemChange>,
) -> ApiResult<Json<Value>> {
    let _alone = app.changing.lock().await;
    let mut item = in_queue(&app, &queue, &id).await?;
    if let Some(Moment(time)) = change.last_reviewed_time {
        item.details.last_reviewed_at = Some(time);
    }
    if let Some(Moment(time)) = change.added_at {
        item.place = time;
    }
    item.modified_at = app.now();
    app.store.change(vec![Change::Replace(item.record())]).await?;
    Ok(Json(item.shape()))
}

/// Takes a run out of a queue.
#[utoipa::path(delete, path = "/annotation-queues/{queue_id}/runs/{run_id}", tag = "queues",
    params(("queue_id" = Uuid, Path), ("run_id" = Uuid, Path, description = "of the run or of the item")),
    responses((status = 200, description = "it is out"), (status = 404, description = "it was not in")))]
async fn delete(State(app): State<App>, Path((queue, id)): Path<(String, String)>) -> ApiResult<Json<Value>> {
    let item = in_queue(&app, &queue, &id).await?;
    app.store.change(vec![Change::Delete { kind: item::KIND.to_owned(), id: item.id }]).await?;
    Ok(Json(json!({ "message": format!("run {} left annotation queue {}", item.run, item.queue) })))
}

/// The item with this id, or for the run with this id.
async fn in_queue(app: &App, queue: &str, id: &str) -> ApiResult<Item> {
    let (queue, id) = (uuid("queue_id", queue)?, uuid("run_id", id)?);
    if let Some(item) = item::of_run(app, queue, RunId(id)).await? {
        return Ok(item);
    }
    let found = app.store.record(item::KIND, id).await?.filter(|record| record.parent == Some(queue));
    let missing = || ApiError::not_found(format!("run {id} in annotation queue {queue}"));
    Item::of(found.ok_or_else(missing)?)
}

#[derive(Deserialize, ToSchema)]
struct Removal {
    #[serde(default)]
    delete_all: bool,
    run_ids: Option<Vec<Uuid>>,
    /// With `delete_all`: these stay.
    exclude_run_ids: Option<Vec<Uuid>>,
}

/// Takes several runs, or all of them, out of a queue.
#[utoipa::path(post, path = "/annotation-queues/{queue_id}/runs/delete", tag = "queues", params(("queue_id" = Uuid, Path)),
    request_body = Removal,
    responses((status = 200, description = "they are out"), (status = 404, description = "no such queue")))]
async fn delete_several(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(wanted): Body<Removal>,
) -> ApiResult<Json<Value>> {
    let queue = find(&app, uuid("queue_id", &id)?).await?;
    let set = |ids: Option<Vec<Uuid>>| ids.unwrap_or_default().into_iter().collect::<HashSet<Uuid>>();
    let (named, kept) = (set(wanted.run_ids), set(wanted.exclude_run_ids));
    let is_meant = |item: &Item| {
        let has = |ids: &HashSet<Uuid>| ids.contains(&item.run.0) || ids.contains(&item.id);
        if wanted.delete_all { !has(&kept) } else { has(&named) }
    };
    let items = item::all(&app, queue.id).await?;
    let changes: Vec<Change> = items
        .iter()
        .filter(|item| is_meant(item))
        .map(|item| Change::Delete { kind: item::KIND.to_owned(), id: item.id })
        .collect();
    let count = changes.len();
    app.store.change(changes).await?;
    Ok(Json(json!({ "message": format!("{count} runs left annotation queue {}", queue.id), "count": count })))
}

/// How many runs wait in a queue.
#[utoipa::path(get, path = "/annotation-queues/{queue_id}/size", tag = "queues",
    params(("queue_id" = Uuid, Path),
        ("status" = Option<String>, Query, description = "`needs_my_review`, `needs_others_review` or `completed`")),
    responses((status = 200, description = "`{size}`"), (status = 404, description = "no such queue")))]
async fn size(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let status = params.get("status").map(Progress::parse).transpose()?;
    let reviewer = reviewer(&caller);
    sized(&app, &id, |queue, item| match status {
        Some(status) => item.progress(queue, reviewer) == status,
        None => !item.is_completed(queue),
    })
    .await
}

/// How many runs are in a queue, done or not.
#[utoipa::path(get, path = "/annotation-queues/{queue_id}/total_size", tag = "queues", params(("queue_id" = Uuid, Path)),
    responses((status = 200, description = "`{size}`"), (status = 404, description = "no such queue")))]
async fn total_size(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    sized(&app, &id, |_, _| true).await
}

/// How many runs of a queue are done, in a window of time.
#[utoipa::path(get, path = "/annotation-queues/{queue_id}/total_archived", tag = "queues",
    params(("queue_id" = Uuid, Path), ("start_time" = Option<String>, Query), ("end_time" = Option<String>, Query)),
    responses((status = 200, description = "`{size}`"), (status = 404, description = "no such queue")))]
async fn total_archived(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let (start, end) = (params.time("start_time")?, params.time("end_time")?);
    sized(&app, &id, |queue, item| {
        let reviewed = item.details.last_reviewed_at;
        item.is_completed(queue)
            && start.is_none_or(|start| reviewed.is_some_and(|time| time >= start))
            && end.is_none_or(|end| reviewed.is_some_and(|time| time <= end))
    })
    .await
}

async fn sized(app: &App, id: &str, counts: impl Fn(&Queue, &Item) -> bool) -> ApiResult<Json<Value>> {
    let queue = find(app, uuid("queue_id", id)?).await?;
    let mut items = item::all(app, queue.id).await?;
    items.retain(|item| counts(&queue, item));
    // What was deleted leaves the queue when it is next looked at, and does not count until then.
    let known = known(app, items.iter().map(|item| item.run)).await?;
    Ok(Json(json!({ "size": items.iter().filter(|item| known.contains(&item.run)).count() })))
}

/// The queues that a run is in.
#[utoipa::path(get, path = "/annotation-queues/{queue_id}/queues", tag = "queues",
    params(("queue_id" = Uuid, Path, description = "the id of the run")),
    responses((status = 200, description = "a list of queues")))]
async fn queues_of(State(app): State<App>, Path(run): Path<String>) -> ApiResult<Json<Value>> {
    let run = uuid("run_id", &run)?;
    let query =
        RecordQuery { kind: item::KIND.to_owned(), name: Some(run.to_string()), ..RecordQuery::default() };
    let mut queues = Vec::new();
    for record in app.store.records(&query).await? {
        queues.push(find(&app, Item::of(record)?.queue).await?.shape());
    }
    Ok(Json(Value::Array(queues)))
}

#[derive(Deserialize, ToSchema)]
struct Population {
    queue_id: Uuid,
    session_ids: Vec<Uuid>,
}

/// Puts the roots of projects into a queue.
#[utoipa::path(post, path = "/annotation-queues/populate", tag = "queues", request_body = Population,
    responses((status = 200, description = "done"), (status = 404, description = "no such queue")))]
async fn populate(State(app): State<App>, Body(wanted): Body<Population>) -> ApiResult<Json<Value>> {
    let queue = find(&app, wanted.queue_id).await?;
    let count = populate_from(&app, &queue, &wanted.session_ids).await?;
    Ok(Json(
        json!({ "message": format!("annotation queue {} was given {count} runs", queue.id), "count": count }),
    ))
}

/// Puts the roots of projects into a queue, oldest first, and says how many there are.
pub(super) async fn populate_from(app: &App, queue: &Queue, projects: &[Uuid]) -> ApiResult<usize> {
    if projects.is_empty() {
        return Ok(0);
    }
    let mut query = RunQuery {
        projects: projects.iter().copied().map(ProjectId).collect(),
        is_root: Some(true),
        order: Order::OldestFirst,
        limit: 1000,
        ..RunQuery::default()
    };
    let mut roots = Vec::new();
    loop {
        let page = app.store.runs(&query).await?;
        roots.extend(page.items.into_iter().map(|row| (row.id, None)));
        if roots.len() > MAX_RUNS {
            let why = format!("these projects have more than {MAX_RUNS} roots; choose runs and add them");
            return Err(ApiError::invalid(&["body", "session_ids"], why));
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    Ok(put(app, queue, roots).await?.len())
}
