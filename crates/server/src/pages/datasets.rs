//! Datasets: all of them, and one with its examples, splits and versions.

use assay_domain::{RunId, Time, format};
use assay_ui::text;
use assay_ui::web::Shell;
use assay_ui::web::datasets::{DatasetPage, DatasetRow, DatasetsPage, ExampleView, VersionRow};
use assay_ui::web::json::pretty;
use assay_ui::web::listing::Choice;
use assay_ui::web::parts::Stat;
use assay_ui::web::talk::{Places, Talk};
use axum::Router;
use axum::extract::Path;
use axum::response::{Redirect, Response};
use axum::routing::get;
use chrono::SecondsFormat;
use serde_json::{Map, Value};
use url::form_urlencoded::byte_serialize;

use super::picture;
use super::portion::Portion;
use super::state::State;
use super::trace::media;
use super::{Visit, page};
use crate::access::permission::{Action, Area, Permission};
use crate::app::{App, WORKSPACE};
use crate::datasets::shown::{self, Case, Listed, Opened};
use crate::error::{ApiError, ApiResult};
use crate::extract::uuid;
use crate::ingest::attachments::{self, Links};

/// Datasets on a page.
const DATASETS: usize = 50;
/// Of a dataset, on a page beside its examples.
const SPLITS: usize = 24;
const VERSIONS: usize = 40;
const EXPERIMENTS: usize = 20;
/// Examples on a page.
const EXAMPLES: usize = 20;
/// Messages of an example; the first and the last are kept.
const MESSAGES: usize = 60;
/// Longer payloads are cut, in characters; the API has the whole.
const PAYLOAD: usize = 20_000;
/// Entries of metadata that are shown.
const METADATA: usize = 24;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/o/{tenant}/datasets", get(list))
        .route("/o/{tenant}/datasets/{dataset}", get(show))
        .route("/o/{tenant}/datasets/{dataset}/examples/{example}/picture/{number}", get(picture_of))
        // What SDKs print when an experiment begins.
        .route("/o/{tenant}/datasets/{dataset}/compare", get(compare))
}

fn place() -> String {
    format!("/o/{WORKSPACE}/datasets")
}

fn shell(visit: &Visit, title: &str) -> Shell {
    let mut shell = visit.shell(title).script("web/datasets.js");
    shell.is_datasets = true;
    shell
}

async fn compare(Path((_, dataset)): Path<(String, String)>) -> ApiResult<Redirect> {
    Ok(Redirect::to(&format!("{}/{}", place(), uuid("dataset", &dataset)?)))
}

async fn list(visit: Visit) -> ApiResult<Response> {
    let query: String = visit.params.get("q").unwrap_or_default().chars().take(200).collect();
    let portion = Portion::read(&visit.params, "offset", DATASETS);
    let all = shown::list(&visit.app).await?;
    let is_empty = all.is_empty();
    let wanted = query.trim().to_lowercase();
    let found: Vec<Listed> =
        all.into_iter().filter(|one| one.name.to_lowercase().contains(&wanted)).collect();
    let href = |offset: usize| {
        let query: String = byte_serialize(query.as_bytes()).collect();
        format!("{}?q={query}&offset={offset}", place())
    };
    let total = found.len();
    let rows: Vec<DatasetRow> = portion.of(found).into_iter().map(row).collect();
    Ok(page(&DatasetsPage {
        shell: shell(&visit, "Datasets"),
        place: place(),
        pager: portion.pager(href, total, ("dataset", "datasets")),
        rows,
        is_empty,
        query: text::line(&query),
        may_create: visit.may(Permission(Area::Datasets, Action::Create)),
        may_delete: visit.may(Permission(Area::Datasets, Action::Delete)),
    }))
}

fn row(one: Listed) -> DatasetRow {
    DatasetRow {
        id: one.id.to_string(),
        name: text::name(&one.name),
        description: text::cut(&text::line(&one.description), 300).into_owned(),
        href: format!("{}/{}", place(), one.id),
        examples: format::count(one.examples),
        experiments: if one.experiments == 0 {
            format::NONE.to_owned()
        } else {
            format::count(one.experiments)
        },
        made: one.created_at.into(),
        changed: one.modified_at.into(),
    }
}

async fn show(visit: Visit, Path((_, dataset)): Path<(String, String)>) -> ApiResult<Response> {
    let id = uuid("dataset", &dataset)?;
    let portion = Portion::read(&visit.params, "offset", EXAMPLES);
    let opened = shown::open(&visit.app, id, &visit.params, |found| portion.places(found)).await?;
    let names = ["q", "split", "as_of", "view", "offset", "splits", "versions", "experiments"];
    let state = State::read(format!("{}/{id}", place()), &visit.params, &names);
    let links = attachments::links(&visit.app).await?;
    let may = |action| visit.may(Permission(Area::Datasets, action));
    let here = Here {
        state,
        portion,
        splits: Portion::read(&visit.params, "splits", SPLITS),
        versions: Portion::read(&visit.params, "versions", VERSIONS),
        experiments: Portion::read(&visit.params, "experiments", EXPERIMENTS),
        links,
        may_change: may(Action::Update) && !opened.is_past,
        may_delete: may(Action::Delete),
    };
    let shell = shell(&visit, &opened.dataset.name).crumb(&opened.dataset.name, "").style("web/traces.css");
    let made = tokio::task::spawn_blocking(move || page(&here.page(shell, opened))).await;
    made.map_err(|error| {
        tracing::error!(%error, "a page could not be made");
        ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made")
    })
}

