//! One report, with its threads and conversations as they are looked at.

use std::io;

use assay_domain::{Report, ThreadId};
use assay_store::Runs as _;
use assay_ui::text;
use assay_ui::web::report::{self, ReportFrame, ReportPage};
use assay_ui::web::{MessagePage, Tab};
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::super::{Visit, page, squeeze::squeeze};
use super::{Found, api, place};
use crate::access::permission::{Action, Area, Permission};
use crate::error::{ApiError, ApiResult};
use crate::insights::files;
use crate::insights::queue;

/// Other reports offered to compare with.
const OTHERS: usize = 12;

pub(super) async fn show(
    visit: Visit,
    Path((project, report)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let found = Found::of(&visit, &project, &report).await?;
    let here = format!("{}/{}", place(&found.project), found.id());
    let Found { project, entry, report } = &found;
    let Some(report) = report else { return Ok(unfinished(&visit, &found)) };
    let shell = visit
        .within(project, Tab::Insights, found.name())
        .crumb("Insights", place(project))
        .script("web/report.js")
        .style("report.css");
    let frame = ReportFrame {
        shell,
        place: here,
        project_place: format!("/p/{}", project.id),
        api: entry.as_ref().map(|entry| format!("{}/{}", api(project), entry.job.id)).unwrap_or_default(),
        made: entry.as_ref().map(|entry| entry.state.finished_at.into()).unwrap_or_default(),
        partial: String::new(),
        others: others(&visit, &found).await?,
        may_change: visit.may(Permission(Area::Rules, Action::Update)),
    };
    let made = ReportPage::new(report, frame).map_err(unwritten)?;
    let mut response = page(&made);
    squeeze(&mut response, &headers).await?;
    Ok(response)
}

/// What is shown of a job that has no report.
fn unfinished(visit: &Visit, found: &Found) -> Response {
    let Some(entry) = &found.entry else {
        return ApiError::not_found("report").into_response();
    };
    if !entry.state.status.is_final() {
        // The list shows how far it is.
        return Redirect::to(&place(&found.project)).into_response();
    }
    let why = entry.state.error.as_deref().unwrap_or("its report is no longer in the store");
    let shell =
        visit.within(&found.project, Tab::Insights, found.name()).crumb("Insights", place(&found.project));
    page(&MessagePage {
        shell,
        status: text::name(found.name()),
        heading: format!("This report {}", entry.state.status.as_str()),
        text: text::cut(&text::line(why), 1_000).into_owned(),
    })
}

/// Other reports of the project: what they are called, and where the comparison is.
async fn others(visit: &Visit, found: &Found) -> ApiResult<Vec<(String, String)>> {
    let here = found.id();
    let jobs = queue::list(&visit.app.store, Some(found.project.id)).await?;
    let done = jobs.iter().filter(|entry| entry.state.report.is_some() && entry.job.id != here);
    let link = |entry: &queue::Entry| {
        // The earlier one is "before".
        let is_older = found.entry.as_ref().is_some_and(|own| own.job.created_at < entry.job.created_at);
        let (before, after) = if is_older { (here, entry.job.id) } else { (entry.job.id, here) };
        let href = format!("{}/compare?before={before}&after={after}", place(&found.project));
        (text::name(&entry.job.name), href)
    };
    Ok(done.take(OTHERS).map(link).collect())
}

/// Every thread of the report.
pub(super) async fn threads(
    visit: Visit,
    Path((project, report)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let report = of(Found::of(&visit, &project, &report).await?)?;
    let bytes = off_thread(move || report::threads(&report)).await?;
    let mut response = json(bytes);
    squeeze(&mut response, &headers).await?;
    Ok(response)
}

/// One conversation of the report; 404 where it is gone.
pub(super) async fn conversation(
    visit: Visit,
    Path((project, report)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let thread = visit.params.get("thread").unwrap_or_default();
    let project = Found::of(&visit, &project, &report).await?.project;
    let ids = [ThreadId(thread.to_owned())];
    let found = visit.app.store.read_threads(project.id, &ids).await?.pop();
    let found = found.ok_or_else(|| ApiError::not_found("conversation"))?;
    let bytes = off_thread(move || report::conversation(&assay_transcript::of_thread(&found))).await?;
    let mut response = json(bytes);
    squeeze(&mut response, &headers).await?;
    Ok(response)
}

/// The report as a file.
pub(super) async fn file(
    visit: Visit,
    Path((project, report, file)): Path<(String, String, String)>,
) -> ApiResult<Response> {
    let found = Found::of(&visit, &project, &report).await?;
    let project = found.project.id;
    files::of_report(visit.app.clone(), project, of(found)?, &file).await
}

fn of(found: Found) -> ApiResult<Report> {
    let id = found.id();
    found.report.ok_or_else(|| ApiError::not_found(format!("report of insights job {id}")))
}

fn json(bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> ApiResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(unwritten)
}

fn unwritten(error: io::Error) -> ApiError {
    tracing::error!(%error, "a page of a report could not be written");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the page could not be written; the server's log says why",
    )
}
