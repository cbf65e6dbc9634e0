//! API keys: made, checked, listed, revoked.
//!
//! A key is a prefix and 256 random bits. Only its SHA-256 is stored, so it is
//! shown once, when it is made. Revoked keys stay on the list: a directory
//! that ever had a key never becomes open by losing its last one. The server
//! keeps all of them in memory and writes down when they were used now and
//! then, not per request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use assay_domain::Time;
use assay_store::{Change, Error, Record, RecordQuery, Records};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::permission::Role;

/// Every key begins so; scanners for leaked secrets look for it.
pub const PREFIX: &str = "asy_sk_";
const KIND: &str = "api_key";
/// So many keys that still work may there be: all are kept in memory.
const MOST: usize = 1000;

/// A key as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKey {
    pub id: Uuid,
    pub created_at: Time,
    pub details: Details,
}

/// What is stored of a key, beside its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Details {
    pub description: String,
    pub role: Role,
    /// SHA-256 of the whole key, in hexadecimal.
    digest: String,
    /// Enough of the key to tell it from others.
    pub short: String,
    pub expires_at: Option<Time>,
    pub revoked_at: Option<Time>,
    pub last_used_at: Option<Time>,
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub description: String,
    pub role: Role,
    pub expires_at: Option<Time>,
}

/// Makes a key. The text is the only copy there is of it.
///
/// # Errors
/// Where it would expire at once, or there are very many keys already.
pub async fn create(store: &impl Records, new: NewKey, now: Time) -> Result<(ApiKey, String), Error> {
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::Invalid("a key that expires in the past is of no use".into()));
    }
    let working = list(store).await?.iter().filter(|key| key.is_working(now)).count();
    if working >= MOST {
        return Err(Error::Conflict(format!("there are {working} keys already; revoke some")));
    }
    let text = random_key()?;
    let secret = &text[PREFIX.len()..];
    let details = Details {
        description: new.description.chars().take(200).collect(),
        role: new.role,
        digest: hex(&digest(&text)),
        short: format!("{PREFIX}{}…{}", &secret[..4], &secret[secret.len() - 4..]),
        expires_at: new.expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    let key = ApiKey { id: Uuid::new_v4(), created_at: now, details };
    store.change(vec![Change::Insert(key.record(now)?)]).await?;
    Ok((key, text))
}

/// All keys that were ever made, the newest first.
pub async fn list(store: &impl Records) -> Result<Vec<ApiKey>, Error> {
    store.records(&query()).await?.into_iter().map(ApiKey::read).collect()
}

/// What to ask the store for the keys, newest first.
pub(crate) fn query() -> RecordQuery {
    RecordQuery { kind: KIND.into(), is_newest_first: true, ..RecordQuery::default() }
}

/// Ends a key. One that was revoked before stays as it is.
pub async fn revoke(store: &impl Records, id: Uuid, now: Time) -> Result<ApiKey, Error> {
    let found = store.record(KIND, id).await?;
    let mut key = ApiKey::read(found.ok_or_else(|| Error::NotFound(format!("API key {id}")))?)?;
    if key.details.revoked_at.is_none() {
        key.details.revoked_at = Some(now);
        store.change(vec![Change::Replace(key.record(now)?)]).await?;
    }
    Ok(key)
}

impl ApiKey {
    fn record(&self, now: Time) -> Result<Record, Error> {
        let body = serde_json::to_value(&self.details).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Record {
            kind: KIND.into(),
            id: self.id,
            created_at: self.created_at,
            modified_at: now,
            body,
            ..Record::default()
        })
    }

    pub(crate) fn read(record: Record) -> Result<Self, Error> {
        let damaged = |error: serde_json::Error| Error::Corrupt {
            what: format!("API key {}", record.id),
            why: error.to_string(),
        };
        let details = serde_json::from_value(record.body).map_err(damaged)?;
        Ok(Self { id: record.id, created_at: record.created_at, details })
    }

    /// Whether it opens anything.
    #[must_use]
    pub fn is_working(&self, now: Time) -> bool {
        self.details.revoked_at.is_none() && self.details.expires_at.is_none_or(|end| now < end)
    }
}

fn random_key() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Invalid(format!("the system gives no random numbers: {error}")))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What other processes did to keys is known here after this time.
const FRESH: Duration = Duration::from_secs(1);
/// The same for keys that were never seen: so often may guesses make the server look.
const FRESH_FOR_NEWS: Duration = Duration::from_millis(100);

/// The keys of a store, in memory.
#[derive(Default)]
pub(crate) struct Keys {
    /// When they were last read from the store.
    read_at: RwLock<Option<Instant>>,
    /// Held by whoever reads them.
    reading: tokio::sync::Mutex<()>,
    /// By the first bytes of their digest; those that share them are compared one by one.
    entries: RwLock<HashMap<[u8; 8], Vec<Entry>>>,
    /// Held by whoever reads a stored key and writes it back.
    changing: tokio::sync::Mutex<()>,
}

