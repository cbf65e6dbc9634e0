//! `assay demo`: a corpus made up on the spot, analysed through both lenses.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;

use assay_domain::report::{CategoryKind, Focus};
use assay_domain::{Report, ReportConfig};
use serde_json::Value;

use crate::args::{self, Input, Printing};
use crate::command::{files, report};
use crate::demo::check::{Association, FoundThread, check};
use crate::demo::corpus::{Corpus, Options, generate};
use crate::progress::Bars;
use crate::{Outcome, data, ingest, output};

const PROJECT: &str = "demo";

pub(crate) fn run(args: args::Demo) -> anyhow::Result<Outcome> {
    let bars = Bars::new();
    bars.start("making traces", 0, false);
    let corpus = generate(&Options { seed: args.seed, threads: args.size, ..Options::default() });
    let written = write_corpus(&corpus, &args.out)?;
    let store = data::open_temporary(None)?;
    let input = Input { files: written, format: None, prices: None, config: None };
    let tally = ingest::files(&store, PROJECT, &input, &bars)?;
    let project = data::project(&store, PROJECT)?;
    let usage = report::analyse(&store, &project, &ReportConfig::usage_patterns(), None, true, &bars)?;
    let errors = report::analyse(&store, &project, &ReportConfig::error_analysis(), None, true, &bars)?;

    report::announce(&files::write(&usage, &store, &args.out)?);
    report::announce(&files::write(&errors, &store, &args.out.join("errors"))?);

    let show = Printing { json: args.json, depth: None };
    if args.check {
        let result = check(&corpus.planted, &found(&usage, &errors), &associations(&errors));
        output::print(&result.to_string())?;
        anyhow::ensure!(
            result.passed(),
            "the report misses too much of what was planted:\n  {}",
            result.shortcomings().join("\n  ")
        );
    } else {
        report::show(&usage, show)?;
        if !args.json {
            report::show(&errors, show)?;
        }
    }
    Ok(tally.outcome())
}

/// Writes the corpus as a user's files would look; `planted.json` is the answer key.
fn write_corpus(corpus: &Corpus, out: &Path) -> anyhow::Result<Vec<String>> {
    fs_err::create_dir_all(out)?;
    let lines = |name: &str, records: &[Value]| {
        let path = out.join(name);
        let mut file = BufWriter::new(fs_err::File::create(&path)?);
        for record in records {
            serde_json::to_writer(&mut file, record)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
        anyhow::Ok(path.to_string_lossy().into_owned())
    };
    let written = vec![lines("traces.jsonl", &corpus.runs)?, lines("feedback.jsonl", &corpus.feedback)?];
    fs_err::write(out.join("planted.json"), serde_json::to_string_pretty(&corpus.planted.to_json())?)?;
    Ok(written)
}

/// Where each thread ended up in both lenses.
fn found(usage: &Report, errors: &Report) -> Vec<FoundThread> {
    let failures: BTreeMap<&str, Option<Vec<String>>> = errors
        .assignments
        .iter()
        .map(|one| {
            let is_failure = errors
                .category(&one.category)
                .is_some_and(|node| !matches!(node.kind, CategoryKind::Healthy));
            (one.thread.0.as_str(), is_failure.then(|| one.path.clone()))
        })
        .collect();
    usage
        .assignments
        .iter()
        .map(|one| FoundThread {
            thread: one.thread.0.clone(),
            path: one.path.clone(),
            failure: failures.get(one.thread.0.as_str()).cloned().flatten(),
        })
        .collect()
}

/// What the error report says failures go with.
fn associations(errors: &Report) -> Vec<Association> {
    debug_assert_eq!(errors.config.focus, Focus::Errors);
    let of = |node: &assay_domain::report::Category| {
        let name = node.name.clone();
        let likelier = node.statistics.associations.iter().filter(|link| link.odds_ratio > 1.0);
        likelier
            .map(|link| {
                let attribute = link.attribute.strip_prefix("metadata.").unwrap_or(&link.attribute);
                // The version of a prompt is known by one name, whatever key it came under.
                let attribute = if attribute == "prompt_version" { "prompt_commit" } else { attribute };
                Association {
                    category: name.clone(),
                    attribute: attribute.to_owned(),
                    value: link.value.clone(),
                }
            })
            .collect::<Vec<_>>()
    };
    errors.taxonomy.nodes.iter().flat_map(of).collect()
}
