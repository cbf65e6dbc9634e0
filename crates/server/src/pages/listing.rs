//! What the lists of threads and traces have in common.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use assay_domain::{FeedbackId, ProjectId};
use assay_store::{
    FeedbackQuery, Filter, FilterError, Project, Record, RecordQuery, Records as _, RunQuery, Runs as _,
    Tally,
};
use assay_ui::text;
use assay_ui::web::listing::{Bar, Cell, Column, Row, Rows, View};
use assay_ui::web::parts::Empty;
use axum::Json;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::Visit;
use super::conditions::{self, Known};
use super::portion::Portion;
use super::state::{State, Window};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;
use crate::{filters, views};

/// Rows of the first portion: what a usual screen shows, so that they are soon painted; a taller one asks for more.
pub(super) const FIRST: usize = 24;
/// Rows of each portion that follows.
pub(super) const PORTION: usize = 40;
/// So long a list looks for its rows, and a count counts: what comes later is asked for by itself.
pub(super) const SOON: Duration = Duration::from_millis(70);
/// So often it is looked further for what stands beside something in a list.
pub(super) const LOOKS: usize = 4;
/// So long it counts where somebody waits for all of it.
const LATER: Duration = Duration::from_secs(3);
/// Saved filters of a list, on a page of their menu.
const VIEWS: usize = 20;
/// The newest runs tell which values occur.
const LOOKED_AT: usize = 300;
const MAX_KNOWN: usize = 40;
/// Payloads that take more bytes than this as they are stored are not opened for a list.
pub(super) const LIGHT: u64 = 96 << 10;

/// A column a list can have.
pub(super) struct Possible {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) class: &'static str,
    /// Whether it is there unless somebody chose otherwise.
    pub(super) usual: bool,
}

/// The columns that are shown, in order; the first always is.
pub(super) fn chosen(possible: &[Possible], state: &State) -> Vec<&'static str> {
    let asked: Option<Vec<&str>> = state.get("columns").map(|columns| columns.split(',').collect());
    let is_on = |(at, column): &(usize, &Possible)| match &asked {
        Some(asked) => *at == 0 || asked.contains(&column.name),
        None => column.usual,
    };
    possible.iter().enumerate().filter(is_on).map(|(_, column)| column.name).collect()
}

pub(super) fn columns(possible: &[Possible], on: &[&str]) -> Vec<Column> {
    let column = |column: &Possible| Column {
        name: column.name.to_owned(),
        label: column.label.to_owned(),
        class: column.class,
        is_on: on.contains(&column.name),
        href: String::new(),
        sorted: "",
    };
    possible.iter().map(column).collect()
}

/// The filter and the words that are looked for, as one.
pub(super) fn filter(state: &State) -> Result<Option<Filter>, FilterError> {
    let own = conditions::read(state)?;
    let words = state.get("q").filter(|text| !text.trim().is_empty());
    let words = words.map(|text| Filter::parse(&format!("search({})", filters::quoted(text)))).transpose()?;
    match (own, words) {
        (Some(own), Some(words)) => Filter::parse(&format!("and(and({own}), {words})")).map(Some),
        (own, words) => Ok(own.or(words)),
    }
}

/// The state that a form of the page means; `None` where none was sent.
pub(super) fn changed(visit: &Visit, state: &State) -> ApiResult<Option<State>> {
    let changed = conditions::added(state, &visit.params)?;
    Ok(changed.or_else(|| with_columns(visit, state)))
}

/// The address that the form of columns means; `None` where it was not sent.
fn with_columns(visit: &Visit, state: &State) -> Option<State> {
    let names: Vec<&str> = visit.params.all("column").collect();
    let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if names.is_empty() {
        return None;
    }
    let names: Vec<&str> = names.into_iter().filter(is_name).take(40).collect();
    Some(state.with(&[("columns", &names.join(","))]))
}

