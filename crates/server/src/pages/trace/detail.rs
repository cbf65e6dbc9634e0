//! One run of a trace: what it took, what went in and came out, what was said of it.

use assay_domain::{Feedback, RunId};
use assay_store::CORRUPT_KEY;
use assay_ui::web::json::{self, Address, Raw};
use assay_ui::web::listing::kind_icon;
use assay_ui::web::talk::{Places, Talk};
use assay_ui::web::trace::{Attachment, Body, Detail, Given, Hit, state_badge};
use assay_ui::{format, text};
use serde_json::Value;

use super::super::listing::{self, dollars, tokens};
use super::media;
use super::pieces::{payload, place, weight_to_read, wrapped};
use super::search::hits;
use super::view::View;

/// Larger payloads are not laid out as a conversation.
const TALKED: usize = 2 << 20;

impl View {
    pub(super) fn detail(&self) -> Detail {
        let run = &self.stored.run;
        let error = run.error.as_deref().unwrap_or_default();
        let shown = text::cut(&text::visible(error), 6_000).into_owned();
        let shown_size = shown.chars().count();
        let words = self.state.get("q").unwrap_or_default();
        let hit = |(place, words)| Hit { place, words };
        let is_public = self.subject.project.is_none();
        Detail {
            id: run.id.to_string(),
            trace: run.trace.to_string(),
            project: if is_public { String::new() } else { run.project.to_string() },
            name: text::cut(&text::name(&run.name), 160).into_owned(),
            kind: run.kind.as_str(),
            icon: kind_icon(run.kind.as_str()),
            state: state_badge(run.status().as_str()),
            facts: self.run_facts(),
            start: run.start_time.into(),
            error_more: error.chars().count().saturating_sub(shown_size),
            error: shown,
            tags: run.tags.iter().take(40).map(|tag| text::line(tag)).collect(),
            views: self.views(),
            body: self.body(),
            attachments: run.attachments.iter().take(100).map(|one| self.attachment(one)).collect(),
            metadata: run.metadata.iter().take(200).map(metadata).collect(),
            feedback: self.feedback.iter().map(given).collect(),
            known_keys: self.known_keys.clone(),
            hits: hits(run, words).into_iter().map(hit).collect(),
            download: if is_public { String::new() } else { format!("/api/v1/runs/{}", run.id) },
            can_change: self.subject.can_change,
            damage: run.extra.get(CORRUPT_KEY).and_then(Value::as_str).map(text::line).unwrap_or_default(),
        }
    }

    fn run_facts(&self) -> Vec<(String, String)> {
        let run = &self.stored.run;
        let mut facts: Vec<(String, String)> = Vec::new();
        let mut add =
            |name: &str, value: Option<String>| facts.extend(value.map(|value| (name.to_owned(), value)));
        let model =
            self.subject.rows.iter().find(|row| row.id == run.id).and_then(|row| row.model.as_deref());
        add("model", model.map(|model| text::cut(&text::line(model), 60).into_owned()));
        add("took", run.latency().map(format::seconds));
        let wait = run
            .first_token_time
            .zip(run.start_time)
            .and_then(|(first, start)| (first - start).num_microseconds());
        add("first token", wait.map(|micros| format::seconds(micros as f64 / 1e6)));
        if let Some(usage) = &run.usage {
            add("in", tokens(usage.input_tokens));
            add("out", tokens(usage.output_tokens));
            let cached = usage.input_details.iter().filter(|(name, _)| name.contains("cache_read"));
            add("from cache", tokens(cached.map(|(_, count)| *count).sum()));
            let thought = usage.output_details.iter().filter(|(name, _)| name.contains("reasoning"));
            add("reasoning", tokens(thought.map(|(_, count)| *count).sum()));
        }
        add("cost", run.cost.as_ref().and_then(|cost| dollars(Some(cost.total))));
        facts
    }

    fn view(&self) -> &str {
        match self.state.get("view") {
            Some(view @ ("json" | "raw")) => view,
            _ => "talk",
        }
    }

    fn views(&self) -> Vec<(&'static str, String, bool)> {
        let here = self.view();
        [("Conversation", "talk"), ("JSON", "json"), ("Raw", "raw")]
            .map(|(words, view)| {
                let value = if view == "talk" { "" } else { view };
                (words, self.state.with(&[("view", value)]).href(), here == view)
            })
            .into()
    }

