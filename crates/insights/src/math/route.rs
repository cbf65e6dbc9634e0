//! Placing rows in categories that are already known.

use super::matrix::Matrix;
use super::neighbours::best;

/// Nearest rows that speak for a fit.
const COMPANY: usize = 5;

/// Fewer known rows than this say nothing about what is unusual, so none of them is residue.
const ENOUGH: usize = 100;

/// Where a row belongs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Route {
    /// The leaf, or `None` if the row fits nowhere ("Other").
    pub leaf: Option<u32>,
    /// The leaf it would be in if it had to be in one.
    pub nearest_leaf: u32,
    /// The most similar known row of that leaf (a place in the sample).
    pub nearest_row: u32,
    /// How clear the choice was, 0.5 (a tie) to 1. A typical known row has 0.9.
    pub confidence: f32,
    /// How much the row is like its leaf and its nearest rows: the sum of two cosines.
    pub fit: f32,
}

/// What is needed to place new rows: the known rows, their leaves and the leaves' centres.
#[derive(Debug, Clone, Default)]
pub struct Router {
    /// The corpus mean; rows are compared as directions from it.
    pub origin: Vec<f32>,
    /// One unit row per leaf.
    pub centres: Matrix,
    /// Rows with less fit than this are "Other".
    pub threshold: f32,
    /// Which known rows fit nowhere.
    pub residue: Vec<bool>,
    known: Matrix,
    leaf: Vec<u32>,
    copies: Vec<u32>,
    /// The margin between the best and the second-best leaf that means 0.9.
    typical_margin: f32,
}

impl Router {
    /// Learns from known rows. `known`: unit directions from `origin`; `leaf`, `weights`, `copies`: one per row.
    #[must_use]
    pub(super) fn new(
        origin: Vec<f32>,
        known: Matrix,
        leaf: &[u32],
        leaves: usize,
        weights: &[f32],
        copies: &[u32],
        outlier: f32,
    ) -> Self {
        let sums = known.sums(leaf, leaves, weights);
        let centres = sums.clone().normalized();
        let mut router = Self {
            origin,
            centres,
            threshold: f32::NEG_INFINITY,
            residue: vec![false; known.rows],
            known,
            leaf: leaf.to_vec(),
            copies: copies.to_vec(),
            typical_margin: 1.0,
        };
        if leaves == 0 {
            return router;
        }

        // A row must not speak for itself: it is taken out of its own centre and its own company.
        let company =
            router.known.map_products(&router.known, |i, products| router.company(products, Some(i)));
        let like_leaf: Vec<f32> = (0..leaf.len())
            .map(|i| {
                let row = router.known.row(i);
                let sum = sums.row(leaf[i] as usize);
                // Copies keep each other company, so only a text seen once leaves its centre entirely.
                let out = if copies[i] > 1 { 0.0 } else { weights[i] };
                let (mut inner, mut square) = (0.0f32, 0.0f32);
                for (s, x) in sum.iter().zip(row) {
                    let rest = s - out * x;
                    inner += rest * x;
                    square += rest * rest;
                }
                if square > 1e-12 { inner / square.sqrt() } else { 0.0 }
            })
            .collect();
        let fit: Vec<f32> = company.iter().zip(&like_leaf).map(|(a, b)| a + b).collect();
        // Where rows have nothing in common, none is more of an outlier than the others.
        let typical = median(fit.clone());
        if fit.len() >= ENOUGH && leaves > 1 && typical > 0.0 {
            router.threshold = outlier * typical;
        }
        router.residue = fit.iter().map(|&f| f < router.threshold).collect();
        let margins = router.known.map_products(&router.centres, |_, products| margin(products));
        router.typical_margin = median(margins).max(1e-3);
        router
    }

    /// Where each row belongs. `vectors`: rows as they came from the embedder.
    #[must_use]
    pub fn route(&self, vectors: &Matrix) -> Vec<Route> {
        if self.centres.rows == 0 {
            let nowhere = Route { leaf: None, nearest_leaf: 0, nearest_row: 0, confidence: 0.5, fit: 0.0 };
            return vec![nowhere; vectors.rows];
        }
        let x = vectors.directions_from(&self.origin);
        let by_leaf = x.map_products(&self.centres, |_, products| {
            let (similarity, leaf) = best(products, 1, None)[0];
            (leaf, similarity, self.confidence(margin(products)))
        });
        x.map_products(&self.known, |i, products| {
            let (leaf, similarity, confidence) = by_leaf[i];
            let fit = similarity + self.company(products, None);
            let (mut nearest_row, mut closest) = (0, f32::NEG_INFINITY);
            for (row, &p) in products.iter().enumerate() {
                if self.leaf[row] == leaf && p > closest {
                    (nearest_row, closest) = (row as u32, p);
                }
            }
            let placed = (fit >= self.threshold).then_some(leaf);
            Route { leaf: placed, nearest_leaf: leaf, nearest_row, confidence, fit }
        })
    }

