//! The labelled sets: which threads, which labels, which floors.
//!
//! Fixed samples are the first threads in the order of the SHA-256 of their id.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) struct Set {
    pub(super) name: &'static str,
    folder: &'static str,
    /// How many threads of which kind.
    pick: Pick,
    pub(super) flags: &'static [&'static str],
    /// Labels are topics to be found again.
    pub(super) is_topic: bool,
    /// Gold outcomes are ingested as feedback `reward` and must come back per category.
    pub(super) has_outcomes: bool,
    pub(super) floors: &'static [(&'static str, f64)],
}

enum Pick {
    All,
    InScope(usize),
    WithOutOfScope(usize, usize),
    SingleDomain(usize),
}

pub(super) struct Labelled {
    /// Records without labels, as the product reads them.
    pub(super) lines: Vec<String>,
    /// Further records of the same kind, for replacing some.
    pub(super) spare: Vec<String>,
    pub(super) l1: BTreeMap<String, String>,
    pub(super) l2: BTreeMap<String, String>,
    pub(super) success: BTreeMap<String, bool>,
}

pub(super) fn all() -> Vec<Set> {
    let set = |name, folder, pick, floors| Set {
        name,
        folder,
        pick,
        flags: &[],
        is_topic: true,
        has_outcomes: false,
        floors,
    };
    vec![
        set(
            "clinc150",
            "clinc150/threads.jsonl.gz",
            Pick::InScope(4500),
            &[("leaf ARI (l2)", 0.70), ("leaf NMI (l2)", 0.90)],
        ),
        set(
            "clinc150+oos",
            "clinc150/threads.jsonl.gz",
            Pick::WithOutOfScope(4500, 300),
            &[("out-of-scope precision", 0.5), ("out-of-scope recall", 0.3)],
        ),
        set(
            "bitext_support",
            "bitext_support/threads.jsonl.gz",
            Pick::All,
            &[("leaf ARI (l2)", 0.63), ("top ARI (l1)", 0.78)],
        ),
        set(
            "sgd",
            "sgd/threads.jsonl.gz",
            Pick::SingleDomain(5000),
            &[("leaf ARI (l2)", 0.56), ("top ARI (l1)", 0.80)],
        ),
        set("medagentbench", "medagentbench/threads.jsonl.gz", Pick::All, &[("leaf V (l2)", 0.9)]),
        Set {
            has_outcomes: true,
            ..set(
                "tau_bench_airline",
                "tau_bench_airline/threads.jsonl",
                Pick::All,
                &[("success rate within 2 points", 1.0), ("coverage", 1.0)],
            )
        },
        Set {
            is_topic: false,
            flags: &["--focus", "errors"],
            ..set("trail_swe", "trail_swe/threads.jsonl", Pick::All, &[("coverage", 1.0)])
        },
        Set {
            is_topic: false,
            flags: &["--focus", "errors"],
            ..set("who_and_when", "who_and_when/threads.jsonl", Pick::All, &[("coverage", 1.0)])
        },
    ]
}

pub(super) fn names() -> Vec<&'static str> {
    all().into_iter().map(|set| set.name).collect()
}

pub(super) fn load(data: &Path, set: &Set) -> Result<Labelled> {
    let path = data.join(set.folder);
    let file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
    let reader: Box<dyn BufRead> = if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(BufReader::new(GzDecoder::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    let mut records = Vec::new();
    for line in reader.lines() {
        let record: Value = serde_json::from_str(&line?)?;
        let id = record["id"].as_str().context("an id")?.to_owned();
        records.push((Sha256::digest(id.as_bytes()).to_vec(), id, record));
    }
    records.sort_by(|a, b| a.0.cmp(&b.0));
    let is_outside = |record: &Value| record["labels"]["l1"] == "out_of_scope";
    let (mut inside, mut outside): (Vec<_>, Vec<_>) =
        records.into_iter().partition(|(_, _, record)| !is_outside(record));
    let mut spare = Vec::new();
    match set.pick {
        Pick::All => inside.append(&mut outside),
        Pick::InScope(count) => spare = inside.split_off(count.min(inside.len())),
        Pick::WithOutOfScope(count, beyond) => {
            spare = inside.split_off(count.min(inside.len()));
            inside.extend(outside.into_iter().take(beyond));
        }
        Pick::SingleDomain(count) => {
            inside.retain(|(_, _, record)| record["labels"]["single_domain"] == true);
            spare = inside.split_off(count.min(inside.len()));
        }
    }
    let mut labelled = Labelled {
        lines: Vec::new(),
        spare: Vec::new(),
        l1: BTreeMap::new(),
        l2: BTreeMap::new(),
        success: BTreeMap::new(),
    };
    for (_, _, record) in spare {
        labelled.spare.push(stripped(record, set).to_string());
    }
    for (_, id, record) in inside {
        let label = |key: &str| record["labels"][key].as_str().map(str::to_owned);
        if let Some(label) = label("l1") {
            labelled.l1.insert(id.clone(), label);
        }
        if let Some(label) = label("l2") {
            labelled.l2.insert(id.clone(), label);
        }
        if let Some(success) = record["labels"]["success"].as_bool() {
            labelled.success.insert(id, success);
        }
        labelled.lines.push(stripped(record, set).to_string());
    }
    Ok(labelled)
}

/// The record without its labels; with its outcome as feedback where that is what is measured.
fn stripped(mut record: Value, set: &Set) -> Value {
    let reward = record["labels"]["reward"].clone();
    if let Some(fields) = record.as_object_mut() {
        fields.remove("labels");
        if set.has_outcomes && !reward.is_null() {
            fields.insert("feedback".into(), json!({ "reward": reward }));
        }
    }
    record
}
