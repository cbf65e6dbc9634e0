//! Names and descriptions of groups of failures, as a person would put them.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Top;
use super::merge::Key;
use crate::failures::template::readable;
use crate::summary::FailureKind;

/// `requests.exceptions.HTTPError: `: in a name the module is noise, and beside the class of trouble
/// with a model the exception is.
static EXCEPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:\w+\.)*(?P<class>[A-Z]\w*(?:Error|Exception): ?)").expect("a literal pattern compiles")
});

/// Longest name, in characters.
const NAME: usize = 70;

pub(super) const HEALTHY: &str = "No failure shows";
pub(super) const HEALTHY_DESCRIPTION: &str =
    "Threads in which structure shows no failure, or only errors the agent got over.";

pub(super) fn top_name(top: &Top) -> String {
    match top {
        Top::Tool(tool) => cut(&format!("Tool errors: {tool}"), NAME),
        Top::OtherTools => "Tool errors: other tools".into(),
        Top::Recovered => "Recovered errors".into(),
        Top::Kind(kind) => kind_name(*kind).into(),
    }
}

fn kind_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::RunError => "Crashed runs",
        FailureKind::ModelError => "Model errors",
        FailureKind::ToolError => "Tool errors",
        FailureKind::Loop | FailureKind::Retry => "Loops and repeated calls",
        FailureKind::Refusal => "Refusals",
        FailureKind::Unanswered => "Unanswered",
        FailureKind::HandOff => "Hand-offs",
        FailureKind::WrongLanguage => "Wrong language",
        FailureKind::LimitReached => "Limits reached",
    }
}

pub(super) fn top_description(top: &Top) -> String {
    match top {
        Top::Tool(tool) => format!("Calls of {tool} failed, and the agent did not get over it."),
        Top::OtherTools => "Calls of tools that fail in few threads each.".into(),
        Top::Recovered => "Something failed on the way, and the agent got over it.".into(),
        Top::Kind(kind) => match kind {
            FailureKind::RunError => "A step ended in an error that no tool or model call explains.",
            FailureKind::ModelError => "A call of the model failed, or its answer could not be read.",
            FailureKind::ToolError => "A tool call failed, and the agent did not get over it.",
            FailureKind::Loop | FailureKind::Retry => {
                "The agent made the same call, or gave the same answer, over and over."
            }
            FailureKind::Refusal => "The agent declined to help.",
            FailureKind::Unanswered => "The thread ended on a request of the user's, or on an empty answer.",
            FailureKind::HandOff => "Agents handed the work back and forth.",
            FailureKind::WrongLanguage => "The agent answered in another language than it was asked in.",
            FailureKind::LimitReached => "The limit of steps, turns or time ended the work.",
        }
        .into(),
    }
}

/// What failed and how, without the details that differ from thread to thread.
pub(super) fn leaf_name(key: &Key, signature: &str) -> String {
    let class = if key.kind == FailureKind::ModelError { "" } else { "$class" };
    let what = EXCEPTION.replace_all(&readable(signature), class).trim_end_matches([':', ' ']).to_owned();
    let tool = key.tool.as_deref();
    let name = match (key.kind, tool) {
        (FailureKind::Loop, Some(tool)) => format!("{} {what}", cut(tool, 30)),
        (FailureKind::Retry, Some(tool)) => format!("{} {what}", cut(tool, 30)),
        (_, Some(tool)) => format!("{}: {what}", cut(tool, 40)),
        (_, None) => sentence_case(&what),
    };
    if key.recovered {
        return format!("{} (recovered)", cut(&name, NAME - " (recovered)".len()));
    }
    cut(&name, NAME)
}

pub(super) fn leaf_description(key: &Key, signature: &str, evidence: &str, agent: Option<&str>) -> String {
    let what = match key.tool.as_deref() {
        Some(tool) if key.kind == FailureKind::ToolError => {
            format!("{tool} failed: {}.", readable(signature))
        }
        Some(tool) => format!("{tool} was {}.", readable(signature)),
        None => format!("{}.", sentence_case(&readable(signature))),
    };
    let who = agent.map_or_else(String::new, |agent| format!(" Mostly in the hands of {agent}."));
    let shows = evidence.split_whitespace().collect::<Vec<_>>().join(" ");
    if shows.is_empty() {
        return format!("{what}{who}");
    }
    format!("{what}{who} Typical: “{}”", cut(&shows, 160))
}

pub(super) fn pool_name(top: &Top) -> String {
    match top {
        Top::Tool(tool) => cut(&format!("Other errors of {tool}"), NAME),
        Top::OtherTools => "Other tool errors".into(),
        Top::Recovered => "Other recovered errors".into(),
        Top::Kind(FailureKind::RunError) => "Other crashes".into(),
        Top::Kind(kind) => format!("Other {}", kind_name(*kind).to_lowercase()),
    }
}

pub(super) fn pool_description(fewest: usize) -> String {
    format!("Failures that fewer than {fewest} threads share.")
}

/// Names that are already taken among siblings get a number.
pub(super) fn unique(name: String, taken: &mut HashMap<String, usize>) -> String {
    let count = taken.entry(name.to_lowercase()).or_default();
    *count += 1;
    if *count == 1 {
        return name;
    }
    let number = format!(" ({count})");
    let numbered = format!("{}{number}", cut(&name, NAME - number.len()));
    unique(numbered, taken)
}

fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    let first_word: &str = text.split_whitespace().next().unwrap_or_default();
    // Names such as `pandas.errors.ParserError` and `iPhone` stay as they are.
    if first_word.chars().any(|c| !c.is_lowercase()) {
        return text.to_owned();
    }
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let head: String = text.chars().take(characters - 1).collect();
    let end = head.rfind(char::is_whitespace).filter(|&end| end * 3 > head.len() * 2).unwrap_or(head.len());
    format!("{}…", head[..end].trim_end_matches(|c: char| c.is_whitespace() || ",.;:-–(…".contains(c)))
}
