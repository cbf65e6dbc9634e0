//! Single-precision arithmetic with the same bits everywhere.
//!
//! Only addition, multiplication, division, square root and comparison are
//! used, which IEEE 754 defines to the last bit, in an order that is written
//! down: sums run in [`LANES`] strands that are then folded pairwise. The
//! compiler may use vectors of any width for that, and does, but may neither
//! reorder nor fuse it. The standard library's `exp` and its like differ
//! between platforms and are not used.
//!
//! The functions are inlined into `kernel`, which compiles each of them for
//! several processors.

/// How many independent strands a sum has.
pub(super) const LANES: usize = 16;

/// The largest magnitude of a quantized activation. Twelve bits and a sign
/// leave no visible error, and sums of [`LONGEST_ROW`] products fit an `i32`.
const LARGEST: f32 = 4095.0;

/// The longest row for which `LONGEST_ROW * 4095 * 127` fits an `i32`.
pub(super) const LONGEST_ROW: usize = 4096;

pub(super) type Strand = [f32; LANES];

/// Makes every row of `values` have mean 0 and variance 1, then scales and
/// shifts it.
#[inline(always)]
pub(super) fn normalize(values: &mut [f32], scale: &[f32], shift: &[f32], epsilon: f32) {
    let width = scale.len() as f32;
    for row in values.chunks_exact_mut(scale.len()) {
        let mean = sum(row, |x| x) / width;
        let variance = sum(row, |x| (x - mean) * (x - mean)) / width;
        let factor = 1.0 / (variance + epsilon).sqrt();
        for ((x, scale), shift) in row.iter_mut().zip(scale).zip(shift) {
            *x = (*x - mean) * factor * scale + shift;
        }
    }
}

/// Adds `more` to `values`, element by element.
#[inline(always)]
pub(super) fn add(values: &mut [f32], more: &[f32]) {
    for (x, y) in values.iter_mut().zip(more) {
        *x += y;
    }
}

/// Scales a vector to length one.
#[inline(always)]
pub(super) fn unit_length(values: &mut [f32]) {
    let inverse = 1.0 / sum(values, |x| x * x).sqrt();
    for x in values {
        *x *= inverse;
    }
}

/// The activation of BERT: `x` times the normal distribution's share below it.
#[inline(always)]
pub(super) fn gelu(values: &mut [f32]) {
    for x in values {
        *x = 0.5 * *x * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
    }
}

/// Writes each row as integers, scaled so that its largest magnitude becomes
/// 4095, and what one unit stands for.
#[inline(always)]
pub(super) fn quantize(values: &[f32], width: usize, units: &mut [i16], scales: &mut [f32]) {
    let rows = values.chunks_exact(width).zip(units.chunks_exact_mut(width));
    for ((row, units), scale) in rows.zip(scales) {
        let largest = largest_magnitude(row);
        *scale = largest / LARGEST;
        let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
        for (unit, x) in units.iter_mut().zip(row) {
            *unit = round(*x * inverse) as i16;
        }
    }
}

/// Turns each row of scores into shares that add up to one.
///
/// Rows are `stride` long; what is beyond `width` gets no share. Scores are
/// multiplied by `factor` first.
#[inline(always)]
pub(super) fn softmax(scores: &mut [f32], width: usize, stride: usize, factor: f32) {
    for row in scores.chunks_exact_mut(stride) {
        row[width..].fill(f32::MIN);
        let highest = largest(row);
        for x in &mut *row {
            *x = exp((*x - highest) * factor);
        }
        let inverse = 1.0 / sum(row, |x| x);
        for x in row {
            *x *= inverse;
        }
    }
}

/// A matrix inside a larger one: where it starts is the slice's start.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) values: &'a [f32],
    /// From the start of one row to the start of the next.
    pub(super) stride: usize,
}

/// A matrix cut into strips of [`LANES`] columns, one strip after the other:
/// what is read together lies together.
#[derive(Clone, Copy)]
pub(super) struct Strips<'a> {
    pub(super) rows: &'a [Strand],
    /// How many rows each strip has.
    pub(super) height: usize,
}

/// `out[i][j] = sum over k of a[i][k] * b[k][j]`, with `k` ascending.
///
/// As many rows as `out` has, which are `stride` apart; as many columns as `b`.
#[inline(always)]
pub(super) fn product(a: View<'_>, b: Strips<'_>, rows: usize, out: &mut [f32], stride: usize) {
    for (strip, b) in b.rows.chunks_exact(b.height).enumerate() {
        for row in (0..rows).step_by(4) {
            let a = View { values: &a.values[row * a.stride..], stride: a.stride };
            let out = &mut out[row * stride + strip * LANES..];
            match rows - row {
                1 => block::<1>(a, b, out, stride),
                2 => block::<2>(a, b, out, stride),
                3 => block::<3>(a, b, out, stride),
                _ => block::<4>(a, b, out, stride),
            }
        }
    }
}

#[inline(always)]
fn block<const ROWS: usize>(a: View<'_>, b: &[Strand], out: &mut [f32], stride: usize) {
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &a.values[row * a.stride..][..b.len()]);
    let mut sums = [[0.0; LANES]; ROWS];
    for (k, b) in b.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(&rows) {
            let factor = row[k];
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += factor * b;
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        out[row * stride..][..LANES].copy_from_slice(sums);
    }
}

