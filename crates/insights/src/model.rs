//! What a language model adds to the analysis, and how it is kept honest.
//!
//! [`Analyst`] is who may be asked; [`Work`] asks: it takes out what must not
//! leave, stops when somebody says so or the money ends, and keeps the books.
//! The stages are [`read`] (what happened in a thread), [`merge`] (categories
//! that are one), [`categories`] (names and order of categories), [`place`]
//! (threads that lie between two) and [`claims`] (the executive summary).
//! [`causes`] puts together what it says went wrong, and [`spread`] carries
//! categories to threads it did not read. Whatever a model says is checked
//! before it is used: quotes against the thread, choices against the options,
//! numbers not at all, since it may not write any.

pub mod categories;
pub mod causes;
pub mod claims;
pub(crate) mod contrast;
mod echo;
pub mod memory;
pub mod merge;
pub mod place;
pub mod read;
pub mod render;
pub mod spread;
pub mod template;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use assay_domain::report::{ModelWork, Skipped, StageWork, Tier};
use assay_domain::{PriceTable, ReportConfig};
use assay_llm::{Answer, Chat, Message, Request, Schema};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::Error;
use crate::context::{Progress, Silent};
use crate::estimate::lengths::Lengths;
use crate::grouping::ReadThread;

/// How often somebody looks whether the analysis is to stop while a model thinks.
const GLANCE: Duration = Duration::from_millis(100);

/// The stages that ask a model, in the order of the pipeline.
pub(crate) const STAGES: [&str; 6] =
    [read::STAGE, merge::STAGE, categories::NAME, categories::ARRANGE, place::STAGE, claims::STAGE];

/// Who may be asked, and within which bounds.
pub struct Analyst<'a> {
    /// Merges, names and arranges categories, writes the executive summary.
    pub thinking: &'a dyn Chat,
    /// Reads threads and places unclear ones.
    pub summary: &'a dyn Chat,
    /// Calls in flight at once.
    pub concurrency: usize,
    /// Tokens of a thread that a model is shown at most.
    pub thread_tokens: usize,
    /// What the calls cost.
    pub prices: &'a PriceTable,
    /// Takes out of every text what must not leave; nothing is taken out without it.
    pub redact: Option<&'a (dyn Fn(&str) -> String + Sync)>,
}

/// Which of the two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Thinking,
    Summary,
}

/// One question of a stage.
pub(crate) struct Question {
    pub(crate) stage: &'static str,
    pub(crate) role: Role,
    pub(crate) system: String,
    pub(crate) text: String,
    pub(crate) schema: Schema,
    pub(crate) max_tokens: u32,
}

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Asked {
    Answer(Value),
    /// This one cannot be answered; the others may.
    Skipped(String),
    /// Nothing more may be asked: the budget is used up.
    Over,
}

/// The answer about a thread, in the form asked for; `None` where the model itself is to be asked.
pub(crate) type Sketch<'a> = &'a (dyn Fn(&ReadThread, &Schema) -> Option<Value> + Sync);

/// Asks models on behalf of one report.
pub struct Work<'a> {
    analyst: Option<&'a Analyst<'a>>,
    config: &'a ReportConfig,
    cancel: &'a AtomicBool,
    progress: &'a dyn Progress,
    /// Who says at a rehearsal what a model would tell of a thread, without its prompt being written.
    sketch: Option<Sketch<'a>>,
    /// Which of several draws decides, at a rehearsal over a part of the threads, how it is cut.
    draw: u64,
    /// What progress was told last of what is waited for.
    waits_for: Mutex<Option<String>>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    models: BTreeSet<String>,
    stages: BTreeMap<&'static str, StageWork>,
    costs: BTreeMap<&'static str, Decimal>,
    unpriced: BTreeSet<&'static str>,
    work: ModelWork,
    lengths: Lengths,
}

impl<'a> Work<'a> {
    /// # Errors
    /// [`Error::Invalid`] where the config wants a model and there is none.
    pub(crate) fn begin(
        analyst: Option<&'a Analyst<'a>>,
        config: &'a ReportConfig,
        cancel: &'a AtomicBool,
    ) -> Result<Self, Error> {
        let analyst = match config.tier {
            Tier::Local => None,
            tier if analyst.is_none() || config.models.is_none() => {
                return Err(Error::Invalid(format!(
                    "tier {:?} needs a language model: name one and give its provider's key, or use tier \"local\"",
                    tier.as_str()
                )));
            }
            _ => analyst,
        };
        template::check(config)?;
        let (waits_for, books) = (Mutex::default(), Mutex::default());
        Ok(Self { analyst, config, cancel, progress: &Silent, sketch: None, draw: 0, waits_for, books })
    }

