//! The page of one trace, and the pieces of its payloads that are asked for
//! one by one. Who has a share token sees the same, without what is private.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_domain::{Feedback, Run, RunId, RunStatus, TraceId};
use assay_store::{
    CORRUPT_KEY, FeedbackQuery, Order, Project, RunQuery, RunRow, Runs as _, StoredRun, blob_of,
};
use assay_ui::web::json::{self, Address, Raw, Tree};
use assay_ui::web::listing::kind_icon;
use assay_ui::web::talk::{Places, Talk};
use assay_ui::web::trace::{Attachment, Body, Detail, Given, Hit, Node, Scale, TracePage, state_badge};
use assay_ui::web::{Shell, Tab, tab_href};
use assay_ui::{format, text};
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::listing::{self, dollars, tokens};
use super::state::State;
use super::traces::{self, Neighbours};
use super::{Visit, page, threads};
use crate::access::permission::{Action, Area, Permission};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Params, uuid};
use crate::ingest::attachments::{self, Links};
use crate::runs::public::{self, Shared};

/// So many runs are in the tree.
const NODES: usize = 3_000;
/// Runs whose payloads are searched.
const SEARCHED: usize = 1_000;
/// Places shown of what was found in a run.
const HITS: usize = 20;
/// Larger payloads are not laid out as a conversation.
const TALKED: usize = 2 << 20;
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
    answer(visit, Subject { rows, root, path, project: Some(project), can_change }).await
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
    answer(visit, Subject { rows, root, path, project: None, can_change: false }).await
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
}

