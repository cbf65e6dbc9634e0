//! The list of a project's threads, those active last first.

use std::collections::HashMap;

use assay_domain::{ProjectId, RunId, RunStatus, ThreadId};
use assay_store::{FilterError, LightRun, Order, Page, Project, Runs as _, ThreadPage, ThreadRow};
use assay_ui::web::listing::{Cell, ListingPage, Row, Rows, RowsDocument, kind_icon};
use assay_ui::web::{Tab, tab_href};
use assay_ui::{format, text};
use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::listing::{
    self, FIRST, LIGHT, Neighbours, PORTION, Possible, dash, dollars, number, scores, tokens,
};
use super::state::{State, Window};
use super::{Visit, conditions, page};
use crate::app::App;
use crate::error::ApiResult;
use crate::extract::Params;
use crate::filters;

const STATE: [&str; 8] = ["q", "filter", "range", "from", "until", "columns", "views", "cursor"];

const COLUMNS: [Possible; 13] = [
    column("first", "First request", "long", true),
    column("thread", "Thread", "word", true),
    column("last", "Last answer", "long", false),
    column("turns", "Traces", "short num", true),
    column("runs", "Runs", "short num", false),
    column("errors", "Errors", "short num", true),
    column("started", "Started", "time", false),
    column("active", "Last active", "time", true),
    column("latency", "Latency", "num", true),
    column("latency_p99", "Latency p99", "num", false),
    column("tokens", "Tokens", "num", true),
    column("cost", "Cost", "num", true),
    column("feedback", "Feedback", "chips", true),
];

const fn column(name: &'static str, label: &'static str, class: &'static str, usual: bool) -> Possible {
    Possible { name, label, class, usual }
}

pub(super) fn state(project: &Project, params: &Params) -> State {
    let mut state = State::read(tab_href(project.id, Tab::Threads), params, &STATE);
    // A thread may be called `rows`.
    state.parts.push_str("-list");
    state
}

/// The address of a thread's page.
pub(super) fn href(project: ProjectId, thread: &ThreadId, parameter: &str) -> String {
    // A plus stands for itself in a path.
    let thread = byte_serialize(thread.0.as_bytes()).collect::<String>().replace('+', "%20");
    let mark = if parameter.is_empty() { "" } else { "?" };
    format!("/p/{project}/threads/{thread}{mark}{parameter}")
}

/// How a trace's page knows that one came from a thread.
pub(super) fn parameter(thread: &ThreadId) -> String {
    let whole = format!("thread?{}", byte_serialize(thread.0.as_bytes()).collect::<String>());
    format!("in={}", byte_serialize(whole.as_bytes()).collect::<String>())
}

/// What a list asks of the store.
fn asked(project: &Project, state: &State, window: &Window) -> Result<ThreadPage, FilterError> {
    Ok(ThreadPage {
        project: project.id,
        filter: listing::filter(state)?,
        start: window.from,
        end: window.until,
        with_single_traces: true,
        limit: PORTION,
        cursor: state.get("cursor").map(str::to_owned),
        patience: Some(listing::SOON),
        ..ThreadPage::default()
    })
}

/// The page.
pub(super) async fn show(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params);
    if let Some(changed) = listing::changed(&visit, &state)? {
        return Ok(Redirect::to(&changed.href()).into_response());
    }
    Ok(page(&list(&visit, &project, &state, false).await?))
}

/// The page without its frame, for a script that puts it in place.
pub(super) async fn part(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params);
    let state = listing::changed(&visit, &state)?.unwrap_or(state);
    Ok(page(&list(&visit, &project, &state, true).await?.part()))
}

