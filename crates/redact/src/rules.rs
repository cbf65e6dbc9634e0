//! What to take out, as it is written down.

use serde::{Deserialize, Serialize};

use crate::detect::Detector;
use crate::error::Error;

/// So many of each kind of rule may there be.
const MOST: usize = 100;

/// What to take out of runs. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Built-in detectors by name, or `all`, `personal`, `secrets`.
    pub detectors: Vec<String>,
    pub patterns: Vec<Pattern>,
    pub paths: Vec<PathRule>,
    pub style: Style,
    /// Inputs become `{}`; so do contents of events, and attachments go.
    pub hide_inputs: bool,
    /// The same for outputs.
    pub hide_outputs: bool,
}

/// A regular expression whose matches are replaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// For placeholder and counters: letters, digits, `_` and `-`.
    pub name: String,
    /// Syntax of the Rust crate `regex`. With a group `(?<value>…)` only that is replaced.
    pub regex: String,
}

/// Values that are replaced because of where they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// Such as `inputs.user.name`, `$.outputs.messages[*].content`, `metadata..ssn`.
    pub path: String,
    #[serde(default)]
    pub action: PathAction,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathAction {
    /// By `[REDACTED]`, numbered or hashed as the style says.
    #[default]
    Replace,
    /// By a hash, whatever the style: equal values stay equal.
    Hash,
    /// Entries of objects go, items of lists become null.
    Drop,
}

/// What stands in the place of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// `[EMAIL]`.
    #[default]
    Plain,
    /// `[EMAIL_1]`, `[EMAIL_2]`: the same value has the same number within one patch.
    Numbered,
    /// `[EMAIL:9f86d081884c]`: the same value has the same hash everywhere, under one key.
    Hashed,
}

impl Rules {
    /// Whether nothing is taken out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { detectors, patterns, paths, style: _, hide_inputs, hide_outputs } = self;
        detectors.is_empty() && patterns.is_empty() && paths.is_empty() && !hide_inputs && !hide_outputs
    }

    /// All that either takes out; in the style of the first that has another than the plain one.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.detectors.extend(other.detectors.iter().cloned());
        both.patterns.extend(other.patterns.iter().filter(|rule| !self.patterns.contains(rule)).cloned());
        both.paths.extend(other.paths.iter().filter(|rule| !self.paths.contains(rule)).cloned());
        if both.style == Style::Plain {
            both.style = other.style;
        }
        both.hide_inputs |= other.hide_inputs;
        both.hide_outputs |= other.hide_outputs;
        both
    }

    /// The detectors that are meant, each once, in their own order.
    pub(crate) fn detectors(&self) -> Result<Vec<Detector>, Error> {
        if self.patterns.len() > MOST || self.paths.len() > MOST {
            return Err(Error::Invalid(format!(
                "at most {MOST} patterns and {MOST} paths can be used together"
            )));
        }
        let mut found = Vec::new();
        for name in &self.detectors {
            match name.to_ascii_lowercase().as_str() {
                "all" => found.extend(Detector::ALL),
                "personal" => found.extend(Detector::PERSONAL),
                "secrets" => found.extend(Detector::SECRETS),
                other => found.push(Detector::parse(other).ok_or_else(|| unknown(name))?),
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }
}

fn unknown(name: &str) -> Error {
    let known = Detector::ALL.map(Detector::as_str).join(", ");
    Error::Detector { name: name.chars().take(80).collect(), known }
}
