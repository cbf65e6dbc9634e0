//! What a job with a budget may have spent, on disk before it is spent.
//!
//! Between two looks at its state a job that is killed may have paid for calls
//! that nobody wrote down. So before anything is sent its worst case is written,
//! together with those of all other calls under way at that moment, and the next
//! attempt counts what was written as spent: the cap holds across crashes.

use std::sync::Arc;

use assay_domain::ProjectId;
use assay_llm::budget::Journal;
use assay_llm::chat::Answering;
use assay_llm::{Budget, Error};
use assay_store::{Change, Error as StoreError, Record, Records as _};
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use crate::app::App;

pub(super) const KIND: &str = "insights_spent";

pub(super) struct Ledger {
    app: App,
    job: Uuid,
    project: ProjectId,
    /// What is written down.
    written: tokio::sync::Mutex<Decimal>,
}

impl Ledger {
    /// `spent` is what earlier attempts may have spent: so much is known already.
    pub(super) fn new(app: &App, job: Uuid, project: ProjectId, spent: Decimal) -> Self {
        Self { app: app.clone(), job, project, written: tokio::sync::Mutex::new(spent) }
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

impl Journal for Ledger {
    fn keep<'a>(&'a self, budget: &'a Budget) -> Answering<'a, Result<(), Error>> {
        Box::pin(async move {
            // Whoever waits here meanwhile is in the next sum.
            let mut written = self.written.lock().await;
            let needed = budget.at_most();
            if needed > *written {
                self.write(needed).await.map_err(|error| Error::Memory(Arc::new(error)))?;
                *written = needed;
            }
            Ok(())
        })
    }
}

/// What earlier attempts of a job may have spent at most.
pub(super) async fn spent(app: &App, job: Uuid) -> Result<Decimal, StoreError> {
    let Some(record) = app.store.record(KIND, job).await? else { return Ok(Decimal::ZERO) };
    serde_json::from_value(record.body["spent"].clone())
        .map_err(|error| StoreError::Corrupt { what: format!("{KIND} {job}"), why: error.to_string() })
}
