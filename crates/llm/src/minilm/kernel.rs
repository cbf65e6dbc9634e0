//! The inner loops, compiled for several processors and chosen at run time.
//!
//! [`linear`] multiplies quantized activations with quantized weights in
//! integers: products of 13 and 8 bits are summed exactly, so every processor
//! arrives at the same number however it groups them. The remaining functions
//! are those of `math`, once more for each instruction set. All of them give
//! the same bits for every [`Processor`]; a test says so.
//!
//! This is the one module with unsafe code: vector intrinsics, and calls of
//! functions that need instructions whose presence was checked.
#![expect(unsafe_code, reason = "vector intrinsics and calls that need a checked processor feature")]

use super::math::{self, Strips, View};

/// Outputs that are computed together, one per lane.
pub(super) const PANEL: usize = 16;

/// Rows of activations that are computed together. Six rows of two AVX2
/// registers of sums leave just enough registers for what they are made of.
const HEIGHT: usize = 6;

/// Sums of products for some rows and one panel of outputs.
type Tile = [[i32; PANEL]; HEIGHT];

/// An instruction set this program was compiled for and may use here.
///
/// A value of a variant proves that the processor has it: only [`available`]
/// makes them.
///
/// [`available`]: Processor::available
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Processor {
    Portable(Checked),
    #[cfg(target_arch = "x86_64")]
    Avx2(Checked),
    #[cfg(target_arch = "x86_64")]
    Avx512(Checked),
}

/// Can only be made in this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checked(());

impl Processor {
    /// Everything that runs here, the fastest last.
    pub(super) fn available() -> Vec<Self> {
        let mut found = vec![Self::Portable(Checked(()))];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                found.push(Self::Avx2(Checked(())));
            }
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
            {
                found.push(Self::Avx512(Checked(())));
            }
        }
        found
    }

    /// The fastest that computes what the portable version computes.
    ///
    /// Few have a machine for every instruction set at hand. Trying the kernel
    /// takes microseconds and makes sure that a mistake in it costs speed and
    /// not reports.
    pub(super) fn fastest() -> Self {
        let portable = Self::Portable(Checked(())).trial();
        let agreeing = Self::available().into_iter().rev().find(|processor| processor.trial() == portable);
        agreeing.unwrap_or(Self::Portable(Checked(())))
    }

    /// A small product with numbers of all sizes.
    fn trial(self) -> Vec<f32> {
        let (rows, inputs) = (HEIGHT + 1, 36);
        let weights: Vec<i8> = (0..inputs * PANEL).map(|n| (n * 37 % 255) as u8 as i8).collect();
        let units: Vec<i16> = (0..rows * inputs).map(|n| (n * 1009 % 8191) as i16 - 4095).collect();
        let activations = Activations { units: &units, scales: &vec![1.0; rows] };
        let finish = Finish { scales: &[1.0; PANEL], biases: &[0.0; PANEL], gelu: false };
        let mut out = vec![0.0; rows * PANEL];
        linear(self, activations, &Packed::arrange(&weights, inputs), finish, &mut out);
        out
    }
}

/// The weights of one linear layer, arranged for the kernels.
///
/// Outputs come in panels of [`PANEL`]. Within a panel, two inputs at a time,
/// each output has its two weights side by side, because that is what one
/// multiply-and-add instruction takes.
#[derive(Debug)]
pub(super) struct Packed {
    units: Vec<i16>,
    inputs: usize,
    outputs: usize,
}

impl Packed {
    /// Arranges rows of weights, one row of `inputs` for each output.
    ///
    /// The number of inputs is a multiple of four and at most [`math::LONGEST_ROW`], the
    /// number of outputs a multiple of [`PANEL`].
    pub(super) fn arrange(rows: &[i8], inputs: usize) -> Self {
        let outputs = rows.len() / inputs;
        assert!(inputs.is_multiple_of(4) && inputs <= math::LONGEST_ROW && outputs.is_multiple_of(PANEL));
        let mut units = Vec::with_capacity(rows.len());
        for panel in rows.chunks_exact(inputs * PANEL) {
            for pair in (0..inputs).step_by(2) {
                for row in panel.chunks_exact(inputs) {
                    units.extend([i16::from(row[pair]), i16::from(row[pair + 1])]);
                }
            }
        }
        Self { units, inputs, outputs }
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }
}

