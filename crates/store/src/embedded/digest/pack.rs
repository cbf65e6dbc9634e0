//! How the columns of a digest lie on disk: plain little-endian, then zstd.
//!
//! Numbers are laid out byte plane by byte plane, which packs several times
//! better. Whatever cannot be read is `None`: a question then looks at the
//! runs themselves.

use std::cell::RefCell;

const LEVEL: i32 = 1;
/// No honest column is larger.
const MAX_RAW: usize = 256 << 20;

thread_local! {
    // Making one takes longer than unpacking a column.
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        RefCell::new(zstd::bulk::Decompressor::new().ok());
}

pub(super) fn pack(raw: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(raw, LEVEL).unwrap_or_default()
}

pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let size = zstd::zstd_safe::get_frame_content_size(packed).ok().flatten()?;
    let size = usize::try_from(size).ok().filter(|&size| size <= MAX_RAW)?;
    UNPACKER.with_borrow_mut(|unpacker| unpacker.as_mut()?.decompress(packed, size).ok())
}

pub(super) fn pack_numbers(numbers: &[i64]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(numbers.len() * 8);
    for plane in 0..8 {
        raw.extend(numbers.iter().map(|number| number.to_le_bytes()[plane]));
    }
    pack(&raw)
}

pub(super) fn unpack_numbers(packed: &[u8]) -> Option<Vec<i64>> {
    let raw = unpack(packed)?;
    let count = raw.len() / 8;
    let mut numbers = vec![0u64; count];
    for (plane, bytes) in raw.chunks_exact(count.max(1)).take(8).enumerate() {
        // The upper bytes of small numbers are nothing but zeros.
        if bytes.iter().all(|&byte| byte == 0) {
            continue;
        }
        for (number, &byte) in numbers.iter_mut().zip(bytes) {
            *number |= u64::from(byte) << (8 * plane);
        }
    }
    Some(numbers.into_iter().map(u64::cast_signed).collect())
}

pub(super) fn put_number(out: &mut Vec<u8>, number: usize) {
    // Segments are far smaller than four gigabytes.
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

pub(super) fn put_place(out: &mut Vec<u8>, place: u16) {
    out.extend_from_slice(&place.to_le_bytes());
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Reads what the functions above wrote.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?) as usize)
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// So many places.
    pub(super) fn places(&mut self, count: usize) -> Option<impl Iterator<Item = u16> + use<'a>> {
        let bytes = self.take(count.checked_mul(2)?)?;
        Some(bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])))
    }
}
