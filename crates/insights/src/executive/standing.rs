//! Which categories stand out from the rest by more than chance explains.
//!
//! Of twenty categories some always look worst. A sentence that names one is
//! written only if its threads differ from all others in Fisher's exact test,
//! corrected for how many categories were looked at (Benjamini & Hochberg 1995).
//! Numbers are compared by how many threads lie beyond a value of the whole
//! (Mood's median test, 1954), which no single slow thread can tip.

use std::collections::HashMap;

use assay_domain::Report;
use assay_domain::report::{Assignment, Category};

use crate::numbers::{benjamini_hochberg, effective_size, independence};

/// A leaf must hold this many threads that can answer before it is looked at.
pub(super) const SMALLEST_TELLING: usize = 8;
/// Of the sentences that say a category stands out, so many may be wrong.
const FALSE_DISCOVERY_RATE: f64 = 0.05;

/// The leaves in which `holds` is true clearly more often than elsewhere, in the order given.
/// Threads for which it is `None` cannot answer and are not counted.
pub(super) fn above<'a>(
    report: &Report,
    leaves: &[&'a Category],
    holds: impl Fn(&Assignment) -> Option<bool>,
) -> Vec<&'a Category> {
    let mut inside: HashMap<&str, Counts> = HashMap::new();
    let mut whole = Counts::default();
    let mut weights = Vec::new();
    for one in &report.assignments {
        if let Some(is_so) = holds(one) {
            inside.entry(&one.category).or_default().add(one.weight, is_so);
            whole.add(one.weight, is_so);
            weights.push(one.weight);
        }
    }
    // Tests count in units of effective observations, shares in weights.
    let scale = effective_size(weights.into_iter()) / (whole.yes + whole.no).max(f64::MIN_POSITIVE);
    let looked_at: Vec<(&Category, Counts)> = leaves
        .iter()
        .filter_map(|node| Some((*node, *inside.get(node.id.as_str())?)))
        .filter(|(_, counts)| counts.threads >= SMALLEST_TELLING)
        .collect();
    let p_values: Vec<f64> = looked_at
        .iter()
        .map(|(_, here)| {
            let (c, d) = ((whole.yes - here.yes).max(0.0), (whole.no - here.no).max(0.0));
            independence(here.yes * scale, here.no * scale, c * scale, d * scale)
        })
        .collect();
    let q_values = benjamini_hochberg(&p_values);
    let found = looked_at.into_iter().zip(q_values);
    found
        .filter(|((_, here), q)| *q <= FALSE_DISCOVERY_RATE && here.rate() > whole.rate())
        .map(|((node, _), _)| node)
        .collect()
}

#[derive(Clone, Copy, Default)]
struct Counts {
    threads: usize,
    /// Sums of weights.
    yes: f64,
    no: f64,
}

impl Counts {
    fn add(&mut self, weight: f64, is_so: bool) {
        self.threads += 1;
        *(if is_so { &mut self.yes } else { &mut self.no }) += weight;
    }

    fn rate(&self) -> f64 {
        self.yes / (self.yes + self.no).max(f64::MIN_POSITIVE)
    }
}
