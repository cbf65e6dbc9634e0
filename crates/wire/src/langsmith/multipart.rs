//! The multipart form of runs: which part means what.
//!
//! * `post.{run}` and `patch.{run}` hold a run without its large fields, which
//!   come as `post.{run}.inputs`, `.outputs`, `.events`, `.extra`, `.error`,
//!   `.serialized`. All parts with one operation and run are one piece of it.
//! * `attachment.{run}.{name}` is a file, `feedback.{id}` a feedback record.
//!
//! Clients that compress put creation and update of a run into one body, in
//! any order; so everything is grouped first. Creations come out before updates.

use std::collections::{HashMap, HashSet};

use assay_domain::{RunId, RunPatch};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::{read, shown};
use crate::multipart::{self, Part};
use crate::{Decoded, Names, json};

/// Fields that clients send as parts of their own.
const FIELDS: [&str; 6] = ["inputs", "outputs", "events", "extra", "error", "serialized"];

/// The parts of one operation on one run.
struct Group<'a> {
    is_creation: bool,
    /// The id as the parts name it.
    run: &'a str,
    fields: Map<String, Value>,
    /// Why it cannot be read.
    broken: Option<String>,
}

pub(super) fn decode(body: &[u8], boundary: &str) -> Result<Decoded, String> {
    let parts = multipart::parts(body, boundary)?;
    let mut decoded = Decoded::default();
    let (groups, others) = group(&parts, &mut decoded);
    let mut runs = Runs::default();
    let (creations, updates): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.is_creation);
    for group in creations.into_iter().chain(updates) {
        let known = decoded.rejected.len();
        let location = format!("{}.{}", if group.is_creation { "post" } else { "patch" }, shown(group.run));
        let id = match group.broken {
            None => read(group.fields, group.is_creation, Some(group.run), &mut decoded),
            Some(reason) => {
                decoded.reject("", reason);
                None
            }
        };
        if let [refusal] = &mut decoded.rejected[known..] {
            refusal.location = location;
            runs.lost.extend(id.or_else(|| group.run.parse().ok()));
        } else if let Some(id) = id {
            runs.latest.insert(id, decoded.patches.len() - 1);
        }
    }
    for part in others {
        match part.name.split_once('.') {
            Some(("attachment", rest)) => attachment(part, rest, &mut runs, &mut decoded),
            Some(("feedback", _)) => feedback(part, &mut decoded),
            _ => decoded.reject(
                shown(&part.name),
                "the names of parts begin with post., patch., attachment. or feedback.",
            ),
        }
    }
    Ok(decoded)
}

/// What became of the runs of a form.
#[derive(Default)]
struct Runs {
    /// Position of the last patch of each.
    latest: HashMap<RunId, usize>,
    lost: HashSet<RunId>,
}

/// Puts together what belongs to one operation on one run; hands back the other parts.
fn group<'a>(parts: &'a [Part<'a>], decoded: &mut Decoded) -> (Vec<Group<'a>>, Vec<&'a Part<'a>>) {
    let mut groups: Vec<Group> = Vec::new();
    let mut positions: HashMap<(bool, &str), usize> = HashMap::new();
    let mut others = Vec::new();
    for part in parts {
        let (is_creation, rest) = match part.name.split_once('.') {
            Some(("post", rest)) => (true, rest),
            Some(("patch", rest)) => (false, rest),
            _ => {
                others.push(part);
                continue;
            }
        };
        let (run, field) = rest.split_once('.').map_or((rest, None), |(run, field)| (run, Some(field)));
        let position = *positions.entry((is_creation, run)).or_insert_with(|| {
            groups.push(Group { is_creation, run, fields: Map::new(), broken: None });
            groups.len() - 1
        });
        let group = &mut groups[position];
        if let Err(reason) = add(group, field, part, decoded) {
            group.broken.get_or_insert(reason);
        }
    }
    (groups, others)
}

fn add(group: &mut Group, field: Option<&str>, part: &Part, decoded: &mut Decoded) -> Result<(), String> {
    let parsed = json::parse(part.content);
    let value = match (parsed, field) {
        (Ok(json::Parsed { value, repaired }), _) => {
            decoded.repaired += usize::from(repaired);
            value
        }
        // An error is text: nothing is lost where its quotes are.
        (Err(_), Some("error")) => Value::String(String::from_utf8_lossy(part.content).into_owned()),
        (Err(reason), _) => return Err(format!("part {:?}: {reason}", shown(&part.name))),
    };
    match (field, value) {
        (Some(field), value) if FIELDS.contains(&field) => {
            group.fields.insert(field.to_owned(), value);
            Ok(())
        }
        (Some(field), _) => Err(format!(
            "part {:?}: no field {:?} comes as a part of its own",
            shown(&part.name),
            shown(field)
        )),
        (None, Value::Object(fields)) => {
            for (key, value) in fields {
                // What came as a part of its own counts.
                group.fields.entry(key).or_insert(value);
            }
            Ok(())
        }
        (None, _) => Err(format!("part {:?} must be a JSON object", shown(&part.name))),
    }
}

/// Puts a file on its run: on the latest piece of it in this body, else on a piece of its own.
fn attachment(part: &Part, rest: &str, runs: &mut Runs, decoded: &mut Decoded) {
    let Some((run, name)) = rest.split_once('.').filter(|(_, name)| !name.is_empty()) else {
        return decoded.reject(shown(&part.name), "an attachment part is named attachment.{run}.{name}");
    };
    let Ok(id) = run.parse::<RunId>() else {
        return decoded.reject(shown(&part.name), format!("{:?} is no run id: not a UUID", shown(run)));
    };
    if runs.lost.contains(&id) {
        return decoded.reject(shown(&part.name), format!("run {id} was not accepted"));
    }
    let (attachment, blob) = crate::attach(name.to_owned(), part.mime_type(), part.content.to_vec());
    decoded.blobs.push(blob);
    let position = *runs.latest.entry(id).or_insert_with(|| {
        decoded.patches.push(RunPatch { id, ..RunPatch::default() });
        decoded.patches.len() - 1
    });
    decoded.patches[position].attachments.push(attachment);
}

/// The record itself says what it is about. The name of its part is its id,
/// unless it is that of the run: clients do either.
fn feedback(part: &Part, decoded: &mut Decoded) {
    let named = part.name.split_once('.').map_or("", |(_, id)| id);
    let mut value = match json::parse(part.content) {
        Ok(json::Parsed { value, repaired }) => {
            decoded.repaired += usize::from(repaired);
            value
        }
        Err(reason) => return decoded.reject(shown(&part.name), reason),
    };
    if let (Value::Object(fields), Ok(id)) = (&mut value, Uuid::parse_str(named)) {
        let is = |key: &str| fields.get(key).and_then(Value::as_str) == Some(named);
        if fields.get("id").is_none_or(Value::is_null) && !is("run_id") && !is("trace_id") {
            fields.insert("id".into(), id.to_string().into());
        }
    }
    // The seed of an id follows from the record, so that sending it twice is saying it once.
    let seed = RunId::from_name(&value.to_string());
    let mut one = super::feedback(value, Names::everywhere(seed));
    for rejected in &mut one.rejected {
        rejected.location = shown(&part.name);
    }
    decoded.append(one);
}
