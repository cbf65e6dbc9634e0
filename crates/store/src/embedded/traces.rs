//! The `traces` table: what a trace amounts to, kept up to date in the same
//! transaction as its runs, in whatever order they arrive.
//!
//! A trace that is new in a transaction is summed up from memory; one that
//! was there before, or of which a run changed, is read again. Both ways end
//! in [`amount`], so they cannot disagree.

use std::collections::{HashMap, HashSet};

use assay_domain::{RunId, TraceId};
use rusqlite::{Connection, OptionalExtension, params};
use rust_decimal::Decimal;

use super::columns::{self, Columns};

/// What the sum needs of one run.
pub(crate) struct Summary {
    key: i64,
    id: RunId,
    parent: Option<RunId>,
    start: Option<i64>,
    end: Option<i64>,
    latency: Option<i64>,
    status: &'static str,
    tokens: [i64; 3],
    cost: Option<Decimal>,
    thread: Option<String>,
}

impl Summary {
    pub(crate) fn of(key: i64, columns: &Columns) -> Self {
        Self {
            key,
            id: columns.id,
            parent: columns.parent,
            start: columns.start,
            end: columns.end,
            latency: columns.latency,
            status: columns.status.as_str(),
            tokens: columns.tokens,
            cost: columns.cost,
            thread: columns.thread.clone(),
        }
    }
}

/// A trace that the transaction has to do with.
struct Touched {
    key: i64,
    /// Its runs, while all of them are in memory.
    runs: Option<Vec<Summary>>,
    is_changed: bool,
}

/// The traces that the transaction has to do with, by project and id.
#[derive(Default)]
pub(crate) struct Traces {
    touched: HashMap<(i64, TraceId), Touched>,
    /// Project and id of those that have no row yet, by key.
    fresh: HashMap<i64, (i64, TraceId)>,
}

impl Traces {
    /// The key of a trace; a new one gets the next.
    pub(crate) fn key(
        &mut self,
        connection: &Connection,
        project: i64,
        id: TraceId,
        next: &mut i64,
    ) -> rusqlite::Result<i64> {
        if let Some(touched) = self.touched.get(&(project, id)) {
            return Ok(touched.key);
        }
        let known: Option<i64> = connection
            .prepare_cached("SELECT key FROM traces WHERE id = ? AND project = ?")?
            .query_row(params![id.0.as_bytes(), project], |row| row.get(0))
            .optional()?;
        let key = known.unwrap_or(*next);
        if known.is_none() {
            *next += 1;
            self.fresh.insert(key, (project, id));
        }
        let runs = known.is_none().then(Vec::new);
        self.touched.insert((project, id), Touched { key, runs, is_changed: false });
        Ok(key)
    }

    /// Takes note of a run that was inserted.
    pub(crate) fn add(&mut self, project: i64, id: TraceId, run: Summary) {
        let Some(touched) = self.touched.get_mut(&(project, id)) else { return };
        touched.is_changed = true;
        if let Some(runs) = &mut touched.runs {
            runs.push(run);
        }
    }

    /// Takes note of a run that was changed in, moved to or moved from the trace with this key.
    pub(crate) fn change(&mut self, connection: &Connection, key: i64) -> rusqlite::Result<()> {
        let name = match self.fresh.get(&key) {
            Some(name) => *name,
            None => {
                let mut statement =
                    connection.prepare_cached("SELECT project, id FROM traces WHERE key = ?")?;
                statement.query_row([key], |row| Ok((row.get(0)?, TraceId(columns::uuid(row, 1)?))))?
            }
        };
        let touched = self.touched.entry(name).or_insert(Touched { key, runs: None, is_changed: true });
        touched.is_changed = true;
        touched.runs = None;
        Ok(())
    }

    /// Writes the rows of all changed traces.
    pub(crate) fn settle(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut touched: Vec<_> =
            self.touched.into_iter().filter(|(_, touched)| touched.is_changed).collect();
        touched.sort_unstable_by_key(|(_, touched)| touched.key);
        for ((project, id), Touched { key, runs, .. }) in touched {
            let runs = match runs {
                Some(runs) => runs,
                None => runs_of(connection, key)?,
            };
            match amount(id, &runs) {
                Some(amount) => write(connection, project, id, key, &amount)?,
                None => drop(connection.prepare_cached("DELETE FROM traces WHERE key = ?")?.execute([key])?),
            }
        }
        Ok(())
    }
}

