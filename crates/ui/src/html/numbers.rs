//! Statistics as the templates show them: written out, with bars in percent of their width.

use assay_domain::report::{
    Association, AttributeStatistics, Category, DayCount, Estimate, Report, Statistics,
};

use crate::{format, text};

/// Attributes shown per category, and labels per attribute.
const ATTRIBUTES: usize = 12;
const LABELS: usize = 6;
/// From here on category sections are kept short.
const MANY_CATEGORIES: usize = 200;
/// Bars in a chart of days; longer windows are shown by several days each.
const DAY_BARS: usize = 90;

/// A length in a chart, as an SVG percentage.
pub(super) fn width(part: f64) -> String {
    let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
    format!("{:.2}%", part * 100.0)
}

/// A fact: name, value, and what it means.
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) value: String,
    /// Lines of small print.
    pub(super) note: String,
    /// `bad` or empty.
    pub(super) class: &'static str,
}

pub(super) struct Bar {
    pub(super) label: String,
    pub(super) shown: String,
    pub(super) width: String,
    /// Where the threads behind the bar are listed.
    pub(super) href: String,
}

pub(super) struct AttributeView {
    pub(super) name: String,
    pub(super) note: String,
    pub(super) bars: Vec<Bar>,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) others: usize,
}

pub(super) struct AssociationView {
    pub(super) what: String,
    pub(super) more: bool,
    pub(super) factor: String,
    pub(super) inside: String,
    pub(super) outside: String,
    pub(super) inside_width: String,
    pub(super) outside_width: String,
    pub(super) title: String,
    pub(super) href: String,
}

pub(super) struct DayView {
    pub(super) x: String,
    pub(super) width: String,
    pub(super) y: String,
    pub(super) height: String,
    pub(super) failed_y: String,
    pub(super) failed_height: String,
    pub(super) title: String,
}

/// Everything about one set of threads.
pub(super) struct StatisticsView {
    pub(super) facts: Vec<Fact>,
    pub(super) days: Vec<DayView>,
    pub(super) first_day: String,
    pub(super) last_day: String,
    pub(super) attributes: Vec<AttributeView>,
    /// Folded up.
    pub(super) more_attributes: Vec<AttributeView>,
    pub(super) attributes_left_out: usize,
    pub(super) associations: Vec<AssociationView>,
}

impl StatisticsView {
    /// The numbers of the whole report.
    pub(super) fn whole(report: &Report) -> Self {
        Self::new(report, &report.statistics, "", ATTRIBUTES, true)
    }

    /// The numbers of one category. In a report of very many, each is kept short so that the page stays light.
    pub(super) fn category(report: &Report, category: &Category) -> Self {
        let is_short = report.taxonomy.nodes.len() > MANY_CATEGORIES;
        let attributes = if is_short { ATTRIBUTES / 3 } else { ATTRIBUTES };
        Self::new(report, &category.statistics, &category.id, attributes, !is_short)
    }

    /// `category` is the id that evidence links are limited to; empty for the whole report.
    fn new(report: &Report, statistics: &Statistics, category: &str, limit: usize, with_days: bool) -> Self {
        // What somebody asked for comes first, and is always shown.
        let is_asked = |name: &str| report.config.attributes.contains_key(name);
        let view = |(name, attribute): (&String, &AttributeStatistics)| {
            AttributeView::new(name, attribute, category)
        };
        let (asked, found): (Vec<_>, Vec<_>) =
            statistics.attributes.iter().partition(|(name, _)| is_asked(name));
        let mut attributes: Vec<_> = asked.into_iter().filter_map(view).collect();
        let mut found: Vec<_> = found.into_iter().filter_map(view).collect();
        let rest = found.split_off(limit.saturating_sub(attributes.len()).min(found.len()));
        attributes.extend(found);
        let is_whole = category.is_empty();
        Self {
            facts: facts(statistics, is_whole, main_feedback(report)),
            days: if with_days { days(&statistics.per_day) } else { Vec::new() },
            first_day: statistics.per_day.first().map_or_else(String::new, |day| text::line(&day.day)),
            last_day: statistics.per_day.last().map_or_else(String::new, |day| text::line(&day.day)),
            attributes,
            attributes_left_out: if is_whole { 0 } else { rest.len() },
            more_attributes: if is_whole { rest } else { Vec::new() },
            associations: statistics
                .associations
                .iter()
                .take(10)
                .map(|association| AssociationView::new(association, category))
                .collect(),
        }
    }
}

