//! How stages grow from the threads that are looked at to all that are drawn.
//!
//! Reading and placing grow with the threads. Categories grow more slowly, and how slowly
//! depends on the threads: so halves of those that are looked at are rehearsed as well,
//! and the way from a half to the whole is taken to go on (a power law, as for words in
//! texts), drawn towards the power that is usual. Discovery itself looks at a bounded number of
//! threads and groups, where growth ends. Prompts that name categories show the fewer conversations
//! the more categories there are ([`contrast`]), so their tokens grow more slowly than their number.

use assay_domain::ReportConfig;
use assay_domain::report::Tier;
use assay_store::{Memo, Runs};

use super::Stage;
use super::rehearsal::Stages;
use crate::Error;
use crate::grouping::ReadThread;
use crate::math::Options;
use crate::math::granularity::most_groups;
use crate::model::{self, contrast, lot};
use crate::pipeline::Opened;

/// Of those that are looked at where only some are to be read, at most these are.
const READ_OF_LOOKED_AT: f64 = 0.75;
/// Fewer threads in each half tell nothing.
const SMALLEST_HALF: usize = 20;
/// Categories grow at most so with the threads: nearly as fast as they do.
const STEEPEST: f64 = 0.8;
/// Halves are rehearsed in so many takes.
const TAKES_OF_HALVES: usize = 3;
/// The power where nothing is known, and how far off that is: as over the labelled sets of
/// `docs/quality`, where ten times the threads have one and a half to two times the categories.
const USUAL: (f64, f64) = (0.3, 0.25);
/// How far off the power is that halves show: a half has a few categories more or less by chance.
const SEEN_OFF: f64 = 0.35;
/// A part may be cut coarser or finer than the whole: so many times fewer and more categories.
const CUT_OFF: (f64, f64) = (0.6, 1.5);
/// How far off the power may be that both together tell.
const POWER_OFF: f64 = 0.3;

/// By how much the stages grow.
pub(super) struct Scale {
    /// Threads that are read at the rehearsal, where not all of them are.
    pub(super) read_here: Option<usize>,
    read_here_or_all: usize,
    /// Threads that a model would read.
    pub(super) to_read: usize,
    /// Threads of the report, and of the rehearsal.
    threads: usize,
    counted: usize,
    read: f64,
    placed: f64,
    /// Threads that make categories: all of them by those at the rehearsal.
    makers: f64,
    /// The power of that by which categories grow; `None` where all are looked at.
    power: Option<f64>,
    /// Categories that so many threads have at most, and how often those at the rehearsal go into that.
    room: f64,
    most: f64,
}

impl Scale {
    pub(super) fn of(config: &ReportConfig, threads: usize, counted: usize) -> Self {
        let wanted = config.read_by_model.unwrap_or(threads).min(threads);
        let read_here = match wanted < threads {
            true if counted < threads => {
                // As many as can be, since they make the categories, and some that are only placed.
                Some(wanted.min((counted as f64 * READ_OF_LOOKED_AT).ceil() as usize))
            }
            true => Some(wanted),
            false => None,
        };
        let (all, here) = match config.tier {
            Tier::Deep => (wanted, read_here.unwrap_or(counted)),
            _ => (threads, counted),
        };
        let most = Options::default().discover;
        Self {
            read_here,
            read_here_or_all: read_here.unwrap_or(counted),
            to_read: if config.tier == Tier::Deep { wanted } else { 0 },
            threads,
            counted,
            read: wanted as f64 / read_here.unwrap_or(counted).max(1) as f64,
            placed: threads as f64 / counted.max(1) as f64,
            makers: (all.min(most) as f64 / here.clamp(1, most) as f64).max(1.0),
            power: None,
            room: most_groups(all.min(most)) as f64,
            most: f64::INFINITY,
        }
    }

    /// Whether only some of the threads that make categories are looked at.
    pub(super) fn is_part(&self) -> bool {
        self.makers > 1.0
    }

