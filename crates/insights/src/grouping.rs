//! What the stages hand on: threads that were read, and how they are grouped.

use std::collections::BTreeMap;

use assay_domain::ThreadOverview;
use assay_domain::report::CategoryKind;

use crate::summary::Summary;

/// A thread of the sample, read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadThread {
    pub overview: ThreadOverview,
    pub summary: Summary,
    /// How many threads of the population it stands for.
    pub weight: f64,
}

#[cfg(test)]
impl ReadThread {
    /// A thread in which nothing but this is asked for.
    pub(crate) fn asking(id: &str, request: &str) -> Self {
        let overview = ThreadOverview {
            id: id.into(),
            project: assay_domain::ProjectId::from_name("tests"),
            traces: Vec::new(),
            runs: 0,
            start_time: None,
            end_time: None,
            latency: None,
            status: assay_domain::RunStatus::Success,
            total_tokens: 0,
            input_tokens: 0,
            output_tokens: 0,
            total_cost: None,
            feedback: BTreeMap::new(),
            metadata: serde_json::Map::default(),
            tags: std::collections::BTreeSet::new(),
        };
        let summary = Summary {
            thread: id.into(),
            text: String::new(),
            request: request.into(),
            topics: vec![crate::summary::Topic { text: request.into(), weight: 1.0 }],
            own_words: None,
            attributes: BTreeMap::new(),
            evidence: Vec::new(),
            failures: Vec::new(),
            run: None,
        };
        Self { overview, summary, weight: 1.0 }
    }
}

/// A tree of groups over the threads that were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grouping {
    /// Parents before children. Groups without a member below them do not occur.
    pub nodes: Vec<Node>,
    /// One per thread, in their order.
    pub members: Vec<Member>,
    /// Leaf counts at which the same tree could be cut instead.
    pub granularities: Vec<usize>,
    /// Mean adjusted Rand index between these leaves and those of resampled data.
    pub stability: Option<f64>,
    /// Per thread, whether it was only placed by likeness to threads that were read more closely;
    /// empty where none was.
    pub inferred: Vec<bool>,
    /// Per thread, the leaf where likeness alone puts it; `None` for nowhere. Empty as `inferred`,
    /// and where that is not known.
    pub alike: Vec<Option<usize>>,
}

/// A group. Those without a name are named by what their members say.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub parent: Option<usize>,
    pub kind: CategoryKind,
    pub name: Option<String>,
    pub description: Option<String>,
}

/// Where a thread belongs.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Index of a leaf in [`Grouping::nodes`].
    pub leaf: usize,
    /// 0 to 1.
    pub confidence: f64,
    /// Why it is in "Other", where it is.
    pub reason: Option<String>,
}

impl Grouping {
    /// The node itself and its ancestors, from the leaf up.
    pub fn line(&self, leaf: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(leaf), |&node| self.nodes[node].parent)
    }

    /// The threads below every node, leaves and inner nodes alike, in thread order.
    #[must_use]
    pub fn members_of_nodes(&self) -> Vec<Vec<usize>> {
        let mut below = vec![Vec::new(); self.nodes.len()];
        for (thread, member) in self.members.iter().enumerate() {
            for node in self.line(member.leaf) {
                below[node].push(thread);
            }
        }
        below
    }

    /// Direct children of a node, or the top nodes for `None`.
    pub fn children(&self, parent: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(move |&node| self.nodes[node].parent == parent)
    }

    /// The same grouping with all members of some leaves in others. What holds nobody any more goes,
    /// and a discovered parent with one child left is that child.
    #[must_use]
    pub fn joined(mut self, into: &BTreeMap<usize, usize>) -> Self {
        let moved = |leaf: usize| into.get(&leaf).copied().unwrap_or(leaf);
        self.members.iter_mut().for_each(|member| member.leaf = moved(member.leaf));
        self.alike.iter_mut().flatten().for_each(|leaf| *leaf = moved(*leaf));
        let mut grouping = self.without_empty_nodes();
        // From the top down: a chain of only children becomes the last of them.
        for parent in 0..grouping.nodes.len() {
            let children: Vec<usize> = grouping.children(Some(parent)).take(2).collect();
            if let ([only], CategoryKind::Discovered) = (&children[..], grouping.nodes[parent].kind) {
                grouping.nodes[*only].parent = grouping.nodes[parent].parent;
            }
        }
        grouping.without_empty_nodes()
    }

    /// The same grouping without nodes that no thread is below of.
    #[must_use]
    pub fn without_empty_nodes(self) -> Self {
        let keeps: Vec<bool> = self.members_of_nodes().iter().map(|members| !members.is_empty()).collect();
        let mut next = 0;
        let place: Vec<usize> = keeps
            .iter()
            .map(|&kept| {
                next += usize::from(kept);
                next.saturating_sub(1)
            })
            .collect();
        // A parent is never emptier than its child, so what is kept keeps its parent.
        let nodes = self.nodes.into_iter().zip(&keeps).filter(|(_, kept)| **kept).map(|(mut node, _)| {
            node.parent = node.parent.map(|parent| place[parent]);
            node
        });
        let members = self.members.into_iter().map(|mut member| {
            member.leaf = place[member.leaf];
            member
        });
        let alike =
            self.alike.into_iter().map(|leaf| leaf.filter(|&leaf| keeps[leaf]).map(|leaf| place[leaf]));
        Self {
            nodes: nodes.collect(),
            members: members.collect(),
            alike: alike.collect(),
            granularities: self.granularities,
            stability: self.stability,
            inferred: self.inferred,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_leaves_are_one_and_a_parent_of_one_child_is_that_child() {
        let node = |parent| Node { parent, kind: CategoryKind::Discovered, name: None, description: None };
        let member = |leaf| Member { leaf, confidence: 1.0, reason: None };
        // Tops 0 with leaves 2 and 3, and 1 with leaves 4 and 5.
        let grouping = Grouping {
            nodes: [None, None, Some(0), Some(0), Some(1), Some(1)].map(node).into(),
            members: [2, 3, 4, 5].map(member).into(),
            alike: vec![Some(3), None, Some(5), Some(4)],
            ..Grouping::default()
        };
        let told = |into: &[(usize, usize)]| {
            let found = grouping.clone().joined(&into.iter().copied().collect());
            let parents: Vec<Option<usize>> = found.nodes.iter().map(|node| node.parent).collect();
            let leaves: Vec<usize> = found.members.iter().map(|member| member.leaf).collect();
            (parents, leaves, found.alike)
        };
        let all = vec![Some(3), None, Some(5), Some(4)];
        assert_eq!(told(&[]), (vec![None, None, Some(0), Some(0), Some(1), Some(1)], vec![2, 3, 4, 5], all));
        // Two of one top: that is one leaf at the top.
        let alike = vec![Some(1), None, Some(3), Some(2)];
        assert_eq!(told(&[(3, 2)]), (vec![None, None, Some(0), Some(0)], vec![1, 1, 2, 3], alike));
        // One of each top: the other one of its top is left.
        let alike = vec![Some(2), None, Some(3), Some(2)];
        assert_eq!(told(&[(4, 3)]), (vec![None, Some(0), Some(0), None], vec![1, 2, 2, 3], alike));
    }
}
