//! Streams a file into decoded records with flat memory.
//!
//! Layers, from the bytes up: `unpack` undoes gzip and zstd and stops bombs,
//! `split` cuts the text into records without parsing it, this module parses
//! and decodes a chunk of records on all cores and puts the results back in
//! order. What a record means is the format modules' business.

mod split;
mod unpack;

use std::io::Read;

use rayon::prelude::*;
use serde_json::Value;

use crate::detect::{self, Format};
use crate::import::{Import, Names, content_hash};
use crate::{Decoded, chat, json, langsmith, otel};
use split::{Piece, Splitter};
use unpack::Unpacked;

/// A single record larger than this is rejected by name.
pub const MAX_RECORD: usize = 64 << 20;
/// A protobuf file is decoded whole, up to this size.
pub const MAX_PROTOBUF: usize = 512 << 20;

/// Why a file cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {file}: {source}")]
    Io { file: String, source: std::io::Error },
    #[error("{file}: larger than {limit} bytes; split the export into smaller files")]
    TooLarge { file: String, limit: usize },
}

/// How much one chunk holds. Memory is about ten times `bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub records: usize,
    pub bytes: usize,
}

impl Default for Limit {
    fn default() -> Self {
        Self { records: 4_000, bytes: 8 << 20 }
    }
}

/// A file that is read chunk by chunk.
pub struct Reader {
    file: String,
    format: Option<Format>,
    splitter: Splitter<Unpacked>,
    has_started: bool,
    records: usize,
    max_protobuf: usize,
}

impl Reader {
    /// Opens a stream. `file` is how its records are named (`file:line`); a
    /// given `format` overrides what their content says.
    ///
    /// # Errors
    /// If the first bytes cannot be read.
    pub fn new(
        input: impl Read + Send + 'static,
        file: impl Into<String>,
        format: Option<Format>,
    ) -> Result<Self, Error> {
        let file = file.into();
        let unpacked =
            Unpacked::new(Box::new(input)).map_err(|source| Error::Io { file: file.clone(), source })?;
        Ok(Self {
            file,
            format,
            splitter: Splitter::new(unpacked, MAX_RECORD),
            has_started: false,
            records: 0,
            max_protobuf: MAX_PROTOBUF,
        })
    }

    /// Takes protobuf files up to so many bytes, instead of [`MAX_PROTOBUF`].
    pub fn set_max_protobuf(&mut self, bytes: usize) {
        self.max_protobuf = bytes;
    }

    /// How many records were met so far, readable or not.
    #[must_use]
    pub fn records(&self) -> usize {
        self.records
    }

    /// The next records, in the order of the file; `None` at its end.
    ///
    /// Records that cannot be read are in [`Decoded::rejected`], named
    /// `file:line`. `import` is shared by all files of one import.
    ///
    /// # Errors
    /// If the file cannot be read any further: it is damaged, or it unpacks
    /// into far more than it holds. What came before stays valid.
    pub fn next_chunk(&mut self, import: &mut Import, limit: Limit) -> Result<Option<Decoded>, Error> {
        if !std::mem::replace(&mut self.has_started, true) && self.is_protobuf()? {
            return self.protobuf().map(Some);
        }
        let mut chunk = Chunk::default();
        while chunk.pieces.len() < limit.records && chunk.text.len() < limit.bytes {
            let next = self.splitter.next(&mut chunk.text);
            match next {
                Ok(Some(piece)) => chunk.pieces.push(piece),
                Ok(None) => break,
                // Hand out what was read before; the error comes with the next call.
                Err(_) if !chunk.pieces.is_empty() => break,
                Err(source) => return Err(self.io(source)),
            }
        }
        if chunk.pieces.is_empty() {
            return Ok(None);
        }
        self.records += chunk.pieces.len();
        Ok(Some(self.decode(&chunk, import)))
    }

    fn io(&self, source: std::io::Error) -> Error {
        Error::Io { file: self.file.clone(), source }
    }

    fn is_protobuf(&mut self) -> Result<bool, Error> {
        match self.format {
            Some(format) => Ok(format == Format::OtlpProtobuf),
            None => {
                let head = self
                    .splitter
                    .peek(4096)
                    .map_err(|source| Error::Io { file: self.file.clone(), source })?;
                Ok(detect::is_protobuf(head))
            }
        }
    }

