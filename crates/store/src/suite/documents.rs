//! Promises about projects, records, feedback and files.

use assay_domain::{Feedback, FeedbackId, ProjectId, RunId, RunPatch, TraceId};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{PROJECT, append, batch, feedback, new_project, project, run, second};
use crate::{
    Batch, Catalog, Change, Error, FeedbackQuery, NewProject, ProjectChange, Record, RecordQuery, Records,
    Runs, block_on,
};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

pub fn projects_are_made_as_asked(store: &(impl Runs + Catalog)) {
    let id = ProjectId(Uuid::from_u128(7));
    let asked = NewProject {
        id: Some(id),
        created_at: second(3),
        reference_dataset: Some(Uuid::from_u128(8)),
        details: map(json!({"description": "d", "extra": {"metadata": {"k": 1.5}}})),
        ..new_project("experiment")
    };
    let made = block_on(store.create_project(asked.clone())).expect("made");
    assert_eq!((made.id, made.name.as_str(), made.created_at), (id, "experiment", second(3)));
    assert_eq!((made.reference_dataset, &made.details), (asked.reference_dataset, &asked.details));
    assert_eq!(block_on(store.project("experiment")).expect("readable"), Some(made.clone()));
    assert_eq!(block_on(store.project_by_id(id)).expect("readable"), Some(made));
    assert_eq!(block_on(store.project_by_id(project())).expect("readable"), None);
    for taken in [NewProject { id: Some(id), ..new_project("b") }, new_project("experiment")] {
        assert!(matches!(block_on(store.create_project(taken)), Err(Error::Conflict(_))));
    }
    assert!(matches!(block_on(store.create_project(new_project(" "))), Err(Error::Invalid(_))));
    // One that appending made has a time too, and runs go to a project by its name.
    append(
        store,
        vec![RunPatch { project_name: Some("experiment".into()), ..run("a", "a", 0) }, run("b", "b", 0)],
    );
    assert!(
        block_on(store.project(PROJECT)).expect("readable").is_some_and(|made| made.created_at.is_some())
    );
    assert_eq!(
        block_on(store.run(RunId::from_name("a"))).expect("readable").map(|run| run.project),
        Some(id)
    );
}

pub fn projects_change_and_keep_their_id(store: &(impl Runs + Catalog)) {
    append(store, vec![run("a", "a", 0)]);
    let change = |name: Option<&str>, details: Value| {
        let change = ProjectChange { name: name.map(str::to_owned), details: map(details) };
        block_on(store.change_project(project(), change))
    };
    let changed = change(None, json!({"description": "d", "x": {"y": 1}})).expect("changed");
    assert_eq!((changed.runs, &changed.details), (1, &map(json!({"description": "d", "x": {"y": 1}}))));
    let changed = change(Some("market"), json!({"x": null, "z": 2})).expect("changed");
    assert_eq!((changed.id, changed.name.as_str()), (project(), "market"));
    assert_eq!(Value::Object(changed.details.clone()), json!({"description": "d", "z": 2}));
    assert_eq!(block_on(store.project("market")).expect("readable"), Some(changed));
    assert_eq!(block_on(store.project(PROJECT)).expect("readable"), None);
    // A later project of the old name is another one.
    append(store, vec![run("b", "b", 0)]);
    let later = block_on(store.project(PROJECT)).expect("readable").expect("there");
    assert_ne!(later.id, project());
    assert_eq!(later.runs, 1);
    assert!(matches!(change(Some(PROJECT), json!({})), Err(Error::Conflict(_))));
    assert!(change(Some("market"), json!({})).is_ok());
    let unknown = store.change_project(ProjectId::from_name("none"), ProjectChange::default());
    assert!(matches!(block_on(unknown), Err(Error::NotFound(_))));
}

fn record(kind: &str, id: u128, name: Option<&str>) -> Record {
    Record {
        kind: kind.into(),
        id: Uuid::from_u128(id),
        name: name.map(str::to_owned),
        created_at: second(id as i64).unwrap_or_default(),
        modified_at: second(50).unwrap_or_default(),
        body: json!({"number": id as u64, "text": "long ".repeat(200), "deep": [[{"a": null}]]}),
        ..Record::default()
    }
}

