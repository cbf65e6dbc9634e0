//! Writing one batch inside a transaction.
//!
//! New runs take the short way: they were folded and packed beforehand, and
//! one insert tells whether they are new. What is known already is read,
//! folded further and written again.

use assay_domain::RunId;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::blobs;
use super::columns::{self, Columns, INSERT_RUN, UPDATE_IN_PLACE, UPDATE_RUN};
use super::feedback;
use super::fold::{self, Piece};
use super::loose;
use super::prepare::{Assembled, Prepared, PreparedRun, assemble};
use super::query;
use super::root;
use super::traces::{Summary, Traces};
use super::writer::Writer;
use crate::Appended;
use crate::format::{self, Record};

/// Writes a batch. The caller settles the traces and commits.
pub(crate) fn apply(
    writer: &mut Writer,
    traces: &mut Traces,
    batch: &Prepared,
) -> rusqlite::Result<Appended> {
    let mut appended = Appended::default();
    blobs::put(&writer.connection, &batch.blobs)?;
    for run in &batch.runs {
        let project = writer.project(run.project.as_deref().unwrap_or(&batch.project))?;
        let id = run.columns.id;
        let root = if run.is_created { None } else { root::meant(&writer.connection, id)? };
        if let Some(root) = root {
            update(writer, traces, project, run, root, batch.import, &mut appended)?;
        } else if let Some(key) = insert(writer, traces, project, run)? {
            appended.new_runs += 1;
            let is_conflicting = match batch.import.filter(|_| is_whole(run)) {
                Some(import) => writer.repeated.gives(import, key, true, run.is_conflicting),
                None => run.is_conflicting,
            };
            appended.conflicting_runs += usize::from(is_conflicting);
        } else {
            update(writer, traces, project, run, id, batch.import, &mut appended)?;
        }
    }
    let names_project = batch.runs.is_empty() && batch.blobs.is_empty();
    if !batch.feedback.is_empty() || names_project {
        let project = writer.project(&batch.project)?;
        for record in &batch.feedback {
            feedback::append(writer, project, record, &mut appended)?;
        }
    }
    Ok(appended)
}

/// Whether records of files are all there is of the run in this batch.
fn is_whole(run: &PreparedRun) -> bool {
    run.pieces.iter().all(|piece| piece.is_whole)
}

/// The key of the run, if it was new.
fn insert(
    writer: &mut Writer,
    traces: &mut Traces,
    project: i64,
    run: &PreparedRun,
) -> rusqlite::Result<Option<i64>> {
    let key = writer.keys.next_run;
    let columns = &run.columns;
    let trace = traces.key(&writer.connection, project, columns.trace, &mut writer.keys.next_trace)?;
    let mut statement = writer.connection.prepare_cached(INSERT_RUN)?;
    if columns.write(&mut statement, key, project, trace, &run.seen)? == 0 {
        return Ok(None);
    }
    writer
        .connection
        .prepare_cached("INSERT INTO payloads (run, body) VALUES (?, ?)")?
        .execute(params![key, run.body])?;
    if !run.attachments.is_empty() {
        blobs::set_of_run(&writer.connection, key, true, &run.attachments)?;
    }
    if writer.keys.early_feedback {
        feedback::welcome(&writer.connection, columns.id, project)?;
        if columns.parent.is_none() && columns.trace != columns.id.into() {
            writer.keys.rootless.push(columns.trace);
        }
    }
    traces.add(project, columns.trace, Summary::of(key, columns));
    writer.keys.next_run += 1;
    drop(statement);
    loose::note(writer, key, columns, run.is_created)?;
    Ok(Some(key))
}

/// What is known of a run that patches arrive for again.
struct Known {
    key: i64,
    project: i64,
    trace: i64,
    seen: Vec<u8>,
    parent: Option<RunId>,
    moment: i64,
    reference_example: Option<String>,
}

impl Known {
    /// Whether all columns that an index has stay as they are.
    fn stays_in_place(&self, trace: i64, columns: &Columns) -> bool {
        (self.trace, self.parent, self.moment) == (trace, columns.parent, columns.moment())
            && self.reference_example == columns.reference_example
    }
}

fn known(writer: &Writer, id: RunId) -> rusqlite::Result<Known> {
    writer
        .connection
        .prepare_cached(
            "SELECT key, project, trace, seen, parent, moment, reference_example FROM runs WHERE id = ?",
        )?
        .query_row([id.0.as_bytes()], |row| {
            Ok(Known {
                key: row.get(0)?,
                project: row.get(1)?,
                trace: row.get(2)?,
                seen: row.get(3)?,
                parent: columns::parent(row, 4)?,
                moment: row.get(5)?,
                reference_example: row.get(6)?,
            })
        })
}

