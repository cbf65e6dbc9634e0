//! What is let into the store, and how much of it: sampling, rules, redaction.
//!
//! [`Policy`] is what the owner wrote, for all projects or for one, in the
//! configuration file or through the API (`api`). [`Admission::admit`] applies
//! it to a batch: `sift` removes the runs that are not wanted, then values that are
//! not to be stored are taken out of the rest. Without policies nothing is
//! looked at. `ingest::accept` calls it for every run that comes in, and so
//! does whoever puts files into a store without a server.

mod api;
mod drops;
mod memory;
mod policy;
mod sift;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use assay_domain::{Feedback, ProjectId, RunId, RunPatch, Time, TraceId};
use assay_redact::{Counts, Seen};
use assay_store::{Batch, Catalog as _, Error as StoreError, RunQuery, Runs as _};
use thiserror::Error;
use uuid::Uuid;

pub(crate) use api::routes;
pub use policy::Policy;
pub use standing::Admission;

use crate::error::ApiError;
use crate::projects;
use policy::Ready;
use standing::Policies;

/// What is left of a batch.
#[derive(Debug)]
pub struct Admitted {
    pub batch: Batch,
    /// Distinct runs that were kept out, by the rule that did.
    pub dropped: BTreeMap<Arc<str>, usize>,
    /// Values that were taken out, by what found them.
    pub redacted: Counts,
}

impl Admitted {
    fn all_of(batch: Batch) -> Self {
        Self { batch, dropped: BTreeMap::new(), redacted: Counts::default() }
    }

    /// Distinct runs that were kept out.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped.values().sum()
    }
}

/// Why nothing is let in.
#[derive(Debug, Error)]
pub enum AdmissionError {
    #[error("the ingest policy of {name:?} cannot be used: {why}")]
    Policy { name: String, why: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the runs could not be redacted; nothing was stored")]
    Redaction,
}

impl From<AdmissionError> for ApiError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::Store(error) => error.into(),
            AdmissionError::Policy { name, why } => {
                tracing::error!(
                    policy = name,
                    why,
                    "an ingest policy cannot be used; nothing is let in until it is replaced"
                );
                Self::overloaded("a policy of ingest cannot be used; the server's log says which")
            }
            AdmissionError::Redaction => {
                Self::new(http::StatusCode::INTERNAL_SERVER_ERROR, AdmissionError::Redaction.to_string())
            }
        }
    }
}

impl Admission {
    /// Applies the policies of the projects of a batch; see the module. Wants a runtime of tokio.
    ///
    /// # Errors
    /// Where a policy cannot be used or the store fails. Then nothing may be stored.
    pub async fn admit(&self, mut batch: Batch, now: Time) -> Result<Admitted, AdmissionError> {
        let policies = self.policies().await?;
        if policies.is_open() {
            return Ok(Admitted::all_of(batch));
        }
        let names = self.projects_of(&policies, &batch).await?;
        let mut ready: Vec<Arc<Ready>> =
            names.iter().map(|name| policies.of_project(name.as_deref())).collect();
        self.recalled().await?;
        let (sifted, news) = {
            let mut memory = self.memory.lock();
            (sift::sift(&mut batch, &mut ready, &mut memory), memory.take_news())
        };
        self.drops.write(&self.store, news, now).await?;
        for trace in sifted.withdrawn {
            self.withdraw(trace).await?;
        }
        let dropped = sifted.dropped.into_iter().map(|(rule, runs)| (rule, runs.len())).collect();
        let (batch, redacted) = redact(batch, ready, policies).await?;
        Ok(Admitted { batch, dropped, redacted })
    }

    /// Takes out of feedback what no project wants stored: it does not say where it belongs.
    pub(crate) async fn redact_feedback(&self, feedback: &mut Feedback) -> Result<Counts, AdmissionError> {
        let policies = self.policies().await?;
        let mut seen = Seen::default();
        if let Some(redactor) = &policies.strictest().redactor {
            redactor.feedback(feedback, &mut seen);
        }
        Ok(seen.counts)
    }

