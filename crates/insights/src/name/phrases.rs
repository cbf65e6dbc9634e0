//! The phrases people use, counted once per text and leaf.
//!
//! A phrase is known by the stems of its one to three content words in any
//! order: "cancel my order", "cancelling orders" and "order to cancel" are
//! one. Besides words that stand together, a verb and a later noun of its
//! sentence are a phrase: "cancel that last order" says "cancel order" too.

use rayon::prelude::*;

use super::text::STOP;
use super::vocabulary::{Reading, Token, Vocabulary, WordId};
use super::words::{Class, Language};
use crate::grouping::Grouping;

/// Most content words of a phrase.
pub(super) const LONGEST: usize = 3;
/// Tokens between a verb and its noun.
const REACH: usize = 6;

/// Stems in order of their ids, [`STOP`] where there are fewer.
pub(super) type Key = [u32; LONGEST];
/// Index into [`Phrases`], in order of keys.
pub(super) type PhraseId = u32;

/// Where a text says a phrase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occurrence {
    pub(super) key: Key,
    /// Tokens from the first word to the last.
    pub(super) first: usize,
    pub(super) last: usize,
    /// Whether the words stand together.
    pub(super) is_whole: bool,
}

/// Calls `visit` for each occurrence of each phrase in a text.
pub(super) fn occurrences(reading: &Reading, vocabulary: &Vocabulary, mut visit: impl FnMut(Occurrence)) {
    let tokens = &reading.tokens;
    let starts = (0..tokens.len()).filter(|&at| tokens[at].class == Class::Content);
    for first in starts {
        let stem = |token: &Token| vocabulary.stem(reading.language, token.word);
        let mut key: Key = [STOP; LONGEST];
        let mut said = 0;
        let mut inner = 0;
        for (last, token) in tokens.iter().enumerate().skip(first) {
            match token.class {
                Class::Content => {}
                Class::Determiner => continue,
                Class::Inner | Class::To if inner == 0 => {
                    inner += 1;
                    continue;
                }
                _ => break,
            }
            if key.contains(&stem(token)) {
                break;
            }
            key[said] = stem(token);
            said += 1;
            visit(Occurrence { key: sorted(key), first, last, is_whole: true });
            if said == LONGEST {
                break;
            }
        }
        if vocabulary.is_verb(reading.language, tokens[first].word) {
            for last in objects(tokens, first, |word| vocabulary.is_verb(reading.language, word)) {
                if stem(&tokens[first]) != stem(&tokens[last]) {
                    let key = sorted([stem(&tokens[first]), stem(&tokens[last]), STOP]);
                    visit(Occurrence { key, first, last, is_whole: false });
                }
            }
        }
    }
}

/// What a verb is done to: later content words of the sentence up to the next verb, and
/// not beyond a preposition: in "place an order from Toronto" nobody places Toronto.
fn objects(tokens: &[Token], verb: usize, is_verb: impl Fn(WordId) -> bool) -> Vec<usize> {
    let end = tokens.len().min(verb + 1 + REACH);
    let mut found = Vec::new();
    for (at, token) in tokens[..end].iter().enumerate().skip(verb + 1) {
        match token.class {
            Class::Content if is_verb(token.word) => break,
            Class::Content => found.push(at),
            Class::Stop => break,
            Class::Inner | Class::To if !found.is_empty() => break,
            _ => {}
        }
    }
    found
}

fn sorted(mut key: Key) -> Key {
    key.sort_unstable();
    key
}

/// A phrase as a leaf says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) phrase: PhraseId,
    /// Share of the texts that say it.
    pub(super) share: f64,
}

/// All phrases with their shares by node.
pub(super) struct Phrases {
    keys: Vec<Key>,
    /// Share of its texts in which a phrase's words stand together.
    whole: Vec<f64>,
    /// By node, in order of phrases. Inner nodes are made of their leaves.
    said: Vec<Vec<Said>>,
    /// Threads of each node.
    size: Vec<f64>,
    /// Share of all threads that say each phrase.
    overall: Vec<f64>,
    /// The two leaves that say each phrase most, with their shares.
    strongest: Vec<[(usize, f64); 2]>,
}

impl Phrases {
    /// Counts the phrases of the texts that each leaf's threads have; `read` is empty for inner nodes.
    pub(super) fn count(
        readings: &[Reading],
        vocabulary: &Vocabulary,
        read: &[Vec<usize>],
        sizes: &[usize],
        grouping: &Grouping,
    ) -> Self {
        let fewest = if readings.len() < 8 { 1 } else { 2 };
        let by_text: Vec<Vec<(Key, bool)>> =
            readings.par_iter().map(|reading| keys_of(reading, vocabulary, fewest)).collect();
        let (keys, whole) = common(&by_text, fewest);
        let ids: Vec<Vec<PhraseId>> = by_text
            .into_par_iter()
            .map(|said| {
                let id = |(key, _): &(Key, bool)| keys.binary_search(key).ok().map(|id| id as PhraseId);
                said.iter().filter_map(id).collect()
            })
            .collect();
        let leaves: Vec<Vec<Said>> = read.par_iter().map(|texts| shares(texts, &ids)).collect();
        let size: Vec<f64> = sizes.iter().map(|&size| size as f64).collect();
        let said = with_inner_nodes(leaves, &size, grouping);
        let mut phrases =
            Self { overall: vec![0.0; keys.len()], strongest: Vec::new(), keys, whole, said, size };
        phrases.compare(read);
        phrases
    }

