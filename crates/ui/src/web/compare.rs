//! Two reports side by side: where categories went, and which shares changed.

use std::ops::Range;

use askama::Template;
use assay_domain::comparison::{CategoryChange, CategoryReference, ChangeKind, Comparison, MatchedBy};

use super::Shell;
use super::parts::{Badge, Moment, Pager, Stat, length};
use crate::{format, text};

#[derive(Template)]
#[template(path = "web/compare.html")]
pub struct ComparePage {
    pub shell: Shell,
    pub before: SideView,
    pub after: SideView,
    /// Says how categories were matched.
    pub matched: String,
    pub stats: Vec<Stat>,
    pub flow: Flow,
    pub tops: Vec<ChangeRow>,
    pub tops_pager: Pager,
    pub leaves: Vec<ChangeRow>,
    pub leaves_pager: Pager,
}

/// The part of a table of changes that is shown: its places in the table, and where the others are.
pub struct Shown {
    pub places: Range<usize>,
    pub pager: Pager,
}

/// One of the two reports.
#[derive(Default)]
pub struct SideView {
    pub id: String,
    /// Where the project's reports are.
    pub list: String,
    pub name: String,
    pub title: String,
    pub href: String,
    pub made: Moment,
    pub threads: String,
}

pub struct ChangeRow {
    pub kind: Badge,
    pub before: Vec<(String, String)>,
    pub after: Vec<(String, String)>,
    /// Categories beyond those that are named.
    pub more_before: usize,
    pub more_after: usize,
    pub share_before: String,
    pub share_after: String,
    pub difference: String,
    pub interval: String,
    pub is_significant: bool,
    pub is_growth: bool,
    pub q_value: String,
    /// The difference as a bar to either side of the middle.
    pub bar_x: String,
    pub bar_width: String,
    pub low: String,
    pub high: String,
    pub failures_before: String,
    pub failures_after: String,
}

/// Top categories of both reports as bars, with ribbons between those that are the same.
#[derive(Default)]
pub struct Flow {
    pub height: String,
    pub bars: Vec<FlowBar>,
    pub ribbons: Vec<Ribbon>,
    /// What is left out of it, in words; empty where nothing is.
    pub left_out: &'static str,
}

pub struct FlowBar {
    pub name: String,
    pub shown: String,
    pub href: String,
    pub color: &'static str,
    pub x: &'static str,
    pub y: String,
    pub height: String,
    /// Where its name stands.
    pub text_x: &'static str,
    pub text_y: String,
    pub anchor: &'static str,
}

pub struct Ribbon {
    pub path: String,
    pub color: &'static str,
    pub title: String,
}

const COLORS: [&str; 12] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"];
/// Of the drawing, in its own units: height of all shares, gap between bars, places of the columns.
const SHARES: f64 = 300.0;
const GAP: f64 = 8.0;
const LEFT: (f64, f64) = (300.0, 314.0);
const RIGHT: (f64, f64) = (686.0, 700.0);
/// A name needs so much room.
const LEAST: f64 = 12.0;
/// So many bars are drawn on one side; more could not be told apart.
const MOST_BARS: usize = 40;
/// So many categories of one change are named in a row.
const MOST_NAMES: usize = 12;

impl ComparePage {
    /// `shown` says of a number of changes which of them a table shows: of top categories, then of subcategories.
    #[must_use]
    pub fn new(
        shell: Shell,
        before: SideView,
        after: SideView,
        comparison: &Comparison,
        shown: (impl FnOnce(usize) -> Shown, impl FnOnce(usize) -> Shown),
    ) -> Self {
        let (tops, leaves): (Vec<_>, Vec<_>) = comparison.changes.iter().partition(|change| change.is_top);
        let (shown_tops, shown_leaves) = (shown.0(tops.len()), shown.1(leaves.len()));
        // All rows of both tables are on one scale, whichever are shown.
        let most = comparison
            .changes
            .iter()
            .flat_map(|change| [change.difference.low.abs(), change.difference.high.abs()])
            .fold(0.01, f64::max);
        let rows = |changes: &[&CategoryChange], places: Range<usize>| {
            let shown = changes.get(places).unwrap_or_default();
            shown.iter().map(|change| row(change, &before, &after, most)).collect()
        };
        Self {
            matched: matched(comparison),
            stats: stats(comparison),
            flow: flow(&tops, &before, &after),
            tops: rows(&tops, shown_tops.places),
            tops_pager: shown_tops.pager,
            leaves: rows(&leaves, shown_leaves.places),
            leaves_pager: shown_leaves.pager,
            shell,
            before,
            after,
        }
    }
}

