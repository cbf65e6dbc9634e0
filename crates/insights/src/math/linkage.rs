//! Agglomeration: from single rows to one group, two at a time.
//!
//! The nearest-neighbour chain (Murtagh, 1983) finds the exact tree in
//! quadratic time. Both criteria here are reducible, which is what makes the
//! chain exact and the heights monotone.

use rayon::prelude::*;

use super::matrix::Matrix;

/// What makes two groups close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
    /// Twice the growth of the squared error when the two groups become one (Ward, 1963).
    Ward,
    /// One minus the mean similarity between their members (UPGMA); rows count equally.
    Average,
}

/// Two nodes become one. Nodes below the number of rows are rows; merge `i` makes node `rows + i`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    pub left: u32,
    pub right: u32,
    /// In the units of the criterion; never smaller than the heights below it.
    pub height: f32,
}

/// The `rows - 1` merges of unit-length rows, lowest first.
///
/// `weights` say how much each row counts (Ward only). Memory: `4 * rows^2` bytes.
#[must_use]
pub fn agglomerate(x: &Matrix, weights: &[f32], criterion: Criterion) -> Vec<Merge> {
    from_distances(distances(x, weights, criterion), weights, criterion)
}

/// The merges of things that have a dissimilarity but no vectors: Ward's tree over
/// `weights`, where `far(a, b)` takes the place of the squared distance.
///
/// Light things merge before heavy ones that are as far apart.
#[must_use]
pub fn agglomerate_by(far: impl Fn(usize, usize) -> f32, weights: &[f32]) -> Vec<Merge> {
    let n = weights.len();
    let mut distance = vec![0.0; n * n];
    for a in 0..n {
        for b in a + 1..n {
            let (wa, wb) = (weights[a], weights[b]);
            let between = 2.0 * wa * wb / (wa + wb) * far(a, b);
            distance[a * n + b] = between;
            distance[b * n + a] = between;
        }
    }
    from_distances(distance, weights, Criterion::Ward)
}

fn from_distances(mut distance: Vec<f32>, weights: &[f32], criterion: Criterion) -> Vec<Merge> {
    let n = weights.len();
    let mut weight: Vec<f32> = match criterion {
        Criterion::Ward => weights.to_vec(),
        Criterion::Average => vec![1.0; n],
    };
    let mut active: Vec<usize> = (0..n).collect();
    let mut raw: Vec<(f32, usize, usize)> = Vec::with_capacity(n.saturating_sub(1));
    let mut chain: Vec<usize> = Vec::new();

    while active.len() > 1 {
        if chain.is_empty() {
            chain.push(active[0]);
        }
        let a = chain[chain.len() - 1];
        let before = chain.len().checked_sub(2).map(|i| chain[i]);
        // The previous link wins ties, so the chain always ends in a pair of mutual nearest neighbours.
        let (mut b, mut closest) = before.map_or((usize::MAX, f32::INFINITY), |p| (p, distance[a * n + p]));
        let row = &distance[a * n..(a + 1) * n];
        for &k in &active {
            let d = row[k];
            if k != a && (d < closest || (d == closest && k < b && Some(b) != before)) {
                (b, closest) = (k, d);
            }
        }
        if Some(b) != before {
            chain.push(b);
            continue;
        }
        chain.truncate(chain.len() - 2);
        raw.push((closest, a.min(b), a.max(b)));
        merge_into(&mut distance, &mut weight, &active, n, (a, b), criterion);
        active.retain(|&k| k != b);
    }
    number(n, raw)
}

/// Group `b` becomes part of group `a`: the distances of `a` to everyone are renewed (Lance and Williams, 1967).
fn merge_into(
    distance: &mut [f32],
    weight: &mut [f32],
    active: &[usize],
    n: usize,
    (a, b): (usize, usize),
    criterion: Criterion,
) {
    let (wa, wb, ab) = (weight[a], weight[b], distance[a * n + b]);
    for &k in active {
        if k == a || k == b {
            continue;
        }
        let (ak, bk, wk) = (distance[a * n + k], distance[b * n + k], weight[k]);
        let renewed = match criterion {
            Criterion::Ward => ((wa + wk) * ak + (wb + wk) * bk - wk * ab) / (wa + wb + wk),
            Criterion::Average => (wa * ak + wb * bk) / (wa + wb),
        };
        distance[a * n + k] = renewed;
        distance[k * n + a] = renewed;
    }
    weight[a] += wb;
}

