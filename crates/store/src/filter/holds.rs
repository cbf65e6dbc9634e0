//! Whether a condition holds of a run that is not in the store (yet): the
//! same meaning as in `sql`, in plain Rust.
//!
//! Of the run's trace only what the run itself knows counts: its thread is the
//! one it carries, else its trace. Feedback is elsewhere; see
//! [`Filter::asks_feedback`](super::Filter::asks_feedback).

use std::cmp::Ordering;

use assay_domain::Run;
use rust_decimal::prelude::ToPrimitive;
use serde_json::Value;
use uuid::Uuid;

use super::test::{Scalar, Test, contains, is_like};
use super::{Column, Entries, Expression, SearchColumn};

pub(super) fn holds(expression: &Expression, run: &Run) -> bool {
    match expression {
        Expression::And(parts) => parts.iter().all(|part| holds(part, run)),
        Expression::Or(parts) => parts.iter().any(|part| holds(part, run)),
        Expression::Not(inner) => !holds(inner, run),
        Expression::Column(column, test) => passes(test, &value(*column, run)),
        Expression::Tags(Test::Absent) => run.tags.is_empty(),
        Expression::Tags(Test::Present) => !run.tags.is_empty(),
        Expression::Tags(test) => run.tags.iter().any(|tag| test.holds(Some(tag))),
        Expression::Entry(Entries::Metadata, tests) => {
            // A map is gone through as a value; it is taken apart here only to be put together again.
            tests.hold_somewhere(&Value::Object(run.metadata.clone()))
        }
        Expression::Entry(Entries::Inputs, tests) => tests.hold_somewhere(&run.inputs),
        Expression::Entry(Entries::Outputs, tests) => tests.hold_somewhere(&run.outputs),
        Expression::Contains(Entries::Metadata, part) => contains(&Value::Object(run.metadata.clone()), part),
        Expression::Contains(Entries::Inputs, part) => contains(&run.inputs, part),
        Expression::Contains(Entries::Outputs, part) => contains(&run.outputs, part),
        Expression::Feedback(_) => false,
        Expression::Search(column, words) => {
            let texts = searched(*column, run);
            words.iter().all(|word| {
                let wanted = tokens(word);
                texts.iter().any(|text| text.windows(wanted.len().max(1)).any(|window| window == wanted))
            })
        }
    }
}

/// Whether a condition asks for feedback.
pub(super) fn asks_feedback(expression: &Expression) -> bool {
    match expression {
        Expression::And(parts) | Expression::Or(parts) => parts.iter().any(asks_feedback),
        Expression::Not(inner) => asks_feedback(inner),
        Expression::Feedback(_) => true,
        _ => false,
    }
}

/// What a column has of a run.
pub(crate) enum Held {
    Nothing,
    Text(String),
    Number(f64),
    /// Microseconds.
    Time(i64),
    Id(Uuid),
}

