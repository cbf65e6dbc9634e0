//! A model drafts a config: prompt, name and attributes, from what somebody
//! wants to know and a few threads of the project.
//!
//! What it writes is checked like what a client writes: attributes that cannot
//! be asked are left out, and a prompt that names no variable gets those that
//! show a thread.

use std::time::Duration;

use assay_domain::job::{Job, Spend};
use assay_domain::report::ReportConfig;
use assay_insights::model::template;
use assay_llm::{Chat, Message, Request, Schema};
use serde_json::{Map, Value, json};

use super::ask::{self, Line};
use super::schemas;
use crate::app::App;

const STAGE: &str = "generate";
const SYSTEM: &str = "You set up an analysis of conversations that people have with an AI agent. From what \
    somebody wants to learn, write: a short name for the analysis; the instructions by which another model will \
    summarize each conversation so that this can be learned; and up to six attributes to note of each conversation, \
    with snake_case names, of type string, number, integer or boolean, with the options of a string where there are \
    few. In the instructions put {{all_thread_messages}} where the conversation is to stand, or {{run.inputs}} and \
    {{run.outputs}} for its last step. Write nothing that only one conversation could fulfil.";
const ANSWER_TOKENS: u32 = 1500;
/// Clients wait for about a minute.
const PATIENCE: Duration = Duration::from_secs(45);
const SHOWN: usize = 400;
const LONGEST_NAME: usize = 80;
const LONGEST_PROMPT: usize = 8000;

/// What a model drafted.
pub(super) struct Drafted {
    pub(super) name: String,
    pub(super) summary_prompt: String,
    pub(super) attribute_schemas: Map<String, Value>,
    /// Who wrote it: provider and model.
    pub(super) by: String,
    pub(super) spend: Spend,
}

/// Asks the thinking model of `job`. `examples` are requests and summaries of some threads.
///
/// # Errors
/// Says why there is no draft.
pub(super) async fn draft(
    app: &App,
    job: &Job,
    answers: &[(String, String)],
    examples: &[(String, String)],
    slots: &str,
) -> Result<Drafted, String> {
    let line = Line::once(app, job).await.map_err(|error| error.to_string())?;
    let line = line.ok_or_else(|| "no language model is asked in the local tier".to_owned())?;
    let models = job.config.models.as_ref().ok_or_else(|| "no model is named".to_owned())?;
    let drafter = Drafter {
        chat: line.thinking(),
        model: &models.thinking,
        redacted: &|text| line.redacted(text),
        shown: &|text| line.shown(text),
    };
    match drafter.draft(answers, examples, slots).await {
        Ok(drafted) => Ok(Drafted { spend: ask::spend(line.budget()), ..drafted }),
        Err(Failed::Model(error)) => Err(line.explain(assay_insights::Error::Model(error)).to_string()),
        Err(Failed::Late) => Err(Failed::Late.to_string()),
    }
}

/// A model that drafts, and what is done to texts before it sees them.
pub(super) struct Drafter<'a> {
    pub(super) chat: &'a dyn Chat,
    pub(super) model: &'a str,
    pub(super) redacted: &'a (dyn Fn(&str) -> String + Sync),
    /// The same for texts that may have been cut somewhere.
    pub(super) shown: &'a (dyn Fn(&str) -> String + Sync),
}

/// Why there is no draft.
pub(super) enum Failed {
    Model(assay_llm::Error),
    Late,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Model(error) => error.fmt(f),
            Self::Late => write!(f, "the model did not answer within {} s", PATIENCE.as_secs()),
        }
    }
}

impl Drafter<'_> {
    /// Asks once. What it cost the caller knows.
    pub(super) async fn draft(
        &self,
        answers: &[(String, String)],
        examples: &[(String, String)],
        slots: &str,
    ) -> Result<Drafted, Failed> {
        let request = Request {
            system: SYSTEM.to_owned(),
            messages: vec![Message::user((self.redacted)(&question(answers, examples, self.shown)))],
            schema: Some(form()),
            max_tokens: ANSWER_TOKENS,
            temperature: Some(0.0),
            seed: Some(0),
            ..Request::new(STAGE, self.model, "")
        };
        let asked = tokio::time::timeout(PATIENCE, self.chat.answer(&request)).await;
        let answer = asked.map_err(|_| Failed::Late)?.map_err(Failed::Model)?;
        let value = answer.value.unwrap_or_default();
        let plain = |name: &str, most: usize| -> String {
            value[name].as_str().unwrap_or_default().trim().chars().take(most).collect()
        };
        Ok(Drafted {
            name: plain("name", LONGEST_NAME),
            summary_prompt: with_slots(plain("summary_prompt", LONGEST_PROMPT), slots),
            attribute_schemas: attributes(&value["attributes"]),
            by: format!("{}/{}", self.chat.name(), answer.model),
            spend: Spend::default(),
        })
    }
}

