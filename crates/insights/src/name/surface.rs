//! How a phrase is written in a name.
//!
//! The form is the most common one its texts use, without articles: "cancel
//! order". A noun phrase gets the verb that its texts put before it: "track
//! refund". Tops are written in the plural.

use std::collections::{BTreeMap, HashMap};

use super::phrases::{Occurrence, PhraseId, Phrases, occurrences};
use super::vocabulary::{Reading, Token, Vocabulary, WordId};
use super::words::{Class, Language};

/// Share of the texts with a noun phrase that must put a verb before it.
const OFTEN: f64 = 0.2;
/// Tokens between the verb and the phrase.
const REACH: usize = 4;
/// A form in which the words stand together counts this often.
const WHOLE: u32 = 4;

/// The forms of chosen phrases, and the verbs before them by leaf.
#[derive(Default)]
pub(super) struct Surfaces {
    forms: HashMap<PhraseId, BTreeMap<Vec<WordId>, u32>>,
    /// Content words right after a phrase.
    followers: HashMap<PhraseId, BTreeMap<WordId, u32>>,
    /// Content verbs and light verbs, with the texts that have any occurrence.
    verbs: HashMap<(usize, PhraseId), Before>,
}

#[derive(Default)]
struct Before {
    texts: u32,
    content: BTreeMap<WordId, Verb>,
    light: BTreeMap<WordId, Verb>,
}

/// How often a verb stands before a phrase, and with which preposition between.
#[derive(Default)]
struct Verb {
    texts: u32,
    with: BTreeMap<Option<WordId>, u32>,
}

impl Surfaces {
    /// Reads the leaves' texts again for the phrases that are `wanted` of any node;
    /// `wanted` is sorted and by leaf, with those of the nodes above.
    pub(super) fn read(
        readings: &[Reading],
        vocabulary: &Vocabulary,
        phrases: &Phrases,
        read: &[Vec<usize>],
        wanted: &[Vec<PhraseId>],
    ) -> Self {
        let mut surfaces = Self::default();
        for (leaf, texts) in read.iter().enumerate().filter(|(leaf, _)| !wanted[*leaf].is_empty()) {
            for &text in texts {
                let mut first_seen: BTreeMap<PhraseId, Occurrence> = BTreeMap::new();
                occurrences(&readings[text], vocabulary, |found| {
                    let Some(phrase) = phrases.find(&found.key) else { return };
                    if wanted[leaf].binary_search(&phrase).is_ok() {
                        let known = first_seen.entry(phrase).or_insert(found);
                        if found.is_whole && !known.is_whole {
                            *known = found;
                        }
                    }
                });
                for (phrase, found) in first_seen {
                    surfaces.note(leaf, phrase, found, &readings[text], vocabulary);
                }
            }
        }
        surfaces
    }

    fn note(
        &mut self,
        leaf: usize,
        phrase: PhraseId,
        found: Occurrence,
        reading: &Reading,
        vocabulary: &Vocabulary,
    ) {
        let tokens = &reading.tokens;
        let inside = if found.is_whole {
            let kept = |class: Class| matches!(class, Class::Content | Class::Inner | Class::To);
            tokens[found.first..=found.last]
                .iter()
                .filter(|token| kept(token.class))
                .map(|token| token.word)
                .collect()
        } else {
            let with = preposition(&tokens[found.first + 1..found.last]);
            [Some(tokens[found.first].word), with, Some(tokens[found.last].word)]
                .into_iter()
                .flatten()
                .collect()
        };
        let weight = if found.is_whole { WHOLE } else { 1 };
        *self.forms.entry(phrase).or_default().entry(inside).or_default() += weight;

        if let Some(next) = tokens.get(found.last + 1).filter(|next| next.class == Class::Content) {
            *self.followers.entry(phrase).or_default().entry(next.word).or_default() += 1;
        }
        let before = self.verbs.entry((leaf, phrase)).or_default();
        before.texts += 1;
        let Some((verb, class, at)) = verb_before(reading, found.first, vocabulary) else { return };
        let verbs = if class == Class::Light { &mut before.light } else { &mut before.content };
        let noted = verbs.entry(verb).or_default();
        noted.texts += 1;
        *noted.with.entry(preposition(&tokens[at + 1..found.first])).or_default() += 1;
    }

