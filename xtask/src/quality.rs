//! `cargo xtask quality [SET…]`: how good the categories are on labelled data.
//!
//! Runs the release binary on each set as a user would (labels are stripped
//! before), compares categories with labels, prints one table and stores it
//! under `docs/quality/`. One set of defaults for all sets; nothing is tuned
//! per set. Floors are checked with `--check`. `--partly` measures another thing:
//! tier `deep` where a model reads only some of the threads (`partly`).

mod measures;
mod partly;
mod sets;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::process::{self, Measured};
use measures::Agreement;
use sets::{Labelled, Set};

/// What a run of the product said about one set.
struct Found {
    /// Category path by thread id; `None` for those in "Other".
    path: BTreeMap<String, Option<Vec<String>>>,
    report: serde_json::Value,
    measured: Measured,
}

/// One line of the table.
struct Row {
    set: String,
    measure: String,
    value: f64,
    floor: Option<f64>,
    note: String,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let check = args.iter().any(|arg| arg == "--check");
    let stability = args.iter().any(|arg| arg == "--stability");
    let store = !args.iter().any(|arg| arg == "--no-store");
    let given = args.iter().position(|arg| arg == "--assay");
    let is_path = |index: usize| given.is_some_and(|flag| index == flag + 1);
    let wanted: Vec<&String> = args
        .iter()
        .enumerate()
        .filter(|&(index, arg)| !arg.starts_with("--") && !is_path(index))
        .map(|(_, arg)| arg)
        .collect();
    let data = crate::root().join("../shared/data");
    if !data.is_dir() {
        println!("quality: no labelled data at {}; nothing to measure", data.display());
        return Ok(());
    }
    let binary = match given {
        Some(flag) => PathBuf::from(args.get(flag + 1).context("--assay needs the path of a binary")?),
        None => process::build_assay()?,
    };
    if args.iter().any(|arg| arg == "--partly") {
        return partly(&data, &binary, &wanted, store);
    }
    let mut rows = Vec::new();
    for set in sets::all() {
        if !wanted.is_empty() && !wanted.iter().any(|name| *name == set.name) {
            continue;
        }
        let labelled = sets::load(&data, &set)?;
        eprintln!("{}: {} threads", set.name, labelled.lines.len());
        let found = analyse(&binary, &labelled.lines, set.flags)?;
        rows.extend(score(&set, &labelled, &found));
        if stability && set.is_topic {
            rows.extend(stability_rows(&binary, &set, &labelled, &found)?);
        }
    }
    ensure!(!rows.is_empty(), "no such set; there are: {}", sets::names().join(", "));
    let table = table(&rows);
    println!("{table}");
    if store && wanted.is_empty() {
        let folder = crate::root().join("docs/quality");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("latest.md"), page(&table))?;
    }
    let below: Vec<&Row> =
        rows.iter().filter(|row| row.floor.is_some_and(|floor| row.value < floor)).collect();
    for row in &below {
        eprintln!("below its floor: {} {} = {:.3}", row.set, row.measure, row.value);
    }
    ensure!(!check || below.is_empty(), "{} measures are below their floors", below.len());
    Ok(())
}

/// The mode that reads only some threads by model.
fn partly(data: &Path, binary: &Path, wanted: &[&String], store: bool) -> Result<()> {
    let beside = binary.with_file_name("assay-standin");
    let standin = if beside.is_file() { beside } else { process::build("assay-standin", "assay-standin")? };
    let rows = partly::rows(data, binary, &standin, wanted)?;
    ensure!(!rows.is_empty(), "no such set; there are: {}", sets::names().join(", "));
    let table = table(&rows);
    println!("{table}");
    if store && wanted.is_empty() {
        std::fs::write(crate::root().join("docs/quality/partly.md"), partly::page(&table))?;
    }
    Ok(())
}

/// Runs the product over some threads.
fn analyse(binary: &Path, lines: &[String], flags: &[&str]) -> Result<Found> {
    analyse_in(binary, lines, flags, None)
}

