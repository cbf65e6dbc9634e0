//! What one trace adds to a conversation.
//!
//! Model calls are read in order of time: of each history only what is not yet
//! known, then the answer. Root messages, tool runs and errors fill in what no
//! model call saw; `orphans` does so for what has lost its root.

mod orphans;

use std::collections::{HashMap, HashSet};

use assay_domain::{Message, Role, Run, RunId, RunKind, Trace};

use crate::assemble::{Entry, Known};
use crate::payload::{self, Payload};
use crate::tool_runs;

/// The messages a trace adds to those `before` it in its thread.
pub(crate) struct Section<'a> {
    before: &'a Known,
    here: Known,
}

impl<'a> Section<'a> {
    pub(crate) fn new(before: &'a Known) -> Self {
        Self { before, here: Known::default() }
    }

    /// Works a trace out.
    pub(crate) fn of_trace(mut self, trace: &Trace) -> Vec<Entry> {
        let agents = agents(trace);
        let calls = model_calls(trace);
        for &position in &calls {
            let run = &trace.runs[position];
            let asked = payload::read(&run.inputs, Role::User).messages;
            let said = fresh(&asked, payload::read(&run.outputs, Role::Assistant).messages);
            self.history(asked, run);
            self.answer(said, run, agents.get(&run.id).map(String::as_str));
        }
        let root = trace.root();
        let trees = orphans::trees(trace);
        let mut late = 0;
        if let Some(root) = root.filter(|root| !calls.contains(&0) || root.kind != RunKind::Llm) {
            late = self.root(root, !calls.is_empty());
        }
        if let Some(tree) = trees.first().filter(|_| self.here.entries.is_empty()) {
            self.steps(&trace.runs[tree.start + 1..tree.end]);
        }
        if trees.len() > 1 {
            self.orphans(trace, &trees, &calls, late);
        }
        let mut entries = self.here.entries;
        tool_runs::add(&mut entries, trace);
        if let Some(root) = root {
            add_error(&mut entries, root);
        }
        for entry in &mut entries {
            entry.message.trace.get_or_insert(trace.id);
            entry.message.run = entry.message.run.or_else(|| root.map(|root| root.id));
        }
        entries
    }

    fn find(&self, entry: &Entry, from: usize) -> Option<usize> {
        let start = self.before.entries.len();
        let earlier = (from < start).then(|| self.before.find(entry, from)).flatten();
        earlier.or_else(|| self.here.find(entry, from.saturating_sub(start)).map(|found| found + start))
    }

    fn find_last(&self, entry: &Entry) -> Option<usize> {
        let start = self.before.entries.len();
        self.here.find_last(entry).map(|found| found + start).or_else(|| self.before.find_last(entry))
    }

    /// Adds what a model was shown and we have not seen yet.
    ///
    /// The last answer the model remembers anchors the history: what stands
    /// after it can only repeat what came after it. A loop that repeats itself
    /// word for word in a shortened history is kept apart this way.
    ///
    /// Returns the position after the last of them.
    fn history(&mut self, messages: Vec<Message>, run: &Run) -> usize {
        let entries: Vec<Entry> = messages.into_iter().map(Entry::new).collect();
        let anchor = entries
            .iter()
            .rposition(|entry| entry.message.role == Role::Assistant)
            .and_then(|index| Some((index, self.find_last(&entries[index])?)));
        // The first thing a later trace of a thread is asked is new, even in the same words.
        let is_news = self.here.entries.is_empty()
            && !self.before.entries.is_empty()
            && !entries.iter().any(|entry| entry.message.role == Role::Assistant);
        let asked_from =
            entries.iter().rposition(|entry| entry.message.role != Role::User).map_or(0, |last| last + 1);
        let knows_more = entries.len() > 1;
        let mut from = 0;
        let mut later = Vec::new();
        let mut ends_with_news = false;
        for (index, entry) in entries.into_iter().enumerate() {
            if let Some((anchored, position)) = anchor
                && index == anchored
            {
                from = position + 1;
                ends_with_news = false;
                self.enrich(position, &entry.message);
                continue;
            }
            let found = if is_news && index >= asked_from { None } else { self.find(&entry, from) };
            let is_before_anchor = anchor.is_some_and(|(anchored, _)| index < anchored);
            match found {
                Some(position) if !is_before_anchor || anchor.is_none_or(|(_, end)| position <= end) => {
                    from = position + 1;
                    ends_with_news = false;
                    self.enrich(position, &entry.message);
                }
                // A system prompt that changes from call to call is shown as first met.
                _ if entry.message.role == Role::System && index == 0 && knows_more && anchor.is_some() => {}
                _ => {
                    ends_with_news = true;
                    later.push(entry);
                }
            }
        }
        for mut entry in later {
            entry.message.run.get_or_insert(run.id);
            entry.message.time = entry.message.time.or(run.start_time);
            self.here.push(entry);
        }
        if ends_with_news { self.before.entries.len() + self.here.entries.len() } else { from }
    }

