//! What a report would take, found out by rehearsing it.
//!
//! [`estimate`] runs the very analysis, over the drawn threads or a part of
//! them, with models that are asked nothing: every prompt is rendered, redacted
//! and counted, what is remembered is used and costs nothing, and for the rest
//! somebody stands in who answers with as many tokens as models usually write
//! ([`rehearsal`]). So whatever the stages do, the estimate does as well, and
//! it cannot forget one. Earlier reports of the project and what is remembered also
//! teach: where a model counts tokens differently or writes more than usual, the
//! rest is corrected by that ([`lengths`]).

pub(crate) mod lengths;
mod play;
mod rehearsal;
#[cfg(test)]
mod tests;

use assay_domain::report::Tier;
use assay_domain::{ReportConfig, RunEstimate, StageEstimate, ThreadOverview, Usage};
use assay_store::{Memo, Project, Runs};
use rust_decimal::prelude::ToPrimitive;

use crate::model::{self, lot};
use crate::pipeline::{self, Drawing};
use crate::sample::{self, Drawn};
use crate::{Analyst, Context, Error, select};
use rehearsal::{Ledger, Rehearsal, Tally};

/// How much is looked at; the other threads are taken to be like those.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Threads whose prompts are written at most, where a model reads threads.
    pub read: usize,
    /// Threads that are grouped at most, where models are only asked about categories.
    pub grouped: usize,
    /// Where more threads match, the latest stand for all of them; no limit if absent.
    pub among: Option<usize>,
}

impl Effort {
    /// For somebody who is about to pay. Grouping looks at no more threads anyway.
    pub const THOROUGH: Self = Self { read: 1_500, grouped: 6_000, among: None };
    /// For a page that somebody is looking at.
    pub const QUICK: Self = Self { read: 300, grouped: 900, among: Some(20_000) };

    fn of(self, config: &ReportConfig) -> usize {
        if config.tier == Tier::Deep { self.read } else { self.grouped }
    }
}

/// Of those that are looked at where only some are to be read, at most these are.
const READ_OF_LOOKED_AT: f64 = 0.75;

/// How fast models are taken to be: seconds before the first token, and tokens per second.
/// Between those of small and large models of 2025; limits of the provider come on top.
const FIRST_TOKEN: f64 = 0.8;
const TOKENS_PER_SECOND: f64 = 80.0;

/// What [`crate::run`] would take with this config, asking nobody.
///
/// The model's share of the cost is in it, the local share is time only and not. Vectors are
/// remembered as by a run, where `ctx.remember` says so, so the run finds them made.
///
/// # Errors
/// As [`crate::run`] for a config that cannot be met.
pub async fn estimate<S: Runs + Memo>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
    effort: Effort,
) -> Result<RunEstimate, Error> {
    let Scene { population, size, threads, looked_at } = scene(ctx, project, config, effort).await?;
    let counted = looked_at.len();
    let nothing = RunEstimate {
        tier: config.tier,
        population: size,
        threads,
        budget: config.budget,
        cost: Some(0.0),
        ..RunEstimate::default()
    };
    let Some(analyst) = ctx.analyst.filter(|_| config.tier != Tier::Local && counted > 0) else {
        // Says so where a model is wanted and there is none.
        model::Work::begin(ctx.analyst, config, ctx.cancel)?;
        return Ok(nothing);
    };
    let scale = Scale::of(config, threads, counted);
    let rehearsed = ReportConfig { read_by_model: scale.read_here, ..config.clone() };
    let ledger = Ledger::default();
    if let Some(models) = &config.models {
        for (chat, model) in [(analyst.thinking, &models.thinking), (analyst.summary, &models.summary)] {
            let seen = lengths::known(ctx, project.id, chat.name(), model).await?;
            ledger.begin(chat.name(), model, &seen);
        }
    }
    let drawing = Drawing { population, sample: looked_at, size, skipped: Vec::new() };
    rehearse(ctx, analyst, &ledger, project, &rehearsed, drawing).await?;

    let mut told = RunEstimate { looked_at: counted, ..nothing };
    for (stage, model, tally) in ledger.by_stage() {
        add(&mut told, stage_of(analyst, stage, &model, &tally, &scale), &tally);
    }
    told.unpriced.sort();
    told.unpriced.dedup();
    told.cost = told.cost.filter(|_| told.unpriced.is_empty());
    told.exceeds_budget = told.budget.zip(told.cost).is_some_and(|(budget, cost)| cost > budget);
    Ok(told)
}

/// The analysis with models that are asked nothing; what they would have been asked is in the ledger.
async fn rehearse<S: Runs + Memo>(
    ctx: &Context<'_, S>,
    analyst: &Analyst<'_>,
    ledger: &Ledger,
    project: &Project,
    config: &ReportConfig,
    drawing: Drawing,
) -> Result<(), Error> {
    let filters = config.attributes.iter().filter(|(_, schema)| schema.filter_by);
    let filters: Vec<String> = filters.map(|(name, _)| name.clone()).collect();
    let thinking = Rehearsal::of(analyst.thinking, ledger, &filters);
    let summary = Rehearsal::of(analyst.summary, ledger, &filters);
    let rehearsed = Analyst { thinking: &thinking, summary: &summary, ..*analyst };
    let stage = Context { analyst: Some(&rehearsed), ..*ctx };
    pipeline::over(&stage, project, config, drawing).await.map(drop)
}

