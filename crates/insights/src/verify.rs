//! Recomputes what a report claims, from its assignments alone.
//!
//! The writer takes its numbers from the aggregates; this module does not
//! look at them. It evaluates the query behind every number over the list of
//! threads, so a mistake on either side shows as a difference, and anybody
//! can check a report with nothing but the report. Numbers that are right but
//! stand in a sentence about something else are found by [`wording`].

pub(crate) mod wording;

use std::collections::{HashMap, HashSet};
use std::fmt;

use assay_domain::Report;
use assay_domain::report::{
    Assignment, AttributeFilter, AttributeValue, CategoryKind, Claim, Highlight, Measure, Query, Statistics,
    Status,
};

use crate::numbers::quantile;

/// Relative difference that rounding may make.
const TOLERANCE: f64 = 1e-9;

/// Something a report says that its data does not.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    pub place: String,
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Checks every claim, reference and count of a report.
///
/// # Errors
/// All violations found, in the order of the report.
pub fn report(report: &Report) -> Result<(), Vec<Violation>> {
    let mut violations = Vec::new();
    let mut note = |place: String, problem: String| violations.push(Violation { place, problem });
    for (index, point) in report.executive_summary.key_points.iter().enumerate() {
        if let Err(problem) = claim(report, point) {
            note(format!("key point {}", index + 1), problem);
        }
    }
    let known: HashSet<&str> = report.assignments.iter().map(|one| one.thread.0.as_str()).collect();
    for (index, highlight) in report.executive_summary.highlights.iter().enumerate() {
        let place = format!("highlight #{}", highlight.rank);
        if highlight.rank != index + 1 {
            note(place.clone(), format!("is number {} in the list", index + 1));
        }
        if !known.contains(highlight.thread.0.as_str()) {
            note(place.clone(), format!("thread {:?} is not in the report", highlight.thread.0));
        }
        if report.category(&highlight.category).is_none_or(|node| node.name != highlight.category_name) {
            note(place.clone(), format!("category {:?} is not in the report", highlight.category_name));
        }
        let shown = report.assignments.iter().find(|one| one.thread == highlight.thread);
        if let Some(problem) = shown.and_then(|thread| mismatch(report, highlight, thread)) {
            note(place, problem);
        }
    }
    let ids: HashSet<&str> = report.taxonomy.nodes.iter().map(|node| node.id.as_str()).collect();
    for assignment in &report.assignments {
        if !ids.contains(assignment.category.as_str()) {
            note(
                format!("thread {:?}", assignment.thread.0),
                format!("category {:?} is not in the taxonomy", assignment.category),
            );
        }
    }
    let everyone: Vec<&Assignment> = report.assignments.iter().collect();
    let all = weight_of(&everyone);
    statistics("the whole", &report.statistics, &everyone, all, &mut note);
    let below = by_category(report);
    for node in &report.taxonomy.nodes {
        let place = format!("category {:?}", node.name);
        let members = below.get(node.id.as_str()).map_or(&[][..], Vec::as_slice);
        statistics(&place, &node.statistics, members, all, &mut note);
        for example in &node.examples {
            if !known.contains(example.thread.0.as_str()) {
                note(
                    place.clone(),
                    format!("cites thread {:?}, which is not in the report", example.thread.0),
                );
            }
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

/// What a highlight says of its thread that the report does not.
fn mismatch(report: &Report, highlight: &Highlight, thread: &Assignment) -> Option<String> {
    if highlight.category != thread.category {
        return Some(format!("thread {:?} is in another category", thread.thread.0));
    }
    if highlight.summary != thread.summary || highlight.run != thread.run {
        return Some(format!("is not what the report says of thread {:?}", thread.thread.0));
    }
    let quote = wording::invented_quote(report, &highlight.reason, &[thread])?;
    Some(format!("nothing in the report on its thread says {quote:?}"))
}

/// Checks one claim: its numbers, how they are shown, its references, and that
/// the words around them speak of the same things.
///
/// # Errors
/// The first problem, in words.
pub fn claim(report: &Report, claim: &Claim) -> Result<(), String> {
    for (slot, value) in claim.values.iter().enumerate() {
        let Some(found) = evaluate(report, &value.query) else {
            return Err(format!("value {slot} cannot be computed from the data"));
        };
        let tolerance = TOLERANCE * found.abs().max(1.0);
        if (found - value.value).abs() > tolerance {
            return Err(format!("value {slot} is {}, but the data says {found}", value.value));
        }
        if show(&value.query.measure, found) != value.shown {
            return Err(format!(
                "value {slot} is shown as {:?}, but reads {:?}",
                value.shown,
                show(&value.query.measure, found)
            ));
        }
    }
    if fill(&claim.template, &claim.values.iter().map(|v| v.shown.as_str()).collect::<Vec<_>>()) != claim.text
    {
        return Err("the text is not the template with its values".to_owned());
    }
    for &rank in &claim.references {
        if rank == 0 || rank > report.executive_summary.highlights.len() {
            return Err(format!("#{rank} refers to no highlight"));
        }
        if !claim.text.contains(&format!("#{rank}")) {
            return Err(format!("#{rank} is not in the text"));
        }
    }
    let cited = claim.text.split('#').skip(1).filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    for rank in cited {
        if !claim.references.contains(&rank) {
            return Err(format!("#{rank} in the text is not among its references"));
        }
    }
    wording::fits(report, claim)
}

/// Puts the values into the slots `{0}`, `{1}`, ... of a template.
#[must_use]
pub fn fill(template: &str, values: &[&str]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    // One pass, so that braces inside a value are never taken for a slot.
    while let Some(open) = rest.find('{') {
        text.push_str(&rest[..open]);
        let slot = rest[open + 1..].find('}').and_then(|close| {
            let index: usize = rest[open + 1..open + 1 + close].parse().ok()?;
            Some((values.get(index)?, open + close + 2))
        });
        match slot {
            Some((value, end)) => {
                text.push_str(value);
                rest = &rest[end..];
            }
            None => {
                text.push('{');
                rest = &rest[open + 1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// How a value of this measure is written.
#[must_use]
pub fn show(measure: &Measure, value: f64) -> String {
    use assay_domain::format;
    match measure {
        Measure::Threads | Measure::Categories | Measure::TopCategories | Measure::TotalTokens => {
            format::count(value.round() as u64)
        }
        Measure::Share
        | Measure::AttributeShare
        | Measure::AttributeShareOutside
        | Measure::ErrorRate
        | Measure::FailureRate => format::percent(value),
        Measure::LatencyP50 | Measure::LatencyP99 => format::seconds(value),
        Measure::TotalCost | Measure::CostP50 => format::money(value),
        Measure::FeedbackMean { .. } => format!("{value:.2}"),
    }
}

/// Checks what is counted about some threads, of a population of weight `all`.
fn statistics(
    place: &str,
    stated: &Statistics,
    members: &[&Assignment],
    all: f64,
    note: &mut impl FnMut(String, String),
) {
    let latency = stated.latency.unwrap_or_default();
    let cost = stated.cost.unwrap_or_default();
    let mut checks: Vec<(&str, Option<f64>, Option<f64>)> = vec![
        ("threads", Some(stated.threads as f64), Some(members.len() as f64)),
        ("estimated threads", Some(stated.estimated_threads), Some(weight_of(members))),
        ("share", Some(stated.share.value), Some(ratio(weight_of(members), all).unwrap_or(0.0))),
        (
            "errors",
            Some(stated.errors as f64),
            Some(members.iter().filter(|one| is_error(one)).count() as f64),
        ),
        (
            "failures",
            Some(stated.failures as f64),
            Some(members.iter().filter(|one| is_failure(one)).count() as f64),
        ),
        ("error rate", Some(stated.error_rate.value), measure(&Measure::ErrorRate, members).or(Some(0.0))),
        (
            "failure rate",
            Some(stated.failure_rate.value),
            measure(&Measure::FailureRate, members).or(Some(0.0)),
        ),
        ("p50 latency", stated.latency.map(|_| latency.p50), measure(&Measure::LatencyP50, members)),
        ("p99 latency", stated.latency.map(|_| latency.p99), measure(&Measure::LatencyP99, members)),
        ("cost", stated.cost.map(|_| cost.total), measure(&Measure::TotalCost, members)),
        ("p50 cost", stated.cost.map(|_| cost.p50), measure(&Measure::CostP50, members)),
        ("tokens", Some(stated.total_tokens as f64), measure(&Measure::TotalTokens, members)),
    ];
    for (key, feedback) in &stated.feedback {
        let counted = measure(&Measure::FeedbackMean { key: key.clone() }, members);
        checks.push((key, feedback.mean, counted));
    }
    for (what, stated, counted) in checks {
        let agrees = match (stated, counted) {
            (Some(stated), Some(counted)) => (stated - counted).abs() <= TOLERANCE * counted.abs().max(1.0),
            (stated, counted) => stated == counted,
        };
        if !agrees {
            let shown =
                |value: Option<f64>| value.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
            note(
                place.to_owned(),
                format!("{what} is {}, but the data says {}", shown(stated), shown(counted)),
            );
        }
    }
}

/// The threads of every category, those of its subcategories included.
fn by_category(report: &Report) -> HashMap<&str, Vec<&Assignment>> {
    let parent: HashMap<&str, Option<&str>> =
        report.taxonomy.nodes.iter().map(|node| (node.id.as_str(), node.parent.as_deref())).collect();
    let mut below: HashMap<&str, Vec<&Assignment>> = HashMap::new();
    for one in &report.assignments {
        let mut next = Some(one.category.as_str());
        // A damaged file may hold a cycle of parents.
        for _ in 0..=parent.len() {
            let Some(id) = next else { break };
            below.entry(id).or_default().push(one);
            next = parent.get(id).copied().flatten();
        }
    }
    below
}

/// The number a query asks for; `None` where no thread can answer it.
#[must_use]
pub fn evaluate(report: &Report, query: &Query) -> Option<f64> {
    let below = query.category.as_ref().map(|id| descendants(report, id));
    let is_inside = |one: &Assignment| below.as_ref().is_none_or(|ids| ids.contains(one.category.as_str()));
    let matches = |one: &Assignment| query.attribute.as_ref().is_none_or(|filter| has(one, filter));
    let (inside, outside): (Vec<&Assignment>, Vec<&Assignment>) =
        report.assignments.iter().partition(|one| is_inside(one));
    let chosen: Vec<&Assignment> = inside.iter().copied().filter(|one| matches(one)).collect();
    match &query.measure {
        Measure::Share => ratio(weight_of(&chosen), report.assignments.iter().map(|one| one.weight).sum()),
        Measure::AttributeShare => ratio(weight_of(&chosen), weight_of(&inside)),
        Measure::AttributeShareOutside => {
            let matching: Vec<&Assignment> = outside.iter().copied().filter(|one| matches(one)).collect();
            ratio(weight_of(&matching), weight_of(&outside))
        }
        Measure::Categories => Some(categories(report, false)),
        Measure::TopCategories => Some(categories(report, true)),
        other => measure(other, &chosen),
    }
}

/// A number about some threads by themselves; `None` for measures that compare them with others.
fn measure(measure: &Measure, threads: &[&Assignment]) -> Option<f64> {
    let share_of = |is: fn(&Assignment) -> bool| {
        let hits: f64 = threads.iter().filter(|one| is(one)).map(|one| one.weight).sum();
        ratio(hits, weight_of(threads))
    };
    match measure {
        Measure::Threads => Some(threads.len() as f64),
        Measure::ErrorRate => share_of(is_error),
        Measure::FailureRate => share_of(is_failure),
        Measure::LatencyP50 => weighted(threads, 0.5, |one| one.latency),
        Measure::LatencyP99 => weighted(threads, 0.99, |one| one.latency),
        Measure::CostP50 => weighted(threads, 0.5, |one| one.cost),
        Measure::TotalCost => {
            let mut costs: Vec<f64> = threads.iter().filter_map(|one| one.cost).collect();
            costs.sort_by(f64::total_cmp);
            (!costs.is_empty()).then(|| costs.iter().sum())
        }
        Measure::TotalTokens => {
            Some(threads.iter().fold(0_u64, |sum, one| sum.saturating_add(one.total_tokens)) as f64)
        }
        Measure::FeedbackMean { key } => {
            let scored = || threads.iter().filter_map(|one| Some((*one.feedback.get(key)?, one.weight)));
            ratio(scored().map(|(score, w)| score * w).sum(), scored().map(|(_, w)| w).sum())
        }
        Measure::Share
        | Measure::AttributeShare
        | Measure::AttributeShareOutside
        | Measure::Categories
        | Measure::TopCategories => None,
    }
}

fn is_error(one: &Assignment) -> bool {
    one.status == Status::Error
}

fn is_failure(one: &Assignment) -> bool {
    is_error(one) || one.failure.is_some()
}

fn weight_of(threads: &[&Assignment]) -> f64 {
    threads.iter().map(|one| one.weight).sum()
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// Leaf categories, or top categories; "Other" and healthy threads are not counted.
fn categories(report: &Report, top: bool) -> f64 {
    let counts = |kind| matches!(kind, CategoryKind::Discovered | CategoryKind::Predefined);
    let parents: HashSet<&str> =
        report.taxonomy.nodes.iter().filter_map(|node| node.parent.as_deref()).collect();
    let chosen = report
        .taxonomy
        .nodes
        .iter()
        .filter(|node| counts(node.kind))
        .filter(|node| if top { node.parent.is_none() } else { !parents.contains(node.id.as_str()) });
    chosen.count() as f64
}

fn weighted(threads: &[&Assignment], q: f64, value: impl Fn(&Assignment) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<(f64, f64)> =
        threads.iter().filter_map(|one| Some((value(one)?, one.weight))).collect();
    quantile(&mut values, q)
}

fn descendants<'a>(report: &'a Report, id: &'a str) -> HashSet<&'a str> {
    let mut found = HashSet::from([id]);
    // Parents stand before children, so one pass finds all.
    for node in &report.taxonomy.nodes {
        if node.parent.as_deref().is_some_and(|parent| found.contains(parent)) {
            found.insert(&node.id);
        }
    }
    found
}

pub(crate) fn has(assignment: &Assignment, filter: &AttributeFilter) -> bool {
    match assignment.attributes.get(&filter.name) {
        Some(AttributeValue::Boolean(value)) => value.to_string() == filter.value,
        Some(AttributeValue::Number(value)) => value.to_string() == filter.value,
        Some(AttributeValue::Text(label)) => *label == filter.value,
        Some(AttributeValue::Labels(labels)) => labels.contains(&filter.value),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_once_and_braces_in_values_stay() {
        assert_eq!(fill("{0} of {1} {x} {9}", &["{1}", "b"]), "{1} of b {x} {9}");
        assert_eq!(fill("no slots", &[]), "no slots");
    }
}
