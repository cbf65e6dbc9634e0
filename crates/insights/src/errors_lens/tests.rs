use std::collections::BTreeSet;

use assay_domain::ThreadId;

mod given;
mod levels;

use super::*;
use crate::grouping::Node;
use crate::summary::FailureKind;

fn failure(kind: FailureKind, tool: Option<&str>, signature: &str) -> Failure {
    Failure {
        kind,
        signature: signature.to_owned(),
        tool: tool.map(str::to_owned),
        agent: None,
        evidence: signature.replace("<num>", "3"),
        count: 1,
        recovered: false,
        run: None,
    }
}

fn tool(tool: &str, signature: &str) -> Failure {
    failure(FailureKind::ToolError, Some(tool), signature)
}

fn summaries(groups: &[(usize, Option<Failure>)]) -> Vec<Summary> {
    let failures = groups.iter().flat_map(|(count, failure)| std::iter::repeat_n(failure, *count));
    let read = |(index, failure): (usize, &Option<Failure>)| Summary {
        thread: ThreadId(format!("t{index:04}")),
        text: String::new(),
        request: String::new(),
        topics: Vec::new(),
        own_words: None,
        evidence: Vec::new(),
        attributes: BTreeMap::new(),
        failures: failure.iter().cloned().collect(),
        run: None,
    };
    failures.enumerate().map(read).collect()
}

/// The tree as lines: two spaces per level, name, number of threads.
fn outline(grouping: &Grouping) -> Vec<String> {
    let below = grouping.members_of_nodes();
    let line = |(index, node): (usize, &Node)| {
        let indent = if node.parent.is_some() { "  " } else { "" };
        format!("{indent}{} {}", node.name.as_deref().unwrap_or("?"), below[index].len())
    };
    grouping.nodes.iter().enumerate().map(line).collect()
}

#[track_caller]
fn check(groups: &[(usize, Option<Failure>)], expected: &[&str]) {
    let summaries = summaries(groups);
    let grouping = group(&summaries.iter().collect::<Vec<_>>(), &Shape::Automatic);
    assert_eq!(outline(&grouping), expected);
}

#[test]
fn kinds_stand_at_the_top_and_causes_below() {
    check(
        &[
            (50, None),
            (9, Some(tool("issue_refund", "amount is not a valid number"))),
            (6, Some(tool("carrier", "timed out after <num> s"))),
            (
                4,
                Some(failure(
                    FailureKind::Loop,
                    Some("search_products"),
                    "called again and again with the same arguments",
                )),
            ),
            (3, Some(failure(FailureKind::Refusal, None, "the agent declined to help"))),
            (
                2,
                Some(failure(
                    FailureKind::ModelError,
                    Some("openai"),
                    "rate limit: openai.RateLimitError: try again in <num> s",
                )),
            ),
            (
                1,
                Some(failure(
                    FailureKind::ModelError,
                    Some("azure"),
                    "rate limit: openai.RateLimitError: try again in <num> s",
                )),
            ),
        ],
        &[
            "Tool errors 15",
            "  issue_refund: amount is not a valid number 9",
            "  carrier: timed out after … s 6",
            "Loops and repeated calls 4",
            "  search_products called again and again with the same arguments 4",
            "Model errors 3",
            "  Rate limit: try again in … s 3",
            "Refusals 3",
            "  The agent declined to help 3",
            "No failure shows 50",
        ],
    );
}

#[test]
fn many_failing_tools_stand_at_the_top_themselves() {
    check(
        &[
            (9, Some(tool("refund", "no such order"))),
            (7, Some(tool("search", "index is offline"))),
            (5, Some(tool("mail", "no recipient given"))),
            (1, Some(tool("calendar", "is full"))),
        ],
        &[
            "Tool errors: refund 9",
            "  refund: no such order 9",
            "Tool errors: search 7",
            "  search: index is offline 7",
            "Tool errors: mail 5",
            "  mail: no recipient given 5",
            "Tool errors: other tools 1",
            "  calendar: is full 1",
        ],
    );
}

#[test]
fn nearly_equal_templates_are_one_cause_and_different_ones_are_not() {
    check(
        &[
            (5, Some(tool("db", "table orders has no column named total"))),
            (2, Some(tool("db", "table orders has no column named sum"))),
            (4, Some(tool("db", "connection was refused by the server"))),
        ],
        &[
            "Tool errors: db 11",
            "  db: table orders has no column named total 7",
            "  db: connection was refused by the server 4",
        ],
    );
}

