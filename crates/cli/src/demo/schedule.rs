//! When conversations happen and what is planted in them.
//!
//! Conversations are planned in blocks, each with its exact share of every
//! intent, language and failure, so that a corpus of any size has the promised
//! rates and a block can be planned without the others. Within a block, order
//! says nothing: intents and times are shuffled.

use chrono::{DateTime, Datelike, Duration, Utc};

use super::failures::{Circumstances, Failure};
use super::intents::{INTENTS, Intent};
use super::language::Language;
use super::random::Random;
use super::tools::Tool;

/// How many days a corpus covers.
pub(crate) const DAYS: i64 = 14;

/// Conversations planned together. Large enough for the rarest intent and failure to be in it.
pub(crate) const BLOCK: usize = 200;

const HOUR_MICROS: f64 = 3_600.0 * 1e6;

/// How busy each hour of the day is.
const HOURS: [f64; 24] = [
    4.0, 2.0, 1.0, 1.0, 1.0, 2.0, 6.0, 14.0, 26.0, 38.0, 42.0, 40.0, 36.0, 34.0, 36.0, 38.0, 40.0, 42.0,
    46.0, 50.0, 48.0, 36.0, 20.0, 9.0,
];

/// How many of a thousand customers write in another language than English.
const FOREIGN: [(Language, usize); 3] =
    [(Language::Spanish, 35), (Language::German, 30), (Language::French, 15)];

/// What one conversation is going to be.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) intent: Option<&'static Intent>,
    pub(crate) language: Language,
    pub(crate) start_micros: i64,
    pub(crate) new_prompt: bool,
    pub(crate) failures: Vec<Failure>,
}

/// The time a corpus covers.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    start_micros: i64,
    release_micros: i64,
    /// Up to each hour, the share of conversations that have begun.
    begun: Vec<f64>,
}

impl Calendar {
    /// The days before `end`.
    pub(crate) fn until(end: DateTime<Utc>) -> Self {
        let start = end - Duration::days(DAYS);
        let mut begun = vec![0.0];
        // The last two hours stay free, so that conversations are over in time.
        for hour in 0..DAYS * 24 - 2 {
            let day = start + Duration::hours(hour);
            let weekend = if day.weekday().num_days_from_monday() >= 5 { 0.7 } else { 1.0 };
            let busy = HOURS[chrono::Timelike::hour(&day) as usize] * weekend;
            begun.push(begun[begun.len() - 1] + busy);
        }
        let all = begun[begun.len() - 1];
        begun.iter_mut().for_each(|share| *share /= all);
        Self {
            start_micros: start.timestamp_micros(),
            // The ninth day, when people are at work.
            release_micros: (start + Duration::hours(8 * 24 + 10)).timestamp_micros(),
            begun,
        }
    }

    /// The moment by which this share of conversations has begun.
    fn moment(&self, share: f64) -> i64 {
        let hour = self.begun.partition_point(|&begun| begun <= share).clamp(1, self.begun.len() - 1) - 1;
        let within = (share - self.begun[hour]) / (self.begun[hour + 1] - self.begun[hour]);
        self.start_micros + ((hour as f64 + within) * HOUR_MICROS) as i64
    }
}

/// Plans the conversations of one block, `count` of them.
pub(crate) fn plan(calendar: &Calendar, count: usize, random: &mut Random) -> Vec<Plan> {
    let mut percents: Vec<usize> = INTENTS.iter().map(|intent| intent.percent).collect();
    percents.push(100 - percents.iter().sum::<usize>());
    let mut intents: Vec<Option<&'static Intent>> = apportion(count, &percents)
        .into_iter()
        .enumerate()
        .flat_map(|(index, share)| std::iter::repeat_n(INTENTS.get(index), share))
        .collect();
    random.shuffle(&mut intents);

    let mut ranks: Vec<usize> = (0..count).collect();
    random.shuffle(&mut ranks);
    let mut plans: Vec<Plan> = intents
        .into_iter()
        .zip(ranks)
        .map(|(intent, rank)| {
            let start_micros = calendar.moment((rank as f64 + random.unit()) / count as f64);
            Plan {
                intent,
                language: Language::English,
                start_micros,
                new_prompt: start_micros >= calendar.release_micros,
                failures: Vec::new(),
            }
        })
        .collect();
    speak_languages(&mut plans, random);
    plant_failures(&mut plans, random);
    plans
}

fn speak_languages(plans: &mut [Plan], random: &mut Random) {
    let count = plans.len();
    for (language, per_mille) in FOREIGN {
        let candidates = |plan: &Plan| plan.intent.is_some() && plan.language == Language::English;
        for chosen in choose(plans, rounded(count * per_mille, 1_000), candidates, random) {
            plans[chosen].language = language;
        }
    }
}

fn plant_failures(plans: &mut [Plan], random: &mut Random) {
    let count = plans.len();
    for failure in Failure::ALL {
        let candidates = |plan: &Plan| {
            let Plan { intent, language, new_prompt, .. } = *plan;
            plan.failures.is_empty() && failure.can_befall(&Circumstances { intent, language, new_prompt })
        };
        for chosen in choose(plans, rounded(count * failure.per_mille(), 1_000), candidates, random) {
            plans[chosen].failures.push(failure);
        }
    }
    // Some conversations have bad luck twice.
    let refused_after_lookup = |plan: &Plan| {
        plan.failures == [Failure::Refusal]
            && plan.intent.is_some_and(|intent| intent.uses(Tool::LookupOrder))
    };
    for chosen in choose(plans, count / BLOCK, refused_after_lookup, random) {
        plans[chosen].failures.push(Failure::RateLimited);
    }
}

/// Draws up to `wanted` of the plans that qualify.
fn choose(
    plans: &[Plan],
    wanted: usize,
    qualifies: impl Fn(&Plan) -> bool,
    random: &mut Random,
) -> Vec<usize> {
    let mut candidates: Vec<usize> = (0..plans.len()).filter(|&index| qualifies(&plans[index])).collect();
    random.shuffle(&mut candidates);
    candidates.truncate(wanted);
    candidates
}

fn rounded(numerator: usize, denominator: usize) -> usize {
    (numerator + denominator / 2) / denominator
}

/// Shares `count` in proportion to percents that add up to 100; the largest remainders get what is left over.
fn apportion(count: usize, percents: &[usize]) -> Vec<usize> {
    let mut shares: Vec<usize> = percents.iter().map(|percent| percent * count / 100).collect();
    let left_over = count - shares.iter().sum::<usize>();
    let mut order: Vec<usize> = (0..percents.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(percents[index] * count % 100));
    for &index in &order[..left_over] {
        shares[index] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_whatever_the_count() {
        for count in 0..=BLOCK {
            assert_eq!(apportion(count, &[50, 30, 17, 3]).iter().sum::<usize>(), count);
        }
    }

    #[test]
    fn nights_are_quiet() {
        let end = DateTime::from_timestamp(1_793_491_200, 0).expect("a valid time");
        let calendar = Calendar::until(end);
        let night = (0..1_000)
            .map(|share| {
                DateTime::from_timestamp_micros(calendar.moment(f64::from(share) / 1_000.0)).expect("valid")
            })
            .filter(|time| chrono::Timelike::hour(time) < 6)
            .count();
        assert!((5..50).contains(&night), "{night}");
        assert!(calendar.moment(0.999_999) < end.timestamp_micros());
    }
}