    /// A repeated message may say more than its first record: a name, a call id, an error.
    fn enrich(&mut self, position: usize, repeated: &Message) {
        let Some(position) = position.checked_sub(self.before.entries.len()) else { return };
        let Some(entry) = self.here.entries.get_mut(position) else { return };
        let known = &mut entry.message;
        known.name = known.name.take().or_else(|| repeated.name.clone());
        known.tool_call_id = known.tool_call_id.take().or_else(|| repeated.tool_call_id.clone());
        known.error = known.error.take().or_else(|| repeated.error.clone());
    }

    /// Adds what a model answered, or why it did not.
    fn answer(&mut self, said: Vec<Message>, run: &Run, agent: Option<&str>) {
        for mut message in said {
            if message.role == Role::Assistant && message.name.is_none() {
                message.name = agent.map(str::to_owned);
            }
            self.say(message, run);
        }
        if let Some(error) = &run.error {
            let mut message = Message::new(Role::Assistant);
            message.name = agent.map(str::to_owned);
            message.error = Some(error.clone());
            self.say(message, run);
        }
    }

    fn say(&mut self, mut message: Message, run: &Run) {
        message.run.get_or_insert(run.id);
        message.time = message.time.or(run.end_time).or(run.start_time);
        self.here.push(Entry::new(message));
    }

    /// Adds what only the root says. Where its account is richer than that of
    /// the model calls, it takes their place.
    ///
    /// Returns how many of its answers stand at the end, behind what the model calls said.
    fn root(&mut self, root: &Run, has_calls: bool) -> usize {
        let asked = payload::read(&root.inputs, Role::User);
        let answered = payload::read(&root.outputs, Role::Assistant);
        let answers = fresh(&asked.messages, self.unremembered(answered.messages.clone()));
        if !has_calls || self.here.entries.is_empty() {
            if asked.is_known || answered.is_known || !self.here.entries.is_empty() {
                self.history(asked.messages, root);
                answers.into_iter().for_each(|message| self.say(message, root));
            } else if !asked.messages.is_empty() || !answers.is_empty() {
                asked.messages.into_iter().chain(answers).for_each(|message| self.say(message, root));
            }
            return 0;
        }
        let told: Vec<&Message> = asked.messages.iter().chain(&answers).collect();
        if is_richer(&told, &self.here.entries) {
            self.retell(asked.messages, answers, root);
            0
        } else {
            self.frame(asked, answers, root, answered.is_known)
        }
    }

    /// An answer without what its thread said before: graphs with a memory
    /// answer with the whole conversation, which then begins with a question.
    fn unremembered(&self, answered: Vec<Message>) -> Vec<Message> {
        let first = answered.iter().find(|message| message.role != Role::System);
        if first.is_none_or(|message| message.role != Role::User) {
            return answered;
        }
        let mut from = 0;
        let mut remembered = 0;
        for message in &answered {
            match self.before.find(&Entry::new(message.clone()), from) {
                Some(position) => from = position + 1,
                None if message.role == Role::System => {}
                None => break,
            }
            remembered += 1;
        }
        answered.into_iter().skip(remembered).collect()
    }

