//! Counts: statistics of every group, and what sets it apart from the rest.
//!
//! Shares and rates are weighted to the population and carry Wilson intervals
//! over the effective sample size; where a model read only some threads, [`crate::shares`]. Over-representation is tested with Fisher's
//! exact test and corrected for the number of tests over the whole report.

use std::collections::{BTreeMap, BTreeSet};

use assay_domain::RunStatus;
use assay_domain::report::{
    Association, AttributeStatistics, AttributeValue, CategoryKind, CostStatistics, DayCount,
    FeedbackStatistics, LabelCount, Percentiles, Statistics,
};
use chrono::NaiveDate;
use rust_decimal::prelude::ToPrimitive;

use crate::grouping::{Grouping, ReadThread};
use crate::numbers::{benjamini_hochberg, effective_size, independence, quantile, wilson};
use crate::shares::{self, Basis, Sight};
use crate::standing::{self, Counts};

/// Labels listed per attribute; the others are counted.
const LABELS_LISTED: usize = 25;
/// Associations kept per category.
const ASSOCIATIONS_KEPT: usize = 8;
/// False-discovery rate of the associations of a report.
const FALSE_DISCOVERY_RATE: f64 = 0.01;
/// Odds that differ by less are not worth a reader's time, however certain.
const SMALLEST_ODDS_RATIO: f64 = 1.5;
/// An attribute with more labels than this that mostly occur once is an identifier, not an attribute.
const IDENTIFIER_LABELS: usize = 40;

/// Statistics of all threads, and of every node of the grouping in its order.
#[must_use]
pub fn by_category(threads: &[ReadThread], grouping: &Grouping) -> (Statistics, Vec<Statistics>) {
    let attributes = telling_attributes(threads);
    let everyone: Vec<usize> = (0..threads.len()).collect();
    let weights = || threads.iter().map(|thread| thread.weight);
    let (all, size): (f64, f64) = (weights().sum(), effective_size(weights()));
    let of = |node: Option<usize>, members: &[usize]| {
        let mut statistics = count(threads, members, &attributes);
        statistics.share = match grouping.inferred.is_empty() {
            true => wilson(if all > 0.0 { statistics.estimated_threads / all } else { 0.0 }, size),
            false => shares::estimate(sights(threads, grouping, node)),
        };
        statistics
    };
    let overall = of(None, &everyone);
    let below = grouping.members_of_nodes();
    let mut by_node: Vec<Statistics> =
        below.iter().enumerate().map(|(node, members)| of(Some(node), members)).collect();
    for (node, associations) in associations(threads, grouping, &below, &attributes) {
        by_node[node].associations = associations;
    }
    for (node, is_above) in above(threads, grouping, &below, ends_in_error) {
        by_node[node].errors_stand_out = is_above;
    }
    for (node, is_above) in above(threads, grouping, &below, shows_failure) {
        by_node[node].failures_stand_out = is_above;
    }
    (overall, by_node)
}

/// Of the categories that mean something, whether `holds` is true of their threads clearly more
/// often than of others. Leaves and what is above them are looked at for themselves: what makes a
/// leaf stand out is seen in all above it, too.
fn above(
    threads: &[ReadThread],
    grouping: &Grouping,
    below: &[Vec<usize>],
    holds: impl Fn(&ReadThread) -> bool,
) -> Vec<(usize, bool)> {
    let answers: Vec<bool> = threads.iter().map(holds).collect();
    let counts = |members: &mut dyn Iterator<Item = usize>| {
        let mut counts = Counts::default();
        members.for_each(|thread| counts.add(threads[thread].weight, answers[thread]));
        counts
    };
    let whole = counts(&mut (0..threads.len()));
    let parents: BTreeSet<usize> = grouping.nodes.iter().filter_map(|node| node.parent).collect();
    let is_telling = |kind| matches!(kind, CategoryKind::Discovered | CategoryKind::Predefined);
    let mut found = Vec::new();
    for is_leaf in [true, false] {
        let nodes: Vec<usize> = (0..grouping.nodes.len())
            .filter(|node| parents.contains(node) != is_leaf && is_telling(grouping.nodes[*node].kind))
            .collect();
        let groups: Vec<Counts> =
            nodes.iter().map(|&node| counts(&mut below[node].iter().copied())).collect();
        found.extend(nodes.into_iter().zip(standing::above(&groups, &whole)));
    }
    found
}

