//! What pages show of datasets: lists, one of them with its splits and
//! versions, and its examples as conversations. Nothing is changed here.

use std::collections::BTreeMap;

use assay_domain::{Message, Time};
use assay_store::{Catalog as _, RecordQuery, Records as _};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::dataset::{self, Dataset};
use super::ledger::{self, Example, SPLITS, VERSION};
use super::snapshot::{At, Order, Selection, load};
use super::{conditions, export, versions};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;

/// Versions offered by their moment; those with a tag are always there.
const VERSIONS: usize = 20;

/// A dataset in a list.
pub(crate) struct Listed {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) examples: u64,
    pub(crate) experiments: usize,
    pub(crate) created_at: Time,
    pub(crate) modified_at: Time,
}

/// Every dataset, the last changed one first.
pub(crate) async fn list(app: &App) -> ApiResult<Vec<Listed>> {
    let query = RecordQuery { kind: dataset::KIND.to_owned(), ..RecordQuery::default() };
    let records = app.store.records(&query).await?;
    let mut experiments: BTreeMap<Uuid, usize> = BTreeMap::new();
    for project in app.store.projects().await? {
        if let Some(dataset) = project.reference_dataset {
            *experiments.entry(dataset).or_default() += 1;
        }
    }
    let mut all = Vec::with_capacity(records.len());
    for record in records {
        let dataset = Dataset::of(record)?;
        let count = experiments.get(&dataset.id).copied().unwrap_or(0);
        all.push(listed(dataset, count));
    }
    all.sort_by_key(|one| std::cmp::Reverse((one.modified_at, one.id)));
    Ok(all)
}

fn listed(dataset: Dataset, experiments: usize) -> Listed {
    let Dataset { id, name, created_at, modified_at, details } = dataset;
    Listed {
        id,
        name,
        description: details.description.unwrap_or_default(),
        examples: details.examples,
        experiments,
        created_at,
        modified_at,
    }
}

/// A version of a dataset.
pub(crate) struct Version {
    pub(crate) at: Time,
    pub(crate) tags: Vec<String>,
}

/// One dataset as it is, or was at a moment, with a page of its examples.
pub(crate) struct Opened {
    pub(crate) dataset: Listed,
    /// By name: examples in each split, at that moment.
    pub(crate) splits: BTreeMap<String, usize>,
    /// The newest first.
    pub(crate) versions: Vec<Version>,
    /// Projects whose runs went through it: id, name, start.
    pub(crate) experiments: Vec<(Uuid, String, Option<Time>)>,
    /// Whether an earlier version is shown.
    pub(crate) is_past: bool,
    /// Examples of that moment, and those that the address asks for.
    pub(crate) all: usize,
    pub(crate) found: usize,
    pub(crate) examples: Vec<Case>,
}

/// One example.
pub(crate) struct Case {
    pub(crate) id: Uuid,
    pub(crate) created_at: Time,
    pub(crate) splits: Vec<String>,
    pub(crate) source_run: Option<Uuid>,
    pub(crate) inputs: Value,
    pub(crate) outputs: Value,
    /// Without the splits.
    pub(crate) metadata: Map<String, Value>,
    pub(crate) said: Vec<Message>,
    pub(crate) answered: Vec<Message>,
    pub(crate) files: usize,
}

