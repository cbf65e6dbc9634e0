//! The threads of a category as test cases: what was asked, what was answered,
//! and what went wrong.
//!
//! The server makes datasets of them, commands files of other formats.

use std::collections::HashSet;

use assay_domain::report::{Assignment, Category, Report};
use assay_domain::transcript::ToolCall;
use assay_domain::{Message, RunId, Thread, ThreadId, Transcript};
use assay_store::{Error, Project, Runs};
use serde_json::{Map, Value, json};

/// Threads opened at once.
const CHUNK: usize = 200;

/// One thread as a test case.
pub struct Case {
    pub thread: ThreadId,
    /// Its last root.
    pub run: Option<RunId>,
    pub inputs: Map<String, Value>,
    pub outputs: Map<String, Value>,
    /// Empty unless it was asked for.
    pub transcript: Transcript,
    pub summary: String,
    pub failure: Option<String>,
    pub status: Value,
}

/// The threads of a category and of those below it, in the order of the report, a few at a time.
pub struct Cases<'a> {
    members: Vec<&'a Assignment>,
    at: usize,
    gone: usize,
    with_transcripts: bool,
}

impl<'a> Cases<'a> {
    #[must_use]
    pub fn of(report: &'a Report, category: &'a Category) -> Self {
        let mut inside: HashSet<&str> = HashSet::from([category.id.as_str()]);
        // Parents come before their children.
        for node in &report.taxonomy.nodes {
            if node.parent.as_deref().is_some_and(|parent| inside.contains(parent)) {
                inside.insert(&node.id);
            }
        }
        let is_member = |one: &&Assignment| inside.contains(one.category.as_str());
        let members = report.assignments.iter().filter(is_member).collect();
        Self { members, at: 0, gone: 0, with_transcripts: false }
    }

    /// Cases hold what was said, too.
    #[must_use]
    pub fn with_transcripts(self) -> Self {
        Self { with_transcripts: true, ..self }
    }

    /// The next few; `None` after the last.
    ///
    /// # Errors
    /// What the store says.
    pub async fn next(&mut self, store: &impl Runs, project: &Project) -> Result<Option<Vec<Case>>, Error> {
        let members = self.members.get(self.at..).unwrap_or_default();
        let members = &members[..members.len().min(CHUNK)];
        if members.is_empty() {
            return Ok(None);
        }
        let ids: Vec<_> = members.iter().map(|one| one.thread.clone()).collect();
        let threads = store.read_threads(project.id, &ids).await?;
        let mut threads = threads.iter().peekable();
        let mut cases = Vec::with_capacity(members.len());
        for member in members {
            if let Some(thread) = threads.next_if(|thread| thread.id == member.thread) {
                cases.push(Case::of(thread, member, self.with_transcripts));
            }
        }
        self.at += members.len();
        self.gone += members.len() - cases.len();
        Ok(Some(cases))
    }

    /// How many of those asked for so far are no longer in the store.
    #[must_use]
    pub fn gone(&self) -> usize {
        self.gone
    }
}

impl Case {
    fn of(thread: &Thread, member: &Assignment, with_transcript: bool) -> Self {
        let root = thread.traces.last().and_then(|trace| trace.root());
        Self {
            thread: thread.id.clone(),
            run: root.map(|run| run.id),
            inputs: object(root.map(|run| run.inputs.clone()).unwrap_or_default(), "input"),
            outputs: object(root.map(|run| run.outputs.clone()).unwrap_or_default(), "output"),
            transcript: if with_transcript {
                assay_transcript::of_thread(thread)
            } else {
                Transcript::default()
            },
            summary: member.summary.clone(),
            failure: member.failure.clone(),
            status: json!(member.status),
        }
    }

    /// Where it comes from.
    #[must_use]
    pub fn metadata(&self, category: &Category) -> Map<String, Value> {
        [
            ("thread", json!(self.thread)),
            ("run", json!(self.run)),
            ("category", json!(category.name)),
            ("summary", json!(self.summary)),
            ("status", self.status.clone()),
            ("failure", json!(self.failure)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
    }
}

/// Examples have objects; other payloads stand under `key`.
fn object(payload: Value, key: &str) -> Map<String, Value> {
    match payload {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        other => Map::from_iter([(key.to_owned(), other)]),
    }
}

/// A message as OpenAI's APIs and evaluations have it; answers of tools go with the calls before them.
#[must_use]
pub fn openai_message(message: &Message) -> Value {
    let mut out = Map::from_iter([
        ("role".to_owned(), json!(message.role.as_str())),
        ("content".to_owned(), json!(message.text())),
    ]);
    if let Some(id) = &message.tool_call_id {
        out.insert("tool_call_id".to_owned(), json!(id));
    }
    let calls: Vec<Value> = message.tool_calls.iter().map(tool_call).collect();
    if !calls.is_empty() {
        out.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    Value::Object(out)
}

/// Arguments travel as text, in JSON.
fn tool_call(call: &ToolCall) -> Value {
    let arguments = match &call.arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

/// A value as Python writes it, a line for each entry. Strings of JSON are strings of Python, so
/// whatever a trace says stays data.
#[must_use]
pub fn python(value: &Value, depth: usize) -> String {
    let (inner, outer) = ("    ".repeat(depth + 1), "    ".repeat(depth));
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(all) if !all.is_empty() => {
            let lines: String =
                all.iter().map(|one| format!("{inner}{},\n", python(one, depth + 1))).collect();
            format!("[\n{lines}{outer}]")
        }
        Value::Object(all) if !all.is_empty() => {
            let line = |(key, one): (&String, &Value)| {
                format!("{inner}{}: {},\n", json!(key), python(one, depth + 1))
            };
            format!("{{\n{}{outer}}}", all.iter().map(line).collect::<String>())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_trace_says_is_a_readable_literal_and_stays_data() {
        let said = json!([{"content": "\"\"\" + exit() #\n\u{0}", "answered": null, "ok": true, "n": 1.5, "none": []}]);
        let expected = "[\n    {\n        \"content\": \"\\\"\\\"\\\" + exit() #\\n\\u0000\",\n        \"answered\": None,\n        \
                        \"ok\": True,\n        \"n\": 1.5,\n        \"none\": [],\n    },\n]";
        assert_eq!(python(&said, 0), expected);
    }
}
