//! The list of a project's traces, and of any other of its runs.

use std::collections::{BTreeMap, HashMap};

use assay_domain::{RunId, RunKind};
use assay_store::{FeedbackStats, FilterError, LightRun, Order, Page, Project, RunQuery, RunRow, Runs as _};
use assay_ui::web::listing::{Cell, Choice, ListingPage, Row, Rows, RowsDocument, kind_icon};
use assay_ui::web::{Tab, tab_href};
use assay_ui::{format, text};
use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde_json::Value;

use super::listing::{
    self, FIRST, LIGHT, Neighbours, PORTION, Possible, dash, dollars, number, scores, tokens, words,
};
use super::state::{State, Window};
use super::{Visit, conditions, page};
use crate::app::App;
use crate::error::ApiResult;
use crate::extract::Params;

const STATE: [&str; 10] =
    ["scope", "q", "filter", "range", "from", "until", "order", "columns", "views", "cursor"];

const COLUMNS: [Possible; 15] = [
    column("name", "Name", "title", true),
    column("input", "Input", "long", true),
    column("output", "Output", "long", true),
    column("error", "Error", "word", false),
    column("start", "Started", "time", true),
    column("latency", "Latency", "num", true),
    column("first_token", "First token", "num", false),
    column("tokens", "Tokens", "num", true),
    column("cost", "Cost", "num", true),
    column("runs", "Runs", "short num", false),
    column("model", "Model", "word", false),
    column("tags", "Tags", "chips", false),
    column("feedback", "Feedback", "chips", true),
    column("metadata", "Metadata", "chips", false),
    column("thread", "Thread", "word", false),
];

const fn column(name: &'static str, label: &'static str, class: &'static str, usual: bool) -> Possible {
    Possible { name, label, class, usual }
}

/// Which runs: parameter, words.
const SCOPES: [(&str, &str); 4] =
    [("", "Traces"), ("all", "All runs"), ("llm", "Model calls"), ("tool", "Tools")];

fn state(project: &Project, params: &Params) -> State {
    State::read(tab_href(project.id, Tab::Traces), params, &STATE)
}

/// What a list asks of the store, but for the page.
fn asked(project: &Project, state: &State, window: &Window) -> Result<RunQuery, FilterError> {
    let filter = listing::filter(state)?;
    let scope = state.get("scope").unwrap_or_default();
    Ok(RunQuery {
        is_root: scope.is_empty().then_some(true),
        kind: RunKind::parse(scope),
        filter,
        start: window.from,
        end: window.until,
        order: if state.get("order") == Some("asc") { Order::OldestFirst } else { Order::NewestFirst },
        limit: PORTION,
        cursor: state.get("cursor").map(str::to_owned),
        patience: Some(listing::SOON),
        ..RunQuery::new(project.id)
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
        Ok(query) => rows(&visit.app, state, &RunQuery { limit: FIRST, ..query }, &on).await?,
        Err(_) => Rows::default(),
    };
    let mut bar = listing::bar(visit, project, state, &window, ("runs", is_part)).await?;
    let scope = state.get("scope").unwrap_or_default();
    bar.scopes = SCOPES
        .iter()
        .map(|(name, words)| Choice {
            label: (*words).to_owned(),
            href: state.with(&[("scope", name)]).href(),
            is_current: scope == *name,
        })
        .collect();
    let is_ascending = state.get("order") == Some("asc");
    if is_ascending {
        // What arrives is at the other end.
        bar.news.clear();
    }
    let mut columns = listing::columns(&COLUMNS, &on);
    if let Some(start) = columns.iter_mut().find(|column| column.name == "start") {
        start.href = state.with(&[("order", if is_ascending { "" } else { "asc" })]).href();
        start.sorted = if is_ascending { "ascending" } else { "descending" };
    }
    let is_narrowed = !bar.clear.is_empty() || window.from.is_some() || window.until.is_some();
    let unit = if scope.is_empty() { "trace" } else { "run" };
    let next_page = rows.next.replacen("/rows?", "?", 1);
    Ok(ListingPage {
        shell: visit
            .within(project, Tab::Traces, "Traces")
            .script("web/listing.js")
            .style("web/traces.css")
            .wide(),
        heading: "Traces",
        unit,
        empty: listing::empty(is_narrowed, bar.problem.is_some(), unit),
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
    let query = RunQuery { limit: listing::length(&visit.params)?, ..query };
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
            let query = RunQuery { patience: listing::patience(&visit.params), ..query };
            Ok(visit.app.store.tally(&query).await?)
        }
        Err(error) => Err(error),
    }))
}

