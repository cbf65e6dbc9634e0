//! The vocabulary of Assay.
//!
//! Every other crate speaks these words: a [`Run`] is one step of an agent, a
//! [`Trace`] a tree of runs, a [`Thread`] the traces of one conversation, a
//! [`Transcript`] what was said and done in it, a [`Report`] what the analysis
//! found. Plain data without I/O, threads or clocks. Foreign words (LangSmith,
//! OpenTelemetry, SQL) do not occur here: decoders translate them at the door.
//!
//! Start with [`run`], then [`trace`], then [`report`].

pub mod comparison;
pub mod edit;
pub mod estimate;
pub mod feedback;
pub mod format;
pub mod id;
pub mod job;
pub mod order;
pub mod price;
pub mod report;
pub mod run;
mod strategy;
pub mod trace;
pub mod transcript;
pub mod usage;

pub use edit::{CategoryEdit, Edits};
pub use estimate::{RunEstimate, StageEstimate};
pub use feedback::Feedback;
pub use id::{FeedbackId, ProjectId, ReportId, RunId, ThreadId, TraceId};
pub use job::{Job, JobState, JobStatus};
pub use price::PriceTable;
pub use report::{Report, ReportConfig};
pub use run::{ENDED, Run, RunKind, RunPatch, RunStatus};
pub use trace::{Thread, ThreadOverview, Trace};
pub use transcript::{Message, Part, Role, ToolCall, Transcript};
pub use usage::{Cost, Usage};

/// A moment in UTC. Stored with microsecond precision.
pub type Time = chrono::DateTime<chrono::Utc>;
