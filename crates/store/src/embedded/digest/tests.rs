//! Digests answer as the runs themselves do, whatever happened to the runs.

use std::time::Duration;

use assay_domain::{PriceTable, ProjectId, RunId, RunKind, RunPatch, TraceId, Usage};
use rusqlite::Connection;
use serde_json::json;

use super::*;
use crate::embedded::schema::{Access, connect};
use crate::embedded::select::{self, Scope};
use crate::embedded::{EmbeddedStore, projects};
use crate::{Batch, Filter, Grouping, Order, RunQuery, Runs, StatsQuery, Timeline, TimelineQuery, block_on};

const FILTERS: [&str; 40] = [
    r#"eq(status, "error")"#,
    r#"and(eq(status, "error"), gt(latency, "0.003s"))"#,
    r#"not(eq(status, "error"))"#,
    r#"eq(name, "run 3")"#,
    r#"in(name, ["run 3", "run 4", "none"])"#,
    r#"like(name, "%5")"#,
    r#"neq(name, "run 1")"#,
    r#"eq(run_type, "llm")"#,
    r#"eq(model, "m1")"#,
    r#"neq(model, "m1")"#,
    r#"eq(is_root, true)"#,
    r#"eq(execution_order, 2)"#,
    r#"eq(error, null)"#,
    r#"neq(error, null)"#,
    r#"like(error, "%3%")"#,
    r#"neq(error, "failed 3")"#,
    r#"gt(start_time, "1970-01-01T00:00:40Z")"#,
    r#"lte(end_time, "1970-01-01T00:00:40Z")"#,
    r#"gte(total_tokens, 3)"#,
    r#"lt(total_cost, 0.02)"#,
    r#"has(tags, "odd")"#,
    r#"not(has(tags, "odd"))"#,
    r#"and(eq(metadata_key, "user"), eq(metadata_value, "u2"))"#,
    r#"eq(metadata_key, "deep.er")"#,
    r#"eq(metadata_key, "deep")"#,
    r#"has(metadata, '{"user": "u1"}')"#,
    r#"search("where")"#,
    r#"and(search("where"), eq(metadata_key, "user"), eq(metadata_value, "u2"))"#,
    r#"or(search("order 7"), eq(name, "run 1"))"#,
    r#"not(search("where"))"#,
    r#"eq(input_key, "number")"#,
    r#"and(eq(input_key, "text"), eq(input_value, "where"))"#,
    r#"eq(input_value, "7")"#,
    r#"in(output_value, ["order 7", "order 8", "order"])"#,
    r#"not(eq(input_value, "where"))"#,
    r#"has(inputs, '{"text": "what"}')"#,
    r#"and(eq(name, "run 3"), eq(output_value, "order 33"))"#,
    r#"and(eq(feedback_key, "good"), gt(feedback_score, 0))"#,
    r#"gt(first_token_latency, "0.001s")"#,
    r#"or(eq(name, "none"), not(and(eq(run_type, "llm"), gt(latency, "0.004s"))))"#,
];

fn run(number: usize) -> RunPatch {
    let id = |number: usize| RunId::from_name(&number.to_string());
    let root = number - number % 3;
    // Not in order of arrival.
    let start = chrono::DateTime::from_timestamp_micros((number * 7_919 % 97) as i64 * 1_000_000);
    let after = |micros| start.map(|start| start + chrono::Duration::microseconds(micros));
    RunPatch {
        id: id(number),
        is_creation: true,
        project_name: (number % 10 == 9).then(|| "other".into()),
        trace: Some(TraceId::from(id(root))),
        parent: (number != root).then(|| id(root)),
        name: Some(format!("run {}", number % 6)),
        kind: Some(if number.is_multiple_of(2) { RunKind::Chain } else { RunKind::Llm }),
        start_time: start.filter(|_| number % 11 != 10),
        first_token_time: after(number as i64 % 4 * 1_000).filter(|_| number.is_multiple_of(4)),
        end_time: after(number as i64 % 8 * 1_000).filter(|_| number % 7 != 6),
        error: number.is_multiple_of(5).then(|| format!("failed {}", number % 4)),
        inputs: Some(json!({ "number": number, "text": if number.is_multiple_of(3) { "where" } else { "what" } })),
        outputs: Some(json!(format!("order {number}"))),
        tags: Some(if number % 2 == 1 { vec!["odd".into(), "x".repeat(number % 2 * 300)] } else { Vec::new() }),
        metadata: json!({ "user": format!("u{}", number % 4), "deep": { "er": [number, "x"] }, "long": "x".repeat(number % 3 * 150) })
            .as_object()
            .cloned(),
        usage: Some(Usage {
            total_tokens: number as u64 % 5,
            input_tokens: number as u64 % 2,
            stated_cost: Some(assay_domain::Cost {
                total: rust_decimal::Decimal::new(number as i64 % 4, 2),
                ..Default::default()
            }),
            ..Usage::default()
        }),
        extra: json!({ "invocation_params": { "model": format!("m{}", number % 3) } }).as_object().cloned(),
        ..RunPatch::default()
    }
}

