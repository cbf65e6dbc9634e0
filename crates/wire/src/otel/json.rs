//! Reads the JSON encodings, tolerantly.
//!
//! OTLP/JSON in camel or snake case, and spans exported without the request
//! around them: flat or nested lists whose attributes are a plain object and
//! whose times are RFC 3339 text.

use std::rc::Rc;

use assay_domain::Time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::Spans;
use super::span::{Event, Source, Span, Status, kind, moment};

/// Attribute values nested deeper are kept as their JSON text.
const MAX_DEPTH: usize = 64;

pub(super) fn looks_like(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.first().is_some_and(|item| item.is_object() && looks_like(item)),
        Value::Object(map) => {
            field(map, &["resourceSpans", "resource_spans"]).is_some()
                || list(map, &["spans"]).first().is_some_and(is_span)
                || is_span(value)
        }
        _ => false,
    }
}

fn is_span(value: &Value) -> bool {
    value.as_object().is_some_and(|map| {
        field(map, SPAN_ID).is_some()
            && field(map, TRACE_ID).is_some()
            && (field(map, ATTRIBUTES).is_some() || field(map, START).is_some())
    })
}

pub(super) fn read(value: &Value) -> Spans {
    let mut out = Spans::default();
    match value {
        // Lists of lists are no known format: only one level is looked into.
        Value::Array(list) if looks_like(value) => {
            for (n, item) in list.iter().enumerate() {
                read_one(item, &format!("[{n}]"), &mut out);
            }
        }
        _ => read_one(value, "", &mut out),
    }
    out
}

fn read_one(value: &Value, place: &str, out: &mut Spans) {
    let Some(map) = value.as_object() else {
        return out.reject(place, "expected a JSON object that holds spans");
    };
    let join = |rest: String| if place.is_empty() { rest } else { format!("{place}.{rest}") };
    if let Some(groups) = field(map, &["resourceSpans", "resource_spans"]) {
        if !groups.is_array() {
            out.reject(join("resourceSpans".into()), "expected a list");
        }
        for (r, group) in items(groups).iter().enumerate() {
            read_resource(group, &join(format!("resourceSpans[{r}]")), out);
        }
    } else if map.get("spans").is_some_and(Value::is_array) {
        read_list(list(map, &["spans"]), &join("spans".into()), &Rc::default(), out);
    } else if is_span(value) {
        read_list(std::slice::from_ref(value), place, &Rc::default(), out);
    } else {
        out.reject(place, "no OpenTelemetry spans: neither resourceSpans nor spans");
    }
}

fn read_resource(group: &Value, place: &str, out: &mut Spans) {
    let Some(group) = group.as_object() else {
        return out.reject(place, "expected an object with scopeSpans");
    };
    let resource = field(group, &["resource"])
        .and_then(Value::as_object)
        .and_then(|resource| field(resource, ATTRIBUTES))
        .map(attributes)
        .unwrap_or_default();
    let names = ["scopeSpans", "scope_spans", "instrumentationLibrarySpans", "instrumentation_library_spans"];
    let mut s = 0;
    for name in names {
        if field(group, &[name]).is_some_and(|scopes| !scopes.is_array()) {
            out.reject(format!("{place}.{name}"), "expected a list");
        }
        for scope_spans in list(group, &[name]) {
            let place = format!("{place}.scopeSpans[{s}].spans");
            s += 1;
            let Some(scope_spans) = scope_spans.as_object() else {
                out.reject(place, "expected an object with spans");
                continue;
            };
            if field(scope_spans, &["spans"]).is_some_and(|spans| !spans.is_array()) {
                out.reject(place.clone(), "expected a list");
            }
            let scope = field(scope_spans, &["scope", "instrumentationLibrary", "instrumentation_library"])
                .and_then(Value::as_object);
            let source = Source {
                resource: resource.clone(),
                scope: scope.map(|scope| text(scope, &["name"])).unwrap_or_default(),
                scope_version: scope.map(|scope| text(scope, &["version"])).unwrap_or_default(),
            };
            read_list(list(scope_spans, &["spans"]), &place, &Rc::new(source), out);
        }
    }
}

/// Spans, and below each the ones nested in it, parents first.
fn read_list(spans: &[Value], place: &str, source: &Rc<Source>, out: &mut Spans) {
    let mut stack: Vec<(&Value, String, Option<[u8; 8]>)> =
        spans.iter().enumerate().rev().map(|(n, span)| (span, format!("{place}[{n}]"), None)).collect();
    while let Some((value, place, outer)) = stack.pop() {
        let mut parent = outer;
        match span(value, source, outer) {
            Ok(span) => {
                parent = Some(span.span_id);
                out.spans.push(span);
            }
            Err(reason) => out.reject(place.clone(), reason),
        }
        let Some(map) = value.as_object() else { continue };
        let children = list(map, &["child_spans", "childSpans"]);
        stack.extend(
            children
                .iter()
                .enumerate()
                .rev()
                .map(|(n, child)| (child, format!("{place}.child_spans[{n}]"), parent)),
        );
    }
}

