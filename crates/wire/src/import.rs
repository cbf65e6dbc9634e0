//! State that the files of one import share.
//!
//! A record without an id is named by its content and by how often that content
//! was seen before: importing the same files again gives the same ids, and ten
//! thousand identical lines are ten thousand records. Memory grows with the
//! number of different nameless records, about 30 bytes each.

use std::collections::HashMap;

use assay_domain::RunId;

/// Names the nameless records of one import.
#[derive(Debug, Default)]
pub struct Import {
    seen: HashMap<[u8; 16], u32>,
}

impl Import {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of the next record with this content hash.
    pub(crate) fn name(&mut self, content: [u8; 16]) -> RunId {
        let count = self.seen.entry(content).or_default();
        let number = *count;
        *count = count.saturating_add(1);
        let content = uuid::Uuid::from_bytes(content);
        RunId::from_name(&format!("{content}#{number}"))
    }
}

/// A hash of a record's content: SHA-1 in the form of a version 5 UUID.
pub(crate) fn content_hash(bytes: &[u8]) -> [u8; 16] {
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x6173_7361_792e_4000_8000_7265_636f_7264);
    *uuid::Uuid::new_v5(&NAMESPACE, bytes).as_bytes()
}
