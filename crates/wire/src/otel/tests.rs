//! Tests of the decoder as a whole, on requests written by hand.

use std::collections::BTreeMap;

use assay_domain::{ProjectId, Run, RunPatch, Trace, TraceId};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use proptest::prelude::*;
use prost::Message as _;
use serde_json::{Map, Value, json};

use super::{decode_json, decode_protobuf, looks_like};
use crate::Decoded;

const TRACE: &str = "5b8efff798038103d269b633813fc60c";

/// A value as OTLP/JSON writes it.
fn any_value(value: &Value) -> Value {
    match value {
        Value::String(text) => json!({ "stringValue": text }),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::Array(list) => {
            json!({ "arrayValue": { "values": list.iter().map(any_value).collect::<Vec<_>>() } })
        }
        Value::Object(map) => json!({ "kvlistValue": { "values": key_values(map) } }),
        Value::Null => json!({}),
    }
}

fn key_values(map: &Map<String, Value>) -> Value {
    map.iter().map(|(key, value)| json!({ "key": key, "value": any_value(value) })).collect()
}

fn attributes(value: &Value) -> Value {
    key_values(value.as_object().expect("an object of attributes"))
}

pub(super) fn span(id: &str, parent: &str, name: &str, attrs: Value) -> Value {
    json!({
        "traceId": TRACE,
        "spanId": id,
        "parentSpanId": parent,
        "name": name,
        "kind": 3,
        "startTimeUnixNano": "1748736000123456789",
        "endTimeUnixNano": "1748736001000000000",
        "attributes": attributes(&attrs),
        "status": {},
    })
}

pub(super) fn event(name: &str, attrs: Value) -> Value {
    json!({ "name": name, "timeUnixNano": "1748736000500000000", "attributes": attributes(&attrs) })
}

pub(super) fn request(spans: Vec<Value>) -> Value {
    json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "shop" } }] },
        "scopeSpans": [{ "scope": { "name": "scope", "version": "1" }, "spans": spans }],
    }] })
}

/// Decodes, and checks on the way that protobuf says the same.
#[track_caller]
pub(super) fn decode(request: &Value) -> Vec<RunPatch> {
    assert!(looks_like(request));
    let decoded = decode_json(request, "");
    assert_eq!(decoded.rejected, []);
    assert_eq!(decode_protobuf(&protobuf(request), ""), decoded);
    decoded.patches
}

#[track_caller]
pub(super) fn run(attrs: Value) -> RunPatch {
    run_with(attrs, vec![])
}

#[track_caller]
pub(super) fn run_with(attrs: Value, events: Vec<Value>) -> RunPatch {
    let mut span = span("eee19b7ec3c1b174", "", "span name", attrs);
    span["events"] = events.into();
    decode(&request(vec![span])).remove(0)
}

pub(super) fn metadata<'a>(run: &'a RunPatch, key: &str) -> &'a Value {
    run.metadata.as_ref().and_then(|map| map.get(key)).unwrap_or(&Value::Null)
}

pub(super) fn extra<'a>(run: &'a RunPatch, pointer: &str) -> &'a Value {
    let (key, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
    let value = run.extra.as_ref().and_then(|map| map.get(key)).unwrap_or(&Value::Null);
    if rest.is_empty() { value } else { value.get(rest).unwrap_or(&Value::Null) }
}

pub(super) fn tokens(run: &RunPatch) -> (u64, u64, u64) {
    run.usage
        .as_ref()
        .map_or((0, 0, 0), |usage| (usage.input_tokens, usage.output_tokens, usage.total_tokens))
}

