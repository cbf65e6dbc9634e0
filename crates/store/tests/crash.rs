//! A process that is killed in the middle of appending loses nothing that was
//! acknowledged. The test starts itself again as the process to be killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use assay_domain::run::Attachment;
use assay_domain::{Feedback, FeedbackId, PriceTable, ProjectId, RunId, RunPatch};
use assay_store::{
    Batch, Change, EmbeddedStore, Level, Record, Records, RunQuery, Runs, blob_key, blob_reference, block_on,
    doctor,
};
use serde_json::json;
use uuid::Uuid;

/// Set for the process that appends: the directory of its store.
const VICTIM: &str = "ASSAY_STORE_TEST_VICTIM";
const PER_BATCH: usize = 50;

fn id(batch: usize, number: usize) -> RunId {
    RunId::from_name(&format!("{batch} {number}"))
}

/// A file that the first run of a batch has.
fn file(batch: usize) -> Vec<u8> {
    format!("file {batch} ").repeat(500).into_bytes()
}

fn feedback_id(batch: usize) -> FeedbackId {
    FeedbackId::from_name(&batch.to_string())
}

/// A record that is changed after its batch was acknowledged.
fn record(batch: usize) -> Record {
    Record {
        kind: "note".into(),
        id: Uuid::from_u128(batch as u128),
        body: json!({ "batch": batch }),
        ..Record::default()
    }
}

fn batch(batch: usize) -> Batch {
    let (content, key) = (file(batch), blob_key(&file(batch)));
    let patches = (0..PER_BATCH).map(|number| {
        let attachment = Attachment {
            name: "file".into(),
            mime_type: None,
            reference: blob_reference(&key),
            size: Some(content.len() as u64),
        };
        RunPatch {
            id: id(batch, number),
            is_creation: true,
            trace: Some(id(batch, 0).into()),
            name: Some(format!("run {number}")),
            inputs: Some(json!({"question": "where is my order? ".repeat(50)})),
            attachments: if number == 0 { vec![attachment] } else { Vec::new() },
            ..RunPatch::default()
        }
    });
    let patches = patches.collect();
    let feedback = Feedback {
        id: feedback_id(batch),
        run: Some(id(batch, 0)),
        key: "good".into(),
        score: Some(1.0),
        ..Feedback::default()
    };
    let blobs = vec![(key, content)];
    Batch { project: "p".into(), patches, feedback: vec![feedback], blobs, ..Batch::default() }
}

/// Appends without end, and says which batches were acknowledged.
fn append_until_killed(dir: &str) {
    let store = EmbeddedStore::open(dir, PriceTable::default()).expect("a store");
    let query = RunQuery::new(ProjectId::from_name("p"));
    let known = block_on(store.count(&query)).expect("a count") as usize;
    // Of the last batch the record may be missing: its process was killed between the two.
    for number in (known / PER_BATCH).saturating_sub(1).. {
        block_on(store.append(batch(number))).expect("appended");
        block_on(store.change(vec![Change::Put(record(number))])).expect("changed");
        println!("acknowledged {number}");
    }
}

/// Lets a process append for a while and kills it; the last batch it saw acknowledged.
fn kill_one(dir: &str, after: Duration) -> Option<usize> {
    let mut victim = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "killed_appends_lose_nothing_acknowledged", "--nocapture"])
        .env(VICTIM, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let output = victim.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        let numbers = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok());
        numbers.last()
    });
    std::thread::sleep(after);
    victim.kill().expect("killed");
    victim.wait().expect("gone");
    reader.join().expect("read to the end")
}

#[test]
fn killed_appends_lose_nothing_acknowledged() {
    if let Ok(dir) = std::env::var(VICTIM) {
        return append_until_killed(&dir);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a plain path");
    let mut acknowledged = None;
    for round in 0..5 {
        acknowledged = kill_one(path, Duration::from_millis(250 + 61 * round)).max(acknowledged);
        let store = EmbeddedStore::open(path, PriceTable::default()).expect("the store is intact");
        let count =
            block_on(store.count(&RunQuery::new(ProjectId::from_name("p")))).expect("a count") as usize;
        assert_eq!(count % PER_BATCH, 0, "half a batch was kept");
        let batches = acknowledged.map_or(0, |last: usize| last + 1);
        assert!(count >= batches * PER_BATCH, "{count} runs of {batches} acknowledged batches");
        for number in 0..batches {
            let trace = block_on(store.trace(id(number, 0).into())).expect("readable").expect("acknowledged");
            assert_eq!(trace.runs.len(), PER_BATCH);
            let feedback = block_on(store.feedback(feedback_id(number))).expect("readable");
            assert_eq!(feedback.and_then(|feedback| feedback.score), Some(1.0), "feedback {number} is lost");
            let note = block_on(store.record("note", record(number).id)).expect("readable");
            assert_eq!(note, Some(record(number)), "record {number} is lost");
            let content = block_on(store.blob(blob_key(&file(number)))).expect("readable");
            assert_eq!(content, Some(file(number)), "file {number} is lost");
        }
        drop(store);
        let findings = doctor(dir.path());
        assert!(findings.iter().all(|finding| finding.level != Level::Problem), "{findings:?}");
    }
    assert!(acknowledged.is_some(), "no batch was acknowledged in time");
}
