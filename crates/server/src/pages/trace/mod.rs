//! The page of one trace, and the pieces of its payloads that are asked for
//! one by one. Who has a share token sees the same, without what is private.

mod detail;
mod pieces;
mod search;
mod view;

use std::collections::{BTreeSet, HashMap};

use assay_domain::{ProjectId, RunId, ThreadId, TraceId};
use assay_store::{FeedbackQuery, Filter, Order, Project, RunQuery, RunRow, Runs as _, TraceTotals, blob_of};
use assay_ui::web::{Shell, Tab, tab_href};
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use uuid::Uuid;

use super::listing::{self, Neighbours};
use super::state::State;
use super::{Visit, page, threads, traces};
use crate::access::permission::{Action, Area, Permission};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, uuid};
use crate::ingest::attachments::{self, Links};
use crate::runs::public::{self, Shared};
use search::Found;
use view::View;

/// So many runs are in the tree.
const NODES: usize = 3_000;
const STATE: [&str; 4] = ["run", "view", "q", "in"];

/// The page of a trace, or the part of it that `part` names.
pub(super) async fn show(
    visit: Visit,
    Path((project, trace)): Path<(String, String)>,
) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let trace = TraceId(uuid("trace", &trace)?);
    let query = RunQuery {
        trace: Some(trace),
        order: Order::OldestFirst,
        limit: NODES + 1,
        ..RunQuery::new(project.id)
    };
    let rows = visit.app.store.runs(&query).await?.items;
    let root =
        rows.iter().find(|row| row.id.0 == trace.0).or_else(|| rows.iter().find(|row| row.parent.is_none()));
    let Some(root) = root.or(rows.first()).map(|row| row.id) else {
        return Err(ApiError::not_found(format!("trace {trace}")));
    };
    let path = format!("/p/{}/traces/{trace}", project.id);
    let may = |area, action| visit.may(Permission(area, action));
    let can_change = may(Area::Feedback, Action::Create) && may(Area::Feedback, Action::Update);
    let totals = totals(&visit.app, project.id, trace, root).await?;
    let subject =
        Subject { rows, root, path, project: Some(project), can_change, trace: Some(trace), totals };
    answer(visit, subject).await
}

/// What a whole trace amounts to, however many runs of it are on the page.
async fn totals(app: &App, project: ProjectId, trace: TraceId, root: RunId) -> ApiResult<Option<Totals>> {
    let failed = Filter::parse("eq(status, \"error\")").ok();
    let failed = RunQuery { trace: Some(trace), filter: failed, ..RunQuery::new(project) };
    let failed = app.store.count(&failed).await?;
    let whole = app.store.light_runs(&[root], 0).await?.pop();
    Ok(whole.map(|light| Totals { whole: light.trace, failed }))
}

/// `/public/{token}/r`: what is shared under a token.
pub(super) async fn shared(visit: Visit, Path(token): Path<String>) -> ApiResult<Response> {
    let shared = public::open(&visit.app, &token).await?;
    let (query, top) = match &shared {
        Shared::Run { id, trace, project } => {
            (RunQuery { trace: Some(*trace), ..RunQuery::new(*project) }, Some(*id))
        }
        Shared::Thread { id, project } => {
            let text = format!("eq(thread_id, {})", crate::filters::quoted(&id.0));
            let filter = crate::filters::parse("thread", Some(&text))?;
            (RunQuery { filter, ..RunQuery::new(*project) }, None)
        }
    };
    let query = RunQuery { order: Order::OldestFirst, limit: NODES + 1, ..query };
    let mut rows = visit.app.store.runs(&query).await?.items;
    if let Some(top) = top {
        rows = below(rows, top);
    }
    let root = top.or_else(|| rows.first().map(|row| row.id));
    let Some(root) = root.filter(|root| rows.iter().any(|row| row.id == *root)) else {
        return Err(ApiError::not_found("a run of what is shared"));
    };
    let path = format!("/public/{token}/r");
    let subject = Subject { rows, root, path, project: None, can_change: false, trace: None, totals: None };
    answer(visit, subject).await
}

/// A run and all that hangs on it.
fn below(rows: Vec<RunRow>, top: RunId) -> Vec<RunRow> {
    let mut children: HashMap<RunId, Vec<RunId>> = HashMap::new();
    for row in &rows {
        if let Some(parent) = row.parent {
            children.entry(parent).or_default().push(row.id);
        }
    }
    let (mut kept, mut stack) = (BTreeSet::new(), vec![top]);
    while let Some(run) = stack.pop() {
        if kept.insert(run) {
            stack.extend(children.remove(&run).into_iter().flatten());
        }
    }
    rows.into_iter().filter(|row| kept.contains(&row.id)).collect()
}

