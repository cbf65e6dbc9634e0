//! Places in a run: a small part of JSONPath.
//!
//! `$.` may stand in front. Then names joined by dots, `['any name']`, `[3]`,
//! `[*]` or `.*` for everything at this level, and `..name` for the name at
//! any depth. The first name is a part of the run: see [`PARTS`].

use serde_json::Value;

use crate::error::Error;

/// What a path may begin with.
const PARTS: &[&str] =
    &["inputs", "outputs", "error", "events", "metadata", "extra", "tags", "name", "serialized"];
/// Longest path, in bytes and in steps.
const LONGEST: usize = 500;
const MOST_STEPS: usize = 20;

/// A place, or many.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) part: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Name(String),
    Index(usize),
    All,
    /// The name here or anywhere below.
    Anywhere(String),
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let fail = |why: String| Err(Error::Path { path: text.chars().take(80).collect(), why });
        if text.len() > LONGEST {
            return fail(format!("longer than {LONGEST} bytes"));
        }
        let plain = text.trim();
        let plain = plain.strip_prefix('$').unwrap_or(plain);
        let mut rest = if plain.starts_with(['.', '[']) { plain.to_owned() } else { format!(".{plain}") };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            match step(&rest) {
                Ok((step, length)) => {
                    steps.push(step);
                    rest.drain(..length);
                }
                Err(why) => return fail(format!("{why} at {rest:?}")),
            }
        }
        if steps.len() > MOST_STEPS {
            return fail(format!("more than {MOST_STEPS} steps"));
        }
        let part = match steps.first() {
            Some(Step::Name(part)) if PARTS.contains(&part.as_str()) => part.clone(),
            _ => return fail(format!("it must begin with one of {}", PARTS.join(", "))),
        };
        steps.remove(0);
        Ok(Self { part, steps })
    }

    /// Whether it means the part as a whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.steps.is_empty()
    }

    /// Calls with every value at this place; `None` takes it away.
    pub(crate) fn change(&self, value: &mut Value, change: &mut impl FnMut(&mut Value) -> bool) {
        walk(value, &self.steps, change);
    }
}

/// The step a text begins with, and its length.
fn step(text: &str) -> Result<(Step, usize), &'static str> {
    if let Some(name) = text.strip_prefix("..") {
        let (name, length) = word(name)?;
        return Ok((Step::Anywhere(name), length + 2));
    }
    if let Some(rest) = text.strip_prefix('.') {
        if rest.starts_with('*') {
            return Ok((Step::All, 2));
        }
        let (name, length) = word(rest)?;
        return Ok((Step::Name(name), length + 1));
    }
    let inside = text.strip_prefix('[').ok_or("expected `.` or `[`")?;
    for quote in ['\'', '"'] {
        if let Some(quoted) = inside.strip_prefix(quote) {
            let end = quoted.find(quote).ok_or("a quote is not closed")?;
            let closed = quoted[end + 1..].starts_with(']');
            return if closed {
                Ok((Step::Name(quoted[..end].to_owned()), end + 4))
            } else {
                Err("expected `]`")
            };
        }
    }
    let end = inside.find(']').ok_or("expected `]`")?;
    let step = match inside[..end].trim() {
        "*" => Step::All,
        number => Step::Index(
            number.parse().map_err(|_| "expected a number, `*` or a quoted name in the brackets")?,
        ),
    };
    Ok((step, end + 2))
}

fn word(text: &str) -> Result<(String, usize), &'static str> {
    let end = text.find(['.', '[', ']', '*', '\'', '"', ' ']).unwrap_or(text.len());
    if end == 0 { Err("expected a name") } else { Ok((text[..end].to_owned(), end)) }
}

