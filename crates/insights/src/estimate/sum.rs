//! Adds up what rehearsals tell: what is expected, and between what it lies.
//!
//! What is expected is the take in the middle, by what it costs: a mean of few and of many
//! categories would be a job that nobody runs. The range goes from the take that
//! asks least to the one that asks most, with room for what nobody knows
//! beforehand: how many categories a model's own words make, and how long its
//! prompts and answers are by its own count, until a report has told.

use std::collections::BTreeMap;

use assay_domain::{RunEstimate, StageEstimate, Usage};
use rust_decimal::prelude::ToPrimitive;

use super::growth::Scale;
use super::rehearsal::{Stages, Tally};
use crate::Analyst;
use crate::model::{self, STAGES};

/// How fast models are taken to be: seconds before the first token, and tokens per second.
/// Between those of small and large models of 2025; limits of the provider come on top.
const FIRST_TOKEN: f64 = 0.8;
const TOKENS_PER_SECOND: f64 = 80.0;

/// By which part prompts and answers may be longer or shorter than counted: of a model of
/// which a report told, and of one that is new. Tokenizers differ less than manners of writing.
const KNOWN: (f64, f64) = (0.04, 0.12);
const NEW: (f64, f64) = (0.12, 0.35);
/// A single answer differs more than many do.
const ONE_ANSWER: f64 = 0.3;
/// By which part, and how many at least, there may be more or fewer categories than at a
/// rehearsal, where a model's own words make them.
const CATEGORIES: f64 = 0.25;
const FEW_CATEGORIES: f64 = 2.0;

/// What all takes tell of one stage and model.
struct Told<'a> {
    stage: &'static str,
    model: &'a str,
    takes: Vec<&'a Tally>,
    /// How many takes there were: some may not have asked.
    of: usize,
    /// That of the take in the middle.
    middle: Option<&'a Tally>,
}

pub(super) fn up(
    nothing: RunEstimate,
    analyst: &Analyst<'_>,
    takes: &[Stages],
    scale: &Scale,
) -> RunEstimate {
    let mut told = nothing;
    let mut by_model: BTreeMap<(usize, &str), Told<'_>> = BTreeMap::new();
    let middle = middle(analyst, takes, scale);
    for (index, take) in takes.iter().enumerate() {
        for (stage, model, tally) in take {
            let place = STAGES.iter().position(|one| one == stage).unwrap_or(STAGES.len());
            let new = || Told { stage, model, takes: Vec::new(), of: takes.len(), middle: None };
            let of_stage = by_model.entry((place, model)).or_insert_with(new);
            of_stage.takes.push(tally);
            if index == middle {
                of_stage.middle = Some(tally);
            }
        }
    }
    let reads = by_model.values().any(|one| one.stage == model::read::STAGE);
    for one in by_model.values() {
        add(&mut told, one.estimate(analyst, scale, reads));
    }
    let is_unpriced = !told.unpriced.is_empty();
    for cost in [&mut told.cost, &mut told.cost_low, &mut told.cost_high] {
        *cost = cost.filter(|_| !is_unpriced);
    }
    told.unpriced.sort();
    told.unpriced.dedup();
    told.exceeds_budget = told.budget.zip(told.cost).is_some_and(|(budget, cost)| cost > budget);
    told
}

/// The take that as many exceed as cost less.
fn middle(analyst: &Analyst<'_>, takes: &[Stages], scale: &Scale) -> usize {
    let cost = |take: &Stages| -> f64 {
        let stages = take.iter().map(|(stage, model, tally)| {
            let figures = Figures::of(tally).grown(scale, stage, scale.of_stage(stage)[1]);
            // Without a price tokens say which is more.
            price(analyst, &tally.provider, model, &figures).unwrap_or(figures.input + figures.output)
        });
        stages.sum()
    };
    let mut order: Vec<(f64, usize)> = takes.iter().map(cost).zip(0..).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.get(order.len() / 2).map_or(0, |(_, index)| *index)
}

/// US dollars; `None` where no price is known.
fn price(analyst: &Analyst<'_>, provider: &str, model: &str, figures: &Figures) -> Option<f64> {
    let usage = figures.usage();
    // Nothing asked costs nothing, whatever the price.
    if usage.total_tokens == 0 {
        return Some(0.0);
    }
    let cost = analyst.prices.cost(Some(provider), Some(model), None, &usage);
    let cost = cost.or_else(|| analyst.prices.cost(None, Some(model), None, &usage));
    cost.and_then(|cost| cost.total.to_f64())
}

/// Calls and tokens of a stage.
#[derive(Clone, Copy)]
struct Figures {
    calls: f64,
    remembered: f64,
    input: f64,
    output: f64,
}

