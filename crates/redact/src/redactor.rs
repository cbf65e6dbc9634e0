//! Rules, made ready; texts and JSON values go through here.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde_json::{Map, Value};

use crate::detect::{self, By, Detector, Find, Triggers};
use crate::error::Error;
use crate::path::Path;
use crate::placeholder::{self, Numbers};
use crate::rules::{PathAction, Pattern, Rules, Style};

/// Memory that a compiled pattern may take, in bytes.
const PATTERN_SIZE: usize = 1 << 20;
/// Longest pattern, in bytes.
const LONGEST: usize = 2000;

/// Takes out what the rules say.
pub struct Redactor {
    triggers: Triggers,
    detectors: Vec<Detector>,
    patterns: Vec<(String, Regex)>,
    /// Which of the patterns match at all.
    any_pattern: RegexSet,
    pub(crate) paths: Vec<(Path, PathAction)>,
    pub(crate) style: Style,
    key: Vec<u8>,
    pub(crate) hides_inputs: bool,
    pub(crate) hides_outputs: bool,
}

/// How many values were replaced, by rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<String, u64>);

impl Counts {
    pub(crate) fn add(&mut self, rule: &str) {
        match self.0.get_mut(rule) {
            Some(count) => *count += 1,
            None => {
                self.0.insert(rule.to_owned(), 1);
            }
        }
    }

