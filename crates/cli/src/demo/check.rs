//! Compares what a report found with what was planted.
//!
//! Categories found have names of their own, so each planted group is first
//! matched with the category that resembles it most; then its threads are
//! counted. Pure data: the caller makes the report and prints the result.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::planted::Planted;

/// What a report says about one thread.
#[derive(Clone, Debug)]
pub(crate) struct FoundThread {
    pub(crate) thread: String,
    /// From the top category of the usage lens to the leaf; empty if unassigned.
    pub(crate) path: Vec<String>,
    /// The same in the error lens; `None` if it found no failure.
    pub(crate) failure: Option<Vec<String>>,
}

/// Something a report says about where a failure comes from.
#[derive(Clone, Debug)]
pub(crate) struct Association {
    pub(crate) category: String,
    pub(crate) attribute: String,
    pub(crate) value: String,
}

/// Below these a report has not understood the corpus.
pub(crate) const MIN_AREA_F1: f64 = 0.55;
pub(crate) const MIN_INTENT_F1: f64 = 0.55;
pub(crate) const MIN_FAILURE_F1: f64 = 0.88;
pub(crate) const MIN_DETECTION_F1: f64 = 0.90;
/// No single failure may be missed because the others were easy.
pub(crate) const MIN_EACH_FAILURE_F1: f64 = 0.50;

/// The error lens may say this in place of finding nothing.
const NO_FAILURE: &str = "no failure";

/// How well a report found what was planted.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) areas: Matching,
    pub(crate) intents: Matching,
    pub(crate) failures: Matching,
    /// Threads with any failure against threads with any finding.
    pub(crate) detection: Score,
    /// Every planted association, and whether the report names it.
    pub(crate) associations: Vec<(String, Association, bool)>,
}

/// Planted groups, each with the category that resembles it most.
#[derive(Clone, Debug)]
pub(crate) struct Matching {
    pub(crate) groups: Vec<Match>,
    /// Over all groups.
    pub(crate) overall: Score,
    /// Categories that no group was matched with, with their sizes.
    pub(crate) left_over: Vec<(String, usize)>,
}

/// A planted group and its category.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub(crate) planted: String,
    /// The path of the category; `None` if every resembling one resembles another group more.
    pub(crate) found: Option<Vec<String>>,
    pub(crate) score: Score,
}

/// Members in common, and how many there are on either side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Score {
    pub(crate) common: usize,
    pub(crate) found: usize,
    pub(crate) planted: usize,
}

impl Score {
    /// The share of what was found that belongs there.
    pub(crate) fn precision(self) -> f64 {
        share(self.common, self.found)
    }

    /// The share of what was planted that was found.
    pub(crate) fn recall(self) -> f64 {
        share(self.common, self.planted)
    }