async fn list(visit: &Visit, project: &Project, state: &State, is_part: bool) -> ApiResult<ListingPage> {
    let window = Window::read(&visit.params, visit.app.now())?;
    let on = listing::chosen(&COLUMNS, state);
    let rows = match asked(project, state, &window) {
        Ok(query) => rows(&visit.app, state, &ThreadPage { limit: FIRST, ..query }, &on).await?,
        Err(_) => Rows::default(),
    };
    let bar = listing::bar(visit, project, state, &window, ("threads", is_part)).await?;
    let mut columns = listing::columns(&COLUMNS, &on);
    if let Some(active) = columns.iter_mut().find(|column| column.name == "active") {
        active.sorted = "descending";
    }
    let is_narrowed = !bar.clear.is_empty() || window.from.is_some() || window.until.is_some();
    let next_page = rows.next.replacen("-list/rows?", "?", 1);
    Ok(ListingPage {
        shell: visit
            .within(project, Tab::Threads, "Threads")
            .script("web/listing.js")
            .style("web/traces.css")
            .wide(),
        heading: "Threads",
        unit: "thread",
        empty: listing::empty(is_narrowed, bar.problem.is_some(), "thread"),
        bar,
        columns,
        rows,
        next_page,
    })
}

/// The rows that follow, as a document of their own.
pub(super) async fn more(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params);
    let window = Window::read(&visit.params, visit.app.now())?;
    let query = asked(&project, &state, &window).map_err(listing::refusal)?;
    let query = ThreadPage { limit: listing::length(&visit.params)?, ..query };
    let on = listing::chosen(&COLUMNS, &state);
    Ok(page(&RowsDocument { rows: rows(&visit.app, &state, &query, &on).await? }))
}

/// How many match, or why the filter cannot be understood.
pub(super) async fn count(visit: Visit, Path(project): Path<String>) -> ApiResult<Json<Value>> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params);
    let state = conditions::added(&state, &visit.params)?.unwrap_or(state);
    let window = Window::read(&visit.params, visit.app.now())?;
    Ok(listing::counted(match asked(&project, &state.with(&[]), &window) {
        Ok(query) => {
            let query = ThreadPage { patience: listing::patience(&visit.params), ..query };
            Ok(visit.app.store.thread_tally(&query).await?)
        }
        Err(error) => Err(error),
    }))
}

/// What the filter of a report says, condition by condition, and how many threads match it: with a
/// condition of the form added to it, where one is sent. Or why it cannot be understood.
///
/// It holds for the first run of a trace, where that of a list holds for any run.
pub(super) async fn conditions(visit: Visit, Path(project): Path<String>) -> ApiResult<Json<Value>> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params);
    let state = conditions::added(&state, &visit.params)?.unwrap_or(state);
    let window = Window::read(&visit.params, visit.app.now())?;
    let filter = match conditions::read(&state) {
        Ok(filter) => filter,
        Err(error) => return Ok(Json(conditions::problem_json(&error))),
    };
    let mut said = conditions::json(&state, filter.as_ref());
    let query = asked(&project, &state.with(&[]), &window).map_err(listing::refusal)?;
    let filter = filters::of_roots(query.filter)?;
    let query = ThreadPage { filter, patience: listing::patience(&visit.params), ..query };
    let tally = visit.app.store.thread_tally(&query).await?;
    said["count"] = tally.count.into();
    said["exact"] = tally.is_exact.into();
    Ok(Json(said))
}

/// How many threads were active after a moment, given in microseconds since 1970.
pub(super) async fn news(visit: Visit, Path(project): Path<String>) -> ApiResult<Json<Value>> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params).with(&[]);
    let window = Window::read(&visit.params, visit.app.now())?;
    let query = asked(&project, &state, &window).map_err(listing::refusal)?;
    let since: i64 = visit.params.parse("since")?.unwrap_or(i64::MIN + 1);
    let start = chrono::DateTime::from_timestamp_micros(since.saturating_add(1)).max(query.start);
    let found = visit.app.store.thread_page(&ThreadPage { start, ..query }).await?;
    Ok(listing::new_ones(found.items.len(), found.next.is_some()))
}

