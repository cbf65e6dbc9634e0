//! From text to tokens.

use super::FilterError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Text(String),
    /// The number and how it was written.
    Number(f64, String),
    /// One of `( ) [ ] ,`
    Mark(char),
    End,
}

impl Token {
    /// As error messages quote it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Text(text) => format!("{:?}", text.chars().take(20).collect::<String>()),
            Self::Number(_, text) => format!("`{text}`"),
            Self::Mark(mark) => format!("`{mark}`"),
            Self::End => "the end".into(),
        }
    }
}

/// The tokens with their byte positions; the last one is `End`.
pub(super) fn tokens(source: &str) -> Result<Vec<(Token, usize)>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(next) = source[at..].chars().next() {
        let (token, length) = match next {
            _ if next.is_whitespace() => {
                at += next.len_utf8();
                continue;
            }
            '(' | ')' | '[' | ']' | ',' => (Token::Mark(next), 1),
            '"' | '\'' => text(source, at, next)?,
            '0'..='9' | '-' | '+' | '.' => number(source, at)?,
            '_' | 'a'..='z' | 'A'..='Z' => name(source, at),
            _ => return Err(FilterError::new(source, at, format!("{next:?} has no meaning here"))),
        };
        tokens.push((token, at));
        at += length;
    }
    tokens.push((Token::End, source.len()));
    Ok(tokens)
}

fn name(source: &str, at: usize) -> (Token, usize) {
    let length =
        source[at..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    (Token::Name(source[at..at + length].to_owned()), length)
}

fn number(source: &str, at: usize) -> Result<(Token, usize), FilterError> {
    let belongs = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    let length = source[at..].bytes().take_while(belongs).count();
    let text = &source[at..at + length];
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && !text.contains(['n', 'N', 'i', 'I']) => {
            Ok((Token::Number(number, text.to_owned()), length))
        }
        _ => Err(FilterError::new(source, at, format!("`{text}` is not a number"))),
    }
}

fn text(source: &str, at: usize, quote: char) -> Result<(Token, usize), FilterError> {
    let mut out = String::new();
    let mut characters = source[at..].char_indices().skip(1);
    while let Some((offset, next)) = characters.next() {
        match next {
            _ if next == quote => return Ok((Token::Text(out), offset + 1)),
            '\\' => match characters.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, 'r')) => out.push('\r'),
                Some((offset, 'u')) => {
                    let digits = source.get(at + offset + 1..at + offset + 5);
                    let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                    let Some(code) = code else {
                        return Err(FilterError::new(
                            source,
                            at + offset,
                            "expected four hex digits after `\\u`",
                        ));
                    };
                    // Half of a surrogate pair is no character.
                    out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                    characters.by_ref().take(4).for_each(drop);
                }
                Some((_, other)) => out.push(other),
                None => break,
            },
            other => out.push(other),
        }
    }
    Err(FilterError::new(source, at, format!("this text has no closing {quote}")))
}
