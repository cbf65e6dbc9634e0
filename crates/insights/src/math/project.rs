//! A place on the map for every row.
//!
//! Leaves are placed first, by classical scaling of their centres (Torgerson,
//! 1952) and then pushed apart until they do not overlap; members fill the disc
//! of their leaf, the further out the less they are like its centre, in the
//! direction of their difference from it. A leaf is always one patch.

use rayon::prelude::*;

use super::linkage::{Criterion, agglomerate, cut};
use super::matrix::{Matrix, dot, normalize};
use super::random::mix;

/// Passes that push overlapping leaves apart.
const PASSES: usize = 200;

/// Where each row lies, both coordinates within -1..1.
///
/// `vectors`: rows as they came from the embedder; `labels`: the leaf of each
/// row, `0..groups`. Rows of one leaf lie together, the area of a leaf follows
/// its number of rows, and similar leaves are near each other.
#[must_use]
pub fn project_2d(vectors: &Matrix, labels: &[u32]) -> Vec<[f32; 2]> {
    assert_eq!(vectors.rows, labels.len(), "one label per row");
    let groups = labels.iter().max().map_or(0, |&l| l as usize + 1);
    if groups == 0 {
        return Vec::new();
    }
    let ones = vec![1.0; vectors.rows];
    let rows = vectors.directions_from(&vectors.mean(&ones));
    let centres = rows.sums(labels, groups, &ones).normalized();
    let mut sizes = vec![0.0f32; groups];
    labels.iter().for_each(|&l| sizes[l as usize] += 1.0);

    // Discs that together would fill about a third of the map.
    let total: f32 = sizes.iter().sum();
    let radii: Vec<f32> = sizes.iter().map(|s| (s / total / 3.0).sqrt() * 1.1).collect();
    let mut places = spread(&centres, &sizes);
    push_apart(&mut places, &radii);

    let axes = principal_axes(&rows, &vec![1.0; rows.rows.min(4_000)]);
    let angles = angles(&rows, labels, &sizes, &axes);
    let reaches = reaches(&rows, labels, &centres);
    let mut out: Vec<[f32; 2]> = (0..rows.rows)
        .map(|i| {
            let leaf = labels[i] as usize;
            let reach = radii[leaf] * reaches[i];
            [places[leaf][0] + reach * angles[i].cos(), places[leaf][1] + reach * angles[i].sin()]
        })
        .collect();
    fit(&mut out);
    out
}

/// In which direction from the middle of its leaf each row lies: as it differs from the
/// leaf's mean along the map's axes, both measured in the leaf's own spread.
fn angles(rows: &Matrix, labels: &[u32], sizes: &[f32], axes: &[Vec<f32>; 2]) -> Vec<f32> {
    let along: Vec<[f32; 2]> =
        (0..rows.rows).into_par_iter().map(|i| [0, 1].map(|axis| dot(rows.row(i), &axes[axis]))).collect();
    let mut means = vec![[0.0f32; 2]; sizes.len()];
    for (at, &label) in along.iter().zip(labels) {
        let leaf = label as usize;
        (0..2).for_each(|axis| means[leaf][axis] += at[axis] / sizes[leaf]);
    }
    let mut spreads = vec![[0.0f32; 2]; sizes.len()];
    for (at, &label) in along.iter().zip(labels) {
        let leaf = label as usize;
        (0..2).for_each(|axis| spreads[leaf][axis] += (at[axis] - means[leaf][axis]).powi(2) / sizes[leaf]);
    }
    let angle = |(i, (at, &label)): (usize, (&[f32; 2], &u32))| {
        let leaf = label as usize;
        let own = [0, 1].map(|axis| (at[axis] - means[leaf][axis]) / spreads[leaf][axis].sqrt().max(1e-4));
        // A row that differs in neither axis still needs a direction: one of its own.
        if own[0].abs() + own[1].abs() < 1e-3 {
            return mix(i as u64) as f32 / u64::MAX as f32 * std::f32::consts::TAU;
        }
        own[1].atan2(own[0])
    };
    along.iter().zip(labels).enumerate().map(angle).collect()
}