/// How many arrived that stand before the first row one has.
pub(super) async fn news(visit: Visit, Path(project): Path<String>) -> ApiResult<Json<Value>> {
    let project = visit.project(&project).await?;
    let state = state(&project, &visit.params).with(&[]);
    let window = Window::read(&visit.params, visit.app.now())?;
    let query = asked(&project, &state, &window).map_err(listing::refusal)?;
    let since = visit.params.get("since").map(str::to_owned);
    let query = RunQuery { order: Order::OldestFirst, cursor: since, limit: PORTION, ..query };
    let found = visit.app.store.runs(&query).await?;
    Ok(listing::new_ones(found.items.len(), found.next.is_some()))
}

// ---------------------------------------------------------------------- rows

async fn rows(app: &App, state: &State, query: &RunQuery, on: &[&str]) -> ApiResult<Rows> {
    let Page { items, first, next } = app.store.runs(query).await?;
    let ids: Vec<RunId> = items.iter().map(|row| row.id).collect();
    let has = |name| on.contains(&name);
    // The totals of traces come with the payloads, and so do previews.
    let opened = if has("input") || has("output") { LIGHT } else { 0 };
    let light = app.store.light_runs(&ids, opened).await?;
    let light: HashMap<RunId, LightRun> = light.into_iter().map(|light| (light.id, light)).collect();
    let feedback = if has("feedback") { app.store.feedback_stats(&ids).await? } else { HashMap::new() };
    let place = listing::parameter("traces", state);
    let row = |row: &RunRow| {
        let facts = Facts { row, light: light.get(&row.id), feedback: feedback.get(&row.id), place: &place };
        Row { id: row.id.to_string(), cells: on.iter().map(|name| facts.cell(name)).collect() }
    };
    let rows = items.iter().map(row).collect();
    Ok(listing::portion(state, (&COLUMNS[..], on), query.cursor.as_deref(), rows, (next, first)))
}

/// The address of a run in its trace.
pub(super) fn href(row: &RunRow, parameter: &str) -> String {
    let base = format!("/p/{}/traces/{}", row.project, row.trace);
    let run = if row.id.0 == row.trace.0 { String::new() } else { format!("run={}", row.id) };
    match (run.is_empty(), parameter.is_empty()) {
        (true, true) => base,
        (true, false) => format!("{base}?{parameter}"),
        (false, true) => format!("{base}?{run}"),
        (false, false) => format!("{base}?{run}&{parameter}"),
    }
}

/// What is known of a run in a list.
struct Facts<'a> {
    row: &'a RunRow,
    light: Option<&'a LightRun>,
    feedback: Option<&'a BTreeMap<String, FeedbackStats>>,
    place: &'a str,
}

