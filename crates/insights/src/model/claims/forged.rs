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

/// A report to be edited, and the place in it that the lot fell on.
struct Edit {
    report: Report,
    /// Of the claims, and of the values of this one.
    at: usize,
    slot: usize,
    salt: usize,
}

/// Changes one thing; `None` where the report has no such thing.
type Change = fn(&mut Edit) -> Option<()>;

/// What may be done to a stored report, and what it is called.
const EDITS: [(&str, Change); 10] = [
    ("digit of the text", |edit| {
        let text = &mut edit.claim()?.text;
        let digit = text.find(|c: char| c.is_ascii_digit())?;
        let changed = if text[digit..].starts_with('9') { "8" } else { "9" };
        text.replace_range(digit..=digit, changed);
        Some(())
    }),
    ("number everywhere, one more", |edit| edit.renumber(|value| value + 1.0)),
    ("number everywhere, two percent more", |edit| {
        edit.renumber(|value| value * 1.02)?;
        edit.differs().then_some(())
    }),
    ("true number of another sentence", |edit| {
        let other = edit.value_elsewhere()?;
        let slot = edit.slot;
        let value = edit.claim()?.values.get_mut(slot).filter(|value| value.shown != other.shown)?;
        *value = other;
        edit.refill()
    }),
    ("two true numbers swapped", |edit| {
        let values = &mut edit.claim()?.values;
        if values.len() < 2 || values[0].shown == values[1].shown {
            return None;
        }
        values.swap(0, 1);
        edit.refill()
    }),
    ("reference, off by one", |edit| {
        let highlights = edit.report.executive_summary.highlights.clone();
        let rank = *edit.claim()?.references.first()?;
        let to = if rank < highlights.len() { rank + 1 } else { 1 };
        if highlights[to - 1].category == highlights[rank - 1].category {
            return None;
        }
        let claim = edit.claim()?;
        claim.template = claim.template.replace(&format!("#{rank})"), &format!("#{to})"));
        claim.references = vec![to];
        edit.refill()
    }),
    ("number added to the words", |edit| edit.append(" in 40 countries")),
    ("quote added", |edit| edit.append(", users say “never heard of it before”")),
    ("thread of a highlight", |edit| {
        let highlights = &mut edit.report.executive_summary.highlights;
        let count = highlights.len();
        if count < 2 {
            return None;
        }
        let here = edit.salt / 16 % count;
        highlights[here].thread = highlights[(here + 1) % count].thread.clone();
        Some(())
    }),
    ("wording of a summary", |edit| {
        let highlights = &mut edit.report.executive_summary.highlights;
        let here = edit.salt / 16 % highlights.len().max(1);
        let summary = &mut highlights.get_mut(here)?.summary;
        *summary = summary.replacen(' ', " not ", 1);
        Some(())
    }),
];

impl Edit {
    fn claim(&mut self) -> Option<&mut Claim> {
        self.report.executive_summary.key_points.get_mut(self.at)
    }

    /// Writes the text anew from template and values.
    fn refill(&mut self) -> Option<()> {
        let claim = self.claim()?;
        let shown: Vec<&str> = claim.values.iter().map(|value| value.shown.as_str()).collect();
        claim.text = verify::fill(&claim.template, &shown);
        Some(())
    }

    fn append(&mut self, words: &str) -> Option<()> {
        self.claim()?.template.push_str(words);
        self.refill()
    }

    fn renumber(&mut self, change: impl FnOnce(f64) -> f64) -> Option<()> {
        let slot = self.slot;
        let value = self.claim()?.values.get_mut(slot)?;
        value.value = change(value.value);
        value.shown = verify::show(&value.query.measure, value.value);
        self.refill()
    }

    /// Whether the change of a number is more than rounding.
    fn differs(&self) -> bool {
        let value = &self.report.executive_summary.key_points[self.at].values[self.slot];
        verify::evaluate(&self.report, &value.query).is_some_and(|found| (found - value.value).abs() > 1e-6)
    }

    fn value_elsewhere(&self) -> Option<ClaimValue> {
        let claims = &self.report.executive_summary.key_points;
        let all: Vec<&ClaimValue> = claims.iter().flat_map(|claim| &claim.values).collect();
        all.get(self.salt / 64 % all.len().max(1)).map(|value| (*value).clone())
    }
}

/// A stored report with one thing changed, by what was changed; `None` where the report has no such thing.
fn edited(report: &Report, salt: u64) -> Option<(&'static str, Report)> {
    let salt = salt as usize;
    let claims = &report.executive_summary.key_points;
    let at = salt / 16 % claims.len().max(1);
    let slot = salt / 7 % claims.get(at)?.values.len().max(1);
    let mut edit = Edit { report: report.clone(), at, slot, salt };
    let (kind, change) = EDITS[salt % EDITS.len()];
    change(&mut edit).map(|()| (kind, edit.report))
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
