//! The JSON of a run in v2: selected fields only, enums in capitals, money as numbers.

use std::collections::{BTreeMap, HashSet};

use assay_domain::RunStatus;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::fields::{feedback_stats, number, v2_time};
use crate::runs::shown::{Needs, Shown, object};
use crate::runs::v1::{PREVIEW, preview};

/// Which fields to answer, by the names clients use: `ID`, `START_TIME`, ...
#[derive(Clone, Debug)]
pub(crate) struct Select(HashSet<String>);

impl Select {
    /// Only the id where nothing is selected.
    pub(crate) fn of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let names: HashSet<String> =
            names.into_iter().map(|name| name.as_ref().to_ascii_uppercase()).collect();
        Self(if names.is_empty() { HashSet::from(["ID".to_owned()]) } else { names })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Whether one of these is selected.
    pub(crate) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    #[must_use]
    pub(crate) fn and(mut self, name: &str) -> Self {
        self.0.insert(name.to_owned());
        self
    }

    #[must_use]
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|known| !names.contains(&known.as_str()));
        self
    }

    pub(crate) fn needs(&self) -> Needs {
        Needs { feedback: self.has("FEEDBACK_STATS"), share: self.has("SHARE_URL") }
    }
}

/// The fields of an answer, as far as they are selected.
pub(super) struct Fields<'a> {
    pub(super) out: Map<String, Value>,
    select: &'a Select,
}

impl<'a> Fields<'a> {
    pub(super) fn new(select: &'a Select) -> Self {
        Self { out: Map::new(), select }
    }

    /// Adds a field under its name in small letters, if it is selected.
    pub(super) fn put(&mut self, name: &str, value: impl FnOnce() -> Value) {
        if self.select.has(name) {
            self.out.insert(name.to_ascii_lowercase(), value());
        }
    }
}

/// What an answer shows of a run.
pub(crate) fn json(mut shown: Shown, select: &Select) -> Value {
    let mut fields = Fields::new(select);
    identity(&shown, &mut fields);
    course(&shown, &mut fields);
    amounts(&shown, &mut fields);
    relations(&shown, &mut fields);
    payloads(&mut shown, &mut fields);
    Value::Object(fields.out)
}

fn identity(shown: &Shown, fields: &mut Fields<'_>) {
    let run = &shown.stored.run;
    fields.put("ID", || json!(run.id));
    fields.put("NAME", || json!(run.name));
    fields.put("RUN_TYPE", || json!(run.kind.as_str().to_ascii_uppercase()));
    fields.put("PROJECT_ID", || json!(run.project));
    fields.put("TRACE_ID", || json!(run.trace));
    fields.put("THREAD_ID", || json!(shown.thread()));
    fields.put("DOTTED_ORDER", || json!(shown.place.dotted_order));
    fields.put("IS_ROOT", || json!(run.is_root()));
    fields.put("PARENT_RUN_ID", || json!(run.parent));
    fields.put("PARENT_RUN_IDS", || json!(shown.place.parents));
    fields.put("APP_PATH", || json!(shown.app_path()));
    fields.put("TAGS", || json!(run.tags));
}

fn course(shown: &Shown, fields: &mut Fields<'_>) {
    let run = &shown.stored.run;
    let status = match run.status() {
        RunStatus::Success => "SUCCESS",
        RunStatus::Error => "ERROR",
        RunStatus::Pending => "PENDING",
    };
    fields.put("STATUS", || json!(status));
    fields.put("START_TIME", || json!(run.start_time.map(v2_time)));
    fields.put("END_TIME", || json!(run.end_time.map(v2_time)));
    fields.put("LATENCY_SECONDS", || json!(run.latency()));
    fields.put("FIRST_TOKEN_TIME", || json!(run.first_token_time.map(v2_time)));
    fields.put("ERROR", || json!(run.error));
    fields.put("ERROR_PREVIEW", || json!(error_preview(run.error.as_deref())));
}

/// The beginning of an error.
pub(super) fn error_preview(error: Option<&str>) -> Option<String> {
    error.map(|error| error.chars().take(PREVIEW).collect())
}

fn amounts(shown: &Shown, fields: &mut Fields<'_>) {
    let (tokens, cost) = (shown.usage(), shown.cost());
    fields.put("TOTAL_TOKENS", || json!(tokens.total));
    fields.put("PROMPT_TOKENS", || json!(tokens.input));
    fields.put("COMPLETION_TOKENS", || json!(tokens.output));
    fields.put("TOTAL_COST", || json!(cost.total.map(number)));
    fields.put("PROMPT_COST", || json!(cost.input.map(number)));
    fields.put("COMPLETION_COST", || json!(cost.output.map(number)));
    let run = &shown.stored.run;
    let (usage, cost) = (run.usage.as_ref(), run.cost.as_ref());
    fields.put("PROMPT_TOKEN_DETAILS", || raw_counts(usage.map(|usage| &usage.input_details)));
    fields.put("COMPLETION_TOKEN_DETAILS", || raw_counts(usage.map(|usage| &usage.output_details)));
    fields.put("PROMPT_COST_DETAILS", || raw_amounts(cost.map(|cost| &cost.input_details)));
    fields.put("COMPLETION_COST_DETAILS", || raw_amounts(cost.map(|cost| &cost.output_details)));
}

pub(super) fn raw_counts(details: Option<&BTreeMap<String, u64>>) -> Value {
    json!({ "raw": details.cloned().unwrap_or_default() })
}

pub(super) fn raw_amounts(details: Option<&BTreeMap<String, Decimal>>) -> Value {
    let amounts = details.into_iter().flatten().map(|(class, cost)| (class.clone(), number(*cost)));
    json!({ "raw": amounts.collect::<Map<_, _>>() })
}

fn relations(shown: &Shown, fields: &mut Fields<'_>) {
    let run = &shown.stored.run;
    fields.put("REFERENCE_EXAMPLE_ID", || json!(run.reference_example));
    fields.put("REFERENCE_DATASET_ID", || json!(shown.reference_dataset));
    fields.put("FEEDBACK_STATS", || feedback_stats(&shown.feedback));
    fields.put("SHARE_URL", || json!(shown.share_url()));
    fields.put("ATTACHMENTS", || {
        let all = shown.attachments().into_iter();
        Value::Object(all.map(|(name, url, _)| (name.to_owned(), Value::String(url))).collect())
    });
}

/// Payloads move into the answer: they may be large.
fn payloads(shown: &mut Shown, fields: &mut Fields<'_>) {
    fields.put("EXTRA", || Value::Object(shown.extra()));
    let run = &mut shown.stored.run;
    fields.put("METADATA", || Value::Object(std::mem::take(&mut run.metadata)));
    fields.put("INPUTS_PREVIEW", || preview(&run.inputs));
    fields.put("OUTPUTS_PREVIEW", || preview(&run.outputs));
    fields.put("INPUTS", || object(std::mem::take(&mut run.inputs), "input"));
    fields.put("OUTPUTS", || object(std::mem::take(&mut run.outputs), "output"));
    fields.put("MANIFEST", || object(std::mem::take(&mut run.serialized), "value"));
    fields.put("EVENTS", || {
        let events = std::mem::take(&mut run.events);
        events.into_iter().map(|event| object(event, "value")).collect()
    });
}
