//! JSON that is harmless wherever it lands: in a page or on a terminal.
//!
//! The same values as ordinary JSON, but characters that mean something to an
//! HTML parser or a terminal are written as `\uXXXX`.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// For `<script type="application/json">`: no `<`, `>` or `&` occurs, nor any invisible character.
pub(crate) fn write_embedded<T: Serialize>(value: &T, out: &mut dyn io::Write) -> io::Result<()> {
    let formatter = Inert { inner: CompactFormatter, html: true };
    value.serialize(&mut Serializer::with_formatter(out, formatter)).map_err(io::Error::from)
}

/// One line, safe to print.
pub(crate) fn write_line<T: Serialize>(value: &T, out: &mut dyn io::Write) -> io::Result<()> {
    let formatter = Inert { inner: CompactFormatter, html: false };
    value.serialize(&mut Serializer::with_formatter(out, formatter)).map_err(io::Error::from)
}

/// Indented, safe to print.
pub(crate) fn pretty<T: Serialize>(value: &T) -> String {
    let mut out = Vec::new();
    let formatter = Inert { inner: PrettyFormatter::new(), html: false };
    value
        .serialize(&mut Serializer::with_formatter(&mut out, formatter))
        .expect("our types serialize, and memory does not fail to be written");
    String::from_utf8(out).expect("JSON is UTF-8")
}

struct Inert<F> {
    inner: F,
    html: bool,
}

impl<F> Inert<F> {
    fn must_be_escaped(&self, c: char) -> bool {
        match c {
            '<' | '>' | '&' => self.html,
            '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}' => true,
            _ => false,
        }
    }
}

impl<F: Formatter> Formatter for Inert<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut written = 0;
        for (index, c) in fragment.char_indices().filter(|&(_, c)| self.must_be_escaped(c)) {
            out.write_all(&fragment.as_bytes()[written..index])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            written = index + c.len_utf8();
        }
        out.write_all(&fragment.as_bytes()[written..])
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_array(out)
    }
    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_array(out)
    }
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.inner.begin_array_value(out, first)
    }
    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_array_value(out)
    }
    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_object(out)
    }
    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_object(out)
    }
    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.inner.begin_object_key(out, first)
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.begin_object_value(out)
    }
    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.inner.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_json_holds_nothing_that_html_reads_and_the_same_value() {
        let value =
            serde_json::json!({ "</script>&": ["<!--", "\u{2028}\u{1b}\u{9b}\u{202e}\u{e0041}é\"\\"] });
        let mut out = Vec::new();
        write_embedded(&value, &mut out).expect("written");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(
            text,
            r#"{"\u003c/script\u003e\u0026":["\u003c!--","\u2028\u001b\u009b\u202e\udb40\udc41é\"\\"]}"#
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }

    #[test]
    fn pretty_json_is_indented_and_safe_to_print() {
        assert_eq!(
            pretty(&serde_json::json!({ "a": ["<\u{9b}"] })),
            "{\n  \"a\": [\n    \"<\\u009b\"\n  ]\n}"
        );
    }
}
