//! Names categories by what their members say and their neighbours do not.
//!
//! The members' own requests are read as words ([`text`], [`words`],
//! [`vocabulary`]) and counted as phrases by leaf ([`phrases`]). The best by
//! count, form and meaning ([`rank`]) name a leaf as people write them
//! ([`surface`]): a verb and its object. Categories of categories are named by
//! the nouns their children share ([`tops`]); where one bare word is all there
//! is, members' own wording says more ([`wordings`]). No name is given twice
//! ([`distinct`]). What everybody says sets nobody apart and names nothing.

mod distinct;
mod examples;
mod phrases;
mod rank;
mod surface;
#[cfg(test)]
mod tests;
mod text;
mod tops;
mod typos;
mod vocabulary;
mod wordings;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use assay_domain::report::{AttributeValue, Example, MergedPart};
use assay_llm::Embed;

use crate::Error;
use crate::grouping::{Grouping, ReadThread};
use distinct::{Proposal, Proposals};
pub(crate) use examples::describe;
use phrases::{PhraseId, Phrases};
use rank::{Candidate, Ranking};
use surface::Surfaces;
use text::Forms;
use tops::Top;
use vocabulary::{Reading, Vocabulary};
use words::{Class, Language};

/// Longest name in characters.
const LONGEST_NAME: usize = 64;
const KEYWORDS: usize = 8;
/// Member requests read per category: more do not change its leading phrases.
const READ_PER_CATEGORY: usize = 1_000;

/// What a category is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named {
    pub name: String,
    pub description: String,
    pub keywords: Vec<String>,
    pub examples: Vec<Example>,
    /// What a model merged into it; empty where it merged nothing.
    pub merged: Vec<MergedPart>,
}

/// Names every node of the grouping, in its order.
///
/// `vector` gives a thread's unit vector, where it has one.
///
/// # Errors
/// Only where the embedder fails.
pub fn each<'v>(
    threads: &[ReadThread],
    grouping: &Grouping,
    vector: &dyn Fn(usize) -> Option<&'v [f32]>,
    embedder: &dyn Embed,
) -> Result<Vec<Named>, Error> {
    let members = grouping.members_of_nodes();
    let is_leaf: Vec<bool> =
        (0..grouping.nodes.len()).map(|node| grouping.children(Some(node)).next().is_none()).collect();
    let read: Vec<Vec<usize>> =
        members.iter().map(|members| most_certain(members, grouping, READ_PER_CATEGORY)).collect();
    let centroids: Vec<Vec<f32>> = read.iter().map(|members| centroid(members, vector)).collect();
    let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
    let corpus = Corpus::read(threads, &read, &sizes, &is_leaf, grouping);
    let ranked = corpus.ranked(grouping, &is_leaf, &centroids, embedder)?;

    let examples: Vec<Vec<Example>> = (0..read.len())
        .map(|node| examples::choose(&read[node], threads, &centroids[node], vector))
        .collect();
    let proposals: Vec<Proposals> = (0..read.len())
        .map(|node| corpus.proposals(node, grouping, &is_leaf, &ranked[node], &examples[node]))
        .collect();
    let mut names = distinct::names(grouping, &proposals, &is_leaf);
    for (node, name) in names.iter_mut().enumerate().filter(|(node, _)| !proposals[*node].is_given) {
        if let Some(languages) = &corpus.foreign[node] {
            *name = format!("{name} ({languages})");
        }
    }
    let nodes = grouping.nodes.iter().zip(names).zip(proposals).zip(examples);
    Ok(nodes
        .map(|(((node, name), proposals), examples)| {
            let description = match &node.description {
                Some(given) if !given.is_empty() => given.clone(),
                _ => examples::describe(node.kind, &examples, &proposals.keywords),
            };
            Named { name, description, keywords: proposals.keywords, examples, merged: Vec::new() }
        })
        .collect())
}

/// The requests of the members that were read, as words and phrases.
struct Corpus {
    readings: Vec<Reading>,
    vocabulary: Vocabulary,
    phrases: Phrases,
    /// Indices of readings by leaf; empty for inner nodes.
    texts: Vec<Vec<usize>>,
    /// Which most members of each node speak.
    languages: Vec<Language>,
    /// What members of a node speak, where it is not what most threads speak.
    foreign: Vec<Option<String>>,
}

