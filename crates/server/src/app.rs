//! What every handler can reach: the store, the configuration, the counters.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use assay_domain::{PriceTable, Time};
use assay_store::EmbeddedStore;
use chrono::Utc;
use http::HeaderMap;
use uuid::Uuid;

use crate::access::Access;
use crate::ingest;
use crate::metrics::Metrics;
use crate::workspace::Vault;

/// The backend. Handlers call it through the traits of `assay_store` only.
pub(crate) type Store = EmbeddedStore;

/// How the server is to behave. Made from flags, environment and file by the binary.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where OTLP over gRPC is taken; nowhere if absent.
    pub grpc: Option<SocketAddr>,
    /// How clients reach the server, such as `https://assay.example.com`; the
    /// `Host` of the request where absent. For links and presigned URLs.
    pub public_url: Option<String>,
    /// Largest request body as it arrives, in bytes.
    pub max_body: usize,
    /// Largest request body after decompression, in bytes.
    pub max_unpacked: usize,
    /// So long may a client take to send a body without pause.
    pub body_timeout: Duration,
    /// So long may open requests take to end once the server stops.
    pub drain: Duration,
    /// Whether requests without a key may do everything, whoever can reach the
    /// server. Without this, that holds on loopback alone, until there is a key.
    pub allow_anonymous: bool,
    /// Host names of this server beside that of `public_url`, for requests without a key.
    pub allowed_hosts: Vec<String>,
    /// So many entries the audit log keeps.
    pub audit_entries: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1984)),
            grpc: None,
            public_url: None,
            max_body: 32 << 20,
            max_unpacked: 128 << 20,
            body_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            allow_anonymous: false,
            allowed_hosts: Vec::new(),
            audit_entries: 10_000,
        }
    }
}

/// The only workspace of a store: its id is the same in every directory.
pub(crate) const WORKSPACE: Uuid = Uuid::from_u128(0x6173_7361_792e_4000_8000_776f_726b_7370);

/// Shared by all handlers; copies are cheap.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub(crate) store: Store,
    pub(crate) config: Config,
    /// Held by whoever reads a document in order to write it changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) vault: Vault,
    /// What tokens cost where the price map says nothing.
    pub(crate) base_prices: Arc<PriceTable>,
    pub(crate) ingest: ingest::Doors,
    pub(crate) access: Access,
    pub(crate) metrics: Metrics,
}

impl App {
    #[must_use]
    pub fn new(store: Store, config: Config) -> Self {
        let vault = Vault::new(store.dir());
        let base_prices = store.prices();
        let changing = tokio::sync::Mutex::default();
        let ingest = ingest::Doors::default();
        let metrics = Metrics::new(|registry| ingest.counters.register(registry));
        let access = Access::default();
        Self(Arc::new(Inner { store, config, changing, vault, base_prices, ingest, access, metrics }))
    }

    /// The present moment. The only clock of the server.
    pub(crate) fn now(&self) -> Time {
        Utc::now()
    }

    /// The address under which the client reaches this server, without a slash at the end.
    pub(crate) fn base_url(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.config.public_url {
            return url.trim_end_matches('/').to_owned();
        }
        let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
        let is_plain = |host: &&str| {
            host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
        };
        match host.filter(is_plain) {
            Some(host) => format!("http://{host}"),
            None => format!("http://{}", self.config.listen),
        }
    }
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}
