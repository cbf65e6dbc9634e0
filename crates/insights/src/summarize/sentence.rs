//! What happened in a thread, in two or three sentences a person could have written.

use assay_domain::{Role, RunStatus, Thread, Transcript};

use super::cut;
use super::digest::{Opening, cleaned, is_observation};
use crate::failures::Reading;
use crate::failures::core::start;
use crate::failures::template::readable;
use crate::summary::{Failure, FailureKind};

/// Characters for the request, the work and the ending.
const REQUEST: usize = 120;
/// Tools that are named, and tools that are counted.
const TOOLS: usize = 4;
const MOST_TOOLS: usize = 200;
const ENDING: usize = 90;

/// Writes the summary; about 300 characters at most.
pub(crate) fn write(
    thread: &Thread,
    transcript: &Transcript,
    reading: &Reading,
    opening: &Opening,
) -> String {
    let mut sentences = vec![asked(transcript, opening)];
    sentences.extend(did(transcript, reading));
    sentences.extend(ended(thread, transcript, &reading.failures));
    sentences.retain(|sentence| !sentence.is_empty());
    cut(&sentences.join(" "), 420)
}

fn asked(transcript: &Transcript, opening: &Opening) -> String {
    let request = cut(&opening.request, REQUEST);
    let turns = transcript.by(Role::User).filter(|message| !is_observation(&message.text())).count();
    match (opening.by_user, request.is_empty()) {
        (_, true) => "Nobody asks anything in words.".into(),
        (false, _) => format!("No user speaks; it begins with “{request}”."),
        (true, _) if turns > 1 => format!("Asked “{request}” ({turns} turns)."),
        (true, _) => format!("Asked “{request}”."),
    }
}

/// The tools in the order of their first call, with how often, and how often they failed.
fn did(transcript: &Transcript, reading: &Reading) -> Option<String> {
    let mut tools: Vec<(&str, usize, usize)> = Vec::new();
    for step in &reading.steps {
        let failed = usize::from(step.error.is_some());
        match tools.iter().position(|(name, ..)| *name == step.tool) {
            Some(known) => {
                tools[known].1 += 1;
                tools[known].2 += failed;
            }
            None if tools.len() < MOST_TOOLS => tools.push((step.tool, 1, failed)),
            None => {}
        }
    }
    if tools.is_empty() {
        let answers = transcript.by(Role::Assistant).filter(|message| !message.is_empty()).count();
        return (answers > 0).then(|| "The agent answered without tools.".to_owned());
    }
    let more = tools.len().saturating_sub(TOOLS);
    let mut parts: Vec<String> =
        tools.iter().take(TOOLS).map(|&(name, calls, failed)| call(name, calls, failed)).collect();
    if more > 0 {
        parts.push(format!("{more} more tool{}", if more > 1 { "s" } else { "" }));
    }
    Some(format!("The agent called {}.", list(&parts)))
}

fn call(name: &str, calls: usize, failed: usize) -> String {
    let name = cut(name, 40);
    match (calls, failed) {
        (1, 0) => name,
        (_, 0) => format!("{name} {}", times(calls)),
        (1, _) => format!("{name}, which failed"),
        _ if failed == calls => format!("{name} {}, failing each time", times(calls)),
        _ => format!("{name} {} ({failed} failed)", times(calls)),
    }
}

fn times(count: usize) -> String {
    if count == 2 { "twice".into() } else { format!("{count} times") }
}

fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

fn ended(thread: &Thread, transcript: &Transcript, failures: &[Failure]) -> Option<String> {
    if let Some(failure) = failures.iter().find(|failure| !failure.recovered) {
        return Some(bad_ending(failure));
    }
    let pending = thread.traces.last().is_some_and(|trace| {
        trace.status() == RunStatus::Pending && trace.root().is_some_and(|root| root.start_time.is_some())
    });
    let last = transcript.messages.iter().rfind(|message| message.role != Role::System)?;
    let said = first_sentence(&cleaned(start(&last.text(), 8_192)));
    match last.role {
        Role::Assistant if !said.is_empty() => Some(format!("It ended with “{said}”.")),
        Role::Assistant if !last.tool_calls.is_empty() => Some("It ended with that call.".into()),
        Role::User if transcript.by(Role::Assistant).next().is_some() => {
            Some(format!("The user closed with “{said}”."))
        }
        Role::Tool => {
            Some(format!("It ended with the result of {}.", last.name.as_deref().unwrap_or("a tool")))
        }
        _ if pending => Some("It is still running.".into()),
        _ => None,
    }
}

fn bad_ending(failure: &Failure) -> String {
    let why = cut(&readable(&failure.signature), ENDING);
    let tool = failure.tool.as_deref().unwrap_or("the agent");
    match failure.kind {
        FailureKind::ToolError => format!("Not recovered: {tool} – {why}."),
        FailureKind::ModelError => format!("The model call failed: {why}."),
        FailureKind::RunError | FailureKind::LimitReached => format!("It stopped with an error: {why}."),
        FailureKind::Loop if failure.tool.is_some() => {
            format!("It went in circles: {tool} with the same arguments {} times.", failure.count)
        }
        FailureKind::Loop => format!("It went in circles, giving the same answer {} times.", failure.count),
        FailureKind::Retry => format!("{tool} was {why}."),
        FailureKind::Refusal => "The agent declined to help.".into(),
        FailureKind::Unanswered => format!("It ended without an answer: {why}."),
        FailureKind::HandOff => format!("Agents were stuck: {why}."),
        FailureKind::WrongLanguage => format!("Wrong language: {why}."),
        FailureKind::Found => format!("It went wrong: {why}."),
    }
}

/// What a message says first, cut for display.
fn first_sentence(text: &str) -> String {
    let mut sentences =
        text.split_inclusive(['.', '!', '?']).map(str::trim).filter(|sentence| sentence.chars().count() > 8);
    let first = sentences.next().unwrap_or(text.trim());
    cut(first.trim_end_matches(['.', ':']), ENDING)
}
