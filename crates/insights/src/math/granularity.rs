//! How many groups there are, from the rows alone.
//!
//! A cut of the tree is good when its groups are far from each other compared
//! with their own width (the silhouette, Rousseeuw, 1987) *and* when half of
//! the rows would have led to the same groups (stability under resampling, as
//! in consensus clustering, Monti et al., 2003). Either alone fails: the
//! silhouette is flat towards ever finer groups of near-copies, stability
//! favours few groups. Their product has its top at a natural size, and needs
//! no constant that depends on the corpus.

use rayon::prelude::*;

use super::agreement::adjusted_rand;
use super::linkage::{Criterion, Merge, agglomerate, cut};
use super::matrix::Matrix;
use super::neighbours::{best, smooth};
use super::random::{content_key, lowest, mix};

/// Reach of the running mean over merits, on the logarithm of the number of groups.
const CALM: f64 = 0.12;

/// Rows whose best merit is below this have no groups worth telling apart.
const NOTHING: f64 = 0.02;

/// Rows per group below which a second level is not looked for.
const CROWD: usize = 20;

/// How a tree is grown from rows; the same way for all rows and for a half of them.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    /// Neighbours a row is smoothed with.
    pub neighbours: usize,
    /// How often it is smoothed.
    pub rounds: usize,
}

impl Growth {
    /// The smoothed rows and the Ward tree over them.
    #[must_use]
    pub fn grow(self, x: &Matrix, weights: &[f32]) -> (Matrix, Vec<Merge>) {
        // Few rows have few neighbours of their own kind.
        let smoothed = smooth(x, self.neighbours.min(x.rows / 8), self.rounds);
        let tree = agglomerate(&smoothed, weights, Criterion::Ward);
        (smoothed, tree)
    }
}

/// One number of groups and what speaks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub groups: usize,
    /// Mean silhouette of the rows in this cut, -1 to 1.
    pub silhouette: f64,
    /// Mean agreement (adjusted Rand) of the cuts that two halves of the rows lead to.
    pub stability: f64,
}

impl Candidate {
    /// Silhouette times stability to the power of 1.5, which balances the first's
    /// liking for many groups and the second's for few.
    #[must_use]
    pub fn merit(&self) -> f64 {
        self.silhouette.max(0.0) * self.stability.max(0.0).powf(1.5)
    }
}

/// The largest number of groups that is looked at among so many rows.
#[must_use]
pub fn most_groups(rows: usize) -> usize {
    (rows / 12).max((rows / 3).min(24)).min(1_000)
}

/// Numbers of groups worth looking at: all small ones, then steps of 5 %, up to where groups have
/// twelve rows on average (few rows: three, but no more than 24 groups). Smaller groups can be
/// told apart by the measures, but a reader gains nothing from a list as long as the data.
#[must_use]
pub fn grid(rows: usize) -> Vec<usize> {
    let most = most_groups(rows);
    let mut out = Vec::new();
    let mut k = 2;
    while k <= most {
        out.push(k);
        k = (k + 1).max(k * 21 / 20);
    }
    out
}

/// Judges every number of groups on the grid. `x`: unit rows; `tree`: grown from them.
#[must_use]
pub fn judge(x: &Matrix, tree: &[Merge], growth: Growth, resamples: usize, seed: u64) -> Vec<Candidate> {
    let grid = grid(x.rows);
    let widths = silhouettes(x, tree, &grid);
    let agreement = stabilities(x, growth, &grid, resamples, seed);
    let candidates = grid.iter().zip(widths).zip(agreement);
    candidates.map(|((&groups, silhouette), stability)| Candidate { groups, silhouette, stability }).collect()
}

