//! `assay project`: lists and deletes projects, says how long they keep traces.

use std::io::{BufRead, BufReader, IsTerminal, Write};

use anyhow::Context as _;
use assay_server::access::audit::{self, Actor, Entry};
use assay_server::config::{self, show_span};
use assay_server::{projects, retention};
use assay_store::{Catalog, EmbeddedStore, Project, Records as _, block_on};
use serde_json::{Value, json};

use crate::args;
use crate::{Outcome, cancel, data, output, stdin};

pub(crate) fn run(command: args::Project) -> anyhow::Result<Outcome> {
    match command {
        args::Project::List { data, json } => {
            let store = data::open_existing(&data.data)?;
            list(&block_on(store.projects())?, json)?;
        }
        args::Project::Retention { name, keep, data } => {
            anyhow::ensure!(data.data.is_dir(), "there is no store at {:?}", data.data);
            let store = data::open(&data.data, None)?;
            let project = data::project(&store, &name)?;
            let project = match keep {
                Some(keep) => keep_for(&store, &project, &keep)?,
                None => project,
            };
            let said = match retention::own(&project) {
                Some(span) => show_span(span),
                None => "default".into(),
            };
            output::print(&said)?;
        }
        args::Project::Delete { name, data, yes } => {
            anyhow::ensure!(data.data.is_dir(), "there is no store at {:?}", data.data);
            let store = data::open(&data.data, None)?;
            let project = data::project(&store, &name)?;
            if !yes && !is_sure(&project)? {
                output::note("nothing was deleted");
                return Ok(Outcome::Done);
            }
            let deleted = delete(&store, &project)?;
            output::note(&format!("deleted {}", describe(&deleted)));
        }
    }
    Ok(Outcome::Done)
}

/// Says how long a project keeps traces, and writes down that it was said.
/// A running server deletes what is older when it next looks.
fn keep_for(store: &EmbeddedStore, project: &Project, keep: &str) -> anyhow::Result<Project> {
    let wanted = match keep {
        "default" => None,
        text => Some(config::span(text).map_err(|why| anyhow::anyhow!("cannot keep for {text:?}: {why}"))?),
    };
    let changed = block_on(store.change_project(project.id, retention::change(wanted)))?;
    write_down(store, "project retention", &json!({ "session_id": project.id, "retention": keep }))?;
    Ok(changed)
}

/// Deletes a project with all that speaks of it, and writes down that it was done.
fn delete(store: &EmbeddedStore, project: &Project) -> anyhow::Result<Project> {
    let deleted = block_on(store.delete_project(&project.name))?;
    block_on(projects::forget(store, project.id))?;
    let object = json!({ "session_id": project.id, "traces": deleted.traces, "runs": deleted.runs });
    write_down(store, "project delete", &object)?;
    Ok(deleted)
}

fn write_down(store: &EmbeddedStore, action: &str, object: &Value) -> anyhow::Result<()> {
    let entry = Entry {
        at: chrono::Utc::now(),
        actor: Actor::cli(),
        action: action.into(),
        permission: None,
        object: object.as_object().cloned().unwrap_or_default(),
        request_id: None,
    };
    Ok(block_on(store.change(vec![audit::change(&entry)?]))?)
}

fn list(projects: &[Project], json: bool) -> anyhow::Result<()> {
    let time = |time: Option<assay_domain::Time>| time.map(|time| time.to_rfc3339()).unwrap_or_default();
    if json {
        let listed: Vec<_> = projects
            .iter()
            .map(|project| {
                json!({
                    "id": project.id.to_string(), "name": project.name, "runs": project.runs,
                    "traces": project.traces, "threads": project.threads, "reports": project.reports,
                    "first_activity": project.first_activity, "last_activity": project.last_activity,
                })
            })
            .collect();
        return output::print_json(&listed);
    }
    if projects.is_empty() {
        return output::print("no projects");
    }
    let rows: Vec<Vec<String>> = projects
        .iter()
        .map(|project| {
            vec![
                project.name.clone(),
                project.threads.to_string(),
                project.traces.to_string(),
                project.runs.to_string(),
                project.reports.to_string(),
                time(project.last_activity),
            ]
        })
        .collect();
    output::print(&output::table(
        &["PROJECT", "THREADS", "TRACES", "RUNS", "REPORTS", "LAST ACTIVITY"],
        &rows,
    ))
}

fn describe(project: &Project) -> String {
    format!(
        "project {:?} with {} threads, {} runs and {} reports",
        project.name, project.threads, project.runs, project.reports
    )
}

fn is_sure(project: &Project) -> anyhow::Result<bool> {
    anyhow::ensure!(std::io::stdin().is_terminal(), "add --yes to delete {} for good", describe(project));
    eprint!("Delete {} for good? [y/N] ", output::plain(&describe(project)));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    let read = BufReader::new(stdin::open()?).read_line(&mut answer);
    anyhow::ensure!(!cancel::is_asked(), "stopped; nothing was deleted, repeat the command to delete it");
    read.context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
