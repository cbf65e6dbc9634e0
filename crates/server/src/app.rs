//! What every handler can reach: the store, the configuration, the counters.

use std::ops::Deref;
use std::sync::Arc;

use assay_domain::{PriceTable, Time};
use assay_store::EmbeddedStore;
use chrono::Utc;
use http::HeaderMap;
use uuid::Uuid;

use crate::access::Access;
use crate::admission::Admission;
use crate::body::Bodies;
pub(crate) use crate::config::Config;
use crate::insights::Desk;
use crate::metrics::Metrics;
use crate::workspace::Vault;
use crate::{ingest, prices};

/// The backend. Handlers call it through the traits of `assay_store` only.
pub(crate) type Store = EmbeddedStore;

/// The only workspace of a store: its id is the same in every directory.
pub const WORKSPACE: Uuid = Uuid::from_u128(0x6173_7361_792e_4000_8000_776f_726b_7370);

/// Shared by all handlers; copies are cheap.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub(crate) store: Store,
    pub(crate) config: Config,
    pub(crate) bodies: Bodies,
    /// Held by whoever reads a document in order to write it changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) vault: Vault,
    /// What tokens cost where the price map says nothing.
    pub(crate) base_prices: Arc<PriceTable>,
    pub(crate) prices_in_force: prices::Loaded,
    pub(crate) ingest: ingest::Doors,
    pub(crate) access: Access,
    pub(crate) admission: Admission,
    pub(crate) metrics: Metrics,
    pub(crate) insights: Desk,
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
        let admission =
            Admission::new(store.clone(), config.ingest.clone(), config.projects.clone(), Utc::now());
        let insights = Desk::default();
        let bodies = Bodies::new(config.bodies_in_memory);
        Self(Arc::new(Inner {
            store,
            config,
            bodies,
            changing,
            vault,
            base_prices,
            prices_in_force: prices::Loaded::default(),
            ingest,
            access,
            admission,
            metrics,
            insights,
        }))
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