    /// How clear the place of each known row is, 0.5 to 1.
    #[must_use]
    pub fn known_confidence(&self) -> Vec<f32> {
        self.known.map_products(&self.centres, |_, products| self.confidence(margin(products)))
    }

    /// For every known row, a row that the tree `grown` keeps in the same leaf: itself,
    /// or if it has moved to another leaf, the most similar row that was there from the start.
    pub(super) fn hosts(&self, grown: &[u32]) -> Vec<u32> {
        self.known.map_products(&self.known, |i, products| {
            if grown[i] == self.leaf[i] {
                return i as u32;
            }
            let (mut host, mut closest) = (i as u32, f32::NEG_INFINITY);
            for (row, &p) in products.iter().enumerate() {
                if grown[row] == self.leaf[i] && p > closest {
                    (host, closest) = (row as u32, p);
                }
            }
            host
        })
    }

    /// The similarity of the `COMPANY`-th nearest row, copies counted.
    fn company(&self, products: &[f32], own: Option<usize>) -> f32 {
        let spare = own.map_or(0, |i| self.copies[i].saturating_sub(1) as usize);
        if spare >= COMPANY {
            return 1.0;
        }
        let mut seen = spare;
        for (s, j) in best(products, COMPANY, own) {
            seen += self.copies[j as usize].max(1) as usize;
            if seen >= COMPANY {
                return s;
            }
        }
        0.0
    }

    fn confidence(&self, margin: f32) -> f32 {
        // Logistic, scaled so that the typical margin gives nine to one.
        1.0 / (1.0 + (-9.0f32.ln() * margin / self.typical_margin).exp())
    }
}

fn margin(products: &[f32]) -> f32 {
    match best(products, 2, None)[..] {
        [(first, _), (second, _)] => first - second,
        _ => 1.0,
    }
}

fn median(mut values: Vec<f32>) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use crate::math::{Matrix, Options, hierarchy};

    /// Two bundles of 30 rows each, along the first and the second axis.
    fn bundles() -> Matrix {
        let row = |i: usize| {
            let off = 0.01 * (i % 30) as f32;
            if i < 30 { [1.0, 0.0, off, 0.1] } else { [0.0, 1.0, 0.1, off] }
        };
        Matrix::new(60, 4, (0..60).flat_map(row).collect()).normalized()
    }

    #[test]
    fn new_rows_join_the_leaf_they_resemble() {
        let x = bundles();
        let tree = hierarchy(&x, &[1; 60], &Options { leaves: Some(2), ..Options::default() });
        let new = Matrix::new(2, 4, vec![1.0, 0.0, 0.05, 0.1, 0.0, 1.0, 0.1, 0.05]).normalized();
        let routes = tree.router.route(&new);
        assert_eq!(routes[0].leaf, Some(tree.nearest_leaf(0)));
        assert_eq!(routes[1].leaf, Some(tree.nearest_leaf(59)));
        assert!(routes.iter().all(|r| r.confidence > 0.7 && r.confidence <= 1.0));
    }

    #[test]
    fn known_rows_are_routed_to_where_they_are() {
        let x = bundles();
        let tree = hierarchy(&x, &[1; 60], &Options { leaves: Some(2), ..Options::default() });
        for (i, route) in tree.router.route(&x).iter().enumerate() {
            assert_eq!(route.nearest_leaf, tree.nearest_leaf(i));
        }
    }

    #[test]
    fn a_row_between_two_leaves_is_a_close_call() {
        let tree = hierarchy(&bundles(), &[1; 60], &Options { leaves: Some(2), ..Options::default() });
        let middle = Matrix::new(1, 4, vec![1.0, 1.0, 0.15, 0.15]).normalized();
        assert!(tree.router.route(&middle)[0].confidence < 0.8);
    }
}
