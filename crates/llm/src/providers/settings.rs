//! Where a provider is and how to knock: what a user configures.
//!
//! Nothing here reads files or the environment; whoever builds the settings
//! does. Addresses are checked here, once, and shown without secrets.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::{Error, Secret};

/// Which API a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// OpenAI's chat completions.
    OpenAi,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Chat completions as others speak them: Ollama, vLLM, LiteLLM, Azure.
    Compatible,
}

/// The header a key goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHeader {
    /// `Authorization: Bearer …`
    Bearer,
    /// `api-key: …`, as Azure wants it.
    ApiKey,
    /// `x-api-key: …`, as Anthropic wants it.
    XApiKey,
}

/// Everything about a provider that a user may set. Prints without secrets.
#[derive(Clone)]
pub struct Settings {
    /// What the provider is called in reports, prices and remembered answers.
    /// Two servers whose models differ under equal names need two names.
    pub name: String,
    pub api: Api,
    /// The address before `/chat/completions`, `/responses` or `/messages`,
    /// such as `http://localhost:11434/v1`. A query in it is kept.
    pub base_url: String,
    pub key: Option<Secret>,
    pub key_header: KeyHeader,
    /// Further headers, sent with each request.
    pub headers: Vec<(String, Secret)>,
    /// Azure's `api-version`, sent in the query.
    pub api_version: Option<String>,
    /// For one exchange, from sending to the last byte.
    pub timeout: Duration,
    /// `http://…`; may hold a user and a password.
    pub proxy: Option<Secret>,
    /// Certificates (PEM) trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The base URL may hold a password or a key.
        let place = place(&self.name, &self.base_url).unwrap_or_else(|_| self.name.clone());
        f.debug_struct("Settings").field("place", &place).field("api", &self.api).finish_non_exhaustive()
    }
}

impl Settings {
    /// OpenAI itself, by chat completions.
    #[must_use]
    pub fn openai(key: Secret) -> Self {
        Self::at("openai", Api::OpenAi, "https://api.openai.com/v1", Some(key))
    }

    /// OpenAI itself, by responses.
    #[must_use]
    pub fn responses(key: Secret) -> Self {
        Self::at("openai", Api::Responses, "https://api.openai.com/v1", Some(key))
    }

    /// Anthropic itself.
    #[must_use]
    pub fn anthropic(key: Secret) -> Self {
        Self::at("anthropic", Api::Anthropic, "https://api.anthropic.com/v1", Some(key))
    }

    /// Any server that speaks like OpenAI; most local ones want no key.
    #[must_use]
    pub fn compatible(name: &str, base_url: &str, key: Option<Secret>) -> Self {
        Self::at(name, Api::Compatible, base_url, key)
    }

    /// An Azure deployment: `https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT`.
    #[must_use]
    pub fn azure(base_url: &str, api_version: &str, key: Secret) -> Self {
        Self {
            key_header: KeyHeader::ApiKey,
            api_version: Some(api_version.to_owned()),
            ..Self::at("azure", Api::Compatible, base_url, Some(key))
        }
    }

    fn at(name: &str, api: Api, base_url: &str, key: Option<Secret>) -> Self {
        let key_header = if api == Api::Anthropic { KeyHeader::XApiKey } else { KeyHeader::Bearer };
        Self {
            name: name.to_owned(),
            api,
            base_url: base_url.to_owned(),
            key,
            key_header,
            headers: Vec::new(),
            api_version: None,
            timeout: Duration::from_secs(120),
            proxy: None,
            ca_file: None,
        }
    }
}

impl Api {
    pub(super) fn path(self) -> &'static str {
        match self {
            Api::OpenAi | Api::Compatible => "chat/completions",
            Api::Responses => "responses",
            Api::Anthropic => "messages",
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Api::OpenAi | Api::Compatible => "OpenAI chat completions",
            Api::Responses => "OpenAI responses",
            Api::Anthropic => "Anthropic messages",
        }
    }
}

fn parse(base_url: &str) -> Result<Url, Error> {
    let wrong = |why: &str| {
        // The text itself may hold a password.
        Error::Configuration(format!("its base URL {why}; give one such as http://localhost:11434/v1"))
    };
    let url = Url::parse(base_url.trim()).map_err(|error| wrong(&format!("cannot be read ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    Ok(url)
}

/// The address of one operation.
pub(super) fn endpoint(base_url: &str, path: &str, api_version: Option<&str>) -> Result<Url, Error> {
    let mut url = parse(base_url)?;
    let base = url.path().trim_end_matches('/').to_owned();
    let whole = if base.ends_with(path) { base } else { format!("{base}/{path}") };
    url.set_path(&whole);
    if let Some(version) = api_version {
        url.query_pairs_mut().append_pair("api-version", version);
    }
    Ok(url)
}

/// Name and address without user, password and query.
pub(super) fn place(name: &str, base_url: &str) -> Result<String, Error> {
    let mut url = parse(base_url)?;
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    Ok(format!("{name} at {}", url.as_str().trim_end_matches('/')))
}
