//! Token counts in telemetry's many spellings, one attribute for each count.
//! (Whole usage objects are read by [`crate::usage`].)
//!
//! Every dialect hands its counts to a [`Counts`]; names of token classes are
//! put into ours (`cache_read`, `cache_creation`, `reasoning`, `audio`, …) and
//! unknown classes keep the name they came with. Zero details are left out.

use assay_domain::{Cost, Usage};
use rust_decimal::Decimal;
use serde_json::Value;

use super::span::count;

/// Counts as they are found; turned into a [`Usage`] if there is any.
#[derive(Default)]
pub(super) struct Counts {
    pub input: Option<u64>,
    pub output: Option<u64>,
    pub total: Option<u64>,
    /// Details and cost so far.
    pub usage: Usage,
}

impl Counts {
    /// A class of input tokens, such as `cache_read`.
    pub(super) fn input_detail(&mut self, class: &str, tokens: Option<u64>) {
        if let Some(tokens) = tokens.filter(|&tokens| tokens > 0) {
            self.usage.input_details.insert(class.to_owned(), tokens);
        }
    }

    pub(super) fn output_detail(&mut self, class: &str, tokens: Option<u64>) {
        if let Some(tokens) = tokens.filter(|&tokens| tokens > 0) {
            self.usage.output_details.insert(class.to_owned(), tokens);
        }
    }

    /// A class in a client's own words, of which only the name says where it belongs.
    pub(super) fn detail(&mut self, name: &str, tokens: Option<u64>) {
        let (is_output, class) = class_of(name);
        if is_output { self.output_detail(class, tokens) } else { self.input_detail(class, tokens) }
    }

    /// Classes below one side: `{"cache_read": 5}`.
    pub(super) fn details(&mut self, is_output: bool, map: &Value) {
        for (name, value) in map.as_object().into_iter().flatten() {
            let (_, class) = class_of(name);
            let tokens = count(value);
            if is_output { self.output_detail(class, tokens) } else { self.input_detail(class, tokens) }
        }
    }

    /// US dollars the client stated. The total is their sum where it is absent.
    pub(super) fn cost(&mut self, input: Option<&Value>, output: Option<&Value>, total: Option<&Value>) {
        let [input, output, total] = [input, output, total].map(|value| value.and_then(decimal));
        if input.is_none() && output.is_none() && total.is_none() {
            return;
        }
        let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
        let total = total.unwrap_or_else(|| input.saturating_add(output));
        self.usage.stated_cost = Some(Cost { input, output, total, ..Cost::default() });
    }

    pub(super) fn finish(self) -> Option<Usage> {
        let Self { input, output, total, mut usage } = self;
        if input.is_none() && output.is_none() && total.is_none() && usage == Usage::default() {
            return None;
        }
        usage.input_tokens = input.unwrap_or(0);
        usage.output_tokens = output.unwrap_or(0);
        usage.total_tokens = total.unwrap_or_else(|| usage.input_tokens.saturating_add(usage.output_tokens));
        Some(usage)
    }
}

/// Whether it is a class of output tokens, and our name for it.
fn class_of(name: &str) -> (bool, &str) {
    let class = name.strip_suffix("_tokens").unwrap_or(name);
    match class {
        "cache_read" | "cached" | "cache_read_input" | "input_cached" | "input_cache_read"
        | "cached_content" => (false, "cache_read"),
        "cache_creation"
        | "cache_write"
        | "cache_creation_input"
        | "input_cache_creation"
        | "cache_input"
        | "cache_write_input" => (false, "cache_creation"),
        "input_audio" | "audio_prompt" | "prompt_audio" | "audio_input" => (false, "audio"),
        "text_prompt" | "prompt_text" | "input_text" => (false, "text"),
        "image_prompt" | "prompt_image" | "input_image" => (false, "image"),
        "reasoning" | "thoughts" | "output_reasoning" | "completion_reasoning" => (true, "reasoning"),
        "output_audio" | "audio_candidates" | "completion_audio" | "audio_output" => (true, "audio"),
        "text_candidates" | "output_text" => (true, "text"),
        other => {
            let is_output = ["output", "completion", "candidates", "prediction"]
                .into_iter()
                .any(|mark| other.contains(mark));
            (is_output, other)
        }
    }
}

/// A number exactly as it was written, in plain or scientific notation.
fn decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    text.parse().ok().or_else(|| Decimal::from_scientific(&text).ok())
}
