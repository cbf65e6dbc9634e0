//! `cargo xtask quality --partly [SET…]`: what it costs to have a model read only some threads.
//!
//! Tier `deep` with the stand-in as the model, which reads 10 %, 25 % and all of
//! the threads: agreement of the categories it finds with labels. Then the labels are given as
//! categories, so that they are the same however much is read: how often the
//! interval of a share holds the one that reading all threads gives. The stand-in is no good
//! reader; what counts is the difference between reading some and reading all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::measures::Agreement;
use super::sets::{self, Labelled, Set};
use super::{Found, Row, analyse_in};
use crate::bench::models::Standin;

/// Sets that are measured, unless others are named.
const SETS: [&str; 2] = ["sgd", "bitext_support"];
/// Threads of each: the fixed order of the set makes them a fair sample.
const THREADS: usize = 2_000;
const SHARES: [f64; 3] = [0.1, 0.25, 1.0];
/// Categories of fewer threads are not held against their share.
const SMALLEST: f64 = 10.0;
/// Draws of the threads that are read, where shares are held against the truth.
const SEEDS: u64 = 4;

pub(super) fn rows(data: &Path, binary: &Path, standin: &Path, wanted: &[&String]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for set in sets::all() {
        let is_named = wanted.iter().any(|name| *name == set.name);
        let is_usual = wanted.is_empty() && SETS.contains(&set.name);
        let is_wanted = is_named || is_usual;
        if !is_wanted {
            continue;
        }
        let labelled = first(sets::load(data, &set)?, THREADS);
        let store = tempfile::tempdir()?;
        let running = Standin::start(standin, 0)?;
        for share in SHARES {
            let read = ((labelled.lines.len() as f64 * share).ceil() as usize).to_string();
            eprintln!("{}: {read} of {} threads read", set.name, labelled.lines.len());
            let mut flags = set.flags.to_vec();
            flags.extend(["--tier", "deep", "--model", "standin", "--base-url", &running.base_url]);
            flags.extend(["--read", &read]);
            let found = analyse_in(binary, &labelled.lines, &flags, Some(store.path()))?;
            rows.extend(score(&set, &labelled, &found, share));
        }
        rows.extend(held(&set, &labelled, &|flags: &[&str]| {
            let mut all = set.flags.to_vec();
            all.extend(["--tier", "deep", "--model", "standin", "--base-url", &running.base_url]);
            all.extend(flags);
            analyse_in(binary, &labelled.lines, &all, Some(store.path()))
        })?);
    }
    Ok(rows)
}

pub(super) fn page(table: &str) -> String {
    format!(
        "# Reading some threads by model\n\nMade by `cargo xtask quality --partly`: tier `deep` over {THREADS} threads of a set, \
         with the stand-in server as the model,\nwhich is a poor reader: what counts is the difference between reading some \
         and reading all.\n\nARI and NMI compare discovered categories with labels. For shares the labels are given as \
         categories, so that\nthe same ones are counted however much is read; the truth that an interval of 95 % speaks of is the \
         share that\nreading *all* threads gives in that category. Categories of fewer than {SMALLEST} such threads do not count; \
         {SEEDS} draws of\nthe threads that are read.\n\n{table}"
    )
}

fn first(mut labelled: Labelled, count: usize) -> Labelled {
    labelled.lines.truncate(count);
    labelled
}

