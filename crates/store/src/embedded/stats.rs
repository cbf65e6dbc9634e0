//! What many runs add up to.
//!
//! Runs are read once, without their payloads; with a grouping twice, so that
//! only the groups that are shown are added up.

use std::cmp::Reverse;
use std::collections::HashMap;

use chrono::DateTime;
use rusqlite::{Connection, Row, params_from_iter};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::columns;
use super::digest::totals::Totals;
use super::digest::walk::{self, Side};
use super::feedback::{SUMMED, Sums};
use super::reader::Problem;
use super::select::{self, Scope};
use super::sketch::Sketch;
use crate::filter::sql::Sql;
use crate::{Grouping, RunStats, StatsQuery};

pub(super) const DEFAULT_GROUPS: usize = 5;

/// What is added up of one run. Times in microseconds.
pub(crate) struct Facts {
    pub(crate) start: Option<i64>,
    pub(crate) latency: Option<i64>,
    pub(crate) first_token: Option<i64>,
    pub(crate) has_ended: bool,
    pub(crate) has_failed: bool,
    pub(crate) tokens: [i64; 3],
    pub(crate) costs: [Option<Decimal>; 3],
}

pub(super) const FACTS: &str = "runs.start, runs.latency, runs.first_token, runs.status, runs.input_tokens, \
     runs.output_tokens, runs.total_tokens, runs.input_cost, runs.output_cost, runs.total_cost";
/// The same of a root, with the tokens and costs of its whole trace.
pub(super) const ROOT_FACTS: &str = "runs.start, runs.latency, runs.first_token, runs.status, \
     iif(whole.root = runs.key, whole.input_tokens, runs.input_tokens), \
     iif(whole.root = runs.key, whole.output_tokens, runs.output_tokens), \
     iif(whole.root = runs.key, whole.total_tokens, runs.total_tokens), \
     iif(whole.root = runs.key, whole.input_cost, runs.input_cost), \
     iif(whole.root = runs.key, whole.output_cost, runs.output_cost), \
     iif(whole.root = runs.key, whole.total_cost, runs.total_cost)";
/// How many columns [`FACTS`] has.
pub(super) const FACTS_WIDTH: usize = 10;

/// Reads [`FACTS`] from the column given on.
pub(super) fn facts(row: &Row<'_>, first: usize) -> rusqlite::Result<Facts> {
    let status = row.get_ref(first + 3)?.as_str().unwrap_or_default();
    let cost = |column: usize| columns::decimal(row, first + column);
    Ok(Facts {
        start: row.get(first)?,
        latency: row.get(first + 1)?,
        first_token: row.get(first + 2)?,
        has_ended: status != "pending",
        has_failed: status == "error",
        tokens: [row.get(first + 4)?, row.get(first + 5)?, row.get(first + 6)?],
        costs: [cost(7)?, cost(8)?, cost(9)?],
    })
}

/// A sum on its way. Digests keep some, without feedback.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Sum {
    pub(super) runs: u64,
    pub(super) ended: u64,
    pub(super) failed: u64,
    streamed: u64,
    last_start: Option<i64>,
    pub(super) latency: Sketch,
    pub(super) first_token: Sketch,
    pub(super) tokens: [u64; 3],
    token_sketches: [Sketch; 3],
    pub(super) costs: [Option<Decimal>; 3],
    cost: Sketch,
    #[serde(skip)]
    feedback: Sums,
}

impl Sum {
    pub(crate) fn add(&mut self, facts: &Facts) {
        self.runs += 1;
        self.ended += u64::from(facts.has_ended);
        self.failed += u64::from(facts.has_failed);
        self.streamed += u64::from(facts.first_token.is_some());
        self.last_start = self.last_start.max(facts.start);
        if let Some(latency) = facts.latency {
            self.latency.add(latency as f64);
        }
        let first_token =
            facts.first_token.zip(facts.start).and_then(|(first, start)| first.checked_sub(start));
        if let Some(micros) = first_token.filter(|&micros| micros >= 0) {
            self.first_token.add(micros as f64);
        }
        // Most runs call no model; they say nothing about how many tokens a call takes.
        let has_tokens = facts.tokens.iter().any(|&tokens| tokens > 0);
        for (side, &tokens) in facts.tokens.iter().enumerate() {
            self.tokens[side] = self.tokens[side].saturating_add(u64::try_from(tokens).unwrap_or(0));
            if has_tokens {
                self.token_sketches[side].add(tokens as f64);
            }
        }
        for (sum, cost) in self.costs.iter_mut().zip(facts.costs) {
            if let Some(cost) = cost {
                *sum = Some(sum.unwrap_or_default().saturating_add(cost));
            }
        }
        if let Some(cost) = facts.costs[2] {
            self.cost.add(rust_decimal::prelude::ToPrimitive::to_f64(&cost).unwrap_or(f64::MAX));
        }
    }