    /// Tells the trace as the root does, keeping what the model calls know of each message.
    fn retell(&mut self, asked: Vec<Message>, answers: Vec<Message>, root: &Run) {
        let calls = std::mem::take(&mut self.here);
        let system = calls.entries.first().filter(|entry| entry.message.role == Role::System);
        let told_system = asked.first().is_some_and(|first| first.role == Role::System);
        if let Some(system) = system.filter(|_| !told_system && self.before.entries.is_empty()) {
            self.here.push(Entry::new(system.message.clone()));
        }
        self.history(asked, root);
        answers.into_iter().for_each(|message| self.say(message, root));
        let mut from = 0;
        for entry in &mut self.here.entries {
            let Some(position) = calls.find(entry, from) else { continue };
            from = position + 1;
            let source = &calls.entries[position].message;
            entry.message.run = source.run;
            entry.message.time = source.time;
            entry.message.name = entry.message.name.take().or_else(|| source.name.clone());
            entry.message.error = entry.message.error.take().or_else(|| source.error.clone());
        }
    }

    /// Puts the question before and the answer after what the model calls said;
    /// returns how many messages came after.
    fn frame(&mut self, asked: Payload, answers: Vec<Message>, root: &Run, is_answer_known: bool) -> usize {
        if asked.is_known {
            self.ask(asked.messages, root);
        }
        if !is_answer_known {
            return 0;
        }
        let told = self.here.entries.len();
        let tail_from = self.here.entries.len().saturating_sub(64);
        let tail: String =
            self.here.entries[tail_from..].iter().map(|entry| entry.message.text() + "\n").collect();
        for message in answers {
            let entry = Entry::new(message);
            let text = entry.message.text();
            let is_told = self.here.find(&entry, 0).is_some()
                || (entry.message.tool_calls.is_empty() && tail.contains(text.trim()));
            if !is_told {
                self.say(entry.message, root);
            }
        }
        self.here.entries.len() - told
    }

    /// The question as the user put it. A prompt built around it is replaced
    /// by it; a question that no model call shows goes to the front.
    fn ask(&mut self, asked: Vec<Message>, root: &Run) {
        let mut news = Vec::new();
        for message in asked.into_iter().filter(|message| !message.is_empty()) {
            let entry = Entry::new(message);
            let is_repeated = self.here.find(&entry, 0).is_some() || self.before.find(&entry, 0).is_some();
            if is_repeated || entry.message.role != Role::User {
                continue;
            }
            let text = entry.message.text();
            let around = self.here.entries.iter_mut().take(64).find(|known| {
                known.message.role == Role::User
                    && !text.trim().is_empty()
                    && known.message.text().contains(text.trim())
            });
            match around {
                // The key stays that of the prompt: later histories repeat the prompt.
                Some(known) => known.message.parts = entry.message.parts,
                None => news.push(entry),
            }
        }
        if news.is_empty() {
            return;
        }
        let known = std::mem::take(&mut self.here);
        let mut rest = known.entries.into_iter().peekable();
        while let Some(system) = rest.next_if(|entry| entry.message.role == Role::System) {
            self.here.push(system);
        }
        for mut entry in news {
            entry.message.run = Some(root.id);
            entry.message.time = entry.message.time.or(root.start_time);
            self.here.push(entry);
        }
        rest.for_each(|entry| self.here.push(entry));
    }

    /// Without model calls and with a silent root, the steps in between speak.
    fn steps(&mut self, runs: &[Run]) {
        for run in runs.iter().filter(|run| run.kind == RunKind::Chain) {
            let asked = payload::read(&run.inputs, Role::User);
            let answered = payload::read(&run.outputs, Role::Assistant);
            if asked.is_known {
                self.history(asked.messages.clone(), run);
            }
            if answered.is_known {
                for message in fresh(&asked.messages, answered.messages) {
                    let entry = Entry::new(message);
                    if self.here.find(&entry, 0).is_none() {
                        self.say(entry.message, run);
                    }
                }
            }
        }
    }
}

