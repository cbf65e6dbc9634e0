//! How samples are drawn, in words: the same on the command line, in the API
//! and in forms.
//!
//! `uniform`, `errors`, `low-feedback:KEY`, or strata by `status`, `latency`,
//! `day`, `feedback:KEY` or `metadata:KEY`.

use std::fmt;
use std::str::FromStr;

use crate::report::{SampleStrategy, Stratum};

/// How strongly a biased sample pulls where nobody says.
const PULL: f64 = 5.0;

impl FromStr for SampleStrategy {
    type Err = String;

    /// # Errors
    /// Lists the words there are.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, key) = match text.split_once(':') {
            Some((name, key)) if !key.is_empty() => (name, Some(key.to_owned())),
            _ => (text, None),
        };
        let by = |by| Ok(Self::Stratified { by });
        match (name, key) {
            ("uniform", None) => Ok(Self::Uniform),
            ("errors", None) => Ok(Self::TowardErrors { weight: PULL }),
            ("low-feedback", Some(key)) => Ok(Self::TowardLowFeedback { key, weight: PULL }),
            ("status", None) => by(Stratum::Status),
            ("latency", None) => by(Stratum::Latency),
            ("day", None) => by(Stratum::Day),
            ("feedback", Some(key)) => by(Stratum::Feedback { key }),
            ("metadata", Some(key)) => by(Stratum::Metadata { key }),
            _ => Err("uniform, errors, low-feedback:KEY, status, latency, day, feedback:KEY or metadata:KEY"
                .to_owned()),
        }
    }
}

impl fmt::Display for SampleStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::TowardErrors { weight: _ } => f.write_str("errors"),
            Self::TowardLowFeedback { key, weight: _ } => write!(f, "low-feedback:{key}"),
            Self::Stratified { by } => match by {
                Stratum::Status => f.write_str("status"),
                Stratum::Latency => f.write_str("latency"),
                Stratum::Day => f.write_str("day"),
                Stratum::Feedback { key } => write!(f, "feedback:{key}"),
                Stratum::Metadata { key } => write!(f, "metadata:{key}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_written_as_it_is_read() {
        for words in [
            "uniform",
            "errors",
            "low-feedback:score",
            "status",
            "latency",
            "day",
            "feedback:a:b",
            "metadata:env",
        ] {
            let strategy: SampleStrategy = words.parse().expect("a strategy");
            assert_eq!(strategy.to_string(), words);
        }
    }

    #[test]
    fn what_is_no_strategy_is_told_the_words_there_are() {
        for words in ["", "evenly", "metadata", "metadata:", "status:x", "errors:"] {
            let told = words.parse::<SampleStrategy>().map(|strategy| strategy.to_string());
            assert!(told.as_ref().is_err_and(|words| words.contains("metadata:KEY")), "{words}: {told:?}");
        }
    }
}
