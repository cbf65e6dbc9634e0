//! The threads of a category become examples of a dataset: what was found is
//! what is tested from then on.

use assay_domain::report::Category;
use assay_store::Catalog as _;
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::cases::{Case, Cases};
use super::{jobs, shape};
use crate::app::App;
use crate::datasets::collect::{self, Draft, Target};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, uuid};

/// Where the examples go.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct CategoryDataset {
    /// A dataset that exists; without it a new one is made.
    dataset_id: Option<Uuid>,
    /// Name of the new one; that of the report and the category where absent.
    name: Option<String>,
    description: Option<String>,
}

/// Makes a dataset of the threads of a cluster, or adds them to one; those that are in it already stay
/// as they are. Large clusters come in portions, each a version of the dataset.
#[utoipa::path(post, path = "/sessions/{session_id}/insights/{job_id}/clusters/{cluster_id}/dataset", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path), ("cluster_id" = Uuid, Path)),
    request_body = CategoryDataset,
    responses((status = 200, description = "`{dataset_id, name, added, known, gone}`"),
        (status = 400, description = "no thread of the cluster is there any more"),
        (status = 404, description = "there is no such cluster or dataset"),
        (status = 409, description = "the name of the new dataset is taken")))]
pub(super) async fn create(
    State(app): State<App>,
    Path((project, job, cluster)): Path<(String, String, String)>,
    Body(body): Body<CategoryDataset>,
) -> ApiResult<Json<Value>> {
    let entry = jobs::find(&app, &project, &job).await?;
    let id = uuid("cluster_id", &cluster)?;
    let report = jobs::report_of(&app, &entry).await?;
    let report = report.ok_or_else(|| ApiError::not_found(format!("report of insights job {job}")))?;
    let node = shape::find_cluster(entry.job.id, &report, id);
    let node = node.ok_or_else(|| ApiError::not_found(format!("cluster {id}")))?;
    let project = app.store.project_by_id(entry.job.project).await?;
    let project = project.ok_or_else(|| ApiError::not_found("the project of the job"))?;
    let mut target = match body.dataset_id {
        Some(id) => Target::Dataset(id),
        None => Target::New {
            name: body.name.unwrap_or_else(|| format!("{}: {}", entry.job.name, node.name)),
            description: body.description.or_else(|| Some(node.description.clone())),
        },
    };
    let mut cases = Cases::of(&report, node);
    let (mut made, mut added, mut known) = (None, 0, 0);
    while let Some(some) = cases.next(&app.store, &project).await? {
        if some.is_empty() {
            continue;
        }
        let drafts = some.into_iter().map(|case| draft(case, node)).collect();
        // The lock of the workspace is held for a portion only.
        let collected = collect::collect(&app, target, drafts).await?;
        (added, known) = (added + collected.added, known + collected.known);
        target = Target::Dataset(collected.dataset);
        made = Some((collected.dataset, collected.name));
    }
    let Some((dataset, name)) = made else {
        let text = format!("no thread of {:?} is in the store any more", node.name);
        return Err(ApiError::bad_request(text));
    };
    let gone = cases.gone();
    Ok(Json(json!({ "dataset_id": dataset, "name": name, "added": added, "known": known, "gone": gone })))
}

fn draft(case: Case, category: &Category) -> Draft {
    Draft {
        origin: case.thread.0.clone(),
        metadata: case.metadata(category),
        source_run: case.run.map(|run| run.0),
        inputs: case.inputs,
        outputs: case.outputs,
    }
}
