//! Reports as files for programs and spreadsheets.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use assay_domain::report::{Assignment, AttributeValue, Evidence, Likeness, Report, Status};
use assay_domain::{RunId, ThreadId, Time, TraceId};
use serde::Serialize;
use serde_json::Value;

use crate::{inert_json, text};

/// `report.json`: the whole report, indented. Invisible characters are written as escapes.
#[must_use]
pub fn json(report: &Report) -> String {
    let mut out = inert_json::pretty(report);
    out.push('\n');
    out
}

/// The JSON Schema (draft 2020-12) of `report.json`.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Report).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "Assay report".into());
    }
    schema
}

/// One row per analysed thread, for spreadsheets: a header, fixed columns, then one column per
/// feedback key (`feedback.KEY`) and attribute (`attribute.NAME`).
///
/// Cells that a spreadsheet would run as a formula begin with an apostrophe.
///
/// # Errors
/// When `out` cannot be written.
pub fn assignments_csv(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let feedback: BTreeSet<&str> = keys(report, |assignment| &assignment.feedback);
    let attributes: BTreeSet<&str> = keys(report, |assignment| &assignment.attributes);
    let mut writer = csv::Writer::from_writer(out);
    let mut header: Vec<String> = FIXED_COLUMNS.iter().map(ToString::to_string).collect();
    header.extend(feedback.iter().map(|key| cell(&format!("feedback.{key}"))));
    header.extend(attributes.iter().map(|name| cell(&format!("attribute.{name}"))));
    writer.write_record(&header)?;
    for assignment in &report.assignments {
        let mut row = fixed_cells(assignment);
        row.extend(feedback.iter().map(|key| optional(assignment.feedback.get(*key))));
        row.extend(attributes.iter().map(|name| {
            assignment.attributes.get(*name).map_or_else(String::new, |value| cell(&shown(value)))
        }));
        writer.write_record(&row)?;
    }
    writer.flush()
}

const FIXED_COLUMNS: [&str; 17] = [
    "id",
    "path",
    "category",
    "confidence",
    "reason",
    "status",
    "failure",
    "request",
    "summary",
    "start_time",
    "latency_seconds",
    "total_tokens",
    "cost_usd",
    "weight",
    "x",
    "y",
    "run",
];

fn fixed_cells(assignment: &Assignment) -> Vec<String> {
    vec![
        cell(&assignment.thread.0),
        cell(&assignment.path.join(" > ")),
        cell(&assignment.category),
        assignment.confidence.to_string(),
        cell(assignment.reason.as_deref().unwrap_or_default()),
        status(assignment.status).to_owned(),
        cell(assignment.failure.as_deref().unwrap_or_default()),
        cell(&assignment.request),
        cell(&assignment.summary),
        assignment.start_time.map_or_else(String::new, |time| time.to_rfc3339()),
        optional(assignment.latency.as_ref()),
        assignment.total_tokens.to_string(),
        optional(assignment.cost.as_ref()),
        assignment.weight.to_string(),
        assignment.position[0].to_string(),
        assignment.position[1].to_string(),
        assignment.run.map_or_else(String::new, |run| run.to_string()),
    ]
}

/// One JSON object per line and analysed thread, in the report's order.
///
/// # Errors
/// When `out` cannot be written.
pub fn assignments_jsonl(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    for assignment in &report.assignments {
        inert_json::write_line(&Line::from(assignment), out)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a ThreadId,
    path: &'a [String],
    category: &'a str,
    confidence: f64,
    reason: Option<&'a str>,
    status: Status,
    failure: Option<&'a str>,
    request: &'a str,
    summary: &'a str,
    attributes: &'a BTreeMap<String, AttributeValue>,
    start_time: Option<Time>,
    latency: Option<f64>,
    total_tokens: u64,
    cost: Option<f64>,
    feedback: &'a BTreeMap<String, f64>,
    weight: f64,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    evidence: &'a [Evidence],
    #[serde(skip_serializing_if = "Option::is_none")]
    likeness: Option<&'a Likeness>,
    position: [f32; 2],
    traces: &'a [TraceId],
    run: Option<RunId>,
}

impl<'a> From<&'a Assignment> for Line<'a> {
    fn from(assignment: &'a Assignment) -> Self {
        // Taken apart in full, so that a new field cannot be forgotten here.
        let Assignment {
            thread,
            category,
            path,
            confidence,
            reason,
            summary,
            request,
            attributes,
            status,
            failure,
            start_time,
            latency,
            total_tokens,
            cost,
            feedback,
            weight,
            evidence,
            likeness,
            position,
            traces,
            run,
        } = assignment;
        Self {
            id: thread,
            path,
            category,
            confidence: *confidence,
            reason: reason.as_deref(),
            status: *status,
            failure: failure.as_deref(),
            request,
            summary,
            attributes,
            start_time: *start_time,
            latency: *latency,
            total_tokens: *total_tokens,
            cost: *cost,
            feedback,
            weight: *weight,
            evidence,
            likeness: likeness.as_ref(),
            position: *position,
            traces,
            run: *run,
        }
    }
}

fn keys<'a, T: 'a>(
    report: &'a Report,
    map: impl Fn(&'a Assignment) -> &'a BTreeMap<String, T>,
) -> BTreeSet<&'a str> {
    report.assignments.iter().flat_map(|assignment| map(assignment).keys().map(String::as_str)).collect()
}

/// Text as a cell: nothing invisible, and nothing that a spreadsheet takes for a formula.
fn cell(value: &str) -> String {
    let value = text::visible(value);
    let acts = value.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%']);
    if acts || value.starts_with(['\t', '\n']) { format!("'{value}") } else { value.into_owned() }
}

fn optional(value: Option<&f64>) -> String {
    value.map_or_else(String::new, ToString::to_string)
}

pub(crate) fn status(status: Status) -> &'static str {
    match status {
        Status::Success => "success",
        Status::Error => "error",
        Status::Pending => "pending",
    }
}

/// An attribute's value as text; labels are joined by commas.
pub(crate) fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Boolean(true) => "yes".into(),
        AttributeValue::Boolean(false) => "no".into(),
        AttributeValue::Number(number) => number.to_string(),
        AttributeValue::Text(text) => text.clone(),
        AttributeValue::Labels(labels) => labels.join(", "),
    }
}
