//! The exchange with an exporter: requests of the three signals, and answers.
//!
//! Only traces are kept. What else exporters send is counted, so that they can
//! be told how much was dropped; they do not repeat it then. The answers of the
//! three services have one shape and differ in a name of the JSON encoding.

use prost::Message as _;
use serde_json::{Value, json};

use crate::{Decoded, json};

/// How a request is written; its answer is written the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Protobuf,
    Json,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// Decodes a request for traces. A body that is none is a single refusal.
#[must_use]
pub fn traces(body: &[u8], encoding: Encoding) -> Decoded {
    if encoding == Encoding::Protobuf {
        return super::decode_protobuf(body, "");
    }
    match json::parse(body) {
        Ok(json::Parsed { value, repaired }) => {
            let mut decoded = super::decode_json(&value, "");
            decoded.repaired += usize::from(repaired);
            decoded
        }
        Err(reason) => Decoded::refused(reason),
    }
}

/// How many log records or data points a request carries.
///
/// # Errors
/// If it is no request of this signal.
pub fn count(body: &[u8], signal: Signal, encoding: Encoding) -> Result<u64, String> {
    match (encoding, signal) {
        (Encoding::Json, _) => {
            let json::Parsed { value, .. } = json::parse(body)?;
            Ok(count_json(&value, signal))
        }
        (_, Signal::Metrics) => {
            let request = Metrics::decode(body).map_err(|error| format!("not a metrics request: {error}"))?;
            Ok(request.points())
        }
        _ => {
            let request = Records::decode(body).map_err(|error| format!("not a logs request: {error}"))?;
            let scopes = request.resources.iter().flat_map(|resource| &resource.scopes);
            Ok(scopes.map(|scope| scope.items.len() as u64).sum())
        }
    }
}

/// The answer to a request, `rejected` things of which were not kept. A
/// `message` alone is a warning; neither is plain success.
#[must_use]
pub fn response(signal: Signal, rejected: u64, message: &str, encoding: Encoding) -> Vec<u8> {
    let has_news = rejected > 0 || !message.is_empty();
    match encoding {
        Encoding::Protobuf => {
            let rejected = i64::try_from(rejected).unwrap_or(i64::MAX);
            let partial = has_news.then(|| Partial { rejected, message: message.to_owned() });
            Response { partial }.encode_to_vec()
        }
        Encoding::Json if has_news => {
            let key = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Logs => "rejectedLogRecords",
                Signal::Metrics => "rejectedDataPoints",
            };
            // 64-bit numbers are text in this encoding.
            json!({ "partialSuccess": { key: rejected.to_string(), "errorMessage": message } })
                .to_string()
                .into_bytes()
        }
        Encoding::Json => b"{}".to_vec(),
    }
}

/// The body of a refusal: a `google.rpc.Status`.
#[must_use]
pub fn refusal(code: i32, message: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Protobuf => Status { code, message: message.to_owned() }.encode_to_vec(),
        Encoding::Json => json!({ "code": code, "message": message }).to_string().into_bytes(),
    }
}

fn count_json(value: &Value, signal: Signal) -> u64 {
    fn lists<'a>(value: &'a Value, names: [&str; 2]) -> impl Iterator<Item = &'a Value> + use<'a> {
        let list = names.iter().find_map(|name| value.get(*name)?.as_array());
        list.into_iter().flatten()
    }
    let mut count = 0;
    if signal == Signal::Logs {
        for resource in lists(value, ["resourceLogs", "resource_logs"]) {
            for scope in lists(resource, ["scopeLogs", "scope_logs"]) {
                count += lists(scope, ["logRecords", "log_records"]).count();
            }
        }
        return count as u64;
    }
    for resource in lists(value, ["resourceMetrics", "resource_metrics"]) {
        for scope in lists(resource, ["scopeMetrics", "scope_metrics"]) {
            for metric in lists(scope, ["metrics", "metrics"]) {
                let kinds = metric.as_object().into_iter().flatten();
                count +=
                    kinds.map(|(_, kind)| lists(kind, ["dataPoints", "data_points"]).count()).sum::<usize>();
            }
        }
    }
    count as u64
}

