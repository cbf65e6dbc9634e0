//! What the calls of a filter mean: operators, fields, types of values, and
//! which conditions must hold of the same entry.

use assay_domain::RunKind;
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::Value;
use uuid::Uuid;

use super::FilterError;
use super::pairing::{Piece, all, join};
use super::parser::{Argument, Call, Literal};
use super::test::{EntryTests, Scalar, Test, words};

/// A condition on a run: either true or false of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    /// One value of the run passes.
    Column(Column, Test),
    /// Some tag passes; `Absent`: there are none.
    Tags(Test),
    /// Some entry passes.
    Entry(Entries, EntryTests),
    /// The JSON contains this.
    Contains(Entries, Value),
    /// Some feedback on the run passes all tests.
    Feedback(Vec<(FeedbackColumn, Test)>),
    /// All words occur.
    Search(Option<SearchColumn>, Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Id,
    Trace,
    Parent,
    Project,
    ReferenceExample,
    Name,
    Kind,
    Status,
    Error,
    Thread,
    Model,
    IsRoot,
    /// 1 for roots.
    ExecutionOrder,
    StartTime,
    EndTime,
    FirstTokenTime,
    Latency,
    FirstTokenLatency,
    TotalTokens,
    InputTokens,
    OutputTokens,
    TotalCost,
    InputCost,
    OutputCost,
}

/// Where entries (key and value) are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entries {
    Metadata,
    Inputs,
    Outputs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeedbackColumn {
    Key,
    Score,
    Value,
    Source,
    Comment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchColumn {
    Name,
    Error,
    Inputs,
    Outputs,
}

/// What a name in the place of a field stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Column(Column),
    Tags,
    Whole(Entries),
    Key(Entries),
    Value(Entries),
    Feedback(FeedbackColumn),
}

const FIELDS: &[(&str, Field)] = &[
    ("id", Field::Column(Column::Id)),
    ("name", Field::Column(Column::Name)),
    ("run_type", Field::Column(Column::Kind)),
    ("status", Field::Column(Column::Status)),
    ("error", Field::Column(Column::Error)),
    ("start_time", Field::Column(Column::StartTime)),
    ("end_time", Field::Column(Column::EndTime)),
    ("latency", Field::Column(Column::Latency)),
    ("first_token_time", Field::Column(Column::FirstTokenTime)),
    ("first_token_latency", Field::Column(Column::FirstTokenLatency)),
    ("total_tokens", Field::Column(Column::TotalTokens)),
    ("prompt_tokens", Field::Column(Column::InputTokens)),
    ("completion_tokens", Field::Column(Column::OutputTokens)),
    ("total_cost", Field::Column(Column::TotalCost)),
    ("prompt_cost", Field::Column(Column::InputCost)),
    ("completion_cost", Field::Column(Column::OutputCost)),
    ("is_root", Field::Column(Column::IsRoot)),
    ("trace_id", Field::Column(Column::Trace)),
    ("thread_id", Field::Column(Column::Thread)),
    ("parent_run_id", Field::Column(Column::Parent)),
    ("session_id", Field::Column(Column::Project)),
    ("reference_example_id", Field::Column(Column::ReferenceExample)),
    ("execution_order", Field::Column(Column::ExecutionOrder)),
    ("model", Field::Column(Column::Model)),
    ("tags", Field::Tags),
    ("metadata", Field::Whole(Entries::Metadata)),
    ("metadata_key", Field::Key(Entries::Metadata)),
    ("metadata_value", Field::Value(Entries::Metadata)),
    ("inputs", Field::Whole(Entries::Inputs)),
    ("input_key", Field::Key(Entries::Inputs)),
    ("input_value", Field::Value(Entries::Inputs)),
    ("outputs", Field::Whole(Entries::Outputs)),
    ("output_key", Field::Key(Entries::Outputs)),
    ("output_value", Field::Value(Entries::Outputs)),
    ("feedback_key", Field::Feedback(FeedbackColumn::Key)),
    ("feedback_score", Field::Feedback(FeedbackColumn::Score)),
    ("feedback_value", Field::Feedback(FeedbackColumn::Value)),
    ("feedback_source", Field::Feedback(FeedbackColumn::Source)),
    ("feedback_comment", Field::Feedback(FeedbackColumn::Comment)),
    // Our own words for the same things.
    ("kind", Field::Column(Column::Kind)),
    ("input_tokens", Field::Column(Column::InputTokens)),
    ("output_tokens", Field::Column(Column::OutputTokens)),
    ("input_cost", Field::Column(Column::InputCost)),
    ("output_cost", Field::Column(Column::OutputCost)),
    ("project_id", Field::Column(Column::Project)),
    ("tag", Field::Tags),
    ("inputs_key", Field::Key(Entries::Inputs)),
    ("inputs_value", Field::Value(Entries::Inputs)),
    ("outputs_key", Field::Key(Entries::Outputs)),
    ("outputs_value", Field::Value(Entries::Outputs)),
];

