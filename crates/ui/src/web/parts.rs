//! What many pages show: times, badges, heads of columns, small charts.
//!
//! The structs are filled here; the macros in `templates/web/parts.html` write
//! them. Charts are SVG with lengths in percent or in a fixed view box: no
//! style attribute, so the content security policy holds.

use std::fmt::Write as _;

use assay_domain::Time;

use crate::format;

/// A moment. Scripts show it in the viewer's zone; without them it is UTC.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moment {
    /// RFC 3339; empty where the moment is unknown.
    pub iso: String,
    /// In UTC, or a dash.
    pub shown: String,
}

impl From<Option<Time>> for Moment {
    fn from(time: Option<Time>) -> Self {
        match time {
            Some(time) => {
                Self { iso: time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(), shown: format::time(time) }
            }
            None => Self { iso: String::new(), shown: format::NONE.to_owned() },
        }
    }
}

impl From<Time> for Moment {
    fn from(time: Time) -> Self {
        Self::from(Some(time))
    }
}

/// A fact with its name: the tiles above lists.
#[derive(Clone, Debug, Default)]
pub struct Stat {
    pub name: String,
    pub value: String,
    /// Small print.
    pub note: String,
    /// `bad`, `warn` or empty.
    pub class: &'static str,
}

/// A short word with a colour: `good`, `bad`, `warn`, `busy` or empty.
#[derive(Clone, Debug, Default)]
pub struct Badge {
    pub text: String,
    pub class: &'static str,
}

/// The head of a column.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub name: String,
    /// `num` for numbers.
    pub class: &'static str,
    /// Where it is sorted by this; empty where it cannot be.
    pub href: String,
    /// `ascending`, `descending` or empty.
    pub sorted: &'static str,
}

/// Links to the pages around this one; empty where there is none.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    /// What it is about: `Pages of reports`.
    pub label: String,
    pub previous: String,
    pub next: String,
    /// `1–50 of 1,204`
    pub shown: String,
}

impl Pager {
    /// Whether there is another page.
    #[must_use]
    pub fn leads_on(&self) -> bool {
        !self.previous.is_empty() || !self.next.is_empty()
    }
}

/// What a list says that has nothing in it.
#[derive(Clone, Debug, Default)]
pub struct Empty {
    pub heading: String,
    pub text: String,
}

/// A column of a bar chart, in the units of its view box.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
    /// The part of it that failed, from the bottom.
    pub failed_y: String,
    pub failed_height: String,
    pub title: String,
}

/// Counts over time, as bars: 100 wide, 24 high.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spark {
    pub columns: Vec<Column>,
    pub label: String,
}

/// How high a [`Spark`] is.
const HEIGHT: f64 = 24.0;

impl Spark {
    /// One bar per `(title, count, failed)`, all on one scale.
    #[must_use]
    pub fn new(label: &str, counts: &[(String, u64, u64)]) -> Self {
        let most = counts.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1) as f64;
        let step = 100.0 / counts.len().max(1) as f64;
        let column = |(index, (title, count, failed)): (usize, &(String, u64, u64))| {
            // What is there is seen, however little it is.
            let size = |count: u64| match count {
                0 => 0.0,
                count => (count as f64 / most * HEIGHT).max(1.5),
            };
            let (height, failed_height) = (size(*count), size(*failed).min(size(*count)));
            Column {
                x: length(index as f64 * step + step * 0.1),
                y: length(HEIGHT - height),
                width: length(step * 0.8),
                height: length(height),
                failed_y: length(HEIGHT - failed_height),
                failed_height: length(failed_height),
                title: title.clone(),
            }
        };
        Self { columns: counts.iter().enumerate().map(column).collect(), label: label.to_owned() }
    }
}

/// The first round number that is not less: of seconds, as clocks and calendars have them.
#[must_use]
pub fn round_step(rough: f64, is_time: bool) -> f64 {
    const CLOCK: [f64; 14] = [
        10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 43_200.0,
        86_400.0,
    ];
    if is_time
        && rough > 5.0
        && let Some(step) = CLOCK.into_iter().find(|step| *step >= rough)
    {
        return step;
    }
    // Beyond a day, days are what is round.
    let unit = if is_time && rough > 5.0 { 86_400.0 } else { 1.0 };
    let size = 10_f64.powf((rough / unit).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * size * unit);
    steps.into_iter().find(|step| *step >= rough).unwrap_or(rough)
}

/// A number in an SVG attribute.
#[must_use]
pub fn length(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    format!("{:.2}", value + 0.0)
}

/// A part of a whole as the width of a bar: `37.50%`.
#[must_use]
pub fn percent_width(part: f64) -> String {
    let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
    format!("{:.2}%", part * 100.0)
}

/// The points of a line over values from 0 to `most`, in a box of `width` by `height`. Gaps are left out.
#[must_use]
pub fn polyline(values: &[Option<f64>], most: f64, width: f64, height: f64) -> String {
    let step = width / (values.len().max(2) - 1) as f64;
    let scale = if most > 0.0 { height / most } else { 0.0 };
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            let y = height - (value * scale).clamp(0.0, height);
            let _ = write!(out, "{},{} ", length(index as f64 * step), length(y));
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_share_a_scale_and_nothing_that_happened_is_invisible() {
        let counts = [("a".to_owned(), 1000, 0), ("b".to_owned(), 1, 1), ("c".to_owned(), 0, 0)];
        let spark = Spark::new("traces", &counts);
        let heights: Vec<&str> = spark.columns.iter().map(|column| column.height.as_str()).collect();
        assert_eq!(heights, ["24.00", "1.50", "0.00"]);
        assert_eq!(spark.columns[1].failed_height, "1.50");
        assert!(Spark::new("none", &[]).columns.is_empty());
    }

    #[test]
    fn lengths_are_numbers_whatever_comes_in() {
        assert_eq!(length(f64::NAN), "0.00");
        assert_eq!(percent_width(f64::INFINITY), "0.00%");
        assert_eq!(percent_width(7.0), "100.00%");
        assert_eq!(polyline(&[Some(1.0), None, Some(2.0)], 2.0, 100.0, 10.0), "0.00,5.00 100.00,0.00");
        assert_eq!(polyline(&[], 0.0, 100.0, 10.0), "");
    }
}
