//! What a config gives on a few threads, before anybody pays for all of them:
//! summary, attributes and evidence of each, by the stages that a run uses.

use std::collections::{BTreeMap, BTreeSet};

use assay_domain::report::{AttributeValue, Evidence, ModelWork, Skipped};
use assay_domain::{ReportConfig, RunId, ThreadId};
use assay_store::{Project, Runs};
use serde::Serialize;

use crate::{Context, Error, model, read, sample, select};

/// What was found out about a few threads.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Threads that the selection matches.
    pub population: usize,
    pub threads: Vec<Previewed>,
    /// Those that cannot be read, and why.
    pub skipped: Vec<Skipped>,
    /// What the model did; absent in tier `local`.
    pub model: Option<ModelWork>,
}

/// One thread as a report would have it; as JSON under the names of the API.
#[derive(Clone, Debug, Serialize)]
pub struct Previewed {
    #[serde(rename = "thread_id")]
    pub thread: ThreadId,
    /// The run to open first.
    #[serde(rename = "run_id")]
    pub run: Option<RunId>,
    pub request: String,
    pub summary: String,
    pub attributes: BTreeMap<String, AttributeValue>,
    pub evidence: Vec<Evidence>,
    /// Whether a report would keep it: every `filter_by` attribute is true.
    #[serde(rename = "included")]
    pub is_kept: bool,
    /// Why the model could not read it; its summary is local then.
    pub unread: Option<String>,
}

/// Reads the threads that `config.sample` draws, and no more.
///
/// # Errors
/// As [`crate::run`] for a config that cannot be met.
pub async fn preview<S: Runs>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
) -> Result<Preview, Error> {
    let mut config = config.clone();
    let mut filters: BTreeSet<String> = BTreeSet::new();
    for (name, schema) in &mut config.attributes {
        // They are shown, too, and told apart.
        if std::mem::take(&mut schema.filter_by) {
            filters.insert(name.clone());
        }
    }
    let population = select::threads(ctx, project, &config).await?;
    let size = population.len();
    let drawn = sample::draw(&population, &config.sample, config.seed);
    let work = model::Work::begin(ctx.analyst, &config, ctx.cancel)?.watched_by(ctx.progress);
    let has_filters = work.reads();
    let (threads, skipped) = read::each(ctx, project.id, population, &drawn).await?;
    let threads = model::read::each(&work, ctx, project.id, threads).await?;
    let model = work.finish();
    let unread: BTreeMap<&ThreadId, &String> =
        model.iter().flat_map(|work| &work.unread).map(|one| (&one.thread, &one.reason)).collect();
    let shown = threads.into_iter().map(|thread| {
        let summary = thread.summary;
        let is_true = |name: &String| summary.attributes.get(name) == Some(&AttributeValue::Boolean(true));
        Previewed {
            is_kept: !has_filters || filters.iter().all(is_true),
            unread: unread.get(&summary.thread).map(|reason| (*reason).clone()),
            thread: summary.thread,
            run: summary.run,
            request: summary.request,
            summary: summary.text,
            attributes: summary.attributes,
            evidence: summary.evidence,
        }
    });
    let threads = shown.collect();
    Ok(Preview { population: size, threads, skipped, model })
}
