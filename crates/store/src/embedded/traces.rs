//! The `traces` table: what a trace amounts to, kept up to date in the same
//! transaction as its runs, in whatever order they arrive; and what a project
//! holds, which follows from its traces.
//!
//! A trace that is new in a transaction is summed up from memory; one that
//! was there before, or of which a run changed, is read again. Both ways end
//! in [`amount`], so they cannot disagree.

use std::collections::{BTreeMap, HashMap, HashSet};

use assay_domain::{RunId, TraceId};
use rusqlite::{Connection, OptionalExtension, Row, params};
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
    /// Input, output, total.
    costs: [Option<Decimal>; 3],
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
            costs: columns.costs,
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
    /// Its row before the transaction.
    before: Option<Before>,
}

/// What its project's counters know of a trace.
#[derive(Clone)]
struct Before {
    thread: String,
    runs: i64,
    start: Option<i64>,
    end: Option<i64>,
    root: i64,
}

impl Before {
    /// Reads columns `thread, runs, start, end, root` from the one given on.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            thread: row.get(first)?,
            runs: row.get(first + 1)?,
            start: row.get(first + 2)?,
            end: row.get(first + 3)?,
            root: row.get(first + 4)?,
        })
    }
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
        let known: Option<(i64, Before)> = connection
            .prepare_cached(
                "SELECT key, thread, runs, start, end, root FROM traces WHERE id = ? AND project = ?",
            )?
            .query_row(params![id.0.as_bytes(), project], |row| Ok((row.get(0)?, Before::read(row, 1)?)))
            .optional()?;
        let is_new = known.is_none();
        let (key, before) = match known {
            Some((key, before)) => (key, Some(before)),
            None => (*next, None),
        };
        if is_new {
            *next += 1;
            self.fresh.insert(key, (project, id));
        }
        let runs = is_new.then(Vec::new);
        self.touched.insert((project, id), Touched { key, runs, is_changed: false, before });
        Ok(key)
    }

    /// The id of the trace with this key.
    pub(crate) fn id(&self, connection: &Connection, key: i64) -> rusqlite::Result<TraceId> {
        if let Some((_, id)) = self.fresh.get(&key) {
            return Ok(*id);
        }
        let mut statement = connection.prepare_cached("SELECT id FROM traces WHERE key = ?")?;
        statement.query_row([key], |row| Ok(TraceId(columns::uuid(row, 0)?)))
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
            None => self.load(connection, key)?,
        };
        if let Some(touched) = self.touched.get_mut(&name) {
            touched.is_changed = true;
            touched.runs = None;
        }
        Ok(())
    }

    /// Makes sure that a trace which has a row is among those touched.
    fn load(&mut self, connection: &Connection, key: i64) -> rusqlite::Result<(i64, TraceId)> {
        let mut statement = connection
            .prepare_cached("SELECT project, id, thread, runs, start, end, root FROM traces WHERE key = ?")?;
        let (name, before) = statement.query_row([key], |row| {
            Ok(((row.get(0)?, TraceId(columns::uuid(row, 1)?)), Before::read(row, 2)?))
        })?;
        let touched = Touched { key, runs: None, is_changed: true, before: Some(before) };
        self.touched.entry(name).or_insert(touched);
        Ok(name)
    }

    /// Writes the rows of all changed traces, and what their projects hold.
    /// Which runs stood for traces that were there before, and which do now.
    pub(super) fn settle(self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut roots = Vec::new();
        let mut touched: Vec<_> =
            self.touched.into_iter().filter(|(_, touched)| touched.is_changed).collect();
        touched.sort_unstable_by_key(|(_, touched)| touched.key);
        let mut projects: BTreeMap<i64, Holding> = BTreeMap::new();
        for ((project, id), Touched { key, runs, before, .. }) in touched {
            let runs = match runs {
                Some(runs) => runs,
                None => runs_of(connection, key)?,
            };
            let amount = amount(id, &runs);
            if let Some(before) = &before {
                roots.push(before.root);
                roots.extend(amount.as_ref().map(|amount| amount.root));
            }
            let holding = projects.entry(project).or_default();
            holding.change(connection, project, before.as_ref(), amount.as_ref(), || match &amount {
                Some(amount) => write(connection, project, id, key, amount),
                None => {
                    connection.prepare_cached("DELETE FROM traces WHERE key = ?")?.execute([key]).map(drop)
                }
            })?;
        }
        projects.into_iter().try_for_each(|(project, holding)| holding.write(connection, project))?;
        Ok(roots)
    }
}

/// How what a project holds changes.
#[derive(Default)]
struct Holding {
    runs: i64,
    traces: i64,
    threads: i64,
    start: Option<i64>,
    end: Option<i64>,
    /// Whether the earliest start or the latest end may be gone.
    is_cut: bool,
}

