//! Names and descriptions of groups of failures, as a person would put them.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::Regex;

use super::merge::{Cause, Key};
use super::tops::{self, Top};
use crate::failures::template::readable;
use crate::summary::FailureKind;

/// `requests.exceptions.HTTPError: `: in a name the module is noise, and beside the class of trouble
/// with a model the exception is.
static EXCEPTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:\w+\.)*(?P<class>[A-Z]\w*(?:Error|Exception): ?)").expect("a literal pattern compiles")
});

/// Longest name, in characters.
pub(super) const NAME: usize = 70;

/// Words that causes must have in common to be called similar (Jaccard).
const IN_COMMON: f64 = 0.3;

const RECOVERED: &str = "Recovered errors";
pub(super) const OTHER_DESCRIPTION: &str = "Failures that are unlike every given category.";
pub(super) const HEALTHY: &str = "No failure shows";
pub(super) const HEALTHY_DESCRIPTION: &str =
    "Threads in which structure shows no failure, or only errors the agent got over.";

pub(super) fn top_name(top: &Top) -> String {
    match top {
        Top::Tool(tool) => cut(&format!("Tool errors: {tool}"), NAME),
        Top::OtherTools => "Tool errors: other tools".into(),
        Top::Recovered => RECOVERED.into(),
        Top::Kind(kind) => kind_name(*kind).into(),
    }
}

pub(super) fn kind_name(kind: FailureKind) -> &'static str {
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
        FailureKind::Found => "Wrong or poor answers",
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
            FailureKind::Found => {
                "Nothing broke, but a model that read the thread says what went wrong in it."
            }
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

/// One of several causes that share a group.
pub(super) struct Part<'a> {
    pub(super) key: &'a Key,
    pub(super) signature: &'a str,
    /// What its words have in common with those of the first, 0 to 1.
    pub(super) alike: f64,
}

impl<'a> Part<'a> {
    pub(super) fn of(cause: &'a Cause, alike: f64) -> Self {
        Self { key: &cause.key, signature: &cause.signature, alike }
    }
}

/// What several causes have in common.
enum Shared {
    /// The tool, and most of the words.
    Words,
    /// The tool, or there is none.
    Tool,
    Kind,
    Nothing,
}

