//! Rows of numbers, and the one product everything else is made of.

use rayon::prelude::*;

/// How many rows one task multiplies at a time. Fixed, so that results do not depend on the number of cores.
const BLOCK: usize = 256;

/// A dense matrix, row after row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    pub rows: usize,
    pub cols: usize,
    /// `rows * cols` values, row-major.
    pub data: Vec<f32>,
}

impl Matrix {
    /// # Panics
    /// If `data` does not hold `rows * cols` values.
    #[must_use]
    pub fn new(rows: usize, cols: usize, data: Vec<f32>) -> Self {
        assert_eq!(data.len(), rows * cols, "a matrix of {rows} x {cols}");
        Self { rows, cols, data }
    }

    #[must_use]
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    pub fn row_mut(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// The rows named by `indices`, in that order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let data = indices.iter().flat_map(|&i| self.row(i)).copied().collect();
        Self { rows: indices.len(), cols: self.cols, data }
    }

    /// The mean row, each row counted `weights[i]` times.
    #[must_use]
    pub fn mean(&self, weights: &[f32]) -> Vec<f32> {
        let mut sum = vec![0.0f64; self.cols];
        let mut total = 0.0f64;
        for (i, &w) in weights.iter().enumerate() {
            total += f64::from(w);
            for (s, &x) in sum.iter_mut().zip(self.row(i)) {
                *s += f64::from(w) * f64::from(x);
            }
        }
        sum.iter().map(|s| if total > 0.0 { (s / total) as f32 } else { 0.0 }).collect()
    }

    /// Each row minus `origin`, scaled to length one. A row equal to the origin stays zero.
    #[must_use]
    pub fn directions_from(&self, origin: &[f32]) -> Self {
        let mut out = self.clone();
        if self.cols > 0 {
            out.data.par_chunks_mut(self.cols).for_each(|row| {
                row.iter_mut().zip(origin).for_each(|(x, o)| *x -= o);
                normalize(row);
            });
        }
        out
    }

    /// The sum of the rows of each label, weighted: `groups x cols`.
    #[must_use]
    pub fn sums(&self, labels: &[u32], groups: usize, weights: &[f32]) -> Self {
        let mut out = Self::zeros(groups, self.cols);
        for (i, (&label, &w)) in labels.iter().zip(weights).enumerate() {
            let row = &self.data[i * self.cols..(i + 1) * self.cols];
            for (s, x) in out.row_mut(label as usize).iter_mut().zip(row) {
                *s += w * x;
            }
        }
        out
    }

    #[must_use]
    pub fn normalized(mut self) -> Self {
        if self.cols > 0 {
            self.data.chunks_mut(self.cols).for_each(normalize);
        }
        self
    }

    /// Calls `each(i, products)` for every row `i`, where `products[j]` is the
    /// inner product of row `i` with row `j` of `other`, and gathers the answers.
    ///
    /// Rows are multiplied in blocks on all cores; at most `BLOCK x other.rows`
    /// products per core exist at a time.
    pub fn map_products<T: Send>(&self, other: &Self, each: impl Fn(usize, &[f32]) -> T + Sync) -> Vec<T> {
        if self.rows == 0 || other.rows == 0 {
            return (0..self.rows).map(|i| each(i, &[])).collect();
        }
        let blocks: Vec<Vec<T>> = (0..self.rows.div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let start = block * BLOCK;
                let end = (start + BLOCK).min(self.rows);
                let mut products = vec![0.0f32; (end - start) * other.rows];
                multiply(&self.data[start * self.cols..end * self.cols], other, &mut products);
                products.chunks(other.rows).enumerate().map(|(i, row)| each(start + i, row)).collect()
            })
            .collect();
        blocks.into_iter().flatten().collect()
    }
}

/// `out = left * right^T`, all row-major, on the calling thread.
#[allow(unsafe_code, reason = "the `gemm` crate takes raw pointers; the lengths are checked here")]
fn multiply(left: &[f32], right: &Matrix, out: &mut [f32]) {
    let (cols, n) = (right.cols, right.rows);
    if cols == 0 || n == 0 {
        return;
    }
    let m = left.len() / cols;
    assert!(left.len() == m * cols && out.len() == m * n && right.data.len() == n * cols);
    let (one, wide, tall) = (1isize, cols as isize, n as isize);
    // SAFETY: every address read or written is `base + i * row_stride + j * col_stride` with `i`, `j` below
    // the sizes passed, which the assertion above keeps inside the three slices; `out` is borrowed mutably.
    unsafe {
        gemm::gemm(
            m,
            n,
            cols,
            out.as_mut_ptr(),
            one,
            tall,
            false,
            left.as_ptr(),
            one,
            wide,
            right.data.as_ptr(),
            wide,
            one,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Scales to length one; leaves a (nearly) zero row at zero.
pub fn normalize(row: &mut [f32]) {
    let length = dot(row, row).sqrt();
    let scale = if length > 1e-9 { 1.0 / length } else { 0.0 };
    row.iter_mut().for_each(|x| *x *= scale);
}

/// The inner product, summed in sixteen fixed lanes.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (a_chunks, a_rest) = a.as_chunks::<16>();
    let (b_chunks, b_rest) = b.as_chunks::<16>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..16 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_inner_products_of_rows() {
        let a = Matrix::new(2, 3, vec![1.0, 2.0, 3.0, 0.0, 1.0, 0.0]);
        let b = Matrix::new(2, 3, vec![1.0, 0.0, 1.0, 2.0, 2.0, 2.0]);
        let out = a.map_products(&b, |_, row| row.to_vec());
        assert_eq!(out, [vec![4.0, 12.0], vec![0.0, 2.0]]);
    }

    #[test]
    fn empty_matrices_multiply() {
        let none = Matrix::zeros(0, 3);
        assert!(none.map_products(&none, |i, _| i).is_empty());
        assert_eq!(Matrix::zeros(2, 3).map_products(&none, |_, row| row.len()), [0, 0]);
    }

    #[test]
    fn dot_counts_every_element() {
        let ones = vec![1.0; 37];
        assert_eq!(dot(&ones, &ones), 37.0);
    }
}
