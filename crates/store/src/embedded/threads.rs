//! Overviews of threads, from the rows of their traces: no payload is opened,
//! and the number of queries does not depend on the number of threads.

use std::collections::{BTreeMap, HashMap, HashSet};

use assay_domain::trace::FeedbackScore;
use assay_domain::{RunStatus, ThreadId, ThreadOverview, Time, TraceId};
use rusqlite::{Connection, Row, params_from_iter};
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::columns;
use super::projects;
use super::reader::Problem;
use crate::ThreadQuery;
use crate::filter::sql::Sql;

/// One trace of a thread.
struct TraceRow {
    id: TraceId,
    runs: usize,
    start: Option<Time>,
    end: Option<Time>,
    latency: Option<i64>,
    status: RunStatus,
    tokens: [u64; 3],
    cost: Option<Decimal>,
    metadata: Option<String>,
    tags: Option<String>,
}

pub(crate) fn threads(connection: &Connection, query: &ThreadQuery) -> Result<Vec<ThreadOverview>, Problem> {
    let Some(project) = projects::key_of(connection, query.project)? else { return Ok(Vec::new()) };
    let matching = matching(connection, project, query)?;
    let mut feedback = feedback(connection, project)?;
    let mut statement = connection.prepare_cached(
        "SELECT traces.thread, traces.id, traces.runs, traces.start, traces.end, traces.latency, \
         traces.status, traces.input_tokens, traces.output_tokens, traces.total_tokens, traces.total_cost, \
         runs.metadata, runs.tags FROM traces LEFT JOIN runs ON runs.key = traces.root \
         WHERE traces.project = ? ORDER BY traces.thread",
    )?;
    let mut rows = statement.query([project])?;
    let mut overviews = Vec::new();
    let mut current: Option<(String, Vec<TraceRow>)> = None;
    let mut finish = |thread: String, traces: Vec<TraceRow>| {
        if is_active(&traces, query) {
            let feedback = feedback.remove(&thread).unwrap_or_default();
            overviews.push(overview(query, thread, traces, feedback));
        }
    };
    while let Some(row) = rows.next()? {
        let thread = row.get_ref(0)?.as_str().unwrap_or_default();
        if matching.as_ref().is_some_and(|matching| !matching.contains(thread)) {
            continue;
        }
        match &mut current {
            Some((known, traces)) if known == thread => traces.push(trace_row(row)?),
            _ => {
                let next = (thread.to_owned(), vec![trace_row(row)?]);
                if let Some((thread, traces)) = current.replace(next) {
                    finish(thread, traces);
                }
            }
        }
    }
    if let Some((thread, traces)) = current {
        finish(thread, traces);
    }
    Ok(overviews)
}

/// Threads with a run that matches the filter; `None` where there is no filter.
fn matching(
    connection: &Connection,
    project: i64,
    query: &ThreadQuery,
) -> Result<Option<HashSet<String>>, Problem> {
    let Some(filter) = &query.filter else { return Ok(None) };
    let mut sql = Sql::default();
    sql.push("SELECT DISTINCT traces.thread FROM runs CROSS JOIN traces ON traces.key = runs.trace WHERE runs.project = ");
    sql.bind(project).push(" AND ").condition(&filter.expression);
    let mut statement = connection.prepare_cached(&sql.text)?;
    let threads = statement.query_map(params_from_iter(sql.parameters), |row| row.get(0))?;
    Ok(Some(threads.collect::<Result<_, _>>()?))
}

fn trace_row(row: &Row<'_>) -> rusqlite::Result<TraceRow> {
    Ok(TraceRow {
        id: TraceId(columns::uuid(row, 1)?),
        runs: usize::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        start: columns::time(row, 3)?,
        end: columns::time(row, 4)?,
        latency: row.get(5)?,
        status: columns::status(row.get_ref(6)?.as_str().unwrap_or_default()),
        tokens: [columns::tokens(row, 7)?, columns::tokens(row, 8)?, columns::tokens(row, 9)?],
        cost: columns::decimal(row, 10)?,
        metadata: row.get(11)?,
        tags: row.get(12)?,
    })
}

/// Whether some trace overlaps the window. Without times nothing is known to.
fn is_active(traces: &[TraceRow], query: &ThreadQuery) -> bool {
    if query.start_time.is_none() && query.end_time.is_none() {
        return true;
    }
    traces.iter().any(|trace| {
        let (Some(start), Some(end)) = (trace.start.or(trace.end), trace.end.or(trace.start)) else {
            return false;
        };
        query.start_time.is_none_or(|from| end >= from) && query.end_time.is_none_or(|until| start < until)
    })
}

