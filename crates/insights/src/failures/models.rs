//! Why a model call failed, and whether a text says that a limit was reached.
//!
//! Providers word the same trouble differently; the class of it is what a
//! report can group by. The class becomes the first words of the signature.

use std::sync::LazyLock;

use regex::Regex;

/// Classes of trouble with a model, each with the words that give it away. The first that fits wins.
const CLASSES: [(&str, &str); 10] = [
    (
        "context length exceeded",
        r"context[ _]?(length|window)|contextwindow|maximum context|(prompt|input|request) is too long|too many (input )?tokens|exceeds? the (max|token|context)|token limit",
    ),
    ("quota exhausted", r"insufficient_quota|quota|billing|credit balance"),
    ("rate limit", r"rate[ _-]?limit|too many requests|\b429\b|tokens per minute|throttl"),
    (
        "authentication",
        r"api[ _-]?key|unauthorized|authentication|\b401\b|\b403\b|forbidden|permission_?denied|invalid credentials",
    ),
    (
        "content filter",
        r"content[ _]?(filter|management|policy)|responsible_?ai|safety (filter|system|settings)|blocked by",
    ),
    (
        "provider overloaded",
        r"overloaded|capacity|service[ _]?unavailable|\b50[0234]\b|\b529\b|bad gateway|internal[ _]?server[ _]?error|server_error",
    ),
    ("timeout", r"time[d_ -]{0,2}out|deadline"),
    ("connection", r"connection|econn|socket|\bdns\b|network"),
    ("model not found", r"model[ _]?not[ _]?found|model .{0,60}does not exist|unknown model|no such model"),
    (
        "malformed answer",
        r"json|pars(e|ing|er)|malformed|invalid (format|output|response|tool call)|validation error|schema",
    ),
];

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    CLASSES
        .map(|(class, words)| {
            (class, Regex::new(&format!("(?i){words}")).expect("a literal pattern compiles"))
        })
        .into()
});

static LIMIT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)
        graphrecursionerror | recursion\ limit\ of
        | stopped\ due\ to\ (?:an?\ |the\ )?(?:max|iteration|time|step|turn)
        | max(?:imum)?[\ _-]?(?:number\ of\ |allowed\ |agent\ |tool\ |call\ )?(?:iteration|step|turn|round|loop|tool\ call)s?\ ?(?:limit\ )?(?:\(\d+\)\ |of\ \d+\ |\d+\ )?(?:was\ |were\ |has\ been\ |have\ been\ |is\ )?(?:reached|exceeded|hit)
        | (?:reached|exceeded|hit)\ (?:the\ |its\ |my\ )?max(?:imum)?\ (?:number\ of\ |allowed\ )?(?:iteration|step|turn|round|tool\ call)
        | (?:iteration|step|turn|round|time)\ limit\ (?:was\ |has\ been\ )?(?:reached|exceeded|hit)
        | maxturnsexceeded | maxiterationsexceeded | limitsexceeded | agentmaxsteps",
    )
    .expect("a literal pattern compiles")
});

/// Words of those who talk to models: without them a timeout is anybody's timeout.
static ABOUT_MODELS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)litellm|openai|anthropic|bedrock|vertex|gemini|mistral|cohere|claude|gpt-|\bllm\b|chat ?completion|context[ _]?(length|window)|tokens per minute|model output|outputparser")
        .expect("a literal pattern compiles")
});

/// The class of trouble a model's error belongs to, if it is a known one.
pub(super) fn class(text: &str) -> Option<&'static str> {
    let head = super::core::start(text, 4_096);
    PATTERNS.iter().find(|(_, pattern)| pattern.is_match(head)).map(|(class, _)| *class)
}

/// The class, for an error that is not known to come from a model.
pub(super) fn class_if_about_models(text: &str) -> Option<&'static str> {
    ABOUT_MODELS.is_match(super::core::start(text, 4_096)).then(|| class(text)).flatten()
}

/// Whether a text says that the limit of steps, turns or time ended the work.
pub(super) fn is_limit(text: &str) -> bool {
    LIMIT.is_match(super::core::start(text, 2_048))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_with_models_has_a_class() {
        for (text, expected) in [
            ("This model's maximum context length is 8192 tokens", Some("context length exceeded")),
            ("litellm.RateLimitError: This request would exceed your organization's limit", None),
            ("Error code: 429 - Rate limit reached for gpt-4o", Some("rate limit")),
            ("You exceeded your current quota", Some("quota exhausted")),
            ("Overloaded", Some("provider overloaded")),
            ("Request timed out.", Some("timeout")),
            ("Incorrect API key provided", Some("authentication")),
            ("OutputParserException: Could not parse LLM output", Some("malformed answer")),
            ("boom", None),
        ] {
            let found = class(text);
            // The client library's class name is a word of the text as well.
            let expected = if text.contains("RateLimitError") { Some("rate limit") } else { expected };
            assert_eq!(found, expected, "of {text:?}");
        }
        assert_eq!(class_if_about_models("the database timed out"), None);
        assert_eq!(class_if_about_models("litellm.Timeout: timed out"), Some("timeout"));
    }

    #[test]
    fn limits_are_recognized_and_talk_of_limits_is_not() {
        for text in [
            "Agent stopped due to max iterations.",
            "Agent stopped due to iteration limit or time limit.",
            "GraphRecursionError: Recursion limit of 25 reached without hitting a stop condition.",
            "Maximum number of steps reached",
            "Reached max steps.",
            "Max turns (10) exceeded",
            "openai MaxTurnsExceeded",
        ] {
            assert!(is_limit(text), "{text:?}");
        }
        for text in [
            "Your card limit was raised",
            "the maximum number of passengers is 5",
            "next steps",
            "rate limit reached",
        ] {
            assert!(!is_limit(text), "{text:?}");
        }
    }
}
