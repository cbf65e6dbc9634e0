//! The page as its templates see it. Every text in these structs has passed
//! [`text::visible`]; askama escapes it on the way out.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use assay_domain::report::{
    AttributeStatistics, Category, CategoryKind, Estimate, Focus, Measure, Query, Report,
};

use super::HtmlOptions;
use super::assets;
use super::method::MethodView;
use super::numbers::{StatisticsView, encode, estimate_title, evidence, main_feedback, outcome, width};
use super::selection::Selection;
use crate::claim::{self, Segment};
use crate::markdown::title;
use crate::{format, text};

/// The whole page, as a file.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page {
    policy: &'static str,
    style: &'static str,
    early_script: &'static str,
    script: &'static str,
    body: Body,
}

/// The views of a report, whatever stands around them.
#[derive(Template)]
#[template(path = "report_body.html")]
pub(crate) struct Body {
    pub(crate) title: String,
    project: String,
    kind: String,
    window: String,
    threads: String,
    sampled: String,
    skipped: String,
    key_points: Vec<Vec<SegmentView>>,
    highlights: Vec<HighlightView>,
    statistics: StatisticsView,
    rows: Vec<CategoryRow>,
    feedback_key: String,
    shares: Vec<ShareView>,
    categories: Vec<CategoryView>,
    pub(crate) map: bool,
    engine: String,
    id: String,
    method: MethodView,
}

/// Part of a claim.
struct SegmentView {
    /// `text`, `value` or `reference`.
    kind: &'static str,
    text: String,
    /// What the number counts.
    title: String,
    href: String,
}

struct HighlightView {
    rank: usize,
    href: String,
    reason: String,
    summary: String,
    category: String,
    color: &'static str,
}

/// A stretch of the bar over all top categories.
struct ShareView {
    name: String,
    shown: String,
    href: String,
    color: &'static str,
    x: String,
    width: String,
}

/// A row of the table of categories.
struct CategoryRow {
    position: usize,
    parent: Option<usize>,
    href: String,
    name: String,
    depth: usize,
    has_children: bool,
    is_open: bool,
    is_hidden: bool,
    is_aside: bool,
    color: &'static str,
    threads: String,
    share: String,
    plus_minus: String,
    share_title: String,
    share_width: String,
    low: String,
    high: String,
    failures: RateView,
    errors: RateView,
    p50: String,
    p99: String,
    cost: String,
    cost_title: String,
    feedback: String,
}

/// A share of a category's threads; `bad` where it is higher than elsewhere beyond chance.
struct RateView {
    shown: String,
    title: String,
    class: &'static str,
}

/// A category's own section.
struct CategoryView {
    anchor: String,
    position: usize,
    crumbs: Vec<(String, String)>,
    name: String,
    description: String,
    kind: &'static str,
    color: &'static str,
    keywords: Vec<String>,
    examples: Vec<(String, String)>,
    statistics: StatisticsView,
    rows: Vec<CategoryRow>,
    feedback: Vec<(String, String)>,
}

impl Page {
    pub(super) fn new(report: &Report, options: &HtmlOptions, selection: &Selection) -> Self {
        Self {
            policy: assets::policy(),
            style: assets::STYLE,
            early_script: assets::EARLY_SCRIPT,
            script: assets::script(),
            body: Body::new(report, options, selection).called(&options.name),
        }
    }
}