fn append(store: &EmbeddedStore, patches: Vec<RunPatch>) {
    let batch = Batch { project: "p".into(), patches, ..Batch::default() };
    block_on(store.append(batch)).expect("appended");
}

fn filled() -> EmbeddedStore {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    for first in (0..60).step_by(5) {
        append(&store, (first..first + 5).map(run).collect());
    }
    let feedback = (0..60).step_by(6).map(|number| assay_domain::Feedback {
        id: assay_domain::FeedbackId::from_name(&number.to_string()),
        run: Some(RunId::from_name(&number.to_string())),
        key: "good".into(),
        score: Some(number as f64 - 20.0),
        ..Default::default()
    });
    block_on(store.append(Batch { project: "p".into(), feedback: feedback.collect(), ..Batch::default() }))
        .expect("appended");
    block_on(store.catch_up()).expect("indexed");
    while block_on(store.tidy()).expect("tidied") {}
    store
}

fn connection(store: &EmbeddedStore) -> Connection {
    connect(store.dir(), Access::Read).expect("a connection")
}

fn digested(store: &EmbeddedStore) -> i64 {
    let sql = "SELECT count(DISTINCT segment) FROM zones";
    connection(store).query_row(sql, [], |row| row.get(0)).expect("a count")
}

/// Asks with and without digests.
#[track_caller]
fn compare(store: &EmbeddedStore) {
    let connection = connection(store);
    for name in ["p", "other"] {
        let project = ProjectId::from_name(name);
        let Some(key) = projects::key_of(&connection, project).expect("readable") else { continue };
        let of = |query: RunQuery| RunQuery { projects: vec![project], ..query };
        let second = |second| chrono::DateTime::from_timestamp(second, 0);
        let mut queries = vec![
            of(RunQuery::default()),
            of(RunQuery { is_root: Some(true), ..RunQuery::default() }),
            of(RunQuery { is_root: Some(false), has_error: Some(true), ..RunQuery::default() }),
            of(RunQuery {
                kind: Some(RunKind::Llm),
                start: second(20),
                end: second(70),
                ..RunQuery::default()
            }),
            of(RunQuery { start: second(20), end: second(70), ..RunQuery::default() }),
            of(RunQuery { end: second(30), ..RunQuery::default() }),
            of(RunQuery { trace_filter: filter(FILTERS[0]), ..RunQuery::default() }),
            of(RunQuery {
                tree_filter: filter(FILTERS[26]),
                filter: filter(FILTERS[20]),
                ..RunQuery::default()
            }),
        ];
        queries.extend(FILTERS.map(|text| of(RunQuery { filter: filter(text), ..RunQuery::default() })));
        for query in queries {
            compare_one(store, &connection, &query, key);
        }
    }
}

