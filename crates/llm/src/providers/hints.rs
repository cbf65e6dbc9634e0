//! What response headers tell about limits.
//!
//! OpenAI and Azure write `x-ratelimit-…` with durations such as `6m0s` or
//! `20ms`, Anthropic `anthropic-ratelimit-…` with moments; both, and everybody
//! else, `retry-after` in seconds or as a date. What cannot be read is not
//! there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;

use crate::chat::{Allowance, Hints};

/// No wait a provider asks for is believed beyond this.
const LONGEST: Duration = Duration::from_secs(3600);

pub(super) fn read(headers: &HeaderMap) -> Hints {
    Hints {
        retry_after: retry_after(headers),
        requests: allowance(headers, "requests"),
        tokens: allowance(headers, "tokens"),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(millis) = text(headers, "retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return seconds(millis / 1000.0);
    }
    let stated = text(headers, "retry-after")?;
    stated
        .parse::<f64>()
        .ok()
        .and_then(seconds)
        .or_else(|| until(DateTime::parse_from_rfc2822(stated).ok()?.to_utc()))
}

fn allowance(headers: &HeaderMap, what: &str) -> Allowance {
    let find = |part: &str| {
        text(headers, &format!("x-ratelimit-{part}-{what}"))
            .or_else(|| text(headers, &format!("anthropic-ratelimit-{what}-{part}")))
    };
    Allowance {
        limit: find("limit").and_then(|text| text.parse().ok()),
        remaining: find("remaining").and_then(|text| text.parse().ok()),
        reset: find("reset")
            .and_then(|text| span(text).or_else(|| until(DateTime::parse_from_rfc3339(text).ok()?.to_utc()))),
    }
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().map(|span| span.min(LONGEST))
}

fn until(moment: DateTime<Utc>) -> Option<Duration> {
    Some((moment - Utc::now()).to_std().unwrap_or(Duration::ZERO).min(LONGEST))
}

/// `1h2m3.5s`, `20ms`, or plain seconds.
fn span(text: &str) -> Option<Duration> {
    if let Ok(plain) = text.parse::<f64>() {
        return seconds(plain);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, left) = after.split_at(unit_end);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 1e-6,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = left;
    }
    seconds(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn durations_are_read_in_the_ways_providers_write_them() {
        for (text, wanted) in [("6m0s", 360.0), ("20ms", 0.02), ("1.5s", 1.5), ("7", 7.0), ("1m1s", 61.0)] {
            assert_eq!(span(text).map(|span| span.as_secs_f64()), Some(wanted), "{text}");
        }
        for text in ["", "soon", "5x", "-3", "NaN", "s", "1e400"] {
            assert!(span(text).is_none_or(|span| span == Duration::ZERO && text.is_empty()), "{text}");
        }
    }

    #[test]
    fn openai_and_anthropic_headers_say_the_same() {
        let openai = read(&headers(&[
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("retry-after-ms", "250"),
        ]));
        assert_eq!(openai.requests.limit, Some(60));
        assert_eq!(openai.requests.reset, Some(Duration::from_secs(1)));
        assert_eq!(openai.tokens.remaining, Some(149_984));
        assert_eq!(openai.retry_after, Some(Duration::from_millis(250)));
        let anthropic = read(&headers(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2000-01-01T00:00:00Z"),
            ("retry-after", "Sat, 01 Jan 2000 00:00:00 GMT"),
        ]));
        assert_eq!(anthropic.requests.remaining, Some(0));
        assert_eq!(anthropic.requests.reset, Some(Duration::ZERO));
        assert_eq!(anthropic.retry_after, Some(Duration::ZERO));
    }
}
