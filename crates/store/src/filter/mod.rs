//! The language in which runs are selected, such as
//! `and(eq(status, "error"), gt(latency, "5s"))`.
//!
//! Text becomes tokens (`lexer`), calls (`parser`), and then conditions with
//! types (`meaning`), which `sql` turns into SQL with bound parameters: no
//! part of the text ever becomes part of a statement. What columns cannot
//! answer is tested in Rust (`test`), called from SQL. Every condition is
//! either true or false of a run: what is not known satisfies only `neq`,
//! `not` and comparisons with null.
//!
//! Start with [`Filter::parse`], then `meaning`.

mod conditions;
pub(crate) mod hints;
mod holds;
mod lexer;
mod meaning;
mod pairing;
mod parser;
pub(crate) mod sql;
pub(crate) mod test;
#[cfg(test)]
mod tests;

use std::fmt;

pub use conditions::{Condition, Plain};
pub(crate) use holds::{Held, passes};
pub(crate) use meaning::{Column, Entries, Expression, FeedbackColumn, SearchColumn};
pub(crate) use test::{Scalar, Test};

/// A condition on runs, parsed and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    pub(crate) expression: Expression,
    source: String,
}

impl Filter {
    /// Parses an expression of the filter language.
    ///
    /// Fields, operators and the types of values are checked here, so a
    /// filter that parses can be evaluated. Nesting is limited to 50 levels,
    /// length to 256 KiB, conditions to 2,000 and listed values to 10,000.
    pub fn parse(source: &str) -> Result<Self, FilterError> {
        let call = parser::parse(source)?;
        let expression = meaning::of(source, &call)?;
        Ok(Self { expression, source: source.to_owned() })
    }

    /// Whether it holds of a run at hand, as far as the run itself tells:
    /// conditions on feedback do not.
    #[must_use]
    pub fn holds_of(&self, run: &assay_domain::Run) -> bool {
        holds::holds(&self.expression, run)
    }

    /// Whether it asks for feedback, which a run at hand does not have.
    #[must_use]
    pub fn asks_feedback(&self) -> bool {
        holds::asks_feedback(&self.expression)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl std::str::FromStr for Filter {
    type Err = FilterError;
    fn from_str(source: &str) -> Result<Self, FilterError> {
        Self::parse(source)
    }
}

/// Where and why a filter cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// What is wrong and what was expected.
    pub message: String,
    /// From 1, in characters.
    pub column: usize,
    /// The text around the place, on one line.
    pub snippet: String,
    /// Where in the snippet the place is: from 0, in characters.
    pub caret: usize,
}

impl FilterError {
    /// `at` is a byte position in `source`.
    pub(crate) fn new(source: &str, at: usize, message: impl Into<String>) -> Self {
        const AROUND: usize = 36;
        let before: Vec<char> =
            source.char_indices().take_while(|(position, _)| *position < at).map(|(_, c)| c).collect();
        let start = before.len().saturating_sub(AROUND);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let snippet = source.chars().skip(start).take(2 * AROUND).map(plain).collect();
        Self { message: message.into(), column: before.len() + 1, snippet, caret: before.len() - start }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, column, snippet, caret } = self;
        write!(f, "column {column}: {message}\n  {snippet}\n  {:caret$}^", "")
    }
}

impl std::error::Error for FilterError {}
