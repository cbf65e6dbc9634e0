//! Addresses that clients print and people keep: they lead to the pages of today.

use assay_domain::RunId;
use assay_store::RunRow;
use axum::extract::Path;
use axum::response::Redirect;

use super::Visit;
use crate::error::ApiResult;
use crate::extract::uuid;
use crate::runs::share;

/// `/o/{tenant}/projects/p/{project}?tab=…&clusterJobId=…`, as SDKs print it of a report.
pub(super) async fn project(visit: Visit, Path((_, project)): Path<(String, String)>) -> ApiResult<Redirect> {
    let project = visit.project(&project).await?;
    let Some(job) = visit.params.get("clusterJobId") else {
        let tab = match visit.params.get("tab") {
            Some("0") => "/traces",
            Some("1") => "/threads",
            Some("2") => "/dashboard",
            Some("3" | "4") => "/insights",
            _ => "",
        };
        return Ok(Redirect::to(&format!("/p/{}{tab}", project.id)));
    };
    Ok(Redirect::to(&format!("/p/{}/insights/{}", project.id, uuid("clusterJobId", job)?)))
}

/// `/o/{tenant}` and `/o/{tenant}/projects`: there is one workspace.
pub(super) async fn workspace() -> Redirect {
    Redirect::to("/")
}

/// `/o/{tenant}/projects/p/{project}/r/{run}`: a run's own address.
pub(super) async fn run_of_project(
    visit: Visit,
    Path((_, _, run)): Path<(String, String, String)>,
) -> ApiResult<Redirect> {
    self::run(visit, Path(run)).await
}

/// `/r/{run}`: the run in its trace.
pub(super) async fn run(visit: Visit, Path(run): Path<String>) -> ApiResult<Redirect> {
    let row = share::row(&visit.app, RunId(uuid("run", &run)?)).await?;
    Ok(Redirect::to(&of_run(&row)))
}

/// Where a run is shown.
fn of_run(RunRow { id, project, trace, .. }: &RunRow) -> String {
    format!("/p/{project}/traces/{trace}?run={id}")
}