impl Body {
    pub(super) fn new(report: &Report, options: &HtmlOptions, selection: &Selection) -> Self {
        let index = Index::new(report);
        let colors = Colors::new(report, &index);
        let feedback = main_feedback(report);
        let tree = Tree { report, index: &index, colors: &colors, feedback };
        let statistics = &report.statistics;
        Self {
            title: text::line(&title(report)),
            project: text::line(&report.project),
            kind: text::line(&report.config.name),
            window: window(report),
            threads: format::count(statistics.threads),
            sampled: sampled(report),
            skipped: format::count(report.made.skipped.len()),
            key_points: key_points(report),
            highlights: tree.highlights(),
            statistics: StatisticsView::whole(report),
            rows: tree.rows(None),
            feedback_key: feedback.map(text::line).unwrap_or_default(),
            shares: tree.shares(),
            categories: (0..report.taxonomy.nodes.len()).map(|position| tree.section(position)).collect(),
            map: report.assignments.len() > 1,
            engine: format!("Assay {}", text::line(&report.made.engine)),
            id: report.id.to_string(),
            method: MethodView::new(report, options, selection),
        }
    }
}

impl Body {
    /// With what was paid for it where it was made, which answers that were remembered do not add to.
    pub(crate) fn paid(mut self, paid: &str) -> Self {
        if !paid.is_empty() {
            self.method.facts.push(("Paid for this report", paid.to_owned()));
        }
        self
    }

    /// Under the name that it has where it is, which somebody may have given it.
    pub(super) fn called(mut self, name: &str) -> Self {
        if !name.is_empty() {
            self.kind = text::name(name);
        }
        self
    }
}

impl RateView {
    /// So many `of` a category's threads, and whether that is more than elsewhere.
    fn new(rate: &Estimate, of: (usize, usize), stands_out: bool) -> Self {
        let beyond = if stands_out { "; beyond chance more than elsewhere" } else { "" };
        Self {
            shown: format::percent(rate.value),
            title: format!(
                "{} of {} threads; {}{beyond}",
                format::count(of.0),
                format::count(of.1),
                estimate_title(rate)
            ),
            class: if stands_out { "bad" } else { "" },
        }
    }
}

fn window(report: &Report) -> String {
    match (report.made.first_activity, report.made.last_activity) {
        (Some(first), Some(last)) if format::day(first) == format::day(last) => format::day(first),
        (Some(first), Some(last)) => format!("{} – {}", format::day(first), format::day(last)),
        _ => "no times recorded".into(),
    }
}

fn sampled(report: &Report) -> String {
    let made = &report.made;
    if made.population > made.sampled {
        format!("sample of {} threads", format::count(made.population))
    } else {
        "every matching thread".into()
    }
}

fn key_points(report: &Report) -> Vec<Vec<SegmentView>> {
    let view = |segment| match segment {
        Segment::Text(words) => {
            SegmentView { kind: "text", text: spaced(words), title: String::new(), href: String::new() }
        }
        Segment::Value(value) => SegmentView {
            kind: "value",
            text: text::line(&value.shown),
            title: described(&value.query, report),
            href: query_href(&value.query),
        },
        Segment::Reference(rank) => {
            let highlights = &report.executive_summary.highlights;
            let thread = highlights.iter().find(|highlight| highlight.rank == rank);
            SegmentView {
                kind: if thread.is_some() { "reference" } else { "text" },
                text: format!("#{rank}"),
                title: thread.map(|highlight| text::line(&highlight.reason)).unwrap_or_default(),
                href: thread.map(|highlight| thread_href(&highlight.thread.0)).unwrap_or_default(),
            }
        }
    };
    let points = report.executive_summary.key_points.iter();
    points.map(|point| claim::segments(point).into_iter().map(view).collect()).collect()
}

/// On one line, but with the spaces at the ends that part it from its neighbours.
fn spaced(words: &str) -> String {
    let (start, end) = (words.starts_with(char::is_whitespace), words.ends_with(char::is_whitespace));
    let line = text::line(words);
    if line.is_empty() {
        return " ".into();
    }
    format!("{}{line}{}", if start { " " } else { "" }, if end { " " } else { "" })
}

/// What a number counts, and of how many with which interval, where it is a share.
fn described(query: &Query, report: &Report) -> String {
    let words = text::line(&claim::describe(query, report));
    match basis(query, report) {
        Some(basis) => format!("{words}\n{basis}"),
        None => words,
    }
}