const TRACE_ID: &[&str] = &["traceId", "trace_id"];
const SPAN_ID: &[&str] = &["spanId", "span_id"];
const PARENT_ID: &[&str] = &["parentSpanId", "parent_span_id", "parentId", "parent_id"];
const ATTRIBUTES: &[&str] = &["attributes", "span_attributes", "spanAttributes", "Attributes"];
const START: &[&str] = &["startTimeUnixNano", "start_time_unix_nano", "startTime", "start_time", "timestamp"];
const END: &[&str] = &["endTimeUnixNano", "end_time_unix_nano", "endTime", "end_time"];

fn span(value: &Value, source: &Rc<Source>, outer: Option<[u8; 8]>) -> Result<Span, String> {
    let map = value.as_object().ok_or("a span must be an object")?;
    let start = field(map, START).and_then(time);
    let end = field(map, END).and_then(time).or_else(|| {
        let duration = duration(field(map, &["duration"])?.as_str()?)?;
        start?.checked_add_signed(duration)
    });
    let (status, status_message) = status(map);
    Ok(Span {
        trace_id: id(field(map, TRACE_ID), "trace id")?.ok_or("span without a trace id")?,
        span_id: id(field(map, SPAN_ID), "span id")?.ok_or("span without a span id")?,
        parent_id: id(field(map, PARENT_ID), "parent span id")?.or(outer),
        name: text(map, &["name", "spanName", "span_name"]),
        kind: field(map, &["kind", "spanKind", "span_kind"]).and_then(span_kind),
        start,
        end,
        attributes: field(map, ATTRIBUTES).map(attributes).unwrap_or_default(),
        events: list(map, &["events"]).iter().filter_map(event).collect(),
        status,
        status_message,
        links: list(map, &["links"]).iter().filter_map(link).collect(),
        source: span_source(map, source),
    })
}

/// Spans without a request around them name their resource and scope themselves.
fn span_source(map: &Map<String, Value>, source: &Rc<Source>) -> Rc<Source> {
    let resource = field(map, &["resource_attributes", "resourceAttributes"]);
    let scope = text(map, &["scope_name", "scopeName"]);
    if resource.is_none() && scope.is_empty() {
        return Rc::clone(source);
    }
    Rc::new(Source {
        resource: resource.map(attributes).unwrap_or_else(|| source.resource.clone()),
        scope,
        scope_version: text(map, &["scope_version", "scopeVersion"]),
    })
}

fn event(value: &Value) -> Option<Event> {
    let map = value.as_object()?;
    Some(Event {
        name: text(map, &["name", "Name"]),
        time: field(map, &["timeUnixNano", "time_unix_nano", "timestamp", "Timestamp"]).and_then(time),
        attributes: field(map, ATTRIBUTES).map(attributes).unwrap_or_default(),
    })
}

fn link(value: &Value) -> Option<Value> {
    let map = value.as_object()?;
    Some(json!({
        "trace_id": text(map, TRACE_ID),
        "span_id": text(map, SPAN_ID),
        "attributes": field(map, ATTRIBUTES).map(attributes).unwrap_or_default(),
    }))
}

/// `{"status": {"code", "message"}}`, or both on the span itself.
fn status(map: &Map<String, Value>) -> (Status, String) {
    let inner = map.get("status").and_then(Value::as_object);
    let code = inner
        .and_then(|status| field(status, &["code", "status_code"]))
        .or_else(|| field(map, &["statusCode", "status_code"]));
    let status = match code {
        Some(Value::String(text)) => match text.to_ascii_uppercase().trim_start_matches("STATUS_CODE_") {
            "OK" | "1" => Status::Ok,
            "ERROR" | "2" => Status::Error,
            _ => Status::Unset,
        },
        Some(code) => match code.as_i64() {
            Some(1) => Status::Ok,
            Some(2) => Status::Error,
            _ => Status::Unset,
        },
        None => Status::Unset,
    };
    let message = match inner {
        Some(inner) => text(inner, &["message", "description"]),
        None => text(map, &["statusMessage", "status_message"]),
    };
    (status, message)
}

fn span_kind(value: &Value) -> Option<&'static str> {
    if let Some(number) = value.as_i64() {
        return kind(number);
    }
    match value.as_str()?.to_ascii_uppercase().trim_start_matches("SPAN_KIND_") {
        "SERVER" | "2" => Some("server"),
        "CLIENT" | "3" => Some("client"),
        "PRODUCER" | "4" => Some("producer"),
        "CONSUMER" | "5" => Some("consumer"),
        _ => None,
    }
}

