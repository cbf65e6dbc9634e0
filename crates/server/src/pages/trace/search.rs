//! Finding words inside a trace: in names, errors, inputs and outputs.

use std::collections::BTreeMap;

use assay_domain::{Run, RunId};
use assay_store::{RunQuery, Runs as _};
use assay_ui::web::json;
use assay_ui::{format, text};
use http::StatusCode;

use super::Subject;
use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// Runs whose payloads are searched.
const SEARCHED: usize = 1_000;
/// Places shown of what was found in a run.
const HITS: usize = 20;

/// What was found, by run.
#[derive(Default)]
pub(super) struct Found {
    pub(super) counts: BTreeMap<RunId, usize>,
    /// In words.
    pub(super) summary: String,
}

pub(super) async fn search(app: &App, subject: &Subject, words: String) -> ApiResult<Found> {
    let ids: Vec<RunId> = subject.rows.iter().take(SEARCHED).map(|row| row.id).collect();
    let query = RunQuery { ids, limit: SEARCHED, ..RunQuery::default() };
    let runs = app.store.stored_runs(&query).await?.items;
    let is_cut = subject.rows.len() > SEARCHED;
    let searched = tokio::task::spawn_blocking(move || {
        let counts: BTreeMap<RunId, usize> = runs
            .iter()
            .map(|stored| (stored.run.id, hits(&stored.run, &words).len()))
            .filter(|(_, count)| *count > 0)
            .collect();
        let total: usize = counts.values().sum();
        let shown = text::cut(&text::line(&words), 60).into_owned();
        let mut summary = match counts.len() {
            0 => format!("“{shown}” does not occur in this trace"),
            1 => format!("“{shown}” occurs in 1 run, {total} ×"),
            runs => format!("“{shown}” occurs in {runs} runs, {total} ×"),
        };
        if is_cut {
            summary.push_str(&format!("; the first {} runs were searched", format::count(SEARCHED as u64)));
        }
        Found { counts, summary }
    });
    searched.await.map_err(|error| {
        tracing::error!(%error, "a search failed");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the search failed")
    })
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
    }
}