fn matched(comparison: &Comparison) -> String {
    match comparison.matched_by {
        MatchedBy::Threads => format!(
            "Categories are matched by the {} threads both reports hold.",
            format::count(comparison.shared_threads)
        ),
        MatchedBy::Likeness => {
            let (before, after) = (comparison.before.categories, comparison.after.categories);
            let cut = match before.max(after) >= 2 * before.min(after) {
                true => format!(" The reports are cut differently, in {before} and {after} categories."),
                false => String::new(),
            };
            format!(
                "The reports share {} threads: the others are placed in the other report's categories, where those most like them are.{cut}",
                format::count(comparison.shared_threads)
            )
        }
        MatchedBy::Words => format!(
            "The reports share {} threads, too few to go by: categories are matched by their words.",
            format::count(comparison.shared_threads)
        ),
    }
}

fn stats(comparison: &Comparison) -> Vec<Stat> {
    let count = |kind| comparison.changes.iter().filter(|change| change.kind == kind).count();
    let clear = comparison.changes.iter().filter(|change| change.is_significant).count();
    let stat =
        |name: &str, value: String, note: String| Stat { name: name.to_owned(), value, note, class: "" };
    let rates = [&comparison.before.failure_rate, &comparison.after.failure_rate];
    vec![
        stat(
            "Changed beyond chance",
            format::count(clear),
            format!("of {} tests", format::count(comparison.tests)),
        ),
        stat("New", format::count(count(ChangeKind::New)), String::new()),
        stat("Gone", format::count(count(ChangeKind::Gone)), String::new()),
        stat("Split", format::count(count(ChangeKind::Split)), String::new()),
        stat("Merged", format::count(count(ChangeKind::Merged)), String::new()),
        stat(
            "Failure rate",
            format::percent(rates[1].value),
            format!("was {}", format::percent(rates[0].value)),
        ),
    ]
}

fn link(side: &SideView, category: &CategoryReference) -> (String, String) {
    (text::name(&category.name), category_href(side, &category.id))
}

fn category_href(side: &SideView, id: &str) -> String {
    format!("{}#category/{}", side.href, crate::html::encode(id))
}

fn row(change: &CategoryChange, before: &SideView, after: &SideView, most: f64) -> ChangeRow {
    let difference = &change.difference;
    let place = |value: f64| 50.0 + (value / most).clamp(-1.0, 1.0) * 50.0;
    let (from, to) = (place(difference.value.min(0.0)), place(difference.value.max(0.0)));
    let rate = |of: &[CategoryReference]| match of {
        [one] => format::percent(one.failure_rate.value),
        _ => format::NONE.to_owned(),
    };
    ChangeRow {
        kind: kind(change.kind),
        before: change.before.iter().take(MOST_NAMES).map(|category| link(before, category)).collect(),
        after: change.after.iter().take(MOST_NAMES).map(|category| link(after, category)).collect(),
        more_before: change.before.len().saturating_sub(MOST_NAMES),
        more_after: change.after.len().saturating_sub(MOST_NAMES),
        share_before: format::percent(change.share_before.value),
        share_after: format::percent(change.share_after.value),
        difference: points(difference.value),
        interval: format!("{} to {}", points(difference.low), points(difference.high)),
        is_significant: change.is_significant,
        is_growth: difference.value > 0.0,
        q_value: if change.q_value < 0.001 { "<0.001".to_owned() } else { format!("{:.3}", change.q_value) },
        bar_x: format!("{:.2}%", from),
        bar_width: format!("{:.2}%", to - from),
        low: format!("{:.2}%", place(difference.low)),
        high: format!("{:.2}%", place(difference.high)),
        failures_before: rate(&change.before),
        failures_after: rate(&change.after),
    }
}

/// A difference of shares, in points.
fn points(value: f64) -> String {
    if value.is_finite() {
        format!("{:+.1}", value * 100.0).replace('-', "−")
    } else {
        format::NONE.to_owned()
    }
}

fn kind(kind: ChangeKind) -> Badge {
    let (text, class) = match kind {
        ChangeKind::New => ("new", "busy"),
        ChangeKind::Gone => ("gone", "warn"),
        ChangeKind::Split => ("split", ""),
        ChangeKind::Merged => ("merged", ""),
        ChangeKind::Kept => ("kept", ""),
    };
    Badge { text: text.to_owned(), class }
}

/// A category in one of the columns, while ribbons take their part of it.
struct Place {
    y: f64,
    height: f64,
    used: f64,
}

