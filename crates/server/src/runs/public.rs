//! What anybody may read who has a share token: no key is asked for here.
//!
//! A shared run brings what lies below it, a shared thread all its traces.
//! Nothing of the project they are in leaves with them.

use assay_domain::{ProjectId, RunId, ThreadId, TraceId};
use assay_store::{FeedbackQuery, Order, Page, RunQuery, Runs as _};
use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::share;
use super::shown::{self, Needs, Shown};
use super::v1::{self, Select};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, Params, uuid};
use crate::threads::messages;
use crate::{feedback, fields, filters, render, threads};

const MAX_PAGE: usize = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(shared_run))
        .routes(routes!(one))
        .routes(routes!(query))
        .routes(routes!(list))
        .routes(routes!(feedbacks))
        .routes(routes!(conversation))
}

/// What a token opens.
pub(crate) enum Shared {
    Run { id: RunId, trace: TraceId, project: ProjectId },
    Thread { id: ThreadId, project: ProjectId },
}

/// What this token opens; 404 where it opens nothing (any more).
pub(crate) async fn open(app: &App, token: &str) -> ApiResult<Shared> {
    // Whether it is no token at all is nobody's business.
    let nothing = || ApiError::not_found("a share with this token");
    let token = Uuid::parse_str(token).map_err(|_| nothing())?;
    if let Some(share) = share::find(app, share::KIND, token).await? {
        let (id, trace, project) =
            (entry(&share.body, "run"), entry(&share.body, "trace"), entry(&share.body, "project"));
        return Ok(Shared::Run {
            id: id.ok_or_else(nothing)?,
            trace: trace.ok_or_else(nothing)?,
            project: project.ok_or_else(nothing)?,
        });
    }
    let share = share::find(app, threads::SHARE_KIND, token).await?.ok_or_else(nothing)?;
    let (id, project) = (entry(&share.body, "thread"), entry(&share.body, "project"));
    Ok(Shared::Thread { id: id.ok_or_else(nothing)?, project: project.ok_or_else(nothing)? })
}

fn entry<T: DeserializeOwned>(body: &Value, key: &str) -> Option<T> {
    serde_json::from_value(body.get(key)?.clone()).ok()
}

impl Shared {
    /// The store's side of the question which runs are shared.
    fn query(&self) -> ApiResult<RunQuery> {
        let of = |project: ProjectId| RunQuery {
            order: Order::OldestFirst,
            limit: MAX_PAGE,
            ..RunQuery::new(project)
        };
        Ok(match self {
            Self::Run { trace, project, .. } => RunQuery { trace: Some(*trace), ..of(*project) },
            Self::Thread { id, project } => {
                let filter =
                    filters::parse("thread", Some(&format!("eq(thread_id, {})", filters::quoted(&id.0))))?;
                RunQuery { filter, ..of(*project) }
            }
        })
    }

    /// Whether a run of that query is really shared.
    fn holds(&self, shown: &Shown) -> bool {
        match self {
            Self::Run { id, .. } => shown.id() == *id || shown.place.parents.contains(id),
            Self::Thread { .. } => true,
        }
    }

    /// Shared runs: some page of them, or those with these ids.
    pub(crate) async fn runs(
        &self,
        app: &App,
        ids: Vec<RunId>,
        cursor: Option<String>,
        base_url: &str,
    ) -> ApiResult<Page<Shown>> {
        // Those of these ids which are shared: the other conditions stay.
        let mut query = RunQuery { ids, cursor, ..self.query()? };
        loop {
            let page = app.store.stored_runs(&query).await?;
            let shown =
                shown::gather(app, page.items, Needs { feedback: true, share: false }, base_url).await?;
            let items: Vec<Shown> = shown.into_iter().filter(|shown| self.holds(shown)).collect();
            // A page without runs would look like the last one.
            if !items.is_empty() || page.next.is_none() {
                return Ok(Page { items, first: page.first, next: page.next });
            }
            query.cursor = page.next;
        }
    }

    /// One shared run; 404 where it is not among them.
    pub(crate) async fn run(&self, app: &App, id: RunId, base_url: &str) -> ApiResult<Shown> {
        let found = self.runs(app, vec![id], None, base_url).await?.items;
        let found = found.into_iter().find(|shown| shown.id() == id);
        found.ok_or_else(|| ApiError::not_found(format!("run {id} among what is shared")))
    }
}

/// The fields that say nothing of the project.
fn public(shown: Shown) -> Value {
    let mut run = v1::json(shown, &Select::Everything);
    if let Some(fields) = run.as_object_mut() {
        for private in [
            "session_id",
            "app_path",
            "share_token",
            "reference_dataset_id",
            "thread_id",
            "trace_min_start_time",
        ] {
            fields.shift_remove(private);
        }
    }
    run
}

/// The shared run; of a shared thread, its first.
#[utoipa::path(get, path = "/public/{share_token}/run", tag = "public", params(("share_token" = Uuid, Path)),
    responses((status = 200, description = "the run"), (status = 404, description = "nothing is shared under this token")))]
