//! What is let into the store, and how much of it: sampling, rules, redaction.
//!
//! [`Policy`] is what the owner wrote, for all projects or for one, in the
//! configuration file or through the API (`api`). [`admit`] applies it to a
//! batch: `sift` removes the runs that are not wanted, then values that are
//! not to be stored are taken out of the rest. Without policies nothing is
//! looked at. `ingest::accept` calls it for every run that comes in.

mod api;
mod memory;
mod policy;
mod sift;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use assay_domain::{Feedback, ProjectId, RunId, RunPatch, TraceId};
use assay_redact::{Counts, Seen};
use assay_store::{Batch, Catalog as _, RunQuery, Runs as _};
use uuid::Uuid;

pub(crate) use api::routes;
pub use policy::Policy;
pub(crate) use standing::Admission;

use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::projects;
use policy::Ready;
use standing::Policies;

/// What is left of a batch.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) batch: Batch,
    /// Distinct runs that were kept out.
    pub(crate) dropped: usize,
}

/// Applies the policies of the projects of a batch; see the module.
pub(crate) async fn admit(app: &App, mut batch: Batch) -> ApiResult<Admitted> {
    let policies = app.admission.policies(app).await?;
    if policies.is_open() {
        return Ok(Admitted { batch, dropped: 0 });
    }
    let names = projects_of(app, &policies, &batch).await?;
    let mut ready: Vec<Arc<Ready>> = names.iter().map(|name| policies.of_project(name.as_deref())).collect();
    let sifted = sift::sift(&mut batch, &mut ready, &mut app.admission.memory.lock());
    for (rule, runs) in &sifted.dropped {
        app.metrics.dropped(rule, runs.len());
    }
    for trace in sifted.withdrawn {
        withdraw(app, trace).await?;
    }
    let dropped = sifted.dropped.values().map(HashSet::len).sum();
    let batch = redact(app, batch, ready, policies).await?;
    Ok(Admitted { batch, dropped })
}

/// Takes out of feedback what no project wants stored: it does not say where it belongs.
pub(crate) async fn redact_feedback(app: &App, feedback: &mut Feedback) -> ApiResult<()> {
    let policies = app.admission.policies(app).await?;
    if let Some(redactor) = &policies.strictest().redactor {
        let mut seen = Seen::default();
        redactor.feedback(feedback, &mut seen);
        count(app, &seen.counts);
    }
    Ok(())
}

fn count(app: &App, counts: &Counts) {
    for (rule, values) in &counts.0 {
        app.metrics.redacted(rule, *values);
    }
}

/// The name of the project of each patch, as far as that matters; `None` where nobody can know.
async fn projects_of(app: &App, policies: &Policies, batch: &Batch) -> ApiResult<Vec<Option<String>>> {
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
    stored_in(app, unknown, &mut known).await?;
    let name = |patch: &RunPatch| {
        say(&patch.project_name).or_else(|| find(&known, patch)).or_else(|| {
            // A new run goes to the default; an update whose run nobody knows may belong anywhere.
            (patch.is_creation || !batch.project.is_empty()).then(|| default.to_owned())
        })
    };
    Ok(batch.patches.iter().map(name).collect())
}

/// What a patch says of its place: its run, and its trace.
fn ids(patch: &RunPatch) -> impl Iterator<Item = Uuid> {
    [Some(patch.id.0), patch.trace.map(|trace| trace.0)].into_iter().flatten()
}

fn find(known: &HashMap<Uuid, String>, patch: &RunPatch) -> Option<String> {
    ids(patch).find_map(|id| known.get(&id).cloned())
}

/// Adds the projects of runs that are stored.
async fn stored_in(app: &App, ids: HashSet<RunId>, known: &mut HashMap<Uuid, String>) -> ApiResult<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let query = RunQuery { limit: ids.len(), ids: ids.into_iter().collect(), ..RunQuery::default() };
    let mut names: HashMap<ProjectId, Option<String>> = HashMap::new();
    for row in app.store.runs(&query).await?.items {
        if let Entry::Vacant(place) = names.entry(row.project) {
            let project = app.store.project_by_id(row.project).await?;
            place.insert(project.map(|project| project.name));
        }
        if let Some(name) = names.get(&row.project).cloned().flatten() {
            known.insert(row.id.0, name);
        }
    }
    Ok(())
}

/// Deletes what earlier batches brought of a trace that is not wanted.
async fn withdraw(app: &App, trace: TraceId) -> ApiResult<()> {
    let query = RunQuery { trace: Some(trace), limit: 1, ..RunQuery::default() };
    if let Some(row) = app.store.runs(&query).await?.items.first() {
        app.store.delete_traces(row.project, &[trace]).await?;
    }
    Ok(())
}

/// Takes values out, on a thread for such work.
async fn redact(
    app: &App,
    mut batch: Batch,
    ready: Vec<Arc<Ready>>,
    policies: Arc<Policies>,
) -> ApiResult<Batch> {
    let strictest = policies.strictest();
    let has_work = ready.iter().any(|ready| ready.redactor.is_some())
        || (strictest.redactor.is_some() && !batch.feedback.is_empty());
    if !has_work {
        return Ok(batch);
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
    let (batch, counts) = tokio::task::spawn_blocking(work).await.map_err(|_| {
        ApiError::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "the runs could not be redacted; nothing was stored",
        )
    })?;
    count(app, &counts);
    Ok(batch)
}
