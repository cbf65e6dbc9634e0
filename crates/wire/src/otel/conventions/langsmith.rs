//! `langsmith.*`: run fields under their own names, as the LangSmith clients
//! and everyone who writes for LangSmith send them. The ids are read in `ids`.

use assay_domain::RunKind;
use assay_domain::run::Attachment;
use serde_json::Value;

use super::{Fields, tags};
use crate::otel::span::{Reader, Span, parsed};
use crate::{Blob, usage};

pub(super) fn read(_: &Span, reader: &Reader) -> Fields {
    let mut fields = Fields {
        name: reader.text("langsmith.trace.name").map(str::to_owned),
        project: reader.text("langsmith.trace.session_name").map(str::to_owned),
        project_id: reader.text("langsmith.trace.session_id").and_then(|id| id.trim().parse().ok()),
        // Documented: a word that is no run type means chain.
        kind: reader.text("langsmith.span.kind").map(|word| RunKind::parse(word).unwrap_or_default()),
        tags: reader.get("langsmith.span.tags").map(tags).unwrap_or_default(),
        usage: reader.parsed("langsmith.usage_metadata").as_ref().and_then(usage::parse),
        reference_example: reader.text("langsmith.reference_example_id").map(str::to_owned),
        ..Fields::default()
    };
    for (key, value) in reader.below("langsmith.metadata.") {
        fields.metadata.insert(key.to_owned(), parsed(value));
    }
    if fields.usage.is_none() {
        fields.usage = fields.metadata.get("usage_metadata").and_then(usage::parse);
    }
    for key in ["session_id", "conversation_id", "thread_id"] {
        if fields.thread.is_none() {
            fields.thread = text(fields.metadata.get(key));
        }
    }
    fields.model = text(fields.metadata.get("ls_model_name"));
    fields.provider = text(fields.metadata.get("ls_provider"));
    fields.note(reader, "langsmith.trace.session_id", "langsmith_session_id");
    for key in ["langsmith.span.runtime", "langsmith.request.streaming", "langsmith.request.headers"] {
        if let Some(value) = reader.parsed(key) {
            let name = key.rsplit('.').next().unwrap_or(key);
            fields.extra.insert(name.to_owned(), value);
        }
    }
    if let Some(Value::Array(list)) = reader.parsed("langsmith.attachments") {
        for (attachment, blob) in list.iter().enumerate().filter_map(attachment) {
            fields.attachments.push(attachment);
            fields.blobs.extend(blob);
        }
    }
    // Read by `ids`, and marked as read here.
    for key in ["trace.id", "span.id", "span.parent_id", "span.dotted_order", "is_root"] {
        reader.get(&format!("langsmith.{key}"));
    }
    fields
}

/// `{"name", "content": base64, "mime_type"}`. Of content that cannot be read,
/// what is kept is that it was there, and roughly how many bytes.
fn attachment((n, value): (usize, &Value)) -> Option<(Attachment, Option<Blob>)> {
    let map = value.as_object()?;
    let name =
        map.get("name").and_then(Value::as_str).map_or_else(|| format!("attachment-{n}"), str::to_owned);
    let mime_type = map.get("mime_type").and_then(Value::as_str).map(str::to_owned);
    let content = map.get("content").and_then(Value::as_str);
    if let Some(content) = content.and_then(crate::unbase64) {
        let (attachment, blob) = crate::attach(name, mime_type, content);
        return Some((attachment, Some(blob)));
    }
    let size = content.map(|base64| base64.len() as u64 / 4 * 3);
    Some((Attachment { reference: format!("span:{name}"), name, mime_type, size }, None))
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
