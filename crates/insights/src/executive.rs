//! Writes what a busy reader needs to know, as claims that can be checked.
//!
//! Every sentence is a template with slots; every slot carries the query that
//! yields its number. The numbers are taken from the aggregates here and
//! recomputed from the assignments by [`crate::verify`], and a claim that
//! does not verify is dropped and counted.

use std::collections::{BTreeSet, HashMap};

use assay_domain::Report;
use assay_domain::report::{
    Assignment, Association, AttributeFilter, AttributeStatistics, Category, CategoryKind, Claim, ClaimValue,
    ExecutiveSummary, Focus, Highlight, Measure, Query, Statistics,
};

use crate::group::EVERYTHING;
use crate::standing::{self, Counts, SMALLEST_TELLING};
use crate::verify;

/// Threads shown as worth reading.
const HIGHLIGHTS: usize = 10;
/// Below this share of all threads, what is wrong with them is worth no sentence.
const SMALLEST_SIGNAL: f64 = 0.05;
/// The largest categories are named as what it is mostly about from this share of all threads on.
const MOST: f64 = 0.5;

/// Completes a report that lacks nothing but its executive summary.
pub fn write(report: &mut Report) {
    let mut writer = Writer { report, highlights: Vec::new(), claims: Vec::new() };
    match report.config.focus {
        Focus::Usage => writer.usage(),
        Focus::Errors => writer.errors(),
    }
    writer.more_highlights();
    let Writer { highlights, claims, .. } = writer;
    let title = title(report);
    report.executive_summary = ExecutiveSummary { title, key_points: Vec::new(), highlights };
    let drafted = claims.len();
    let kept: Vec<Claim> = claims.into_iter().filter(|claim| verify::claim(report, claim).is_ok()).collect();
    report.made.claims_dropped = drafted - kept.len();
    report.executive_summary.key_points = kept;
}

/// Names the largest categories; numbers belong into claims.
pub(crate) fn title(report: &Report) -> String {
    let is_failing = |node: &&Category| node.statistics.failures > 0 || report.config.focus == Focus::Usage;
    let tops: Vec<&Category> = leading(report).into_iter().filter(is_failing).collect();
    let largest: Vec<String> = tops.iter().take(3).map(|node| node.name.clone()).collect();
    let share: f64 = tops.iter().take(3).map(|node| node.statistics.share.value).sum();
    match (report.config.focus, largest.is_empty()) {
        (Focus::Usage, true) => "No category stands out".to_owned(),
        (Focus::Usage, false) if is_undivided(report) => "Requests that form no groups".to_owned(),
        (Focus::Usage, false) if share < MOST => format!("Many topics: {} and others", largest.join(", ")),
        (Focus::Usage, false) => format!("Mostly {}", enumerate(&largest)),
        (Focus::Errors, true) => "No failure shows in these threads".to_owned(),
        (Focus::Errors, false) => format!("Failures: {}", of_kinds(&largest)),
    }
}

/// Names as one text; what is of a kind (`Tool errors: search`) stands together: `Tool errors (search, order); Loops`.
fn of_kinds(names: &[String]) -> String {
    let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in names {
        let (kind, one) =
            name.split_once(": ").map_or((name.as_str(), None), |(kind, one)| (kind, Some(one)));
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, ones)) => ones.extend(one),
            None => kinds.push((kind, one.into_iter().collect())),
        }
    }
    let words = |(kind, ones): &(&str, Vec<&str>)| match ones.is_empty() {
        true => (*kind).to_owned(),
        false => format!("{kind} ({})", ones.join(", ")),
    };
    kinds.iter().map(words).collect::<Vec<_>>().join("; ")
}

/// Whether nothing was found that sets some threads apart from the others.
fn is_undivided(report: &Report) -> bool {
    matches!(leaves(report).as_slice(), [only] if only.name == EVERYTHING)
}

/// Top categories that mean something, largest first.
fn leading(report: &Report) -> Vec<&Category> {
    report.taxonomy.children(None).filter(|node| is_telling(node)).collect()
}

/// Leaf categories that mean something, largest first.
fn leaves(report: &Report) -> Vec<&Category> {
    let mut leaves: Vec<&Category> = report
        .taxonomy
        .nodes
        .iter()
        .filter(|node| is_telling(node) && report.taxonomy.is_leaf(&node.id))
        .collect();
    leaves.sort_by(|a, b| {
        b.statistics.estimated_threads.total_cmp(&a.statistics.estimated_threads).then(a.id.cmp(&b.id))
    });
    leaves
}