impl Holding {
    /// Takes note of a trace that was `before` and is now `after`; `write` writes its row.
    fn change(
        &mut self,
        connection: &Connection,
        project: i64,
        before: Option<&Before>,
        after: Option<&Amount>,
        write: impl FnOnce() -> rusqlite::Result<()>,
    ) -> rusqlite::Result<()> {
        let (old, new) = (before.map(|before| &before.thread), after.map(|after| &after.thread));
        let is_same_thread = old == new;
        if let Some(thread) = new.filter(|_| !is_same_thread) {
            self.threads += i64::from(!has_thread(connection, project, thread)?);
        }
        write()?;
        if let Some(thread) = old.filter(|_| !is_same_thread) {
            self.threads -= i64::from(!has_thread(connection, project, thread)?);
        }
        self.traces += i64::from(after.is_some()) - i64::from(before.is_some());
        self.runs += after.map_or(0, |after| after.runs as i64) - before.map_or(0, |before| before.runs);
        if let Some(before) = before {
            let start = after.and_then(|after| after.start);
            let end = after.and_then(|after| after.end);
            self.is_cut |= before.start.is_some_and(|before| start.is_none_or(|start| start > before));
            self.is_cut |= before.end.is_some_and(|before| end.is_none_or(|end| end < before));
        }
        let starts = [self.start, after.and_then(|after| after.start)];
        self.start = starts.into_iter().flatten().min();
        self.end = self.end.max(after.and_then(|after| after.end));
        Ok(())
    }

    fn write(self, connection: &Connection, project: i64) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE projects SET runs = runs + ?2, traces = traces + ?3, threads = threads + ?4,                  first_activity = coalesce(min(first_activity, ?5), first_activity, ?5),                  last_activity = coalesce(max(last_activity, ?6), last_activity, ?6) WHERE key = ?1",
            )?
            .execute(params![project, self.runs, self.traces, self.threads, self.start, self.end])?;
        if self.is_cut {
            connection
                .prepare_cached(
                    "UPDATE projects SET first_activity = (SELECT min(start) FROM traces WHERE project = ?1),                      last_activity = (SELECT max(end) FROM traces WHERE project = ?1) WHERE key = ?1",
                )?
                .execute([project])?;
        }
        Ok(())
    }
}

fn has_thread(connection: &Connection, project: i64, thread: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM traces WHERE project = ? AND thread = ? LIMIT 1")?
        .exists(params![project, thread])
}

/// What the runs of a trace amount to.
struct Amount {
    thread: String,
    is_threaded: bool,
    root: i64,
    runs: usize,
    start: Option<i64>,
    end: Option<i64>,
    latency: Option<i64>,
    status: &'static str,
    tokens: [i64; 3],
    costs: [Option<Decimal>; 3],
}

/// `None` where there are no runs.
fn amount(id: TraceId, runs: &[Summary]) -> Option<Amount> {
    let root = root(id, runs)?;
    let earliest = || {
        let with_thread = runs.iter().filter(|run| run.thread.is_some());
        with_thread.min_by_key(|run| (run.start.is_none(), run.start, run.id))?.thread.clone()
    };
    let thread = root.thread.clone().or_else(earliest);
    let mut amount = Amount {
        is_threaded: thread.is_some(),
        thread: thread.unwrap_or_else(|| id.to_string()),
        root: root.key,
        runs: runs.len(),
        start: runs.iter().filter_map(|run| run.start.or(run.end)).min(),
        end: runs.iter().filter_map(|run| run.end.max(run.start)).max(),
        latency: root.latency,
        status: root.status,
        tokens: [0; 3],
        costs: [None; 3],
    };
    for run in runs {
        for (sum, tokens) in amount.tokens.iter_mut().zip(run.tokens) {
            *sum = sum.saturating_add(tokens);
        }
        for (sum, cost) in amount.costs.iter_mut().zip(run.costs) {
            if let Some(cost) = cost {
                *sum = Some(sum.unwrap_or_default().saturating_add(cost));
            }
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
         input_cost, output_cost, total_cost, thread FROM runs WHERE trace = ?",
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
            costs: [columns::decimal(row, 10)?, columns::decimal(row, 11)?, columns::decimal(row, 12)?],
            thread: row.get(13)?,
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
        "INSERT INTO traces (key, id, project, thread, is_threaded, root, runs, start, end, activity, latency, \
         status, input_tokens, output_tokens, total_tokens, input_cost, output_cost, total_cost) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (key) DO UPDATE SET thread = excluded.thread, is_threaded = excluded.is_threaded, \
         root = excluded.root, runs = excluded.runs, start = excluded.start, end = excluded.end, \
         activity = excluded.activity, latency = excluded.latency, status = excluded.status, \
         input_tokens = excluded.input_tokens, output_tokens = excluded.output_tokens, \
         total_tokens = excluded.total_tokens, input_cost = excluded.input_cost, \
         output_cost = excluded.output_cost, total_cost = excluded.total_cost",
    )?;
    let [input_cost, output_cost, total_cost] = amount.costs.map(|cost| cost.map(|cost| cost.to_string()));
    statement.execute(params![
        key,
        id.0.as_bytes(),
        project,
        amount.thread,
        amount.is_threaded,
        amount.root,
        amount.runs as i64,
        amount.start,
        amount.end,
        amount.end.or(amount.start).unwrap_or(i64::MIN),
        amount.latency,
        amount.status,
        amount.tokens[0],
        amount.tokens[1],
        amount.tokens[2],
        input_cost,
        output_cost,
        total_cost,
    ])?;
    Ok(())
}
