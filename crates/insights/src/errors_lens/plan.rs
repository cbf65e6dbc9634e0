//! The tree as it is planned: groups with the causes in them, before threads are assigned.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use assay_domain::report::CategoryKind;

use super::{Found, merge, words};
use crate::grouping::{Grouping, Member, Node};

/// Said of failures that are unlike every given category.
const UNRELATED: &str = "this failure is unlike every given category";

/// A group of the tree: of causes, or of groups.
pub(super) struct Group {
    /// Index of a group before this one.
    parent: Option<usize>,
    pub(super) kind: CategoryKind,
    name: String,
    description: String,
    /// Empty for groups of groups.
    causes: Vec<usize>,
    /// How clearly each cause belongs here, 0 to 1.
    clear: Vec<f64>,
    /// Why its threads are here and not in a group of their own.
    reason: Option<String>,
}

impl Group {
    /// A group of groups, at the top.
    pub(super) fn above(name: String, description: String) -> Self {
        Self {
            parent: None,
            kind: CategoryKind::Discovered,
            name,
            description,
            causes: Vec::new(),
            clear: Vec::new(),
            reason: None,
        }
    }

    /// The same below another group.
    pub(super) fn below(parent: usize, name: String, description: String) -> Self {
        Self { parent: Some(parent), ..Self::above(name, description) }
    }

    /// The leaf of one cause.
    pub(super) fn cause(found: &Found<'_>, parent: usize, cause: usize) -> Self {
        let key = &found.cause(cause).key;
        let signature = &found.cause(cause).signature;
        let evidence = found.typical_evidence(cause);
        let agent = found.usual_agent(&[cause]);
        let description = words::leaf_description(key, signature, &evidence, agent.as_deref());
        Self {
            causes: vec![cause],
            clear: vec![1.0],
            ..Self::below(parent, words::leaf_name(key, signature), description)
        }
    }

    /// The leaf of several causes, largest first.
    pub(super) fn causes(found: &Found<'_>, parent: usize, causes: Vec<usize>) -> Self {
        let first = found.cause(causes[0]);
        let part = |&cause: &usize| {
            let found = found.cause(cause);
            words::Part::of(found, merge::alike(&first.signature, &found.signature))
        };
        let parts: Vec<words::Part<'_>> = causes.iter().map(part).collect();
        let clear =
            |part: &words::Part<'_>| if part.key == &first.key { 0.5 + 0.5 * part.alike } else { 0.5 };
        Self {
            clear: parts.iter().map(clear).collect(),
            ..Self::below(parent, words::mixed_name(&parts), words::mixed_description(&parts))
        }
        .holding(causes)
    }

    /// The same as a group of groups.
    pub(super) fn without_causes(self) -> Self {
        Self { causes: Vec::new(), clear: Vec::new(), ..self }
    }

    /// The leaf of causes too rare for leaves of their own.
    pub(super) fn pool(found: &Found<'_>, parent: usize, causes: Vec<usize>, name: String) -> Self {
        Self {
            kind: CategoryKind::Other,
            clear: vec![0.5; causes.len()],
            reason: Some(format!("fewer than {} threads fail this way", found.fewest)),
            ..Self::below(parent, name, words::pool_description(found.fewest))
        }
        .holding(causes)
    }

    /// What fits no given category.
    pub(super) fn other(causes: Vec<usize>) -> Self {
        Self {
            kind: CategoryKind::Other,
            clear: vec![0.0; causes.len()],
            reason: Some(UNRELATED.into()),
            ..Self::above("Other".into(), words::OTHER_DESCRIPTION.into())
        }
        .holding(causes)
    }

    fn holding(self, causes: Vec<usize>) -> Self {
        Self { causes, ..self }
    }
}

/// Groups, parents before children.
#[derive(Default)]
pub(super) struct Plan {
    groups: Vec<Group>,
}

impl Plan {
    /// Adds a group and says where it is.
    pub(super) fn add(&mut self, group: Group) -> usize {
        self.groups.push(group);
        self.groups.len() - 1
    }

    /// Gives the causes of one group to another that had none.
    pub(super) fn fill(&mut self, place: usize, with: Group) {
        let group = &mut self.groups[place];
        (group.causes, group.clear) = (with.causes, with.clear);
    }

    /// Scales how clearly causes belong where they are.
    pub(super) fn weigh(&mut self, fit: &BTreeMap<usize, f64>) {
        for group in &mut self.groups {
            for (cause, clear) in group.causes.iter().zip(&mut group.clear) {
                *clear *= fit.get(cause).copied().unwrap_or(1.0);
            }
        }
    }

