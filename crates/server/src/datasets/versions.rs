//! The history of a dataset: its versions, their tags, what changed between two.

use std::collections::BTreeMap;

use assay_domain::Time;
use assay_store::{Change, RecordQuery, Records as _};
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::dataset::{self, Dataset};
use super::ledger::{self, Head, VERSION};
use super::snapshot::{At, Order, Selection};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::fields::v1_time;

/// The tag that the newest version always has.
const LATEST: &str = "latest";

/// What `as_of` means: a moment, `latest`, or a tag of the dataset.
///
/// 404 for a tag the dataset does not have, 422 for one without a dataset.
pub(super) fn moment(dataset: Option<&Dataset>, as_of: Option<&str>) -> ApiResult<At> {
    let Some(text) = as_of.filter(|text| !text.is_empty() && *text != LATEST) else { return Ok(At::Now) };
    // A plus in a query is a space to those who do not escape it.
    let time = assay_wire::time::parse(&text.replace(' ', "+")).or_else(|| assay_wire::time::parse(text));
    let last = dataset.and_then(|dataset| dataset.details.version);
    match time {
        Some(time) if last.is_some_and(|last| last <= time) => Ok(At::Now),
        Some(time) => Ok(At::Moment(time)),
        None => {
            let shown: String = text.chars().take(80).collect();
            let Some(dataset) = dataset else {
                let why = format!("{shown:?} is not a date-time; a tag needs the parameter dataset");
                return Err(ApiError::invalid(&["query", "as_of"], why));
            };
            let tagged = dataset.details.tags.get(text);
            let unknown = || ApiError::not_found(format!("version {shown:?} of dataset {}", dataset.id));
            tagged.map(|time| At::Moment(*time)).ok_or_else(unknown)
        }
    }
}

/// Lists the versions of a dataset, newest first.
#[utoipa::path(get, path = "/datasets/{dataset_id}/versions", tag = "datasets",
    params(
        ("dataset_id" = Uuid, Path),
        ("search" = Option<String>, Query, description = "only versions with a tag that contains this"),
        ("example" = Option<Uuid>, Query, description = "only versions that changed this example"),
        ("offset" = Option<usize>, Query),
        ("limit" = Option<usize>, Query, description = "1 to 100"),
    ),
    responses((status = 200, description = "a list of `{as_of, tags}`"), (status = 404, description = "no such dataset")))]
pub(super) async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let (offset, limit) = params.page()?;
    let search = params.get("search");
    let example: Option<Uuid> = params.parse("example")?;
    let page: Vec<Time> = if search.is_none() && example.is_none() {
        page(&app, dataset.id, offset, limit).await?
    } else {
        let mut found = match example {
            Some(example) => touching(&app, &dataset, example).await?,
            None => dataset.details.tags.values().copied().chain(dataset.details.version).collect(),
        };
        found.sort();
        found.dedup();
        let is_found = |version: &Time| {
            search.is_none_or(|text| tags(&dataset, *version).iter().any(|tag| tag.contains(text)))
        };
        found.into_iter().rev().filter(is_found).skip(offset).take(limit).collect()
    };
    Ok(Json(page.into_iter().map(|version| shape(&dataset, version)).collect()))
}

async fn page(app: &App, dataset: Uuid, offset: usize, limit: usize) -> ApiResult<Vec<Time>> {
    let query = RecordQuery {
        kind: VERSION.to_owned(),
        parent: Some(dataset),
        without_bodies: true,
        is_newest_first: true,
        offset,
        limit,
        ..RecordQuery::default()
    };
    Ok(app.store.records(&query).await?.into_iter().map(|record| record.created_at).collect())
}

/// The versions that wrote or deleted an example.
async fn touching(app: &App, dataset: &Dataset, example: Uuid) -> ApiResult<Vec<Time>> {
    let past = ledger::past_of(app, Some(dataset.id), example).await?;
    let heads = past.iter().filter_map(Head::of);
    let mut found: Vec<Time> = heads.flat_map(|head| [Some(head.version), head.until]).flatten().collect();
    let current = ledger::current(app, example).await?.filter(|current| current.dataset == dataset.id);
    found.extend(current.map(|current| current.version));
    Ok(found)
}

/// One version: that of a tag, or the last one at a moment.
#[utoipa::path(get, path = "/datasets/{dataset_id}/version", tag = "datasets",
    params(("dataset_id" = Uuid, Path), ("as_of" = Option<String>, Query), ("tag" = Option<String>, Query)),
    responses((status = 200, description = "`{as_of, tags}`"), (status = 404, description = "no such dataset or version")))]
pub(super) async fn read(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let as_of = params.get("as_of").or_else(|| params.get("tag"));
    let version = version(&app, &dataset, as_of).await?;
    Ok(Json(shape(&dataset, version)))
}

