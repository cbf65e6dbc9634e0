//! Which runs a query means: conditions, the way in, pages and counts.
//!
//! A query that names runs, traces, a parent, examples or a thread is answered
//! by their index; any other walks the runs of each project by time. Pages
//! are lists of keys: whoever wants more reads the rows of these.

use std::borrow::Cow;
use std::time::Duration;

use assay_domain::{ProjectId, RunId};
use rusqlite::{Connection, params_from_iter};
use uuid::Uuid;

use super::digest::walk;
use super::patience::Deadline;
use super::projects;
use super::reader::Problem;
use super::root;
use crate::filter::sql::{Near, Sql};
use crate::filter::{Column, Expression, Scalar, Test};
use crate::{Error, Order, RunQuery, Tally};

/// Longer pages are cut to this.
const MAX_PAGE: usize = 100_000;
const DEFAULT_PAGE: usize = 100;
/// So many ids can be asked for at once.
const MAX_IDS: usize = 10_000;

/// So many runs are asked at once.
pub(super) const KEYS: usize = 64;

/// Where a project has no more feedback than this, feedback leads to runs instead of runs to feedback.
const FEW_FEEDBACK: i64 = 50_000;

/// Keys of runs in order, and where the next page begins.
pub(crate) struct Keys {
    pub(crate) keys: Vec<i64>,
    pub(crate) first: Option<String>,
    pub(crate) next: Option<String>,
}

pub(crate) fn page(connection: &Connection, query: &RunQuery) -> Result<Keys, Problem> {
    check(query)?;
    let query = resolved(connection, query)?;
    let query = query.as_ref();
    let limit = if query.limit == 0 { DEFAULT_PAGE } else { query.limit.min(MAX_PAGE) };
    let cursor = query.cursor.as_deref().map(read_cursor).transpose()?;
    // One more than asked for tells whether there is a next page.
    let wanted = limit + 1;
    let mut found = Vec::new();
    let scopes = scopes(connection, query)?;
    // Of several projects, all have to be looked at.
    let deadline = Deadline::after(query.patience.filter(|_| scopes.len() == 1));
    let mut cut = None;
    for scope in scopes {
        found.extend(match scope {
            Scope::Project(project) if walk::helps(connection, query, project)? => {
                let part = walk::page(connection, query, project, cursor, wanted, deadline)?;
                cut = part.cut;
                part.found
            }
            scope => page_in(connection, query, &scope, cursor, wanted)?,
        });
    }
    found.sort_unstable();
    if query.order == Order::NewestFirst {
        found.reverse();
    }
    let has_more = found.len() > limit;
    found.truncate(limit);
    let place = |(moment, key): &(i64, i64)| format!("{moment}.{key}");
    let first = found.first().map(place);
    let next = found.last().filter(|_| has_more).or(cut.as_ref()).map(place);
    Ok(Keys { keys: found.into_iter().map(|(_, key)| key).collect(), first, next })
}

