//! How long projects keep their traces, and who deletes what is older.
//!
//! The configuration file has the last word, then what was set for the
//! project, then its tier, then the default; without any of them traces stay
//! for good. A background task calls [`sweep`]. Traces go whole, with all that
//! hangs on them, in small portions between which others write.

use std::time::Duration;

use assay_domain::{ProjectId, Time};
use assay_store::{
    Catalog as _, Change, Deleted, Error as StoreError, Project, ProjectChange, RecordQuery, Records as _,
    Runs as _,
};
use axum::Json;
use axum::extract::{Path, State};
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::audit::{Actor, Entry};
use crate::app::{App, Config};
use crate::config::{show_span, span};
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, uuid};
use crate::{derived, projects, runs, threads};

/// Under this name a project remembers what was set for it.
const DETAIL: &str = "retention";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(read, set))
}

/// What a project was told itself: `None` is nothing, `Some(None)` to keep traces for good.
#[must_use]
pub fn own(project: &Project) -> Option<Option<Duration>> {
    let text = project.details.get(DETAIL)?.as_str()?;
    // What cannot be read deletes nothing.
    Some(span(text).unwrap_or(None))
}

/// The change of a project that sets how long it keeps traces.
#[must_use]
pub fn change(own: Option<Option<Duration>>) -> ProjectChange {
    let value = own.map_or(Value::Null, |span| show_span(span).into());
    let details = Map::from_iter([(DETAIL.to_owned(), value)]);
    ProjectChange { name: None, details }
}

/// How long a project keeps traces, and who says so.
pub(crate) fn in_force(config: &Config, project: &Project) -> (Option<Duration>, &'static str) {
    let tier = match project.details.get("trace_tier").and_then(Value::as_str) {
        Some("shortlived") => config.retention_short,
        Some("longlived") => config.retention_long,
        _ => None,
    };
    if let Some(span) = config.project_retention.get(&project.name) {
        (*span, "file")
    } else if let Some(span) = own(project) {
        (span, "project")
    } else if tier.is_some() {
        (tier, "tier")
    } else {
        (config.retention, "default")
    }
}

fn shown(app: &App, project: &Project) -> Value {
    let (span, source) = in_force(&app.config, project);
    json!({
        "session_id": project.id, "retention": own(project).map(show_span),
        "in_force": show_span(span), "source": source,
    })
}

/// How long a project keeps traces: what was set for it, what is in force, and
/// whether `file`, `project`, `tier` or `default` says so.
#[utoipa::path(get, path = "/sessions/{session_id}/retention", tag = "projects", params(("session_id" = Uuid, Path)),
    responses((status = 200, description = "retention, in_force, source"), (status = 404, description = "there is no such project")))]