/// Adds up `of(x)` over a row.
#[inline(always)]
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut strands: Strand = [0.0; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (strand, &x) in strands.iter_mut().zip(chunk) {
            *strand += of(x);
        }
    }
    for (strand, &x) in strands.iter_mut().zip(rest) {
        *strand += of(x);
    }
    fold(strands, |a, b| a + b)
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut strands: Strand = [f32::MIN; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (strand, &x) in strands.iter_mut().zip(chunk) {
            *strand = greater(*strand, x);
        }
    }
    for (strand, &x) in strands.iter_mut().zip(rest) {
        *strand = greater(*strand, x);
    }
    fold(strands, greater)
}

#[inline(always)]
fn largest_magnitude(row: &[f32]) -> f32 {
    let mut strands: Strand = [0.0; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (strand, &x) in strands.iter_mut().zip(chunk) {
            *strand = greater(*strand, x.abs());
        }
    }
    for (strand, &x) in strands.iter_mut().zip(rest) {
        *strand = greater(*strand, x.abs());
    }
    fold(strands, greater)
}

#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

#[inline(always)]
fn fold(mut strands: Strand, with: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for lane in 0..width {
            strands[lane] = with(strands[lane], strands[lane + width]);
        }
    }
    strands[0]
}

/// The nearest whole number, halves to even; for magnitudes below four million.
///
/// Adding this number leaves no room for a fraction, and the whole part is
/// then in the lowest bits.
#[inline(always)]
fn round(x: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0;
    ((x + SHIFT).to_bits() as i32).wrapping_sub(SHIFT.to_bits() as i32)
}

/// `e` to the power of `x` for `x` of at most zero, within two units in the
/// last place; zero where the result would be subnormal.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.0;
    let within = if x > LOWEST { x } else { LOWEST };
    let shifted = within * std::f32::consts::LOG2_E;
    let whole = round(shifted);
    // The logarithm of two in two parts, the first exact in few bits.
    let rest = within - whole as f32 * 0.693_359_4 + whole as f32 * 2.121_944_4e-4;
    let series = [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
    let mut value = series[0];
    for coefficient in &series[1..] {
        value = value * rest + coefficient;
    }
    let value = value * rest * rest + rest + 1.0;
    let power = f32::from_bits(((whole + 127) << 23) as u32);
    if x > LOWEST { value * power } else { 0.0 }
}

/// The error function, within 5e-7: a quotient of polynomials up to where it
/// is one to the last bit.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = if x > 4.0 { 4.0 } else { x };
    let x = if x < -4.0 { -4.0 } else { x };
    let square = x * x;
    let above = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_3e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    let below = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_474e-2];
    let mut numerator = above[0];
    for coefficient in &above[1..] {
        numerator = numerator * square + coefficient;
    }
    let mut denominator = below[0];
    for coefficient in &below[1..] {
        denominator = denominator * square + coefficient;
    }
    x * numerator / denominator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_right_to_the_last_digits() {
        for step in 0..=86_000 {
            let x = -(step as f32) / 1000.0;
            let expected = f64::from(x).exp();
            assert!((f64::from(exp(x)) / expected - 1.0).abs() < 2.5e-7, "exp({x})");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-100.0), 0.0);
        assert_eq!(exp(f32::MIN), 0.0);
    }

    #[test]
    fn erf_is_right_to_the_last_digits() {
        // Values of the error function, rounded.
        let known = [
            (0.0, 0.0),
            (0.1, 0.112_462_9),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (1.5, 0.966_105_2),
            (2.0, 0.995_322_3),
            (3.0, 0.999_977_9),
            (9.0, 1.0_f32),
        ];
        for (x, expected) in known {
            assert!((erf(x) - expected).abs() < 5e-7, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }

    #[test]
    fn rounding_takes_halves_to_the_even_neighbor() {
        for (x, expected) in [(0.5, 0), (1.5, 2), (-0.5, 0), (-1.5, -2), (4094.6, 4095), (-0.4, 0)] {
            assert_eq!(round(x), expected);
        }
    }

    #[test]
    fn padding_gets_no_share() {
        let mut scores = vec![9.0; 16];
        scores[..2].copy_from_slice(&[1.0, 1.0]);
        softmax(&mut scores, 2, 16, 1.0);
        assert_eq!(scores[..2], [0.5, 0.5]);
        assert_eq!(scores[2..], [0.0; 14]);
    }

    #[test]
    fn a_row_of_zeros_is_quantized_to_zeros() {
        let (mut units, mut scales) = ([7; 3], [7.0]);
        quantize(&[0.0; 3], 3, &mut units, &mut scales);
        assert_eq!((units, scales), ([0; 3], [0.0]));
    }

    #[test]
    fn a_product_is_the_sum_of_products() {
        let (rows, columns, depth) = (7, 2 * LANES, 5);
        let a: Vec<f32> = (0..rows * depth).map(|n| n as f32 - 9.0).collect();
        let b = |k: usize, column: usize| ((k * columns + column) % 13) as f32;
        let strips: Vec<Strand> = (0..2 * depth)
            .map(|row| std::array::from_fn(|lane| b(row % depth, row / depth * LANES + lane)))
            .collect();
        let mut out = vec![0.0; rows * columns];
        let (a_view, b_view) = (View { values: &a, stride: depth }, Strips { rows: &strips, height: depth });
        product(a_view, b_view, rows, &mut out, columns);
        for (index, &value) in out.iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let expected: f32 = (0..depth).map(|k| a[row * depth + k] * b(k, column)).sum();
            assert_eq!(value, expected);
        }
    }
}