/// Rows of activations as integers, each with what one unit stands for.
#[derive(Clone, Copy)]
pub(super) struct Activations<'a> {
    pub(super) units: &'a [i16],
    pub(super) scales: &'a [f32],
}

/// What turns sums of units into outputs: a scale and a bias for each output.
#[derive(Clone, Copy)]
pub(super) struct Finish<'a> {
    pub(super) scales: &'a [f32],
    pub(super) biases: &'a [f32],
    pub(super) gelu: bool,
}

/// Applies a linear layer: each row of activations times the weights.
///
/// Writes rows of as many outputs as the layer has.
pub(super) fn linear(
    processor: Processor,
    activations: Activations<'_>,
    weights: &Packed,
    finish: Finish<'_>,
    out: &mut [f32],
) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn avx2(activations: Activations<'_>, weights: &Packed, finish: Finish<'_>, out: &mut [f32]) {
        linear_by(|rows, panel, sums| tile_avx2(rows, panel, sums), activations, weights, finish, out);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn avx512(activations: Activations<'_>, weights: &Packed, finish: Finish<'_>, out: &mut [f32]) {
        linear_by(|rows, panel, sums| tile_avx512(rows, panel, sums), activations, weights, finish, out);
    }

    match processor {
        Processor::Portable(_) => linear_by(tile_portable, activations, weights, finish, out),
        // SAFETY: the value exists only where the feature was found.
        #[cfg(target_arch = "x86_64")]
        Processor::Avx2(_) => unsafe { avx2(activations, weights, finish, out) },
        // SAFETY: the value exists only where the features were found.
        #[cfg(target_arch = "x86_64")]
        Processor::Avx512(_) => unsafe { avx512(activations, weights, finish, out) },
    }
}

/// Compiles a function of `math` once for each instruction set.
macro_rules! for_each_processor {
    ($name:ident($($argument:ident: $type:ty),* $(,)?)) => {
        pub(super) fn $name(processor: Processor, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) {
                math::$name($($argument),*);
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
            fn avx512($($argument: $type),*) {
                math::$name($($argument),*);
            }

            match processor {
                Processor::Portable(_) => math::$name($($argument),*),
                // SAFETY: the value exists only where the feature was found.
                #[cfg(target_arch = "x86_64")]
                Processor::Avx2(_) => unsafe { avx2($($argument),*) },
                // SAFETY: the value exists only where the features were found.
                #[cfg(target_arch = "x86_64")]
                Processor::Avx512(_) => unsafe { avx512($($argument),*) },
            }
        }
    };
}

for_each_processor!(normalize(values: &mut [f32], scale: &[f32], shift: &[f32], epsilon: f32));
for_each_processor!(quantize(values: &[f32], width: usize, units: &mut [i16], scales: &mut [f32]));
for_each_processor!(softmax(scores: &mut [f32], width: usize, stride: usize, factor: f32));
for_each_processor!(add(values: &mut [f32], more: &[f32]));
for_each_processor!(unit_length(values: &mut [f32]));
for_each_processor!(product(a: View<'_>, b: Strips<'_>, rows: usize, out: &mut [f32], stride: usize));

