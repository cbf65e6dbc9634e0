use assay_domain::RunPatch;
use serde_json::json;

use super::*;
use crate::{CORRUPT_KEY, block_on};

crate::store_suite!(EmbeddedStore::open_temporary(PriceTable::default()).expect("a store"));

fn scratch() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn open(dir: &Path) -> Result<EmbeddedStore, Error> {
    EmbeddedStore::open(dir, PriceTable::default())
}

fn numbered(numbers: std::ops::Range<usize>) -> Batch {
    let patches = numbers.map(|number| RunPatch {
        id: RunId::from_name(&number.to_string()),
        is_creation: true,
        name: Some(format!("run {number}")),
        inputs: Some(json!({"question": "where is my order? ".repeat(20), "number": number})),
        ..RunPatch::default()
    });
    Batch { project: "p".into(), patches: patches.collect(), ..Batch::default() }
}

fn count(store: &EmbeddedStore) -> u64 {
    block_on(store.count(&RunQuery::new(ProjectId::from_name("p")))).expect("a count")
}

#[test]
fn a_store_is_found_again_after_it_was_dropped() {
    let dir = scratch();
    let store = open(dir.path()).expect("a store");
    let copy = store.clone();
    block_on(store.append(numbered(0..10))).expect("appended");
    drop(store);
    assert_eq!(count(&copy), 10);
    drop(copy);
    let store = open(dir.path()).expect("the same store");
    assert_eq!(count(&store), 10);
    let appended = block_on(store.append(numbered(5..15))).expect("appended");
    assert_eq!((appended.new_runs, appended.unchanged_runs), (5, 5));
}

#[test]
fn appends_that_wait_together_are_all_acknowledged() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    thread::scope(|scope| {
        for part in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..10 {
                    // Every second part says what its neighbour says.
                    let start = (part / 2) * 1_000 + round * 10;
                    block_on(store.append(numbered(start..start + 10))).expect("appended");
                }
            });
        }
    });
    assert_eq!(count(&store), 400);
}

#[test]
fn several_stores_on_one_directory_see_what_the_others_write() {
    let dir = scratch();
    let (store, other) = (open(dir.path()).expect("a store"), open(dir.path()).expect("another"));
    let reader = EmbeddedStore::open_read_only(dir.path());
    let reader = reader.expect("a reader");
    for round in 0..5 {
        let start = round * 10;
        block_on(store.append(numbered(start..start + 6))).expect("appended");
        let again = block_on(other.append(numbered(start + 4..start + 10))).expect("appended");
        assert_eq!((again.new_runs, again.unchanged_runs), (4, 2));
        assert_eq!(
            (count(&store), count(&other), count(&reader)),
            (start as u64 + 10, start as u64 + 10, start as u64 + 10)
        );
    }
    let search = RunQuery {
        filter: Filter::parse("search(\"order\")").ok(),
        ..RunQuery::new(ProjectId::from_name("p"))
    };
    assert_eq!(block_on(reader.count(&search)).expect("a count"), 50);
    block_on(other.append(numbered(50..53))).expect("appended");
    assert_eq!(block_on(store.count(&search)).expect("a count"), 53);
    assert!(matches!(block_on(reader.append(numbered(0..1))), Err(Error::ReadOnly { .. })));

    // What one deletes or renames, the other does not believe to be there.
    block_on(store.delete_project("p")).expect("deleted");
    block_on(other.append(numbered(0..3))).expect("appended");
    assert_eq!((count(&store), block_on(other.projects()).expect("projects")[0].runs), (3, 3));
    assert!(doctor(dir.path()).iter().all(|finding| finding.level != Level::Problem));
}

#[test]
fn a_newer_store_is_refused_and_left_alone() {
    let dir = scratch();
    drop(open(dir.path()).expect("a store"));
    let connection = rusqlite::Connection::open(dir.path().join(schema::FILE)).expect("a database");
    connection.pragma_update(None, "user_version", 99).expect("updated");
    drop(connection);
    let message = open(dir.path()).err().expect("refused").to_string();
    assert!(message.contains("created by a newer version"), "{message}");
    assert!(doctor(dir.path()).iter().any(|finding| finding.message.contains("newer version")));
}

