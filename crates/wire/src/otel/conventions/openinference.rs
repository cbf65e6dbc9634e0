//! OpenInference (Arize): `openinference.span.kind`, `llm.input_messages.{n}.…`,
//! `input.value`, `retrieval.documents.{n}.…`, `llm.token_count.*`.

use assay_domain::RunKind;
use serde_json::{Map, Value, json};

use super::{Fields, Payload, kind_of, tags};
use crate::otel::messages;
use crate::otel::span::{Reader, Span, parsed, sub_numbered};
use crate::otel::usage::Counts;

pub(super) fn read(span: &Span, reader: &Reader) -> Fields {
    let kind = reader.text("openinference.span.kind").and_then(kind_of);
    let tool = reader.text("tool.name");
    let documents = documents(reader);
    let mut fields = Fields {
        name: tool.filter(|_| kind == Some(RunKind::Tool)).map(str::to_owned),
        kind,
        likely_kind: (!documents.is_empty()).then_some(RunKind::Retriever),
        inputs: inputs(reader, kind),
        outputs: outputs(reader, kind, documents),
        provider: reader.first_text(&["llm.provider", "llm.system"]).map(str::to_owned),
        model: reader
            .first_text(&["llm.model_name", "embedding.model_name", "reranker.model_name"])
            .map(str::to_owned),
        thread: reader.text("session.id").map(str::to_owned),
        tags: reader.get("tag.tags").map(tags).unwrap_or_default(),
        usage: counts(reader).finish(),
        first_token: span
            .events
            .iter()
            .find(|event| event.name == "First Token Stream Event")
            .and_then(|event| event.time),
        ..Fields::default()
    };
    if fields.likely_kind.is_none() && reader.text("llm.model_name").is_some() {
        fields.likely_kind = Some(RunKind::Llm);
    }
    if let Some(Value::Object(metadata)) = reader.parsed("metadata") {
        fields.metadata = metadata;
    }
    fields.note(reader, "user.id", "user_id");
    fields.note(reader, "agent.name", "agent_name");
    fields.note(reader, "llm.prompt_template.version", "prompt_version");
    fields.note(reader, "prompt.id", "prompt_id");
    fields.note(reader, "tool_call.id", "tool_call_id");
    invocation(reader, &mut fields);
    for key in ["input.mime_type", "output.mime_type"] {
        reader.get(key);
    }
    fields
}

fn inputs(reader: &Reader, kind: Option<RunKind>) -> Option<Payload> {
    let whole = reader.parsed("input.value");
    if let Some(variables) = reader.parsed("llm.prompt_template.variables")
        && kind == Some(RunKind::Prompt)
    {
        return Payload::arguments(variables);
    }
    match kind {
        Some(RunKind::Tool) => {
            // Some instrumentations put the call's arguments here, others the tool's schema.
            let parameters = reader.parsed("tool.parameters");
            whole.or(parameters).and_then(Payload::arguments)
        }
        Some(RunKind::Retriever) => {
            let whole = whole.or_else(|| reader.parsed("reranker.query"))?;
            if whole.is_object() {
                Payload::arguments(whole)
            } else {
                Payload::arguments(json!({ "query": whole }))
            }
        }
        _ => Payload::messages(numbered(reader, "llm.input_messages"))
            .or_else(|| Payload::structured("prompts", prompts(reader, "llm.prompts")))
            .or_else(|| match reader.parsed("llm.prompts") {
                Some(Value::Array(list)) => Payload::structured("prompts", list),
                _ => None,
            })
            .or_else(|| Payload::whole(whole.or_else(|| embedded_texts(reader))?, "input")),
    }
}

fn outputs(reader: &Reader, kind: Option<RunKind>, documents: Vec<Value>) -> Option<Payload> {
    let messages = numbered(reader, "llm.output_messages");
    let whole = reader.parsed("output.value");
    if kind == Some(RunKind::Tool) {
        return whole.and_then(Payload::result);
    }
    Payload::structured("documents", documents)
        .or_else(|| Payload::messages(messages))
        .or_else(|| Payload::structured("choices", prompts(reader, "llm.choices")))
        .or_else(|| Payload::whole(whole?, "output"))
}

/// `llm.input_messages.{n}.message.{role, content, contents.…, tool_calls.…}`
fn numbered(reader: &Reader, prefix: &str) -> Vec<Value> {
    let mut list = Vec::new();
    for map in reader.numbered(prefix).into_values() {
        let mut inner: Map<String, Value> = map
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("message.")?.to_owned(), value.clone())))
            .collect();
        list.extend(tool_result(&mut inner));
        list.extend(messages::of_flat(&inner));
    }
    list
}

