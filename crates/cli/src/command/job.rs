//! Jobs of the server, beside it: queued, listed, followed, stopped.

use std::path::Path;
use std::time::Duration;

use assay_domain::JobStatus;
use assay_server::insights::{beside, queue};
use assay_store::{EmbeddedStore, block_on};
use chrono::Utc;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::args::{Analysis, Asked, Lens};
use crate::progress::Bars;
use crate::{Outcome, cancel as stop, data, output};

/// How often a followed job is looked at.
const LOOK: Duration = Duration::from_millis(300);
/// A job that nobody begins within this time is told of.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn enqueue(
    dir: &Path,
    project: &str,
    analysis: &Analysis,
    asked: &Asked,
) -> anyhow::Result<Outcome> {
    anyhow::ensure!(dir.is_dir(), "there is no store at {dir:?}; `assay import` or `assay serve` makes one");
    let store = data::open(dir, None)?;
    let project = data::project(&store, project)?;
    let mut entries = entries(analysis)?;
    let mut say = |key: &str, value: Value| drop(entries.insert(key.to_owned(), value));
    if let Some(hours) = asked.last_hours {
        say("last_n_hours", json!(hours));
    }
    if let Some(instructions) = &analysis.model.instructions {
        say("user_context", json!({ "What would you like to learn about your agent?": instructions }));
    }
    if asked.config.is_none() {
        // What this command makes without --queue, too.
        entries.entry("tier").or_insert_with(|| json!("local"));
    }
    let config = match &asked.config {
        Some(config) => Some(block_on(beside::config(&store, &project, config)).map_err(anyhow::Error::msg)?),
        None => None,
    };
    let made = block_on(beside::enqueue(&store, &project, entries, config.as_ref(), Utc::now()));
    let job = made.map_err(anyhow::Error::msg)?;
    output::print(&job.id.to_string())?;
    output::note(&format!("queued as {:?}; `assay insights watch {}` follows it", job.name, job.id));
    Ok(Outcome::Done)
}

