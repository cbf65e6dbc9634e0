//! Two reports whose categories cannot be matched one to one: the threads of the one are placed
//! in the categories of the other.
//!
//! Where reports share few threads, or one cuts much finer than the other, a category is not new
//! because it has another name or another size. So the threads of either report go where the
//! threads of the other are that ask for most alike, the same way on both sides: those of the
//! report itself are placed by the others, too, so that what likeness does wrongly it does to both.
//! Shared threads have their place already. Every category is compared in its own bounds; it is
//! new, or gone, only where the other report has next to nobody who would belong in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_domain::comparison::{CategoryChange, ChangeKind};
use assay_domain::report::{Assignment, Category, Report};
use assay_llm::Embed;

use super::{Measured, change_between, is_rest, reference};
use crate::Error;
use crate::math::Matrix;
use crate::math::neighbours::best;
use crate::model::lot;
use crate::numbers::{effective_size, wilson};

/// Threads of each report that are placed at most, drawn by lot: two seconds of embedding.
const MOST: usize = 800;
/// Fewer threads with words tell nothing.
const ENOUGH: usize = 20;
/// Threads that decide about one.
const NEAREST: usize = 7;
/// This part of a report's threads is less like all others than a thread may be to be placed.
const STRANGE: f64 = 0.03;
/// Of a new category, the other report has at most this part.
const NEXT_TO_NOBODY: f64 = 0.15;

/// One report: its tree, the drawn threads and what they ask for as vectors.
struct Cloud<'a> {
    nodes: &'a [Category],
    place_of: HashMap<&'a str, usize>,
    threads: Vec<&'a Assignment>,
    rows: Matrix,
    /// Node of every drawn thread, and of every thread there is by its id.
    leaf: Vec<Option<usize>>,
    leaf_of: HashMap<&'a str, usize>,
    least: f32,
}

impl<'a> Cloud<'a> {
    fn of(report: &'a Report, threads: Vec<&'a Assignment>, vectors: &HashMap<&str, Vec<f32>>) -> Self {
        let nodes = &report.taxonomy.nodes;
        let place_of: HashMap<&str, usize> =
            nodes.iter().enumerate().map(|(place, node)| (node.id.as_str(), place)).collect();
        let of_threads: Vec<&[f32]> = threads.iter().map(|one| &vectors[one.request.as_str()][..]).collect();
        let rows = Matrix::new(threads.len(), of_threads[0].len(), of_threads.concat());
        let mut nearest = rows.map_products(&rows, |own, products| {
            best(products, 1, Some(own)).first().map_or(-1.0, |(likeness, _)| *likeness)
        });
        nearest.sort_by(f32::total_cmp);
        let least = nearest.get((nearest.len() as f64 * STRANGE) as usize).copied().unwrap_or(-1.0);
        let place = |one: &Assignment| place_of.get(one.category.as_str()).copied();
        let leaf = threads.iter().map(|one| place(one)).collect();
        let all = report.assignments.iter();
        let leaf_of = all.filter_map(|one| Some((one.thread.0.as_str(), place(one)?))).collect();
        Self { nodes, leaf, leaf_of, place_of, threads, rows, least }
    }

    /// Where the threads of a cloud belong here; those of this very one by all others.
    fn place(&self, others: &Cloud<'_>, is_own: bool, shared: &HashSet<&str>) -> Vec<Option<usize>> {
        others.rows.map_products(&self.rows, |row, products| {
            let thread = others.threads[row].thread.0.as_str();
            match shared.contains(thread) {
                true => self.leaf_of.get(thread).copied(),
                false => self.vote(products, is_own.then_some(row)),
            }
        })
    }

