//! Conditions on the bodies of examples: metadata, filter expressions, texts.

use assay_domain::{ProjectId, Run, RunId};
use assay_store::Filter;
use serde_json::Value;

use super::ledger::Example;
use super::snapshot::Condition;
use crate::error::ApiResult;
use crate::extract::Params;
use crate::filters;

/// What `metadata`, `filter` and `full_text_contains` ask for.
pub(super) fn of(params: &Params) -> ApiResult<Vec<Condition>> {
    let mut conditions: Vec<Condition> = Vec::new();
    if let Some(wanted) = super::dataset::json_object(params, "metadata")? {
        conditions.push(Box::new(move |example| {
            let wanted = wanted.as_object().into_iter().flatten();
            wanted.into_iter().all(|(key, value)| {
                example.content.metadata.get(key).is_some_and(|whole| contains(whole, value))
            })
        }));
    }
    for filter in params.all("filter") {
        if let Some(filter) = filters::parse("filter", Some(filter))? {
            conditions.push(Box::new(move |example| holds(&filter, example)));
        }
    }
    for text in params.all("full_text_contains") {
        let wanted = text.to_lowercase();
        conditions.push(Box::new(move |example| {
            let inputs = example.content.inputs.values();
            inputs
                .chain(example.content.outputs.iter().flat_map(|outputs| outputs.values()))
                .any(|it| mentions(it, &wanted))
        }));
    }
    Ok(conditions)
}

/// Filters are about runs: an example is to them a run that has what it has.
fn holds(filter: &Filter, example: &Example) -> bool {
    let content = example.content.clone();
    let mut run = Run::unknown(RunId(example.id), ProjectId::default());
    run.start_time = Some(example.created_at);
    run.metadata = content.metadata;
    run.inputs = Value::Object(content.inputs);
    run.outputs = content.outputs.map_or(Value::Null, Value::Object);
    filter.holds_of(&run)
}

/// Whether all of `part` is in `whole`: objects by key, lists as sets.
pub(super) fn contains(whole: &Value, part: &Value) -> bool {
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

/// Whether some text of a value contains another, which is in lower case.
fn mentions(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text.to_lowercase().contains(wanted),
        Value::Array(list) => list.iter().any(|value| mentions(value, wanted)),
        Value::Object(map) => map.values().any(|value| mentions(value, wanted)),
        Value::Null => false,
        other => other.to_string().contains(wanted),
    }
}