/// The loop around the tiles: a panel of weights stays near while all rows of
/// activations pass it.
#[inline(always)]
fn linear_by(
    tile: impl Fn([&[i16]; HEIGHT], &[i16], &mut Tile),
    activations: Activations<'_>,
    weights: &Packed,
    finish: Finish<'_>,
    out: &mut [f32],
) {
    let (inputs, outputs) = (weights.inputs, weights.outputs);
    let count = activations.units.len() / inputs;
    let row = |index: usize| &activations.units[index * inputs..][..inputs];
    let mut sums: Tile = [[0; PANEL]; HEIGHT];
    for (index, panel) in weights.units.chunks_exact(inputs * PANEL).enumerate() {
        let first = index * PANEL;
        let (Some(scales), Some(biases)) =
            (finish.scales[first..].first_chunk::<PANEL>(), finish.biases[first..].first_chunk::<PANEL>())
        else {
            return;
        };
        for top in (0..count).step_by(HEIGHT) {
            // The last tile repeats its last row rather than having a shape of
            // its own; the surplus sums are not used.
            tile(std::array::from_fn(|line| row((top + line).min(count - 1))), panel, &mut sums);
            for (line, sums) in sums.iter().enumerate().take(count - top) {
                let scale = activations.scales[top + line];
                let out = &mut out[(top + line) * outputs + first..][..PANEL];
                for lane in 0..PANEL {
                    out[lane] = sums[lane] as f32 * (scale * scales[lane]) + biases[lane];
                }
                if finish.gelu {
                    math::gelu(out);
                }
            }
        }
    }
}

