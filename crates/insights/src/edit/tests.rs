use std::collections::BTreeMap;

use assay_domain::report::{
    Assignment, Category, CategoryKind, ClaimValue, Measure, ModelWork, Query, ReportConfig, Status, Taxonomy,
};
use assay_domain::{ThreadId, TraceId};

use super::*;
use crate::aggregate;

pub(crate) fn category(id: &str, parent: Option<&str>, kind: CategoryKind) -> Category {
    Category {
        id: id.into(),
        parent: parent.map(str::to_owned),
        name: format!("Name {id}"),
        kind,
        ..leftover()
    }
}

pub(crate) fn assignment(number: usize, category: &str) -> Assignment {
    Assignment {
        thread: ThreadId(format!("t{number:02}")),
        category: category.into(),
        path: Vec::new(),
        confidence: 0.5,
        reason: None,
        summary: "s".into(),
        request: "r".into(),
        attributes: BTreeMap::new(),
        status: if number.is_multiple_of(3) { Status::Error } else { Status::Success },
        failure: number.is_multiple_of(3).then(|| "it broke".to_owned()),
        start_time: None,
        latency: Some(number as f64),
        total_tokens: 10,
        cost: Some(0.1),
        feedback: BTreeMap::from([("helpful".to_owned(), f64::from(u8::from(number.is_multiple_of(2))))]),
        weight: 1.0,
        evidence: Vec::new(),
        likeness: None,
        position: [0.0, 0.0],
        traces: vec![TraceId::default()],
        run: None,
    }
}

/// Two top categories with two leaves each, ten threads in every leaf.
fn made() -> Report {
    use CategoryKind::Discovered;
    let nodes = vec![
        category("a", None, Discovered),
        category("a1", Some("a"), Discovered),
        category("a2", Some("a"), Discovered),
        category("b", None, Discovered),
        category("b1", Some("b"), Discovered),
        category("b2", Some("b"), Discovered),
    ];
    let leaves = ["a1", "a2", "b1", "b2"];
    complete(nodes, (0..40).map(|number| assignment(number, leaves[number / 10])).collect())
}

/// A report of these categories and threads, with everything that follows from them.
pub(crate) fn complete(nodes: Vec<Category>, assignments: Vec<Assignment>) -> Report {
    let mut report = Report {
        version: 1,
        id: Default::default(),
        project: "p".into(),
        config: ReportConfig::usage_patterns(),
        executive_summary: Default::default(),
        taxonomy: Taxonomy { nodes, granularities: Vec::new() },
        assignments,
        statistics: Default::default(),
        made: Default::default(),
    };
    let grouping = count::grouping(&mut report);
    let threads: Vec<_> = report.assignments.iter().map(count::read).collect();
    let (overall, by_node) = aggregate::by_category(&threads, &grouping);
    report.statistics = overall;
    for (node, statistics) in report.taxonomy.nodes.iter_mut().zip(by_node) {
        node.level = usize::from(node.parent.is_none());
        node.statistics = statistics;
    }
    order(&mut report);
    paths(&mut report);
    executive::write(&mut report);
    verify::report(&report).expect("a report that checks");
    report
}

fn edits(all: &[(&str, CategoryEdit)]) -> Edits {
    Edits(all.iter().map(|(id, edit)| ((*id).to_owned(), edit.clone())).collect())
}

fn named(name: &str) -> CategoryEdit {
    CategoryEdit { name: Some(name.into()), ..CategoryEdit::default() }
}

fn into(target: &str) -> CategoryEdit {
    CategoryEdit { merged_into: Some(target.into()), ..CategoryEdit::default() }
}

fn hidden() -> CategoryEdit {
    CategoryEdit { is_hidden: true, ..CategoryEdit::default() }
}

/// The tree with its threads, a line per category.
fn tree(report: &Report) -> Vec<String> {
    let nodes = report.taxonomy.nodes.iter();
    nodes
        .map(|node| {
            format!("{}{} {}", "  ".repeat(1 - node.level.min(1)), node.name, node.statistics.threads)
        })
        .collect()
}

#[test]
fn without_edits_a_report_is_as_it_was_made() {
    let report = made();
    assert_eq!(apply(&report, &Edits::default()).expect("edited"), report);
    assert_eq!(apply(&report, &edits(&[("a", CategoryEdit::default())])).expect("edited"), report);
}