fn filter(text: &str) -> Option<Filter> {
    Some(Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

#[track_caller]
fn compare_one(store: &EmbeddedStore, connection: &Connection, query: &RunQuery, key: i64) {
    let plain = Scope::Project(key);
    let count = select::count_in(connection, query, &plain).expect("a count");
    assert_eq!(select::count(connection, query).expect("a count"), count, "{query:?}");
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let query = RunQuery { order, ..query.clone() };
        let expected = select::page_in(connection, &query, &plain, None, 1_000).expect("a page");
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let page = RunQuery { limit: 3, cursor: cursor.clone(), ..query.clone() };
            let page = select::page(connection, &page).expect("a page");
            found.extend(page.keys);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let expected: Vec<i64> = expected.into_iter().map(|(_, key)| key).collect();
        assert_eq!(found, expected, "{query:?}");
        assert_eq!(in_a_hurry(connection, &query), expected, "{query:?}");
    }
    let hurried = select::tally(connection, query, Some(Duration::ZERO)).expect("a tally");
    assert!(hurried.count <= count && (!hurried.is_exact || hurried.count == count), "{query:?} {hurried:?}");
    let stats = |runs, grouping| {
        block_on(store.stats(&StatsQuery { runs, grouping, max_groups: 100 })).expect("stats")
    };
    // Asking for runs one by one, no digest can know the answer.
    let sql = format!("SELECT id FROM runs WHERE project = {key}");
    let ids = connection.prepare(&sql).and_then(|mut statement| {
        statement.query_map([], |row| Ok(RunId(crate::embedded::columns::uuid(row, 0)?)))?.collect()
    });
    let one_by_one = RunQuery { ids: ids.expect("ids"), ..query.clone() };
    assert_eq!(stats(query.clone(), None), stats(one_by_one.clone(), None), "{query:?}");
    assert_eq!(
        stats(query.clone(), Some(Grouping::Name)),
        stats(one_by_one.clone(), Some(Grouping::Name)),
        "{query:?}"
    );
    for grouping in [
        None,
        Some(Grouping::Kind),
        Some(Grouping::Tag),
        Some(Grouping::Metadata("user".into())),
        Some(Grouping::Metadata("deep".into())),
        Some(Grouping::Metadata("deep.er".into())),
        Some(Grouping::Thread),
    ] {
        for without_usage in [false, true] {
            let line = |runs: &RunQuery| timeline(store, runs, grouping.clone(), without_usage);
            assert_eq!(line(query), line(&one_by_one), "{grouping:?} {query:?}");
        }
    }
}

/// All pages, each of which is due as soon as it is asked for.
fn in_a_hurry(connection: &Connection, query: &RunQuery) -> Vec<i64> {
    let mut query = RunQuery { limit: 3, cursor: None, patience: Some(Duration::ZERO), ..query.clone() };
    let mut found = Vec::new();
    for _ in 0..1_000 {
        let page = select::page(connection, &query).expect("a page");
        assert!(page.next.is_none() || page.next != query.cursor, "{query:?} does not get on");
        found.extend(page.keys);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return found;
        }
    }
    panic!("{query:?} does not end");
}

/// From the fifth second on, in intervals of seven seconds.
fn timeline(
    store: &EmbeddedStore,
    runs: &RunQuery,
    grouping: Option<Grouping>,
    without_usage: bool,
) -> Vec<Timeline> {
    let query = TimelineQuery {
        runs: runs.clone(),
        start: chrono::DateTime::from_timestamp(5, 0).expect("a moment"),
        step: std::time::Duration::from_secs(7),
        intervals: 12,
        grouping,
        max_groups: 4,
        without_usage,
    };
    let mut lines = block_on(store.timeline(&query)).expect("a timeline");
    // Sums of floats depend on the order in their last digit.
    for line in &mut lines {
        for interval in line.intervals.iter_mut().chain([&mut line.whole]) {
            interval.total_cost = interval.total_cost.map(|cost| (cost * 1e6).round());
        }
    }
    lines
}

#[test]
fn a_timeline_counts_every_run_of_its_time_once() {
    let store = filled();
    let project = ProjectId::from_name("p");
    let lines = timeline(&store, &RunQuery::new(project), None, false);
    let second = |second| chrono::DateTime::from_timestamp(second, 0);
    let within = RunQuery { start: second(5), end: second(5 + 12 * 7), ..RunQuery::new(project) };
    let stats = block_on(store.stats(&StatsQuery { runs: within.clone(), ..StatsQuery::default() }));
    let stats = stats.expect("stats").remove(0).1;
    let of = |count: fn(&crate::Interval) -> u64| lines[0].intervals.iter().map(count).sum::<u64>();
    assert!(stats.runs > 20, "{stats:?}");
    assert_eq!(of(|interval| interval.runs), stats.runs);
    assert_eq!(of(|interval| interval.total_tokens), stats.total_tokens);
    let failed = RunQuery { has_error: Some(true), ..within };
    assert_eq!(of(|interval| interval.failed), block_on(store.count(&failed)).expect("a count"));
    assert!(lines[0].intervals.iter().any(|interval| interval.latency_p99.is_some()));
    let whole = &lines[0].whole;
    assert_eq!((whole.runs, whole.total_tokens), (stats.runs, stats.total_tokens));
    assert_eq!((whole.latency_p50, whole.latency_p99), (stats.latency_p50, stats.latency_p99));
}