/// Sums what the vector versions sum, for processors that have none of them.
///
/// Nothing wraps with honest weights; with others it must not panic either.
#[inline(always)]
fn tile_portable(rows: [&[i16]; HEIGHT], panel: &[i16], sums: &mut Tile) {
    *sums = [[0; PANEL]; HEIGHT];
    for (sums, row) in sums.iter_mut().zip(rows) {
        let pairs = row.as_chunks::<2>().0;
        let mut lanes = [0_i32; PANEL];
        for (pair, weights) in pairs.iter().zip(panel.as_chunks::<{ 2 * PANEL }>().0) {
            for (lane, sum) in lanes.iter_mut().enumerate() {
                let first = i32::from(pair[0]).wrapping_mul(i32::from(weights[2 * lane]));
                let second = i32::from(pair[1]).wrapping_mul(i32::from(weights[2 * lane + 1]));
                *sum = sum.wrapping_add(first.wrapping_add(second));
            }
        }
        *sums = lanes;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn tile_avx2(rows: [&[i16]; HEIGHT], panel: &[i16], sums: &mut Tile) {
    use std::arch::x86_64::{
        _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi32, _mm256_setzero_si256,
        _mm256_storeu_si256,
    };

    let depth = panel.len() / PANEL;
    assert!(rows.iter().all(|row| row.len() == depth));
    let mut left = [_mm256_setzero_si256(); HEIGHT];
    let mut right = [_mm256_setzero_si256(); HEIGHT];
    for pair in 0..depth / 2 {
        // SAFETY: a panel has 32 weights for each of its depth / 2 pairs, and
        // each row has depth elements.
        unsafe {
            let weights = panel.as_ptr().add(pair * 2 * PANEL);
            let weights_left = _mm256_loadu_si256(weights.cast());
            let weights_right = _mm256_loadu_si256(weights.add(PANEL).cast());
            for line in 0..HEIGHT {
                let two = rows[line].as_ptr().add(pair * 2).cast::<i32>().read_unaligned();
                let two = _mm256_set1_epi32(two);
                left[line] = _mm256_add_epi32(left[line], _mm256_madd_epi16(two, weights_left));
                right[line] = _mm256_add_epi32(right[line], _mm256_madd_epi16(two, weights_right));
            }
        }
    }
    for line in 0..HEIGHT {
        // SAFETY: a line of sums has room for two vectors of eight.
        unsafe {
            let line_sums = sums[line].as_mut_ptr();
            _mm256_storeu_si256(line_sums.cast(), left[line]);
            _mm256_storeu_si256(line_sums.add(8).cast(), right[line]);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline]
fn tile_avx512(rows: [&[i16]; HEIGHT], panel: &[i16], sums: &mut Tile) {
    use std::arch::x86_64::{
        _mm512_add_epi32, _mm512_dpwssd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512,
        _mm512_storeu_si512,
    };

    let depth = panel.len() / PANEL;
    assert!(depth.is_multiple_of(4) && rows.iter().all(|row| row.len() == depth));
    // Two sums for each row, for even and odd pairs: one alone would wait for
    // its own last addition.
    let mut even = [_mm512_setzero_si512(); HEIGHT];
    let mut odd = [_mm512_setzero_si512(); HEIGHT];
    for pair in (0..depth / 2).step_by(2) {
        // SAFETY: a panel has 32 weights for each of its depth / 2 pairs, each
        // row has depth elements, and the number of pairs is even.
        unsafe {
            let weights = panel.as_ptr().add(pair * 2 * PANEL);
            let weights_even = _mm512_loadu_si512(weights.cast());
            let weights_odd = _mm512_loadu_si512(weights.add(2 * PANEL).cast());
            for line in 0..HEIGHT {
                let twos = rows[line].as_ptr().add(pair * 2).cast::<i32>();
                let two = _mm512_set1_epi32(twos.read_unaligned());
                even[line] = _mm512_dpwssd_epi32(even[line], two, weights_even);
                let two = _mm512_set1_epi32(twos.add(1).read_unaligned());
                odd[line] = _mm512_dpwssd_epi32(odd[line], two, weights_odd);
            }
        }
    }
    for line in 0..HEIGHT {
        // SAFETY: a line of sums is exactly one vector.
        unsafe {
            _mm512_storeu_si512(sums[line].as_mut_ptr().cast(), _mm512_add_epi32(even[line], odd[line]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same everywhere.
    fn noise(count: usize) -> impl Iterator<Item = i32> {
        (0..count as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as i32)
    }

    #[track_caller]
    fn check(rows: usize, inputs: usize, outputs: usize) {
        let weights: Vec<i8> = noise(inputs * outputs).map(|n| (n % 128) as i8).collect();
        let units: Vec<i16> = noise(rows * inputs).map(|n| (n % 8191 - 4095) as i16).collect();
        let packed = Packed::arrange(&weights, inputs);
        let (scales, biases) = (vec![1.0; outputs], vec![0.0; outputs]);
        let expected: Vec<f32> = (0..rows * outputs)
            .map(|index| {
                let row = &units[index / outputs * inputs..][..inputs];
                let weights = &weights[index % outputs * inputs..][..inputs];
                row.iter().zip(weights).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>() as f32
            })
            .collect();
        for processor in Processor::available() {
            let mut out = vec![f32::NAN; rows * outputs];
            let activations = Activations { units: &units, scales: &vec![1.0; rows] };
            let finish = Finish { scales: &scales, biases: &biases, gelu: false };
            linear(processor, activations, &packed, finish, &mut out);
            assert_eq!(out, expected, "{rows} x {inputs} x {outputs} on {processor:?}");
        }
    }

    #[test]
    fn every_processor_sums_the_same_products() {
        for rows in 0..=2 * HEIGHT + 1 {
            check(rows, 384, 48);
        }
        check(3, 4, 16);
        check(3, 36, 32);
        check(1, math::LONGEST_ROW, 16);
    }

    #[test]
    fn the_largest_numbers_do_not_wrap() {
        let inputs = math::LONGEST_ROW;
        let packed = Packed::arrange(&vec![-127; inputs * PANEL], inputs);
        let units = vec![4095; inputs];
        for processor in Processor::available() {
            let mut out = vec![0.0; PANEL];
            let finish = Finish { scales: &[1.0; PANEL], biases: &[0.0; PANEL], gelu: false };
            linear(processor, Activations { units: &units, scales: &[1.0] }, &packed, finish, &mut out);
            assert_eq!(out, [-127.0 * 4095.0 * inputs as f32; PANEL]);
        }
    }
}
