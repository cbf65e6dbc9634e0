//! Runs, and the patches they arrive in.
//!
//! A client reports a run in pieces, usually one when it starts and one when
//! it ends, over connections that retry and reorder. What is ingested is a
//! [`RunPatch`]; a [`Run`] is what one reads. [`Run::apply`] is the only way
//! from one to the other.

use serde_json::{Map, Value};

use crate::{Cost, ProjectId, RunId, ThreadId, Time, TraceId, Usage};

/// What kind of step a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunKind {
    Llm,
    #[default]
    Chain,
    Tool,
    Retriever,
    Embedding,
    Prompt,
    Parser,
}

impl RunKind {
    pub const ALL: [Self; 7] =
        [Self::Llm, Self::Chain, Self::Tool, Self::Retriever, Self::Embedding, Self::Prompt, Self::Parser];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Llm => "llm",
            Self::Chain => "chain",
            Self::Tool => "tool",
            Self::Retriever => "retriever",
            Self::Embedding => "embedding",
            Self::Prompt => "prompt",
            Self::Parser => "parser",
        }
    }

    /// The kind of this name, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

/// Where `extra` says `true` under this key, the run is over though its end has no time: a chat in a file.
pub const ENDED: &str = "ended";

/// How a run ended, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RunStatus {
    #[default]
    Pending,
    Success,
    Error,
}

impl RunStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Error => "error",
        }
    }
}

/// A file that came with a run. The bytes live outside the run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    pub name: String,
    pub mime_type: Option<String>,
    /// Where the bytes are: a URL or a key in our own store.
    pub reference: String,
    /// Size in bytes, if known.
    pub size: Option<u64>,
}

/// How a reference begins whose bytes are in our own store; their SHA-256 in hex follows.
const IN_STORE: &str = "sha256:";

impl Attachment {
    /// A file whose bytes are in the store under their SHA-256.
    #[must_use]
    pub fn in_store(name: String, mime_type: Option<String>, key: [u8; 32], size: usize) -> Self {
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        Self { name, mime_type, reference: format!("{IN_STORE}{hex}"), size: Some(size as u64) }
    }

    /// The key of the bytes, where they are in the store.
    #[must_use]
    pub fn key(&self) -> Option<[u8; 32]> {
        let hex = self.reference.strip_prefix(IN_STORE).filter(|hex| hex.len() == 64 && hex.is_ascii())?;
        let mut key = [0; 32];
        for (n, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[n * 2..n * 2 + 2], 16).ok()?;
        }
        Some(key)
    }
}

/// One step of an agent: a model call, a tool call, a chain of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub project: ProjectId,
    /// Equal to the id of the root run.
    pub trace: TraceId,
    pub parent: Option<RunId>,
    /// The thread key this very run carries in its metadata. The thread of a
    /// trace is decided over all its runs: see [`crate::ThreadOverview`].
    pub thread: Option<ThreadId>,
    /// Sortable position in the trace: `<start>Z<id>` per ancestor, joined by dots.
    pub dotted_order: Option<String>,
    pub name: String,
    pub kind: RunKind,
    pub start_time: Option<Time>,
    pub end_time: Option<Time>,
    /// When a streaming model said its first word.
    pub first_token_time: Option<Time>,
    /// `Null` when absent.
    pub inputs: Value,
    /// `Null` when absent.
    pub outputs: Value,
    pub error: Option<String>,
    pub events: Vec<Value>,
    pub tags: Vec<String>,
    pub metadata: Map<String, Value>,
    /// Everything else the client attached: runtime, invocation parameters, ...
    pub extra: Map<String, Value>,
    /// The serialized object that ran, as the client described it.
    pub serialized: Value,
    pub reference_example: Option<String>,
    pub attachments: Vec<Attachment>,
    /// Tokens of this very run, not of its children.
    pub usage: Option<Usage>,
    /// Cost of this very run; `None` when unknown.
    pub cost: Option<Cost>,
}

