//! Keeps web pages away from a server that asks for no key.
//!
//! A page in a browser can send requests to any address its user can reach,
//! also to loopback. Where a key is asked for, it lacks it. Where none is,
//! two headers that a page cannot forge tell: `Origin` (who asks) must be the
//! server itself, and `Host` must be a name that nobody can point here from
//! outside (DNS rebinding): an address, a name without dots, or one that the
//! configuration knows.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode, Uri, header};
use url::Url;

use crate::app::Config;
use crate::error::{ApiError, ApiResult};

/// Refuses (403) what a foreign web page may have sent.
pub(super) fn check(headers: &HeaderMap, uri: &Uri, config: &Config) -> ApiResult<()> {
    if let Some(host) = host(headers, uri).filter(|host| !is_safe_host(host, config)) {
        return Err(refused(format!(
            "the host {:?} is not known here; say --public-url if it is this server's, or use its address",
            shown(host)
        )));
    }
    check_sender(headers, uri, config)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// The host that was asked. HTTP/2 says it in the address.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    uri.authority().map(http::uri::Authority::as_str).or_else(|| text(headers, "host"))
}

/// [`check`] for callers that show something only the browser's user has for
/// this very host: the name of the host does not matter then.
pub(super) fn check_sender(headers: &HeaderMap, uri: &Uri, config: &Config) -> ApiResult<()> {
    let text = |name: &str| text(headers, name);
    let host = host(headers, uri);
    let Some(origin) = text(header::ORIGIN.as_str()) else {
        // Without an origin a browser still says whether another site asks; links may be followed.
        let is_foreign = matches!(text("sec-fetch-site"), Some("cross-site" | "same-site"));
        let is_link = text("sec-fetch-mode") == Some("navigate");
        return if is_foreign && !is_link {
            Err(refused("requests of other sites need a key".to_owned()))
        } else {
            Ok(())
        };
    };
    let is_own = Url::parse(origin).is_ok_and(|url| host.is_some_and(|host| is_same(&url, host)));
    if is_own || is_public_url(origin, config) {
        return Ok(());
    }
    Err(refused(format!("pages of {:?} may not use this server without a key", shown(origin))))
}

fn refused(text: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, text)
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// The name in `name:port` or `[v6]:port`.
fn name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_safe_host(host: &str, config: &Config) -> bool {
    let name = name(host).trim_end_matches('.').to_ascii_lowercase();
    let is_known = |known: &String| known.eq_ignore_ascii_case(&name) || known.eq_ignore_ascii_case(host);
    name.parse::<IpAddr>().is_ok()
        || (!name.is_empty() && !name.contains('.'))
        || name.ends_with(".localhost")
        || config.allowed_hosts.iter().any(is_known)
        || public_host(config).is_some_and(|public| public == name)
}

fn public_host(config: &Config) -> Option<String> {
    let url = Url::parse(config.public_url.as_deref()?).ok()?;
    url.host_str().map(|host| host.trim_matches(['[', ']']).to_ascii_lowercase())
}

fn is_public_url(origin: &str, config: &Config) -> bool {
    let (Some(public), Ok(origin)) = (config.public_url.as_deref(), Url::parse(origin)) else { return false };
    Url::parse(public).is_ok_and(|public| public.origin() == origin.origin())
}

/// Whether an origin is the host that was asked, port included.
fn is_same(origin: &Url, host: &str) -> bool {
    let Ok(own) = Url::parse(&format!("{}://{host}", origin.scheme())) else { return false };
    matches!(origin.scheme(), "http" | "https") && own.origin() == origin.origin()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn is_let_in(pairs: &[(&'static str, &'static str)]) -> bool {
        let config = Config { public_url: Some("https://assay.example.com".into()), ..Config::default() };
        let headers = pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        check(&headers.collect(), &Uri::from_static("/runs"), &config).is_ok()
    }

    #[test]
    fn programs_and_own_pages_are_let_in() {
        assert!(is_let_in(&[]));
        for host in [
            "localhost:1984",
            "127.0.0.1:1984",
            "[::1]:1984",
            "assay:1984",
            "x.localhost",
            "10.0.0.5",
            "assay.example.com",
        ] {
            assert!(is_let_in(&[("host", host)]), "{host}");
        }
        assert!(is_let_in(&[("host", "localhost:1984"), ("origin", "http://localhost:1984")]));
        assert!(is_let_in(&[("host", "[::1]:1984"), ("origin", "http://[::1]:1984")]));
        assert!(is_let_in(&[("host", "127.0.0.1:1984"), ("origin", "https://assay.example.com")]));
        assert!(is_let_in(&[
            ("host", "localhost"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate")
        ]));
        assert!(is_let_in(&[("host", "localhost"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn foreign_pages_are_not() {
        for (host, origin) in [
            // Rebinding: the page's own name points here.
            ("evil.example", None),
            ("evil.example:1984", Some("http://evil.example:1984")),
            ("localhost.evil.example", None),
            ("", None),
            // Another site, another port, a sandbox, nonsense.
            ("localhost:1984", Some("https://evil.example")),
            ("localhost:1984", Some("http://localhost:3000")),
            ("localhost:1984", Some("null")),
            ("localhost:1984", Some("file://")),
            ("localhost:1984", Some("http://localhost:1984.evil.example")),
            ("localhost:1984", Some("")),
        ] {
            let mut pairs = vec![("host", host)];
            pairs.extend(origin.map(|origin| ("origin", origin)));
            assert!(!is_let_in(&pairs), "{host} {origin:?}");
        }
        assert!(!is_let_in(&[
            ("host", "localhost"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "no-cors")
        ]));
    }
}