#[test]
fn sums_that_are_kept_go_into_the_interval_they_belong_to() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    // In order of time, four to a second: so many make a segment here.
    let at = |number: i64| chrono::DateTime::from_timestamp_micros(number * 250_000);
    let patches = (0..80).map(|number| RunPatch { start_time: at(number as i64), ..run(number) });
    append(&store, patches.collect());
    while block_on(store.tidy()).expect("tidied") {}
    let query = |is_root, step| TimelineQuery {
        runs: RunQuery { is_root, ..RunQuery::new(ProjectId::from_name("p")) },
        start: at(0).expect("a moment"),
        step: std::time::Duration::from_millis(step),
        intervals: 30,
        without_usage: true,
        ..TimelineQuery::default()
    };
    for is_root in [None, Some(true)] {
        for step in [500, 1_000, 1_250, 4_000] {
            let query = query(is_root, step);
            let sums = block_on(store.timeline(&query)).expect("a timeline");
            // Of filtered runs there are no sums.
            let runs = RunQuery { filter: filter("neq(name, \"nothing\")"), ..query.runs.clone() };
            let lines = block_on(store.timeline(&TimelineQuery { runs, ..query.clone() }));
            assert_eq!(sums, lines.expect("a timeline"), "{query:?}");
        }
    }
}

#[test]
fn threads_that_match_are_paged_and_counted_as_they_are_listed() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    let patches = (0..90).map(|number| {
        let trace = number / 3;
        // Some traces have no key; one of these is called like a thread.
        let thread = match trace % 4 {
            3 => None,
            2 => Some(TraceId::from(RunId::from_name("9")).to_string().as_str().into()),
            _ => Some(format!("t{}", trace % 7).as_str().into()),
        };
        RunPatch { thread, ..run(number) }
    });
    append(&store, patches.collect());
    block_on(store.catch_up()).expect("indexed");
    while block_on(store.tidy()).expect("tidied") {}
    let project = ProjectId::from_name("p");
    let second = |second| chrono::DateTime::from_timestamp(second, 0);
    for text in FILTERS {
        for (start, end) in [(None, None), (second(30), None), (None, second(40)), (second(20), second(60))] {
            let asked = crate::ThreadQuery {
                filter: filter(text),
                start_time: start,
                end_time: end,
                ..crate::ThreadQuery::new(project)
            };
            let listed = block_on(store.threads(&asked)).expect("threads").into_iter().map(|one| one.id.0);
            let listed: BTreeSet<String> = listed.collect();
            let page = crate::ThreadPage {
                project,
                filter: filter(text),
                start,
                end,
                with_single_traces: true,
                limit: 2,
                ..crate::ThreadPage::default()
            };
            let count = block_on(store.thread_count(&page)).expect("a count");
            assert_eq!(count, listed.len() as u64, "{page:?}");
            let forwards = paged(&store, page.clone());
            let mut backwards =
                paged(&store, crate::ThreadPage { order: Order::OldestFirst, ..page.clone() });
            backwards.reverse();
            assert_eq!(forwards, backwards, "{page:?}");
            for order in [Order::NewestFirst, Order::OldestFirst] {
                let patience = Some(Duration::ZERO);
                let mut hurried = paged(&store, crate::ThreadPage { order, patience, ..page.clone() });
                if order == Order::OldestFirst {
                    hurried.reverse();
                }
                assert_eq!(hurried, forwards, "{order:?} {page:?}");
            }
            let hurried = crate::ThreadPage { patience: Some(Duration::ZERO), ..page.clone() };
            let tally = block_on(store.thread_tally(&hurried)).expect("a tally");
            assert!(tally.count <= count && (!tally.is_exact || tally.count == count), "{tally:?} {page:?}");
            assert_eq!(forwards.into_iter().collect::<BTreeSet<_>>(), listed, "{page:?}");
        }
    }
}

