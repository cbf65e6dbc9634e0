//! Projects: made, listed, changed and deleted.
//!
//! What a project holds is counted in its row, kept up to date by `traces`
//! in the same transaction, so that listing projects does not look at runs.

use std::time::{SystemTime, UNIX_EPOCH};

use assay_domain::{ProjectId, Time};
use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::columns;
use super::delete;
use super::reader::Problem;
use super::writer::Writer;
use crate::{Error, NewProject, Project, ProjectChange};

const PROJECTS: &str = "SELECT id, name, created_at, reference_dataset, details, runs, traces, threads, \
     (SELECT count(*) FROM reports WHERE project = projects.key), first_activity, last_activity FROM projects";

pub(crate) fn projects(connection: &Connection) -> Result<Vec<Project>, Problem> {
    let mut statement = connection.prepare_cached(&format!("{PROJECTS} ORDER BY name"))?;
    let projects = statement.query_map([], read_project)?.collect::<Result<_, _>>()?;
    Ok(projects)
}

pub(crate) fn project(connection: &Connection, name: &str) -> rusqlite::Result<Option<Project>> {
    let mut statement = connection.prepare_cached(&format!("{PROJECTS} WHERE name = ?"))?;
    statement.query_row([name], read_project).optional()
}

pub(crate) fn by_id(connection: &Connection, id: ProjectId) -> rusqlite::Result<Option<Project>> {
    let mut statement = connection.prepare_cached(&format!("{PROJECTS} WHERE id = ?"))?;
    statement.query_row([id.0.as_bytes()], read_project).optional()
}

/// The number under which tables know a project.
pub(crate) fn key_of(connection: &Connection, id: ProjectId) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT key FROM projects WHERE id = ?")?
        .query_row([id.0.as_bytes()], |row| row.get(0))
        .optional()
}

fn read_project(row: &Row<'_>) -> rusqlite::Result<Project> {
    let details: Option<String> = row.get(4)?;
    Ok(Project {
        id: ProjectId(columns::uuid(row, 0)?),
        name: row.get(1)?,
        created_at: columns::time(row, 2)?,
        reference_dataset: row.get::<_, Option<[u8; 16]>>(3)?.map(Uuid::from_bytes),
        details: details.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        runs: columns::tokens(row, 5)?,
        traces: columns::tokens(row, 6)?,
        threads: columns::tokens(row, 7)?,
        reports: columns::tokens(row, 8)?,
        first_activity: columns::time(row, 9)?,
        last_activity: columns::time(row, 10)?,
    })
}

pub(crate) fn create(writer: &mut Writer, new: &NewProject) -> Result<Project, Error> {
    check_name(&new.name)?;
    writer.transact(|writer| {
        let connection = &writer.connection;
        if project(connection, &new.name)?.is_some() {
            return Err(taken(&new.name).into());
        }
        if let Some(id) = new.id
            && let Some(known) = by_id(connection, id)?
        {
            return Err(Error::Conflict(format!("project {id} exists already: {:?}", known.name)).into());
        }
        insert(connection, new)?;
        Ok(project(connection, &new.name)?.ok_or_else(|| unknown(&new.name))?)
    })
}

/// Inserts a project whose name, and whose id if it has one, are free; its key.
pub(super) fn insert(connection: &Connection, new: &NewProject) -> rusqlite::Result<i64> {
    let id = match new.id {
        Some(id) => id,
        None => free_id(connection, &new.name)?,
    };
    connection
        .prepare_cached(
            "INSERT INTO projects (id, name, created_at, reference_dataset, details) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            id.0.as_bytes(),
            new.name,
            new.created_at.or_else(now).map(|time| time.timestamp_micros()),
            new.reference_dataset.as_ref().map(Uuid::as_bytes),
            details_text(&new.details),
        ])?;
    Ok(connection.last_insert_rowid())
}

/// The id that follows from the name; the next one where a renamed project has it.
fn free_id(connection: &Connection, name: &str) -> rusqlite::Result<ProjectId> {
    let mut id = ProjectId::from_name(name);
    let mut number = 1;
    while key_of(connection, id)?.is_some() {
        number += 1;
        id = ProjectId::from_name(&format!("{name}\n{number}"));
    }
    Ok(id)
}

pub(crate) fn change(writer: &mut Writer, id: ProjectId, change: &ProjectChange) -> Result<Project, Error> {
    let missing = || Error::NotFound(format!("project {id}"));
    if let Some(name) = &change.name {
        check_name(name)?;
    }
    writer.transact(|writer| {
        let connection = &writer.connection;
        let mut known = by_id(connection, id)?.ok_or_else(missing)?;
        if let Some(name) = change.name.as_ref().filter(|name| **name != known.name) {
            if project(connection, name)?.is_some() {
                return Err(taken(name).into());
            }
            writer.keys.projects.remove(&known.name);
            known.name.clone_from(name);
        }
        for (key, value) in &change.details {
            if value.is_null() {
                known.details.shift_remove(key);
            } else {
                known.details.insert(key.clone(), value.clone());
            }
        }
        connection
            .prepare_cached("UPDATE projects SET name = ?, details = ? WHERE id = ?")?
            .execute(params![known.name, details_text(&known.details), id.0.as_bytes()])?;
        Ok(known)
    })
}

/// Deletes a project and everything in it, and overwrites where it was.
pub(crate) fn delete(writer: &mut Writer, name: &str) -> Result<Project, Error> {
    let deleted = delete::overwriting(writer, |writer| {
        let found = project(&writer.connection, name)?.ok_or_else(|| unknown(name))?;
        let key = key_of(&writer.connection, found.id)?.ok_or_else(|| unknown(name))?;
        delete::project(writer, key)?;
        writer.keys.projects.remove(name);
        Ok(found)
    })?;
    delete::scrub(writer)?;
    Ok(deleted)
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.trim().is_empty() {
        return Err(Error::Invalid("a project needs a name".into()));
    }
    Ok(())
}

fn taken(name: &str) -> Error {
    Error::Conflict(format!("project {name:?} exists already"))
}

fn unknown(name: &str) -> Error {
    Error::NotFound(format!("project {name:?}"))
}

fn details_text(details: &Map<String, Value>) -> Option<String> {
    (!details.is_empty()).then(|| serde_json::to_string(details).expect("maps have string keys"))
}

/// The present moment, to the microsecond that is kept.
pub(super) fn now() -> Option<Time> {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_micros();
    DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)
}
