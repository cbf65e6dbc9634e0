//! Bodies of requests: runs of about 1 KB with new ids, as clients send them.

use std::fmt::Write as _;

use crate::random::Random;

/// What is sent, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Creations, and in a later request their ends, by `/runs/multipart` in zstd.
    Pairs,
    /// Finished runs by `/runs/multipart` in zstd.
    Multipart,
    /// Finished runs by `/runs/batch` as JSON.
    Batch,
    /// Spans by OTLP protobuf.
    Otlp,
}

impl Kind {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "pairs" => Self::Pairs,
            "multipart" => Self::Multipart,
            "batch" => Self::Batch,
            "otlp" => Self::Otlp,
            _ => return None,
        })
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Pairs | Self::Multipart => "/runs/multipart",
            Self::Batch => "/runs/batch",
            Self::Otlp => "/otel/v1/traces",
        }
    }

    pub(crate) fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Pairs | Self::Multipart => {
                &[("content-type", "multipart/form-data; boundary=assayload"), ("content-encoding", "zstd")]
            }
            Self::Batch => &[("content-type", "application/json")],
            Self::Otlp => &[("content-type", "application/x-protobuf")],
        }
    }
}

const WORDS: [&str; 24] = [
    "order", "refund", "please", "cancel", "the", "invoice", "address", "change", "my", "delivery", "was",
    "late", "payment", "card", "declined", "account", "where", "is", "package", "help", "with", "password",
    "reset", "today",
];
const NAMES: [&str; 6] = ["agent", "plan", "lookup_order", "answer", "search_docs", "refund"];

/// One run on its way.
pub(crate) struct Sent {
    id: u128,
    number: u64,
}

/// Makes bodies for one connection.
pub(crate) struct Bodies {
    numbers: Random,
    project: String,
    /// Microseconds since 1970 at the first run.
    start: u64,
    count: u64,
}

impl Bodies {
    pub(crate) fn new(seed: u64, project: &str, start_micros: u64) -> Self {
        Self { numbers: Random(seed), project: project.to_owned(), start: start_micros, count: 0 }
    }

    /// New runs, each the root of its own trace.
    pub(crate) fn runs(&mut self, count: usize) -> Vec<Sent> {
        let mut run = || {
            self.count += 1;
            let id = (u128::from(self.numbers.next()) << 64) | u128::from(self.numbers.next());
            // Version and variant of a version 4 UUID.
            let id = (id & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
            Sent { id, number: self.count }
        };
        (0..count).map(|_| run()).collect()
    }

    fn text(&mut self, words: u64) -> String {
        let mut text = String::new();
        for _ in 0..words {
            let word = WORDS[self.numbers.below(WORDS.len() as u64) as usize];
            let _ = write!(text, "{word} ");
        }
        text
    }

    fn time(&self, run: &Sent, plus: u64) -> String {
        let micros = self.start + run.number * 100 + plus;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days as i64);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }

