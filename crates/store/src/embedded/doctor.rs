//! Examining a store without changing it.

use std::path::Path;

use rusqlite::Connection;

use super::fold;
use super::schema::{self, Access, FORMAT};
use crate::{Error, format};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Fine,
    /// Works, but somebody should look.
    Warning,
    Problem,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// Name of the check.
    pub check: &'static str,
    pub message: String,
}

/// Below so much free space, in bytes, appending may soon fail.
const LITTLE_SPACE: u64 = 1 << 30;

/// Examines the store in a directory: is it there, whole, readable, and
/// is there room? Reads every page and every payload once. Changes
/// nothing, and may run while another process writes.
#[must_use]
pub fn doctor(dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut say = |level, check, message: String| findings.push(Finding { level, check, message });
    if !dir.is_dir() {
        say(Level::Problem, "directory", format!("no directory {dir:?}"));
        return findings;
    }
    if let Some(free) = free_space(dir) {
        let level = if free < LITTLE_SPACE { Level::Warning } else { Level::Fine };
        say(level, "free space", format!("{} MiB", free >> 20));
    }
    if !dir.join(schema::FILE).is_file() {
        say(Level::Warning, "store", format!("no store in {dir:?}; the first import makes one"));
        return findings;
    }
    let connection = match schema::connect(dir, Access::Read) {
        Ok(connection) => connection,
        Err(error) => {
            say(Level::Problem, "open", error.to_string());
            return findings;
        }
    };
    for (check, examine) in CHECKS {
        match examine(&connection) {
            Ok((level, message)) => say(level, check, message),
            Err(source) => say(Level::Problem, check, Error::of_database(dir, source).to_string()),
        }
    }
    let size = |name: &str| fs_err::metadata(dir.join(name)).map_or(0, |metadata| metadata.len());
    let (file, log) = (size(schema::FILE), size(&format!("{}-wal", schema::FILE)));
    say(Level::Fine, "size", format!("{} MiB, log {} MiB", file >> 20, log >> 20));
    findings
}

type Check = fn(&Connection) -> rusqlite::Result<(Level, String)>;

const CHECKS: [(&str, Check); 6] = [
    ("format", format_version),
    ("integrity", integrity),
    ("payloads", payloads),
    ("feedback", feedback),
    ("counts", counts),
    ("search index", search_index),
];

fn format_version(connection: &Connection) -> rusqlite::Result<(Level, String)> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((Level::Fine, format!("version {version}, this program writes {FORMAT}")))
}

fn integrity(connection: &Connection) -> rusqlite::Result<(Level, String)> {
    let mut statement = connection.prepare("PRAGMA integrity_check(10)")?;
    let lines: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    match lines.as_slice() {
        [line] if line == "ok" => Ok((Level::Fine, "every page is sound".into())),
        lines => Ok((Level::Problem, lines.join("; "))),
    }
}

fn payloads(connection: &Connection) -> rusqlite::Result<(Level, String)> {
    let mut statement = connection.prepare(
        "SELECT runs.id, payloads.body FROM runs LEFT JOIN payloads ON payloads.run = runs.key ORDER BY runs.key",
    )?;
    let mut rows = statement.query([])?;
    let (mut total, mut damaged, mut first) = (0, 0, String::new());
    while let Some(row) = rows.next()? {
        total += 1;
        let body = row.get_ref(1)?.as_blob_or_null().ok().flatten().unwrap_or_default();
        let nowhere = assay_domain::ProjectId(uuid::Uuid::nil());
        let run = format::decode(body).and_then(|record| fold::fold(record, Default::default(), nowhere));
        if let Err(why) = run {
            damaged += 1;
            if first.is_empty() {
                first = format!("run {}: {why}", super::columns::uuid(row, 0)?);
            }
        }
    }
    Ok(match damaged {
        0 => (Level::Fine, format!("all {total} can be read")),
        _ => (
            Level::Problem,
            format!(
                "{damaged} of {total} are damaged; the first is {first}; import these runs again under another project, or delete the project and import it anew"
            ),
        ),
    })
}

fn feedback(connection: &Connection) -> rusqlite::Result<(Level, String)> {
    let mut statement = connection.prepare("SELECT body FROM feedback")?;
    let mut rows = statement.query([])?;
    let (mut total, mut damaged) = (0, 0);
    while let Some(row) = rows.next()? {
        total += 1;
        let body = row.get_ref(0)?.as_blob().unwrap_or_default();
        damaged +=
            usize::from(format::decode_feedback(assay_domain::FeedbackId(uuid::Uuid::nil()), body).is_err());
    }
    let level = if damaged == 0 { Level::Fine } else { Level::Problem };
    Ok((level, format!("{total} records, {damaged} damaged")))
}

fn counts(connection: &Connection) -> rusqlite::Result<(Level, String)> {
    let count = |table: &str| {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
    };
    let in_traces: i64 =
        connection.query_row("SELECT coalesce(sum(runs), 0) FROM traces", [], |row| row.get(0))?;
    let (projects, traces, runs) = (count("projects")?, count("traces")?, count("runs")?);
    let (reports, memo) = (count("reports")?, count("memo")?);
    let level = if in_traces == runs { Level::Fine } else { Level::Problem };
    Ok((
        level,
        format!(
            "{projects} projects, {traces} traces with {in_traces} runs, {runs} runs, {reports} reports, \
             {memo} remembered answers"
        ),
    ))
}

fn search_index(connection: &Connection) -> rusqlite::Result<(Level, String)> {
    let message = if super::search::is_behind(connection)? {
        "behind; the next search brings it up to date"
    } else {
        "up to date"
    };
    Ok((Level::Fine, message.into()))
}

#[cfg(unix)]
fn free_space(dir: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(dir).ok()?;
    Some(volume.f_bavail.saturating_mul(volume.f_frsize))
}

#[cfg(not(unix))]
fn free_space(_: &Path) -> Option<u64> {
    None
}
