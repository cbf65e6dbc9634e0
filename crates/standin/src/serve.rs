//! One handler for everything: find the API, decide the fate, answer.
//!
//! `GET /_calls` and `GET /_requests` tell what came; `POST /_config` takes a
//! [`Config`], `POST /_outage` takes `{"model": …, "seconds": …}`.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State as Extract};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::apis::{Api, Ask, Ending, Said};
use crate::behavior::{Behavior, Config, Fate};
use crate::kept::{Claim, Whole, made};
use crate::prompt::Prompt;
use crate::state::{Door, Recorded, State};
use crate::words::tokens;
use crate::{answer, embed};

pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new().fallback(handle).layer(DefaultBodyLimit::max(64 << 20)).with_state(state)
}

async fn handle(
    Extract(state): Extract<Arc<State>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path();
    if let Some(name) = path.strip_prefix("/_") {
        return control(&state, &method, name, &body);
    }
    match Api::at(path).filter(|_| method == Method::POST) {
        Some(api) => {
            let path = path.to_owned();
            once(Call { state, api, path, headers, body }).await
        }
        None => reply(
            StatusCode::NOT_FOUND,
            &json!({"error": {"message": format!("there is no {method} {path}")}}),
        ),
    }
}

fn control(state: &State, method: &Method, name: &str, body: &[u8]) -> Response {
    let wrong =
        |error: &dyn std::fmt::Display| reply(StatusCode::BAD_REQUEST, &json!({"error": error.to_string()}));
    match (method.as_str(), name) {
        ("GET", "calls") => reply(StatusCode::OK, &state.told()),
        ("GET", "requests") => reply(StatusCode::OK, &json!(state.requests())),
        ("GET", "config") => reply(StatusCode::OK, &json!(state.config())),
        ("POST", "config") => match serde_json::from_slice::<Config>(body) {
            Ok(config) => {
                state.configure(config);
                reply(StatusCode::OK, &json!({}))
            }
            Err(error) => wrong(&error),
        },
        ("POST", "outage") => match serde_json::from_slice::<Value>(body) {
            Ok(wanted) => {
                let seconds =
                    wanted.get("seconds").and_then(Value::as_f64).unwrap_or(30.0).clamp(0.0, 86_400.0);
                state.outage(wanted.get("model").and_then(Value::as_str), Duration::from_secs_f64(seconds));
                reply(StatusCode::OK, &json!({}))
            }
            Err(error) => wrong(&error),
        },
        _ => reply(StatusCode::NOT_FOUND, &json!({"error": "there is no such control"})),
    }
}

/// Answers a call, once for each key where the model's behavior knows keys.
async fn once(call: Call) -> Response {
    let model = call.parsed().get("model").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(key) = call.key().filter(|_| call.state.config().of(&model).idempotent) else {
        return call.answer().await.into_response(true);
    };
    let state = call.state.clone();
    let (making, is_first) = match state.answers.claim(&key, print(&call)) {
        Claim::Other => {
            let told = call.api.failure("idempotency_error", "This key was used with another body.", None);
            return reply(StatusCode::UNPROCESSABLE_ENTITY, &told);
        }
        Claim::Known(making) => (making, false),
        Claim::New(sender, making) => {
            let state = state.clone();
            // Goes on when whoever asked hangs up, as the work of a real provider does.
            tokio::spawn(async move {
                let answered = call.answer().await;
                if !answered.status.is_success() {
                    state.answers.forget(&key);
                }
                sender.send(Some(answered))
            });
            (making, true)
        }
    };
    match made(making).await {
        Some(answered) => {
            if !is_first {
                state.replay();
            }
            answered.into_response(is_first)
        }
        None => reply(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "the answer was never made"})),
    }
}

/// Tells bodies apart.
fn print(call: &Call) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&call.path, &call.body).hash(&mut hasher);
    hasher.finish()
}

struct Call {
    state: Arc<State>,
    api: Api,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn parsed(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    fn key(&self) -> Option<String> {
        self.headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned)
    }