    /// The name of the project of each patch, as far as that matters; `None` where nobody can know.
    async fn projects_of(
        &self,
        policies: &Policies,
        batch: &Batch,
    ) -> Result<Vec<Option<String>>, StoreError> {
        let default = if batch.project.is_empty() { projects::DEFAULT } else { &batch.project };
        let say = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        if policies.are_the_same_everywhere() {
            return Ok(batch.patches.iter().map(|_| Some(default.to_owned())).collect());
        }
        let mut known: HashMap<Uuid, String> = HashMap::new();
        for patch in &batch.patches {
            if let Some(name) = say(&patch.project_name) {
                known.extend(patch.trace.map(|trace| (trace.0, name.clone())));
                known.insert(patch.id.0, name);
            }
        }
        let unknown: HashSet<RunId> = batch
            .patches
            .iter()
            .filter(|patch| find(&known, patch).is_none() && batch.project.is_empty())
            .flat_map(|patch| ids(patch).map(RunId))
            .collect();
        self.stored_in(unknown, &mut known).await?;
        let name = |patch: &RunPatch| {
            say(&patch.project_name).or_else(|| find(&known, patch)).or_else(|| {
                // A new run goes to the default; an update whose run nobody knows may belong anywhere.
                (patch.is_creation || !batch.project.is_empty()).then(|| default.to_owned())
            })
        };
        Ok(batch.patches.iter().map(name).collect())
    }

    /// Adds the projects of runs that are stored.
    async fn stored_in(
        &self,
        ids: HashSet<RunId>,
        known: &mut HashMap<Uuid, String>,
    ) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let query = RunQuery { limit: ids.len(), ids: ids.into_iter().collect(), ..RunQuery::default() };
        let mut names: HashMap<ProjectId, Option<String>> = HashMap::new();
        for row in self.store.runs(&query).await?.items {
            if let Entry::Vacant(place) = names.entry(row.project) {
                let project = self.store.project_by_id(row.project).await?;
                place.insert(project.map(|project| project.name));
            }
            if let Some(name) = names.get(&row.project).cloned().flatten() {
                known.insert(row.id.0, name);
            }
        }
        Ok(())
    }

    /// Deletes what earlier batches brought of a trace that is not wanted.
    async fn withdraw(&self, trace: TraceId) -> Result<(), StoreError> {
        let query = RunQuery { trace: Some(trace), limit: 1, ..RunQuery::default() };
        if let Some(row) = self.store.runs(&query).await?.items.first() {
            self.store.delete_traces(row.project, &[trace]).await?;
        }
        Ok(())
    }
}

/// What a patch says of its place: its run, and its trace.
fn ids(patch: &RunPatch) -> impl Iterator<Item = Uuid> {
    [Some(patch.id.0), patch.trace.map(|trace| trace.0)].into_iter().flatten()
}

fn find(known: &HashMap<Uuid, String>, patch: &RunPatch) -> Option<String> {
    ids(patch).find_map(|id| known.get(&id).cloned())
}

/// Takes values out, on a thread for such work.
async fn redact(
    mut batch: Batch,
    ready: Vec<Arc<Ready>>,
    policies: Arc<Policies>,
) -> Result<(Batch, Counts), AdmissionError> {
    let strictest = policies.strictest();
    let has_work = ready.iter().any(|ready| ready.redactor.is_some())
        || (strictest.redactor.is_some() && !batch.feedback.is_empty());
    if !has_work {
        return Ok((batch, Counts::default()));
    }
    let work = move || {
        let mut counts = Counts::default();
        for (patch, ready) in batch.patches.iter_mut().zip(&ready) {
            if let Some(redactor) = &ready.redactor {
                // Numbers of placeholders begin anew with each patch, so that a repeated one is the same.
                let mut seen = Seen::default();
                redactor.patch(patch, &mut seen);
                counts.add_all(&seen.counts);
            }
        }
        if let Some(redactor) = &policies.strictest().redactor {
            for feedback in &mut batch.feedback {
                let mut seen = Seen::default();
                redactor.feedback(feedback, &mut seen);
                counts.add_all(&seen.counts);
            }
        }
        let used: HashSet<_> =
            batch.patches.iter().flat_map(|patch| &patch.attachments).filter_map(|file| file.key()).collect();
        batch.blobs.retain(|(key, _)| used.contains(key));
        (batch, counts)
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| AdmissionError::Redaction)
}
