//! OTLP requests, as protobuf and as JSON: decoding never fails in a way it should not.

#![no_main]

use assay_wire::otel::export::{Encoding, Signal, count, traces};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let _ = traces(body, encoding);
        let _ = count(body, Signal::Logs, encoding);
    }
});
