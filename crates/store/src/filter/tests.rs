//! Every operator and class of fields against plain Rust over a small corpus.

use std::sync::OnceLock;

use assay_domain::{
    Cost, Feedback, FeedbackId, PriceTable, ProjectId, Run, RunId, RunKind, RunPatch, RunStatus, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Batch, EmbeddedStore, Order, RunQuery, Runs, block_on};

/// A run and what belongs to it.
struct Case {
    run: Run,
    thread: String,
    feedback: Vec<Feedback>,
}

struct Corpus {
    store: EmbeddedStore,
    cases: Vec<Case>,
}

const SIZE: usize = 72;

fn id(number: usize) -> RunId {
    RunId::from_name(&format!("run {number}"))
}

/// Runs in which every field is there, absent or odd in many combinations.
fn patch(number: usize) -> RunPatch {
    let root = number - number % 3;
    // Scattered, and differently for every modulus.
    let pick = |modulus: usize| {
        ((number as u32 + 1).wrapping_mul(0x9E37_79B9).rotate_left(modulus as u32) >> 9) as usize % modulus
    };
    let second = |offset: usize| {
        chrono::DateTime::from_timestamp(1_714_521_600 + (number + offset) as i64, 500_000_000)
    };
    let usage = Usage {
        input_tokens: pick(50) as u64,
        output_tokens: pick(9) as u64,
        total_tokens: (pick(50) + pick(9)) as u64,
        stated_cost: (pick(3) == 1).then(|| Cost {
            input: "0.001".parse().expect("a decimal"),
            total: format!("0.00{}", pick(9)).parse().expect("a decimal"),
            ..Cost::default()
        }),
        ..Usage::default()
    };
    let metadata = match pick(5) {
        0 => json!({"env": "prod", "version": 2, "debug": true}),
        1 => json!({"env": "test", "stage": "prod", "nested": {"a": [1, {"b": "x"}]}}),
        2 => json!({"version": "2", "score": 0.75, "gone": null}),
        3 => json!({"env": "Prod%"}),
        _ => json!({}),
    };
    RunPatch {
        id: id(number),
        is_creation: true,
        trace: Some(id(root).into()),
        parent: (number != root).then(|| id(root)),
        thread: (number.is_multiple_of(6)).then(|| format!("thread {}", number % 4).as_str().into()),
        name: Some(["agent", "Search", "it's \"odd\"", ""][pick(4)].into()),
        kind: Some(RunKind::ALL[pick(7)]),
        start_time: (pick(11) != 0).then(|| second(0)).flatten(),
        end_time: (pick(4) != 0).then(|| second(pick(8))).flatten(),
        first_token_time: (pick(3) == 0).then(|| second(1)).flatten(),
        inputs: Some(
            [
                json!({"messages": [{"role": "user", "content": "refund please"}], "n": 3}),
                json!("refund"),
                json!({"question": "Where is it?", "empty": {}}),
                Value::Null,
            ][pick(4)]
            .clone(),
        ),
        outputs: Some(
            [json!({"answer": "Refunded 50%"}), json!({"a": {"b": null, "c": [true, false]}})][pick(2)]
                .clone(),
        ),
        error: (pick(6) == 0).then(|| ["timeout", "Timeout after 5s", ""][pick(3)].into()),
        tags: Some([vec![], vec!["prod".into()], vec!["beta".into(), "prod".into()]][pick(3)].clone()),
        metadata: metadata.as_object().cloned(),
        reference_example: (pick(8) == 0).then(|| "example".into()),
        usage: (pick(2) == 0).then_some(usage),
        ..RunPatch::default()
    }
}

fn feedback(number: usize) -> Vec<Feedback> {
    let one = |place: usize, key: &str, score: Option<f64>, value: Option<Value>| Feedback {
        id: FeedbackId::from_name(&format!("feedback {number} {place}")),
        run: Some(id(number)),
        trace: None,
        key: key.into(),
        score,
        value,
        comment: (place == 0).then(|| "well done".into()),
        correction: None,
        source: Some(if place == 0 { "api" } else { "app" }.into()),
        created_at: None,
        ..Feedback::default()
    };
    match number % 4 {
        0 => vec![one(0, "user_score", Some(1.0), None), one(1, "mood", None, Some(json!("angry")))],
        1 => vec![one(0, "user_score", Some(0.25), Some(json!(3))), one(1, "other", Some(1.0), None)],
        2 => vec![one(1, "mood", Some(0.0), Some(json!("calm")))],
        _ => vec![],
    }
}

