//! Promises about what runs and threads add up to.

use assay_domain::{Cost, ProjectId, RunId, RunKind, RunPatch, TraceId, Usage};
use rust_decimal::Decimal;
use serde_json::json;

use super::{append, batch, feedback, in_thread, metadata, project, run, second};
use crate::{
    Error, Filter, Grouping, Order, RunQuery, RunStats, Runs, StatsQuery, Tally, ThreadPage, block_on,
};

fn usage(input: u64, output: u64, total: &str) -> Option<Usage> {
    let total: Decimal = total.parse().expect("a decimal");
    Some(Usage {
        input_tokens: input,
        output_tokens: output,
        total_tokens: input + output,
        stated_cost: Some(Cost { input: total, total, ..Cost::default() }),
        ..Usage::default()
    })
}

fn grouped(store: &impl Runs, query: &StatsQuery) -> Vec<(String, RunStats)> {
    block_on(store.stats(query)).expect("stats")
}

/// A chain, two model calls that streamed, a failed tool call and one that is under way.
fn five_runs(store: &impl Runs) {
    let mut whole = batch(vec![
        in_thread("t", run("chain", "chain", 0)),
        RunPatch {
            kind: Some(RunKind::Llm),
            first_token_time: second(2),
            usage: usage(10, 20, "0.1"),
            tags: Some(vec!["web".into(), "eu".into()]),
            metadata: metadata(json!({"env": "prod", "n": 1})),
            ..run("call", "chain", 1)
        },
        RunPatch {
            kind: Some(RunKind::Llm),
            first_token_time: second(5),
            usage: usage(30, 40, "0.02"),
            tags: Some(vec!["web".into()]),
            metadata: metadata(json!({"env": "test", "n": 1})),
            end_time: second(12),
            name: Some("call".into()),
            ..run("call 2", "chain", 2)
        },
        RunPatch { kind: Some(RunKind::Tool), error: Some("timeout".into()), ..run("tool", "chain", 3) },
        RunPatch { end_time: None, project_name: Some("other".into()), ..run("open", "open", 4) },
    ]);
    whole.feedback = vec![feedback("f", "call", "good", 1.0), feedback("g", "open", "good", 0.0)];
    block_on(store.append(whole)).expect("appended");
}

pub fn runs_add_up(store: &impl Runs) {
    five_runs(store);
    let of = |runs: RunQuery| {
        let mut stats = grouped(store, &StatsQuery { runs, ..StatsQuery::default() });
        assert_eq!(stats.len(), 1);
        let (name, stats) = stats.remove(0);
        assert_eq!(name, "");
        stats
    };
    let stats = of(RunQuery::default());
    assert_eq!((stats.runs, stats.error_rate, stats.streaming_rate), (5, Some(0.25), Some(0.4)));
    assert_eq!((stats.input_tokens, stats.output_tokens, stats.total_tokens), (40, 60, 100));
    assert_eq!(stats.latency_p50, Some(2.0));
    assert!(stats.latency_p99.is_some_and(|seconds| (seconds - 9.76).abs() < 1e-9));
    assert_eq!((stats.first_token_p50, stats.input_tokens_p50), (Some(2.0), Some(20.0)));
    assert_eq!(stats.total_tokens_p50, Some(50.0));
    let text = |cost: Option<Decimal>| cost.map(|cost| cost.to_string());
    assert_eq!(text(stats.total_cost).as_deref(), Some("0.12"));
    assert_eq!(text(stats.input_cost).as_deref(), Some("0.12"));
    assert!(stats.cost_p50.is_some_and(|cost| (cost - 0.06).abs() < 1e-9));
    assert_eq!(stats.last_start_time, second(4));
    assert_eq!((stats.feedback["good"].count, stats.feedback["good"].mean), (2, Some(0.5)));

    let here = of(RunQuery::new(project()));
    assert_eq!((here.runs, here.feedback["good"].mean), (4, Some(1.0)));
    let tools = of(RunQuery { kind: Some(RunKind::Tool), ..RunQuery::default() });
    assert_eq!((tools.runs, tools.error_rate, tools.total_cost, tools.cost_p50), (1, Some(1.0), None, None));
    let trace = of(RunQuery { trace: Some(TraceId::from_name("open")), limit: 1, ..RunQuery::default() });
    assert_eq!((trace.runs, trace.error_rate, trace.feedback["good"].mean), (1, None, Some(0.0)));
    let roots = of(RunQuery { is_root: Some(true), ..RunQuery::default() });
    assert_eq!((roots.runs, roots.total_tokens, roots.total_tokens_p50), (2, 100, Some(100.0)));
    assert_eq!(text(roots.total_cost).as_deref(), Some("0.12"));
    let filtered = RunQuery { filter: Filter::parse("gt(latency, 5)").ok(), ..RunQuery::default() };
    assert_eq!(
        (of(filtered).runs, of(RunQuery::new(ProjectId::from_name("none")))),
        (1, RunStats::default())
    );
}

