//! Numbers as people read them: `12.5 %`, `4.2 s`, `$0.031`, `12,345`.
//!
//! Claims, pages, files and the terminal all write numbers with these
//! functions, so the same value looks the same everywhere. Plain spaces, a
//! point before decimals, a comma between thousands, never an exponent.
//! Values that are not finite are written `–`.

use crate::Time;
use crate::report::Estimate;

/// What stands where there is no value.
pub const NONE: &str = "–";

/// A share or rate: `percent(0.1254)` is `12.5 %`.
///
/// `0 %` and `100 %` are only written where they are exact: what would round to
/// them is `<0.1 %` or `>99.9 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return NONE.into();
    }
    if share == 0.0 || share == 1.0 {
        return format!("{} %", (share * 100.0).abs());
    }
    if share.abs() < 0.0005 {
        return "<0.1 %".into();
    }
    if share > 0.9995 && share < 1.0 {
        return ">99.9 %".into();
    }
    format!("{:.1} %", share * 100.0)
}

/// A duration in seconds: `seconds(4.21)` is `4.2 s`; `38 ms`, `42 s`, `2 m 5 s`, `3 h 20 m`, `2 d 4 h`.
#[must_use]
pub fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    if value < 0.0 {
        return format!("-{}", seconds(-value));
    }
    if value == 0.0 {
        return "0 s".into();
    }
    if value < 0.001 {
        return "<1 ms".into();
    }
    if value < 0.9995 {
        return format!("{:.0} ms", value * 1000.0);
    }
    if value < 9.95 {
        return format!("{value:.1} s");
    }
    if value < 59.5 {
        return format!("{value:.0} s");
    }
    if value < 3599.5 {
        return two_units(value.round(), 60.0, "m", "s");
    }
    let minutes = (value / 60.0).round();
    if minutes < 1440.0 {
        return two_units(minutes, 60.0, "h", "m");
    }
    two_units((value / 3600.0).round(), 24.0, "d", "h")
}

fn two_units(small: f64, per_large: f64, large_name: &str, small_name: &str) -> String {
    let large = (small / per_large).floor();
    let rest = small - large * per_large;
    if rest == 0.0 {
        format!("{large:.0} {large_name}")
    } else {
        format!("{large:.0} {large_name} {rest:.0} {small_name}")
    }
}

/// US dollars: `money(0.0312)` is `$0.031`; two significant digits below a
/// dollar, cents up to a thousand, whole dollars above.
#[must_use]
pub fn money(dollars: f64) -> String {
    if !dollars.is_finite() {
        return NONE.into();
    }
    if dollars < 0.0 {
        return format!("-{}", money(-dollars));
    }
    if dollars == 0.0 {
        return "$0".into();
    }
    if dollars < 0.000_001 {
        return "<$0.000001".into();
    }
    if dollars < 0.995 {
        let mut decimals = 2;
        let mut scaled = dollars;
        while scaled < 0.0995 && decimals < 7 {
            scaled *= 10.0;
            decimals += 1;
        }
        return format!("${dollars:.decimals$}");
    }
    if dollars < 999.995 {
        return format!("${dollars:.2}");
    }
    format!("${}", group(&format!("{dollars:.0}")))
}

/// A whole number: `count(12345)` is `12,345`.
#[must_use]
pub fn count(value: impl TryInto<u64>) -> String {
    group(&value.try_into().unwrap_or(u64::MAX).to_string())
}

/// A large whole number in little space: `950`, `1.2k`, `35k`, `4.1M`, `2.0B`.
#[must_use]
pub fn compact(value: impl TryInto<u64>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let value = value.try_into().unwrap_or(u64::MAX) as f64;
    for (limit, unit, name) in [(999.5, 1.0, ""), (999_500.0, 1e3, "k"), (999_500_000.0, 1e6, "M")] {
        if value < limit {
            return scaled(value / unit, name);
        }
    }
    scaled(value / 1e9, "B")
}