impl Facts<'_> {
    /// Whether it stands for its trace, and so shows what the trace amounts to.
    fn whole(&self) -> Option<&assay_store::TraceTotals> {
        self.light.map(|light| &light.trace).filter(|trace| trace.root == self.row.id)
    }

    fn payload(&self, of: impl Fn(&assay_domain::Run) -> &Value) -> Cell {
        match self.light.map(|light| light.run.as_ref()) {
            Some(Some(run)) => Cell::Words(listing::preview(of(run))),
            Some(None) => Cell::Words("large".into()),
            None => dash(),
        }
    }

    fn cell(&self, column: &str) -> Cell {
        let row = self.row;
        match column {
            "name" => Cell::Title {
                state: row.status.as_str(),
                icon: kind_icon(row.kind.as_str()),
                kind: row.kind.as_str().to_owned(),
                words: text::cut(&text::name(&row.name), 120).into_owned(),
                href: href(row, self.place),
            },
            "input" => self.payload(|run| &run.inputs),
            "output" => match &row.error {
                // What went wrong says more than half an answer.
                Some(error) => Cell::Error(text::cut(&text::line(error), 200).into_owned()),
                None => self.payload(|run| &run.outputs),
            },
            "error" => row
                .error
                .as_deref()
                .map_or_else(dash, |error| Cell::Error(text::cut(&text::line(error), 200).into_owned())),
            "start" => Cell::Time(row.start_time.into()),
            "latency" => number(row.latency.map(format::seconds)),
            "first_token" => {
                let wait = row.first_token_time.zip(row.start_time).map(|(first, start)| first - start);
                number(wait.map(|wait| format::seconds(wait.num_microseconds().unwrap_or(0) as f64 / 1e6)))
            }
            "tokens" => number(tokens(self.whole().map_or(row.total_tokens, |trace| trace.total_tokens))),
            "cost" => number(dollars(self.whole().map_or(row.total_cost, |trace| trace.total_cost))),
            "runs" => number(self.whole().map(|trace| format::count(trace.runs))),
            "model" => row.model.as_deref().map_or_else(dash, words),
            "tags" => Cell::Chips(
                row.tags.iter().take(6).map(|tag| text::cut(&text::line(tag), 40).into_owned()).collect(),
            ),
            "feedback" => Cell::Scores(self.feedback.map(scores).unwrap_or_default()),
            "metadata" => {
                let shown = |(key, value): (&String, &Value)| match value {
                    Value::String(words) => format!("{key} {words}"),
                    other => format!("{key} {other}"),
                };
                let all = row.metadata.iter().take(5).map(shown);
                Cell::Chips(all.map(|words| text::cut(&text::line(&words), 48).into_owned()).collect())
            }
            "thread" => match row.thread.0 == row.trace.0.to_string() {
                true => dash(),
                false => listing::id(&row.thread.0, super::threads::href(row.project, &row.thread, "")),
            },
            _ => dash(),
        }
    }
}

// ---------------------------------------------------------------- neighbours

/// What stands beside a run in a list (the value of `in`): for a list of
/// traces the root says where, else the run that is looked at.
pub(super) async fn neighbours(
    visit: &Visit,
    project: &Project,
    root: RunId,
    chosen: RunId,
    list: &str,
) -> ApiResult<Neighbours> {
    let params = Params::read(list);
    let state = state(project, &params).with(&[]);
    let Ok(window) = Window::read(&params, visit.app.now()) else { return Ok(Neighbours::default()) };
    let Ok(query) = asked(project, &state, &window) else { return Ok(Neighbours::default()) };
    let found = Neighbours { list: state.href(), ..Neighbours::default() };
    let run = if query.is_root == Some(true) { root } else { chosen };
    let (newer, older) = around(&visit.app, &query, run, &listing::parameter("traces", &state)).await?;
    Ok(Neighbours { newer, older, ..found })
}

/// The addresses of what comes before and after a run, among the runs of a query.
pub(super) async fn around(
    app: &App,
    query: &RunQuery,
    run: RunId,
    parameter: &str,
) -> ApiResult<(String, String)> {
    let own = RunQuery { ids: vec![run], limit: 1, ..RunQuery::default() };
    let Some(place) = app.store.runs(&own).await?.first else { return Ok(Default::default()) };
    let first = async |order: Order| -> ApiResult<String> {
        let mut query = RunQuery { order, cursor: Some(place.clone()), limit: 1, ..query.clone() };
        for _ in 0..listing::LOOKS {
            let found = app.store.runs(&query).await?;
            if !found.items.is_empty() || found.next.is_none() {
                return Ok(found.items.first().map(|row| href(row, parameter)).unwrap_or_default());
            }
            query.cursor = found.next;
        }
        Ok(String::new())
    };
    Ok((first(query.order.reversed()).await?, first(query.order).await?))
}
