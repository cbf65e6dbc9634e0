//! Chance that is the same on every machine.
//!
//! A small generator (SplitMix64) seeded from numbers that say what it is for,
//! so every thread can be made alone and in any order. It uses no function
//! whose last digit depends on the platform's mathematical library. Not for
//! secrets.

/// A stream of chance.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// Starts the stream that belongs to these numbers.
    pub(crate) fn of(parts: &[u64]) -> Self {
        let mut random = Self { state: 0x9E37_79B9_7F4A_7C15 };
        for part in parts {
            random.state ^= part.wrapping_mul(0xD6E8_FEB8_6659_FD93);
            random.state = random.bits();
        }
        random
    }

    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..1`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in `0..limit`; `limit` must not be zero.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True with the given probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of the choices, which must not be empty.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// The index of one of the weights, drawn in proportion to them.
    pub(crate) fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, &weight) in weights.iter().enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        unreachable!("a number below the sum falls into one of the weights")
    }

    /// Puts the items in a random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A log-normal duration or size, which is how waiting times look.
    pub(crate) fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        // Twelve uniform numbers add up to nearly a normal one.
        let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        median * exponential(sigma * normal)
    }

    /// Letters and digits, as identifiers of foreign systems have them.
    pub(crate) fn token(&mut self, length: usize) -> String {
        const ALPHABET: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
        (0..length).map(|_| char::from(self.pick(ALPHABET))).collect()
    }

    /// Hexadecimal digits.
    pub(crate) fn hex(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(self.pick(b"0123456789abcdef"))).collect()
    }
}

/// `f64::exp` may differ between platforms in the last digit; multiplying does not.
fn exponential(x: f64) -> f64 {
    let mut result = 1.0 + x / 1024.0;
    for _ in 0..10 {
        result *= result;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_give_the_same_stream() {
        let (mut one, mut other) = (Random::of(&[1, 2]), Random::of(&[1, 2]));
        assert_eq!(one.token(32), other.token(32));
        assert_ne!(one.token(32), Random::of(&[2, 1]).token(32));
    }

    #[test]
    fn numbers_stay_within_their_limits() {
        let mut random = Random::of(&[3]);
        for _ in 0..1_000 {
            assert!((4..=6).contains(&random.between(4, 6)));
            assert!((0.0..1.0).contains(&random.unit()));
            assert_ne!(random.weighted(&[1, 0, 2]), 1);
        }
    }

    #[test]
    fn half_of_the_durations_are_below_the_median() {
        let mut random = Random::of(&[4]);
        let below = (0..10_000).filter(|_| random.log_normal(2.0, 0.5) < 2.0).count();
        assert!((4_800..5_200).contains(&below), "{below}");
    }
}
