//! A process that is killed in the middle of appending loses nothing that was
//! acknowledged. The test starts itself again as the process to be killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use assay_domain::{PriceTable, ProjectId, RunId, RunPatch};
use assay_store::{Batch, EmbeddedStore, Level, RunQuery, Runs, block_on, doctor};
use serde_json::json;

/// Set for the process that appends: the directory of its store.
const VICTIM: &str = "ASSAY_STORE_TEST_VICTIM";
const PER_BATCH: usize = 50;

fn id(batch: usize, number: usize) -> RunId {
    RunId::from_name(&format!("{batch} {number}"))
}

fn batch(batch: usize) -> Batch {
    let patches = (0..PER_BATCH).map(|number| RunPatch {
        id: id(batch, number),
        is_creation: true,
        trace: Some(id(batch, 0).into()),
        name: Some(format!("run {number}")),
        inputs: Some(json!({"question": "where is my order? ".repeat(50)})),
        ..RunPatch::default()
    });
    Batch { project: "p".into(), patches: patches.collect(), ..Batch::default() }
}

/// Appends without end, and says which batches were acknowledged.
fn append_until_killed(dir: &str) {
    let store = EmbeddedStore::open(dir, PriceTable::default()).expect("a store");
    let query = RunQuery::new(ProjectId::from_name("p"));
    let known = block_on(store.count(&query)).expect("a count") as usize;
    for number in known / PER_BATCH.. {
        block_on(store.append(batch(number))).expect("appended");
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
        }
        drop(store);
        let findings = doctor(dir.path());
        assert!(findings.iter().all(|finding| finding.level != Level::Problem), "{findings:?}");
    }
    assert!(acknowledged.is_some(), "no batch was acknowledged in time");
}
