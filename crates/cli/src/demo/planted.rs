//! What was planted: the truth a report is measured against.
//!
//! It is written beside the corpus as `planted.json` and never ingested.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Everything that was planted in a corpus.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Planted {
    /// The failure modes, whether or not a thread of this corpus has them.
    pub(crate) failures: Vec<PlantedFailure>,
    /// By thread id.
    pub(crate) threads: BTreeMap<String, PlantedThread>,
}

/// A failure mode.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlantedFailure {
    pub(crate) name: String,
    pub(crate) description: String,
    /// How it shows in a trace.
    pub(crate) signature: String,
    /// The metadata attribute and value it goes with, if there is one.
    pub(crate) goes_with: Option<(String, String)>,
}

/// What a thread is about and what went wrong in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlantedThread {
    /// `None` for a conversation about something of its own.
    pub(crate) topic: Option<Topic>,
    /// Names of failure modes, empty if all went well.
    pub(crate) failures: Vec<String>,
}

/// Where a thread belongs among what users ask for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Topic {
    pub(crate) area: String,
    pub(crate) intent: String,
}

impl Planted {
    /// The content of `planted.json`.
    pub(crate) fn to_json(&self) -> Value {
        let failures: Vec<Value> = self
            .failures
            .iter()
            .map(|failure| {
                json!({
                    "name": failure.name,
                    "description": failure.description,
                    "signature": failure.signature,
                    "goes_with": failure.goes_with.as_ref().map(|(attribute, value)| json!({
                        "attribute": attribute, "value": value,
                    })),
                })
            })
            .collect();
        let threads: Map<String, Value> = self
            .threads
            .iter()
            .map(|(id, thread)| {
                let topic = thread.topic.as_ref();
                let planted = json!({
                    "area": topic.map(|topic| &topic.area),
                    "intent": topic.map(|topic| &topic.intent),
                    "failures": thread.failures,
                });
                (id.clone(), planted)
            })
            .collect();
        json!({"failures": failures, "threads": threads})
    }

    /// Reads `planted.json` back. The error names what is missing.
    pub(crate) fn from_json(json: &Value) -> Result<Self, String> {
        let failures = json["failures"].as_array().ok_or("\"failures\" is not a list")?;
        let threads = json["threads"].as_object().ok_or("\"threads\" is not an object")?;
        Ok(Self {
            failures: failures.iter().map(failure_of).collect::<Result<_, _>>()?,
            threads: threads
                .iter()
                .map(|(id, thread)| Ok((id.clone(), thread_of(thread)?)))
                .collect::<Result<_, String>>()?,
        })
    }
}

fn failure_of(json: &Value) -> Result<PlantedFailure, String> {
    let goes_with = &json["goes_with"];
    Ok(PlantedFailure {
        name: text(json, "name")?,
        description: text(json, "description")?,
        signature: text(json, "signature")?,
        goes_with: match goes_with {
            Value::Null => None,
            _ => Some((text(goes_with, "attribute")?, text(goes_with, "value")?)),
        },
    })
}

fn thread_of(json: &Value) -> Result<PlantedThread, String> {
    let failures = json["failures"].as_array().ok_or("\"failures\" of a thread is not a list")?;
    Ok(PlantedThread {
        topic: match json["intent"] {
            Value::Null => None,
            _ => Some(Topic { area: text(json, "area")?, intent: text(json, "intent")? }),
        },
        failures: failures
            .iter()
            .map(|name| name.as_str().map(str::to_owned).ok_or("a failure's name is not text"))
            .collect::<Result<_, _>>()?,
    })
}

fn text(json: &Value, field: &str) -> Result<String, String> {
    json[field].as_str().map(str::to_owned).ok_or_else(|| format!("{field:?} is not text"))
}