/// What a page is about.
struct Subject {
    rows: Vec<RunRow>,
    root: RunId,
    path: String,
    /// None where it is shared with anybody.
    project: Option<Project>,
    can_change: bool,
    /// All of whose runs may be opened, where it is not part of one that is shared.
    trace: Option<TraceId>,
    /// Absent where only some of a trace is shown on purpose.
    totals: Option<Totals>,
}

/// What a whole trace amounts to.
struct Totals {
    whole: TraceTotals,
    failed: u64,
}

async fn answer(visit: Visit, mut subject: Subject) -> ApiResult<Response> {
    let state = State::read(subject.path.clone(), &visit.params, &STATE);
    let chosen = match state.get("run") {
        Some(run) => RunId(uuid_of(run)?),
        None => subject.root,
    };
    if let (Some(trace), Some(project)) = (subject.trace, &subject.project)
        && subject.rows.iter().all(|row| row.id != chosen)
    {
        // Of very many runs, one that is not in the tree.
        let own = RunQuery { ids: vec![chosen], trace: Some(trace), limit: 1, ..RunQuery::new(project.id) };
        subject.rows.extend(visit.app.store.runs(&own).await?.items);
    }
    // Only what the page is about: a share opens nothing beside it.
    let Some(row) = subject.rows.iter().find(|row| row.id == chosen) else {
        return Err(ApiError::not_found(format!("run {chosen} of this trace")));
    };
    let stored = visit.app.store.stored_run(row.id).await?;
    let stored = stored.ok_or_else(|| ApiError::not_found(format!("run {chosen}")))?;
    if let Some(part @ ("json" | "raw")) = visit.params.get("part") {
        return pieces::piece(part.to_owned(), stored, &visit.params, state).await;
    }
    let links = attachments::links(&visit.app).await?;
    let feedback = FeedbackQuery { runs: vec![chosen], limit: 200, ..FeedbackQuery::default() };
    let feedback = visit.app.store.feedbacks(&feedback).await?;
    let known_keys = match &subject.project {
        Some(project) if subject.can_change => listing::feedback_keys(&visit.app, project.id).await?,
        _ => Vec::new(),
    };
    let found = match state.get("q") {
        Some(words) => search::search(&visit.app, &subject, words.to_owned()).await?,
        None => Found::default(),
    };
    let beside = beside(&visit, &subject, chosen, &state).await?;
    let is_part = visit.params.get("part") == Some("run");
    let shell = shell(&visit, &subject);
    let made = tokio::task::spawn_blocking(move || {
        let view = View { subject, state, chosen, stored, links, feedback, known_keys, found };
        if is_part { page(&view.detail()) } else { page(&view.page(shell, beside)) }
    });
    made.await.map_err(|error| {
        tracing::error!(%error, "a page could not be made");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made")
    })
}

fn uuid_of(text: &str) -> ApiResult<Uuid> {
    Uuid::parse_str(text).map_err(|_| ApiError::invalid(&["query", "run"], "this is no id of a run"))
}

fn shell(visit: &Visit, subject: &Subject) -> Shell {
    let shell = match &subject.project {
        Some(project) => {
            visit.within(project, Tab::Traces, "Trace").crumb("Traces", tab_href(project.id, Tab::Traces))
        }
        None => visit.shell("Shared trace"),
    };
    shell.script("web/trace.js").style("web/traces.css").wide()
}

/// The neighbours in the list, or the turns of the thread, one came from.
async fn beside(visit: &Visit, subject: &Subject, chosen: RunId, state: &State) -> ApiResult<Neighbours> {
    let Some(project) = &subject.project else { return Ok(Neighbours::default()) };
    let list = state.get("in").and_then(|list| list.split_once('?'));
    match list {
        Some(("traces", query)) => traces::neighbours(visit, project, subject.root, chosen, query).await,
        Some(("thread", thread)) => {
            let thread = Params::read(&format!("id={}", thread.replace('&', "%26")));
            let thread = ThreadId(thread.get("id").unwrap_or_default().to_owned());
            turns(visit, project, subject.root, thread).await
        }
        // Without a list, the list of all traces.
        _ => traces::neighbours(visit, project, subject.root, chosen, "").await,
    }
}

/// The turns of a thread, the earliest first.
async fn turns(visit: &Visit, project: &Project, root: RunId, thread: ThreadId) -> ApiResult<Neighbours> {
    let text = format!("eq(thread_id, {})", crate::filters::quoted(&thread.0));
    let filter = crate::filters::parse("thread", Some(&text))?;
    let query =
        RunQuery { filter, is_root: Some(true), order: Order::OldestFirst, ..RunQuery::new(project.id) };
    let parameter = threads::parameter(&thread);
    let (newer, older) = traces::around(&visit.app, &query, root, &parameter).await?;
    Ok(Neighbours { newer, older, list: threads::href(project.id, &thread, "") })
}

/// Our own copy of a medium.
pub(super) fn media(links: &Links, reference: &str, mime_type: Option<&str>) -> Option<String> {
    let key = blob_of(reference)?;
    Some(links.url_of("", key, "media", mime_type))
}
