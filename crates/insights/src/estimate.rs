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

use std::sync::atomic::{AtomicUsize, Ordering};

use assay_domain::report::{Focus, Tier};
use assay_domain::{ReportConfig, RunEstimate};
use assay_llm::Schema;
use assay_store::{Memo, Project, Runs};

use crate::grouping::ReadThread;
use crate::model::{self, lot};
use crate::pipeline::{self, Drawing, Opened};
use crate::sample::Drawn;
use crate::summary::Summary;
use crate::{Analyst, Context, Error};
use growth::Scale;
use lengths::Seen;
use rehearsal::{Ledger, Rehearsal, Stages};
use scene::Scene;

/// How much is looked at; the other threads are taken to be like those.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Threads whose prompts are written, about and at most, where a model reads threads; what
    /// it would tell of the others is played by their own words.
    pub read: usize,
    /// Threads that are grouped at most.
    pub grouped: usize,
    /// Where more threads match, the latest stand for all of them; no limit if absent.
    pub among: Option<usize>,
}

impl Effort {
    /// For somebody who is about to pay. Grouping looks at no more threads anyway.
    pub const THOROUGH: Self = Self { read: 1_500, grouped: 6_000, among: None };
    /// For a page that somebody is looking at.
    pub const QUICK: Self = Self { read: 300, grouped: 900, among: Some(20_000) };

    /// Threads that are looked at. Where a model reads them they are grouped several times over.
    fn of(self, config: &ReportConfig) -> usize {
        match config.tier {
            Tier::Deep => self.grouped.min(self.read.saturating_mul(3)),
            _ => self.grouped,
        }
    }
}

/// How often it is rehearsed where models answer questions of taste: each time they do otherwise.
const TAKES: u64 = 5;

/// Beyond so many threads chance has less of a say in how they are cut, and each draw takes long.
const OF_DRAWS: usize = 1_500;

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
    let scale = Scale::of(config, threads, counted);
    let rehearsed = ReportConfig { read_by_model: scale.read_here, ..config.clone() };
    let drawing = Drawing {
        sample: (looked_at.iter().enumerate())
            .map(|(index, one)| Drawn { index, weight: one.weight })
            .collect(),
        population: scene::chosen(population, &looked_at),
        size,
        skipped: Vec::new(),
    };
    let opened = pipeline::opened(ctx, project, drawing).await?;
    let to_read = scale.read_here.unwrap_or(counted).max(1);
    let stage = Stage {
        ctx,
        analyst,
        project,
        written: effort.read as f64 / to_read as f64,
        is_part: scale.is_part(),
        known: known(ctx, analyst, project, config).await?,
    };
    let mut takes = Vec::new();
    let mut written = to_read;
    for take in 0..takes_of(config, counted, &scale) {
        let (stages, sketched) = stage.rehearse(&rehearsed, &opened, take).await?;
        written = to_read.saturating_sub(sketched);
        takes.push(stages);
    }
    let scale = growth::found(&stage, &rehearsed, &opened, &takes, scale.written(written)).await?;
    let told = RunEstimate { looked_at: counted, read_by_model: scale.to_read, ..nothing };
    Ok(sum::up(told, analyst, &takes, &scale))
}

/// One is enough where nothing that a model answers makes or moves categories, and all threads are
/// there: a part of them may be cut finer or coarser by chance.
fn takes_of(config: &ReportConfig, counted: usize, scale: &Scale) -> u64 {
    let is_open = !config.attributes.is_empty() || config.focus == Focus::Errors;
    let is_open = config.tier == Tier::Deep && is_open;
    let is_draw = scale.is_part() && counted <= OF_DRAWS;
    if is_open || is_draw { TAKES } else { 1 }
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

/// Where it is rehearsed.
struct Stage<'a, S> {
    ctx: &'a Context<'a, S>,
    analyst: &'a Analyst<'a>,
    project: &'a Project,
    /// Of the threads that a model would read, the part whose prompts are written.
    written: f64,
    /// Whether only some of the threads that make categories are there.
    is_part: bool,
    known: Vec<(String, String, Seen)>,
}

impl<S: Runs + Memo> Stage<'_, S> {
    /// The analysis with models that are asked nothing: what they would have been asked, by
    /// stage, and how many threads' prompts were not written.
    async fn rehearse(
        &self,
        config: &ReportConfig,
        opened: &Opened,
        take: u64,
    ) -> Result<(Stages, usize), Error> {
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
        let sketched = AtomicUsize::new(0);
        let seed = config.seed.to_string();
        let sketch = |thread: &ReadThread, schema: &Schema| {
            let lot = lot(&["written", &seed, &thread.overview.id.0]);
            let place = f64::from(u32::from_be_bytes([lot[0], lot[1], lot[2], lot[3]])) / f64::from(u32::MAX);
            if place <= self.written {
                return None;
            }
            sketched.fetch_add(1, Ordering::Relaxed);
            let Summary { request, text, .. } = &thread.summary;
            Some(play::sketch(request, text, schema, &filters, take))
        };
        let work = model::Work::begin(ctx.analyst, config, ctx.cancel)?.sketched_by(&sketch);
        let work = work.cut_by(if self.is_part { take } else { 0 });
        pipeline::of_threads(&ctx, self.project, config, work, opened.clone()).await?;
        Ok((ledger.by_stage(), sketched.load(Ordering::Relaxed)))
    }
}
