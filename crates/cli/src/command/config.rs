//! `assay config`: what to analyse and how, under a name, shared with the server.

use assay_domain::Time;
use assay_server::insights::{beside, configs};
use assay_store::{EmbeddedStore, Project, block_on};
use chrono::Utc;
use serde_json::{Value, json};

use crate::args::{Config, Data};
use crate::command::{draft, job};
use crate::{Outcome, data, output};

pub(crate) fn run(command: Config) -> anyhow::Result<Outcome> {
    match command {
        Config::List { data, project, json } => list(&data, &project, json)?,
        Config::Show { config, data, project } => {
            let store = data::open_existing(&data.data)?;
            let project = data::project(&store, &project)?;
            output::print_json(&find(&store, &project, &config)?.shown(Utc::now()))?;
        }
        Config::Save { config: name, data, project, analysis, asked } => {
            let (store, project) = open(&data, &project)?;
            let mut entries = job::entries(&analysis)?;
            if let Some(hours) = asked.last_hours {
                entries.insert("last_n_hours".to_owned(), json!(hours));
            }
            if let Some(text) = &analysis.model.instructions {
                let answers = json!({ "What would you like to learn about your agent?": text });
                entries.insert("user_context".to_owned(), answers);
            }
            let saved = beside::save_config(&store, &project, &name, entries, Utc::now());
            let saved = block_on(saved).map_err(anyhow::Error::msg)?;
            output::print(&saved.id.to_string())?;
        }
        Config::Generate { words, data, project, save, model, json } => {
            let (store, project) = open(&data, &project)?;
            draft::generate(&store, &project, &words, &model, save.as_deref(), json)?;
        }
        Config::Preview { config, data, project, threads, model, json } => {
            let (store, project) = open(&data, &project)?;
            let saved = find(&store, &project, &config)?;
            draft::preview(&store, &project, &saved, threads, &model, json)?;
        }
        Config::Delete { config, data, project } => {
            let (store, project) = open(&data, &project)?;
            let found = find(&store, &project, &config)?;
            block_on(beside::delete_config(&store, &found)).map_err(anyhow::Error::msg)?;
            output::note(&format!("deleted config {:?}", found.name));
        }
    }
    Ok(Outcome::Done)
}

/// The store, to be written, and a project of it.
pub(crate) fn open(data: &Data, project: &str) -> anyhow::Result<(EmbeddedStore, Project)> {
    anyhow::ensure!(data.data.is_dir(), "there is no store at {:?}", data.data);
    let store = data::open(&data.data, None)?;
    let project = data::project(&store, project)?;
    Ok((store, project))
}

pub(crate) fn find(
    store: &EmbeddedStore,
    project: &Project,
    config: &str,
) -> anyhow::Result<configs::SavedConfig> {
    block_on(beside::config(store, project, config)).map_err(anyhow::Error::msg)
}

fn list(data: &Data, project: &str, json: bool) -> anyhow::Result<()> {
    let store = data::open_existing(&data.data)?;
    let project = data::project(&store, project)?;
    let mut all = configs::prebuilt(project.id);
    all.extend(block_on(configs::saved(&store, Some(project.id)))?);
    let now: Time = Utc::now();
    if json {
        let shown: Vec<Value> = all.iter().map(|config| config.shown(now)).collect();
        return output::print_json(&shown);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|config| {
            let schedule = config.body.schedule.as_ref();
            vec![
                config.id.to_string(),
                config.name.clone(),
                if config.is_prebuilt() { "prebuilt" } else { "saved" }.to_owned(),
                schedule.map(|schedule| format!("{} {}", schedule.cron, schedule.zone)).unwrap_or_default(),
                config.body.description.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output::print(&output::table(&["CONFIG", "NAME", "KIND", "SCHEDULE", "DESCRIPTION"], &rows))
}
