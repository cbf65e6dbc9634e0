//! The list of a project's threads, those active last first.

use std::collections::HashMap;

use assay_domain::{ProjectId, RunId, ThreadId};
use assay_store::{Filter, FilterError, LightRun, Page, Project, Runs as _, ThreadPage, ThreadRow};
use assay_ui::web::listing::{Cell, ListingPage, Row, Rows, RowsDocument, kind_icon};
use assay_ui::web::{Tab, tab_href};
use assay_ui::{format, text};
use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::listing::{self, LIGHT, PORTION, Possible, dash, dollars, number, scores, tokens, words};
use super::state::{State, Window};
use super::traces::{Neighbours, empty, list_parameter, refusal};
use super::{Visit, conditions, page};
use crate::app::App;
use crate::error::ApiResult;
use crate::extract::Params;
use crate::filters;

const STATE: [&str; 7] = ["q", "filter", "range", "from", "until", "columns", "cursor"];

const COLUMNS: [Possible; 13] = [
    column("first", "First request", "long", true),
    column("thread", "Thread", "word", true),
    column("last", "Last answer", "long", false),
    column("turns", "Turns", "short num", true),
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

fn state(project: &Project, params: &Params) -> State {
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

/// What a list asks of the store.
fn asked(project: &Project, state: &State, window: &Window) -> Result<ThreadPage, FilterError> {
    let own = conditions::read(state)?;
    let words = state.get("q").and_then(|text| filters::search(text).ok().flatten());
    let filter = match (own, words) {
        (Some(own), Some(words)) => Some(Filter::parse(&format!("and(and({own}), {words})"))?),
        (own, words) => own.or(words),
    };
    Ok(ThreadPage {
        project: project.id,
        filter,
        start: window.from,
        end: window.until,
        with_single_traces: true,
        limit: PORTION,
        cursor: state.get("cursor").map(str::to_owned),
        ..ThreadPage::default()
    })
}

/// The page.
pub(super) async fn show(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params);
    let changed = match conditions::added(&state, &visit.params)? {
        Some(changed) => Some(changed),
        None => listing::with_columns(&visit, &state),
    };
    if let Some(changed) = changed {
        return Ok(Redirect::to(&changed.href()).into_response());
    }
    let window = Window::read(&visit.params, visit.app.now())?;
    let on = listing::chosen(&COLUMNS, &state);
    let rows = match asked(&project, &state, &window) {
        Ok(query) => rows(&visit.app, &state, &query, &on).await?,
        Err(_) => Rows::default(),
    };
    let bar = listing::bar(&visit, &project, &state, &window, "threads").await?;
    let mut columns = listing::columns(&COLUMNS, &on);
    if let Some(active) = columns.iter_mut().find(|column| column.name == "active") {
        active.sorted = "descending";
    }
    let is_narrowed = !bar.clear.is_empty() || window.from.is_some() || window.until.is_some();
    let next_page = rows.next.replacen("-list/rows?", "?", 1);
    Ok(page(&ListingPage {
        shell: visit
            .within(&project, Tab::Threads, "Threads")
            .script("web/listing.js")
            .style("web/traces.css")
            .wide(),
        heading: "Threads",
        unit: "thread",
        empty: empty(is_narrowed, bar.problem.is_some(), "thread"),
        bar,
        columns,
        rows,
        next_page,
    }))
}

/// The rows that follow, as a document of their own.
pub(super) async fn more(visit: Visit, Path(project): Path<String>) -> ApiResult<Response> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params);
    let window = Window::read(&visit.params, visit.app.now())?;
    let query = asked(&project, &state, &window).map_err(refusal)?;
    let on = listing::chosen(&COLUMNS, &state);
    Ok(page(&RowsDocument { rows: rows(&visit.app, &state, &query, &on).await? }))
}

/// How many match, or why the filter cannot be understood.
pub(super) async fn count(visit: Visit, Path(project): Path<String>) -> ApiResult<Json<Value>> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params);
    let state = conditions::added(&state, &visit.params)?.unwrap_or(state);
    let window = Window::read(&visit.params, visit.app.now())?;
    match asked(&project, &state.with(&[]), &window) {
        Ok(query) => Ok(Json(json!({ "count": visit.app.store.thread_count(&query).await? }))),
        Err(error) => Ok(Json(conditions::problem_json(&error))),
    }
}