    /// Adds what other runs add up to.
    fn add_sum(&mut self, other: Self) {
        // Spelled out in full: a new field must not be forgotten here.
        let Self {
            runs,
            ended,
            failed,
            streamed,
            last_start,
            latency,
            first_token,
            tokens,
            token_sketches,
            costs,
            cost,
            feedback: _,
        } = other;
        self.runs += runs;
        self.ended += ended;
        self.failed += failed;
        self.streamed += streamed;
        self.last_start = self.last_start.max(last_start);
        self.latency.add_sketch(latency);
        self.first_token.add_sketch(first_token);
        for (sum, tokens) in self.tokens.iter_mut().zip(tokens) {
            *sum = sum.saturating_add(tokens);
        }
        for (sketch, other) in self.token_sketches.iter_mut().zip(token_sketches) {
            sketch.add_sketch(other);
        }
        for (sum, cost) in self.costs.iter_mut().zip(costs) {
            if let Some(cost) = cost {
                *sum = Some(sum.unwrap_or_default().saturating_add(cost));
            }
        }
        self.cost.add_sketch(cost);
    }

    /// The same in less room, for adding to others.
    pub(super) fn condense(mut self) -> Self {
        let [input, output, total] = &mut self.token_sketches;
        for sketch in [&mut self.latency, &mut self.first_token, &mut self.cost, input, output, total] {
            sketch.condense();
        }
        self
    }

    pub(crate) fn finish(self) -> RunStats {
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let seconds = |sketch: &Sketch, share| sketch.percentile(share).map(|micros| micros / 1e6);
        let [input, output, total] = &self.token_sketches;
        RunStats {
            runs: self.runs,
            latency_p50: seconds(&self.latency, 0.5),
            latency_p99: seconds(&self.latency, 0.99),
            first_token_p50: seconds(&self.first_token, 0.5),
            first_token_p99: seconds(&self.first_token, 0.99),
            input_tokens: self.tokens[0],
            output_tokens: self.tokens[1],
            total_tokens: self.tokens[2],
            input_tokens_p50: input.percentile(0.5),
            input_tokens_p99: input.percentile(0.99),
            output_tokens_p50: output.percentile(0.5),
            output_tokens_p99: output.percentile(0.99),
            total_tokens_p50: total.percentile(0.5),
            total_tokens_p99: total.percentile(0.99),
            input_cost: self.costs[0],
            output_cost: self.costs[1],
            total_cost: self.costs[2],
            cost_p50: self.cost.percentile(0.5),
            cost_p99: self.cost.percentile(0.99),
            error_rate: share(self.failed, self.ended),
            streaming_rate: share(self.streamed, self.runs),
            last_start_time: self.last_start.and_then(DateTime::from_timestamp_micros),
            feedback: self.feedback.finish(),
        }
    }
}

pub(crate) fn stats(connection: &Connection, query: &StatsQuery) -> Result<Vec<(String, RunStats)>, Problem> {
    select::check(&query.runs)?;
    let scopes = select::scopes(connection, &query.runs)?;
    let Some(grouping) = &query.grouping else {
        let mut sum = Sum::default();
        let rest = add_digests(connection, query, &scopes, &mut sum)?;
        each_run(connection, query, &rest, |row| {
            sum.add(&facts(row, 0)?);
            Ok(())
        })?;
        each_feedback(connection, query, &scopes, |row, first| sum.feedback.add(row, first))?;
        return Ok(vec![(String::new(), sum.finish())]);
    };
    let mut narrowed = Vec::new();
    for scope in scopes.iter().cloned() {
        narrowed.extend(walk::narrow(connection, &query.runs, scope)?);
    }
    let names = largest(connection, query, grouping, &narrowed)?;
    let places: HashMap<&str, usize> =
        names.iter().enumerate().map(|(place, name)| (name.as_str(), place)).collect();
    let mut sums: Vec<Sum> = names.iter().map(|_| Sum::default()).collect();
    each_run(connection, query, &narrowed, |row| {
        let facts = facts(row, 0)?;
        for group in groups(grouping, row, FACTS_WIDTH)? {
            if let Some(&place) = places.get(group.as_str()) {
                sums[place].add(&facts);
            }
        }
        Ok(())
    })?;
    each_feedback(connection, query, &scopes, |row, first| {
        for group in groups(grouping, row, 0)? {
            if let Some(&place) = places.get(group.as_str()) {
                sums[place].feedback.add(row, first)?;
            }
        }
        Ok(())
    })?;
    let sums: Vec<RunStats> = sums.into_iter().map(Sum::finish).collect();
    Ok(names.into_iter().zip(sums).collect())
}

