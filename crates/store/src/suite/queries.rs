//! Promises about finding runs.

use std::time::Duration;

use assay_domain::{ProjectId, RunId, RunKind, RunPatch, TraceId};
use serde_json::json;

use super::{append, feedback, in_thread, project, run, second};
use crate::{Batch, Catalog, Error, Filter, Order, RunQuery, Runs, Tally, block_on};

fn names(store: &impl Runs, query: &RunQuery) -> String {
    let query = RunQuery { order: Order::OldestFirst, ..query.clone() };
    let page = block_on(store.runs(&query)).expect("a page");
    let names: Vec<_> = page.items.iter().map(|row| row.name.clone()).collect();
    let count = names.len() as u64;
    assert_eq!(block_on(store.count(&query)).expect("a count"), count, "{query:?}");
    let whole = Tally { count, is_exact: true };
    assert_eq!(block_on(store.tally(&query)).expect("a tally"), whole, "{query:?}");
    let hurried = RunQuery { patience: Some(Duration::ZERO), ..query.clone() };
    let tally = block_on(store.tally(&hurried)).expect("a tally");
    assert!(tally == whole || (!tally.is_exact && tally.count <= count), "{query:?} {tally:?}");
    let stored = block_on(store.stored_runs(&query)).expect("a page");
    assert_eq!(stored.items.iter().map(|stored| stored.run.name.clone()).collect::<Vec<_>>(), names);
    names.join(" ")
}

fn filter(text: &str) -> Option<Filter> {
    Some(Filter::parse(text).expect("a filter"))
}

/// Two traces in one project and one in another, with a failed tool call in the first.
fn two_projects(store: &impl Runs) {
    let elsewhere = |patch| RunPatch { project_name: Some("other".into()), ..patch };
    append(
        store,
        vec![
            in_thread("t", run("a", "a", 0)),
            RunPatch { kind: Some(RunKind::Llm), ..run("a1", "a", 1) },
            RunPatch {
                kind: Some(RunKind::Tool),
                parent: Some(RunId::from_name("a1")),
                error: Some("timeout".into()),
                ..run("a11", "a", 2)
            },
            RunPatch { reference_example: Some("example".into()), ..run("b", "b", 3) },
            run("b1", "b", 4),
            elsewhere(in_thread("t", run("c", "c", 5))),
            elsewhere(RunPatch { kind: Some(RunKind::Llm), ..run("c1", "c", 6) }),
        ],
    );
}

pub fn queries_select_what_they_say(store: &impl Runs) {
    two_projects(store);
    let all = RunQuery::default;
    let other = ProjectId::from_name("other");
    let id = RunId::from_name;
    assert_eq!(names(store, &all()), "a a1 a11 b b1 c c1");
    assert_eq!(names(store, &RunQuery::new(other)), "c c1");
    let both = vec![project(), other, project(), ProjectId::from_name("none")];
    assert_eq!(names(store, &RunQuery { projects: both, ..all() }), "a a1 a11 b b1 c c1");
    assert_eq!(names(store, &RunQuery::new(ProjectId::from_name("none"))), "");
    assert_eq!(names(store, &RunQuery { ids: vec![id("c"), id("a"), id("none")], ..all() }), "a c");
    assert_eq!(names(store, &RunQuery { ids: vec![id("c"), id("a")], ..RunQuery::new(other) }), "c");
    assert_eq!(names(store, &RunQuery { trace: Some(TraceId::from_name("b")), ..all() }), "b b1");
    assert_eq!(names(store, &RunQuery { parent: Some(id("a")), ..all() }), "a1");
    assert_eq!(names(store, &RunQuery { kind: Some(RunKind::Llm), ..all() }), "a1 c1");
    assert_eq!(names(store, &RunQuery { reference_examples: vec!["example".into()], ..all() }), "b");
    let row = block_on(store.runs(&RunQuery { ids: vec![RunId::from_name("b")], ..all() }))
        .expect("readable")
        .items
        .remove(0);
    assert_eq!(row.reference_example.as_deref(), Some("example"));
    assert_eq!(names(store, &RunQuery { has_error: Some(true), ..all() }), "a11");
    assert_eq!(names(store, &RunQuery { has_error: Some(false), ..RunQuery::new(project()) }), "a a1 b b1");
    assert_eq!(names(store, &RunQuery { is_root: Some(true), ..all() }), "a b c");
    assert_eq!(names(store, &RunQuery { is_root: Some(false), ..all() }), "a1 a11 b1 c1");
    assert_eq!(names(store, &RunQuery { start: second(2), end: second(5), ..all() }), "a11 b b1");
    let narrow = RunQuery {
        trace: Some(TraceId::from_name("a")),
        start: second(1),
        kind: Some(RunKind::Llm),
        filter: filter("eq(name, \"a1\")"),
        ..all()
    };
    assert_eq!(names(store, &narrow), "a1");
}

