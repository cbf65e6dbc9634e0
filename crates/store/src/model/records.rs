//! Small documents: datasets, examples, queues, keys, settings, ... whatever
//! has an id and a body and is neither run nor feedback nor report.
//!
//! The store keeps them apart by `kind`, finds them by id, name and parent,
//! and changes several at once or none. What is inside is their owner's affair.

use assay_domain::Time;
use serde_json::Value;
use uuid::Uuid;

use crate::Key;

/// A document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// What it is: `dataset`, `example`, `key`, ...
    pub kind: String,
    /// Unique within its kind.
    pub id: Uuid,
    /// What it belongs to; deleted with [`Change::DeleteChildren`].
    pub parent: Option<Uuid>,
    /// Unique within kind and parent, where there is one.
    pub name: Option<String>,
    pub created_at: Time,
    pub modified_at: Time,
    pub body: Value,
    /// Files it has, by [`crate::blob_key`]: they stay as long as it does. In any order.
    pub blobs: Vec<Key>,
}

/// Which records of a kind to list, by creation time, then id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordQuery {
    pub kind: String,
    /// Only these, where not empty.
    pub ids: Vec<Uuid>,
    pub parent: Option<Uuid>,
    /// Exactly this name.
    pub name: Option<String>,
    /// This text in the name, in any case.
    pub name_contains: Option<String>,
    pub is_newest_first: bool,
    /// Leaves bodies null and files out: quick over very many records.
    pub without_bodies: bool,
    pub offset: usize,
    /// At most this many; all where 0.
    pub limit: usize,
}

/// One of the changes that happen together.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// [`crate::Error::Conflict`] if its id or name is taken.
    Insert(Record),
    /// [`crate::Error::NotFound`] if there is none of this id, `Conflict` if its new name is taken.
    Replace(Record),
    /// Inserts or replaces. `Conflict` if its name is another's.
    Put(Record),
    /// Nothing happens where there is none.
    Delete { kind: String, id: Uuid },
    /// All of a kind that belong to the parent.
    DeleteChildren { kind: String, parent: Uuid },
}
