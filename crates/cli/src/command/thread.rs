//! `assay thread show`: the conversation of a thread.

use assay_domain::{Message, Part, Role, Thread as Conversation, ThreadId, ToolCall};
use assay_store::{Catalog, EmbeddedStore, Runs as _, block_on};
use serde_json::{Value, json};

use crate::args::Thread;
use crate::{Outcome, data, output};

pub(crate) fn run(command: Thread) -> anyhow::Result<Outcome> {
    let Thread::Show { id, data, project, json } = command;
    let store = data::open_existing(&data.data)?;
    let thread = find(&store, &ThreadId(id), project.as_deref())?;
    let transcript = assay_transcript::of_thread(&thread);
    if json {
        let messages: Vec<Value> = transcript.messages.iter().map(as_json).collect();
        output::print_json(&json!({
            "thread_id": thread.id.0,
            "traces": thread.traces.iter().map(|trace| trace.id.to_string()).collect::<Vec<_>>(),
            "messages": messages,
        }))?;
        return Ok(Outcome::Done);
    }
    for message in &transcript.messages {
        output::print(&output::plain(&as_text(message)))?;
    }
    if transcript.messages.is_empty() {
        output::note("the thread holds no messages");
    }
    Ok(Outcome::Done)
}

fn find(store: &EmbeddedStore, id: &ThreadId, project: Option<&str>) -> anyhow::Result<Conversation> {
    let projects = match project {
        Some(name) => vec![data::project(store, name)?],
        None => block_on(store.projects())?,
    };
    let mut found = Vec::new();
    for project in projects {
        for thread in block_on(store.read_threads(project.id, std::slice::from_ref(id)))? {
            found.push((project.name.clone(), thread));
        }
    }
    if found.len() > 1 {
        let names: Vec<String> = found.into_iter().map(|(name, _)| name).collect();
        anyhow::bail!(
            "thread {:?} is in several projects, name one with --project: {}",
            id.0,
            names.join(", ")
        );
    }
    match found.pop() {
        Some((_, thread)) => Ok(thread),
        None => anyhow::bail!("there is no thread {:?}; `assay runs list` shows threads", id.0),
    }
}

fn as_text(message: &Message) -> String {
    let speaker = match &message.name {
        Some(name) => format!("{} ({name})", message.role.as_str()),
        None => message.role.as_str().to_owned(),
    };
    let mut lines = vec![format!("── {speaker}")];
    for part in &message.parts {
        lines.push(match part {
            Part::Text(text) => text.clone(),
            Part::Thinking(text) => format!("[thinking] {text}"),
            Part::Refusal(text) => format!("[refusal] {text}"),
            Part::Media { mime_type, reference, .. } => {
                format!("[{}] {reference}", mime_type.as_deref().unwrap_or("file"))
            }
            Part::Other(value) => value.to_string(),
        });
    }
    for ToolCall { name, arguments, .. } in &message.tool_calls {
        lines.push(format!("→ {name}({arguments})"));
    }
    if let Some(error) = &message.error {
        lines.push(format!("✗ {error}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn as_json(message: &Message) -> Value {
    let parts: Vec<Value> = message
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => json!({ "type": "text", "text": text }),
            Part::Thinking(text) => json!({ "type": "thinking", "text": text }),
            Part::Refusal(text) => json!({ "type": "refusal", "text": text }),
            Part::Media { mime_type, reference, .. } => {
                json!({ "type": "media", "mime_type": mime_type, "reference": reference })
            }
            Part::Other(value) => json!({ "type": "other", "value": value }),
        })
        .collect();
    let calls: Vec<Value> = message
        .tool_calls
        .iter()
        .map(|call| json!({ "id": call.id, "name": call.name, "arguments": call.arguments }))
        .collect();
    let mut out = json!({ "role": message.role.as_str(), "content": parts });
    let mut put = |key: &str, value: Value| {
        if !value.is_null() && value != json!([]) {
            out[key] = value;
        }
    };
    put("name", json!(message.name));
    put("tool_calls", Value::Array(calls));
    if message.role == Role::Tool {
        put("tool_call_id", json!(message.tool_call_id));
    }
    put("error", json!(message.error));
    put("run_id", json!(message.run.map(|id| id.to_string())));
    put("time", json!(message.time));
    out
}
