//! What the digest of a segment knows of a condition.
//!
//! Conditions mean here what they mean in `filter/sql.rs`; where a digest
//! cannot tell, it says so, and the runs themselves are asked.

use rusqlite::params;

use super::bits::{Bits, Known};
use super::entries;
use super::segment::{HAS_ERROR, HAS_PARENT, HAS_START, NOTHING, Segment};
use super::{Part, at, keys_of};
use crate::RunQuery;
use crate::embedded::{schema, search};
use crate::filter::hints;
use crate::filter::sql::match_text;
use crate::filter::{Column, Entries, Expression, Held, Scalar, Test, passes};

/// Of which runs of a segment all that the query asks is true, but for the
/// project, the time and what concerns other runs of the trace.
pub(super) fn query(segment: &mut Segment<'_>, query: &RunQuery) -> rusqlite::Result<Known> {
    let mut known = Known::exactly(Bits::all());
    if let Some(kind) = query.kind {
        let test = Test::Is(Scalar::Text(kind.as_str().to_owned()));
        known = known.and(&column(segment, Column::Kind, &test)?);
    }
    for (asked, flag) in [(query.is_root.map(|is_root| !is_root), HAS_PARENT), (query.has_error, HAS_ERROR)] {
        if let Some(asked) = asked {
            known = known.and(&flagged(segment, flag, |is_set| is_set == asked)?);
        }
    }
    if let Some(filter) = &query.filter {
        known = known.and(&expression(segment, &filter.expression)?);
    }
    if query.trace_filter.is_some() || query.tree_filter.is_some() {
        known = known.and(&Known::open());
    }
    Ok(known)
}

fn expression(segment: &mut Segment<'_>, asked: &Expression) -> rusqlite::Result<Known> {
    Ok(match asked {
        Expression::And(parts) => {
            let mut known = Known::exactly(Bits::all());
            for part in parts {
                // What is out already need not be asked further.
                if known.may.is_empty() {
                    break;
                }
                known = known.and(&expression(segment, part)?);
            }
            known
        }
        Expression::Or(parts) => {
            let mut known = Known::exactly(Bits::NONE);
            for part in parts {
                known = known.or(&expression(segment, part)?);
            }
            known
        }
        Expression::Not(inner) => expression(segment, inner)?.not(),
        Expression::Column(of, test) => column(segment, *of, test)?,
        Expression::Tags(test) => {
            segment.raw(Part::Tags)?.and_then(|raw| entries::tagged(&raw, test)).unwrap_or_else(Known::open)
        }
        Expression::Entry(Entries::Metadata, tests) => segment
            .raw(Part::Metadata)?
            .and_then(|raw| entries::holding(&raw, tests))
            .unwrap_or_else(Known::open),
        Expression::Search(of, words) => Known::exactly(found(segment, &match_text(*of, words))?),
        Expression::Entry(of, tests) => narrowed(segment, hints::of_entry(*of, tests))?,
        Expression::Contains(of, part) => narrowed(segment, hints::of_part(*of, part))?,
        Expression::Feedback(_) => Known::open(),
    })
}

/// The runs of a segment that can hold texts which payloads are asked for: those the full-text index
/// finds, and those of which it does not have everything.
fn narrowed(segment: &mut Segment<'_>, words: Option<String>) -> rusqlite::Result<Known> {
    let (Some(words), Some(long)) = (words, segment.long()?) else { return Ok(Known::open()) };
    let (first, last) = keys_of(segment.number);
    let connection = segment.connection();
    if schema::setting(connection, search::INDEXED)? < last {
        return Ok(Known::open());
    }
    let mut may = found(segment, &words)?.or(&long);
    let mut stale = connection.prepare_cached("SELECT run FROM stale WHERE run BETWEEN ? AND ?")?;
    let mut rows = stale.query([first, last])?;
    while let Some(row) = rows.next()? {
        may.add(at(row.get(0)?));
    }
    Ok(Known { must: Bits::NONE, may })
}

/// The runs of a segment that the full-text index finds.
fn found(segment: &Segment<'_>, words: &str) -> rusqlite::Result<Bits> {
    let (first, last) = keys_of(segment.number);
    let sql = "SELECT rowid FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ?";
    let mut statement = segment.connection().prepare_cached(sql)?;
    let mut rows = statement.query(params![words, first, last])?;
    let mut bits = Bits::NONE;
    while let Some(row) = rows.next()? {
        bits.add(usize::try_from(row.get::<_, i64>(0)? - first).unwrap_or(usize::MAX));
    }
    Ok(bits)
}