/// Whether a category is another one or below it.
fn is_within(report: &Report, node: &Category, other: &Category) -> bool {
    let parent = |id: &String| report.taxonomy.nodes.iter().find(|node| node.id == *id)?.parent.as_ref();
    std::iter::successors(Some(&node.id), |id| parent(id)).any(|id| *id == other.id)
}

fn is_telling(node: &Category) -> bool {
    matches!(node.kind, CategoryKind::Discovered | CategoryKind::Predefined) && node.statistics.threads > 0
}

/// The leaves in which `holds` is true clearly more often than elsewhere, largest first.
/// Threads for which it is `None` cannot answer and are not counted.
fn standing_out(report: &Report, holds: impl Fn(&Assignment) -> Option<bool>) -> Vec<&Category> {
    let leaves = leaves(report);
    let place: HashMap<&str, usize> =
        leaves.iter().enumerate().map(|(place, node)| (node.id.as_str(), place)).collect();
    let (mut groups, mut whole) = (vec![Counts::default(); leaves.len()], Counts::default());
    for one in &report.assignments {
        let Some(is_so) = holds(one) else { continue };
        whole.add(one.weight, is_so);
        if let Some(&place) = place.get(one.category.as_str()) {
            groups[place].add(one.weight, is_so);
        }
    }
    let is_above = standing::above(&groups, &whole);
    leaves.into_iter().zip(is_above).filter_map(|(node, is_above)| is_above.then_some(node)).collect()
}

/// Leaf categories of failures that were not recovered, largest first.
fn failing_leaves(report: &Report) -> Vec<&Category> {
    leaves(report).into_iter().filter(|node| node.statistics.failures > 0).collect()
}

struct Writer<'a> {
    report: &'a Report,
    highlights: Vec<Highlight>,
    claims: Vec<Claim>,
}

