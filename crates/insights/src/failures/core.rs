//! Where the words of an error are: in a run's error, or in what a tool gave back.
//!
//! Tools report failure in many ways: an exit code, a JSON object with an
//! `error`, a traceback, a line that begins with "Error:". Here that is told
//! apart from ordinary results, and the one line that says what happened is
//! found. How that line becomes a template is [`super::template`]'s business.

use std::borrow::Cow;
use std::sync::LazyLock;

use assay_domain::{Message, Part};
use regex::Regex;
use serde_json::{Map, Value};

use super::template::{self, without_ansi};

/// Bytes looked at from each end of a text.
const ENDS: usize = 8_192;
/// Longest evidence, in characters.
const EVIDENCE: usize = 240;
/// Texts longer than this are not parsed as JSON: an error message is short.
const LONGEST_JSON: usize = 262_144;

/// What stands for words where there are none.
const SILENT: &str = "failed without a message";

/// What an error says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// The line that says what happened; not yet a template.
    pub(crate) core: String,
    /// Verbatim, cut for display.
    pub(crate) evidence: String,
}

impl Words {
    /// The template of the core; never empty.
    pub(crate) fn signature(&self) -> String {
        let signature = template::signature(&self.core);
        if signature.is_empty() { SILENT.to_owned() } else { signature }
    }
}

/// What went wrong in a tool's answer; `None` where nothing shows.
pub(crate) fn of_result(message: &Message) -> Option<Words> {
    let text = message.text();
    if let Some(error) = &message.error {
        // An error field often holds a flag, an exit code or the beginning of the output.
        let output_says_more =
            is_flag(error) || (text.len() > error.len() && text.trim().starts_with(error.trim()));
        let (exit, _) = unpacked(error);
        return Some(if output_says_more { of_failed_output(&text, exit) } else { of_error(error) });
    }
    let other = message.parts.iter().find_map(|part| match part {
        Part::Other(Value::Object(map)) => json_error(map, true),
        _ => None,
    });
    other.map(|error| of_error(&error)).or_else(|| of_text(&text))
}

/// What went wrong according to the payload a tool run ended with.
pub(crate) fn of_payload(outputs: &Value) -> Option<Words> {
    match outputs {
        Value::String(text) => of_text(text),
        Value::Object(map) => match map.get("output").or_else(|| map.get("content")) {
            Some(Value::String(text)) if map.len() <= 4 => of_text(text),
            _ => json_error(map, true).map(|error| of_error(&error)),
        },
        _ => None,
    }
}

/// The words of a text that is known to be an error.
pub(crate) fn of_error(text: &str) -> Words {
    let text = ends(text);
    let text = without_ansi(&text);
    if let (Some(code), output) = unpacked(&text) {
        return of_failed_output(output, Some(code));
    }
    if let Some(line) = exception_line(&text) {
        return of_line(line);
    }
    of_line(unwrapped(&text))
}

/// The error a JSON object reports about itself, if it does.
pub(crate) fn of_json_text(text: &str) -> Option<Words> {
    let text = text.trim();
    if !text.starts_with('{') || text.len() > LONGEST_JSON {
        return None;
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => json_error(&map, true).map(|error| of_error(&error)),
        _ => None,
    }
}

fn of_text(text: &str) -> Option<Words> {
    let text = without_ansi(text);
    let (exit, output) = unpacked(&text);
    match exit {
        Some(0) => (output.len() <= 600 && begins_with_error(output)).then(|| of_error(output)),
        Some(code) => Some(of_failed_output(output, Some(code))),
        None if output.starts_with('{') => of_json_text(output),
        None => begins_with_error(output).then(|| of_error(output)),
    }
}

/// The telling line of an output that is known to come from a failure.
fn of_failed_output(text: &str, exit: Option<i64>) -> Words {
    let (inner, output) = unpacked(text);
    if let Some(words) = of_json_text(output) {
        return words;
    }
    let output = ends(output);
    let output = without_ansi(&output);
    if let Some(line) = exception_line(&output) {
        return of_line(line);
    }
    if let Some(line) = output.lines().find(|line| TELLING.is_match(line)) {
        return of_line(line);
    }
    match exit.or(inner).filter(|&code| code != 0) {
        Some(code) => {
            Words { core: format!("exit code {code}"), evidence: cut(&TAGS_AFTER.replace(&output, "")) }
        }
        None => of_line(first_words(&output)),
    }
}

