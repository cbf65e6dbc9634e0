//! The kinds of providers by their words: what each is called, where its key is
//! looked for, and which of its models do the work where nobody names one.
//!
//! Pure tables. Whoever reads flags, requests or secrets asks here, so that a
//! word means the same everywhere.

use url::Url;

use super::settings::{Api, KeyHeader, Settings};
use crate::{Error, Secret};

impl Api {
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::OpenAi, Self::Responses, Self::Anthropic, Self::Compatible];

    /// The word for it: `openai`, `responses`, `anthropic`, `compatible`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Compatible => "compatible",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.as_str() == word)
    }

    /// Names under which its key may be kept (secrets, environment variables), the best first.
    #[must_use]
    pub fn key_names(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi | Self::Responses => &["OPENAI_API_KEY"],
            Self::Anthropic => &["ANTHROPIC_API_KEY"],
            Self::Compatible => &["ASSAY_MODEL_KEY", "OPENAI_API_KEY"],
        }
    }

    /// Whether it answers nobody without a key.
    #[must_use]
    pub fn needs_key(self) -> bool {
        self != Self::Compatible
    }

    /// The model that thinks and the one that reads, where nobody names any.
    /// Both count all they write as the answer, so that limits and prices hold.
    #[must_use]
    pub fn usual_models(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::OpenAi | Self::Responses => Some(("gpt-4.1", "gpt-4.1-mini")),
            Self::Anthropic => Some(("claude-sonnet-4-5", "claude-haiku-4-5")),
            Self::Compatible => None,
        }
    }

    /// Whether a model of this name can only be Anthropic's own.
    #[must_use]
    pub fn is_anthropic(model: &str) -> bool {
        model.starts_with("claude")
    }
}

impl Settings {
    /// A provider of this kind, at another address where one is given.
    ///
    /// # Errors
    /// [`Error::Configuration`], where the kind needs a key or an address and there is none.
    pub fn of(api: Api, base_url: Option<&str>, key: Option<Secret>) -> Result<Self, Error> {
        let needed = || {
            Error::Configuration(format!("{} needs the key {}", api.as_str(), api.key_names().join(" or ")))
        };
        let mut settings = match api {
            Api::OpenAi => Self::openai(key.ok_or_else(needed)?),
            Api::Responses => Self::responses(key.ok_or_else(needed)?),
            Api::Anthropic => Self::anthropic(key.ok_or_else(needed)?),
            Api::Compatible => {
                let url = base_url.ok_or_else(|| {
                    Error::Configuration(
                        "a compatible provider needs an address such as http://localhost:11434/v1".into(),
                    )
                })?;
                Self::compatible(api.as_str(), url, key)
            }
        };
        if let Some(url) = base_url {
            url.clone_into(&mut settings.base_url);
            if wants_api_key(url) {
                settings.key_header = KeyHeader::ApiKey;
            }
        }
        Ok(settings)
    }
}

/// Azure, and gateways that do as Azure does, want the key in a header of its own; they are known by
/// their host or by the `api-version` in the address.
fn wants_api_key(base_url: &str) -> bool {
    let Ok(url) = Url::parse(base_url.trim()) else { return false };
    let is_azure = url.host_str().is_some_and(|host| host.to_ascii_lowercase().ends_with(".azure.com"));
    is_azure || url.query_pairs().any(|(name, _)| name == "api-version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azure_is_known_by_its_address() {
        let header = |url: &str| {
            Settings::of(Api::Compatible, Some(url), Some(Secret::new("k"))).expect("settings").key_header
        };
        for url in [
            "https://me.openai.azure.com/openai/v1",
            "https://me.openai.azure.com/openai/deployments/gpt?api-version=2024-10-21",
            "http://gateway.local/openai/deployments/gpt?api-version=2024-10-21",
        ] {
            assert_eq!(header(url), KeyHeader::ApiKey, "{url}");
        }
        for url in ["http://localhost:11434/v1", "https://azure.com.example/v1", "http://x/v1?version=1"] {
            assert_eq!(header(url), KeyHeader::Bearer, "{url}");
        }
    }

    #[test]
    fn every_kind_has_a_word_and_comes_back_by_it() {
        for api in Api::ALL {
            assert_eq!(Api::named(api.as_str()), Some(api));
            assert!(!api.key_names().is_empty());
            assert_eq!(api.needs_key(), Settings::of(api, Some("http://localhost:1/v1"), None).is_err());
        }
        assert_eq!(Api::named("gpt-4.1"), None);
        assert!(Settings::of(Api::Compatible, None, None).is_err());
        let elsewhere = Settings::of(Api::Anthropic, Some("http://localhost:1/v1"), Some(Secret::new("k")));
        assert_eq!(elsewhere.expect("settings").base_url, "http://localhost:1/v1");
    }
}