    async fn answer(&self) -> Whole {
        let parsed = self.parsed();
        let ask = match self.api.read(&parsed) {
            Ok(ask) => ask,
            Err(parameter) => {
                return self.reject("", &parsed, 400, &format!("{parameter} is missing"), Some(parameter));
            }
        };
        let config = self.state.config();
        let behavior = config.of(&ask.model);
        let _inside = self.state.enter();
        if let Some(rejected) = self.rejected(&ask, &parsed, behavior) {
            return rejected;
        }
        if self.state.is_down(&ask.model) {
            self.record("down", &ask.model, parsed);
            return self.fail(503, "overloaded_error", "The model is down.");
        }
        let attempt = self.state.attempt(&self.path, &self.body);
        let expected = ask.prompt_tokens + ask.max_tokens.unwrap_or(0) / 4;
        let (requests, tokens) = (behavior.requests_per_minute, behavior.tokens_per_minute);
        let door = self.state.door(&ask.model, requests, tokens, expected);
        let mut answered = if let Some(wait) = door.wait {
            self.record("rate_limited", &ask.model, parsed);
            self.send_away(wait)
        } else {
            // Those sent away and those that fail do not wait for the work.
            let fate = behavior.fate(&self.body, attempt);
            if !matches!(fate, Fate::SendAway) {
                tokio::time::sleep(behavior.latency()).await;
            }
            self.fulfil(fate, &ask, parsed, behavior)
        };
        tell_limits(&mut answered.headers, self.api, &door);
        answered
    }

    /// What a real server would not take.
    fn rejected(&self, ask: &Ask, parsed: &Value, behavior: &Behavior) -> Option<Whole> {
        if let Some(key) = &behavior.key {
            // Each of them takes it in its own header only.
            let name = match self.api {
                Api::Messages => "x-api-key",
                _ if self.path.contains("/openai/") => "api-key",
                _ => "authorization",
            };
            let given = self.headers.get(name).and_then(|given| given.to_str().ok());
            if given.is_none_or(|given| given.trim_start_matches("Bearer ") != key) {
                return Some(self.reject(&ask.model, parsed, 401, "Incorrect API key provided.", None));
            }
        }
        if self.api == Api::Messages && !self.headers.contains_key("anthropic-version") {
            return Some(self.reject(&ask.model, parsed, 400, "anthropic-version: header is required", None));
        }
        let refuse = |parameter: &'static str| {
            let message = format!("Unsupported parameter: '{parameter}' is not supported with this model.");
            Some(self.reject(&ask.model, parsed, 400, &message, Some(parameter)))
        };
        if behavior.no_schema && parsed.get("response_format").is_some() {
            return refuse("response_format");
        }
        if behavior.no_temperature && parsed.get("temperature").is_some() {
            return refuse("temperature");
        }
        None
    }

    fn fulfil(&self, fate: Fate, ask: &Ask, parsed: Value, behavior: &Behavior) -> Whole {
        if fate == Fate::SendAway {
            self.record("rate_limited", &ask.model, parsed);
            return self.send_away(Duration::from_millis(behavior.retry_after_ms));
        }
        if fate == Fate::Fail {
            self.record("failed", &ask.model, parsed);
            return self.fail(500, "server_error", "The server had an error.");
        }
        if self.api == Api::Embeddings {
            return self.embed(fate, ask, parsed);
        }
        let said = said(fate, ask, behavior);
        let outcome = match (fate, said.ending) {
            (Fate::Disconnect, _) => "disconnected",
            (Fate::Malform, _) => "malformed",
            (_, Ending::Refused) => "refused",
            (_, Ending::Cut) => "truncated",
            _ => "answered",
        };
        self.state.charge(&ask.model, ask.prompt_tokens, said.output_tokens);
        self.record(outcome, &ask.model, parsed);
        let mut written = self.api.write(ask, &said, &tokens(&said.text).to_string());
        if behavior.no_usage
            && let Some(fields) = written.as_object_mut()
        {
            fields.remove("usage");
        }
        Whole { breaks: fate == Fate::Disconnect, ..whole(StatusCode::OK, &written) }
    }

    fn embed(&self, fate: Fate, ask: &Ask, parsed: Value) -> Whole {
        self.state.charge(&ask.model, ask.prompt_tokens, 0);
        let dimensions =
            parsed.get("dimensions").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let texts = match parsed.get("input") {
            Some(Value::Array(texts)) => {
                texts.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
            }
            Some(Value::String(text)) => vec![text.clone()],
            _ => Vec::new(),
        };
        self.record(if fate == Fate::Disconnect { "disconnected" } else { "answered" }, &ask.model, parsed);
        let data: Vec<Value> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| {
                json!({"object": "embedding", "index": index, "embedding": embed::vector(text, dimensions)})
            })
            .collect();
        let usage = json!({"prompt_tokens": ask.prompt_tokens, "total_tokens": ask.prompt_tokens});
        let list = json!({"object": "list", "model": ask.model, "data": data, "usage": usage});
        Whole { breaks: fate == Fate::Disconnect, ..whole(StatusCode::OK, &list) }
    }

    fn send_away(&self, wait: Duration) -> Whole {
        let mut whole = self.fail(429, "rate_limit_error", "Rate limit reached for requests.");
        let headers = &mut whole.headers;
        headers.insert(
            "retry-after-ms",
            http::HeaderValue::from(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        );
        headers.insert("retry-after", http::HeaderValue::from(wait.as_secs_f64().ceil() as u64));
        whole
    }

    fn reject(
        &self,
        model: &str,
        parsed: &Value,
        status: u16,
        message: &str,
        parameter: Option<&str>,
    ) -> Whole {
        self.record("rejected", model, parsed.clone());
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        whole(status, &self.api.failure("invalid_request_error", message, parameter))
    }

    fn fail(&self, status: u16, kind: &str, message: &str) -> Whole {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        whole(status, &self.api.failure(kind, message, None))
    }

    fn record(&self, outcome: &'static str, model: &str, body: Value) {
        let (path, model, key) = (self.path.clone(), model.to_owned(), self.key());
        self.state.record(Recorded { path, model, outcome, key, body });
    }
}

