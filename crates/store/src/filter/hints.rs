//! What the full-text index can say about conditions on inputs and outputs.
//!
//! A value that must be there is there word by word, so only runs with these
//! words, one after another, need be looked at. Where that cannot be said of
//! a condition for certain there is no hint, and all runs are looked at.

use serde_json::Value;

use super::sql::match_phrases;
use super::test::{EntryTests, Scalar, Test};
use super::{Entries, SearchColumn};

/// Longer values are looked for by their beginning.
const MAX_PHRASE: usize = 200;
/// More are not looked for at once.
const MAX_PHRASES: usize = 32;

/// A query of the index that finds every run with such an entry.
pub(crate) fn of_entry(entries: Entries, tests: &EntryTests) -> Option<String> {
    let column = column(entries)?;
    let hint = |test: &Test| match test {
        Test::Is(scalar) => Some(vec![of_scalar(scalar)?]),
        Test::OneOf(scalars) if (1..=MAX_PHRASES).contains(&scalars.len()) => {
            scalars.iter().map(of_scalar).collect()
        }
        _ => None,
    };
    let hints: Vec<Vec<String>> = tests.values.iter().filter_map(hint).take(MAX_PHRASES).collect();
    (!hints.is_empty()).then(|| match_phrases(column, &hints))
}

/// A query of the index that finds every run with this in it.
pub(crate) fn of_part(entries: Entries, part: &Value) -> Option<String> {
    let column = column(entries)?;
    let mut texts = Vec::new();
    collect(part, &mut texts);
    let hints: Vec<Vec<String>> = texts.into_iter().map(|text| vec![text]).collect();
    (!hints.is_empty()).then(|| match_phrases(column, &hints))
}

fn column(entries: Entries) -> Option<SearchColumn> {
    match entries {
        // Metadata are not in the index.
        Entries::Metadata => None,
        Entries::Inputs => Some(SearchColumn::Inputs),
        Entries::Outputs => Some(SearchColumn::Outputs),
    }
}

fn of_scalar(scalar: &Scalar) -> Option<String> {
    match scalar {
        // The text of a truth value is not in the index.
        Scalar::Text(text) if text != "true" && text != "false" => phrase(text),
        _ => None,
    }
}

/// Numbers that are equal can be written differently: only texts count. Depth is bounded by the parser of JSON.
fn collect(part: &Value, texts: &mut Vec<String>) {
    match part {
        Value::String(text) if texts.len() < MAX_PHRASES => texts.extend(phrase(text)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(map) => map.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

/// Whole words of a text, one after another; `None` where it may have none.
fn phrase(text: &str) -> Option<String> {
    let mut end = text.len().min(MAX_PHRASE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let words = match end < text.len() {
        // The last word may be cut.
        true => &text[..text[..end].rfind(|c: char| c.is_ascii_whitespace())?],
        false => text,
    };
    words.chars().any(|c| c.is_ascii_alphanumeric()).then(|| words.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_value(test: Test) -> Option<String> {
        of_entry(Entries::Inputs, &EntryTests { keys: Vec::new(), values: vec![test] })
    }

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn values_are_looked_for_word_by_word_and_never_as_syntax() {
        assert_eq!(
            of_value(Test::Is(text("my \"order\""))).as_deref(),
            Some("(inputs : \"my \"\"order\"\"\")")
        );
        let either = of_value(Test::OneOf(vec![text("a"), text("b")]));
        assert_eq!(either.as_deref(), Some("(inputs : \"a\" OR inputs : \"b\")"));
        let long = format!("{} cut{}", "word ".repeat(39), "x".repeat(30));
        let found = of_value(Test::Is(text(&long))).expect("a hint");
        assert!(found.contains("word") && !found.contains("cut"), "{found}");
        let part = of_part(Entries::Outputs, &json!({ "a": ["x y", 3, { "b": "z" }] }));
        assert_eq!(part.as_deref(), Some("(outputs : \"x y\") AND (outputs : \"z\")"));
    }

    #[test]
    fn what_the_index_cannot_know_gives_no_hint() {
        for test in [
            Test::Is(text("true")),
            Test::Is(text("…?!")),
            Test::Is(text(&"x".repeat(300))),
            Test::OneOf(vec![text("a"), text("?")]),
            Test::OneOf(Vec::new()),
            Test::Differs(text("a")),
            Test::Like("%a%".to_owned()),
            Test::Above(Scalar::Number(1.0)),
        ] {
            assert_eq!(of_value(test.clone()), None, "{test:?}");
        }
        assert_eq!(of_part(Entries::Inputs, &json!({ "number": 1, "yes": true })), None);
        let tests = EntryTests { keys: Vec::new(), values: vec![Test::Is(text("a"))] };
        assert_eq!(of_entry(Entries::Metadata, &tests), None);
    }
}