async fn read(State(app): State<App>, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let project = projects::of(&app, uuid("session_id", &id)?).await?;
    Ok(Json(shown(&app, &project)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetRetention {
    /// Such as `30d` or `12h`; `off` keeps traces for good; null goes back to the default.
    #[schema(example = "30d")]
    retention: Option<String>,
}

/// Says how long a project keeps traces. What is older is deleted soon, for good.
#[utoipa::path(put, path = "/sessions/{session_id}/retention", tag = "projects", params(("session_id" = Uuid, Path)),
    request_body = SetRetention,
    responses((status = 200, description = "retention, in_force, source"), (status = 404, description = "there is no such project"),
        (status = 409, description = "the configuration file says it"), (status = 422, description = "no such time")))]
async fn set(
    State(app): State<App>,
    Path(id): Path<String>,
    Body(body): Body<SetRetention>,
) -> ApiResult<Json<Value>> {
    let project = projects::of(&app, uuid("session_id", &id)?).await?;
    if app.config.project_retention.contains_key(&project.name) {
        let text = "the configuration file says how long this project keeps traces; change it there";
        return Err(ApiError::conflict(text));
    }
    let wanted = body.retention.map(|text| span(&text)).transpose();
    let wanted = wanted.map_err(|why| ApiError::invalid(&["body", "retention"], why))?;
    let project = app.store.change_project(project.id, change(wanted)).await?;
    Ok(Json(shown(&app, &project)))
}

/// Deletes the traces that are older than their projects keep them, and writes
/// down how many.
pub(crate) async fn sweep(app: &App) -> Result<(), StoreError> {
    for project in app.store.projects().await? {
        let (Some(span), source) = in_force(&app.config, &project) else { continue };
        let age = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        let Some(moment) = app.now().checked_sub_signed(age) else { continue };
        // Its earliest trace began later: nothing can be old.
        if project.first_activity.is_none_or(|first| first >= moment) {
            continue;
        }
        let deleted = app.store.delete_before(project.id, moment).await?;
        if deleted == Deleted::default() {
            continue;
        }
        forget_shares(app, project.id).await?;
        derived::forget(app, project.id).await?;
        app.metrics.expired(deleted.traces);
        note_down(app, &project, moment, source, deleted).await?;
    }
    Ok(())
}

/// Deletes the shares of traces and threads of a project that are no longer there.
async fn forget_shares(app: &App, project: ProjectId) -> Result<(), StoreError> {
    let id = json!(project);
    let mut changes = Vec::new();
    let query = RecordQuery { kind: runs::share::KIND.to_owned(), ..RecordQuery::default() };
    for record in app.store.records(&query).await? {
        if record.body.get("project") != Some(&id) {
            continue;
        }
        if app.store.stored_run(assay_domain::RunId(record.id)).await?.is_none() {
            changes.push(Change::Delete { kind: record.kind, id: record.id });
        }
    }
    if app.store.project_by_id(project).await?.is_none_or(|project| project.runs == 0) {
        let query = RecordQuery { kind: threads::SHARE_KIND.to_owned(), ..RecordQuery::default() };
        let all = app.store.records(&query).await?;
        let gone = all.into_iter().filter(|record| record.body.get("project") == Some(&id));
        changes.extend(gone.map(|record| Change::Delete { kind: record.kind, id: record.id }));
    }
    if changes.is_empty() { Ok(()) } else { app.store.change(changes).await }
}

async fn note_down(
    app: &App,
    project: &Project,
    moment: Time,
    source: &str,
    deleted: Deleted,
) -> Result<(), StoreError> {
    let Deleted { traces, runs, feedback } = deleted;
    tracing::info!(project = %project.id, traces, runs, feedback, "expired traces were deleted");
    let object = json!({
        "session_id": project.id, "before": moment, "source": source,
        "traces": traces, "runs": runs, "feedback": feedback,
    });
    let entry = Entry {
        at: app.now(),
        actor: Actor::server(),
        action: "retention".into(),
        permission: None,
        object: object.as_object().cloned().unwrap_or_default(),
        request_id: None,
    };
    app.access.audit.write(&app.store, app.config.audit_entries, &entry).await
}

#[cfg(test)]
mod tests {
    use assay_domain::{FeedbackId, RunId};
    use assay_store::{FeedbackQuery, Filter, Memo as _, RunQuery, blob_key};
    use serde_json::json;

    use super::*;
    use crate::testing::{Answer, Server, request};

    const WORD: &str = "zanzibarian";

    fn id(number: u32) -> String {
        format!("{number:08x}-0000-4000-8000-0000000000aa")
    }

    /// A run with an attachment, by multipart, as SDKs send it.
    async fn send(server: &Server, number: u32, start: &str) -> Answer {
        let id = id(number);
        let run = json!({
            "id": id, "trace_id": id, "name": "agent", "run_type": "chain", "session_name": "p",
            "start_time": start, "end_time": start, "inputs": { "q": format!("{WORD} {number}") },
        });
        let parts = [
            (format!("post.{id}"), "application/json", run.to_string()),
            (format!("attachment.{id}.note"), "text/plain", format!("the file of {WORD} {number}")),
        ];
        let mut body = String::new();
        for (name, kind, content) in parts {
            body += &format!(
                "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: {kind}; \
                 length={}\r\n\r\n{content}\r\n",
                content.len()
            );
        }
        let mut request = request(http::Method::POST, "/runs/multipart", (body + "--b--\r\n").into());
        let kind = http::HeaderValue::from_static("multipart/form-data; boundary=b");
        request.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        server.send(request).await
    }

    async fn project(server: &Server) -> Project {
        server.app.store.project("p").await.expect("an answer").expect("a project")
    }

    async fn found(server: &Server) -> u64 {
        let filter = Filter::parse(&format!("search(\"{WORD}\")")).expect("a filter");
        let query = RunQuery { filter: Some(filter), ..RunQuery::default() };
        server.app.store.count(&query).await.expect("an answer")
    }

    #[tokio::test]
    async fn nothing_remains_of_what_expired_and_everything_of_what_did_not() {
        let server = Server::new();
        let (old, new) = (id(1), id(2));
        send(&server, 1, "2024-01-01T00:00:00Z").await.ok();
        send(&server, 2, &Time::to_rfc3339(&server.app.now())).await.ok();
        let feedback = json!({ "run_id": old, "trace_id": old, "key": "good", "score": 1, "comment": WORD });
        let feedback = server.post("/feedback", feedback).await.ok()["id"].as_str().map(str::to_owned);
        server.put(&format!("/runs/{old}/share"), json!({ "run_id": old })).await.ok();
        let project = project(&server).await;
        server.app.store.remember(project.id, vec![([9; 32], WORD.into())]).await.expect("remembered");
        assert_eq!(found(&server).await, 2);

        sweep(&server.app).await.expect("swept");
        assert_eq!(found(&server).await, 2, "without a setting everything stays");
        let path = format!("/sessions/{}/retention", project.id);
        let set = server.put(&path, json!({ "retention": "30d" })).await.ok();
        assert_eq!((&set["in_force"], &set["source"]), (&json!("30d"), &json!("project")));
        sweep(&server.app).await.expect("swept");

        let store = &server.app.store;
        assert_eq!(found(&server).await, 1);
        assert!(store.run(RunId(old.parse().expect("an id"))).await.expect("an answer").is_none());
        assert!(store.run(RunId(new.parse().expect("an id"))).await.expect("an answer").is_some());
        let blob = |number: u32| blob_key(format!("the file of {WORD} {number}").as_bytes());
        assert!(store.blob(blob(1)).await.expect("an answer").is_none());
        assert!(store.blob(blob(2)).await.expect("an answer").is_some());
        let feedback = FeedbackId(feedback.expect("an id").parse().expect("an id"));
        assert!(store.feedback(feedback).await.expect("an answer").is_none());
        assert!(store.feedbacks(&FeedbackQuery::default()).await.expect("an answer").is_empty());
        assert_eq!(store.recall(&[[9; 32]]).await.expect("an answer"), [None]);
        let shares = RecordQuery { kind: runs::share::KIND.into(), ..RecordQuery::default() };
        assert!(store.records(&shares).await.expect("an answer").is_empty());
        let files = std::fs::read_dir(store.dir()).expect("a directory").flatten();
        for file in files.filter(|file| file.path().is_file()) {
            let bytes = std::fs::read(file.path()).expect("a file");
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(&format!("the file of {WORD} 1")), "{:?}", file.path());
        }
        let log = server.get("/audit-logs").await.ok();
        let entry = &log[0];
        assert_eq!((&entry["action"], &entry["actor"]["type"]), (&json!("retention"), &json!("server")));
        assert_eq!((&entry["object"]["traces"], &entry["object"]["runs"]), (&json!(1), &json!(1)));
        assert!(server.get("/metrics").await.text().contains("assay_traces_expired_total 1"));
    }

    #[tokio::test]
    async fn the_file_goes_before_the_project_before_its_tier_before_the_default() {
        let day = Duration::from_secs(86_400);
        let mut config =
            Config { retention: Some(90 * day), retention_short: Some(14 * day), ..Config::default() };
        config.project_retention.insert("fixed".into(), None);
        let server = Server::with(config);
        let of = async |name: &str, body: Value| {
            let made = server.post("/sessions", body).await.ok();
            let path = format!("/sessions/{}/retention", made["id"].as_str().expect(name));
            (server.get(&path).await.ok(), path)
        };
        let (shown, path) = of("plain", json!({ "name": "plain" })).await;
        assert_eq!((&shown["in_force"], &shown["source"]), (&json!("90d"), &json!("default")));
        assert_eq!(server.put(&path, json!({ "retention": "off" })).await.ok()["in_force"], "off");
        assert_eq!(server.put(&path, json!({ "retention": null })).await.ok()["in_force"], "90d");
        server.put(&path, json!({ "retention": "soon" })).await.refused(422);
        let (shown, _) = of("short", json!({ "name": "short", "trace_tier": "shortlived" })).await;
        assert_eq!((&shown["in_force"], &shown["source"]), (&json!("14d"), &json!("tier")));
        let (shown, path) = of("fixed", json!({ "name": "fixed" })).await;
        assert_eq!((&shown["in_force"], &shown["source"]), (&json!("off"), &json!("file")));
        server.put(&path, json!({ "retention": "1d" })).await.refused(409);
    }
}
