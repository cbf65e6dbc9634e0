//! Cuts a `multipart/form-data` body (RFC 7578) into its parts, without copying.
//!
//! The body is whole and in memory: requests are bounded before they come here.
//! Lengths that clients state beside a part are hints and not looked at; a part
//! ends where the boundary is. What the names of parts mean is for callers.

use memchr::memmem;

/// More parts than any client sends in one request.
const MAX_PARTS: usize = 100_000;
/// The headers of one part.
const MAX_HEAD: usize = 16 << 10;

/// One part of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    pub name: String,
    /// As the client wrote it, such as `application/json; length=327`.
    pub content_type: Option<String>,
    pub filename: Option<String>,
    pub content: &'a [u8],
}

impl Part<'_> {
    /// The content type without the `length` that some clients put there.
    #[must_use]
    pub fn mime_type(&self) -> Option<String> {
        let given = self.content_type.as_deref()?.split(';').map(str::trim);
        let is_length = |word: &&str| word.get(..7).is_some_and(|key| key.eq_ignore_ascii_case("length="));
        let kept: Vec<&str> = given.filter(|word| !is_length(word) && !word.is_empty()).collect();
        (!kept.is_empty()).then(|| kept.join("; "))
    }
}

/// The boundary that the content type of a request names.
///
/// # Errors
/// If it is not `multipart/form-data` or names no boundary.
pub fn boundary(content_type: &str) -> Result<String, String> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        let shown: String = kind.chars().take(80).collect();
        return Err(format!("content type {shown:?} is not multipart/form-data"));
    }
    let boundary = parameter(parameters, "boundary").filter(|boundary| !boundary.is_empty());
    let boundary = boundary.ok_or("the content type names no boundary")?;
    // The standard allows 70; a longer one is only slower.
    if boundary.len() > 256 {
        return Err("the boundary is longer than 256 characters".to_owned());
    }
    Ok(boundary)
}

/// The parts of a body, in order.
///
/// # Errors
/// The reason why the body as a whole cannot be read: no boundary, a part
/// without a name, an end that is missing.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, String> {
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut parts = Vec::new();
    let mut rest = opening(body, &delimiter, &finder)?;
    loop {
        // Here `rest` begins right behind a delimiter.
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        rest = line_end(rest).ok_or("a boundary is followed by neither a line end nor --")?;
        if parts.len() >= MAX_PARTS {
            return Err(format!("more than {MAX_PARTS} parts; send them in several requests"));
        }
        let number = parts.len() + 1;
        let (part, behind) = part(rest, &finder).map_err(|reason| format!("part {number}: {reason}"))?;
        parts.push(part);
        rest = behind;
    }
}

/// What follows the first delimiter. Text before it is allowed and ignored.
fn opening<'a>(body: &'a [u8], delimiter: &str, finder: &memmem::Finder) -> Result<&'a [u8], String> {
    let first = &delimiter.as_bytes()[2..];
    if let Some(rest) = body.strip_prefix(first).filter(|rest| is_delimited(rest)) {
        return Ok(rest);
    }
    next(body, finder).map(|(_, rest)| rest).ok_or_else(|| "the body does not hold its boundary".to_owned())
}

/// Everything up to the next delimiter, and what is behind that.
fn next<'a>(text: &'a [u8], finder: &memmem::Finder) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let start = from + finder.find(text.get(from..)?)?;
        let behind = &text[start + finder.needle().len()..];
        if is_delimited(behind) {
            return Some((&text[..start], behind));
        }
        // A longer word that begins like the boundary is content.
        from = start + 1;
    }
}

fn is_delimited(behind: &[u8]) -> bool {
    behind.starts_with(b"--") || line_end(behind).is_some()
}

/// What follows the line break; white space before it is padding.
fn line_end(text: &[u8]) -> Option<&[u8]> {
    let padding = text.iter().take(64).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text[padding..].strip_prefix(b"\r\n")
}

/// One part from its headers on, and what is behind its delimiter.
fn part<'a>(text: &'a [u8], finder: &memmem::Finder) -> Result<(Part<'a>, &'a [u8]), String> {
    let (head, content) = if let Some(content) = text.strip_prefix(b"\r\n") {
        (&text[..0], content)
    } else {
        let within = &text[..text.len().min(MAX_HEAD)];
        let end = memmem::find(within, b"\r\n\r\n").ok_or_else(|| match text.len() > MAX_HEAD {
            true => format!("headers longer than {MAX_HEAD} bytes"),
            false => "ends within its headers".to_owned(),
        })?;
        (&text[..end], &text[end + 4..])
    };
    let head = String::from_utf8_lossy(head);
    let mut part = Part { name: String::new(), content_type: None, filename: None, content: b"" };
    for line in head.split("\r\n") {
        let Some((key, value)) = line.split_once(':') else { continue };
        match key.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                let parameters = value.split_once(';').map_or("", |(_, parameters)| parameters);
                part.name = parameter(parameters, "name").ok_or("no name in its content disposition")?;
                part.filename = parameter(parameters, "filename");
            }
            "content-type" => part.content_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    if part.name.is_empty() {
        return Err("no name".to_owned());
    }
    let (content, behind) = next(content, finder)
        .ok_or_else(|| format!("{:?} is cut short: no boundary ends it", shown(&part.name)))?;
    part.content = content;
    Ok((part, behind))
}

