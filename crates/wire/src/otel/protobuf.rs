//! Reads the protobuf encoding.
//!
//! The envelope is read with messages of our own that leave each span as
//! bytes, so that one damaged span does not take the request with it; the spans
//! themselves with the published types.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span as Message;
use opentelemetry_proto::tonic::trace::v1::span::{Event as EventMessage, Link};
use prost::Message as _;
use serde_json::{Map, Value, json};

use super::Spans;
use super::span::{Event, Source, Span, Status, hex, kind, moment};

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_spans: Vec<ScopeSpans>,
    /// `instrumentation_library_spans`, as exporters before 2022 wrote it.
    #[prost(message, repeated, tag = "1000")]
    library_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<InstrumentationScope>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    spans: Vec<Vec<u8>>,
}

pub(super) fn read(bytes: &[u8]) -> Spans {
    let mut out = Spans::default();
    let request = match Request::decode(bytes) {
        Ok(request) => request,
        Err(error) => {
            out.reject("", format!("not an OpenTelemetry trace request: {error}"));
            return out;
        }
    };
    for (r, group) in request.resource_spans.into_iter().enumerate() {
        let resource = group.resource.map(|resource| attributes(resource.attributes)).unwrap_or_default();
        for (s, scope) in group.scope_spans.into_iter().chain(group.library_spans).enumerate() {
            let InstrumentationScope { name, version, .. } = scope.scope.unwrap_or_default();
            let source = Rc::new(Source { resource: resource.clone(), scope: name, scope_version: version });
            for (n, bytes) in scope.spans.iter().enumerate() {
                match Message::decode(bytes.as_slice())
                    .map_err(|error| format!("not a span: {error}"))
                    .and_then(|message| span(message, &source))
                {
                    Ok(span) => out.spans.push(span),
                    Err(reason) => {
                        out.reject(format!("resourceSpans[{r}].scopeSpans[{s}].spans[{n}]"), reason)
                    }
                }
            }
        }
    }
    out
}

fn span(message: Message, source: &Rc<Source>) -> Result<Span, String> {
    let status = message.status.unwrap_or_default();
    Ok(Span {
        trace_id: id(&message.trace_id, "trace id")?.ok_or("span without a trace id")?,
        span_id: id(&message.span_id, "span id")?.ok_or("span without a span id")?,
        parent_id: id(&message.parent_span_id, "parent span id")?,
        name: message.name,
        kind: kind(i64::from(message.kind)),
        start: moment(message.start_time_unix_nano),
        end: moment(message.end_time_unix_nano),
        attributes: attributes(message.attributes),
        events: message.events.into_iter().map(event).collect(),
        status: match status.code {
            1 => Status::Ok,
            2 => Status::Error,
            _ => Status::Unset,
        },
        status_message: status.message,
        links: message.links.into_iter().map(link).collect(),
        source: Rc::clone(source),
    })
}

/// An id of N bytes; none where it is empty or all zero.
fn id<const N: usize>(bytes: &[u8], what: &str) -> Result<Option<[u8; N]>, String> {
    if bytes.iter().all(|&byte| byte == 0) {
        return Ok(None);
    }
    bytes.try_into().map(Some).map_err(|_| format!("{what} of {} bytes, expected {N}", bytes.len()))
}

fn event(message: EventMessage) -> Event {
    Event {
        name: message.name,
        time: moment(message.time_unix_nano),
        attributes: attributes(message.attributes),
    }
}

fn link(link: Link) -> Value {
    json!({
        "trace_id": hex(&link.trace_id),
        "span_id": hex(&link.span_id),
        "attributes": attributes(link.attributes),
    })
}

fn attributes(list: Vec<KeyValue>) -> Map<String, Value> {
    list.into_iter().map(|entry| (entry.key, any(entry.value))).collect()
}

/// Recursion is bounded: prost refuses messages nested more than 100 deep.
fn any(value: Option<AnyValue>) -> Value {
    match value.and_then(|value| value.value) {
        None | Some(Any::StringValueStrindex(_)) => Value::Null,
        Some(Any::StringValue(text)) => Value::String(text),
        Some(Any::BoolValue(flag)) => Value::Bool(flag),
        Some(Any::IntValue(number)) => number.into(),
        Some(Any::DoubleValue(number)) => super::json::float(number),
        Some(Any::ArrayValue(list)) => list.values.into_iter().map(|item| any(Some(item))).collect(),
        Some(Any::KvlistValue(list)) => Value::Object(attributes(list.values)),
        Some(Any::BytesValue(bytes)) => Value::String(STANDARD.encode(bytes)),
    }
}
