//! What every backend must do, as tests.
//!
//! [`store_suite!`](crate::store_suite) turns them into test functions, given
//! an expression that opens an empty store.

mod documents;
mod queries;
mod sums;

use assay_domain::{
    Feedback, FeedbackId, ProjectId, Report, ReportConfig, RunId, RunKind, RunPatch, RunStatus, ThreadId,
    TraceId, Usage,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    Appended, Batch, Catalog, Error, Filter, Memo, NewProject, Order, RunQuery, Runs, ThreadQuery, block_on,
};

/// Expands to one test function per promise.
#[macro_export]
macro_rules! store_suite {
    ($open:expr) => {
        $crate::store_suite!($open;
            what_is_acknowledged_is_read
            all_fields_come_back
            pieces_fold_in_any_order
            saying_it_twice_changes_nothing
            conflicting_creations_have_one_winner
            of_whole_records_the_later_counts_and_updates_stay
            whole_records_of_one_import_conflict_in_whichever_batches_they_come
            a_run_stays_in_its_project
            threads_follow_the_thread_key_in_any_order
            overviews_add_up
            windows_select_active_threads
            whole_threads_come_in_the_order_asked
            pages_follow_one_another
            feedback_may_come_first
            searches_see_what_is_acknowledged
            deletion_reaches_everything
            reports_are_kept_and_listed
            answers_are_remembered
            answers_go_with_the_project_they_are_about
            odd_text_is_kept
            queries_select_what_they_say
            filters_reach_the_root_and_the_whole_trace
            pages_go_on_across_projects
            a_page_of_no_stated_size_has_a_hundred
            stored_runs_know_their_thread_and_trace
            what_a_project_holds_is_counted
            deleted_traces_take_everything_along
            runs_add_up
            runs_add_up_by_group
            threads_come_by_their_last_activity
            thread_rows_add_up
            a_thread_is_read_some_traces_at_a_time
            projects_are_made_as_asked
            projects_change_and_keep_their_id
            records_are_kept_by_kind_and_id
            record_changes_happen_together_or_not_at_all
            files_stay_as_long_as_somebody_has_them
            feedback_is_listed_as_asked
            feedback_adds_up_by_run_and_key
        );
    };
    ($open:expr; $($name:ident)*) => {
        $(#[test] fn $name() { $crate::suite::$name(&$open); })*
    };
}

pub use documents::*;
pub use queries::*;
pub use sums::*;

const PROJECT: &str = "shop";

fn project() -> ProjectId {
    ProjectId::from_name(PROJECT)
}

fn new_project(name: &str) -> NewProject {
    NewProject { name: name.into(), ..NewProject::default() }
}

fn batch(patches: Vec<RunPatch>) -> Batch {
    Batch { project: PROJECT.into(), patches, ..Batch::default() }
}

fn append(store: &impl Runs, patches: Vec<RunPatch>) -> Appended {
    block_on(store.append(batch(patches))).expect("an appended batch")
}

/// The moment so many seconds into 2026.
fn second(second: i64) -> Option<assay_domain::Time> {
    chrono::DateTime::from_timestamp(1_767_225_600 + second, 0)
}

fn metadata(value: Value) -> Option<Map<String, Value>> {
    value.as_object().cloned()
}

/// The creation of a finished run in a trace.
fn run(name: &str, trace: &str, start: i64) -> RunPatch {
    RunPatch {
        id: RunId::from_name(name),
        is_creation: true,
        trace: Some(RunId::from_name(trace).into()),
        parent: (name != trace).then(|| RunId::from_name(trace)),
        name: Some(name.into()),
        kind: Some(RunKind::Chain),
        start_time: second(start),
        end_time: second(start + 2),
        inputs: Some(json!({"question": format!("what is {name}?")})),
        outputs: Some(json!({"answer": name})),
        ..RunPatch::default()
    }
}

fn in_thread(thread: &str, patch: RunPatch) -> RunPatch {
    RunPatch { thread: Some(thread.into()), ..patch }
}

fn feedback(name: &str, run: &str, key: &str, score: f64) -> Feedback {
    Feedback {
        id: FeedbackId::from_name(name),
        run: Some(RunId::from_name(run)),
        trace: None,
        key: key.into(),
        score: Some(score),
        value: None,
        comment: Some("so it is".into()),
        correction: Some(json!({"answer": "b"})),
        source: Some("api".into()),
        created_at: second(9),
        ..Feedback::default()
    }
}

fn thread_ids(store: &impl Runs, query: &ThreadQuery) -> Vec<String> {
    let threads = block_on(store.threads(query)).expect("threads");
    threads.into_iter().map(|thread| thread.id.0).collect()
}

pub fn what_is_acknowledged_is_read(store: &impl Runs) {
    for number in 0..20 {
        let name = format!("run {number}");
        let appended = append(store, vec![run(&name, &name, number)]);
        assert_eq!(appended, Appended { new_runs: 1, ..Appended::default() });
        let read = block_on(store.run(RunId::from_name(&name))).expect("readable").expect("there");
        assert_eq!((read.name.as_str(), read.project), (name.as_str(), project()));
        assert_eq!(block_on(store.count(&RunQuery::new(project()))).expect("a count"), number as u64 + 1);
    }
    assert_eq!(block_on(store.run(RunId::from_name("never"))).expect("readable"), None);
    assert_eq!(block_on(store.trace(TraceId::from_name("never"))).expect("readable"), None);
}

pub fn all_fields_come_back(store: &impl Runs) {
    let patch = RunPatch {
        thread: Some("t".into()),
        dotted_order: Some("20260101T000000000000Zx".into()),
        kind: Some(RunKind::Llm),
        first_token_time: second(1),
        error: Some("boom".repeat(5_000)),
        events: Some(vec![json!({"name": "new_token"})]),
        tags: Some(vec!["a".into(), "b".into()]),
        metadata: metadata(json!({"ls_model_name": "m", "nested": {"x": [1, 2.5, true]}})),
        extra: metadata(json!({"runtime": {"sdk": "py"}})),
        serialized: Some(json!({"id": ["agent"]})),
        reference_example: Some("example".into()),
        usage: Some(Usage { input_tokens: 3, output_tokens: 4, total_tokens: 7, ..Usage::default() }),
        ..run("a", "root", 0)
    };
    append(store, vec![patch.clone()]);
    let mut expected = assay_domain::Run::unknown(patch.id, project());
    expected.apply(patch);
    assert_eq!(block_on(store.run(expected.id)).expect("readable"), Some(expected.clone()));
    let trace = block_on(store.trace(expected.trace)).expect("readable").expect("there");
    assert_eq!(trace.runs, [expected]);
}

pub fn pieces_fold_in_any_order(store: &impl Runs) {
    let pieces = |name: &str| {
        let id = RunId::from_name(name);
        let creation = RunPatch { end_time: None, outputs: None, ..run(name, name, 0) };
        let first = RunPatch {
            id,
            outputs: Some(json!({"draft": 1})),
            name: Some("late".into()),
            ..RunPatch::default()
        };
        let second_one = RunPatch {
            id,
            outputs: Some(json!({"answer": 2})),
            end_time: second(5),
            metadata: metadata(json!({"k": "v"})),
            ..RunPatch::default()
        };
        [creation, first, second_one]
    };
    for (name, order) in [("a", [0, 1, 2]), ("b", [1, 0, 2]), ("c", [1, 2, 0])] {
        for position in order {
            append(store, vec![pieces(name)[position].clone()]);
        }
    }
    append(store, [1, 2, 0].map(|position| pieces("d")[position].clone()).to_vec());
    for name in ["a", "b", "c", "d"] {
        let read = block_on(store.run(RunId::from_name(name))).expect("readable").expect("there");
        assert_eq!(read.name, "late", "{name}");
        assert_eq!(read.inputs, json!({"question": format!("what is {name}?")}), "{name}");
        assert_eq!(read.outputs, json!({"answer": 2}), "{name}");
        assert_eq!((read.start_time, read.end_time), (second(0), second(5)), "{name}");
        assert_eq!(read.status(), RunStatus::Success);
    }
}

pub fn saying_it_twice_changes_nothing(store: &impl Runs) {
    let update = RunPatch { id: RunId::from_name("a"), error: Some("boom".into()), ..RunPatch::default() };
    let news = RunPatch { id: RunId::from_name("a"), error: Some("bang".into()), ..RunPatch::default() };
    let mut whole = batch(vec![run("a", "a", 0), update, news, run("b", "a", 1)]);
    whole.feedback = vec![feedback("f", "a", "good", 1.0)];
    let first = block_on(store.append(whole.clone())).expect("appended");
    assert_eq!(first, Appended { new_runs: 2, new_feedback: 1, ..Appended::default() });
    let before = block_on(store.trace(TraceId::from_name("a"))).expect("readable");
    for _ in 0..2 {
        let again = block_on(store.append(whole.clone())).expect("appended");
        assert_eq!(again, Appended { unchanged_runs: 2, unchanged_feedback: 1, ..Appended::default() });
    }
    assert_eq!(block_on(store.trace(TraceId::from_name("a"))).expect("readable"), before);
    // A retry that comes after news does not undo them.
    let read = block_on(store.run(RunId::from_name("a"))).expect("readable").expect("there");
    assert_eq!(read.error.as_deref(), Some("bang"));
}

pub fn conflicting_creations_have_one_winner(store: &impl Runs) {
    let longer = |name: &str| RunPatch { inputs: Some(json!("x".repeat(500))), ..run(name, name, 0) };
    let later = |name: &str| RunPatch { end_time: second(50), ..run(name, name, 0) };
    let update = |name: &str| RunPatch {
        id: RunId::from_name(name),
        error: Some("boom".into()),
        ..RunPatch::default()
    };
    append(store, vec![longer("a")]);
    append(store, vec![update("a")]);
    let appended = append(store, vec![later("a")]);
    assert_eq!((appended.changed_runs, appended.conflicting_runs), (1, 1));
    append(store, vec![later("b")]);
    let appended = append(store, vec![longer("b"), update("b")]);
    assert_eq!(appended.conflicting_runs, 1);
    let appended = append(store, vec![update("c"), later("c"), longer("c")]);
    assert_eq!((appended.new_runs, appended.conflicting_runs), (1, 1));
    let appended = append(store, vec![longer("c")]);
    assert_eq!(appended, Appended { unchanged_runs: 1, ..Appended::default() });
    for name in ["a", "b", "c"] {
        let read = block_on(store.run(RunId::from_name(name))).expect("readable").expect("there");
        assert_eq!(read.end_time, second(50), "{name}");
        assert_eq!(read.inputs, json!({"question": format!("what is {name}?")}), "{name}");
        assert_eq!(read.error.as_deref(), Some("boom"), "{name}");
    }
}

/// A record of a file, as it is imported.
fn whole(name: &str, asked: &str) -> RunPatch {
    RunPatch { is_whole: true, inputs: Some(json!({ "question": asked })), ..run(name, name, 0) }
}

pub fn of_whole_records_the_later_counts_and_updates_stay(store: &impl Runs) {
    let asked = || {
        let read = block_on(store.run(RunId::from_name("a"))).expect("readable").expect("there");
        (read.inputs["question"].as_str().unwrap_or_default().to_owned(), read.error)
    };
    let (old, new) = (whole("a", "bananas and much more"), whole("a", "apples"));
    let update = RunPatch { id: RunId::from_name("a"), error: Some("boom".into()), ..RunPatch::default() };
    assert_eq!(append(store, vec![old.clone()]).new_runs, 1);
    append(store, vec![update]);
    // Longer and shorter, back and forth: the file imported last is what counts.
    for (record, says) in [(&new, "apples"), (&old, "bananas and much more"), (&new, "apples")] {
        let appended = append(store, vec![record.clone()]);
        assert_eq!(appended, Appended { changed_runs: 1, ..Appended::default() }, "{says}");
        for _ in 0..2 {
            let again = append(store, vec![record.clone()]);
            assert_eq!(again, Appended { unchanged_runs: 1, ..Appended::default() }, "{says}");
            assert_eq!(asked(), (says.to_owned(), Some("boom".to_owned())));
        }
    }
    // Two of one id in a file: the later counts, however often the file is imported.
    let file = vec![new.clone(), old.clone(), new];
    for changed in [0, 0] {
        let appended = append(store, file.clone());
        assert_eq!((appended.changed_runs, appended.conflicting_runs), (changed, 1));
        assert_eq!(asked().0, "apples");
    }
    let first = append(store, vec![whole("b", "one"), whole("b", "two")]);
    assert_eq!((first.new_runs, first.conflicting_runs), (1, 1));
    let read = block_on(store.run(RunId::from_name("b"))).expect("readable").expect("there");
    assert_eq!(read.inputs["question"], "two");
}

pub fn whole_records_of_one_import_conflict_in_whichever_batches_they_come(store: &impl Runs) {
    let part_of = |import: u128, record: RunPatch| {
        let batch = Batch { import: Some(Uuid::from_u128(import)), ..batch(vec![record]) };
        block_on(store.append(batch)).expect("an appended batch")
    };
    let (one, two) = (whole("a", "one"), whole("a", "two"));
    for file in [1, 2] {
        // The second time both are known.
        let first = part_of(file, one.clone());
        assert_eq!((first.changed_runs, first.conflicting_runs), (usize::from(file == 2), 0));
        assert_eq!(part_of(file, one.clone()), Appended { unchanged_runs: 1, ..Appended::default() });
        assert_eq!(part_of(file, whole("b", "one")).conflicting_runs, 0);
        let last = part_of(file, two.clone());
        assert_eq!((last.changed_runs, last.conflicting_runs), (1, 1), "file {file}");
        assert_eq!(part_of(file, one.clone()).conflicting_runs, 0, "told once");
        part_of(file, two.clone());
    }
    assert_eq!(part_of(3, one).conflicting_runs, 0, "another file corrects it");
}

pub fn a_run_stays_in_its_project(store: &(impl Runs + Catalog)) {
    append(store, vec![run("a", "a", 0)]);
    let update = RunPatch {
        id: RunId::from_name("a"),
        project_name: Some("elsewhere".into()),
        error: Some("boom".into()),
        ..RunPatch::default()
    };
    let appended = append(store, vec![update]);
    assert_eq!((appended.changed_runs, appended.runs_of_other_projects), (1, 1));
    let read = block_on(store.run(RunId::from_name("a"))).expect("readable").expect("there");
    assert_eq!((read.project, read.error.as_deref()), (project(), Some("boom")));
    append(store, vec![RunPatch { project_name: Some("elsewhere".into()), ..run("b", "b", 0) }]);
    let counts: Vec<_> = block_on(store.projects())
        .expect("projects")
        .into_iter()
        .map(|project| (project.name, project.runs, project.traces, project.threads))
        .collect();
    assert_eq!(counts, [("elsewhere".into(), 1, 1, 1), (PROJECT.into(), 1, 1, 1)]);
}

pub fn threads_follow_the_thread_key_in_any_order(store: &impl Runs) {
    // A child first, then the root without key, then a root with one.
    append(store, vec![in_thread("from child", run("child", "root", 1))]);
    assert_eq!(thread_ids(store, &ThreadQuery::new(project())), ["from child"]);
    append(store, vec![run("root", "root", 0), in_thread("from later child", run("later", "root", 3))]);
    assert_eq!(thread_ids(store, &ThreadQuery::new(project())), ["from child"]);
    append(
        store,
        vec![RunPatch {
            id: RunId::from_name("root"),
            thread: Some("from root".into()),
            ..RunPatch::default()
        }],
    );
    assert_eq!(thread_ids(store, &ThreadQuery::new(project())), ["from root"]);
    // A lone update is its own trace until the creation says otherwise.
    append(
        store,
        vec![RunPatch { id: RunId::from_name("lone"), error: Some("x".into()), ..RunPatch::default() }],
    );
    let lone = RunId::from_name("lone").to_string();
    let mut expected = vec!["from root".to_owned(), lone];
    expected.sort();
    assert_eq!(thread_ids(store, &ThreadQuery::new(project())), expected);
    append(store, vec![run("lone", "root", 4)]);
    assert_eq!(thread_ids(store, &ThreadQuery::new(project())), ["from root"]);
    let threads = block_on(store.threads(&ThreadQuery::new(project()))).expect("threads");
    assert_eq!((threads[0].runs, threads[0].traces.len()), (4, 1));
    // The same with everything in one batch.
    let update = RunPatch { id: RunId::from_name("x"), error: Some("x".into()), ..RunPatch::default() };
    append(store, vec![update, run("y", "y", 0)]);
    append(store, vec![in_thread("z", run("x", "y", 0))]);
    assert_eq!(thread_ids(store, &ThreadQuery::new(project())), ["from root", "z"]);
}

pub fn overviews_add_up(store: &impl Runs) {
    let usage = |input, output| {
        Some(Usage {
            input_tokens: input,
            output_tokens: output,
            total_tokens: input + output,
            stated_cost: Some(assay_domain::Cost {
                total: "0.1".parse().expect("a decimal"),
                ..Default::default()
            }),
            ..Usage::default()
        })
    };
    let first = RunPatch {
        metadata: metadata(json!({"env": "prod", "n": 1})),
        tags: Some(vec!["b".into(), "a".into()]),
        ..in_thread("t", run("one", "one", 0))
    };
    let second_one =
        RunPatch { metadata: metadata(json!({"n": 2})), ..in_thread("t", run("two", "two", 10)) };
    let mut whole = batch(vec![
        second_one,
        RunPatch { usage: usage(1, 2), error: Some("handled".into()), ..run("call", "one", 1) },
        RunPatch { usage: usage(10, 20), ..run("call 2", "two", 11) },
        first,
    ]);
    whole.feedback = vec![
        feedback("f1", "call", "good", 1.0),
        feedback("f2", "two", "good", 0.5),
        Feedback { score: None, value: Some(json!("angry")), ..feedback("f3", "two", "mood", 0.0) },
        Feedback { run: None, trace: Some(TraceId::from_name("one")), ..feedback("f4", "-", "whole", 0.25) },
    ];
    block_on(store.append(whole)).expect("appended");
    let threads = block_on(store.threads(&ThreadQuery::new(project()))).expect("threads");
    assert_eq!(threads.len(), 1);
    let thread = &threads[0];
    assert_eq!(thread.traces, [TraceId::from_name("one"), TraceId::from_name("two")]);
    assert_eq!((thread.runs, thread.status, thread.latency), (4, RunStatus::Success, Some(4.0)));
    assert_eq!((thread.start_time, thread.end_time), (second(0), second(13)));
    assert_eq!((thread.input_tokens, thread.output_tokens, thread.total_tokens), (11, 22, 33));
    assert_eq!(thread.total_cost.map(|cost| cost.to_string()), Some("0.2".into()));
    assert_eq!(Value::Object(thread.metadata.clone()), json!({"env": "prod", "n": 2}));
    assert_eq!(thread.tags.iter().cloned().collect::<Vec<_>>(), ["a", "b"]);
    let scores: Vec<_> =
        thread.feedback.iter().map(|(key, score)| (key.as_str(), score.count, score.mean)).collect();
    assert_eq!(scores, [("good", 2, Some(0.75)), ("mood", 1, None), ("whole", 1, Some(0.25))]);
    assert_eq!(thread.feedback["mood"].labels["angry"], 1);

    append(
        store,
        vec![RunPatch { id: RunId::from_name("one"), error: Some("fatal".into()), ..RunPatch::default() }],
    );
    let threads = block_on(store.threads(&ThreadQuery::new(project()))).expect("threads");
    assert_eq!(threads[0].status, RunStatus::Error);
}

pub fn windows_select_active_threads(store: &impl Runs) {
    append(
        store,
        vec![
            in_thread("early", run("a", "a", 0)),
            in_thread("gap", run("b", "b", 0)),
            in_thread("gap", run("c", "c", 100)),
            in_thread("late", run("d", "d", 100)),
            in_thread("timeless", RunPatch { start_time: None, end_time: None, ..run("e", "e", 0) }),
        ],
    );
    let window = |start: Option<i64>, end: Option<i64>| {
        let query = ThreadQuery {
            start_time: start.and_then(second),
            end_time: end.and_then(second),
            ..ThreadQuery::new(project())
        };
        thread_ids(store, &query).join(" ")
    };
    assert_eq!(window(None, None), "early gap late timeless");
    assert_eq!(window(Some(50), None), "gap late");
    assert_eq!(window(None, Some(50)), "early gap");
    assert_eq!(window(Some(2), Some(3)), "early gap");
    assert_eq!(window(Some(3), Some(100)), "");
    assert_eq!(window(Some(3), Some(101)), "gap late");
    let query = ThreadQuery {
        filter: Some(Filter::parse("eq(name, \"b\")").expect("a filter")),
        start_time: second(50),
        ..ThreadQuery::new(project())
    };
    assert_eq!(thread_ids(store, &query), ["gap"]);
}

pub fn whole_threads_come_in_the_order_asked(store: &impl Runs) {
    let mut whole = batch(vec![
        in_thread("t", run("two", "two", 10)),
        in_thread("t", run("one", "one", 0)),
        run("child", "one", 1),
        in_thread("u", run("three", "three", 5)),
    ]);
    whole.feedback = vec![feedback("f", "child", "good", 1.0)];
    block_on(store.append(whole)).expect("appended");
    let asked = ["u", "nobody", "t"].map(ThreadId::from);
    let threads = block_on(store.read_threads(project(), &asked)).expect("threads");
    let shape: Vec<_> = threads
        .iter()
        .map(|thread| (thread.id.0.as_str(), thread.runs().map(|run| run.name.as_str()).collect::<Vec<_>>()))
        .collect();
    assert_eq!(shape, [("u", vec!["three"]), ("t", vec!["one", "child", "two"])]);
    assert_eq!(threads[1].feedback, [feedback("f", "child", "good", 1.0)]);
    assert_eq!(threads[1].traces[0].runs[1].outputs, json!({"answer": "child"}));
    let elsewhere = block_on(store.read_threads(ProjectId::from_name("other"), &asked)).expect("threads");
    assert!(elsewhere.is_empty());
}

pub fn pages_follow_one_another(store: &impl Runs) {
    let patches = (0..25).map(|number| {
        let name = format!("{number:02}");
        // Some start at the same moment, one at none.
        let patch = run(&name, &name, i64::from(number / 3));
        if number == 7 { RunPatch { start_time: None, end_time: None, ..patch } } else { patch }
    });
    append(store, patches.collect());
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let mut query = RunQuery { order, limit: 4, ..RunQuery::new(project()) };
        let mut names = Vec::new();
        loop {
            let page = block_on(store.runs(&query)).expect("a page");
            assert!(page.items.len() <= 4);
            names.extend(page.items.into_iter().map(|row| row.name));
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        let mut expected: Vec<String> =
            (0..25).filter(|number| *number != 7).map(|number| format!("{number:02}")).collect();
        expected.insert(0, "07".into());
        if order == Order::NewestFirst {
            expected.reverse();
        }
        assert_eq!(names, expected);
    }
    let window = RunQuery { start: second(1), end: second(2), ..RunQuery::new(project()) };
    assert_eq!(block_on(store.count(&window)).expect("a count"), 3);
    let until = RunQuery { end: second(1), ..RunQuery::new(project()) };
    assert_eq!(block_on(store.count(&until)).expect("a count"), 3);
    let lost = RunQuery { cursor: Some("lost".into()), ..RunQuery::new(project()) };
    assert!(matches!(block_on(store.runs(&lost)), Err(Error::Invalid(_))));
}

pub fn feedback_may_come_first(store: &impl Runs) {
    let early = Batch {
        project: PROJECT.into(),
        patches: Vec::new(),
        feedback: vec![feedback("f", "a", "good", 1.0)],
        ..Batch::default()
    };
    block_on(store.append(early.clone())).expect("appended");
    append(store, vec![run("a", "a", 0)]);
    let threads = block_on(store.threads(&ThreadQuery::new(project()))).expect("threads");
    assert_eq!(threads[0].feedback["good"].mean, Some(1.0));
    let changed = Batch { feedback: vec![feedback("f", "a", "good", 0.0)], ..early };
    let appended = block_on(store.append(changed)).expect("appended");
    assert_eq!(appended, Appended { changed_feedback: 1, ..Appended::default() });
    let threads = block_on(store.threads(&ThreadQuery::new(project()))).expect("threads");
    assert_eq!((threads[0].feedback["good"].count, threads[0].feedback["good"].mean), (1, Some(0.0)));
}

pub fn searches_see_what_is_acknowledged(store: &impl Runs) {
    let found = |text: &str| {
        let query = RunQuery {
            filter: Some(Filter::parse(text).expect("a filter")),
            order: Order::OldestFirst,
            ..RunQuery::new(project())
        };
        let page = block_on(store.runs(&query)).expect("a page");
        page.items.into_iter().map(|row| row.name).collect::<Vec<_>>().join(" ")
    };
    append(store, vec![run("alpha", "alpha", 0), run("beta", "beta", 1)]);
    assert_eq!(found("search(\"what alpha\")"), "alpha");
    assert_eq!(found("search(\"what\")"), "alpha beta");
    assert_eq!(found("search(name, \"what\")"), "");
    assert_eq!(found("not(search(inputs, \"ALPHA\"))"), "beta");
    append(store, vec![run("gamma", "gamma", 2)]);
    assert_eq!(found("search(\"gamma\")"), "gamma");
    append(
        store,
        vec![RunPatch {
            id: RunId::from_name("alpha"),
            outputs: Some(json!("delta \"quoted\" OR")),
            ..RunPatch::default()
        }],
    );
    assert_eq!(found("search(\"delta\")"), "alpha");
    assert_eq!(found("search('\"quoted\" OR')"), "alpha");
    assert_eq!(found("search(outputs, \"alpha\")"), "");
}

pub fn deletion_reaches_everything(store: &(impl Runs + Catalog)) {
    let mut whole = batch(vec![run("a", "a", 0), run("b", "a", 1)]);
    whole.feedback = vec![feedback("f", "a", "good", 1.0), feedback("g", "never", "good", 1.0)];
    block_on(store.append(whole.clone())).expect("appended");
    append(store, vec![RunPatch { project_name: Some("kept".into()), ..run("c", "c", 0) }]);
    block_on(store.put_report(&report("r"))).expect("stored");
    let search = RunQuery {
        filter: Some(Filter::parse("search(\"what\")").expect("a filter")),
        ..RunQuery::new(project())
    };
    assert_eq!(block_on(store.count(&search)).expect("a count"), 2);

    let deleted = block_on(store.delete_project(PROJECT)).expect("deleted");
    assert_eq!((deleted.runs, deleted.threads, deleted.reports), (2, 1, 1));
    assert_eq!(block_on(store.project(PROJECT)).expect("readable"), None);
    assert_eq!(block_on(store.run(RunId::from_name("a"))).expect("readable"), None);
    assert_eq!(block_on(store.trace(TraceId::from_name("a"))).expect("readable"), None);
    assert_eq!(block_on(store.count(&search)).expect("a count"), 0);
    assert!(block_on(store.threads(&ThreadQuery::new(project()))).expect("threads").is_empty());
    assert!(block_on(store.reports(None)).expect("reports").is_empty());
    assert!(block_on(store.run(RunId::from_name("c"))).expect("readable").is_some());
    assert!(matches!(block_on(store.delete_project(PROJECT)), Err(Error::NotFound(_))));

    // What was deleted can come again, and is new then.
    let again = block_on(store.append(whole)).expect("appended");
    assert_eq!((again.new_runs, again.new_feedback), (2, 2));
    assert_eq!(block_on(store.count(&search)).expect("a count"), 2);
}

fn report(name: &str) -> Report {
    let report = json!({
        "version": 1, "id": assay_domain::ReportId::from_name(name), "project": PROJECT,
        "config": ReportConfig::default(),
        "executive_summary": {"title": format!("On {name}"), "key_points": [], "highlights": []},
        "taxonomy": {"nodes": [], "granularities": []}, "assignments": [],
        "statistics": assay_domain::report::Statistics { estimated_threads: 0.1 + 0.2, ..Default::default() },
        "made": assay_domain::report::Provenance::default(),
    });
    serde_json::from_value(report).expect("a report")
}

pub fn reports_are_kept_and_listed(store: &impl Catalog) {
    let (first, second_one) = (report("first"), report("second"));
    block_on(store.put_report(&first)).expect("stored");
    block_on(store.put_report(&second_one)).expect("stored");
    block_on(store.put_report(&second_one)).expect("stored again");
    let rows = block_on(store.reports(Some(project()))).expect("reports");
    let titles: Vec<_> = rows.iter().map(|row| row.title.as_str()).collect();
    assert_eq!(titles, ["On second", "On first"]);
    assert_eq!(block_on(store.report(first.id)).expect("readable"), Some(first.clone()));
    assert!(block_on(store.reports(Some(ProjectId::from_name("other")))).expect("reports").is_empty());
    assert!(block_on(store.delete_report(first.id)).expect("deleted"));
    assert!(!block_on(store.delete_report(first.id)).expect("not there"));
    assert_eq!(block_on(store.report(first.id)).expect("readable"), None);
    assert!(matches!(block_on(store.create_project(new_project(PROJECT))), Err(Error::Conflict(_))));
    assert_eq!(block_on(store.create_project(new_project("fresh"))).expect("created").runs, 0);
}

pub fn answers_are_remembered(store: &(impl Memo + Catalog)) {
    block_on(store.create_project(new_project(PROJECT))).expect("created");
    let answers = (0..50u8).map(|number| ([number; 32], vec![number; 400])).collect();
    block_on(store.remember(project(), answers)).expect("remembered");
    block_on(store.remember(project(), vec![([7; 32], b"other".to_vec())])).expect("remembered");
    let recalled = block_on(store.recall(&[[3; 32], [99; 32], [7; 32]])).expect("recalled");
    assert_eq!(recalled, [Some(vec![3; 400]), None, Some(b"other".to_vec())]);
}

pub fn answers_go_with_the_project_they_are_about(store: &(impl Memo + Catalog)) {
    let other = block_on(store.create_project(new_project("kept"))).expect("created").id;
    block_on(store.create_project(new_project(PROJECT))).expect("created");
    let answer = |number: u8| ([number; 32], vec![number; 40]);
    block_on(store.remember(project(), vec![answer(1), answer(2)])).expect("remembered");
    block_on(store.remember(other, vec![answer(2), answer(3)])).expect("remembered");
    block_on(store.delete_project(PROJECT)).expect("deleted");
    let recalled = |number: u8| block_on(store.recall(&[[number; 32]])).expect("recalled")[0].is_some();
    assert!(!recalled(1) && recalled(3));
    // An analysis that was under way leaves nothing behind either.
    block_on(store.remember(project(), vec![answer(1)])).expect("nobody there");
    assert!(!recalled(1));
    block_on(store.delete_project("kept")).expect("deleted");
    assert!(!recalled(2) && !recalled(3));
}

pub fn odd_text_is_kept(store: &impl Runs) {
    let odd = "a\0b \u{fffd} \u{202e} \u{1F468}\u{200d}\u{1F469} '; DROP TABLE runs; --";
    let patch = RunPatch {
        name: Some(odd.into()),
        error: Some(odd.into()),
        tags: Some(vec![odd.into()]),
        inputs: Some(json!({odd: odd})),
        metadata: metadata(json!({odd: odd, "large": 1e308, "small": -0.1})),
        ..in_thread(odd, run("odd", "odd", 0))
    };
    append(store, vec![patch.clone()]);
    let mut expected = assay_domain::Run::unknown(patch.id, project());
    expected.apply(patch);
    assert_eq!(block_on(store.run(expected.id)).expect("readable"), Some(expected));
    let threads = block_on(store.read_threads(project(), &[odd.into()])).expect("threads");
    assert_eq!(threads.len(), 1);
    let quoted = serde_json::to_string(odd).expect("a string");
    for filter in [
        format!("eq(name, {quoted})"),
        format!("eq(error, {quoted})"),
        format!("eq(thread_id, {quoted})"),
        format!("has(tags, {quoted})"),
        format!("and(eq(metadata_key, {quoted}), eq(metadata_value, {quoted}))"),
        format!("eq(input_value, {quoted})"),
        "search(\"DROP TABLE\")".into(),
    ] {
        let query =
            RunQuery { filter: Some(Filter::parse(&filter).expect("a filter")), ..RunQuery::new(project()) };
        assert_eq!(block_on(store.count(&query)).expect("a count"), 1, "{filter}");
    }
}
