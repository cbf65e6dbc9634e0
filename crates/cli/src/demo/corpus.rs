//! Makes the corpus: runs, feedback and what was planted.
//!
//! [`generate`] makes it whole; [`threads`] makes one conversation after the
//! other and keeps none, for corpora larger than memory.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::details::Details;
use super::dialogue;
use super::failures::Failure;
use super::feedback;
use super::language::Channel;
use super::planted::{Planted, PlantedThread, Topic};
use super::random::Random;
use super::schedule::{self, BLOCK, Calendar, Plan};
use super::traces::{self, Model, Setting};

/// Names the ids of this generator, so that they meet nobody else's.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d0f_3c5e_8a41_5b7e_9d24_17c0_53ab_e8f6);

/// What corpus to make. The same options make the same corpus.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    pub(crate) threads: usize,
    /// The corpus covers the 14 days before.
    pub(crate) end: DateTime<Utc>,
}

impl Default for Options {
    fn default() -> Self {
        // 2026-11-01T00:00:00Z, fixed so that a corpus does not depend on the day it is made.
        let end = DateTime::from_timestamp(1_793_491_200, 0).expect("a time within the calendar");
        Self { seed: 7, threads: 600, end }
    }
}

/// A whole corpus.
#[derive(Clone, Debug)]
pub(crate) struct Corpus {
    /// In the order they began, parents before children.
    pub(crate) runs: Vec<Value>,
    pub(crate) feedback: Vec<Value>,
    pub(crate) planted: Planted,
}

/// One conversation of a corpus.
#[derive(Clone, Debug)]
pub(crate) struct GeneratedThread {
    pub(crate) id: String,
    /// Trace after trace, parents before children.
    pub(crate) runs: Vec<Value>,
    pub(crate) feedback: Vec<Value>,
    pub(crate) planted: PlantedThread,
}

/// Makes the corpus in memory.
#[must_use]
pub(crate) fn generate(options: &Options) -> Corpus {
    let mut corpus = Corpus { runs: Vec::new(), feedback: Vec::new(), planted: Planted::default() };
    corpus.planted.failures = Failure::ALL.iter().map(|failure| failure.planted()).collect();
    for thread in threads(options) {
        corpus.runs.extend(thread.runs);
        corpus.feedback.extend(thread.feedback);
        corpus.planted.threads.insert(thread.id, thread.planted);
    }
    corpus.runs.sort_by(|one, other| one["dotted_order"].as_str().cmp(&other["dotted_order"].as_str()));
    corpus.feedback.sort_by(|one, other| one["created_at"].as_str().cmp(&other["created_at"].as_str()));
    corpus
}

/// Makes one conversation after the other, in no order of time.
pub(crate) fn threads(options: &Options) -> impl Iterator<Item = GeneratedThread> + use<> {
    let Options { seed, threads, end } = *options;
    let calendar = Calendar::until(end);
    (0..threads.div_ceil(BLOCK)).flat_map(move |block| {
        let first = block * BLOCK;
        let count = BLOCK.min(threads - first);
        let plans = schedule::plan(&calendar, count, &mut Random::of(&[seed, 0, block as u64]));
        plans.into_iter().enumerate().map(move |(index, plan)| thread(seed, first + index, &plan))
    })
}

fn thread(seed: u64, index: usize, plan: &Plan) -> GeneratedThread {
    let mut random = Random::of(&[seed, 1, index as u64]);
    let random = &mut random;
    let id = Uuid::new_v5(&NAMESPACE, format!("{seed}/{index}").as_bytes());
    let setting = setting(id, plan, random);
    let details = Details::draw(plan.start_micros, plan.language, random);
    let writer = dialogue::writer(plan.intent, &details, setting.channel);

    let mut dialogue = dialogue::compose(plan.intent, &writer, random);
    for failure in &plan.failures {
        failure.inflict(&mut dialogue, &writer, random);
    }

    let written = traces::write(&dialogue, &setting, random);
    let solved = plan.failures.iter().all(|failure| failure.is_survivable());
    let feedback = feedback::collect(&written, id, solved, random);
    GeneratedThread {
        id: id.to_string(),
        runs: written.runs,
        feedback,
        planted: PlantedThread {
            topic: plan
                .intent
                .map(|intent| Topic { area: intent.area.to_owned(), intent: intent.name.to_owned() }),
            failures: plan.failures.iter().map(|failure| failure.planted().name).collect(),
        },
    }
}

fn setting(thread: Uuid, plan: &Plan, random: &mut Random) -> Setting {
    let model = random.pick(&[
        Model::OpenAi,
        Model::OpenAi,
        Model::OpenAi,
        Model::OpenAi,
        Model::Anthropic,
        Model::AnthropicBlocks,
    ]);
    Setting {
        thread,
        start_micros: plan.start_micros,
        channel: random.pick(&[
            Channel::Web,
            Channel::Web,
            Channel::Web,
            Channel::App,
            Channel::App,
            Channel::Email,
        ]),
        language: plan.language,
        locale: plan.language.locale(random),
        customer_tier: random
            .pick(&["standard", "standard", "standard", "standard", "standard", "plus", "plus", "pro"]),
        app_version: random.pick(&["5.3.2", "5.4.0", "5.4.0", "5.4.1"]),
        new_prompt: plan.new_prompt,
        // Only the small model's context can be too short.
        model: if plan.failures.contains(&Failure::ContextTooLong) { Model::OpenAi } else { model },
    }
}

#[cfg(test)]
#[path = "corpus_tests.rs"]
mod tests;
