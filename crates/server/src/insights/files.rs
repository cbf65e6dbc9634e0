//! A finished job's report as files: the whole of it, for people and programs.

use std::io;
use std::sync::Arc;

use assay_domain::{ProjectId, Report, ThreadId, Transcript};
use assay_store::{Runs as _, block_on};
use assay_ui::{Conversations, HtmlOptions};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::jobs;
use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// Conversations as the page asks for them, one at a time.
struct Stored {
    app: App,
    project: ProjectId,
}

impl Conversations for Stored {
    fn transcript(&self, thread: &ThreadId) -> io::Result<Option<Transcript>> {
        let ids = std::slice::from_ref(thread);
        let threads = block_on(self.app.store.read_threads(self.project, ids)).map_err(io::Error::other)?;
        Ok(threads.first().map(assay_transcript::of_thread))
    }
}

/// The report of a job as `report.json`, `report.html`, `report.md`, `assignments.csv` or `assignments.jsonl`.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/{job_id}/files/{file}", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path), ("file" = String, Path)),
    responses((status = 200, description = "the file"), (status = 404, description = "there is none (yet)")))]
pub(super) async fn download(
    State(app): State<App>,
    Path((project, job, file)): Path<(String, String, String)>,
) -> ApiResult<Response> {
    let entry = jobs::find(&app, &project, &job).await?;
    let report = jobs::report_of(&app, &entry).await?;
    let report = report.ok_or_else(|| ApiError::not_found(format!("report of insights job {job}")))?;
    let name = entry.job.name.clone();
    of_report(app, entry.job.project, report, name, &file).await
}

/// A report, under the name it has here, as a file; 404 where there is no such file.
pub(crate) async fn of_report(
    app: App,
    project: ProjectId,
    report: Arc<Report>,
    name: String,
    file: &str,
) -> ApiResult<Response> {
    answered(report, name, file, Stored { app, project }).await
}

/// The same with the conversations its page may show.
pub(super) async fn answered(
    report: Arc<Report>,
    name: String,
    file: &str,
    conversations: impl Conversations + Send + 'static,
) -> ApiResult<Response> {
    let kind = kind_of(file).ok_or_else(|| ApiError::not_found(format!("file {file:?}")))?;
    let made = tokio::task::spawn_blocking(move || write(kind, &report, name, &conversations)).await;
    let bytes = made.map_err(io::Error::other).and_then(|made| made).map_err(|error| {
        tracing::error!(%error, "a report could not be written as a file");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the file could not be made; the server's log says why",
        )
    })?;
    Ok(answer(kind, file, bytes))
}

#[derive(Clone, Copy)]
enum Kind {
    Json,
    Html,
    Markdown,
    Csv,
    Jsonl,
}

fn kind_of(file: &str) -> Option<Kind> {
    Some(match file {
        "report.json" => Kind::Json,
        "report.html" => Kind::Html,
        "report.md" => Kind::Markdown,
        "assignments.csv" => Kind::Csv,
        "assignments.jsonl" => Kind::Jsonl,
        _ => return None,
    })
}

fn write(
    kind: Kind,
    report: &Report,
    name: String,
    conversations: &impl Conversations,
) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    match kind {
        Kind::Json => out.extend(assay_ui::json(report).into_bytes()),
        Kind::Html => {
            let options = HtmlOptions { name, ..HtmlOptions::default() };
            assay_ui::html_with(report, conversations, &options, &mut out)?;
        }
        Kind::Markdown => out.extend(assay_ui::markdown(report).into_bytes()),
        Kind::Csv => assay_ui::assignments_csv(report, &mut out)?,
        Kind::Jsonl => assay_ui::assignments_jsonl(report, &mut out)?,
    }
    Ok(out)
}

fn answer(kind: Kind, file: &str, bytes: Vec<u8>) -> Response {
    let content_type = match kind {
        Kind::Json => "application/json",
        Kind::Html => "text/html; charset=utf-8",
        Kind::Markdown => "text/markdown; charset=utf-8",
        Kind::Csv => "text/csv; charset=utf-8",
        Kind::Jsonl => "application/x-ndjson",
    };
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Saved, not shown: a page out of traces is not to run with the rights of this server's pages.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{file}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