    /// The nearest vote, each by how much more like it is than the least like of them.
    fn vote(&self, products: &[f32], own: Option<usize>) -> Option<usize> {
        let near = best(products, NEAREST, own);
        let (first, last) = (near.first()?.0, near.last()?.0);
        if first < self.least {
            return None;
        }
        let mut votes: BTreeMap<usize, f32> = BTreeMap::new();
        for (likeness, row) in near {
            if let Some(leaf) = self.leaf.get(row as usize).copied().flatten() {
                *votes.entry(leaf).or_default() += likeness - last + 0.05;
            }
        }
        let most = votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        most.map(|(leaf, _)| leaf)
    }

    /// The node and all above it.
    fn line(&self, leaf: usize) -> impl Iterator<Item = usize> + '_ {
        let up = |&node: &usize| self.place_of.get(self.nodes[node].parent.as_deref()?).copied();
        std::iter::successors(Some(leaf), up).take(self.nodes.len())
    }

    fn holds(&self, node: usize, leaf: Option<usize>) -> bool {
        leaf.is_some_and(|leaf| self.line(leaf).any(|one| one == node))
    }

    /// Tops or leaves; a node that is both is a top.
    fn level(&self, is_top: bool) -> Vec<usize> {
        let parents: HashSet<&str> = self.nodes.iter().filter_map(|node| node.parent.as_deref()).collect();
        let is_wanted = |&place: &usize| {
            let node = &self.nodes[place];
            match is_top {
                true => node.parent.is_none(),
                false => node.parent.is_some() && !parents.contains(node.id.as_str()),
            }
        };
        (0..self.nodes.len()).filter(is_wanted).filter(|&place| !is_rest(&self.nodes[place])).collect()
    }
}

/// A side of a comparison in the bounds of one report's categories.
struct Placed<'a> {
    cloud: &'a Cloud<'a>,
    in_here: Vec<Option<usize>>,
    all: f64,
    size: f64,
}

impl<'a> Placed<'a> {
    fn of(cloud: &'a Cloud<'a>, in_here: Vec<Option<usize>>) -> Self {
        let weights = || cloud.threads.iter().map(|one| one.weight);
        Self { cloud, in_here, all: weights().sum(), size: effective_size(weights()) }
    }

