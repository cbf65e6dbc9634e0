//! Compares two reports: which categories are the same, and whose share changed.
//!
//! Categories are matched by the threads that both reports hold. Where they share too few, or
//! one cuts at least twice as fine as the other, threads are placed in the other's categories
//! instead ([`alike`]); where threads have no words, names, keywords and examples decide.
//! What is matched to nothing is new or gone; what mostly came out of a matched
//! category is a part of it (split), what mostly went into one is in it (merged).
//! Changes of share carry Newcombe's interval and are tested together.

mod alike;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use assay_domain::comparison::{
    CategoryChange, CategoryReference, ChangeKind, Compared, Comparison, MatchedBy,
};
use assay_domain::report::{Assignment, Category, CategoryKind, Estimate, Focus, Report, Status};

use crate::Error;
use crate::numbers::{benjamini_hochberg, effective_size, independence, wilson};
use crate::shares::{self, Basis, Sight};
use assay_llm::Embed;

/// Reports are matched by threads if they share that part of the smaller one.
const ENOUGH_SHARED: f64 = 0.2;
/// Two categories may be the same from this likeness on.
const LIKE: f64 = 0.3;
/// What is left over belongs to a category if that part of it came from or went there.
const MOSTLY: f64 = 0.5;
/// The same for likeness of words, which is never as clear as threads.
const MOSTLY_IN_WORDS: f64 = 0.55;
/// Chance of a false alarm among those that are called significant.
const LEVEL: f64 = 0.05;

/// Compares `before` with `after`.
///
/// # Errors
/// [`Error::Incomparable`] where one is about use and the other about failures; else where the
/// embedder fails.
pub fn reports(before: &Report, after: &Report, embedder: &dyn Embed) -> Result<Comparison, Error> {
    if before.config.focus != after.config.focus {
        let about = |report: &Report| match report.config.focus {
            Focus::Usage => "use",
            Focus::Errors => "failures",
        };
        return Err(Error::Incomparable(format!(
            "{:?} is about {} and {:?} about {}: shares of the one say nothing about the other; compare two \
             reports of the same focus",
            before.config.name,
            about(before),
            after.config.name,
            about(after)
        )));
    }
    let shared = shared_threads(before, after);
    let smaller = before.assignments.len().min(after.assignments.len());
    let by_threads = !shared.is_empty() && shared.len() as f64 >= ENOUGH_SHARED * smaller as f64;
    // What went wrong is not told by what was asked for.
    let by_requests = [before, after].iter().all(|report| report.config.focus == Focus::Usage);
    let may_match = by_threads && !cut_differently(cuts(before), cuts(after));
    let placed = match by_requests && !may_match {
        true => alike::changes(before, after, &shared, embedder)?,
        false => None,
    };
    let (matched_by, mut changes) = match placed {
        Some(changes) => (MatchedBy::Likeness, changes),
        None if by_threads => (MatchedBy::Threads, matched(before, after, &shared, MatchedBy::Threads)),
        None => (MatchedBy::Words, matched(before, after, &shared, MatchedBy::Words)),
    };
    let p_values: Vec<f64> = changes.iter().map(|change| change.p_value).collect();
    for (change, q_value) in changes.iter_mut().zip(benjamini_hochberg(&p_values)) {
        change.q_value = q_value;
        change.is_significant = q_value <= LEVEL;
    }
    if matched_by == MatchedBy::Likeness {
        alike::mark(&mut changes);
    }
    changes.sort_by(|a, b| {
        let size = |change: &CategoryChange| change.difference.value.abs();
        (b.is_top.cmp(&a.is_top))
            .then(b.is_significant.cmp(&a.is_significant))
            .then(size(b).total_cmp(&size(a)))
            .then(a.kind.cmp(&b.kind))
    });
    Ok(Comparison {
        before: compared(before),
        after: compared(after),
        shared_threads: shared.len(),
        matched_by,
        tests: p_values.len(),
        changes,
    })
}

/// Leaves without what is left over.
fn cuts(report: &Report) -> usize {
    let all = &report.taxonomy.nodes;
    let parents: HashSet<&str> = all.iter().filter_map(|node| node.parent.as_deref()).collect();
    all.iter().filter(|node| !is_rest(node) && !parents.contains(node.id.as_str())).count()
}

