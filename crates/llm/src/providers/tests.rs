//! What is sent and read, as JSON; over real HTTP it is tried in `tests/`.

use serde_json::json;

use super::*;
use crate::chat::{Message, Schema};

fn question() -> Request {
    let schema = json!({"type": "object", "properties": {"kind": {"type": "string"}},
        "required": ["kind"], "additionalProperties": false});
    Request {
        system: "You sort mail.".into(),
        schema: Some(Schema { name: "sorted".into(), description: "where it goes".into(), schema }),
        max_tokens: 64,
        temperature: Some(0.0),
        seed: Some(7),
        ..Request::new("assign", "m-1", "a bill")
    }
}

#[test]
fn chat_completions_ask_for_a_strict_form() {
    let body = openai::encode(&question(), Quirks::default());
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "You sort mail."}));
    assert_eq!(body["max_completion_tokens"], 64);
    assert_eq!(body["seed"], 7);
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
}

#[test]
fn a_server_without_forms_is_asked_in_words() {
    let quirks = Quirks { prompt_for_form: true, old_limit: true, no_seed: true, no_temperature: true };
    let body = openai::encode(&question(), quirks);
    let fields: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(fields, ["model", "messages", "max_tokens"]);
    let system = body["messages"][0]["content"].as_str().expect("a text");
    assert!(system.starts_with("You sort mail.") && system.contains("\"additionalProperties\""));
}

#[test]
fn anthropic_has_to_call_the_one_tool() {
    let mut request = question();
    request.messages.push(Message::model("hm"));
    let body = anthropic::encode(&request, Quirks::default());
    assert_eq!(body["tool_choice"]["name"], "sorted");
    assert_eq!(body["tools"][0]["input_schema"]["type"], "object");
    assert_eq!(body["messages"][1]["role"], "assistant");
    assert_eq!(body["system"], "You sort mail.");
}

#[test]
fn all_three_apis_tell_the_same_answer() {
    let chat = openai::decode(&json!({"model": "m-1-2026", "choices": [{"finish_reason": "stop",
        "message": {"content": "{\"kind\":\"bill\"}"}}], "usage": {"prompt_tokens": 20, "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 4}}}))
    .expect("a chat completion");
    let response = responses::decode(&json!({"model": "m-1-2026", "status": "completed", "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "content": [{"type": "output_text", "text": "{\"kind\":\"bill\"}"}]}],
        "usage": {"input_tokens": 20, "output_tokens": 9, "input_tokens_details": {"cached_tokens": 5},
        "output_tokens_details": {"reasoning_tokens": 4}}}))
    .expect("a response");
    let message = anthropic::decode(&json!({"model": "m-1-2026", "stop_reason": "tool_use", "content": [
        {"type": "text", "text": "Let me see."}, {"type": "tool_use", "name": "sorted", "input": {"kind": "bill"}}],
        "usage": {"input_tokens": 15, "cache_read_input_tokens": 5, "output_tokens": 9}}))
    .expect("a message");
    for raw in [&chat, &response, &message] {
        assert_eq!(raw.text, "{\"kind\":\"bill\"}");
        assert_eq!(raw.finish, Finish::Stop);
        assert_eq!(raw.model.as_deref(), Some("m-1-2026"));
        let usage = raw.usage.as_ref().expect("usage");
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (20, 9, 29));
        assert_eq!(usage.input_details.get("cache_read"), Some(&5));
    }
    assert_eq!(chat.usage.expect("usage").output_details.get("reasoning"), Some(&4));
}

#[test]
fn refusal_and_truncation_are_told_apart() {
    let chat = |finish: &str, message: Value| {
        openai::decode(&json!({"choices": [{"finish_reason": finish, "message": message}]}))
            .map(|raw| raw.finish)
    };
    assert_eq!(chat("length", json!({"content": "{"})), Some(Finish::Length));
    assert_eq!(chat("stop", json!({"content": null, "refusal": "no"})), Some(Finish::Refusal));
    assert_eq!(chat("content_filter", json!({"content": ""})), Some(Finish::Refusal));
    let response = |reason: &str| {
        responses::decode(&json!({"output": [], "incomplete_details": {"reason": reason}}))
            .map(|raw| raw.finish)
    };
    assert_eq!(response("max_output_tokens"), Some(Finish::Length));
    assert_eq!(response("content_filter"), Some(Finish::Refusal));
    let message =
        |stop: &str| anthropic::decode(&json!({"content": [], "stop_reason": stop})).map(|raw| raw.finish);
    assert_eq!(message("max_tokens"), Some(Finish::Length));
    assert_eq!(message("refusal"), Some(Finish::Refusal));
}

