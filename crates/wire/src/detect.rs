//! Which format a record is in, judged by its own keys.
//!
//! Detection is per record, since a file may mix runs and feedback. A file that
//! is not text is recognized by its first bytes.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::otel;

/// A format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// One conversation per record.
    Chat,
    /// Runs as the LangSmith API returns them, or batches of them as clients send them.
    LangSmithRuns,
    LangSmithFeedback,
    /// `ExportTraceServiceRequest` as JSON.
    OtlpJson,
    /// `ExportTraceServiceRequest` as protobuf, the whole file.
    OtlpProtobuf,
}

impl Format {
    pub const ALL: [Self; 5] =
        [Self::Chat, Self::LangSmithRuns, Self::LangSmithFeedback, Self::OtlpJson, Self::OtlpProtobuf];

    /// The name users give it on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::LangSmithRuns => "langsmith",
            Self::LangSmithFeedback => "langsmith-feedback",
            Self::OtlpJson => "otlp-json",
            Self::OtlpProtobuf => "otlp-protobuf",
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|format| format.as_str()).collect();
            format!("unknown format {text:?}, expected one of {}", known.join(", "))
        })
    }
}

/// Keys that hold the messages of a chat history.
pub(crate) const HISTORIES: [&str; 7] =
    ["messages", "conversations", "conversation", "history", "dialogue", "dialog", "turns"];

/// Pairs of keys that hold one question and its answer.
pub(crate) const PAIRS: [(&str, &str); 8] = [
    ("prompt", "completion"),
    ("prompt", "response"),
    ("input", "output"),
    ("inputs", "outputs"),
    ("question", "answer"),
    ("query", "response"),
    ("instruction", "output"),
    ("instruction", "response"),
];

/// The format of a record; `None` where it is none of ours.
#[must_use]
pub fn of_record(value: &Value) -> Option<Format> {
    match value {
        Value::Array(list) => {
            let first = list.first()?;
            if otel::looks_like(value) {
                return Some(Format::OtlpJson);
            }
            match first {
                Value::Array(_) => Some(Format::Chat),
                Value::Object(object) => match of_object(first, object) {
                    Some(Format::Chat) | None => Some(Format::Chat),
                    other => other,
                },
                _ => None,
            }
        }
        Value::Object(object) => of_object(value, object),
        _ => None,
    }
}

fn of_object(value: &Value, object: &Map<String, Value>) -> Option<Format> {
    let has = |key: &str| object.contains_key(key);
    if has("run_type") || has("dotted_order") || is_batch(object) {
        return Some(Format::LangSmithRuns);
    }
    if otel::looks_like(value) {
        return Some(Format::OtlpJson);
    }
    let is_judgement =
        has("score") || has("value") || has("comment") || has("correction") || has("feedback_source");
    if has("key") && is_judgement && (has("run_id") || has("trace_id")) {
        return Some(Format::LangSmithFeedback);
    }
    if (has("trace_id") || has("parent_run_id")) && (has("inputs") || has("outputs") || has("end_time")) {
        return Some(Format::LangSmithRuns);
    }
    let is_history = HISTORIES
        .iter()
        .any(|key| object.get(*key).is_some_and(|value| value.is_array() || value.is_string()));
    let is_pair = PAIRS.iter().any(|(asked, answered)| has(asked) && has(answered));
    (is_history || is_pair).then_some(Format::Chat)
}

/// `{"post": […], "patch": […]}` or `{"runs": […]}`.
pub(crate) fn is_batch(object: &Map<String, Value>) -> bool {
    ["post", "patch", "runs"].iter().any(|key| object.get(*key).is_some_and(Value::is_array))
}

/// Whether a file that begins with these bytes is protobuf and not text.
///
/// A request opens with field 1 (byte 10, which is also a line feed), and its
/// binary ids hold bytes that no text has.
#[must_use]
pub fn is_protobuf(head: &[u8]) -> bool {
    let is_binary = |byte: &u8| *byte < 9 || (14..32).contains(byte);
    let head = &head[..head.len().min(4096)];
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character may be cut off at the end of the head.
        Err(error) => error.valid_up_to() + 4 > head.len(),
    };
    head.first() == Some(&10)
        && head.get(1).is_some_and(|byte| !b"{[\n\r \t".contains(byte) || !is_text)
        && (head.iter().any(is_binary) || !is_text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(record: Value, expected: Option<Format>) {
        assert_eq!(of_record(&record), expected, "{record}");
    }

    #[test]
    fn records_are_told_apart_by_their_keys() {
        check(json!({"messages": []}), Some(Format::Chat));
        check(json!([{"role": "user", "content": "hi"}]), Some(Format::Chat));
        check(json!({"conversations": [{"from": "human", "value": "hi"}]}), Some(Format::Chat));
        check(json!({"prompt": "a", "completion": "b"}), Some(Format::Chat));
        check(json!({"id": "x", "run_type": "llm", "inputs": {"messages": []}}), Some(Format::LangSmithRuns));
        check(json!({"post": [], "patch": []}), Some(Format::LangSmithRuns));
        check(json!({"id": "f", "run_id": "r", "key": "k", "score": 1}), Some(Format::LangSmithFeedback));
        check(json!({"resourceSpans": []}), Some(Format::OtlpJson));
        check(json!({"color": "red"}), None);
        check(json!("text"), None);
    }

    #[test]
    fn protobuf_is_told_from_text_that_starts_with_a_line_feed() {
        assert!(is_protobuf(&[10, 40, 10, 2, 18, 0, 1, 200, 255]));
        assert!(!is_protobuf(b"\n{\"messages\": []}"));
        assert!(!is_protobuf(b"\n\n  {\"messages\": []}"));
        assert!(!is_protobuf(b"{}"));
        assert!(!is_protobuf(b""));
    }
}