/// The same request in protobuf, with the published types.
pub(super) fn protobuf(request: &Value) -> Vec<u8> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource_spans = list(request, "resourceSpans")
        .iter()
        .map(|group| proto::ResourceSpans {
            resource: Some(Resource {
                attributes: proto_attributes(&group["resource"]["attributes"]),
                ..Resource::default()
            }),
            scope_spans: list(group, "scopeSpans")
                .iter()
                .map(|scope| proto::ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name: text(&scope["scope"]["name"]),
                        version: text(&scope["scope"]["version"]),
                        ..InstrumentationScope::default()
                    }),
                    spans: list(scope, "spans").iter().map(proto_span).collect(),
                    ..proto::ScopeSpans::default()
                })
                .collect(),
            ..proto::ResourceSpans::default()
        })
        .collect();
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn proto_span(span: &Value) -> proto::Span {
    let bytes = |value: &Value| {
        let hex = value.as_str().unwrap_or_default().as_bytes().chunks(2);
        hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex"))
            .collect()
    };
    let nanos = |value: &Value| value.as_str().map_or(0, |text| text.parse().expect("nanoseconds"));
    proto::Span {
        trace_id: bytes(&span["traceId"]),
        span_id: bytes(&span["spanId"]),
        parent_span_id: bytes(&span["parentSpanId"]),
        name: span["name"].as_str().unwrap_or_default().to_owned(),
        kind: span["kind"].as_i64().unwrap_or(0) as i32,
        start_time_unix_nano: nanos(&span["startTimeUnixNano"]),
        end_time_unix_nano: nanos(&span["endTimeUnixNano"]),
        attributes: proto_attributes(&span["attributes"]),
        events: span["events"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|event| proto::span::Event {
                time_unix_nano: nanos(&event["timeUnixNano"]),
                name: event["name"].as_str().unwrap_or_default().to_owned(),
                attributes: proto_attributes(&event["attributes"]),
                ..proto::span::Event::default()
            })
            .collect(),
        status: Some(proto::Status {
            code: span["status"]["code"].as_i64().unwrap_or(0) as i32,
            message: span["status"]["message"].as_str().unwrap_or_default().to_owned(),
        }),
        ..proto::Span::default()
    }
}

fn proto_attributes(list: &Value) -> Vec<KeyValue> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|entry| KeyValue {
            key: entry["key"].as_str().unwrap_or_default().to_owned(),
            value: Some(proto_any(&entry["value"])),
            ..KeyValue::default()
        })
        .collect()
}

fn proto_any(value: &Value) -> AnyValue {
    let inner = value.as_object().and_then(|map| map.iter().next());
    let value = inner.map(|(kind, value)| match kind.as_str() {
        "stringValue" => Any::StringValue(value.as_str().unwrap_or_default().to_owned()),
        "boolValue" => Any::BoolValue(value.as_bool().unwrap_or_default()),
        "intValue" => Any::IntValue(value.as_str().expect("an int as text").parse().expect("an int")),
        "doubleValue" => Any::DoubleValue(value.as_f64().expect("a double")),
        "arrayValue" => Any::ArrayValue(ArrayValue {
            values: value["values"].as_array().into_iter().flatten().map(proto_any).collect(),
        }),
        _ => Any::KvlistValue(KeyValueList { values: proto_attributes(&value["values"]) }),
    });
    AnyValue { value }
}

/// The runs of some requests, folded, as trees: `(name, depth)` in display order by trace.
pub(super) fn trees<'a>(
    requests: impl IntoIterator<Item = &'a Decoded>,
) -> BTreeMap<TraceId, Vec<(String, usize)>> {
    let mut runs = BTreeMap::new();
    for patch in requests.into_iter().flat_map(|decoded| decoded.patches.clone()) {
        let run = runs.entry(patch.id).or_insert_with(|| Run::unknown(patch.id, ProjectId::from_name("p")));
        run.apply(patch);
    }
    let mut traces: BTreeMap<TraceId, Vec<Run>> = BTreeMap::new();
    for run in runs.into_values() {
        traces.entry(run.trace).or_default().push(run);
    }
    let shape = |(id, runs)| {
        let trace = Trace::new(id, runs);
        assert!(trace.depth.len() == trace.runs.len());
        (id, trace.runs.iter().map(|run| run.name.clone()).zip(trace.depth.iter().copied()).collect())
    };
    traces.into_iter().map(shape).collect()
}

// ---------------------------------------------------------------- places

#[test]
fn a_run_has_the_id_of_its_span_and_the_trace_that_of_its_bytes() {
    let runs = decode(&request(vec![
        span("eee19b7ec3c1b175", "eee19b7ec3c1b174", "child", json!({})),
        span("eee19b7ec3c1b174", "", "root", json!({})),
    ]));
    assert_eq!(runs[0].id.to_string(), "00000000-0000-0000-eee1-9b7ec3c1b175");
    assert_eq!(runs[0].parent, Some(runs[1].id));
    assert_eq!(runs[1].parent, None);
    assert_eq!(
        runs[0].trace.map(|id| id.to_string()).as_deref(),
        Some("5b8efff7-9803-8103-d269-b633813fc60c")
    );
    assert_eq!(
        runs[0].dotted_order.as_deref(),
        Some(
            "20250601T000000123456Z00000000-0000-0000-eee1-9b7ec3c1b174.\
             20250601T000000123456Z00000000-0000-0000-eee1-9b7ec3c1b175"
        )
    );
    assert_eq!(metadata(&runs[0], "OTEL_SPAN_ID"), "eee19b7ec3c1b175");
    assert_eq!(metadata(&runs[0], "OTEL_TRACE_ID"), TRACE);
    assert_eq!(metadata(&runs[0], "service.name"), "shop");
}

