//! How a run lies on disk: the pieces it was folded from, as versioned JSON.
//!
//! A record keeps the creation and the fold of all updates apart, so that a
//! creation that arrives late, or a second one, can still be put in its place.
//! Layout: one byte version, one byte packing, then the JSON, packed by zstd
//! (with its raw length in front, and a checksum inside) where that pays.
//! Every version that was ever written stays readable.

mod feedback;
mod part;

use std::cell::RefCell;

use assay_domain::{Cost, RunPatch};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub(crate) use feedback::{decode_feedback, encode_feedback};
use part::CostV1;
pub(crate) use part::{bound, part_json, read_part};

/// Version of the record layout.
const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Shorter records do not get shorter by packing.
const PACK_FROM: usize = 200;
/// No honest record is larger: SQLite refuses larger values.
const MAX_RAW: usize = 1 << 30;
const LEVEL: i32 = 1;

/// A run as stored: its pieces, not yet folded into one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// The one creation that counts, as it was written; see [`read_part`].
    pub(crate) creation: Option<String>,
    /// All updates, folded in order of arrival.
    pub(crate) updates: Option<RunPatch>,
    /// Follows from usage and price table at the time of folding.
    pub(crate) cost: Option<Cost>,
}

#[derive(Serialize, Deserialize)]
struct RecordV1<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    creation: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    updates: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost: Option<CostV1>,
}

/// Packs a record. `updates` is the JSON of the updates part, if any.
pub(crate) fn encode(creation: Option<&str>, updates: Option<&str>, cost: Option<&Cost>) -> Vec<u8> {
    let mut json = Vec::with_capacity(
        creation.map_or(0, str::len) + updates.map_or(0, str::len) + 64 + usize::from(cost.is_some()) * 128,
    );
    // The parts are JSON already: written in place rather than parsed and printed again.
    let mut separator = b'{';
    for (name, part) in [("creation", creation), ("updates", updates)] {
        let Some(part) = part else { continue };
        json.push(separator);
        json.extend_from_slice(format!("\"{name}\":").as_bytes());
        json.extend_from_slice(part.as_bytes());
        separator = b',';
    }
    if let Some(cost) = cost {
        json.push(separator);
        json.extend_from_slice(b"\"cost\":");
        serde_json::to_writer(&mut json, &CostV1::of(cost)).expect("costs are plain data");
        separator = b',';
    }
    if separator == b'{' {
        json.push(b'{');
    }
    json.push(b'}');
    pack(&json)
}

/// Reads a record of any version.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, String> {
    let json = unpack(bytes)?;
    let record: RecordV1<'_> =
        serde_json::from_slice(&json).map_err(|error| format!("stored record: {error}"))?;
    Ok(Record {
        creation: record.creation.map(|raw| raw.get().to_owned()),
        updates: record.updates.map(|raw| read_part(raw.get())).transpose()?,
        cost: record.cost.map(CostV1::into_cost),
    })
}

/// The JSON of a value; what nests too deep to be read back is in it as text.
pub(crate) fn bounded_json(value: &serde_json::Value) -> String {
    part::bounded(value).to_string()
}

/// Puts version and packing in front of JSON, compressed where that pays.
pub(crate) fn pack(json: &[u8]) -> Vec<u8> {
    if json.len() >= PACK_FROM
        && let Some(packed) = compress(json)
        && packed.len() + 4 < json.len()
        && let Ok(length) = u32::try_from(json.len())
    {
        let mut bytes = Vec::with_capacity(packed.len() + 6);
        bytes.extend_from_slice(&[VERSION, ZSTD]);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&packed);
        return bytes;
    }
    let mut bytes = Vec::with_capacity(json.len() + 2);
    bytes.extend_from_slice(&[VERSION, PLAIN]);
    bytes.extend_from_slice(json);
    bytes
}

/// Undoes [`pack`].
pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    match bytes {
        [VERSION, PLAIN, json @ ..] => Ok(json.to_vec()),
        [VERSION, ZSTD, a, b, c, d, packed @ ..] => {
            let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
            if length > MAX_RAW {
                return Err(format!("stored record claims {length} bytes"));
            }
            let json = decompress(packed, length)?;
            if json.len() == length { Ok(json) } else { Err("stored record is cut short".into()) }
        }
        [version, ..] if *version > VERSION => {
            Err(format!("stored record has version {version}, known is {VERSION}"))
        }
        _ => Err("stored record has no known layout".into()),
    }
}

/// How long a record is before packing; `None` where that cannot be read.
pub(crate) fn raw_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [VERSION, PLAIN, json @ ..] => Some(json.len()),
        [VERSION, ZSTD, a, b, c, d, ..] => Some(u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        _ => None,
    }
}

thread_local! {
    // Contexts are worth keeping: making one costs more than packing a run.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = RefCell::new(new_compressor());
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        RefCell::new(zstd::bulk::Decompressor::new().ok());
}

fn new_compressor() -> Option<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).ok()?;
    compressor.include_checksum(true).ok()?;
    Some(compressor)
}

fn compress(json: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(json).ok())
}

fn decompress(packed: &[u8], length: usize) -> Result<Vec<u8>, String> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = decompressor.as_mut().ok_or("zstd has no memory")?;
        decompressor.decompress(packed, length).map_err(|error| format!("stored record: {error}"))
    })
}

#[cfg(test)]
mod tests;
