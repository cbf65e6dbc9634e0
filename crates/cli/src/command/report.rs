//! `assay report`: files to a report in one command.

use std::path::Path;

use assay_domain::{Report, ReportConfig};
use assay_insights::{Analyst, Context};
use assay_llm::Embed;
use assay_llm::minilm::MiniLm;
use assay_store::{Catalog, EmbeddedStore, Project, block_on};
use assay_ui::TerminalOptions;

use crate::analyst::{Desk, Purpose};
use crate::args::{self, Printing};
use crate::command::files;
use crate::progress::Bars;
use crate::{Outcome, cancel, data, ingest, output};

pub(crate) fn run(args: args::Report) -> anyhow::Result<Outcome> {
    let config = args.analysis.config()?;
    use_threads(args.analysis.threads)?;
    // Whoever asks for JSON alone wants no files unless they say where.
    let wants_files = !args.no_files && (!args.show.json || args.out != Path::new("assay-report"));
    if wants_files {
        // Found out now, not when the work is done and paid for.
        files::check(&args.out)?;
    }
    let prices = args.input.prices.as_deref();
    let store = match &args.data {
        Some(dir) => data::open(dir, prices)?,
        None => data::open_temporary(prices)?,
    };
    let name = args.project.clone().unwrap_or_else(|| project_name(&args.input.files[0]));
    let bars = Bars::new();
    let tally = ingest::files(&store, &name, &args.input, &bars)?;
    bars.finish();
    if tally.has_notes() {
        output::note(&tally.describe(&name));
    }
    let project = data::project(&store, &name)?;
    let prices = data::price_table(prices)?;
    let desk = Desk::open(&args.analysis.model, &store, project.id, prices, Purpose::Run)?;
    let report = analyse(&store, &project, &config, desk.as_ref(), args.data.is_some(), &bars)?;
    if args.data.is_some() {
        block_on(store.put_report(&report))?;
        block_on(assay_server::insights::adopt(&store, project.id, &report, chrono::Utc::now()))?;
    }
    show(&report, args.show)?;
    if wants_files {
        announce(&files::write(&report, &store, &args.out)?);
    }
    Ok(tally.outcome())
}

/// Makes a report over a project.
pub(crate) fn analyse(
    store: &EmbeddedStore,
    project: &Project,
    config: &ReportConfig,
    desk: Option<&Desk>,
    remember: bool,
    bars: &Bars,
) -> anyhow::Result<Report> {
    let embedder = MiniLm::bundled()?;
    let made = match desk {
        None => {
            let context = context(store, &embedder, None, remember, bars);
            block_on(assay_insights::run(&context, project, config))
        }
        // Models are asked over HTTP, which needs a runtime.
        Some(desk) => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            desk.with(|analyst| {
                let run = |embedder: &dyn Embed| {
                    let context = context(store, embedder, Some(analyst), remember, bars);
                    runtime.block_on(assay_insights::run(&context, project, config))
                };
                match desk.embedder().map(run) {
                    None => run(&embedder),
                    // What models answered until then is remembered.
                    Some(Err(assay_insights::Error::Embed(over @ assay_llm::Error::OverBudget { .. }))) => {
                        output::note(&format!("grouped by the embedder inside: {over}"));
                        run(&embedder)
                    }
                    Some(made) => made,
                }
            })
        }
    };
    bars.finish();
    if let Some(desk) = desk {
        output::note(&format!("models cost ${} this time", desk.spent().round_dp(4)));
    }
    let made = made?;
    anyhow::ensure!(
        !(made.assignments.is_empty() && made.made.skipped.is_empty()),
        "no thread of project {:?} matches: widen the time range or the filter",
        project.name
    );
    Ok(made)
}

pub(crate) fn context<'a>(
    store: &'a EmbeddedStore,
    embedder: &'a dyn Embed,
    analyst: Option<&'a Analyst<'a>>,
    remember: bool,
    progress: &'a Bars,
) -> Context<'a, EmbeddedStore> {
    Context { store, embedder, analyst, remember, progress, cancel: cancel::flag() }
}

/// Prints a report as asked.
pub(crate) fn show(report: &Report, show: Printing) -> anyhow::Result<()> {
    if show.json {
        return output::print(&assay_ui::json(report));
    }
    let options = TerminalOptions {
        width: output::width(),
        color: output::wants_color(),
        depth: show.depth,
        ..TerminalOptions::default()
    };
    output::print(&assay_ui::terminal(report, &options))
}

/// Says where the files are.
pub(crate) fn announce(paths: &[std::path::PathBuf]) {
    if let Some(page) = paths.first() {
        output::note(&format!("wrote {} and {} more files beside it", page.display(), paths.len() - 1));
    }
}

/// Limits the processor threads of the analysis. Its result does not depend on them.
pub(crate) fn use_threads(count: Option<usize>) -> anyhow::Result<()> {
    if let Some(count) = count {
        rayon::ThreadPoolBuilder::new().num_threads(count).build_global()?;
    }
    Ok(())
}

/// `dir/support.jsonl.gz` → `support`.
fn project_name(file: &str) -> String {
    let path = Path::new(file);
    let name =
        path.file_name().map_or_else(|| "traces".to_owned(), |name| name.to_string_lossy().into_owned());
    match name.split('.').next() {
        Some(stem) if !stem.is_empty() && stem != "-" => stem.to_owned(),
        _ => "traces".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_is_named_after_the_file() {
        assert_eq!(project_name("dir/support.jsonl.gz"), "support");
        assert_eq!(project_name("-"), "traces");
        assert_eq!(project_name(".."), "traces");
    }
}