/// `13 of 200 threads, 95 % interval 3.8–10.8 %`.
fn basis(query: &Query, report: &Report) -> Option<String> {
    let statistics = match &query.category {
        Some(id) => &report.category(id)?.statistics,
        None => &report.statistics,
    };
    let all = statistics.threads;
    let (part, whole, estimate) = match (&query.measure, &query.attribute) {
        (Measure::Share, None) => (all, report.statistics.threads, Some(&statistics.share)),
        (Measure::FailureRate, None) => (statistics.failures, all, Some(&statistics.failure_rate)),
        (Measure::ErrorRate, None) => (statistics.errors, all, Some(&statistics.error_rate)),
        (Measure::AttributeShare, Some(filter)) => match statistics.attributes.get(&filter.name)? {
            AttributeStatistics::Labels { counts, .. } => {
                (counts.iter().find(|count| count.label == filter.value)?.threads, all, None)
            }
            AttributeStatistics::Boolean { .. } | AttributeStatistics::Number { .. } => return None,
        },
        _ => return None,
    };
    let counted = format!("{} of {} analysed threads", format::count(part), format::count(whole));
    Some(match estimate {
        Some(estimate) => format!("{counted}, 95 % interval {}", format::interval(estimate)),
        None => counted,
    })
}

/// Where that which a number counts is listed.
fn query_href(query: &Query) -> String {
    let category = query.category.as_deref().unwrap_or_default();
    let attribute = query.attribute.as_ref().map(|filter| (filter.name.as_str(), filter.value.as_str()));
    match (&query.measure, attribute) {
        (Measure::FailureRate, _) => outcome(category, "failing", attribute),
        (Measure::ErrorRate, _) => outcome(category, "error", attribute),
        (Measure::AttributeShareOutside, Some((name, value))) => evidence("", name, value),
        (_, Some((name, value))) => evidence(category, name, value),
        (Measure::Categories | Measure::TopCategories, None) if category.is_empty() => "#categories".into(),
        (_, None) if category.is_empty() => "#threads".into(),
        (_, None) => category_href(category),
    }
}

fn category_href(id: &str) -> String {
    format!("#category/{}", encode(id))
}

fn thread_href(id: &str) -> String {
    format!("#thread/{}", encode(id))
}

/// Positions of categories by id; the first of equal ids wins.
pub(super) struct Index<'a> {
    positions: BTreeMap<&'a str, usize>,
}

impl<'a> Index<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let mut positions = BTreeMap::new();
        for (position, category) in report.taxonomy.nodes.iter().enumerate() {
            positions.entry(category.id.as_str()).or_insert(position);
        }
        Self { positions }
    }

    pub(super) fn get(&self, id: &str) -> Option<usize> {
        self.positions.get(id).copied()
    }

    /// From the category up to the top; bounded, should the parents form a cycle.
    fn ancestors(&self, report: &Report, position: usize) -> Vec<usize> {
        let mut out = vec![position];
        let mut at = position;
        while let Some(parent) = report.taxonomy.nodes[at].parent.as_deref().and_then(|id| self.get(id)) {
            if out.contains(&parent) || out.len() > 16 {
                break;
            }
            out.push(parent);
            at = parent;
        }
        out
    }
}

/// A colour for each top category, shared with everything below it.
pub(super) struct Colors {
    of: Vec<&'static str>,
}

const PALETTE: [&str; 12] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"];
const ASIDE: &str = "aside";

impl Colors {
    pub(super) fn new(report: &Report, index: &Index) -> Self {
        let mut tops = BTreeMap::new();
        let nodes = &report.taxonomy.nodes;
        let of = (0..nodes.len())
            .map(|position| {
                let top = index.ancestors(report, position).last().copied().unwrap_or(position);
                if is_aside(&nodes[top]) || is_aside(&nodes[position]) {
                    return ASIDE;
                }
                let next = tops.len();
                PALETTE[*tops.entry(top).or_insert(next) % PALETTE.len()]
            })
            .collect();
        Self { of }
    }

