//! What was decided lately: pieces of a trace come one after the other, and
//! what was said of the first holds for the rest.
//!
//! Bounded: the oldest decisions are forgotten. An update that comes so late
//! is taken, as if its run had been kept. What was dropped is also written
//! down (`drops`), so that a server that was restarted goes on dropping it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

/// So many traces and runs are remembered.
const MOST: usize = 200_000;

/// What became of a trace, or of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// `knows_root`: the rules have been asked.
    Kept { knows_root: bool },
    /// By this rule.
    Dropped(Arc<str>),
}

impl Verdict {
    pub(super) fn is_drop(&self) -> bool {
        matches!(self, Self::Dropped(_))
    }
}

#[derive(Default)]
pub(super) struct Memory {
    verdicts: HashMap<Uuid, Verdict>,
    order: VecDeque<Uuid>,
    /// Dropped since this was last taken.
    news: Vec<(Uuid, Arc<str>)>,
}

impl Memory {
    pub(super) fn of(&self, id: Uuid) -> Option<&Verdict> {
        self.verdicts.get(&id)
    }

    /// What was dropped and is not written down yet.
    pub(super) fn take_news(&mut self) -> Vec<(Uuid, Arc<str>)> {
        std::mem::take(&mut self.news)
    }

    /// What was dropped before this process began.
    pub(super) fn recall(&mut self, id: Uuid, rule: &str) {
        self.keep(id, Verdict::Dropped(rule.into()));
    }

    pub(super) fn remember(&mut self, id: Uuid, verdict: Verdict) {
        if let Verdict::Dropped(rule) = &verdict
            && self.verdicts.get(&id) != Some(&verdict)
        {
            self.news.push((id, Arc::clone(rule)));
        }
        self.keep(id, verdict);
    }

    fn keep(&mut self, id: Uuid, verdict: Verdict) {
        if self.verdicts.insert(id, verdict).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.verdicts.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut memory = Memory::default();
        let kept = Verdict::Kept { knows_root: true };
        for number in 0..=MOST as u128 {
            memory.remember(Uuid::from_u128(number), kept.clone());
        }
        memory.remember(Uuid::from_u128(5), Verdict::Dropped("r".into()));
        assert_eq!(memory.of(Uuid::from_u128(0)), None);
        assert_eq!(memory.of(Uuid::from_u128(1)), Some(&kept));
        assert_eq!(memory.of(Uuid::from_u128(5)), Some(&Verdict::Dropped("r".into())));
        assert_eq!((memory.verdicts.len(), memory.order.len()), (MOST, MOST));
    }
}
