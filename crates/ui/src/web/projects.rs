//! The list of projects, and how to send the first trace.

use askama::Template;

use super::Shell;
use super::parts::{Head, Moment, Pager, Spark};

#[derive(Template)]
#[template(path = "web/projects.html")]
pub struct ProjectsPage {
    pub shell: Shell,
    /// Spans of time to count over.
    pub windows: Vec<Choice>,
    /// What the names were searched for.
    pub query: String,
    pub heads: Vec<Head>,
    pub rows: Vec<ProjectRow>,
    pub pager: Pager,
    /// There while no project has any trace.
    pub onboarding: Option<Onboarding>,
    /// Whether the visitor may make and delete projects.
    pub may_change: bool,
    /// Whether activity is still to be asked for.
    pub is_pulse_missing: bool,
    /// Hidden fields that keep the window and order when names are searched.
    pub kept: Vec<(String, String)>,
}

/// One of several views of the same page.
pub struct Choice {
    pub name: String,
    pub href: String,
    pub is_current: bool,
}

pub struct ProjectRow {
    pub id: String,
    pub name: String,
    pub href: String,
    pub description: String,
    pub traces: String,
    pub threads: String,
    pub reports: String,
    pub error_rate: String,
    /// `bad`, `warn` or empty.
    pub error_class: &'static str,
    pub p50: String,
    pub p99: String,
    pub tokens: String,
    pub cost: String,
    pub activity: Spark,
    pub last: Moment,
}

/// How to send the first trace.
pub struct Onboarding {
    /// Said where the page is about one project.
    pub project: String,
    pub snippets: Vec<Snippet>,
    /// Whether a key has to be put in.
    pub needs_key: bool,
}

pub struct Snippet {
    pub id: &'static str,
    pub name: &'static str,
    pub note: &'static str,
    pub code: String,
}

/// Every byte but letters, digits and `-._~` as `%XX`.
fn url_encoded(words: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let coded = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    words.bytes().map(coded).collect()
}

impl Onboarding {
    /// For a server at `address` with its store in `data`, into a project.
    #[must_use]
    pub fn new(address: &str, project: &str, data: &str, needs_key: bool) -> Self {
        let key = if needs_key { "asy_sk_…" } else { "any" };
        let environment = |project: &str| {
            format!(
                "export LANGSMITH_TRACING=true\nexport LANGSMITH_ENDPOINT={address}/api/v1\n\
                 export LANGSMITH_API_KEY={key}\nexport LANGSMITH_PROJECT={project}\n"
            )
        };
        let project = crate::text::line(project);
        let quote = |words: &str| format!("'{}'", words.replace('\'', "'\\''"));
        let (quoted, data) = (quote(&project), quote(&crate::text::line(data)));
        let header = if needs_key { ",x-api-key=asy_sk_…" } else { "" };
        let snippets = vec![
            Snippet {
                id: "python",
                name: "Python",
                note: "LangChain and LangGraph need only the variables; any other code the decorator.",
                code: format!(
                    "pip install langsmith\n{}\npython - <<'END'\nfrom langsmith import traceable\n\n\
                     @traceable\ndef agent(question: str) -> str:\n    return \"It was 42.\"\n\n\
                     agent(\"What was the answer?\")\nEND",
                    environment(&quoted)
                ),
            },
            Snippet {
                id: "javascript",
                name: "JavaScript",
                note: "The same variables; wrap what is to be traced.",
                code: format!(
                    "npm install langsmith\n{}\nnode --input-type=module -e '\n\
                     import {{ traceable }} from \"langsmith/traceable\";\n\
                     const agent = traceable(async (question) => \"It was 42.\", {{ name: \"agent\" }});\n\
                     await agent(\"What was the answer?\");'",
                    environment(&quoted)
                ),
            },
            Snippet {
                id: "otel",
                name: "OpenTelemetry",
                note: "Any exporter for OTLP over HTTP; GenAI, OpenInference, OpenLLMetry and Vercel AI SDK spans are understood.",
                code: format!(
                    "pip install opentelemetry-distro opentelemetry-exporter-otlp-proto-http\n\
                     export OTEL_EXPORTER_OTLP_ENDPOINT={address}/otel\n\
                     export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n\
                     export OTEL_EXPORTER_OTLP_HEADERS='Langsmith-Project={}{header}'\n\
                     opentelemetry-instrument --metrics_exporter none --logs_exporter none python - <<'END'\n\
                     from opentelemetry import trace\n\n\
                     with trace.get_tracer(\"agent\").start_as_current_span(\"agent\") as span:\n    \
                     span.set_attribute(\"input.value\", \"What was the answer?\")\n    \
                     span.set_attribute(\"output.value\", \"It was 42.\")\nEND",
                    // As the specification of the variable wants it (W3C Baggage).
                    url_encoded(&project)
                ),
            },
            Snippet {
                id: "files",
                name: "Files",
                note: "Exports of LangSmith, Langfuse and Phoenix, OTLP files and chat logs, also compressed; while the server runs.",
                code: format!("assay import --data {data} --project {quoted} traces.jsonl.gz"),
            },
            Snippet {
                id: "demo",
                name: "Try it",
                note: "Six hundred made-up conversations of a shop's agent, with failures planted in them.",
                code: format!(
                    "assay demo --out demo\nassay import --data {data} --project {quoted} demo/traces.jsonl demo/feedback.jsonl"
                ),
            },
        ];
        Self { project, snippets, needs_key }
    }
}
