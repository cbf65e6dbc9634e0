//! What was said and done in a thread, whatever client recorded it.
//!
//! The `transcript` crate makes these from runs. Everything downstream
//! (analysis, pages, exports) sees only this one kind of conversation.

use serde_json::Value;

use crate::{RunId, Time, TraceId};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

impl Role {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    /// What a model thought before it answered.
    Thinking(String),
    /// An answer the model declined to give, in its own words.
    Refusal(String),
    /// An image, sound or file: kept by reference, never inline.
    Media {
        kind: MediaKind,
        mime_type: Option<String>,
        reference: String,
        /// Of a picture that came within the message: by this number it is found again in the payload of its run.
        picture: Option<u64>,
    },
    /// Anything else, as it came.
    Other(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    File,
}

/// A model's request to run a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    pub id: Option<String>,
    pub name: String,
    /// Parsed arguments; a string where they are not JSON.
    pub arguments: Value,
}

/// One turn of one speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub role: Role,
    /// The agent, participant or, for tool messages, the tool.
    pub name: Option<String>,
    pub parts: Vec<Part>,
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool message answers.
    pub tool_call_id: Option<String>,
    /// What went wrong in this step, where structure says so.
    pub error: Option<String>,
    /// The run this message comes from, where known.
    pub run: Option<RunId>,
    pub trace: Option<TraceId>,
    pub time: Option<Time>,
}

impl Message {
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            name: None,
            parts: Vec::new(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            error: None,
            run: None,
            trace: None,
            time: None,
        }
    }

    #[must_use]
    pub fn text_of(role: Role, text: impl Into<String>) -> Self {
        let mut message = Self::new(role);
        message.parts.push(Part::Text(text.into()));
        message
    }

    /// All words of the message that its reader saw: text and refusals, joined by newlines.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            if let Part::Text(text) | Part::Refusal(text) = part {
                if !out.is_empty() {
                    out.push('\n');
                }
                out.push_str(text);
            }
        }
        out
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.tool_calls.is_empty() && self.error.is_none()
    }
}

/// A whole conversation, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    pub messages: Vec<Message>,
}

impl Transcript {
    pub fn by(&self, role: Role) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.role == role)
    }
}