/// The last version at a moment, or of a tag; 404 where there was none yet.
async fn version(app: &App, dataset: &Dataset, as_of: Option<&str>) -> ApiResult<Time> {
    let none = || ApiError::not_found(format!("a version of dataset {} at that time", dataset.id));
    let At::Moment(moment) = moment(Some(dataset), as_of)? else {
        return dataset.details.version.ok_or_else(none);
    };
    const AT_ONCE: usize = 1000;
    let mut offset = 0;
    loop {
        let page = page(app, dataset.id, offset, AT_ONCE).await?;
        if let Some(version) = page.iter().find(|version| **version <= moment) {
            return Ok(*version);
        }
        if page.len() < AT_ONCE {
            return Err(none());
        }
        offset += AT_ONCE;
    }
}

#[derive(Deserialize, ToSchema)]
pub(super) struct Tagging {
    /// A moment, or another tag.
    as_of: String,
    tag: String,
}

/// Gives a version a tag; if another version has it, it moves.
#[utoipa::path(put, path = "/datasets/{dataset_id}/tags", tag = "datasets", params(("dataset_id" = Uuid, Path)),
    request_body = Tagging,
    responses((status = 200, description = "`{as_of, tags}`"), (status = 404, description = "no such dataset or version")))]
pub(super) async fn tag(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(wanted): Body<Tagging>,
) -> ApiResult<Json<Value>> {
    let Tagging { as_of, tag } = wanted;
    if tag.is_empty() || tag == LATEST || tag.chars().count() > 255 || assay_wire::time::parse(&tag).is_some()
    {
        let why = "a tag has 1 to 255 characters, is not `latest` and no date-time";
        return Err(ApiError::invalid(&["body", "tag"], why));
    }
    let id = uuid("dataset_id", &id)?;
    let _alone = app.changing.lock().await;
    let mut dataset = dataset::find(&app, id).await?;
    let version = version(&app, &dataset, Some(&as_of)).await?;
    dataset.details.tags.insert(tag, version);
    app.store.change(vec![Change::Replace(dataset.record())]).await?;
    Ok(Json(shape(&dataset, version)))
}

/// Which examples two versions differ in.
#[utoipa::path(get, path = "/datasets/{dataset_id}/versions/diff", tag = "datasets",
    params(
        ("dataset_id" = Uuid, Path),
        ("from_version" = String, Query, description = "a moment or a tag"),
        ("to_version" = String, Query, description = "a moment or a tag"),
    ),
    responses((status = 200, description = "`{examples_added, examples_modified, examples_removed}`"),
        (status = 404, description = "no such dataset or version")))]
pub(super) async fn diff(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<Value>> {
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let given = |name: &str| {
        let value = params.get(name).map(str::to_owned);
        value.ok_or_else(|| ApiError::invalid(&["query", name], "field required"))
    };
    let from = states(&app, &dataset, &given("from_version")?).await?;
    let to = states(&app, &dataset, &given("to_version")?).await?;
    let before: BTreeMap<Uuid, Time> = from.iter().map(|head| (head.example, head.version)).collect();
    let after: BTreeMap<Uuid, Time> = to.iter().map(|head| (head.example, head.version)).collect();
    let differs = |head: &&Head| before.get(&head.example).is_some_and(|version| *version != head.version);
    let ids = |heads: &mut dyn Iterator<Item = &Head>| heads.map(|head| head.example).collect::<Vec<_>>();
    Ok(Json(json!({
        "examples_added": ids(&mut to.iter().filter(|head| !before.contains_key(&head.example))),
        "examples_modified": ids(&mut to.iter().filter(differs)),
        "examples_removed": ids(&mut from.iter().filter(|head| !after.contains_key(&head.example))),
    })))
}

async fn states(app: &App, dataset: &Dataset, as_of: &str) -> ApiResult<Vec<Head>> {
    let at = moment(Some(dataset), Some(as_of))?;
    let selection =
        Selection { dataset: Some(dataset.id), at, order: Order::OldestFirst, ..Selection::default() };
    selection.heads(app).await
}

fn tags(dataset: &Dataset, version: Time) -> Vec<&str> {
    let latest = (dataset.details.version == Some(version)).then_some(LATEST);
    let own = dataset.details.tags.iter().filter(|(_, tagged)| **tagged == version);
    latest.into_iter().chain(own.map(|(tag, _)| tag.as_str())).collect()
}

fn shape(dataset: &Dataset, version: Time) -> Value {
    let tags = tags(dataset, version);
    json!({ "as_of": v1_time(version), "tags": if tags.is_empty() { Value::Null } else { json!(tags) } })
}