fn ids(store: &impl Records, query: RecordQuery) -> Vec<u128> {
    let found = block_on(store.records(&query)).expect("readable");
    found.into_iter().map(|record| record.id.as_u128()).collect()
}

pub fn records_are_kept_by_kind_and_id(store: &impl Records) {
    let dataset = record("dataset", 1, Some("Fragen"));
    let examples: Vec<Record> =
        (1..=5).map(|id| Record { parent: Some(dataset.id), ..record("example", id, None) }).collect();
    let mut changes =
        vec![Change::Insert(dataset.clone()), Change::Put(record("dataset", 2, Some("fragments")))];
    changes.extend(examples.iter().cloned().map(Change::Insert));
    block_on(store.change(changes)).expect("changed");
    assert_eq!(block_on(store.record("dataset", dataset.id)).expect("readable"), Some(dataset.clone()));
    assert_eq!(block_on(store.record("key", dataset.id)).expect("readable"), None);

    let of = |kind: &str| RecordQuery { kind: kind.into(), ..RecordQuery::default() };
    assert_eq!(ids(store, of("example")), [1, 2, 3, 4, 5]);
    let page = RecordQuery { is_newest_first: true, offset: 1, limit: 2, ..of("example") };
    assert_eq!(ids(store, page), [4, 3]);
    let some = vec![Uuid::from_u128(3), Uuid::from_u128(9), Uuid::from_u128(2)];
    assert_eq!(ids(store, RecordQuery { ids: some, ..of("example") }), [2, 3]);
    assert_eq!(ids(store, RecordQuery { parent: Some(dataset.id), limit: 2, ..of("example") }), [1, 2]);
    assert_eq!(ids(store, RecordQuery { parent: Some(Uuid::nil()), ..of("example") }), [0u128; 0]);
    assert_eq!(ids(store, RecordQuery { name: Some("Fragen".into()), ..of("dataset") }), [1]);
    assert_eq!(ids(store, RecordQuery { name: Some("fragen".into()), ..of("dataset") }), [0u128; 0]);
    assert_eq!(ids(store, RecordQuery { name_contains: Some("FRAG".into()), ..of("dataset") }), [1, 2]);

    let heads = RecordQuery { without_bodies: true, ..of("example") };
    let bare: Vec<Record> = examples.iter().map(|one| Record { body: Value::Null, ..one.clone() }).collect();
    assert_eq!(block_on(store.records(&heads)).expect("readable"), bare);

    let changed = Record { name: Some("questions".into()), body: json!(null), ..dataset.clone() };
    block_on(store.change(vec![Change::Replace(changed.clone())])).expect("changed");
    assert_eq!(block_on(store.record("dataset", dataset.id)).expect("readable"), Some(changed));
    block_on(store.change(vec![
        Change::DeleteChildren { kind: "example".into(), parent: dataset.id },
        Change::Delete { kind: "dataset".into(), id: dataset.id },
        Change::Delete { kind: "dataset".into(), id: dataset.id },
    ]))
    .expect("changed");
    assert_eq!((ids(store, of("example")), ids(store, of("dataset"))), (vec![], vec![2]));
}

pub fn record_changes_happen_together_or_not_at_all(store: &impl Records) {
    let first = record("key", 1, Some("one"));
    block_on(store.change(vec![Change::Insert(first.clone())])).expect("changed");
    let of_parent =
        |id, parent| Record { parent: Some(Uuid::from_u128(parent)), ..record("key", id, Some("one")) };
    let refused = [
        Change::Insert(record("key", 1, None)),
        Change::Insert(record("key", 3, Some("one"))),
        Change::Put(record("key", 3, Some("one"))),
        Change::Replace(record("key", 2, Some("one"))),
        Change::Replace(record("key", 9, None)),
    ];
    for change in refused {
        let is_unknown = matches!(&change, Change::Replace(record) if record.id.as_u128() == 9);
        let both = vec![Change::Put(record("key", 2, None)), change];
        let error = block_on(store.change(both)).expect_err("refused");
        assert_eq!(matches!(error, Error::NotFound(_)), is_unknown, "{error}");
        assert_eq!(matches!(error, Error::Conflict(_)), !is_unknown, "{error}");
        assert_eq!(ids(store, RecordQuery { kind: "key".into(), ..RecordQuery::default() }), [1]);
    }
    // Names are unique within a parent, and within a kind.
    let other = Record { kind: "queue".into(), ..first };
    let names = vec![Change::Insert(of_parent(4, 1)), Change::Insert(of_parent(5, 2)), Change::Insert(other)];
    block_on(store.change(names)).expect("changed");
    let again = block_on(store.change(vec![Change::Insert(of_parent(6, 2))]));
    assert!(matches!(again, Err(Error::Conflict(_))));
}