/// `shown` takes out of a text what must not leave: before anything is cut, since half a secret
/// is not found.
fn question(
    answers: &[(String, String)],
    examples: &[(String, String)],
    shown: &dyn Fn(&str) -> String,
) -> String {
    let mut text = String::new();
    for (question, answer) in answers {
        text.push_str(&format!("{}\n{}\n\n", shown(question), shown(answer)));
    }
    text.push_str("Some of the conversations:\n");
    let cut = |text: &str| shown(text).chars().take(SHOWN).collect::<String>();
    for (request, summary) in examples {
        text.push_str(&format!("- {} ({})\n", cut(request), cut(summary)));
    }
    text
}

fn form() -> Schema {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let object = |properties: Value| {
        let names: Vec<String> =
            properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false })
    };
    let attribute = object(json!({
        "name": text("snake_case"),
        "type": { "type": "string", "enum": ["string", "number", "integer", "boolean"] },
        "description": text("What is to be noted, as one sentence."),
        "options": { "type": "array", "items": { "type": "string" }, "description": "The only answers, where there are few." },
    }));
    Schema {
        name: "analysis".to_owned(),
        description: "How the conversations are to be analysed.".to_owned(),
        schema: object(json!({
            "name": text("Two to five words."),
            "summary_prompt": text("Instructions with the variables in double braces."),
            "attributes": { "type": "array", "items": attribute },
        })),
    }
}

/// A prompt that can be used: what names a variable that does not exist, or none, gets `slots`.
fn with_slots(prompt: String, slots: &str) -> String {
    let check = |prompt: &str| {
        let config = ReportConfig { summary_prompt: Some(prompt.to_owned()), ..ReportConfig::default() };
        template::check(&config).is_ok()
    };
    if check(&prompt) {
        return prompt;
    }
    let plain = prompt.replace("{{", "").replace("}}", "");
    format!("{}\n\n{slots}", plain.trim())
}

/// Those of the drafted attributes that can be asked.
fn attributes(drafted: &Value) -> Map<String, Value> {
    let mut kept = Map::new();
    for one in drafted.as_array().into_iter().flatten() {
        let Some(name) = one["name"].as_str() else { continue };
        let name: String = name
            .trim()
            .chars()
            .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        let mut schema = json!({ "type": one["type"], "description": one["description"] });
        let options = one["options"].as_array().filter(|options| !options.is_empty());
        if let (Some(options), "string") = (options, one["type"].as_str().unwrap_or_default()) {
            schema["enum"] = json!(options);
        }
        let single = Map::from_iter([(name.clone(), schema.clone())]);
        if schemas::read(Some(&single)).is_ok() {
            kept.insert(name, schema);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use assay_redact::{Redactor, Rules, Seen};

    use super::*;

    #[test]
    fn a_prompt_without_variables_gets_those_that_show_a_thread() {
        let slots = "Conversation:\n{{all_thread_messages}}";
        assert_eq!(with_slots("Sum up {{run.inputs}}".into(), slots), "Sum up {{run.inputs}}");
        let fixed = with_slots("Sum up {{everything}}".into(), slots);
        assert_eq!(fixed, format!("Sum up everything\n\n{slots}"));
    }

    #[test]
    fn a_secret_at_the_place_where_texts_are_cut_leaves_no_part_of_itself() {
        let rules = Rules { detectors: vec!["all".into()], ..Rules::default() };
        let redactor = Redactor::new(&rules, b"").expect("sound rules");
        let clean = |text: &str| redactor.text(text, &mut Seen::default()).unwrap_or_else(|| text.to_owned());
        let shown = |text: &str| assay_insights::model::shown(&clean, text);
        let secret = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb3dEf6hIj9k";
        for before in (SHOWN - 60..SHOWN + 10).step_by(7) {
            let text = format!("{} {secret} and what follows", "a ".repeat(before / 2));
            // As previews cut it: in the middle of the secret.
            let torn = format!("{}…", text.chars().take(before + 20).collect::<String>());
            let said = question(
                &[("What?".to_owned(), torn.clone())],
                &[(text.clone(), text), (torn.clone(), torn)],
                &shown,
            );
            assert!(!said.contains("sk-proj"), "{before}: {said}");
            assert!(said.contains("a a a"), "{said}");
        }
    }

    #[test]
    fn attributes_that_cannot_be_asked_are_left_out() {
        let drafted = json!([
            {"name": "Main Goal", "type": "string", "description": "d", "options": ["a", "b"]},
            {"name": "", "type": "string", "description": "d", "options": []},
            {"name": "x", "type": "list", "description": "d", "options": []},
            {"name": "turns", "type": "integer", "description": "d", "options": ["1"]},
        ]);
        let kept = attributes(&drafted);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["main_goal", "turns"]);
        assert!(kept["turns"].get("enum").is_none());
    }
}
