//! Why rules cannot be used.

/// Says which rule, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no detector {name:?}; there are {known}, and the sets all, personal and secrets")]
    Detector { name: String, known: String },
    #[error("pattern {name:?}: {why}")]
    Pattern { name: String, why: String },
    #[error("path {path:?}: {why}")]
    Path { path: String, why: String },
    #[error("{0}")]
    Invalid(String),
}
