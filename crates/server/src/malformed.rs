//! Bad bodies for every decoder: a generated corpus, the same at every run.
//!
//! Valid bodies are cut, flipped, spliced, nested, retyped and packed wrongly.
//! Whatever comes of that is an answer in good time: what could be read is
//! taken (2xx), the rest is refused with words (4xx), and nothing is a fault
//! of the server (5xx).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::app::Config;
use crate::testing::{Answer, Server, request};

const PER_DOOR: usize = 160;
const PATIENCE: Duration = Duration::from_secs(20);
const RUN: &str = "33c08c32-435c-4788-b973-b5bee4a31f87";
const CHILD: &str = "44c08c32-435c-4788-b973-b5bee4a31f87";

/// Numbers that look random and are the same every time (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// One way into the server, with bodies it takes.
struct Door {
    name: &'static str,
    method: Method,
    path: String,
    kind: &'static str,
    seeds: Vec<Vec<u8>>,
}

fn run() -> Value {
    json!({"id": RUN, "trace_id": RUN, "name": "agent", "run_type": "llm", "start_time": "2026-10-13T07:05:34.123Z",
        "end_time": "2026-10-13T07:05:35Z", "inputs": {"messages": [{"role": "user", "content": "where is my order?"}]},
        "outputs": {"generations": [[{"text": "there"}]], "usage_metadata": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}},
        "extra": {"metadata": {"thread_id": "t", "n": 1.5}, "invocation_params": {"model": "m"}}, "tags": ["a", "b"],
        "dotted_order": format!("20261013T070534123000Z{RUN}"), "session_name": "p", "events": [{"name": "new_token", "time": "2026-10-13T07:05:34.5Z"}],
        "error": null, "serialized": {"lc": 1}, "s3_urls": {}, "parent_run_id": null, "reference_example_id": null})
}

fn multipart() -> Vec<u8> {
    let mut body = String::new();
    for (name, content) in [
        (format!("post.{RUN}"), run().to_string()),
        (format!("post.{RUN}.inputs"), json!({"x": 1}).to_string()),
        (format!("post.{RUN}.outputs"), json!({"y": [1, 2]}).to_string()),
        (format!("post.{RUN}.events"), "[]".into()),
        (
            format!("patch.{CHILD}"),
            json!({"id": CHILD, "trace_id": RUN, "end_time": 1_791_875_136_663_i64}).to_string(),
        ),
        (format!("attachment.{RUN}.photo"), "bytes".into()),
        (
            format!("feedback.{CHILD}"),
            json!({"run_id": RUN, "trace_id": RUN, "key": "good", "score": 1}).to_string(),
        ),
    ] {
        body += &format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: application/json; length={}\r\n\r\n{content}\r\n",
            content.len()
        );
    }
    (body + "--b--\r\n").into_bytes()
}

fn spans() -> Value {
    json!({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "p"}}]},
        "scopeSpans": [{"scope": {"name": "s"}, "spans": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174",
            "name": "chat", "kind": 3, "startTimeUnixNano": "1748736000123456789", "endTimeUnixNano": "1748736001000000000",
            "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}, {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
                {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": true}, {"doubleValue": 0.5}]}}}],
            "events": [{"name": "exception", "timeUnixNano": "1748736000500000000", "attributes": []}], "status": {"code": 2, "message": "no"}}]}]}]})
}

/// Protocol buffers: a length-delimited field.
fn field(number: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = body.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(body);
    out
}

/// The same as [`spans`], about, as protobuf.
fn protobuf() -> Vec<u8> {
    let attribute = |key: &str, text: &str| {
        field(9, &[field(1, key.as_bytes()), field(2, &field(1, text.as_bytes()))].concat())
    };
    let mut span = [field(1, &[7; 16]), field(2, &[8; 8]), field(5, b"chat")].concat();
    for number in [7, 8] {
        span.push(number << 3 | 1);
        span.extend_from_slice(&(1_748_736_000_123_456_789 + u64::from(number)).to_le_bytes());
    }
    span.extend(attribute("gen_ai.operation.name", "chat"));
    span.extend(attribute("gen_ai.prompt", "where is my order?"));
    let scope = field(2, &[field(2, &span), field(2, &span)].concat());
    field(1, &[field(1, &attribute("service.name", "p")), scope].concat())
}

const FILTERS: [&str; 6] = [
    r#"and(eq(status, "error"), gt(latency, "5s"))"#,
    r#"or(has(tags, "a"), and(eq(metadata_key, "user"), eq(metadata_value, "u")))"#,
    r#"not(in(name, ["a", "b", "c"]))"#,
    r#"search("where is")"#,
    r#"gte(start_time, "2026-10-13T07:05:34Z")"#,
    r#"and(eq(feedback_key, "good"), lt(feedback_score, 0.5), like(name, "%x_"))"#,
];

