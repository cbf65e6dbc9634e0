//! Tokens and stated costs of a model call, in any provider's shape.
//!
//! Looks where clients put them, in a fixed order, and stops at the first hit:
//! what somebody put down as the usage of the run (in its outputs, on its
//! messages, in its metadata), then what the provider's answer says.
//! What a token costs is [`crate::prices`]' business.

use std::collections::BTreeMap;
use std::str::FromStr;

use assay_domain::{Cost, Usage};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

/// The usage of a run, from its outputs and its metadata. `None` where nobody says.
#[must_use]
pub fn find(outputs: &Value, metadata: &Map<String, Value>) -> Option<Usage> {
    let stated = in_outputs(outputs, &STATED)
        .or_else(|| metadata.get("usage_metadata").and_then(parse))
        .or_else(|| in_outputs(outputs, &ANSWERED))
        .or_else(|| metadata.get("usage").and_then(parse));
    stated.filter(|usage| *usage != Usage::default())
}

/// Under these names clients and frameworks put down what a call used.
const STATED: [&str; 3] = ["usage_metadata", "token_usage", "tokenUsage"];
/// Under these names the answers of providers say it.
const ANSWERED: [&str; 3] = ["usage", "usageMetadata", "metrics"];

/// Where outputs carry usage under one of these names: at the top, in a wrapped response, on a message.
fn in_outputs(outputs: &Value, names: &[&str]) -> Option<Usage> {
    let wrapped = ["output", "response", "outputs"];
    at_top(outputs, names)
        .or_else(|| wrapped.into_iter().find_map(|key| at_top(outputs.get(key)?, names)))
        .or_else(|| on_generations(outputs, names))
        .or_else(|| on_messages(outputs.get("messages")?, names))
        .or_else(|| on_messages(outputs.get("output")?, names))
        .or_else(|| on_message(outputs, names))
        .or_else(|| on_message(outputs.get("message")?, names))
}

fn at_top(value: &Value, names: &[&str]) -> Option<Usage> {
    let object = value.as_object()?;
    names.iter().find_map(|key| object.get(*key).and_then(parse)).or_else(|| {
        let llm = object.get("llm_output").or(object.get("llmOutput"))?.as_object()?;
        names.iter().chain(&["estimatedTokenUsage"]).find_map(|key| llm.get(*key).and_then(parse))
    })
}

/// LangChain: `generations[..][..].message.kwargs.usage_metadata`, added up over prompts.
fn on_generations(outputs: &Value, names: &[&str]) -> Option<Usage> {
    let mut total: Option<Usage> = None;
    for item in outputs.get("generations")?.as_array()? {
        let generation = item.as_array().map_or(Some(item), |inner| inner.first());
        let Some(message) = generation.and_then(|generation| generation.get("message")) else { continue };
        if let Some(usage) = on_message(message, names) {
            *total.get_or_insert_default() += &usage;
        }
    }
    total
}

fn on_messages(messages: &Value, names: &[&str]) -> Option<Usage> {
    on_message(messages.as_array()?.last()?, names)
}

fn on_message(message: &Value, names: &[&str]) -> Option<Usage> {
    let fields = message.get("kwargs").unwrap_or(message);
    at_top(fields, names).or_else(|| at_top(fields.get("response_metadata")?, names))
}

