use assay_domain::report::{AttributeValue, CategoryKind, Status};

use super::*;
use crate::edit::tests::{assignment, category, complete};

/// Leaves of so many threads, so many of which fail; every thread likes the agent alike.
fn report(leaves: &[(&str, usize, usize)]) -> Report {
    let nodes = leaves.iter().map(|(id, ..)| category(id, None, CategoryKind::Discovered)).collect();
    let mut assignments = Vec::new();
    for &(id, threads, failing) in leaves {
        for number in 0..threads {
            let mut one = assignment(assignments.len(), id);
            one.status = if number < failing { Status::Error } else { Status::Success };
            one.failure = (number < failing).then(|| format!("way {}", number % 3));
            one.latency = Some(10.0 + (assignments.len() % 7) as f64);
            one.feedback = [("helpful".to_owned(), 1.0)].into();
            assignments.push(one);
        }
    }
    complete(nodes, assignments)
}

fn says(report: &Report, words: &str) -> bool {
    report.executive_summary.key_points.iter().any(|claim| claim.text.contains(words))
}

#[test]
fn the_luckless_one_of_many_categories_is_not_said_to_fail_more() {
    let mut leaves = vec![("odd", 8, 2)];
    let names: Vec<String> = (0..20).map(|number| format!("leaf{number}")).collect();
    leaves
        .extend(names.iter().enumerate().map(|(number, name)| (name.as_str(), 10, usize::from(number < 11))));
    let made = report(&leaves);
    assert!(!says(&made, "fails more than the rest"));
    assert!(says(&made, "no category fails clearly more often than the others"));
    let clear = report(&[("bad", 20, 15), ("good", 60, 6), ("fine", 60, 5)]);
    assert!(says(&clear, "“Name bad” fails more than the rest: 75.0 %"));
}

#[test]
fn what_only_a_category_above_shows_is_said_of_it() {
    // Of ten leaves none fails clearly more often; the four below "top" do together.
    let mut nodes = vec![category("top", None, CategoryKind::Discovered)];
    let mut assignments = Vec::new();
    for leaf in 0..10 {
        let id = format!("leaf{leaf}");
        nodes.push(category(&id, (leaf < 4).then_some("top"), CategoryKind::Discovered));
        for number in 0..20 {
            let mut one = assignment(assignments.len(), &id);
            one.status = Status::Success;
            one.failure = (number < if leaf < 4 { 5 } else { 1 }).then(|| "way".to_owned());
            assignments.push(one);
        }
    }
    let made = complete(nodes, assignments);
    let marked = |node: &&Category| node.statistics.failures_stand_out;
    let marked: Vec<&str> = made.taxonomy.nodes.iter().filter(marked).map(|node| node.id.as_str()).collect();
    assert_eq!(marked, ["top"]);
    assert!(says(&made, "“Name top” fails more than the rest: 25.0 %"), "{:?}", made.executive_summary);
    assert!(!says(&made, "no category fails clearly more often"));
    let shown = &made.executive_summary.highlights[0];
    assert!(shown.category.starts_with("leaf"), "{shown:?}");
}

#[test]
fn what_does_not_differ_is_not_said_to_be_lowest_or_slowest() {
    let made = report(&[("a", 20, 2), ("b", 20, 2), ("c", 20, 2)]);
    assert!(says(&made, "Feedback “helpful” is 1.00 on average over all threads that have it"));
    assert!(!says(&made, "lowest") && !says(&made, "slowest"));
}

#[test]
fn a_report_without_groups_says_so_and_tells_what_goes_wrong() {
    let mut nodes = vec![category("all", None, CategoryKind::Discovered)];
    nodes[0].name = EVERYTHING.to_owned();
    let threads = (0..40).map(|number| {
        let mut one = assignment(number, "all");
        let tools = if number < 30 { vec!["shell".to_owned()] } else { Vec::new() };
        one.attributes.insert("failed_tools".to_owned(), AttributeValue::Labels(tools));
        one.attributes.insert("loop".to_owned(), AttributeValue::Boolean(number < 8));
        one
    });
    let made = complete(nodes, threads.collect());
    assert_eq!(made.executive_summary.title, "Requests that form no groups");
    assert!(says(&made, "40 threads were read; their requests are too few"));
    assert!(says(&made, "A call of “shell” fails in 75.0 % of all threads"));
    assert!(says(&made, "20.0 % of all threads show a loop"));
    assert!(!says(&made, "costs the most"), "of one category all costs say nothing");
    assert_eq!((made.executive_summary.highlights.len(), made.made.claims_dropped), (HIGHLIGHTS, 0));
}

#[test]
fn a_title_says_mostly_only_of_most_threads() {
    let wide: Vec<String> = (0..9).map(|number| format!("leaf{number}")).collect();
    let leaves: Vec<_> = wide.iter().map(|name| (name.as_str(), 10, 0)).collect();
    assert_eq!(title(&report(&leaves)), "Many topics: Name leaf0, Name leaf1, Name leaf2 and others");
    assert_eq!(title(&report(&[("a", 10, 0), ("b", 10, 0)])), "Mostly Name a and Name b");
    assert!(says(
        &report(&[("a", 10, 0), ("b", 10, 0)]),
        "20 threads fall into 2 top categories; the largest are"
    ));
}