/// The first runs of one scope that match, as moment and key.
pub(super) fn page_in(
    connection: &Connection,
    query: &RunQuery,
    scope: &Scope,
    cursor: Option<(i64, i64)>,
    limit: usize,
) -> Result<Vec<(i64, i64)>, Problem> {
    let mut sql = Sql { text: "SELECT runs.moment, runs.key FROM runs".into(), ..Sql::default() };
    conditions(&mut sql, query, scope);
    if let Some((moment, key)) = cursor {
        sql.push(match query.order {
            Order::NewestFirst => " AND (runs.moment, runs.key) < (",
            Order::OldestFirst => " AND (runs.moment, runs.key) > (",
        });
        sql.bind(moment).push(", ").bind(key).push(")");
    }
    sql.push(match query.order {
        Order::NewestFirst => " ORDER BY runs.moment DESC, runs.key DESC LIMIT ",
        Order::OldestFirst => " ORDER BY runs.moment, runs.key LIMIT ",
    });
    sql.bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let mut statement = connection.prepare_cached(&sql.text)?;
    let rows = statement.query_map(params_from_iter(sql.parameters), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn count(connection: &Connection, query: &RunQuery) -> Result<u64, Problem> {
    Ok(tally(connection, query, None)?.count)
}

pub(crate) fn tally(
    connection: &Connection,
    query: &RunQuery,
    patience: Option<Duration>,
) -> Result<Tally, Problem> {
    check(query)?;
    let query = resolved(connection, query)?;
    let query = query.as_ref();
    let deadline = Deadline::after(patience);
    let mut total = Tally { count: 0, is_exact: true };
    for scope in scopes(connection, query)? {
        let counted = match scope {
            Scope::Project(project) => walk::count(connection, query, project, deadline)?,
            _ => None,
        };
        let counted = match counted {
            Some(counted) => counted,
            None => Tally { count: count_in(connection, query, &scope)?, is_exact: true },
        };
        total.count += counted.count;
        total.is_exact &= counted.is_exact;
    }
    Ok(total)
}

/// How many runs of one scope match.
pub(super) fn count_in(connection: &Connection, query: &RunQuery, scope: &Scope) -> Result<u64, Problem> {
    let mut sql = Sql { text: "SELECT count(*) FROM runs".into(), ..Sql::default() };
    conditions(&mut sql, query, scope);
    let mut statement = connection.prepare_cached(&sql.text)?;
    let count: i64 = statement.query_row(params_from_iter(sql.parameters), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// The traces of the runs of one scope that match.
pub(super) fn traces_in(
    connection: &Connection,
    query: &RunQuery,
    scope: &Scope,
    found: &mut impl FnMut(i64),
) -> Result<(), Problem> {
    let mut sql = Sql { text: "SELECT runs.trace FROM runs".into(), ..Sql::default() };
    conditions(&mut sql, query, scope);
    let mut statement = connection.prepare_cached(&sql.text)?;
    let mut rows = statement.query(params_from_iter(sql.parameters))?;
    while let Some(row) = rows.next()? {
        found(row.get(0)?);
    }
    Ok(())
}

pub(crate) fn check(query: &RunQuery) -> Result<(), Error> {
    let asked = query.ids.len().max(query.reference_examples.len());
    if asked > MAX_IDS {
        return Err(Error::Invalid(format!("{asked} ids in one query; ask for at most {MAX_IDS} at a time")));
    }
    Ok(())
}

/// The query with roots in the place of traces that it names like runs.
fn resolved<'a>(connection: &Connection, query: &'a RunQuery) -> rusqlite::Result<Cow<'a, RunQuery>> {
    let resolve = |id: &RunId| root::resolve(connection, *id);
    let ids = query.ids.iter().map(resolve).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(if ids == query.ids { Cow::Borrowed(query) } else { Cow::Owned(RunQuery { ids, ..query.clone() }) })
}

fn read_cursor(cursor: &str) -> Result<(i64, i64), Error> {
    let parts =
        cursor.split_once('.').and_then(|(moment, key)| Some((moment.parse().ok()?, key.parse().ok()?)));
    parts.ok_or_else(|| Error::Invalid(format!("{cursor:?} is not a cursor of an earlier page")))
}

/// Where one statement looks.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// The runs of a project, in order of time.
    Project(i64),
    /// Those of a project that arrived together.
    Range { project: i64, first: i64, last: i64 },
    /// Those of a project among these, at most [`KEYS`].
    Keys { project: i64, keys: Vec<i64> },
    /// Few runs, by an index on what the query names; of these projects, or of all where `None`.
    Named(Option<Vec<i64>>),
    /// Runs of a project that have feedback the filter asks for.
    Judged(i64),
}

/// The statements a query takes.
pub(crate) fn scopes(connection: &Connection, query: &RunQuery) -> Result<Vec<Scope>, Problem> {
    let is_named = !query.ids.is_empty()
        || query.trace.is_some()
        || query.parent.is_some()
        || !query.reference_examples.is_empty()
        || query.filter.as_ref().is_some_and(|filter| names_few(&filter.expression));
    if query.projects.is_empty() {
        if is_named {
            return Ok(vec![Scope::Named(None)]);
        }
        let mut statement = connection.prepare_cached("SELECT key FROM projects ORDER BY key")?;
        let keys = statement.query_map([], |row| row.get(0).map(Scope::Project))?;
        return Ok(keys.collect::<Result<_, _>>()?);
    }
    let mut keys = known_projects(connection, &query.projects)?;
    keys.sort_unstable();
    keys.dedup();
    if is_named {
        return Ok(vec![Scope::Named(Some(keys))]);
    }
    let asks_feedback = query.filter.as_ref().is_some_and(|filter| judged(&filter.expression).is_some());
    let scope = |key| match asks_feedback && has_little_feedback(connection, key)? {
        true => Ok(Scope::Judged(key)),
        false => Ok(Scope::Project(key)),
    };
    Ok(keys.into_iter().map(scope).collect::<rusqlite::Result<_>>()?)
}

/// What the filter asks of feedback, where no run without any can match.
fn judged(expression: &Expression) -> Option<&Expression> {
    match expression {
        Expression::And(parts) => parts.iter().find_map(judged),
        Expression::Feedback(_) => Some(expression),
        _ => None,
    }
}

fn has_little_feedback(connection: &Connection, project: i64) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) <= ?2 FROM (SELECT 1 FROM feedback WHERE project = ?1 LIMIT ?2 + 1)",
    )?;
    statement.query_row([project, FEW_FEEDBACK], |row| row.get(0))
}