/// `ExportLogsServiceRequest`, as far as it takes to count.
#[derive(Clone, PartialEq, prost::Message)]
struct Records {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Resource {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Scope {
    #[prost(bytes = "vec", repeated, tag = "2")]
    items: Vec<Vec<u8>>,
}

/// `ExportMetricsServiceRequest`, as far as it takes to count.
#[derive(Clone, PartialEq, prost::Message)]
struct Metrics {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResourceMetrics {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeMetrics>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ScopeMetrics {
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
}

/// Of each kind of metric, the data points are field 1.
#[derive(Clone, PartialEq, prost::Message)]
struct Metric {
    #[prost(message, optional, tag = "5")]
    gauge: Option<Points>,
    #[prost(message, optional, tag = "7")]
    sum: Option<Points>,
    #[prost(message, optional, tag = "9")]
    histogram: Option<Points>,
    #[prost(message, optional, tag = "10")]
    exponential: Option<Points>,
    #[prost(message, optional, tag = "11")]
    summary: Option<Points>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Points {
    #[prost(bytes = "vec", repeated, tag = "1")]
    points: Vec<Vec<u8>>,
}

impl Metrics {
    fn points(&self) -> u64 {
        let scopes = self.resources.iter().flat_map(|resource| &resource.scopes);
        let kinds = scopes.flat_map(|scope| &scope.metrics).flat_map(|metric| {
            let Metric { gauge, sum, histogram, exponential, summary } = metric;
            [gauge, sum, histogram, exponential, summary].into_iter().flatten()
        });
        kinds.map(|kind| kind.points.len() as u64).sum()
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial: Option<Partial>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Partial {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

    use super::*;

    #[test]
    fn answers_are_what_exporters_expect() {
        let answer = response(Signal::Traces, 2, "span without an id", Encoding::Protobuf);
        let read = ExportTraceServiceResponse::decode(answer.as_slice()).expect("an answer");
        let partial = read.partial_success.expect("a partial success");
        assert_eq!((partial.rejected_spans, partial.error_message.as_str()), (2, "span without an id"));
        assert_eq!(response(Signal::Traces, 0, "", Encoding::Protobuf), b"");
        assert_eq!(response(Signal::Logs, 0, "", Encoding::Json), b"{}");
        let answer = response(Signal::Metrics, 3, "dropped", Encoding::Json);
        assert_eq!(answer, br#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"dropped"}}"#);
    }

    #[test]
    fn what_is_dropped_is_counted() {
        let logs = br#"{"resourceLogs": [{"scopeLogs": [{"logRecords": [{}, {}]}, {"logRecords": [{}]}]}]}"#;
        assert_eq!(count(logs, Signal::Logs, Encoding::Json), Ok(3));
        let metrics = br#"{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "a", "sum": {"dataPoints": [{}, {}]}}]}]}]}"#;
        assert_eq!(count(metrics, Signal::Metrics, Encoding::Json), Ok(2));

        let scope = Scope { items: vec![vec![], vec![]] };
        let records = Records { resources: vec![Resource { scopes: vec![scope] }] };
        assert_eq!(count(&records.encode_to_vec(), Signal::Logs, Encoding::Protobuf), Ok(2));
        let points = Some(Points { points: vec![vec![]; 4] });
        let metric = Metric { sum: points.clone(), summary: points, ..Metric::default() };
        let metrics = Metrics {
            resources: vec![ResourceMetrics { scopes: vec![ScopeMetrics { metrics: vec![metric] }] }],
        };
        assert_eq!(count(&metrics.encode_to_vec(), Signal::Metrics, Encoding::Protobuf), Ok(8));
        assert!(count(b"\xff", Signal::Metrics, Encoding::Protobuf).is_err());
        assert!(count(b"{", Signal::Logs, Encoding::Json).is_err());
    }
}