    /// Makes the tree, depth first, and assigns the threads; who is in no group is healthy.
    pub(super) fn grow(self, found: &Found<'_>) -> Grouping {
        let nobody = Member { leaf: 0, confidence: 0.0, reason: None };
        let mut out = Grouping { members: vec![nobody; found.summaries.len()], ..Grouping::default() };
        let mut assigned = vec![false; found.summaries.len()];
        let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for (place, group) in self.groups.iter().enumerate() {
            children.entry(group.parent).or_default().push(place);
        }
        let mut taken: HashMap<(Option<usize>, String), usize> = HashMap::new();
        let below = |place: Option<usize>, node: Option<usize>| {
            children.get(&place).into_iter().flatten().rev().map(move |&child| (child, node))
        };
        let mut stack: Vec<(usize, Option<usize>)> = below(None, None).collect();
        while let Some((place, parent)) = stack.pop() {
            let group = &self.groups[place];
            let name = words::unique(group.name.clone(), |name| {
                let count = taken.entry((parent, name.to_lowercase())).or_default();
                *count += 1;
                *count
            });
            let description = Some(group.description.clone()).filter(|text| !text.is_empty());
            out.nodes.push(Node { parent, kind: group.kind, name: Some(name), description });
            let node = out.nodes.len() - 1;
            for (&cause, &clear) in group.causes.iter().zip(&group.clear) {
                for &thread in found.threads_of.get(&cause).into_iter().flatten() {
                    out.members[thread] = found.member(thread, node, clear, group.reason.clone());
                    assigned[thread] = true;
                }
            }
            stack.extend(below(Some(place), Some(node)));
        }
        add_healthy(&mut out, found, &assigned);
        out
    }
}

fn add_healthy(out: &mut Grouping, found: &Found<'_>, assigned: &[bool]) {
    if assigned.iter().all(|&assigned| assigned) {
        return;
    }
    out.nodes.push(Node {
        parent: None,
        kind: CategoryKind::Healthy,
        name: Some(words::HEALTHY.into()),
        description: Some(words::HEALTHY_DESCRIPTION.into()),
    });
    let leaf = out.nodes.len() - 1;
    for (thread, _) in assigned.iter().enumerate().filter(|(_, assigned)| !**assigned) {
        let confidence = if found.summaries[thread].failures.is_empty() { 1.0 } else { 0.7 };
        out.members[thread] = Member { leaf, confidence, reason: None };
    }
}

impl Found<'_> {
    fn member(&self, thread: usize, leaf: usize, clear: f64, reason: Option<String>) -> Member {
        // Where a reason stands, it is not the words that brought the thread here.
        let likeness = if reason.is_some() { 1.0 } else { self.merged.likeness[thread] };
        Member { leaf, confidence: clear * likeness * self.clearness(thread), reason }
    }

    /// How clearly the worst failure is the one that matters: less so where others are unrecovered as well.
    fn clearness(&self, thread: usize) -> f64 {
        let failures = &self.summaries[thread].failures;
        let open = failures.iter().filter(|failure| !failure.recovered).count().clamp(1, 1_000);
        0.6 + 0.4 / f64::from(u16::try_from(open).unwrap_or(1_000))
    }

    /// Words of the most common template; of several threads, those of the one with the smallest id.
    fn typical_evidence(&self, cause: usize) -> String {
        let signature = &self.cause(cause).signature;
        let worst = self.threads_of[&cause].iter().map(|&thread| self.summaries[thread]);
        let fits = worst.filter_map(|summary| Some((&summary.thread, summary.failures.first()?)));
        fits.filter(|(_, failure)| failure.signature == *signature)
            .min_by_key(|(thread, _)| *thread)
            .map_or_else(String::new, |(_, failure)| failure.evidence.clone())
    }

    /// The agent in whose hands it usually happens, where there are several to choose from.
    fn usual_agent(&self, causes: &[usize]) -> Option<String> {
        let threads = || causes.iter().filter_map(|cause| self.threads_of.get(cause)).flatten();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for &thread in threads() {
            if let Some(agent) =
                self.summaries[thread].failures.first().and_then(|failure| failure.agent.as_deref())
            {
                *counts.entry(agent).or_default() += 1;
            }
        }
        let (agent, count) = counts.into_iter().max_by_key(|&(agent, count)| (count, Reverse(agent)))?;
        (count * 2 > threads().count()).then(|| agent.to_owned())
    }
}
