//! Reports and remembered answers.
//!
//! Both are packed bodies under a key; lists of reports read narrow columns.

use assay_domain::{ProjectId, Report, ReportId};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns;
use super::delete;
use super::projects;
use super::reader::Problem;
use super::writer::Writer;
use crate::{Error, Key, ReportRow, format};

// ---------------------------------------------------------------- reports

pub(crate) fn put_report(writer: &mut Writer, report: &Report) -> Result<(), Error> {
    let json = serde_json::to_vec(report)
        .map_err(|error| Error::Invalid(format!("report {} cannot be stored: {error}", report.id)))?;
    let body = format::pack(&json);
    let now = projects::now().map(|time| time.timestamp_micros());
    // An older one may quote what was deleted since.
    let is_there = |writer: &Writer| {
        let mut statement = writer.connection.prepare_cached("SELECT 1 FROM reports WHERE id = ?")?;
        statement.exists([report.id.0.as_bytes()])
    };
    let replaces = is_there(writer).map_err(|source| Error::of_database(&writer.dir, source))?;
    delete::overwriting(writer, |writer| {
        let project = writer.project(&report.project)?;
        writer.connection.execute("DELETE FROM reports WHERE id = ?", [report.id.0.as_bytes()])?;
        writer.connection.execute(
            "INSERT INTO reports (id, project, name, title, threads, categories, stored_at, body) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                report.id.0.as_bytes(),
                project,
                report.config.name,
                report.executive_summary.title,
                report.assignments.len() as i64,
                report.taxonomy.nodes.len() as i64,
                now,
                body,
            ],
        )?;
        Ok(())
    })?;
    if replaces { delete::scrub(writer) } else { Ok(()) }
}

pub(crate) fn reports(
    connection: &Connection,
    project: Option<ProjectId>,
) -> Result<Vec<ReportRow>, Problem> {
    let mut statement = connection.prepare_cached(
        "SELECT reports.id, projects.name, reports.name, reports.title, reports.threads, reports.categories, \
         reports.stored_at FROM reports JOIN projects ON projects.key = reports.project \
         WHERE ?1 IS NULL OR projects.id = ?1 ORDER BY reports.key DESC",
    )?;
    let rows = statement.query_map([project.as_ref().map(|project| project.0.as_bytes())], |row| {
        Ok(ReportRow {
            id: ReportId(columns::uuid(row, 0)?),
            project: row.get(1)?,
            name: row.get(2)?,
            title: row.get(3)?,
            threads: columns::tokens(row, 4)?,
            categories: columns::tokens(row, 5)?,
            stored_at: columns::time(row, 6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn report(connection: &Connection, id: ReportId) -> Result<Option<Report>, Problem> {
    let body: Option<Vec<u8>> = connection
        .prepare_cached("SELECT body FROM reports WHERE id = ?")?
        .query_row([id.0.as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(body) = body else { return Ok(None) };
    let damaged = |why| Error::Corrupt { what: format!("report {id}"), why };
    let json = format::unpack(&body).map_err(damaged)?;
    let report = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(report))
}

pub(crate) fn delete_report(writer: &mut Writer, id: ReportId) -> Result<bool, Error> {
    let is_deleted = delete::overwriting(writer, |writer| {
        Ok(writer.connection.execute("DELETE FROM reports WHERE id = ?", [id.0.as_bytes()])? > 0)
    })?;
    delete::scrub(writer)?;
    Ok(is_deleted)
}

// ------------------------------------------------------------------- memo

pub(crate) fn recall(connection: &Connection, keys: &[Key]) -> Result<Vec<Option<Vec<u8>>>, Problem> {
    let mut statement = connection.prepare_cached("SELECT value FROM memo WHERE key = ?")?;
    let mut answers = Vec::with_capacity(keys.len());
    for key in keys {
        answers.push(statement.query_row([key.as_slice()], |row| row.get(0)).optional()?);
    }
    Ok(answers)
}

pub(crate) fn remember(
    writer: &mut Writer,
    project: ProjectId,
    answers: &[(Key, Vec<u8>)],
) -> Result<(), Error> {
    writer.transact(|writer| {
        // A project that was deleted meanwhile has no row, and leaves nothing behind.
        let mut statement = writer.connection.prepare_cached(
            "INSERT INTO memo (key, value, project) SELECT ?1, ?2, projects.key FROM projects \
             WHERE projects.id = ?3 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )?;
        for (key, value) in answers {
            statement.execute(params![key.as_slice(), value, project.0.as_bytes()])?;
        }
        Ok(())
    })
}