/// Rows, where they are asked for again, and where those that follow are.
pub(super) fn portion(
    state: &State,
    (possible, on): (&[Possible], &[&str]),
    cursor: Option<&str>,
    rows: Vec<Row>,
    (next, first): (Option<String>, Option<String>),
) -> Rows {
    let mut from = state.at(cursor.unwrap_or_default());
    // Asked for again, it is to be as long.
    from.pairs.push(("limit".to_owned(), rows.len().max(1).to_string()));
    Rows {
        rows,
        from: from.below("rows"),
        next: next.map(|next| state.at(&next).below("rows")).unwrap_or_default(),
        first: first.unwrap_or_default(),
        columns: possible
            .iter()
            .filter(|column| on.contains(&column.name))
            .map(|column| (column.label, column.class))
            .collect(),
    }
}

/// How many rows a portion is to have that was asked for this way.
pub(super) fn length(params: &Params) -> ApiResult<usize> {
    Ok(params.parse("limit")?.unwrap_or(PORTION).clamp(1, PORTION))
}

/// How long a count may take that was asked for this way.
pub(super) fn patience(params: &Params) -> Option<Duration> {
    Some(if params.get("whole").is_some() { LATER } else { SOON })
}

/// How many match, or why the filter cannot be understood.
pub(super) fn counted(count: Result<Tally, FilterError>) -> Json<Value> {
    Json(match count {
        Ok(Tally { count, is_exact }) => json!({ "count": count, "exact": is_exact }),
        Err(error) => conditions::problem_json(&error),
    })
}

/// How many of those that match are new.
pub(super) fn new_ones(count: usize, has_more: bool) -> Json<Value> {
    Json(json!({ "count": count, "more": has_more }))
}

pub(super) fn refusal(error: FilterError) -> ApiError {
    ApiError::bad_request(filters::describe("filter", &error))
}

/// What is said where there are no rows.
pub(super) fn empty(is_narrowed: bool, is_refused: bool, unit: &str) -> Empty {
    let (heading, text) = match (is_refused, is_narrowed) {
        (true, _) => {
            ("This filter cannot be understood".to_owned(), "Above is where it goes wrong.".to_owned())
        }
        (_, true) => {
            (format!("No {unit} matches"), "Take a condition away, or choose a longer time.".to_owned())
        }
        _ => (format!("No {unit}s yet"), "They are listed here as soon as the first one arrives.".to_owned()),
    };
    Empty { heading, text }
}

/// `in=…`: from which list one comes.
pub(super) fn parameter(list: &str, state: &State) -> String {
    let whole = format!("{list}?{}", state.with(&[]).query());
    format!("in={}", byte_serialize(whole.as_bytes()).collect::<String>())
}

/// Addresses of what stands before and after something in a list, and of the list.
#[derive(Default)]
pub(super) struct Neighbours {
    pub(super) newer: String,
    pub(super) older: String,
    pub(super) list: String,
}

