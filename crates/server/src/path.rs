//! One path per resource, whatever prefix a client puts before it.
//!
//! Clients build addresses in several ways (contract 0.1): `/runs`,
//! `/api/v1/runs` and `/v1/runs` are the same thing. Canonical are v1 without a
//! prefix, `/v2/...`, `/platform/...` and `/otel/v1/traces`.

use axum::extract::Request;
use http::Uri;
use http::uri::PathAndQuery;

/// Rewrites the path of a request to its canonical form.
pub(crate) fn canonical<B>(mut request: Request<B>) -> Request<B> {
    let old = request.uri().path();
    let new = canonical_path(old);
    if new != old {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut parts = request.uri().clone().into_parts();
        // What came as a path stays one: only whole segments were cut off.
        parts.path_and_query = PathAndQuery::try_from(format!("{new}{query}")).ok();
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

fn canonical_path(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let rest: &[&str] = match segments.as_slice() {
        // What exporters use that add their own suffix to a bare host.
        ["v1", signal @ ("traces" | "logs" | "metrics")] => return format!("/otel/v1/{signal}"),
        ["api", "v1", rest @ ..] | ["api", rest @ ..] | ["v1", rest @ ..] => rest,
        all => all,
    };
    format!("/{}", rest.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_leads_to_the_same_place() {
        for (given, expected) in [
            ("/runs", "/runs"),
            ("/api/runs", "/runs"),
            ("/api/v1/runs/", "/runs"),
            ("/v1/runs", "/runs"),
            ("//runs//query", "/runs/query"),
            ("/api/v2/runs/query", "/v2/runs/query"),
            ("/v2/runs/query", "/v2/runs/query"),
            ("/v1/platform/datasets/x/examples", "/platform/datasets/x/examples"),
            ("/api/v1/platform/datasets", "/platform/datasets"),
            ("/otel/v1/traces", "/otel/v1/traces"),
            ("/api/v1/otel/v1/traces", "/otel/v1/traces"),
            ("/v1/otel/v1/traces", "/otel/v1/traces"),
            ("/v1/traces", "/otel/v1/traces"),
            ("/v1/logs", "/otel/v1/logs"),
            ("/", "/"),
        ] {
            assert_eq!(canonical_path(given), expected, "{given}");
        }
    }

    #[test]
    fn the_query_stays() {
        let request =
            Request::builder().uri("/api/v1/sessions/?limit=1&name=a%2Fb").body(()).expect("a request");
        assert_eq!(canonical(request).uri(), "/sessions?limit=1&name=a%2Fb");
    }
}
