//! Which failures have one cause: equal templates, and nearly equal ones.
//!
//! Templates still differ in a word that no rule could know for a value. Two
//! belong together when most of their stable words are the same. Each template
//! joins the most frequent one it resembles, so chains of small differences do
//! not grow into one big group. Candidates come from an index of rare words:
//! the work grows with the number of templates, not with its square.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::failures::template::stable_words;
use crate::summary::{Failure, FailureKind};

/// Share of words two templates must have in common (Jaccard).
const ALIKE: f64 = 0.6;
/// Candidates that are compared per template; the most frequent ones come first.
const CANDIDATES: usize = 64;

/// What must be equal for two failures to have one cause, whatever the words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) recovered: bool,
    pub(super) kind: FailureKind,
    pub(super) tool: Option<String>,
}

/// Failures of one cause.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    pub(super) key: Key,
    /// The most common template.
    pub(super) signature: String,
}

#[derive(Clone, Debug)]
pub(super) struct Merged {
    /// The order follows from counts and words alone.
    pub(super) causes: Vec<Cause>,
    /// For every thread, its cause.
    pub(super) cause_of: Vec<Option<usize>>,
    /// For every thread, how much its template resembles that of the cause, 0 to 1.
    pub(super) likeness: Vec<f64>,
}

/// Finds the causes behind the failures of threads.
pub(super) fn causes<'a>(failures: impl Iterator<Item = Option<&'a Failure>>) -> Merged {
    let failures: Vec<Option<(Key, &str)>> =
        failures.map(|failure| failure.map(|failure| (key(failure), failure.signature.as_str()))).collect();
    let mut counts: BTreeMap<&(Key, &str), usize> = BTreeMap::new();
    for template in failures.iter().flatten() {
        *counts.entry(template).or_default() += 1;
    }
    let mut templates: Vec<(&(Key, &str), usize)> = counts.into_iter().collect();
    // The map gave a fixed order for equal counts.
    templates.sort_by_key(|&(_, count)| Reverse(count));

    let mut leaders = Leaders::new(&templates);
    let mut known: HashMap<&(Key, &str), (usize, f64)> = HashMap::new();
    for (template, _) in &templates {
        known.insert(template, leaders.join(template));
    }
    let places: Vec<Option<(usize, f64)>> = failures
        .iter()
        .map(|failure| failure.as_ref().and_then(|template| known.get(template).copied()))
        .collect();
    Merged {
        causes: leaders.causes,
        cause_of: places.iter().map(|place| place.map(|(cause, _)| cause)).collect(),
        likeness: places.iter().map(|place| place.map_or(0.0, |(_, likeness)| likeness)).collect(),
    }
}

fn key(failure: &Failure) -> Key {
    // Which provider it was is a detail of the cause; which tool it was is not.
    let tool = failure.tool.clone().filter(|_| failure.kind != FailureKind::ModelError);
    Key { recovered: failure.recovered, kind: failure.kind, tool }
}

/// The causes so far, with an index of their words.
struct Leaders<'a> {
    causes: Vec<Cause>,
    words: Vec<Vec<String>>,
    by_word: HashMap<(&'a Key, String), Vec<usize>>,
    frequency: HashMap<String, usize>,
}

impl<'a> Leaders<'a> {
    fn new(templates: &[(&'a (Key, &'a str), usize)]) -> Self {
        let mut frequency = HashMap::new();
        for ((_, signature), _) in templates {
            for word in words_of(signature) {
                *frequency.entry(word).or_default() += 1;
            }
        }
        Self { causes: Vec::new(), words: Vec::new(), by_word: HashMap::new(), frequency }
    }

    /// The cause of a template, and how much it resembles it; a new one where none is near.
    fn join(&mut self, template: &'a (Key, &'a str)) -> (usize, f64) {
        let (key, signature) = template;
        let mut words = words_of(signature);
        words.sort_by_key(|word| (self.frequency.get(word).copied().unwrap_or(0), word.clone()));
        // Two sets that are alike share a word among the rarest ones of each (prefix filter).
        let prefix = &words[..prefix_length(words.len())];
        let mut candidates: Vec<usize> = prefix
            .iter()
            .filter_map(|word| self.by_word.get(&(key, word.clone())))
            .flat_map(|known| known.iter().copied().take(CANDIDATES))
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let nearest = candidates
            .into_iter()
            .take(CANDIDATES)
            .filter(|&cause| same_class(&self.causes[cause], key, signature))
            .map(|cause| (cause, likeness(&words, &self.words[cause])))
            .filter(|&(_, likeness)| likeness >= ALIKE)
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        if let Some(place) = nearest {
            return place;
        }
        let cause = self.causes.len();
        for word in prefix {
            self.by_word.entry((key, word.clone())).or_default().push(cause);
        }
        self.causes.push(Cause { key: key.clone(), signature: (*signature).to_owned() });
        self.words.push(words);
        (cause, 1.0)
    }
}

/// Model errors begin with their class, language errors with the languages: those never mix.
fn same_class(cause: &Cause, key: &Key, signature: &str) -> bool {
    match key.kind {
        FailureKind::ModelError => class(&cause.signature) == class(signature),
        // Those that a model words were merged by meaning before.
        FailureKind::WrongLanguage | FailureKind::HandOff | FailureKind::Found => {
            cause.signature == signature
        }
        _ => true,
    }
}

fn class(signature: &str) -> Option<&str> {
    signature.split_once(": ").map(|(class, _)| class)
}

/// Words that are compared. A template without any is compared as it is.
fn words_of(signature: &str) -> Vec<String> {
    let words = stable_words(signature);
    if words.is_empty() { vec![signature.to_owned()] } else { words }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small counts"
)]
fn prefix_length(words: usize) -> usize {
    words - (words as f64 * ALIKE).ceil() as usize + 1
}

/// Share of words that two signatures have in common, 0 to 1.
pub(super) fn alike(a: &str, b: &str) -> f64 {
    likeness(&words_of(a), &words_of(b))
}

/// The words of many signatures, to be compared quickly.
pub(super) struct Likeness {
    /// Numbers of words, rising.
    words: Vec<Vec<u32>>,
}

impl Likeness {
    pub(super) fn between<'a>(signatures: impl Iterator<Item = &'a str>) -> Self {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let words = signatures.map(|signature| {
            let words = words_of(signature).into_iter();
            let mut words: Vec<u32> = words
                .map(|word| {
                    let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                    *numbers.entry(word).or_insert(next)
                })
                .collect();
            words.sort_unstable();
            words
        });
        Self { words: words.collect() }
    }

    /// Share of words that two of them have in common, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "small counts")]
    pub(super) fn of(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (&self.words[a], &self.words[b]);
        let (mut i, mut j, mut shared) = (0, 0, 0);
        while i < a.len() && j < b.len() {
            match a[i].cmp(&b[j]) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => (i, j, shared) = (i + 1, j + 1, shared + 1),
            }
        }
        shared as f32 / (a.len() + b.len() - shared) as f32
    }
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn likeness(a: &[String], b: &[String]) -> f64 {
    let shared = a.iter().filter(|word| b.contains(word)).count();
    shared as f64 / (a.len() + b.len() - shared) as f64
}