/// All threads, as a node sees them; without one, everybody is in.
fn sights<'a>(
    threads: &'a [ReadThread],
    grouping: &'a Grouping,
    node: Option<usize>,
) -> impl Iterator<Item = Sight> + 'a {
    let holds = move |leaf: usize| node.is_none_or(|node| grouping.line(leaf).any(|one| one == node));
    threads.iter().enumerate().map(move |(index, thread)| {
        let is_in = holds(grouping.members[index].leaf);
        let alike = grouping.alike.get(index).map(|leaf| node.is_none() || leaf.is_some_and(holds));
        let basis = match grouping.inferred.get(index) {
            Some(true) => Basis::Likeness(alike.unwrap_or(is_in)),
            _ if node.is_none() => Basis::Read(Some(true)),
            _ => Basis::Read(alike),
        };
        Sight { weight: thread.weight, is_in, fails: shows_failure(thread), basis }
    })
}

fn ends_in_error(thread: &ReadThread) -> bool {
    thread.overview.status == RunStatus::Error
}

/// Whether some failure shows in this thread that the agent did not get over.
#[must_use]
pub fn shows_failure(thread: &ReadThread) -> bool {
    ends_in_error(thread) || thread.summary.failures.iter().any(|failure| !failure.recovered)
}

fn count(threads: &[ReadThread], members: &[usize], attributes: &BTreeSet<String>) -> Statistics {
    let chosen = || members.iter().map(|&index| &threads[index]);
    let weight: f64 = chosen().map(|thread| thread.weight).sum();
    let size = effective_size(chosen().map(|thread| thread.weight));
    let rate = |is: &dyn Fn(&ReadThread) -> bool| {
        let hits: f64 = chosen().filter(|thread| is(thread)).map(|thread| thread.weight).sum();
        wilson(if weight > 0.0 { hits / weight } else { 0.0 }, size)
    };
    let mut latencies: Vec<(f64, f64)> =
        chosen().filter_map(|thread| Some((thread.overview.latency?, thread.weight))).collect();
    let latency = quantile(&mut latencies, 0.5)
        .zip(quantile(&mut latencies, 0.99))
        .map(|(p50, p99)| Percentiles { p50, p99 });
    Statistics {
        threads: members.len(),
        estimated_threads: weight,
        share: wilson(0.0, 0.0),
        errors: chosen().filter(|thread| ends_in_error(thread)).count(),
        error_rate: rate(&ends_in_error),
        failures: chosen().filter(|thread| shows_failure(thread)).count(),
        failure_rate: rate(&shows_failure),
        // Known once all categories are counted.
        errors_stand_out: false,
        failures_stand_out: false,
        latency,
        total_tokens: chosen().fold(0, |sum: u64, t| sum.saturating_add(t.overview.total_tokens)),
        cost: cost(chosen()),
        feedback: feedback(chosen()),
        attributes: attributes
            .iter()
            .filter_map(|name| Some((name.clone(), attribute(chosen(), name)?)))
            .collect(),
        associations: Vec::new(),
        per_day: per_day(chosen()),
    }
}

fn cost<'a>(threads: impl Iterator<Item = &'a ReadThread>) -> Option<CostStatistics> {
    let mut costs: Vec<(f64, f64)> =
        threads.filter_map(|thread| Some((thread.overview.total_cost?.to_f64()?, thread.weight))).collect();
    let p50 = quantile(&mut costs, 0.5)?;
    // Sorted by `quantile`, so the sum does not depend on the order of threads.
    Some(CostStatistics { total: costs.iter().map(|(cost, _)| cost).sum(), p50 })
}

fn feedback<'a>(threads: impl Iterator<Item = &'a ReadThread>) -> BTreeMap<String, FeedbackStatistics> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut found: BTreeMap<String, FeedbackStatistics> = BTreeMap::new();
    for thread in threads {
        for (key, score) in &thread.overview.feedback {
            let statistics = found.entry(key.clone()).or_default();
            statistics.threads += 1;
            for label in score.labels.keys() {
                *statistics.labels.entry(label.clone()).or_default() += 1;
            }
            if let Some(mean) = score.mean {
                let (sum, weight) = sums.entry(key.clone()).or_default();
                *sum += mean * thread.weight;
                *weight += thread.weight;
            }
        }
    }
    for (key, (sum, weight)) in sums {
        if let Some(statistics) = found.get_mut(&key).filter(|_| weight > 0.0) {
            statistics.mean = Some(sum / weight);
        }
    }
    found
}

