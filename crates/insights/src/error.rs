//! Why an analysis could not be made, by what the caller can do about it.

use crate::verify::Violation;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Invalid(String),
    /// Two reports that nothing can be said about together.
    #[error("{0}")]
    Incomparable(String),
    #[error("the analysis was stopped; nothing of it is stored, run it again to go on")]
    Cancelled,
    #[error(transparent)]
    Store(#[from] assay_store::Error),
    #[error("cannot embed: {0}")]
    Embed(#[from] assay_llm::Error),
    /// What was remembered stays: running it again goes on from there.
    #[error("cannot ask the model: {0}")]
    Model(#[source] assay_llm::Error),
    /// A defect of Assay: its own check refused the report.
    #[error("the report does not check: {}", list(.0))]
    Unverified(Vec<Violation>),
}

fn list(violations: &[Violation]) -> String {
    violations.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
