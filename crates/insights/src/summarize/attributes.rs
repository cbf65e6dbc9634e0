//! Answers to typed questions that structure gives away: how long, with which
//! tools, in which language, how often the same call.
//!
//! What does not apply to a thread is left out, not zero. Metadata of the root
//! runs joins as `metadata.<key>`; what turns out to differ from thread to
//! thread is dropped when numbers are made of it.

use std::collections::{BTreeMap, BTreeSet};

use assay_domain::report::AttributeValue;
use assay_domain::{Role, Run, RunKind, Thread, Transcript};
use serde_json::Value;

use super::digest::is_observation;
use super::language;
use crate::failures::Reading;
use crate::failures::behavior::hand_off_target;
use crate::failures::core::start;
use crate::summary::{Failure, FailureKind};

/// Longest metadata text that can be a label, in characters.
const LABEL: usize = 60;
/// Most labels of one attribute.
const LABELS: usize = 50;

type Attributes = BTreeMap<String, AttributeValue>;

/// The built-in attributes of a thread.
pub(crate) fn of(thread: &Thread, transcript: &Transcript, reading: &Reading) -> Attributes {
    let mut attributes = Attributes::new();
    conversation(thread, transcript, &mut attributes);
    tools(thread, reading, &mut attributes);
    agents(transcript, reading, &mut attributes);
    endings(transcript, reading, &mut attributes);
    languages(transcript, &reading.failures, &mut attributes);
    models(thread, &mut attributes);
    metadata(thread, &mut attributes);
    attributes
}

fn conversation(thread: &Thread, transcript: &Transcript, out: &mut Attributes) {
    let turns = transcript.by(Role::User).filter(|message| !is_observation(&message.text())).count();
    number(out, "turns", turns);
    let model_runs = thread.runs().filter(|run| run.kind == RunKind::Llm).count();
    let answers = transcript.by(Role::Assistant).count();
    number(out, "model_calls", if model_runs > 0 { model_runs } else { answers });
}

fn tools(thread: &Thread, reading: &Reading, out: &mut Attributes) {
    let used: BTreeSet<&str> = reading.steps.iter().map(|step| step.tool).collect();
    out.insert("tool_calls".into(), AttributeValue::Number(as_number(reading.steps.len())));
    if used.is_empty() {
        return;
    }
    labels(out, "tools", used);
    let errors: Vec<&Failure> = of_kind(&reading.failures, FailureKind::ToolError).collect();
    let count: usize = errors.iter().map(|failure| failure.count).sum();
    out.insert("tool_errors".into(), AttributeValue::Number(as_number(count)));
    labels(out, "failed_tools", errors.iter().filter_map(|failure| failure.tool.as_deref()).collect());
    number(out, "repeated_calls", reading.repeated_calls);
    out.insert("retries".into(), AttributeValue::Number(as_number(reading.retries)));
    if let Some(tool) = last_tool_before_error(thread, reading) {
        text(out, "last_tool_before_error", tool);
    }
}

/// The tool that was called last before the thread failed for good.
fn last_tool_before_error<'a>(thread: &'a Thread, reading: &'a Reading) -> Option<&'a str> {
    let failed = thread.traces.iter().rfind(|trace| trace.root().is_some_and(|root| root.error.is_some()));
    let in_runs = failed.and_then(|trace| trace.runs.iter().rfind(|run| run.kind == RunKind::Tool));
    let ended_badly = failed.is_some()
        || reading.failures.iter().any(|failure| {
            let ends = matches!(
                failure.kind,
                FailureKind::RunError | FailureKind::ModelError | FailureKind::LimitReached
            );
            ends && !failure.recovered
        });
    if let Some(run) = in_runs {
        return Some(&run.name);
    }
    if ended_badly {
        return reading.steps.last().map(|step| step.tool);
    }
    let worst = of_kind(&reading.failures, FailureKind::ToolError).find(|failure| !failure.recovered)?;
    worst.tool.as_deref()
}

fn agents(transcript: &Transcript, reading: &Reading, out: &mut Attributes) {
    let speakers: Vec<&str> = transcript
        .by(Role::Assistant)
        .filter_map(|message| message.name.as_deref())
        .filter(|name| !name.trim().is_empty())
        .collect();
    let mut named: BTreeSet<&str> = speakers.iter().copied().collect();
    named.extend(reading.steps.iter().filter_map(|step| step.agent));
    let changes = speakers.windows(2).filter(|pair| pair[0] != pair[1]).count();
    let calls = transcript.by(Role::Assistant).flat_map(|message| &message.tool_calls);
    let transfers = calls.filter(|call| hand_off_target(&call.name, &call.arguments).is_some()).count();
    if named.len() > 1 || transfers > 0 {
        out.insert("hand_offs".into(), AttributeValue::Number(as_number(changes.max(transfers))));
    }
    labels(out, "agents", named);
}

