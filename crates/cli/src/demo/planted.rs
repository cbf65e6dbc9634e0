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
}
