//! What kind of thing failed: the groups above the causes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::Found;
use super::merge::Key;
use crate::math::linkage::{agglomerate_by, cut};
use crate::summary::FailureKind;

/// Tools that get a top group of their own.
const TOOL_GROUPS: usize = 8;
/// Tools that are compared with each other: those with most failures.
const COMPARED: usize = 500;

/// What kind of thing failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Top {
    Kind(FailureKind),
    Tool(String),
    OtherTools,
    Recovered,
}

/// Causes by what kind of thing failed: largest group first, causes largest first.
pub(super) fn natural(found: &Found<'_>) -> Vec<(Top, Vec<usize>)> {
    grouped(found, &tools_with_group(found, TOOL_GROUPS))
}

/// The same in no more than so many groups, at least one: the least missed are put together.
/// With more room each tool has its own.
pub(super) fn at_most(found: &Found<'_>, count: usize) -> Vec<Vec<(Top, Vec<usize>)>> {
    let tops = grouped(found, &tools_with_group(found, COMPARED));
    let size = |top: &(Top, Vec<usize>)| top.1.iter().map(|&cause| found.size(cause)).sum::<usize>();
    #[expect(clippy::cast_precision_loss, reason = "counts of threads")]
    let weights: Vec<f32> = tops.iter().map(|top| size(top) as f32).collect();
    let far = |a: usize, b: usize| dissimilarity(&tops[a].0, &tops[b].0);
    let labels = cut(tops.len(), &agglomerate_by(far, &weights), count);
    let mut groups: BTreeMap<u32, Vec<(Top, Vec<usize>)>> = BTreeMap::new();
    for (top, label) in tops.into_iter().zip(labels) {
        groups.entry(label).or_default().push(top);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| Reverse(group.iter().map(size).sum::<usize>()));
    groups
}

/// How far apart two kinds of failure are: other tools, other kinds, got over or not.
fn dissimilarity(a: &Top, b: &Top) -> f32 {
    let is_tool =
        |top: &Top| matches!(top, Top::Tool(_) | Top::OtherTools | Top::Kind(FailureKind::ToolError));
    match (a, b) {
        (Top::Recovered, _) | (_, Top::Recovered) => 20.0,
        _ if is_tool(a) && is_tool(b) => 2.0,
        _ => 10.0,
    }
}

/// Calling again is what a tool error looks like from the other side: both are one kind.
pub(super) fn family(kind: FailureKind) -> FailureKind {
    if kind == FailureKind::Retry { FailureKind::Loop } else { kind }
}

/// What kind of thing failed, for one cause by itself.
pub(super) fn of(key: &Key) -> Top {
    match (&key.kind, &key.tool) {
        _ if key.recovered => Top::Recovered,
        (FailureKind::ToolError, Some(tool)) => Top::Tool(tool.clone()),
        (kind, _) => Top::Kind(family(*kind)),
    }
}

fn grouped(found: &Found<'_>, own_group: &BTreeSet<String>) -> Vec<(Top, Vec<usize>)> {
    let mut tops: BTreeMap<Top, Vec<usize>> = BTreeMap::new();
    for &cause in found.threads_of.keys() {
        let top = match of(&found.cause(cause).key) {
            Top::Tool(tool) if own_group.contains(&tool) => Top::Tool(tool),
            Top::Tool(_) | Top::Kind(FailureKind::ToolError) if !own_group.is_empty() => Top::OtherTools,
            Top::Tool(_) => Top::Kind(FailureKind::ToolError),
            top => top,
        };
        tops.entry(top).or_default().push(cause);
    }
    let mut tops: Vec<(Top, Vec<usize>)> = tops.into_iter().collect();
    for (_, inside) in &mut tops {
        found.by_size(inside);
    }
    tops.sort_by_key(|(top, inside)| {
        let size: usize = inside.iter().map(|&cause| found.size(cause)).sum();
        (*top == Top::Recovered, Reverse(size), top.clone())
    });
    tops
}

/// Tools that fail often enough to be told apart at the top. A single one lends its name; two share
/// a group, where there is not room for more than usual.
fn tools_with_group(found: &Found<'_>, room: usize) -> BTreeSet<String> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for (&cause, threads) in &found.threads_of {
        let key = &found.cause(cause).key;
        if let (FailureKind::ToolError, Some(tool), false) = (key.kind, &key.tool, key.recovered) {
            *sizes.entry(tool).or_default() += threads.len();
        }
    }
    if room > TOOL_GROUPS {
        return largest(sizes.into_iter().collect(), room);
    }
    match sizes.len() {
        1 => return sizes.into_keys().map(str::to_owned).collect(),
        0 | 2 => return BTreeSet::new(),
        _ => {}
    }
    let total: usize = sizes.values().sum();
    largest(sizes.into_iter().filter(|&(_, size)| size * 50 >= total && size >= 2).collect(), room)
}

fn largest(mut sizes: Vec<(&str, usize)>, room: usize) -> BTreeSet<String> {
    sizes.sort_by_key(|&(tool, size)| (Reverse(size), tool));
    sizes.into_iter().take(room).map(|(tool, _)| tool.to_owned()).collect()
}
