//! What the threads of a set have in common: the same preamble before every
//! request, and whether somebody usually answers.
//!
//! Made in a first pass over a bounded sample; a few hundred threads are
//! plenty. Observing in any order, or merging parts, gives the same corpus.

use std::collections::{HashMap, HashSet};

use assay_domain::{Role, Time, Transcript};

use super::digest;
use crate::failures::steps::hash;

/// Fewer threads than this tell nothing about what is usual.
const FEWEST: usize = 20;
/// Segments at the head of a message that are looked at.
const SEGMENTS: usize = 200;

/// What is usual in a set of threads.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    threads: usize,
    answered: usize,
    /// By hash of a segment of the first request: how many threads have it.
    segments: HashMap<u64, u32>,
    last_activity: Option<Time>,
}

/// How usual this set of threads is with answers, and until when it reaches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expectation {
    /// Most threads hold an answer, so that one without is one left alone.
    pub answers: bool,
    /// When anything last happened in any thread.
    pub last_activity: Option<Time>,
}

impl Corpus {
    /// Takes note of one thread. Memory grows with each new segment: observe a sample of at
    /// most a few thousand threads, drawn without regard to their order.
    pub fn observe(&mut self, transcript: &Transcript) {
        let Some(first) = digest::first_request(transcript) else { return };
        self.threads += 1;
        self.answered += usize::from(transcript.by(Role::Assistant).any(|message| !message.is_empty()));
        let text = first.text();
        let distinct: HashSet<u64> = digest::segments(&text).take(SEGMENTS).map(key).collect();
        for segment in distinct {
            *self.segments.entry(segment).or_default() += 1;
        }
    }

    /// Tells when anything last happened in any thread: what began long before and is still open
    /// was left alone.
    pub fn reaches_until(&mut self, last_activity: Option<Time>) {
        self.last_activity = self.last_activity.max(last_activity);
    }

    /// Adds what another corpus has seen.
    pub fn merge(&mut self, other: Self) {
        self.threads += other.threads;
        self.answered += other.answered;
        self.last_activity = self.last_activity.max(other.last_activity);
        for (segment, count) in other.segments {
            *self.segments.entry(segment).or_default() += count;
        }
    }

    /// Whether half of all requests hold the same part, so that it says nothing about any of them.
    pub(crate) fn is_boilerplate(&self, segment: &str) -> bool {
        if self.threads < FEWEST {
            return false;
        }
        let count = self.segments.get(&key(segment)).map_or(0, |&count| count as usize);
        count * 2 >= self.threads
    }

    pub(crate) fn expectation(&self) -> Expectation {
        Expectation { answers: self.answered * 2 > self.threads, last_activity: self.last_activity }
    }
}

fn key(segment: &str) -> u64 {
    hash(&segment.to_lowercase().split_whitespace().collect::<Vec<_>>())
}