pub fn files_stay_as_long_as_somebody_has_them(store: &(impl Runs + Records)) {
    let (file, other) = (b"\0binary\xff".to_vec(), b"other".to_vec());
    let (key, other_key) = (crate::blob_key(&file), crate::blob_key(&other));
    let has = |name: &str, key: &crate::Key| assay_domain::run::Attachment {
        name: name.into(),
        mime_type: Some("image/png".into()),
        reference: crate::blob_reference(key),
        size: None,
    };
    let patch = RunPatch { attachments: vec![has("x", &key)], ..run("a", "a", 0) };
    let blobs = vec![(key, file.clone()), (other_key, other.clone())];
    block_on(store.append(Batch { blobs, ..batch(vec![patch]) })).expect("appended");
    assert_eq!(block_on(store.blob(key)).expect("readable"), Some(file.clone()));
    assert_eq!(block_on(store.blob(other_key)).expect("readable"), Some(other));
    assert_eq!(block_on(store.blob([0; 32])).expect("readable"), None);

    let example = Record { blobs: vec![key], ..record("example", 1, None) };
    block_on(store.change(vec![Change::Put(example.clone())])).expect("changed");
    assert_eq!(block_on(store.record("example", example.id)).expect("readable"), Some(example.clone()));
    // Another file takes the place of the first in the run; the record still has the first.
    let update = RunPatch {
        id: RunId::from_name("a"),
        attachments: vec![has("x", &other_key)],
        ..RunPatch::default()
    };
    append(store, vec![update]);
    assert_eq!(block_on(store.blob(key)).expect("readable"), Some(file));
    let read = block_on(store.run(RunId::from_name("a"))).expect("readable").expect("there");
    assert_eq!(crate::blob_of(&read.attachments[0].reference), Some(other_key));
    block_on(store.change(vec![Change::Delete { kind: "example".into(), id: example.id }])).expect("changed");
    assert_eq!(block_on(store.blob(key)).expect("readable"), None);
    assert_eq!(crate::blob_of("https://example.com/x.png"), None);
}