fn flow(tops: &[&CategoryChange], before: &SideView, after: &SideView) -> Flow {
    let mut flow = Flow::default();
    // Both columns in the order of the later report's shares, so that ribbons cross little.
    let mut ordered: Vec<&&CategoryChange> = tops.iter().collect();
    let size = |change: &CategoryChange| change.share_before.value.max(change.share_after.value);
    ordered.sort_by(|a, b| size(b).total_cmp(&size(a)));
    let (mut left_y, mut right_y) = (0.0, 0.0);
    let mut drawn = (0, 0);
    for (index, change) in ordered.into_iter().enumerate() {
        let next = (drawn.0 + change.before.len(), drawn.1 + change.after.len());
        // The largest is drawn in any case, as far as there is room.
        let is_over = next.0.max(next.1) > MOST_BARS;
        if is_over {
            flow.left_out = "Only the largest are drawn; the table below has all.";
        }
        if is_over && index > 0 {
            break;
        }
        drawn = next;
        let color = COLORS[index % COLORS.len()];
        let left = column(&mut flow, &change.before, before, color, &mut left_y, true);
        let right = column(&mut flow, &change.after, after, color, &mut right_y, false);
        ribbons(&mut flow, change, left, right, color);
    }
    flow.height = length(left_y.max(right_y).max(LEAST));
    flow
}

fn column(
    flow: &mut Flow,
    categories: &[CategoryReference],
    side: &SideView,
    color: &'static str,
    y: &mut f64,
    is_left: bool,
) -> Vec<Place> {
    let mut places = Vec::with_capacity(categories.len());
    for category in categories.iter().take(MOST_BARS) {
        let share = if category.share.value.is_finite() { category.share.value.clamp(0.0, 1.0) } else { 0.0 };
        let height = (share * SHARES).max(2.0);
        let (name, href) = link(side, category);
        flow.bars.push(FlowBar {
            name: text::cut(&name, 44).into_owned(),
            shown: format::percent(category.share.value),
            href,
            color,
            x: if is_left { "300" } else { "686" },
            y: length(*y),
            height: length(height),
            text_x: if is_left { "292" } else { "708" },
            text_y: length(*y + height.max(LEAST) / 2.0 + 4.0),
            anchor: if is_left { "end" } else { "start" },
        });
        places.push(Place { y: *y, height, used: 0.0 });
        *y += height.max(LEAST) + GAP;
    }
    places
}

fn ribbons(
    flow: &mut Flow,
    change: &CategoryChange,
    mut left: Vec<Place>,
    mut right: Vec<Place>,
    color: &'static str,
) {
    let total = |places: &[Place]| places.iter().map(|place| place.height).sum::<f64>().max(1e-9);
    let (all_left, all_right) = (total(&left), total(&right));
    for (from, before) in left.iter_mut().zip(&change.before) {
        let from_height = from.height;
        for (to, after) in right.iter_mut().zip(&change.after) {
            let start = from_height * to.height / all_right;
            let end = to.height * from_height / all_left;
            let (y1, y2) = (from.y + from.used, to.y + to.used);
            from.used += start;
            to.used += end;
            flow.ribbons.push(Ribbon {
                path: band(y1, y1 + start, y2, y2 + end),
                color,
                title: format!(
                    "{} {} → {} {}",
                    text::name(&before.name),
                    format::percent(before.share.value),
                    text::name(&after.name),
                    format::percent(after.share.value)
                ),
            });
        }
    }
}

fn band(top1: f64, bottom1: f64, top2: f64, bottom2: f64) -> String {
    let middle = length((LEFT.1 + RIGHT.0) / 2.0);
    let (x1, x2) = (length(LEFT.1), length(RIGHT.0));
    let (a, b, c, d) = (length(top1), length(top2), length(bottom2), length(bottom1));
    format!("M{x1} {a}C{middle} {a} {middle} {b} {x2} {b}L{x2} {c}C{middle} {c} {middle} {d} {x1} {d}Z")
}

/// Two reports to be chosen, one after the other.
#[derive(Template)]
#[template(path = "web/compare_choose.html")]
pub struct ChooseComparisonPage {
    pub shell: Shell,
    /// The one that is chosen already.
    pub chosen: Option<ChosenReport>,
    /// The newest first.
    pub rows: Vec<ReportChoice>,
    pub pager: Pager,
    /// Where the last two are compared that ask the same; empty where there are none.
    pub last_two: String,
}

/// The first of two reports.
pub struct ChosenReport {
    pub name: String,
    pub made: Moment,
    /// Whether it is the earlier one, and the later is still to be chosen.
    pub is_before: bool,
    /// Where none is chosen.
    pub without: String,
}

/// A report that can be compared.
pub struct ReportChoice {
    pub name: String,
    pub href: String,
    pub made: Moment,
    /// What it counts.
    pub kind: &'static str,
    pub threads: String,
    /// Where it is the earlier one, the later one; empty where it cannot be.
    pub as_before: String,
    pub as_after: String,
}

#[cfg(test)]
mod tests {
    use assay_domain::comparison::Compared;
    use assay_domain::report::Estimate;

    use super::*;