/// What the runs of a trace amount to.
struct Amount {
    thread: String,
    root: i64,
    runs: usize,
    start: Option<i64>,
    end: Option<i64>,
    latency: Option<i64>,
    status: &'static str,
    tokens: [i64; 3],
    cost: Option<Decimal>,
}

/// `None` where there are no runs.
fn amount(id: TraceId, runs: &[Summary]) -> Option<Amount> {
    let root = root(id, runs)?;
    let earliest = || {
        let with_thread = runs.iter().filter(|run| run.thread.is_some());
        with_thread.min_by_key(|run| (run.start.is_none(), run.start, run.id))?.thread.clone()
    };
    let mut amount = Amount {
        thread: root.thread.clone().or_else(earliest).unwrap_or_else(|| id.to_string()),
        root: root.key,
        runs: runs.len(),
        start: runs.iter().filter_map(|run| run.start.or(run.end)).min(),
        end: runs.iter().filter_map(|run| run.end.max(run.start)).max(),
        latency: root.latency,
        status: root.status,
        tokens: [0; 3],
        cost: None,
    };
    for run in runs {
        for (sum, tokens) in amount.tokens.iter_mut().zip(run.tokens) {
            *sum = sum.saturating_add(tokens);
        }
        if let Some(cost) = run.cost {
            amount.cost = Some(amount.cost.unwrap_or_default().saturating_add(cost));
        }
    }
    Some(amount)
}

/// The run that stands for the trace, as [`assay_domain::Trace::root`] has it:
/// the one that gave it its id, else the earliest whose parent is not here.
fn root(id: TraceId, runs: &[Summary]) -> Option<&Summary> {
    let order = |run: &&Summary| (run.start, run.id);
    if let Some(root) = runs.iter().find(|run| TraceId::from(run.id) == id) {
        return Some(root);
    }
    let ids: HashSet<RunId> = runs.iter().map(|run| run.id).collect();
    let is_orphan =
        |run: &&Summary| run.parent.is_none_or(|parent| parent == run.id || !ids.contains(&parent));
    // Where parents run in a circle there is no orphan.
    runs.iter().filter(is_orphan).min_by_key(order).or_else(|| runs.iter().min_by_key(order))
}

fn runs_of(connection: &Connection, trace: i64) -> rusqlite::Result<Vec<Summary>> {
    let mut statement = connection.prepare_cached(
        "SELECT key, id, parent, start, end, latency, status, input_tokens, output_tokens, total_tokens, \
         cost, thread FROM runs WHERE trace = ?",
    )?;
    let rows = statement.query_map([trace], |row| {
        Ok(Summary {
            key: row.get(0)?,
            id: RunId(columns::uuid(row, 1)?),
            parent: columns::parent(row, 2)?,
            start: row.get(3)?,
            end: row.get(4)?,
            latency: row.get(5)?,
            status: columns::status(row.get_ref(6)?.as_str().unwrap_or_default()).as_str(),
            tokens: [row.get(7)?, row.get(8)?, row.get(9)?],
            cost: columns::decimal(row, 10)?,
            thread: row.get(11)?,
        })
    })?;
    rows.collect()
}

fn write(
    connection: &Connection,
    project: i64,
    id: TraceId,
    key: i64,
    amount: &Amount,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO traces (key, id, project, thread, root, runs, start, end, latency, status, input_tokens, \
         output_tokens, total_tokens, cost) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (key) DO UPDATE SET thread = excluded.thread, root = excluded.root, runs = excluded.runs, \
         start = excluded.start, end = excluded.end, latency = excluded.latency, status = excluded.status, \
         input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, \
         total_tokens = excluded.total_tokens, cost = excluded.cost",
    )?;
    statement.execute(params![
        key,
        id.0.as_bytes(),
        project,
        amount.thread,
        amount.root,
        amount.runs as i64,
        amount.start,
        amount.end,
        amount.latency,
        amount.status,
        amount.tokens[0],
        amount.tokens[1],
        amount.tokens[2],
        amount.cost.map(|cost| cost.to_string()),
    ])?;
    Ok(())
}
