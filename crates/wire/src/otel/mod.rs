//! OpenTelemetry: exported spans become runs.
//!
//! A request (`ExportTraceServiceRequest`, as protobuf or JSON) or a flat list
//! of spans is read into one kind of [`span::Span`]; [`ids`] decides which run
//! each span is, [`conventions`] what its attributes mean, [`patch`] puts both
//! together. Spans arrive whole, child first, in any number of requests: every
//! id follows from the span alone, so trees join whatever came in which request.
//! Messages are put into the common chat shape by [`messages`]; reading them as
//! a conversation is the `transcript` crate's business. What a server says to
//! exporters is in [`export`].

mod conventions;
pub mod export;
mod ids;
mod json;
mod messages;
mod parts;
mod patch;
mod protobuf;
mod span;
mod usage;

#[cfg(test)]
mod data_tests;
#[cfg(test)]
mod dialect_tests;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::{Decoded, Rejected};
use span::Span;

/// Decodes a protobuf `ExportTraceServiceRequest`.
///
/// `origin` (`file:line`, or empty) stands before the place of each rejected
/// span. A span that cannot be read is rejected alone; bytes that are no
/// request are one rejection.
#[must_use]
pub fn decode_protobuf(bytes: &[u8], origin: &str) -> Decoded {
    protobuf::read(bytes).into_decoded(origin)
}

/// Decodes an `ExportTraceServiceRequest` in OTLP/JSON, a list of requests, or
/// spans exported without the envelope (`{"spans": […]}`, also nested through
/// `child_spans`).
///
/// Tolerates snake case, hex or base64 ids, numbers as text, enums by name and
/// `instrumentationLibrarySpans`. Rejections as in [`decode_protobuf`].
#[must_use]
pub fn decode_json(value: &Value, origin: &str) -> Decoded {
    json::read(value).into_decoded(origin)
}

/// Whether [`decode_json`] would find spans here.
#[must_use]
pub fn looks_like(value: &Value) -> bool {
    json::looks_like(value)
}

/// What either encoding yields: spans, and the places of those that are none.
#[derive(Default)]
struct Spans {
    spans: Vec<Span>,
    rejected: Vec<Rejected>,
}

impl Spans {
    fn reject(&mut self, location: impl Into<String>, reason: impl Into<String>) {
        self.rejected.push(Rejected { location: location.into(), reason: reason.into() });
    }

    fn into_decoded(self, origin: &str) -> Decoded {
        let Self { spans, mut rejected } = self;
        for refusal in &mut rejected {
            refusal.location = match (origin.is_empty(), refusal.location.is_empty()) {
                (false, false) => format!("{origin}: {}", refusal.location),
                (false, true) => origin.to_owned(),
                (true, _) => std::mem::take(&mut refusal.location),
            };
        }
        let places = ids::places(&spans);
        let mut decoded = Decoded { rejected, ..Decoded::default() };
        for (span, place) in spans.into_iter().zip(places) {
            patch::add(span, place, &mut decoded);
        }
        decoded
    }
}
