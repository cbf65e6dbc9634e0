//! The analysis, stage by stage: the table of contents of this crate.

use assay_domain::{Report, ReportConfig};
use assay_store::{Memo, Project, Runs};

use crate::context::{Context, Stage};
use crate::{Error, aggregate, assemble, embed, executive, group, map, name, read, sample, select, verify};

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
    let (threads, skipped) = read::each(ctx, project.id, population, &sample).await?;
    let vectors = embed::each(ctx, project.id, &threads).await?;

    ctx.progress.begin(Stage::Cluster, 0);
    let grouping = group::threads(&threads, &vectors, config, ctx.embedder)?;
    ctx.check()?;

    ctx.progress.begin(Stage::Name, 0);
    let names = name::each(&threads, &grouping, &|thread| vectors.of_thread(thread), ctx.embedder)?;
    ctx.check()?;

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
        sampled: sample.len(),
        embedder: ctx.embedder.name(),
        distinct_texts: vectors.distinct_texts,
        student_texts: vectors.student_texts,
    });
    executive::write(&mut report);
    verify::report(&report).map_err(Error::Unverified)?;
    Ok(report)
}
