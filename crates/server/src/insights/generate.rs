//! A config from plain words: what somebody wants to know, and how the traces
//! are built, become a prompt, a name and attributes.
//!
//! Where there is a key, a model drafts them (`draft`). Without one, or where it
//! cannot be asked, this is the local form, which says so: the words are used
//! as they stand, and the attributes are chosen by what the words speak of.

use assay_domain::Job;
use assay_domain::job::Spend;
use assay_domain::report::{Focus, Tier};
use assay_insights::Error;
use assay_store::Project;
use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::draft::{self, Drafted, Drafter};
use super::{jobs, request, shape};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

/// So many characters of an answer go into the prompt, and so many words into a name.
const MAX_ANSWER: usize = 4000;
const NAME_WORDS: usize = 7;
/// Threads a model is shown for a draft.
const EXAMPLES: usize = 5;

#[derive(Deserialize, ToSchema)]
pub(super) struct GenerateRequest {
    /// Answers by question.
    user_context: Map<String, Value>,
    /// `openai`, `anthropic`, or a model's name
    #[serde(default)]
    model: Option<String>,
    /// The model that drafts
    #[serde(default)]
    cluster_model: Option<String>,
    #[serde(default)]
    summary_model: Option<String>,
}

/// Drafts a config from answers in plain words.
#[utoipa::path(post, path = "/sessions/{session_id}/insights/configs/generate", tag = "insights",
    params(("session_id" = Uuid, Path)), request_body = GenerateRequest,
    responses((status = 200, description = "`{summary_prompt, name, attribute_schemas, focus, generated_by, note}`"),
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
    Ok(Json(match by_model(&app, &project, &body, &answers, has_threads).await? {
        Ok(drafted) => told(drafted, &asked, focus),
        Err(note) => local(&answers, &asked, has_threads, &note),
    }))
}

/// The draft of commands beside the server: by a model where one is given, else by rule.
/// `examples` are requests and summaries of some threads.
pub(super) async fn beside(
    words: &Map<String, Value>,
    project: &Project,
    drafter: Option<&Drafter<'_>>,
    examples: &[(String, String)],
) -> ApiResult<Value> {
    let answers = answers(words)?;
    let has_threads = project.threads < project.traces;
    let asked: Vec<&str> =
        answers.iter().filter(|a| !a.is_about_structure).map(|a| a.text.as_str()).collect();
    let Some(drafter) = drafter else {
        return Ok(local(&answers, &asked, has_threads, "drafted without a model: none was named"));
    };
    Ok(match drafter.draft(&said(&answers), examples, slots(has_threads)).await {
        Ok(drafted) => told(drafted, &asked, request::focus_of_words(asked.iter().copied())),
        Err(reason) => local(&answers, &asked, has_threads, &format!("drafted without a model: {reason}")),
    })
}

fn local(answers: &[Answer], asked: &[&str], has_threads: bool, note: &str) -> Value {
    let focus = request::focus_of_words(asked.iter().copied());
    json!({
        "summary_prompt": prompt(answers, has_threads),
        "name": name(asked, focus),
        "attribute_schemas": attributes(&asked.join(" ").to_lowercase(), focus),
        "focus": focus,
        "generated_by": "local",
        "note": note,
    })
}

fn said(answers: &[Answer]) -> Vec<(String, String)> {
    answers.iter().map(|answer| (answer.question.clone(), answer.text.clone())).collect()
}

fn told(drafted: Drafted, asked: &[&str], focus: Focus) -> Value {
    let named = Some(drafted.name).filter(|name| !name.is_empty());
    json!({
        "summary_prompt": drafted.summary_prompt,
        "name": named.unwrap_or_else(|| name(asked, focus)),
        "attribute_schemas": drafted.attribute_schemas,
        "focus": focus,
        "generated_by": drafted.by,
        "note": null,
        "spend": shape::spend(&drafted.spend),
    })
}

/// What a model drafts, or why none does.
async fn by_model(
    app: &App,
    project: &Project,
    body: &GenerateRequest,
    answers: &[Answer],
    has_threads: bool,
) -> ApiResult<Result<Drafted, String>> {
    let mut entries = Map::new();
    let words = [
        ("model", &body.model),
        ("cluster_model", &body.cluster_model),
        ("summary_model", &body.summary_model),
    ];
    for (field, word) in words {
        if let Some(word) = word {
            entries.insert(field.to_owned(), json!(word));
        }
    }
    entries.insert("sample".to_owned(), json!(EXAMPLES));
    let job = jobs::asked(app, project, entries).await?;
    if job.tier.is_local() {
        let lack = job.unmet.into_iter().find(|unmet| unmet.field.ends_with("model"));
        let reason = lack.map_or_else(|| "there is no key for a model".to_owned(), |unmet| unmet.reason);
        return Ok(Err(format!("drafted without a model: {reason}")));
    }
    let examples = examples(app, project, &job).await;
    let drafted = draft::draft(app, &job, &said(answers), &examples, slots(has_threads)).await;
    if let Ok(drafted) = &drafted {
        for (stage, spent) in &drafted.spend.stages {
            app.metrics.asked(stage, spent, &Spend::default());
        }
    }
    Ok(drafted.map_err(|reason| format!("drafted without a model: {reason}")))
}

/// Requests and summaries of a few threads, by rule; none where there are none.
async fn examples(app: &App, project: &Project, job: &Job) -> Vec<(String, String)> {
    let mut job = job.clone();
    job.tier = Tier::Local;
    job.config.tier = Tier::Local;
    let (app, project) = (app.clone(), project.clone());
    let seen = tokio::task::spawn_blocking(move || {
        let analyst = app.insights.analyst().map_err(Error::Invalid)?;
        analyst.preview(&app, &project, &job)
    });
    match seen.await {
        Ok(Ok((seen, _))) => seen.threads.into_iter().map(|one| (one.request, one.summary)).collect(),
        // A draft can be made without any.
        Ok(Err(error)) => {
            tracing::warn!(%error, "threads for a draft could not be read");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

/// The variables that show a thread.
fn slots(has_threads: bool) -> &'static str {
    if has_threads {
        "Conversation:\n{{all_thread_messages}}\n"
    } else {
        "Inputs:\n{{run.inputs}}\n\nOutputs:\n{{run.outputs}}\n\nError, if any:\n{{run.error}}\n"
    }
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
                text: cut(answer.trim()),
            });
        }
    }
    if answers.is_empty() { invalid("at least one answer is needed") } else { Ok(answers) }
}

/// What is cut off is marked, so that whoever cleans it knows of a torn word.
fn cut(answer: &str) -> String {
    let mut kept: String = answer.chars().take(MAX_ANSWER).collect();
    if kept.len() < answer.len() {
        kept.push('…');
    }
    kept
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
    prompt.push_str(slots(has_threads));
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
