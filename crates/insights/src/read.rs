//! Reads the drawn threads, a few hundred at a time, and keeps their summaries.
//!
//! Payloads are dropped as soon as a thread is summarized, so memory grows
//! with the number of threads, not with what they said.

use assay_domain::report::Skipped;
use assay_domain::{ProjectId, Thread, ThreadId, ThreadOverview};
use assay_store::Runs;
use rayon::prelude::*;

use crate::Error;
use crate::context::{Context, Stage};
use crate::grouping::ReadThread;
use crate::sample::Drawn;
use crate::summarize::{self, Corpus};
use crate::summary::Summary;

/// Threads opened at once.
const CHUNK: usize = 256;
/// Threads looked at beforehand for what all of them share.
const OBSERVED: usize = 500;

/// Reads every drawn thread. One that cannot be read is skipped and named.
///
/// # Errors
/// Where the store fails or somebody asked to stop.
pub async fn each<S: Runs>(
    ctx: &Context<'_, S>,
    project: ProjectId,
    population: Vec<ThreadOverview>,
    sample: &[Drawn],
) -> Result<(Vec<ReadThread>, Vec<Skipped>), Error> {
    let corpus = observe(ctx, project, &population, sample).await?;
    ctx.progress.begin(Stage::Read, sample.len());
    let mut overviews: Vec<Option<ThreadOverview>> = population.into_iter().map(Some).collect();
    let mut read = Vec::with_capacity(sample.len());
    let mut skipped = Vec::new();
    for drawn in sample.chunks(CHUNK) {
        ctx.check()?;
        let chosen: Vec<(ThreadOverview, f64)> =
            drawn.iter().filter_map(|one| Some((overviews[one.index].take()?, one.weight))).collect();
        let ids: Vec<ThreadId> = chosen.iter().map(|(overview, _)| overview.id.clone()).collect();
        let threads = ctx.store.read_threads(project, &ids).await?;
        let summaries: Vec<Result<_, String>> =
            threads.par_iter().map(|thread| summary(thread, &corpus)).collect();
        let mut found = threads.iter().map(|thread| &thread.id).zip(summaries).peekable();
        for (overview, weight) in chosen {
            // A thread may be deleted while the analysis runs.
            let summary = match found.next_if(|(id, _)| **id == overview.id) {
                Some((_, summary)) => summary,
                None => Err("no longer in the store".to_owned()),
            };
            match summary {
                Ok(summary) => read.push(ReadThread { overview, summary, weight }),
                Err(reason) => skipped.push(Skipped { thread: overview.id, reason }),
            }
        }
        ctx.progress.advance(drawn.len());
    }
    Ok((read, skipped))
}

/// A first look at some of the threads: what all of them share says nothing about any of them.
async fn observe<S: Runs>(
    ctx: &Context<'_, S>,
    project: ProjectId,
    population: &[ThreadOverview],
    sample: &[Drawn],
) -> Result<Corpus, Error> {
    // Spread over the sample, which is ordered by id: no regard to time or content.
    let step = sample.len().div_ceil(OBSERVED).max(1);
    let ids: Vec<ThreadId> =
        sample.iter().step_by(step).map(|drawn| population[drawn.index].id.clone()).collect();
    let mut corpus = Corpus::default();
    corpus.reaches_until(population.iter().filter_map(|one| one.end_time.or(one.start_time)).max());
    for ids in ids.chunks(CHUNK) {
        ctx.check()?;
        let threads = ctx.store.read_threads(project, ids).await?;
        let transcripts: Vec<_> = threads.par_iter().map(assay_transcript::of_thread).collect();
        transcripts.iter().for_each(|transcript| corpus.observe(transcript));
    }
    Ok(corpus)
}

fn summary(thread: &Thread, corpus: &Corpus) -> Result<Summary, String> {
    let transcript = assay_transcript::of_thread(thread);
    summarize::thread(thread, &transcript, corpus)
}