/// A piece of a run as it arrives. Absent fields say nothing: they never erase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunPatch {
    pub id: RunId,
    /// A creation is folded before all updates, whenever it arrives.
    pub is_creation: bool,
    /// A creation that is all there is to say, such as a history in a file: it takes the place of
    /// every creation before it, so a corrected file that is imported again counts.
    pub is_whole: bool,
    /// The project by name; the importer or the server supplies one where the patch has none.
    pub project_name: Option<String>,
    pub trace: Option<TraceId>,
    pub parent: Option<RunId>,
    pub thread: Option<ThreadId>,
    pub dotted_order: Option<String>,
    pub name: Option<String>,
    pub kind: Option<RunKind>,
    pub start_time: Option<Time>,
    pub end_time: Option<Time>,
    pub first_token_time: Option<Time>,
    pub inputs: Option<Value>,
    pub outputs: Option<Value>,
    pub error: Option<String>,
    pub events: Option<Vec<Value>>,
    pub tags: Option<Vec<String>>,
    pub metadata: Option<Map<String, Value>>,
    pub extra: Option<Map<String, Value>>,
    pub serialized: Option<Value>,
    pub reference_example: Option<String>,
    pub attachments: Vec<Attachment>,
    pub usage: Option<Usage>,
}

impl Run {
    /// A run of which nothing is known but its id.
    #[must_use]
    pub fn unknown(id: RunId, project: ProjectId) -> Self {
        Self {
            id,
            project,
            trace: TraceId::from(id),
            parent: None,
            thread: None,
            dotted_order: None,
            name: String::new(),
            kind: RunKind::Chain,
            start_time: None,
            end_time: None,
            first_token_time: None,
            inputs: Value::Null,
            outputs: Value::Null,
            error: None,
            events: Vec::new(),
            tags: Vec::new(),
            metadata: Map::new(),
            extra: Map::new(),
            serialized: Value::Null,
            reference_example: None,
            attachments: Vec::new(),
            usage: None,
            cost: None,
        }
    }

    /// Folds one piece of a run into what is known so far.
    ///
    /// Present fields replace; empty collections and null do not erase;
    /// metadata and extra are merged key by key; attachments are united by
    /// name. Applying a patch again right away changes nothing. The caller
    /// sees to the order: creation first, then updates as they arrived, so a
    /// late retry cannot undo news. The cost is not touched: it follows from
    /// the usage and a price table once all pieces are folded.
    pub fn apply(&mut self, patch: RunPatch) {
        // Spelled out in full: a new field must not be forgotten here.
        let RunPatch {
            id: _,
            is_creation: _,
            is_whole: _,
            project_name: _,
            trace,
            parent,
            thread,
            dotted_order,
            name,
            kind,
            start_time,
            end_time,
            first_token_time,
            inputs,
            outputs,
            error,
            events,
            tags,
            metadata,
            extra,
            serialized,
            reference_example,
            attachments,
            usage,
        } = patch;
        replace(&mut self.trace, trace);
        replace_some(&mut self.parent, parent);
        replace_some(&mut self.thread, thread);
        replace_some(&mut self.dotted_order, dotted_order);
        replace(&mut self.name, name);
        replace(&mut self.kind, kind);
        replace_some(&mut self.start_time, start_time);
        replace_some(&mut self.end_time, end_time);
        replace_some(&mut self.first_token_time, first_token_time);
        replace_value(&mut self.inputs, inputs);
        replace_value(&mut self.outputs, outputs);
        replace_some(&mut self.error, error);
        replace_list(&mut self.events, events);
        replace_list(&mut self.tags, tags);
        merge(&mut self.metadata, metadata);
        merge(&mut self.extra, extra);
        replace_value(&mut self.serialized, serialized);
        replace_some(&mut self.reference_example, reference_example);
        for attachment in attachments {
            match self.attachments.iter_mut().find(|known| known.name == attachment.name) {
                Some(known) => *known = attachment,
                None => self.attachments.push(attachment),
            }
        }
        replace_some(&mut self.usage, usage);
    }

    /// Pending is what neither failed nor ended; see [`ENDED`] for what ended nobody knows when.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        match (&self.error, self.end_time) {
            (Some(_), _) => RunStatus::Error,
            (None, Some(_)) => RunStatus::Success,
            (None, None) if self.extra.get(ENDED) == Some(&Value::Bool(true)) => RunStatus::Success,
            (None, None) => RunStatus::Pending,
        }
    }

    /// Seconds from start to end. `None` while pending or where the clocks
    /// disagree so that the end lies before the start.
    #[must_use]
    pub fn latency(&self) -> Option<f64> {
        let micros = (self.end_time? - self.start_time?).num_microseconds()?;
        (micros >= 0).then(|| micros as f64 / 1e6)
    }

    #[must_use]
    pub fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// The model that was called: `ls_model_name`, else what the invocation asked for.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        let invocation = self.extra.get("invocation_params");
        let asked = ["model", "model_name", "model_id", "model_path", "endpoint_name", "deployment_name"]
            .into_iter()
            .find_map(|key| invocation?.get(key)?.as_str());
        text(&self.metadata, "ls_model_name").or(asked).filter(|model| !model.is_empty())
    }

    /// Who served the model: `ls_provider`.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        text(&self.metadata, "ls_provider").filter(|provider| !provider.is_empty())
    }

    /// The version of the prompt behind this run, by the metadata key clients use for it.
    #[must_use]
    pub fn prompt_version(&self) -> Option<&str> {
        ["prompt_commit", "lc_hub_commit_hash", "prompt_version", "prompt_tag", "revision_id"]
            .into_iter()
            .find_map(|key| text(&self.metadata, key))
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str()
}

