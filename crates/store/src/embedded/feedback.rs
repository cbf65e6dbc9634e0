//! Feedback: taken in, listed, added up and deleted.
//!
//! A record knows the project of what it is about. Feedback may come before
//! its run; then it is kept under the project it arrived in, marked as early,
//! and moves once the run is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_domain::{Feedback, FeedbackId, RunId, TraceId};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, params_from_iter};

use super::columns;
use super::prepare::PreparedFeedback;
use super::projects;
use super::reader::Problem;
use super::root;
use super::writer::Writer;
use crate::filter::sql::Sql;
use crate::{Appended, Error, FeedbackQuery, FeedbackStats, format};

/// So many comments of a key are shown with its numbers.
const MAX_COMMENTS: usize = 5;
const DEFAULT_LIMIT: usize = 100;

/// Writes one record. `arrival` is the key of the project it came with.
pub(crate) fn append(
    writer: &mut Writer,
    arrival: i64,
    feedback: &PreparedFeedback,
    appended: &mut Appended,
) -> rusqlite::Result<()> {
    let connection = &writer.connection;
    let known: Option<Vec<u8>> = connection
        .prepare_cached("SELECT body FROM feedback WHERE id = ?")?
        .query_row([feedback.id.0.as_bytes()], |row| row.get(0))
        .optional()?;
    match known {
        Some(body) if body == feedback.body => {
            appended.unchanged_feedback += 1;
            return Ok(());
        }
        Some(_) => appended.changed_feedback += 1,
        None => appended.new_feedback += 1,
    }
    let home = home(connection, feedback, arrival)?;
    writer.keys.early_feedback |= home.is_early;
    if let Some(target) = feedback.target.filter(|_| home.is_early) {
        writer.keys.rootless.push(TraceId(target.0));
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO feedback (id, project, target, is_early, name, score, label, source, comment, \
         is_failure, created, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET project = excluded.project, target = excluded.target, \
         is_early = excluded.is_early, name = excluded.name, score = excluded.score, label = excluded.label, \
         source = excluded.source, comment = excluded.comment, is_failure = excluded.is_failure, \
         created = excluded.created, body = excluded.body",
    )?;
    statement.execute(params![
        feedback.id.0.as_bytes(),
        home.project,
        feedback.target.as_ref().map(|run| run.0.as_bytes()),
        home.is_early,
        feedback.key,
        feedback.score,
        feedback.label,
        feedback.source,
        feedback.comment,
        feedback.is_failure,
        feedback.created,
        feedback.body,
    ])?;
    Ok(())
}

/// Where a record belongs.
struct Home {
    project: i64,
    is_early: bool,
}

fn home(connection: &Connection, feedback: &PreparedFeedback, arrival: i64) -> rusqlite::Result<Home> {
    let named = match feedback.project {
        Some(id) => projects::key_of(connection, id)?,
        None => None,
    };
    let fallback = named.unwrap_or(arrival);
    let Some(target) = feedback.target else { return Ok(Home { project: fallback, is_early: false }) };
    let project_of = |sql| {
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_row([target.0.as_bytes()], |row| row.get(0)).optional()
    };
    if let Some(project) = project_of("SELECT project FROM runs WHERE id = ?")? {
        return Ok(Home { project, is_early: false });
    }
    let of_trace = project_of("SELECT project FROM traces WHERE id = ? ORDER BY key")?;
    Ok(Home { project: of_trace.unwrap_or(fallback), is_early: true })
}

/// Whether there is feedback on runs that have not arrived.
pub(crate) fn has_early(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM feedback WHERE is_early = 1)", [], |row| row.get(0))
}

/// Brings feedback that waited for a run to the run's project.
pub(crate) fn welcome(connection: &Connection, run: RunId, project: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE feedback SET is_early = 0, project = ?2 WHERE target = ?1 AND is_early = 1")?
        .execute(params![run.0.as_bytes(), project])?;
    Ok(())
}

/// Reads columns `id, body, target`.
pub(crate) fn decoded(row: &Row<'_>) -> rusqlite::Result<Result<Feedback, Error>> {
    let id = FeedbackId(columns::uuid(row, 0)?);
    let target = columns::parent(row, 2)?;
    let read = format::decode_feedback(id, row.get_ref(1)?.as_blob()?).map(|feedback| {
        // Who named the trace meant its root.
        let run = feedback.run.and(target).or(feedback.run);
        Feedback { run, ..feedback }
    });
    Ok(read.map_err(|why| Error::Corrupt { what: format!("feedback {id}"), why }))
}

pub(crate) fn feedback(connection: &Connection, id: FeedbackId) -> Result<Option<Feedback>, Problem> {
    let mut statement = connection.prepare_cached("SELECT id, body, target FROM feedback WHERE id = ?")?;
    Ok(statement.query_row([id.0.as_bytes()], decoded).optional()?.transpose()?)
}

