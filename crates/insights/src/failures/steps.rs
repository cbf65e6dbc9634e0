//! A thread as a list of tool calls with their results: what loops, retries and
//! failing tools are read from.
//!
//! The transcript is the first source. Where the runs know of more calls than
//! the conversation shows (agents inside agents), the runs are read instead.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use assay_domain::{Message, Role, Run, RunId, RunKind, Thread, Trace, Transcript};
use serde_json::Value;

use super::core::{self, Words};

/// One tool call and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) tool: &'a str,
    /// Who called, where agents have names.
    pub(crate) agent: Option<&'a str>,
    /// Equal for the same tool with the same arguments; `None` where the arguments are not known.
    pub(crate) call: Option<u64>,
    pub(crate) arguments: Option<&'a Value>,
    /// Equal for equal results; `None` while there is none.
    pub(crate) result: Option<u64>,
    pub(crate) error: Option<Words>,
    pub(crate) run: Option<RunId>,
}

/// All tool calls of a thread, in order.
pub(crate) fn of<'a>(thread: &'a Thread, transcript: &'a Transcript) -> Vec<Step<'a>> {
    let said = of_transcript(transcript);
    let ran = thread.runs().filter(|run| run.kind == RunKind::Tool).count();
    if ran > said.len() { of_runs(thread) } else { with_errors_of_runs(said, thread) }
}

/// A tool run may have failed without leaving a word in the conversation.
fn with_errors_of_runs<'a>(mut steps: Vec<Step<'a>>, thread: &Thread) -> Vec<Step<'a>> {
    let failed = thread.runs().filter(|run| run.kind == RunKind::Tool);
    let failed: HashMap<RunId, &str> =
        failed.filter_map(|run| Some((run.id, run.error.as_deref()?))).collect();
    for step in steps.iter_mut().filter(|step| step.error.is_none()) {
        step.error = step.run.and_then(|run| failed.get(&run)).map(|error| core::of_error(error));
    }
    steps
}

fn of_transcript(transcript: &Transcript) -> Vec<Step<'_>> {
    let mut steps: Vec<Step> = Vec::new();
    // Calls that wait for their result: by id, and in order for those that have none.
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    let mut waiting: Vec<usize> = Vec::new();
    let mut speaker: Option<&Message> = None;
    for message in &transcript.messages {
        match message.role {
            Role::Assistant => {
                speaker = Some(message);
                waiting.clear();
                for call in &message.tool_calls {
                    if let Some(id) = &call.id {
                        by_id.insert(id, steps.len());
                    }
                    waiting.push(steps.len());
                    let key = hash(&(&call.name, call.arguments.to_string()));
                    let mut step = Step::new(&call.name, message.name.as_deref(), Some(key), message.run);
                    step.arguments = Some(&call.arguments);
                    steps.push(step);
                }
            }
            Role::Tool => {
                let known = message.tool_call_id.as_deref().and_then(|id| by_id.remove(id));
                let step = known.or_else(|| next_in_line(&steps, &waiting, message)).unwrap_or_else(|| {
                    steps.push(unasked(message, speaker));
                    steps.len() - 1
                });
                waiting.retain(|&index| index != step);
                steps[step].settle(message);
            }
            Role::User => speaker = None,
            Role::System => {}
        }
    }
    steps
}

/// The first open call that this result can belong to.
fn next_in_line(steps: &[Step], waiting: &[usize], message: &Message) -> Option<usize> {
    let fits = |step: &Step| message.name.as_deref().is_none_or(|name| name == step.tool);
    waiting.iter().copied().find(|&index| fits(&steps[index]))
}

/// A result nobody visibly asked for: code that a terminal picks out of what an agent says.
/// The same words of the same agent are the same call.
fn unasked<'a>(message: &'a Message, speaker: Option<&'a Message>) -> Step<'a> {
    let said = speaker.map(Message::text).filter(|text| text.contains("```"));
    let call = said.map(|text| hash(&(&message.name, text)));
    let agent = speaker.and_then(|speaker| speaker.name.as_deref());
    Step::new(message.name.as_deref().unwrap_or("tool"), agent, call, None)
}

impl<'a> Step<'a> {
    fn new(tool: &'a str, agent: Option<&'a str>, call: Option<u64>, run: Option<RunId>) -> Self {
        let tool = if tool.trim().is_empty() { "tool" } else { tool.trim() };
        Self { tool, agent, call, arguments: None, result: None, error: None, run }
    }

    fn settle(&mut self, message: &Message) {
        self.error = core::of_result(message);
        self.result = Some(hash(&message.text()));
        self.run = message.run.or(self.run);
    }
}

fn of_runs(thread: &Thread) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for trace in &thread.traces {
        let agents = agents(trace);
        for (run, agent) in trace.runs.iter().zip(agents) {
            if run.kind != RunKind::Tool {
                continue;
            }
            let call = (!run.inputs.is_null()).then(|| hash(&(&run.name, run.inputs.to_string())));
            let mut step = Step::new(&run.name, agent, call, Some(run.id));
            step.arguments = (!run.inputs.is_null()).then_some(&run.inputs);
            step.result = (!run.outputs.is_null()).then(|| hash(&run.outputs.to_string()));
            step.error = match &run.error {
                Some(error) => Some(core::of_error(error)),
                None => core::of_payload(&run.outputs),
            };
            steps.push(step);
        }
    }
    steps
}

/// For every run of a trace, the named agent in whose hands it is: the nearest run above that is one.
pub(crate) fn agents(trace: &Trace) -> Vec<Option<&str>> {
    let mut above: Vec<Option<&str>> = Vec::new();
    let mut found = Vec::with_capacity(trace.runs.len());
    for (run, &depth) in trace.runs.iter().zip(&trace.depth) {
        above.truncate(depth);
        let inherited = above.last().copied().flatten();
        let own = agent_name(run).or(inherited);
        found.push(own);
        above.resize(depth, inherited);
        above.push(own);
    }
    found
}

fn agent_name(run: &Run) -> Option<&str> {
    let said = ["agent_name", "ls_agent_name", "lc_agent_name", "agent.name", "gen_ai.agent.name"]
        .into_iter()
        .find_map(|key| run.metadata.get(key).and_then(Value::as_str));
    let named = || {
        let name = run.name.strip_suffix(".run").unwrap_or(&run.name);
        let is_agent =
            run.kind == RunKind::Chain && name.to_lowercase().contains("agent") && run.parent.is_some();
        is_agent.then_some(name)
    };
    said.or_else(named).map(str::trim).filter(|name| !name.is_empty() && name.len() <= 80)
}

pub(crate) fn hash<T: Hash>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
