//! `assay insights estimate`: what a report would take, before it is made.

use std::path::Path;

use assay_domain::{ReportConfig, RunEstimate};
use assay_insights::Effort;
use assay_llm::minilm::MiniLm;
use assay_store::block_on;

use crate::analyst::{Desk, Purpose};
use crate::args::Analysis;
use crate::command::report;
use crate::progress::Bars;
use crate::{data, output};

pub(crate) fn run(
    dir: &Path,
    project: &str,
    analysis: &Analysis,
    config: &ReportConfig,
    json: bool,
) -> anyhow::Result<()> {
    report::use_threads(analysis.threads)?;
    anyhow::ensure!(
        dir.is_dir(),
        "there is no store at {dir:?}; `assay import FILE --project NAME` makes one"
    );
    let store = data::open(dir, None)?;
    let project = data::project(&store, project)?;
    let desk = Desk::open(&analysis.model, &store, project.id, data::price_table(None)?, Purpose::Estimate)?;
    let (embedder, bars) = (MiniLm::bundled()?, Bars::new());
    let told = match &desk {
        None => {
            let context = report::context(&store, &embedder, None, true, &bars);
            block_on(assay_insights::estimate(&context, &project, config, Effort::THOROUGH))
        }
        Some(desk) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            desk.with(|analyst| {
                let context = report::context(&store, &embedder, Some(analyst), true, &bars);
                runtime.block_on(assay_insights::estimate(&context, &project, config, Effort::THOROUGH))
            })
        }
    };
    bars.finish();
    let told = told?;
    if json { output::print_json(&told) } else { show(&told) }
}

fn show(told: &RunEstimate) -> anyhow::Result<()> {
    let count = |number: usize| assay_domain::format::count(number as u64);
    output::print(&format!(
        "tier {}: {} of {} threads drawn",
        told.tier.as_str(),
        count(told.threads),
        count(told.population)
    ))?;
    if told.stages.is_empty() {
        return output::print("no language model is asked: it costs nothing");
    }
    let mut rows: Vec<Vec<String>> = (told.stages.iter())
        .map(|stage| {
            let (calls, remembered) = (count(stage.calls), count(stage.remembered));
            row(
                &stage.stage,
                &stage.model,
                calls,
                remembered,
                (stage.input_tokens, stage.output_tokens),
                stage.cost,
            )
        })
        .collect();
    let all = (told.input_tokens, told.output_tokens);
    rows.push(row("all", "", count(told.calls), count(told.remembered), all, told.cost));
    let header = ["STAGE", "MODEL", "CALLS", "REMEMBERED", "TOKENS IN", "TOKENS OUT", "DOLLARS"];
    output::print(&output::table(&header, &rows))?;
    output::print(&format!(
        "about {} of waiting for models, longer where the provider limits calls",
        assay_domain::format::seconds(told.seconds)
    ))?;
    if let Some((low, high)) = told.cost_low.zip(told.cost_high).filter(|(_, high)| *high > 0.0) {
        output::print(&format!(
            "it may cost between ${low:.4} and ${high:.4}: how long answers are and how many categories there \
             will be shows only then"
        ))?;
    }
    if told.looked_at < told.threads {
        output::print(&format!("from the prompts of {} threads", count(told.looked_at)))?;
    }
    if !told.unpriced.is_empty() {
        output::note(&format!("no price is known for {}", told.unpriced.join(", ")));
    }
    if let Some(budget) = told.budget.filter(|_| told.exceeds_budget) {
        output::note(&format!(
            "a budget of ${budget} will not last: the report would be made without models from there on"
        ));
    } else if let Some(budget) =
        told.budget.filter(|budget| told.cost_high.is_some_and(|high| high > *budget))
    {
        output::note(&format!(
            "a budget of ${budget} may not last: the report would be made without models from there on"
        ));
    }
    Ok(())
}

fn row(
    stage: &str,
    model: &str,
    calls: String,
    remembered: String,
    (input, output): (u64, u64),
    cost: Option<f64>,
) -> Vec<String> {
    let count = assay_domain::format::count;
    let cost = cost.map_or_else(|| "?".to_owned(), |cost| format!("{cost:.4}"));
    vec![stage.to_owned(), model.to_owned(), calls, remembered, count(input), count(output), cost]
}