    fn reference(name: &str, share: f64) -> CategoryReference {
        let estimate = |value: f64| Estimate { value, low: value, high: value };
        CategoryReference {
            id: name.into(),
            name: name.into(),
            threads: 10,
            share: estimate(share),
            failure_rate: estimate(0.1),
        }
    }

    #[test]
    fn every_category_has_a_bar_and_what_is_the_same_a_ribbon() {
        let estimate = |value: f64| Estimate { value, low: value - 0.1, high: value + 0.1 };
        let change = |kind, before: Vec<CategoryReference>, after: Vec<CategoryReference>| CategoryChange {
            kind,
            is_top: true,
            share_before: estimate(before.iter().map(|one| one.share.value).sum()),
            share_after: estimate(after.iter().map(|one| one.share.value).sum()),
            before,
            after,
            similarity: 1.0,
            difference: estimate(0.1),
            p_value: 0.01,
            q_value: 0.0004,
            is_significant: true,
        };
        let split = change(
            ChangeKind::Split,
            vec![reference("a", 0.6)],
            vec![reference("b", 0.3), reference("c", 0.3)],
        );
        let new = change(ChangeKind::New, vec![], vec![reference("<d>", 0.4)]);
        let side = SideView { href: "/x".into(), ..SideView::default() };
        let flow = flow(&[&split, &new], &side, &side);
        assert_eq!((flow.bars.len(), flow.ribbons.len()), (4, 2));
        assert!(flow.ribbons[0].path.starts_with("M314.00 0.00C"), "{}", flow.ribbons[0].path);
        let row = row(&split, &side, &side, 0.2);
        assert_eq!((row.difference.as_str(), row.q_value.as_str()), ("+10.0", "<0.001"));
        assert_eq!((row.bar_x.as_str(), row.bar_width.as_str()), ("50.00%", "25.00%"));
        assert_eq!(row.after[0].1, "/x#category/b");
    }

    #[test]
    fn a_page_shows_its_part_of_a_thousand_changes_in_their_order() {
        let estimate = |value: f64| Estimate { value, low: value - 0.01, high: value + 0.01 };
        let change = |at: usize, is_top| CategoryChange {
            kind: ChangeKind::Kept,
            is_top,
            before: vec![reference(&format!("old {at}"), 0.001)],
            after: vec![reference(&format!("new {at}"), 0.001)],
            share_before: estimate(0.001),
            share_after: estimate(0.001),
            similarity: 1.0,
            difference: estimate(0.0),
            p_value: 1.0,
            q_value: 1.0,
            is_significant: false,
        };
        let one = |categories| Compared {
            report: serde_json::from_value("00000000-0000-0000-0000-000000000000".into()).expect("an id"),
            project: "p".into(),
            title: "t".into(),
            threads: 1000,
            population: 1000,
            categories,
            failure_rate: estimate(0.1),
        };
        let mut changes: Vec<_> = (0..1000).map(|at| change(at, true)).collect();
        changes.extend((1000..1003).map(|at| change(at, false)));
        // One that was cut into hundreds.
        changes[51].after = (0..500).map(|at| reference(&format!("piece {at}"), 0.002)).collect();
        let comparison = Comparison {
            before: one(1000),
            after: one(1499),
            shared_threads: 1000,
            matched_by: MatchedBy::Threads,
            changes,
            tests: 1003,
        };
        let side = || SideView { href: "/x".into(), ..SideView::default() };
        let page = |start: usize| {
            let shown = |places: Range<usize>| Shown {
                pager: Pager {
                    next: format!("/x/compare?tops={}", places.end),
                    shown: "of 1,000 changes".into(),
                    ..Pager::default()
                },
                places,
            };
            let of = (
                |all| {
                    assert_eq!(all, 1000);
                    shown(start..start + 50)
                },
                |all| shown(0..all),
            );
            ComparePage::new(Shell::default(), side(), side(), &comparison, of)
        };
        let second = page(50);
        let names: Vec<&str> = second.tops.iter().map(|row| row.before[0].0.as_str()).collect();
        assert_eq!(names, (50..100).map(|at| format!("old {at}")).collect::<Vec<_>>());
        assert_eq!((second.tops[1].after.len(), second.tops[1].more_after), (12, 488));
        assert_eq!(second.leaves.len(), 3);
        for page in [page(0), second] {
            assert!(page.flow.bars.len() <= 2 * MOST_BARS, "{} bars", page.flow.bars.len());
            assert!(!page.flow.left_out.is_empty());
            let html = page.render().expect("a page");
            assert!(html.contains("tops=") && html.contains("of 1,000 changes"));
            assert_eq!(html.matches("<tr").count(), 2 + 53);
            assert!(html.len() < 160_000, "{} bytes", html.len());
        }
    }
}
