//! Puts a report together from what the stages found.

use std::collections::BTreeMap;

use assay_domain::report::{
    Assignment, Category, CategoryKind, FORMAT_VERSION, Likeness, Provenance, Quality, Skipped, Statistics,
    Status, Taxonomy,
};
use assay_domain::{Report, ReportConfig, ReportId, RunStatus};
use rust_decimal::prelude::ToPrimitive;
use sha2::{Digest, Sha256};

use crate::grouping::{Grouping, ReadThread};
use crate::name::Named;

/// What a report is made of, besides the executive summary.
pub struct Parts<'a> {
    pub project: &'a str,
    pub config: &'a ReportConfig,
    pub threads: &'a [ReadThread],
    pub grouping: &'a Grouping,
    pub names: Vec<Named>,
    pub overall: Statistics,
    pub by_node: Vec<Statistics>,
    /// Position of every thread on the map.
    pub positions: Vec<[f32; 2]>,
    pub skipped: Vec<Skipped>,
    pub population: usize,
    pub sampled: usize,
    pub embedder: &'a str,
    pub distinct_texts: usize,
    pub student_texts: usize,
}

/// Orders categories and threads for reading and builds the report.
#[must_use]
pub fn report(parts: Parts<'_>) -> Report {
    let order = depth_first(parts.grouping, &parts.by_node);
    let ids = category_ids(parts.grouping, parts.threads);
    let heights = heights(parts.grouping);
    let nodes: Vec<Category> = order
        .iter()
        .map(|&node| {
            let named = &parts.names[node];
            Category {
                id: ids[node].clone(),
                parent: parts.grouping.nodes[node].parent.map(|parent| ids[parent].clone()),
                level: heights[node],
                name: named.name.clone(),
                description: named.description.clone(),
                kind: parts.grouping.nodes[node].kind,
                examples: named.examples.clone(),
                keywords: named.keywords.clone(),
                statistics: parts.by_node[node].clone(),
            }
        })
        .collect();
    let mut rank = vec![0; order.len()];
    order.iter().enumerate().for_each(|(position, &node)| rank[node] = position);
    let assignments = assignments(&parts, &ids, &rank);
    let made = provenance(&parts);
    Report {
        version: FORMAT_VERSION,
        id: report_id(&parts),
        project: parts.project.to_owned(),
        config: parts.config.clone(),
        executive_summary: Default::default(),
        taxonomy: Taxonomy { nodes, granularities: parts.grouping.granularities.clone() },
        assignments,
        statistics: parts.overall,
        made,
    }
}

/// Nodes with parents before children; siblings by size, what is left over last.
fn depth_first(grouping: &Grouping, statistics: &[Statistics]) -> Vec<usize> {
    let mut order = Vec::with_capacity(grouping.nodes.len());
    let sorted = |parent: Option<usize>| {
        let mut children: Vec<usize> = grouping.children(parent).collect();
        children.sort_by(|&a, &b| {
            let last = |node: usize| {
                matches!(grouping.nodes[node].kind, CategoryKind::Other | CategoryKind::Healthy)
            };
            (last(a).cmp(&last(b)))
                .then(statistics[b].estimated_threads.total_cmp(&statistics[a].estimated_threads))
                .then(a.cmp(&b))
        });
        children
    };
    let mut stack: Vec<usize> = sorted(None);
    stack.reverse();
    while let Some(node) = stack.pop() {
        order.push(node);
        stack.extend(sorted(Some(node)).into_iter().rev());
    }
    order
}

/// 0 for leaves, one more than the highest child for the others.
fn heights(grouping: &Grouping) -> Vec<usize> {
    let mut heights = vec![0; grouping.nodes.len()];
    for node in (0..grouping.nodes.len()).rev() {
        if let Some(parent) = grouping.nodes[node].parent {
            heights[parent] = heights[parent].max(heights[node] + 1);
        }
    }
    heights
}

/// An id made from the members: the same group of threads has the same id in every report.
fn category_ids(grouping: &Grouping, threads: &[ReadThread]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::with_capacity(grouping.nodes.len());
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for (node, members) in grouping.members_of_nodes().into_iter().enumerate() {
        let mut hasher = Sha256::new();
        hasher.update(format!("{:?}", grouping.nodes[node].kind));
        for member in members {
            hasher.update(threads[member].summary.thread.0.as_bytes());
            hasher.update([0]);
        }
        let id = hex(&hasher.finalize()[..6]);
        // A parent with a single child has the child's members.
        let repeats = taken.entry(id.clone()).or_default();
        *repeats += 1;
        ids.push(if *repeats == 1 { id } else { format!("{id}-{repeats}") });
    }
    ids
}

