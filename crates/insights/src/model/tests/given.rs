//! Categories and counts that the reader gave, where a model reads the threads.

use super::*;

const GIVEN: [(&str, &str); 3] = [
    ("Money back", "refunds of what was paid for an order"),
    ("Trouble signing in", "forgotten passwords and locked logins"),
    ("Parcels on their way", "where a parcel or package is and when the courier delivers it"),
];

fn asked_at(script: &Script, stage: &str) -> usize {
    script.asked().iter().filter(|request| request.stage == stage).count()
}

fn tops_of(report: &Report, kind: CategoryKind) -> Vec<&Category> {
    report.taxonomy.nodes.iter().filter(|node| node.parent.is_none() && node.kind == kind).collect()
}

/// How often the model is asked to summarize, merge and arrange.
fn asked(script: &Script) -> [usize; 3] {
    ["summarize", "merge", "arrange"].map(|stage| asked_at(script, stage))
}

/// Every thread was read, those with the same words once, and nothing was merged or arranged.
#[track_caller]
fn only_read(report: &Report, script: &Script) {
    let [read, merged, arranged] = asked(script);
    let alike = report.made.model.as_ref().expect("books").threads_alike;
    assert_eq!((read + alike, merged, arranged), (60, 0, 0), "{alike} alike");
}

#[tokio::test]
async fn without_anything_given_the_model_merges_and_arranges() {
    let script = merging(two);
    varied(&script, &deep(), 4).await;
    assert!(asked(&script).iter().all(|count| *count > 0), "{:?}", asked(&script));
}

#[tokio::test]
async fn given_categories_hold_every_thread_and_stay_as_they_were_given() {
    let given = GIVEN
        .map(|(name, description)| PredefinedCategory { name: name.into(), description: description.into() });
    let script = merging(same);
    let report = varied(&script, &ReportConfig { categories: given.to_vec(), ..deep() }, 4).await;
    only_read(&report, &script);

    let tops = tops_of(&report, CategoryKind::Predefined);
    let told: BTreeSet<(&str, &str)> =
        tops.iter().map(|top| (top.name.as_str(), top.description.as_str())).collect();
    assert_eq!((tops.len(), told), (GIVEN.len(), GIVEN.into()));
    let others = tops_of(&report, CategoryKind::Other);
    assert!(others.len() <= 1 && tops_of(&report, CategoryKind::Discovered).is_empty());
    let sum: usize = tops.iter().chain(&others).map(|top| top.statistics.threads).sum();
    assert_eq!(sum, 60);
    assert!(tops.iter().all(|top| top.statistics.threads > 0));
    // Every thread lies below one of them.
    assert_eq!(report.assignments.len(), 60);
    for one in &report.assignments {
        let node = |id: &str| report.taxonomy.nodes.iter().find(|node| node.id == id).expect("a category");
        let mut top = node(&one.category);
        while let Some(parent) = &top.parent {
            top = node(parent);
        }
        assert!(
            tops.iter().chain(&others).any(|one| one.id == top.id),
            "{} is in {}",
            one.thread.0,
            top.name
        );
    }
}

#[tokio::test]
async fn given_counts_are_kept_and_nothing_is_merged() {
    for levels in [vec![4], vec![6, 2], vec![8, 3]] {
        let script = merging(same);
        let config = ReportConfig { shape: Shape::Levels(levels.clone()), ..deep() };
        let report = varied(&script, &config, 4).await;
        only_read(&report, &script);
        assert_eq!(report.made.model.as_ref().expect("books").merging, None);
        assert_eq!(leaves_of(&report).len(), levels[0], "{levels:?}");
        if let Some(tops) = levels.get(1) {
            assert_eq!(tops_of(&report, CategoryKind::Discovered).len(), *tops, "{levels:?}");
        }
    }
}
