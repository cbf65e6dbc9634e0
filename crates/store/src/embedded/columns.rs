//! The narrow columns of a run: what can be known without opening its payload.

use assay_domain::{ProjectId, Run, RunId, RunKind, RunPatch, RunStatus, ThreadId, Time, TraceId};
use chrono::DateTime;
use rusqlite::{Row, Statement};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::format::Record;
use crate::{CORRUPT_KEY, RunRow};

/// So much of an error, in bytes, is kept for filters and lists.
const MAX_ERROR: usize = 8_192;

/// What of a run goes into columns. Times and durations in microseconds.
pub(crate) struct Columns {
    pub(crate) id: RunId,
    pub(crate) trace: TraceId,
    pub(crate) parent: Option<RunId>,
    pub(crate) kind: RunKind,
    pub(crate) status: RunStatus,
    pub(crate) start: Option<i64>,
    pub(crate) end: Option<i64>,
    pub(crate) first_token: Option<i64>,
    pub(crate) latency: Option<i64>,
    pub(crate) tokens: [i64; 3],
    /// Input, output, total.
    pub(crate) costs: [Option<Decimal>; 3],
    pub(crate) name: String,
    pub(crate) model: Option<String>,
    pub(crate) thread: Option<String>,
    pub(crate) reference_example: Option<String>,
    pub(crate) tags: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) metadata: Option<String>,
    /// Not a column: whether the run knows its place in its trace.
    pub(crate) has_order: bool,
}

pub(crate) const INSERT_RUN: &str = "INSERT INTO runs (id, project, trace, parent, kind, status, moment, \
     start, end, first_token, latency, input_tokens, output_tokens, total_tokens, input_cost, output_cost, \
     total_cost, name, model, thread, reference_example, tags, error, metadata, seen, key) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (id) DO NOTHING";

/// The same parameters; a run keeps its id and its project.
pub(crate) const UPDATE_RUN: &str = "UPDATE runs SET trace = ?3, parent = ?4, kind = ?5, status = ?6, \
     moment = ?7, start = ?8, end = ?9, first_token = ?10, latency = ?11, input_tokens = ?12, \
     output_tokens = ?13, total_tokens = ?14, input_cost = ?15, output_cost = ?16, total_cost = ?17, \
     name = ?18, model = ?19, thread = ?20, reference_example = ?21, tags = ?22, error = ?23, metadata = ?24, \
     seen = ?25 WHERE key = ?26";

/// The same where no column of an index changes: SQLite would write the entries again all the same.
pub(crate) const UPDATE_IN_PLACE: &str = "UPDATE runs SET kind = ?5, status = ?6, start = ?8, end = ?9, \
     first_token = ?10, latency = ?11, input_tokens = ?12, output_tokens = ?13, total_tokens = ?14, \
     input_cost = ?15, output_cost = ?16, total_cost = ?17, name = ?18, model = ?19, thread = ?20, \
     tags = ?22, error = ?23, metadata = ?24, seen = ?25 WHERE key = ?26";

/// Columns for reading rows: of `runs`, joined to `traces` and `projects`.
pub(crate) const ROW: &str = "runs.id, projects.id, traces.id, runs.parent, traces.thread, runs.name, \
     runs.kind, runs.status, runs.start, runs.end, runs.first_token, runs.latency, runs.model, \
     runs.input_tokens, runs.output_tokens, runs.total_tokens, runs.total_cost, runs.error, runs.tags, \
     runs.metadata, runs.reference_example, runs.moment";

pub(crate) const ROW_TABLES: &str =
    "runs JOIN traces ON traces.key = runs.trace JOIN projects ON projects.key = runs.project";

impl Columns {
    pub(crate) fn of(run: &Run) -> Self {
        let start = run.start_time.map(|time| time.timestamp_micros());
        let end = run.end_time.map(|time| time.timestamp_micros());
        let latency =
            start.zip(end).and_then(|(start, end)| end.checked_sub(start)).filter(|&micros| micros >= 0);
        let usage = run.usage.as_ref();
        let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
        Self {
            id: run.id,
            trace: run.trace,
            parent: run.parent,
            kind: run.kind,
            status: run.status(),
            start,
            end,
            first_token: run.first_token_time.map(|time| time.timestamp_micros()),
            latency,
            tokens: usage.map_or([0; 3], |usage| {
                [count(usage.input_tokens), count(usage.output_tokens), count(usage.total_tokens)]
            }),
            costs: run
                .cost
                .as_ref()
                .map_or([None; 3], |cost| [Some(cost.input), Some(cost.output), Some(cost.total)]),
            name: run.name.clone(),
            model: run.model().map(str::to_owned),
            thread: run.thread.as_ref().map(|thread| thread.0.clone()),
            reference_example: run.reference_example.clone(),
            tags: (!run.tags.is_empty()).then(|| json(&run.tags)),
            error: run.error.as_deref().map(|error| cut(error, MAX_ERROR).to_owned()),
            metadata: (!run.metadata.is_empty()).then(|| json(&run.metadata)),
            has_order: run.dotted_order.is_some(),
        }
    }

