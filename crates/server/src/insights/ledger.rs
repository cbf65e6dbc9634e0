//! What a job with a budget may have spent, on disk before it is spent.
//!
//! Between two looks at its state a job that is killed may have paid for calls
//! that nobody wrote down. So before a call its worst case is written, together
//! with those of all other calls that wait at that moment, and the next attempt
//! counts what was written as spent: the cap holds across crashes.

use std::sync::Arc;

use assay_domain::ProjectId;
use assay_llm::{Budget, Error, Request};
use assay_store::{Change, Error as StoreError, Record, Records as _};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use crate::app::App;

pub(super) const KIND: &str = "insights_spent";
/// A call may be asked once more to repair its form.
const ROUNDS: Decimal = Decimal::TWO;

pub(super) struct Ledger {
    app: App,
    job: Uuid,
    project: ProjectId,
    budget: Arc<Budget>,
    /// Worst cases of the calls under way.
    flying: Mutex<Decimal>,
    /// What is written down.
    written: tokio::sync::Mutex<Decimal>,
}

/// A call under way; its worst case counts until it is over.
pub(super) struct Flight<'a> {
    ledger: &'a Ledger,
    worst: Decimal,
}

impl Ledger {
    pub(super) fn new(app: &App, job: Uuid, project: ProjectId, budget: Arc<Budget>) -> Self {
        let written = tokio::sync::Mutex::new(budget.spent());
        Self { app: app.clone(), job, project, budget, flying: Mutex::default(), written }
    }

    /// Returns once the worst case of a call is on disk.
    pub(super) async fn begin(&self, provider: &str, request: &Request) -> Result<Flight<'_>, Error> {
        let worst = self.budget.worst_case(provider, request).unwrap_or_default().saturating_mul(ROUNDS);
        *self.flying.lock() += worst;
        let flight = Flight { ledger: self, worst };
        // Whoever waits here meanwhile is in the next sum.
        let mut written = self.written.lock().await;
        let needed = self.budget.spent().saturating_add(*self.flying.lock());
        if needed > *written {
            self.write(needed).await.map_err(|error| Error::Memory(Arc::new(error)))?;
            *written = needed;
        }
        Ok(flight)
    }

    async fn write(&self, spent: Decimal) -> Result<(), StoreError> {
        let now = self.app.now();
        let record = Record {
            kind: KIND.to_owned(),
            id: self.job,
            parent: Some(self.project.0),
            created_at: now,
            modified_at: now,
            body: json!({ "spent": spent }),
            ..Record::default()
        };
        self.app.store.change(vec![Change::Put(record)]).await
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        *self.ledger.flying.lock() -= self.worst;
    }
}

/// What earlier attempts of a job may have spent at most.
pub(super) async fn spent(app: &App, job: Uuid) -> Result<Decimal, StoreError> {
    let Some(record) = app.store.record(KIND, job).await? else { return Ok(Decimal::ZERO) };
    serde_json::from_value(record.body["spent"].clone())
        .map_err(|error| StoreError::Corrupt { what: format!("{KIND} {job}"), why: error.to_string() })
}
