//! The analysis: from threads to a report.
//!
//! Start with [`pipeline`]: it is the table of contents, one line per stage;
//! [`estimate`](mod@estimate) says what it would cost.
//! Stages do not know each other; [`summary`] and [`grouping`] hold what they
//! hand on. There is no clock, no environment and no global state here: time,
//! seed and settings are arguments, and the same threads, config and seed give
//! the same report, byte for byte, whatever the number of cores.

pub mod aggregate;
pub mod assemble;
pub mod compare;
pub mod context;
pub mod edit;
pub mod embed;
mod error;
pub mod errors_lens;
pub mod estimate;
pub mod executive;
pub mod failures;
pub mod forget;
pub mod group;
pub mod grouping;
pub mod map;
pub mod math;
pub mod model;
pub mod name;
pub mod numbers;
pub mod pipeline;
pub mod preview;
pub mod read;
pub mod sample;
pub mod select;
mod shares;
mod standing;
pub mod summarize;
pub mod summary;
#[cfg(test)]
#[path = "../tests/it/corpus.rs"]
mod test_corpus;
pub mod verify;

pub use context::Context;
pub use error::Error;
pub use estimate::{Effort, estimate};
pub use model::Analyst;
pub use pipeline::{run, run_over, scope};
pub use preview::preview;
