//! Error texts as templates: what is left when everything that differs from
//! case to case is taken out.
//!
//! In the manner of log templating, but by fixed rules instead of a learned
//! tree, so one text always has the same template whatever else is in the
//! data. Start with [`signature`]; [`crate::failures::core`] finds the words to feed it.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Longest signature, in characters.
const LONGEST: usize = 160;
/// Characters of a text that are looked at. Templates are cut long before.
const READ: usize = 600;

/// The template of an error text: ids, numbers, quoted values, paths, addresses and dates
/// become `<id>`, `<num>`, `<value>`, `<path>`, `<url>`, `<email>`, `<address>`, `<date>`, `<time>`.
///
/// HTTP status codes and exit codes stay: they name the cause. One line, at most 160 characters.
#[must_use]
pub fn signature(text: &str) -> String {
    let text: String = without_ansi(text).chars().take(READ).collect();
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text = text.replace(['’', '‘'], "'").replace(['“', '”'], "\"");
    for (pattern, with) in WHOLE.iter() {
        if let Cow::Owned(new) = pattern.replace_all(&text, *with) {
            text = new;
        }
    }
    text = without_quotes(&text);
    text = PROTECTED.replace_all(&text, |found: &Captures| protect(&found[0])).into_owned();
    text = WORD_WITH_DIGIT.replace_all(&text, |found: &Captures| word(&found[0])).into_owned();
    text = NUMBER.replace_all(&text, "<num>").into_owned();
    text = text.chars().map(|c| shifted(c, PRIVATE, u32::from('0'))).collect();
    for (pattern, with) in REPEATED.iter() {
        if let Cow::Owned(new) = pattern.replace_all(&text, *with) {
            text = new;
        }
    }
    shortened(text.trim_matches(|c: char| c.is_whitespace() || ".,:;!-|…".contains(c)))
}

/// A signature as people read it in a heading: placeholders become an ellipsis.
#[must_use]
pub fn readable(signature: &str) -> String {
    let text = PLACEHOLDER.replace_all(signature, "…");
    let text = ELLIPSES.replace_all(&text, "…");
    text.trim_matches(|c: char| c.is_whitespace() || ".,:;(".contains(c)).to_owned()
}

/// The words that stay the same from case to case, lowercase, without placeholders; each once, sorted.
#[must_use]
pub fn stable_words(signature: &str) -> Vec<String> {
    let text = PLACEHOLDER.replace_all(signature, " ").to_lowercase();
    let mut words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Terminal colors and control characters taken out; line breaks and tabs stay.
pub(crate) fn without_ansi(text: &str) -> Cow<'_, str> {
    if !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Cow::Borrowed(text);
    }
    let plain = ANSI.replace_all(text, "");
    Cow::Owned(plain.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').collect())
}

macro_rules! pattern {
    ($pattern:expr) => {
        LazyLock::new(|| Regex::new($pattern).expect("a literal pattern compiles"))
    };
}

static ANSI: LazyLock<Regex> =
    pattern!(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])");
static PLACEHOLDER: LazyLock<Regex> = pattern!(r"<(?:id|num|value|path|url|email|address|date|time)>");
static ELLIPSES: LazyLock<Regex> = pattern!(r#"["'(\[{]?…["')\]}]?(?:[\s,;:/|x-]*["'(\[{]?…["')\]}]?)*"#);
static NUMBER: LazyLock<Regex> = pattern!(r"(?:[-+]\s?)?[$€£]?\d+(?:[.,:]\d+)*(?:e[-+]?\d+)?%?");
static WORD_WITH_DIGIT: LazyLock<Regex> = pattern!(
    r"(?:\d+[.,])*(?:[A-Za-z]+-)*[A-Za-z0-9]*(?:[A-Za-z_][-.]?\d|\d[-.]?[A-Za-z_])[A-Za-z0-9_]*(?:[-.][A-Za-z0-9_]+)*|[A-Za-z]+_[A-Za-z0-9_]*\d[A-Za-z0-9_]*"
);

/// Numbers that name a cause.
static PROTECTED: LazyLock<Regex> = pattern!(
    r"(?ix)
    \b(?:http(?:\s+(?:status|error|response))?(?:\s+code)?|status(?:[\s_]?code)?|exit\s?(?:code|status)|(?:error|return)\s?code|returned|errno)
        [\s:=\[]+-?\d{1,3}\b
    | \b[45]\d\d\s+(?:client|server)\s+error\b
    | \b[45]\d\d\s+(?:bad|unauthorized|payment|forbidden|not|method|request|conflict|gone|too|unprocessable|internal|service|gateway)\b"
);

/// Things found by their shape alone, in this order: a URL holds a path, a path may hold an id.
static WHOLE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"(?i)\b[a-z][a-z0-9+.-]{1,20}://[^\s'\x22<>)\]}|]+", "<url>"),
        (r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", "<email>"),
        (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<id>"),
        (r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?", "<date>"),
        (r"\b\d{1,2}[/.]\d{1,2}[/.]\d{2,4}\b", "<date>"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<address>"),
        (r"\b(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?:com|net|org|io|dev|internal|local|cloud))(?::\d+)\b", "<address>"),
        (r"\b\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\b", "<time>"),
        (r"\b0x[0-9a-fA-F]+\b", "<id>"),
        (r"\b[A-Za-z]:\\[^\s'\x22|<>]+", "<path>"),
        (r"(^|[\s'\x22`(\[{=:,])~?/[\w.@%+~-]+(?:/[\w.@%+~-]+)*/?", "${1}<path>"),
        (r"\b[\w.-]+(?:/[\w.-]+)+\.[A-Za-z]{1,5}\b", "<path>"),
        // "request id 8f3…", "order id: 12", "id=ab-12": a word after "id" that holds a digit.
        (r"(?i)\b((?:[a-z]+[_-])?id)(s?[\s:=#]+)[\x22']?(?:[A-Za-z0-9_-]*\d[A-Za-z0-9_-]*)[\x22']?…?", "${1}${2}<id>"),
        (r"#\d+\b", "<id>"),
    ]
    .map(|(pattern, with)| (Regex::new(pattern).expect("a literal pattern compiles"), with))
    .into()
});

/// A list of the same kind of thing counts once, however long it is.
static REPEATED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    ["<id>", "<num>", "<value>", "<path>", "<url>", "<email>", "<address>", "<date>", "<time>"]
        .map(|kind| {
            let list = format!(r"{kind}(?:(?:\s*[,;|/:x-]\s*|\s+and\s+|\s+or\s+|\s+){kind})+");
            (Regex::new(&list).expect("a built pattern compiles"), kind)
        })
        .into()
});