/// How many threads were active after a moment, given in microseconds since 1970.
pub(super) async fn news(visit: Visit, Path(project): Path<String>) -> ApiResult<Json<Value>> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params).with(&[]);
    let window = Window::read(&visit.params, visit.app.now())?;
    let query = asked(&project, &state, &window).map_err(refusal)?;
    let since: i64 = visit.params.parse("since")?.unwrap_or(i64::MIN + 1);
    let start = chrono::DateTime::from_timestamp_micros(since.saturating_add(1)).max(query.start);
    let found = visit.app.store.thread_page(&ThreadPage { start, ..query }).await?;
    Ok(Json(json!({ "count": found.items.len(), "more": found.next.is_some() })))
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
    let here = |cursor: &str| {
        let mut state = state.with(&[]);
        if !cursor.is_empty() {
            state.pairs.push(("cursor".to_owned(), cursor.to_owned()));
        }
        state
    };
    let from = here(query.cursor.as_deref().unwrap_or_default());
    let place = list_parameter("threads", &from);
    let row = |row: &ThreadRow| Row {
        id: text::line(&row.id.0),
        cells: on.iter().map(|name| cell(name, row, query.project, &light, &place)).collect(),
    };
    let activity = items.first().and_then(|row| row.last_end.max(row.last_start));
    Ok(Rows {
        rows: items.iter().map(row).collect(),
        from: from.below("rows"),
        next: next.map(|next| here(&next).below("rows")).unwrap_or_default(),
        first: activity.map(|moment| moment.timestamp_micros().to_string()).unwrap_or_default(),
    })
}

/// What the user said first, or whatever tells this thread from others.
fn request(row: &ThreadRow, light: &HashMap<RunId, LightRun>) -> String {
    let run = light.get(&row.first_root).and_then(|light| light.run.as_ref());
    let said = run.map(|run| listing::preview(&run.inputs)).filter(|said| !said.is_empty());
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
            state: if row.errors > 0 { "error" } else { "success" },
            icon: kind_icon("prompt"),
            kind: "thread".to_owned(),
            words: request(row, light),
            href: href(project, &row.id, place),
        },
        "thread" => words(&row.id.0),
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

/// What stands beside a thread in the list one came from (the value of `in`).
pub(super) async fn neighbours(
    visit: &Visit,
    project: &Project,
    thread: &ThreadId,
    list: &str,
) -> ApiResult<Neighbours> {
    let params = Params::read(list);
    let state = state(project, &params);
    let Ok(window) = Window::read(&params, visit.app.now()) else { return Ok(Neighbours::default()) };
    let Ok(query) = asked(project, &state, &window) else { return Ok(Neighbours::default()) };
    let found = Neighbours { list: state.with(&[]).href(), ..Neighbours::default() };
    let portion = visit.app.store.thread_page(&query).await?;
    let Some(at) = portion.items.iter().position(|row| row.id == *thread) else { return Ok(found) };
    let place = |cursor: Option<&str>| {
        let mut state = state.with(&[]);
        state.pairs.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor.to_owned())));
        list_parameter("threads", &state)
    };
    let here = place(query.cursor.as_deref());
    let older = match (portion.items.get(at + 1), &portion.next) {
        (Some(row), _) => href(project.id, &row.id, &here),
        (None, Some(next)) => {
            let following = ThreadPage { cursor: Some(next.clone()), limit: 1, ..query.clone() };
            let following = visit.app.store.thread_page(&following).await?.items;
            let link = |row: &ThreadRow| href(project.id, &row.id, &place(Some(next)));
            following.first().map(link).unwrap_or_default()
        }
        (None, None) => String::new(),
    };
    // Lists of threads are only read forwards: before the first of a portion there is no way back.
    let newer = at.checked_sub(1).and_then(|at| portion.items.get(at));
    let newer = newer.map(|row| href(project.id, &row.id, &here)).unwrap_or_default();
    Ok(Neighbours { newer, older, ..found })
}