/// The threads a run would draw from, and those of the drawn ones that are looked at.
struct Scene {
    population: Vec<ThreadOverview>,
    /// How many match, and how many would be drawn.
    size: usize,
    threads: usize,
    looked_at: Vec<Drawn>,
}

async fn scene<S: Runs>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
    effort: Effort,
) -> Result<Scene, Error> {
    let most = effort.of(config);
    let size = match effort.among {
        Some(_) => Some(select::count(ctx, project, config).await?),
        None => None,
    };
    if let Some(size) = size.filter(|size| effort.among.is_some_and(|among| *size > among)) {
        let threads = config.sample.size.unwrap_or(size).min(size);
        let population = select::latest(ctx, project, config, most.min(threads)).await?;
        let weight = size as f64 / population.len().max(1) as f64;
        let looked_at = (0..population.len()).map(|index| Drawn { index, weight }).collect();
        return Ok(Scene { population, size, threads, looked_at });
    }
    let population = select::threads(ctx, project, config).await?;
    let drawn = sample::draw(&population, &config.sample, config.seed);
    let looked_at = looked_at(&drawn, most, config.seed, &|index| &population[index].id.0);
    Ok(Scene { size: population.len(), threads: drawn.len(), looked_at, population })
}

/// The drawn threads that are looked at, in their order; by lot where there are too many.
fn looked_at<'t>(drawn: &[Drawn], most: usize, seed: u64, id: &dyn Fn(usize) -> &'t str) -> Vec<Drawn> {
    if drawn.len() <= most {
        return drawn.to_vec();
    }
    let seed = seed.to_string();
    let mut chosen = drawn.to_vec();
    chosen.sort_by_cached_key(|one| lot(&["estimate", &seed, id(one.index)]));
    chosen.truncate(most);
    chosen.sort_by_key(|one| one.index);
    chosen
}

/// By how much the stages grow from the threads looked at to all that are drawn.
struct Scale {
    /// Threads that are read at the rehearsal, where not all of them are.
    read_here: Option<usize>,
    read: f64,
    placed: f64,
}

impl Scale {
    fn of(config: &ReportConfig, threads: usize, counted: usize) -> Self {
        let wanted = config.read_by_model.unwrap_or(threads).min(threads);
        let read_here = match wanted < threads {
            true if counted < threads => {
                // As many as can be, since they make the categories, and some that are only placed.
                Some(wanted.min((counted as f64 * READ_OF_LOOKED_AT).ceil() as usize))
            }
            true => Some(wanted),
            false => None,
        };
        Self {
            read_here,
            read: wanted as f64 / read_here.unwrap_or(counted).max(1) as f64,
            placed: threads as f64 / counted.max(1) as f64,
        }
    }

    fn of_stage(&self, stage: &str) -> f64 {
        match stage {
            model::read::STAGE => self.read,
            model::place::STAGE => self.placed,
            // Categories hardly grow in number with the threads.
            _ => 1.0,
        }
    }
}

fn stage_of(analyst: &Analyst<'_>, stage: &str, model: &str, tally: &Tally, scale: &Scale) -> StageEstimate {
    let factor = scale.of_stage(stage);
    let scaled = |count: f64| (count * factor).round();
    let input = scaled(tally.input as f64 * tally.input_ratio);
    let output = scaled(tally.output as f64 * tally.output_ratio);
    let calls = scaled(tally.calls as f64);
    let usage = Usage {
        input_tokens: input as u64,
        output_tokens: output as u64,
        total_tokens: (input + output) as u64,
        ..Usage::default()
    };
    let cost = analyst.prices.cost(Some(&tally.provider), Some(model), None, &usage);
    let cost = cost.or_else(|| analyst.prices.cost(None, Some(model), None, &usage));
    let each = FIRST_TOKEN + output / calls.max(1.0) / TOKENS_PER_SECOND;
    StageEstimate {
        stage: stage.to_owned(),
        model: model.to_owned(),
        calls: calls as usize,
        remembered: scaled(tally.remembered as f64) as usize,
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        // Nothing asked costs nothing, whatever the price.
        cost: if calls > 0.0 { cost.and_then(|cost| cost.total.to_f64()) } else { Some(0.0) },
        seconds: (calls / analyst.concurrency.max(1) as f64).ceil() * each,
    }
}

fn add(told: &mut RunEstimate, stage: StageEstimate, tally: &Tally) {
    if stage.stage == model::read::STAGE {
        told.read_by_model += stage.calls + stage.remembered;
    }
    told.calls += stage.calls;
    told.remembered += stage.remembered;
    told.input_tokens += stage.input_tokens;
    told.output_tokens += stage.output_tokens;
    told.seconds += stage.seconds;
    match stage.cost {
        Some(cost) => told.cost = told.cost.map(|sum| sum + cost),
        None => told.unpriced.push(format!("{}/{}", tally.provider, stage.model)),
    }
    told.stages.push(stage);
}
