//! How many tokens a text has, without any provider's tokenizer.
//!
//! Three numbers for three uses: [`count`] is close and cheap, [`Calibration`]
//! corrects it by what providers reported, and [`at_most`] is a bound for
//! money: no byte-level tokenizer makes more tokens than a text has bytes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::chat::Request;

/// Tokens a provider puts around the messages of a request, at most: role
/// marks, and for a forced tool call the instructions how to call it
/// (Anthropic states up to 346 for those).
const FRAME: u64 = 400;
/// Tokens around one message, at most.
const MESSAGE_FRAME: u64 = 16;
/// Observed tokens before a model's own ratio counts as much as the rule.
const PRIOR: f64 = 2_000.0;

/// About how many tokens a text has.
///
/// The rule follows how byte-pair vocabularies of 100 to 200 thousand entries
/// cut text: a word takes its leading space along and is one token up to
/// ten letters, one more for each further ten; digits go by threes, and so does
/// punctuation; a longer run of blanks or line breaks is one. Words in
/// other alphabets take a token per three letters, ideographs one each, and
/// everything else (emoji) two. Against `o200k_base` that is -3 to +7 % on five
/// public sets of conversations and on the schemas that are sent with them.
#[must_use]
pub fn count(text: &str) -> u64 {
    let mut tokens = 0_u64;
    let mut chars = text.chars().peekable();
    while let Some(first) = chars.next() {
        let class = Class::of(first);
        let mut run = 1_u64;
        while chars.peek().is_some_and(|next| Class::of(*next) == class) {
            chars.next();
            run += 1;
        }
        tokens += match class {
            Class::Letter => run.div_ceil(10),
            Class::Digit | Class::OtherLetter => run.div_ceil(3),
            Class::Mark => run.div_ceil(3),
            Class::Blank | Class::Break => u64::from(run > 1),
            Class::Ideograph => run,
            Class::Rest => 2 * run,
        };
    }
    tokens
}

/// About how many tokens the prompt of a request has.
#[must_use]
pub fn of_prompt(request: &Request) -> u64 {
    let mut tokens = 3 + count(&request.system);
    for message in &request.messages {
        tokens += 4 + count(&message.text);
    }
    if let Some(schema) = &request.schema {
        tokens += count(&schema.name) + count(&schema.description) + count(&schema.schema.to_string());
    }
    tokens
}

/// More tokens than the prompt of a request can have, whoever counts.
#[must_use]
pub fn at_most(request: &Request) -> u64 {
    let mut bytes = FRAME + request.system.len() as u64;
    for message in &request.messages {
        bytes += MESSAGE_FRAME + message.text.len() as u64;
    }
    if let Some(schema) = &request.schema {
        // Some providers repeat the schema in the prompt in a form of their own.
        let written = schema.schema.to_string().len() + schema.name.len() + schema.description.len();
        bytes += 2 * written as u64;
    }
    bytes
}

/// What providers counted against what [`count`] said, by model.
#[derive(Debug, Default)]
pub struct Calibration {
    /// (counted by us, counted by the provider), summed. Held for moments only.
    seen: Mutex<BTreeMap<String, (f64, f64)>>,
}

impl Calibration {
    /// Takes note of a prompt's counts.
    pub fn observe(&self, model: &str, counted: u64, reported: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let entry = seen.entry(model.to_owned()).or_default();
        entry.0 += counted as f64;
        entry.1 += reported as f64;
    }

    /// How many tokens of the provider one of ours is, between 0.25 and 4.
    #[must_use]
    pub fn ratio(&self, model: &str) -> f64 {
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (counted, reported) = seen.get(model).copied().unwrap_or_default();
        ((reported + PRIOR) / (counted + PRIOR)).clamp(0.25, 4.0)
    }

    /// About how many tokens the prompt has, by what was seen of the model.
    #[must_use]
    pub fn of_prompt(&self, request: &Request) -> u64 {
        (of_prompt(request) as f64 * self.ratio(&request.model)).round() as u64
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Mark,
    Blank,
    Break,
    OtherLetter,
    Ideograph,
    Rest,
}

impl Class {
    fn of(c: char) -> Self {
        match c {
            'a'..='z' | 'A'..='Z' => Class::Letter,
            '0'..='9' => Class::Digit,
            '\n' | '\r' => Class::Break,
            c if c.is_whitespace() => Class::Blank,
            // Quotation marks, dashes and dots of print are as common as those of ASCII.
            c if c.is_ascii() || ('\u{2010}'..='\u{205e}').contains(&c) => Class::Mark,
            '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' => Class::Ideograph,
            c if c.is_alphanumeric() => Class::OtherLetter,
            _ => Class::Rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_prose_is_close_to_what_byte_pair_tokenizers_count() {
        // Ten words and a full stop are eleven tokens in cl100k_base and o200k_base.
        assert_eq!(count("The quick brown fox jumps over the very lazy dog."), 11);
        assert_eq!(count(""), 0);
        assert_eq!(count("12345"), 2);
    }

    #[test]
    fn no_count_exceeds_the_bound() {
        for text in ["", "a", "日本語のテキスト", "🙂🙂🙂", "\n\n\n", "x = {\"a\": [1, 2, 3]}", "привет, мир"]
        {
            let request = Request::new("s", "m", text);
            assert!(of_prompt(&request) <= at_most(&request), "{text}");
            assert!(count(text) <= text.len() as u64, "{text}");
        }
    }

    #[test]
    fn counts_move_towards_what_the_provider_reports() {
        let calibration = Calibration::default();
        assert!((calibration.ratio("m") - 1.0).abs() < 1e-9);
        for _ in 0..100 {
            calibration.observe("m", 1_000, 1_500);
        }
        assert!((calibration.ratio("m") - 1.49).abs() < 0.01);
        assert!((calibration.ratio("other") - 1.0).abs() < 1e-9);
    }
}