#[test]
fn trees_join_whatever_request_a_span_came_in() {
    let spans = vec![
        span("a1b2c3d4e5f60701", "a1b2c3d4e5f60702", "leaf", json!({})),
        span("a1b2c3d4e5f60702", "a1b2c3d4e5f60703", "inner", json!({})),
        span("a1b2c3d4e5f60704", "a1b2c3d4e5f60703", "other", json!({})),
        span("a1b2c3d4e5f60703", "", "root", json!({})),
    ];
    let whole = trees([&decode_json(&request(spans.clone()), "")]);
    let apart: Vec<Decoded> = spans.into_iter().map(|span| decode_json(&request(vec![span]), "")).collect();
    assert_eq!(trees(&apart), whole);
    assert_eq!(trees(apart.iter().rev()), whole);
    assert_eq!(
        whole.into_values().next().expect("a trace").iter().filter(|(_, depth)| *depth == 0).count(),
        1
    );
}

#[test]
fn several_roots_and_missing_parents_lose_no_run() {
    let runs = decode(&request(vec![
        span("a1b2c3d4e5f60701", "", "first", json!({})),
        span("a1b2c3d4e5f60702", "", "second", json!({})),
        span("a1b2c3d4e5f60703", "ffeeddccbbaa9988", "orphan", json!({})),
        span("a1b2c3d4e5f60704", "a1b2c3d4e5f60704", "its own parent", json!({})),
    ]));
    assert_eq!(runs.iter().map(|run| run.id).collect::<std::collections::BTreeSet<_>>().len(), 4);
    assert!(runs.iter().all(|run| run.trace == runs[0].trace));
    assert_eq!(
        runs[2].parent.map(|id| id.to_string()).as_deref(),
        Some("00000000-0000-0000-ffee-ddccbbaa9988")
    );
    assert_eq!(runs[2].dotted_order, None);
    assert_eq!(runs[3].parent, None);
}

#[test]
fn a_span_id_used_twice_makes_two_runs_and_a_span_sent_twice_one() {
    let first = span("a1b2c3d4e5f60701", "", "first", json!({}));
    let mut second = span("a1b2c3d4e5f60701", "", "second", json!({}));
    second["startTimeUnixNano"] = "1748736000900000000".into();
    let runs = decode(&request(vec![second.clone(), first.clone(), first.clone()]));
    assert_eq!(runs[1].id.to_string(), "00000000-0000-0000-a1b2-c3d4e5f60701");
    assert_eq!(runs[1], runs[2]);
    assert_ne!(runs[0].id, runs[1].id);
    assert_eq!(decode(&request(vec![first, second]))[1].id, runs[0].id);
}

#[test]
fn span_ids_that_count_from_one_stay_apart_between_traces() {
    let one = span("0000000000000001", "", "one", json!({}));
    let mut other = one.clone();
    other["traceId"] = "00000000000000000000000000000002".into();
    let child = span("0000000000000002", "0000000000000001", "child", json!({}));
    let runs = decode(&request(vec![one.clone(), other]));
    assert_ne!(runs[0].id, runs[1].id);
    assert_eq!(decode(&request(vec![child]))[0].parent, Some(runs[0].id));
}

#[test]
fn the_langsmith_ids_override_and_spans_below_follow() {
    let trace = "018f0000-0000-7000-8000-000000000001";
    let own = "018f0000-0000-7000-8000-000000000002";
    let order = format!("20250601T000000000000Z{trace}.20250601T000000123456Z{own}");
    let runs = decode(&request(vec![
        span("a1b2c3d4e5f60701", "a1b2c3d4e5f60702", "below", json!({})),
        span(
            "a1b2c3d4e5f60702",
            "ffeeddccbbaa9988",
            "native",
            json!({ "langsmith.span.dotted_order": order }),
        ),
        span("a1b2c3d4e5f60703", "ffeeddccbbaa9988", "root", json!({ "langsmith.is_root": true })),
        span(
            "a1b2c3d4e5f60704",
            "",
            "named",
            json!({
                "langsmith.trace.id": trace, "langsmith.span.id": own, "langsmith.span.parent_id": trace,
            }),
        ),
    ]));
    for run in [&runs[1], &runs[3]] {
        assert_eq!(run.id.to_string(), own);
        assert_eq!(run.parent.map(|id| id.to_string()).as_deref(), Some(trace));
        assert_eq!(run.trace.map(|id| id.to_string()).as_deref(), Some(trace));
    }
    assert_eq!(runs[0].parent, Some(runs[1].id));
    assert_eq!(runs[0].trace, runs[1].trace);
    assert!(runs[0].dotted_order.as_deref().is_some_and(|below| below.starts_with(&format!("{order}."))));
    assert_eq!(runs[2].parent, None);
}

