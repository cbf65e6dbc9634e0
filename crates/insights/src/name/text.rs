//! Requests as sequences of word forms, without copying their letters.
//!
//! A form is a slice of the text as it was written. What separates words other
//! than blanks ends a sentence, so no phrase runs across a comma or a quote.

use std::collections::HashMap;

use rayon::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::words::is_particle;

/// Words of a text that are looked at.
const WORDS_READ: usize = 60;
/// Texts split at once: bounds what is held besides the result.
const CHUNK: usize = 4_096;

/// Stands between sentences.
pub(super) const STOP: u32 = u32::MAX;

/// Texts as indices of forms, [`STOP`] between sentences.
pub(super) struct Forms<'t> {
    /// Distinct forms as written, in order of first appearance.
    pub(super) forms: Vec<&'t str>,
    pub(super) texts: Vec<Vec<u32>>,
}

impl<'t> Forms<'t> {
    pub(super) fn read(texts: &[&'t str]) -> Self {
        let mut index: HashMap<&'t str, u32> = HashMap::new();
        let mut forms: Vec<&'t str> = Vec::new();
        let mut read: Vec<Vec<u32>> = Vec::with_capacity(texts.len());
        for chunk in texts.chunks(CHUNK) {
            let split: Vec<Vec<Option<&'t str>>> = chunk.par_iter().map(|text| split(text)).collect();
            for words in split {
                let mut numbered = |word: &'t str| {
                    *index.entry(word).or_insert_with(|| {
                        forms.push(word);
                        forms.len() as u32 - 1
                    })
                };
                read.push(words.into_iter().map(|word| word.map_or(STOP, &mut numbered)).collect());
            }
        }
        Self { forms, texts: read }
    }
}

/// The word a form is written for: lower case, straight apostrophes, no possessive.
pub(super) fn lower(form: &str) -> String {
    let word = form.to_lowercase().replace('’', "'");
    match word.strip_suffix("'s") {
        Some(owner)
            if !matches!(owner, "it" | "that" | "there" | "what" | "where" | "how" | "who" | "let") =>
        {
            owner.to_owned()
        }
        _ => match word.split_once(['-', ' ']) {
            Some((verb, particle)) if is_particle(particle) => format!("{verb} {particle}"),
            _ => word,
        },
    }
}

/// Words of a text, `None` where a sentence ends.
fn split(text: &str) -> Vec<Option<&str>> {
    let mut words: Vec<Option<&str>> = Vec::new();
    // Where the word before begins and ends.
    let mut before: Option<(usize, usize)> = None;
    for (at, word) in text.unicode_word_indices().take(WORDS_READ) {
        let end = at + word.len();
        let gap = before.map(|(_, ended)| &text[ended..at]);
        let joined = match (gap, before) {
            (Some("-"), Some((began, _))) if is_short(&text[began..end]) => Some(began),
            (Some(" "), Some((began, _))) if takes_particle(text[began..at].trim_end(), word) => Some(began),
            _ => None,
        };
        if let Some(began) = joined {
            words.pop();
            words.push(Some(&text[began..end]));
            before = Some((began, end));
            continue;
        }
        if gap.is_some_and(|gap| !gap.chars().all(char::is_whitespace) || gap.contains('\n')) {
            words.push(None);
        }
        let is_address =
            text[end..].starts_with('@') || text[..at].ends_with('@') || is_part_of_id(text, at, end);
        let begin = at + elision(word);
        words.push(if is_address { None } else { Some(&text[begin..end]) });
        before = Some((begin, end));
    }
    words
}

/// "TR" in "TR-12345" and "12345-TR".
fn is_part_of_id(text: &str, at: usize, end: usize) -> bool {
    let mut after = text[end..].chars();
    let mut before = text[..at].chars().rev();
    let is_joint = |c: Option<char>| matches!(c, Some('-' | '_' | '#' | ':' | '/'));
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    (is_joint(after.next()) && is_digit(after.next())) || (is_joint(before.next()) && is_digit(before.next()))
}

/// Two words that a hyphen makes one, and not a chain of them.
fn is_short(compound: &str) -> bool {
    compound.len() <= 20
        && compound.matches('-').count() == 1
        && compound.chars().all(|c| c.is_alphabetic() || c == '-')
}

/// "sign up", but not "I up" or "flight back": only verbs that are known for it.
fn takes_particle(verb: &str, particle: &str) -> bool {
    match verb.to_ascii_lowercase().as_str() {
        "turn" | "turning" | "switch" | "switching" => is_particle(particle) || particle == "on",
        "sign" | "signing" | "set" | "setting" | "pick" | "picking" | "look" | "log" | "logging" | "opt"
        | "fill" | "filling" | "call" | "roll" | "rolling" | "give" | "open" | "hang" | "check" | "find"
        | "pay" | "back" | "clean" | "shut" | "follow" | "top" => is_particle(particle),
        _ => false,
    }
}

/// Bytes of an elided article or pronoun: `l'`, `d'`, `qu'`.
fn elision(word: &str) -> usize {
    let Some((head, rest)) = word.split_once(['\'', '’']) else { return 0 };
    let is_elided = match head.as_bytes() {
        [one] => b"ldjnmtcLDJNMTC".contains(one),
        b"qu" | b"Qu" => true,
        _ => false,
    };
    if is_elided && rest.chars().count() > 1 { word.len() - rest.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_signs_and_particles_join_their_verb() {
        let found = split("Sign up, please: l'adresse one-way a@b.com TR-123 ok");
        let words: Vec<&str> = found.iter().map(|word| word.unwrap_or("|")).collect();
        assert_eq!(
            words,
            ["Sign up", "|", "please", "|", "adresse", "one-way", "|", "|", "|", "|", "|", "123", "ok"]
        );
    }

    #[test]
    fn forms_of_one_word_have_one_lower_form() {
        assert_eq!(lower("Sign-Up"), "sign up");
        assert_eq!(lower("Nike’s"), "nike");
        assert_eq!(lower("what's"), "what's");
    }
}
