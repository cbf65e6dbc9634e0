//! The page of a trace: its head and the tree of its runs.

use std::collections::HashMap;

use assay_domain::{Feedback, RunId, RunStatus};
use assay_store::{RunRow, StoredRun};
use assay_ui::web::Shell;
use assay_ui::web::listing::kind_icon;
use assay_ui::web::trace::{Node, Scale, TracePage, state_badge};
use assay_ui::{format, text};

use super::super::listing::{Neighbours, dollars, tokens};
use super::super::state::State;
use super::super::threads;
use super::search::Found;
use super::{NODES, Subject, Totals};
use crate::ingest::attachments::Links;

/// All that a page is made of.
pub(super) struct View {
    pub(super) subject: Subject,
    pub(super) state: State,
    pub(super) chosen: RunId,
    pub(super) stored: StoredRun,
    pub(super) links: Links,
    pub(super) feedback: Vec<Feedback>,
    pub(super) known_keys: Vec<String>,
    pub(super) found: Found,
}

impl View {
    pub(super) fn page(mut self, mut shell: Shell, beside: Neighbours) -> TracePage {
        let subject = &self.subject;
        let root = subject.rows.iter().find(|row| row.id == subject.root);
        let title = root.map(|row| text::cut(&text::name(&row.name), 160).into_owned()).unwrap_or_default();
        shell.title.clone_from(&title);
        let scale = Scale::of(subject.rows.iter().flat_map(|row| [row.start_time, row.end_time]).flatten());
        let state = root.map_or(RunStatus::Pending, |row| row.status);
        let thread = root.filter(|row| subject.project.is_some() && row.thread.0 != row.trace.0.to_string());
        let thread = thread.map(|row| {
            let words = text::cut(&text::line(&row.thread.0), 60).into_owned();
            (words, threads::href(row.project, &row.thread, ""))
        });
        let left_out = subject.rows.len() > NODES;
        TracePage {
            title,
            state: state_badge(state.as_str()),
            facts: self.facts(root),
            start: root.and_then(|row| row.start_time).into(),
            thread,
            nodes: self.nodes(scale),
            left_out: match left_out {
                true => format!("The tree has the first {} runs.", format::count(NODES as u64)),
                false => String::new(),
            },
            ticks: scale.ticks(),
            query: self.state.get("q").unwrap_or_default().to_owned(),
            found: std::mem::take(&mut self.found.summary),
            path: subject.path.clone(),
            kept: self.state.with(&[("q", "")]).pairs,
            newer: beside.newer,
            older: beside.older,
            list: beside.list,
            is_public: subject.project.is_none(),
            detail: self.detail(),
            shell,
        }
    }

    fn facts(&self, root: Option<&RunRow>) -> Vec<String> {
        let rows = &self.subject.rows;
        let (runs, failed, used, cost) = match &self.subject.totals {
            Some(Totals { whole, failed }) => (whole.runs, *failed, whole.total_tokens, whole.total_cost),
            None => (
                rows.len() as u64,
                rows.iter().filter(|row| row.status == RunStatus::Error).count() as u64,
                rows.iter().map(|row| row.total_tokens).sum(),
                rows.iter().filter_map(|row| row.total_cost).reduce(|sum, cost| sum.saturating_add(cost)),
            ),
        };
        let mut facts = Vec::new();
        facts.extend(root.and_then(|row| row.latency).map(format::seconds));
        facts.push(match runs {
            1 => "1 run".to_owned(),
            runs if self.subject.totals.is_none() && rows.len() > NODES => {
                format!("more than {} runs", format::count(runs - 1))
            }
            runs => format!("{} runs", format::count(runs)),
        });
        if failed > 0 {
            facts.push(format!("{} failed", format::count(failed)));
        }
        facts.extend(tokens(used).map(|tokens| format!("{tokens} tokens")));
        facts.extend(dollars(cost));
        facts
    }

    /// The runs as a tree, depth first; siblings by start.
    fn nodes(&self, scale: Scale) -> Vec<Node> {
        let rows = &self.subject.rows;
        let position: HashMap<RunId, usize> = rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
        let mut roots = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            match row.parent.and_then(|parent| position.get(&parent)) {
                Some(&parent) if parent != at && row.id != self.subject.root => children[parent].push(at),
                _ => roots.push(at),
            }
        }
        roots.sort_by_key(|&at| rows[at].id != self.subject.root);
        let mut seen = vec![false; rows.len()];
        let mut nodes = Vec::with_capacity(rows.len());
        // What hangs on a circle of parents is entered at its earliest run.
        for start in roots.into_iter().chain(0..rows.len()) {
            let mut stack = vec![(start, 0)];
            while let Some((at, depth)) = stack.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                nodes.push(self.node(&rows[at], depth, !children[at].is_empty(), scale));
                stack.extend(children[at].iter().rev().map(|&child| (child, depth + 1)));
            }
        }
        nodes.truncate(NODES);
        nodes
    }

    fn node(&self, row: &RunRow, depth: usize, has_children: bool, scale: Scale) -> Node {
        let (x, width) = scale.bar(row.start_time, row.end_time);
        let own = row.id != self.subject.root;
        let run = row.id.to_string();
        Node {
            href: self.state.with(&[("run", if own { &run } else { "" })]).href(),
            id: run,
            name: text::cut(&text::name(&row.name), 120).into_owned(),
            kind: row.kind.as_str(),
            icon: kind_icon(row.kind.as_str()),
            state: row.status.as_str(),
            depth: depth.min(16),
            has_children,
            is_current: row.id == self.chosen,
            duration: row.latency.map(format::seconds).unwrap_or_default(),
            tokens: tokens(row.total_tokens).unwrap_or_default(),
            cost: dollars(row.total_cost).unwrap_or_default(),
            error: row
                .error
                .as_deref()
                .map(|error| text::cut(&text::line(error), 200).into_owned())
                .unwrap_or_default(),
            x,
            width,
            hits: self.found.counts.get(&row.id).copied().unwrap_or(0),
        }
    }
}
