//! `assay schedule`: when the server makes jobs by itself.

use assay_server::insights::schedule::Schedule as When;
use assay_server::insights::{beside, configs};
use assay_store::block_on;
use chrono::Utc;
use serde_json::{Value, json};

use crate::args::{Data, Schedule};
use crate::command::config::{find, open};
use crate::{Outcome, data, output};

/// So many of the next runs are shown.
const SHOWN: usize = 3;

pub(crate) fn run(command: Schedule) -> anyhow::Result<Outcome> {
    match command {
        Schedule::Add { config, data, project, at, zone } => {
            let (store, project) = open(&data, &project)?;
            let config = find(&store, &project, &config)?;
            let now = Utc::now();
            let when = When::new(&at, Some(&zone), now).map_err(anyhow::Error::msg)?;
            let next = when.next_runs(now, SHOWN);
            block_on(beside::set_schedule(&store, config, Some(when), now)).map_err(anyhow::Error::msg)?;
            output::note("`assay serve` over this store makes the jobs; next:");
            for time in next {
                output::print(&time.format("%Y-%m-%d %H:%M UTC").to_string())?;
            }
        }
        Schedule::List { data, project, json } => list(&data, project.as_deref(), json)?,
        Schedule::Remove { config, data, project } => {
            let (store, project) = open(&data, &project)?;
            let config = find(&store, &project, &config)?;
            anyhow::ensure!(config.body.schedule.is_some(), "config {:?} has no schedule", config.name);
            let name = config.name.clone();
            block_on(beside::set_schedule(&store, config, None, Utc::now())).map_err(anyhow::Error::msg)?;
            output::note(&format!("config {name:?} has no schedule any more"));
        }
    }
    Ok(Outcome::Done)
}

fn list(data: &Data, project: Option<&str>, json: bool) -> anyhow::Result<()> {
    let store = data::open_existing(&data.data)?;
    let project = project.map(|name| data::project(&store, name)).transpose()?;
    let mut all = block_on(configs::saved(&store, project.map(|project| project.id)))?;
    all.retain(|config| config.body.schedule.is_some());
    let now = Utc::now();
    if json {
        let shown: Vec<Value> = all.iter().map(|config| config.shown(now)).collect();
        return output::print_json(&json!(shown));
    }
    if all.is_empty() {
        return output::print("no schedules");
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .filter_map(|config| {
            let when = config.body.schedule.as_ref()?;
            let next = when.next_runs(now, SHOWN);
            let next: Vec<String> =
                next.iter().map(|time| time.format("%Y-%m-%d %H:%M").to_string()).collect();
            let refused = when.refused.as_ref().map(|refused| refused.reason.clone()).unwrap_or_default();
            Some(vec![config.name.clone(), when.cron.clone(), when.zone.clone(), next.join(", "), refused])
        })
        .collect();
    output::print(&output::table(&["CONFIG", "AT", "ZONE", "NEXT RUNS (UTC)", "LAST REFUSED"], &rows))
}