/// The middle of the range of group counts whose merit is within reach of the best.
///
/// Merit is often nearly the same over a wide range, and where exactly its top
/// lies is then chance. So the range around the top where a running mean stays
/// above `plateau` times the best is taken, and its centre of gravity on a
/// logarithmic scale. One group when nothing separates the rows at all.
#[must_use]
pub fn choose(candidates: &[Candidate], plateau: f64) -> usize {
    let scale: Vec<f64> = candidates.iter().map(|c| (c.groups as f64).ln()).collect();
    let merits: Vec<f64> = (0..candidates.len())
        .map(|i| {
            // Neighbouring counts inform each other only where one more group is a small change.
            let reach = if candidates[i].groups < 16 { 0.0 } else { CALM };
            let near = |&j: &usize| (scale[j] - scale[i]).abs() <= reach;
            let window: Vec<usize> = (0..candidates.len()).filter(near).collect();
            window.iter().map(|&j| candidates[j].merit()).sum::<f64>() / window.len() as f64
        })
        .collect();
    let top = merits.iter().copied().fold(0.0, f64::max);
    if top < NOTHING {
        return 1;
    }
    let floor = plateau * top;
    let peak = merits.iter().position(|&m| m == top).unwrap_or(0);
    let first = merits[..peak].iter().rposition(|&m| m < floor).map_or(0, |i| i + 1);
    let last = merits[peak..].iter().position(|&m| m < floor).map_or(merits.len(), |i| peak + i) - 1;
    let (mut mass, mut moment) = (0.0, 0.0);
    for i in first..=last {
        let span = scale[(i + 1).min(scale.len() - 1)] - scale[i.saturating_sub(1)];
        let weight = (merits[i] - floor + 1e-9) * span.max(1e-9);
        mass += weight;
        moment += weight * scale[i];
    }
    (moment / mass).exp().round() as usize
}

/// The number of groups for a second level below `tops` groups, when the best number divides them too little.
///
/// Looks between two and four groups per top. `None` when that costs more than
/// three tenths of the merit, or would leave fewer than [`CROWD`] rows per group.
#[must_use]
pub fn second_level(candidates: &[Candidate], rows: usize, tops: usize, plateau: f64) -> Option<usize> {
    let best = candidates.iter().map(Candidate::merit).fold(0.0, f64::max);
    let most = (4 * tops).min(rows / CROWD);
    let finer: Vec<Candidate> =
        candidates.iter().copied().filter(|c| (2 * tops..=most).contains(&c.groups)).collect();
    let worth = finer.iter().any(|c| c.merit() >= 0.7 * best);
    worth.then(|| choose(&finer, plateau))
}

/// The mean silhouette (cosine distance) of each cut, in one pass over the rows.
///
/// The mean distance of a row to a group is one minus its product with the
/// group's mean row, so groups are never compared member by member; sums for
/// coarse groups are sums over the finest groups inside.
fn silhouettes(x: &Matrix, tree: &[Merge], grid: &[usize]) -> Vec<f64> {
    let Some(&finest) = grid.last() else { return Vec::new() };
    let fine = cut(x.rows, tree, finest);
    let sums = x.sums(&fine, finest, &vec![1.0; x.rows]);
    let mut first_row = vec![0usize; finest];
    for (i, &f) in fine.iter().enumerate().rev() {
        first_row[f as usize] = i;
    }
    struct Level {
        of_fine: Vec<u32>,
        sizes: Vec<f32>,
    }
    let levels: Vec<Level> = grid
        .iter()
        .map(|&k| {
            let labels = cut(x.rows, tree, k);
            let mut sizes = vec![0.0; k];
            labels.iter().for_each(|&l| sizes[l as usize] += 1.0);
            Level { of_fine: first_row.iter().map(|&i| labels[i]).collect(), sizes }
        })
        .collect();

    let per_row = x.map_products(&sums, |i, products| -> Vec<f32> {
        let mut totals = vec![0.0f32; finest];
        let width = |level: &Level| {
            let k = level.sizes.len();
            totals[..k].fill(0.0);
            for (&group, &p) in level.of_fine.iter().zip(products) {
                totals[group as usize] += p;
            }
            let own = level.of_fine[fine[i] as usize] as usize;
            if level.sizes[own] < 2.0 {
                return 0.0;
            }
            let inner = 1.0 - (totals[own] - 1.0) / (level.sizes[own] - 1.0);
            let mut outer = f32::INFINITY;
            for (group, (&t, &size)) in totals[..k].iter().zip(&level.sizes).enumerate() {
                if group != own {
                    outer = outer.min(1.0 - t / size);
                }
            }
            let larger = inner.max(outer);
            if larger > 0.0 { (outer - inner) / larger } else { 0.0 }
        };
        levels.iter().map(width).collect()
    });

    let mut mean = vec![0.0f64; grid.len()];
    for row in &per_row {
        mean.iter_mut().zip(row).for_each(|(m, &s)| *m += f64::from(s));
    }
    mean.iter().map(|m| m / x.rows as f64).collect()
}

