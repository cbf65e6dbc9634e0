//! Runs with everything an answer tells of them, fetched for a page at once.

use std::collections::{BTreeMap, HashMap, HashSet};

use assay_domain::{ProjectId, RunId, RunStatus};
use assay_store::{Catalog as _, FeedbackStats, RecordQuery, Records as _, Runs as _, StoredRun};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::place::{self, Place};
use super::share;
use super::v1::Select;
use crate::app::{App, WORKSPACE};
use crate::error::ApiResult;
use crate::ingest::attachments::{self, Links};

/// A run as answers show it, in whatever shape.
pub(crate) struct Shown {
    pub(crate) stored: StoredRun,
    pub(crate) place: Place,
    /// Empty unless asked for.
    pub(crate) feedback: BTreeMap<String, FeedbackStats>,
    /// `None` unless asked for.
    pub(crate) share_token: Option<Uuid>,
    /// The dataset of the experiment it belongs to.
    pub(crate) reference_dataset: Option<Uuid>,
    /// How the client reaches this server.
    pub(crate) base_url: String,
    /// Only where it has attachments.
    pub(crate) links: Option<Links>,
}

/// What has to be fetched besides the runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) feedback: bool,
    pub(crate) share: bool,
}

impl Needs {
    pub(crate) fn of(select: &Select) -> Self {
        Self { feedback: select.has("feedback_stats"), share: select.has("share_token") }
    }
}

/// Fetches what belongs to these runs.
pub(crate) async fn gather(
    app: &App,
    runs: Vec<StoredRun>,
    needs: Needs,
    base_url: &str,
) -> ApiResult<Vec<Shown>> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<RunId> = runs.iter().map(|stored| stored.run.id).collect();
    let places = place::of(app, &runs).await?;
    let mut feedback = if needs.feedback { app.store.feedback_stats(&ids).await? } else { HashMap::new() };
    let shares = if needs.share { share_tokens(app, &ids).await? } else { HashMap::new() };
    let datasets = datasets(app, &runs).await?;
    let has_files = runs.iter().any(|stored| !stored.run.attachments.is_empty());
    let links = if has_files { Some(attachments::links(app).await?) } else { None };
    let shown = runs.into_iter().zip(places).map(|(stored, place)| Shown {
        place,
        feedback: feedback.remove(&stored.run.id).unwrap_or_default(),
        share_token: shares.get(&stored.run.id).copied(),
        reference_dataset: datasets.get(&stored.run.project).copied(),
        base_url: base_url.to_owned(),
        links: links.clone(),
        stored,
    });
    Ok(shown.collect())
}

async fn share_tokens(app: &App, runs: &[RunId]) -> ApiResult<HashMap<RunId, Uuid>> {
    let ids = runs.iter().map(|run| run.0).collect();
    let query = RecordQuery { kind: share::KIND.to_owned(), ids, ..RecordQuery::default() };
    let records = app.store.records(&query).await?;
    Ok(records.iter().filter_map(|record| Some((RunId(record.id), share::token(record)?))).collect())
}

/// The datasets of the experiments among the projects of these runs.
async fn datasets(app: &App, runs: &[StoredRun]) -> ApiResult<HashMap<ProjectId, Uuid>> {
    let experiments = runs.iter().filter(|stored| stored.run.reference_example.is_some());
    let projects: HashSet<ProjectId> = experiments.map(|stored| stored.run.project).collect();
    let mut datasets = HashMap::new();
    for id in projects {
        let project = app.store.project_by_id(id).await?;
        datasets.extend(project.and_then(|project| Some((id, project.reference_dataset?))));
    }
    Ok(datasets)
}

impl Shown {
    pub(crate) fn id(&self) -> RunId {
        self.stored.run.id
    }

    /// Whether it stands for its trace, and so shows what the trace amounts to.
    pub(crate) fn stands_for_trace(&self) -> bool {
        self.stored.trace.root == self.stored.run.id
    }

    /// The thread key of its trace; a trace of its own has none.
    pub(crate) fn thread(&self) -> Option<&str> {
        let thread = self.stored.thread.0.as_str();
        let is_own = thread == self.stored.run.trace.0.to_string();
        // Clients may use the id of a trace as a thread key, and then say so.
        let stated = self.stored.run.thread.as_ref().map(|thread| thread.0.as_str());
        if is_own || thread.is_empty() { stated } else { Some(thread) }
    }

    /// Whether it ended by asking somebody, which clients report as an error.
    pub(crate) fn is_interrupted(&self) -> bool {
        let mark = self.stored.run.metadata.get("ls_is_error_interrupt");
        self.stored.run.status() == RunStatus::Error && mark.is_some_and(|mark| *mark == json!(true))
    }

    /// Where a page shows it.
    pub(crate) fn app_path(&self) -> String {
        let run = &self.stored.run;
        format!("/o/{WORKSPACE}/projects/p/{}/r/{}", run.project, run.id)
    }

    pub(crate) fn share_url(&self) -> Option<String> {
        self.share_token.map(|token| format!("{}/public/{token}/r", self.base_url))
    }

    pub(crate) fn usage(&self) -> Tokens {
        let trace = &self.stored.trace;
        if self.stands_for_trace() {
            return Tokens {
                input: trace.input_tokens,
                output: trace.output_tokens,
                total: trace.total_tokens,
            };
        }
        let own = self.stored.run.usage.as_ref();
        own.map_or(Tokens::default(), |usage| Tokens {
            input: usage.input_tokens,
            output: usage.output_tokens,
            total: usage.total_tokens,
        })
    }

    pub(crate) fn cost(&self) -> Money {
        let trace = &self.stored.trace;
        if self.stands_for_trace() {
            return Money { input: trace.input_cost, output: trace.output_cost, total: trace.total_cost };
        }
        let own = self.stored.run.cost.as_ref();
        own.map_or(Money::default(), |cost| Money {
            input: Some(cost.input),
            output: Some(cost.output),
            total: Some(cost.total),
        })
    }

    /// Attachments by name: where to fetch each without a key, and what type it is of.
    pub(crate) fn attachments(&self) -> Vec<(&str, String, Option<&str>)> {
        let all = self.stored.run.attachments.iter();
        let link = |attachment| self.links.as_ref()?.url(&self.base_url, attachment);
        all.filter_map(|a| Some((a.name.as_str(), link(a)?, a.mime_type.as_deref()))).collect()
    }

    /// Everything in `extra` as the client sent it, the metadata included.
    pub(crate) fn extra(&self) -> Map<String, Value> {
        let run = &self.stored.run;
        let mut extra = run.extra.clone();
        extra.insert("metadata".to_owned(), Value::Object(run.metadata.clone()));
        extra
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) total: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Money {
    pub(crate) input: Option<rust_decimal::Decimal>,
    pub(crate) output: Option<rust_decimal::Decimal>,
    pub(crate) total: Option<rust_decimal::Decimal>,
}

/// A payload as an object, which is all that clients can read: other values under `key`.
pub(crate) fn object(payload: Value, key: &str) -> Value {
    match payload {
        Value::Null | Value::Object(_) => payload,
        other => json!({ key: other }),
    }
}
