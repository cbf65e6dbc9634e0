//! What is to happen to runs on their way in, as it is written down, and made
//! ready to be asked.

use assay_domain::Run;
use assay_redact::{Redactor, Rules};
use assay_store::Filter;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

/// So many rules may a policy have.
const MOST: usize = 100;

/// For all projects, or for one. Nothing happens by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Share of traces that are kept, from 0 to 1; all where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<f64>,
    /// `detectors`, `patterns`, `paths`, `style`, `hide_inputs`, `hide_outputs`: see docs/redaction.md.
    #[schema(value_type = Object, example = json!({ "detectors": ["secrets"] }))]
    pub redact: Rules,
    /// The first that holds decides.
    pub rules: Vec<Rule>,
}

/// Keeps or drops what a filter selects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// For counters and messages.
    pub name: String,
    /// In the filter language; feedback cannot be asked for.
    pub filter: String,
    pub action: Action,
    #[serde(default)]
    pub applies_to: Scope,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Whatever later rules and sampling say.
    Keep,
    Drop,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The root is asked, and decides for its whole trace.
    #[default]
    Trace,
    /// Each run is asked, and decides for itself alone.
    Run,
}

impl Policy {
    /// # Errors
    /// Says what cannot be used, and why.
    pub fn check(&self) -> Result<(), String> {
        Ready::of(&Self::default(), Some(self), b"").map(|_| ())
    }
}

/// A policy that can be asked.
pub(super) struct Ready {
    pub(super) sample_rate: f64,
    pub(super) redactor: Option<Redactor>,
    rules: Vec<(Rule, Filter)>,
}

impl Ready {
    /// What holds in a project: the general policy, and its own where it has
    /// one. Its rules are asked first, its rate counts, and both redact.
    pub(super) fn of(general: &Policy, own: Option<&Policy>, key: &[u8]) -> Result<Self, String> {
        let own_rules = own.map(|own| own.rules.as_slice()).unwrap_or_default();
        let rules = own_rules.iter().chain(&general.rules).map(|rule| Ok((rule.clone(), parse(rule)?)));
        let rules = rules.collect::<Result<Vec<_>, String>>()?;
        if rules.len() > MOST {
            return Err(format!("at most {MOST} rules can be used together"));
        }
        let sample_rate = own.and_then(|own| own.sample_rate).or(general.sample_rate).unwrap_or(1.0);
        if !(0.0..=1.0).contains(&sample_rate) {
            return Err(format!("sample_rate is a share from 0 to 1, not {sample_rate}"));
        }
        let redact = own.map_or_else(|| general.redact.clone(), |own| own.redact.and(&general.redact));
        Ok(Self { sample_rate, redactor: redactor(&redact, key)?, rules })
    }

    /// Whether everything passes as it is.
    pub(super) fn is_open(&self) -> bool {
        self.sample_rate >= 1.0 && self.redactor.is_none() && self.rules.is_empty()
    }

    pub(super) fn has_rules(&self, scope: Scope) -> bool {
        self.rules.iter().any(|(rule, _)| rule.applies_to == scope)
    }

    /// The first rule of this scope that holds of a run.
    pub(super) fn rule(&self, scope: Scope, run: &Run) -> Option<&Rule> {
        let mut asked = self.rules.iter().filter(|(rule, _)| rule.applies_to == scope);
        asked.find(|(_, filter)| filter.holds_of(run)).map(|(rule, _)| rule)
    }

    /// Whether sampling keeps a trace: always the same answer for the same id.
    pub(super) fn samples(&self, trace: Uuid) -> bool {
        if self.sample_rate >= 1.0 {
            return true;
        }
        let digest = Sha256::digest(trace.as_bytes());
        let start = digest.iter().take(8).fold(0u64, |start, byte| (start << 8) | u64::from(*byte));
        (start as f64) / (u64::MAX as f64) < self.sample_rate
    }
}

pub(super) fn redactor(rules: &Rules, key: &[u8]) -> Result<Option<Redactor>, String> {
    if rules.is_empty() {
        return Ok(None);
    }
    Redactor::new(rules, key).map(Some).map_err(|error| error.to_string())
}

fn parse(rule: &Rule) -> Result<Filter, String> {
    let name = rule.name.chars().take(80).collect::<String>();
    if name.trim().is_empty() || rule.name.len() > 80 {
        return Err("a rule has a name of 1 to 80 bytes".into());
    }
    let filter = Filter::parse(&rule.filter).map_err(|error| format!("rule {name:?}: {error}"))?;
    if filter.asks_feedback() {
        return Err(format!("rule {name:?}: a run has no feedback yet when it arrives"));
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_keeps_its_share_and_its_word() {
        for rate in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let ready = Ready::of(&Policy { sample_rate: Some(rate), ..Policy::default() }, None, b"")
                .expect("ready");
            let ids: Vec<Uuid> = (0..10_000u128).map(|number| Uuid::from_u128(number << 40)).collect();
            let kept: Vec<bool> = ids.iter().map(|id| ready.samples(*id)).collect();
            let share = kept.iter().filter(|is_kept| **is_kept).count() as f64 / 1e4;
            assert!((share - rate).abs() < 0.02, "{share} of {rate}");
            assert_eq!(kept, ids.iter().map(|id| ready.samples(*id)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_lower_rate_keeps_part_of_what_a_higher_one_does() {
        let ready = |rate| {
            Ready::of(&Policy { sample_rate: Some(rate), ..Policy::default() }, None, b"").expect("ready")
        };
        let (low, high) = (ready(0.2), ready(0.6));
        assert!((0..1000u128).map(Uuid::from_u128).all(|id| !low.samples(id) || high.samples(id)));
    }

    #[test]
    fn policies_that_make_no_sense_are_refused() {
        let rule = |name: &str, filter: &str| Rule {
            name: name.into(),
            filter: filter.into(),
            action: Action::Drop,
            applies_to: Scope::Trace,
        };
        for (policy, why) in [
            (Policy { sample_rate: Some(1.5), ..Policy::default() }, "from 0 to 1"),
            (Policy { sample_rate: Some(f64::NAN), ..Policy::default() }, "from 0 to 1"),
            (Policy { rules: vec![rule("", "eq(name, \"a\")")], ..Policy::default() }, "has a name"),
            (Policy { rules: vec![rule("r", "eq(nme, \"a\")")], ..Policy::default() }, "no field"),
            (Policy { rules: vec![rule("r", "gt(feedback_score, 0)")], ..Policy::default() }, "feedback"),
            (Policy { rules: vec![rule("r", "eq(name, \"a\")"); 101], ..Policy::default() }, "at most"),
        ] {
            let error = policy.check().expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }
}
