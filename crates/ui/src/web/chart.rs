//! Charts over time as SVG: stacked bars and lines.
//!
//! Bars lie in percent of the width; lines in a box that is stretched, with
//! strokes that are not. The numbers behind a chart are in an attribute that
//! `assets/web/dashboard.js` reads for whoever points at it, and in a table for
//! whoever cannot see it.

use std::fmt::Write as _;

use serde::Serialize;

use super::parts::{Moment, length, round_step};
use crate::{format, text};

/// Height of a plot, in its own units and in pixels.
pub const HEIGHT: f64 = 132.0;
/// Width of the box of lines.
const WIDTH: f64 = 1000.0;

/// How the numbers of a chart are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Count,
    Seconds,
    Dollars,
    Share,
    Number,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::Count => format::compact(value.max(0.0).round() as u64),
            Self::Seconds => format::seconds(value),
            Self::Dollars => format::money(value),
            Self::Share => format::percent(value),
            Self::Number => format::number(value),
        }
    }

    /// Exact, for whoever points at it.
    fn write_full(self, value: f64) -> String {
        if self == Self::Count { format::count(value.max(0.0).round() as u64) } else { self.write(value) }
    }
}

/// One line, or one layer of bars; `None` where there is nothing to tell.
#[derive(Clone, Debug, Default)]
pub struct Series {
    pub name: String,
    /// `c0` to `c11`, `bad`, `aside`, ...
    pub color: &'static str,
    pub values: Vec<Option<f64>>,
}

/// A chart, laid out.
#[derive(Debug, Default)]
pub struct Chart {
    pub id: &'static str,
    pub title: String,
    /// The sum or the like, beside the title.
    pub figure: String,
    pub note: String,
    pub bars: Vec<Bar>,
    pub lines: Vec<Line>,
    /// From the bottom: place in pixels from the top, and what it says.
    pub grid: Vec<(String, String)>,
    pub legend: Vec<(String, &'static str)>,
    /// What scripts read.
    pub data: String,
    pub is_empty: bool,
}

#[derive(Debug, PartialEq)]
pub struct Bar {
    pub color: &'static str,
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
}

#[derive(Debug)]
pub struct Line {
    pub color: &'static str,
    /// Of a path, in a box of 1000 by [`HEIGHT`].
    pub path: String,
    /// Points that have no neighbour, which no line shows.
    pub dots: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Data<'a> {
    series: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    name: &'a str,
    color: &'a str,
    shown: Vec<String>,
}

impl Chart {
    /// Layers on top of each other.
    #[must_use]
    pub fn bars(id: &'static str, title: &str, unit: Unit, series: Vec<Series>) -> Self {
        let count = series.iter().map(|series| series.values.len()).max().unwrap_or(0);
        let value =
            |series: &Series, at: usize| series.values.get(at).copied().flatten().unwrap_or(0.0).max(0.0);
        let total = |at: usize| series.iter().map(|series| value(series, at)).sum::<f64>();
        let (top, grid) = grid((0..count).map(total).fold(0.0, f64::max), unit);
        let step = 100.0 / count.max(1) as f64;
        let mut bars = Vec::new();
        for at in 0..count {
            let mut below = 0.0;
            for series in &series {
                let size = value(series, at) / top * HEIGHT;
                if size <= 0.0 {
                    continue;
                }
                // What is there is seen, however little it is.
                let size = size.max(1.0);
                bars.push(Bar {
                    color: series.color,
                    x: length(at as f64 * step + step * 0.08),
                    y: length((HEIGHT - below - size).max(0.0)),
                    width: length(step * 0.84),
                    height: length(size),
                });
                below += size;
            }
        }
        Self { bars, grid, ..Self::of(id, title, unit, &series) }
    }

    /// Lines side by side.
    #[must_use]
    pub fn lines(id: &'static str, title: &str, unit: Unit, series: Vec<Series>) -> Self {
        let values = series.iter().flat_map(|series| &series.values).flatten().copied();
        let most = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let most = if unit == Unit::Share { most.clamp(0.01, 1.0) } else { most };
        let (top, grid) = grid(most, unit);
        let lines = series.iter().map(|series| line(series, top)).collect();
        Self { lines, grid, ..Self::of(id, title, unit, &series) }
    }

    fn of(id: &'static str, title: &str, unit: Unit, series: &[Series]) -> Self {
        let told = series.iter().map(|series| Told {
            name: &series.name,
            color: series.color,
            shown: series
                .values
                .iter()
                .map(|value| value.map_or_else(|| format::NONE.to_owned(), |value| unit.write_full(value)))
                .collect(),
        });
        let data = Data { series: told.collect() };
        let is_something = |value: &Option<f64>| value.is_some_and(|value| value != 0.0);
        Self {
            id,
            title: text::line(title),
            legend: series.iter().map(|series| (series.name.clone(), series.color)).collect(),
            data: serde_json::to_string(&data).unwrap_or_default(),
            is_empty: !series.iter().any(|series| match unit {
                Unit::Share | Unit::Number => series.values.iter().any(Option::is_some),
                _ => series.values.iter().any(is_something),
            }),
            ..Self::default()
        }
    }