/// What stands above the list. The values that occur are left out of a part: whoever asks for it has them.
pub(super) async fn bar(
    visit: &Visit,
    project: &Project,
    state: &State,
    window: &Window,
    (view_kind, is_part): (&'static str, bool),
) -> ApiResult<Bar> {
    let known = if is_part { Known::default() } else { known(&visit.app, project.id).await? };
    let read = conditions::read(state);
    let asked = filter(state);
    let (from, until) = window.fields();
    let is_narrowed = ["filter", "q"].iter().any(|name| state.get(name).is_some());
    // What is asked while one types stands for itself.
    let unfiltered = state.with(&[("filter", "")]);
    let views = saved(&visit.app, project, state, view_kind).await?;
    let portion = Portion::read(&visit.params, "views", VIEWS);
    let views_pager = portion.pager_of(state, "", views.len(), ("saved filter", "saved filters"));
    Ok(Bar {
        path: state.path.clone(),
        here: state.href(),
        part: state.with(&[]).part(),
        state: state.pairs.clone(),
        query: state.get("q").unwrap_or_default().to_owned(),
        scopes: Vec::new(),
        ranges: window.choices(state),
        range: window.words.clone(),
        from,
        until,
        conditions: match &read {
            Ok(Some(filter)) => conditions::shown(state, filter),
            _ => Vec::new(),
        },
        filter: state.get("filter").unwrap_or_default().to_owned(),
        problem: asked.as_ref().err().map(conditions::problem),
        fields: conditions::fields(&known),
        views: portion.of(views),
        views_pager,
        view_kind,
        project: project.id.to_string(),
        count: if asked.is_ok() { state.with(&[]).below("count") } else { String::new() },
        check: unfiltered.below("count"),
        // Where the time ends nothing new arrives.
        news: if window.until.is_none() && asked.is_ok() {
            state.with(&[]).below("news")
        } else {
            String::new()
        },
        clear: if is_narrowed { state.with(&[("filter", ""), ("q", "")]).href() } else { String::new() },
    })
}

/// Saved filters of this kind of list. Of which kind one is stands in it: all of a project are read, which are
/// small.
async fn saved(app: &App, project: &Project, state: &State, kind: &str) -> ApiResult<Vec<View>> {
    let query =
        RecordQuery { kind: views::KIND.to_owned(), parent: Some(project.id.0), ..RecordQuery::default() };
    let records = app.store.records(&query).await?;
    let is_of_kind = |record: &&Record| record.body["type"].as_str().unwrap_or("runs") == kind;
    let here = state.with(&[("views", "")]).query();
    let view = |record: &Record| {
        let said = |name: &str| record.body[name].as_str().unwrap_or_default().to_owned();
        // Saved here, it holds the whole state of the list; saved by a client, a filter.
        let whole = said("list_state");
        let query = match whole.is_empty() {
            false => whole,
            true => State { pairs: Vec::new(), ..state.clone() }
                .with(&[("filter", &said("filter_string"))])
                .query(),
        };
        View {
            id: record.id.to_string(),
            name: text::name(&said("display_name")),
            is_current: query == here,
            href: format!("{}?{query}", state.path),
        }
    };
    Ok(records.iter().filter(is_of_kind).map(view).collect())
}

/// The project's saved filters of threads and of traces: name and the whole filter of each.
pub(super) async fn saved_filters(app: &App, project: &Project) -> ApiResult<Vec<(String, String)>> {
    let state = super::threads::state(project, &Params::read(""));
    let mut all = saved(app, project, &state, "threads").await?;
    all.extend(saved(app, project, &state, "runs").await?);
    let filter = |view: View| {
        let query = view.href.split_once('?').map_or("", |(_, query)| query);
        let narrowed = super::threads::state(project, &Params::read(query));
        Some((view.name, conditions::whole(&narrowed)?))
    };
    Ok(all.into_iter().filter_map(filter).collect())
}

/// Values that occur in the newest runs.
pub(super) async fn known(app: &App, project: ProjectId) -> ApiResult<Known> {
    let query = RunQuery { limit: LOOKED_AT, ..RunQuery::new(project) };
    let runs = app.store.runs(&query).await?.items;
    let mut counts: [HashMap<&str, usize>; 4] = Default::default();
    for run in &runs {
        let mut count = |place: usize, value| *counts[place].entry(value).or_default() += 1;
        count(0, run.name.as_str());
        run.model.iter().for_each(|model| count(1, model.as_str()));
        run.tags.iter().for_each(|tag| count(2, tag.as_str()));
        run.metadata.keys().for_each(|key| count(3, key.as_str()));
    }
    let feedback = FeedbackQuery { projects: vec![project], limit: LOOKED_AT, ..FeedbackQuery::default() };
    let feedback = app.store.feedbacks(&feedback).await?;
    let mut keys: HashMap<&str, usize> = HashMap::new();
    feedback.iter().for_each(|given| *keys.entry(given.key.as_str()).or_default() += 1);
    let [names, models, tags, metadata] = counts;
    Ok(Known {
        names: frequent(names),
        models: frequent(models),
        tags: frequent(tags),
        metadata_keys: frequent(metadata),
        feedback_keys: frequent(keys),
    })
}

/// The most frequent ones first.
fn frequent(counts: HashMap<&str, usize>) -> Vec<String> {
    let mut counts: Vec<(usize, &str)> = counts.into_iter().map(|(value, count)| (count, value)).collect();
    counts.sort_by(|(more, a), (less, b)| less.cmp(more).then(a.cmp(b)));
    let values = counts.into_iter().map(|(_, value)| value).filter(|value| !value.trim().is_empty());
    // What would change on its way to a page is nothing one could choose.
    values.filter(|value| text::line(value) == *value).take(MAX_KNOWN).map(str::to_owned).collect()
}

/// Metadata keys that occur, for splitting.
pub(super) async fn metadata_keys(app: &App, project: ProjectId) -> ApiResult<Vec<String>> {
    Ok(known(app, project).await?.metadata_keys)
}

/// Feedback keys in use.
pub(super) async fn feedback_keys(app: &App, project: ProjectId) -> ApiResult<Vec<String>> {
    Ok(known(app, project).await?.feedback_keys)
}

/// Feedback added up, as a cell or a line shows it.
pub(super) fn scores(feedback: &BTreeMap<String, assay_store::FeedbackStats>) -> Vec<(String, String)> {
    let shown = |stats: &assay_store::FeedbackStats| match stats.mean {
        Some(mean) => assay_ui::format::number(mean),
        None => {
            let label = stats.labels.iter().max_by_key(|(_, count)| **count).map(|(label, _)| label);
            label.map_or_else(
                || format!("{} ×", stats.count),
                |label| text::cut(&text::line(label), 24).into_owned(),
            )
        }
    };
    let all = feedback.iter().take(8);
    all.map(|(key, stats)| (text::cut(&text::name(key), 40).into_owned(), shown(stats))).collect()
}

/// Words of a payload for a list.
pub(super) fn preview(value: &serde_json::Value) -> String {
    text::line(&assay_transcript::preview(value, 200))
}

/// What a thread began with, for a list.
pub(super) fn opening(value: &serde_json::Value) -> String {
    text::line(&assay_transcript::opening(value, 200))
}

pub(super) fn words(text: &str) -> Cell {
    Cell::Words(text::cut(&text::line(text), 240).into_owned())
}

/// An id, whose end tells more than its middle.
pub(super) fn id(id: &str, href: String) -> Cell {
    let whole = text::line(id);
    let chars: Vec<char> = whole.chars().collect();
    let words = match chars.len() {
        0..=14 => whole.clone(),
        length => chars[..6].iter().chain(&['…']).chain(&chars[length - 6..]).collect(),
    };
    Cell::Id { words, whole: text::cut(&whole, 240).into_owned(), href }
}

pub(super) fn dash() -> Cell {
    Cell::Words(String::new())
}

/// A number that may be absent.
pub(super) fn number(value: Option<String>) -> Cell {
    Cell::Number(value.unwrap_or_else(|| assay_ui::format::NONE.to_owned()))
}

/// Money, where some is known.
pub(super) fn dollars(cost: Option<rust_decimal::Decimal>) -> Option<String> {
    use rust_decimal::prelude::ToPrimitive as _;
    cost.and_then(|cost| cost.to_f64()).map(assay_ui::format::money)
}

/// Tokens, where there are any.
pub(super) fn tokens(count: u64) -> Option<String> {
    (count > 0).then(|| assay_ui::format::compact(count))
}

/// The id of a feedback, as pages name it.
pub(super) fn feedback_id(id: FeedbackId) -> String {
    id.0.to_string()
}
