//! Errors of runs and of tool results: tools, models, chains.
//!
//! An error travels upwards: the tool fails, the step around it fails with the
//! same words, the root as well. Only the innermost run is reported, plus what
//! happens above it for a reason of its own.

use std::collections::{HashMap, HashSet};

use assay_domain::{Role, Run, RunId, RunKind, Thread, Trace, Transcript};

use super::core::{self, Words};
use super::steps::{Step, agents};
use super::{Findings, models};
use crate::summary::{Failure, FailureKind};

/// Failing inner runs that are remembered per run: the last ones are enough to explain it.
const REMEMBERED: usize = 3;

/// Tool calls that failed, from the steps and from tool runs no step stands for.
pub(super) fn tool_errors(thread: &Thread, steps: &[Step], found: &mut Findings) {
    let mut reported = of_steps(steps, found);
    let covered: HashSet<RunId> = steps.iter().filter_map(|step| step.run).collect();
    for trace in &thread.traces {
        of_tool_runs(trace, &covered, &mut reported, found);
    }
}

/// Reports failed steps; returns how often each tool failed in which way.
fn of_steps<'a>(steps: &[Step<'a>], found: &mut Findings) -> HashMap<(&'a str, String), usize> {
    let mut last_success: HashMap<&str, usize> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        if step.error.is_none() && step.result.is_some() {
            last_success.insert(step.tool, index);
        }
    }
    let mut reported: HashMap<(&str, String), usize> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        let Some(words) = &step.error else { continue };
        let signature = words.signature();
        *reported.entry((step.tool, signature.clone())).or_default() += 1;
        let succeeded_later = last_success.get(step.tool).is_some_and(|&last| last > index);
        found.add(Failure {
            kind: FailureKind::ToolError,
            signature,
            tool: Some(step.tool.to_owned()),
            agent: step.agent.map(str::to_owned),
            evidence: words.evidence.clone(),
            count: 1,
            recovered: succeeded_later && !found.root_failed,
            run: step.run,
        });
    }
    reported
}

/// Reports failed tool runs of a trace, except those that a step stands for.
fn of_tool_runs<'a>(
    trace: &'a Trace,
    covered: &HashSet<RunId>,
    reported: &mut HashMap<(&'a str, String), usize>,
    found: &mut Findings,
) {
    let agents = agents(trace);
    let tools = || trace.runs.iter().enumerate().filter(|(_, run)| is_tool(run));
    let succeeded: HashMap<&str, usize> = tools()
        .filter(|(_, run)| run.error.is_none())
        .map(|(index, run)| (run.name.as_str(), index))
        .collect();
    for (index, run) in tools().filter(|(_, run)| !covered.contains(&run.id)) {
        let Some(error) = run.error.as_deref() else { continue };
        let words = core::of_error(error);
        let signature = words.signature();
        // The transcript may show the same failure without saying which run it was.
        let seen = reported.get_mut(&(run.name.as_str(), signature.clone())).filter(|seen| **seen > 0);
        if let Some(seen) = seen {
            *seen -= 1;
            continue;
        }
        let succeeded_later = succeeded.get(run.name.as_str()).is_some_and(|&last| last > index);
        let failure = failure_of(FailureKind::ToolError, signature, words, run, agents[index]);
        let recovered = succeeded_later && !found.root_failed;
        found.add(Failure { tool: Some(run.name.clone()), recovered, ..failure });
    }
}

fn is_tool(run: &Run) -> bool {
    matches!(run.kind, RunKind::Tool | RunKind::Retriever)
}

/// Model calls that failed, and chains that failed for a reason of their own.
pub(super) fn other_errors(thread: &Thread, transcript: &Transcript, found: &mut Findings) {
    let mut seen: HashSet<RunId> = HashSet::new();
    let last_answer = position_of_last_answer(thread);
    for (number, trace) in thread.traces.iter().enumerate() {
        let agents = agents(trace);
        let inner = failing_inside(trace);
        for (index, run) in trace.runs.iter().enumerate() {
            let Some(error) = run.error.as_deref() else { continue };
            seen.insert(run.id);
            if is_tool(run) || is_explained(trace, index, &inner[index]) {
                continue;
            }
            let words = core::of_error(error);
            let (kind, signature, tool) = what_failed(run, error, &words);
            let goes_on = if kind == FailureKind::ModelError {
                last_answer.is_some_and(|last| last > (number, index))
            } else {
                trace.depth.get(index).is_some_and(|&depth| depth > 0)
            };
            let recovered = goes_on && !found.root_failed;
            let failure = failure_of(kind, signature, words, run, agents[index]);
            found.add(Failure { tool, recovered, ..failure });
        }
    }
    for message in transcript.by(Role::Assistant) {
        let Some(error) = message.error.as_deref() else { continue };
        if message.run.is_some_and(|run| seen.contains(&run)) {
            continue;
        }
        let words = core::of_error(error);
        let kind = if models::is_limit(error) { FailureKind::LimitReached } else { FailureKind::ModelError };
        found.add(Failure {
            kind,
            signature: model_signature(error, &words),
            tool: None,
            agent: message.name.clone(),
            evidence: words.evidence,
            count: 1,
            recovered: false,
            run: message.run,
        });
    }
}