fn score(set: &Set, labelled: &Labelled, found: &Found, share: f64) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |measure: String, value: f64, note: String| {
        let measure = format!("{:.0} % read: {measure}", share * 100.0);
        rows.push(Row { set: set.name.to_owned(), measure, value, floor: None, note });
    };
    for (name, labels, is_leaf) in [("leaf", &labelled.l2, true), ("top", &labelled.l1, false)] {
        let category_of: BTreeMap<&str, String> = found
            .path
            .iter()
            .map(|(id, path)| {
                let names = path.as_deref().unwrap_or_default();
                let names = if is_leaf { names } else { names.get(..1).unwrap_or(names) };
                (id.as_str(), names.join(" / "))
            })
            .collect();
        let both: Vec<(String, String)> = category_of
            .iter()
            .filter_map(|(id, category)| Some((labels.get(*id)?.clone(), category.clone())))
            .collect();
        let (gold, predicted): (Vec<String>, Vec<String>) = both.iter().cloned().unzip();
        let agreement = Agreement::of(&gold, &predicted);
        let note = format!("{} categories for {} labels", agreement.predicted, agreement.gold);
        row(format!("{name} ARI"), agreement.ari, note);
        row(format!("{name} NMI"), agreement.nmi, String::new());
    }
    let inferred = &found.report["made"]["model"]["threads_inferred"];
    row("threads placed by likeness".into(), inferred.as_f64().unwrap_or(0.0), String::new());
    rows
}

/// How often the intervals of given categories hold the share that reading all threads gives.
fn held(set: &Set, labelled: &Labelled, run: &dyn Fn(&[&str]) -> Result<Found>) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("categories.txt");
    let names: BTreeSet<String> = labelled.l2.values().map(|label| spoken(label)).collect();
    let lines: Vec<String> =
        names.iter().map(|name| format!("{name}: requests to {}", name.to_lowercase())).collect();
    std::fs::write(&file, lines.join("\n"))?;
    let file = file.to_str().context("a path")?;
    let whole = run(&["--categories", file])?;
    let truth: BTreeMap<String, f64> = shares(&whole.report)
        .into_iter()
        .filter_map(|(name, share)| Some((name, share["value"].as_f64()?)))
        .collect();
    let threads = labelled.lines.len() as f64;
    let mut rows = Vec::new();
    for part in SHARES.into_iter().filter(|part| *part < 1.0) {
        let read = ((threads * part).ceil() as usize).to_string();
        let (mut held, mut all, mut width) = (0, 0, 0.0);
        for seed in 0..SEEDS {
            eprintln!("{}: {read} threads read, draw {seed}", set.name);
            let found = run(&["--categories", file, "--read", &read, "--seed", &seed.to_string()])?;
            for (name, share) in shares(&found.report) {
                let bound = |name: &str| share[name].as_f64().with_context(|| format!("{name} of a share"));
                let true_share = truth.get(&name).copied().unwrap_or(0.0);
                if true_share * threads >= SMALLEST {
                    let (low, high) = (bound("low")?, bound("high")?);
                    all += 1;
                    held += usize::from(low <= true_share && true_share <= high);
                    width += high - low;
                }
            }
        }
        let mut row = |measure: &str, value: f64, floor: Option<f64>, note: String| {
            let measure = format!("{:.0} % read: {measure}", part * 100.0);
            rows.push(Row { set: set.name.to_owned(), measure, value, floor, note });
        };
        let held_part = held as f64 / f64::from(all).max(1.0);
        row("shares within their interval", held_part, None, format!("{held} of {all}"));
        row("mean width of an interval", width / f64::from(all).max(1.0), None, String::new());
    }
    Ok(rows)
}

/// A label as words: `RentalCars/GetCarsAvailable` is `Rental cars get cars available`.
fn spoken(label: &str) -> String {
    let mut words = String::new();
    for c in label.chars() {
        match c {
            'A'..='Z' => words.push_str(&format!(" {}", c.to_ascii_lowercase())),
            c if c.is_alphanumeric() => words.push(c),
            _ => words.push(' '),
        }
    }
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Shares of the categories that were given, by name.
fn shares(report: &Value) -> Vec<(String, &Value)> {
    let nodes = report["taxonomy"]["nodes"].as_array().into_iter().flatten();
    let given = nodes.filter(|node| node["kind"] == "predefined");
    given
        .map(|node| (node["name"].as_str().unwrap_or_default().to_owned(), &node["statistics"]["share"]))
        .collect()
}
