//! The shapes of the APIs: what is asked, and how it is answered.
//!
//! [`Api::read`] takes a request apart into an [`Ask`]; [`Api::write`] puts a
//! [`Said`] into the envelope of the API. Which answer is given is decided
//! elsewhere.

use serde_json::{Value, json};

use crate::words::tokens;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Responses,
    Messages,
    Embeddings,
}

/// What is asked, in no API's words.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) system: String,
    /// Everything the user said, in order.
    pub(crate) user: String,
    pub(crate) schema: Option<Value>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) prompt_tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    Cut,
    Refused,
}

/// What is answered, in no API's words.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) ending: Ending,
    pub(crate) output_tokens: u64,
}

impl Api {
    pub(crate) fn at(path: &str) -> Option<Self> {
        let path = path.trim_end_matches('/');
        [
            ("/chat/completions", Api::Chat),
            ("/responses", Api::Responses),
            ("/messages", Api::Messages),
            ("/embeddings", Api::Embeddings),
        ]
        .into_iter()
        .find_map(|(end, api)| path.ends_with(end).then_some(api))
    }

    /// # Errors
    /// The parameter that is missing or wrong.
    pub(crate) fn read(self, body: &Value) -> Result<Ask, &'static str> {
        let model = body.get("model").and_then(Value::as_str).ok_or("model")?.to_owned();
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        let (system, schema, max_tokens) = match self {
            Api::Chat => (
                String::new(),
                body.pointer("/response_format/json_schema/schema"),
                number("max_completion_tokens").or_else(|| number("max_tokens")),
            ),
            Api::Responses => (
                text(body.get("instructions")),
                body.pointer("/text/format/schema"),
                number("max_output_tokens"),
            ),
            Api::Messages => {
                let limit = number("max_tokens").ok_or("max_tokens")?;
                (text(body.get("system")), body.pointer("/tools/0/input_schema"), Some(limit))
            }
            Api::Embeddings => (String::new(), None, None),
        };
        let turns = match self {
            Api::Chat | Api::Messages => {
                body.get("messages").and_then(Value::as_array).ok_or("messages")?.clone()
            }
            Api::Responses | Api::Embeddings => match body.get("input").ok_or("input")? {
                Value::Array(turns) => turns.clone(),
                one => vec![json!({"role": "user", "content": one})],
            },
        };
        let mut ask =
            Ask { model, system, user: String::new(), schema: schema.cloned(), max_tokens, prompt_tokens: 3 };
        ask.hear(&turns);
        Ok(ask)
    }

    pub(crate) fn write(self, ask: &Ask, said: &Said, id: &str) -> Value {
        let (input, output) = (ask.prompt_tokens, said.output_tokens);
        let text = &said.text;
        match self {
            Api::Chat => {
                let (content, refusal) = match said.ending {
                    Ending::Refused => (Value::Null, json!(text)),
                    _ => (json!(text), Value::Null),
                };
                let finish = if said.ending == Ending::Cut { "length" } else { "stop" };
                json!({"id": format!("chatcmpl-{id}"), "object": "chat.completion", "created": 0, "model": ask.model,
                    "choices": [{"index": 0, "finish_reason": finish,
                        "message": {"role": "assistant", "content": content, "refusal": refusal}}],
                    "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}})
            }
            Api::Responses => {
                let part = match said.ending {
                    Ending::Refused => json!({"type": "refusal", "refusal": text}),
                    _ => json!({"type": "output_text", "text": text, "annotations": []}),
                };
                let (status, details) = match said.ending {
                    Ending::Cut => ("incomplete", json!({"reason": "max_output_tokens"})),
                    _ => ("completed", Value::Null),
                };
                json!({"id": format!("resp_{id}"), "object": "response", "model": ask.model, "status": status,
                    "incomplete_details": details, "error": null,
                    "output": [{"type": "message", "role": "assistant", "content": [part]}],
                    "usage": {"input_tokens": input, "output_tokens": output, "total_tokens": input + output}})
            }
            Api::Messages => {
                let input_value =
                    ask.schema.is_some().then(|| serde_json::from_str::<Value>(text).ok()).flatten();
                let block = match input_value
                    .filter(|value| value.is_object() && said.ending != Ending::Refused)
                {
                    Some(value) => {
                        json!({"type": "tool_use", "id": format!("toolu_{id}"), "name": "answer", "input": value})
                    }
                    None => json!({"type": "text", "text": text}),
                };
                let stop = match said.ending {
                    Ending::Refused => "refusal",
                    Ending::Cut => "max_tokens",
                    Ending::Done if block["type"] == "tool_use" => "tool_use",
                    Ending::Done => "end_turn",
                };
                json!({"id": format!("msg_{id}"), "type": "message", "role": "assistant", "model": ask.model,
                    "content": [block], "stop_reason": stop, "stop_sequence": null,
                    "usage": {"input_tokens": input, "output_tokens": output}})
            }
            Api::Embeddings => Value::Null,
        }
    }

    /// A failure as this API words it.
    pub(crate) fn failure(self, kind: &str, message: &str, parameter: Option<&str>) -> Value {
        match self {
            Api::Messages => json!({"type": "error", "error": {"type": kind, "message": message}}),
            _ => json!({"error": {"message": message, "type": kind, "param": parameter, "code": null}}),
        }
    }
}

impl Ask {
    fn hear(&mut self, turns: &[Value]) {
        let mut said = Vec::new();
        for turn in turns {
            let content = if turn.is_string() { text(Some(turn)) } else { text(turn.get("content")) };
            self.prompt_tokens += 4 + tokens(&content);
            match turn.get("role").and_then(Value::as_str) {
                Some("system" | "developer") => self.system.push_str(&content),
                // Its own earlier answers are no material.
                Some("assistant") => {}
                _ => said.push(content),
            }
        }
        self.user = said.join("\n");
        if !turns.iter().any(|turn| turn.get("role").and_then(Value::as_str) == Some("system")) {
            self.prompt_tokens += tokens(&self.system);
        }
        if let Some(schema) = &self.schema {
            self.prompt_tokens += tokens(&schema.to_string());
        } else {
            self.schema = schema_in_words(&self.system);
        }
    }
}

/// Servers without forms are asked in words: the schema stands on a line of
/// its own at the end.
fn schema_in_words(system: &str) -> Option<Value> {
    let line = system.lines().last().filter(|_| system.contains("JSON Schema"))?;
    serde_json::from_str(line).ok().filter(Value::is_object)
}

fn text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}
