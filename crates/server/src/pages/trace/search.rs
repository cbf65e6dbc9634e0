//! Finding words inside a trace: in names, errors, inputs and outputs.

use std::collections::BTreeMap;

use assay_domain::{Run, RunId};
use assay_store::Runs as _;
use assay_ui::web::json;
use assay_ui::{format, text};
use http::StatusCode;

use super::Subject;
use super::pieces::weight;
use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// Runs that are read at once.
const PORTION: usize = 4;
/// So many bytes of payloads are searched in a project, and so many in what is shared.
const OWN: usize = 64 << 20;
const SHARED: usize = 8 << 20;
/// In what is shared, payloads that take more bytes as they are stored are not opened, and only one at a time.
const SHARED_ONE: u64 = 1 << 20;
/// Places shown of what was found in a run.
const HITS: usize = 20;

/// What was found, by run.
#[derive(Default)]
pub(super) struct Found {
    pub(super) counts: BTreeMap<RunId, usize>,
    /// In words.
    pub(super) summary: String,
}

/// Searches run by run, in small portions, until there is no more or it is enough.
pub(super) async fn search(app: &App, subject: &Subject, words: String) -> ApiResult<Found> {
    // What anybody can ask is to cost little.
    let (mut left, portion, largest) = match subject.project {
        Some(_) => (OWN, PORTION, i64::MAX.unsigned_abs()),
        None => (SHARED, 1, SHARED_ONE),
    };
    let ids: Vec<RunId> = subject.rows.iter().map(|row| row.id).collect();
    let (mut counts, mut searched, mut too_large) = (BTreeMap::new(), 0, 0);
    for portion in ids.chunks(portion) {
        if left == 0 {
            break;
        }
        let runs = app.store.light_runs(portion, largest).await?;
        let needle = words.clone();
        let found = tokio::task::spawn_blocking(move || {
            let runs: Vec<Run> = runs.into_iter().filter_map(|light| light.run).collect();
            let size = |run: &Run| weight(&run.inputs, OWN).saturating_add(weight(&run.outputs, OWN));
            let read: usize = runs.iter().map(size).sum();
            let counts = runs.iter().map(|run| (run.id, count(run, &needle)));
            (counts.filter(|(_, count)| *count > 0).collect::<Vec<_>>(), read, runs.len())
        });
        let (found, read, opened) = found.await.map_err(|error| {
            tracing::error!(%error, "a search failed");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the search failed")
        })?;
        counts.extend(found);
        searched += portion.len();
        too_large += portion.len() - opened;
        left = left.saturating_sub(read);
    }
    let total: usize = counts.values().sum();
    let shown = text::cut(&text::line(&words), 60).into_owned();
    let mut summary = match counts.len() {
        0 => format!("“{shown}” does not occur in this trace"),
        1 => format!("“{shown}” occurs in 1 run, {total} ×"),
        runs => format!("“{shown}” occurs in {runs} runs, {total} ×"),
    };
    if searched < ids.len() {
        summary.push_str(&format!("; the first {} runs were searched", format::count(searched as u64)));
    }
    if too_large > 0 {
        let runs = if too_large == 1 { "run is" } else { "runs are" };
        summary
            .push_str(&format!("; {} {runs} too large to be searched here", format::count(too_large as u64)));
    }
    Ok(Found { counts, summary })
}

/// How often words occur in a run.
fn count(run: &Run, words: &str) -> usize {
    let lower = words.trim().to_lowercase();
    if lower.is_empty() {
        return 0;
    }
    let texts = [Some(run.name.as_str()), run.error.as_deref()];
    let outside: usize =
        texts.into_iter().flatten().map(|text| text.to_lowercase().matches(&lower).count()).sum();
    outside + json::count_of(&run.inputs, &lower) + json::count_of(&run.outputs, &lower)
}

/// Where words occur in a run: its name, its error, its payload.
pub(super) fn hits(run: &Run, words: &str) -> Vec<(String, String)> {
    let lower = words.trim().to_lowercase();
    if lower.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (place, text) in [("name", Some(run.name.as_str())), ("error", run.error.as_deref())] {
        if let Some(text) = text.filter(|text| text.to_lowercase().contains(&lower)) {
            found.push((place.to_owned(), text::cut(&text::line(text), 160).into_owned()));
        }
    }
    for (name, value) in [("inputs", &run.inputs), ("outputs", &run.outputs)] {
        let left = HITS.saturating_sub(found.len());
        found.extend(
            json::occurrences(value, &lower, left)
                .into_iter()
                .map(|(at, words)| (format!("{name} {at}"), words)),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use assay_domain::ProjectId;
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_found_in_name_error_and_payload() {
        let mut run = Run::unknown(RunId::default(), ProjectId::default());
        run.name = "Refund tool".into();
        run.error = Some("no refund".into());
        run.inputs = json!({ "q": ["a refund please", 1] });
        let places: Vec<String> = hits(&run, "REFUND").into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["name", "error", "inputs /q/0"]);
        assert!(hits(&run, " ").is_empty());
        run.outputs = json!({ "answers": vec!["refund, refund"; 30] });
        assert_eq!((count(&run, "Refund"), hits(&run, "refund").len()), (63, HITS));
    }
}
