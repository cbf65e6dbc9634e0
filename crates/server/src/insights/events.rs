//! Progress of a job as server-sent events: one when something changed, until it has ended.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde_json::{Value, json};
use uuid::Uuid;

use super::queue::{self, Entry};
use super::{jobs, shape};
use crate::app::App;
use crate::error::ApiResult;

/// How often it is looked whether something changed.
const LOOK: Duration = Duration::from_millis(300);
/// A stream ends after this; clients come back by themselves.
const LONGEST: Duration = Duration::from_secs(3600);

/// Tells how far a job is: `progress` events, then one `done` event.
#[utoipa::path(get, path = "/sessions/{session_id}/insights/{job_id}/events", tag = "insights",
    params(("session_id" = Uuid, Path), ("job_id" = Uuid, Path)),
    responses((status = 200, description = "`text/event-stream`"), (status = 404, description = "there is none")))]
pub(super) async fn stream(
    State(app): State<App>,
    Path((project, job)): Path<(String, String)>,
) -> ApiResult<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let entry = jobs::find(&app, &project, &job).await?;
    let deadline = tokio::time::Instant::now() + LONGEST;
    let first = Some(Watching { app, job: entry.job.id, told: None, deadline });
    let events = futures_util::stream::unfold(first, |watching| async move {
        let mut watching = watching?;
        let (event, is_last) = watching.next().await?;
        Some((Ok(event), (!is_last).then_some(watching)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Watching {
    app: App,
    job: Uuid,
    told: Option<Value>,
    deadline: tokio::time::Instant,
}

impl Watching {
    /// Waits for a change; `None` where there is nothing more to tell.
    async fn next(&mut self) -> Option<(Event, bool)> {
        loop {
            let entry = queue::find(&self.app.store, self.job).await.ok().flatten()?;
            let is_last = entry.state.status.is_final();
            let now = told(&entry);
            if self.told.as_ref() != Some(&now) {
                let name = if is_last { "done" } else { "progress" };
                let event = Event::default().event(name).data(now.to_string());
                self.told = Some(now);
                return Some((event, is_last));
            }
            tokio::select! {
                () = self.app.insights.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.deadline) => return None,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

fn told(entry: &Entry) -> Value {
    let Entry { job, state } = entry;
    json!({
        "id": job.id,
        "status": shape::status(state.status),
        "stage": state.progress.stage,
        "done": state.progress.done,
        "total": state.progress.total,
        "waiting": state.progress.waiting,
        "spend": shape::spend(&state.spend),
        "error": state.error,
    })
}