#[test]
fn what_is_no_answer_at_all_is_not_read_as_one() {
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({"choices": []}),
        json!({"output": 3}),
        json!({"content": "x"}),
    ] {
        assert!(openai::decode(&body).is_none(), "{body}");
        assert!(responses::decode(&body).is_none(), "{body}");
        assert!(anthropic::decode(&body).is_none(), "{body}");
    }
}

fn failure_of(status: u16, body: Value) -> Error {
    let key = Secret::new("sk-1");
    failure::read("p at http://x", Some(&key), status, Some(&body), &[], &Hints::default())
}

#[test]
fn failures_say_what_to_do_and_never_the_key() {
    let wrong_key = failure_of(401, json!({"error": {"message": "Incorrect API key provided: sk-1."}}));
    assert_eq!(
        wrong_key.to_string(),
        "p at http://x does not accept the key (status 401): Incorrect API key provided: ***."
    );
    assert!(!wrong_key.is_retryable());
    assert!(failure_of(429, json!({"error": "slow"})).is_retryable());
    assert!(
        !failure_of(429, json!({"error": {"code": "insufficient_quota", "message": "pay"}})).is_retryable()
    );
    assert!(
        failure_of(529, json!({"error": {"type": "overloaded_error", "message": "Overloaded"}}))
            .is_retryable()
    );
    for status in [400, 404, 413, 422] {
        assert!(!failure_of(status, json!({"detail": [{"msg": "no"}]})).is_retryable(), "{status}");
    }
    assert_eq!(failure::stated_inside(&json!({"error": {"code": 429, "message": "x"}})), Some(429));
    assert_eq!(failure::stated_inside(&json!({"error": null, "choices": [1]})), None);
}

#[test]
fn a_model_that_takes_no_temperature_is_asked_without_from_then_on() {
    let fits = Fits::new(Api::OpenAi);
    let rejected = |parameter: &str, message: &str| Error::Rejected {
        place: "p".into(),
        status: 400,
        message: message.into(),
        parameter: Some(parameter.into()),
    };
    let request = question();
    let first = fits.of("m-1");
    assert!(fits.learn("m-1", first, &request, &rejected("temperature", "Unsupported value")));
    assert!(fits.of("m-1").no_temperature);
    assert!(!fits.of("m-2").no_temperature);
    assert!(!fits.learn("m-1", fits.of("m-1"), &request, &rejected("temperature", "Unsupported value")));
    assert!(!fits.learn("m-1", first, &request, &rejected("messages", "too long")));
    let second = fits.of("m-1");
    assert!(fits.learn("m-1", second, &request, &rejected("", "'response_format' is not supported")));
    assert!(fits.of("m-1").prompt_for_form);
}

#[test]
fn addresses_are_joined_and_shown_without_secrets() {
    let url = |base: &str| settings::endpoint(base, "chat/completions", None).map(String::from);
    assert_eq!(
        url("http://localhost:11434/v1/").ok().as_deref(),
        Some("http://localhost:11434/v1/chat/completions")
    );
    assert_eq!(
        url("http://x/v1/chat/completions").ok().as_deref(),
        Some("http://x/v1/chat/completions"),
        "the whole address is as good"
    );
    let azure = settings::endpoint(
        "https://a.example/openai/deployments/d?x=1",
        "chat/completions",
        Some("2024-10-21"),
    );
    assert_eq!(
        azure.map(String::from).ok().as_deref(),
        Some("https://a.example/openai/deployments/d/chat/completions?x=1&api-version=2024-10-21")
    );
    assert_eq!(
        settings::place("p", "https://me:pw@x.example/v1?key=1").ok().as_deref(),
        Some("p at https://x.example/v1")
    );
    let settings =
        Settings::compatible("p", "https://me:pw@x.example/v1?key=sk-1", Some(Secret::new("sk-2")));
    let shown = format!("{settings:?} {:?}", Provider::new(settings.clone()));
    assert!(!shown.contains("pw") && !shown.contains("sk-"), "{shown}");
    for wrong in ["", "localhost:11434", "ftp://x", "http://"] {
        assert!(matches!(url(wrong), Err(Error::Configuration(_))), "{wrong}");
    }
}