impl Writer<'_> {
    fn usage(&mut self) {
        self.overview();
        self.failing_category();
        self.failure_cause();
        self.outlier_by_latency();
        self.costliest();
        self.least_liked();
        self.left_over();
    }

    fn errors(&mut self) {
        self.failures_overview();
        self.largest_failures();
        self.failure_associations();
        self.failures_cost();
        self.least_liked();
    }

    fn overview(&mut self) {
        let leading = leading(self.report);
        if leading.is_empty() {
            let template = "{0} threads were read; none of them fits a category";
            return self.say(template, vec![all(Measure::Threads)], &[]);
        }
        if is_undivided(self.report) {
            let template = "{0} threads were read; their requests are too few, too much alike or too different \
                            to form groups";
            return self.say(template, vec![all(Measure::Threads)], &[]);
        }
        let noun = if leading.len() == 1 { "top category" } else { "top categories" };
        let mut values = vec![all(Measure::Threads), all(Measure::TopCategories)];
        let mut below = String::new();
        if leaves(self.report).len() > leading.len() {
            below = " with {2} categories below".to_owned();
            values.push(all(Measure::Categories));
        }
        let mut parts = Vec::new();
        for node in leading.iter().take(3) {
            parts.push(format!("{} ({{{}}})", escape(&node.name), values.len()));
            values.push(of(node, Measure::Share));
        }
        let verb = if parts.len() == 1 { "the largest is" } else { "the largest are" };
        let template = format!("{{0}} threads fall into {{1}} {noun}{below}; {verb} {}", enumerate(&parts));
        self.say(&template, values, &[]);
    }

    /// Of the leaves whose failure rate stands out, the one with most failures beyond the overall rate; where none
    /// does by itself, of the categories above them.
    fn failing_category(&mut self) {
        let report = self.report;
        let overall = report.statistics.failure_rate.value;
        let leaves = leaves(report);
        let above: Vec<&Category> = report.taxonomy.nodes.iter().filter(|node| is_telling(node)).collect();
        let Some(node) = worst(&leaves, overall).or_else(|| worst(&above, overall)) else {
            let template = match leaves.len() {
                0 | 1 => "{0} of all threads show a failure",
                _ => {
                    "{0} of all threads show a failure, and no category fails clearly more often than the others"
                }
            };
            self.say(template, vec![all(Measure::FailureRate)], &[]);
            return self.signals();
        };
        let below = leaves.into_iter().filter(|leaf| is_within(report, leaf, node));
        let shown = below
            .max_by(|a, b| a.statistics.failures.cmp(&b.statistics.failures).then_with(|| b.id.cmp(&a.id)));
        let reference = shown.and_then(|leaf| {
            self.highlight(leaf, |one| one.failure.is_some(), "shows how this category fails")
        });
        let template = format!(
            "“{}” fails more than the rest: {{0}} of its threads show a failure, against {{1}} overall{}",
            escape(&node.name),
            cite(reference)
        );
        self.say(
            &template,
            vec![of(node, Measure::FailureRate), all(Measure::FailureRate)],
            &reference_list(reference),
        );
    }

    /// What goes wrong most, where no category tells.
    fn signals(&mut self) {
        let report = self.report;
        let mut found: Vec<(f64, AttributeFilter, String, &str)> = Vec::new();
        let mut look = |name: &str, value: &str, words: String, reason| {
            let filter = AttributeFilter { name: name.to_owned(), value: value.to_owned() };
            let share = share_of(report, &filter);
            let threads = report.assignments.iter().filter(|one| verify::has(one, &filter)).count();
            if share >= SMALLEST_SIGNAL && threads >= 3 {
                found.push((share, filter, words, reason));
            }
        };
        look("unanswered", "true", "{0} of all threads are left unanswered".to_owned(), "is left unanswered");
        look(
            "loop",
            "true",
            "{0} of all threads show a loop of the same calls".to_owned(),
            "goes in circles",
        );
        look("refusal", "true", "{0} of all threads hold a refusal".to_owned(), "holds a refusal");
        if let Some(AttributeStatistics::Labels { counts, .. }) =
            report.statistics.attributes.get("failed_tools")
        {
            for count in counts.iter().take(2) {
                let words = format!("A call of “{}” fails in {{0}} of all threads", escape(&count.label));
                look("failed_tools", &count.label, words, "has a call that fails");
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.cmp(&b.2)));
        for (share, filter, words, reason) in found.into_iter().take(2) {
            let is_such = |one: &Assignment| verify::has(one, &filter);
            let reference = leaves(report).into_iter().find_map(|node| self.highlight(node, is_such, reason));
            let query =
                Query { measure: Measure::AttributeShare, category: None, attribute: Some(filter.clone()) };
            self.say(
                &format!("{words}{}", cite(reference)),
                vec![(query, share)],
                &reference_list(reference),
            );
        }
    }

    /// What goes with failing, over all leaves: the largest gap in a telling attribute.
    fn failure_cause(&mut self) {
        let found = leaves(self.report)
            .into_iter()
            .filter(|node| node.statistics.threads >= SMALLEST_TELLING)
            .flat_map(|node| node.statistics.associations.iter().map(move |link| (node, link)))
            .filter(|(_, link)| is_cause(link))
            .max_by(|(a, x), (b, y)| {
                (x.inside - x.outside).total_cmp(&(y.inside - y.outside)).then(b.id.cmp(&a.id))
            });
        if let Some((node, link)) = found {
            self.association(node, link);
        }
    }

    fn association(&mut self, node: &Category, link: &Association) {
        let filter = AttributeFilter { name: link.attribute.clone(), value: link.value.clone() };
        let part =
            |measure| Query { measure, category: Some(node.id.clone()), attribute: Some(filter.clone()) };
        let is_here = |one: &Assignment| {
            verify::has(one, &AttributeFilter { name: link.attribute.clone(), value: link.value.clone() })
        };
        let reason = format!("is a typical thread with {} = {}", link.attribute, link.value);
        let reference = self.highlight(node, is_here, &reason);
        let template = format!(
            "“{}” goes with {} = {}: {{0}} of its threads, against {{1}} elsewhere{}",
            escape(&node.name),
            escape(&readable(&link.attribute)),
            escape(&link.value),
            cite(reference)
        );
        let values = vec![
            (part(Measure::AttributeShare), link.inside),
            (part(Measure::AttributeShareOutside), link.outside),
        ];
        self.say(&template, values, &reference_list(reference));
    }

    fn outlier_by_latency(&mut self) {
        let Some(overall) = self.report.statistics.latency else { return };
        let p50 = |node: &Category| node.statistics.latency.map_or(0.0, |latency| latency.p50);
        let is_slow = |one: &Assignment| one.latency.map(|latency| latency > overall.p50);
        let slowest = standing_out(self.report, is_slow)
            .into_iter()
            .filter(|node| p50(node) > overall.p50 * 1.5)
            .max_by(|a, b| p50(a).total_cmp(&p50(b)).then(b.id.cmp(&a.id)));
        let Some(node) = slowest else { return };
        let template = format!(
            "“{}” is the slowest: half of its threads take longer than {{0}}, against {{1}} overall",
            escape(&node.name)
        );
        self.say(&template, vec![of(node, Measure::LatencyP50), all(Measure::LatencyP50)], &[]);
    }

    fn costliest(&mut self) {
        let Some(overall) = self.report.statistics.cost.filter(|cost| cost.total > 0.0) else { return };
        let total = |node: &Category| node.statistics.cost.map_or(0.0, |cost| cost.total);
        let leading = leading(self.report);
        // Of one category all costs say nothing.
        if leading.len() < 2 {
            return;
        }
        let costliest =
            leading.into_iter().max_by(|a, b| total(a).total_cmp(&total(b)).then(b.id.cmp(&a.id)));
        let Some(node) = costliest.filter(|node| total(node) > 0.0 && overall.total > 0.0) else { return };
        let template = format!(
            "“{}” costs the most: {{0}} of {{1}} in all, for {{2}} of the threads",
            escape(&node.name)
        );
        let values = vec![of(node, Measure::TotalCost), all(Measure::TotalCost), of(node, Measure::Share)];
        self.say(&template, values, &[]);
    }

    /// What users or evaluators say, by the key most threads have, and the category they score lowest.
    fn least_liked(&mut self) {
        let report = self.report;
        let scores = report.statistics.feedback.iter();
        let scores = scores.filter_map(|(key, statistics)| Some((key, statistics.threads, statistics.mean?)));
        let Some((key, _, overall)) = scores.max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0))) else { return };
        let measure = Measure::FeedbackMean { key: key.clone() };
        let is_low = |one: &Assignment| one.feedback.get(key).map(|score| *score < overall);
        let mean = |node: &Category| node.statistics.feedback.get(key).and_then(|feedback| feedback.mean);
        let lowest = standing_out(report, is_low)
            .into_iter()
            .filter_map(|node| Some((node, mean(node)?)))
            .filter(|(_, mean)| *mean < overall)
            .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.id.cmp(&b.0.id)));
        let Some((node, _)) = lowest else {
            let template =
                format!("Feedback “{}” is {{0}} on average over all threads that have it", escape(key));
            return self.say(&template, vec![all(measure)], &[]);
        };
        let reference = self.highlight(node, |one| is_low(one) == Some(true), "was scored low");
        let template = format!(
            "Feedback “{}” is lowest for “{}”: {{0}} on average, against {{1}} overall{}",
            escape(key),
            escape(&node.name),
            cite(reference)
        );
        self.say(&template, vec![of(node, measure.clone()), all(measure)], &reference_list(reference));
    }

    fn left_over(&mut self) {
        let other = self
            .report
            .taxonomy
            .children(None)
            .find(|node| node.kind == CategoryKind::Other && node.statistics.threads > 0);
        if let Some(node) = other {
            self.say("{0} of the threads fit no category", vec![of(node, Measure::Share)], &[]);
        }
    }

    fn failures_overview(&mut self) {
        self.say(
            "{0} of {1} threads show a failure; {2} ended in an error",
            vec![all(Measure::FailureRate), all(Measure::Threads), all(Measure::ErrorRate)],
            &[],
        );
    }

    fn largest_failures(&mut self) {
        for node in failing_leaves(self.report).into_iter().take(4) {
            let reference = self.highlight(node, |_| true, "is typical of this failure");
            let template =
                format!("“{}”: {{0}} threads, {{1}} of all{}", escape(&node.name), cite(reference));
            let values = vec![of(node, Measure::Threads), of(node, Measure::Share)];
            self.say(&template, values, &reference_list(reference));
        }
    }

    /// For each large failure the fact outside of the failure itself that it goes with most.
    fn failure_associations(&mut self) {
        let report = self.report;
        let mut found: Vec<(&Category, &Association)> = failing_leaves(report)
            .into_iter()
            .filter_map(|node| {
                let link = node.statistics.associations.iter().find(|link| is_cause(link));
                Some((node, link?))
            })
            .collect();
        found.sort_by(|(a, x), (b, y)| {
            (y.inside - y.outside).total_cmp(&(x.inside - x.outside)).then(a.id.cmp(&b.id))
        });
        for (node, link) in found.into_iter().take(3) {
            self.association(node, link);
        }
    }

    fn failures_cost(&mut self) {
        let total = |node: &Category| node.statistics.cost.map_or(0.0, |cost| cost.total);
        let costliest = failing_leaves(self.report)
            .into_iter()
            .max_by(|a, b| total(a).total_cmp(&total(b)).then(b.id.cmp(&a.id)));
        let Some(node) = costliest.filter(|node| total(node) > 0.0) else { return };
        let template = format!("“{}” wastes the most money: {{0}} of {{1}} in all", escape(&node.name));
        self.say(&template, vec![of(node, Measure::TotalCost), all(Measure::TotalCost)], &[]);
    }

    /// Fills the list: the clearest failing thread of each large category, typical ones, then what
    /// fails in yet another way, costs most, takes longest.
    fn more_highlights(&mut self) {
        let report = self.report;
        for node in failing_leaves(report) {
            self.highlight(node, |one| one.failure.is_some(), "shows how this category fails");
        }
        for node in leaves(report) {
            self.highlight(node, |_| true, "is the most typical of its category");
        }
        for (reason, value) in EXTREMES {
            let most = report.assignments.iter().filter_map(|one| Some((one, value(one)?)));
            let most = most.max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.thread.cmp(&a.0.thread)));
            let Some((most, _)) = most else { continue };
            if let Some(node) = report.category(&most.category) {
                self.highlight(node, |one| one.thread == most.thread, reason);
            }
        }
        for node in failing_leaves(report) {
            while self.another_failure(node).is_some() {}
        }
        for node in failing_leaves(report) {
            while self.highlight(node, |one| one.failure.is_some(), "shows how this category fails").is_some()
            {
            }
        }
    }

    /// Puts a thread on the list that fails as none on it does.
    fn another_failure(&mut self, node: &Category) -> Option<usize> {
        let is_shown = |one: &&Assignment| self.highlights.iter().any(|shown| shown.thread == one.thread);
        let shown = self.report.assignments.iter().filter(is_shown);
        let known: BTreeSet<&str> = shown.filter_map(|one| one.failure.as_deref()).collect();
        let is_new = |one: &Assignment| one.failure.as_deref().is_some_and(|way| !known.contains(way));
        self.highlight(node, is_new, "fails in another way")
    }

    /// Puts the clearest matching thread of a category on the list; returns its rank.
    fn highlight(
        &mut self,
        node: &Category,
        matches: impl Fn(&Assignment) -> bool,
        reason: &str,
    ) -> Option<usize> {
        if self.highlights.len() >= HIGHLIGHTS {
            return None;
        }
        let taken = |one: &Assignment| self.highlights.iter().any(|known| known.thread == one.thread);
        // Assignments of a category are ordered by confidence already.
        let thread = self
            .report
            .assignments
            .iter()
            .filter(|one| one.category == node.id)
            .find(|one| matches(one) && !taken(one))?;
        let rank = self.highlights.len() + 1;
        self.highlights.push(Highlight {
            rank,
            thread: thread.thread.clone(),
            run: thread.run,
            category: node.id.clone(),
            category_name: node.name.clone(),
            reason: reason.to_owned(),
            summary: thread.summary.clone(),
        });
        Some(rank)
    }

    /// States a claim. Values whose number is not known are looked up in the statistics.
    fn say(&mut self, template: &str, values: Vec<impl Into<Asked>>, references: &[usize]) {
        let mut filled = Vec::new();
        for value in values {
            let Asked { query, value } = value.into();
            let Some(value) = value.or_else(|| self.known(&query)) else { return };
            let shown = verify::show(&query.measure, value);
            filled.push(ClaimValue { query, value, shown });
        }
        let shown: Vec<&str> = filled.iter().map(|value| value.shown.as_str()).collect();
        let text = verify::fill(template, &shown);
        self.claims.push(Claim {
            template: template.to_owned(),
            values: filled,
            references: references.to_vec(),
            text,
        });
    }

    /// The aggregate that answers a query without attribute.
    fn known(&self, query: &Query) -> Option<f64> {
        let statistics: &Statistics = match &query.category {
            Some(id) => &self.report.category(id)?.statistics,
            None => &self.report.statistics,
        };
        match &query.measure {
            Measure::Threads => Some(statistics.threads as f64),
            Measure::Share => Some(statistics.share.value),
            Measure::AttributeShare | Measure::AttributeShareOutside => None,
            Measure::Categories => Some(leaves(self.report).len() as f64),
            Measure::TopCategories => Some(leading(self.report).len() as f64),
            Measure::ErrorRate => Some(statistics.error_rate.value),
            Measure::FailureRate => Some(statistics.failure_rate.value),
            Measure::LatencyP50 => Some(statistics.latency?.p50),
            Measure::LatencyP99 => Some(statistics.latency?.p99),
            Measure::TotalCost => Some(statistics.cost?.total),
            Measure::CostP50 => Some(statistics.cost?.p50),
            Measure::TotalTokens => Some(statistics.total_tokens as f64),
            Measure::FeedbackMean { key } => statistics.feedback.get(key)?.mean,
        }
    }
}

