//! Which of the given categories a cause of failure fits best.
//!
//! A cause is put in words (what kind of thing failed, which tool, how) and
//! compared with the name and description of each category: by meaning, as the
//! embedder sees it, once with the tool and once without, and by the telling
//! words they share, such as a tool's name. What is near none fits nowhere.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use assay_domain::report::PredefinedCategory;
use assay_llm::Embed;
use rust_stemmers::{Algorithm, Stemmer};

use super::merge::{Cause, Key};
use super::{Found, words};
use crate::Error;
use crate::failures::template::{readable, stable_words};
use crate::summary::FailureKind;

/// Below this a cause has nothing to do with a category.
const RELATED: f64 = 0.2;
/// What shared words can add to the cosine.
const WORDS: f64 = 0.3;
/// So many words count the words for the kind of failure, which is known and not read.
const KIND: f64 = 3.0;
/// Causes that are read one by one, most frequent first; the others by tool and kind.
const READ: usize = 4_000;

/// Words that say nothing of what a failure is about: most failures are told with them.
const EMPTY: [&str; 56] = [
    "a", "agent", "all", "an", "and", "any", "are", "as", "at", "be", "because", "been", "but", "by", "call",
    "called", "calls", "can", "cannot", "could", "did", "do", "does", "error", "errors", "failed", "failure",
    "for", "from", "had", "has", "have", "in", "is", "it", "its", "no", "not", "of", "on", "or", "so",
    "that", "the", "their", "them", "this", "to", "tool", "tools", "was", "were", "when", "which", "with",
    "without",
];

/// Causes by given category.
pub(super) struct Placed {
    /// Per category, largest cause first.
    pub(super) causes: Vec<Vec<usize>>,
    /// What fits none, largest first.
    pub(super) nowhere: Vec<usize>,
    /// How clearly each placed cause belongs to its category and no other, 0.5 to 1.
    pub(super) fit: BTreeMap<usize, f64>,
}

/// Places every cause that counts.
pub(super) fn place(
    found: &Found<'_>,
    categories: &[PredefinedCategory],
    embedder: &dyn Embed,
) -> Result<Placed, Error> {
    let mut order: Vec<usize> = found.threads_of.keys().copied().collect();
    found.by_size(&mut order);
    let told = order.iter().enumerate().map(|(rank, &cause)| {
        let Cause { key, signature } = found.cause(cause);
        Told::of(key, if rank < READ { signature } else { "" })
    });
    let told: Vec<Told> = told.collect();
    let distinct: Vec<&Told> = told.iter().collect::<BTreeSet<_>>().into_iter().collect();
    let fits = Given::read(categories, embedder)?.fits(&distinct, embedder)?;
    let fit_of: BTreeMap<&Told, Option<(usize, f64)>> = distinct.into_iter().zip(fits).collect();

    let mut placed =
        Placed { causes: vec![Vec::new(); categories.len()], nowhere: Vec::new(), fit: BTreeMap::new() };
    for (&cause, told) in order.iter().zip(&told) {
        match fit_of[told] {
            Some((category, fit)) => {
                placed.causes[category].push(cause);
                placed.fit.insert(cause, fit);
            }
            None => placed.nowhere.push(cause),
        }
    }
    Ok(placed)
}

/// A cause as a person would tell of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    /// The kind of failure; empty for tools, of which the whole says that they failed.
    kind: &'static str,
    /// With the tool.
    whole: String,
    /// How it failed, alone.
    how: String,
}

impl Told {
    fn of(key: &Key, signature: &str) -> Self {
        let kind = if key.kind == FailureKind::ToolError { "" } else { words::kind_name(key.kind) };
        let description = words::leaf_description(key, signature, "", None);
        let recovered = if key.recovered { " The agent got over it." } else { "" };
        let whole = format!("{kind}: {description}{recovered}").trim_start_matches(": ").to_owned();
        let how = Some(readable(signature)).filter(|how| !how.is_empty());
        Self { kind, how: how.unwrap_or_else(|| whole.clone()), whole }
    }
}

/// The given categories, ready to be compared with.
struct Given {
    vectors: Vec<Vec<f32>>,
    /// Stems of each category, with how telling they are: 1 where no other category has it.
    telling: Vec<BTreeMap<String, f64>>,
    stemmer: Stemmer,
}

impl Given {
    fn read(categories: &[PredefinedCategory], embedder: &dyn Embed) -> Result<Self, Error> {
        let texts: Vec<String> = categories
            .iter()
            .map(|category| match category.description.as_str() {
                "" => category.name.clone(),
                description => format!("{}: {description}", category.name),
            })
            .collect();
        let vectors = embedder.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
        let stemmer = Stemmer::create(Algorithm::English);
        let stems: Vec<BTreeSet<String>> = texts.iter().map(|text| stems(text, &stemmer)).collect();
        let has = |stem: &String| stems.iter().filter(|other| other.contains(stem)).count();
        #[expect(clippy::cast_precision_loss, reason = "a few categories")]
        let weigh = |stem: &String| (stem.clone(), 1.0 / has(stem) as f64);
        let telling = stems.iter().map(|stems| stems.iter().map(weigh).collect()).collect();
        Ok(Self { vectors, telling, stemmer })
    }

    /// For every cause the category it fits best and how clearly, if any.
    fn fits(&self, told: &[&Told], embedder: &dyn Embed) -> Result<Vec<Option<(usize, f64)>>, Error> {
        let wholes = embedder.embed(&told.iter().map(|told| told.whole.as_str()).collect::<Vec<_>>())?;
        let hows = embedder.embed(&told.iter().map(|told| told.how.as_str()).collect::<Vec<_>>())?;
        let vectors = wholes.iter().zip(&hows);
        Ok(told.iter().zip(vectors).map(|(told, (whole, how))| self.fit(told, whole, how)).collect())
    }

    fn fit(&self, told: &Told, whole: &[f32], how: &[f32]) -> Option<(usize, f64)> {
        let stems = stems(&told.whole, &self.stemmer);
        let kind = self::stems(told.kind, &self.stemmer);
        let score = |category: usize| {
            let telling = |stem: &String| self.telling[category].get(stem).copied().unwrap_or(0.0);
            let weight = |stem: &String| if kind.contains(stem) { KIND } else { 1.0 };
            let shared: f64 = stems.iter().map(|stem| weight(stem) * telling(stem)).sum();
            let given = &self.vectors[category];
            (cosine(given, whole) + cosine(given, how)) / 2.0 + WORDS * shared / (1.0 + shared)
        };
        let mut scores: Vec<(f64, Reverse<usize>)> =
            (0..self.vectors.len()).map(|category| (score(category), Reverse(category))).collect();
        // Of equals the one that was given first.
        scores.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        let &(best, Reverse(category)) = scores.first()?;
        let second = scores.get(1).map_or(0.0, |&(score, _)| score.max(0.0));
        (best >= RELATED).then(|| (category, best / (best + second)))
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>())
}

/// The stems of the words that say something; names of tools count by their parts.
fn stems(text: &str, stemmer: &Stemmer) -> BTreeSet<String> {
    let words = stable_words(text).into_iter();
    words
        .flat_map(|word| word.split('_').map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| word.chars().count() > 1 && !EMPTY.contains(&word.as_str()))
        .map(|word| stemmer.stem(&word).into_owned())
        .collect()
}
