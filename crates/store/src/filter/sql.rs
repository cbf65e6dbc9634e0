//! From conditions to SQL over the tables of the embedded store.
//!
//! Only constants of this file become text of the statement; everything that
//! came in is bound. Every condition yields 0 or 1 and never null, so `NOT`
//! means what it says.

use rusqlite::types::Value as Bound;

use super::{Column, Entries, Expression, FeedbackColumn, Scalar, SearchColumn, Test};

/// Part of a statement, with the parameters of its question marks in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sql {
    pub(crate) text: String,
    pub(crate) parameters: Vec<Bound>,
    pub(crate) near: Near,
}

/// Which runs the statement looks at, so that the full-text index need not look at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Near {
    #[default]
    Anywhere,
    /// Runs with keys from the first to the last.
    Range(i64, i64),
    /// A few runs: each is looked up.
    Run,
}

impl Sql {
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn bind(&mut self, value: impl Into<Bound>) -> &mut Self {
        self.text.push('?');
        self.parameters.push(value.into());
        self
    }

    /// Binds all of them, with commas between.
    pub(crate) fn list<T: Into<Bound>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        for (position, value) in values.into_iter().enumerate() {
            self.push(if position > 0 { ", " } else { "" }).bind(value);
        }
        self
    }

    /// Appends the condition on the row of `runs` at hand.
    pub(crate) fn condition(&mut self, expression: &Expression) {
        match expression {
            Expression::And(parts) => {
                let mut parts: Vec<&Expression> = parts.iter().collect();
                // What is cheap to find out goes first.
                parts.sort_by_key(|part| price(part));
                self.balanced(&parts, " AND ");
            }
            Expression::Or(parts) => self.balanced(&parts.iter().collect::<Vec<_>>(), " OR "),
            Expression::Not(inner) => {
                self.push("(NOT ").condition(inner);
                self.push(")");
            }
            Expression::Column(column, test) => self.compare(operand(*column), test),
            Expression::Tags(Test::Absent) => {
                self.push("(runs.tags IS NULL)");
            }
            Expression::Tags(test) => {
                self.push("list_holds(runs.tags, ").bind(json(test)).push(")");
            }
            Expression::Entry(entries, tests) => {
                self.push(match entries {
                    Entries::Metadata => "entry_holds(runs.metadata, ",
                    _ => "payload_entry_holds((SELECT body FROM payloads WHERE run = runs.key), ",
                });
                self.side(*entries).bind(json(tests)).push(")");
            }
            Expression::Contains(entries, part) => {
                self.push(match entries {
                    Entries::Metadata => "json_holds(runs.metadata, ",
                    _ => "payload_json_holds((SELECT body FROM payloads WHERE run = runs.key), ",
                });
                self.side(*entries).bind(part.to_string()).push(")");
            }
            Expression::Feedback(tests) => {
                self.push("EXISTS (SELECT 1 FROM feedback WHERE feedback.target = runs.id");
                self.feedback(tests);
                self.push(")");
            }
            Expression::Search(column, words) => {
                let words = match_text(*column, words);
                match self.near {
                    Near::Anywhere => {
                        self.push("(runs.key IN (SELECT rowid FROM search WHERE search MATCH ").bind(words);
                        self.push("))");
                    }
                    Near::Range(first, last) => {
                        self.push("(runs.key IN (SELECT rowid FROM search WHERE search MATCH ").bind(words);
                        self.push(" AND rowid BETWEEN ").bind(first).push(" AND ").bind(last).push("))");
                    }
                    Near::Run => {
                        self.push("EXISTS (SELECT 1 FROM search WHERE search MATCH ").bind(words);
                        self.push(" AND rowid = runs.key)");
                    }
                }
            }
        }
    }

    /// Appends what is asked of the row of `feedback` at hand.
    pub(crate) fn feedback(&mut self, tests: &[(FeedbackColumn, Test)]) {
        for (column, test) in tests {
            self.push(" AND ").compare(feedback_operand(*column), test);
        }
    }

    /// Appends the condition on the row of `runs` under another name.
    pub(crate) fn condition_on(&mut self, alias: &'static str, expression: &Expression) -> &mut Self {
        // Other runs of a trace can be anywhere.
        let near = if self.near == Near::Anywhere { Near::Anywhere } else { Near::Run };
        let mut inner = Self { near, ..Self::default() };
        inner.condition(expression);
        // The text consists of constants of this file; what came in is bound.
        self.text.push_str(&inner.text.replace("runs.", &format!("{alias}.")));
        self.parameters.extend(inner.parameters);
        self
    }

    fn side(&mut self, entries: Entries) -> &mut Self {
        match entries {
            Entries::Metadata => self,
            Entries::Inputs => self.push("0, "),
            Entries::Outputs => self.push("1, "),
        }
    }

    /// A chain of a thousand operators would be too deep for SQLite; a tree of them is not.
    fn balanced(&mut self, parts: &[&Expression], operator: &'static str) {
        match parts {
            [] => {
                self.push("1");
            }
            [part] => self.condition(part),
            parts => {
                let (left, right) = parts.split_at(parts.len() / 2);
                self.push("(").balanced(left, operator);
                self.push(operator).balanced(right, operator);
                self.push(")");
            }
        }
    }

    fn compare(&mut self, operand: &'static str, test: &Test) {
        let operator = match test {
            Test::Absent => {
                self.push("(").push(operand).push(" IS NULL)");
                return;
            }
            Test::Present => {
                self.push("(").push(operand).push(" IS NOT NULL)");
                return;
            }
            Test::Like(pattern) => {
                self.push("is_like(").push(operand).push(", ").bind(pattern.clone()).push(")");
                return;
            }
            Test::OneOf(scalars) => return self.one_of(operand, scalars),
            Test::Is(scalar) => {
                self.push("(").push(operand).push(" IS ").bind(bound(scalar)).push(")");
                return;
            }
            Test::Differs(scalar) => {
                self.push("(").push(operand).push(" IS NOT ").bind(bound(scalar)).push(")");
                return;
            }
            Test::Above(scalar) => (" > ", scalar),
            Test::AtLeast(scalar) => (" >= ", scalar),
            Test::Below(scalar) => (" < ", scalar),
            Test::AtMost(scalar) => (" <= ", scalar),
        };
        let (operator, scalar) = operator;
        self.push("(").push(operand).push(" IS NOT NULL AND ").push(operand).push(operator);
        self.bind(bound(scalar)).push(")");
    }

    fn one_of(&mut self, operand: &'static str, scalars: &[Scalar]) {
        if scalars.is_empty() {
            self.push("0");
            return;
        }
        self.push("(").push(operand).push(" IS NOT NULL AND ").push(operand).push(" IN (");
        self.list(scalars.iter().map(bound)).push("))");
    }
}