fn doors() -> Vec<Door> {
    let door = |name, method, path: &str, kind, seeds| Door { name, method, path: path.into(), kind, seeds };
    let bytes = |value: Value| value.to_string().into_bytes();
    let chat = "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": \"yes\"}]}]}\n"
        .repeat(3);
    let lines = format!("{}\n{}\n", run(), run());
    let form = "multipart/form-data; boundary=b";
    let json = "application/json";
    vec![
        door("run", Method::POST, "/runs", json, vec![bytes(run())]),
        door("update", Method::PATCH, &format!("/runs/{RUN}"), json, vec![bytes(run())]),
        door(
            "batch",
            Method::POST,
            "/runs/batch",
            json,
            vec![bytes(json!({"post": [run(), run()], "patch": [run()]}))],
        ),
        door("multipart", Method::POST, "/runs/multipart", form, vec![multipart()]),
        door("protobuf", Method::POST, "/otel/v1/traces", "application/x-protobuf", vec![protobuf()]),
        door("spans", Method::POST, "/otel/v1/traces", json, vec![bytes(spans())]),
        door(
            "filter",
            Method::POST,
            "/runs/query",
            json,
            FILTERS.map(|text| text.as_bytes().to_vec()).to_vec(),
        ),
        door(
            "chat",
            Method::POST,
            "/import?format=chat",
            "application/octet-stream",
            vec![chat.into_bytes()],
        ),
        door(
            "file",
            Method::POST,
            "/import?project=p",
            "application/octet-stream",
            vec![lines.into_bytes(), bytes(spans())],
        ),
    ]
}

/// A body made bad in one of many ways, and how it is packed.
fn damaged(numbers: &mut Numbers, door: &Door, way: usize) -> (Vec<u8>, Option<&'static str>) {
    let seed = &door.seeds[numbers.below(door.seeds.len())];
    let mut body = seed.clone();
    let at = numbers.below(body.len());
    match way % 16 {
        0 => body.truncate(at),
        1 => (0..1 + numbers.below(4)).for_each(|_| {
            let at = numbers.below(body.len());
            body[at] ^= 1 << numbers.below(8);
        }),
        2 => {
            let end = (at + 1 + numbers.below(40)).min(body.len());
            body.drain(at..end);
        }
        3 => {
            let end = (at + 1 + numbers.below(200)).min(body.len());
            let piece = body[at..end].to_vec();
            let to = numbers.below(body.len());
            body.splice(to..to, piece);
        }
        4 => body.splice(at..at, [0xff, 0xfe, 0xc0, 0x80]).for_each(drop),
        5 => body.splice(at..at, std::iter::repeat_n(b'[', 3_000)).for_each(drop),
        6 => body.splice(at..at, b"1e999999999999999999999".iter().copied()).for_each(drop),
        7 => body.splice(at..(at + 1).min(seed.len()), [0xff; 9]).for_each(drop),
        8..=10 => body = retyped(numbers, seed),
        11 => body = vec![0; 1 + at],
        12 => body = nested(numbers),
        13 => {
            let mut packed = zstd::encode_all(&body[..], 1).expect("packed");
            let at = numbers.below(packed.len());
            packed[at] ^= 1 << numbers.below(8);
            packed.truncate(packed.len() - numbers.below(3));
            return (packed, Some("zstd"));
        }
        14 => {
            let mut packed = gzip(&body);
            let at = numbers.below(packed.len());
            packed[at] ^= 1 << numbers.below(8);
            return (packed, Some("gzip"));
        }
        _ => match numbers.below(3) {
            0 => return (zstd::encode_all(&vec![b' '; 6 << 20][..], 1).expect("packed"), Some("zstd")),
            1 => return (gzip(&vec![b' '; 6 << 20]), Some("gzip")),
            _ => return (body, Some("deflate")),
        },
    }
    (body, None)
}

/// Another value in the place of some value, where the body is JSON; else some bytes more.
fn retyped(numbers: &mut Numbers, seed: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(seed) else {
        let mut body = seed.to_vec();
        let at = numbers.below(body.len());
        body.splice(at..at, [b'"', b'\\', 0, b'\n', b')'].into_iter().take(1 + numbers.below(5)));
        return body;
    };
    let others = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(""),
        json!("x".repeat(20_000)),
        json!("\u{0}\u{ffff}"),
        json!([]),
        json!({}),
        json!([[[[1]]]]),
        json!({"": {"": ""}}),
        json!("9999-99-99T99:99:99Z"),
    ];
    let other = others[numbers.below(others.len())].clone();
    let mut place = &mut value;
    for _ in 0..1 + numbers.below(6) {
        // Indexing borrows anew each time, so that the place can stay where it is.
        let count = match &*place {
            Value::Array(items) => items.len(),
            Value::Object(map) => map.len(),
            _ => 0,
        };
        if count == 0 {
            break;
        }
        let number = numbers.below(count);
        place = match place {
            Value::Array(items) => &mut items[number],
            Value::Object(map) => map.values_mut().nth(number).expect("counted"),
            _ => unreachable!("counted as none"),
        };
    }
    *place = other;
    value.to_string().into_bytes()
}

