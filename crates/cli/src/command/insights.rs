//! `assay insights`: reports over a durable store.

use assay_domain::{Report, ReportConfig, ReportId};
use assay_server::insights::queue;
use assay_store::{Catalog, EmbeddedStore, ReportRow, block_on};
use serde_json::json;

use crate::analyst::{Desk, Purpose};
use crate::args::Insights;
use crate::command::{alert, comparison, config, dataset, estimate, files, job, report, schedule};
use crate::progress::Bars;
use crate::{Outcome, cancel, data, output, stdin};

pub(crate) fn run(command: Insights) -> anyhow::Result<Outcome> {
    match command {
        Insights::Run { data, project, analysis, queue, asked, alert: flags, show } => {
            if queue {
                return job::enqueue(&data.data, &project, &analysis, &asked);
            }
            let mut config = analysis.config()?;
            recent(&mut config, asked.last_hours);
            let alert = alert::of(&flags)?;
            report::use_threads(analysis.threads)?;
            anyhow::ensure!(
                data.data.is_dir(),
                "there is no store at {:?}; `assay import FILE --project NAME` makes one",
                data.data
            );
            let store = data::open(&data.data, None)?;
            let project = data::project(&store, &project)?;
            let desk =
                Desk::open(&analysis.model, &store, project.id, data::price_table(None)?, Purpose::Run)?;
            let made = report::analyse(&store, &project, &config, desk.as_ref(), true, &Bars::new())?;
            let before =
                alert.as_ref().map(|_| alert::earlier(&store, &project, &made)).transpose()?.flatten();
            block_on(store.put_report(&made))?;
            block_on(assay_server::insights::adopt(&store, project.id, &made, chrono::Utc::now()))?;
            report::show(&made, show)?;
            output::note(&format!("stored as report {}", made.id));
            if let Some(alert) = &alert {
                alert::tell(alert, before.as_ref(), &made)?;
            }
        }
        Insights::Estimate { data, project, analysis, last_hours, json } => {
            let mut config = analysis.config()?;
            recent(&mut config, last_hours);
            estimate::run(&data.data, &project, &analysis, &config, json)?;
        }
        Insights::Jobs { data, project, json } => job::list(&data.data, project.as_deref(), json)?,
        Insights::Watch { job, data, json } => job::watch(&data.data, job, json)?,
        Insights::Resume { job, data, json } => job::resume(&data.data, job, json)?,
        Insights::Cancel { job, data, json } => job::cancel(&data.data, job, json)?,
        Insights::Config(command) => return config::run(command),
        Insights::Schedule(command) => return schedule::run(command),
        Insights::Dataset(command) => return dataset::run(command),
        Insights::Compare { before, after, data, json } => {
            let store = data::open_existing(&data.data)?;
            let (before, after) = (find(&store, Some(before), None)?, find(&store, Some(after), None)?);
            comparison::show(&comparison::of(&data.data, store, &before, &after)?, json)?;
        }
        Insights::List { data, project, json } => {
            let store = data::open_existing(&data.data)?;
            let project = project.map(|name| data::project(&store, &name)).transpose()?;
            list(&block_on(store.reports(project.map(|project| project.id)))?, json)?;
        }
        Insights::Show { report: id, data, project, show } => {
            let store = data::open_existing(&data.data)?;
            report::show(&find(&store, id, project.as_deref())?, show)?;
        }
        Insights::Export { report: id, data, project, out } => {
            let store = data::open_existing(&data.data)?;
            let found = find(&store, id, project.as_deref())?;
            report::announce(&files::write(&found, &store, &out)?);
        }
        Insights::Delete { report: id, data } => {
            anyhow::ensure!(data.data.is_dir(), "there is no store at {:?}", data.data);
            let store = data::open(&data.data, None)?;
            anyhow::ensure!(block_on(store.delete_report(id))?, "there is no report {id}");
            // What it is listed by, where a command made it.
            block_on(queue::delete(&store, id.0))?;
            output::note(&format!("deleted report {id}"));
        }
        Insights::Verify { file } => verify(&file)?,
    }
    Ok(Outcome::Done)
}

/// Puts the last hours into a config.
fn recent(config: &mut ReportConfig, hours: Option<u32>) {
    if let Some(hours) = hours {
        config.start_time = Some(chrono::Utc::now() - chrono::TimeDelta::hours(i64::from(hours)));
    }
}

fn verify(file: &std::path::Path) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let text = if file == std::path::Path::new("-") {
        let read = std::io::read_to_string(stdin::open()?);
        anyhow::ensure!(!cancel::is_asked(), "stopped; nothing was verified, repeat the command to do it");
        read?
    } else {
        fs_err::read_to_string(file)?
    };
    let report: Report =
        serde_json::from_str(&text).with_context(|| format!("{} is not a report", file.display()))?;
    if let Err(violations) = assay_insights::verify::report(&report) {
        let listed: Vec<String> = violations.iter().map(ToString::to_string).collect();
        anyhow::bail!("the report does not check:\n  {}", listed.join("\n  "));
    }
    let numbers: usize = report.executive_summary.key_points.iter().map(|claim| claim.values.len()).sum();
    output::print(&format!(
        "checked: {numbers} numbers in {} key points, {} highlights, {} categories, {} threads",
        report.executive_summary.key_points.len(),
        report.executive_summary.highlights.len(),
        report.taxonomy.nodes.len(),
        report.assignments.len()
    ))
}

/// The report of this id, else the newest of the project, else the newest of all.
fn find(store: &EmbeddedStore, id: Option<ReportId>, project: Option<&str>) -> anyhow::Result<Report> {
    let id = match id {
        Some(id) => id,
        None => {
            let project = project.map(|name| data::project(store, name)).transpose()?;
            let reports = block_on(store.reports(project.map(|project| project.id)))?;
            let newest = reports.first().map(|row| row.id);
            newest.ok_or_else(|| anyhow::anyhow!("there is no report yet; `assay insights run` makes one"))?
        }
    };
    block_on(store.report(id))?.ok_or_else(|| {
        anyhow::anyhow!("there is no report {id}; `assay insights list` shows those there are")
    })
}

fn list(reports: &[ReportRow], json: bool) -> anyhow::Result<()> {
    if json {
        let listed: Vec<_> = reports
            .iter()
            .map(|row| {
                json!({
                    "id": row.id, "project": row.project, "name": row.name, "title": row.title,
                    "threads": row.threads, "categories": row.categories, "stored_at": row.stored_at,
                })
            })
            .collect();
        return output::print_json(&listed);
    }
    if reports.is_empty() {
        return output::print("no reports");
    }
    let rows: Vec<Vec<String>> = reports
        .iter()
        .map(|row| {
            vec![
                row.id.to_string(),
                row.project.clone(),
                row.name.clone(),
                row.threads.to_string(),
                row.categories.to_string(),
                row.stored_at.map(|time| time.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default(),
                assay_ui::text::cut(&row.title, 60).into_owned(),
            ]
        })
        .collect();
    let header = ["REPORT", "PROJECT", "NAME", "THREADS", "CATEGORIES", "STORED", "TITLE"];
    output::print(&output::table(&header, &rows))
}
