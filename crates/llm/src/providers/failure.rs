//! What a provider says when it does not answer.
//!
//! Status and body become the [`Error`] that tells the caller what to do. Each
//! server words its bodies in its own way, so several shapes are tried; a
//! message is cut, printable, and never repeats the key.

use serde_json::Value;

use crate::chat::Hints;
use crate::{Error, Secret};

const LONGEST_MESSAGE: usize = 300;

/// Some routers answer 200 and put the failure inside: its status.
pub(super) fn stated_inside(body: &Value) -> Option<u16> {
    let error = body.get("error").filter(|error| error.is_object())?;
    if body.get("choices").is_some_and(|choices| !choices.is_null()) {
        return None;
    }
    let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    Some(code.filter(|code| (400..600).contains(code)).unwrap_or(502))
}

pub(super) fn read(
    place: &str,
    key: Option<&Secret>,
    status: u16,
    body: Option<&Value>,
    bytes: &[u8],
    hints: &Hints,
) -> Error {
    let place = place.to_owned();
    let message = message(key, body, bytes);
    match status {
        429 if is_out_of_money(body) => Error::Rejected { place, status, message, parameter: None },
        429 => Error::RateLimited { place, message, retry_after: hints.retry_after },
        401 | 403 => Error::Unauthorized { place, status, message },
        // 408 and 409 are what gateways say when they gave up by themselves.
        408 | 409 | 425 | 500.. => {
            let cause = format!("status {status}: {message}");
            Error::Unavailable { place, cause, maybe_billed: false, connected: true }
        }
        300..=399 => {
            let message = "it redirects; give the address it redirects to".to_owned();
            Error::Rejected { place, status, message, parameter: None }
        }
        _ => Error::Rejected { place, status, message, parameter: parameter(body) },
    }
}

/// Waiting does not help an account without credit.
fn is_out_of_money(body: Option<&Value>) -> bool {
    let error = body.and_then(|body| body.get("error"));
    let says = |field: &str| error.and_then(|error| error.get(field)).and_then(Value::as_str);
    [says("code"), says("type")].into_iter().flatten().any(|word| word == "insufficient_quota")
}

fn parameter(body: Option<&Value>) -> Option<String> {
    let name = body?.pointer("/error/param")?.as_str()?;
    Some(name.chars().take(100).collect())
}

fn message(key: Option<&Secret>, body: Option<&Value>, bytes: &[u8]) -> String {
    let stated = body.and_then(|body| {
        let places = ["/error/message", "/error", "/message", "/detail/0/msg", "/detail"];
        places.into_iter().find_map(|place| body.pointer(place)?.as_str())
    });
    let raw = String::from_utf8_lossy(bytes);
    let text =
        key.map_or_else(|| stated.unwrap_or(&raw).to_owned(), |key| key.hide_in(stated.unwrap_or(&raw)));
    let words: Vec<&str> = text.split_whitespace().collect();
    let printable: String =
        words.join(" ").chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE).collect();
    if printable.is_empty() { "it gives no reason".to_owned() } else { printable }
}
