//! Examples and their history.
//!
//! The state of an example that holds now is a record of kind [`EXAMPLE`] under
//! its id; a state that held before is one of kind [`PAST`]. Every write of
//! whatever size makes one version of its dataset: a moment, later than all
//! before, which is the `modified_at` of what it wrote. States are never
//! changed, so how the dataset looked at a moment can always be told.
//!
//! Lists by split or by moment must not read the bodies of 100,000 records.
//! Therefore what they need stands in the names of the records: see [`Head`].

use std::collections::HashSet;

use assay_domain::Time;
use assay_domain::run::Attachment;
use assay_store::{Change, Record, RecordQuery, Records as _, blob_of};
use chrono::{DateTime, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::dataset::Dataset;
use crate::app::App;
use crate::error::{ApiError, ApiResult};

pub(super) const EXAMPLE: &str = "example";
pub(super) const PAST: &str = "example-past";
pub(super) const VERSION: &str = "dataset-version";

/// Where its splits stand in the metadata of an example.
pub(super) const SPLITS: &str = "dataset_split";
/// The split of an example that names none.
pub(super) const BASE: &str = "base";

/// One state of an example.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Example {
    pub(super) id: Uuid,
    pub(super) dataset: Uuid,
    pub(super) created_at: Time,
    /// The version that wrote this state.
    pub(super) version: Time,
    pub(super) content: Content,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Content {
    pub(super) inputs: Map<String, Value>,
    pub(super) outputs: Option<Map<String, Value>>,
    /// With the splits under [`SPLITS`].
    pub(super) metadata: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_run: Option<Uuid>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<File>,
}

/// A file of an example; its bytes are among the store's blobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) mime_type: Option<String>,
    pub(super) reference: String,
    pub(super) size: Option<u64>,
}

impl From<Attachment> for File {
    fn from(attachment: Attachment) -> Self {
        let Attachment { name, mime_type, reference, size } = attachment;
        Self { name, mime_type, reference, size }
    }
}

impl From<File> for Attachment {
    fn from(file: File) -> Self {
        let File { name, mime_type, reference, size } = file;
        Self { name, mime_type, reference, size }
    }
}

impl Content {
    pub(super) fn splits(&self) -> Vec<&str> {
        let named = self.metadata.get(SPLITS).and_then(Value::as_array);
        named.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn record(&self, kind: &str, id: Uuid) -> Record {
        Record {
            kind: kind.to_owned(),
            id,
            body: json!(self),
            blobs: self.files.iter().filter_map(|file| blob_of(&file.reference)).collect(),
            ..Record::default()
        }
    }
}

/// What the record of a state says without its body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) kind: &'static str,
    /// Of the record.
    pub(super) record: Uuid,
    pub(super) example: Uuid,
    pub(super) created_at: Time,
    pub(super) version: Time,
    /// When another state took its place, or the example was deleted.
    pub(super) until: Option<Time>,
    pub(super) splits: Vec<String>,
}

impl Head {
    /// `None` for a record that is not in order.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let name = record.name.as_deref()?;
        let (id, rest) = name.split_once(' ')?;
        let example = id.parse().ok()?;
        let (kind, version, until, splits) = if record.kind == EXAMPLE {
            (EXAMPLE, record.modified_at, None, rest)
        } else {
            let (micros, splits) = rest.split_once(' ')?;
            let version = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
            (PAST, version, Some(record.modified_at), splits)
        };
        let splits = serde_json::from_str(splits).ok()?;
        Some(Self { kind, record: record.id, example, created_at: record.created_at, version, until, splits })
    }

    pub(super) fn holds_at(&self, moment: Time) -> bool {
        self.version <= moment && self.until.is_none_or(|until| moment < until)
    }
}

