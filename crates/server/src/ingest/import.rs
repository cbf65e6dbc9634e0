//! Whole files over HTTP: `curl --data-binary @traces.jsonl .../import?project=p`.
//!
//! Reads whatever `assay import` reads, as it comes: the file is never in
//! memory as a whole, and a slow upload holds nothing but one thread. Chunks
//! are stored as they are decoded; when an upload breaks off, what came before
//! stays, and sending the file again changes nothing about it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use assay_store::Appended;
use assay_wire::reader::Limit;
use assay_wire::{Format, Import, Reader, Rejected};
use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::{Buf as _, Bytes};
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Arrival, Door, LISTED, accept, in_words};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// Files that are read at the same time. Each takes some tens of megabytes.
const AT_ONCE: usize = 2;
const CHUNK: Limit = Limit { records: 4_000, bytes: 4 << 20 };
/// Pieces of the body that wait to be read.
const AHEAD: usize = 8;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(import))
}

/// Room for imports.
pub(crate) struct Room(Semaphore);

impl Default for Room {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// Imports a file of any known format, plain, gzip or zstd.
///
/// The answer tells what was new and what could not be read.
#[utoipa::path(post, path = "/import", tag = "ingest",
    params(("project" = Option<String>, Query, description = "project of all runs; where absent, the one each names, else `default`"),
        ("name" = Option<String>, Query, description = "how the file is called in messages"),
        ("format" = Option<String>, Query, description = "where the content alone does not tell: chat, langsmith, langsmith-feedback, otlp-json, otlp-protobuf")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "the file"),
    responses((status = 200, description = "what was imported, and what was skipped"), (status = 422, description = "nothing in it could be read"), (status = 503, description = "other files are being imported")))]
async fn import(State(app): State<App>, params: Params, request: Request) -> ApiResult<Response> {
    let format = params.parse::<Format>("format")?;
    let name = params.get("name").unwrap_or("<body>").to_owned();
    let project = params.get("project").map(str::to_owned);
    let busy =
        || ApiError::overloaded("other files are being imported; repeat the request when they are done");
    let _room = app.ingest.room.0.try_acquire().map_err(|_| busy())?;

    let (send, receive) = mpsc::channel(AHEAD);
    let read = Arc::new(AtomicUsize::new(0));
    let incoming = Incoming { receive, piece: Bytes::new(), read: Arc::clone(&read) };
    let (runtime, tally) = (Handle::current(), Tally::default());
    let work = Work { app: app.clone(), runtime, project, id: Uuid::new_v4(), read, tally };
    let worker = tokio::task::spawn_blocking(move || work.run(incoming, name, format));
    pump(request, send, app.config.body_timeout).await;
    worker.await.map_err(|_| ApiError::bad_request("the file cannot be decoded"))?
}

/// Hands the body on until it ends or nobody wants more of it.
async fn pump(request: Request, send: mpsc::Sender<io::Result<Bytes>>, pause: Duration) {
    let mut body = request.into_body();
    loop {
        let piece = match tokio::time::timeout(pause, body.frame()).await {
            Ok(None) => return,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_) => continue,
            },
            Ok(Some(Err(error))) => Err(io::Error::other(format!("the body ended early: {error}"))),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the body stopped arriving")),
        };
        let is_last = piece.is_err();
        if send.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// The body, for a reader that waits.
struct Incoming {
    receive: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
    read: Arc<AtomicUsize>,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.receive.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        self.read.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

/// One import, on its own thread.
struct Work {
    app: App,
    runtime: Handle,
    project: Option<String>,
    /// Tells the store which records are of one file.
    id: Uuid,
    read: Arc<AtomicUsize>,
    tally: Tally,
}

/// What was done so far.
#[derive(Default)]
struct Tally {
    appended: Appended,
    understood: usize,
    repaired: usize,
    skipped: usize,
    /// The first of them.
    listed: Vec<Rejected>,
}

impl Work {
    fn run(mut self, incoming: Incoming, name: String, format: Option<Format>) -> ApiResult<Response> {
        let mut reader = Reader::new(incoming, name, format).map_err(|error| self.broken(&error))?;
        reader.set_max_protobuf(self.app.config.max_unpacked);
        let mut import = Import::of(self.project.as_deref().unwrap_or_default());
        let mut counted = 0;
        loop {
            let decoded = match reader.next_chunk(&mut import, CHUNK) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => break,
                Err(error) => return Err(self.broken(&error)),
            };
            let read = self.read.load(Ordering::Relaxed);
            self.take(decoded, read - counted)?;
            counted = read;
        }
        self.answer(reader.records())
    }

