//! How long a model's answers really are, learnt from one report for the next estimates.
//!
//! A report keeps, for each model it asked, how many tokens its prompts and
//! answers had by our count and by the provider's. They are remembered with the
//! project, and a [`super::rehearsal`] begins with them: a model that writes
//! twice as much as models usually do is known by its first report.

use std::collections::BTreeMap;

use assay_domain::ProjectId;
use assay_llm::{Answer, Request};
use assay_store::{Key, Memo};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::play;
use crate::{Context, Error};

/// Tokens of the same texts: by our rule, and by the provider.
pub(crate) type Pair = (u64, u64);

/// What is known of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Seen {
    pub(crate) prompts: Pair,
    /// Answers as they are played and as they were, by stage.
    pub(crate) answers: BTreeMap<String, Pair>,
}

/// What is known of several, by provider and model.
#[derive(Debug, Default)]
pub(crate) struct Lengths {
    by_model: BTreeMap<(String, String), Seen>,
    /// Some answers were played, or their provider counts nothing.
    is_guess: bool,
}

impl Lengths {
    /// Takes note of an answer. Estimated counts teach nothing, and repaired answers took two prompts.
    pub(crate) fn note(&mut self, provider: &str, request: &Request, answer: &Answer) {
        let counted = assay_llm::tokens::of_prompt(request);
        let usage = &answer.usage;
        self.is_guess |= answer.usage_is_estimated;
        if answer.usage_is_estimated || usage.input_tokens >= counted.saturating_mul(2) {
            return;
        }
        let seen = self.by_model.entry((provider.to_owned(), request.model.clone())).or_default();
        add(&mut seen.prompts, (counted, usage.input_tokens));
        let played = play::answer(request, &[], 0).1;
        add(seen.answers.entry(request.stage.to_string()).or_default(), (played, usage.output_tokens));
    }

    /// Keeps them for the estimates to come.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn keep<S: Memo>(self, ctx: &Context<'_, S>, project: ProjectId) -> Result<(), Error> {
        if !ctx.remember || self.is_guess || self.by_model.is_empty() {
            return Ok(());
        }
        let entries = self.by_model.iter().filter_map(|((provider, model), seen)| {
            Some((key(project, provider, model), serde_json::to_vec(seen).ok()?))
        });
        Ok(ctx.store.remember(project, entries.collect()).await?)
    }
}

/// What earlier reports of the project tell of a model.
///
/// # Errors
/// What the store says.
pub(super) async fn known<S: Memo>(
    ctx: &Context<'_, S>,
    project: ProjectId,
    provider: &str,
    model: &str,
) -> Result<Seen, Error> {
    let found = ctx.store.recall(&[key(project, provider, model)]).await?;
    let bytes = found.into_iter().next().flatten().unwrap_or_default();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

fn add(sum: &mut Pair, pair: Pair) {
    *sum = (sum.0.saturating_add(pair.0), sum.1.saturating_add(pair.1));
}

fn key(project: ProjectId, provider: &str, model: &str) -> Key {
    let mut hasher = Sha256::new();
    for part in ["assay lengths 1", &project.0.to_string(), provider, model] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().into()
}
