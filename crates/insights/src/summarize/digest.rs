//! The words that say what a thread is about: the first request, cleaned of
//! markup, code and what every thread has in common.

use std::borrow::Cow;
use std::sync::LazyLock;

use assay_domain::{Message, Part, Role, Thread, Transcript};
use regex::Regex;
use serde_json::Value;

use super::corpus::Corpus;
use super::courtesy;
use crate::failures::core::start;
use crate::failures::template::without_ansi;
use crate::summary::Topic;

/// Words the embedder reads well and fast.
const WORDS: usize = 48;
/// Words of an answer: it repeats the request first and helps afterwards.
const ANSWER: usize = 24;
/// Bytes of a request that are looked at: preambles may be long.
const READ: usize = 32_768;

/// How a thread begins.
pub(crate) struct Opening {
    /// Cleaned, on one line.
    pub(crate) request: String,
    /// Whether a user said it, and not a system, an agent or a payload.
    pub(crate) by_user: bool,
}

/// What was asked; where no user speaks, the first words there are.
pub(crate) fn opening(thread: &Thread, transcript: &Transcript, context: &Corpus) -> Opening {
    if let Some(message) = first_request(transcript) {
        return Opening { request: cleaned(specific(&message.text(), context)), by_user: true };
    }
    let others = [Role::System, Role::Assistant, Role::Tool].into_iter();
    let said =
        others.flat_map(|role| transcript.by(role)).map(|message| cleaned(start(&message.text(), READ)));
    let request = said.into_iter().find(|text| !text.is_empty()).or_else(|| media(transcript));
    Opening { request: request.or_else(|| of_inputs(thread)).unwrap_or_default(), by_user: false }
}

/// The first words of a user.
pub(crate) fn first_request(transcript: &Transcript) -> Option<&Message> {
    requests(transcript).next()
}

fn requests(transcript: &Transcript) -> impl Iterator<Item = &Message> {
    transcript.by(Role::User).filter(|message| {
        let text = message.text();
        text.contains(char::is_alphanumeric) && !is_observation(&text)
    })
}

/// Whether a message in the user's name is what a tool gave back: some agents are written that way.
pub(crate) fn is_observation(text: &str) -> bool {
    OBSERVATION.is_match(start(text.trim_start(), 200))
}

/// What the usage lens compares: the user's first words, and with half their weight the user's
/// second words or, where there are none, the agent's first answer.
///
/// Measured on labelled sets: the second turn often says what the first only announced, and an
/// answer says in full what a terse request meant; both together are no better than one. Tool
/// results stay out: they pull threads together by what the agent does.
pub(crate) fn topics(opening: &Opening, transcript: &Transcript) -> Vec<Topic> {
    let first = first_words(courtesy::without(&opening.request), WORDS);
    if first.is_empty() {
        return Vec::new();
    }
    let said = |message: &Message, words| {
        first_words(courtesy::without(&cleaned(start(&message.text(), READ))), words)
    };
    let second = || requests(transcript).nth(1).map(|message| said(message, WORDS));
    let answer =
        || transcript.by(Role::Assistant).map(|message| said(message, ANSWER)).find(|text| !text.is_empty());
    let other = if opening.by_user { second().or_else(answer) } else { None };
    match other.filter(|text| !text.is_empty()) {
        Some(other) => {
            vec![Topic { text: first, weight: 2.0 / 3.0 }, Topic { text: other, weight: 1.0 / 3.0 }]
        }
        None => vec![Topic { text: first, weight: 1.0 }],
    }
}

fn first_words(text: &str, words: usize) -> String {
    text.split_whitespace().take(words).collect::<Vec<_>>().join(" ")
}

/// The request without the preamble that most threads share; all of it where nothing else is left.
fn specific<'a>(text: &'a str, context: &Corpus) -> &'a str {
    let text = start(text, READ);
    let preamble: usize =
        segments(text).take_while(|segment| context.is_boilerplate(segment)).map(str::len).sum();
    let own = &text[preamble..];
    let says_something = own.chars().filter(|c| c.is_alphanumeric()).take(3).count() == 3;
    if says_something { own } else { text }
}

/// Lines, and sentences inside of lines, with what separates them: together they are the text.
pub(crate) fn segments(text: &str) -> impl Iterator<Item = &str> {
    start(text, READ)
        .split_inclusive('\n')
        .flat_map(|line| SENTENCE.find_iter(line).map(|found| found.as_str()))
}

/// A text without markup on one line; code, data and addresses are named, not quoted, unless
/// there is nothing else.
pub(crate) fn cleaned(text: &str) -> String {
    let plain = without_ansi(text).replace('\u{feff}', "");
    let mut text = Cow::Borrowed(plain.as_str());
    for (pattern, with) in MARKUP.iter() {
        if let Cow::Owned(new) = pattern.replace_all(&text, *with) {
            text = Cow::Owned(new);
        }
    }
    let words = text.replace("(data)", "").replace("(code)", "");
    let says_something = words.chars().filter(|c| c.is_alphanumeric()).take(3).count() == 3;
    on_one_line(if says_something { &text } else { &plain })
}

fn on_one_line(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        // A run of rules, bullets or arrows is layout.
        if word.chars().count() > 1 && !word.chars().any(char::is_alphanumeric) {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        // Encoded data has no spaces.
        if word.chars().count() > 120 { out.push('…') } else { out.push_str(word) }
    }
    out
}

fn media(transcript: &Transcript) -> Option<String> {
    transcript.messages.iter().flat_map(|message| &message.parts).find_map(|part| match part {
        Part::Media { kind, .. } => Some(format!("({kind:?})").to_lowercase()),
        _ => None,
    })
}

/// Words in the inputs of the first runs.
fn of_inputs(thread: &Thread) -> Option<String> {
    thread.runs().take(20).find_map(|run| {
        let text = match &run.inputs {
            Value::Null => return None,
            inputs => assay_transcript::preview(inputs, 400),
        };
        let text = cleaned(&text);
        text.chars().any(char::is_alphanumeric).then_some(text)
    })
}

static SENTENCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[^.!?\n]*(?:[.!?]+(?:\s+|$)|[.!?]+[^\s.!?][^.!?\n]*)*\n?")
        .expect("a literal pattern compiles")
});

static OBSERVATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)^(?:call id:|observations?:|execution logs:|tool[ _](?:result|output|response)s?\b|<(?:tool|function)_|<returncode>|exit ?code: ?-?\d)")
        .expect("a literal pattern compiles")
});

static MARKUP: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"(?s)```.*?(?:```|\z)", " (code) "),
        (r"(?s)<!--.*?-->", " "),
        (r"!?\[([^\]\n]{1,200})\]\([^)\s]{1,2000}\)", "$1"),
        (r"(?i)\b(?:https?|ftp|file)://(?:www\.)?([a-z0-9.-]{1,80})[^\s<>)\]}'\x22]*", "$1"),
        (r"</?[A-Za-z][\w:-]*(?:\s[^<>]{0,200})?/?>", " "),
        // Data: an object or list with keys in it.
        (r"(?s)[\[{]\s*[\[{]?\s*\x22[^\x22]{1,80}\x22\s*:.{40,}[\]}]", " (data) "),
        (r"(?m)^\s{0,8}(?:#{1,6}|>|[-*+•]|\d{1,3}[.)])\s+", " "),
        (r"[*_~`]{2,}|`", ""),
        (r"&nbsp;", " "),
        (r"&amp;", "&"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).expect("a literal pattern compiles"), with))
    .into()
});
