//! How stages grow from the threads that are looked at to all that are drawn.
//!
//! Reading and placing grow with the threads. Categories grow more slowly, and how slowly
//! depends on the threads: so halves of those that are looked at are rehearsed as well,
//! and the way from a half to the whole is taken to go on (a power law, as for words in
//! texts). Discovery itself looks at a bounded number of threads, where growth ends.

use assay_domain::ReportConfig;
use assay_domain::report::Tier;
use assay_store::{Memo, Runs};

use super::rehearsal::Stages;
use super::{Chosen, Stage};
use crate::Error;
use crate::math::Options;
use crate::model::{self, lot};

/// Of those that are looked at where only some are to be read, at most these are.
const READ_OF_LOOKED_AT: f64 = 0.75;
/// Fewer threads in each half tell nothing.
const SMALLEST_HALF: usize = 20;
/// Categories grow at most so with the threads: nearly as fast as they do.
const STEEPEST: f64 = 0.8;
/// How far off the power may be.
const POWER_OFF: f64 = 0.2;

/// By how much the stages grow.
pub(super) struct Scale {
    /// Threads that are read at the rehearsal, where not all of them are.
    pub(super) read_here: Option<usize>,
    read: f64,
    placed: f64,
    /// Threads that make categories: all of them by those at the rehearsal.
    makers: f64,
    /// The power of that by which categories grow; `None` where all are looked at.
    power: Option<f64>,
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
            read: wanted as f64 / read_here.unwrap_or(counted).max(1) as f64,
            placed: threads as f64 / counted.max(1) as f64,
            makers: (all.min(most) as f64 / here.clamp(1, most) as f64).max(1.0),
            power: None,
        }
    }

    /// What the figures of a stage are multiplied with: at least, probably, at most.
    pub(super) fn of_stage(&self, stage: &str) -> [f64; 3] {
        match (stage, self.power) {
            (model::read::STAGE, _) => [self.read; 3],
            (model::place::STAGE, _) => [self.placed; 3],
            (model::categories::NAME | model::categories::ARRANGE, Some(power)) => {
                [power - POWER_OFF, power, power + POWER_OFF].map(|power| self.makers.powf(power.max(0.0)))
            }
            _ => [1.0; 3],
        }
    }
}

/// The scale with the growth of categories, where not all threads are looked at.
///
/// # Errors
/// As [`Stage::rehearse`].
pub(super) async fn found<S: Runs + Memo>(
    stage: &Stage<'_, S>,
    config: &ReportConfig,
    threads: &[Chosen],
    whole: &Stages,
    scale: Scale,
) -> Result<Scale, Error> {
    if scale.makers <= 1.0 {
        return Ok(scale);
    }
    if threads.len() < 2 * SMALLEST_HALF {
        return Ok(Scale { power: Some(STEEPEST / 2.0), ..scale });
    }
    let mut order: Vec<&Chosen> = threads.iter().collect();
    let seed = config.seed.to_string();
    order.sort_by_cached_key(|(overview, _)| lot(&["half", &seed, &overview.id.0]));
    let read_by_model = scale.read_here.map(|read| read / 2);
    let config = ReportConfig { read_by_model, ..config.clone() };
    let mut of_halves = 0.0;
    for half in order.chunks(threads.len().div_ceil(2)) {
        let half: Vec<Chosen> = half.iter().map(|&one| one.clone()).collect();
        of_halves += categories(&stage.rehearse(&config, &half, 0).await?) / 2.0;
    }
    let all = categories(whole);
    let power = if of_halves > 0.0 && all > 0.0 { (all / of_halves).log2() } else { 0.0 };
    Ok(Scale { power: Some(power.clamp(0.0, STEEPEST)), ..scale })
}

/// Categories that are named.
fn categories(stages: &Stages) -> f64 {
    let naming = stages.iter().filter(|(stage, ..)| *stage == model::categories::NAME);
    naming.map(|(_, _, tally)| (tally.calls + tally.remembered) as f64).sum()
}