    fn take(&mut self, mut decoded: assay_wire::Decoded, bytes: usize) -> ApiResult<()> {
        if self.project.is_some() {
            decoded.patches.iter_mut().for_each(|patch| patch.project_name = None);
            decoded.projects.clear();
        }
        self.tally.repaired += decoded.repaired;
        let project = self.project.as_deref().unwrap_or_default();
        let arrival = Arrival { door: Door::Import, project, bytes, import: Some(self.id) };
        let accepted = self.runtime.block_on(accept(&self.app, arrival, decoded))?;
        self.tally.understood += accepted.runs + accepted.feedback;
        self.tally.appended += accepted.appended;
        self.tally.skipped += accepted.rejected.len();
        let room = LISTED - self.tally.listed.len();
        self.tally.listed.extend(accepted.rejected.into_iter().take(room));
        Ok(())
    }

    /// The file cannot be read any further.
    fn broken(&self, error: &assay_wire::reader::Error) -> ApiError {
        let Appended { new_runs, changed_runs, .. } = self.tally.appended;
        ApiError::bad_request(format!(
            "{error}; before that, {new_runs} new and {changed_runs} changed runs were imported, which stay"
        ))
    }

    fn answer(self, records: usize) -> ApiResult<Response> {
        let Tally { appended, understood, repaired, skipped, listed } = self.tally;
        if understood == 0 {
            let reasons: Vec<String> = listed.iter().take(10).map(in_words).collect();
            let text = if reasons.is_empty() { "the file is empty".to_owned() } else { reasons.join("; ") };
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
        }
        let rejected: Vec<_> =
            listed.iter().map(|one| json!({ "location": one.location, "reason": one.reason })).collect();
        let body = json!({
            "records": records,
            "runs": {
                "new": appended.new_runs,
                "changed": appended.changed_runs,
                "unchanged": appended.unchanged_runs,
                "conflicting": appended.conflicting_runs,
                "of_other_projects": appended.runs_of_other_projects,
            },
            "feedback": {
                "new": appended.new_feedback,
                "changed": appended.changed_feedback,
                "unchanged": appended.unchanged_feedback,
            },
            "repaired": repaired,
            "rejected_count": skipped,
            "rejected": rejected,
        });
        Ok(Json(body).into_response())
    }
}

#[cfg(test)]
mod tests {
    use assay_store::Catalog as _;
    use axum::body::Body;
    use http::Method;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;
    use crate::testing::{Server, request};

    const CHATS: &str = "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\nnonsense\n\
        {\"messages\": [{\"role\": \"user\", \"content\": \"bye\"}]}\n";

    async fn send(server: &Server, query: &str, body: Body) -> crate::testing::Answer {
        server.send(request(Method::POST, &format!("/import{query}"), body)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_is_imported_and_what_was_skipped_is_named() {
        let server = Server::new();
        for (body, new) in
            [(CHATS.as_bytes().to_vec(), 2), (zstd::encode_all(CHATS.as_bytes(), 1).expect("packed"), 0)]
        {
            let said = send(&server, "?project=p&name=chats.jsonl", Body::from(body)).await.ok();
            assert_eq!(
                (&said["records"], &said["runs"]["new"], &said["rejected_count"]),
                (&json!(3), &json!(new), &json!(1))
            );
            assert_eq!(said["rejected"][0]["location"], "chats.jsonl:2");
        }
        let project = server.app.store.project("p").await.expect("an answer").expect("the project");
        assert_eq!(project.runs, 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn runs_keep_the_projects_they_name_unless_told_otherwise() {
        let server = Server::new();
        let run = json!({"id": "33c08c32-435c-4788-b973-b5bee4a31f87", "name": "x", "run_type": "llm", "session_name": "own"});
        send(&server, "", Body::from(run.to_string())).await.ok();
        assert!(server.app.store.project("own").await.expect("an answer").is_some());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_read_is_refused_with_a_reason() {
        let server = Server::new();
        for (query, body, status, reason) in [
            ("", "", 422, "the file is empty"),
            ("", "nonsense", 422, "<body>:1: not JSON"),
            ("?format=excel", "x", 422, "unknown format"),
            ("?name=a.gz", "\u{1f}\u{8b}", 422, "a.gz"),
        ] {
            let said = send(&server, query, Body::from(body)).await.refused(status);
            assert!(said.contains(reason), "{said}");
        }
        let mut cut = zstd::encode_all(CHATS.repeat(1000).as_bytes(), 1).expect("packed");
        cut.truncate(cut.len() - 5);
        let said = send(&server, "", Body::from(cut)).await.refused(400);
        assert!(said.contains("which stay"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_that_breaks_off_keeps_what_came() {
        let server = Server::new();
        let line = CHATS.lines().next().expect("a line");
        let pieces = [Ok(Frame::data(Bytes::from(format!("{line}\n")))), Err(io::Error::other("gone"))];
        let body = Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
        let said = send(&server, "", body).await.refused(400);
        assert!(said.contains("the body ended early: gone"), "{said}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_files_are_read_at_once_than_there_is_room_for() {
        let server = Server::new();
        let _room = server.app.ingest.room.0.acquire_many(AT_ONCE as u32).await.expect("room");
        let answer = send(&server, "", Body::from(CHATS)).await;
        assert_eq!((answer.status.as_u16(), answer.headers["retry-after"].as_bytes()), (503, &b"1"[..]));
    }
}