impl Example {
    /// Reads the record of a state.
    pub(super) fn of(record: Record) -> ApiResult<Self> {
        let damaged = |why: &str| {
            tracing::error!(record = %record.id, why, "an example cannot be read");
            let text = format!("example {} cannot be read; the server's log says why", record.id);
            ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR, text)
        };
        let head = Head::of(&record).ok_or_else(|| damaged("its name is not in order"))?;
        let dataset = record.parent.ok_or_else(|| damaged("it belongs to no dataset"))?;
        let content = Content::deserialize(&record.body).map_err(|error| damaged(&error.to_string()))?;
        Ok(Self { id: head.example, dataset, created_at: head.created_at, version: head.version, content })
    }

    fn record(&self) -> Record {
        Record {
            parent: Some(self.dataset),
            name: Some(format!("{} {}", self.id, json!(self.content.splits()))),
            created_at: self.created_at,
            modified_at: self.version,
            ..self.content.record(EXAMPLE, self.id)
        }
    }

    fn past(&self, until: Time) -> Record {
        let version = self.version.timestamp_micros();
        Record {
            parent: Some(self.dataset),
            name: Some(format!("{} {version} {}", self.id, json!(self.content.splits()))),
            created_at: self.created_at,
            modified_at: until,
            ..self.content.record(PAST, Uuid::now_v7())
        }
    }
}

/// What is to become of one example.
pub(super) enum Edit {
    Create { id: Uuid, created_at: Option<Time>, content: Content },
    Replace { old: Box<Example>, content: Content },
    Delete(Example),
}

/// Writes all of it as one version and returns the new states in order.
///
/// The caller holds `app.changing` since it read the dataset and the old
/// states. 409 if the id of a new example is taken.
pub(super) async fn commit(app: &App, mut dataset: Dataset, edits: Vec<Edit>) -> ApiResult<Vec<Example>> {
    let (changes, written) = changes(&mut dataset, app.now(), edits);
    if !changes.is_empty() {
        app.store.change(changes).await?;
    }
    Ok(written)
}

/// Makes a dataset that has examples from the beginning, or nothing.
pub(super) async fn found(app: &App, mut dataset: Dataset, edits: Vec<Edit>) -> ApiResult<Dataset> {
    let first = Change::Insert(dataset.record());
    let (changes, _) = changes(&mut dataset, app.now(), edits);
    app.store.change(std::iter::once(first).chain(changes).collect()).await?;
    Ok(dataset)
}

fn changes(dataset: &mut Dataset, now: Time, edits: Vec<Edit>) -> (Vec<Change>, Vec<Example>) {
    if edits.is_empty() {
        return Default::default();
    }
    let version = dataset.next_version(now);
    let count = edits.len();
    let mut changes = Vec::with_capacity(count * 2 + 2);
    let mut written = Vec::with_capacity(count);
    for (index, edit) in edits.into_iter().enumerate() {
        match edit {
            Edit::Create { id, created_at, content } => {
                // What comes together is listed in its order, and lists go by time of creation.
                let place = TimeDelta::microseconds(i64::try_from(count - 1 - index).unwrap_or(0));
                let created_at = created_at.unwrap_or(version - place);
                let example = Example { id, dataset: dataset.id, created_at, version, content };
                changes.push(Change::Insert(example.record()));
                dataset.details.examples += 1;
                written.push(example);
            }
            Edit::Replace { old, content } => {
                changes.push(Change::Insert(old.past(version)));
                let example = Example { version, content, ..*old };
                changes.push(Change::Replace(example.record()));
                written.push(example);
            }
            Edit::Delete(old) => {
                changes.push(Change::Insert(old.past(version)));
                changes.push(Change::Delete { kind: EXAMPLE.to_owned(), id: old.id });
                dataset.details.examples = dataset.details.examples.saturating_sub(1);
            }
        }
    }
    changes.extend(close(dataset, version));
    (changes, written)
}

