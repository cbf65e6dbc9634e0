//! Tests of single values, and of what columns cannot answer: entries of
//! metadata and payloads, tags, containment. SQL calls these; see
//! `embedded/functions.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What a field is compared with. Times and durations are microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Scalar {
    Text(String),
    Number(f64),
    Time(i64),
    Bool(bool),
    Id(Uuid),
}

/// A condition on one value. All but `Differs` and `Absent` are false of what is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Test {
    Is(Scalar),
    Differs(Scalar),
    Above(Scalar),
    AtLeast(Scalar),
    Below(Scalar),
    AtMost(Scalar),
    OneOf(Vec<Scalar>),
    /// `%` is any text, `_` any character; case does not matter.
    Like(String),
    Present,
    Absent,
}

impl Test {
    /// Whether the text of a value passes. Order is by number if compared with
    /// a number, then text that is none fails; else by code points.
    pub(crate) fn holds(&self, text: Option<&str>) -> bool {
        let Some(text) = text else { return matches!(self, Self::Differs(_) | Self::Absent) };
        let order = |scalar: &Scalar| match scalar {
            Scalar::Number(number) => text.trim().parse::<f64>().ok()?.partial_cmp(number),
            Scalar::Text(other) => Some(text.cmp(other)),
            _ => None,
        };
        let is = |scalar: &Scalar| matches!(scalar, Scalar::Text(wanted) if wanted == text);
        match self {
            Self::Is(scalar) => is(scalar),
            Self::Differs(scalar) => !is(scalar),
            Self::Above(scalar) => order(scalar).is_some_and(|order| order.is_gt()),
            Self::AtLeast(scalar) => order(scalar).is_some_and(|order| order.is_ge()),
            Self::Below(scalar) => order(scalar).is_some_and(|order| order.is_lt()),
            Self::AtMost(scalar) => order(scalar).is_some_and(|order| order.is_le()),
            Self::OneOf(scalars) => scalars.iter().any(is),
            Self::Like(pattern) => is_like(text, pattern),
            Self::Present => true,
            Self::Absent => false,
        }
    }
}

/// Conditions on one entry of metadata, inputs or outputs: all must hold of the same one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EntryTests {
    pub(crate) keys: Vec<Test>,
    pub(crate) values: Vec<Test>,
}

impl EntryTests {
    /// Whether some entry passes. Keys are dot paths, lists are looked through.
    pub(crate) fn hold_somewhere(&self, value: &Value) -> bool {
        let mut path = String::new();
        self.search(value, &mut path)
    }

    /// Recursion is bounded by the depth in which values are stored.
    fn search(&self, value: &Value, path: &mut String) -> bool {
        match value {
            Value::Null => false,
            Value::Object(map) => {
                let length = path.len();
                if self.values.is_empty() && length > 0 && self.hold(path, None) {
                    return true;
                }
                map.iter().any(|(key, value)| {
                    if length > 0 {
                        path.push('.');
                    }
                    path.push_str(key);
                    let found = self.search(value, path);
                    path.truncate(length);
                    found
                })
            }
            Value::Array(items) => {
                (self.values.is_empty() && !path.is_empty() && self.hold(path, None))
                    || items.iter().any(|item| self.search(item, path))
            }
            Value::String(text) => self.hold(path, Some(text)),
            other => self.hold(path, Some(&other.to_string())),
        }
    }

    /// Whether one entry passes; a node that holds others has no value.
    pub(crate) fn hold(&self, key: &str, value: Option<&str>) -> bool {
        self.keys.iter().all(|test| test.holds(Some(key)))
            && self.values.iter().all(|test| value.is_some() && test.holds(value))
    }
}

/// Whether all of `part` is in `whole`: objects by key, lists as sets.
pub(crate) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|whole| contains(whole, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            part.iter().all(|value| whole.iter().any(|whole| contains(whole, value)))
        }
        (Value::Number(whole), Value::Number(part)) => whole.as_f64() == part.as_f64(),
        _ => whole == part,
    }
}

/// SQL's `LIKE` over all of Unicode: `%` any text, `_` any character, case aside.
pub(crate) fn is_like(text: &str, pattern: &str) -> bool {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (text, pattern) = (lower(text), lower(pattern));
    let (mut at, mut wanted) = (0, 0);
    // Where to go on if the rest does not fit: after the last `%`, one character further.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(wanted) {
            Some('%') => {
                wanted += 1;
                retry = Some((at, wanted));
            }
            Some(&next) if next == '_' || next == text[at] => {
                at += 1;
                wanted += 1;
            }
            _ => match &mut retry {
                Some((from, after)) => {
                    *from += 1;
                    at = *from;
                    wanted = *after;
                }
                None => return false,
            },
        }
    }
    pattern[wanted..].iter().all(|&rest| rest == '%')
}

/// The words of a search: all of them must occur. Split at white space, at
/// least two characters if there is any such word, and something to look up.
pub(crate) fn words(text: &str) -> Vec<String> {
    let words: Vec<String> = text
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(str::to_owned)
        .collect();
    let long: Vec<String> = words.iter().filter(|word| word.chars().nth(1).is_some()).cloned().collect();
    if long.is_empty() { words } else { long }
}