/// Anthropic's results of tools are part of what the user says next, and recorded so: a user
/// message with a `tool_call_id`, whose `content` is the result and whose `contents` are the words.
fn tool_result(message: &mut Map<String, Value>) -> Option<Value> {
    if message.get("role").and_then(Value::as_str) != Some("user") {
        return None;
    }
    let id = message.remove("tool_call_id")?;
    let content = message.remove("content").unwrap_or_default();
    if !message.keys().any(|key| key.starts_with("contents.")) {
        message.clear();
    }
    Some(json!({ "role": "tool", "tool_call_id": id, "content": content }))
}

/// Plain completions: `llm.prompts.{n}.prompt.text`, `llm.choices.{n}.completion.text`.
fn prompts(reader: &Reader, prefix: &str) -> Vec<Value> {
    let texts = reader.numbered(prefix).into_values().filter_map(|map| {
        map.get("prompt.text").or_else(|| map.get("completion.text")).or_else(|| map.get("")).cloned()
    });
    if prefix == "llm.choices" {
        texts.map(|text| json!({ "text": text })).collect()
    } else {
        texts.collect()
    }
}

/// What was embedded. The vectors themselves are dropped.
fn embedded_texts(reader: &Reader) -> Option<Value> {
    let texts: Vec<Value> = reader
        .numbered("embedding.embeddings")
        .into_values()
        .filter_map(|map| map.get("embedding.text").cloned())
        .collect();
    (!texts.is_empty()).then_some(Value::Array(texts))
}

fn documents(reader: &Reader) -> Vec<Value> {
    let mut groups = reader.numbered("retrieval.documents");
    if groups.is_empty() {
        groups = reader.numbered("reranker.output_documents");
    }
    let document = |map: Map<String, Value>| {
        let metadata = map.get("document.metadata").map(parsed).unwrap_or_else(|| json!({}));
        let mut document = json!({
            "page_content": map.get("document.content").cloned().unwrap_or_default(),
            "metadata": metadata,
            "type": "Document",
        });
        for key in ["id", "score"] {
            if let Some(value) = map.get(&format!("document.{key}")) {
                document[key] = value.clone();
            }
        }
        document
    };
    groups.into_values().map(document).collect()
}

fn counts(reader: &Reader) -> Counts {
    let mut counts = Counts {
        input: reader.count(&["llm.token_count.prompt", "llm.usage.prompt_tokens"]),
        output: reader.count(&["llm.token_count.completion", "llm.usage.completion_tokens"]),
        total: reader.count(&["llm.token_count.total", "llm.usage.total_tokens"]),
        ..Counts::default()
    };
    for (prefix, is_output) in [("prompt_details", false), ("completion_details", true)] {
        let found = reader.below(&format!("llm.token_count.{prefix}."));
        let details: Map<String, Value> =
            found.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        counts.details(is_output, &Value::Object(details));
    }
    counts.cost(
        reader.get("llm.cost.prompt"),
        reader.get("llm.cost.completion"),
        reader.get("llm.cost.total"),
    );
    counts
}

fn invocation(reader: &Reader, fields: &mut Fields) {
    if let Some(Value::Object(given)) = reader.parsed("llm.invocation_parameters") {
        fields.invocation = given;
    }
    for (key, name) in [
        ("llm.presence_penalty", "presence_penalty"),
        ("llm.frequency_penalty", "frequency_penalty"),
        ("llm.request.functions", "functions"),
        ("llm.function_call", "function_call"),
    ] {
        if let Some(value) = reader.parsed(key) {
            fields.invocation.insert(name.to_owned(), value);
        }
    }
    let tools: Vec<Value> = reader
        .numbered("llm.tools")
        .into_values()
        .filter_map(|map| {
            let schema = map.get("tool.json_schema").or_else(|| map.get("tool.input_schema"));
            schema.map(parsed).or_else(|| sub_numbered(&map, "tool").into_values().next().map(Value::Object))
        })
        .collect();
    if !tools.is_empty() {
        fields.invocation.insert("tools".into(), Value::Array(tools));
    }
    if let Some(model) = &fields.model {
        fields.invocation.entry("model").or_insert_with(|| json!(model));
    }
}
