//! The part of OTLP's JSON that most senders use, for the OpenAPI document
//! alone: the decoder in `wire` knows all of it.

#![expect(dead_code, reason = "read by the derive of their schemas only")]
#![expect(non_snake_case, reason = "names of the wire format")]

use utoipa::ToSchema;

/// `ExportTraceServiceRequest`.
#[derive(ToSchema)]
pub(super) struct ExportTraces {
    resourceSpans: Vec<OtlpResourceSpans>,
}

#[derive(ToSchema)]
struct OtlpResourceSpans {
    resource: Option<OtlpResource>,
    scopeSpans: Option<Vec<OtlpScopeSpans>>,
}

#[derive(ToSchema)]
struct OtlpResource {
    attributes: Option<Vec<OtlpAttribute>>,
}

#[derive(ToSchema)]
struct OtlpScopeSpans {
    spans: Option<Vec<OtlpSpan>>,
}

#[derive(ToSchema)]
struct OtlpSpan {
    /// 32 hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    traceId: String,
    /// 16 hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    spanId: String,
    #[schema(pattern = "^([0-9a-f]{16})?$")]
    parentSpanId: Option<String>,
    name: Option<String>,
    kind: Option<u8>,
    /// Nanoseconds of the epoch, as text.
    #[schema(pattern = "^[0-9]{1,19}$")]
    startTimeUnixNano: Option<String>,
    #[schema(pattern = "^[0-9]{1,19}$")]
    endTimeUnixNano: Option<String>,
    attributes: Option<Vec<OtlpAttribute>>,
    status: Option<OtlpStatus>,
}

#[derive(ToSchema)]
struct OtlpAttribute {
    key: String,
    value: Option<OtlpAttributeText>,
}

/// One of the values OTLP has; others are `intValue`, `doubleValue`, `boolValue`, `arrayValue`, `kvlistValue`.
#[derive(ToSchema)]
struct OtlpAttributeText {
    stringValue: Option<String>,
}

#[derive(ToSchema)]
struct OtlpStatus {
    code: Option<u8>,
    message: Option<String>,
}
