//! Claims that are true and claims that were tampered with: how many of each get through.
//!
//! True ones are sentences about every fact of several reports, in several
//! wordings, and everything the local writer says. Forged ones are true ones
//! with a number, a fact, a reference or a quote changed, as a model that makes
//! things up or somebody who edits a report.json would.

use std::sync::atomic::AtomicBool;

use assay_domain::report::{Claim, Focus, Measure};
use assay_domain::{Report, ReportConfig};
use assay_llm::MiniLm;
use assay_store::Catalog as _;

use super::*;
use crate::Context;
use crate::context::Silent;
use crate::test_corpus::{Corpus, dice, store};

/// What is promised.
const CAUGHT: f64 = 0.98;
const REJECTED: f64 = 0.01;

async fn reports() -> Vec<Report> {
    let embedder = MiniLm::bundled().expect("the bundled model");
    let mut made = Vec::new();
    for (seed, focus, threads) in
        [(1, Focus::Usage, 220), (2, Focus::Errors, 220), (3, Focus::Usage, 120), (4, Focus::Usage, 300)]
    {
        let store = store(Corpus { threads, topics: 7, seed, ..Corpus::default() }).await;
        let project = store.project("shop").await.expect("a store").expect("a project");
        let cancel = AtomicBool::new(false);
        let ctx = Context {
            store: &store,
            embedder: &embedder,
            analyst: None,
            remember: false,
            progress: &Silent,
            cancel: &cancel,
        };
        let config = ReportConfig { focus, seed, ..ReportConfig::usage_patterns() };
        made.push(crate::run(&ctx, &project, &config).await.expect("a report"));
    }
    made
}

/// True sentences about every fact, as a model that keeps to the rules writes them.
fn sentences(report: &Report, facts: &[Fact], threads: &[Assignment]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, fact) in facts.iter().enumerate() {
        let label = format!("[F{}]", index + 1);
        let words = fact.text.rsplit_once(':').map_or(fact.text.as_str(), |(words, _)| words);
        found.push(format!("The {words} is {label}"));
        let Some(node) = fact.query.category.as_ref().and_then(|id| report.category(id)) else { continue };
        let name = &node.name;
        let cited = threads.iter().position(|one| one.category == node.id && is_example(one, fact));
        let see = cited.map_or(String::new(), |at| format!(", as [T{}] shows", at + 1));
        found.push(match &fact.query.measure {
            Measure::Share => format!("“{name}” makes up {label} of all conversations{see}"),
            Measure::FailureRate => format!("In “{name}” {label} of the conversations go wrong{see}"),
            Measure::ErrorRate => format!("{name}: {label} of them end in an error{see}"),
            Measure::LatencyP50 => {
                format!("Half of “{name}” takes longer than {label}").replace("Half", "Most")
            }
            Measure::TotalCost => format!("“{name}” costs {label}{see}"),
            Measure::FeedbackMean { key } => format!("People rate “{name}” {label} in {key}"),
            _ => format!("“{name}”: {words} {label}"),
        });
    }
    found
}

fn is_example(thread: &Assignment, fact: &Fact) -> bool {
    fact.query.attribute.as_ref().is_none_or(|filter| verify::has(thread, filter))
}

/// A fact of another category or of another kind, so near that a slip reaches it.
fn neighbour(facts: &[Fact], index: usize, salt: u64) -> Option<usize> {
    let here = &facts[index];
    let differs = |other: &Fact| {
        (other.query.category != here.query.category || other.query.measure != here.query.measure)
            && verify::show(&other.query.measure, other.value)
                != verify::show(&here.query.measure, here.value)
    };
    let order = (1..facts.len()).map(|step| (index + step) % facts.len());
    order.filter(|&other| differs(&facts[other])).nth(salt as usize % 3)
}

