//! How the server is to behave: from flags, environment and a file to one
//! [`Settings`].
//!
//! Flags go before environment variables, these before the file, this before
//! defaults. Keys nobody knows are refused, with the nearest that is known.
//! `keys` is the list of all of them; nothing below reads the environment.
//!
//! Start with [`Sources`] and [`Settings::of`].

mod keys;
mod layers;
mod models;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assay_llm::{Api, Limits, Secret};
use toml::Table;

use crate::admission::Policy;
use keys::{KEYS, Key};
use layers::{Layers, Origin};
pub use models::{KEY_VARIABLES, ModelSettings};
pub use value::{show_span, span};

/// How the server is to behave. Made from flags, environment and file by the binary.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Where OTLP over gRPC is taken; nowhere if absent.
    pub grpc: Option<SocketAddr>,
    /// How clients reach the server, such as `https://assay.example.com`; the
    /// `Host` of the request where absent. For links and presigned URLs.
    pub public_url: Option<String>,
    /// Largest request body as it arrives, in bytes.
    pub max_body: usize,
    /// Largest request body after decompression, in bytes.
    pub max_unpacked: usize,
    /// All request bodies together, before and after decompression, in bytes.
    pub bodies_in_memory: usize,
    /// So long may a client take for the head of a request.
    pub head_timeout: Duration,
    /// So long may a client pause in a body; one that trickles may take twice
    /// as long, and a second more for every 16 KiB it sent.
    pub body_timeout: Duration,
    /// So long may open requests take to end once the server stops.
    pub drain: Duration,
    /// Whether requests without a key may do everything, whoever can reach the
    /// server. Without this, that holds on loopback alone, until there is a key.
    pub allow_anonymous: bool,
    /// Host names of this server beside that of `public_url`, for requests without a key.
    pub allowed_hosts: Vec<String>,
    /// So many entries the audit log keeps.
    pub audit_entries: usize,
    /// So many analyses at once; with none, jobs wait for another server of the store.
    pub insights_jobs: usize,
    /// Which language models jobs may ask.
    pub models: ModelSettings,
    /// What happens to runs on their way in, in all projects.
    pub ingest: Policy,
    /// The same for single projects, by name.
    pub projects: BTreeMap<String, Policy>,
    /// How long projects without a setting of their own keep traces; for good if absent.
    pub retention: Option<Duration>,
    /// For projects whose tier is `shortlived`, unless they have a setting of their own.
    pub retention_short: Option<Duration>,
    /// For projects whose tier is `longlived`, unless they have a setting of their own.
    pub retention_long: Option<Duration>,
    /// For single projects, by name; absent inside is for good.
    pub project_retention: BTreeMap<String, Option<Duration>>,
    /// How often expired traces are looked for.
    pub retention_every: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 1984)),
            grpc: None,
            public_url: None,
            max_body: 32 << 20,
            max_unpacked: 128 << 20,
            bodies_in_memory: 256 << 20,
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            allow_anonymous: false,
            allowed_hosts: Vec::new(),
            audit_entries: 10_000,
            insights_jobs: 2,
            models: ModelSettings::default(),
            ingest: Policy::default(),
            projects: BTreeMap::new(),
            retention: None,
            retention_short: None,
            retention_long: None,
            project_retention: BTreeMap::new(),
            retention_every: Duration::from_secs(600),
        }
    }
}

/// What the binary needs beside the server's own [`Config`].
#[derive(Clone, Debug)]
pub struct Settings {
    pub data: PathBuf,
    pub prices: Option<PathBuf>,
    pub log: Log,
    pub server: Config,
    /// Variables that look like settings and are none; worth a warning.
    pub strange_variables: Vec<String>,
    shown: String,
}

/// How to log.
#[derive(Clone, Debug)]
pub struct Log {
    pub is_json: bool,
    /// Levels by module.
    pub level: String,
}

/// Where settings may come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// By name of the key, as texts.
    pub flags: BTreeMap<&'static str, String>,
    /// Variables that begin with `ASSAY_`.
    pub environment: BTreeMap<String, String>,
    /// Path and text of the file.
    pub file: Option<(PathBuf, String)>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read configuration {file:?}: {source}")]
    File { file: PathBuf, source: Box<toml::de::Error> },
    #[error("unknown key `{key}` in {file:?}{hint}")]
    Unknown { key: String, file: PathBuf, hint: String },
    #[error("`{key}` ({origin}): {why}")]
    Value { key: String, origin: String, why: String },
}

