//! Turns single-precision weights into bytes, once, when the asset is derived
//! or a folder is loaded.
//!
//! Each row of a matrix gets one scale, so that its largest magnitude becomes
//! 127. Vectors (biases, layer norms) are few and stay as they are.

use std::collections::BTreeMap;

use super::safetensors::{self, Kind, Tensor};
use crate::Error;

/// What the name of a row scale adds to the name of its matrix.
pub(super) const SCALE: &str = ".scale";

/// A matrix as bytes, and what one unit stands for in each row.
pub(super) struct Quantized {
    pub(super) units: Vec<i8>,
    pub(super) scales: Vec<f32>,
}

/// Rounds each row to whole multiples of a 127th of its largest magnitude.
pub(super) fn rows(values: &[f32], width: usize) -> Quantized {
    let mut units = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(values.len() / width);
    for row in values.chunks_exact(width) {
        let largest = row.iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        let scale = largest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        units.extend(row.iter().map(|x| (x * inverse).round_ties_even() as i8));
        scales.push(scale);
    }
    Quantized { units, scales }
}

/// Derives the bytes of a quantized model from those of a published one.
///
/// Both are safetensors files. Matrices become bytes with a vector of scales
/// beside them; the pooler, which sentence embeddings do not use, is left out.
/// Equal input gives equal output, on every machine.
pub fn derive(weights: &[u8]) -> Result<Vec<u8>, Error> {
    let tensors = safetensors::read(weights)?;
    let mut derived: BTreeMap<String, (Kind, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, tensor) in tensors {
        if name.contains("pooler.") {
            continue;
        }
        let values = tensor.to_f32().ok_or_else(|| Error::corrupt(format!("{name} is not finite")))?;
        match tensor.shape[..] {
            [rows, width] if width > 0 => {
                let Quantized { units, scales } = self::rows(&values, width);
                let units = units.into_iter().map(i8::cast_unsigned).collect();
                derived.insert(format!("{name}{SCALE}"), (Kind::F32, vec![rows], to_bytes(&scales)));
                derived.insert(name, (Kind::I8, vec![rows, width], units));
            }
            _ => {
                derived.insert(name, (Kind::F32, tensor.shape, to_bytes(&values)));
            }
        }
    }
    // Aligned numbers first: the bytes after them need no alignment.
    let (mut numbers, mut bytes) = (Vec::new(), Vec::new());
    for (name, (kind, shape, data)) in &derived {
        let tensor = Tensor { kind: *kind, shape: shape.clone(), bytes: data };
        if *kind == Kind::I8 { &mut bytes } else { &mut numbers }.push((name.clone(), tensor));
    }
    numbers.extend(bytes);
    Ok(safetensors::write(&numbers))
}

fn to_bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_each_row_becomes_127() {
        let Quantized { units, scales } = rows(&[1.0, -0.5, 0.0, 0.0, 254.0, -254.0], 2);
        assert_eq!(units, [127, -64, 0, 0, 127, -127]);
        assert_eq!(scales, [1.0 / 127.0, 0.0, 2.0]);
    }
}
