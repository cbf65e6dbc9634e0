//! Every foreign format Assay reads, as pure functions over bytes.
//!
//! Files of chat histories, LangSmith runs and feedback, and OpenTelemetry
//! exports come in; [`RunPatch`]es and [`Feedback`] come out, and every record
//! that could not be read is named. Foreign words stop here. This crate knows
//! no store and no analysis, and how a payload becomes a conversation is the
//! `transcript` crate's business.
//!
//! Start with [`reader`], which streams a file, then [`detect`], then one format.

pub mod chat;
pub mod detect;
mod import;
pub mod json;
pub mod langsmith;
pub mod multipart;
pub mod otel;
pub mod prices;
pub mod reader;
pub mod time;
pub mod usage;

use std::collections::HashMap;

use assay_domain::run::Attachment;
use assay_domain::{Feedback, ProjectId, RunId, RunPatch};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::Digest as _;

pub use detect::Format;
pub use import::{Import, Names};
pub use reader::Reader;

/// What came out of some records, in the order they were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    pub patches: Vec<RunPatch>,
    pub feedback: Vec<Feedback>,
    /// Projects that runs name by id. It counts more than a name.
    pub projects: HashMap<RunId, ProjectId>,
    /// Contents of the attachments that came along, by their SHA-256.
    pub blobs: Vec<Blob>,
    /// Records that could not be read. They are skipped, never guessed at.
    pub rejected: Vec<Rejected>,
    /// Records that could be read only after their text was mended.
    pub repaired: usize,
}

/// A record that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where it is: `file:line`. A decoder that sees a single record leaves it
    /// empty or names the place inside the record; the reader puts the file before it.
    pub location: String,
    /// Lowercase, names the thing: `unknown run_type "agent"`.
    pub reason: String,
}

/// Content that came with a run, by its SHA-256.
type Blob = ([u8; 32], Vec<u8>);

/// An attachment and its content as the store keeps them.
fn attach(name: String, mime_type: Option<String>, content: Vec<u8>) -> (Attachment, Blob) {
    let key: [u8; 32] = sha2::Sha256::digest(&content).into();
    (Attachment::in_store(name, mime_type, key, content.len()), (key, content))
}

/// The bytes that base64 stands for, with or without padding: clients do either.
fn unbase64(text: &str) -> Option<Vec<u8>> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    BASE64.decode(text.trim()).ok()
}

impl Decoded {
    /// A decoding that yields nothing but this refusal.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        let mut decoded = Self::default();
        decoded.reject("", reason);
        decoded
    }

    /// Notes a record, or a part of one, that could not be read.
    pub fn reject(&mut self, location: impl Into<String>, reason: impl Into<String>) {
        self.rejected.push(Rejected { location: location.into(), reason: reason.into() });
    }

    /// Appends what `other` holds, in order.
    pub fn append(&mut self, other: Self) {
        let Self { patches, feedback, projects, blobs, rejected, repaired } = other;
        self.patches.extend(patches);
        self.feedback.extend(feedback);
        self.projects.extend(projects);
        self.blobs.extend(blobs);
        self.rejected.extend(rejected);
        self.repaired += repaired;
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patches.is_empty() && self.feedback.is_empty() && self.rejected.is_empty()
    }
}
