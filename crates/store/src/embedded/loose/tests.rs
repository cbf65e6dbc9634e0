use assay_domain::{PriceTable, ProjectId, Run, RunId, RunPatch, ThreadId, Usage, order};
use chrono::DateTime;
use serde_json::json;

use crate::{Batch, Catalog, EmbeddedStore, Level, RunQuery, Runs, block_on, doctor};

const PROJECT: &str = "p";

fn id(name: &str) -> RunId {
    RunId::from_name(name)
}

/// A run that names nothing but its parent; a root knows its place, as the server has it.
fn run(name: &str, parent: Option<&str>) -> RunPatch {
    let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
    RunPatch {
        id: id(name),
        is_creation: true,
        parent: parent.map(id),
        trace: parent.is_none().then(|| id(name).into()),
        dotted_order: parent.is_none().then(|| order::segment(start, id(name))),
        thread: parent.is_none().then(|| "conversation".into()),
        name: Some(name.into()),
        start_time: Some(start),
        end_time: Some(start + chrono::TimeDelta::seconds(1)),
        inputs: Some(json!({"question": name})),
        usage: Some(Usage { input_tokens: 1, output_tokens: 2, total_tokens: 3, ..Usage::default() }),
        ..RunPatch::default()
    }
}

fn open(dir: &std::path::Path) -> EmbeddedStore {
    EmbeddedStore::open(dir, PriceTable::default()).expect("a store")
}

fn temporary() -> EmbeddedStore {
    EmbeddedStore::open_temporary(PriceTable::default()).expect("a store")
}

fn append(store: &EmbeddedStore, patches: Vec<RunPatch>) {
    let batch = Batch { project: PROJECT.into(), patches, ..Batch::default() };
    block_on(store.append(batch)).expect("appended");
}

fn read(store: &EmbeddedStore, name: &str) -> Run {
    block_on(store.run(id(name))).expect("readable").expect("there")
}

fn loose(store: &EmbeddedStore) -> i64 {
    block_on(store.write(|writer| {
        let count = writer.connection.query_row("SELECT count(*) FROM loose", [], |row| row.get(0));
        Ok(count.expect("a count"))
    }))
    .expect("a count")
}

/// Root, child and grandchild are one trace of one thread, and all counts say so.
fn assert_whole(store: &EmbeddedStore) {
    let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
    let root = order::segment(start, id("a"));
    let child = order::below(&root, start, id("b")).expect("short");
    let grandchild = order::below(&child, start, id("c")).expect("short");
    for (name, order, depth) in [("b", child, 1), ("c", grandchild, 2)] {
        let run = read(store, name);
        assert_eq!((run.trace, run.dotted_order), (id("a").into(), Some(order)), "{name}");
        assert_eq!(run.metadata["ls_run_depth"], depth, "{name}");
        assert_eq!(run.inputs, json!({"question": name}));
    }
    let trace = block_on(store.trace(id("a").into())).expect("readable").expect("there");
    assert_eq!((trace.runs.len(), trace.depth), (3, vec![0, 1, 2]));
    assert!(block_on(store.trace(id("b").into())).expect("readable").is_none());
    let stored = block_on(store.stored_run(id("c"))).expect("readable").expect("there");
    assert_eq!((stored.thread, stored.trace.root), (ThreadId("conversation".into()), id("a")));
    assert_eq!((stored.trace.runs, stored.trace.total_tokens), (3, 9));
    let project = block_on(store.project(PROJECT)).expect("readable").expect("there");
    assert_eq!((project.runs, project.traces, project.threads), (3, 1, 1));
    let roots = RunQuery { is_root: Some(true), ..RunQuery::new(ProjectId::from_name(PROJECT)) };
    assert_eq!(block_on(store.count(&roots)).expect("a count"), 1);
    assert_eq!(loose(store), 0);
}

/// Nothing is due for ever.
fn assert_rests(store: &EmbeddedStore) {
    assert!((0..100).any(|_| !block_on(store.tidy()).expect("tidied")));
}

const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

fn family() -> [RunPatch; 3] {
    [run("a", None), run("b", Some("a")), run("c", Some("b"))]
}

#[test]
fn runs_that_name_only_their_parents_find_their_trace_in_any_order_of_requests() {
    for order in ORDERS {
        let store = temporary();
        for number in order {
            append(&store, vec![family()[number].clone()]);
        }
        assert_whole(&store);
    }
}

#[test]
fn they_find_it_across_restarts_too() {
    for order in ORDERS {
        let dir = tempfile::tempdir().expect("a directory");
        for number in order {
            append(&open(dir.path()), vec![family()[number].clone()]);
        }
        assert_whole(&open(dir.path()));
        assert!(doctor(dir.path()).iter().all(|finding| finding.level != Level::Problem));
    }
}

#[test]
fn updates_before_creations_and_repeats_do_not_part_a_trace() {
    for order in ORDERS {
        let store = temporary();
        for number in order {
            let creation = family()[number].clone();
            let update = RunPatch { id: creation.id, outputs: Some(json!("done")), ..RunPatch::default() };
            append(&store, vec![update]);
            append(&store, vec![creation]);
        }
        assert_whole(&store);
        append(&store, family().to_vec());
        assert_whole(&store);
        assert_eq!(read(&store, "b").outputs, json!("done"));
    }
}

