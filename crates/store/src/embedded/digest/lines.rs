//! Runs line by line, out of digests: for adding up over time and by group.
//!
//! Where all runs of a segment go into one sum, the sum that is kept with its
//! digest is handed over. Else, of runs of which the digest tells everything,
//! lines are made from its columns; where the others are is handed back, and
//! the caller asks them.

use std::rc::Rc;

use rusqlite::Connection;

use super::bits::Bits;
use super::pack::Reader;
use super::segment::{HAS_START, NO_TEXT, NOTHING, Numbers, Segment, Texts};
use super::walk::Side;
use super::{Part, SIZE, keys_of, walk};
use crate::embedded::reader::Problem;
use crate::embedded::select::Scope;
use crate::embedded::stats::Sum;
use crate::{Grouping, RunQuery};

/// What is added up of one run. Times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) moment: i64,
    pub(crate) latency: Option<i64>,
    /// From start to first token.
    pub(crate) first_token: Option<i64>,
    pub(crate) has_ended: bool,
    pub(crate) has_failed: bool,
    pub(crate) tokens: [u64; 3],
    pub(crate) cost: Option<f64>,
}

/// Takes lines in.
pub(crate) trait Sink {
    /// The number of a group; `None` where nobody asks for it.
    fn group(&mut self, name: &str) -> Option<usize>;
    /// Whether only the moment of a line is looked at.
    fn only_counts(&self) -> bool;
    fn add(&mut self, group: usize, line: &Line);
    /// Whether all runs, or all roots, between two moments can be added at once.
    fn takes_sum(&self, side: Side, first: i64, last: i64) -> bool;
    /// Adds the runs of such a time.
    fn add_sum(&mut self, moment: i64, sum: Sum);
}

/// Hands over the lines of a project that digests know, and returns where the
/// other runs are that the query can select.
pub(crate) fn each(
    connection: &Connection,
    query: &RunQuery,
    project: i64,
    grouping: Option<&Grouping>,
    sink: &mut dyn Sink,
) -> Result<Vec<Scope>, Problem> {
    if !walk::is_large(connection, project)? {
        return Ok(vec![Scope::Project(project)]);
    }
    let window = walk::window(query);
    let side = if grouping.is_none() { walk::summed(query) } else { None };
    let mut rest = walk::undigested(connection, project)?;
    for zone in walk::zones(connection, project, window)? {
        if let Some(side) = side
            && window.0 <= zone.first
            && zone.last <= window.1
            && sink.takes_sum(side, zone.first, zone.last)
            && let Some(totals) = walk::totals_of(connection, project, zone.segment)?
        {
            sink.add_sum(zone.first, if side == Side::Runs { totals.runs } else { totals.roots });
            continue;
        }
        let mut segment = Segment::new(connection, zone.segment);
        let known = walk::known(&mut segment, query, project, &zone, window)?;
        if known.may.is_empty() {
            continue;
        }
        let columns = Columns::read(&mut segment, sink.only_counts())?;
        let groups = Groups::read(&mut segment, grouping)?;
        let (Some(columns), Some(groups)) = (columns, groups) else {
            let (first, last) = keys_of(zone.segment);
            rest.push(Scope::Range { project, first, last });
            continue;
        };
        let certain = known.must.without(&groups.doubtful);
        groups.each(&certain, sink, |at| columns.line(at));
        let doubtful = known.may.without(&certain);
        if certain.is_empty() && doubtful.count() * 4 > SIZE.unsigned_abs() {
            let (first, last) = keys_of(zone.segment);
            rest.push(Scope::Range { project, first, last });
        } else {
            rest.extend(walk::keyed(&doubtful, project, zone.segment));
        }
    }
    Ok(rest)
}

/// The columns that lines are made of.
struct Columns {
    moments: Numbers,
    /// Absent where only moments are looked at.
    facts: Option<Facts>,
}

struct Facts {
    flags: Numbers,
    latencies: Numbers,
    first_tokens: Numbers,
    tokens: [Numbers; 3],
    costs: Numbers,
    statuses: Rc<Texts>,
}

impl Columns {
    fn read(segment: &mut Segment<'_>, only_moments: bool) -> rusqlite::Result<Option<Self>> {
        let Some(moments) = segment.numbers(Part::Moment)? else { return Ok(None) };
        if only_moments {
            return Ok(Some(Self { moments, facts: None }));
        }
        let mut numbers = |part| segment.numbers(part);
        let (
            Some(flags),
            Some(latencies),
            Some(first_tokens),
            Some(input),
            Some(output),
            Some(total),
            Some(costs),
        ) = (
            numbers(Part::Flags)?,
            numbers(Part::Latency)?,
            numbers(Part::FirstToken)?,
            numbers(Part::InputTokens)?,
            numbers(Part::OutputTokens)?,
            numbers(Part::TotalTokens)?,
            numbers(Part::TotalCost)?,
        )
        else {
            return Ok(None);
        };
        let Some(statuses) = segment.texts(Part::Status)? else { return Ok(None) };
        let tokens = [input, output, total];
        let facts = Facts { flags, latencies, first_tokens, tokens, costs, statuses };
        Ok(Some(Self { moments, facts: Some(facts) }))
    }

