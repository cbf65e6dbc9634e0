//! Statistics as the templates show them: written out, with bars in percent of their width.

use assay_domain::report::{Association, AttributeStatistics, Category, Estimate, Report, Statistics};

use super::days::DaysView;
use crate::{format, text};

/// Attributes shown per category, and labels per attribute.
const ATTRIBUTES: usize = 12;
const LABELS: usize = 6;
/// From here on category sections are kept short.
const MANY_CATEGORIES: usize = 200;
/// What fewer threads than this share have says little of all of them.
const COVERAGE: f64 = 0.1;

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
    /// Where the threads it counts are listed; empty where there are none.
    pub(super) href: String,
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

/// Everything about one set of threads.
pub(super) struct StatisticsView {
    pub(super) facts: Vec<Fact>,
    pub(super) days: DaysView,
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
        let (mut telling, same): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, attribute)| is_telling(attribute, statistics.threads));
        telling.sort_by_key(|(_, attribute)| std::cmp::Reverse(covered(attribute)));
        let mut attributes: Vec<_> = asked.into_iter().filter_map(view).collect();
        let mut found: Vec<_> = telling.into_iter().filter_map(view).collect();
        let mut rest = found.split_off(limit.saturating_sub(attributes.len()).min(found.len()));
        rest.extend(same.into_iter().filter_map(view));
        attributes.extend(found);
        let is_whole = category.is_empty();
        Self {
            facts: facts(statistics, category, report),
            days: if with_days { DaysView::new(&statistics.per_day) } else { DaysView::default() },
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

fn facts(statistics: &Statistics, category: &str, report: &Report) -> Vec<Fact> {
    let plain = |name: &str, value: String, note: String| Fact {
        name: name.to_owned(),
        value,
        note: note.replace(" %", "\u{a0}%"),
        class: "",
        href: String::new(),
    };
    let mut facts = vec![plain("Threads", format::count(statistics.threads), estimated(statistics))];
    if !category.is_empty() {
        let share = &statistics.share;
        facts.push(plain("Share", format::percent(share.value), format::interval(share)));
    }
    let Statistics { failures, failure_rate, failures_stand_out, .. } = statistics;
    let Statistics { errors, error_rate, errors_stand_out, .. } = statistics;
    for (name, status, rate, &threads, &stands_out) in [
        ("Failures", "failing", failure_rate, failures, failures_stand_out),
        ("Errors", "error", error_rate, errors, errors_stand_out),
    ] {
        let note = format!("{}\n{}", threads_text(threads), format::interval(rate));
        let mut fact = plain(name, format::percent(rate.value), note);
        if threads > 0 {
            fact.href = outcome(category, status, None);
        }
        if stands_out {
            fact.class = "bad";
        }
        facts.push(fact);
    }
    if let Some((key, feedback)) =
        main_feedback(report).and_then(|key| Some((key, statistics.feedback.get(key)?)))
        && let Some(mean) = feedback.mean
    {
        let scored = match feedback.threads {
            threads if threads == statistics.threads => "mean of all".to_owned(),
            threads => format!("mean of {}", threads_text(threads)),
        };
        facts.push(plain(&text::line(key), format::number(mean), scored));
    }
    if let Some(latency) = statistics.latency {
        let slow = format!("p99 {}", format::seconds(latency.p99));
        facts.push(plain("Latency p50", format::seconds(latency.p50), slow));
    }
    if let Some(cost) = statistics.cost {
        facts.push(plain("Cost", format::money(cost.total), format!("median {}", format::money(cost.p50))));
    }
    if statistics.total_tokens > 0 {
        let tokens = statistics.total_tokens;
        facts.push(plain("Tokens", format::compact(tokens), format::count(tokens)));
    }
    facts
}

/// `1 thread`, `2,000 threads`.
pub(super) fn threads_text(threads: usize) -> String {
    format!("{} thread{}", format::count(threads), if threads == 1 { "" } else { "s" })
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
            note: threads_text(threads),
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

/// Threads that have the attribute.
fn covered(attribute: &AttributeStatistics) -> usize {
    match attribute {
        AttributeStatistics::Boolean { threads, .. }
        | AttributeStatistics::Number { threads, .. }
        | AttributeStatistics::Labels { threads, .. } => *threads,
    }
}

/// Whether it tells threads apart: enough have it, it varies, and some value comes twice.
#[expect(clippy::float_cmp, reason = "the same number of every thread is the very same")]
fn is_telling(attribute: &AttributeStatistics, all: usize) -> bool {
    let varies = match attribute {
        AttributeStatistics::Boolean { threads, yes } => (1..*threads).contains(yes),
        AttributeStatistics::Number { mean, p50, max, .. } => p50 != max || mean != max,
        AttributeStatistics::Labels { threads, counts, .. } => {
            counts.iter().any(|count| (2..*threads).contains(&count.threads))
        }
    };
    varies && ratio(covered(attribute), all) >= COVERAGE
}

/// `last_tool` reads better as `last tool`; a key of metadata (`metadata.user_id`) is what one filters by.
pub(super) fn attribute_name(name: &str) -> String {
    let name = text::line(name);
    if name.contains('.') { name } else { name.replace('_', " ") }
}

/// The list of threads with an outcome: `failing` or `error`.
pub(super) fn outcome(category: &str, status: &str, attribute: Option<(&str, &str)>) -> String {
    let mut href = match attribute {
        Some((name, value)) => evidence(category, name, value),
        None if category.is_empty() => "#threads?".to_owned(),
        None => format!("#threads?category={}", encode(category)),
    };
    if !href.ends_with('?') {
        href.push('&');
    }
    href.push_str("status=");
    href.push_str(status);
    href
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

pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { count(part) / count(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "lengths on a screen")]
pub(super) fn count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use assay_domain::report::LabelCount;

    use super::*;

    #[test]
    fn links_are_encoded_and_widths_stay_inside() {
        assert_eq!(evidence("", "a b", "<x>"), "#threads?attribute=a%20b&value=%3Cx%3E");
        assert_eq!(width(f64::NAN), "0.00%");
        assert_eq!(width(7.0), "100.00%");
    }

    #[test]
    fn what_is_the_same_everywhere_or_rare_tells_nothing() {
        let labels = |counts: &[usize]| AttributeStatistics::Labels {
            threads: counts.iter().sum(),
            counts: counts
                .iter()
                .enumerate()
                .map(|(at, &threads)| LabelCount { label: at.to_string(), threads })
                .collect(),
            others: 0,
        };
        assert!(is_telling(&labels(&[60, 40]), 100));
        assert!(!is_telling(&labels(&[100]), 100), "one value");
        assert!(!is_telling(&labels(&[1; 100]), 100), "each its own value");
        assert!(!is_telling(&labels(&[6, 3]), 100), "of too few threads");
        assert!(!is_telling(&AttributeStatistics::Boolean { threads: 100, yes: 0 }, 100));
        let number = |max| AttributeStatistics::Number { threads: 50, mean: 1.0, p50: 1.0, p99: 1.0, max };
        assert!(is_telling(&number(2.0), 100) && !is_telling(&number(1.0), 100));
    }

    #[test]
    fn keys_of_metadata_are_written_as_they_are() {
        assert_eq!(attribute_name("last_tool"), "last tool");
        assert_eq!(attribute_name("metadata.duration_api_ms"), "metadata.duration_api_ms");
    }
}