#[test]
fn threads_found_until_time_was_up_are_some_of_all_and_the_clock_is_looked_at_within_a_segment() {
    use super::threads::{Found, matching};
    use crate::embedded::patience::Deadline;

    let store = filled();
    let connection = connection(&store);
    let project = ProjectId::from_name("p");
    let key = projects::key_of(&connection, project).expect("readable").expect("a project");
    let asked = |query: &RunQuery, deadline: Deadline| {
        let mut found = Found::new();
        let is_whole = matching(&connection, query, key, deadline, &mut found).expect("threads");
        (found, is_whole)
    };
    for text in FILTERS {
        let query = RunQuery { projects: vec![project], filter: filter(text), ..RunQuery::default() };
        let (all, is_whole) = asked(&query, Deadline::after(None));
        assert!(is_whole, "{text}");
        let mut looks = 0;
        loop {
            let (found, is_whole) = asked(&query, Deadline::after_looks(looks));
            assert!(found.keys().all(|thread| all.contains_key(thread)), "{text} after {looks}");
            if is_whole {
                assert_eq!(found.len(), all.len(), "{text} after {looks}");
                break;
            }
            looks += 1;
            assert!(looks < 1_000, "{text}");
        }
        // What digests settle is looked at once a segment; payloads are not all read between two looks.
        let segments = walk::zones(&connection, key, (i64::MIN, i64::MAX)).expect("zones").len();
        if text == r#"not(eq(input_value, "where"))"# {
            assert!(looks > segments, "{looks} looks at {segments} segments");
        }
    }
}

#[test]
fn threads_with_a_key_are_counted_without_the_others() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    let thread = |number: usize| {
        (!(number / 3).is_multiple_of(3)).then(|| format!("t{}", number / 3 % 7).as_str().into())
    };
    append(&store, (0..90).map(|number| RunPatch { thread: thread(number), ..run(number) }).collect());
    while block_on(store.tidy()).expect("tidied") {}
    for text in FILTERS.into_iter().filter(|text| !text.contains("search")) {
        let page = crate::ThreadPage {
            project: ProjectId::from_name("p"),
            filter: filter(text),
            limit: 3,
            ..crate::ThreadPage::default()
        };
        let listed = paged(&store, page.clone()).len() as u64;
        assert_eq!(block_on(store.thread_count(&page)).expect("a count"), listed, "{text}");
    }
}

#[test]
fn a_value_behind_a_long_text_is_found_though_it_is_not_indexed() {
    let store = filled();
    let long = |number: usize| json!({ "first": "words ".repeat(5_000), "last": format!("needle {number}") });
    append(&store, (60..90).map(|number| RunPatch { inputs: Some(long(number)), ..run(number) }).collect());
    block_on(store.catch_up()).expect("indexed");
    while block_on(store.tidy()).expect("tidied") {}
    let asked = |number: usize| RunQuery {
        filter: filter(&format!(r#"and(eq(input_key, "last"), eq(input_value, "needle {number}"))"#)),
        ..RunQuery::new(ProjectId::from_name("p"))
    };
    assert_eq!(block_on(store.count(&asked(61))).expect("a count"), 1);
    assert_eq!(block_on(store.count(&asked(30))).expect("a count"), 0);
}

#[test]
fn digests_of_older_programs_are_completed_in_quiet_moments() {
    let store = filled();
    let writing = connect(store.dir(), Access::Durable).expect("a connection");
    let old = [Part::Trace, Part::Thread, Part::Activity, Part::Began].map(|part| part.number().to_string());
    let age = format!(
        "DELETE FROM digests WHERE key % {PARTS} IN ({}); DELETE FROM settings WHERE name = '{WHOLE}'",
        old.join(", ")
    );
    writing.execute_batch(&age).expect("aged");
    compare(&store);
    while block_on(store.tidy()).expect("tidied") {}
    compare(&store);
    let sql = format!("SELECT count(*) FROM digests WHERE key % {PARTS} IN ({})", old.join(", "));
    let made: i64 = connection(&store).query_row(&sql, [], |row| row.get(0)).expect("a count");
    assert_eq!(made, digested(&store) * old.len() as i64);
    assert!(!block_on(store.tidy()).expect("tidied"), "there is an end to it");
}

/// The threads of all pages.
fn paged(store: &EmbeddedStore, mut query: crate::ThreadPage) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let page = block_on(store.thread_page(&query)).expect("a page");
        found.extend(page.items.into_iter().map(|row| row.id.0));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return found,
        }
    }
}