#[test]
fn what_is_no_store_is_refused_with_a_reason() {
    let dir = scratch();
    fs_err::write(dir.path().join(schema::FILE), "not a database ".repeat(100)).expect("written");
    assert!(matches!(open(dir.path()), Err(Error::Corrupt { .. })));
    let file = dir.path().join("file");
    fs_err::write(&file, "").expect("written");
    let message = open(&file.join("below")).err().expect("refused").to_string();
    assert!(message.starts_with("cannot create store at"), "{message}");
    assert!(matches!(EmbeddedStore::open_read_only(dir.path().join("none")), Err(Error::NotFound(_))));
}

#[test]
fn a_full_disk_fails_the_append_and_keeps_the_store() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    block_on(store.append(numbered(0..100))).expect("appended");
    let limit = |pages: Option<i64>| {
        block_on(store.write(move |writer| {
            let used: i64 = writer
                .connection
                .pragma_query_value(None, "page_count", |row| row.get(0))
                .expect("a number of pages");
            let set = writer.connection.pragma_update_and_check(
                None,
                "max_page_count",
                pages.unwrap_or(used + 1),
                |_| Ok(()),
            );
            set.expect("a limit");
            Ok(())
        }))
        .expect("limited");
    };
    limit(None);
    let error = block_on(store.append(numbered(100..2_000))).expect_err("no room");
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert_eq!(count(&store), 100);
    limit(Some(1_000_000));
    block_on(store.append(numbered(100..2_000))).expect("room again");
    assert_eq!(count(&store), 2_000);
    let projects = block_on(store.projects()).expect("projects");
    assert_eq!((projects[0].runs, projects[0].threads), (2_000, 2_000));
}

#[test]
fn a_damaged_payload_costs_that_payload_alone() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    block_on(store.append(numbered(0..3))).expect("appended");
    block_on(store.write(|writer| {
        let damage = "UPDATE payloads SET body = zeroblob(20) WHERE run = 2";
        writer.connection.execute(damage, []).expect("damaged");
        Ok(())
    }))
    .expect("written");
    let damaged = block_on(store.run(RunId::from_name("1"))).expect("readable").expect("there");
    assert_eq!((damaged.name.as_str(), &damaged.inputs), ("run 1", &serde_json::Value::Null));
    assert!(damaged.extra.contains_key(CORRUPT_KEY));
    let ids: Vec<ThreadId> =
        (0..3).map(|number| ThreadId(RunId::from_name(&number.to_string()).to_string())).collect();
    let threads = block_on(store.read_threads(ProjectId::from_name("p"), &ids)).expect("threads");
    assert_eq!(threads.len(), 3);
    let query = RunQuery {
        filter: Filter::parse("exists(inputs, \"number\")").ok(),
        ..RunQuery::new(damaged.project)
    };
    assert_eq!(block_on(store.count(&query)).expect("a count"), 2);
    let findings = doctor(store.dir());
    assert!(
        findings.iter().any(|finding| finding.level == Level::Problem && finding.message.contains("1 of 3"))
    );
    // An update is taken, and what the columns knew stays.
    let update = RunPatch { id: damaged.id, outputs: Some(json!("new")), ..RunPatch::default() };
    block_on(store.append(Batch { project: "p".into(), patches: vec![update], ..Batch::default() }))
        .expect("appended");
    let updated = block_on(store.run(damaged.id)).expect("readable").expect("there");
    assert_eq!((updated.name.as_str(), updated.outputs), ("run 1", json!("new")));
}

#[test]
fn doctor_finds_nothing_wrong_with_a_good_store() {
    let dir = scratch();
    assert_eq!(doctor(&dir.path().join("none"))[0].level, Level::Problem);
    let store = open(dir.path()).expect("a store");
    block_on(store.append(numbered(0..20))).expect("appended");
    let findings = doctor(dir.path());
    assert!(findings.iter().all(|finding| finding.level != Level::Problem), "{findings:?}");
}

