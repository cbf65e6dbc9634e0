//! The policies in force: from the configuration file and from the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use assay_redact::Rules;
use assay_store::{Change, Error as StoreError, Record, RecordQuery, Records as _};
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use uuid::Uuid;

use super::memory::Memory;
use super::policy::{Policy, Ready};
use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// Stands for all projects.
pub(super) const ALL: &str = "*";
const KIND: &str = "ingest_policy";
const KEY: &str = "redaction_key";

/// What admission keeps between batches.
#[derive(Default)]
pub(crate) struct Admission {
    standing: RwLock<Option<Arc<Policies>>>,
    /// Held while policies are read and made ready.
    changing: tokio::sync::Mutex<()>,
    pub(super) memory: Mutex<Memory>,
}

/// All policies, ready to be asked.
pub(super) struct Policies {
    /// As they were written, by project; [`ALL`] is the general one.
    pub(super) written: BTreeMap<String, Policy>,
    general: Arc<Ready>,
    projects: HashMap<String, Arc<Ready>>,
    /// For what may belong to any project: redacts whatever any of them does.
    strictest: Arc<Ready>,
}

impl Policies {
    fn of(written: BTreeMap<String, Policy>, key: &[u8]) -> Result<Self, String> {
        let general = written.get(ALL).cloned().unwrap_or_default();
        let named = || written.iter().filter(|(name, _)| *name != ALL);
        let redact = named().fold(general.redact.clone(), |all: Rules, (_, policy)| all.and(&policy.redact));
        let strictest = Policy { redact, ..general.clone() };
        let ready = |(name, policy): (&String, &Policy)| {
            Ok((name.clone(), Arc::new(Ready::of(&general, Some(policy), key)?)))
        };
        Ok(Self {
            projects: named().map(ready).collect::<Result<_, String>>()?,
            strictest: Arc::new(Ready::of(&strictest, None, key)?),
            general: Arc::new(Ready::of(&general, None, key)?),
            written,
        })
    }

    /// Whether everything passes as it is.
    pub(super) fn is_open(&self) -> bool {
        self.general.is_open() && self.projects.values().all(|ready| ready.is_open())
    }

    pub(super) fn are_the_same_everywhere(&self) -> bool {
        self.projects.is_empty()
    }

    /// The policy of a project; the strictest where it is unknown.
    pub(super) fn of_project(&self, name: Option<&str>) -> Arc<Ready> {
        match name {
            Some(name) => Arc::clone(self.projects.get(name).unwrap_or(&self.general)),
            None => Arc::clone(&self.strictest),
        }
    }

    pub(super) fn strictest(&self) -> &Ready {
        &self.strictest
    }
}

impl Admission {
    /// The policies in force. They are read once, and again after a change.
    pub(super) async fn policies(&self, app: &App) -> ApiResult<Arc<Policies>> {
        if let Some(standing) = &*self.standing.read() {
            return Ok(Arc::clone(standing));
        }
        let _alone = self.changing.lock().await;
        if let Some(standing) = &*self.standing.read() {
            return Ok(Arc::clone(standing));
        }
        self.read(app).await
    }

    async fn read(&self, app: &App) -> ApiResult<Arc<Policies>> {
        let mut written = BTreeMap::new();
        let query = RecordQuery { kind: KIND.into(), ..RecordQuery::default() };
        for record in app.store.records(&query).await? {
            let Some(name) = record.name else { continue };
            let policy =
                serde_json::from_value(record.body).map_err(|error| unreadable(&name, &error.to_string()))?;
            written.insert(name, policy);
        }
        // The file goes before: who runs the server has the last word.
        written.extend(app.config.projects.clone());
        if app.config.ingest != Policy::default() {
            written.insert(ALL.into(), app.config.ingest.clone());
        }
        let policies = if written.is_empty() {
            Policies::of(written, b"").map_err(|why| unreadable(ALL, &why))?
        } else {
            Policies::of(written, &key(app).await?).map_err(|why| unreadable(ALL, &why))?
        };
        let policies = Arc::new(policies);
        *self.standing.write() = Some(Arc::clone(&policies));
        Ok(policies)
    }

    /// Whether a policy can be used together with all others; 422 says why not.
    pub(super) async fn try_with(&self, app: &App, name: &str, policy: &Policy) -> ApiResult<()> {
        let mut written = self.policies(app).await?.written.clone();
        written.insert(name.into(), policy.clone());
        Policies::of(written, b"").map(|_| ()).map_err(|why| ApiError::invalid(&["body"], why))
    }

    /// Writes a policy down, or removes it; it holds for all that comes from now on.
    pub(super) async fn change(&self, app: &App, name: &str, policy: Option<&Policy>) -> ApiResult<()> {
        let _alone = self.changing.lock().await;
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("ingest policy of {name}").as_bytes());
        let change = match policy {
            None => Change::Delete { kind: KIND.into(), id },
            Some(policy) => Change::Put(Record {
                kind: KIND.into(),
                id,
                name: Some(name.into()),
                created_at: app.now(),
                modified_at: app.now(),
                body: serde_json::to_value(policy)
                    .map_err(|error| ApiError::bad_request(error.to_string()))?,
                ..Record::default()
            }),
        };
        app.store.change(vec![change]).await?;
        self.read(app).await.map(|_| ())
    }
}

/// Nothing comes in while what is to happen to it cannot be read: better late than in the clear.
fn unreadable(name: &str, why: &str) -> ApiError {
    tracing::error!(
        policy = name,
        why,
        "an ingest policy cannot be used; nothing is let in until it is replaced"
    );
    ApiError::overloaded("a policy of ingest cannot be used; the server's log says which")
}

/// The key of hashes in placeholders: made once, kept with the data.
async fn key(app: &App) -> Result<Vec<u8>, ApiError> {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, KEY.as_bytes());
    let stored = |record: Record| record.body["key"].as_str().unwrap_or_default().as_bytes().to_vec();
    if let Some(record) = app.store.record(KEY, id).await? {
        return Ok(stored(record));
    }
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let record = Record {
        kind: KEY.into(),
        id,
        created_at: app.now(),
        modified_at: app.now(),
        body: json!({ "key": key }),
        ..Record::default()
    };
    match app.store.change(vec![Change::Insert(record)]).await {
        // Another process was quicker.
        Err(StoreError::Conflict(_)) => Ok(app.store.record(KEY, id).await?.map(stored).unwrap_or_default()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(key.into_bytes()),
    }
}