/// A picture that an example brings with it.
async fn picture_of(
    visit: Visit,
    Path((_, dataset, example, number)): Path<(String, String, String, String)>,
) -> ApiResult<Response> {
    let (dataset, example) = (uuid("dataset", &dataset)?, uuid("example", &example)?);
    picture::out_of(&shown::payloads(&visit.app, dataset, example, &visit.params).await?, &number)
}

struct Here {
    state: State,
    portion: Portion,
    splits: Portion,
    versions: Portion,
    experiments: Portion,
    links: Links,
    may_change: bool,
    may_delete: bool,
}

impl Here {
    fn page(mut self, shell: Shell, opened: Opened) -> DatasetPage {
        let Opened { dataset, splits, versions, experiments, is_past, all, found, examples } = opened;
        let is_json = self.state.get("view") == Some("json");
        let api = format!("/api/v1/datasets/{}", dataset.id);
        // Which versions its menu lists concerns the menu alone.
        let versions_pager = self.versions.pager_of(&self.state, "", versions.len(), ("version", "versions"));
        let is_in_versions = self.state.get("versions").is_some();
        let versions_shown = self.versions(&versions, self.state.get("as_of"));
        self.state = self.state.with(&[("versions", "")]);
        let state = self.state.with(&[("offset", "")]);
        let experiments_pager = self.experiments.pager_of(
            &self.state,
            "#experiments",
            experiments.len(),
            ("experiment", "experiments"),
        );
        let experiments = self.experiments.of(experiments);
        let as_of = self.state.get("as_of");
        let exported = |kind: &str| {
            let query: String =
                as_of.map(|as_of| byte_serialize(as_of.as_bytes()).collect()).unwrap_or_default();
            if query.is_empty() { format!("{api}/{kind}") } else { format!("{api}/{kind}?as_of={query}") }
        };
        let view = |label: &str, word: &str, is_current| Choice {
            label: label.to_owned(),
            href: self.state.with(&[("view", word)]).href(),
            is_current,
        };
        DatasetPage {
            place: place(),
            path: state.path.clone(),
            kept: self.state.with(&[("q", ""), ("offset", "")]).pairs,
            id: dataset.id.to_string(),
            name: text::name(&dataset.name),
            plain_name: dataset.name.clone(),
            description: text::line(&dataset.description),
            facts: facts(&dataset, &versions, all),
            views: vec![view("Conversations", "", !is_json), view("JSON", "json", is_json)],
            splits: split_choices(&state, &splits, self.splits, all),
            version_word: if is_past { "Earlier version".to_owned() } else { "Latest version".to_owned() },
            versions: versions_shown,
            latest: state.with(&[("as_of", "")]).href(),
            is_past,
            exports: EXPORTS
                .iter()
                .map(|(label, kind, file)| (*label, exported(kind), file_name(&dataset.name, file)))
                .collect(),
            experiments: experiments
                .into_iter()
                .map(|(id, name, at)| (text::name(&name), format!("/p/{id}/traces"), at.into()))
                .collect(),
            is_json,
            has_examples: all > 0,
            examples: examples.into_iter().map(|case| self.example(case, is_json)).collect(),
            pager: self.portion.pager_of(&self.state, "", found, ("example", "examples")),
            splits_pager: self.splits.pager_of(&self.state, "#examples", splits.len(), ("split", "splits")),
            versions_pager,
            is_in_versions,
            experiments_pager,
            query: text::line(self.state.get("q").unwrap_or_default()),
            clear: state.with(&[("q", ""), ("split", "")]).href(),
            may_change: self.may_change,
            may_delete: self.may_delete,
            api,
            shell,
        }
    }

    fn versions(&self, all: &[shown::Version], as_of: Option<&str>) -> Vec<VersionRow> {
        let row = |(index, version): (usize, &shown::Version)| {
            let moment = version.at.to_rfc3339_opts(SecondsFormat::Micros, true);
            let said = if index == 0 { "" } else { moment.as_str() };
            let is_tag = version.tags.iter().any(|tag| as_of == Some(tag));
            VersionRow {
                at: version.at.into(),
                tags: version.tags.iter().map(|tag| text::line(tag)).collect(),
                is_latest: index == 0,
                href: self.state.with(&[("as_of", said), ("offset", ""), ("versions", "")]).href(),
                is_current: is_tag || as_of.map_or(index == 0, |as_of| as_of == moment),
            }
        };
        let places = self.versions.places(all.len());
        all.iter().enumerate().skip(places.start).take(places.len()).map(row).collect()
    }