/// Splits the rows in two, grows a tree on each half, lets each half place the
/// other's rows by their nearest row, and compares: `resamples` times.
fn stabilities(x: &Matrix, growth: Growth, grid: &[usize], resamples: usize, seed: u64) -> Vec<f64> {
    let runs: Vec<Vec<f64>> = (0..resamples)
        .into_par_iter()
        .map(|run| {
            let salt = mix(seed ^ mix(run as u64 + 1));
            let keys: Vec<u64> = (0..x.rows).map(|i| content_key(x.row(i), salt)).collect();
            let left = lowest(&keys, x.rows / 2);
            let mut in_left = vec![false; x.rows];
            left.iter().for_each(|&i| in_left[i] = true);
            let right: Vec<usize> = (0..x.rows).filter(|&i| !in_left[i]).collect();
            let views =
                [(&left, &right), (&right, &left)].map(|(own, other)| View::new(x, own, other, growth));
            let agree = |&k: &usize| {
                let [a, b] = [&views[0], &views[1]].map(|view| view.labels(k));
                adjusted_rand(&a, &b)
            };
            grid.iter().map(agree).collect()
        })
        .collect();
    (0..grid.len()).map(|k| runs.iter().map(|run| run[k]).sum::<f64>() / resamples.max(1) as f64).collect()
}

/// All rows as one half of them sees the world.
struct View {
    tree: Vec<Merge>,
    own: usize,
    /// For every row, the member of the half that stands for it: itself, or the nearest one.
    host: Vec<u32>,
}

impl View {
    fn new(x: &Matrix, own: &[usize], other: &[usize], growth: Growth) -> Self {
        let half = x.select(own);
        let (_, tree) =
            Growth { neighbours: growth.neighbours.div_ceil(2), ..growth }.grow(&half, &vec![1.0; own.len()]);
        let mut host = vec![0u32; x.rows];
        own.iter().enumerate().for_each(|(place, &i)| host[i] = place as u32);
        let guests = x.select(other).map_products(&half, |_, products| best(products, 1, None));
        for (&i, guest) in other.iter().zip(guests) {
            host[i] = guest.first().map_or(0, |&(_, place)| place);
        }
        Self { tree, own: own.len(), host }
    }

    fn labels(&self, groups: usize) -> Vec<u32> {
        let labels = cut(self.own, &self.tree, groups);
        self.host.iter().map(|&h| labels.get(h as usize).copied().unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_grows_by_steps() {
        assert!(grid(3).is_empty());
        assert_eq!(grid(12), [2, 3, 4]);
        assert!(grid(5_000).is_sorted() && grid(5_000).len() < 110);
        assert!(*grid(1_000_000).last().unwrap() <= 1_000);
    }

    fn candidate(groups: usize, silhouette: f64, stability: f64) -> Candidate {
        Candidate { groups, silhouette, stability }
    }

    #[test]
    fn a_sharp_top_wins() {
        let sharp = [candidate(2, 0.2, 0.5), candidate(3, 0.5, 0.9), candidate(4, 0.6, 0.3)];
        assert_eq!(choose(&sharp, 0.85), 3);
    }

    #[test]
    fn the_middle_of_a_plateau_is_taken() {
        let flat: Vec<Candidate> =
            (2..=10).map(|k| candidate(k, if (4..=8).contains(&k) { 0.5 } else { 0.1 }, 1.0)).collect();
        // In the middle by ratio, not by difference: near the root of 4 * 8.
        assert_eq!(choose(&flat, 0.85), 5);
    }

    #[test]
    fn a_second_level_must_be_worth_it_and_have_rows() {
        let found = [candidate(10, 0.5, 1.0), candidate(24, 0.45, 1.0), candidate(60, 0.5, 1.0)];
        assert_eq!(second_level(&found, 1_000, 10, 0.85), Some(24));
        assert_eq!(second_level(&found, 200, 10, 0.85), None);
        assert_eq!(second_level(&[candidate(10, 0.5, 1.0), candidate(24, 0.3, 1.0)], 1_000, 10, 0.85), None);
    }

    #[test]
    fn rows_without_structure_are_one_group() {
        assert_eq!(choose(&[candidate(2, 0.01, 0.5)], 0.85), 1);
        assert_eq!(choose(&[], 0.85), 1);
    }
}