    fn line(&self, at: usize) -> Line {
        let moment = self.moments[at];
        let Some(facts) = &self.facts else { return Line::at(moment) };
        let number = |numbers: &Numbers| Some(numbers[at]).filter(|&number| number != NOTHING);
        let status =
            facts.statuses.texts.get(usize::from(facts.statuses.places[at])).map_or("", String::as_str);
        let has_start = facts.flags[at] & HAS_START != 0;
        let first_token = number(&facts.first_tokens).filter(|_| has_start);
        Line {
            latency: number(&facts.latencies),
            first_token: first_token
                .and_then(|first| first.checked_sub(moment))
                .filter(|&micros| micros >= 0),
            has_ended: status != "pending",
            has_failed: status == "error",
            tokens: [0, 1, 2]
                .map(|side| number(&facts.tokens[side]).map_or(0, |tokens| tokens.max(0).unsigned_abs())),
            cost: number(&facts.costs).map(|bits| f64::from_bits(bits.cast_unsigned())),
            ..Line::at(moment)
        }
    }
}

impl Line {
    /// A run of which only the moment matters.
    pub(crate) fn at(moment: i64) -> Self {
        Self {
            moment,
            latency: None,
            first_token: None,
            has_ended: false,
            has_failed: false,
            tokens: [0; 3],
            cost: None,
        }
    }
}

/// Which runs of a segment are in which groups.
struct Groups {
    groups: Vec<(String, Bits)>,
    /// Of these the digest does not know all groups.
    doubtful: Bits,
}

impl Groups {
    /// `None` where the digest does not know any.
    fn read(segment: &mut Segment<'_>, grouping: Option<&Grouping>) -> rusqlite::Result<Option<Self>> {
        let of_texts = |texts: Option<Rc<Texts>>| {
            let texts = texts?;
            let mut bits = vec![Bits::NONE; texts.texts.len()];
            for (at, &text) in texts.places.iter().enumerate().filter(|(_, text)| **text != NO_TEXT) {
                bits.get_mut(usize::from(text))?.add(at);
            }
            Some(Self { groups: texts.texts.iter().cloned().zip(bits).collect(), doubtful: Bits::NONE })
        };
        Ok(match grouping {
            None => Some(Self { groups: vec![(String::new(), Bits::all())], doubtful: Bits::NONE }),
            Some(Grouping::Name) => of_texts(segment.texts(Part::Name)?),
            Some(Grouping::Kind) => of_texts(segment.texts(Part::Kind)?),
            Some(Grouping::Tag) => segment.raw(Part::Tags)?.and_then(|raw| Self::of_entries(&raw, "")),
            // A dot also stands between keys of nested objects.
            Some(Grouping::Metadata(key)) if key.is_empty() || key.contains('.') => None,
            Some(Grouping::Metadata(key)) => {
                segment.raw(Part::Metadata)?.and_then(|raw| Self::of_entries(&raw, key))
            }
            Some(Grouping::Thread) => None,
        })
    }

    /// By the values under a path; see `entries`.
    fn of_entries(raw: &[u8], wanted: &str) -> Option<Self> {
        let mut reader = Reader(raw);
        let (mut groups, mut doubtful) = (Vec::new(), Bits::NONE);
        let count = reader.number()?;
        reader.places(count)?.for_each(|place| doubtful.add(place.into()));
        for _ in 0..reader.number()? {
            let path = reader.text()?;
            let has_value = reader.number()? == 1;
            let value = reader.text()?;
            let count = reader.number()?;
            let places = reader.places(count)?;
            if path != wanted {
                continue;
            }
            if has_value {
                let mut bits = Bits::NONE;
                places.for_each(|place| bits.add(place.into()));
                groups.push((value.to_owned(), bits));
            } else {
                // A list or an object is a group of its own, by its text.
                places.for_each(|place| doubtful.add(place.into()));
            }
        }
        Some(Self { groups, doubtful })
    }

    fn each(&self, which: &Bits, sink: &mut dyn Sink, line: impl Fn(usize) -> Line) {
        for (name, bits) in &self.groups {
            let places = which.and(bits);
            if places.is_empty() {
                continue;
            }
            if let Some(group) = sink.group(name) {
                places.places().for_each(|at| sink.add(group, &line(at)));
            }
        }
    }
}