#[test]
fn costs_follow_from_the_price_table() {
    let prices = PriceTable {
        prices: vec![assay_domain::price::Price {
            name: "m".into(),
            provider: None,
            valid_from: None,
            matches: Arc::new(|model| model == "m"),
            input: "0.000001".parse().expect("a decimal"),
            output: "0.000002".parse().expect("a decimal"),
            input_details: Default::default(),
            output_details: Default::default(),
        }],
        ..PriceTable::default()
    };
    let store = EmbeddedStore::open_temporary(prices).expect("a store");
    let id = RunId::from_name("a");
    let usage =
        assay_domain::Usage { input_tokens: 10, output_tokens: 20, total_tokens: 30, ..Default::default() };
    let first = RunPatch { id, usage: Some(usage), ..RunPatch::default() };
    let later = RunPatch {
        id,
        metadata: json!({"ls_model_name": "m"}).as_object().cloned(),
        is_creation: true,
        ..RunPatch::default()
    };
    for (patch, expected) in [(first, None), (later, Some("0.000050"))] {
        block_on(store.append(Batch { project: "p".into(), patches: vec![patch], ..Batch::default() }))
            .expect("appended");
        let run = block_on(store.run(id)).expect("readable").expect("there");
        assert_eq!(run.cost.map(|cost| cost.total.to_string()).as_deref(), expected);
    }
    let dear = RunQuery {
        filter: Filter::parse("gt(total_cost, 0.00004)").ok(),
        ..RunQuery::new(ProjectId::from_name("p"))
    };
    assert_eq!(block_on(store.count(&dear)).expect("a count"), 1);
}

#[test]
fn statements_are_compiled_once_and_not_for_every_parameter() {
    let dir = scratch();
    drop(open(dir.path()).expect("a store"));
    let connection = schema::connect(dir.path(), Access::Read).expect("a connection");
    let mut statement = connection.prepare("SELECT name FROM runs WHERE trace = ?").expect("a statement");
    for key in 0..10 {
        assert!(!statement.exists([key]).expect("an answer"));
    }
    assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
}

/// All bytes of a store, in whatever file.
fn bytes(dir: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(dir).expect("a directory").flatten();
    files.flat_map(|file| std::fs::read(file.path()).expect("a file")).collect()
}

#[test]
fn nothing_of_a_deleted_answer_stays_on_disk() {
    let dir = scratch();
    let store = open(dir.path()).expect("a store");
    block_on(store.append(numbered(0..3))).expect("appended");
    let secret = b"what the vector gives away".repeat(40);
    block_on(store.remember(ProjectId::from_name("p"), vec![([1; 32], secret)])).expect("remembered");
    let holds = |text: &[u8]| bytes(dir.path()).windows(text.len()).any(|found| found == text);
    assert!(holds(b"what the vector gives away"));
    block_on(store.delete_project("p")).expect("deleted");
    assert!(!holds(b"what the vector gives away"));
    assert!(!holds(&[1; 32]), "the key says whether a text was there");
}

#[test]
fn a_backup_holds_one_moment_of_a_store_in_use() {
    let (dir, elsewhere) = (scratch(), scratch());
    let store = open(dir.path()).expect("a store");
    block_on(store.append(numbered(0..500))).expect("appended");
    let file = elsewhere.path().join("copy.db");
    let is_done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                block_on(store.append(numbered(500 + round * 10..510 + round * 10))).expect("appended");
                if is_done.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
            }
        });
        let size = block_on(store.backup(&file)).expect("a copy");
        is_done.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(size, std::fs::metadata(&file).expect("a file").len());
    });
    assert_eq!(std::fs::read_dir(elsewhere.path()).expect("a directory").count(), 1);
    assert!(matches!(block_on(store.backup(&file)), Err(Error::Conflict(_))));

    let other = elsewhere.path().join("other");
    EmbeddedStore::restore(&file, &other).expect("restored");
    assert!(matches!(EmbeddedStore::restore(&file, &other), Err(Error::Conflict(_))));
    let restored = open(&other).expect("a store");
    let runs = count(&restored);
    assert!((500..=count(&store)).contains(&runs) && runs.is_multiple_of(10), "{runs} runs");
    assert!(doctor(&other).iter().all(|finding| finding.level != Level::Problem));
    block_on(restored.append(numbered(0..2_000))).expect("appended");
    assert_eq!(count(&restored), 2_000);
}

