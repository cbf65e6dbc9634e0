use assay_domain::{Cost, PriceTable, ProjectId, RunId, RunPatch, ThreadId, TraceId, Usage};
use rusqlite::{Connection, params};
use serde_json::json;

use super::*;
use crate::{
    Batch, Catalog, EmbeddedStore, FeedbackQuery, Level, Memo, RunQuery, Runs, ThreadQuery, block_on, doctor,
};

const TABLES_1: &str = include_str!("v1.sql");

/// The costs of each run of the old store: input, output, total.
const COSTS: [[&str; 3]; 2] = [["0.10", "0.2", "0.30"], ["0.001", "0", "0.001"]];

/// Makes a store as format 1 had it: one thread of one trace of two runs, and feedback.
fn store_of_format_1(dir: &Path) {
    let connection = Connection::open(dir.join(super::super::FILE)).expect("a database");
    connection.execute_batch(TABLES_1).expect("the old tables");
    connection.pragma_update(None, "application_id", APPLICATION).expect("marked");
    connection.pragma_update(None, "user_version", 1).expect("marked");
    let id = |name: &str| RunId::from_name(name).0.as_bytes().to_vec();
    let project = ProjectId::from_name("shop").0.as_bytes().to_vec();
    connection.execute("INSERT INTO projects VALUES (1, ?, 'shop')", [project]).expect("a project");
    connection.execute("INSERT INTO memo VALUES (zeroblob(32), x'00')", []).expect("an answer");
    for (key, name) in [(1, "root"), (2, "child")] {
        let costs = COSTS[key as usize - 1].map(|text| text.parse::<Decimal>().expect("a decimal"));
        let cost = Cost { input: costs[0], output: costs[1], total: costs[2], ..Cost::default() };
        let patch = RunPatch {
            trace: Some(TraceId::from_name("root")),
            parent: (key == 2).then(|| RunId::from_name("root")),
            thread: (key == 1).then(|| "t".into()),
            name: Some(name.into()),
            start_time: chrono::DateTime::from_timestamp_micros(key * 1_000),
            end_time: chrono::DateTime::from_timestamp_micros(key * 2_000),
            inputs: Some(json!({"question": name})),
            usage: Some(Usage { stated_cost: Some(cost.clone()), ..Usage::default() }),
            ..RunPatch::default()
        };
        let body = format::encode(Some(&format::part_json(&patch)), None, Some(&cost));
        connection.execute("INSERT INTO payloads VALUES (?, ?)", params![key, body]).expect("a payload");
        let sql = "INSERT INTO runs VALUES (?1, ?2, 1, 1, ?3, 'chain', 'success', ?4, ?4, ?5, NULL, ?4, \
                   1, 2, 3, 0.1, 0.2, 0.3, ?6, ?7, NULL, ?8, NULL, NULL, NULL, NULL, x'')";
        let parent = (key == 2).then(|| id("root"));
        let thread = (key == 1).then_some("t");
        let row =
            params![key, id(name), parent, key * 1_000, key * 2_000, costs[2].to_string(), name, thread];
        connection.execute(sql, row).expect("a run");
    }
    let sql = "INSERT INTO traces VALUES (1, ?, 1, 't', 1, 2, 1000, 4000, 1000, 'success', 2, 4, 6, '0.301')";
    connection.execute(sql, [id("root")]).expect("a trace");
    for (key, target) in [(1, "child"), (2, "elsewhere")] {
        let feedback = assay_domain::Feedback {
            run: Some(RunId::from_name(target)),
            key: "good".into(),
            score: Some(0.5),
            created_at: chrono::DateTime::from_timestamp_micros(7 + key),
            ..Default::default()
        };
        let body = format::encode_feedback(&feedback);
        let sql = "INSERT INTO feedback VALUES (?1, ?2, 1, ?3, 'good', 0.5, NULL, 'api', NULL, ?4)";
        connection.execute(sql, params![key, id(target), id(target), body]).expect("feedback");
    }
}

