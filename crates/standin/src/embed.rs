//! Vectors of texts: words thrown into a fixed number of boxes.
//!
//! Texts that share words are near each other; that is all an honest stand-in
//! for an embedding model can promise.

use crate::behavior::roll;
use crate::words::words;

const DIMENSIONS: usize = 64;

/// A unit vector.
pub(crate) fn vector(text: &str, dimensions: Option<usize>) -> Vec<f64> {
    let dimensions = dimensions.unwrap_or(DIMENSIONS).clamp(1, 4096);
    let mut vector = vec![0.0; dimensions];
    // A text without words has a place too.
    vector[0] = 0.01;
    for word in words(text) {
        let at = (roll(&[b"box", word.as_bytes()]) * dimensions as f64) as usize;
        let sign = if roll(&[b"sign", word.as_bytes()]) < 0.5 { -1.0 } else { 1.0 };
        vector[at.min(dimensions - 1)] += sign;
    }
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_are_near() {
        let cosine =
            |a: &str, b: &str| vector(a, None).iter().zip(vector(b, None)).map(|(x, y)| x * y).sum::<f64>();
        assert!(
            cosine("cancel my order", "the order was cancelled")
                > cosine("cancel my order", "weather in Berlin")
        );
        assert!((cosine("", "") - 1.0).abs() < 1e-9);
    }
}