/// Whether one of two reports cuts so much finer that its categories are parts of the other's.
fn cut_differently(a: usize, b: usize) -> bool {
    a.max(b) >= 2 * a.min(b) && a.abs_diff(b) >= 4
}

/// The changes of categories that were matched one to one, or as parts of one another.
fn matched(
    before: &Report,
    after: &Report,
    shared: &HashSet<&str>,
    matched_by: MatchedBy,
) -> Vec<CategoryChange> {
    let mut changes = Vec::new();
    for is_top in [true, false] {
        let sides = (Side::of(before, is_top), Side::of(after, is_top));
        // Where there is one level only, it was compared already.
        if is_top || !(sides.0.is_same_as_top && sides.1.is_same_as_top) {
            let ties = match matched_by {
                MatchedBy::Threads => Ties::by_threads(&sides.0, &sides.1, shared),
                _ => Ties::by_words(&sides.0, &sides.1),
            };
            changes.extend(changes_of(&sides.0, &sides.1, &ties, is_top));
        }
    }
    changes
}

fn compared(report: &Report) -> Compared {
    Compared {
        report: report.id,
        project: report.project.clone(),
        title: report.executive_summary.title.clone(),
        threads: report.assignments.len(),
        population: report.made.population,
        categories: cuts(report),
        failure_rate: report.statistics.failure_rate,
    }
}

fn shared_threads<'a>(before: &'a Report, after: &'a Report) -> HashSet<&'a str> {
    let there: HashSet<&str> = after.assignments.iter().map(|one| one.thread.0.as_str()).collect();
    let threads = before.assignments.iter().map(|one| one.thread.0.as_str());
    threads.filter(|thread| there.contains(thread)).collect()
}

/// Whether more than likeness put it where it is.
fn is_known(assignment: &&Assignment) -> bool {
    assignment.likeness.as_ref().is_none_or(|likeness| likeness.read)
}

/// The categories of one level of one report.
struct Side<'a> {
    nodes: Vec<&'a Category>,
    /// The node of every thread.
    node_of: HashMap<&'a str, usize>,
    /// Weight of every node's threads, and of all.
    weights: Vec<f64>,
    total: f64,
    /// How many threads of equal weight would say as much; of those that a model read, where it
    /// read some only.
    size: f64,
    /// Every thread, its node, and the one that likeness says, where a model read some only.
    partly: Vec<(&'a Assignment, Option<usize>, Option<usize>)>,
    is_same_as_top: bool,
}

impl<'a> Side<'a> {
    fn of(report: &'a Report, is_top: bool) -> Self {
        let all = &report.taxonomy.nodes;
        let by_id: HashMap<&str, &Category> = all.iter().map(|node| (node.id.as_str(), node)).collect();
        let has_children: HashSet<&str> = all.iter().filter_map(|node| node.parent.as_deref()).collect();
        let is_wanted = |node: &&Category| {
            if is_top { node.parent.is_none() } else { !has_children.contains(node.id.as_str()) }
        };
        let nodes: Vec<&Category> = all.iter().filter(is_wanted).collect();
        let place: HashMap<&str, usize> =
            nodes.iter().enumerate().map(|(index, node)| (node.id.as_str(), index)).collect();
        let mut side = Self {
            weights: vec![0.0; nodes.len()],
            is_same_as_top: nodes.iter().all(|node| node.parent.is_none()),
            nodes,
            node_of: HashMap::new(),
            total: 0.0,
            size: effective_size(report.assignments.iter().filter(is_known).map(|one| one.weight)),
            partly: Vec::new(),
        };
        // From the leaf upwards; a tree is never as deep as it has nodes.
        let up = |node: &&'a Category| by_id.get(node.parent.as_deref()?).copied();
        let find = |id: &str| {
            let mut line = std::iter::successors(by_id.get(id).copied(), up).take(all.len());
            line.find_map(|node| place.get(node.id.as_str()).copied())
        };
        for assignment in &report.assignments {
            side.total += assignment.weight;
            let index = find(&assignment.category);
            if let Some(index) = index {
                side.weights[index] += assignment.weight;
                side.node_of.insert(&assignment.thread.0, index);
            }
            if let Some(likeness) = &assignment.likeness {
                side.partly.push((assignment, index, likeness.category.as_deref().and_then(find)));
            }
        }
        side
    }