async fn rows(app: &App, state: &State, query: &ThreadPage, on: &[&str]) -> ApiResult<Rows> {
    let Page { items, next, .. } = app.store.thread_page(query).await?;
    let has = |name: &str| on.contains(&name);
    let mut ids: Vec<RunId> = items.iter().map(|row| row.first_root).collect();
    if has("last") {
        ids.extend(items.iter().map(|row| row.last_root));
    }
    let light = app.store.light_runs(&ids, LIGHT).await?;
    let light: HashMap<RunId, LightRun> = light.into_iter().map(|light| (light.id, light)).collect();
    let place = listing::parameter("threads", state);
    let row = |row: &ThreadRow| Row {
        id: text::line(&row.id.0),
        cells: on.iter().map(|name| cell(name, row, query.project, &light, &place)).collect(),
    };
    let activity = items.first().and_then(|row| row.last_end.max(row.last_start));
    let first = activity.map(|moment| moment.timestamp_micros().to_string());
    let rows = items.iter().map(row).collect();
    Ok(listing::portion(state, (&COLUMNS[..], on), query.cursor.as_deref(), rows, (next, first)))
}

/// That of the whole thread: failed if any trace did, else running if the latest is.
pub(super) fn status(row: &ThreadRow) -> RunStatus {
    match (row.errors > 0, row.is_pending) {
        (true, _) => RunStatus::Error,
        (false, true) => RunStatus::Pending,
        (false, false) => RunStatus::Success,
    }
}

/// What the user said first, or whatever tells this thread from others.
fn request(row: &ThreadRow, light: &HashMap<RunId, LightRun>) -> String {
    let run = light.get(&row.first_root).and_then(|light| light.run.as_ref());
    let said = run.map(|run| listing::opening(&run.inputs)).filter(|said| !said.is_empty());
    said.or_else(|| run.map(|run| text::name(&run.name))).unwrap_or_else(|| text::name(&row.id.0))
}

fn cell(
    column: &str,
    row: &ThreadRow,
    project: ProjectId,
    light: &HashMap<RunId, LightRun>,
    place: &str,
) -> Cell {
    match column {
        "first" => Cell::Title {
            state: status(row).as_str(),
            icon: kind_icon("prompt"),
            kind: "thread".to_owned(),
            words: request(row, light),
            href: href(project, &row.id, place),
        },
        "thread" => listing::id(&row.id.0, String::new()),
        "last" => {
            let run = light.get(&row.last_root).and_then(|light| light.run.as_ref());
            run.map_or_else(dash, |run| Cell::Words(listing::preview(&run.outputs)))
        }
        "turns" => Cell::Number(format::count(row.traces)),
        "runs" => Cell::Number(format::count(row.runs)),
        "errors" if row.errors > 0 => Cell::Alarm(format::count(row.errors)),
        "errors" => number(None),
        "started" => Cell::Time(row.first_start.into()),
        "active" => Cell::Time(row.last_end.max(row.last_start).into()),
        "latency" => number(row.latency_p50.map(format::seconds)),
        "latency_p99" => number(row.latency_p99.map(format::seconds)),
        "tokens" => number(tokens(row.total_tokens)),
        "cost" => number(dollars(row.total_cost)),
        "feedback" => Cell::Scores(scores(&row.feedback)),
        _ => dash(),
    }
}

/// What stands beside a place in a list (the value of `in`).
pub(super) async fn neighbours(
    visit: &Visit,
    project: &Project,
    place: Option<String>,
    list: &str,
) -> ApiResult<Neighbours> {
    let params = Params::read(list);
    let state = state(project, &params).with(&[]);
    let Ok(window) = Window::read(&params, visit.app.now()) else { return Ok(Neighbours::default()) };
    let Ok(query) = asked(project, &state, &window) else { return Ok(Neighbours::default()) };
    let found = Neighbours { list: state.href(), ..Neighbours::default() };
    if place.is_none() {
        return Ok(found);
    }
    let parameter = listing::parameter("threads", &state);
    let first = async |order: Order| -> ApiResult<String> {
        let mut query = ThreadPage { order, cursor: place.clone(), limit: 1, ..query.clone() };
        for _ in 0..listing::LOOKS {
            let found = visit.app.store.thread_page(&query).await?;
            if let Some(row) = found.items.first() {
                return Ok(href(project.id, &row.id, &parameter));
            }
            query.cursor = found.next;
            if query.cursor.is_none() {
                break;
            }
        }
        Ok(String::new())
    };
    let (older, newer) = (first(query.order).await?, first(query.order.reversed()).await?);
    Ok(Neighbours { newer, older, ..found })
}
