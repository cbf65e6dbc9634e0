//! Cuts text into records without parsing it.
//!
//! Lines of JSON are cut at line ends, so that a broken line costs only itself.
//! Everything else (one pretty-printed value, several of them, an array of
//! records, an array inside a wrapper such as `{"runs": […]}`) is cut by
//! counting brackets outside strings. No more than one record is in memory.

use std::io::{self, Read};
use std::ops::Range;

use crate::detect::{self, Format};

/// Bytes asked for at a time.
const STEP: usize = 256 << 10;
/// Wrappers are looked for in this many bytes.
const HEAD: usize = 4096;
/// Keys whose array holds records, not parts of one.
const WRAPPERS: [&str; 10] =
    ["runs", "data", "traces", "threads", "records", "items", "histories", "results", "examples", "rows"];

/// A record: where it lies in the buffer it was written to, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) range: Range<usize>,
    /// The line it starts on, from 1.
    pub(crate) line: usize,
    /// It was larger than allowed; the range is empty.
    pub(crate) is_too_large: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    Unknown,
    /// One record per line.
    Lines,
    /// Values one after the other.
    Values,
    /// Inside an array of records. In a wrapper, the rest of an object follows.
    Array {
        in_wrapper: bool,
    },
}

pub(crate) struct Splitter<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes of the buffer already dealt with.
    start: usize,
    is_at_end: bool,
    line: usize,
    layout: Layout,
    max_record: usize,
}