/// The same over a store that stays, in this folder: texts embedded once are not embedded again.
fn analyse_in(binary: &Path, lines: &[String], flags: &[&str], store: Option<&Path>) -> Result<Found> {
    let folder = tempfile::tempdir()?;
    let file: PathBuf = folder.path().join("threads.jsonl");
    std::fs::write(&file, lines.join("\n"))?;
    let mut args = vec!["report", file.to_str().context("a path")?, "--json", "--no-files"];
    args.extend(flags);
    if let Some(data) = store {
        args.extend(["--data", data.to_str().context("a path")?]);
    }
    let (output, measured) = process::run(binary, &args)?;
    let report: serde_json::Value = serde_json::from_slice(&output).context("report.json")?;
    let mut other = Vec::new();
    for node in report["taxonomy"]["nodes"].as_array().into_iter().flatten() {
        if node["kind"] == "other" {
            other.push(node["id"].as_str().unwrap_or_default().to_owned());
        }
    }
    let mut path = BTreeMap::new();
    for one in report["assignments"].as_array().into_iter().flatten() {
        let names: Vec<String> = one["path"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect();
        let is_other = other.iter().any(|id| one["category"] == id.as_str());
        path.insert(one["thread"].as_str().unwrap_or_default().to_owned(), (!is_other).then_some(names));
    }
    Ok(Found { path, report, measured })
}

fn score(set: &Set, labelled: &Labelled, found: &Found) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |measure: &str, value: f64, note: String| {
        let floor = set.floors.iter().find(|(name, _)| *name == measure).map(|(_, floor)| *floor);
        rows.push(Row { set: set.name.to_owned(), measure: measure.to_owned(), value, floor, note });
    };
    let leaf = |path: &Option<Vec<String>>| {
        path.as_ref().map_or_else(|| "Other".to_owned(), |names| names.join(" / "))
    };
    let top = |path: &Option<Vec<String>>| {
        path.as_ref().and_then(|names| names.first().cloned()).unwrap_or_else(|| "Other".to_owned())
    };
    row("coverage", found.path.len() as f64 / labelled.lines.len().max(1) as f64, String::new());
    for (level, labels, name) in [("l2", &labelled.l2, "leaf"), ("l1", &labelled.l1, "top")] {
        let mut gold = Vec::new();
        let mut predicted = Vec::new();
        for (id, path) in &found.path {
            let Some(label) = labels.get(id).filter(|label| *label != "out_of_scope") else { continue };
            gold.push(label.clone());
            predicted.push(if name == "leaf" { leaf(path) } else { top(path) });
        }
        if gold.is_empty() || !set.is_topic {
            continue;
        }
        let agreement = Agreement::of(&gold, &predicted);
        let note = format!("{} categories for {} labels", agreement.predicted, agreement.gold);
        row(&format!("{name} ARI ({level})"), agreement.ari, note);
        row(&format!("{name} NMI ({level})"), agreement.nmi, String::new());
        row(&format!("{name} V ({level})"), agreement.v_measure, String::new());
    }
    let outside: Vec<bool> = labelled.l1.values().map(|label| label == "out_of_scope").collect();
    if outside.iter().any(|is_outside| *is_outside) {
        let (mut hits, mut called, mut all) = (0.0, 0.0, 0.0);
        for (id, path) in &found.path {
            let is_outside = labelled.l1.get(id).is_some_and(|label| label == "out_of_scope");
            all += f64::from(is_outside);
            called += f64::from(path.is_none());
            hits += f64::from(is_outside && path.is_none());
        }
        row(
            "out-of-scope precision",
            hits / f64::max(called, 1.0),
            format!("{called} in Other, {all} out of scope"),
        );
        row("out-of-scope recall", hits / f64::max(all, 1.0), String::new());
    }
    if set.has_outcomes {
        let (worst, checked) = outcome_gap(labelled, found);
        row(
            "success rate within 2 points",
            f64::from(worst <= 0.02),
            format!("largest gap {worst:.4} over {checked} categories"),
        );
    }
    let other = found.path.values().filter(|path| path.is_none()).count();
    row("share in Other", other as f64 / found.path.len().max(1) as f64, String::new());
    row("seconds", found.measured.seconds, format!("peak memory {} MB", found.measured.peak_bytes >> 20));
    if let Some(stability) = found.report["made"]["quality"]["stability"].as_f64() {
        row("stability, own estimate", stability, String::new());
    }
    rows
}