fn corpus() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
        let batch = Batch {
            project: "p".into(),
            patches: (0..SIZE).map(patch).collect(),
            feedback: (0..SIZE).flat_map(feedback).collect(),
            ..Batch::default()
        };
        block_on(store.append(batch)).expect("appended");
        let cases = (0..SIZE).map(|number| {
            let mut run = Run::unknown(id(number), ProjectId::from_name("p"));
            run.apply(patch(number));
            run.cost = run.usage.as_ref().and_then(|usage| usage.stated_cost.clone());
            let root = patch(number - number % 3);
            let thread = root.thread.map_or_else(|| root.id.to_string(), |thread| thread.0);
            Case { run, thread, feedback: feedback(number) }
        });
        let cases = cases.collect();
        Corpus { store, cases }
    })
}

/// Numbers of the runs that a filter selects.
fn selected(filter: &str) -> Vec<usize> {
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}\n{error}"));
    let query = RunQuery {
        filter: Some(filter),
        order: Order::OldestFirst,
        limit: SIZE,
        ..RunQuery::new(ProjectId::from_name("p"))
    };
    let page = block_on(corpus().store.runs(&query)).expect("a page");
    assert_eq!(block_on(corpus().store.count(&query)).expect("a count"), page.items.len() as u64);
    let number = |row: crate::RunRow| (0..SIZE).find(|number| id(*number) == row.id).expect("a known run");
    let mut numbers: Vec<usize> = page.items.into_iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// Numbers of the runs of which a filter holds without any store.
fn held(filter: &Filter) -> Vec<usize> {
    let holds = |(number, case): (usize, &Case)| {
        let run = Run { thread: Some(case.thread.as_str().into()), ..case.run.clone() };
        filter.holds_of(&run).then_some(number)
    };
    corpus().cases.iter().enumerate().filter_map(holds).collect()
}

fn expected(is_selected: impl Fn(&Case) -> bool) -> Vec<usize> {
    corpus()
        .cases
        .iter()
        .enumerate()
        .filter(|(_, case)| is_selected(case))
        .map(|(number, _)| number)
        .collect()
}

