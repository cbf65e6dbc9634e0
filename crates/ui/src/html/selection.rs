//! Which threads and conversations go into the page, when not all fit.

use std::collections::BTreeSet;

use assay_domain::report::{Report, Status};

use super::HtmlOptions;

/// Threads by row: a row is a position in the page's list of threads.
pub(super) struct Selection {
    /// Positions in `report.assignments`, ascending.
    pub(super) threads: Vec<usize>,
    /// Rows whose conversation is wanted, most wanted first.
    pub(super) conversations: Vec<usize>,
}

/// Chooses threads and conversations. Highlights and examples are always in.
///
/// Where there are too many threads every category keeps the same number of
/// them, failing and typical ones in turn.
pub(super) fn select(report: &Report, options: &HtmlOptions) -> Selection {
    let featured = featured(report);
    let orders = reading_orders(report);
    let quota = quota(&orders, options.threads);
    let mut chosen: BTreeSet<usize> = featured.iter().copied().collect();
    chosen.extend(orders.iter().flat_map(|order| order.iter().take(quota)));
    let threads: Vec<usize> = chosen.into_iter().collect();

    let mut wanted = Vec::new();
    let mut seen = BTreeSet::new();
    // Round by round, so that a byte limit hits all categories alike.
    let rounds = (0..options.conversations_per_category.min(quota))
        .flat_map(|round| orders.iter().filter_map(move |order| order.get(round)).copied());
    for position in featured.into_iter().chain(rounds) {
        if seen.insert(position)
            && let Ok(row) = threads.binary_search(&position)
        {
            wanted.push(row);
        }
    }
    Selection { threads, conversations: wanted }
}

/// Positions of highlighted and example threads, highlights first.
fn featured(report: &Report) -> Vec<usize> {
    let highlights = report.executive_summary.highlights.iter().map(|highlight| &highlight.thread);
    let examples = report
        .taxonomy
        .nodes
        .iter()
        .flat_map(|category| category.examples.iter().take(5).map(|example| &example.thread));
    let positions: std::collections::BTreeMap<_, _> = report
        .assignments
        .iter()
        .enumerate()
        .map(|(index, assignment)| (&assignment.thread, index))
        .collect();
    highlights.chain(examples).filter_map(|thread| positions.get(thread).copied()).collect()
}

/// Per leaf, in order of first appearance: positions, next failing and next typical thread in turn.
fn reading_orders(report: &Report) -> Vec<Vec<usize>> {
    let mut leaves = std::collections::BTreeMap::<&str, usize>::new();
    let mut members: Vec<Vec<usize>> = Vec::new();
    for (index, assignment) in report.assignments.iter().enumerate() {
        let leaf = *leaves.entry(&assignment.category).or_insert_with(|| {
            members.push(Vec::new());
            members.len() - 1
        });
        members[leaf].push(index);
    }
    members.into_iter().map(|positions| alternate(report, &positions)).collect()
}

fn alternate(report: &Report, positions: &[usize]) -> Vec<usize> {
    let fails = |&&position: &&usize| {
        let assignment = &report.assignments[position];
        assignment.failure.is_some() || assignment.status == Status::Error
    };
    let mut failing = positions.iter().filter(fails);
    let mut fine = positions.iter().filter(|position| !fails(position));
    let mut out = Vec::with_capacity(positions.len());
    loop {
        let before = out.len();
        out.extend(fine.next());
        out.extend(failing.next());
        if out.len() == before {
            return out;
        }
    }
}

/// The largest number per category with which all together stay within `limit`.
fn quota(orders: &[Vec<usize>], limit: usize) -> usize {
    let total = |quota: usize| orders.iter().map(|order| order.len().min(quota)).sum::<usize>();
    let longest = orders.iter().map(Vec::len).max().unwrap_or(0);
    let (mut low, mut high) = (0, longest);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if total(middle) <= limit { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_categories_keep_all_and_large_ones_share_the_rest() {
        let orders = vec![(0..100).collect(), (0..3).collect(), (0..50).collect::<Vec<_>>()];
        assert_eq!(quota(&orders, 43), 20);
        assert_eq!(quota(&orders, 1_000), 100);
        assert_eq!(quota(&orders, 0), 0);
        assert_eq!(quota(&[], 10), 0);
    }
}