    /// The harmonic mean of both; 1 when there was nothing to find and nothing was found.
    pub(crate) fn f1(self) -> f64 {
        share(2 * self.common, self.found + self.planted)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl Check {
    /// Whether the report is good enough.
    pub(crate) fn passed(&self) -> bool {
        self.shortcomings().is_empty()
    }

    /// What the report falls short of, one sentence each.
    pub(crate) fn shortcomings(&self) -> Vec<String> {
        let mut shortcomings = Vec::new();
        for (name, score, least) in [
            ("areas", self.areas.overall, MIN_AREA_F1),
            ("intents", self.intents.overall, MIN_INTENT_F1),
            ("failures", self.failures.overall, MIN_FAILURE_F1),
            ("detection of failures", self.detection, MIN_DETECTION_F1),
        ] {
            if score.f1() < least {
                shortcomings.push(format!("{name}: F1 {:.2} is below {least:.2}", score.f1()));
            }
        }
        for group in &self.failures.groups {
            if group.score.f1() < MIN_EACH_FAILURE_F1 {
                let (name, f1) = (&group.planted, group.score.f1());
                shortcomings
                    .push(format!("failure \"{name}\": F1 {f1:.2} is below {MIN_EACH_FAILURE_F1:.2}"));
            }
        }
        for (failure, association, named) in &self.associations {
            // Other associations follow from how the corpus is made; this one is the story it tells.
            if !named && association.attribute == "prompt_commit" {
                let Association { attribute, value, .. } = association;
                shortcomings.push(format!(
                    "failure \"{failure}\": that it goes with {attribute} {value} is not named"
                ));
            }
        }
        shortcomings
    }
}

/// Compares a report with what was planted. Threads the report leaves out count as not found.
#[must_use]
pub(crate) fn check(planted: &Planted, found: &[FoundThread], associations: &[Association]) -> Check {
    let mut areas = Groups::default();
    let mut intents = Groups::default();
    let mut failures = Groups::default();
    let mut failed = BTreeSet::new();
    for (id, thread) in &planted.threads {
        if let Some(topic) = &thread.topic {
            areas.plant(&topic.area, id);
            intents.plant(&topic.intent, id);
        }
        for failure in &thread.failures {
            failures.plant(failure, id);
            failed.insert(id.as_str());
        }
    }

    let mut detected = BTreeSet::new();
    for FoundThread { thread, path, failure } in found {
        // A report may cover more than the corpus.
        if !planted.threads.contains_key(thread) {
            continue;
        }
        if let Some(area) = path.first() {
            areas.find(std::slice::from_ref(area), thread);
            intents.find(path, thread);
        }
        if let Some(path) = failure.as_ref().filter(|path| is_failure(path)) {
            failures.find(path, thread);
            detected.insert(thread.as_str());
        }
    }

    let failures = failures.matched();
    Check {
        areas: areas.matched(),
        intents: intents.matched(),
        detection: Score {
            common: detected.intersection(&failed).count(),
            found: detected.len(),
            planted: failed.len(),
        },
        associations: planted_associations(planted, &failures, associations),
        failures,
    }
}

fn is_failure(path: &[String]) -> bool {
    path.last().is_some_and(|leaf| !leaf.eq_ignore_ascii_case(NO_FAILURE))
}

fn planted_associations(
    planted: &Planted,
    failures: &Matching,
    named: &[Association],
) -> Vec<(String, Association, bool)> {
    let mut associations = Vec::new();
    for failure in &planted.failures {
        let Some((attribute, value)) = &failure.goes_with else { continue };
        // A failure this corpus is too small for has no category to be named of.
        let Some(group) = failures.groups.iter().find(|group| group.planted == failure.name) else {
            continue;
        };
        let path = group.found.as_deref().unwrap_or_default();
        let is_named = named.iter().any(|association| {
            association.attribute == *attribute
                && association.value == *value
                && path.contains(&association.category)
        });
        let category = path.last().cloned().unwrap_or_default();
        let association = Association { category, attribute: attribute.clone(), value: value.clone() };
        associations.push((failure.name.clone(), association, is_named));
    }
    associations
}

/// Members of planted groups and of found categories.
#[derive(Default)]
struct Groups<'a> {
    planted: BTreeMap<&'a str, BTreeSet<&'a str>>,
    found: BTreeMap<&'a [String], BTreeSet<&'a str>>,
    /// The groups of each thread, of which it can be found in one only.
    memberships: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Groups<'a> {
    fn plant(&mut self, group: &'a str, thread: &'a str) {
        self.planted.entry(group).or_default().insert(thread);
        self.memberships.entry(thread).or_default().push(group);
    }

    fn find(&mut self, category: &'a [String], thread: &'a str) {
        self.found.entry(category).or_default().insert(thread);
    }

    /// Matches groups with categories, the most similar pair first.
    fn matched(&self) -> Matching {
        let mut pairs: Vec<(Score, &str, &[String])> = Vec::new();
        for (&group, members) in &self.planted {
            for (&category, assigned) in &self.found {
                let common = members.intersection(assigned).count();
                if common > 0 {
                    pairs.push((
                        Score { common, found: assigned.len(), planted: members.len() },
                        group,
                        category,
                    ));
                }
            }
        }
        // Stable, so that equal pairs stay in the order of their names.
        pairs.sort_by(|one, other| other.0.f1().total_cmp(&one.0.f1()));

        let mut category_of: BTreeMap<&str, &[String]> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for (_, group, category) in pairs {
            if !category_of.contains_key(group) && taken.insert(category) {
                category_of.insert(group, category);
            }
        }

        let mut overall = Score::default();
        let mut groups = Vec::new();
        for &planted in self.planted.keys() {
            let category = category_of.get(planted).copied();
            let score = self.score(planted, category, &category_of);
            overall.common += score.common;
            overall.found += score.found;
            overall.planted += score.planted;
            groups.push(Match {
                planted: planted.to_owned(),
                found: category.map(<[String]>::to_vec),
                score,
            });
        }
        let left_over = self.found.iter().filter(|(category, _)| !taken.contains(*category));
        let left_over = left_over.map(|(category, members)| (category.join(" / "), members.len())).collect();
        Matching { groups, overall, left_over }
    }

    /// A thread that belongs to two groups and was found in the other one is not held against this one.
    fn score(
        &self,
        group: &str,
        category: Option<&[String]>,
        category_of: &BTreeMap<&str, &[String]>,
    ) -> Score {
        let nothing = BTreeSet::new();
        let assigned = category.and_then(|category| self.found.get(category)).unwrap_or(&nothing);
        let found_elsewhere = |thread: &str| {
            self.memberships[thread].iter().filter(|&&other| other != group).any(|other| {
                category_of.get(other).is_some_and(|category| self.found[category].contains(thread))
            })
        };
        let members = &self.planted[group];
        let expected =
            members.iter().filter(|&&thread| assigned.contains(thread) || !found_elsewhere(thread));
        Score {
            common: members.intersection(assigned).count(),
            found: assigned.len(),
            planted: expected.count(),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = [("Areas", &self.areas), ("Intents", &self.intents), ("Failures", &self.failures)];
        let rows = tables.iter().flat_map(|(_, matching)| &matching.groups);
        let width = rows.map(|row| row.planted.chars().count()).chain([20]).max().unwrap_or(20);
        for (title, matching) in tables {
            writeln!(formatter, "{title:width$}  planted  found  precision  recall    F1  category")?;
            for group in &matching.groups {
                let name = group.found.as_ref().map_or_else(|| "–".to_owned(), |path| path.join(" / "));
                write_row(formatter, width, &group.planted, group.score, &name)?;
            }
            write_row(formatter, width, "overall", matching.overall, "")?;
            if !matching.left_over.is_empty() {
                let left_over: Vec<String> =
                    matching.left_over.iter().map(|(name, size)| format!("{name} ({size})")).collect();
                writeln!(formatter, "  found besides: {}", left_over.join(", "))?;
            }
            writeln!(formatter)?;
        }
        writeln!(formatter, "{:width$}  planted  found  precision  recall    F1", "Failed at all")?;
        write_row(formatter, width, "any failure", self.detection, "")?;
        writeln!(formatter)?;
        for (failure, association, named) in &self.associations {
            let verdict = if *named { "named" } else { "not named" };
            writeln!(
                formatter,
                "{failure} goes with {} {}: {verdict}",
                association.attribute, association.value
            )?;
        }
        match self.shortcomings().as_slice() {
            [] => writeln!(formatter, "passed"),
            shortcomings => {
                writeln!(formatter, "not passed:")?;
                shortcomings.iter().try_for_each(|shortcoming| writeln!(formatter, "  {shortcoming}"))
            }
        }
    }
}

fn write_row(
    formatter: &mut fmt::Formatter<'_>,
    width: usize,
    name: &str,
    score: Score,
    category: &str,
) -> fmt::Result {
    let row = format!(
        "{name:width$}  {:7}  {:5}  {:9.2}  {:6.2}  {:4.2}  {category}",
        score.planted,
        score.found,
        score.precision(),
        score.recall(),
        score.f1(),
    );
    writeln!(formatter, "{}", row.trim_end())
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