fn distances(x: &Matrix, weights: &[f32], criterion: Criterion) -> Vec<f32> {
    let rows = x.map_products(x, |i, products| -> Vec<f32> {
        let far = |(j, &s): (usize, &f32)| match criterion {
            Criterion::Ward => {
                2.0 * weights[i] * weights[j] / (weights[i] + weights[j]) * (2.0 - 2.0 * s).max(0.0)
            }
            Criterion::Average => 1.0 - s,
        };
        products.iter().enumerate().map(far).collect()
    });
    rows.into_par_iter().flatten_iter().collect()
}

/// Sorts the chain's merges by height and gives every merge its node number.
fn number(n: usize, mut raw: Vec<(f32, usize, usize)>) -> Vec<Merge> {
    raw.sort_by(|x, y| x.0.total_cmp(&y.0));
    let mut sets = Sets::new(2 * n);
    let mut merges = Vec::with_capacity(raw.len());
    for (i, (height, a, b)) in raw.into_iter().enumerate() {
        let (p, q) = (sets.find(a), sets.find(b));
        sets.parent[p] = n + i;
        sets.parent[q] = n + i;
        merges.push(Merge { left: p.min(q) as u32, right: p.max(q) as u32, height });
    }
    merges
}

struct Sets {
    parent: Vec<usize>,
}

impl Sets {
    fn new(n: usize) -> Self {
        Self { parent: (0..n).collect() }
    }

    fn find(&mut self, mut i: usize) -> usize {
        while self.parent[i] != i {
            self.parent[i] = self.parent[self.parent[i]];
            i = self.parent[i];
        }
        i
    }
}

/// The group of every row when only `groups` groups are left, numbered in the order of their first row.
#[must_use]
pub fn cut(rows: usize, merges: &[Merge], groups: usize) -> Vec<u32> {
    let keep = rows.saturating_sub(groups.max(1)).min(merges.len());
    let mut root: Vec<u32> = (0..(rows + keep) as u32).collect();
    for (i, merge) in merges[..keep].iter().enumerate().rev() {
        let top = root[rows + i];
        root[merge.left as usize] = top;
        root[merge.right as usize] = top;
    }
    let mut label = vec![u32::MAX; rows + keep];
    let mut next = 0;
    (0..rows)
        .map(|i| {
            let slot = &mut label[root[i] as usize];
            if *slot == u32::MAX {
                *slot = next;
                next += 1;
            }
            *slot
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fan(angles: &[f32]) -> Matrix {
        Matrix::new(angles.len(), 2, angles.iter().flat_map(|a| [a.cos(), a.sin()]).collect())
    }

    #[test]
    fn close_rows_merge_first() {
        let x = fan(&[0.0, 1.0, 0.1, 1.1, 3.0]);
        for criterion in [Criterion::Ward, Criterion::Average] {
            let merges = agglomerate(&x, &[1.0; 5], criterion);
            assert_eq!(cut(5, &merges, 3), [0, 1, 0, 1, 2]);
            assert!(merges.is_sorted_by_key(|m| m.height));
        }
    }

    #[test]
    fn every_number_of_groups_can_be_had() {
        let x = fan(&[0.0, 0.3, 0.9, 1.0, 2.0, 2.2, 3.1]);
        let merges = agglomerate(&x, &[1.0; 7], Criterion::Ward);
        for k in 1..=7 {
            let found = cut(7, &merges, k).into_iter().max().map_or(0, |m| m as usize + 1);
            assert_eq!(found, k);
        }
    }

    #[test]
    fn equal_rows_are_no_trouble() {
        let x = fan(&[0.5; 6]);
        assert_eq!(agglomerate(&x, &[1.0; 6], Criterion::Ward).len(), 5);
    }

    #[test]
    fn light_things_merge_before_heavy_ones() {
        let merges = agglomerate_by(|_, _| 1.0, &[9.0, 1.0, 8.0, 1.0]);
        assert_eq!(cut(4, &merges, 3), [0, 1, 2, 1]);
        let far = |a: usize, b: usize| if a + b == 1 { 0.01 } else { 1.0 };
        assert_eq!(cut(4, &agglomerate_by(far, &[9.0, 8.0, 1.0, 1.0]), 3), [0, 0, 1, 2]);
    }

    #[test]
    fn one_row_has_no_merges() {
        assert!(agglomerate(&fan(&[0.5]), &[1.0], Criterion::Ward).is_empty());
        assert_eq!(cut(1, &[], 1), [0]);
        assert!(cut(0, &[], 3).is_empty());
    }
}
