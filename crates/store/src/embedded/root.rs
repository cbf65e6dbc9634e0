//! Roots by the id of their trace.
//!
//! Clients may name the root of a trace by the id of the trace. In their own
//! traces the two are the same; a span of OpenTelemetry has an id of its own.
//! Whoever looks up a run by an id that somebody gave goes through [`resolve`].

use assay_domain::{RunId, TraceId};
use rusqlite::{Connection, OptionalExtension};

use super::columns;
use super::writer::Writer;

/// The run of this id, else the one that stands for the trace of this id;
/// where neither is there, the id itself.
pub(crate) fn resolve(connection: &Connection, id: RunId) -> rusqlite::Result<RunId> {
    if is_run(connection, id)? {
        return Ok(id);
    }
    let root = connection
        .prepare_cached(
            "SELECT root.id FROM traces JOIN runs AS root ON root.key = traces.root WHERE traces.id = ? \
             ORDER BY root.parent IS NOT NULL, traces.key LIMIT 1",
        )?
        .query_row([id.0.as_bytes()], |row| Ok(RunId(columns::uuid(row, 0)?)))
        .optional()?;
    Ok(root.unwrap_or(id))
}

fn is_run(connection: &Connection, id: RunId) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM runs WHERE id = ?")?.exists([id.0.as_bytes()])
}

/// The root of a trace whose id is no run's, if it has come; and its project.
fn true_root(connection: &Connection, trace: TraceId) -> rusqlite::Result<Option<(RunId, i64)>> {
    connection
        .prepare_cached(
            "SELECT root.id, root.project FROM traces JOIN runs AS root ON root.key = traces.root \
             WHERE traces.id = ? AND root.parent IS NULL AND root.id != traces.id ORDER BY traces.key LIMIT 1",
        )?
        .query_row([trace.0.as_bytes()], |row| Ok((RunId(columns::uuid(row, 0)?), row.get(1)?)))
        .optional()
}

/// The root that an update means which names its trace; `None` where it means a run of its own.
pub(crate) fn meant(connection: &Connection, id: RunId) -> rusqlite::Result<Option<RunId>> {
    if is_run(connection, id)? {
        return Ok(None);
    }
    Ok(true_root(connection, TraceId(id.0))?.map(|(root, _)| root))
}

/// Brings feedback about traces to their roots: that of which the transaction
/// at hand brought either. Once its traces are settled.
pub(crate) fn bring_feedback(writer: &mut Writer) -> rusqlite::Result<()> {
    for trace in std::mem::take(&mut writer.keys.rootless) {
        let connection = &writer.connection;
        let Some((root, project)) = true_root(connection, trace)? else { continue };
        connection
            .prepare_cached(
                "UPDATE feedback SET target = ?2, project = ?3, is_early = 0 WHERE target = ?1 AND is_early = 1",
            )?
            .execute(rusqlite::params![trace.0.as_bytes(), root.0.as_bytes(), project])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use assay_domain::{Feedback, FeedbackId, PriceTable, RunPatch};
    use serde_json::json;

    use super::*;
    use crate::{Batch, EmbeddedStore, FeedbackQuery, RunQuery, Runs, block_on};

    fn store() -> EmbeddedStore {
        EmbeddedStore::open_temporary(PriceTable::default()).expect("a store")
    }

    fn trace() -> TraceId {
        TraceId::from_name("trace")
    }

    /// A span, as OpenTelemetry's ids have it.
    fn span(name: &str, parent: Option<&str>) -> RunPatch {
        RunPatch {
            id: RunId::from_name(name),
            is_creation: true,
            trace: Some(trace()),
            parent: parent.map(RunId::from_name),
            name: Some(name.into()),
            start_time: chrono::DateTime::from_timestamp(1_800_000_000, 0),
            dotted_order: parent
                .is_none()
                .then(|| format!("20270115T080000000000Z{}", RunId::from_name(name))),
            ..RunPatch::default()
        }
    }

    fn append(store: &EmbeddedStore, patches: Vec<RunPatch>, feedback: Vec<Feedback>) {
        let batch = Batch { project: "p".into(), patches, feedback, ..Batch::default() };
        block_on(store.append(batch)).expect("appended");
    }

    fn feedback() -> Feedback {
        Feedback {
            id: FeedbackId::from_name("f"),
            run: Some(RunId(trace().0)),
            key: "good".into(),
            score: Some(1.0),
            ..Feedback::default()
        }
    }

    #[test]
    fn the_id_of_a_trace_names_its_root() {
        let store = store();
        append(&store, vec![span("child", Some("root")), span("root", None)], Vec::new());
        let (root, id) = (RunId::from_name("root"), RunId(trace().0));
        assert_eq!(block_on(store.run(id)).expect("readable").expect("there").id, root);
        assert_eq!(block_on(store.stored_run(id)).expect("readable").expect("there").run.id, root);
        let query = RunQuery { ids: vec![id], ..RunQuery::default() };
        assert_eq!(block_on(store.runs(&query)).expect("a page").items[0].id, root);
        assert_eq!(block_on(store.stored_runs(&query)).expect("a page").items[0].run.id, root);
        assert_eq!(block_on(store.count(&query)).expect("a count"), 1);
        assert!(block_on(store.run(RunId::from_name("nothing"))).expect("readable").is_none());
    }

    #[test]
    fn feedback_on_a_trace_is_about_its_root_whichever_comes_first() {
        let root = RunId::from_name("root");
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let store = store();
            for number in order {
                match number {
                    0 => append(&store, vec![span("root", None)], Vec::new()),
                    1 => append(&store, vec![span("child", Some("root"))], Vec::new()),
                    _ => append(&store, Vec::new(), vec![feedback()]),
                }
            }
            let stats = block_on(store.feedback_stats(&[root])).expect("sums");
            assert_eq!(
                stats.get(&root).and_then(|keys| keys.get("good")).map(|sum| sum.count),
                Some(1),
                "{order:?}"
            );
            for run in [root, RunId(trace().0)] {
                let query = FeedbackQuery { runs: vec![run], ..FeedbackQuery::default() };
                let found = block_on(store.feedbacks(&query)).expect("a list");
                assert_eq!(found.iter().map(|one| one.run).collect::<Vec<_>>(), [Some(root)], "{order:?}");
            }
        }
    }

    #[test]
    fn feedback_and_root_of_one_batch_meet_and_saying_it_again_changes_nothing() {
        let store = store();
        for _ in 0..2 {
            append(&store, vec![span("root", None)], vec![feedback()]);
            let root = RunId::from_name("root");
            let stats = block_on(store.feedback_stats(&[root])).expect("sums");
            assert_eq!(stats[&root]["good"].count, 1);
        }
    }

    #[test]
    fn an_update_under_the_id_of_a_trace_is_the_roots() {
        let store = store();
        append(&store, vec![span("child", Some("root")), span("root", None)], Vec::new());
        let id = RunId(trace().0);
        let update = RunPatch {
            id,
            trace: Some(trace()),
            dotted_order: Some(format!("20270115T080000000000Z{id}")),
            outputs: Some(json!({"answer": 42})),
            ..RunPatch::default()
        };
        append(&store, vec![update], Vec::new());
        let found = block_on(store.trace(trace())).expect("readable").expect("there");
        assert_eq!(found.runs.len(), 2, "no second root");
        let root = found.root().expect("a root");
        assert_eq!((root.name.as_str(), &root.outputs), ("root", &json!({"answer": 42})));
        assert_eq!(root.dotted_order, span("root", None).dotted_order);
    }
}
