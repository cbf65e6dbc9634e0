//! The pages of reports: the list, a new one, one of them, two side by side,
//! and one as whoever was given its link sees it.

mod compare;
mod list;
mod new;
mod report;
mod shared;

use std::sync::Arc;

use assay_domain::job::{JobState, JobStatus, Spend};
use assay_domain::{Report, ReportId, Time, format};
use assay_store::{Catalog as _, Project};
use axum::Router;
use axum::routing::get;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use uuid::Uuid;

use super::Visit;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::uuid;
use crate::insights::queue::{self, Entry};
use crate::insights::report_of;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/p/{project}/insights", get(list::show))
        .route("/p/{project}/insights/new", get(new::show))
        .route("/p/{project}/insights/compare", get(compare::show))
        .route("/p/{project}/insights/{report}", get(report::show))
        .route("/p/{project}/insights/{report}/threads.json", get(report::threads))
        .route("/p/{project}/insights/{report}/words.json", get(report::words))
        .route("/p/{project}/insights/{report}/matches.json", get(report::matches))
        .route("/p/{project}/insights/{report}/conversation.json", get(report::conversation))
        .route("/p/{project}/insights/{report}/files/{file}", get(report::file))
        .route("/s/{token}", get(shared::show))
        .route("/s/{token}/threads.json", get(shared::threads))
        .route("/s/{token}/words.json", get(shared::words))
        .route("/s/{token}/matches.json", get(shared::matches))
}

/// Where the pages of a project's reports are.
fn place(project: &Project) -> String {
    format!("/p/{}/insights", project.id)
}

/// Where the API has the jobs of a project.
fn api(project: &Project) -> String {
    format!("/api/v1/sessions/{}/insights", project.id)
}

/// What a button says that takes up a job which ended without a report: it goes on where
/// models have answered something, else it begins again. Empty for other jobs.
fn resume(state: &JobState) -> &'static str {
    match state.status {
        JobStatus::Failed | JobStatus::Cancelled if state.spend.calls > 0 => "Go on",
        JobStatus::Failed | JobStatus::Cancelled => "Try again",
        _ => "",
    }
}

/// A report of a project: that of a job, or one that no job made.
struct Found {
    project: Project,
    /// None for a report that a command made.
    entry: Option<Entry>,
    /// None while its job has not made it.
    report: Option<Arc<Report>>,
}

impl Found {
    /// The report of a path; 404 where the project has none of this id.
    async fn of(visit: &Visit, project: &str, report: &str) -> ApiResult<Self> {
        let project = visit.project(project).await?;
        let id = uuid("report", report)?;
        let store = &visit.app.store;
        if let Some(entry) = queue::find(store, id).await?.filter(|entry| entry.job.project == project.id) {
            let report = report_of(&visit.app, &entry).await?;
            return Ok(Self { project, entry: Some(entry), report });
        }
        let found = store.report(ReportId(id)).await?.filter(|report| report.project == project.name);
        let report = found.ok_or_else(|| ApiError::not_found(format!("report {id}")))?;
        Ok(Self { project, entry: None, report: Some(Arc::new(report)) })
    }

    /// What it is called.
    fn name(&self) -> &str {
        match (&self.entry, &self.report) {
            (Some(entry), _) => &entry.job.name,
            (None, Some(report)) => &report.config.name,
            (None, None) => "",
        }
    }

    fn id(&self) -> Uuid {
        match (&self.entry, &self.report) {
            (Some(entry), _) => entry.job.id,
            (None, Some(report)) => report.id.0,
            (None, None) => Uuid::nil(),
        }
    }
}

fn money(amount: Decimal) -> String {
    amount.to_f64().map_or_else(|| format::NONE.to_owned(), format::money)
}

/// What a job paid. What has no known price is never shown as nothing.
fn spent(spend: &Spend) -> String {
    match spend.known_cost() {
        Some(cost) => money(cost),
        None if spend.cost.is_zero() => "price unknown".to_owned(),
        None => format!("over {}", money(spend.cost)),
    }
}

/// A span of time in few words.
fn window(start: Option<Time>, end: Option<Time>) -> String {
    match (start, end) {
        (None, None) => "all time".to_owned(),
        (Some(start), None) => format!("from {}", format::day(start)),
        (None, Some(end)) => format!("until {}", format::day(end)),
        (Some(start), Some(end)) if format::day(start) == format::day(end) => format::day(start),
        (Some(start), Some(end)) => format!("{} – {}", format::day(start), format::day(end)),
    }
}
