//! How members put it, for categories that no phrase names well.
//!
//! One bare word could be about anything: "arrive", "age". Where the best
//! phrase is one, the most common wording of the members says more: "when will
//! my package arrive", "how old are you". A wording is a run of words from the
//! beginning of a sentence, or from a word with content, up to such a word or
//! the sentence's end.

use std::collections::{BTreeMap, BTreeSet};

use super::vocabulary::{Reading, Token, Vocabulary, WordId};
use super::words::{Class, Language};

/// Words in a wording.
const SHORTEST: usize = 2;
const LONGEST: usize = 6;
/// A wording is that of at least so many texts, and of this share of them.
const LEAST_TEXTS: usize = 3;
const LEAST_SHARE: f64 = 0.04;
/// How many are handed on.
const KEPT: usize = 12;

/// A run of words and the share of the category's texts that have it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wording {
    pub(super) text: String,
    pub(super) words: Vec<WordId>,
    pub(super) share: f64,
}

/// The most common wordings of some texts, those that say most first.
pub(super) fn of(texts: &[&Reading], vocabulary: &Vocabulary, language: Language) -> Vec<Wording> {
    let mut counts: BTreeMap<Vec<WordId>, usize> = BTreeMap::new();
    for reading in texts.iter().filter(|reading| reading.language == language) {
        let found: BTreeSet<Vec<WordId>> = sentences(&reading.tokens)
            .flat_map(|sentence| runs(sentence, vocabulary, language))
            .map(|run| run.iter().map(|token| token.word).collect())
            .collect();
        found.into_iter().for_each(|words| *counts.entry(words).or_default() += 1);
    }
    let all = texts.len().max(1) as f64;
    let mut wordings: Vec<Wording> = counts
        .into_iter()
        .filter(|(_, count)| *count >= LEAST_TEXTS && *count as f64 >= LEAST_SHARE * all)
        .map(|(words, count)| Wording { text: text(&words, vocabulary), words, share: count as f64 / all })
        .collect();
    // Longer runs say more than their parts; equals in the order of the alphabet.
    let weight = |wording: &Wording| wording.share.sqrt() * (wording.words.len() as f64).sqrt();
    wordings.sort_by(|a, b| weight(b).total_cmp(&weight(a)).then_with(|| a.text.cmp(&b.text)));
    wordings.truncate(KEPT);
    wordings
}

/// As written; the English "i" is a capital whatever people type.
fn text(words: &[WordId], vocabulary: &Vocabulary) -> String {
    let shown = words.iter().map(|&word| match vocabulary.shown(word) {
        "i" => "I",
        "i'm" => "I'm",
        "i've" => "I've",
        other => other,
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn sentences(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    tokens.split(|token| token.class == Class::Stop).filter(|sentence| !sentence.is_empty())
}

/// The runs of a sentence that could stand alone.
fn runs<'t>(
    sentence: &'t [Token],
    vocabulary: &Vocabulary,
    language: Language,
) -> impl Iterator<Item = &'t [Token]> {
    let reads_well = |run: &[Token]| {
        let has_name = run.iter().any(|token| vocabulary.is_name(token.word));
        let has_number =
            run.iter().any(|token| vocabulary.word(token.word).contains(|c: char| c.is_numeric()));
        !has_name && !has_number
    };
    let begins = |at: usize| match sentence[at].class {
        Class::Content => at == 0 || !matches!(sentence[at - 1].class, Class::Content),
        Class::Light => true,
        _ => at == 0 && is_question(vocabulary.word(sentence[at].word)),
    };
    let ends = |at: usize| at + 1 == sentence.len() || sentence[at].class == Class::Content;
    let mut found = Vec::new();
    for first in (0..sentence.len()).filter(|&at| begins(at)) {
        // "Pets do you own" lacks its beginning; "show me my bill" does not.
        let needs_phrase = first > 0
            && sentence[first].class == Class::Content
            && !vocabulary.is_verb(language, sentence[first].word);
        let in_phrase = |token: &&Token| {
            matches!(token.class, Class::Content | Class::Determiner | Class::Inner | Class::To)
        };
        let rest = &sentence[first..];
        let reach =
            if needs_phrase { rest.iter().take_while(in_phrase).count() } else { rest.len() }.min(LONGEST);
        for last in first + SHORTEST - 1..first + reach {
            let run = &sentence[first..=last];
            // A whole sentence may do without: "where are you from".
            let says_something = run.iter().any(|token| token.class == Class::Content)
                || (first == 0 && last + 1 == sentence.len() && run.len() > SHORTEST);
            if ends(last) && says_something && reads_well(run) {
                found.push(run);
            }
        }
    }
    found.into_iter()
}

/// Words that a question begins with.
fn is_question(word: &str) -> bool {
    matches!(
        word,
        "what"
            | "what's"
            | "how"
            | "how's"
            | "where"
            | "where's"
            | "when"
            | "when's"
            | "who"
            | "who's"
            | "why"
            | "which"
            | "is"
            | "are"
            | "do"
            | "does"
    )
}