/// The feedback key that most threads have: the one shown in tables.
pub(crate) fn main_feedback(report: &Report) -> Option<&str> {
    let scored = report.statistics.feedback.iter().filter(|(_, statistics)| statistics.mean.is_some());
    scored
        .max_by(|a, b| a.1.threads.cmp(&b.1.threads).then_with(|| b.0.cmp(a.0)))
        .map(|(key, _)| key.as_str())
}

/// `value` with its interval, for a title.
pub(super) fn estimate_title(estimate: &Estimate) -> String {
    format!("{}, 95 % interval {}", format::percent(estimate.value), format::interval(estimate))
}

fn facts(statistics: &Statistics, whole: bool, feedback: Option<&str>) -> Vec<Fact> {
    let mut facts = vec![Fact {
        name: "Threads".to_owned(),
        value: format::count(statistics.threads),
        note: estimated(statistics),
        class: "",
    }];
    let mut fact = |name: &str, value, note: String| {
        facts.push(Fact { name: name.to_owned(), value, note, class: "" });
    };
    if !whole {
        let share = &statistics.share;
        fact("Share", format::percent(share.value), format::interval(share));
    }
    let rate = |estimate: &Estimate, threads: usize| {
        format!("{} threads\n{}", format::count(threads), format::interval(estimate))
    };
    let failed = &statistics.failure_rate;
    fact("Failures", format::percent(failed.value), rate(failed, statistics.failures));
    let errors = &statistics.error_rate;
    fact("Errors", format::percent(errors.value), rate(errors, statistics.errors));
    if let Some((key, feedback)) = feedback.and_then(|key| Some((key, statistics.feedback.get(key)?)))
        && let Some(mean) = feedback.mean
    {
        let scored = format!("mean of {} threads", format::count(feedback.threads));
        fact(&text::line(key), format::number(mean), scored);
    }
    if let Some(latency) = statistics.latency {
        fact("Latency p50", format::seconds(latency.p50), format!("p99 {}", format::seconds(latency.p99)));
    }
    if let Some(cost) = statistics.cost {
        fact("Cost", format::money(cost.total), format!("median {}", format::money(cost.p50)));
    }
    if statistics.total_tokens > 0 {
        fact("Tokens", format::compact(statistics.total_tokens), format::count(statistics.total_tokens));
    }
    for fact in &mut facts {
        fact.note = fact.note.replace(" %", "\u{a0}%");
        if matches!(fact.name.as_str(), "Failures" | "Errors") && !fact.value.starts_with("0 ") {
            fact.class = "bad";
        }
    }
    facts
}

fn estimated(statistics: &Statistics) -> String {
    #[expect(clippy::cast_precision_loss, reason = "compared, not shown")]
    let exact = (statistics.estimated_threads - statistics.threads as f64).abs() < 0.5;
    if exact {
        "all analysed".into()
    } else {
        format!("stand for about {}", format::number(statistics.estimated_threads))
    }
}

impl AttributeView {
    fn new(name: &str, attribute: &AttributeStatistics, category: &str) -> Option<Self> {
        let bar = |label: &str, value: &str, count: usize, threads: usize| {
            let part = ratio(count, threads);
            Bar {
                label: text::line(label),
                shown: format!("{} · {}", format::percent(part), format::count(count)),
                width: width(part),
                href: evidence(category, name, value),
            }
        };
        let (threads, bars, facts, others) = match attribute {
            AttributeStatistics::Boolean { threads, yes } => {
                let no = threads.saturating_sub(*yes);
                let bars = vec![bar("yes", "yes", *yes, *threads), bar("no", "no", no, *threads)];
                (*threads, bars, Vec::new(), 0)
            }
            AttributeStatistics::Number { threads, mean, p50, p99, max } => {
                let facts = [("p50", *p50), ("mean", *mean), ("p99", *p99), ("max", *max)]
                    .map(|(name, value)| (name, format::number(value)));
                (*threads, Vec::new(), facts.to_vec(), 0)
            }
            AttributeStatistics::Labels { threads, counts, others } => {
                let shown = counts.iter().take(LABELS);
                let bars =
                    shown.map(|count| bar(&count.label, &count.label, count.threads, *threads)).collect();
                (*threads, bars, Vec::new(), others + counts.len().saturating_sub(LABELS))
            }
        };
        (threads > 0).then(|| Self {
            name: attribute_name(name),
            note: format!("{} threads", format::count(threads)),
            bars,
            facts,
            others,
        })
    }
}

