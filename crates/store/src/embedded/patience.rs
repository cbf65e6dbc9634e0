//! How long somebody waits: what is not found by then is left for later, and said so.

use std::time::{Duration, Instant};

/// The moment at which an answer is due; none where it may take as long as it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn after(patience: Option<Duration>) -> Self {
        Self(patience.and_then(|patience| Instant::now().checked_add(patience)))
    }

    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|due| Instant::now() >= due)
    }
}