#[test]
fn a_run_whose_parent_came_meanwhile_joins_it_at_once() {
    let store = temporary();
    append(&store, vec![run("a", None)]);
    append(&store, vec![run("b", Some("a"))]);
    append(&store, vec![run("c", Some("b"))]);
    assert_whole(&store);
}

#[test]
fn who_knows_a_trace_stays_in_it_until_the_parent_is_placed() {
    let store = temporary();
    let child = RunPatch { trace: Some(id("a").into()), ..run("c", Some("b")) };
    append(&store, vec![child]);
    // Of the parent, nothing but an update.
    append(&store, vec![RunPatch { id: id("b"), outputs: Some(json!(1)), ..RunPatch::default() }]);
    assert_eq!(read(&store, "c").trace, id("a").into());
    append(&store, vec![run("b", Some("a"))]);
    append(&store, vec![run("a", None)]);
    assert_whole(&store);
}

#[test]
fn a_run_keeps_its_project_when_it_joins_a_trace_of_another_one() {
    let store = temporary();
    let child = RunPatch { project_name: Some("other".into()), ..run("b", Some("a")) };
    append(&store, vec![child]);
    append(&store, vec![run("a", None)]);
    let child = read(&store, "b");
    assert_eq!((child.trace, child.project), (id("a").into(), ProjectId::from_name("other")));
    let trace = block_on(store.trace(id("a").into())).expect("readable").expect("there");
    assert_eq!(trace.runs.len(), 2);
    let other = block_on(store.project("other")).expect("readable").expect("there");
    assert_eq!((other.runs, other.traces), (1, 1));
}

#[test]
fn parents_in_a_circle_come_to_rest() {
    let circle = [run("x", Some("y")), run("y", Some("z")), run("z", Some("x")), run("below", Some("x"))];
    let store = temporary();
    append(&store, circle.to_vec());
    assert_rests(&store);
    let store = temporary();
    for run in circle {
        append(&store, vec![run]);
    }
    append(&store, vec![run("self", Some("self"))]);
    assert_rests(&store);
    let project = block_on(store.project(PROJECT)).expect("readable").expect("there");
    assert_eq!(project.runs, 5);
}

#[test]
fn many_children_that_waited_are_placed_in_portions() {
    let count = super::AT_ONCE + 500;
    let dir = tempfile::tempdir().expect("a directory");
    {
        let store = open(dir.path());
        append(&store, (0..count).map(|number| run(&number.to_string(), Some("a"))).collect());
        assert_eq!(loose(&store), count as i64);
        append(&store, vec![run("a", None)]);
        assert!(loose(&store) > 0, "all at once");
    }
    // What was not done is not forgotten.
    let store = open(dir.path());
    while block_on(store.tidy()).expect("tidied") {}
    assert_eq!(loose(&store), 0);
    let trace = block_on(store.trace(id("a").into())).expect("readable").expect("there");
    assert_eq!(trace.runs.len(), count + 1);
    let project = block_on(store.project(PROJECT)).expect("readable").expect("there");
    assert_eq!((project.runs, project.traces, project.threads), (count as u64 + 1, 1, 1));
}

#[test]
fn what_is_deleted_does_not_wait_any_more() {
    let store = temporary();
    append(&store, vec![run("b", Some("a")), run("c", Some("b"))]);
    assert_eq!(loose(&store), 2);
    let project = ProjectId::from_name(PROJECT);
    block_on(store.delete_traces(project, &[id("b").into()])).expect("deleted");
    assert_eq!(loose(&store), 0);
    append(&store, vec![run("b", Some("a"))]);
    block_on(store.delete_project(PROJECT)).expect("deleted");
    assert_eq!(loose(&store), 0);
}

#[test]
fn ordinary_runs_are_never_loose() {
    let store = temporary();
    let [a, b, c] = family();
    let start = a.start_time.expect("a start");
    let below = |above: &RunPatch, run: RunPatch| RunPatch {
        trace: above.trace,
        dotted_order: order::below(above.dotted_order.as_deref().expect("an order"), start, run.id),
        ..run
    };
    let b = below(&a, b);
    let c = below(&b, c);
    append(&store, vec![c.clone()]);
    append(&store, vec![b, RunPatch { id: c.id, outputs: Some(json!(1)), ..RunPatch::default() }]);
    assert_eq!(loose(&store), 0);
    append(&store, vec![a]);
    assert_eq!(block_on(store.trace(id("a").into())).expect("readable").expect("there").runs.len(), 3);
}

#[test]
fn a_store_of_format_4_brings_its_lost_runs_home() {
    let dir = tempfile::tempdir().expect("a directory");
    let [a, b, c] = family();
    append(&open(dir.path()), vec![b, c]);
    let database = || rusqlite::Connection::open(dir.path().join("assay.db")).expect("a database");
    // As an older program left it: nobody knew that they wait.
    database().execute_batch("DELETE FROM loose").expect("forgotten");
    append(&open(dir.path()), vec![a]);
    database().execute_batch("DROP TABLE loose; PRAGMA user_version = 4").expect("older");
    let store = open(dir.path());
    assert!(block_on(store.trace(id("b").into())).expect("readable").is_some());
    while block_on(store.tidy()).expect("tidied") {}
    assert_whole(&store);
}
