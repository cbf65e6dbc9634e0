//! Files into a store: how many runs a second, and memory that stays flat.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::table::{Row, Target};
use super::{Bench, corpus, free_space, megabytes};
use crate::process::Measured;

/// Small runs into a new store, then the same file again.
#[expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]
pub(super) fn import(bench: &Bench) -> Result<Vec<Row>> {
    let file = bench.file("runs.jsonl");
    let runs = corpus::write_runs(&file, if bench.is_quick { 20_000 } else { 200_000 })?;
    let size = std::fs::metadata(&file)?.len();
    let command = "import {runs.jsonl} --project bench --data {store} --json";
    let (first, again) =
        (timed(bench, command, "new_runs", runs)?, timed(bench, command, "unchanged_runs", runs)?);
    let rate = |measured: Measured| runs as f64 / measured.seconds;
    let parsing = runs as f64 / parse(&file)?;
    let of_parsing = format!("{:.2} × parsing the JSON on one core", rate(first) / parsing);
    let note = format!("{runs} runs of {} bytes", size / runs);
    let target = |target| if bench.is_quick { None } else { Some(target) };
    Ok(vec![
        Row::new("import", "runs/s", rate(first), command)
            .target(target(Target::AtLeast(20_000.0)))
            .ratio(of_parsing)
            .note(&note),
        Row::new("import", "peak MB", megabytes(first.peak_bytes), command)
            .target(target(Target::AtMost(500.0)))
            .ratio(format!("{:.2} × the file", megabytes(first.peak_bytes) / megabytes(size))),
        Row::new("import", "store MB", megabytes(folder_size(&bench.file("store"))), command).ratio(format!(
            "{:.2} × the file",
            megabytes(folder_size(&bench.file("store"))) / megabytes(size)
        )),
        Row::new("import", "runs/s, unchanged", rate(again), command)
            .ratio(format!("{:.2} × the first import", rate(again) / rate(first)))
            .note("the same file again: nothing new"),
    ])
}

/// A file far larger than memory should be: the whole against its first quarter.
#[expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]
pub(super) fn large(bench: &Bench) -> Result<Vec<Row>> {
    let size: u64 = if bench.is_quick { 300 << 20 } else { 5_000_000_000 };
    if let Some(free) = free_space(&bench.folder) {
        // The file, its quarter and two stores, none of them larger than what they hold.
        let needed = size / 2 * 5;
        ensure!(free > needed, "needs {:.0} MB of free space in {:?}", megabytes(needed), bench.folder);
    }
    let mut measured = Vec::new();
    for (name, bytes) in [("quarter", size / 4), ("whole", size)] {
        let file = bench.file("large.jsonl");
        let runs = corpus::write_bytes(&file, bytes)?;
        let command = format!("import {{large.jsonl}} --project bench --data {{{name}}} --json");
        measured.push((runs, timed(bench, &command, "new_runs", runs)?));
        std::fs::remove_file(&file)?;
        std::fs::remove_dir_all(bench.file(name))?;
    }
    let [(quarter_runs, quarter), (runs, whole)] = measured[..] else { return Ok(Vec::new()) };
    let command = "import {large.jsonl} --project bench --data {store} --json";
    let rate = runs as f64 / whole.seconds;
    let target = |target| if bench.is_quick { None } else { Some(target) };
    Ok(vec![
        Row::new("large", "peak MB", megabytes(whole.peak_bytes), command)
            .target(target(Target::AtMost(500.0)))
            .ratio(format!(
                "{:.2} × that of its first quarter",
                whole.peak_bytes as f64 / quarter.peak_bytes.max(1) as f64
            ))
            .note(&format!("a file of {:.1} GB, {runs} runs", size as f64 / 1e9)),
        Row::new("large", "runs/s", rate, command).ratio(format!(
            "{:.2} × that of its first quarter",
            rate / (quarter_runs as f64 / quarter.seconds)
        )),
    ])
}

/// Imports and checks that the product counts as many runs as there are.
fn timed(bench: &Bench, command: &str, counted: &str, runs: u64) -> Result<Measured> {
    let (output, measured) = bench.assay(command)?;
    let counts: Value = serde_json::from_slice(&output).context("the counts of an import")?;
    ensure!(counts[counted] == runs, "expected {runs} {counted}: {counts}");
    Ok(measured)
}

/// Seconds to parse every line and do nothing with it: what other machines can be compared by.
fn parse(file: &std::path::Path) -> Result<f64> {
    let text = std::fs::read_to_string(file)?;
    let start = Instant::now();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line)?;
        std::hint::black_box(&record);
    }
    Ok(start.elapsed().as_secs_f64())
}

fn folder_size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}
