//! Runs that a client sends twice: natively and as spans.
//!
//! In its hybrid mode the LangSmith SDK exports every run as a span too, with
//! ids of its own. Such spans are marked by their resource; where the native
//! run is known already, its echo is dropped. The SDK sends runs sooner than
//! spans (which wait for their end and for a full batch), so that is the rule.
//! An echo that comes first stays: both are then shown.

use std::collections::{HashMap, HashSet};

use assay_domain::{ProjectId, RunPatch};
use assay_store::{Catalog as _, RunQuery, Runs as _};
use assay_wire::Decoded;
use chrono::TimeDelta;
use serde_json::Value;

use crate::app::App;
use crate::error::ApiResult;

/// The resource attribute by which the SDK marks spans of its own.
const MARK: &str = "langsmith.internal_provider";
/// The mark that every run out of a span bears.
const OF_SPAN: &str = "OTEL_SPAN_ID";
/// The SDK computes the time of a span from a float.
const ABOUT: TimeDelta = TimeDelta::microseconds(2);

/// Takes out the spans whose native run is in the store.
pub(super) async fn drop_echoes(app: &App, decoded: &mut Decoded, project: &str) -> ApiResult<()> {
    let marked: Vec<usize> = (0..decoded.patches.len()).filter(|&n| is_marked(&decoded.patches[n])).collect();
    if marked.is_empty() {
        return Ok(());
    }
    let mut projects: HashMap<String, Option<ProjectId>> = HashMap::new();
    let mut echoes = HashSet::new();
    for n in marked {
        let patch = &decoded.patches[n];
        let name = patch.project_name.as_deref().unwrap_or(project);
        let name = if name.is_empty() { "default" } else { name };
        if !projects.contains_key(name) {
            let known = app.store.project(name).await?;
            projects.insert(name.to_owned(), known.map(|project| project.id));
        }
        if let Some(Some(project)) = projects.get(name)
            && has_native(app, *project, patch).await?
        {
            echoes.insert(patch.id);
        }
    }
    decoded.patches.retain(|patch| !echoes.contains(&patch.id));
    Ok(())
}

fn is_marked(patch: &RunPatch) -> bool {
    let mark = patch.metadata.as_ref().and_then(|metadata| metadata.get(MARK));
    match mark {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// Whether a run of this name that is no span began at this moment.
async fn has_native(app: &App, project: ProjectId, patch: &RunPatch) -> ApiResult<bool> {
    let (Some(start), Some(name)) = (patch.start_time, &patch.name) else { return Ok(false) };
    let query = RunQuery {
        start: Some(start - ABOUT),
        end: Some(start + ABOUT),
        limit: 100,
        ..RunQuery::new(project)
    };
    let page = app.store.runs(&query).await?;
    Ok(page.items.iter().any(|run| run.name == *name && !run.metadata.contains_key(OF_SPAN)))
}
