//! The share of a category, where a model read only some of the threads.
//!
//! The others were placed by likeness, which is now and then wrong in a way that more of them
//! do not mend. How often, the read threads tell: each of them was also placed by likeness to the
//! *other* read ones, so it shows what likeness misses and what it puts in wrongly. The interval
//! is that of the difference estimator (Särndal, Swensson & Wretman 1992, §6.3): what was counted,
//! corrected by what the read threads show, with Wilson's interval for either kind of mistake. It
//! is about one truth: the share that reading *all* threads would have given, in these very categories.

use assay_domain::report::Estimate;

use crate::numbers::{effective_size, wilson};

/// A thread, as the share of one category sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    pub(crate) weight: f64,
    /// Whether it counts as a member.
    pub(crate) is_in: bool,
    /// Threads that fail are read sooner than others.
    pub(crate) fails: bool,
    pub(crate) basis: Basis,
}

/// What its place rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// It was read. Likeness alone would have put it in the category, or not, where that is known.
    Read(Option<bool>),
    /// Likeness, which alone says this; a model that was shown the thread's own words may have
    /// put it elsewhere.
    Likeness(bool),
}

/// Threads of one kind: those that fail, or the others.
#[derive(Clone, Debug, Default)]
struct Stratum {
    placed: Vec<f64>,
    read: Vec<f64>,
    /// Weight of read members that likeness misses, and of read strangers that it takes in.
    missed: f64,
    strayed: f64,
}

impl Stratum {
    fn join(&mut self, other: Self) {
        self.placed.extend(other.placed);
        self.read.extend(other.read);
        self.missed += other.missed;
        self.strayed += other.strayed;
    }
}

/// The counted share with its 95 % interval.
pub(crate) fn estimate(sights: impl Iterator<Item = Sight>) -> Estimate {
    let (mut inside, mut moved, mut weights) = (0.0, 0.0, Vec::new());
    let mut strata = [Stratum::default(), Stratum::default()];
    let mut is_known = true;
    for sight in sights {
        weights.push(sight.weight);
        inside += if sight.is_in { sight.weight } else { 0.0 };
        let stratum = &mut strata[usize::from(sight.fails)];
        match sight.basis {
            Basis::Likeness(alike) => {
                stratum.placed.push(sight.weight);
                // What the read threads show is how likeness alone errs, so that is corrected.
                moved += f64::from(u8::from(alike)) * sight.weight
                    - f64::from(u8::from(sight.is_in)) * sight.weight;
            }
            Basis::Read(alike) => {
                stratum.read.push(sight.weight);
                is_known &= alike.is_some();
                let alike = alike.unwrap_or(sight.is_in);
                stratum.missed += if sight.is_in && !alike { sight.weight } else { 0.0 };
                stratum.strayed += if alike && !sight.is_in { sight.weight } else { 0.0 };
            }
        }
    }
    let all: f64 = weights.iter().sum();
    let share = if all > 0.0 { inside / all } else { 0.0 };
    let plain = wilson(share, effective_size(weights.iter().copied()));
    if strata.iter().all(|stratum| stratum.placed.is_empty()) {
        return plain;
    }
    if !is_known {
        // Then only those that were read tell how large a category is.
        return wilson(share, effective_size(strata.iter().flat_map(|stratum| stratum.read.iter().copied())));
    }
    let read = wilson(share, effective_size(strata.iter().flat_map(|one| one.read.iter().copied())));
    match mistakes(strata) {
        Some(mistakes) => {
            // Never surer than the read threads alone are: placing by likeness is not the only thing
            // that differs from reading.
            let alike = (share + moved / all).clamp(0.0, 1.0);
            let size = effective_size(weights.into_iter());
            let Estimate { low, high, .. } = mistakes.widen(wilson(alike, size), all);
            let (value, low, high) = (share, low.min(share), high.max(share));
            Estimate { value, low: low.min(read.low), high: high.max(read.high) }
        }
        None => Estimate { low: 0.0, high: 1.0, ..plain },
    }
}

/// What likeness does wrongly among the threads that it placed.
struct Mistakes {
    /// Weight of those threads.
    placed: f64,
    missed: Estimate,
    strayed: Estimate,
    /// They are not endless either: their own number adds to what is uncertain.
    room: f64,
}

/// `None` where no read thread shows anything.
fn mistakes([mut sound, failing]: [Stratum; 2]) -> Option<Mistakes> {
    let is_blind = |stratum: &Stratum| stratum.read.is_empty() && !stratum.placed.is_empty();
    let strata = if is_blind(&sound) || is_blind(&failing) {
        sound.join(failing);
        vec![sound]
    } else {
        vec![sound, failing]
    };
    let (mut placed, mut missed, mut strayed, mut stand) = (Vec::new(), 0.0, 0.0, Vec::new());
    for stratum in strata.into_iter().filter(|stratum| !stratum.placed.is_empty()) {
        // Each read thread stands for its part of those that were placed.
        let each = stratum.placed.iter().sum::<f64>() / stratum.read.iter().sum::<f64>();
        missed += stratum.missed * each;
        strayed += stratum.strayed * each;
        stand.extend(stratum.read.iter().map(|weight| weight * each));
        placed.extend(stratum.placed);
    }
    let weight: f64 = placed.iter().sum();
    let size = effective_size(stand.into_iter());
    let room = (1.0 + size / effective_size(placed.into_iter()).max(1.0)).sqrt();
    (size > 0.0 && weight > 0.0).then(|| Mistakes {
        placed: weight,
        missed: wilson(missed / weight, size),
        strayed: wilson(strayed / weight, size),
        room,
    })
}

