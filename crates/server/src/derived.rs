//! What was made from traces that are gone: reports lose what they quote.
//!
//! A report keeps its numbers, which say nothing of single threads. What it
//! quotes of a thread (request, summary, failure, examples, highlights) is
//! replaced as soon as one of the traces of that thread was deleted. What was
//! remembered about texts is the store's to forget.

use std::collections::HashSet;

use assay_domain::report::{AttributeKind, AttributeSchema, Report};
use assay_domain::{ProjectId, RunId, ThreadId, TraceId};
use assay_store::{Catalog as _, Error, RunQuery, Runs as _};

use crate::app::App;

/// Stands where a report quoted a thread.
const GONE: &str = "(deleted)";
/// So many traces are looked for at once.
const PORTION: usize = 500;

/// Takes out of the reports of a project what they quote of traces that are gone.
pub(crate) async fn forget(app: &App, project: ProjectId) -> Result<(), Error> {
    for row in app.store.reports(Some(project)).await? {
        let Some(mut report) = app.store.report(row.id).await? else { continue };
        let gone = gone(app, &report).await?;
        let threads: HashSet<&ThreadId> = gone.iter().collect();
        if blank(&mut report, &threads) {
            app.store.put_report(&report).await?;
        }
    }
    Ok(())
}

/// The threads of a report of which a trace is no longer there.
async fn gone(app: &App, report: &Report) -> Result<Vec<ThreadId>, Error> {
    let quoted = report.assignments.iter().filter(|one| one.request != GONE);
    let traces: Vec<(TraceId, &ThreadId)> =
        quoted.flat_map(|one| one.traces.iter().map(|trace| (*trace, &one.thread))).collect();
    let mut gone = Vec::new();
    for portion in traces.chunks(PORTION) {
        // Nearly all have their root, which has the trace's id.
        let ids: Vec<RunId> = portion.iter().map(|(trace, _)| RunId(trace.0)).collect();
        let query = RunQuery { limit: ids.len(), ids, ..RunQuery::default() };
        let known: HashSet<RunId> = app.store.runs(&query).await?.items.iter().map(|row| row.id).collect();
        for (trace, thread) in portion.iter().filter(|(trace, _)| !known.contains(&RunId(trace.0))) {
            let query = RunQuery { trace: Some(*trace), limit: 1, ..RunQuery::default() };
            if app.store.runs(&query).await?.items.is_empty() {
                gone.push((*thread).clone());
            }
        }
    }
    Ok(gone)
}

/// Whether anything was quoted.
fn blank(report: &mut Report, gone: &HashSet<&ThreadId>) -> bool {
    let mut is_changed = false;
    let is_free =
        |schema: &AttributeSchema| schema.kind == AttributeKind::String && schema.options.is_empty();
    let schemas = report.config.attributes.iter();
    let free: HashSet<String> =
        schemas.filter(|(_, schema)| is_free(schema)).map(|(name, _)| name.clone()).collect();
    for one in report.assignments.iter_mut().filter(|one| gone.contains(&one.thread)) {
        is_changed = true;
        one.request = GONE.into();
        one.summary = GONE.into();
        // That something failed is counted; with which words is not.
        one.failure = one.failure.take().map(|_| GONE.into());
        one.reason = one.reason.take().map(|_| GONE.into());
        one.evidence.clear();
        // What a model answered freely may be words of the thread.
        one.attributes.retain(|name, _| !free.contains(name));
    }
    for node in &mut report.taxonomy.nodes {
        node.examples.retain(|example| !gone.contains(&example.thread));
    }
    for highlight in &mut report.executive_summary.highlights {
        if gone.contains(&highlight.thread) {
            highlight.summary = GONE.into();
            highlight.reason = GONE.into();
        }
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use assay_domain::ReportId;
    use assay_domain::report::{
        Assignment, Category, CategoryKind, Evidence, Example, ExecutiveSummary, Highlight, ReportConfig,
        Statistics, Status, Taxonomy,
    };
    use serde_json::json;

    use super::*;
    use crate::testing::Server;

    const KEPT: &str = "00000001-0000-4000-8000-0000000000aa";
    const LOST: &str = "00000002-0000-4000-8000-0000000000aa";

    fn assignment(trace: &str) -> Assignment {
        Assignment {
            thread: ThreadId(trace.into()),
            category: "c".into(),
            path: vec!["Parcels".into()],
            confidence: 1.0,
            reason: None,
            summary: format!("summary of {trace}"),
            request: format!("request of {trace}"),
            attributes: BTreeMap::new(),
            status: Status::Error,
            failure: Some(format!("failure of {trace}")),
            start_time: None,
            latency: None,
            total_tokens: 1,
            cost: None,
            feedback: BTreeMap::new(),
            weight: 1.0,
            evidence: vec![Evidence { message: 0, quote: format!("quote of {trace}") }],
            position: [0.0, 0.0],
            traces: vec![TraceId(trace.parse().expect("an id"))],
            run: None,
        }
    }

    fn report() -> Report {
        let example =
            |trace: &str| Example { thread: ThreadId(trace.into()), text: format!("words of {trace}") };
        let highlight = |(index, trace): (usize, &str)| Highlight {
            rank: index + 1,
            thread: ThreadId(trace.into()),
            run: None,
            category: "c".into(),
            category_name: "Parcels".into(),
            reason: format!("reason of {trace}"),
            summary: format!("highlight of {trace}"),
        };
        let node = Category {
            id: "c".into(),
            parent: None,
            level: 0,
            name: "Parcels".into(),
            description: String::new(),
            kind: CategoryKind::Discovered,
            examples: vec![example(KEPT), example(LOST)],
            keywords: vec![],
            statistics: Statistics { threads: 2, ..Statistics::default() },
        };
        Report {
            version: 1,
            id: ReportId::default(),
            project: "p".into(),
            config: ReportConfig::usage_patterns(),
            executive_summary: ExecutiveSummary {
                highlights: [KEPT, LOST].into_iter().enumerate().map(highlight).collect(),
                ..ExecutiveSummary::default()
            },
            taxonomy: Taxonomy { nodes: vec![node], granularities: vec![] },
            assignments: vec![assignment(KEPT), assignment(LOST)],
            statistics: Statistics { threads: 2, ..Statistics::default() },
            made: Default::default(),
        }
    }

    #[tokio::test]
    async fn a_report_keeps_its_numbers_and_no_word_of_what_was_deleted() {
        let server = Server::new();
        let run = |id: &str| json!({ "id": id, "name": "agent", "run_type": "chain", "session_name": "p" });
        let runs = json!({ "post": [run(KEPT), run(LOST)] });
        server.post("/runs/batch", runs).await.ok();
        let store = &server.app.store;
        let before = report();
        store.put_report(&before).await.expect("kept");
        server.post("/runs/delete", json!({ "trace_ids": [LOST] })).await.ok();
        let after = store.report(before.id).await.expect("an answer").expect("a report");
        let text = serde_json::to_string(&after).expect("JSON");
        for word in ["summary", "request", "failure", "words", "reason", "highlight", "quote"] {
            assert!(!text.contains(&format!("{word} of {LOST}")), "{word}: {text}");
            assert!(text.contains(&format!("{word} of {KEPT}")), "{word}: {text}");
        }
        assert_eq!(after.statistics, before.statistics);
        assert_eq!(after.assignments.len(), 2);
        assert!(after.assignments.iter().all(|one| one.failure.is_some()), "what failed still counts");
    }
}