/// Reads one usage object of any provider; `None` if it names no count and no cost.
#[must_use]
pub fn parse(value: &Value) -> Option<Usage> {
    let fields = value.as_object()?;
    let input = count(
        fields,
        &[
            "input_tokens",
            "prompt_tokens",
            "promptTokens",
            "inputTokens",
            "prompt_token_count",
            "promptTokenCount",
            "inputTokenCount",
        ],
    );
    let output = count(
        fields,
        &[
            "output_tokens",
            "completion_tokens",
            "completionTokens",
            "outputTokens",
            "candidates_token_count",
            "candidatesTokenCount",
            "outputTokenCount",
        ],
    );
    let total = count(fields, &["total_tokens", "totalTokens", "total_token_count", "totalTokenCount"]);
    let stated_cost = cost(fields);
    if input.is_none() && output.is_none() && total.is_none() && stated_cost.is_none() {
        return None;
    }
    let mut usage = Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        total_tokens: 0,
        input_details: details(
            fields,
            &[
                "input_token_details",
                "prompt_tokens_details",
                "input_tokens_details",
                "prompt_token_details",
                "inputTokenDetails",
                "inputTokensDetails",
                "promptTokensDetails",
            ],
        ),
        output_details: details(
            fields,
            &[
                "output_token_details",
                "completion_tokens_details",
                "output_tokens_details",
                "completion_token_details",
                "outputTokenDetails",
                "outputTokensDetails",
                "completionTokensDetails",
                "candidatesTokensDetails",
            ],
        ),
        stated_cost,
    };
    anthropic(fields, &mut usage);
    gemini(fields, &mut usage);
    for (key, class) in [
        ("cached_input_tokens", "cache_read"),
        ("cachedInputTokens", "cache_read"),
        ("prompt_cache_hit_tokens", "cache_read"),
    ] {
        note(&mut usage.input_details, class, count(fields, &[key]));
    }
    for key in ["reasoning_tokens", "reasoningTokens"] {
        note(&mut usage.output_details, "reasoning", count(fields, &[key]));
    }
    usage.total_tokens = total.unwrap_or_else(|| usage.input_tokens.saturating_add(usage.output_tokens));
    Some(usage)
}

/// Anthropic counts cached tokens beside `input_tokens`; our `input_tokens` are all of them.
fn anthropic(fields: &Map<String, Value>, usage: &mut Usage) {
    let read = count(fields, &["cache_read_input_tokens", "cacheReadInputTokens"]);
    let created = count(fields, &["cache_creation_input_tokens", "cacheWriteInputTokens"]);
    if read.is_none() && created.is_none() {
        return;
    }
    // A client that already gives details has already added them up.
    if !usage.input_details.contains_key("cache_read") && !usage.input_details.contains_key("cache_creation")
    {
        usage.input_tokens =
            usage.input_tokens.saturating_add(read.unwrap_or(0)).saturating_add(created.unwrap_or(0));
    }
    note(&mut usage.input_details, "cache_read", read);
    let by_lifetime = fields.get("cache_creation").and_then(Value::as_object);
    let mut left_over = created.unwrap_or(0);
    for class in ["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"] {
        let Some(tokens) = by_lifetime.and_then(|map| count(map, &[class])).filter(|tokens| *tokens > 0)
        else {
            continue;
        };
        note(&mut usage.input_details, class, Some(tokens));
        left_over = left_over.saturating_sub(tokens);
    }
    note(&mut usage.input_details, "cache_creation", Some(left_over).filter(|tokens| *tokens > 0));
}

/// Gemini counts thoughts beside the candidates; our `output_tokens` are both.
fn gemini(fields: &Map<String, Value>, usage: &mut Usage) {
    note(
        &mut usage.input_details,
        "cache_read",
        count(fields, &["cachedContentTokenCount", "cached_content_token_count"]),
    );
    let Some(thoughts) = count(fields, &["thoughtsTokenCount", "thoughts_token_count"]) else { return };
    usage.output_tokens = usage.output_tokens.saturating_add(thoughts);
    note(&mut usage.output_details, "reasoning", Some(thoughts));
}

fn note(details: &mut BTreeMap<String, u64>, class: &str, tokens: Option<u64>) {
    if let Some(tokens) = tokens {
        details.entry(class.to_owned()).or_insert(tokens);
    }
}

/// A count under the first of these names. Lists are the counts of several calls.
fn count(fields: &Map<String, Value>, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| whole(fields.get(*name)?))
}

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Array(list) => list
            .iter()
            .map(whole)
            .try_fold(0_u64, |sum, next| Some(sum.saturating_add(next?)))
            .filter(|_| !list.is_empty()),
        // The AI SDK says `{"total": 9}` where it also knows the parts.
        Value::Object(parts) => whole(parts.get("total")?),
        Value::String(text) => text.parse().ok(),
        _ => {
            value.as_u64().or_else(|| value.as_f64().filter(|count| *count >= 0.0).map(|count| count as u64))
        }
    }
}