#[test]
fn a_store_of_format_1_moves_forward_with_all_it_holds() {
    let dir = tempfile::tempdir().expect("a directory");
    store_of_format_1(dir.path());
    let store = EmbeddedStore::open(dir.path(), PriceTable::default()).expect("a store");
    let project = block_on(store.project("shop")).expect("readable").expect("there");
    assert_eq!((project.runs, project.traces, project.threads), (2, 1, 1));
    assert_eq!(project.first_activity.map(|time| time.timestamp_micros()), Some(1_000));
    assert_eq!(project.last_activity.map(|time| time.timestamp_micros()), Some(4_000));

    let stored = block_on(store.stored_run(RunId::from_name("child"))).expect("readable").expect("there");
    assert_eq!(stored.run.inputs, json!({"question": "child"}));
    assert_eq!((stored.thread, stored.trace.root), (ThreadId("t".into()), RunId::from_name("root")));
    let text = |cost: Option<Decimal>| cost.map(|cost| cost.to_string()).unwrap_or_default();
    assert_eq!(text(stored.trace.input_cost), "0.101");
    assert_eq!(text(stored.trace.output_cost), "0.2");
    assert_eq!(text(stored.trace.total_cost), "0.301");

    let query = FeedbackQuery { projects: vec![project.id], ..FeedbackQuery::default() };
    let feedback = block_on(store.feedbacks(&query)).expect("readable");
    assert_eq!(feedback.len(), 2);
    assert_eq!(feedback[0].run, Some(RunId::from_name("elsewhere")));
    assert_eq!(block_on(store.threads(&ThreadQuery::new(project.id))).expect("readable").len(), 1);
    // The old store takes new runs, and its early feedback finds its run.
    let late = RunPatch {
        id: RunId::from_name("elsewhere"),
        name: Some("late".into()),
        is_creation: true,
        ..RunPatch::default()
    };
    block_on(store.append(Batch { project: "other".into(), patches: vec![late], ..Batch::default() }))
        .expect("appended");
    assert_eq!(block_on(store.feedbacks(&query)).expect("readable").len(), 1);
    assert_eq!(block_on(store.count(&RunQuery::default())).expect("a count"), 3);
    // Nobody knows about whose texts the old answers were.
    assert_eq!(block_on(store.recall(&[[0; 32]])).expect("recalled"), [None]);
    block_on(store.remember(project.id, vec![([0; 32], vec![1])])).expect("remembered");
    let findings = doctor(dir.path());
    assert!(findings.iter().all(|finding| finding.level == Level::Fine), "{findings:?}");
}

#[test]
fn reading_alone_moves_an_old_store_forward_too_and_doctor_does_not() {
    let dir = tempfile::tempdir().expect("a directory");
    store_of_format_1(dir.path());
    let findings = doctor(dir.path());
    assert!(findings.iter().any(|finding| finding.message.contains("has format 1")), "{findings:?}");
    let old = Connection::open(dir.path().join(super::super::FILE)).expect("a database");
    assert_eq!(version(&old).expect("a version"), 1);
    let store = EmbeddedStore::open_read_only(dir.path()).expect("a store");
    assert_eq!(block_on(store.count(&RunQuery::default())).expect("a count"), 2);
}

#[test]
fn a_migration_that_fails_leaves_the_old_store() {
    let dir = tempfile::tempdir().expect("a directory");
    store_of_format_1(dir.path());
    let path = dir.path().join(super::super::FILE);
    // A table in the way of a new one.
    let old = Connection::open(&path).expect("a database");
    old.execute_batch("CREATE TABLE records (x)").expect("a table");
    assert!(EmbeddedStore::open(dir.path(), PriceTable::default()).is_err());
    assert_eq!(version(&old).expect("a version"), 1);
    let runs: i64 = old.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).expect("a count");
    assert_eq!(runs, 2);
    old.execute_batch("DROP TABLE records").expect("out of the way");
    EmbeddedStore::open(dir.path(), PriceTable::default()).expect("a store");
}

#[test]
fn a_new_store_and_a_migrated_one_have_the_same_tables() {
    let tables = |dir: &Path| {
        drop(EmbeddedStore::open(dir, PriceTable::default()).expect("a store"));
        let connection = Connection::open(dir.join(super::super::FILE)).expect("a database");
        let mut statement =
            connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").expect("a statement");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.collect::<Result<Vec<(String, Option<String>)>, _>>().expect("readable")
    };
    let (old, new) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    store_of_format_1(old.path());
    assert_eq!(tables(old.path()), tables(new.path()));
}