#[test]
fn a_cycle_of_parents_ends() {
    let runs = decode(&request(vec![
        span("a1b2c3d4e5f60701", "a1b2c3d4e5f60702", "a", json!({})),
        span("a1b2c3d4e5f60702", "a1b2c3d4e5f60701", "b", json!({})),
    ]));
    assert_eq!(runs[0].parent, Some(runs[1].id));
    assert_eq!(runs[1].parent, Some(runs[0].id));
}

// ------------------------------------------------------------- encodings

#[test]
fn one_bad_span_is_rejected_and_the_rest_kept() {
    let mut bad = span("a1b2c3d4e5f60702", "", "bad", json!({}));
    bad["spanId"] = "xyz".into();
    let requests = request(vec![span("a1b2c3d4e5f60701", "", "good", json!({})), bad, json!(7)]);
    let decoded = decode_json(&requests, "file.jsonl:3");
    assert_eq!(decoded.patches.len(), 1);
    assert_eq!(decoded.rejected.len(), 2);
    assert_eq!(decoded.rejected[0].location, "file.jsonl:3: resourceSpans[0].scopeSpans[0].spans[1]");
    assert_eq!(decoded.rejected[0].reason, "span id is neither 16 hex digits nor base64");

    let good = proto_span(&span("a1b2c3d4e5f60701", "", "good", json!({})));
    let bad = proto::Span { span_id: vec![1, 2, 3], ..good.clone() };
    let scope_spans = vec![proto::ScopeSpans { spans: vec![bad, good], ..Default::default() }];
    let request = ExportTraceServiceRequest {
        resource_spans: vec![proto::ResourceSpans { scope_spans, ..Default::default() }],
    };
    let decoded = decode_protobuf(&request.encode_to_vec(), "f");
    assert_eq!((decoded.patches.len(), decoded.rejected.len()), (1, 1));
    assert_eq!(decoded.rejected[0].reason, "span id of 3 bytes, expected 8");
}

#[test]
fn what_holds_no_spans_is_refused_with_a_reason() {
    for value in
        [json!(null), json!({}), json!([]), json!({ "resourceLogs": [] }), json!({ "resourceSpans": 3 })]
    {
        assert_eq!(decode_json(&value, "f").patches, []);
    }
    assert_eq!(decode_json(&json!({ "a": 1 }), "f:1").rejected[0].location, "f:1");
    for (value, place) in [
        (json!({ "resourceSpans": 3 }), "f: resourceSpans"),
        (json!({ "resourceSpans": [{ "scopeSpans": {} }] }), "f: resourceSpans[0].scopeSpans"),
        (
            json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": "x" }] }] }),
            "f: resourceSpans[0].scopeSpans[0].spans",
        ),
    ] {
        assert_eq!(decode_json(&value, "f").rejected[0].location, place);
    }
    assert_eq!(decode_protobuf(b"\xff\xff\xff", "f:1").rejected.len(), 1);
    assert_eq!(decode_protobuf(b"", "f").rejected, []);
    assert!(!looks_like(&json!({ "messages": [] })));
    assert!(!looks_like(&json!({ "id": "x", "trace_id": "y", "dotted_order": "z" })));
}

#[test]
fn old_names_snake_case_base64_ids_and_numbers_as_numbers_are_read() {
    let old = json!({ "resource_spans": [{
        "instrumentationLibrarySpans": [{
            "instrumentation_library": { "name": "lib" },
            "spans": [{
                "trace_id": "W47/95gDgQPSabYzgT/GDA==",
                "span_id": "7uGbfsPBsXQ=",
                "name": "old",
                "kind": "SPAN_KIND_CLIENT",
                "start_time_unix_nano": 1_748_736_000_123_456_789_u64,
                "end_time_unix_nano": 1_748_736_001_000_000_000_u64,
                "attributes": [{ "key": "n", "value": { "int_value": 7 } }],
                "status": { "code": "STATUS_CODE_ERROR", "message": "went wrong" },
            }],
        }],
    }] });
    assert!(looks_like(&old));
    let run = decode_json(&old, "").patches.remove(0);
    assert_eq!(run.id.to_string(), "00000000-0000-0000-eee1-9b7ec3c1b174");
    assert_eq!(run.trace.map(|id| id.to_string()).as_deref(), Some("5b8efff7-9803-8103-d269-b633813fc60c"));
    assert_eq!(run.start_time, "2025-06-01T00:00:00.123456Z".parse().ok());
    assert_eq!(run.error.as_deref(), Some("went wrong"));
    assert_eq!(metadata(&run, "n"), 7);
    assert_eq!(extra(&run, "otel/scope"), "lib");
}

