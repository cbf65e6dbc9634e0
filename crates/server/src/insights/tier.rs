//! How much a language model does for a job, and which: decided once, when the
//! job is made.
//!
//! A request that names no tier gets the deepest there is a key for. What the
//! decision leaves undone of a request is said, field by field.

use assay_domain::Time;
use assay_domain::job::Unmet;
use assay_domain::report::Tier;

use super::models::{Choice, Offer};
use super::request::JobRequest;
use crate::error::{ApiError, ApiResult};

/// What was decided.
pub(super) struct Decision {
    pub(super) tier: Tier,
    /// Absent in the local tier, and where only the server can settle it.
    pub(super) choice: Option<Choice>,
    pub(super) unmet: Vec<Unmet>,
}

/// Decides for a request.
///
/// 400 where a tier is named that needs a key nobody has set, unless the
/// request says that nobody should look.
pub(super) fn decide(request: &JobRequest, offer: &Offer, now: Time) -> ApiResult<Decision> {
    let named = match request.tier.as_deref() {
        None | Some("") => None,
        Some("local") => Some(Tier::Local),
        Some("names") => Some(Tier::Names),
        Some("deep") => Some(Tier::Deep),
        Some(_) => return Err(ApiError::invalid(&["body", "tier"], "expected local, names or deep")),
    };
    if named == Some(Tier::Local) {
        return Ok(local(request, None));
    }
    let chosen = offer.choose(request.words());
    let Some(tier) = named else {
        return match chosen {
            Ok(choice) if offer.is_known && choice.lack.is_none() => {
                with(Tier::Deep, choice, request, offer, now)
            }
            Ok(choice) => Ok(local(request, choice.lack)),
            Err(text) => Ok(local(request, Some(text))),
        };
    };
    let choice = chosen.map_err(ApiError::bad_request)?;
    if let Some(lack) = &choice.lack
        && request.validate_model_secrets.unwrap_or(true)
    {
        return Err(ApiError::bad_request(format!(
            "tier {:?} needs a language model: {lack}; tier \"local\" needs none",
            tier.as_str()
        )));
    }
    with(tier, choice, request, offer, now)
}

fn with(tier: Tier, choice: Choice, request: &JobRequest, offer: &Offer, now: Time) -> ApiResult<Decision> {
    if let (Some(_), Some(prices)) = (request.budget, &offer.prices) {
        let both = [
            (&choice.providers.thinking, &choice.models.thinking),
            (&choice.providers.summary, &choice.models.summary),
        ];
        for (provider, model) in both {
            if prices.find(Some(provider), model, Some(now)).is_none() {
                return Err(ApiError::bad_request(format!(
                    "a budget needs prices, and none is known for the model {model:?}: add it to the price map \
                     (POST /model-price-map), or leave budget out"
                )));
            }
        }
    }
    let unmet = if tier == Tier::Names { unread(request) } else { Vec::new() };
    Ok(Decision { tier, choice: offer.is_known.then_some(choice), unmet })
}

fn local(request: &JobRequest, reason: Option<String>) -> Decision {
    let reason = reason.unwrap_or_else(|| "no language model is asked in the local tier".to_owned());
    let mut rows = vec![
        ("model", request.says_model(), reason.as_str()),
        ("cluster_model", said(request.cluster_model.as_deref()), reason.as_str()),
        ("summary_model", said(request.summary_model.as_deref()), reason.as_str()),
    ];
    rows.extend([
        (
            "summary_prompt",
            said(request.summary_prompt.as_deref()),
            "kept; the local tier summarizes by rule, not by prompt",
        ),
        (
            "attribute_schemas",
            request.attribute_schemas.as_ref().is_some_and(|map| !map.is_empty()),
            "kept; the local tier answers the attributes that structure shows, not those of a schema",
        ),
        (
            "user_context",
            request.user_context.as_ref().is_some_and(|map| !map.is_empty()),
            "kept; of the instructions the local tier takes only whether they ask about use or about failures",
        ),
    ]);
    Decision { tier: Tier::Local, choice: None, unmet: listed(&rows) }
}

/// In tier `names` no model reads threads.
fn unread(request: &JobRequest) -> Vec<Unmet> {
    const WHY: &str = "kept; in tier names no model reads threads: ask for tier deep";
    listed(&[
        ("summary_prompt", said(request.summary_prompt.as_deref()), WHY),
        ("attribute_schemas", request.attribute_schemas.as_ref().is_some_and(|map| !map.is_empty()), WHY),
        ("read", request.read.is_some(), WHY),
    ])
}

fn listed(rows: &[(&str, bool, &str)]) -> Vec<Unmet> {
    let asked = rows.iter().filter(|(_, is_asked, _)| *is_asked);
    asked
        .map(|(field, _, reason)| Unmet { field: (*field).to_owned(), reason: (*reason).to_owned() })
        .collect()
}

fn said(text: Option<&str>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}
