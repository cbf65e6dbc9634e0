//! Patches of runs and feedback: which of their fields are gone through, and how.
//!
//! Everything that people or programs wrote: name, inputs, outputs, error,
//! events, tags, metadata, extra, the serialized object, names of attachments;
//! comment, value and correction of feedback. Ids, times, usage and the names
//! of projects stay. Thread keys are always hashed, never replaced by the same
//! placeholder: two people must not end up in one thread. What is *in* an
//! attachment is not read; a hidden side of a run takes its attachments along.

use assay_domain::{Feedback, RunPatch};
use serde_json::{Map, Value};

use crate::redactor::{Redactor, Seen};
use crate::rules::{PathAction, Style};

/// Where threads are named in metadata.
const THREAD_KEYS: &[&str] = &["session_id", "thread_id", "conversation_id"];

impl Redactor {
    /// Takes out of a patch what the rules say. The same patch gives the same
    /// result every time, so that repeated sends stay repeated sends.
    pub fn patch(&self, patch: &mut RunPatch, seen: &mut Seen) {
        self.hide(patch);
        for (path, action) in &self.paths {
            self.at_path(path, *action, patch, seen);
        }
        if self.reads_texts() {
            self.texts(patch, seen);
        }
    }

    fn hide(&self, patch: &mut RunPatch) {
        let hidden = || Value::Object(Map::new());
        if self.hides_inputs && patch.inputs.is_some() {
            patch.inputs = Some(hidden());
        }
        if self.hides_outputs && patch.outputs.is_some() {
            patch.outputs = Some(hidden());
        }
        if self.hides_inputs || self.hides_outputs {
            patch.attachments.clear();
            // Tokens and chunks are what the model said.
            for event in patch.events.iter_mut().flatten() {
                if let Value::Object(event) = event {
                    event.retain(|key, _| matches!(key.as_str(), "name" | "time"));
                }
            }
        }
    }

    fn texts(&self, patch: &mut RunPatch, seen: &mut Seen) {
        // Spelled out in full: a new field must not be forgotten here.
        let RunPatch {
            id: _,
            is_creation: _,
            is_whole: _,
            project_name: _,
            trace: _,
            parent: _,
            thread,
            dotted_order: _,
            name,
            kind: _,
            start_time: _,
            end_time: _,
            first_token_time: _,
            inputs,
            outputs,
            error,
            events,
            tags,
            metadata,
            extra,
            serialized,
            reference_example: _,
            attachments,
            usage: _,
        } = patch;
        for text in [name, error].into_iter().flatten().chain(tags.iter_mut().flatten()) {
            self.replace(text, seen);
        }
        for value in [inputs, outputs, serialized].into_iter().flatten().chain(events.iter_mut().flatten()) {
            self.value(value, seen);
        }
        if let Some(thread) = thread {
            self.replace_in(Style::Hashed, &mut thread.0, seen);
        }
        if let Some(metadata) = metadata {
            self.metadata(metadata, seen);
        }
        if let Some(extra) = extra {
            self.map(extra, seen);
        }
        for attachment in attachments {
            self.replace(&mut attachment.name, seen);
        }
    }

    fn metadata(&self, metadata: &mut Map<String, Value>, seen: &mut Seen) {
        // First, so that nothing is left there for the style of the rest.
        for key in THREAD_KEYS {
            if let Some(value) = metadata.get_mut(*key) {
                self.value_in(Style::Hashed, value, seen);
            }
        }
        self.map(metadata, seen);
    }

    /// Goes through what somebody wrote in feedback.
    pub fn feedback(&self, feedback: &mut Feedback, seen: &mut Seen) {
        if !self.reads_texts() {
            return;
        }
        if let Some(comment) = &mut feedback.comment {
            self.replace(comment, seen);
        }
        for value in [&mut feedback.value, &mut feedback.correction].into_iter().flatten() {
            self.value(value, seen);
        }
        self.map(&mut feedback.details, seen);
    }

    fn replace(&self, text: &mut String, seen: &mut Seen) {
        self.replace_in(self.style, text, seen);
    }

    fn replace_in(&self, style: Style, text: &mut String, seen: &mut Seen) {
        if let Some(new) = self.text_in(style, text, seen) {
            *text = new;
        }
    }

    /// Applies a path to the part of the patch it begins with.
    fn at_path(&self, path: &crate::path::Path, action: PathAction, patch: &mut RunPatch, seen: &mut Seen) {
        let mut change = |value: &mut Value| self.change(action, value, seen);
        match path.part.as_str() {
            "inputs" => part(&mut patch.inputs, path, &mut change),
            "outputs" => part(&mut patch.outputs, path, &mut change),
            "serialized" => part(&mut patch.serialized, path, &mut change),
            "metadata" => object(&mut patch.metadata, path, &mut change),
            "extra" => object(&mut patch.extra, path, &mut change),
            "events" => list(&mut patch.events, path, &mut change),
            "error" => text(&mut patch.error, path, &mut change),
            "name" => text(&mut patch.name, path, &mut change),
            _ => {
                let mut values = patch.tags.take().map(|tags| tags.into_iter().map(Value::String).collect());
                list(&mut values, path, &mut change);
                let texts = |value: Value| value.as_str().map(str::to_owned);
                patch.tags = values.map(|values: Vec<Value>| values.into_iter().filter_map(texts).collect());
            }
        }
    }

    /// Whether the value stays.
    fn change(&self, action: PathAction, value: &mut Value, seen: &mut Seen) -> bool {
        let style = match action {
            PathAction::Drop => {
                seen.counts.add("path");
                return false;
            }
            PathAction::Hash => Style::Hashed,
            PathAction::Replace => self.style,
        };
        if !value.is_null() {
            let plain = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            *value = self.replacement(style, "redacted", &plain, seen);
        }
        true
    }
}

type Change<'a> = &'a mut dyn FnMut(&mut Value) -> bool;

fn part(value: &mut Option<Value>, path: &crate::path::Path, mut change: Change<'_>) {
    if let Some(value) = value {
        path.change(value, &mut change);
    }
}

fn object(map: &mut Option<Map<String, Value>>, path: &crate::path::Path, mut change: Change<'_>) {
    let Some(known) = map.take() else { return };
    let mut value = Value::Object(known);
    if path.is_whole() {
        // Every entry by itself: it stays an object.
        if let Value::Object(entries) = &mut value {
            entries.retain(|_, entry| change(entry));
        }
    } else {
        path.change(&mut value, &mut change);
    }
    *map = match value {
        Value::Object(map) => Some(map),
        _ => None,
    };
}

fn list(items: &mut Option<Vec<Value>>, path: &crate::path::Path, mut change: Change<'_>) {
    let Some(known) = items.take() else { return };
    let mut value = Value::Array(known);
    if path.is_whole() {
        if let Value::Array(known) = &mut value {
            known.retain_mut(|item| change(item));
        }
    } else {
        path.change(&mut value, &mut change);
    }
    *items = match value {
        Value::Array(items) => Some(items),
        _ => None,
    };
}

fn text(text: &mut Option<String>, path: &crate::path::Path, mut change: Change<'_>) {
    let Some(known) = text.take() else { return };
    let mut value = Value::String(known);
    path.change(&mut value, &mut change);
    *text = value.as_str().map(str::to_owned);
}
