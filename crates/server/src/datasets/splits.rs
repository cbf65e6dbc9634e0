//! Splits: named parts of a dataset, such as `train` and `test`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::dataset;
use super::ledger::{self, BASE, Edit, SPLITS};
use super::snapshot::Selection;
use super::versions;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};

/// The splits that examples of a dataset are in, by name.
#[utoipa::path(get, path = "/datasets/{dataset_id}/splits", tag = "datasets",
    params(("dataset_id" = Uuid, Path), ("as_of" = Option<String>, Query, description = "a moment or a tag")),
    responses((status = 200, description = "a list of names"), (status = 404, description = "no such dataset")))]
pub(super) async fn list(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Json<BTreeSet<String>>> {
    let dataset = dataset::find(&app, uuid("dataset_id", &id)?).await?;
    let at = versions::moment(Some(&dataset), params.get("as_of"))?;
    let selection = Selection { dataset: Some(dataset.id), at, ..Selection::default() };
    let heads = selection.heads(&app).await?;
    Ok(Json(heads.into_iter().flat_map(|head| head.splits).collect()))
}

#[derive(Deserialize, ToSchema)]
pub(super) struct SplitChange {
    split_name: String,
    examples: Vec<Uuid>,
    #[serde(default)]
    remove: bool,
}

/// Puts examples into a split, or takes them out of it.
#[utoipa::path(put, path = "/datasets/{dataset_id}/splits", tag = "datasets", params(("dataset_id" = Uuid, Path)),
    request_body = SplitChange,
    responses((status = 200, description = "the ids of the examples"),
        (status = 404, description = "no such dataset, or an example is not in it")))]
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(wanted): Body<SplitChange>,
) -> ApiResult<Json<Vec<Uuid>>> {
    let SplitChange { split_name, examples: ids, remove } = wanted;
    if split_name.is_empty() || split_name.chars().count() > 255 {
        return Err(ApiError::invalid(&["body", "split_name"], "a name has 1 to 255 characters"));
    }
    let id = uuid("dataset_id", &id)?;
    let _alone = app.changing.lock().await;
    let dataset = dataset::find(&app, id).await?;
    let mut edits = Vec::new();
    for id in ids.iter().collect::<BTreeSet<_>>() {
        let old = ledger::current(&app, *id).await?.filter(|old| old.dataset == dataset.id);
        let old =
            old.ok_or_else(|| ApiError::not_found(format!("example {id} in dataset {}", dataset.id)))?;
        let mut splits: Vec<&str> = old.content.splits();
        splits.retain(|split| *split != split_name && (remove || *split != BASE));
        if !remove {
            splits.push(&split_name);
        }
        if splits.is_empty() {
            splits.push(BASE);
        }
        let splits = json!(splits);
        let mut content = old.content.clone();
        if content.metadata.get(SPLITS) != Some(&splits) {
            content.metadata.insert(SPLITS.to_owned(), splits);
            edits.push(Edit::Replace { old: Box::new(old), content });
        }
    }
    ledger::commit(&app, dataset, edits).await?;
    Ok(Json(ids))
}

/// The split or splits that a request names.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "neither a name nor a list of names")]
pub(super) enum Split {
    One(String),
    Many(Vec<String>),
}

impl Split {
    pub(super) fn names(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::Many(names) => names,
        }
    }
}

/// The splits of an example: as named, else as its metadata says, else as before, else `base`.
pub(super) fn of(named: Option<Split>, metadata: Option<&Value>, before: Option<&Value>) -> Value {
    let named = named.map(Split::names).filter(|names| !names.is_empty());
    let listed = |value: &&Value| value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let one = metadata.filter(|value| value.is_string()).map(|name| json!([name]));
    named
        .map(|names| json!(names))
        .or_else(|| metadata.filter(listed).cloned())
        .or(one)
        .or_else(|| before.cloned())
        .unwrap_or_else(|| json!([BASE]))
}