/// How far out each row lies in its leaf, 0 to 1: by rank of its likeness to the
/// centre, so that members fill the leaf's disc evenly whatever their distances.
fn reaches(rows: &Matrix, labels: &[u32], centres: &Matrix) -> Vec<f32> {
    let likeness = |i: usize| dot(rows.row(i), centres.row(labels[i] as usize));
    let likeness: Vec<f32> = (0..rows.rows).into_par_iter().map(likeness).collect();
    let mut order: Vec<usize> = (0..rows.rows).collect();
    order.sort_by(|&a, &b| {
        labels[a].cmp(&labels[b]).then(likeness[b].total_cmp(&likeness[a])).then(a.cmp(&b))
    });
    let mut reaches = vec![0.0; rows.rows];
    for leaf in order.chunk_by(|&a, &b| labels[a] == labels[b]) {
        for (rank, &i) in leaf.iter().enumerate() {
            reaches[i] = (rank as f32 / leaf.len() as f32).sqrt();
        }
    }
    reaches
}

/// Two directions along which the centres differ most, then the centres' places on them.
fn spread(centres: &Matrix, sizes: &[f32]) -> Vec<[f32; 2]> {
    if centres.rows == 1 {
        return vec![[0.0, 0.0]];
    }
    let weights: Vec<f32> = sizes.iter().map(|s| s.sqrt()).collect();
    let axes = principal_axes(centres, &weights);
    let mut places: Vec<[f32; 2]> =
        (0..centres.rows).map(|i| [dot(centres.row(i), &axes[0]), dot(centres.row(i), &axes[1])]).collect();
    fit(&mut places);
    gather_kin(&mut places, centres);
    places
}

/// Draws leaves of one family towards each other: two axes alone put strangers side by side.
fn gather_kin(places: &mut [[f32; 2]], centres: &Matrix) {
    let families = (centres.rows as f64).sqrt().ceil() as usize;
    let tree = agglomerate(centres, &vec![1.0; centres.rows], Criterion::Average);
    let family = cut(centres.rows, &tree, families);
    let mut sum = vec![[0.0f32; 3]; families];
    for (place, &f) in places.iter().zip(&family) {
        let s = &mut sum[f as usize];
        *s = [s[0] + place[0], s[1] + place[1], s[2] + 1.0];
    }
    for (place, &f) in places.iter_mut().zip(&family) {
        let s = sum[f as usize];
        *place = [0.4 * place[0] + 0.6 * s[0] / s[2], 0.4 * place[1] + 0.6 * s[1] / s[2]];
    }
}

/// The two leading directions of the first `weights.len()` rows, by power iteration.
fn principal_axes(x: &Matrix, weights: &[f32]) -> [Vec<f32>; 2] {
    let mut axes: [Vec<f32>; 2] = [vec![0.0; x.cols], vec![0.0; x.cols]];
    for which in 0..2 {
        let unit = |i: usize| mix((which * x.cols + i) as u64) as f32 / u64::MAX as f32 - 0.5;
        let mut axis: Vec<f32> = (0..x.cols).map(unit).collect();
        for _ in 0..30 {
            let mut next = vec![0.0f32; x.cols];
            for (i, &w) in weights.iter().enumerate() {
                let along = w * dot(x.row(i), &axis);
                next.iter_mut().zip(x.row(i)).for_each(|(n, v)| *n += along * v);
            }
            if which == 1 {
                let shared = dot(&next, &axes[0]);
                next.iter_mut().zip(&axes[0]).for_each(|(n, a)| *n -= shared * a);
            }
            normalize(&mut next);
            axis = next;
        }
        axes[which] = axis;
    }
    axes
}

fn push_apart(places: &mut [[f32; 2]], radii: &[f32]) {
    for _ in 0..PASSES {
        let mut moved = false;
        for i in 0..places.len() {
            for j in i + 1..places.len() {
                let (dx, dy) = (places[j][0] - places[i][0], places[j][1] - places[i][1]);
                let apart = (dx * dx + dy * dy).sqrt();
                let need = (radii[i] + radii[j]) * 1.05;
                if apart >= need {
                    continue;
                }
                moved = true;
                let (ux, uy) = if apart > 1e-6 {
                    (dx / apart, dy / apart)
                } else {
                    let angle = (i * 31 + j * 17) as f32;
                    (angle.cos(), angle.sin())
                };
                let push = (need - apart) / 2.0;
                places[i] = [places[i][0] - ux * push, places[i][1] - uy * push];
                places[j] = [places[j][0] + ux * push, places[j][1] + uy * push];
            }
        }
        if !moved {
            break;
        }
    }
}