fn meta(case: &Case, key: &str) -> Option<String> {
    match case.run.metadata.get(key)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn micros(case: &Case) -> Option<i64> {
    let micros = (case.run.end_time? - case.run.start_time?).num_microseconds()?;
    (micros >= 0).then_some(micros)
}

fn tokens(case: &Case) -> u64 {
    case.run.usage.as_ref().map_or(0, |usage| usage.total_tokens)
}

fn cost(case: &Case) -> Option<String> {
    case.run.cost.as_ref().map(|cost| cost.total.to_string())
}

fn start(case: &Case) -> Option<i64> {
    case.run.start_time.map(|time| time.timestamp_millis() - 1_714_521_600_000)
}

fn given(case: &Case, key: &str, holds: impl Fn(&Feedback) -> bool) -> bool {
    case.feedback.iter().any(|feedback| feedback.key == key && holds(feedback))
}

fn input(case: &Case) -> String {
    case.run.inputs.to_string()
}

type Plain = fn(&Case) -> bool;

/// Filters, and what they mean.
const TABLE: &[(&str, Plain)] = &[
    // Texts.
    ("eq(name, \"agent\")", |case| case.run.name == "agent"),
    ("neq(name, 'agent')", |case| case.run.name != "agent"),
    ("eq(name, 'it\\'s \"odd\"')", |case| case.run.name == "it's \"odd\""),
    ("in(name, [\"agent\", \"\"])", |case| ["agent", ""].contains(&case.run.name.as_str())),
    ("in(name, [])", |_| false),
    ("like(name, \"s%H\")", |case| case.run.name == "Search"),
    ("like(name, \"_gen_\")", |case| case.run.name == "agent"),
    ("gt(name, \"b\")", |case| case.run.name.as_str() > "b"),
    ("eq(run_type, \"LLM\")", |case| case.run.kind == RunKind::Llm),
    ("in(run_type, (\"tool\", \"chain\"))", |case| matches!(case.run.kind, RunKind::Tool | RunKind::Chain)),
    ("eq(status, \"error\")", |case| case.run.status() == RunStatus::Error),
    ("neq(status, \"success\")", |case| case.run.status() != RunStatus::Success),
    ("eq(error, null)", |case| case.run.error.is_none()),
    ("neq(error, null)", |case| case.run.error.is_some()),
    ("neq(error, \"timeout\")", |case| case.run.error.as_deref() != Some("timeout")),
    ("like(error, \"%timeout%\")", |case| {
        case.run.error.as_ref().is_some_and(|error| error.to_lowercase().contains("timeout"))
    }),
    ("not(like(error, \"%\"))", |case| case.run.error.is_none()),
    ("eq(thread_id, \"thread 2\")", |case| case.thread == "thread 2"),
    ("like(thread_id, \"thread%\")", |case| case.thread.starts_with("thread")),
    ("eq(reference_example_id, \"example\")", |case| case.run.reference_example.is_some()),
    // Ids.
    ("neq(parent_run_id, null)", |case| case.run.parent.is_some()),
    ("eq(is_root, true)", |case| case.run.parent.is_none()),
    ("neq(is_root, true)", |case| case.run.parent.is_some()),
    ("eq(is_root, false)", |case| case.run.parent.is_some()),
    ("eq(execution_order, 1)", |case| case.run.parent.is_none()),
    ("gt(execution_order, 1)", |case| case.run.parent.is_some()),
    // Times and durations.
    ("gte(start_time, \"2024-05-01T00:00:20.500Z\")", |case| {
        start(case).is_some_and(|start| start >= 20_500)
    }),
    ("lt(start_time, \"2024-05-01T02:00:20.5+02:00\")", |case| {
        start(case).is_some_and(|start| start < 20_500)
    }),
    ("not(gt(start_time, \"2024-05-01\"))", |case| start(case).is_none()),
    ("eq(start_time, \"2024-05-01 00:00:30.5\")", |case| start(case) == Some(30_500)),
    ("eq(end_time, null)", |case| case.run.end_time.is_none()),
    ("gt(latency, \"3s\")", |case| micros(case).is_some_and(|micros| micros > 3_000_000)),
    ("lte(latency, 3)", |case| micros(case).is_some_and(|micros| micros <= 3_000_000)),
    ("lt(latency, \"2500ms\")", |case| micros(case).is_some_and(|micros| micros < 2_500_000)),
    ("gt(latency, \"0.05m\")", |case| micros(case).is_some_and(|micros| micros > 3_000_000)),
    ("eq(latency, 4)", |case| micros(case) == Some(4_000_000)),
    ("gte(first_token_time, \"1s\")", |case| {
        case.run.first_token_time.is_some() && case.run.start_time.is_some()
    }),
    ("gt(first_token_latency, 1)", |_| false),
    ("neq(first_token_time, null)", |case| case.run.first_token_time.is_some()),
    // Numbers.
    ("gt(total_tokens, 20)", |case| tokens(case) > 20),
    ("eq(total_tokens, 0)", |case| tokens(case) == 0),
    ("in(total_tokens, [0, 14, 15.0])", |case| [0, 14, 15].contains(&tokens(case))),
    ("lte(prompt_tokens, 7)", |case| case.run.usage.as_ref().map_or(0, |usage| usage.input_tokens) <= 7),
    ("eq(total_cost, null)", |case| cost(case).is_none()),
    ("gt(total_cost, 0.004)", |case| cost(case).is_some_and(|cost| cost.as_str() > "0.004")),
    ("eq(total_cost, 0.004)", |case| cost(case).as_deref() == Some("0.004")),
    ("neq(total_cost, 4e-3)", |case| cost(case).as_deref() != Some("0.004")),
    // Tags.
    ("has(tags, \"prod\")", |case| case.run.tags.iter().any(|tag| tag == "prod")),
    ("neq(tags, \"prod\")", |case| !case.run.tags.iter().any(|tag| tag == "prod")),
    ("in(tags, [\"beta\", \"x\"])", |case| case.run.tags.iter().any(|tag| tag == "beta")),
    ("like(tags, \"B%\")", |case| case.run.tags.iter().any(|tag| tag == "beta")),
    ("eq(tags, null)", |case| case.run.tags.is_empty()),
    ("neq(tags, null)", |case| !case.run.tags.is_empty()),
    // Metadata.
    ("eq(metadata_key, \"env\")", |case| meta(case, "env").is_some()),
    ("neq(metadata_key, \"env\")", |case| meta(case, "env").is_none()),
    ("eq(metadata_key, \"gone\")", |_| false),
    ("eq(metadata_key, \"nested\")", |case| case.run.metadata.contains_key("nested")),
    ("eq(metadata_key, \"nested.a.b\")", |case| case.run.metadata.contains_key("nested")),
    ("eq(metadata_value, \"prod\")", |case| {
        ["env", "stage"].iter().any(|key| meta(case, key).as_deref() == Some("prod"))
    }),
    ("neq(metadata_value, \"prod\")", |case| {
        !["env", "stage"].iter().any(|key| meta(case, key).as_deref() == Some("prod"))
    }),
    ("eq(metadata_value, 2)", |case| meta(case, "version").is_some()),
    ("eq(metadata_value, true)", |case| meta(case, "debug").is_some()),
    ("gt(metadata_value, 0.8)", |case| meta(case, "version").is_some() || meta(case, "stage").is_some()),
    ("like(metadata_value, \"prod_\")", |case| meta(case, "env").as_deref() == Some("Prod%")),
    ("and(eq(metadata_key, \"env\"), eq(metadata_value, \"prod\"))", |case| {
        meta(case, "env").as_deref() == Some("prod")
    }),
    ("and(eq(metadata_value, \"prod\"), eq(status, \"error\"), eq(metadata_key, \"env\"))", |case| {
        meta(case, "env").as_deref() == Some("prod") && case.run.error.is_some()
    }),
    ("and(eq(metadata_key, \"env\"), neq(metadata_value, \"prod\"))", |case| {
        meta(case, "env").is_some_and(|env| env != "prod")
    }),
    ("and(neq(metadata_key, \"env\"), eq(metadata_value, \"prod\"))", |case| {
        meta(case, "stage").as_deref() == Some("prod")
    }),
    ("and(and(eq(metadata_key, \"env\")), eq(metadata_value, \"prod\"))", |case| {
        meta(case, "env").is_some()
            && (meta(case, "env").as_deref() == Some("prod") || meta(case, "stage").is_some())
    }),
    ("and(in(metadata_key, [\"env\", \"stage\"]), eq(metadata_value, \"prod\"))", |case| {
        ["env", "stage"].iter().any(|key| meta(case, key).as_deref() == Some("prod"))
    }),
    (
        "and(eq(metadata_key, \"env\"), eq(metadata_value, \"test\"), eq(metadata_key, \"stage\"), eq(metadata_value, \"prod\"))",
        |case| meta(case, "stage").is_some(),
    ),
    ("and(eq(metadata_key, \"version\"), neq(metadata_key, \"env\"))", |case| {
        meta(case, "version").is_some() && meta(case, "env").is_none()
    }),
    ("and(neq(metadata_key, \"version\"), neq(metadata_key, \"env\"))", |case| {
        meta(case, "version").is_none() && meta(case, "env").is_none()
    }),
    ("has(metadata, '{\"env\": \"prod\", \"version\": 2.0}')", |case| meta(case, "debug").is_some()),
    ("has(\"metadata\", '{\"nested\": {\"a\": [{\"b\": \"x\"}]}}')", |case| meta(case, "nested").is_some()),
    ("has(metadata, '{}')", |_| true),
    ("exists(metadata, \"version\")", |case| meta(case, "version").is_some()),
    // Payloads.
    ("like(input_value, \"%refund%\")", |case| input(case).contains("refund")),
    ("eq(input_key, \"messages.content\")", |case| input(case).contains("content")),
    ("eq(input_key, \"empty\")", |case| input(case).contains("empty")),
    ("neq(input_key, \"messages\")", |case| !input(case).contains("messages")),
    ("and(eq(input_key, \"n\"), gte(input_value, 3))", |case| input(case).contains("\"n\"")),
    ("and(eq(input_key, \"messages.role\"), eq(input_value, \"refund please\"))", |_| false),
    ("eq(output_value, false)", |case| case.run.outputs.get("a").is_some()),
    ("eq(output_key, \"a.b\")", |_| false),
    ("has(outputs, '{\"a\": {\"c\": [false]}}')", |case| case.run.outputs.get("a").is_some()),
    // Feedback.
    ("eq(feedback_key, \"mood\")", |case| given(case, "mood", |_| true)),
    ("neq(feedback_key, \"mood\")", |case| !given(case, "mood", |_| true)),
    ("and(eq(feedback_key, \"user_score\"), eq(feedback_score, 1))", |case| {
        given(case, "user_score", |feedback| feedback.score == Some(1.0))
    }),
    ("and(eq(feedback_key, 'user_score'), eq(feedback_score, true))", |case| {
        given(case, "user_score", |feedback| feedback.score == Some(1.0))
    }),
    ("lt(feedback_score, 0.5)", |case| {
        case.feedback.iter().any(|feedback| feedback.score.is_some_and(|score| score < 0.5))
    }),
    ("neq(feedback_score, 1)", |case| case.feedback.iter().all(|feedback| feedback.score != Some(1.0))),
    ("and(eq(feedback_key, \"mood\"), eq(feedback_value, \"angry\"))", |case| {
        given(case, "mood", |feedback| feedback.value == Some(json!("angry")))
    }),
    ("eq(feedback_value, 3)", |case| case.feedback.iter().any(|feedback| feedback.value == Some(json!(3)))),
    ("and(eq(feedback_source, \"app\"), eq(feedback_comment, null))", |case| {
        case.feedback.iter().any(|feedback| feedback.source.as_deref() == Some("app"))
    }),
    ("like(feedback_comment, \"WELL%\")", |case| {
        case.feedback.iter().any(|feedback| feedback.comment.is_some())
    }),
    // Full text.
    ("search(\"refund\")", |case| input(case).contains("refund")),
    ("search(inputs, \"please refund a\")", |case| input(case).contains("refund please")),
    ("search(name, \"agent\")", |case| case.run.name == "agent"),
    ("search(error, \"timeout\")", |case| {
        case.run.error.as_ref().is_some_and(|error| error.to_lowercase().contains("timeout"))
    }),
    ("search(\"nowhere\")", |_| false),
];

#[test]
fn every_filter_means_what_it_says() {
    let mut telling = 0;
    for (filter, plain) in TABLE {
        let expected = expected(plain);
        telling += usize::from(!expected.is_empty() && expected.len() < SIZE);
        assert_eq!(selected(filter), expected, "{filter}");
        let parsed = Filter::parse(filter).expect("parsed above");
        if !parsed.asks_feedback() {
            assert_eq!(held(&parsed), expected, "{filter} of runs that are not stored");
        }
    }
    // Nearly all of them tell some runs from others.
    assert!(telling + 9 >= TABLE.len(), "{telling} of {}", TABLE.len());
}

#[test]
fn ids_select_what_they_name() {
    let (run, root) = (id(4), id(3));
    assert_eq!(selected(&format!("eq(id, \"{run}\")")), [4]);
    assert_eq!(selected(&format!("in(id, [\"{run}\", \"{root}\"])")), [3, 4]);
    assert_eq!(selected(&format!("neq(id, \"{run}\")")).len(), SIZE - 1);
    assert_eq!(selected(&format!("eq(trace_id, \"{root}\")")), [3, 4, 5]);
    assert_eq!(selected(&format!("in(trace_id, [\"{root}\"])")), [3, 4, 5]);
    assert_eq!(selected(&format!("eq(parent_run_id, \"{root}\")")), [4, 5]);
    assert_eq!(selected(&format!("eq(session_id, \"{}\")", ProjectId::from_name("p"))).len(), SIZE);
    assert_eq!(selected(&format!("eq(session_id, \"{run}\")")).len(), 0);
}

/// A filter made of others: its text, and which runs it selects.
fn composed() -> impl Strategy<Value = (String, Vec<bool>)> {
    let base = (0..TABLE.len()).prop_map(|index| {
        let (filter, plain) = TABLE[index];
        // Alone in a group of its own, so that halves do not pair with what stands beside.
        (format!("and({filter})"), corpus().cases.iter().map(plain).collect::<Vec<bool>>())
    });
    base.prop_recursive(4, 24, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            (several, any::<bool>()).prop_map(|(parts, is_and)| {
                let texts: Vec<_> = parts.iter().map(|(text, _)| text.as_str()).collect();
                let text = format!("{}({})", if is_and { "and" } else { "OR" }, texts.join(" , "));
                let holds = |case: usize| {
                    let mut answers = parts.iter().map(|(_, answers)| answers[case]);
                    if is_and { answers.all(|answer| answer) } else { answers.any(|answer| answer) }
                };
                (text, (0..SIZE).map(holds).collect())
            }),
            inner.prop_map(|(text, answers)| {
                (format!("not({text})"), answers.into_iter().map(|answer| !answer).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn composed_filters_follow_logic((text, answers) in composed()) {
        let expected: Vec<usize> = (0..SIZE).filter(|number| answers[*number]).collect();
        prop_assert_eq!(selected(&text), expected, "{}", text);
    }

    #[test]
    fn no_text_is_too_odd_to_be_refused(text in "[a-z(){}\\[\\]\"',\\\\ 0-9.eE+-]{0,40}|\\PC{0,40}") {
        if let Err(error) = Filter::parse(&text) {
            prop_assert!(error.column <= text.chars().count() + 1);
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn like_agrees_with_its_definition(text in "[abA%]{0,6}", pattern in "[ab%_]{0,5}") {
        fn plain(text: &[char], pattern: &[char]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some(('%', rest)) => (0..=text.len()).any(|skip| plain(&text[skip..], rest)),
                Some((wanted, rest)) => text.split_first().is_some_and(|(first, others)| {
                    (*wanted == '_' || wanted == first) && plain(others, rest)
                }),
            }
        }
        let lower: Vec<char> = text.to_lowercase().chars().collect();
        prop_assert_eq!(test::is_like(&text, &pattern), plain(&lower, &pattern.chars().collect::<Vec<_>>()));
    }
}

#[track_caller]
fn check_error(source: &str, column: usize, part: &str) {
    let error = Filter::parse(source).expect_err("refused");
    assert!(error.message.contains(part), "{error}");
    assert_eq!(error.column, column, "{error}");
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    check_error("", 1, "expected a condition");
    check_error("status", 1, "expected a condition such as");
    check_error("eq(status \"error\")", 11, "expected `,` or `)`");
    check_error("eq(status, \"error\"", 19, "expected `,` or `)`, found the end");
    check_error("eq(status, \"error\"))", 20, "expected the end, found `)`");
    check_error("eq(status, \"failed\")", 12, "expected one of success, error, pending");
    check_error("eq(stats, \"error\")", 4, "no field `stats`; there are id, name");
    check_error("equals(status, \"error\")", 1, "no operator `equals`; there are eq, neq");
    check_error("eq(name, agent)", 10, "texts stand in quotes");
    check_error("eq(name, \"agent)", 10, "no closing \"");
    check_error("eq(name)", 8, "expected `,` and a value for name");
    check_error("eq()", 4, "expected a field and a value");
    check_error("eq(name, \"a\", \"b\")", 15, "one value");
    check_error("gt(latency, \"soon\")", 13, "500ms");
    check_error("gt(latency, null)", 13, "null has no order");
    check_error("gt(start_time, \"today\")", 16, "expected a time such as");
    check_error("eq(id, \"7\")", 8, "expected a UUID");
    check_error("gt(is_root, true)", 13, "no order");
    check_error("like(total_tokens, \"1%\")", 20, "text field");
    check_error("in(name, \"a\")", 10, "takes a list");
    check_error("eq(name, [\"a\"])", 10, "in(...) takes a list");
    check_error("and()", 5, "needs a condition inside");
    check_error("and(eq(name, \"é\"), 5)", 20, "takes conditions");
    check_error("eq(total_tokens, 1e999)", 18, "not a number");
    check_error("search(\" - \")", 8, "at least one word");
    check_error("eq(metadata_value, null)", 20, "never null");
    check_error("eq(name; \"a\")", 8, "has no meaning");
    check_error(&"not(".repeat(60), 201, "deeper than 50");
    assert_eq!(
        Filter::parse("and(eq(name, 'x'), gt(latency, 'soon'))").expect_err("refused").to_string(),
        "column 32: expected seconds or a duration such as \"500ms\", \"5s\", \"2m\" for latency\n  \
         and(eq(name, 'x'), gt(latency, 'soon'))\n                                 ^"
    );
}

#[test]
fn size_is_bounded_and_large_filters_still_work() {
    let many = vec!["eq(name, \"agent\")"; 1_500].join(",");
    assert_eq!(selected(&format!("and({many})")), expected(|case| case.run.name == "agent"));
    assert_eq!(selected(&format!("or({many})")), expected(|case| case.run.name == "agent"));
    let listed = format!("in(name, [{}])", vec!["\"agent\""; 9_000].join(","));
    assert_eq!(selected(&listed), expected(|case| case.run.name == "agent"));
    assert!(Filter::parse(&format!("and({many},{many})")).is_err());
    assert!(Filter::parse(&format!("in(name, [{}])", vec!["1"; 10_001].join(","))).is_err());
    let deep = format!("{}eq(name, \"agent\"){}", "not(".repeat(48), ")".repeat(48));
    assert_eq!(selected(&deep), expected(|case| case.run.name == "agent"));
}

#[test]
fn a_filter_shows_its_source() {
    let source = "and(eq(status, \"error\"),  gt(latency, \"5s\"))";
    assert_eq!(Filter::parse(source).expect("a filter").to_string(), source);
}
