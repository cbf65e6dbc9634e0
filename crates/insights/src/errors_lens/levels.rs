//! As many groups as were asked for, on every level.
//!
//! The causes of each top group are put together two at a time, those first
//! that are least missed: what is rare before what is frequent, what reads
//! alike before what does not, one tool before several, one kind of failure
//! before several (Ward's criterion over these dissimilarities). All levels are
//! cuts of the same trees, so each is made of whole groups of the next finer.

use std::collections::BTreeMap;

use super::Found;
use super::merge::{Key, Likeness};
use super::plan::{Group, Plan};
use super::tops::{self, Top};
use super::words;
use crate::math::linkage::{Merge, agglomerate_by};

/// Causes per top group that are compared with each other: the most frequent ones.
const COMPARED: usize = 1_500;

/// Plans a tree with so many groups per level, the finest first; the last count is that of the top
/// groups, unless it is the only one. Counts beyond what there is are taken for as many as there are.
pub(super) fn discover(plan: &mut Plan, found: &Found<'_>, counts: &[usize]) {
    let Some((&coarsest, below)) = counts.split_last() else { return };
    let (groups, below) = if below.is_empty() {
        // Leaves tell more than what stands above them, so that half of them may suffice.
        let natural = tops::natural(found);
        let coarsest = coarsest.div_ceil(2);
        let few = natural.len() > coarsest;
        let groups = if few {
            tops::at_most(found, coarsest)
        } else {
            natural.into_iter().map(|top| vec![top]).collect()
        };
        (groups, counts)
    } else {
        (tops::at_most(found, coarsest), below)
    };
    let mut planned = Vec::new();
    for group in groups {
        let place = plan.add(above(found, &group));
        let mut causes: Vec<usize> = group.into_iter().flat_map(|(_, causes)| causes).collect();
        found.by_size(&mut causes);
        planned.push((place, causes));
    }
    divide(plan, found, &planned, below);
}

/// A top group of one kind of failure, or of several.
fn above(found: &Found<'_>, group: &[(Top, Vec<usize>)]) -> Group {
    if let [(top, _)] = group {
        return Group::above(words::top_name(top), words::top_description(top));
    }
    let parts: Vec<words::Part<'_>> = group
        .iter()
        .filter_map(|(_, causes)| causes.first())
        .map(|&cause| words::Part::of(found.cause(cause), 0.0))
        .collect();
    Group::above(words::mixed_name(&parts), words::mixed_description(&parts))
}

/// Divides top groups (their place in the plan, their causes by size) into so many groups in all,
/// for every count from the finest level up.
pub(super) fn divide(plan: &mut Plan, found: &Found<'_>, tops: &[(usize, Vec<usize>)], counts: &[usize]) {
    let Some(&finest) = counts.first() else { return };
    let trees: Vec<Tree> = tops.iter().map(|(_, causes)| Tree::of(found, causes, finest)).collect();
    // From the coarsest level down: the groups of every tree, as items by their number.
    let levels: Vec<Vec<Vec<usize>>> = counts.iter().rev().map(|&count| labels(&trees, count)).collect();
    for (place, tree) in trees.iter().enumerate() {
        let mut parents: BTreeMap<usize, usize> = BTreeMap::new();
        for (level, labels) in levels.iter().enumerate() {
            let is_finest = level + 1 == levels.len();
            let mut places: BTreeMap<usize, usize> = BTreeMap::new();
            for (label, items) in members(&labels[place]) {
                let parent = parents.get(&items[0]).copied().unwrap_or(tops[place].0);
                let finer = levels.get(level + 1).map(|finer| &finer[place]);
                // The next level has the very same group: it stands for both.
                let is_repeated =
                    finer.is_some_and(|finer| items.iter().all(|&item| finer[item] == finer[items[0]]));
                let is_all = items.len() == tree.items.len() && items.len() > 1;
                let group = if is_finest && is_all {
                    // A group with a single group of several causes is that group.
                    plan.fill(parent, tree.group(found, parent, &items, true));
                    parent
                } else if is_finest || !is_repeated {
                    plan.add(tree.group(found, parent, &items, is_finest))
                } else {
                    parent
                };
                places.insert(label, group);
            }
            let of_item = |item: usize| places[&labels[place][item]];
            parents = (0..tree.items.len()).map(|item| (item, of_item(item))).collect();
        }
    }
}

/// The causes of one top group, as they are put together.
struct Tree {
    /// Largest first; the last one may hold all the rare ones.
    items: Vec<Vec<usize>>,
    merges: Vec<Merge>,
}