fn replace<T>(known: &mut T, news: Option<T>) {
    if let Some(news) = news {
        *known = news;
    }
}

fn replace_some<T>(known: &mut Option<T>, news: Option<T>) {
    if news.is_some() {
        *known = news;
    }
}

fn replace_list<T>(known: &mut Vec<T>, news: Option<Vec<T>>) {
    if let Some(news) = news.filter(|news| !news.is_empty()) {
        *known = news;
    }
}

fn replace_value(known: &mut Value, news: Option<Value>) {
    let Some(news) = news else { return };
    let is_empty = match &news {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    if !is_empty || known.is_null() {
        *known = news;
    }
}

fn merge(known: &mut Map<String, Value>, news: Option<Map<String, Value>>) {
    for (key, value) in news.into_iter().flatten() {
        if !value.is_null() {
            known.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run() -> Run {
        Run::unknown(RunId::from_name("run"), ProjectId::from_name("project"))
    }

    #[test]
    fn an_update_replaces_what_it_carries_and_keeps_the_rest() {
        let mut run = run();
        run.apply(RunPatch {
            name: Some("agent".into()),
            inputs: Some(json!({"x": 1})),
            outputs: Some(json!({})),
            tags: Some(vec!["a".into()]),
            metadata: json!({"a": 1, "b": 2}).as_object().cloned(),
            ..RunPatch::default()
        });
        run.apply(RunPatch {
            outputs: Some(json!({"y": 2})),
            tags: Some(vec![]),
            metadata: json!({"b": 3, "a": null}).as_object().cloned(),
            ..RunPatch::default()
        });
        assert_eq!(run.name, "agent");
        assert_eq!(run.inputs, json!({"x": 1}));
        assert_eq!(run.outputs, json!({"y": 2}));
        assert_eq!(run.tags, ["a"]);
        assert_eq!(Value::Object(run.metadata), json!({"a": 1, "b": 3}));
    }

    #[test]
    fn applying_a_patch_twice_changes_nothing() {
        let patch = RunPatch {
            error: Some("boom".into()),
            attachments: vec![Attachment {
                name: "a".into(),
                mime_type: None,
                reference: "r".into(),
                size: None,
            }],
            ..RunPatch::default()
        };
        let mut once = run();
        once.apply(patch.clone());
        let mut twice = once.clone();
        twice.apply(patch);
        assert_eq!(once, twice);
    }

    #[test]
    fn an_attachment_in_the_store_tells_its_key() {
        let key: [u8; 32] = std::array::from_fn(|n| n as u8 * 8);
        let attachment = Attachment::in_store("a.png".into(), None, key, 3);
        assert_eq!(attachment.key(), Some(key));
        for reference in
            ["sha256:00", "https://x/00", "sha256:zz", "sha256:+1+1", &format!("sha256:{}", "é".repeat(32))]
        {
            let elsewhere = Attachment { reference: reference.to_owned(), ..attachment.clone() };
            assert_eq!(elsewhere.key(), None, "{reference}");
        }
    }

    #[test]
    fn a_run_may_have_ended_nobody_knows_when() {
        let mut run = run();
        assert_eq!(run.status(), RunStatus::Pending);
        run.extra.insert(ENDED.to_owned(), Value::Bool(true));
        assert_eq!((run.status(), run.latency()), (RunStatus::Success, None));
        run.error = Some("cut off".into());
        assert_eq!(run.status(), RunStatus::Error);
    }

    #[test]
    fn negative_latency_is_unknown() {
        let mut run = run();
        run.start_time = "2026-01-01T00:00:10Z".parse().ok();
        run.end_time = "2026-01-01T00:00:00Z".parse().ok();
        assert_eq!(run.latency(), None);
    }
}