impl Corpus {
    fn read(
        threads: &[ReadThread],
        read: &[Vec<usize>],
        sizes: &[usize],
        is_leaf: &[bool],
        grouping: &Grouping,
    ) -> Self {
        let mut texts: Vec<Vec<usize>> = vec![Vec::new(); read.len()];
        let (mut requests, mut known, mut leaf_of) = (Vec::new(), Vec::new(), Vec::new());
        for leaf in (0..read.len()).filter(|&node| is_leaf[node]) {
            for &member in &read[leaf] {
                let summary = &threads[member].summary;
                texts[leaf].push(requests.len());
                requests.push(summary.topics.first().map_or(summary.request.as_str(), |topic| &topic.text));
                known.push(match summary.attributes.get("language") {
                    Some(AttributeValue::Text(code)) if code != "unknown" => Some(Language::of_code(code)),
                    _ => None,
                });
                leaf_of.push(leaf);
            }
        }
        let (vocabulary, readings) = Vocabulary::learn(&Forms::read(&requests), &known, &leaf_of);
        let phrases = Phrases::count(&readings, &vocabulary, &texts, sizes, grouping);
        let spoken = spoken(&readings, &texts, grouping);
        let languages = spoken.iter().map(|spoken| most(spoken).unwrap_or(Language::English)).collect();
        let foreign = foreign(&spoken, grouping);
        Self { readings, vocabulary, phrases, texts, languages, foreign }
    }

    /// The candidates of every node, best first.
    fn ranked(
        &self,
        grouping: &Grouping,
        is_leaf: &[bool],
        centroids: &[Vec<f32>],
        embedder: &dyn Embed,
    ) -> Result<Vec<Vec<Candidate>>, Error> {
        let ranking = Ranking {
            grouping,
            phrases: &self.phrases,
            vocabulary: &self.vocabulary,
            languages: &self.languages,
            is_leaf,
        };
        let long_lists: Vec<Vec<Candidate>> =
            (0..is_leaf.len()).map(|node| ranking.long_list(node)).collect();
        let wanted: Vec<Vec<PhraseId>> = (0..is_leaf.len())
            .map(|node| {
                let line = grouping.line(node).filter(|_| is_leaf[node]);
                let all: BTreeSet<PhraseId> =
                    line.flat_map(|node| &long_lists[node]).map(|candidate| candidate.phrase).collect();
                all.into_iter().collect()
            })
            .collect();
        let surfaces = Surfaces::read(&self.readings, &self.vocabulary, &self.phrases, &self.texts, &wanted);
        let mut lists: Vec<Vec<Candidate>> = long_lists
            .into_iter()
            .enumerate()
            .map(|(node, list)| {
                let mut list = ranking.shortlist(node, list, &surfaces);
                if !is_leaf[node] {
                    let children: Vec<usize> = grouping.children(Some(node)).collect();
                    self.top(node, &children).weigh(&mut list);
                }
                list
            })
            .collect();
        ranking.by_meaning(&mut lists, centroids, embedder)?;
        let wordings: Vec<Vec<wordings::Wording>> = (0..is_leaf.len())
            .map(|node| {
                let is_bare = lists[node].first().is_some_and(|best| best.words.len() == 1);
                if !is_leaf[node] || !is_bare {
                    return Vec::new();
                }
                let texts: Vec<&Reading> =
                    self.texts[node].iter().map(|&text| &self.readings[text]).collect();
                wordings::of(&texts, &self.vocabulary, self.languages[node])
            })
            .collect();
        ranking.with_wordings(&mut lists, &wordings, centroids, embedder)?;
        Ok(lists)
    }

    fn top<'a>(&'a self, node: usize, children: &'a [usize]) -> Top<'a> {
        Top { children, language: self.languages[node], phrases: &self.phrases, vocabulary: &self.vocabulary }
    }

    /// What a node could be called, best first.
    fn proposals(
        &self,
        node: usize,
        grouping: &Grouping,
        is_leaf: &[bool],
        ranked: &[Candidate],
        examples: &[Example],
    ) -> Proposals {
        let keywords = self.keywords(ranked, self.languages[node]);
        let claim = ranked.first().map_or(0.0, |candidate| candidate.share);
        let proposal = |text: &str, score: f64| Proposal {
            text: sentence(text),
            key: self.key(text, self.languages[node]),
            score,
        };
        let mut list: Vec<Proposal> = Vec::new();
        if let Some(given) = &grouping.nodes[node].name {
            list.push(Proposal { text: given.clone(), key: given.to_lowercase(), score: 1.0 });
            return Proposals { list, keywords, example: None, claim, is_given: true };
        }
        if !is_leaf[node] {
            let children: Vec<usize> = grouping.children(Some(node)).collect();
            let top = self.top(node, &children);
            // Where the best name is taken, one without its first part.
            let names = (0..ranked.len().min(4)).filter_map(|from| top.name(&ranked[from..]));
            list.extend(names.map(|name| proposal(&name, 1.0)));
        } else {
            list.extend(ranked.iter().map(|candidate| proposal(&candidate.text, candidate.score)));
        }
        let example = examples.first().map(|example| {
            let text = sentence(&example.text);
            Proposal { key: text.to_lowercase(), text, score: 0.0 }
        });
        if list.is_empty() {
            list.extend(example.clone());
        }
        Proposals { list, keywords, example, claim, is_given: false }
    }