fn known_projects(connection: &Connection, ids: &[ProjectId]) -> rusqlite::Result<Vec<i64>> {
    ids.iter().filter_map(|id| projects::key_of(connection, *id).transpose()).collect()
}

/// Whether an index finds the few runs that can match at all.
fn names_few(expression: &Expression) -> bool {
    match expression {
        Expression::And(parts) => parts.iter().any(names_few),
        Expression::Column(
            Column::Id | Column::Trace | Column::Parent | Column::Thread | Column::ReferenceExample,
            Test::Is(_) | Test::OneOf(_),
        ) => true,
        _ => false,
    }
}

/// Appends ` WHERE` and what the query asks of `runs`, but for the cursor.
pub(crate) fn conditions(sql: &mut Sql, query: &RunQuery, scope: &Scope) {
    // A plus sign keeps an index from being used for a condition.
    let moment = match scope {
        Scope::Project(key) => {
            sql.push(" WHERE runs.project = ").bind(*key);
            ["runs.moment >= ", "runs.moment < ", "runs.moment > "]
        }
        Scope::Range { project, first, last } => {
            sql.near = Near::Range(*first, *last);
            sql.push(" WHERE runs.key BETWEEN ").bind(*first).push(" AND ").bind(*last);
            sql.push(" AND +runs.project = ").bind(*project);
            ["+runs.moment >= ", "+runs.moment < ", "+runs.moment > "]
        }
        Scope::Keys { project, keys } => {
            sql.near = Near::Run;
            // Always as many, so that there is one statement: naming a run twice changes nothing.
            let last = keys.last().copied().unwrap_or_default();
            let keys = keys.iter().copied().chain(std::iter::repeat(last)).take(KEYS);
            sql.push(" WHERE runs.key IN (").list(keys).push(") AND +runs.project = ").bind(*project);
            ["+runs.moment >= ", "+runs.moment < ", "+runs.moment > "]
        }
        Scope::Judged(project) => {
            sql.push(" WHERE runs.id IN (SELECT feedback.target FROM feedback WHERE feedback.project = ");
            sql.bind(*project);
            if let Some(filter) = &query.filter
                && let Some(Expression::Feedback(tests)) = judged(&filter.expression)
            {
                sql.feedback(tests);
            }
            sql.push(") AND +runs.project = ").bind(*project);
            ["+runs.moment >= ", "+runs.moment < ", "+runs.moment > "]
        }
        Scope::Named(keys) => {
            sql.push(" WHERE 1");
            if let Some(keys) = keys {
                sql.push(" AND +runs.project IN (").list(keys.iter().copied()).push(")");
            }
            if let Some(filter) = &query.filter {
                name_traces(sql, &filter.expression, keys.as_deref());
            }
            ["+runs.moment >= ", "+runs.moment < ", "+runs.moment > "]
        }
    };
    let blob = |id: Uuid| id.as_bytes().to_vec();
    if !query.ids.is_empty() {
        sql.push(" AND runs.id IN (").list(query.ids.iter().map(|run| blob(run.0))).push(")");
    }
    if let Some(trace) = query.trace {
        sql.push(" AND runs.trace IN (SELECT key FROM traces WHERE id = ").bind(blob(trace.0)).push(")");
    }
    if let Some(RunId(parent)) = query.parent {
        sql.push(" AND runs.parent = ").bind(blob(parent));
    }
    if !query.reference_examples.is_empty() {
        sql.push(" AND runs.reference_example IN (").list(query.reference_examples.iter().cloned()).push(")");
    }
    if let Some(start) = query.start {
        sql.push(" AND ").push(moment[0]).bind(start.timestamp_micros());
    }
    if let Some(end) = query.end {
        sql.push(" AND ").push(moment[1]).bind(end.timestamp_micros());
        // The least integer stands for runs without any time.
        sql.push(" AND ").push(moment[2]).bind(i64::MIN);
    }
    if let Some(kind) = query.kind {
        sql.push(" AND runs.kind = ").bind(kind.as_str().to_owned());
    }
    sql.push(match query.is_root {
        Some(true) => " AND runs.parent IS NULL",
        Some(false) => " AND runs.parent IS NOT NULL",
        None => "",
    });
    sql.push(match query.has_error {
        Some(true) => " AND runs.error IS NOT NULL",
        Some(false) => " AND runs.error IS NULL",
        None => "",
    });
    filters(sql, query);
}

