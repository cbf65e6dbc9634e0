//! Trees below categories that were given.

use assay_llm::MiniLm;

use super::*;

fn given(categories: &[(&str, &str)]) -> Vec<PredefinedCategory> {
    let category = |&(name, description): &(&str, &str)| PredefinedCategory {
        name: name.into(),
        description: description.into(),
    };
    categories.iter().map(category).collect()
}

fn tree(groups: &[(usize, Option<Failure>)], categories: &[(&str, &str)], shape: &Shape) -> Grouping {
    let summaries = summaries(groups);
    let embedder = MiniLm::bundled().expect("the bundled model");
    within(&summaries.iter().collect::<Vec<_>>(), &given(categories), shape, &embedder).expect("a tree")
}

#[track_caller]
fn check(groups: &[(usize, Option<Failure>)], categories: &[(&str, &str)], expected: &[&str]) -> Grouping {
    let grouping = tree(groups, categories, &Shape::Automatic);
    assert_eq!(outline(&grouping), expected);
    grouping
}

const HOW: [(&str, &str); 5] = [
    ("Timeouts", "an upstream service or tool did not answer in time"),
    ("Wrong input", "the agent called a tool with invalid or missing arguments"),
    ("Model provider", "rate limits, context length and outages of the language model"),
    ("Behaviour", "the agent loops, declines, or hands the work back and forth"),
    ("Missing data", "files, tables, records that do not exist"),
];

fn failures() -> Vec<(usize, Option<Failure>)> {
    let again = "called again and again with the same arguments";
    let limit = "rate limit: openai.RateLimitError: try again in <num> s";
    vec![
        (9, None),
        (1, Some(tool("issue_refund", "amount is not a valid number"))),
        (2, Some(tool("carrier_api", "upstream timed out after <num> s"))),
        (3, Some(tool("search_products", "missing required argument <value>"))),
        (4, Some(tool("db", "table orders has no such column"))),
        (5, Some(tool("forecast", "HTTP 503 service unavailable"))),
        (6, Some(failure(FailureKind::ModelError, None, limit))),
        (7, Some(failure(FailureKind::Loop, Some("search_products"), again))),
        (8, Some(failure(FailureKind::Refusal, None, "the agent declined to help"))),
        (9, Some(failure(FailureKind::HandOff, None, "handed back and forth between planner and coder"))),
    ]
}

#[test]
fn causes_go_where_their_meaning_and_words_lead() {
    let grouping = check(
        &failures(),
        &HOW,
        &[
            "Timeouts 7",
            "  forecast: HTTP 503 service unavailable 5",
            "  carrier_api: upstream timed out after … s 2",
            "Wrong input 4",
            "  search_products: missing required argument … 3",
            "  issue_refund: amount is not a valid number 1",
            "Model provider 6",
            "  Rate limit: try again in … s 6",
            "Behaviour 24",
            "  Handed back and forth between planner and coder 9",
            "  The agent declined to help 8",
            "  search_products called again and again with the same arguments 7",
            "Missing data 4",
            "  db: table orders has no such column 4",
            "No failure shows 9",
        ],
    );
    let tops: Vec<usize> = grouping.children(None).collect();
    assert!(tops[..5].iter().all(|&top| grouping.nodes[top].kind == CategoryKind::Predefined));
    assert_eq!(grouping.nodes[0].description.as_deref(), Some(HOW[0].1));
    assert!(grouping.members.iter().all(|member| member.confidence > 0.0 && member.confidence <= 1.0));
}

#[test]
fn what_fits_nowhere_is_in_other_with_a_reason() {
    let by_area =
        [("Payments", "refunds, charges, invoices"), ("Cooking", "recipes"), ("Search", "finding products")];
    let grouping = check(
        &failures(),
        &by_area,
        &[
            "Payments 1",
            "  issue_refund: amount is not a valid number 1",
            "Search 10",
            "  search_products called again and again with the same arguments 7",
            "  search_products: missing required argument … 3",
            "Other 34",
            "No failure shows 9",
        ],
    );
    let other = grouping.nodes.iter().position(|node| node.kind == CategoryKind::Other).expect("Other");
    for member in &grouping.members {
        assert_eq!(member.leaf == other, member.reason.is_some());
        assert_eq!(member.leaf == other, member.confidence == 0.0);
    }
}

#[test]
fn rare_causes_of_a_given_category_share_a_leaf() {
    let mut groups = vec![(9, Some(tool("issue_refund", "amount is not a valid number")))];
    for word in ["currency", "card", "account", "bank", "limit"] {
        groups.push((1, Some(tool("issue_refund", &format!("{word} of the refund was {word}less")))));
    }
    check(
        &groups,
        &[("Payments", "refunds and money")],
        &["Payments 14", "  issue_refund: amount is not a valid number 9", "  Other failures: Payments 5"],
    );
}

#[test]
fn counts_are_shared_among_given_categories() {
    for counts in [vec![6], vec![6, 3]] {
        let grouping = tree(&failures(), &HOW, &Shape::Levels(counts));
        let expected = [
            "Timeouts 7",
            "Wrong input 4",
            "Model provider 6",
            "  Rate limit: try again in … s 6",
            "Behaviour 24",
            "  Handed back and forth between planner and coder 9",
            "  Refusals and loops 15",
            "Missing data 4",
            "  db: table orders has no such column 4",
            "No failure shows 9",
        ];
        assert_eq!(outline(&grouping), expected);
    }
}

#[test]
fn given_categories_do_not_depend_on_the_order_of_threads() {
    let summaries = summaries(&failures());
    let straight: Vec<&Summary> = summaries.iter().collect();
    let mut shuffled = straight.clone();
    shuffled.sort_by_key(|summary| crate::failures::steps::hash(&summary.thread.0));
    let embedder = MiniLm::bundled().expect("the bundled model");
    for shape in [Shape::Automatic, Shape::Levels(vec![7])] {
        let tree =
            |summaries: &[&Summary]| within(summaries, &given(&HOW), &shape, &embedder).expect("a tree");
        let (one, two) = (tree(&straight), tree(&shuffled));
        assert_eq!(one.nodes, two.nodes);
        for (index, summary) in shuffled.iter().enumerate() {
            let original = straight.iter().position(|known| known.thread == summary.thread).expect("there");
            assert_eq!(one.members[original], two.members[index]);
        }
    }
}
