//! Chance from a seed: the same seed gives the same numbers everywhere.

/// One step of SplitMix64 (Steele, Lea and Flood, 2014): a well-mixed function of `state`.
#[must_use]
pub fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number that depends only on the bits of `values` and on `seed`.
///
/// Rows are sampled and split by this key, so a row's fate does not depend on
/// which other rows came along.
#[must_use]
pub fn content_key(values: &[f32], seed: u64) -> u64 {
    values.iter().fold(mix(seed), |key, value| mix(key ^ u64::from(value.to_bits())))
}

/// The `n` smallest keys' indices, ascending by index; ties go to the lower index.
#[must_use]
pub fn lowest(keys: &[u64], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|&i| (keys[i], i));
    order.truncate(n);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_keeps_the_smallest_keys_in_index_order() {
        assert_eq!(lowest(&[5, 1, 9, 1], 3), [0, 1, 3]);
    }

    #[test]
    fn keys_follow_content_and_seed() {
        assert_eq!(content_key(&[1.0, 2.0], 7), content_key(&[1.0, 2.0], 7));
        assert_ne!(content_key(&[1.0, 2.0], 7), content_key(&[2.0, 1.0], 7));
        assert_ne!(content_key(&[1.0, 2.0], 7), content_key(&[1.0, 2.0], 8));
    }
}
