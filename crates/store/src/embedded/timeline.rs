//! What runs add up to over time.
//!
//! Sums and lines come from digests where there are any, else from the runs. With a
//! grouping they are gone through twice, so that only the groups that are
//! shown are added up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, params, params_from_iter};
use rust_decimal::prelude::ToPrimitive as _;

use super::digest::lines::{self, Line, Sink};
use super::digest::walk::Side;
use super::projects;
use super::reader::Problem;
use super::select::{self, Scope};
use super::sketch::Sketch;
use super::stats::{DEFAULT_GROUPS, FACTS, FACTS_WIDTH, Sum, facts, group_column, groups};
use crate::filter::sql::Sql;
use crate::{
    Error, FeedbackInterval, FeedbackTimeline, FeedbackTimelineQuery, Interval, RunQuery, Timeline,
    TimelineQuery,
};

/// Longer timelines are refused.
const MAX_INTERVALS: usize = 1_000;

/// Which interval a moment belongs to.
#[derive(Clone, Copy)]
struct Intervals {
    start: i64,
    step: i64,
    count: usize,
}

impl Intervals {
    fn new(start: assay_domain::Time, step: std::time::Duration, count: usize) -> Result<Self, Error> {
        if count == 0 || count > MAX_INTERVALS {
            return Err(Error::Invalid(format!("{count} intervals; ask for 1 to {MAX_INTERVALS} at a time")));
        }
        let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
        Ok(Self { start: start.timestamp_micros(), step, count })
    }

    fn end(self) -> i64 {
        let length = self.step.saturating_mul(i64::try_from(self.count).unwrap_or(i64::MAX));
        self.start.saturating_add(length)
    }

    fn of(self, moment: i64) -> Option<usize> {
        let past = moment.checked_sub(self.start).filter(|&past| past >= 0)?;
        usize::try_from(past / self.step).ok().filter(|&place| place < self.count)
    }
}

/// An interval on its way. Times in microseconds.
#[derive(Clone, Default)]
struct Slot {
    runs: u64,
    ended: u64,
    failed: u64,
    latency: Sketch,
    first_token: Sketch,
    tokens: [u64; 3],
    cost: Option<f64>,
}

impl Slot {
    fn add(&mut self, line: &Line) {
        self.runs += 1;
        self.ended += u64::from(line.has_ended);
        self.failed += u64::from(line.has_failed);
        if let Some(micros) = line.latency {
            self.latency.add(micros as f64);
        }
        if let Some(micros) = line.first_token {
            self.first_token.add(micros as f64);
        }
        self.add_usage(line.tokens, line.cost);
    }

    /// Adds what other runs add up to, without their tokens and costs.
    fn add_sum(&mut self, sum: Sum) {
        self.runs += sum.runs;
        self.ended += sum.ended;
        self.failed += sum.failed;
        self.latency.add_sketch(sum.latency);
        self.first_token.add_sketch(sum.first_token);
    }

    fn add_usage(&mut self, tokens: [u64; 3], cost: Option<f64>) {
        for (sum, tokens) in self.tokens.iter_mut().zip(tokens) {
            *sum = sum.saturating_add(tokens);
        }
        if let Some(cost) = cost {
            *self.cost.get_or_insert(0.0) += cost;
        }
    }

    /// Adds another interval.
    fn add_slot(&mut self, other: Self) {
        self.runs += other.runs;
        self.ended += other.ended;
        self.failed += other.failed;
        self.latency.add_sketch(other.latency);
        self.first_token.add_sketch(other.first_token);
        self.add_usage(other.tokens, other.cost);
    }

    fn finish(self) -> Interval {
        let seconds = |sketch: &Sketch, share| sketch.percentile(share).map(|micros| micros / 1e6);
        Interval {
            runs: self.runs,
            ended: self.ended,
            failed: self.failed,
            latency_p50: seconds(&self.latency, 0.5),
            latency_p99: seconds(&self.latency, 0.99),
            first_token_p50: seconds(&self.first_token, 0.5),
            first_token_p99: seconds(&self.first_token, 0.99),
            input_tokens: self.tokens[0],
            output_tokens: self.tokens[1],
            total_tokens: self.tokens[2],
            total_cost: self.cost,
        }
    }
}