    fn share(&self, nodes: &[usize]) -> f64 {
        let weight: f64 = nodes.iter().map(|&node| self.weights[node]).sum();
        if self.total > 0.0 { (weight / self.total).clamp(0.0, 1.0) } else { 0.0 }
    }

    fn estimate(&self, nodes: &[usize]) -> Estimate {
        if self.partly.is_empty() {
            return wilson(self.share(nodes), self.size);
        }
        let holds = |node: Option<usize>| node.is_some_and(|node| nodes.contains(&node));
        shares::estimate(self.partly.iter().map(|&(one, node, alike)| Sight {
            weight: one.weight,
            is_in: holds(node),
            fails: one.failure.is_some() || one.status == Status::Error,
            basis: if is_known(&one) {
                Basis::Read(Some(holds(alike)))
            } else {
                Basis::Likeness(holds(alike))
            },
        }))
    }

    fn references(&self, nodes: &[usize]) -> Vec<CategoryReference> {
        nodes.iter().map(|&node| reference(self.nodes[node])).collect()
    }
}

/// How strongly every category before belongs to every one after.
struct Ties {
    /// How alike they are, and the part of each that is found in the other.
    like: Vec<Vec<f64>>,
    into: Vec<Vec<f64>>,
    from: Vec<Vec<f64>>,
    mostly: f64,
}

impl Ties {
    fn by_threads(before: &Side<'_>, after: &Side<'_>, shared: &HashSet<&str>) -> Self {
        let empty = || vec![vec![0.0; after.nodes.len()]; before.nodes.len()];
        let (mut like, mut into, mut from) = (empty(), empty(), empty());
        let mut both = empty();
        let (mut old, mut new) = (vec![0.0; before.nodes.len()], vec![0.0; after.nodes.len()]);
        for thread in shared {
            let (Some(&a), Some(&b)) = (before.node_of.get(thread), after.node_of.get(thread)) else {
                continue;
            };
            both[a][b] += 1.0;
            old[a] += 1.0;
            new[b] += 1.0;
        }
        for a in 0..before.nodes.len() {
            for b in 0..after.nodes.len() {
                if both[a][b] > 0.0 && can_match(before.nodes[a], after.nodes[b]) {
                    into[a][b] = both[a][b] / old[a];
                    from[a][b] = both[a][b] / new[b];
                    like[a][b] = 2.0 * both[a][b] / (old[a] + new[b]);
                }
            }
        }
        Self { like, into, from, mostly: MOSTLY }
    }

    fn by_words(before: &Side<'_>, after: &Side<'_>) -> Self {
        let (old, new) = bags(before, after);
        let like: Vec<Vec<f64>> = old
            .iter()
            .zip(&before.nodes)
            .map(|(old, a)| {
                let pairs = new.iter().zip(&after.nodes);
                pairs.map(|(new, b)| if can_match(a, b) { likeness(a, b, old, new) } else { 0.0 }).collect()
            })
            .collect();
        Self { into: like.clone(), from: like.clone(), like, mostly: MOSTLY_IN_WORDS }
    }
}

fn is_rest(node: &Category) -> bool {
    matches!(node.kind, CategoryKind::Other | CategoryKind::Healthy)
}

/// What is left over is no topic: it matches only what is left over elsewhere.
fn can_match(a: &Category, b: &Category) -> bool {
    is_rest(a) == is_rest(b) && (!is_rest(a) || a.kind == b.kind)
}

/// Words with weights, at unit length.
type Bag = BTreeMap<String, f64>;

/// The words of all categories; those that many categories use count less.
fn bags(before: &Side<'_>, after: &Side<'_>) -> (Vec<Bag>, Vec<Bag>) {
    let count = |node: &&Category| {
        let mut bag = Bag::new();
        let mut add = |text: &str, weight: f64| {
            for word in words(text) {
                *bag.entry(word).or_default() += weight;
            }
        };
        add(&node.name, 3.0);
        node.keywords.iter().for_each(|keyword| add(keyword, 2.0));
        node.examples.iter().for_each(|example| add(&example.text, 0.5));
        add(&node.description, 0.5);
        bag
    };
    let mut old: Vec<Bag> = before.nodes.iter().map(count).collect();
    let mut new: Vec<Bag> = after.nodes.iter().map(count).collect();
    let mut spread: BTreeMap<String, f64> = BTreeMap::new();
    for word in old.iter().chain(&new).flat_map(Bag::keys) {
        *spread.entry(word.clone()).or_default() += 1.0;
    }
    let bags = (old.len() + new.len()) as f64;
    for bag in old.iter_mut().chain(&mut new) {
        for (word, weight) in bag.iter_mut() {
            *weight = weight.sqrt() * (1.0 + bags / spread.get(word).copied().unwrap_or(1.0)).ln();
        }
        let length = bag.values().map(|weight| weight * weight).sum::<f64>().sqrt();
        if length > 0.0 {
            bag.values_mut().for_each(|weight| *weight /= length);
        }
    }
    (old, new)
}

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    words.map(str::to_lowercase).collect()
}