/// The message inside a line: without labels, out of the JSON that a client library prints.
fn of_line(line: &str) -> Words {
    let line = line.trim();
    if !line.contains(char::is_alphanumeric) {
        return Words { core: SILENT.into(), evidence: cut(line) };
    }
    if let Some(printed) = PRINTED.captures(line) {
        let part = |index| printed.get(index).map_or("", |found| found.as_str());
        return Words { core: format!("{}: {}", part(1), part(2)), evidence: cut(part(2)) };
    }
    let (before, message) = match MESSAGE.captures(line) {
        Some(found) => {
            let whole = found.get(0).map_or(0, |m| m.start());
            let start = line[..whole].find('{').unwrap_or(whole);
            (&line[..start], found.get(1).or_else(|| found.get(2)).map_or("", |m| m.as_str()))
        }
        None => ("", line),
    };
    let message = LABEL.replace(message, "");
    let message = TAGS_AFTER.replace(&message, "");
    let before = before.trim().trim_end_matches(['-', ':', ' ']);
    let core = if before.is_empty() { message.to_string() } else { format!("{}: {message}", class(before)) };
    let shown = if message.trim().is_empty() { Cow::Borrowed(line) } else { message };
    Words { core, evidence: cut(&shown) }
}

/// `litellm.RateLimitError: AnthropicException` says it twice: the first will do.
fn class(before: &str) -> &str {
    before.split(": ").next().unwrap_or(before)
}

/// The exception behind a traceback, or the last line that reads like one.
fn exception_line(text: &str) -> Option<&str> {
    let reads_like_one = |line: &&str| EXCEPTION.is_match(line);
    if let Some(at) = text.rfind("Traceback (most recent call last)") {
        let mut after = text[at..].lines().skip(1).filter(|line| !line.trim().is_empty());
        // The frames are indented, unless somebody trimmed the lines.
        match after.clone().find(|line| !line.starts_with([' ', '\t', '.'])) {
            Some(frame) if frame.starts_with("File \"") => {
                if let Some(line) = after.find(reads_like_one) {
                    return Some(line);
                }
            }
            Some(line) => return Some(line),
            None => {}
        }
    }
    text.lines().rev().map(|line| line.trim_start_matches("E ").trim()).find(reads_like_one)
}

/// What stands behind `due to:` and the like, else the first line with words.
fn unwrapped(text: &str) -> &str {
    let text = text.rsplit_once(" due to: ").map_or(text, |(_, cause)| cause);
    let text = text.trim().strip_prefix("Error in generating model output:").unwrap_or(text);
    let (_, text) = unpacked(text);
    first_words(text)
}

/// The first line that says something.
fn first_words(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| line.chars().any(char::is_alphabetic)).unwrap_or(text.trim())
}

/// Takes off what harnesses wrap around an output; with the exit code, where one is given.
fn unpacked(text: &str) -> (Option<i64>, &str) {
    let mut exit = None;
    let mut rest = text.trim_start();
    // A harness nests two or three of these at most.
    for _ in 0..5 {
        let Some(found) = WRAPPER.captures(rest) else { break };
        if let Some(code) = found.get(1).or_else(|| found.get(2)).and_then(|code| code.as_str().parse().ok())
        {
            exit = exit.or(Some(code));
        }
        rest = rest[found.get(0).map_or(0, |m| m.end())..].trim_start();
    }
    (exit, rest)
}

fn begins_with_error(text: &str) -> bool {
    let head = start(text, 1_200);
    let short = text.len() <= 300;
    ERROR_START.is_match(head)
        || (short && SHORT_ERROR.is_match(head))
        || head.lines().any(|line| line.starts_with("Traceback (most recent call last)"))
}

