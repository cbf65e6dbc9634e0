//! The dialects of telemetry, and the one order in which they are believed.
//!
//! Each dialect is a plain function from a span to the [`Fields`] it can tell;
//! a new one is a new file and a line in [`DIALECTS`]. They are merged field by
//! field, and for most fields the earlier dialect wins:
//!
//! 1. `langsmith.*` states run fields in their own words;
//! 2. OpenInference, Vercel's AI SDK, the GenAI conventions (events before
//!    attributes), OpenLLMetry and Logfire each describe their own spans;
//! 3. `langfuse.*` repeats, where a backend re-exports, what others said, so it
//!    only fills what is still missing.
//!
//! Inputs and outputs: a list of messages beats a whole value, whoever brings it
//! (numbered messages are cut up by the instrumentation, which knows the client;
//! whole values may be anything). Kinds: a stated kind beats a likely one.
//! Metadata, invocation parameters and tags are united.

mod gen_ai;
mod langfuse;
mod langsmith;
mod logfire;
mod openinference;
mod openllmetry;
mod vercel_ai;

use std::collections::HashSet;

use assay_domain::run::Attachment;
use assay_domain::{ProjectId, RunKind, Time, Usage};
use serde_json::{Map, Value, json};

use super::messages;
use super::span::{Reader, Span};
use crate::Blob;

type Dialect = fn(&Span, &Reader) -> Fields;

/// In order of precedence.
const DIALECTS: [Dialect; 7] = [
    langsmith::read,
    openinference::read,
    vercel_ai::read,
    gen_ai::read,
    openllmetry::read,
    logfire::read,
    langfuse::read,
];

/// What a dialect can tell of a run. Absent fields say nothing.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub name: Option<String>,
    pub project: Option<String>,
    /// A project by its id, which counts more than a name.
    pub project_id: Option<ProjectId>,
    /// What the span says it is.
    pub kind: Option<RunKind>,
    /// What it must be, going by what else it carries.
    pub likely_kind: Option<RunKind>,
    pub inputs: Option<Payload>,
    pub outputs: Option<Payload>,
    /// Messages that stand before those of the inputs.
    pub system: Vec<Value>,
    pub error: Option<String>,
    pub first_token: Option<Time>,
    pub usage: Option<Usage>,
    pub provider: Option<String>,
    pub model: Option<String>,
    pub thread: Option<String>,
    pub reference_example: Option<String>,
    pub attachments: Vec<Attachment>,
    /// Contents of attachments.
    pub blobs: Vec<Blob>,
    pub tags: Vec<String>,
    pub metadata: Map<String, Value>,
    pub invocation: Map<String, Value>,
    /// For `extra`, by its key there.
    pub extra: Map<String, Value>,
}

/// What went into a run or came out of it.
#[derive(Debug)]
pub(super) struct Payload {
    pub value: Value,
    /// Whether it is `{"messages": […]}`, `{"choices": […]}` or `{"documents": […]}`.
    pub is_structured: bool,
}

impl Payload {
    /// None for an empty list.
    pub(super) fn messages(list: Vec<Value>) -> Option<Self> {
        (!list.is_empty()).then(|| Self { value: json!({ "messages": list }), is_structured: true })
    }

    pub(super) fn structured(key: &str, list: Vec<Value>) -> Option<Self> {
        (!list.is_empty()).then(|| Self { value: json!({ key: list }), is_structured: true })
    }

    /// A whole value: messages where it is shaped like some, an object as it
    /// is, anything else under `key`. None for null and the empty string.
    pub(super) fn whole(value: Value, key: &str) -> Option<Self> {
        match messages::of_value(value) {
            messages::Found::List(list) => Self::messages(list),
            messages::Found::Inside(value) => Some(Self { value, is_structured: true }),
            messages::Found::None(value @ Value::Object(_)) => Some(Self { value, is_structured: false }),
            messages::Found::None(Value::Null) => None,
            messages::Found::None(Value::String(text)) if text.is_empty() => None,
            messages::Found::None(value) => Some(Self { value: json!({ key: value }), is_structured: false }),
        }
    }