fn endings(transcript: &Transcript, reading: &Reading, out: &mut Attributes) {
    if transcript.by(Role::Assistant).next().is_none() && reading.failures.is_empty() {
        return;
    }
    let shows = |kind| of_kind(&reading.failures, kind).next().is_some();
    out.insert("loop".into(), AttributeValue::Boolean(shows(FailureKind::Loop)));
    out.insert("refusal".into(), AttributeValue::Boolean(shows(FailureKind::Refusal)));
    out.insert("unanswered".into(), AttributeValue::Boolean(shows(FailureKind::Unanswered)));
    // Loops and retries are what came of errors, not further ones.
    let is_error =
        |kind| matches!(kind, FailureKind::RunError | FailureKind::ModelError | FailureKind::ToolError);
    let recovered = reading.failures.iter().filter(|failure| failure.recovered && is_error(failure.kind));
    number(out, "errors_recovered", recovered.map(|failure| failure.count).sum());
}

fn languages(transcript: &Transcript, failures: &[Failure], out: &mut Attributes) {
    let mut asked = String::new();
    for message in transcript.by(Role::User).take(20) {
        asked.push_str(start(&message.text(), 1_500));
        asked.push('\n');
    }
    if asked.trim().is_empty() {
        return;
    }
    let language = language::detect(&asked);
    text(out, "language", language.unwrap_or("unknown"));
    if language.is_some() && transcript.by(Role::Assistant).next().is_some() {
        let other = of_kind(failures, FailureKind::WrongLanguage).next().is_some();
        out.insert("answered_in_other_language".into(), AttributeValue::Boolean(other));
    }
}

fn models(thread: &Thread, out: &mut Attributes) {
    labels(out, "models", thread.runs().filter_map(Run::model).collect());
    labels(out, "providers", thread.runs().filter_map(Run::provider).collect());
    let versions: BTreeSet<&str> =
        thread.runs().filter_map(Run::prompt_version).filter(|version| is_label(version)).collect();
    match versions.len() {
        0 => {}
        1 => versions.iter().for_each(|version| text(out, "prompt_version", version)),
        _ => labels(out, "prompt_version", versions),
    }
    let roots = thread.traces.iter().filter_map(|trace| trace.root());
    labels(
        out,
        "tags",
        roots.flat_map(|root| &root.tags).map(String::as_str).filter(|tag| is_label(tag)).collect(),
    );
}

/// Metadata of the root runs, later traces over earlier ones.
fn metadata(thread: &Thread, out: &mut Attributes) {
    for root in thread.traces.iter().filter_map(|trace| trace.root()) {
        for (key, value) in root.metadata.iter().filter(|(key, _)| is_telling(key)) {
            let value = match value {
                Value::Bool(value) => AttributeValue::Boolean(*value),
                Value::Number(value) => match value.as_f64().filter(|value| value.is_finite()) {
                    Some(value) => AttributeValue::Number(value),
                    None => continue,
                },
                Value::String(value) if is_label(value) => AttributeValue::Text(value.trim().to_owned()),
                _ => continue,
            };
            out.insert(format!("metadata.{key}"), value);
        }
    }
}

/// Whether a metadata key may say something about a thread: no ids, times or environment.
fn is_telling(key: &str) -> bool {
    const ENVIRONMENT: [&str; 24] = [
        "sdk",
        "sdk_version",
        "library",
        "library_version",
        "platform",
        "runtime",
        "runtime_version",
        "py_implementation",
        "langchain_version",
        "langchain_core_version",
        "dotted_order",
        "token_counts_estimated",
        "inputs_truncated",
        "thread_ts",
        "checkpoint_ns",
        "hostname",
        "pid",
        "host",
        "timestamp",
        "usage_metadata",
        "prompt_commit",
        "prompt_version",
        "prompt_tag",
        "lc_hub_commit_hash",
    ];
    const FOREIGN: [&str; 8] =
        ["ls_", "langsmith", "otel", "langgraph_", "telemetry.", "process.", "host.", "service.instance"];
    let lower = key.to_lowercase();
    let is_id = lower == "id" || lower == "uuid" || key.ends_with("Id") || key.ends_with("ID");
    let ends =
        ["_id", "_ids", "_uuid", ".id", "-id", "_at", "_time", "_hash", "_sha", "_key", "_token", "_url"];
    !(is_id
        || key.len() > 80
        || ends.iter().any(|end| lower.ends_with(end))
        || ENVIRONMENT.contains(&lower.as_str())
        || FOREIGN.iter().any(|prefix| lower.starts_with(prefix))
        || lower == "revision_id")
}

/// Whether a text can be a label: short, on one line, and no identifier.
fn is_label(value: &str) -> bool {
    let value = value.trim();
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let is_id = value.len() >= 32 && !value.contains(' ') && digits >= 8;
    !value.is_empty() && value.chars().count() <= LABEL && !value.contains(char::is_control) && !is_id
}

fn of_kind(failures: &[Failure], kind: FailureKind) -> impl Iterator<Item = &Failure> {
    failures.iter().filter(move |failure| failure.kind == kind)
}

/// A count that applies; zero is left out.
fn number(out: &mut Attributes, name: &str, value: usize) {
    if value > 0 {
        out.insert(name.into(), AttributeValue::Number(as_number(value)));
    }
}

fn text(out: &mut Attributes, name: &str, value: &str) {
    out.insert(name.into(), AttributeValue::Text(value.to_owned()));
}

fn labels(out: &mut Attributes, name: &str, values: BTreeSet<&str>) {
    if !values.is_empty() {
        let values = values.into_iter().take(LABELS).map(str::to_owned).collect();
        out.insert(name.into(), AttributeValue::Labels(values));
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn as_number(value: usize) -> f64 {
    value as f64
}
