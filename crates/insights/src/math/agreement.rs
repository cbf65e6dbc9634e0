//! How far two groupings of the same things agree.

use std::collections::BTreeMap;

/// The adjusted Rand index (Hubert and Arabie, 1985): 1 for equal groupings, about 0 for unrelated ones.
#[must_use]
pub fn adjusted_rand(a: &[u32], b: &[u32]) -> f64 {
    let pairs = |n: u64| (n * n.saturating_sub(1) / 2) as f64;
    let mut both: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let mut left: BTreeMap<u32, u64> = BTreeMap::new();
    let mut right: BTreeMap<u32, u64> = BTreeMap::new();
    for (&x, &y) in a.iter().zip(b) {
        *both.entry((x, y)).or_default() += 1;
        *left.entry(x).or_default() += 1;
        *right.entry(y).or_default() += 1;
    }
    let sum = |counts: &mut dyn Iterator<Item = u64>| counts.map(pairs).sum::<f64>();
    let together = sum(&mut both.into_values());
    let (l, r) = (sum(&mut left.into_values()), sum(&mut right.into_values()));
    let total = pairs(a.len() as u64);
    if total == 0.0 {
        return 1.0;
    }
    let expected = l * r / total;
    let most = (l + r) / 2.0;
    if (most - expected).abs() < 1e-12 { 1.0 } else { (together - expected) / (most - expected) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_groups_do_not_matter() {
        assert_eq!(adjusted_rand(&[0, 0, 1, 1], &[7, 7, 3, 3]), 1.0);
    }

    #[test]
    fn crossed_groupings_agree_less_than_chance() {
        assert!(adjusted_rand(&[0, 0, 1, 1], &[0, 1, 0, 1]) < 0.0);
    }

    #[test]
    fn nothing_agrees_with_nothing() {
        assert_eq!(adjusted_rand(&[], &[]), 1.0);
    }
}
