//! A thread as it is read: what was said in it, and what each of its traces took.

use assay_domain::{Run, RunStatus, Thread, TraceId, Transcript};

/// What was said in a thread, and its turns.
#[derive(Clone, Debug, Default)]
pub struct Spoken {
    pub transcript: Transcript,
    /// One for each trace, in order; empty where only what was said is known.
    pub turns: Vec<Turn>,
}

/// What one trace of a thread took.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    pub trace: TraceId,
    /// Seconds from the beginning of its root to its end.
    pub latency: Option<f64>,
    /// US dollars, where the cost of any run is known.
    pub cost: Option<f64>,
    pub tokens: u64,
    /// Whether its root ended in an error.
    pub is_failed: bool,
}

impl Spoken {
    /// What was said in a thread, with all its turns.
    #[must_use]
    pub fn new(transcript: Transcript, thread: &Thread) -> Self {
        let turn = |trace: &assay_domain::Trace| Turn {
            trace: trace.id,
            latency: trace.root().and_then(Run::latency),
            cost: trace.total_cost().and_then(|cost| f64::try_from(cost).ok()),
            tokens: trace.total_tokens(),
            is_failed: trace.status() == RunStatus::Error,
        };
        Self { transcript, turns: thread.traces.iter().map(turn).collect() }
    }
}

impl From<Transcript> for Spoken {
    fn from(transcript: Transcript) -> Self {
        Self { transcript, turns: Vec::new() }
    }
}
