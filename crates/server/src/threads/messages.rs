//! A conversation as JSON: one form, whatever client recorded it.

use assay_domain::transcript::MediaKind;
use assay_domain::{Message, Part, Role, RunId, Trace, Transcript};
use serde_json::{Map, Value, json};

use crate::fields::v1_time;

/// All messages in order.
pub(crate) fn of(transcript: &Transcript) -> Value {
    transcript.messages.iter().map(json).collect()
}

/// One message: `role` and `content` always, the rest where there is some.
///
/// The content is text where the message is nothing but text, else a list of
/// parts. Arguments of tool calls are parsed.
pub(crate) fn json(message: &Message) -> Value {
    // Spelled out in full: a new field must not be forgotten here.
    let Message { role, name, parts, tool_calls, tool_call_id, error, run, trace, time } = message;
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            out.insert(key.to_owned(), value);
        }
    };
    put("role", json!(role.as_str()));
    put("content", content(parts));
    put("name", json!(name));
    if !tool_calls.is_empty() {
        let call = |call: &assay_domain::ToolCall| json!({ "id": call.id, "name": call.name, "arguments": call.arguments });
        put("tool_calls", tool_calls.iter().map(call).collect());
    }
    if *role == Role::Tool {
        put("tool_call_id", json!(tool_call_id));
    }
    put("error", json!(error));
    put("run_id", json!(run));
    put("trace_id", json!(trace));
    put("time", json!(time.map(v1_time)));
    Value::Object(out)
}

fn content(parts: &[Part]) -> Value {
    match parts {
        [] => json!(""),
        [Part::Text(text)] => json!(text),
        parts => parts.iter().map(part).collect(),
    }
}

fn part(part: &Part) -> Value {
    match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Thinking(text) => json!({ "type": "thinking", "text": text }),
        Part::Refusal(text) => json!({ "type": "refusal", "text": text }),
        Part::Media { kind, mime_type, reference, .. } => {
            let kind = match kind {
                MediaKind::Image => "image",
                MediaKind::Audio => "audio",
                MediaKind::Video => "video",
                MediaKind::File => "file",
            };
            json!({ "type": kind, "mime_type": mime_type, "reference": reference })
        }
        Part::Other(value) => json!({ "type": "other", "value": value }),
    }
}

/// The part of a trace that hangs on a run; `None` where the run is not in it.
pub(crate) fn below(trace: Trace, run: RunId) -> Option<Trace> {
    let position = trace.runs.iter().position(|known| known.id == run)?;
    let depth = trace.depth.get(position).copied()?;
    let deeper = trace.depth.iter().skip(position + 1).take_while(|next| **next > depth).count();
    let runs = trace.runs.into_iter().skip(position).take(deeper + 1).collect();
    let depth = trace.depth.into_iter().skip(position).take(deeper + 1).map(|known| known - depth).collect();
    Some(Trace { id: trace.id, runs, depth })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_plain_and_the_rest_in_parts() {
        let mut message = Message::text_of(Role::Assistant, "hi");
        assert_eq!(json(&message), json!({ "role": "assistant", "content": "hi" }));
        message.parts.push(Part::Thinking("hm".into()));
        message.tool_calls.push(assay_domain::ToolCall {
            id: Some("c1".into()),
            name: "look".into(),
            arguments: json!({ "at": 1 }),
        });
        let parts = json!([{ "type": "text", "text": "hi" }, { "type": "thinking", "text": "hm" }]);
        let calls = json!([{ "id": "c1", "name": "look", "arguments": { "at": 1 } }]);
        assert_eq!(json(&message), json!({ "role": "assistant", "content": parts, "tool_calls": calls }));
    }

    #[test]
    fn below_a_run_are_its_descendants_only() {
        let run = |name: &str, parent: Option<&str>| {
            let mut run = assay_domain::Run::unknown(RunId::from_name(name), Default::default());
            run.name = name.to_owned();
            run.parent = parent.map(RunId::from_name);
            run
        };
        let runs =
            vec![run("root", None), run("a", Some("root")), run("b", Some("a")), run("c", Some("root"))];
        let trace = Trace::new(RunId::from_name("root").into(), runs);
        let part = below(trace.clone(), RunId::from_name("a")).expect("it is there");
        let mut names: Vec<_> = part.runs.iter().map(|run| run.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(part.depth, [0, 1]);
        assert_eq!(below(trace, RunId::from_name("x")), None);
    }
}