fn attribute<'a>(threads: impl Iterator<Item = &'a ReadThread>, name: &str) -> Option<AttributeStatistics> {
    let mut answered = 0;
    let mut yes = 0;
    let mut numbers: Vec<(f64, f64)> = Vec::new();
    let mut labels: BTreeMap<&str, usize> = BTreeMap::new();
    let mut is_boolean = false;
    for thread in threads {
        let Some(value) = thread.summary.attributes.get(name) else { continue };
        answered += 1;
        match value {
            AttributeValue::Boolean(value) => {
                is_boolean = true;
                yes += usize::from(*value);
            }
            AttributeValue::Number(value) => numbers.push((*value, thread.weight)),
            AttributeValue::Text(label) => *labels.entry(label).or_default() += 1,
            AttributeValue::Labels(list) => {
                for label in list.iter().collect::<BTreeSet<_>>() {
                    *labels.entry(label).or_default() += 1;
                }
            }
        }
    }
    if !numbers.is_empty() {
        return number_statistics(&mut numbers);
    }
    if is_boolean {
        return Some(AttributeStatistics::Boolean { threads: answered, yes });
    }
    if answered == 0 {
        return None;
    }
    let mut counts: Vec<LabelCount> =
        labels.into_iter().map(|(label, threads)| LabelCount { label: label.to_owned(), threads }).collect();
    counts.sort_by(|a, b| b.threads.cmp(&a.threads).then_with(|| a.label.cmp(&b.label)));
    let others = counts.len().saturating_sub(LABELS_LISTED);
    counts.truncate(LABELS_LISTED);
    Some(AttributeStatistics::Labels { threads: answered, counts, others })
}

fn number_statistics(numbers: &mut [(f64, f64)]) -> Option<AttributeStatistics> {
    let (p50, p99) = (quantile(numbers, 0.5)?, quantile(numbers, 0.99)?);
    let weight: f64 = numbers.iter().map(|(_, weight)| weight).sum();
    let mean =
        numbers.iter().map(|(value, weight)| value * weight).sum::<f64>() / weight.max(f64::MIN_POSITIVE);
    let max = numbers.last()?.0;
    Some(AttributeStatistics::Number { threads: numbers.len(), mean, p50, p99, max })
}

fn per_day<'a>(threads: impl Iterator<Item = &'a ReadThread>) -> Vec<DayCount> {
    let mut days: BTreeMap<NaiveDate, (usize, usize)> = BTreeMap::new();
    for thread in threads {
        let Some(time) = thread.overview.start_time else { continue };
        let (all, failed) = days.entry(time.date_naive()).or_default();
        *all += 1;
        *failed += usize::from(shows_failure(thread));
    }
    let Some((&first, &last)) = days.keys().next().zip(days.keys().next_back()) else { return Vec::new() };
    // A stray timestamp decades away must not make a list of ten thousand empty days.
    let has_gaps_filled = (last - first).num_days() <= 400;
    let mut listed: Vec<NaiveDate> = days.keys().copied().collect();
    if has_gaps_filled {
        listed = first.iter_days().take_while(|day| *day <= last).collect();
    }
    listed
        .into_iter()
        .map(|day| {
            let (threads, failures) = days.get(&day).copied().unwrap_or_default();
            DayCount { day: day.to_string(), threads, failures }
        })
        .collect()
}

/// Names of attributes that can tell threads apart: not identifiers, not constant metadata.
fn telling_attributes(threads: &[ReadThread]) -> BTreeSet<String> {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut answered: BTreeMap<&str, usize> = BTreeMap::new();
    for thread in threads {
        for (name, value) in &thread.summary.attributes {
            *answered.entry(name).or_default() += 1;
            let known = labels.entry(name).or_default();
            match value {
                AttributeValue::Text(label) => drop(known.insert(label)),
                AttributeValue::Labels(list) => known.extend(list.iter().map(String::as_str)),
                AttributeValue::Boolean(_) | AttributeValue::Number(_) => {}
            }
        }
    }
    let is_identifier = |name: &str| {
        let distinct = labels.get(name).map_or(0, BTreeSet::len);
        let threads = answered.get(name).copied().unwrap_or(0);
        name.starts_with("metadata.")
            && distinct > IDENTIFIER_LABELS.min(threads.div_ceil(2)).max(1)
            && distinct * 3 > threads.min(IDENTIFIER_LABELS * 30)
    };
    answered.keys().filter(|name| !is_identifier(name)).map(|name| (*name).to_owned()).collect()
}

/// The yes/no facts a thread is tested for: true booleans and its labels.
fn facts(thread: &ReadThread, attributes: &BTreeSet<String>) -> BTreeSet<(String, String)> {
    let mut facts = BTreeSet::new();
    for (name, value) in &thread.summary.attributes {
        if !attributes.contains(name) {
            continue;
        }
        match value {
            AttributeValue::Boolean(true) => drop(facts.insert((name.clone(), "true".to_owned()))),
            AttributeValue::Text(label) => drop(facts.insert((name.clone(), label.clone()))),
            AttributeValue::Labels(list) => {
                facts.extend(list.iter().map(|label| (name.clone(), label.clone())));
            }
            AttributeValue::Boolean(false) | AttributeValue::Number(_) => {}
        }
    }
    facts
}

