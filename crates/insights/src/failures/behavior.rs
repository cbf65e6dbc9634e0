//! What an agent does too often: the same call again, the same words again, the
//! same hand-off back and forth.

use std::collections::HashMap;

use assay_domain::{Message, Role, Transcript};

use super::Findings;
use super::steps::{Step, hash};
use crate::summary::{Failure, FailureKind};

pub(super) const LOOP: &str = "called again and again with the same arguments";
pub(super) const SAID_AGAIN: &str = "the same answer again and again";
pub(super) const RETRY: &str = "called again unchanged after it had failed";
pub(super) const PING_PONG: &str = "work handed back and forth";

/// How often calls were repeated.
pub(super) struct Repeats {
    pub(super) retries: usize,
    pub(super) repeated_calls: usize,
}

/// Loops and retries.
///
/// A loop is the same call with the same result three times within seven steps, or five times
/// within twelve whatever the results. Once more to be sure is fine, and so is the same test
/// run again after other work.
pub(super) fn repeats(steps: &[Step], found: &mut Findings) -> Repeats {
    let mut calls: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut order: Vec<u64> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        // Hand-offs repeat in their own way.
        let is_hand_off =
            step.arguments.is_some_and(|arguments| hand_off_target(step.tool, arguments).is_some());
        if let Some(call) = step.call.filter(|_| !is_hand_off) {
            let positions = calls.entry(call).or_default();
            if positions.is_empty() {
                order.push(call);
            }
            positions.push(index);
        }
    }
    for call in &order {
        let positions = &calls[call];
        if let Some(last) = end_of_loop(steps, positions) {
            let goes_on = last + 1 < steps.len() && !found.root_failed;
            found.add(failure(FailureKind::Loop, LOOP, &steps[last], positions.len(), goes_on));
        }
    }
    let retries = retries(steps, found);
    Repeats { retries, repeated_calls: calls.values().map(Vec::len).max().unwrap_or(0) }
}

/// The last step of a loop among these equal calls, if there is one.
fn end_of_loop(steps: &[Step], positions: &[usize]) -> Option<usize> {
    let same_result = |window: &&[usize]| {
        let first = steps[window[0]].result;
        window[2] - window[0] <= 6 && first.is_some() && window.iter().all(|&at| steps[at].result == first)
    };
    let of_three = positions.windows(3).rfind(same_result).map(|window| window[2]);
    let of_five = positions.windows(5).rfind(|window| window[4] - window[0] <= 11).map(|window| window[4]);
    of_three.max(of_five)
}

/// Counts retries; reports chains of at least two.
fn retries(steps: &[Step], found: &mut Findings) -> usize {
    let mut total = 0;
    // Per tool: its last call and how often that was a retry.
    let mut last: HashMap<&str, (usize, usize)> = HashMap::new();
    let mut storms: Vec<(usize, usize)> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let before = last.get(step.tool).copied();
        let again = before.filter(|&(at, _)| {
            steps[at].error.is_some() && step.call.is_some() && steps[at].call == step.call
        });
        let chain = again.map_or(0, |(_, chain)| chain + 1);
        total += usize::from(chain > 0);
        if chain >= 2 {
            // A longer chain replaces what was noted for its beginning.
            storms.retain(|&(end, _)| Some(end) != before.map(|(at, _)| at));
            storms.push((index, chain));
        }
        last.insert(step.tool, (index, chain));
    }
    for (end, chain) in storms {
        let recovered = steps[end].error.is_none() && !found.root_failed;
        found.add(failure(FailureKind::Retry, RETRY, &steps[end], chain, recovered));
    }
    total
}

fn failure(kind: FailureKind, signature: &str, step: &Step, count: usize, recovered: bool) -> Failure {
    Failure {
        kind,
        signature: signature.to_owned(),
        tool: Some(step.tool.to_owned()),
        agent: step.agent.map(str::to_owned),
        evidence: step.arguments.map_or_else(String::new, shown),
        count,
        recovered,
        run: step.run,
    }
}