pub(crate) fn feedbacks(connection: &Connection, query: &FeedbackQuery) -> Result<Vec<Feedback>, Problem> {
    let mut sql = Sql { text: "SELECT id, body, target FROM feedback WHERE 1".into(), ..Sql::default() };
    let blob = |id: &uuid::Uuid| id.as_bytes().to_vec();
    if !query.runs.is_empty() {
        // Feedback that came before the root is still under the id of the trace.
        let mut runs = query.runs.clone();
        for run in &query.runs {
            runs.push(root::resolve(connection, *run)?);
        }
        runs.sort_unstable();
        runs.dedup();
        sql.push(" AND target IN (").list(runs.iter().map(|run| blob(&run.0))).push(")");
    }
    if !query.projects.is_empty() {
        // With runs given, these are the way in.
        sql.push(if query.runs.is_empty() { " AND project" } else { " AND +project" });
        sql.push(" IN (SELECT key FROM projects WHERE id IN (");
        sql.list(query.projects.iter().map(|project| blob(&project.0))).push("))");
    }
    if !query.keys.is_empty() {
        sql.push(" AND name IN (").list(query.keys.iter().cloned()).push(")");
    }
    if !query.sources.is_empty() {
        sql.push(" AND source IN (").list(query.sources.iter().cloned()).push(")");
    }
    for (wanted, there, absent) in [
        (query.has_comment, " AND ifnull(comment, '') != ''", " AND ifnull(comment, '') = ''"),
        (query.has_score, " AND score IS NOT NULL", " AND score IS NULL"),
        (query.is_about_runs, " AND target IS NOT NULL", " AND target IS NULL"),
    ] {
        sql.push(match wanted {
            Some(true) => there,
            Some(false) => absent,
            None => "",
        });
    }
    if let Some(start) = query.start {
        sql.push(" AND created >= ").bind(start.timestamp_micros());
    }
    if let Some(end) = query.end {
        sql.push(" AND created < ").bind(end.timestamp_micros());
    }
    let limit = if query.limit == 0 { DEFAULT_LIMIT } else { query.limit };
    let bounded = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    // Not by arrival: the same data reads the same, in whatever order it came.
    sql.push(" ORDER BY created DESC, id DESC LIMIT ").bind(bounded(limit));
    sql.push(" OFFSET ").bind(bounded(query.offset));
    let mut statement = connection.prepare_cached(&sql.text)?;
    let mut rows = statement.query(params_from_iter(sql.parameters))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // Damaged feedback is left out; `doctor` finds it.
        found.extend(decoded(row)?.ok());
    }
    Ok(found)
}

pub(crate) fn delete(writer: &mut Writer, id: FeedbackId) -> Result<bool, Error> {
    writer.transact(|writer| {
        let mut statement = writer.connection.prepare_cached("DELETE FROM feedback WHERE id = ?")?;
        Ok(statement.execute([id.0.as_bytes()])? > 0)
    })
}

// ----------------------------------------------------------------- adding up

/// Columns that [`Sums::add`] reads, from the one given on.
pub(crate) const SUMMED: &str = "feedback.name, feedback.score, feedback.label, feedback.source, \
     feedback.comment, feedback.is_failure, feedback.created, feedback.id";

/// Feedback of many records, by key.
#[derive(Default)]
pub(crate) struct Sums(BTreeMap<String, Sum>);

#[derive(Default)]
struct Sum {
    count: u64,
    scores: Vec<f64>,
    labels: BTreeMap<String, u64>,
    /// By time, then id: the first few are not those that came first.
    comments: BTreeSet<(Option<i64>, [u8; 16], String)>,
    sources: BTreeSet<String>,
    errors: u64,
}

impl Sums {
    pub(crate) fn add(&mut self, row: &Row<'_>, first: usize) -> rusqlite::Result<()> {
        let sum = self.0.entry(row.get(first)?).or_default();
        sum.count += 1;
        sum.scores.extend(row.get::<_, Option<f64>>(first + 1)?);
        if let Some(label) = row.get(first + 2)? {
            *sum.labels.entry(label).or_default() += 1;
        }
        sum.sources.extend(row.get::<_, Option<String>>(first + 3)?);
        let comment: Option<String> = row.get(first + 4)?;
        if let Some(comment) = comment.filter(|comment| !comment.is_empty()) {
            sum.comments.insert((row.get(first + 6)?, row.get(first + 7)?, comment));
            if sum.comments.len() > MAX_COMMENTS {
                sum.comments.pop_last();
            }
        }
        sum.errors += u64::from(row.get::<_, bool>(first + 5)?);
        Ok(())
    }

    pub(crate) fn finish(self) -> BTreeMap<String, FeedbackStats> {
        self.0.into_iter().map(|(key, sum)| (key, sum.finish())).collect()
    }
}

impl Sum {
    /// Adds up in order of size, so that the order of arrival does not show in the last digit.
    fn finish(mut self) -> FeedbackStats {
        self.scores.sort_by(f64::total_cmp);
        let count = self.scores.len() as f64;
        let mean = (count > 0.0).then(|| self.scores.iter().sum::<f64>() / count);
        let deviation = mean.map(|mean| {
            let squares: f64 = self.scores.iter().map(|score| (score - mean).powi(2)).sum();
            (squares / count).sqrt()
        });
        FeedbackStats {
            count: self.count,
            mean,
            deviation,
            min: self.scores.first().copied(),
            max: self.scores.last().copied(),
            labels: self.labels,
            comments: self.comments.into_iter().map(|(_, _, comment)| comment).collect(),
            sources: self.sources.into_iter().collect(),
            errors: self.errors,
        }
    }
}

pub(crate) fn stats(
    connection: &Connection,
    runs: &[RunId],
) -> Result<HashMap<RunId, BTreeMap<String, FeedbackStats>>, Problem> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {SUMMED} FROM feedback WHERE target = ?"))?;
    let mut found = HashMap::new();
    for run in runs {
        let sums = sums(&mut statement, &[&run.0.as_bytes()])?;
        if !sums.0.is_empty() {
            found.insert(*run, sums.finish());
        }
    }
    Ok(found)
}

/// Adds up all that a statement yields; it selects [`SUMMED`].
pub(crate) fn sums(statement: &mut rusqlite::Statement<'_>, of: &[&dyn ToSql]) -> rusqlite::Result<Sums> {
    let mut sums = Sums::default();
    let mut rows = statement.query(of)?;
    while let Some(row) = rows.next()? {
        sums.add(row, 0)?;
    }
    Ok(sums)
}
