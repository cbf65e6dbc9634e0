//! The bodies that LangSmith's clients send: one run, a batch, a multipart form.
//!
//! Unlike a file, a client can be told what is wrong: an id that is no UUID, a
//! time that is none, an unknown run type are refused, run by run. A body that
//! cannot be taken apart at all is an error. Decoding has no clock and knows no
//! projects: what only the server can know is filled in there.

use assay_domain::run::Attachment;
use assay_domain::{ProjectId, RunId};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Place, run, take};
use crate::{Decoded, Names, json, time};

/// `POST /runs`: one run.
///
/// # Errors
/// If the body is no JSON object.
pub fn post(body: &[u8]) -> Result<Decoded, String> {
    let mut decoded = Decoded::default();
    let fields = object(body, &mut decoded)?;
    read(fields, true, None, &mut decoded);
    Ok(decoded)
}

/// `PATCH /runs/{id}`: an update of this run, whatever id its body names.
///
/// # Errors
/// If the body is no JSON object.
pub fn patch(id: RunId, body: &[u8]) -> Result<Decoded, String> {
    let mut decoded = Decoded::default();
    let mut fields = object(body, &mut decoded)?;
    fields.insert("id".into(), id.to_string().into());
    let read = read(fields, false, None, &mut decoded);
    if let (Some(other), false) = (read.filter(|read| *read != id), decoded.patches.is_empty()) {
        return Ok(Decoded::refused(format!("run {id}: its dotted_order is that of run {other}")));
    }
    Ok(decoded)
}

/// `POST /runs/batch`: `{"post": [run...], "patch": [run...]}`, creations first.
///
/// # Errors
/// If the body is no JSON object, or `post` or `patch` is no list.
pub fn batch(body: &[u8]) -> Result<Decoded, String> {
    let mut decoded = Decoded::default();
    let mut fields = object(body, &mut decoded)?;
    for (key, is_creation) in [("post", true), ("patch", false)] {
        let list = match take(&mut fields, key) {
            None => continue,
            Some(Value::Array(list)) => list,
            Some(_) => return Err(format!("{key} must be a list of runs")),
        };
        for (n, item) in list.into_iter().enumerate() {
            match item {
                Value::Object(fields) => {
                    let known = decoded.rejected.len();
                    read(fields, is_creation, None, &mut decoded);
                    for rejected in &mut decoded.rejected[known..] {
                        rejected.location = format!("{key}[{n}]");
                    }
                }
                _ => decoded.reject(format!("{key}[{n}]"), "a run must be an object"),
            }
        }
    }
    Ok(decoded)
}

/// `POST /runs/multipart`: see [`super::multipart`] for the names of the parts.
///
/// # Errors
/// If the body is not a form with this boundary.
pub fn multipart(body: &[u8], boundary: &str) -> Result<Decoded, String> {
    super::multipart::decode(body, boundary)
}

fn object(body: &[u8], decoded: &mut Decoded) -> Result<Map<String, Value>, String> {
    let json::Parsed { value, repaired } = json::parse(body)?;
    decoded.repaired += usize::from(repaired);
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err("the body must be a JSON object".to_owned()),
    }
}

/// Reads one run or refuses it. `named` is the id its part of a form names, for
/// one that brings none. Tells which run it is.
pub(super) fn read(
    mut fields: Map<String, Value>,
    is_creation: bool,
    named: Option<&str>,
    decoded: &mut Decoded,
) -> Option<RunId> {
    let files = files(&mut fields);
    match checked(&mut fields, named) {
        Ok((id, project)) => match run(fields, Some(is_creation), Names::everywhere(id), None) {
            Ok(mut patch) => {
                let id = patch.id;
                for (attachment, blob) in files {
                    patch.attachments.push(attachment);
                    decoded.blobs.push(blob);
                }
                decoded.projects.extend(project.map(|project| (id, project)));
                decoded.patches.push(patch);
                Some(id)
            }
            Err(reason) => {
                decoded.reject("", reason);
                Some(id)
            }
        },
        Err(reason) => {
            decoded.reject("", reason);
            None
        }
    }
}

/// Files inside JSON, where a client has no form to put them in: by name, `[mime type, base64]` or
/// `{"mime_type", "data": base64}`. Anything else is a client's bookkeeping of files that come as parts.
fn files(fields: &mut Map<String, Value>) -> Vec<(Attachment, crate::Blob)> {
    let Some(Value::Object(given)) = fields.remove("attachments") else { return Vec::new() };
    let file = |(name, value): (String, Value)| {
        let (mime_type, content) = match &value {
            Value::Array(pair) => match pair.as_slice() {
                [mime_type, content] => (mime_type, content),
                _ => return None,
            },
            value => (value.get("mime_type")?, value.get("data")?),
        };
        let content = crate::unbase64(content.as_str()?)?;
        Some(crate::attach(name, Some(mime_type.as_str()?.to_owned()), content))
    };
    given.into_iter().filter_map(file).collect()
}

/// What a file may get wrong and a client may not. Yields the id of the run
/// and the project it names by id.
fn checked(
    fields: &mut Map<String, Value>,
    named: Option<&str>,
) -> Result<(RunId, Option<ProjectId>), String> {
    // Bookkeeping of clients: children and replicas are sent by themselves.
    for key in ["child_runs", "replicas"] {
        fields.remove(key);
    }
    let given = uuid(fields, "id")?;
    let id = match (given, named) {
        (Some(id), _) => id,
        (None, Some(named)) => {
            Uuid::parse_str(named).map_err(|_| format!("{:?} is no run id: not a UUID", shown(named)))?
        }
        (None, None) => return Err("a run without an id".to_owned()),
    };
    fields.insert("id".into(), id.to_string().into());
    let check = |fields: &Map<String, Value>| -> Result<(), String> {
        uuid(fields, "trace_id")?;
        uuid(fields, "parent_run_id")?;
        shapes(fields)
    };
    check(fields).map_err(|reason| format!("run {id}: {reason}"))?;
    let project = uuid(fields, "session_id").map_err(|reason| format!("run {id}: {reason}"))?;
    Ok((RunId(id), project.map(ProjectId)))
}

fn shapes(fields: &Map<String, Value>) -> Result<(), String> {
    let present = |key: &str| fields.get(key).filter(|value| !value.is_null());
    for key in ["start_time", "end_time"] {
        if let Some(value) = present(key)
            && time::of(value).is_none()
        {
            return Err(format!("{key} {} is no date-time", shown(&value.to_string())));
        }
    }
    for (key, is_right, wanted) in [
        ("name", Value::is_string as fn(&Value) -> bool, "text"),
        ("run_type", Value::is_string, "text"),
        ("session_name", Value::is_string, "text"),
        ("dotted_order", Value::is_string, "text"),
        ("extra", Value::is_object, "an object"),
        ("events", Value::is_array, "a list"),
        ("tags", Value::is_array, "a list"),
    ] {
        if let Some(value) = present(key)
            && !is_right(value)
        {
            return Err(format!("{key} must be {wanted}"));
        }
    }
    if let Some(order) = present("dotted_order").and_then(Value::as_str)
        && !order.is_empty()
        && Place::parse(order).is_none()
    {
        return Err(format!("dotted_order {:?} does not consist of times and ids", shown(order)));
    }
    Ok(())
}

fn uuid(fields: &Map<String, Value>, key: &str) -> Result<Option<Uuid>, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => {
            Uuid::parse_str(text).map(Some).map_err(|_| format!("{key} {:?} is not a UUID", shown(text)))
        }
        Some(_) => Err(format!("{key} must be a UUID")),
    }
}

/// The beginning of what was given, for messages.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