/// The answer, whole or spoilt as its fate wants it, and never longer than
/// allowed.
fn said(fate: Fate, ask: &Ask, behavior: &Behavior) -> Said {
    let prompt = Prompt::new(&ask.system, &ask.user);
    let honest = match &ask.schema {
        Some(schema) => answer::structured(schema, &prompt, behavior).to_string(),
        None => answer::prose(&prompt),
    };
    let (mut text, mut ending) = match fate {
        Fate::Refuse => ("I cannot help with this request.".to_owned(), Ending::Refused),
        Fate::Truncate => (half(&honest), Ending::Cut),
        Fate::Malform if ask.schema.is_some() => (malformed(&honest), Ending::Done),
        _ => (honest, Ending::Done),
    };
    let most = ask.max_tokens.unwrap_or(u64::MAX);
    while ending == Ending::Done && tokens(&text) > most {
        (text, ending) = (half(&text), Ending::Cut);
    }
    Said { output_tokens: tokens(&text).min(most), text, ending }
}

fn half(text: &str) -> String {
    let count = text.chars().count();
    text.chars().take(count / 2).collect()
}

/// Wrong in one of the ways models are: talk around it, a broken end, or
/// another form.
fn malformed(honest: &str) -> String {
    match honest.len() % 3 {
        0 => format!("Sure! Here is the answer: {honest}"),
        1 => half(honest),
        _ => "{\"answer\":\"see above\"}".to_owned(),
    }
}

fn tell_limits(headers: &mut HeaderMap, api: Api, door: &Door) {
    let mut tell = |what: &str, told: Option<crate::limits::Told>| {
        let Some(told) = told else { return };
        let values = [
            ("limit", told.limit.to_string()),
            ("remaining", told.remaining.to_string()),
            ("reset", format!("{}ms", told.reset.as_millis())),
        ];
        for (part, value) in values {
            let name = match api {
                Api::Messages if part == "reset" => continue,
                Api::Messages => format!("anthropic-ratelimit-{what}-{part}"),
                _ => format!("x-ratelimit-{part}-{what}"),
            };
            if let (Ok(name), Ok(value)) =
                (http::HeaderName::try_from(name), http::HeaderValue::try_from(value))
            {
                headers.insert(name, value);
            }
        }
    };
    tell("requests", door.requests);
    tell("tokens", door.tokens);
}

fn reply(status: StatusCode, body: &Value) -> Response {
    whole(status, body).into_response(false)
}

fn whole(status: StatusCode, body: &Value) -> Whole {
    let kind = http::HeaderValue::from_static("application/json");
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, kind)]);
    Whole { status, headers, body: body.to_string().into(), breaks: false }
}
