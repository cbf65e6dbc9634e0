//! Counts the categories of an edited report again, from its assignments.
//!
//! A category that holds the same threads as before keeps its numbers. For the
//! others the assignments say everything but labels of feedback, which are
//! added up from the leaves the threads came from.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_domain::report::{Assignment, FeedbackStatistics, Likeness, Status};
use assay_domain::trace::FeedbackScore;
use assay_domain::{ProjectId, Report, RunStatus, ThreadId, ThreadOverview};
use rust_decimal::Decimal;

use crate::aggregate;
use crate::grouping::{Grouping, Member, Node, ReadThread};
use crate::summary::{Failure, FailureKind, Summary};

/// Levels and statistics of an edited report whose threads have moved.
pub(super) fn again(edited: &mut Report, report: &Report) {
    let grouping = grouping(edited);
    let threads: Vec<ReadThread> = edited.assignments.iter().map(read).collect();
    let (_, by_node) = aggregate::by_category(&threads, &grouping);
    let changed = changed(edited, report);
    let known: HashSet<&str> = report.taxonomy.nodes.iter().map(|node| node.id.as_str()).collect();
    let labels = labels(edited, report);
    let heights = heights(&grouping);
    for (index, node) in edited.taxonomy.nodes.iter_mut().enumerate() {
        node.level = heights[index];
        // Among other categories another one stands out.
        node.statistics.errors_stand_out = by_node[index].errors_stand_out;
        node.statistics.failures_stand_out = by_node[index].failures_stand_out;
        if known.contains(node.id.as_str()) && !changed.contains(node.id.as_str()) {
            continue;
        }
        node.statistics = by_node[index].clone();
        node.statistics.feedback = labels.get(node.id.as_str()).cloned().unwrap_or_default();
        for (key, statistics) in &mut node.statistics.feedback {
            statistics.mean = by_node[index].feedback.get(key).and_then(|counted| counted.mean);
        }
    }
}

/// The categories that some thread has come into or gone out of. The threads of both reports are
/// still in the same order.
fn changed(edited: &Report, report: &Report) -> HashSet<String> {
    let (before, after) = (super::index(report), super::index(edited));
    let moves: HashSet<(&str, &str)> = report
        .assignments
        .iter()
        .zip(&edited.assignments)
        .map(|(old, new)| (old.category.as_str(), new.category.as_str()))
        .collect();
    let mut changed = HashSet::new();
    for (old, new) in moves {
        let old: BTreeSet<&str> = super::line(&before, old).map(|node| node.id.as_str()).collect();
        let new: BTreeSet<&str> = super::line(&after, new).map(|node| node.id.as_str()).collect();
        changed.extend(old.symmetric_difference(&new).map(|&id| id.to_owned()));
    }
    changed
}

/// Parents stand before children: an edited report is ordered later, so here they are sorted so.
pub(super) fn grouping(edited: &mut Report) -> Grouping {
    let nodes = super::index(edited);
    let depth: HashMap<String, usize> =
        nodes.keys().map(|&id| (id.to_owned(), super::line(&nodes, id).count())).collect();
    edited.taxonomy.nodes.sort_by_key(|node| depth.get(&node.id).copied().unwrap_or(0));
    let place: HashMap<&str, usize> =
        edited.taxonomy.nodes.iter().enumerate().map(|(index, node)| (node.id.as_str(), index)).collect();
    let nodes = edited.taxonomy.nodes.iter().map(|node| Node {
        parent: node.parent.as_deref().and_then(|parent| place.get(parent).copied()),
        kind: node.kind,
        name: None,
        description: None,
    });
    let members = edited.assignments.iter().map(|one| Member {
        leaf: place.get(one.category.as_str()).copied().unwrap_or(0),
        confidence: one.confidence,
        reason: None,
    });
    let is_partly_read = edited.made.model.as_ref().is_some_and(|work| work.threads_inferred > 0);
    let likeness: Option<Vec<&Likeness>> =
        edited.assignments.iter().map(|one| one.likeness.as_ref()).collect();
    let (inferred, alike) = match likeness {
        Some(likeness) if is_partly_read => {
            let leaf = |one: &&Likeness| place.get(one.category.as_deref()?).copied();
            (likeness.iter().map(|one| !one.read).collect(), likeness.iter().map(leaf).collect())
        }
        // Reports of before say less. A thread that a model read shows quotes; one without is taken
        // for inferred: intervals get no narrower.
        _ if is_partly_read => {
            (edited.assignments.iter().map(|one| one.evidence.is_empty()).collect(), Vec::new())
        }
        _ => (Vec::new(), Vec::new()),
    };
    Grouping {
        nodes: nodes.collect(),
        members: members.collect(),
        granularities: Vec::new(),
        stability: None,
        inferred,
        alike,
    }
}

