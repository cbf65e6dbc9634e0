//! Reads and writes the safetensors format: a length, a JSON table of
//! contents, and the tensors as raw little-endian bytes.
//!
//! The published model and the asset derived from it are both such files.
//! Nothing is interpreted here beyond types, shapes and bounds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The key of the table of contents that is not a tensor.
const METADATA: &str = "__metadata__";

/// The element types this crate computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F16,
    BF16,
    I8,
}

/// One tensor, still as bytes; there are exactly as many as its shape needs.
#[derive(Clone, Debug)]
pub(super) struct Tensor<'a> {
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: &'a [u8],
}

#[derive(Serialize, Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

/// The tensors of a file by name. Tensors of other types are left out.
pub(super) fn read(file: &[u8]) -> Result<BTreeMap<String, Tensor<'_>>, Error> {
    let damaged = || Error::corrupt("its weights do not begin with a table of contents");
    let (length, rest) = file.split_first_chunk::<8>().ok_or_else(damaged)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| damaged())?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(damaged)?;
    let header: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|_| damaged())?;

    let mut tensors = BTreeMap::new();
    for (name, entry) in header {
        if name == METADATA {
            continue;
        }
        let damaged = || Error::corrupt(format!("tensor {name} does not fit its file"));
        let entry: Entry = serde_json::from_value(entry).map_err(|_| damaged())?;
        let Some(kind) = Kind::parse(&entry.dtype) else { continue };
        let bytes = data.get(entry.data_offsets[0]..entry.data_offsets[1]).ok_or_else(damaged)?;
        let needed = entry.shape.iter().try_fold(kind.size(), |size, &side| size.checked_mul(side));
        if needed != Some(bytes.len()) {
            return Err(damaged());
        }
        tensors.insert(name, Tensor { kind, shape: entry.shape, bytes });
    }
    Ok(tensors)
}

/// Writes a file; equal tensors in equal order make equal bytes.
pub(super) fn write(tensors: &[(String, Tensor<'_>)]) -> Vec<u8> {
    let mut header = BTreeMap::new();
    let mut offset = 0;
    for (name, Tensor { kind, shape, bytes }) in tensors {
        let data_offsets = [offset, offset + bytes.len()];
        header.insert(name, Entry { dtype: kind.name().to_owned(), shape: shape.clone(), data_offsets });
        offset += bytes.len();
    }
    let mut header = serde_json::to_vec(&header).expect("names and numbers are always valid JSON");
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    for (_, tensor) in tensors {
        file.extend_from_slice(tensor.bytes);
    }
    file
}

impl Tensor<'_> {
    /// The elements as numbers; `None` if one of them is not finite.
    pub(super) fn to_f32(&self) -> Option<Vec<f32>> {
        let pairs = || self.bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair));
        let numbers: Vec<f32> = match self.kind {
            Kind::F32 => self.bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
            Kind::BF16 => pairs().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect(),
            Kind::F16 => pairs().map(f16_to_f32).collect(),
            Kind::I8 => self.bytes.iter().map(|&byte| f32::from(byte.cast_signed())).collect(),
        };
        numbers.iter().all(|number| number.is_finite()).then_some(numbers)
    }
}

impl Kind {
    fn parse(name: &str) -> Option<Self> {
        [Kind::F32, Kind::F16, Kind::BF16, Kind::I8].into_iter().find(|kind| kind.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Kind::F32 => "F32",
            Kind::F16 => "F16",
            Kind::BF16 => "BF16",
            Kind::I8 => "I8",
        }
    }

    fn size(self) -> usize {
        match self {
            Kind::F32 => 4,
            Kind::F16 | Kind::BF16 => 2,
            Kind::I8 => 1,
        }
    }
}

/// Moves exponent and fraction to their places in the wider format. Scaling by
/// a power of two makes up for the different bias and is exact, so subnormal
/// numbers need no case of their own.
fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let magnitude = u32::from(bits & 0x7FFF) << 13;
    if bits & 0x7C00 == 0x7C00 {
        return f32::from_bits(sign | magnitude | 0x7F80_0000);
    }
    let value = f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23);
    f32::from_bits(value.to_bits() | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = [0, 0, 128, 63, 0, 0, 0, 192];
        let tensor = Tensor { kind: Kind::F32, shape: vec![2, 1], bytes: &bytes };
        let file = write(&[("a".into(), tensor)]);
        let tensors = read(&file).unwrap();
        assert_eq!(tensors["a"].shape, [2, 1]);
        assert_eq!(tensors["a"].to_f32().unwrap(), [1.0, -2.0]);
    }

    #[test]
    fn half_precision_is_widened_exactly() {
        let cases = [(0x3C00, 1.0), (0xC000, -2.0), (0x7BFF, 65504.0), (0x0001, 2.0_f32.powi(-24)), (0, 0.0)];
        for (bits, expected) in cases {
            assert_eq!(f16_to_f32(bits), expected);
        }
        assert!(!f16_to_f32(0x7C00).is_finite());
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let tensor = Tensor { kind: Kind::I8, shape: vec![4], bytes: &[1, 2, 3, 4] };
        let file = write(&[("a".into(), tensor)]);
        for end in 0..file.len() {
            assert!(read(&file[..end]).is_err(), "cut after {end} bytes");
        }
        assert!(read(&[0xFF; 64]).is_err());
    }
}