/// An id as hex (with `0x` or dashes, short ones filled up from the left) or
/// base64; none where it is empty or all zero.
fn id<const N: usize>(value: Option<&Value>, what: &str) -> Result<Option<[u8; N]>, String> {
    let Some(value) = value else { return Ok(None) };
    let given = value.as_str().ok_or_else(|| format!("{what} is not text"))?.trim();
    let digits: String = given.trim_start_matches("0x").chars().filter(|&c| c != '-').collect();
    if digits.is_empty() {
        return Ok(None);
    }
    let mut bytes = [0_u8; N];
    if digits.len() <= 2 * N && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        for (n, digit) in digits.bytes().rev().enumerate() {
            let digit = char::from(digit).to_digit(16).unwrap_or(0) as u8;
            bytes[N - 1 - n / 2] |= digit << (4 * (n % 2));
        }
    } else {
        let decoded = STANDARD.decode(given).ok().and_then(|decoded| decoded.try_into().ok());
        bytes = decoded.ok_or_else(|| format!("{what} is neither {} hex digits nor base64", 2 * N))?;
    }
    Ok(bytes.iter().any(|&byte| byte != 0).then_some(bytes))
}

/// Nanoseconds as a number or text, or RFC 3339 (UTC where it names no zone).
fn time(value: &Value) -> Option<Time> {
    let Some(text) = value.as_str() else {
        return moment(super::span::count(value).or_else(|| whole(value.as_f64()?))?);
    };
    if let Ok(nanos) = text.trim().parse() {
        return moment(nanos);
    }
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    zoned.ok().or_else(|| Some(text.parse::<NaiveDateTime>().ok()?.and_utc()))
}

/// Nanoseconds that went through a float lose their last digits only.
fn whole(float: f64) -> Option<u64> {
    (1.0..9.2e18).contains(&float).then_some(float as u64)
}

/// An ISO 8601 duration of days, hours, minutes and seconds: `PT2M5.65S`.
fn duration(text: &str) -> Option<TimeDelta> {
    let mut seconds = 0.0;
    let mut number = String::new();
    for letter in text.strip_prefix('P')?.chars() {
        let unit = match letter {
            '0'..='9' | '.' => {
                number.push(letter);
                continue;
            }
            'T' => continue,
            'D' => 86_400.0,
            'H' => 3_600.0,
            'M' => 60.0,
            'S' => 1.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        number.clear();
    }
    (seconds < 1e9).then(|| TimeDelta::microseconds((seconds * 1e6).round() as i64))
}

/// A list of `{"key", "value": {"stringValue": …}}`, or a plain object.
fn attributes(value: &Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map.clone(),
        _ => entries(value, 0),
    }
}

fn entries(list: &Value, depth: usize) -> Map<String, Value> {
    let mut out = Map::new();
    for entry in items(list) {
        let Some(key) = entry.get("key").and_then(Value::as_str) else { continue };
        out.insert(key.to_owned(), any(entry.get("value").unwrap_or(&Value::Null), depth));
    }
    out
}

/// An `AnyValue`. What is not one is taken as it is.
fn any(value: &Value, depth: usize) -> Value {
    let Some(map) = value.as_object() else { return value.clone() };
    let Some((kind, inner)) = map.iter().next() else { return Value::Null };
    if depth > MAX_DEPTH {
        return Value::String(value.to_string());
    }
    match kind.as_str() {
        "stringValue" | "string_value" | "boolValue" | "bool_value" | "bytesValue" | "bytes_value" => {
            inner.clone()
        }
        "intValue" | "int_value" => match inner.as_str().map(|text| text.trim().parse::<i64>()) {
            Some(Ok(number)) => number.into(),
            _ => inner.clone(),
        },
        "doubleValue" | "double_value" => match inner.as_str().map(str::parse::<f64>) {
            Some(Ok(number)) => float(number),
            _ => inner.as_f64().map_or_else(|| inner.clone(), float),
        },
        "arrayValue" | "array_value" => items(inner.get("values").unwrap_or(&Value::Null))
            .iter()
            .map(|item| any(item, depth + 1))
            .collect(),
        "kvlistValue" | "kvlist_value" => {
            Value::Object(entries(inner.get("values").unwrap_or(&Value::Null), depth + 1))
        }
        _ => value.clone(),
    }
}

/// A float as JSON; those that JSON lacks as text.
pub(super) fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

fn field<'a>(map: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| map.get(*name)).filter(|value| !value.is_null())
}

fn list<'a>(map: &'a Map<String, Value>, names: &[&str]) -> &'a [Value] {
    field(map, names).map(items).unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(map: &Map<String, Value>, names: &[&str]) -> String {
    field(map, names).and_then(Value::as_str).unwrap_or_default().to_owned()
}
