//! Which phrases name a category best.
//!
//! First by counts: many members say it, others do not (class-based TF-IDF
//! after Grootendorst 2022, on shares of texts). Then by form: a verb and its
//! object read best. Then by meaning: a name lies near its category and far
//! from the others. A phrase that few members say never beats one most say.

use std::collections::{BTreeMap, BTreeSet};

use assay_llm::Embed;
use rayon::prelude::*;

use super::phrases::{PhraseId, Phrases, Said};
use super::surface::{Surfaces, written};
use super::vocabulary::{Vocabulary, WordId};
use super::wordings::Wording;
use super::words::Language;
use crate::Error;
use crate::grouping::Grouping;

/// Phrases whose forms are looked up, per category.
const LONG_LIST: usize = 40;
/// Phrases whose vectors are compared, per category.
const SHORTLIST: usize = 12;
/// A name is said by at least this share of what the most common candidate is.
const LEAST_OF_MOST: f64 = 0.15;
/// And by one in twelve, if anything is said by so many.
const LEAST: f64 = 1.0 / 12.0;
/// Beyond this logarithm of odds, others hardly say it at all: more is no better.
const CLEAR: f64 = 3.5;

/// A phrase that could name a node.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) phrase: PhraseId,
    /// As written in a name.
    pub(super) words: Vec<WordId>,
    pub(super) text: String,
    /// Of the node's threads that say it.
    pub(super) share: f64,
    /// Larger is better: by counts, then by counts and form, then joint.
    pub(super) score: f64,
}

/// What ranking looks at.
pub(super) struct Ranking<'a> {
    pub(super) grouping: &'a Grouping,
    pub(super) phrases: &'a Phrases,
    pub(super) vocabulary: &'a Vocabulary,
    /// By node.
    pub(super) languages: &'a [Language],
    pub(super) is_leaf: &'a [bool],
}

