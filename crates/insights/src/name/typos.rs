//! Misspellings: a rare word one letter away from one that its own kind of
//! text says far more often.

use std::collections::HashMap;

use super::text::{Forms, STOP};
use super::vocabulary::WordId;

/// How much more often the right form must be said.
const RATIO: u32 = 5;
/// Shorter words are too near to each other.
const SHORTEST: usize = 4;

/// In how many texts words occur, overall and by group of texts.
pub(super) struct Usage {
    texts: Vec<u32>,
    /// Only where a group has the word at all.
    in_group: HashMap<(WordId, usize), u32>,
}

impl Usage {
    pub(super) fn count(word_of: &[WordId], forms: &Forms<'_>, group: &[usize], words: usize) -> Self {
        let mut usage = Self { texts: vec![0; words], in_group: HashMap::new() };
        for (text, &group) in forms.texts.iter().zip(group) {
            let mut said: Vec<WordId> =
                text.iter().filter(|&&form| form != STOP).map(|&form| word_of[form as usize]).collect();
            said.sort_unstable();
            said.dedup();
            for word in said {
                usage.texts[word as usize] += 1;
                *usage.in_group.entry((word, group)).or_default() += 1;
            }
        }
        usage
    }

    /// The group that says each word most, with its count.
    fn main_groups(&self) -> Vec<(usize, u32)> {
        let mut main = vec![(0, 0); self.texts.len()];
        for (&(word, group), &count) in &self.in_group {
            let known = &mut main[word as usize];
            if (count, std::cmp::Reverse(group)) > (known.1, std::cmp::Reverse(known.0)) {
                *known = (group, count);
            }
        }
        main
    }
}

/// For every word the one that is meant: mostly itself.
pub(super) fn corrections(words: &[String], usage: &Usage) -> Vec<WordId> {
    let mut near: HashMap<String, Vec<WordId>> = HashMap::new();
    for (id, word) in words.iter().enumerate().filter(|(id, _)| usage.texts[*id] >= RATIO) {
        for shorter in with_one_letter_less(word).chain([word.clone()]) {
            near.entry(shorter).or_default().push(id as WordId);
        }
    }
    let main = usage.main_groups();
    let meant = |(id, word): (usize, &String)| {
        let (group, here) = main[id];
        if word.chars().count() < SHORTEST || !word.chars().all(char::is_alphabetic) {
            return id as WordId;
        }
        let candidates =
            with_one_letter_less(word).chain([word.clone()]).filter_map(|key| near.get(&key)).flatten();
        candidates
            .copied()
            .filter(|&other| usage.texts[other as usize] >= RATIO * usage.texts[id])
            // Among the texts that say it, the right form is at home.
            .filter(|&other| usage.in_group.get(&(other, group)).copied().unwrap_or(0) >= 3 * here)
            .filter(|&other| is_slip(word, &words[other as usize]))
            .max_by_key(|&other| (usage.texts[other as usize], std::cmp::Reverse(other)))
            .unwrap_or(id as WordId)
    };
    words.iter().enumerate().map(meant).collect()
}

fn with_one_letter_less(word: &str) -> impl Iterator<Item = String> + '_ {
    word.char_indices().map(|(at, letter)| format!("{}{}", &word[..at], &word[at + letter.len_utf8()..]))
}

/// One letter left out, added, changed or swapped with its neighbour; a plural is no slip.
fn is_slip(word: &str, right: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (word.chars().collect(), right.chars().collect());
    if b.len() < SHORTEST {
        return false;
    }
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let rest = a.len().min(b.len()) - head;
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count().min(rest);
    let (left_a, left_b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    match (left_a, left_b) {
        // An ending makes another form of the word, not a slip.
        ([letter], []) | ([], [letter]) => {
            tail > 0 || !matches!(letter, 's' | 'd' | 'e' | 'n' | 'r' | 'y' | 'a' | 'o')
        }
        ([_], [_]) => a.len() > SHORTEST && tail > 0,
        ([x, y], [v, w]) => x == w && y == v,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(texts: &[(&str, usize)]) -> Vec<(String, String)> {
        let forms = Forms::read(&texts.iter().map(|(text, _)| *text).collect::<Vec<_>>());
        let mut words: Vec<String> = forms.forms.iter().map(|form| (*form).to_owned()).collect();
        words.sort_unstable();
        let word_of: Vec<WordId> = forms
            .forms
            .iter()
            .map(|form| words.binary_search(&(*form).to_owned()).unwrap() as WordId)
            .collect();
        let group: Vec<usize> = texts.iter().map(|(_, group)| *group).collect();
        let usage = Usage::count(&word_of, &forms, &group, words.len());
        let corrected = corrections(&words, &usage);
        let pairs = words.iter().zip(corrected).filter(|(word, id)| **word != words[*id as usize]);
        pairs.map(|(word, id)| (word.clone(), words[id as usize].clone())).collect()
    }

    #[test]
    fn a_rare_slip_loses_to_the_common_word_of_its_kind() {
        let mut texts = vec![("rebate", 0); 12];
        texts.push(("erbate", 0));
        assert_eq!(meant(&texts), [("erbate".to_owned(), "rebate".to_owned())]);
    }

    #[test]
    fn a_word_of_another_kind_of_text_is_no_slip() {
        let mut texts = vec![("flight", 0); 50];
        texts.extend([("light", 1); 6]);
        assert_eq!(meant(&texts), []);
    }

    #[test]
    fn a_plural_is_no_slip() {
        let mut texts = vec![("order", 0); 50];
        texts.push(("orders", 0));
        assert_eq!(meant(&texts), []);
    }
}