fn likeness(a: &Category, b: &Category, old: &Bag, new: &Bag) -> f64 {
    if a.name.to_lowercase() == b.name.to_lowercase() {
        return 1.0;
    }
    let cosine: f64 = old.iter().filter_map(|(word, x)| Some(x * new.get(word)?)).sum();
    cosine.min(0.99)
}

fn changes_of(before: &Side<'_>, after: &Side<'_>, ties: &Ties, is_top: bool) -> Vec<CategoryChange> {
    let pairs = pairs(before, after, ties);
    let old_of: HashMap<usize, usize> = pairs.iter().map(|&(a, b)| (b, a)).collect();
    let new_of: HashMap<usize, usize> = pairs.iter().copied().collect();
    // Groups of categories that belong together, by the pair in their middle.
    let mut groups: BTreeMap<(usize, usize), (Vec<usize>, Vec<usize>)> =
        pairs.iter().map(|&(a, b)| ((a, b), (vec![a], vec![b]))).collect();
    let mut alone = Vec::new();
    for b in (0..after.nodes.len()).filter(|b| !old_of.contains_key(b)) {
        let home = best(new_of.keys().copied(), |a| ties.from[a][b]).filter(|&(_, tie)| tie >= ties.mostly);
        match home.and_then(|(a, _)| groups.get_mut(&(a, new_of[&a]))) {
            Some((_, parts)) => parts.push(b),
            None => alone.push((Vec::new(), vec![b])),
        }
    }
    for a in (0..before.nodes.len()).filter(|a| !new_of.contains_key(a)) {
        let home = best(old_of.keys().copied(), |b| ties.into[a][b]).filter(|&(_, tie)| tie >= ties.mostly);
        match home.and_then(|(b, _)| groups.get_mut(&(old_of[&b], b))) {
            Some((parts, _)) => parts.push(a),
            None => alone.push((vec![a], Vec::new())),
        }
    }
    let matched = groups.into_iter().map(|((a, b), group)| (group, ties.like[a][b]));
    let unmatched = alone.into_iter().map(|group| (group, 1.0));
    matched.chain(unmatched).map(|(group, like)| change(before, after, &group, like, is_top)).collect()
}

/// The largest, of equals that with the lower index.
fn best(candidates: impl Iterator<Item = usize>, tie: impl Fn(usize) -> f64) -> Option<(usize, f64)> {
    let rated = candidates.map(|index| (index, tie(index)));
    rated.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

/// The most alike first, each category once.
fn pairs(before: &Side<'_>, after: &Side<'_>, ties: &Ties) -> Vec<(usize, usize)> {
    let mut rated = Vec::new();
    for a in 0..before.nodes.len() {
        for b in 0..after.nodes.len() {
            if ties.like[a][b] >= LIKE {
                rated.push((ties.like[a][b], a, b));
            }
        }
    }
    rated.sort_by(|x, y| y.0.total_cmp(&x.0).then((x.1, x.2).cmp(&(y.1, y.2))));
    let (mut old, mut new) = (HashSet::new(), HashSet::new());
    rated.retain(|&(_, a, b)| !old.contains(&a) && !new.contains(&b) && old.insert(a) && new.insert(b));
    rated.into_iter().map(|(_, a, b)| (a, b)).collect()
}

fn change(
    before: &Side<'_>,
    after: &Side<'_>,
    (old, new): &(Vec<usize>, Vec<usize>),
    similarity: f64,
    is_top: bool,
) -> CategoryChange {
    let all_rest = |side: &Side<'_>, nodes: &[usize]| nodes.iter().all(|&node| is_rest(side.nodes[node]));
    let kind = match (old.len(), new.len()) {
        // What is left over is there in every report, if only with nobody in it.
        _ if all_rest(before, old) && all_rest(after, new) => ChangeKind::Kept,
        (0, _) => ChangeKind::New,
        (_, 0) => ChangeKind::Gone,
        (1, 1) => ChangeKind::Kept,
        // Where both happened, the side with more parts says what it looks like.
        (olds, news) if news >= olds => ChangeKind::Split,
        _ => ChangeKind::Merged,
    };
    let measured = |side: &Side<'_>, nodes: &[usize]| Measured {
        nodes: side.references(nodes),
        share: side.estimate(nodes),
        size: side.size,
    };
    CategoryChange { kind, similarity, ..change_between(measured(before, old), measured(after, new), is_top) }
}