impl Ranking<'_> {
    /// The phrases that members say and the rest of the report does not, best first.
    pub(super) fn long_list(&self, node: usize) -> Vec<Candidate> {
        let tops: Vec<usize> = self.grouping.children(None).collect();
        let all: f64 = tops.iter().map(|&top| self.phrases.size(top)).sum();
        let is_alone = all <= self.phrases.size(node);
        let least = if self.phrases.size(node) < 4.0 { 0.0 } else { 1.5 / self.phrases.size(node) };
        let mut candidates: Vec<Candidate> = self
            .phrases
            .of_node(node)
            .iter()
            .filter(|said| said.share > least)
            .filter(|said| self.phrases.language(said.phrase, self.vocabulary) == self.languages[node])
            .map(|said| {
                let contrast = if is_alone { 1.0 } else { self.contrast(node, said, all) };
                let score = said.share.powf(0.75) * contrast.min(CLEAR) * self.by_length(said.phrase);
                Candidate {
                    phrase: said.phrase,
                    words: Vec::new(),
                    text: String::new(),
                    share: said.share,
                    score,
                }
            })
            .filter(|candidate| candidate.score > 0.0)
            .collect();
        sort(&mut candidates);
        candidates.truncate(LONG_LIST);
        candidates
    }

    /// Logarithm of how much more often it is said here.
    fn contrast(&self, node: usize, said: &Said, all: f64) -> f64 {
        let beyond = self.phrases.beyond(node, said.share, said.phrase, all);
        let near = self.grouping.nodes[node].parent.map_or(0.0, |parent| {
            let (mine, family) = (self.phrases.size(node), self.phrases.size(parent));
            let others = self.phrases.share(parent, said.phrase) * family - said.share * mine;
            (others.max(0.0) + 0.5) / (family - mine + 1.0).max(2.0)
        });
        let contrast = (said.share / beyond.max(0.5 * near)).ln().max(0.0);
        // Where another leaf says it more, it is that leaf's name.
        let rival = if self.is_leaf[node] { self.phrases.rival(node, said.phrase) } else { 0.0 };
        if rival > said.share { contrast * said.share / rival } else { contrast }
    }

    fn by_length(&self, phrase: PhraseId) -> f64 {
        match self.phrases.words(phrase) {
            1 => 0.65,
            2 => 1.0,
            _ => 1.04,
        }
    }

    /// Gives candidates their written form, scores it and keeps the best.
    pub(super) fn shortlist(
        &self,
        node: usize,
        long_list: Vec<Candidate>,
        surfaces: &Surfaces,
    ) -> Vec<Candidate> {
        let language = self.languages[node];
        let mut candidates: Vec<Candidate> = long_list
            .into_iter()
            .map(|mut candidate| {
                candidate.words = surfaces.words(candidate.phrase, self.vocabulary, language);
                candidate.score *= self.by_form(&candidate, language);
                if self.is_leaf[node] {
                    self.with_verb(node, &mut candidate, surfaces);
                }
                candidate.text = written(&candidate.words, self.vocabulary);
                candidate
            })
            .filter(|candidate| !candidate.text.is_empty())
            .collect();
        // Most words with a capital are people and places: they name nothing while anything else does.
        let has_name = |candidate: &Candidate| {
            language != Language::German && candidate.words.iter().any(|&word| self.vocabulary.is_name(word))
        };
        if candidates.iter().any(|candidate| !has_name(candidate)) {
            candidates.retain(|candidate| !has_name(candidate));
        }
        self.prefer_longer(&mut candidates);
        sort(&mut candidates);
        let most = candidates.iter().take(SHORTLIST).map(|candidate| candidate.share).fold(0.0, f64::max);
        let least = (LEAST_OF_MOST * most).max(LEAST.min(most));
        candidates.retain(|candidate| candidate.share >= least);
        let mut seen = BTreeSet::new();
        candidates.retain(|candidate| seen.insert(candidate.text.clone()));
        candidates.truncate(SHORTLIST);
        candidates
    }

    /// "Shipping address" rather than "address", where those who say one mostly say the other.
    fn prefer_longer(&self, candidates: &mut [Candidate]) {
        let parts = |candidate: &Candidate| {
            let key = *self.phrases.key(candidate.phrase);
            (key, self.phrases.words(candidate.phrase))
        };
        let known: Vec<_> = candidates.iter().map(|candidate| (parts(candidate), candidate.share)).collect();
        for candidate in candidates {
            let (key, words) = parts(candidate);
            let longer = known.iter().filter(|((other, more), _)| {
                *more > words && key[..words].iter().all(|stem| other.contains(stem))
            });
            let said = longer.map(|(_, share)| *share).fold(0.0, f64::max) / candidate.share;
            let (enough, less) = if words == 1 { (0.4, 0.6) } else { (0.65, 0.8) };
            if said >= enough {
                candidate.score *= less;
            }
        }
    }

    /// How well a form reads as a name.
    fn by_form(&self, candidate: &Candidate, language: Language) -> f64 {
        let content: Vec<WordId> = candidate
            .words
            .iter()
            .copied()
            .filter(|&word| self.vocabulary.is_content(language, word))
            .collect();
        let (Some(&first), Some(&last)) = (content.first(), content.last()) else { return 0.0 };
        let is_verb = |word: WordId| self.vocabulary.is_verb(language, word);
        let verbs = content.iter().filter(|&&word| is_verb(word)).count();
        let mut fitness = 0.6 + 0.4 * self.phrases.whole(candidate.phrase);
        if verbs == content.len() {
            fitness *= if content.len() == 1 { 0.42 } else { 0.55 };
        } else if is_verb(first) {
            fitness *= 1.2;
        } else if is_verb(last) && language != Language::German {
            fitness *= 0.6;
        }
        if language != Language::German && content.iter().any(|&word| self.vocabulary.is_name(word)) {
            fitness *= if content.len() == 1 { 0.25 } else { 0.4 };
        }
        if language == Language::English && self.vocabulary.is_modifier(last) {
            fitness *= 0.5;
        }
        if !is_verb(last) && !self.vocabulary.is_noun(language, last) {
            fitness *= if content.len() == 1 { 0.5 } else { 0.7 };
        }
        let ending = self.vocabulary.word(last);
        if language == Language::English && (ending.ends_with("ly") || ending.ends_with("ed")) {
            fitness *= 0.45;
        }
        fitness
    }

    /// Puts the verb before a noun phrase that its texts mostly put there.
    fn with_verb(&self, leaf: usize, candidate: &mut Candidate, surfaces: &Surfaces) {
        let language = self.languages[leaf];
        let has_verb = candidate.words.iter().any(|&word| self.vocabulary.is_verb(language, word));
        if has_verb || self.phrases.words(candidate.phrase) > 2 || language == Language::German {
            return;
        }
        if let Some((verb, share)) = surfaces.verb(leaf, candidate.phrase) {
            candidate.words.splice(0..0, verb);
            candidate.score *= 1.0 + 0.4 * share;
        }
    }

    /// Reorders shortlists by meaning.
    pub(super) fn by_meaning(
        &self,
        shortlists: &mut [Vec<Candidate>],
        centroids: &[Vec<f32>],
        embedder: &dyn Embed,
    ) -> Result<(), Error> {
        let vectors = vectors(shortlists, embedder)?;
        shortlists.par_iter_mut().enumerate().for_each(|(node, list)| {
            let rivals: Vec<usize> = (0..centroids.len())
                .filter(|&other| other != node && self.is_rival(node, other) && !centroids[other].is_empty())
                .collect();
            let best = list.first().map_or(1.0, |candidate| candidate.score);
            for candidate in list.iter_mut() {
                candidate.score /= best;
                let Some(vector) = vectors.get(&candidate.text) else { continue };
                let own = super::similarity(vector, &centroids[node]);
                let nearest = rivals.iter().map(|&other| super::similarity(vector, &centroids[other]));
                let nearest = nearest.fold(f64::NEG_INFINITY, f64::max);
                let margin = if nearest.is_finite() { (own - nearest).clamp(-0.3, 0.3) } else { 0.0 };
                let is_nearest = if margin > 0.0 { 0.08 } else { 0.0 };
                // One bare word could be about anything.
                let is_bare = if self.is_leaf[node] && candidate.words.len() == 1 { 0.15 } else { 0.0 };
                candidate.score += 0.8 * own + 2.0 * margin + is_nearest - is_bare;
            }
            sort(list);
        });
        Ok(())
    }

    /// Puts the wording that lies nearest to a leaf before the bare word that names it so far,
    /// unless the word is nearer.
    pub(super) fn with_wordings(
        &self,
        lists: &mut [Vec<Candidate>],
        wordings: &[Vec<Wording>],
        centroids: &[Vec<f32>],
        embedder: &dyn Embed,
    ) -> Result<(), Error> {
        let texts: BTreeSet<&str> = lists
            .iter()
            .zip(wordings)
            .filter(|(_, wordings)| !wordings.is_empty())
            .flat_map(|(list, wordings)| {
                let bare = list.first().map(|candidate| candidate.text.as_str());
                bare.into_iter().chain(wordings.iter().map(|wording| wording.text.as_str()))
            })
            .collect();
        let vectors = vectors_of(&texts, embedder)?;
        for (node, list) in lists.iter_mut().enumerate().filter(|(node, _)| !wordings[*node].is_empty()) {
            let margin = |text: &str| {
                let vector = &vectors[text];
                let own = super::similarity(vector, &centroids[node]);
                let rivals = (0..centroids.len()).filter(|&other| {
                    other != node && self.is_rival(node, other) && !centroids[other].is_empty()
                });
                let nearest = rivals.map(|other| super::similarity(vector, &centroids[other]));
                (own, own - nearest.fold(-1.0, f64::max))
            };
            let Some(bare) = list.first().cloned() else { continue };
            let (own, lead) = margin(&bare.text);
            let best = wordings[node]
                .iter()
                .map(|wording| (wording, margin(&wording.text)))
                .filter(|(_, (near, ahead))| *near >= own && *ahead > 0.0 && *ahead >= lead - 0.05)
                .map(|(wording, (near, ahead))| (wording, near + ahead + 0.5 * wording.share))
                .fold(None, |best: Option<(&Wording, f64)>, next| match best {
                    Some(best) if best.1 >= next.1 => Some(best),
                    _ => Some(next),
                });
            if let Some((wording, _)) = best {
                let (words, text) = (wording.words.clone(), wording.text.clone());
                list.insert(0, Candidate { words, text, share: wording.share, ..bare });
            }
        }
        Ok(())
    }

    /// Leaves are told apart from all leaves, inner nodes from their siblings.
    fn is_rival(&self, node: usize, other: usize) -> bool {
        let is_sibling = self.grouping.nodes[node].parent == self.grouping.nodes[other].parent;
        if self.is_leaf[node] { self.is_leaf[other] } else { is_sibling }
    }
}

/// Best first; of equals the first in the alphabet of stems.
fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.phrase.cmp(&b.phrase)));
}

/// Every distinct text once.
fn vectors(shortlists: &[Vec<Candidate>], embedder: &dyn Embed) -> Result<BTreeMap<String, Vec<f32>>, Error> {
    let texts: BTreeSet<&str> =
        shortlists.iter().flatten().map(|candidate| candidate.text.as_str()).collect();
    vectors_of(&texts, embedder)
}

fn vectors_of(texts: &BTreeSet<&str>, embedder: &dyn Embed) -> Result<BTreeMap<String, Vec<f32>>, Error> {
    let texts: Vec<&str> = texts.iter().copied().collect();
    let mut vectors = BTreeMap::new();
    for texts in texts.chunks(assay_llm::CHUNK) {
        vectors.extend(texts.iter().map(|text| (*text).to_owned()).zip(embedder.embed(texts)?));
    }
    Ok(vectors)
}
