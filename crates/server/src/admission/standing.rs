//! The policies in force: from the configuration file and from the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use assay_domain::Time;
use assay_redact::Rules;
use assay_store::{Change, EmbeddedStore, Error as StoreError, Record, RecordQuery, Records as _};
use parking_lot::{Mutex, RwLock};
use serde_json::json;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::AdmissionError;
use super::drops::Ring;
use super::memory::Memory;
use super::policy::{Policy, Ready};

/// Stands for all projects.
pub(super) const ALL: &str = "*";
const KIND: &str = "ingest_policy";
const KEY: &str = "redaction_key";
/// What other processes did to policies is known here after this time.
const FRESH: Duration = Duration::from_secs(1);

/// What decides about runs on their way into a store, and what it keeps between batches.
pub struct Admission {
    pub(super) store: EmbeddedStore,
    /// Policies of the configuration file: the general one, and those of projects.
    general: Policy,
    projects: BTreeMap<String, Policy>,
    opened_at: Time,
    /// With the moment when they were last read.
    standing: RwLock<Option<(Instant, Arc<Policies>)>>,
    /// Held while policies are read and made ready.
    changing: tokio::sync::Mutex<()>,
    pub(super) memory: Mutex<Memory>,
    pub(super) drops: Ring,
    is_recalled: OnceCell<()>,
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
    /// Over the policies that are in the store, and those of the configuration file, which go before:
    /// who runs the server has the last word. `opened_at` is the present moment.
    #[must_use]
    pub fn new(
        store: EmbeddedStore,
        general: Policy,
        projects: BTreeMap<String, Policy>,
        opened_at: Time,
    ) -> Self {
        Self {
            store,
            general,
            projects,
            opened_at,
            standing: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            memory: Mutex::default(),
            drops: Ring::default(),
            is_recalled: OnceCell::new(),
        }
    }

    /// Has in memory what was dropped before this process began.
    pub(super) async fn recalled(&self) -> Result<(), AdmissionError> {
        let recall = async {
            let mut before = Memory::default();
            self.drops.recall(&self.store, &mut before).await?;
            *self.memory.lock() = before;
            Ok::<_, AdmissionError>(())
        };
        self.is_recalled.get_or_try_init(|| recall).await.map(|_| ())
    }

    /// Whether the configuration file has the policy of this project ([`ALL`] for the general one).
    pub(super) fn is_in_file(&self, project: &str) -> bool {
        match project {
            ALL => self.general != Policy::default(),
            name => self.projects.contains_key(name),
        }
    }

    /// The policies in force: other servers of the store change them, too.
    pub(super) async fn policies(&self) -> Result<Arc<Policies>, AdmissionError> {
        if let Some(policies) = self.fresh() {
            return Ok(policies);
        }
        let _alone = self.changing.lock().await;
        match self.fresh() {
            Some(policies) => Ok(policies),
            None => self.read().await,
        }
    }

    fn fresh(&self) -> Option<Arc<Policies>> {
        let standing = self.standing.read();
        let (read_at, policies) = standing.as_ref()?;
        (read_at.elapsed() < FRESH).then(|| Arc::clone(policies))
    }

    async fn read(&self) -> Result<Arc<Policies>, AdmissionError> {
        let begun = Instant::now();
        let mut written = BTreeMap::new();
        let query = RecordQuery { kind: KIND.into(), ..RecordQuery::default() };
        for record in self.store.records(&query).await? {
            let Some(name) = record.name else { continue };
            let policy =
                serde_json::from_value(record.body).map_err(|error| unusable(&name, &error.to_string()))?;
            written.insert(name, policy);
        }
        written.extend(self.projects.clone());
        if self.is_in_file(ALL) {
            written.insert(ALL.into(), self.general.clone());
        }
        let before = self.standing.read().as_ref().map(|(_, policies)| Arc::clone(policies));
        let policies = match before.filter(|policies| policies.written == written) {
            Some(policies) => policies,
            None => {
                let key = if written.is_empty() { Vec::new() } else { self.key().await? };
                Arc::new(Policies::of(written, &key).map_err(|why| unusable(ALL, &why))?)
            }
        };
        *self.standing.write() = Some((begun, Arc::clone(&policies)));
        Ok(policies)
    }

    /// Why a policy cannot be used together with all others, if it cannot.
    pub(super) async fn try_with(
        &self,
        name: &str,
        policy: &Policy,
    ) -> Result<Result<(), String>, AdmissionError> {
        let mut written = self.policies().await?.written.clone();
        written.insert(name.into(), policy.clone());
        Ok(Policies::of(written, b"").map(|_| ()))
    }

    /// Writes a policy down, or removes it; it holds for all that comes from now on.
    pub(super) async fn change(
        &self,
        name: &str,
        policy: Option<&Policy>,
        now: Time,
    ) -> Result<(), AdmissionError> {
        let _alone = self.changing.lock().await;
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("ingest policy of {name}").as_bytes());
        let change = match policy {
            None => Change::Delete { kind: KIND.into(), id },
            Some(policy) => Change::Put(Record {
                kind: KIND.into(),
                id,
                name: Some(name.into()),
                created_at: now,
                modified_at: now,
                body: serde_json::to_value(policy).map_err(|error| unusable(name, &error.to_string()))?,
                ..Record::default()
            }),
        };
        self.store.change(vec![change]).await?;
        self.read().await.map(|_| ())
    }

    /// The key of hashes in placeholders: made once, kept with the data.
    async fn key(&self) -> Result<Vec<u8>, StoreError> {
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, KEY.as_bytes());
        let stored = |record: Record| record.body["key"].as_str().unwrap_or_default().as_bytes().to_vec();
        if let Some(record) = self.store.record(KEY, id).await? {
            return Ok(stored(record));
        }
        let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let record = Record {
            kind: KEY.into(),
            id,
            created_at: self.opened_at,
            modified_at: self.opened_at,
            body: json!({ "key": key }),
            ..Record::default()
        };
        match self.store.change(vec![Change::Insert(record)]).await {
            // Another process was quicker.
            Err(StoreError::Conflict(_)) => {
                Ok(self.store.record(KEY, id).await?.map(stored).unwrap_or_default())
            }
            Err(error) => Err(error),
            Ok(()) => Ok(key.into_bytes()),
        }
    }
}

/// Nothing comes in while what is to happen to it cannot be read: better late than in the clear.
fn unusable(name: &str, why: &str) -> AdmissionError {
    AdmissionError::Policy { name: name.to_owned(), why: why.to_owned() }
}