impl AssociationView {
    fn new(association: &Association, category: &str) -> Self {
        let Association { attribute, value, inside, outside, odds_ratio, q_value } = association;
        let more = inside >= outside;
        let factor = if *outside > 0.0 && *inside > 0.0 {
            format!("{}×", format::number(if more { inside / outside } else { outside / inside }))
        } else {
            "only".into()
        };
        Self {
            what: format!("{} = {}", attribute_name(attribute), text::line(value)),
            more,
            factor,
            inside: format::percent(*inside),
            outside: format::percent(*outside),
            inside_width: width(*inside),
            outside_width: width(*outside),
            title: format!("odds ratio {}, q = {q_value:.4}", format::number(*odds_ratio)),
            href: evidence(category, attribute, value),
        }
    }
}

/// `last_tool` reads better as `last tool`.
pub(super) fn attribute_name(name: &str) -> String {
    text::line(name).replace('_', " ")
}

/// The list of threads with an attribute value.
pub(super) fn evidence(category: &str, name: &str, value: &str) -> String {
    let mut href = String::from("#threads?");
    if !category.is_empty() {
        href.push_str(&format!("category={}&", encode(category)));
    }
    href.push_str(&format!("attribute={}&value={}", encode(name), encode(value)));
    href
}

/// As `encodeURIComponent` of the text as it is shown.
pub(crate) fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in text::line(value).bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn days(per_day: &[DayCount]) -> Vec<DayView> {
    let per_bar = per_day.len().div_ceil(DAY_BARS).max(1);
    let bars: Vec<(String, usize, usize)> = per_day
        .chunks(per_bar)
        .map(|days| {
            let name = match days {
                [only] => text::line(&only.day),
                [first, .., last] => format!("{} to {}", text::line(&first.day), text::line(&last.day)),
                [] => String::new(),
            };
            let sum = |of: fn(&DayCount) -> usize| days.iter().map(of).sum();
            (name, sum(|day| day.threads), sum(|day| day.failures))
        })
        .collect();
    let most = bars.iter().map(|bar| bar.1).max().unwrap_or(0).max(1);
    let step = 1.0 / count(bars.len().max(7));
    bars.iter()
        .enumerate()
        .map(|(index, (name, threads, failures))| DayView {
            x: width((count(index) + 0.08) * step),
            width: width(0.84 * step),
            y: width(1.0 - ratio(*threads, most)),
            height: width(ratio(*threads, most)),
            failed_y: width(1.0 - ratio(*failures, most)),
            failed_height: width(ratio(*failures, most)),
            title: format!(
                "{name}: {} threads, {} failures",
                format::count(*threads),
                format::count(*failures)
            ),
        })
        .collect()
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { count(part) / count(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "lengths on a screen")]
fn count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_encoded_and_widths_stay_inside() {
        assert_eq!(evidence("", "a b", "<x>"), "#threads?attribute=a%20b&value=%3Cx%3E");
        assert_eq!(width(f64::NAN), "0.00%");
        assert_eq!(width(7.0), "100.00%");
    }

    #[test]
    fn long_windows_are_shown_in_few_bars() {
        let per_day: Vec<_> =
            (0..1000).map(|n| DayCount { day: n.to_string(), threads: n, failures: 0 }).collect();
        assert!(days(&per_day).len() <= DAY_BARS);
    }
}