/// Token classes by our names; unknown ones keep theirs.
fn details(fields: &Map<String, Value>, names: &[&str]) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    match names.iter().find_map(|name| fields.get(*name).filter(|value| !value.is_null())) {
        Some(Value::Object(map)) => {
            for (class, tokens) in map {
                if let Some(tokens) = whole(tokens) {
                    all.insert(class_name(class), tokens);
                }
            }
        }
        // Gemini: `[{"modality": "TEXT", "tokenCount": 67}]`
        Some(Value::Array(list)) => {
            for item in list {
                let modality = item.get("modality").and_then(Value::as_str);
                let tokens = item.get("tokenCount").or(item.get("token_count")).and_then(whole);
                if let (Some(modality), Some(tokens)) = (modality, tokens) {
                    all.insert(modality.to_ascii_lowercase(), tokens);
                }
            }
        }
        _ => {}
    }
    all
}

fn class_name(class: &str) -> String {
    match class {
        "cached_tokens" | "cache_read_input_tokens" | "cacheReadTokens" | "cached" | "cacheRead" => {
            "cache_read"
        }
        "cache_creation_input_tokens" | "cacheWriteTokens" | "cache_write_tokens" | "cacheWrite" => {
            "cache_creation"
        }
        "reasoning_tokens" | "reasoningTokens" => "reasoning",
        "audio_tokens" | "audioTokens" => "audio",
        "text_tokens" | "textTokens" => "text",
        "image_tokens" | "imageTokens" => "image",
        other => other,
    }
    .to_owned()
}

/// Costs a client states itself.
fn cost(fields: &Map<String, Value>) -> Option<Cost> {
    let money = |name: &str| fields.get(name).and_then(decimal);
    let by_class = |name: &str| -> BTreeMap<String, Decimal> {
        let map = fields.get(name).and_then(Value::as_object).into_iter().flatten();
        map.filter_map(|(class, cost)| Some((class_name(class), decimal(cost)?))).collect()
    };
    let (input_details, output_details) = (by_class("input_cost_details"), by_class("output_cost_details"));
    // Classes with nothing beside them are all there is.
    let sum = |details: &BTreeMap<String, Decimal>| -> Option<Decimal> {
        let all = details.values().fold(Decimal::ZERO, |sum, cost| sum.saturating_add(*cost));
        (!details.is_empty()).then_some(all)
    };
    let input = money("input_cost").or_else(|| sum(&input_details));
    let output = money("output_cost").or_else(|| sum(&output_details));
    let total = money("total_cost");
    if input.is_none() && output.is_none() && total.is_none() {
        return None;
    }
    let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
    let total = total.unwrap_or_else(|| input.saturating_add(output));
    Some(Cost { input, output, total, input_details, output_details })
}

