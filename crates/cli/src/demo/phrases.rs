//! Sentences with choices and gaps.
//!
//! Phrases live in text files beside the code, in sections (`## ask.de`). In a
//! phrase `[a|b|]` chooses one of its parts, which may be empty or contain
//! further choices, and `{order}` is filled in from the conversation's
//! [`Details`](super::details::Details). Which sentences follow each other is
//! decided in [`super::language`].

use std::collections::HashMap;

use super::details::Details;
use super::language::Language;
use super::random::Random;

/// The sentences of one file, by section.
#[derive(Debug)]
pub(crate) struct Phrases {
    sections: HashMap<(&'static str, Language), Vec<&'static str>>,
}

impl Phrases {
    /// Reads a phrase file. It is part of the program, so a mistake in it is a bug.
    pub(crate) fn parse(text: &'static str) -> Self {
        let mut sections: HashMap<_, Vec<_>> = HashMap::new();
        let mut current = None;
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(title) = line.strip_prefix("## ") {
                let (name, code) = title.split_once('.').unwrap_or((title, "en"));
                current = Some((name, Language::of_code(code).expect("phrase files use known languages")));
            } else {
                let section = current.expect("a phrase follows a section title");
                sections.entry(section).or_default().push(line);
            }
        }
        Self { sections }
    }

    /// The phrases of a section, none if the file does not have it.
    pub(crate) fn lines(&self, section: &'static str, language: Language) -> &[&'static str] {
        self.sections.get(&(section, language)).map_or(&[], Vec::as_slice)
    }

    /// Says one phrase of the section. The section must exist in that language.
    pub(crate) fn say(
        &self,
        section: &'static str,
        language: Language,
        details: &Details,
        random: &mut Random,
    ) -> String {
        let lines = self.lines(section, language);
        assert!(!lines.is_empty(), "no phrases for {section} in {language:?}");
        let mut said = String::new();
        expand(random.pick(lines), details, random, &mut said);
        capitalize(&said)
    }
}

/// Writes the phrase with its choices made and its gaps filled.
fn expand(phrase: &str, details: &Details, random: &mut Random, said: &mut String) {
    let mut rest = phrase;
    while let Some(special) = rest.find(['[', '{']) {
        said.push_str(&rest[..special]);
        let inside = &rest[special + 1..];
        if rest.as_bytes()[special] == b'{' {
            let end = inside.find('}').expect("a gap is closed");
            said.push_str(&details.fill(&inside[..end], random));
            rest = &inside[end + 1..];
        } else {
            let (choices, end) = choices(inside);
            expand(random.pick(&choices), details, random, said);
            rest = &inside[end + 1..];
        }
    }
    said.push_str(rest);
}

/// Splits what follows a `[` into its parts and says where the `]` is.
fn choices(inside: &str) -> (Vec<&str>, usize) {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in inside.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' if depth > 0 => depth -= 1,
            '|' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            ']' => {
                parts.push(&inside[start..at]);
                return (parts, at);
            }
            _ => {}
        }
    }
    panic!("a choice is closed: {inside}")
}

/// A gap at the start of a sentence may have been filled with a small letter.
fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(phrase: &'static str, expected: &[&str]) {
        let mut random = Random::of(&[5]);
        let details = Details::draw(0, Language::English, &mut random);
        let mut found: Vec<String> = (0..200)
            .map(|_| {
                let mut said = String::new();
                expand(phrase, &details, &mut random, &mut said);
                said
            })
            .collect();
        found.sort();
        found.dedup();
        assert_eq!(found, expected);
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        check("hello", &["hello"]);
    }
    #[test]
    fn every_choice_is_made_sometimes() {
        check("a [b|c] d", &["a b d", "a c d"]);
    }
    #[test]
    fn a_choice_may_be_empty_or_nested() {
        check("a[|b[c|d]]", &["a", "abc", "abd"]);
    }
}
