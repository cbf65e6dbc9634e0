//! Turns what threads are about into vectors: each distinct text once.
//!
//! Rows are ordered by their texts, so that nothing later depends on the
//! order in which threads arrived. Vectors are remembered by content in the
//! store: a second report over the same threads embeds nothing. Very many texts
//! are not all read by the embedder: a student fitted to some of its vectors
//! ([`Student`]) reads the others thousands of times faster.

mod remembering;

use std::collections::{BTreeMap, BTreeSet};

pub use remembering::Remembering;

use assay_domain::ProjectId;
use assay_store::{Key, Memo};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::context::{Context, Stage};
use crate::grouping::ReadThread;
use crate::math::{Matrix, Student};
use crate::summary::Topic;

/// Texts embedded between two looks at progress and cancellation.
const CHUNK: usize = 512;
/// Up to so many distinct texts the embedder reads all of them.
const READ_ALL: usize = 40_000;
/// Beyond, it reads these many, chosen by content, and a fitted stand-in reads the others.
const READ_SOME: usize = 20_000;
/// Texts the stand-in learns from.
const TAUGHT: usize = 6_000;

/// The vectors of all threads.
#[derive(Clone, Debug)]
pub struct Vectors {
    /// One unit vector per distinct content, ordered by content.
    pub rows: Matrix,
    /// How many threads share each row.
    pub multiplicity: Vec<u32>,
    /// The row of every thread; `None` for those without words.
    pub row_of: Vec<Option<usize>>,
    /// Distinct texts there are.
    pub distinct_texts: usize,
    /// How many of them the stand-in read (see [`Student`]).
    pub student_texts: usize,
    /// What is asked for alone, where attributes have a say in [`Self::rows`]: how many categories
    /// there are does not hang on how questions beside that are answered.
    pub asked: Option<Box<Vectors>>,
}

impl Vectors {
    #[must_use]
    pub fn of_thread(&self, thread: usize) -> Option<&[f32]> {
        self.row_of[thread].map(|row| self.rows.row(row))
    }

    /// The same for some of the threads, in the order given. Rows stay ordered by content.
    #[must_use]
    pub fn of_some(&self, threads: &[usize]) -> Self {
        let mut counts: BTreeMap<usize, u32> = BTreeMap::new();
        for row in threads.iter().filter_map(|&thread| self.row_of[thread]) {
            *counts.entry(row).or_default() += 1;
        }
        let kept: Vec<usize> = counts.keys().copied().collect();
        let place = |row: usize| kept.binary_search(&row).ok();
        Self {
            rows: self.rows.select(&kept),
            multiplicity: counts.into_values().collect(),
            row_of: threads.iter().map(|&thread| self.row_of[thread].and_then(place)).collect(),
            distinct_texts: self.distinct_texts,
            student_texts: self.student_texts,
            asked: self.asked.as_ref().map(|asked| Box::new(asked.of_some(threads))),
        }
    }
}

/// Embeds the topics of all threads.
///
/// # Errors
/// Where the embedder or the store fails, or somebody asked to stop.
pub async fn each<S: Memo>(
    ctx: &Context<'_, S>,
    project: ProjectId,
    threads: &[ReadThread],
) -> Result<Vectors, Error> {
    let topics: Vec<&[Topic]> = threads.iter().map(|thread| thread.summary.topics.as_slice()).collect();
    let texts = Texts::of(ctx, project, &topics).await?;
    let asked: Vec<&[Topic]> = threads.iter().map(|thread| thread.summary.asked()).collect();
    let vectors = texts.of_threads(&topics);
    let has_attributes = topics.iter().zip(&asked).any(|(all, asked)| all.len() > asked.len());
    Ok(Vectors { asked: has_attributes.then(|| Box::new(texts.of_threads(&asked))), ..vectors })
}

/// Embeds these topics, a list for each thread.
///
/// # Errors
/// As [`each`].
pub async fn of_topics<S: Memo>(
    ctx: &Context<'_, S>,
    project: ProjectId,
    threads: &[&[Topic]],
) -> Result<Vectors, Error> {
    Ok(Texts::of(ctx, project, threads).await?.of_threads(threads))
}

/// Distinct texts and their vectors.
struct Texts<'t> {
    index: BTreeMap<&'t str, usize>,
    vectors: Vec<Vec<f32>>,
    student_texts: usize,
    dimensions: usize,
}