/// The error in an object that is the answer of a tool. Looks one level into wrappers.
fn json_error(map: &Map<String, Value>, look_inside: bool) -> Option<String> {
    for key in ["error", "errors", "exception", "Error", "error_message", "errorMessage"] {
        if let Some(error) = map.get(key).and_then(|value| said(value, map)) {
            return Some(error);
        }
    }
    let is = |key: &str, expected: bool| map.get(key).and_then(Value::as_bool) == Some(expected);
    if is("is_error", true) || is("isError", true) || is("success", false) || is("ok", false) {
        return Some(message_of(map).unwrap_or_else(|| SILENT.into()));
    }
    let status = map.get("status").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    // An order or a payment may well have failed without the call failing.
    let is_answer = map.len() <= 4 && message_of(map).is_some();
    if status == "error" || (matches!(status.as_str(), "failed" | "failure") && is_answer) {
        return Some(message_of(map).unwrap_or_else(|| format!("status {status}")));
    }
    let number = |key: &str| map.get(key).and_then(Value::as_i64);
    let exit = ["exit_code", "exitCode", "returncode", "return_code"].into_iter().find_map(number);
    if let Some(code) = exit.filter(|&code| code != 0) {
        let output = ["stderr", "output", "stdout"].into_iter().find_map(|key| map.get(key)?.as_str());
        return Some(of_failed_output(output.unwrap_or_default(), Some(code)).core);
    }
    let http = ["status", "status_code", "statusCode"].into_iter().find_map(number);
    if let Some(code) = http.filter(|code| (400..600).contains(code)) {
        return Some(message_of(map).unwrap_or_else(|| format!("HTTP {code}")));
    }
    let inner = (map.len() == 1 && look_inside).then(|| map.values().next())??;
    inner.as_object().and_then(|map| json_error(map, false))
}

/// What the value of an `error` key says; `None` where it says that there is none.
fn said(value: &Value, map: &Map<String, Value>) -> Option<String> {
    match value {
        Value::String(text) => {
            let none = matches!(
                text.trim().to_lowercase().as_str(),
                "" | "none" | "null" | "false" | "ok" | "no error"
            );
            (!none).then(|| text.clone())
        }
        Value::Bool(true) => Some(message_of(map).unwrap_or_else(|| SILENT.into())),
        Value::Object(inner) if !inner.is_empty() => {
            Some(message_of(inner).unwrap_or_else(|| start(&value.to_string(), 300).to_owned()))
        }
        Value::Array(list) => match list.first()? {
            Value::String(text) => Some(text.clone()),
            Value::Object(inner) => message_of(inner),
            _ => None,
        },
        _ => None,
    }
}

fn message_of(map: &Map<String, Value>) -> Option<String> {
    ["message", "detail", "details", "reason", "error", "description", "msg", "title", "type", "code"]
        .into_iter()
        .find_map(|key| map.get(key)?.as_str())
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned)
}

/// Whether an error field only says that there was one.
fn is_flag(error: &str) -> bool {
    let error = error.trim().to_lowercase();
    matches!(error.as_str(), "" | "true" | "error" | "failed" | "failure" | "tool error" | "is_error")
        || error.parse::<f64>().is_ok()
        || matches!(unpacked(&error), (Some(_), ""))
        || error.strip_prefix("status ").is_some_and(|status| !status.contains(' '))
}

/// The first characters and the last, with a line break between; all of it where it is short.
fn ends(text: &str) -> Cow<'_, str> {
    if text.len() <= 2 * ENDS {
        return Cow::Borrowed(text);
    }
    let mut from = text.len() - ENDS;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    Cow::Owned(format!("{}\n{}", start(text, ENDS), &text[from..]))
}

