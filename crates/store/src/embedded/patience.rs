//! How long somebody waits: what is not found by then is left for later, and said so.

use std::time::{Duration, Instant};

/// The moment at which an answer is due; none where it may take as long as it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Due);

#[derive(Clone, Copy, Debug)]
enum Due {
    Never,
    At(Instant),
    /// Once it was looked at so often.
    #[cfg(test)]
    After(&'static std::sync::atomic::AtomicUsize),
}

impl Deadline {
    pub(crate) fn after(patience: Option<Duration>) -> Self {
        let due = patience.and_then(|patience| Instant::now().checked_add(patience));
        Self(due.map_or(Due::Never, Due::At))
    }

    /// One that is over once it was looked at so often.
    #[cfg(test)]
    pub(crate) fn after_looks(looks: usize) -> Self {
        Self(Due::After(Box::leak(Box::new(looks.into()))))
    }

    /// Whether there is one at all.
    pub(crate) fn is_set(self) -> bool {
        !matches!(self.0, Due::Never)
    }

    pub(crate) fn is_over(self) -> bool {
        match self.0 {
            Due::Never => false,
            Due::At(due) => Instant::now() >= due,
            #[cfg(test)]
            Due::After(left) => {
                use std::sync::atomic::Ordering::Relaxed;
                left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err()
            }
        }
    }
}