    fn body(&self) -> Body {
        let run = &self.stored.run;
        let state = self.state.with(&[("run", &run.id.to_string())]);
        let href = |part: &'static str| {
            let state = state.clone();
            move |at: &str, offset: usize| place(&state, part, at, offset)
        };
        match self.view() {
            "json" => {
                let whole = payload(run.clone());
                let tree = |(name, value): (&String, &Value)| {
                    let words = match name.as_str() {
                        "inputs" => "Input",
                        "outputs" => "Output",
                        "events" => "Events",
                        "extra" => "Extra",
                        _ => "Serialized",
                    };
                    (words, wrapped(value, name, &Address { href: &href("json") }))
                };
                let fields = whole.as_object();
                Body::Json(fields.into_iter().flatten().map(tree).collect())
            }
            "raw" => {
                let piece = |name: &str, value: &Value| {
                    let at = format!("/{name}");
                    Raw::piece(&json::pretty(value), 0, |next| href("raw")(&at, next))
                };
                Body::Raw(vec![
                    ("Input", piece("inputs", &run.inputs)),
                    ("Output", piece("outputs", &run.outputs)),
                ])
            }
            _ => self.talk(),
        }
    }

    fn talk(&self) -> Body {
        let run = &self.stored.run;
        let size = weight_to_read(&run.inputs, TALKED).saturating_add(weight_to_read(&run.outputs, TALKED));
        if size > TALKED {
            return Body::Large(format!("more than {} MB", TALKED >> 20));
        }
        let medium = |reference: &str, mime_type: Option<&str>| media(&self.links, reference, mime_type);
        let nowhere = |_: RunId| String::new();
        // Whoever was given the address of a shared trace may see no other.
        let is_public = self.subject.project.is_none();
        let picture =
            |_: Option<RunId>, number| (!is_public).then(|| super::super::picture::href(run.id, number));
        let places = Places { medium: &medium, picture: &picture, run: &nowhere };
        let talk = |messages: &[assay_domain::Message], nothing: &str| Talk {
            nothing: nothing.to_owned(),
            ..Talk::new(messages, &places)
        };
        let input = assay_transcript::messages(&run.inputs);
        let output = assay_transcript::messages_by(&run.outputs, assay_domain::Role::Assistant);
        Body::Talk {
            input: talk(&input, "No input was recorded."),
            output: talk(&output, "No output was recorded."),
            is_split: true,
        }
    }

    fn attachment(&self, one: &assay_domain::run::Attachment) -> Attachment {
        // Only what we keep ourselves: elsewhere a page asks nobody.
        let href = one.key().and_then(|_| self.links.url("", one)).unwrap_or_default();
        let kind = one.mime_type.as_deref().unwrap_or_default();
        let size = one.size.map(|size| format!("{} bytes", format::compact(size)));
        let note: Vec<String> =
            [Some(text::line(kind)).filter(|kind| !kind.is_empty()), size].into_iter().flatten().collect();
        Attachment {
            name: text::cut(&text::name(&one.name), 120).into_owned(),
            note: note.join(", "),
            href,
            is_image: matches!(kind, "image/png" | "image/jpeg" | "image/gif" | "image/webp"),
        }
    }
}

fn metadata((key, value): (&String, &Value)) -> (String, String) {
    let value = match value {
        Value::String(words) => text::line(words),
        other => text::line(&json::pretty(other)),
    };
    (text::cut(&text::name(key), 80).into_owned(), text::cut(&value, 400).into_owned())
}

fn given(feedback: &Feedback) -> Given {
    let value = match &feedback.value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(words)) => text::line(words),
        Some(other) => text::line(&other.to_string()),
    };
    Given {
        id: listing::feedback_id(feedback.id),
        key: text::name(&feedback.key),
        score: feedback.score.map(format::number).unwrap_or_default(),
        score_value: feedback.score.map(|score| score.to_string()).unwrap_or_default(),
        value: text::cut(&value, 200).into_owned(),
        comment: text::cut(&text::line(feedback.comment.as_deref().unwrap_or_default()), 4_000).into_owned(),
        source: text::line(feedback.source.as_deref().unwrap_or_default()),
        time: feedback.created_at.into(),
    }
}