/// Categories of one report and their share of it, over so many effective observations.
struct Measured {
    nodes: Vec<CategoryReference>,
    share: Estimate,
    size: f64,
}

impl Measured {
    /// Effective observations inside and outside.
    fn counts(&self) -> (f64, f64) {
        (self.share.value * self.size, (1.0 - self.share.value) * self.size)
    }
}

/// The change of a share, tested for itself; corrected for the others later.
fn change_between(before: Measured, after: Measured, is_top: bool) -> CategoryChange {
    let ((a, b), (c, d)) = (before.counts(), after.counts());
    CategoryChange {
        kind: ChangeKind::Kept,
        is_top,
        similarity: 1.0,
        difference: difference(before.share, after.share),
        share_before: before.share,
        share_after: after.share,
        before: before.nodes,
        after: after.nodes,
        p_value: independence(a, b, c, d),
        q_value: 1.0,
        is_significant: false,
    }
}

/// A category as a comparison names it.
fn reference(node: &Category) -> CategoryReference {
    let Category { id, name, statistics, .. } = node;
    CategoryReference {
        id: id.clone(),
        name: name.clone(),
        threads: statistics.threads,
        share: statistics.share,
        failure_rate: statistics.failure_rate,
    }
}

/// After minus before, with the interval of Newcombe (1998, method 10).
fn difference(before: Estimate, after: Estimate) -> Estimate {
    let value = after.value - before.value;
    let length = |a: f64, b: f64| (a * a + b * b).sqrt();
    Estimate {
        value,
        low: value - length(after.value - after.low, before.high - before.value),
        high: value + length(after.high - after.value, before.value - before.low),
    }
}

#[cfg(test)]
mod tests {
    use assay_domain::report::{ReportConfig, Statistics, Taxonomy};
    use assay_domain::{ReportId, ThreadId};

    use super::*;

    /// Threads without words need no embedder.
    fn compared_reports(before: &Report, after: &Report) -> Comparison {
        reports(before, after, &assay_llm::MiniLm::bundled().expect("the bundled model")).expect("compared")
    }

    /// A report with flat categories: name, first thread, number of threads.
    fn report(name: &str, categories: &[(&str, usize, usize)]) -> Report {
        let total: usize = categories.iter().map(|(_, _, count)| count).sum();
        let node = |&(name, _, count): &(&str, usize, usize)| Category {
            id: name.to_owned(),
            parent: None,
            level: 0,
            name: name.to_owned(),
            description: String::new(),
            kind: if name == "Other" { CategoryKind::Other } else { CategoryKind::Discovered },
            examples: Vec::new(),
            keywords: Vec::new(),
            statistics: Statistics {
                threads: count,
                share: wilson(count as f64 / total as f64, total as f64),
                ..Statistics::default()
            },
        };
        let assignment = |name: &str, thread: usize| Assignment {
            thread: ThreadId(format!("t{thread}")),
            category: name.to_owned(),
            path: vec![name.to_owned()],
            confidence: 1.0,
            reason: None,
            summary: String::new(),
            request: String::new(),
            attributes: BTreeMap::new(),
            status: Status::Success,
            failure: None,
            start_time: None,
            latency: None,
            total_tokens: 0,
            cost: None,
            feedback: BTreeMap::new(),
            evidence: Vec::new(),
            weight: 1.0,
            likeness: None,
            position: [0.0, 0.0],
            traces: Vec::new(),
            run: None,
        };
        let assignments = categories
            .iter()
            .flat_map(|&(name, first, count)| (first..first + count).map(move |t| (name, t)));
        Report {
            version: 1,
            id: ReportId::from_name(name),
            project: "p".to_owned(),
            config: ReportConfig::usage_patterns(),
            executive_summary: Default::default(),
            taxonomy: Taxonomy { nodes: categories.iter().map(node).collect(), granularities: Vec::new() },
            assignments: assignments.map(|(name, thread)| assignment(name, thread)).collect(),
            statistics: Statistics { threads: total, ..Statistics::default() },
            made: Default::default(),
        }
    }