/// The beginning of a name, for messages.
fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

/// The value of a parameter: `key=word`, `key="quoted"` or `key*=UTF-8''escaped`.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    let mut found = None;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let Some((key, behind)) = rest.split_once('=') else { return found };
        let (value, behind) = value(behind);
        rest = behind;
        let key = key.trim();
        if key.eq_ignore_ascii_case(wanted) {
            found = Some(unescaped(&value, &["%22", "%0D", "%0A"]));
        } else if key.strip_suffix('*').is_some_and(|key| key.eq_ignore_ascii_case(wanted)) {
            let (_, text) = value.rsplit_once('\'').unwrap_or(("", &value));
            return Some(percent_decoded(text));
        }
    }
}

/// A quoted or a bare value, and what follows it.
fn value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((index, char)) = chars.next() {
        match char {
            '"' => return (value, &quoted[index + 1..]),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    (value, "")
}

/// Browsers (and clients that imitate them) write these characters like so.
fn unescaped(text: &str, escapes: &[&str]) -> String {
    let mut text = text.to_owned();
    for escape in escapes {
        if text.contains(escape) {
            text = text.replace(escape, &percent_decoded(escape));
        }
    }
    text
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let code =
            behind.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code {
            Some(code) if byte == b'%' => {
                bytes.push(code);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str, boundary: &str) -> Result<Vec<(String, String)>, String> {
        let parts = parts(body.as_bytes(), boundary)?;
        Ok(parts
            .into_iter()
            .map(|part| (part.name, String::from_utf8_lossy(part.content).into_owned()))
            .collect())
    }

    #[test]
    fn parts_end_at_the_boundary_whatever_lengths_say() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"post.1\"\r\nContent-Length: 3\r\n\r\n{\"a\": 1}\r\n\
            --b\r\ncontent-type: application/json; length=2\r\ncontent-disposition: form-data; name=x.y; filename=\"blob\"\r\n\r\n\r\n--bc\r\n\r\n--b--\r\n";
        let found = names(body, "b").expect("parts");
        assert_eq!(found, [("post.1".into(), "{\"a\": 1}".into()), ("x.y".into(), "\r\n--bc\r\n".into())]);
        let parts = parts(body.as_bytes(), "b").expect("parts");
        assert_eq!(parts[1].mime_type().as_deref(), Some("application/json"));
        assert_eq!(parts[1].filename.as_deref(), Some("blob"));
    }

    #[test]
    fn empty_content_padding_and_text_around_are_allowed() {
        let body = "hello\r\n--b \t\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--b-- bye";
        assert_eq!(names(body, "b").expect("parts"), [("a".to_owned(), String::new())]);
        assert_eq!(names("--b--", "b").expect("parts"), []);
    }

    #[test]
    fn names_are_unquoted_and_unescaped() {
        for (given, expected) in [
            ("name=\"a \\\"b\\\" \\c\"", "a \"b\" \\c"),
            ("name=\"a%22b%20\"", "a\"b%20"),
            ("name=\"x\"; name*=UTF-8''%e2%82%ac%zz", "€%zz"),
            ("filename=\"name=no\"; name=\"yes\"; junk", "yes"),
            ("name=\"é;=ü\"", "é;=ü"),
        ] {
            let body = format!("--b\r\nContent-Disposition: form-data; {given}\r\n\r\nx\r\n--b--");
            assert_eq!(names(&body, "b").expect("parts"), [(expected.to_owned(), "x".to_owned())], "{given}");
        }
    }

    #[test]
    fn damage_is_refused_with_a_reason() {
        for (body, reason) in [
            ("", "does not hold its boundary"),
            ("--bx\r\n", "does not hold its boundary"),
            ("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx", "part 1: \"a\" is cut short"),
            ("--b\r\nContent-Disposition: form-data; name=\"a\"", "part 1: ends within its headers"),
            ("--b\r\n\r\nx\r\n--b--", "part 1: no name"),
            (
                "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
                "part 1: no name in its content disposition",
            ),
        ] {
            let error = names(body, "b").expect_err(body);
            assert!(error.contains(reason), "{body:?}: {error}");
        }
        let long = format!("--b\r\nX: {}", "x".repeat(MAX_HEAD));
        assert!(names(&long, "b").expect_err("long").contains("headers longer than"));
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Ok("abc".into()));
        assert_eq!(boundary("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\""), Ok("a b".into()));
        for wrong in [
            "",
            "application/json",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=x",
        ] {
            assert!(boundary(wrong).is_err(), "{wrong}");
        }
    }
}
