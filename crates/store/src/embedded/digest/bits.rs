//! Sets of runs of one segment, and what is known of a condition on them.

use super::SIZE;

const WORDS: usize = (SIZE as usize).div_ceil(64);

/// A set of places in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::embedded) struct Bits([u64; WORDS]);

impl Bits {
    pub(super) const NONE: Self = Self([0; WORDS]);

    pub(super) fn all() -> Self {
        Self::of(|_| true)
    }

    /// The places of which a question is true.
    pub(super) fn of(is_in: impl Fn(usize) -> bool) -> Self {
        let mut bits = Self::NONE;
        for (number, word) in bits.0.iter_mut().enumerate() {
            for bit in 0..64.min(SIZE as usize - number * 64) {
                *word |= u64::from(is_in(number * 64 + bit)) << bit;
            }
        }
        bits
    }

    /// Adds a place; one outside the segment is nothing.
    pub(super) fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        self
    }

    pub(super) fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    pub(super) fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub(in crate::embedded) fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// In ascending order.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        ones(&self.0)
    }
}

/// The places of the bits that are set, from the lowest of the first word.
fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(number, &word)| {
        let rest = |&word: &u64| Some(word & word.wrapping_sub(1));
        let words = std::iter::successors(Some(word), rest).take_while(|&word| word != 0);
        words.map(move |word| number * 64 + word.trailing_zeros() as usize)
    })
}

/// Of which runs a condition is true for certain, and of which it can be.
#[derive(Clone, Copy, Debug)]
pub(in crate::embedded) struct Known {
    pub(in crate::embedded) must: Bits,
    pub(in crate::embedded) may: Bits,
}

impl Known {
    pub(super) fn exactly(bits: Bits) -> Self {
        Self { must: bits, may: bits }
    }

    /// Nothing is known.
    pub(in crate::embedded) fn open() -> Self {
        Self { must: Bits::NONE, may: Bits::all() }
    }

    pub(super) fn and(self, other: &Self) -> Self {
        Self { must: self.must.and(&other.must), may: self.may.and(&other.may) }
    }

    pub(super) fn or(self, other: &Self) -> Self {
        Self { must: self.must.or(&other.must), may: self.may.or(&other.may) }
    }

    pub(super) fn not(self) -> Self {
        Self { must: Bits::all().without(&self.may), may: Bits::all().without(&self.must) }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_are_counted_across_words() {
        let places = |words: &[u64]| super::ones(words).collect::<Vec<_>>();
        assert_eq!(places(&[1 | 1 << 63, 1, 1 << 63]), [0, 63, 64, 191]);
        assert_eq!(places(&[0, u64::MAX, 0]), (64..128).collect::<Vec<_>>());
        assert!(places(&[0, 0]).is_empty());
    }
}
