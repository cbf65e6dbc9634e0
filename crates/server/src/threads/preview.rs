//! Short accounts of a thread as text, for lists on pages.

use assay_domain::{Message, Role, ThreadId};
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Params;
use crate::render;

/// The names of the accounts, as clients ask for them.
const FORMS: [&str; 3] = ["all_messages", "human_ai_pairs", "first_human_last_ai"];

/// A thread as text, in one or more forms.
#[utoipa::path(get, path = "/runs/threads/{thread_id}", tag = "threads",
    params(("thread_id" = String, Path), ("session_id" = Uuid, Query, description = "the project"),
        ("select" = Option<Vec<String>>, Query, description = "all_messages, human_ai_pairs, first_human_last_ai; all where absent")),
    responses((status = 200, description = "`previews` by form"), (status = 404, description = "there is no such thread")))]
pub(super) async fn preview(
    State(app): State<App>,
    Path(id): Path<String>,
    params: Params,
) -> ApiResult<Response> {
    let project = super::project(&app, &params).await?;
    let wanted: Vec<String> = params.all("select").map(str::to_owned).collect();
    if let Some(unknown) = wanted.iter().find(|name| !FORMS.contains(&name.as_str())) {
        let shown: String = unknown.chars().take(80).collect();
        let message = format!("{shown:?} is none of {}", FORMS.join(", "));
        return Err(ApiError::invalid(&["query", "select"], message));
    }
    let thread = super::read(&app, project.id, &ThreadId(id)).await?;
    render::json(move || {
        let said = assay_transcript::of_thread(&thread).messages;
        let forms = FORMS.iter().filter(|form| wanted.is_empty() || wanted.iter().any(|name| name == *form));
        let previews: Map<String, Value> =
            forms.map(|form| ((*form).to_owned(), json!(account(form, &said)))).collect();
        json!({ "thread_id": thread.id, "previews": previews })
    })
    .await
}

fn account(form: &str, said: &[Message]) -> String {
    match form {
        "all_messages" => lines(said.iter()),
        "human_ai_pairs" => lines(spoken(said)),
        _ => {
            let first = spoken(said).find(|message| message.role == Role::User);
            let last = spoken(said).filter(|message| message.role == Role::Assistant).last();
            lines(first.into_iter().chain(last))
        }
    }
}

/// What people and the agent said to each other.
fn spoken(said: &[Message]) -> impl Iterator<Item = &Message> {
    let is_spoken = |message: &&Message| matches!(message.role, Role::User | Role::Assistant);
    said.iter().filter(is_spoken).filter(|message| !message.text().trim().is_empty())
}

fn lines<'a>(messages: impl Iterator<Item = &'a Message>) -> String {
    let line = |message: &Message| {
        let speaker = match message.role {
            Role::User => "human",
            Role::Assistant => "ai",
            other => other.as_str(),
        };
        let mut text = message.text();
        for call in &message.tool_calls {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(&format!("{}({})", call.name, call.arguments));
        }
        format!("{speaker}: {text}")
    };
    messages.map(line).collect::<Vec<String>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_question_and_the_last_answer_are_the_shortest_account() {
        let said = [
            Message::text_of(Role::System, "be brief"),
            Message::text_of(Role::User, "one?"),
            Message::text_of(Role::Assistant, "1"),
            Message::text_of(Role::Tool, "looked up"),
            Message::text_of(Role::User, "two?"),
            Message::text_of(Role::Assistant, "2"),
        ];
        assert_eq!(account("first_human_last_ai", &said), "human: one?\n\nai: 2");
        assert_eq!(account("human_ai_pairs", &said), "human: one?\n\nai: 1\n\nhuman: two?\n\nai: 2");
        assert!(account("all_messages", &said).starts_with("system: be brief\n\n"));
        assert_eq!(account("first_human_last_ai", &[]), "");
    }
}