    /// With a figure beside the title.
    #[must_use]
    pub fn with(mut self, figure: String, note: &str) -> Self {
        self.figure = figure;
        self.note = note.to_owned();
        self
    }
}

fn line(series: &Series, top: f64) -> Line {
    let step = WIDTH / series.values.len().max(1) as f64;
    let at = |index: usize, value: f64| {
        (length((index as f64 + 0.5) * step), length(HEIGHT - (value / top * HEIGHT).clamp(0.0, HEIGHT)))
    };
    let value = |index: usize| series.values.get(index).copied().flatten().filter(|value| value.is_finite());
    let (mut path, mut dots) = (String::new(), Vec::new());
    for index in 0..series.values.len() {
        let Some(here) = value(index) else { continue };
        let (x, y) = at(index, here);
        let continues = index > 0 && value(index - 1).is_some();
        let _ = write!(path, "{}{x} {y}", if continues { "L" } else { "M" });
        if !continues && value(index + 1).is_none() {
            dots.push((length((index as f64 + 0.5) * 100.0 / series.values.len().max(1) as f64), y));
        }
    }
    Line { color: series.color, path, dots }
}

/// The top of the scale, and lines at round numbers.
fn grid(most: f64, unit: Unit) -> (f64, Vec<(String, String)>) {
    if !most.is_finite() || most <= 0.0 {
        return (1.0, Vec::new());
    }
    let mut step = round_step(most / 3.0, unit == Unit::Seconds);
    if unit == Unit::Count {
        step = step.max(1.0);
    }
    let top = (most / step).ceil() * step;
    let lines = (1..=4)
        .map(|number| f64::from(number) * step)
        .take_while(|value| *value <= top * 1.000_001)
        .map(|value| (length(HEIGHT - value / top * HEIGHT), unit.write(value)))
        .collect();
    (top, lines)
}

/// The intervals that charts share.
#[derive(Debug, Default)]
pub struct Intervals {
    pub start: Moment,
    /// Milliseconds since 1970.
    pub start_millis: i64,
    pub step_millis: i64,
    pub count: usize,
    /// Along the bottom: place in percent, and the moment.
    pub ticks: Vec<(String, Moment)>,
    /// How ticks are written: `clock` or `day`.
    pub how: &'static str,
}

impl Intervals {
    #[must_use]
    pub fn new(start_millis: i64, step_millis: i64, count: usize) -> Self {
        let moment = |millis: i64| Moment::from(assay_domain::Time::from_timestamp_millis(millis));
        let every = count.div_ceil(6).max(1);
        let ticks = (0..count).step_by(every).map(|at| {
            let place = length((at as f64 + 0.5) / count.max(1) as f64 * 100.0);
            (place, moment(start_millis.saturating_add(step_millis.saturating_mul(at as i64))))
        });
        let is_long = step_millis.saturating_mul(every as i64) >= 20 * 3_600_000;
        Self {
            start: moment(start_millis),
            start_millis,
            step_millis,
            count,
            ticks: ticks.collect(),
            how: if is_long { "date" } else { "clock" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[Option<f64>]) -> Series {
        Series { name: "a".into(), color: "c0", values: values.to_vec() }
    }

    #[test]
    fn bars_stand_on_each_other_and_stay_in_the_plot() {
        let chart = Chart::bars(
            "x",
            "X",
            Unit::Count,
            vec![series(&[Some(10.0), None]), series(&[Some(20.0), Some(0.001)])],
        );
        assert_eq!(chart.bars.len(), 3);
        let [first, second] = [&chart.bars[0], &chart.bars[1]];
        let number = |text: &str| text.parse::<f64>().expect("a number");
        assert!((number(&second.y) + number(&second.height) - number(&first.y)).abs() < 0.02);
        assert!(chart.bars.iter().all(|bar| number(&bar.y) >= 0.0 && number(&bar.height) >= 1.0));
        assert_eq!(chart.grid.last().expect("a line").1, "30");
    }

    #[test]
    fn lines_have_gaps_and_lonely_points_are_seen() {
        let values = [Some(1.0), Some(2.0), None, Some(4.0), None];
        let chart = Chart::lines("x", "X", Unit::Seconds, vec![series(&values)]);
        assert_eq!(chart.lines[0].path.matches('M').count(), 2);
        assert_eq!(chart.lines[0].dots.len(), 1);
        assert!(
            chart.data.contains("\"shown\":[\"1.0 s\",\"2.0 s\",\"–\",\"4.0 s\",\"–\"]"),
            "{}",
            chart.data
        );
    }

    #[test]
    fn long_times_are_divided_as_clocks_are() {
        let shown =
            |most| grid(most, Unit::Seconds).1.into_iter().map(|(_, words)| words).collect::<Vec<_>>();
        assert_eq!(shown(2_600.0), ["15 m", "30 m", "45 m"]);
        assert_eq!(shown(75.0), ["30 s", "1 m", "1 m 30 s"]);
        assert_eq!(shown(3.1), ["2.0 s", "4.0 s"]);
        let count = grid(2_900.0, Unit::Count).1;
        assert_eq!(count[0].1, "1.0k");
    }

    #[test]
    fn nothing_makes_an_empty_chart() {
        assert!(Chart::bars("x", "X", Unit::Count, vec![series(&[Some(0.0)])]).is_empty);
        assert!(Chart::lines("x", "X", Unit::Share, Vec::new()).is_empty);
        assert!(!Chart::lines("x", "X", Unit::Share, vec![series(&[Some(0.0)])]).is_empty);
        let odd = Chart::lines("x", "X", Unit::Number, vec![series(&[Some(f64::NAN), Some(-3.0)])]);
        assert!(odd.lines[0].path.starts_with('M'));
    }
}
