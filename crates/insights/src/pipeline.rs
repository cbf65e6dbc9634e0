//! The analysis, stage by stage: the table of contents of this crate.

use assay_domain::job::Scope;
use assay_domain::report::Skipped;
use assay_domain::{Report, ReportConfig, ThreadOverview};
use assay_store::{Memo, Project, Runs};
use futures_util::future;

use crate::context::{Context, Stage};
use crate::grouping::ReadThread;
use crate::{Error, aggregate, assemble, embed, executive, map, model, name, read, sample, select, verify};

/// Builds one report from the threads in scope.
///
/// To learn how a line works, open the module it names. A stage takes what it
/// needs as arguments and returns what it made; nothing passes between stages
/// any other way.
///
/// # Errors
/// [`Error::Invalid`] for a config that cannot be met, [`Error::Cancelled`]
/// when asked to stop, otherwise what the store or the embedder says. A
/// thread that cannot be read is no error: the report names it as skipped.
pub async fn run<S: Runs + Memo>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
) -> Result<Report, Error> {
    let population = select::threads(ctx, project, config).await?;
    let size = population.len();
    let sample = sample::draw(&population, &config.sample, config.seed);
    over(ctx, project, config, Drawing { population, sample, size, skipped: Vec::new() }).await
}

/// Selects and draws only: whoever keeps the scope can [`run_over`] it later,
/// whatever arrives in between.
///
/// # Errors
/// As [`run`] for a config that cannot be met.
pub async fn scope<S: Runs>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
) -> Result<Scope, Error> {
    let population = select::threads(ctx, project, config).await?;
    let drawn = sample::draw(&population, &config.sample, config.seed);
    let threads = drawn.iter().map(|drawn| (population[drawn.index].id.clone(), drawn.weight)).collect();
    Ok(Scope { population: population.len(), threads })
}

/// Builds the report over threads that were drawn before. Those that are gone
/// meanwhile are skipped and named.
///
/// # Errors
/// As [`run`].
pub async fn run_over<S: Runs + Memo>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
    scope: &Scope,
) -> Result<Report, Error> {
    let (population, weights, skipped) = select::listed(ctx, project, config, &scope.threads).await?;
    let sample =
        weights.into_iter().enumerate().map(|(index, weight)| sample::Drawn { index, weight }).collect();
    over(ctx, project, config, Drawing { population, sample, size: scope.population, skipped }).await
}

/// The threads in scope, those drawn among them, how many there were, and those that are gone.
pub(crate) struct Drawing {
    pub(crate) population: Vec<ThreadOverview>,
    pub(crate) sample: Vec<sample::Drawn>,
    pub(crate) size: usize,
    pub(crate) skipped: Vec<Skipped>,
}

pub(crate) async fn over<S: Runs + Memo>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
    drawing: Drawing,
) -> Result<Report, Error> {
    let work = model::Work::begin(ctx.analyst, config, ctx.cancel)?.watched_by(ctx.progress);
    let opened = opened(ctx, project, drawing).await?;
    of_threads(ctx, project, config, work, opened).await
}

/// Threads that were read, and what stands about them in the report.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) threads: Vec<ReadThread>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) size: usize,
    pub(crate) sampled: usize,
}

/// Reads what was drawn.
pub(crate) async fn opened<S: Runs + Memo>(
    ctx: &Context<'_, S>,
    project: &Project,
    drawing: Drawing,
) -> Result<Opened, Error> {
    let Drawing { population, sample, size, skipped: gone } = drawing;
    let sampled = sample.len() + gone.len();
    let (threads, mut skipped) = read::each(ctx, project.id, population, &sample).await?;
    skipped.extend(gone);
    skipped.sort_by(|a, b| a.thread.cmp(&b.thread));
    Ok(Opened { threads, skipped, size, sampled })
}

/// The report of threads that were read.
pub(crate) async fn of_threads<S: Runs + Memo>(
    ctx: &Context<'_, S>,
    project: &Project,
    config: &ReportConfig,
    work: model::Work<'_>,
    opened: Opened,
) -> Result<Report, Error> {
    let Opened { threads, skipped, size, sampled } = opened;
    let threads = model::read::each(&work, ctx, project.id, threads).await?;
    let threads = model::causes::merged(threads, ctx.embedder)?;
    let vectors = embed::each(ctx, project.id, &threads).await?;

    ctx.progress.begin(Stage::Cluster, 0);
    let grouping = model::spread::threads(&work, ctx, project.id, &threads, &vectors).await?;
    ctx.check()?;

    let next = if model::merge::is_wanted(&work) { Stage::Merge } else { Stage::Name };
    ctx.progress.begin(next, 0);
    let names = name::each(&threads, &grouping, &|thread| vectors.of_thread(thread), ctx.embedder)?;
    let (grouping, mut names) =
        model::merge::alike(&work, ctx.embedder, &threads, &vectors, grouping, names).await?;
    model::categories::name(&work, &threads, &vectors, &grouping, &mut names).await?;
    ctx.check()?;

    let order = model::categories::order(&work, &grouping, &names);
    let placing = model::place::unclear(&work, &threads, &vectors, &grouping, &names);
    let choices = async {
        let choices = placing.await?;
        if work.reads() {
            ctx.progress.begin(Stage::Arrange, 0);
        }
        Ok(choices)
    };
    // Both know the leaves by their names, and neither waits for the other. Where the money may end
    // the order comes first: it concerns every thread, and what is left out must not be a matter of timing.
    let (order, choices) = match work.config().budget {
        Some(_) => (order.await?, choices.await?),
        None => future::try_join(order, choices).await?,
    };
    let (grouping, names) = model::place::placed(grouping, names, choices);
    let (grouping, names) = model::categories::arrange(&work, grouping, names, order).await?;
    model::merge::tell(&work, &names);

    ctx.progress.begin(Stage::Count, 0);
    let (overall, by_node) = aggregate::by_category(&threads, &grouping);
    let positions = map::positions(&threads, &grouping, &vectors);
    let mut report = assemble::report(assemble::Parts {
        project: &project.name,
        config,
        threads: &threads,
        grouping: &grouping,
        names,
        overall,
        by_node,
        positions,
        skipped,
        population: size,
        sampled,
        embedder: ctx.embedder.name(),
        distinct_texts: vectors.distinct_texts,
        student_texts: vectors.student_texts,
    });
    executive::write(&mut report);

    model::claims::write(&work, &mut report).await?;
    work.lengths().keep(ctx, project.id).await?;
    report.made.model = work.finish();
    verify::report(&report).map_err(Error::Unverified)?;
    Ok(report)
}