/// Whether the root tells the trace at least as fully as the model calls do.
fn is_richer(told: &[&Message], known: &[Entry]) -> bool {
    let said = |message: &Message| message.role != Role::System;
    let acted = |message: &Message| message.role == Role::Tool || !message.tool_calls.is_empty();
    let told_count = told.iter().filter(|message| said(message)).count();
    let known_count = known.iter().filter(|entry| said(&entry.message)).count();
    let told_acts = told.iter().filter(|message| acted(message)).count();
    let known_acts = known.iter().filter(|entry| acted(&entry.message)).count();
    told_acts >= known_acts && (told_count >= known_count.max(2) || (told_count >= 3 && told_acts > 0))
}

/// Outputs without the inputs they begin with: graphs answer with their whole state.
fn fresh(asked: &[Message], answered: Vec<Message>) -> Vec<Message> {
    let spoken =
        |messages: &[Message]| messages.iter().filter(|message| message.role != Role::System).count();
    let first = |messages: &[Message]| {
        messages.iter().find(|message| message.role != Role::System).map(crate::assemble::key)
    };
    let repeats = first(asked).is_some()
        && first(asked) == first(&answered)
        && (spoken(&answered) > spoken(asked)
            || answered.last().is_some_and(|last| last.role != Role::Assistant));
    if !repeats {
        return answered;
    }
    let mut known = Known::default();
    asked.iter().for_each(|message| known.push(Entry::new(message.clone())));
    let mut from = 0;
    let mut news = Vec::new();
    for message in answered {
        let entry = Entry::new(message);
        match known.find(&entry, from) {
            Some(position) => from = position + 1,
            None => news.push(entry.message),
        }
    }
    news
}

/// Positions of the model calls, without those that only wrap another model call.
fn model_calls(trace: &Trace) -> Vec<usize> {
    let mut wrappers = HashSet::new();
    let mut open: Vec<usize> = Vec::new();
    for (position, run) in trace.runs.iter().enumerate() {
        while open.last().is_some_and(|&last| trace.depth[last] >= trace.depth[position]) {
            open.pop();
        }
        if run.kind == RunKind::Llm {
            wrappers.extend(open.iter().rev().copied().find(|&above| trace.runs[above].kind == RunKind::Llm));
        }
        open.push(position);
    }
    let mut calls: Vec<usize> = (0..trace.runs.len())
        .filter(|position| trace.runs[*position].kind == RunKind::Llm && !wrappers.contains(position))
        .collect();
    calls.sort_by_key(|&position| (trace.runs[position].start_time, position));
    calls
}

/// Who speaks in a model call: the agent its metadata names, else the nearest
/// run above it that is a sub-agent.
fn agents(trace: &Trace) -> HashMap<RunId, String> {
    let mut names = HashMap::new();
    let mut above: Vec<Option<String>> = Vec::new();
    for (run, &depth) in trace.runs.iter().zip(&trace.depth) {
        above.truncate(depth);
        let stated = ["agent_name", "lc_agent_name", "gen_ai.agent.name"]
            .into_iter()
            .find_map(|key| run.metadata.get(key)?.as_str())
            .map(str::to_owned);
        let is_sub_agent = depth > 0
            && run.metadata.get("ls_agent_type").and_then(serde_json::Value::as_str) == Some("subagent");
        let name = stated
            .or_else(|| is_sub_agent.then(|| run.name.clone()))
            .or_else(|| above.last().cloned().flatten());
        if let Some(name) = &name {
            names.insert(run.id, name.clone());
        }
        above.push(name);
    }
    names
}

/// The root's error, unless a message already tells it.
fn add_error(entries: &mut Vec<Entry>, root: &Run) {
    let Some(error) = &root.error else { return };
    if entries.iter().any(|entry| entry.message.error.as_ref() == Some(error)) {
        return;
    }
    let mut message = Message::new(Role::Assistant);
    message.run = Some(root.id);
    message.time = root.end_time.or(root.start_time);
    message.error = Some(error.clone());
    entries.push(Entry::new(message));
}
