//! Several processes write to one store at the same time: nothing is lost,
//! nothing is there twice, nothing is damaged. The test starts itself again
//! as the other processes.

use std::process::{Child, Command, Stdio};

use assay_domain::{Feedback, FeedbackId, PriceTable, ProjectId, RunId, RunPatch, TraceId, Usage};
use assay_store::{
    Batch, Catalog, Change, EmbeddedStore, FeedbackQuery, Filter, Level, Record, RecordQuery, Records,
    RunQuery, Runs, block_on, doctor,
};
use serde_json::json;
use uuid::Uuid;

/// Set for the other processes: the directory of the store, and which of them it is.
const WRITER: &str = "ASSAY_STORE_TEST_WRITER";
const WRITERS: usize = 3;
const BATCHES: usize = 40;
const PER_BATCH: usize = 20;

fn id(batch: usize, number: usize) -> RunId {
    RunId::from_name(&format!("{batch} {number}"))
}

/// What one of the processes says: all of them create the same runs and each adds something of its own.
fn batch(writer: usize, batch: usize) -> Batch {
    let runs = (0..PER_BATCH).flat_map(|number| {
        let creation = RunPatch {
            id: id(batch, number),
            is_creation: true,
            trace: Some(id(batch, 0).into()),
            parent: (number > 0).then(|| id(batch, 0)),
            name: Some(format!("run {number}")),
            inputs: Some(json!({"question": "where is my order?"})),
            usage: Some(Usage { total_tokens: 1, ..Usage::default() }),
            ..RunPatch::default()
        };
        let update = RunPatch {
            id: id(batch, number),
            metadata: json!({format!("writer {writer}"): batch}).as_object().cloned(),
            ..RunPatch::default()
        };
        [creation, update]
    });
    let feedback = Feedback {
        id: FeedbackId::from_name(&format!("{writer} {batch}")),
        run: Some(id(batch, writer)),
        key: "good".into(),
        ..Feedback::default()
    };
    Batch { project: "p".into(), patches: runs.collect(), feedback: vec![feedback], ..Batch::default() }
}

fn write_all(dir: &str, writer: usize) {
    let store = EmbeddedStore::open(dir, PriceTable::default()).expect("a store");
    for number in 0..BATCHES {
        // Each begins elsewhere, so that all of them are the first somewhere.
        let number = (number + writer * BATCHES / WRITERS) % BATCHES;
        block_on(store.append(batch(writer, number))).expect("appended");
        let record = Record { kind: "note".into(), id: Uuid::new_v4(), ..Record::default() };
        block_on(store.change(vec![Change::Insert(record)])).expect("changed");
        if number % 10 == writer {
            block_on(store.catch_up()).expect("indexed");
        }
    }
}

fn start(dir: &str, writer: usize) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "processes_share_a_store", "--nocapture"])
        .env(WRITER, format!("{writer} {dir}"))
        .stdout(Stdio::null())
        .spawn()
        .expect("a process")
}

#[test]
fn processes_share_a_store() {
    if let Ok(text) = std::env::var(WRITER) {
        let (writer, dir) = text.split_once(' ').expect("a number and a directory");
        return write_all(dir, writer.parse().expect("a number"));
    }
    let dir = tempfile::tempdir().expect("a directory");
    // None of them finds a store: they make it at the same time, too.
    let path = dir.path().to_str().expect("a plain path");
    let writers: Vec<Child> = (0..WRITERS).map(|writer| start(path, writer)).collect();
    for mut writer in writers {
        assert!(writer.wait().expect("it ended").success());
    }

    let store = EmbeddedStore::open(path, PriceTable::default()).expect("a store");
    let project = block_on(store.project("p")).expect("readable").expect("there");
    assert_eq!(project.id, ProjectId::from_name("p"));
    assert_eq!((project.runs, project.traces), ((BATCHES * PER_BATCH) as u64, BATCHES as u64));
    assert_eq!(block_on(store.count(&RunQuery::default())).expect("a count"), project.runs);
    for number in 0..BATCHES {
        let trace = TraceId::from(id(number, 0));
        let trace = block_on(store.trace(trace)).expect("readable").expect("there");
        assert_eq!(trace.runs.len(), PER_BATCH);
        for run in &trace.runs {
            assert_eq!(run.metadata.len(), WRITERS, "what one process said of {} is lost", run.name);
        }
        let root = block_on(store.stored_run(id(number, 0))).expect("readable").expect("there");
        assert_eq!((root.trace.runs, root.trace.total_tokens), (PER_BATCH as u64, PER_BATCH as u64));
    }
    let all = FeedbackQuery { limit: 1_000, ..FeedbackQuery::default() };
    assert_eq!(block_on(store.feedbacks(&all)).expect("readable").len(), WRITERS * BATCHES);
    let notes = RecordQuery { kind: "note".into(), ..RecordQuery::default() };
    assert_eq!(block_on(store.records(&notes)).expect("readable").len(), WRITERS * BATCHES);
    let search = RunQuery { filter: Filter::parse("search(\"order\")").ok(), ..RunQuery::default() };
    assert_eq!(block_on(store.count(&search)).expect("a count"), project.runs);
    drop(store);
    let findings = doctor(dir.path());
    assert!(findings.iter().all(|finding| finding.level == Level::Fine), "{findings:?}");
}