    pub(super) fn of(&self, position: usize) -> &'static str {
        self.of[position]
    }
}

fn is_aside(category: &Category) -> bool {
    matches!(category.kind, CategoryKind::Other | CategoryKind::Healthy)
}

/// Up to this many rows the table starts unfolded.
const OPEN_ROWS: usize = 36;

struct Tree<'a> {
    report: &'a Report,
    index: &'a Index<'a>,
    colors: &'a Colors,
    feedback: Option<&'a str>,
}

impl Tree<'_> {
    /// All categories below `parent` (all of them for `None`), in the tree's order.
    fn rows(&self, parent: Option<usize>) -> Vec<CategoryRow> {
        let nodes = &self.report.taxonomy.nodes;
        let parents: BTreeSet<&str> = nodes.iter().filter_map(|node| node.parent.as_deref()).collect();
        let direct = |position: usize| match parent {
            None => true,
            Some(parent) => {
                position != parent && nodes[position].parent.as_deref() == Some(&nodes[parent].id)
            }
        };
        let mut positions: Vec<usize> = (0..nodes.len()).filter(|&position| direct(position)).collect();
        if parent.is_none() {
            positions.sort_by_key(|&position| self.is_recovered(self.top(position)));
        }
        let most = positions
            .iter()
            .filter(|&&position| parent.is_some() || nodes[position].parent.is_none())
            .map(|&position| nodes[position].statistics.share.high)
            .fold(0.0, f64::max);
        let is_open = nodes.len() <= OPEN_ROWS;
        positions
            .into_iter()
            .map(|position| {
                let depth = self.index.ancestors(self.report, position).len() - 1;
                let mut row = self.row(position, most);
                if parent.is_none() {
                    row.parent = nodes[position].parent.as_deref().and_then(|id| self.index.get(id));
                    row.depth = depth.min(4);
                    row.has_children = parents.contains(nodes[position].id.as_str());
                    let is_open = is_open && !self.is_recovered(self.top(position));
                    row.is_open = is_open;
                    row.is_hidden = depth > 0 && !is_open;
                }
                row
            })
            .collect()
    }

    fn top(&self, position: usize) -> usize {
        self.index.ancestors(self.report, position).last().copied().unwrap_or(position)
    }

    /// Of a report on failures: what went wrong and was put right. It comes after what was not, and folded.
    fn is_recovered(&self, position: usize) -> bool {
        let category = &self.report.taxonomy.nodes[position];
        self.report.config.focus == Focus::Errors && !is_aside(category) && category.statistics.failures == 0
    }

    fn row(&self, position: usize, most: f64) -> CategoryRow {
        let category = &self.report.taxonomy.nodes[position];
        let statistics = &category.statistics;
        let share = &statistics.share;
        let scale = if most > 0.0 { 1.0 / most } else { 0.0 };
        let rate = |rate: &Estimate, counted: usize, stands_out: bool| {
            RateView::new(rate, (counted, statistics.threads), stands_out)
        };
        let none = || format::NONE.to_owned();
        CategoryRow {
            position,
            parent: None,
            href: category_href(&category.id),
            name: text::name(&category.name),
            depth: 0,
            has_children: false,
            is_open: false,
            is_hidden: false,
            is_aside: is_aside(category),
            color: self.colors.of(position),
            threads: format::count(statistics.threads),
            share: format::percent(share.value),
            plus_minus: format::plus_minus(share),
            share_title: estimate_title(share),
            share_width: width(share.value * scale),
            low: width(share.low * scale),
            high: width(share.high * scale),
            failures: rate(&statistics.failure_rate, statistics.failures, statistics.failures_stand_out),
            errors: rate(&statistics.error_rate, statistics.errors, statistics.errors_stand_out),
            p50: statistics.latency.map_or_else(none, |latency| format::seconds(latency.p50)),
            p99: statistics.latency.map_or_else(none, |latency| format::seconds(latency.p99)),
            cost: statistics.cost.map_or_else(none, |cost| format::money(cost.total)),
            cost_title: statistics
                .cost
                .map_or_else(String::new, |cost| format!("median {} a thread", format::money(cost.p50))),
            feedback: self
                .feedback
                .and_then(|key| statistics.feedback.get(key)?.mean)
                .map_or_else(none, score),
        }
    }

    fn section(&self, position: usize) -> CategoryView {
        let category = &self.report.taxonomy.nodes[position];
        let mut ancestors = self.index.ancestors(self.report, position);
        ancestors.reverse();
        let nodes = &self.report.taxonomy.nodes;
        CategoryView {
            anchor: format!("category/{}", text::line(&category.id)),
            position,
            crumbs: ancestors[..ancestors.len() - 1]
                .iter()
                .map(|&at| (category_href(&nodes[at].id), text::name(&nodes[at].name)))
                .collect(),
            name: text::name(&category.name),
            description: text::line(&category.description),
            kind: match category.kind {
                CategoryKind::Discovered => "",
                CategoryKind::Predefined => "given",
                CategoryKind::Other => "fits nowhere else",
                CategoryKind::Healthy => "no failure shows",
            },
            color: self.colors.of(position),
            keywords: category.keywords.iter().take(12).map(|word| text::line(word)).collect(),
            examples: category
                .examples
                .iter()
                .take(5)
                .map(|example| {
                    (thread_href(&example.thread.0), text::cut(&text::line(&example.text), 280).into_owned())
                })
                .collect(),
            statistics: StatisticsView::category(self.report, category),
            rows: self.rows(Some(position)),
            feedback: category
                .statistics
                .feedback
                .iter()
                // What is a tile needs no second line.
                .filter(|(key, feedback)| self.feedback != Some(key.as_str()) || feedback.mean.is_none())
                .take(8)
                .map(feedback_fact)
                .collect(),
        }
    }

    fn shares(&self) -> Vec<ShareView> {
        let mut x = 0.0;
        let nodes = &self.report.taxonomy.nodes;
        let tops = (0..nodes.len()).filter(|&position| nodes[position].parent.is_none());
        tops.map(|position| {
            let share = nodes[position].statistics.share.value;
            let view = ShareView {
                name: text::name(&nodes[position].name),
                shown: format::percent(share),
                href: category_href(&nodes[position].id),
                color: self.colors.of(position),
                x: width(x),
                width: width(share),
            };
            x += share;
            view
        })
        .collect()
    }

    fn highlights(&self) -> Vec<HighlightView> {
        let highlights = self.report.executive_summary.highlights.iter();
        highlights
            .map(|highlight| HighlightView {
                rank: highlight.rank,
                href: thread_href(&highlight.thread.0),
                reason: text::line(&highlight.reason),
                summary: text::cut(&text::line(&highlight.summary), 320).into_owned(),
                category: text::line(&highlight.category_name),
                color: self.index.get(&highlight.category).map_or(ASIDE, |position| self.colors.of(position)),
            })
            .collect()
    }
}

/// A score as a column shows it: decimals in line.
fn score(mean: f64) -> String {
    if mean.abs() < 100.0 { format!("{mean:.2}") } else { format::number(mean) }
}

/// A feedback key with its mean, or its labels where it has no numbers.
fn feedback_fact((key, feedback): (&String, &assay_domain::report::FeedbackStatistics)) -> (String, String) {
    let value = match feedback.mean {
        Some(mean) => format!("{} over {} threads", format::number(mean), format::count(feedback.threads)),
        None => {
            let mut labels: Vec<_> = feedback.labels.iter().collect();
            labels.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
            let labels = labels.into_iter().take(4);
            labels
                .map(|(label, count)| format!("{} {}", text::line(label), format::count(*count)))
                .collect::<Vec<_>>()
                .join(", ")
        }
    };
    (text::line(key), value)
}