    fn share(&self, holds: impl Fn(Option<usize>) -> bool) -> f64 {
        let inside = self.cloud.threads.iter().zip(&self.in_here).filter(|(_, leaf)| holds(**leaf));
        let weight: f64 = inside.map(|(one, _)| one.weight).sum();
        if self.all > 0.0 { (weight / self.all).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Categories of `home` and how much of either report is in them. `other` placed in `home`,
/// `home` in itself.
struct View<'a> {
    home: &'a Cloud<'a>,
    own: Placed<'a>,
    other: Placed<'a>,
    home_is_after: bool,
}

impl View<'_> {
    fn change(&self, node: usize, is_top: bool) -> CategoryChange {
        let holds = |leaf: Option<usize>| self.home.holds(node, leaf);
        let (own, other) = (self.own.share(holds), self.other.share(holds));
        let (counterpart, similarity) = self.counterpart(node);
        let here = Measured {
            nodes: vec![reference(&self.home.nodes[node])],
            share: wilson(own, self.own.size),
            size: self.own.size,
        };
        let there = Measured {
            nodes: counterpart.map(|node| reference(&self.other.cloud.nodes[node])).into_iter().collect(),
            share: wilson(other, self.other.size),
            size: self.other.size,
        };
        let (before, after) = if self.home_is_after { (there, here) } else { (here, there) };
        CategoryChange { similarity, ..change_between(before, after, is_top) }
    }

    /// The category of the other report, at whichever level, whose threads are those that are
    /// placed in this one, and by how much (Dice).
    fn counterpart(&self, node: usize) -> (Option<usize>, f64) {
        let there = self.other.cloud;
        let placed: Vec<bool> = self.other.in_here.iter().map(|&leaf| self.home.holds(node, leaf)).collect();
        let inside = placed.iter().filter(|is_in| **is_in).count() as f64;
        let mut like = vec![(0.0, 0.0); there.nodes.len()];
        for (leaf, is_in) in there.leaf.iter().zip(&placed) {
            for one in leaf.iter().flat_map(|&leaf| there.line(leaf)) {
                like[one].0 += f64::from(u8::from(*is_in));
                like[one].1 += 1.0;
            }
        }
        let rated =
            like.iter().enumerate().filter(|&(one, (both, _))| *both > 0.0 && !is_rest(&there.nodes[one]));
        let dice = |both: f64, all: f64| 2.0 * both / (all + inside).max(1.0);
        let found = rated
            .map(|(one, &(both, all))| (one, dice(both, all)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        found.map_or((None, 1.0), |(one, dice)| (Some(one), dice))
    }
}

/// The threads of a report that are placed; `None` where hardly a thread has words. Of what two
/// reports share, both draw the same.
fn drawn(report: &Report) -> Option<Vec<&Assignment>> {
    let mut threads: Vec<&Assignment> =
        report.assignments.iter().filter(|one| !one.request.trim().is_empty()).collect();
    threads.sort_by_cached_key(|one| lot(&["compare", &one.thread.0]));
    let is_enough = threads.len() >= ENOUGH;
    threads.truncate(MOST);
    is_enough.then_some(threads)
}

/// The vector of each request, each embedded once.
fn vectors<'a>(
    old: &[&'a Assignment],
    new: &[&'a Assignment],
    embedder: &dyn Embed,
) -> Result<HashMap<&'a str, Vec<f32>>, Error> {
    let texts: BTreeSet<&str> = old.iter().chain(new).map(|one| one.request.as_str()).collect();
    let texts: Vec<&str> = texts.into_iter().collect();
    let vectors = embedder.embed(&texts)?;
    Ok(texts.into_iter().zip(vectors).collect())
}

/// The changes, untested; `None` where too few threads have words.
pub(super) fn changes(
    before: &Report,
    after: &Report,
    shared: &HashSet<&str>,
    embedder: &dyn Embed,
) -> Result<Option<Vec<CategoryChange>>, Error> {
    let (Some(of_old), Some(of_new)) = (drawn(before), drawn(after)) else {
        return Ok(None);
    };
    let vectors = vectors(&of_old, &of_new, embedder)?;
    let (old, new) = (Cloud::of(before, of_old, &vectors), Cloud::of(after, of_new, &vectors));
    let view = |home_is_after: bool| {
        let (home, other) = if home_is_after { (&new, &old) } else { (&old, &new) };
        let own = Placed::of(home, home.place(home, true, shared));
        View { own, other: Placed::of(other, home.place(other, false, shared)), home, home_is_after }
    };
    let mut changes = Vec::new();
    let (later, earlier) = (view(true), view(false));
    let mut matched: HashSet<String> = HashSet::new();
    for is_top in [true, false] {
        for node in later.home.level(is_top) {
            let change = later.change(node, is_top);
            matched.extend(change.before.iter().map(|one| one.id.clone()));
            changes.push(change);
        }
    }
    for is_top in [true, false] {
        // What is some category's counterpart is in the list already.
        let left = earlier.home.level(is_top).into_iter();
        let left = left.filter(|&node| !matched.contains(&earlier.home.nodes[node].id));
        changes.extend(left.map(|node| earlier.change(node, is_top)));
    }
    Ok(Some(changes))
}

/// Which of the tested changes are of categories that one side does not have.
pub(super) fn mark(changes: &mut [CategoryChange]) {
    for change in changes.iter_mut().filter(|change| change.is_significant) {
        let (before, after) = (change.share_before.value, change.share_after.value);
        if before <= NEXT_TO_NOBODY * after {
            (change.kind, change.similarity) = (ChangeKind::New, 1.0);
            change.before.clear();
        } else if after <= NEXT_TO_NOBODY * before {
            (change.kind, change.similarity) = (ChangeKind::Gone, 1.0);
            change.after.clear();
        }
    }
}
