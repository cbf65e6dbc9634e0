//! No two siblings, no two leaves and no child and parent get the same name.

use std::collections::BTreeSet;

use crate::grouping::Grouping;

/// A name with what makes it the same as another: its stems, in any order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proposal {
    pub(super) text: String,
    pub(super) key: String,
    /// Joint score.
    pub(super) score: f64,
}

/// What a node could be called, best first, and how much it deserves the first.
pub(super) struct Proposals {
    pub(super) list: Vec<Proposal>,
    pub(super) keywords: Vec<String>,
    /// A typical request, for want of anything better.
    pub(super) example: Option<Proposal>,
    /// Share of its threads that say the first proposal.
    pub(super) claim: f64,
    /// A given name is nobody's to change, unless a sibling has it.
    pub(super) is_given: bool,
}

/// Another proposal is nearly as good from this share of the best score on.
const NEARLY: f64 = 0.45;

/// One name per node.
pub(super) fn names(grouping: &Grouping, proposals: &[Proposals], is_leaf: &[bool]) -> Vec<String> {
    let mut order: Vec<usize> = (0..proposals.len()).collect();
    // Given names first, then from the top down, then who says it most.
    order.sort_by(|&a, &b| {
        let rank = |node: usize| (!proposals[node].is_given, is_leaf[node]);
        rank(a).cmp(&rank(b)).then(proposals[b].claim.total_cmp(&proposals[a].claim)).then(a.cmp(&b))
    });
    let mut taken = Taken {
        grouping,
        is_leaf,
        by_parent: BTreeSet::new(),
        leaves: BTreeSet::new(),
        keys: vec![None; proposals.len()],
    };
    let mut names = vec![String::new(); proposals.len()];
    for node in order {
        let chosen = choose(node, &proposals[node], &taken);
        taken.take(node, &chosen);
        names[node] = chosen.text;
    }
    names
}

fn choose(node: usize, proposals: &Proposals, taken: &Taken<'_>) -> Proposal {
    let best = proposals.list.first().map_or(0.0, |proposal| proposal.score);
    let good = proposals.list.iter().filter(|proposal| proposal.score >= NEARLY * best).cloned();
    let first = proposals.list.first().cloned().unwrap_or(Proposal {
        text: "Threads without words".to_owned(),
        key: String::new(),
        score: 0.0,
    });
    let with = |addition: &str| Proposal {
        text: format!("{} ({addition})", first.text),
        key: format!("{} ({})", first.key, addition.to_lowercase()),
        score: 0.0,
    };
    let says_more = |word: &&String| !first.text.to_lowercase().contains(word.to_lowercase().as_str());
    let by_keyword = proposals.keywords.iter().filter(says_more).map(|word| with(word));
    let short = by_keyword.filter(|proposal| proposal.text.chars().count() <= super::LONGEST_NAME);
    let by_number = (2_usize..).map(|number| with(&number.to_string()));
    let free = good
        .chain([first.clone()])
        .chain(short)
        .chain(proposals.example.clone())
        .chain(by_number)
        .find(|proposal| taken.is_free(node, proposal, proposals.is_given));
    free.unwrap_or(first)
}

struct Taken<'a> {
    grouping: &'a Grouping,
    is_leaf: &'a [bool],
    by_parent: BTreeSet<(Option<usize>, String)>,
    leaves: BTreeSet<String>,
    /// Of the nodes that are named.
    keys: Vec<Option<String>>,
}

impl Taken<'_> {
    fn is_free(&self, node: usize, proposal: &Proposal, is_given: bool) -> bool {
        let parent = self.grouping.nodes[node].parent;
        let is_new = |key: &String| {
            let in_family = self.by_parent.contains(&(parent, key.clone()));
            let elsewhere = self.is_leaf[node] && self.leaves.contains(key);
            let above = parent.is_some_and(|parent| self.keys[parent].as_ref() == Some(key));
            !in_family && (is_given || !(elsewhere || above))
        };
        is_new(&proposal.key) && is_new(&proposal.text.to_lowercase())
    }

    fn take(&mut self, node: usize, proposal: &Proposal) {
        let parent = self.grouping.nodes[node].parent;
        for key in [proposal.key.clone(), proposal.text.to_lowercase()] {
            self.by_parent.insert((parent, key.clone()));
            if self.is_leaf[node] {
                self.leaves.insert(key);
            }
        }
        self.keys[node] = Some(proposal.key.clone());
    }
}