fn overview(
    query: &ThreadQuery,
    thread: String,
    mut traces: Vec<TraceRow>,
    feedback: BTreeMap<String, FeedbackScore>,
) -> ThreadOverview {
    traces.sort_by_key(|trace| (trace.start.is_none(), trace.start, trace.id));
    let is_failed = traces.iter().any(|trace| trace.status == RunStatus::Error);
    let is_pending = traces.last().is_some_and(|trace| trace.status == RunStatus::Pending);
    let mut overview = ThreadOverview {
        id: ThreadId(thread),
        project: query.project,
        traces: traces.iter().map(|trace| trace.id).collect(),
        runs: traces.iter().map(|trace| trace.runs).sum(),
        start_time: traces.iter().filter_map(|trace| trace.start).min(),
        end_time: traces.iter().filter_map(|trace| trace.end).max(),
        latency: None,
        status: match (is_failed, is_pending) {
            (true, _) => RunStatus::Error,
            (false, true) => RunStatus::Pending,
            (false, false) => RunStatus::Success,
        },
        total_tokens: 0,
        input_tokens: 0,
        output_tokens: 0,
        total_cost: None,
        feedback,
        metadata: Map::new(),
        tags: Default::default(),
    };
    let mut micros: Option<i64> = None;
    for trace in traces {
        overview.input_tokens = overview.input_tokens.saturating_add(trace.tokens[0]);
        overview.output_tokens = overview.output_tokens.saturating_add(trace.tokens[1]);
        overview.total_tokens = overview.total_tokens.saturating_add(trace.tokens[2]);
        if let Some(latency) = trace.latency {
            micros = Some(micros.unwrap_or(0).saturating_add(latency));
        }
        if let Some(cost) = trace.cost {
            overview.total_cost = Some(overview.total_cost.unwrap_or_default().saturating_add(cost));
        }
        let metadata = trace.metadata.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
        overview.metadata.extend(metadata.into_iter().flatten());
        let tags = trace.tags.and_then(|text| serde_json::from_str::<Vec<String>>(&text).ok());
        overview.tags.extend(tags.into_iter().flatten());
    }
    overview.latency = micros.map(|micros| micros as f64 / 1e6);
    overview
}

/// Scores of one key on one thread, before they are added up.
#[derive(Default)]
struct Scores {
    count: usize,
    numbers: Vec<f64>,
    labels: BTreeMap<String, usize>,
}

/// Feedback by thread and key. Feedback on a trace counts even if its root never came.
fn feedback(
    connection: &Connection,
    project: i64,
) -> Result<HashMap<String, BTreeMap<String, FeedbackScore>>, Problem> {
    // From feedback to runs, not the other way: there is less of it.
    let mut statement = connection.prepare_cached(
        "SELECT traces.thread, feedback.name, feedback.score, feedback.label FROM feedback \
         CROSS JOIN runs ON runs.id = feedback.target CROSS JOIN traces ON traces.key = runs.trace \
         WHERE runs.project = ?1 \
         UNION ALL \
         SELECT traces.thread, feedback.name, feedback.score, feedback.label FROM feedback \
         CROSS JOIN traces ON traces.id = feedback.target \
         WHERE traces.project = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = feedback.target)",
    )?;
    let mut rows = statement.query([project])?;
    let mut scores: HashMap<String, BTreeMap<String, Scores>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let (score, label): (Option<f64>, Option<String>) = (row.get(2)?, row.get(3)?);
        if score.is_none() && label.is_none() {
            continue;
        }
        let scores = scores.entry(row.get(0)?).or_default().entry(row.get(1)?).or_default();
        scores.count += 1;
        scores.numbers.extend(score);
        if let Some(label) = label {
            *scores.labels.entry(label).or_default() += 1;
        }
    }
    let summed = |scores: BTreeMap<String, Scores>| {
        scores.into_iter().map(|(key, scores)| (key, sum(scores))).collect()
    };
    Ok(scores.into_iter().map(|(thread, scores)| (thread, summed(scores))).collect())
}

/// Adds up in order of size, so that the order of arrival does not show in the last digit.
fn sum(mut scores: Scores) -> FeedbackScore {
    scores.numbers.sort_by(f64::total_cmp);
    let mean = (!scores.numbers.is_empty())
        .then(|| scores.numbers.iter().sum::<f64>() / scores.numbers.len() as f64);
    FeedbackScore { count: scores.count, mean, labels: scores.labels }
}
