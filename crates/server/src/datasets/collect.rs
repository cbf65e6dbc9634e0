//! Examples that the server itself collects, such as the threads of a category.
//!
//! Their ids follow from the dataset and from what they are made of, so
//! collecting the same again adds nothing twice.

use assay_store::{RecordQuery, Records as _};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::dataset::{self, Dataset, NewDataset};
use super::ledger::{self, Content, EXAMPLE, Edit, SPLITS};
use super::schema::Schemas;
use super::splits;
use crate::app::App;
use crate::error::ApiResult;

/// Ids looked up at once.
const PORTION: usize = 500;

/// One example to be.
pub(crate) struct Draft {
    /// What it is made of, in words that are the same every time.
    pub(crate) origin: String,
    pub(crate) inputs: Map<String, Value>,
    pub(crate) outputs: Map<String, Value>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) source_run: Option<Uuid>,
}

/// Where examples go.
pub(crate) enum Target {
    Dataset(Uuid),
    /// A new one of this name.
    New {
        name: String,
        description: Option<String>,
    },
}

/// What became of them.
pub(crate) struct Collected {
    pub(crate) dataset: Uuid,
    pub(crate) name: String,
    pub(crate) added: usize,
    /// Those that were there already.
    pub(crate) known: usize,
}

/// Puts examples into a dataset, as one version.
///
/// 404 where the dataset does not exist, 409 where the name of a new one is
/// taken, 422 where an example does not fit the schemas.
pub(crate) async fn collect(app: &App, target: Target, drafts: Vec<Draft>) -> ApiResult<Collected> {
    let _alone = app.changing.lock().await;
    match target {
        Target::Dataset(id) => {
            let dataset = dataset::find(app, id).await?;
            let (edits, known) = edits(app, &dataset, drafts).await?;
            let (name, added) = (dataset.name.clone(), edits.len());
            ledger::commit(app, dataset, edits).await?;
            Ok(Collected { dataset: id, name, added, known })
        }
        Target::New { name, description } => {
            let new = NewDataset { name, description, ..NewDataset::default() };
            let dataset = new.dataset(app.now())?;
            let (edits, known) = edits(app, &dataset, drafts).await?;
            let added = edits.len();
            let Dataset { id, name, .. } = ledger::found(app, dataset, edits).await?;
            Ok(Collected { dataset: id, name, added, known })
        }
    }
}

/// What is to be written, and how many are there already.
async fn edits(app: &App, dataset: &Dataset, drafts: Vec<Draft>) -> ApiResult<(Vec<Edit>, usize)> {
    let schemas = Schemas::of(dataset)?;
    let id_of = |draft: &Draft| Uuid::new_v5(&dataset.id, draft.origin.as_bytes());
    let ids: Vec<Uuid> = drafts.iter().map(id_of).collect();
    let mut known = std::collections::HashSet::new();
    for ids in ids.chunks(PORTION) {
        let query = RecordQuery {
            kind: EXAMPLE.to_owned(),
            ids: ids.to_vec(),
            without_bodies: true,
            ..RecordQuery::default()
        };
        known.extend(app.store.records(&query).await?.into_iter().map(|record| record.id));
    }
    let mut edits = Vec::with_capacity(drafts.len());
    for (draft, id) in drafts.into_iter().zip(ids) {
        // The same origin twice in one go is one example, too.
        if !known.insert(id) {
            continue;
        }
        let Draft { origin: _, inputs, outputs, mut metadata, source_run } = draft;
        metadata.insert(SPLITS.to_owned(), splits::of(None, None, None));
        schemas.check(&format!("example {id}"), &inputs, Some(&outputs))?;
        let content = Content { inputs, outputs: Some(outputs), metadata, source_run, files: Vec::new() };
        edits.push(Edit::Create { id, created_at: None, content });
    }
    let known = known.len() - edits.len();
    Ok((edits, known))
}