    /// The arguments of a tool: never mistaken for messages.
    pub(super) fn arguments(value: Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Object(_) => Some(Self { value, is_structured: false }),
            value => Some(Self { value: json!({ "input": value }), is_structured: false }),
        }
    }

    /// What a tool returned: never mistaken for messages.
    pub(super) fn result(value: Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Object(_) => Some(Self { value, is_structured: false }),
            value => Some(Self { value: json!({ "output": value }), is_structured: false }),
        }
    }
}

/// All that the dialects know of a span together.
pub(super) fn read(span: &Span, reader: &Reader) -> Fields {
    let mut known = Fields::default();
    for dialect in DIALECTS {
        known.fill(dialect(span, reader));
    }
    known
}

impl Fields {
    /// Takes from `later` what is still missing here.
    fn fill(&mut self, later: Self) {
        // Spelled out in full: a new field must not be forgotten here.
        let Self {
            name,
            project,
            project_id,
            kind,
            likely_kind,
            inputs,
            outputs,
            system,
            error,
            first_token,
            usage,
            provider,
            model,
            thread,
            reference_example,
            attachments,
            blobs,
            tags,
            metadata,
            invocation,
            extra,
        } = later;
        fill(&mut self.name, name);
        fill(&mut self.project, project);
        fill(&mut self.project_id, project_id);
        fill(&mut self.kind, kind);
        fill(&mut self.likely_kind, likely_kind);
        fill_payload(&mut self.inputs, inputs);
        fill_payload(&mut self.outputs, outputs);
        if self.system.is_empty() {
            self.system = system;
        }
        fill(&mut self.error, error);
        fill(&mut self.first_token, first_token);
        fill_usage(&mut self.usage, usage);
        fill(&mut self.provider, provider);
        fill(&mut self.model, model);
        fill(&mut self.thread, thread);
        fill(&mut self.reference_example, reference_example);
        self.attachments.extend(attachments);
        self.blobs.extend(blobs);
        let known: HashSet<String> = self.tags.iter().cloned().collect();
        self.tags.extend(tags.into_iter().filter(|tag| !known.contains(tag)));
        fill_map(&mut self.metadata, metadata);
        fill_map(&mut self.invocation, invocation);
        fill_map(&mut self.extra, extra);
    }

    /// Adds `attribute` to the metadata as `key` if the span has it.
    pub(super) fn note(&mut self, reader: &Reader, attribute: &str, key: &str) {
        if let Some(value) = reader.get(attribute) {
            self.metadata.entry(key).or_insert_with(|| value.clone());
        }
    }
}

fn fill<T>(known: &mut Option<T>, later: Option<T>) {
    if known.is_none() {
        *known = later;
    }
}

fn fill_payload(known: &mut Option<Payload>, later: Option<Payload>) {
    let Some(later) = later else { return };
    let is_better = known.as_ref().is_none_or(|known| later.is_structured && !known.is_structured);
    if is_better {
        *known = Some(later);
    }
}

/// Counts of one dialect are not mixed with those of another, but a cost is taken from either.
fn fill_usage(known: &mut Option<Usage>, later: Option<Usage>) {
    let Some(later) = later else { return };
    match known {
        None => *known = Some(later),
        Some(known) if known.total_tokens == 0 && later.total_tokens > 0 => {
            let cost = known.stated_cost.take();
            *known = later;
            fill(&mut known.stated_cost, cost);
        }
        Some(known) => fill(&mut known.stated_cost, later.stated_cost),
    }
}

fn fill_map(known: &mut Map<String, Value>, later: Map<String, Value>) {
    for (key, value) in later {
        known.entry(key).or_insert(value);
    }
}

/// The kind of run for the words that instrumentations use for kinds of spans.
fn kind_of(word: &str) -> Option<RunKind> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "llm" | "chat" | "completion" | "text_completion" | "generate_content" | "generation" => RunKind::Llm,
        "embedding" | "embeddings" => RunKind::Embedding,
        "tool" | "execute_tool" => RunKind::Tool,
        "retriever" | "reranker" | "retrieval" => RunKind::Retriever,
        "prompt" => RunKind::Prompt,
        "parser" => RunKind::Parser,
        "" | "unknown" => return None,
        _ => RunKind::Chain,
    })
}

/// Tags as a list, a JSON list, or words between commas.
fn tags(value: &Value) -> Vec<String> {
    match super::span::parsed(value) {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => {
            text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
