//! Jobs, clusters and reports as clients of the Insights API read them (contract 6.5).
//!
//! Clients fail on missing names and nulls in required places, on numbers that
//! are not integers, and on the keys `project_id`, `tenant_id`, `host_url` and
//! `runs` in a job: none of these leave here.

use std::collections::{HashMap, HashSet};

use assay_domain::job::{Job, JobState, JobStatus, Spend};
use assay_domain::report::{AttributeStatistics, AttributeValue, Category, ExecutiveSummary, Statistics};
use assay_domain::{Report, RunId};
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::queue::Entry;
use crate::fields::v1_time;

/// The words clients wait for: anything but `success` and `error` is unfinished to them.
pub(super) fn status(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Queued => "queued",
        JobStatus::Running => "running",
        JobStatus::Succeeded => "success",
        JobStatus::Failed | JobStatus::Cancelled => "error",
    }
}

/// What is answered when a job was made or changed.
pub(super) fn brief(entry: &Entry) -> Value {
    let Entry { job, state } = entry;
    json!({ "id": job.id, "name": job.name, "status": status(state.status), "error": state.error })
}

/// A job as lists show it.
pub(super) fn job(entry: &Entry) -> Map<String, Value> {
    let Entry { job, state } = entry;
    let top: Option<Map<String, Value>> = state.outline.as_ref().map(|outline| {
        let names = Names::over(outline.top.iter().map(|(name, _)| (name.clone(), None)));
        names.0.into_iter().zip(&outline.top).map(|(name, (_, threads))| (name, json!(threads))).collect()
    });
    let shown = json!({
        "id": job.id,
        "name": job.name,
        "status": status(state.status),
        "start_time": job.config.start_time.map(v1_time),
        "end_time": job.config.end_time.map(v1_time),
        "created_at": v1_time(job.created_at),
        "metadata": metadata(job, state),
        "shape": top,
        "error": state.error,
        "config_id": job.saved_config,
    });
    match shown {
        Value::Object(shown) => shown,
        _ => Map::new(),
    }
}

fn metadata(job: &Job, state: &JobState) -> Value {
    let outline = state.outline.as_ref();
    json!({
        "tier": job.tier,
        "models": job.models,
        "providers": job.providers,
        "budget": job.budget.and_then(|budget| budget.to_f64()),
        "spend": spend(&state.spend),
        "status": state.status,
        "progress": state.progress,
        "attempt": state.attempt,
        "started_at": state.started_at.map(v1_time),
        "finished_at": state.finished_at.map(v1_time),
        "is_scheduled": is_scheduled(job),
        "due": job.due.map(v1_time),
        "focus": job.config.focus,
        "filter": job.config.filter,
        "sample": job.config.sample.size,
        "sample_by": job.config.sample.strategy.to_string(),
        "sampling_rate": job.sampling_rate,
        "request": job.request,
        "not_applied": job.unmet,
        "population": outline.map(|outline| outline.population),
        "threads": outline.map(|outline| outline.threads),
        "partial": outline.and_then(|outline| outline.partial.as_ref()),
        "report_id": state.report,
        "report": outline.map(|outline| summary(job.id, &outline.summary, state)),
    })
}

/// Money as a number of US dollars; null where the price of some calls is not known.
pub(super) fn spend(spend: &Spend) -> Value {
    let Spend { calls, remembered, lost, input_tokens, output_tokens, cost: _, unpriced, stages } = spend;
    let stages: Map<String, Value> =
        stages.iter().map(|(stage, spent)| (stage.clone(), self::spend(spent))).collect();
    let mut shown = json!({
        "calls": calls,
        "remembered": remembered,
        "lost": lost,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost": spend.known_cost().and_then(|cost| cost.to_f64()),
    });
    if *unpriced > 0 {
        shown["unpriced"] = json!(unpriced);
    }
    if !stages.is_empty() {
        shown["stages"] = Value::Object(stages);
    }
    shown
}

fn is_scheduled(job: &Job) -> bool {
    job.due.is_some() || job.request.get("is_scheduled") == Some(&Value::Bool(true))
}

/// A job with its clusters and its report, both empty until it is done.
pub(super) fn detail(entry: &Entry, report: Option<&Report>) -> Value {
    let mut shown = job(entry);
    let clusters = report.map(|report| clusters(entry.job.id, report)).unwrap_or_default();
    shown.insert("clusters".to_owned(), Value::Array(clusters));
    let summary = report.map(|report| summary(entry.job.id, &summary_of(report), &entry.state));
    if let Some(metadata) = shown.get_mut("metadata") {
        metadata["report"] = json!(summary);
    }
    shown.insert("report".to_owned(), json!(summary));
    Value::Object(shown)
}

/// The executive summary, in which every highlight names a run: clients fail without.
pub(super) fn summary_of(report: &Report) -> ExecutiveSummary {
    let mut summary = report.executive_summary.clone();
    for highlight in &mut summary.highlights {
        let assignment = report.assignments.iter().find(|one| one.thread == highlight.thread);
        let root = || assignment?.traces.last().map(|trace| RunId::from(*trace));
        highlight.run = highlight.run.or_else(root);
    }
    summary.highlights.retain(|highlight| highlight.run.is_some());
    summary
}

fn summary(job: Uuid, summary: &ExecutiveSummary, state: &JobState) -> Value {
    let highlights: Vec<Value> = summary
        .highlights
        .iter()
        .map(|highlight| {
            json!({
                "run_id": highlight.run,
                "rank": highlight.rank,
                "highlight_reason": highlight.reason,
                "cluster_id": cluster_id(job, &highlight.category),
                "cluster_name": highlight.category_name,
                "summary": Some(&highlight.summary).filter(|text| !text.is_empty()),
            })
        })
        .collect();
    json!({
        "title": summary.title,
        "key_points": summary.key_points.iter().map(|claim| &claim.text).collect::<Vec<_>>(),
        "highlighted_traces": highlights,
        "created_at": state.finished_at.map(v1_time),
    })
}