/// The dataset with the examples that `as_of`, `split` and `q` ask for; 404 where there is none.
/// `places` are those to be read of so many.
pub(crate) async fn open(
    app: &App,
    id: Uuid,
    params: &Params,
    places: impl Fn(usize) -> std::ops::Range<usize>,
) -> ApiResult<Opened> {
    let dataset = dataset::find(app, id).await?;
    let at = versions::moment(Some(&dataset), params.get("as_of"))?;
    let selection = Selection { dataset: Some(id), at, order: Order::NewestFirst, ..Selection::default() };
    let heads = selection.heads(app).await?;
    let mut splits: BTreeMap<String, usize> = BTreeMap::new();
    for split in heads.iter().flat_map(|head| &head.splits) {
        *splits.entry(split.clone()).or_default() += 1;
    }
    let all = heads.len();
    let wanted = params.get("split");
    let is_wanted =
        |splits: &[String]| wanted.is_none_or(|wanted| splits.iter().any(|split| split == wanted));
    let (found, examples) = match params.get("q") {
        None => {
            let heads: Vec<_> = heads.into_iter().filter(|head| is_wanted(&head.splits)).collect();
            let shown = heads[places(heads.len())].to_vec();
            (heads.len(), load(app, &shown).await?)
        }
        Some(words) => {
            let asked = Params::of_pairs([("full_text_contains", words)]);
            let selection = Selection {
                splits: wanted.map(str::to_owned).into_iter().collect(),
                conditions: conditions::of(&asked)?,
                ..selection
            };
            let found = selection.count(app).await?;
            let places = places(found);
            let examples = match places.is_empty() {
                true => Vec::new(),
                false => selection.page(app, places.start, places.len()).await?,
            };
            (found, examples)
        }
    };
    let projects = app.store.projects().await?.into_iter();
    let of_it = projects.filter(|project| project.reference_dataset == Some(id));
    let experiments: Vec<_> = of_it.map(|project| (project.id.0, project.name, project.created_at)).collect();
    let versions = history(app, &dataset).await?;
    Ok(Opened {
        splits,
        versions,
        is_past: at != At::Now,
        all,
        found,
        examples: examples.into_iter().map(case).collect(),
        dataset: listed(dataset, experiments.len()),
        experiments,
    })
}

/// Inputs and outputs of an example, as it is or was at `as_of`; 404 where there is none.
pub(crate) async fn payloads(
    app: &App,
    dataset: Uuid,
    example: Uuid,
    params: &Params,
) -> ApiResult<[Value; 2]> {
    let dataset = dataset::find(app, dataset).await?;
    let found = match versions::moment(Some(&dataset), params.get("as_of"))? {
        At::Now => ledger::current(app, example).await?,
        At::Moment(moment) => ledger::at(app, example, moment).await?,
    };
    let found = found.filter(|found| found.dataset == dataset.id);
    let content = found.ok_or_else(|| ApiError::not_found(format!("example {example}")))?.content;
    Ok([Value::Object(content.inputs), content.outputs.map_or(Value::Null, Value::Object)])
}

/// The last versions, and all that have a tag.
async fn history(app: &App, dataset: &Dataset) -> ApiResult<Vec<Version>> {
    let query = RecordQuery {
        kind: VERSION.to_owned(),
        parent: Some(dataset.id),
        without_bodies: true,
        is_newest_first: true,
        limit: VERSIONS,
        ..RecordQuery::default()
    };
    let records = app.store.records(&query).await?;
    let mut times: Vec<Time> = records.into_iter().map(|record| record.created_at).collect();
    times.extend(dataset.details.tags.values());
    times.sort_by_key(|time| std::cmp::Reverse(*time));
    times.dedup();
    let tags = |at: Time| {
        let own = dataset.details.tags.iter().filter(move |(_, tagged)| **tagged == at);
        own.map(|(tag, _)| tag.clone()).collect()
    };
    Ok(times.into_iter().map(|at| Version { at, tags: tags(at) }).collect())
}

fn case(example: Example) -> Case {
    let Example { id, created_at, content, .. } = example;
    let splits = content.splits().into_iter().map(str::to_owned).collect();
    let mut metadata = content.metadata.clone();
    metadata.shift_remove(SPLITS);
    let inputs = Value::Object(content.inputs.clone());
    let outputs = content.outputs.clone().map_or(Value::Null, Value::Object);
    let (source_run, files) = (content.source_run, content.files.len());
    let (said, answered) = export::conversation(content);
    Case { id, created_at, splits, source_run, inputs, outputs, metadata, said, answered, files }
}
