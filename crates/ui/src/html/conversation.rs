//! One conversation as the page's `conversation.js` reads it, cut to what a page can carry.

use assay_domain::transcript::{MediaKind, Message, Part, Transcript};
use serde::Serialize;
use serde_json::Value;

use super::HtmlOptions;
use crate::text;
use crate::value::pretty;

#[derive(Serialize)]
pub(super) struct Conversation {
    messages: Vec<Embedded>,
    /// Messages left out after `messages[gap.0]`: position and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<(usize, usize)>,
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
fn is_zero(value: &usize) -> bool {
    *value == 0
}

pub(super) fn embed(transcript: &Transcript, options: &HtmlOptions) -> Conversation {
    let all = &transcript.messages;
    let limit = options.messages.max(2);
    let embed = |message: &Message| embed_message(message, options.message_chars);
    if all.len() <= limit {
        return Conversation { messages: all.iter().map(embed).collect(), gap: None };
    }
    // How it began, and more of how it ended.
    let head = limit / 4;
    let tail = limit - head;
    let kept = all[..head].iter().chain(&all[all.len() - tail..]);
    Conversation { messages: kept.map(embed).collect(), gap: Some((head, all.len() - limit)) }
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
        Part::Media { kind, mime_type, reference } => {
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
    use assay_domain::Role;

    use super::*;

    #[test]
    fn long_conversations_keep_their_beginning_and_end_and_say_what_is_missing() {
        let messages = (0..50).map(|n| Message::text_of(Role::User, n.to_string())).collect();
        let options = HtmlOptions { messages: 8, message_chars: 1, ..HtmlOptions::default() };
        let embedded = embed(&Transcript { messages }, &options);
        let words: Vec<_> =
            embedded.messages.iter().map(|message| message.parts[0].body.text.as_str()).collect();
        assert_eq!(words, ["0", "1", "4", "4", "4", "4", "4", "4"]);
        assert_eq!(embedded.messages[7].parts[0].body.more, 1);
        assert_eq!(embedded.gap, Some((2, 42)));
    }
}
