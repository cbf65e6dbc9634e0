//! What went wrong in a thread, as far as structure shows it.
//!
//! No language model: exit codes, error fields, repeated calls, who spoke last.
//! Each detector prefers to stay silent: a rule that fires on healthy threads
//! is worse than a failure missed. Start with [`detect`]; the detectors are
//! [`runs`], [`behavior`] and [`answers`], [`template`] makes signatures.

mod answers;
pub(crate) mod behavior;
pub(crate) mod core;
mod models;
mod runs;
pub(crate) mod steps;
pub mod template;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use assay_domain::{RunStatus, Thread, Transcript};

use crate::summarize::corpus::Expectation;
use crate::summary::{Failure, FailureKind};
use steps::Step;

/// Everything that went wrong in a thread, worst first: what was not recovered
/// before what was, then by kind, then by how often.
///
/// Linear in the size of the thread. Equal failures (kind, tool, agent and
/// signature) are one entry with a count.
#[must_use]
pub fn detect(thread: &Thread, transcript: &Transcript) -> Vec<Failure> {
    Reading::of(thread, transcript, Expectation::default()).failures
}

/// A thread, gone through once: its steps, and what went wrong in them.
pub(crate) struct Reading<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    pub(crate) failures: Vec<Failure>,
    /// How often a call was made again, unchanged, right after it had failed.
    pub(crate) retries: usize,
    /// The largest number of equal calls.
    pub(crate) repeated_calls: usize,
}

impl<'a> Reading<'a> {
    /// `expected`: whether in this data a lone question is one that was left without an answer,
    /// and not simply all that was recorded; and since when an open thread counts as left alone.
    pub(crate) fn of(thread: &'a Thread, transcript: &'a Transcript, expected: Expectation) -> Self {
        let steps = steps::of(thread, transcript);
        let mut found = Findings::new(thread);
        runs::tool_errors(thread, &steps, &mut found);
        runs::other_errors(thread, transcript, &mut found);
        let repeats = behavior::repeats(&steps, &mut found);
        behavior::repeated_answers(transcript, &mut found);
        behavior::hand_offs(transcript, &mut found);
        answers::refusals(transcript, &mut found);
        answers::wrong_language(transcript, &mut found);
        answers::unanswered(thread, transcript, expected, &mut found);
        answers::reported(transcript, &mut found);
        Self {
            steps,
            failures: found.worst_first(),
            retries: repeats.retries,
            repeated_calls: repeats.repeated_calls,
        }
    }
}

/// Failures as they are found; equal ones are counted.
pub(crate) struct Findings {
    failures: Vec<Failure>,
    known: HashMap<(FailureKind, Option<String>, Option<String>, String), usize>,
    /// Whether a root run failed: then nothing was recovered.
    pub(crate) root_failed: bool,
}

impl Findings {
    fn new(thread: &Thread) -> Self {
        let root_failed = thread.traces.iter().any(|trace| trace.status() == RunStatus::Error);
        Self { failures: Vec::new(), known: HashMap::new(), root_failed }
    }

    /// Notes a failure. Of equal ones the last says whether it was recovered and where to look.
    pub(crate) fn add(&mut self, failure: Failure) {
        let key = (failure.kind, failure.tool.clone(), failure.agent.clone(), failure.signature.clone());
        match self.known.get(&key) {
            Some(&index) => {
                let known = &mut self.failures[index];
                known.count += failure.count;
                known.recovered = failure.recovered;
                known.run = failure.run.or(known.run);
            }
            None => {
                self.known.insert(key, self.failures.len());
                self.failures.push(failure);
            }
        }
    }

    fn has(&self, kind: FailureKind) -> bool {
        self.failures.iter().any(|failure| failure.kind == kind && !failure.recovered)
    }

    fn worst_first(self) -> Vec<Failure> {
        let mut failures = self.failures;
        let failing: Vec<Option<String>> = failures
            .iter()
            .filter(|failure| failure.kind == FailureKind::ToolError)
            .map(|failure| failure.tool.clone())
            .collect();
        // Stable: of equals, the one found first stays first.
        failures.sort_by_key(|failure| {
            let rank = match failure.kind {
                FailureKind::RunError => 0,
                FailureKind::ModelError => 1,
                // A loop of calls that fail is the tool's doing, any other the agent's.
                FailureKind::Loop if failing.contains(&failure.tool) => 4,
                FailureKind::Loop => 2,
                FailureKind::ToolError => 3,
                FailureKind::LimitReached => 5,
                FailureKind::HandOff => 6,
                FailureKind::Refusal => 7,
                FailureKind::Unanswered => 8,
                FailureKind::WrongLanguage => 9,
                FailureKind::Retry => 10,
                FailureKind::Found => 11,
            };
            (failure.recovered, rank, std::cmp::Reverse(failure.count))
        });
        failures
    }
}