    /// Phrases that do not repeat each other.
    fn keywords(&self, ranked: &[Candidate], language: Language) -> Vec<String> {
        let mut said: BTreeSet<u32> = BTreeSet::new();
        let mut kept = Vec::new();
        for candidate in ranked {
            let content = candidate.words.iter().copied();
            let content = content.filter(|&word| self.vocabulary.is_content(language, word));
            let stems: Vec<u32> = content.map(|word| self.vocabulary.stem(language, word)).collect();
            if kept.len() < KEYWORDS && stems.iter().all(|stem| !said.contains(stem)) {
                said.extend(stems);
                kept.push(candidate.text.clone());
            }
        }
        kept
    }

    /// Equal for names that say the same: the stems of their words in order of the alphabet.
    fn key(&self, text: &str, language: Language) -> String {
        let lowered = text.to_lowercase();
        let content =
            lowered.split(' ').filter(|word| matches!(language.class(word), Class::Content | Class::Weak));
        let stems: BTreeSet<String> = content.map(|word| language.stem(word.trim_end_matches(','))).collect();
        if stems.is_empty() { lowered } else { stems.into_iter().collect::<Vec<_>>().join(" ") }
    }
}

/// How many texts of a node are in which language.
type Spoken = BTreeMap<Language, usize>;

fn spoken(readings: &[Reading], texts: &[Vec<usize>], grouping: &Grouping) -> Vec<Spoken> {
    let mut spoken: Vec<Spoken> = vec![Spoken::new(); texts.len()];
    for (leaf, texts) in texts.iter().enumerate() {
        for node in grouping.line(leaf) {
            texts.iter().for_each(|&text| *spoken[node].entry(readings[text].language).or_default() += 1);
        }
    }
    spoken
}

/// The language of most texts.
fn most(spoken: &Spoken) -> Option<Language> {
    spoken.iter().max_by_key(|&(language, count)| (*count, std::cmp::Reverse(*language))).map(|(&l, _)| l)
}

/// The languages of each node that hardly speaks what most of the report speaks, by name.
fn foreign(spoken: &[Spoken], grouping: &Grouping) -> Vec<Option<String>> {
    let mut whole = Spoken::new();
    for node in grouping.children(None) {
        spoken[node].iter().for_each(|(&language, count)| *whole.entry(language).or_default() += count);
    }
    let Some(usual) = most(&whole) else { return vec![None; spoken.len()] };
    let named = |spoken: &Spoken| {
        let all: usize = spoken.values().sum();
        let said = spoken.get(&usual).copied().unwrap_or(0);
        let mut languages: Vec<(Language, usize)> =
            spoken.iter().map(|(&language, &count)| (language, count)).collect();
        languages.retain(|&(language, count)| language != usual && count * 5 >= all);
        languages.sort_by_key(|&(language, count)| (std::cmp::Reverse(count), language));
        let names: Option<Vec<&str>> = languages.iter().map(|(language, _)| language.name()).collect();
        names.filter(|names| said * 3 < all && !names.is_empty()).map(|names| names.join(", "))
    };
    spoken.iter().map(named).collect()
}

/// The members that are surest to belong, in thread order.
fn most_certain(members: &[usize], grouping: &Grouping, limit: usize) -> Vec<usize> {
    let mut chosen = members.to_vec();
    if chosen.len() > limit {
        chosen.sort_by(|&a, &b| {
            grouping.members[b].confidence.total_cmp(&grouping.members[a].confidence).then(a.cmp(&b))
        });
        chosen.truncate(limit);
        chosen.sort_unstable();
    }
    chosen
}

/// The mean direction of the members' vectors; empty where none has one.
pub(crate) fn centroid<'v>(members: &[usize], vector: &dyn Fn(usize) -> Option<&'v [f32]>) -> Vec<f32> {
    let mut sum: Vec<f32> = Vec::new();
    for &member in members {
        let Some(vector) = vector(member) else { continue };
        if sum.is_empty() {
            sum = vec![0.0; vector.len()];
        }
        sum.iter_mut().zip(vector).for_each(|(total, x)| *total += x);
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        sum.iter_mut().for_each(|x| *x /= length);
    }
    sum
}

fn similarity(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

/// Whether a word, in small letters, says something by itself in the languages that are known.
pub(crate) fn is_telling(word: &str) -> bool {
    matches!(Language::English.class(word), Class::Content)
}

/// First letter in upper case, cut at a word.
pub(crate) fn sentence(text: &str) -> String {
    let text = clip(text, LONGEST_NAME);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => text,
    }
}

/// At most `limit` characters, cut after a word and marked.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= limit {
        return text;
    }
    let cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    let end = cut.rfind(' ').filter(|&end| end > limit / 2).unwrap_or(cut.len());
    format!("{}…", cut[..end].trim_end_matches([',', '.', ';', ':']))
}
