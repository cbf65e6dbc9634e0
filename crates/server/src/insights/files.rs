//! A finished job's report as files: the whole of it, for people and programs.

use std::io;
use std::sync::Arc;

use assay_domain::{ProjectId, Report, ThreadId};
use assay_store::{Runs as _, block_on};
use assay_ui::{Conversations, HtmlOptions, Spoken};
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
    fn spoken(&self, thread: &ThreadId) -> io::Result<Option<Spoken>> {
        let ids = std::slice::from_ref(thread);
        let threads = block_on(self.app.store.read_threads(self.project, ids)).map_err(io::Error::other)?;
        Ok(threads.first().map(|thread| Spoken::new(assay_transcript::of_thread(thread), thread)))
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
    let saved = saved_as(&name, &report.id.to_string(), file);
    let made = tokio::task::spawn_blocking(move || write(kind, &report, name, &conversations)).await;
    let bytes = made.map_err(io::Error::other).and_then(|made| made).map_err(|error| {
        tracing::error!(%error, "a report could not be written as a file");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the file could not be made; the server's log says why",
        )
    })?;
    Ok(answer(kind, &saved, bytes))
}

/// What the file is called where it is saved: after the report, so that those of several can be told
/// apart. `weekly-review-1f2e3d4c.md`, `weekly-review-1f2e3d4c-assignments.csv`.
fn saved_as(name: &str, id: &str, file: &str) -> String {
    let mut words = String::new();
    for c in name.chars().take(80) {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => words.push(c),
            _ if !words.is_empty() && !words.ends_with('-') => words.push('-'),
            _ => {}
        }
    }
    let words = words.trim_end_matches('-');
    let words = if words.is_empty() { "report" } else { words };
    let id = id.split('-').next().unwrap_or_default();
    let (stem, kind) = file.rsplit_once('.').unwrap_or((file, ""));
    let rest = if stem == "report" { String::new() } else { format!("-{stem}") };
    format!("{words}-{id}{rest}.{kind}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_saved_under_the_name_of_their_report() {
        let id = "1f2e3d4c-0000-0000-0000-000000000000";
        assert_eq!(saved_as("Weekly review: \"Q4\"", id, "report.md"), "weekly-review-q4-1f2e3d4c.md");
        assert_eq!(saved_as("Weekly", id, "assignments.csv"), "weekly-1f2e3d4c-assignments.csv");
        assert_eq!(saved_as("日報", id, "report.html"), "report-1f2e3d4c.html");
        assert!(saved_as(&"\r\n/..\\".repeat(100), id, "report.json").is_ascii());
    }
}
