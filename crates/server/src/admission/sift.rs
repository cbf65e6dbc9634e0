//! Which runs of a batch are kept.
//!
//! Rules are asked when the creation of a run arrives, with everything about
//! it that is in the same batch. A root decides for its trace; sampling
//! decides for traces that no rule keeps. Later pieces follow what was decided.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use assay_domain::{Feedback, ProjectId, Run, RunId, RunPatch, TraceId};
use assay_store::Batch;
use uuid::Uuid;

use super::memory::{Memory, Verdict};
use super::policy::{Action, Ready, Scope};

/// The rule that stands for sampling in counters.
pub(super) const SAMPLING: &str = "sampling";

/// What was taken out of a batch.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Sifted {
    /// Distinct runs by rule.
    pub(super) dropped: HashMap<Arc<str>, HashSet<RunId>>,
    /// Traces that are not wanted although earlier batches brought some of them.
    pub(super) withdrawn: Vec<TraceId>,
}

/// The patches of a batch with the policy of each, by run.
struct Pieces<'a> {
    patches: &'a [RunPatch],
    ready: &'a [Arc<Ready>],
    by_run: HashMap<RunId, Vec<usize>>,
}

/// Removes from a batch what is not wanted. `ready` has the policy of each patch.
pub(super) fn sift(batch: &mut Batch, ready: &mut Vec<Arc<Ready>>, memory: &mut Memory) -> Sifted {
    let mut sifted = Sifted::default();
    let pieces = Pieces::new(&batch.patches, ready);
    let mut traces: HashMap<Uuid, Verdict> = HashMap::new();
    let mut runs: HashMap<RunId, Option<Arc<str>>> = HashMap::new();
    for (patch, ready) in batch.patches.iter().zip(ready.iter()) {
        let trace = trace_of(patch);
        let verdict = traces
            .entry(trace)
            .or_insert_with(|| judge(trace, pieces.root(trace), ready, memory, &mut sifted));
        runs.entry(patch.id).or_insert_with(|| pieces.judge(patch.id, verdict, memory));
    }
    for (id, rule) in &runs {
        if let Some(rule) = rule {
            memory.remember(id.0, Verdict::Dropped(Arc::clone(rule)));
            sifted.dropped.entry(Arc::clone(rule)).or_default().insert(*id);
        }
    }
    if !sifted.dropped.is_empty() {
        take_out(batch, ready, &runs);
    }
    batch.feedback.retain(|feedback| is_wanted(feedback, memory));
    sifted
}

impl<'a> Pieces<'a> {
    fn new(patches: &'a [RunPatch], ready: &'a [Arc<Ready>]) -> Self {
        let mut by_run: HashMap<RunId, Vec<usize>> = HashMap::new();
        for (at, patch) in patches.iter().enumerate() {
            by_run.entry(patch.id).or_default().push(at);
        }
        Self { patches, ready, by_run }
    }

    fn of(&self, id: RunId) -> impl Iterator<Item = (&'a RunPatch, &'a Ready)> {
        let places = self.by_run.get(&id).map(Vec::as_slice).unwrap_or_default();
        places.iter().map(|at| (&self.patches[*at], &*self.ready[*at]))
    }

    /// The creation of a root with its policy, if it is here.
    fn root(&self, trace: Uuid) -> Option<(&'a Ready, Run)> {
        let is_root =
            |patch: &RunPatch| patch.is_creation && patch.parent.is_none() && trace_of(patch) == trace;
        let (_, ready) = self.of(RunId(trace)).find(|(patch, _)| is_root(patch))?;
        ready.has_rules(Scope::Trace).then(|| (ready, self.whole(RunId(trace))))
    }

    /// A run as the batch has it: its creation, then its updates.
    fn whole(&self, id: RunId) -> Run {
        let project = self.of(id).find_map(|(patch, _)| patch.project_name.as_deref()).unwrap_or_default();
        let mut run = Run::unknown(id, ProjectId::from_name(project));
        for is_creation in [true, false] {
            for (patch, _) in self.of(id).filter(|(patch, _)| patch.is_creation == is_creation) {
                run.apply(patch.clone());
            }
        }
        run
    }

    /// The rule that drops a run, if one does.
    fn judge(&self, id: RunId, trace: &Verdict, memory: &Memory) -> Option<Arc<str>> {
        if let Some(Verdict::Dropped(rule)) =
            [Some(trace), memory.of(id.0)].into_iter().flatten().find(|verdict| verdict.is_drop())
        {
            return Some(Arc::clone(rule));
        }
        let (_, ready) = self.of(id).find(|(patch, _)| patch.is_creation)?;
        if !ready.has_rules(Scope::Run) {
            return None;
        }
        let run = self.whole(id);
        let rule = ready.rule(Scope::Run, &run).filter(|rule| rule.action == Action::Drop);
        rule.map(|rule| rule.name.as_str().into())
    }
}

/// The trace of a patch, as far as it says; else the run stands for itself.
fn trace_of(patch: &RunPatch) -> Uuid {
    patch.trace.map_or(patch.id.0, |trace| trace.0)
}

/// What becomes of a trace. Its root is given where it is in the batch and somebody asks about it.
fn judge(
    trace: Uuid,
    root: Option<(&Ready, Run)>,
    ready: &Ready,
    memory: &mut Memory,
    sifted: &mut Sifted,
) -> Verdict {
    let known = memory.of(trace).cloned();
    if let Some(known) = &known
        && (known.is_drop() || root.is_none() || *known == (Verdict::Kept { knows_root: true }))
    {
        return known.clone();
    }
    let ready = root.as_ref().map_or(ready, |(ready, _)| ready);
    let verdict = match root.as_ref().and_then(|(ready, root)| ready.rule(Scope::Trace, root)) {
        Some(rule) if rule.action == Action::Drop => Verdict::Dropped(rule.name.as_str().into()),
        None if !ready.samples(trace) => Verdict::Dropped(SAMPLING.into()),
        _ => Verdict::Kept { knows_root: root.is_some() },
    };
    if known.is_some() && verdict.is_drop() {
        sifted.withdrawn.push(TraceId(trace));
    }
    // What sampling alone decides need not be remembered: it says the same again.
    if ready.has_rules(Scope::Trace) {
        memory.remember(trace, verdict.clone());
    }
    verdict
}

fn take_out(batch: &mut Batch, ready: &mut Vec<Arc<Ready>>, runs: &HashMap<RunId, Option<Arc<str>>>) {
    let is_kept = |patch: &RunPatch| runs.get(&patch.id).is_none_or(Option::is_none);
    let mut kept = batch.patches.iter().map(is_kept).collect::<Vec<_>>().into_iter();
    ready.retain(|_| kept.next().unwrap_or(true));
    batch.patches.retain(is_kept);
    let used: HashSet<_> = batch
        .patches
        .iter()
        .flat_map(|patch| &patch.attachments)
        .filter_map(assay_domain::run::Attachment::key)
        .collect();
    batch.blobs.retain(|(key, _)| used.contains(key));
}

/// Feedback goes with the run or trace it is about.
fn is_wanted(feedback: &Feedback, memory: &Memory) -> bool {
    let about = [feedback.trace.map(|trace| trace.0), feedback.run.map(|run| run.0)];
    about.into_iter().flatten().all(|id| !memory.of(id).is_some_and(Verdict::is_drop))
}