#[test]
fn rare_causes_are_pooled_with_a_reason() {
    let mut groups = vec![(9, Some(tool("db", "table is locked")))];
    for word in ["alpha", "beta", "gamma", "delta", "epsilon"] {
        groups.push((1, Some(tool("db", &format!("{word} {word}ish {word}ism")))));
    }
    check(&groups, &["Tool errors: db 14", "  db: table is locked 9", "  Other errors of db 5"]);
    let summaries = summaries(&groups);
    let grouping = group(&summaries.iter().collect::<Vec<_>>(), &Shape::Automatic);
    assert_eq!(grouping.members[13].reason.as_deref(), Some("fewer than 3 threads fail this way"));
    assert_eq!(grouping.nodes[2].kind, CategoryKind::Other);
}

#[test]
fn what_was_recovered_counts_only_where_it_is_frequent() {
    let recovered = || Some(Failure { recovered: true, ..tool("db", "table is locked") });
    check(&[(100, None), (9, recovered())], &["No failure shows 109"]);
    check(
        &[(100, None), (10, recovered())],
        &["Recovered errors 10", "  db: table is locked (recovered) 10", "No failure shows 100"],
    );
}

#[test]
fn the_tree_does_not_depend_on_the_order_of_threads() {
    let mut groups = vec![(20, None)];
    for (index, name) in ["refund", "search", "mail", "db"].iter().enumerate() {
        for n in 0..6 {
            let words = ["red", "green", "blue", "pink", "gray", "cyan"];
            groups.push((
                1 + (n + index) % 4,
                Some(tool(name, &format!("no {} {} thing for you here", words[n], words[(n + 1) % 6]))),
            ));
        }
    }
    let summaries = summaries(&groups);
    let mut shuffled: Vec<&Summary> = summaries.iter().collect();
    shuffled.sort_by_key(|summary| crate::failures::steps::hash(&summary.thread.0));
    let straight: Vec<&Summary> = summaries.iter().collect();
    let (one, two) = (group(&straight, &Shape::Automatic), group(&shuffled, &Shape::Automatic));
    assert_eq!(one.nodes, two.nodes);
    for (index, summary) in shuffled.iter().enumerate() {
        let original =
            straight.iter().position(|known| known.thread == summary.thread).expect("the same threads");
        assert_eq!(one.members[original], two.members[index]);
    }
}

#[test]
fn names_are_short_and_unique_among_siblings() {
    let mut groups = Vec::new();
    for n in 0..12 {
        let own =
            format!("{} ", "abcdefghijkl".chars().nth(n).unwrap_or('x').to_string().repeat(9)).repeat(30);
        groups.push((
            3,
            Some(tool(
                "a_tool_with_quite_a_long_name_for_a_tool",
                &format!("the very same beginning of all those long words of errors {own}"),
            )),
        ));
    }
    for (n, word) in ["one", "two", "three", "four"].iter().enumerate() {
        groups.push((
            4,
            Some(tool(
                "x",
                &format!("{}: {word} a{n} b{n} c{n}", "SameWordsAtTheBeginningOfTheMessage ".repeat(2)),
            )),
        ));
    }
    let summaries = summaries(&groups);
    let grouping = group(&summaries.iter().collect::<Vec<_>>(), &Shape::Automatic);
    for parent in std::iter::once(None).chain((0..grouping.nodes.len()).map(Some)) {
        let names: Vec<&str> =
            grouping.children(parent).filter_map(|node| grouping.nodes[node].name.as_deref()).collect();
        let distinct: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        assert!(names.iter().all(|name| !name.is_empty() && name.chars().count() <= 70), "{names:?}");
    }
}

#[test]
fn confidences_are_shares_and_every_thread_is_somewhere() {
    assert!(group(&[], &Shape::Automatic).nodes.is_empty());
    let summaries = summaries(&[(3, None), (3, Some(tool("db", "locked"))), (1, Some(tool("db", "")))]);
    let grouping = group(&summaries.iter().collect::<Vec<_>>(), &Shape::Automatic);
    assert_eq!(grouping.members.len(), summaries.len());
    assert!(
        grouping
            .members
            .iter()
            .all(|member| (0.0..=1.0).contains(&member.confidence) && member.confidence > 0.0)
    );
}

#[test]
fn a_hundred_thousand_different_templates_are_merged_quickly() {
    let groups: Vec<_> = (0..100_000)
        .map(|n| (1, Some(tool("db", &format!("w{} x{} y{} failed again", n, n % 977, n % 89)))))
        .collect();
    let summaries = summaries(&groups);
    let grouping = group(&summaries.iter().collect::<Vec<_>>(), &Shape::Automatic);
    assert_eq!(grouping.members.len(), 100_000);
}
