//! Names of categories of categories: the two or three things their children
//! are about, as plain nouns.

use super::phrases::{PhraseId, Phrases};
use super::rank::Candidate;
use super::surface::plural;
use super::vocabulary::{Vocabulary, WordId};
use super::words::Language;

/// Most parts of a name.
const PARTS: usize = 3;
/// A child is about a phrase from this share of its threads on.
const ABOUT: f64 = 0.15;
/// A further part adds at least this share of the threads.
const WORTH: f64 = 0.12;
/// A name gets no further part beyond so many characters.
const LONG: usize = 36;

/// A node above others.
pub(super) struct Top<'a> {
    pub(super) children: &'a [usize],
    pub(super) language: Language,
    pub(super) phrases: &'a Phrases,
    pub(super) vocabulary: &'a Vocabulary,
}

impl Top<'_> {
    /// Lifts what names the whole node: nouns that many children share.
    pub(super) fn weigh(&self, candidates: &mut Vec<Candidate>) {
        let size: f64 = self.children.iter().map(|&child| self.phrases.size(child)).sum();
        let is_thing = |word: &WordId| self.vocabulary.is_noun(self.language, *word);
        if candidates.iter().any(|candidate| candidate.words.iter().all(is_thing)) {
            candidates.retain(|candidate| candidate.words.iter().any(is_thing));
        }
        let everything = candidates.clone();
        candidates.retain(|candidate| {
            let about = self.about(candidate.phrase);
            let largest = about.iter().map(|&child| self.phrases.size(child)).fold(0.0, f64::max);
            let covers_many = about.len() * 2 >= self.children.len() || candidate.share >= 0.4;
            // A word of one small child says nothing of its siblings.
            covers_many || about.len() >= 2 || largest >= size * 0.25
        });
        if candidates.is_empty() {
            *candidates = everything;
        }
        for candidate in candidates.iter_mut() {
            let content = |word: &&WordId| self.vocabulary.is_content(self.language, **word);
            let words: Vec<WordId> = candidate.words.iter().filter(content).copied().collect();
            let verbs = words.iter().filter(|&&word| !self.vocabulary.is_noun(self.language, word)).count();
            candidate.score *= match (words.len(), verbs) {
                (1, 0) => 1.4,
                (_, 0) => 1.0,
                (1, _) => 0.25,
                _ => 0.3,
            };
            let spread = self.about(candidate.phrase).len() as f64 / self.children.len().max(1) as f64;
            candidate.score *= 0.6 + 0.4 * spread;
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.phrase.cmp(&b.phrase)));
    }

    /// The children that are about a phrase.
    fn about(&self, phrase: PhraseId) -> Vec<usize> {
        self.children.iter().copied().filter(|&child| self.phrases.share(child, phrase) >= ABOUT).collect()
    }

    /// One to three nouns that complement each other.
    pub(super) fn name(&self, ranked: &[Candidate]) -> Option<String> {
        let mut parts: Vec<&Candidate> = vec![ranked.first()?];
        while parts.len() < PARTS {
            let long = parts.iter().map(|part| part.text.chars().count() + 2).sum::<usize>();
            let next = ranked
                .iter()
                .filter(|candidate| !parts.iter().any(|part| self.overlap(part, candidate)))
                .filter(|candidate| long + candidate.text.chars().count() <= LONG)
                .map(|candidate| (self.gain(&parts, candidate), candidate))
                .filter(|(gain, _)| *gain >= WORTH)
                .max_by(|a, b| {
                    (a.0 * a.1.score).total_cmp(&(b.0 * b.1.score)).then(b.1.phrase.cmp(&a.1.phrase))
                });
            match next {
                Some((_, candidate)) => parts.push(candidate),
                None => break,
            }
        }
        let parts: Vec<String> = parts.iter().map(|part| self.written(part)).collect();
        let and = match self.language {
            Language::English | Language::Other => "and",
            Language::Spanish => "y",
            Language::German => "und",
            Language::French => "et",
        };
        match parts.as_slice() {
            [init @ .., last] if !init.is_empty() => Some(format!("{} {and} {last}", init.join(", "))),
            _ => parts.into_iter().next(),
        }
    }

    /// Share of the threads that another part speaks of and none before does.
    fn gain(&self, parts: &[&Candidate], next: &Candidate) -> f64 {
        let size: f64 = self.children.iter().map(|&child| self.phrases.size(child)).sum();
        let gained = self.children.iter().map(|&child| {
            let known = parts.iter().map(|part| self.phrases.share(child, part.phrase)).fold(0.0, f64::max);
            (self.phrases.share(child, next.phrase) - known).max(0.0) * self.phrases.size(child)
        });
        gained.sum::<f64>() / size.max(1.0)
    }

    fn overlap(&self, a: &Candidate, b: &Candidate) -> bool {
        let stem = |word: &WordId| self.vocabulary.stem(self.language, *word);
        a.words.iter().any(|word| b.words.iter().any(|other| stem(word) == stem(other)))
    }

    fn written(&self, part: &Candidate) -> String {
        let is_plain = part.words.iter().all(|&word| {
            self.vocabulary.is_content(self.language, word) && self.vocabulary.is_noun(self.language, word)
        });
        if self.language == Language::English && is_plain {
            plural(&part.words, self.vocabulary)
        } else {
            part.text.clone()
        }
    }
}