/// `change` says whether the value stays. Recursion is bounded by the nesting
/// that decoders allow.
fn walk(value: &mut Value, steps: &[Step], change: &mut impl FnMut(&mut Value) -> bool) {
    let Some((step, rest)) = steps.split_first() else {
        if !change(value) {
            *value = Value::Null;
        }
        return;
    };
    match (step, value) {
        (Step::Name(name), Value::Object(map)) => enter(map, name, rest, change),
        (Step::Index(index), Value::Array(items)) => {
            if let Some(item) = items.get_mut(*index) {
                walk(item, rest, change);
            }
        }
        (Step::All, Value::Array(items)) => items.iter_mut().for_each(|item| walk(item, rest, change)),
        (Step::All, Value::Object(map)) => {
            let names: Vec<String> = map.keys().cloned().collect();
            names.iter().for_each(|name| enter(map, name, rest, change));
        }
        (Step::Anywhere(name), value) => {
            match value {
                Value::Object(map) => map.values_mut().for_each(|value| walk(value, steps, change)),
                Value::Array(items) => items.iter_mut().for_each(|value| walk(value, steps, change)),
                _ => {}
            }
            if let Value::Object(map) = value {
                enter(map, name, rest, change);
            }
        }
        _ => {}
    }
}

fn enter(
    map: &mut serde_json::Map<String, Value>,
    name: &str,
    rest: &[Step],
    change: &mut impl FnMut(&mut Value) -> bool,
) {
    let Some(value) = map.get_mut(name) else { return };
    if !rest.is_empty() {
        walk(value, rest, change);
    } else if !change(value) {
        map.shift_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Value) {
        let mut value = json!({
            "user": { "name": "Ada", "full name": "Ada L", "id": 7 },
            "messages": [{ "role": "user", "content": "hi" }, { "role": "ai", "content": "yo", "meta": { "name": "x" } }],
        });
        let path = Path::parse(path).expect("a path");
        assert_eq!(path.part, "inputs");
        path.change(&mut value, &mut |found| {
            *found = "-".into();
            true
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn paths_lead_to_their_places() {
        let messages = json!([{ "role": "user", "content": "hi" }, { "role": "ai", "content": "yo", "meta": { "name": "x" } }]);
        let user = json!({ "name": "Ada", "full name": "Ada L", "id": 7 });
        for path in ["inputs.user.name", "$.inputs.user.name", "$['inputs'][\"user\"].name"] {
            check(
                path,
                json!({ "user": { "name": "-", "full name": "Ada L", "id": 7 }, "messages": messages }),
            );
        }
        check(
            "inputs.user['full name']",
            json!({ "user": { "name": "Ada", "full name": "-", "id": 7 }, "messages": messages }),
        );
        check(
            "inputs.user.*",
            json!({ "user": { "name": "-", "full name": "-", "id": "-" }, "messages": messages }),
        );
        check(
            "inputs.messages[*].content",
            json!({ "user": user, "messages": [{ "role": "user", "content": "-" }, { "role": "ai", "content": "-", "meta": { "name": "x" } }] }),
        );
        check("inputs.messages[0]", json!({ "user": user, "messages": ["-", messages[1]] }));
        check(
            "inputs..name",
            json!({ "user": { "name": "-", "full name": "Ada L", "id": 7 }, "messages": [messages[0], { "role": "ai", "content": "yo", "meta": { "name": "-" } }] }),
        );
        check("inputs.nothing.here[3]", json!({ "user": user, "messages": messages }));
        check("inputs", json!("-"));
    }

    #[test]
    fn what_is_taken_away_leaves_lists_as_long_as_they_were() {
        let mut value = json!({ "a": [1, 2, 3], "b": 1 });
        Path::parse("inputs.a[1]").expect("a path").change(&mut value, &mut |_| false);
        Path::parse("inputs.b").expect("a path").change(&mut value, &mut |_| false);
        assert_eq!(value, json!({ "a": [1, null, 3] }));
    }

    #[test]
    fn wrong_paths_say_why() {
        for (path, why) in [
            ("", "expected a name"),
            ("user.name", "begin with one of inputs"),
            ("inputs.", "expected a name"),
            ("inputs[", "expected `]`"),
            ("inputs[x]", "expected a number"),
            ("inputs['x]", "not closed"),
            ("inputs['x'", "expected `]`"),
            ("inputs x", "expected `.` or `[`"),
            ("..inputs", "begin with"),
            (&".a".repeat(300), "longer"),
            (&format!("inputs{}", ".a".repeat(30)), "more than"),
        ] {
            let error = Path::parse(path).expect_err(path).to_string();
            assert!(error.contains(why), "{path}: {error}");
        }
    }
}
