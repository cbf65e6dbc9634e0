//! The audit log: who did what to which object, and when. No content.
//!
//! Entries are records of their own kind, at most so many as the configuration
//! says; the oldest go first. What is written down is decided in `need`.

use std::sync::atomic::{AtomicU64, Ordering};

use assay_domain::Time;
use assay_store::{Change, Error, Record, RecordQuery, Records};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

const KIND: &str = "audit";
/// Every so many entries, what is too old is removed.
const PRUNE_EVERY: u64 = 64;
/// Longest text of an entry, in characters.
const LONGEST: usize = 200;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Time,
    pub actor: Actor,
    /// Method and route, or what the server did by itself: `DELETE /sessions/{session_id}`, `retention`.
    pub action: String,
    /// The permission that was needed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub permission: Option<String>,
    /// Ids in the path, what was made, how much was deleted.
    pub object: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Actor {
    /// `key`, `anonymous`, `server` or `cli`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The key.
    pub id: Option<Uuid>,
    pub name: Option<String>,
}

impl Actor {
    #[must_use]
    pub fn server() -> Self {
        Self { kind: "server".into(), id: None, name: None }
    }

    /// Somebody at the command line of the machine.
    #[must_use]
    pub fn cli() -> Self {
        Self { kind: "cli".into(), id: None, name: None }
    }
}

/// What a handler made or did, for the entry: an answer may carry it as an extension.
#[derive(Clone, Debug)]
pub(crate) struct Object(pub(crate) Map<String, Value>);

impl Object {
    pub(crate) fn made(id: Uuid) -> Self {
        Self(Map::from_iter([("id".to_owned(), id.to_string().into())]))
    }
}

/// The change that writes an entry down, for those who change something else with it.
pub fn change(entry: &Entry) -> Result<Change, Error> {
    let mut body = serde_json::to_value(entry).map_err(|error| Error::Invalid(error.to_string()))?;
    shorten(&mut body);
    Ok(Change::Insert(Record {
        kind: KIND.into(),
        id: Uuid::now_v7(),
        created_at: entry.at,
        modified_at: entry.at,
        body,
        ..Record::default()
    }))
}

/// An entry is small whatever was in the path.
fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(LONGEST) {
                text.truncate(end);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(map) => map.values_mut().for_each(shorten),
        _ => {}
    }
}

/// Entries, the newest first.
pub async fn list(store: &impl Records, offset: usize, limit: usize) -> Result<Vec<(Uuid, Entry)>, Error> {
    let records = store.records(&page(offset, limit)).await?;
    let read = |record: Record| {
        let damaged = |error: serde_json::Error| Error::Corrupt {
            what: format!("audit entry {}", record.id),
            why: error.to_string(),
        };
        Ok((record.id, serde_json::from_value(record.body).map_err(damaged)?))
    };
    records.into_iter().map(read).collect()
}

fn page(offset: usize, limit: usize) -> RecordQuery {
    RecordQuery { kind: KIND.into(), is_newest_first: true, offset, limit, ..RecordQuery::default() }
}

/// Writes entries and sees to it that there are not too many.
#[derive(Default)]
pub(crate) struct Audit {
    written: AtomicU64,
}

impl Audit {
    /// Durable once this returns.
    pub(crate) async fn write(&self, store: &impl Records, keep: usize, entry: &Entry) -> Result<(), Error> {
        store.change(vec![change(entry)?]).await?;
        // Also at the first entry: the limit may be lower than it was last time.
        if self.written.fetch_add(1, Ordering::Relaxed).is_multiple_of(PRUNE_EVERY) {
            prune(store, keep).await?;
        }
        Ok(())
    }
}

async fn prune(store: &impl Records, keep: usize) -> Result<(), Error> {
    loop {
        let old = store.records(&page(keep, 500)).await?;
        if old.is_empty() {
            return Ok(());
        }
        let delete = |record: Record| Change::Delete { kind: record.kind, id: record.id };
        store.change(old.into_iter().map(delete).collect()).await?;
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::PriceTable;
    use assay_store::EmbeddedStore;
    use chrono::{TimeDelta, Utc};
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn old_entries_make_room() {
        let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
        let audit = Audit::default();
        let begin = Utc::now();
        for step in 0..=PRUNE_EVERY {
            let entry = Entry {
                at: begin + TimeDelta::seconds(i64::try_from(step).expect("small")),
                actor: Actor::server(),
                action: "retention".into(),
                permission: None,
                object: json!({ "step": step, "long": "x".repeat(10_000) })
                    .as_object()
                    .cloned()
                    .expect("a map"),
                request_id: None,
            };
            audit.write(&store, 10, &entry).await.expect("written");
        }
        let entries = list(&store, 0, 100).await.expect("listed");
        let steps: Vec<_> = entries.iter().map(|(_, entry)| entry.object["step"].as_u64()).collect();
        assert_eq!(steps.len(), 10);
        assert_eq!(steps[0], Some(PRUNE_EVERY), "the newest stays");
        assert_eq!(entries[0].1.object["long"].as_str().map(str::len), Some(LONGEST));
    }
}