/// Largest difference between the success rate a category shows (as mean
/// feedback `success`, which the sets carry as ingested outcome) and gold.
fn outcome_gap(labelled: &Labelled, found: &Found) -> (f64, usize) {
    let mut by_category: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for one in found.report["assignments"].as_array().into_iter().flatten() {
        let id = one["thread"].as_str().unwrap_or_default();
        if let (Some(category), Some(success)) = (one["category"].as_str(), labelled.success.get(id)) {
            by_category.entry(category.to_owned()).or_default().push(f64::from(*success));
        }
    }
    let mut worst: f64 = 0.0;
    let mut checked = 0;
    for node in found.report["taxonomy"]["nodes"].as_array().into_iter().flatten() {
        let Some(gold) = node["id"].as_str().and_then(|id| by_category.get(id)) else { continue };
        if gold.len() < 15 {
            continue;
        }
        let shown = node["statistics"]["feedback"]["reward"]["mean"].as_f64().unwrap_or(f64::NAN);
        let gold = gold.iter().sum::<f64>() / gold.len() as f64;
        worst = if shown.is_nan() { 1.0 } else { worst.max((shown - gold).abs()) };
        checked += 1;
    }
    (if checked == 0 { 1.0 } else { worst }, checked)
}

/// Agreement of the leaves between seeds, and after 3.6 % of the threads were replaced.
fn stability_rows(binary: &Path, set: &Set, labelled: &Labelled, found: &Found) -> Result<Vec<Row>> {
    let leaves = |found: &Found| -> BTreeMap<String, String> {
        let name = |path: &Option<Vec<String>>| {
            path.as_ref().map_or_else(|| "Other".into(), |names| names.join(" / "))
        };
        found.path.iter().map(|(id, path)| (id.clone(), name(path))).collect()
    };
    let agree = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| {
        let common: Vec<(&String, &String)> =
            a.iter().filter_map(|(id, leaf)| Some((leaf, b.get(id)?))).collect();
        let (left, right): (Vec<String>, Vec<String>) =
            common.into_iter().map(|(a, b)| (a.clone(), b.clone())).unzip();
        Agreement::of(&left, &right).ari
    };
    let memory = tempfile::tempdir()?;
    let mut runs = vec![leaves(found)];
    for seed in ["1", "2", "3", "4"] {
        let mut flags = set.flags.to_vec();
        flags.extend(["--seed", seed]);
        let found = analyse_in(binary, &labelled.lines, &flags, Some(memory.path()))?;
        runs.push(leaves(&found));
    }
    let mut pairs = Vec::new();
    for (index, a) in runs.iter().enumerate() {
        pairs.extend(runs[index + 1..].iter().map(|b| agree(a, b)));
    }
    let mean = pairs.iter().sum::<f64>() / pairs.len().max(1) as f64;
    let replaced = labelled.lines.len() * 36 / 1000;
    let mut lines = labelled.lines[replaced..].to_vec();
    lines.extend(labelled.spare.iter().take(replaced).cloned());
    // A store of its own: threads stay in the project they were first seen in.
    let shifted = leaves(&analyse(binary, &lines, set.flags)?);
    let row = |measure: &str, value| Row {
        set: set.name.to_owned(),
        measure: measure.to_owned(),
        value,
        floor: None,
        note: String::new(),
    };
    Ok(vec![row("ARI between 5 seeds", mean), row("ARI after replacing 3.6 %", agree(&runs[0], &shifted))])
}

fn table(rows: &[Row]) -> String {
    let mut out = String::from("| set | measure | value | floor | |\n|---|---|---:|---:|---|\n");
    for row in rows {
        let floor = row.floor.map(|floor| format!("{floor:.2}")).unwrap_or_default();
        let mark = match row.floor {
            Some(floor) if row.value < floor => " ✗",
            Some(_) => " ✓",
            None => "",
        };
        let _ = writeln!(
            out,
            "| {} | {} | {:.3}{mark} | {floor} | {} |",
            row.set, row.measure, row.value, row.note
        );
    }
    out
}

fn page(table: &str) -> String {
    format!(
        "# Quality\n\nMade by `cargo xtask quality`: categories against labels, automatic granularity, no language model,\n\
         the bundled embedder (all-MiniLM-L6-v2, int8), one set of defaults for all sets. Stability (`--stability`): ARI between the\n\
         reports of five seeds, and after replacing 3.6 % of the threads. Seconds are those of the machine as it was;\n\
         [the benchmarks](../benchmarks.md) have those of an idle one.\n\n{table}"
    )
}