/// The sentence with something wrong in it, by what was done to it.
fn forged(
    sentence: &str,
    facts: &[Fact],
    threads: &[Assignment],
    salt: u64,
) -> Option<(&'static str, String)> {
    let label = sentence.split("[F").nth(1)?.split(']').next()?;
    let index = label.parse::<usize>().ok()?.checked_sub(1)?;
    let slot = format!("[F{label}]");
    let number = ["17 %", "two thirds", "every second one", "９ %", "½", "a dozen", "one in five", "tenfold"];
    Some(match salt % 8 {
        0 => ("number written out", format!("{sentence}, and {} elsewhere", number[salt as usize / 8 % 8])),
        1 => ("number for the label", sentence.replace(&slot, number[salt as usize / 8 % 8])),
        2 => (
            "label of nothing",
            sentence.replace(&slot, &format!("[F{}]", facts.len() + 1 + salt as usize % 9)),
        ),
        3 | 4 => (
            "another fact",
            sentence.replace(&slot, &format!("[F{}]", neighbour(facts, index, salt / 8)? + 1)),
        ),
        5 => ("conversation of nothing", format!("{sentence}, see [T{}]", threads.len() + 1)),
        6 => {
            let category = facts[index].query.category.as_ref()?;
            let other = threads.iter().position(|one| {
                &one.category != category && !one.path.iter().any(|name| sentence.contains(name.as_str()))
            })?;
            ("conversation of another category", format!("{sentence}, see [T{}]", other + 1))
        }
        _ => ("made-up quote", format!("{sentence}, where people say “I will never come back to you”")),
    })
}

/// The report as it is when the model may cite every candidate.
fn with_highlights(mut report: Report, threads: &[Assignment]) -> Report {
    report.executive_summary.highlights = (threads.iter().enumerate())
        .map(|(index, thread)| Highlight {
            rank: index + 1,
            thread: thread.thread.clone(),
            run: thread.run,
            category: thread.category.clone(),
            category_name: thread.path.last().cloned().unwrap_or_default(),
            reason: "is worth reading".into(),
            summary: thread.summary.clone(),
        })
        .collect();
    report
}

#[derive(Default)]
struct Rates {
    by_kind: std::collections::BTreeMap<&'static str, (usize, usize)>,
    missed: Vec<String>,
}

impl Rates {
    fn note(&mut self, kind: &'static str, is_caught: bool, what: impl FnOnce() -> String) {
        let (caught, all) = self.by_kind.entry(kind).or_default();
        *all += 1;
        *caught += usize::from(is_caught);
        if !is_caught {
            self.missed.push(format!("{kind}: {}", what()));
        }
    }

    fn print(&self, title: &str) -> (usize, usize) {
        let (mut caught, mut all) = (0, 0);
        println!("{title}");
        for (kind, (of_kind, total)) in &self.by_kind {
            println!("  {kind:<36}{of_kind:>5} of {total:>5}");
            caught += of_kind;
            all += total;
        }
        self.missed.iter().take(20).for_each(|missed| println!("  missed: {missed}"));
        (caught, all)
    }
}

#[tokio::test]
async fn of_forged_sentences_hardly_any_and_of_true_ones_hardly_any_less_get_through() {
    let (mut rates, mut truths, mut rejected) = (Rates::default(), 0, Vec::new());
    for (place, report) in reports().await.into_iter().enumerate() {
        for claim in &report.executive_summary.key_points {
            truths += 1;
            if let Err(reason) = verify::claim(&report, claim) {
                rejected.push(format!("{}: {reason}", claim.text));
            }
        }
        let facts = facts(&report);
        let threads = candidates(&report);
        let report = with_highlights(report, &threads);
        let holds = |sentence: &str| {
            let drafted = draft(&report, sentence, &facts, &threads);
            drafted.map_or(Err("against the rules".to_owned()), |claim| verify::claim(&report, &claim))
        };
        for (index, sentence) in sentences(&report, &facts, &threads).iter().enumerate() {
            truths += 1;
            if let Err(reason) = holds(sentence) {
                rejected.push(format!("{sentence}: {reason}"));
                continue;
            }
            for round in 0..4 {
                let salt = dice(&[place as u64, index as u64, round], 1 << 20);
                if let Some((kind, text)) = forged(sentence, &facts, &threads, salt) {
                    rates.note(kind, holds(&text).is_err(), || text.clone());
                }
            }
        }
    }
    let (caught, all) = rates.print("sentences of a model, forged and caught:");
    println!("true ones rejected: {} of {truths}", rejected.len());
    rejected.iter().take(20).for_each(|one| println!("  {one}"));
    assert!(all >= 100 && truths >= 100);
    assert!(caught as f64 >= CAUGHT * all as f64, "{caught} of {all}");
    assert!(rejected.len() as f64 <= REJECTED * truths as f64, "{} of {truths}", rejected.len());
}