    fn protobuf(&mut self) -> Result<Decoded, Error> {
        self.records += 1;
        let whole = self
            .splitter
            .rest(self.max_protobuf)
            .map_err(|source| Error::Io { file: self.file.clone(), source })?;
        match whole {
            Some(bytes) => Ok(otel::decode_protobuf(&bytes, &self.file)),
            None => Err(Error::TooLarge { file: self.file.clone(), limit: self.max_protobuf }),
        }
    }

    /// Parses in parallel, names the nameless in order, decodes in parallel.
    fn decode(&self, chunk: &Chunk, import: &mut Import) -> Decoded {
        let (format, file) = (self.format, self.file.as_str());
        let parsed: Vec<Result<Record, String>> =
            chunk.pieces.par_iter().map(|piece| Record::parse(piece, &chunk.text, format)).collect();
        let named: Vec<_> = parsed
            .into_iter()
            .zip(&chunk.pieces)
            .map(|(record, piece)| {
                let id =
                    record.as_ref().ok().and_then(|record| record.nameless).map(|hash| import.name(hash));
                (record, id.unwrap_or_default(), piece.line)
            })
            .collect();
        let import = &*import;
        let decoded: Vec<Decoded> = named
            .into_par_iter()
            .map(|(record, id, line)| {
                let origin = format!("{file}:{line}");
                match record {
                    Ok(record) => record.decode(import.names(id), &origin),
                    Err(reason) => {
                        let mut decoded = Decoded::default();
                        decoded.reject(origin, reason);
                        decoded
                    }
                }
            })
            .collect();
        let mut all = Decoded::default();
        decoded.into_iter().for_each(|one| all.append(one));
        all
    }
}

/// Records as text: one buffer and where each lies in it.
#[derive(Default)]
struct Chunk {
    text: Vec<u8>,
    pieces: Vec<Piece>,
}

/// A parsed record of known format.
struct Record {
    value: Value,
    format: Format,
    repaired: bool,
    /// The hash of the content, where the record brings no id.
    nameless: Option<[u8; 16]>,
}

impl Record {
    fn parse(piece: &Piece, text: &[u8], format: Option<Format>) -> Result<Self, String> {
        if piece.is_too_large {
            return Err(format!("record larger than {} MB", MAX_RECORD >> 20));
        }
        let json::Parsed { value, repaired } = json::parse(&text[piece.range.clone()])?;
        let format = match format
            .filter(|format| *format != Format::OtlpProtobuf)
            .or_else(|| detect::of_record(&value))
        {
            Some(format) => format,
            None => return Err(unknown(&value)),
        };
        let needs_name = match format {
            Format::Chat => !chat::has_id(&value),
            Format::LangSmithRuns | Format::LangSmithFeedback => value.get("id").is_none_or(Value::is_null),
            Format::OtlpJson | Format::OtlpProtobuf => false,
        };
        // The hash is of the parsed value, so that white space does not make a difference.
        let nameless = needs_name.then(|| content_hash(value.to_string().as_bytes()));
        Ok(Self { value, format, repaired, nameless })
    }

    fn decode(self, names: Names<'_>, origin: &str) -> Decoded {
        let mut decoded = match self.format {
            Format::Chat => chat::decode(self.value, names),
            Format::LangSmithRuns => langsmith::runs(self.value, names),
            Format::LangSmithFeedback => langsmith::feedback(self.value, names),
            Format::OtlpJson | Format::OtlpProtobuf => otel::decode_json(&self.value, origin),
        };
        if matches!(self.format, Format::Chat | Format::LangSmithRuns | Format::LangSmithFeedback) {
            for rejected in &mut decoded.rejected {
                rejected.location = origin.to_owned();
            }
        }
        decoded.repaired += usize::from(self.repaired);
        decoded
    }
}

fn unknown(value: &Value) -> String {
    let shown = match value {
        Value::Object(object) if object.is_empty() => "an empty object".to_owned(),
        Value::Object(object) => {
            let keys: Vec<String> = object.keys().take(5).map(|key| key.chars().take(40).collect()).collect();
            format!("an object with {}", keys.join(", "))
        }
        Value::Array(list) if list.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list of something else".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Null => "null".to_owned(),
    };
    format!("neither a chat history, a run, feedback nor a span: {shown}")
}

#[cfg(test)]
mod tests;
