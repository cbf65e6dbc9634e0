//! One conversation as the page's `conversation.js` reads it, cut to what a page can carry.

use assay_domain::transcript::{MediaKind, Message, Part};
use serde::Serialize;
use serde_json::Value;

use super::HtmlOptions;
use crate::value::pretty;
use crate::{Spoken, Turn, text};

#[derive(Serialize)]
pub(super) struct Conversation {
    messages: Vec<Embedded>,
    /// Messages left out after `messages[gap.0]`: position and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<(usize, usize)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    turns: Vec<EmbeddedTurn>,
}

/// Where a trace begins among the messages, and what it took. Absent values are left out.
#[derive(Serialize)]
struct EmbeddedTurn {
    /// Position of its first message.
    at: usize,
    /// From 1.
    number: usize,
    trace: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<f64>,
    /// US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<f64>,
    #[serde(skip_serializing_if = "is_none")]
    tokens: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
}

#[derive(Serialize)]
struct Embedded {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<EmbeddedPart>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<Call>,
    /// Which call this answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Clipped>,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
}

#[derive(Serialize)]
struct EmbeddedPart {
    kind: &'static str,
    #[serde(flatten)]
    body: Clipped,
}

#[derive(Serialize)]
struct Call {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    arguments: Clipped,
}

/// Text and how many characters of it are not here.
#[derive(Serialize)]
struct Clipped {
    text: String,
    #[serde(skip_serializing_if = "is_zero")]
    more: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_none(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

pub(super) fn embed(spoken: &Spoken, options: &HtmlOptions) -> Conversation {
    let all = &spoken.transcript.messages;
    let limit = options.messages.max(2);
    // How it began, and more of how it ended.
    let head = limit / 4;
    let tail = limit - head;
    let (kept, gap): (Vec<&Message>, _) = match all.len() <= limit {
        true => (all.iter().collect(), None),
        false => {
            (all[..head].iter().chain(&all[all.len() - tail..]).collect(), Some((head, all.len() - limit)))
        }
    };
    let messages = kept.iter().map(|message| embed_message(message, options.message_chars)).collect();
    Conversation { messages, gap, turns: turns(&spoken.turns, &kept) }
}

/// The turns at their first messages. What does not say its trace belongs to the one before it.
fn turns(all: &[Turn], kept: &[&Message]) -> Vec<EmbeddedTurn> {
    let mut current = None;
    let mut found = Vec::new();
    for (at, message) in kept.iter().enumerate() {
        let trace = message.trace.or(current).or_else(|| Some(all.first()?.trace));
        if trace == current {
            continue;
        }
        current = trace;
        let turn = all.iter().enumerate().find(|(_, turn)| Some(turn.trace) == trace);
        found.extend(turn.map(|(index, turn)| EmbeddedTurn {
            at,
            number: index + 1,
            trace: turn.trace.to_string(),
            latency: turn.latency,
            cost: turn.cost,
            tokens: turn.tokens,
            failed: turn.is_failed,
        }));
    }
    found
}

fn embed_message(message: &Message, limit: usize) -> Embedded {
    Embedded {
        role: message.role.as_str(),
        name: message.name.as_deref().map(text::line),
        parts: message.parts.iter().take(64).map(|part| embed_part(part, limit)).collect(),
        calls: message
            .tool_calls
            .iter()
            .take(64)
            .map(|call| Call {
                id: call.id.as_deref().map(text::line),
                name: text::line(&call.name),
                arguments: clip_value(&call.arguments, limit),
            })
            .collect(),
        answers: message.tool_call_id.as_deref().map(text::line),
        error: message.error.as_deref().map(|error| clip(error, limit)),
        time: message.time.map(|time| time.timestamp()),
    }
}

fn embed_part(part: &Part, limit: usize) -> EmbeddedPart {
    match part {
        Part::Text(words) => EmbeddedPart { kind: "text", body: clip(words, limit) },
        Part::Thinking(words) => EmbeddedPart { kind: "thinking", body: clip(words, limit) },
        Part::Refusal(words) => EmbeddedPart { kind: "refusal", body: clip(words, limit) },
        Part::Media { kind, mime_type, reference, .. } => {
            let what = match kind {
                MediaKind::Image => "image",
                MediaKind::Audio => "audio",
                MediaKind::Video => "video",
                MediaKind::File => "file",
            };
            let described = match mime_type {
                Some(mime_type) => format!("{what} ({mime_type}): {reference}"),
                None => format!("{what}: {reference}"),
            };
            EmbeddedPart { kind: "media", body: clip(&described, limit.min(500)) }
        }
        Part::Other(value) => EmbeddedPart { kind: "data", body: clip_value(value, limit) },
    }
}

fn clip(words: &str, limit: usize) -> Clipped {
    // What is thrown away need not be made visible first.
    let end = words.char_indices().nth(limit).map_or(words.len(), |(index, _)| index);
    let more = words[end..].chars().count();
    Clipped { text: text::visible(&words[..end]).into_owned(), more }
}

fn clip_value(value: &Value, limit: usize) -> Clipped {
    match value {
        Value::String(words) => clip(words, limit),
        value => clip(&pretty(value), limit),
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::{Role, TraceId, Transcript};

    use super::*;

    #[test]
    fn each_trace_says_at_its_first_message_what_it_took() {
        let [one, two] = ["one", "two"].map(TraceId::from_name);
        let said = |trace| Message { trace, ..Message::text_of(Role::User, "Hello") };
        let turn =
            |trace, cost| Turn { trace, latency: Some(1.5), cost, tokens: 7, is_failed: cost.is_none() };
        let spoken = Spoken {
            transcript: Transcript {
                messages: vec![said(None), said(Some(one)), said(Some(two)), said(None)],
            },
            turns: vec![turn(one, Some(0.25)), turn(two, None)],
        };
        let json = serde_json::to_value(embed(&spoken, &HtmlOptions::default())).expect("JSON");
        let turns = json["turns"].as_array().expect("turns");
        assert_eq!(turns.len(), 2);
        assert_eq!((&turns[0]["at"], &turns[0]["cost"]), (&0.into(), &0.25.into()));
        assert_eq!(
            (&turns[1]["at"], &turns[1]["number"], &turns[1]["failed"]),
            (&2.into(), &2.into(), &true.into())
        );
        assert!(turns[1].get("cost").is_none());
        // Where only what was said is known there are none.
        let json =
            serde_json::to_value(embed(&spoken.transcript.into(), &HtmlOptions::default())).expect("JSON");
        assert!(json.get("turns").is_none());
    }

    #[test]
    fn long_conversations_keep_their_beginning_and_end_and_say_what_is_missing() {
        let messages = (0..50).map(|n| Message::text_of(Role::User, n.to_string())).collect();
        let options = HtmlOptions { messages: 8, message_chars: 1, ..HtmlOptions::default() };
        let embedded = embed(&Transcript { messages }.into(), &options);
        let words: Vec<_> =
            embedded.messages.iter().map(|message| message.parts[0].body.text.as_str()).collect();
        assert_eq!(words, ["0", "1", "4", "4", "4", "4", "4", "4"]);
        assert_eq!(embedded.messages[7].parts[0].body.more, 1);
        assert_eq!(embedded.gap, Some((2, 42)));
    }
}
