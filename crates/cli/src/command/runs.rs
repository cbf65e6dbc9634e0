//! `assay runs list`: runs that match a filter.

use assay_domain::format;
use assay_store::{Filter, RunQuery, RunRow, Runs as _, block_on};
use serde_json::json;

use crate::args::Runs;
use crate::{Outcome, data, output};

pub(crate) fn run(command: Runs) -> anyhow::Result<Outcome> {
    let Runs::List { data, project, filter, since, until, roots, limit, json } = command;
    let filter = filter.as_deref().map(Filter::parse).transpose()?;
    let store = data::open_existing(&data.data)?;
    let project = data::project(&store, &project)?;
    let query = RunQuery {
        filter,
        start: since,
        end: until,
        is_root: roots.then_some(true),
        limit: limit.max(1),
        ..RunQuery::new(project.id)
    };
    let page = block_on(store.runs(&query))?;
    if json {
        let listed: Vec<_> = page.items.iter().map(as_json).collect();
        output::print_json(&listed)?;
        return Ok(Outcome::Done);
    }
    if page.items.is_empty() {
        output::print("no runs match")?;
        return Ok(Outcome::Done);
    }
    let rows: Vec<Vec<String>> = page.items.iter().map(row).collect();
    let header = ["START", "KIND", "NAME", "STATUS", "LATENCY", "TOKENS", "COST", "THREAD", "ID"];
    output::print(&output::table(&header, &rows))?;
    if page.next.is_some() {
        let total = block_on(store.count(&query))?;
        output::note(&format!("showing {} of {total} runs; --limit shows more", page.items.len()));
    }
    Ok(Outcome::Done)
}

fn row(run: &RunRow) -> Vec<String> {
    let none = || format::NONE.to_owned();
    vec![
        run.start_time.map_or_else(none, |time| time.format("%Y-%m-%d %H:%M:%S").to_string()),
        run.kind.as_str().to_owned(),
        assay_ui::text::cut(&run.name, 32).into_owned(),
        run.status.as_str().to_owned(),
        run.latency.map_or_else(none, format::seconds),
        if run.total_tokens > 0 { format::count(run.total_tokens) } else { none() },
        run.total_cost.and_then(|cost| cost.to_string().parse().ok()).map_or_else(none, format::money),
        assay_ui::text::cut(&run.thread.0, 36).into_owned(),
        run.id.to_string(),
    ]
}

fn as_json(run: &RunRow) -> serde_json::Value {
    json!({
        "id": run.id.to_string(),
        "trace_id": run.trace.to_string(),
        "parent_run_id": run.parent.map(|id| id.to_string()),
        "thread_id": run.thread.0,
        "name": run.name,
        "run_type": run.kind.as_str(),
        "status": run.status.as_str(),
        "error": run.error,
        "start_time": run.start_time,
        "end_time": run.end_time,
        "first_token_time": run.first_token_time,
        "latency": run.latency,
        "model": run.model,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "total_tokens": run.total_tokens,
        "total_cost": run.total_cost.map(|cost| cost.to_string()),
        "tags": run.tags,
        "metadata": run.metadata,
    })
}
