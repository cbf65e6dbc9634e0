//! Cuts text into the word pieces an uncased BERT was trained on.
//!
//! Follows the reference tokenizer step by step, and in one place does not:
//! text that spells a control token, such as `[SEP]`, stays text. The work is
//! done lazily and ends when enough pieces are found, so that a huge text
//! costs no more than its beginning.

use std::collections::HashMap;

use unicode_categories::UnicodeCategories;
use unicode_normalization::UnicodeNormalization;

use crate::Error;

/// Longer words are not in any vocabulary and become one unknown piece.
const LONGEST_WORD: usize = 100;

/// How much of a text is looked at, in bytes. It only matters to texts that
/// fill less than the model's window with this much, such as one endless word.
const LONGEST_TEXT: usize = 64 * 1024;

/// A WordPiece vocabulary and the three control tokens it must have.
#[derive(Debug)]
pub(super) struct Tokenizer {
    beginnings: HashMap<Box<str>, u32>,
    continuations: HashMap<Box<str>, u32>,
    /// Length of the longest piece, in bytes: nothing longer is looked up.
    longest_piece: usize,
    size: usize,
    unknown: u32,
    start: u32,
    end: u32,
}

impl Tokenizer {
    /// Reads a `vocab.txt`: one piece per line, the line number is its id.
    pub(super) fn parse(vocabulary: &str) -> Result<Self, Error> {
        let mut beginnings = HashMap::new();
        let mut continuations = HashMap::new();
        let mut longest_piece = 0;
        let mut size = 0;
        for (id, line) in (0_u32..).zip(vocabulary.lines()) {
            let piece = line.trim_end();
            longest_piece = longest_piece.max(piece.len());
            size += 1;
            match piece.strip_prefix("##") {
                Some(rest) if !rest.is_empty() => continuations.insert(rest.into(), id),
                _ => beginnings.insert(piece.into(), id),
            };
        }
        let control = |token: &str| {
            let id = beginnings.get(token).copied();
            id.ok_or_else(|| Error::unsupported(format!("its vocabulary has no {token}")))
        };
        let (unknown, start, end) = (control("[UNK]")?, control("[CLS]")?, control("[SEP]")?);
        Ok(Self { beginnings, continuations, longest_piece, size, unknown, start, end })
    }

    /// How many pieces there are; every id is below.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Encodes the beginning of a text as at most `max_tokens` ids, of which
    /// the first and the last are the model's start and end tokens.
    pub(super) fn encode(&self, text: &str, max_tokens: usize) -> Vec<u32> {
        let room = max_tokens.saturating_sub(1);
        let mut ids = vec![self.start];
        let mut word = Word::default();
        for character in normalized(beginning(text)) {
            let is_space = character.is_whitespace();
            let is_alone = character.is_ascii_punctuation() || character.is_punctuation();
            if is_space || is_alone {
                self.finish(&mut word, &mut ids);
            }
            if !is_space {
                word.push(character);
            }
            if is_alone {
                self.finish(&mut word, &mut ids);
            }
            if ids.len() >= room {
                break;
            }
        }
        self.finish(&mut word, &mut ids);
        ids.truncate(room);
        ids.push(self.end);
        ids
    }

    /// Appends the pieces of a word, and empties it.
    ///
    /// The longest known piece is taken first, then the longest that continues
    /// it; if any part of the word is unknown, all of it is.
    fn finish(&self, word: &mut Word, ids: &mut Vec<u32>) {
        if word.characters == 0 {
            return;
        }
        let before = ids.len();
        let mut rest = if word.characters > LONGEST_WORD { None } else { Some(word.text.as_str()) };
        let mut pieces = &self.beginnings;
        while let Some(part) = rest.filter(|part| !part.is_empty()) {
            let found = (1..=part.len().min(self.longest_piece)).rev().find_map(|length| {
                let (piece, rest) = part.split_at_checked(length)?;
                Some((*pieces.get(piece)?, rest))
            });
            if let Some((id, _)) = found {
                ids.push(id);
            }
            rest = found.map(|(_, rest)| rest);
            pieces = &self.continuations;
        }
        if rest.is_none() {
            ids.truncate(before);
            ids.push(self.unknown);
        }
        word.text.clear();
        word.characters = 0;
    }
}

/// A word while it is being read.
#[derive(Default)]
struct Word {
    text: String,
    characters: usize,
}

impl Word {
    fn push(&mut self, character: char) {
        self.characters += 1;
        // What comes after is not needed to know that the word is too long.
        if self.characters <= LONGEST_WORD {
            self.text.push(character);
        }
    }
}

fn beginning(text: &str) -> &str {
    let text = text.trim_start();
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Removes control characters and accents, sets ideographs apart as words, and
/// writes everything in lower case.
fn normalized(text: &str) -> impl Iterator<Item = char> {
    text.chars()
        .filter(|&c| !is_removed(c))
        .flat_map(|c| {
            let c = if c.is_whitespace() { ' ' } else { c };
            let margin = is_ideograph(c).then_some(' ');
            margin.into_iter().chain([c]).chain(margin)
        })
        .nfd()
        .filter(|c| !c.is_mark_nonspacing())
        .flat_map(char::to_lowercase)
}

fn is_removed(c: char) -> bool {
    c == '\u{FFFD}' || (c.is_other() && !matches!(c, '\t' | '\n' | '\r'))
}

/// The blocks BERT calls Chinese; kana and hangul are not among them.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[u32]) {
        let tokenizer = Tokenizer::parse(include_str!("../../assets/vocab.txt")).unwrap();
        let ids = tokenizer.encode(text, 256);
        assert_eq!((ids[0], ids[ids.len() - 1]), (101, 102));
        assert_eq!(ids[1..ids.len() - 1], *expected);
    }

    // The expected ids are those of the published tokenizer.

    #[test]
    fn words_and_punctuation_stand_alone() {
        check("how do I reset my password?", &[2129, 2079, 1045, 25141, 2026, 20786, 1029]);
    }

    #[test]
    fn identifiers_fall_apart() {
        check("search_flights", &[3945, 1035, 7599]);
        check("println!(\"{}\"", &[6140, 19666, 999, 1006, 1000, 1063, 1065, 1000]);
    }

    #[test]
    fn accents_fall_away_and_ideographs_are_words() {
        check(
            "Überweisung fehlgeschlagen 😀 中文",
            &[19169, 19845, 19729, 2290, 10768, 7317, 8449, 2818, 20679, 2078, 100, 1746, 1861],
        );
    }

    #[test]
    fn text_without_words_has_no_pieces() {
        check("", &[]);
        check(" \u{a0}\u{0}\u{fffd}\u{200b}\r\n", &[]);
    }

    #[test]
    fn a_word_of_more_than_a_hundred_characters_is_unknown() {
        let tokenizer = Tokenizer::parse(include_str!("../../assets/vocab.txt")).unwrap();
        assert!(!tokenizer.encode(&"a".repeat(100), 256).contains(&100));
        check(&"a".repeat(101), &[100]);
        check(&"x".repeat(10_000), &[100]);
    }

    #[test]
    fn control_tokens_cannot_be_spelled() {
        check("[SEP]", &[1031, 19802, 1033]);
    }

    #[test]
    fn the_window_includes_the_control_tokens() {
        let tokenizer = Tokenizer::parse(include_str!("../../assets/vocab.txt")).unwrap();
        assert_eq!(tokenizer.encode("a b c d e", 4), [101, 1037, 1038, 102]);
        assert_eq!(tokenizer.encode(&"a ".repeat(1_000_000), 256).len(), 256);
    }
}