/// Nested too deeply, by brackets, objects, calls or messages.
fn nested(numbers: &mut Numbers) -> Vec<u8> {
    let depth = 200 + numbers.below(20_000);
    match numbers.below(4) {
        0 => [b"[".repeat(depth), b"]".repeat(depth)].concat(),
        1 => [b"{\"post\":".repeat(depth), b"1".to_vec(), b"}".repeat(depth)].concat(),
        2 => [b"not(".repeat(depth), b"eq(a, 1)".to_vec(), b")".repeat(depth)].concat(),
        _ => (0..depth.min(2_000)).fold(Vec::new(), |inner, _| field(1, &inner)),
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).expect("packed");
    gzip.finish().expect("packed")
}

async fn send(server: &Server, door: &Door, body: Vec<u8>, encoding: Option<&'static str>) -> Answer {
    let body = match door.name {
        // The filter is bad, not the JSON around it.
        "filter" if encoding.is_none() => {
            json!({ "filter": String::from_utf8_lossy(&body), "limit": 1 }).to_string().into_bytes()
        }
        _ => body,
    };
    let mut request = request(door.method.clone(), &door.path, Body::from(body));
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(door.kind));
    if let Some(encoding) = encoding {
        request.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    tokio::time::timeout(PATIENCE, server.send(request)).await.expect("an answer in good time")
}

/// Whether a refusal says what is wrong.
fn says_why(answer: &Answer) -> bool {
    let words = answer.text();
    words.chars().filter(|c| c.is_alphabetic()).count() >= 12 && !words.contains("cannot be decoded")
}

#[tokio::test]
async fn a_thousand_bad_bodies_are_answered_with_reasons_and_never_a_fault() {
    let server = Server::with(Config { max_unpacked: 4 << 20, ..Config::default() });
    let mut numbers = Numbers(0x5eed_0fba_dbad_b0d1);
    let mut outcomes: BTreeMap<(&str, u16), usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for door in doors() {
        for way in 0..PER_DOOR {
            let (body, encoding) = damaged(&mut numbers, &door, way);
            let shown: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            let answer = send(&server, &door, body, encoding).await;
            let status = answer.status.as_u16();
            *outcomes.entry((door.name, status)).or_default() += 1;
            let is_good = answer.status.is_success() || answer.status.is_client_error() && says_why(&answer);
            if !is_good {
                faults.push(format!(
                    "{} (way {}): {status} {}\n  {shown}",
                    door.name,
                    way % 16,
                    answer.text()
                ));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults, such as\n{}",
        faults.len(),
        faults[..faults.len().min(5)].join("\n")
    );
    assert!(outcomes.values().sum::<usize>() >= 1_000);
    for door in doors() {
        let refused: usize = outcomes
            .iter()
            .filter(|((name, status), _)| *name == door.name && *status >= 400)
            .map(|(_, count)| count)
            .sum();
        assert!(
            refused > PER_DOOR / 4,
            "only {refused} bad bodies of {} were refused: {outcomes:?}",
            door.name
        );
    }
    // It is as well as before.
    for door in doors() {
        for seed in &door.seeds {
            send(&server, &door, seed.clone(), None).await.ok_or_empty();
        }
    }
}

impl Answer {
    #[track_caller]
    fn ok_or_empty(&self) {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
    }
}

#[tokio::test]
async fn refusals_say_where_the_mistake_is() {
    let server = Server::new();
    let plain = |path: &str, kind: &'static str, body: &[u8]| {
        let mut request = request(Method::POST, path, Body::from(body.to_vec()));
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        request
    };
    for (path, kind, body, words) in [
        ("/runs", "application/json", &b"{\"id\": 1,, }"[..], "column 10"),
        ("/runs/batch", "application/json", b"{\"post\": [{\"id\": \"x\"}]}", "post"),
        (
            "/runs/multipart",
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"post.x\"\r\n\r\n{}\r\n--b--\r\n",
            "post.x",
        ),
        ("/otel/v1/traces", "application/json", b"{\"resourceSpans\": 3}", "resourceSpans"),
        ("/runs/query", "application/json", br#"{"filter": "eq(nmae, 1)"}"#, "column 4"),
        ("/import?format=chat", "text/plain", b"{\"messages\": [\n", "<body>:1"),
    ] {
        let answer = server.send(plain(path, kind, body)).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        assert!(answer.text().contains(words), "{path}: {}", answer.text());
    }
}