/// Digits that must survive are moved to private characters and back.
const PRIVATE: u32 = 0xE000;

fn protect(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { shifted(c, u32::from('0'), PRIVATE) } else { c }).collect()
}

/// The `n`-th digit counted `from` one start becomes the `n`-th counted from another.
fn shifted(c: char, from: u32, to: u32) -> char {
    let code = u32::from(c);
    if (from..from + 10).contains(&code) { char::from_u32(code - from + to).unwrap_or(c) } else { c }
}

/// What becomes of a word with letters and digits.
fn word(text: &str) -> String {
    const TECHNICAL: [&str; 26] = [
        "utf-8", "utf-16", "utf-32", "utf8", "utf16", "int8", "int16", "int32", "int64", "uint8", "uint32",
        "uint64", "float16", "float32", "float64", "base64", "sha256", "sha1", "md5", "http2", "ipv4",
        "ipv6", "python3", "latin-1", "oauth2", "s3",
    ];
    if TECHNICAL.contains(&text.to_lowercase().as_str()) {
        return protect(text);
    }
    let end_of_number = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = &text[end_of_number..];
    if end_of_number > 0 && is_unit(unit) {
        return format!("<num> {unit}");
    }
    let digits = text.chars().filter(char::is_ascii_digit).count();
    // One digit at the end of a plain word is part of its name: "attempt2", "Step3".
    if digits == 1
        && text.ends_with(|c: char| c.is_ascii_digit())
        && !text.starts_with(|c: char| c.is_ascii_digit())
    {
        return protect(text);
    }
    "<id>".to_owned()
}

fn is_unit(text: &str) -> bool {
    const UNITS: [&str; 22] = [
        "ms", "s", "sec", "secs", "m", "min", "h", "d", "k", "M", "b", "B", "kb", "KB", "mb", "MB", "gb",
        "GB", "KiB", "MiB", "GiB", "x",
    ];
    UNITS.contains(&text)
}

/// Replaces what stands in quotes by `<value>`, or by what it is where its shape was known.
///
/// An apostrophe inside a word opens and closes nothing.
fn without_quotes(text: &str) -> String {
    const FARTHEST: usize = 300;
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let opens = matches!(c, '\'' | '"' | '`') && !before.is_alphanumeric();
        match opens.then(|| closing(after, c, FARTHEST)).flatten() {
            Some(end) => {
                let inside = &after[..end];
                let known = PLACEHOLDER.find(inside).is_some_and(|found| found.as_str() == inside);
                out.push_str(if known { inside } else { "<value>" });
                rest = &after[end + c.len_utf8()..];
                before = c;
            }
            None => {
                out.push(c);
                rest = after;
                before = c;
            }
        }
    }
    out
}

