//! A conversation as a person reads it: who said what, which tools were called
//! and what they answered.
//!
//! Text goes through [`prose`](super::prose), everything else is escaped by
//! the template `templates/web/talk.html`. Long texts are cut; what is cut can
//! be read in the run's own page.

use askama::Template;
use assay_domain::transcript::MediaKind;
use assay_domain::{Message, Part, Role, RunId};
use serde_json::Value;

use super::parts::Moment;
use super::prose;
use crate::text;
use crate::value;

/// Longer texts are cut to this, in characters.
const MAX_TEXT: usize = 12_000;
/// Longer texts are folded.
const FOLD: usize = 2_400;
/// Longer arguments and results are cut to this.
const MAX_VALUE: usize = 8_000;
/// Parts, and calls, of one message.
const MAX_PARTS: usize = 64;

/// Messages in order, calls with their answers.
#[derive(Template, Default)]
#[template(path = "web/talk.html")]
pub struct Talk {
    pub messages: Vec<MessageView>,
    /// What to say where nothing was said.
    pub nothing: String,
}

/// One message.
pub struct MessageView {
    pub role: &'static str,
    /// Who speaks.
    pub name: String,
    /// Whether the name is not just the role.
    pub is_named: bool,
    pub time: Moment,
    pub parts: Vec<PartView>,
    pub calls: Vec<CallView>,
    pub error: String,
    /// The beginning, for messages that start folded.
    pub preview: String,
    /// The run it comes from; empty where that is not known.
    pub href: String,
}

/// A piece of a message.
pub struct PartView {
    /// `text`, `thinking`, `refusal`, `media`, `image` or `data`.
    pub kind: &'static str,
    /// Safe markup for `text`, `thinking` and `refusal`, else plain text.
    pub body: String,
    /// Characters that were cut.
    pub more: usize,
    pub is_long: bool,
    /// Where our own copy of a medium is.
    pub href: String,
}

/// A call of a tool, with the answer.
pub struct CallView {
    pub name: String,
    pub line: String,
    pub arguments: String,
    pub arguments_more: usize,
    pub is_answered: bool,
    pub has_failed: bool,
    pub results: Vec<PartView>,
    pub error: String,
}

/// Where things that messages refer to are.
pub struct Places<'a> {
    /// Our own copy of a medium, by its reference and its type.
    pub medium: &'a dyn Fn(&str, Option<&str>) -> Option<String>,
    /// A picture that came within a message, by the run of the message, where that is known, and its number.
    pub picture: &'a dyn Fn(Option<RunId>, u64) -> Option<String>,
    /// The page of a run.
    pub run: &'a dyn Fn(RunId) -> String,
}

impl Talk {
    /// All messages; answers are shown with the calls they answer.
    #[must_use]
    pub fn new(messages: &[Message], places: &Places<'_>) -> Self {
        let answers = Answers::of(messages);
        let shown = messages.iter().enumerate().filter(|(at, _)| !answers.is_answer[*at]);
        Self {
            messages: shown.map(|(at, message)| view(message, at, messages, &answers, places)).collect(),
            nothing: String::new(),
        }
    }
}

/// Which tool message answers which call.
struct Answers {
    /// By message and call: the message that answers.
    of_call: std::collections::HashMap<(usize, usize), usize>,
    is_answer: Vec<bool>,
}

impl Answers {
    /// Only a call made before can be answered, and once.
    fn of(messages: &[Message]) -> Self {
        let mut asked: std::collections::HashMap<&str, (usize, usize)> = std::collections::HashMap::new();
        let mut answers = Self { of_call: Default::default(), is_answer: vec![false; messages.len()] };
        for (at, message) in messages.iter().enumerate() {
            if message.role == Role::Tool
                && let Some(call) = message.tool_call_id.as_deref().and_then(|id| asked.remove(id))
            {
                answers.of_call.insert(call, at);
                answers.is_answer[at] = true;
            }
            for (number, call) in message.tool_calls.iter().enumerate().take(MAX_PARTS) {
                if let Some(id) = &call.id {
                    asked.insert(id, (at, number));
                }
            }
        }
        answers
    }
}