/// Adds what digests know already; hands back where the other runs are.
fn add_digests(
    connection: &Connection,
    query: &StatsQuery,
    scopes: &[Scope],
    sum: &mut Sum,
) -> Result<Vec<Scope>, Problem> {
    let mut rest = Vec::new();
    for scope in scopes.iter().cloned() {
        rest.extend(match (&scope, walk::summed(&query.runs)) {
            (Scope::Project(project), Some(side)) => {
                walk::totals(connection, &query.runs, *project, |totals: Totals| {
                    sum.add_sum(match side {
                        Side::Runs => totals.runs,
                        Side::Roots => totals.roots,
                    });
                })?
            }
            _ => walk::narrow(connection, &query.runs, scope)?,
        });
    }
    Ok(rest)
}

/// The groups with the most runs, the largest first, then by name.
fn largest(
    connection: &Connection,
    query: &StatsQuery,
    grouping: &Grouping,
    scopes: &[Scope],
) -> Result<Vec<String>, Problem> {
    let mut counts: HashMap<String, u64> = HashMap::new();
    each_run(connection, query, scopes, |row| {
        for group in groups(grouping, row, FACTS_WIDTH)? {
            *counts.entry(group).or_default() += 1;
        }
        Ok(())
    })?;
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|(a, more), (b, less)| (Reverse(more), a).cmp(&(Reverse(less), b)));
    counts.truncate(if query.max_groups == 0 { DEFAULT_GROUPS } else { query.max_groups });
    Ok(counts.into_iter().map(|(name, _)| name).collect())
}

/// The column that a grouping looks at.
pub(super) fn group_column(grouping: Option<&Grouping>) -> &'static str {
    match grouping {
        None => "NULL",
        Some(Grouping::Name) => "runs.name",
        Some(Grouping::Kind) => "runs.kind",
        Some(Grouping::Tag) => "runs.tags",
        Some(Grouping::Metadata(_)) => "runs.metadata",
        Some(Grouping::Thread) => "(SELECT traces.thread FROM traces WHERE traces.key = runs.trace)",
    }
}

/// The groups a run belongs to: one, several by tag, or none.
pub(super) fn groups(grouping: &Grouping, row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<String>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else { return Ok(Vec::new()) };
    Ok(match grouping {
        Grouping::Name | Grouping::Kind | Grouping::Thread => vec![text.to_owned()],
        Grouping::Tag => {
            let mut tags: Vec<String> = serde_json::from_str(text).unwrap_or_default();
            tags.sort_unstable();
            tags.dedup();
            tags
        }
        Grouping::Metadata(key) => {
            let metadata: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
            match metadata.get(key) {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::String(text)) => vec![text.clone()],
                Some(other) => vec![other.to_string()],
            }
        }
    })
}

fn each_run(
    connection: &Connection,
    query: &StatsQuery,
    scopes: &[Scope],
    mut see: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> Result<(), Problem> {
    let group = group_column(query.grouping.as_ref());
    for scope in scopes {
        let text = match query.runs.is_root {
            Some(true) => {
                format!(
                    "SELECT {ROOT_FACTS}, {group} FROM runs CROSS JOIN traces AS whole ON whole.key = runs.trace"
                )
            }
            _ => format!("SELECT {FACTS}, {group} FROM runs"),
        };
        let mut sql = Sql { text, ..Sql::default() };
        select::conditions(&mut sql, &query.runs, scope);
        let mut statement = connection.prepare_cached(&sql.text)?;
        let mut rows = statement.query(params_from_iter(sql.parameters))?;
        while let Some(row) = rows.next()? {
            see(row)?;
        }
    }
    Ok(())
}

/// Feedback about the selected runs, after the column of the grouping.
fn each_feedback(
    connection: &Connection,
    query: &StatsQuery,
    scopes: &[Scope],
    mut see: impl FnMut(&Row<'_>, usize) -> rusqlite::Result<()>,
) -> Result<(), Problem> {
    let group = group_column(query.grouping.as_ref());
    for scope in scopes {
        // There is less feedback than runs, unless the runs are few.
        let tables = match scope {
            Scope::Project(_) => "feedback CROSS JOIN runs ON runs.id = feedback.target",
            _ => "runs CROSS JOIN feedback ON feedback.target = runs.id",
        };
        let mut sql = Sql { text: format!("SELECT {group}, {SUMMED} FROM {tables}"), ..Sql::default() };
        select::conditions(&mut sql, &query.runs, scope);
        if let Scope::Project(key) = scope {
            sql.push(" AND feedback.project = ").bind(*key);
        }
        let mut statement = connection.prepare_cached(&sql.text)?;
        let mut rows = statement.query(params_from_iter(sql.parameters))?;
        while let Some(row) = rows.next()? {
            see(row, 1)?;
        }
    }
    Ok(())
}