/// Removes examples from all versions, as one more version. Returns those there were.
///
/// The caller holds `app.changing`.
pub(super) async fn erase(app: &App, mut dataset: Dataset, examples: &[Uuid]) -> ApiResult<Vec<Uuid>> {
    let mut changes = Vec::new();
    let mut erased = Vec::new();
    let query = RecordQuery {
        kind: PAST.to_owned(),
        parent: Some(dataset.id),
        without_bodies: true,
        ..RecordQuery::default()
    };
    let past = app.store.records(&query).await?;
    let mut past: Vec<Head> = past.iter().filter_map(Head::of).collect();
    let wanted: HashSet<Uuid> = examples.iter().copied().collect();
    past.retain(|head| wanted.contains(&head.example));
    let had: HashSet<Uuid> = past.iter().map(|head| head.example).collect();
    for example in examples {
        let current = app.store.record(EXAMPLE, *example).await?.filter(|it| it.parent == Some(dataset.id));
        if current.is_some() {
            changes.push(Change::Delete { kind: EXAMPLE.to_owned(), id: *example });
            dataset.details.examples = dataset.details.examples.saturating_sub(1);
        }
        if current.is_some() || had.contains(example) {
            erased.push(*example);
        }
    }
    changes.extend(past.iter().map(|head| Change::Delete { kind: PAST.to_owned(), id: head.record }));
    if !erased.is_empty() {
        let version = dataset.next_version(app.now());
        changes.extend(close(&mut dataset, version));
        app.store.change(changes).await?;
    }
    Ok(erased)
}

/// What every version writes besides its examples.
fn close(dataset: &mut Dataset, version: Time) -> [Change; 2] {
    dataset.details.version = Some(version);
    dataset.modified_at = version;
    let record = Record {
        kind: VERSION.to_owned(),
        id: Uuid::now_v7(),
        parent: Some(dataset.id),
        created_at: version,
        modified_at: version,
        body: json!({}),
        ..Record::default()
    };
    [Change::Insert(record), Change::Replace(dataset.record())]
}

/// The present state of an example.
pub(super) async fn current(app: &App, id: Uuid) -> ApiResult<Option<Example>> {
    app.store.record(EXAMPLE, id).await?.map(Example::of).transpose()
}

/// The state of an example at a moment.
pub(super) async fn at(app: &App, id: Uuid, moment: Time) -> ApiResult<Option<Example>> {
    let current = app.store.record(EXAMPLE, id).await?;
    let dataset = current.as_ref().and_then(|record| record.parent);
    if let Some(record) = current.filter(|record| record.modified_at <= moment) {
        return Example::of(record).map(Some);
    }
    let past = past_of(app, dataset, id).await?;
    let held = past.iter().filter_map(Head::of).find(|head| head.holds_at(moment)).map(|head| head.record);
    match held {
        Some(record) => app.store.record(PAST, record).await?.map(Example::of).transpose(),
        None => Ok(None),
    }
}

/// The records, without bodies, of the states that an example had before. Where the
/// dataset is not known, all datasets are gone through.
pub(super) async fn past_of(app: &App, dataset: Option<Uuid>, example: Uuid) -> ApiResult<Vec<Record>> {
    let query = RecordQuery {
        kind: PAST.to_owned(),
        parent: dataset,
        name_contains: Some(format!("{example} ")),
        without_bodies: true,
        ..RecordQuery::default()
    };
    Ok(app.store.records(&query).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(splits: &[&str]) -> Example {
        let metadata = Map::from_iter([(SPLITS.to_owned(), json!(splits))]);
        let moment = |micros| DateTime::from_timestamp_micros(micros).expect("a moment");
        Example {
            id: Uuid::from_u128(7),
            dataset: Uuid::from_u128(8),
            created_at: moment(1),
            version: moment(2),
            content: Content { metadata, ..Content::default() },
        }
    }

    #[test]
    fn the_name_of_a_record_tells_what_lists_need() {
        let example = example(&["a b", "c\"]"]);
        let head = Head::of(&example.record()).expect("in order");
        assert_eq!((head.example, head.version, head.until), (example.id, example.version, None));
        assert_eq!(head.splits, ["a b", "c\"]"]);

        let until = example.version + TimeDelta::microseconds(5);
        let past = Head::of(&example.past(until)).expect("in order");
        assert_eq!((past.example, past.version, past.until), (example.id, example.version, Some(until)));
        assert_eq!(past.splits, head.splits);
        assert!(past.holds_at(example.version) && !past.holds_at(until));
    }

    #[test]
    fn a_state_survives_being_written_down() {
        let example = example(&["x"]);
        assert_eq!(Example::of(example.record()).expect("read"), example);
        assert_eq!(Example::of(example.past(example.version)).expect("read"), example);
    }
}
