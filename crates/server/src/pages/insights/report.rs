//! One report, with its threads and conversations as they are looked at.

use std::io;
use std::sync::Arc;

use assay_domain::job::JobStatus;
use assay_domain::{Message, Report, Role, ThreadId, format};
use assay_store::{Project, Runs as _};
use assay_ui::web::Tab;
use assay_ui::web::report::{self, EditRow, Partial, ReportFrame, ReportPage, UnfinishedPage};
use assay_ui::{Spoken, text};
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use uuid::Uuid;

use super::super::portion::Portion;
use super::super::squeeze::{pack, say_packed, squeeze, unpacks};
use super::super::state::State;
use super::super::{Visit, page};
use super::{Found, api, compare, place};
use crate::access::permission::{Action, Area, Permission};
use crate::error::{ApiError, ApiResult};
use crate::insights::edits::{self, Edited};
use crate::insights::{cluster_id, files, queue};

/// Other reports offered to compare with.
const OTHERS: usize = 12;
/// Changes by hand, on a page.
const EDITS: usize = 50;
/// Turns of a conversation.
const TURNS: usize = 200;

pub(super) async fn show(
    visit: Visit,
    Path((project, report)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let mut found = Found::of(&visit, &project, &report).await?;
    let id = found.id();
    let here = format!("{}/{id}", place(&found.project));
    let name = found.name().to_owned();
    let Some(report) = found.report.take() else { return Ok(unfinished(&visit, &found)) };
    let Found { project, entry, .. } = &found;
    let shell = visit
        .within(project, Tab::Insights, &name)
        .crumb("Insights", place(project))
        .script("web/report.js")
        .style("report.css");
    // What changes a report is kept with its job; one that a command made has none.
    let has_job = entry.is_some();
    let may = |area, action| has_job && visit.may(Permission(area, action));
    let edits = match entry {
        Some(entry) => edits::told(&visit.app, entry).await?,
        None => Vec::new(),
    };
    let edits: Vec<EditRow> = edits.iter().flat_map(edit_rows).collect();
    let state = State::read(here.clone(), &visit.params, &["edits"]);
    let portion = Portion::read(&visit.params, "edits", EDITS);
    let frame = ReportFrame {
        shell,
        name,
        files: FILES.map(|(name, file)| (name, format!("{here}/files/{file}"))).into(),
        place: here,
        project_place: format!("/p/{}", project.id),
        api: entry.as_ref().map(|entry| format!("{}/{}", api(project), entry.job.id)).unwrap_or_default(),
        list: place(project),
        again: format!("{}/new?job={id}", place(project)),
        made: entry.as_ref().map(|entry| entry.state.finished_at.into()).unwrap_or_default(),
        partial: partial(&report),
        paid: entry.as_ref().map(paid).unwrap_or_default(),
        others: others(&visit, project, id).await?,
        edits_total: edits.len(),
        edits_pager: portion.pager_of(&state, "", edits.len(), ("change", "changes")),
        is_in_edits: state.get("edits").is_some(),
        edits: portion.of(edits),
        cluster_ids: entry.as_ref().map(|entry| cluster_ids(entry.job.id, &report)).unwrap_or_default(),
        may_change: may(Area::Projects, Action::Update),
        may_share: may(Area::Runs, Action::Share),
        may_make_datasets: may(Area::Datasets, Action::Create),
    };
    written(report, frame, &headers).await
}

/// A report as files: name, file.
const FILES: [(&str, &str); 5] = [
    ("Page (HTML)", "report.html"),
    ("Markdown", "report.md"),
    ("Report (JSON)", "report.json"),
    ("Threads (CSV)", "assignments.csv"),
    ("Threads (JSONL)", "assignments.jsonl"),
];

/// The page. Writing a large one takes a while, and others are answered meanwhile.
pub(super) async fn written(
    report: Arc<Report>,
    frame: ReportFrame,
    headers: &HeaderMap,
) -> ApiResult<Response> {
    let mut response = off_thread(move || Ok(page(&ReportPage::new(&report, frame)?))).await?;
    squeeze(&mut response, headers).await?;
    Ok(response)
}

/// What models were paid for a report, of which budget, and how many answers were remembered; empty where
/// none was asked.
fn paid(entry: &queue::Entry) -> String {
    let spend = &entry.state.spend;
    if spend.calls == 0 && spend.remembered == 0 {
        return String::new();
    }
    let budget = entry.job.budget.map(|budget| format!(" of a budget of {}", super::money(budget)));
    let remembered = match spend.remembered {
        0 => String::new(),
        remembered => format!("; {} answers were remembered and cost nothing", format::count(remembered)),
    };
    format!(
        "{}{} in {} calls{remembered}",
        super::spent(spend),
        budget.unwrap_or_default(),
        format::count(spend.calls)
    )
}

/// What models left undone.
pub(super) fn partial(report: &Report) -> Partial {
    let Some((work, reason)) =
        report.made.model.as_ref().and_then(|work| Some((work, work.partial.as_ref()?)))
    else {
        return Partial::default();
    };
    let threads = report.assignments.len();
    let read = match work.threads_read {
        0 => "No thread was read by a model; all figures count every thread.".to_owned(),
        read => format!(
            "A model read {} of {} threads; the others were placed without one. All figures count every thread.",
            format::count(read),
            format::count(threads)
        ),
    };
    Partial { reason: text::cut(&text::line(reason), 400).into_owned(), read }
}

fn cluster_ids(job: Uuid, report: &Report) -> Vec<String> {
    report.taxonomy.nodes.iter().map(|node| cluster_id(job, &node.id).to_string()).collect()
}

/// What was changed of a category, a line for each thing that can be taken back by itself.
fn edit_rows(edited: &Edited) -> Vec<EditRow> {
    let Edited { cluster, made_name, made_description: _, edit, target } = edited;
    let made = text::name(made_name.as_deref().unwrap_or_default());
    let row = |words: String, undo, verb| EditRow { words, cluster: cluster.to_string(), undo, verb };
    let mut rows = Vec::new();
    if let Some(name) = &edit.name {
        rows.push(row(
            format!("“{made}” is called “{}”", text::name(name)),
            r#"{"name":null}"#,
            "Call it so again",
        ));
    }
    if edit.description.is_some() {
        let words = format!("“{made}” has another description");
        rows.push(row(words, r#"{"description":null}"#, "Use the first one"));
    }
    if edit.is_hidden {
        let words = format!("“{made}” is hidden: its threads count as “Other”");
        rows.push(row(words, r#"{"hidden":false}"#, "Show it again"));
    }
    if let Some((_, target)) = target {
        let words =
            format!("“{made}” is merged into “{}”", text::name(target.as_deref().unwrap_or_default()));
        rows.push(row(words, r#"{"merge_into":null}"#, "Separate them"));
    }
    rows
}

/// What is shown of a job that has no report.
fn unfinished(visit: &Visit, found: &Found) -> Response {
    let Some(entry) = &found.entry else {
        return ApiError::not_found("report").into_response();
    };
    if !entry.state.status.is_final() {
        // The list shows how far it is.
        return Redirect::to(&place(&found.project)).into_response();
    }
    let why = entry.state.error.as_deref().unwrap_or("its report is no longer in the store");
    let shell = visit
        .within(&found.project, Tab::Insights, found.name())
        .crumb("Insights", place(&found.project))
        .script("web/sends.js");
    let list = place(&found.project);
    let resume = super::resume(&entry.state);
    page(&UnfinishedPage {
        shell,
        name: text::name(found.name()),
        heading: match entry.state.status {
            JobStatus::Cancelled => "This report was cancelled".to_owned(),
            JobStatus::Failed => "This report failed".to_owned(),
            _ => "This report is gone".to_owned(),
        },
        text: text::cut(&text::line(why), 1_000).into_owned(),
        facts: progress(entry),
        api: format!("{}/{}", api(&found.project), entry.job.id),
        again: format!("{list}/new?job={}", entry.job.id),
        list,
        resume,
        keeps_answers: entry.state.spend.calls > 0,
        may_change: !resume.is_empty() && visit.may(Permission(Area::Rules, Action::Create)),
    })
}

/// How far a job came.
fn progress(entry: &queue::Entry) -> Vec<(&'static str, String)> {
    let state = &entry.state;
    let at = &state.progress;
    let mut facts = Vec::new();
    if !at.stage.is_empty() {
        let counted = format!("{}, {} of {}", at.stage, format::count(at.done), format::count(at.total));
        facts.push(("Stopped at", if at.total > 0 { counted } else { at.stage.clone() }));
    }
    if state.spend.calls > 0 {
        facts.push(("Calls of models", format::count(state.spend.calls)));
        facts.push(("Spent", super::spent(&state.spend)));
    }
    facts.push(("Tier", entry.job.tier.as_str().to_owned()));
    facts
}

/// Other reports of the project: what they are called, and where the comparison is.
async fn others(visit: &Visit, project: &Project, here: Uuid) -> ApiResult<Vec<(String, String)>> {
    let all = compare::made(visit, project).await?;
    let Some(own) = all.iter().find(|one| one.id == here) else { return Ok(Vec::new()) };
    // Use and failures are counted apart.
    let done = all.iter().filter(|one| one.id != here && one.asks_as(own));
    let link = |one: &compare::Made| {
        // The earlier one is "before".
        let (before, after) = if own.at < one.at { (here, one.id) } else { (one.id, here) };
        let href = format!("{}/compare?before={before}&after={after}", place(project));
        (one.named(), href)
    };
    Ok(done.take(OTHERS).map(link).collect())
}

/// What is asked of a report's threads while they are looked at.
pub(super) enum Threads {
    /// All of them, without most of their words.
    All { has_conversations: bool },
    /// The words of those in some places.
    Words(Vec<usize>),
    /// The places of those with these words.
    Found(String),
}

/// Threads whose words are asked for at once.
const MAX_ROWS: usize = 500;

impl Threads {
    /// `rows=0.7.12`: the words of those in these places.
    pub(super) fn words(visit: &Visit) -> ApiResult<Self> {
        let rows = visit.params.get("rows").unwrap_or_default();
        let places: Result<Vec<usize>, _> = rows.split('.').take(MAX_ROWS).map(str::parse).collect();
        places
            .map(Self::Words)
            .map_err(|_| ApiError::invalid(&["query", "rows"], "numbers with points between them"))
    }

    /// `q=…`: the places of those with these words.
    pub(super) fn found(visit: &Visit) -> Self {
        Self::Found(visit.params.get("q").unwrap_or_default().to_owned())
    }

    /// Of this report, as JSON.
    pub(super) async fn of(
        self,
        visit: &Visit,
        report: Arc<Report>,
        headers: &HeaderMap,
    ) -> ApiResult<Response> {
        let beside = visit.app.insights.shelf.beside(&report);
        let made = match (self, beside) {
            (Self::All { has_conversations }, Some(beside)) if unpacks(headers) => {
                let all = move || report::threads(&report, has_conversations).and_then(|all| pack(&all));
                let packed = off_thread(move || beside.packed(has_conversations, all)).await?;
                let mut response = json(packed);
                say_packed(&mut response);
                return Ok(response);
            }
            (Self::All { has_conversations }, _) => {
                off_thread(move || report::threads(&report, has_conversations)).await?
            }
            (Self::Words(rows), _) => off_thread(move || report::words(&report, &rows)).await?,
            (Self::Found(query), Some(beside)) => {
                off_thread(move || report::found(beside.searchable(&report), &query)).await?
            }
            (Self::Found(query), None) => off_thread(move || report::found_once(&report, &query)).await?,
        };
        let mut response = json(made);
        squeeze(&mut response, headers).await?;
        Ok(response)
    }
}

/// Every thread of the report.
pub(super) async fn threads(
    visit: Visit,
    Path((project, report)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let report = of(Found::of(&visit, &project, &report).await?)?;
    Threads::All { has_conversations: true }.of(&visit, report, &headers).await
}

/// What some of its threads are about.
pub(super) async fn words(
    visit: Visit,
    Path((project, report)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let report = of(Found::of(&visit, &project, &report).await?)?;
    Threads::words(&visit)?.of(&visit, report, &headers).await
}

/// Which of its threads have some words.
pub(super) async fn matches(
    visit: Visit,
    Path((project, report)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let report = of(Found::of(&visit, &project, &report).await?)?;
    Threads::found(&visit).of(&visit, report, &headers).await
}

/// One conversation of the report; 404 where it is gone.
pub(super) async fn conversation(
    visit: Visit,
    Path((project, report)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let thread = visit.params.get("thread").unwrap_or_default();
    let project = Found::of(&visit, &project, &report).await?.project;
    let id = ThreadId(thread.to_owned());
    let found = visit.app.store.thread_window(project.id, &id, 0, TURNS + 1).await?;
    let mut found = found.ok_or_else(|| ApiError::not_found("conversation"))?;
    let is_cut = found.traces.len() > TURNS;
    found.traces.truncate(TURNS);
    let made = move || {
        let mut spoken = Spoken::new(assay_transcript::of_thread(&found), &found);
        if is_cut {
            let words =
                format!("The thread goes on after its first {TURNS} turns; its own page has all of them.");
            spoken.transcript.messages.push(Message::text_of(Role::System, words));
        }
        report::conversation(&spoken)
    };
    let bytes = off_thread(made).await?;
    let mut response = json(bytes);
    squeeze(&mut response, &headers).await?;
    Ok(response)
}

/// The report as a file.
pub(super) async fn file(
    visit: Visit,
    Path((project, report, file)): Path<(String, String, String)>,
) -> ApiResult<Response> {
    let found = Found::of(&visit, &project, &report).await?;
    let project = found.project.id;
    let name = found.name().to_owned();
    files::of_report(visit.app.clone(), project, of(found)?, name, &file).await
}

fn of(found: Found) -> ApiResult<Arc<Report>> {
    let id = found.id();
    found.report.ok_or_else(|| ApiError::not_found(format!("report of insights job {id}")))
}

fn json(bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> ApiResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(unwritten)
}

fn unwritten(error: io::Error) -> ApiError {
    tracing::error!(%error, "a page of a report could not be written");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the page could not be written; the server's log says why",
    )
}
