//! Trees with as many groups as were asked for.

use super::*;

#[track_caller]
fn check(groups: &[(usize, Option<Failure>)], counts: &[usize], expected: &[&str]) -> Grouping {
    let summaries = summaries(groups);
    let grouping = group(&summaries.iter().collect::<Vec<_>>(), &Shape::Levels(counts.to_vec()));
    assert_eq!(outline(&grouping), expected);
    grouping
}

/// Three failing tools, a loop and a refusal; nine causes in all.
fn mixed() -> Vec<(usize, Option<Failure>)> {
    let looping =
        failure(FailureKind::Loop, Some("search"), "called again and again with the same arguments");
    vec![
        (50, None),
        (30, Some(tool("db", "connection was refused by the server"))),
        (20, Some(tool("db", "table orders has no such column"))),
        (4, Some(tool("db", "disk quota exceeded"))),
        (12, Some(tool("mail", "recipient address rejected"))),
        (3, Some(tool("mail", "attachment too large to send"))),
        (2, Some(tool("calendar", "event overlaps another event"))),
        (9, Some(looping)),
        (2, Some(failure(FailureKind::Refusal, None, "the agent declined to help"))),
        (1, Some(failure(FailureKind::Unanswered, None, "the last word is the user's"))),
    ]
}

#[test]
fn as_many_leaves_and_tops_as_were_asked_for() {
    let grouping = check(
        &mixed(),
        &[5, 3],
        &[
            "Tool errors: db 54",
            "  db: connection was refused by the server 30",
            "  db: table orders has no such column and 1 other cause 24",
            "Tool errors: mail and calendar 17",
            "Loops, refusals and unanswered threads 12",
            "  search called again and again with the same arguments 9",
            "  Refusals and unanswered threads 3",
            "No failure shows 50",
        ],
    );
    assert!(grouping.nodes.iter().all(|node| node.kind != CategoryKind::Other));
    assert!(grouping.members.iter().all(|member| member.confidence > 0.0 && member.confidence <= 1.0));
}

#[test]
fn what_has_nothing_in_common_is_said_to_have_nothing_in_common() {
    let grouping = check(
        &mixed(),
        &[1],
        &["Tool errors, loops, refusals and unanswered threads 83", "No failure shows 50"],
    );
    let description = grouping.nodes[0].description.as_deref().expect("a description");
    assert!(
        description.contains("nothing in common") && description.contains("“db: connection"),
        "{description}"
    );
    let grouping = check(&mixed()[1..3], &[1], &["Tool errors: db 50"]);
    assert!(grouping.nodes[0].description.as_deref().is_some_and(|text| text.contains("db")));
}

#[test]
fn counts_beyond_what_there_is_are_capped() {
    check(
        &mixed(),
        &[100, 50],
        &[
            "Tool errors: db 54",
            "  db: connection was refused by the server 30",
            "  db: table orders has no such column 20",
            "  db: disk quota exceeded 4",
            "Tool errors: mail 15",
            "  mail: recipient address rejected 12",
            "  mail: attachment too large to send 3",
            "Loops and repeated calls 9",
            "  search called again and again with the same arguments 9",
            "Refusals 2",
            "  The agent declined to help 2",
            "Tool errors: calendar 2",
            "  calendar: event overlaps another event 2",
            "Unanswered 1",
            "  The last word is the user's 1",
            "No failure shows 50",
        ],
    );
    check(&[(3, None)], &[40, 8], &["No failure shows 3"]);
    check(&[], &[40, 8], &[]);
}

#[test]
fn one_count_is_that_of_the_leaves() {
    check(
        &mixed(),
        &[6],
        &[
            "Tool errors: db 54",
            "  db: connection was refused by the server 30",
            "  db: table orders has no such column and 1 other cause 24",
            "Tool errors: mail and calendar 17",
            "Loops, refusals and unanswered threads 12",
            "  search called again and again with the same arguments 9",
            "  The agent declined to help 2",
            "  The last word is the user's 1",
            "No failure shows 50",
        ],
    );
}

#[test]
fn levels_in_between_are_made_of_whole_groups_below() {
    let summaries = summaries(&mixed());
    let refs: Vec<&Summary> = summaries.iter().collect();
    let grouping = group(&refs, &Shape::Levels(vec![8, 5, 2]));
    let mut depth = vec![0; grouping.nodes.len()];
    for (node, found) in grouping.nodes.iter().enumerate() {
        depth[node] = found.parent.map_or(0, |parent| depth[parent] + 1);
    }
    assert_eq!(depth.iter().max(), Some(&2));
    let is_leaf = |node: &usize| grouping.children(Some(*node)).next().is_none();
    let leaves = (0..grouping.nodes.len()).filter(is_leaf).count();
    assert_eq!((leaves, grouping.children(None).count()), (8 + 1, 2 + 1), "{:#?}", outline(&grouping));
    // Every count by itself gives the same leaves as in company.
    let alone = group(&refs, &Shape::Levels(vec![8, 2]));
    let leaves = |grouping: &Grouping| {
        let all = (0..grouping.nodes.len()).filter(|node| grouping.children(Some(*node)).next().is_none());
        all.map(|node| grouping.members_of_nodes()[node].clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(leaves(&alone), leaves(&grouping));
}

#[test]
fn similar_words_go_together_first_and_the_name_says_so() {
    check(
        &[
            (9, Some(tool("db", "table orders has no column named total"))),
            (8, Some(tool("db", "view orders has no such column"))),
            (8, Some(tool("db", "connection was refused by the server"))),
        ],
        &[2],
        &[
            "Tool errors: db 25",
            "  db: table orders has no column named total and 1 similar cause 17",
            "  db: connection was refused by the server 8",
        ],
    );
}

#[test]
fn levels_do_not_depend_on_the_order_of_threads() {
    let summaries = summaries(&mixed());
    let straight: Vec<&Summary> = summaries.iter().collect();
    let mut shuffled = straight.clone();
    shuffled.sort_by_key(|summary| crate::failures::steps::hash(&summary.thread.0));
    for counts in [vec![4], vec![5, 3], vec![7, 4, 2]] {
        let shape = Shape::Levels(counts);
        let (one, two) = (group(&straight, &shape), group(&shuffled, &shape));
        assert_eq!(one.nodes, two.nodes);
        for (index, summary) in shuffled.iter().enumerate() {
            let original = straight.iter().position(|known| known.thread == summary.thread).expect("there");
            assert_eq!(one.members[original], two.members[index]);
        }
    }
}

#[test]
fn a_hundred_thousand_causes_are_put_together_quickly() {
    let words = |n: usize| format!("a{n} b{} c{} d{}", n * 7, n * 11, n * 13);
    let groups: Vec<_> = (0..60_000)
        .map(|n| (1 + usize::from(n < 50), Some(tool(["db", "mail"][n % 2], &words(n)))))
        .collect();
    let summaries = summaries(&groups);
    let summaries: Vec<&Summary> = summaries.iter().collect();
    for counts in [vec![40, 2], vec![5_000, 300, 2]] {
        let grouping = group(&summaries, &Shape::Levels(counts.clone()));
        let is_leaf = |node: &usize| grouping.children(Some(*node)).next().is_none();
        assert_eq!((0..grouping.nodes.len()).filter(is_leaf).count(), counts[0]);
        assert_eq!(grouping.children(None).count(), 2);
    }
}
