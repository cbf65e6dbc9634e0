//! The error lens: threads grouped by how they fail, not by what they are about.
//!
//! Left to itself two levels: leaves are causes, failures whose templates are
//! nearly the same; above them stands what kind of thing failed. A thread
//! belongs to its worst failure; threads in which nothing shows are healthy.
//!
//! [`group`] discovers everything, [`within`] fills given categories. [`merge`]
//! finds the causes, [`tops`] what stands above them, [`levels`] as many groups
//! as were asked for, [`given`] what fits a given category; [`words`] names
//! all of it and [`plan`] makes a tree of it.

mod given;
mod levels;
mod merge;
mod plan;
#[cfg(test)]
mod tests;
mod tops;
mod words;

use std::collections::BTreeMap;

use assay_domain::report::{CategoryKind, PredefinedCategory, Shape};
use assay_llm::Embed;

use crate::Error;
use crate::grouping::Grouping;
use crate::summary::{Failure, Summary};
use merge::{Cause, Merged};
use plan::{Group, Plan};

/// A top group of so few causes shows them all, however rare they are.
const ALL_SHOWN: usize = 4;

/// Groups threads by their worst failure.
///
/// Members are in the order of `summaries`; names, descriptions and the tree itself do not
/// depend on that order. Causes seen in fewer than `max(3, 0.2 %)` of the failing threads are
/// pooled, unless their group is small anyway. What was recovered has a group of its own where
/// that is frequent (in at least `max(10, 2 %)` of all threads), else those threads are healthy.
///
/// Where counts are asked for, the causes that are least missed are put together until so many
/// are left: rare before frequent, alike before different, and what fails differently last.
#[must_use]
pub fn group(summaries: &[&Summary], shape: &Shape) -> Grouping {
    let found = Found::of(summaries);
    let mut plan = Plan::default();
    match shape {
        Shape::Automatic => {
            for (top, causes) in tops::natural(&found) {
                let place = plan.add(Group::above(words::top_name(&top), words::top_description(&top)));
                fill(&mut plan, &found, place, causes, &words::pool_name(&top));
            }
        }
        Shape::Levels(counts) => levels::discover(&mut plan, &found, counts),
    }
    plan.grow(&found)
}

/// Groups threads by which of the given categories their worst failure fits best.
///
/// Causes are discovered inside of each; what fits none is in "Other". The counts of a shape are
/// those below the given categories: a last one that would be theirs is not needed.
///
/// # Errors
/// What the embedder says.
pub fn within(
    summaries: &[&Summary],
    categories: &[PredefinedCategory],
    shape: &Shape,
    embedder: &dyn Embed,
) -> Result<Grouping, Error> {
    let found = Found::of(summaries);
    let placed = given::place(&found, categories, embedder)?;
    let mut plan = Plan::default();
    let mut tops = Vec::new();
    for (category, causes) in categories.iter().zip(placed.causes) {
        if causes.is_empty() {
            continue;
        }
        let mut top = Group::above(category.name.clone(), category.description.clone());
        top.kind = CategoryKind::Predefined;
        let place = plan.add(top);
        match shape {
            Shape::Automatic => {
                let rare = format!("Other failures: {}", category.name);
                fill(&mut plan, &found, place, causes, &words::cut(&rare, words::NAME));
            }
            Shape::Levels(_) => tops.push((place, causes)),
        }
    }
    if let Shape::Levels(counts) = shape {
        let below = if counts.len() > 1 { &counts[..counts.len() - 1] } else { &counts[..] };
        levels::divide(&mut plan, &found, &tops, below);
    }
    plan.weigh(&placed.fit);
    if !placed.nowhere.is_empty() {
        plan.add(Group::other(placed.nowhere));
    }
    Ok(plan.grow(&found))
}

/// Causes as leaves below a group; rare ones share a leaf, unless there are few causes anyway.
fn fill(plan: &mut Plan, found: &Found<'_>, top: usize, causes: Vec<usize>, rare_name: &str) {
    let all = causes.len() <= ALL_SHOWN;
    let (shown, rare): (Vec<usize>, Vec<usize>) =
        causes.into_iter().partition(|&cause| all || found.size(cause) >= found.fewest);
    for cause in shown {
        plan.add(Group::cause(found, top, cause));
    }
    if !rare.is_empty() {
        plan.add(Group::pool(found, top, rare, rare_name.to_owned()));
    }
}

/// Failures, merged to causes, and whose they are.
struct Found<'a> {
    summaries: &'a [&'a Summary],
    merged: Merged,
    /// Threads of every cause that counts.
    threads_of: BTreeMap<usize, Vec<usize>>,
    /// Threads a cause needs for a leaf of its own.
    fewest: usize,
}

impl<'a> Found<'a> {
    fn of(summaries: &'a [&'a Summary]) -> Self {
        let worst: Vec<Option<&Failure>> = summaries.iter().map(|summary| summary.failures.first()).collect();
        let failing = worst.iter().flatten().filter(|failure| !failure.recovered).count();
        let merged = merge::causes(worst.into_iter());
        let mut threads_of: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (thread, cause) in merged.cause_of.iter().enumerate() {
            if let Some(cause) = cause {
                threads_of.entry(*cause).or_default().push(thread);
            }
        }
        // What was recovered is news only where it happens often.
        let recovered = |cause: &usize| merged.causes[*cause].key.recovered;
        let got_over: usize =
            threads_of.iter().filter(|(cause, _)| recovered(cause)).map(|(_, threads)| threads.len()).sum();
        if got_over < 10.max(summaries.len().div_ceil(50)) {
            threads_of.retain(|cause, _| !recovered(cause));
        }
        Self { summaries, merged, threads_of, fewest: 3.max(failing.div_ceil(500)) }
    }

    fn cause(&self, cause: usize) -> &Cause {
        &self.merged.causes[cause]
    }

    /// Threads of a cause.
    fn size(&self, cause: usize) -> usize {
        self.threads_of.get(&cause).map_or(0, Vec::len)
    }

    /// Largest first; of equals the one that was found first.
    fn by_size(&self, causes: &mut [usize]) {
        causes.sort_by_key(|&cause| (std::cmp::Reverse(self.size(cause)), cause));
    }
}
