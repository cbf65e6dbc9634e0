//! Tolerant parsing of one JSON record.
//!
//! The fast path is `serde_json`. Only a record it refuses is mended, once, and
//! tried again: invalid UTF-8, lone surrogates, `NaN` and infinities, numbers
//! beyond a double, raw control characters, a byte order mark. Records that
//! are broken in other ways are refused with a reason.

use serde_json::Value;

/// How deep a record may be nested. Deeper ones are refused, not followed.
pub const MAX_DEPTH: usize = 128;

/// A record that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    pub value: Value,
    /// Whether its text had to be mended first.
    pub repaired: bool,
}

/// Parses one record.
///
/// # Errors
/// The reason why it cannot be read, without the text itself.
pub fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let first = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(Parsed { value, repaired: false }),
        Err(error) => error,
    };
    if depth(bytes) >= MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH} levels"));
    }
    let mended = mend(bytes);
    match serde_json::from_str(&mended) {
        Ok(value) => Ok(Parsed { value, repaired: true }),
        Err(_) => Err(reason(&first)),
    }
}

fn reason(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "not JSON: the record ends too early".to_owned();
    }
    format!("not JSON: {error}")
}

/// The deepest nesting of brackets outside strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// One pass over the text that replaces what JSON does not allow.
fn mend(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        rest = match char {
            '"' => mend_string(rest, &mut out),
            '-' | '+' | '.' | '0'..='9' | 'A'..='Z' | 'a'..='z' => mend_word(rest, &mut out),
            _ => {
                if !char.is_control() || matches!(char, '\n' | '\r' | '\t') {
                    out.push(char);
                }
                &rest[char.len_utf8()..]
            }
        };
    }
    out
}

/// Copies a string literal with its quotes; returns what follows it.
fn mend_string<'a>(text: &'a str, out: &mut String) -> &'a str {
    out.push('"');
    let mut rest = &text[1..];
    while let Some(char) = rest.chars().next() {
        match char {
            '"' => {
                out.push('"');
                return &rest[1..];
            }
            '\\' => {
                rest = mend_escape(rest, out);
                continue;
            }
            control if (control as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
        rest = &rest[char.len_utf8()..];
    }
    rest
}

/// Copies one escape; half a surrogate pair becomes the replacement character.
fn mend_escape<'a>(text: &'a str, out: &mut String) -> &'a str {
    let unit =
        |text: &str| -> Option<u32> { u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok() };
    match text[1..].chars().next() {
        Some('u') => match unit(text) {
            Some(0xD800..=0xDBFF)
                if text.get(6..).and_then(unit).is_some_and(|low| (0xDC00..=0xDFFF).contains(&low)) =>
            {
                out.push_str(&text[..12]);
                &text[12..]
            }
            Some(0xD800..=0xDFFF) => {
                out.push_str("\\ufffd");
                &text[6..]
            }
            Some(_) => {
                out.push_str(&text[..6]);
                &text[6..]
            }
            None => {
                out.push_str("\\\\u");
                &text[2..]
            }
        },
        Some(known @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => {
            out.push('\\');
            out.push(known);
            &text[2..]
        }
        Some(_) => {
            out.push_str("\\\\");
            &text[1..]
        }
        None => "",
    }
}

/// Copies a literal: numbers a double cannot hold become text, what is no number becomes null.
fn mend_word<'a>(text: &'a str, out: &mut String) -> &'a str {
    let is_word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.' | '_');
    let end = text.find(|char| !is_word(char)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    match word {
        "NaN" | "Infinity" | "-Infinity" | "+Infinity" | "nan" | "inf" | "-inf" | "undefined" | "None" => {
            out.push_str("null");
        }
        "True" => out.push_str("true"),
        "False" => out.push_str("false"),
        number if number.parse::<f64>().is_ok_and(f64::is_infinite) => {
            out.push('"');
            out.push_str(number);
            out.push('"');
        }
        other => out.push_str(other),
    }
    rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: Value) {
        assert_eq!(parse(bytes), Ok(Parsed { value: expected, repaired: true }));
    }

    #[test]
    fn sound_records_are_not_mended() {
        let parsed = parse(br#"{"a": "\u00e9\ud83d\ude00"}"#);
        assert_eq!(parsed, Ok(Parsed { value: json!({"a": "é😀"}), repaired: false }));
    }

    #[test]
    fn invalid_utf8_becomes_the_replacement_character() {
        check(b"{\"a\": \"x\xff\xfey\"}", json!({"a": "x\u{fffd}\u{fffd}y"}));
    }

    #[test]
    fn lone_surrogates_become_the_replacement_character() {
        check(br#"{"a": "\ud800 \udc00 \ud83d\ude00"}"#, json!({"a": "\u{fffd} \u{fffd} 😀"}));
        check(br#"{"a": "\ud800\ud83d\ude00"}"#, json!({"a": "\u{fffd}😀"}));
    }

    #[test]
    fn numbers_json_cannot_hold_are_kept_as_text_or_null() {
        check(br#"[NaN, -Infinity, 1e999, "NaN"]"#, json!([null, null, "1e999", "NaN"]));
    }

    #[test]
    fn raw_control_characters_are_escaped() {
        check(b"{\"a\": \"x\x00\ny\"}", json!({"a": "x\u{0}\ny"}));
        check(b"\xef\xbb\xbf\x00{\"a\": 1}", json!({"a": 1}));
    }

    #[test]
    fn unknown_escapes_are_taken_literally() {
        check(br#"{"a": "C:\path \uZZZZ"}"#, json!({"a": "C:\\path \\uZZZZ"}));
    }

    #[test]
    fn deep_nesting_is_refused_by_name() {
        let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
        assert_eq!(parse(&deep), Err("nested deeper than 128 levels".to_owned()));
    }

    #[test]
    fn broken_records_are_refused_with_a_reason() {
        for bytes in [&b"{\"a\": "[..], b"hello", b"{\"a\" 1}", b"{}{}", b"", b"\"\\", b"{\"a\": \"\\ud800"] {
            let reason = parse(bytes).expect_err("broken");
            assert!(reason.starts_with("not JSON: "), "{reason}");
        }
    }
}