    fn example(&self, case: Case, is_json: bool) -> ExampleView {
        let medium = |reference: &str, mime_type: Option<&str>| media(&self.links, reference, mime_type);
        let run = |run: RunId| format!("/r/{run}");
        // It has what it needs, whatever became of the run it was taken from.
        let as_of = self.state.get("as_of").unwrap_or_default();
        let as_of: String = byte_serialize(as_of.as_bytes()).collect();
        let at = format!("{}/examples/{}/picture", self.state.path, case.id);
        let picture = |_: Option<RunId>, number| Some(format!("{at}/{number:016x}?as_of={as_of}"));
        let places = Places { medium: &medium, picture: &picture, run: &run };
        let talk = |messages: &[assay_domain::Message], nothing: &str| {
            let mut talk = Talk::new(&messages[..messages.len().min(MESSAGES)], &places);
            talk.nothing = nothing.to_owned();
            assay_ui::web::Page::html(&talk)
        };
        let (inputs_text, outputs_text) = (payload(&case.inputs), payload(&case.outputs));
        let is_talk = !is_json && !case.said.is_empty();
        ExampleView {
            id: case.id.to_string(),
            title: title(&case, &inputs_text),
            answer: first_words(&case.answered).unwrap_or_default(),
            created: case.created_at.into(),
            splits: case.splits.iter().map(|split| text::line(split)).collect(),
            source: case.source_run.map(|run| format!("/r/{run}")).unwrap_or_default(),
            is_talk,
            input: if is_talk { talk(&case.said, "Nothing was said.") } else { inputs_text },
            output: if is_talk { talk(&case.answered, "No output is wanted.") } else { outputs_text },
            more: if is_talk { case.said.len().saturating_sub(MESSAGES) } else { 0 },
            metadata: metadata(&case.metadata),
            files: case.files,
        }
    }
}

/// What it can be taken along as: label, word in the API, end of the file's name.
const EXPORTS: [(&str, &str, &str); 5] = [
    ("JSON lines", "jsonl", "jsonl"),
    ("Table (CSV)", "csv", "csv"),
    ("OpenAI evals", "openai", "evals.jsonl"),
    ("OpenAI fine-tuning", "openai_ft", "fine-tuning.jsonl"),
    ("Tests (pytest)", "pytest", "py"),
];

fn file_name(name: &str, end: &str) -> String {
    let plain = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).take(60).collect::<String>();
    // By this beginning pytest finds it.
    let begin = if end == "py" { "test_" } else { "" };
    format!("{begin}{plain}.{end}")
}

fn facts(dataset: &Listed, versions: &[shown::Version], all: usize) -> Vec<Stat> {
    let stat = |name: &str, value: String, note: &str| Stat {
        name: name.to_owned(),
        value,
        note: note.to_owned(),
        class: "",
    };
    let day = |time: Time| format::day(time);
    vec![
        stat("Examples", format::count(all), ""),
        stat("Experiments", format::count(dataset.experiments), "over these examples"),
        stat("Last changed", day(versions.first().map_or(dataset.modified_at, |version| version.at)), "UTC"),
        stat("Made", day(dataset.created_at), "UTC"),
    ]
}

fn split_choices(
    state: &State,
    splits: &std::collections::BTreeMap<String, usize>,
    portion: Portion,
    all: usize,
) -> Vec<Choice> {
    let choice = |label: String, word: &str| Choice {
        label,
        href: state.with(&[("split", word)]).href(),
        is_current: state.get("split").unwrap_or_default() == word,
    };
    let every = choice(format!("All {}", format::count(all)), "");
    let places = portion.places(splits.len());
    // The one that is looked at is among them, wherever it stands.
    let is_shown = |(at, (name, _)): &(usize, (&String, &usize))| {
        places.contains(at) || state.get("split") == Some(name.as_str())
    };
    let each = splits.iter().enumerate().filter(is_shown).map(|(_, (name, count))| {
        choice(format!("{} {}", text::cut(&text::name(name), 40), format::count(*count)), name)
    });
    std::iter::once(every).chain(each).collect()
}

fn first_words(messages: &[assay_domain::Message]) -> Option<String> {
    let said = messages.iter().map(|message| text::line(message.text().trim()));
    said.into_iter().find(|words| !words.is_empty()).map(|words| text::cut(&words, 200).into_owned())
}

/// What was asked, in a line.
fn title(case: &Case, inputs: &str) -> String {
    let asked: Vec<_> =
        case.said.iter().filter(|message| message.role == assay_domain::Role::User).cloned().collect();
    let words = first_words(&asked).or_else(|| first_words(&case.said));
    words.unwrap_or_else(|| text::cut(&text::line(inputs), 200).into_owned())
}

fn payload(value: &Value) -> String {
    if value.is_null() {
        return String::new();
    }
    let whole = pretty(value);
    text::cut(&text::visible(&whole), PAYLOAD).into_owned()
}

fn metadata(all: &Map<String, Value>) -> Vec<(String, String)> {
    let known = all.iter().filter(|(_, value)| !value.is_null());
    let shown = known.take(METADATA).map(|(key, value)| {
        let words = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (text::cut(&text::line(key), 80).into_owned(), text::cut(&text::line(&words), 400).into_owned())
    });
    shown.collect()
}