#[test]
fn a_new_name_is_everywhere_and_numbers_stay() {
    let report = made();
    let mut edited =
        apply(&report, &edits(&[("a", named("Refunds")), ("a1", named("Money back"))])).expect("edited");
    // Only what was changed is told by the name it had.
    let told = std::mem::take(&mut edited.made.edits);
    let told: Vec<_> = told.iter().map(|one| (one.category.as_str(), one.renamed_to.as_deref())).collect();
    assert_eq!(told, [("Name a", Some("Refunds")), ("Name a1", Some("Money back"))]);
    assert!(edited.assignments.iter().filter(|one| one.path == ["Refunds", "Money back"]).count() == 10);
    let text = serde_json::to_string(&edited).expect("JSON");
    assert!(!text.contains("Name a\"") && !text.contains("Name a1"), "{text}");
    assert_eq!(edited.statistics, report.statistics);
}

#[test]
fn merged_leaves_count_as_one_and_an_empty_parent_goes() {
    let report = made();
    let edited = apply(&report, &edits(&[("b1", into("a1")), ("b2", into("b1"))])).expect("edited");
    assert_eq!(tree(&edited), ["Name a 40", "  Name a1 30", "  Name a2 10"]);
    let merged: Vec<_> = edited.made.edits.iter().map(|one| one.merged_into.as_deref()).collect();
    assert_eq!(merged, [Some("Name a1"), Some("Name b1")]);
    let node = edited.category("a1").expect("a leaf");
    assert_eq!(node.statistics.feedback["helpful"].threads, 30);
    assert!((node.statistics.feedback["helpful"].mean.expect("a mean") - 0.5).abs() < 1e-9);
}

#[test]
fn merged_parents_bring_their_subcategories() {
    let edited = apply(&made(), &edits(&[("b", into("a"))])).expect("edited");
    assert_eq!(edited.taxonomy.nodes.len(), 5);
    assert_eq!(edited.taxonomy.children(Some("a")).count(), 4);
    assert!(edited.assignments.iter().all(|one| one.path.first().is_some_and(|name| name == "Name a")));
}

#[test]
fn threads_of_hidden_categories_count_as_other_and_none_is_lost() {
    let edited = apply(&made(), &edits(&[("b", hidden()), ("a2", hidden())])).expect("edited");
    assert_eq!(edited.assignments.len(), 40);
    let other = edited.taxonomy.nodes.last().expect("leftovers");
    assert_eq!((other.kind, other.statistics.threads, other.level), (CategoryKind::Other, 30, 0));
    assert!(edited.assignments.iter().filter(|one| one.category == OTHER).all(|one| one.reason.is_some()));
    let merged = apply(&made(), &edits(&[("a", into("b")), ("b", hidden())])).expect("edited");
    assert_eq!(merged.taxonomy.nodes.len(), 1, "what was merged into a hidden one is hidden");
}

#[test]
fn sentences_of_a_model_get_the_new_names_or_go_where_they_do_not_hold() {
    let mut report = made();
    report.made.model = Some(ModelWork::default());
    let share = |id: &str, value: f64| ClaimValue {
        query: Query { measure: Measure::Share, category: Some(id.into()), attribute: None },
        value,
        shown: verify::show(&Measure::Share, value),
    };
    let claim = |id: &str, value: f64| {
        let value = share(id, value);
        let template = format!("“Name {id}” makes {{0}}");
        let text = verify::fill(&template, &[&value.shown]);
        Claim { template, values: vec![value], references: Vec::new(), text }
    };
    report.executive_summary.key_points = vec![claim("a", 0.5), claim("b1", 0.25)];
    verify::report(&report).expect("a report that checks");
    let renamed = apply(&report, &edits(&[("a", named("Refunds"))])).expect("edited");
    assert!(renamed.executive_summary.key_points[0].text.starts_with("“Refunds” makes"));
    let merged = apply(&report, &edits(&[("b1", into("b2"))])).expect("edited");
    let texts: Vec<&str> =
        merged.executive_summary.key_points.iter().map(|point| point.text.as_str()).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].starts_with("“Name a” makes"));
}

#[test]
fn swapped_names_do_not_run_into_each_other() {
    assert_eq!(
        with_names("A beats B, AB stays", &[("AB", "C"), ("A", "B"), ("B", "A")]),
        "B beats A, C stays"
    );
    assert_eq!(with_names("Ten of 1, “0”", &[("1", "0"), ("0", "1")]), "Ten of 0, “1”");
}

#[test]
fn a_new_name_is_not_put_into_other_names_and_words() {
    let names = [("Refunds for flights", "Refunds for flights"), ("Refunds", "Money back")];
    assert_eq!(
        with_names("Refunds for flights, unlike Refunds, are NonRefunds", &names),
        "Refunds for flights, unlike Money back, are NonRefunds"
    );
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let report = made();
    for wrong in [
        edits(&[("x", named("n"))]),
        edits(&[("a", into("a"))]),
        edits(&[("a", into("a1"))]),
        edits(&[("a1", into("a2")), ("a2", into("a1"))]),
        edits(&[("a1", into("x"))]),
    ] {
        let error = apply(&report, &wrong).expect_err("refused");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }
}
