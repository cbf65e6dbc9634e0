//! Texts as the stand-in reads them: words, sentences, tokens.
//!
//! Small rules that anybody can check by hand; nothing here is meant to be a
//! good reader, only an honest and repeatable one.

use std::collections::{BTreeMap, BTreeSet};

/// Words that say nothing of what a text is about.
const COMMON: &str = " a about after all also am an and any are as at be been before but by can could did do does \
    for from get had has have he hello her hi him his how i if in into is it its just know let like me more my need \
    new no not now of on one or other our out over please she should so some such than thank thanks that the their \
    them then there these they this those to too up us very want was we were what when where which who why will \
    with would yes you your user assistant human agent system tool message messages answer ok okay sure help ";

/// The stand-in's token rule: every run of letters and digits is one token for
/// each eight characters or part of it, and every run of other characters that
/// are no blanks is one for each three. That is within a tenth of `o200k_base`
/// on conversations and JSON. Never more than the text has bytes.
#[must_use]
pub fn tokens(text: &str) -> u64 {
    let (mut tokens, mut word, mut marks) = (0, 0_u64, 0_u64);
    for c in text.chars() {
        let (is_word, is_mark) = (c.is_alphanumeric(), !c.is_alphanumeric() && !c.is_whitespace());
        if !is_word {
            tokens += std::mem::take(&mut word).div_ceil(8);
        }
        if !is_mark {
            tokens += std::mem::take(&mut marks).div_ceil(3);
        }
        word += u64::from(is_word);
        marks += u64::from(is_mark);
    }
    tokens + word.div_ceil(8) + marks.div_ceil(3)
}

/// The words of a text that carry meaning, in lower case, in order.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 2)
        .map(str::to_lowercase)
        .filter(|word| !COMMON.contains(&format!(" {word} ")) && !word.chars().all(|c| c.is_ascii_digit()))
        .collect()
}

/// Words by how often they occur, then by where they first do.
pub(crate) fn keywords(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (place, word) in words(text).into_iter().enumerate() {
        seen.entry(word).or_insert((0, place)).0 += 1;
    }
    let mut ranked: Vec<(String, (usize, usize))> = seen.into_iter().collect();
    ranked.sort_by_key(|(_, (count, place))| (std::cmp::Reverse(*count), *place));
    ranked.into_iter().map(|(word, _)| word).collect()
}

/// How many different words two texts share; word forms count as one where
/// the first five letters agree.
pub(crate) fn overlap(a: &BTreeSet<String>, text: &str) -> usize {
    let b = stems(text);
    a.intersection(&b).count()
}

pub(crate) fn stems(text: &str) -> BTreeSet<String> {
    words(text).into_iter().map(|word| word.chars().take(5).collect()).collect()
}

/// Sentences as they stand in the text, trimmed, not empty.
pub(crate) fn sentences(text: &str) -> Vec<&str> {
    let ends = |c: char| matches!(c, '.' | '!' | '?' | '\n');
    text.split_inclusive(ends).map(str::trim).filter(|part| part.chars().any(char::is_alphanumeric)).collect()
}

/// At most so many characters, whole words where possible.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most).collect();
    match cut.rsplit_once(' ') {
        Some((whole, _)) if !whole.is_empty() => whole.to_owned(),
        _ => cut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_as_stated() {
        for (text, count) in
            [("", 0), ("one two", 2), ("refunds!", 2), ("a-b", 3), ("{\"a\":[", 3), ("日本", 1), ("  \n", 0)]
        {
            assert_eq!(tokens(text), count, "{text}");
            assert!(tokens(text) <= text.len() as u64);
        }
    }

    #[test]
    fn keywords_are_what_a_text_repeats() {
        assert_eq!(keywords("The refund. I want my refund for the parcel!")[..2], ["refund", "parcel"]);
        assert_eq!(shorten("cancel the order", 12), "cancel the");
        assert_eq!(sentences("One. Two!\nThree"), ["One.", "Two!", "Three"]);
    }
}
