//! What reviewers are done with, as one list.
//!
//! The answer is made piece by piece while it is sent, so that a queue of any
//! length takes no more memory than a few of its runs. Where the store fails
//! on the way the answer breaks off: nobody takes half a list for a whole one.

use std::collections::VecDeque;

use assay_domain::Time;
use axum::body::Body as Sent;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::find;
use super::item::{self, Item};
use super::items::with_runs;
use crate::app::App;
use crate::error::ApiResult;
use crate::extract::{Body, uuid};
use crate::fields::Moment;
use crate::runs::v1::{self, Select};

/// So many runs make a piece.
const AT_ONCE: usize = 20;

/// Which runs to export.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct QueueExport {
    /// Reviewed at or after this moment.
    start_time: Option<Moment>,
    /// Reviewed at or before this moment.
    end_time: Option<Moment>,
    /// Whether to tell who reviewed.
    include_annotator_detail: bool,
}

impl QueueExport {
    fn has(&self, reviewed: Option<Time>) -> bool {
        self.start_time.is_none_or(|Moment(start)| reviewed.is_some_and(|time| time >= start))
            && self.end_time.is_none_or(|Moment(end)| reviewed.is_some_and(|time| time <= end))
    }
}

/// The runs of a queue that are done, each with what the queue knows of it.
#[utoipa::path(post, path = "/annotation-queues/{queue_id}/export", tag = "queues", params(("queue_id" = Uuid, Path)),
    request_body = QueueExport,
    responses((status = 200, description = "a list of runs"), (status = 404, description = "no such queue")))]
pub(super) async fn export(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(wanted): Body<QueueExport>,
) -> ApiResult<Response> {
    let queue = find(&app, uuid("queue_id", &id)?).await?;
    let items = item::all(&app, queue.id).await?.into_iter();
    let done = items.filter(|item| item.is_completed(&queue) && wanted.has(item.details.last_reviewed_at));
    let export = Answer {
        base_url: app.base_url(&headers),
        with_reviewers: wanted.include_annotator_detail,
        left: done.collect(),
        opening: "[",
        app,
    };
    let pieces = futures_util::stream::unfold(Some(export), |export| async {
        let mut export = export?;
        match export.piece().await {
            Ok((piece, true)) => Some((Ok(piece), None)),
            Ok((piece, false)) => Some((Ok(piece), Some(export))),
            Err(_) => Some((Err(std::io::Error::other("the store could not be read")), None)),
        }
    });
    let mut response = Response::new(Sent::from_stream(pieces));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer on its way.
struct Answer {
    app: App,
    base_url: String,
    with_reviewers: bool,
    left: VecDeque<Item>,
    /// What stands before the next run.
    opening: &'static str,
}

impl Answer {
    /// The next piece, and whether it is the last.
    async fn piece(&mut self) -> ApiResult<(Bytes, bool)> {
        let chunk: Vec<Item> = self.left.drain(..self.left.len().min(AT_ONCE)).collect();
        let now = self.app.now();
        let (found, _) = with_runs(&self.app, chunk, &self.base_url).await?;
        let mut text = String::new();
        for (item, run) in found {
            let mut run = item.join(v1::json(run, &Select::Everything), now);
            if let (false, Some(fields)) = (self.with_reviewers, run.as_object_mut()) {
                fields.remove("completed_by");
                fields.remove("reserved_by");
            }
            text += std::mem::replace(&mut self.opening, ",");
            text += &run.to_string();
        }
        let is_last = self.left.is_empty();
        if is_last {
            text += if self.opening == "[" { "[]" } else { "]" };
        }
        Ok((Bytes::from(text), is_last))
    }
}