    /// Kind and names before and after, in order.
    fn found(comparison: &Comparison) -> Vec<(ChangeKind, Vec<&str>, Vec<&str>)> {
        fn names(list: &[CategoryReference]) -> Vec<&str> {
            list.iter().map(|one| one.name.as_str()).collect()
        }
        let changes = comparison.changes.iter();
        let mut found: Vec<_> =
            changes.map(|change| (change.kind, names(&change.before), names(&change.after))).collect();
        found.sort();
        found
    }

    #[test]
    fn shared_threads_tell_what_was_kept_split_merged_new_and_gone() {
        let before =
            report("a", &[("refund", 0, 40), ("login", 40, 30), ("hotel", 70, 10), ("flight", 80, 20)]);
        let after = report(
            "b",
            &[
                ("money back", 0, 22),
                ("exchange", 22, 18),
                ("sign in", 40, 30),
                ("travel", 70, 30),
                ("weather", 200, 50),
            ],
        );
        let comparison = compared_reports(&before, &after);
        assert_eq!((comparison.matched_by, comparison.shared_threads), (MatchedBy::Threads, 100));
        assert_eq!(
            found(&comparison),
            [
                (ChangeKind::New, vec![], vec!["weather"]),
                (ChangeKind::Split, vec!["refund"], vec!["money back", "exchange"]),
                (ChangeKind::Merged, vec!["flight", "hotel"], vec!["travel"]),
                (ChangeKind::Kept, vec!["login"], vec!["sign in"]),
            ]
        );
        let new = &comparison.changes[0];
        assert!(new.kind == ChangeKind::New && new.is_significant && new.difference.low > 0.2, "{new:?}");
    }

    #[test]
    fn a_report_differs_from_itself_in_nothing() {
        let one = report("a", &[("refund", 0, 40), ("login", 40, 30), ("Other", 70, 5)]);
        let comparison = compared_reports(&one, &one);
        for change in &comparison.changes {
            assert_eq!(
                (change.kind, change.difference.value, change.is_significant),
                (ChangeKind::Kept, 0.0, false)
            );
            assert!(change.p_value > 0.99, "{change:?}");
        }
        assert_eq!(comparison.tests, 3);
    }

    #[test]
    fn without_shared_threads_words_decide() {
        let before =
            report("a", &[("refund of an order", 0, 50), ("reset a password", 50, 50), ("Other", 100, 10)]);
        let after =
            report("b", &[("refund of orders", 200, 80), ("book a hotel", 280, 20), ("Other", 300, 10)]);
        let comparison = compared_reports(&before, &after);
        assert_eq!(comparison.matched_by, MatchedBy::Words);
        assert_eq!(
            found(&comparison),
            [
                (ChangeKind::New, vec![], vec!["book a hotel"]),
                (ChangeKind::Gone, vec!["reset a password"], vec![]),
                (ChangeKind::Kept, vec!["Other"], vec!["Other"]),
                (ChangeKind::Kept, vec!["refund of an order"], vec!["refund of orders"]),
            ]
        );
    }

    #[test]
    fn what_is_left_over_is_never_new_or_gone() {
        let with = report("a", &[("refund", 0, 50), ("Other", 50, 30)]);
        let without = report("b", &[("refund", 0, 80)]);
        for comparison in [compared_reports(&with, &without), compared_reports(&without, &with)] {
            assert!(
                comparison.changes.iter().all(|change| change.kind == ChangeKind::Kept),
                "{comparison:?}"
            );
        }
    }

    #[test]
    fn chance_alone_is_rarely_called_a_change() {
        // 51 of 100 against 49 of 100 in every pair: nothing to see.
        let before = report("a", &[("x", 0, 49), ("y", 49, 51)]);
        let after = report("b", &[("x", 500, 51), ("y", 551, 49)]);
        assert!(compared_reports(&before, &after).changes.iter().all(|change| !change.is_significant));
    }
}