/// What the flags ask for, as a request for a job. Flags at their usual values say nothing.
pub(crate) fn entries(analysis: &Analysis) -> anyhow::Result<Map<String, Value>> {
    let config = analysis.config()?;
    let model = &analysis.model;
    let of_this_command = [
        ("--provider", model.provider.is_some()),
        ("--base-url", model.base_url.is_some()),
        ("--ca-file", model.ca_file.is_some()),
        ("--proxy", model.proxy.is_some()),
        ("--no-redaction", model.no_redaction),
    ];
    if let Some((flag, _)) = of_this_command.iter().find(|(_, is_given)| *is_given) {
        anyhow::bail!(
            "{flag} is for reports made here: with --queue the server's own settings count (docs/configuration.md)"
        );
    }
    let models = config.models.as_ref();
    let partitions: Map<String, Value> =
        config.categories.iter().map(|one| (one.name.clone(), json!(one.description))).collect();
    let said = [
        ("focus", (analysis.focus == Lens::Errors).then(|| json!("errors"))),
        ("name", analysis.name.as_ref().map(|name| json!(name))),
        ("filter", config.filter.map(|filter| json!(filter))),
        ("start_time", config.start_time.map(|time| json!(time))),
        ("end_time", config.end_time.map(|time| json!(time))),
        ("sample", config.sample.size.map(|size| json!(size))),
        ("hierarchy", (!analysis.hierarchy.is_empty()).then(|| json!(analysis.hierarchy))),
        ("partitions", (!partitions.is_empty()).then(|| Value::Object(partitions))),
        ("tier", (!config.tier.is_local()).then(|| json!(config.tier))),
        ("cluster_model", models.map(|models| json!(models.thinking))),
        ("summary_model", models.map(|models| json!(models.summary))),
        ("budget", config.budget.map(|budget| json!(budget))),
        ("read", config.read_by_model.map(|threads| json!(threads))),
        ("summary_prompt", config.summary_prompt.map(|prompt| json!(prompt))),
        ("attribute_schemas", (!config.attributes.is_empty()).then(|| json!(config.attributes))),
        ("seed", (config.seed != 0).then(|| json!(config.seed))),
    ];
    Ok(said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

pub(crate) fn list(dir: &Path, project: Option<&str>, json: bool) -> anyhow::Result<()> {
    let store = data::open_existing(dir)?;
    let project = project.map(|name| data::project(&store, name)).transpose()?;
    let jobs = block_on(queue::list(&store, project.map(|project| project.id)))?;
    if json {
        let shown: Vec<Value> = jobs.iter().map(shown).collect();
        return output::print_json(&shown);
    }
    if jobs.is_empty() {
        return output::print("no jobs");
    }
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|queue::Entry { job, state }| {
            vec![
                job.id.to_string(),
                job.name.clone(),
                state.status.as_str().to_owned(),
                job.created_at.format("%Y-%m-%d %H:%M").to_string(),
                state.report.map(|report| report.to_string()).unwrap_or_default(),
                state.error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output::print(&output::table(&["JOB", "NAME", "STATUS", "CREATED", "REPORT", "ERROR"], &rows))
}

pub(crate) fn watch(dir: &Path, id: Uuid, json: bool) -> anyhow::Result<()> {
    let store = data::open_existing(dir)?;
    let bars = Bars::new();
    let mut stage = String::new();
    let begun = std::time::Instant::now();
    let mut has_waited = false;
    loop {
        let entry = find(&store, id)?;
        let state = &entry.state;
        match state.status {
            JobStatus::Succeeded => {
                bars.finish();
                if json {
                    return output::print_json(&shown(&entry));
                }
                let report = state.report.map(|report| report.to_string()).unwrap_or_default();
                output::note(&format!("succeeded; `assay insights show {report}` prints the report"));
                return output::print(&report);
            }
            JobStatus::Failed | JobStatus::Cancelled => {
                bars.finish();
                if json {
                    output::print_json(&shown(&entry))?;
                }
                anyhow::bail!(
                    "job {id} {}: {}",
                    state.status.as_str(),
                    state.error.as_deref().unwrap_or("no reason")
                );
            }
            JobStatus::Queued if !has_waited && begun.elapsed() > PATIENCE => {
                has_waited = true;
                output::note(
                    "still queued: it is worked on by `assay serve` over this store, once earlier jobs are done",
                );
            }
            JobStatus::Queued | JobStatus::Running => {}
        }
        if state.progress.stage != stage {
            stage.clone_from(&state.progress.stage);
            bars.start(&stage, state.progress.total, false);
        }
        bars.set(state.progress.done);
        anyhow::ensure!(
            !stop::is_asked(),
            "stopped following; the job goes on, `assay insights cancel {id}` ends it"
        );
        std::thread::sleep(LOOK);
    }
}

pub(crate) fn cancel(dir: &Path, id: Uuid, json: bool) -> anyhow::Result<()> {
    anyhow::ensure!(dir.is_dir(), "there is no store at {dir:?}");
    let store = data::open(dir, None)?;
    let entry = block_on(queue::cancel(&store, id, Utc::now()))?;
    let entry = entry.ok_or_else(|| unknown(id))?;
    if json {
        return output::print_json(&shown(&entry));
    }
    match entry.state.status {
        JobStatus::Running => output::note(&format!("job {id} is told to stop")),
        status => output::note(&format!("job {id} {}", status.as_str())),
    }
    Ok(())
}

pub(crate) fn resume(dir: &Path, id: Uuid, json: bool) -> anyhow::Result<()> {
    anyhow::ensure!(dir.is_dir(), "there is no store at {dir:?}");
    let store = data::open(dir, None)?;
    let before = find(&store, id)?.state.status;
    match before {
        JobStatus::Failed | JobStatus::Cancelled => {}
        JobStatus::Succeeded => anyhow::bail!("job {id} has its report: there is nothing to go on with"),
        JobStatus::Queued | JobStatus::Running => {
            anyhow::bail!("job {id} has not ended: it is {}", before.as_str())
        }
    }
    let entry = block_on(queue::resume(&store, id, Utc::now()))?.ok_or_else(|| unknown(id))?;
    if json {
        return output::print_json(&shown(&entry));
    }
    output::note(&format!("job {id} is queued again; `assay insights watch {id}` follows it"));
    Ok(())
}

fn shown(entry: &queue::Entry) -> Value {
    json!({ "job": entry.job, "state": entry.state })
}

fn find(store: &EmbeddedStore, id: Uuid) -> anyhow::Result<queue::Entry> {
    block_on(queue::find(store, id))?.ok_or_else(|| unknown(id))
}

fn unknown(id: Uuid) -> anyhow::Error {
    anyhow::anyhow!("there is no job {id}; `assay insights jobs` shows those there are")
}
