//! How many conversations a naming prompt shows: members of the category, and of its neighbours.
//!
//! Where there are few categories each is broad, and more of it has to be seen
//! to say what its members have in common; where there are many, each is narrow.
//! So about as many conversations are shown in all whichever way the same threads
//! are cut. That also keeps what names cost from hinging on the cut, which nobody
//! knows before a model has read the threads ([`crate::estimate`]).

use crate::math::Options;

/// Members and lines of neighbours where there are as many categories as so many threads usually have.
const USUAL: (f64, f64) = (10.0, 6.0);
/// Of a category, at least and at most these.
const MEMBERS: (f64, f64) = (8.0, 20.0);
const OF_NEIGHBOURS: (f64, f64) = (4.0, 20.0);
/// Usual categories are this times threads to the power: ten of 30, fifteen of 100, sixty of 6,000.
const CATEGORIES: (f64, f64) = (3.0, 0.35);
/// Of either category of a pair, usually, at least and at most these; and pairs asked about, by categories.
const OF_PAIR: (f64, f64, f64) = (6.0, 4.0, 10.0);
const PAIRS_OF_CATEGORIES: f64 = 0.25;
/// What a prompt holds beside conversations (the task, the form, the name that is answered), in
/// lines of about sixty tokens.
const BESIDE: f64 = 4.0;

/// Conversations that the prompt of one category shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contrast {
    pub(super) members: usize,
    /// Of all its neighbours together.
    neighbours: usize,
}

impl Contrast {
    pub(super) fn of(threads: usize, leaves: usize) -> Self {
        let (factor, power) = CATEGORIES;
        let looked_at = threads.min(Options::default().discover);
        let share = factor * (looked_at as f64).powf(power) / leaves.max(1) as f64;
        let within =
            |(least, most): (f64, f64), usual: f64| (usual * share).clamp(least, most).round() as usize;
        Self { members: within(MEMBERS, USUAL.0), neighbours: within(OF_NEIGHBOURS, USUAL.1) }
    }

    /// Lines of the neighbour at this place of so many: the nearest first gets one more.
    pub(super) fn of_neighbour(self, place: usize, neighbours: usize) -> usize {
        let neighbours = neighbours.max(1);
        self.neighbours / neighbours + usize::from(place < self.neighbours % neighbours)
    }
}

/// How long all naming prompts together are, in lines, when so many threads have so many
/// categories. Only ratios of it mean something.
pub(crate) fn length(threads: usize, leaves: f64) -> f64 {
    let Contrast { members, neighbours } = Contrast::of(threads, leaves.round() as usize);
    let members = (leaves * members as f64).min(threads as f64);
    members + leaves * (BESIDE + if leaves > 1.0 { neighbours as f64 } else { 0.0 })
}

/// Members that are shown of either category where a model says of so many pairs whether the two
/// are one: the fewer pairs, the more of each.
pub(super) fn of_pairs(threads: usize, pairs: usize) -> usize {
    let looked_at = threads.min(Options::default().discover) as f64;
    let usual = CATEGORIES.0 * looked_at.powf(CATEGORIES.1) * PAIRS_OF_CATEGORIES;
    (OF_PAIR.0 * usual / pairs.max(1) as f64).clamp(OF_PAIR.1, OF_PAIR.2).round() as usize
}

/// As [`length`], of the prompts about so many pairs.
pub(crate) fn length_of_pairs(threads: usize, pairs: f64) -> f64 {
    pairs * (BESIDE + 2.0 * of_pairs(threads, pairs.round() as usize) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_about_as_much_whichever_way_threads_are_cut() {
        for (threads, cuts) in [(30, 2..=7), (100, 5..=24), (1_000, 14..=45), (6_000, 30..=100)] {
            let lengths: Vec<f64> = cuts.map(|leaves| length(threads, f64::from(leaves))).collect();
            let [least, most] =
                [f64::min, f64::max].map(|of| lengths.iter().copied().reduce(of).unwrap_or(0.0));
            assert!(most / least < 1.5, "{threads} threads: {lengths:?}");
        }
        // Beyond what discovery looks at, more threads make no more categories.
        assert_eq!(Contrast::of(6_000, 20), Contrast::of(1_000_000, 20));
    }

    #[test]
    fn pairs_take_about_as_much_whether_they_are_few_or_many() {
        for (threads, pairs) in [(30, 2..=4), (100, 2..=6), (1_000, 5..=12), (6_000, 9..=20)] {
            let lengths: Vec<f64> = pairs.map(|pairs| length_of_pairs(threads, f64::from(pairs))).collect();
            let [least, most] =
                [f64::min, f64::max].map(|of| lengths.iter().copied().reduce(of).unwrap_or(0.0));
            assert!(most / least < 1.6, "{threads} threads: {lengths:?}");
        }
        assert_eq!((of_pairs(30, 1), of_pairs(1_000, 20)), (10, 4));
        assert_eq!(of_pairs(6_000, 10), of_pairs(1_000_000, 10));
    }

    #[test]
    fn every_category_is_set_against_its_neighbours() {
        for leaves in 1..400 {
            let one = Contrast::of(500, leaves);
            let of_neighbours: Vec<usize> = (0..3).map(|place| one.of_neighbour(place, 3)).collect();
            assert!(
                (8..=20).contains(&one.members) && of_neighbours.iter().all(|lines| *lines > 0),
                "{one:?}"
            );
            assert_eq!(of_neighbours.iter().sum::<usize>(), one.neighbours);
        }
    }
}