/// Folds patches into the run of this id, which is theirs or the root of the trace they name.
fn update(
    writer: &mut Writer,
    traces: &mut Traces,
    project: i64,
    run: &PreparedRun,
    id: RunId,
    import: Option<Uuid>,
    appended: &mut Appended,
) -> rusqlite::Result<()> {
    let mut known = known(writer, id)?;
    appended.runs_of_other_projects += usize::from(known.project != project);
    let is_news = |piece: &Piece| fold::is_news(&known.seen, piece);
    let is_new = run.pieces.iter().any(is_news);
    let whole_of = import.filter(|_| is_whole(run));
    if let Some(import) = whole_of {
        let is_conflicting = writer.repeated.gives(import, known.key, is_new, run.is_conflicting);
        appended.conflicting_runs += usize::from(is_conflicting);
    }
    if !is_new {
        appended.unchanged_runs += 1;
        return Ok(());
    }

    let before: Option<Vec<u8>> = writer
        .connection
        .prepare_cached("SELECT body FROM payloads WHERE run = ?")?
        .query_row([known.key], |row| row.get(0))
        .optional()?;
    let mut record = match before.as_deref().map(format::decode) {
        Some(Ok(record)) => record,
        // Of a damaged payload, what the columns know is kept.
        _ => query::salvaged(&writer.connection, id)?,
    };
    // What a run costs is computed when that from which it follows is said, and not again.
    let prices =
        run.pieces.iter().any(|piece| piece.sets_cost && is_news(piece)).then(|| writer.prices.now());
    let sets_place = run.pieces.iter().any(|piece| piece.sets_place && is_news(piece));
    let is_conflicting = fold_news(&mut record, &mut known.seen, run, id);
    if whole_of.is_none() {
        appended.conflicting_runs += usize::from(is_conflicting);
    }
    let Assembled { columns, body, attachments, is_created } =
        assemble(record, id, prices.as_deref()).map_err(damaged)?;
    if before.as_ref() == Some(&body) {
        appended.unchanged_runs += 1;
    } else {
        appended.changed_runs += 1;
    }

    writer.keys.outdate(known.key);
    traces.change(&writer.connection, known.trace)?;
    let trace = traces.key(&writer.connection, known.project, columns.trace, &mut writer.keys.next_trace)?;
    traces.change(&writer.connection, trace)?;
    let update = if known.stays_in_place(trace, &columns) { UPDATE_IN_PLACE } else { UPDATE_RUN };
    let mut statement = writer.connection.prepare_cached(update)?;
    columns.write(&mut statement, known.key, known.project, trace, &known.seen)?;
    drop(statement);
    writer
        .connection
        .prepare_cached("INSERT OR REPLACE INTO payloads (run, body) VALUES (?, ?)")?
        .execute(params![known.key, body])?;
    if run.pieces.iter().any(|piece| piece.has_files) {
        blobs::set_of_run(&writer.connection, known.key, false, &attachments)?;
    }
    if known.key <= writer.keys.indexed_up_to {
        writer.connection.prepare_cached("INSERT OR IGNORE INTO stale VALUES (?)")?.execute([known.key])?;
    }
    if sets_place {
        loose::note(writer, known.key, &columns, is_created)?;
    }
    Ok(())
}

/// Folds what is news. Whether a creation differs from one that was there; a record of a file that
/// was corrected since is no conflict, but two of the same id in one file are.
fn fold_news(record: &mut Record, seen: &mut Vec<u8>, run: &PreparedRun, id: RunId) -> bool {
    let mut is_conflicting = run.is_conflicting && run.pieces.iter().all(|piece| piece.is_whole);
    for piece in &run.pieces {
        if !fold::is_news(seen, piece) {
            continue;
        }
        fold::see(seen, piece.mark());
        let mut patch = format::read_part(&piece.json).expect("what was just written can be read");
        if run.columns.id != id {
            // The place it speaks of is that of the id it was sent under.
            (patch.trace, patch.parent, patch.dotted_order) = (None, None, None);
        }
        is_conflicting |= fold::absorb(record, piece, patch) && !piece.is_whole;
    }
    is_conflicting
}

fn damaged(why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, why.into())
}