struct Entry {
    key: ApiKey,
    digest: [u8; 32],
    /// Microseconds of the epoch; 0 is never.
    last_used: AtomicI64,
    written: AtomicI64,
}

/// What a key turned out to be.
#[derive(Debug, PartialEq)]
pub(crate) enum Checked {
    Good { id: Uuid, role: Role, name: String },
    Unknown,
    Expired,
    Revoked,
}

impl Keys {
    /// Reads the keys, at the first call and again when what is known is old:
    /// other processes make and revoke keys, too.
    pub(crate) async fn load(&self, store: &impl Records) -> Result<(), Error> {
        self.load_after(store, FRESH).await
    }

    async fn load_after(&self, store: &impl Records, fresh: Duration) -> Result<(), Error> {
        let age = || self.read_at.read().map(|at| at.elapsed());
        let is_fresh = |age: Option<Duration>| age.is_some_and(|age| age < fresh);
        if is_fresh(age()) {
            return Ok(());
        }
        // Whoever comes while another reads has to wait only where nothing is known yet, or
        // something new may be.
        let _alone = match (age(), self.reading.try_lock()) {
            (_, Ok(alone)) => alone,
            (Some(_), Err(_)) if fresh == FRESH => return Ok(()),
            _ => self.reading.lock().await,
        };
        if is_fresh(age()) {
            return Ok(());
        }
        let begun = Instant::now();
        for key in list(store).await? {
            self.put(key);
        }
        *self.read_at.write() = Some(begun);
        Ok(())
    }

    /// Looks a key up, in the store too if it is none that was seen before.
    pub(crate) async fn find(&self, store: &impl Records, text: &str, now: Time) -> Result<Checked, Error> {
        match self.check(text, now) {
            Checked::Unknown if text.starts_with(PREFIX) => {
                self.load_after(store, FRESH_FOR_NEWS).await?;
                Ok(self.check(text, now))
            }
            known => Ok(known),
        }
    }

    /// Whether there never was a key.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.read().is_empty()
    }

    /// Takes note of a key that was made or changed.
    pub(crate) fn put(&self, key: ApiKey) {
        let Some(digest) = unhex(&key.details.digest) else {
            tracing::error!(key = %key.id, "an API key has no readable digest and opens nothing");
            return;
        };
        let used = key.details.last_used_at.map_or(0, |time| time.timestamp_micros());
        let mut entries = self.entries.write();
        let same = entries.entry(start(&digest)).or_default();
        match same.iter_mut().find(|entry| entry.key.id == key.id) {
            Some(known) => known.key = key,
            None => same.push(Entry { key, digest, last_used: used.into(), written: used.into() }),
        }
    }

    /// Looks a key up, in a time that does not depend on how much of it is right.
    pub(crate) fn check(&self, text: &str, now: Time) -> Checked {
        let asked = digest(text);
        let entries = self.entries.read();
        let candidates = entries.get(&start(&asked)).map(Vec::as_slice).unwrap_or_default();
        let Some(entry) = candidates.iter().find(|entry| bool::from(entry.digest.ct_eq(&asked))) else {
            return Checked::Unknown;
        };
        let Details { description, role, expires_at, revoked_at, .. } = &entry.key.details;
        if revoked_at.is_some() {
            return Checked::Revoked;
        }
        if expires_at.is_some_and(|end| end <= now) {
            return Checked::Expired;
        }
        entry.last_used.fetch_max(now.timestamp_micros(), Ordering::Relaxed);
        Checked::Good { id: entry.key.id, role: *role, name: description.clone() }
    }

    /// Makes a key that opens from now on.
    pub(crate) async fn create(
        &self,
        store: &impl Records,
        new: NewKey,
        now: Time,
    ) -> Result<(ApiKey, String), Error> {
        let (key, text) = create(store, new, now).await?;
        self.put(key.clone());
        Ok((key, text))
    }

    /// Ends a key at once.
    pub(crate) async fn revoke(&self, store: &impl Records, id: Uuid, now: Time) -> Result<ApiKey, Error> {
        let _alone = self.changing.lock().await;
        let key = revoke(store, id, now).await?;
        self.put(key.clone());
        Ok(key)
    }

    /// Writes down when keys were used, where that is news.
    pub(crate) async fn save_uses(&self, store: &impl Records, now: Time) -> Result<(), Error> {
        let _alone = self.changing.lock().await;
        let news: Vec<(Uuid, i64)> = {
            let entries = self.entries.read();
            let used = |entry: &Entry| {
                let last = entry.last_used.load(Ordering::Relaxed);
                let written = entry.written.swap(last, Ordering::Relaxed);
                (last > written).then_some((entry.key.id, last))
            };
            entries.values().flatten().filter_map(used).collect()
        };
        let mut changes = Vec::new();
        for (id, last) in news {
            let Some(record) = store.record(KIND, id).await? else { continue };
            let mut key = ApiKey::read(record)?;
            key.details.last_used_at = DateTime::from_timestamp_micros(last);
            changes.push(Change::Replace(key.record(now)?));
        }
        if changes.is_empty() { Ok(()) } else { store.change(changes).await }
    }

    /// When a key was last used, as far as memory goes.
    pub(crate) fn last_used(&self, id: Uuid) -> Option<Time> {
        let entries = self.entries.read();
        let entry = entries.values().flatten().find(|entry| entry.key.id == id)?;
        let last = entry.last_used.load(Ordering::Relaxed);
        (last > 0).then(|| DateTime::from_timestamp_micros(last)).flatten()
    }
}