    /// The same, with somebody who answers for some threads in place of the model.
    pub(crate) fn sketched_by(self, sketch: Sketch<'a>) -> Self {
        Self { sketch: Some(sketch), ..self }
    }

    /// The same, cut by another draw than the run's.
    pub(crate) fn cut_by(self, draw: u64) -> Self {
        Self { draw, ..self }
    }

    /// The config as it is grouped by.
    pub(crate) fn grouped(&self) -> ReportConfig {
        ReportConfig { seed: self.config.seed.wrapping_add(self.draw), ..self.config.clone() }
    }

    /// The same, telling somebody how far it is and what is waited for.
    pub(crate) fn watched_by(self, progress: &'a dyn Progress) -> Self {
        Self { progress, ..self }
    }

    /// Whether models read threads.
    pub(crate) fn reads(&self) -> bool {
        self.analyst.is_some() && self.config.tier == Tier::Deep
    }

    /// Whether models name categories.
    pub(crate) fn names(&self) -> bool {
        self.analyst.is_some()
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.analyst.map_or(1, |analyst| analyst.concurrency.max(1))
    }

    pub(crate) fn thread_tokens(&self) -> usize {
        self.analyst.map_or(0, |analyst| analyst.thread_tokens)
    }

    pub(crate) fn config(&self) -> &'a ReportConfig {
        self.config
    }

    /// The text as a model may see it.
    pub(crate) fn redacted(&self, text: &str) -> String {
        match self.analyst.and_then(|analyst| analyst.redact) {
            Some(redact) => redact(text),
            None => text.to_owned(),
        }
    }

    /// A text that was cut somewhere, as a model may see it: no part of a secret
    /// stands before an ellipsis.
    pub(crate) fn shown(&self, text: &str) -> String {
        match self.analyst.and_then(|analyst| analyst.redact) {
            Some(redact) => shown(redact, text),
            None => text.to_owned(),
        }
    }

    /// What the reader wants to know, for prompts; empty where nothing was said.
    pub(crate) fn instructions(&self) -> String {
        let said = self.config.instructions.iter().filter(|(_, answer)| !answer.trim().is_empty());
        said.map(|(question, answer)| format!("{question}\n{}\n\n", answer.trim())).collect()
    }

    /// Asks one question.
    ///
    /// # Errors
    /// [`Error::Cancelled`], and [`Error::Model`] for what no other question would escape.
    pub(crate) async fn ask(&self, question: Question) -> Result<Asked, Error> {
        let (Some(analyst), Some(models)) = (self.analyst, &self.config.models) else {
            return Ok(Asked::Over);
        };
        if self.is_over() {
            return Ok(Asked::Over);
        }
        let (chat, model) = match question.role {
            Role::Thinking => (analyst.thinking, &models.thinking),
            Role::Summary => (analyst.summary, &models.summary),
        };
        let request = Request {
            stage: question.stage.into(),
            model: model.clone(),
            system: self.redacted(&question.system),
            messages: vec![Message::user(self.redacted(&question.text))],
            schema: Some(question.schema),
            max_tokens: question.max_tokens,
            temperature: Some(0.0),
            seed: Some(self.config.seed),
        };
        let answered = tokio::select! {
            answered = chat.answer(&request) => answered,
            () = self.cancelled() => return Err(Error::Cancelled),
        };
        self.tell_what_is_waited_for();
        match answered {
            Ok(answer) => {
                self.books().lengths.note(chat.name(), &request, &answer);
                self.book(question.stage, chat.name(), &answer, analyst.prices);
                Ok(answer.value.map_or_else(|| Asked::Skipped("an empty answer".into()), Asked::Answer))
            }
            Err(over @ assay_llm::Error::OverBudget { .. }) => {
                self.books().work.partial.get_or_insert_with(|| over.to_string());
                Ok(Asked::Over)
            }
            Err(error) if error.is_final() => Err(Error::Model(error)),
            Err(error) => Ok(Asked::Skipped(error.to_string())),
        }
    }

    async fn cancelled(&self) {
        while !self.cancel.load(Ordering::Relaxed) {
            tokio::time::sleep(GLANCE).await;
            self.tell_what_is_waited_for();
        }
    }

    /// Tells progress, where it is news.
    fn tell_what_is_waited_for(&self) {
        let now = self.analyst.and_then(|one| one.thinking.waits_for().or_else(|| one.summary.waits_for()));
        let mut told = self.waits_for.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != now {
            self.progress.waiting(now.as_deref());
            *told = now;
        }
    }

    fn book(&self, stage: &'static str, provider: &str, answer: &Answer, prices: &PriceTable) {
        let cost = prices.cost(Some(provider), Some(&answer.model), None, &answer.usage);
        let cost = cost.or_else(|| prices.cost(None, Some(&answer.model), None, &answer.usage));
        let mut books = self.books();
        books.models.insert(format!("{provider}/{}", answer.model));
        let work = books.stages.entry(stage).or_default();
        work.calls += 1;
        work.input_tokens += answer.usage.input_tokens;
        work.output_tokens += answer.usage.output_tokens;
        // Decimals add up exactly, so the order of the answers does not show.
        match cost {
            Some(cost) => *books.costs.entry(stage).or_default() += cost.total,
            None => {
                books.unpriced.insert(stage);
            }
        }
    }

    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.books().work.partial.is_some()
    }

    /// Notes something about the work.
    pub(crate) fn note(&self, note: impl FnOnce(&mut ModelWork)) {
        note(&mut self.books().work);
    }

    pub(crate) fn unread(&self, skipped: Vec<Skipped>) {
        self.note(|work| work.unread.extend(skipped));
    }

    /// What the answers taught about their lengths; only once.
    pub(crate) fn lengths(&self) -> Lengths {
        std::mem::take(&mut self.books().lengths)
    }

    /// The books, closed; `None` where no model was to be asked.
    pub(crate) fn finish(self) -> Option<ModelWork> {
        self.analyst?;
        let books = self.books.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut work = books.work;
        work.models = books.models.into_iter().collect();
        for stage in STAGES {
            let Some(mut one) = books.stages.get(stage).cloned() else { continue };
            one.stage = stage.to_owned();
            let cost = books.costs.get(stage).filter(|_| !books.unpriced.contains(stage));
            one.cost = cost.and_then(|cost| cost.to_f64());
            work.stages.push(one);
        }
        work.unread.sort_by(|a, b| a.thread.cmp(&b.thread));
        Some(work)
    }
}