fn scaled(value: f64, unit: &str) -> String {
    if unit.is_empty() || value >= 9.95 { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}

/// Any other number, with about three significant digits: `0.62`, `3.75`, `18.3`, `1,204`.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    let size = value.abs();
    if size >= 99.95 {
        let whole = group(&format!("{size:.0}"));
        return if value < 0.0 { format!("-{whole}") } else { whole };
    }
    let decimals = if size >= 9.995 {
        1
    } else if size >= 0.0995 || size == 0.0 {
        2
    } else {
        4
    };
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// The 95 % interval of a share: `10.1–15.2 %`.
#[must_use]
pub fn interval(estimate: &Estimate) -> String {
    if !(estimate.low.is_finite() && estimate.high.is_finite()) {
        return NONE.into();
    }
    format!("{:.1}–{:.1} %", estimate.low * 100.0, estimate.high * 100.0)
}

/// Half the width of the 95 % interval, in percentage points: `± 2.6`. Of all or nothing it lies on
/// one side: `−2.6` below 100 %, `+2.6` above 0 %.
#[must_use]
pub fn plus_minus(estimate: &Estimate) -> String {
    let width = (estimate.high - estimate.low).abs() * 100.0;
    match estimate.value {
        _ if !width.is_finite() => NONE.into(),
        value if value >= estimate.high && width > 0.0 => format!("−{width:.1}"),
        value if value <= estimate.low && width > 0.0 => format!("+{width:.1}"),
        _ => format!("± {:.1}", width / 2.0),
    }
}

/// A moment to the minute: `2026-01-31 14:05 UTC`.
#[must_use]
pub fn time(moment: Time) -> String {
    moment.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// The UTC day of a moment: `2026-01-31`.
#[must_use]
pub fn day(moment: Time) -> String {
    moment.format("%Y-%m-%d").to_string()
}

fn group(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Copy>(format: impl Fn(T) -> String, cases: &[(T, &str)]) {
        for &(value, expected) in cases {
            assert_eq!(format(value), expected);
        }
    }

    #[test]
    fn shares_have_one_decimal_and_are_exact_at_the_ends() {
        check(
            percent,
            &[
                (0.1254, "12.5 %"),
                (0.0, "0 %"),
                (-0.0, "0 %"),
                (1.0, "100 %"),
                (0.00001, "<0.1 %"),
                (0.99999, ">99.9 %"),
                (0.5, "50.0 %"),
                (-0.031, "-3.1 %"),
                (f64::NAN, "–"),
            ],
        );
    }

    #[test]
    fn durations_use_the_unit_that_fits() {
        check(
            seconds,
            &[
                (4.21, "4.2 s"),
                (0.0, "0 s"),
                (0.0004, "<1 ms"),
                (0.0376, "38 ms"),
                (0.9999, "1.0 s"),
                (9.96, "10 s"),
                (59.7, "1 m"),
                (125.0, "2 m 5 s"),
                (3599.9, "1 h"),
                (12_000.0, "3 h 20 m"),
                (187_200.0, "2 d 4 h"),
                (-2.0, "-2.0 s"),
                (f64::INFINITY, "–"),
            ],
        );
    }

    #[test]
    fn money_keeps_two_significant_digits_below_a_dollar() {
        check(
            money,
            &[
                (0.0312, "$0.031"),
                (0.0, "$0"),
                (0.25, "$0.25"),
                (0.000_012_3, "$0.000012"),
                (0.000_000_1, "<$0.000001"),
                (0.999, "$1.00"),
                (12.5, "$12.50"),
                (48_213.4, "$48,213"),
                (-0.5, "-$0.50"),
            ],
        );
    }

    #[test]
    fn counts_are_grouped_and_compact_counts_are_short() {
        check(
            |value: u64| count(value),
            &[(0, "0"), (999, "999"), (12_345, "12,345"), (1_234_567, "1,234,567")],
        );
        check(
            |value: u64| compact(value),
            &[(950, "950"), (1_234, "1.2k"), (35_400, "35k"), (999_600, "1.0M"), (2_000_000_000, "2.0B")],
        );
        check(
            number,
            &[
                (0.0, "0"),
                (0.6234, "0.62"),
                (3.75, "3.75"),
                (2.0, "2"),
                (18.31, "18.3"),
                (1203.7, "1,204"),
                (-1203.7, "-1,204"),
                (0.0012, "0.0012"),
                (-0.00001, "0"),
            ],
        );
    }

    #[test]
    fn intervals_are_written_in_percent_and_points() {
        let estimate = Estimate { value: 0.125, low: 0.1, high: 0.1524 };
        assert_eq!(interval(&estimate), "10.0–15.2 %");
        assert_eq!(plus_minus(&estimate), "± 2.6");
    }

    #[test]
    fn moments_are_written_in_utc() {
        let moment: Time = "2026-01-31T14:05:59Z".parse().expect("valid");
        assert_eq!(time(moment), "2026-01-31 14:05 UTC");
        assert_eq!(day(moment), "2026-01-31");
    }
}