pub fn filters_reach_the_root_and_the_whole_trace(store: &impl Runs) {
    two_projects(store);
    let of_root = |text| RunQuery { trace_filter: filter(text), ..RunQuery::default() };
    let of_tree = |text| RunQuery { tree_filter: filter(text), ..RunQuery::default() };
    assert_eq!(names(store, &of_root("eq(name, \"b\")")), "b b1");
    assert_eq!(names(store, &of_root("eq(name, \"b1\")")), "");
    assert_eq!(names(store, &of_root("neq(error, null)")), "");
    assert_eq!(names(store, &of_tree("eq(error, \"timeout\")")), "a a1 a11");
    assert_eq!(names(store, &of_tree("search(\"b1\")")), "b b1");
    assert_eq!(names(store, &of_tree("eq(input_value, \"what is b?\")")), "b b1");
    let roots_of_failed = RunQuery { is_root: Some(true), ..of_tree("neq(error, null)") };
    assert_eq!(names(store, &roots_of_failed), "a");
    let all_three = RunQuery {
        filter: filter("eq(run_type, \"llm\")"),
        trace_filter: filter("eq(name, \"a\")"),
        ..of_tree("eq(run_type, \"tool\")")
    };
    assert_eq!(names(store, &all_three), "a1");
    let in_thread = |query| RunQuery { filter: filter("eq(thread_id, \"t\")"), ..query };
    assert_eq!(names(store, &in_thread(RunQuery::default())), "a a1 a11 c c1");
    assert_eq!(names(store, &in_thread(RunQuery::new(project()))), "a a1 a11");
    let of_trace = format!("in(trace_id, [\"{}\"])", TraceId::from_name("c"));
    assert_eq!(names(store, &RunQuery { filter: filter(&of_trace), ..RunQuery::default() }), "c c1");
}

pub fn pages_go_on_across_projects(store: &impl Runs) {
    for number in 0..30 {
        let name = format!("{number:02}");
        let patch = run(&name, &name, number / 4);
        append(store, vec![RunPatch { project_name: Some(format!("p{}", number % 3)), ..patch }]);
    }
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut query = RunQuery { order, limit: 7, ..RunQuery::default() };
        let mut names = Vec::new();
        loop {
            let page = block_on(store.stored_runs(&query)).expect("a page");
            names.extend(page.items.into_iter().map(|stored| stored.run.name));
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        let mut expected: Vec<String> = (0..30).map(|number| format!("{number:02}")).collect();
        if order == Order::NewestFirst {
            expected.reverse();
        }
        assert_eq!(names, expected);
    }
    let many = RunQuery { ids: vec![RunId::from_name("x"); 10_001], ..RunQuery::default() };
    assert!(matches!(block_on(store.runs(&many)), Err(Error::Invalid(_))));
}

pub fn a_page_of_no_stated_size_has_a_hundred(store: &impl Runs) {
    append(store, (0..120).map(|number| run(&number.to_string(), &number.to_string(), number)).collect());
    let page = block_on(store.runs(&RunQuery { limit: 0, ..RunQuery::new(project()) })).expect("a page");
    assert_eq!((page.items.len(), page.next.is_some()), (100, true));
}

pub fn stored_runs_know_their_thread_and_trace(store: &(impl Runs + Catalog)) {
    two_projects(store);
    let cost = |total: &str| {
        let amount = |text: &str| text.parse().expect("a decimal");
        Some(assay_domain::Usage {
            input_tokens: 1,
            output_tokens: 2,
            total_tokens: 3,
            stated_cost: Some(assay_domain::Cost {
                input: amount("0.1"),
                output: amount("0.02"),
                total: amount(total),
                ..Default::default()
            }),
            ..Default::default()
        })
    };
    for name in ["a1", "a11"] {
        let id = RunId::from_name(name);
        append(store, vec![RunPatch { id, usage: cost("0.12"), ..RunPatch::default() }]);
    }
    let stored = block_on(store.stored_run(RunId::from_name("a11"))).expect("readable").expect("there");
    assert_eq!(stored.run.inputs, json!({"question": "what is a11?"}));
    assert_eq!((stored.thread.0.as_str(), stored.trace.root), ("t", RunId::from_name("a")));
    assert_eq!((stored.trace.runs, stored.trace.total_tokens), (3, 6));
    assert_eq!((stored.trace.start_time, stored.trace.end_time), (second(0), second(4)));
    let text = |cost: Option<rust_decimal::Decimal>| cost.map(|cost| cost.to_string()).unwrap_or_default();
    assert_eq!(text(stored.trace.input_cost), "0.2");
    assert_eq!(text(stored.trace.output_cost), "0.04");
    assert_eq!(text(stored.trace.total_cost), "0.24");
    let free = block_on(store.stored_run(RunId::from_name("b1"))).expect("readable").expect("there");
    assert_eq!(free.trace.total_cost, None);
    assert_eq!(free.thread.0, TraceId::from_name("b").to_string());
    assert_eq!(block_on(store.stored_run(RunId::from_name("none"))).expect("readable"), None);
}

