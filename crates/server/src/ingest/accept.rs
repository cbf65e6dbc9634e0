//! The one way into the store, whatever door something came through.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use assay_domain::{ProjectId, RunId};
use assay_store::{Appended, Batch, Catalog as _, Runs as _};
use assay_wire::{Decoded, Rejected};
use uuid::Uuid;

use super::{Door, derive};
use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// So long may the store take: less than clients wait for an answer (LangSmith's 10 s), so that they
/// hear when to come again.
const PATIENCE: Duration = Duration::from_secs(8);

/// Where something came from and where it is to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) door: Door,
    /// For runs that name no project; `default` where empty.
    pub(crate) project: &'a str,
    /// Size of the body, unpacked.
    pub(crate) bytes: usize,
    /// The import of a file that it is a part of.
    pub(crate) import: Option<Uuid>,
}

/// What became of a body. It is durable.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// Distinct runs of which there was news.
    pub(crate) runs: usize,
    pub(crate) feedback: usize,
    /// Distinct runs that a policy kept out.
    pub(crate) dropped: usize,
    pub(crate) appended: Appended,
    pub(crate) rejected: Vec<Rejected>,
}

/// Completes what was decoded, stores it, and counts. Returns once it is durable.
///
/// Fails only where the store does; what is wrong with single runs is in
/// [`Accepted::rejected`].
pub(crate) async fn accept(app: &App, arrival: Arrival<'_>, mut decoded: Decoded) -> ApiResult<Accepted> {
    let counters = &app.ingest.counters;
    resolve_projects(app, &mut decoded).await?;
    derive::complete(app, &mut decoded.patches).await?;
    let Decoded { patches, feedback, projects: _, blobs, rejected, repaired: _ } = decoded;
    counters.arrived(arrival.door, arrival.bytes, rejected.len());

    let runs = patches.iter().map(|patch| patch.id).collect::<HashSet<_>>().len();
    let mut accepted = Accepted { runs, feedback: feedback.len(), rejected, ..Accepted::default() };
    if patches.is_empty() && feedback.is_empty() {
        return Ok(accepted);
    }
    let project = arrival.project.to_owned();
    let batch = Batch { project, patches, feedback, blobs, import: arrival.import };
    let admitted = app.admission.admit(batch, app.now()).await?;
    app.metrics.admitted(&admitted);
    accepted.dropped = admitted.dropped();
    let batch = admitted.batch;
    accepted.runs = accepted.runs.saturating_sub(accepted.dropped);
    if batch.patches.is_empty() && batch.feedback.is_empty() {
        return Ok(accepted);
    }
    accepted.appended = append(app, batch).await.inspect_err(|_| counters.failed(arrival.door))?;
    counters.stored(arrival.door, &accepted.appended);
    Ok(accepted)
}

async fn append(app: &App, batch: Batch) -> ApiResult<Appended> {
    let _waiting = app.metrics.appending();
    match tokio::time::timeout(PATIENCE, app.store.append(batch)).await {
        Ok(appended) => {
            let appended = appended?;
            app.metrics.committed(app.now());
            Ok(appended)
        }
        Err(_) => {
            tracing::warn!(seconds = PATIENCE.as_secs(), "the store did not take a batch in time");
            Err(ApiError::overloaded("the store does not keep up; repeat the request"))
        }
    }
}

/// Puts the names of projects where runs gave ids, and refuses the runs whose
/// project does not exist.
async fn resolve_projects(app: &App, decoded: &mut Decoded) -> ApiResult<()> {
    if decoded.projects.is_empty() {
        return Ok(());
    }
    let mut names: HashMap<ProjectId, Option<String>> = HashMap::new();
    for id in decoded.projects.values() {
        if !names.contains_key(id) {
            let project = app.store.project_by_id(*id).await?;
            names.insert(*id, project.map(|project| project.name));
        }
    }
    let mut refused: HashMap<RunId, ProjectId> = HashMap::new();
    decoded.patches.retain_mut(|patch| {
        let Some(id) = decoded.projects.get(&patch.id) else { return true };
        let name = names.get(id).cloned().flatten();
        if name.is_none() {
            refused.insert(patch.id, *id);
        }
        patch.project_name = name;
        patch.project_name.is_some()
    });
    let mut refused: Vec<_> = refused.into_iter().collect();
    refused.sort_unstable();
    for (run, project) in refused {
        let reason = format!("run {run}: no project has the id {project}; create it with POST /sessions");
        decoded.reject("", reason);
    }
    Ok(())
}
