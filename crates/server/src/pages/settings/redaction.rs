//! Policies of what is let in, and trying redaction on a text.

use assay_redact::{Detector, Redactor, Rules, Seen};
use assay_ui::text;
use assay_ui::web::settings::{PolicyRow, RedactionPage, Section};
use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::super::portion::Portion;
use super::super::{Visit, page};
use super::{may_manage, shell, state};
use crate::admission::Policy;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

/// Of a text to try rules on, in characters.
const LONGEST: usize = 100_000;

/// Policies on a page.
const POLICIES: usize = 20;

pub(super) async fn show(visit: Visit) -> ApiResult<Response> {
    // In memory as a whole: every run that arrives is held against them.
    let written = visit.app.admission.written().await?;
    let portion = Portion::read(&visit.params, "offset", POLICIES);
    Ok(page(&RedactionPage {
        shell: shell(&visit, Section::Redaction),
        may_change: may_manage(&visit),
        pager: portion.pager_of(
            &state(&visit, Section::Redaction),
            "",
            written.len(),
            ("policy", "policies"),
        ),
        policies: portion
            .of(written)
            .iter()
            .map(|(project, policy, is_in_file)| row(project, policy, *is_in_file))
            .collect(),
        detectors: Detector::ALL.iter().map(|detector| detector.as_str()).collect(),
    }))
}

fn row(project: &str, policy: &Policy, is_in_file: bool) -> PolicyRow {
    let encoded: String = byte_serialize(project.as_bytes()).collect();
    let json = serde_json::to_string_pretty(policy).unwrap_or_default();
    PolicyRow {
        project: text::name(project),
        // A plus in a path is a plus.
        api: format!("/api/v1/ingest-policies/{}", encoded.replace('+', "%20")),
        is_in_file,
        words: words(policy),
        json: text::visible(&json).into_owned(),
    }
}

/// What a policy does, a line each.
fn words(policy: &Policy) -> Vec<String> {
    let Policy { sample_rate, redact, rules } = policy;
    let mut words = Vec::new();
    if let Some(rate) = sample_rate {
        words.push(format!("keeps {} of traces", assay_domain::format::percent(*rate)));
    }
    if !redact.detectors.is_empty() {
        words.push(format!("replaces {}", redact.detectors.join(", ").replace('_', " ")));
    }
    words.extend(
        redact.patterns.iter().map(|pattern| format!("replaces {} ({})", pattern.name, pattern.regex)),
    );
    words.extend(redact.paths.iter().map(|rule| format!("replaces what is at {}", rule.path)));
    if redact.hide_inputs {
        words.push("hides inputs".to_owned());
    }
    if redact.hide_outputs {
        words.push("hides outputs".to_owned());
    }
    words.extend(rules.iter().map(|rule| format!("{}: {}", rule.name, rule.filter)));
    words.into_iter().map(|line| text::line(&line)).collect()
}

#[derive(Deserialize)]
pub(super) struct Trial {
    rules: Rules,
    text: String,
}

/// The text as it would be stored. Nothing is.
pub(super) async fn test(Body(trial): Body<Trial>) -> ApiResult<Json<Value>> {
    if trial.text.chars().count() > LONGEST {
        return Err(ApiError::invalid(&["body", "text"], format!("at most {LONGEST} characters")));
    }
    let refused = |error: assay_redact::Error| ApiError::invalid(&["body", "rules"], error.to_string());
    // Not the key of the store: hashes of values made up here would tell what they stand for there.
    let redactor = Redactor::new(&trial.rules, b"a trial").map_err(refused)?;
    let replaced = redactor.text(&trial.text, &mut Seen::default());
    Ok(Json(json!({ "text": replaced.unwrap_or(trial.text) })))
}
