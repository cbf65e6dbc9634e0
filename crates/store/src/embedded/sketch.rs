//! Percentiles of many numbers in little memory.
//!
//! Up to a few thousand numbers are kept as they are; of more, only how many
//! fall between powers of 1.02, so that a percentile is off by at most one
//! percent of its value, whatever the distribution (this is [DDSketch]).
//! Sketches of parts add up to the sketch of the whole.
//!
//! [DDSketch]: https://www.vldb.org/pvldb/vol12/p2195-masson.pdf

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// So many numbers are kept as they are.
const EXACT: usize = 4_096;
/// In a part of a larger whole, so many.
const EXACT_IN_PART: usize = 64;
/// Bounds of neighbouring buckets are apart by this factor.
const STEP: f64 = 1.02;

/// How numbers that are not negative are distributed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Sketch {
    Exact(Vec<f64>),
    /// How many numbers are in each bucket; zeros have one of their own.
    Buckets {
        zeros: u64,
        counts: BTreeMap<i32, u64>,
        total: u64,
    },
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl Sketch {
    /// Adds a number; one that is negative or none counts as zero.
    pub(crate) fn add(&mut self, number: f64) {
        match self {
            Self::Exact(numbers) if numbers.len() < EXACT => numbers.push(number.max(0.0)),
            Self::Exact(_) => {
                self.spread();
                self.count(number);
            }
            Self::Buckets { .. } => self.count(number),
        }
    }

    /// Adds all numbers of another sketch.
    pub(crate) fn add_sketch(&mut self, other: Self) {
        match other {
            Self::Exact(numbers) => numbers.into_iter().for_each(|number| self.add(number)),
            Self::Buckets { zeros, counts, total } => {
                self.spread();
                let Self::Buckets { zeros: all_zeros, counts: all_counts, total: whole } = self else {
                    return;
                };
                *all_zeros += zeros;
                *whole += total;
                for (bucket, count) in counts {
                    *all_counts.entry(bucket).or_default() += count;
                }
            }
        }
    }

    /// Keeps fewer numbers as they are: what is kept of a part.
    pub(crate) fn condense(&mut self) {
        if matches!(self, Self::Exact(numbers) if numbers.len() > EXACT_IN_PART) {
            self.spread();
        }
    }

    /// From numbers as they are to buckets.
    fn spread(&mut self) {
        let Self::Exact(numbers) = self else { return };
        let numbers = std::mem::take(numbers);
        *self = Self::Buckets { zeros: 0, counts: BTreeMap::new(), total: 0 };
        numbers.into_iter().for_each(|number| self.count(number));
    }

    fn count(&mut self, number: f64) {
        let Self::Buckets { zeros, counts, total } = self else { return };
        *total += 1;
        if number > 0.0 {
            *counts.entry(bucket(number)).or_default() += 1;
        } else {
            *zeros += 1;
        }
    }

    /// The number that a share of all numbers does not exceed; between two, in proportion.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        match self {
            Self::Exact(numbers) => {
                let mut sorted = numbers.clone();
                sorted.sort_by(f64::total_cmp);
                let place = share * sorted.len().checked_sub(1)? as f64;
                let (low, high) = (place.floor() as usize, place.ceil() as usize);
                let (low_number, high_number) = (sorted[low], sorted[high]);
                Some(low_number + (high_number - low_number) * (place - place.floor()))
            }
            Self::Buckets { zeros, counts, total } => {
                let rank = (share * (*total - 1) as f64).round() as u64;
                let mut passed = *zeros;
                if rank < passed {
                    return Some(0.0);
                }
                let found = counts.iter().find(|(_, count)| {
                    passed += **count;
                    rank < passed
                });
                found.map(|(bucket, _)| middle(*bucket))
            }
        }
    }
}

fn bucket(number: f64) -> i32 {
    (number.ln() / STEP.ln()).ceil() as i32
}

/// The number of a bucket from which none of it is further away, in proportion, than one percent.
fn middle(bucket: i32) -> f64 {
    STEP.powi(bucket) * 2.0 / (1.0 + STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(numbers: impl IntoIterator<Item = f64>) -> Sketch {
        let mut sketch = Sketch::default();
        numbers.into_iter().for_each(|number| sketch.add(number));
        sketch
    }

    #[test]
    fn few_numbers_have_exact_percentiles() {
        assert_eq!(sketch([]).percentile(0.5), None);
        assert_eq!(sketch([3.0]).percentile(0.99), Some(3.0));
        assert_eq!(sketch([4.0, 1.0, 2.0, 3.0]).percentile(0.5), Some(2.5));
    }

    #[test]
    fn sketches_of_parts_add_up_to_the_sketch_of_the_whole() {
        let number = |place: usize| (place as f64 / 1_000.0).exp();
        let mut whole = Sketch::default();
        for part in 0..20 {
            let mut sketch = sketch((part * 500..(part + 1) * 500).map(number));
            sketch.condense();
            whole.add_sketch(sketch);
        }
        whole.add_sketch(sketch([0.0, number(10_000)]));
        let at_once = sketch((0..=10_000).map(number).chain([0.0]));
        for share in [0.0, 0.3, 0.5, 0.99, 1.0] {
            assert_eq!(whole.percentile(share), at_once.percentile(share));
        }
        let mut few = sketch([1.0, 2.0]);
        few.add_sketch(sketch([4.0]));
        assert_eq!(few.percentile(0.5), Some(2.0));
    }

    #[test]
    fn percentiles_of_many_numbers_are_off_by_one_percent_at_most() {
        for scale in [1e-9, 1.0, 1e7] {
            let number = |place: usize| scale * (place as f64 / 1_000.0).exp();
            let sketch = sketch((0..20_000).rev().map(number));
            for share in [0.0, 0.01, 0.5, 0.9, 0.99, 1.0] {
                let exact = number((share * 19_999.0f64).round() as usize);
                let found = sketch.percentile(share).expect("some");
                assert!((found / exact - 1.0).abs() <= 0.01, "{share}: {found} for {exact}");
            }
        }
        let mostly_zero = sketch((0..10_000).map(|place| if place < 9_000 { 0.0 } else { 5.0 }));
        assert_eq!(mostly_zero.percentile(0.5), Some(0.0));
        assert!(mostly_zero.percentile(0.99).is_some_and(|found| (found / 5.0 - 1.0).abs() <= 0.01));
    }
}