/// What a thread may have most of, and why that makes it worth reading.
type Extreme = (&'static str, fn(&Assignment) -> Option<f64>);
const EXTREMES: [Extreme; 2] = [
    ("cost the most of all threads", |one| one.cost),
    ("took the longest of all threads", |one| one.latency),
];

/// The share of all threads that have an attribute's value.
fn share_of(report: &Report, filter: &AttributeFilter) -> f64 {
    let having = report.assignments.iter().filter(|one| verify::has(one, filter));
    let whole: f64 = report.assignments.iter().map(|one| one.weight).sum();
    having.map(|one| one.weight).sum::<f64>() / whole.max(f64::MIN_POSITIVE)
}

/// A query, with its number where the writer has it at hand.
struct Asked {
    query: Query,
    value: Option<f64>,
}

impl From<Query> for Asked {
    fn from(query: Query) -> Self {
        Self { query, value: None }
    }
}

impl From<(Query, f64)> for Asked {
    fn from((query, value): (Query, f64)) -> Self {
        Self { query, value: Some(value) }
    }
}

fn all(measure: Measure) -> Query {
    Query { measure, category: None, attribute: None }
}

fn of(node: &Category, measure: Measure) -> Query {
    Query { measure, category: Some(node.id.clone()), attribute: None }
}

/// How many more threads fail than at the overall rate.
/// Of those whose failure rate stands out, the one with most failures beyond the overall rate.
fn worst<'a>(nodes: &[&'a Category], overall: f64) -> Option<&'a Category> {
    nodes.iter().copied().filter(|node| node.statistics.failures_stand_out).max_by(|a, b| {
        excess_failures(a, overall).total_cmp(&excess_failures(b, overall)).then(b.id.cmp(&a.id))
    })
}