    /// The fields of a creation; with `is_whole` those of the end, too.
    fn creation(&mut self, run: &Sent, is_whole: bool) -> (String, String, String, String) {
        let (id, start) = (uuid(run.id), self.time(run, 0));
        let order = format!("{}{id}", start.replace(['-', ':', '.'], ""));
        let (project, number) = (&self.project, run.number);
        let name = NAMES[(number % NAMES.len() as u64) as usize];
        let mut fields = format!(
            r#""id":"{id}","trace_id":"{id}","dotted_order":"{order}","name":"{name}","run_type":"chain","start_time":"{start}","session_name":"{project}","tags":["load"]"#
        );
        if is_whole {
            let _ = write!(fields, r#","end_time":"{}""#, self.time(run, 90_000 + number % 977 * 1000));
            if number.is_multiple_of(20) {
                let _ = write!(fields, r#","error":"timeout after 30 s""#);
            }
        }
        let extra = format!(
            r#"{{"metadata":{{"thread_id":"thread-{}","user":"user-{}","env":"prod"}},"runtime":{{"sdk":"load"}}}}"#,
            number / 4,
            number % 500
        );
        let inputs = format!(r#"{{"messages":[{{"role":"user","content":"{}"}}]}}"#, self.text(40));
        let outputs = if is_whole { self.outputs() } else { "{}".to_owned() };
        (fields, inputs, outputs, extra)
    }

    fn outputs(&mut self) -> String {
        format!(r#"{{"messages":[{{"role":"assistant","content":"{}"}}]}}"#, self.text(40))
    }

    fn end(&mut self, run: &Sent) -> (String, String) {
        let (id, start) = (uuid(run.id), self.time(run, 0));
        let order = format!("{}{id}", start.replace(['-', ':', '.'], ""));
        let end = self.time(run, 90_000 + run.number % 977 * 1000);
        let fields = format!(r#""id":"{id}","trace_id":"{id}","dotted_order":"{order}","end_time":"{end}""#);
        (fields, self.outputs())
    }

    /// A multipart body in zstd of creations, and of ends of earlier ones.
    pub(crate) fn multipart(&mut self, created: &[Sent], ended: &[Sent], is_whole: bool) -> Vec<u8> {
        let mut text = String::with_capacity((created.len() + ended.len()) * 1600);
        for run in created {
            let (fields, inputs, outputs, extra) = self.creation(run, is_whole);
            let id = uuid(run.id);
            part(&mut text, &format!("post.{id}"), &format!("{{{fields}}}"));
            part(&mut text, &format!("post.{id}.inputs"), &inputs);
            part(&mut text, &format!("post.{id}.outputs"), &outputs);
            part(&mut text, &format!("post.{id}.extra"), &extra);
        }
        for run in ended {
            let (fields, outputs) = self.end(run);
            let id = uuid(run.id);
            part(&mut text, &format!("patch.{id}"), &format!("{{{fields}}}"));
            part(&mut text, &format!("patch.{id}.outputs"), &outputs);
        }
        text.push_str("--assayload--\r\n");
        zstd::encode_all(text.as_bytes(), 1).unwrap_or_default()
    }

    /// A JSON batch of finished runs.
    pub(crate) fn batch(&mut self, runs: &[Sent]) -> Vec<u8> {
        let mut text = String::from(r#"{"post":["#);
        for (index, run) in runs.iter().enumerate() {
            let (fields, inputs, outputs, extra) = self.creation(run, true);
            let comma = if index > 0 { "," } else { "" };
            let _ =
                write!(text, r#"{comma}{{{fields},"inputs":{inputs},"outputs":{outputs},"extra":{extra}}}"#);
        }
        text.push_str("]}");
        text.into_bytes()
    }

    /// An `ExportTraceServiceRequest` (OTLP 1.x) of finished root spans.
    pub(crate) fn otlp(&mut self, runs: &[Sent]) -> Vec<u8> {
        let mut spans = Vec::new();
        for run in runs {
            let begin = (self.start + run.number * 100) * 1000;
            let mut span = Vec::new();
            bytes_field(&mut span, 1, &run.id.to_be_bytes());
            bytes_field(&mut span, 2, &(run.id as u64).to_be_bytes());
            bytes_field(&mut span, 5, NAMES[(run.number % NAMES.len() as u64) as usize].as_bytes());
            fixed_field(&mut span, 7, begin);
            fixed_field(&mut span, 8, begin + 90_000_000);
            let conversation = format!("thread-{}", run.number / 4);
            let (prompt, completion) = (self.text(40), self.text(40));
            for (key, value) in [
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.request.model", "gpt-4o-mini"),
                ("gen_ai.conversation.id", &conversation),
                ("gen_ai.prompt", &prompt),
                ("gen_ai.completion", &completion),
                ("deployment.environment", "prod"),
            ] {
                bytes_field(&mut span, 9, &attribute(key, value));
            }
            bytes_field(&mut spans, 2, &span);
        }
        let mut resource = Vec::new();
        bytes_field(&mut resource, 1, &attribute("service.name", "load"));
        let mut resource_spans = Vec::new();
        bytes_field(&mut resource_spans, 1, &resource);
        bytes_field(&mut resource_spans, 2, &spans);
        let mut request = Vec::new();
        bytes_field(&mut request, 1, &resource_spans);
        request
    }
}

fn part(text: &mut String, name: &str, body: &str) {
    let _ = write!(
        text,
        "--assayload\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}\r\n",
        body.len()
    );
}

fn uuid(id: u128) -> String {
    let hex = format!("{id:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Year, month, day of a day since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn attribute(key: &str, value: &str) -> Vec<u8> {
    let mut any = Vec::new();
    bytes_field(&mut any, 1, value.as_bytes());
    let mut attribute = Vec::new();
    bytes_field(&mut attribute, 1, key.as_bytes());
    bytes_field(&mut attribute, 2, &any);
    attribute
}

/// Protocol buffers: a length-delimited field.
fn bytes_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    varint(out, u64::from(number << 3 | 2));
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Protocol buffers: a 64-bit field.
fn fixed_field(out: &mut Vec<u8>, number: u32, value: u64) {
    varint(out, u64::from(number << 3 | 1));
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }

    #[test]
    fn a_batch_is_json_of_about_a_kilobyte_a_run() {
        let mut bodies = Bodies::new(1, "load", 1_700_000_000_000_000);
        let runs = bodies.runs(10);
        let body = bodies.batch(&runs);
        let parsed: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(parsed["post"].as_array().map(Vec::len), Some(10));
        let size = body.len() / 10;
        assert!((800..1300).contains(&size), "{size} bytes a run");
    }
}
