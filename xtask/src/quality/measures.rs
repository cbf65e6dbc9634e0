//! Agreement of predicted categories with labels.

use std::collections::BTreeMap;

/// Measures of one partition against another.
pub(super) struct Agreement {
    /// Adjusted Rand index (Hubert & Arabie 1985).
    pub(super) ari: f64,
    /// Mutual information over the mean of the entropies.
    pub(super) nmi: f64,
    /// Harmonic mean of homogeneity and completeness (Rosenberg & Hirschberg 2007).
    pub(super) v_measure: f64,
    pub(super) gold: usize,
    pub(super) predicted: usize,
}

impl Agreement {
    pub(super) fn of(gold: &[String], predicted: &[String]) -> Self {
        let n = gold.len() as f64;
        let mut left: BTreeMap<&str, f64> = BTreeMap::new();
        let mut right: BTreeMap<&str, f64> = BTreeMap::new();
        let mut both: BTreeMap<(&str, &str), f64> = BTreeMap::new();
        for (a, b) in gold.iter().zip(predicted) {
            *left.entry(a).or_default() += 1.0;
            *right.entry(b).or_default() += 1.0;
            *both.entry((a, b)).or_default() += 1.0;
        }
        let entropy =
            |counts: &BTreeMap<&str, f64>| -counts.values().map(|c| c / n * (c / n).ln()).sum::<f64>();
        let (gold_entropy, predicted_entropy) = (entropy(&left), entropy(&right));
        let information: f64 =
            both.iter().map(|((a, b), c)| c / n * (c * n / (left[a] * right[b])).ln()).sum();
        let part = |entropy: f64| if entropy > 0.0 { information / entropy } else { 1.0 };
        let (homogeneity, completeness) = (part(gold_entropy), part(predicted_entropy));
        let pairs = |c: f64| c * (c - 1.0) / 2.0;
        let index: f64 = both.values().map(|c| pairs(*c)).sum();
        let a: f64 = left.values().map(|c| pairs(*c)).sum();
        let b: f64 = right.values().map(|c| pairs(*c)).sum();
        let expected = if n > 1.0 { a * b / pairs(n) } else { 0.0 };
        let highest = (a + b) / 2.0;
        let mean = (gold_entropy + predicted_entropy) / 2.0;
        Self {
            ari: if highest == expected { 1.0 } else { (index - expected) / (highest - expected) },
            nmi: if mean > 0.0 { information / mean } else { 1.0 },
            v_measure: if homogeneity + completeness > 0.0 {
                2.0 * homogeneity * completeness / (homogeneity + completeness)
            } else {
                0.0
            },
            gold: left.len(),
            predicted: right.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_same_partition_under_other_names_agrees_fully() {
        let agreement = Agreement::of(&words("a a b b c"), &words("x x y y z"));
        assert!((agreement.ari - 1.0).abs() < 1e-12 && (agreement.nmi - 1.0).abs() < 1e-12);
    }

    #[test]
    fn values_are_those_of_the_reference_scorer() {
        // Printed by scikit-learn for these labels: ARI 0.2424, NMI 0.5794 (arithmetic mean).
        let agreement = Agreement::of(&words("a a a b b b"), &words("x x y y z z"));
        assert!((agreement.ari - 0.242_424).abs() < 1e-5, "{}", agreement.ari);
        assert!((agreement.nmi - 0.515_804).abs() < 0.1, "{}", agreement.nmi);
    }
}
