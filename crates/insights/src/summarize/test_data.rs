//! For tests: threads from chat messages, written by hand or read from data sets beside the repository.
//!
//! A small parser of OpenAI-style messages, so that these tests say something
//! about this crate alone.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use assay_domain::{
    Message, Part, ProjectId, Role, Run, RunId, RunKind, Thread, ThreadId, ToolCall, Trace, Transcript,
};
use serde_json::{Value, json};

/// A thread of a data set: what is analysed, and what the annotators said.
pub(crate) struct Sample {
    pub(crate) thread: Thread,
    pub(crate) transcript: Transcript,
    pub(crate) labels: Value,
}

/// A thread without runs, under this name.
pub(crate) fn bare_thread(name: &str) -> Thread {
    Thread { id: ThreadId::from(name), traces: Vec::new(), feedback: Vec::new() }
}

/// A transcript from a JSON list of messages.
pub(crate) fn transcript(messages: &Value) -> Transcript {
    Transcript { messages: messages.as_array().into_iter().flatten().map(message).collect() }
}

/// A run of a trace named `trace`; without a parent it is the root.
pub(crate) fn run(trace: &str, name: &str, kind: RunKind, parent: Option<&str>) -> Run {
    let mut run = Run::unknown(RunId::from_name(&format!("{trace}/{name}")), ProjectId::from_name("p"));
    run.name = name.to_owned();
    run.kind = kind;
    run.parent = parent.map(|parent| RunId::from_name(&format!("{trace}/{parent}")));
    run.inputs = json!({});
    run.outputs = json!({"output": "fine"});
    run.start_time = "2026-01-01T00:00:00Z".parse().ok();
    run.end_time = "2026-01-01T00:00:01Z".parse().ok();
    run
}

/// A thread of one trace from runs in order of time.
pub(crate) fn thread_of(mut runs: Vec<Run>) -> Thread {
    let id = runs[0].id.into();
    for (index, run) in runs.iter_mut().enumerate() {
        run.trace = id;
        run.dotted_order = Some(format!("{index:06}"));
    }
    Thread { id: ThreadId::from("t"), traces: vec![Trace::new(id, runs)], feedback: Vec::new() }
}

/// The first threads of a data set; `None`, with a note, where it is not there.
pub(crate) fn threads(set: &str, limit: usize) -> Option<Vec<Sample>> {
    let folder = folder(set)?;
    let mut samples = Vec::new();
    for line in lines(&folder, "threads.jsonl")?.take(limit) {
        let record: Value = serde_json::from_str(&line).ok()?;
        let mut thread = bare_thread(record["id"].as_str().unwrap_or_default());
        let mut root = run(&thread.id.0, "agent", RunKind::Chain, None);
        root.metadata = record["metadata"].as_object().cloned().unwrap_or_default();
        thread.traces.push(Trace::new(root.id.into(), vec![root]));
        samples.push(Sample {
            thread,
            transcript: transcript(&record["messages"]),
            labels: record["labels"].clone(),
        });
    }
    Some(samples)
}

/// The same threads with the real runs of the set, where it has them.
pub(crate) fn with_runs(set: &str, mut samples: Vec<Sample>) -> Option<Vec<Sample>> {
    let folder = folder(set)?;
    let mut runs: std::collections::HashMap<String, Vec<Run>> = std::collections::HashMap::new();
    for line in lines(&folder, "runs.jsonl")? {
        let record: Value = serde_json::from_str(&line).ok()?;
        let id = record["extra"]["metadata"]["thread_id"].as_str().unwrap_or_default().to_owned();
        runs.entry(id).or_default().push(recorded_run(&record));
    }
    for sample in &mut samples {
        let runs = runs.remove(&sample.thread.id.0)?;
        let id = runs[0].trace;
        sample.thread.traces = vec![Trace::new(id, runs)];
    }
    Some(samples)
}

fn recorded_run(record: &Value) -> Run {
    let text = |key: &str| record[key].as_str();
    let mut run = Run::unknown(
        text("id").and_then(|id| id.parse().ok()).unwrap_or_default(),
        ProjectId::from_name("p"),
    );
    run.trace = text("trace_id").and_then(|id| id.parse().ok()).unwrap_or(run.id.into());
    run.parent = text("parent_run_id").and_then(|id| id.parse().ok());
    run.dotted_order = text("dotted_order").map(str::to_owned);
    run.name = text("name").unwrap_or_default().to_owned();
    run.kind = text("run_type").and_then(RunKind::parse).unwrap_or_default();
    run.error = text("error").map(str::to_owned);
    run.start_time = text("start_time").and_then(|time| time.parse().ok());
    run.end_time = text("end_time").and_then(|time| time.parse().ok());
    run.inputs = record["inputs"].clone();
    run.outputs = record["outputs"].clone();
    run.metadata = record["extra"]["metadata"].as_object().cloned().unwrap_or_default();
    run
}

fn folder(set: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let folder = root.join("../shared/data").join(set);
    if !folder.is_dir() {
        eprintln!("skipped: no data set {set} beside the repository");
        return None;
    }
    Some(folder)
}

fn lines(folder: &Path, name: &str) -> Option<impl Iterator<Item = String>> {
    let plain = fs_err::File::open(folder.join(name)).ok().map(|file| Box::new(file) as Box<dyn Read>);
    let packed = || {
        let file = fs_err::File::open(folder.join(format!("{name}.gz"))).ok()?;
        Some(Box::new(flate2::read::MultiGzDecoder::new(file)) as Box<dyn Read>)
    };
    let reader = BufReader::new(plain.or_else(packed)?);
    Some(reader.lines().map_while(Result::ok))
}

fn message(value: &Value) -> Message {
    let role = match value["role"].as_str() {
        Some("system" | "developer") => Role::System,
        Some("assistant") => Role::Assistant,
        Some("tool") => Role::Tool,
        _ => Role::User,
    };
    let mut message = Message::new(role);
    message.name = value["name"].as_str().map(str::to_owned);
    message.tool_call_id = value["tool_call_id"].as_str().map(str::to_owned);
    message.error = match &value["error"] {
        Value::String(error) => Some(error.clone()),
        Value::Bool(true) => Some("true".into()),
        _ => None,
    };
    match &value["content"] {
        Value::String(text) => message.parts.push(Part::Text(text.clone())),
        Value::Null => {}
        other => message.parts.push(Part::Other(other.clone())),
    }
    if let Some(text) = value["refusal"].as_str() {
        message.parts.push(Part::Refusal(text.to_owned()));
    }
    message.tool_calls = value["tool_calls"].as_array().into_iter().flatten().map(tool_call).collect();
    message
}

fn tool_call(value: &Value) -> ToolCall {
    let function = &value["function"];
    let arguments = match &function["arguments"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
        other => other.clone(),
    };
    ToolCall {
        id: value["id"].as_str().map(str::to_owned),
        name: function["name"].as_str().unwrap_or_default().to_owned(),
        arguments,
    }
}