const OPERATORS: &str = "eq, neq, gt, gte, lt, lte, in, has, exists, like, search, and, or, not";

/// Finds the meaning of a call.
pub(super) fn of(source: &str, call: &Call) -> Result<Expression, FilterError> {
    let piece = Reader { source }.piece(call)?;
    Ok(all(join(vec![piece])))
}

struct Reader<'a> {
    source: &'a str,
}

impl Reader<'_> {
    fn error<T>(&self, at: usize, message: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError::new(self.source, at, message))
    }

    fn piece(&self, call: &Call) -> Result<Piece, FilterError> {
        match call.name.as_str() {
            "and" => Ok(Piece::Whole(all(join(self.pieces(call)?)))),
            "or" => {
                let alone = |piece| all(join(vec![piece]));
                Ok(Piece::Whole(Expression::Or(self.pieces(call)?.into_iter().map(alone).collect())))
            }
            "not" => {
                if call.arguments.len() > 1 {
                    return self.error(call.arguments[1].at(), "not takes one condition");
                }
                let inner = all(join(self.pieces(call)?));
                Ok(Piece::Whole(Expression::Not(Box::new(inner))))
            }
            "search" => self.search(call).map(Piece::Whole),
            "has" | "exists" => self.membership(call),
            "eq" | "neq" | "gt" | "gte" | "lt" | "lte" | "in" | "like" => self.comparison(call),
            other => self.error(call.at, format!("no operator `{other}`; there are {OPERATORS}")),
        }
    }

    fn pieces(&self, call: &Call) -> Result<Vec<Piece>, FilterError> {
        if call.arguments.is_empty() {
            return self.error(call.end, format!("{} needs a condition inside", call.name));
        }
        let piece = |argument: &Argument| match argument {
            Argument::Call(inner) => self.piece(inner),
            other => {
                self.error(other.at(), format!("{} takes conditions such as eq(name, \"agent\")", call.name))
            }
        };
        call.arguments.iter().map(piece).collect()
    }

    /// The field and the value of a call with two arguments.
    fn operands<'a>(&self, call: &'a Call) -> Result<(Field, &'a str, &'a Literal, usize), FilterError> {
        let name = &call.name;
        let (field_name, field_at) = match call.arguments.first() {
            Some(Argument::Name(field, at) | Argument::Value(Literal::Text(field), at)) => {
                (field.as_str(), *at)
            }
            Some(other) => {
                return self.error(other.at(), format!("expected a field as first argument of {name}"));
            }
            None => return self.error(call.end, format!("expected a field and a value in {name}")),
        };
        let field = self.field(field_name, field_at)?;
        match &call.arguments[1..] {
            [Argument::Value(literal, at)] => Ok((field, field_name, literal, *at)),
            [Argument::Name(word, at)] => {
                self.error(*at, format!("expected a value, found `{word}`; texts stand in quotes"))
            }
            [Argument::Call(inner)] => self.error(inner.at, "expected a value, found a condition"),
            [] => self.error(call.end, format!("expected `,` and a value for {field_name}")),
            [_, further, ..] => self.error(further.at(), format!("{name} takes a field and one value")),
        }
    }

    fn field(&self, name: &str, at: usize) -> Result<Field, FilterError> {
        let lower = name.to_lowercase();
        if let Some((_, field)) = FIELDS.iter().find(|(known, _)| *known == lower) {
            return Ok(*field);
        }
        let known: Vec<&str> = FIELDS.iter().map(|(known, _)| *known).take(39).collect();
        self.error(at, format!("no field `{name}`; there are {}", known.join(", ")))
    }

    fn comparison(&self, call: &Call) -> Result<Piece, FilterError> {
        let (field, name, literal, at) = self.operands(call)?;
        match field {
            Field::Column(column) => {
                let (column, test) = self.column_test(&call.name, column, name, literal, at)?;
                Ok(Piece::Whole(Expression::Column(column, test)))
            }
            Field::Tags => {
                let test = self.test(&call.name, literal, at, &|literal, at| self.text(literal, at, name))?;
                Ok(Piece::Whole(match test {
                    Test::Differs(tag) => Expression::Not(Box::new(Expression::Tags(Test::Is(tag)))),
                    test => Expression::Tags(test),
                }))
            }
            Field::Whole(_) => self.error(
                call.at,
                format!("{name} is not one value: use has, exists, search or compare its keys and values"),
            ),
            Field::Key(entries) => {
                let test = self.test(&call.name, literal, at, &|literal, at| self.text(literal, at, name))?;
                self.not_null(&test, at, name)?;
                Ok(Piece::Key(entries, test))
            }
            Field::Value(entries) => {
                let ordered = matches!(call.name.as_str(), "gt" | "gte" | "lt" | "lte");
                let test = self.test(&call.name, literal, at, &|literal, at| match literal {
                    Literal::Number(number, _) if ordered => Ok(Scalar::Number(*number)),
                    other => self.text(other, at, name),
                })?;
                self.not_null(&test, at, name)?;
                Ok(Piece::Value(entries, test))
            }
            Field::Feedback(FeedbackColumn::Score) => {
                let test = self.test(&call.name, literal, at, &|literal, at| match literal {
                    Literal::Bool(yes) => Ok(Scalar::Number(f64::from(u8::from(*yes)))),
                    other => self.number(other, at, name),
                })?;
                Ok(Piece::Feedback(FeedbackColumn::Score, test))
            }
            Field::Feedback(column) => {
                let test = self.test(&call.name, literal, at, &|literal, at| self.text(literal, at, name))?;
                Ok(Piece::Feedback(column, test))
            }
        }
    }

    /// Entries that are null count as absent, so there is nothing to compare with null.
    fn not_null(&self, test: &Test, at: usize, name: &str) -> Result<(), FilterError> {
        if matches!(test, Test::Present | Test::Absent) {
            let message =
                format!("{name} is never null; eq or neq on the key tests whether an entry is there");
            return self.error(at, message);
        }
        Ok(())
    }

    fn column_test(
        &self,
        operator: &str,
        column: Column,
        name: &str,
        literal: &Literal,
        at: usize,
    ) -> Result<(Column, Test), FilterError> {
        use Column as C;
        // Compared with a duration, the first token's time means how long it took.
        let is_moment = |literal: &Literal| matches!(literal, Literal::Text(text) if moment(text).is_some());
        let column = match (column, literal) {
            (C::FirstTokenTime, Literal::Null) => column,
            (C::FirstTokenTime, literal) if !is_moment(literal) => C::FirstTokenLatency,
            _ => column,
        };
        let convert = |literal: &Literal, at: usize| match column {
            C::Id | C::Trace | C::Parent | C::Project => self.id(literal, at, name),
            C::ReferenceExample | C::Name | C::Error | C::Thread | C::Model => self.text(literal, at, name),
            C::Kind => self.word(literal, at, name, &RunKind::ALL.map(RunKind::as_str)),
            C::Status => self.word(literal, at, name, &["success", "error", "pending"]),
            C::IsRoot => match literal {
                Literal::Bool(yes) => Ok(Scalar::Bool(*yes)),
                _ => self.error(at, format!("expected true or false for {name}")),
            },
            C::StartTime | C::EndTime | C::FirstTokenTime => self.time(literal, at, name),
            C::Latency | C::FirstTokenLatency => self.duration(literal, at, name),
            C::ExecutionOrder | C::TotalTokens | C::InputTokens | C::OutputTokens => {
                self.number(literal, at, name)
            }
            C::TotalCost | C::InputCost | C::OutputCost => self.number(literal, at, name),
        };
        let is_text = matches!(
            column,
            C::ReferenceExample | C::Name | C::Kind | C::Status | C::Error | C::Thread | C::Model
        );
        let is_ordered =
            !matches!(column, C::Id | C::Trace | C::Parent | C::Project | C::Kind | C::Status | C::IsRoot);
        match operator {
            "like" if !is_text => self.error(at, format!("like needs a text field; {name} is none")),
            "gt" | "gte" | "lt" | "lte" if !is_ordered => {
                self.error(at, format!("{name} has no order: use eq, neq or in"))
            }
            _ => self.test(operator, literal, at, &convert).map(|test| (column, test)),
        }
    }

    fn test(
        &self,
        operator: &str,
        literal: &Literal,
        at: usize,
        convert: &dyn Fn(&Literal, usize) -> Result<Scalar, FilterError>,
    ) -> Result<Test, FilterError> {
        let one = || match literal {
            Literal::List(_) => self.error(at, format!("{operator} takes one value; in(...) takes a list")),
            Literal::Null => self.error(at, "null has no order: use eq or neq"),
            other => convert(other, at),
        };
        Ok(match (operator, literal) {
            ("eq", Literal::Null) => Test::Absent,
            ("neq", Literal::Null) => Test::Present,
            ("eq", _) => Test::Is(one()?),
            ("neq", _) => Test::Differs(one()?),
            ("gt", _) => Test::Above(one()?),
            ("gte", _) => Test::AtLeast(one()?),
            ("lt", _) => Test::Below(one()?),
            ("lte", _) => Test::AtMost(one()?),
            ("like", Literal::Text(pattern)) => Test::Like(pattern.clone()),
            ("like", _) => return self.error(at, "like takes a pattern in quotes, such as \"%refund%\""),
            (_, Literal::List(items)) => {
                Test::OneOf(items.iter().map(|(item, at)| convert(item, *at)).collect::<Result<_, _>>()?)
            }
            _ => return self.error(at, format!("{operator} takes a list such as [\"a\", \"b\"]")),
        })
    }

    fn membership(&self, call: &Call) -> Result<Piece, FilterError> {
        let (field, name, literal, at) = self.operands(call)?;
        let Literal::Text(text) = literal else {
            return self.error(at, format!("{} takes a text in quotes", call.name));
        };
        let json = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
        match (field, json) {
            (Field::Tags, _) => Ok(Piece::Whole(Expression::Tags(Test::Is(Scalar::Text(text.clone()))))),
            (Field::Whole(entries), Some(part)) if call.name == "has" => {
                Ok(Piece::Whole(Expression::Contains(entries, part)))
            }
            (Field::Whole(entries), _) => {
                let keys = vec![Test::Is(Scalar::Text(text.clone()))];
                Ok(Piece::Whole(Expression::Entry(entries, EntryTests { keys, values: Vec::new() })))
            }
            _ => self.error(
                call.at,
                format!("{} works on tags, metadata, inputs and outputs, not on {name}", call.name),
            ),
        }
    }

    fn search(&self, call: &Call) -> Result<Expression, FilterError> {
        let (column, (text, at)) = match call.arguments.as_slice() {
            [Argument::Value(Literal::Text(text), at)] => (None, (text, *at)),
            [
                Argument::Name(name, field_at) | Argument::Value(Literal::Text(name), field_at),
                Argument::Value(Literal::Text(text), at),
            ] => (Some(self.search_column(name, *field_at)?), (text, *at)),
            _ => return self.error(call.end, "search takes a text in quotes, or a field and a text"),
        };
        let words = words(text);
        if words.is_empty() {
            return self.error(at, "search needs at least one word");
        }
        Ok(Expression::Search(column, words))
    }

    fn search_column(&self, name: &str, at: usize) -> Result<SearchColumn, FilterError> {
        match name.to_lowercase().as_str() {
            "name" => Ok(SearchColumn::Name),
            "error" => Ok(SearchColumn::Error),
            "input" | "inputs" | "input_value" => Ok(SearchColumn::Inputs),
            "output" | "outputs" | "output_value" => Ok(SearchColumn::Outputs),
            _ => self
                .error(at, format!("`{name}` is not indexed; search works on name, error, inputs, outputs")),
        }
    }

    // ------------------------------------------------------------ values

    /// Numbers and truth values count by their JSON text.
    fn text(&self, literal: &Literal, at: usize, name: &str) -> Result<Scalar, FilterError> {
        match literal {
            Literal::Text(text) | Literal::Number(_, text) => Ok(Scalar::Text(text.clone())),
            Literal::Bool(yes) => Ok(Scalar::Text(yes.to_string())),
            _ => self.error(at, format!("expected a text for {name}")),
        }
    }

    fn number(&self, literal: &Literal, at: usize, name: &str) -> Result<Scalar, FilterError> {
        match literal {
            Literal::Number(number, _) => Ok(Scalar::Number(*number)),
            Literal::Text(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Scalar::Number(number)),
                _ => self.error(at, format!("expected a number for {name}")),
            },
            _ => self.error(at, format!("expected a number for {name}")),
        }
    }

    fn id(&self, literal: &Literal, at: usize, name: &str) -> Result<Scalar, FilterError> {
        match literal {
            Literal::Text(text) => match Uuid::parse_str(text) {
                Ok(id) => Ok(Scalar::Id(id)),
                Err(_) => self.error(at, format!("expected a UUID for {name}, found {text:?}")),
            },
            _ => self.error(at, format!("expected a UUID in quotes for {name}")),
        }
    }

    fn word(&self, literal: &Literal, at: usize, name: &str, known: &[&str]) -> Result<Scalar, FilterError> {
        match literal {
            Literal::Text(text) if known.contains(&text.to_lowercase().as_str()) => {
                Ok(Scalar::Text(text.to_lowercase()))
            }
            _ => self.error(at, format!("expected one of {} for {name}", known.join(", "))),
        }
    }

    fn time(&self, literal: &Literal, at: usize, name: &str) -> Result<Scalar, FilterError> {
        let micros = match literal {
            Literal::Text(text) => moment(text),
            _ => None,
        };
        match micros {
            Some(micros) => Ok(Scalar::Time(micros)),
            None => self.error(at, format!("expected a time such as \"2024-05-01T00:00:00Z\" for {name}")),
        }
    }

    fn duration(&self, literal: &Literal, at: usize, name: &str) -> Result<Scalar, FilterError> {
        let seconds = match literal {
            Literal::Number(seconds, _) => Some(*seconds),
            Literal::Text(text) => seconds(text),
            _ => None,
        };
        match seconds {
            Some(seconds) => Ok(Scalar::Number(seconds * 1e6)),
            None => self.error(
                at,
                format!("expected seconds or a duration such as \"500ms\", \"5s\", \"2m\" for {name}"),
            ),
        }
    }
}

/// Microseconds since 1970 of an RFC 3339 text; UTC where it names no zone.
fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    for shape in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, shape) {
            return Some(time.and_utc().timestamp_micros());
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

/// Seconds of `5s`, `500ms`, `2m`, `1.5h`, `1d` or a bare number.
fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic() || c == 'µ').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.trim().parse().ok()?;
    let factor = match unit.trim().to_lowercase().as_str() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    };
    Some(number * factor)
}
