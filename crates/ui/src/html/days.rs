//! Threads over time as bars on an axis of time: days without threads are
//! there as gaps, long spans are counted by week, month or years.

use assay_domain::Time;
use assay_domain::report::DayCount;

use super::numbers::{count, ratio, width};
use crate::format;

/// Bars that an axis has room for; longer spans are counted more coarsely.
const MOST_BARS: i64 = 92;
const DAY_SECONDS: i64 = 86_400;

/// A bar; stretches of time without threads have none.
pub(super) struct DayView {
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: String,
    pub(super) height: String,
    /// Whether any of its threads failed.
    pub(super) has_failed: bool,
    pub(super) failed_y: String,
    pub(super) failed_height: String,
    pub(super) title: String,
}

/// The chart: its bars, and what stands around them.
#[derive(Default)]
pub(super) struct DaysView {
    pub(super) bars: Vec<DayView>,
    /// What a bar counts: `day`, `week`, `month`, `year` or so many years.
    pub(super) unit: String,
    /// The highest bar, in words.
    pub(super) most: String,
    pub(super) first: String,
    pub(super) last: String,
}

/// A day as what is needed to put it into a stretch of time.
#[derive(Clone, Copy)]
struct Day {
    /// Since 1970.
    number: i64,
    year: i64,
    month: i64,
}

/// How long a stretch is.
#[derive(Clone, Copy)]
enum Unit {
    Day,
    Week,
    Month,
    Years(i64),
}

impl Day {
    /// Of `2026-03-09`; `None` for what is no day.
    fn of(text: &str) -> Option<Self> {
        let moment: Time = format!("{text}T00:00:00Z").parse().ok()?;
        let mut parts = text.split('-').map(|part| part.parse().ok());
        let (year, month) = (parts.next()??, parts.next()??);
        Some(Self { number: moment.timestamp().div_euclid(DAY_SECONDS), year, month })
    }
}

impl Unit {
    /// The finest with which a span has few enough bars.
    fn fitting(first: Day, last: Day) -> Self {
        let fits = |unit: Self| unit.place(last) - unit.place(first) < MOST_BARS;
        let years = (last.year - first.year) / MOST_BARS + 1;
        [Self::Day, Self::Week, Self::Month]
            .into_iter()
            .find(|unit| fits(*unit))
            .unwrap_or(Self::Years(years))
    }

    /// The number of the stretch a day lies in. Weeks begin on Mondays.
    fn place(self, day: Day) -> i64 {
        match self {
            Self::Day => day.number,
            Self::Week => (day.number + 3).div_euclid(7),
            Self::Month => day.year * 12 + day.month - 1,
            Self::Years(years) => day.year.div_euclid(years),
        }
    }

    fn name(self) -> String {
        match self {
            Self::Day => "day".into(),
            Self::Week => "week".into(),
            Self::Month => "month".into(),
            Self::Years(1) => "year".into(),
            Self::Years(years) => format!("{years} years"),
        }
    }

    /// Which stretch it is, in words.
    fn words(self, place: i64) -> String {
        match self {
            Self::Day => day_of(place),
            Self::Week => format!("week of {}", day_of(place * 7 - 3)),
            Self::Month => format!("{:04}-{:02}", place.div_euclid(12), place.rem_euclid(12) + 1),
            Self::Years(1) => place.to_string(),
            Self::Years(years) => format!("{} to {}", place * years, place * years + years - 1),
        }
    }
}

fn day_of(number: i64) -> String {
    Time::from_timestamp(number * DAY_SECONDS, 0).map_or_else(|| format::NONE.to_owned(), format::day)
}