pub fn what_a_project_holds_is_counted(store: &(impl Runs + Catalog)) {
    let holds = |name: &str| {
        let project = block_on(store.project(name)).expect("readable").expect("there");
        (project.runs, project.traces, project.threads)
    };
    append(
        store,
        vec![in_thread("t", run("a", "a", 5)), run("a1", "a", 6), in_thread("t", run("b", "b", 7))],
    );
    assert_eq!(holds(super::PROJECT), (3, 2, 1));
    // A trace that learns of its thread later moves there; one that was there already is no new one.
    append(store, vec![run("c1", "c", 1), run("d", "d", 2)]);
    assert_eq!(holds(super::PROJECT), (5, 4, 3));
    append(store, vec![in_thread("t", run("c", "c", 9))]);
    assert_eq!(holds(super::PROJECT), (6, 4, 2));
    append(
        store,
        vec![RunPatch { id: RunId::from_name("d"), thread: Some("u".into()), ..RunPatch::default() }],
    );
    assert_eq!(holds(super::PROJECT), (6, 4, 2));
    let shop = block_on(store.project_by_id(project())).expect("readable").expect("there");
    assert_eq!((shop.first_activity, shop.last_activity), (second(1), second(11)));
    // A start that turns out to be later takes the earliest activity along.
    let later = |name| RunPatch { id: RunId::from_name(name), start_time: second(8), ..RunPatch::default() };
    append(store, vec![later("c1"), later("d")]);
    let shop = block_on(store.project_by_id(project())).expect("readable").expect("there");
    assert_eq!(shop.first_activity, second(5));
}

pub fn deleted_traces_take_everything_along(store: &(impl Runs + Catalog + crate::Memo)) {
    let file = b"a picture".to_vec();
    let key = crate::blob_key(&file);
    let with_file = |patch| RunPatch {
        attachments: vec![assay_domain::run::Attachment {
            name: "picture".into(),
            mime_type: None,
            reference: crate::blob_reference(&key),
            size: Some(9),
        }],
        ..patch
    };
    let batch = Batch {
        project: super::PROJECT.into(),
        patches: vec![
            with_file(in_thread("t", run("a", "a", 0))),
            run("a1", "a", 1),
            with_file(in_thread("t", run("b", "b", 10))),
            run("c", "c", 20),
        ],
        feedback: vec![feedback("f", "a1", "good", 1.0), feedback("g", "b", "good", 1.0)],
        blobs: vec![(key, file.clone())],
        ..Batch::default()
    };
    block_on(store.append(batch)).expect("appended");
    block_on(store.remember(project(), vec![([1; 32], b"vector of a text".to_vec())])).expect("remembered");
    assert_eq!(block_on(store.blob(key)).expect("readable"), Some(file.clone()));
    let search = RunQuery { filter: filter("search(\"what\")"), ..RunQuery::new(project()) };
    assert_eq!(block_on(store.count(&search)).expect("a count"), 4);

    let gone = [TraceId::from_name("a"), TraceId::from_name("none")];
    let elsewhere = block_on(store.delete_traces(ProjectId::from_name("other"), &gone)).expect("nothing");
    assert_eq!(elsewhere, crate::Deleted::default());
    let deleted = block_on(store.delete_traces(project(), &gone)).expect("deleted");
    assert_eq!(deleted, crate::Deleted { traces: 1, runs: 2, feedback: 1 });
    assert_eq!(names(store, &RunQuery::default()), "b c");
    assert_eq!(block_on(store.count(&search)).expect("a count"), 2);
    assert_eq!(block_on(store.blob(key)).expect("readable"), Some(file));
    assert_eq!(block_on(store.recall(&[[1; 32]])).expect("readable"), [None]);
    let shop = block_on(store.project_by_id(project())).expect("readable").expect("there");
    assert_eq!((shop.runs, shop.traces, shop.threads, shop.first_activity), (2, 2, 2, second(10)));

    // The last one who has a file takes it along. What is active later stays.
    let old = block_on(store.delete_before(project(), second(22).expect("a time"))).expect("deleted");
    assert_eq!(old, crate::Deleted { traces: 1, runs: 1, feedback: 1 });
    assert_eq!(block_on(store.blob(key)).expect("readable"), None);
    assert_eq!(names(store, &RunQuery::default()), "c");
    assert_eq!(block_on(store.count(&search)).expect("a count"), 1);
    let none = block_on(store.delete_before(project(), second(22).expect("a time"))).expect("deleted");
    assert_eq!(none.traces, 0);
}