/// Where the quote that opened just before `text` is closed.
fn closing(text: &str, quote: char, farthest: usize) -> Option<usize> {
    text.char_indices().take(farthest).find_map(|(at, c)| {
        let next = text[at + c.len_utf8()..].chars().next();
        (c == quote && !next.is_some_and(char::is_alphanumeric)).then_some(at)
    })
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let cut: String = text.chars().take(LONGEST).collect();
    let end = cut.rfind(' ').filter(|&end| end > LONGEST / 2).unwrap_or(cut.len());
    cut[..end].trim_end_matches(|c: char| c.is_whitespace() || ".,:;".contains(c)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Error texts and their templates.
    const TABLE: &[(&str, &str)] = &[
        (
            "carrier API timed out after 30 s, request id 8f3…",
            "carrier API timed out after <num> s, request id <id>",
        ),
        ("carrier API timed out after 2.5s", "carrier API timed out after <num> s"),
        (
            "payment amount does not add up, total price is 305, but paid 255",
            "payment amount does not add up, total price is <num>, but paid <num>",
        ),
        ("flight HAT030 not available on date 2024-05-13", "flight <id> not available on date <date>"),
        ("not enough seats on flight HAT229", "not enough seats on flight <id>"),
        ("payment method certificate_7504069 not found", "payment method <id> not found"),
        ("gift card balance is not enough", "gift card balance is not enough"),
        ("TypeError: 'NoneType' object is not iterable", "TypeError: <value> object is not iterable"),
        ("ModuleNotFoundError: No module named 'numpy'", "ModuleNotFoundError: No module named <value>"),
        ("KeyError: \"user_id\"", "KeyError: <value>"),
        ("can't open the user's file", "can't open the user's file"),
        ("I can’t parse ‘x’", "I can't parse <value>"),
        (
            "[Errno 2] No such file or directory: '/tmp/a b/c.txt'",
            "[Errno 2] No such file or directory: <value>",
        ),
        ("No such file or directory: '/tmp/run-17/c.txt'", "No such file or directory: <path>"),
        ("cannot read /var/lib/app/data.db", "cannot read <path>"),
        ("cannot read src/app/main.rs and docs/a/b.md", "cannot read <path>"),
        (r"cannot read C:\Users\me\x.txt", "cannot read <path>"),
        ("input/output error", "input/output error"),
        ("GET https://api.example.com/v1/x?id=3 failed", "GET <url> failed"),
        ("user jane.doe+1@example.co.uk is unknown", "user <email> is unknown"),
        ("run 4f0bc408-318a-503f-ad94-0c185dbfc15e is gone", "run <id> is gone"),
        ("segfault at 0x7ffde0a1", "segfault at <id>"),
        ("started 2026-01-31T14:05:09.123Z and stopped", "started <date> and stopped"),
        ("due on 31/01/2026", "due on <date>"),
        ("connect ECONNREFUSED 127.0.0.1:5432", "connect ECONNREFUSED <address>"),
        ("cannot reach redis.internal:6379", "cannot reach <address>"),
        ("HTTP 503 from upstream 12", "HTTP 503 from upstream <num>"),
        ("404 Client Error: Not Found for url: http://x.y/z", "404 Client Error: Not Found for url: <url>"),
        ("Request failed with status code 429", "Request failed with status code 429"),
        ("exit code 127", "exit code 127"),
        ("exit code -1", "exit code -1"),
        ("\u{1b}[31mboom\u{1b}[0m at line 12, column 7", "boom at line <num>, column <num>"),
        ("order 12, 13, 14 and 15 are missing", "order <num> are missing"),
        ("expected one of 'a', 'b', 'c'", "expected one of <value>"),
        ("'utf-8' codec can't decode byte 0xff", "<value> codec can't decode byte <id>"),
        ("UTF-16 stream does not start with BOM", "UTF-16 stream does not start with BOM"),
        ("wrong digest deadbeef01 for part2", "wrong digest <id> for part2"),
        ("used 1,234,567 of 200,000 tokens (98.5%)", "used <num> of <num> tokens (<num>)"),
        ("customer 4OG6T3 and order #991", "customer <id> and order <id>"),
        ("  many   spaces\n and lines.  ", "many spaces and lines"),
        ("", ""),
    ];

    #[test]
    fn what_differs_from_case_to_case_is_taken_out() {
        for (text, expected) in TABLE {
            assert_eq!(signature(text), *expected, "of {text:?}");
        }
    }

    #[test]
    fn the_template_of_a_template_is_itself() {
        for (_, template) in TABLE {
            assert_eq!(signature(template), *template);
        }
    }

    #[test]
    fn any_length_and_any_character_is_fine() {
        let long = "word ".repeat(10_000);
        assert!(signature(&long).chars().count() <= LONGEST);
        for text in ["'", "\"\"", "`\u{0}`", "é'ß'", "0", "\u{e005}", "…", "''''''", "<num>", "\u{1b}["] {
            let _ = signature(text);
        }
    }

    #[test]
    fn headings_have_ellipses_for_placeholders() {
        assert_eq!(readable("flight <id> not available on date <date>"), "flight … not available on date …");
        assert_eq!(readable("KeyError: <value>"), "KeyError: …");
    }

    #[test]
    fn stable_words_leave_placeholders_out() {
        assert_eq!(stable_words("Flight <id> is not <value>"), ["flight", "is", "not"]);
    }
}
