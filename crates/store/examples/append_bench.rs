//! How fast the embedded store appends, and how fast it reads threads.
//!
//! `cargo run --release -p assay-store --example append_bench [RUNS]` appends
//! runs of about 1 KB, two to a trace and four to a thread, in batches of
//! 1,000, durably, and prints what it took.

use std::time::Instant;

use assay_domain::{PriceTable, ProjectId, RunId, RunKind, RunPatch, Usage};
use assay_store::{Batch, EmbeddedStore, Filter, RunQuery, Runs, ThreadQuery, block_on};
use serde_json::json;

const PER_BATCH: usize = 1_000;
const WORDS: [&str; 16] = [
    "order", "refund", "invoice", "shipping", "address", "please", "where", "change", "cancel", "payment",
    "card", "account", "password", "delivery", "today", "broken",
];

fn main() {
    let runs: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let dir = tempfile::tempdir().expect("a directory");
    let store = EmbeddedStore::open(dir.path(), PriceTable::default()).expect("a store");

    append(&store, runs);
    read(&store, runs);
    drop(store);
    let size = std::fs::metadata(dir.path().join("assay.db")).map_or(0, |file| file.len());
    println!("size: {:.1} MiB, {:.0} bytes a run", size as f64 / 1048576.0, size as f64 / runs as f64);
}

fn append(store: &EmbeddedStore, runs: usize) {
    let mut seconds = 0.0;
    let mut slowest: f64 = 0.0;
    let mut used = 0.0;
    // Two batches on the way at any time, as an importer that decodes ahead has it.
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel::<Batch>(2);
        scope.spawn(move || {
            for first in (0..runs).step_by(PER_BATCH) {
                sender.send(batch(first..(first + PER_BATCH).min(runs))).expect("somebody appends");
            }
        });
        let receiver = std::sync::Mutex::new(receiver);
        let start = Instant::now();
        let slow: Vec<f64> = std::thread::scope(|inner| {
            let append = || {
                let mut slowest: f64 = 0.0;
                while let Ok(batch) = { receiver.lock().expect("no panic").recv() } {
                    let start = Instant::now();
                    block_on(store.append(batch)).expect("appended");
                    slowest = slowest.max(start.elapsed().as_secs_f64());
                }
                slowest
            };
            let workers = [inner.spawn(append), inner.spawn(append), inner.spawn(append)];
            workers.map(|worker| worker.join().expect("no panic")).to_vec()
        });
        seconds = start.elapsed().as_secs_f64();
        used = processor();
        slowest = slow.into_iter().fold(0.0, f64::max);
    });
    println!(
        "append: {runs} runs in {seconds:.2} s ({used:.2} s of processor), {:.0} runs/s, slowest batch {:.0} ms",
        runs as f64 / seconds,
        slowest * 1e3
    );
}

/// Times what reads what was appended.
fn read(store: &EmbeddedStore, runs: usize) {
    let project = ProjectId::from_name("bench");
    let timed = |what: &str, work: &dyn Fn() -> usize| {
        let (start, before) = (Instant::now(), processor());
        let count = work();
        println!(
            "{what}: {count} in {:.3} s ({:.2} s of processor)",
            start.elapsed().as_secs_f64(),
            processor() - before
        );
    };
    timed("again (unchanged)", &|| {
        let again = (0..runs.min(20_000)).step_by(PER_BATCH).map(|first| batch(first..first + PER_BATCH));
        again.map(|batch| block_on(store.append(batch)).expect("appended").unchanged_runs).sum()
    });
    let threads = || block_on(store.threads(&ThreadQuery::new(project))).expect("threads");
    timed("threads", &|| threads().len());
    let filtered =
        |filter: &str| ThreadQuery { filter: Filter::parse(filter).ok(), ..ThreadQuery::new(project) };
    timed("threads with errors", &|| {
        block_on(store.threads(&filtered("eq(status, \"error\")"))).expect("threads").len()
    });
    timed("threads by metadata", &|| {
        let filter = "and(eq(metadata_key, \"env\"), eq(metadata_value, \"prod\"))";
        block_on(store.threads(&filtered(filter))).expect("threads").len()
    });
    let ids: Vec<_> = threads().into_iter().map(|thread| thread.id).collect();
    timed("runs of whole threads", &|| {
        let read = |chunk: &[_]| block_on(store.read_threads(project, chunk)).expect("threads");
        ids.chunks(256).flat_map(read).map(|thread| thread.runs().count()).sum()
    });
    let page = |filter: &str| RunQuery { filter: Filter::parse(filter).ok(), ..RunQuery::new(project) };
    timed("page of errors", &|| {
        block_on(store.runs(&page("eq(status, \"error\")"))).expect("a page").items.len()
    });
    timed("first search (indexes)", &|| {
        block_on(store.count(&page("search(\"refund card\")"))).expect("a count") as usize
    });
    timed("second search", &|| {
        block_on(store.count(&page("search(\"refund card\")"))).expect("a count") as usize
    });
}

/// Processor seconds of this process so far, where the system tells: a busy
/// machine stretches the clock, but not these.
fn processor() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn batch(numbers: std::ops::Range<usize>) -> Batch {
    Batch { project: "bench".into(), patches: numbers.map(patch).collect(), ..Batch::default() }
}

fn patch(number: usize) -> RunPatch {
    let words = |seed: usize, count: usize| {
        let word = |place: usize| {
            WORDS[(seed.wrapping_mul(2_654_435_761) >> (place % 23)).wrapping_add(place * place) % 16]
        };
        (0..count).map(word).collect::<Vec<_>>().join(" ")
    };
    let root = number - number % 2;
    let id = |number: usize| RunId::from_name(&number.to_string());
    let start = chrono::DateTime::from_timestamp_millis(1_767_225_600_000 + number as i64 * 10);
    RunPatch {
        id: id(number),
        is_creation: true,
        trace: Some(id(root).into()),
        parent: (number != root).then(|| id(root)),
        thread: (number == root).then(|| format!("thread {}", number / 4).as_str().into()),
        name: Some(if number == root { "agent" } else { "call" }.into()),
        kind: Some(if number == root { RunKind::Chain } else { RunKind::Llm }),
        start_time: start,
        end_time: start.map(|start| start + chrono::Duration::milliseconds(number as i64 % 977)),
        inputs: Some(json!({"messages": [{"role": "user", "content": words(number, 60)}]})),
        outputs: Some(json!({"messages": [{"role": "assistant", "content": words(number * 3, 50)}]})),
        error: number.is_multiple_of(40).then(|| "timeout".into()),
        tags: Some(vec!["web".into()]),
        metadata: json!({"env": if number.is_multiple_of(3) { "prod" } else { "test" }, "ls_model_name": "m", "user": number % 991})
            .as_object()
            .cloned(),
        usage: Some(Usage { input_tokens: 90, output_tokens: 70, total_tokens: 160, ..Usage::default() }),
        ..RunPatch::default()
    }
}
