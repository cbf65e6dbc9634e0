//! The one HTTP client of this crate: bounded, timed, without redirects.
//!
//! It knows bytes, headers and addresses; what they mean is `providers`'
//! business. TLS is rustls with the system's certificates and, on request,
//! those of a file. A proxy in the settings carries everything; without one,
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count, and this machine
//! is reached directly.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

use crate::memo::Key;
use crate::{Error, Secret, once};

/// No answer of a model is near this long; whatever is, is no answer.
const LONGEST_ANSWER: usize = 32 << 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(30);

/// A client for one provider's address.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    headers: HeaderMap,
    timeout: Duration,
}

/// What came back, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) cause: String,
    /// The request may have arrived before the connection failed.
    pub(crate) maybe_arrived: bool,
}

impl Http {
    /// # Errors
    /// [`Error::Configuration`] where proxy, certificates or headers cannot be used.
    pub(crate) fn new(
        base: &Url,
        headers: HeaderMap,
        timeout: Duration,
        proxy: Option<&Secret>,
        ca_file: Option<&Path>,
    ) -> Result<Self, Error> {
        // Two libraries may each bring a default; whoever was first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("assay/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the key to an address nobody configured.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true);
        if let Some(proxy) = proxy {
            // Of another kind it would be passed by without a word.
            let url = Url::parse(proxy.expose()).ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let proxy = url.and_then(|url| reqwest::Proxy::all(url).ok()).ok_or_else(|| {
                Error::Configuration("the proxy is not a URL such as http://proxy:3128".into())
            })?;
            builder = builder.proxy(proxy);
        } else if is_this_machine(base) {
            builder = builder.no_proxy();
        }
        let is_plain = |url: &str| url.starts_with("http://");
        if is_plain(base.as_str()) && ca_file.is_none() && proxy.is_none_or(|proxy| is_plain(proxy.expose()))
        {
            // A machine without any certificates must still reach a model beside it.
            builder = builder.tls_certs_only([]);
        }
        if let Some(path) = ca_file {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        let client = builder.build().map_err(|error| {
            Error::Configuration(format!("the HTTP client cannot be set up: {}", causes(&error)))
        })?;
        Ok(Self { client, headers, timeout })
    }

    /// Posts JSON and reads the whole answer. Requests of one name are answered as one by
    /// providers that can.
    pub(crate) async fn post(&self, url: &Url, body: Vec<u8>, name: &Key) -> Result<Reply, Broken> {
        let sent = self
            .client
            .post(url.clone())
            .headers(self.headers.clone())
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(once::HEADER, once::value(name, &body))
            .timeout(self.timeout)
            .body(body)
            .send()
            .await;
        let mut response = sent.map_err(|error| self.broken(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(&error))? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                let cause = format!("the answer is longer than {} MiB", LONGEST_ANSWER >> 20);
                return Err(Broken { cause, maybe_arrived: true });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body })
    }

    fn broken(&self, error: &reqwest::Error) -> Broken {
        let cause = if error.is_timeout() && !error.is_connect() {
            format!("no answer within {} s", self.timeout.as_secs_f64())
        } else {
            causes(error)
        };
        Broken { cause, maybe_arrived: !error.is_connect() }
    }
}

/// A model on this machine is not asked through the proxy of the house.
fn is_this_machine(base: &Url) -> bool {
    match base.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, Error> {
    let unusable =
        |reason: String| Error::Configuration(format!("the certificate file {} {reason}", path.display()));
    let bytes = fs_err::read(path).map_err(|error| unusable(format!("cannot be read: {}", error.kind())))?;
    let certificates = reqwest::Certificate::from_pem_bundle(&bytes)
        .map_err(|error| unusable(format!("is not PEM: {}", causes(&error))))?;
    if certificates.is_empty() {
        return Err(unusable("holds no certificate in PEM form".to_owned()));
    }
    Ok(certificates)
}

/// An error's innermost cause says most; addresses may hold secrets and are
/// said elsewhere.
fn causes(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, std::ptr::from_ref(error)) {
        // Without a cause the text would be the whole error with its address.
        return if error.is_builder() { "invalid settings".into() } else { "the exchange failed".into() };
    }
    cause.to_string()
}

/// A header from settings.
pub(crate) fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), Error> {
    let wrong = |what: &str| Error::Configuration(format!("the header {name:?} has {what}"));
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("no possible name"))?;
    let mut value = HeaderValue::from_str(value.expose())
        .map_err(|_| wrong("a value with a line break or another character no header may hold"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}
