//! Turns what threads are about into vectors: each distinct text once.
//!
//! Rows are ordered by their texts, so that nothing later depends on the
//! order in which threads arrived. Vectors are remembered by content in the
//! store: a second report over the same threads embeds nothing.

use std::collections::{BTreeMap, BTreeSet};

use assay_store::{Key, Memo};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::context::{Context, Stage};
use crate::grouping::ReadThread;
use crate::math::Matrix;
use crate::summary::Topic;

/// Texts embedded between two looks at progress and cancellation.
const CHUNK: usize = 512;

/// The vectors of all threads.
#[derive(Debug)]
pub struct Vectors {
    /// One unit vector per distinct content, ordered by content.
    pub rows: Matrix,
    /// How many threads share each row.
    pub multiplicity: Vec<u32>,
    /// The row of every thread; `None` for those without words.
    pub row_of: Vec<Option<usize>>,
    /// Distinct texts embedded.
    pub distinct_texts: usize,
}

impl Vectors {
    #[must_use]
    pub fn of_thread(&self, thread: usize) -> Option<&[f32]> {
        self.row_of[thread].map(|row| self.rows.row(row))
    }
}

/// Embeds the topics of all threads.
///
/// # Errors
/// Where the embedder or the store fails, or somebody asked to stop.
pub async fn each<S: Memo>(ctx: &Context<'_, S>, threads: &[ReadThread]) -> Result<Vectors, Error> {
    let distinct: BTreeSet<&str> =
        threads.iter().flat_map(|thread| &thread.summary.topics).map(|topic| topic.text.as_str()).collect();
    let texts: Vec<&str> = distinct.into_iter().collect();
    let embedded = embed_texts(ctx, &texts).await?;
    let index: BTreeMap<&str, usize> = texts.iter().enumerate().map(|(row, text)| (*text, row)).collect();

    let mut rows: BTreeMap<Vec<(usize, u32)>, Vec<usize>> = BTreeMap::new();
    for (thread, read) in threads.iter().enumerate() {
        let content: Vec<(usize, u32)> = read
            .summary
            .topics
            .iter()
            .map(|topic| (index[topic.text.as_str()], topic.weight.to_bits()))
            .collect();
        if !content.is_empty() {
            rows.entry(content).or_default().push(thread);
        }
    }
    let dimensions = ctx.embedder.dimensions();
    let mut data = Vec::with_capacity(rows.len() * dimensions);
    let mut row_of = vec![None; threads.len()];
    let mut multiplicity = Vec::with_capacity(rows.len());
    for (row, members) in rows.values().enumerate() {
        multiplicity.push(u32::try_from(members.len()).unwrap_or(u32::MAX));
        members.iter().for_each(|&thread| row_of[thread] = Some(row));
        let topics = &threads[members[0]].summary.topics;
        data.extend(mean(topics, |topic| &embedded[index[topic.text.as_str()]], dimensions));
    }
    let rows = Matrix { rows: multiplicity.len(), cols: dimensions, data };
    Ok(Vectors { rows, multiplicity, row_of, distinct_texts: texts.len() })
}

/// The weighted mean of a thread's topics, at unit length.
fn mean<'a>(topics: &[Topic], vector: impl Fn(&Topic) -> &'a Vec<f32>, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f32; dimensions];
    for topic in topics {
        for (total, x) in sum.iter_mut().zip(vector(topic)) {
            *total += topic.weight * x;
        }
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        sum.iter_mut().for_each(|x| *x /= length);
    }
    sum
}

async fn embed_texts<S: Memo>(ctx: &Context<'_, S>, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
    ctx.progress.begin(Stage::Embed, texts.len());
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
            ctx.store.remember(answers).await?;
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