fn heights(grouping: &Grouping) -> Vec<usize> {
    let mut heights = vec![0; grouping.nodes.len()];
    for node in (0..grouping.nodes.len()).rev() {
        if let Some(parent) = grouping.nodes[node].parent {
            heights[parent] = heights[parent].max(heights[node] + 1);
        }
    }
    heights
}

/// What the report keeps of a thread, as the stages know one.
pub(super) fn read(one: &Assignment) -> ReadThread {
    let failure = one.failure.iter().map(|signature| Failure {
        kind: FailureKind::RunError,
        signature: signature.clone(),
        tool: None,
        agent: None,
        evidence: String::new(),
        count: 1,
        recovered: false,
        run: one.run,
    });
    let score = |mean: f64| FeedbackScore { count: 1, mean: Some(mean), labels: BTreeMap::new() };
    ReadThread {
        overview: ThreadOverview {
            id: one.thread.clone(),
            project: ProjectId::default(),
            traces: one.traces.clone(),
            runs: one.traces.len(),
            start_time: one.start_time,
            end_time: None,
            latency: one.latency,
            status: match one.status {
                Status::Success => RunStatus::Success,
                Status::Error => RunStatus::Error,
                Status::Pending => RunStatus::Pending,
            },
            total_tokens: one.total_tokens,
            input_tokens: 0,
            output_tokens: 0,
            total_cost: one.cost.and_then(Decimal::from_f64_retain),
            feedback: one.feedback.iter().map(|(key, mean)| (key.clone(), score(*mean))).collect(),
            metadata: Default::default(),
            tags: BTreeSet::new(),
        },
        summary: Summary {
            thread: one.thread.clone(),
            text: String::new(),
            request: String::new(),
            topics: Vec::new(),
            own_words: None,
            attributes: one.attributes.clone(),
            evidence: Vec::new(),
            failures: failure.collect(),
            run: one.run,
        },
        weight: one.weight,
    }
}

/// Feedback with its labels by category, from the leaves as they were made.
fn labels(edited: &Report, report: &Report) -> HashMap<String, BTreeMap<String, FeedbackStatistics>> {
    let moved: HashMap<&ThreadId, &str> =
        edited.assignments.iter().map(|one| (&one.thread, one.category.as_str())).collect();
    // All threads of a leaf move together.
    let mut places: BTreeMap<&str, &str> = BTreeMap::new();
    for one in &report.assignments {
        if let Some(place) = moved.get(&one.thread) {
            places.entry(one.category.as_str()).or_insert(place);
        }
    }
    let (before, after) = (super::index(report), super::index(edited));
    let mut found: HashMap<String, BTreeMap<String, FeedbackStatistics>> = HashMap::new();
    for (leaf, place) in places {
        let Some(leaf) = before.get(leaf) else { continue };
        for node in super::line(&after, place) {
            let sums = found.entry(node.id.clone()).or_default();
            for (key, counted) in &leaf.statistics.feedback {
                let sum = sums.entry(key.clone()).or_default();
                sum.threads += counted.threads;
                for (label, count) in &counted.labels {
                    *sum.labels.entry(label.clone()).or_default() += count;
                }
            }
        }
    }
    found
}