fn start(digest: &[u8; 32]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    [a, b, c, d, e, f, g, h]
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_right = text.len() == 64 && text.is_ascii();
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    is_right.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use assay_domain::PriceTable;
    use assay_store::EmbeddedStore;
    use chrono::{TimeDelta, Utc};

    use super::*;

    fn store() -> EmbeddedStore {
        EmbeddedStore::open_temporary(PriceTable::default()).expect("a store")
    }

    fn new(expires_at: Option<Time>) -> NewKey {
        NewKey { description: "ci".into(), role: Role::Editor, expires_at }
    }

    #[tokio::test]
    async fn a_key_opens_until_it_is_revoked() {
        let (store, now) = (store(), Utc::now());
        let (key, text) = create(&store, new(None), now).await.expect("made");
        assert!(text.starts_with(PREFIX) && text.len() == PREFIX.len() + 43, "{text}");
        let keys = Keys::default();
        keys.load(&store).await.expect("loaded");
        let good = Checked::Good { id: key.id, role: Role::Editor, name: "ci".into() };
        assert_eq!(keys.check(&text, now), good);
        assert_eq!(keys.check(&text[..text.len() - 1], now), Checked::Unknown);
        assert_eq!(keys.check("", now), Checked::Unknown);
        keys.put(revoke(&store, key.id, now).await.expect("revoked"));
        assert_eq!(keys.check(&text, now), Checked::Revoked);
        assert!(!keys.is_empty(), "a revoked key still says that keys are wanted");
    }

    #[tokio::test]
    async fn the_store_has_no_copy_of_a_key() {
        let (store, now) = (store(), Utc::now());
        let (key, text) = create(&store, new(None), now).await.expect("made");
        let record = store.record(KIND, key.id).await.expect("read").expect("there");
        let stored = record.body.to_string();
        assert!(!stored.contains(&text[PREFIX.len() + 4..text.len() - 4]), "{stored}");
        assert!(stored.contains(&hex(&digest(&text))));
    }

    #[tokio::test]
    async fn what_another_process_does_to_keys_is_seen() {
        let (store, now) = (store(), Utc::now());
        let keys = Keys::default();
        keys.load(&store).await.expect("loaded");
        assert!(keys.is_empty());
        let (key, text) = create(&store, new(None), now).await.expect("made");
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut checked = Checked::Unknown;
        while checked == Checked::Unknown && Instant::now() < deadline {
            checked = keys.find(&store, &text, now).await.expect("an answer");
        }
        assert!(matches!(checked, Checked::Good { .. }), "{checked:?}");
        revoke(&store, key.id, now).await.expect("revoked");
        while checked != Checked::Revoked && Instant::now() < deadline {
            keys.load(&store).await.expect("loaded");
            checked = keys.check(&text, now);
        }
        assert_eq!(checked, Checked::Revoked);
    }

    #[tokio::test]
    async fn keys_expire() {
        let (store, now) = (store(), Utc::now());
        let end = now + TimeDelta::days(1);
        let (key, text) = create(&store, new(Some(end)), now).await.expect("made");
        let keys = Keys::default();
        keys.put(key);
        assert!(matches!(keys.check(&text, now), Checked::Good { .. }));
        assert_eq!(keys.check(&text, end), Checked::Expired);
        assert!(create(&store, new(Some(now)), now).await.is_err());
    }

    #[tokio::test]
    async fn uses_are_written_down_later_and_once() {
        let (store, now) = (store(), Utc::now());
        let (key, text) = create(&store, new(None), now).await.expect("made");
        let keys = Keys::default();
        keys.load(&store).await.expect("loaded");
        keys.check(&text, now);
        let stored = |key: &ApiKey| key.details.last_used_at;
        assert_eq!(stored(&list(&store).await.expect("listed")[0]), None);
        assert_eq!(keys.last_used(key.id).map(|time| time.timestamp_micros()), Some(now.timestamp_micros()));
        keys.save_uses(&store, now).await.expect("saved");
        let saved = stored(&list(&store).await.expect("listed")[0]).expect("a time");
        assert_eq!(saved.timestamp_micros(), now.timestamp_micros());
        revoke(&store, key.id, now).await.expect("revoked");
        keys.save_uses(&store, now).await.expect("nothing to save");
        assert!(list(&store).await.expect("listed")[0].details.revoked_at.is_some());
    }
}