async fn shared_run(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let shared = open(&app, &token).await?;
    let base_url = app.base_url(&headers);
    let shown = match &shared {
        Shared::Run { id, .. } => shared.run(&app, *id, &base_url).await?,
        Shared::Thread { .. } => {
            let first = shared.runs(&app, Vec::new(), None, &base_url).await?.items.into_iter().next();
            first.ok_or_else(|| ApiError::not_found("a run of the shared thread"))?
        }
    };
    render::json(move || public(shown)).await
}

/// A run among what is shared.
#[utoipa::path(get, path = "/public/{share_token}/run/{run_id}", tag = "public",
    params(("share_token" = Uuid, Path), ("run_id" = Uuid, Path)),
    responses((status = 200, description = "the run"), (status = 404, description = "it is not shared under this token")))]
async fn one(
    State(app): State<App>,
    Path((token, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let shared = open(&app, &token).await?;
    let shown = shared.run(&app, RunId(uuid("run_id", &id)?), &app.base_url(&headers)).await?;
    render::json(move || public(shown)).await
}

/// Which of the shared runs.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
struct PublicBody {
    /// All where empty.
    #[serde(deserialize_with = "fields::list")]
    id: Vec<Uuid>,
    cursor: Option<String>,
}

/// What is shared, oldest first.
#[utoipa::path(post, path = "/public/{share_token}/runs/query", tag = "public", request_body = PublicBody,
    params(("share_token" = Uuid, Path)),
    responses((status = 200, description = "`runs`, and `cursors.next` unless this is the last page")))]
async fn query(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Body(body): Body<PublicBody>,
) -> ApiResult<Response> {
    let page = page(&app, &token, &headers, body.id, body.cursor).await?;
    render::json(move || {
        let runs: Vec<Value> = page.items.into_iter().map(public).collect();
        json!({ "runs": runs, "cursors": { "next": page.next, "prev": null }, "parsed_query": null })
    })
    .await
}

/// What is shared, oldest first, as a plain list.
#[utoipa::path(get, path = "/public/{share_token}/runs", tag = "public",
    params(("share_token" = Uuid, Path), ("id" = Option<Vec<Uuid>>, Query, description = "only these; repeated")),
    responses((status = 200, description = "up to a hundred runs")))]
async fn list(
    State(app): State<App>,
    Path(token): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let page = page(&app, &token, &headers, params.parse_all("id")?, None).await?;
    render::json(move || page.items.into_iter().map(public).collect::<Vec<Value>>()).await
}

async fn page(
    app: &App,
    token: &str,
    headers: &HeaderMap,
    ids: Vec<Uuid>,
    cursor: Option<String>,
) -> ApiResult<Page<Shown>> {
    let shared = open(app, token).await?;
    shared.runs(app, ids.into_iter().map(RunId).collect(), cursor, &app.base_url(headers)).await
}

/// What was said of the shared runs.
#[utoipa::path(get, path = "/public/{share_token}/feedbacks", tag = "public",
    params(("share_token" = Uuid, Path), ("run" = Option<Vec<Uuid>>, Query, description = "only of these; repeated"),
        ("key" = Option<Vec<String>>, Query), ("offset" = Option<usize>, Query), ("limit" = Option<usize>, Query)),
    responses((status = 200, description = "feedback, newest first")))]
async fn feedbacks(
    State(app): State<App>,
    Path(token): Path<String>,
    params: Params,
) -> ApiResult<Json<Vec<Value>>> {
    let shared = open(&app, &token).await?;
    let wanted: Vec<Uuid> = params.parse_all("run")?;
    let shown = shared.runs(&app, wanted.into_iter().map(RunId).collect(), None, "").await?.items;
    if shown.is_empty() {
        return Ok(Json(Vec::new()));
    }
    let (offset, limit) = params.page()?;
    let query = FeedbackQuery {
        runs: shown.iter().map(Shown::id).collect(),
        keys: params.all("key").map(str::to_owned).collect(),
        offset,
        limit,
        ..FeedbackQuery::default()
    };
    let found = app.store.feedbacks(&query).await?;
    let public = |given| {
        let mut given = feedback::shape::json(given);
        if let Some(fields) = given.as_object_mut() {
            fields.shift_remove("session_id");
        }
        given
    };
    Ok(Json(found.iter().map(public).collect()))
}

/// What was said in the shared run or thread.
#[utoipa::path(get, path = "/public/{share_token}/messages", tag = "public", params(("share_token" = Uuid, Path)),
    responses((status = 200, description = "`messages` in order")))]
async fn conversation(State(app): State<App>, Path(token): Path<String>) -> ApiResult<Response> {
    match open(&app, &token).await? {
        Shared::Thread { id, project } => {
            let thread = app.store.read_threads(project, &[id]).await?.pop();
            let thread = thread.ok_or_else(|| ApiError::not_found("the shared thread"))?;
            render::json(move || messages::of(&assay_transcript::of_thread(&thread))).await
        }
        Shared::Run { id, trace, .. } => {
            let found = app.store.trace(trace).await?.and_then(|trace| messages::below(trace, id));
            let found = found.ok_or_else(|| ApiError::not_found("the shared run"))?;
            render::json(move || messages::of(&assay_transcript::of_trace(&found))).await
        }
    }
}