fn flagged(segment: &mut Segment<'_>, flag: i64, passes: impl Fn(bool) -> bool) -> rusqlite::Result<Known> {
    let flags = segment.numbers(Part::Flags)?;
    Ok(flags.map_or_else(Known::open, |flags| Known::exactly(Bits::of(|at| passes(flags[at] & flag != 0)))))
}

fn column(segment: &mut Segment<'_>, column: Column, test: &Test) -> rusqlite::Result<Known> {
    let number = |number: i64| if number == NOTHING { Held::Nothing } else { Held::Number(number as f64) };
    let time = |number: i64| if number == NOTHING { Held::Nothing } else { Held::Time(number) };
    match column {
        Column::Name => texts(segment, Part::Name, test),
        Column::Kind => texts(segment, Part::Kind, test),
        Column::Status => texts(segment, Part::Status, test),
        Column::Model => texts(segment, Part::Model, test),
        Column::IsRoot => {
            let held = |has_parent: bool| Held::Number(f64::from(u8::from(!has_parent)));
            flagged(segment, HAS_PARENT, |has_parent| passes(test, &held(has_parent)))
        }
        Column::ExecutionOrder => {
            let held = |has_parent: bool| Held::Number(if has_parent { 2.0 } else { 1.0 });
            flagged(segment, HAS_PARENT, |has_parent| passes(test, &held(has_parent)))
        }
        Column::Error => error(segment, test),
        Column::StartTime => start(segment, |start| passes(test, &time(start))),
        Column::EndTime => numbers(segment, Part::End, |end| passes(test, &time(end))),
        Column::FirstTokenTime => numbers(segment, Part::FirstToken, |first| passes(test, &time(first))),
        Column::Latency => numbers(segment, Part::Latency, |latency| passes(test, &number(latency))),
        Column::TotalTokens => numbers(segment, Part::TotalTokens, |tokens| passes(test, &number(tokens))),
        Column::InputTokens => numbers(segment, Part::InputTokens, |tokens| passes(test, &number(tokens))),
        Column::OutputTokens => numbers(segment, Part::OutputTokens, |tokens| passes(test, &number(tokens))),
        Column::TotalCost => {
            let held = |cost: i64| match cost {
                NOTHING => Held::Nothing,
                bits => Held::Number(f64::from_bits(bits.cast_unsigned())),
            };
            numbers(segment, Part::TotalCost, |cost| passes(test, &held(cost)))
        }
        Column::Id
        | Column::Trace
        | Column::Parent
        | Column::Project
        | Column::ReferenceExample
        | Column::Thread
        | Column::FirstTokenLatency
        | Column::InputCost
        | Column::OutputCost => Ok(Known::open()),
    }
}

/// Only whether there is one is known, and that settles many questions.
fn error(segment: &mut Segment<'_>, test: &Test) -> rusqlite::Result<Known> {
    let has_error = flagged(segment, HAS_ERROR, |has_error| has_error)?;
    Ok(match test {
        Test::Present => has_error,
        Test::Absent => has_error.not(),
        test if passes(test, &Held::Nothing) => has_error.not().or(&has_error.and(&Known::open())),
        _ => has_error.and(&Known::open()),
    })
}

fn numbers(segment: &mut Segment<'_>, part: Part, passes: impl Fn(i64) -> bool) -> rusqlite::Result<Known> {
    let numbers = segment.numbers(part)?;
    Ok(numbers.map_or_else(Known::open, |numbers| Known::exactly(Bits::of(|at| passes(numbers[at])))))
}

fn start(segment: &mut Segment<'_>, passes: impl Fn(i64) -> bool) -> rusqlite::Result<Known> {
    let (Some(moments), Some(flags)) = (segment.numbers(Part::Moment)?, segment.numbers(Part::Flags)?) else {
        return Ok(Known::open());
    };
    let start = |at: usize| if flags[at] & HAS_START != 0 { moments[at] } else { NOTHING };
    Ok(Known::exactly(Bits::of(|at| passes(start(at)))))
}

fn texts(segment: &mut Segment<'_>, part: Part, test: &Test) -> rusqlite::Result<Known> {
    let Some(texts) = segment.texts(part)? else { return Ok(Known::open()) };
    // Each distinct text is tested once.
    let answers: Vec<bool> = texts.texts.iter().map(|text| passes(test, &Held::Text(text.clone()))).collect();
    let of_nothing = passes(test, &Held::Nothing);
    if !of_nothing && !answers.contains(&true) {
        return Ok(Known::exactly(Bits::NONE));
    }
    let answer = |at: usize| answers.get(usize::from(texts.places[at])).copied().unwrap_or(of_nothing);
    Ok(Known::exactly(Bits::of(answer)))
}
