//! The same people asking the same things, cut once coarsely and once finely: nothing happened.

use assay_domain::comparison::{ChangeKind, Comparison, MatchedBy};
use assay_domain::report::{Shape, Tier};
use assay_domain::{Report, ReportConfig};
use assay_insights::compare;

use crate::corpus::Corpus;
use crate::support::{Place, embedder, local};

/// The threads of some minutes, cut into so many categories.
async fn cut(place: &Place, minutes: std::ops::Range<i64>, leaves: usize) -> Report {
    let start: assay_domain::Time = "2026-01-01T00:00:00Z".parse().expect("a time");
    let at = |minute: i64| Some(start + chrono::TimeDelta::minutes(minute));
    let config = ReportConfig {
        tier: Tier::Local,
        start_time: at(minutes.start),
        end_time: at(minutes.end),
        shape: Shape::Levels(vec![leaves]),
        ..ReportConfig::usage_patterns()
    };
    local(place, &config).await
}

fn compared(before: &Report, after: &Report) -> Comparison {
    compare::reports(before, after, embedder()).expect("compared")
}

fn told(comparison: &Comparison) -> Vec<String> {
    let is_told = |kind| matches!(kind, ChangeKind::New | ChangeKind::Gone);
    let changes = comparison.changes.iter().filter(|change| is_told(change.kind) || change.is_significant);
    let names = |list: &[assay_domain::comparison::CategoryReference]| {
        list.iter().map(|one| one.name.clone()).collect::<Vec<_>>().join(" + ")
    };
    changes
        .map(|change| format!("{:?} {} > {}", change.kind, names(&change.before), names(&change.after)))
        .collect()
}

#[tokio::test]
async fn one_population_cut_twice_has_nothing_new_gone_or_changed() {
    let (mut tests, mut alarms) = (0, 0);
    for seed in 1..4 {
        let place = Place::with(Corpus { threads: 800, topics: 8, turns: 2, sentences: 2, seed }).await;
        let (coarse, fine) = (cut(&place, 0..400, 4).await, cut(&place, 400..800, 22).await);
        for (before, after) in [(&coarse, &fine), (&fine, &coarse)] {
            let comparison = compared(before, after);
            assert_eq!((comparison.matched_by, comparison.shared_threads), (MatchedBy::Likeness, 0));
            assert!(comparison.changes.len() >= 22);
            let told = told(&comparison);
            println!("seed {seed}: {} tests, {told:?}", comparison.tests);
            (tests, alarms) = (tests + 1, alarms + usize::from(!told.is_empty()));
        }
    }
    // One comparison in twenty may give a false alarm.
    assert!(alarms <= 1, "{alarms} of {tests} comparisons say that something changed");
}

#[tokio::test]
async fn the_very_same_threads_cut_twice_differ_in_nothing() {
    let place = Place::with(Corpus { threads: 300, topics: 8, ..Corpus::default() }).await;
    let (coarse, fine) = (cut(&place, 0..300, 4).await, cut(&place, 0..300, 22).await);
    for (before, after) in [(&coarse, &fine), (&fine, &coarse)] {
        let comparison = compared(before, after);
        assert_eq!((comparison.matched_by, comparison.shared_threads), (MatchedBy::Likeness, 300));
        assert!(comparison.changes.iter().all(|change| change.difference.value.abs() < 1e-9));
        assert!(told(&comparison).is_empty(), "{:?}", told(&comparison));
    }
}

#[tokio::test]
async fn what_nobody_asked_before_is_new_and_what_nobody_asks_any_more_is_gone() {
    let few = Place::with(Corpus { threads: 300, topics: 5, seed: 1, ..Corpus::default() }).await;
    let all = Place::with(Corpus { threads: 300, topics: 8, seed: 2, ..Corpus::default() }).await;
    // The numbers of the threads are the same in both, but they are not the same threads.
    let (mut before, after) = (cut(&few, 0..300, 5).await, cut(&all, 0..300, 16).await);
    before.assignments.iter_mut().for_each(|one| one.thread.0.insert_str(0, "earlier-"));
    let of = |comparison: &Comparison, kind: ChangeKind| {
        let changes = comparison.changes.iter().filter(|change| change.kind == kind);
        let share = |change: &assay_domain::comparison::CategoryChange| {
            change.share_after.value - change.share_before.value
        };
        changes
            .filter(|change| !change.is_top || change.after.len() + change.before.len() == 1)
            .map(share)
            .sum::<f64>()
    };
    let forth = compared(&before, &after);
    println!("{:?}", told(&forth));
    assert_eq!(forth.matched_by, MatchedBy::Likeness);
    // Three of eight topics: recipes, code and weather.
    assert!(of(&forth, ChangeKind::New) > 0.25, "{:?}", told(&forth));
    assert!(forth.changes.iter().all(|change| change.kind != ChangeKind::Gone), "{:?}", told(&forth));
    let back = compared(&after, &before);
    assert!(of(&back, ChangeKind::Gone) < -0.25, "{:?}", told(&back));
    assert!(back.changes.iter().all(|change| change.kind != ChangeKind::New), "{:?}", told(&back));
}