/// Whether a condition asks the full-text index.
pub(crate) fn searches(expression: &Expression) -> bool {
    match expression {
        Expression::And(parts) | Expression::Or(parts) => parts.iter().any(searches),
        Expression::Not(inner) => searches(inner),
        Expression::Search(..) => true,
        _ => false,
    }
}

fn price(expression: &Expression) -> usize {
    match expression {
        Expression::And(parts) | Expression::Or(parts) => parts.iter().map(price).max().unwrap_or(0),
        Expression::Not(inner) => price(inner),
        Expression::Column(Column::Thread | Column::Trace | Column::Project, _) => 1,
        Expression::Column(..) => 0,
        Expression::Feedback(_) | Expression::Search(..) => 2,
        Expression::Tags(_) => 3,
        Expression::Entry(Entries::Metadata, _) | Expression::Contains(Entries::Metadata, _) => 4,
        Expression::Entry(..) | Expression::Contains(..) => 5,
    }
}

/// How a column is written; see the tables in `embedded/schema.rs`.
fn operand(column: Column) -> &'static str {
    match column {
        Column::Id => "runs.id",
        Column::Trace => "(SELECT traces.id FROM traces WHERE traces.key = runs.trace)",
        Column::Parent => "runs.parent",
        Column::Project => "(SELECT projects.id FROM projects WHERE projects.key = runs.project)",
        Column::ReferenceExample => "runs.reference_example",
        Column::Name => "runs.name",
        Column::Kind => "runs.kind",
        Column::Status => "runs.status",
        Column::Error => "runs.error",
        Column::Thread => "(SELECT traces.thread FROM traces WHERE traces.key = runs.trace)",
        Column::Model => "runs.model",
        Column::IsRoot => "(runs.parent IS NULL)",
        Column::ExecutionOrder => "(CASE WHEN runs.parent IS NULL THEN 1 ELSE 2 END)",
        Column::StartTime => "runs.start",
        Column::EndTime => "runs.end",
        Column::FirstTokenTime => "runs.first_token",
        Column::Latency => "runs.latency",
        Column::FirstTokenLatency => "(runs.first_token - runs.start)",
        Column::TotalTokens => "runs.total_tokens",
        Column::InputTokens => "runs.input_tokens",
        Column::OutputTokens => "runs.output_tokens",
        Column::TotalCost => "amount(runs.total_cost)",
        Column::InputCost => "amount(runs.input_cost)",
        Column::OutputCost => "amount(runs.output_cost)",
    }
}

fn feedback_operand(column: FeedbackColumn) -> &'static str {
    match column {
        FeedbackColumn::Key => "feedback.name",
        FeedbackColumn::Score => "feedback.score",
        FeedbackColumn::Value => "feedback.label",
        FeedbackColumn::Source => "feedback.source",
        FeedbackColumn::Comment => "feedback.comment",
    }
}

fn bound(scalar: &Scalar) -> Bound {
    match scalar {
        Scalar::Text(text) => Bound::Text(text.clone()),
        Scalar::Number(number) => Bound::Real(*number),
        Scalar::Time(micros) => Bound::Integer(*micros),
        Scalar::Bool(yes) => Bound::Integer(i64::from(*yes)),
        Scalar::Id(id) => Bound::Blob(id.as_bytes().to_vec()),
    }
}

/// The query of the index: every word quoted, so none is taken for syntax.
pub(crate) fn match_text(column: Option<SearchColumn>, words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| quoted(column, word)).collect();
    quoted.join(" AND ")
}

/// The query for one phrase of each of these.
pub(crate) fn match_phrases(column: SearchColumn, all: &[Vec<String>]) -> String {
    let either = |phrases: &Vec<String>| {
        let quoted: Vec<String> = phrases.iter().map(|phrase| quoted(Some(column), phrase)).collect();
        format!("({})", quoted.join(" OR "))
    };
    all.iter().map(either).collect::<Vec<_>>().join(" AND ")
}

fn quoted(column: Option<SearchColumn>, words: &str) -> String {
    let column = match column {
        None => "",
        Some(SearchColumn::Name) => "name : ",
        Some(SearchColumn::Error) => "error : ",
        Some(SearchColumn::Inputs) => "inputs : ",
        Some(SearchColumn::Outputs) => "outputs : ",
    };
    format!("{column}\"{}\"", words.replace('"', "\"\"").replace('\0', " "))
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("tests are plain data")
}