/// Clients want a UUID; the same category has another one in every job.
pub(crate) fn cluster_id(job: Uuid, category: &str) -> Uuid {
    Uuid::new_v5(&job, category.as_bytes())
}

/// Names no two of which are equal, in the order of the categories.
struct Names(Vec<String>);

impl Names {
    /// Each with the name of its parent, which tells it apart where need be.
    fn over(given: impl Iterator<Item = (String, Option<String>)>) -> Self {
        let mut taken: HashSet<String> = HashSet::new();
        let unique = given.map(|(name, parent)| {
            let longer = parent.map(|parent| format!("{name} ({parent})"));
            let numbered = (2..).map(|number| format!("{name} ({number})"));
            let mut choices = [Some(name.clone()), longer].into_iter().flatten().chain(numbered);
            let free = choices.find(|choice| taken.insert(choice.clone()));
            free.unwrap_or_else(|| name.clone())
        });
        Self(unique.collect())
    }

    fn of(report: &Report) -> HashMap<&str, String> {
        let nodes = &report.taxonomy.nodes;
        let by_id: HashMap<&str, &Category> = nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        // The upper levels first, so that what the shape of the job says is what they are called.
        let mut order: Vec<&Category> = nodes.iter().collect();
        order.sort_by_key(|node| node.parent.is_some());
        let given = order.iter().map(|node| {
            let parent = node.parent.as_deref().and_then(|parent| by_id.get(parent));
            (node.name.clone(), parent.map(|parent| parent.name.clone()))
        });
        let Self(names) = Self::over(given);
        order.iter().map(|node| node.id.as_str()).zip(names).collect()
    }
}

/// Names of the categories as clients know them, by id.
pub(super) fn names(report: &Report) -> HashMap<&str, String> {
    Names::of(report)
}

fn clusters(job: Uuid, report: &Report) -> Vec<Value> {
    let names = names(report);
    let name = |id: &str| names.get(id).cloned().unwrap_or_default();
    let nodes = report.taxonomy.nodes.iter();
    nodes
        .map(|node| {
            json!({
                "id": cluster_id(job, &node.id),
                "parent_id": node.parent.as_deref().map(|parent| cluster_id(job, parent)),
                "level": node.level,
                "name": name(&node.id),
                "description": node.description,
                "parent_name": node.parent.as_deref().map(name),
                "num_runs": node.statistics.threads,
                "stats": stats(node),
            })
        })
        .collect()
}

/// One cluster without its numbers.
pub(super) fn cluster(job: Uuid, report: &Report, id: Uuid) -> Option<Value> {
    let node = find_cluster(job, report, id)?;
    let names = names(report);
    Some(json!({
        "id": id,
        "parent_id": node.parent.as_deref().map(|parent| cluster_id(job, parent)),
        "num_children": report.taxonomy.children(Some(&node.id)).count(),
        "level": node.level,
        "name": names.get(node.id.as_str()),
        "description": node.description,
    }))
}

pub(super) fn find_cluster(job: Uuid, report: &Report, id: Uuid) -> Option<&Category> {
    report.taxonomy.nodes.iter().find(|node| cluster_id(job, &node.id) == id)
}

/// Under the names that statistics of runs have elsewhere, and what only a report knows.
fn stats(node: &Category) -> Value {
    let Statistics {
        threads,
        estimated_threads,
        share,
        errors: _,
        error_rate,
        failures: _,
        failure_rate,
        errors_stand_out,
        failures_stand_out,
        latency,
        total_tokens,
        cost,
        feedback,
        attributes,
        associations,
        per_day,
    } = &node.statistics;
    let feedback: Map<String, Value> = feedback
        .iter()
        .map(|(key, one)| (key.clone(), json!({ "n": one.threads, "avg": one.mean, "values": one.labels })))
        .collect();
    let attributes: Map<String, Value> =
        attributes.iter().map(|(name, one)| (name.clone(), attribute(one))).collect();
    json!({
        "run_count": threads,
        "error_rate": error_rate.value,
        "latency_p50": latency.map(|latency| latency.p50),
        "latency_p99": latency.map(|latency| latency.p99),
        "total_tokens": total_tokens,
        "total_cost": cost.map(|cost| cost.total),
        "cost_p50": cost.map(|cost| cost.p50),
        "feedback_stats": feedback,
        "attributes": attributes,
        "share": share,
        "estimated_threads": estimated_threads,
        "error_rate_interval": error_rate,
        "failure_rate": failure_rate,
        "errors_stand_out": errors_stand_out,
        "failures_stand_out": failures_stand_out,
        "associations": associations,
        "per_day": per_day,
        "kind": node.kind,
        "keywords": node.keywords,
        "examples": node.examples.iter().map(|example| &example.text).collect::<Vec<_>>(),
    })
}

fn attribute(statistics: &AttributeStatistics) -> Value {
    match statistics {
        AttributeStatistics::Boolean { threads, yes } => {
            json!({ "type": "boolean", "n": threads, "true_count": yes })
        }
        AttributeStatistics::Number { threads, mean, p50, p99, max } => {
            json!({ "type": "number", "n": threads, "mean": mean, "p50": p50, "p99": p99, "max": max })
        }
        AttributeStatistics::Labels { threads, counts, others } => {
            let values: Map<String, Value> =
                counts.iter().map(|count| (count.label.clone(), json!(count.threads))).collect();
            json!({ "type": "string", "n": threads, "values": values, "others": others })
        }
    }
}

pub(super) fn attribute_value(value: &AttributeValue) -> Value {
    json!(value)
}
