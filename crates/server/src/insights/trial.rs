//! Whether a provider can be asked: one short question, with the key and the
//! model that a job would use now. The answer is kept nowhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_insights::Error;
use assay_llm::chat::Chat as _;
use assay_llm::{Budget, InMemory, Request, Retry};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ask;
use super::models::{Choice, Offer, Words};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

/// Somebody waits for it: what is not there after this is told as being away.
const PATIENCE: Duration = Duration::from_secs(20);
/// Models that think first need room for it.
const TOKENS: u32 = 512;
const QUESTION: &str = "Answer with the one word: ready";

/// Whom to ask.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct Trial {
    /// `openai`, `anthropic`, or a model's name; whom jobs ask that name none where absent
    model: Option<String>,
}

/// Asks a provider one short question, to see whether its key and its address work.
#[utoipa::path(post, path = "/workspaces/current/models/test", tag = "workspace", request_body = Trial,
    responses((status = 200, description = "`{provider, model, answered_by, key, seconds, input_tokens, output_tokens}`"),
        (status = 400, description = "it cannot be asked; `detail` says why and what to do")))]
pub(super) async fn ask(State(app): State<App>, Body(trial): Body<Trial>) -> ApiResult<Json<Value>> {
    let words = Words { model: trial.model.as_deref(), ..Words::default() };
    let choice = Offer::of(&app).await?.choose(words).map_err(ApiError::bad_request)?;
    if let Some(lack) = choice.lack {
        return Err(ApiError::bad_request(lack));
    }
    let (provider, model) = (choice.providers.summary, choice.models.summary);
    let budget = Arc::new(Budget::new(None, app.store.prices()));
    let job = assay_llm::Job {
        weight: 1,
        budget: budget.clone(),
        memory: Arc::new(InMemory::default()),
        retry: Retry { deadline: PATIENCE, broken: 0, ..Retry::default() },
    };
    let refused = |error: String, key: &str| {
        ApiError::bad_request(format!("{provider} cannot be asked for {model}: {error} (the key is {key})"))
    };
    let opened = ask::apart(&app, &provider, &job).await;
    let (line, key) = opened.map_err(|error| match error {
        Error::Invalid(why) => ApiError::bad_request(why),
        other => ApiError::bad_request(other.to_string()),
    })?;
    let mut request = Request::new("test", &model, QUESTION);
    request.max_tokens = TOKENS;
    let began = Instant::now();
    let answered = tokio::time::timeout(PATIENCE, line.answer(&request)).await;
    let answer = match answered {
        Err(_) => return Err(refused(format!("no answer within {} s", PATIENCE.as_secs()), &key)),
        Ok(Err(error)) => return Err(refused(error.to_string(), &key)),
        Ok(Ok(answer)) => answer,
    };
    Ok(Json(json!({
        "provider": provider,
        "model": model,
        "answered_by": answer.model,
        "key": key,
        "seconds": began.elapsed().as_secs_f64(),
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
    })))
}

/// Whom a job asks that names no model.
pub(crate) struct Usual {
    pub(crate) thinking: String,
    pub(crate) summary: String,
    /// Of the two, by name.
    pub(crate) providers: (String, String),
    /// Why they cannot be asked now.
    pub(crate) lack: Option<String>,
}

/// Whom a job asks that names no model; what is missing where nobody can tell.
pub(crate) async fn usual(app: &App) -> ApiResult<Result<Usual, String>> {
    let choice = Offer::of(app).await?.choose(Words::default());
    Ok(choice.map(|Choice { models, providers, lack }| Usual {
        thinking: models.thinking,
        summary: models.summary,
        providers: (providers.thinking, providers.summary),
        lack,
    }))
}

#[cfg(test)]
mod tests {
    use assay_llm::Api;
    use assay_standin::{Behavior, Standin};

    use super::*;
    use crate::app::Config;
    use crate::config::ModelSettings;
    use crate::testing::Server;

    const PATH: &str = "/workspaces/current/models/test";

    /// A server whose OpenAI is a stand-in that takes one key only.
    async fn server(key: &str) -> (Server, Standin) {
        let behavior = Behavior { key: Some(key.to_owned()), ..Behavior::default() };
        let standin = Standin::start(behavior.into()).await.expect("a port");
        let models = ModelSettings {
            provider: Some(Api::OpenAi),
            base_url: Some(standin.base_url()),
            thinking: Some("standin-1".to_owned()),
            ..ModelSettings::default()
        };
        (Server::with(Config { models, ..Config::default() }), standin)
    }

    async fn set(server: &Server, value: &str) {
        let secrets = json!([{ "key": "OPENAI_API_KEY", "value": value }]);
        server.post("/workspaces/current/secrets", secrets).await.ok();
    }

    #[tokio::test]
    async fn a_key_is_told_to_work_by_who_answered_and_not_to_by_where_it_is_kept() {
        let (server, standin) = server("right").await;
        let refused = server.post(PATH, json!({})).await.refused(400);
        assert!(refused.contains("OPENAI_API_KEY"), "{refused}");
        assert_eq!(standin.calls(), 0, "nobody is asked without a key");
        set(&server, "wrong").await;
        let refused = server.post(PATH, json!({ "model": "openai" })).await.refused(400);
        assert!(refused.contains("the workspace secret OPENAI_API_KEY"), "{refused}");
        assert!(!refused.contains("wrong"), "a key is never told: {refused}");
        set(&server, "right").await;
        let told = server.post(PATH, json!({})).await.ok();
        assert_eq!((&told["provider"], &told["model"]), (&json!("openai"), &json!("standin-1")), "{told}");
        let calls = standin.calls();
        server.post(PATH, json!({})).await.ok();
        assert!(standin.calls() > calls, "it is asked again, not remembered");
    }

    #[tokio::test]
    async fn models_are_asked_through_the_proxy_of_the_settings() {
        // As a proxy the stand-in answers for every host.
        let standin = Standin::start(Behavior::default().into()).await.expect("a port");
        let models = ModelSettings {
            provider: Some(Api::Compatible),
            base_url: Some("http://models.invalid/v1".to_owned()),
            thinking: Some("standin-1".to_owned()),
            proxy: Some(assay_llm::Secret::new(standin.url())),
            ..ModelSettings::default()
        };
        let server = Server::with(Config { models, ..Config::default() });
        let told = server.post(PATH, json!({})).await.ok();
        assert_eq!((&told["model"], standin.calls_that("answered")), (&json!("standin-1"), 1), "{told}");
    }
}
