//! Trace text made fit to be shown.
//!
//! What people and agents wrote may hold terminal escapes, controls that turn
//! the direction of writing, and invisible characters. [`visible`] is applied
//! to every such text before it reaches a page, a Markdown file or a terminal:
//! afterwards nothing in it acts, and what was hidden can be seen. Escaping for
//! a format (HTML, Markdown) comes after and is the format's own business.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// The text with every character that acts instead of showing made visible:
/// colour escapes are dropped, other controls become `⟦U+202E⟧`. Newlines and
/// tabs stay; `\r\n`, lone `\r` and the Unicode separators become newlines.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c == '\r' || is_active(c) || is_separator(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(length) = color_escape(rest) {
            rest = &rest[length..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\r' if rest.starts_with('\n') => {}
            '\r' => out.push('\n'),
            _ if is_separator(c) => out.push('\n'),
            _ if is_active(c) => out.push_str(&format!("⟦U+{:04X}⟧", u32::from(c))),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// [`visible`], on one line: runs of white space become one space.
#[must_use]
pub fn line(text: &str) -> String {
    let text = visible(text);
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// [`line`], and never empty: something has to be there to click on.
#[must_use]
pub fn name(text: &str) -> String {
    let name = line(text);
    if name.is_empty() { "(no name)".into() } else { name }
}

/// At most `limit` characters; a cut is shown by `…`, which counts.
#[must_use]
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let end = text.char_indices().nth(limit.saturating_sub(1)).map_or(0, |(index, _)| index);
            Cow::Owned(format!("{}…", text[..end].trim_end()))
        }
    }
}

/// At most `columns` terminal columns, padded to exactly that many where `pad`.
#[must_use]
pub fn fit(text: &str, columns: usize, pad: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut used = 0;
    let mut whole = true;
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used + width > columns {
            whole = false;
            break;
        }
        used += width;
        out.push(c);
    }
    if !whole && columns > 0 {
        while used > columns - 1 {
            used -= out.pop().and_then(UnicodeWidthChar::width).unwrap_or(0);
        }
        out.push('…');
        used += 1;
    }
    if pad {
        out.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
    }
    out
}

/// Breaks text into lines of at most `columns` terminal columns, at spaces where there are any.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let width = unicode_width::UnicodeWidthStr::width(word);
            let gap = usize::from(!current.is_empty());
            if used + gap + width <= columns {
                if gap == 1 {
                    current.push(' ');
                }
                current.push_str(word);
                used += gap + width;
                break;
            }
            if !current.is_empty() {
                lines.push(std::mem::take(&mut current));
                used = 0;
                continue;
            }
            let head = prefix(word, columns);
            lines.push(head.to_owned());
            word = &word[head.len()..];
        }
    }
    if !current.is_empty() {
        lines.push(current);
    }
    lines
}

/// The longest start of the text that fits; at least one character, so that callers get on.
fn prefix(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns && index > 0 {
            return &text[..index];
        }
    }
    text
}

/// The length of the terminal colour or cursor sequence (CSI) that the text starts with.
fn color_escape(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[").or_else(|| text.strip_prefix('\u{9b}'))?;
    let start = text.len() - parameters.len();
    // Real sequences are short; anything longer is shown, not swallowed.
    for (index, byte) in parameters.bytes().enumerate().take(32) {
        match byte {
            0x20..=0x3f => {}
            0x40..=0x7e => return Some(start + index + 1),
            _ => return None,
        }
    }
    None
}

/// Characters that do something instead of showing something.
fn is_active(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Direction marks, embeddings, overrides and isolates.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        // Invisible: can hide text or split words. Joiners stay, scripts and emoji need them.
        | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        // Tags and supplementary selectors can smuggle whole sentences past a reader.
        | '\u{e0000}'..='\u{e0fff}')
}

fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_of_any_script_is_untouched() {
        for text in ["", "a\tb\nc", "naïve – “quotes”", "日本語", "سلام", "می\u{200c}خواهم", "👩\u{200d}💻 ok"]
        {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_acts_becomes_visible_and_colors_are_dropped() {
        assert_eq!(visible("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(visible("\u{9b}31mred"), "red");
        assert_eq!(visible("\u{1b}]0;title\u{7}"), "⟦U+001B⟧]0;title⟦U+0007⟧");
        assert_eq!(visible("a\u{202e}b"), "a⟦U+202E⟧b");
        assert_eq!(visible("a\u{e0041}"), "a⟦U+E0041⟧");
        assert_eq!(visible("a\r\nb\rc\u{2028}d"), "a\nb\nc\nd");
        assert_eq!(visible("\u{1b}["), "⟦U+001B⟧[");
    }

    #[test]
    fn lines_are_cut_padded_and_wrapped_by_terminal_width() {
        assert_eq!(line(" a \n\t b "), "a b");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(fit("日本語", 5, true), "日本…");
        assert_eq!(fit("日本語", 4, true), "日… ");
        assert_eq!(fit("ab", 4, true), "ab  ");
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("abcdefghijklmnop", 8), ["abcdefgh", "ijklmnop"]);
        assert_eq!(wrap("", 10), Vec::<String>::new());
    }
}