    /// Adds those of another.
    pub fn add_all(&mut self, other: &Self) {
        for (rule, count) in &other.0 {
            *self.0.entry(rule.clone()).or_default() += count;
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What was met in one patch: counts, and numbers of placeholders.
#[derive(Debug, Default)]
pub struct Seen {
    pub counts: Counts,
    numbers: Numbers,
}

impl Redactor {
    /// Makes rules ready. The key is for hashes: keep it, and keep it secret.
    ///
    /// # Errors
    /// Names the detector, pattern or path that cannot be used, and why.
    pub fn new(rules: &Rules, key: &[u8]) -> Result<Self, Error> {
        let detectors = rules.detectors()?;
        let patterns = rules.patterns.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let any_pattern = RegexSetBuilder::new(rules.patterns.iter().map(|pattern| &pattern.regex))
            .size_limit(PATTERN_SIZE * rules.patterns.len().max(1))
            .nest_limit(50)
            .build()
            .map_err(|error| Error::Invalid(format!("the patterns together: {error}")))?;
        let path = |rule: &crate::PathRule| Ok((Path::parse(&rule.path)?, rule.action));
        Ok(Self {
            triggers: Triggers::new(detectors.clone())?,
            detectors,
            patterns,
            any_pattern,
            paths: rules.paths.iter().map(path).collect::<Result<_, Error>>()?,
            style: rules.style,
            key: key.to_vec(),
            hides_inputs: rules.hide_inputs,
            hides_outputs: rules.hide_outputs,
        })
    }

    /// Whether texts are searched at all.
    pub(crate) fn reads_texts(&self) -> bool {
        !self.detectors.is_empty() || !self.patterns.is_empty()
    }

    /// The text without what is to be taken out; `None` where that is all of it.
    #[must_use]
    pub fn text(&self, text: &str, seen: &mut Seen) -> Option<String> {
        self.text_in(self.style, text, seen)
    }

    pub(crate) fn text_in(&self, style: Style, text: &str, seen: &mut Seen) -> Option<String> {
        let mut found = Vec::new();
        self.triggers.find(text, &mut found);
        for number in self.any_pattern.matches(text) {
            self.find_pattern(number, text, &mut found);
        }
        if found.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut end = 0;
        for find in united(found) {
            out.push_str(&text[end..find.start]);
            let (rule, value) = self.describe(find.by, &text[find.start..find.end]);
            out.push_str(&placeholder::of(style, &rule.to_uppercase(), &value, &self.key, &mut seen.numbers));
            seen.counts.add(rule);
            end = find.end;
        }
        out.push_str(&text[end..]);
        Some(out)
    }

    fn find_pattern(&self, number: usize, text: &str, found: &mut Vec<Find>) {
        let (_, pattern) = &self.patterns[number];
        for captures in pattern.captures_iter(text) {
            let Some(part) = captures.name("value").or_else(|| captures.get(0)) else { continue };
            if !part.is_empty() {
                found.push(Find { start: part.start(), end: part.end(), by: By::Pattern(number) });
            }
        }
    }

    /// Name of the rule and the value in its plainest form.
    fn describe(&self, by: By, value: &str) -> (&str, String) {
        match by {
            By::Pattern(number) => (&self.patterns[number].0, value.to_owned()),
            By::Detector(detector) => (detector.as_str(), detector.plain(value)),
        }
    }

    /// Goes through a value and all below; keys of objects too, since people
    /// use addresses as keys. Recursion is bounded by what decoders allow.
    pub fn value(&self, value: &mut Value, seen: &mut Seen) {
        if self.reads_texts() {
            self.value_in(self.style, value, seen);
        }
    }

    pub(crate) fn value_in(&self, style: Style, value: &mut Value, seen: &mut Seen) {
        match value {
            Value::String(text) => {
                if let Some(new) = self.text_in(style, text, seen) {
                    *text = new;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value_in(style, item, seen)),
            Value::Object(map) => self.map_in(style, map, seen),
            Value::Number(number) => {
                let digits = number
                    .as_u64()
                    .filter(|number| *number >= 1_000_000_000_000)
                    .map(|number| number.to_string());
                let Some(digits) =
                    digits.filter(|digits| self.has(Detector::Card) && detect::is_card(digits))
                else {
                    return;
                };
                *value = self.replacement(style, Detector::Card.as_str(), &digits, seen);
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    pub(crate) fn map(&self, map: &mut Map<String, Value>, seen: &mut Seen) {
        self.map_in(self.style, map, seen);
    }

    fn map_in(&self, style: Style, map: &mut Map<String, Value>, seen: &mut Seen) {
        let knows_keys = self.has(Detector::Secret);
        let mut renamed = false;
        for (key, value) in map.iter_mut() {
            // Too short to hold anything.
            renamed |= key.len() >= 6 && self.finds(key);
            match value {
                Value::String(text) if knows_keys && detect::is_secret_key(key) => {
                    if !text.is_empty() && !text.starts_with("[") {
                        *value = self.replacement(style, Detector::Secret.as_str(), text, seen);
                    }
                }
                value => self.value_in(style, value, seen),
            }
        }
        if renamed {
            let old = std::mem::take(map);
            for (key, value) in old {
                let new = self.text_in(style, &key, seen).unwrap_or(key);
                map.insert(free(map, new), value);
            }
        }
    }

    fn finds(&self, text: &str) -> bool {
        let mut found = Vec::new();
        self.triggers.find(text, &mut found);
        !found.is_empty() || self.any_pattern.is_match(text)
    }

    fn has(&self, detector: Detector) -> bool {
        self.detectors.contains(&detector)
    }

    /// What a whole value is replaced by.
    pub(crate) fn replacement(&self, style: Style, rule: &str, value: &str, seen: &mut Seen) -> Value {
        seen.counts.add(rule);
        placeholder::of(style, &rule.to_uppercase(), value, &self.key, &mut seen.numbers).into()
    }
}

fn compile(pattern: &Pattern) -> Result<(String, Regex), Error> {
    let fail = |why: String| Error::Pattern { name: pattern.name.chars().take(80).collect(), why };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if pattern.name.is_empty() || pattern.name.len() > 40 || !pattern.name.chars().all(is_name) {
        return Err(fail("a name has 1 to 40 letters, digits, `_` and `-`".into()));
    }
    if pattern.regex.len() > LONGEST {
        return Err(fail(format!("longer than {LONGEST} bytes; split it into several")));
    }
    let built = RegexBuilder::new(&pattern.regex)
        .size_limit(PATTERN_SIZE)
        .dfa_size_limit(PATTERN_SIZE)
        .nest_limit(50)
        .build();
    let built = built.map_err(|error| fail(error.to_string()))?;
    Ok((pattern.name.to_lowercase(), built))
}

/// Finds in order, none overlapping: those that do become one, so that nothing
/// of either stays, called after the one that comes first in the order of rules.
fn united(mut found: Vec<Find>) -> Vec<Find> {
    found.sort_by_key(|find| (find.start, find.end));
    let mut all: Vec<Find> = Vec::with_capacity(found.len());
    for find in found {
        match all.last_mut() {
            Some(last) if find.start < last.end => {
                last.end = last.end.max(find.end);
                last.by = last.by.min(find.by);
            }
            _ => all.push(find),
        }
    }
    all
}

/// The key, or the next like it that is not taken.
fn free(map: &Map<String, Value>, key: String) -> String {
    if !map.contains_key(&key) {
        return key;
    }
    (2..).map(|number| format!("{key} {number}")).find(|key| !map.contains_key(key)).unwrap_or(key)
}

#[cfg(test)]
#[path = "redactor_tests.rs"]
mod tests;
