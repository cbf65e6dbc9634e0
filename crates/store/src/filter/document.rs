//! Filters over documents that are no runs: examples of datasets, in memory.
//!
//! What a document does not have satisfies only what an absent value does:
//! `neq`, `not` and comparisons with null.

use assay_domain::Time;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::test::{Scalar, Test, contains};
use super::{Column, Entries, Expression, Filter, SearchColumn};

/// What filters may ask of a document.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub id: Uuid,
    /// The `start_time` of filters.
    pub created_at: Time,
    pub metadata: &'a Map<String, Value>,
    pub inputs: &'a Map<String, Value>,
    pub outputs: Option<&'a Map<String, Value>>,
}

impl Filter {
    /// Whether the condition is true of a document.
    #[must_use]
    pub fn holds(&self, document: &Document<'_>) -> bool {
        document.satisfies(&self.expression)
    }
}

impl Document<'_> {
    fn satisfies(&self, expression: &Expression) -> bool {
        match expression {
            Expression::And(all) => all.iter().all(|inner| self.satisfies(inner)),
            Expression::Or(any) => any.iter().any(|inner| self.satisfies(inner)),
            Expression::Not(inner) => !self.satisfies(inner),
            Expression::Column(Column::Id, test) => is(test, &Scalar::Id(self.id)),
            Expression::Column(Column::StartTime, test) => {
                is(test, &Scalar::Time(self.created_at.timestamp_micros()))
            }
            Expression::Column(_, test) => test.holds(None),
            Expression::Tags(test) => matches!(test, Test::Absent),
            Expression::Entry(entries, tests) => {
                self.entries(*entries).is_some_and(|map| tests.hold_somewhere(&Value::Object(map.clone())))
            }
            Expression::Contains(entries, part) => {
                self.entries(*entries).is_some_and(|map| contains(&Value::Object(map.clone()), part))
            }
            Expression::Feedback(_) => false,
            Expression::Search(column, words) => self.mentions(*column, words),
        }
    }

    fn entries(&self, entries: Entries) -> Option<&Map<String, Value>> {
        match entries {
            Entries::Metadata => Some(self.metadata),
            Entries::Inputs => Some(self.inputs),
            Entries::Outputs => self.outputs,
        }
    }

    fn mentions(&self, column: Option<SearchColumn>, words: &[String]) -> bool {
        let (inputs, outputs) = match column {
            None => (true, true),
            Some(SearchColumn::Inputs) => (true, false),
            Some(SearchColumn::Outputs) => (false, true),
            Some(SearchColumn::Name | SearchColumn::Error) => (false, false),
        };
        let mut text = String::new();
        let searched = [inputs.then_some(self.inputs), self.outputs.filter(|_| outputs)];
        for value in searched.into_iter().flatten().flat_map(|map| map.values()) {
            write_texts(value, &mut text);
        }
        words.iter().all(|word| text.contains(&word.to_lowercase()))
    }
}

/// Depth is bounded by what was parsed.
fn write_texts(value: &Value, out: &mut String) {
    match value {
        Value::Null => {}
        Value::String(text) => {
            out.push_str(&text.to_lowercase());
            out.push('\n');
        }
        Value::Array(list) => list.iter().for_each(|value| write_texts(value, out)),
        Value::Object(map) => map.values().for_each(|value| write_texts(value, out)),
        other => {
            out.push_str(&other.to_string());
            out.push('\n');
        }
    }
}

/// Whether a value that is there passes.
fn is(test: &Test, value: &Scalar) -> bool {
    let order = |other: &Scalar| match (value, other) {
        (Scalar::Time(value), Scalar::Time(other)) => Some(value.cmp(other)),
        _ => None,
    };
    match test {
        Test::Is(other) => value == other,
        Test::Differs(other) => value != other,
        Test::OneOf(others) => others.contains(value),
        Test::Above(other) => order(other).is_some_and(|order| order.is_gt()),
        Test::AtLeast(other) => order(other).is_some_and(|order| order.is_ge()),
        Test::Below(other) => order(other).is_some_and(|order| order.is_lt()),
        Test::AtMost(other) => order(other).is_some_and(|order| order.is_le()),
        Test::Present => true,
        Test::Like(_) | Test::Absent => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn examples_are_selected_by_what_they_hold() {
        let map = |value: Value| value.as_object().cloned().expect("an object");
        let (metadata, inputs) =
            (map(json!({"foo": "bar", "n": 3, "list": ["a"]})), map(json!({"q": "Where is it?"})));
        let created_at = chrono::DateTime::from_timestamp(1_767_225_600, 0).expect("a moment");
        let document = Document {
            id: Uuid::from_u128(7),
            created_at,
            metadata: &metadata,
            inputs: &inputs,
            outputs: None,
        };
        for (filter, expected) in [
            (r#"exists(metadata, "foo")"#, true),
            (r#"exists(metadata, "baz")"#, false),
            (r#"has("metadata", '{"foo": "bar"}')"#, true),
            (r#"has(metadata, '{"foo": "baz"}')"#, false),
            (r#"has(metadata, '{"list": ["a"], "n": 3}')"#, true),
            (r#"and(eq(metadata_key, "foo"), eq(metadata_value, "bar"))"#, true),
            (r#"and(eq(metadata_key, "n"), eq(metadata_value, "bar"))"#, false),
            (r#"not(exists(metadata, "baz"))"#, true),
            (r#"or(exists(metadata, "baz"), search("where"))"#, true),
            (r#"exists(outputs, "answer")"#, false),
            (r#"eq(id, "00000000-0000-0000-0000-000000000007")"#, true),
            (r#"gt(start_time, "2025-01-01T00:00:00Z")"#, true),
            (r#"lt(start_time, "2025-01-01T00:00:00Z")"#, false),
            (r#"eq(status, "error")"#, false),
            (r#"has(tags, "x")"#, false),
            (r#"gt(feedback_score, 0)"#, false),
        ] {
            let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
            assert_eq!(parsed.holds(&document), expected, "{filter}");
        }
    }
}