#[test]
fn nested_spans_without_a_request_around_them_are_read() {
    let nested = json!({ "spans": [{
        "timestamp": "2025-03-25T09:12:19.5Z", "duration": "PT1M2.25S", "trace_id": TRACE, "span_id": "a1b2c3d4e5f60701",
        "parent_span_id": null, "span_name": "outer", "status_code": "Error", "status_message": "bad",
        "span_attributes": { "openinference.span.kind": "AGENT" }, "resource_attributes": { "service.name": "s" },
        "child_spans": [{
            "timestamp": "2025-03-25T09:12:20Z", "trace_id": TRACE, "span_id": "a1b2c3d4e5f60702",
            "span_name": "inner", "span_attributes": {}, "child_spans": [],
        }],
    }] });
    assert!(looks_like(&nested));
    let runs = decode_json(&nested, "").patches;
    assert_eq!(runs[0].end_time, "2025-03-25T09:13:21.75Z".parse().ok());
    assert_eq!(runs[0].error.as_deref(), Some("bad"));
    assert_eq!(runs[1].parent, Some(runs[0].id));
    assert_eq!(metadata(&runs[0], "service.name"), "s");
}

// ------------------------------------------------------------- anything

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "resourceSpans",
        "scopeSpans",
        "spans",
        "traceId",
        "spanId",
        "attributes",
        "key",
        "value",
        "stringValue",
        "kvlistValue",
        "values",
        "events",
        "name",
        "status",
        "code",
        "child_spans",
        "startTimeUnixNano",
        "duration",
        "gen_ai.input.messages",
        "llm.input_messages.0.message.role",
        "ai.operationId",
        "role",
        "content",
        "parts",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![TRACE, "a1b2c3d4e5f60701", "PT9H", "[{\"role\":\"x\",\"parts\":[1]}]"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((words.clone(), inner), 0..6).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

/// Attributes that dialects look for, with values they do not expect.
fn any_attributes() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.prompt.0.content",
        "gen_ai.tool.call.arguments",
        "gen_ai.system_instructions",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.input_token_details",
        "events",
        "llm.input_messages.0.message.role",
        "llm.input_messages.99999999999999999999.message.content",
        "input.value",
        "llm.tools.0.tool.json_schema",
        "openinference.span.kind",
        "ai.operationId",
        "ai.prompt",
        "ai.response.toolCalls",
        "ai.response.msToFirstChunk",
        "traceloop.entity.input",
        "langfuse.observation.input",
        "langfuse.observation.usage_details",
        "langsmith.span.dotted_order",
        "langsmith.span.id",
        "langsmith.attachments",
        "langsmith.usage_metadata",
        "retrieval.documents.0.document.metadata",
        "metadata",
        "tags",
        "tool_response",
    ]);
    prop::collection::vec((keys, any_json()), 0..12)
        .prop_map(|entries| entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_protobuf(&bytes, "f");
    }

    #[test]
    fn any_json_is_decoded_without_a_panic(value in any_json()) {
        let _ = looks_like(&value);
        let _ = decode_json(&value, "f");
        let _ = decode_json(&json!({ "resourceSpans": value }), "f");
        let _ = decode_json(&json!({ "spans": [value] }), "f");
    }

    #[test]
    fn any_attributes_are_decoded_without_a_panic(attrs in any_attributes()) {
        let mut span = json!({ "traceId": TRACE, "spanId": "a1b2c3d4e5f60701", "attributes": attrs });
        prop_assert_eq!(decode_json(&json!({ "spans": [span.clone()] }), "").patches.len(), 1);
        span["attributes"] = attributes(&span["attributes"]);
        prop_assert_eq!(decode_json(&request(vec![span]), "").patches.len(), 1);
    }

    #[test]
    fn damaged_requests_are_decoded_without_a_panic(cut in 0_usize..400, flip in 0_usize..400, bit in 0_u8..8) {
        let mut bytes = protobuf(&request(vec![span("a1b2c3d4e5f60701", "", "n", json!({ "gen_ai.prompt": "x", "n": [1, 2.5] }))]));
        let length = bytes.len();
        bytes[flip % length] ^= 1 << bit;
        bytes.truncate(cut % length + 1);
        let _ = decode_protobuf(&bytes, "f");
    }
}
