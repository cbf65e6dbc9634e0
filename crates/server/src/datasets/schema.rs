//! The JSON schemas that examples of a dataset must fit.
//!
//! Schemas come from clients: patterns run in linear time, and no schema is
//! ever fetched from elsewhere.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use super::dataset::Dataset;
use crate::error::{ApiError, ApiResult};

/// Bytes of compiled pattern, each.
const MAX_PATTERN: usize = 1 << 20;
/// So many failures of one example are told.
const MAX_TOLD: usize = 3;

/// A schema that was understood.
pub(super) struct Schema(Validator);

impl Schema {
    /// 422, naming the field, for a schema that makes no sense.
    pub(super) fn of(field: &str, definition: Option<&Value>) -> ApiResult<Option<Self>> {
        let Some(definition) = definition.filter(|definition| !definition.is_null()) else { return Ok(None) };
        let refuse = |why: String| ApiError::invalid(&["body", field], why);
        if !definition.is_object() {
            return Err(refuse("a schema must be an object".to_owned()));
        }
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN);
        let validator = jsonschema::options().with_pattern_options(patterns).build(definition);
        validator.map(|validator| Some(Self(validator))).map_err(|error| refuse(shown(&error.to_string())))
    }

    /// 422, naming example and field, with what does not fit.
    fn check(&self, example: &str, field: &str, value: &Map<String, Value>) -> ApiResult<()> {
        let value = Value::Object(value.clone());
        let failures: Vec<String> = self
            .0
            .iter_errors(&value)
            .take(MAX_TOLD)
            .map(|error| match error.instance_path().as_str() {
                "" => shown(&error.to_string()),
                path => format!("{path}: {}", shown(&error.to_string())),
            })
            .collect();
        if failures.is_empty() {
            return Ok(());
        }
        let text = format!("{example} does not fit the schema of its dataset: {}", failures.join("; "));
        Err(ApiError::invalid(&["body", field], text))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Both schemas of a dataset.
pub(super) struct Schemas {
    inputs: Option<Schema>,
    outputs: Option<Schema>,
}

impl Schemas {
    pub(super) fn of(dataset: &Dataset) -> ApiResult<Self> {
        let details = &dataset.details;
        Ok(Self {
            inputs: Schema::of("inputs_schema_definition", details.inputs_schema_definition.as_ref())?,
            outputs: Schema::of("outputs_schema_definition", details.outputs_schema_definition.as_ref())?,
        })
    }

    /// An example without outputs is judged by its inputs alone.
    pub(super) fn check(
        &self,
        example: &str,
        inputs: &Map<String, Value>,
        outputs: Option<&Map<String, Value>>,
    ) -> ApiResult<()> {
        if let Some(schema) = &self.inputs {
            schema.check(example, "inputs", inputs)?;
        }
        if let (Some(schema), Some(outputs)) = (&self.outputs, outputs) {
            schema.check(example, "outputs", outputs)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_told() {
        let schema =
            Schema::of("x", Some(&json!({"properties": {"a": {"type": "string"}}, "required": ["a"]})));
        let schema = schema.expect("a schema").expect("a schema");
        let fields = |value: Value| value.as_object().cloned().expect("an object");
        assert!(schema.check("it", "inputs", &fields(json!({"a": "b"}))).is_ok());
        let error = schema.check("it", "inputs", &fields(json!({"a": 1}))).expect_err("no text");
        assert!(error.detail.to_string().contains("/a: 1 is not of type"), "{}", error.detail);
    }

    #[test]
    fn hostile_schemas_end_in_a_refusal_or_a_quick_answer() {
        let fields = json!({"a": "a".repeat(50_000)}).as_object().cloned().expect("an object");
        for definition in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
            json!({"not": {"$ref": "#"}}),
            json!({"properties": {"a": {"pattern": "^(a+)+$b"}}}),
            json!({"properties": {"a": {"pattern": "(a{1000}){1000}"}}}),
            json!({"$ref": "http://127.0.0.1:9/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"type": 3}),
            json!([]),
        ] {
            if let Ok(Some(schema)) = Schema::of("x", Some(&definition)) {
                let _ = schema.check("it", "inputs", &fields);
            }
        }
    }
}
