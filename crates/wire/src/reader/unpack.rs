//! Undoes gzip and zstd, recognized by their first bytes, and stops bombs.
//!
//! Text compresses well but not without end: a stream that has unpacked to more
//! than a gigabyte, and to more than a thousand times what it holds, is refused.

use std::io::{self, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Up to here any ratio is believed.
const FREE: u64 = 1 << 30;
const MAX_RATIO: u64 = 1000;
/// Windows up to 128 MB, as in `zstd --long=27`.
const MAX_WINDOW_LOG: u32 = 27;

type Input = Counted<Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>>;

/// A stream of plain bytes, whatever it was packed in.
pub(crate) struct Unpacked {
    inner: Box<dyn Read + Send>,
    is_packed: bool,
    packed: Arc<AtomicU64>,
    unpacked: u64,
    free: u64,
}

impl Unpacked {
    pub(crate) fn new(input: Box<dyn Read + Send>) -> io::Result<Self> {
        Self::with_allowance(input, FREE)
    }

    pub(crate) fn with_allowance(mut input: Box<dyn Read + Send>, free: u64) -> io::Result<Self> {
        let mut head = Vec::new();
        input.by_ref().take(4).read_to_end(&mut head)?;
        let is_gzip = head.starts_with(&[0x1f, 0x8b]);
        let is_zstd = head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let packed = Arc::new(AtomicU64::new(0));
        let counted: Input = Counted { inner: Cursor::new(head).chain(input), count: Arc::clone(&packed) };
        let inner: Box<dyn Read + Send> = if is_gzip {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, counted)))
        } else if is_zstd {
            let mut decoder = zstd::stream::read::Decoder::new(counted)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(decoder)
        } else {
            Box::new(counted)
        };
        Ok(Self { inner, is_packed: is_gzip || is_zstd, packed, unpacked: 0, free })
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.unpacked += count as u64;
        let packed = self.packed.load(Ordering::Relaxed).max(1);
        if self.is_packed && self.unpacked > self.free && self.unpacked / packed > MAX_RATIO {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "unpacks to more than {MAX_RATIO} times its size ({} bytes from {packed}); \
                     unpack it yourself if that is what you want",
                    self.unpacked
                ),
            ));
        }
        Ok(count)
    }
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
