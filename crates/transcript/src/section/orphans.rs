//! What the other trees of a trace tell, where it has several.
//!
//! Runs whose parent never arrived are roots of their own trees. Their model
//! calls and tools are read with all others, in order of time; here their
//! tops add what no model call saw, each message once.

use std::collections::HashSet;
use std::ops::Range;

use assay_domain::{Message, Role, Run, RunKind, Trace};

use super::{Section, fresh};
use crate::assemble::{Entry, Known};
use crate::payload;
use crate::tool_runs;

/// Model calls of a tree that are compared with what its top says: so many of the first and of the last.
const COMPARED: usize = 16;

/// The trees of a trace as ranges of positions, in display order.
pub(super) fn trees(trace: &Trace) -> Vec<Range<usize>> {
    let mut trees: Vec<Range<usize>> = Vec::new();
    for (position, &depth) in trace.depth.iter().enumerate() {
        match trees.last_mut() {
            Some(tree) if depth > 0 => tree.end = position + 1,
            _ => trees.push(position..position + 1),
        }
    }
    trees
}

impl Section<'_> {
    /// Adds what the tops of all trees but the first say.
    ///
    /// `calls` are the positions of the model calls; `late` of the messages so far are the
    /// first root's own answers. Where there are model calls, messages stand in order of time.
    pub(super) fn orphans(&mut self, trace: &Trace, trees: &[Range<usize>], calls: &[usize], late: usize) {
        let in_order = self.here.entries.len() - late;
        let mut errors: HashSet<String> =
            self.here.entries.iter().filter_map(|entry| entry.message.error.clone()).collect();
        let mut of_tree = vec![Vec::new(); trees.len()];
        for &call in calls {
            let tree = trees.partition_point(|tree| tree.end <= call);
            of_tree[tree].push(&trace.runs[call]);
        }
        for (tree, calls) in trees.iter().zip(&of_tree).skip(1) {
            let top = &trace.runs[tree.start];
            if matches!(top.kind, RunKind::Llm | RunKind::Tool | RunKind::Retriever) {
                continue;
            }
            let before = self.here.entries.len();
            if calls.is_empty() {
                self.tell(top);
                if self.here.entries.len() == before {
                    self.steps(&trace.runs[tree.start + 1..tree.end]);
                }
            } else {
                self.put_around(top, calls);
            }
            if let Some(error) = top.error.as_ref().filter(|error| errors.insert((*error).clone())) {
                let mut message = Message::new(Role::Assistant);
                message.error = Some(error.clone());
                self.say(message, top);
            }
        }
        if !calls.is_empty() {
            self.put_in_time(in_order);
        }
    }

    /// A tree without model calls: question and answer as its top has them.
    fn tell(&mut self, top: &Run) {
        let asked = payload::read(&top.inputs, Role::User);
        let answered = payload::read(&top.outputs, Role::Assistant);
        let answers = fresh(&asked.messages, answered.messages);
        let mut from = if asked.is_known { self.history(asked.messages, top) } else { 0 };
        if !answered.is_known {
            return;
        }
        for message in answers {
            let entry = Entry::new(message);
            match self.find(&entry, from) {
                Some(position) => from = position + 1,
                None => self.say(entry.message, top),
            }
        }
    }

    /// A tree with model calls: what its top was asked and answered besides.
    fn put_around(&mut self, top: &Run, calls: &[&Run]) {
        let last = calls.len().saturating_sub(COMPARED).max(COMPARED.min(calls.len()));
        let compared = || calls[..calls.len().min(COMPARED)].iter().chain(&calls[last..]);
        let asked = payload::read(&top.inputs, Role::User);
        let answered = payload::read(&top.outputs, Role::Assistant);
        let answers = fresh(&asked.messages, answered.messages);
        if asked.is_known {
            let shown: Vec<Message> =
                compared().flat_map(|run| payload::read(&run.inputs, Role::User).messages).collect();
            self.ask_here(asked.messages, shown, top);
        }
        if answered.is_known {
            let said: String = compared()
                .flat_map(|run| payload::read(&run.outputs, Role::Assistant).messages)
                .map(|message| message.text() + "\n")
                .collect();
            for message in answers {
                let entry = Entry::new(message);
                let is_told = self.find(&entry, 0).is_some()
                    || (entry.message.tool_calls.is_empty() && said.contains(entry.message.text().trim()));
                if !is_told {
                    self.say(entry.message, top);
                }
            }
        }
    }

    /// The question of a top; a prompt that was built around it is replaced by it.
    fn ask_here(&mut self, asked: Vec<Message>, shown: Vec<Message>, top: &Run) {
        let prompts: Vec<Entry> =
            shown.into_iter().filter(|message| message.role == Role::User).map(Entry::new).collect();
        for message in asked.into_iter().filter(|message| !message.is_empty() && message.role == Role::User) {
            let mut entry = Entry::new(message);
            if self.find(&entry, 0).is_some() {
                continue;
            }
            let text = entry.message.text();
            let text = text.trim();
            let around =
                prompts.iter().find(|prompt| !text.is_empty() && prompt.message.text().contains(text));
            match around {
                Some(prompt) => {
                    if let Some(position) = self.here.find(prompt, 0) {
                        self.here.entries[position].message.parts = entry.message.parts;
                    }
                }
                None => {
                    entry.message.run = Some(top.id);
                    entry.message.time = entry.message.time.or(top.start_time);
                    self.here.push(entry);
                }
            }
        }
    }

    /// Moves the messages from here on to their places in time; those without a time stay behind.
    fn put_in_time(&mut self, in_order: usize) {
        let mut entries = std::mem::take(&mut self.here).entries;
        let late = entries.split_off(in_order);
        tool_runs::insert_by_time(&mut entries, late);
        let mut known = Known::default();
        entries.into_iter().for_each(|entry| known.push(entry));
        self.here = known;
    }
}
