//! Traces (trees of runs) and threads (the traces of one conversation).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rust_decimal::Decimal;
use serde_json::{Map, Value};

use crate::{Feedback, ProjectId, Run, RunId, RunStatus, ThreadId, Time, TraceId};

/// The runs of one operation of an agent, in display order, root first.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub id: TraceId,
    /// In [display order](Trace::new). Never empty.
    pub runs: Vec<Run>,
    /// How deep each run sits: 0 for roots. Same length as `runs`.
    pub depth: Vec<usize>,
}

impl Trace {
    /// Orders the runs of a trace as a tree, depth first; siblings by start
    /// time, then dotted order, then id.
    ///
    /// Orphans (their parent is not here) are roots, and so is the earliest
    /// run of a cycle of parents: every run appears exactly once.
    #[must_use]
    pub fn new(id: TraceId, mut runs: Vec<Run>) -> Self {
        runs.sort_by(|a, b| {
            (a.start_time, &a.dotted_order, a.id).cmp(&(b.start_time, &b.dotted_order, b.id))
        });
        let position: HashMap<RunId, usize> =
            runs.iter().enumerate().map(|(index, run)| (run.id, index)).collect();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); runs.len()];
        let mut roots = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            match run.parent.and_then(|parent| position.get(&parent)) {
                Some(&parent) if parent != index => children[parent].push(index),
                _ => roots.push(index),
            }
        }
        // The run that gave the trace its id leads, whatever the clocks say.
        roots.sort_by_key(|&index| TraceId::from(runs[index].id) != id);

        let mut order = Vec::with_capacity(runs.len());
        let mut seen = vec![false; runs.len()];
        let mut visit = |start: usize, order: &mut Vec<(usize, usize)>| {
            let mut stack = vec![(start, 0)];
            while let Some((index, depth)) = stack.pop() {
                if std::mem::replace(&mut seen[index], true) {
                    continue;
                }
                order.push((index, depth));
                stack.extend(children[index].iter().rev().map(|&child| (child, depth + 1)));
            }
        };
        for root in roots {
            visit(root, &mut order);
        }
        // What is left hangs on a cycle: enter it at its earliest run.
        for index in 0..runs.len() {
            visit(index, &mut order);
        }

        let mut slots: Vec<Option<Run>> = runs.into_iter().map(Some).collect();
        let (runs, depth) =
            order.into_iter().filter_map(|(index, depth)| Some((slots[index].take()?, depth))).unzip();
        Self { id, runs, depth }
    }

    /// The run that stands for the whole trace.
    #[must_use]
    pub fn root(&self) -> Option<&Run> {
        self.runs.first()
    }

    /// Whether the trace failed: its root says so. Errors inside may have been handled.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.root().map_or(RunStatus::Pending, Run::status)
    }

    /// US dollars of all its runs; `None` where the cost of none is known.
    #[must_use]
    pub fn total_cost(&self) -> Option<Decimal> {
        let costs = self.runs.iter().filter_map(|run| run.cost.as_ref().map(|cost| cost.total));
        costs.reduce(Decimal::saturating_add)
    }

    /// Tokens of all its runs.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        let tokens = self.runs.iter().filter_map(|run| Some(run.usage.as_ref()?.total_tokens));
        tokens.fold(0, u64::saturating_add)
    }

    /// Direct children of the run at this position, in display order.
    pub fn children(&self, position: usize) -> impl Iterator<Item = usize> + '_ {
        let depth = self.depth.get(position).copied().unwrap_or(0);
        (position + 1..self.runs.len())
            .take_while(move |&next| self.depth[next] > depth)
            .filter(move |&next| self.depth[next] == depth + 1)
    }

    /// Whether every run can be reached and no run is its own ancestor.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let ids: HashSet<RunId> = self.runs.iter().map(|run| run.id).collect();
        ids.len() == self.runs.len() && self.depth.iter().skip(1).all(|&depth| depth > 0)
    }
}

/// The traces of one conversation, in order of time, with what was said about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    pub id: ThreadId,
    pub traces: Vec<Trace>,
    pub feedback: Vec<Feedback>,
}

impl Thread {
    /// All runs, trace by trace, in display order.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.traces.iter().flat_map(|trace| &trace.runs)
    }
}

/// What the store knows of a thread without opening its payloads.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadOverview {
    pub id: ThreadId,
    pub project: ProjectId,
    /// In order of time.
    pub traces: Vec<TraceId>,
    pub runs: usize,
    pub start_time: Option<Time>,
    pub end_time: Option<Time>,
    /// Seconds spent inside root runs, added up; `None` where no root has a latency.
    pub latency: Option<f64>,
    /// `Error` if any root failed, else `Pending` if the last trace is, else `Success`.
    pub status: RunStatus,
    pub total_tokens: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// US dollars; `None` where no run has a known cost.
    pub total_cost: Option<Decimal>,
    /// Mean score by feedback key, with the number of scores behind it.
    pub feedback: BTreeMap<String, FeedbackScore>,
    /// Metadata of the root runs, later traces over earlier ones.
    pub metadata: Map<String, Value>,
    pub tags: BTreeSet<String>,
}

/// Scores of one feedback key on one thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeedbackScore {
    /// How many scores or labels.
    pub count: usize,
    /// Mean of the numeric scores; `None` where there are only labels.
    pub mean: Option<f64>,
    /// How often each label was given.
    pub labels: BTreeMap<String, usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, parent: Option<&str>, second: u32) -> Run {
        let mut run = Run::unknown(RunId::from_name(name), ProjectId::from_name("p"));
        run.name = name.to_owned();
        run.parent = parent.map(RunId::from_name);
        run.start_time = format!("2026-01-01T00:00:{second:02}Z").parse().ok();
        run
    }

    #[track_caller]
    fn check(runs: Vec<Run>, expected: &[(&str, usize)]) {
        let trace = Trace::new(RunId::from_name("root").into(), runs);
        let found: Vec<_> =
            trace.runs.iter().zip(&trace.depth).map(|(run, &depth)| (run.name.as_str(), depth)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn runs_are_ordered_depth_first_by_start_time() {
        check(
            vec![
                run("late", Some("root"), 5),
                run("leaf", Some("early"), 6),
                run("early", Some("root"), 2),
                run("root", None, 1),
            ],
            &[("root", 0), ("early", 1), ("leaf", 2), ("late", 1)],
        );
    }

    #[test]
    fn orphans_and_cycles_lose_no_run() {
        check(
            vec![
                run("root", None, 9),
                run("orphan", Some("missing"), 1),
                run("a", Some("b"), 2),
                run("b", Some("a"), 3),
                run("self", Some("self"), 4),
            ],
            &[("root", 0), ("orphan", 0), ("self", 0), ("a", 0), ("b", 1)],
        );
    }

    #[test]
    fn children_are_the_next_level_only() {
        let trace = Trace::new(
            RunId::from_name("root").into(),
            vec![
                run("root", None, 0),
                run("a", Some("root"), 1),
                run("b", Some("a"), 2),
                run("c", Some("root"), 3),
            ],
        );
        assert_eq!(trace.children(0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(trace.children(1).collect::<Vec<_>>(), [2]);
    }
}