fn excess_failures(node: &Category, overall: f64) -> f64 {
    (node.statistics.failure_rate.value - overall) * node.statistics.estimated_threads
}

/// Facts that can be a reason: versions, models, metadata, language. How a
/// failure looks (failed tools, loops) is the failure itself, not its cause,
/// and what most other threads share sets nothing apart.
fn is_cause(link: &Association) -> bool {
    let names_a_cause =
        matches!(link.attribute.as_str(), "prompt_version" | "models" | "providers" | "language" | "tags")
            || link.attribute.starts_with("metadata.");
    names_a_cause && link.value != "unknown" && link.odds_ratio > 1.0 && link.outside < 0.5
}

/// `metadata.customer_tier` → `customer tier`.
fn readable(attribute: &str) -> String {
    attribute.strip_prefix("metadata.").unwrap_or(attribute).replace('_', " ")
}

fn cite(rank: Option<usize>) -> String {
    rank.map(|rank| format!(" (#{rank})")).unwrap_or_default()
}

fn reference_list(rank: Option<usize>) -> Vec<usize> {
    rank.into_iter().collect()
}

/// Names come from traces: a brace or hash in them must not read as a slot or reference.
fn escape(name: &str) -> String {
    name.replace(['{', '}', '#'], " ")
}

/// `a`, `a and b`, `a, b and c`.
fn enumerate(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

#[cfg(test)]
mod tests;
