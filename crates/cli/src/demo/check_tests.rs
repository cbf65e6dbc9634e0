//! The checker on reports written by hand: perfect ones and broken ones.

use std::sync::LazyLock;

use super::*;
use crate::demo::corpus::{Options, generate};
use crate::demo::failures::NEW_PROMPT;

fn planted() -> Planted {
    static PLANTED: LazyLock<Planted> = LazyLock::new(|| generate(&Options::default()).planted);
    PLANTED.clone()
}

/// A report that says exactly what was planted, in words of its own.
fn perfect(planted: &Planted) -> Vec<FoundThread> {
    planted
        .threads
        .iter()
        .map(|(id, thread)| FoundThread {
            thread: id.clone(),
            path: thread
                .topic
                .as_ref()
                .map(|topic| vec![format!("about {}", topic.area), format!("about {}", topic.intent)])
                .unwrap_or_default(),
            failure: thread
                .failures
                .first()
                .map(|failure| vec!["Errors".to_owned(), format!("saw {failure}")]),
        })
        .collect()
}

fn named(category: &str, value: &str) -> Vec<Association> {
    vec![Association {
        category: category.to_owned(),
        attribute: "prompt_commit".to_owned(),
        value: value.to_owned(),
    }]
}

#[test]
fn a_perfect_report_passes_with_full_marks() {
    let planted = planted();
    let check = check(&planted, &perfect(&planted), &named("saw Refund amount is malformed", NEW_PROMPT));
    assert!(check.passed(), "{check}");
    for matching in [&check.areas, &check.intents, &check.failures] {
        assert_eq!(matching.overall.f1(), 1.0, "{check}");
        assert!(matching.left_over.is_empty());
    }
    assert_eq!(check.detection.f1(), 1.0);
    assert_eq!(
        (check.areas.groups.len(), check.intents.groups.len(), check.failures.groups.len()),
        (6, 14, 9)
    );
}

#[test]
fn the_cause_of_the_malformed_refunds_must_be_named() {
    let planted = planted();
    let found = perfect(&planted);
    assert!(!check(&planted, &found, &[]).passed());
    assert!(!check(&planted, &found, &named("saw Refund amount is malformed", "a1f3c27")).passed());
    assert!(!check(&planted, &found, &named("saw Legitimate request is refused", NEW_PROMPT)).passed());
    // The parent of the category will do.
    assert!(check(&planted, &found, &named("Errors", NEW_PROMPT)).passed());
}

#[test]
fn one_category_for_everything_fails() {
    let planted = planted();
    let mut found = perfect(&planted);
    for thread in &mut found {
        thread.path = vec!["Support".to_owned()];
        thread.failure = None;
    }
    let check = check(&planted, &found, &[]);
    assert!(!check.passed());
    assert!(check.intents.overall.f1() < 0.3, "{check}");
    assert_eq!(check.detection.recall(), 0.0);
}

#[test]
fn threads_the_report_leaves_out_cost_recall_only() {
    let planted = planted();
    let mut found = perfect(&planted);
    found.truncate(300);
    let check = check(&planted, &found, &[]);
    assert_eq!(check.intents.overall.precision(), 1.0);
    assert!((0.4..0.6).contains(&check.intents.overall.recall()), "{check}");
}

#[test]
fn a_merged_pair_of_intents_is_matched_with_the_larger_one() {
    let planted = planted();
    let mut found = perfect(&planted);
    let (large, small) = ("about Track an order", "about Change the delivery address");
    for thread in &mut found {
        if thread.path.last().is_some_and(|leaf| leaf == small) {
            thread.path[1] = large.to_owned();
        }
    }
    let check = check(&planted, &found, &[]);
    let score_of = |name: &str| {
        check.intents.groups.iter().find(|group| group.planted == name).expect("it was planted").clone()
    };
    assert_eq!(score_of("Change the delivery address").found, None);
    assert_eq!(score_of("Change the delivery address").score.f1(), 0.0);
    let merged = score_of("Track an order").score;
    assert_eq!(merged.recall(), 1.0);
    assert!(merged.precision() < 0.8);
}

#[test]
fn no_failure_is_not_a_failure() {
    let planted = planted();
    let mut found = perfect(&planted);
    for thread in &mut found {
        thread.failure.get_or_insert_with(|| vec!["No failure".to_owned()]);
    }
    assert_eq!(check(&planted, &found, &[]).detection.f1(), 1.0);
}

#[test]
fn a_report_on_nothing_does_not_panic() {
    let check = check(&planted(), &[], &[]);
    assert!(!check.passed());
    assert!(check.to_string().contains("not passed"));
}