/// A fact tested in a node.
struct Test {
    node: usize,
    fact: usize,
    inside: f64,
    outside: f64,
    odds_ratio: f64,
    p_value: f64,
}

/// What is more or less common in a node than in the rest of the report.
///
/// One pass over the threads counts every (node, fact) pair that occurs, so
/// the cost grows with the facts there are, not with nodes × facts × threads.
fn associations(
    threads: &[ReadThread],
    grouping: &Grouping,
    below: &[Vec<usize>],
    attributes: &BTreeSet<String>,
) -> Vec<(usize, Vec<Association>)> {
    let mut names: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut facts_of: Vec<Vec<usize>> = Vec::with_capacity(threads.len());
    for thread in threads {
        let found = facts(thread, attributes).into_iter().map(|fact| {
            let next = names.len();
            *names.entry(fact).or_insert(next)
        });
        facts_of.push(found.collect());
    }
    let mut fact_names = vec![(String::new(), String::new()); names.len()];
    for (fact, index) in names {
        fact_names[index] = fact;
    }
    let weight_sum: f64 = threads.iter().map(|thread| thread.weight).sum();
    // Tests count in units of effective observations, shares in weights.
    let scale = effective_size(threads.iter().map(|t| t.weight)) / weight_sum.max(f64::MIN_POSITIVE);
    let mut everywhere = vec![0.0; fact_names.len()];
    for (thread, facts) in threads.iter().zip(&facts_of) {
        facts.iter().for_each(|&fact| everywhere[fact] += thread.weight);
    }
    let mut tests = Vec::new();
    for (node, members) in below.iter().enumerate() {
        if grouping.nodes[node].kind == CategoryKind::Other || members.len() == threads.len() {
            continue;
        }
        let mut here: BTreeMap<usize, f64> = BTreeMap::new();
        for &member in members {
            for &fact in &facts_of[member] {
                *here.entry(fact).or_default() += threads[member].weight;
            }
        }
        let inside_weight: f64 = members.iter().map(|&member| threads[member].weight).sum();
        let outside_weight = weight_sum - inside_weight;
        for (fact, &all) in everywhere.iter().enumerate() {
            // Fewer than five threads cannot show anything that survives correction.
            if all * scale < 5.0 {
                continue;
            }
            let a = here.get(&fact).copied().unwrap_or(0.0);
            let (b, c) = (inside_weight - a, (all - a).max(0.0));
            let d = (outside_weight - c).max(0.0);
            let odds = ((a * scale + 0.5) * (d * scale + 0.5)) / ((b * scale + 0.5) * (c * scale + 0.5));
            tests.push(Test {
                node,
                fact,
                inside: a / inside_weight.max(f64::MIN_POSITIVE),
                outside: c / outside_weight.max(f64::MIN_POSITIVE),
                odds_ratio: odds,
                p_value: independence(a * scale, b * scale, c * scale, d * scale),
            });
        }
    }
    strongest(tests, &fact_names)
}

fn strongest(tests: Vec<Test>, fact_names: &[(String, String)]) -> Vec<(usize, Vec<Association>)> {
    let p_values: Vec<f64> = tests.iter().map(|test| test.p_value).collect();
    let q_values = benjamini_hochberg(&p_values);
    let mut kept: BTreeMap<usize, Vec<Association>> = BTreeMap::new();
    for (test, q_value) in tests.into_iter().zip(q_values) {
        let strength = test.odds_ratio.max(1.0 / test.odds_ratio);
        if q_value > FALSE_DISCOVERY_RATE || strength < SMALLEST_ODDS_RATIO {
            continue;
        }
        let (attribute, value) = fact_names[test.fact].clone();
        kept.entry(test.node).or_default().push(Association {
            attribute,
            value,
            inside: test.inside,
            outside: test.outside,
            odds_ratio: test.odds_ratio,
            q_value,
        });
    }
    for associations in kept.values_mut() {
        // The difference in shares is what a reader sees; certainty only breaks ties.
        associations.sort_by(|a, b| {
            let gap = |x: &Association| (x.inside - x.outside).abs();
            gap(b)
                .total_cmp(&gap(a))
                .then(a.q_value.total_cmp(&b.q_value))
                .then_with(|| (&a.attribute, &a.value).cmp(&(&b.attribute, &b.value)))
        });
        associations.truncate(ASSOCIATIONS_KEPT);
    }
    kept.into_iter().collect()
}
