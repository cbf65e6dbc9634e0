//! A shared report as anybody sees who was given its link: the report without
//! the workspace around it, and without conversations. The API tells the same
//! under `/public/{token}/insights`.

use std::sync::Arc;

use assay_domain::Report;
use assay_ui::web::report::ReportFrame;
use axum::extract::Path;
use axum::response::Response;
use http::HeaderMap;

use super::super::Visit;
use super::report::{Threads, partial, written};
use crate::error::{ApiError, ApiResult};
use crate::insights::queue::Entry;
use crate::insights::{report_of, shared};

/// What of it can be taken along: name, file.
const FILES: [(&str, &str); 3] =
    [("Page (HTML)", "report.html"), ("Markdown", "report.md"), ("Report (JSON)", "report.json")];

pub(super) async fn show(visit: Visit, Path(token): Path<String>, headers: HeaderMap) -> ApiResult<Response> {
    let (entry, report) = behind(&visit, &token).await?;
    let mut shell = visit.shell(&entry.job.name).script("web/report.js").style("report.css");
    shell.is_public = true;
    // Whoever reads it here reads it as nobody in particular.
    (shell.viewer, shell.datasets) = (None, String::new());
    let frame = ReportFrame {
        shell,
        name: entry.job.name.clone(),
        place: format!("/s/{token}"),
        made: entry.state.finished_at.into(),
        partial: partial(&report),
        files: FILES.map(|(name, file)| (name, format!("/public/{token}/insights/files/{file}"))).into(),
        ..ReportFrame::default()
    };
    written(report, frame, &headers).await
}

pub(super) async fn threads(
    visit: Visit,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let (_, report) = behind(&visit, &token).await?;
    Threads::All { has_conversations: false }.of(&visit, report, &headers).await
}

pub(super) async fn words(
    visit: Visit,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let (_, report) = behind(&visit, &token).await?;
    Threads::words(&visit)?.of(&visit, report, &headers).await
}

pub(super) async fn matches(
    visit: Visit,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let (_, report) = behind(&visit, &token).await?;
    Threads::found(&visit).of(&visit, report, &headers).await
}

/// The job and the report behind a token; 404 where nothing is shared under it (any more).
async fn behind(visit: &Visit, token: &str) -> ApiResult<(Entry, Arc<Report>)> {
    let entry = shared(&visit.app, token).await?;
    let report = report_of(&visit.app, &entry).await?;
    let report = report.ok_or_else(|| ApiError::not_found("a share with this token"))?;
    Ok((entry, report))
}
