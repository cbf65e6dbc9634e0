//! How servers differ that speak one API, learnt from what they say.
//!
//! Models that reason take no temperature, older servers know only
//! `max_tokens`, many know no `response_format`. Each says so with status 400
//! before it does anything, so [`Fits::learn`] drops what was named and the
//! request goes out again; the model's [`Quirks`] are kept for the next one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Api;
use crate::Error;
use crate::chat::Request;

/// What a model does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quirks {
    pub(super) no_temperature: bool,
    pub(super) no_seed: bool,
    /// `max_tokens` instead of `max_completion_tokens`.
    pub(super) old_limit: bool,
    /// The form is asked for in words, the answer is read strictly.
    pub(super) prompt_for_form: bool,
}

/// The quirks of a provider's models.
#[derive(Debug)]
pub(super) struct Fits {
    first: Quirks,
    by_model: Mutex<BTreeMap<String, Quirks>>,
}

impl Fits {
    pub(super) fn new(api: Api) -> Self {
        // The older name is the one that all servers but OpenAI's newest models know.
        let first = Quirks { old_limit: api == Api::Compatible, ..Quirks::default() };
        Self { first, by_model: Mutex::default() }
    }

    pub(super) fn of(&self, model: &str) -> Quirks {
        let known = self.by_model.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(model).copied().unwrap_or(self.first)
    }

    /// Whether asking again in another way makes sense: the error names
    /// something that was sent with `tried` and can be left out.
    pub(super) fn learn(&self, model: &str, tried: Quirks, request: &Request, error: &Error) -> bool {
        let Error::Rejected { status: 400 | 422, message, parameter, .. } = error else { return false };
        let complaint = format!("{} {message}", parameter.as_deref().unwrap_or_default()).to_lowercase();
        let names = |word: &str| complaint.contains(word);
        let mut fit = tried;
        if request.schema.is_some()
            && !tried.prompt_for_form
            && ["response_format", "json_schema", "text.format", "tool_choice", "guided"]
                .into_iter()
                .any(names)
        {
            fit.prompt_for_form = true;
        } else if request.temperature.is_some() && !tried.no_temperature && names("temperature") {
            fit.no_temperature = true;
        } else if request.seed.is_some() && !tried.no_seed && names("seed") {
            fit.no_seed = true;
        } else if !tried.old_limit && names("max_completion_tokens") {
            fit.old_limit = true;
        } else if tried.old_limit && names("max_tokens") && names("max_completion_tokens") {
            fit.old_limit = false;
        }
        if fit == tried {
            return false;
        }
        let mut known = self.by_model.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(model.to_owned(), fit);
        true
    }
}

/// The system prompt with the form of the answer in words.
pub(super) fn instructed(request: &Request) -> String {
    let Some(schema) = &request.schema else { return request.system.clone() };
    let gap = if request.system.is_empty() { "" } else { "\n\n" };
    format!(
        "{}{gap}{}\nAnswer with exactly one JSON object that satisfies this JSON Schema, and with nothing \
         before or after it:\n{}",
        request.system, schema.description, schema.schema
    )
}
