//! Draws the threads to be read, each with a known chance.
//!
//! All designs are stratified random samples without replacement, so the
//! chance of every thread is known exactly and shares can be weighted back to
//! the population (Horvitz & Thompson 1952). Which threads of a stratum are
//! drawn depends only on the seed and their ids: adding threads elsewhere or
//! listing them in another order changes nothing.

use std::collections::BTreeMap;

use assay_domain::report::{Sample, SampleStrategy, Stratum};
use assay_domain::{RunStatus, ThreadOverview};
use sha2::{Digest, Sha256};

use crate::numbers::quantile;

/// A drawn thread: its place in the population and how many threads it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    pub index: usize,
    /// 1 / inclusion probability.
    pub weight: f64,
}

/// Draws from `population`, which must be ordered by thread id. The result is
/// in the order of the population.
#[must_use]
pub fn draw(population: &[ThreadOverview], sample: &Sample, seed: u64) -> Vec<Drawn> {
    let size = sample.size.unwrap_or(population.len());
    if size >= population.len() {
        return (0..population.len()).map(|index| Drawn { index, weight: 1.0 }).collect();
    }
    let strata = strata(population, &sample.strategy);
    let shares: Vec<(usize, f64)> = strata.values().map(|(members, pull)| (members.len(), *pull)).collect();
    let seats = allocate(size, &shares);
    let mut drawn = Vec::with_capacity(size);
    for ((members, _), seats) in strata.values().zip(seats) {
        let weight = members.len() as f64 / seats.max(1) as f64;
        let mut order: Vec<(u64, usize)> =
            members.iter().map(|&index| (lot(seed, &population[index].id.0), index)).collect();
        order.sort_unstable();
        drawn.extend(order.into_iter().take(seats).map(|(_, index)| Drawn { index, weight }));
    }
    drawn.sort_by_key(|drawn| drawn.index);
    drawn
}

/// Members and pull (relative chance) of every stratum.
type Strata = BTreeMap<String, (Vec<usize>, f64)>;

fn strata(population: &[ThreadOverview], strategy: &SampleStrategy) -> Strata {
    let mut strata = Strata::new();
    let mut put = |key: String, pull: f64, index: usize| {
        strata.entry(key).or_insert_with(|| (Vec::new(), pull)).0.push(index);
    };
    match strategy {
        SampleStrategy::Uniform => (0..population.len()).for_each(|index| put(String::new(), 1.0, index)),
        SampleStrategy::Stratified { by } => {
            let bounds = match by {
                Stratum::Latency => quartiles(population),
                _ => Vec::new(),
            };
            for (index, thread) in population.iter().enumerate() {
                put(stratum(thread, by, &bounds), 1.0, index);
            }
        }
        SampleStrategy::TowardErrors { weight } => {
            for (index, thread) in population.iter().enumerate() {
                let failed = thread.status == RunStatus::Error;
                put(failed.to_string(), if failed { pull(*weight) } else { 1.0 }, index);
            }
        }
        SampleStrategy::TowardLowFeedback { key, weight } => {
            let mut scores: Vec<(f64, f64)> =
                population.iter().filter_map(|thread| Some((mean_score(thread, key)?, 1.0))).collect();
            let median = quantile(&mut scores, 0.5);
            for (index, thread) in population.iter().enumerate() {
                let low = mean_score(thread, key).zip(median).is_some_and(|(score, median)| score <= median);
                put(low.to_string(), if low { pull(*weight) } else { 1.0 }, index);
            }
        }
    }
    strata
}

/// A weight as given by the user; what is not a positive number pulls no stronger than the rest.
fn pull(weight: f64) -> f64 {
    if weight.is_finite() && weight > 0.0 { weight } else { 1.0 }
}

fn mean_score(thread: &ThreadOverview, key: &str) -> Option<f64> {
    thread.feedback.get(key)?.mean
}

fn quartiles(population: &[ThreadOverview]) -> Vec<f64> {
    let mut latencies: Vec<(f64, f64)> =
        population.iter().filter_map(|thread| Some((thread.latency?, 1.0))).collect();
    [0.25, 0.5, 0.75].iter().filter_map(|&q| quantile(&mut latencies, q)).collect()
}

fn stratum(thread: &ThreadOverview, by: &Stratum, bounds: &[f64]) -> String {
    match by {
        Stratum::Status => thread.status.as_str().to_owned(),
        Stratum::Latency => match thread.latency {
            Some(latency) => bounds.iter().filter(|&&bound| latency > bound).count().to_string(),
            None => "unknown".to_owned(),
        },
        Stratum::Feedback { key } => match thread.feedback.get(key) {
            Some(score) => match (score.mean, score.labels.keys().next()) {
                (Some(mean), _) => format!("{mean:.1}"),
                (None, Some(label)) => label.clone(),
                (None, None) => "unknown".to_owned(),
            },
            None => "none".to_owned(),
        },
        Stratum::Metadata { key } => match thread.metadata.get(key) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => "none".to_owned(),
        },
        Stratum::Day => match thread.start_time {
            Some(time) => time.format("%Y-%m-%d").to_string(),
            None => "unknown".to_owned(),
        },
    }
}