    /// Where only so many of the prompts were written.
    pub(super) fn written(self, written: usize) -> Self {
        let here = self.read_here_or_all;
        Self { read: self.read * here as f64 / written.max(1) as f64, ..self }
    }

    /// What the calls of a stage and their answers are multiplied with: at least, probably, at most.
    pub(super) fn of_stage(&self, stage: &str) -> [f64; 3] {
        match (stage, self.power) {
            (model::read::STAGE, _) => [self.read; 3],
            (model::place::STAGE, _) => [self.placed; 3],
            (model::merge::STAGE | model::categories::NAME | model::categories::ARRANGE, Some(power)) => {
                let grown = |power: f64| self.makers.powf(power.max(0.0)).min(self.most.max(1.0));
                let [low, middle, high] = [power - POWER_OFF, power, power + POWER_OFF].map(grown);
                [low * CUT_OFF.0, middle, high * CUT_OFF.1]
            }
            _ => [1.0; 3],
        }
    }

    /// What the tokens of a stage's prompts are multiplied with, where so many calls are by `factor`.
    pub(super) fn of_prompts(&self, stage: &str, calls: f64, factor: f64) -> f64 {
        let length: fn(usize, f64) -> f64 = match stage {
            model::categories::NAME => contrast::length,
            model::merge::STAGE => contrast::length_of_pairs,
            _ => return factor,
        };
        if calls <= 0.0 {
            return factor;
        }
        length(self.threads, calls * factor) / length(self.counted, calls)
    }
}

/// The scale with the growth of categories, where not all threads are looked at.
///
/// # Errors
/// As [`Stage::rehearse`].
pub(super) async fn found<S: Runs + Memo>(
    stage: &Stage<'_, S>,
    config: &ReportConfig,
    opened: &Opened,
    takes: &[Stages],
    scale: Scale,
) -> Result<Scale, Error> {
    if scale.makers <= 1.0 {
        return Ok(scale);
    }
    let usual = Scale { power: Some(USUAL.0), ..scale };
    if opened.threads.len() < 2 * SMALLEST_HALF {
        return Ok(usual);
    }
    let seed = config.seed.to_string();
    let mut order: Vec<&ReadThread> = opened.threads.iter().collect();
    order.sort_by_cached_key(|thread| lot(&["half", &seed, &thread.overview.id.0]));
    let read_by_model = scale.read_here.map(|read| read / 2);
    let config = ReportConfig { read_by_model, ..config.clone() };
    let (mut of_halves, mut of_all) = (0.0, 0.0);
    let takes = &takes[..takes.len().min(TAKES_OF_HALVES)];
    for (take, whole) in (0..).zip(takes) {
        of_all += categories(whole);
        for half in order.chunks(order.len().div_ceil(2)) {
            // In the order of the whole, as everywhere.
            let mut threads: Vec<ReadThread> = half.iter().map(|&one| one.clone()).collect();
            threads.sort_by(|a, b| a.overview.id.cmp(&b.overview.id));
            let half = Opened { threads, ..opened.clone() };
            of_halves += categories(&stage.rehearse(&config, &half, take).await?.0) / 2.0;
        }
    }
    if of_halves <= 0.0 || of_all <= 0.0 {
        return Ok(usual);
    }
    let seen = (of_all / of_halves).log2();
    let (trust, prior) = (SEEN_OFF.powi(-2), USUAL.1.powi(-2));
    let power = ((seen * trust + USUAL.0 * prior) / (trust + prior)).clamp(0.0, STEEPEST);
    Ok(Scale { power: Some(power), most: scale.room / (of_all / takes.len() as f64), ..scale })
}

/// Categories that are named.
fn categories(stages: &Stages) -> f64 {
    let naming = stages.iter().filter(|(stage, ..)| *stage == model::categories::NAME);
    naming.map(|(_, _, tally)| (tally.calls + tally.remembered) as f64).sum()
}
