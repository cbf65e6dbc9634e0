//! Nearest neighbours, exactly, and the smoothing they allow.

use super::matrix::{Matrix, normalize};

/// The nearest other rows of each row: `k` per row, nearest first.
#[derive(Debug, Clone, Default)]
pub struct Neighbours {
    pub k: usize,
    /// `rows * k` row numbers.
    pub index: Vec<u32>,
    /// `rows * k` inner products, falling.
    pub similarity: Vec<f32>,
}

impl Neighbours {
    /// `(neighbour, similarity)` of row `i`, nearest first.
    pub fn of(&self, i: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = i * self.k..(i + 1) * self.k;
        self.index[range.clone()].iter().map(|&j| j as usize).zip(self.similarity[range].iter().copied())
    }
}

/// The `k` rows most similar to each row, not counting itself; at most `rows - 1` of them.
///
/// Exact: compares all pairs, in blocks. Of equally similar rows the lower index wins.
#[must_use]
pub fn nearest(x: &Matrix, k: usize) -> Neighbours {
    let k = k.min(x.rows.saturating_sub(1));
    let lists = x.map_products(x, |i, products| best(products, k, Some(i)));
    gather(k, &lists)
}

fn gather(k: usize, lists: &[Vec<(f32, u32)>]) -> Neighbours {
    Neighbours {
        k,
        index: lists.iter().flatten().map(|&(_, j)| j).collect(),
        similarity: lists.iter().flatten().map(|&(s, _)| s).collect(),
    }
}

/// The `k` largest products with their places, largest first, leaving out `skip`.
#[must_use]
pub fn best(products: &[f32], k: usize, skip: Option<usize>) -> Vec<(f32, u32)> {
    let mut top: Vec<(f32, u32)> = Vec::with_capacity(k + 1);
    if k == 0 {
        return top;
    }
    let mut floor = f32::NEG_INFINITY;
    for (j, &s) in products.iter().enumerate() {
        if s <= floor || Some(j) == skip {
            continue;
        }
        let at = top.partition_point(|&(t, _)| t >= s);
        top.insert(at, (s, j as u32));
        if top.len() > k {
            top.pop();
        }
        if top.len() == k {
            floor = top[k - 1].0;
        }
    }
    top
}

/// Moves each row halfway to the mean of its `k` nearest rows, `rounds` times.
///
/// Neighbours count by the square of their similarity. This is one step of
/// simple graph convolution (Wu et al., 2019) per round: it removes what is
/// particular to a text and keeps what it shares with texts like it.
#[must_use]
pub fn smooth(x: &Matrix, k: usize, rounds: usize) -> Matrix {
    let mut y = x.clone();
    for _ in 0..rounds {
        let near = nearest(&y, k);
        let mut next = Matrix::zeros(y.rows, y.cols);
        for i in 0..y.rows {
            let out = next.row_mut(i);
            for (j, s) in near.of(i) {
                let w = s.max(0.0) * s.max(0.0);
                out.iter_mut().zip(y.row(j)).for_each(|(o, v)| *o += w * v);
            }
            normalize(out);
            out.iter_mut().zip(y.row(i)).for_each(|(o, v)| *o += v);
            normalize(out);
        }
        y = next;
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square() -> Matrix {
        Matrix::new(4, 2, vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0, -1.0, 0.0])
    }

    #[test]
    fn the_nearest_row_comes_first_and_never_itself() {
        let near = nearest(&square(), 2);
        assert_eq!(near.index, [1, 2, 0, 2, 1, 0, 2, 1]);
    }

    #[test]
    fn no_more_neighbours_than_there_are_rows() {
        assert_eq!(nearest(&square(), 9).k, 3);
        assert_eq!(nearest(&Matrix::zeros(1, 2), 9).k, 0);
    }

    #[test]
    fn smoothing_brings_neighbours_together() {
        let before = square();
        let after = smooth(&before, 1, 1);
        let sim = |m: &Matrix| super::super::matrix::dot(m.row(0), m.row(1));
        assert!(sim(&after) > sim(&before));
    }
}
