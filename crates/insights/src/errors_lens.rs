//! The error lens: threads grouped by how they fail, not by what they are about.
//!
//! Two levels. Leaves are causes: failures whose templates are nearly the same.
//! Above them stands what kind of thing failed. A thread belongs to its worst
//! failure; threads in which nothing shows are healthy. Start with [`group`];
//! [`merge`] finds the causes, [`words`] names them.

mod merge;
#[cfg(test)]
mod tests;
mod words;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_domain::report::CategoryKind;

use crate::grouping::{Grouping, Member, Node};
use crate::summary::{Failure, FailureKind, Summary};
use merge::Cause;

/// Tools that get a top group of their own.
const TOOL_GROUPS: usize = 8;
/// A top group of so few causes shows them all, however rare they are.
const ALL_SHOWN: usize = 4;

/// Groups threads by their worst failure.
///
/// Members are in the order of `summaries`; names, descriptions and the tree itself do not
/// depend on that order. Causes seen in fewer than `max(3, 0.2 %)` of the failing threads are
/// pooled, unless their group is small anyway. What was recovered has a group of its own where
/// that is frequent (in at least `max(10, 2 %)` of all threads), else those threads are healthy.
#[must_use]
pub fn group(summaries: &[&Summary]) -> Grouping {
    let worst: Vec<Option<&Failure>> = summaries.iter().map(|summary| summary.failures.first()).collect();
    let failing = worst.iter().flatten().filter(|failure| !failure.recovered).count();
    let merged = merge::causes(worst.iter().map(|failure| failure.as_deref()));

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
    let tops = tops(&merged.causes, &threads_of);
    let fewest = 3.max(failing.div_ceil(500));
    Tree { summaries, merged: &merged, threads_of: &threads_of, fewest, out: empty(summaries) }.grow(tops)
}

/// Nobody is assigned yet; leaf 0 is replaced for every thread before the tree is done.
fn empty(summaries: &[&Summary]) -> Grouping {
    let nobody = Member { leaf: 0, confidence: 0.0, reason: None };
    Grouping {
        nodes: Vec::new(),
        members: vec![nobody; summaries.len()],
        granularities: Vec::new(),
        stability: None,
    }
}

/// What kind of thing failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Top {
    Kind(FailureKind),
    Tool(String),
    OtherTools,
    Recovered,
}

/// Causes by top group: largest group first, causes largest first.
fn tops(causes: &[Cause], threads_of: &BTreeMap<usize, Vec<usize>>) -> Vec<(Top, Vec<usize>)> {
    let own_group = tools_with_group(causes, threads_of);
    let mut tops: BTreeMap<Top, Vec<usize>> = BTreeMap::new();
    for &cause in threads_of.keys() {
        let key = &causes[cause].key;
        let top = match (&key.kind, &key.tool) {
            _ if key.recovered => Top::Recovered,
            (FailureKind::ToolError, Some(tool)) if own_group.contains(tool) => Top::Tool(tool.clone()),
            (FailureKind::ToolError, _) if !own_group.is_empty() => Top::OtherTools,
            // Calling again is what a tool error looks like from the other side.
            (FailureKind::Retry, _) => Top::Kind(FailureKind::Loop),
            (kind, _) => Top::Kind(*kind),
        };
        tops.entry(top).or_default().push(cause);
    }
    let size = |cause: &usize| threads_of[cause].len();
    let mut tops: Vec<(Top, Vec<usize>)> = tops.into_iter().collect();
    for (_, inside) in &mut tops {
        inside.sort_by_key(|cause| (Reverse(size(cause)), *cause));
    }
    tops.sort_by_key(|(top, inside)| {
        (*top == Top::Recovered, Reverse(inside.iter().map(size).sum::<usize>()), top.clone())
    });
    tops
}

/// Tools that fail often enough to be told apart at the top. A single one lends its name; two share a group.
fn tools_with_group(causes: &[Cause], threads_of: &BTreeMap<usize, Vec<usize>>) -> BTreeSet<String> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for (&cause, threads) in threads_of {
        let key = &causes[cause].key;
        if let (FailureKind::ToolError, Some(tool), false) = (key.kind, &key.tool, key.recovered) {
            *sizes.entry(tool).or_default() += threads.len();
        }
    }
    match sizes.len() {
        1 => return sizes.into_keys().map(str::to_owned).collect(),
        0 | 2 => return BTreeSet::new(),
        _ => {}
    }
    let total: usize = sizes.values().sum();
    let mut largest: Vec<(&str, usize)> =
        sizes.into_iter().filter(|&(_, size)| size * 50 >= total && size >= 2).collect();
    largest.sort_by_key(|&(tool, size)| (Reverse(size), tool));
    largest.into_iter().take(TOOL_GROUPS).map(|(tool, _)| tool.to_owned()).collect()
}