/// An object schema in which every property is required and no other allowed.
pub(crate) fn object(properties: Vec<(&str, Value)>) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let properties: serde_json::Map<String, Value> =
        properties.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    serde_json::json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    })
}

/// A described string property.
pub(crate) fn string(description: &str) -> Value {
    serde_json::json!({"type": "string", "description": description})
}

/// A text that may have been cut somewhere, cleaned: no part of a secret stands before an
/// ellipsis. Whoever cuts it further cuts what this returns.
pub fn shown(redact: &dyn Fn(&str) -> String, text: &str) -> String {
    redact(&without_torn(text))
}

/// Words longer than this are no words of prose.
const LONG_WORD: usize = 20;

/// Without what stands torn before an ellipsis: long words and words with digits or signs of addresses.
fn without_torn(text: &str) -> String {
    let is_risky = |word: &str| {
        word.chars().count() > LONG_WORD || word.contains(|c: char| c.is_ascii_digit() || c == '@')
    };
    let mut parts: Vec<&str> = text.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    for part in parts {
        let mut kept = part.trim_end();
        while let Some(word) = kept.rsplit(char::is_whitespace).next().filter(|word| is_risky(word)) {
            kept = kept[..kept.len() - word.len()].trim_end();
        }
        out.push_str(kept);
        out.push('…');
    }
    out.push_str(last);
    out
}

/// One line, without control characters, at most so many characters.
pub(crate) fn tidy(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    crate::name::clip(&plain, most)
}

/// A place in an order drawn by lot: it depends on these words alone.
pub(crate) fn lot(words: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update(word.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().into()
}