/// The first bytes of a text, up to a whole character.
pub(crate) fn start(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn cut(text: &str) -> String {
    text.trim().chars().take(EVIDENCE).collect()
}

macro_rules! pattern {
    ($pattern:expr) => {
        LazyLock::new(|| Regex::new($pattern).expect("a literal pattern compiles"))
    };
}

/// A line that names an exception: `ValueError: …`, `litellm.RateLimitError: …`.
static EXCEPTION: LazyLock<Regex> =
    pattern!(r"^(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Timeout|Failure|Refused)(?:\s*[:(]|$)");

/// An exception as its language prints the object: `ValueError('no such order')`.
static PRINTED: LazyLock<Regex> = pattern!(r#"^((?:\w+\.)*[A-Z]\w*)\(['"](.*\w.*)['"](?:,[^'"]*)?\)$"#);

static LABEL: LazyLock<Regex> = pattern!(
    r"^(?i:(?:<(?:error|exception|tool_use_error|tool_error)>\s*)?(?:(?:error|exception|fatal|tool error)\s*[:!]\s*)+)|^<(?:error|exception|tool_use_error|tool_error)>\s*"
);

static TAGS_AFTER: LazyLock<Regex> = pattern!(r"(?:\s*</\w{1,30}>)+\s*$");

/// `"message": "…"` in JSON, or in a printed Python dictionary.
static MESSAGE: LazyLock<Regex> =
    pattern!(r#"['"](?:message|detail)['"]\s*:\s*(?:"((?:[^"\\]|\\.)+)"|'((?:[^'\\]|\\.)+)')"#);

static WRAPPER: LazyLock<Regex> = pattern!(
    r"(?ix)^(?:
      <(?:returncode|exit_code)>\s*(-?\d{1,6})\s*</(?:returncode|exit_code)>
    | exit\s?code:?\s*(-?\d{1,6})\s*(?:\([^)\n]{0,60}\))?[.,]?\s*(?:\n|$)
    | code\s+output:
    | execution\s+logs:
    | (?:std)?(?:out|err)(?:put)?:\s*\n
    | <(?:output|stdout|stderr|result)>
    | observation:
    )"
);

static ERROR_START: LazyLock<Regex> = pattern!(
    r"(?x)^\W{0,4}(?:
      (?i:(?:(?:tool|api|http|network|internal|server|runtime|validation|execution|unexpected|connection|timeout
            |fatal|query|request|command|system|client|database|sql|uncaught|unhandled|an?|the|some)\s+){0,3}
         (?:error|exception)\b(?:[\ \t]+(?:in|while|when|during|occurred|from|of|at|\w+ing)\b(?:[\ \t]+[\w.-]+){0,5}[\ \t]*[:!] | [\ \t]*(?:[:!]|$)))
    | (?:\w+\.)*[A-Z]\w*(?:Error|Exception)\b\s*(?:[:(]|$)
    | Traceback\ \(most\ recent
    | (?i:exception|error|tool_use_error|tool_error)>
    | (?i:failed|unable)\ to\ [a-z]
    | (?i:fatal|panic):\s
    | (?:HTTP\s*)?(?:Error\s+)?[45]\d\d\b:?\ (?:Client\ Error|Server\ Error|Bad\ |Unauthorized|Forbidden|Not\ Found|Too\ Many|Internal|Service\ Un|Gateway|Conflict|Unprocessable)
    )"
);

/// Only in short texts: a document may begin like this as well.
static SHORT_ERROR: LazyLock<Regex> = pattern!(
    r"(?ix)^\W{0,3}(?:
      invalid\s+[a-z]
    | (?:[\w./-]+:\s+)*(?:line\s+\d+:\s+)?[\w./-]+:\s+(?:command\ not\ found|no\ such\ file|permission\ denied|not\ found$)
    | (?:command\ not\ found|permission\ denied|access\ denied|unauthorized|forbidden|not\ authorized)\b
    | (?:request|connection|operation|call|execution|tool|query|\w+\ api)\s+(?:has\s+)?timed?\s?-?out
    | time[d-]?\s?out\b
    | connection\ (?:refused|reset|aborted)
    | no\ such\ (?:file|tool|function|table|column)
    | unknown\ (?:tool|function|command|column|argument|parameter)
    | tool\ \S+\ (?:not\ found|does\ not\ exist)
    | \S+\ is\ not\ a\ valid\ tool
    | missing\ required\ (?:argument|parameter|field)
    | rate\ limit
    )"
);

/// A line of a failed command's output that says what happened.
static TELLING: LazyLock<Regex> = pattern!(
    r"(?i)\b(?:error|errno|exception|fatal|failed|failure|denied|refused|not found|no such|cannot|can't|unable to|invalid|timed? ?out|timeout|unrecognized|does not exist|usage:)"
);

#[cfg(test)]
mod tests {
    use assay_domain::Role;

    use super::*;

    #[track_caller]
    fn check(result: &str, expected: Option<&str>) {
        let found = of_result(&Message::text_of(Role::Tool, result));
        assert_eq!(found.as_ref().map(|words| words.core.as_str()), expected, "in {result:?}");
    }

    #[test]
    fn failures_in_tool_results_are_found() {
        check("Error: gift card balance is not enough", Some("gift card balance is not enough"));
        check(r#"{"error": "no such order"}"#, Some("no such order"));
        check(r#"{"error": {"code": "E1", "message": "quota exceeded"}}"#, Some("quota exceeded"));
        check(r#"{"success": false, "message": "card declined"}"#, Some("card declined"));
        check(r#"{"result": {"isError": true, "detail": "nope"}}"#, Some("nope"));
        check(r#"{"exit_code": 2, "stderr": "ls: cannot access 'x'"}"#, Some("ls: cannot access 'x'"));
        check(r#"{"status_code": 503}"#, Some("HTTP 503"));
        check(
            "Error in sending the GET request: 400 Client Error:  for url: x",
            Some("Error in sending the GET request: 400 Client Error:  for url: x"),
        );
        check("Invalid POST request", Some("Invalid POST request"));
        check("exitcode: 124 (execution failed)\nCode output: \nTimeout", Some("Timeout"));
        check("<returncode>1</returncode>\n<output>\n</output>", Some("exit code 1"));
        check(
            "<returncode>127</returncode>\n<output>\nbash: line 1: tree: command not found\n</output>",
            Some("bash: line 1: tree: command not found"),
        );
        check(
            "Execution logs:\nError ingesting repository: no BOM\nNone",
            Some("Error ingesting repository: no BOM"),
        );
        check("requests.exceptions.ReadTimeout: slow", None);
        check("requests.exceptions.ConnectionError: slow", Some("requests.exceptions.ConnectionError: slow"));
        check(
            "\u{1b}[31mTraceback (most recent call last):\n  File \"a\"\nKeyError: 'x'\u{1b}[0m",
            Some("KeyError: 'x'"),
        );
    }

    #[test]
    fn ordinary_results_are_not_failures() {
        for fine in [
            "[]",
            "",
            "Transfer successful",
            r#"{"error": null, "id": 3}"#,
            r#"{"errors": [], "id": 3}"#,
            r#"{"order": 7, "status": "failed", "total": 3, "currency": "EUR", "items": []}"#,
            r#"{"error": 0.03, "slope": 2}"#,
            "Error handling in Rust\n\nResults are values.",
            "The error rate is 3 %",
            "exitcode: 0 (execution succeeded)\nCode output: 12 errors: fixed",
            "<returncode>0</returncode>\n<output>\nsrc/error.py: class MyError(Exception):\n</output>",
            "No results found.",
            "import logging\nclass FooError(Exception): pass",
        ] {
            check(fine, None);
        }
    }

    #[test]
    fn a_traceback_is_told_by_its_exception_even_where_output_follows() {
        check(
            "exitcode: 1 (execution failed)\nCode output: Traceback (most recent call last):\n  File \"x.py\", line 8\n    for r in results:\nTypeError: 'NoneType' object is not iterable\nSearch Result 1:\nValueError: no",
            Some("TypeError: 'NoneType' object is not iterable"),
        );
        check(
            "exitcode: 1 (execution failed)\nCode output:   File \"x.py\", line 1\n    p = 7,015\n        ^\nSyntaxError: leading zeros\n",
            Some("SyntaxError: leading zeros"),
        );
    }

    #[test]
    fn wrappers_of_client_libraries_are_taken_off() {
        let error = "Error in generating model output:\nlitellm.RateLimitError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"This request would exceed the limit\"}}";
        assert_eq!(of_error(error).core, "litellm.RateLimitError: This request would exceed the limit");
        let error = "Error code: 429 - {'error': {'message': 'Rate limit reached', 'type': 'tokens'}}";
        assert_eq!(of_error(error).core, "Error code: Rate limit reached");
        assert_eq!(of_error("ValueError('no order 3')").core, "ValueError: no order 3");
        let error = "Code execution failed at line 'x = 1' due to: InterpreterError: no x";
        assert_eq!(of_error(error).core, "InterpreterError: no x");
    }

    #[test]
    fn an_error_field_may_hold_the_whole_output() {
        let output = "<returncode>2</returncode>\n<output>\nls: cannot access 'x'\n</output>";
        assert_eq!(of_error(output).core, "ls: cannot access 'x'");
        assert_eq!(of_error("<returncode>1</returncode>\n<output>\n</output>").core, "exit code 1");
        assert_eq!(of_error(" \n").core, "failed without a message");
    }

    #[test]
    fn a_flag_in_the_error_field_points_to_the_output() {
        let mut message = Message::text_of(Role::Tool, "card was declined");
        message.error = Some("true".into());
        assert_eq!(of_result(&message).expect("failed").core, "card was declined");
        message.error = Some("2".into());
        message.parts.clear();
        assert_eq!(of_result(&message).expect("failed").core, "failed without a message");
    }

    #[test]
    fn evidence_is_verbatim() {
        let text = format!("Error: {}", "ä".repeat(1000));
        let words = of_error(&text);
        assert!(text.contains(&words.evidence));
        assert_eq!(words.evidence.chars().count(), EVIDENCE);
    }
}