/// The tree while it grows.
struct Tree<'a> {
    summaries: &'a [&'a Summary],
    merged: &'a merge::Merged,
    threads_of: &'a BTreeMap<usize, Vec<usize>>,
    /// Threads a cause needs for a leaf of its own.
    fewest: usize,
    out: Grouping,
}

impl Tree<'_> {
    fn grow(mut self, tops: Vec<(Top, Vec<usize>)>) -> Grouping {
        let mut assigned = vec![false; self.summaries.len()];
        for (top, inside) in tops {
            let node =
                self.add(None, CategoryKind::Discovered, words::top_name(&top), words::top_description(&top));
            let all = inside.len() <= ALL_SHOWN;
            let (shown, rare): (Vec<usize>, Vec<usize>) =
                inside.into_iter().partition(|cause| all || self.threads_of[cause].len() >= self.fewest);
            let mut taken: HashMap<String, usize> = HashMap::new();
            for cause in shown {
                self.add_leaf(node, cause, &mut taken, &mut assigned);
            }
            if !rare.is_empty() {
                self.add_pool(node, &top, &rare, &mut assigned);
            }
        }
        self.add_healthy(&assigned);
        self.out
    }

    fn add(&mut self, parent: Option<usize>, kind: CategoryKind, name: String, description: String) -> usize {
        self.out.nodes.push(Node { parent, kind, name: Some(name), description: Some(description) });
        self.out.nodes.len() - 1
    }

    fn add_leaf(
        &mut self,
        top: usize,
        cause: usize,
        taken: &mut HashMap<String, usize>,
        assigned: &mut [bool],
    ) {
        let threads = &self.threads_of[&cause];
        let found = &self.merged.causes[cause];
        let evidence = self.typical_evidence(cause);
        let name = words::unique(words::leaf_name(&found.key, &found.signature), taken);
        let description =
            words::leaf_description(&found.key, &found.signature, &evidence, self.agents(threads).as_deref());
        let leaf = self.add(Some(top), CategoryKind::Discovered, name, description);
        for &thread in threads {
            let likeness = self.merged.likeness[thread];
            self.assign(thread, leaf, likeness * self.clearness(thread), None, assigned);
        }
    }

    fn add_pool(&mut self, top: usize, kind: &Top, rare: &[usize], assigned: &mut [bool]) {
        let (name, description) = (words::pool_name(kind), words::pool_description(self.fewest));
        let leaf = self.add(Some(top), CategoryKind::Other, name, description);
        for &thread in rare.iter().flat_map(|cause| &self.threads_of[cause]) {
            let reason = format!("fewer than {} threads fail this way", self.fewest);
            self.assign(thread, leaf, 0.5 * self.clearness(thread), Some(reason), assigned);
        }
    }

    fn add_healthy(&mut self, assigned: &[bool]) {
        if assigned.iter().all(|&assigned| assigned) {
            return;
        }
        let leaf =
            self.add(None, CategoryKind::Healthy, words::HEALTHY.into(), words::HEALTHY_DESCRIPTION.into());
        for (thread, _) in assigned.iter().enumerate().filter(|(_, assigned)| !**assigned) {
            let confidence = if self.summaries[thread].failures.is_empty() { 1.0 } else { 0.7 };
            self.out.members[thread] = Member { leaf, confidence, reason: None };
        }
    }

    fn assign(
        &mut self,
        thread: usize,
        leaf: usize,
        confidence: f64,
        reason: Option<String>,
        assigned: &mut [bool],
    ) {
        self.out.members[thread] = Member { leaf, confidence, reason };
        assigned[thread] = true;
    }

    /// How clearly the worst failure is the one that matters: less so where others are unrecovered as well.
    fn clearness(&self, thread: usize) -> f64 {
        let failures = &self.summaries[thread].failures;
        let open = failures.iter().filter(|failure| !failure.recovered).count().clamp(1, 1_000);
        0.6 + 0.4 / f64::from(u16::try_from(open).unwrap_or(1_000))
    }

    /// Words of the most common template; of several threads, those of the one with the smallest id.
    fn typical_evidence(&self, cause: usize) -> String {
        let signature = &self.merged.causes[cause].signature;
        let worst = self.threads_of[&cause].iter().map(|&thread| self.summaries[thread]);
        let fits = worst.filter_map(|summary| Some((&summary.thread, summary.failures.first()?)));
        fits.filter(|(_, failure)| failure.signature == *signature)
            .min_by_key(|(thread, _)| *thread)
            .map_or_else(String::new, |(_, failure)| failure.evidence.clone())
    }

    /// The agent in whose hands it usually happens, where there are several to choose from.
    fn agents(&self, threads: &[usize]) -> Option<String> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for &thread in threads {
            if let Some(agent) =
                self.summaries[thread].failures.first().and_then(|failure| failure.agent.as_deref())
            {
                *counts.entry(agent).or_default() += 1;
            }
        }
        let (agent, count) = counts.into_iter().max_by_key(|&(agent, count)| (count, Reverse(agent)))?;
        (count * 2 > threads.len()).then(|| agent.to_owned())
    }
}