fn view(
    message: &Message,
    at: usize,
    all: &[Message],
    answers: &Answers,
    places: &Places<'_>,
) -> MessageView {
    let role = message.role.as_str();
    let name = message.name.as_deref().map(text::line).filter(|name| !name.is_empty() && name != role);
    let calls = message.tool_calls.iter().take(MAX_PARTS).enumerate().map(|(number, call)| {
        let (arguments, arguments_more) = value(&call.arguments, MAX_VALUE);
        let answer = answers.of_call.get(&(at, number)).and_then(|&at| all.get(at));
        let error = answer.and_then(|answer| answer.error.as_deref());
        CallView {
            name: text::name(&call.name),
            line: text::cut(&text::line(&arguments), 160).into_owned(),
            arguments,
            arguments_more,
            is_answered: answer.is_some(),
            has_failed: error.is_some(),
            results: answer
                .map(|answer| {
                    answer.parts.iter().take(MAX_PARTS).map(|p| raw_part(p, answer.run, places)).collect()
                })
                .unwrap_or_default(),
            error: error.map(|error| clip(error, MAX_VALUE).0).unwrap_or_default(),
        }
    });
    MessageView {
        role,
        is_named: name.is_some(),
        name: name.unwrap_or_else(|| role.to_owned()),
        time: message.time.into(),
        parts: message.parts.iter().take(MAX_PARTS).map(|one| part(one, message, places)).collect(),
        calls: calls.collect(),
        error: message.error.as_deref().map(|error| clip(error, MAX_VALUE).0).unwrap_or_default(),
        preview: text::cut(&text::line(&clip(&message.text(), 400).0), 110).into_owned(),
        href: message.run.map(|run| (places.run)(run)).unwrap_or_default(),
    }
}

fn part(part: &Part, message: &Message, places: &Places<'_>) -> PartView {
    let (kind, words) = match part {
        // What tools say is data, not prose.
        Part::Text(_) if message.role == Role::Tool => return raw_part(part, message.run, places),
        Part::Text(words) => ("text", words),
        Part::Thinking(words) => ("thinking", words),
        Part::Refusal(words) => ("refusal", words),
        other => return raw_part(other, message.run, places),
    };
    let (words, more) = clip(words, MAX_TEXT);
    let is_long = words.chars().count() > FOLD;
    PartView { kind, body: prose::markup(&words), more, is_long, href: String::new() }
}

/// A piece as plain text.
fn raw_part(part: &Part, run: Option<RunId>, places: &Places<'_>) -> PartView {
    let data = |(body, more): (String, usize)| {
        let is_long = body.chars().count() > FOLD;
        PartView { kind: "data", body, more, is_long, href: String::new() }
    };
    match part {
        Part::Text(words) | Part::Thinking(words) | Part::Refusal(words) => data(pretty(words, MAX_VALUE)),
        Part::Other(other) => data(value(other, MAX_VALUE)),
        Part::Media { kind, mime_type, reference, picture } => {
            let own = picture.and_then(|number| (places.picture)(run, number));
            let href = own.or_else(|| (places.medium)(reference, mime_type.as_deref()));
            medium(*kind, mime_type.as_deref(), reference, href.unwrap_or_default())
        }
    }
}

fn medium(kind: MediaKind, mime_type: Option<&str>, reference: &str, href: String) -> PartView {
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
    // Only our own copies are shown; whatever lies elsewhere is named and not fetched.
    let kind = if what == "image" && !href.is_empty() { "image" } else { "media" };
    PartView {
        kind,
        body: text::cut(&text::line(&described), 300).into_owned(),
        more: 0,
        is_long: false,
        href,
    }
}