async fn answer(visit: Visit, subject: Subject) -> ApiResult<Response> {
    let state = State::read(subject.path.clone(), &visit.params, &STATE);
    let chosen = match state.get("run") {
        Some(run) => RunId(uuid_of(run)?),
        None => subject.root,
    };
    // Only what the page is about: a share opens nothing beside it.
    let Some(row) = subject.rows.iter().find(|row| row.id == chosen) else {
        return Err(ApiError::not_found(format!("run {chosen} of this trace")));
    };
    let stored = visit.app.store.stored_run(row.id).await?;
    let stored = stored.ok_or_else(|| ApiError::not_found(format!("run {chosen}")))?;
    if let Some(part @ ("json" | "raw")) = visit.params.get("part") {
        return piece(part.to_owned(), stored, &visit.params, state).await;
    }
    let links = attachments::links(&visit.app).await?;
    let feedback = FeedbackQuery { runs: vec![chosen], limit: 200, ..FeedbackQuery::default() };
    let feedback = visit.app.store.feedbacks(&feedback).await?;
    let known_keys = match &subject.project {
        Some(project) if subject.can_change => listing::feedback_keys(&visit.app, project.id).await?,
        _ => Vec::new(),
    };
    let found = match state.get("q") {
        Some(words) => search(&visit.app, &subject, words.to_owned()).await?,
        None => Found::default(),
    };
    let beside = beside(&visit, &subject, &state).await?;
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
async fn beside(visit: &Visit, subject: &Subject, state: &State) -> ApiResult<Neighbours> {
    let Some(project) = &subject.project else { return Ok(Neighbours::default()) };
    let list = state.get("in").and_then(|list| list.split_once('?'));
    match list {
        Some(("traces", query)) => traces::neighbours(visit, project, subject.root, query).await,
        Some(("thread", thread)) => {
            let thread = Params::read(&format!("id={}", thread.replace('&', "%26")));
            let thread = assay_domain::ThreadId(thread.get("id").unwrap_or_default().to_owned());
            Ok(Neighbours { list: threads::href(project.id, &thread, ""), ..Neighbours::default() })
        }
        _ => {
            // Without a list, the list of all traces.
            let found = traces::neighbours(visit, project, subject.root, "").await?;
            Ok(Neighbours { list: tab_href(project.id, Tab::Traces), ..found })
        }
    }
}

/// Our own copy of a medium.
pub(super) fn media(links: &Links, reference: &str, mime_type: Option<&str>) -> Option<String> {
    let key = blob_of(reference)?;
    Some(links.url_of("", key, "media", mime_type))
}

// -------------------------------------------------------------------- pieces

/// What is below a place of a payload, or the next piece of its text.
async fn piece(part: String, stored: StoredRun, params: &Params, state: State) -> ApiResult<Response> {
    let at = params.get("at").unwrap_or_default().to_owned();
    let offset: usize = params.parse("offset")?.unwrap_or(0);
    let made = tokio::task::spawn_blocking(move || {
        let whole = payload(stored.run);
        let value =
            json::find(&whole, &at).ok_or_else(|| ApiError::not_found("this place of the payload"))?;
        let href = |part: &str, at: &str, offset: usize| place(&state, part, at, offset);
        Ok(match (part.as_str(), value) {
            ("json", Value::Array(_) | Value::Object(_)) => page(&Tree::new(
                value,
                &at,
                offset,
                &Address { href: &|at, offset| href("json", at, offset) },
            )),
            (_, Value::String(words)) => page(&Raw::piece(words, offset, |next| href("raw", &at, next))),
            (_, value) => page(&Raw::piece(&json::pretty(value), offset, |next| href("raw", &at, next))),
        })
    });
    made.await.map_err(|error| {
        tracing::error!(%error, "a piece could not be made");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the piece could not be made")
    })?
}

/// Where a piece is asked for.
fn place(state: &State, part: &str, at: &str, offset: usize) -> String {
    let offset = if offset == 0 { String::new() } else { offset.to_string() };
    state.with(&[("q", ""), ("in", ""), ("view", ""), ("part", part), ("at", at), ("offset", &offset)]).href()
}

/// Everything of a run that is shown as JSON, by the name of its part.
fn payload(run: Run) -> Value {
    let mut extra = run.extra;
    extra.shift_remove(CORRUPT_KEY);
    let mut out = Map::new();
    out.insert("inputs".to_owned(), run.inputs);
    out.insert("outputs".to_owned(), run.outputs);
    for (name, value) in [
        ("events", Value::Array(run.events)),
        ("extra", Value::Object(extra)),
        ("serialized", run.serialized),
    ] {
        let is_empty = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        if !is_empty {
            out.insert(name.to_owned(), value);
        }
    }
    Value::Object(out)
}

/// About how much text there is in a value; counting ends beyond `enough`.
fn weight(value: &Value, enough: usize) -> usize {
    let (mut total, mut stack) = (0, vec![value]);
    while let Some(value) = stack.pop() {
        total += match value {
            Value::String(words) => words.len(),
            Value::Array(items) => {
                stack.extend(items);
                4
            }
            Value::Object(fields) => {
                stack.extend(fields.values());
                16 * fields.len()
            }
            _ => 8,
        };
        if total > enough {
            break;
        }
    }
    total
}

// -------------------------------------------------------------------- search

/// What was found, by run.
#[derive(Default)]
struct Found {
    counts: BTreeMap<RunId, usize>,
    /// In words.
    summary: String,
}

async fn search(app: &App, subject: &Subject, words: String) -> ApiResult<Found> {
    let ids: Vec<RunId> = subject.rows.iter().take(SEARCHED).map(|row| row.id).collect();
    let query = RunQuery { ids, limit: SEARCHED, ..RunQuery::default() };
    let runs = app.store.stored_runs(&query).await?.items;
    let is_cut = subject.rows.len() > SEARCHED;
    let searched = tokio::task::spawn_blocking(move || {
        let counts: BTreeMap<RunId, usize> = runs
            .iter()
            .map(|stored| (stored.run.id, hits(&stored.run, &words).len()))
            .filter(|(_, count)| *count > 0)
            .collect();
        let total: usize = counts.values().sum();
        let shown = text::cut(&text::line(&words), 60).into_owned();
        let mut summary = match counts.len() {
            0 => format!("“{shown}” does not occur in this trace"),
            1 => format!("“{shown}” occurs in 1 run, {total} ×"),
            runs => format!("“{shown}” occurs in {runs} runs, {total} ×"),
        };
        if is_cut {
            summary.push_str(&format!("; the first {} runs were searched", format::count(SEARCHED as u64)));
        }
        Found { counts, summary }
    });
    searched.await.map_err(|error| {
        tracing::error!(%error, "a search failed");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the search failed")
    })
}

/// Where words occur in a run: its name, its error, its payload.
fn hits(run: &Run, words: &str) -> Vec<(String, String)> {
    let lower = words.trim().to_lowercase();
    if lower.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (place, text) in [("name", Some(run.name.as_str())), ("error", run.error.as_deref())] {
        if let Some(text) = text.filter(|text| text.to_lowercase().contains(&lower)) {
            found.push((place.to_owned(), text::cut(&text::line(text), 160).into_owned()));
        }
    }
    for (name, value) in [("inputs", &run.inputs), ("outputs", &run.outputs)] {
        let left = HITS.saturating_sub(found.len());
        found.extend(
            json::occurrences(value, &lower, left)
                .into_iter()
                .map(|(at, words)| (format!("{name} {at}"), words)),
        );
    }
    found
}

// ---------------------------------------------------------------------- page

/// All that a page is made of.
struct View {
    subject: Subject,
    state: State,
    chosen: RunId,
    stored: StoredRun,
    links: Links,
    feedback: Vec<Feedback>,
    known_keys: Vec<String>,
    found: Found,
}

impl View {
    fn page(mut self, mut shell: Shell, beside: Neighbours) -> TracePage {
        let subject = &self.subject;
        let root = subject.rows.iter().find(|row| row.id == subject.root);
        let title = root.map(|row| text::cut(&text::name(&row.name), 160).into_owned()).unwrap_or_default();
        shell.title.clone_from(&title);
        let scale = Scale::of(subject.rows.iter().flat_map(|row| [row.start_time, row.end_time]).flatten());
        let state = root.map_or(RunStatus::Pending, |row| row.status);
        let thread = root.filter(|row| subject.project.is_some() && row.thread.0 != row.trace.0.to_string());
        let thread = thread.map(|row| {
            let words = text::cut(&text::line(&row.thread.0), 60).into_owned();
            (words, threads::href(row.project, &row.thread, ""))
        });
        let left_out = subject.rows.len() > NODES;
        TracePage {
            title,
            state: state_badge(state.as_str()),
            facts: self.facts(root),
            start: root.and_then(|row| row.start_time).into(),
            thread,
            nodes: self.nodes(scale),
            left_out: match left_out {
                true => format!("The tree has the first {} runs.", format::count(NODES as u64)),
                false => String::new(),
            },
            ticks: scale.ticks(),
            query: self.state.get("q").unwrap_or_default().to_owned(),
            found: std::mem::take(&mut self.found.summary),
            path: subject.path.clone(),
            kept: self.state.with(&[("q", "")]).pairs,
            newer: beside.newer,
            older: beside.older,
            list: beside.list,
            is_public: subject.project.is_none(),
            detail: self.detail(),
            shell,
        }
    }

    fn facts(&self, root: Option<&RunRow>) -> Vec<String> {
        let rows = &self.subject.rows;
        let mut facts = Vec::new();
        facts.extend(root.and_then(|row| row.latency).map(format::seconds));
        facts.push(match rows.len() {
            1 => "1 run".to_owned(),
            count if count > NODES => format!("more than {} runs", format::count(NODES as u64)),
            count => format!("{} runs", format::count(count as u64)),
        });
        let failed = rows.iter().filter(|row| row.status == RunStatus::Error).count();
        if failed > 0 {
            facts.push(format!("{failed} failed"));
        }
        facts.extend(
            tokens(rows.iter().map(|row| row.total_tokens).sum()).map(|tokens| format!("{tokens} tokens")),
        );
        let costs = rows.iter().filter_map(|row| row.total_cost);
        facts.extend(dollars(costs.reduce(|sum, cost| sum.saturating_add(cost))));
        facts
    }

    /// The runs as a tree, depth first; siblings by start.
    fn nodes(&self, scale: Scale) -> Vec<Node> {
        let rows = &self.subject.rows;
        let position: HashMap<RunId, usize> = rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
        let mut roots = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            match row.parent.and_then(|parent| position.get(&parent)) {
                Some(&parent) if parent != at && row.id != self.subject.root => children[parent].push(at),
                _ => roots.push(at),
            }
        }
        roots.sort_by_key(|&at| rows[at].id != self.subject.root);
        let mut seen = vec![false; rows.len()];
        let mut nodes = Vec::with_capacity(rows.len());
        // What hangs on a circle of parents is entered at its earliest run.
        for start in roots.into_iter().chain(0..rows.len()) {
            let mut stack = vec![(start, 0)];
            while let Some((at, depth)) = stack.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                nodes.push(self.node(&rows[at], depth, !children[at].is_empty(), scale));
                stack.extend(children[at].iter().rev().map(|&child| (child, depth + 1)));
            }
        }
        nodes.truncate(NODES);
        nodes
    }

    fn node(&self, row: &RunRow, depth: usize, has_children: bool, scale: Scale) -> Node {
        let (x, width) = scale.bar(row.start_time, row.end_time);
        let own = row.id != self.subject.root;
        let run = row.id.to_string();
        Node {
            href: self.state.with(&[("run", if own { &run } else { "" })]).href(),
            id: run,
            name: text::cut(&text::name(&row.name), 120).into_owned(),
            kind: row.kind.as_str(),
            icon: kind_icon(row.kind.as_str()),
            state: row.status.as_str(),
            depth: depth.min(16),
            has_children,
            is_current: row.id == self.chosen,
            duration: row.latency.map(format::seconds).unwrap_or_default(),
            tokens: tokens(row.total_tokens).unwrap_or_default(),
            cost: dollars(row.total_cost).unwrap_or_default(),
            error: row
                .error
                .as_deref()
                .map(|error| text::cut(&text::line(error), 200).into_owned())
                .unwrap_or_default(),
            x,
            width,
            hits: self.found.counts.get(&row.id).copied().unwrap_or(0),
        }
    }

    fn detail(&self) -> Detail {
        let run = &self.stored.run;
        let error = run.error.as_deref().unwrap_or_default();
        let shown = text::cut(&text::visible(error), 6_000).into_owned();
        let shown_size = shown.chars().count();
        let words = self.state.get("q").unwrap_or_default();
        let hit = |(place, words)| Hit { place, words };
        let is_public = self.subject.project.is_none();
        Detail {
            id: run.id.to_string(),
            trace: run.trace.to_string(),
            project: if is_public { String::new() } else { run.project.to_string() },
            name: text::cut(&text::name(&run.name), 160).into_owned(),
            kind: run.kind.as_str(),
            icon: kind_icon(run.kind.as_str()),
            state: state_badge(run.status().as_str()),
            facts: self.run_facts(),
            start: run.start_time.into(),
            error_more: error.chars().count().saturating_sub(shown_size),
            error: shown,
            tags: run.tags.iter().take(40).map(|tag| text::line(tag)).collect(),
            views: self.views(),
            body: self.body(),
            attachments: run.attachments.iter().take(100).map(|one| self.attachment(one)).collect(),
            metadata: run.metadata.iter().take(200).map(metadata).collect(),
            feedback: self.feedback.iter().map(given).collect(),
            known_keys: self.known_keys.clone(),
            hits: hits(run, words).into_iter().map(hit).collect(),
            download: if is_public { String::new() } else { format!("/api/v1/runs/{}", run.id) },
            can_change: self.subject.can_change,
            damage: run.extra.get(CORRUPT_KEY).and_then(Value::as_str).map(text::line).unwrap_or_default(),
        }
    }

    fn run_facts(&self) -> Vec<(String, String)> {
        let run = &self.stored.run;
        let mut facts: Vec<(String, String)> = Vec::new();
        let mut add =
            |name: &str, value: Option<String>| facts.extend(value.map(|value| (name.to_owned(), value)));
        let model =
            self.subject.rows.iter().find(|row| row.id == run.id).and_then(|row| row.model.as_deref());
        add("model", model.map(|model| text::cut(&text::line(model), 60).into_owned()));
        add("took", run.latency().map(format::seconds));
        let wait = run
            .first_token_time
            .zip(run.start_time)
            .and_then(|(first, start)| (first - start).num_microseconds());
        add("first token", wait.map(|micros| format::seconds(micros as f64 / 1e6)));
        if let Some(usage) = &run.usage {
            add("in", tokens(usage.input_tokens));
            add("out", tokens(usage.output_tokens));
            let cached = usage.input_details.iter().filter(|(name, _)| name.contains("cache_read"));
            add("from cache", tokens(cached.map(|(_, count)| *count).sum()));
            let thought = usage.output_details.iter().filter(|(name, _)| name.contains("reasoning"));
            add("reasoning", tokens(thought.map(|(_, count)| *count).sum()));
        }
        add("cost", run.cost.as_ref().and_then(|cost| dollars(Some(cost.total))));
        facts
    }

    fn view(&self) -> &str {
        match self.state.get("view") {
            Some(view @ ("json" | "raw")) => view,
            _ => "talk",
        }
    }

    fn views(&self) -> Vec<(&'static str, String, bool)> {
        let here = self.view();
        [("Conversation", "talk"), ("JSON", "json"), ("Raw", "raw")]
            .map(|(words, view)| {
                let value = if view == "talk" { "" } else { view };
                (words, self.state.with(&[("view", value)]).href(), here == view)
            })
            .into()
    }

    fn body(&self) -> Body {
        let run = &self.stored.run;
        let state = self.state.with(&[("run", &run.id.to_string())]);
        let href = |part: &'static str| {
            let state = state.clone();
            move |at: &str, offset: usize| place(&state, part, at, offset)
        };
        match self.view() {
            "json" => {
                let whole = payload(run.clone());
                let tree = |(name, value): (&String, &Value)| {
                    let words = match name.as_str() {
                        "inputs" => "Input",
                        "outputs" => "Output",
                        "events" => "Events",
                        "extra" => "Extra",
                        _ => "Serialized",
                    };
                    (words, wrapped(value, name, &Address { href: &href("json") }))
                };
                let fields = whole.as_object();
                Body::Json(fields.into_iter().flatten().map(tree).collect())
            }
            "raw" => {
                let piece = |name: &str, value: &Value| {
                    let at = format!("/{name}");
                    Raw::piece(&json::pretty(value), 0, |next| href("raw")(&at, next))
                };
                Body::Raw(vec![
                    ("Input", piece("inputs", &run.inputs)),
                    ("Output", piece("outputs", &run.outputs)),
                ])
            }
            _ => self.talk(),
        }
    }

    fn talk(&self) -> Body {
        let run = &self.stored.run;
        let size = weight(&run.inputs, TALKED).saturating_add(weight(&run.outputs, TALKED));
        if size > TALKED {
            return Body::Large(format!("more than {} MB", TALKED >> 20));
        }
        let medium = |reference: &str, mime_type: Option<&str>| media(&self.links, reference, mime_type);
        let nowhere = |_: RunId| String::new();
        let places = Places { medium: &medium, run: &nowhere };
        let talk = |messages: &[assay_domain::Message], nothing: &str| Talk {
            nothing: nothing.to_owned(),
            ..Talk::new(messages, &places)
        };
        let input = assay_transcript::messages(&run.inputs);
        let output = assay_transcript::messages_by(&run.outputs, assay_domain::Role::Assistant);
        Body::Talk {
            input: talk(&input, "No input was recorded."),
            output: talk(&output, "No output was recorded."),
            is_split: true,
        }
    }

    fn attachment(&self, one: &assay_domain::run::Attachment) -> Attachment {
        // Only what we keep ourselves: elsewhere a page asks nobody.
        let href = one.key().and_then(|_| self.links.url("", one)).unwrap_or_default();
        let kind = one.mime_type.as_deref().unwrap_or_default();
        let size = one.size.map(|size| format!("{} bytes", format::compact(size)));
        let note: Vec<String> =
            [Some(text::line(kind)).filter(|kind| !kind.is_empty()), size].into_iter().flatten().collect();
        Attachment {
            name: text::cut(&text::name(&one.name), 120).into_owned(),
            note: note.join(", "),
            href,
            is_image: matches!(kind, "image/png" | "image/jpeg" | "image/gif" | "image/webp"),
        }
    }
}