fn value(column: Column, run: &Run) -> Held {
    let text = |text: Option<&str>| text.map_or(Held::Nothing, |text| Held::Text(text.to_owned()));
    let time = |time: Option<assay_domain::Time>| {
        time.map_or(Held::Nothing, |time| Held::Time(time.timestamp_micros()))
    };
    let tokens = |of: fn(&assay_domain::Usage) -> u64| Held::Number(run.usage.as_ref().map_or(0, of) as f64);
    let cost = |of: fn(&assay_domain::Cost) -> rust_decimal::Decimal| {
        let amount = run.cost.as_ref().or(run.usage.as_ref().and_then(|usage| usage.stated_cost.as_ref()));
        amount.map_or(Held::Nothing, |cost| Held::Number(of(cost).to_f64().unwrap_or(f64::MAX)))
    };
    let passed = |start: Option<assay_domain::Time>, end: Option<assay_domain::Time>| {
        let micros = start.zip(end).map(|(start, end)| end.timestamp_micros() - start.timestamp_micros());
        micros.map(|micros| micros as f64)
    };
    match column {
        Column::Id => Held::Id(run.id.0),
        Column::Trace => Held::Id(run.trace.0),
        Column::Parent => run.parent.map_or(Held::Nothing, |parent| Held::Id(parent.0)),
        Column::Project => Held::Id(run.project.0),
        Column::ReferenceExample => text(run.reference_example.as_deref()),
        Column::Name => text(Some(&run.name)),
        Column::Kind => text(Some(run.kind.as_str())),
        Column::Status => text(Some(run.status().as_str())),
        Column::Error => text(run.error.as_deref()),
        Column::Thread => match &run.thread {
            Some(thread) => text(Some(&thread.0)),
            None => Held::Text(run.trace.to_string()),
        },
        Column::Model => text(run.model()),
        Column::IsRoot => Held::Number(f64::from(u8::from(run.is_root()))),
        Column::ExecutionOrder => Held::Number(if run.is_root() { 1.0 } else { 2.0 }),
        Column::StartTime => time(run.start_time),
        Column::EndTime => time(run.end_time),
        Column::FirstTokenTime => time(run.first_token_time),
        Column::Latency => {
            let micros = passed(run.start_time, run.end_time).filter(|micros| *micros >= 0.0);
            micros.map_or(Held::Nothing, Held::Number)
        }
        Column::FirstTokenLatency => {
            passed(run.start_time, run.first_token_time).map_or(Held::Nothing, Held::Number)
        }
        Column::TotalTokens => tokens(|usage| usage.total_tokens),
        Column::InputTokens => tokens(|usage| usage.input_tokens),
        Column::OutputTokens => tokens(|usage| usage.output_tokens),
        Column::TotalCost => cost(|cost| cost.total),
        Column::InputCost => cost(|cost| cost.input),
        Column::OutputCost => cost(|cost| cost.output),
    }
}

/// Whether a value passes a test.
pub(crate) fn passes(test: &Test, held: &Held) -> bool {
    let ordered = |scalar: &Scalar, fits: fn(Ordering) -> bool| order(held, scalar).is_some_and(fits);
    match test {
        Test::Is(scalar) => order(held, scalar) == Some(Ordering::Equal),
        Test::Differs(scalar) => order(held, scalar) != Some(Ordering::Equal),
        Test::Above(scalar) => ordered(scalar, Ordering::is_gt),
        Test::AtLeast(scalar) => ordered(scalar, Ordering::is_ge),
        Test::Below(scalar) => ordered(scalar, Ordering::is_lt),
        Test::AtMost(scalar) => ordered(scalar, Ordering::is_le),
        Test::OneOf(scalars) => scalars.iter().any(|scalar| order(held, scalar) == Some(Ordering::Equal)),
        Test::Like(pattern) => matches!(held, Held::Text(text) if is_like(text, pattern)),
        Test::Present => !matches!(held, Held::Nothing),
        Test::Absent => matches!(held, Held::Nothing),
    }
}

/// How a value lies to what it is compared with; `None` where they are of different kinds.
fn order(held: &Held, scalar: &Scalar) -> Option<Ordering> {
    match (held, scalar) {
        (Held::Text(text), Scalar::Text(other)) => Some(text.cmp(other)),
        (Held::Number(number), Scalar::Number(other)) => number.partial_cmp(other),
        (Held::Number(number), Scalar::Bool(other)) => number.partial_cmp(&f64::from(u8::from(*other))),
        (Held::Time(micros), Scalar::Time(other)) => Some(micros.cmp(other)),
        (Held::Id(id), Scalar::Id(other)) => Some(id.cmp(other)),
        _ => None,
    }
}

/// The tokens of each text that a search looks at.
fn searched(column: Option<SearchColumn>, run: &Run) -> Vec<Vec<String>> {
    let is_asked = |of| column.is_none_or(|column| column == of);
    let mut texts = Vec::new();
    if is_asked(SearchColumn::Name) {
        texts.push(tokens(&run.name));
    }
    if is_asked(SearchColumn::Error) {
        texts.push(tokens(run.error.as_deref().unwrap_or_default()));
    }
    for (of, value) in [(SearchColumn::Inputs, &run.inputs), (SearchColumn::Outputs, &run.outputs)] {
        if is_asked(of) {
            texts.push(tokens(&crate::embedded::searchable(value)));
        }
    }
    texts
}

/// Words as the full-text index cuts them: letters and digits, case aside.
fn tokens(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}
