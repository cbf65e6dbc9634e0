//! A filter as the list of conditions that must all hold, for showing and
//! changing them one by one.

use super::Filter;
use super::parser::{self, Argument, Call, Literal};

/// One of the conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As the filter language writes it; a filter of its own.
    pub source: String,
    /// In plain terms; `None` where it says more than one comparison can.
    pub plain: Option<Plain>,
}

/// `field operator value`, such as `status eq error`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    /// `metadata` and `feedback` together with a key, `search` for full text.
    pub field: String,
    /// Of an entry of metadata, or of feedback.
    pub key: Option<String>,
    pub operator: String,
    pub value: String,
}

/// What asks for the key, what for the value, and how both together are called.
const PAIRS: [(&str, &str, &str); 5] = [
    ("metadata_key", "metadata_value", "metadata"),
    ("input_key", "input_value", "inputs"),
    ("output_key", "output_value", "outputs"),
    ("feedback_key", "feedback_score", "feedback"),
    ("feedback_key", "feedback_value", "feedback"),
];

impl Filter {
    /// The conditions that must all hold, as they were written.
    #[must_use]
    pub fn conditions(&self) -> Vec<Condition> {
        let whole = || Condition { source: self.source.clone(), plain: None };
        let Ok(call) = parser::parse(&self.source) else { return vec![whole()] };
        let mut found = Vec::new();
        split(&self.source, &call, &mut found);
        found
    }
}

fn split(source: &str, call: &Call, found: &mut Vec<Condition>) {
    let inner: Option<Vec<&Call>> = call
        .arguments
        .iter()
        .map(|argument| match argument {
            Argument::Call(call) => Some(call),
            _ => None,
        })
        .collect();
    match inner.filter(|inner| call.name == "and" && !inner.is_empty()) {
        // What is said of keys belongs to what is said of values beside it.
        Some(inner) if !inner.iter().any(|call| is_paired(call)) => {
            inner.into_iter().for_each(|call| split(source, call, found));
        }
        _ => {
            let text = source.get(call.at..=call.end).unwrap_or(source);
            found.push(Condition { source: text.to_owned(), plain: plain(call) });
        }
    }
}

/// Whether it speaks of keys or values of entries, or of feedback.
fn is_paired(call: &Call) -> bool {
    comparison(call)
        .is_some_and(|(field, _)| PAIRS.iter().any(|(key, value, _)| field == *key || field == *value))
}

fn plain(call: &Call) -> Option<Plain> {
    match (call.name.as_str(), call.arguments.as_slice()) {
        ("search", [Argument::Value(Literal::Text(text), _)]) => {
            Some(Plain { field: "search".into(), key: None, operator: "search".into(), value: text.clone() })
        }
        ("search", [Argument::Name(field, _), Argument::Value(Literal::Text(text), _)]) => {
            Some(Plain { field: field.clone(), key: None, operator: "search".into(), value: text.clone() })
        }
        ("and", [Argument::Call(key), Argument::Call(value)]) => pair(key, value),
        // One alone in parentheses of its own, so that it pairs with nothing beside it.
        ("and", [Argument::Call(one)]) => plain(one),
        _ => {
            let (field, value) = comparison(call)?;
            Some(Plain {
                field: field.to_owned(),
                key: None,
                operator: call.name.clone(),
                value: shown(value)?,
            })
        }
    }
}

/// `and(eq(metadata_key, "k"), eq(metadata_value, "v"))`
fn pair(key: &Call, value: &Call) -> Option<Plain> {
    let (key_field, key_value) = comparison(key).filter(|_| key.name == "eq")?;
    let (value_field, literal) = comparison(value)?;
    let (_, _, name) = PAIRS.iter().find(|(key, value, _)| *key == key_field && *value == value_field)?;
    Some(Plain {
        field: (*name).to_owned(),
        key: Some(shown(key_value)?),
        operator: value.name.clone(),
        value: shown(literal)?,
    })
}

fn comparison(call: &Call) -> Option<(&str, &Literal)> {
    match call.arguments.as_slice() {
        [Argument::Name(field, _), Argument::Value(literal, _)] => Some((field, literal)),
        _ => None,
    }
}

fn shown(literal: &Literal) -> Option<String> {
    Some(match literal {
        Literal::Text(text) | Literal::Number(_, text) => text.clone(),
        Literal::Bool(yes) => yes.to_string(),
        Literal::Null => "null".into(),
        Literal::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(|(item, _)| shown(item)).collect();
            items?.join(", ")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(source: &str) -> Vec<(String, Option<String>)> {
        let filter = Filter::parse(source).expect("a filter");
        let shown = |plain: Plain| {
            let key = plain.key.map(|key| format!("[{key}]")).unwrap_or_default();
            format!("{}{key} {} {}", plain.field, plain.operator, plain.value)
        };
        filter.conditions().into_iter().map(|one| (one.source, one.plain.map(shown))).collect()
    }

    #[test]
    fn conditions_come_one_by_one_and_each_is_a_filter() {
        let source =
            r#"and(eq(status, "error"), and(gt(latency, "5s"), search("refund me")), in(name, ["a", "b"]))"#;
        let found = conditions(source);
        let plain: Vec<_> = found.iter().map(|(_, plain)| plain.as_deref().expect("plain")).collect();
        assert_eq!(plain, ["status eq error", "latency gt 5s", "search search refund me", "name in a, b"]);
        assert!(found.iter().all(|(source, _)| Filter::parse(source).is_ok()));
    }

    #[test]
    fn a_key_stays_with_its_value() {
        let pair = r#"and(eq(metadata_key, "env"), eq(metadata_value, "prod"))"#;
        assert_eq!(conditions(pair), [(pair.to_owned(), Some("metadata[env] eq prod".to_owned()))]);
        let both = format!(r#"and({pair}, eq(status, "error"))"#);
        assert_eq!(conditions(&both).len(), 2);
        let mixed = r#"and(eq(metadata_key, "env"), eq(metadata_value, "prod"), eq(status, "error"))"#;
        assert_eq!(conditions(mixed), [(mixed.to_owned(), None)]);
    }

    #[test]
    fn what_cannot_be_said_plainly_is_kept_whole() {
        let either = r#"or(eq(name, "a"), eq(name, "b"))"#;
        assert_eq!(conditions(either), [(either.to_owned(), None)]);
    }
}