fn shared(parts: &[Part<'_>]) -> Shared {
    let first = parts[0].key;
    let same = |is: &dyn Fn(&Part<'_>) -> bool| parts.iter().all(is);
    if !same(&|part| part.key.recovered == first.recovered)
        || !same(&|part| tops::family(part.key.kind) == tops::family(first.kind))
    {
        Shared::Nothing
    } else if !same(&|part| part.key.tool == first.tool) {
        Shared::Kind
    } else if same(&|part| part.alike >= IN_COMMON) {
        Shared::Words
    } else {
        Shared::Tool
    }
}

/// The name of several causes together, largest first: what they share, or what they are if they
/// share nothing.
pub(super) fn mixed_name(parts: &[Part<'_>]) -> String {
    let what = match shared(parts) {
        Shared::Nothing => {
            let kinds = listed(parts, |part| kind_in_a_list(part.key).into());
            let kinds = and(&kinds, 3, ["kind of failure", "kinds of failure"], NAME);
            return cut(&capitalized(&kinds), NAME);
        }
        Shared::Kind => {
            let tools = listed(parts, |part| part.key.tool.clone().unwrap_or_else(|| "no tool".into()));
            let first = parts[0].key;
            let kind = if first.recovered { RECOVERED } else { kind_name(first.kind) };
            return cut(
                &format!("{kind}: {}", and(&tools, 3, ["tool", "tools"], NAME - kind.len() - 2)),
                NAME,
            );
        }
        Shared::Words => "similar",
        Shared::Tool => "other",
    };
    let others = parts.len() - 1;
    let rest = format!(" and {others} {what} cause{}", if others == 1 { "" } else { "s" });
    let name = leaf_name(parts[0].key, parts[0].signature);
    if others == 0 { name } else { format!("{}{rest}", cut(&name, NAME - rest.len())) }
}

fn kind_in_a_list(key: &Key) -> &'static str {
    if key.recovered {
        return "recovered errors";
    }
    match key.kind {
        FailureKind::RunError => "crashed runs",
        FailureKind::ModelError => "model errors",
        FailureKind::ToolError => "tool errors",
        FailureKind::Loop | FailureKind::Retry => "loops",
        FailureKind::Refusal => "refusals",
        FailureKind::Unanswered => "unanswered threads",
        FailureKind::HandOff => "hand-offs",
        FailureKind::WrongLanguage => "wrong language",
        FailureKind::LimitReached => "limits reached",
        FailureKind::Found => "wrong answers",
    }
}

/// What is in a group of several causes, and why they are together.
pub(super) fn mixed_description(parts: &[Part<'_>]) -> String {
    let why = match shared(parts) {
        Shared::Words => "Failures that read much alike.",
        Shared::Tool => "Different causes, put together because so few categories were asked for.",
        Shared::Kind => {
            "The same kind of failure in different tools, put together because so few categories were asked for."
        }
        Shared::Nothing => {
            "Different kinds of failure that have nothing in common, put together because so few categories \
             were asked for."
        }
    };
    let causes = listed(parts, |part| format!("“{}”", cut(&leaf_name(part.key, part.signature), 60)));
    format!("{why} Among them: {}.", and(&causes, 4, ["cause", "causes"], usize::MAX))
}

/// Every text once, in order of first appearance.
fn listed(parts: &[Part<'_>], text: impl Fn(&Part<'_>) -> String) -> Vec<String> {
    let mut taken = HashSet::new();
    parts.iter().map(text).filter(|text| taken.insert(text.clone())).collect()
}

/// `a, b and 3 more tools`: the first few, as far as there is room.
fn and(texts: &[String], few: usize, what: [&str; 2], room: usize) -> String {
    let written = |shown: usize| {
        let rest = texts.len() - shown;
        let last = match rest {
            0 => texts[shown - 1].clone(),
            1 => format!("1 more {}", what[0]),
            _ => format!("{rest} more {}", what[1]),
        };
        let before = &texts[..if rest == 0 { shown - 1 } else { shown }];
        if before.is_empty() { last } else { format!("{} and {last}", before.join(", ")) }
    };
    // One more takes no more room than saying that there is one more.
    let most = if texts.len() <= few + 1 { texts.len() } else { few };
    let fitting = (1..=most).rev().map(written).find(|text| text.chars().count() <= room);
    fitting.unwrap_or_else(|| written(1))
}

pub(super) fn pool_description(fewest: usize) -> String {
    format!("Failures that fewer than {fewest} threads share.")
}

/// Names that are already taken among siblings get a number. `take` counts how often a name was asked for.
pub(super) fn unique(mut name: String, mut take: impl FnMut(&str) -> usize) -> String {
    loop {
        let count = take(&name);
        if count == 1 {
            return name;
        }
        let number = format!(" ({count})");
        name = format!("{}{number}", cut(&name, NAME - number.len()));
    }
}

fn sentence_case(text: &str) -> String {
    let first_word: &str = text.split_whitespace().next().unwrap_or_default();
    // Names such as `pandas.errors.ParserError` and `iPhone` stay as they are.
    if first_word.chars().any(|c| !c.is_lowercase()) { text.to_owned() } else { capitalized(text) }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

pub(super) fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let head: String = text.chars().take(characters - 1).collect();
    let end = head.rfind(char::is_whitespace).filter(|&end| end * 3 > head.len() * 2).unwrap_or(head.len());
    format!("{}…", head[..end].trim_end_matches(|c: char| c.is_whitespace() || ",.;:-–(…".contains(c)))
}