fn assignments(parts: &Parts<'_>, ids: &[String], rank: &[usize]) -> Vec<Assignment> {
    let Grouping { inferred, alike, .. } = parts.grouping;
    let likeness = |thread: usize| {
        let (inferred, alike) = inferred.get(thread).zip(alike.get(thread))?;
        Some(Likeness { read: !inferred, category: alike.map(|leaf| ids[leaf].clone()) })
    };
    let mut made: Vec<(usize, Assignment)> = parts
        .threads
        .iter()
        .enumerate()
        .zip(&parts.grouping.members)
        .zip(&parts.positions)
        .map(|(((index, thread), member), &position)| {
            let mut path: Vec<String> =
                parts.grouping.line(member.leaf).map(|node| parts.names[node].name.clone()).collect();
            path.reverse();
            let summary = &thread.summary;
            let failure = summary.failures.iter().find(|failure| !failure.recovered);
            let assignment = Assignment {
                thread: summary.thread.clone(),
                category: ids[member.leaf].clone(),
                path,
                confidence: member.confidence,
                reason: member.reason.clone(),
                summary: summary.text.clone(),
                request: summary.request.clone(),
                attributes: summary.attributes.clone(),
                status: status(thread.overview.status),
                failure: failure.map(|failure| failure.signature.clone()),
                start_time: thread.overview.start_time,
                latency: thread.overview.latency,
                total_tokens: thread.overview.total_tokens,
                cost: thread.overview.total_cost.and_then(|cost| cost.to_f64()),
                feedback: thread
                    .overview
                    .feedback
                    .iter()
                    .filter_map(|(key, score)| Some((key.clone(), score.mean?)))
                    .collect(),
                weight: thread.weight,
                evidence: summary.evidence.clone(),
                likeness: likeness(index),
                position,
                traces: thread.overview.traces.clone(),
                run: summary.run,
            };
            (rank[member.leaf], assignment)
        })
        .collect();
    made.sort_by(|(rank_a, a), (rank_b, b)| {
        rank_a.cmp(rank_b).then(b.confidence.total_cmp(&a.confidence)).then_with(|| a.thread.cmp(&b.thread))
    });
    made.into_iter().map(|(_, assignment)| assignment).collect()
}

fn provenance(parts: &Parts<'_>) -> Provenance {
    let is_placed = |leaf: usize| parts.grouping.nodes[leaf].kind != CategoryKind::Other;
    let placed: Vec<f64> = parts
        .grouping
        .members
        .iter()
        .filter(|member| is_placed(member.leaf))
        .map(|member| member.confidence)
        .collect();
    let overviews = || parts.threads.iter().map(|thread| &thread.overview);
    Provenance {
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        tier: parts.config.tier.as_str().to_owned(),
        embedder: parts.embedder.to_owned(),
        population: parts.population,
        sampled: parts.sampled,
        distinct_texts: parts.distinct_texts,
        student_texts: parts.student_texts,
        first_activity: overviews().filter_map(|overview| overview.start_time).min(),
        last_activity: overviews().filter_map(|overview| overview.end_time.or(overview.start_time)).max(),
        skipped: parts.skipped.clone(),
        claims_dropped: 0,
        edits: Vec::new(),
        model: None,
        quality: Quality {
            coverage: placed.len() as f64 / parts.threads.len().max(1) as f64,
            // An empty sum is minus zero, which reads badly.
            confidence: placed.iter().sum::<f64>().max(0.0) / placed.len().max(1) as f64,
            stability: parts.grouping.stability,
        },
    }
}

/// Follows from the config and from which threads were read and what they hold.
fn report_id(parts: &Parts<'_>) -> ReportId {
    let mut hasher = Sha256::new();
    hasher.update(env!("CARGO_PKG_VERSION"));
    hasher.update(parts.embedder);
    hasher.update(parts.project);
    hasher.update(serde_json::to_vec(parts.config).unwrap_or_default());
    for thread in parts.threads {
        hasher.update(thread.summary.thread.0.as_bytes());
        hasher.update([0]);
        hasher.update(thread.summary.text.as_bytes());
        hasher.update([0]);
        hasher.update(thread.overview.runs.to_le_bytes());
    }
    ReportId::from_name(&hex(&hasher.finalize()))
}

fn status(status: RunStatus) -> Status {
    match status {
        RunStatus::Success => Status::Success,
        RunStatus::Error => Status::Error,
        RunStatus::Pending => Status::Pending,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