/// A tree of one part; what is neither list nor object is its only entry.
fn wrapped(value: &Value, name: &str, address: &Address<'_>) -> Tree {
    if value.is_array() || value.is_object() {
        return Tree::new(value, &format!("/{name}"), 0, address);
    }
    let mut only = Map::new();
    only.insert(name.to_owned(), value.clone());
    Tree::new(&Value::Object(only), "", 0, address)
}

fn metadata((key, value): (&String, &Value)) -> (String, String) {
    let value = match value {
        Value::String(words) => text::line(words),
        other => text::line(&json::pretty(other)),
    };
    (text::cut(&text::name(key), 80).into_owned(), text::cut(&value, 400).into_owned())
}

fn given(feedback: &Feedback) -> Given {
    let value = match &feedback.value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(words)) => text::line(words),
        Some(other) => text::line(&other.to_string()),
    };
    Given {
        id: listing::feedback_id(feedback.id),
        key: text::name(&feedback.key),
        score: feedback.score.map(format::number).unwrap_or_default(),
        score_value: feedback.score.map(|score| score.to_string()).unwrap_or_default(),
        value: text::cut(&value, 200).into_owned(),
        comment: text::cut(&text::line(feedback.comment.as_deref().unwrap_or_default()), 4_000).into_owned(),
        source: text::line(feedback.source.as_deref().unwrap_or_default()),
        time: feedback.created_at.into(),
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::ProjectId;
    use serde_json::json;

    use super::*;

    #[test]
    fn weighing_stops_once_it_is_enough() {
        let value = json!([["x".repeat(100)], "y".repeat(100)]);
        assert!(weight(&value, 1_000) > 200);
        assert!(weight(&value, 10) < 200);
    }

    #[test]
    fn words_are_found_in_name_error_and_payload() {
        let mut run = Run::unknown(RunId::default(), ProjectId::default());
        run.name = "Refund tool".into();
        run.error = Some("no refund".into());
        run.inputs = json!({ "q": ["a refund please", 1] });
        let places: Vec<String> = hits(&run, "REFUND").into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["name", "error", "inputs /q/0"]);
        assert!(hits(&run, " ").is_empty());
    }
}