/// Adds up the groups it knows.
struct Adding {
    intervals: Intervals,
    without_usage: bool,
    places: HashMap<String, usize>,
    slots: Vec<Vec<Slot>>,
}

impl Sink for Adding {
    fn group(&mut self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    fn only_counts(&self) -> bool {
        false
    }

    fn add(&mut self, group: usize, line: &Line) {
        let slot = self.intervals.of(line.moment).and_then(|place| self.slots.get_mut(group)?.get_mut(place));
        if let Some(slot) = slot {
            slot.add(line);
        }
    }

    fn takes_sum(&self, side: Side, first: i64, last: i64) -> bool {
        // The sums of roots have what their traces used, not what they used themselves.
        let has_usage = side == Side::Runs || self.without_usage;
        has_usage && self.intervals.of(first).is_some_and(|place| self.intervals.of(last) == Some(place))
    }

    fn add_sum(&mut self, moment: i64, sum: Sum) {
        let slots = self.slots.first_mut();
        let slot = self.intervals.of(moment).and_then(|place| slots?.get_mut(place));
        if let Some(slot) = slot {
            slot.add_usage(sum.tokens, sum.costs[2].and_then(|cost| cost.to_f64()));
            slot.add_sum(sum);
        }
    }
}

/// Finds out which groups are large.
#[derive(Default)]
struct Counting {
    places: HashMap<String, usize>,
    counts: Vec<u64>,
}

impl Sink for Counting {
    fn group(&mut self, name: &str) -> Option<usize> {
        if let Some(&place) = self.places.get(name) {
            return Some(place);
        }
        self.places.insert(name.to_owned(), self.counts.len());
        self.counts.push(0);
        Some(self.counts.len() - 1)
    }

    fn only_counts(&self) -> bool {
        true
    }

    fn add(&mut self, group: usize, _: &Line) {
        if let Some(count) = self.counts.get_mut(group) {
            *count += 1;
        }
    }

    fn takes_sum(&self, _: Side, _: i64, _: i64) -> bool {
        false
    }