/// The beginning of a text, made visible, and how many characters were cut.
pub(super) fn clip(words: &str, limit: usize) -> (String, usize) {
    let end = words.char_indices().nth(limit).map_or(words.len(), |(index, _)| index);
    let more = words[end..].chars().count();
    (text::visible(&words[..end]).into_owned(), more)
}

/// Text that is JSON is laid out as such.
fn pretty(words: &str, limit: usize) -> (String, usize) {
    let trimmed = words.trim_start();
    if (trimmed.starts_with('{') || trimmed.starts_with('['))
        && words.len() < 64 << 10
        && let Ok(parsed) = serde_json::from_str::<Value>(words)
    {
        return value(&parsed, limit);
    }
    clip(words, limit)
}

/// A value as indented JSON; a string as it is.
pub(super) fn value(value: &Value, limit: usize) -> (String, usize) {
    match value {
        Value::String(words) => clip(words, limit),
        other => clip(&value::pretty(other), limit),
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::ToolCall;

    use super::*;

    fn talk(messages: &[Message]) -> Talk {
        let picture =
            |run: Option<RunId>, number: u64| run.map(|run| format!("/r/{run}/picture/{number:016x}"));
        Talk::new(
            messages,
            &Places { medium: &|_, _| None, picture: &picture, run: &|run| format!("/r/{run}") },
        )
    }

    #[test]
    fn an_answer_is_shown_with_its_call() {
        let mut asking = Message::new(Role::Assistant);
        asking.tool_calls.push(ToolCall {
            id: Some("c1".into()),
            name: "look".into(),
            arguments: serde_json::json!({ "at": "<b>" }),
        });
        let mut answer = Message::text_of(Role::Tool, "{\"found\":[1]}");
        answer.tool_call_id = Some("c1".into());
        answer.error = Some("none <script>".into());
        let talk = talk(&[Message::text_of(Role::User, "hi **you**"), asking, answer]);
        assert_eq!(talk.messages.len(), 2);
        let call = &talk.messages[1].calls[0];
        assert!(call.is_answered && call.has_failed);
        assert_eq!(call.results[0].body, "{\n  \"found\": [\n    1\n  ]\n}");
        let html = talk.render().expect("a page");
        assert!(html.contains("hi <strong>you</strong>") && !html.contains("<script>"), "{html}");
    }

    #[test]
    fn an_answer_nobody_asked_for_stands_alone() {
        let mut answer = Message::text_of(Role::Tool, "x");
        answer.tool_call_id = Some("c1".into());
        assert_eq!(talk(&[answer]).messages.len(), 1);
    }

    #[test]
    fn pictures_from_elsewhere_are_named_and_not_shown() {
        let mut message = Message::new(Role::User);
        let reference = "https://evil.example/x.png".to_owned();
        message.parts.push(Part::Media { kind: MediaKind::Image, mime_type: None, reference, picture: None });
        let html = talk(&[message]).render().expect("a page");
        assert!(!html.contains("<img") && html.contains("evil.example"), "{html}");
    }

    #[test]
    fn a_picture_in_a_message_is_shown_from_its_run_and_without_one_it_is_named() {
        let picture = |number| Part::Media {
            kind: MediaKind::Image,
            mime_type: Some("image/png".into()),
            reference: "inline image/png, about 70 bytes".into(),
            picture: number,
        };
        let mut message = Message::new(Role::User);
        message.parts.extend([picture(Some(7)), picture(None)]);
        let named = talk(&[message.clone()]).render().expect("a page");
        assert!(!named.contains("<img"), "{named}");
        message.run = Some(RunId(Default::default()));
        let shown = talk(&[message]).render().expect("a page");
        assert_eq!(shown.matches("<img").count(), 1, "{shown}");
        let address = "/r/00000000-0000-0000-0000-000000000000/picture/0000000000000007";
        assert!(
            shown.contains(&format!("<img src=\"{address}\" alt=\"image (image/png): inline")),
            "{shown}"
        );
    }
}
