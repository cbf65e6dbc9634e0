//! Configs before they are used: drafted from plain words, looked at on a few threads.

use assay_domain::report::{AttributeValue, Tier};
use assay_domain::{ReportConfig, format};
use assay_insights::preview::{Preview, Previewed};
use assay_insights::{Analyst, Error};
use assay_llm::MiniLm;
use assay_server::insights::{beside, configs};
use assay_store::{EmbeddedStore, Project, block_on};
use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::analyst::{self, Desk, Purpose};
use crate::args::ModelFlags;
use crate::command::report;
use crate::progress::Bars;
use crate::{data, output};

const QUESTION: &str = "What would you like to learn about your agent?";
/// Threads a model is shown for a draft.
const EXAMPLES: usize = 5;

/// Drafts a config and prints it, or saves it.
///
/// # Errors
/// Where the words say nothing, or the draft cannot be saved.
pub(crate) fn generate(
    store: &EmbeddedStore,
    project: &Project,
    words: &str,
    flags: &ModelFlags,
    save: Option<&str>,
    json: bool,
) -> anyhow::Result<()> {
    let answers = Map::from_iter([(QUESTION.to_owned(), json!(words))]);
    let mut asked = ReportConfig::usage_patterns();
    analyst::configure(flags, &mut asked)?;
    let drafted = match Desk::open(flags, store, project.id, data::price_table(None)?, Purpose::Run)? {
        None => block_on(beside::generate(&answers, project, None, &[])),
        Some(desk) => {
            let model = asked.models.as_ref().map_or("", |models| models.thinking.as_str());
            let examples = examples(store, project)?;
            let runtime = runtime()?;
            desk.with(|analyst| {
                runtime.block_on(beside::generate(&answers, project, Some((analyst, model)), &examples))
            })
        }
    };
    let drafted = drafted.map_err(anyhow::Error::msg)?;
    if let Some(name) = save {
        let mut entries = Map::from_iter([("user_context".to_owned(), Value::Object(answers))]);
        for field in ["summary_prompt", "attribute_schemas", "focus"] {
            entries.insert(field.to_owned(), drafted[field].clone());
        }
        let saved = beside::save_config(store, project, name, entries, Utc::now());
        let saved = block_on(saved).map_err(anyhow::Error::msg)?;
        output::note(&format!(
            "saved as {:?} ({}); `assay config preview` shows what it gives",
            saved.name, saved.id
        ));
    }
    if json {
        return output::print_json(&drafted);
    }
    let said = |name: &str| drafted[name].as_str().unwrap_or_default().to_owned();
    output::print(&output::plain(&format!("{}, about {}\n", said("name"), said("focus"))))?;
    let schemas = drafted["attribute_schemas"].as_object().into_iter().flatten();
    let rows: Vec<Vec<String>> = schemas
        .map(|(name, schema)| {
            let of = |field: &str| schema[field].as_str().unwrap_or_default().to_owned();
            vec![name.clone(), of("type"), of("description")]
        })
        .collect();
    output::print(&output::table(&["ATTRIBUTE", "TYPE", "DESCRIPTION"], &rows))?;
    output::print(&output::plain(&format!("\nPrompt for reading a thread:\n{}", said("summary_prompt"))))?;
    output::note(&match drafted["note"].as_str() {
        Some(note) => note.to_owned(),
        None => format!("drafted by {}", said("generated_by")),
    });
    Ok(())
}

/// Requests and summaries of a few threads, by rule.
fn examples(store: &EmbeddedStore, project: &Project) -> anyhow::Result<Vec<(String, String)>> {
    let mut config = ReportConfig::usage_patterns();
    config.sample.size = Some(EXAMPLES);
    let seen = looked_at(store, project, &config, None)?;
    Ok(seen.threads.into_iter().map(|one| (one.request, one.summary)).collect())
}

/// Shows what a config gives on a few threads.
///
/// # Errors
/// Where the config cannot be met or the model not be asked.
pub(crate) fn preview(
    store: &EmbeddedStore,
    project: &Project,
    saved: &configs::SavedConfig,
    threads: usize,
    flags: &ModelFlags,
    json: bool,
) -> anyhow::Result<()> {
    let mut config = beside::planned(project, saved, flags.tier, Utc::now()).map_err(anyhow::Error::msg)?;
    let (prompt, attributes) = (config.summary_prompt.clone(), config.attributes.clone());
    analyst::configure(flags, &mut config)?;
    if flags.summary_prompt.is_none() {
        config.summary_prompt = prompt;
    }
    if flags.attributes.is_none() {
        config.attributes = attributes;
    }
    config.read_by_model = None;
    config.sample.size = Some(threads);
    let desk = Desk::open(flags, store, project.id, data::price_table(None)?, Purpose::Run)?;
    let seen = looked_at(store, project, &config, desk.as_ref())?;
    if let Some(desk) = &desk {
        output::note(&format!("models cost ${} this time", desk.spent().round_dp(4)));
    } else if flags.tier == Tier::Local {
        output::note(
            "read by rule; with --tier deep --model NAME a model reads them, prompt and attributes count",
        );
    }
    if json {
        return output::print_json(&json!({
            "population": seen.population,
            "threads": seen.threads,
            "skipped": seen.skipped,
        }));
    }
    output::print(&format!(
        "{} of {} threads",
        format::count(seen.threads.len() as u64),
        format::count(seen.population as u64)
    ))?;
    for one in &seen.threads {
        output::print(&output::plain(&in_words(one)))?;
    }
    for one in &seen.skipped {
        output::note(&format!("{} was skipped: {}", one.thread.0, one.reason));
    }
    Ok(())
}

fn in_words(one: &Previewed) -> String {
    let mut text = format!("\n{}\n  wants: {}\n  {}", one.thread.0, one.request, one.summary);
    for (name, value) in &one.attributes {
        let value = match value {
            AttributeValue::Text(text) => text.clone(),
            AttributeValue::Labels(labels) => labels.join(", "),
            AttributeValue::Number(number) => number.to_string(),
            AttributeValue::Boolean(is_true) => if *is_true { "yes" } else { "no" }.to_owned(),
        };
        text.push_str(&format!("\n  {name}: {value}"));
    }
    for quote in &one.evidence {
        text.push_str(&format!("\n  [{}] “{}”", quote.message, quote.quote));
    }
    if !one.is_kept {
        text.push_str("\n  would be left out: an attribute to filter by is not true");
    }
    if let Some(reason) = &one.unread {
        text.push_str(&format!("\n  the model could not read it: {reason}"));
    }
    text
}

/// Reads the threads that the config's sample draws.
fn looked_at(
    store: &EmbeddedStore,
    project: &Project,
    config: &ReportConfig,
    desk: Option<&Desk>,
) -> anyhow::Result<Preview> {
    let (embedder, bars) = (MiniLm::bundled()?, Bars::new());
    let runtime = runtime()?;
    let look = |analyst: Option<&Analyst<'_>>| -> Result<Preview, Error> {
        let context = report::context(store, &embedder, analyst, true, &bars);
        runtime.block_on(assay_insights::preview(&context, project, config))
    };
    let seen = match desk {
        Some(desk) => desk.with(|analyst| look(Some(analyst))),
        None => look(None),
    };
    bars.finish();
    Ok(seen?)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}