fn shown(arguments: &serde_json::Value) -> String {
    match arguments {
        serde_json::Value::String(text) => text.chars().take(240).collect(),
        other => other.to_string().chars().take(240).collect(),
    }
}

/// The same words of an agent, three times in a row. Short ones ("Done.") may repeat.
pub(super) fn repeated_answers(transcript: &Transcript, found: &mut Findings) {
    const SHORTEST: usize = 40;
    let mut last: Option<(u64, usize)> = None;
    let mut longest: Option<(usize, &Message)> = None;
    for message in transcript.by(Role::Assistant) {
        let text = message.text();
        let text = text.trim();
        if !message.tool_calls.is_empty() || text.len() < SHORTEST {
            last = None;
            continue;
        }
        let key = hash(&text);
        let count = last.filter(|&(known, _)| known == key).map_or(1, |(_, count)| count + 1);
        last = Some((key, count));
        if count >= 3 && longest.is_none_or(|(known, _)| count > known) {
            longest = Some((count, message));
        }
    }
    let Some((count, message)) = longest else { return };
    found.add(Failure {
        kind: FailureKind::Loop,
        signature: SAID_AGAIN.to_owned(),
        tool: None,
        agent: message.name.clone(),
        evidence: message.text().trim().chars().take(240).collect(),
        count,
        recovered: false,
        run: message.run,
    });
}

/// Hand-offs that are taken back at once, four times or more in a row.
///
/// Agents that talk to each other in turn are a conversation. Only hand-offs that structure
/// shows count: calls of a tool that transfers to another agent, without other work in between.
pub(super) fn hand_offs(transcript: &Transcript, found: &mut Findings) {
    // The last two targets and how many hand-offs went to them in turn.
    let mut last: [Option<String>; 2] = [None, None];
    let mut count = 0;
    let mut best: Option<(usize, String, &Message)> = None;
    for message in &transcript.messages {
        let calls = message.tool_calls.iter().map(|call| hand_off_target(&call.name, &call.arguments));
        for target in calls.chain((message.role == Role::User).then_some(None)) {
            let Some(target) = target else {
                (last, count) = ([None, None], 0);
                continue;
            };
            let [older, newer] = &last;
            let comes_back =
                older.as_ref().is_none_or(|older| *older == target) && newer.as_ref() != Some(&target);
            count = if comes_back { count + 1 } else { 1 };
            last = [last[1].take(), Some(target)];
            if let [Some(a), Some(b)] = &last
                && count >= 4
                && best.as_ref().is_none_or(|(known, ..)| count > *known)
            {
                let pair = if a < b { format!("{a} and {b}") } else { format!("{b} and {a}") };
                best = Some((count, pair, message));
            }
        }
    }
    let Some((count, pair, message)) = best else { return };
    found.add(Failure {
        kind: FailureKind::HandOff,
        signature: format!("{PING_PONG} between {pair}"),
        tool: None,
        agent: message.name.clone(),
        evidence: message.tool_calls.first().map_or_else(String::new, |call| call.name.clone()),
        count,
        recovered: false,
        run: message.run,
    });
}

/// The agent a tool call hands the work to, if that is what the tool does.
pub(crate) fn hand_off_target(tool: &str, arguments: &serde_json::Value) -> Option<String> {
    let name = tool.to_lowercase();
    let name = name.trim_start_matches("functions.");
    let hands_off = matches!(
        name,
        "transfer"
            | "handoff"
            | "hand_off"
            | "transfer_to_agent"
            | "handoff_to_agent"
            | "delegate_work_to_coworker"
    );
    let target = if hands_off {
        ["agent_name", "agent", "to", "target", "coworker"]
            .into_iter()
            .find_map(|key| arguments.get(key)?.as_str())
    } else {
        ["transfer_back_to_", "transfer_to_", "handoff_to_", "hand_off_to_", "delegate_to_", "route_to_"]
            .into_iter()
            .find_map(|prefix| name.strip_prefix(prefix))
    };
    // Handing over to people is an ending, not a hand-off.
    target.map(str::to_lowercase).filter(|target| !target.is_empty() && !target.contains("human"))
}
