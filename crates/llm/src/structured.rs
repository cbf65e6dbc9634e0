//! Answers of a form: reading them strictly, and showing a model its mistake.
//!
//! [`Form`] is a schema ready to check with. [`repair`] is the request that
//! follows an answer which does not check: the same conversation, the answer,
//! and what is wrong with it. How often that is tried is the caller's decision
//! (once).

use jsonschema::Validator;
use serde_json::Value;

use crate::Error;
use crate::chat::{Answer, Finish, Message, Request, Schema};

/// At most so many mistakes are shown to a model, and so much of its answer.
const MISTAKES: usize = 8;
const SHOWN: usize = 4_000;

/// A schema to check answers with.
pub(crate) struct Form(Validator);

impl Form {
    /// # Errors
    /// [`Error::Configuration`], where the schema is none.
    pub(crate) fn new(schema: &Schema) -> Result<Self, Error> {
        jsonschema::validator_for(&schema.schema).map(Self).map_err(|error| {
            Error::Configuration(format!(
                "the answer's schema {:?} is not a JSON Schema: {error}",
                schema.name
            ))
        })
    }

    /// The value an answer holds, or what is wrong with it, in words a model
    /// and a person understand.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let value: Value =
            serde_json::from_str(bare(text)).map_err(|error| format!("it is not one JSON value: {error}"))?;
        let mistakes: Vec<String> = self
            .0
            .iter_errors(&value)
            .take(MISTAKES)
            .map(|error| {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() { "the answer".to_owned() } else { place };
                let said: String = error.to_string().chars().take(300).collect();
                format!("{place}: {said}")
            })
            .collect();
        if mistakes.is_empty() { Ok(value) } else { Err(mistakes.join("; ")) }
    }
}

/// Why an answer cannot be handed on.
#[derive(Debug)]
pub(crate) enum Flaw {
    /// Asking again would not help.
    Final(Error),
    /// The model can be shown this.
    Mistake { answer: Box<Answer>, mistake: String },
}

/// A provider's answer as callers may see it: whole, willing, of the form.
pub(crate) fn checked(
    request: &Request,
    form: Option<&Form>,
    mut answer: Answer,
) -> Result<Answer, Box<Flaw>> {
    match answer.finish {
        Finish::Refusal => {
            let reason = if answer.text.is_empty() { "it gives no reason" } else { answer.text.as_str() };
            let reason = reason.chars().filter(|c| !c.is_control()).take(300).collect();
            return Err(Box::new(Flaw::Final(Error::Refused { model: answer.model, reason })));
        }
        Finish::Length => {
            let (model, max_tokens) = (answer.model, request.max_tokens);
            return Err(Box::new(Flaw::Final(Error::Truncated { model, max_tokens })));
        }
        Finish::Stop => {}
    }
    let Some(form) = form else {
        if answer.text.trim().is_empty() {
            return Err(Box::new(Flaw::Mistake {
                answer: Box::new(answer),
                mistake: "it is empty".to_owned(),
            }));
        }
        return Ok(answer);
    };
    match form.read(&answer.text) {
        Ok(value) => {
            answer.value = Some(value);
            Ok(answer)
        }
        Err(mistake) => Err(Box::new(Flaw::Mistake { answer: Box::new(answer), mistake })),
    }
}

/// The JSON in an answer: models that were asked in words think aloud first
/// and like fences. Nothing else around it is forgiven.
fn bare(text: &str) -> &str {
    let text = match text.trim_start().strip_prefix("<think>") {
        Some(thought) => thought.split_once("</think>").map_or(text, |(_, rest)| rest),
        None => text,
    };
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    inner.strip_prefix("json").unwrap_or(inner).trim()
}