impl Settings {
    /// Reads, checks and merges.
    ///
    /// # Errors
    /// Names the key, where it was written, and what to write instead.
    pub fn of(sources: Sources) -> Result<Self, ConfigError> {
        let Sources { flags, environment, file } = sources;
        let parse = |(path, text): (PathBuf, String)| match text.parse::<Table>() {
            Ok(table) => Ok((path, table)),
            Err(source) => Err(ConfigError::File { file: path, source: Box::new(source) }),
        };
        let layers = Layers { flags, environment, file: file.map(parse).transpose()? };
        layers.check()?;
        let read = Reader { layers: &layers };
        let server = read.config()?;
        Ok(Self {
            data: read.path("data")?.unwrap_or_default(),
            prices: read.path("prices")?,
            log: Log { is_json: read.is_json()?, level: read.text("log.level")?.0 },
            server,
            strange_variables: layers.strange_variables(),
            shown: read.show()?,
        })
    }

    /// All settings in force and where each comes from, as a file would have them.
    #[must_use]
    pub fn show(&self) -> &str {
        &self.shown
    }
}

struct Reader<'a> {
    layers: &'a Layers,
}

impl Reader<'_> {
    fn key(name: &str) -> &'static Key {
        KEYS.iter().find(|key| key.name == name).expect("a key of the table")
    }

    fn text(&self, name: &str) -> Result<(String, Origin), ConfigError> {
        self.layers.text(Self::key(name))
    }

    /// `None` where nothing was said and nothing is the default.
    fn parse<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let (text, origin) = self.text(name)?;
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = |why| ConfigError::Value { key: name.into(), origin: origin.to_string(), why };
        parse(&text).map(Some).map_err(wrong)
    }

    /// Of keys that have a default.
    fn must<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        let missing =
            || ConfigError::Value { key: name.into(), origin: "default".into(), why: "it is missing".into() };
        self.parse(name, parse)?.ok_or_else(missing)
    }

    fn path(&self, name: &str) -> Result<Option<PathBuf>, ConfigError> {
        let (text, origin) = self.text(name)?;
        if text.is_empty() {
            return Ok(None);
        }
        // What stands in a file is meant from there.
        let base = match &origin {
            Origin::File(file) => file.parent().unwrap_or(Path::new("")).to_owned(),
            _ => PathBuf::new(),
        };
        Ok(Some(base.join(text)))
    }

    fn is_json(&self) -> Result<bool, ConfigError> {
        self.must("log.format", |text| match text {
            "json" => Ok(true),
            "text" => Ok(false),
            _ => Err("write text or json".into()),
        })
    }

    fn config(&self) -> Result<Config, ConfigError> {
        let address = |text: &str| {
            // The one name that means the same everywhere.
            let number = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
            let parsed = number.as_deref().unwrap_or(text).parse::<SocketAddr>();
            parsed.map_err(|_| "write an address such as 127.0.0.1:1984".to_owned())
        };
        let always = |text: &str| value::span(text)?.ok_or_else(|| "it cannot be off".to_owned());
        let number = |text: &str| text.parse::<usize>().map_err(|_| "write a number".to_owned());
        let (projects, project_retention) = self.projects()?;
        Ok(Config {
            listen: self.must("listen", address)?,
            grpc: self.parse("grpc", address)?,
            public_url: self.parse("public_url", web_address)?,
            max_body: self.must("limits.max_body", value::size)?,
            max_unpacked: self.must("limits.max_unpacked", value::size)?,
            bodies_in_memory: self.must("limits.bodies_in_memory", value::size)?,
            head_timeout: self.must("limits.head_timeout", always)?,
            body_timeout: self.must("limits.body_timeout", always)?,
            drain: self.must("limits.drain", always)?,
            allow_anonymous: self.must("allow_anonymous", value::flag)?,
            allowed_hosts: self.parse("allowed_hosts", list)?.unwrap_or_default(),
            audit_entries: self.must("audit.keep", number)?,
            insights_jobs: self.must("insights.jobs", number)?,
            models: self.models()?,
            ingest: self.policy("ingest", self.layers.table("ingest"))?,
            projects,
            retention: self.must("retention.default", value::span)?,
            retention_short: self.must("retention.shortlived", value::span)?,
            retention_long: self.must("retention.longlived", value::span)?,
            project_retention,
            retention_every: self.must("retention.every", always)?,
        })
    }

    fn models(&self) -> Result<ModelSettings, ConfigError> {
        let positive = |text: &str| match text.parse::<usize>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err("write a number from 1".to_owned()),
        };
        let rate = |text: &str| positive(text).map(|number| number as u64);
        let always = |text: &str| value::span(text)?.ok_or_else(|| "it cannot be off".to_owned());
        let word = |text: &str| Ok::<_, String>(text.to_owned());
        let kind = |text: &str| {
            let words = || Api::ALL.map(Api::as_str).join(", ");
            Api::named(text).ok_or_else(|| format!("write one of {}", words()))
        };
        let base_url = self.parse("models.base_url", web_address)?;
        let provider = self.parse("models.provider", kind)?;
        if provider == Some(Api::Compatible) && base_url.is_none() {
            let why = "compatible needs models.base_url, such as http://localhost:11434/v1".into();
            let origin = self.text("models.provider")?.1.to_string();
            return Err(ConfigError::Value { key: "models.provider".into(), origin, why });
        }
        Ok(ModelSettings {
            provider: provider.or(base_url.as_ref().map(|_| Api::Compatible)),
            base_url,
            thinking: self.parse("models.thinking", word)?,
            summary: self.parse("models.summary", word)?,
            ca_file: self.path("models.ca_file")?,
            proxy: self.parse("models.proxy", proxy)?,
            limits: Limits {
                concurrency: self.must("models.concurrency", positive)?,
                requests_per_minute: self.parse("models.requests_per_minute", rate)?,
                tokens_per_minute: self.parse("models.tokens_per_minute", rate)?,
                patience: self.must("models.patience", always)?,
                ..Limits::default()
            },
            timeout: self.must("models.timeout", always)?,
            thread_tokens: self.must("models.thread_tokens", positive)?,
            read: self.must("models.read", positive)?,
            redact: self.must("models.redact", value::flag)?,
            keys: BTreeMap::new(),
        })
    }

    #[expect(clippy::type_complexity, reason = "two maps that are taken apart at once")]
    fn projects(
        &self,
    ) -> Result<(BTreeMap<String, Policy>, BTreeMap<String, Option<Duration>>), ConfigError> {
        let (mut policies, mut retention) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in self.layers.table("projects").into_iter().flatten() {
            let place = format!("projects.{name}");
            let mut table = value.as_table().cloned().unwrap_or_default();
            if let Some(span) = table.remove("retention") {
                let parsed =
                    span.as_str().ok_or_else(|| "write a time in quotes, such as \"14d\"".to_owned());
                let parsed = parsed.and_then(value::span);
                let parsed = parsed.map_err(|why| self.wrong(&format!("{place}.retention"), why))?;
                retention.insert(name.clone(), parsed);
            }
            let policy = self.policy(&place, Some(&table))?;
            if policy != Policy::default() {
                policies.insert(name.clone(), policy);
            }
        }
        Ok((policies, retention))
    }

    fn policy(&self, place: &str, table: Option<&Table>) -> Result<Policy, ConfigError> {
        let Some(table) = table else { return Ok(Policy::default()) };
        let policy: Policy = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| self.wrong(place, error.message().to_owned()))?;
        policy.check().map_err(|why| self.wrong(place, why))?;
        Ok(policy)
    }

    fn wrong(&self, key: &str, why: String) -> ConfigError {
        let origin =
            self.layers.file.as_ref().map_or_else(String::new, |(file, _)| file.display().to_string());
        ConfigError::Value { key: key.into(), origin, why }
    }

    fn show(&self) -> Result<String, ConfigError> {
        let mut shown = String::new();
        for key in KEYS {
            let (text, origin) = self.layers.text(key)?;
            let text = without_password(text);
            let sign = if text.is_empty() { "# " } else { "" };
            shown += &format!("{sign}{} = {:?}  # {origin}\n", key.name, text);
        }
        for name in ["ingest", "projects"] {
            if let Some(table) = self.layers.table(name) {
                let whole = Table::from_iter([(name.to_owned(), toml::Value::Table(table.clone()))]);
                shown += &format!("\n{whole}");
            }
        }
        Ok(shown)
    }
}

fn web_address(text: &str) -> Result<String, String> {
    let url =
        url::Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(|_| text.to_owned())
        .ok_or_else(|| "write an address such as https://assay.example.com".to_owned())
}

fn proxy(text: &str) -> Result<Secret, String> {
    let wrong = |_| "write an address such as http://proxy:3128".to_owned();
    web_address(text).map(Secret::new).map_err(wrong)
}

/// A value as it may be shown: an address may hold a password.
fn without_password(text: String) -> String {
    let Ok(mut url) = url::Url::parse(&text) else { return text };
    if url.password().is_some() && url.set_password(Some("***")).is_ok() { url.into() } else { text }
}

#[expect(clippy::unnecessary_wraps, reason = "one of many ways to read a text")]
fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

/// The reference page of all settings, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(include_str!("reference.md"));
    page += "\n| Key | Variable | Default | |\n|---|---|---|---|\n";
    for key in KEYS {
        let default = if key.default.is_empty() { "–".to_owned() } else { format!("`{}`", key.default) };
        page += &format!("| `{}` | `{}` | {default} | {} |\n", key.name, key.variable(), key.about);
    }
    page
}

#[cfg(test)]
mod tests;
