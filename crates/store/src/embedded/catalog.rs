//! Projects, reports and remembered answers.

use std::time::{SystemTime, UNIX_EPOCH};

use assay_domain::{ProjectId, Report, ReportId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns;
use super::reader::Problem;
use super::schema::set_setting;
use super::writer::Writer;
use crate::{Error, Key, Project, ReportRow, format};

const PROJECTS: &str = "SELECT projects.id, projects.name, \
     (SELECT coalesce(sum(runs), 0) FROM traces WHERE project = projects.key), \
     (SELECT count(*) FROM traces WHERE project = projects.key), \
     (SELECT count(DISTINCT thread) FROM traces WHERE project = projects.key), \
     (SELECT count(*) FROM reports WHERE project = projects.key), \
     (SELECT min(start) FROM traces WHERE project = projects.key), \
     (SELECT max(end) FROM traces WHERE project = projects.key) FROM projects";

pub(crate) fn projects(connection: &Connection) -> Result<Vec<Project>, Problem> {
    let mut statement = connection.prepare_cached(&format!("{PROJECTS} ORDER BY projects.name"))?;
    let projects = statement.query_map([], read_project)?.collect::<Result<_, _>>()?;
    Ok(projects)
}

pub(crate) fn project(connection: &Connection, name: &str) -> rusqlite::Result<Option<Project>> {
    let mut statement = connection.prepare_cached(&format!("{PROJECTS} WHERE projects.name = ?"))?;
    statement.query_row([name], read_project).optional()
}

fn read_project(row: &Row<'_>) -> rusqlite::Result<Project> {
    Ok(Project {
        id: ProjectId(columns::uuid(row, 0)?),
        name: row.get(1)?,
        runs: columns::tokens(row, 2)?,
        traces: columns::tokens(row, 3)?,
        threads: columns::tokens(row, 4)?,
        reports: columns::tokens(row, 5)?,
        first_activity: columns::time(row, 6)?,
        last_activity: columns::time(row, 7)?,
        ..Project::default()
    })
}

pub(crate) fn create_project(writer: &mut Writer, name: &str) -> Result<Project, Error> {
    if name.trim().is_empty() {
        return Err(Error::Invalid("a project needs a name".into()));
    }
    let created = writer.transact(|writer| {
        if project(&writer.connection, name)?.is_some() {
            return Ok(None);
        }
        writer.project(name)?;
        project(&writer.connection, name)
    })?;
    created.ok_or_else(|| Error::Conflict(format!("project {name:?} exists already")))
}

/// Deletes a project and everything in it, and overwrites where it was.
pub(crate) fn delete_project(writer: &mut Writer, name: &str) -> Result<Project, Error> {
    let deleted = overwriting(writer, |writer| {
        let Some(found) = project(&writer.connection, name)? else { return Ok(None) };
        let key = writer.project(name)?;
        delete_contents(&writer.connection, key)?;
        // Keys above may be given again only if the index has not passed them.
        let last: i64 =
            writer.connection.query_row("SELECT coalesce(max(key), 0) FROM runs", [], |row| row.get(0))?;
        if last == 0 {
            writer.connection.execute("INSERT INTO search (search) VALUES ('delete-all')", [])?;
        }
        set_setting(&writer.connection, "indexed_up_to", writer.keys.indexed_up_to)?;
        writer.keys.projects.remove(name);
        Ok(Some(found))
    })?;
    deleted.ok_or_else(|| Error::NotFound(format!("project {name:?}")))
}

/// A transaction that overwrites what it deletes, in the log as well.
fn overwriting<T>(
    writer: &mut Writer,
    work: impl FnOnce(&mut Writer) -> rusqlite::Result<T>,
) -> Result<T, Error> {
    let dir = writer.dir.clone();
    let failed = |source| Error::of_database(&dir, source);
    writer.connection.pragma_update(None, "secure_delete", true).map_err(failed)?;
    let done = writer.transact(work);
    writer.connection.pragma_update(None, "secure_delete", false).map_err(failed)?;
    let done = done?;
    // The log still holds what was deleted, as far as no reader is in the way.
    let checkpoint = |_: &Row<'_>| Ok(());
    writer.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], checkpoint).map_err(failed)?;
    Ok(done)
}

fn delete_contents(connection: &Connection, project: i64) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM search WHERE rowid IN (SELECT key FROM runs WHERE project = ?)",
        "DELETE FROM stale WHERE run IN (SELECT key FROM runs WHERE project = ?)",
        "DELETE FROM feedback WHERE target IN (SELECT id FROM runs WHERE project = ?)",
        "DELETE FROM feedback WHERE project = ? AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = feedback.target)",
        "DELETE FROM payloads WHERE run IN (SELECT key FROM runs WHERE project = ?)",
        "DELETE FROM runs WHERE project = ?",
        "DELETE FROM traces WHERE project = ?",
        "DELETE FROM reports WHERE project = ?",
        "DELETE FROM memo WHERE project = ?",
        "DELETE FROM projects WHERE key = ?",
    ] {
        connection.execute(sql, [project])?;
    }
    Ok(())
}

// ---------------------------------------------------------------- reports

pub(crate) fn put_report(writer: &mut Writer, report: &Report) -> Result<(), Error> {
    let json = serde_json::to_vec(report)
        .map_err(|error| Error::Invalid(format!("report {} cannot be stored: {error}", report.id)))?;
    let body = format::pack(&json);
    let now =
        SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|now| i64::try_from(now.as_micros()).ok());
    writer.transact(|writer| {
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
    })
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
    overwriting(writer, |writer| {
        Ok(writer.connection.execute("DELETE FROM reports WHERE id = ?", [id.0.as_bytes()])? > 0)
    })
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