#[test]
fn what_is_no_backup_is_not_restored() {
    let dir = scratch();
    let (file, to) = (dir.path().join("file"), dir.path().join("to"));
    assert!(matches!(EmbeddedStore::restore(&file, &to), Err(Error::NotFound(_))));
    let mut whole = dir.path().to_owned();
    whole.push("whole");
    block_on(open(&whole).expect("a store").append(numbered(0..500))).expect("appended");
    let copy = dir.path().join("copy");
    block_on(open(&whole).expect("a store").backup(&copy)).expect("a copy");
    let bytes = std::fs::read(&copy).expect("a file");
    for bad in [&b""[..], b"text", &bytes[..bytes.len() / 2]] {
        std::fs::write(&file, bad).expect("written");
        assert!(EmbeddedStore::restore(&file, &to).is_err());
        assert_eq!(std::fs::read_dir(&to).expect("a directory").count(), 0);
    }
}

#[test]
fn a_store_that_cannot_keep_up_says_so() {
    let dir = scratch();
    let limits = Limits { bytes: 1 << 20, patience: std::time::Duration::from_millis(50) };
    let store = EmbeddedStore::start(dir.path(), Access::Durable, PriceTable::default(), None, limits);
    let store = store.expect("a store");
    let turnstile = turn::Turnstile::open(dir.path()).expect("files");
    // Another process writes and does not come to an end.
    let turn = turnstile.enter(dir.path()).expect("a turn");
    let answers: Vec<Result<Appended, Error>> = thread::scope(|scope| {
        let append = |part: usize| {
            let store = &store;
            scope.spawn(move || block_on(store.append(numbered(part * 400..part * 400 + 400))))
        };
        let appends: Vec<_> = (0..8).map(append).collect();
        while store.activity().refused_batches < 4 {
            thread::yield_now();
        }
        assert!(store.activity().waiting_bytes <= 1 << 20);
        drop(turn);
        appends.into_iter().map(|append| append.join().expect("no panic")).collect()
    });
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((1..=4).contains(&taken), "{taken} of 8");
    let refused = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refused.into_iter().all(|error| matches!(error, Error::Busy { .. }) && error.is_retryable()));
    // All of what was acknowledged is there, and what was refused can come again.
    assert_eq!(count(&store), 400 * taken as u64);
    block_on(store.append(numbered(0..3_200))).expect("appended");
    assert_eq!(count(&store), 3_200);
}

#[test]
fn activity_is_counted() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    block_on(store.append(numbered(0..10))).expect("appended");
    block_on(store.append(numbered(5..15))).expect("appended");
    let activity = store.activity();
    assert_eq!((activity.batches, activity.commits, activity.waiting_batches), (2, 2, 0));
    assert_eq!((activity.new_runs, activity.unchanged_runs, activity.changed_runs), (15, 5, 0));
    assert_eq!((activity.waiting_bytes, activity.failed_batches), (0, 0));
    assert!(activity.bytes > 1_000 && activity.file_bytes + activity.log_bytes > activity.bytes);
}

#[test]
fn a_search_waits_for_what_was_there_before_it_and_for_nothing_else() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    block_on(store.append(numbered(0..1_200))).expect("appended");
    let readers = store.readers().expect("readers");
    let missing = block_on(readers.read(|connection| Ok(search::missing(connection)?)));
    let last = missing.expect("read").expect("something is missing").last();
    block_on(store.append(numbered(1_200..2_400))).expect("appended");
    let mut more = 0;
    while block_on(store.write(move |writer| search::index_new(writer, last))).expect("indexed") {
        more += 1;
    }
    assert_eq!(more, 2, "three portions hold what was there");
    let is_behind = block_on(readers.read(|connection| Ok(search::is_behind(connection)?)));
    assert!(is_behind.expect("read"), "what came later is left");

    // Changes of what is indexed are found, too.
    let mut changed = numbered(0..700);
    for patch in &mut changed.patches {
        patch.is_creation = false;
        patch.outputs = Some(json!("a parrot"));
    }
    block_on(store.append(changed)).expect("appended");
    for (words, found) in [("order", 2_400), ("parrot", 700)] {
        let filter = Filter::parse(&format!("search({words:?})")).ok();
        let query = RunQuery { filter, ..RunQuery::new(ProjectId::from_name("p")) };
        assert_eq!(block_on(store.count(&query)).expect("a count"), found, "{words}");
    }
}
