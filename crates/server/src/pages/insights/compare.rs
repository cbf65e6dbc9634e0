//! Two reports side by side.

use assay_domain::format;
use assay_ui::text;
use assay_ui::web::Tab;
use assay_ui::web::compare::{ChooseComparisonPage, ComparePage, SideView};
use axum::extract::Path;
use axum::response::Response;

use super::super::{Visit, page};
use super::{Found, place};
use crate::error::{ApiError, ApiResult};
use crate::insights::{self, queue};

pub(super) async fn show(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let named = |name: &str| visit.params.get(name).map(str::to_owned);
    let (Some(before), Some(after)) = (named("before"), named("after")) else {
        return choose(&visit, &project).await;
    };
    let before = Found::of(&visit, &project, &before).await?;
    let after = Found::of(&visit, &project, &after).await?;
    let shell = visit
        .within(&before.project, Tab::Insights, "Compare")
        .crumb("Insights", place(&before.project))
        .style("report.css");
    let (old, new) = (side(&before), side(&after));
    let (Some(one), Some(two)) = (before.report, after.report) else {
        return Err(ApiError::bad_request("one of the two has no report yet"));
    };
    if one.config.focus != two.config.focus {
        return Err(ApiError::bad_request(format!(
            "“{}” and “{}” ask different questions, one about use and one about failures: shares of the one \
             say nothing about the other; choose two reports of the same kind",
            old.name, new.name
        )));
    }
    let comparison = insights::compared(&visit.app, before.project.id, one, two)
        .await
        .map_err(insights::compare::failed)?;
    Ok(page(&ComparePage::new(shell, old, new, &comparison)))
}

fn side(found: &Found) -> SideView {
    let report = found.report.as_ref();
    SideView {
        id: found.id().to_string(),
        list: place(&found.project),
        name: text::name(found.name()),
        title: report.map(|report| text::line(&report.executive_summary.title)).unwrap_or_default(),
        href: format!("{}/{}", place(&found.project), found.id()),
        made: found.entry.as_ref().and_then(|entry| entry.state.finished_at).into(),
        threads: report.map(|report| format::count(report.assignments.len())).unwrap_or_default(),
    }
}

async fn choose(visit: &Visit, project: &str) -> ApiResult<Response> {
    let project = visit.project(project).await?;
    let jobs = queue::list(&visit.app.store, Some(project.id)).await?;
    let done = jobs.iter().filter(|entry| entry.state.report.is_some());
    Ok(page(&ChooseComparisonPage {
        shell: visit.within(&project, Tab::Insights, "Compare").crumb("Insights", place(&project)),
        action: format!("{}/compare", place(&project)),
        reports: done
            .map(|entry| (entry.job.id.to_string(), text::name(&entry.job.name), entry.job.created_at.into()))
            .collect(),
    }))
}
