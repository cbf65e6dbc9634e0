//! Estimates against what the same run then cost, for twenty differing jobs.
//!
//! `cargo xtask bench estimate` prints the table.

use std::sync::Arc;

use assay_domain::report::{Focus, Models};
use assay_domain::{ReportConfig, RunEstimate};
use assay_insights::Effort;
use assay_llm::InMemory;
use rust_decimal::prelude::ToPrimitive as _;

use crate::corpus::Corpus;
use crate::support::{Desk, Place, Terms, attributes, behavior, billed, deep, names, standin};

/// Every estimate is this near, and the range holds what each job costs.
const NEAR: f64 = 0.15;

fn jobs() -> Vec<(&'static str, Corpus, ReportConfig)> {
    let corpus = |threads, topics, turns, sentences, seed| Corpus { threads, topics, turns, sentences, seed };
    let one_model = |model: &str| Some(Models { thinking: model.into(), summary: model.into() });
    let instructed = |config: ReportConfig| {
        let question = "What would you like to learn?".to_owned();
        let answer = "Which requests of paying customers go wrong, and what would keep them?".to_owned();
        ReportConfig { instructions: [(question, answer)].into(), ..config }
    };
    let errors = |config: ReportConfig| ReportConfig { focus: Focus::Errors, ..config };
    let prompted = |prompt: &str| ReportConfig { summary_prompt: Some(prompt.into()), ..deep() };
    vec![
        ("names, 60 threads", corpus(60, 5, 2, 2, 1), names()),
        ("names, 200 threads", corpus(200, 8, 2, 2, 2), names()),
        ("names, long threads", corpus(100, 6, 12, 4, 3), names()),
        ("names, errors", corpus(200, 8, 2, 2, 4), errors(names())),
        ("names, instructions", corpus(120, 8, 3, 2, 5), instructed(names())),
        (
            "names, cheap model",
            corpus(90, 4, 2, 2, 6),
            ReportConfig { models: one_model("small-1"), ..names() },
        ),
        ("deep, 30 threads", corpus(30, 3, 2, 2, 7), deep()),
        ("deep, 100 threads", corpus(100, 5, 2, 2, 8), deep()),
        ("deep, 300 threads", corpus(300, 8, 2, 2, 9), deep()),
        ("deep, one line", corpus(100, 5, 1, 1, 10), deep()),
        ("deep, long threads", corpus(80, 5, 20, 4, 11), deep()),
        ("deep, longer than shown", corpus(30, 5, 60, 8, 12), deep()),
        (
            "deep, no attributes",
            corpus(100, 5, 4, 2, 13),
            ReportConfig { attributes: attributes(0), ..deep() },
        ),
        (
            "deep, five attributes",
            corpus(100, 5, 4, 2, 14),
            ReportConfig { attributes: attributes(5), ..deep() },
        ),
        ("deep, instructions", corpus(100, 5, 2, 2, 15), instructed(deep())),
        (
            "deep, 60 of 200 read",
            corpus(200, 8, 2, 2, 16),
            ReportConfig { read_by_model: Some(60), ..deep() },
        ),
        ("deep, errors", corpus(150, 8, 2, 2, 17), errors(deep())),
        (
            "deep, one model",
            corpus(100, 5, 2, 2, 18),
            ReportConfig { models: one_model("small-1"), ..deep() },
        ),
        ("deep, dear model", corpus(100, 5, 2, 2, 19), ReportConfig { models: one_model("big-1"), ..deep() }),
        (
            "deep, own prompt",
            corpus(100, 5, 3, 2, 20),
            prompted("Read this: {{all_thread_messages}}\n{{run.error}}"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimates_of_twenty_jobs_are_near_what_they_cost() {
    println!(
        "{:<26}{:>7}{:>7}{:>11}{:>11}{:>8}{:>9}{:>9}{:>22}",
        "job", "calls", "actual", "estimate $", "actual $", "error", "in", "out", "between"
    );
    let (mut worst, mut near, mut held): (f64, usize, usize) = (0.0, 0, 0);
    let mut by_stage = String::new();
    for (name, corpus, config) in jobs() {
        let place = Place::with(corpus).await;
        let standin = standin(behavior()).await;
        let desk = Desk::at(&standin, Terms::default());
        let told = desk.estimate(&place, &config).await.expect(name);
        assert_eq!((standin.calls(), told.remembered), (0, 0), "{name}: an estimate asks nobody");
        let report = desk.report(&place, &config).await.expect(name);
        let made = report.made.model.as_ref().expect("books");
        by_stage.push_str(&format!("{name}\n"));
        for one in &told.stages {
            let was = made.stages.iter().find(|was| was.stage == one.stage);
            let was = was.cloned().unwrap_or_default();
            by_stage.push_str(&format!(
                "    {:<12}{:>4} calls of {:<4}{:>8} tokens in of {:<8}{:>6} out of {:<6} ${:.5} of {:.5}\n",
                one.stage,
                one.calls,
                was.calls,
                one.input_tokens,
                was.input_tokens,
                one.output_tokens,
                was.output_tokens,
                one.cost.unwrap_or_default(),
                was.cost.unwrap_or_default(),
            ));
        }
        let actual = billed(&standin, &config).to_f64().expect("a number");
        let estimate = told.cost.expect("prices are known");
        let error = estimate / actual - 1.0;
        let (low, high) = told.cost_low.zip(told.cost_high).expect("prices are known");
        assert!(low <= estimate && estimate <= high, "{name}: {low} to {high}");
        let models = config.models.as_ref().expect("models");
        let mut bills = vec![standin.bill(&models.thinking)];
        if models.summary != models.thinking {
            bills.push(standin.bill(&models.summary));
        }
        let (input, output): (u64, u64) =
            (bills.iter().map(|bill| bill.input).sum(), bills.iter().map(|bill| bill.output).sum());
        println!(
            "{name:<26}{:>7}{:>7}{estimate:>11.5}{actual:>11.5}{:>7.1}%{:>8.1}%{:>8.1}%{low:>11.5}{high:>11.5}",
            told.calls,
            standin.calls(),
            error * 100.0,
            (told.input_tokens as f64 / input as f64 - 1.0) * 100.0,
            (told.output_tokens as f64 / output as f64 - 1.0) * 100.0,
        );
        near += usize::from(error.abs() <= NEAR);
        held += usize::from(low <= actual && actual <= high);
        if error.abs() > worst.abs() {
            worst = error;
        }
    }
    println!(
        "{near} of 20 within 15 %, the worst error is {:.1} %; {held} of 20 lie in the range",
        worst * 100.0
    );
    println!("estimated of actual, by stage:\n{by_stage}");
    assert_eq!(held, 20, "the range holds what each of them costs");
    assert_eq!(near, 20, "of 20 within 15 %, the worst error is {:.1} %", worst * 100.0);
}

#[tokio::test]
async fn what_is_remembered_costs_nothing_and_a_second_run_is_free() {
    let place = Place::with(Corpus::default()).await;
    let standin = standin(behavior()).await;
    let memory = Arc::new(InMemory::default());
    let desk = Desk::at(&standin, Terms { memory: memory.clone(), ..Terms::default() });
    let part = ReportConfig { read_by_model: Some(20), ..deep() };
    desk.report(&place, &part).await.expect("a report");
    let rest = desk.estimate(&place, &deep()).await.expect("an estimate");
    assert!(rest.remembered >= 19, "{} remembered", rest.remembered);
    assert!(rest.calls > 0 && rest.read_by_model <= 60);
    let again = desk.estimate(&place, &part).await.expect("an estimate");
    assert_eq!((again.calls, again.cost), (0, Some(0.0)), "all of it is remembered");
}

#[tokio::test]
async fn the_local_tier_costs_nothing_and_unknown_prices_are_said() {
    let place = Place::with(Corpus { threads: 20, ..Corpus::default() }).await;
    let standin = standin(behavior()).await;
    let mut desk = Desk::at(&standin, Terms::default());
    let local = ReportConfig { tier: assay_domain::report::Tier::Local, ..deep() };
    let told = desk.estimate(&place, &local).await.expect("an estimate");
    assert_eq!((told.threads, told.calls, told.cost), (20, 0, Some(0.0)));
    desk.forget_prices();
    let told = desk.estimate(&place, &names()).await.expect("an estimate");
    assert_eq!((told.cost, told.unpriced), (None, vec!["openai/big-1".to_owned()]));
    assert!(told.calls > 0 && told.seconds > 0.0);
}

#[tokio::test]
async fn a_budget_that_will_not_last_is_told_before() {
    let place = Place::with(Corpus::default()).await;
    let standin = standin(behavior()).await;
    let desk = Desk::at(&standin, Terms::default());
    let tight = ReportConfig { budget: Some(0.000_1), ..deep() };
    assert!(desk.estimate(&place, &tight).await.expect("an estimate").exceeds_budget);
    let ample = ReportConfig { budget: Some(10.0), ..deep() };
    assert!(!desk.estimate(&place, &ample).await.expect("an estimate").exceeds_budget);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_many_threads_and_the_latest_of_very_many_tell_about_as_much_as_all() {
    let standin = standin(behavior()).await;
    let reading = |told: &RunEstimate| {
        let stage = told.stages.iter().find(|stage| stage.stage == "summarize").expect("threads are read");
        stage.cost.expect("a price")
    };
    for (topics, seed) in [(5, 1), (8, 2)] {
        let place = Place::with(Corpus { threads: 300, topics, seed, ..Corpus::default() }).await;
        let desk = Desk::at(&standin, Terms::default());
        for config in [deep(), ReportConfig { read_by_model: Some(150), ..deep() }] {
            let all = desk.estimate(&place, &config).await.expect("an estimate");
            for (read, grouped) in [(120, 300), (240, 300), (120, 120), (240, 240)] {
                let effort = Effort { read, grouped, among: None };
                let part = desk.estimate_with(&place, &config, effort).await.expect("an estimate");
                let latest = desk.estimate_with(&place, &config, Effort { among: Some(280), ..effort }).await;
                for told in [&part, &latest.expect("an estimate")] {
                    assert_eq!((told.population, told.threads, told.looked_at), (300, 300, grouped));
                    assert_eq!(told.read_by_model, all.read_by_model, "{told:?}");
                    let of_reading = reading(told) / reading(&all);
                    assert!((0.95..1.05).contains(&of_reading), "reading costs {of_reading} of it");
                    let (cost, whole) = (told.cost.expect("a price"), all.cost.expect("a price"));
                    // How many categories there are decides much, and few threads show few of them.
                    println!("{effort:?} of 300 tell {:.2} of the cost", cost / whole);
                    let (low, high) = told.cost_low.zip(told.cost_high).expect("prices are known");
                    assert!(low <= whole && whole <= high, "{whole} is not in {low} to {high}");
                    // With all threads grouped, only what prompts are like is drawn.
                    let room = match grouped {
                        300 => 0.9..1.1,
                        240 => 0.6..1.6,
                        _ => 0.5..1.7,
                    };
                    assert!(room.contains(&(cost / whole)), "{cost} of {whole}: {effort:?}");
                }
            }
        }
    }
}

/// Categories are most of what these cost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimates_of_small_jobs_of_other_seeds_are_near_too() {
    for seed in 100..108 {
        let place = Place::with(Corpus { threads: 30, topics: 3, turns: 2, sentences: 2, seed }).await;
        let standin = standin(behavior()).await;
        let desk = Desk::at(&standin, Terms::default());
        let told = desk.estimate(&place, &deep()).await.expect("an estimate");
        desk.report(&place, &deep()).await.expect("a report");
        let actual = billed(&standin, &deep()).to_f64().expect("a number");
        let error = told.cost.expect("prices are known") / actual - 1.0;
        let (low, high) = told.cost_low.zip(told.cost_high).expect("prices are known");
        println!("seed {seed}: {:+.1} %, {low:.5} to {high:.5} for {actual:.5}", error * 100.0);
        assert!(low <= actual && actual <= high, "seed {seed}: {actual} is not in {low} to {high}");
        assert!(error.abs() <= NEAR, "seed {seed}: {:+.1} %", error * 100.0);
    }
}

#[tokio::test]
async fn a_report_teaches_the_next_estimate_how_long_the_models_answers_are() {
    let place = Place::with(Corpus { threads: 100, ..Corpus::default() }).await;
    let question = ("What would you like to learn?".to_owned(), "What do paying customers lack?".to_owned());
    let other = ReportConfig { instructions: [question].into(), ..deep() };
    let standin = standin(behavior()).await;
    // Each desk forgets the answers; what is learnt is kept with the project.
    let desk = || Desk::at(&standin, Terms::default());
    let output = |told: &RunEstimate| {
        let stage = told.stages.iter().find(|stage| stage.stage == "summarize").expect("threads are read");
        stage.output_tokens as f64 / stage.calls as f64
    };
    let before = output(&desk().estimate(&place, &other).await.expect("an estimate"));
    desk().report(&place, &deep()).await.expect("a report");
    let told = desk().estimate(&place, &other).await.expect("an estimate");
    assert_eq!(told.remembered, 0, "no question was asked before");
    let made = desk().report(&place, &other).await.expect("a report").made.model.expect("books");
    let stage = made.stages.iter().find(|stage| stage.stage == "summarize").expect("threads were read");
    let actual = stage.output_tokens as f64 / stage.calls as f64;
    let (before, after) = (before / actual - 1.0, output(&told) / actual - 1.0);
    println!("tokens of an answer: {:.1} % off before, {:.1} % after", before * 100.0, after * 100.0);
    assert!(after.abs() < 0.05 && after.abs() <= before.abs(), "{before} before, {after} after");
}