/// Moves and scales, the same both ways, so that everything lies within -1..1.
fn fit(places: &mut [[f32; 2]]) {
    let mut low = [f32::INFINITY; 2];
    let mut high = [f32::NEG_INFINITY; 2];
    for place in places.iter() {
        for axis in 0..2 {
            low[axis] = low[axis].min(place[axis]);
            high[axis] = high[axis].max(place[axis]);
        }
    }
    let span = (high[0] - low[0]).max(high[1] - low[1]).max(1e-6) / 2.0;
    for place in places.iter_mut() {
        for axis in 0..2 {
            place[axis] = ((place[axis] - (low[axis] + high[axis]) / 2.0) / span).clamp(-1.0, 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_bundles() -> (Matrix, Vec<u32>) {
        let mut data = Vec::new();
        let mut labels = Vec::new();
        for i in 0..40u32 {
            let off = i as f32 / 100.0;
            data.extend(if i % 2 == 0 { [1.0, off, 0.0] } else { [0.0, off, 1.0] });
            labels.push(i % 2);
        }
        (Matrix::new(40, 3, data), labels)
    }

    #[test]
    fn a_leaf_is_one_patch() {
        let (x, labels) = two_bundles();
        let places = project_2d(&x, &labels);
        let mean = |leaf: u32| {
            let own: Vec<_> =
                places.iter().zip(&labels).filter(|(_, l)| **l == leaf).map(|(p, _)| p).collect();
            let n = own.len() as f32;
            [own.iter().map(|p| p[0]).sum::<f32>() / n, own.iter().map(|p| p[1]).sum::<f32>() / n]
        };
        let far = |p: &[f32; 2], q: [f32; 2]| (p[0] - q[0]).hypot(p[1] - q[1]);
        let (zero, one) = (mean(0), mean(1));
        for (place, &label) in places.iter().zip(&labels) {
            let (own, other) = if label == 0 { (zero, one) } else { (one, zero) };
            assert!(far(place, own) < far(place, other));
            assert!(place.iter().all(|c| (-1.0..=1.0).contains(c)));
        }
    }

    /// Directions all alike would make a crescent of every leaf.
    #[test]
    fn a_leaf_fills_its_disc() {
        let unit = |i: u64| mix(i) as f32 / u64::MAX as f32 - 0.5;
        let row = |i: u64| (0..12).map(move |d| f32::from(u8::from(d == i % 3)) * 2.0 + unit(i * 12 + d));
        let x = Matrix::new(600, 12, (0..600).flat_map(row).collect());
        let labels: Vec<u32> = (0..600).map(|i| i % 3).collect();
        let places = project_2d(&x, &labels);
        for leaf in 0..3 {
            let own: Vec<_> =
                places.iter().zip(&labels).filter(|(_, l)| **l == leaf).map(|(p, _)| *p).collect();
            let mean = [0, 1].map(|axis| own.iter().map(|p| p[axis]).sum::<f32>() / own.len() as f32);
            let reach = own.iter().map(|p| (p[0] - mean[0]).hypot(p[1] - mean[1])).fold(0.0, f32::max);
            let mut cells = [[0; 2]; 2];
            own.iter().for_each(|p| cells[usize::from(p[0] > mean[0])][usize::from(p[1] > mean[1])] += 1);
            assert!(cells.iter().flatten().all(|&n| n >= 10), "{leaf}: {cells:?}");
            let near = own.iter().filter(|p| (p[0] - mean[0]).hypot(p[1] - mean[1]) < reach / 2.0).count();
            assert!((25..=90).contains(&near), "{leaf}: {near} of 200 in the inner quarter");
        }
    }

    #[test]
    fn few_rows_have_places_too() {
        assert!(project_2d(&Matrix::zeros(0, 3), &[]).is_empty());
        assert_eq!(project_2d(&Matrix::new(1, 2, vec![1.0, 0.0]), &[0]).len(), 1);
        assert!(
            project_2d(&Matrix::new(2, 2, vec![1.0; 4]), &[0, 0]).iter().flatten().all(|c| c.is_finite())
        );
    }
}