impl Mistakes {
    fn widen(&self, plain: Estimate, all: f64) -> Estimate {
        let part = self.placed / all;
        let Estimate { value: share, low, high } = plain;
        let middle = share + part * (self.missed.value - self.strayed.value);
        // Square-and-add, as for any difference of proportions (Newcombe 1998).
        let length = |counted: f64, a: f64, b: f64| counted.hypot(part * self.room * a.hypot(b));
        let below =
            length(share - low, self.missed.value - self.missed.low, self.strayed.high - self.strayed.value);
        let above =
            length(high - share, self.missed.high - self.missed.value, self.strayed.value - self.strayed.low);
        // What was counted stays inside, whatever the correction says.
        Estimate {
            value: share,
            low: (middle - below).clamp(0.0, share),
            high: (middle + above).clamp(share, 1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::random::mix;

    fn sight(is_in: bool, basis: Basis) -> Sight {
        Sight { weight: 1.0, is_in, fails: false, basis }
    }

    #[test]
    fn where_all_were_read_it_is_wilsons_interval() {
        let all = (0..100).map(|n| sight(n < 30, Basis::Read(None)));
        assert_eq!(estimate(all), wilson(0.3, 100.0));
    }

    #[test]
    fn what_likeness_misses_moves_the_interval_and_the_count_stays_inside() {
        // Of the read ones a third of the members would have been missed, and none taken in wrongly.
        let read = (0..300).map(|n| sight(n < 90, Basis::Read(Some(n < 60))));
        let placed = (0..3_000).map(|n| sight(n < 600, Basis::Likeness(n < 600)));
        let found = estimate(read.chain(placed));
        assert!((found.value - 690.0 / 3_300.0).abs() < 1e-12);
        assert!(found.low <= found.value && found.high > 0.3, "{found:?}: reading all would give 0.3");
    }

    #[test]
    fn without_a_read_thread_nothing_is_known() {
        let found = estimate((0..50).map(|n| sight(n < 5, Basis::Likeness(n < 5))));
        assert_eq!((found.value, found.low, found.high), (0.1, 0.0, 1.0));
    }

    /// A population of which a tenth is read, failing threads first, and likeness errs: where and
    /// how often depends on whether a thread fails. Also says what reading all would have given.
    fn population(size: u64, share: f64, seed: u64) -> (Vec<Sight>, f64) {
        let chance = |thread: u64, what: u64| mix(mix(seed ^ (thread << 20)) ^ what) as f64 / u64::MAX as f64;
        let mut sights = Vec::new();
        let (mut members, mut read) = (0.0, [0_u64; 2]);
        for thread in 0..size {
            let fails = chance(thread, 1) < 0.15;
            let is_member = chance(thread, 2) < if fails { 2.0 * share } else { share };
            let miss = if fails { 0.35 } else { 0.15 };
            let alike = if is_member { chance(thread, 3) >= miss } else { chance(thread, 4) < share / 3.0 };
            let is_read = read[usize::from(fails)] < size / 20;
            read[usize::from(fails)] += u64::from(is_read);
            members += f64::from(u8::from(is_member));
            let (is_in, basis) = match is_read {
                true => (is_member, Basis::Read(Some(alike))),
                false => (alike, Basis::Likeness(alike)),
            };
            sights.push(Sight { weight: 1.0, is_in, fails, basis });
        }
        (sights, members / size as f64)
    }

    #[test]
    fn intervals_that_say_95_percent_hold_about_that_often_what_reading_all_would_give() {
        let rounds = 400;
        for (size, share) in [(1_000, 0.05), (1_000, 0.2), (4_000, 0.02), (4_000, 0.1), (4_000, 0.3)] {
            let (mut held, mut plainly) = (0, 0);
            for round in 0..rounds {
                let (sights, truth) = population(size, share, mix(round) ^ size);
                let holds = |found: Estimate| u32::from(found.low <= truth && truth <= found.high);
                let read = sights.iter().filter(|one| matches!(one.basis, Basis::Read(_))).count();
                let found = estimate(sights.into_iter());
                held += holds(found);
                plainly += holds(wilson(found.value, read as f64));
            }
            let part = |count: u32| f64::from(count) / f64::from(rounds as u32);
            println!(
                "{size} threads, {share}: {:.3} held, {:.3} over the read ones",
                part(held),
                part(plainly)
            );
            assert!(part(held) >= 0.935, "{size} threads, {share}: only {} held", part(held));
        }
    }
}
