//! Where every thread lies on the 2-D map.

use std::collections::BTreeMap;

use crate::embed::Vectors;
use crate::grouping::{Grouping, ReadThread};
use crate::math::project_2d;

/// One position per thread, both in 0 to 1. Threads of the same
/// content lie together; threads without words lie at the lower edge.
#[must_use]
pub fn positions(threads: &[ReadThread], grouping: &Grouping, vectors: &Vectors) -> Vec<[f32; 2]> {
    // A row may belong to threads of several leaves (error lens): its first thread decides.
    let mut leaf_of_row = vec![0; vectors.rows.rows];
    for thread in (0..threads.len()).rev() {
        if let Some(row) = vectors.row_of[thread] {
            leaf_of_row[row] = grouping.members[thread].leaf;
        }
    }
    let mut numbers: BTreeMap<usize, u32> = leaf_of_row.iter().map(|&leaf| (leaf, 0)).collect();
    numbers.values_mut().zip(0..).for_each(|(number, next)| *number = next);
    let labels: Vec<u32> = leaf_of_row.iter().map(|leaf| numbers[leaf]).collect();
    let places = project_2d(&vectors.rows, &labels);
    let inside = |x: f32| ((x + 1.0) / 2.0).clamp(0.0, 1.0);
    let place = |row: Option<usize>| row.map_or([0.5, 1.0], |row| places[row].map(inside));
    vectors.row_of.iter().map(|&row| place(row)).collect()
}
