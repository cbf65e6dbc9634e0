//! Which categories stand out from the rest by more than chance explains.
//!
//! Of twenty categories some always look worst. One is marked, or named in a sentence, only
//! where its threads differ from all others in Fisher's exact test, corrected for how many
//! categories were looked at (Benjamini & Hochberg 1995). Numbers are compared by how many
//! threads lie beyond a value of the whole (Mood's median test, 1954), which no single slow
//! thread can tip.

use crate::numbers::{benjamini_hochberg, independence};

/// A category must hold this many threads that can answer before it is looked at.
pub(crate) const SMALLEST_TELLING: usize = 8;
/// Of the categories that are said to stand out, this part may be wrong.
const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// How many threads can answer a question with yes or no, and how they do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    threads: usize,
    /// Sums of weights, and of their squares.
    yes: f64,
    no: f64,
    squares: f64,
}

impl Counts {
    pub(crate) fn add(&mut self, weight: f64, is_so: bool) {
        self.threads += 1;
        self.squares += weight * weight;
        *(if is_so { &mut self.yes } else { &mut self.no }) += weight;
    }

    fn all(&self) -> f64 {
        self.yes + self.no
    }

    fn rate(&self) -> f64 {
        self.yes / self.all().max(f64::MIN_POSITIVE)
    }
}

/// Whether each of the groups of threads answers yes clearly more often than the rest of the
/// `whole`, in the order given. Together they are one family of tests.
pub(crate) fn above(groups: &[Counts], whole: &Counts) -> Vec<bool> {
    // Tests count in units of effective observations (Kish 1965), shares in weights.
    let scale = whole.all() / whole.squares.max(f64::MIN_POSITIVE);
    let tested: Vec<usize> = (0..groups.len()).filter(|&at| groups[at].threads >= SMALLEST_TELLING).collect();
    let p_values: Vec<f64> = tested
        .iter()
        .map(|&at| {
            let here = &groups[at];
            let (yes, no) = ((whole.yes - here.yes).max(0.0), (whole.no - here.no).max(0.0));
            independence(here.yes * scale, here.no * scale, yes * scale, no * scale)
        })
        .collect();
    let mut is_above = vec![false; groups.len()];
    for (at, q_value) in tested.into_iter().zip(benjamini_hochberg(&p_values)) {
        is_above[at] = q_value <= FALSE_DISCOVERY_RATE && groups[at].rate() > whole.rate();
    }
    is_above
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many of so many threads, of the same weight.
    fn counts((yes, threads): (usize, usize), weight: f64) -> Counts {
        let mut counts = Counts::default();
        (0..threads).for_each(|thread| counts.add(weight, thread < yes));
        counts
    }

    /// The same group among `rows` in all: the others share what is left of the whole.
    fn stands_out(of: (usize, usize), whole: (usize, usize), rows: usize, weight: f64) -> bool {
        let mut groups = vec![counts(of, weight)];
        let mut left = (whole.0 - of.0, whole.1 - of.1);
        for row in (1..rows).rev() {
            let part = (left.0 / row, left.1 / row);
            left = (left.0 - part.0, left.1 - part.1);
            groups.push(counts(part, weight));
        }
        above(&groups, &counts(whole, weight))[0]
    }

    #[test]
    fn a_rate_stands_out_only_where_chance_does_not_explain_it() {
        let whole = (13, 200);
        assert!(!stands_out((2, 4), whole, 12, 1.0), "half of four threads");
        assert!(!stands_out((2, 8), whole, 12, 1.0), "two of eight, among a dozen categories");
        assert!(stands_out((9, 12), whole, 12, 1.0));
        assert!(!stands_out((0, 12), whole, 12, 1.0) && !stands_out((13, 200), whole, 1, 1.0));
        assert!(stands_out((900, 10_000), (1_000, 40_000), 30, 1.0), "many threads, a little more often");
        assert!(!stands_out((260, 10_000), (1_000, 40_000), 30, 1.0));
    }

    #[test]
    fn weights_say_whom_threads_stand_for_not_how_many_were_seen() {
        for weight in [0.01, 1.0, 50.0] {
            assert!(stands_out((9, 12), (13, 200), 12, weight), "of weight {weight}");
            assert!(!stands_out((2, 8), (13, 200), 12, weight), "of weight {weight}");
        }
    }
}
