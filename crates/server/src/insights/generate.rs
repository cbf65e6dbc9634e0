//! A config from plain words: what somebody wants to know, and how the traces
//! are built, become a prompt, a name and attributes.
//!
//! This is the local form: no language model is asked, so the words are used
//! as they stand, and the attributes are chosen by what the words speak of.

use assay_domain::report::Focus;
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{jobs, request};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

/// So many characters of an answer go into the prompt, and so many words into a name.
const MAX_ANSWER: usize = 4000;
const NAME_WORDS: usize = 7;

#[derive(Deserialize, ToSchema)]
pub(super) struct GenerateRequest {
    /// Answers by question.
    user_context: Map<String, Value>,
    #[serde(default)]
    #[expect(dead_code, reason = "documented; the local form asks no model")]
    model: Option<String>,
}

/// Drafts a config from answers in plain words.
#[utoipa::path(post, path = "/sessions/{session_id}/insights/configs/generate", tag = "insights",
    params(("session_id" = Uuid, Path)), request_body = GenerateRequest,
    responses((status = 200, description = "`{summary_prompt, name, attribute_schemas, focus, generated_by}`"),
        (status = 422, description = "there is no answer")))]
pub(super) async fn generate(
    State(app): State<App>,
    Path(project): Path<String>,
    Body(body): Body<GenerateRequest>,
) -> ApiResult<Json<Value>> {
    let project = jobs::project_of(&app, &project).await?;
    let answers = answers(&body.user_context)?;
    // A thread of several traces says more than its last one.
    let has_threads = project.threads < project.traces;
    let asked: Vec<&str> =
        answers.iter().filter(|a| !a.is_about_structure).map(|a| a.text.as_str()).collect();
    let focus = request::focus_of_words(asked.iter().copied());
    Ok(Json(json!({
        "summary_prompt": prompt(&answers, has_threads),
        "name": name(&asked, focus),
        "attribute_schemas": attributes(&asked.join(" ").to_lowercase(), focus),
        "focus": focus,
        "generated_by": "local",
    })))
}

struct Answer {
    question: String,
    text: String,
    is_about_structure: bool,
}

fn answers(given: &Map<String, Value>) -> ApiResult<Vec<Answer>> {
    let invalid = |text: &str| Err(ApiError::invalid(&["body", "user_context"], text));
    let mut answers = Vec::with_capacity(given.len());
    for (question, answer) in given {
        let Some(answer) = answer.as_str() else { return invalid("every answer is a text") };
        if !answer.trim().is_empty() {
            answers.push(Answer {
                is_about_structure: question.to_lowercase().contains("structured"),
                question: question.trim().to_owned(),
                text: answer.trim().chars().take(MAX_ANSWER).collect(),
            });
        }
    }
    if answers.is_empty() { invalid("at least one answer is needed") } else { Ok(answers) }
}

/// Braces in an answer are words, not variables.
fn words(text: &str) -> String {
    text.replace("{{", "{ {").replace("}}", "} }")
}

fn prompt(answers: &[Answer], has_threads: bool) -> String {
    let mut prompt = String::from("Summarize what happened in this conversation with an AI agent.\n\n");
    for answer in answers {
        prompt.push_str(&format!("{}\n{}\n\n", words(&answer.question), words(&answer.text)));
    }
    if has_threads {
        prompt.push_str("Conversation:\n{{all_thread_messages}}\n");
    } else {
        prompt.push_str(
            "Inputs:\n{{run.inputs}}\n\nOutputs:\n{{run.outputs}}\n\nError, if any:\n{{run.error}}\n",
        );
    }
    prompt
}

fn name(asked: &[&str], focus: Focus) -> String {
    let first: Vec<&str> = asked.iter().flat_map(|text| text.split_whitespace()).take(NAME_WORDS).collect();
    if first.is_empty() {
        return match focus {
            Focus::Usage => "Usage Patterns".to_owned(),
            Focus::Errors => "Error Analysis".to_owned(),
        };
    }
    let name = first.join(" ");
    name.trim_end_matches(|c: char| !c.is_alphanumeric()).chars().take(80).collect()
}

/// What is asked of every thread, where the words speak of it: words, name, type, description.
const ATTRIBUTES: &[(&[&str], &str, &str, &str)] = &[
    (
        &["satisf", "happy", "frustrat", "annoy", "sentiment", "feel"],
        "user_satisfied",
        "boolean",
        "Whether the user seems satisfied at the end.",
    ),
    (
        &["resolv", "solve", "success", "succeed", "complete", "help"],
        "resolved",
        "boolean",
        "Whether the user got what they came for.",
    ),
    (&["language", "locale", "country"], "language", "string", "The language the user writes in."),
    (&["tool", "function call", "api"], "tools_used", "string", "Which tools the agent called."),
    (
        &["refus", "declin", "safety", "policy"],
        "refused",
        "boolean",
        "Whether the agent refused to do something.",
    ),
    (
        &["hallucinat", "made up", "incorrect", "accura", "factual"],
        "answer_is_grounded",
        "boolean",
        "Whether the agent's claims are backed by what it was given.",
    ),
    (
        &["escalat", "human", "handoff", "handover"],
        "escalated",
        "boolean",
        "Whether a person had to take over.",
    ),
];

fn attributes(asked: &str, focus: Focus) -> Value {
    let mut schemas = Map::new();
    let mut add = |name: &str, kind: &str, description: &str| {
        schemas.insert(name.to_owned(), json!({ "type": kind, "description": description }));
    };
    match focus {
        Focus::Usage => add("request_type", "string", "What kind of thing the user asks for."),
        Focus::Errors => add("failure_cause", "string", "What went wrong, in a few words."),
    }
    for (words, name, kind, description) in ATTRIBUTES {
        if words.iter().any(|word| asked.contains(word)) {
            add(name, kind, description);
        }
    }
    Value::Object(schemas)
}