    fn add_sum(&mut self, _: i64, _: Sum) {}
}

pub(crate) fn timeline(connection: &Connection, query: &TimelineQuery) -> Result<Vec<Timeline>, Problem> {
    let intervals = Intervals::new(query.start, query.step, query.intervals)?;
    select::check(&query.runs)?;
    let last = chrono::DateTime::from_timestamp_micros(intervals.end());
    let start = query.runs.start.max(Some(query.start));
    let end = [query.runs.end, last].into_iter().flatten().min();
    let runs = RunQuery { start, end, cursor: None, ..query.runs.clone() };
    let names = match &query.grouping {
        None => vec![String::new()],
        Some(_) => largest(connection, query, &runs)?,
    };
    let places = names.iter().enumerate().map(|(place, name)| (name.clone(), place)).collect();
    let slots = names.iter().map(|_| vec![Slot::default(); intervals.count]).collect();
    let mut sum = Adding { intervals, without_usage: query.without_usage, places, slots };
    each(connection, query, &runs, &mut sum)?;
    Ok(names.into_iter().zip(sum.slots).map(|(name, slots)| line(name, slots, query.without_usage)).collect())
}

fn line(name: String, mut slots: Vec<Slot>, without_usage: bool) -> Timeline {
    let mut whole = Slot::default();
    for slot in &mut slots {
        if without_usage {
            (slot.tokens, slot.cost) = ([0; 3], None);
        }
        whole.add_slot(slot.clone());
    }
    Timeline { name, intervals: slots.into_iter().map(Slot::finish).collect(), whole: whole.finish() }
}

/// The groups with the most runs, the largest first, then by name.
fn largest(connection: &Connection, query: &TimelineQuery, runs: &RunQuery) -> Result<Vec<String>, Problem> {
    let mut counting = Counting::default();
    each(connection, query, runs, &mut counting)?;
    let Counting { places, counts } = counting;
    let mut sized: Vec<(u64, String)> =
        places.into_iter().map(|(name, place)| (counts.get(place).copied().unwrap_or(0), name)).collect();
    sized.retain(|(count, _)| *count > 0);
    sized.sort_unstable_by(|(more, a), (less, b)| (Reverse(more), a).cmp(&(Reverse(less), b)));
    sized.truncate(if query.max_groups == 0 { DEFAULT_GROUPS } else { query.max_groups });
    Ok(sized.into_iter().map(|(_, name)| name).collect())
}

fn each(
    connection: &Connection,
    query: &TimelineQuery,
    runs: &RunQuery,
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    let grouping = query.grouping.as_ref();
    for scope in select::scopes(connection, runs)? {
        let rest = match scope {
            Scope::Project(project) => lines::each(connection, runs, project, grouping, sink)?,
            scope => vec![scope],
        };
        for scope in rest {
            each_run(connection, query, runs, &scope, sink)?;
        }
    }
    Ok(())
}

/// The lines of runs that are asked themselves.
fn each_run(
    connection: &Connection,
    query: &TimelineQuery,
    runs: &RunQuery,
    scope: &Scope,
    sink: &mut dyn Sink,
) -> Result<(), Problem> {
    let group = group_column(query.grouping.as_ref());
    let mut sql = Sql { text: format!("SELECT {FACTS}, {group}, runs.moment FROM runs"), ..Sql::default() };
    select::conditions(&mut sql, runs, scope);
    let mut statement = connection.prepare_cached(&sql.text)?;
    let mut rows = statement.query(params_from_iter(sql.parameters))?;
    while let Some(row) = rows.next()? {
        let facts = facts(row, 0)?;
        let first_token =
            facts.first_token.zip(facts.start).and_then(|(first, start)| first.checked_sub(start));
        let line = Line {
            latency: facts.latency,
            first_token: first_token.filter(|&micros| micros >= 0),
            has_ended: facts.has_ended,
            has_failed: facts.has_failed,
            tokens: facts.tokens.map(|tokens| tokens.max(0).unsigned_abs()),
            cost: facts.costs[2].and_then(|cost| cost.to_f64()),
            ..Line::at(row.get(FACTS_WIDTH + 1)?)
        };
        let names = match &query.grouping {
            None => vec![String::new()],
            Some(grouping) => groups(grouping, row, FACTS_WIDTH)?,
        };
        for name in names {
            if let Some(group) = sink.group(&name) {
                sink.add(group, &line);
            }
        }
    }
    Ok(())
}

// ------------------------------------------------------------------ feedback

/// The keys with the most feedback, with what was said in each interval.
pub(crate) fn feedback(
    connection: &Connection,
    query: &FeedbackTimelineQuery,
) -> Result<Vec<FeedbackTimeline>, Problem> {
    let intervals = Intervals::new(query.start, query.step, query.intervals)?;
    let Some(project) = projects::key_of(connection, query.project)? else { return Ok(Vec::new()) };
    // What came without a moment of its own stands where its run does.
    let mut statement = connection.prepare_cached(
        "SELECT name, score, created FROM feedback WHERE project = ?1 AND created >= ?2 AND created < ?3 \
         UNION ALL SELECT feedback.name, feedback.score, runs.start FROM feedback CROSS JOIN runs \
         ON runs.id = feedback.target WHERE feedback.project = ?1 AND feedback.created IS NULL \
         AND runs.start >= ?2 AND runs.start < ?3",
    )?;
    let mut rows = statement.query(params![project, intervals.start, intervals.end()])?;
    // Number of all, and sum and number of scores.
    let mut keys: BTreeMap<String, Vec<(u64, f64, u64)>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let Some(place) = intervals.of(row.get(2)?) else { continue };
        let slots = keys.entry(row.get(0)?).or_insert_with(|| vec![(0, 0.0, 0); intervals.count]);
        let slot = &mut slots[place];
        slot.0 += 1;
        if let Some(score) = row.get::<_, Option<f64>>(1)? {
            slot.1 += score;
            slot.2 += 1;
        }
    }
    let mean = |sum: f64, count: u64| (count > 0).then(|| sum / count as f64);
    let mut found: Vec<FeedbackTimeline> = keys
        .into_iter()
        .map(|(key, slots)| FeedbackTimeline {
            key,
            intervals: slots
                .into_iter()
                .map(|(count, sum, scores)| FeedbackInterval { count, mean: mean(sum, scores) })
                .collect(),
        })
        .collect();
    found.sort_by_key(|line| Reverse(line.intervals.iter().map(|interval| interval.count).sum::<u64>()));
    Ok(found)
}
