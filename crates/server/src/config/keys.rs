//! Every key there is: one table for file, environment, checks and reference page.

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// An address with a port.
    Address,
    /// Relative to the file it stands in.
    Path,
    Flag,
    /// `500`, `64KB`, `32MB`, `1GB`.
    Size,
    /// `500ms`, `30s`, `5m`, `12h`, `14d`, or `off` where that is possible.
    Span,
    Number,
    /// In the environment separated by commas.
    List,
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// As in the file: `limits.max_body`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Empty where absent means something of its own.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
}

impl Key {
    /// The variable: `ASSAY_LIMITS_MAX_BODY`.
    pub(super) fn variable(&self) -> String {
        format!("ASSAY_{}", self.name.replace('.', "_").to_uppercase())
    }
}

const fn key(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, about }
}

/// Scalars and lists. Tables with names of their own are in [`TABLES`].
pub(super) const KEYS: &[Key] = &[
    key("data", Kind::Path, "./assay-data", "Directory of the store; made if need be"),
    key("listen", Kind::Address, "127.0.0.1:1984", "Where HTTP is served; port 0 takes any free one"),
    key("grpc", Kind::Address, "", "Where OTLP over gRPC is taken; nowhere if absent"),
    key(
        "public_url",
        Kind::Text,
        "",
        "How clients reach the server, for links; the host they ask for if absent",
    ),
    key("prices", Kind::Path, "", "Prices of models that go before the built-in ones (TOML)"),
    key(
        "allow_anonymous",
        Kind::Flag,
        "false",
        "Answer everybody who reaches the server without a key, on any address",
    ),
    key(
        "allowed_hosts",
        Kind::List,
        "",
        "Names of this server beside that of `public_url`, for requests without a key",
    ),
    key("limits.max_body", Kind::Size, "32MB", "Largest request body as it arrives"),
    key("limits.max_unpacked", Kind::Size, "128MB", "Largest request body after decompression"),
    key(
        "limits.bodies_in_memory",
        Kind::Size,
        "256MB",
        "All request bodies together, as they arrive and after decompression",
    ),
    key("limits.head_timeout", Kind::Span, "15s", "So long may a client take for the head of a request"),
    key("limits.body_timeout", Kind::Span, "30s", "So long may a client pause while it sends a body"),
    key("limits.drain", Kind::Span, "10s", "So long may open requests take to end once the server stops"),
    key("log.format", Kind::Text, "text", "`text` or `json`, one line per request, on standard error"),
    key(
        "log.level",
        Kind::Text,
        "warn,assay_server=info",
        "Least level, also by module, as `RUST_LOG` has it (which goes before)",
    ),
    key("audit.keep", Kind::Number, "10000", "So many entries the audit log keeps"),
    key(
        "insights.jobs",
        Kind::Number,
        "2",
        "So many analyses at once; with 0, jobs wait for another server of the store",
    ),
    key(
        "models.provider",
        Kind::Text,
        "",
        "Whom jobs ask: `openai`, `responses`, `anthropic` or `compatible`; by the key that is there if absent",
    ),
    key(
        "models.base_url",
        Kind::Text,
        "",
        "Address of the provider, such as `http://localhost:11434/v1`; without `models.provider`, it is `compatible`. Of Azure: `https://NAME.openai.azure.com/openai/v1`, or `…/openai/deployments/NAME?api-version=DATE`; the key goes in `api-key` then",
    ),
    key("models.thinking", Kind::Text, "", "Model that names and concludes where a job names none"),
    key("models.summary", Kind::Text, "", "Model that reads threads where a job names none"),
    key("models.ca_file", Kind::Path, "", "Certificates (PEM) to trust beside the system's"),
    key(
        "models.proxy",
        Kind::Text,
        "",
        "Proxy for all calls to models, such as `http://proxy:3128`; without it the variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` count",
    ),
    key(
        "models.concurrency",
        Kind::Number,
        "20",
        "Calls in flight at once to one model, of all jobs together; less where it asks to slow down",
    ),
    key("models.requests_per_minute", Kind::Number, "", "Calls per minute to one model"),
    key("models.tokens_per_minute", Kind::Number, "", "Tokens per minute to and from one model"),
    key("models.timeout", Kind::Span, "2m", "So long may one call take"),
    key(
        "models.patience",
        Kind::Span,
        "2m",
        "So long is waited for a provider that is down; 7 s at most where no connection was ever made",
    ),
    key("models.thread_tokens", Kind::Number, "3000", "Tokens of a thread that a model is shown at most"),
    key(
        "models.read",
        Kind::Number,
        "1000",
        "So many threads a model reads for a job that says neither `read`, `sample` nor `budget`",
    ),
    key("models.redact", Kind::Flag, "true", "Take personal data and secrets out of what models are shown"),
    key(
        "retention.default",
        Kind::Span,
        "off",
        "How long projects without a setting of their own keep traces",
    ),
    key(
        "retention.shortlived",
        Kind::Span,
        "off",
        "The same for projects whose `trace_tier` is `shortlived`",
    ),
    key("retention.longlived", Kind::Span, "off", "The same for projects whose `trace_tier` is `longlived`"),
    key("retention.every", Kind::Span, "10m", "How often expired traces are looked for"),
];

/// What may stand in a table whose entries are named or listed.
#[derive(Debug)]
pub(super) enum Shape {
    Value,
    Table(&'static [(&'static str, Shape)]),
    /// Of these tables.
    List(&'static [(&'static str, Shape)]),
}

const REDACT: &[(&str, Shape)] = &[
    ("detectors", Shape::Value),
    ("patterns", Shape::List(&[("name", Shape::Value), ("regex", Shape::Value)])),
    ("paths", Shape::List(&[("path", Shape::Value), ("action", Shape::Value)])),
    ("style", Shape::Value),
    ("hide_inputs", Shape::Value),
    ("hide_outputs", Shape::Value),
];

const RULES: &[(&str, Shape)] = &[
    ("name", Shape::Value),
    ("filter", Shape::Value),
    ("action", Shape::Value),
    ("applies_to", Shape::Value),
];

/// `[ingest]`: what happens to runs on their way in, in all projects.
pub(super) const INGEST: &[(&str, Shape)] =
    &[("sample_rate", Shape::Value), ("redact", Shape::Table(REDACT)), ("rules", Shape::List(RULES))];

/// `[projects.NAME]`: the same for one project, and its retention.
pub(super) const PROJECT: &[(&str, Shape)] = &[
    ("sample_rate", Shape::Value),
    ("redact", Shape::Table(REDACT)),
    ("rules", Shape::List(RULES)),
    ("retention", Shape::Value),
];

/// The name nearest to a wrong one, if one is near.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|name| (strsim::levenshtein(wrong, name), name));
    let (changes, name) = scored.min_by_key(|(changes, _)| *changes)?;
    (changes <= 1 + wrong.chars().count() / 3).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_find_what_was_meant() {
        let names = || KEYS.iter().map(|key| key.name);
        assert_eq!(nearest("listn", names()), Some("listen"));
        assert_eq!(nearest("limits.maxbody", names()), Some("limits.max_body"));
        assert_eq!(nearest("publicurl", names()), Some("public_url"));
        assert_eq!(nearest("zzz", names()), None);
    }
}