/// The question again, with the wrong answer and what is wrong with it.
pub(crate) fn repair(request: &Request, answer: &str, mistake: &str) -> Request {
    let mut request = request.clone();
    let shown: String = answer.chars().take(SHOWN).collect();
    // Providers refuse messages without text.
    let shown = if shown.trim().is_empty() { "(nothing)".to_owned() } else { shown };
    request.messages.push(Message::model(shown));
    request.messages.push(Message::user(format!(
        "This answer cannot be used: {mistake}. Answer the question again, as one JSON object of the form asked \
         for, and with nothing else."
    )));
    request
}

/// Whether a schema keeps to what OpenAI's strict mode can guarantee: every
/// object names all its properties as required and allows no others, and no
/// keyword is used that the mode does not know.
pub(crate) fn is_strict(schema: &Value) -> bool {
    let Value::Object(fields) = schema else { return true };
    let unknown = [
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "default",
    ];
    if unknown.iter().any(|keyword| fields.contains_key(*keyword)) {
        return false;
    }
    if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
        let required = fields.get("required").and_then(Value::as_array);
        let is_required =
            |name: &String| required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
        let is_closed = fields.get("additionalProperties") == Some(&Value::Bool(false));
        if !is_closed || !properties.keys().all(is_required) || !properties.values().all(is_strict) {
            return false;
        }
    } else if fields.get("type").and_then(Value::as_str) == Some("object") {
        return false;
    }
    let definitions = ["$defs", "definitions"].iter().filter_map(|key| fields.get(*key)?.as_object());
    let choices = fields.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    fields.get("items").is_none_or(is_strict)
        && choices.into_iter().all(is_strict)
        && definitions.flat_map(|all| all.values()).all(is_strict)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form() -> Form {
        let schema = json!({"type": "object", "properties": {"kind": {"enum": ["a", "b"]}},
            "required": ["kind"], "additionalProperties": false});
        Form::new(&Schema { name: "kind".into(), description: String::new(), schema }).expect("a schema")
    }

    #[test]
    fn fences_and_thoughts_are_forgiven_and_talk_is_not() {
        let good = json!({"kind": "a"});
        for text in [
            "{\"kind\":\"a\"}",
            " ```json\n{\"kind\": \"a\"}\n``` ",
            "<think>b? {no}</think>\n{\"kind\":\"a\"}",
        ] {
            assert_eq!(form().read(text), Ok(good.clone()), "{text}");
        }
        for text in [
            "",
            "Sure! {\"kind\":\"a\"}",
            "{\"kind\":\"a\"} Done.",
            "{\"kind\":\"a\"",
            "<think>{\"kind\":\"a\"}",
        ] {
            assert!(form().read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mistake_names_its_place() {
        let mistake = form().read("{\"kind\":\"c\"}").expect_err("not an option");
        assert!(mistake.contains("/kind") && mistake.contains("\"c\""), "{mistake}");
    }

    #[test]
    fn the_repair_shows_the_answer_and_the_mistake() {
        let request = Request::new("s", "m", "Which?");
        let again = repair(&request, "maybe a", "it is not JSON");
        assert_eq!(again.messages.len(), 3);
        assert_eq!(again.messages[1], Message::model("maybe a"));
        assert!(again.messages[2].text.contains("it is not JSON"));
        assert_eq!(repair(&request, "", "empty").messages[1], Message::model("(nothing)"));
    }

    #[test]
    fn strict_schemas_close_every_object() {
        let closed = json!({"type": "object", "properties": {"a": {"type": "array", "items":
            {"type": "object", "properties": {}, "required": [], "additionalProperties": false}}},
            "required": ["a"], "additionalProperties": false});
        assert!(is_strict(&closed));
        let mut open = closed.clone();
        open["properties"]["a"]["items"]["additionalProperties"] = json!(true);
        assert!(!is_strict(&open));
        let mut optional = closed.clone();
        optional["required"] = json!([]);
        assert!(!is_strict(&optional));
        let mut unknown = closed;
        unknown["properties"]["a"]["items"] = json!({"oneOf": [{"type": "string"}]});
        assert!(!is_strict(&unknown));
    }
}