impl<'t> Texts<'t> {
    async fn of<S: Memo>(
        ctx: &Context<'_, S>,
        project: ProjectId,
        threads: &[&'t [Topic]],
    ) -> Result<Self, Error> {
        let distinct: BTreeSet<&str> =
            threads.iter().copied().flatten().map(|topic| topic.text.as_str()).collect();
        let texts: Vec<&str> = distinct.into_iter().collect();
        let (vectors, student_texts) = embed_texts(ctx, project, &texts, READ_ALL, READ_SOME).await?;
        let index = texts.iter().enumerate().map(|(row, text)| (*text, row)).collect();
        Ok(Self { index, vectors, student_texts, dimensions: ctx.embedder.dimensions() })
    }

    /// The vectors of threads whose topics are among the texts.
    fn of_threads(&self, threads: &[&[Topic]]) -> Vectors {
        let mut rows: BTreeMap<Vec<(usize, u32)>, Vec<usize>> = BTreeMap::new();
        for (thread, topics) in threads.iter().enumerate() {
            let content: Vec<(usize, u32)> = (topics.iter())
                .map(|topic| (self.index[topic.text.as_str()], weight(topics, topic).to_bits()))
                .collect();
            if !content.is_empty() {
                rows.entry(content).or_default().push(thread);
            }
        }
        let mut data = Vec::with_capacity(rows.len() * self.dimensions);
        let mut row_of = vec![None; threads.len()];
        let mut multiplicity = Vec::with_capacity(rows.len());
        for (row, members) in rows.values().enumerate() {
            multiplicity.push(u32::try_from(members.len()).unwrap_or(u32::MAX));
            members.iter().for_each(|&thread| row_of[thread] = Some(row));
            let vector = |topic: &Topic| &self.vectors[self.index[topic.text.as_str()]];
            data.extend(mean(threads[members[0]], vector, self.dimensions));
        }
        Vectors {
            rows: Matrix { rows: multiplicity.len(), cols: self.dimensions, data },
            multiplicity,
            row_of,
            distinct_texts: self.vectors.len(),
            student_texts: self.student_texts,
            asked: None,
        }
    }
}

/// What a topic counts for among these: a single one is all there is, so that what is drawn by the bits
/// of a vector is the same whatever stood beside it.
fn weight(topics: &[Topic], topic: &Topic) -> f32 {
    if topics.len() == 1 { 1.0 } else { topic.weight }
}

/// The weighted mean of a thread's topics, at unit length.
fn mean<'a>(topics: &[Topic], vector: impl Fn(&Topic) -> &'a Vec<f32>, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f32; dimensions];
    for topic in topics {
        let weight = weight(topics, topic);
        for (total, x) in sum.iter_mut().zip(vector(topic)) {
            *total += weight * x;
        }
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        sum.iter_mut().for_each(|x| *x /= length);
    }
    sum
}

/// A vector for every text, and how many of them are the stand-in's: all by
/// the embedder up to `all` texts, `some` of them beyond.
async fn embed_texts<S: Memo>(
    ctx: &Context<'_, S>,
    project: ProjectId,
    texts: &[&str],
    all: usize,
    some: usize,
) -> Result<(Vec<Vec<f32>>, usize), Error> {
    ctx.progress.begin(Stage::Embed, texts.len());
    if texts.len() <= all {
        return Ok((read_by_embedder(ctx, project, texts).await?, 0));
    }
    let mut lots: Vec<(Key, usize)> =
        texts.iter().enumerate().map(|(index, text)| (key("lot", text), index)).collect();
    lots.sort_unstable();
    let mut chosen: Vec<usize> = lots[..some].iter().map(|&(_, index)| index).collect();
    let lessons: Vec<usize> = chosen[..TAUGHT.min(some)].to_vec();
    chosen.sort_unstable();
    let wanted: Vec<&str> = chosen.iter().map(|&index| texts[index]).collect();
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts.len()];
    for (&index, vector) in chosen.iter().zip(read_by_embedder(ctx, project, &wanted).await?) {
        vectors[index] = Some(vector);
    }
    let taught: Vec<&str> = lessons.iter().map(|&index| texts[index]).collect();
    let data = lessons.iter().flat_map(|&index| vectors[index].iter().flatten().copied()).collect();
    let lesson = Matrix { rows: lessons.len(), cols: ctx.embedder.dimensions(), data };
    let student = Student::fit(&taught, &lesson);
    let rest: Vec<usize> = (0..texts.len()).filter(|&index| vectors[index].is_none()).collect();
    for rest in rest.chunks(CHUNK * 8) {
        ctx.check()?;
        let wanted: Vec<&str> = rest.iter().map(|&index| texts[index]).collect();
        let read = student.embed(&wanted);
        rest.iter().enumerate().for_each(|(row, &index)| vectors[index] = Some(read.row(row).to_vec()));
        ctx.progress.advance(rest.len());
    }
    Ok((vectors.into_iter().flatten().collect(), rest.len()))
}

