//! Which threads an estimate is about, and which of them it looks at.
//!
//! Those that a run would draw; of very many some by lot, and where even counting
//! them one by one would take long, the latest.

use assay_domain::{ReportConfig, ThreadOverview};
use assay_store::{Project, Runs};

use super::Effort;
use crate::model::lot;
use crate::sample::{self, Drawn};
use crate::{Context, Error, select};

/// The threads a run would draw from, and those of the drawn ones that are looked at.
pub(super) struct Scene {
    pub(super) population: Vec<ThreadOverview>,
    /// How many match, and how many would be drawn.
    pub(super) size: usize,
    pub(super) threads: usize,
    pub(super) looked_at: Vec<Drawn>,
}

/// Finds them.
///
/// # Errors
/// What the store says.
pub(super) async fn of<S: Runs>(
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

/// The threads that are looked at, without the others.
pub(super) fn chosen(population: Vec<ThreadOverview>, looked_at: &[Drawn]) -> Vec<ThreadOverview> {
    let mut population: Vec<Option<ThreadOverview>> = population.into_iter().map(Some).collect();
    looked_at.iter().filter_map(|one| population[one.index].take()).collect()
}