/// A stored report with one thing changed, by what was changed; `None` where the report has no such thing.
fn edited(report: &Report, salt: u64) -> Option<(&'static str, Report)> {
    let mut report = report.clone();
    let points = report.executive_summary.key_points.len() as u64;
    let at = (salt / 16 % points.max(1)) as usize;
    let other_value = {
        let all: Vec<ClaimValue> =
            report.executive_summary.key_points.iter().flat_map(|claim| claim.values.clone()).collect();
        all.get(salt as usize / 64 % all.len().max(1)).cloned()
    };
    let highlights = report.executive_summary.highlights.clone();
    let claim = report.executive_summary.key_points.get_mut(at)?;
    let slot = salt as usize / 7 % claim.values.len().max(1);
    let refill = |claim: &mut Claim| {
        let shown: Vec<String> = claim.values.iter().map(|value| value.shown.clone()).collect();
        claim.text = verify::fill(&claim.template, &shown.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let kind = match salt % 10 {
        0 => {
            let digit = claim.text.find(|c: char| c.is_ascii_digit())?;
            let changed = if claim.text[digit..].starts_with('9') { "8" } else { "9" };
            claim.text.replace_range(digit..=digit, changed);
            "digit of the text"
        }
        1 => {
            let value = claim.values.get_mut(slot)?;
            value.value += 1.0;
            value.shown = verify::show(&value.query.measure, value.value);
            refill(claim);
            "number everywhere, one more"
        }
        2 => {
            let value = claim.values.get_mut(slot)?;
            value.value *= 1.02;
            value.shown = verify::show(&value.query.measure, value.value);
            refill(claim);
            (value_differs(&report, at, slot)).then_some("number everywhere, two percent more")?
        }
        3 => {
            let (value, other) = (claim.values.get_mut(slot)?, other_value?);
            if value.shown == other.shown {
                return None;
            }
            *value = other;
            refill(claim);
            "true number of another sentence"
        }
        4 => {
            if claim.values.len() < 2 || claim.values[0].shown == claim.values[1].shown {
                return None;
            }
            claim.values.swap(0, 1);
            refill(claim);
            "two true numbers swapped"
        }
        5 => {
            let rank = *claim.references.first()?;
            let to = if rank < highlights.len() { rank + 1 } else { 1 };
            if highlights[to - 1].category == highlights[rank - 1].category {
                return None;
            }
            let (from, into) = (format!("#{rank})"), format!("#{to})"));
            claim.template = claim.template.replace(&from, &into);
            claim.references = vec![to];
            refill(claim);
            "reference, off by one"
        }
        6 => {
            claim.template.push_str(" in 40 countries");
            refill(claim);
            "number added to the words"
        }
        7 => {
            claim.template.push_str(", users say “never heard of it before”");
            refill(claim);
            "quote added"
        }
        8 => {
            let count = highlights.len();
            let here = (salt as usize / 16) % count.max(1);
            let there = (here + 1) % count.max(1);
            if count < 2 {
                return None;
            }
            report.executive_summary.highlights[here].thread = highlights[there].thread.clone();
            "thread of a highlight"
        }
        _ => {
            let here = (salt as usize / 16) % highlights.len().max(1);
            let highlight = report.executive_summary.highlights.get_mut(here)?;
            highlight.summary = highlight.summary.replacen(' ', " not ", 1);
            "wording of a summary"
        }
    };
    Some((kind, report))
}

/// Whether the change of a number is more than rounding.
fn value_differs(report: &Report, at: usize, slot: usize) -> bool {
    let value = &report.executive_summary.key_points[at].values[slot];
    verify::evaluate(report, &value.query).is_some_and(|found| (found - value.value).abs() > 1e-6)
}

#[tokio::test]
async fn of_edited_reports_hardly_any_verifies() {
    let mut rates = Rates::default();
    for (place, report) in reports().await.iter().enumerate() {
        verify::report(report).expect("it checks before it is edited");
        for round in 0..200 {
            let salt = dice(&[place as u64, round, 5], 1 << 30);
            if let Some((kind, changed)) = edited(report, salt) {
                let text = changed.executive_summary.key_points.iter().map(|claim| claim.text.clone());
                let text = text.collect::<Vec<_>>().join(" | ");
                rates.note(kind, verify::report(&changed).is_err(), || text);
            }
        }
    }
    let (caught, all) = rates.print("edited reports, caught:");
    assert!(all >= 100);
    assert!(caught as f64 >= CAUGHT * all as f64, "{caught} of {all}");
}