impl Tree {
    fn of(found: &Found<'_>, causes: &[usize], finest: usize) -> Self {
        let (compared, rest) = causes.split_at(COMPARED.min(causes.len()));
        let mut items: Vec<Vec<usize>> = compared.iter().map(|&cause| vec![cause]).collect();
        if finest < COMPARED && !rest.is_empty() {
            items.push(rest.to_vec());
        } else {
            items.extend(rest.iter().map(|&cause| vec![cause]));
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of threads")]
        let weights: Vec<f32> = items
            .iter()
            .map(|item| item.iter().map(|&cause| found.size(cause)).sum::<usize>() as f32)
            .collect();
        if items.len() > COMPARED + 1 {
            return Self { items, merges: rare_first(&weights) };
        }
        let leading: Vec<usize> = items.iter().map(|item| item[0]).collect();
        let alike = Likeness::between(leading.iter().map(|&cause| found.cause(cause).signature.as_str()));
        let far = |a: usize, b: usize| {
            dissimilarity(&found.cause(leading[a]).key, &found.cause(leading[b]).key, alike.of(a, b))
        };
        Self { merges: agglomerate_by(far, &weights), items }
    }

    /// A group of some of the items.
    fn group(&self, found: &Found<'_>, parent: usize, items: &[usize], is_leaf: bool) -> Group {
        let mut causes: Vec<usize> = items.iter().flat_map(|&item| &self.items[item]).copied().collect();
        found.by_size(&mut causes);
        if let ([cause], true) = (&causes[..], is_leaf) {
            return Group::cause(found, parent, *cause);
        }
        let group = Group::causes(found, parent, causes);
        if is_leaf { group } else { group.without_causes() }
    }
}

/// Merges of things, the largest of which come first, that are too many to be compared: all that is
/// rare goes together, one after the other.
fn rare_first(weights: &[f32]) -> Vec<Merge> {
    let mut group = (weights.len() - 1, weights.last().copied().unwrap_or(0.0));
    let mut merges = Vec::with_capacity(weights.len());
    for (item, weight) in weights.iter().enumerate().rev().skip(1) {
        // As if all were equally different: the height rises with both weights.
        let height = 2.0 * weight * group.1 / (weight + group.1);
        merges.push(Merge { left: item as u32, right: group.0 as u32, height });
        group = (weights.len() + merges.len() - 1, weight + group.1);
    }
    merges
}

/// How far apart two causes are; `alike` is what their words have in common, 0 to 1.
fn dissimilarity(a: &Key, b: &Key, alike: f32) -> f32 {
    if a.recovered != b.recovered {
        20.0
    } else if tops::family(a.kind) != tops::family(b.kind) {
        10.0
    } else if a.tool != b.tool {
        2.0 - alike
    } else {
        1.0 - alike
    }
}

/// For every tree, the group of every item once so many groups are left in all, or one per tree.
fn labels(trees: &[Tree], count: usize) -> Vec<Vec<usize>> {
    let items: usize = trees.iter().map(|tree| tree.items.len()).sum();
    let mut merges: Vec<(f32, usize, usize)> = Vec::new();
    for (tree, found) in trees.iter().enumerate() {
        merges.extend(found.merges.iter().enumerate().map(|(index, merge)| (merge.height, tree, index)));
    }
    merges.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut done = vec![0; trees.len()];
    for &(_, tree, _) in merges.iter().take(items.saturating_sub(count)) {
        // Heights rise within a tree, so its merges come in their order.
        done[tree] += 1;
    }
    trees.iter().zip(done).map(|(tree, done)| cut(tree, done)).collect()
}

/// The group of every item after so many merges.
fn cut(tree: &Tree, done: usize) -> Vec<usize> {
    let rows = tree.items.len();
    let mut root: Vec<usize> = (0..rows + done).collect();
    for (index, merge) in tree.merges[..done].iter().enumerate().rev() {
        let top = root[rows + index];
        root[merge.left as usize] = top;
        root[merge.right as usize] = top;
    }
    root.truncate(rows);
    root
}

/// Items by group; groups in the order of their first item, which is their largest.
fn members(labels: &[usize]) -> Vec<(usize, Vec<usize>)> {
    let mut order: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut known: BTreeMap<usize, usize> = BTreeMap::new();
    for (item, &label) in labels.iter().enumerate() {
        let place = *known.entry(label).or_insert_with(|| {
            order.push((label, Vec::new()));
            order.len() - 1
        });
        order[place].1.push(item);
    }
    order
}