impl<R: Read> Splitter<R> {
    pub(crate) fn new(input: R, max_record: usize) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            is_at_end: false,
            line: 1,
            layout: Layout::Unknown,
            max_record,
        }
    }

    /// The next bytes, at least `count` unless the input ends before.
    pub(crate) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.buffer.len() - self.start < count && self.fill()? {}
        Ok(&self.buffer[self.start..])
    }

    /// Everything that is left; `None` if it is more than `limit` bytes.
    pub(crate) fn rest(&mut self, limit: usize) -> io::Result<Option<Vec<u8>>> {
        let mut all = self.buffer.split_off(self.start);
        let room = (limit + 1).saturating_sub(all.len());
        self.input.by_ref().take(room as u64).read_to_end(&mut all)?;
        self.buffer.clear();
        self.start = 0;
        self.is_at_end = true;
        Ok((all.len() <= limit).then_some(all))
    }

    /// Appends the next record to `out`; `None` at the end.
    pub(crate) fn next(&mut self, out: &mut Vec<u8>) -> io::Result<Option<Piece>> {
        loop {
            if self.layout == Layout::Unknown {
                self.layout = self.find_layout()?;
            }
            match self.layout {
                Layout::Lines | Layout::Unknown => return self.next_line(out),
                Layout::Values => {
                    let Some(first) = self.skip_blank(b"")? else { return Ok(None) };
                    if self.enter(first)? {
                        continue;
                    }
                    return self.next_value(first, out).map(Some);
                }
                Layout::Array { in_wrapper } => match self.skip_blank(b",")? {
                    // The array was cut off: an empty record says so.
                    None => {
                        self.layout = Layout::Values;
                        let end = out.len();
                        return Ok(Some(Piece { range: end..end, line: self.line, is_too_large: false }));
                    }
                    Some(b']') => {
                        self.consume(1);
                        if in_wrapper {
                            self.leave_object()?;
                        }
                        self.layout = Layout::Values;
                    }
                    Some(first) => return self.next_value(first, out).map(Some),
                },
            }
        }
    }

    /// Reads more; false at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        if self.start > 0 && (self.start == self.buffer.len() || self.start >= STEP) {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let known = self.buffer.len();
        self.buffer.resize(known + STEP, 0);
        let count = loop {
            match self.input.read(&mut self.buffer[known..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(known);
                    return Err(error);
                }
                Ok(count) => break count,
            }
        };
        self.buffer.truncate(known + count);
        self.is_at_end = count == 0;
        Ok(count > 0)
    }

    fn consume(&mut self, count: usize) {
        let taken = &self.buffer[self.start..self.start + count];
        self.line += taken.iter().filter(|byte| **byte == b'\n').count();
        self.start += count;
    }

    /// Skips white space, a byte order mark, NUL bytes and `also`; returns the byte that follows.
    fn skip_blank(&mut self, also: &[u8]) -> io::Result<Option<u8>> {
        loop {
            let is_blank = |byte: &u8| {
                byte.is_ascii_whitespace()
                    || matches!(byte, 0 | 0x1e | 0xef | 0xbb | 0xbf)
                    || also.contains(byte)
            };
            let rest = &self.buffer[self.start..];
            match rest.iter().position(|byte| !is_blank(byte)) {
                Some(offset) => {
                    let byte = rest[offset];
                    self.consume(offset);
                    return Ok(Some(byte));
                }
                None => {
                    self.consume(rest.len());
                    if !self.fill()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The length of the line ahead without its end, or `None` if it is too long.
    fn line_length(&mut self) -> io::Result<Option<usize>> {
        let mut searched = 0;
        loop {
            let rest = &self.buffer[self.start..];
            if let Some(offset) = rest[searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(Some(searched + offset));
            }
            searched = rest.len();
            if searched > self.max_record {
                return Ok(None);
            }
            if !self.fill()? {
                return Ok(Some(searched));
            }
        }
    }

    fn next_line(&mut self, out: &mut Vec<u8>) -> io::Result<Option<Piece>> {
        if self.skip_blank(b"")?.is_none() {
            return Ok(None);
        }
        let line = self.line;
        let from = out.len();
        let Some(length) = self.line_length()? else {
            self.discard_line()?;
            return Ok(Some(Piece { range: from..from, line, is_too_large: true }));
        };
        if length > self.max_record {
            self.consume(length);
            return Ok(Some(Piece { range: from..from, line, is_too_large: true }));
        }
        let text = self.buffer[self.start..self.start + length].trim_ascii_end();
        out.extend_from_slice(text);
        self.consume(length);
        Ok(Some(Piece { range: from..out.len(), line, is_too_large: false }))
    }

    fn discard_line(&mut self) -> io::Result<()> {
        loop {
            let rest = &self.buffer[self.start..];
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(offset) => {
                    self.consume(offset + 1);
                    return Ok(());
                }
                None => {
                    self.consume(rest.len());
                    if !self.fill()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// How the records lie, judged by the first lines.
    fn find_layout(&mut self) -> io::Result<Layout> {
        let Some(first) = self.skip_blank(b"")? else { return Ok(Layout::Lines) };
        if first == b'[' && self.holds_records()? {
            return Ok(Layout::Values);
        }
        if first == b'{' && wrapper(self.peek(HEAD)?).is_some() {
            return Ok(Layout::Values);
        }
        let Some(length) = self.line_length()? else { return Ok(Layout::Values) };
        let line = &self.buffer[self.start..self.start + length];
        if Brackets::default().end(line).is_some() || !matches!(first, b'[' | b'{') {
            return Ok(Layout::Lines);
        }
        // An open bracket at the line's end: a value over several lines, or a
        // broken line among good ones. The next line tells.
        let opens_more = matches!(line.trim_ascii_end().last(), Some(b'{' | b'[' | b',' | b':'));
        let after = self.start + length + 1;
        while self.buffer.len() < after + 2 && self.fill()? {}
        let after = self.start + length + 1;
        let starts_a_record = self
            .buffer
            .get(after..)
            .is_some_and(|next| next.starts_with(b"{\"") || (next.starts_with(b"[") && !opens_more));
        Ok(if starts_a_record && !opens_more { Layout::Lines } else { Layout::Values })
    }

    /// Whether the array ahead holds records, and not the messages of one.
    fn holds_records(&mut self) -> io::Result<bool> {
        let mut searched = 1;
        let mut brackets = Brackets::default();
        let mut begin = None;
        loop {
            let rest = &self.buffer[self.start..];
            if begin.is_none() {
                begin =
                    rest.iter().skip(1).position(|byte| !byte.is_ascii_whitespace()).map(|offset| offset + 1);
                searched = begin.unwrap_or(rest.len());
            }
            if let Some(begin) = begin {
                if !matches!(rest[begin], b'{' | b'[') {
                    return Ok(false);
                }
                if let Some(end) = brackets.end(&rest[searched..]) {
                    return Ok(is_record(&rest[begin..searched + end]));
                }
                searched = rest.len();
            }
            if searched > self.max_record || !self.fill()? {
                return Ok(true);
            }
        }
    }

    /// Steps into an array of records or a wrapper around one.
    fn enter(&mut self, first: u8) -> io::Result<bool> {
        if first == b'[' && self.holds_records()? {
            self.consume(1);
            self.layout = Layout::Array { in_wrapper: false };
            return Ok(true);
        }
        if first != b'{' {
            return Ok(false);
        }
        let Some(length) = wrapper(self.peek(HEAD)?) else { return Ok(false) };
        self.consume(length);
        self.layout = Layout::Array { in_wrapper: true };
        Ok(true)
    }

    /// Skips to the end of the object around an array of records.
    fn leave_object(&mut self) -> io::Result<()> {
        let mut brackets = Brackets { depth: 1, ..Brackets::default() };
        loop {
            let rest = &self.buffer[self.start..];
            match brackets.end(rest) {
                Some(end) => {
                    self.consume(end);
                    return Ok(());
                }
                None => {
                    self.consume(rest.len());
                    if !self.fill()? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Appends the value ahead, which starts with `first`.
    fn next_value(&mut self, first: u8, out: &mut Vec<u8>) -> io::Result<Piece> {
        let (line, from) = (self.line, out.len());
        let mut is_too_large = false;
        let mut brackets = Brackets::default();
        loop {
            let rest = &self.buffer[self.start..];
            let end = match first {
                b'{' | b'[' => brackets.end(rest),
                _ => rest.iter().position(|byte| matches!(byte, b',' | b']' | b'\n')).map(|end| end.max(1)),
            };
            let count = end.unwrap_or(rest.len());
            if out.len() - from + count > self.max_record {
                is_too_large = true;
                out.truncate(from);
            }
            if !is_too_large {
                out.extend_from_slice(&rest[..count]);
            }
            self.consume(count);
            if end.is_some() || !self.fill()? {
                return Ok(Piece { range: from..out.len(), line, is_too_large });
            }
        }
    }
}

/// The length of `{"runs": [` at the head of a wrapper.
fn wrapper(head: &[u8]) -> Option<usize> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
    };
    let after_key = text.strip_prefix('{')?.trim_start().strip_prefix('"')?;
    let (key, rest) = after_key.split_once('"')?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('[')?;
    let first = rest.trim_start().chars().next()?;
    (WRAPPERS.contains(&key) && matches!(first, '{' | '[' | ']')).then(|| text.len() - rest.len())
}

/// Whether a first element is a record of its own. A message of a history is not.
fn is_record(element: &[u8]) -> bool {
    let Ok(json) = crate::json::parse(element) else { return true };
    match &json.value {
        serde_json::Value::Array(list) => list.first().is_some_and(serde_json::Value::is_object),
        value => match detect::of_record(value) {
            // A message can carry what looks like a history of its own only beside a role.
            Some(Format::Chat) => value.get("role").is_none(),
            Some(_) => true,
            None => assay_transcript::messages(&serde_json::json!([value])).first().is_none_or(|message| {
                value.get("role").is_none()
                    && value.get("from").is_none()
                    && value.get("type").is_none()
                    && message.tool_calls.is_empty()
            }),
        },
    }
}

/// Finds where a bracketed value ends, over any number of pieces of text.
#[derive(Default)]
struct Brackets {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Brackets {
    /// The position after the bracket that closes the value; `None` if it is not here.
    fn end(&mut self, text: &[u8]) -> Option<usize> {
        for (index, &byte) in text.iter().enumerate() {
            if self.is_escaped {
                self.is_escaped = false;
            } else if self.in_string {
                match byte {
                    b'"' => self.in_string = false,
                    b'\\' => self.is_escaped = true,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 0 {
                            return Some(index + 1);
                        }
                    }
                    _ => {}
                }
            }
        }
        None
    }
}
