//! Estimates and tests: plain functions over slices, each with its source.
//!
//! All sums run in the order of their input, so equal input gives equal bits.

use assay_domain::report::Estimate;

/// Quantile of the standard normal distribution for a two-sided 95 % interval.
const Z_95: f64 = 1.959_963_984_540_054;

/// A proportion with its 95 % interval after Wilson (1927).
///
/// `share` is the (weighted) proportion, `size` the effective sample size.
/// With nothing observed the interval is all of 0 to 1.
#[must_use]
pub fn wilson(share: f64, size: f64) -> Estimate {
    if size <= 0.0 {
        return Estimate { value: 0.0, low: 0.0, high: 1.0 };
    }
    // A sum over nothing is -0 in IEEE arithmetic; nobody wants to read that.
    let share = share.clamp(0.0, 1.0) + 0.0;
    let z2 = Z_95 * Z_95;
    let center = (share + z2 / (2.0 * size)) / (1.0 + z2 / size);
    let half = Z_95 * (share * (1.0 - share) / size + z2 / (4.0 * size * size)).sqrt() / (1.0 + z2 / size);
    // Rounding may push the ends past the value at 0 and 1.
    Estimate { value: share, low: (center - half).clamp(0.0, share), high: (center + half).clamp(share, 1.0) }
}

/// How many equally weighted observations carry as much information (Kish 1965).
#[must_use]
pub fn effective_size(weights: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut squares) = (0.0, 0.0);
    for weight in weights {
        sum += weight;
        squares += weight * weight;
    }
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// The `q`-quantile of weighted values, linearly interpolated.
///
/// With equal weights this is type 7 of Hyndman & Fan (1996), the default of
/// most software. `values` are (value, weight) and need not be sorted.
#[must_use]
pub fn quantile(values: &mut [(f64, f64)], q: f64) -> Option<f64> {
    // Ties by weight: equal values of different weight must not depend on the order they came in.
    values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let count = values.len();
    let (last, _) = *values.last()?;
    let steps = (count - 1) as f64;
    let mut before = 0.0;
    let total: f64 = values[..count - 1].iter().map(|(_, weight)| weight).sum::<f64>() * steps
        + steps * values[count - 1].1;
    let target = q.clamp(0.0, 1.0) * total;
    let mut previous = (0.0, values[0].0);
    for (index, &(value, weight)) in values.iter().enumerate() {
        let position = index as f64 * weight + steps * before;
        if position >= target {
            let (from, low) = previous;
            let width = position - from;
            let part = if width > 0.0 { (target - from) / width } else { 1.0 };
            return Some(low + (value - low) * part.clamp(0.0, 1.0));
        }
        previous = (position, value);
        before += weight;
    }
    Some(last)
}

/// Two-sided p-value of Fisher's exact test on a 2×2 table of counts
/// `[[a, b], [c, d]]`: the sum of all tables as unlikely as this one.
///
/// For large tables (all expected counts ≥ 40) the chi-square approximation
/// with Yates' correction is used: the difference no longer matters there.
#[must_use]
pub fn independence(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let (row1, row2, col1, col2) = (a + b, c + d, a + c, b + d);
    let total = row1 + row2;
    if row1 <= 0.0 || row2 <= 0.0 || col1 <= 0.0 || col2 <= 0.0 {
        return 1.0;
    }
    let smallest = row1.min(row2) * col1.min(col2) / total;
    if smallest >= 40.0 {
        let excess = ((a * d - b * c).abs() - total / 2.0).max(0.0);
        let chi2 = total * excess * excess / (row1 * row2 * col1 * col2);
        return two_sided_normal(chi2.sqrt());
    }
    let (a, row1, row2, col1) =
        (a.round() as u64, row1.round() as u64, row2.round() as u64, col1.round() as u64);
    let log_choose = |n: u64, k: u64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n.saturating_sub(k));
    let low = col1.saturating_sub(row2);
    let high = col1.min(row1);
    let weight = |x: u64| log_choose(row1, x) + log_choose(row2, col1.saturating_sub(x));
    let whole = log_choose(row1 + row2, col1);
    let observed = weight(a.clamp(low, high));
    let mut sum = 0.0;
    for x in low..=high {
        let log = weight(x);
        // Tables just as unlikely must count in spite of rounding.
        if log <= observed + 1e-9 {
            sum += (log - whole).exp();
        }
    }
    sum.min(1.0)
}

/// Adjusts p-values for a false-discovery rate after Benjamini & Hochberg
/// (1995). The result is in the order of the input.
#[must_use]
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]).then(a.cmp(&b)));
    let count = p_values.len() as f64;
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest: f64 = 1.0;
    for (rank, &index) in order.iter().enumerate().rev() {
        smallest = smallest.min(p_values[index] * count / (rank + 1) as f64);
        adjusted[index] = smallest;
    }
    adjusted
}

/// Probability that a standard normal value is farther from zero than `z`
/// (complementary error function after Numerical Recipes 6.2, relative error below 1.2e-7).
fn two_sided_normal(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * x);
    let poly = -1.265_512_23
        + t * (1.000_023_68
            + t * (0.374_091_96
                + t * (0.096_784_18
                    + t * (-0.186_288_06
                        + t * (0.278_868_07
                            + t * (-1.135_203_98
                                + t * (1.488_515_87 + t * (-0.822_152_23 + t * 0.170_872_77))))))));
    t * (-x * x + poly).exp()
}

/// `ln(n!)`: exact sum for small n, Stirling's series beyond.
fn ln_factorial(n: u64) -> f64 {
    if n < 32 {
        return (2..=n).map(|k| (k as f64).ln()).sum();
    }
    let x = n as f64 + 1.0;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + 1.0 / (12.0 * x)
        - 1.0 / (360.0 * x.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-4, "found {found}, expected {expected}");
    }

    #[test]
    fn wilson_gives_the_published_interval() {
        let estimate = wilson(0.05, 1000.0);
        close(estimate.low, 0.03814);
        close(estimate.high, 0.06534);
        assert_eq!(wilson(0.0, 10.0).low, 0.0);
        assert_eq!(wilson(1.0, 10.0).high, 1.0);
        assert!(wilson(-0.0, 10.0).value.is_sign_positive());
    }

    #[test]
    fn quantiles_interpolate_like_type_7_and_weights_count_as_repeats() {
        let mut plain = [(4.0, 1.0), (1.0, 1.0), (3.0, 1.0), (2.0, 1.0)];
        close(quantile(&mut plain, 0.5).expect("values"), 2.5);
        close(quantile(&mut plain, 0.99).expect("values"), 3.97);
        assert_eq!(quantile(&mut [], 0.5), None);
        assert_eq!(quantile(&mut [(7.0, 3.0)], 0.99), Some(7.0));
        let mut weighted = [(1.0, 1.0), (2.0, 9.0)];
        assert!(quantile(&mut weighted, 0.5).expect("values") > 1.4);
    }

    #[test]
    fn fisher_gives_the_tea_tasting_result_and_joins_the_approximation() {
        close(independence(3.0, 1.0, 1.0, 3.0), 0.4857);
        assert!(independence(500.0, 500.0, 500.0, 500.0) > 0.9);
        assert!(independence(700.0, 300.0, 500.0, 500.0) < 1e-10);
        assert_eq!(independence(0.0, 0.0, 4.0, 5.0), 1.0);
    }

    #[test]
    fn benjamini_hochberg_keeps_order_and_never_exceeds_one() {
        let q = benjamini_hochberg(&[0.04, 0.01, 0.9]);
        close(q[0], 0.06);
        close(q[1], 0.03);
        close(q[2], 0.9);
    }
}
