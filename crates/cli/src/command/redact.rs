//! `assay redact --test`: what rules would take out, before they are relied on.
//!
//! Nothing is stored. Lines that are JSON objects with fields of a run are
//! gone through as runs are, other JSON value by value, everything else as text.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use assay_domain::{RunId, RunPatch};
use assay_redact::{Counts, Redactor, Rules, Seen};
use serde_json::{Map, Value, json};

use super::serve::of_file;
use crate::args::Redact;
use crate::{Outcome, output, stdin};

pub(crate) fn run(args: Redact) -> anyhow::Result<Outcome> {
    // A key of its own: hashes shown here are not those of any store.
    let redactor = Redactor::new(&rules(&args)?, b"test")?;
    let text = read(&args.test)?;
    let mut counts = Counts::default();
    for (place, value) in records(&text) {
        let mut seen = Seen::default();
        let (before, after) = match value {
            Value::String(line) => {
                let after = redactor.text(&line, &mut seen).unwrap_or_else(|| line.clone());
                (Value::String(line), Value::String(after))
            }
            value => treated(&redactor, value, &mut seen),
        };
        let mut changes = Vec::new();
        differences(&mut String::new(), Some(&before), Some(&after), &mut changes);
        for change in changes {
            output::print(&format!("{place}{}", output::plain(&change)))?;
        }
        counts.add_all(&seen.counts);
    }
    output::note(&summary(&counts));
    Ok(Outcome::Done)
}

fn rules(args: &Redact) -> anyhow::Result<Rules> {
    let Some(file) = &args.config else {
        let all = || vec!["all".to_owned()];
        let detectors = if args.detectors.is_empty() { all() } else { args.detectors.clone() };
        return Ok(Rules { detectors, ..Rules::default() });
    };
    let config = of_file(Some(file), std::collections::BTreeMap::new())?.server;
    let general = config.ingest.redact;
    let Some(name) = &args.project else { return Ok(general) };
    let own = config.projects.get(name).with_context(|| format!("{file:?} has no [projects.{name:?}]"))?;
    Ok(own.redact.and(&general))
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        stdin::open()?.read_to_end(&mut bytes)?;
    } else {
        bytes = fs_err::read(file)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The whole as one JSON value, or line by line, each with where it is.
fn records(text: &str) -> Vec<(String, Value)> {
    if let Ok(whole @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
        return vec![(String::new(), whole)];
    }
    let record = |(index, line): (usize, &str)| {
        let value = match serde_json::from_str(line) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => value,
            _ => Value::String(line.to_owned()),
        };
        (format!("{}: ", index + 1), value)
    };
    text.lines().enumerate().map(record).collect()
}

/// A value before and after.
fn treated(redactor: &Redactor, mut value: Value, seen: &mut Seen) -> (Value, Value) {
    let before = value.clone();
    match &mut value {
        Value::Object(map) if ["inputs", "outputs"].iter().any(|side| map.contains_key(*side)) => {
            run_like(redactor, map, seen);
        }
        Value::Array(items) => {
            for item in items {
                *item = treated(redactor, std::mem::take(item), seen).1;
            }
        }
        other => redactor.value(other, seen),
    }
    (before, value)
}

/// Goes through the fields of a run as ingest does; others stay as they are.
fn run_like(redactor: &Redactor, map: &mut Map<String, Value>, seen: &mut Seen) {
    let mut patch = RunPatch { id: RunId::default(), ..RunPatch::default() };
    let text = |map: &Map<String, Value>, key: &str| map.get(key)?.as_str().map(str::to_owned);
    patch.name = text(map, "name");
    patch.error = text(map, "error");
    patch.inputs = map.get("inputs").cloned();
    patch.outputs = map.get("outputs").cloned();
    patch.extra = map.get("extra").and_then(Value::as_object).cloned();
    patch.events = map.get("events").and_then(Value::as_array).cloned();
    patch.serialized = map.get("serialized").cloned();
    // Metadata stands inside of extra where clients write runs, and beside it where they are shown.
    let inner = patch.extra.as_mut().and_then(|extra| extra.remove("metadata"));
    let is_inside = inner.is_some();
    patch.metadata = inner.or_else(|| map.get("metadata").cloned()).and_then(|value| match value {
        Value::Object(metadata) => Some(metadata),
        _ => None,
    });
    let tags = map.get("tags").and_then(Value::as_array);
    patch.tags = tags.map(|tags| tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect());
    redactor.patch(&mut patch, seen);
    if is_inside && let (Some(extra), Some(metadata)) = (&mut patch.extra, patch.metadata.take()) {
        extra.insert("metadata".into(), Value::Object(metadata));
    }
    let fields = [
        ("name", json!(patch.name)),
        ("error", json!(patch.error)),
        ("inputs", json!(patch.inputs)),
        ("outputs", json!(patch.outputs)),
        ("extra", json!(patch.extra)),
        ("metadata", json!(patch.metadata)),
        ("events", json!(patch.events)),
        ("serialized", json!(patch.serialized)),
        ("tags", json!(patch.tags)),
    ];
    for (key, value) in fields {
        if map.contains_key(key) && !value.is_null() {
            map.insert(key.into(), value);
        }
    }
}

/// Writes down where two values differ, leaf by leaf.
fn differences(place: &mut String, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<String>) {
    if before == after {
        return;
    }
    let length = place.len();
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                *place += &format!("{}{key}", if length == 0 { "" } else { "." });
                differences(place, old.get(key), new.get(key), changes);
                place.truncate(length);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                *place += &format!("[{index}]");
                differences(place, old.get(index), new.get(index), changes);
                place.truncate(length);
            }
        }
        _ => {
            let shown = |value: Option<&Value>| match value {
                None => "(nothing)".to_owned(),
                Some(Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
            };
            let colon = if length == 0 { "" } else { ": " };
            changes.push(format!("{place}{colon}{}\n  -> {}", shown(before), shown(after)));
        }
    }
}

fn summary(counts: &Counts) -> String {
    if counts.is_empty() {
        return "nothing would be taken out".into();
    }
    let each: Vec<String> = counts.0.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
    format!("would be taken out: {}", each.join(", "))
}