    /// The words of a phrase as they are usually written; an English verb that begins it in its base form.
    pub(super) fn words(&self, phrase: PhraseId, vocabulary: &Vocabulary, language: Language) -> Vec<WordId> {
        let Some(forms) = self.forms.get(&phrase) else { return Vec::new() };
        // Of equals the shortest, then the first in the alphabet.
        let best =
            forms.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.len().cmp(&a.0.len())).then(b.0.cmp(a.0)));
        let mut words = best.map(|(words, _)| words.clone()).unwrap_or_default();
        if language == Language::English && words.len() > 1 && vocabulary.is_verb(language, words[0]) {
            words[0] = vocabulary.base(words[0]);
        }
        // "Reach customer" lacks its noun: "support".
        if language == Language::English
            && words.len() < 3
            && words.last().is_some_and(|&last| vocabulary.is_modifier(last))
            && let Some(followers) = self.followers.get(&phrase)
        {
            let next = followers.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
            words.extend(next.map(|(&word, _)| word).filter(|word| !words.contains(word)));
        }
        words
    }

    /// The verb that the leaf's texts put before a noun phrase, with its preposition, and the
    /// share of those that do.
    pub(super) fn verb(&self, leaf: usize, phrase: PhraseId) -> Option<(Vec<WordId>, f64)> {
        let before = self.verbs.get(&(leaf, phrase))?;
        let most = |verbs: &BTreeMap<WordId, Verb>| {
            let (&verb, noted) = verbs.iter().max_by(|a, b| a.1.texts.cmp(&b.1.texts).then(b.0.cmp(a.0)))?;
            let (with, _) = noted.with.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)))?;
            let words = std::iter::once(verb).chain(*with).collect();
            Some((words, f64::from(noted.texts) / f64::from(before.texts.max(1))))
        };
        let often = |found: &(Vec<WordId>, f64)| found.1 >= OFTEN;
        most(&before.content).filter(often).or_else(|| most(&before.light).filter(often))
    }
}

/// The preposition right after a verb, where nothing but words of the phrase follows.
fn preposition(after: &[Token]) -> Option<WordId> {
    let is_small = |token: &&Token| matches!(token.class, Class::Determiner | Class::Pronoun);
    let mut after = after.iter().skip_while(is_small);
    let next = after.next().filter(|next| matches!(next.class, Class::Inner | Class::To))?;
    after.all(|token| is_small(&token) || token.class == Class::Content).then_some(next.word)
}

/// The nearest verb before a phrase, in its base form, and where it stands.
fn verb_before(reading: &Reading, first: usize, vocabulary: &Vocabulary) -> Option<(WordId, Class, usize)> {
    let mut passed = 0;
    let mut is_near = true;
    let mut is_beyond = false;
    for (at, token) in reading.tokens[..first].iter().enumerate().rev().take(REACH) {
        match token.class {
            Class::Content if vocabulary.is_verb(reading.language, token.word) => {
                let is_english = reading.language == Language::English;
                let verb = if is_english { vocabulary.base(token.word) } else { token.word };
                return Some((verb, Class::Content, at));
            }
            // Only right before the phrase: "tell me a joke", but not "tell me where the car is".
            Class::Light if is_near => return Some((token.word, Class::Light, at)),
            // The phrase says where or what for: the word before it is the verb's object.
            Class::Content if passed == 0 && !is_beyond => passed += 1,
            Class::Content | Class::Stop => return None,
            _ => {}
        }
        is_beyond |= matches!(token.class, Class::Inner | Class::To);
        is_near &= matches!(token.class, Class::Determiner | Class::Pronoun);
    }
    None
}

/// Words as text.
pub(super) fn written(words: &[WordId], vocabulary: &Vocabulary) -> String {
    words.iter().map(|&word| vocabulary.shown(word)).collect::<Vec<_>>().join(" ")
}

/// The same with its last noun in the plural, where it can be counted.
pub(super) fn plural(words: &[WordId], vocabulary: &Vocabulary) -> String {
    let Some((&last, init)) = words.split_last() else { return String::new() };
    let last = vocabulary.plural(last).unwrap_or_else(|| vocabulary.shown(last).to_owned());
    let init = written(init, vocabulary);
    if init.is_empty() { last } else { format!("{init} {last}") }
}