pub fn feedback_is_listed_as_asked(store: &(impl Runs + Catalog)) {
    let about_project = Feedback {
        run: None,
        project: Some(project()),
        created_at: second(30),
        comment: None,
        source: Some("model".into()),
        details: map(json!({"feedback_source": {"type": "model", "metadata": {"a": [1]}}, "score": true})),
        modified_at: second(31),
        ..feedback("summary", "-", "accuracy", 0.25)
    };
    let early = Feedback {
        score: None,
        value: Some(json!("angry")),
        created_at: second(10),
        ..feedback("early", "later", "mood", 0.0)
    };
    let on_trace = Feedback {
        run: None,
        trace: Some(TraceId::from_name("a")),
        created_at: second(20),
        ..feedback("whole", "-", "good", 1.0)
    };
    let mut whole = batch(vec![run("a", "a", 0), run("a1", "a", 1)]);
    whole.feedback = vec![feedback("f", "a1", "good", 0.5), about_project.clone(), early.clone(), on_trace];
    block_on(store.append(whole)).expect("appended");
    let listed = |query: FeedbackQuery| {
        let found = block_on(store.feedbacks(&query)).expect("readable");
        let names = ["f", "summary", "early", "whole"];
        let name = |id: FeedbackId| names.into_iter().find(|name| FeedbackId::from_name(name) == id);
        found.iter().filter_map(|found| name(found.id)).collect::<Vec<_>>().join(" ")
    };
    let all = FeedbackQuery::default;
    let id = RunId::from_name;
    assert_eq!(listed(all()), "summary whole early f");
    assert_eq!(listed(FeedbackQuery { offset: 1, limit: 2, ..all() }), "whole early");
    assert_eq!(listed(FeedbackQuery { runs: vec![id("a"), id("a1")], ..all() }), "whole f");
    assert_eq!(
        listed(FeedbackQuery { keys: vec!["mood".into(), "accuracy".into()], ..all() }),
        "summary early"
    );
    assert_eq!(listed(FeedbackQuery { sources: vec!["model".into()], ..all() }), "summary");
    assert_eq!(listed(FeedbackQuery { has_comment: Some(false), ..all() }), "summary");
    assert_eq!(listed(FeedbackQuery { has_score: Some(false), ..all() }), "early");
    assert_eq!(listed(FeedbackQuery { is_about_runs: Some(false), ..all() }), "summary");
    assert_eq!(listed(FeedbackQuery { start: second(10), end: second(30), ..all() }), "whole early");
    let here = FeedbackQuery { projects: vec![project()], ..all() };
    assert_eq!(listed(here.clone()), "summary whole early f");
    // Once its run is there, feedback belongs to the run's project.
    append(store, vec![RunPatch { project_name: Some("other".into()), ..run("later", "later", 2) }]);
    assert_eq!(listed(here), "summary whole f");
    let there = FeedbackQuery { projects: vec![ProjectId::from_name("other")], ..all() };
    assert_eq!(listed(there), "early");
    let read = block_on(store.feedback(about_project.id)).expect("readable");
    assert_eq!(read, Some(about_project));
}

pub fn feedback_adds_up_by_run_and_key(store: &impl Runs) {
    let scored = |name: &str, score: Option<f64>, value: Option<Value>, comment: &str, at: i64| Feedback {
        score,
        value,
        comment: Some(comment.into()),
        created_at: second(at),
        ..feedback(name, "a", "good", 0.0)
    };
    let failed = Feedback {
        score: None,
        comment: None,
        source: Some("model".into()),
        details: map(json!({"extra": {"error": true}})),
        ..feedback("5", "a", "good", 0.0)
    };
    let mut whole = batch(vec![run("a", "a", 0), run("b", "b", 0)]);
    whole.feedback = vec![
        scored("1", Some(1.0), None, "later", 5),
        scored("2", Some(0.0), None, "first", 1),
        scored("3", Some(0.5), Some(json!("fine")), "", 2),
        scored("4", None, Some(json!("fine")), "between", 3),
        failed,
        feedback("6", "a", "other", 3.0),
    ];
    block_on(store.append(whole)).expect("appended");
    let asked = [RunId::from_name("a"), RunId::from_name("b"), RunId::from_name("none")];
    let stats = block_on(store.feedback_stats(&asked)).expect("readable");
    assert_eq!(stats.keys().collect::<Vec<_>>(), [&asked[0]]);
    let good = &stats[&asked[0]]["good"];
    assert_eq!((good.count, good.mean, good.min, good.max), (5, Some(0.5), Some(0.0), Some(1.0)));
    assert!(good.deviation.is_some_and(|deviation| (deviation - (1.0f64 / 6.0).sqrt()).abs() < 1e-12));
    assert_eq!((good.labels["fine"], good.errors), (2, 1));
    assert_eq!(good.comments, ["first", "between", "later"]);
    assert_eq!(good.sources, ["api", "model"]);
    assert_eq!(stats[&asked[0]]["other"].mean, Some(3.0));

    assert!(block_on(store.delete_feedback(FeedbackId::from_name("6"))).expect("deleted"));
    assert!(!block_on(store.delete_feedback(FeedbackId::from_name("6"))).expect("not there"));
    assert_eq!(block_on(store.feedback(FeedbackId::from_name("6"))).expect("readable"), None);
    let stats = block_on(store.feedback_stats(&asked)).expect("readable");
    assert_eq!(stats[&asked[0]].len(), 1);
}
