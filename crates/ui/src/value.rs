//! Values out of traces as text. They may be nested to any depth: whoever
//! writes one out goes through here, and what would exhaust the stack is said
//! instead of written. For JSON that lands in a page or on a terminal as JSON,
//! see `inert_json`.

use serde_json::Value;

/// Deeper values are not written.
const DEEPEST: usize = 200;

/// A value as indented text, or why there is none.
#[must_use]
pub fn pretty(value: &Value) -> String {
    if is_deep(value) {
        return "nested too deeply to be shown".into();
    }
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Looks without recursion.
fn is_deep(value: &Value) -> bool {
    let mut stack = vec![(value, 0)];
    while let Some((value, depth)) = stack.pop() {
        if depth > DEEPEST {
            return true;
        }
        match value {
            Value::Array(items) => stack.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(fields) => stack.extend(fields.values().map(|field| (field, depth + 1))),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_too_deep_is_said_and_the_rest_is_written() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(pretty(&nested(DEEPEST)).contains('1'));
        assert_eq!(pretty(&nested(DEEPEST + 1)), "nested too deeply to be shown");
    }
}