pub fn runs_add_up_by_group(store: &impl Runs) {
    five_runs(store);
    let by = |grouping: Grouping, max_groups: usize| {
        let query = StatsQuery { grouping: Some(grouping), max_groups, ..StatsQuery::default() };
        let groups = grouped(store, &query);
        groups.iter().map(|(name, stats)| format!("{name} {}", stats.runs)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(by(Grouping::Name, 0), "call 2, chain 1, open 1, tool 1");
    assert_eq!(by(Grouping::Name, 2), "call 2, chain 1");
    assert_eq!(by(Grouping::Kind, 0), "chain 2, llm 2, tool 1");
    assert_eq!(by(Grouping::Tag, 0), "web 2, eu 1");
    assert_eq!(by(Grouping::Metadata("env".into()), 0), "prod 1, test 1");
    assert_eq!(by(Grouping::Metadata("n".into()), 0), "1 2");
    assert_eq!(by(Grouping::Thread, 0), format!("t 4, {} 1", TraceId::from_name("open")));
    let query = StatsQuery {
        runs: RunQuery::new(project()),
        grouping: Some(Grouping::Metadata("env".into())),
        max_groups: 0,
    };
    let groups = grouped(store, &query);
    assert_eq!(groups[0].1.feedback["good"].count, 1);
    assert_eq!((groups[0].1.total_tokens, groups[1].1.total_tokens), (30, 70));
    assert!(groups[1].1.feedback.is_empty());
}

/// The threads of all pages, as many as are counted.
fn thread_ids(store: &impl Runs, query: &ThreadPage) -> String {
    let count = block_on(store.thread_count(query)).expect("a count");
    let mut query = query.clone();
    let mut ids = Vec::new();
    loop {
        let page = block_on(store.thread_page(&query)).expect("a page");
        ids.extend(page.items.into_iter().map(|row| row.id.0));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(count, ids.len() as u64, "{query:?}");
    let tally = block_on(store.thread_tally(&query)).expect("a tally");
    assert_eq!(tally, Tally { count, is_exact: true }, "{query:?}");
    ids.join(" ")
}

pub fn threads_come_by_their_last_activity(store: &impl Runs) {
    append(
        store,
        vec![
            in_thread("old", run("a", "a", 0)),
            in_thread("busy", run("b", "b", 1)),
            in_thread("middle", run("c", "c", 20)),
            run("c1", "c", 21),
            in_thread("busy", RunPatch { error: Some("boom".into()), ..run("d", "d", 40) }),
            run("e", "e", 50),
            in_thread("timeless", RunPatch { start_time: None, end_time: None, ..run("f", "f", 0) }),
            in_thread("busy", RunPatch { project_name: Some("other".into()), ..run("g", "g", 60) }),
        ],
    );
    let all = ThreadPage { project: project(), ..ThreadPage::default() };
    assert_eq!(thread_ids(store, &all), "busy middle old timeless");
    for limit in 1..4 {
        assert_eq!(thread_ids(store, &ThreadPage { limit, ..all.clone() }), "busy middle old timeless");
    }
    let single = TraceId::from_name("e").to_string();
    for limit in 0..4 {
        let with_singles = ThreadPage { with_single_traces: true, limit, ..all.clone() };
        assert_eq!(thread_ids(store, &with_singles), format!("{single} busy middle old timeless"));
        let backwards = ThreadPage { order: Order::OldestFirst, ..with_singles };
        assert_eq!(thread_ids(store, &backwards), format!("timeless old middle busy {single}"));
    }
    let one =
        |thread: &str| ThreadPage { thread: Some(thread.into()), with_single_traces: true, ..all.clone() };
    assert_eq!(thread_ids(store, &one("middle")), "middle");
    assert_eq!(thread_ids(store, &one(&single)), single);
    assert_eq!(thread_ids(store, &one("nobody")), "");
    let window = |start, end| ThreadPage {
        start: Option::and_then(start, second),
        end: Option::and_then(end, second),
        ..all.clone()
    };
    assert_eq!(thread_ids(store, &window(Some(10), None)), "busy middle");
    assert_eq!(thread_ids(store, &window(None, Some(10))), "busy old");
    assert_eq!(thread_ids(store, &window(Some(3), Some(4))), "busy");
    let filter = |text: &str| Filter::parse(text).ok();
    assert_eq!(
        thread_ids(store, &ThreadPage { filter: filter("eq(name, \"c1\")"), ..all.clone() }),
        "middle"
    );
    let failed = ThreadPage { trace_filter: filter("eq(status, \"error\")"), ..all.clone() };
    assert_eq!(thread_ids(store, &failed), "busy");
    let of_root = ThreadPage { trace_filter: filter("eq(name, \"c1\")"), ..all.clone() };
    assert_eq!(thread_ids(store, &of_root), "");
    let lost = ThreadPage { cursor: Some("lost".into()), ..all };
    assert!(matches!(block_on(store.thread_page(&lost)), Err(Error::Invalid(_))));
}

pub fn a_thread_is_read_some_traces_at_a_time(store: &impl Runs) {
    let patches = (0..7).rev().map(|at| in_thread("t", run(&format!("r{at}"), &format!("r{at}"), at)));
    append(store, patches.collect());
    let window = |offset, limit| {
        let found = block_on(store.thread_window(project(), &"t".into(), offset, limit)).expect("readable");
        let names = |trace: &assay_domain::Trace| trace.root().map(|run| run.name.clone());
        let thread = found.expect("a thread");
        thread.traces.iter().filter_map(names).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((window(0, 3), window(3, 3)), ("r0 r1 r2".into(), "r3 r4 r5".into()));
    assert_eq!((window(6, 3), window(7, 3), window(2, 0)), ("r6".into(), String::new(), String::new()));
    let nobody = block_on(store.thread_window(project(), &"nobody".into(), 0, 3)).expect("readable");
    assert_eq!(nobody, None);
}

pub fn thread_rows_add_up(store: &impl Runs) {
    let mut whole = batch(vec![
        in_thread("t", RunPatch { end_time: second(14), ..run("two", "two", 10) }),
        in_thread("t", RunPatch { error: Some("boom".into()), ..run("one", "one", 0) }),
        RunPatch { usage: usage(1, 2, "0.1"), ..run("call", "one", 1) },
        RunPatch { usage: usage(3, 4, "0.02"), ..run("call 2", "two", 11) },
    ]);
    whole.feedback = vec![feedback("f", "call", "good", 1.0), feedback("g", "two", "good", 0.5)];
    block_on(store.append(whole)).expect("appended");
    let page = block_on(store.thread_page(&ThreadPage { project: project(), ..ThreadPage::default() }));
    let page = page.expect("a page");
    assert_eq!((page.items.len(), page.next), (1, None));
    let row = &page.items[0];
    assert_eq!((row.id.0.as_str(), row.traces, row.runs, row.errors), ("t", 2, 4, 1));
    assert_eq!((row.first_root, row.last_root), (RunId::from_name("one"), RunId::from_name("two")));
    assert_eq!((row.first_start, row.last_start, row.last_end), (second(0), second(10), second(14)));
    assert_eq!((row.latency_p50, row.latency_p99), (Some(3.0), Some(3.98)));
    assert_eq!((row.input_tokens, row.output_tokens, row.total_tokens), (4, 6, 10));
    assert_eq!(row.total_cost.map(|cost| cost.to_string()).as_deref(), Some("0.12"));
    assert_eq!((row.feedback["good"].count, row.feedback["good"].mean), (2, Some(0.75)));
}