#[test]
fn a_timeline_of_feedback_has_counts_and_means() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    append(&store, vec![run(0)]);
    let given = [(1, Some(1.0)), (2, Some(0.0)), (12, None), (400, Some(1.0))];
    let feedback = given.into_iter().enumerate().map(|(number, (second, score))| assay_domain::Feedback {
        id: assay_domain::FeedbackId::from_name(&number.to_string()),
        run: Some(RunId::from_name("0")),
        key: "good".into(),
        score,
        created_at: chrono::DateTime::from_timestamp(second, 0),
        ..Default::default()
    });
    let batch = Batch { project: "p".into(), feedback: feedback.collect(), ..Batch::default() };
    block_on(store.append(batch)).expect("appended");
    let query = crate::FeedbackTimelineQuery {
        project: ProjectId::from_name("p"),
        start: chrono::DateTime::from_timestamp(0, 0).expect("a moment"),
        step: std::time::Duration::from_secs(10),
        intervals: 2,
    };
    let lines = block_on(store.feedback_timeline(&query)).expect("a timeline");
    let intervals: Vec<_> = lines[0].intervals.iter().map(|one| (one.count, one.mean)).collect();
    assert_eq!((lines.len(), lines[0].key.as_str()), (1, "good"));
    assert_eq!(intervals, [(2, Some(0.5)), (1, None)]);
}

#[test]
fn feedback_without_a_moment_stands_where_its_run_began() {
    let store = EmbeddedStore::open_temporary(PriceTable::default()).expect("a store");
    append(&store, vec![run(0), run(1)]);
    let start = run(1).start_time.expect("a start");
    let feedback = assay_domain::Feedback {
        id: assay_domain::FeedbackId::from_name("one"),
        run: Some(RunId::from_name("1")),
        key: "good".into(),
        score: Some(1.0),
        ..Default::default()
    };
    let batch = Batch { project: "p".into(), feedback: vec![feedback], ..Batch::default() };
    block_on(store.append(batch)).expect("appended");
    let second = std::time::Duration::from_secs(1);
    let query = crate::FeedbackTimelineQuery {
        project: ProjectId::from_name("p"),
        start: start - second,
        step: second,
        intervals: 3,
    };
    let lines = block_on(store.feedback_timeline(&query)).expect("a timeline");
    assert_eq!(lines[0].intervals.iter().map(|one| one.count).collect::<Vec<_>>(), [0, 1, 0]);
}

#[test]
fn digests_answer_as_the_runs_do() {
    let store = filled();
    assert_eq!(digested(&store), 60 / SIZE);
    compare(&store);
}

#[test]
fn digests_go_when_a_run_of_them_changes_and_come_back() {
    let store = filled();
    let whole = digested(&store);
    append(&store, vec![RunPatch { is_creation: false, error: Some("late".into()), ..run(2) }]);
    assert!(digested(&store) < whole);
    compare(&store);
    // A run that comes late changes what the trace of an early one amounts to.
    let late = RunPatch { id: RunId::from_name("late"), ..run(31) };
    append(&store, vec![late]);
    compare(&store);
    append(&store, (60..90).map(run).collect());
    while block_on(store.tidy()).expect("tidied") {}
    let sql = "SELECT count(*) FROM undigested";
    let left: i64 = connection(&store).query_row(sql, [], |row| row.get(0)).expect("a count");
    assert_eq!(left, 0);
    compare(&store);
}

#[test]
fn nothing_deleted_is_left_in_a_digest() {
    let store = filled();
    let traces = [0, 9, 30].map(|number: usize| TraceId::from(RunId::from_name(&number.to_string())));
    block_on(store.delete_traces(ProjectId::from_name("p"), &traces)).expect("deleted");
    compare(&store);
    block_on(crate::Catalog::delete_project(&store, "other")).expect("deleted");
    compare(&store);
    block_on(crate::Catalog::delete_project(&store, "p")).expect("deleted");
    let connection = connection(&store);
    for table in ["digests", "zones"] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(connection.query_row(&sql, [], |row| row.get::<_, i64>(0)), Ok(0), "{table}");
    }
    append(&store, (0..20).map(run).collect());
    compare(&store);
}

#[test]
fn a_damaged_digest_is_passed_over() {
    let store = filled();
    let writing = connect(store.dir(), Access::Durable).expect("a connection");
    for damage in [
        "UPDATE digests SET body = x'00' WHERE key % 3 = 0",
        "UPDATE digests SET body = substr(body, 1, length(body) / 2) WHERE key % 3 = 1",
        "UPDATE zones SET totals = x'28b52ffd'",
        "DELETE FROM digests WHERE key % 5 = 0",
    ] {
        writing.execute_batch(damage).expect("damaged");
        compare(&store);
    }
}