/// An exact decimal from a JSON number or text: the digits count, not the double.
#[must_use]
pub fn decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(outputs: Value, input: (u64, &[(&str, u64)]), output: (u64, &[(&str, u64)])) {
        let usage = find(&outputs, &Map::new()).expect("usage");
        let own = |details: &[(&str, u64)]| -> BTreeMap<String, u64> {
            details.iter().map(|(class, count)| ((*class).to_owned(), *count)).collect()
        };
        assert_eq!((usage.input_tokens, usage.input_details), (input.0, own(input.1)));
        assert_eq!((usage.output_tokens, usage.output_details), (output.0, own(output.1)));
    }

    #[test]
    fn openai_chat_and_responses_are_read() {
        check(
            json!({"usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14,
                "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}}),
            (9, &[("cache_read", 4)]),
            (5, &[("reasoning", 2)]),
        );
        check(json!({"usage": {"input_tokens": 9, "output_tokens": 5}}), (9, &[]), (5, &[]));
    }

    #[test]
    fn anthropic_counts_the_cache_beside_the_input() {
        check(
            json!({"usage": {"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0}, "output_tokens": 5}}),
            (140, &[("cache_read", 100), ("cache_creation", 10), ("ephemeral_5m_input_tokens", 20)]),
            (5, &[]),
        );
    }

    #[test]
    fn gemini_counts_thoughts_beside_the_answer() {
        check(
            json!({"candidates": [], "usageMetadata": {"promptTokenCount": 67, "candidatesTokenCount": 19,
                "thoughtsTokenCount": 54, "totalTokenCount": 140, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 67}]}}),
            (67, &[("text", 67)]),
            (73, &[("reasoning", 54)]),
        );
    }

    #[test]
    fn langchain_puts_usage_on_messages_or_in_llm_output() {
        check(
            json!({"generations": [[{"message": {"kwargs": {"usage_metadata": {"input_tokens": 3, "output_tokens": 4}}}}]]}),
            (3, &[]),
            (4, &[]),
        );
        check(
            json!({"llm_output": {"token_usage": {"prompt_tokens": 3, "completion_tokens": 4}}}),
            (3, &[]),
            (4, &[]),
        );
        check(
            json!({"messages": [{"content": "x", "response_metadata": {"tokenUsage": {"promptTokens": 3, "completionTokens": 4}}}]}),
            (3, &[]),
            (4, &[]),
        );
    }

    #[test]
    fn stated_costs_are_exact_and_unknown_classes_are_kept() {
        let usage = parse(&json!({"input_tokens": 10, "output_tokens": 20, "total_tokens": 30,
            "input_token_details": {"audio": 1, "foo": 2}, "input_cost": 1e-6, "output_cost": 2e-6, "total_cost": 3e-6,
            "input_cost_details": {"audio": 1e-7, "foo": 2e-7}}))
        .expect("usage");
        let cost = usage.stated_cost.expect("a cost");
        assert_eq!(
            [cost.input, cost.output, cost.total].map(|cost| cost.to_string()),
            ["0.000001", "0.000002", "0.000003"]
        );
        assert_eq!(cost.input_details["foo"].to_string(), "0.0000002");
        assert_eq!(usage.input_details["foo"], 2);
    }

    #[test]
    fn what_somebody_put_down_counts_before_what_the_provider_answered() {
        let answered = json!({"usage": {"prompt_tokens": 1, "completion_tokens": 1}});
        let metadata = json!({"usage_metadata": {"input_tokens": 5, "output_tokens": 6}});
        let metadata = metadata.as_object().expect("an object");
        let tokens =
            |outputs: &Value| find(outputs, metadata).map(|usage| (usage.input_tokens, usage.output_tokens));
        assert_eq!(tokens(&answered), Some((5, 6)));
        let both =
            json!({"usage": answered["usage"], "usage_metadata": {"input_tokens": 7, "output_tokens": 8}});
        assert_eq!(tokens(&both), Some((7, 8)));
        let usage = json!({"usage_metadata": {"input_tokens": 9, "output_tokens": 9}});
        assert_eq!(tokens(&json!({"messages": [{"content": "x"}, usage]})), Some((9, 9)));
        assert_eq!(find(&answered, &Map::new()).map(|usage| usage.input_tokens), Some(1));
    }

    #[test]
    fn costs_may_be_stated_by_class_alone() {
        let usage = json!({"input_tokens": 3, "output_tokens": 1, "input_cost_details": {"audio": 1e-7, "text": 2e-7}});
        let cost = parse(&usage).and_then(|usage| usage.stated_cost).expect("a cost");
        assert_eq!(
            (cost.input.to_string(), cost.total.to_string()),
            ("0.0000003".into(), "0.0000003".into())
        );
    }

    #[test]
    fn nonsense_is_no_usage() {
        for outputs in [
            json!(null),
            json!({"usage": "many"}),
            json!({"usage": {"input_tokens": -3}}),
            json!({"usage": {}}),
        ] {
            assert_eq!(find(&outputs, &Map::new()), None, "{outputs}");
        }
    }
}