    /// Orders pages: start, else end, else the least integer.
    pub(crate) fn moment(&self) -> i64 {
        self.start.or(self.end).unwrap_or(i64::MIN)
    }

    /// Runs [`INSERT_RUN`], [`UPDATE_RUN`] or [`UPDATE_IN_PLACE`]; how many rows it touched.
    pub(crate) fn write(
        &self,
        statement: &mut Statement<'_>,
        key: i64,
        project: i64,
        trace: i64,
        seen: &[u8],
    ) -> rusqlite::Result<usize> {
        let [input_cost, output_cost, total_cost] = self.costs.map(|cost| cost.map(|cost| cost.to_string()));
        statement.execute(rusqlite::params![
            self.id.0.as_bytes(),
            project,
            trace,
            self.parent.as_ref().map(|parent| parent.0.as_bytes()),
            self.kind.as_str(),
            self.status.as_str(),
            self.moment(),
            self.start,
            self.end,
            self.first_token,
            self.latency,
            self.tokens[0],
            self.tokens[1],
            self.tokens[2],
            input_cost,
            output_cost,
            total_cost,
            self.name,
            self.model,
            self.thread,
            self.reference_example,
            self.tags,
            self.error,
            self.metadata,
            seen,
            key,
        ])
    }
}

/// Reads a row selected by [`ROW`].
pub(crate) fn read_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let tags: Option<String> = row.get(18)?;
    let metadata: Option<String> = row.get(19)?;
    Ok(RunRow {
        id: RunId(uuid(row, 0)?),
        project: ProjectId(uuid(row, 1)?),
        trace: TraceId(uuid(row, 2)?),
        parent: parent(row, 3)?,
        thread: ThreadId(row.get(4)?),
        name: row.get(5)?,
        kind: RunKind::parse(row.get_ref(6)?.as_str().unwrap_or_default()).unwrap_or_default(),
        status: status(row.get_ref(7)?.as_str().unwrap_or_default()),
        start_time: time(row, 8)?,
        end_time: time(row, 9)?,
        first_token_time: time(row, 10)?,
        latency: row.get::<_, Option<i64>>(11)?.map(|micros| micros as f64 / 1e6),
        model: row.get(12)?,
        input_tokens: tokens(row, 13)?,
        output_tokens: tokens(row, 14)?,
        total_tokens: tokens(row, 15)?,
        total_cost: decimal(row, 16)?,
        error: row.get(17)?,
        tags: tags.and_then(|tags| serde_json::from_str(&tags).ok()).unwrap_or_default(),
        metadata: metadata.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        reference_example: row.get(20)?,
    })
}

/// A run whose payload is damaged: what the columns know, and what is wrong.
pub(crate) fn salvage(row: RunRow, own_thread: Option<String>, why: &str) -> Run {
    let mut run = Run::unknown(row.id, row.project);
    run.trace = row.trace;
    run.parent = row.parent;
    run.thread = own_thread.map(ThreadId);
    run.name = row.name;
    run.kind = row.kind;
    run.start_time = row.start_time;
    run.end_time = row.end_time;
    run.first_token_time = row.first_token_time;
    run.error = row.error;
    run.tags = row.tags;
    run.metadata = row.metadata;
    run.extra = Map::from_iter([(CORRUPT_KEY.to_owned(), Value::from(why))]);
    if row.total_tokens > 0 || row.total_cost.is_some() {
        run.usage = Some(assay_domain::Usage {
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            total_tokens: row.total_tokens,
            ..Default::default()
        });
    }
    run.cost = row.total_cost.map(|total| assay_domain::Cost { total, ..Default::default() });
    run
}

/// What is left of a damaged run, as if it had arrived as one update.
pub(crate) fn as_record(run: Run) -> Record {
    let updates = RunPatch {
        trace: Some(run.trace),
        parent: run.parent,
        thread: run.thread,
        name: Some(run.name),
        kind: Some(run.kind),
        start_time: run.start_time,
        end_time: run.end_time,
        first_token_time: run.first_token_time,
        error: run.error,
        tags: Some(run.tags),
        metadata: Some(run.metadata),
        extra: Some(run.extra),
        usage: run.usage,
        ..RunPatch::default()
    };
    Record { creation: None, updates: Some(updates), cost: run.cost }
}

pub(crate) fn status(text: &str) -> RunStatus {
    match text {
        "error" => RunStatus::Error,
        "success" => RunStatus::Success,
        _ => RunStatus::Pending,
    }
}

/// The id in a column that may be null.
pub(crate) fn parent(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<RunId>> {
    Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(|bytes| RunId(Uuid::from_bytes(bytes))))
}

pub(crate) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get::<_, [u8; 16]>(column).map(Uuid::from_bytes)
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.and_then(DateTime::from_timestamp_micros))
}

pub(crate) fn tokens(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0))
}

pub(crate) fn decimal(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Decimal>> {
    Ok(row.get_ref(column)?.as_str_or_null().ok().flatten().and_then(|text| text.parse().ok()))
}

/// The beginning of a text, at most so many bytes.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("maps have string keys")
}