    fn compare(&mut self, read: &[Vec<usize>]) {
        self.strongest = vec![[(usize::MAX, 0.0); 2]; self.keys.len()];
        let leaves: Vec<usize> = (0..read.len()).filter(|&node| !read[node].is_empty()).collect();
        let all: f64 = leaves.iter().map(|&leaf| self.size[leaf]).sum();
        for &leaf in &leaves {
            for said in &self.said[leaf] {
                self.overall[said.phrase as usize] += said.share * self.size[leaf] / all.max(1.0);
                let best = &mut self.strongest[said.phrase as usize];
                if said.share > best[0].1 {
                    *best = [(leaf, said.share), best[0]];
                } else if said.share > best[1].1 {
                    best[1] = (leaf, said.share);
                }
            }
        }
    }

    pub(super) fn key(&self, phrase: PhraseId) -> &Key {
        &self.keys[phrase as usize]
    }

    pub(super) fn find(&self, key: &Key) -> Option<PhraseId> {
        self.keys.binary_search(key).ok().map(|id| id as PhraseId)
    }

    /// Content words of a phrase.
    pub(super) fn words(&self, phrase: PhraseId) -> usize {
        self.key(phrase).iter().filter(|&&stem| stem != STOP).count()
    }

    pub(super) fn whole(&self, phrase: PhraseId) -> f64 {
        self.whole[phrase as usize]
    }

    pub(super) fn language(&self, phrase: PhraseId, vocabulary: &Vocabulary) -> Language {
        vocabulary.language_of_stem(self.key(phrase)[0])
    }

    pub(super) fn of_node(&self, node: usize) -> &[Said] {
        &self.said[node]
    }

    /// Share of a node's threads that say the phrase.
    pub(super) fn share(&self, node: usize, phrase: PhraseId) -> f64 {
        let said = &self.said[node];
        said.binary_search_by_key(&phrase, |said| said.phrase).map_or(0.0, |at| said[at].share)
    }

    /// Share of all threads outside of the node that say the phrase.
    pub(super) fn beyond(&self, node: usize, share: f64, phrase: PhraseId, all: f64) -> f64 {
        let said = (self.overall[phrase as usize] * all - share * self.size[node]).max(0.0);
        (said + 0.5) / (all - self.size[node] + 1.0).max(1.0)
    }

    /// The largest share any other leaf has of the phrase.
    pub(super) fn rival(&self, leaf: usize, phrase: PhraseId) -> f64 {
        let [first, second] = self.strongest[phrase as usize];
        if first.0 == leaf { second.1 } else { first.1 }
    }

    pub(super) fn size(&self, node: usize) -> f64 {
        self.size[node]
    }
}

/// Distinct phrases of a text in order, each with whether its words stand together anywhere.
fn keys_of(reading: &Reading, vocabulary: &Vocabulary, fewest: u32) -> Vec<(Key, bool)> {
    let mut said: Vec<(Key, bool)> = Vec::new();
    occurrences(reading, vocabulary, |found| {
        let tokens = &reading.tokens[found.first..=found.last];
        let is_rare = |token: &Token| token.class == Class::Content && vocabulary.texts(token.word) < fewest;
        if !tokens.iter().any(is_rare) {
            said.push((found.key, !found.is_whole));
        }
    });
    said.sort_unstable();
    said.dedup_by_key(|(key, _)| *key);
    said.iter_mut().for_each(|(_, flag)| *flag = !*flag);
    said
}

/// The keys that enough texts say, in order, and how often their words stand together.
fn common(by_text: &[Vec<(Key, bool)>], fewest: u32) -> (Vec<Key>, Vec<f64>) {
    let mut all: Vec<(Key, bool)> = by_text.iter().flatten().copied().collect();
    all.par_sort_unstable();
    let mut keys = Vec::new();
    let mut whole = Vec::new();
    for same in all.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() >= fewest as usize) {
        keys.push(same[0].0);
        whole.push(same.iter().filter(|(_, whole)| *whole).count() as f64 / same.len() as f64);
    }
    (keys, whole)
}

fn shares(texts: &[usize], ids: &[Vec<PhraseId>]) -> Vec<Said> {
    let mut all: Vec<PhraseId> = texts.iter().flat_map(|&text| &ids[text]).copied().collect();
    all.sort_unstable();
    all.chunk_by(|a, b| a == b)
        .map(|same| Said { phrase: same[0], share: same.len() as f64 / texts.len() as f64 })
        .collect()
}

/// What inner nodes say: their children by size.
fn with_inner_nodes(mut said: Vec<Vec<Said>>, size: &[f64], grouping: &Grouping) -> Vec<Vec<Said>> {
    // Parents stand before children, so children are complete when their parent is reached.
    for node in (0..said.len()).rev() {
        let children: Vec<usize> = grouping.children(Some(node)).collect();
        if children.is_empty() {
            continue;
        }
        let mut all: Vec<(PhraseId, f64)> = Vec::new();
        for child in children {
            let weight = size[child] / size[node].max(1.0);
            all.extend(said[child].iter().map(|said| (said.phrase, said.share * weight)));
        }
        all.sort_by_key(|(phrase, _)| *phrase);
        said[node] = all
            .chunk_by(|a, b| a.0 == b.0)
            .map(|same| Said { phrase: same[0].0, share: same.iter().map(|(_, share)| share).sum() })
            .collect();
    }
    said
}