/// Kind, signature and tool (or provider) of a failed run that is no tool.
fn what_failed(run: &Run, error: &str, words: &Words) -> (FailureKind, String, Option<String>) {
    if models::is_limit(error) {
        return (FailureKind::LimitReached, words.signature(), None);
    }
    if matches!(run.kind, RunKind::Llm | RunKind::Embedding) {
        let provider = run.provider().or_else(|| run.model()).map(str::to_owned);
        return (FailureKind::ModelError, model_signature(error, words), provider);
    }
    if run.kind == RunKind::Parser {
        let signature = format!("malformed answer: {}", words.signature());
        return (FailureKind::ModelError, signature, None);
    }
    if error.starts_with("Error in code parsing") {
        return (FailureKind::ModelError, format!("malformed answer: {}", words.signature()), None);
    }
    if ["Code execution failed", "Code parsing failed"].iter().any(|start| error.starts_with(start)) {
        return (FailureKind::ToolError, words.signature(), Some("code execution".into()));
    }
    if models::class_if_about_models(error).is_some() {
        return (FailureKind::ModelError, model_signature(error, words), None);
    }
    (FailureKind::RunError, words.signature(), None)
}

fn model_signature(error: &str, words: &Words) -> String {
    let template = words.signature();
    match models::class(error) {
        Some(class) => format!("{class}: {template}"),
        None => template,
    }
}

fn failure_of(kind: FailureKind, signature: String, words: Words, run: &Run, agent: Option<&str>) -> Failure {
    Failure {
        kind,
        signature,
        tool: None,
        agent: agent.map(str::to_owned),
        evidence: words.evidence,
        count: 1,
        recovered: false,
        run: Some(run.id),
    }
}

/// Trace number and position of the last model call that went well.
fn position_of_last_answer(thread: &Thread) -> Option<(usize, usize)> {
    let all = thread.traces.iter().enumerate();
    all.flat_map(|(number, trace)| {
        trace.runs.iter().enumerate().map(move |(index, run)| ((number, index), run))
    })
    .filter(|(_, run)| run.kind == RunKind::Llm && run.error.is_none() && !run.outputs.is_null())
    .map(|(position, _)| position)
    .next_back()
}

/// For every run, the failing runs nearest below it; of many, the last ones.
fn failing_inside(trace: &Trace) -> Vec<Vec<usize>> {
    let parents = parents(trace);
    let mut inside: Vec<Vec<usize>> = vec![Vec::new(); trace.runs.len()];
    // Children come after their parents: backwards, each is complete before it is handed up.
    for index in (0..trace.runs.len()).rev() {
        let Some(parent) = parents[index] else { continue };
        let handed_up = if trace.runs[index].error.is_some() { vec![index] } else { inside[index].clone() };
        let known = &mut inside[parent];
        known.extend(handed_up);
        known.truncate(REMEMBERED);
    }
    inside
}

fn parents(trace: &Trace) -> Vec<Option<usize>> {
    let mut line: Vec<usize> = Vec::new();
    let mut parents = Vec::with_capacity(trace.runs.len());
    for (index, &depth) in trace.depth.iter().enumerate() {
        line.truncate(depth);
        parents.push(line.last().copied());
        line.push(index);
    }
    parents.resize(trace.runs.len(), None);
    parents
}

/// Whether the error of a run only passes on what failed inside it.
fn is_explained(trace: &Trace, index: usize, inner: &[usize]) -> bool {
    let Some(outer) = trace.runs[index].error.as_deref() else { return false };
    if inner.is_empty() || models::is_limit(outer) {
        return false;
    }
    let last_inside = last_inside(trace, index);
    let outer_words = core::of_error(outer);
    inner.iter().any(|&below| {
        let Some(error) = trace.runs[below].error.as_deref() else { return false };
        let words = core::of_error(error);
        below == last_inside
            || error.trim().is_empty()
            || (!words.evidence.is_empty() && outer.contains(&words.evidence))
            || (!outer_words.evidence.is_empty() && error.contains(&outer_words.evidence))
            || words.signature() == outer_words.signature()
    })
}

/// The last run that was started inside a run, in display order; the run itself where it is a leaf.
fn last_inside(trace: &Trace, index: usize) -> usize {
    let depth = trace.depth.get(index).copied().unwrap_or(0);
    let inside = trace.depth.iter().skip(index + 1).take_while(|&&below| below > depth).count();
    index + inside
}
