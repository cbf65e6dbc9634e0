//! Attribute schemas as clients write them: questions that a model answers
//! about every thread it reads.
//!
//! Upstream they are free objects that look like JSON Schema, so more is taken
//! than is documented: a list of types, a missing type, options of a text.

use std::collections::BTreeMap;

use assay_domain::report::{AttributeKind, AttributeSchema};
use serde_json::{Map, Value};

use crate::error::{ApiError, ApiResult};

/// Providers take forms of about so many properties.
const MAX_ATTRIBUTES: usize = 50;
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 2000;
const MAX_OPTIONS: usize = 200;

/// The questions, by name; 422 names the one that cannot be asked.
pub(super) fn read(given: Option<&Map<String, Value>>) -> ApiResult<BTreeMap<String, AttributeSchema>> {
    let invalid = |text: String| Err(ApiError::invalid(&["body", "attribute_schemas"], text));
    let given: Vec<_> = given.into_iter().flatten().collect();
    if given.len() > MAX_ATTRIBUTES {
        return invalid(format!("at most {MAX_ATTRIBUTES} attributes can be asked for"));
    }
    let mut schemas = BTreeMap::new();
    for (name, schema) in given {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return invalid(format!("a name has 1 to {MAX_NAME} characters"));
        }
        match one(schema) {
            Ok(schema) => drop(schemas.insert(name.to_owned(), schema)),
            Err(why) => return invalid(format!("{name:?} {why}")),
        }
    }
    Ok(schemas)
}

fn one(schema: &Value) -> Result<AttributeSchema, String> {
    let Some(fields) = schema.as_object() else {
        return Err("is not an object with type and description".to_owned());
    };
    let kind = kind(fields.get("type"))?;
    let description = match fields.get("description") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.chars().take(MAX_DESCRIPTION).collect(),
        Some(_) => return Err("has a description that is not a text".to_owned()),
    };
    let options = match fields.get("enum") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(options)) => {
            let texts: Option<Vec<String>> = options
                .iter()
                .filter(|one| !one.is_null())
                .map(|one| Some(one.as_str()?.to_owned()))
                .collect();
            texts.ok_or_else(|| "has an enum of other things than texts".to_owned())?
        }
        Some(_) => return Err("has an enum that is not a list".to_owned()),
    };
    if !options.is_empty() && kind != AttributeKind::String {
        return Err("has an enum and is not of type string".to_owned());
    }
    if options.len() > MAX_OPTIONS {
        return Err(format!("has more than {MAX_OPTIONS} options"));
    }
    let filter_by = fields.get("filter_by").and_then(Value::as_bool).unwrap_or(false);
    if filter_by && kind != AttributeKind::Boolean {
        return Err("cannot filter: only a boolean attribute can have filter_by".to_owned());
    }
    Ok(AttributeSchema { kind, description, options, filter_by })
}

/// `string` where absent; of a list, the first that is not `null`.
fn kind(given: Option<&Value>) -> Result<AttributeKind, String> {
    let word = match given {
        None | Some(Value::Null) => return Ok(AttributeKind::String),
        Some(Value::String(word)) => Some(word.as_str()),
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).find(|word| *word != "null"),
        Some(_) => None,
    };
    match word {
        Some("string") => Ok(AttributeKind::String),
        Some("number") => Ok(AttributeKind::Number),
        Some("integer") => Ok(AttributeKind::Integer),
        Some("boolean") => Ok(AttributeKind::Boolean),
        _ => Err("has a type that is none of string, number, integer, boolean".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(schema: Value) -> String {
        let map = Map::from_iter([("a".to_owned(), schema)]);
        read(Some(&map)).expect_err("refused").detail.to_string()
    }

    #[test]
    fn what_looks_like_json_schema_is_taken() {
        let given = json!({
            "mood": {"type": ["string", "null"], "description": "d", "enum": ["good", "bad", null]},
            "free": {},
            "solved": {"type": "boolean", "filter_by": true},
            "turns": {"type": "integer"},
        });
        let read = read(given.as_object()).expect("schemas");
        assert_eq!(read["mood"].options, ["good", "bad"]);
        assert_eq!(read["free"].kind, AttributeKind::String);
        assert!(read["solved"].filter_by);
        assert_eq!(read["turns"].kind, AttributeKind::Integer);
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        assert!(refused(json!("text")).contains("is not an object"));
        assert!(refused(json!({"type": "array"})).contains("has a type"));
        assert!(refused(json!({"type": "number", "enum": ["1"]})).contains("not of type string"));
        assert!(refused(json!({"type": "string", "filter_by": true})).contains("only a boolean"));
        let many: Map<String, Value> = (0..51).map(|n| (format!("a{n}"), json!({}))).collect();
        assert!(read(Some(&many)).is_err());
    }
}