async fn read_by_embedder<S: Memo>(
    ctx: &Context<'_, S>,
    project: ProjectId,
    texts: &[&str],
) -> Result<Vec<Vec<f32>>, Error> {
    let mut vectors = Vec::with_capacity(texts.len());
    for texts in texts.chunks(CHUNK) {
        ctx.check()?;
        let keys: Vec<Key> = texts.iter().map(|text| key(ctx.embedder.name(), text)).collect();
        let mut known: Vec<Option<Vec<f32>>> = if ctx.remember {
            let remembered = ctx.store.recall(&keys).await?;
            remembered.iter().map(|bytes| decode(bytes.as_deref()?, ctx.embedder.dimensions())).collect()
        } else {
            vec![None; texts.len()]
        };
        let missing: Vec<usize> = (0..texts.len()).filter(|&index| known[index].is_none()).collect();
        let wanted: Vec<&str> = missing.iter().map(|&index| texts[index]).collect();
        let fresh = ctx.embedder.embed(&wanted)?;
        if ctx.remember && !missing.is_empty() {
            let answers =
                missing.iter().zip(&fresh).map(|(&index, vector)| (keys[index], encode(vector))).collect();
            ctx.store.remember(project, answers).await?;
        }
        for (index, vector) in missing.into_iter().zip(fresh) {
            known[index] = Some(vector);
        }
        vectors.extend(known.into_iter().flatten());
        ctx.progress.advance(texts.len());
    }
    Ok(vectors)
}

/// Under which a vector is remembered: it belongs to the embedder and the text.
fn key(embedder: &str, text: &str) -> Key {
    let mut hasher = Sha256::new();
    hasher.update(b"vector\0");
    hasher.update(embedder.as_bytes());
    hasher.update([0]);
    hasher.update(text.as_bytes());
    hasher.finalize().into()
}

fn encode(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// `None` for what is not a vector of this size: it is embedded again.
fn decode(bytes: &[u8], dimensions: usize) -> Option<Vec<f32>> {
    if bytes.len() != dimensions * 4 {
        return None;
    }
    Some(bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect())
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::atomic::AtomicBool;

    use assay_llm::{Embed, MiniLm};

    use super::*;
    use crate::context::Silent;

    /// Remembers nothing.
    struct Forgetful;

    impl Memo for Forgetful {
        fn recall(
            &self,
            keys: &[Key],
        ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>, assay_store::Error>> + Send {
            std::future::ready(Ok(vec![None; keys.len()]))
        }

        fn remember(
            &self,
            _: ProjectId,
            _: Vec<(Key, Vec<u8>)>,
        ) -> impl Future<Output = Result<(), assay_store::Error>> + Send {
            std::future::ready(Ok(()))
        }
    }

    #[test]
    fn beyond_the_limit_the_student_reads_the_rest_and_stays_close() {
        let things = ["order", "refund", "invoice", "password", "parcel", "address", "subscription", "card"];
        let verbs = ["cancel", "find", "change", "check", "delete", "send", "explain", "update"];
        let places = ["today", "for my mother", "in Berlin", "before Monday", "again", "by mail"];
        let mut texts = Vec::new();
        for thing in things {
            for verb in verbs {
                texts.extend(places.iter().map(|place| format!("please {verb} the {thing} {place}")));
            }
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let embedder = MiniLm::bundled().expect("the bundled model");
        let cancel = AtomicBool::new(false);
        let ctx = Context {
            store: &Forgetful,
            embedder: &embedder,
            analyst: None,
            remember: false,
            progress: &Silent,
            cancel: &cancel,
        };
        let project = ProjectId::from_name("p");
        let (vectors, read) =
            assay_store::block_on(embed_texts(&ctx, project, &texts, 300, 256)).expect("vectors");
        assert_eq!((vectors.len(), read), (384, 128));
        let exact = embedder.embed(&texts).expect("vectors");
        let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let mean = vectors.iter().zip(&exact).map(|(a, b)| cosine(a, b)).sum::<f32>() / 384.0;
        assert!(mean > 0.8, "mean cosine {mean}");
    }
}
