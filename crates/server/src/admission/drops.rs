//! What was dropped, written down: the late pieces of a trace that was kept out
//! stay out when the server was restarted in between.
//!
//! A ring of records, one for each batch that had drops: as many as fit the
//! memory of verdicts. The oldest are overwritten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use assay_domain::Time;
use assay_store::{Change, EmbeddedStore, Error, Record, RecordQuery, Records as _};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::memory::Memory;

const KIND: &str = "dropped";
/// Records of the ring.
const SLOTS: u64 = 2_048;

/// The place of the next record.
#[derive(Default)]
pub(super) struct Ring(AtomicU64);

impl Ring {
    /// Tells a memory what was dropped before.
    pub(super) async fn recall(&self, store: &EmbeddedStore, memory: &mut Memory) -> Result<(), Error> {
        let query = RecordQuery { kind: KIND.into(), ..RecordQuery::default() };
        let mut records = store.records(&query).await?;
        records.sort_by_key(|record| record.body["turn"].as_u64());
        for record in &records {
            let rules = record.body["ids"].as_object().into_iter().flatten();
            for (rule, ids) in rules {
                let ids = ids.as_array().into_iter().flatten().filter_map(Value::as_str);
                ids.filter_map(|id| id.parse().ok()).for_each(|id| memory.recall(id, rule));
            }
        }
        let next = records.last().and_then(|record| record.body["turn"].as_u64()).map_or(0, |turn| turn + 1);
        self.0.store(next, Ordering::Relaxed);
        Ok(())
    }

    /// Writes down what a batch dropped; it is durable then.
    pub(super) async fn write(
        &self,
        store: &EmbeddedStore,
        dropped: Vec<(Uuid, Arc<str>)>,
        now: Time,
    ) -> Result<(), Error> {
        if dropped.is_empty() {
            return Ok(());
        }
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        let mut ids: Map<String, Value> = Map::new();
        for (id, rule) in dropped {
            let of_rule = ids.entry(&*rule).or_insert_with(|| json!([]));
            of_rule.as_array_mut().into_iter().for_each(|list| list.push(json!(id)));
        }
        let slot = turn % SLOTS;
        let record = Record {
            kind: KIND.into(),
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("dropped {slot}").as_bytes()),
            created_at: now,
            modified_at: now,
            body: json!({ "turn": turn, "ids": ids }),
            ..Record::default()
        };
        store.change(vec![Change::Put(record)]).await
    }
}
