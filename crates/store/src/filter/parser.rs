//! From tokens to calls: the grammar, without knowing any operator or field.

use super::FilterError;
use super::lexer::{Token, tokens};

const MAX_DEPTH: usize = 50;
const MAX_LENGTH: usize = 256 << 10;
const MAX_CALLS: usize = 2_000;
const MAX_LISTED: usize = 10_000;

/// `name(arguments)`. Positions are in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    /// In lower case.
    pub(super) name: String,
    pub(super) at: usize,
    pub(super) arguments: Vec<Argument>,
    /// Where its closing parenthesis is.
    pub(super) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Argument {
    Call(Call),
    Name(String, usize),
    Value(Literal, usize),
}

impl Argument {
    pub(super) fn at(&self) -> usize {
        match self {
            Self::Call(call) => call.at,
            Self::Name(_, at) | Self::Value(_, at) => *at,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    /// The number and how it was written.
    Number(f64, String),
    Bool(bool),
    Null,
    List(Vec<(Literal, usize)>),
}

/// Parses one expression that fills the whole source.
pub(super) fn parse(source: &str) -> Result<Call, FilterError> {
    if source.len() > MAX_LENGTH {
        let message = format!("the filter is longer than {} KiB", MAX_LENGTH >> 10);
        return Err(FilterError::new(source, 0, message));
    }
    let mut parser = Parser { source, tokens: tokens(source)?, position: 0, calls: 0, listed: 0 };
    let call = match parser.argument(0)? {
        Argument::Call(call) => call,
        other => {
            return Err(FilterError::new(
                source,
                other.at(),
                "expected a condition such as eq(status, \"error\")",
            ));
        }
    };
    match parser.next() {
        (Token::End, _) => Ok(call),
        (token, at) => {
            let message = format!(
                "expected the end, found {}; join conditions by and(..., ...) or or(..., ...)",
                token.shown()
            );
            Err(FilterError::new(source, at, message))
        }
    }
}

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<(Token, usize)>,
    position: usize,
    calls: usize,
    listed: usize,
}

impl Parser<'_> {
    /// The last token is `End`, and it stays.
    fn next(&mut self) -> (Token, usize) {
        let token = self.peek().clone();
        self.position = (self.position + 1).min(self.tokens.len() - 1);
        token
    }

    fn peek(&self) -> &(Token, usize) {
        &self.tokens[self.position]
    }

    fn error<T>(&self, at: usize, message: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError::new(self.source, at, message))
    }

    fn argument(&mut self, depth: usize) -> Result<Argument, FilterError> {
        match self.next() {
            (Token::Name(name), at) if self.peek().0 == Token::Mark('(') => {
                self.call(name, at, depth).map(Argument::Call)
            }
            (Token::Name(name), at) => Ok(match word(&name) {
                Some(literal) => Argument::Value(literal, at),
                None => Argument::Name(name, at),
            }),
            (Token::Text(text), at) => Ok(Argument::Value(Literal::Text(text), at)),
            (Token::Number(number, text), at) => Ok(Argument::Value(Literal::Number(number, text), at)),
            (Token::Mark('['), at) => Ok(Argument::Value(self.list(']')?, at)),
            (Token::Mark('('), at) => Ok(Argument::Value(self.list(')')?, at)),
            (token, at) => {
                self.error(at, format!("expected a condition, field or value, found {}", token.shown()))
            }
        }
    }

    fn call(&mut self, name: String, at: usize, depth: usize) -> Result<Call, FilterError> {
        self.calls += 1;
        if depth >= MAX_DEPTH {
            return self.error(at, format!("conditions nest deeper than {MAX_DEPTH} levels"));
        }
        if self.calls > MAX_CALLS {
            return self.error(at, format!("more than {MAX_CALLS} conditions"));
        }
        self.next();
        let mut arguments = Vec::new();
        if let &(Token::Mark(')'), end) = self.peek() {
            self.next();
            return Ok(Call { name: name.to_lowercase(), at, arguments, end });
        }
        loop {
            arguments.push(self.argument(depth + 1)?);
            match self.next() {
                (Token::Mark(','), _) => {}
                (Token::Mark(')'), end) => {
                    return Ok(Call { name: name.to_lowercase(), at, arguments, end });
                }
                (token, at) => {
                    return self.error(at, format!("expected `,` or `)`, found {}", token.shown()));
                }
            }
        }
    }

    fn list(&mut self, close: char) -> Result<Literal, FilterError> {
        let mut items = Vec::new();
        if self.peek().0 == Token::Mark(close) {
            self.next();
            return Ok(Literal::List(items));
        }
        loop {
            let (token, at) = self.next();
            let literal = match token {
                Token::Text(text) => Literal::Text(text),
                Token::Number(number, text) => Literal::Number(number, text),
                Token::Name(ref name) if word(name).is_some() => word(name).unwrap_or(Literal::Null),
                token => return self.error(at, format!("expected a value, found {}", token.shown())),
            };
            items.push((literal, at));
            self.listed += 1;
            if self.listed > MAX_LISTED {
                return self.error(at, format!("more than {MAX_LISTED} listed values"));
            }
            match self.next() {
                (Token::Mark(','), _) => {}
                (Token::Mark(mark), _) if mark == close => return Ok(Literal::List(items)),
                (token, at) => {
                    return self.error(at, format!("expected `,` or `{close}`, found {}", token.shown()));
                }
            }
        }
    }
}

fn word(name: &str) -> Option<Literal> {
    match name.to_ascii_lowercase().as_str() {
        "true" => Some(Literal::Bool(true)),
        "false" => Some(Literal::Bool(false)),
        "null" => Some(Literal::Null),
        _ => None,
    }
}
