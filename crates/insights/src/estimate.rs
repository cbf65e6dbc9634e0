//! What a report would take, found out by rehearsing it.
//!
//! [`estimate`] runs the very analysis, over the drawn threads or a part of
//! them, with models that are asked nothing: every prompt is rendered, redacted
//! and counted, what is remembered is used and costs nothing, and for the rest
//! somebody stands in who answers with as many tokens as models usually write
//! ([`rehearsal`]). So whatever the stages do, the estimate does as well, and
//! it cannot forget one. What a model may answer in one way or another is played in several
//! [`TAKES`]; how categories grow with the threads is found by rehearsing halves ([`growth`]).
//! Earlier reports of the project and what is remembered also
//! teach: where a model counts tokens differently or writes more than usual, the
//! rest is corrected by that ([`lengths`]). What stays unknown is in the range ([`sum`]).

mod growth;
pub(crate) mod lengths;
mod play;
mod rehearsal;
mod scene;
mod sum;
#[cfg(test)]
mod tests;

use assay_domain::report::{Focus, Tier};
use assay_domain::{ReportConfig, RunEstimate, ThreadOverview};
use assay_store::{Memo, Project, Runs};

use crate::model;
use crate::pipeline::{self, Drawing};
use crate::sample::Drawn;
use crate::{Analyst, Context, Error};
use growth::Scale;
use lengths::Seen;
use rehearsal::{Ledger, Rehearsal, Stages};
use scene::Scene;

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

/// How often it is rehearsed where models answer questions of taste: each time they do otherwise.
const TAKES: u64 = 5;

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
    let Scene { population, size, threads, looked_at } = scene::of(ctx, project, config, effort).await?;
    let counted = looked_at.len();
    let nothing = RunEstimate {
        tier: config.tier,
        population: size,
        threads,
        budget: config.budget,
        cost: Some(0.0),
        cost_low: Some(0.0),
        cost_high: Some(0.0),
        ..RunEstimate::default()
    };
    let Some(analyst) = ctx.analyst.filter(|_| config.tier != Tier::Local && counted > 0) else {
        // Says so where a model is wanted and there is none.
        model::Work::begin(ctx.analyst, config, ctx.cancel)?;
        return Ok(nothing);
    };
    let stage = Stage { ctx, analyst, project, size, known: known(ctx, analyst, project, config).await? };
    let scale = Scale::of(config, threads, counted);
    let rehearsed = ReportConfig { read_by_model: scale.read_here, ..config.clone() };
    let threads = scene::chosen(population, &looked_at);
    let mut takes = Vec::new();
    for take in 0..takes_of(config) {
        takes.push(stage.rehearse(&rehearsed, &threads, take).await?);
    }
    let scale = growth::found(&stage, &rehearsed, &threads, &takes[0], scale).await?;
    let told = RunEstimate { looked_at: counted, ..nothing };
    Ok(sum::up(told, analyst, &takes, &scale))
}

/// One is enough where nothing that a model answers makes or moves categories.
fn takes_of(config: &ReportConfig) -> u64 {
    let is_open = !config.attributes.is_empty() || config.focus == Focus::Errors;
    if config.tier == Tier::Deep && is_open { TAKES } else { 1 }
}

/// What earlier reports of the project tell of the models: by provider and model.
async fn known<S: Memo>(
    ctx: &Context<'_, S>,
    analyst: &Analyst<'_>,
    project: &Project,
    config: &ReportConfig,
) -> Result<Vec<(String, String, Seen)>, Error> {
    let mut known = Vec::new();
    if let Some(models) = &config.models {
        for (chat, model) in [(analyst.thinking, &models.thinking), (analyst.summary, &models.summary)] {
            let seen = lengths::known(ctx, project.id, chat.name(), model).await?;
            known.push((chat.name().to_owned(), model.clone(), seen));
        }
    }
    Ok(known)
}

/// A thread that is looked at, and how many it stands for.
type Chosen = (ThreadOverview, f64);

/// Where it is rehearsed.
struct Stage<'a, S> {
    ctx: &'a Context<'a, S>,
    analyst: &'a Analyst<'a>,
    project: &'a Project,
    /// Threads that match.
    size: usize,
    known: Vec<(String, String, Seen)>,
}

impl<S: Runs + Memo> Stage<'_, S> {
    /// The analysis with models that are asked nothing: what they would have been asked, by stage.
    async fn rehearse(&self, config: &ReportConfig, threads: &[Chosen], take: u64) -> Result<Stages, Error> {
        let ledger = Ledger::default();
        for (provider, model, seen) in &self.known {
            ledger.begin(provider, model, seen);
        }
        let filters = config.attributes.iter().filter(|(_, schema)| schema.filter_by);
        let filters: Vec<String> = filters.map(|(name, _)| name.clone()).collect();
        let thinking = Rehearsal::of(self.analyst.thinking, &ledger, &filters, take);
        let summary = Rehearsal::of(self.analyst.summary, &ledger, &filters, take);
        let analyst = Analyst { thinking: &thinking, summary: &summary, ..*self.analyst };
        let ctx = Context { analyst: Some(&analyst), ..*self.ctx };
        let population = threads.iter().map(|(overview, _)| overview.clone()).collect();
        let sample = threads.iter().enumerate().map(|(index, (_, weight))| Drawn { index, weight: *weight });
        let drawing = Drawing { population, sample: sample.collect(), size: self.size, skipped: Vec::new() };
        pipeline::over(&ctx, self.project, config, drawing).await?;
        Ok(ledger.by_stage())
    }
}
