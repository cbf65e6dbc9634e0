//! The one shape both encodings are read into, and how dialects look at it.
//!
//! Attribute values are plain JSON values. A [`Reader`] remembers which
//! attributes some dialect understood, so that the rest can be kept as they came.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use assay_domain::Time;
use chrono::DateTime;
use serde_json::{Map, Value};

/// One finished span.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub parent_id: Option<[u8; 8]>,
    pub name: String,
    /// `client`, `server`, `producer`, `consumer`; absent for internal spans.
    pub kind: Option<&'static str>,
    pub start: Option<Time>,
    pub end: Option<Time>,
    pub attributes: Map<String, Value>,
    pub events: Vec<Event>,
    pub status: Status,
    pub status_message: String,
    /// `{"trace_id", "span_id", "attributes"}` each.
    pub links: Vec<Value>,
    pub source: Rc<Source>,
}

/// What happened at one moment inside a span.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub name: String,
    pub time: Option<Time>,
    pub attributes: Map<String, Value>,
}

/// Who made the span: shared by the spans of one scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    pub resource: Map<String, Value>,
    pub scope: String,
    pub scope_version: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Unset,
    Ok,
    Error,
}

/// Nanoseconds since 1970 as a moment; zero means absent.
pub(super) fn moment(nanos: u64) -> Option<Time> {
    if nanos == 0 {
        return None;
    }
    let micros = i64::try_from(nanos / 1_000).ok()?;
    DateTime::from_timestamp_micros(micros)
}

/// `client` etc. for the numbers of `SpanKind`.
pub(super) fn kind(number: i64) -> Option<&'static str> {
    match number {
        2 => Some("server"),
        3 => Some("client"),
        4 => Some("producer"),
        5 => Some("consumer"),
        _ => None,
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// Reads attributes and remembers which were read. Null counts as absent.
///
/// Dialects ask for some two hundred names of every span, most of them in vain:
/// a sorted list answers that faster than hashing each name.
pub(super) struct Reader<'a> {
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    key: &'a str,
    value: &'a Value,
    is_read: Cell<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(attributes: &'a Map<String, Value>) -> Self {
        let mut entries: Vec<Entry> = attributes
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| Entry { key, value, is_read: Cell::new(false) })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.key);
        Self { entries }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        let position = self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok()?;
        let entry = &self.entries[position];
        entry.is_read.set(true);
        Some(entry.value)
    }

    /// The first of these attributes that is there.
    pub(super) fn first(&self, keys: &[&str]) -> Option<&'a Value> {
        keys.iter().find_map(|key| self.get(key))
    }

    /// Text that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.as_str().filter(|text| !text.trim().is_empty())
    }

    pub(super) fn first_text(&self, keys: &[&str]) -> Option<&'a str> {
        keys.iter().find_map(|key| self.text(key))
    }

    /// A count, also where it was written as text or as a float.
    pub(super) fn count(&self, keys: &[&str]) -> Option<u64> {
        keys.iter().find_map(|key| count(self.get(key)?))
    }

    /// The attribute as a value: text that is JSON is parsed.
    pub(super) fn parsed(&self, key: &str) -> Option<Value> {
        self.get(key).map(parsed)
    }

    /// All attributes below `prefix`, by what follows it, in order of that.
    pub(super) fn below(&self, prefix: &str) -> Vec<(&'a str, &'a Value)> {
        let start = self.entries.partition_point(|entry| entry.key < prefix);
        let mut found = Vec::new();
        for entry in &self.entries[start..] {
            let Some(rest) = entry.key.strip_prefix(prefix) else { break };
            if !rest.is_empty() {
                entry.is_read.set(true);
                found.push((rest, entry.value));
            }
        }
        found
    }

    /// `prefix.{n}.{rest}`, grouped by n in order of n. Numbers may have gaps.
    pub(super) fn numbered(&self, prefix: &str) -> BTreeMap<u64, Map<String, Value>> {
        group(
            self.below(prefix).into_iter().filter_map(|(rest, value)| Some((rest.strip_prefix('.')?, value))),
        )
    }

    /// The attributes nobody asked for, by name.
    pub(super) fn unread(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + '_ {
        self.entries.iter().filter(|entry| !entry.is_read.get()).map(|entry| (entry.key, entry.value))
    }
}

/// Groups `{n}.{rest}` keys by n.
pub(super) fn group<'a>(
    entries: impl Iterator<Item = (&'a str, &'a Value)>,
) -> BTreeMap<u64, Map<String, Value>> {
    let mut groups: BTreeMap<u64, Map<String, Value>> = BTreeMap::new();
    for (key, value) in entries {
        let (number, rest) = key.split_once('.').unwrap_or((key, ""));
        if let Ok(number) = number.parse() {
            groups.entry(number).or_default().insert(rest.to_owned(), value.clone());
        }
    }
    groups
}

/// The part of `map` whose keys are `{name}.{n}.{rest}`, grouped by n.
pub(super) fn sub_numbered(map: &Map<String, Value>, name: &str) -> BTreeMap<u64, Map<String, Value>> {
    group(map.iter().filter_map(|(key, value)| Some((key.strip_prefix(name)?.strip_prefix('.')?, value))))
}

/// Text that is JSON (an object, a list or a quoted string) as a value; anything else as it is.
pub(super) fn parsed(value: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    if text.trim_start().starts_with(['{', '[', '"'])
        && let Ok(parsed) = serde_json::from_str(text)
    {
        return parsed;
    }
    value.clone()
}

/// A count, also where it was written as text or as a float. Negative ones are none.
pub(super) fn count(value: &Value) -> Option<u64> {
    let float = match value {
        Value::Number(number) => match number.as_u64() {
            Some(count) => return Some(count),
            None => number.as_f64()?,
        },
        Value::String(text) => match text.trim().parse() {
            Ok(count) => return Some(count),
            Err(_) => text.trim().parse().ok()?,
        },
        _ => return None,
    };
    (0.0..9e15).contains(&float).then_some(float as u64)
}