fn filters(sql: &mut Sql, query: &RunQuery) {
    if let Some(filter) = &query.filter {
        sql.push(" AND ").condition(&filter.expression);
    }
    if let Some(filter) = &query.trace_filter {
        sql.push(
            " AND EXISTS (SELECT 1 FROM traces AS whole CROSS JOIN runs AS root ON root.key = whole.root \
             WHERE whole.key = runs.trace AND ",
        );
        sql.condition_on("root", &filter.expression).push(")");
    }
    if let Some(filter) = &query.tree_filter {
        sql.push(" AND EXISTS (SELECT 1 FROM runs AS member WHERE member.trace = runs.trace AND ");
        sql.condition_on("member", &filter.expression).push(")");
    }
}

/// Says again, in terms an index answers, which traces or threads a filter names.
fn name_traces(sql: &mut Sql, expression: &Expression, projects: Option<&[i64]>) {
    let (column, test) = match expression {
        Expression::And(parts) => {
            return parts.iter().for_each(|part| name_traces(sql, part, projects));
        }
        Expression::Column(column @ (Column::Trace | Column::Thread), test) => (column, test),
        _ => return,
    };
    let scalars = match test {
        Test::Is(scalar) => std::slice::from_ref(scalar),
        Test::OneOf(scalars) => scalars,
        _ => return,
    };
    sql.push(" AND runs.trace IN (SELECT key FROM traces WHERE ");
    if *column == Column::Thread {
        match projects {
            Some(keys) => sql.push("project IN (").list(keys.iter().copied()).push(") AND "),
            None => sql.push("project IN (SELECT key FROM projects) AND "),
        };
    }
    sql.push(if *column == Column::Thread { "thread IN (" } else { "id IN (" });
    sql.list(scalars.iter().filter_map(|scalar| match scalar {
        Scalar::Text(text) => Some(rusqlite::types::Value::Text(text.clone())),
        Scalar::Id(id) => Some(rusqlite::types::Value::Blob(id.as_bytes().to_vec())),
        _ => None,
    }));
    sql.push("))");
}