/// Shares `size` seats among strata of (members, pull) in proportion to
/// members × pull: at least one each while seats last, no more than members.
///
/// Largest remainders decide, ties go to the earlier stratum.
fn allocate(size: usize, strata: &[(usize, f64)]) -> Vec<usize> {
    let mut seats = vec![0_usize; strata.len()];
    let mut left = size;
    for (index, (members, _)) in strata.iter().enumerate() {
        if *members > 0 && left > 0 {
            seats[index] = 1;
            left -= 1;
        }
    }
    // Strata fill up, so what they cannot take is shared again among the others.
    while left > 0 {
        let open: Vec<usize> = (0..strata.len()).filter(|&index| seats[index] < strata[index].0).collect();
        let total: f64 = open.iter().map(|&index| strata[index].0 as f64 * strata[index].1).sum();
        if open.is_empty() || total <= 0.0 {
            break;
        }
        let mut wanted: Vec<(f64, usize)> = open
            .iter()
            .map(|&index| (strata[index].0 as f64 * strata[index].1 / total * size as f64, index))
            .map(|(ideal, index)| (ideal - seats[index] as f64, index))
            .collect();
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let before = left;
        for &(missing, index) in &wanted {
            let take = (missing.floor().max(0.0) as usize).min(strata[index].0 - seats[index]).min(left);
            seats[index] += take;
            left -= take;
        }
        if left == before {
            // Only remainders are left: one seat each, the largest first.
            for &(_, index) in wanted.iter().take(left) {
                seats[index] += 1;
                left -= 1;
            }
        }
    }
    seats
}

/// A thread's lot under a seed: uniform over u64, unrelated between threads.
fn lot(seed: u64, id: &str) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(id.as_bytes());
    let digest = hasher.finalize();
    u64::from_le_bytes(digest[..8].try_into().expect("a SHA-256 digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use assay_domain::{ProjectId, ThreadId};

    use super::*;

    fn population(size: usize) -> Vec<ThreadOverview> {
        (0..size)
            .map(|index| ThreadOverview {
                id: ThreadId(format!("{index:05}")),
                project: ProjectId::from_name("p"),
                traces: Vec::new(),
                runs: 1,
                start_time: None,
                end_time: None,
                latency: Some(index as f64),
                status: if index % 10 == 0 { RunStatus::Error } else { RunStatus::Success },
                total_tokens: 0,
                input_tokens: 0,
                output_tokens: 0,
                total_cost: None,
                feedback: BTreeMap::new(),
                metadata: serde_json::Map::new(),
                tags: BTreeSet::new(),
            })
            .collect()
    }

    fn error_share(population: &[ThreadOverview], drawn: &[Drawn]) -> f64 {
        let failed = |d: &&Drawn| population[d.index].status == RunStatus::Error;
        let all: f64 = drawn.iter().map(|d| d.weight).sum();
        drawn.iter().filter(failed).map(|d| d.weight).sum::<f64>() / all
    }

    #[test]
    fn everything_is_read_by_default_and_the_sample_has_the_size_asked_for() {
        let population = population(1000);
        assert_eq!(draw(&population, &Sample::default(), 1).len(), 1000);
        for strategy in [
            SampleStrategy::Uniform,
            SampleStrategy::TowardErrors { weight: 5.0 },
            SampleStrategy::Stratified { by: Stratum::Latency },
            SampleStrategy::Stratified { by: Stratum::Day },
        ] {
            let sample = Sample { size: Some(137), strategy };
            let drawn = draw(&population, &sample, 1);
            assert_eq!(drawn.len(), 137, "{sample:?}");
            let total: f64 = drawn.iter().map(|d| d.weight).sum();
            assert!((total - 1000.0).abs() < 1e-6, "weights must add up to the population, not {total}");
        }
    }

    #[test]
    fn oversampled_errors_are_weighted_back() {
        let population = population(1000);
        let sample = Sample { size: Some(200), strategy: SampleStrategy::TowardErrors { weight: 5.0 } };
        let drawn = draw(&population, &sample, 3);
        let raw = drawn.iter().filter(|d| population[d.index].status == RunStatus::Error).count();
        assert!(raw > 60, "errors must be oversampled, found {raw} of 200");
        assert!((error_share(&population, &drawn) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let population = population(500);
        let sample = Sample { size: Some(50), strategy: SampleStrategy::Uniform };
        assert_eq!(draw(&population, &sample, 1), draw(&population, &sample, 1));
        assert_ne!(draw(&population, &sample, 1), draw(&population, &sample, 2));
    }

    #[test]
    fn nobody_gets_more_seats_than_members() {
        assert_eq!(allocate(10, &[(2, 100.0), (50, 1.0)]), [2, 8]);
        assert_eq!(allocate(2, &[(5, 1.0), (5, 1.0), (5, 1.0)]).iter().sum::<usize>(), 2);
        assert_eq!(allocate(3, &[(0, 1.0), (3, 1.0)]), [0, 3]);
    }
}