impl DaysView {
    /// Days that cannot be read as such are left out.
    pub(super) fn new(per_day: &[DayCount]) -> Self {
        let mut days: Vec<(Day, &DayCount)> =
            per_day.iter().filter_map(|day| Some((Day::of(&day.day)?, day))).collect();
        days.sort_by_key(|(day, _)| day.number);
        let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) else {
            return Self::default();
        };
        let unit = Unit::fitting(*first, *last);
        let (from, until) = (unit.place(*first), unit.place(*last));
        let mut sums = std::collections::BTreeMap::<i64, (usize, usize)>::new();
        for (day, counted) in &days {
            let sum = sums.entry(unit.place(*day)).or_default();
            *sum = (sum.0.saturating_add(counted.threads), sum.1.saturating_add(counted.failures));
        }
        sums.retain(|_, sum| sum.0 > 0);
        // The first of equally high ones.
        let highest = sums.iter().max_by(|a, b| a.1.0.cmp(&b.1.0).then(b.0.cmp(a.0)));
        let Some((&highest, &(most, _))) = highest else { return Self::default() };
        let step = 1.0 / span(from, until.max(from + 6));
        Self {
            bars: sums.iter().map(|(&place, &sum)| bar(unit, place, from, step, sum, most)).collect(),
            unit: unit.name(),
            most: format!("at most {}, {}", format::count(most), unit.words(highest)),
            first: day_of(first.number),
            last: day_of(last.number),
        }
    }
}

/// Stretches from one to another, both included.
fn span(from: i64, until: i64) -> f64 {
    count(usize::try_from(until - from + 1).unwrap_or(1))
}

fn bar(unit: Unit, place: i64, from: i64, step: f64, sum: (usize, usize), most: usize) -> DayView {
    let (threads, failures) = sum;
    let index = count(usize::try_from(place - from).unwrap_or(0));
    let words = |number: usize, one: &str| {
        format!("{} {one}{}", format::count(number), if number == 1 { "" } else { "s" })
    };
    DayView {
        x: width((index + 0.08) * step),
        width: width(0.84 * step),
        y: width(1.0 - ratio(threads, most)),
        height: width(ratio(threads, most)),
        has_failed: failures > 0,
        failed_y: width(1.0 - ratio(failures, most)),
        failed_height: width(ratio(failures, most)),
        title: format!("{}: {}, {}", unit.words(place), words(threads, "thread"), words(failures, "failure")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(all: &[(&str, usize)]) -> DaysView {
        let counted =
            all.iter().map(|&(day, threads)| DayCount { day: day.into(), threads, failures: threads / 2 });
        DaysView::new(&counted.collect::<Vec<_>>())
    }

    fn titles(view: &DaysView) -> Vec<&str> {
        view.bars.iter().map(|bar| bar.title.as_str()).collect()
    }

    #[test]
    fn days_without_threads_are_room_on_the_axis() {
        let view = days(&[("2026-03-01", 1), ("2026-03-02", 3), ("2026-03-10", 2)]);
        assert_eq!((view.unit.as_str(), view.most.as_str()), ("day", "at most 3, 2026-03-02"));
        let places: Vec<_> = view.bars.iter().map(|bar| bar.x.as_str()).collect();
        assert_eq!(places, ["0.80%", "10.80%", "90.80%"]);
        assert_eq!(titles(&view)[0], "2026-03-01: 1 thread, 0 failures");
    }

    #[test]
    fn long_spans_are_counted_by_week_month_or_years() {
        let view = days(&[("2026-01-01", 1), ("2026-01-04", 1), ("2026-01-05", 1), ("2026-09-09", 1)]);
        assert_eq!(view.unit, "week");
        assert_eq!(
            titles(&view)[..2],
            ["week of 2025-12-29: 2 threads, 0 failures", "week of 2026-01-05: 1 thread, 0 failures"]
        );
        assert_eq!((view.first.as_str(), view.last.as_str()), ("2026-01-01", "2026-09-09"));
        let months = days(&[("2024-05-29", 1), ("2026-03-09", 1)]);
        assert_eq!((months.unit.as_str(), titles(&months)[0]), ("month", "2024-05: 1 thread, 0 failures"));
        assert_eq!(days(&[("1990-05-29", 1), ("2026-03-09", 1)]).unit, "year");
        assert_eq!(days(&[("0001-01-01", 1), ("9999-12-31", 1)]).unit, "109 years");
    }

    #[test]
    fn what_is_no_day_is_left_out() {
        assert!(days(&[("", 1), ("yesterday", 2), ("2026-13-01", 1), ("2026-03-10", 0)]).bars.is_empty());
    }
}