impl Figures {
    fn of(tally: &Tally) -> Self {
        Self {
            calls: tally.calls as f64,
            remembered: tally.remembered as f64,
            input: tally.input as f64 * tally.input_ratio,
            output: tally.output as f64 * tally.output_ratio,
        }
    }

    /// With so many times the calls.
    fn grown(self, scale: &Scale, stage: &str, factor: f64) -> Self {
        let prompts = scale.of_prompts(stage, self.calls + self.remembered, factor);
        self.at(factor, prompts, factor)
    }

    fn at(self, calls: f64, input: f64, output: f64) -> Self {
        Self {
            calls: self.calls * calls,
            remembered: self.remembered * calls,
            input: self.input * input,
            output: self.output * output,
        }
    }

    fn usage(&self) -> Usage {
        let (input, output) = (self.input.round() as u64, self.output.round() as u64);
        Usage { input_tokens: input, output_tokens: output, total_tokens: input + output, ..Usage::default() }
    }
}

impl Told<'_> {
    fn estimate(&self, analyst: &Analyst<'_>, scale: &Scale, reads: bool) -> (StageEstimate, String) {
        let [low, factor, high] = scale.of_stage(self.stage);
        let nothing = Figures { calls: 0.0, remembered: 0.0, input: 0.0, output: 0.0 };
        let figures: Vec<Figures> = self.takes.iter().map(|tally| Figures::of(tally)).collect();
        let grown = |figures: Figures, factor: f64| figures.grown(scale, self.stage, factor);
        let middle = grown(self.middle.map_or(nothing, Figures::of), factor);
        let by_cost = |a: &&Figures, b: &&Figures| (a.input + a.output).total_cmp(&(b.input + b.output));
        let least = if figures.len() < self.of {
            nothing
        } else {
            figures.iter().min_by(by_cost).copied().unwrap_or(nothing)
        };
        let most = figures.iter().max_by(by_cost).copied().unwrap_or(nothing);
        let provider = self.takes.first().map(|tally| tally.provider.clone()).unwrap_or_default();
        let price = |figures: &Figures| price(analyst, &provider, self.model, figures);
        let (input_off, output_off) = self.off(middle.calls);
        let more = self.more_categories(most.calls, reads);
        let fewer = self.more_categories(least.calls, reads).min(1.0);
        let low = grown(least, low * (1.0 - fewer)).at(1.0, 1.0 - input_off, 1.0 - output_off);
        let high = grown(most, high * (1.0 + more)).at(1.0, 1.0 + input_off, 1.0 + output_off);
        let usage = middle.usage();
        let calls = middle.calls.round();
        let each = FIRST_TOKEN + middle.output / middle.calls.max(1.0) / TOKENS_PER_SECOND;
        let stage = StageEstimate {
            stage: self.stage.to_owned(),
            model: self.model.to_owned(),
            calls: calls as usize,
            remembered: middle.remembered.round() as usize,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost: price(&middle),
            cost_low: price(&low),
            cost_high: price(&high),
            seconds: (calls / analyst.concurrency.max(1) as f64).ceil() * each,
        };
        (stage, provider)
    }

    /// By which parts prompts and answers may be off.
    fn off(&self, calls: f64) -> (f64, f64) {
        let is_known = self.takes.iter().all(|tally| tally.is_known);
        let (input, output): (f64, f64) = if is_known { KNOWN } else { NEW };
        (input, output.hypot(ONE_ANSWER / calls.max(1.0).sqrt()))
    }

    /// Where a model's words make the categories, by which part there may be more of them.
    fn more_categories(&self, calls: f64, reads: bool) -> f64 {
        match self.stage {
            model::merge::STAGE | model::categories::NAME | model::categories::ARRANGE if reads => {
                CATEGORIES.max(FEW_CATEGORIES / calls.max(1.0))
            }
            _ => 0.0,
        }
    }
}

fn add(told: &mut RunEstimate, (stage, provider): (StageEstimate, String)) {
    told.calls += stage.calls;
    told.remembered += stage.remembered;
    told.input_tokens += stage.input_tokens;
    told.output_tokens += stage.output_tokens;
    told.seconds += stage.seconds;
    if stage.cost.is_none() {
        told.unpriced.push(format!("{provider}/{}", stage.model));
    }
    let plus = |sum: &mut Option<f64>, cost: Option<f64>| *sum = sum.zip(cost).map(|(sum, cost)| sum + cost);
    plus(&mut told.cost, stage.cost);
    plus(&mut told.cost_low, stage.cost_low);
    plus(&mut told.cost_high, stage.cost_high);
    told.stages.push(stage);
}
