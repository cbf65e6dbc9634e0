//! SQL functions for what columns cannot answer; see `filter/test.rs`.
//!
//! The condition comes as JSON in a bound parameter and is parsed once per
//! statement. A payload that cannot be read satisfies nothing.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fold;
use crate::filter::test::{EntryTests, Test, contains, is_like};
use crate::format;

type Cause = Box<dyn std::error::Error + Send + Sync>;

pub(crate) fn register(connection: &Connection) -> Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("is_like", 2, flags, |context| {
        Ok(match (context.get_raw(0).as_str_or_null()?, context.get_raw(1).as_str_or_null()?) {
            (Some(text), Some(pattern)) => is_like(text, pattern),
            _ => false,
        })
    })?;
    connection.create_scalar_function("holds_text", 2, flags, |context| {
        Ok(match (context.get_raw(0).as_str_or_null()?, context.get_raw(1).as_str_or_null()?) {
            (Some(text), Some(part)) => text.to_lowercase().contains(part),
            _ => false,
        })
    })?;
    connection.create_scalar_function("amount", 1, flags, |context| {
        Ok(context.get_raw(0).as_str_or_null()?.and_then(|text| text.parse::<f64>().ok()))
    })?;
    connection.create_scalar_function("raw_length", 1, flags, |context| {
        let body = context.get_raw(0).as_blob_or_null()?;
        Ok(body.and_then(format::raw_length).and_then(|length| i64::try_from(length).ok()))
    })?;
    connection.create_scalar_function("list_holds", 2, flags, |context| {
        let test = condition::<Test>(context, 1)?;
        let items: Vec<String> =
            parsed(context)?.and_then(|list| serde_json::from_value(list).ok()).unwrap_or_default();
        if matches!(*test, Test::Present) {
            return Ok(!items.is_empty());
        }
        Ok(items.iter().any(|item| test.holds(Some(item))))
    })?;
    connection.create_scalar_function("entry_holds", 2, flags, |context| {
        let tests = condition::<EntryTests>(context, 1)?;
        Ok(parsed(context)?.is_some_and(|value| tests.hold_somewhere(&value)))
    })?;
    connection.create_scalar_function("json_holds", 2, flags, |context| {
        let part = condition::<Value>(context, 1)?;
        Ok(contains(&parsed(context)?.unwrap_or_else(|| Value::Object(Default::default())), &part))
    })?;
    connection.create_scalar_function("payload_entry_holds", 3, flags, |context| {
        let tests = condition::<EntryTests>(context, 2)?;
        Ok(payload(context)?.is_some_and(|value| tests.hold_somewhere(&value)))
    })?;
    connection.create_scalar_function("payload_json_holds", 3, flags, |context| {
        let part = condition::<Value>(context, 2)?;
        Ok(payload(context)?.is_some_and(|value| contains(&value, &part)))
    })
}

/// The condition in a parameter, parsed at the first row.
fn condition<T: DeserializeOwned + Send + Sync + 'static>(
    context: &Context<'_>,
    parameter: i32,
) -> Result<std::sync::Arc<T>> {
    context.get_or_create_aux(parameter, |value| -> Result<T, Cause> {
        Ok(serde_json::from_str(value.as_str()?)?)
    })
}

/// The JSON in the first parameter.
fn parsed(context: &Context<'_>) -> Result<Option<Value>> {
    let text = context.get_raw(0).as_str_or_null()?;
    Ok(text.and_then(|text| serde_json::from_str(text).ok()))
}

/// Inputs (0) or outputs (1) of the payload in the first parameter.
fn payload(context: &Context<'_>) -> Result<Option<Value>> {
    let Some(body) = context.get_raw(0).as_blob_or_null()? else { return Ok(None) };
    let run = format::decode(body).and_then(|record| fold::fold(record, Default::default(), NOWHERE));
    let is_outputs = context.get::<i64>(1)? == 1;
    Ok(run.ok().map(|run| if is_outputs { run.outputs } else { run.inputs }))
}

const NOWHERE: assay_domain::ProjectId = assay_domain::ProjectId(uuid::Uuid::nil());
