//! `cargo xtask quality --partly [SET…]`: what it costs to have a model read only some threads.
//!
//! Tier `deep` with the stand-in as the model, which reads 10 %, 25 % and all of
//! the threads: agreement of the categories with labels, and how often the
//! interval of a share holds the true one. The stand-in is no good reader; what
//! counts is the difference between reading some and reading all.

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
/// Categories of fewer threads are not held against their share: labels do not divide so finely.
const SMALLEST: usize = 10;

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
            rows.extend(score(&set, &labelled, &found, share)?);
        }
    }
    Ok(rows)
}

pub(super) fn page(table: &str) -> String {
    format!(
        "# Reading some threads by model\n\nMade by `cargo xtask quality --partly`: tier `deep` over {THREADS} threads of a set, \
         with the stand-in server as the model,\nwhich is a poor reader: what counts is the difference between reading some \
         and reading all. A share counts as held\nif the interval of a category holds the share of those labels whose threads \
         are mostly in it; categories of fewer\nthan {SMALLEST} such threads do not count.\n\n{table}"
    )
}

fn first(mut labelled: Labelled, count: usize) -> Labelled {
    labelled.lines.truncate(count);
    labelled
}

fn score(set: &Set, labelled: &Labelled, found: &Found, share: f64) -> Result<Vec<Row>> {
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
        let (held, all) = coverage(found, &both, is_leaf)?;
        row(
            format!("{name} shares within their interval"),
            held as f64 / all.max(1) as f64,
            format!("{held} of {all}"),
        );
    }
    let inferred = &found.report["made"]["model"]["threads_inferred"];
    row("threads placed by likeness".into(), inferred.as_f64().unwrap_or(0.0), String::new());
    Ok(rows)
}

/// How many categories' intervals hold the share of the labels that belong to them, and of how
/// many. A label belongs to the category that most of its threads are in.
fn coverage(found: &Found, both: &[(String, String)], is_leaf: bool) -> Result<(usize, usize)> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (label, category) in both {
        *counts.entry(label).or_default().entry(category).or_default() += 1;
    }
    let mut truth: BTreeMap<&str, usize> = BTreeMap::new();
    for of_label in counts.values() {
        let home = of_label.iter().max_by_key(|(_, count)| **count).map(|(category, _)| *category);
        *truth.entry(home.unwrap_or_default()).or_default() += of_label.values().sum::<usize>();
    }
    let (mut held, mut all) = (0, 0);
    for (path, share) in shares(&found.report, is_leaf) {
        let true_count = truth.get(path.as_str()).copied().unwrap_or(0);
        // What holds no label's majority divides a label that another category stands for.
        if true_count < SMALLEST {
            continue;
        }
        let bound = |name: &str| share[name].as_f64().with_context(|| format!("{name} of a share"));
        let true_share = true_count as f64 / both.len().max(1) as f64;
        all += 1;
        held += usize::from(bound("low")? <= true_share && true_share <= bound("high")?);
    }
    Ok((held, all))
}

/// Shares of the leaves, or of the top categories, by path.
fn shares(report: &Value, is_leaf: bool) -> Vec<(String, &Value)> {
    let nodes: Vec<&Value> = report["taxonomy"]["nodes"].as_array().into_iter().flatten().collect();
    let text = |node: &Value, field: &str| node[field].as_str().unwrap_or_default().to_owned();
    let parents: BTreeSet<String> = nodes.iter().map(|node| text(node, "parent")).collect();
    let mut path_of: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    // Parents come before their children.
    for node in nodes {
        let above = path_of.get(&text(node, "parent")).map(|path| format!("{path} / ")).unwrap_or_default();
        let (id, path) = (text(node, "id"), format!("{above}{}", text(node, "name")));
        let is_wanted = if is_leaf { !parents.contains(&id) } else { above.is_empty() };
        path_of.insert(id, path.clone());
        if is_wanted && node["kind"] != "other" {
            found.push((path, &node["statistics"]["share"]));
        }
    }
    found
}
