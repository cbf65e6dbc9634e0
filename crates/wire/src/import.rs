//! State that the files of one import share.
//!
//! A record without an id is named by its content and by how often that content
//! was seen before: importing the same files again gives the same ids, and ten
//! thousand identical lines are ten thousand records. Memory grows with the
//! number of different nameless records, about 30 bytes each.

use std::collections::HashMap;

use assay_domain::{FeedbackId, RunId};

/// How records name what they are about.
///
/// An id such as `1` or `conv-17` is unique in its source, not among all
/// sources: read from a file, it means another run in every project. A UUID
/// means the same everywhere, and so does what clients send to a server.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    project: Option<&'a str>,
    /// What a record is called that brings no id.
    pub(crate) unnamed: RunId,
}

impl<'a> Names<'a> {
    /// Names that mean the same in all projects.
    #[must_use]
    pub fn everywhere(unnamed: RunId) -> Self {
        Self { project: None, unnamed }
    }

    /// Names of one project.
    #[must_use]
    pub fn of(project: &'a str, unnamed: RunId) -> Self {
        Self { project: Some(project), unnamed }
    }

    /// A UUID as it is, any other name by its derived UUID.
    pub(crate) fn run(self, text: &str) -> RunId {
        text.parse().unwrap_or_else(|_| RunId::from_name(&self.scoped(text)))
    }

    /// As [`Names::run`].
    pub(crate) fn feedback(self, text: &str) -> FeedbackId {
        text.parse().unwrap_or_else(|_| FeedbackId::from_name(&self.scoped(text)))
    }

    fn scoped(self, text: &str) -> String {
        match self.project {
            Some(project) => format!("{project}\u{1f}{text}"),
            None => text.to_owned(),
        }
    }
}

/// Names the nameless records of one import.
#[derive(Debug)]
pub struct Import {
    project: String,
    seen: HashMap<[u8; 16], u32>,
}

impl Import {
    /// Into the project of that name.
    #[must_use]
    pub fn of(project: &str) -> Self {
        Self { project: project.to_owned(), seen: HashMap::new() }
    }

    /// How a record names things that is itself called `unnamed` if it does not say.
    pub(crate) fn names(&self, unnamed: RunId) -> Names<'_> {
        Names::of(&self.project, unnamed)
    }

    /// The id of the next record with this content hash.
    pub(crate) fn name(&mut self, content: [u8; 16]) -> RunId {
        let count = self.seen.entry(content).or_default();
        let number = *count;
        *count = count.saturating_add(1);
        let content = uuid::Uuid::from_bytes(content);
        self.names(RunId::default()).run(&format!("{content}#{number}"))
    }
}

/// A hash of a record's content: SHA-1 in the form of a version 5 UUID.
pub(crate) fn content_hash(bytes: &[u8]) -> [u8; 16] {
    const NAMESPACE: uuid::Uuid = uuid::Uuid::from_u128(0x6173_7361_792e_4000_8000_7265_636f_7264);
    *uuid::Uuid::new_v5(&NAMESPACE, bytes).as_bytes()
}
