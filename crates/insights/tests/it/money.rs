//! Caps that hold against what the provider bills, and reports that still arrive.

use std::collections::BTreeMap;

use assay_domain::ReportConfig;
use assay_domain::report::Models;
use assay_insights::verify;
use assay_standin::Behavior;
use rust_decimal::Decimal;

use crate::corpus::Corpus;
use crate::support::{Desk, Place, Terms, behavior, billed, deep, standin};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_runs_among_faults_never_exceed_their_caps_and_all_yield_reports() {
    let faults = Behavior {
        malformed: 0.1,
        refusal: 0.05,
        truncation: 0.05,
        rate_limited: 0.1,
        retry_after_ms: 1,
        disconnect: 0.05,
        server_error: 0.05,
        ..behavior()
    };
    let standin = standin(faults).await;
    let place = Place::with(Corpus { threads: 16, topics: 3, ..Corpus::default() }).await;
    let (mut partial, mut whole) = (0, 0);
    for run in 0..200_i64 {
        // From a cap that allows no call at all to one that is hardly ever reached.
        let cap = Decimal::new(run * run * 4, 6);
        let models = Models { thinking: format!("big-{run}"), summary: format!("small-{run}") };
        let attributes = BTreeMap::new();
        let config = ReportConfig { models: Some(models), attributes, seed: run as u64, ..deep() };
        let desk = Desk::at(&standin, Terms { cap: Some(cap), concurrency: 6, ..Terms::default() });
        let report = desk.report(&place, &config).await.unwrap_or_else(|error| panic!("run {run}: {error}"));
        let (booked, billed) = (desk.budget.spent(), billed(&standin, &config));
        assert!(booked <= cap, "run {run}: booked {booked} of {cap}");
        assert!(billed <= booked, "run {run}: billed {billed}, booked {booked}");
        verify::report(&report).unwrap_or_else(|found| panic!("run {run}: {found:?}"));
        assert_eq!(report.assignments.len(), 16, "run {run}: every thread is in the report");
        match &report.made.model.as_ref().expect("books").partial {
            Some(reason) => {
                let is_of_money = reason.contains("budget");
                assert!(is_of_money || reason.contains("summary is local"), "run {run}: {reason}");
                partial += usize::from(is_of_money);
            }
            None => whole += 1,
        }
    }
    println!("200 runs: {partial} ended by their budget, {whole} whole");
    assert!(partial > 30 && whole > 30, "{partial} partial, {whole} whole: both must be tried");
}
